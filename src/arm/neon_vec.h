/* The vector vocabulary of loops/simd.h in Advanced SIMD of aarch64. */
#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "this file needs aarch64 with Advanced SIMD"
#endif

#include "loops/plain.h"
#include <arm_neon.h>

enum { LANES = 4, TILE = 4 * LANES };

typedef struct tile {
    float32x4_t v[4];
} tile;

typedef struct itile {
    int32x4_t v[4];
} itile;

/* The four statements of an operation on tiles; the compiler unrolls them. */
#define EACH for (int k = 0; k < 4; ++k)

LQ_INLINE tile tile_splat(float f) {
    tile t;
    EACH t.v[k] = vdupq_n_f32(f);
    return t;
}

LQ_INLINE itile itile_splat(int32_t i) {
    itile t;
    EACH t.v[k] = vdupq_n_s32(i);
    return t;
}

LQ_INLINE tile tile_of_rows(const float *p, int rows) {
    tile t;
    EACH t.v[k] = vdupq_n_f32(p[k * rows / 4]);
    return t;
}

LQ_INLINE itile itile_of_rows(const int32_t *p, int rows) {
    itile t;
    EACH t.v[k] = vdupq_n_s32(p[k * rows / 4]);
    return t;
}

LQ_INLINE tile tile_of(itile i) {
    tile t;
    EACH t.v[k] = vcvtq_f32_s32(i.v[k]);
    return t;
}

LQ_INLINE itile tile_bits(tile t) {
    itile i;
    EACH i.v[k] = vreinterpretq_s32_f32(t.v[k]);
    return i;
}

