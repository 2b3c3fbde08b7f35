#include "strided.h"
#include "numeric.h"
#include <string.h>

/* One side of a copy; steps in bytes. */
typedef struct side {
    unsigned char *at;
    int64_t row_step, step;
} side;

/* ---------------------------------------------------------------- single rows */

/* With constants for steps and size, compilers vectorize it. */
LQ_INLINE void copy_elements(unsigned char *restrict to, int64_t to_step,
                             const unsigned char *restrict from, int64_t from_step, size_t size,
                             int64_t n) {
    for (int64_t i = 0; i < n; ++i) memcpy(to + i * to_step, from + i * from_step, size);
}

/* The commonest steps are constants. */
LQ_INLINE void copy_row_of(unsigned char *to, int64_t to_step, const unsigned char *from,
                           int64_t from_step, int size, int64_t n) {
    const size_t bytes = (size_t)size;
    if (to_step != size) {
        copy_elements(to, to_step, from, from_step, bytes, n);
    } else if (from_step == 2 * size) {
        copy_elements(to, size, from, 2 * size, bytes, n);
    } else if (from_step == 3 * size) {
        copy_elements(to, size, from, 3 * size, bytes, n);
    } else if (from_step == 4 * size) {
        copy_elements(to, size, from, 4 * size, bytes, n);
    } else if (from_step == -size) {
        copy_elements(to, size, from, -size, bytes, n);
    } else {
        copy_elements(to, size, from, from_step, bytes, n);
    }
}

static void copy_row(unsigned char *to, int64_t to_step, const unsigned char *from,
                     int64_t from_step, int size, int64_t n) {
    if (to_step == size && from_step == size) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
    switch (size) {
    case 1: copy_row_of(to, to_step, from, from_step, 1, n); break;
    case 2: copy_row_of(to, to_step, from, from_step, 2, n); break;
    case 4: copy_row_of(to, to_step, from, from_step, 4, n); break;
    default: copy_row_of(to, to_step, from, from_step, 8, n); break;
    }
}

void lq_gather(void *buffer, const void *data, int size, int64_t at, int64_t step, int64_t n) {
    copy_row(buffer, size, (const unsigned char *)data + at * size, step * size, size, n);
}

