/* The vector vocabulary of loops/simd.h in AVX2 with FMA and F16C. */
#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "this file needs -mavx2 -mfma -mf16c"
#endif

#include "loops/plain.h"
#include <immintrin.h>

enum { LANES = 8, TILE = 4 * LANES };

typedef struct tile {
    __m256 v[4];
} tile;

typedef struct itile {
    __m256i v[4];
} itile;

/* The four statements of an operation on tiles; the compiler unrolls them. */
#define EACH for (int k = 0; k < 4; ++k)

LQ_INLINE tile tile_splat(float f) {
    tile t;
    EACH t.v[k] = _mm256_set1_ps(f);
    return t;
}

LQ_INLINE itile itile_splat(int32_t i) {
    itile t;
    EACH t.v[k] = _mm256_set1_epi32(i);
    return t;
}

LQ_INLINE tile tile_of_rows(const float *p, int rows) {
    tile t;
    EACH t.v[k] = _mm256_set1_ps(p[k * rows / 4]);
    return t;
}

LQ_INLINE itile itile_of_rows(const int32_t *p, int rows) {
    itile t;
    EACH t.v[k] = _mm256_set1_epi32(p[k * rows / 4]);
    return t;
}

LQ_INLINE tile tile_of(itile i) {
    tile t;
    EACH t.v[k] = _mm256_cvtepi32_ps(i.v[k]);
    return t;
}

LQ_INLINE itile tile_bits(tile t) {
    itile i;
    EACH i.v[k] = _mm256_castps_si256(t.v[k]);
    return i;
}

