/*
 * The hot loops, written once over the vector vocabulary of a level (its vec.h and codes.h):
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
 *   btile, to_bytes          a tile of codes of up to 8 bits, in order; the low ones of int32
 *   htile, htile_of          int16, in the order in which packing takes them; int32 saturated
 *   htile_splat, htile_add   added with saturation
 *   htile_to_even            floats rounded to even and saturated; not certain where one is NaN or
 *                            -2^15 or less, or too large
 *   btile_of, btile_of_unsigned int16 saturated
 *   btile_splat, btile_min, btile_max, btile_xor of signed bytes
 *   bytes_store, bytes_store_n as codes of a width
 *   bytes_stream             as bytes past the caches
 *   tile_divide              x / s
 *   tile_quotient            the same from an inverse, or NaN where that is not certain
 *   tile_any_nan, tile_nan_to_zero
 *   tile_nan_to              NaN replaced by another's element
 *   tile_round               to int32 by any lq_rounding, for magnitudes below 2^22
 *   tile_codes               clamp to [qmin - zero, qmax - zero], round to even, add zero; no NaN
 *   tile_multiples           clamp to lo <= 0 <= hi, round to even, multiply by a positive scale;
 *                            no NaN, and no zero comes out negative
 *   tile_values              ((bits ^ sign) - zero) * scale
 *   tile_min, tile_max       of x and an accumulator that x's NaN leaves alone
 *   tile_lesser, tile_greater of numbers; of a NaN and a number either
 *   tile_drop_nonfinite      infinities become NaN
 *   tile_quiet               signaling NaNs become quiet, their other bits kept
 *   tile_first_n             the first n of a, then b
 *   tile_lowest, tile_highest over all elements
 */
#include "loops/accumulators.h"
#include "loops/simd_bytes.h"

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

LQ_INLINE tile plain_quotient(const plain_run *p, tile v) {
    const tile t = tile_quotient(v, p->scale, p->inverse);
    return LQ_RARELY(tile_any_nan(t)) ? tile_nan_to_zero(tile_divide(v, p->scale)) : t;
}

