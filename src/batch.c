#include "batch.h"
#include <stdlib.h>
#include <string.h>

/* So much of x stays in the first-level cache between two passes over a batch. */
enum { LQ_BATCH_ELEMENTS = 8192 };

/* So many rows that share lines of the caches are worth more than that. */
enum { LQ_SHARING = 128 };

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t count_of(const lq_plan *plan, const int64_t *index, int loop) {
    if (loop == LQ_NO_LOOP) return 1;
    const lq_loop *l = &plan->loop[loop];
    if (l->ragged_by == LQ_NO_LOOP) return l->count;
    return index[l->ragged_by] == plan->loop[l->ragged_by].count - 1 ? l->last_count : l->count;
}

static void advance(int64_t *at, const lq_loop *loop, int64_t turns) {
    for (int o = 0; o < LQ_OPERANDS; ++o) at[o] += loop->step[o] * turns;
}

typedef struct walk {
    lq_batch batch;
    lq_batch_fn *visit;
    void *context;
} walk;

static void visit_one(walk *w) {
    lq_batch *b = &w->batch;
    b->blocks = 1;
    b->rows = count_of(b->plan, b->index, b->plan->row);
    b->count = count_of(b->plan, b->index, b->plan->vector);
    w->visit(w->context, b);
}

/* Whether rows share lines of the caches, as those of a transposed view do. */
static bool shares_lines(const lq_loop *row, const lq_loop *vector, lq_operand o) {
    return llabs(row->step[o]) < llabs(vector->step[o]);
}

int64_t lq_rows_in_cache(const lq_plan *plan, int64_t count) {
    const lq_loop *row = &plan->loop[plan->row];
    const lq_loop *vector = &plan->loop[plan->vector];
    int64_t most = smaller(LQ_BATCH, count > 0 ? 1 + LQ_BATCH_ELEMENTS / count : LQ_BATCH);
    if (shares_lines(row, vector, LQ_X) || shares_lines(row, vector, LQ_CODES)) {
        most = most / LQ_SHARING * LQ_SHARING + LQ_SHARING;
        if (most > LQ_BATCH) most = LQ_BATCH;
    }
    return most > LQ_SHARING ? most / LQ_SHARING * LQ_SHARING : most;
}

/* A short last row is a batch of its own. */
static void visit_rows(walk *w) {
    lq_batch *b = &w->batch;
    const lq_loop *row = &b->plan->loop[b->plan->row];
    const lq_loop *vector = &b->plan->loop[b->plan->vector];
    const bool ragged = vector->ragged_by == b->plan->row;
    const int64_t most = b->plan->most ? b->plan->most : lq_rows_in_cache(b->plan, vector->count);
    int64_t start[LQ_OPERANDS];
    memcpy(start, b->at, sizeof start);
    for (int64_t done = 0; done < row->count; done += b->blocks) {
        if (done > 0) advance(b->at, row, b->blocks);
        const bool last = ragged && done == row->count - 1;
        b->blocks = last ? 1 : smaller(most, row->count - done - (ragged ? 1 : 0));
        b->rows = b->blocks;
        b->followed = done + 2 * b->blocks <= row->count;
        b->count = last     ? vector->last_count
                   : ragged ? vector->count
                            : count_of(b->plan, b->index, b->plan->vector);
        w->visit(w->context, b);
    }
    memcpy(b->at, start, sizeof start);
}

static void visit_lanes(walk *w) {
    lq_batch *b = &w->batch;
    const lq_loop *vector = &b->plan->loop[b->plan->vector];
    int64_t start[LQ_OPERANDS];
    memcpy(start, b->at, sizeof start);
    b->rows = count_of(b->plan, b->index, b->plan->row);
    for (int64_t done = 0; done < vector->count; done += b->blocks) {
        if (done > 0) advance(b->at, vector, b->blocks);
        b->blocks = b->count = smaller(LQ_BATCH, vector->count - done);
        w->visit(w->context, b);
    }
    memcpy(b->at, start, sizeof start);
}

static void walk_outer(walk *w, int depth) {
    lq_batch *b = &w->batch;
    if (depth == b->plan->outer_loops) {
        switch (b->plan->spread) {
        case LQ_SPREAD_ONE: visit_one(w); break;
        case LQ_SPREAD_ROWS: visit_rows(w); break;
        case LQ_SPREAD_LANES: visit_lanes(w); break;
        }
        return;
    }
    const int loop = b->plan->outer[depth];
    const int64_t turns = count_of(b->plan, b->index, loop);
    for (int64_t i = 0; i < turns; ++i) {
        b->index[loop] = i;
        walk_outer(w, depth + 1);
        advance(b->at, &b->plan->loop[loop], 1);
    }
    advance(b->at, &b->plan->loop[loop], -turns);
}

void lq_each_batch(const lq_plan *plan, lq_batch_fn *visit, void *context) {
    if (plan->no_cell) return;
    walk w;
    w.visit = visit;
    w.context = context;
    w.batch.plan = plan;
    w.batch.followed = false;
    memcpy(w.batch.at, plan->origin, sizeof plan->origin);
    memset(w.batch.step, 0, sizeof w.batch.step);
    if (plan->spread == LQ_SPREAD_ROWS) {
        memcpy(w.batch.step, plan->loop[plan->row].step, sizeof w.batch.step);
    } else if (plan->spread == LQ_SPREAD_LANES) {
        memcpy(w.batch.step, plan->loop[plan->vector].step, sizeof w.batch.step);
    }
    walk_outer(&w, 0);
}

static void walk_inner(lq_batch *b, lq_piece *piece, int depth, lq_piece_fn *visit, void *context) {
    if (depth == b->plan->inner_loops) {
        visit(context, piece);
        return;
    }
    const int loop = b->plan->inner[depth];
    const lq_loop *l = &b->plan->loop[loop];
    const int64_t turns = count_of(b->plan, b->index, loop);
    int64_t start[LQ_OTHER + 2];
    memcpy(start, piece->at, sizeof start);
    for (int64_t i = 0; i < turns; ++i) {
        b->index[loop] = i;
        for (int o = 0; o <= LQ_OTHER; ++o) piece->at[o] = start[o] + i * l->step[o];
        walk_inner(b, piece, depth + 1, visit, context);
    }
    memcpy(piece->at, start, sizeof start);
}

void lq_each_piece(lq_batch *batch, lq_piece_fn *visit, void *context) {
    const lq_plan *plan = batch->plan;
    lq_piece piece;
    if (plan->empty) return;
    piece.batch = batch;
    piece.rows = batch->rows;
    piece.count = batch->count;
    memcpy(piece.at, batch->at, sizeof piece.at);
    memcpy(piece.step, plan->loop[plan->vector].step, sizeof piece.step);
    if (plan->row == LQ_NO_LOOP) {
        memset(piece.row_step, 0, sizeof piece.row_step);
    } else {
        memcpy(piece.row_step, plan->loop[plan->row].step, sizeof piece.row_step);
    }
    if (plan->inner_loops == 0) {
        visit(context, &piece);
    } else {
        walk_inner(batch, &piece, 0, visit, context);
    }
}
