/*
 * lq_convert through the public call: views of any shape and strides against an oracle on the bits,
 * in place, on threads, refusals, and what the report counts. Values are the sweep's affair; here
 * it is where they come from and where they go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "float_oracle.h"
#include "naive.h"
#include "pools.h"
#include "random_views.h"

static const lq_type types[FLOAT_FORMATS] = {LQ_F32, LQ_F16, LQ_BF16, LQ_F64};
static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
static const lq_overflow overflows[] = {LQ_OVERFLOW_INFINITE, LQ_OVERFLOW_SATURATE};

static const float_format *format_of(lq_type type) {
    int i = 0;
    while (types[i] != type) ++i;
    return &float_formats[i];
}

/* ------------------------------------------------------------------- values */

/* Near what some type holds, halfway between two of its values, or any bits at all. */
static uint64_t random_real(struct random_state *r, const float_format *format) {
    const float_format *grid = &float_formats[random_in(r, 0, FLOAT_FORMATS - 1)];
    const uint64_t sign = (random_bits(r) & 1u) << (format->bits - 1);
    const uint64_t magnitude = random_bits(r) % (float_infinity(grid) + 4u);
    if (random_one_in(r, 4)) return random_bits(r) & (~UINT64_C(0) >> (64 - format->bits));
    if (grid->fraction < format->fraction && magnitude < float_infinity(grid)) {
        const uint64_t middle = float_midpoint(magnitude, grid, format);
        return sign | (middle + random_bits(r) % 3u - 1u);
    }
    return sign | float_convert(magnitude, grid, format, false, NULL);
}

static void fill(struct random_state *r, const lq_tensor *t) {
    const float_format *format = format_of(t->type);
    const int64_t count = naive_count(t);
    for (int64_t i = 0; i < count; ++i)
        float_put(t->data, format, naive_position(t, i), random_real(r, format));
}

static void expect(const lq_tensor *x, const lq_tensor *y, lq_overflow overflow,
                   float_counts *counts) {
    const float_format *from = format_of(x->type), *to = format_of(y->type);
    const int64_t count = naive_count(x);
    memset(counts, 0, sizeof *counts);
    for (int64_t i = 0; i < count; ++i) {
        const uint64_t bits = float_get(x->data, from, naive_position(x, i));
        float_put(y->data, to, naive_position(y, i),
                  float_convert(bits, from, to, overflow == LQ_OVERFLOW_SATURATE, counts));
    }
}

static lq_exec exec_with(lq_report *report) {
    lq_exec exec;
    assert_int_equal(lq_report_init(report, sizeof *report), LQ_OK);
    assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
    exec.report = report;
    return exec;
}

static void check_report(const lq_report *report, const float_counts *counts) {
    assert_int_equal(report->argument, 0);
    assert_int_equal(report->index, -1);
    assert_int_equal(report->clipped, 0);
    assert_int_equal(report->nan, counts->nan);
    assert_int_equal(report->infinite, counts->infinite);
    assert_int_equal(report->overflowed, counts->overflowed);
    assert_int_equal(report->underflowed, counts->underflowed);
}

/* -------------------------------------------------------------------- views */

static void run_views(struct arena *a, const lq_tensor *x, const lq_tensor *y,
                      lq_overflow overflow) {
    float_counts counts;
    lq_report report;
    const lq_tensor expected_x = arena_view(a, x, a->expected);
    const lq_tensor expected_y = arena_view(a, y, a->expected);
    const lq_tensor actual_x = arena_view(a, x, a->actual);
    const lq_tensor actual_y = arena_view(a, y, a->actual);
    memcpy(a->expected, a->before, (size_t)a->used);
    expect(&expected_x, &expected_y, overflow, &counts);
    for (int i = 0; i < 4; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        for (int with_report = 0; with_report < 2; ++with_report) {
            const lq_exec exec = exec_with(&report);
            memcpy(a->actual, a->before, (size_t)a->used);
            assert_int_equal(lq_convert(&actual_x, &actual_y, overflow, with_report ? &exec : NULL),
                             LQ_OK);
            if (with_report) check_report(&report, &counts);
            if (memcmp(a->actual, a->expected, (size_t)a->used) == 0) continue;
            print_view("x", a, x);
            print_view("y", a, y);
            fail_msg("the bytes differ on level %s", lq_cpu_name(levels[i]));
        }
    }
}

