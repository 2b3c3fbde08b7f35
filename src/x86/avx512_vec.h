/* The vector vocabulary of loops/simd.h in AVX-512 F, BW, DQ and VL. */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                   \
    !defined(__AVX512VL__)
#error "this file needs -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif

#include "loops/plain.h"
#include <immintrin.h>

enum { LANES = 16, TILE = 4 * LANES };

typedef struct tile {
    __m512 v[4];
} tile;

typedef struct itile {
    __m512i v[4];
} itile;

/* The four statements of an operation on tiles; the compiler unrolls them. */
#define EACH for (int k = 0; k < 4; ++k)

LQ_INLINE tile tile_splat(float f) {
    tile t;
    EACH t.v[k] = _mm512_set1_ps(f);
    return t;
}

LQ_INLINE itile itile_splat(int32_t i) {
    itile t;
    EACH t.v[k] = _mm512_set1_epi32(i);
    return t;
}

LQ_INLINE tile tile_of_rows(const float *p, int rows) {
    tile t;
    EACH t.v[k] = _mm512_set1_ps(p[k * rows / 4]);
    return t;
}

LQ_INLINE itile itile_of_rows(const int32_t *p, int rows) {
    itile t;
    EACH t.v[k] = _mm512_set1_epi32(p[k * rows / 4]);
    return t;
}

LQ_INLINE tile tile_of(itile i) {
    tile t;
    EACH t.v[k] = _mm512_cvtepi32_ps(i.v[k]);
    return t;
}

LQ_INLINE itile tile_bits(tile t) {
    itile i;
    EACH i.v[k] = _mm512_castps_si512(t.v[k]);
    return i;
}

