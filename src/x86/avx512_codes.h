/* The part of the vocabulary for codes, in AVX-512. */

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

/* 16 codes: each packed byte twice, the second time its upper code where the lower one was. */
LQ_INLINE __m512i nibbles(const unsigned char *q) {
    const __m512i bytes = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)q));
    const __m512i twice = _mm512_mul_epu32(bytes, _mm512_set1_epi64(0x10000001));
    return _mm512_and_si512(twice, _mm512_set1_epi32(15));
}

/* All of four bits straight to int32: in L2 .028 ns for each element, .036 through bytes. */
LQ_INLINE itile codes_load(lq_width width, const unsigned char *q, int64_t i) {
    itile t;
    if (width != LQ_WIDTH_4) return codes_load_n(width, q, i, TILE);
    EACH t.v[k] = nibbles(q + i / 2 + k * LANES / 2);
    return t;
}

/* The fifths are a mask of each half. */
LQ_INLINE itile halves_load(const unsigned char *q, int64_t step, int64_t i, bool fifths) {
    itile t;
    (void)i;
    for (int row = 0; row < 2; ++row, q += step) {
        const __m512i u = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)q));
        __m512i low = _mm512_and_si512(u, _mm512_set1_epi32(15));
        __m512i high = _mm512_srli_epi32(u, 4);
        if (fifths) {
            __mmask16 mask[2];
            memcpy(mask, q - LQ_FIFTHS, sizeof mask);
            low = _mm512_mask_or_epi32(low, mask[0], low, _mm512_set1_epi32(16));
            high = _mm512_mask_or_epi32(high, mask[1], high, _mm512_set1_epi32(16));
        }
        t.v[2 * row] = low;
        t.v[2 * row + 1] = high;
    }
    return t;
}

typedef __m512i btile;

/* Packing works within quarters: what it makes of four vectors, in order. */
LQ_INLINE btile in_order(__m512i packed) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, packed);
}

/* The low bytes of 64 int32 in [-32768, 32767]. */
LQ_INLINE btile to_bytes(itile c) {
    const __m512i low = _mm512_set1_epi16(0xff);
    const __m512i a = _mm512_and_si512(_mm512_packs_epi32(c.v[0], c.v[1]), low);
    const __m512i b = _mm512_and_si512(_mm512_packs_epi32(c.v[2], c.v[3]), low);
    return in_order(_mm512_packus_epi16(a, b));
}

typedef struct htile {
    __m512i v[2];
} htile;

LQ_INLINE htile htile_splat(int16_t i) {
    return (htile){{_mm512_set1_epi16(i), _mm512_set1_epi16(i)}};
}

LQ_INLINE htile htile_add(htile a, htile b) {
    return (htile){{_mm512_adds_epi16(a.v[0], b.v[0]), _mm512_adds_epi16(a.v[1], b.v[1])}};
}

LQ_INLINE htile htile_of(itile c) {
    return (htile){{_mm512_packs_epi32(c.v[0], c.v[1]), _mm512_packs_epi32(c.v[2], c.v[3])}};
}

/* NaN and what overflows become the least of 32 bits, and then of 16. */
LQ_INLINE htile htile_to_even(tile t, bool *certain) {
    const htile h = htile_of(tile_to_even(t));
    const __m512i least = _mm512_set1_epi16(INT16_MIN);
    *certain = _mm512_cmpeq_epi16_mask(_mm512_min_epi16(h.v[0], h.v[1]), least) == 0;
    return h;
}

LQ_INLINE btile btile_splat(int8_t i) {
    return _mm512_set1_epi8(i);
}

LQ_INLINE btile btile_of(htile h) {
    return in_order(_mm512_packs_epi16(h.v[0], h.v[1]));
}

LQ_INLINE btile btile_of_unsigned(htile h) {
    return in_order(_mm512_packus_epi16(h.v[0], h.v[1]));
}

LQ_INLINE btile btile_min(btile a, btile b) {
    return _mm512_min_epi8(a, b);
}

LQ_INLINE btile btile_max(btile a, btile b) {
    return _mm512_max_epi8(a, b);
}

LQ_INLINE btile btile_xor(btile a, btile b) {
    return _mm512_xor_si512(a, b);
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
