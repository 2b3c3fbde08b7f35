#include "move.h"
#include <string.h>

/* ---------------------------------------------------------------------- bytes */

lq_byte_map lq_map_between(const lq_plane *a, const lq_plane *b) {
    const int32_t moved = b->anchor - a->anchor;
    lq_byte_map map = {
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

static void map_row(const lq_byte_map *map, const unsigned char *from, int64_t n,
                    unsigned char *to) {
    const lq_byte_map m = *map;
    for (int64_t i = 0; i < n; ++i) {
        const uint32_t u = ((uint32_t)from[i] + m.before) & m.inside;
        to[i] = (unsigned char)((u + m.after) & m.outside);
    }
}

/* What stands for a byte on the other side, whether it is there or not. */
static unsigned char number_of(lq_byte_map m, unsigned char moved, unsigned char byte) {
    return (unsigned char)(((((unsigned)byte + m.before) & m.inside) + moved) & 255u);
}

int64_t lq_first_outside(const lq_mover *m, const unsigned char *codes, int64_t n) {
    const unsigned char moved =
        (unsigned char)((uint32_t)(m->target->anchor - m->source->anchor) & 255u);
    const lq_byte_map map = m->map;
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

/* The values of a part from a tile's first on. */
static lq_values from_tile(const lq_mover *m, const lq_values *v, lq_part part,
                           const lq_moved_tile *p) {
    lq_values moved = *v;
    const int64_t first = p->tile.column / lq_part_span(m->records, part);
    moved.at += p->tile.row * v->row_step + first * v->step;
    return moved;
}

static lq_values in_buffer(const lq_type_info *type, unsigned char *buffer, int64_t n) {
    return (lq_values){.type = type, .data = buffer, .row_step = n, .step = 1};
}

static int64_t elements_of(const lq_layout_row *layout, lq_part part, const lq_moved_tile *p) {
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

static unsigned char *records_at(const lq_side *s, const lq_moved_tile *p, int64_t row) {
    return s->bytes + (p->tile.row + row) * s->row_step +
           p->tile.column / s->layout->record * s->layout->record_bytes;
}

/* Parameters go where they are wanted at once, if they can. */
static void read_records(const lq_mover *m, lq_moved_tile *p) {
    const lq_layout_row *layout = m->from->layout;
    for (int k = 0; k < LQ_PARTS; ++k) {
        const lq_type_info *type = lq_type_find(lq_part_type(layout, (lq_part)k));
        const lq_values *to = &m->to->part[k];
        p->part[k] = (lq_values){.type = NULL};
        if (!type) continue;
        const bool at_once = !m->checks && to->data && to->type == type && to->step == 1;
        p->part[k] = at_once ? from_tile(m, to, (lq_part)k, p)
                             : in_buffer(type, p->read[k], elements_of(layout, (lq_part)k, p));
    }
    for (int64_t r = 0; r < p->tile.rows; ++r) {
        const lq_record_parts to = parts_of_row(p->part, p->tile.codes + r * p->tile.step, r);
        layout->unpack(records_at(m->from, p, r), p->tile.columns / layout->record, &to);
    }
}

static void write_records(const lq_mover *m, lq_moved_tile *p) {
    const lq_layout_row *layout = m->to->layout;
    lq_values part[LQ_PARTS];
    for (int k = 0; k < LQ_PARTS; ++k) {
        const lq_type_info *type = lq_type_find(lq_part_type(layout, (lq_part)k));
        part[k] = p->part[k];
        if (!part[k].type || !type || (part[k].type == type && part[k].step == 1)) continue;
        const int64_t n = elements_of(layout, (lq_part)k, p);
        part[k] = in_buffer(type, p->made[k], n);
        lq_copy_values(&p->part[k], &part[k], p->tile.rows, n);
    }
    for (int64_t r = 0; r < p->tile.rows; ++r) {
        const lq_record_parts from = parts_of_row(part, p->tile.codes + r * p->tile.step, r);
        layout->pack(&from, p->tile.columns / layout->record, records_at(m->to, p, r));
    }
}

/* ----------------------------------------------------------------------- tiles */

/* Bytes of a tensor that lie in rows can be used where they are. */
static bool in_place(const lq_plane *plane, const lq_moved_tile *p, unsigned char **codes,
                     int64_t *step) {
    const lq_values *v = &plane->values;
    if (plane->kind != LQ_PLANE_TENSOR || v->type->bits != 8 || v->step != 1) return false;
    *codes = v->data + v->at + p->tile.row * v->row_step + p->tile.column;
    *step = v->row_step;
    return true;
}

static void read_codes(const lq_mover *m, lq_moved_tile *p) {
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

/* The parameters that a tile of records is made of, or that one was read for. */
static void find_parts(const lq_mover *m, lq_moved_tile *p) {
    if (!m->records || m->source->kind == LQ_PLANE_RECORDS) return;
    for (int k = 0; k < LQ_PARTS; ++k) {
        p->part[k] = m->from->part[k];
        if (p->part[k].type) p->part[k] = from_tile(m, &m->from->part[k], (lq_part)k, p);
    }
}

/* Parameters of records to tensors, but for those that are there already. */
static void write_parts(const lq_mover *m, const lq_moved_tile *p) {
    for (int k = 0; k < LQ_PARTS; ++k) {
        if (!m->to->part[k].type || !p->part[k].type) continue;
        const lq_values to = from_tile(m, &m->to->part[k], (lq_part)k, p);
        if (p->part[k].data == to.data) continue;
        lq_copy_values(&p->part[k], &to, p->tile.rows, elements_of(m->records, (lq_part)k, p));
    }
}

static void write_tile(const lq_mover *m, lq_moved_tile *p) {
    const lq_field_tile *t = &p->tile;
    const bool is_signed = m->target->low < 0;
    switch (m->target->kind) {
    case LQ_PLANE_FIELDS: m->target->fields->pack(&m->target->shape, t, m->target->bytes); break;
    case LQ_PLANE_RECORDS: write_records(m, p); break;
    case LQ_PLANE_NONE: break;
    default:
        for (int64_t r = 0; r < t->rows; ++r) {
            lq_write_codes(t->codes + r * t->step, t->columns, is_signed, &m->target->values,
                           t->row + r, t->column);
        }
    }
    if (m->records && m->target->kind != LQ_PLANE_RECORDS) write_parts(m, p);
}

void lq_start_tile(const lq_mover *m, int64_t band, int64_t column, lq_moved_tile *p) {
    const int64_t row = band * m->tile_rows;
    p->tile.row = row;
    p->tile.column = column;
    p->tile.rows = m->rows - row < m->tile_rows ? m->rows - row : m->tile_rows;
    p->tile.columns = m->columns - column < m->tile_columns ? m->columns - column : m->tile_columns;
}

void lq_read_tile(const lq_mover *m, lq_moved_tile *p) {
    find_parts(m, p);
    if (in_place(m->source, p, &p->tile.codes, &p->tile.step)) return;
    p->tile.codes = p->codes;
    p->tile.step = p->tile.columns;
    read_codes(m, p);
}

void lq_move_tile(const lq_mover *m, lq_moved_tile *p) {
    lq_field_tile *t = &p->tile;
    unsigned char *there = p->codes;
    int64_t there_step = t->columns;
    const bool at_once = in_place(m->target, p, &there, &there_step);
    find_parts(m, p);
    if (!in_place(m->source, p, &t->codes, &t->step)) {
        t->codes = m->map.identity ? there : p->codes;
        t->step = m->map.identity ? there_step : t->columns;
        read_codes(m, p);
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
