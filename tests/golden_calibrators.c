/* Calibrators for the golden hashes: their bytes, what they say, and the ranges of each method. */
#include "golden.h"
#include <stdio.h>
#include <string.h>

enum { ROWS = 3, COLUMNS = 401, BATCHES = 3, COUNT = ROWS * COLUMNS, REALS = 3, CONFIGS = 6 };

static const lq_type reals[REALS] = {LQ_F32, LQ_F16, LQ_BF16};

static const struct {
    const char *name;
    lq_statistic statistic;
    int k, sums, axis, channels;
} configs[CONFIGS] = {
    {"tensor", LQ_STATISTIC_HISTOGRAM, 7, 1, 0, 0},
    {"rows", LQ_STATISTIC_HISTOGRAM, 2, 0, 0, ROWS},
    {"columns", LQ_STATISTIC_HISTOGRAM, 1, 1, -1, COLUMNS},
    {"range", LQ_STATISTIC_RANGE, 0, 0, 1, COLUMNS},
    {"moving", LQ_STATISTIC_MOVING_AVERAGE, 0, 0, 0, ROWS},
    {"fine", LQ_STATISTIC_HISTOGRAM, 10, 0, 0, 0},
};

static uint64_t first[1 << 20], second[1 << 20];
static unsigned char input[COUNT * 4], bytes[1 << 16];

/* ------------------------------------------------------------------ inputs */

/* A float32 of about a normal distribution's exponents, with tails, both signs and special values. */
static uint32_t random_real(void) {
    uint32_t exponent = 127;
    const uint32_t r = golden_random();
    const uint32_t fraction = golden_random() & 0x7fffffu;
    for (uint32_t bits = r; bits & 1u && exponent > 90; bits >>= 1) --exponent;
    if (r >> 24 == 0) exponent += golden_random() % 12u;
    if (r >> 22 == 1) return r & 2u ? 0x7fc00000u : 0x7f800000u | (r & 4u) << 29;
    if (r >> 23 == 3) return (r & 2u) << 30;
    return (r & 0x800000u) << 8 | exponent << 23 | fraction;
}

/* Rounded toward zero; exponents are within those of f16. */
static uint16_t narrow(lq_type type, uint32_t bits) {
    const uint32_t sign = bits >> 31;
    const uint32_t exponent = bits >> 23 & 0xffu;
    if (type == LQ_BF16) return (uint16_t)(bits >> 16);
    if (exponent == 0xff) return (uint16_t)(sign << 15 | 0x7c00u | (bits >> 13 & 0x3ffu));
    if (exponent < 113) return (uint16_t)(sign << 15);
    return (uint16_t)(sign << 15 | (exponent - 112) << 10 | (bits >> 13 & 0x3ffu));
}

static void make_batch(lq_type type, int batch) {
    golden_seed((uint64_t)(100 + batch));
    for (int64_t i = 0; i < COUNT; ++i) {
        const uint32_t bits = random_real();
        const uint16_t half = narrow(type, bits);
        if (type == LQ_F32) memcpy(input + 4 * i, &bits, sizeof bits);
        if (type != LQ_F32) memcpy(input + 2 * i, &half, sizeof half);
    }
}

static lq_calibrator *new_calibrator(uint64_t *memory, int config) {
    lq_calibrator_options o = lq_calibrate_per_tensor();
    o.statistic = configs[config].statistic;
    o.mantissa_bits = configs[config].k;
    o.bin_sums = configs[config].sums;
    o.axis = configs[config].axis;
    o.channels = configs[config].channels;
    golden_add((uint64_t)lq_calibrator_init((lq_calibrator *)(void *)memory, sizeof first, &o), 4);
    return (lq_calibrator *)(void *)memory;
}

