/*
 * The scalar level: the definition of every kernel, in plain loops over the one-element functions,
 * written so that compilers vectorize them for whatever the baseline has.
 */
#include "loops/accumulators.h"

LQ_INLINE void store_one(lq_real real, unsigned char *x, int64_t i, float v) {
    uint16_t h;
    if (real == LQ_REAL_f32) {
        memcpy(x + i * 4, &v, sizeof v);
        return;
    }
    h = real == LQ_REAL_f16 ? lq_f32_to_f16(v) : lq_f32_to_bf16(v);
    memcpy(x + i * 2, &h, sizeof h);
}

/* `step` is 0 where the row has one scale and zero point, 1 where each lane has its own. */
LQ_INLINE int32_t code_at(const lq_map_work *w, lq_real real, const unsigned char *x,
                          const float *scale, const int32_t *zero, int64_t step, int64_t i) {
    int32_t z = zero[i * step];
    return lq_quantize_one(load_one(real, x, i), scale[i * step], (float)(w->qmin - z),
                           (float)(w->qmax - z), z);
}

LQ_INLINE void quantize_row(const lq_map_work *w, lq_real real, lq_width width, int64_t row,
                            const float *scale, const int32_t *zero, int64_t step) {
    const unsigned char *x = w->x + row * w->x_step;
    unsigned char *q = w->codes + row * w->codes_step;
    int64_t n = w->count;
#define CODE(i) code_at(w, real, x, scale, zero, step, i)
    if (width == LQ_WIDTH_2) {
        for (int64_t i = 0; i < n / 4; ++i) {
            q[i] = (unsigned char)((CODE(4 * i) & 3) | (CODE(4 * i + 1) & 3) << 2 |
                                   (CODE(4 * i + 2) & 3) << 4 | (CODE(4 * i + 3) & 3) << 6);
        }
    } else if (width == LQ_WIDTH_4) {
        for (int64_t i = 0; i < n / 2; ++i) {
            q[i] = (unsigned char)((CODE(2 * i) & 15) | (CODE(2 * i + 1) & 15) << 4);
        }
    } else if (width == LQ_WIDTH_8) {
        for (int64_t i = 0; i < n; ++i) q[i] = (unsigned char)CODE(i);
    } else {
        for (int64_t i = 0; i < n; ++i) {
            uint16_t h = (uint16_t)CODE(i);
            memcpy(q + i * 2, &h, sizeof h);
        }
    }
#undef CODE
}

LQ_INLINE void quantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const float scale = w->scale[r * w->param_step];
        const int32_t zero = w->zero[r * w->param_step];
        quantize_row(w, real, width, r, &scale, &zero, 0);
    }
}

LQ_INLINE void quantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) quantize_row(w, real, width, r, w->scale, w->zero, 1);
}

LQ_INLINE void dequantize_row(const lq_map_work *w, lq_real real, lq_width width, int64_t row,
                              const float *scale, const int32_t *zero, int64_t step) {
    const unsigned char *q = w->codes + row * w->codes_step;
    unsigned char *x = w->x + row * w->x_step;
    for (int64_t i = 0; i < w->count; ++i) {
        store_one(
            real, x, i,
            lq_dequantize_one(load_bits(width, q, i), w->sign, scale[i * step], zero[i * step]));
    }
}

LQ_INLINE void dequantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const float scale = w->scale[r * w->param_step];
        const int32_t zero = w->zero[r * w->param_step];
        dequantize_row(w, real, width, r, &scale, &zero, 0);
    }
}

LQ_INLINE void dequantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) dequantize_row(w, real, width, r, w->scale, w->zero, 1);
}

/* NaN compares false; an infinity is held off by the second comparison. */
LQ_INLINE float lower(float v, float lo) {
    return ((v < lo) & (v >= -FLT_MAX)) ? v : lo;
}
LQ_INLINE float higher(float v, float hi) {
    return ((v > hi) & (v <= FLT_MAX)) ? v : hi;
}

/* One accumulator would make every step wait for the one before; an array of them vectorizes. */
enum { RANGE_LANES = 32 };

LQ_INLINE void range_runs(const lq_range_work *w, lq_real real) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        float *out_lo = w->lo + r * w->range_step;
        float *out_hi = w->hi + r * w->range_step;
        float lo[RANGE_LANES];
        float hi[RANGE_LANES];
        int64_t i = 0;
        for (int k = 0; k < RANGE_LANES; ++k) {
            lo[k] = *out_lo;
            hi[k] = *out_hi;
        }
        for (; i + RANGE_LANES <= w->count; i += RANGE_LANES) {
            for (int k = 0; k < RANGE_LANES; ++k) {
                float v = load_one(real, x, i + k);
                lo[k] = lower(v, lo[k]);
                hi[k] = higher(v, hi[k]);
            }
        }
        for (; i < w->count; ++i) {
            float v = load_one(real, x, i);
            lo[0] = lower(v, lo[0]);
            hi[0] = higher(v, hi[0]);
        }
        for (int half = RANGE_LANES / 2; half > 0; half /= 2) {
            for (int k = 0; k < half; ++k) {
                lo[k] = lo[k + half] < lo[k] ? lo[k + half] : lo[k];
                hi[k] = hi[k + half] > hi[k] ? hi[k + half] : hi[k];
            }
        }
        *out_lo = lo[0];
        *out_hi = hi[0];
    }
}

LQ_INLINE void range_lanes(const lq_range_work *w, lq_real real) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        for (int64_t i = 0; i < w->count; ++i) {
            float v = load_one(real, x, i);
            w->lo[i] = lower(v, w->lo[i]);
            w->hi[i] = higher(v, w->hi[i]);
        }
    }
}

LQ_INLINE void requantize_float_runs(const lq_map_work *w, lq_width width) {
    requantize_rows(w, width, RULE_FLOAT, 0);
}

LQ_INLINE void requantize_float_lanes(const lq_map_work *w, lq_width width) {
    requantize_rows(w, width, RULE_FLOAT, 1);
}

LQ_INLINE void dequantize_products(const lq_product_work *w, lq_real real) {
    float v[ACC_PIECE];
    for (int64_t first = 0; first < w->count; first += ACC_PIECE) {
        const int64_t rest = w->count - first;
        const int32_t n = (int32_t)(rest < ACC_PIECE ? rest : ACC_PIECE);
        product_values(w, first, n, v);
        for (int32_t i = 0; i < n; ++i) store_one(real, w->x, first + i, v[i]);
    }
}

#define LQ_TABLE lq_kernels_scalar
#include "loops/table.h"
