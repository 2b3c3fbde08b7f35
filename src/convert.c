/*
 * lq_convert: values of one type to those of another. Between the real types kernels convert; floats
 * of few bits have those that quantize by a scale of 1. What is left, and what is to be counted where
 * such floats take part, goes through doubles, element by element.
 */
#include "float_format.h"
#include "tasks.h"
#include <math.h>

static bool is_real(const lq_type_info *type) {
    return type->kind == LQ_KIND_REAL || type->kind == LQ_KIND_DOUBLE;
}

static bool is_number(const lq_type_info *type) {
    return is_real(type) || type->kind == LQ_KIND_FLOAT || type->kind == LQ_KIND_EXPONENT;
}

static bool saturates(const lq_job *j) {
    return j->map.limit < HUGE_VAL;
}

/* ------------------------------------------------------------ element by element */

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

static void count(lq_counts *c, const bounds *b, double v) {
    const double size = fabs(v);
    if (v != v) {
        ++c->nan;
    } else if (size == HUGE_VAL) {
        ++c->infinite;
    } else if (size > b->over || (size == b->over && b->tie)) {
        ++c->overflowed;
    } else if (size > 0 && size <= b->under) {
        ++c->underflowed;
    }
}

static double load(const lq_type_info *type, const void *data, int64_t at) {
    double v;
    if (type->kind != LQ_KIND_DOUBLE) return lq_f32_to_f64(lq_load_real(type->type, data, at));
    memcpy(&v, (const unsigned char *)data + at * 8, sizeof v);
    return lq_quiet_double(v);
}

/* A type without NaN has the code of -0 for it. */
static const lq_element_rule saturated_rule = {.multiply = true, .nan = LQ_NAN_MINUS_0};
static const lq_element_rule unsaturated_rule = {
    .multiply = true, .nan = LQ_NAN_MINUS_0, .unsaturated = true};

static uint32_t exponent_code(float v, bool saturated) {
    if (saturated && v == 0) return 0;
    return saturated && v > 0x1p127f ? 254 : lq_encode_e8m0(v);
}

static void store(const lq_type_info *type, void *data, int64_t at, double v, double limit) {
    const bool saturated = limit < HUGE_VAL;
    /* Rounded once: to odd keeps what the second rounding needs. */
    const float odd = lq_round_to_odd(v);
    if (type->kind == LQ_KIND_FLOAT) {
        const uint32_t code =
            lq_encode_by(saturated ? &saturated_rule : &unsaturated_rule, type->format, odd, odd);
        lq_store_integer(type->type, data, at, (int32_t)code);
        return;
    }
    if (type->kind == LQ_KIND_EXPONENT) {
        lq_store_integer(type->type, data, at, (int32_t)exponent_code(odd, saturated));
        return;
    }
    if (v > limit) v = limit;
    if (v < -limit) v = -limit;
    if (type->kind == LQ_KIND_DOUBLE) {
        memcpy((unsigned char *)data + at * 8, &v, sizeof v);
        return;
    }
    const float rounded = type->type == LQ_F32 ? lq_f64_to_f32(v) : lq_round_to_odd(v);
    lq_store_real(type->type, data, at, rounded);
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
            for (int64_t k = 0; k < n; ++k) {
                v[k] = load(from, j->map.x, x_at + (i + k) * p->step[LQ_X]);
                if (j->call->report) count(&j->counts, &b, v[k]);
            }
            for (int64_t k = 0; k < n; ++k) {
                store(j->map.code, j->map.codes, y_at + (i + k) * p->step[LQ_CODES], v[k],
                      j->map.limit);
            }
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
    j->map.rule = rule;
    j->map.format = format;
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
    const lq_type_info *to = call.type[LQ_CODES];
    lq_start_plain_job(&job, &call);
    job.map.to_codes = true;
    job.map.x = x->data;
    job.map.codes = y->data;
    job.map.x_size = call.type[LQ_X]->bits / 8;
    job.map.code = to;
    job.map.limit = limit_of(to, overflow);
    status = convert(&job, &call, x, y);
    if (to->bits < 8) lq_clear_tail(y);
    lq_tell_counts(&job);
    return status;
}
