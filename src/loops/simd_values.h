/* Values from codes, and values to those of their codes, over the vocabulary that simd.h names. */

/* ---------------------------------------------------------------------- values from codes */

LQ_INLINE void dequantize_plain(const lq_map_work *w, lq_real real, lq_width width, bool centered,
                                int64_t r) {
    const unsigned char *q = w->codes + r * w->codes_step;
    unsigned char *x = w->x + r * w->x_step;
    const int64_t count = w->count;
    const itile sign = itile_splat((int32_t)w->sign);
    const tile scale = tile_splat(w->scale[r * w->param_step]);
    const itile zero = itile_splat(w->zero[r * w->param_step] + (int32_t)w->sign);
    int64_t i = 0;
    for (; i + TILE <= count; i += TILE) {
        const unsigned char *at = q + (i << (int)width >> 2);
        tile_store(real, x, i, plain_values(width, at, 0, 1, centered, sign, zero, scale));
    }
    if (i < count) {
        const itile codes = codes_load_n(width, q, i, count - i);
        tile_store_n(real, x, i, tile_values(codes, sign, zero, scale), count - i);
    }
}

LQ_INLINE void dequantize_by_rule(const lq_map_work *w, lq_real real, lq_width width, int64_t r) {
    const itile sign = itile_splat((int32_t)w->sign);
    for (; r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        unsigned char *x = w->x + r * w->x_step;
        const tile scale = tile_splat(w->scale[r * w->param_step]);
        const tile center = tile_splat(w->offset[r * w->param_step]);
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const tile codes = codes_as_floats(codes_at(width, q, i, n), sign);
            reals_to(real, x, i, values_by(w->rule, codes, scale, center), n);
        }
    }
}

LQ_INLINE void dequantize_runs(const lq_map_work *w, lq_real real, lq_width width) {
    if (is_coded(w->format, w->table)) {
        decode_rows(w, real, width, false);
        return;
    }
    int64_t r = dequantize_short_rows(w, real, width);
    if (w->rule) {
        dequantize_by_rule(w, real, width, r);
    } else if (r < w->rows && is_centered(w, width)) {
        for (; r < w->rows; ++r) dequantize_plain(w, real, width, true, r);
    } else {
        for (; r < w->rows; ++r) dequantize_plain(w, real, width, false, r);
    }
}

LQ_INLINE void dequantize_lanes(const lq_map_work *w, lq_real real, lq_width width) {
    if (is_coded(w->format, w->table)) {
        decode_rows(w, real, width, true);
        return;
    }
    const itile sign = itile_splat((int32_t)w->sign);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *q = w->codes + r * w->codes_step;
        unsigned char *x = w->x + r * w->x_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const itile bits = codes_at(width, q, i, n);
            const tile scale = floats_at(w->scale, i, n);
            tile v;
            if (w->rule) {
                v = values_by(w->rule, codes_as_floats(bits, sign), scale,
                              floats_at(w->offset, i, n));
            } else {
                v = tile_values(bits, sign, itile_add(zeros_at(w->zero, i, n), sign), scale);
            }
            reals_to(real, x, i, v, n);
        }
    }
}

/* --------------------------------------------------------------- values to those of their codes */

LQ_INLINE void fake_run_by(const lq_map_work *w, lq_real real, int64_t r, run_way way,
                           bool streams) {
    const unsigned char *x = w->x + r * w->x_step;
    unsigned char *y = w->codes + r * w->codes_step;
    const tile_rule p = rule_of_run(w, r * w->param_step);
    const tile back = tile_splat(w->back[r * w->param_step]);
    const tile center = tile_splat(w->center[r * w->param_step]);
    for (int64_t i = 0; i < w->count; i += TILE) {
        const int64_t n = w->count - i;
        const tile codes = tile_of(codes_of_run(w->rule, &p, way, reals_at(real, x, i, n)));
        reals_streamed(real, y, i, values_by(w->rule, codes, back, center), n, streams);
    }
}

/* A zero point that would be added and subtracted again is neither. */
LQ_INLINE void multiples_to(const tile_rule *p, tile back, lq_real real, const unsigned char *x,
                            unsigned char *y, int64_t i, int64_t n, bool streams) {
    const tile t = multiplied(p, false, reals_at(real, x, i, n));
    reals_streamed(real, y, i, tile_multiples(t, p->lo, p->hi, back), n, streams);
}

LQ_INLINE void fake_run_of_steps(const lq_map_work *w, lq_real real, int64_t r, bool streams) {
    const unsigned char *x = w->x + r * w->x_step;
    unsigned char *y = w->codes + r * w->codes_step;
    const int64_t count = w->count;
    const tile_rule p = rule_of_run(w, r * w->param_step);
    const tile back = tile_splat(w->back[r * w->param_step]);
    int64_t i = 0;
    for (; i + TILE <= count; i += TILE) multiples_to(&p, back, real, x, y, i, TILE, streams);
    if (i < count) multiples_to(&p, back, real, x, y, i, count - i, false);
}

