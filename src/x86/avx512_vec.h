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

LQ_INLINE itile from_bytes(__m512i bytes) {
    itile t;
    t.v[0] = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(bytes));
    t.v[1] = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 1));
    t.v[2] = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 2));
    t.v[3] = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, 3));
    return t;
}

/* 64 codes as bytes in order: each packed byte in a wider element, its codes moved apart. */
LQ_INLINE __m512i spread_4(__m256i packed) {
    const __m512i u = _mm512_cvtepu8_epi16(packed);
    return _mm512_and_si512(_mm512_or_si512(u, _mm512_slli_epi16(u, 4)), _mm512_set1_epi8(15));
}

LQ_INLINE __m512i spread_2(__m128i packed) {
    const __m512i u = _mm512_cvtepu8_epi32(packed);
    const __m512i a = _mm512_or_si512(u, _mm512_slli_epi32(u, 12));
    const __m512i b = _mm512_or_si512(a, _mm512_slli_epi32(a, 6));
    return _mm512_and_si512(b, _mm512_set1_epi32(0x03030303));
}

/* n codes below 16 bits fill these bytes. */
LQ_INLINE uint64_t byte_mask(lq_width width, int64_t n) {
    return low_bits(n << (int)width >> 2);
}

LQ_INLINE itile codes_load_n(lq_width width, const unsigned char *q, int64_t i, int64_t n) {
    itile t;
    switch (width) {
    case LQ_WIDTH_2: {
        const __mmask16 mask = (__mmask16)byte_mask(width, n);
        return from_bytes(spread_2(_mm_maskz_loadu_epi8(mask, q + i / 4)));
    }
    case LQ_WIDTH_4: {
        const __mmask32 mask = (__mmask32)byte_mask(width, n);
        return from_bytes(spread_4(_mm256_maskz_loadu_epi8(mask, q + i / 2)));
    }
    case LQ_WIDTH_8:
        EACH t.v[k] = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first_n(k, n), q + i + k * LANES));
        return t;
    default:
        EACH t.v[k] =
            _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_n(k, n), q + (i + k * LANES) * 2));
        return t;
    }
}

LQ_INLINE itile codes_load(lq_width width, const unsigned char *q, int64_t i) {
    return codes_load_n(width, q, i, TILE);
}

typedef __m512i btile;

/* Packing works within quarters: what it makes of four vectors, in order. */
LQ_INLINE btile in_order(__m512i packed) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, packed);
}

LQ_INLINE itile tile_to_even(tile t) {
    itile i;
    EACH i.v[k] = _mm512_cvtps_epi32(t.v[k]);
    return i;
}

/* The low bytes of 64 int32 in [-32768, 32767]. */
LQ_INLINE btile to_bytes(itile c) {
    const __m512i low = _mm512_set1_epi16(0xff);
    const __m512i a = _mm512_and_si512(_mm512_packs_epi32(c.v[0], c.v[1]), low);
    const __m512i b = _mm512_and_si512(_mm512_packs_epi32(c.v[2], c.v[3]), low);
    return in_order(_mm512_packus_epi16(a, b));
}

/* Packing saturates at signed bytes, which any unsigned codes are less 128. */
typedef struct byte_range {
    __m512i zero[2]; /* of each half as it is packed */
    __m512i least, most, flip;
} byte_range;

LQ_INLINE byte_range byte_range_of(int32_t zero, int32_t qmin, int32_t qmax, bytes_kind kind) {
    const int32_t bias = kind == ANY_BYTES ? byte_bias(qmax) : 0;
    const __m512i z = _mm512_set1_epi16((int16_t)(zero - bias));
    return (byte_range){.zero = {z, z},
                        .least = _mm512_set1_epi8((int8_t)(qmin - bias)),
                        .most = _mm512_set1_epi8((int8_t)(qmax - bias)),
                        .flip = _mm512_set1_epi8((int8_t)bias)};
}

/* The same with a zero point less `bias` for each element. */
LQ_INLINE byte_range byte_range_with(byte_range range, itile zero, int32_t bias) {
    EACH zero.v[k] = _mm512_sub_epi32(zero.v[k], _mm512_set1_epi32(bias));
    range.zero[0] = _mm512_packs_epi32(zero.v[0], zero.v[1]);
    range.zero[1] = _mm512_packs_epi32(zero.v[2], zero.v[3]);
    return range;
}

/* NaN and what overflows become the least of 32 bits, and then of 16. */
LQ_INLINE btile tile_bytes(tile t, const byte_range *range, bytes_kind kind, bool add,
                           bool *certain) {
    const itile c = tile_to_even(t);
    __m512i a = _mm512_packs_epi32(c.v[0], c.v[1]);
    __m512i b = _mm512_packs_epi32(c.v[2], c.v[3]);
    const __m512i least = _mm512_set1_epi16(INT16_MIN);
    *certain = _mm512_cmpeq_epi16_mask(_mm512_min_epi16(a, b), least) == 0;
    if (add) a = _mm512_adds_epi16(a, range->zero[0]);
    if (add) b = _mm512_adds_epi16(b, range->zero[1]);
    if (kind == UNSIGNED_BYTES) return in_order(_mm512_packus_epi16(a, b));
    const __m512i packed = _mm512_max_epi8(_mm512_packs_epi16(a, b), range->least);
    if (kind == SIGNED_BYTES) return in_order(packed);
    const __m512i within = _mm512_min_epi8(packed, range->most);
    return in_order(kind == NARROW_BYTES ? within : _mm512_xor_si512(within, range->flip));
}

LQ_INLINE __m256i join_4(__m512i bytes) {
    const __m512i nibbles = _mm512_and_si512(bytes, _mm512_set1_epi8(15));
    return _mm512_cvtepi16_epi8(_mm512_maddubs_epi16(nibbles, _mm512_set1_epi16(0x1001)));
}

LQ_INLINE __m128i join_2(__m512i bytes) {
    const __m512i codes = _mm512_and_si512(bytes, _mm512_set1_epi8(3));
    const __m512i pairs = _mm512_maddubs_epi16(codes, _mm512_set1_epi16(0x0401));
    return _mm512_cvtepi32_epi8(_mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00100001)));
}

LQ_INLINE void bytes_store_n(lq_width width, unsigned char *q, int64_t i, btile b, int64_t n) {
    const uint64_t mask = byte_mask(width, n);
    switch (width) {
    case LQ_WIDTH_2: _mm_mask_storeu_epi8(q + i / 4, (__mmask16)mask, join_2(b)); break;
    case LQ_WIDTH_4: _mm256_mask_storeu_epi8(q + i / 2, (__mmask32)mask, join_4(b)); break;
    default: _mm512_mask_storeu_epi8(q + i, (__mmask64)mask, b); break;
    }
}

LQ_INLINE void bytes_store(lq_width width, unsigned char *q, int64_t i, btile b) {
    bytes_store_n(width, q, i, b, TILE);
}

LQ_INLINE void bytes_stream(unsigned char *q, int64_t i, btile b) {
    _mm512_stream_si512((__m512i *)(void *)(q + i), b);
}

LQ_INLINE void codes_store_n(lq_width width, unsigned char *q, int64_t i, itile c, int64_t n) {
    if (width != LQ_WIDTH_16) {
        bytes_store_n(width, q, i, to_bytes(c), n);
        return;
    }
    EACH _mm512_mask_cvtepi32_storeu_epi16(q + (i + k * LANES) * 2, first_n(k, n), c.v[k]);
}

LQ_INLINE void codes_store(lq_width width, unsigned char *q, int64_t i, itile c) {
    codes_store_n(width, q, i, c, TILE);
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