LQ_INLINE tile tile_subtract(tile a, tile b) {
    EACH a.v[k] = vsubq_f32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_add(tile a, tile b) {
    EACH a.v[k] = vaddq_f32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_multiply(tile a, tile b) {
    EACH a.v[k] = vmulq_f32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_add(itile a, itile b) {
    EACH a.v[k] = vaddq_s32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_from_bits(itile i) {
    tile t;
    EACH t.v[k] = vreinterpretq_f32_s32(i.v[k]);
    return t;
}

LQ_INLINE itile itile_subtract(itile a, itile b) {
    EACH a.v[k] = vsubq_s32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_and(itile a, itile b) {
    EACH a.v[k] = vandq_s32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_or(itile a, itile b) {
    EACH a.v[k] = vorrq_s32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_min(itile a, itile b) {
    EACH a.v[k] = vminq_s32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_max(itile a, itile b) {
    EACH a.v[k] = vmaxq_s32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_up(itile a, int by) {
    EACH a.v[k] = vshlq_s32(a.v[k], vdupq_n_s32(by));
    return a;
}

LQ_INLINE itile itile_down(itile a, int by) {
    EACH {
        const uint32x4_t u = vshlq_u32(vreinterpretq_u32_s32(a.v[k]), vdupq_n_s32(-by));
        a.v[k] = vreinterpretq_s32_u32(u);
    }
    return a;
}

LQ_INLINE itile itile_where_greater(itile a, itile b, itile yes, itile no) {
    EACH no.v[k] = vbslq_s32(vcgtq_s32(a.v[k], b.v[k]), yes.v[k], no.v[k]);
    return no;
}

LQ_INLINE itile itile_where_at_least(tile a, tile b, itile yes, itile no) {
    EACH no.v[k] = vbslq_s32(vcgeq_f32(a.v[k], b.v[k]), yes.v[k], no.v[k]);
    return no;
}

LQ_INLINE itile itile_where_nan(tile t, itile yes, itile no) {
    EACH no.v[k] = vbslq_s32(vceqq_f32(t.v[k], t.v[k]), no.v[k], yes.v[k]);
    return no;
}

typedef struct lookup {
    uint8x16x4_t bytes;
} lookup;

LQ_INLINE lookup lookup_of(const float *sixteen) {
    lookup l;
    EACH l.bytes.val[k] = vreinterpretq_u8_f32(vld1q_f32(sixteen + k * LANES));
    return l;
}

/* The four bytes of element i are those from 4 i on. */
LQ_INLINE tile tile_lookup(lookup l, itile i) {
    tile t;
    EACH {
        const uint32x4_t first = vmulq_n_u32(vreinterpretq_u32_s32(i.v[k]), 0x04040404u);
        const uint32x4_t at = vaddq_u32(first, vdupq_n_u32(0x03020100u));
        t.v[k] = vreinterpretq_f32_u8(vqtbl4q_u8(l.bytes, vreinterpretq_u8_u32(at)));
    }
    return t;
}

LQ_INLINE tile tile_first_n(tile a, tile b, int64_t n) {
    static const int32_t indices[4] = {0, 1, 2, 3};
    const int32x4_t index = vld1q_s32(indices);
    EACH {
        const uint32x4_t first = vcgtq_s32(vdupq_n_s32((int32_t)n - k * LANES), index);
        a.v[k] = vbslq_f32(first, a.v[k], b.v[k]);
    }
    return a;
}

/* Bytes ask no alignment. */
LQ_INLINE uint16x4_t load_halves(const unsigned char *p) {
    return vreinterpret_u16_u8(vld1_u8(p));
}

LQ_INLINE tile tile_load(lq_real real, const unsigned char *x, int64_t i) {
    tile t;
    EACH {
        const int64_t at = i + k * LANES;
        if (real == LQ_REAL_f32) {
            t.v[k] = vreinterpretq_f32_u8(vld1q_u8(x + at * 4));
        } else if (real == LQ_REAL_f16) {
            t.v[k] = vcvt_f32_f16(vreinterpret_f16_u16(load_halves(x + at * 2)));
        } else {
            t.v[k] = vreinterpretq_f32_u32(vshll_n_u16(load_halves(x + at * 2), 16));
        }
    }
    return t;
}

/* There are no masked loads and stores: less than a tile passes through a buffer. */
LQ_INLINE tile tile_load_n(lq_real real, const unsigned char *x, int64_t i, int64_t n) {
    const int size = real == LQ_REAL_f32 ? 4 : 2;
    unsigned char buffer[TILE * 4] = {0};
    memcpy(buffer, x + i * size, (size_t)(n * size));
    return tile_load(real, buffer, 0);
}

LQ_INLINE uint16x4_t to_bf16(float32x4_t v) {
    const uint32x4_t u = vreinterpretq_u32_f32(v);
    const uint32x4_t half = vaddq_u32(u, vdupq_n_u32(0x7fff));
    const uint32x4_t even = vsraq_n_u32(half, vshlq_n_u32(u, 15), 31);
    const uint32x4_t quiet = vorrq_u32(u, vdupq_n_u32(0x400000));
    return vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), even, quiet), 16);
}

LQ_INLINE void tile_store(lq_real real, unsigned char *x, int64_t i, tile t) {
    EACH {
        const int64_t at = i + k * LANES;
        if (real == LQ_REAL_f32) {
            vst1q_u8(x + at * 4, vreinterpretq_u8_f32(t.v[k]));
        } else if (real == LQ_REAL_f16) {
            vst1_u8(x + at * 2, vreinterpret_u8_f16(vcvt_f16_f32(t.v[k])));
        } else {
            vst1_u8(x + at * 2, vreinterpret_u8_u16(to_bf16(t.v[k])));
        }
    }
}

/* C has no stores past the caches here that every compiler knows. */
LQ_INLINE void tile_stream(lq_real real, unsigned char *x, int64_t i, tile t) {
    tile_store(real, x, i, t);
}

LQ_INLINE void tile_store_n(lq_real real, unsigned char *x, int64_t i, tile t, int64_t n) {
    const int size = real == LQ_REAL_f32 ? 4 : 2;
    unsigned char buffer[TILE * 4];
    tile_store(real, buffer, 0, t);
    memcpy(x + i * size, buffer, (size_t)(n * size));
}

LQ_INLINE float64x2_t load_two(const unsigned char *x) {
    return vreinterpretq_f64_u8(vld1q_u8(x));
}

LQ_INLINE tile tile_load_doubles(const unsigned char *x, int64_t i, bool odd) {
    tile t;
    EACH {
        const float64x2_t a = load_two(x + (i + k * LANES) * 8);
        const float64x2_t b = load_two(x + (i + k * LANES) * 8 + 16);
        t.v[k] =
            odd ? vcvtx_high_f32_f64(vcvtx_f32_f64(a), b) : vcvt_high_f32_f64(vcvt_f32_f64(a), b);
    }
    return t;
}

/* Comparisons leave NaN as it is. */
LQ_INLINE uint8x16_t within_limits(float64x2_t v, float64x2_t most, float64x2_t least) {
    v = vbslq_f64(vcgtq_f64(v, most), most, v);
    return vreinterpretq_u8_f64(vbslq_f64(vcltq_f64(v, least), least, v));
}

LQ_INLINE void tile_store_doubles(unsigned char *y, int64_t i, tile t, double limit) {
    const float64x2_t most = vdupq_n_f64(limit);
    const float64x2_t least = vdupq_n_f64(-limit);
    EACH {
        unsigned char *to = y + (i + k * LANES) * 8;
        const float64x2_t a = vcvt_f64_f32(vget_low_f32(t.v[k]));
        vst1q_u8(to, within_limits(a, most, least));
        vst1q_u8(to + 16, within_limits(vcvt_high_f64_f32(t.v[k]), most, least));
    }
}

LQ_INLINE itile itile_load(const int32_t *p) {
    itile t;
    EACH t.v[k] = vld1q_s32(p + k * LANES);
    return t;
}

LQ_INLINE itile itile_load_n(const int32_t *p, int64_t n) {
    int32_t buffer[TILE] = {0};
    memcpy(buffer, p, (size_t)n * sizeof *p);
    return itile_load(buffer);
}

/* A NaN is also the greater one of two, and of a vector. */
LQ_INLINE bool tile_any_nan(tile t) {
    const float32x4_t a = vmaxq_f32(vmaxq_f32(t.v[0], t.v[1]), vmaxq_f32(t.v[2], t.v[3]));
    const float greatest = vmaxvq_f32(a);
    return __builtin_expect(greatest != greatest, 0);
}

LQ_INLINE tile tile_divide(tile x, tile s) {
    EACH x.v[k] = vdivq_f32(x.v[k], s.v[k]);
    return x;
}

LQ_INLINE tile tile_quotient(tile x, tile s, tile inverse) {
    tile t;
    EACH {
        const float32x4_t r = vmulq_f32(x.v[k], inverse.v[k]);
        const float32x4_t e = vfmsq_f32(x.v[k], r, s.v[k]);
        t.v[k] = vfmaq_f32(r, e, inverse.v[k]);
    }
    return t;
}

LQ_INLINE tile tile_nan_to_zero(tile t) {
    EACH {
        const uint32x4_t number = vceqq_f32(t.v[k], t.v[k]);
        t.v[k] = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(t.v[k]), number));
    }
    return t;
}

LQ_INLINE tile tile_nan_to(tile t, tile other) {
    EACH t.v[k] = vbslq_f32(vceqq_f32(t.v[k], t.v[k]), t.v[k], other.v[k]);
    return t;
}

LQ_INLINE itile tile_round(lq_rounding rounding, tile t) {
    itile i;
    if (rounding == LQ_ROUND_EVEN) {
        EACH i.v[k] = vcvtnq_s32_f32(t.v[k]);
    } else if (rounding == LQ_ROUND_AWAY) {
        EACH i.v[k] = vcvtaq_s32_f32(t.v[k]);
    } else {
        EACH i.v[k] = vcvtq_s32_f32(t.v[k]);
    }
    return i;
}

LQ_INLINE itile tile_codes(tile t, tile lo, tile hi, itile zero) {
    itile c;
    EACH {
        const float32x4_t v = vminq_f32(vmaxq_f32(t.v[k], lo.v[k]), hi.v[k]);
        c.v[k] = vaddq_s32(vcvtnq_s32_f32(v), zero.v[k]);
    }
    return c;
}

LQ_INLINE tile tile_multiples(tile t, tile lo, tile hi, tile scale) {
    EACH {
        const float32x4_t v = vminq_f32(vmaxq_f32(t.v[k], lo.v[k]), hi.v[k]);
        t.v[k] = vfmaq_f32(vdupq_n_f32(0.0f), vrndnq_f32(v), scale.v[k]);
    }
    return t;
}

LQ_INLINE tile tile_values(itile bits, itile sign, itile zero, tile scale) {
    tile t;
    EACH {
        /* As the floats that the integers are less 2^23. */
        const int32x4_t exponent = vdupq_n_s32(0x4b000000);
        const int32x4_t a = veorq_s32(bits.v[k], vorrq_s32(sign.v[k], exponent));
        const int32x4_t b = vaddq_s32(zero.v[k], exponent);
        const float32x4_t d = vsubq_f32(vreinterpretq_f32_s32(a), vreinterpretq_f32_s32(b));
        t.v[k] = vmulq_f32(d, scale.v[k]);
    }
    return t;
}

/* Comparisons rather than fminnm, which lets a signaling NaN through. */
LQ_INLINE tile tile_min(tile x, tile lo) {
    EACH x.v[k] = vbslq_f32(vcltq_f32(x.v[k], lo.v[k]), x.v[k], lo.v[k]);
    return x;
}

LQ_INLINE tile tile_max(tile x, tile hi) {
    EACH x.v[k] = vbslq_f32(vcgtq_f32(x.v[k], hi.v[k]), x.v[k], hi.v[k]);
    return x;
}

LQ_INLINE tile tile_lesser(tile a, tile b) {
    EACH a.v[k] = vminq_f32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_greater(tile a, tile b) {
    EACH a.v[k] = vmaxq_f32(a.v[k], b.v[k]);
    return a;
}

/* x - x is 0, or NaN for an infinity. */
LQ_INLINE tile tile_drop_nonfinite(tile x) {
    EACH x.v[k] = vaddq_f32(x.v[k], vsubq_f32(x.v[k], x.v[k]));
    return x;
}

LQ_INLINE tile tile_quiet(tile t) {
    EACH t.v[k] = vmaxq_f32(t.v[k], t.v[k]);
    return t;
}

LQ_INLINE float tile_lowest(tile t) {
    return vminvq_f32(vminq_f32(vminq_f32(t.v[0], t.v[1]), vminq_f32(t.v[2], t.v[3])));
}

LQ_INLINE float tile_highest(tile t) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(t.v[0], t.v[1]), vmaxq_f32(t.v[2], t.v[3])));
}
