/* Walking a plan: batches of blocks, and the pieces of memory that belong to each. */
#ifndef LQ_BATCH_H
#define LQ_BATCH_H

#include "plan.h"

/* The most blocks in a batch; their parameters are kept on the stack. */
enum { LQ_BATCH = 1024 };

typedef struct lq_batch {
    const lq_plan *plan;
    int64_t blocks;
    int64_t at[LQ_OPERANDS];   /* element of the first block's first value, scale and zero point */
    int64_t step[LQ_OPERANDS]; /* from block to block */
    int64_t rows, count;       /* of every piece */
    bool followed;             /* by as many blocks, right behind them */
    int64_t index[LQ_MAX_LOOPS]; /* where the outer and inner loops stand */
} lq_batch;

/* `rows` rows of `count` elements; steps in elements. */
typedef struct lq_piece {
    const lq_batch *batch;
    int64_t rows, count;
    int64_t at[LQ_OTHER + 2]; /* by LQ_X, LQ_CODES and LQ_OTHER */
    int64_t row_step[LQ_OTHER + 2];
    int64_t step[LQ_OTHER + 2];
} lq_piece;

typedef void lq_batch_fn(void *context, lq_batch *batch);
typedef void lq_piece_fn(void *context, const lq_piece *piece);

/* Which of the batch's blocks an element of a piece belongs to. */
static inline int64_t lq_block_at(const lq_piece *piece, int64_t row, int64_t element) {
    switch (piece->batch->plan->spread) {
    case LQ_SPREAD_ROWS: return row;
    case LQ_SPREAD_LANES: return element;
    default: return 0;
    }
}

/* As many rows of `count` elements as stay in the first-level cache between two passes over them. */
int64_t lq_rows_in_cache(const lq_plan *plan, int64_t count);

void lq_each_batch(const lq_plan *plan, lq_batch_fn *visit, void *context);

void lq_each_piece(lq_batch *batch, lq_piece_fn *visit, void *context);

#endif
