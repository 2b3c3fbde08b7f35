/*
 * A matrix goes from one side to another through tiles on the stack: a tile is read from wherever its
 * codes are, as bytes; made into the bytes of the other side; and written. Records bring their
 * parameters along.
 */
#ifndef LQ_MOVE_H
#define LQ_MOVE_H

#include "layouts/codes.h"
#include "packed.h"
#include "tasks.h"

/* No record has more parameters than one for 16 codes, nor wider ones than 4 bytes. */
enum { LQ_PART_BYTES = LQ_TILE / 16 * 4 };

/* out = (((in + before) & inside) + after) & outside, modulo 256 */
typedef struct lq_byte_map {
    unsigned char before, inside, after, outside;
    bool identity;
} lq_byte_map;

typedef struct lq_finding {
    lq_status status;
    int64_t index;
} lq_finding;

typedef struct lq_mover {
    const lq_side *from, *to;
    const lq_plane *source, *target; /* codes, or zero points */
    const lq_layout_row *records;    /* of either side: its parameters come along */
    bool checks, checks_codes;       /* nothing is written */
    int64_t rows, columns;
    int64_t tile_rows, tile_columns, bands, tasks;
    lq_byte_map map;
    lq_finding found[LQ_MAX_TASKS];
} lq_mover;

typedef struct lq_moved_tile {
    lq_field_tile tile;
    lq_values part[LQ_PARTS]; /* element 0 is the tile's first */
    unsigned char codes[LQ_TILE];
    unsigned char read[LQ_PARTS][LQ_PART_BYTES], made[LQ_PARTS][LQ_PART_BYTES];
} lq_moved_tile;

lq_byte_map lq_map_between(const lq_plane *a, const lq_plane *b);

/* The first in a row of bytes as the source has them that the target does not have, or -1. */
int64_t lq_first_outside(const lq_mover *m, const unsigned char *codes, int64_t n);

/* The place of the one that begins in this column of a band of rows. */
void lq_start_tile(const lq_mover *m, int64_t band, int64_t column, lq_moved_tile *p);

/* Its bytes as the source has them, wherever they then are, and its parameters. */
void lq_read_tile(const lq_mover *m, lq_moved_tile *p);

/* All of it to the other side. */
void lq_move_tile(const lq_mover *m, lq_moved_tile *p);

#endif
