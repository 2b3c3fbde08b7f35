/*
 * bench_calibrate: what it takes to find a range (min-max), and a calibrator to observe values of
 * several kinds, with the ratio to the range alone; and what it takes each method to find parameters
 * from what was observed.
 */
#include "harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHANNELS = 4096, OBSERVED = 1 << 20 };

/* --------------------------------------------------------------------- data */

typedef enum { NORMAL, RELU, CONSTANT, MOSTLY_CONSTANT, RANDOM_SIGN, HEAVY_TAIL } kind;

static const char *const kind_names[] = {"normal",          "relu",        "constant",
                                         "mostly-constant", "random-sign", "heavy-tail"};

static uint64_t state;

static uint64_t random_bits(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Within (0, 1). */
static double random_part(void) {
    return ((double)(random_bits() >> 12) + 0.5) * 0x1p-52;
}

static double random_normal(void) {
    const double angle = 6.283185307179586 * random_part();
    return sqrt(-2 * log(random_part())) * cos(angle);
}

static float random_value(kind k) {
    const double v = random_normal();
    switch (k) {
    case RELU: return v > 0 ? (float)v : 0.0f;
    case CONSTANT: return 1.3f;
    case MOSTLY_CONSTANT: return random_bits() >> 60 ? 1.3f : (float)v;
    case RANDOM_SIGN: return v > 0 ? 1.0f : -1.0f;
    case HEAVY_TAIL: return (float)(v / sqrt(fabs(random_normal()) + 1e-6));
    default: return (float)v;
    }
}

static void fill(kind k, const lq_tensor *x, int64_t n) {
    float *wide = bench_allocate(n * 4);
    const lq_tensor from = lq_vector(wide, LQ_F32, n), to = lq_vector(x->data, x->type, n);
    state = 12345;
    for (int64_t i = 0; i < n; ++i) wide[i] = random_value(k);
    bench_check(lq_convert(&from, &to, LQ_OVERFLOW_INFINITE, NULL));
    free(wide);
}

/* --------------------------------------------------------------------- rows */

/* lq_calibrate, and what calibrators keep. */
typedef enum { RANGE, MIN_MAX, MOVING_AVERAGE, HISTOGRAM, HISTOGRAM_SUMS } keeper;

static const char *const keeper_names[] = {"range", "min-max", "moving-average", "histogram",
                                           "histogram-sums"};

typedef struct observation {
    keeper keeper;
    lq_type type;
    bench_granularity granularity;
    kind kind;
} observation;

static const observation observations[] = {
    {RANGE, LQ_F32, BENCH_TENSOR, NORMAL},
    {RANGE, LQ_F16, BENCH_TENSOR, NORMAL},
    {RANGE, LQ_BF16, BENCH_TENSOR, NORMAL},
    {RANGE, LQ_F32, BENCH_ROWS, NORMAL},
    {RANGE, LQ_F32, BENCH_LANES, NORMAL},
    {RANGE, LQ_F32, BENCH_BLOCKS_32, NORMAL},
    {MIN_MAX, LQ_F32, BENCH_TENSOR, NORMAL},
    {MIN_MAX, LQ_F32, BENCH_LANES, NORMAL},
    {MOVING_AVERAGE, LQ_F32, BENCH_TENSOR, NORMAL},
    {HISTOGRAM, LQ_F32, BENCH_TENSOR, NORMAL},
    {HISTOGRAM, LQ_F32, BENCH_TENSOR, RELU},
    {HISTOGRAM, LQ_F32, BENCH_TENSOR, CONSTANT},
    {HISTOGRAM, LQ_F32, BENCH_TENSOR, MOSTLY_CONSTANT},
    {HISTOGRAM, LQ_F32, BENCH_TENSOR, RANDOM_SIGN},
    {HISTOGRAM, LQ_F16, BENCH_TENSOR, NORMAL},
    {HISTOGRAM, LQ_BF16, BENCH_TENSOR, NORMAL},
    {HISTOGRAM, LQ_F32, BENCH_ROWS, NORMAL},
    {HISTOGRAM, LQ_F32, BENCH_ROWS, RELU},
    {HISTOGRAM, LQ_F32, BENCH_LANES, NORMAL},
    {HISTOGRAM, LQ_F32, BENCH_LANES, RELU},
    {HISTOGRAM_SUMS, LQ_F32, BENCH_TENSOR, NORMAL},
    {HISTOGRAM_SUMS, LQ_F32, BENCH_TENSOR, RELU},
    {HISTOGRAM_SUMS, LQ_F32, BENCH_TENSOR, CONSTANT},
    {HISTOGRAM_SUMS, LQ_F32, BENCH_TENSOR, MOSTLY_CONSTANT},
    {HISTOGRAM_SUMS, LQ_F32, BENCH_TENSOR, RANDOM_SIGN},
};

static const lq_method methods[] = {
    LQ_METHOD_MIN_MAX, LQ_METHOD_PERCENTILE, LQ_METHOD_PERCENTILE_MAGNITUDE,
    LQ_METHOD_ENTROPY, LQ_METHOD_MSE,        LQ_METHOD_MEAN_DEVIATION};

static const struct {
    lq_type codes;
    lq_mapping mapping;
} targets[] = {{LQ_S8, LQ_SYMMETRIC}, {LQ_S4, LQ_SYMMETRIC}, {LQ_U8, LQ_AFFINE}};

static const struct {
    kind kind;
    keeper keeper;
} sources[] = {{NORMAL, HISTOGRAM}, {HEAVY_TAIL, HISTOGRAM_SUMS}};

enum {
    OBSERVATIONS = sizeof observations / sizeof *observations,
    METHODS = sizeof methods / sizeof *methods,
    TARGETS = sizeof targets / sizeof *targets,
    SOURCES = sizeof sources / sizeof *sources
};

/* Behind the observations come searches for parameters: a source, a method, a target each. */
typedef struct search {
    int source, method, target;
} search;

static search search_of(int row) {
    const int i = row - OBSERVATIONS;
    return (search){i / (METHODS * TARGETS), i / TARGETS % METHODS, i % TARGETS};
}

static void name_row(int row, char *name, size_t size) {
    if (row < OBSERVATIONS) {
        const observation *o = &observations[row];
        snprintf(name, size, "%s/%s/%s/%s", keeper_names[o->keeper], lq_type_name(o->type),
                 bench_granularity_names[o->granularity], kind_names[o->kind]);
        return;
    }
    const search s = search_of(row);
    snprintf(name, size, "parameters/%s/%s/%s/%s/%s", lq_type_name(targets[s.target].codes),
             bench_granularity_names[BENCH_TENSOR], lq_method_name(methods[s.method]),
             keeper_names[sources[s.source].keeper], kind_names[sources[s.source].kind]);
}

static int64_t size_of(int row, int index) {
    if (row < OBSERVATIONS) return bench_size(index);
    return index ? 0 : 1;
}

/* --------------------------------------------------------------- observing */

typedef struct job {
    lq_tensor x, scale, zero;
    lq_calibrator *calibrator; /* NULL: a range alone */
    lq_scheme scheme;
    lq_calibration by;
} job;

static void run_range(void *context) {
    const job *j = context;
    bench_check(lq_calibrate(&j->x, &j->scheme, &j->scale, NULL, bench_exec()));
}

static void run_observe(void *context) {
    const job *j = context;
    bench_check(lq_calibrator_observe(j->calibrator, &j->x, bench_exec()));
}

static lq_calibrator *make_calibrator(keeper k, bench_granularity g) {
    lq_calibrator_options options = g == BENCH_TENSOR
                                        ? lq_calibrate_per_tensor()
                                        : lq_calibrate_per_channel(g == BENCH_LANES, CHANNELS);
    size_t size;
    if (k == MIN_MAX) options.statistic = LQ_STATISTIC_RANGE;
    if (k == MOVING_AVERAGE) options.statistic = LQ_STATISTIC_MOVING_AVERAGE;
    if (options.statistic != LQ_STATISTIC_HISTOGRAM) options.mantissa_bits = 0;
    options.bin_sums = k == HISTOGRAM_SUMS;
    bench_check(lq_calibrator_size(&options, &size));
    lq_calibrator *c = bench_allocate((int64_t)size);
    bench_check(lq_calibrator_init(c, size, &options));
    return c;
}

static job make_job(const observation *o, int64_t elements) {
    const int64_t others = elements / CHANNELS;
    const bool rows = o->granularity == BENCH_ROWS;
    job j = {.scheme = lq_symmetric(LQ_S8, bench_block_of(o->granularity))};
    int64_t grid[LQ_MAX_RANK], count;
    j.x = rows ? bench_matrix(o->type, CHANNELS, others) : bench_matrix(o->type, others, CHANNELS);
    bench_check(lq_grid_shape(&j.x, &j.scheme, grid, &count));
    j.scale = bench_vector(LQ_F32, count);
    fill(o->kind, &j.x, elements);
    if (o->keeper != RANGE) j.calibrator = make_calibrator(o->keeper, o->granularity);
    return j;
}

static void free_job(const job *j) {
    free(j->x.data);
    free(j->scale.data);
    free(j->zero.data);
    free(j->calibrator);
}

static void observe(const observation *o, const char *name, int64_t elements) {
    job j = make_job(o, elements);
    bench_row r = bench_begin_row(name, elements, j.x.size);
    const int ranges = bench_enter_levels(&r, run_range, &j);
    if (o->keeper != RANGE) {
        for (int i = ranges; i < r.n; ++i) r.contestants[i].hidden = true;
        const int first = bench_enter_levels(&r, run_observe, &j);
        bench_compare(&r, first, 0, ranges, true);
    }
    bench_end_row(&r);
    free_job(&j);
}

/* --------------------------------------------------------------- searching */

static void run_search(void *context) {
    const job *j = context;
    bench_check(
        lq_calibrator_parameters(j->calibrator, &j->by, &j->scheme, &j->scale, &j->zero, NULL));
}

/* One search counts as one element. */
static void find_parameters(search s, const char *name) {
    const int64_t observed = bench_wanted.elements ? bench_wanted.elements : OBSERVED;
    const observation o = {sources[s.source].keeper, LQ_F32, BENCH_TENSOR, sources[s.source].kind};
    const lq_type codes = targets[s.target].codes;
    job j = make_job(&o, observed);
    j.scheme = lq_scheme_of(targets[s.target].mapping, codes, lq_per_tensor());
    j.zero = bench_vector(codes == LQ_U8 ? LQ_U8 : LQ_S8, 1);
    j.by = lq_calibration_by(methods[s.method]);
    run_observe(&j);
    bench_row r = bench_begin_row(name, 1, 0);
    bench_enter_levels(&r, run_search, &j);
    bench_end_row(&r);
    free_job(&j);
}

static void run(int row, const char *name, int64_t elements) {
    if (row < OBSERVATIONS) {
        observe(&observations[row], name, elements);
    } else {
        find_parameters(search_of(row), name);
    }
}

int main(int argc, char **argv) {
    const bench_suite suite = {
        .name = "bench_calibrate",
        .purpose =
            "Ranges of a tensor (range), and calibrators that observe it, with the ratio to\n"
            "the range alone; rows and lanes are 4096 channels. \"parameters\" is a method's\n"
            "search in what a calibrator has observed of 1 Mi values: ns for one search, with\n"
            "no floor to speak of.",
        .others = {"range"},
        .unit = CHANNELS,
        .rows = OBSERVATIONS + SOURCES * METHODS * TARGETS,
        .name_row = name_row,
        .size = size_of,
        .run = run,
    };
    return bench_main(argc, argv, &suite);
}
