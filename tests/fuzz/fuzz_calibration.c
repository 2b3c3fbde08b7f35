/* Calibrators that are shown batches, merged, stored and asked; and linear histograms. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "schemes.h"
#include "target.h"

/* The batches go to `parts` in turn, and all of them to `whole`. */
enum { WHOLE, FIRST, SECOND, CALIBRATORS };

typedef struct call {
    memory m;
    choices in;
    lq_calibrator_options options;
    lq_calibrator *calibrators[CALIBRATORS];
    size_t size;
    int exact_merge;
    /* The arguments of the next call. */
    lq_calibrator *to;
    const lq_tensor *x, *y;
    const lq_scheme *scheme;
    const lq_calibration *by;
    const lq_histogram *histogram;
    float *lo, *hi;
} call;

/* ------------------------------------------------------------------- answers */

/* In memory the sign of a zero is nobody's affair; stored and read back it has none. */
static void settle(const call *c) {
    size_t size = 0;
    void *stored;
    if (lq_calibrator_serialize(c->to, NULL, 0, &size) != LQ_OK) fault("no size");
    stored = malloc(size);
    if (!stored) fault("out of memory");
    if (lq_calibrator_serialize(c->to, stored, size, &size) != LQ_OK ||
        lq_calibrator_deserialize(c->to, c->size, stored, size) != LQ_OK)
        fault("a calibrator that does not come back");
    free(stored);
}

static lq_status run_observe(const void *p, const lq_exec *exec) {
    const call *c = p;
    const lq_status status = lq_calibrator_observe(c->to, c->x, exec);
    if (status == LQ_OK) settle(c);
    return status;
}

static lq_status run_merge(const void *p, const lq_exec *exec) {
    const call *c = p;
    const lq_status status = lq_calibrator_merge(c->to, c->calibrators[SECOND]);
    (void)exec;
    if (status == LQ_OK) settle(c);
    return status;
}

static lq_status run_ranges(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_calibrator_ranges(c->to, c->by, c->scheme, c->x, c->y, exec);
}

static lq_status run_parameters(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_calibrator_parameters(c->to, c->by, c->scheme, c->x, c->y, exec);
}

static lq_status run_histogram(const void *p, const lq_exec *exec) {
    const call *c = p;
    (void)exec;
    return lq_histogram_range(c->histogram, c->by, c->scheme, c->lo, c->hi);
}

/* ---------------------------------------------------------------- calibrators */

static void choose_options(call *c) {
    choices *in = &c->in;
    lq_calibrator_options *o = &c->options;
    *o = lq_calibrate_per_tensor();
    o->statistic = choice_rarely(in, 3) ? (lq_statistic)choice_in(in, 0, 2) : 0;
    if (o->statistic == LQ_STATISTIC_HISTOGRAM) {
        o->mantissa_bits = 1 + (choice_rarely(in, 8) ? (int32_t)choice_in(in, 1, 2) : 0);
        o->bin_sums = choice_rarely(in, 3);
    }
    if (choice_rarely(in, 2)) {
        o->channels = choice_in(in, 1, 4);
        o->axis = (int32_t)choice_in(in, -2, 1);
    }
    if (c->m.hostile && choice_rarely(in, 8)) o->mantissa_bits = (int32_t)choice_in(in, -1, 11);
    if (c->m.hostile && choice_rarely(in, 8)) o->channels = choice_any(in);
    if (c->m.hostile && choice_rarely(in, 8)) o->axis = (int32_t)choice_any(in);
    if (o->statistic == LQ_STATISTIC_MOVING_AVERAGE) o->averaging = 0.25f;
}

static int make_calibrators(call *c) {
    const void *options = memory_struct(&c->m, INPUT, &c->options, sizeof c->options);
    if (lq_calibrator_size(options, &c->size) != LQ_OK || c->size > (size_t)1 << 20) return 0;
    for (int i = 0; i < CALIBRATORS; ++i) {
        c->calibrators[i] = memory_bytes(&c->m, OUTPUT, NULL, c->size);
        if (lq_calibrator_init(c->calibrators[i], c->size, options) != LQ_OK)
            fault("options have a size, and make no calibrator");
    }
    c->exact_merge = c->options.statistic != LQ_STATISTIC_MOVING_AVERAGE;
    return 1;
}

static void observe(call *c, int part) {
    choices *in = &c->in;
    int64_t shape[LQ_MAX_RANK];
    int32_t rank = choose_shape(in, shape);
    if (c->options.channels > 0 && c->options.channels < 5 && !choice_rarely(in, 16)) {
        rank = 2;
        shape[0] = shape[1] = c->options.channels;
        shape[c->options.axis == 0 || c->options.axis == -2] = choice_in(in, 0, 100);
    }
    c->x = memory_tensor(&c->m, INPUT, VALUES, choose_real(in), rank, shape);
    c->to = c->calibrators[part];
    if (memory_run(&c->m, run_observe, c, NULL) == LQ_OK &&
        lq_calibrator_observe(c->calibrators[WHOLE], c->x, NULL) != LQ_OK)
        fault("a batch that is refused by one of two");
}

