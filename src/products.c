/* lq_dequantize_accumulators: the int32 products of two matrices of codes to real values. */
#include "fixed_point.h"
#include "strided.h"
#include "tasks.h"

enum { PRODUCT_POSITION = 2, X_POSITION = 3, EXEC_POSITION = 4 };

/* What codes of up to 16 bits may have as zero points. */
enum { LEAST_ZERO = INT16_MIN, MOST_ZERO = UINT16_MAX };

/* A vector with an element for each row or column, one for all of them, or none. */
typedef struct vector {
    const lq_tensor *tensor; /* or NULL */
    int64_t step;
} vector;

typedef struct product {
    const lq_call *call;
    const lq_tensor *acc, *x;
    int64_t depth;
    vector row_scale, column_scale, row_zero, column_zero, row_sum, column_sum, bias;
    bool corrected; /* there are zero points */
    int64_t row_parts, column_parts;
} product;

/* Columns at hand: their parameters, and room for what does not lie without gaps. */
typedef struct columns {
    int64_t first, count;
    float scale[LQ_BATCH];
    float bias[LQ_BATCH];
    int32_t sum[LQ_BATCH];
    int32_t zero[LQ_BATCH];
    int32_t acc[LQ_BATCH];
    float x[LQ_BATCH];
} columns;

/* ----------------------------------------------------------------- loading */

static void load_reals(const vector *v, int64_t first, int64_t n, float *to) {
    const lq_tensor *t = v->tensor;
    if (t) {
        lq_load_reals(t->type, t->data, t->offset + first * v->step, v->step, n, to);
        return;
    }
    for (int64_t i = 0; i < n; ++i) to[i] = 1.0f;
}

static void load_integers(const vector *v, int64_t first, int64_t n, int32_t *to) {
    const lq_tensor *t = v->tensor;
    if (t) {
        lq_load_integers(t->type, t->data, t->offset + first * v->step, v->step, n, to);
        return;
    }
    for (int64_t i = 0; i < n; ++i) to[i] = 0;
}

/* Within their range even where nobody has checked them. */
static void load_zeros(const vector *v, int64_t first, int64_t n, int32_t *to) {
    load_integers(v, first, n, to);
    for (int64_t i = 0; i < n; ++i) to[i] = lq_clamp_int(to[i], LEAST_ZERO, MOST_ZERO);
}

static void load_columns(const product *p, columns *c) {
    load_reals(&p->column_scale, c->first, c->count, c->scale);
    if (p->bias.tensor) load_reals(&p->bias, c->first, c->count, c->bias);
    if (!p->corrected) return;
    load_integers(&p->column_sum, c->first, c->count, c->sum);
    load_zeros(&p->column_zero, c->first, c->count, c->zero);
}

/* ----------------------------------------------------------------- walking */

static int64_t at(const lq_tensor *t, int64_t row, int64_t column) {
    return t->offset + row * t->stride[0] + column * t->stride[1];
}

static void dequantize_row(const product *p, columns *c, int64_t row) {
    const lq_type_info *type = p->call->type[LQ_CODES];
    const int size = type->bits / 8;
    const bool gathers = p->acc->stride[1] != 1 && c->count > 1;
    const bool scatters = p->x->stride[1] != 1 && c->count > 1;
    const int64_t acc_at = at(p->acc, row, c->first);
    const int64_t x_at = at(p->x, row, c->first);
    float row_scale;
    int32_t row_zero, row_sum;
    load_reals(&p->row_scale, row, 1, &row_scale);
    load_zeros(&p->row_zero, row, 1, &row_zero);
    load_integers(&p->row_sum, row, 1, &row_sum);
    lq_product_work w = {
        .acc = (const unsigned char *)p->acc->data + acc_at * 4,
        .x = (unsigned char *)p->x->data + x_at * size,
        .count = c->count,
        .row_scale = row_scale,
        .column_scale = c->scale,
        .row_zero = row_zero,
        .column_sum = p->corrected ? c->sum : NULL,
        .cross = p->depth * row_zero - row_sum,
        .column_zero = c->zero,
        .bias = p->bias.tensor ? c->bias : NULL,
    };
    if (gathers) {
        lq_gather(c->acc, p->acc->data, 4, acc_at, p->acc->stride[1], c->count);
        w.acc = (const unsigned char *)c->acc;
    }
    if (scatters) w.x = (unsigned char *)c->x;
    p->call->kernels->dequantize_products[type->index](&w);
    if (scatters) lq_scatter(c->x, p->x->data, size, x_at, p->x->stride[1], c->count);
}

