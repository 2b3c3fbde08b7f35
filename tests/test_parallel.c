/*
 * parallel_for: the same bytes and counts as the serial call, whatever runs the tasks (threads, in
 * reverse, interleaved), and a status where it does not run each of them once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guarded.h"
#include "pools.h"
#include "libquant.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- pools */

static int32_t interleaved(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)pool;
    tasks_seen = tasks;
    for (int64_t start = 0; start < 7; ++start) {
        for (int64_t i = start; i < tasks; i += 7) task(argument, i);
    }
    return 0;
}

/* ------------------------------------------------------------------- cases */

enum { MOST_ELEMENTS = 1 << 19, DIMS = 3 };

typedef struct shape_case {
    const char *name;
    int64_t shape[DIMS];
    bool transposed;
    lq_granularity granularity;
    int32_t axis;
    int64_t extent[DIMS];
} shape_case;

static const shape_case cases[] = {
    {"per tensor", {3, 300, 401}, false, LQ_PER_TENSOR, 0, {0}},
    {"per tensor, a vector", {1, 1, 400003}, false, LQ_PER_TENSOR, 0, {0}},
    {"per row", {1, 1024, 401}, false, LQ_PER_CHANNEL, 1, {0}},
    {"per row, whole bytes", {1, 1024, 400}, false, LQ_PER_CHANNEL, 1, {0}},
    {"per channel in the middle", {9, 130, 333}, false, LQ_PER_CHANNEL, 1, {0}},
    {"per channel in the middle, whole bytes", {9, 130, 336}, false, LQ_PER_CHANNEL, 1, {0}},
    {"per channel, last", {2, 333, 601}, false, LQ_PER_CHANNEL, 2, {0}},
    {"per channel, more than a batch", {1, 150, 3001}, false, LQ_PER_CHANNEL, 2, {0}},
    {"two channels", {2, 300, 601}, false, LQ_PER_CHANNEL, 0, {0}},
    {"blocks of 32", {2, 300, 608}, false, LQ_PER_BLOCK, -1, {32}},
    {"ragged blocks", {2, 300, 601}, false, LQ_PER_BLOCK, -1, {33}},
    {"blocks down the columns", {1, 500, 605}, false, LQ_PER_BLOCK, 1, {32}},
    {"tiles", {3, 257, 391}, false, LQ_PER_TILE, 0, {1, 128, 100}},
    {"transposed per row", {1, 401, 600}, true, LQ_PER_CHANNEL, 1, {0}},
    {"transposed blocks", {1, 401, 600}, true, LQ_PER_BLOCK, 2, {16}},
};

static float x[MOST_ELEMENTS];
static unsigned char codes[2][MOST_ELEMENTS * 2], scales[2][MOST_ELEMENTS * 4];
static unsigned char zeros[2][MOST_ELEMENTS];
static float back[2][MOST_ELEMENTS];

static lq_tensor shaped(const shape_case *c, const void *data, lq_type type) {
    lq_tensor t = lq_contiguous(data, type, DIMS, c->shape);
    if (c->transposed) {
        t.stride[1] = 1;
        t.stride[2] = c->shape[1];
    }
    return t;
}

static lq_scheme scheme_of(const shape_case *c, lq_mapping mapping, lq_type type) {
    lq_block block = lq_per_tensor();
    if (c->granularity == LQ_PER_CHANNEL) block = lq_per_channel(c->axis);
    if (c->granularity == LQ_PER_BLOCK) block = lq_per_block(c->axis, c->extent[0]);
    if (c->granularity == LQ_PER_TILE) block = lq_per_tile(DIMS, c->extent);
    return lq_scheme_of(mapping, type, block);
}

/* All operations, into memory `m`; the pool is NULL for the serial run. */
static void run_all(const shape_case *c, const lq_scheme *scheme, lq_type zero_type, int m,
                    lq_parallel_for *parallel_for, void *pool, lq_report *report) {
    lq_exec exec;
    int64_t grid[LQ_MAX_RANK], blocks;
    assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
    assert_int_equal(lq_report_init(report, sizeof *report), LQ_OK);
    exec.parallel_for = parallel_for;
    exec.pool = pool;
    exec.report = report;
    const lq_tensor real = shaped(c, x, LQ_F32);
    const lq_tensor q = shaped(c, codes[m], scheme->code_type);
    const lq_tensor y = shaped(c, back[m], LQ_F32);
    assert_int_equal(lq_grid_shape(&real, scheme, grid, &blocks), LQ_OK);
    const lq_tensor s = lq_vector(scales[m], LQ_F16, blocks);
    const lq_tensor z = lq_vector(zeros[m], zero_type, blocks);
    memset(codes[m], 0xa5, sizeof codes[m]);
    memset(zeros[m], 0xa5, sizeof zeros[m]);
    assert_int_equal(lq_calibrate(&real, scheme, &s, &z, &exec), LQ_OK);
    assert_int_equal(lq_quantize(&real, scheme, &s, &z, &q, &exec), LQ_OK);
    assert_int_equal(lq_dequantize(&q, scheme, &s, &z, &y, &exec), LQ_OK);
    memset(codes[m], 0x5a, sizeof codes[m]);
    assert_int_equal(lq_quantize_dynamic(&real, scheme, &q, &s, &z, &exec), LQ_OK);
}

