/*
 * The numbers, one element at a time. These functions are the definition; everything else in
 * the library either calls them or is proved equal to them. src/numerics.md has the rules.
 */
#ifndef LQ_NUMERIC_H
#define LQ_NUMERIC_H

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
 * The exponent and mantissa fields moved into place give the value times 2^-112, exactly, for
 * subnormals too. Selects rather than branches, here and below, let compilers vectorize.
 */
static inline float lq_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t rest = (uint32_t)(h & 0x7fffu) << 13;
    uint32_t finite = lq_bits(lq_from_bits(rest) * 0x1p112f);
    uint32_t quiet = rest & 0x007fe000u ? 0x00400000u : 0u;
    return lq_from_bits(sign | (rest >= 0x0f800000u ? rest | 0x7f800000u | quiet : finite));
}

static inline float lq_bf16_to_f32(uint16_t h) {
    uint32_t u = (uint32_t)h << 16;
    return lq_from_bits((u & 0x7fffffffu) > 0x7f800000u ? u | 0x00400000u : u);
}

/* To nearest even; subnormals kept, NaN quiet with its sign. */
static inline uint16_t lq_f32_to_f16(float f) {
    uint32_t u = lq_bits(f);
    uint32_t sign = (u >> 16) & 0x8000u;
    uint32_t magnitude = u & 0x7fffffffu;
    /* 13 bits are dropped: add just under half, and one more where the kept part is odd. */
    uint32_t normal = (magnitude - 0x38000000u + 0x0fffu + ((magnitude >> 13) & 1u)) >> 13;
    /* 0.5 has the spacing of f16's subnormals, 2^-24, so the addition rounds to it. */
    uint32_t subnormal = lq_bits(lq_from_bits(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t h = magnitude < 0x38800000u ? subnormal : normal;
    h = magnitude >= 0x477ff000u ? 0x7c00u : h;
    h = magnitude > 0x7f800000u ? 0x7e00u | ((magnitude >> 13) & 0x3ffu) : h;
    return (uint16_t)(sign | h);
}

static inline uint16_t lq_f32_to_bf16(float f) {
    uint32_t u = lq_bits(f);
    uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x40u : rounded);
}

static inline uint64_t lq_bits_of_double(double d) {
    uint64_t u;
    memcpy(&u, &d, sizeof u);
    return u;
}

static inline double lq_double_from_bits(uint64_t u) {
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

/* A NaN made quiet, as every conversion makes it; any other value as it is. */
static inline float lq_quiet(float f) {
    uint32_t u = lq_bits(f);
    return lq_from_bits((u & 0x7fffffffu) > 0x7f800000u ? u | 0x00400000u : u);
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

/* To nearest even, for magnitudes up to 2^22: beyond 1.5 * 2^23 a float has no fraction bits. */
static inline float lq_round(float v) {
    return (v + 0x1.8p23f) - 0x1.8p23f;
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
    return (int32_t)lq_round(t) + zero;
}

/* Codes arrive as their bits; (bits ^ sign) - sign extends the sign of a signed type. */
static inline float lq_dequantize_one(uint32_t bits, uint32_t sign, float scale, int32_t zero) {
    return (float)((int32_t)(bits ^ sign) - (int32_t)sign - zero) * scale;
}

#endif
