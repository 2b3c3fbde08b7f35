/* The part of simd.h that finds the ranges of values. */

/* Without a filter NaN may be passed over, or come out. */
LQ_INLINE void widen(tile v, bool filter, tile *lo, tile *hi) {
    *lo = filter ? tile_min(v, *lo) : tile_lesser(v, *lo);
    *hi = filter ? tile_max(v, *hi) : tile_greater(v, *hi);
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
        widen(v, filter, &lo, &hi);
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

#include "loops/short_ranges.h"

LQ_INLINE void range_runs(const lq_range_work *w, lq_real real) {
    for (int64_t r = range_short(w, real); r < w->rows; ++r) {
        float lo, hi;
        float *out_lo = w->lo + r * w->range_step;
        float *out_hi = w->hi + r * w->range_step;
        range_row(w->x + r * w->x_step, w->count, real, false, &lo, &hi);
        /* There is an infinity or NaN in the row, or nothing finite. */
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
