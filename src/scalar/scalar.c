/*
 * The scalar level: the definition of every kernel, in plain loops over the one-element functions,
 * written so that compilers vectorize them for whatever the baseline has.
 */
#include "loops/plain.h"

LQ_INLINE void store_one(lq_real real, unsigned char *x, int64_t i, float v) {
    uint16_t h;
    if (real == LQ_REAL_f32) {
        memcpy(x + i * 4, &v, sizeof v);
        return;
    }
    h = real == LQ_REAL_f16 ? lq_f32_to_f16(v) : lq_f32_to_bf16(v);
    memcpy(x + i * 2, &h, sizeof h);
}

LQ_INLINE uint32_t load_bits(lq_width width, const unsigned char *q, int64_t i) {
    uint16_t h;
    switch (width) {
    case LQ_WIDTH_2: return ((uint32_t)q[i / 4] >> (i % 4 * 2)) & 3u;
    case LQ_WIDTH_4: return ((uint32_t)q[i / 2] >> (i % 2 * 4)) & 15u;
    case LQ_WIDTH_8: return q[i];
    default: memcpy(&h, q + i * 2, sizeof h); return h;
    }
}

/* The parameters of a row: `step` is 0 where it has one of each, 1 where each lane has its own. */
typedef struct row_parameters {
    const lq_element_rule *rule; /* or NULL */
    const float *scale;
    const int32_t *zero;
    const float *offset, *center, *back;
    int64_t step;
} row_parameters;

LQ_INLINE row_parameters parameters_of(const lq_map_work *w, int64_t row, bool lanes) {
    const int64_t at = lanes ? 0 : row * w->param_step;
    row_parameters p = {
        .rule = w->rule, .scale = w->scale + at, .zero = w->zero + at, .step = lanes};
    if (w->rule) p.offset = w->offset + at;
    if (w->rule && w->back) {
        p.center = w->center + at;
        p.back = w->back + at;
    }
    return p;
}

LQ_INLINE int32_t code_at(const lq_map_work *w, lq_real real, const unsigned char *x,
                          const row_parameters *p, int64_t i) {
    const float v = load_one(real, x, i);
    const int64_t k = i * p->step;
    const int32_t z = p->zero[k];
    const float lo = (float)(w->qmin - z);
    const float hi = (float)(w->qmax - z);
    if (!p->rule) return lq_quantize_one(v, p->scale[k], lo, hi, z);
    return lq_quantize_by(p->rule, v, p->scale[k], p->offset[k], lo, hi, z);
}

LQ_INLINE void quantize_row(const lq_map_work *w, lq_real real, lq_width width, int64_t row,
                            const row_parameters *p) {
    const unsigned char *x = w->x + row * w->x_step;
    unsigned char *q = w->codes + row * w->codes_step;
    int64_t n = w->count;
#define CODE(i) code_at(w, real, x, p, i)
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

/*
 * Constants for the compiler: a plain rule, then one scale for the row, so that the loops of the
 * common cases vectorize.
 */
LQ_INLINE void quantize_rows(const lq_map_work *w, lq_real real, lq_width width, bool lanes) {
    for (int64_t r = 0; r < w->rows; ++r) {
        row_parameters p = parameters_of(w, r, lanes);
        const float scale = *p.scale;
        const int32_t zero = *p.zero;
        if (!lanes) {
            p.scale = &scale;
            p.zero = &zero;
        }
        if (!p.rule) {
            p.rule = NULL;
            quantize_row(w, real, width, r, &p);
        } else {
            quantize_row(w, real, width, r, &p);
        }
    }
}

LQ_INLINE void quantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    quantize_rows(w, real, width, false);
}

LQ_INLINE void quantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    quantize_rows(w, real, width, true);
}

LQ_INLINE void dequantize_row(const lq_map_work *w, lq_real real, lq_width width, int64_t row,
                              const row_parameters *p) {
    const unsigned char *q = w->codes + row * w->codes_step;
    unsigned char *x = w->x + row * w->x_step;
    for (int64_t i = 0; i < w->count; ++i) {
        const int64_t k = i * p->step;
        const uint32_t bits = load_bits(width, q, i);
        if (p->rule) {
            const float code = lq_dequantize_one(bits, w->sign, 1.0f, 0);
            store_one(real, x, i, lq_dequantize_by(p->rule, code, p->scale[k], p->offset[k]));
        } else {
            store_one(real, x, i, lq_dequantize_one(bits, w->sign, p->scale[k], p->zero[k]));
        }
    }
}

LQ_INLINE void dequantize_rows(const lq_map_work *w, lq_real real, lq_width width, bool lanes) {
    for (int64_t r = 0; r < w->rows; ++r) {
        row_parameters p = parameters_of(w, r, lanes);
        const float scale = *p.scale;
        const int32_t zero = *p.zero;
        if (!lanes) {
            p.scale = &scale;
            p.zero = &zero;
        }
        if (!p.rule) {
            p.rule = NULL;
            dequantize_row(w, real, width, r, &p);
        } else {
            dequantize_row(w, real, width, r, &p);
        }
    }
}

LQ_INLINE void dequantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    dequantize_rows(w, real, width, false);
}

LQ_INLINE void dequantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    dequantize_rows(w, real, width, true);
}

LQ_INLINE void fake_rows(const lq_map_work *w, lq_real real, bool lanes) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const row_parameters p = parameters_of(w, r, lanes);
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *y = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; ++i) {
            const int64_t k = i * p.step;
            const int32_t code = code_at(w, real, x, &p, i);
            store_one(real, y, i,
                      p.rule ? lq_dequantize_by(p.rule, (float)code, p.back[k], p.center[k])
                             : (float)(code - p.zero[k]) * p.scale[k]);
        }
    }
}

LQ_INLINE void fake_runs(const lq_map_work *w, lq_real real) {
    fake_rows(w, real, false);
}

LQ_INLINE void fake_lanes(const lq_map_work *w, lq_real real) {
    fake_rows(w, real, true);
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

#define LQ_TABLE lq_kernels_scalar
#include "loops/table.h"
