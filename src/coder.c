#include "coder.h"
#include <string.h>

/* ------------------------------------------------------------------ arguments */

static lq_status refuse(const lq_coder *c, lq_status status, int position) {
    return lq_refuse(&c->call, status, position, -1);
}

static lq_status check_real(const lq_coder_arguments *a, lq_coder *c, lq_span *span) {
    const lq_tensor *x = a->x;
    if (!x) return LQ_ERROR_NULL;
    const lq_status status = lq_check_tensor(x, !a->encodes, span);
    if (status) return status;
    c->call.type[LQ_X] = lq_type_find(x->type);
    if (c->call.type[LQ_X]->kind != LQ_KIND_REAL) return LQ_ERROR_TYPE;
    if (x->rank != 1 && x->rank != 2) return LQ_ERROR_RANK;
    c->call.tensor[LQ_X] = x;
    c->rows = x->rank == 2 ? x->shape[0] : 1;
    c->columns = x->shape[x->rank - 1];
    c->x_row = x->rank == 2 ? x->stride[0] : 0;
    c->x_column = x->stride[x->rank - 1];
    return LQ_OK;
}

static lq_status check_layout(const lq_packed *p, lq_coder *c) {
    if (!p) return LQ_ERROR_NULL;
    const lq_status status = lq_check_struct(p, p->struct_size, sizeof *p);
    if (status) return status;
    c->packed = p;
    c->layout = lq_layout_find(p->layout);
    if (!c->layout) return LQ_ERROR_ENUM;
    if (p->rows != c->rows || p->columns != c->columns) return LQ_ERROR_SHAPE;
    if (p->block < 0) return LQ_ERROR_LAYOUT;
    if (!c->layout->record) return LQ_OK;
    if (p->columns % c->layout->record) return LQ_ERROR_LAYOUT;
    if (p->bits && p->bits != c->layout->bits) return LQ_ERROR_LAYOUT;
    if (p->block && p->block != c->layout->block) return LQ_ERROR_LAYOUT;
    return p->scale || p->zero_bytes ? LQ_ERROR_LAYOUT : LQ_OK;
}

/* A vector of all rows, or a matrix with any distance between rows. */
static lq_status check_records(const lq_coder_arguments *a, lq_coder *c, lq_span *span) {
    const lq_tensor *t = c->packed->bytes;
    int64_t row, all;
    if (!t) return LQ_ERROR_NULL;
    const lq_status status = lq_check_tensor(t, a->encodes, span);
    if (status) return status;
    if (t->type != LQ_U8) return LQ_ERROR_TYPE;
    if (t->rank != 1 && t->rank != 2) return LQ_ERROR_RANK;
    if (__builtin_mul_overflow(c->columns / c->layout->record, c->layout->record_bytes, &row) ||
        __builtin_mul_overflow(c->rows, row, &all)) {
        return LQ_ERROR_OVERFLOW;
    }
    if (t->rank == 1 ? t->shape[0] != all : t->shape[0] != c->rows || t->shape[1] != row) {
        return LQ_ERROR_SHAPE;
    }
    if (all && t->shape[t->rank - 1] != 1 && t->stride[t->rank - 1] != 1) return LQ_ERROR_STRIDE;
    c->bytes_row = t->rank == 2 ? t->stride[0] : row;
    if (all) c->bytes = (unsigned char *)t->data + t->offset;
    return LQ_OK;
}

/* ---------------------------------------------------------------- the scheme */

static bool same_table(const float *a, const float *b) {
    if (!a || !b) return a == b;
    for (int i = 0; i < 16; ++i) {
        if (a[i] != b[i]) return false;
    }
    return true;
}

/* Whether the layout's bytes hold codes of a rule, and mean by them what it does. */
static bool codes_fit(const lq_layout_row *layout, const lq_rule *own, const lq_rule *rule) {
    if (rule->format != own->format || !same_table(rule->table, own->table)) return false;
    if (rule->format || rule->table) return true;
    return (rule->code->min < 0) == (own->code->min < 0) && rule->code_min >= layout->codes.min &&
           rule->code_max <= layout->codes.max;
}

static bool zeros_fit(const lq_rule *own, const lq_rule *rule) {
    if ((own->mapping == LQ_AFFINE) != (rule->mapping == LQ_AFFINE)) return false;
    return own->zero_place == rule->zero_place && own->zero == rule->zero;
}

static lq_status check_blocks(const lq_coder *c, const lq_tensor *x, const lq_scheme *scheme,
                              int64_t block) {
    int64_t extent[LQ_MAX_RANK], grid[LQ_MAX_RANK], count;
    const lq_status status = lq_check_block(x, &scheme->block, extent, grid, &count);
    if (status || c->rows == 0 || c->columns == 0) return status;
    if (x->rank == 2 && extent[0] != 1) return LQ_ERROR_LAYOUT;
    return extent[x->rank - 1] == block ? LQ_OK : LQ_ERROR_LAYOUT;
}

