/*
 * The part of simd.h for codes of many short rows, whose parameters cost as much as their elements
 * do. Over the vocabulary of a level's rows.h:
 *
 *   tile_to_btile      rounded and saturated to int8; false where some may mean nothing
 *   btile_within, btile_add
 *   btile_store_rows   as codes of a width to 1, 2 or 4 rows
 *   codes_load_rows    and back
 *   signed_load_rows   the same of signed bytes, extended
 */

/* ------------------------------------------------------------------------------- codes */

/* How the codes of many rows are found. */
typedef enum {
    ROWS_BY_RULE,
    ROWS_DIVIDED,
    ROWS_TO_EVEN,     /* multiplied */
    ROWS_AWAY,        /* the same, rounded away from 0 */
    ROWS_DOWN,        /* the same and an offset, truncated */
    ROWS_FROM_MINIMUM /* the same after the minimum is subtracted */
} rows_way;

/*
 * Whether all rows have one zero point and offset, and a loop of their own: codes are saturated to
 * int8 and clamped as bytes, zero points added there. What saturates to -128 is looked at again, so
 * that must not be a code.
 */
LQ_INLINE rows_way way_of_rows(const lq_map_work *w) {
    const lq_element_rule *rule = w->rule;
    const int32_t zero = w->zero[0];
    uint32_t differ = 0;
    for (int64_t r = 0; r < w->rows; ++r) differ |= (uint32_t)(w->zero[r] ^ zero);
    if (differ || w->qmin - zero <= -128 || w->qmax - zero > 127) return ROWS_BY_RULE;
    if (!rule) return ROWS_DIVIDED;
    const uint32_t offset = lq_bits(w->offset[0]);
    for (int64_t r = 0; r < w->rows; ++r) differ |= lq_bits(w->offset[r]) ^ offset;
    if (differ || !rule->multiply || rule->precision != LQ_REAL_f32) return ROWS_BY_RULE;
    if (rule->rounding == LQ_ROUND_HALF_UP) return rule->minimum ? ROWS_FROM_MINIMUM : ROWS_DOWN;
    if (rule->minimum || w->offset[0] != 0.0f) return ROWS_BY_RULE;
    return rule->rounding == LQ_ROUND_EVEN ? ROWS_TO_EVEN : ROWS_AWAY;
}

/* Any codes of a tile. */
static btile bytes_by_rule(const lq_map_work *w, int64_t r, int rows, const tile *v) {
    if (w->rule) {
        const tile_rule p = rule_of_rows(w, r, rows);
        return to_bytes(codes_by(w->rule, &p, *v));
    }
    const plain_run p = plain_of_rows(w, r, rows);
    return to_bytes(plain_codes(&p, *v, p.zero));
}

/* Of a tile of which all is as it mostly is; false where it is not. */
LQ_INLINE bool bytes_by_way(const lq_map_work *w, rows_way way, int64_t r, int rows,
                            const float *inverse, tile v, btile *to) {
    const tile scale = tile_of_rows(w->scale + r, rows);
    switch (way) {
    case ROWS_DIVIDED:
        v = tile_quotient(v, scale, tile_of_rows(inverse, rows));
        return tile_to_btile(LQ_ROUND_EVEN, v, to);
    case ROWS_TO_EVEN: return tile_to_btile(LQ_ROUND_EVEN, tile_multiply(v, scale), to);
    case ROWS_AWAY: return tile_to_btile(LQ_ROUND_AWAY, tile_multiply(v, scale), to);
    default:
        if (way == ROWS_FROM_MINIMUM) v = tile_subtract(v, tile_of_rows(w->center + r, rows));
        v = tile_add(tile_multiply(v, scale), tile_splat(w->offset[0]));
        return tile_to_btile(LQ_ROUND_HALF_UP, v, to);
    }
}

/* Rows whose inverses are found at once. */
enum { ROWS_PIECE = LQ_BLOCK_ROWS };

/*
 * Lines of the tile that has this one's place among those that come next: what has been read once
 * comes from the first-level cache, so that the memory would have nothing to do in the meantime.
 */
LQ_INLINE void fetch_tile(lq_real real, const unsigned char *x, int64_t i) {
    const int size = real == LQ_REAL_f32 ? 4 : 2;
    for (int k = 0; k < TILE * size; k += LQ_LINE) LQ_FETCH(x + i * size + k);
}

