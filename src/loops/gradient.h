/*
 * Gradients of values of codes, in plain C that every level compiles with its own flags: first what
 * every element contributes, by selects that compilers vectorize, then the sums of that.
 */
#ifndef LQ_LOOPS_GRADIENT_H
#define LQ_LOOPS_GRADIENT_H

/* Of up to LQ_PIECE elements; in front and behind there may be zeros, to whole groups of sums. */
typedef struct grad_piece {
    float used[LQ_PIECE + 2 * LQ_GRAD_SUMS];  /* grad_y, or 0 where x is NaN */
    float outer[LQ_PIECE + 2 * LQ_GRAD_SUMS]; /* grad_y outside the range, else 0 */
    double term[LQ_PIECE + 2 * LQ_GRAD_SUMS];
    unsigned char
        kept[LQ_PIECE * 4]; /* grad_x: not written at once, which may be over the inputs */
} grad_piece;

/* The parameters of a row: `step` is 0 where it has one of each, 1 where each lane has its own. */
typedef struct grad_row {
    const float *scale, *offset, *center, *back;
    const double *inside, *outside;
    const int32_t *zero;
    int step;
} grad_row;

LQ_INLINE grad_row grad_row_at(const lq_grad_work *w, int64_t block, int step) {
    return (grad_row){.scale = w->scale + block,
                      .offset = w->offset + block,
                      .center = w->center + block,
                      .back = w->back + block,
                      .inside = w->inside + block,
                      .outside = w->outside + block,
                      .zero = w->zero + block,
                      .step = step};
}

/* grad_y where the mask is all ones; where it is 0, a zero of its sign. */
LQ_INLINE void keep(lq_real real, const unsigned char *grad_y, unsigned char *kept, int32_t i,
                    uint32_t mask) {
    uint32_t u;
    uint16_t h;
    if (real == LQ_REAL_f32) {
        memcpy(&u, grad_y + i * 4, sizeof u);
        u &= mask | 0x80000000u;
        memcpy(kept + i * 4, &u, sizeof u);
    } else {
        memcpy(&h, grad_y + i * 2, sizeof h);
        h = (uint16_t)(h & (mask | 0x8000u));
        memcpy(kept + i * 2, &h, sizeof h);
    }
}

/* The contributions of `n` elements, from `to` on. */
LQ_INLINE void contributions(const lq_grad_work *w, const lq_element_rule *rule, lq_real real,
                             const grad_row *p, const unsigned char *x, const unsigned char *grad_y,
                             int32_t n, grad_piece *piece, int32_t to) {
    for (int32_t i = 0; i < n; ++i) {
        const int k = i * p->step;
        const int32_t z = p->zero[k];
        const float v = load_one(real, x, i);
        const float g = load_one(real, grad_y, i);
        /* One code more on each side shows what lies outside. */
        const int32_t free_code =
            lq_quantize_by(rule, v, p->scale[k], p->offset[k], p->center[k],
                           (float)(w->qmin - z) - 1.0f, (float)(w->qmax - z) + 1.0f, z);
        int32_t code = free_code < w->qmin ? w->qmin : free_code;
        code = code > w->qmax ? w->qmax : code;
        const int32_t number = v == v;
        const int32_t within = number & (code == free_code);
        const float y =
            lq_narrow(real, lq_dequantize_by(rule, (float)code, p->back[k], p->center[k]));
        const double in = ((double)y - (double)v) * p->inside[k];
        const float zero = rule->minimum ? 0.0f : p->center[k];
        const double out = ((double)code - (double)zero) * p->outside[k];
        piece->term[to + i] = within ? in : out;
        piece->used[to + i] = number ? g : 0.0f;
        piece->outer[to + i] = (number & !within) ? g : 0.0f;
        keep(real, grad_y, piece->kept, i, within ? 0xffffffffu : 0u);
    }
}

/* The same of codes that are no integers, whose value outside is the outermost on that side. */
LQ_INLINE void coded_contributions(const lq_grad_work *w, lq_real real, const grad_row *p,
                                   const unsigned char *x, const unsigned char *grad_y, int32_t n,
                                   grad_piece *piece, int32_t to) {
    const coding c = coding_of(w->rule, w->format, w->table);
    const coded_row in_row = {.scale = p->scale, .center = p->center, .step = p->step};
    const coded_row out_row = {.scale = p->back, .center = p->center, .step = p->step};
    const float high =
        w->table ? w->table->value[w->table->count - 1] : (float)lq_float_largest(w->format);
    const float low = w->table ? w->table->value[0] : -high;
    float v[LQ_PIECE], t[LQ_PIECE], y[LQ_PIECE];
    unsigned char codes[LQ_PIECE];
    int32_t clips[LQ_PIECE];
    quotients_of(&c, real, x, n, &in_row, v, t);
    codes_of(&c, v, t, n, codes);
    clips_of(&c, t, n, clips);
    values_of(&c, codes, n, &out_row, y);
    for (int32_t i = 0; i < n; ++i) {
        const int k = i * p->step;
        const float g = load_one(real, grad_y, i);
        const int32_t number = v[i] == v[i];
        const int32_t within = (v[i] - v[i] == 0.0f) & (1 - clips[i]);
        const double in = ((double)lq_narrow(real, y[i]) - (double)v[i]) * p->inside[k];
        const double out = (double)(t[i] < 0 ? low : high) * p->outside[k];
        piece->term[to + i] = within ? in : out;
        piece->used[to + i] = number ? g : 0.0f;
        piece->outer[to + i] = (number & !within) ? g : 0.0f;
        keep(real, grad_y, piece->kept, i, within ? 0xffffffffu : 0u);
    }
}

