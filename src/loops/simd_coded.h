/*
 * The part of simd.h for codes that are no integers. One instance each of what goes to codes, comes
 * from codes, or both, for all types: a tile is long enough to ask for them.
 */

/* What codes stand for, ready for tiles. */
typedef struct coder {
    coding of;
    lookup values; /* by code, where it has up to 4 bits */
    lookup from;   /* of a table: the least quotient of each code */
    bool looks_up;
} coder;

LQ_INLINE coder coder_of(const lq_map_work *w) {
    coder c = {.of = coding_of(w->rule, w->format, w->table)};
    if (w->table) {
        c.values = lookup_of(w->table->value);
        c.from = lookup_of(w->table->from);
    } else if (w->format->values) {
        c.values = lookup_of(w->format->values);
    }
    c.looks_up = w->table || w->format->values;
    return c;
}

/* t is not negative. Halves go down where the float below them is rounded. */
LQ_INLINE itile round_magnitudes(lq_rounding rounding, tile t) {
    const itile one = itile_splat(1);
    switch (rounding) {
    case LQ_ROUND_EVEN: return tile_round(LQ_ROUND_EVEN, t);
    case LQ_ROUND_LOWER_CODE:
        t = tile_from_bits(itile_subtract(itile_max(tile_bits(t), one), one));
        return tile_round(LQ_ROUND_AWAY, t);
    default: return tile_round(LQ_ROUND_AWAY, t);
    }
}

/* As lq_encode_float; the signs are those of another tile. NaN gives any code. */
LQ_INLINE itile encode_floats(const coding *c, tile t, tile signs) {
    const lq_float_format *f = &c->format;
    const itile zero = itile_splat(0);
    const itile least = itile_splat((128 - f->bias) << 23);
    const itile top = itile_splat((int32_t)f->top);
    const itile unit = itile_splat((int32_t)((uint32_t)(254 + f->mantissa) << 23));
    const tile size = tile_from_bits(itile_and(tile_bits(t), itile_splat(0x7fffffff)));
    const tile capped = tile_min(size, tile_splat(f->cap));
    const itile own = itile_and(tile_bits(capped), itile_splat(0x7f800000));
    const itile exponent = itile_max(own, least);
    const tile step = tile_from_bits(itile_subtract(unit, exponent));
    const itile steps = round_magnitudes(c->rule.rounding, tile_multiply(capped, step));
    itile code = itile_add(steps, itile_down(itile_subtract(exponent, least), 23 - f->mantissa));
    itile sign = itile_and(tile_bits(signs), itile_splat(INT32_MIN));
    sign = itile_down(sign, 32 - f->bits);
    if (f->fnuz || c->rule.rounding == LQ_ROUND_LOWER_CODE) {
        sign = itile_where_greater(code, zero, sign, zero);
    }
    if (c->rule.unsaturated) {
        code = itile_where_greater(code, top, itile_splat((int32_t)f->over), code);
    } else {
        code = itile_min(code, top);
    }
    return itile_or(code, sign);
}

/* As lq_table_code: a binary search. */
LQ_INLINE itile encode_by_table(const coder *c, tile t) {
    itile code = itile_splat(0);
    for (int32_t bit = c->of.table->count / 2; bit > 0; bit /= 2) {
        const itile higher = itile_add(code, itile_splat(bit));
        code = itile_where_at_least(t, tile_lookup(c->from, higher), higher, code);
    }
    return code;
}

/* The codes of NaN, of the signs of x. */
LQ_INLINE itile codes_of_nan(const coding *c, tile x) {
    if (c->table) return itile_splat(c->table->nan);
    const lq_float_format *f = &c->format;
    const itile code =
        itile_splat((int32_t)lq_encode_by(&c->rule, f, 0.0f, lq_from_bits(0x7fc00000u)));
    if (!f->nan || f->fnuz) return code;
    const itile sign = itile_and(tile_bits(x), itile_splat(INT32_MIN));
    return itile_or(code, itile_down(sign, 32 - f->bits));
}

/* How quotients are found. */
typedef enum { BY_FACTOR, BY_INVERSE, BY_DIVISION, BY_ALL_STEPS } quotient_way;

typedef struct quotient {
    quotient_way way;
    tile scale, inverse, center;
} quotient;

LQ_INLINE quotient_way way_by_rule(const lq_element_rule *rule) {
    if (rule->minimum || rule->precision != LQ_REAL_f32) return BY_ALL_STEPS;
    return rule->multiply ? BY_FACTOR : BY_DIVISION;
}

/*
 * Dividing by a power of two is multiplying by its inverse. The inverse of another scale needs a
 * correction (inverse_of) that is exact where the quotient is not far below the codes of floats, and
 * loses the sign of a zero.
 */
