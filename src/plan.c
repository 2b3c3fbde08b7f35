#include "plan.h"
#include <string.h>

static lq_loop *push(lq_plan *plan, int64_t count, bool cell) {
    lq_loop *loop = &plan->loop[plan->loops++];
    loop->count = loop->last_count = count;
    loop->cell = cell;
    loop->ragged_by = LQ_NO_LOOP;
    memset(loop->step, 0, sizeof loop->step);
    return loop;
}

/* From block to block, or within one. */
static void set_steps(lq_loop *loop, const lq_geometry *g, int axis, int64_t extent) {
    for (int o = 0; o < g->operands; ++o) {
        const int64_t stride = g->stride[o][axis];
        if (lq_of_elements(o)) {
            loop->step[o] = loop->cell ? stride * extent : stride;
        } else if (loop->cell) {
            loop->step[o] = stride;
        }
    }
}

static void push_axis(lq_plan *plan, const lq_geometry *g, int axis) {
    const int64_t dim = g->shape[axis];
    const int64_t extent = g->extent[axis];
    const int64_t blocks = g->grid[axis];
    if (blocks > 1) set_steps(push(plan, blocks, true), g, axis, extent);
    /* Without elements nothing lies within a block, however long its other axes. */
    if (extent > 1 && !plan->empty) {
        const int64_t last = dim - (blocks - 1) * extent;
        lq_loop *within = push(plan, extent, false);
        set_steps(within, g, axis, 1);
        if (blocks > 1 && last != extent) {
            within->ragged_by = plan->loops - 2;
            within->last_count = last;
        }
    }
}

static int64_t magnitude(int64_t v) {
    return v < 0 ? -v : v;
}

/* Axes with large strides outermost. Axes of one element are left out: their strides say nothing. */
static int order_axes(const lq_geometry *g, bool by_index, int *axes) {
    int n = 0;
    for (int axis = 0; axis < g->rank; ++axis) {
        if (g->shape[axis] == 1) continue;
        int at = n++;
        const int64_t *stride = g->stride[g->leading];
        for (; !by_index && at > 0; --at) {
            if (magnitude(stride[axes[at - 1]]) >= magnitude(stride[axis])) break;
            axes[at] = axes[at - 1];
        }
        axes[at] = axis;
    }
    return n;
}

static bool is_ragged_by(const lq_plan *plan, int loop) {
    for (int i = 0; i < plan->loops; ++i) {
        if (plan->loop[i].ragged_by == loop) return true;
    }
    return false;
}

static bool can_merge(const lq_plan *plan, int outer) {
    const lq_loop *a = &plan->loop[outer];
    const lq_loop *b = &plan->loop[outer + 1];
    if (a->cell != b->cell || b->ragged_by != LQ_NO_LOOP) return false;
    for (int o = 0; o < LQ_OPERANDS; ++o) {
        if (a->step[o] != b->step[o] * b->count) return false;
    }
    return !is_ragged_by(plan, outer) && !is_ragged_by(plan, outer + 1);
}

static void merge(lq_plan *plan, int outer) {
    lq_loop *a = &plan->loop[outer];
    const lq_loop *b = &plan->loop[outer + 1];
    a->count *= b->count;
    a->last_count *= b->count;
    memcpy(a->step, b->step, sizeof a->step);
    --plan->loops;
    memmove(&plan->loop[outer + 1], &plan->loop[outer + 2],
            (size_t)(plan->loops - outer - 1) * sizeof *a);
    for (int i = 0; i < plan->loops; ++i) {
        if (plan->loop[i].ragged_by > outer) --plan->loop[i].ragged_by;
    }
}

static bool all_cells_but_last(const lq_plan *plan) {
    for (int i = 0; i + 1 < plan->loops; ++i) {
        if (!plan->loop[i].cell) return false;
    }
    return true;
}

/*
 * The loop whose elements lie closer together than those of the innermost, in x or in codes; or
 * the one outside the innermost, which is the row otherwise.
 */
static int column_loop(const lq_plan *plan) {
    const lq_loop *vector = &plan->loop[plan->vector];
    int best = plan->loops - 2;
    for (int o = LQ_X; o <= LQ_CODES; ++o) {
        int64_t least = magnitude(vector->step[o]);
        for (int i = plan->loops - 2; i >= 0; --i) {
            const int64_t step = magnitude(plan->loop[i].step[o]);
            if (step == 0 || step >= least) continue;
            least = step;
            best = i;
        }
    }
    return best;
}

static int moved_index(int index, int from, int to) {
    if (index == from) return to;
    return index > from && index <= to ? index - 1 : index;
}

