/*
 * Calibrators where they end: counters at their limit, outputs of every layout, pools that break
 * their promise, averages that rounding has carried away, structs of other sizes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calibrator_states.h"
#include "naive.h"
#include "pools.h"

static void assert_state(const lq_calibrator *c, const struct state *s) {
    struct state_bytes got = calibrator_bytes(c);
    struct state_bytes expected = state_encode(s);
    assert_int_equal(got.size, expected.size);
    assert_memory_equal(got.data, expected.data, got.size);
    free(got.data);
    free(expected.data);
}

static lq_summary summary_of(const lq_calibrator *c, int64_t channel) {
    lq_summary s;
    lq_summary_init(&s, sizeof s);
    assert_int_equal(lq_calibrator_summarize(c, channel, &s), LQ_OK);
    return s;
}

/* ----------------------------------------------------------------- full counters */

enum { VALUES = 8 };
static const float values[VALUES] = {-3.25f, 0, 0, 1.5f, 1.5625f, 6.0625f, INFINITY, NAN};

static const uint64_t most = STATE_MOST_COUNT;

/* Below, at and beyond the limit the state is that of adding with limits, and stays there. */
static void test_saturation(void **state) {
    (void)state;
    lq_calibrator_options o = lq_calibrate_per_tensor();
    o.mantissa_bits = 3;
    o.bin_sums = 1;
    lq_calibrator *c = calibrator_new(&o, NULL);
    lq_calibrator *one = calibrator_new(&o, NULL);
    struct state s, of_one;
    state_init(&s, &o);
    state_init(&of_one, &o);
    const lq_tensor x = lq_vector(values, LQ_F32, VALUES);
    assert_int_equal(lq_calibrator_observe(c, &x, NULL), LQ_OK);
    assert_int_equal(lq_calibrator_observe(one, &x, NULL), LQ_OK);
    for (int i = 0; i < VALUES; ++i) state_add(&s, 0, values[i]), state_add(&of_one, 0, values[i]);
    for (int i = 0; i < 70; ++i) {
        assert_int_equal(lq_calibrator_merge(c, c), LQ_OK);
        state_merge(&s, &s);
        if (i % 3) { /* what is still pending is not lost */
            assert_int_equal(lq_calibrator_observe(c, &x, NULL), LQ_OK);
            state_merge(&s, &of_one);
        }
        assert_state(c, &s);
        int64_t full = 0;
        for (int64_t bin = 0; bin < s.bins; ++bin) full += s.channel[0].count[bin] == most;
        assert_int_equal(summary_of(c, 0).saturated, full);
        if (i < 38) assert_int_equal(full, 0);
        if (i >= 40) assert_int_equal(full, 6);
    }
    for (int i = 0; i < 3; ++i) {
        assert_int_equal(lq_calibrator_observe(c, &x, NULL), LQ_OK);
        assert_int_equal(lq_calibrator_merge(c, one), LQ_OK);
        assert_int_equal(lq_calibrator_merge(one, c), LQ_OK);
        assert_state(c, &s);
        assert_state(one, &s);
    }
    const lq_summary sum = summary_of(c, 0);
    assert_int_equal(sum.count, 4 * (int64_t)most);
    assert_int_equal(sum.nan, most);
    assert_int_equal(sum.positive_infinite, most);
    assert_true(sum.min == -3.25f && sum.max == 6.0625f);
    const double p[] = {0, 0.2, 0.25, 0.26, 0.5, 0.51, 0.75, 0.76, 1};
    const float low[] = {-3.25f, -3.5f, -3.5f, 0, 0, 1.5f, 1.5f, 6, 6.0625f};
    const float high[] = {-3.25f, -3.25f, -3.25f, 0, 0, 1.625f, 1.625f, 6.0625f, 6.0625f};
    float q[9];
    assert_int_equal(lq_calibrator_quantiles(c, 0, p, 9, q), LQ_OK);
    for (int i = 0; i < 9; ++i) assert_true(low[i] <= q[i] && q[i] <= high[i]);
    state_free(&s);
    state_free(&of_one);
    free(c);
    free(one);
}

/* ----------------------------------------------------------------------- outputs */

enum { CHANNELS = 6 };

