/* Kernels over plain arrays: the same bytes on every level, for every length. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "kernel_cases.h"
#include "layouts/bytes.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

static void test_error_sums(void **state) {
    (void)state;
    static float x[LQ_PIECE], y[LQ_PIECE];
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (!lq_kernels_of(level)) continue;
        for (int n = 0; n <= LQ_PIECE; ++n) {
            situation s = {.inputs = n % INPUT_KINDS, .scale = {0.1f}};
            lq_error_sums a, b;
            for (int i = 0; i < n; ++i) {
                x[i] = input_value(&s, i);
                y[i] = x[i] + 0.125f * (float)random_below(5);
            }
            memset(&a, 0, sizeof a);
            memset(&b, 0, sizeof b);
            lq_kernels_of(LQ_CPU_SCALAR)->error_sums(x, y, n, &a);
            lq_kernels_of(level)->error_sums(x, y, n, &b);
            assert_memory_equal(&a, &b, sizeof a);
        }
    }
}

/* Every one counts, wherever it is. */
static void test_are_scales(void **state) {
    enum { MOST = 70 };
    static const uint32_t values[] = {0,          1,          0x007fffff, 0x7f7fffff,
                                      0x7f800000, 0x7fc00000, 0x80000001, 0xbf800000,
                                      0xff7fffff, 0xff800000, 0xffc00000};
    float scale[MOST];
    (void)state;
    for (int i = 0; i < MOST; ++i) scale[i] = 0.5f + (float)i;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        const lq_kernels *k = lq_kernels_of(level);
        for (int n = 0; k && n < MOST; ++n) {
            const float kept = scale[n];
            const float v = lq_from_bits(values[n % 11]), size = fabsf(v);
            scale[n] = v;
            assert_true(k->are_scales(scale, n, 1.0f, false, false));
            assert_int_equal(k->are_scales(scale, n + 1, 1.0f, false, false),
                             v > 0 && v <= FLT_MAX);
            assert_int_equal(k->are_scales(scale, MOST, 1.0f, true, false),
                             size > 0 && size <= FLT_MAX);
            assert_int_equal(k->are_scales(scale, MOST, 1.0f, false, true), v >= 0 && v <= FLT_MAX);
            scale[n] = kept;
        }
        if (k) assert_false(k->are_scales(scale, MOST, 0x1p-149f, false, false));
    }
}

/* Records of all kinds, the codes of the last at the end of an allocation. */
static void compare_halves(const lq_kernels *level, int64_t rows, int kind, lq_real real) {
    static const lq_element_rule rules[] = {
        {.multiply = true}, {.minimum = true}, {.minimum = true, .divide_back = true}};
    enum { MOST = 9, BYTES = 24 };
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2, bytes = kind % 2 ? BYTES : 18;
    unsigned char x[2][(MOST + 1) * (int)LQ_HALVES * 4];
    float scale[MOST], offset[MOST];
    int32_t zero[MOST];
    unsigned char *records = malloc((size_t)(MOST * BYTES));
    assert_non_null(records);
    unsigned char *const first = records + MOST * BYTES - rows * bytes;
    for (int i = 0; i < MOST * BYTES; ++i) records[i] = (unsigned char)random_below(256);
    for (int i = 0; i < MOST; ++i) {
        scale[i] = (float)random_below(2000) / 1000.0f - 1.0f;
        offset[i] = (float)random_below(2000) / 100.0f - 10.0f;
        zero[i] = (int32_t)random_below(16);
    }
    for (int t = 0; t < 2; ++t) {
        const lq_kernels *k = t ? level : lq_kernels_of(LQ_CPU_SCALAR);
        lq_map_work w = {.x = x[t],
                         .codes = first + bytes - LQ_HALF,
                         .count = LQ_HALVES,
                         .rows = rows,
                         .x_step = LQ_HALVES * size,
                         .codes_step = bytes,
                         .scale = scale,
                         .zero = zero,
                         .param_step = 1,
                         .sign = 128,
                         .offset = offset,
                         .rule = kind / 4 ? &rules[kind / 4 - 1] : NULL,
                         .middle = kind / 2 % 2 ? (kind % 2 ? 16 : 8) : 0,
                         .fifths = kind % 2};
        memset(x[t], 0x5a, sizeof x[t]);
        if (kind == 16) {
            w.rule = &rules[0];
            w.format = lq_type_find(LQ_E2M1)->format;
            w.fifths = false;
            w.middle = 0;
        }
        k->dequantize_halves[real](&w);
    }
    free(records);
    assert_memory_equal(x[0], x[1], sizeof x[0]);
}