/* Parameters of columns are loaded once for all rows, unless rows must be done in order. */
static void dequantize_rows(const product *p, int64_t row, int64_t row_end, int64_t column,
                            int64_t column_end) {
    columns c;
    for (c.first = column; c.first < column_end; c.first += c.count) {
        c.count = column_end - c.first < LQ_BATCH ? column_end - c.first : LQ_BATCH;
        load_columns(p, &c);
        for (int64_t r = row; r < row_end; ++r) dequantize_row(p, &c, r);
    }
}

static void dequantize_part(void *context, int64_t task) {
    const product *p = context;
    const int64_t rows = p->acc->shape[0];
    const int64_t width = p->acc->shape[1];
    const int64_t r = task / p->column_parts;
    const int64_t c = task % p->column_parts;
    const int64_t row_end = rows * (r + 1) / p->row_parts;
    const int64_t column = width * c / p->column_parts;
    const int64_t column_end = width * (c + 1) / p->column_parts;
    for (int64_t row = rows * r / p->row_parts; row < row_end;) {
        const int64_t end = p->call->forward_only ? row + 1 : row_end;
        dequantize_rows(p, row, end, column, column_end);
        row = end;
    }
}

static lq_status dequantize_all(product *p) {
    const int64_t tasks = lq_tasks_wanted(p->call);
    const int64_t rows = p->acc->shape[0];
    const int64_t batches = (p->acc->shape[1] - 1) / LQ_BATCH + 1;
    if (lq_elements(p->acc) == 0) return LQ_OK;
    p->row_parts = tasks < rows ? tasks : rows;
    p->column_parts = tasks / p->row_parts < batches ? tasks / p->row_parts : batches;
    return lq_each_task(p->call->exec, p->row_parts * p->column_parts, dequantize_part, p);
}

/* ---------------------------------------------------------------- checking */

static lq_status check_matrices(lq_call *call, const lq_tensor *acc, const lq_tensor *x,
                                lq_span *x_span) {
    const lq_tensor *t[] = {acc, x};
    const int position[] = {1, X_POSITION};
    lq_span span[2] = {{.begin = 0}};
    for (int i = 0; i < 2; ++i) {
        lq_status status = t[i] ? lq_check_tensor(t[i], i == 1, &span[i]) : LQ_ERROR_NULL;
        if (!status && t[i]->rank != 2) status = LQ_ERROR_RANK;
        if (status) return lq_refuse(call, status, position[i], -1);
        call->type[i] = lq_type_find(t[i]->type);
        if (call->type[i]->kind != (i ? LQ_KIND_REAL : LQ_KIND_WIDE)) {
            return lq_refuse(call, LQ_ERROR_TYPE, position[i], -1);
        }
    }
    lq_status status = lq_same_shape(acc, x) ? LQ_OK : LQ_ERROR_SHAPE;
    if (!status) status = lq_check_overlap(acc, span[0], x, span[1], &call->forward_only);
    call->tensor[LQ_X] = acc;
    *x_span = span[1];
    return status ? lq_refuse(call, status, X_POSITION, -1) : LQ_OK;
}

static bool has_kind(lq_type type, bool real) {
    const lq_kind kind = lq_type_find(type)->kind;
    return real ? kind == LQ_KIND_REAL : kind == LQ_KIND_CODE || kind == LQ_KIND_WIDE;
}

/* `s32` asks for that type and no other. */
static lq_status check_vector(const lq_tensor *t, int64_t n, bool real, bool s32, lq_span x,
                              vector *v) {
    lq_span span;
    v->tensor = t;
    v->step = 0;
    if (!t) return LQ_OK;
    const lq_status status = lq_check_tensor(t, false, &span);
    if (status) return status;
    if (!has_kind(t->type, real) || (s32 && t->type != LQ_S32)) return LQ_ERROR_TYPE;
    if (t->rank > 1) return LQ_ERROR_RANK;
    const int64_t count = lq_elements(t);
    if (count != n && count != 1) return LQ_ERROR_GRID;
    if (count > 1) v->step = t->stride[0];
    return lq_spans_meet(span, x) ? LQ_ERROR_OVERLAP : LQ_OK;
}