/* Channel i holds -1 and i, so that an affine zero point differs by channel. */
static lq_calibrator *channels_of(int64_t channels) {
    static float x[4096][2];
    lq_calibrator_options o = lq_calibrate_per_channel(0, channels);
    o.mantissa_bits = 1;
    lq_calibrator *c = calibrator_new(&o, NULL);
    const lq_tensor t = lq_matrix(x, LQ_F32, channels, 2);
    for (int64_t i = 0; i < channels; ++i) x[i][0] = -1, x[i][1] = (float)(i % 64);
    assert_int_equal(lq_calibrator_observe(c, &t, NULL), LQ_OK);
    return c;
}

/* In every type of zero points, by position, with the neighbors in a byte as they were. */
static void test_packed_zero_points(void **state) {
    static const lq_type types[] = {LQ_U2, LQ_S2, LQ_U4, LQ_S4, LQ_U8, LQ_S16, LQ_S32};
    const lq_calibration by = lq_calibration_by(LQ_METHOD_MIN_MAX);
    (void)state;
    for (int64_t channels = 1; channels <= 9; ++channels) {
        lq_calibrator *c = channels_of(channels);
        for (size_t t = 0; t < sizeof types / sizeof *types; ++t) {
            for (int64_t offset = 0; offset < 4; ++offset) {
                for (int64_t step = -3; step <= 3; ++step) {
                    if (step == 0) continue;
                    uint8_t memory[256], expected[256];
                    int32_t wide[9];
                    float scale[9];
                    lq_exec exec;
                    lq_scheme scheme =
                        lq_affine(types[t] == LQ_S32 ? LQ_S8 : types[t], lq_per_tensor());
                    lq_tensor z = lq_vector(memory, types[t], channels);
                    const lq_tensor s = lq_vector(scale, LQ_F32, channels);
                    const lq_tensor w = lq_vector(wide, LQ_S32, channels);
                    lq_exec_init(&exec, sizeof exec);
                    exec.parallel_for = in_reverse;
                    z.size = sizeof memory;
                    z.stride[0] = step;
                    z.offset = offset + (step < 0 ? -step * (channels - 1) : 0);
                    memset(memory, 0xa6, sizeof memory);
                    memset(expected, 0xa6, sizeof expected);
                    assert_int_equal(lq_calibrator_parameters(c, &by, &scheme, &s, &w, NULL),
                                     LQ_OK);
                    assert_int_equal(lq_calibrator_parameters(c, &by, &scheme, &s, &z, &exec),
                                     LQ_OK);
                    lq_tensor e = z;
                    e.data = expected;
                    for (int64_t i = 0; i < channels; ++i) naive_set_code(&e, i, wide[i]);
                    if (naive_is_dense(&e)) naive_clear_tail(&e);
                    assert_memory_equal(memory, expected, sizeof memory);
                }
            }
        }
        free(c);
    }
}

/* As many elements, of whatever rank and strides; and a scalar where there is one channel. */
static void test_output_shapes(void **state) {
    (void)state;
    const lq_calibration by = lq_calibration_by(LQ_METHOD_MIN_MAX);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    lq_calibrator *c = channels_of(CHANNELS), *one = channels_of(1);
    float lo[40], hi[40];
    const int64_t shape[3] = {2, 1, 3}, stride[3] = {-9, 77, 2};
    lq_tensor flat = lq_vector(lo, LQ_F32, CHANNELS);
    lq_tensor strided = lq_strided(hi, sizeof hi, LQ_F32, 3, shape, stride);
    strided.offset = 10;
    for (int i = 0; i < 40; ++i) lo[i] = hi[i] = 77;
    assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &flat, &strided, NULL), LQ_OK);
    for (int i = 0; i < 40; ++i) {
        const int row = i >= 10 ? 0 : 1, at = i - (row ? 1 : 10);
        const bool written = at >= 0 && at <= 4 && at % 2 == 0;
        assert_true(lo[i] == (i < CHANNELS ? -1.0f : 77.0f));
        assert_true(hi[i] == (written ? (float)(row * 3 + at / 2) : 77.0f));
    }
    const lq_tensor scalar_lo = lq_contiguous(lo + 20, LQ_F32, 0, NULL);
    const lq_tensor scalar_hi = lq_contiguous(hi + 20, LQ_BF16, 0, NULL);
    assert_int_equal(lq_calibrator_ranges(one, &by, &scheme, &scalar_lo, &scalar_hi, NULL), LQ_OK);
    assert_true(naive_get_real(&scalar_lo, 0) == -1 && naive_get_real(&scalar_hi, 0) == 0);
    assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &scalar_lo, &strided, NULL),
                     LQ_ERROR_SHAPE);
    free(c);
    free(one);
}