/* x and codes are those of the row `first`, as work is the same for many. */
LQ_INLINE void quantize_rows_piece(const lq_map_work *w, lq_real real, lq_width width, rows_way way,
                                   int rows, const unsigned char *x, unsigned char *codes,
                                   int64_t first, int64_t end) {
    const int32_t zero = w->zero[0], lo = w->qmin - zero, hi = w->qmax - zero;
    const int64_t ahead = w->ahead, codes_ahead = ahead ? ahead / w->x_step * w->codes_step : 0;
    float inverse[ROWS_PIECE];
    if (way == ROWS_DIVIDED) {
        for (int64_t r = first; r < end; ++r) inverse[r - first] = inverse_of(w->scale[r]);
    }
    const int64_t count = rows > 1 ? 1 : w->count;
    for (int64_t r = first; r < end; r += rows) {
        const unsigned char *row = x + (r - first) * w->x_step;
        unsigned char *q = codes + (r - first) * w->codes_step;
        for (int64_t i = 0; i < count; i += TILE) {
            const tile v = tile_load(real, row, i);
            btile b;
            if (ahead) {
                fetch_tile(real, row + ahead, i);
                LQ_FETCH(q + codes_ahead + (i << (int)width >> 2));
            }
            if (way != ROWS_BY_RULE &&
                bytes_by_way(w, way, r, rows, inverse + (r - first), v, &b)) {
                b = btile_add(btile_within(b, lo, hi), zero);
            } else {
                const tile copy = v;
                b = bytes_by_rule(w, r, rows, &copy);
            }
            btile_store_rows(width, q + (i << (int)width >> 2), w->codes_step, rows, b);
        }
    }
}

/*
 * Rows that follow each other without gaps and are one or more tiles, or of which a tile has 2 or 4.
 * How many a tile has; 0 where they are none of these.
 */
LQ_INLINE int rows_together(const lq_map_work *w, lq_real real, lq_width width) {
    enum { LONG = 512 };
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    if (w->param_step != 1 || w->x_step != w->count * size || w->count > LONG) return 0;
    if (width != LQ_WIDTH_8 && (width != LQ_WIDTH_4 || w->codes_step != w->count / 2)) return 0;
    if (w->count > 0 && w->count % TILE == 0) return 1;
    return w->count == TILE / 2 ? 2 : w->count == TILE / 4 ? 4 : 0;
}

/* Of at most ROWS_PIECE rows; constants for the compiler. */
LQ_INLINE void quantize_rows_of(const lq_map_work *work, lq_real real, lq_width width, rows_way way,
                                int rows, const unsigned char *x, unsigned char *q, int64_t first,
                                int64_t end) {
    const lq_map_work w = *work; /* what is in a local is not read anew after every store */
    switch (way) {
    case ROWS_DIVIDED:
        quantize_rows_piece(&w, real, width, ROWS_DIVIDED, rows, x, q, first, end);
        break;
    case ROWS_TO_EVEN:
        quantize_rows_piece(&w, real, width, ROWS_TO_EVEN, rows, x, q, first, end);
        break;
    case ROWS_AWAY: quantize_rows_piece(&w, real, width, ROWS_AWAY, rows, x, q, first, end); break;
    case ROWS_DOWN: quantize_rows_piece(&w, real, width, ROWS_DOWN, rows, x, q, first, end); break;
    case ROWS_FROM_MINIMUM:
        quantize_rows_piece(&w, real, width, ROWS_FROM_MINIMUM, rows, x, q, first, end);
        break;
    default: quantize_rows_piece(&w, real, width, ROWS_BY_RULE, rows, x, q, first, end); break;
    }
}

/* Floats to bytes are the commonest: constants for the compiler, but for the way. */
static void quantize_single_rows(const lq_map_work *w, rows_way way, const unsigned char *x,
                                 unsigned char *q, int64_t first, int64_t end) {
    quantize_rows_of(w, LQ_REAL_f32, LQ_WIDTH_8, way, 1, x, q, first, end);
}

static void quantize_pairs_of_rows(const lq_map_work *w, rows_way way, const unsigned char *x,
                                   unsigned char *q, int64_t first, int64_t end) {
    quantize_rows_of(w, LQ_REAL_f32, LQ_WIDTH_8, way, 2, x, q, first, end);
}

/* Of any type: a tile is long enough to ask which. */
static void quantize_any_rows(const lq_map_work *w, lq_real real, lq_width width, rows_way way,
                              int rows, const unsigned char *x, unsigned char *q, int64_t first,
                              int64_t end) {
    quantize_rows_of(w, real, width, way, rows, x, q, first, end);
}

LQ_INLINE void quantize_rows_together(const lq_map_work *w, lq_real real, lq_width width,
                                      rows_way way, int rows, const unsigned char *x,
                                      unsigned char *q, int64_t first, int64_t end) {
    const bool common = real == LQ_REAL_f32 && width == LQ_WIDTH_8;
    if (common && rows == 1) {
        quantize_single_rows(w, way, x, q, first, end);
    } else if (common && rows == 2) {
        quantize_pairs_of_rows(w, way, x, q, first, end);
    } else {
        quantize_any_rows(w, real, width, way, rows, x, q, first, end);
    }
}

