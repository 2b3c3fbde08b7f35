/* The part of the vocabulary for codes, in AVX2. */

/* 32 codes as bytes in order. */
LQ_INLINE __m256i spread_4(__m128i packed) {
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i low = _mm_and_si128(packed, nibble);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(packed, 4), nibble);
    return _mm256_setr_m128i(_mm_unpacklo_epi8(low, high), _mm_unpackhi_epi8(low, high));
}

LQ_INLINE __m256i spread_2(__m128i packed) {
    /* Each byte with its four codes in an int32; code j then moves to byte j. */
    const __m256i u = _mm256_cvtepu8_epi32(packed);
    const __m256i a = _mm256_or_si256(u, _mm256_slli_epi32(u, 12));
    const __m256i b = _mm256_or_si256(a, _mm256_slli_epi32(a, 6));
    return _mm256_and_si256(b, _mm256_set1_epi32(0x03030303));
}

LQ_INLINE itile from_bytes(__m128i low, __m128i high) {
    return (itile){{_mm256_cvtepu8_epi32(low), _mm256_cvtepu8_epi32(_mm_srli_si128(low, 8)),
                    _mm256_cvtepu8_epi32(high), _mm256_cvtepu8_epi32(_mm_srli_si128(high, 8))}};
}

/* 8 codes. */
LQ_INLINE __m256i nibbles(const unsigned char *q) {
    int32_t packed;
    memcpy(&packed, q, sizeof packed);
    const __m256i places = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    const __m256i moved = _mm256_srlv_epi32(_mm256_set1_epi32(packed), places);
    return _mm256_and_si256(moved, _mm256_set1_epi32(15));
}

