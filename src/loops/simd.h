/*
 * The hot loops, written once over the vector vocabulary of a level (its vec.h):
 *
 *   TILE                     elements of a tile, four vectors
 *   tile, itile              floats; their int32 counterparts
 *   tile_splat, itile_splat
 *   tile_of_rows, itile_of_rows 2 or 4 numbers, each over its part of a tile
 *   tile_of                  int32 to float
 *   tile_bits, tile_from_bits the same bits as int32, and back
 *   tile_add, tile_subtract, tile_multiply
 *   itile_add, itile_subtract, itile_and, itile_or
 *   itile_min, itile_max     of signed numbers
 *   itile_up, itile_down     shifted, by as much everywhere; down without a sign
 *   itile_where_greater      a > b ? yes : no, as signed numbers
 *   itile_where_at_least     the same of floats, with >=
 *   itile_where_nan          the same by what is NaN
 *   lookup_of, tile_lookup   16 floats, and those of them at indices in [0, 15]
 *   tile_load, tile_load_n   real elements, widened; _n takes fewer than TILE, the rest are 0
 *   tile_store, tile_store_n real elements, narrowed to nearest even
 *   tile_stream              the same past the caches, to an address that is a multiple of LQ_LINE
 *   tile_load_doubles        doubles rounded to float: to odd for a second rounding, or nearest
 *   tile_store_doubles       widened, magnitudes above a limit made the limit, NaN quiet
 *   itile_load, itile_load_n int32 elements
 *   codes_load, codes_load_n codes of a width, as their bits in int32
 *   codes_store, codes_store_n the low bits of int32, as codes of a width
 *   codes_stream             the same as bytes past the caches
 *   tile_divide              x / s
 *   tile_quotient            the same from an inverse, or NaN where that is not certain
 *   tile_any_nan, tile_nan_to_zero
 *   tile_nan_to              NaN replaced by another's element
 *   tile_round               to int32 by any lq_rounding, for magnitudes below 2^22
 *   tile_codes               clamp to [qmin - zero, qmax - zero], round to even, add zero
 *   tile_values              ((bits ^ sign) - zero) * scale
 *   tile_min, tile_max       of x and an accumulator that x's NaN leaves alone
 *   tile_lesser, tile_greater of numbers; of a NaN and a number either
 *   tile_drop_nonfinite      infinities become NaN
 *   tile_quiet               signaling NaNs become quiet, their other bits kept
 *   tile_first_n             the first n of a, then b
 *   tile_lowest, tile_highest over all elements
 */
#include "loops/accumulators.h"

/*
 * x / s from r = x * (1/s) and one correction by fused multiply-adds. Where s lies in this range,
 * that is the IEEE quotient, or both are too small for a code other than 0's; an overflow on the
 * way shows as NaN. Outside the range the inverse is NaN, which sends every tile to the division.
 */
LQ_INLINE float inverse_of(float scale) {
    float magnitude = scale < 0 ? -scale : scale;
    return magnitude >= 0x1p-100f && magnitude <= 0x1p100f ? 1.0f / scale
                                                           : lq_from_bits(0x7fc00000u);
}

/* What a tile of quotients goes through by a rule; one of each in a run, one for each lane else. */
typedef struct tile_rule {
    tile scale, offset;
    tile center; /* of minimums */
    tile nan;    /* stands for NaN */
    tile lo, hi;
    itile zero;
} tile_rule;

LQ_INLINE tile tile_narrow(lq_real precision, tile t) {
    unsigned char buffer[TILE * 2];
    if (precision == LQ_REAL_f32) return t;
    tile_store(precision, buffer, 0, t);
    return tile_load(precision, buffer, 0);
}

LQ_INLINE itile codes_by(const lq_element_rule *rule, const tile_rule *p, tile v) {
    if (rule->minimum) v = tile_subtract(v, p->center);
    v = tile_narrow(rule->precision, v);
    v = rule->multiply ? tile_multiply(v, p->scale) : tile_divide(v, p->scale);
    v = tile_add(tile_narrow(rule->precision, v), p->offset);
    v = tile_nan_to(v, p->nan);
    v = tile_lesser(tile_greater(v, p->lo), p->hi);
    return itile_add(tile_round(rule->rounding, v), p->zero);
}

