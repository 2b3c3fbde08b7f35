#include "coder.h"
#include "choose.h"
#include <stddef.h>
#include <string.h>

/* -------------------------------------------------------------------- arguments */

static lq_status refuse(const lq_coder *c, lq_status status, int position) {
    return lq_refuse(&c->call, status, position, -1);
}

static lq_status check_tensors(const lq_coder_arguments *a, lq_coder *c) {
    lq_tensors all = {.count = 0};
    lq_values x;
    int position = a->packed_position;
    lq_status status = lq_check_packed(a->packed, position, a->encodes, &c->side, &all);
    if (status) return refuse(c, status, position);
    status = a->x ? lq_take_matrix(a->x, a->x_position, !a->encodes, c->side.rows, c->side.columns,
                                   LQ_ERROR_SHAPE, &x, &all)
                  : LQ_ERROR_NULL;
    if (!status && x.type->kind != LQ_KIND_REAL) status = LQ_ERROR_TYPE;
    if (status) return refuse(c, status, a->x_position);
    status = lq_check_apart(&all, &position);
    if (status) return refuse(c, status, position);
    c->call.tensor[LQ_X] = a->x;
    c->call.type[LQ_X] = x.type;
    c->rows = c->side.rows;
    c->columns = c->side.columns;
    c->x_row = x.row_step;
    c->x_column = x.step;
    c->block = c->side.block;
    return LQ_OK;
}

/* ------------------------------------------------------------------ the scheme */

static bool same_table(const float *a, const float *b) {
    if (!a || !b) return a == b;
    for (int i = 0; i < 16; ++i) {
        if (a[i] != b[i]) return false;
    }
    return true;
}

static bool codes_within(const lq_rule *rule, int32_t low, int32_t high) {
    return (rule->code->min < 0) == (low < 0) && rule->code_min >= low && rule->code_max <= high;
}

/* Whether the records hold codes of a rule, and mean by them what it does. */
static bool fits_records(const lq_layout_row *layout, const lq_rule *own, const lq_rule *rule) {
    if (rule->format != own->format || !same_table(rule->table, own->table)) return false;
    if ((own->mapping == LQ_AFFINE) != (rule->mapping == LQ_AFFINE)) return false;
    if (own->element.minimum != rule->element.minimum || own->zero != rule->zero) return false;
    if (!lq_has_integer_codes(rule)) return true;
    return codes_within(rule, layout->codes.min, layout->codes.max);
}

/* The same of bytes that hold codes of so many bits and nothing else but integer zero points. */
static bool fits_fields(const lq_coder *c, const lq_rule *rule) {
    const lq_type_info *said = lq_type_find(c->side.code_type);
    const int32_t half = rule->code->min < 0 ? 1 << (c->side.bits - 1) : 0;
    if (rule->element.minimum || (c->encodes && rule->real_zero)) return false;
    if (rule->format) return said ? said == rule->code : rule->code->bits == c->side.bits;
    if (said && said->format) return false;
    return codes_within(rule, -half, (1 << c->side.bits) - 1 - half);
}

static lq_status check_blocks(const lq_coder *c, const lq_tensor *x, const lq_scheme *scheme) {
    int64_t extent[LQ_MAX_RANK], grid[LQ_MAX_RANK], count;
    const lq_status status = lq_check_block(x, &scheme->block, extent, grid, &count);
    if (status || c->rows == 0 || c->side.blocks == 0) return status;
    /* A row without elements may be a block, whose extent is then 1. */
    const int64_t columns = c->columns > 0 ? c->columns : 1;
    const int64_t block = c->block < columns ? c->block : columns;
    if (x->rank == 2 && extent[0] != 1) return LQ_ERROR_LAYOUT;
    return extent[x->rank - 1] == block ? LQ_OK : LQ_ERROR_LAYOUT;
}

static lq_status check_scheme(const lq_coder_arguments *a, lq_coder *c) {
    const lq_layout_row *layout = c->side.layout;
    lq_rule *rule = &c->call.rule;
    lq_scheme own_scheme;
    lq_rule own;
    lq_status status = LQ_OK;
    c->own_rule = layout->record && !a->scheme;
    if (layout->record) {
        status = lq_row_scheme(layout, &own_scheme);
        if (!status) status = lq_check_scheme(&own_scheme, c->own_rule ? rule : &own);
        if (status || c->own_rule) return status;
    }
    status = lq_check_scheme(a->scheme, rule);
    if (status) return status;
    if (layout->record ? !fits_records(layout, &own, rule) : !fits_fields(c, rule)) {
        return LQ_ERROR_LAYOUT;
    }
    if (a->encodes && layout->super_scale_type) return LQ_ERROR_LAYOUT;
    if (a->encodes && layout->record &&
        !lq_scale_fits(lq_type_find(layout->scale_type), rule, true)) {
        return LQ_ERROR_TYPE;
    }
    return check_blocks(c, a->x, a->scheme);
}

