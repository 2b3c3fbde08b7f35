/*
 * The part of simd_ranges.h for rows of a few elements: many rows at once, halved until there is one
 * value of each left. Reducing rows one by one would take longer than reading them. Plain C whose
 * loops have constant lengths, which compilers make into vectors.
 */

/* Elements that are reduced together. */
enum { SHORT_PIECE = 1024 };

/* An accumulator is second, where NaN in the first leaves it alone. */
LQ_INLINE float lower_of(float v, float low) {
    return v < low ? v : low;
}

LQ_INLINE float higher_of(float v, float high) {
    return v > high ? v : high;
}

/* Elements j and j + count / 2 of each row. */
LQ_INLINE void halve_rows(const unsigned char *x, int64_t step, lq_real real, int count,
                          float *restrict lo, float *restrict hi) {
    const float top = lq_from_bits(0x7f800000u);
    const float bottom = lq_from_bits(0xff800000u);
    const int half = count / 2;
    for (int r = 0; r < SHORT_PIECE / count; ++r, x += step) {
        for (int j = 0; j < half; ++j) {
            const float a = load_one(real, x, j);
            const float b = load_one(real, x, j + half);
            lo[r * half + j] = lower_of(b, lower_of(a, top));
            hi[r * half + j] = higher_of(b, higher_of(a, bottom));
        }
    }
}

LQ_INLINE void halve_lows(const float *restrict from, float *restrict to, int n) {
    for (int i = 0; i < n; ++i) to[i] = lower_of(from[2 * i], from[2 * i + 1]);
}

LQ_INLINE void halve_highs(const float *restrict from, float *restrict to, int n) {
    for (int i = 0; i < n; ++i) to[i] = higher_of(from[2 * i], from[2 * i + 1]);
}

/* SHORT_PIECE / count rows. */
LQ_INLINE void range_piece(const unsigned char *x, int64_t step, lq_real real, int count,
                           float *restrict low, float *restrict high) {
    float lo[2][SHORT_PIECE / 2], hi[2][SHORT_PIECE / 2];
    int n = SHORT_PIECE / 2, at = 0;
    halve_rows(x, step, real, count, lo[0], hi[0]);
    for (int width = count / 2; width > 2; width /= 2, at = !at) {
        n /= 2;
        halve_lows(lo[at], lo[!at], n);
        halve_highs(hi[at], hi[!at], n);
    }
    halve_lows(lo[at], low, n / 2);
    halve_highs(hi[at], high, n / 2);
}

/* Rows with infinities, or nothing finite, which are rare, once more. */
LQ_INLINE void mend_ranges(const unsigned char *x, int64_t step, lq_real real, int count, int rows,
                           float *low, float *high) {
    uint32_t any = 0;
    for (int r = 0; r < rows; ++r) {
        any |= (lq_bits(low[r]) & 0x7fffffffu) + 0x00800000u;
        any |= (lq_bits(high[r]) & 0x7fffffffu) + 0x00800000u;
    }
    if (!(any >> 31)) return;
    for (int r = 0; r < rows; ++r) {
        if (lq_is_finite(low[r]) && lq_is_finite(high[r])) continue;
        range_row(x + r * step, count, real, true, &low[r], &high[r]);
    }
}

/* As many rows as are whole pieces; returns how many. */
LQ_INLINE int64_t range_short_by(const lq_range_work *w, lq_real real, int count) {
    const int rows = SHORT_PIECE / count;
    float low[SHORT_PIECE / 16], high[SHORT_PIECE / 16];
    int64_t done = 0;
    for (; done + rows <= w->rows; done += rows) {
        const unsigned char *x = w->x + done * w->x_step;
        float *restrict lo = w->lo + done;
        float *restrict hi = w->hi + done;
        range_piece(x, w->x_step, real, count, low, high);
        mend_ranges(x, w->x_step, real, count, rows, low, high);
        for (int r = 0; r < rows; ++r) lo[r] = lower_of(low[r], lo[r]);
        for (int r = 0; r < rows; ++r) hi[r] = higher_of(high[r], hi[r]);
    }
    return done;
}

/* Constants for the compiler. */
LQ_INLINE int64_t range_short(const lq_range_work *w, lq_real real) {
    if (w->range_step != 1) return 0;
    switch (w->count) {
    case 16: return range_short_by(w, real, 16);
    case 32: return range_short_by(w, real, 32);
    case 64: return range_short_by(w, real, 64);
    default: return 0;
    }
}
