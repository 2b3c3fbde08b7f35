/*
 * Panels gathered and scattered on every level, byte for byte as loops over elements do it: rows and
 * columns that lie close together, with gaps, and in either direction. The views begin and end at
 * pages that nobody may touch, and what lies between their elements must stay.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guarded.h"
#include "kernels.h"
#include "strided.h"
#include <stdlib.h>
#include <string.h>

enum { CASES = 6000, MOST = 150, ROOM = 1 << 20 };

static guarded memory, buffer;
static unsigned char before[ROOM], expected[ROOM];

/* Where an element is, from the first in memory on. */
static int64_t place(const lq_panel *p, int64_t row, int64_t i) {
    return p->at + row * p->row_step + i * p->step;
}

static int64_t signed_randomly(int64_t v) {
    return random_below(4) ? v : -v;
}

/* Elements that lie apart, so that each can be written; `at` makes the lowest of them the first. */
static lq_panel random_panel(int64_t *elements) {
    const int64_t gap = random_below(3) ? 1 : 1 + random_below(4);
    const int64_t between = random_below(2) ? 0 : random_below(20);
    lq_panel p = {.rows = 1 + random_below(MOST), .count = 1 + random_below(MOST)};
    if (random_below(2)) {
        p.step = signed_randomly(gap);
        p.row_step = signed_randomly(p.count * gap + between);
    } else {
        p.row_step = signed_randomly(gap);
        p.step = signed_randomly(p.rows * gap + between);
    }
    const int64_t down = (p.rows - 1) * p.row_step, along = (p.count - 1) * p.step;
    p.at = (down < 0 ? -down : 0) + (along < 0 ? -along : 0);
    *elements = 1 + (down < 0 ? -down : down) + (along < 0 ? -along : along);
    return p;
}

static void fill(unsigned char *to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] = (unsigned char)random_bits();
}

/* A copy of all, by elements; to memory or from it. */
static void copy_naively(const lq_panel *p, int size, bool gathers, const unsigned char *from,
                         unsigned char *to) {
    for (int64_t r = 0; r < p->rows; ++r) {
        for (int64_t i = 0; i < p->count; ++i) {
            const int64_t there = place(p, r, i) * size, here = (r * p->count + i) * size;
            memcpy(to + (gathers ? here : there), from + (gathers ? there : here), (size_t)size);
        }
    }
}

static void check(const lq_kernels *k, const lq_panel *p, int size, int64_t elements) {
    const int64_t all = elements * size, inside = p->rows * p->count * size;
    unsigned char *const view = random_below(2) ? memory.begin : memory.end - all;
    unsigned char *const dense = random_below(2) ? buffer.begin : buffer.end - inside;
    fill(view, all);
    memcpy(before, view, (size_t)all);
    copy_naively(p, size, true, view, expected);
    k->gather_panel(dense, view, size, p);
    assert_memory_equal(dense, expected, (size_t)inside);
    assert_memory_equal(view, before, (size_t)all);
    fill(dense, inside);
    copy_naively(p, size, false, dense, before);
    k->scatter_panel(dense, view, size, p);
    assert_memory_equal(view, before, (size_t)all);
}

static void test_panels(void **state) {
    (void)state;
    random_seed(seed_from_environment());
    memory = guarded_new(ROOM);
    buffer = guarded_new(ROOM);
    for (int i = 0; i < CASES; ++i) {
        const int size = 1 << random_below(4);
        int64_t elements;
        const lq_panel p = random_panel(&elements);
        for (lq_cpu level = LQ_CPU_SCALAR; elements * size <= ROOM && level <= LQ_CPU_NEON;
             ++level) {
            const lq_kernels *k = lq_kernels_of(level);
            if (k) check(k, &p, size, elements);
        }
    }
    guarded_free(&memory);
    guarded_free(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_panels)};
    return cmocka_run_group_tests_name("strided", tests, NULL, NULL);
}