/* Scales and zero points of layouts of codes: which there must be, and of which types. */
static lq_status check_parameters(lq_coder *c) {
    const lq_values *scale = &c->side.part[LQ_PART_SCALE];
    const lq_rule *rule = &c->call.rule;
    const bool has_zeros = c->side.zeros.kind != LQ_PLANE_NONE;
    if (c->side.layout->record) return LQ_OK;
    if (!scale->type) return LQ_ERROR_NULL;
    if (!lq_scale_fits(scale->type, rule, c->encodes)) return LQ_ERROR_TYPE;
    if (has_zeros && !lq_has_integer_codes(rule)) return LQ_ERROR_LAYOUT;
    return c->encodes && !has_zeros && rule->mapping == LQ_AFFINE ? LQ_ERROR_NULL : LQ_OK;
}

/* Bytes count from the lowest code, and fields with something added; rows take signs as they are. */
static void find_biases(lq_coder *c) {
    const bool is_signed = c->call.rule.code->min < 0;
    const int32_t half = is_signed ? 1 << (c->side.bits - 1) : 0;
    const bool as_is = c->side.layout->layout == LQ_LAYOUT_ROWS && !c->side.code_type;
    c->code_bias = half + (as_is ? half : c->side.codes.bias);
    c->zero_bias = half + (as_is ? half : c->side.zeros.bias);
    c->byte = lq_type_find(is_signed ? LQ_S8 : LQ_U8);
}

/* Rows of records without gaps between them are one row. */
static void join_rows(lq_coder *c) {
    const lq_layout_row *l = c->side.layout;
    if (!l->record) return;
    c->in_row = c->columns / l->record;
    if (c->rows <= 1 || c->x_row != c->columns * c->x_column) return;
    if (c->side.row_step != c->in_row * l->record_bytes) return;
    c->columns *= c->rows;
    c->in_row *= c->rows;
    c->rows = 1;
}

lq_status lq_begin_coder(const lq_coder_arguments *a, lq_coder *c) {
    lq_status status = lq_begin(&c->call, a->exec, 4);
    if (status) return status;
    for (int o = 0; o < LQ_OPERANDS; ++o) {
        c->call.type[o] = NULL;
        c->call.tensor[o] = NULL;
    }
    c->encodes = a->encodes;
    status = check_tensors(a, c);
    if (status) return status;
    status = check_scheme(a, c);
    if (status) return refuse(c, status, 2);
    status = check_parameters(c);
    if (status) return refuse(c, status, a->packed_position);
    if (c->call.rule.table) lq_make_code_table(&c->call.rule, &c->call.table);
    find_biases(c);
    join_rows(c);
    return LQ_OK;
}

/* ---------------------------------------------------------------------- batches */

void lq_plan_blocks(const lq_coder *c, lq_plan *plan) {
    plan->loops = 2;
    for (int i = 0; i < 2; ++i) {
        plan->loop[i] =
            (lq_loop){.count = LQ_CODER_BLOCKS, .cell = i == 0, .ragged_by = LQ_NO_LOOP};
        plan->loop[i].step[LQ_X] = c->x_column * (i == 0 ? c->block : 1);
        plan->loop[i].step[LQ_CODES] = i == 0 ? c->block : 1;
    }
    plan->loop[0].step[LQ_SCALE] = plan->loop[0].step[LQ_ZERO] = 1;
    plan->empty = c->columns == 0;
    plan->no_cell = false;
    plan->spread = LQ_SPREAD_ROWS;
    plan->outer_loops = plan->inner_loops = 0;
    plan->row = 0;
    plan->vector = 1;
}

void lq_plan_codes_in_records(const lq_coder *c, lq_plan *plan) {
    plan->loop[0].step[LQ_CODES] = c->side.layout->record_bytes;
}

void lq_batch_of_blocks(const lq_coder *c, const lq_plan *plan, int64_t row, int64_t first,
                        int64_t blocks, lq_batch *b) {
    const int64_t column = first * c->block;
    const int64_t rest = c->columns - column;
    b->plan = plan;
    b->blocks = b->rows = blocks;
    b->count = c->block < rest ? c->block : rest;
    b->followed = 2 * blocks * c->block <= rest;
    memset(b->at, 0, sizeof b->at);
    b->at[LQ_X] = c->call.tensor[LQ_X]->offset + row * c->x_row + column * c->x_column;
    memcpy(b->step, plan->loop[0].step, sizeof b->step);
}

void lq_copy_coder_call(const lq_coder *c, lq_call *call) {
    memcpy(call, &c->call, offsetof(lq_call, extent));
}

static bool all_finite(const lq_call *call, const float *v, int64_t n) {
    return call->kernels->are_scales(v, n, 1.0f, true, true);
}

