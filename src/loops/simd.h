/*
 * The hot loops, written once over the vector vocabulary of a level (its vec.h):
 *
 *   TILE                     elements of a tile, four vectors
 *   tile, itile              floats; their int32 counterparts
 *   tile_splat, itile_splat
 *   tile_of                  int32 to float
 *   tile_bits                the same bits as int32
 *   tile_subtract, tile_multiply, itile_add
 *   tile_load, tile_load_n   real elements, widened; _n takes fewer than TILE, the rest are 0
 *   tile_store, tile_store_n real elements, narrowed to nearest even
 *   itile_load, itile_load_n int32 elements
 *   codes_load, codes_load_n codes of a width, as their bits in int32
 *   codes_store, codes_store_n the low bits of int32, as codes of a width
 *   tile_divide              x / s
 *   tile_quotient            the same from an inverse, or NaN where that is not certain
 *   tile_any_nan, tile_nan_to_zero
 *   tile_codes               clamp to [qmin - zero, qmax - zero], round to even, add zero
 *   tile_values              ((bits ^ sign) - zero) * scale
 *   tile_min, tile_max       of x and an accumulator that x's NaN leaves alone
 *   tile_drop_nonfinite      infinities become NaN
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

LQ_INLINE void quantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        const float s = w->scale[r * w->param_step];
        const int32_t z = w->zero[r * w->param_step];
        const tile scale = tile_splat(s);
        const tile inverse = tile_splat(inverse_of(s));
        const tile lo = tile_splat((float)(w->qmin - z));
        const tile hi = tile_splat((float)(w->qmax - z));
        const itile zero = itile_splat(z);
        for (int64_t i = 0; i < w->count; i += TILE) {
            int64_t n = w->count - i;
            tile v = n < TILE ? tile_load_n(real, x, i, n) : tile_load(real, x, i);
            tile t = tile_quotient(v, scale, inverse);
            if (tile_any_nan(t)) t = tile_nan_to_zero(tile_divide(v, scale));
            itile c = tile_codes(t, lo, hi, zero);
            if (n < TILE) {
                codes_store_n(width, q, i, c, n);
            } else {
                codes_store(width, q, i, c);
            }
        }
    }
}

LQ_INLINE void quantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    const tile qmin = tile_splat((float)w->qmin);
    const tile qmax = tile_splat((float)w->qmax);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        const unsigned char *scales = (const unsigned char *)w->scale;
        for (int64_t i = 0; i < w->count; i += TILE) {
            int64_t n = w->count - i;
            bool full = n >= TILE;
            tile v = full ? tile_load(real, x, i) : tile_load_n(real, x, i, n);
            tile scale =
                full ? tile_load(LQ_REAL_f32, scales, i) : tile_load_n(LQ_REAL_f32, scales, i, n);
            itile zero = full ? itile_load(w->zero + i) : itile_load_n(w->zero + i, n);
            tile z = tile_of(zero);
            tile t = tile_nan_to_zero(tile_divide(v, scale));
            itile c = tile_codes(t, tile_subtract(qmin, z), tile_subtract(qmax, z), zero);
            if (full) {
                codes_store(width, q, i, c);
            } else {
                codes_store_n(width, q, i, c, n);
            }
        }
    }
}

LQ_INLINE void dequantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    const itile sign = itile_splat((int32_t)w->sign);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        unsigned char *x = w->x + r * w->x_step;
        const tile scale = tile_splat(w->scale[r * w->param_step]);
        const itile zero = itile_splat(w->zero[r * w->param_step] + (int32_t)w->sign);
        int64_t i = 0;
        for (; i + TILE <= w->count; i += TILE) {
            tile_store(real, x, i, tile_values(codes_load(width, q, i), sign, zero, scale));
        }
        if (i < w->count) {
            int64_t n = w->count - i;
            tile_store_n(real, x, i, tile_values(codes_load_n(width, q, i, n), sign, zero, scale),
                         n);
        }
    }
}

LQ_INLINE void dequantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    const itile sign = itile_splat((int32_t)w->sign);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        unsigned char *x = w->x + r * w->x_step;
        const unsigned char *scales = (const unsigned char *)w->scale;
        for (int64_t i = 0; i < w->count; i += TILE) {
            int64_t n = w->count - i;
            bool full = n >= TILE;
            itile bits = full ? codes_load(width, q, i) : codes_load_n(width, q, i, n);
            itile zero = full ? itile_load(w->zero + i) : itile_load_n(w->zero + i, n);
            tile scale =
                full ? tile_load(LQ_REAL_f32, scales, i) : tile_load_n(LQ_REAL_f32, scales, i, n);
            tile v = tile_values(bits, sign, itile_add(zero, sign), scale);
            if (full) {
                tile_store(real, x, i, v);
            } else {
                tile_store_n(real, x, i, v, n);
            }
        }
    }
}

LQ_INLINE void range_row(const unsigned char *x, int64_t count, lq_real real, bool filter,
                         float *out_lo, float *out_hi) {
    const tile top = tile_splat(lq_from_bits(0x7f800000u));
    const tile bottom = tile_splat(lq_from_bits(0xff800000u));
    tile lo = top;
    tile hi = bottom;
    int64_t i = 0;
    for (; i + TILE <= count; i += TILE) {
        tile v = tile_load(real, x, i);
        if (filter) v = tile_drop_nonfinite(v);
        lo = tile_min(v, lo);
        hi = tile_max(v, hi);
    }
    if (i < count) {
        tile v = tile_load_n(real, x, i, count - i);
        if (filter) v = tile_drop_nonfinite(v);
        lo = tile_min(tile_first_n(v, top, count - i), lo);
        hi = tile_max(tile_first_n(v, bottom, count - i), hi);
    }
    *out_lo = tile_lowest(lo);
    *out_hi = tile_highest(hi);
}

LQ_INLINE void range_runs(const lq_range_work *w, lq_real real) {
    for (int64_t r = 0; r < w->rows; ++r) {
        float lo, hi;
        float *out_lo = w->lo + r * w->range_step;
        float *out_hi = w->hi + r * w->range_step;
        range_row(w->x + r * w->x_step, w->count, real, false, &lo, &hi);
        /* Infinite: there is an infinity in the row, or nothing finite. */
        if (!lq_is_finite(lo) || !lq_is_finite(hi)) {
            range_row(w->x + r * w->x_step, w->count, real, true, &lo, &hi);
        }
        *out_lo = lo < *out_lo ? lo : *out_lo;
        *out_hi = hi > *out_hi ? hi : *out_hi;
    }
}