/* One loop further inside. */
static void move_loop(lq_plan *plan, int from, int to) {
    const lq_loop moved = plan->loop[from];
    memmove(&plan->loop[from], &plan->loop[from + 1], (size_t)(to - from) * sizeof moved);
    plan->loop[to] = moved;
    for (int i = 0; i < plan->loops; ++i) {
        plan->loop[i].ragged_by = moved_index(plan->loop[i].ragged_by, from, to);
    }
}

/* Rows next to those that share lines of the caches with them: the walk's order is free then. */
static void bring_columns_in(lq_plan *plan) {
    if (plan->loops < 3 || plan->loop[plan->vector].cell) return;
    move_loop(plan, column_loop(plan), plan->loops - 2);
}

/* In memory order the two innermost loops are a batch, and every batch is one piece. */
static void walk_memory(lq_plan *plan, bool single_rows) {
    const int row = plan->loops - 2;
    const bool lanes = plan->loop[plan->vector].cell;
    bool rows = row >= 0;
    /* Lanes keep their parameters over rows of the same blocks. */
    if (lanes) rows = rows && !plan->loop[row].cell && !single_rows;
    plan->row = rows ? row : LQ_NO_LOOP;
    plan->spread = lanes                          ? LQ_SPREAD_LANES
                   : rows && plan->loop[row].cell ? LQ_SPREAD_ROWS
                                                  : LQ_SPREAD_ONE;
    plan->outer_loops = plan->loops - 1 - (rows ? 1 : 0);
    for (int i = 0; i < plan->outer_loops; ++i) plan->outer[i] = i;
}

/* Block after block: the loops over blocks outside, the ones within inside. */
static void walk_blocks(lq_plan *plan) {
    plan->spread = plan->loop[plan->vector].cell ? LQ_SPREAD_LANES : LQ_SPREAD_ONE;
    plan->row = LQ_NO_LOOP;
    for (int i = 0; i < plan->vector; ++i) {
        if (plan->loop[i].cell) {
            plan->outer[plan->outer_loops++] = i;
        } else {
            plan->inner[plan->inner_loops++] = i;
        }
    }
    if (plan->inner_loops > 0) plan->row = plan->inner[--plan->inner_loops];
}

/* However many axes there are, and whatever the order. */
static void plan_run(int64_t blocks, int64_t block, lq_plan *plan) {
    if (blocks > 1) {
        lq_loop *each = push(plan, blocks, true);
        each->step[LQ_X] = each->step[LQ_CODES] = block;
        each->step[LQ_SCALE] = each->step[LQ_ZERO] = 1;
        plan->spread = LQ_SPREAD_ROWS;
        plan->row = 0;
        plan->vector = 1;
    }
    lq_loop *within = push(plan, block, false);
    within->step[LQ_X] = within->step[LQ_CODES] = within->step[LQ_OTHER] = 1;
}

void lq_make_plan(const lq_geometry *geometry, lq_order order, lq_plan *plan) {
    int axes[LQ_MAX_RANK];
    plan->loops = plan->outer_loops = plan->inner_loops = 0;
    plan->most = 0;
    plan->empty = plan->no_cell = false;
    /* Also of a plan without loops. */
    plan->spread = LQ_SPREAD_ONE;
    plan->row = LQ_NO_LOOP;
    plan->vector = 0;
    memcpy(plan->origin, geometry->origin, sizeof plan->origin);
    if (geometry->run > 0) {
        plan_run(geometry->run / geometry->block, geometry->block, plan);
        return;
    }
    for (int i = 0; i < geometry->rank; ++i) {
        plan->empty = plan->empty || geometry->shape[i] == 0;
        plan->no_cell = plan->no_cell || geometry->grid[i] == 0;
    }
    if (plan->no_cell) return;
    const bool by_index = order == LQ_ORDER_ELEMENTS || order == LQ_ORDER_ROW_MAJOR;
    const int n = order_axes(geometry, by_index, axes);
    for (int i = 0; i < n; ++i) push_axis(plan, geometry, axes[i]);
    if (plan->loops == 0) {
        plan_run(1, 1, plan);
        return;
    }
    for (int i = plan->loops - 2; i >= 0; --i) {
        if (can_merge(plan, i)) merge(plan, i);
    }
    plan->vector = plan->loops - 1;
    if (order >= LQ_ORDER_BLOCKS && !all_cells_but_last(plan)) {
        walk_blocks(plan);
    } else {
        if (order == LQ_ORDER_MEMORY || order == LQ_ORDER_BLOCKS) bring_columns_in(plan);
        walk_memory(plan, order == LQ_ORDER_STRICT || order == LQ_ORDER_ELEMENTS);
    }
}