LQ_INLINE quotient quotient_of_run(const lq_map_work *w, int64_t at) {
    const float s = w->scale[at];
    const uint32_t exponent = lq_bits(s) >> 23;
    quotient q = {.way = way_by_rule(w->rule), .scale = tile_splat(s)};
    if (w->rule->minimum) q.center = tile_splat(w->center[at]);
    if (q.way != BY_DIVISION) return q;
    if ((lq_bits(s) & 0x007fffffu) == 0 && exponent > 0 && exponent < 254) {
        q.way = BY_FACTOR;
        q.scale = tile_splat(1.0f / s);
    } else if (s >= 0x1p-64f && s <= 0x1p64f) {
        q.way = BY_INVERSE;
        q.inverse = tile_splat(1.0f / s);
    }
    return q;
}

/* The same for rows that go through a tile together: all in one way. */
LQ_INLINE quotient quotient_of_rows(const lq_map_work *w, int64_t r, int rows) {
    const float *s = w->scale + r;
    quotient q = {.way = way_by_rule(w->rule), .scale = tile_of_rows(s, rows)};
    float inverse[4] = {0};
    bool powers = true;
    bool ordinary = true;
    if (w->rule->minimum) q.center = tile_of_rows(w->center + r, rows);
    if (q.way != BY_DIVISION) return q;
    for (int k = 0; k < rows; ++k) {
        const uint32_t exponent = lq_bits(s[k]) >> 23;
        powers = powers && (lq_bits(s[k]) & 0x007fffffu) == 0 && exponent > 0 && exponent < 254;
        ordinary = ordinary && s[k] >= 0x1p-64f && s[k] <= 0x1p64f;
        inverse[k] = 1.0f / s[k];
    }
    if (powers) {
        q.way = BY_FACTOR;
        q.scale = tile_of_rows(inverse, rows);
    } else if (ordinary) {
        q.way = BY_INVERSE;
        q.inverse = tile_of_rows(inverse, rows);
    }
    return q;
}

LQ_INLINE quotient quotient_of_lanes(const lq_map_work *w, int64_t i, int64_t n) {
    quotient q = {.way = way_by_rule(w->rule), .scale = floats_at(w->scale, i, n)};
    if (w->rule->minimum) q.center = floats_at(w->center, i, n);
    return q;
}

LQ_INLINE tile all_steps(const lq_element_rule *rule, const quotient *q, tile v) {
    if (rule->minimum) v = tile_subtract(v, q->center);
    v = tile_narrow(rule->precision, v);
    v = rule->multiply ? tile_multiply(v, q->scale) : tile_divide(v, q->scale);
    return tile_narrow(rule->precision, v);
}

LQ_INLINE itile encode_tile(const coder *c, const quotient *q, tile v) {
    tile t;
    tile signs;
    switch (q->way) {
    case BY_FACTOR: t = signs = tile_multiply(v, q->scale); break;
    case BY_INVERSE:
        t = tile_quotient(v, q->scale, q->inverse);
        signs = v;
        if (tile_any_nan(t)) t = tile_divide(v, q->scale);
        break;
    case BY_DIVISION: t = signs = tile_divide(v, q->scale); break;
    default: t = signs = all_steps(&c->of.rule, q, v); break;
    }
    itile code = c->of.table ? encode_by_table(c, t) : encode_floats(&c->of, t, signs);
    if (tile_any_nan(t)) code = itile_where_nan(t, codes_of_nan(&c->of, v), code);
    return code;
}

/*
 * As lq_decode_float. The fields in the places of those of float32, whose exponent is then too
 * small by a constant; in the lowest binade there is a leading 1 too many.
 */
LQ_INLINE tile decode_floats(const lq_float_format *f, itile bits) {
    const itile magnitude = itile_and(bits, itile_splat((1 << (f->bits - 1)) - 1));
    const itile fields = itile_up(magnitude, 23 - f->mantissa);
    const itile normal = itile_add(fields, itile_splat((127 - f->bias) << 23));
    const itile least = itile_splat((128 - f->bias) << 23);
    const tile low = tile_subtract(tile_from_bits(itile_add(fields, least)), tile_from_bits(least));
    itile size = itile_where_greater(itile_splat(1 << 23), fields, tile_bits(low), normal);
    const itile sign = itile_up(itile_and(bits, itile_splat(1 << (f->bits - 1))), 32 - f->bits);
    const itile nan = itile_splat(0x7fc00000);
    if (f->fnuz) {
        size = itile_or(size, sign);
        return tile_from_bits(itile_where_greater(itile_splat(INT32_MIN + 1), size, nan, size));
    }
    if (f->nan && f->over != f->nan) {
        const itile infinity = itile_splat(0x7f800000);
        size = itile_where_greater(magnitude, itile_splat((int32_t)f->top), infinity, size);
    }
    if (f->nan) {
        const uint32_t number = f->over == f->nan ? f->top : f->over;
        size = itile_where_greater(magnitude, itile_splat((int32_t)number), nan, size);
    }
    return tile_from_bits(itile_or(size, sign));
}

LQ_INLINE tile decode_tile(const coder *c, itile bits) {
    if (!c->looks_up) return decode_floats(&c->of.format, bits);
    return tile_lookup(c->values,
                       itile_and(bits, itile_splat(c->of.table ? c->of.table->count - 1 : 15)));
}

