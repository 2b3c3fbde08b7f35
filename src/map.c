#include "map.h"
#include "call.h"
#include "strided.h"
#include <string.h>

/* Part of a piece: some rows, some elements of each. */
typedef struct segment {
    int64_t first_row, rows;
    int64_t first, count;
} segment;

static int64_t element_at(const lq_piece *p, const segment *part, lq_operand o) {
    return p->at[o] + part->first_row * p->row_step[o] + part->first * p->step[o];
}

/* The parameters from one of a batch's blocks on. */
LQ_INLINE void set_parameters(const lq_map *m, int64_t block, lq_map_work *work) {
    const lq_parameters *of = m->parameters;
    if (!of) return;
    work->scale = of->scale + block;
    work->zero = of->zero + block;
    if (m->fixed_point) {
        work->multiplier = of->multiplier + block;
        work->shift = of->shift + block;
        return;
    }
    work->offset = of->offset + block;
    work->center = of->center + block;
    work->back = of->back + block;
}

static void run(const lq_map *m, lq_spread spread, int width, const lq_map_work *work) {
    const bool lanes = m->lanes && spread == LQ_SPREAD_LANES;
    if (m->counts) (lanes ? m->count_lanes : m->count_runs)(work, m->counts);
    (lanes ? m->lanes : m->runs)[width](work);
}

/* Work on operands in the caller's memory. */
static void place_work(const lq_map *m, const lq_piece *p, const segment *part, lq_map_work *work) {
    *work = m->work;
    work->sign = lq_sign_bit(m->code);
    work->rows = part->rows;
    work->count = part->count;
    set_parameters(m, lq_block_at(p, part->first_row, part->first), work);
    work->param_step = p->batch->plan->spread == LQ_SPREAD_ROWS;
    work->x = m->x + element_at(p, part, LQ_X) * m->x_size;
    work->x_step = p->row_step[LQ_X] * m->x_size;
    work->codes = m->codes + element_at(p, part, LQ_CODES) * m->code->bits / 8;
    work->codes_step = p->row_step[LQ_CODES] * m->code->bits / 8;
    if (m->fetches && p->batch->followed) work->ahead = p->rows * work->x_step;
}

static void map_direct(const lq_map *m, const lq_piece *p, const segment *part, bool streams) {
    lq_map_work work;
    if (part->count == 0) return;
    place_work(m, p, part, &work);
    work.streams = streams;
    run(m, p->batch->plan->spread, m->code->index, &work);
}

/* The first elements up to a multiple of `group`, `into` one of which a part begins; the last ones. */
static void split(const segment *part, int64_t into, int64_t group, segment *head, segment *body,
                  segment *tail) {
    *head = *body = *tail = *part;
    head->count = into ? group - into : 0;
    if (head->count > part->count) head->count = part->count;
    body->first += head->count;
    body->count = (part->count - head->count) / group * group;
    tail->first = body->first + body->count;
    tail->count = part->first + part->count - tail->first;
}

/* Whole lines of the caches go past them; those that rows share, or have a part of, do not. */
static void map_lines(const lq_map *m, const lq_piece *p, const segment *part) {
    const int64_t size = m->code->bits / 8;
    const uintptr_t to = (uintptr_t)m->codes + (uintptr_t)(element_at(p, part, LQ_CODES) * size);
    segment head, body, tail;
    split(part, (int64_t)(to % LQ_LINE) / size, LQ_LINE / size, &head, &body, &tail);
    map_direct(m, p, &head, false);
    map_direct(m, p, &body, to % (uintptr_t)size == 0);
    map_direct(m, p, &tail, false);
}

static void map_streaming(const lq_map *m, const lq_piece *p, const segment *all) {
    enum { LONG = 1024 };
    const int64_t size = m->code->bits / 8;
    if (!m->streams || all->count * size < LONG) {
        map_direct(m, p, all, false);
    } else if (all->rows == 1 || p->row_step[LQ_CODES] * size % LQ_LINE == 0) {
        map_lines(m, p, all);
    } else {
        segment row = *all;
        row.rows = 1;
        for (; row.first_row < all->rows; ++row.first_row) map_lines(m, p, &row);
    }
}

/* -------------------------------------------------------- through a buffer */

/* Codes below 8 bits by columns. */
enum { COLUMN_BYTES = 8192 };

