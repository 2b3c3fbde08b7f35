/* The vector vocabulary of loops/simd_rows.h in AVX-512. */

#include "loops/fold.h"

typedef __m512 vec;

LQ_INLINE vec vec_by(fold way, vec a, vec b) {
    switch (way) {
    case FOLD_LOWEST: return _mm512_min_ps(a, b);
    case FOLD_HIGHEST: return _mm512_max_ps(a, b);
    default: {
        const __m512i most = _mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b));
        return _mm512_castsi512_ps(most);
    }
    }
}

/* Each 128 bits then have one element of each of the four. */
LQ_INLINE vec fold_four(fold way, tile t) {
    __m512 v[2];
    for (int k = 0; k < 2; ++k) {
        const __m512 a = t.v[2 * k], b = t.v[2 * k + 1];
        v[k] = vec_by(way, _mm512_mask_blend_ps(0xcccc, a, b), _mm512_shuffle_ps(a, b, 0x4e));
    }
    return vec_by(way, _mm512_shuffle_ps(v[0], v[1], 0x88), _mm512_shuffle_ps(v[0], v[1], 0xdd));
}

LQ_INLINE void fold_rows(fold way, const vec *fours, float *to) {
    __m512 v[2];
    for (int k = 0; k < 2; ++k) {
        const __m512 a = fours[2 * k], b = fours[2 * k + 1];
        v[k] = vec_by(way, _mm512_mask_blend_ps(0xff00, a, b), _mm512_shuffle_f32x4(a, b, 0x4e));
    }
    _mm512_storeu_ps(to, vec_by(way, _mm512_shuffle_f32x4(v[0], v[1], 0x88),
                                _mm512_shuffle_f32x4(v[0], v[1], 0xdd)));
}

LQ_INLINE tile tile_load_rows(lq_real real, const unsigned char *x, int64_t step, int64_t i) {
    tile t;
    EACH {
        const unsigned char *at = x + k * step + i * (real == LQ_REAL_f32 ? 4 : 2);
        if (real == LQ_REAL_f32) {
            t.v[k] = _mm512_loadu_ps(at);
        } else {
            const __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)at);
            t.v[k] = real == LQ_REAL_f16 ? _mm512_cvtph_ps(h) : from_bf16(h);
        }
    }
    return t;
}

/* What has no int32 is the least one, and becomes -128. */
LQ_INLINE bool tile_to_btile(lq_rounding rounding, tile t, btile *to) {
    const itile i = tile_round(rounding, t);
    const __m512i a = _mm512_packs_epi32(i.v[0], i.v[1]);
    const __m512i b = _mm512_packs_epi32(i.v[2], i.v[3]);
    *to = in_order(_mm512_packs_epi16(a, b));
    return _mm512_cmpeq_epi8_mask(*to, _mm512_set1_epi8(-128)) == 0;
}

LQ_INLINE btile btile_within(btile b, int32_t lo, int32_t hi) {
    const __m512i least = _mm512_set1_epi8((char)lo);
    return _mm512_min_epi8(_mm512_max_epi8(b, least), _mm512_set1_epi8((char)hi));
}

LQ_INLINE btile btile_add(btile b, int32_t by) {
    return _mm512_add_epi8(b, _mm512_set1_epi8((char)by));
}

LQ_INLINE void btile_store_rows(lq_width width, unsigned char *q, int64_t step, int rows, btile b) {
    const __m256i low = _mm512_castsi512_si256(b);
    const __m256i high = _mm512_extracti64x4_epi64(b, 1);
    if (width == LQ_WIDTH_4) {
        _mm256_storeu_si256((__m256i *)(void *)q, join_4(b));
    } else if (rows == 1) {
        _mm512_storeu_si512(q, b);
    } else if (rows == 2) {
        _mm256_storeu_si256((__m256i *)(void *)q, low);
        _mm256_storeu_si256((__m256i *)(void *)(q + step), high);
    } else {
        _mm_storeu_si128((__m128i *)(void *)q, _mm256_castsi256_si128(low));
        _mm_storeu_si128((__m128i *)(void *)(q + step), _mm256_extracti128_si256(low, 1));
        _mm_storeu_si128((__m128i *)(void *)(q + 2 * step), _mm256_castsi256_si128(high));
        _mm_storeu_si128((__m128i *)(void *)(q + 3 * step), _mm256_extracti128_si256(high, 1));
    }
}

/* Codes of each vector from its row. */
LQ_INLINE itile codes_load_rows(lq_width width, const unsigned char *q, int64_t step, int rows) {
    itile t;
    if (width != LQ_WIDTH_8 || rows == 1) return codes_load(width, q, 0);
    EACH {
        const unsigned char *at = q + k * rows / 4 * step + k % (4 / rows) * LANES;
        t.v[k] = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)at));
    }
    return t;
}

LQ_INLINE itile signed_load_rows(const unsigned char *q, int64_t step, int rows) {
    itile t;
    EACH {
        const unsigned char *at = q + k * rows / 4 * step + k % (4 / rows) * LANES;
        t.v[k] = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)at));
    }
    return t;
}
