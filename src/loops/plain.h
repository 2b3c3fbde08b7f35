/*
 * Loops in plain C that every level compiles with its own flags: what is not worth writing by
 * hand in vectors.
 */
#ifndef LQ_LOOPS_PLAIN_H
#define LQ_LOOPS_PLAIN_H

#include "kernels.h"
#include "numeric.h"

#if defined(__GNUC__)
#define LQ_INLINE static inline __attribute__((always_inline))
#else
#define LQ_INLINE static inline
#endif

/* Elements need no alignment, so they are copied, which compilers turn into plain loads. */
LQ_INLINE float load_one(lq_real real, const unsigned char *x, int64_t i) {
    uint16_t h;
    float v;
    if (real == LQ_REAL_f32) {
        memcpy(&v, x + i * 4, sizeof v);
        return v;
    }
    memcpy(&h, x + i * 2, sizeof h);
    return real == LQ_REAL_f16 ? lq_f16_to_f32(h) : lq_bf16_to_f32(h);
}

LQ_INLINE void count_row(const unsigned char *x, int64_t n, lq_real real, const lq_map_work *w,
                         const float *scale, const int32_t *zero, int64_t step, lq_counts *c) {
    int64_t nan = 0;
    int64_t infinite = 0;
    int64_t clipped = 0;
    for (int64_t i = 0; i < n; ++i) {
        float v = load_one(real, x, i);
        uint32_t magnitude = lq_bits(v) & 0x7fffffffu;
        float t = v / scale[i * step];
        t = t < -0x1p21f ? -0x1p21f : t;
        t = t > 0x1p21f ? 0x1p21f : t;
        t = lq_round(t);
        int z = zero[i * step];
        int outside = (t < (float)w->qmin - (float)z) | (t > (float)w->qmax - (float)z);
        nan += magnitude > 0x7f800000u;
        infinite += magnitude == 0x7f800000u;
        clipped += outside & (magnitude < 0x7f800000u);
    }
    c->nan += nan;
    c->infinite += infinite;
    c->clipped += clipped;
}

LQ_INLINE void count_runs(const lq_map_work *w, lq_counts *counts, lq_real real) {
    for (int64_t r = 0; r < w->rows; ++r) {
        count_row(w->x + r * w->x_step, w->count, real, w, w->scale + r * w->param_step,
                  w->zero + r * w->param_step, 0, counts);
    }
}

LQ_INLINE void count_lanes(const lq_map_work *w, lq_counts *counts, lq_real real) {
    for (int64_t r = 0; r < w->rows; ++r) {
        count_row(w->x + r * w->x_step, w->count, real, w, w->scale, w->zero, 1, counts);
    }
}

/* Bytes to packed codes: the low bits of each byte. At 8 bits, a copy. */
LQ_INLINE void pack(const lq_map_work *w, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *b = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        if (width == LQ_WIDTH_2) {
            for (int64_t i = 0; i < w->count / 4; ++i) {
                q[i] = (unsigned char)((b[4 * i] & 3) | (b[4 * i + 1] & 3) << 2 |
                                       (b[4 * i + 2] & 3) << 4 | (b[4 * i + 3] & 3) << 6);
            }
        } else if (width == LQ_WIDTH_4) {
            for (int64_t i = 0; i < w->count / 2; ++i) {
                q[i] = (unsigned char)((b[2 * i] & 15) | (b[2 * i + 1] & 15) << 4);
            }
        } else {
            for (int64_t i = 0; i < w->count; ++i) q[i] = b[i];
        }
    }
}

/* Packed codes to bytes, sign extended. */
LQ_INLINE void unpack(const lq_map_work *w, lq_width width) {
    unsigned sign = w->sign;
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        unsigned char *b = w->x + r * w->x_step;
        if (width == LQ_WIDTH_2) {
            for (int64_t i = 0; i < w->count; ++i) {
                unsigned u = ((unsigned)q[i / 4] >> (i % 4 * 2)) & 3u;
                b[i] = (unsigned char)((u ^ sign) - sign);
            }
        } else if (width == LQ_WIDTH_4) {
            for (int64_t i = 0; i < w->count / 2; ++i) {
                unsigned u = q[i];
                b[2 * i] = (unsigned char)(((u & 15u) ^ sign) - sign);
                b[2 * i + 1] = (unsigned char)(((u >> 4) ^ sign) - sign);
            }
        } else {
            for (int64_t i = 0; i < w->count; ++i) b[i] = (unsigned char)((q[i] ^ sign) - sign);
        }
    }
}

/*
 * Lane i % 8 takes pair i, and the lanes are added as a tree: an order that only the index fixes.
 */
static void error_sums(const float *x, const float *y, int64_t n, lq_error_sums *out) {
    double sum[LQ_SUMS][8] = {{0}};
    double max[8] = {0};
    int64_t nonfinite = 0;
    for (int64_t i = 0; i < n; i += 8) {
        for (int64_t k = 0; k < 8 && i + k < n; ++k) {
            bool finite = lq_is_finite(x[i + k]) && lq_is_finite(y[i + k]);
            double a = finite ? (double)x[i + k] : 0.0;
            double b = finite ? (double)y[i + k] : 0.0;
            double e = a - b;
            double magnitude = e < 0 ? -e : e;
            nonfinite += !finite;
            sum[LQ_SUM_EE][k] += e * e;
            sum[LQ_SUM_XX][k] += a * a;
            sum[LQ_SUM_YY][k] += b * b;
            sum[LQ_SUM_XY][k] += a * b;
            max[k] = magnitude > max[k] ? magnitude : max[k];
        }
    }
    out->max = 0;
    for (int s = 0; s < LQ_SUMS; ++s) {
        double *v = sum[s];
        out->sum[s] = ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
    }
    for (int k = 0; k < 8; ++k) out->max = max[k] > out->max ? max[k] : out->max;
    out->nonfinite = nonfinite;
}

#endif
