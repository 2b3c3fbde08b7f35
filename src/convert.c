/*
 * lq_convert: values of one type to those of another. Between the real types kernels convert; floats
 * of few bits have those that quantize by a scale of 1. What is left, and what is to be counted where
 * such floats take part, goes through doubles.
 */
#include "float_format.h"
#include "strided.h"
#include "tasks.h"
#include <math.h>

static bool is_real(const lq_type_info *type) {
    return type->kind == LQ_KIND_REAL || type->kind == LQ_KIND_DOUBLE;
}

static bool is_number(const lq_type_info *type) {
    return is_real(type) || type->kind == LQ_KIND_FLOAT || type->kind == LQ_KIND_EXPONENT;
}

static bool saturates(const lq_job *j) {
    return j->map.work.limit < HUGE_VAL;
}

/* ---------------------------------------------------------------- through doubles */

/* Which magnitudes a type does not hold. */
typedef struct bounds {
    double over; /* what is above it is too large, or from it on where the tie goes up */
    bool tie;
    double under; /* up to it, what is not 0 becomes 0 */
} bounds;

static bounds bounds_of(const lq_type_info *type) {
    switch (type->type) {
    case LQ_F64: return (bounds){HUGE_VAL, false, 0};
    case LQ_F32: return (bounds){0x1.ffffffp127, true, 0x1p-150};
    case LQ_F16: return (bounds){65520.0, true, 0x1p-25};
    case LQ_BF16: return (bounds){0x1.ffp127, true, 0x1p-134};
    case LQ_E8M0: return (bounds){0x1.8p127, false, 0};
    default: break;
    }
    const lq_float_format *f = type->format;
    const double largest = lq_float_largest(f);
    const double half = ldexp(1, ilogb(largest) - f->mantissa - 1);
    return (bounds){largest + half, f->top % 2 == 1, ldexp(1, -f->bias - f->mantissa)};
}

/* What is neither large nor small, as most of all is, takes one comparison or two. */
static void count(lq_counts *c, const bounds *b, const double *v, int64_t n) {
    for (int64_t k = 0; k < n; ++k) {
        const double size = fabs(v[k]);
        if (size < b->over && (size > b->under || size == 0)) continue;
        if (size != size) {
            ++c->nan;
        } else if (size == HUGE_VAL) {
            ++c->infinite;
        } else if (size > b->over || (size == b->over && b->tie)) {
            ++c->overflowed;
        } else if (size > 0 && size <= b->under) {
            ++c->underflowed;
        }
    }
}

static void load(const lq_type_info *type, const void *data, int64_t at, int64_t step, int64_t n,
                 double *v) {
    float f[LQ_PIECE];
    if (type->kind == LQ_KIND_DOUBLE) {
        lq_gather(v, data, 8, at, step, n);
        for (int64_t k = 0; k < n; ++k) v[k] = lq_quiet_double(v[k]);
        return;
    }
    if (type->format) {
        const lq_float_format format = *type->format;
        unsigned char codes[LQ_PIECE];
        lq_gather_codes(codes, data, type, at, step, n);
        for (int64_t k = 0; k < n; ++k) f[k] = lq_decode_float(&format, codes[k]);
    } else {
        lq_load_reals(type->type, data, at, step, n, f);
    }
    for (int64_t k = 0; k < n; ++k) v[k] = lq_f32_to_f64(f[k]);
}

/* A type without NaN has the code of -0 for it. */
static const lq_element_rule saturated_rule = {.multiply = true, .nan = LQ_NAN_MINUS_0};
static const lq_element_rule unsaturated_rule = {
    .multiply = true, .nan = LQ_NAN_MINUS_0, .unsaturated = true};

static uint32_t exponent_code(float v, bool saturated) {
    if (saturated && v == 0) return 0;
    return saturated && v > 0x1p127f ? 254 : lq_encode_e8m0(v);
}

