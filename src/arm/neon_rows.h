/* The vector vocabulary of loops/simd_rows.h in Advanced SIMD. */

#include "loops/fold.h"

typedef float32x4_t vec;

LQ_INLINE vec vec_by(fold way, vec a, vec b) {
    switch (way) {
    case FOLD_LOWEST: return vminq_f32(a, b);
    case FOLD_HIGHEST: return vmaxq_f32(a, b);
    default: {
        const int32x4_t most = vmaxq_s32(vreinterpretq_s32_f32(a), vreinterpretq_s32_f32(b));
        return vreinterpretq_f32_s32(most);
    }
    }
}

LQ_INLINE vec vec_pairs(fold way, vec a, vec b) {
    return vec_by(way, vuzp1q_f32(a, b), vuzp2q_f32(a, b));
}

LQ_INLINE vec fold_four(fold way, tile t) {
    return vec_pairs(way, vec_pairs(way, t.v[0], t.v[1]), vec_pairs(way, t.v[2], t.v[3]));
}

LQ_INLINE void fold_rows(fold way, const vec *fours, float *to) {
    (void)way;
    vst1q_f32(to, fours[0]);
}

LQ_INLINE tile tile_load_rows(lq_real real, const unsigned char *x, int64_t step, int64_t i) {
    tile t;
    EACH {
        const unsigned char *at = x + k * step + i * (real == LQ_REAL_f32 ? 4 : 2);
        if (real == LQ_REAL_f32) {
            t.v[k] = vreinterpretq_f32_u8(vld1q_u8(at));
        } else if (real == LQ_REAL_f16) {
            t.v[k] = vcvt_f32_f16(vreinterpret_f16_u16(load_halves(at)));
        } else {
            t.v[k] = vreinterpretq_f32_u32(vshll_n_u16(load_halves(at), 16));
        }
    }
    return t;
}

/* Conversions and narrowing saturate; only NaN is lost. As in other levels, nothing becomes -128. */
LQ_INLINE bool tile_to_btile(lq_rounding rounding, tile t, btile *to) {
    const itile i = tile_round(rounding, t);
    const int16x8_t a = vqmovn_high_s32(vqmovn_s32(i.v[0]), i.v[1]);
    const int16x8_t b = vqmovn_high_s32(vqmovn_s32(i.v[2]), i.v[3]);
    const int8x16_t packed = vqmovn_high_s16(vqmovn_s16(a), b);
    *to = vreinterpretq_u8_s8(vmaxq_s8(packed, vdupq_n_s8(-127)));
    return !tile_any_nan(t);
}

LQ_INLINE btile btile_within(btile b, int32_t lo, int32_t hi) {
    const int8x16_t v = vmaxq_s8(vreinterpretq_s8_u8(b), vdupq_n_s8((int8_t)lo));
    return vreinterpretq_u8_s8(vminq_s8(v, vdupq_n_s8((int8_t)hi)));
}

LQ_INLINE btile btile_add(btile b, int32_t by) {
    return vaddq_u8(b, vdupq_n_u8((uint8_t)(by & 255)));
}

LQ_INLINE void btile_store_rows(lq_width width, unsigned char *q, int64_t step, int rows, btile b) {
    unsigned char buffer[TILE];
    if (width == LQ_WIDTH_4) {
        vst1_u8(q, vget_low_u8(join(vandq_u8(b, vdupq_n_u8(15)), 4)));
    } else if (rows == 1) {
        vst1q_u8(q, b);
    } else {
        const size_t n = TILE / (size_t)rows;
        vst1q_u8(buffer, b);
        for (int r = 0; r < rows; ++r) memcpy(q + r * step, buffer + (size_t)r * n, n);
    }
}

/* A tile's bytes from its rows. */
LQ_INLINE uint8x16_t bytes_load_rows(const unsigned char *q, int64_t step, int rows) {
    unsigned char buffer[TILE];
    if (rows == 1) return vld1q_u8(q);
    if (rows == 2) return vcombine_u8(vld1_u8(q), vld1_u8(q + step));
    for (int r = 0; r < 4; ++r) memcpy(buffer + 4 * r, q + r * step, 4);
    return vld1q_u8(buffer);
}

/* Codes of each vector from its row. */
LQ_INLINE itile codes_load_rows(lq_width width, const unsigned char *q, int64_t step, int rows) {
    if (width != LQ_WIDTH_8) return codes_load(width, q, 0);
    const uint8x16_t bytes = bytes_load_rows(q, step, rows);
    return from_halves(vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
}

LQ_INLINE itile signed_load_rows(const unsigned char *q, int64_t step, int rows) {
    const int8x16_t bytes = vreinterpretq_s8_u8(bytes_load_rows(q, step, rows));
    const int16x8_t a = vmovl_s8(vget_low_s8(bytes)), b = vmovl_high_s8(bytes);
    itile t;
    t.v[0] = vmovl_s16(vget_low_s16(a));
    t.v[1] = vmovl_high_s16(a);
    t.v[2] = vmovl_s16(vget_low_s16(b));
    t.v[3] = vmovl_high_s16(b);
    return t;
}
