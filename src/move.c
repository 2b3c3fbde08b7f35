/*
 * Matrices from one side to another, through tiles on the stack: a tile is read from wherever its
 * codes are, as bytes; made into the bytes of the other side; and written. Records bring their
 * parameters along.
 */
#include "layouts/codes.h"
#include "packed.h"
#include "tasks.h"
#include <string.h>

/* No record has more parameters than one for 16 codes, nor wider ones than 4 bytes. */
enum { PART_BYTES = LQ_TILE / 16 * 4 };

/* out = (((in + before) & inside) + after) & outside, modulo 256 */
typedef struct byte_map {
    unsigned char before, inside, after, outside;
    bool identity;
} byte_map;

typedef struct finding {
    lq_status status;
    int64_t index;
} finding;

typedef struct move {
    const lq_side *from, *to;
    const lq_plane *source, *target; /* codes, or zero points */
    const lq_layout_row *records;    /* of either side: its parameters come along */
    bool checks, checks_codes;       /* nothing is written */
    int64_t rows, columns;
    int64_t tile_rows, tile_columns, bands, tasks;
    byte_map map;
    finding found[LQ_MAX_TASKS];
} move;

typedef struct piece {
    lq_field_tile tile;
    lq_values part[LQ_PARTS]; /* element 0 is the piece's first */
    unsigned char codes[LQ_TILE];
    unsigned char read[LQ_PARTS][PART_BYTES], made[LQ_PARTS][PART_BYTES];
} piece;

/* ---------------------------------------------------------------------- bytes */

static byte_map map_between(const lq_plane *a, const lq_plane *b) {
    const int32_t moved = b->anchor - a->anchor;
    byte_map map = {
        .before = (unsigned char)((a->wraps ? -a->bias : -a->low) & 255),
        .inside = (unsigned char)(a->wraps ? a->levels - 1 : 255),
        .after = (unsigned char)((moved + (b->wraps ? b->bias : b->low)) & 255),
        .outside = (unsigned char)(b->wraps ? b->levels - 1 : 255),
        .identity = true,
    };
    for (int32_t v = 0; v < 256; ++v) {
        const int32_t u = ((v + map.before) & map.inside) + map.after;
        const bool occurs = !a->wraps || v < a->levels;
        /* Fields are cut to their bits where they are written. */
        if (occurs && ((u ^ v) & map.outside) != 0) map.identity = false;
    }
    return map;
}

static void map_row(const byte_map *map, const unsigned char *from, int64_t n, unsigned char *to) {
    const byte_map m = *map;
    for (int64_t i = 0; i < n; ++i) {
        const uint32_t u = ((uint32_t)from[i] + m.before) & m.inside;
        to[i] = (unsigned char)((u + m.after) & m.outside);
    }
}

/* What stands for a byte on the other side, whether it is there or not. */
static unsigned char number_of(byte_map m, unsigned char moved, unsigned char byte) {
    return (unsigned char)(((((unsigned)byte + m.before) & m.inside) + moved) & 255u);
}

/* The first in a row that the other plane does not have, or -1. */
static int64_t first_outside(const move *m, const unsigned char *codes, int64_t n) {
    const unsigned char moved =
        (unsigned char)((uint32_t)(m->target->anchor - m->source->anchor) & 255u);
    const byte_map map = m->map;
    unsigned char most = 0;
    for (int64_t i = 0; i < n; ++i) {
        const unsigned char u = number_of(map, moved, codes[i]);
        most = u > most ? u : most;
    }
    if (most < m->target->levels) return -1;
    for (int64_t i = 0; i < n; ++i) {
        if (number_of(map, moved, codes[i]) >= m->target->levels) return i;
    }
    return -1;
}

/* --------------------------------------------------------------------- records */

int64_t lq_part_span(const lq_layout_row *layout, lq_part part) {
    switch (part) {
    case LQ_PART_SCALE:
    case LQ_PART_ZERO: return layout->block;
    case LQ_PART_SUM: return layout->sum_block;
    default: return layout->record;
    }
}

