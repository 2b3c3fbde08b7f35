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

/* To the nearest integer; t is not negative and below 2^22. */
static inline uint32_t lq_round_magnitude(lq_rounding rounding, float t) {
    const uint32_t whole = (uint32_t)(int32_t)t;
    const float rest = t - (float)(int32_t)t;
    switch (rounding) {
    case LQ_ROUND_EVEN: return (uint32_t)lq_round(t);
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
static inline uint32_t lq_float_magnitude(const lq_float_format *f, lq_rounding rounding, float v) {
    const uint32_t least = (uint32_t)(128 - f->bias) << 23;
    const float size = lq_from_bits(lq_bits(v) & 0x7fffffffu);
    const float capped = size < f->cap ? size : f->cap;
    const uint32_t own = lq_bits(capped) & 0x7f800000u;
    const uint32_t exponent = own > least ? own : least;
    const float step = lq_from_bits(((uint32_t)(254 + f->mantissa) << 23) - exponent);
    return lq_round_magnitude(rounding, capped * step) + ((exponent - least) >> (23 - f->mantissa));
}

/* The code of v, which is not NaN. Selects rather than branches, here and below, vectorize. */
static inline uint32_t lq_encode_float(const lq_float_format *f, lq_rounding rounding,
                                       bool unsaturated, float v) {
    const uint32_t magnitude = lq_float_magnitude(f, rounding, v);
    const uint32_t sign = lq_bits(v) >> 31 << (f->bits - 1);
    const bool large = magnitude > f->top;
    const uint32_t code = large ? (unsaturated ? f->over : f->top) : magnitude;
    const bool unsigned_zero = f->fnuz || rounding == LQ_ROUND_LOWER_CODE;
    const bool unsigned_code =
        (unsigned_zero && magnitude == 0) || (f->fnuz && unsaturated && large);
    return unsigned_code ? code : code | sign;
}

/* Whether t saturates. */
static inline bool lq_float_clips(const lq_float_format *f, lq_rounding rounding, float t) {
    return t == t && lq_float_magnitude(f, rounding, t) > f->top;
}

/* The code of a NaN with the sign of v, where the format has one. */
static inline uint32_t lq_encode_nan(const lq_float_format *f, float v) {
    return f->fnuz ? f->nan : f->nan | lq_bits(v) >> 31 << (f->bits - 1);
}

/* The code of x, whose quotient is t. */
static inline uint32_t lq_encode_by(const lq_element_rule *rule, const lq_float_format *f, float x,
                                    float t) {
    const uint32_t lowest = f->top | 1u << (f->bits - 1);
    const uint32_t instead = rule->nan == LQ_NAN_QMIN   ? lowest
                             : rule->nan == LQ_NAN_QMAX ? f->top
                                                        : 0u;
    const uint32_t nan = f->nan ? lq_encode_nan(f, x) : instead;
    const uint32_t code = lq_encode_float(f, rule->rounding, rule->unsaturated, t);
    return t != t ? nan : code;
}

static inline bool lq_is_nan_code(const lq_float_format *f, uint32_t code) {
    const uint32_t magnitude = code & ((1u << (f->bits - 1)) - 1u);
    if (f->fnuz) return code == f->nan;
    return magnitude > f->top && (magnitude != f->over || f->over == f->nan);
}

/* Exact. A NaN is quiet, of its sign and without payload. */
static inline float lq_decode_float(const lq_float_format *f, uint32_t code) {
    const uint32_t sign = code >> (f->bits - 1) << 31;
    const uint32_t magnitude = code & ((1u << (f->bits - 1)) - 1u);
    const uint32_t field = magnitude >> f->mantissa;
    const uint32_t fraction = magnitude & ((1u << f->mantissa) - 1u);
    const uint32_t steps = field ? fraction | 1u << f->mantissa : fraction;
    const uint32_t exponent = field ? field : 1u;
    const uint32_t zero = (uint32_t)(127 - f->bias - f->mantissa);
    const float step = lq_from_bits((exponent + zero) << 23);
    const uint32_t number = lq_bits((float)(int32_t)steps * step);
    const uint32_t large =
        f->over > f->top && f->over != f->nan && magnitude == f->over ? 0x7f800000u : 0x7fc00000u;
    const uint32_t size = magnitude > f->top ? large : number;
    if (f->fnuz) return lq_from_bits(code == f->nan ? 0x7fc00000u : size | sign);
    return lq_from_bits(size | sign);
}

/* A value by a rule: what its code stands for times a scale. A NaN is as above. */
static inline float lq_value_by(const lq_element_rule *rule, float decoded, float scale,
                                float center) {
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