LQ_INLINE void range_lanes(const lq_range_work *w, lq_real real) {
    unsigned char *lows = (unsigned char *)w->lo;
    unsigned char *highs = (unsigned char *)w->hi;
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        int64_t i = 0;
        for (; i + TILE <= w->count; i += TILE) {
            tile v = tile_drop_nonfinite(tile_load(real, x, i));
            tile_store(LQ_REAL_f32, lows, i, tile_min(v, tile_load(LQ_REAL_f32, lows, i)));
            tile_store(LQ_REAL_f32, highs, i, tile_max(v, tile_load(LQ_REAL_f32, highs, i)));
        }
        if (i < w->count) {
            int64_t n = w->count - i;
            tile v = tile_drop_nonfinite(tile_load_n(real, x, i, n));
            tile_store_n(LQ_REAL_f32, lows, i, tile_min(v, tile_load_n(LQ_REAL_f32, lows, i, n)),
                         n);
            tile_store_n(LQ_REAL_f32, highs, i, tile_max(v, tile_load_n(LQ_REAL_f32, highs, i, n)),
                         n);
        }
    }
}

LQ_INLINE itile acc_load(const unsigned char *acc, int64_t i, int64_t n) {
    return tile_bits(n < TILE ? tile_load_n(LQ_REAL_f32, acc, i, n)
                              : tile_load(LQ_REAL_f32, acc, i));
}

LQ_INLINE void requantize_float_runs(const lq_map_work *w, lq_width width) {
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *acc = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        const int32_t z = w->zero[r * w->param_step];
        const tile scale = tile_splat(w->scale[r * w->param_step]);
        const tile lo = tile_splat((float)(w->qmin - z));
        const tile hi = tile_splat((float)(w->qmax - z));
        const itile zero = itile_splat(z);
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const tile v = tile_multiply(tile_of(acc_load(acc, i, n)), scale);
            const itile c = tile_codes(v, lo, hi, zero);
            if (n < TILE) {
                codes_store_n(width, q, i, c, n);
            } else {
                codes_store(width, q, i, c);
            }
        }
    }
}

LQ_INLINE void requantize_float_lanes(const lq_map_work *w, lq_width width) {
    const tile qmin = tile_splat((float)w->qmin);
    const tile qmax = tile_splat((float)w->qmax);
    const unsigned char *scales = (const unsigned char *)w->scale;
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *acc = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const bool full = n >= TILE;
            const tile scale =
                full ? tile_load(LQ_REAL_f32, scales, i) : tile_load_n(LQ_REAL_f32, scales, i, n);
            const itile zero = full ? itile_load(w->zero + i) : itile_load_n(w->zero + i, n);
            const tile z = tile_of(zero);
            const tile v = tile_multiply(tile_of(acc_load(acc, i, n)), scale);
            const itile c = tile_codes(v, tile_subtract(qmin, z), tile_subtract(qmax, z), zero);
            if (full) {
                codes_store(width, q, i, c);
            } else {
                codes_store_n(width, q, i, c, n);
            }
        }
    }
}

LQ_INLINE void dequantize_products(const lq_product_work *w, lq_real real) {
    float v[ACC_PIECE];
    for (int64_t first = 0; first < w->count; first += ACC_PIECE) {
        const int64_t rest = w->count - first;
        const int32_t n = (int32_t)(rest < ACC_PIECE ? rest : ACC_PIECE);
        product_values(w, first, n, v);
        int32_t i = 0;
        for (; i + TILE <= n; i += TILE) {
            tile_store(real, w->x, first + i, tile_load(LQ_REAL_f32, (unsigned char *)v, i));
        }
        if (i < n) {
            const tile rest_of_it = tile_load_n(LQ_REAL_f32, (unsigned char *)v, i, n - i);
            tile_store_n(real, w->x, first + i, rest_of_it, n - i);
        }
    }
}
