#include "map.h"
#include "call.h"
#include <string.h>

void lq_gather(void *buffer, const void *data, int size, int64_t at, int64_t step, int64_t n) {
    unsigned char *to = buffer;
    const unsigned char *from = (const unsigned char *)data + at * size;
    if (step == 1) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
    step *= size;
    switch (size) {
    case 1:
        for (int64_t i = 0; i < n; ++i) to[i] = from[i * step];
        break;
    case 2:
        for (int64_t i = 0; i < n; ++i) memcpy(to + i * 2, from + i * step, 2);
        break;
    case 4:
        for (int64_t i = 0; i < n; ++i) memcpy(to + i * 4, from + i * step, 4);
        break;
    default:
        for (int64_t i = 0; i < n; ++i) memcpy(to + i * 8, from + i * step, 8);
        break;
    }
}

void lq_scatter(const void *buffer, void *data, int size, int64_t at, int64_t step, int64_t n) {
    const unsigned char *from = buffer;
    unsigned char *to = (unsigned char *)data + at * size;
    if (step == 1) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
    step *= size;
    switch (size) {
    case 1:
        for (int64_t i = 0; i < n; ++i) to[i * step] = from[i];
        break;
    case 2:
        for (int64_t i = 0; i < n; ++i) memcpy(to + i * step, from + i * 2, 2);
        break;
    case 4:
        for (int64_t i = 0; i < n; ++i) memcpy(to + i * step, from + i * 4, 4);
        break;
    default:
        for (int64_t i = 0; i < n; ++i) memcpy(to + i * step, from + i * 8, 8);
        break;
    }
}

void lq_gather_codes(void *buffer, const void *codes, const lq_type_info *type, int64_t at,
                     int64_t step, int64_t n) {
    const unsigned char *from = codes;
    unsigned char *to = buffer;
    if (type->bits >= 8) {
        lq_gather(buffer, codes, type->bits / 8, at, step, n);
        return;
    }
    const uint32_t bits = (uint32_t)type->bits;
    for (int64_t i = 0; i < n; ++i) {
        to[i] = (unsigned char)lq_load_code(from, (at + i * step) * bits, bits);
    }
}

static void scatter_codes(const void *buffer, void *codes, const lq_type_info *type, int64_t at,
                          int64_t step, int64_t n) {
    const unsigned char *from = buffer;
    if (type->bits >= 8) {
        lq_scatter(buffer, codes, type->bits / 8, at, step, n);
        return;
    }
    const uint32_t bits = (uint32_t)type->bits;
    for (int64_t i = 0; i < n; ++i) lq_store_code(codes, (at + i * step) * bits, bits, from[i]);
}

/* Part of a piece: some rows, some elements of each. */
typedef struct segment {
    int64_t first_row, rows;
    int64_t first, count;
} segment;

static int64_t element_at(const lq_piece *p, const segment *part, lq_operand o) {
    return p->at[o] + part->first_row * p->row_step[o] + part->first * p->step[o];
}