/* Clamped to a narrow range, the code of 0 may be beyond it. */
LQ_INLINE bool zero_has_code(const lq_map_work *w, int64_t at) {
    return w->qmin <= w->zero[at] && w->zero[at] <= w->qmax;
}

LQ_INLINE void fake_run(const lq_map_work *w, lq_real real, int64_t r, bool streams) {
    const int64_t at = r * w->param_step;
    const run_way way = way_of_run(w, at);
    const bool of_steps = !w->rule->divide_back && w->center[at] == (float)w->zero[at];
    if (way == MULTIPLIED && of_steps && w->back[at] > 0 && zero_has_code(w, at)) {
        fake_run_of_steps(w, real, r, streams);
    } else if (way == MULTIPLIED_AND_ADDED) {
        fake_run_by(w, real, r, MULTIPLIED_AND_ADDED, streams);
    } else {
        fake_run_by(w, real, r, BY_RULE, false);
    }
}

LQ_INLINE void plain_multiples_to(const plain_run *p, lq_real real, const unsigned char *x,
                                  unsigned char *y, int64_t i, int64_t n, bool streams) {
    const tile t = plain_quotient(p, reals_at(real, x, i, n));
    reals_streamed(real, y, i, tile_multiples(t, p->lo, p->hi, p->scale), n, streams);
}

/* By a negative scale, which makes negative zeros, or where no value is 0. */
LQ_INLINE void fake_by_codes(const lq_map_work *w, lq_real real, int64_t r) {
    const unsigned char *x = w->x + r * w->x_step;
    unsigned char *y = w->codes + r * w->codes_step;
    const plain_run p = plain_of_run(w, r * w->param_step);
    for (int64_t i = 0; i < w->count; i += TILE) {
        const int64_t n = w->count - i;
        const tile steps = tile_of(plain_codes(&p, reals_at(real, x, i, n), itile_splat(0)));
        reals_to(real, y, i, tile_multiply(steps, p.scale), n);
    }
}

LQ_INLINE void fake_plain(const lq_map_work *w, lq_real real, int64_t r, bool streams) {
    const unsigned char *x = w->x + r * w->x_step;
    unsigned char *y = w->codes + r * w->codes_step;
    const int64_t count = w->count;
    const plain_run p = plain_of_run(w, r * w->param_step);
    int64_t i = 0;
    for (; i + TILE <= count; i += TILE) plain_multiples_to(&p, real, x, y, i, TILE, streams);
    if (i < count) plain_multiples_to(&p, real, x, y, i, count - i, false);
}

LQ_INLINE void fake_runs_by(const lq_map_work *w, lq_real real, bool streams) {
    for (int64_t r = 0; r < w->rows; ++r) {
        if (w->rule) {
            fake_run(w, real, r, streams);
        } else if (w->scale[r * w->param_step] > 0 && zero_has_code(w, r * w->param_step)) {
            fake_plain(w, real, r, streams);
        } else {
            fake_by_codes(w, real, r);
        }
    }
}

LQ_INLINE void fake_runs(const lq_map_work *w, lq_real real) {
    if (is_coded(w->format, w->table)) {
        fake_rows(w, real, false);
    } else if (real == LQ_REAL_f32 && w->streams) {
        fake_runs_by(w, real, true);
    } else {
        fake_runs_by(w, real, false);
    }
}

LQ_INLINE void fake_lanes(const lq_map_work *w, lq_real real) {
    if (is_coded(w->format, w->table)) {
        fake_rows(w, real, true);
        return;
    }
    const itile none = itile_splat(0);
    for (int64_t r = 0; r < w->rows; ++r) {
        const unsigned char *x = w->x + r * w->x_step;
        unsigned char *y = w->codes + r * w->codes_step;
        for (int64_t i = 0; i < w->count; i += TILE) {
            const int64_t n = w->count - i;
            const tile v = reals_at(real, x, i, n);
            if (w->rule) {
                const tile_rule p = rule_of_lanes(w, i, n);
                reals_to(real, y, i,
                         values_by(w->rule, tile_of(codes_by(w->rule, &p, v)),
                                   floats_at(w->back, i, n), floats_at(w->center, i, n)),
                         n);
            } else {
                const tile scale = floats_at(w->scale, i, n);
                const itile steps = plain_lanes(w, v, scale, zeros_at(w->zero, i, n), none);
                reals_to(real, y, i, tile_multiply(tile_of(steps), scale), n);
            }
        }
    }
}
