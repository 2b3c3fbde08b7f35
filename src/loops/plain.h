/*
 * Loops in plain C that every level compiles with its own flags: what is not worth writing by
 * hand in vectors.
 */
#ifndef LQ_LOOPS_PLAIN_H
#define LQ_LOOPS_PLAIN_H

#include "kernels.h"
#include "layouts/bytes.h"
#include "numeric.h"

/* Bytes that codes may be: any; none above 127; all signed ones, perhaps from some on; unsigned ones. */
typedef enum { ANY_BYTES, NARROW_BYTES, SIGNED_BYTES, UNSIGNED_BYTES } bytes_kind;

/* What is taken off codes to be signed bytes. */
LQ_INLINE int32_t byte_bias(int32_t qmax) {
    return qmax > INT8_MAX ? 128 : 0;
}

#if defined(__GNUC__)
#define LQ_FETCH(address) __builtin_prefetch(address)
#else
#define LQ_FETCH(address) ((void)(address))
#endif

/*
 * Elements need no alignment, so they are copied, which compilers turn into plain loads. No kernel
 * that reads reals passes on a NaN, so that it need not be made quiet.
 */
LQ_INLINE float load_one(lq_real real, const unsigned char *x, int64_t i) {
    uint16_t h;
    float v;
    if (real == LQ_REAL_f32) {
        memcpy(&v, x + i * 4, sizeof v);
        return v;
    }
    memcpy(&h, x + i * 2, sizeof h);
    return real == LQ_REAL_f16 ? lq_widen_f16(h) : lq_widen_bf16(h);
}

LQ_INLINE void store_one(lq_real real, unsigned char *x, int64_t i, float v) {
    uint16_t h;
    if (real == LQ_REAL_f32) {
        memcpy(x + i * 4, &v, sizeof v);
        return;
    }
    h = real == LQ_REAL_f16 ? lq_f32_to_f16(v) : lq_f32_to_bf16(v);
    memcpy(x + i * 2, &h, sizeof h);
}

#include "loops/coded.h"

/*
 * By the bits, which compare as integers do. One that is none sets the highest bit, so that nothing
 * leaves early.
 */
static bool are_scales(const float *scale, int64_t n, float factor, bool negatives, bool zeros) {
    const uint32_t magnitude = negatives ? 0x7fffffffu : 0xffffffffu;
    const uint32_t least = zeros ? 0 : 1;
    uint32_t any = 0;
    for (int64_t i = 0; i < n; ++i) {
        const uint32_t s = lq_bits(scale[i] * factor) & magnitude;
        any |= s | (s - least) | (s + 0x00800000u);
    }
    return any >> 31 == 0;
}

/* A code as its bits. */
LQ_INLINE uint32_t load_bits(lq_width width, const unsigned char *q, int64_t i) {
    uint16_t h;
    switch (width) {
    case LQ_WIDTH_2: return ((uint32_t)q[i / 4] >> (i % 4 * 2)) & 3u;
    case LQ_WIDTH_4: return ((uint32_t)q[i / 2] >> (i % 2 * 4)) & 15u;
    case LQ_WIDTH_8: return q[i];
    default: memcpy(&h, q + i * 2, sizeof h); return h;
    }
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
    const float *scale, *offset, *center;
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
        const float center = rule.minimum ? p->center[k] : 0.0f;
        const int32_t code =
            lq_quantize_by(&rule, v, p->scale[k], p->offset[k], center, lo - 1, hi + 1, p->zero[k]);
        const bool finite = lq_is_finite(v);
        c->nan += v != v;
        c->infinite += !finite && v == v;
        c->clipped += finite && (code < p->qmin || code > p->qmax);
    }
}