/* The rules of most schemes are constants for the compiler, which then vectorizes. */
LQ_INLINE void contribute(const lq_grad_work *w, lq_real real, const grad_row *p,
                          const unsigned char *x, const unsigned char *grad_y, int32_t n,
                          grad_piece *piece, int32_t to) {
    const lq_element_rule plain = {.nan = LQ_NAN_ZERO_POINT};
    const lq_element_rule multiplying = {.multiply = true};
    const lq_element_rule away = {.multiply = true, .rounding = LQ_ROUND_AWAY};
    const lq_element_rule *rule = w->rule;
    const bool common = rule->precision == LQ_REAL_f32 && rule->nan == LQ_NAN_ZERO_POINT &&
                        !rule->divide_back && !rule->minimum;
    if (is_coded(w->format, w->table)) {
        coded_contributions(w, real, p, x, grad_y, n, piece, to);
    } else if (common && rule->rounding == LQ_ROUND_EVEN && !rule->multiply) {
        contributions(w, &plain, real, p, x, grad_y, n, piece, to);
    } else if (common && rule->rounding == LQ_ROUND_EVEN) {
        contributions(w, &multiplying, real, p, x, grad_y, n, piece, to);
    } else if (common && rule->rounding == LQ_ROUND_AWAY && rule->multiply) {
        contributions(w, &away, real, p, x, grad_y, n, piece, to);
    } else {
        contributions(w, rule, real, p, x, grad_y, n, piece, to);
    }
}

/*
 * Element i of the run goes to sum (first + i) % LQ_GRAD_SUMS, however the run is cut into calls and
 * pieces: zeros fill up the groups, and adding them changes nothing.
 */
LQ_INLINE void add_run(const lq_grad_work *w, grad_piece *piece, int32_t head, int32_t n) {
    const int32_t end = (head + n + LQ_GRAD_SUMS - 1) / LQ_GRAD_SUMS * LQ_GRAD_SUMS;
    for (int32_t i = 0; i < head; ++i) piece->term[i] = piece->used[i] = piece->outer[i] = 0;
    for (int32_t i = head + n; i < end; ++i) {
        piece->term[i] = piece->used[i] = piece->outer[i] = 0;
    }
    double scale_sum[LQ_GRAD_SUMS];
    double zero_sum[LQ_GRAD_SUMS];
    memcpy(scale_sum, w->scale_sum, sizeof scale_sum);
    memcpy(zero_sum, w->zero_sum, sizeof zero_sum);
    for (int32_t i = 0; i < end; i += LQ_GRAD_SUMS) {
        for (int k = 0; k < LQ_GRAD_SUMS; ++k) {
            scale_sum[k] += (double)piece->used[i + k] * piece->term[i + k];
            zero_sum[k] += (double)piece->outer[i + k];
        }
    }
    memcpy(w->scale_sum, scale_sum, sizeof scale_sum);
    memcpy(w->zero_sum, zero_sum, sizeof zero_sum);
}

LQ_INLINE void grad_runs(const lq_grad_work *w, lq_real real) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    const grad_row p = grad_row_at(w, 0, 0);
    int64_t first = w->first;
    grad_piece piece;
    for (int64_t r = 0; r < w->rows; ++r) {
        for (int64_t i = 0; i < w->count; i += LQ_PIECE) {
            const int64_t rest = w->count - i;
            const int32_t n = (int32_t)(rest < LQ_PIECE ? rest : LQ_PIECE);
            const int32_t head = (int32_t)(first % LQ_GRAD_SUMS);
            contribute(w, real, &p, w->x + r * w->x_step + i * size,
                       w->grad_y + r * w->grad_y_step + i * size, n, &piece, head);
            if (w->grad_x) {
                memcpy(w->grad_x + r * w->grad_x_step + i * size, piece.kept, (size_t)(n * size));
            }
            if (w->scale_sum) add_run(w, &piece, head, n);
            first += n;
        }
    }
}

LQ_INLINE void grad_lanes(const lq_grad_work *w, lq_real real) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    grad_piece piece;
    for (int64_t i = 0; i < w->count; i += LQ_PIECE) {
        const int64_t rest = w->count - i;
        const int32_t n = (int32_t)(rest < LQ_PIECE ? rest : LQ_PIECE);
        const grad_row p = grad_row_at(w, i, 1);
        for (int64_t r = 0; r < w->rows; ++r) {
            contribute(w, real, &p, w->x + r * w->x_step + i * size,
                       w->grad_y + r * w->grad_y_step + i * size, n, &piece, 0);
            if (w->grad_x) {
                memcpy(w->grad_x + r * w->grad_x_step + i * size, piece.kept, (size_t)(n * size));
            }
            for (int32_t k = 0; w->scale_sum && k < n; ++k) {
                w->scale_sum[i + k] += (double)piece.used[k] * piece.term[k];
                w->zero_sum[i + k] += (double)piece.outer[k];
            }
        }
    }
}

#endif
