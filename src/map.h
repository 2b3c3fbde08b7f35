/*
 * Running map kernels on pieces: straight on the caller's memory where elements are contiguous and
 * codes begin at whole bytes, else through a small buffer on the stack.
 */
#ifndef LQ_MAP_H
#define LQ_MAP_H

#include "batch.h"
#include "kernels.h"

typedef struct lq_map {
    lq_map_fn *const *runs;  /* by lq_width */
    lq_map_fn *const *lanes; /* NULL where there are no parameters */
    lq_map_fn *const *pack;  /* the way between codes of a width and bytes */
    lq_map_fn *const *unpack;
    bool to_codes; /* x is read and codes written, or the other way round */
    unsigned char *x;
    unsigned char *codes;
    int x_size; /* bytes of an element of x */
    const lq_type_info *code;
    int32_t qmin, qmax;
    /* Of the batch at hand. */
    const float *scale;
    const int32_t *zero;
    const int32_t *multiplier; /* fixed-point requantization, instead of scale */
    const int32_t *shift;
    /* What goes to codes is counted first, where anybody wants to know. */
    lq_counts *counts;
    lq_count_fn *count_runs;
    lq_count_fn *count_lanes;
} lq_map;

void lq_map_piece(const lq_map *map, const lq_piece *piece);

/* `n` elements of `size` bytes, one every `step` elements from element `at`, and back. */
void lq_gather(void *buffer, const void *data, int size, int64_t at, int64_t step, int64_t n);
void lq_scatter(const void *buffer, void *data, int size, int64_t at, int64_t step, int64_t n);

/* The same for codes of any width; those below 8 bits are bytes in the buffer, not extended. */
void lq_gather_codes(void *buffer, const void *codes, const lq_type_info *type, int64_t at,
                     int64_t step, int64_t n);

#endif
