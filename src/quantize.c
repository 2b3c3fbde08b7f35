/* lq_quantize, lq_dequantize, lq_calibrate and lq_quantize_dynamic: one walk with different visits. */
#include "call.h"
#include "map.h"
#include "numeric.h"
#include <string.h>

typedef struct job {
    const lq_call *call;
    lq_map map;
    lq_counts counts;
    bool quantizes; /* calibrated blocks are quantized at once */
    /* Of the batch at hand. */
    float scale[LQ_BATCH];
    int32_t zero[LQ_BATCH];
    float lo[LQ_BATCH];
    float hi[LQ_BATCH];
    signed char first[LQ_BATCH]; /* sign of the first value of largest magnitude */
} job;

static void set_up(job *j, const lq_call *call, bool to_codes) {
    const lq_kernels *k = call->kernels;
    const int real = call->type[LQ_X]->index;
    memset(&j->map, 0, sizeof j->map);
    j->call = call;
    j->counts = (lq_counts){0, 0, 0};
    j->quantizes = false;
    j->map = (lq_map){
        .runs = to_codes ? k->quantize_runs[real] : k->dequantize_runs[real],
        .lanes = to_codes ? k->quantize_lanes[real] : k->dequantize_lanes[real],
        .to_codes = to_codes,
        .x = call->tensor[LQ_X]->data,
        .x_size = call->type[LQ_X]->bits / 8,
        .code = call->rule.code,
        .qmin = call->rule.qmin,
        .qmax = call->rule.qmax,
        .scale = j->scale,
        .zero = j->zero,
        .counts = to_codes && call->report ? &j->counts : NULL,
        .count_runs = k->count_runs[real],
        .count_lanes = k->count_lanes[real],
    };
    if (call->type[LQ_CODES]) j->map.codes = call->tensor[LQ_CODES]->data;
}

static void tell_counts(const job *j) {
    lq_report *report = j->call->report;
    if (!report) return;
    report->nan = j->counts.nan;
    report->infinite = j->counts.infinite;
    report->clipped = j->counts.clipped;
}

static void map_piece(void *context, const lq_piece *piece) {
    const job *j = context;
    lq_map_piece(&j->map, piece);
}

static void map_batch(void *context, lq_batch *batch) {
    job *j = context;
    lq_load_parameters(j->call, batch, j->scale, j->zero);
    lq_each_piece(batch, map_piece, j);
}

static void map_all(job *j) {
    lq_plan plan;
    lq_make_plan(&j->call->geometry, j->call->forward_only ? LQ_ORDER_STRICT : LQ_ORDER_MEMORY,
                 &plan);
    lq_each_batch(&plan, map_batch, j);
}

/* ------------------------------------------------------------------ ranges */

static void range_rows(const job *j, const lq_piece *p, const unsigned char *x, int64_t first_row,
                       int64_t rows, int64_t first, int64_t count) {
    const lq_spread spread = p->batch->plan->spread;
    const lq_kernels *k = j->call->kernels;
    const int real = j->call->type[LQ_X]->index;
    int64_t range = 0;
    if (spread == LQ_SPREAD_ROWS) range = first_row;
    if (spread == LQ_SPREAD_LANES) range = first;
    const lq_range_work work = {
        .x = x,
        .count = count,
        .rows = rows,
        .x_step = p->row_step[LQ_X] * j->map.x_size,
        .lo = (float *)j->lo + range,
        .hi = (float *)j->hi + range,
        .range_step = spread == LQ_SPREAD_ROWS,
    };
    (spread == LQ_SPREAD_LANES ? k->range_lanes : k->range_runs)[real](&work);
}