LQ_INLINE tile_rule rule_of_run(const lq_map_work *w, int64_t at) {
    const int32_t zero = w->zero[at];
    const float lo = (float)(w->qmin - zero);
    const float hi = (float)(w->qmax - zero);
    const float offset = w->offset[at];
    /* NaN only with an offset of NaN, whose codes are the lowest. */
    const float nan = lq_nan_value(w->rule->nan, offset, lo, hi, (float)zero);
    return (tile_rule){.scale = tile_splat(w->scale[at]),
                       .offset = tile_splat(offset),
                       .center = tile_splat(w->rule->minimum ? w->center[at] : 0.0f),
                       .nan = tile_splat(nan == nan ? nan : lo),
                       .lo = tile_splat(lo),
                       .hi = tile_splat(hi),
                       .zero = itile_splat(zero)};
}

LQ_INLINE tile floats_at(const float *p, int64_t i, int64_t n) {
    const unsigned char *bytes = (const unsigned char *)p;
    return n < TILE ? tile_load_n(LQ_REAL_f32, bytes, i, n) : tile_load(LQ_REAL_f32, bytes, i);
}

/* Scale, offset, zero and, of minimums, center are there already. */
LQ_INLINE void finish_rule(const lq_map_work *w, tile_rule *of_tile) {
    tile_rule p = *of_tile;
    const tile zero = tile_of(p.zero);
    p.lo = tile_subtract(tile_splat((float)w->qmin), zero);
    p.hi = tile_subtract(tile_splat((float)w->qmax), zero);
    switch (w->rule->nan) {
    case LQ_NAN_QMIN: p.nan = p.lo; break;
    case LQ_NAN_QMAX: p.nan = p.hi; break;
    case LQ_NAN_CODE_0: p.nan = tile_subtract(tile_splat(0.0f), zero); break;
    default: p.nan = p.offset; break;
    }
    *of_tile = p;
}

LQ_INLINE tile_rule rule_of_lanes(const lq_map_work *w, int64_t i, int64_t n) {
    tile_rule p;
    p.zero = n < TILE ? itile_load_n(w->zero + i, n) : itile_load(w->zero + i);
    p.scale = floats_at(w->scale, i, n);
    p.offset = floats_at(w->offset, i, n);
    p.center = p.offset;
    if (w->rule->minimum) p.center = floats_at(w->center, i, n);
    finish_rule(w, &p);
    return p;
}

LQ_INLINE tile_rule rule_of_rows(const lq_map_work *w, int64_t r, int rows) {
    tile_rule p;
    p.zero = itile_of_rows(w->zero + r, rows);
    p.scale = tile_of_rows(w->scale + r, rows);
    p.offset = tile_of_rows(w->offset + r, rows);
    p.center = p.offset;
    if (w->rule->minimum) p.center = tile_of_rows(w->center + r, rows);
    finish_rule(w, &p);
    return p;
}

/* The same for the plain rule, whose quotient is exact without a division where that is certain. */
typedef struct plain_run {
    tile scale, inverse, lo, hi;
    itile zero;
} plain_run;

LQ_INLINE plain_run plain_of_run(const lq_map_work *w, int64_t at) {
    const float s = w->scale[at];
    const int32_t z = w->zero[at];
    return (plain_run){.scale = tile_splat(s),
                       .inverse = tile_splat(inverse_of(s)),
                       .lo = tile_splat((float)(w->qmin - z)),
                       .hi = tile_splat((float)(w->qmax - z)),
                       .zero = itile_splat(z)};
}

LQ_INLINE plain_run plain_of_rows(const lq_map_work *w, int64_t r, int rows) {
    float inverse[4];
    plain_run p = {.scale = tile_of_rows(w->scale + r, rows),
                   .zero = itile_of_rows(w->zero + r, rows)};
    for (int k = 0; k < rows; ++k) inverse[k] = inverse_of(w->scale[r + k]);
    p.inverse = tile_of_rows(inverse, rows);
    p.lo = tile_subtract(tile_splat((float)w->qmin), tile_of(p.zero));
    p.hi = tile_subtract(tile_splat((float)w->qmax), tile_of(p.zero));
    return p;
}