/* The second batch lies by columns, the last of them first. */
static void observe(lq_calibrator *c, lq_type type, int batch) {
    lq_tensor x = lq_matrix(input, type, ROWS, COLUMNS);
    make_batch(type, batch);
    if (batch == 1) {
        x.stride[0] = 1;
        x.stride[1] = -ROWS;
        x.offset = (COLUMNS - 1) * ROWS;
    }
    golden_add((uint64_t)lq_calibrator_observe(c, &x, NULL), 4);
}

/* ------------------------------------------------------------------- bytes */

static void add_bytes(const lq_calibrator *c) {
    size_t size = 0;
    golden_add((uint64_t)lq_calibrator_serialize(c, bytes, sizeof bytes, &size), 4);
    for (size_t i = 0; i < size; ++i) golden_add(bytes[i], 1);
}

typedef struct row {
    int real, config;
    lq_method method;
    lq_mapping mapping;
} row;

static void run_bytes(const void *context) {
    const row *r = context;
    const lq_type type = reals[r->real];
    lq_calibrator *c = new_calibrator(first, r->config);
    lq_calibrator *other = new_calibrator(second, r->config);
    add_bytes(c);
    for (int batch = 0; batch < BATCHES; ++batch) {
        observe(batch == 1 ? other : c, type, batch);
        add_bytes(c);
    }
    golden_add((uint64_t)lq_calibrator_merge(c, other), 4);
    golden_add((uint64_t)lq_calibrator_merge(c, c), 4);
    add_bytes(c);
}

/* ----------------------------------------------------------------- queries */

static void add_float(float v) {
    uint32_t word;
    memcpy(&word, &v, sizeof word);
    golden_add(word, 4);
}

static void add_double(double v) {
    uint64_t word;
    memcpy(&word, &v, sizeof word);
    golden_add(v == v ? word : 0, 8);
}

static lq_calibrator *observed(const row *r) {
    lq_calibrator *c = new_calibrator(first, r->config);
    for (int batch = 0; batch < BATCHES; ++batch) observe(c, reals[r->real], batch);
    return c;
}

static void run_queries(const void *context) {
    static const double p[] = {0, 0.001, 0.25, 0.5, 0.9, 0.9999, 1};
    const row *r = context;
    const lq_calibrator *c = observed(r);
    const int channels = configs[r->config].channels ? configs[r->config].channels : 1;
    for (int i = 0; i < channels; ++i) {
        float q[7] = {0};
        lq_bin bins[64];
        int64_t cursor = 0, n = 1;
        lq_summary s;
        lq_summary_init(&s, sizeof s);
        golden_add((uint64_t)lq_calibrator_summarize(c, i, &s), 4);
        golden_add((uint64_t)s.count, 8);
        golden_add((uint64_t)s.zeros, 8);
        golden_add((uint64_t)s.nan, 8);
        golden_add((uint64_t)s.exact, 8);
        add_float(s.min);
        add_float(s.max);
        add_double(s.mean);
        add_double(s.variance);
        golden_add((uint64_t)lq_calibrator_quantiles(c, i, p, 7, q), 4);
        for (int k = 0; k < 7; ++k) add_float(q[k]);
        while (n > 0 && lq_calibrator_bins(c, i, &cursor, bins, 64, &n) == LQ_OK) {
            for (int64_t k = 0; k < n; ++k) {
                add_float(bins[k].low);
                add_float(bins[k].high);
                golden_add((uint64_t)bins[k].count, 8);
            }
        }
    }
}

/* ----------------------------------------------------------------- methods */

/* So few values have no percentile of the default's. */
static lq_calibration calibration_of(const row *r) {
    lq_calibration by = lq_calibration_by(r->method);
    by.percentile = 98;
    return by;
}