/* `n` codes from element `at` on, one after the other, to or from bytes that are not extended. */
static void move_stream(const lq_map *m, unsigned char *bytes, int64_t at, int64_t n) {
    const int64_t group = lq_codes_in_group(m->code);
    const int64_t into = at % group;
    int64_t head = into ? group - into : 0;
    if (head > n) head = n;
    const int64_t body = (n - head) / group * group;
    const int64_t tail = n - head - body;
    const lq_map_work work = {
        .x = bytes + head,
        .codes = m->codes + (at + head) * m->code->bits / 8,
        .count = body,
        .rows = 1,
    };
    if (m->to_codes) {
        lq_scatter_codes(bytes, m->codes, m->code, at, 1, head);
        m->pack[m->code->index](&work);
        lq_scatter_codes(bytes + head + body, m->codes, m->code, at + head + body, 1, tail);
    } else {
        lq_gather_codes(bytes, m->codes, m->code, at, 1, head);
        m->unpack[m->code->index](&work);
        lq_gather_codes(bytes + head + body, m->codes, m->code, at + head + body, 1, tail);
    }
}

/* Columns of codes below 8 bits, whose elements lie side by side. */
static void move_columns(const lq_map *m, unsigned char *bytes, const lq_panel *all) {
    unsigned char columns[COLUMN_BYTES];
    const lq_panel turned = {0, all->rows, all->count, 1, all->rows};
    if (m->to_codes) lq_scatter_panel(bytes, columns, 1, &turned);
    for (int64_t i = 0; i < all->count; ++i) {
        move_stream(m, columns + i * all->rows, all->at + i * all->step, all->rows);
    }
    if (!m->to_codes) lq_gather_panel(bytes, columns, 1, &turned);
}

static void move_codes(const lq_map *m, unsigned char *buffer, const lq_panel *all) {
    if (m->code->bits >= 8) {
        const int size = m->code->bits / 8;
        if (m->to_codes) {
            lq_scatter_panel(buffer, m->codes, size, all);
        } else {
            lq_gather_panel(buffer, m->codes, size, all);
        }
        return;
    }
    if (all->step == 1 && all->row_step == all->count) {
        move_stream(m, buffer, all->at, all->rows * all->count);
        return;
    }
    if (all->row_step == 1 && all->rows > 1) {
        move_columns(m, buffer, all);
        return;
    }
    for (int64_t r = 0; r < all->rows; ++r) {
        unsigned char *row = buffer + r * all->count;
        const int64_t at = all->at + r * all->row_step;
        if (all->step == 1) {
            move_stream(m, row, at, all->count);
        } else if (m->to_codes) {
            lq_scatter_codes(row, m->codes, m->code, at, all->step, all->count);
        } else {
            lq_gather_codes(row, m->codes, m->code, at, all->step, all->count);
        }
    }
}

static lq_panel panel_of(const lq_piece *p, const segment *part, lq_operand o) {
    return (lq_panel){element_at(p, part, o), part->rows, part->count, p->row_step[o], p->step[o]};
}

/* Whether rows of contiguous codes begin and end with whole bytes, and kernels take them. */
static bool has_whole_bytes(const lq_map *m, const lq_piece *p, const segment *part) {
    const int64_t row_step = part->rows > 1 ? p->row_step[LQ_CODES] : 0;
    return lq_is_whole(m->code, element_at(p, part, LQ_CODES) | part->count | row_step);
}

/* Which operands go through a buffer. */
typedef struct staging {
    bool x, codes;
} staging;

/* Rows without gaps that share their parameters are one. */
static void join_rows(const lq_map *m, const lq_piece *p, int width, lq_map_work *work) {
    const int code_size = width == LQ_WIDTH_8 && m->code->bits < 8 ? 1 : m->code->bits / 8;
    if (p->batch->plan->spread != LQ_SPREAD_ONE || code_size == 0) return;
    if (work->x_step != work->count * m->x_size || work->codes_step != work->count * code_size)
        return;
    work->count *= work->rows;
    work->rows = 1;
}