LQ_INLINE itile codes_load(lq_width width, const unsigned char *q, int64_t i) {
    itile t;
    if (width == LQ_WIDTH_16) {
        EACH t.v[k] = _mm256_cvtepu16_epi32(load_128(q + (i + k * LANES) * 2));
    } else if (width == LQ_WIDTH_8) {
        EACH t.v[k] = _mm256_cvtepu8_epi32(load_64(q + i + k * LANES));
    } else if (width == LQ_WIDTH_4) {
        EACH t.v[k] = nibbles(q + (i + k * LANES) / 2);
    } else {
        const __m256i b = spread_2(load_64(q + i / 4));
        t = from_bytes(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
    }
    return t;
}

/* Below 8 bits, n codes fill whole bytes. */
LQ_INLINE itile codes_load_n(lq_width width, const unsigned char *q, int64_t i, int64_t n) {
    itile t;
    __m256i b;
    switch (width) {
    case LQ_WIDTH_8: return from_bytes(load_some(q + i, n), load_some(q + i + 16, n - 16));
    case LQ_WIDTH_4: b = spread_4(load_some(q + i / 2, n / 2)); break;
    case LQ_WIDTH_2: b = spread_2(load_some(q + i / 4, n / 4)); break;
    default:
        EACH t.v[k] =
            _mm256_cvtepu16_epi32(load_some(q + (i + k * LANES) * 2, (n - k * LANES) * 2));
        return t;
    }
    return from_bytes(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
}

LQ_INLINE itile halves_load(const unsigned char *q, int64_t step, int64_t i, bool fifths) {
    int32_t all;
    itile t;
    (void)step, (void)i;
    for (int k = 0; k < 2; ++k) {
        const __m256i u = _mm256_cvtepu8_epi32(load_64(q + k * LANES));
        t.v[k] = _mm256_and_si256(u, _mm256_set1_epi32(15));
        t.v[k + 2] = _mm256_srli_epi32(u, 4);
    }
    if (!fifths) return t;
    memcpy(&all, q - LQ_FIFTHS, sizeof all);
    EACH {
        /* Each element's bit at the top, then in the place of the fifth one. */
        const __m256i up = _mm256_sub_epi32(_mm256_set1_epi32(31 - k * LANES),
                                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        const __m256i top = _mm256_srli_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(all), up), 31);
        t.v[k] = _mm256_or_si256(t.v[k], _mm256_slli_epi32(top, 4));
    }
    return t;
}

typedef __m256i btile;

/* Packing works within halves: what it makes of four vectors, in order. */
LQ_INLINE btile in_order(__m256i packed) {
    return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* The low bytes of 32 int32 in [-32768, 32767]. */
LQ_INLINE btile to_bytes(itile c) {
    const __m256i low = _mm256_set1_epi16(0xff);
    const __m256i a = _mm256_and_si256(_mm256_packs_epi32(c.v[0], c.v[1]), low);
    const __m256i b = _mm256_and_si256(_mm256_packs_epi32(c.v[2], c.v[3]), low);
    return in_order(_mm256_packus_epi16(a, b));
}

typedef struct htile {
    __m256i v[2];
} htile;

LQ_INLINE htile htile_splat(int16_t i) {
    return (htile){{_mm256_set1_epi16(i), _mm256_set1_epi16(i)}};
}

LQ_INLINE htile htile_add(htile a, htile b) {
    return (htile){{_mm256_adds_epi16(a.v[0], b.v[0]), _mm256_adds_epi16(a.v[1], b.v[1])}};
}

LQ_INLINE htile htile_of(itile c) {
    return (htile){{_mm256_packs_epi32(c.v[0], c.v[1]), _mm256_packs_epi32(c.v[2], c.v[3])}};
}

/* NaN and what overflows become the least of 32 bits, and then of 16. */
LQ_INLINE htile htile_to_even(tile t, bool *certain) {
    const htile h = htile_of(tile_to_even(t));
    const __m256i least = _mm256_set1_epi16(INT16_MIN);
    const __m256i found = _mm256_cmpeq_epi16(_mm256_min_epi16(h.v[0], h.v[1]), least);
    *certain = _mm256_movemask_epi8(found) == 0;
    return h;
}

LQ_INLINE btile btile_splat(int8_t i) {
    return _mm256_set1_epi8(i);
}

LQ_INLINE btile btile_of(htile h) {
    return in_order(_mm256_packs_epi16(h.v[0], h.v[1]));
}

LQ_INLINE btile btile_of_unsigned(htile h) {
    return in_order(_mm256_packus_epi16(h.v[0], h.v[1]));
}

LQ_INLINE btile btile_min(btile a, btile b) {
    return _mm256_min_epi8(a, b);
}

LQ_INLINE btile btile_max(btile a, btile b) {
    return _mm256_max_epi8(a, b);
}

LQ_INLINE btile btile_xor(btile a, btile b) {
    return _mm256_xor_si256(a, b);
}

LQ_INLINE __m128i gather_4(__m256i bytes) {
    const __m256i nibbles = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
    const __m256i pairs = _mm256_maddubs_epi16(nibbles, _mm256_set1_epi16(0x1001));
    return _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

LQ_INLINE __m128i gather_2(__m256i bytes) {
    const __m256i codes = _mm256_and_si256(bytes, _mm256_set1_epi8(3));
    const __m256i pairs = _mm256_maddubs_epi16(codes, _mm256_set1_epi16(0x0401));
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00100001));
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
    return _mm_packus_epi16(words, words);
}

LQ_INLINE void bytes_store(lq_width width, unsigned char *q, int64_t i, btile b) {
    if (width == LQ_WIDTH_8) {
        _mm256_storeu_si256((__m256i *)(void *)(q + i), b);
    } else if (width == LQ_WIDTH_4) {
        _mm_storeu_si128((__m128i *)(void *)(q + i / 2), gather_4(b));
    } else {
        _mm_storel_epi64((__m128i *)(void *)(q + i / 4), gather_2(b));
    }
}

LQ_INLINE void bytes_store_n(lq_width width, unsigned char *q, int64_t i, btile b, int64_t n) {
    if (width == LQ_WIDTH_8) {
        store_some(q + i, _mm256_castsi256_si128(b), n);
        store_some(q + i + 16, _mm256_extracti128_si256(b, 1), n - 16);
    } else if (width == LQ_WIDTH_4) {
        store_some(q + i / 2, gather_4(b), n / 2);
    } else {
        store_some(q + i / 4, gather_2(b), n / 4);
    }
}

LQ_INLINE void bytes_stream(unsigned char *q, int64_t i, btile b) {
    _mm256_stream_si256((__m256i *)(void *)(q + i), b);
}

LQ_INLINE __m256i low_halves(__m256i a, __m256i b) {
    const __m256i low = _mm256_set1_epi32(0xffff);
    return gather_16(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
}

LQ_INLINE void codes_store(lq_width width, unsigned char *q, int64_t i, itile c) {
    if (width != LQ_WIDTH_16) {
        bytes_store(width, q, i, to_bytes(c));
        return;
    }
    for (int k = 0; k < 4; k += 2) {
        _mm256_storeu_si256((__m256i *)(void *)(q + (i + k * LANES) * 2),
                            low_halves(c.v[k], c.v[k + 1]));
    }
}

LQ_INLINE void codes_store_n(lq_width width, unsigned char *q, int64_t i, itile c, int64_t n) {
    if (width != LQ_WIDTH_16) {
        bytes_store_n(width, q, i, to_bytes(c), n);
        return;
    }
    for (int k = 0; k < 4; k += 2) {
        const __m256i pair = low_halves(c.v[k], c.v[k + 1]);
        unsigned char *to = q + (i + k * LANES) * 2;
        store_some(to, _mm256_castsi256_si128(pair), (n - k * LANES) * 2);
        store_some(to + 16, _mm256_extracti128_si256(pair, 1), (n - k * LANES) * 2 - 16);
    }
}
