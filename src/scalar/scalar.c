/*
 * The scalar level: the definition of every kernel, in plain loops over the one-element functions,
 * written so that compilers vectorize them for whatever the baseline has.
 */
#include "loops/accumulators.h"
#include "scalar/coded.h"

/* The parameters of a row: `step` is 0 where it has one of each, 1 where each lane has its own. */
typedef struct row_parameters {
    const lq_element_rule *rule; /* NULL: the plain one, a constant wherever loops are made */
    const float *scale;
    const int32_t *zero;
    const float *offset, *center, *back; /* with a rule only; center NULL: none */
    int64_t step;
} row_parameters;

LQ_INLINE row_parameters parameters_of(const lq_map_work *w, int64_t row, bool lanes) {
    const int64_t at = lanes ? 0 : row * w->param_step;
    row_parameters p = {.scale = w->scale + at, .zero = w->zero + at, .step = lanes};
    if (!w->rule) return p;
    p.rule = w->rule;
    p.offset = w->offset + at;
    if (w->center) p.center = w->center + at;
    if (w->back) p.back = w->back + at;
    return p;
}

LQ_INLINE int32_t code_of(float v, const row_parameters *p, int64_t k, int32_t qmin, int32_t qmax) {
    const int32_t z = p->zero[k];
    const float lo = (float)(qmin - z);
    const float hi = (float)(qmax - z);
    if (!p->rule) return lq_quantize_one(v, p->scale[k], lo, hi, z);
    const float center = p->rule->minimum ? p->center[k] : 0.0f;
    return lq_quantize_by(p->rule, v, p->scale[k], p->offset[k], center, lo, hi, z);
}

/* As lq_quantize_by for a run of factors, with what its elements share outside the loop. */
typedef struct factor_run {
    float scale, offset, center, nan, lo, hi;
    int32_t zero;
} factor_run;

LQ_INLINE void quantize_factors(lq_real real, lq_rounding rounding, const unsigned char *x,
                                unsigned char *q, int64_t n, const factor_run *run) {
    const factor_run f = *run;
    for (int64_t i = 0; i < n; ++i) {
        float t = (load_one(real, x, i) - f.center) * f.scale + f.offset;
        t = t != t ? f.nan : t;
        t = t > f.lo ? t : f.lo;
        t = t < f.hi ? t : f.hi;
        q[i] = (unsigned char)(lq_round_by(rounding, t) + f.zero);
    }
}

/* Constants for the compiler, which then vectorizes. */
LQ_INLINE void quantize_factors_of(lq_real real, lq_rounding rounding, const unsigned char *x,
                                   unsigned char *q, int64_t n, const factor_run *run) {
    switch (rounding) {
    case LQ_ROUND_EVEN: quantize_factors(real, LQ_ROUND_EVEN, x, q, n, run); break;
    case LQ_ROUND_AWAY: quantize_factors(real, LQ_ROUND_AWAY, x, q, n, run); break;
    default: quantize_factors(real, LQ_ROUND_HALF_UP, x, q, n, run); break;
    }
}

static void quantize_by_factor(lq_real real, const unsigned char *x, unsigned char *q, int64_t n,
                               const row_parameters *p, int32_t qmin, int32_t qmax) {
    const lq_rounding rounding = p->rule->rounding;
    const int32_t zero = *p->zero;
    factor_run run = {.scale = *p->scale,
                      .offset = *p->offset,
                      .center = p->rule->minimum ? *p->center : 0.0f,
                      .lo = (float)(qmin - zero),
                      .hi = (float)(qmax - zero),
                      .zero = zero};
    run.nan = lq_nan_value(p->rule->nan, run.offset, run.lo, run.hi, (float)zero);
    switch (real) {
    case LQ_REAL_f16: quantize_factors_of(LQ_REAL_f16, rounding, x, q, n, &run); break;
    case LQ_REAL_bf16: quantize_factors_of(LQ_REAL_bf16, rounding, x, q, n, &run); break;
    default: quantize_factors_of(LQ_REAL_f32, rounding, x, q, n, &run); break;
    }
}

/*
 * Codes of `size` bytes, 1 or 2, of the row's elements from `first` on. What the loop needs is in
 * locals: a byte that it stores might be part of *w or *p.
 */