static void map_panel(const lq_map *m, const lq_piece *p, const segment *part, staging staged) {
    _Alignas(LQ_LINE) unsigned char buffer[LQ_PANEL_BYTES];
    unsigned char *const x = buffer;
    unsigned char *const codes = buffer + (staged.x ? part->rows * part->count * m->x_size : 0);
    const lq_panel of_x = panel_of(p, part, LQ_X);
    const lq_panel of_codes = panel_of(p, part, LQ_CODES);
    lq_map_work work;
    int width = m->code->index;
    place_work(m, p, part, &work);
    if (staged.x) {
        work.x = x;
        work.ahead = 0;
        work.x_step = part->count * m->x_size;
    }
    if (staged.codes) {
        if (m->code->bits < 8) width = LQ_WIDTH_8;
        work.codes = codes;
        work.codes_step = part->count * (m->code->bits < 8 ? 1 : m->code->bits / 8);
    }
    if (staged.x && m->to_codes) lq_gather_panel(x, m->x, m->x_size, &of_x);
    if (staged.codes && !m->to_codes) move_codes(m, codes, &of_codes);
    join_rows(m, p, width, &work);
    run(m, p->batch->plan->spread, width, &work);
    if (staged.x && !m->to_codes) lq_scatter_panel(x, m->x, m->x_size, &of_x);
    if (staged.codes && m->to_codes) move_codes(m, codes, &of_codes);
}

/* What lies apart goes through a buffer, and codes below 8 bits where rows are not whole bytes. */
static void map_staged(const lq_map *m, const lq_piece *p, const segment *all) {
    if (all->count == 0) return;
    const staging staged = {p->step[LQ_X] != 1,
                            p->step[LQ_CODES] != 1 || !has_whole_bytes(m, p, all)};
    const int code_size = m->code->bits < 8 ? 1 : m->code->bits / 8;
    const int64_t size = (staged.x ? m->x_size : 0) + (staged.codes ? code_size : 0);
    const bool tall = all->rows > 1 && (lq_columns_first(p->row_step[LQ_X], p->step[LQ_X]) ||
                                        lq_columns_first(p->row_step[LQ_CODES], p->step[LQ_CODES]));
    int64_t most = lq_panel_elements(tall, size);
    if (m->code->bits < 8 && most > COLUMN_BYTES) most = COLUMN_BYTES;
    const lq_panel_shape shape = lq_shape_panels(all->rows, all->count, most, tall, m->in_order);
    segment part;
    for (int64_t r = 0; r < all->rows; r += shape.rows) {
        part.first_row = all->first_row + r;
        part.rows = all->rows - r < shape.rows ? all->rows - r : shape.rows;
        for (int64_t i = 0; i < all->count; i += shape.count) {
            part.first = all->first + i;
            part.count = all->count - i < shape.count ? all->count - i : shape.count;
            map_panel(m, p, &part, staged);
        }
    }
}

/* A row of contiguous codes below 8 bits that begins or ends inside a byte. */
static void map_unaligned(const lq_map *m, const lq_piece *p, const segment *row) {
    const int64_t group = lq_codes_in_group(m->code);
    segment head, body, tail;
    split(row, element_at(p, row, LQ_CODES) % group, group, &head, &body, &tail);
    map_staged(m, p, &head);
    map_direct(m, p, &body, false);
    map_staged(m, p, &tail);
}

static void map_rows(const lq_map *m, const lq_piece *p) {
    enum { SHORT = 1024 };
    const segment all = {.rows = p->rows, .count = p->count};
    const bool contiguous = p->count == 1 || (p->step[LQ_X] == 1 && p->step[LQ_CODES] == 1);
    if (contiguous && has_whole_bytes(m, p, &all)) {
        map_streaming(m, p, &all);
        return;
    }
    const bool gapless = p->row_step[LQ_CODES] == p->count && p->count <= SHORT;
    if (!contiguous || m->code->bits == 6 || (p->rows > 1 && gapless)) {
        map_staged(m, p, &all);
        return;
    }
    for (int64_t r = 0; r < p->rows; ++r) {
        const segment row = {.first_row = r, .rows = 1, .count = p->count};
        map_unaligned(m, p, &row);
    }
}

/* `times` times n values of 4 bytes: what is there already, doubled. */
static void repeat(void *values, const void *from, int64_t n, int64_t times) {
    unsigned char *to = values;
    const int64_t all = n * times * 4;
    int64_t there = n * 4;
    memcpy(to, from, (size_t)there);
    for (; 2 * there <= all; there *= 2) memcpy(to + there, to, (size_t)there);
    memcpy(to + there, to, (size_t)(all - there));
}