/* Returns how many rows are done. */
LQ_INLINE int64_t quantize_short_rows(const lq_map_work *w, lq_real real, lq_width width) {
    const int rows = rows_together(w, real, width);
    const int64_t end = rows ? w->rows / rows * rows : 0;
    const rows_way way = end > 0 ? way_of_rows(w) : ROWS_BY_RULE;
    for (int64_t r = 0; r < end; r += ROWS_PIECE) {
        quantize_rows_together(w, real, width, way, rows, w->x + r * w->x_step,
                               w->codes + r * w->codes_step, r,
                               end - r < ROWS_PIECE ? end : r + ROWS_PIECE);
    }
    return end;
}

/* ---------------------------------------------------------------------- values from codes */

/* Bits as the numbers they stand for. */
LQ_INLINE tile codes_as_floats(itile bits, itile sign) {
    return tile_values(bits, sign, sign, tile_splat(1.0f));
}

LQ_INLINE tile values_by(const lq_element_rule *rule, tile codes, tile scale, tile center) {
    const tile difference = rule->minimum ? codes : tile_subtract(codes, center);
    const tile value =
        rule->divide_back ? tile_divide(difference, scale) : tile_multiply(difference, scale);
    return rule->minimum ? tile_add(value, center) : value;
}

LQ_INLINE void dequantize_rows_by(const lq_map_work *w, lq_real real, lq_width width, int rows,
                                  int64_t end) {
    const itile sign = itile_splat((int32_t)w->sign);
    const int64_t count = rows > 1 ? 1 : w->count;
    for (int64_t r = 0; r < end; r += rows) {
        const unsigned char *q = w->codes + r * w->codes_step;
        const tile scale = tile_of_rows(w->scale + r, rows);
        const tile center = tile_of_rows(w->offset + r, rows);
        for (int64_t i = 0; i < count; i += TILE) {
            const unsigned char *at = q + (i << (int)width >> 2);
            const itile bits = codes_load_rows(width, at, w->codes_step, rows);
            tile_store(real, w->x + r * w->x_step, i,
                       values_by(w->rule, codes_as_floats(bits, sign), scale, center));
        }
    }
}

/*
 * Whether codes are signed bytes whose zero points are all 0: then what extends them is most of the
 * way to their values. In L2 .029 ns for each element in AVX2, .039 otherwise.
 */
LQ_INLINE bool is_centered(const lq_map_work *w, lq_width width) {
    int32_t any = 0;
    if (width != LQ_WIDTH_8 || w->sign != 128) return false;
    for (int64_t r = 0; r < w->rows; ++r) any |= w->zero[r * w->param_step];
    return any == 0;
}

/* Of a tile by the plain rule; zero points have the sign added. */
LQ_INLINE tile plain_values(lq_width width, const unsigned char *q, int64_t step, int rows,
                            bool centered, itile sign, itile zero, tile scale) {
    if (centered) return tile_multiply(tile_of(signed_load_rows(q, step, rows)), scale);
    return tile_values(codes_load_rows(width, q, step, rows), sign, zero, scale);
}

/* `count` elements of a row, or of the rows that a tile has. */
LQ_INLINE void dequantize_rows_plain(const lq_map_work *w, lq_real real, lq_width width, int rows,
                                     bool centered, int64_t count, int64_t end) {
    const int64_t codes_step = w->codes_step, x_step = w->x_step;
    const itile sign = itile_splat((int32_t)w->sign);
    const unsigned char *q = w->codes;
    unsigned char *x = w->x;
    for (int64_t r = 0; r < end; r += rows, q += rows * codes_step, x += rows * x_step) {
        const tile scale = tile_of_rows(w->scale + r, rows);
        const itile zero = itile_add(itile_of_rows(w->zero + r, rows), sign);
        for (int64_t i = 0; i < count; i += TILE) {
            const unsigned char *at = q + (i << (int)width >> 2);
            tile_store(real, x, i,
                       plain_values(width, at, codes_step, rows, centered, sign, zero, scale));
        }
    }
}

/* Constants for the compiler. */
LQ_INLINE void dequantize_rows_of(const lq_map_work *w, lq_real real, lq_width width, int rows,
                                  int64_t end) {
    if (w->rule) {
        dequantize_rows_by(w, real, width, rows, end);
    } else if (rows > 1 || w->count == TILE) {
        if (is_centered(w, width))
            dequantize_rows_plain(w, real, width, rows, true, TILE, end);
        else
            dequantize_rows_plain(w, real, width, rows, false, TILE, end);
    } else if (is_centered(w, width)) {
        dequantize_rows_plain(w, real, width, rows, true, w->count, end);
    } else {
        dequantize_rows_plain(w, real, width, rows, false, w->count, end);
    }
}

LQ_INLINE int64_t dequantize_short_rows(const lq_map_work *work, lq_real real, lq_width width) {
    const lq_map_work w = *work;
    const int rows = rows_together(&w, real, width);
    const int64_t end = rows ? w.rows / rows * rows : 0;
    switch (rows) {
    case 1: dequantize_rows_of(&w, real, width, 1, end); break;
    case 2: dequantize_rows_of(&w, real, width, 2, end); break;
    case 4: dequantize_rows_of(&w, real, width, 4, end); break;
    default: break;
    }
    return end;
}
