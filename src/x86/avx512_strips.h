/* The vector vocabulary of loops/panels.h in AVX-512. */

enum { GROUPS = 4 };

typedef __m512i strip;

LQ_INLINE __m128i group_at(const unsigned char *from) {
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

LQ_INLINE strip strip_load(const unsigned char *from, int64_t step, int groups) {
    if (step == 16) return _mm512_maskz_loadu_epi64((__mmask8)((1 << 2 * groups) - 1), from);
    strip s = _mm512_castsi128_si512(group_at(from));
    if (groups > 1) s = _mm512_inserti32x4(s, group_at(from + step), 1);
    if (groups > 2) s = _mm512_inserti32x4(s, group_at(from + 2 * step), 2);
    if (groups > 3) s = _mm512_inserti32x4(s, group_at(from + 3 * step), 3);
    return s;
}

LQ_INLINE void group_to(unsigned char *to, __m128i group) {
    _mm_storeu_si128((__m128i *)(void *)to, group);
}

LQ_INLINE void strip_store(unsigned char *to, int64_t step, int groups, strip s) {
    if (step == 16) {
        _mm512_mask_storeu_epi64(to, (__mmask8)((1 << 2 * groups) - 1), s);
        return;
    }
    group_to(to, _mm512_castsi512_si128(s));
    if (groups > 1) group_to(to + step, _mm512_extracti32x4_epi32(s, 1));
    if (groups > 2) group_to(to + 2 * step, _mm512_extracti32x4_epi32(s, 2));
    if (groups > 3) group_to(to + 3 * step, _mm512_extracti32x4_epi32(s, 3));
}

LQ_INLINE strip strip_low(int size, strip a, strip b) {
    switch (size) {
    case 1: return _mm512_unpacklo_epi8(a, b);
    case 2: return _mm512_unpacklo_epi16(a, b);
    case 4: return _mm512_unpacklo_epi32(a, b);
    default: return _mm512_unpacklo_epi64(a, b);
    }
}

LQ_INLINE strip strip_high(int size, strip a, strip b) {
    switch (size) {
    case 1: return _mm512_unpackhi_epi8(a, b);
    case 2: return _mm512_unpackhi_epi16(a, b);
    case 4: return _mm512_unpackhi_epi32(a, b);
    default: return _mm512_unpackhi_epi64(a, b);
    }
}

/* By masks, which leave alone what lies between: .037 ns where single stores take .147. */
LQ_INLINE int64_t spread_in_pairs(unsigned char *to, const unsigned char *from, int size,
                                  int64_t n) {
    const int64_t step = 32 / size, end = size < 8 ? n / step * step : 0;
    for (int64_t i = 0; i < end; i += step, to += 64) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(from + i * size));
        if (size == 1) {
            _mm512_mask_storeu_epi8(to, UINT64_C(0x5555555555555555), _mm512_cvtepu8_epi16(v));
        } else if (size == 2) {
            _mm512_mask_storeu_epi16(to, 0x55555555, _mm512_cvtepu16_epi32(v));
        } else {
            _mm512_mask_storeu_epi32(to, 0x5555, _mm512_cvtepu32_epi64(v));
        }
    }
    return end;
}
