/* The part of the vocabulary for codes, in Advanced SIMD. */

LQ_INLINE itile from_halves(uint16x8_t a, uint16x8_t b) {
    itile t;
    t.v[0] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(a)));
    t.v[1] = vreinterpretq_s32_u32(vmovl_high_u16(a));
    t.v[2] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(b)));
    t.v[3] = vreinterpretq_s32_u32(vmovl_high_u16(b));
    return t;
}

/* 16 codes as bytes in order. */
LQ_INLINE uint8x16_t spread_4(const unsigned char *q) {
    const uint8x8_t packed = vld1_u8(q);
    const uint8x8_t low = vand_u8(packed, vdup_n_u8(15));
    const uint8x8_t high = vshr_n_u8(packed, 4);
    return vcombine_u8(vzip1_u8(low, high), vzip2_u8(low, high));
}

LQ_INLINE uint8x16_t spread_2(const unsigned char *q) {
    static const uint8_t byte_of[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    static const int8_t down_by[16] = {0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6};
    uint8_t packed[16] = {0};
    memcpy(packed, q, 4);
    const uint8x16_t copies = vqtbl1q_u8(vld1q_u8(packed), vld1q_u8(byte_of));
    return vandq_u8(vshlq_u8(copies, vld1q_s8(down_by)), vdupq_n_u8(3));
}

LQ_INLINE itile codes_load(lq_width width, const unsigned char *q, int64_t i) {
    if (width == LQ_WIDTH_16) {
        return from_halves(vreinterpretq_u16_u8(vld1q_u8(q + i * 2)),
                           vreinterpretq_u16_u8(vld1q_u8(q + i * 2 + 16)));
    }
    const uint8x16_t bytes = width == LQ_WIDTH_8   ? vld1q_u8(q + i)
                             : width == LQ_WIDTH_4 ? spread_4(q + i / 2)
                                                   : spread_2(q + i / 4);
    return from_halves(vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
}

LQ_INLINE itile halves_load(const unsigned char *q, int64_t step, int64_t i, bool fifths) {
    static const uint8_t bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t u = vld1q_u8(q);
    uint8x16_t b = i ? vshrq_n_u8(u, 4) : vandq_u8(u, vdupq_n_u8(15));
    (void)step;
    if (fifths) {
        const unsigned char *all = q - LQ_FIFTHS + i / 8;
        const uint8x16_t each = vcombine_u8(vdup_n_u8(all[0]), vdup_n_u8(all[1]));
        b = vorrq_u8(b, vandq_u8(vtstq_u8(each, vld1q_u8(bits)), vdupq_n_u8(16)));
    }
    return from_halves(vmovl_u8(vget_low_u8(b)), vmovl_high_u8(b));
}

/* n codes in bytes; below 8 bits, n fills whole ones. */
LQ_INLINE size_t code_bytes(lq_width width, int64_t n) {
    return (size_t)(n << (int)width >> 2);
}

LQ_INLINE itile codes_load_n(lq_width width, const unsigned char *q, int64_t i, int64_t n) {
    unsigned char buffer[TILE * 2] = {0};
    memcpy(buffer, q + code_bytes(width, i), code_bytes(width, n));
    return codes_load(width, buffer, 0);
}

/* Bytes 2j and 2j + 1 into one, the second `shift` bits up. */
LQ_INLINE uint8x16_t join(uint8x16_t bytes, int8_t shift) {
    const uint8x16_t even = vuzp1q_u8(bytes, bytes);
    const uint8x16_t odd = vuzp2q_u8(bytes, bytes);
    return vorrq_u8(even, vshlq_u8(odd, vdupq_n_s8(shift)));
}

typedef uint8x16_t btile;

LQ_INLINE uint16x8_t low_halves(int32x4_t a, int32x4_t b) {
    return vmovn_high_u32(vmovn_u32(vreinterpretq_u32_s32(a)), vreinterpretq_u32_s32(b));
}

LQ_INLINE btile to_bytes(itile c) {
    const uint16x8_t a = low_halves(c.v[0], c.v[1]);
    return vmovn_high_u16(vmovn_u16(a), low_halves(c.v[2], c.v[3]));
}

typedef struct htile {
    int16x8_t v[2];
} htile;

LQ_INLINE htile htile_splat(int16_t i) {
    return (htile){{vdupq_n_s16(i), vdupq_n_s16(i)}};
}

LQ_INLINE htile htile_add(htile a, htile b) {
    return (htile){{vqaddq_s16(a.v[0], b.v[0]), vqaddq_s16(a.v[1], b.v[1])}};
}

LQ_INLINE htile htile_of(itile c) {
    return (htile){
        {vqmovn_high_s32(vqmovn_s32(c.v[0]), c.v[1]), vqmovn_high_s32(vqmovn_s32(c.v[2]), c.v[3])}};
}

/* Conversions saturate, too. */
LQ_INLINE htile htile_to_even(tile t, bool *certain) {
    itile c;
    *certain = !tile_any_nan(t);
    EACH c.v[k] = vcvtnq_s32_f32(t.v[k]);
    return htile_of(c);
}

LQ_INLINE btile btile_splat(int8_t i) {
    return vreinterpretq_u8_s8(vdupq_n_s8(i));
}

LQ_INLINE btile btile_of(htile h) {
    return vreinterpretq_u8_s8(vqmovn_high_s16(vqmovn_s16(h.v[0]), h.v[1]));
}

LQ_INLINE btile btile_of_unsigned(htile h) {
    return vqmovun_high_s16(vqmovun_s16(h.v[0]), h.v[1]);
}

LQ_INLINE btile btile_min(btile a, btile b) {
    return vreinterpretq_u8_s8(vminq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}

LQ_INLINE btile btile_max(btile a, btile b) {
    return vreinterpretq_u8_s8(vmaxq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}

LQ_INLINE btile btile_xor(btile a, btile b) {
    return veorq_u8(a, b);
}

LQ_INLINE void bytes_store(lq_width width, unsigned char *q, int64_t i, btile b) {
    if (width == LQ_WIDTH_8) {
        vst1q_u8(q + i, b);
    } else if (width == LQ_WIDTH_4) {
        vst1_u8(q + i / 2, vget_low_u8(join(vandq_u8(b, vdupq_n_u8(15)), 4)));
    } else {
        const uint8x16_t pairs = join(vandq_u8(b, vdupq_n_u8(3)), 2);
        const uint32_t fours = vgetq_lane_u32(vreinterpretq_u32_u8(join(pairs, 4)), 0);
        memcpy(q + i / 4, &fours, sizeof fours);
    }
}

LQ_INLINE void bytes_store_n(lq_width width, unsigned char *q, int64_t i, btile b, int64_t n) {
    unsigned char buffer[TILE];
    bytes_store(width, buffer, 0, b);
    memcpy(q + code_bytes(width, i), buffer, code_bytes(width, n));
}

/* As tile_stream has it. */
LQ_INLINE void bytes_stream(unsigned char *q, int64_t i, btile b) {
    bytes_store(LQ_WIDTH_8, q, i, b);
}

LQ_INLINE void codes_store(lq_width width, unsigned char *q, int64_t i, itile c) {
    if (width != LQ_WIDTH_16) {
        bytes_store(width, q, i, to_bytes(c));
        return;
    }
    vst1q_u8(q + i * 2, vreinterpretq_u8_u16(low_halves(c.v[0], c.v[1])));
    vst1q_u8(q + i * 2 + 16, vreinterpretq_u8_u16(low_halves(c.v[2], c.v[3])));
}

LQ_INLINE void codes_store_n(lq_width width, unsigned char *q, int64_t i, itile c, int64_t n) {
    unsigned char buffer[TILE * 2];
    codes_store(width, buffer, 0, c);
    memcpy(q + code_bytes(width, i), buffer, code_bytes(width, n));
}