/* As lq_value_by. */
LQ_INLINE tile scale_tile(const lq_element_rule *rule, tile decoded, tile scale, tile center) {
    tile v = rule->divide_back ? tile_divide(decoded, scale) : tile_multiply(decoded, scale);
    if (rule->minimum) v = tile_add(v, center);
    if (!tile_any_nan(v)) return v;
    const itile sign = itile_and(tile_bits(decoded), itile_splat(INT32_MIN));
    return tile_nan_to(v, tile_from_bits(itile_or(sign, itile_splat(0x7fc00000))));
}

/* A parameter of each element: of the run, or of its lane. */
LQ_INLINE tile parameter_at(const float *p, bool lanes, int64_t at, int64_t i, int64_t n) {
    return lanes ? floats_at(p, i, n) : tile_splat(p[at]);
}

/* Rows that go together (rows_together); returns how many are done. */
LQ_INLINE int64_t encode_together(const coder *c, const lq_map_work *w, lq_real real,
                                  lq_width width, int rows) {
    const int apart = w->codes_step == w->count ? 1 : rows; /* rows whose codes are */
    int64_t r = 0;
    for (; r + rows <= w->rows; r += rows) {
        const quotient q = quotient_of_rows(w, r, rows);
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *codes = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const itile code = encode_tile(c, &q, tile_load(real, x, i));
            btile_store_rows(width, codes + (i << (int)width >> 2), w->codes_step, apart,
                             to_bytes(code));
        }
    }
    return r;
}

LQ_INLINE void decode_together(const coder *c, const lq_map_work *w, const float *center,
                               lq_real real, lq_width width, int rows, int64_t end) {
    const int apart = w->codes_step == w->count ? 1 : rows;
    const int64_t count = rows > 1 ? 1 : w->count;
    for (int64_t r = 0; r < end; r += rows) {
        const unsigned char *codes = w->codes + r * w->codes_step;
        const tile scale = tile_of_rows(w->scale + r, rows);
        const tile middle = tile_of_rows(center + r, rows);
        for (int64_t i = 0; i < count; i += TILE) {
            const unsigned char *at = codes + (i << (int)width >> 2);
            const tile decoded = decode_tile(c, codes_load_rows(width, at, w->codes_step, apart));
            tile_store(real, w->x + r * w->x_step, i,
                       scale_tile(&c->of.rule, decoded, scale, middle));
        }
    }
}

/* Constants for the compiler. */
LQ_INLINE int64_t decode_short_rows(const coder *c, const lq_map_work *w, const float *center,
                                    lq_real real, lq_width width) {
    const int rows = rows_together(w, real, width);
    const int64_t end = rows ? w->rows / rows * rows : 0;
    switch (rows) {
    case 1: decode_together(c, w, center, real, width, 1, end); break;
    case 2: decode_together(c, w, center, real, width, 2, end); break;
    case 4: decode_together(c, w, center, real, width, 4, end); break;
    default: break;
    }
    return end;
}

static void encode_rows(const lq_map_work *w, lq_real real, lq_width width, bool lanes) {
    const coder c = coder_of(w);
    const int rows = lanes ? 0 : rows_together(w, real, width);
    for (int64_t r = rows ? encode_together(&c, w, real, width, rows) : 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *codes = w->codes + r * w->codes_step;
        quotient q = {.way = BY_FACTOR};
        if (!lanes) q = quotient_of_run(w, r * w->param_step);
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            if (lanes) q = quotient_of_lanes(w, i, n);
            codes_to(width, codes, i, encode_tile(&c, &q, reals_at(real, x, i, n)), n);
        }
    }
}

static void decode_rows(const lq_map_work *w, lq_real real, lq_width width, bool lanes) {
    const coder c = coder_of(w);
    const float *const center = w->rule->minimum ? w->offset : w->scale;
    int64_t r = lanes ? 0 : decode_short_rows(&c, w, center, real, width);
    for (; r < w->rows; ++r) {
        const unsigned char *codes = w->codes + r * w->codes_step;
        unsigned char *x = w->x + r * w->x_step;
        const int64_t at = r * w->param_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const tile decoded = decode_tile(&c, codes_at(width, codes, i, n));
            reals_to(real, x, i,
                     scale_tile(&c.of.rule, decoded, parameter_at(w->scale, lanes, at, i, n),
                                parameter_at(center, lanes, at, i, n)),
                     n);
        }
    }
}

static void fake_rows(const lq_map_work *w, lq_real real, bool lanes) {
    const coder c = coder_of(w);
    const float *const center = w->rule->minimum ? w->center : w->back;
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *y = w->codes + r * w->codes_step;
        const int64_t at = r * w->param_step;
        quotient q = {.way = BY_FACTOR};
        if (!lanes) q = quotient_of_run(w, at);
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            if (lanes) q = quotient_of_lanes(w, i, n);
            const tile decoded = decode_tile(&c, encode_tile(&c, &q, reals_at(real, x, i, n)));
            reals_to(real, y, i,
                     scale_tile(&c.of.rule, decoded, parameter_at(w->back, lanes, at, i, n),
                                parameter_at(center, lanes, at, i, n)),
                     n);
        }
    }
}