LQ_INLINE void quantize_codes(const lq_map_work *w, lq_real real, int size, const unsigned char *x,
                              unsigned char *q, int64_t n, const row_parameters *of_row,
                              int64_t first) {
    const int32_t qmin = w->qmin;
    const int32_t qmax = w->qmax;
    const row_parameters p = *of_row;
    if (p.rule && p.step == 0 && size == 1 && p.rule->multiply &&
        p.rule->precision == LQ_REAL_f32) {
        quantize_by_factor(real, x, q, n, &p, qmin, qmax);
        return;
    }
    for (int64_t i = 0; i < n; ++i) {
        const int32_t c = code_of(load_one(real, x, i), &p, (first + i) * p.step, qmin, qmax);
        const uint16_t h = (uint16_t)c;
        if (size == 1) {
            q[i] = (unsigned char)c;
        } else {
            memcpy(q + i * 2, &h, sizeof h);
        }
    }
}

LQ_INLINE float value_of(uint16_t bits, uint32_t sign, const row_parameters *p, int64_t k) {
    if (!p->rule) return lq_dequantize_one(bits, sign, p->scale[k], p->zero[k]);
    const float code = lq_dequantize_one(bits, sign, 1.0f, 0);
    return lq_dequantize_by(p->rule, code, p->scale[k], p->offset[k]);
}

LQ_INLINE void dequantize_codes(lq_real real, int size, uint32_t sign, const unsigned char *q,
                                unsigned char *x, int64_t n, const row_parameters *of_row,
                                int64_t first) {
    const row_parameters p = *of_row;
    for (int64_t i = 0; i < n; ++i) {
        uint16_t h;
        if (size == 1) {
            h = q[i];
        } else {
            memcpy(&h, q + i * 2, sizeof h);
        }
        store_one(real, x, i, value_of(h, sign, &p, (first + i) * p.step));
    }
}

/* Narrower codes pass through bytes, a piece at a time. */
enum { PIECE = 256 };

LQ_INLINE void quantize_row(const lq_map_work *w, lq_real real, lq_width width, int64_t row,
                            const row_parameters *p) {
    const unsigned char *x = w->x + row * w->x_step;
    unsigned char *q = w->codes + row * w->codes_step;
    const int64_t n = w->count;
    const int64_t bytes = real == LQ_REAL_f32 ? 4 : 2;
    unsigned char codes[PIECE];
    if (width == LQ_WIDTH_8 || width == LQ_WIDTH_16) {
        quantize_codes(w, real, width == LQ_WIDTH_8 ? 1 : 2, x, q, n, p, 0);
        return;
    }
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        quantize_codes(w, real, 1, x + i * bytes, codes, m, p, i);
        pack_row(codes, q + (width == LQ_WIDTH_4 ? i / 2 : i / 4), m, width);
    }
}

LQ_INLINE void dequantize_row(const lq_map_work *w, lq_real real, lq_width width, int64_t row,
                              const row_parameters *p) {
    const unsigned char *q = w->codes + row * w->codes_step;
    unsigned char *x = w->x + row * w->x_step;
    const int64_t n = w->count;
    const int64_t bytes = real == LQ_REAL_f32 ? 4 : 2;
    unsigned char codes[PIECE];
    if (width == LQ_WIDTH_8 || width == LQ_WIDTH_16) {
        dequantize_codes(real, width == LQ_WIDTH_8 ? 1 : 2, w->sign, q, x, n, p, 0);
        return;
    }
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        unpack_row(q + (width == LQ_WIDTH_4 ? i / 2 : i / 4), codes, m, 0, width);
        dequantize_codes(real, 1, w->sign, codes, x + i * bytes, m, p, i);
    }
}

LQ_INLINE void fake_row(const lq_map_work *w, lq_real real, int64_t row,
                        const row_parameters *of_row) {
    const unsigned char *x = w->x + row * w->x_step;
    unsigned char *y = w->codes + row * w->codes_step;
    const int64_t n = w->count;
    const int32_t qmin = w->qmin;
    const int32_t qmax = w->qmax;
    const row_parameters p = *of_row;
    for (int64_t i = 0; i < n; ++i) {
        const int64_t k = i * p.step;
        const int32_t code = code_of(load_one(real, x, i), &p, k, qmin, qmax);
        const float value = p.rule ? lq_dequantize_by(p.rule, (float)code, p.back[k], p.center[k])
                                   : (float)(code - p.zero[k]) * p.scale[k];
        store_one(real, y, i, value);
    }
}

