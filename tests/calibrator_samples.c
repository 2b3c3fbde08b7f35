#include "calibrator_samples.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VALUES = 40 };

static uint32_t noise;

static uint32_t next_noise(void) {
    noise = noise * 1664525u + 1013904223u;
    return noise >> 8;
}

/* Of any exponent, with many and with few bits in the mantissa. */
static float any_value(void) {
    const uint32_t dropped = next_noise() % 24;
    const uint32_t exponent = next_noise() % 255u;
    const uint32_t sign = next_noise() % 2;
    const uint32_t mantissa = (next_noise() & 0x7fffffu) >> dropped << dropped;
    const uint32_t bits = sign << 31 | exponent << 23 | mantissa;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static float value_of(int content, int i) {
    static const float extremes[] = {3.402823466e38f, -3.402823466e38f, 1.401298464e-45f,
                                     -1.401298464e-45f, 1.17549435e-38f};
    static const float few[] = {1.0f, -2.5f, 0.1f, 0.0f};
    switch (content) {
    case NANS: return i % 2 ? NAN : -NAN;
    case INFINITIES: return i % 3 ? INFINITY : -INFINITY;
    case ZEROS: return i % 2 ? 0.0f : -0.0f;
    case FEW:
    case SATURATED: return few[i % 4];
    case EXTREMES: return i % 7 == 6 ? NAN : extremes[i % 5];
    default: return any_value();
    }
}

static void observe(sample *s, int content) {
    float x[SAMPLE_CHANNELS][VALUES];
    const lq_tensor t = lq_matrix(x, LQ_F32, SAMPLE_CHANNELS, VALUES);
    const bool moving = s->options.statistic == LQ_STATISTIC_MOVING_AVERAGE;
    for (int c = 0; c < SAMPLE_CHANNELS; ++c) {
        const int64_t channel = s->options.channels ? c : 0;
        float lo = INFINITY, hi = -INFINITY;
        for (int i = 0; i < VALUES; ++i) {
            const float v = x[c][i] = value_of(content, i);
            if (isfinite(v) && v < lo) lo = v;
            if (isfinite(v) && v > hi) hi = v;
            if (!moving) state_add(&s->state, channel, v);
        }
        if (moving && s->options.channels) state_add_batch(&s->state, channel, lo, hi);
    }
    if (moving && !s->options.channels) {
        float lo = INFINITY, hi = -INFINITY;
        for (int i = 0; i < SAMPLE_CHANNELS * VALUES; ++i) {
            const float v = x[i / VALUES][i % VALUES];
            if (isfinite(v) && v < lo) lo = v;
            if (isfinite(v) && v > hi) hi = v;
        }
        state_add_batch(&s->state, 0, lo, hi);
    }
    assert_int_equal(lq_calibrator_observe(s->calibrator, &t, NULL), LQ_OK);
}

sample new_sample(lq_statistic statistic, int k, bool sums, bool per_channel, int content) {
    sample s = {.options = lq_calibrate_per_tensor()};
    s.options.statistic = statistic;
    s.options.mantissa_bits = k;
    s.options.bin_sums = sums;
    if (per_channel) {
        s.options.axis = -2;
        s.options.channels = SAMPLE_CHANNELS;
    }
    if (statistic == LQ_STATISTIC_MOVING_AVERAGE) s.options.averaging = 0.25f;
    state_init(&s.state, &s.options);
    s.calibrator = calibrator_new(&s.options, &s.size);
    noise = (uint32_t)(1 + content);
    for (int batch = 0; batch < 2 && content != NOTHING; ++batch) observe(&s, content);
    for (int i = 0; i < 45 && content == SATURATED && s.state.bins; ++i) {
        state_merge(&s.state, &s.state);
        assert_int_equal(lq_calibrator_merge(s.calibrator, s.calibrator), LQ_OK);
    }
    s.bytes = calibrator_bytes(s.calibrator);
    return s;
}

void free_sample(sample *s) {
    state_free(&s->state);
    free(s->calibrator);
    free(s->bytes.data);
}

void assert_bytes(const lq_calibrator *c, const unsigned char *bytes, size_t size) {
    struct state_bytes got = calibrator_bytes(c);
    assert_int_equal(got.size, size);
    assert_memory_equal(got.data, bytes, size);
    free(got.data);
}

const sample_kind small_samples[SMALL_SAMPLES] = {
    {LQ_STATISTIC_HISTOGRAM, 1, false, false, FEW},
    {LQ_STATISTIC_HISTOGRAM, 1, true, true, FEW},
    {LQ_STATISTIC_HISTOGRAM, 2, true, false, MANY},
    {LQ_STATISTIC_HISTOGRAM, 1, true, true, EXTREMES},
    {LQ_STATISTIC_HISTOGRAM, 3, false, true, NANS},
    {LQ_STATISTIC_HISTOGRAM, 1, true, false, SATURATED},
    {LQ_STATISTIC_HISTOGRAM, 4, false, true, NOTHING},
    {LQ_STATISTIC_HISTOGRAM, 1, false, true, ZEROS},
    {LQ_STATISTIC_RANGE, 0, false, true, MANY},
    {LQ_STATISTIC_RANGE, 0, false, false, NOTHING},
    {LQ_STATISTIC_MOVING_AVERAGE, 0, false, true, MANY},
    {LQ_STATISTIC_MOVING_AVERAGE, 0, false, false, INFINITIES},
};

sample small_sample(int i) {
    return new_sample(small_samples[i].statistic, small_samples[i].k, small_samples[i].sums,
                      small_samples[i].per_channel, small_samples[i].content);
}

/* ------------------------------------------------- what an accepted one must do */

static void ask_quantiles(const lq_calibrator *c, int64_t channel, const lq_summary *s) {
    const double p[] = {0, 1e-300, 0.25, 0.5, 0.9999, 1};
    enum { N = sizeof p / sizeof *p };
    float q[N];
    const lq_status expected = s->count ? LQ_OK : LQ_ERROR_EMPTY;
    assert_int_equal(lq_calibrator_quantiles(c, channel, p, N, q), expected);
    for (int i = 0; i < N && s->count; ++i) {
        assert_true(s->min <= q[i] && q[i] <= s->max);
        if (i > 0) assert_true(q[i - 1] <= q[i]);
    }
}

static void ask_bins(const lq_calibrator *c, int64_t channel, const lq_summary *s) {
    lq_bin bins[9];
    int64_t cursor = 0, n = 1, count = 0;
    while (n > 0) {
        assert_int_equal(lq_calibrator_bins(c, channel, &cursor, bins, 9, &n), LQ_OK);
        for (int64_t i = 0; i < n; ++i) {
            assert_true(s->min <= bins[i].low && bins[i].low <= bins[i].high);
            assert_true(bins[i].high <= s->max && bins[i].count > 0);
            count += bins[i].count;
        }
    }
    assert_int_equal(count, s->count);
}

static void ask_method(const lq_calibrator *c, lq_method method, int64_t channels, bool empty,
                       const lq_summary *s) {
    const lq_calibration by = lq_calibration_by(method);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    float *ends = malloc((size_t)channels * 2 * sizeof *ends);
    const lq_tensor lo = lq_vector(ends, LQ_F32, channels);
    const lq_tensor hi = lq_vector(ends + channels, LQ_F32, channels);
    const lq_status status = lq_calibrator_ranges(c, &by, &scheme, &lo, &hi, NULL);
    assert_int_equal(status, empty ? LQ_ERROR_EMPTY : LQ_OK);
    for (int64_t i = 0; i < channels && !empty; ++i) {
        assert_true(s[i].min <= ends[i] && ends[i] <= ends[channels + i]);
        assert_true(ends[channels + i] <= s[i].max);
    }
    free(ends);
}

/* Every question has a sound answer. The two methods that search take long. */
void ask_everything(const lq_calibrator *c, bool search) {
    static const lq_method all[] = {
        LQ_METHOD_MIN_MAX,        LQ_METHOD_PERCENTILE, LQ_METHOD_PERCENTILE_MAGNITUDE,
        LQ_METHOD_MEAN_DEVIATION, LQ_METHOD_ENTROPY,    LQ_METHOD_MSE};
    lq_calibrator_options o = lq_calibrate_per_tensor();
    assert_int_equal(lq_calibrator_get_options(c, &o), LQ_OK);
    const int64_t channels = o.channels ? o.channels : 1;
    lq_summary *s = malloc((size_t)channels * sizeof *s);
    bool empty = false;
    for (int64_t i = 0; i < channels; ++i) {
        lq_summary_init(&s[i], sizeof s[i]);
        assert_int_equal(lq_calibrator_summarize(c, i, &s[i]), LQ_OK);
        empty = empty || isnan(s[i].min);
        if (o.statistic != LQ_STATISTIC_HISTOGRAM) continue;
        assert_int_equal(isnan(s[i].min), s[i].count == 0);
        if (s[i].count) assert_true(isfinite(s[i].mean) && s[i].variance >= 0);
        ask_quantiles(c, i, &s[i]);
        ask_bins(c, i, &s[i]);
    }
    if (o.statistic == LQ_STATISTIC_MOVING_AVERAGE) {
        ask_method(c, LQ_METHOD_MOVING_AVERAGE, channels, empty, s);
    }
    const int most = o.statistic != LQ_STATISTIC_HISTOGRAM ? 1 : search ? 6 : 4;
    for (int m = 0; m < most; ++m) ask_method(c, all[m], channels, empty, s);
    free(s);
}

/* ------------------------------------------------------------------- offering */

bench new_bench(size_t bytes, size_t target) {
    bench b = {.room = guarded_new(bytes), .size = target};
    b.target = malloc(target);
    b.before = malloc(target);
    assert_true(b.target && b.before);
    memset(b.target, 0x5a, target);
    memset(b.before, 0x5a, target);
    return b;
}

void free_bench(bench *b) {
    guarded_free(&b->room);
    free(b->target);
    free(b->before);
}

void assert_bad(lq_status status) {
    assert_true(status == LQ_ERROR_DATA || status == LQ_ERROR_VERSION ||
                status == LQ_ERROR_OVERFLOW);
}

/* A target of the right size for what the header says, if that is not too much. */
static bool make_target(bench *b, const unsigned char *bytes, size_t size) {
    lq_calibrator_options o = lq_calibrate_per_tensor();
    const lq_calibrator_options fresh = o;
    size_t needed;
    const lq_status status = lq_serialized_options(bytes, size, &o);
    if (status) {
        assert_bad(status);
        assert_memory_equal(&o, &fresh, sizeof o);
        return true;
    }
    assert_int_equal(lq_calibrator_size(&o, &needed), LQ_OK);
    if (needed == b->size) return true;
    if (needed > (size_t)1 << 24) return false;
    free(b->target);
    free(b->before);
    b->target = malloc(needed);
    b->before = malloc(needed);
    b->size = needed;
    memset(b->target, 0x5a, needed);
    memset(b->before, 0x5a, needed);
    return true;
}

/* Refused and nothing written, or taken for what it is. */
lq_status offer(bench *b, const unsigned char *bytes, size_t size, bool search) {
    unsigned char *at = b->room.end - size;
    if (bytes != at) memmove(at, bytes, size);
    if (!make_target(b, at, size)) return LQ_ERROR_SIZE;
    lq_calibrator *c = (lq_calibrator *)(void *)b->target;
    const lq_status status = lq_calibrator_deserialize(c, b->size, at, size);
    if (status) {
        assert_bad(status);
        assert_memory_equal(b->target, b->before, b->size);
        ++b->refused;
        return status;
    }
    struct state read;
    assert_true(state_decode(at, size, &read));
    state_free(&read);
    assert_bytes(c, at, size);
    ask_everything(c, search);
    memset(b->target, 0x5a, b->size);
    ++b->taken;
    return LQ_OK;
}