LQ_INLINE tile tile_subtract(tile a, tile b) {
    EACH a.v[k] = _mm512_sub_ps(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_add(tile a, tile b) {
    EACH a.v[k] = _mm512_add_ps(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_multiply(tile a, tile b) {
    EACH a.v[k] = _mm512_mul_ps(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_add(itile a, itile b) {
    EACH a.v[k] = _mm512_add_epi32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE tile tile_from_bits(itile i) {
    tile t;
    EACH t.v[k] = _mm512_castsi512_ps(i.v[k]);
    return t;
}

LQ_INLINE itile itile_subtract(itile a, itile b) {
    EACH a.v[k] = _mm512_sub_epi32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_and(itile a, itile b) {
    EACH a.v[k] = _mm512_and_si512(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_or(itile a, itile b) {
    EACH a.v[k] = _mm512_or_si512(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_min(itile a, itile b) {
    EACH a.v[k] = _mm512_min_epi32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_max(itile a, itile b) {
    EACH a.v[k] = _mm512_max_epi32(a.v[k], b.v[k]);
    return a;
}

LQ_INLINE itile itile_up(itile a, int by) {
    EACH a.v[k] = _mm512_sll_epi32(a.v[k], _mm_cvtsi32_si128(by));
    return a;
}

LQ_INLINE itile itile_down(itile a, int by) {
    EACH a.v[k] = _mm512_srl_epi32(a.v[k], _mm_cvtsi32_si128(by));
    return a;
}

LQ_INLINE itile itile_where_greater(itile a, itile b, itile yes, itile no) {
    EACH {
        const __mmask16 mask = _mm512_cmpgt_epi32_mask(a.v[k], b.v[k]);
        no.v[k] = _mm512_mask_mov_epi32(no.v[k], mask, yes.v[k]);
    }
    return no;
}

LQ_INLINE itile itile_where_at_least(tile a, tile b, itile yes, itile no) {
    EACH {
        const __mmask16 mask = _mm512_cmp_ps_mask(a.v[k], b.v[k], _CMP_GE_OQ);
        no.v[k] = _mm512_mask_mov_epi32(no.v[k], mask, yes.v[k]);
    }
    return no;
}

LQ_INLINE itile itile_where_nan(tile t, itile yes, itile no) {
    EACH {
        const __mmask16 nan = _mm512_cmp_ps_mask(t.v[k], t.v[k], _CMP_UNORD_Q);
        no.v[k] = _mm512_mask_mov_epi32(no.v[k], nan, yes.v[k]);
    }
    return no;
}

typedef struct lookup {
    __m512 all;
} lookup;

LQ_INLINE lookup lookup_of(const float *sixteen) {
    return (lookup){_mm512_loadu_ps(sixteen)};
}

LQ_INLINE tile tile_lookup(lookup l, itile i) {
    tile t;
    EACH t.v[k] = _mm512_permutexvar_ps(i.v[k], l.all);
    return t;
}

/* The lowest n of 64 bits; and of those, the 16 of vector k. */
LQ_INLINE uint64_t low_bits(int64_t n) {
    return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}
LQ_INLINE __mmask16 first_n(int k, int64_t n) {
    return (__mmask16)(low_bits(n) >> (k * LANES));
}

LQ_INLINE tile tile_first_n(tile a, tile b, int64_t n) {
    EACH a.v[k] = _mm512_mask_blend_ps(first_n(k, n), b.v[k], a.v[k]);
    return a;
}

LQ_INLINE __m512 from_bf16(__m256i h) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

LQ_INLINE tile tile_load_n(lq_real real, const unsigned char *x, int64_t i, int64_t n) {
    tile t;
    EACH {
        const int64_t at = i + k * LANES;
        if (real == LQ_REAL_f32) {
            t.v[k] = _mm512_maskz_loadu_ps(first_n(k, n), x + at * 4);
        } else {
            const __m256i h = _mm256_maskz_loadu_epi16(first_n(k, n), x + at * 2);
            t.v[k] = real == LQ_REAL_f16 ? _mm512_cvtph_ps(h) : from_bf16(h);
        }
    }
    return t;
}

LQ_INLINE tile tile_load(lq_real real, const unsigned char *x, int64_t i) {
    return tile_load_n(real, x, i, TILE);
}

LQ_INLINE __m256i to_bf16(__m512 v) {
    const __m512i u = _mm512_castps_si512(v);
    const __m512i high = _mm512_srli_epi32(u, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(_mm512_srli_epi32(sum, 16), nan, quiet));
}

/*
 * Upper and lower halves of 32 floats apart, so that what is dropped rounds what is kept in 16 bits:
 * up where it, and one more if the rest is odd, exceeds a half. In L2 .035 ns for each element,
 * against .044 in 32 bits. The processor's own conversion flushes subnormals.
 */
LQ_INLINE __m512i to_bf16_pair(__m512 a, __m512 b) {
    const __m512i ramp =
        _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                         12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i even = _mm512_add_epi16(ramp, ramp);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi16(1));
    if (_mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q)) {
        return _mm512_inserti64x4(_mm512_castsi256_si512(to_bf16(a)), to_bf16(b), 1);
    }
    const __m512i u = _mm512_castps_si512(a);
    const __m512i v = _mm512_castps_si512(b);
    const __m512i high = _mm512_permutex2var_epi16(u, odd, v);
    const __m512i low = _mm512_permutex2var_epi16(u, even, v);
    const __m512i tie = _mm512_and_si512(high, _mm512_set1_epi16(1));
    const __mmask32 up =
        _mm512_cmpgt_epu16_mask(_mm512_adds_epu16(low, tie), _mm512_set1_epi16((short)0x8000));
    return _mm512_mask_add_epi16(high, up, high, _mm512_set1_epi16(1));
}

LQ_INLINE void tile_store_n(lq_real real, unsigned char *x, int64_t i, tile t, int64_t n) {
    EACH {
        const int64_t at = i + k * LANES;
        if (real == LQ_REAL_f32) {
            _mm512_mask_storeu_ps(x + at * 4, first_n(k, n), t.v[k]);
        } else {
            const __m256i h = real == LQ_REAL_f16 ? _mm512_maskz_cvtps_ph(first_n(k, n), t.v[k],
                                                                          _MM_FROUND_TO_NEAREST_INT)
                                                  : to_bf16(t.v[k]);
            _mm256_mask_storeu_epi16(x + at * 2, first_n(k, n), h);
        }
    }
}

LQ_INLINE void tile_store(lq_real real, unsigned char *x, int64_t i, tile t) {
    if (real != LQ_REAL_bf16) {
        tile_store_n(real, x, i, t, TILE);
        return;
    }
    _mm512_storeu_si512(x + i * 2, to_bf16_pair(t.v[0], t.v[1]));
    _mm512_storeu_si512(x + (i + 2 * LANES) * 2, to_bf16_pair(t.v[2], t.v[3]));
}

LQ_INLINE void tile_stream(lq_real real, unsigned char *x, int64_t i, tile t) {
    unsigned char *to = x + i * (real == LQ_REAL_f32 ? 4 : 2);
    if (real == LQ_REAL_f32) {
        EACH _mm512_stream_ps((float *)(void *)(to + k * LANES * 4), t.v[k]);
    } else if (real == LQ_REAL_f16) {
        EACH _mm256_stream_si256((__m256i *)(void *)(to + k * LANES * 2),
                                 _mm512_cvtps_ph(t.v[k], _MM_FROUND_TO_NEAREST_INT));
    } else {
        _mm512_stream_si512((__m512i *)(void *)to, to_bf16_pair(t.v[0], t.v[1]));
        _mm512_stream_si512((__m512i *)(void *)(to + LANES * 4), to_bf16_pair(t.v[2], t.v[3]));
    }
}

LQ_INLINE itile itile_load_n(const int32_t *p, int64_t n) {
    itile t;
    EACH t.v[k] = _mm512_maskz_loadu_epi32(first_n(k, n), p + k * LANES);
    return t;
}

/* To nearest; or toward zero, and then the last bit set where that was inexact. */
LQ_INLINE __m256 narrow_doubles(__m512d d, bool odd) {
    if (!odd) return _mm512_cvtpd_ps(d);
    const __m256i u =
        _mm256_castps_si256(_mm512_cvt_roundpd_ps(d, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC));
    const __m512d back = _mm512_cvtps_pd(_mm256_castsi256_ps(u));
    const __mmask8 inexact = _mm512_cmp_pd_mask(back, d, _CMP_NEQ_OQ);
    return _mm256_castsi256_ps(_mm256_mask_or_epi32(u, inexact, u, _mm256_set1_epi32(1)));
}

LQ_INLINE tile tile_load_doubles(const unsigned char *x, int64_t i, bool odd) {
    tile t;
    EACH {
        const unsigned char *from = x + (i + k * LANES) * 8;
        const __m256 a = narrow_doubles(_mm512_loadu_pd(from), odd);
        const __m256 b = narrow_doubles(_mm512_loadu_pd(from + 64), odd);
        t.v[k] = _mm512_insertf32x8(_mm512_castps256_ps512(a), b, 1);
    }
    return t;
}

LQ_INLINE void tile_store_doubles(unsigned char *y, int64_t i, tile t, double limit) {
    const __m512d most = _mm512_set1_pd(limit);
    const __m512d least = _mm512_set1_pd(-limit);
    EACH {
        unsigned char *to = y + (i + k * LANES) * 8;
        const __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(t.v[k]));
        const __m512d b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(t.v[k], 1));
        _mm512_storeu_pd(to, _mm512_max_pd(least, _mm512_min_pd(most, a)));
        _mm512_storeu_pd(to + 64, _mm512_max_pd(least, _mm512_min_pd(most, b)));
    }
}

LQ_INLINE itile itile_load(const int32_t *p) {
    return itile_load_n(p, TILE);
}

LQ_INLINE itile tile_to_even(tile t) {
    itile i;
    EACH i.v[k] = _mm512_cvtps_epi32(t.v[k]);
    return i;
}

LQ_INLINE tile tile_divide(tile x, tile s) {
    EACH x.v[k] = _mm512_div_ps(x.v[k], s.v[k]);
    return x;
}

LQ_INLINE tile tile_quotient(tile x, tile s, tile inverse) {
    tile t;
    EACH {
        const __m512 r = _mm512_mul_ps(x.v[k], inverse.v[k]);
        const __m512 e = _mm512_fnmadd_ps(r, s.v[k], x.v[k]);
        t.v[k] = _mm512_fmadd_ps(e, inverse.v[k], r);
    }
    return t;
}

LQ_INLINE bool tile_any_nan(tile t) {
    const __mmask16 a = _mm512_cmp_ps_mask(t.v[0], t.v[1], _CMP_UNORD_Q);
    const __mmask16 b = _mm512_cmp_ps_mask(t.v[2], t.v[3], _CMP_UNORD_Q);
    return !_kortestz_mask16_u8(a, b);
}

LQ_INLINE tile tile_nan_to_zero(tile t) {
    EACH t.v[k] = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(t.v[k], t.v[k], _CMP_ORD_Q), t.v[k]);
    return t;
}

LQ_INLINE tile tile_nan_to(tile t, tile other) {
    EACH {
        const __mmask16 nan = _mm512_cmp_ps_mask(t.v[k], t.v[k], _CMP_UNORD_Q);
        t.v[k] = _mm512_mask_mov_ps(t.v[k], nan, other.v[k]);
    }
    return t;
}

/*
 * Away from zero: a truncation after the float below one half is added, by the sign. A half and that
 * is a tie, or nearer to the integer, and so rounds up to it; what is below a half does not.
 */
LQ_INLINE itile tile_round(lq_rounding rounding, tile t) {
    const __m512 below_half = _mm512_set1_ps(0x1.fffffep-2f);
    const __m512 sign = _mm512_set1_ps(-0.0f);
    itile i;
    if (rounding == LQ_ROUND_EVEN) return tile_to_even(t);
    if (rounding == LQ_ROUND_AWAY) {
        EACH {
            const __m512 half = _mm512_or_ps(_mm512_and_ps(t.v[k], sign), below_half);
            t.v[k] = _mm512_add_ps(t.v[k], half);
        }
    }
    EACH i.v[k] = _mm512_cvttps_epi32(t.v[k]);
    return i;
}

LQ_INLINE itile tile_codes(tile t, tile lo, tile hi, itile zero) {
    itile c;
    EACH {
        const __m512 v = _mm512_min_ps(_mm512_max_ps(t.v[k], lo.v[k]), hi.v[k]);
        c.v[k] = _mm512_add_epi32(_mm512_cvtps_epi32(v), zero.v[k]);
    }
    return c;
}

/*
 * To lo <= 0 <= hi, as integers: those of positive floats, and without their signs of negative ones,
 * have the order of the floats. AMD has four units for these, and two for minimums of floats and
 * conversions together.
 */
LQ_INLINE __m512 clamp(__m512 v, __m512 lo, __m512 hi) {
    const __m512i least = _mm512_or_si512(_mm512_castps_si512(lo), _mm512_set1_epi32(INT32_MIN));
    const __m512i u = _mm512_min_epu32(_mm512_castps_si512(v), least);
    return _mm512_castsi512_ps(_mm512_min_epi32(u, _mm512_castps_si512(hi)));
}

LQ_INLINE tile tile_multiples(tile t, tile lo, tile hi, tile scale) {
    EACH {
        const __m512 c = clamp(t.v[k], lo.v[k], hi.v[k]);
        const __m512 n = _mm512_roundscale_ps(c, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        t.v[k] = _mm512_fmadd_ps(n, scale.v[k], _mm512_setzero_ps());
    }
    return t;
}

LQ_INLINE tile tile_values(itile bits, itile sign, itile zero, tile scale) {
    tile t;
    EACH {
        /* As the floats that the integers are less 2^23. */
        const __m512i exponent = _mm512_set1_epi32(0x4b000000);
        const __m512i a = _mm512_xor_si512(bits.v[k], _mm512_or_si512(sign.v[k], exponent));
        const __m512i b = _mm512_add_epi32(zero.v[k], exponent);
        const __m512 d = _mm512_sub_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b));
        t.v[k] = _mm512_mul_ps(d, scale.v[k]);
    }
    return t;
}

/* The second operand comes back where either is NaN. */
LQ_INLINE tile tile_min(tile x, tile lo) {
    EACH x.v[k] = _mm512_min_ps(x.v[k], lo.v[k]);
    return x;
}

LQ_INLINE tile tile_max(tile x, tile hi) {
    EACH x.v[k] = _mm512_max_ps(x.v[k], hi.v[k]);
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
    EACH x.v[k] = _mm512_add_ps(x.v[k], _mm512_sub_ps(x.v[k], x.v[k]));
    return x;
}

LQ_INLINE tile tile_quiet(tile t) {
    const __m512 quiet = _mm512_castsi512_ps(_mm512_set1_epi32(0x00400000));
    EACH {
        const __mmask16 nan = _mm512_cmp_ps_mask(t.v[k], t.v[k], _CMP_UNORD_Q);
        t.v[k] = _mm512_mask_or_ps(t.v[k], nan, t.v[k], quiet);
    }
    return t;
}

LQ_INLINE float tile_lowest(tile t) {
    return _mm512_reduce_min_ps(
        _mm512_min_ps(_mm512_min_ps(t.v[0], t.v[1]), _mm512_min_ps(t.v[2], t.v[3])));
}

LQ_INLINE float tile_highest(tile t) {
    return _mm512_reduce_max_ps(
        _mm512_max_ps(_mm512_max_ps(t.v[0], t.v[1]), _mm512_max_ps(t.v[2], t.v[3])));
}
