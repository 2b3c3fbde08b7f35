/* lq_histogram_range: what it refuses, and histograms that nobody collects. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libquant.h"

enum { BINS = 600 };

static const lq_method linear[] = {
    LQ_METHOD_ONNXRUNTIME_PERCENTILE, LQ_METHOD_ONNXRUNTIME_PERCENTILE_SYMMETRIC,
    LQ_METHOD_ONNXRUNTIME_ENTROPY,    LQ_METHOD_ONNXRUNTIME_DISTRIBUTION,
    LQ_METHOD_MODELOPT_PERCENTILE,    LQ_METHOD_MODELOPT_ENTROPY,
    LQ_METHOD_MODELOPT_MSE,           LQ_METHOD_PYTORCH_HISTOGRAM,
};
enum { LINEAR = sizeof linear / sizeof linear[0] };

/* Magnitudes from 0 to 6, fewer of the large ones. */
struct sample {
    double counts[BINS];
    float edges[BINS + 1];
    lq_histogram h;
    lq_scheme scheme;
};

static void make_sample(struct sample *s) {
    for (int i = 0; i < BINS; ++i) s->counts[i] = 5 * (BINS - i) / BINS;
    for (int i = 0; i <= BINS; ++i) s->edges[i] = (float)i / 100;
    assert_int_equal(lq_histogram_init(&s->h, sizeof s->h), LQ_OK);
    s->h.counts = s->counts;
    s->h.edges = s->edges;
    s->h.bins = BINS;
    s->scheme = lq_symmetric(LQ_S8, lq_per_tensor());
}

/* Outputs are written exactly where the call succeeds. */
static lq_status range_of(const struct sample *s, const lq_calibration *by, float *lo, float *hi) {
    *lo = *hi = -77;
    const lq_status status = lq_histogram_range(&s->h, by, &s->scheme, lo, hi);
    if (status) {
        assert_true(*lo == -77 && *hi == -77);
    } else {
        assert_true(*lo <= *hi && fabsf(*lo) <= FLT_MAX && fabsf(*hi) <= FLT_MAX);
    }
    return status;
}

static lq_status status_of(const struct sample *s, const lq_calibration *by) {
    float lo, hi;
    return range_of(s, by, &lo, &hi);
}

static void expect(const struct sample *s, lq_method method, lq_status expected) {
    const lq_calibration by = lq_calibration_by(method);
    const lq_status status = status_of(s, &by);
    if (status != expected) fail_msg("%s: %s", lq_method_name(method), lq_status_string(status));
}

static void expect_all(const struct sample *s, lq_status expected) {
    for (int i = 0; i < LINEAR; ++i) expect(s, linear[i], expected);
}

/* ---------------------------------------------------------------- refusals */

static void test_null(void **state) {
    struct sample s;
    float lo = 5, hi = 5;
    const lq_calibration by = lq_calibration_by(LQ_METHOD_MODELOPT_MSE);
    (void)state;
    make_sample(&s);
    assert_int_equal(lq_histogram_range(NULL, &by, &s.scheme, &lo, &hi), LQ_ERROR_NULL);
    assert_int_equal(lq_histogram_range(&s.h, NULL, &s.scheme, &lo, &hi), LQ_ERROR_NULL);
    assert_int_equal(lq_histogram_range(&s.h, &by, NULL, &lo, &hi), LQ_ERROR_NULL);
    assert_int_equal(lq_histogram_range(&s.h, &by, &s.scheme, NULL, &hi), LQ_ERROR_NULL);
    assert_int_equal(lq_histogram_range(&s.h, &by, &s.scheme, &lo, NULL), LQ_ERROR_NULL);
    assert_true(lo == 5 && hi == 5);
    s.h.counts = NULL;
    expect_all(&s, LQ_ERROR_NULL);
    make_sample(&s);
    s.h.edges = NULL;
    expect_all(&s, LQ_ERROR_NULL);
}

