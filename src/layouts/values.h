/* What the encoders of records share. Every operation is one of IEEE 754's, in a fixed order. */
#ifndef LQ_LAYOUTS_VALUES_H
#define LQ_LAYOUTS_VALUES_H

#include "numeric.h"

/* Values as an encoder takes them: NaN is 0, and `bound` is the largest magnitude. */
LQ_INLINE void lq_bound_values(const float *x, int n, float bound, float *to) {
    for (int j = 0; j < n; ++j) {
        float v = x[j] != x[j] ? 0.0f : x[j];
        v = v < bound ? v : bound;
        to[j] = v > -bound ? v : -bound;
    }
}

/* The first of the values of largest magnitude; 0 where all are. */
LQ_INLINE float lq_extreme(const float *x, int n) {
    int32_t largest = 0; /* magnitudes compare as their bits do, which compilers can vectorize */
    for (int j = 0; j < n; ++j) {
        const int32_t size = (int32_t)(lq_bits(x[j]) & 0x7fffffffu);
        largest = size > largest ? size : largest;
    }
    for (int j = 0; largest != 0 && j < n; ++j) {
        if ((int32_t)(lq_bits(x[j]) & 0x7fffffffu) == largest) return x[j];
    }
    return 0;
}

/* To F16 as scales are rounded: too large saturates. NaN, of sums alone, has one form. */
static inline uint16_t lq_as_f16(float v) {
    return v != v ? 0x7e00 : lq_f32_to_f16(lq_round_scale(LQ_F16, v));
}

static inline void lq_put_f16(uint16_t h, unsigned char *part, int64_t at) {
    memcpy(part + 2 * at, &h, sizeof h);
}

/* To the nearest integer, halves to even; a quotient of any size, NaN excepted. */
LQ_INLINE int32_t lq_round_into(float v, int32_t min, int32_t max) {
    const float lo = (float)min, hi = (float)max;
    v = v > lo ? v : lo;
    return lq_round(v < hi ? v : hi);
}

#endif
