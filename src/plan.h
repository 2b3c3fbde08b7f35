/*
 * The plan: a call lowered once from shapes, strides and blocks to loops over contiguous rows.
 *
 * Each axis becomes one loop, or two where blocks cut it: over the blocks (which changes the
 * parameters) and within a block. Loops that can be walked as one are merged. The innermost is
 * the row that kernels see: a run where parameters stay, lanes where they change with every
 * element. Nothing but plan.c and batch.c knows of shapes.
 */
#ifndef LQ_PLAN_H
#define LQ_PLAN_H

#include "types.h"

/*
 * The operands of a call; loops have a step in each. Most calls have the first four. One that reads
 * a second tensor of x's shape has it as LQ_OTHER, and what it writes for each block beside the
 * parameters that it reads as LQ_SCALE_OUT and LQ_ZERO_OUT. Fixed-point requantization has shifts.
 */
typedef enum {
    LQ_X,
    LQ_CODES,
    LQ_SCALE,
    LQ_ZERO,
    LQ_OTHER,
    LQ_SCALE_OUT,
    LQ_ZERO_OUT,
    LQ_SHIFT,
    LQ_OPERANDS
} lq_operand;

/* Whether an operand has x's shape, not that of the grid. */
static inline bool lq_of_elements(int operand) {
    return operand == LQ_X || operand == LQ_CODES || operand == LQ_OTHER;
}

enum { LQ_MAX_LOOPS = 2 * LQ_MAX_RANK, LQ_NO_LOOP = -1 };

typedef struct lq_loop {
    int64_t count;
    int64_t step[LQ_OPERANDS]; /* elements */
    bool cell;                 /* goes from block to block */
    int ragged_by;             /* the loop whose last turn shortens this one, or LQ_NO_LOOP */
    int64_t last_count;        /* the count then */
} lq_loop;

/* What the parameters of a batch belong to. */
typedef enum {
    LQ_SPREAD_ONE,  /* one block: all of its rows */
    LQ_SPREAD_ROWS, /* each row is a block of its own, or a part of one */
    LQ_SPREAD_LANES /* element i of every row belongs to block i */
} lq_spread;

/* In which order a plan is walked. */
typedef enum {
    LQ_ORDER_MEMORY,   /* as the elements lie; a block may come up more than once */
    LQ_ORDER_STRICT,   /* the same, one row after the other: for work in place */
    LQ_ORDER_ELEMENTS, /* the same by index, whatever the strides: for sums */
    LQ_ORDER_BLOCKS,   /* block after block */
    LQ_ORDER_ROW_MAJOR /* the same, and the elements of each by index */
} lq_order;

typedef struct lq_plan {
    int loops;
    lq_loop loop[LQ_MAX_LOOPS];
    int64_t origin[LQ_OPERANDS];
    bool empty;   /* x has no elements, though there may be blocks */
    bool no_cell; /* there are no blocks */
    /* The walk: outer loops choose a batch, inner ones its pieces, then rows and their elements. */
    lq_spread spread;
    int outer_loops, inner_loops;
    int outer[LQ_MAX_LOOPS], inner[LQ_MAX_LOOPS];
    int row;      /* a loop, or LQ_NO_LOOP for a single row */
    int vector;   /* a loop */
    int64_t most; /* rows of a batch, where each is a block; 0: as many as pay */
} lq_plan;

/* Strides per axis for each operand; an operand that a call lacks has strides of 0. */
typedef struct lq_geometry {
    int rank;
    const int64_t *shape;
    const int64_t *extent; /* of a block */
    const int64_t *grid;
    int operands; /* the first of LQ_OPERANDS, the only ones with strides */
    int64_t stride[LQ_OPERANDS][LQ_MAX_RANK];
    int64_t origin[LQ_OPERANDS];
    /* The elements of x where blocks of so many follow each other without gaps; else 0. Then the
     * first four operands need no strides: parameters do so too. */
    int64_t run, block;
    lq_operand leading; /* its strides decide which axis goes innermost where order is free */
} lq_geometry;

void lq_make_plan(const lq_geometry *geometry, lq_order order, lq_plan *plan);

#endif