void lq_scatter(const void *buffer, void *data, int size, int64_t at, int64_t step, int64_t n) {
    copy_row((unsigned char *)data + at * size, step * size, buffer, size, size, n);
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

void lq_scatter_codes(const void *buffer, void *codes, const lq_type_info *type, int64_t at,
                      int64_t step, int64_t n) {
    const unsigned char *from = buffer;
    if (type->bits >= 8) {
        lq_scatter(buffer, codes, type->bits / 8, at, step, n);
        return;
    }
    const uint32_t bits = (uint32_t)type->bits;
    for (int64_t i = 0; i < n; ++i) lq_store_code(codes, (at + i * step) * bits, bits, from[i]);
}

/* -------------------------------------------------------------------- columns */

/*
 * Squares of 16 bytes a side: rows of theirs are vectors of any instruction set, and compilers turn
 * the loops over i and j into interleavings of these. Plain loops over elements take 1 ns each.
 */
static void transpose_1(unsigned char *to, int64_t to_step, const unsigned char *from,
                        int64_t from_step) {
    uint8_t a[16][16], b[16][16];
    for (int i = 0; i < 16; ++i) memcpy(a[i], from + i * from_step, 16);
    for (int j = 0; j < 16; ++j) {
        for (int i = 0; i < 16; ++i) b[j][i] = a[i][j];
    }
    for (int j = 0; j < 16; ++j) memcpy(to + j * to_step, b[j], 16);
}

static void transpose_2(unsigned char *to, int64_t to_step, const unsigned char *from,
                        int64_t from_step) {
    uint16_t a[8][8], b[8][8];
    for (int i = 0; i < 8; ++i) memcpy(a[i], from + i * from_step, 16);
    for (int j = 0; j < 8; ++j) {
        for (int i = 0; i < 8; ++i) b[j][i] = a[i][j];
    }
    for (int j = 0; j < 8; ++j) memcpy(to + j * to_step, b[j], 16);
}

static void transpose_4(unsigned char *to, int64_t to_step, const unsigned char *from,
                        int64_t from_step) {
    uint32_t a[4][4], b[4][4];
    for (int i = 0; i < 4; ++i) memcpy(a[i], from + i * from_step, 16);
    for (int j = 0; j < 4; ++j) {
        for (int i = 0; i < 4; ++i) b[j][i] = a[i][j];
    }
    for (int j = 0; j < 4; ++j) memcpy(to + j * to_step, b[j], 16);
}

/* Through pointers: gcc 12 unrolls the loops of inlined ones before it could make vectors of them. */
typedef void square_fn(unsigned char *to, int64_t to_step, const unsigned char *from,
                       int64_t from_step);

static square_fn *const squares[] = {[1] = transpose_1, [2] = transpose_2, [4] = transpose_4};

/* Element j of line i becomes element i of line j. The lines that lie further apart are followed. */
static void transpose(unsigned char *to, int64_t to_step, const unsigned char *from,
                      int64_t from_step, int64_t lines, int64_t n, int size) {
    const int64_t square = 16 / size;
    const int64_t whole_lines = size == 8 ? 0 : lines / square * square;
    const int64_t whole_n = n / square * square;
    const bool reads = from_step >= to_step;
    for (int64_t a = 0; a < (reads ? whole_lines : whole_n); a += square) {
        for (int64_t b = 0; b < (reads ? whole_n : whole_lines); b += square) {
            const int64_t i = reads ? a : b, j = reads ? b : a;
            squares[size](to + j * to_step + i * size, to_step, from + i * from_step + j * size,
                          from_step);
        }
    }
    for (int64_t j = whole_n; j < n && whole_lines; ++j) {
        copy_row(to + j * to_step, size, from + j * size, from_step, size, whole_lines);
    }
    for (int64_t i = whole_lines; i < lines; ++i) {
        copy_row(to + i * size, to_step, from + i * from_step, size, size, n);
    }
}

static void swap_steps(side *s) {
    const int64_t step = s->step;
    s->step = s->row_step;
    s->row_step = step;
}

static void copy_panel(side to, side from, int64_t rows, int64_t count, int size) {
    if (from.row_step == size && to.step == size && from.step > 0) {
        transpose(to.at, to.row_step, from.at, from.step, count, rows, size);
        return;
    }
    if (to.row_step == size && from.step == size && to.step > 0) {
        transpose(to.at, to.step, from.at, from.row_step, rows, count, size);
        return;
    }
    if (rows > 1 &&
        (lq_columns_first(from.row_step, from.step) || lq_columns_first(to.row_step, to.step))) {
        const int64_t columns = count;
        count = rows;
        rows = columns;
        swap_steps(&from);
        swap_steps(&to);
    }
    if (from.row_step == count * from.step && to.row_step == count * to.step) {
        count *= rows;
        rows = 1;
    }
    for (int64_t r = 0; r < rows; ++r) {
        copy_row(to.at + r * to.row_step, to.step, from.at + r * from.row_step, from.step, size,
                 count);
    }
}

static side side_of_memory(unsigned char *data, int size, const lq_panel *p) {
    return (side){data + p->at * size, p->row_step * size, p->step * size};
}

void lq_gather_panel(void *buffer, const void *data, int size, const lq_panel *p) {
    const side to = {buffer, p->count * size, size};
    copy_panel(to, side_of_memory((unsigned char *)data, size, p), p->rows, p->count, size);
}

void lq_scatter_panel(const void *buffer, void *data, int size, const lq_panel *p) {
    const side from = {(unsigned char *)buffer, p->count * size, size};
    copy_panel(side_of_memory(data, size, p), from, p->rows, p->count, size);
}

lq_panel_shape lq_shape_panels(int64_t rows, int64_t count, int64_t elements, bool columns_first,
                               bool in_order) {
    enum { ROWS = 64, UNIT = 16 };
    lq_panel_shape shape = {1, count};
    const bool tall = columns_first && !in_order;
    /* In whole bytes of codes, whatever their width. */
    const int64_t most = tall ? elements / (rows < ROWS ? rows : ROWS) / UNIT * UNIT : elements;
    if (shape.count > most) shape.count = most;
    if (in_order && shape.count < count) return shape;
    shape.rows = elements / shape.count;
    if (shape.rows > UNIT) shape.rows = shape.rows / UNIT * UNIT;
    if (shape.rows > rows) shape.rows = rows;
    return shape;
}
