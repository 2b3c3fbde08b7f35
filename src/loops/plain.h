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

/* rne(t) is above an integer bound exactly where t is at or above this: a tie goes to even. */
LQ_INLINE float edge_above(float bound) {
    const float tie = bound + 0.5f;
    if ((int32_t)bound & 1) return tie;
    return lq_from_bits(tie < 0 ? lq_bits(tie) - 1u : lq_bits(tie) + 1u);
}

/* Counters of 32 bits and no branches, so that compilers vectorize the loop. */
enum { COUNT_PIECE = 1 << 20, COUNT_LANES = 256 };

/* `step` is 0 where the row has one scale and edges, 1 where each lane has its own. */
LQ_INLINE void count_values(const unsigned char *x, int32_t n, lq_real real, const float *scale,
                            const float *below, const float *above, int step, lq_counts *c) {
    int32_t nan = 0;
    int32_t nonfinite = 0;
    int32_t clipped = 0;
    for (int32_t i = 0; i < n; ++i) {
        const float v = load_one(real, x, i);
        const float t = v / scale[i * step];
        const int32_t finite = v - v == 0.0f;
        nan += v != v;
        nonfinite += !finite;
        clipped += finite & ((t >= above[i * step]) | (t <= below[i * step]));
    }
    c->nan += nan;
    c->infinite += nonfinite - nan;
    c->clipped += clipped;
}

/* The same by a rule; [lo, hi] as in lq_quantize_by. */
typedef struct count_rule {
    const lq_element_rule *rule;
    const float *scale, *offset;
    const int32_t *zero;
    int32_t qmin, qmax;
    int step;
} count_rule;

LQ_INLINE void count_by(const unsigned char *x, int32_t n, lq_real real, const count_rule *p,
                        lq_counts *c) {
    /* A value without a quotient, such as 0 times the inverse of the least scale, counts as 0. */
    lq_element_rule rule = *p->rule;
    rule.nan = LQ_NAN_ZERO_POINT;
    for (int32_t i = 0; i < n; ++i) {
        const int k = i * p->step;
        const float v = load_one(real, x, i);
        const float lo = (float)(p->qmin - p->zero[k]);
        const float hi = (float)(p->qmax - p->zero[k]);
        const int32_t code =
            lq_quantize_by(&rule, v, p->scale[k], p->offset[k], lo - 1, hi + 1, p->zero[k]);
        const bool finite = lq_is_finite(v);
        c->nan += v != v;
        c->infinite += !finite && v == v;
        c->clipped += finite && (code < p->qmin || code > p->qmax);
    }
}

/* Without scales nothing is clipped. */
LQ_INLINE void count_runs(const lq_map_work *w, lq_counts *counts, lq_real real) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        float scale = 1.0f;
        float below = lq_from_bits(0xff800000u);
        float above = lq_from_bits(0x7f800000u);
        if (w->rule && w->scale) {
            const int64_t k = r * w->param_step;
            const count_rule by = {.rule = w->rule,
                                   .scale = w->scale + k,
                                   .offset = w->offset + k,
                                   .zero = w->zero + k,
                                   .qmin = w->qmin,
                                   .qmax = w->qmax};
            for (int64_t i = 0; i < w->count; i += COUNT_PIECE) {
                const int64_t rest = w->count - i;
                count_by(x + i * size, (int32_t)(rest < COUNT_PIECE ? rest : COUNT_PIECE), real,
                         &by, counts);
            }
            continue;
        }
        if (w->scale) {
            const int32_t zero = w->zero[r * w->param_step];
            scale = w->scale[r * w->param_step];
            below = -edge_above((float)(zero - w->qmin));
            above = edge_above((float)(w->qmax - zero));
        }
        for (int64_t i = 0; i < w->count; i += COUNT_PIECE) {
            const int64_t rest = w->count - i;
            count_values(x + i * size, (int32_t)(rest < COUNT_PIECE ? rest : COUNT_PIECE), real,
                         &scale, &below, &above, 0, counts);
        }
    }
}

LQ_INLINE void count_lanes(const lq_map_work *w, lq_counts *counts, lq_real real) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    float below[COUNT_LANES];
    float above[COUNT_LANES];
    for (int64_t i = 0; i < w->count; i += COUNT_LANES) {
        const int64_t rest = w->count - i;
        const int32_t n = (int32_t)(rest < COUNT_LANES ? rest : COUNT_LANES);
        for (int64_t r = 0; w->rule && r < w->rows; ++r) {
            const count_rule by = {.rule = w->rule,
                                   .scale = w->scale + i,
                                   .offset = w->offset + i,
                                   .zero = w->zero + i,
                                   .qmin = w->qmin,
                                   .qmax = w->qmax,
                                   .step = 1};
            count_by(w->x + r * w->x_step + i * size, n, real, &by, counts);
        }
        if (w->rule) continue;
        for (int32_t k = 0; k < n; ++k) {
            below[k] = -edge_above((float)(w->zero[i + k] - w->qmin));
            above[k] = edge_above((float)(w->qmax - w->zero[i + k]));
        }
        for (int64_t r = 0; r < w->rows; ++r) {
            count_values(w->x + r * w->x_step + i * size, n, real, w->scale + i, below, above, 1,
                         counts);
        }
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
    int32_t nonfinite = 0;
    float a[LQ_PIECE], b[LQ_PIECE];
    const int64_t whole = (n + 7) / 8 * 8;
    for (int64_t i = 0; i < n; ++i) {
        /* Zero where both are finite; masks rather than branches, so that it vectorizes. */
        const int32_t finite = (x[i] - x[i]) + (y[i] - y[i]) == 0.0f;
        a[i] = finite ? x[i] : 0.0f;
        b[i] = finite ? y[i] : 0.0f;
        nonfinite += !finite;
    }
    for (int64_t i = n; i < whole; ++i) a[i] = b[i] = 0.0f;
    for (int64_t i = 0; i < whole; i += 8) {
        for (int k = 0; k < 8; ++k) {
            const double v = (double)a[i + k];
            const double w = (double)b[i + k];
            const double e = v - w;
            const double magnitude = e < 0 ? -e : e;
            sum[LQ_SUM_EE][k] += e * e;
            sum[LQ_SUM_XX][k] += v * v;
            sum[LQ_SUM_YY][k] += w * w;
            sum[LQ_SUM_XY][k] += v * w;
            max[k] = magnitude > max[k] ? magnitude : max[k];
        }
    }
    out->max = 0;
    for (int s = 0; s < LQ_SUMS; ++s) {
        const double *v = sum[s];
        out->sum[s] = ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
    }
    for (int k = 0; k < 8; ++k) out->max = max[k] > out->max ? max[k] : out->max;
    out->nonfinite = nonfinite;
}

#endif