/* Whoever saw the values, in whatever order, the bytes are the same; and they come back. */
static void store(call *c, const lq_calibrator *calibrator, const lq_calibrator *same) {
    size_t size = 0, again = 0;
    unsigned char *stored, *others;
    lq_calibrator *revived = malloc(c->size);
    if (lq_calibrator_serialize(calibrator, NULL, 0, &size) != LQ_OK) fault("no size");
    stored = malloc(size);
    others = malloc(size);
    if (!revived || !stored || !others) fault("out of memory");
    if (lq_calibrator_serialize(calibrator, stored, size, &again) != LQ_OK || again != size)
        fault("a calibrator that cannot be stored");
    if (lq_calibrator_deserialize(revived, c->size, stored, size) != LQ_OK)
        fault("a calibrator that does not come back");
    if (lq_calibrator_serialize(revived, others, size, &again) != LQ_OK || again != size ||
        memcmp(stored, others, size) != 0)
        fault("a calibrator that comes back as another one");
    if (same && (lq_calibrator_serialize(same, others, size, &again) != LQ_OK || again != size ||
                 memcmp(stored, others, size) != 0))
        fault("parts that are not the whole");
    free(revived);
    free(stored);
    free(others);
}

static const lq_calibration *choose_method(call *c, int linear) {
    static const lq_method own[] = {LQ_METHOD_MIN_MAX, LQ_METHOD_PERCENTILE,
                                    LQ_METHOD_PERCENTILE_MAGNITUDE, LQ_METHOD_MEAN_DEVIATION,
                                    LQ_METHOD_MOVING_AVERAGE};
    static const lq_method searches[] = {LQ_METHOD_ENTROPY, LQ_METHOD_MSE};
    static const lq_method others[] = {
        LQ_METHOD_ONNXRUNTIME_PERCENTILE, LQ_METHOD_ONNXRUNTIME_PERCENTILE_SYMMETRIC,
        LQ_METHOD_ONNXRUNTIME_ENTROPY,    LQ_METHOD_ONNXRUNTIME_DISTRIBUTION,
        LQ_METHOD_MODELOPT_PERCENTILE,    LQ_METHOD_MODELOPT_ENTROPY,
        LQ_METHOD_MODELOPT_MSE,           LQ_METHOD_PYTORCH_HISTOGRAM};
    choices *in = &c->in;
    lq_calibration by = lq_calibration_by(CHOICE_OF(in, own));
    if (linear && !choice_rarely(in, 3)) by.method = CHOICE_OF(in, others);
    if (choice_rarely(in, 12)) by.method = CHOICE_OF(in, searches);
    if (choice_rarely(in, 3)) by.percentile = (double)choice_in(in, -1, 101);
    if (choice_rarely(in, 3)) by.deviations = (double)choice_in(in, -1, 9) / 2;
    if (choice_rarely(in, 3)) by.quantized_bins = (int32_t)choice_in(in, -1, 40);
    if (linear && !choice_rarely(in, 3)) by.start_bin = (int32_t)choice_in(in, 1, 20);
    if (choice_rarely(in, 3)) by.stride = (int32_t)choice_in(in, -1, 9);
    if (c->m.hostile && choice_rarely(in, 16)) by.method = (lq_method)choice_any(in);
    return memory_struct(&c->m, INPUT, &by, sizeof by);
}

static void ask_channel(call *c, int64_t channel) {
    lq_summary s = {.struct_size = sizeof s};
    double p[2];
    float q[2] = {0, 0};
    lq_bin bins[3];
    int64_t cursor = 0, n = 1, count = 0;
    if (lq_calibrator_summarize(c->to, channel, &s) != LQ_OK) return;
    p[0] = (double)choice_in(&c->in, 0, 100) / 100;
    p[1] = (double)choice_in(&c->in, 0, 100) / 100;
    if (lq_calibrator_quantiles(c->to, channel, p, 2, q) == LQ_OK &&
        ((p[0] < p[1] && q[0] > q[1]) || q[0] < s.min || q[1] > s.max))
        fault("quantiles that do not ascend");
    if ((s.min == 0 && signbit(s.min)) || (s.max == 0 && signbit(s.max))) fault("a range to -0");
    while (n > 0 && lq_calibrator_bins(c->to, channel, &cursor, bins, 3, &n) == LQ_OK)
        for (int64_t i = 0; i < n; ++i) count += bins[i].count;
    if (cursor > 0 && count != s.count) fault("bins of %lld values", (long long)count);
}

