/*
 * Requantization, one accumulator at a time: int32 sums of products to codes. These functions are
 * the definition; src/numerics.md has the rules. Selects rather than branches let compilers
 * vectorize the loops around them.
 *
 * `lo` and `hi` are qmin - zero and qmax - zero: clamping to them before the zero point is added is
 * the same, and keeps every conversion in range.
 */
#ifndef LQ_FIXED_POINT_H
#define LQ_FIXED_POINT_H

#include "numeric.h"

enum { LQ_LEAST_SHIFT = -31, LQ_MOST_SHIFT = 30 };

static inline int32_t lq_clamp_int(int32_t v, int32_t lo, int32_t hi) {
    v = v < lo ? lo : v;
    return v > hi ? hi : v;
}

/* The accumulator is rounded to float before the product is: beyond 2^24 that is a rounding. */
static inline int32_t lq_requantize_float_one(int32_t acc, float multiplier, int32_t lo, int32_t hi,
                                              int32_t zero) {
    float t = (float)acc * multiplier;
    t = t > (float)lo ? t : (float)lo; /* NaN, from a multiplier nobody checked, too */
    t = t > (float)hi ? (float)hi : t;
    return (int32_t)lq_round(t) + zero;
}

/* The zero point is added before the rounding, so a tie goes to the even code. */
static inline int32_t lq_requantize_onnx_one(int32_t acc, float multiplier, int32_t qmin,
                                             int32_t qmax, int32_t zero) {
    double t = (double)acc * (double)multiplier + (double)zero;
    t = t > (double)qmin ? t : (double)qmin;
    t = t > (double)qmax ? (double)qmax : t;
    /* To nearest even: beyond 1.5 * 2^52 a double has no fraction bits. */
    return (int32_t)((t + 0x1.8p52) - 0x1.8p52);
}

/* v * 2^n for n from 0 to 31, saturating. */
static inline int32_t lq_shift_left(int32_t v, int32_t n) {
    const int32_t shifted = (int32_t)((uint32_t)v << n);
    const int32_t limit = (int32_t)((uint32_t)(v >> 31) ^ 0x7fffffffu);
    return shifted >> n == v ? shifted : limit;
}

/* v / 2^n for n from 0 to 31, halves away from zero. */
static inline int32_t lq_shift_right(int32_t v, int32_t n) {
    const int32_t mask = (int32_t)((1u << n) - 1u);
    const int32_t threshold = (mask >> 1) - (v >> 31);
    return (v >> n) + ((v & mask) > threshold);
}

/*
 * Multiplies by multiplier * 2^(shift - 31), with the rounding in two steps. The high half of the
 * doubled product rounds halves up, for negative ones too. Neither multiplier nor sum can make it
 * overflow, because multipliers are not negative.
 */
static inline int32_t lq_requantize_double_one(int32_t acc, int32_t multiplier, int32_t shift,
                                               int32_t lo, int32_t hi, int32_t zero) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int64_t product = (int64_t)lq_shift_left(acc, left) * multiplier;
    const int32_t high = (int32_t)(uint32_t)((uint64_t)(product + (1 << 30)) >> 31);
    return lq_clamp_int(lq_shift_right(high, right), lo, hi) + zero;
}

/*
 * The same factor with a single rounding, halves up, in two steps: the floor with one bit more than
 * the result has, then that bit. The floor of a negative number is the complement of its
 * complement's, because few processors shift 64-bit lanes with their sign; and it is cut off well
 * outside of any code, so that the rest fits 32 bits.
 */
static inline int32_t lq_requantize_single_one(int32_t acc, int32_t multiplier, int32_t shift,
                                               int32_t lo, int32_t hi, int32_t zero) {
    const uint64_t most = 1 << 20;
    const int64_t product = (int64_t)acc * multiplier;
    const uint64_t sign = (uint64_t)(product >> 63);
    uint64_t t = ((uint64_t)product ^ sign) >> (uint64_t)(int64_t)(30 - shift);
    t = t < most ? t : most;
    const int32_t floor = (int32_t)(uint32_t)(t ^ sign);
    return lq_clamp_int((floor + 1) >> 1, lo, hi) + zero;
}

#endif
