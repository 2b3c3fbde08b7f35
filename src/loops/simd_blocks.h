/*
 * The part of simd.h for blocks with their scales: ranges, scales and codes of some rows, then of
 * the next. Between kernels of their own, each for all rows, lies half of the time. How many is a
 * constant, so that loops over their scales have no ends.
 */

/* What there is of each row in the meantime. */
typedef struct block_rows {
    float lo[LQ_BLOCK_ROWS], hi[LQ_BLOCK_ROWS];
    float stored[LQ_BLOCK_ROWS], used[LQ_BLOCK_ROWS], low[LQ_BLOCK_ROWS], offset[LQ_BLOCK_ROWS];
    int32_t zero[LQ_BLOCK_ROWS];
    signed char negative_first[LQ_BLOCK_ROWS];
} block_rows;

/* What all rows share. */
LQ_INLINE void start_rows(const lq_map_work *w, block_rows *rows) {
    for (int i = 0; i < LQ_BLOCK_ROWS; ++i) {
        rows->zero[i] = w->zero[0];
        rows->offset[i] = w->rule ? w->offset[0] : 0.0f;
        rows->negative_first[i] = 0;
    }
}

/* Which of two opposite ends is the extreme one, only their order tells. */
LQ_INLINE bool any_tie(const block_rows *rows) {
    uint32_t any = 0;
    for (int i = 0; i < LQ_BLOCK_ROWS; ++i) {
        any |= (uint32_t)((rows->hi[i] > 0) & (rows->lo[i] == -rows->hi[i]));
    }
    return any != 0;
}

/* Below 0 where the first of a row's extreme values is. */
LQ_INLINE signed char sign_of_first(const unsigned char *x, int64_t count, float extreme) {
    for (int64_t i = 0; i < count; ++i) {
        const float v = load_one(LQ_REAL_f32, x, i);
        if (v == extreme) return 1;
        if (v == -extreme) return -1;
    }
    return 0;
}

static void break_ties(const lq_block_work *w, const unsigned char *x, block_rows *rows) {
    for (int i = 0; i < LQ_BLOCK_ROWS; ++i, x += w->map.x_step) {
        const float hi = rows->hi[i];
        if (!(hi > 0 && rows->lo[i] == -hi)) continue;
        rows->negative_first[i] = w->lower_first ? -1 : sign_of_first(x, w->map.count, hi);
    }
}

/* The rows' part of it. */
LQ_INLINE lq_choose_work choose_work_of(const lq_block_work *w, block_rows *rows) {
    lq_choose_work c = w->choose;
    c.lo = rows->lo;
    c.hi = rows->hi;
    c.negative_first = rows->negative_first;
    c.stored = rows->stored;
    c.used = rows->used;
    c.low = rows->low;
    return c;
}

/* As choose_scales has it; and what codes are multiplied by. */
LQ_INLINE void choose_for_rows(const lq_choose_work *c, bool inverts) {
    float numerator[LQ_BLOCK_ROWS];
    choose_numerators(c, 0, LQ_BLOCK_ROWS, numerator);
    if (c->as == LQ_SCALES_F16) {
        choose_reals_in_float(c, 0, LQ_BLOCK_ROWS, numerator, LQ_REAL_f16);
    } else {
        choose_reals_in_float(c, 0, LQ_BLOCK_ROWS, numerator, LQ_REAL_f32);
    }
    float *restrict used = c->used;
    for (int i = 0; inverts && i < LQ_BLOCK_ROWS; ++i) {
        const float inverse = 1.0f / used[i];
        used[i] = used[i] == 0 ? 0.0f : inverse;
    }
}

/* What codes of some rows are found with. */
static void find_scales(const lq_block_work *w, const lq_choose_work *choose,
                        const unsigned char *x, block_rows *rows) {
    const lq_range_work ranges = {.count = w->map.count,
                                  .x_step = w->map.x_step,
                                  .magnitudes = choose->numerator == LQ_FROM_ABSMAX};
    ranges_of_rows(&ranges, LQ_REAL_f32, x, LQ_BLOCK_ROWS, rows->lo, rows->hi);
    if (choose->numerator == LQ_FROM_EXTREME && any_tie(rows)) break_ties(w, x, rows);
    choose_for_rows(choose, w->inverts);
}

LQ_INLINE void scatter_of_rows(const unsigned char *from, int size, unsigned char *to,
                               int64_t step) {
    enum { TOGETHER = 8 }; /* unrolled */
    for (int i = 0; i < LQ_BLOCK_ROWS; i += TOGETHER) {
        for (int k = i; k < i + TOGETHER; ++k) memcpy(to + k * step, from + k * size, (size_t)size);
    }
}

/* Numbers of rows from one on to where they are kept. */
LQ_INLINE void store_of_rows(const lq_store_work *w, int64_t first, const float *v) {
    unsigned char bytes[LQ_BLOCK_ROWS * 4];
    const tile most = tile_splat(w->largest), least = tile_splat(-w->largest);
    const int size = w->real == LQ_REAL_f32 ? 4 : 2;
    for (int64_t i = 0; i < LQ_BLOCK_ROWS; i += TILE) {
        const tile t = tile_load(LQ_REAL_f32, (const unsigned char *)v, i);
        tile_store(w->real, bytes, i, tile_max(tile_min(t, most), least));
    }
    unsigned char *to = w->to + first * w->step;
    if (w->step == size) {
        memcpy(to, bytes, (size_t)(LQ_BLOCK_ROWS * size));
    } else if (size == 2) {
        scatter_of_rows(bytes, 2, to, w->step);
    } else {
        scatter_of_rows(bytes, 4, to, w->step);
    }
}

/*
 * How far ahead lines are asked for while codes are found: rows that come next must be there when
 * their ranges are, as nothing else waits so often.
 */
LQ_INLINE int64_t blocks_ahead(const lq_map_work *w) {
    enum { FAR = 16384 };
    const int64_t rows = LQ_BLOCK_ROWS * w->x_step;
    const int64_t most = rows > FAR ? rows : FAR;
    return w->ahead < most ? w->ahead : most;
}

LQ_INLINE int64_t quantize_blocks_of(const lq_block_work *w, lq_width width) {
    const int together = rows_together(&w->map, LQ_REAL_f32, width);
    lq_map_work map = w->map;
    block_rows rows;
    int64_t r = 0;
    if (together == 0 || map.count % LANES || map.rows < LQ_BLOCK_ROWS) return 0;
    const lq_choose_work choose = choose_work_of(w, &rows);
    start_rows(&map, &rows);
    map.rows = LQ_BLOCK_ROWS;
    map.scale = rows.used;
    map.zero = rows.zero;
    map.offset = rows.offset;
    map.center = rows.low;
    map.ahead = blocks_ahead(&map);
    const rows_way way = way_of_rows(&map);
    for (; r + LQ_BLOCK_ROWS <= w->map.rows; r += LQ_BLOCK_ROWS) {
        const unsigned char *x = map.x + r * map.x_step;
        find_scales(w, &choose, x, &rows);
        quantize_rows_together(&map, LQ_REAL_f32, width, way, together, x,
                               map.codes + r * map.codes_step, 0, LQ_BLOCK_ROWS);
        store_of_rows(&w->scales, r, rows.stored);
        if (w->minimums.to) store_of_rows(&w->minimums, r, rows.low);
    }
    return r;
}

static int64_t quantize_blocks(const lq_block_work *w, lq_width width) {
    return width == LQ_WIDTH_8 ? quantize_blocks_of(w, LQ_WIDTH_8)
                               : quantize_blocks_of(w, LQ_WIDTH_4);
}