lq_type lq_part_type(const lq_layout_row *layout, lq_part part) {
    switch (part) {
    case LQ_PART_SCALE: return layout->scale_type;
    case LQ_PART_ZERO: return layout->zero_type;
    case LQ_PART_SUPER_SCALE: return layout->super_scale_type;
    case LQ_PART_SUPER_ZERO: return layout->super_zero_type;
    default: return layout->sum_type;
    }
}

/* The values of a part from a piece's first on. */
static lq_values from_piece(const move *m, const lq_values *v, lq_part part, const piece *p) {
    lq_values moved = *v;
    const int64_t first = p->tile.column / lq_part_span(m->records, part);
    moved.at += p->tile.row * v->row_step + first * v->step;
    return moved;
}

static lq_values in_buffer(const lq_type_info *type, unsigned char *buffer, int64_t n) {
    return (lq_values){.type = type, .data = buffer, .row_step = n, .step = 1};
}

static int64_t elements_of(const lq_layout_row *layout, lq_part part, const piece *p) {
    return p->tile.columns / lq_part_span(layout, part);
}

static unsigned char *row_of(const lq_values *v, int64_t row) {
    return v->type ? v->data + (v->at + row * v->row_step) * (v->type->bits / 8) : NULL;
}

static lq_record_parts parts_of_row(const lq_values *part, unsigned char *codes, int64_t row) {
    return (lq_record_parts){.codes = codes,
                             .scale = row_of(&part[LQ_PART_SCALE], row),
                             .zero = row_of(&part[LQ_PART_ZERO], row),
                             .super_scale = row_of(&part[LQ_PART_SUPER_SCALE], row),
                             .super_zero = row_of(&part[LQ_PART_SUPER_ZERO], row),
                             .sum = row_of(&part[LQ_PART_SUM], row)};
}

static unsigned char *records_at(const lq_side *s, const piece *p, int64_t row) {
    return s->bytes + (p->tile.row + row) * s->row_step +
           p->tile.column / s->layout->record * s->layout->record_bytes;
}

/* Parameters go where they are wanted at once, if they can. */
static void read_records(const move *m, piece *p) {
    const lq_layout_row *layout = m->from->layout;
    for (int k = 0; k < LQ_PARTS; ++k) {
        const lq_type_info *type = lq_type_find(lq_part_type(layout, (lq_part)k));
        const lq_values *to = &m->to->part[k];
        p->part[k] = (lq_values){.type = NULL};
        if (!type) continue;
        const bool at_once = !m->checks && to->data && to->type == type && to->step == 1;
        p->part[k] = at_once ? from_piece(m, to, (lq_part)k, p)
                             : in_buffer(type, p->read[k], elements_of(layout, (lq_part)k, p));
    }
    for (int64_t r = 0; r < p->tile.rows; ++r) {
        const lq_record_parts to = parts_of_row(p->part, p->tile.codes + r * p->tile.step, r);
        layout->unpack(records_at(m->from, p, r), p->tile.columns / layout->record, &to);
    }
}

static void write_records(const move *m, const piece *p, unsigned char made[][PART_BYTES]) {
    const lq_layout_row *layout = m->to->layout;
    lq_values part[LQ_PARTS];
    for (int k = 0; k < LQ_PARTS; ++k) {
        const lq_type_info *type = lq_type_find(lq_part_type(layout, (lq_part)k));
        part[k] = p->part[k];
        if (!part[k].type || !type || (part[k].type == type && part[k].step == 1)) continue;
        const int64_t n = elements_of(layout, (lq_part)k, p);
        part[k] = in_buffer(type, made[k], n);
        lq_copy_values(&p->part[k], &part[k], p->tile.rows, n);
    }
    for (int64_t r = 0; r < p->tile.rows; ++r) {
        const lq_record_parts from = parts_of_row(part, p->tile.codes + r * p->tile.step, r);
        layout->pack(&from, p->tile.columns / layout->record, records_at(m->to, p, r));
    }
}

/* ----------------------------------------------------------------------- tiles */

