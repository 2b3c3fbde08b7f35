/*
 * The numbers, one element at a time. These functions are the definition; everything else in
 * the library either calls them or is proved equal to them. src/numerics.md has the rules.
 */
#ifndef LQ_NUMERIC_H
#define LQ_NUMERIC_H

#include "types.h"
#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0)
#error "libquant defines the result for NaN and infinities: build without -ffast-math"
#endif
#if FLT_EVAL_METHOD != 0
#error                                                                                             \
    "libquant needs float arithmetic in float: 32-bit x86: -msse2 -mfpmath=sse; s390x: -fexcess-precision=fast"
#endif

/* Loops that are compiled for each of the constants they are called with. */
#if defined(__GNUC__)
#define LQ_INLINE static inline __attribute__((always_inline))
#else
#define LQ_INLINE static inline
#endif

static inline uint32_t lq_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float lq_from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/*
 * To float, a signaling NaN left signaling. f16: the exponent and mantissa fields moved into place
 * give the value times 2^-112, exactly, for subnormals too; infinities and NaN keep their mantissa
 * in the product and get the highest exponent. Selects and masks rather than branches, here and
 * below, let compilers vectorize.
 */
static inline float lq_widen_f16(uint16_t h) {
    uint32_t fields = (uint32_t)((int32_t)((uint32_t)h << 16) >> 3) & 0x8fffffffu;
    uint32_t scaled = lq_bits(lq_from_bits(fields) * 0x1p112f);
    uint32_t nonfinite = ((fields & 0x7fffffffu) + 0x70800000u) >> 31;
    return lq_from_bits(scaled | ((0u - nonfinite) & 0x7f800000u));
}

static inline float lq_widen_bf16(uint16_t h) {
    return lq_from_bits((uint32_t)h << 16);
}

static inline float lq_quiet(float f) {
    return lq_from_bits(lq_bits(f) | (f != f ? 0x00400000u : 0u));
}

static inline float lq_f16_to_f32(uint16_t h) {
    return lq_quiet(lq_widen_f16(h));
}

static inline float lq_bf16_to_f32(uint16_t h) {
    return lq_quiet(lq_widen_bf16(h));
}

/*
 * To nearest even; subnormals kept, NaN quiet with its sign. The result moves down to its place
 * at the very end, because every narrowing costs vectors dear.
 */
static inline uint16_t lq_f32_to_f16(float f) {
    uint32_t u = lq_bits(f);
    float size = lq_from_bits(u & 0x7fffffffu);
    /* Infinity, what rounds to it and NaN: 65536, which becomes infinity's bits. */
    float capped = size < 65536.0f ? size : 65536.0f;
    uint32_t bits = lq_bits(capped);
    /* 13 bits are dropped: add just under half, and one more where the kept part is odd. */
    uint32_t normal = bits - 0x38000000u + 0x0fffu + ((bits >> 13) & 1u);
    /* 0.5 has the spacing of f16's subnormals, 2^-24, so the addition rounds to it. */
    uint32_t subnormal = (lq_bits(capped + 0.5f) - 0x3f000000u) << 13;
    uint32_t small = 0u - (uint32_t)(capped < 0x1p-14f);
    uint32_t h = (small & subnormal) | (~small & normal);
    uint32_t nan = f != f ? 0x00400000u | (u & 0x003fe000u) : 0u;
    return (uint16_t)(((u & 0x80000000u) >> 3 | h | nan) >> 13);
}

static inline uint16_t lq_f32_to_bf16(float f) {
    uint32_t u = lq_bits(f);
    uint32_t quiet = f != f ? 0x00400000u : 0u;
    uint32_t up = f != f ? 0u : 0x7fffu + ((u >> 16) & 1u);
    return (uint16_t)(((u | quiet) + up) >> 16);
}

static inline uint64_t lq_bits_of_double(double d) {
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}

/* Of a positive normal number. */
static inline int32_t lq_exponent_of(double v) {
    return (int32_t)(lq_bits_of_double(v) >> 52) - 1023;
}

