/* Matrices from one side to another: what of them has no equal there, and tiles in tasks. */
#include "move.h"

/* -------------------------------------------------------------------- checking */

static void note(lq_finding *f, lq_status status, int64_t index) {
    if (f->status && f->index <= index) return;
    f->status = status;
    f->index = index;
}

static const lq_limits *limits_of(const lq_layout_row *layout, lq_part part) {
    const lq_limits *limits = part == LQ_PART_SCALE  ? &layout->scales
                              : part == LQ_PART_ZERO ? &layout->zeros
                                                     : NULL;
    return limits && limits->min < limits->max ? limits : NULL;
}

static int64_t first_beyond(const lq_values *v, int64_t row, int64_t n, const lq_limits *limits) {
    for (int64_t i = 0; i < n; ++i) {
        const int32_t z =
            lq_load_integer(v->type->type, v->data, v->at + row * v->row_step + i * v->step);
        if (z < limits->min || z > limits->max) return i;
    }
    return -1;
}

static void check_part(const lq_mover *m, const lq_moved_tile *p, lq_part part, lq_finding *f) {
    const lq_values *v = &p->part[part];
    const lq_layout_row *target = m->to->layout;
    const bool to_records = m->target->kind == LQ_PLANE_RECORDS;
    const lq_type type = to_records               ? lq_part_type(target, part)
                         : m->to->part[part].type ? m->to->part[part].type->type
                                                  : 0;
    const lq_limits *limits = to_records && m->checks_codes ? limits_of(target, part) : NULL;
    if (!v->type || !type) return;
    const int64_t span = lq_part_span(m->records, part);
    const int64_t n = p->tile.columns / span;
    for (int64_t r = 0; r < p->tile.rows; ++r) {
        const int64_t index = (p->tile.row + r) * (m->columns / span) + p->tile.column / span;
        int64_t bad = v->type->type != type ? lq_first_inexact(v, r, n, type) : -1;
        if (bad >= 0) note(f, LQ_ERROR_INEXACT, index + bad);
        bad = limits && v->type->type == type ? first_beyond(v, r, n, limits) : -1;
        if (bad >= 0) note(f, LQ_ERROR_CODE, index + bad);
    }
}

static void check_tile(const lq_mover *m, lq_moved_tile *p, lq_finding *f) {
    const lq_field_tile *t = &p->tile;
    lq_read_tile(m, p);
    for (int64_t r = 0; m->checks_codes && r < t->rows; ++r) {
        const int64_t bad = lq_first_outside(m, t->codes + r * t->step, t->columns);
        if (bad >= 0) note(f, LQ_ERROR_CODE, (t->row + r) * m->columns + t->column + bad);
    }
    for (int k = 0; m->records && k < LQ_PARTS; ++k) check_part(m, p, (lq_part)k, f);
}

/* --------------------------------------------------------------------- walking */

static void move_part(void *context, int64_t task) {
    const lq_mover *m = context;
    lq_moved_tile p;
    const int64_t end = lq_share(m->bands, task + 1, m->tasks);
    for (int64_t b = lq_share(m->bands, task, m->tasks); b < end; ++b) {
        for (int64_t c = 0; c < m->columns; c += m->tile_columns) {
            lq_start_tile(m, b, c, &p);
            lq_move_tile(m, &p);
        }
    }
}

/* As far as the first band of rows in which there is something. */
static void check_share(void *context, int64_t task) {
    lq_mover *m = context;
    lq_finding f = {LQ_OK, -1};
    lq_moved_tile p;
    const int64_t end = lq_share(m->bands, task + 1, m->tasks);
    for (int64_t b = lq_share(m->bands, task, m->tasks); !f.status && b < end; ++b) {
        for (int64_t c = 0; c < m->columns; c += m->tile_columns) {
            lq_start_tile(m, b, c, &p);
            check_tile(m, &p, &f);
        }
    }
    m->found[task] = f;
}