static void test_halves(void **state) {
    (void)state;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        const lq_kernels *k = lq_kernels_of(level);
        for (int i = 0; k && i < 17 * LQ_REALS * 10; ++i) {
            compare_halves(k, i % 10, i / 10 % 17, (lq_real)(i / 170));
        }
    }
}

/* A compiler that fuses the product and the sum would turn this exact cancellation into noise. */
static void test_no_contraction(void **state) {
    (void)state;
    volatile float a = 0x1.000002p0f, b = 0x1.000002p0f, c = -0x1.000004p0f;
    const float x = a, y = b, z = c;
    const float sum = x * y + z;
    assert_true(sum == 0.0f);
    float xs[8] = {x}, ys[8] = {0.1f};
    lq_error_sums sums;
    lq_kernels_active()->error_sums(xs, ys, 1, &sums);
    volatile double e = (double)x - (double)ys[0];
    volatile double square = e * e;
    assert_true(sums.sum[LQ_SUM_EE] == square);
}

static double any_double(double most) {
    return ((double)random_bits() / 0x1p63 - 1) * most;
}

/* Points and spans of a histogram, in numbers that are multiples of 8, and some candidates. */
static void test_expected_errors(void **state) {
    (void)state;
    enum { BINS = 64, CANDIDATES = 7 };
    double point[BINS], weight[BINS], low[BINS], high[BINS], scale[CANDIDATES], center[CANDIDATES];
    for (int round = 0; round < 2000; ++round) {
        double expected[CANDIDATES] = {0};
        const double most = round % 5 ? 200 : 1e30;
        for (int i = 0; i < BINS; ++i) {
            point[i] = any_double(most);
            low[i] = any_double(most);
            high[i] = low[i] + (round % 3 ? 1 : 1e-6) * (any_double(1) + 1.5);
            weight[i] = random_below(4) ? (double)random_below(1000) : 0;
        }
        for (int k = 0; k < CANDIDATES; ++k) {
            scale[k] = (round % 2 ? 1 : -1) * (0.1 + (double)random_below(100));
            center[k] = round % 4 ? (double)random_below(16) - 8 : any_double(8);
        }
        for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
            double error[CANDIDATES] = {0};
            const lq_expectation e = {.point = point,
                                      .point_weight = weight,
                                      .points = round % (BINS / 8 + 1) * 8,
                                      .low = low,
                                      .high = high,
                                      .span_weight = weight,
                                      .spans = (round / 3) % (BINS / 8 + 1) * 8,
                                      .scale = scale,
                                      .center = center,
                                      .error = error,
                                      .candidates = round % (CANDIDATES + 1),
                                      .code_min = -8,
                                      .code_max = 7};
            if (!lq_kernels_of(level)) continue;
            lq_kernels_of(level)->expected_errors(&e);
            if (level == LQ_CPU_SCALAR) memcpy(expected, error, sizeof error);
            assert_memory_equal(expected, error, sizeof error);
        }
    }
}

/* What the formulas are in plain words: the mean square of what rounding leaves, by many samples. */
static void test_expectation_of_samples(void **state) {
    (void)state;
    enum { SAMPLES = 20000 };
    for (int round = 0; round < 200; ++round) {
        const double scale = 0.5 + (double)random_below(20), center = (double)random_below(8);
        const double from = any_double(100), width = any_double(20) + 21, to = from + width;
        double low[8] = {from}, high[8] = {to, 1, 1, 1, 1, 1, 1, 1}, weight[8] = {3}, error = 0;
        const lq_expectation e = {.low = low,
                                  .high = high,
                                  .span_weight = weight,
                                  .spans = 8,
                                  .scale = &scale,
                                  .center = &center,
                                  .error = &error,
                                  .candidates = 1,
                                  .code_min = 0,
                                  .code_max = 15};
        double sum = 0;
        lq_kernels_active()->expected_errors(&e);
        for (int i = 0; i < SAMPLES; ++i) {
            const double x = from + width * (i + 0.5) / SAMPLES;
            double q = floor(x / scale + center + 0.5);
            q = q < 0 ? 0 : q > 15 ? 15 : q;
            sum += (x - (q - center) * scale) * (x - (q - center) * scale) / SAMPLES;
        }
        assert_true(fabs(error - 3 * sum) <= 1e-3 * (3 * sum));
    }
}

int main(void) {
    random_seed(seed_from_environment());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_sums),      cmocka_unit_test(test_are_scales),
        cmocka_unit_test(test_halves),          cmocka_unit_test(test_no_contraction),
        cmocka_unit_test(test_expected_errors), cmocka_unit_test(test_expectation_of_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
