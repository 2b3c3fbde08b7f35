/*
 * Panels of elements that lie apart into a buffer where they lie side by side, and back. Over the
 * vocabulary of a level's strips.h:
 *
 *   GROUPS                 groups of 16 bytes in a strip
 *   strip
 *   strip_load, strip_store the first groups, `step` bytes apart; a constant 16: side by side
 *   strip_low, strip_high  of each group of two strips the lower or upper elements, in turn
 *   spread_in_pairs        elements to every second place and nothing between; how many, from 0
 */
#include "strided.h"
#include <string.h>

/* One side of a copy; steps in bytes. */
typedef struct side {
    unsigned char *at;
    int64_t row_step, step;
} side;

/* ---------------------------------------------------------------- single rows */

/* With constants for steps and size, compilers vectorize it. */
LQ_INLINE void gather_row(unsigned char *restrict to, const unsigned char *restrict from,
                          int64_t step, int size, int64_t n) {
    for (int64_t i = 0; i < n; ++i) memcpy(to + i * size, from + i * step, (size_t)size);
}

/* The commonest steps are constants; elsewhere what counts is that little comes with each element. */
LQ_INLINE void gather_steps(unsigned char *to, const unsigned char *from, int64_t step, int size,
                            int64_t n) {
    if (step == 2 * size) {
        gather_row(to, from, 2 * size, size, n);
    } else if (step == 3 * size) {
        gather_row(to, from, 3 * size, size, n);
    } else if (step == 4 * size) {
        gather_row(to, from, 4 * size, size, n);
    } else if (step == -size) {
        gather_row(to, from, -size, size, n);
    } else {
        for (; n >= 4; n -= 4, to += 4 * size, from += 4 * step) {
            for (int k = 0; k < 4; ++k) memcpy(to + k * size, from + k * step, (size_t)size);
        }
        gather_row(to, from, step, size, n);
    }
}

LQ_INLINE void scatter_steps(unsigned char *to, int64_t step, const unsigned char *from, int size,
                             int64_t n) {
    if (step == -size) {
        gather_row(to - (n - 1) * size, from + (n - 1) * size, -size, size, n);
        return;
    }
    if (step == 2 * size) {
        const int64_t done = spread_in_pairs(to, from, size, n);
        to += done * step;
        from += done * size;
        n -= done;
    }
    for (; n >= 4; n -= 4, to += 4 * step, from += 4 * size) {
        for (int k = 0; k < 4; ++k) memcpy(to + k * step, from + k * size, (size_t)size);
    }
    for (int64_t i = 0; i < n; ++i) memcpy(to + i * step, from + i * size, (size_t)size);
}

LQ_INLINE void copy_steps(unsigned char *to, int64_t to_step, const unsigned char *from,
                          int64_t from_step, int size, int64_t n) {
    if (to_step == size) {
        gather_steps(to, from, from_step, size, n);
    } else if (from_step == size) {
        scatter_steps(to, to_step, from, size, n);
    } else {
        for (int64_t i = 0; i < n; ++i)
            memcpy(to + i * to_step, from + i * from_step, (size_t)size);
    }
}

static void copy_row(unsigned char *to, int64_t to_step, const unsigned char *from,
                     int64_t from_step, int size, int64_t n) {
    if (to_step == size && from_step == size) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
    switch (size) {
    case 1: copy_steps(to, to_step, from, from_step, 1, n); break;
    case 2: copy_steps(to, to_step, from, from_step, 2, n); break;
    case 4: copy_steps(to, to_step, from, from_step, 4, n); break;
    default: copy_steps(to, to_step, from, from_step, 8, n); break;
    }
}

/* -------------------------------------------------------------------- columns */

/*
 * A square of 16 bytes a side for each group of the strips: element j of line i becomes element i of
 * line j. Interleaving the first half of the lines with the second does it, as often as there are
 * bits in a line's number.
 */
LQ_INLINE void turn(int size, int groups, unsigned char *to, int64_t to_step, int64_t to_group,
                    const unsigned char *from, int64_t from_step, int64_t from_group) {
    enum { MOST = 16 };
    strip a[MOST], b[MOST];
    const int n = MOST / size;
    for (int k = 0; k < n; ++k) a[k] = strip_load(from + k * from_step, from_group, groups);
    for (int round = 1; round < n; round *= 2) {
        for (int k = 0; k < n / 2; ++k) {
            b[2 * k] = strip_low(size, a[k], a[k + n / 2]);
            b[2 * k + 1] = strip_high(size, a[k], a[k + n / 2]);
        }
        for (int k = 0; k < n; ++k) a[k] = b[k];
    }
    for (int k = 0; k < n; ++k) strip_store(to + k * to_step, to_group, groups, a[k]);
}