LQ_INLINE itile plain_codes(const plain_run *p, tile v, itile zero) {
    tile t = tile_quotient(v, p->scale, p->inverse);
    if (tile_any_nan(t)) t = tile_nan_to_zero(tile_divide(v, p->scale));
    return tile_codes(t, p->lo, p->hi, zero);
}

LQ_INLINE tile reals_at(lq_real real, const unsigned char *x, int64_t i, int64_t n) {
    return n < TILE ? tile_load_n(real, x, i, n) : tile_load(real, x, i);
}

LQ_INLINE void reals_to(lq_real real, unsigned char *x, int64_t i, tile t, int64_t n) {
    if (n < TILE) {
        tile_store_n(real, x, i, t, n);
    } else {
        tile_store(real, x, i, t);
    }
}

/* Whole tiles past the caches, what is left over as ever. */
LQ_INLINE void reals_streamed(lq_real real, unsigned char *x, int64_t i, tile t, int64_t n,
                              bool streams) {
    if (streams && n >= TILE) {
        tile_stream(real, x, i, t);
    } else {
        reals_to(real, x, i, t, n);
    }
}

LQ_INLINE itile codes_at(lq_width width, const unsigned char *q, int64_t i, int64_t n) {
    return n < TILE ? codes_load_n(width, q, i, n) : codes_load(width, q, i);
}

LQ_INLINE void codes_to(lq_width width, unsigned char *q, int64_t i, itile c, int64_t n) {
    if (n < TILE) {
        codes_store_n(width, q, i, c, n);
    } else {
        codes_store(width, q, i, c);
    }
}

LQ_INLINE void codes_streamed(lq_width width, unsigned char *q, int64_t i, itile c, int64_t n,
                              bool streams) {
    if (streams && n >= TILE) {
        codes_stream(q, i, c);
    } else {
        codes_to(width, q, i, c, n);
    }
}

#include "loops/simd_rows.h"
#include "loops/simd_coded.h"

/* What a run does with each value: loops of their own for the rules that only multiply. */
typedef enum { BY_RULE, MULTIPLIED, MULTIPLIED_AND_ADDED } run_way;

LQ_INLINE run_way way_of_run(const lq_map_work *w, int64_t at) {
    const lq_element_rule *rule = w->rule;
    const bool multiplies = rule->multiply && rule->precision == LQ_REAL_f32 && !rule->minimum;
    if (!multiplies || rule->rounding != LQ_ROUND_EVEN) return BY_RULE;
    return w->offset[at] == 0.0f ? MULTIPLIED : MULTIPLIED_AND_ADDED;
}

/* As codes_by has it; NaN is rare, so a tile is first asked whether it has any. */
LQ_INLINE itile multiplied_codes(const tile_rule *p, bool add, tile v, itile added) {
    tile t = tile_multiply(v, p->scale);
    if (add) t = tile_add(t, p->offset);
    if (tile_any_nan(t)) t = tile_nan_to(t, p->nan);
    return tile_codes(t, p->lo, p->hi, added);
}

LQ_INLINE itile codes_of_run(const lq_element_rule *rule, const tile_rule *p, run_way way, tile v) {
    if (way == BY_RULE) return codes_by(rule, p, v);
    return multiplied_codes(p, way == MULTIPLIED_AND_ADDED, v, p->zero);
}

LQ_INLINE void quantize_run_by(const lq_map_work *w, lq_real real, lq_width width, int64_t r,
                               run_way way, bool streams) {
    const unsigned char *x = w->x + r * w->x_step;
    unsigned char *q = w->codes + r * w->codes_step;
    const tile_rule p = rule_of_run(w, r * w->param_step);
    for (int64_t i = 0; i < w->count; i += TILE) {
        const int64_t n = w->count - i;
        codes_streamed(width, q, i, codes_of_run(w->rule, &p, way, reals_at(real, x, i, n)), n,
                       streams);
    }
}