static void store_codes(const lq_type_info *type, void *data, int64_t at, int64_t step, int64_t n,
                        const float *odd, bool saturated) {
    unsigned char codes[LQ_PIECE];
    if (type->format) {
        const lq_float_format format = *type->format;
        const lq_element_rule rule = saturated ? saturated_rule : unsaturated_rule;
        for (int64_t k = 0; k < n; ++k) {
            codes[k] = (unsigned char)lq_encode_by(&rule, &format, odd[k], odd[k]);
        }
    } else {
        for (int64_t k = 0; k < n; ++k) codes[k] = (unsigned char)exponent_code(odd[k], saturated);
    }
    lq_scatter_codes(codes, data, type, at, step, n);
}

/* Rounded once: to odd keeps what the second rounding needs. */
static void store(const lq_type_info *type, void *data, int64_t at, int64_t step, int64_t n,
                  double *v, double limit) {
    float f[LQ_PIECE];
    const bool real = is_real(type);
    for (int64_t k = 0; real && k < n; ++k) {
        v[k] = v[k] > limit ? limit : v[k];
        v[k] = v[k] < -limit ? -limit : v[k];
    }
    if (type->kind == LQ_KIND_DOUBLE) {
        lq_scatter(v, data, 8, at, step, n);
        return;
    }
    if (type->type == LQ_F32) {
        for (int64_t k = 0; k < n; ++k) f[k] = lq_f64_to_f32(v[k]);
    } else {
        for (int64_t k = 0; k < n; ++k) f[k] = lq_round_to_odd(v[k]);
    }
    if (real) {
        lq_store_reals(type->type, data, at, step, n, f);
    } else {
        store_codes(type, data, at, step, n, f, limit < HUGE_VAL);
    }
}

static void convert_piece(void *context, const lq_piece *p) {
    lq_job *j = context;
    const lq_type_info *from = j->call->type[LQ_X];
    const bounds b = bounds_of(j->map.code);
    double v[LQ_PIECE];
    for (int64_t r = 0; r < p->rows; ++r) {
        const int64_t x_at = p->at[LQ_X] + r * p->row_step[LQ_X];
        const int64_t y_at = p->at[LQ_CODES] + r * p->row_step[LQ_CODES];
        for (int64_t i = 0; i < p->count; i += LQ_PIECE) {
            const int64_t n = p->count - i < LQ_PIECE ? p->count - i : LQ_PIECE;
            load(from, j->map.x, x_at + i * p->step[LQ_X], p->step[LQ_X], n, v);
            if (j->call->report) count(&j->counts, &b, v, n);
            store(j->map.code, j->map.codes, y_at + i * p->step[LQ_CODES], p->step[LQ_CODES], n, v,
                  j->map.work.limit);
        }
    }
}

static void convert_batch(void *context, lq_batch *batch) {
    lq_each_piece(batch, convert_piece, context);
}

/* ------------------------------------------------------------------ by kernels */

/* As codes by a scale of 1, which is the one block's. */
static void use_scale_of_1(lq_job *j, const lq_element_rule *rule, const lq_float_format *format) {
    lq_parameters *p = &j->parameters;
    p->scale[0] = p->back[0] = 1;
    p->offset[0] = p->center[0] = 0;
    p->zero[0] = 0;
    j->chosen = true;
    j->map.parameters = p;
    j->map.work.rule = rule;
    j->map.work.format = format;
}

static lq_status encode(lq_job *j) {
    j->map.runs = j->call->kernels->quantize_runs[j->call->type[LQ_X]->index];
    use_scale_of_1(j, saturates(j) ? &saturated_rule : &unsaturated_rule, j->map.code->format);
    return lq_map_plain(j);
}

