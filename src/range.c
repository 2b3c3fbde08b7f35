/* Scales and zero points from the ranges of blocks. */
#include "numeric.h"
#include "strided.h"
#include "tasks.h"
#include <string.h>

static void range_rows(lq_job *j, const lq_piece *p, const lq_gathered *part) {
    const lq_spread spread = p->batch->plan->spread;
    const lq_kernels *k = j->call->kernels;
    const int real = j->call->type[LQ_X]->index;
    const int64_t range = lq_block_at(p, part->first_row, part->first);
    const lq_range_work work = {
        .x = part->x,
        .count = part->count,
        .rows = part->rows,
        .x_step = part->x_step,
        .lo = j->lo + range,
        .hi = j->hi + range,
        .range_step = spread == LQ_SPREAD_ROWS,
        .magnitudes = j->magnitudes,
    };
    (spread == LQ_SPREAD_LANES ? k->range_lanes : k->range_runs)[real](&work);
}

/* A few lanes and many rows without gaps: several rows as one, with ranges for each of them. */
static void range_repeated(lq_job *j, const lq_piece *p, int64_t times) {
    float lo[LQ_BATCH];
    float hi[LQ_BATCH];
    const int64_t rows = p->rows / times;
    const unsigned char *x = j->map.x + p->at[LQ_X] * j->map.x_size;
    const lq_range_work work = {
        .x = x,
        .count = times * p->count,
        .rows = rows,
        .x_step = times * p->row_step[LQ_X] * j->map.x_size,
        .lo = lo,
        .hi = hi,
    };
    for (int64_t i = 0; i < work.count; ++i) {
        lo[i] = j->lo[i % p->count];
        hi[i] = j->hi[i % p->count];
    }
    j->call->kernels->range_lanes[j->call->type[LQ_X]->index](&work);
    for (int64_t i = 0; i < work.count; ++i) {
        float *low = &j->lo[i % p->count];
        float *high = &j->hi[i % p->count];
        *low = lo[i] < *low ? lo[i] : *low;
        *high = hi[i] > *high ? hi[i] : *high;
    }
    const lq_gathered rest = {.x = x + rows * work.x_step,
                              .x_step = work.x_step / times,
                              .rows = p->rows % times,
                              .count = p->count};
    range_rows(j, p, &rest);
}

void lq_each_gathered(lq_job *j, const lq_piece *p, lq_gathered_fn *visit) {
    _Alignas(LQ_LINE) unsigned char buffer[LQ_PANEL_BYTES];
    const bool tall = p->rows > 1 && lq_columns_first(p->row_step[LQ_X], p->step[LQ_X]);
    const int64_t most = lq_panel_elements(tall, j->map.x_size);
    const lq_panel_shape shape = lq_shape_panels(p->rows, p->count, most, tall, false);
    for (int64_t r = 0; r < p->rows; r += shape.rows) {
        for (int64_t i = 0; i < p->count; i += shape.count) {
            const lq_panel panel = {
                .at = p->at[LQ_X] + r * p->row_step[LQ_X] + i * p->step[LQ_X],
                .rows = p->rows - r < shape.rows ? p->rows - r : shape.rows,
                .count = p->count - i < shape.count ? p->count - i : shape.count,
                .row_step = p->row_step[LQ_X],
                .step = p->step[LQ_X],
            };
            const int64_t x_step = panel.count * j->map.x_size;
            const lq_gathered part = {buffer, x_step, r, panel.rows, i, panel.count};
            lq_gather_panel(buffer, j->map.x, j->map.x_size, &panel);
            visit(j, p, &part);
        }
    }
}

static void range_piece(void *context, const lq_piece *p) {
    enum { FEW = 64 };
    lq_job *j = context;
    const int64_t times = LQ_BATCH / p->count < p->rows ? LQ_BATCH / p->count : p->rows;
    if (p->batch->plan->spread == LQ_SPREAD_LANES && p->count <= FEW && times > 1 &&
        p->step[LQ_X] == 1 && p->row_step[LQ_X] == p->count) {
        range_repeated(j, p, times);
        return;
    }
    if (p->step[LQ_X] == 1 || p->count == 1) {
        const lq_gathered all = {.x = j->map.x + p->at[LQ_X] * j->map.x_size,
                                 .x_step = p->row_step[LQ_X] * j->map.x_size,
                                 .rows = p->rows,
                                 .count = p->count};
        range_rows(j, p, &all);
        return;
    }
    lq_each_gathered(j, p, range_rows);
}

static bool is_tie(const lq_job *j, int64_t block) {
    return (j->hi[block] > 0) & (j->lo[block] == -j->hi[block]);
}

