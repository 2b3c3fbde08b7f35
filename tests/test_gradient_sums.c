/*
 * Gradients of scale and zero point: against finite differences of what they are the slope of, on
 * tensors large enough for tasks, in place, for what is not a number, and where arguments are
 * refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "libquant.h"
#include "pools.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 7;

/* splitmix64 */
static uint32_t random_below(uint32_t n) {
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

/* -------------------------------------------------------- finite differences */

/*
 * What the straight-through estimator differentiates: the rounding error of every value, which
 * lq_fake_quantize made at scale s0, stays as it is, and the steps are clipped instead of the codes.
 */
typedef struct surrogate {
    const float *x, *y, *grad_y;
    int n;
    double s0, low, high; /* the range of codes */
    int multiplier;
} surrogate;

static double value_of(const surrogate *f, double scale, double zero) {
    double sum = 0;
    for (int i = 0; i < f->n; ++i) {
        const double s = f->multiplier ? 1 / scale : scale;
        const double s0 = f->multiplier ? 1 / f->s0 : f->s0;
        const double x = (double)f->x[i];
        const double error = fabs((double)f->y[i] - x) <= s0 ? ((double)f->y[i] - x) / s0 : 0;
        double code = x / s + error + zero;
        code = code < f->low ? f->low : code > f->high ? f->high : code;
        sum += (double)f->grad_y[i] * (code - zero) * s;
    }
    return sum;
}

static void check_slope(lq_quotient quotient, double s0, int32_t zero, float factor) {
    enum { N = 500 };
    float x[N], y[N], g[N], scale = (float)s0, grad_scale = 0, grad_zero = 0;
    lq_scheme scheme = lq_affine(LQ_S8, lq_per_tensor());
    const double step = quotient == LQ_QUOTIENT_MULTIPLIER ? 1 / s0 : s0;
    scheme.quotient = quotient;
    for (int i = 0; i < N; ++i) {
        /* Not on the last codes: there the surrogate has a kink. */
        int code = (int)random_below(252) - 126;
        if (random_below(3) == 0) code = random_below(2) ? 131 : -132;
        const double rest = (double)random_below(900) / 1000 - 0.45;
        x[i] = (float)((code - zero + rest) * step);
        g[i] = (float)random_below(2001) / 1000.0f - 1.0f;
    }
    const lq_tensor tx = lq_vector(x, LQ_F32, N), ty = lq_vector(y, LQ_F32, N);
    const lq_tensor tg = lq_vector(g, LQ_F32, N), ts = lq_vector(&scale, LQ_F32, 1);
    const lq_tensor tz = lq_vector(&zero, LQ_S32, 1), tgs = lq_vector(&grad_scale, LQ_F32, 1);
    const lq_tensor tgz = lq_vector(&grad_zero, LQ_F32, 1);
    assert_int_equal(lq_fake_quantize(&tx, &scheme, &ts, &tz, &ty, NULL), LQ_OK);
    assert_int_equal(
        lq_fake_quantize_grad(&tx, &scheme, &ts, &tz, &tg, NULL, &tgs, &tgz, factor, NULL), LQ_OK);
    const surrogate f = {x, y, g, N, (double)scale, -128, 127, quotient == LQ_QUOTIENT_MULTIPLIER};
    const double h = (double)scale * 1e-6;
    const double for_scale =
        (value_of(&f, f.s0 + h, zero) - value_of(&f, f.s0 - h, zero)) / (2 * h) * (double)factor;
    const double for_zero =
        (value_of(&f, f.s0, zero + 1e-6) - value_of(&f, f.s0, zero - 1e-6)) / 2e-6 * (double)factor;
    assert_true(fabs((double)grad_scale - for_scale) <= 1e-5 * (fabs(for_scale) + step));
    assert_true(fabs((double)grad_zero - for_zero) <= 1e-5 * (fabs(for_zero) + step));
}

static void test_finite_differences(void **state) {
    (void)state;
    for (int q = LQ_QUOTIENT_DIVIDE; q <= LQ_QUOTIENT_MULTIPLIER; ++q) {
        check_slope((lq_quotient)q, 0.25, 0, 1.0f);
        check_slope((lq_quotient)q, 0.1, 17, 0.5f);
        check_slope((lq_quotient)q, 3.7, -90, -2.0f);
    }
}

/* -------------------------------------------------------------------- tasks */

enum { DIMS = 3, MOST_ELEMENTS = 1 << 19 };

static float x[MOST_ELEMENTS], grad_y[MOST_ELEMENTS], scales[MOST_ELEMENTS];
static float y[2][MOST_ELEMENTS], grad_x[2][MOST_ELEMENTS];
static float grad_scale[2][MOST_ELEMENTS], grad_zero[2][MOST_ELEMENTS];

static const struct large_case {
    const char *name;
    int64_t shape[DIMS];
    int transposed, parallel;
    int64_t extent[DIMS];
} large_cases[] = {
    {"per tensor", {3, 300, 401}, 0, 1, {0}},
    {"per tensor, a vector", {1, 1, 400003}, 0, 1, {0}},
    {"per tensor, transposed", {1, 600, 601}, 1, 0, {0}},
    {"per row", {1, 1024, 401}, 0, 1, {1, 1, 0}},
    {"per channel in the middle", {9, 130, 333}, 0, 1, {0, 1, 0}},
    {"per channel, last", {2, 333, 601}, 0, 1, {0, 0, 1}},
    {"two channels of several slices", {2, 300, 801}, 0, 1, {1, 0, 0}},
    {"two channels, transposed", {2, 300, 801}, 1, 1, {1, 0, 0}},
    {"ragged blocks", {2, 300, 601}, 0, 1, {1, 1, 33}},
    {"blocks down the columns", {1, 500, 605}, 0, 1, {1, 32, 1}},
    {"tiles", {3, 257, 391}, 0, 1, {1, 128, 100}},
    {"a large tile and its rest", {1, 500, 801}, 0, 1, {1, 300, 500}},
};

static void fill(void) {
    for (int i = 0; i < MOST_ELEMENTS; ++i) {
        x[i] = (float)random_below(20001) / 1000.0f - 10.0f;
        grad_y[i] = (float)random_below(20001) / 9001.0f - 1.0f;
        scales[i] = 0.05f + (float)random_below(100) / 2000.0f;
        if (random_below(5000) == 0) x[i] = random_below(2) ? NAN : INFINITY;
    }
}

static lq_tensor shaped(const struct large_case *c, const void *data, int contiguous) {
    lq_tensor t = lq_contiguous(data, LQ_F32, DIMS, c->shape);
    if (contiguous || !c->transposed) return t;
    t.stride[1] = 1;
    t.stride[2] = c->shape[1];
    return t;
}

static void run_large(const struct large_case *c, int m, const lq_exec *exec, int strided) {
    lq_scheme scheme = lq_affine(LQ_S8, lq_per_tile(DIMS, c->extent));
    const lq_tensor tx = shaped(c, x, !strided), tg = shaped(c, grad_y, !strided);
    const lq_tensor ty = shaped(c, y[m], !strided), tgx = shaped(c, grad_x[m], !strided);
    int64_t grid[LQ_MAX_RANK], blocks;
    assert_int_equal(lq_grid_shape(&tx, &scheme, grid, &blocks), LQ_OK);
    const lq_tensor s = lq_vector(scales, LQ_F32, blocks);
    const lq_tensor gs = lq_vector(grad_scale[m], LQ_F32, blocks);
    const lq_tensor gz = lq_vector(grad_zero[m], LQ_F32, blocks);
    memset(grad_x[m], 0x5a, sizeof grad_x[m]);
    assert_int_equal(lq_fake_quantize(&tx, &scheme, &s, NULL, &ty, exec), LQ_OK);
    tasks_seen = 0;
    assert_int_equal(lq_fake_quantize_grad(&tx, &scheme, &s, NULL, &tg, &tgx, &gs, &gz, 1.0f, exec),
                     LQ_OK);
}

static void compare_runs(void) {
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    assert_memory_equal(grad_x[0], grad_x[1], sizeof grad_x[0]);
    assert_memory_equal(grad_scale[0], grad_scale[1], sizeof grad_scale[0]);
    assert_memory_equal(grad_zero[0], grad_zero[1], sizeof grad_zero[0]);
}

static void test_threads_and_levels(void **state) {
    static const int counts[] = {1, 2, 3, 8};
    (void)state;
    fill();
    for (size_t i = 0; i < sizeof large_cases / sizeof *large_cases; ++i) {
        const struct large_case *c = &large_cases[i];
        lq_report report;
        lq_exec exec;
        lq_cpu_use(LQ_CPU_SCALAR);
        run_large(c, 0, NULL, 1);
        for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
            if (lq_cpu_use(level) != LQ_OK) continue;
            for (int t = 0; t < 4; ++t) {
                lq_exec_init(&exec, sizeof exec);
                lq_report_init(&report, sizeof report);
                exec.parallel_for = on_threads;
                exec.pool = (void *)(uintptr_t)&counts[t];
                exec.report = &report;
                run_large(c, 1, &exec, 1);
                compare_runs();
                if (c->parallel && tasks_seen < 2) fail_msg("%s was not cut", c->name);
                assert_true(report.nan > 0 && report.infinite > 0 && report.clipped > 0);
            }
        }
    }
}