void lq_fill_nan(const lq_call *call, const lq_parameters *p, const lq_piece *piece) {
    const lq_tensor *x = call->tensor[LQ_X];
    const bool minimums = call->type[LQ_ZERO] && call->type[LQ_ZERO]->kind == LQ_KIND_REAL;
    if (all_finite(call, p->scale, piece->rows) &&
        (!minimums || all_finite(call, p->offset, piece->rows))) {
        return;
    }
    for (int64_t b = 0; b < piece->rows; ++b) {
        if (lq_is_finite(p->scale[b]) && (!minimums || lq_is_finite(p->offset[b]))) continue;
        const int64_t at = piece->at[LQ_X] + b * piece->row_step[LQ_X];
        for (int64_t i = 0; i < piece->count; ++i) {
            lq_store_real(x->type, x->data, at + i * piece->step[LQ_X], lq_from_bits(0x7fc00000u));
        }
    }
}

/* ---------------------------------------------------------------------- records */

lq_record_parts lq_parts_of_buffers(const lq_layout_row *l, lq_record_buffers *b) {
    return (lq_record_parts){.codes = b->codes,
                             .scale = l->scale_type ? b->scale : NULL,
                             .zero = l->zero_type ? b->zero : NULL,
                             .super_scale = l->super_scale_type ? b->super_scale : NULL,
                             .super_zero = l->super_zero_type ? b->super_zero : NULL,
                             .sum = l->sum_type ? b->sum : NULL};
}

void lq_each_records(const lq_coder *c, int64_t task, int64_t most, lq_records_fn *visit,
                     void *context) {
    const int64_t all = c->rows * c->in_row;
    const int64_t end = lq_share(all, task + 1, c->tasks);
    most /= c->side.layout->record;
    int64_t i = lq_share(all, task, c->tasks);
    int64_t row = i > 0 ? i / c->in_row : 0;
    for (int64_t n; i < end; i += n) {
        const int64_t first = i - row * c->in_row;
        n = c->in_row - first < end - i ? c->in_row - first : end - i;
        if (n > most) n = most;
        visit(context, row, first, n);
        if (first + n == c->in_row) ++row;
    }
}

lq_status lq_code_records(lq_coder *c, lq_task *part) {
    const int64_t records = c->rows * c->in_row;
    const int64_t tasks = lq_tasks_wanted(&c->call);
    c->tasks = tasks < records ? tasks : records;
    return c->tasks ? lq_each_task(c->call.exec, c->tasks, part, c) : LQ_OK;
}

/* --------------------------------------------------------------- layouts of codes */

void lq_each_run(const lq_coder *c, int64_t row, int64_t column, int64_t n, lq_run_fn *visit,
                 void *context) {
    const int64_t end = column + n;
    while (column < end) {
        lq_run run = {.row = row, .column = column, .first = column / c->block, .blocks = 1};
        const int64_t next = (run.first + 1) * c->block;
        run.count = (next < end ? next : end) - column;
        if (run.count == c->block) {
            const int64_t whole = (end - column) / c->block;
            run.blocks = whole < LQ_BATCH ? whole : LQ_BATCH;
        }
        visit(context, &run);
        column += run.blocks * run.count;
    }
}

static int64_t up_to(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* Of fields; 1 where there are none. */
static int64_t unit_rows(const lq_plane *p) {
    return p->kind == LQ_PLANE_FIELDS ? p->shape.unit_rows : 1;
}

static int64_t unit_columns(const lq_plane *p) {
    return p->kind == LQ_PLANE_FIELDS ? p->shape.unit_columns : 1;
}

/* The zero points that a tile needs, with what its ends share units with. */
static int64_t zeros_of_tile(const lq_coder *c, int64_t rows, int64_t columns) {
    const int64_t blocks = columns / c->block + 2;
    return (rows + 2 * unit_rows(&c->side.zeros)) * (blocks + 2 * unit_columns(&c->side.zeros));
}

/* Long rows where blocks are long, which then are seen in few parts. */
lq_tiling lq_tile_codes(const lq_coder *c) {
    const lq_field_shape *s = &c->side.codes.shape;
    const int64_t all = up_to(c->columns, s->unit_columns);
    lq_tiling t = {.rows = up_to(s->tile_rows, s->unit_rows)};
    if (LQ_TILE / t.rows < c->block) t.rows = s->unit_rows;
    t.columns = LQ_TILE / t.rows / s->unit_columns * s->unit_columns;
    const int64_t blocks = up_to(c->block, s->unit_columns);
    if (blocks == c->block && blocks < t.columns) t.columns = t.columns / blocks * blocks;
    if (t.columns > all) t.columns = all;
    while (c->side.zeros.kind != LQ_PLANE_NONE && t.columns > s->unit_columns &&
           zeros_of_tile(c, t.rows, t.columns) > LQ_TILE) {
        t.columns = up_to(t.columns / 2, s->unit_columns);
    }
    t.bands = (c->rows + t.rows - 1) / t.rows;
    return t;
}