/* Constants for the compiler. */
LQ_INLINE void quantize_run(const lq_map_work *w, lq_real real, lq_width width, int64_t r,
                            bool streams) {
    switch (way_of_run(w, r * w->param_step)) {
    case MULTIPLIED: quantize_run_by(w, real, width, r, MULTIPLIED, streams); break;
    case MULTIPLIED_AND_ADDED:
        quantize_run_by(w, real, width, r, MULTIPLIED_AND_ADDED, streams);
        break;
    default: quantize_run_by(w, real, width, r, BY_RULE, false); break;
    }
}

LQ_INLINE void quantize_rows(const lq_map_work *w, lq_real real, lq_width width, int64_t r,
                             bool streams) {
    for (; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        if (w->rule) {
            quantize_run(w, real, width, r, streams);
            continue;
        }
        const plain_run p = plain_of_run(w, r * w->param_step);
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            codes_streamed(width, q, i, plain_codes(&p, reals_at(real, x, i, n), p.zero), n,
                           streams);
        }
    }
}

/* What streams has loops of its own; floats to bytes alone do, the commonest of large tensors. */
LQ_INLINE void quantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    if (is_coded(w->format, w->table)) {
        encode_rows(w, real, width, false);
    } else if (real == LQ_REAL_f32 && width == LQ_WIDTH_8 && w->streams) {
        quantize_rows(w, real, width, 0, true);
    } else {
        quantize_rows(w, real, width, quantize_short_rows(w, real, width), false);
    }
}

/* Codes of a tile of lanes by the plain rule; `zero` is what is added last. */
LQ_INLINE itile plain_lanes(const lq_map_work *w, tile v, tile scale, itile zero, itile added) {
    const tile z = tile_of(zero);
    const tile t = tile_nan_to_zero(tile_divide(v, scale));
    return tile_codes(t, tile_subtract(tile_splat((float)w->qmin), z),
                      tile_subtract(tile_splat((float)w->qmax), z), added);
}

LQ_INLINE itile zeros_at(const int32_t *p, int64_t i, int64_t n) {
    return n < TILE ? itile_load_n(p + i, n) : itile_load(p + i);
}

LQ_INLINE void quantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    if (is_coded(w->format, w->table)) {
        encode_rows(w, real, width, true);
        return;
    }
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const tile v = reals_at(real, x, i, n);
            if (w->rule) {
                const tile_rule p = rule_of_lanes(w, i, n);
                codes_to(width, q, i, codes_by(w->rule, &p, v), n);
            } else {
                const itile zero = zeros_at(w->zero, i, n);
                codes_to(width, q, i, plain_lanes(w, v, floats_at(w->scale, i, n), zero, zero), n);
            }
        }
    }
}

/* ---------------------------------------------------------------------- values from codes */

LQ_INLINE void dequantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    if (is_coded(w->format, w->table)) {
        decode_rows(w, real, width, false);
        return;
    }
    const itile sign = itile_splat((int32_t)w->sign);
    for (int64_t r = dequantize_short_rows(w, real, width); r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        unsigned char *x = w->x + r * w->x_step;
        const tile scale = tile_splat(w->scale[r * w->param_step]);
        const itile zero = itile_splat(w->zero[r * w->param_step] + (int32_t)w->sign);
        if (w->rule) {
            const tile center = tile_splat(w->offset[r * w->param_step]);
            for (int64_t i = 0; i < w->count; i += TILE) {
                const int64_t n = w->count - i;
                const tile codes = codes_as_floats(codes_at(width, q, i, n), sign);
                reals_to(real, x, i, values_by(w->rule, codes, scale, center), n);
            }
            continue;
        }
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            reals_to(real, x, i, tile_values(codes_at(width, q, i, n), sign, zero, scale), n);
        }
    }
}

LQ_INLINE void dequantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    if (is_coded(w->format, w->table)) {
        decode_rows(w, real, width, true);
        return;
    }
    const itile sign = itile_splat((int32_t)w->sign);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        unsigned char *x = w->x + r * w->x_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const itile bits = codes_at(width, q, i, n);
            const tile scale = floats_at(w->scale, i, n);
            tile v;
            if (w->rule) {
                v = values_by(w->rule, codes_as_floats(bits, sign), scale,
                              floats_at(w->offset, i, n));
            } else {
                v = tile_values(bits, sign, itile_add(zeros_at(w->zero, i, n), sign), scale);
            }
            reals_to(real, x, i, v, n);
        }
    }
}