/* The order of sums is that of the shape, not of the memory. */
static void test_strides_change_no_sum(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof large_cases / sizeof *large_cases; ++i) {
        const struct large_case *c = &large_cases[i];
        if (!c->transposed) continue;
        fill();
        run_large(c, 0, NULL, 1);
        const lq_tensor from = shaped(c, x, 0), g = shaped(c, grad_y, 0);
        static float copy[2][MOST_ELEMENTS];
        int64_t n = 0;
        for (int64_t a = 0; a < c->shape[0]; ++a) {
            for (int64_t b = 0; b < c->shape[1]; ++b) {
                for (int64_t d = 0; d < c->shape[2]; ++d, ++n) {
                    copy[0][n] = x[a * from.stride[0] + b * from.stride[1] + d * from.stride[2]];
                    copy[1][n] = grad_y[a * g.stride[0] + b * g.stride[1] + d * g.stride[2]];
                }
            }
        }
        memcpy(x, copy[0], sizeof x);
        memcpy(grad_y, copy[1], sizeof grad_y);
        run_large(c, 1, NULL, 0);
        assert_memory_equal(grad_scale[0], grad_scale[1], sizeof grad_scale[0]);
        assert_memory_equal(grad_zero[0], grad_zero[1], sizeof grad_zero[0]);
    }
}