LQ_INLINE void map_row(const lq_map_work *w, lq_real real, lq_width width, purpose to, int64_t row,
                       const row_parameters *p) {
    switch (to) {
    case TO_CODES: quantize_row(w, real, width, row, p); break;
    case TO_VALUES: dequantize_row(w, real, width, row, p); break;
    case TO_FAKES: fake_row(w, real, row, p); break;
    }
}

/* The plain rule, and one scale for the row: constants for the compiler, which then vectorizes. */
LQ_INLINE void map_rows(const lq_map_work *w, lq_real real, lq_width width, purpose to,
                        bool lanes) {
    if (is_coded(w->format, w->table)) {
        map_coded(w, real, width, to, lanes);
        return;
    }
    for (int64_t r = 0; r < w->rows; ++r) {
        row_parameters p = parameters_of(w, r, lanes);
        if (p.rule) {
            map_row(w, real, width, to, r, &p);
            continue;
        }
        const float scale = *p.scale;
        const int32_t zero = *p.zero;
        const row_parameters run = {.scale = &scale, .zero = &zero};
        const row_parameters lane = {.scale = p.scale, .zero = p.zero, .step = 1};
        map_row(w, real, width, to, r, lanes ? &lane : &run);
    }
}

LQ_INLINE void quantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    map_rows(w, real, width, TO_CODES, false);
}

LQ_INLINE void quantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    map_rows(w, real, width, TO_CODES, true);
}

LQ_INLINE void dequantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    map_rows(w, real, width, TO_VALUES, false);
}

/* By way of bytes, some rows at a time. */
LQ_INLINE void dequantize_halves(const lq_map_work *w, lq_real real) {
    enum { ROWS = 16 };
    unsigned char codes[ROWS * LQ_HALVES];
    lq_map_work part = *w;
    part.codes = codes;
    part.count = part.codes_step = LQ_HALVES;
    part.sign = w->middle ? 128 : 0;
    for (int64_t r = 0; r < w->rows; r += ROWS) {
        part.rows = w->rows - r < ROWS ? w->rows - r : ROWS;
        for (int64_t k = 0; k < part.rows; ++k) {
            lq_unpack_halves(w->codes + (r + k) * w->codes_step, w->fifths, (unsigned)w->middle,
                             codes + k * LQ_HALVES);
        }
        map_rows(&part, real, LQ_WIDTH_8, TO_VALUES, false);
        part.x += ROWS * w->x_step;
        part.scale += ROWS;
        part.zero += ROWS;
        if (w->rule) part.offset += ROWS;
    }
}

LQ_INLINE void dequantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    map_rows(w, real, width, TO_VALUES, true);
}

LQ_INLINE void fake_runs(const lq_map_work *w, lq_real real) {
    map_rows(w, real, LQ_WIDTH_8, TO_FAKES, false);
}

LQ_INLINE void fake_lanes(const lq_map_work *w, lq_real real) {
    map_rows(w, real, LQ_WIDTH_8, TO_FAKES, true);
}

/* NaN compares false. */
LQ_INLINE float lower(float v, float lo) {
    return v < lo ? v : lo;
}
LQ_INLINE float higher(float v, float hi) {
    return v > hi ? v : hi;
}

/* v - v is 0, or NaN for an infinity. */
LQ_INLINE float drop_nonfinite(float v) {
    return v + (v - v);
}

/* One accumulator would make every step wait for the one before; an array of them vectorizes. */
enum { RANGE_LANES = 32 };

