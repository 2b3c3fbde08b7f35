/*
 * Codes that are no integers, in plain C: floats of up to 8 bits, and the values of a table. Every
 * level counts and derives with these; their codes and values are the scalar level's.
 */
#ifndef LQ_LOOPS_CODED_H
#define LQ_LOOPS_CODED_H

#include "float_format.h"

/* A copy: a byte that a loop stores might be part of the original. */
typedef struct coding {
    lq_element_rule rule;
    lq_float_format format;
    const lq_code_table *table; /* NULL: floats */
} coding;

LQ_INLINE bool is_coded(const lq_float_format *format, const lq_code_table *table) {
    return format || table;
}

LQ_INLINE coding coding_of(const lq_element_rule *rule, const lq_float_format *format,
                           const lq_code_table *table) {
    coding c = {.rule = *rule, .table = table};
    if (!table) c.format = *format;
    return c;
}

/* The parameters of a row: `step` is 0 where it has one of each, 1 where each lane has its own. */
typedef struct coded_row {
    const float *scale;
    const float *center; /* may be NULL without a minimum */
    int32_t step;
} coded_row;

LQ_INLINE coded_row coded_row_at(const float *scale, const float *center, int64_t at, bool lanes) {
    return (coded_row){.scale = scale + at, .center = center ? center + at : NULL, .step = lanes};
}

enum { CODED_PIECE = 256 };

LQ_INLINE void quotients_by(const lq_element_rule *rule, lq_real real, const unsigned char *x,
                            int32_t n, const coded_row *p, float *v, float *t) {
    const float scale = *p->scale;
    const float center = rule->minimum ? *p->center : 0.0f;
    for (int32_t i = 0; i < n; ++i) v[i] = load_one(real, x, i);
    if (p->step == 0) {
        for (int32_t i = 0; i < n; ++i) t[i] = lq_quotient_by(rule, v[i], scale, center);
        return;
    }
    const coded_row lane = *p;
    for (int32_t i = 0; i < n; ++i) {
        t[i] = lq_quotient_by(rule, v[i], lane.scale[i], rule->minimum ? lane.center[i] : 0.0f);
    }
}

/* The rules of most schemes are constants for the compiler, which then vectorizes. */
LQ_INLINE void quotients_of_real(const coding *c, lq_real real, const unsigned char *x, int32_t n,
                                 const coded_row *p, float *v, float *t) {
    const lq_element_rule dividing = {.multiply = false};
    const lq_element_rule multiplying = {.multiply = true};
    const bool common = c->rule.precision == LQ_REAL_f32 && !c->rule.minimum;
    if (common && c->rule.multiply) {
        quotients_by(&multiplying, real, x, n, p, v, t);
    } else if (common) {
        quotients_by(&dividing, real, x, n, p, v, t);
    } else {
        quotients_by(&c->rule, real, x, n, p, v, t);
    }
}

static void quotients_of(const coding *c, lq_real real, const unsigned char *x, int32_t n,
                         const coded_row *p, float *v, float *t) {
    switch (real) {
    case LQ_REAL_f16: quotients_of_real(c, LQ_REAL_f16, x, n, p, v, t); break;
    case LQ_REAL_bf16: quotients_of_real(c, LQ_REAL_bf16, x, n, p, v, t); break;
    default: quotients_of_real(c, LQ_REAL_f32, x, n, p, v, t); break;
    }
}

LQ_INLINE void float_codes(const lq_element_rule *rule, const lq_float_format *f, const float *v,
                           const float *t, int32_t n, unsigned char *codes) {
    for (int32_t i = 0; i < n; ++i) codes[i] = (unsigned char)lq_encode_by(rule, f, v[i], t[i]);
}

/* As lq_table_code, a bound at a time. */
LQ_INLINE void table_codes(const lq_code_table *table, const float *t, int32_t n,
                           unsigned char *codes) {
    int32_t count[LQ_PIECE];
    for (int32_t i = 0; i < n; ++i) count[i] = 0;
    for (int32_t k = 1; k < table->count; ++k) {
        const float from = table->from[k];
        for (int32_t i = 0; i < n; ++i) count[i] += t[i] >= from;
    }
    const int32_t nan = table->nan;
    for (int32_t i = 0; i < n; ++i) codes[i] = (unsigned char)(t[i] != t[i] ? nan : count[i]);
}

