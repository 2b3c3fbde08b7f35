/*
 * The part of simd.h for codes in halves, straight from records: in L2 .026 ns for each element in
 * AVX-512, .036 by way of bytes. Over one more of a level's codes.h:
 *
 *   halves_load   a tile from the element `i` on, which may be two rows
 */

/* Rows in a tile. */
enum { HALVES_ROWS = TILE / LQ_HALVES > 0 ? TILE / LQ_HALVES : 1 };

typedef enum { HALVES_PLAIN, HALVES_FROM_MINIMUM, HALVES_BY_RULE, HALVES_CODED } halves_way;

LQ_INLINE tile halves_values(const lq_map_work *w, const coder *c, halves_way way, int64_t r,
                             int rows, itile bits) {
    static const lq_element_rule from_minimum = {.minimum = true};
    const tile scale = tile_of_rows(w->scale + r, rows);
    const itile middle = itile_splat(w->middle);
    if (way == HALVES_PLAIN) {
        const itile zero = itile_add(itile_of_rows(w->zero + r, rows), middle);
        return tile_multiply(tile_of(itile_subtract(bits, zero)), scale);
    }
    if (way == HALVES_CODED) {
        const float *center = c->of.rule.minimum ? w->offset : w->scale;
        return scale_tile(&c->of.rule, decode_tile(c, bits), scale, tile_of_rows(center + r, rows));
    }
    return values_by(way == HALVES_FROM_MINIMUM ? &from_minimum : w->rule,
                     tile_of(itile_subtract(bits, middle)), scale,
                     tile_of_rows(w->offset + r, rows));
}

LQ_INLINE void dequantize_halves_rows(const lq_map_work *work, const coder *c, lq_real real,
                                      halves_way way, bool fifths, int rows, int64_t r,
                                      int64_t end) {
    const lq_map_work w = *work;
    for (; r < end; r += rows) {
        const unsigned char *q = w.codes + r * w.codes_step;
        for (int64_t i = 0; i < LQ_HALVES; i += TILE) {
            const itile bits = halves_load(q, rows > 1 ? w.codes_step : 0, i, fifths);
            const tile v = halves_values(&w, c, way, r, rows, bits);
            reals_to(real, w.x + r * w.x_step, i, v, rows * LQ_HALVES);
        }
    }
}

LQ_INLINE void dequantize_halves_of(const lq_map_work *w, const coder *c, lq_real real,
                                    halves_way way, bool fifths) {
    const int64_t whole = w->rows / HALVES_ROWS * HALVES_ROWS;
    dequantize_halves_rows(w, c, real, way, fifths, HALVES_ROWS, 0, whole);
    if (HALVES_ROWS > 1) dequantize_halves_rows(w, c, real, way, fifths, 1, whole, w->rows);
}

/* Constants for the compiler. Floats and tables have no fifths. */
LQ_INLINE void dequantize_halves(const lq_map_work *w, lq_real real) {
    const bool from_minimum = w->rule && w->rule->minimum && !w->rule->divide_back;
    if (is_coded(w->format, w->table)) {
        const coder c = coder_of(w);
        dequantize_halves_of(w, &c, real, HALVES_CODED, false);
    } else if (w->rule && !from_minimum) {
        dequantize_halves_of(w, NULL, real, HALVES_BY_RULE, w->fifths);
    } else if (from_minimum && w->fifths) {
        dequantize_halves_of(w, NULL, real, HALVES_FROM_MINIMUM, true);
    } else if (from_minimum) {
        dequantize_halves_of(w, NULL, real, HALVES_FROM_MINIMUM, false);
    } else if (w->fifths) {
        dequantize_halves_of(w, NULL, real, HALVES_PLAIN, true);
    } else {
        dequantize_halves_of(w, NULL, real, HALVES_PLAIN, false);
    }
}