/* Of everything that is not NaN, or with a filter of what is finite. */
LQ_INLINE void range_row(const unsigned char *x, int64_t count, lq_real real, bool filter,
                         float *out_lo, float *out_hi) {
    float lo[RANGE_LANES];
    float hi[RANGE_LANES];
    int64_t i = 0;
    for (int k = 0; k < RANGE_LANES; ++k) {
        lo[k] = lq_from_bits(0x7f800000u);
        hi[k] = lq_from_bits(0xff800000u);
    }
    for (; i + RANGE_LANES <= count; i += RANGE_LANES) {
        for (int k = 0; k < RANGE_LANES; ++k) {
            float v = load_one(real, x, i + k);
            if (filter) v = drop_nonfinite(v);
            lo[k] = lower(v, lo[k]);
            hi[k] = higher(v, hi[k]);
        }
    }
    for (; i < count; ++i) {
        float v = load_one(real, x, i);
        if (filter) v = drop_nonfinite(v);
        lo[0] = lower(v, lo[0]);
        hi[0] = higher(v, hi[0]);
    }
    for (int half = RANGE_LANES / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; ++k) {
            lo[k] = lower(lo[k + half], lo[k]);
            hi[k] = higher(hi[k + half], hi[k]);
        }
    }
    *out_lo = lo[0];
    *out_hi = hi[0];
}

/* NaN aside. Few accumulators: of rows up to SHORT_ROW the many of range_row are most of the work. */
enum { SHORT_ROW = 64 };

LQ_INLINE float largest_magnitude(const unsigned char *x, int64_t count, lq_real real) {
    enum { FEW_LANES = 8 };
    const uint32_t all = 0x7fffffffu;
    float most[FEW_LANES] = {0};
    int64_t i = 0;
    for (; i + FEW_LANES <= count; i += FEW_LANES) {
        for (int k = 0; k < FEW_LANES; ++k) {
            most[k] = higher(lq_from_bits(lq_bits(load_one(real, x, i + k)) & all), most[k]);
        }
    }
    for (; i < count; ++i) {
        most[0] = higher(lq_from_bits(lq_bits(load_one(real, x, i)) & all), most[0]);
    }
    for (int half = FEW_LANES / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; ++k) most[k] = higher(most[k + half], most[k]);
    }
    return most[0];
}

LQ_INLINE void range_runs(const lq_range_work *w, lq_real real) {
    for (int64_t r = 0; r < w->rows; ++r) {
        float *out_lo = w->lo + r * w->range_step;
        float *out_hi = w->hi + r * w->range_step;
        float lo, hi;
        if (w->magnitudes && w->count <= SHORT_ROW) {
            hi = largest_magnitude(w->x + r * w->x_step, w->count, real);
            if (hi > 0 && lq_is_finite(hi)) {
                *out_lo = lower(-hi, *out_lo);
                *out_hi = higher(hi, *out_hi);
                continue;
            }
        }
        range_row(w->x + r * w->x_step, w->count, real, false, &lo, &hi);
        /* Infinite: there is an infinity in the row, or nothing finite. */
        if (!lq_is_finite(lo) || !lq_is_finite(hi)) {
            range_row(w->x + r * w->x_step, w->count, real, true, &lo, &hi);
        }
        *out_lo = lower(lo, *out_lo);
        *out_hi = higher(hi, *out_hi);
    }
}

LQ_INLINE void range_lanes(const lq_range_work *w, lq_real real) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        for (int64_t i = 0; i < w->count; ++i) {
            float v = drop_nonfinite(load_one(real, x, i));
            w->lo[i] = lower(v, w->lo[i]);
            w->hi[i] = higher(v, w->hi[i]);
        }
    }
}

#include "loops/tally.h"

LQ_INLINE void convert(const lq_map_work *w, lq_real from, lq_real to) {
    const float limit = (float)w->limit;
    if (is_double(from) || is_double(to)) {
        convert_doubles(w, from, to);
        return;
    }
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *y = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; ++i) {
            float v = load_one(from, x, i);
            v = v > limit ? limit : v;
            v = v < -limit ? -limit : v;
            store_one(to, y, i, to == LQ_REAL_f32 ? lq_quiet(v) : v);
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

/* Would gain nothing. */
static int64_t quantize_blocks(const lq_block_work *w, lq_width width) {
    (void)w;
    (void)width;
    return 0;
}

#include "loops/strips.h"
#include "loops/panels.h"

#define LQ_TABLE lq_kernels_scalar
#include "loops/table.h"