/* Only where +absmax and -absmax both occur does it matter which one comes first. */
static void find_first(void *context, const lq_piece *p) {
    lq_job *j = context;
    const lq_type type = j->call->tensor[LQ_X]->type;
    const bool lanes = p->batch->plan->spread == LQ_SPREAD_LANES;
    for (int64_t r = 0; r < p->rows; ++r) {
        for (int64_t i = 0; i < p->count; ++i) {
            const int64_t b = lq_block_at(p, r, i);
            if (j->first[b] || !is_tie(j, b)) {
                if (lanes) continue;
                break; /* the row has no other block */
            }
            const float v = lq_load_real(type, j->map.x,
                                         p->at[LQ_X] + r * p->row_step[LQ_X] + i * p->step[LQ_X]);
            if (v == j->lo[b]) j->first[b] = -1;
            if (v == j->hi[b]) j->first[b] = 1;
        }
    }
}

/* Fills `first`, where the mapping asks for it. */
static void break_ties(lq_job *j, lq_batch *batch) {
    int any = 0;
    memset(j->first, 0, (size_t)batch->blocks);
    if (j->call->rule.mapping != LQ_SYMMETRIC_FULL_RANGE) return;
    for (int64_t b = 0; b < batch->blocks; ++b) any |= is_tie(j, b);
    if (!any) return;
    if (j->call->rule.tie == LQ_TIE_FIRST) {
        lq_each_piece(batch, find_first, j);
        return;
    }
    for (int64_t b = 0; b < batch->blocks; ++b) j->first[b] = -1;
}

void lq_find_ranges(lq_job *j, lq_batch *batch) {
    for (int64_t b = 0; b < batch->blocks; ++b) {
        j->lo[b] = lq_from_bits(0x7f800000u);
        j->hi[b] = lq_from_bits(0xff800000u);
    }
    lq_each_piece(batch, range_piece, j);
}

static void find_ranges(void *context, lq_batch *batch) {
    lq_find_ranges(context, batch);
}

static void choose_batch(void *context, lq_batch *batch) {
    lq_job *j = context;
    break_ties(j, batch);
    lq_choose_blocks(j, batch);
}

/* `blocks` of a batch's blocks, each a row, behind the first `done`. */
static lq_batch part_of(const lq_batch *batch, int64_t done, int64_t blocks) {
    lq_batch part = *batch;
    part.blocks = part.rows = blocks;
    part.followed = batch->followed || done + 2 * blocks <= batch->blocks;
    for (int o = 0; o < LQ_OPERANDS; ++o) part.at[o] += done * part.step[o];
    return part;
}

/* In steps. */
static void calibrate_part(lq_job *j, lq_batch *batch) {
    lq_find_ranges(j, batch);
    choose_batch(j, batch);
    if (j->quantizes) lq_map_blocks(j, batch);
}

/* What no kernel does at once, as far at a time as x stays in the first-level cache between steps. */
static void calibrate_batch(void *context, lq_batch *batch) {
    lq_job *j = context;
    const bool rows = batch->plan->spread == LQ_SPREAD_ROWS;
    const int64_t most = rows ? lq_rows_in_cache(batch->plan, batch->count) : batch->blocks;
    int64_t done = j->quantizes ? lq_quantize_blocks(j, batch) : 0;
    if (done == 0 && batch->blocks <= most) {
        calibrate_part(j, batch);
        return;
    }
    while (done < batch->blocks) {
        const int64_t rest = batch->blocks - done;
        lq_batch part = part_of(batch, done, rest < most ? rest : most);
        calibrate_part(j, &part);
        done += part.blocks;
    }
}

void lq_calibrate_blocks(lq_job *j, lq_batch *batch) {
    j->magnitudes = lq_needs_magnitudes(&j->call->rule);
    calibrate_batch(j, batch);
}

/* A single block is ranged by many tasks, whose ranges are then one. */
typedef struct lq_task_ranges {
    float lo[LQ_MAX_TASKS], hi[LQ_MAX_TASKS];
} lq_task_ranges;

static void keep_range(void *context, int64_t task, const lq_job *j) {
    lq_task_ranges *ranges = context;
    ranges->lo[task] = j->lo[0];
    ranges->hi[task] = j->hi[0];
}

static lq_status calibrate_one(lq_job *j, const lq_cut *cut) {
    lq_task_ranges ranges;
    lq_status status = lq_walk(j, cut, find_ranges, keep_range, &ranges);
    if (status) return status;
    j->lo[0] = ranges.lo[0];
    j->hi[0] = ranges.hi[0];
    for (int64_t t = 1; t < cut->count; ++t) {
        j->lo[0] = ranges.lo[t] < j->lo[0] ? ranges.lo[t] : j->lo[0];
        j->hi[0] = ranges.hi[t] > j->hi[0] ? ranges.hi[t] : j->hi[0];
    }
    lq_each_batch(cut->plan, choose_batch, j);
    j->chosen = true;
    return j->quantizes ? lq_map_all(j) : LQ_OK;
}