/* Ranges too large for f16 become its largest values, as scales do; zeros are +0. */
static void test_narrow_ranges(void **state) {
    (void)state;
    const float x[] = {-3e38f, 1e6f, -0.0f};
    const lq_scheme scheme = lq_affine(LQ_U8, lq_per_tensor());
    const lq_calibration by = lq_calibration_by(LQ_METHOD_MIN_MAX);
    lq_calibrator_options o = lq_calibrate_per_channel(0, 3);
    lq_calibrator *c = calibrator_new(&o, NULL);
    const lq_tensor t = lq_vector(x, LQ_F32, 3);
    uint16_t ends[2][3];
    const uint16_t expected[2][3] = {{0xfbff, 0x7bff, 0}, {0xfbff, 0x7bff, 0}};
    const lq_tensor lo = lq_vector(ends[0], LQ_F16, 3), hi = lq_vector(ends[1], LQ_F16, 3);
    assert_int_equal(lq_calibrator_observe(c, &t, NULL), LQ_OK);
    assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &lo, &hi, NULL), LQ_OK);
    assert_memory_equal(ends, expected, sizeof ends);
    free(c);
}

/* Where the quantile of magnitudes is 0 there is no negative zero either. */
static void test_zeros(void **state) {
    (void)state;
    float x[64] = {-1, 2};
    const uint32_t expected = 0;
    const lq_scheme scheme = lq_affine(LQ_U8, lq_per_tensor());
    lq_calibration by = lq_calibration_by(LQ_METHOD_PERCENTILE_MAGNITUDE);
    lq_calibrator_options o = lq_calibrate_per_tensor();
    lq_calibrator *c = calibrator_new(&o, NULL);
    const lq_tensor t = lq_vector(x, LQ_F32, 64);
    float ends[2];
    const lq_tensor lo = lq_vector(&ends[0], LQ_F32, 1), hi = lq_vector(&ends[1], LQ_F32, 1);
    by.percentile = 50;
    assert_int_equal(lq_calibrator_observe(c, &t, NULL), LQ_OK);
    assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &lo, &hi, NULL), LQ_OK);
    assert_memory_equal(&ends[0], &expected, 4);
    assert_memory_equal(&ends[1], &expected, 4);
    free(c);
}

/* ------------------------------------------------------------------------- pools */

static lq_parallel_for *const broken[] = {none, one_left_out, one_twice, one_too_many, failing};

/* Whatever the pool does, what is left is a calibrator of which each channel is whole or as before. */
static void test_observing_with_broken_pools(void **state) {
    (void)state;
    enum { ROWS = 8, COLUMNS = 40000 };
    float *x = malloc(sizeof(float) * ROWS * COLUMNS);
    lq_calibrator_options o = lq_calibrate_per_channel(0, ROWS);
    assert_non_null(x);
    for (int i = 0; i < ROWS * COLUMNS; ++i) x[i] = (float)(i % 977) - 400;
    const lq_tensor t = lq_matrix(x, LQ_F32, ROWS, COLUMNS);
    for (size_t k = 0; k < sizeof broken / sizeof *broken; ++k) {
        lq_calibrator *c = calibrator_new(&o, NULL);
        lq_exec exec;
        lq_exec_init(&exec, sizeof exec);
        exec.parallel_for = broken[k];
        assert_int_equal(lq_calibrator_observe(c, &t, &exec), LQ_ERROR_EXEC);
        for (int64_t i = 0; i < ROWS; ++i) {
            const int64_t n = summary_of(c, i).count;
            assert_true(n == 0 || n == COLUMNS);
        }
        exec.parallel_for = in_reverse;
        assert_int_equal(lq_calibrator_observe(c, &t, &exec), LQ_OK);
        for (int64_t i = 0; i < ROWS; ++i) assert_true(summary_of(c, i).count >= COLUMNS);
        free(c);
    }
    free(x);
}

