/* Floats of up to 8 bits, one at a time: the definition of their codes and values. */
#ifndef LQ_FLOAT_FORMAT_H
#define LQ_FLOAT_FORMAT_H

#include "numeric.h"

/* A sign, an exponent and a mantissa, from the upper bits down. */
struct lq_float_format {
    int32_t bits;     /* of a code */
    int32_t mantissa; /* bits of it */
    int32_t bias;     /* of the exponent; 0 in its field stands for 1 - bias, without a leading 1 */
    float cap;        /* a power of two above the largest value, which has a code above `top` */
    uint32_t top;     /* the code of the largest value */
    uint32_t over;    /* the magnitude of what is above it: infinity, or NaN, or `top` */
    uint32_t nan;     /* the code of NaN, to which a sign is added; 0: there is none */
    bool fnuz;        /* the code that would be -0 is NaN, which has no sign */
    const float *values; /* of all codes where these are 16, else NULL */
};

/* The largest value. */
static inline double lq_float_largest(const lq_float_format *f) {
    const uint32_t whole = f->top & ((1u << f->mantissa) - 1u);
    const uint32_t exponent = f->top >> f->mantissa;
    const double fraction = (double)(whole + (1u << f->mantissa));
    const uint64_t power = 1023u + exponent - (uint32_t)f->bias - (uint32_t)f->mantissa;
    return fraction * lq_double_from_bits(power << 52);
}

/*
 * To the nearest integer; t is not negative and below 2^22. Here and below, selects and masks rather
 * than branches, and signed numbers where these are compared, let compilers vectorize.
 */
LQ_INLINE int32_t lq_round_magnitude(lq_rounding rounding, float t) {
    const int32_t whole = (int32_t)t;
    const float rest = t - (float)whole;
    switch (rounding) {
    case LQ_ROUND_EVEN: return lq_round(t);
    case LQ_ROUND_LOWER_CODE: return whole + (rest > 0.5f);
    default: return whole + (rest >= 0.5f);
    }
}

/*
 * The magnitude of the code nearest to v before it is saturated, at most that of the cap: above
 * `top` where v is too large, or NaN. With E the exponent of v, or the least one, a step is
 * 2^(E - mantissa): that many steps, and what lies below the binade, add up to the code; a carry
 * goes to the next binade by itself.
 */
LQ_INLINE int32_t lq_float_magnitude(const lq_float_format *f, lq_rounding rounding, float v) {
    const int32_t least = (128 - f->bias) << 23;
    const float size = lq_from_bits(lq_bits(v) & 0x7fffffffu);
    const float capped = size < f->cap ? size : f->cap;
    const int32_t own = (int32_t)(lq_bits(capped) & 0x7f800000u);
    const int32_t exponent = own > least ? own : least;
    const uint32_t unit = (uint32_t)(254 + f->mantissa) << 23;
    const float step = lq_from_bits(unit - (uint32_t)exponent);
    return lq_round_magnitude(rounding, capped * step) + ((exponent - least) >> (23 - f->mantissa));
}

/* The sign of v, where codes have theirs. */
LQ_INLINE uint32_t lq_float_sign(const lq_float_format *f, float v) {
    return lq_bits(v) >> 31 << (f->bits - 1);
}

/* The code of v, which is not NaN. */
LQ_INLINE uint32_t lq_encode_float(const lq_float_format *f, lq_rounding rounding, bool unsaturated,
                                   float v) {
    const int32_t top = (int32_t)f->top;
    const int32_t most = unsaturated ? (int32_t)f->over : top;
    const int32_t magnitude = lq_float_magnitude(f, rounding, v);
    const int32_t code = magnitude > top ? most : magnitude;
    /* What is over a FNUZ type has that very bit. */
    const int32_t signed_zero = !f->fnuz & (rounding != LQ_ROUND_LOWER_CODE);
    const uint32_t keep = (magnitude | signed_zero) != 0 ? 0xffffffffu : 0u;
    return (uint32_t)code | (lq_float_sign(f, v) & keep);
}

