/* Codes that are no integers, a piece of a row at a time, by way of bytes. */

typedef enum { TO_CODES, TO_VALUES, TO_FAKES } purpose;

LQ_INLINE void stores_of(lq_real real, unsigned char *x, const float *v, int32_t n) {
    for (int32_t i = 0; i < n; ++i) store_one(real, x, i, v[i]);
}

static void store_values(lq_real real, unsigned char *x, const float *v, int32_t n) {
    switch (real) {
    case LQ_REAL_f16: stores_of(LQ_REAL_f16, x, v, n); break;
    case LQ_REAL_bf16: stores_of(LQ_REAL_bf16, x, v, n); break;
    default: stores_of(LQ_REAL_f32, x, v, n); break;
    }
}

static void pack_codes(const unsigned char *b, unsigned char *q, int64_t n, lq_width width) {
    switch (width) {
    case LQ_WIDTH_2: pack_row(b, q, n, LQ_WIDTH_2); break;
    case LQ_WIDTH_4: pack_row(b, q, n, LQ_WIDTH_4); break;
    default: memcpy(q, b, (size_t)n); break;
    }
}

static void unpack_codes(const unsigned char *q, unsigned char *b, int64_t n, lq_width width) {
    switch (width) {
    case LQ_WIDTH_2: unpack_row(q, b, n, 0, LQ_WIDTH_2); break;
    case LQ_WIDTH_4: unpack_row(q, b, n, 0, LQ_WIDTH_4); break;
    default: memcpy(b, q, (size_t)n); break;
    }
}

/* One piece, from element `first` of row r on. */
static void map_coded_piece(const lq_map_work *w, const coding *c, lq_real real, lq_width width,
                            purpose to, int64_t r, int64_t first, bool lanes) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    const int64_t rest = w->count - first;
    const int32_t n = (int32_t)(rest < CODED_PIECE ? rest : CODED_PIECE);
    const int64_t k = lanes ? first : r * w->param_step;
    unsigned char *x = w->x + r * w->x_step + first * size;
    unsigned char *codes = w->codes + r * w->codes_step;
    unsigned char *q = codes + (first << (int)width >> 2);
    const coded_row p = coded_row_at(w->scale, to == TO_VALUES ? w->offset : w->center, k, lanes);
    float v[CODED_PIECE], t[CODED_PIECE];
    unsigned char b[CODED_PIECE];
    if (to == TO_VALUES) {
        unpack_codes(q, b, n, width);
        values_of(c, b, n, &p, t);
        store_values(real, x, t, n);
        return;
    }
    quotients_of(c, real, x, n, &p, v, t);
    codes_of(c, v, t, n, b);
    if (to == TO_CODES) {
        pack_codes(b, q, n, width);
        return;
    }
    const coded_row back = coded_row_at(w->back, w->center, k, lanes);
    values_of(c, b, n, &back, t);
    store_values(real, codes + first * size, t, n);
}

static void map_coded(const lq_map_work *w, lq_real real, lq_width width, purpose to, bool lanes) {
    const coding c = coding_of(w->rule, w->format, w->table);
    for (int64_t r = 0; r < w->rows; ++r) {
        for (int64_t first = 0; first < w->count; first += CODED_PIECE) {
            map_coded_piece(w, &c, real, width, to, r, first, lanes);
        }
    }
}