static void test_structs(void **state) {
    struct sample s;
    lq_calibration by = lq_calibration_by(LQ_METHOD_MODELOPT_MSE);
    (void)state;
    make_sample(&s);
    by.struct_size = 4;
    assert_int_equal(status_of(&s, &by), LQ_ERROR_STRUCT);
    s.h.struct_size = 8;
    expect_all(&s, LQ_ERROR_STRUCT);
    make_sample(&s);
    s.scheme.struct_size = 3;
    expect_all(&s, LQ_ERROR_STRUCT);
}

static void test_methods(void **state) {
    struct sample s;
    (void)state;
    make_sample(&s);
    expect_all(&s, LQ_OK);
    expect(&s, LQ_METHOD_MOVING_AVERAGE, LQ_ERROR_METHOD);
    expect(&s, 99, LQ_ERROR_ENUM);
    expect(&s, -1, LQ_ERROR_ENUM);
    s.scheme.mapping = 9;
    expect_all(&s, LQ_ERROR_ENUM);
    make_sample(&s);
    s.scheme.code_type = LQ_F32;
    expect_all(&s, LQ_ERROR_TYPE);
}

/* These are defined on linear histograms only. */
static void test_calibrators_refuse(void **state) {
    static uint64_t memory[1 << 17];
    lq_calibrator *calibrator = (lq_calibrator *)(void *)memory;
    const lq_calibrator_options options = lq_calibrate_per_tensor();
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    const float x[] = {1, 2, 3};
    float scale = 7;
    const lq_tensor batch = lq_vector(x, LQ_F32, 3), s = lq_vector(&scale, LQ_F32, 1);
    (void)state;
    assert_int_equal(lq_calibrator_init(calibrator, sizeof memory, &options), LQ_OK);
    assert_int_equal(lq_calibrator_observe(calibrator, &batch, NULL), LQ_OK);
    for (int i = 0; i < LINEAR; ++i) {
        const lq_calibration by = lq_calibration_by(linear[i]);
        assert_int_equal(lq_calibrator_parameters(calibrator, &by, &scheme, &s, NULL, NULL),
                         LQ_ERROR_METHOD);
    }
    assert_true(scale == 7);
}

static void test_parameters(void **state) {
    static const double percentiles[] = {-1, 100.5, -0.001, NAN, INFINITY};
    struct sample s;
    lq_calibration by = lq_calibration_by(LQ_METHOD_ONNXRUNTIME_PERCENTILE);
    (void)state;
    make_sample(&s);
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; ++i) {
        by.percentile = percentiles[i];
        assert_int_equal(status_of(&s, &by), LQ_ERROR_RANGE);
    }
    by = lq_calibration_by(LQ_METHOD_ONNXRUNTIME_DISTRIBUTION);
    by.deviations = -3;
    assert_int_equal(status_of(&s, &by), LQ_ERROR_RANGE);
    by.deviations = DBL_MAX;
    assert_int_equal(status_of(&s, &by), LQ_ERROR_RANGE);
    by = lq_calibration_by(LQ_METHOD_ONNXRUNTIME_ENTROPY);
    by.quantized_bins = -1;
    assert_int_equal(status_of(&s, &by), LQ_ERROR_RANGE);
    by = lq_calibration_by(LQ_METHOD_MODELOPT_ENTROPY);
    by.stride = -1;
    assert_int_equal(status_of(&s, &by), LQ_ERROR_RANGE);
    by.stride = 1;
    by.start_bin = -1;
    assert_int_equal(status_of(&s, &by), LQ_ERROR_RANGE);
}

static void test_values(void **state) {
    static const double counts[] = {-1, NAN, INFINITY, 0x1.0000000000001p63};
    static const float edges[] = {NAN, INFINITY, -INFINITY, 10};
    struct sample s;
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i) {
        make_sample(&s);
        s.counts[i == 0 ? BINS - 1 : 0] = counts[i];
        expect_all(&s, LQ_ERROR_RANGE);
    }
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; ++i) {
        make_sample(&s);
        s.edges[i == 0 ? BINS : 0] = edges[i];
        expect_all(&s, LQ_ERROR_RANGE);
    }
    make_sample(&s);
    s.h.min = 2;
    s.h.max = 1;
    expect_all(&s, LQ_ERROR_RANGE);
    s.h.max = INFINITY;
    expect_all(&s, LQ_ERROR_RANGE);
    make_sample(&s);
    memset(s.counts, 0, sizeof s.counts);
    expect_all(&s, LQ_ERROR_EMPTY);
}