static void test_methods_with_broken_pools(void **state) {
    (void)state;
    enum { MANY = 700 }; /* more than there are tasks */
    const lq_calibration by = lq_calibration_by(LQ_METHOD_MEAN_DEVIATION);
    const lq_scheme scheme = lq_affine(LQ_U8, lq_per_tensor());
    lq_calibrator *c = channels_of(MANY);
    static float expected[2][MANY], ends[2][MANY];
    lq_tensor lo = lq_vector(expected[0], LQ_F32, MANY), hi = lq_vector(expected[1], LQ_F32, MANY);
    assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &lo, &hi, NULL), LQ_OK);
    lo.data = ends[0];
    hi.data = ends[1];
    for (size_t k = 0; k < sizeof broken / sizeof *broken; ++k) {
        lq_exec exec;
        lq_exec_init(&exec, sizeof exec);
        memset(ends, 0x5a, sizeof ends);
        exec.parallel_for = broken[k];
        assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &lo, &hi, &exec), LQ_ERROR_EXEC);
        assert_int_equal(lq_calibrator_parameters(c, &by, &scheme, &lo, &hi, &exec), LQ_ERROR_EXEC);
        exec.parallel_for = in_reverse;
        assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &lo, &hi, &exec), LQ_OK);
        assert_true(tasks_seen > 1 && tasks_seen <= 256);
        assert_memory_equal(ends, expected, sizeof ends);
    }
    free(c);
}

/* --------------------------------------------------------------- moving averages */

/*
 * With c = 1 rounding carries an average beyond all values, and that of the minima past that of
 * the maxima. It goes on from there; the range stays within what was seen.
 */
static void test_averages_that_pass(void **state) {
    static const float batches[][2] = {{-16777216, 1}, {1.00000012f, 1.00000012f}, {-1e-30f, 0.5f}};
    const lq_calibration by = lq_calibration_by(LQ_METHOD_MOVING_AVERAGE);
    const lq_scheme scheme = lq_affine(LQ_U8, lq_per_tensor());
    lq_calibrator_options o = lq_calibrate_per_tensor();
    float ends[2];
    const lq_tensor lo = lq_vector(&ends[0], LQ_F32, 1), hi = lq_vector(&ends[1], LQ_F32, 1);
    (void)state;
    o.statistic = LQ_STATISTIC_MOVING_AVERAGE;
    o.averaging = 1;
    lq_calibrator *c = calibrator_new(&o, NULL);
    struct state s;
    state_init(&s, &o);
    for (int i = 0; i < 3; ++i) {
        const lq_tensor x = lq_vector(batches[i], LQ_F32, 2);
        assert_int_equal(lq_calibrator_observe(c, &x, NULL), LQ_OK);
        state_add_batch(&s, 0, batches[i][0], batches[i][1]);
        assert_state(c, &s);
        assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &lo, &hi, NULL), LQ_OK);
        const lq_summary sum = summary_of(c, 0);
        assert_true(sum.min <= ends[0] && ends[0] <= ends[1] && ends[1] <= sum.max);
        /* That this is a case of it. */
        if (i == 1) assert_true(s.channel[0].moving_lo == 2 && s.channel[0].moving_hi < 1.5f);
    }
    state_free(&s);
    free(c);
}

/* ------------------------------------------------------------- linear histograms */

/* Bins beyond [min, max], as far as they lie there, count as values at the end. */
static void test_bins_beyond_the_ends(void **state) {
    static const lq_method methods[] = {
        LQ_METHOD_MIN_MAX, LQ_METHOD_PERCENTILE, LQ_METHOD_PERCENTILE_MAGNITUDE,
        LQ_METHOD_ENTROPY, LQ_METHOD_MSE,        LQ_METHOD_MEAN_DEVIATION};
    static const double counts[] = {5, 3, 0, 9};
    static const float edges[] = {-2, 0, 1, 2, 4};
    static const float ends[][2] = {{-2, 4}, {0.5f, 1.5f}, {5, 6}, {-9, -8}, {-9, 9}, {3, 3}};
    const lq_scheme schemes[] = {lq_affine(LQ_U8, lq_per_tensor()),
                                 lq_symmetric(LQ_S4, lq_per_tensor())};
    (void)state;
    for (int i = 0; i < 6 * 6 * 2; ++i) {
        lq_calibration by = lq_calibration_by(methods[i % 6]);
        const float *const end = ends[i / 6 % 6];
        float lo, hi;
        lq_histogram h;
        by.percentile = 60;
        lq_histogram_init(&h, sizeof h);
        h.counts = counts;
        h.edges = edges;
        h.bins = 4;
        h.min = end[0];
        h.max = end[1];
        assert_int_equal(lq_histogram_range(&h, &by, &schemes[i / 36], &lo, &hi), LQ_OK);
        assert_true(end[0] <= lo && lo <= hi && hi <= end[1]);
    }
}

