/*
 * Loops over int32 accumulators and sums of codes, in plain C that every level compiles with its
 * own flags: products of 32 by 32 bits have no counterpart in the vector vocabulary, and compilers
 * vectorize these well.
 */
#ifndef LQ_LOOPS_ACCUMULATORS_H
#define LQ_LOOPS_ACCUMULATORS_H

#include "fixed_point.h"
#include "loops/plain.h"

/* Results stand in a buffer of so many elements before they are narrowed. */
enum { ACC_PIECE = 256 };

typedef enum { RULE_FLOAT, RULE_ONNX, RULE_DOUBLE, RULE_SINGLE } requantize_rule;

LQ_INLINE int32_t load_acc(const unsigned char *acc, int64_t i) {
    int32_t v;
    memcpy(&v, acc + i * 4, sizeof v);
    return v;
}

/* ------------------------------------------------------------ requantizing */

/* `at` is the first parameter; `step` is 0 where all elements share it, 1 where each has its own. */
LQ_INLINE void requantize_piece(const lq_map_work *w, requantize_rule rule,
                                const unsigned char *acc, int64_t at, int step, int32_t n,
                                int32_t *codes) {
    const int32_t *zero = w->zero + at;
    const int32_t lo = w->qmin;
    const int32_t hi = w->qmax;
    for (int32_t i = 0; i < n; ++i) {
        const int32_t a = load_acc(acc, i);
        const int32_t k = i * step;
        const int32_t z = zero[k];
        if (rule == RULE_FLOAT) {
            codes[i] = lq_requantize_float_one(a, w->scale[at + k], lo - z, hi - z, z);
        } else if (rule == RULE_ONNX) {
            codes[i] = lq_requantize_onnx_one(a, w->scale[at + k], lo, hi, z);
        } else if (rule == RULE_DOUBLE) {
            codes[i] = lq_requantize_double_one(a, w->multiplier[at + k], w->shift[at + k], lo - z,
                                                hi - z, z);
        } else {
            codes[i] = lq_requantize_single_one(a, w->multiplier[at + k], w->shift[at + k], lo - z,
                                                hi - z, z);
        }
    }
}

/* Below 8 bits, n fills whole bytes. */
LQ_INLINE void store_codes(lq_width width, unsigned char *q, const int32_t *c, int32_t n) {
    if (width == LQ_WIDTH_2) {
        for (int32_t i = 0; i < n / 4; ++i) {
            q[i] = (unsigned char)((c[4 * i] & 3) | (c[4 * i + 1] & 3) << 2 |
                                   (c[4 * i + 2] & 3) << 4 | (c[4 * i + 3] & 3) << 6);
        }
    } else if (width == LQ_WIDTH_4) {
        for (int32_t i = 0; i < n / 2; ++i) {
            q[i] = (unsigned char)((c[2 * i] & 15) | (c[2 * i + 1] & 15) << 4);
        }
    } else if (width == LQ_WIDTH_8) {
        for (int32_t i = 0; i < n; ++i) q[i] = (unsigned char)c[i];
    } else {
        for (int32_t i = 0; i < n; ++i) {
            const uint16_t h = (uint16_t)c[i];
            memcpy(q + i * 2, &h, sizeof h);
        }
    }
}

LQ_INLINE void requantize_rows(const lq_map_work *w, lq_width width, requantize_rule rule,
                               int lanes) {
    int32_t codes[ACC_PIECE];
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *acc = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; i += ACC_PIECE) {
            const int64_t rest = w->count - i;
            const int32_t n = (int32_t)(rest < ACC_PIECE ? rest : ACC_PIECE);
            requantize_piece(w, rule, acc + i * 4, lanes ? i : r * w->param_step, lanes, n, codes);
            store_codes(width, q + (i << (int)width >> 2), codes, n);
        }
    }
}

LQ_INLINE void requantize_onnx_runs(const lq_map_work *w, lq_width width) {
    requantize_rows(w, width, RULE_ONNX, 0);
}
LQ_INLINE void requantize_onnx_lanes(const lq_map_work *w, lq_width width) {
    requantize_rows(w, width, RULE_ONNX, 1);
}
LQ_INLINE void requantize_double_runs(const lq_map_work *w, lq_width width) {
    requantize_rows(w, width, RULE_DOUBLE, 0);
}
LQ_INLINE void requantize_double_lanes(const lq_map_work *w, lq_width width) {
    requantize_rows(w, width, RULE_DOUBLE, 1);
}
LQ_INLINE void requantize_single_runs(const lq_map_work *w, lq_width width) {
    requantize_rows(w, width, RULE_SINGLE, 0);
}
LQ_INLINE void requantize_single_lanes(const lq_map_work *w, lq_width width) {
    requantize_rows(w, width, RULE_SINGLE, 1);
}

/* ---------------------------------------------------------- to real values */

/* Every term below 2^52 in magnitude, so doubles hold the sum exactly. */
#define MOST_CROSS (INT64_C(1) << 36)