static lq_status check_record_scheme(const lq_coder_arguments *a, lq_coder *c) {
    const lq_layout_row *l = c->layout;
    lq_scheme own_scheme;
    lq_rule own;
    lq_status status = lq_layout_scheme(l->layout, &own_scheme, sizeof own_scheme);
    if (!status) status = lq_check_scheme(&own_scheme, &own);
    if (status) return status;
    c->block = l->block;
    c->call.rule = own;
    c->own_rule = !a->scheme;
    if (!a->scheme) return LQ_OK;
    status = lq_check_scheme(a->scheme, &c->call.rule);
    if (status) return status;
    if (a->encodes && l->super_scale_type) return LQ_ERROR_LAYOUT;
    if (!codes_fit(l, &own, &c->call.rule) || !zeros_fit(&own, &c->call.rule)) {
        return LQ_ERROR_LAYOUT;
    }
    return check_blocks(c, a->x, a->scheme, l->block);
}

/* ------------------------------------------------------------------ together */

/* Rows without gaps between them are one row. */
static void join_rows(lq_coder *c) {
    const int64_t row_bytes = c->columns / c->layout->record * c->layout->record_bytes;
    if (c->rows <= 1 || c->bytes_row != row_bytes || c->x_row != c->columns * c->x_column) return;
    c->columns *= c->rows;
    c->rows = 1;
}

static void set_types(lq_coder *c) {
    const lq_layout_row *l = c->layout;
    const bool is_signed = c->call.rule.code->kind == LQ_KIND_CODE && c->call.rule.code->min < 0;
    c->byte = lq_type_find(is_signed ? LQ_S8 : LQ_U8);
    c->call.type[LQ_CODES] = c->byte;
    c->call.type[LQ_SCALE] = lq_type_find(l->scale_type);
    c->call.type[LQ_ZERO] = l->zero_type ? lq_type_find(l->zero_type) : NULL;
}

lq_status lq_begin_coder(const lq_coder_arguments *a, lq_coder *c) {
    lq_span x_span, bytes_span;
    lq_status status = lq_begin(&c->call, a->exec, 4);
    if (status) return status;
    for (int o = 0; o < LQ_OPERANDS; ++o) {
        c->call.type[o] = NULL;
        c->call.tensor[o] = NULL;
    }
    c->bytes = NULL;
    status = check_real(a, c, &x_span);
    if (status) return refuse(c, status, a->x_position);
    status = check_layout(a->packed, c);
    if (!status) status = check_records(a, c, &bytes_span);
    if (!status && lq_spans_meet(x_span, bytes_span)) status = LQ_ERROR_OVERLAP;
    if (status) return refuse(c, status, a->packed_position);
    status = check_record_scheme(a, c);
    if (status) return refuse(c, status, 2);
    if (c->call.rule.table) lq_make_code_table(&c->call.rule, &c->call.table);
    set_types(c);
    join_rows(c);
    return LQ_OK;
}

/* -------------------------------------------------------------------- pieces */

void lq_plan_blocks(const lq_coder *c, lq_plan *plan) {
    plan->loops = 2;
    for (int i = 0; i < 2; ++i) {
        plan->loop[i] =
            (lq_loop){.count = LQ_CODER_BLOCKS, .cell = i == 0, .ragged_by = LQ_NO_LOOP};
        plan->loop[i].step[LQ_X] = c->x_column * (i == 0 ? c->block : 1);
        plan->loop[i].step[LQ_CODES] = i == 0 ? c->block : 1;
    }
    plan->loop[0].step[LQ_SCALE] = plan->loop[0].step[LQ_ZERO] = 1;
    plan->empty = plan->no_cell = false;
    plan->spread = LQ_SPREAD_ROWS;
    plan->outer_loops = plan->inner_loops = 0;
    plan->row = 0;
    plan->vector = 1;
}

lq_batch lq_batch_of_blocks(const lq_coder *c, const lq_plan *plan, int64_t row, int64_t first,
                            int64_t blocks) {
    const int64_t column = first * c->block;
    lq_batch b = {.plan = plan, .blocks = blocks, .rows = blocks, .count = c->block};
    if (b.count > c->columns - column) b.count = c->columns - column;
    b.at[LQ_X] = c->call.tensor[LQ_X]->offset + row * c->x_row + column * c->x_column;
    memcpy(b.step, plan->loop[0].step, sizeof b.step);
    return b;
}

lq_record_parts lq_parts_of_buffers(const lq_layout_row *l, lq_record_buffers *b) {
    return (lq_record_parts){.codes = b->codes,
                             .scale = l->scale_type ? b->scale : NULL,
                             .zero = l->zero_type ? b->zero : NULL,
                             .super_scale = l->super_scale_type ? b->super_scale : NULL,
                             .super_zero = l->super_zero_type ? b->super_zero : NULL,
                             .sum = l->sum_type ? b->sum : NULL};
}

int64_t lq_record_tasks(const lq_coder *c) {
    const int64_t records = c->rows * (c->columns / c->layout->record);
    const int64_t tasks = lq_tasks_wanted(&c->call);
    return tasks < records ? tasks : records;
}

void lq_each_records(const lq_coder *c, int64_t task, int64_t tasks, lq_records_fn *visit,
                     void *context) {
    const int64_t in_row = c->columns / c->layout->record;
    const int64_t all = c->rows * in_row;
    const int64_t most = LQ_CODER_PIECE / c->layout->record;
    /* Without a product that might overflow. */
    const int64_t begin = all / tasks * task + all % tasks * task / tasks;
    const int64_t end = all / tasks * (task + 1) + all % tasks * (task + 1) / tasks;
    for (int64_t i = begin, n; i < end; i += n) {
        const int64_t first = i % in_row;
        n = in_row - first < end - i ? in_row - first : end - i;
        if (n > most) n = most;
        visit(context, i / in_row, first, n);
    }
}