/* x is what the kernel reads as codes. */
static lq_status decode(lq_job *j, lq_call *call, const lq_tensor *x, const lq_tensor *y) {
    const lq_type_info *from = call->type[LQ_X];
    const lq_type_info *to = call->type[LQ_CODES];
    lq_plain_geometry(call, y, x, call->run);
    call->type[LQ_X] = to;
    call->type[LQ_CODES] = from;
    j->map.runs = call->kernels->dequantize_runs[to->index];
    j->map.to_codes = false;
    j->map.x = y->data;
    j->map.codes = x->data;
    j->map.x_size = to->bits / 8;
    j->map.code = from;
    use_scale_of_1(j, &saturated_rule, from->format);
    return lq_map_plain(j);
}

static lq_status convert_reals(lq_job *j) {
    const lq_kernels *k = j->call->kernels;
    const lq_type_info *from = j->call->type[LQ_X];
    j->map.runs = k->convert[from->index];
    j->map.streams = lq_streams(j->call);
    j->map.counts = j->call->report ? &j->counts : NULL;
    j->map.count_runs = k->count_convert[from->index][j->map.code->index];
    return lq_map_plain(j);
}

/* What a magnitude may not exceed. */
static double limit_of(const lq_type_info *y, lq_overflow overflow) {
    return overflow == LQ_OVERFLOW_SATURATE ? lq_largest(y->type) : HUGE_VAL;
}

static lq_status convert(lq_job *j, lq_call *call, const lq_tensor *x, const lq_tensor *y) {
    const lq_type_info *from = call->type[LQ_X];
    const lq_type_info *to = call->type[LQ_CODES];
    if (is_real(from) && is_real(to)) return convert_reals(j);
    if (!call->report && from->kind == LQ_KIND_REAL && to->format) return encode(j);
    /* Only E5M2 has infinities, which saturating takes away. */
    const bool stays = from->type != LQ_E5M2 || !saturates(j);
    if (!call->report && from->format && to->kind == LQ_KIND_REAL && stays) {
        return decode(j, call, x, y);
    }
    return lq_map_with(j, convert_batch);
}

/* What most calls are; false, and nothing done, for others. */
static bool convert_run(const lq_call *call, const lq_tensor *x, const lq_tensor *y,
                        lq_overflow overflow) {
    const lq_type_info *from = call->type[LQ_X];
    const lq_type_info *to = call->type[LQ_CODES];
    if (!is_real(from) || !is_real(to) || !lq_is_simple_run(call)) return false;
    const lq_map_work work = {.x = (unsigned char *)x->data + x->offset * (from->bits / 8),
                              .codes = (unsigned char *)y->data + y->offset * (to->bits / 8),
                              .count = call->run,
                              .rows = 1,
                              .limit = limit_of(to, overflow)};
    call->kernels->convert[from->index][to->index](&work);
    return true;
}

lq_status lq_convert(const lq_tensor *x, const lq_tensor *y, lq_overflow overflow,
                     const lq_exec *exec) {
    lq_call call;
    lq_job job;
    lq_status status = lq_begin(&call, exec, 4);
    if (status) return status;
    if (overflow != LQ_OVERFLOW_INFINITE && overflow != LQ_OVERFLOW_SATURATE) {
        return lq_refuse(&call, LQ_ERROR_ENUM, 3, -1);
    }
    status = lq_check_pair(&call, x, is_number, y, is_number);
    if (status) return status;
    lq_plain_geometry(&call, x, y, call.run);
    if (convert_run(&call, x, y, overflow)) return LQ_OK;
    const lq_type_info *to = call.type[LQ_CODES];
    lq_start_plain_job(&job, &call);
    job.map.to_codes = true;
    job.map.x = x->data;
    job.map.codes = y->data;
    job.map.x_size = call.type[LQ_X]->bits / 8;
    job.map.code = to;
    job.map.work.limit = limit_of(to, overflow);
    status = convert(&job, &call, x, y);
    if (to->bits < 8) lq_clear_tail(y);
    lq_tell_counts(&job);
    return status;
}
