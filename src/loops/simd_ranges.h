/*
 * The part of simd.h that finds the ranges of values. For short rows there is more vocabulary, in a
 * level's rows.h:
 *
 *   vec                a vector of floats
 *   tile_load_rows     a vector from each of four rows
 *   fold_four          each of a tile's vectors on its way to one number, all four in a vector
 *   fold_rows          LANES / 4 of those to LANES numbers
 */

/* Without a filter NaN may be passed over, or come out. */
LQ_INLINE void widen(tile v, bool filter, tile *lo, tile *hi) {
    *lo = filter ? tile_min(v, *lo) : tile_lesser(v, *lo);
    *hi = filter ? tile_max(v, *hi) : tile_greater(v, *hi);
}

/* Of some rows as one. */
LQ_INLINE void range_joined(const unsigned char *x, int64_t x_step, int64_t rows, int64_t count,
                            lq_real real, bool filter, float *out_lo, float *out_hi) {
    const tile top = tile_splat(lq_from_bits(0x7f800000u));
    const tile bottom = tile_splat(lq_from_bits(0xff800000u));
    tile lo = top;
    tile hi = bottom;
    for (int64_t r = 0; r < rows; ++r, x += x_step) {
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
    }
    *out_lo = tile_lowest(lo);
    *out_hi = tile_highest(hi);
}

LQ_INLINE void range_row(const unsigned char *x, int64_t count, lq_real real, bool filter,
                         float *out_lo, float *out_hi) {
    range_joined(x, 0, 1, count, real, filter, out_lo, out_hi);
}

LQ_INLINE tile tile_magnitudes(tile t) {
    return tile_from_bits(itile_and(tile_bits(t), itile_splat(INT32_MAX)));
}

LQ_INLINE tile tile_larger_bits(tile a, tile b) {
    return tile_from_bits(itile_max(tile_bits(a), tile_bits(b)));
}

/* The largest magnitudes of LANES rows; of one with a NaN, that. */
LQ_INLINE void fold_magnitudes(const lq_range_work *w, lq_real real, const unsigned char *x,
                               float *most) {
    vec fours[LANES / 4];
    for (int g = 0; g < LANES / 4; ++g, x += 4 * w->x_step) {
        tile t = tile_magnitudes(tile_load_rows(real, x, w->x_step, 0));
        for (int64_t i = LANES; i < w->count; i += LANES) {
            t = tile_larger_bits(t, tile_magnitudes(tile_load_rows(real, x, w->x_step, i)));
        }
        fours[g] = fold_four(FOLD_BITS, t);
    }
    fold_rows(FOLD_BITS, fours, most);
}

/* The ranges of LANES rows, NaN aside. */
LQ_INLINE void fold_ranges(const lq_range_work *w, lq_real real, const unsigned char *x, float *lo,
                           float *hi) {
    const tile top = tile_splat(lq_from_bits(0x7f800000u));
    const tile bottom = tile_splat(lq_from_bits(0xff800000u));
    vec low[LANES / 4], high[LANES / 4];
    for (int g = 0; g < LANES / 4; ++g, x += 4 * w->x_step) {
        tile a = top, b = bottom;
        for (int64_t i = 0; i < w->count; i += LANES) {
            const tile v = tile_load_rows(real, x, w->x_step, i);
            a = tile_min(v, a);
            b = tile_max(v, b);
        }
        low[g] = fold_four(FOLD_LOWEST, a);
        high[g] = fold_four(FOLD_HIGHEST, b);
    }
    fold_rows(FOLD_LOWEST, low, lo);
    fold_rows(FOLD_HIGHEST, high, hi);
}

/* Rows with infinities, or NaN where that is not left out, or nothing finite, once more. */
LQ_INLINE void mend_ranges(const lq_range_work *w, lq_real real, const unsigned char *x,
                           int64_t rows, float *lo, float *hi) {
    uint32_t any = 0;
    for (int64_t r = 0; r < rows; ++r) {
        any |= (lq_bits(lo[r]) & 0x7fffffffu) + 0x00800000u;
        any |= (lq_bits(hi[r]) & 0x7fffffffu) + 0x00800000u;
    }
    if (!(any >> 31)) return;
    for (int64_t r = 0; r < rows; ++r) {
        if (lq_is_finite(lo[r]) && lq_is_finite(hi[r])) continue;
        range_row(x + r * w->x_step, w->count, real, true, &lo[r], &hi[r]);
    }
}

/* Rows whose ranges are found together; a multiple of LANES. */
enum { RANGE_PIECE = 64 };

LQ_INLINE void ranges_of_rows(const lq_range_work *w, lq_real real, const unsigned char *x,
                              int64_t rows, float *restrict lo, float *restrict hi) {
    if (w->magnitudes) {
        for (int64_t r = 0; r < rows; r += LANES) {
            fold_magnitudes(w, real, x + r * w->x_step, hi + r);
        }
        for (int64_t r = 0; r < rows; ++r) lo[r] = -hi[r];
    } else {
        for (int64_t r = 0; r < rows; r += LANES) {
            fold_ranges(w, real, x + r * w->x_step, lo + r, hi + r);
        }
    }
    mend_ranges(w, real, x, rows, lo, hi);
}

LQ_INLINE void range_piece(const lq_range_work *w, lq_real real, int64_t first, int64_t rows) {
    float *restrict to_lo = w->lo + first;
    float *restrict to_hi = w->hi + first;
    float lo[RANGE_PIECE], hi[RANGE_PIECE];
    ranges_of_rows(w, real, w->x + first * w->x_step, rows, lo, hi);
    for (int64_t r = 0; r < rows; ++r) to_lo[r] = lo[r] < to_lo[r] ? lo[r] : to_lo[r];
    for (int64_t r = 0; r < rows; ++r) to_hi[r] = hi[r] > to_hi[r] ? hi[r] : to_hi[r];
}

/* As many rows as are whole vectors of ranges; returns how many. */
LQ_INLINE int64_t range_short(const lq_range_work *work, lq_real real) {
    enum { LONG = 512 };
    const lq_range_work local = *work;
    const lq_range_work *w = &local;
    const int64_t end = w->rows / LANES * LANES;
    if (w->range_step != 1 || w->count % LANES != 0 || w->count == 0 || w->count > LONG) return 0;
    for (int64_t r = 0; r < end; r += RANGE_PIECE) {
        range_piece(w, real, r, end - r < RANGE_PIECE ? end - r : RANGE_PIECE);
    }
    return end;
}

LQ_INLINE void range_runs(const lq_range_work *w, lq_real real) {
    const int64_t joined = w->range_step ? 1 : w->rows;
    for (int64_t r = range_short(w, real); r < w->rows; r += joined) {
        const unsigned char *x = w->x + r * w->x_step;
        float lo, hi;
        float *out_lo = w->lo + r * w->range_step;
        float *out_hi = w->hi + r * w->range_step;
        range_joined(x, w->x_step, joined, w->count, real, false, &lo, &hi);
        /* There is an infinity or NaN among them, or nothing finite. */
        if (!lq_is_finite(lo) || !lq_is_finite(hi)) {
            range_joined(x, w->x_step, joined, w->count, real, true, &lo, &hi);
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
