/*
 * Running map kernels on pieces, between real values and codes or two types of either: straight on
 * the caller's memory where elements are contiguous and codes begin at whole bytes, else through a
 * small buffer on the stack.
 */
#ifndef LQ_MAP_H
#define LQ_MAP_H

#include "batch.h"
#include "kernels.h"

/*
 * The parameters of a batch as kernels take them; the last three only where there is a rule, or
 * fixed-point requantization. Scales may have become factors, and zero points offsets.
 */
typedef struct lq_parameters {
    float scale[LQ_BATCH];
    int32_t zero[LQ_BATCH];
    union {
        float offset[LQ_BATCH];
        int32_t multiplier[LQ_BATCH];
    };
    union {
        float center[LQ_BATCH];
        int32_t shift[LQ_BATCH];
    };
    float back[LQ_BATCH];
} lq_parameters;

typedef struct lq_map {
    lq_map_fn *const *runs;  /* by the code type's index: lq_width, or lq_real of a real type */
    lq_map_fn *const *lanes; /* NULL where there are no parameters */
    lq_map_fn *const *pack;  /* the way between codes of a width and bytes */
    lq_map_fn *const *unpack;
    bool to_codes; /* x is read and codes written, or the other way round */
    bool streams;  /* long rows of codes go past the caches */
    bool in_order; /* codes overwrite x from the front */
    bool fetches;  /* x has just been read: what follows may be fetched in the meantime */
    unsigned char *x;
    unsigned char *codes;
    int x_size;                      /* bytes of an element of x */
    const lq_type_info *code;        /* or a real type: x becomes the values of its codes */
    bool fixed_point;                /* requantization by multipliers and shifts */
    lq_map_work work;                /* what all that kernels are given has in common; else 0 */
    const lq_parameters *parameters; /* of the batch at hand; NULL where there are none */
    /* What goes to codes is counted first, where anybody wants to know. */
    lq_counts *counts;
    lq_count_fn *count_runs;
    lq_count_fn *count_lanes;
} lq_map;

void lq_map_piece(const lq_map *map, const lq_piece *piece);

/* A run by one call of a kernel, the last of this map; false, and nothing done, where none can. */
bool lq_map_run(lq_map *map, const lq_geometry *geometry);

/* False, or what a kernel is to do where that needs no buffer. */
bool lq_direct_work(const lq_map *map, const lq_piece *piece, lq_map_work *work);

#endif