/* Ranges for 4 bits, parameters for 8 bits with scales of bf16. */
static void run_method(const void *context) {
    const row *r = context;
    const lq_calibrator *c = observed(r);
    const int64_t channels = configs[r->config].channels ? configs[r->config].channels : 1;
    const lq_calibration by = calibration_of(r);
    const lq_scheme narrow_scheme = lq_scheme_of(r->mapping, LQ_U4, lq_per_tensor());
    const lq_scheme wide_scheme = lq_scheme_of(r->mapping, LQ_S8, lq_per_tensor());
    uint32_t lo[ROWS], hi[ROWS];
    uint16_t scale[ROWS];
    int32_t zero[ROWS];
    const lq_tensor l = lq_vector(lo, LQ_F32, channels), h = lq_vector(hi, LQ_F32, channels);
    const lq_tensor s = lq_vector(scale, LQ_BF16, channels), z = lq_vector(zero, LQ_S32, channels);
    golden_add((uint64_t)lq_calibrator_ranges(c, &by, &narrow_scheme, &l, &h, NULL), 4);
    golden_add((uint64_t)lq_calibrator_parameters(c, &by, &wide_scheme, &s, &z, NULL), 4);
    golden_add_tensor(&l);
    golden_add_tensor(&h);
    golden_add_tensor(&s);
    golden_add_tensor(&z);
}

static void run_linear(const void *context) {
    enum { BINS = 97 };
    const row *r = context;
    const lq_calibration by = calibration_of(r);
    const lq_scheme scheme = lq_scheme_of(r->mapping, LQ_S8, lq_per_tensor());
    double counts[BINS];
    float edges[BINS + 1], lo = 0, hi = 0;
    lq_histogram h;
    golden_seed(7);
    for (int i = 0; i < BINS; ++i) {
        counts[i] = (double)(golden_random() % 1000u >> (i < 40 ? 40 - i : i - 40) / 4);
    }
    for (int i = 0; i <= BINS; ++i) edges[i] = ((float)i - 30.0f) / 16.0f;
    lq_histogram_init(&h, sizeof h);
    h.counts = counts;
    h.edges = edges;
    h.bins = BINS;
    golden_add((uint64_t)lq_histogram_range(&h, &by, &scheme, &lo, &hi), 4);
    add_float(lo);
    add_float(hi);
}

static void add_methods(void) {
    static const lq_method methods[] = {
        LQ_METHOD_MIN_MAX, LQ_METHOD_PERCENTILE,     LQ_METHOD_PERCENTILE_MAGNITUDE,
        LQ_METHOD_ENTROPY, LQ_METHOD_MEAN_DEVIATION, LQ_METHOD_MSE};
    static const char *const mappings[] = {"affine", "symmetric", "half_range", "full_range"};
    char name[56];
    for (int i = 0; i < 6 * 4; ++i) {
        row r = {.method = methods[i / 4], .mapping = i % 4};
        const char *const method = lq_method_name(r.method);
        /* The search takes long where it is emulated. */
        const int most = r.method == LQ_METHOD_MSE && r.mapping != LQ_AFFINE ? 1 : 2;
        for (r.config = 0; r.config < most; ++r.config) {
            snprintf(name, sizeof name, "method/%s/%s/%s", method, configs[r.config].name,
                     mappings[r.mapping]);
            golden_row(name, run_method, &r);
        }
        snprintf(name, sizeof name, "method/%s/linear/%s", method, mappings[r.mapping]);
        golden_row(name, run_linear, &r);
    }
    const row moving = {.config = 4, .method = LQ_METHOD_MOVING_AVERAGE};
    golden_row("method/moving-average", run_method, &moving);
}

void golden_calibrators(void) {
    char name[56];
    for (int i = 0; i < REALS * CONFIGS; ++i) {
        const row r = {.real = i / CONFIGS, .config = i % CONFIGS};
        const char *const real = lq_type_name(reals[r.real]);
        snprintf(name, sizeof name, "calibrator/%s/%s/bytes", real, configs[r.config].name);
        golden_row(name, run_bytes, &r);
        snprintf(name, sizeof name, "calibrator/%s/%s/queries", real, configs[r.config].name);
        golden_row(name, run_queries, &r);
    }
    add_methods();
}