/* Up to LQ_PIECE codes, as bytes. Ways to round are constants for the compiler again. */
static void codes_of(const coding *c, const float *v, const float *t, int32_t n,
                     unsigned char *codes) {
    const lq_float_format f = c->format;
    lq_element_rule rule = c->rule;
    if (c->table) {
        table_codes(c->table, t, n, codes);
    } else if (rule.rounding == LQ_ROUND_EVEN) {
        rule.rounding = LQ_ROUND_EVEN;
        float_codes(&rule, &f, v, t, n, codes);
    } else if (rule.rounding == LQ_ROUND_LOWER_CODE) {
        rule.rounding = LQ_ROUND_LOWER_CODE;
        float_codes(&rule, &f, v, t, n, codes);
    } else {
        rule.rounding = LQ_ROUND_AWAY;
        float_codes(&rule, &f, v, t, n, codes);
    }
}

/* What codes stand for, without a scale. */
static void decode(const coding *c, const unsigned char *codes, int32_t n, float *to) {
    if (c->table) {
        const unsigned mask = (unsigned)c->table->count - 1u;
        for (int32_t i = 0; i < n; ++i) to[i] = c->table->value[codes[i] & mask];
        return;
    }
    const lq_float_format f = c->format;
    for (int32_t i = 0; i < n; ++i) to[i] = lq_decode_float(&f, codes[i]);
}

LQ_INLINE void scale_values(const lq_element_rule *rule, int32_t n, const coded_row *p, float *y) {
    const float scale = *p->scale;
    const float center = rule->minimum ? *p->center : 0.0f;
    if (p->step == 0) {
        for (int32_t i = 0; i < n; ++i) y[i] = lq_value_by(rule, y[i], scale, center);
        return;
    }
    const coded_row lane = *p;
    for (int32_t i = 0; i < n; ++i) {
        y[i] = lq_value_by(rule, y[i], lane.scale[i], rule->minimum ? lane.center[i] : 0.0f);
    }
}

/* Codes to values; `center` may be NULL without a minimum. */
static void values_of(const coding *c, const unsigned char *codes, int32_t n, const coded_row *p,
                      float *y) {
    const lq_element_rule plain = {.multiply = true};
    const lq_element_rule rule = c->rule;
    decode(c, codes, n, y);
    if (!rule.minimum && !rule.divide_back) {
        scale_values(&plain, n, p, y);
    } else {
        scale_values(&rule, n, p, y);
    }
}

LQ_INLINE void float_clips(const lq_float_format *f, lq_rounding rounding, const float *t,
                           int32_t n, int32_t *clips) {
    for (int32_t i = 0; i < n; ++i) clips[i] = lq_float_clips(f, rounding, t[i]);
}

/* 1 where a quotient is clipped, else 0. */
static void clips_of(const coding *c, const float *t, int32_t n, int32_t *clips) {
    const lq_float_format f = c->format;
    if (c->table) {
        const float low = lq_table_low_edge(c->table);
        const float high = lq_table_high_edge(c->table);
        for (int32_t i = 0; i < n; ++i) clips[i] = (t[i] < low) | (t[i] > high);
    } else if (c->rule.rounding == LQ_ROUND_EVEN) {
        float_clips(&f, LQ_ROUND_EVEN, t, n, clips);
    } else {
        float_clips(&f, c->rule.rounding, t, n, clips);
    }
}

static void count_coded_row(const coding *c, lq_real real, const unsigned char *x, int64_t count,
                            const coded_row *p, lq_counts *counts) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    float v[CODED_PIECE], t[CODED_PIECE];
    int32_t clips[CODED_PIECE];
    for (int64_t first = 0; first < count; first += CODED_PIECE) {
        const int32_t n = (int32_t)(count - first < CODED_PIECE ? count - first : CODED_PIECE);
        const coded_row at = coded_row_at(p->scale, p->center, first * p->step, p->step);
        int32_t nan = 0, nonfinite = 0, clipped = 0;
        quotients_of(c, real, x + first * size, n, &at, v, t);
        clips_of(c, t, n, clips);
        for (int32_t i = 0; i < n; ++i) {
            const int32_t finite = v[i] - v[i] == 0.0f;
            nan += v[i] != v[i];
            nonfinite += !finite;
            clipped += finite & clips[i];
        }
        counts->nan += nan;
        counts->infinite += nonfinite - nan;
        counts->clipped += clipped;
    }
}

static void count_coded(const lq_map_work *w, lq_real real, bool lanes, lq_counts *counts) {
    const coding c = coding_of(w->rule, w->format, w->table);
    for (int64_t r = 0; r < w->rows; ++r) {
        const coded_row p = coded_row_at(w->scale, w->center, lanes ? 0 : r * w->param_step, lanes);
        count_coded_row(&c, real, w->x + r * w->x_step, w->count, &p, counts);
    }
}

#endif