static void ask(call *c) {
    choices *in = &c->in;
    const int64_t channels = c->options.channels > 0 ? c->options.channels : 1;
    const int64_t n = channels + choice_rarely(in, 24);
    lq_scheme s = choose_scheme(in, c->m.hostile, 1);
    c->scheme = memory_struct(&c->m, INPUT, &s, sizeof s);
    c->by = choose_method(c, 0);
    if (choice_rarely(in, 2)) {
        c->x = memory_tensor(&c->m, OUTPUT, NOISE, choose_real(in), 1, &n);
        c->y = memory_tensor(&c->m, OUTPUT, NOISE, choose_real(in), 1, &n);
        memory_run(&c->m, run_ranges, c, NULL);
    } else {
        c->x = memory_tensor(&c->m, OUTPUT, NOISE, choose_scale_type(in), 1, &n);
        c->y = memory_tensor(&c->m, OUTPUT, NOISE, s.code_type, 1, &n);
        if (s.mapping != LQ_AFFINE && !choice_rarely(in, 8)) {
            memory_withhold(&c->m, c->y);
            c->y = NULL;
        }
        memory_run(&c->m, run_parameters, c, NULL);
    }
    ask_channel(c, choice_in(in, 0, channels < 5 ? channels : 5));
}

static void fuzz_calibrators(call *c) {
    choose_options(c);
    if (!make_calibrators(c)) return;
    for (int64_t i = choice_in(&c->in, 1, 4); i > 0; --i)
        observe(c, choice_rarely(&c->in, 2) ? FIRST : SECOND);
    c->to = c->calibrators[FIRST];
    const lq_status merged = memory_run(&c->m, run_merge, c, NULL);
    if ((merged == LQ_OK) != c->exact_merge) fault("merge: %s", lq_status_string(merged));
    store(c, c->calibrators[WHOLE], c->exact_merge ? c->calibrators[FIRST] : NULL);
    c->to = c->calibrators[WHOLE];
    ask(c);
}

/* ----------------------------------------------------------------- histograms */

static void fuzz_histogram(call *c) {
    enum { MOST = 600 };
    choices *in = &c->in;
    lq_histogram h = {.struct_size = sizeof h};
    double counts[MOST];
    float edges[MOST + 1];
    const float ends[2] = {0, 0};
    const int grid = choice_rarely(in, 2), huge = choice_rarely(in, 16);
    /* One of these methods needs 512 bins. */
    const int64_t bins = choice_rarely(in, 8) ? choice_in(in, 500, MOST) : choice_in(in, 1, 60);
    float edge = (float)choice_in(in, -200, 100) / 4;
    for (int64_t i = 0; i < bins; ++i) {
        edges[i] = edge;
        counts[i] = (double)choice_in(in, 0, 20);
        if (huge && choice_rarely(in, 4)) counts[i] = (double)choice_any(in);
        edge += grid ? 0.5f : (float)choice_in(in, 0, 255) / 64;
    }
    edges[bins] = huge ? 3e38f : edge;
    if (choice_rarely(in, 3)) h.min = edges[choice_in(in, 0, bins - 1)];
    if (choice_rarely(in, 3)) h.max = edges[choice_in(in, 0, bins)];
    h.bins = c->m.hostile && choice_rarely(in, 8) ? choice_in(in, -1, bins) : bins;
    h.counts = memory_bytes(&c->m, INPUT, counts, (size_t)bins * sizeof *counts);
    h.edges = memory_bytes(&c->m, INPUT, edges, (size_t)(bins + 1) * sizeof *edges);
    c->histogram = memory_struct(&c->m, INPUT, &h, sizeof h);
    c->by = choose_method(c, 1);
    lq_scheme s = choose_scheme(in, c->m.hostile, 1);
    c->scheme = memory_struct(&c->m, INPUT, &s, sizeof s);
    c->lo = memory_bytes(&c->m, OUTPUT, &ends[0], sizeof *c->lo);
    c->hi = memory_bytes(&c->m, OUTPUT, &ends[1], sizeof *c->hi);
    if (memory_run(&c->m, run_histogram, c, NULL) == LQ_OK && !(*c->lo <= *c->hi))
        fault("a range from %g to %g", (double)*c->lo, (double)*c->hi);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    call c = {.in = {data, data + size}};
    memory_open(&c.m, &c.in);
    if (choice_rarely(&c.in, 3))
        fuzz_histogram(&c);
    else
        fuzz_calibrators(&c);
    memory_close(&c.m);
    return 0;
}