static inline double lq_double_from_bits(uint64_t u) {
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

static inline double lq_quiet_double(double d) {
    uint64_t u = lq_bits_of_double(d);
    uint64_t quiet = u | 0x0008000000000000u;
    return lq_double_from_bits((u & 0x7fffffffffffffffu) > 0x7ff0000000000000u ? quiet : u);
}

/* Processors convert all but NaN alike. */
static inline double lq_f32_to_f64(float f) {
    uint32_t u = lq_bits(f);
    uint64_t sign = (uint64_t)(u & 0x80000000u) << 32;
    uint64_t nan = sign | 0x7ff8000000000000u | (uint64_t)(u & 0x007fffffu) << 29;
    return (u & 0x7fffffffu) > 0x7f800000u ? lq_double_from_bits(nan) : (double)f;
}

static inline float lq_f64_to_f32(double d) {
    uint64_t u = lq_bits_of_double(d);
    uint32_t sign = (uint32_t)(u >> 32) & 0x80000000u;
    uint32_t nan = sign | 0x7fc00000u | ((uint32_t)(u >> 29) & 0x007fffffu);
    return (u & 0x7fffffffffffffffu) > 0x7ff0000000000000u ? lq_from_bits(nan) : (float)d;
}

/*
 * Rounding a double to float and then to 16 bits would round twice. Rounding to odd first (toward
 * zero, then setting the last bit of an inexact result) keeps what the second rounding needs.
 */
static inline float lq_round_to_odd(double d) {
    /* Magnitudes compare as their bits do, without a branch on the sign. */
    const uint64_t all = 0x7fffffffffffffffu;
    float f = lq_f64_to_f32(d);
    uint64_t magnitude = lq_bits_of_double(d) & all;
    uint64_t back = lq_bits_of_double((double)f) & all;
    uint32_t number = magnitude <= 0x7ff0000000000000u;
    uint32_t away = number & (back > magnitude);
    uint32_t inexact = number & (back != magnitude);
    return lq_from_bits((lq_bits(f) - away) | inexact);
}

static inline uint16_t lq_f64_to_f16(double d) {
    return lq_f32_to_f16(lq_round_to_odd(d));
}

static inline uint16_t lq_f64_to_bf16(double d) {
    return lq_f32_to_bf16(lq_round_to_odd(d));
}

/* To nearest even, for magnitudes up to 2^22: the low bits of v + 1.5 * 2^23 are the integer. */
static inline int32_t lq_round(float v) {
    return (int32_t)(lq_bits(v + 0x1.8p23f) - 0x4b400000u);
}

static inline bool lq_is_finite(float v) {
    return (lq_bits(v) & 0x7fffffffu) < 0x7f800000u;
}

/*
 * clamp(rne(x / scale) + zero, qmin, qmax) with lo = qmin - zero and hi = qmax - zero. The clamp
 * comes before the rounding, which is the same because its bounds are integers, and keeps
 * every conversion in range. NaN is treated as 0.0.
 */
static inline int32_t lq_quantize_one(float x, float scale, float lo, float hi, int32_t zero) {
    float t = x / scale;
    t = t != t ? 0.0f : t;
    t = t < lo ? lo : t;
    t = t > hi ? hi : t;
    return lq_round(t) + zero;
}

/* Of conversions: what is NaN gets the code of -0 where a float type has none for it. */
enum { LQ_NAN_MINUS_0 = LQ_NAN_CODE_0 + 1 };

/* How a code follows from a value, where that is not as in lq_quantize_one. */
typedef struct lq_element_rule {
    bool multiply;        /* the scale is a factor */
    lq_real precision;    /* to which x and the quotient are rounded */
    lq_rounding rounding; /* half up is a truncation here: the half is in the offset */
    lq_nan_code nan;
    bool divide_back; /* from codes: by what the scale holds */
    /* Affine by the value of code 0: x - center before the quotient, code * back + center after. */
    bool minimum;
    bool unsaturated; /* float codes: too large is an infinity or NaN */
} lq_element_rule;

/* Codes that stand for the values of a table. */
typedef struct lq_code_table {
    int32_t count; /* 4 or 16 */
    int32_t nan;   /* the code of NaN */
    float value[16];
    float from[16]; /* the least quotient that has code k or a higher one; from[0] is -infinity */
} lq_code_table;

static inline float lq_narrow(lq_real precision, float v) {
    switch (precision) {
    case LQ_REAL_f16: return lq_f16_to_f32(lq_f32_to_f16(v));
    case LQ_REAL_bf16: return lq_bf16_to_f32(lq_f32_to_bf16(v));
    default: return v;
    }
}

/* For magnitudes below 2^22. */
static inline int32_t lq_round_by(lq_rounding rounding, float v) {
    const int32_t whole = (int32_t)v;
    const float rest = v - (float)whole;
    switch (rounding) {
    case LQ_ROUND_EVEN: return lq_round(v);
    case LQ_ROUND_AWAY: return whole + (rest >= 0.5f) - (rest <= -0.5f);
    default: return whole;
    }
}

/* What stands for quotient and offset where the quotient is NaN. */
static inline float lq_nan_value(lq_nan_code nan, float offset, float lo, float hi, float zero) {
    switch (nan) {
    case LQ_NAN_QMIN: return lo;
    case LQ_NAN_QMAX: return hi;
    case LQ_NAN_CODE_0: return -zero;
    default: return offset;
    }
}

/* What is rounded to a code, but for an offset. `center` matters to affine rules by a minimum only. */
LQ_INLINE float lq_quotient_by(const lq_element_rule *rule, float x, float scale, float center) {
    x = lq_narrow(rule->precision, rule->minimum ? x - center : x);
    return lq_narrow(rule->precision, rule->multiply ? x * scale : x / scale);
}

/* round(clamp(quotient + offset, lo, hi)) + zero, with lo = qmin - zero and hi = qmax - zero. */
LQ_INLINE int32_t lq_quantize_by(const lq_element_rule *rule, float x, float scale, float offset,
                                 float center, float lo, float hi, int32_t zero) {
    float t = lq_quotient_by(rule, x, scale, center) + offset;
    t = t != t ? lq_nan_value(rule->nan, offset, lo, hi, (float)zero) : t;
    t = t > lo ? t : lo; /* a NaN left by a bad offset, too */
    t = t < hi ? t : hi;
    return lq_round_by(rule->rounding, t) + zero;
}

/* Codes arrive as their bits; (bits ^ sign) - sign extends the sign of a signed type. */
static inline float lq_dequantize_one(uint32_t bits, uint32_t sign, float scale, int32_t zero) {
    return (float)((int32_t)(bits ^ sign) - (int32_t)sign - zero) * scale;
}

/* `center` is a zero point as a float, or a real one, or the value of code 0. */
LQ_INLINE float lq_dequantize_by(const lq_element_rule *rule, float code, float scale,
                                 float center) {
    const float difference = rule->minimum ? code : code - center;
    const float value = rule->divide_back ? difference / scale : difference * scale;
    return rule->minimum ? value + center : value;
}

/* The code of the value nearest to t. */
static inline uint32_t lq_table_code(const lq_code_table *table, float t) {
    int32_t code = 0;
    for (int32_t k = 1; k < table->count; ++k) code += t >= table->from[k];
    return (uint32_t)(t != t ? table->nan : code);
}

/*
 * What lies beyond these is clipped: from the outermost values half a step farther, a step being
 * that to the next value inside. Infinite where float32 ends before.
 */
static inline float lq_table_low_edge(const lq_code_table *table) {
    return table->value[0] + (table->value[0] - table->value[1]) * 0.5f;
}

static inline float lq_table_high_edge(const lq_code_table *table) {
    const float *last = table->value + table->count - 1;
    return last[0] + (last[0] - last[-1]) * 0.5f;
}

#endif
