#include "choose.h"
#include "float_format.h"
#include "numeric.h"
#include <math.h>

/* One block's choice in the making: the range and the scale, in double. */
typedef struct choice {
    const lq_rule *rule;
    lq_type type; /* of the scale */
    double lo, hi;
    double numerator;
    double scale;      /* to be stored, before it is rounded to its type */
    double multiplier; /* 1 / scale as used, rounded to float32, for rules that begin from it */
    bool mended;       /* the scale is what a degenerate range has */
    bool reset;        /* the zero point is that of symmetric schemes */
} choice;

/* A result as the rule's arithmetic holds it. */
static double held(const choice *c, double v) {
    switch (c->rule->arithmetic) {
    case LQ_ARITHMETIC_SCALE_TYPE: return (double)lq_round_real(c->type, v);
    case LQ_ARITHMETIC_FLOAT: return (double)(float)v;
    default: return v;
    }
}

/* NaN, which a difference of overflowed products is, becomes lo. */
static double clamp(double v, double lo, double hi) {
    if (!(v > lo)) return lo;
    return v > hi ? hi : v;
}

/* Magnitudes up to 2^50; beyond 1.5 * 2^52 a double has no fraction bits, so the sum rounds to even. */
static double rounded(lq_rounding rounding, double v) {
    const double even = (v + 0x1.8p52) - 0x1.8p52;
    if (rounding == LQ_ROUND_EVEN) return even;
    /* Only a tie that went toward zero differs; the difference is exact. */
    if (v > 0 && v - even == 0.5) return even + 1;
    return v < 0 && v - even == -0.5 ? even - 1 : even;
}

/* What is divided by rule->steps to give the scale: the range, absmax, or the extreme value. */
static double numerator(const choice *c, bool negative_first) {
    const lq_rule *r = c->rule;
    const bool negative = -c->lo > c->hi || (-c->lo == c->hi && negative_first);
    switch (r->mapping) {
    case LQ_AFFINE:
        if (r->arithmetic == LQ_ARITHMETIC_DOUBLE) return c->hi - c->lo;
        if (r->arithmetic == LQ_ARITHMETIC_FLOAT) return (double)(float)(c->hi - c->lo);
        return (double)lq_round_real(c->type, c->hi - c->lo);
    case LQ_SYMMETRIC_FULL_RANGE: return negative ? c->lo : c->hi;
    default: return negative ? -c->lo : c->hi;
    }
}

/* FBGEMM's way with small scales: the range grows with the scale. */
static void widen(choice *c) {
    const lq_rule *r = c->rule;
    const double least = (double)r->scale_floor;
    const float single = (float)c->scale;
    if (single == 0.0f || !lq_is_finite(1.0f / single)) c->scale = 0.1;
    if (c->scale >= least || c->scale <= -least) return;
    const float amplifier = r->scale_floor / (float)c->scale;
    c->scale = least;
    if (c->lo == 0) {
        c->hi = (double)(r->scale_floor * (float)(r->qmax - r->qmin));
    } else if (c->hi == 0) {
        c->lo = -(double)(r->scale_floor * (float)(r->qmax - r->qmin));
    } else {
        c->lo = (double)((float)c->lo * amplifier);
        c->hi = (double)((float)c->hi * amplifier);
    }
}

static void mend_scale(choice *c) {
    const lq_rule *r = c->rule;
    const double size = c->scale < 0 ? -c->scale : c->scale;
    switch (r->degenerate) {
    case LQ_DEGENERATE_FLOOR:
        if (size < (double)r->scale_floor) c->scale = (double)r->scale_floor;
        break;
    case LQ_DEGENERATE_RESET:
        c->reset = size < lq_least_normal(c->type);
        if (c->reset) c->scale = 1;
        break;
    case LQ_DEGENERATE_WIDEN: widen(c); break;
    case LQ_DEGENERATE_ONE:
        if (size <= (double)r->scale_floor) c->scale = 1;
        break;
    case LQ_DEGENERATE_SET:
        if (size == 0) c->scale = (double)r->scale_floor;
        break;
    default: break;
    }
}