static lq_status check_vectors(const lq_product *given, lq_span x, product *p) {
    const int64_t m = p->acc->shape[0];
    const int64_t n = p->acc->shape[1];
    lq_status status = check_vector(given->row_scale, m, true, false, x, &p->row_scale);
    if (!status) status = check_vector(given->column_scale, n, true, false, x, &p->column_scale);
    if (!status) status = check_vector(given->row_zero_point, m, false, false, x, &p->row_zero);
    if (!status) {
        status = check_vector(given->column_zero_point, n, false, false, x, &p->column_zero);
    }
    if (!status) status = check_vector(given->row_sums, m, false, true, x, &p->row_sum);
    if (!status) status = check_vector(given->column_sums, n, false, true, x, &p->column_sum);
    if (!status) status = check_vector(given->bias, n, true, false, x, &p->bias);
    if (status) return status;
    if (given->row_zero_point && !given->column_sums) return LQ_ERROR_NULL;
    if (given->column_zero_point && !given->row_sums) return LQ_ERROR_NULL;
    return LQ_OK;
}

/* The largest of a vector of scales; NaN where one is not a scale. */
static float largest_scale(const vector *v) {
    float s[LQ_BATCH];
    float most = 0;
    const int64_t n = v->tensor ? lq_elements(v->tensor) : 0;
    for (int64_t i = 0; i < n; i += LQ_BATCH) {
        const int64_t m = n - i < LQ_BATCH ? n - i : LQ_BATCH;
        int good = 0;
        load_reals(v, i, m, s);
        for (int64_t k = 0; k < m; ++k) {
            good += (s[k] > 0) & (s[k] <= FLT_MAX);
            most = s[k] > most ? s[k] : most;
        }
        if (good < m) return lq_from_bits(0x7fc00000u);
    }
    return v->tensor ? most : 1.0f;
}

static bool zeros_are_sound(const vector *v) {
    int32_t z[LQ_BATCH];
    const int64_t n = v->tensor ? lq_elements(v->tensor) : 0;
    for (int64_t i = 0; i < n; i += LQ_BATCH) {
        const int64_t m = n - i < LQ_BATCH ? n - i : LQ_BATCH;
        int good = 0;
        load_integers(v, i, m, z);
        for (int64_t k = 0; k < m; ++k) good += (z[k] >= LEAST_ZERO) & (z[k] <= MOST_ZERO);
        if (good < m) return false;
    }
    return true;
}

static lq_status check_values(const product *p) {
    if (p->call->trusted) return LQ_OK;
    const float most = largest_scale(&p->row_scale) * largest_scale(&p->column_scale);
    if (!lq_is_finite(most)) return LQ_ERROR_SCALE;
    const bool sound = zeros_are_sound(&p->row_zero) && zeros_are_sound(&p->column_zero);
    return sound ? LQ_OK : LQ_ERROR_ZERO_POINT;
}

lq_status lq_product_init(lq_product *given, size_t struct_size) {
    return lq_init_struct(given, struct_size, sizeof *given);
}

lq_status lq_dequantize_accumulators(const lq_tensor *acc, const lq_product *given,
                                     const lq_tensor *x, const lq_exec *exec) {
    lq_call call;
    lq_span x_span = {.begin = 0};
    lq_status status = lq_begin(&call, exec, EXEC_POSITION);
    if (status) return status;
    status = given ? lq_check_struct(given, given->struct_size, sizeof *given) : LQ_ERROR_NULL;
    if (!status && (given->depth < 0 || given->depth > INT32_MAX)) status = LQ_ERROR_SHAPE;
    if (status) return lq_refuse(&call, status, PRODUCT_POSITION, -1);
    status = check_matrices(&call, acc, x, &x_span);
    if (status) return status;
    product p = {.call = &call, .acc = acc, .x = x, .depth = given->depth};
    status = check_vectors(given, x_span, &p);
    if (!status) status = check_values(&p);
    if (status) return lq_refuse(&call, status, PRODUCT_POSITION, -1);
    p.corrected = given->row_zero_point || given->column_zero_point;
    /* A column zero point of 0 throughout leaves the row sums without a part. */
    if (!given->column_zero_point) p.row_sum.tensor = NULL;
    if (!given->row_zero_point) p.column_sum.tensor = NULL;
    return dequantize_all(&p);
}
