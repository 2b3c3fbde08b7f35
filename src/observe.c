/* lq_calibrator_observe: the values of a batch into a calibrator's statistic. */
#include "calibrator.h"
#include "tasks.h"

/* ---------------------------------------------------------------- histograms */

/* So many values of each channel are coming: room for them in its counters. */
static void make_room(lq_calibrator *c, int64_t first, int64_t channels, int64_t values) {
    for (int64_t i = first; i < first + channels; ++i) {
        if (lq_pending(c)[i] + (uint64_t)values > LQ_MOST_PENDING) lq_fold(c, i);
        lq_pending(c)[i] += (uint32_t)values;
    }
}

/* Contiguous rows; of one channel each, of one for all, or of a channel each element. */
static void tally_rows(lq_job *j, const lq_piece *p, const lq_gathered *part) {
    const int64_t rows = part->rows, count = part->count;
    lq_calibrator *c = j->calibrator;
    const lq_batch *b = p->batch;
    const lq_spread spread = b->plan->spread;
    const lq_kernels *k = j->call->kernels;
    const int64_t channel =
        b->at[LQ_SCALE] + lq_block_at(p, part->first_row, part->first) * b->step[LQ_SCALE];
    const lq_tally_work work = {
        .x = part->x,
        .count = count,
        .rows = rows,
        .x_step = part->x_step,
        .channel_step = spread == LQ_SPREAD_ROWS,
        .lo = lq_los(c) + channel,
        .hi = lq_his(c) + channel,
        .low_bits = lq_low_bits(c) + channel,
        .counters = lq_counters(c, channel),
        .sums = lq_bin_sums(c, channel),
        .bins = c->bins,
        .shift = lq_dropped_bits(c),
    };
    switch (spread) {
    case LQ_SPREAD_ONE: make_room(c, channel, 1, rows * count); break;
    case LQ_SPREAD_ROWS: make_room(c, channel, rows, count); break;
    case LQ_SPREAD_LANES: make_room(c, channel, count, rows); break;
    }
    (spread == LQ_SPREAD_LANES ? k->tally_lanes : k->tally_runs)[j->call->type[LQ_X]->index](&work);
}

/* In parts that leave room in the counters. */
static void tally_piece(void *context, const lq_piece *p) {
    lq_job *j = context;
    const int64_t most = (int64_t)LQ_MOST_PENDING / 4;
    if (p->step[LQ_X] != 1 && p->count != 1) {
        lq_each_gathered(j, p, tally_rows);
        return;
    }
    const int64_t rows = p->count < most ? most / p->count : 1;
    for (int64_t r = 0; r < p->rows; r += rows) {
        const int64_t n = p->rows - r < rows ? p->rows - r : rows;
        for (int64_t i = 0; i < p->count; i += most) {
            const int64_t at = p->at[LQ_X] + r * p->row_step[LQ_X] + i;
            const int64_t rest = p->count - i;
            const lq_gathered part = {
                .x = j->map.x + at * j->map.x_size,
                .x_step = p->row_step[LQ_X] * j->map.x_size,
                .first_row = r,
                .rows = n,
                .first = i,
                .count = rest < most ? rest : most,
            };
            tally_rows(j, p, &part);
        }
    }
}

/* -------------------------------------------------------------------- ranges */

/* m + c * (v - m); the difference of two floats may be infinite. */
static float moved(float m, float c, float v) {
    const float moved_in_float = m + c * (v - m);
    if (lq_is_finite(moved_in_float)) return moved_in_float;
    return (float)((double)m + (double)c * ((double)v - (double)m));
}

static void average(const lq_job *j, int64_t block, int64_t channel) {
    const float c = j->calibrator->averaging;
    float *lo = lq_moving_los(j->calibrator) + channel;
    float *hi = lq_moving_his(j->calibrator) + channel;
    const bool first = !lq_is_finite(*lo); /* rounding may take *lo past *hi */
    if (!(j->lo[block] <= j->hi[block])) return;
    *lo = first ? j->lo[block] : moved(*lo, c, j->lo[block]);
    *hi = first ? j->hi[block] : moved(*hi, c, j->hi[block]);
}

static void observe_batch(void *context, lq_batch *batch) {
    lq_job *j = context;
    if (j->calibrator->bins) {
        lq_each_piece(batch, tally_piece, j);
        return;
    }
    lq_find_ranges(j, batch);
    for (int64_t b = 0; b < batch->blocks; ++b) {
        const int64_t channel = batch->at[LQ_SCALE] + b * batch->step[LQ_SCALE];
        lq_widen_range(j->calibrator, channel, j->lo[b], j->hi[b]);
        if (j->calibrator->moving_lo) average(j, b, channel);
    }
}

/* ----------------------------------------------------------------- the call */

static lq_status check_batch(lq_call *call, const lq_calibrator *c, const lq_tensor *x) {
    const lq_block block = c->per_channel ? lq_per_channel(c->axis) : lq_per_tensor();
    lq_span span;
    int64_t blocks;
    lq_status status = x ? lq_check_tensor(x, false, &span) : LQ_ERROR_NULL;
    if (status) return status;
    call->type[LQ_X] = lq_type_find(x->type);
    if (call->type[LQ_X]->kind != LQ_KIND_REAL) return LQ_ERROR_TYPE;
    if (lq_spans_meet(span, lq_calibrator_span(c))) return LQ_ERROR_OVERLAP;
    lq_plain_geometry(call, x, x, 0);
    call->type[LQ_CODES] = call->type[LQ_SCALE] = call->type[LQ_ZERO] = NULL;
    status = lq_check_block(x, &block, call->extent, call->grid, &blocks);
    if (status) return status;
    if (blocks != c->channels) return LQ_ERROR_SHAPE;
    call->geometry.leading = LQ_X;
    call->geometry.operands = LQ_SCALE + 1;
    memset(call->geometry.stride[LQ_SCALE], 0, sizeof call->geometry.stride[LQ_SCALE]);
    if (c->per_channel) {
        const int axis = c->axis < 0 ? c->axis + x->rank : c->axis;
        call->geometry.stride[LQ_SCALE][axis] = 1;
    }
    return LQ_OK;
}

lq_status lq_calibrator_observe(lq_calibrator *calibrator, const lq_tensor *x,
                                const lq_exec *exec) {
    lq_call call;
    lq_job j;
    lq_plan plan;
    lq_status status = lq_begin(&call, exec, 3);
    if (status) return status;
    status = lq_check_calibrator(calibrator);
    if (status) return lq_refuse(&call, status, 1, -1);
    status = check_batch(&call, calibrator, x);
    if (status) return lq_refuse(&call, status, 2, -1);
    if (lq_elements(x) == 0) return LQ_OK;
    lq_start_plain_job(&j, &call);
    j.calibrator = calibrator;
    j.map.x = x->data;
    j.map.x_size = call.type[LQ_X]->bits / 8;
    j.map.count_runs = call.kernels->count_runs[call.type[LQ_X]->index];
    lq_make_plan(&call.geometry, LQ_ORDER_BLOCKS, &plan);
    const lq_cut cut = lq_cut_for_blocks(&call, NULL, &plan);
    status = lq_walk(&j, &cut, observe_batch, NULL, NULL);
    if (!status) status = lq_count_nonfinite(&j);
    lq_tell_counts(&j);
    return status;
}