static void range_piece(void *context, const lq_piece *p) {
    job *j = context;
    const int size = j->map.x_size;
    unsigned char buffer[LQ_PIECE * 4];
    if (p->step[LQ_X] == 1 || p->count == 1) {
        range_rows(j, p, j->map.x + p->at[LQ_X] * size, 0, p->rows, 0, p->count);
        return;
    }
    for (int64_t r = 0; r < p->rows; ++r) {
        for (int64_t i = 0; i < p->count; i += LQ_PIECE) {
            const int64_t n = p->count - i < LQ_PIECE ? p->count - i : LQ_PIECE;
            const int64_t at = p->at[LQ_X] + r * p->row_step[LQ_X] + i * p->step[LQ_X];
            lq_gather(buffer, j->map.x, size, at, p->step[LQ_X], n);
            range_rows(j, p, buffer, r, 1, i, n);
        }
    }
}

/* Only where +absmax and -absmax both occur does it matter which one comes first. */
static void find_first(void *context, const lq_piece *p) {
    job *j = context;
    const lq_spread spread = p->batch->plan->spread;
    const lq_tensor *x = j->call->tensor[LQ_X];
    for (int64_t r = 0; r < p->rows; ++r) {
        for (int64_t i = 0; i < p->count; ++i) {
            int64_t b = 0;
            if (spread == LQ_SPREAD_ROWS) b = r;
            if (spread == LQ_SPREAD_LANES) b = i;
            if (j->first[b] || j->lo[b] != -j->hi[b]) continue;
            const float v = lq_load_real(x->type, x->data,
                                         p->at[LQ_X] + r * p->row_step[LQ_X] + i * p->step[LQ_X]);
            if (v == j->lo[b]) j->first[b] = -1;
            if (v == j->hi[b]) j->first[b] = 1;
        }
    }
}

static void break_ties(job *j, lq_batch *batch) {
    bool any = false;
    memset(j->first, 0, sizeof j->first);
    if (j->call->rule.mapping != LQ_SYMMETRIC_FULL_RANGE) return;
    for (int64_t b = 0; b < batch->blocks; ++b) any = any || j->lo[b] == -j->hi[b];
    if (any) lq_each_piece(batch, find_first, j);
}

static void store_parameters(job *j, const lq_batch *batch) {
    const lq_tensor *s = j->call->tensor[LQ_SCALE];
    const lq_tensor *z = j->call->type[LQ_ZERO] ? j->call->tensor[LQ_ZERO] : NULL;
    for (int64_t b = 0; b < batch->blocks; ++b) {
        lq_choose(&j->call->rule, s->type, j->lo[b], j->hi[b], j->first[b] < 0, &j->scale[b],
                  &j->zero[b]);
        lq_store_real(s->type, s->data, batch->at[LQ_SCALE] + b * batch->step[LQ_SCALE],
                      j->scale[b]);
        if (!z) continue;
        lq_store_integer(z->type, z->data, batch->at[LQ_ZERO] + b * batch->step[LQ_ZERO],
                         j->zero[b]);
    }
}

static void calibrate_batch(void *context, lq_batch *batch) {
    job *j = context;
    for (int64_t b = 0; b < batch->blocks; ++b) {
        j->lo[b] = lq_from_bits(0x7f800000u);
        j->hi[b] = lq_from_bits(0xff800000u);
    }
    lq_each_piece(batch, range_piece, j);
    break_ties(j, batch);
    store_parameters(j, batch);
    if (j->quantizes) lq_each_piece(batch, map_piece, j);
}

static void calibrate_all(job *j) {
    lq_plan plan;
    lq_geometry geometry = j->call->geometry;
    geometry.row_major = j->call->rule.mapping == LQ_SYMMETRIC_FULL_RANGE;
    lq_make_plan(&geometry, LQ_ORDER_BLOCKS, &plan);
    lq_each_batch(&plan, calibrate_batch, j);
}