static void compare_pools(const shape_case *c, lq_mapping mapping, lq_type type) {
    static int threads[] = {2, 3, 8};
    const struct {
        lq_parallel_for *run;
        void *pool;
    } pools[] = {{in_reverse, NULL},
                 {interleaved, NULL},
                 {on_threads, &threads[0]},
                 {on_threads, &threads[1]},
                 {on_threads, &threads[2]}};
    const lq_scheme scheme = scheme_of(c, mapping, type);
    lq_report serial, parallel;
    run_all(c, &scheme, type, 0, NULL, NULL, &serial);
    for (size_t p = 0; p < sizeof pools / sizeof *pools; ++p) {
        tasks_seen = 0;
        run_all(c, &scheme, type, 1, pools[p].run, pools[p].pool, &parallel);
        if (tasks_seen < 2) print_message("%s was not cut\n", c->name);
        assert_true(tasks_seen > 1);
        assert_memory_equal(&serial, &parallel, sizeof serial);
        assert_memory_equal(scales[0], scales[1], sizeof scales[0]);
        assert_memory_equal(zeros[0], zeros[1], sizeof zeros[0]);
        assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
        assert_memory_equal(back[0], back[1], sizeof back[0]);
    }
}

static void fill(void) {
    for (int i = 0; i < MOST_ELEMENTS; ++i) {
        x[i] = (float)random_below(20001) / 1000.0f - 10.0f;
        if (random_below(5000) == 0) x[i] = random_below(2) ? (float)NAN : (float)INFINITY;
    }
}

static void test_same_bytes(void **state) {
    static const lq_type types[] = {LQ_S8, LQ_U4, LQ_S4, LQ_U2, LQ_S16};
    (void)state;
    fill();
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        for (size_t t = 0; t < sizeof types / sizeof *types; ++t) {
            compare_pools(&cases[c], LQ_AFFINE, types[t]);
        }
        compare_pools(&cases[c], LQ_SYMMETRIC_FULL_RANGE, LQ_S4);
    }
}

static void test_packing(void **state) {
    (void)state;
    const int64_t n = MOST_ELEMENTS - 3;
    int threads = 3;
    lq_exec exec;
    assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
    exec.parallel_for = on_threads;
    exec.pool = &threads;
    for (int64_t i = 0; i < n; ++i) codes[0][i] = (unsigned char)random_below(4);
    const lq_tensor bytes = lq_vector(codes[0], LQ_U8, n);
    const lq_tensor serial = lq_vector(scales[0], LQ_U2, n);
    const lq_tensor parallel = lq_vector(scales[1], LQ_U2, n);
    const lq_tensor restored = lq_vector(codes[1], LQ_U8, n);
    tasks_seen = 0;
    assert_int_equal(lq_pack_codes(&bytes, &serial, NULL), LQ_OK);
    assert_int_equal(lq_pack_codes(&bytes, &parallel, &exec), LQ_OK);
    assert_true(tasks_seen > 1);
    assert_memory_equal(scales[0], scales[1], (size_t)serial.size);
    assert_int_equal(lq_unpack_codes(&parallel, &restored, &exec), LQ_OK);
    assert_memory_equal(codes[0], codes[1], (size_t)n);
}

/* Small calls and narrowing in place do not use the pool, so that one that does nothing is fine. */
static void test_stays_here(void **state) {
    (void)state;
    lq_exec exec;
    assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
    exec.parallel_for = none;
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    const lq_tensor s = lq_vector(scales[0], LQ_F32, 1);
    const lq_tensor small = lq_vector(x, LQ_F32, 32000);
    const lq_tensor q = lq_vector(codes[0], LQ_S8, 32000);
    assert_int_equal(lq_quantize_dynamic(&small, &scheme, &q, &s, NULL, &exec), LQ_OK);
    const lq_tensor large = lq_vector(x, LQ_F32, MOST_ELEMENTS);
    const lq_tensor over = lq_vector(x, LQ_S8, MOST_ELEMENTS);
    assert_int_equal(lq_quantize_dynamic(&large, &scheme, &over, &s, NULL, &exec), LQ_OK);
}

static void test_misuse(void **state) {
    lq_parallel_for *const bad[] = {none, one_left_out, one_twice, one_too_many, failing};
    (void)state;
    fill();
    lq_exec exec;
    assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
    const lq_tensor real = lq_matrix(x, LQ_F32, 512, 1024);
    const lq_tensor q = lq_matrix(codes[0], LQ_S8, 512, 1024);
    const lq_tensor s = lq_vector(scales[0], LQ_F32, 512);
    const lq_tensor one = lq_vector(scales[0], LQ_F32, 1);
    const lq_tensor y = lq_matrix(back[0], LQ_F32, 512, 1024);
    const lq_scheme rows = lq_symmetric(LQ_S8, lq_per_channel(0));
    const lq_scheme whole = lq_symmetric(LQ_S8, lq_per_tensor());
    assert_int_equal(lq_quantize_dynamic(&real, &rows, &q, &s, NULL, NULL), LQ_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        exec.parallel_for = bad[i];
        assert_int_equal(lq_quantize(&real, &rows, &s, NULL, &q, &exec), LQ_ERROR_EXEC);
        assert_int_equal(lq_dequantize(&q, &rows, &s, NULL, &y, &exec), LQ_ERROR_EXEC);
        assert_int_equal(lq_convert(&real, &y, LQ_OVERFLOW_INFINITE, &exec), LQ_ERROR_EXEC);
        assert_int_equal(lq_quantize_dynamic(&real, &rows, &q, &s, NULL, &exec), LQ_ERROR_EXEC);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        exec.parallel_for = bad[i];
        assert_int_equal(lq_calibrate(&real, &whole, &one, NULL, &exec), LQ_ERROR_EXEC);
    }
}

int main(void) {
    random_seed(seed_from_environment());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_packing),
        cmocka_unit_test(test_stays_here),
        cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