/* Of the zero points that the ends of the range give, the one that is less in error. */
static double nearer_end(const choice *c, double s) {
    const lq_rule *r = c->rule;
    const double low = held(c, c->lo / s);
    const double high = held(c, c->hi / s);
    const double sign = r->zero_rule == LQ_ZERO_SMALLER_SUM ? 1 : -1;
    const double low_error = fabs((double)r->qmin) + sign * fabs(low);
    const double high_error = fabs((double)r->qmax) + sign * fabs(high);
    return low_error < high_error ? held(c, r->qmin - low) : held(c, r->qmax - high);
}

static double multiplied_zero(const choice *c) {
    const lq_rule *r = c->rule;
    const double low = held(c, c->lo * c->multiplier);
    const double high = held(c, c->hi * c->multiplier);
    const double sum = held(c, held(c, r->qmin + low) + held(c, r->qmax + high));
    return sum > 0 ? held(c, r->qmin - low) : held(c, r->qmax - high);
}

static double zero_of_products(const choice *c) {
    const lq_rule *r = c->rule;
    const double difference = held(c, held(c, r->qmin * c->hi) - held(c, r->qmax * c->lo));
    return difference / held(c, c->hi - c->lo);
}

static int32_t affine_zero(const choice *c, double s) {
    const lq_rule *r = c->rule;
    double z;
    switch (r->zero_rule) {
    case LQ_ZERO_QUOTIENT_FIRST: {
        const double far = 2.0 * 65536;
        const double q = clamp(held(c, c->lo / s), -far, far);
        return (int32_t)clamp(r->qmin - rounded(r->zero_rounding, q), r->qmin, r->qmax);
    }
    case LQ_ZERO_FROM_PRODUCTS: z = c->hi > c->lo ? held(c, zero_of_products(c)) : r->qmin; break;
    case LQ_ZERO_SMALLER_SUM:
    case LQ_ZERO_SMALLER_DIFFERENCE: z = nearer_end(c, s); break;
    case LQ_ZERO_MULTIPLIED: z = multiplied_zero(c); break;
    default: z = held(c, r->qmin - held(c, c->lo / s)); break;
    }
    return (int32_t)rounded(r->zero_rounding, clamp(z, r->qmin, r->qmax));
}

/*
 * The multiplier only for the rules that have one: a second division costs as much as the rest. A
 * factor is divided out of the scale first, so that all that follows is about what is stored.
 */
static void find_scale(choice *c, bool negative_first) {
    const lq_rule *r = c->rule;
    const double n = c->numerator = numerator(c, negative_first);
    const double factor = (double)r->scale_factor;
    c->scale = held(c, n / r->steps);
    if (factor != 1) c->scale = held(c, c->scale / factor);
    c->multiplier = 1;
    const bool multiplies = r->codes_from >= LQ_FROM_MULTIPLIER ||
                            r->quotient == LQ_QUOTIENT_MULTIPLIER ||
                            r->zero_rule == LQ_ZERO_MULTIPLIED;
    if (multiplies && n != 0) c->multiplier = (double)lq_round_scale(LQ_F32, r->steps / n);
    if (r->codes_from == LQ_FROM_MULTIPLIER_AND_BACK) {
        c->scale = n == 0 ? 0 : 1 / c->multiplier / factor;
    }
    const double found = c->scale;
    mend_scale(c);
    c->mended = c->scale != found;
    if (multiplies && c->mended && c->scale != 0) {
        c->multiplier = (double)lq_round_scale(LQ_F32, 1 / (c->scale * factor));
    }
}

/* -------------------------------------------------- rounding of scales */