/* Whether t saturates. */
LQ_INLINE bool lq_float_clips(const lq_float_format *f, lq_rounding rounding, float t) {
    return (t == t) & (lq_float_magnitude(f, rounding, t) > (int32_t)f->top);
}

/* The code of a NaN with the sign of v, where the format has one. */
LQ_INLINE uint32_t lq_encode_nan(const lq_float_format *f, float v) {
    return f->nan | (f->fnuz ? 0u : lq_float_sign(f, v));
}

/* Of a format without NaN. */
LQ_INLINE uint32_t lq_code_instead_of_nan(lq_nan_code nan, const lq_float_format *f) {
    const uint32_t sign = 1u << (f->bits - 1);
    const uint32_t largest = nan == LQ_NAN_QMIN || nan == LQ_NAN_QMAX ? f->top : 0u;
    return largest | (nan == LQ_NAN_QMIN || nan == LQ_NAN_MINUS_0 ? sign : 0u);
}

/* The code of x, whose quotient is t. */
LQ_INLINE uint32_t lq_encode_by(const lq_element_rule *rule, const lq_float_format *f, float x,
                                float t) {
    const uint32_t instead = lq_code_instead_of_nan(rule->nan, f);
    const uint32_t nan = f->nan ? lq_encode_nan(f, x) : instead;
    const uint32_t code = lq_encode_float(f, rule->rounding, rule->unsaturated, t);
    return t != t ? nan : code;
}

/*
 * Exact. The fields of a code in the places of those of float32 have an exponent too small by a
 * constant; in the lowest binade there is a leading 1 too many. A NaN is quiet, of its sign and
 * without payload; that of a FNUZ type stands where -0 would.
 */
LQ_INLINE float lq_decode_float(const lq_float_format *f, uint32_t code) {
    const int32_t magnitude = (int32_t)(code & ((1u << (f->bits - 1)) - 1u));
    const uint32_t sign = code >> (f->bits - 1) << 31;
    const int32_t fields = magnitude << (23 - f->mantissa);
    const int32_t normal = fields + ((127 - f->bias) << 23);
    const uint32_t least = (uint32_t)(128 - f->bias) << 23;
    const float low = lq_from_bits((uint32_t)fields + least) - lq_from_bits(least);
    const int32_t size = fields < 1 << 23 ? (int32_t)lq_bits(low) : normal;
    /* What is above `top` and not above this is infinite. */
    const int32_t infinite = (int32_t)(f->over == f->nan ? f->top : f->over);
    const int32_t large = magnitude > infinite ? 0x7fc00000 : 0x7f800000;
    const uint32_t u = (uint32_t)(magnitude > (int32_t)f->top ? large : size) | sign;
    return lq_from_bits(f->fnuz && u == 0x80000000u ? 0x7fc00000u : u);
}

/* A value by a rule: what its code stands for times a scale. A NaN is as above. */
LQ_INLINE float lq_value_by(const lq_element_rule *rule, float decoded, float scale, float center) {
    const float v = lq_dequantize_by(rule, decoded, scale, center);
    return v != v ? lq_from_bits(0x7fc00000u | (lq_bits(decoded) & 0x80000000u)) : v;
}

/*
 * The power of two nearest to v, ties to the even code; NaN for what is above that of 254, negative,
 * 0 or NaN.
 */
static inline uint32_t lq_encode_e8m0(float v) {
    const uint32_t bits = lq_bits(v);
    const uint32_t rest = bits & 0x007fffffu;
    const uint32_t code = bits >> 23;
    if (!(v > 0)) return 255;
    if (code == 0) return rest > 0x00600000u; /* subnormal: 2^-127 is 0x00400000 */
    return code + (rest > 0x00400000u - (code & 1u));
}

/* A power of two; 255 is NaN. */
static inline float lq_decode_e8m0(uint32_t code) {
    if (code == 0) return 0x1p-127f;
    return lq_from_bits(code == 255 ? 0x7fc00000u : code << 23);
}

#endif
