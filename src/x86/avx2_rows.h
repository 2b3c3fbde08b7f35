/* The vector vocabulary of loops/simd_rows.h in AVX2. */

#include "loops/fold.h"

typedef __m256 vec;

LQ_INLINE vec vec_by(fold way, vec a, vec b) {
    switch (way) {
    case FOLD_LOWEST: return _mm256_min_ps(a, b);
    case FOLD_HIGHEST: return _mm256_max_ps(a, b);
    default: {
        const __m256i most = _mm256_max_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b));
        return _mm256_castsi256_ps(most);
    }
    }
}

/* Each 128 bits then have one element of each of the four. */
LQ_INLINE vec fold_four(fold way, tile t) {
    __m256 v[2];
    for (int k = 0; k < 2; ++k) {
        const __m256 a = t.v[2 * k], b = t.v[2 * k + 1];
        v[k] = vec_by(way, _mm256_blend_ps(a, b, 0xcc), _mm256_shuffle_ps(a, b, 0x4e));
    }
    return vec_by(way, _mm256_shuffle_ps(v[0], v[1], 0x88), _mm256_shuffle_ps(v[0], v[1], 0xdd));
}

LQ_INLINE void fold_rows(fold way, const vec *fours, float *to) {
    const __m256 a = fours[0], b = fours[1];
    _mm256_storeu_ps(
        to, vec_by(way, _mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31)));
}

LQ_INLINE tile tile_load_rows(lq_real real, const unsigned char *x, int64_t step, int64_t i) {
    tile t;
    EACH {
        const unsigned char *at = x + k * step + i * (real == LQ_REAL_f32 ? 4 : 2);
        if (real == LQ_REAL_f32) {
            t.v[k] = _mm256_loadu_ps((const float *)(const void *)at);
        } else if (real == LQ_REAL_f16) {
            t.v[k] = _mm256_cvtph_ps(load_128(at));
        } else {
            const __m256i u = _mm256_cvtepu16_epi32(load_128(at));
            t.v[k] = _mm256_castsi256_ps(_mm256_slli_epi32(u, 16));
        }
    }
    return t;
}

/* What has no int32 is the least one, and becomes -128. */
LQ_INLINE bool tile_to_btile(lq_rounding rounding, tile t, btile *to) {
    const itile i = tile_round(rounding, t);
    const __m256i a = _mm256_packs_epi32(i.v[0], i.v[1]);
    const __m256i b = _mm256_packs_epi32(i.v[2], i.v[3]);
    *to = in_order(_mm256_packs_epi16(a, b));
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8(*to, _mm256_set1_epi8(-128))) == 0;
}

LQ_INLINE btile btile_within(btile b, int32_t lo, int32_t hi) {
    const __m256i least = _mm256_set1_epi8((char)lo);
    return _mm256_min_epi8(_mm256_max_epi8(b, least), _mm256_set1_epi8((char)hi));
}

LQ_INLINE btile btile_add(btile b, int32_t by) {
    return _mm256_add_epi8(b, _mm256_set1_epi8((char)by));
}

LQ_INLINE void store_64(unsigned char *q, __m128i v) {
    _mm_storel_epi64((__m128i *)(void *)q, v);
}

LQ_INLINE void btile_store_rows(lq_width width, unsigned char *q, int64_t step, int rows, btile b) {
    const __m128i low = _mm256_castsi256_si128(b);
    const __m128i high = _mm256_extracti128_si256(b, 1);
    if (width == LQ_WIDTH_4) {
        _mm_storeu_si128((__m128i *)(void *)q, gather_4(b));
    } else if (rows == 1) {
        _mm256_storeu_si256((__m256i *)(void *)q, b);
    } else if (rows == 2) {
        _mm_storeu_si128((__m128i *)(void *)q, low);
        _mm_storeu_si128((__m128i *)(void *)(q + step), high);
    } else {
        store_64(q, low);
        store_64(q + step, _mm_srli_si128(low, 8));
        store_64(q + 2 * step, high);
        store_64(q + 3 * step, _mm_srli_si128(high, 8));
    }
}

/* Codes of each vector from its row. */
LQ_INLINE itile codes_load_rows(lq_width width, const unsigned char *q, int64_t step, int rows) {
    itile t;
    if (width != LQ_WIDTH_8 || rows == 1) return codes_load(width, q, 0);
    EACH {
        const unsigned char *at = q + k * rows / 4 * step + k % (4 / rows) * LANES;
        t.v[k] = _mm256_cvtepu8_epi32(load_64(at));
    }
    return t;
}

LQ_INLINE itile signed_load_rows(const unsigned char *q, int64_t step, int rows) {
    itile t;
    EACH t.v[k] = _mm256_cvtepi8_epi32(load_64(q + k * rows / 4 * step + k % (4 / rows) * LANES));
    return t;
}