LQ_INLINE itile plain_codes(const plain_run *p, tile v, itile zero) {
    return tile_codes(plain_quotient(p, v), p->lo, p->hi, zero);
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

LQ_INLINE void bytes_to(lq_width width, unsigned char *q, int64_t i, btile b, int64_t n,
                        bool streams) {
    if (n < TILE) {
        bytes_store_n(width, q, i, b, n);
    } else if (streams) {
        bytes_stream(q, i, b);
    } else {
        bytes_store(width, q, i, b);
    }
}

#include "loops/simd_rows.h"
#include "loops/simd_coded.h"

/* What a run does with each value: loops of their own for the plain rule and those that multiply. */
typedef enum { BY_RULE, DIVIDED, MULTIPLIED, MULTIPLIED_AND_ADDED } run_way;

LQ_INLINE run_way way_of_run(const lq_map_work *w, int64_t at) {
    const lq_element_rule *rule = w->rule;
    if (!rule) return DIVIDED;
    const bool multiplies = rule->multiply && rule->precision == LQ_REAL_f32 && !rule->minimum;
    if (!multiplies || rule->rounding != LQ_ROUND_EVEN) return BY_RULE;
    if (w->offset[at] == 0.0f) return MULTIPLIED;
    return w->zero[at] == 0 ? MULTIPLIED_AND_ADDED : BY_RULE;
}

/* As codes_by has it; NaN is rare, so a tile is first asked whether it has any. */
LQ_INLINE tile multiplied(const tile_rule *p, bool add, tile v) {
    tile t = tile_multiply(v, p->scale);
    if (add) t = tile_add(t, p->offset);
    return LQ_RARELY(tile_any_nan(t)) ? tile_nan_to(t, p->nan) : t;
}

LQ_INLINE itile codes_of_run(const lq_element_rule *rule, const tile_rule *p, run_way way, tile v) {
    if (way == BY_RULE) return codes_by(rule, p, v);
    return tile_codes(multiplied(p, true, v), p->lo, p->hi, p->zero);
}

LQ_INLINE void quantize_by_rule(const lq_map_work *w, lq_real real, lq_width width, int64_t r) {
    const unsigned char *x = w->x + r * w->x_step;
    unsigned char *q = w->codes + r * w->codes_step;
    const tile_rule p = rule_of_run(w, r * w->param_step);
    for (int64_t i = 0; i < w->count; i += TILE) {
        const int64_t n = w->count - i;
        codes_to(width, q, i, codes_by(w->rule, &p, reals_at(real, x, i, n)), n);
    }
}

/* What a tile of such a run goes through. */
typedef struct quick_run {
    tile scale, inverse, offset, nan, lo, hi;
    itile zero;
    byte_range range;
} quick_run;

LQ_INLINE quick_run quick_of_run(const lq_map_work *w, int64_t at, run_way way, bytes_kind kind) {
    quick_run q;
    if (way == DIVIDED) {
        const plain_run p = plain_of_run(w, at);
        q = (quick_run){.scale = p.scale, .inverse = p.inverse, .lo = p.lo, .hi = p.hi};
        q.zero = p.zero;
        q.nan = tile_splat(0.0f);
    } else {
        const tile_rule p = rule_of_run(w, at);
        q = (quick_run){.scale = p.scale, .offset = p.offset, .lo = p.lo, .hi = p.hi};
        q.zero = p.zero;
        q.nan = p.nan;
    }
    q.range = byte_range_of(w->zero[at], w->qmin, w->qmax, kind);
    return q;
}

LQ_INLINE tile quick_quotient(const quick_run *p, run_way way, tile v) {
    if (way == DIVIDED) return tile_quotient(v, p->scale, p->inverse);
    const tile t = tile_multiply(v, p->scale);
    return way == MULTIPLIED_AND_ADDED ? tile_add(t, p->offset) : t;
}

/* Where there is NaN or much beyond the codes, or that may be. */
LQ_INLINE itile careful_codes(const quick_run *p, run_way way, tile v, tile t) {
    if (way == DIVIDED) t = tile_divide(v, p->scale);
    return tile_codes(tile_nan_to(t, p->nan), p->lo, p->hi, p->zero);
}

LQ_INLINE void quantize_tile(const quick_run *p, run_way way, bytes_kind kind, lq_real real,
                             lq_width width, const unsigned char *x, unsigned char *q, int64_t i,
                             int64_t n, bool streams) {
    const tile v = reals_at(real, x, i, n);
    const tile t = quick_quotient(p, way, v);
    if (width == LQ_WIDTH_16) {
        const itile c =
            tile_any_nan(t) ? careful_codes(p, way, v, t) : tile_codes(t, p->lo, p->hi, p->zero);
        codes_to(width, q, i, c, n);
        return;
    }
    bool certain;
    /* Zero is 0 then, but unsigned bytes may be less 128. */
    const bool add = kind == ANY_BYTES || way != MULTIPLIED_AND_ADDED;
    btile b = tile_bytes(t, &p->range, kind, add, &certain);
    if (LQ_RARELY(!certain)) b = to_bytes(careful_codes(p, way, v, t));
    bytes_to(width, q, i, b, n, streams);
}

/* The rows that one run's parameters are for. */
LQ_INLINE void quantize_quickly(const lq_map_work *w, lq_real real, lq_width width, int64_t r,
                                run_way way, bytes_kind kind, bool streams) {
    const int64_t count = w->count, end = w->param_step ? r + 1 : w->rows;
    const quick_run p = quick_of_run(w, r * w->param_step, way, kind);
    for (; r < end; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        int64_t i = 0;
        for (; i + TILE <= count; i += TILE) {
            quantize_tile(&p, way, kind, real, width, x, q, i, TILE, streams);
        }
        if (i < count) quantize_tile(&p, way, kind, real, width, x, q, i, count - i, false);
    }
}

/* Constants for the compiler. */
LQ_INLINE void quantize_run_of(const lq_map_work *w, lq_real real, lq_width width, int64_t r,
                               run_way way, bytes_kind kind, bool streams) {
    switch (way) {
    case DIVIDED: quantize_quickly(w, real, width, r, DIVIDED, kind, streams); break;
    case MULTIPLIED: quantize_quickly(w, real, width, r, MULTIPLIED, kind, streams); break;
    default: quantize_quickly(w, real, width, r, MULTIPLIED_AND_ADDED, kind, streams); break;
    }
}

/* Clamping to all signed or unsigned bytes is what packing does: a tenth of the time of floats. */
LQ_INLINE void quantize_run(const lq_map_work *w, lq_real real, lq_width width, int64_t r,
                            run_way way, bool streams) {
    const bool bytes_of_floats = real == LQ_REAL_f32 && width == LQ_WIDTH_8;
    if (bytes_of_floats && w->qmax == INT8_MAX && w->qmin < 0) {
        quantize_run_of(w, real, width, r, way, SIGNED_BYTES, streams);
    } else if (bytes_of_floats && w->qmax == UINT8_MAX && w->qmin == 0) {
        quantize_run_of(w, real, width, r, way, UNSIGNED_BYTES, streams);
    } else {
        quantize_run_of(w, real, width, r, way, width < LQ_WIDTH_8 ? NARROW_BYTES : ANY_BYTES,
                        false);
    }
}

LQ_INLINE void quantize_rows(const lq_map_work *w, lq_real real, lq_width width, int64_t r,
                             bool streams) {
    for (; r < w->rows; ++r) {
        const run_way way = way_of_run(w, r * w->param_step);
        if (way == BY_RULE) {
            quantize_by_rule(w, real, width, r);
        } else {
            quantize_run(w, real, width, r, way, streams);
            if (!w->param_step) break;
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

/* The same in bytes. Inverses of the scales, kept for all rows, gain nothing in AVX2. */
LQ_INLINE btile plain_bytes(const lq_map_work *w, const byte_range *all, tile v, tile scale,
                            itile zero) {
    const byte_range range = byte_range_with(*all, zero, byte_bias(w->qmax));
    bool certain;
    const btile b = tile_bytes(tile_divide(v, scale), &range, ANY_BYTES, true, &certain);
    return LQ_RARELY(!certain) ? to_bytes(plain_lanes(w, v, scale, zero, zero)) : b;
}

LQ_INLINE void quantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    if (is_coded(w->format, w->table)) {
        encode_rows(w, real, width, true);
        return;
    }
    const byte_range all = byte_range_of(0, w->qmin, w->qmax, ANY_BYTES);
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
                tile scale = floats_at(w->scale, i, n);
                if (n < TILE) scale = tile_first_n(scale, tile_splat(1.0f), n); /* 0 / 0 is NaN */
                if (width == LQ_WIDTH_16) {
                    codes_to(width, q, i, plain_lanes(w, v, scale, zero, zero), n);
                } else {
                    bytes_to(width, q, i, plain_bytes(w, &all, v, scale, zero), n, false);
                }
            }
        }
    }
}

#include "loops/simd_values.h"
#include "loops/simd_halves.h"
#include "loops/simd_ranges.h"
#include "loops/simd_blocks.h"
#include "loops/tally.h"
#include "loops/simd_reals.h"