/* Any shape, rank 0 and empty ones too; any strides, reversed, with gaps, any alignment. */
static void test_random_views(void **state) {
    struct arena a;
    uint64_t seed = random_seed();
    const char *cases = getenv("LQ_CASES");
    const int most = cases && *cases ? atoi(cases) / 4 : 8000;
    int64_t elements = 0;
    (void)state;
    arena_open(&a);
    for (int i = 0; i < most; ++i) {
        int64_t shape[LQ_MAX_RANK];
        arena_reset(&a, seed + (uint64_t)i);
        const int32_t rank = random_shape(&a, shape);
        const lq_type from = types[i % 4], to = types[i / 4 % 4];
        const enum view_style in = random_one_in(&a.random, 3) ? VIEW_CONTIGUOUS : VIEW_INPUT;
        const enum view_style out = random_one_in(&a.random, 3) ? VIEW_CONTIGUOUS : VIEW_OUTPUT;
        const lq_tensor x = random_view(&a, from, rank, shape, in);
        const lq_tensor y = random_view(&a, to, rank, shape, out);
        fill(&a.random, &x);
        arena_commit(&a);
        run_views(&a, &x, &y, overflows[i / 16 % 2]);
        elements += naive_count(&x);
    }
    print_message("%d views, %lld elements\n", most, (long long)elements);
    arena_close(&a);
}

/* Vectors of all lengths up to several tiles, of all pairs, at odd addresses. */
static void test_lengths(void **state) {
    struct arena a;
    (void)state;
    arena_open(&a);
    for (int pair = 0; pair < 16; ++pair) {
        for (int64_t n = 0; n < 150; ++n) {
            arena_reset(&a, random_seed() + (uint64_t)n);
            const lq_tensor x = random_view(&a, types[pair / 4], 1, &n, VIEW_CONTIGUOUS);
            const lq_tensor y = random_view(&a, types[pair % 4], 1, &n, VIEW_CONTIGUOUS);
            fill(&a.random, &x);
            arena_commit(&a);
            run_views(&a, &x, &y, overflows[n % 2]);
        }
    }
    arena_close(&a);
}

/* ----------------------------------------------------------------- in place */

/* y over x; widths may differ where both are contiguous. */
static void run_in_place(struct arena *a, const lq_tensor *x, lq_type to, lq_overflow overflow) {
    float_counts counts;
    lq_report report;
    lq_tensor y = *x, expected_x = arena_view(a, x, a->before), expected_y;
    const lq_tensor actual_x = arena_view(a, x, a->actual);
    y.type = to;
    y.offset = x->offset * (x->type & 0xff) / (to & 0xff);
    expected_y = arena_view(a, &y, a->expected);
    y = arena_view(a, &y, a->actual);
    memcpy(a->expected, a->before, (size_t)a->used);
    expect(&expected_x, &expected_y, overflow, &counts);
    for (int i = 0; i < 4; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        const lq_exec exec = exec_with(&report);
        memcpy(a->actual, a->before, (size_t)a->used);
        assert_int_equal(lq_convert(&actual_x, &y, overflow, &exec), LQ_OK);
        check_report(&report, &counts);
        assert_memory_equal(a->actual, a->expected, (size_t)a->used);
    }
}

static void test_in_place(void **state) {
    struct arena a;
    int ran = 0;
    (void)state;
    arena_open(&a);
    for (int i = 0; i < 6000; ++i) {
        int64_t shape[LQ_MAX_RANK];
        arena_reset(&a, random_seed() + (uint64_t)i);
        const int32_t rank = random_shape(&a, shape);
        const lq_type from = types[i % 4], to = types[i / 4 % 4];
        const int same = (from & 0xff) == (to & 0xff);
        if ((to & 0xff) > (from & 0xff)) continue;
        const lq_tensor x =
            random_view(&a, from, rank, shape, same ? VIEW_OUTPUT : VIEW_CONTIGUOUS);
        fill(&a.random, &x);
        arena_commit(&a);
        run_in_place(&a, &x, to, overflows[i / 16 % 2]);
        ++ran;
    }
    print_message("%d in place\n", ran);
    arena_close(&a);
}

static void refuse(const lq_tensor *x, const lq_tensor *y, lq_status expected, int32_t argument) {
    static unsigned char before[1024];
    unsigned char *memory = x->data;
    lq_report report;
    const lq_exec exec = exec_with(&report);
    memcpy(before, memory, sizeof before);
    assert_int_equal(lq_convert(x, y, LQ_OVERFLOW_INFINITE, &exec), expected);
    assert_int_equal(report.argument, argument);
    assert_int_equal(report.overflowed | report.underflowed | report.nan | report.infinite, 0);
    assert_memory_equal(memory, before, sizeof before);
    assert_int_equal(lq_convert(x, y, LQ_OVERFLOW_INFINITE, NULL), expected);
    assert_memory_equal(memory, before, sizeof before);
}

