/* The part of simd.h between real types, and from accumulators. */

/* Doubles on the way to 16 bits are rounded a second time. */
LQ_INLINE tile convert_load(lq_real from, lq_real to, const unsigned char *x, int64_t i,
                            int64_t n) {
    if (from != LQ_REAL_f64) return n < TILE ? tile_load_n(from, x, i, n) : tile_load(from, x, i);
    if (n >= TILE) return tile_load_doubles(x, i, to != LQ_REAL_f32);
    unsigned char buffer[TILE * 8] = {0};
    memcpy(buffer, x + i * 8, (size_t)n * 8);
    return tile_load_doubles(buffer, 0, to != LQ_REAL_f32);
}

LQ_INLINE void convert_store(lq_real to, unsigned char *y, int64_t i, tile v, double limit,
                             int64_t n, bool streams) {
    if (to != LQ_REAL_f64) {
        reals_streamed(to, y, i, v, n, streams);
    } else if (n >= TILE) {
        tile_store_doubles(y, i, v, limit);
    } else {
        unsigned char buffer[TILE * 8];
        tile_store_doubles(buffer, 0, v, limit);
        memcpy(y + i * 8, buffer, (size_t)n * 8);
    }
}

/* Narrowing makes NaN quiet on its own, and so does widening f16 or double. A copy does not. */
LQ_INLINE tile convert_nan(lq_real from, lq_real to, tile t) {
    const bool copies = to == LQ_REAL_f32 && (from == LQ_REAL_f32 || from == LQ_REAL_bf16);
    return copies && tile_any_nan(t) ? tile_quiet(t) : t;
}

LQ_INLINE void convert_tile(lq_real from, lq_real to, bool limited, bool streams, double limit,
                            const unsigned char *x, unsigned char *y, int64_t i, int64_t n) {
    tile t = convert_load(from, to, x, i, n);
    /* A float holds every limit but double's, which becomes an infinity. */
    if (limited) t = tile_max(tile_splat((float)-limit), tile_min(tile_splat((float)limit), t));
    convert_store(to, y, i, convert_nan(from, to, t), limit, n, streams);
}

/* What is in a local is not read anew after every store. */
LQ_INLINE void convert_rows(const lq_map_work *w, lq_real from, lq_real to, bool limited,
                            bool streams) {
    const double limit = w->limit;
    const int64_t count = w->count;
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *y = w->codes + r * w->codes_step;
        int64_t i = 0;
        for (; i + TILE <= count; i += TILE) {
            convert_tile(from, to, limited, streams, limit, x, y, i, TILE);
        }
        if (i < count) convert_tile(from, to, limited, false, limit, x, y, i, count - i);
    }
}

/* Constants for the compiler: what most conversions do without costs as much as all else. */
LQ_INLINE void convert(const lq_map_work *w, lq_real from, lq_real to) {
    const bool narrows = from == LQ_REAL_f32 && (to == LQ_REAL_f16 || to == LQ_REAL_bf16);
    const bool widens = to == LQ_REAL_f32 && (from == LQ_REAL_f16 || from == LQ_REAL_bf16);
    const bool limited = w->limit < (double)lq_from_bits(0x7f800000u);
    if (from == LQ_REAL_f64 && to == LQ_REAL_f64) {
        convert_doubles(w, from, to);
    } else if (narrows && w->streams) {
        convert_rows(w, from, to, true, true);
    } else if ((narrows || widens) && !limited) {
        convert_rows(w, from, to, false, false);
    } else {
        convert_rows(w, from, to, true, false);
    }
}

LQ_INLINE itile acc_load(const unsigned char *acc, int64_t i, int64_t n) {
    return tile_bits(reals_at(LQ_REAL_f32, acc, i, n));
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
            codes_to(width, q, i, tile_codes(v, lo, hi, zero), n);
        }
    }
}

LQ_INLINE void requantize_float_lanes(const lq_map_work *w, lq_width width) {
    const tile qmin = tile_splat((float)w->qmin);
    const tile qmax = tile_splat((float)w->qmax);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *acc = w->x + r * w->x_step;
        unsigned char *q = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const itile zero = zeros_at(w->zero, i, n);
            const tile z = tile_of(zero);
            const tile v = tile_multiply(tile_of(acc_load(acc, i, n)), floats_at(w->scale, i, n));
            codes_to(width, q, i,
                     tile_codes(v, tile_subtract(qmin, z), tile_subtract(qmax, z), zero), n);
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