/* v over its power of two, in [1, 2). */
static double fraction_of(double v) {
    return lq_double_from_bits((lq_bits_of_double(v) & 0x000fffffffffffffu) | 0x3ff0000000000000u);
}

/* Bits of the mantissa of a code; of an integer, those below the first of its largest value. */
static int32_t mantissa_of(const lq_rule *rule) {
    return rule->format ? rule->format->mantissa : lq_exponent_of(fabs(rule->steps));
}

/* The exponent of an E8M0 scale for the magnitude a, neither 0 nor NaN. */
static int32_t scale_exponent(const lq_rule *rule, double a) {
    const double most = fabs(rule->steps) * (double)rule->scale_factor;
    const int32_t exponent = lq_exponent_of(a) - lq_exponent_of(most);
    switch (rule->scale_rounding) {
    case LQ_SCALE_EXPONENT_CEIL: return exponent + (fraction_of(a) > 1);
    case LQ_SCALE_EXPONENT_EVEN: {
        const double half = lq_double_from_bits((uint64_t)(1022 - mantissa_of(rule)) << 52);
        return exponent + (fraction_of(a) + half >= 2);
    }
    case LQ_SCALE_EXPONENT_ROUND: {
        /* The ratio lies in (1/2, 2), and no square of one is 2 or 1/2. */
        const double x = fraction_of(a) * fraction_of(a);
        const double y = fraction_of(most) * fraction_of(most);
        return exponent + (x > 2 * y) - (2 * x < y);
    }
    default: return exponent;
    }
}

/* ggml's way to E4M3 without a sign: halves go up, subnormals stay subnormal. */
static float ggml_ue4m3(float s) {
    if (!(s > 0)) return 0.0f;
    if (s < 0x1p-6f) {
        const float steps = s * 512.0f + 0.5f;
        return (float)(steps < 7.0f ? (int32_t)steps : 7) * 0x1p-9f;
    }
    if (s >= 248.0f) return 448.0f;
    /* Half of what is dropped, added to the bits; a carry reaches the exponent. */
    return lq_from_bits((lq_bits(s) + 0x00080000u) & 0xfff00000u);
}

static float rounded_scale(const choice *c) {
    const lq_rule *r = c->rule;
    const double a = fabs(c->numerator);
    switch (r->scale_rounding) {
    case LQ_SCALE_NEAREST: return lq_round_scale(c->type, c->scale);
    case LQ_SCALE_UP:
        return lq_round_scale_up(c->type, c->type == LQ_E8M0 ? (double)(float)c->scale : c->scale);
    case LQ_SCALE_GGML_UE4M3: return ggml_ue4m3((float)c->scale);
    default: break;
    }
    if (c->mended || a == 0) return lq_round_scale(c->type, c->scale);
    const int32_t exponent = scale_exponent(r, a);
    if (exponent >= 127) return 0x1p127f;
    return exponent <= -127 ? 0x1p-127f : lq_from_bits((uint32_t)(exponent + 127) << 23);
}

/* ------------------------------------------------------------------ choices */