/* ------------------------------------------------------------ not a number */

static void test_not_a_number(void **state) {
    enum { N = 8 };
    const float in[N] = {NAN, INFINITY, -INFINITY, 3.0f, 3.0f, 300.0f, 0.0f, -1.25f};
    const float up[N] = {NAN, 1.0f, -2.0f, 0.5f, -INFINITY, 4.0f, 1.0f, -2.0f};
    float s = 0.5f, out[N], gs = 0, gz = 0;
    int32_t z = 3;
    (void)state;
    const lq_scheme scheme = lq_affine(LQ_S8, lq_per_tensor());
    const lq_tensor tx = lq_vector(in, LQ_F32, N), tg = lq_vector(up, LQ_F32, N);
    const lq_tensor ts = lq_vector(&s, LQ_F32, 1), tz = lq_vector(&z, LQ_S32, 1);
    const lq_tensor to = lq_vector(out, LQ_F32, N), tgs = lq_vector(&gs, LQ_F32, 1);
    const lq_tensor tgz = lq_vector(&gz, LQ_F32, 1);
    assert_int_equal(lq_fake_quantize_grad(&tx, &scheme, &ts, &tz, &tg, &to, &tgs, &tgz, 1, NULL),
                     LQ_OK);
    const float kept[N] = {0.0f, 0.0f, -0.0f, 0.5f, -INFINITY, 0.0f, 1.0f, -2.0f};
    /* The sign of a NaN stays too. */
    assert_true(out[0] == 0.0f);
    assert_memory_equal(out + 1, kept + 1, sizeof out - sizeof *out);
    /* 3.0 is exact, so an infinity is multiplied by 0 there: NaN, always of the same bits. */
    const uint32_t nan = 0x7fc00000u;
    assert_memory_equal(&gs, &nan, sizeof nan);
    assert_true(gz == -0.5f * (1 - 2 + 4));
    const lq_tensor fewer = lq_vector(in, LQ_F32, 4), gf = lq_vector(up, LQ_F32, 4);
    assert_int_equal(
        lq_fake_quantize_grad(&fewer, &scheme, &ts, &tz, &gf, NULL, &tgs, NULL, 1, NULL), LQ_OK);
    assert_true(gs == 1 * (127 - 3) - 2 * (-128 - 3));
}