static int64_t common_multiple(int64_t a, int64_t b) {
    int64_t x = a, y = b;
    while (y) {
        const int64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x * b;
}

static int64_t up_to(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit * unit;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static void take_units(const lq_plane *plane, const lq_side *side, int64_t unit[2],
                       int64_t *wanted) {
    if (plane->kind == LQ_PLANE_FIELDS) {
        unit[0] = common_multiple(unit[0], plane->shape.unit_rows);
        unit[1] = common_multiple(unit[1], plane->shape.unit_columns);
        *wanted = larger(*wanted, plane->shape.tile_rows);
    } else if (plane->kind == LQ_PLANE_RECORDS) {
        unit[1] = common_multiple(unit[1], side->layout->record);
    }
}

/* No two units have more than LQ_TILE elements in common. */
static void choose_tile(lq_mover *m) {
    int64_t unit[2] = {1, 1}, wanted = 1;
    take_units(m->source, m->from, unit, &wanted);
    take_units(m->target, m->to, unit, &wanted);
    const int64_t columns = LQ_TILE / up_to(wanted, unit[0]) / unit[1] * unit[1];
    const int64_t all = up_to(m->columns, unit[1]);
    m->tile_columns = larger(columns < all ? columns : all, unit[1]);
    m->tile_rows = larger(LQ_TILE / m->tile_columns / unit[0] * unit[0], unit[0]);
    m->bands = (m->rows + m->tile_rows - 1) / m->tile_rows;
}

/* Whether rows of a tensor share no bytes. */
static bool rows_are_apart(const lq_values *v) {
    if (!v->type || !v->data || v->type->bits % 8 == 0) return true;
    return v->at * v->type->bits % 8 == 0 && v->row_step * v->type->bits % 8 == 0 && v->step == 1 &&
           v->row_step > 0;
}

static bool can_be_shared_out(const lq_mover *m) {
    if (m->target->kind == LQ_PLANE_FIELDS) return !m->target->shape.overlapping;
    return m->target->kind != LQ_PLANE_TENSOR || rows_are_apart(&m->target->values);
}

static int64_t tasks_for(const lq_call *call, const lq_mover *m) {
    const lq_tensor all = lq_matrix(NULL, LQ_U8, m->rows, m->columns);
    lq_call of = *call;
    of.tensor[LQ_X] = &all;
    const int64_t tasks = lq_tasks_wanted(&of);
    return tasks < m->bands ? tasks : m->bands;
}

static bool starts(lq_mover *m, const lq_side *from, const lq_plane *source, const lq_side *to,
                   const lq_plane *target, int64_t columns) {
    *m = (lq_mover){.from = from,
                    .to = to,
                    .source = source,
                    .target = target,
                    .rows = from->rows,
                    .columns = columns};
    m->map = lq_map_between(source, target);
    choose_tile(m);
    return m->rows > 0 && m->columns > 0;
}

/* Of all u that may be read, whether each has an equal. */
static bool all_fit(const lq_plane *source, const lq_plane *target) {
    const int32_t moved = target->anchor - source->anchor;
    int32_t least = 0, most = source->levels - 1;
    if (source->kind == LQ_PLANE_TENSOR && !source->wraps) {
        const bool is_signed = source->values.type->min < 0;
        least = (is_signed ? -128 : 0) - source->low;
        most = (is_signed ? 127 : 255) - source->low;
    }
    return least + moved >= 0 && most + moved < target->levels;
}

static bool parts_may_fail(const lq_mover *m) {
    if (!m->records || (m->from->layout && m->from->layout == m->to->layout)) return false;
    for (int k = 0; k < LQ_PARTS; ++k) {
        const bool to_records = m->target->kind == LQ_PLANE_RECORDS;
        const bool from_records = m->source->kind == LQ_PLANE_RECORDS;
        const lq_type_info *a = from_records
                                    ? lq_type_find(lq_part_type(m->from->layout, (lq_part)k))
                                    : m->from->part[k].type;
        const lq_type_info *b = to_records ? lq_type_find(lq_part_type(m->to->layout, (lq_part)k))
                                           : m->to->part[k].type;
        if (a && b && a != b) return true;
        if (to_records && limits_of(m->to->layout, (lq_part)k)) return true;
    }
    return false;
}

static lq_status check(const lq_call *call, lq_mover *m, bool trusted, lq_finding *found) {
    const bool of_parts = parts_may_fail(m);
    const bool of_codes = m->target->kind != LQ_PLANE_NONE && !all_fit(m->source, m->target);
    *found = (lq_finding){LQ_OK, -1};
    m->checks_codes = !trusted && (of_codes || of_parts);
    if (!m->checks_codes && !of_parts) return LQ_OK;
    m->tasks = tasks_for(call, m);
    m->checks = true;
    const lq_status status = lq_each_task(call->exec, m->tasks, check_share, m);
    m->checks = false;
    for (int64_t task = 0; !status && task < m->tasks; ++task) {
        *found = m->found[task];
        if (found->status) break;
    }
    return status;
}

static lq_status run(const lq_call *call, lq_mover *m) {
    m->tasks = can_be_shared_out(m) ? tasks_for(call, m) : 1;
    return lq_each_task(call->exec, m->tasks, move_part, m);
}

/* ------------------------------------------------------------ wide zero points */

/* Zero points of types wider than a byte, before their lowest bytes stand for them. */
static void check_wide(const lq_side *from, lq_finding *f) {
    const lq_plane *zeros = &from->zeros;
    if (zeros->kind != LQ_PLANE_TENSOR || zeros->values.type->bits <= 8) return;
    const lq_limits limits = {zeros->low, zeros->low + zeros->levels - 1};
    for (int64_t r = 0; !f->status && r < from->rows; ++r) {
        const int64_t bad = first_beyond(&zeros->values, r, from->blocks, &limits);
        if (bad >= 0) note(f, LQ_ERROR_CODE, r * from->blocks + bad);
    }
}

/* -------------------------------------------------------------------- together */

/* Scales from tensor to tensor. */
static void check_scales(const lq_side *from, const lq_side *to, lq_finding *f) {
    const lq_values *a = &from->part[LQ_PART_SCALE];
    const lq_values *b = &to->part[LQ_PART_SCALE];
    if (!a->data || !b->data || a->type == b->type || from->blocks == 0) return;
    for (int64_t r = 0; !f->status && r < from->rows; ++r) {
        const int64_t bad =
            lq_first_inexact(&from->part[LQ_PART_SCALE], r, from->blocks, b->type->type);
        if (bad >= 0) note(f, LQ_ERROR_INEXACT, r * from->blocks + bad);
    }
}

static void copy_scales(const lq_side *from, const lq_side *to) {
    const lq_values *a = &from->part[LQ_PART_SCALE];
    const lq_values *b = &to->part[LQ_PART_SCALE];
    if (a->data && b->data && from->blocks > 0) lq_copy_values(a, b, from->rows, from->blocks);
}

static lq_status refuse(const lq_call *call, const lq_finding *f, int position) {
    return lq_refuse(call, f->status, position, f->index);
}

/* Codes may be left out of parts; then records are read for what else is wanted of them. */
static bool moves_records_or_codes(const lq_side *from, const lq_side *to) {
    bool wanted = to->codes.kind != LQ_PLANE_NONE;
    if (from->codes.kind == LQ_PLANE_NONE) return false;
    for (int k = 0; from->codes.kind == LQ_PLANE_RECORDS && k < LQ_PARTS; ++k) {
        wanted = wanted || to->part[k].type;
    }
    return wanted;
}

lq_status lq_move(lq_call *call, const lq_side *from, const lq_side *to, int from_position) {
    lq_mover codes, zeros;
    lq_finding found = {LQ_OK, -1};
    const bool has_codes = starts(&codes, from, &from->codes, to, &to->codes, from->columns);
    const bool has_zeros = starts(&zeros, from, &from->zeros, to, &to->zeros, from->blocks) &&
                           from->zeros.kind != LQ_PLANE_NONE && to->zeros.kind != LQ_PLANE_NONE;
    const bool from_records = from->codes.kind == LQ_PLANE_RECORDS;
    const bool records = from_records || to->codes.kind == LQ_PLANE_RECORDS;
    const bool moves_codes = has_codes && moves_records_or_codes(from, to);
    lq_status status = LQ_OK;
    if (records) codes.records = from_records ? from->layout : to->layout;
    if (moves_codes) status = check(call, &codes, call->trusted, &found);
    if (!status && !found.status && has_zeros && !call->trusted) check_wide(from, &found);
    if (!status && !found.status && has_zeros) {
        /* Where one side has none, all must be the middle, whoever vouches for them. */
        const bool trusted = call->trusted && to->zeros.kind != LQ_PLANE_MIDDLE;
        status = check(call, &zeros, trusted, &found);
    }
    if (!status && !found.status && !records) check_scales(from, to, &found);
    if (!status && found.status) return refuse(call, &found, from_position);
    if (!status && moves_codes) status = run(call, &codes);
    if (!status && has_zeros && to->zeros.kind != LQ_PLANE_MIDDLE) status = run(call, &zeros);
    if (!status && !records) copy_scales(from, to);
    return status;
}
