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
 * The code nearest to v, which is not NaN. With E the exponent of v, or the least one, a step is
 * 2^(E - mantissa): that many steps, and what lies below the binade, add up to the code; a carry
 * goes to the next binade by itself.
 */
static inline uint32_t lq_encode_float(const lq_float_format *f, lq_rounding rounding,
                                       bool unsaturated, float v) {
    const uint32_t least = (uint32_t)(128 - f->bias) << 23;
    const float size = lq_from_bits(lq_bits(v) & 0x7fffffffu);
    const float capped = size < f->cap ? size : f->cap;
    const uint32_t own = lq_bits(capped) & 0x7f800000u;
    const uint32_t exponent = own > least ? own : least;
    const float step = lq_from_bits(((uint32_t)(254 + f->mantissa) << 23) - exponent);
    const uint32_t steps = lq_round_magnitude(rounding, capped * step);
    uint32_t code = steps + ((exponent - least) >> (23 - f->mantissa));
    uint32_t sign = lq_bits(v) >> 31 << (f->bits - 1);
    if (code > f->top) code = unsaturated ? f->over : f->top;
    if (code == 0 && (f->fnuz || rounding == LQ_ROUND_LOWER_CODE)) sign = 0;
    if (f->fnuz && code > f->top) return f->nan;
    return code | sign;
}

/* The code of a NaN with the sign of v, where the format has one. */
static inline uint32_t lq_encode_nan(const lq_float_format *f, float v) {
    return f->fnuz ? f->nan : f->nan | lq_bits(v) >> 31 << (f->bits - 1);
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
    const int32_t power = (int32_t)(field ? field : 1) - f->bias - f->mantissa;
    const float step = lq_from_bits((uint32_t)(power + 127) << 23);
    if (lq_is_nan_code(f, code)) return lq_from_bits(0x7fc00000u | (f->fnuz ? 0 : sign));
    if (magnitude > f->top) return lq_from_bits(0x7f800000u | sign);
    return lq_from_bits(lq_bits((float)(int32_t)steps * step) | sign);
}

/* A power of two; 255 is NaN. */
static inline float lq_decode_e8m0(uint32_t code) {
    if (code == 0) return 0x1p-127f;
    return lq_from_bits(code == 255 ? 0x7fc00000u : code << 23);
}

#endif