/* -------------------------------------------------------------------- initializers */

/* Zeroed as far as their size says, no byte more; too small or absurd ones are refused. */
/* Thresholds of many more steps than the scheme has codes. */
static void test_entropy_of_small_scales(void **state) {
    (void)state;
    static const float extremes[2] = {-2e6f, 2e6f};
    const lq_calibrator_options o = lq_calibrate_per_tensor();
    const lq_calibration entropy = lq_calibration_by(LQ_METHOD_ENTROPY);
    const lq_tensor x = lq_vector(extremes, LQ_F32, 2);
    lq_calibrator *c = calibrator_new(&o, NULL);
    assert_int_equal(lq_calibrator_observe(c, &x, NULL), LQ_OK);
    static const lq_type types[] = {LQ_S2, LQ_S4, LQ_S8, LQ_S16};
    for (int i = 0; i < 4; ++i) {
        lq_scheme scheme = lq_symmetric(types[i], lq_per_tensor());
        uint16_t half = 0;
        const lq_tensor narrow = lq_vector(&half, LQ_F16, 1);
        assert_int_equal(lq_calibrator_parameters(c, &entropy, &scheme, &narrow, NULL, NULL),
                         LQ_OK);
        if (i < 2) assert_int_equal(half, 0x7bff);
        float single = 0;
        const lq_tensor wide = lq_vector(&single, LQ_F32, 1);
        scheme.scale_floor = 1e6f;
        assert_int_equal(lq_calibrator_parameters(c, &entropy, &scheme, &wide, NULL, NULL), LQ_OK);
        assert_true(i == 0 ? single > 1e6f && single <= 2e6f : single == 1.0f);
    }
    free(c);
}

static void test_initializers(void **state) {
    (void)state;
    static const size_t structs[] = {sizeof(lq_calibrator_options), sizeof(lq_summary),
                                     sizeof(lq_calibration), sizeof(lq_histogram)};
    for (size_t i = 0; i < sizeof structs / sizeof *structs; ++i) {
        const size_t known = structs[i];
        const size_t sizes[] = {known, known + 1, known + 40, 4096, 0, 1, known - 1, 4097};
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; ++k) {
            static uint64_t memory[600], expected[600];
            const bool good = k < 4;
            memset(memory, 0x5a, sizeof memory);
            memset(expected, 0x5a, sizeof expected);
            if (good) {
                memset(expected, 0, sizes[k]);
                memcpy(expected, &sizes[k], sizeof(size_t));
            }
            void *m = memory;
            const lq_status status = i == 0   ? lq_calibrator_options_init(m, sizes[k])
                                     : i == 1 ? lq_summary_init(m, sizes[k])
                                     : i == 2 ? lq_calibration_init(m, sizes[k])
                                              : lq_histogram_init(m, sizes[k]);
            assert_int_equal(status, good ? LQ_OK : LQ_ERROR_STRUCT);
            assert_memory_equal(memory, expected, sizeof memory);
        }
    }
    assert_int_equal(lq_calibrator_options_init(NULL, sizeof(lq_calibrator_options)),
                     LQ_ERROR_NULL);
    assert_int_equal(lq_summary_init(NULL, sizeof(lq_summary)), LQ_ERROR_NULL);
    assert_int_equal(lq_calibration_init(NULL, sizeof(lq_calibration)), LQ_ERROR_NULL);
    assert_int_equal(lq_histogram_init(NULL, sizeof(lq_histogram)), LQ_ERROR_NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saturation),
        cmocka_unit_test(test_packed_zero_points),
        cmocka_unit_test(test_output_shapes),
        cmocka_unit_test(test_narrow_ranges),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_observing_with_broken_pools),
        cmocka_unit_test(test_methods_with_broken_pools),
        cmocka_unit_test(test_averages_that_pass),
        cmocka_unit_test(test_bins_beyond_the_ends),
        cmocka_unit_test(test_entropy_of_small_scales),
        cmocka_unit_test(test_initializers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