/* The accumulator with its corrections, exact, then rounded once to float. */
LQ_INLINE void product_sums(const lq_product_work *w, int64_t first, int32_t n, float *v) {
    const unsigned char *acc = w->acc + first * 4;
    const int32_t *sum = w->column_sum + first;
    const int32_t *zero = w->column_zero + first;
    if (w->cross <= MOST_CROSS && w->cross >= -MOST_CROSS) {
        const double row_zero = (double)w->row_zero;
        const double cross = (double)w->cross;
        for (int32_t i = 0; i < n; ++i) {
            const double a = (double)load_acc(acc, i) - row_zero * (double)sum[i];
            v[i] = (float)(a + cross * (double)zero[i]);
        }
        return;
    }
    for (int32_t i = 0; i < n; ++i) {
        v[i] = (float)(load_acc(acc, i) - w->row_zero * sum[i] + w->cross * zero[i]);
    }
}

LQ_INLINE void product_values(const lq_product_work *w, int64_t first, int32_t n, float *v) {
    const float *column_scale = w->column_scale + first;
    if (w->column_sum) {
        product_sums(w, first, n, v);
        for (int32_t i = 0; i < n; ++i) v[i] *= w->row_scale * column_scale[i];
    } else {
        const unsigned char *acc = w->acc + first * 4;
        for (int32_t i = 0; i < n; ++i) {
            v[i] = (float)load_acc(acc, i) * (w->row_scale * column_scale[i]);
        }
    }
    if (!w->bias) return;
    const float *bias = w->bias + first;
    for (int32_t i = 0; i < n; ++i) {
        const float sum = v[i] + bias[i];
        /* Processors differ in the NaN of two infinities. */
        v[i] = sum != sum ? lq_from_bits(0x7fc00000u) : sum;
    }
}

/* ------------------------------------------------------------ sums of codes */

/* So many codes of any width add up to less than 2^32. */
enum { SUM_PIECE = 1 << 16 };

/* The bits of the codes in one element of memory, signs turned around, added up. */
LQ_INLINE uint32_t sum_one(lq_width width, const unsigned char *q, int64_t i, uint32_t sign) {
    uint16_t h;
    const uint32_t b = width == LQ_WIDTH_16 ? 0 : q[i];
    switch (width) {
    case LQ_WIDTH_2:
        return ((b & 3u) ^ sign) + ((b >> 2 & 3u) ^ sign) + ((b >> 4 & 3u) ^ sign) +
               ((b >> 6) ^ sign);
    case LQ_WIDTH_4: return ((b & 15u) ^ sign) + ((b >> 4) ^ sign);
    case LQ_WIDTH_8: return b ^ sign;
    default: memcpy(&h, q + i * 2, sizeof h); return h ^ sign;
    }
}

LQ_INLINE int64_t codes_per_element(lq_width width) {
    return width == LQ_WIDTH_2 ? 4 : width == LQ_WIDTH_4 ? 2 : 1;
}

/* Rows of 32 bytes: sums of pairs of them, side by side in 16 bits each. */
LQ_INLINE void sum_short_runs(const lq_sum_work *w) {
    enum { SHORT = 32 };
    const uint64_t even = UINT64_C(0x00ff00ff00ff00ff);
    const uint64_t signs = LQ_EIGHT((uint64_t)w->sign);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        uint64_t pairs = 0;
        for (int i = 0; i < SHORT; i += 8) {
            const uint64_t u = lq_load_eight(q + i) ^ signs;
            pairs += (u & even) + (u >> 8 & even);
        }
        const int64_t sum = (int64_t)(pairs * UINT64_C(0x0001000100010001) >> 48);
        w->sum[r * w->sum_step] += sum - SHORT * (int64_t)w->sign;
    }
}

LQ_INLINE void sum_runs(const lq_sum_work *w, lq_width width) {
    if (width == LQ_WIDTH_8 && w->count == 32) {
        sum_short_runs(w);
        return;
    }
    const int64_t n = w->count / codes_per_element(width);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        int64_t *sum = w->sum + r * w->sum_step;
        *sum -= w->count * (int64_t)w->sign;
        for (int64_t first = 0; first < n; first += SUM_PIECE) {
            const int64_t end = n - first < SUM_PIECE ? n : first + SUM_PIECE;
            uint32_t part = 0;
            for (int64_t i = first; i < end; ++i) part += sum_one(width, q, i, w->sign);
            *sum += part;
        }
    }
}

LQ_INLINE void sum_lanes(const lq_sum_work *w, lq_width width) {
    uint32_t part[ACC_PIECE];
    for (int64_t first = 0; first < w->count; first += ACC_PIECE) {
        const int64_t rest = w->count - first;
        const int32_t n = (int32_t)(rest < ACC_PIECE ? rest : ACC_PIECE);
        for (int64_t top = 0; top < w->rows; top += SUM_PIECE) {
            const int64_t end = w->rows - top < SUM_PIECE ? w->rows : top + SUM_PIECE;
            memset(part, 0, sizeof part);
            for (int64_t r = top; r < end; ++r) {
                const unsigned char *q = w->codes + r * w->codes_step + (first << (int)width >> 2);
                for (int32_t i = 0; i < n; ++i) part[i] += load_bits(width, q, i) ^ w->sign;
            }
            for (int32_t i = 0; i < n; ++i) {
                w->sum[first + i] += (int64_t)part[i] - (end - top) * (int64_t)w->sign;
            }
        }
    }
}

#endif