/* ---------------------------------------------------------------- refusals */

static void test_refusals(void **state) {
    float in[4] = {1, 2, 3, 4}, up[4] = {1, 1, 1, 1}, s[2] = {0.5f, 0.5f};
    float out[4] = {7, 7, 7, 7}, gs[2] = {7, 7}, gz[2] = {7, 7};
    const float seven[4] = {7, 7, 7, 7};
    lq_report report;
    lq_exec exec;
    (void)state;
    const lq_scheme scheme = lq_affine(LQ_S8, lq_per_channel(0));
    const lq_tensor tx = lq_matrix(in, LQ_F32, 2, 2), tg = lq_matrix(up, LQ_F32, 2, 2);
    const lq_tensor to = lq_matrix(out, LQ_F32, 2, 2), ts = lq_vector(s, LQ_F32, 2);
    const lq_tensor tgs = lq_vector(gs, LQ_F32, 2), tgz = lq_vector(gz, LQ_F32, 2);
    const lq_tensor half = lq_matrix(up, LQ_F16, 2, 2), wide = lq_matrix(up, LQ_F32, 1, 4);
    const lq_tensor half_sum = lq_vector(gs, LQ_F16, 2), one = lq_vector(gs, LQ_F32, 1);
    const lq_tensor over_scale = lq_vector(s, LQ_F32, 2);
    lq_tensor beside = to, shifted = to;
    beside.stride[0] = 1;
    shifted.data = in + 1;
    shifted.size = 12;
    shifted.shape[0] = 1;
    lq_tensor short_x = tx, short_g = tg;
    short_x.shape[0] = short_g.shape[0] = 1;
    const struct {
        const lq_tensor *x, *grad_y, *grad_x, *grad_scale, *grad_zero;
        float factor;
        lq_status status;
        int argument;
    } cases[] = {
        {NULL, &tg, &to, &tgs, &tgz, 1, LQ_ERROR_NULL, 1},
        {&tx, NULL, &to, &tgs, &tgz, 1, LQ_ERROR_NULL, 5},
        {&tx, &half, &to, &tgs, &tgz, 1, LQ_ERROR_TYPE, 5},
        {&tx, &tg, &half, &tgs, &tgz, 1, LQ_ERROR_TYPE, 6},
        {&tx, &tg, &to, &half_sum, &tgz, 1, LQ_ERROR_TYPE, 7},
        {&tx, &tg, &to, &tgs, &half_sum, 1, LQ_ERROR_TYPE, 8},
        {&tx, &wide, &to, &tgs, &tgz, 1, LQ_ERROR_SHAPE, 5},
        {&tx, &tg, &wide, &tgs, &tgz, 1, LQ_ERROR_SHAPE, 6},
        {&tx, &tg, &to, &one, &tgz, 1, LQ_ERROR_GRID, 7},
        {&tx, &tg, &to, &tgs, &one, 1, LQ_ERROR_GRID, 8},
        {&tx, &tg, &beside, &tgs, &tgz, 1, LQ_ERROR_STRIDE, 6},
        {&tx, &tg, &to, &tgs, &tgs, 1, LQ_ERROR_OVERLAP, 8},
        {&tx, &tg, &to, &over_scale, &tgz, 1, LQ_ERROR_OVERLAP, 7},
        {&tx, &tg, &to, &tgs, &tgz, NAN, LQ_ERROR_RANGE, 9},
        {&tx, &tg, &to, &tgs, &tgz, INFINITY, LQ_ERROR_RANGE, 9},
    };
    lq_exec_init(&exec, sizeof exec);
    lq_report_init(&report, sizeof report);
    exec.report = &report;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const lq_status status =
            lq_fake_quantize_grad(cases[i].x, &scheme, &ts, NULL, cases[i].grad_y, cases[i].grad_x,
                                  cases[i].grad_scale, cases[i].grad_zero, cases[i].factor, &exec);
        if (status != cases[i].status || report.argument != cases[i].argument) {
            fail_msg("case %zu: %s, argument %d", i, lq_status_string(status), report.argument);
        }
        assert_memory_equal(out, seven, sizeof out);
        assert_memory_equal(gs, seven, sizeof gs);
        assert_memory_equal(gz, seven, sizeof gz);
    }
    /* grad_x an element into x; and a scale of 0, though the scheme has such scales. */
    const lq_scheme tensor = lq_affine(LQ_S8, lq_per_tensor());
    const lq_tensor single = lq_vector(s, LQ_F32, 1);
    assert_int_equal(lq_fake_quantize_grad(&short_x, &tensor, &single, NULL, &short_g, &shifted,
                                           NULL, NULL, 1, &exec),
                     LQ_ERROR_OVERLAP);
    assert_int_equal(report.argument, 6);
    lq_scheme zeros = scheme;
    zeros.degenerate = LQ_DEGENERATE_ZERO;
    s[1] = 0.0f;
    assert_int_equal(lq_fake_quantize(&tx, &zeros, &ts, NULL, &to, &exec), LQ_OK);
    assert_int_equal(lq_fake_quantize_grad(&tx, &zeros, &ts, NULL, &tg, NULL, &tgs, NULL, 1, &exec),
                     LQ_ERROR_SCALE);
    assert_int_equal(report.index, 1);
}

