/*
 * lq_measure_error. Pairs of values are collected in row-major order into pieces of fixed length,
 * pieces into sections, sections into totals: the order of every addition follows from the shape
 * alone, however the plan cuts the tensor.
 */
#include "call.h"
#include "logarithm.h"
#include "map.h"
#include "numeric.h"
#include "strided.h"
#include <math.h>

enum { SECTION_PIECES = 128 };

typedef struct measure {
    const lq_call *call;
    const lq_type_info *y_type; /* a real type, or NULL where y is codes */
    lq_counts counts;
    lq_parameters for_codes, for_reals; /* for counting, for the values compared */
    float x[LQ_PIECE], y[LQ_PIECE];
    int64_t pairs; /* in x and y */
    int64_t pieces;
    lq_error_sums section, total;
} measure;

static void add_sums(lq_error_sums *to, const lq_error_sums *sums) {
    for (int s = 0; s < LQ_SUMS; ++s) to->sum[s] += sums->sum[s];
    to->max = sums->max > to->max ? sums->max : to->max;
    to->nonfinite += sums->nonfinite;
}

static void close_section(measure *m) {
    add_sums(&m->total, &m->section);
    m->section = (lq_error_sums){.max = 0};
}

static void close_piece(measure *m) {
    lq_error_sums sums;
    m->call->kernels->error_sums(m->x, m->y, m->pairs, &sums);
    add_sums(&m->section, &sums);
    m->pairs = 0;
    if (++m->pieces % SECTION_PIECES == 0) close_section(m);
}

static void use_parameters(lq_map_work *work, const lq_parameters *parameters, int64_t block,
                           const lq_element_rule *rule) {
    work->scale = parameters->scale + block;
    work->zero = parameters->zero + block;
    work->offset = parameters->offset + block;
    work->center = parameters->center + block;
    work->back = parameters->back + block;
    work->rule = rule;
}

/* The next pairs of a row, as many as the open piece has room for. */
static void take(measure *m, const lq_piece *p, int64_t row, int64_t first, int64_t n) {
    const lq_call *call = m->call;
    const lq_type_info *x_type = call->type[LQ_X];
    const bool lanes = p->batch->plan->spread == LQ_SPREAD_LANES;
    const int64_t block = lq_block_at(p, row, first);
    int64_t at[2];
    unsigned char x[LQ_PIECE * 4], y[LQ_PIECE * 4], codes[LQ_PIECE * 2];
    for (int o = LQ_X; o <= LQ_CODES; ++o) {
        at[o] = p->at[o] + row * p->row_step[o] + first * p->step[o];
    }
    const lq_kernels *k = call->kernels;
    lq_map_work work = {
        .x = x,
        .codes = codes,
        .count = n,
        .rows = 1,
        .qmin = call->rule.code_min,
        .qmax = call->rule.code_max,
        .format = m->y_type ? NULL : call->rule.format,
        .table = !m->y_type && call->rule.table ? &call->table : NULL,
    };
    if (!m->y_type) use_parameters(&work, &m->for_codes, block, lq_codes_rule(call));
    lq_gather(x, call->tensor[LQ_X]->data, x_type->bits / 8, at[LQ_X], p->step[LQ_X], n);
    lq_load_reals(x_type->type, x, 0, 1, n, m->x + m->pairs);
    (lanes ? k->count_lanes : k->count_runs)[x_type->index](&work, &m->counts);
    if (m->y_type) {
        lq_gather(y, call->tensor[LQ_CODES]->data, m->y_type->bits / 8, at[LQ_CODES],
                  p->step[LQ_CODES], n);
        lq_load_reals(m->y_type->type, y, 0, 1, n, m->y + m->pairs);
        return;
    }
    const int width = call->rule.code->bits > 8 ? LQ_WIDTH_16 : LQ_WIDTH_8;
    lq_gather_codes(codes, call->tensor[LQ_CODES]->data, call->rule.code, at[LQ_CODES],
                    p->step[LQ_CODES], n);
    use_parameters(&work, &m->for_reals, block, lq_reals_rule(call));
    work.x = y;
    work.sign = lq_sign_bit(call->rule.code);
    (lanes ? k->dequantize_lanes : k->dequantize_runs)[x_type->index][width](&work);
    lq_load_reals(x_type->type, y, 0, 1, n, m->y + m->pairs);
}

static void measure_piece(void *context, const lq_piece *p) {
    measure *m = context;
    for (int64_t r = 0; r < p->rows; ++r) {
        for (int64_t i = 0; i < p->count;) {
            const int64_t room = LQ_PIECE - m->pairs;
            const int64_t n = p->count - i < room ? p->count - i : room;
            take(m, p, r, i, n);
            m->pairs += n;
            i += n;
            if (m->pairs == LQ_PIECE) close_piece(m);
        }
    }
}

static void measure_batch(void *context, lq_batch *batch) {
    measure *m = context;
    if (!m->y_type) {
        lq_load_for_codes(m->call, batch, &m->for_codes);
        lq_load_for_reals(m->call, batch, &m->for_reals);
    }
    lq_each_piece(batch, measure_piece, m);
}