/* Bytes of a tensor that lie in rows can be used where they are. */
static bool in_place(const lq_plane *plane, const piece *p, unsigned char **codes, int64_t *step) {
    const lq_values *v = &plane->values;
    if (plane->kind != LQ_PLANE_TENSOR || v->type->bits != 8 || v->step != 1) return false;
    *codes = v->data + v->at + p->tile.row * v->row_step + p->tile.column;
    *step = v->row_step;
    return true;
}

static void read_tile(const move *m, piece *p) {
    const lq_field_tile *t = &p->tile;
    switch (m->source->kind) {
    case LQ_PLANE_FIELDS: m->source->fields->unpack(&m->source->shape, m->source->bytes, t); break;
    case LQ_PLANE_RECORDS: read_records(m, p); break;
    case LQ_PLANE_MIDDLE:
        for (int64_t r = 0; r < t->rows; ++r) {
            memset(t->codes + r * t->step, m->source->anchor, (size_t)t->columns);
        }
        break;
    default:
        for (int64_t r = 0; r < t->rows; ++r) {
            lq_read_codes(&m->source->values, t->row + r, t->column, t->columns,
                          t->codes + r * t->step);
        }
    }
}

/* The parameters that a piece of records is made of, or that one was read for. */
static void find_parts(const move *m, piece *p) {
    if (!m->records || m->source->kind == LQ_PLANE_RECORDS) return;
    for (int k = 0; k < LQ_PARTS; ++k) {
        p->part[k] = m->from->part[k];
        if (p->part[k].type) p->part[k] = from_piece(m, &m->from->part[k], (lq_part)k, p);
    }
}

/* Parameters of records to tensors, but for those that are there already. */
static void write_parts(const move *m, const piece *p) {
    for (int k = 0; k < LQ_PARTS; ++k) {
        if (!m->to->part[k].type || !p->part[k].type) continue;
        const lq_values to = from_piece(m, &m->to->part[k], (lq_part)k, p);
        if (p->part[k].data == to.data) continue;
        lq_copy_values(&p->part[k], &to, p->tile.rows, elements_of(m->records, (lq_part)k, p));
    }
}

static void write_tile(const move *m, piece *p) {
    const lq_field_tile *t = &p->tile;
    const bool is_signed = m->target->low < 0;
    switch (m->target->kind) {
    case LQ_PLANE_FIELDS: m->target->fields->pack(&m->target->shape, t, m->target->bytes); break;
    case LQ_PLANE_RECORDS: write_records(m, p, p->made); break;
    case LQ_PLANE_NONE: break;
    default:
        for (int64_t r = 0; r < t->rows; ++r) {
            lq_write_codes(t->codes + r * t->step, t->columns, is_signed, &m->target->values,
                           t->row + r, t->column);
        }
    }
    if (m->records && m->target->kind != LQ_PLANE_RECORDS) write_parts(m, p);
}

static void use_buffer(piece *p) {
    p->tile.codes = p->codes;
    p->tile.step = p->tile.columns;
}

/* The bytes of the tile as the other side has them, wherever they then are. */
static void move_tile(const move *m, piece *p) {
    lq_field_tile *t = &p->tile;
    unsigned char *there = p->codes;
    int64_t there_step = t->columns;
    const bool at_once = in_place(m->target, p, &there, &there_step);
    find_parts(m, p);
    if (!in_place(m->source, p, &t->codes, &t->step)) {
        t->codes = m->map.identity ? there : p->codes;
        t->step = m->map.identity ? there_step : t->columns;
        read_tile(m, p);
    }
    if (!m->map.identity) {
        for (int64_t r = 0; r < t->rows; ++r) {
            map_row(&m->map, t->codes + r * t->step, t->columns, there + r * there_step);
        }
        t->codes = there;
        t->step = there_step;
    }
    if (at_once && t->codes == there) {
        if (m->records) write_parts(m, p);
        return;
    }
    write_tile(m, p);
}

/* -------------------------------------------------------------------- checking */