static void test_bins(void **state) {
    static const int64_t bins[] = {0, -1, INT64_MIN, (1 << 24) + 1, INT64_MAX};
    struct sample s;
    (void)state;
    make_sample(&s);
    for (size_t i = 0; i < sizeof bins / sizeof bins[0]; ++i) {
        s.h.bins = bins[i];
        expect_all(&s, LQ_ERROR_RANGE);
    }
}

/* The fewest bins that a method takes. */
static void test_too_few_bins(void **state) {
    static const struct {
        lq_method method;
        int64_t least;
    } rows[] = {
        {LQ_METHOD_ONNXRUNTIME_PERCENTILE, 1}, {LQ_METHOD_ONNXRUNTIME_PERCENTILE_SYMMETRIC, 1},
        {LQ_METHOD_ONNXRUNTIME_ENTROPY, 128},  {LQ_METHOD_ONNXRUNTIME_DISTRIBUTION, 512},
        {LQ_METHOD_MODELOPT_PERCENTILE, 1},    {LQ_METHOD_MODELOPT_ENTROPY, 128},
        {LQ_METHOD_MODELOPT_MSE, 129},         {LQ_METHOD_PYTORCH_HISTOGRAM, 1},
    };
    struct sample s;
    lq_calibration by = lq_calibration_by(LQ_METHOD_MODELOPT_ENTROPY);
    (void)state;
    make_sample(&s);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        s.h.bins = rows[i].least;
        expect(&s, rows[i].method, LQ_OK);
        s.h.bins = rows[i].least - 1;
        if (s.h.bins > 0) expect(&s, rows[i].method, LQ_ERROR_SHAPE);
    }
    s.h.bins = 1; /* the first bin counts for what the second has */
    by.start_bin = 1;
    assert_int_equal(status_of(&s, &by), LQ_ERROR_SHAPE);
    by.start_bin = by.stride = INT32_MAX;
    assert_int_equal(status_of(&s, &by), LQ_ERROR_SHAPE);
}

/* Those of magnitudes. */
static void test_negative_edges(void **state) {
    struct sample s;
    (void)state;
    make_sample(&s);
    for (int i = 0; i <= BINS; ++i) s.edges[i] -= 3;
    expect(&s, LQ_METHOD_ONNXRUNTIME_PERCENTILE, LQ_OK);
    expect(&s, LQ_METHOD_ONNXRUNTIME_ENTROPY, LQ_OK);
    expect(&s, LQ_METHOD_PYTORCH_HISTOGRAM, LQ_OK);
    expect(&s, LQ_METHOD_ONNXRUNTIME_PERCENTILE_SYMMETRIC, LQ_ERROR_RANGE);
    expect(&s, LQ_METHOD_MODELOPT_PERCENTILE, LQ_ERROR_RANGE);
    expect(&s, LQ_METHOD_MODELOPT_ENTROPY, LQ_ERROR_RANGE);
    expect(&s, LQ_METHOD_MODELOPT_MSE, LQ_ERROR_RANGE);
}

/* Model Optimizer's levels are those of positive codes. */
static void test_codes(void **state) {
    struct sample s;
    float lo, hi;
    const lq_calibration by = lq_calibration_by(LQ_METHOD_MODELOPT_PERCENTILE);
    (void)state;
    make_sample(&s);
    assert_int_equal(range_of(&s, &by, &lo, &hi), LQ_OK);
    assert_true(lo == -hi && hi > 4);
    s.scheme = lq_affine(LQ_U8, lq_per_tensor());
    assert_int_equal(range_of(&s, &by, &lo, &hi), LQ_OK);
    assert_true(lo == 0 && hi > 4);
    s.scheme = lq_symmetric(LQ_U8, lq_per_tensor());
    assert_int_equal(range_of(&s, &by, &lo, &hi), LQ_OK);
    assert_true(lo == -hi);
    s.scheme = lq_affine(LQ_S8, lq_per_tensor());
    s.scheme.qmin = -20;
    s.scheme.qmax = 0;
    expect(&s, LQ_METHOD_MODELOPT_PERCENTILE, LQ_ERROR_RANGE);
    expect(&s, LQ_METHOD_MODELOPT_ENTROPY, LQ_ERROR_RANGE);
    expect(&s, LQ_METHOD_MODELOPT_MSE, LQ_ERROR_RANGE);
    expect(&s, LQ_METHOD_PYTORCH_HISTOGRAM, LQ_OK);
}

