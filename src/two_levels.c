/* lq_parts_parameters: scales and minimums of blocks from two levels of them. */
#include "numeric.h"
#include "packed.h"

enum { PARTS_POSITION = 1, LAYOUT_POSITION, SCALE_POSITION, ZERO_POSITION, EXEC_POSITION };

/* Values of blocks: those of one level, or with what they are multiples of. */
typedef struct level {
    lq_values own, super;
    int64_t together; /* blocks under one of the upper level */
    bool negative;
    lq_scale_values_fn *values; /* of scales that mean something else than their type does */
} level;

static float value_of(const lq_values *v, int64_t row, int64_t column) {
    const int64_t at = v->at + row * v->row_step + column * v->step;
    const lq_kind kind = v->type->kind;
    if (kind == LQ_KIND_CODE || kind == LQ_KIND_WIDE) {
        return (float)lq_load_integer(v->type->type, v->data, at);
    }
    return lq_load_value(v->type->type, v->data + at * (v->type->bits / 8));
}

static float own_value(const level *l, int64_t row, int64_t column) {
    const lq_values *v = &l->own;
    float value;
    if (!l->values) return value_of(v, row, column);
    l->values(v->data + v->at + row * v->row_step + column * v->step, 1, &value);
    return value;
}

/* A NaN is the positive quiet one, whatever it came of. */
static float product(float a, float b) {
    const float p = a * b;
    return p == p ? p : lq_from_bits(0x7fc00000u);
}

static void compute(const level *l, int64_t rows, int64_t blocks, const lq_values *to) {
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t b = 0; b < blocks; ++b) {
            float v = own_value(l, r, b);
            if (l->super.type) v = product(value_of(&l->super, r, b / l->together), v);
            if (l->negative) v = v == v ? -v : v;
            lq_store_real(LQ_F32, to->data, to->at + r * to->row_step + b * to->step, v);
        }
    }
}

/* ---------------------------------------------------------------- checking */

typedef struct request {
    const lq_parts *parts;
    const lq_layout_row *layout;
    int64_t rows, blocks;
    lq_tensors all;
} request;

static bool is_zero(const lq_type_info *type) {
    return lq_is_scale(type) || type->kind == LQ_KIND_CODE || type->kind == LQ_KIND_WIDE;
}

/* One level of a layout of records is of its type; beside codes it is any that will do. */
static lq_status take_own(request *q, const lq_tensor *t, lq_part part, level *l) {
    const lq_status status = lq_take_matrix(t, PARTS_POSITION, false, q->rows, q->blocks,
                                            LQ_ERROR_GRID, &l->own, &q->all);
    if (status) return status;
    if (q->layout->record) {
        return l->own.type->type == lq_part_type(q->layout, part) ? LQ_OK : LQ_ERROR_TYPE;
    }
    const bool good = part == LQ_PART_SCALE ? lq_is_scale(l->own.type) : is_zero(l->own.type);
    return good ? LQ_OK : LQ_ERROR_TYPE;
}

static lq_status take_super(request *q, const lq_tensor *t, lq_part part, level *l) {
    const lq_type type = q->layout->record ? lq_part_type(q->layout, part) : 0;
    if (!type) return t ? LQ_ERROR_LAYOUT : LQ_OK;
    if (!t) return LQ_ERROR_NULL;
    l->together = q->layout->record / q->layout->block;
    if (q->blocks % l->together) return LQ_ERROR_GRID;
    const lq_status status =
        lq_take_matrix(t, PARTS_POSITION, false, q->rows, q->blocks / l->together, LQ_ERROR_GRID,
                       &l->super, &q->all);
    if (status) return status;
    return l->super.type->type == type ? LQ_OK : LQ_ERROR_TYPE;
}

static lq_status take_levels(request *q, level *scale, level *zero, bool wants_zero) {
    const lq_parts *p = q->parts;
    const bool has_zero = !q->layout->record || q->layout->zero_type;
    lq_status status = take_own(q, p->scale, LQ_PART_SCALE, scale);
    if (!status) status = take_super(q, p->super_scale, LQ_PART_SUPER_SCALE, scale);
    if (status) return status;
    if (p->zero_point && !has_zero) return LQ_ERROR_LAYOUT;
    if (!wants_zero) return LQ_OK;
    if (!p->zero_point) return has_zero ? LQ_ERROR_NULL : LQ_ERROR_LAYOUT;
    status = take_own(q, p->zero_point, LQ_PART_ZERO, zero);
    if (!status) status = take_super(q, p->super_zero_point, LQ_PART_SUPER_ZERO, zero);
    zero->negative = zero->super.type != NULL;
    return status;
}

static lq_status take_output(request *q, const lq_tensor *t, int position, lq_values *to) {
    const lq_status status =
        lq_take_matrix(t, position, true, q->rows, q->blocks, LQ_ERROR_GRID, to, &q->all);
    return !status && t->type != LQ_F32 ? LQ_ERROR_TYPE : status;
}

/* The scales say how many rows and blocks there are. */
static lq_status measure(request *q, const lq_parts *parts) {
    if (!parts) return LQ_ERROR_NULL;
    const lq_status status = lq_check_struct(parts, parts->struct_size, sizeof *parts);
    if (status) return status;
    const lq_tensor *t = parts->scale;
    if (!t) return LQ_ERROR_NULL;
    if (t->rank != 1 && t->rank != 2) return LQ_ERROR_RANK;
    q->parts = parts;
    q->rows = t->rank == 2 ? t->shape[0] : 1;
    q->blocks = t->shape[t->rank - 1];
    return LQ_OK;
}

lq_status lq_parts_parameters(const lq_parts *parts, lq_layout layout, const lq_tensor *scale,
                              const lq_tensor *zero_point, const lq_exec *exec) {
    lq_call call;
    request q = {.layout = lq_layout_find(layout)};
    level scales = {.values = q.layout ? q.layout->scale_values : NULL},
          zeros = {.negative = false};
    lq_values to_scale, to_zero;
    int position = 0;
    lq_status status = lq_begin(&call, exec, EXEC_POSITION);
    if (status) return status;
    if (!q.layout) return lq_refuse(&call, LQ_ERROR_ENUM, LAYOUT_POSITION, -1);
    status = measure(&q, parts);
    if (!status) status = take_levels(&q, &scales, &zeros, zero_point != NULL);
    if (status) return lq_refuse(&call, status, PARTS_POSITION, -1);
    status = scale ? take_output(&q, scale, SCALE_POSITION, &to_scale) : LQ_ERROR_NULL;
    if (status) return lq_refuse(&call, status, SCALE_POSITION, -1);
    if (zero_point) status = take_output(&q, zero_point, ZERO_POSITION, &to_zero);
    if (status) return lq_refuse(&call, status, ZERO_POSITION, -1);
    status = lq_check_apart(&q.all, &position);
    if (status) return lq_refuse(&call, status, position, -1);
    compute(&scales, q.rows, q.blocks, &to_scale);
    if (zero_point) compute(&zeros, q.rows, q.blocks, &to_zero);
    return LQ_OK;
}