/* --------------------------------------------------------------- values to those of their codes */

LQ_INLINE void fake_run_by(const lq_map_work *w, lq_real real, int64_t r, run_way way,
                           bool streams) {
    const unsigned char *x = w->x + r * w->x_step;
    unsigned char *y = w->codes + r * w->codes_step;
    const tile_rule p = rule_of_run(w, r * w->param_step);
    const tile back = tile_splat(w->back[r * w->param_step]);
    const tile center = tile_splat(w->center[r * w->param_step]);
    for (int64_t i = 0; i < w->count; i += TILE) {
        const int64_t n = w->count - i;
        const tile codes = tile_of(codes_of_run(w->rule, &p, way, reals_at(real, x, i, n)));
        reals_streamed(real, y, i, values_by(w->rule, codes, back, center), n, streams);
    }
}

/* A zero point that would be added and subtracted again is neither. */
LQ_INLINE void fake_run_of_steps(const lq_map_work *w, lq_real real, int64_t r, bool streams) {
    const unsigned char *x = w->x + r * w->x_step;
    unsigned char *y = w->codes + r * w->codes_step;
    const tile_rule p = rule_of_run(w, r * w->param_step);
    const tile back = tile_splat(w->back[r * w->param_step]);
    const itile none = itile_splat(0);
    for (int64_t i = 0; i < w->count; i += TILE) {
        const int64_t n = w->count - i;
        const itile steps = multiplied_codes(&p, false, reals_at(real, x, i, n), none);
        reals_streamed(real, y, i, tile_multiply(tile_of(steps), back), n, streams);
    }
}

LQ_INLINE void fake_run(const lq_map_work *w, lq_real real, int64_t r, bool streams) {
    const int64_t at = r * w->param_step;
    const run_way way = way_of_run(w, at);
    if (way == MULTIPLIED && !w->rule->divide_back && w->center[at] == (float)w->zero[at]) {
        fake_run_of_steps(w, real, r, streams);
    } else if (way == MULTIPLIED_AND_ADDED) {
        fake_run_by(w, real, r, MULTIPLIED_AND_ADDED, streams);
    } else {
        fake_run_by(w, real, r, BY_RULE, false);
    }
}

LQ_INLINE void fake_runs_by(const lq_map_work *w, lq_real real, bool streams) {
    const itile none = itile_splat(0);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *y = w->codes + r * w->codes_step;
        if (w->rule) {
            fake_run(w, real, r, streams);
            continue;
        }
        const plain_run p = plain_of_run(w, r * w->param_step);
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const tile steps = tile_of(plain_codes(&p, reals_at(real, x, i, n), none));
            reals_streamed(real, y, i, tile_multiply(steps, p.scale), n, streams);
        }
    }
}

LQ_INLINE void fake_runs(const lq_map_work *w, lq_real real) {
    if (is_coded(w->format, w->table)) {
        fake_rows(w, real, false);
    } else if (real == LQ_REAL_f32 && w->streams) {
        fake_runs_by(w, real, true);
    } else {
        fake_runs_by(w, real, false);
    }
}

LQ_INLINE void fake_lanes(const lq_map_work *w, lq_real real) {
    if (is_coded(w->format, w->table)) {
        fake_rows(w, real, true);
        return;
    }
    const itile none = itile_splat(0);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *y = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const tile v = reals_at(real, x, i, n);
            if (w->rule) {
                const tile_rule p = rule_of_lanes(w, i, n);
                reals_to(real, y, i,
                         values_by(w->rule, tile_of(codes_by(w->rule, &p, v)),
                                   floats_at(w->back, i, n), floats_at(w->center, i, n)),
                         n);
            } else {
                const tile scale = floats_at(w->scale, i, n);
                const itile steps = plain_lanes(w, v, scale, zeros_at(w->zero, i, n), none);
                reals_to(real, y, i, tile_multiply(tile_of(steps), scale), n);
            }
        }
    }
}

#include "loops/simd_ranges.h"
#include "loops/tally.h"
#include "loops/simd_reals.h"