/* Not all of it at once, which would be made elsewhere first and copied. */
static void set_work(const lq_map *m, const lq_piece *p, const segment *part, lq_map_work *work) {
    const lq_parameters *of = m->parameters;
    *work = (lq_map_work){.limit = 0};
    work->count = part->count;
    work->rows = part->rows;
    work->param_step = p->batch->plan->spread == LQ_SPREAD_ROWS;
    work->qmin = m->qmin;
    work->qmax = m->qmax;
    work->sign = lq_sign_bit(m->code);
    work->rule = m->rule;
    work->format = m->format;
    work->table = m->table;
    work->limit = m->limit;
    if (!of) return;
    const int64_t block = lq_block_at(p, part->first_row, part->first);
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

static void run(const lq_map *m, const lq_piece *p, int width, const lq_map_work *work) {
    const bool lanes = m->lanes && p->batch->plan->spread == LQ_SPREAD_LANES;
    if (m->counts) (lanes ? m->count_lanes : m->count_runs)(work, m->counts);
    (lanes ? m->lanes : m->runs)[width](work);
}

static void map_directly(const lq_map *m, const lq_piece *p, const segment *part, bool streams) {
    lq_map_work work;
    if (part->count == 0) return;
    set_work(m, p, part, &work);
    work.streams = streams;
    work.x = m->x + element_at(p, part, LQ_X) * m->x_size;
    work.x_step = p->row_step[LQ_X] * m->x_size;
    work.codes = m->codes + element_at(p, part, LQ_CODES) * m->code->bits / 8;
    work.codes_step = p->row_step[LQ_CODES] * m->code->bits / 8;
    run(m, p, m->code->index, &work);
}

static void map_direct(const lq_map *m, const lq_piece *p, const segment *part) {
    map_directly(m, p, part, false);
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
    map_direct(m, p, &head);
    map_directly(m, p, &body, to % (uintptr_t)size == 0);
    map_direct(m, p, &tail);
}

static void map_streaming(const lq_map *m, const lq_piece *p, const segment *all) {
    enum { LONG = 1024 };
    const int64_t size = m->code->bits / 8;
    if (!m->streams || all->count * size < LONG) {
        map_direct(m, p, all);
    } else if (all->rows == 1 || p->row_step[LQ_CODES] * size % LQ_LINE == 0) {
        map_lines(m, p, all);
    } else {
        segment row = *all;
        row.rows = 1;
        for (; row.first_row < all->rows; ++row.first_row) map_lines(m, p, &row);
    }
}

/* One row, in pieces; codes below 8 bits are handled as bytes. */
static void map_staged(const lq_map *m, const lq_piece *p, segment rest) {
    unsigned char x[LQ_PIECE * 8];
    unsigned char codes[LQ_PIECE * 8];
    const int width = m->code->bits >= 8 ? m->code->index : LQ_WIDTH_8;
    const int64_t end = rest.first + rest.count;
    for (; rest.first < end; rest.first += LQ_PIECE) {
        const int64_t n = end - rest.first < LQ_PIECE ? end - rest.first : LQ_PIECE;
        const int64_t x_at = element_at(p, &rest, LQ_X);
        const int64_t codes_at = element_at(p, &rest, LQ_CODES);
        rest.count = n;
        lq_map_work work;
        set_work(m, p, &rest, &work);
        work.x = x;
        work.codes = codes;
        if (m->to_codes) {
            lq_gather(x, m->x, m->x_size, x_at, p->step[LQ_X], n);
            run(m, p, width, &work);
            scatter_codes(codes, m->codes, m->code, codes_at, p->step[LQ_CODES], n);
        } else {
            lq_gather_codes(codes, m->codes, m->code, codes_at, p->step[LQ_CODES], n);
            run(m, p, width, &work);
            lq_scatter(x, m->x, m->x_size, x_at, p->step[LQ_X], n);
        }
    }
}

/* A row of contiguous codes below 8 bits that begins or ends inside a byte. */
static void map_unaligned(const lq_map *m, const lq_piece *p, const segment *row) {
    const int64_t group = lq_codes_in_group(m->code);
    segment head, body, tail;
    split(row, element_at(p, row, LQ_CODES) % group, group, &head, &body, &tail);
    map_staged(m, p, head);
    map_direct(m, p, &body);
    map_staged(m, p, tail);
}

/* ------------------------------------------------------- many short rows */

enum { STREAM = 4096 };

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
        scatter_codes(bytes, m->codes, m->code, at, 1, head);
        m->pack[m->code->index](&work);
        scatter_codes(bytes + head + body, m->codes, m->code, at + head + body, 1, tail);
    } else {
        lq_gather_codes(bytes, m->codes, m->code, at, 1, head);
        m->unpack[m->code->index](&work);
        lq_gather_codes(bytes + head + body, m->codes, m->code, at + head + body, 1, tail);
    }
}

/* Rows of codes below 8 bits that follow each other without a gap: as bytes, many at a time. */
static void map_stream(const lq_map *m, const lq_piece *p) {
    unsigned char bytes[STREAM];
    const int64_t most = STREAM / p->count;
    for (int64_t r = 0; r < p->rows; r += most) {
        const int64_t rows = p->rows - r < most ? p->rows - r : most;
        const segment part = {.first_row = r, .rows = rows, .count = p->count};
        const int64_t codes_at = element_at(p, &part, LQ_CODES);
        lq_map_work work;
        set_work(m, p, &part, &work);
        work.x = m->x + element_at(p, &part, LQ_X) * m->x_size;
        work.x_step = p->row_step[LQ_X] * m->x_size;
        work.codes = bytes;
        work.codes_step = p->count;
        if (!m->to_codes) move_stream(m, bytes, codes_at, rows * p->count);
        run(m, p, LQ_WIDTH_8, &work);
        if (m->to_codes) move_stream(m, bytes, codes_at, rows * p->count);
    }
}