/* test_status.c has what all calls refuse. */
static void test_refusals(void **state) {
    static unsigned char memory[1024];
    (void)state;
    memset(memory, 0x3c, sizeof memory);
    const lq_tensor x = lq_matrix(memory, LQ_F32, 4, 8);
    lq_tensor y = lq_matrix(memory, LQ_F64, 4, 8);
    refuse(&x, &y, LQ_ERROR_OVERLAP, 2);
    y = lq_matrix(memory + 2, LQ_F16, 4, 8);
    refuse(&x, &y, LQ_ERROR_OVERLAP, 2);
    y = lq_matrix(memory + 127, LQ_F16, 4, 8);
    refuse(&x, &y, LQ_ERROR_OVERLAP, 2);
    y = lq_matrix(memory, LQ_F16, 4, 8);
    y.stride[0] = 1;
    y.stride[1] = 4;
    refuse(&x, &y, LQ_ERROR_OVERLAP, 2);
    y = lq_matrix(memory + 512, LQ_F16, 8, 4);
    refuse(&x, &y, LQ_ERROR_SHAPE, 2);
    y = lq_vector(memory + 512, LQ_F16, 32);
    refuse(&x, &y, LQ_ERROR_SHAPE, 2);
    y = lq_matrix(memory + 512, LQ_F16, 4, 8);
    y.stride[0] = 0;
    refuse(&x, &y, LQ_ERROR_STRIDE, 2);
    y = lq_matrix(memory + 512, LQ_F64, 4, 8);
    y.size -= 1;
    refuse(&x, &y, LQ_ERROR_SIZE, 2);
    refuse(&x, NULL, LQ_ERROR_NULL, 2);
    /* Just beside each other. */
    y = lq_matrix(memory + 128, LQ_F64, 4, 8);
    assert_int_equal(lq_convert(&x, &y, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
}

/* ------------------------------------------------------------------ threads */

enum { MANY = 7 * 40009 };

static void run_threads(const lq_tensor *x, const lq_tensor *y, void *expected) {
    lq_report serial, parallel;
    lq_exec exec = exec_with(&serial);
    assert_int_equal(lq_convert(x, y, LQ_OVERFLOW_INFINITE, &exec), LQ_OK);
    memcpy(expected, y->data, (size_t)y->size);
    for (int threads = 1; threads <= 8; ++threads) {
        exec = exec_with(&parallel);
        exec.parallel_for = on_threads;
        exec.pool = &threads;
        tasks_seen = 0;
        memset(y->data, 0x5a, (size_t)y->size);
        assert_int_equal(lq_convert(x, y, LQ_OVERFLOW_INFINITE, &exec), LQ_OK);
        assert_true(tasks_seen > 1);
        assert_memory_equal(y->data, expected, (size_t)y->size);
        assert_memory_equal(&serial, &parallel, sizeof serial);
    }
}

static void test_threads(void **state) {
    struct random_state r = {random_seed()};
    unsigned char *memory = malloc(MANY * 8), *out = malloc(MANY * 8), *copy = malloc(MANY * 8);
    (void)state;
    assert_true(memory && out && copy);
    for (int pair = 0; pair < 16; pair += 3) {
        lq_tensor x = lq_matrix(memory, types[pair / 4], 7, MANY / 7);
        const lq_tensor y = lq_matrix(out, types[pair % 4], 7, MANY / 7);
        fill(&r, &x);
        run_threads(&x, &y, copy);
        /* Columns of x become rows of y. */
        x.stride[0] = 1;
        x.stride[1] = 7;
        run_threads(&x, &y, copy);
    }
    free(memory);
    free(out);
    free(copy);
}

/* ------------------------------------------------------------------- counts */

/* The edges of f16 by hand, so that the oracle is not alone. */
static void test_edges(void **state) {
    const double x[] = {65504.0, 65519.99, 65520.0,   -65520.0,  1e300,    0x1p-25,
                        0x1p-24, -0x1p-25, 0x1.8p-24, 0x1p-1074, -0.0,     0.0,
                        2049.0,  2051.0,   0x1.002p0, 1.0 / 3,   0x1p-149, -0x1.fffp-15};
    const uint16_t infinite[] = {0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7c00, 0,      1, 0x8000, 2, 0,
                                 0x8000, 0,      0x6800, 0x6802, 0x3c00, 0x3555, 0, 0x8400};
    uint16_t y[18];
    lq_report report;
    const lq_exec exec = exec_with(&report);
    const lq_tensor from = lq_vector(x, LQ_F64, 18), to = lq_vector(y, LQ_F16, 18);
    (void)state;
    for (int i = 0; i < 4; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        assert_int_equal(lq_convert(&from, &to, LQ_OVERFLOW_INFINITE, &exec), LQ_OK);
        assert_memory_equal(y, infinite, sizeof y);
        assert_int_equal(report.overflowed, 3);
        assert_int_equal(report.underflowed, 4);
        assert_int_equal(lq_convert(&from, &to, LQ_OVERFLOW_SATURATE, &exec), LQ_OK);
        assert_int_equal(report.overflowed, 3);
        assert_int_equal(y[2], 0x7bff);
        assert_int_equal(y[3], 0xfbff);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_views), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_in_place),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_threads),      cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}