/* ---------------------------------------------------------- odd histograms */

/* All methods, defaults and small parameters; a range or a refusal, nothing else. */
static void run_all(struct sample *s) {
    static const int32_t small[] = {0, 1, 3, 600, INT32_MAX};
    for (int i = 0; i < LINEAR; ++i) {
        for (size_t k = 0; k < sizeof small / sizeof small[0]; ++k) {
            lq_calibration by = lq_calibration_by(linear[i]);
            by.quantized_bins = by.start_bin = small[k];
            by.stride = linear[i] == LQ_METHOD_MODELOPT_MSE && small[k] ? small[k] : 97;
            const lq_status status = status_of(s, &by);
            if (status != LQ_OK && status != LQ_ERROR_RANGE && status != LQ_ERROR_SHAPE)
                fail_msg("%s: %s", lq_method_name(linear[i]), lq_status_string(status));
        }
    }
}

static void test_mass_in_one_bin(void **state) {
    static const int bins[] = {0, 1, 2, 127, 128, 299, 300, 301, BINS - 2, BINS - 1};
    struct sample s;
    (void)state;
    for (size_t i = 0; i < sizeof bins / sizeof bins[0]; ++i) {
        make_sample(&s);
        memset(s.counts, 0, sizeof s.counts);
        s.counts[bins[i]] = 1;
        expect_all(&s, LQ_OK);
        run_all(&s);
        s.counts[bins[i]] = 0x1p63;
        run_all(&s);
    }
}

static void test_widths(void **state) {
    static const float widths[] = {0, 1e-45f, 1e-38f, FLT_MAX / BINS};
    struct sample s;
    (void)state;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; ++i) {
        make_sample(&s);
        for (int k = 0; k <= BINS; ++k) s.edges[k] = (float)k * widths[i];
        run_all(&s);
        for (int k = 0; k <= BINS; ++k) s.edges[k] -= (float)(BINS / 2) * widths[i];
        run_all(&s);
    }
    make_sample(&s);
    for (int k = 0; k <= BINS; ++k) s.edges[k] = k < BINS / 2 ? -FLT_MAX : FLT_MAX;
    expect(&s, LQ_METHOD_ONNXRUNTIME_DISTRIBUTION, LQ_ERROR_RANGE);
    expect(&s, LQ_METHOD_PYTORCH_HISTOGRAM, LQ_ERROR_RANGE);
    run_all(&s);
}

static void test_counts(void **state) {
    static const double counts[] = {0x1p63, 0x1p53, 5e-324, 1e-300, 1e-4, 0.5};
    struct sample s;
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; ++i) {
        make_sample(&s);
        for (int k = 0; k < BINS; ++k) s.counts[k] = k % 3 ? counts[i] : (double)(k % 2);
        run_all(&s);
        for (int k = 0; k < BINS; ++k) s.counts[k] = k % 3 ? counts[i] : 0;
        run_all(&s);
    }
}

static void test_small(void **state) {
    struct sample s;
    (void)state;
    make_sample(&s);
    for (s.h.bins = 1; s.h.bins < 20; ++s.h.bins) run_all(&s);
}

/* Ends that the histogram does not have. */
static void test_ends(void **state) {
    static const float ends[][2] = {{-FLT_MAX, FLT_MAX}, {100, 200}, {-9, -8}, {-1, 0}, {0, 1}};
    struct sample s;
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; ++i) {
        make_sample(&s);
        s.h.min = ends[i][0];
        s.h.max = ends[i][1];
        run_all(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_structs),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_calibrators_refuse),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_bins),
        cmocka_unit_test(test_too_few_bins),
        cmocka_unit_test(test_negative_edges),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_mass_in_one_bin),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests_name("histograms", tests, NULL, NULL);
}