/* Without scales nothing is clipped. */
LQ_INLINE void count_runs(const lq_map_work *w, lq_counts *counts, lq_real real) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    if (w->scale && is_coded(w->format, w->table)) {
        count_coded(w, real, false, counts);
        return;
    }
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
                                   .center = w->rule->minimum ? w->center + k : NULL,
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
    if (is_coded(w->format, w->table)) {
        count_coded(w, real, true, counts);
        return;
    }
    for (int64_t i = 0; i < w->count; i += COUNT_LANES) {
        const int64_t rest = w->count - i;
        const int32_t n = (int32_t)(rest < COUNT_LANES ? rest : COUNT_LANES);
        for (int64_t r = 0; w->rule && r < w->rows; ++r) {
            const count_rule by = {.rule = w->rule,
                                   .scale = w->scale + i,
                                   .offset = w->offset + i,
                                   .center = w->rule->minimum ? w->center + i : NULL,
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

/* Bytes 2i and 2i + 1 into one: the low `bits` bits of each. */
LQ_INLINE void join_bytes(const unsigned char *from, unsigned char *to, int64_t n, int bits) {
    const unsigned mask = (1u << bits) - 1u;
    for (int64_t i = 0; i < n; ++i) {
        to[i] = (unsigned char)((from[2 * i] & mask) | (from[2 * i + 1] & mask) << bits);
    }
}

/* And back; extended from the bit `sign`, from none where that is 0. */
LQ_INLINE void split_bytes(const unsigned char *from, unsigned char *to, int64_t n, int bits,
                           unsigned char sign) {
    const unsigned mask = (1u << bits) - 1u;
    for (int64_t i = 0; i < n; ++i) {
        const unsigned u = from[i];
        to[2 * i] = (unsigned char)(((u & mask) ^ sign) - sign);
        to[2 * i + 1] = (unsigned char)((u >> bits ^ sign) - sign);
    }
}

/* Codes of 6 bits, `n` times four of them in three bytes. */
LQ_INLINE void join_sixes(const unsigned char *from, unsigned char *to, int64_t n) {
    unsigned char last[8] = {0};
    lq_join_fields(from, to, n / 2, 6);
    if (n % 2 == 0) return;
    memcpy(last, from + n / 2 * 8, 4);
    lq_store_eight(lq_join_eight(lq_load_eight(last), 6), last);
    memcpy(to + n / 2 * 6, last, 3);
}

LQ_INLINE void split_sixes(const unsigned char *from, unsigned char *to, int64_t n,
                           unsigned char sign) {
    unsigned char last[6] = {0}, codes[8];
    lq_split_fields(from, to, n / 2, 6, sign);
    if (n % 2 == 0) return;
    memcpy(last, from + n / 2 * 6, 3);
    lq_split_fields(last, codes, 1, 6, sign);
    memcpy(to + n / 2 * 8, codes, 4);
}

/* Codes of 2 bits are joined and split twice, a piece at a time. */
enum { PACK_PIECE = 128 };

/* One row of bytes to packed codes: the low bits of each byte. At 8 bits, a copy. */
LQ_INLINE void pack_row(const unsigned char *b, unsigned char *q, int64_t count, lq_width width) {
    if (width == LQ_WIDTH_2) {
        const int64_t n = count / 4;
        unsigned char pairs[2 * PACK_PIECE];
        for (int64_t i = 0; i < n; i += PACK_PIECE) {
            const int64_t m = n - i < PACK_PIECE ? n - i : PACK_PIECE;
            join_bytes(b + 4 * i, pairs, 2 * m, 2);
            join_bytes(pairs, q + i, m, 4);
        }
    } else if (width == LQ_WIDTH_4) {
        join_bytes(b, q, count / 2, 4);
    } else if (width == LQ_WIDTH_6) {
        join_sixes(b, q, count / 4);
    } else {
        for (int64_t i = 0; i < count; ++i) q[i] = b[i];
    }
}

/* One row of packed codes to bytes; `sign` as above. */
LQ_INLINE void unpack_row(const unsigned char *q, unsigned char *b, int64_t count,
                          unsigned char sign, lq_width width) {
    if (width == LQ_WIDTH_2) {
        const int64_t n = count / 4;
        unsigned char pairs[2 * PACK_PIECE];
        for (int64_t i = 0; i < n; i += PACK_PIECE) {
            const int64_t m = n - i < PACK_PIECE ? n - i : PACK_PIECE;
            split_bytes(q + i, pairs, m, 4, 0);
            split_bytes(pairs, b + 4 * i, 2 * m, 2, sign);
        }
    } else if (width == LQ_WIDTH_4) {
        split_bytes(q, b, count / 2, 4, sign);
    } else if (width == LQ_WIDTH_6) {
        split_sixes(q, b, count / 4, sign);
    } else {
        for (int64_t i = 0; i < count; ++i) b[i] = (unsigned char)((q[i] ^ sign) - sign);
    }
}

LQ_INLINE void pack(const lq_map_work *w, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) {
        pack_row(w->x + r * w->x_step, w->codes + r * w->codes_step, w->count, width);
    }
}

LQ_INLINE void unpack(const lq_map_work *w, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) {
        unpack_row(w->codes + r * w->codes_step, w->x + r * w->x_step, w->count,
                   (unsigned char)w->sign, width);
    }
}

/* ------------------------------------------------------------- conversions */

LQ_INLINE bool is_double(lq_real real) {
    return real == LQ_REAL_f64;
}

LQ_INLINE int real_size(lq_real real) {
    return is_double(real) ? 8 : real == LQ_REAL_f32 ? 4 : 2;
}

LQ_INLINE double load_double(lq_real real, const unsigned char *x, int64_t i) {
    double v;
    if (!is_double(real)) return lq_f32_to_f64(load_one(real, x, i));
    memcpy(&v, x + i * 8, sizeof v);
    return v;
}

LQ_INLINE void store_double(lq_real real, unsigned char *y, int64_t i, double v) {
    if (is_double(real)) {
        v = lq_quiet_double(v);
        memcpy(y + i * 8, &v, sizeof v);
    } else {
        /* Exact for f32 itself: there is no second rounding to come. */
        store_one(real, y, i, real == LQ_REAL_f32 ? lq_f64_to_f32(v) : lq_round_to_odd(v));
    }
}

/* Where either type is double. */
LQ_INLINE void convert_doubles(const lq_map_work *w, lq_real from, lq_real to) {
    const double limit = w->limit;
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *y = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; ++i) {
            double v = load_double(from, x, i);
            v = v > limit ? limit : v;
            v = v < -limit ? -limit : v;
            store_double(to, y, i, v);
        }
    }
}

