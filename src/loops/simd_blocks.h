/*
 * The part of simd.h for blocks with their scales: ranges, scales and codes of some rows, then of
 * the next. Between kernels of their own, each for all rows, lies half of the time. How many is a
 * constant, so that loops over their scales have no ends.
 */

/* Which of two opposite ends is the extreme one, only their order tells. */
LQ_INLINE bool any_tie(const float *lo, const float *hi) {
    uint32_t any = 0;
    for (int i = 0; i < LQ_BLOCK_ROWS; ++i) any |= (uint32_t)((hi[i] > 0) & (lo[i] == -hi[i]));
    return any != 0;
}

/* As choose_scales has it; and what codes are multiplied by. */
LQ_INLINE void choose_for_rows(const lq_block_work *w, const float *lo, const float *hi,
                               int64_t first) {
    lq_choose_work c = w->choose;
    float high[LQ_BLOCK_ROWS], numerator[LQ_BLOCK_ROWS];
    c.lo = lo;
    c.hi = hi;
    c.negative_first += first;
    c.stored += first;
    c.used += first;
    c.low += first;
    choose_ends(&c, 0, LQ_BLOCK_ROWS, c.low, high);
    choose_numerators(&c, 0, LQ_BLOCK_ROWS, c.low, high, numerator);
    if (c.as == LQ_SCALES_F16) {
        choose_reals_in_float(&c, 0, LQ_BLOCK_ROWS, numerator, LQ_REAL_f16);
    } else {
        choose_reals_in_float(&c, 0, LQ_BLOCK_ROWS, numerator, LQ_REAL_f32);
    }
    for (int i = 0; w->inverts && i < LQ_BLOCK_ROWS; ++i) {
        const float inverse = 1.0f / c.used[i];
        c.used[i] = c.used[i] == 0 ? 0.0f : inverse;
    }
}

/* Lines that are written later; while ranges are found, the memory has little to do. */
LQ_INLINE void fetch_codes(const lq_map_work *w, int64_t first) {
    const unsigned char *codes = w->codes + first * w->codes_step;
    for (int64_t i = 0; i < LQ_BLOCK_ROWS * w->codes_step; i += LQ_LINE) LQ_FETCH(codes + i);
}

LQ_INLINE int64_t quantize_blocks_of(const lq_block_work *w, lq_width width) {
    lq_map_work map = w->map;
    const int together = rows_together(&map, LQ_REAL_f32, width);
    const lq_range_work ranges = {.count = map.count,
                                  .x_step = map.x_step,
                                  .magnitudes = w->choose.numerator == LQ_FROM_ABSMAX};
    int64_t r = 0;
    if (together == 0 || map.count % LANES || map.rows < LQ_BLOCK_ROWS) return 0;
    const rows_way way = way_of_rows(&map);
    if (map.ahead) map.ahead = LQ_BLOCK_ROWS * map.x_step;
    for (; r + LQ_BLOCK_ROWS <= map.rows; r += LQ_BLOCK_ROWS) {
        float lo[LQ_BLOCK_ROWS], hi[LQ_BLOCK_ROWS];
        if (map.ahead) fetch_codes(&map, r);
        ranges_of_rows(&ranges, LQ_REAL_f32, map.x + r * map.x_step, LQ_BLOCK_ROWS, lo, hi);
        if (w->choose.numerator == LQ_FROM_EXTREME && any_tie(lo, hi)) break;
        choose_for_rows(w, lo, hi, r);
        quantize_rows_together(&map, LQ_REAL_f32, width, way, together, r, r + LQ_BLOCK_ROWS);
    }
    return r;
}

static int64_t quantize_blocks(const lq_block_work *w, lq_width width) {
    return width == LQ_WIDTH_8 ? quantize_blocks_of(w, LQ_WIDTH_8)
                               : quantize_blocks_of(w, LQ_WIDTH_4);
}