static void test_pool_that_fails(void **state) {
    lq_exec exec;
    (void)state;
    fill();
    lq_exec_init(&exec, sizeof exec);
    exec.parallel_for = none;
    const lq_scheme scheme = lq_affine(LQ_S8, lq_per_tensor());
    const lq_tensor tx = lq_vector(x, LQ_F32, MOST_ELEMENTS);
    const lq_tensor tg = lq_vector(grad_y, LQ_F32, MOST_ELEMENTS);
    const lq_tensor s = lq_vector(scales, LQ_F32, 1), gs = lq_vector(grad_scale[0], LQ_F32, 1);
    assert_int_equal(lq_fake_quantize_grad(&tx, &scheme, &s, NULL, &tg, NULL, &gs, NULL, 1, &exec),
                     LQ_ERROR_EXEC);
}

/* No elements, and blocks all the same: sums of nothing. */
static void test_empty(void **state) {
    float s[3] = {1, 1, 1}, gs[3] = {7, 7, 7}, gz[3] = {7, 7, 7};
    (void)state;
    const lq_scheme scheme = lq_affine(LQ_S8, lq_per_channel(0));
    const lq_tensor tx = lq_matrix(NULL, LQ_F32, 3, 0), ts = lq_vector(s, LQ_F32, 3);
    const lq_tensor tgs = lq_vector(gs, LQ_F32, 3), tgz = lq_vector(gz, LQ_F32, 3);
    assert_int_equal(
        lq_fake_quantize_grad(&tx, &scheme, &ts, NULL, &tx, NULL, &tgs, &tgz, -1, NULL), LQ_OK);
    const float zeros[3] = {0, 0, 0};
    assert_memory_equal(gs, zeros, sizeof gs);
    assert_memory_equal(gz, zeros, sizeof gz);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_threads_and_levels),
        cmocka_unit_test(test_strides_change_no_sum),
        cmocka_unit_test(test_not_a_number),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_pool_that_fails),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests_name("gradient sums", tests, NULL, NULL);
}