/*
 * From the first magnitude up that rounds to an infinity of the type: its largest finite value and
 * half a step, a tie that goes to the even one of the two.
 */
LQ_INLINE double overflow_from(lq_real to) {
    switch (to) {
    case LQ_REAL_f16: return 65520.0;
    case LQ_REAL_bf16: return 0x1.ffp127;
    case LQ_REAL_f32: return 0x1.ffffffp127;
    default: return lq_double_from_bits(0x7ff0000000000000u);
    }
}

/* The last magnitude that rounds to zero: half of the smallest subnormal, a tie again. */
LQ_INLINE double underflow_to(lq_real to) {
    switch (to) {
    case LQ_REAL_f16: return 0x1p-25;
    case LQ_REAL_bf16: return 0x1p-134;
    case LQ_REAL_f32: return 0x1p-150;
    default: return 0.0;
    }
}

/*
 * Counters as wide as the values, so that compilers vectorize the loops. Values of 32 bits have no
 * use for bounds that they do not reach: those of f32 become an infinity and 0.
 */
LQ_INLINE void count_converted(const unsigned char *x, int32_t n, lq_real from, lq_real to,
                               lq_counts *c) {
    const float over = (float)overflow_from(to);
    const float under = (float)underflow_to(to);
    int32_t nan = 0, nonfinite = 0, overflowed = 0, underflowed = 0;
    for (int32_t i = 0; i < n; ++i) {
        const float v = load_one(from, x, i);
        const float magnitude = v < 0 ? -v : v;
        const int32_t finite = v - v == 0.0f;
        nan += v != v;
        nonfinite += !finite;
        overflowed += finite & (magnitude >= over);
        underflowed += (magnitude > 0) & (magnitude <= under);
    }
    c->nan += nan;
    c->infinite += nonfinite - nan;
    c->overflowed += overflowed;
    c->underflowed += underflowed;
}

LQ_INLINE void count_converted_doubles(const unsigned char *x, int64_t n, lq_real to,
                                       lq_counts *c) {
    const double over = overflow_from(to);
    const double under = underflow_to(to);
    int64_t nan = 0, nonfinite = 0, overflowed = 0, underflowed = 0;
    for (int64_t i = 0; i < n; ++i) {
        const double v = load_double(LQ_REAL_f64, x, i);
        const double magnitude = v < 0 ? -v : v;
        const int64_t finite = v - v == 0.0;
        nan += v != v;
        nonfinite += !finite;
        overflowed += finite & (magnitude >= over);
        underflowed += (magnitude > 0) & (magnitude <= under);
    }
    c->nan += nan;
    c->infinite += nonfinite - nan;
    c->overflowed += overflowed;
    c->underflowed += underflowed;
}

LQ_INLINE void count_convert(const lq_map_work *w, lq_counts *counts, lq_real from, lq_real to) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        for (int64_t i = 0; i < w->count; i += COUNT_PIECE) {
            const int64_t rest = w->count - i;
            const int32_t n = (int32_t)(rest < COUNT_PIECE ? rest : COUNT_PIECE);
            if (is_double(from)) {
                count_converted_doubles(x + i * 8, n, to, counts);
            } else {
                count_converted(x + i * real_size(from), n, from, to, counts);
            }
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

#include "loops/choose.h"
#include "loops/expected.h"
#include "loops/gradient.h"

#endif