/* Of a positive normal double. */
static double log10_of(double r) {
    return lq_log(r) * 0x1.bcb7b1526e50ep-2;
}

static void finish(measure *m, lq_error *error) {
    const double nan = (double)lq_from_bits(0x7fc00000u);
    const double infinite = (double)lq_from_bits(0x7f800000u);
    if (m->pairs) close_piece(m);
    close_section(m);
    const lq_error_sums *t = &m->total;
    const double ee = t->sum[LQ_SUM_EE], xx = t->sum[LQ_SUM_XX], yy = t->sum[LQ_SUM_YY];
    error->count = lq_elements(m->call->tensor[LQ_X]) - t->nonfinite;
    error->nonfinite = t->nonfinite;
    error->clipped = m->counts.clipped;
    error->mse = error->count ? ee / (double)error->count : nan;
    error->mean_square_x = error->count ? xx / (double)error->count : nan;
    error->mean_square_y = error->count ? yy / (double)error->count : nan;
    error->max_abs_error = t->max;
    error->sqnr_db = nan;
    if (xx > 0) error->sqnr_db = ee > 0 ? 10 * log10_of(xx / ee) : infinite;
    error->cosine = xx > 0 && yy > 0 ? t->sum[LQ_SUM_XY] / sqrt(xx * yy) : nan;
}

/* Two real tensors: the same checks without a scheme. */
static lq_status check_reals(lq_call *call, const lq_tensor *x, const lq_tensor *y,
                             const lq_tensor *scale, const lq_tensor *zero_point,
                             const lq_exec *exec) {
    const lq_tensor *t[] = {x, y};
    lq_span span;
    lq_status status = lq_begin(call, exec, 7);
    if (status) return status;
    for (int o = LQ_X; o <= LQ_CODES; ++o) {
        if (!t[o]) return lq_refuse(call, LQ_ERROR_NULL, o + 1, -1);
        status = lq_check_tensor(t[o], false, &span);
        if (status) return lq_refuse(call, status, o + 1, -1);
        call->tensor[o] = t[o];
        call->type[o] = lq_type_find(t[o]->type);
    }
    if (call->type[LQ_X]->kind != LQ_KIND_REAL) return lq_refuse(call, LQ_ERROR_TYPE, 1, -1);
    if (call->type[LQ_CODES]->kind == LQ_KIND_DOUBLE) return lq_refuse(call, LQ_ERROR_TYPE, 2, -1);
    /* Codes mean nothing without their scheme. */
    if (call->type[LQ_CODES]->kind != LQ_KIND_REAL) return lq_refuse(call, LQ_ERROR_NULL, 3, -1);
    if (scale) return lq_refuse(call, LQ_ERROR_GRID, 4, -1);
    if (zero_point) return lq_refuse(call, LQ_ERROR_GRID, 5, -1);
    if (!lq_same_shape(x, y)) return lq_refuse(call, LQ_ERROR_SHAPE, 2, -1);
    lq_plain_geometry(call, x, y, 0);
    return LQ_OK;
}

lq_status lq_error_init(lq_error *error, size_t struct_size) {
    return lq_init_struct(error, struct_size, sizeof *error);
}

lq_status lq_measure_error(const lq_tensor *x, const lq_tensor *y, const lq_scheme *scheme,
                           const lq_tensor *scale, const lq_tensor *zero_point, lq_error *error,
                           const lq_exec *exec) {
    static const lq_signature signature = {
        .position = {1, 2, 4, 5},
        .scheme_position = 3,
        .exec_position = 7,
    };
    const lq_arguments arguments = {
        .signature = &signature,
        .tensor = {x, y, scale, zero_point},
        .scheme = scheme,
        .exec = exec,
    };
    lq_call call;
    lq_plan plan;
    lq_status status = scheme ? lq_check_arguments(&arguments, &call)
                              : check_reals(&call, x, y, scale, zero_point, exec);
    if (!status && scheme) status = lq_check_parameters(&arguments, &call);
    if (status) return status;
    if (!error) return lq_refuse(&call, LQ_ERROR_NULL, 6, -1);
    status = lq_check_struct(error, error->struct_size, sizeof *error);
    if (status) return lq_refuse(&call, status, 6, -1);
    measure m;
    /* Not all of it, which is large. */
    m.counts = (lq_counts){.nan = 0};
    m.pairs = m.pieces = 0;
    m.section = m.total = (lq_error_sums){.max = 0};
    m.call = &call;
    m.y_type = scheme ? NULL : call.type[LQ_CODES];
    lq_make_plan(&call.geometry, LQ_ORDER_ELEMENTS, &plan);
    if (!plan.empty) lq_each_batch(&plan, measure_batch, &m);
    finish(&m, error);
    if (call.report) {
        call.report->nan = m.counts.nan;
        call.report->infinite = m.counts.infinite;
        call.report->clipped = m.counts.clipped;
    }
    return LQ_OK;
}