/*
 * A few lanes and many rows without gaps, such as pixels with a scale for each color: the parameters
 * repeated, so that several rows make one.
 */
static void map_repeated(const lq_map *m, const lq_piece *p) {
    lq_parameters repeated;
    const lq_parameters *one = m->parameters;
    const int64_t n = p->count;
    const int64_t times = LQ_BATCH / n < p->rows ? LQ_BATCH / n : p->rows;
    lq_map wide = *m;
    lq_piece many = *p;
    repeat(repeated.scale, one->scale, n, times);
    repeat(repeated.zero, one->zero, n, times);
    if (m->work.rule) {
        repeat(repeated.offset, one->offset, n, times);
        repeat(repeated.center, one->center, n, times);
        repeat(repeated.back, one->back, n, times);
    } else if (m->fixed_point) {
        repeat(repeated.multiplier, one->multiplier, n, times);
        repeat(repeated.shift, one->shift, n, times);
    }
    wide.parameters = &repeated;
    many.rows = p->rows / times;
    many.count = times * p->count;
    for (int o = LQ_X; o <= LQ_CODES; ++o) many.row_step[o] = times * p->row_step[o];
    map_rows(&wide, &many);
    for (int o = LQ_X; o <= LQ_CODES; ++o) many.at[o] += many.rows * many.row_step[o];
    many.rows = 1;
    many.count = p->rows % times * p->count;
    if (many.count) map_rows(&wide, &many);
}

bool lq_direct_work(const lq_map *m, const lq_piece *p, lq_map_work *work) {
    const segment all = {.rows = p->rows, .count = p->count};
    if (p->step[LQ_X] != 1 || p->step[LQ_CODES] != 1 || !has_whole_bytes(m, p, &all)) return false;
    place_work(m, p, &all, work);
    return true;
}

/* Bytes of an element that goes through a buffer. */
static int64_t staged_size(const lq_map *m, const int64_t *step) {
    const int code_size = m->code->bits < 8 ? 1 : m->code->bits / 8;
    return (step[LQ_X] != 1 ? m->x_size : 0) + (step[LQ_CODES] != 1 ? code_size : 0);
}

/*
 * Where all elements share their parameters, columns may be rows: so that codes of few bytes go
 * through the buffer and are turned there, rather than x.
 */
static bool turns(const lq_map *m, const lq_piece *p) {
    enum { MANY = 64 };
    const bool one = !m->lanes || p->batch->plan->spread == LQ_SPREAD_ONE;
    if (!one || m->in_order || p->rows < MANY || p->count < MANY) return false;
    return staged_size(m, p->row_step) < staged_size(m, p->step);
}

static void map_turned(const lq_map *m, const lq_piece *p) {
    lq_piece turned = *p;
    turned.rows = p->count;
    turned.count = p->rows;
    memcpy(turned.step, p->row_step, sizeof turned.step);
    memcpy(turned.row_step, p->step, sizeof turned.row_step);
    map_rows(m, &turned);
}

void lq_map_piece(const lq_map *m, const lq_piece *p) {
    enum { FEW = 64 };
    bool repeats =
        m->lanes && p->batch->plan->spread == LQ_SPREAD_LANES && p->rows > 1 && p->count < FEW;
    for (int o = LQ_X; o <= LQ_CODES; ++o) {
        repeats = repeats && p->step[o] == 1 && p->row_step[o] == p->count;
    }
    (repeats ? map_repeated : turns(m, p) ? map_turned : map_rows)(m, p);
}

bool lq_map_run(lq_map *m, const lq_geometry *g) {
    lq_map_work *work = &m->work; /* in its place: a copy would wait for what was stored */
    if (m->streams || !lq_is_whole(m->code, g->run | g->origin[LQ_CODES])) return false;
    work->sign = lq_sign_bit(m->code);
    work->rows = 1;
    work->count = g->run;
    set_parameters(m, 0, work);
    work->x = m->x + g->origin[LQ_X] * m->x_size;
    work->codes = m->codes + g->origin[LQ_CODES] * m->code->bits / 8;
    if (m->counts) m->count_runs(work, m->counts);
    m->runs[m->code->index](work);
    return true;
}