/* The same of lanes: each task takes some rows of all of them. */
typedef struct lane_ranges {
    int64_t lanes;
    float lo[LQ_LANE_TASKS][LQ_BATCH], hi[LQ_LANE_TASKS][LQ_BATCH];
} lane_ranges;

static void keep_lanes(void *context, int64_t task, const lq_job *j) {
    lane_ranges *ranges = context;
    const size_t size = (size_t)ranges->lanes * sizeof(float);
    memcpy(ranges->lo[task], j->lo, size);
    memcpy(ranges->hi[task], j->hi, size);
}

/* Parameters only; codes are a walk of their own. */
static lq_status calibrate_lanes(lq_job *j, const lq_cut *cut) {
    lane_ranges ranges;
    ranges.lanes = cut->plan->loop[cut->plan->vector].count;
    const lq_status status = lq_walk(j, cut, find_ranges, keep_lanes, &ranges);
    if (status) return status;
    memcpy(j->lo, ranges.lo[0], (size_t)ranges.lanes * sizeof(float));
    memcpy(j->hi, ranges.hi[0], (size_t)ranges.lanes * sizeof(float));
    for (int64_t t = 1; t < cut->count; ++t) {
        const float *lo = ranges.lo[t];
        const float *hi = ranges.hi[t];
        for (int64_t i = 0; i < ranges.lanes; ++i) j->lo[i] = lo[i] < j->lo[i] ? lo[i] : j->lo[i];
        for (int64_t i = 0; i < ranges.lanes; ++i) j->hi[i] = hi[i] > j->hi[i] ? hi[i] : j->hi[i];
    }
    lq_each_batch(cut->plan, choose_batch, j);
    return LQ_OK;
}

lq_status lq_calibrate_all(lq_job *j) {
    lq_plan plan;
    const bool row_major = j->call->rule.mapping == LQ_SYMMETRIC_FULL_RANGE;
    j->magnitudes = lq_needs_magnitudes(&j->call->rule);
    j->stages = true;
    lq_make_plan(&j->call->geometry, row_major ? LQ_ORDER_ROW_MAJOR : LQ_ORDER_BLOCKS, &plan);
    if (j->quantizes) plan.most = LQ_BATCH; /* a kernel needs to look once */
    lq_cut cut = lq_cut_for_reading(j->call, &plan);
    if (cut.count > 1 && lq_is_one_block(&plan)) return calibrate_one(j, &cut);
    const bool large = cut.count > 1;
    const bool quantizes = j->quantizes;
    const bool once = j->call->rule.codes_from != LQ_FROM_STORED;
    cut = lq_cut_for_lanes(j->call, &plan);
    if (cut.count > 1 && !(quantizes && once)) {
        const lq_status status = calibrate_lanes(j, &cut);
        return status || !quantizes ? status : lq_map_all(j);
    }
    cut = lq_cut_for_blocks(j->call, quantizes ? &j->map : NULL, &plan);
    if (!large || !quantizes || cut.count > 1 || once) {
        return lq_walk(j, &cut, calibrate_batch, NULL, NULL);
    }
    /* Blocks whose codes share bytes: parameters first, then codes, each cut in its own way. */
    j->quantizes = false;
    cut = lq_cut_for_blocks(j->call, NULL, &plan);
    lq_status status = lq_walk(j, &cut, calibrate_batch, NULL, NULL);
    return status ? status : lq_map_all(j);
}

/* NaN and infinities only. */
static void count_gathered(lq_job *j, const lq_piece *p, const lq_gathered *part) {
    const lq_map_work work = {.x = (unsigned char *)part->x,
                              .count = part->count,
                              .rows = part->rows,
                              .x_step = part->x_step};
    (void)p;
    j->map.count_runs(&work, &j->counts);
}

static void count_piece(void *context, const lq_piece *p) {
    lq_each_gathered(context, p, count_gathered);
}

static void count_batch(void *context, lq_batch *batch) {
    lq_each_piece(batch, count_piece, context);
}

lq_status lq_count_nonfinite(lq_job *j) {
    lq_plan plan;
    if (!j->call->report) return LQ_OK;
    lq_make_plan(&j->call->geometry, LQ_ORDER_MEMORY, &plan);
    const lq_cut cut = lq_cut_for_reading(j->call, &plan);
    return lq_walk(j, &cut, count_batch, NULL, NULL);
}