/* One contiguous row of codes that only pack and unpack have kernels for. */
static void map_as_bytes(const lq_map *m, const lq_piece *p, segment rest) {
    unsigned char bytes[STREAM];
    const int64_t end = rest.first + rest.count;
    for (; rest.first < end; rest.first += STREAM) {
        const int64_t n = end - rest.first < STREAM ? end - rest.first : STREAM;
        const int64_t codes_at = element_at(p, &rest, LQ_CODES);
        rest.count = n;
        lq_map_work work;
        set_work(m, p, &rest, &work);
        work.x = m->x + element_at(p, &rest, LQ_X) * m->x_size;
        work.codes = bytes;
        if (!m->to_codes) move_stream(m, bytes, codes_at, n);
        run(m, p, LQ_WIDTH_8, &work);
        if (m->to_codes) move_stream(m, bytes, codes_at, n);
    }
}

static void map_rows(const lq_map *m, const lq_piece *p) {
    const segment all = {.rows = p->rows, .count = p->count};
    const bool contiguous = p->count == 1 || (p->step[LQ_X] == 1 && p->step[LQ_CODES] == 1);
    const int64_t group = lq_codes_in_group(m->code);
    const bool packed_only = m->code->bits == 6;
    /* A power of 2: without divisions. */
    const int64_t within = p->at[LQ_CODES] | p->count | (p->rows > 1 ? p->row_step[LQ_CODES] : 0);
    const bool whole_bytes = (within & (group - 1)) == 0;
    if (contiguous && whole_bytes && !packed_only) {
        map_streaming(m, p, &all);
        return;
    }
    if (contiguous && p->rows > 1 && p->row_step[LQ_CODES] == p->count && p->count <= STREAM / 4) {
        map_stream(m, p);
        return;
    }
    for (int64_t r = 0; r < p->rows; ++r) {
        const segment row = {.first_row = r, .rows = 1, .count = p->count};
        if (contiguous && packed_only) {
            map_as_bytes(m, p, row);
        } else if (contiguous) {
            map_unaligned(m, p, &row);
        } else {
            map_staged(m, p, row);
        }
    }
}

/*
 * A few lanes and many rows without gaps, such as pixels with a scale for each color: the parameters
 * repeated, so that several rows make one.
 */
static void map_repeated(const lq_map *m, const lq_piece *p) {
    lq_parameters repeated;
    const lq_parameters *one = m->parameters;
    const int64_t times = LQ_BATCH / p->count < p->rows ? LQ_BATCH / p->count : p->rows;
    lq_map wide = *m;
    lq_piece many = *p;
    for (int64_t i = 0; i < times * p->count; ++i) {
        repeated.scale[i] = one->scale[i % p->count];
        repeated.zero[i] = one->zero[i % p->count];
    }
    for (int64_t i = 0; m->rule && i < times * p->count; ++i) {
        repeated.offset[i] = one->offset[i % p->count];
        repeated.center[i] = one->center[i % p->count];
        repeated.back[i] = one->back[i % p->count];
    }
    for (int64_t i = 0; m->fixed_point && i < times * p->count; ++i) {
        repeated.multiplier[i] = one->multiplier[i % p->count];
        repeated.shift[i] = one->shift[i % p->count];
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

void lq_map_piece(const lq_map *m, const lq_piece *p) {
    enum { FEW = 64 };
    bool repeats =
        m->lanes && p->batch->plan->spread == LQ_SPREAD_LANES && p->rows > 1 && p->count <= FEW;
    for (int o = LQ_X; o <= LQ_CODES; ++o) {
        repeats = repeats && p->step[o] == 1 && p->row_step[o] == p->count;
    }
    (repeats ? map_repeated : map_rows)(m, p);
}