LQ_INLINE tile tile_subtract(tile a, tile b) {
    EACH a.v[k] = _mm256_sub_ps(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_add(tile a, tile b) {
    EACH a.v[k] = _mm256_add_ps(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_multiply(tile a, tile b) {
    EACH a.v[k] = _mm256_mul_ps(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_add(itile a, itile b) {
    EACH a.v[k] = _mm256_add_epi32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_from_bits(itile i) {
    tile t;
    EACH t.v[k] = _mm256_castsi256_ps(i.v[k]);
    return t;
}

LQ_INLINE itile itile_subtract(itile a, itile b) {
    EACH a.v[k] = _mm256_sub_epi32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_and(itile a, itile b) {
    EACH a.v[k] = _mm256_and_si256(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_or(itile a, itile b) {
    EACH a.v[k] = _mm256_or_si256(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_min(itile a, itile b) {
    EACH a.v[k] = _mm256_min_epi32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_max(itile a, itile b) {
    EACH a.v[k] = _mm256_max_epi32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_up(itile a, int by) {
    EACH a.v[k] = _mm256_sll_epi32(a.v[k], _mm_cvtsi32_si128(by));
    return a;
}

LQ_INLINE itile itile_down(itile a, int by) {
    EACH a.v[k] = _mm256_srl_epi32(a.v[k], _mm_cvtsi32_si128(by));
    return a;
}

LQ_INLINE itile itile_where_greater(itile a, itile b, itile yes, itile no) {
    EACH no.v[k] = _mm256_blendv_epi8(no.v[k], yes.v[k], _mm256_cmpgt_epi32(a.v[k], b.v[k]));
    return no;
}

LQ_INLINE itile itile_where_at_least(tile a, tile b, itile yes, itile no) {
    EACH {
        const __m256 mask = _mm256_cmp_ps(a.v[k], b.v[k], _CMP_GE_OQ);
        no.v[k] = _mm256_blendv_epi8(no.v[k], yes.v[k], _mm256_castps_si256(mask));
    }
    return no;
}

LQ_INLINE itile itile_where_nan(tile t, itile yes, itile no) {
    EACH {
        const __m256 nan = _mm256_cmp_ps(t.v[k], t.v[k], _CMP_UNORD_Q);
        no.v[k] = _mm256_blendv_epi8(no.v[k], yes.v[k], _mm256_castps_si256(nan));
    }
    return no;
}

typedef struct lookup {
    __m256 low, high;
} lookup;

LQ_INLINE lookup lookup_of(const float *sixteen) {
    return (lookup){_mm256_loadu_ps(sixteen), _mm256_loadu_ps(sixteen + 8)};
}

LQ_INLINE tile tile_lookup(lookup l, itile i) {
    tile t;
    EACH {
        const __m256 low = _mm256_permutevar8x32_ps(l.low, i.v[k]);
        const __m256 high = _mm256_permutevar8x32_ps(l.high, i.v[k]);
        /* Bit 3 moves to the sign, which is what selects. */
        t.v[k] = _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i.v[k], 28)));
    }
    return t;
}

/* All ones in the elements of vector k that are among the first n of the tile. */
LQ_INLINE __m256i first_n(int k, int64_t n) {
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n - k * LANES), index);
}

LQ_INLINE tile tile_first_n(tile a, tile b, int64_t n) {
    EACH a.v[k] = _mm256_blendv_ps(b.v[k], a.v[k], _mm256_castsi256_ps(first_n(k, n)));
    return a;
}

LQ_INLINE __m128i load_128(const void *p) {
    return _mm_loadu_si128((const __m128i *)p);
}
LQ_INLINE __m128i load_64(const void *p) {
    return _mm_loadl_epi64((const __m128i *)p);
}

LQ_INLINE __m256 from_bf16(__m128i h) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

LQ_INLINE tile tile_load(lq_real real, const unsigned char *x, int64_t i) {
    tile t;
    if (real == LQ_REAL_f32) {
        EACH t.v[k] = _mm256_loadu_ps((const float *)(const void *)(x + (i + k * LANES) * 4));
    } else if (real == LQ_REAL_f16) {
        EACH t.v[k] = _mm256_cvtph_ps(load_128(x + (i + k * LANES) * 2));
    } else {
        EACH t.v[k] = from_bf16(load_128(x + (i + k * LANES) * 2));
    }
    return t;
}

/*
 * AVX2 masks memory in 32-bit elements only. The first n bytes of 16, none or all perhaps, without a
 * call or a buffer: a row of 27 bytes back to floats takes a third of the time.
 */
LQ_INLINE __m128i load_some(const unsigned char *p, int64_t n) {
    uint64_t a = 0, b = 0;
    uint32_t c, d;
    if (n >= 16) return load_128(p);
    if (n > 8) {
        memcpy(&a, p, 8);
        memcpy(&b, p + n - 8, 8);
        b >>= 8 * (16 - n);
    } else if (n >= 4) {
        memcpy(&c, p, 4);
        memcpy(&d, p + n - 4, 4);
        a = c | (uint64_t)d << (8 * (n - 4));
    } else if (n > 0) {
        a = p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
    }
    return _mm_set_epi64x((int64_t)b, (int64_t)a);
}

LQ_INLINE void store_some(unsigned char *p, __m128i v, int64_t n) {
    if (n >= 16) {
        _mm_storeu_si128((__m128i *)(void *)p, v);
        return;
    }
    if (n <= 0) return;
    uint64_t u = (uint64_t)_mm_cvtsi128_si64(v);
    if (n & 8) {
        memcpy(p, &u, 8);
        u = (uint64_t)_mm_extract_epi64(v, 1);
        p += 8;
    }
    if (n & 4) {
        memcpy(p, &u, 4);
        u >>= 32;
        p += 4;
    }
    if (n & 2) {
        memcpy(p, &u, 2);
        u >>= 16;
        p += 2;
    }
    if (n & 1) *p = (unsigned char)u;
}

LQ_INLINE tile tile_load_n(lq_real real, const unsigned char *x, int64_t i, int64_t n) {
    tile t;
    if (real == LQ_REAL_f32) {
        EACH t.v[k] = _mm256_maskload_ps((const float *)(const void *)(x + (i + k * LANES) * 4),
                                         first_n(k, n));
        return t;
    }
    EACH {
        const __m128i h = load_some(x + (i + k * LANES) * 2, (n - k * LANES) * 2);
        t.v[k] = real == LQ_REAL_f16 ? _mm256_cvtph_ps(h) : from_bf16(h);
    }
    return t;
}

LQ_INLINE __m256i to_bf16(__m256 v) {
    const __m256i u = _mm256_castps_si256(v);
    const __m256i high = _mm256_srli_epi32(u, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), quiet, nan);
}

/* Two vectors of 16-bit values in int32 to one of 16 bits; packing works within halves. */
LQ_INLINE __m256i gather_16(__m256i a, __m256i b) {
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
}

LQ_INLINE void tile_store(lq_real real, unsigned char *x, int64_t i, tile t) {
    if (real == LQ_REAL_f32) {
        EACH _mm256_storeu_ps((float *)(void *)(x + (i + k * LANES) * 4), t.v[k]);
    } else if (real == LQ_REAL_f16) {
        EACH _mm_storeu_si128((__m128i *)(void *)(x + (i + k * LANES) * 2),
                              _mm256_cvtps_ph(t.v[k], _MM_FROUND_TO_NEAREST_INT));
    } else {
        for (int k = 0; k < 4; k += 2) {
            _mm256_storeu_si256((__m256i *)(void *)(x + (i + k * LANES) * 2),
                                gather_16(to_bf16(t.v[k]), to_bf16(t.v[k + 1])));
        }
    }
}

LQ_INLINE __m256i narrow_pair(lq_real real, __m256 a, __m256 b) {
    if (real == LQ_REAL_bf16) return gather_16(to_bf16(a), to_bf16(b));
    return _mm256_setr_m128i(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT),
                             _mm256_cvtps_ph(b, _MM_FROUND_TO_NEAREST_INT));
}

LQ_INLINE void tile_stream(lq_real real, unsigned char *x, int64_t i, tile t) {
    if (real == LQ_REAL_f32) {
        EACH _mm256_stream_ps((float *)(void *)(x + (i + k * LANES) * 4), t.v[k]);
        return;
    }
    for (int k = 0; k < 4; k += 2) {
        _mm256_stream_si256((__m256i *)(void *)(x + (i + k * LANES) * 2),
                            narrow_pair(real, t.v[k], t.v[k + 1]));
    }
}

LQ_INLINE void tile_store_n(lq_real real, unsigned char *x, int64_t i, tile t, int64_t n) {
    if (real == LQ_REAL_f32) {
        EACH _mm256_maskstore_ps((float *)(void *)(x + (i + k * LANES) * 4), first_n(k, n), t.v[k]);
        return;
    }
    for (int k = 0; k < 4; k += 2) {
        const __m256i pair = narrow_pair(real, t.v[k], t.v[k + 1]);
        unsigned char *to = x + (i + k * LANES) * 2;
        store_some(to, _mm256_castsi256_si128(pair), (n - k * LANES) * 2);
        store_some(to + 16, _mm256_extracti128_si256(pair, 1), (n - k * LANES) * 2 - 16);
    }
}

/* To nearest; or toward zero, and then the last bit set where that was inexact. */
LQ_INLINE __m128 narrow_doubles(__m256d d, bool odd) {
    const __m128 f = _mm256_cvtpd_ps(d);
    if (!odd) return f;
    const __m256d sign = _mm256_set1_pd(-0.0);
    const __m256d back = _mm256_cvtps_pd(f);
    const __m256d away =
        _mm256_cmp_pd(_mm256_andnot_pd(sign, back), _mm256_andnot_pd(sign, d), _CMP_GT_OQ);
    const __m256d inexact = _mm256_cmp_pd(back, d, _CMP_NEQ_OQ);
    /* The masks of 64 bits become -1 or 0 of 32, those of `away` in the lower half. */
    const __m256 masks = _mm256_shuffle_ps(_mm256_castpd_ps(away), _mm256_castpd_ps(inexact), 0x88);
    const __m256i both = _mm256_permute4x64_epi64(_mm256_castps_si256(masks), 0xd8);
    const __m128i u = _mm_add_epi32(_mm_castps_si128(f), _mm256_castsi256_si128(both));
    const __m128i last = _mm_srli_epi32(_mm256_extracti128_si256(both, 1), 31);
    return _mm_castsi128_ps(_mm_or_si128(u, last));
}

LQ_INLINE tile tile_load_doubles(const unsigned char *x, int64_t i, bool odd) {
    tile t;
    EACH {
        const double *from = (const double *)(const void *)(x + (i + k * LANES) * 8);
        t.v[k] = _mm256_setr_m128(narrow_doubles(_mm256_loadu_pd(from), odd),
                                  narrow_doubles(_mm256_loadu_pd(from + 4), odd));
    }
    return t;
}

LQ_INLINE void tile_store_doubles(unsigned char *y, int64_t i, tile t, double limit) {
    const __m256d most = _mm256_set1_pd(limit);
    const __m256d least = _mm256_set1_pd(-limit);
    EACH {
        double *to = (double *)(void *)(y + (i + k * LANES) * 8);
        const __m256d a = _mm256_cvtps_pd(_mm256_castps256_ps128(t.v[k]));
        const __m256d b = _mm256_cvtps_pd(_mm256_extractf128_ps(t.v[k], 1));
        _mm256_storeu_pd(to, _mm256_max_pd(least, _mm256_min_pd(most, a)));
        _mm256_storeu_pd(to + 4, _mm256_max_pd(least, _mm256_min_pd(most, b)));
    }
}

LQ_INLINE itile itile_load(const int32_t *p) {
    itile t;
    EACH t.v[k] = _mm256_loadu_si256((const __m256i *)(const void *)(p + k * LANES));
    return t;
}

LQ_INLINE itile itile_load_n(const int32_t *p, int64_t n) {
    itile t;
    EACH t.v[k] = _mm256_maskload_epi32(p + k * LANES, first_n(k, n));
    return t;
}

LQ_INLINE itile tile_to_even(tile t) {
    itile i;
    EACH i.v[k] = _mm256_cvtps_epi32(t.v[k]);
    return i;
}

LQ_INLINE tile tile_divide(tile x, tile s) {
    EACH x.v[k] = _mm256_div_ps(x.v[k], s.v[k]);
    return x;
}

LQ_INLINE tile tile_quotient(tile x, tile s, tile inverse) {
    tile t;
    EACH {
        const __m256 r = _mm256_mul_ps(x.v[k], inverse.v[k]);
        const __m256 e = _mm256_fnmadd_ps(r, s.v[k], x.v[k]);
        t.v[k] = _mm256_fmadd_ps(e, inverse.v[k], r);
    }
    return t;
}

LQ_INLINE bool tile_any_nan(tile t) {
    const __m256 a = _mm256_cmp_ps(t.v[0], t.v[1], _CMP_UNORD_Q);
    const __m256 b = _mm256_cmp_ps(t.v[2], t.v[3], _CMP_UNORD_Q);
    return _mm256_movemask_ps(_mm256_or_ps(a, b)) != 0;
}

LQ_INLINE tile tile_nan_to_zero(tile t) {
    EACH t.v[k] = _mm256_and_ps(t.v[k], _mm256_cmp_ps(t.v[k], t.v[k], _CMP_ORD_Q));
    return t;
}

LQ_INLINE tile tile_nan_to(tile t, tile other) {
    EACH {
        const __m256 nan = _mm256_cmp_ps(t.v[k], t.v[k], _CMP_UNORD_Q);
        t.v[k] = _mm256_blendv_ps(t.v[k], other.v[k], nan);
    }
    return t;
}

/*
 * Away from zero: a truncation after the float below one half is added, by the sign. A half and that
 * is a tie, or nearer to the integer, and so rounds up to it; what is below a half does not.
 */
LQ_INLINE itile tile_round(lq_rounding rounding, tile t) {
    const __m256 below_half = _mm256_set1_ps(0x1.fffffep-2f);
    const __m256 sign = _mm256_set1_ps(-0.0f);
    itile i;
    if (rounding == LQ_ROUND_EVEN) return tile_to_even(t);
    if (rounding == LQ_ROUND_AWAY) {
        EACH {
            const __m256 half = _mm256_or_ps(_mm256_and_ps(t.v[k], sign), below_half);
            t.v[k] = _mm256_add_ps(t.v[k], half);
        }
    }
    EACH i.v[k] = _mm256_cvttps_epi32(t.v[k]);
    return i;
}

LQ_INLINE itile tile_codes(tile t, tile lo, tile hi, itile zero) {
    itile c;
    EACH {
        const __m256 v = _mm256_min_ps(_mm256_max_ps(t.v[k], lo.v[k]), hi.v[k]);
        c.v[k] = _mm256_add_epi32(_mm256_cvtps_epi32(v), zero.v[k]);
    }
    return c;
}

/*
 * To lo <= 0 <= hi, as integers: those of positive floats, and without their signs of negative ones,
 * have the order of the floats. AMD has four units for these, and two for minimums of floats and
 * conversions together.
 */
LQ_INLINE __m256 clamp(__m256 v, __m256 lo, __m256 hi) {
    const __m256i least = _mm256_or_si256(_mm256_castps_si256(lo), _mm256_set1_epi32(INT32_MIN));
    const __m256i u = _mm256_min_epu32(_mm256_castps_si256(v), least);
    return _mm256_castsi256_ps(_mm256_min_epi32(u, _mm256_castps_si256(hi)));
}

LQ_INLINE tile tile_multiples(tile t, tile lo, tile hi, tile scale) {
    EACH {
        const __m256 c = clamp(t.v[k], lo.v[k], hi.v[k]);
        const __m256 n = _mm256_round_ps(c, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        t.v[k] = _mm256_fmadd_ps(n, scale.v[k], _mm256_setzero_ps());
    }
    return t;
}

LQ_INLINE tile tile_values(itile bits, itile sign, itile zero, tile scale) {
    tile t;
    EACH {
        /* As the floats that the integers are less 2^23. */
        const __m256i exponent = _mm256_set1_epi32(0x4b000000);
        const __m256i a = _mm256_xor_si256(bits.v[k], _mm256_or_si256(sign.v[k], exponent));
        const __m256i b = _mm256_add_epi32(zero.v[k], exponent);
        const __m256 d = _mm256_sub_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
        t.v[k] = _mm256_mul_ps(d, scale.v[k]);
    }
    return t;
}

/* The second operand comes back where either is NaN. */
LQ_INLINE tile tile_min(tile x, tile lo) {
    EACH x.v[k] = _mm256_min_ps(x.v[k], lo.v[k]);
    return x;
}

LQ_INLINE tile tile_max(tile x, tile hi) {
    EACH x.v[k] = _mm256_max_ps(x.v[k], hi.v[k]);
    return x;
}

LQ_INLINE tile tile_lesser(tile a, tile b) {
    return tile_min(a, b);
}

LQ_INLINE tile tile_greater(tile a, tile b) {
    return tile_max(a, b);
}

/* x - x is 0, or NaN for an infinity. */
LQ_INLINE tile tile_drop_nonfinite(tile x) {
    EACH x.v[k] = _mm256_add_ps(x.v[k], _mm256_sub_ps(x.v[k], x.v[k]));
    return x;
}

LQ_INLINE tile tile_quiet(tile t) {
    const __m256 quiet = _mm256_castsi256_ps(_mm256_set1_epi32(0x00400000));
    EACH {
        const __m256 nan = _mm256_cmp_ps(t.v[k], t.v[k], _CMP_UNORD_Q);
        t.v[k] = _mm256_or_ps(t.v[k], _mm256_and_ps(nan, quiet));
    }
    return t;
}

LQ_INLINE float tile_lowest(tile t) {
    const __m256 a = _mm256_min_ps(_mm256_min_ps(t.v[0], t.v[1]), _mm256_min_ps(t.v[2], t.v[3]));
    const __m128 b = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_min_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_min_ss(c, _mm_movehdup_ps(c)));
}

LQ_INLINE float tile_highest(tile t) {
    const __m256 a = _mm256_max_ps(_mm256_max_ps(t.v[0], t.v[1]), _mm256_max_ps(t.v[2], t.v[3]));
    const __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}