static void note(finding *f, lq_status status, int64_t index) {
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

static void check_part(const move *m, const piece *p, lq_part part, finding *f) {
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

static void check_tile(const move *m, piece *p, finding *f) {
    lq_field_tile *t = &p->tile;
    find_parts(m, p);
    if (!in_place(m->source, p, &t->codes, &t->step)) {
        use_buffer(p);
        read_tile(m, p);
    }
    for (int64_t r = 0; m->checks_codes && r < t->rows; ++r) {
        const int64_t bad = first_outside(m, t->codes + r * t->step, t->columns);
        if (bad >= 0) note(f, LQ_ERROR_CODE, (t->row + r) * m->columns + t->column + bad);
    }
    for (int k = 0; m->records && k < LQ_PARTS; ++k) check_part(m, p, (lq_part)k, f);
}

/* --------------------------------------------------------------------- walking */

static void start_tile(const move *m, int64_t band, int64_t column, piece *p) {
    const int64_t row = band * m->tile_rows;
    p->tile.row = row;
    p->tile.column = column;
    p->tile.rows = m->rows - row < m->tile_rows ? m->rows - row : m->tile_rows;
    p->tile.columns = m->columns - column < m->tile_columns ? m->columns - column : m->tile_columns;
    use_buffer(p);
}

static void move_part(void *context, int64_t task) {
    const move *m = context;
    piece p;
    const int64_t end = lq_share(m->bands, task + 1, m->tasks);
    for (int64_t b = lq_share(m->bands, task, m->tasks); b < end; ++b) {
        for (int64_t c = 0; c < m->columns; c += m->tile_columns) {
            start_tile(m, b, c, &p);
            move_tile(m, &p);
        }
    }
}

/* As far as the first band of rows in which there is something. */
static void check_share(void *context, int64_t task) {
    move *m = context;
    finding f = {LQ_OK, -1};
    piece p;
    const int64_t end = lq_share(m->bands, task + 1, m->tasks);
    for (int64_t b = lq_share(m->bands, task, m->tasks); !f.status && b < end; ++b) {
        for (int64_t c = 0; c < m->columns; c += m->tile_columns) {
            start_tile(m, b, c, &p);
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
static void choose_tile(move *m) {
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

static bool can_be_shared_out(const move *m) {
    if (m->target->kind == LQ_PLANE_FIELDS) return !m->target->shape.overlapping;
    return m->target->kind != LQ_PLANE_TENSOR || rows_are_apart(&m->target->values);
}

static int64_t tasks_for(const lq_call *call, const move *m) {
    const lq_tensor all = lq_matrix(NULL, LQ_U8, m->rows, m->columns);
    lq_call of = *call;
    of.tensor[LQ_X] = &all;
    const int64_t tasks = lq_tasks_wanted(&of);
    return tasks < m->bands ? tasks : m->bands;
}

static bool starts(move *m, const lq_side *from, const lq_plane *source, const lq_side *to,
                   const lq_plane *target, int64_t columns) {
    *m = (move){.from = from,
                .to = to,
                .source = source,
                .target = target,
                .rows = from->rows,
                .columns = columns};
    m->map = map_between(source, target);
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

static bool parts_may_fail(const move *m) {
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

static lq_status check(const lq_call *call, move *m, bool trusted, finding *found) {
    const bool of_parts = parts_may_fail(m);
    const bool of_codes = m->target->kind != LQ_PLANE_NONE && !all_fit(m->source, m->target);
    *found = (finding){LQ_OK, -1};
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

static lq_status run(const lq_call *call, move *m) {
    m->tasks = can_be_shared_out(m) ? tasks_for(call, m) : 1;
    return lq_each_task(call->exec, m->tasks, move_part, m);
}

/* ------------------------------------------------------------ wide zero points */

/* Zero points of types wider than a byte, before their lowest bytes stand for them. */
static void check_wide(const lq_side *from, finding *f) {
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
static void check_scales(const lq_side *from, const lq_side *to, finding *f) {
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

static lq_status refuse(const lq_call *call, const finding *f, int position) {
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
    move codes, zeros;
    finding found = {LQ_OK, -1};
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
