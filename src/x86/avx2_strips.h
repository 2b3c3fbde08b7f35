/* The vector vocabulary of loops/panels.h in AVX2. */

enum { GROUPS = 2 };

typedef __m256i strip;

LQ_INLINE strip strip_load(const unsigned char *from, int64_t step, int groups) {
    const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
    if (groups == 1) return _mm256_castsi128_si256(a);
    if (step == 16) return _mm256_loadu_si256((const __m256i *)(const void *)from);
    const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + step));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

LQ_INLINE void strip_store(unsigned char *to, int64_t step, int groups, strip s) {
    if (groups == 2 && step == 16) {
        _mm256_storeu_si256((__m256i *)(void *)to, s);
        return;
    }
    _mm_storeu_si128((__m128i *)(void *)to, _mm256_castsi256_si128(s));
    if (groups == 1) return;
    _mm_storeu_si128((__m128i *)(void *)(to + step), _mm256_extracti128_si256(s, 1));
}

LQ_INLINE strip strip_low(int size, strip a, strip b) {
    switch (size) {
    case 1: return _mm256_unpacklo_epi8(a, b);
    case 2: return _mm256_unpacklo_epi16(a, b);
    case 4: return _mm256_unpacklo_epi32(a, b);
    default: return _mm256_unpacklo_epi64(a, b);
    }
}

LQ_INLINE strip strip_high(int size, strip a, strip b) {
    switch (size) {
    case 1: return _mm256_unpackhi_epi8(a, b);
    case 2: return _mm256_unpackhi_epi16(a, b);
    case 4: return _mm256_unpackhi_epi32(a, b);
    default: return _mm256_unpackhi_epi64(a, b);
    }
}

/* By masks, which leave alone what lies between: .078 ns where single stores take .151. */
LQ_INLINE int64_t spread_in_pairs(unsigned char *to, const unsigned char *from, int size,
                                  int64_t n) {
    const int64_t end = size == 4 && lq_masked_stores() ? n / 4 * 4 : 0;
    const __m256i mask = _mm256_set1_epi64x(0xffffffff);
    for (int64_t i = 0; i < end; i += 4, to += 32) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(from + i * size));
        _mm256_maskstore_epi32((int *)(void *)to, mask, _mm256_cvtepu32_epi64(v));
    }
    return end;
}