/* NaN and infinities only: with these parameters nothing is clipped. */
static void count_piece(void *context, const lq_piece *p) {
    job *j = context;
    const int size = j->map.x_size;
    const float one = 1.0f;
    const int32_t zero = 0;
    unsigned char buffer[LQ_PIECE * 4];
    for (int64_t r = 0; r < p->rows; ++r) {
        for (int64_t i = 0; i < p->count; i += LQ_PIECE) {
            const int64_t n = p->count - i < LQ_PIECE ? p->count - i : LQ_PIECE;
            const int64_t at = p->at[LQ_X] + r * p->row_step[LQ_X] + i * p->step[LQ_X];
            lq_gather(buffer, j->map.x, size, at, p->step[LQ_X], n);
            const lq_map_work work = {.x = buffer,
                                      .count = n,
                                      .rows = 1,
                                      .scale = &one,
                                      .zero = &zero,
                                      .qmin = INT32_MIN,
                                      .qmax = INT32_MAX};
            j->map.count_runs(&work, &j->counts);
        }
    }
}

static void count_batch(void *context, lq_batch *batch) {
    lq_each_piece(batch, count_piece, context);
}

static void count_nonfinite(job *j) {
    lq_plan plan;
    if (!j->call->report) return;
    lq_make_plan(&j->call->geometry, LQ_ORDER_MEMORY, &plan);
    lq_each_batch(&plan, count_batch, j);
}

/* -------------------------------------------------------- public functions */

static void clear_tail(const lq_call *call, lq_operand operand) {
    if (call->type[operand]) lq_clear_tail(call->tensor[operand]);
}

lq_status lq_calibrate(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                       const lq_tensor *zero_point, const lq_exec *exec) {
    const lq_arguments arguments = {
        .tensor = {x, NULL, scale, zero_point},
        .position = {1, 0, 3, 4},
        .output = {false, false, true, true},
        .scheme = scheme,
        .scheme_position = 2,
        .exec = exec,
        .exec_position = 5,
    };
    lq_call call;
    job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    set_up(&j, &call, true);
    calibrate_all(&j);
    clear_tail(&call, LQ_ZERO);
    count_nonfinite(&j);
    tell_counts(&j);
    return LQ_OK;
}

lq_status lq_quantize(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                      const lq_tensor *zero_point, const lq_tensor *codes, const lq_exec *exec) {
    const lq_arguments arguments = {
        .tensor = {x, codes, scale, zero_point},
        .position = {1, 5, 3, 4},
        .output = {false, true, false, false},
        .scheme = scheme,
        .scheme_position = 2,
        .exec = exec,
        .exec_position = 6,
    };
    lq_call call;
    job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    status = lq_check_parameters(&arguments, &call);
    if (status) return status;
    set_up(&j, &call, true);
    map_all(&j);
    clear_tail(&call, LQ_CODES);
    tell_counts(&j);
    return LQ_OK;
}

lq_status lq_dequantize(const lq_tensor *codes, const lq_scheme *scheme, const lq_tensor *scale,
                        const lq_tensor *zero_point, const lq_tensor *x, const lq_exec *exec) {
    const lq_arguments arguments = {
        .tensor = {x, codes, scale, zero_point},
        .position = {5, 1, 3, 4},
        .output = {true, false, false, false},
        .scheme = scheme,
        .scheme_position = 2,
        .exec = exec,
        .exec_position = 6,
    };
    lq_call call;
    job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    status = lq_check_parameters(&arguments, &call);
    if (status) return status;
    set_up(&j, &call, false);
    map_all(&j);
    return LQ_OK;
}

lq_status lq_quantize_dynamic(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *codes,
                              const lq_tensor *scale, const lq_tensor *zero_point,
                              const lq_exec *exec) {
    const lq_arguments arguments = {
        .tensor = {x, codes, scale, zero_point},
        .position = {1, 3, 4, 5},
        .output = {false, true, true, true},
        .scheme = scheme,
        .scheme_position = 2,
        .exec = exec,
        .exec_position = 6,
    };
    lq_call call;
    job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    set_up(&j, &call, true);
    /* Overwriting x from the front must wait until all of it has been seen. */
    j.quantizes = !call.forward_only;
    calibrate_all(&j);
    if (call.forward_only) map_all(&j);
    clear_tail(&call, LQ_CODES);
    clear_tail(&call, LQ_ZERO);
    tell_counts(&j);
    return LQ_OK;
}
