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

/* Codes of each vector from its row. */
LQ_INLINE itile codes_load_rows(lq_width width, const unsigned char *q, int64_t step, int rows) {
    unsigned char buffer[TILE];
    const size_t n = TILE / (size_t)rows;
    if (width == LQ_WIDTH_4 || rows == 1) return codes_load(width, q, 0);
    for (int r = 0; r < rows; ++r) memcpy(buffer + (size_t)r * n, q + r * step, n);
    return codes_load(LQ_WIDTH_8, buffer, 0);
}