/*
 * All squares of `lines` by `n` elements, whole lines of the caches after each other on that side
 * which is not the buffer: where strips are read from when gathering, and else where they go.
 */
LQ_INLINE void turn_squares(int size, bool gathers, unsigned char *to, int64_t to_step,
                            const unsigned char *from, int64_t from_step, int64_t lines,
                            int64_t n) {
    const int64_t edge = 16 / size;
    const int64_t from_group = gathers ? 16 : edge * from_step;
    const int64_t to_group = gathers ? edge * to_step : 16;
    const int64_t across = gathers ? lines : n, along = gathers ? n : lines;
    for (int64_t a = 0; a < across; a += edge) {
        const unsigned char *source = from + (gathers ? a * from_step : a * size);
        unsigned char *target = to + (gathers ? a * size : a * to_step);
        const int64_t from_next = gathers ? size : from_step, to_next = gathers ? to_step : size;
        int64_t b = 0;
        for (; b + GROUPS * edge <= along; b += GROUPS * edge) {
            turn(size, GROUPS, target + b * to_next, to_step, to_group, source + b * from_next,
                 from_step, from_group);
        }
        if (b < along) {
            turn(size, (int)((along - b) / edge), target + b * to_next, to_step, to_group,
                 source + b * from_next, from_step, from_group);
        }
    }
}

LQ_INLINE void turn_size(int size, bool gathers, unsigned char *to, int64_t to_step,
                         const unsigned char *from, int64_t from_step, int64_t lines, int64_t n) {
    if (gathers) {
        turn_squares(size, true, to, to_step, from, from_step, lines, n);
    } else {
        turn_squares(size, false, to, to_step, from, from_step, lines, n);
    }
}

/* Element j of line i becomes element i of line j. */
static void transpose(bool gathers, unsigned char *to, int64_t to_step, const unsigned char *from,
                      int64_t from_step, int64_t lines, int64_t n, int size) {
    const int64_t edge = 16 / size;
    const int64_t whole_lines = lines / edge * edge, whole_n = n / edge * edge;
    switch (size) {
    case 1: turn_size(1, gathers, to, to_step, from, from_step, whole_lines, whole_n); break;
    case 2: turn_size(2, gathers, to, to_step, from, from_step, whole_lines, whole_n); break;
    case 4: turn_size(4, gathers, to, to_step, from, from_step, whole_lines, whole_n); break;
    default: turn_size(8, gathers, to, to_step, from, from_step, whole_lines, whole_n); break;
    }
    for (int64_t j = whole_n; j < n && whole_lines; ++j) {
        copy_row(to + j * to_step, size, from + j * size, from_step, size, whole_lines);
    }
    for (int64_t i = whole_lines; i < lines; ++i) {
        copy_row(to + i * size, to_step, from + i * from_step, size, size, n);
    }
}

/* --------------------------------------------------------------------- panels */

static void swap_steps(side *s) {
    const int64_t step = s->step;
    s->step = s->row_step;
    s->row_step = step;
}

static void copy_panel(side to, side from, int64_t rows, int64_t count, int size) {
    if (from.row_step == size && to.step == size && from.step > 0) {
        transpose(true, to.at, to.row_step, from.at, from.step, count, rows, size);
        return;
    }
    if (to.row_step == size && from.step == size && to.step > 0) {
        transpose(false, to.at, to.step, from.at, from.row_step, rows, count, size);
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

static void gather_panel(void *buffer, const void *data, int size, const lq_panel *p) {
    const side to = {buffer, p->count * size, size};
    copy_panel(to, side_of_memory((unsigned char *)data, size, p), p->rows, p->count, size);
}

static void scatter_panel(const void *buffer, void *data, int size, const lq_panel *p) {
    const side from = {(unsigned char *)buffer, p->count * size, size};
    copy_panel(side_of_memory(data, size, p), from, p->rows, p->count, size);
}