lq_choice lq_choose(const lq_rule *rule, lq_type scale_type, float lo, float hi,
                    bool negative_first) {
    choice c = {.rule = rule, .type = scale_type, .lo = (double)lo, .hi = (double)hi};
    if (rule->range_rule == LQ_RANGE_WITH_ZERO) {
        c.lo = lo < 0 ? (double)lo : 0.0;
        c.hi = hi > 0 ? (double)hi : 0.0;
    }
    if (lo > hi) c.lo = c.hi = 0;
    /* Which zero an end is depends on the order in which a range was found. */
    c.lo += 0.0;
    c.hi += 0.0;
    find_scale(&c, negative_first);
    lq_choice out = {.stored = rounded_scale(&c), .zero = rule->zero};
    /* A factor above 1 may take what was rounded up beyond float32. */
    while (fabsf(lq_scale_of(rule, out.stored)) > FLT_MAX) out.stored *= 0.5f;
    if (lq_scale_of(rule, out.stored) == 0.0f && !rule->zero_scales) {
        out.stored = 1.0f;
        c.scale = 1;
        c.multiplier = 1 / (double)rule->scale_factor;
    }
    if (rule->quotient == LQ_QUOTIENT_MULTIPLIER) {
        out.stored = lq_round_scale(scale_type, c.multiplier);
        if (out.stored == 0.0f) out.stored = 1.0f;
        c.scale = 1 / (double)out.stored;
    }
    switch (rule->codes_from) {
    case LQ_FROM_STORED: out.used = lq_scale_of(rule, out.stored); break;
    case LQ_FROM_UNROUNDED:
        out.used = lq_round_scale(LQ_F32, c.scale * (double)rule->scale_factor);
        break;
    default: out.used = (float)c.multiplier; break;
    }
    if (rule->element.minimum) {
        out.real_zero = (float)c.lo;
        return out;
    }
    if (c.reset) {
        out.zero = (int32_t)clamp(0, rule->qmin, rule->qmax);
        return out;
    }
    if (rule->mapping != LQ_AFFINE) return out;
    const bool from_stored =
        rule->zero_from == LQ_FROM_STORED && rule->quotient != LQ_QUOTIENT_MULTIPLIER;
    const double s =
        from_stored ? (double)lq_scale_of(rule, out.stored) : c.scale * (double)rule->scale_factor;
    if (rule->zero_rule == LQ_ZERO_REAL) {
        out.real_zero = s == 0 ? 0.0f : lq_round_scale(LQ_F32, held(&c, -c.lo / s));
        return out;
    }
    if (out.stored != 0.0f) {
        out.zero = affine_zero(&c, s);
    } else {
        const bool middle = rule->degenerate == LQ_DEGENERATE_ZERO_MIDDLE;
        out.zero = (int32_t)clamp(middle ? rule->middle : 0, rule->qmin, rule->qmax);
    }
    return out;
}

void lq_store_zero(const lq_rule *rule, const lq_tensor *zero_point, int64_t at,
                   const lq_choice *chosen) {
    if (lq_type_find(zero_point->type)->kind != LQ_KIND_REAL) {
        lq_store_integer(zero_point->type, zero_point->data, at, chosen->zero);
        return;
    }
    const float z = rule->real_zero ? chosen->real_zero : (float)chosen->zero;
    lq_store_real(zero_point->type, zero_point->data, at,
                  lq_round_scale(zero_point->type, (double)z));
}

bool lq_scale_fits(const lq_type_info *type, const lq_rule *rule, bool written) {
    const bool small = type->kind == LQ_KIND_EXPONENT;
    const bool may_be_negative = rule->mapping == LQ_SYMMETRIC_FULL_RANGE;
    if (written && rule->scale_rounding >= LQ_SCALE_EXPONENT_FLOOR && !small) return false;
    if (written && rule->scale_rounding == LQ_SCALE_GGML_UE4M3 && type->type != LQ_E4M3) {
        return false;
    }
    if (written && may_be_negative && small) return false;
    const bool in_its_type =
        rule->arithmetic == LQ_ARITHMETIC_SCALE_TYPE || rule->arithmetic == LQ_ARITHMETIC_MIXED;
    if (written && in_its_type) return type->kind == LQ_KIND_REAL;
    return type->kind == LQ_KIND_REAL || small || (type->kind == LQ_KIND_FLOAT && type->bits == 8);
}

void lq_store_choice(const lq_rule *rule, const lq_choice *chosen, int64_t index,
                     const lq_tensor *scale, const lq_tensor *zero_point) {
    lq_store_real(scale->type, scale->data, lq_element_at(scale, index), chosen->stored);
    if (!zero_point) return;
    lq_store_zero(rule, zero_point, lq_element_at(zero_point, index), chosen);
}
