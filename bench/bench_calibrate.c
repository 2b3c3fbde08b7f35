/*
 * bench_calibrate: what it takes a calibrator to observe values of several kinds, on every level of
 * this machine, as ns per element and as ratios to the search for minimum and maximum alone, to a
 * loop that only moves the same bytes (the traffic floor) and to the scalar level, all in one run;
 * and what it takes each method to find parameters.
 */
#include "harness.h"
#include "libquant.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 4096, LEVELS = 4, CONTESTANTS = 1 + 2 * LEVELS };

static const lq_cpu levels[LEVELS] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

typedef enum { NORMAL, RELU, CONSTANT, MOSTLY_CONSTANT, RANDOM_SIGN, HEAVY_TAIL } kind;

static const char *const kind_names[] = {"normal",         "relu",        "constant",
                                         "15/16 constant", "random sign", "heavy tail"};

typedef struct bench_row {
    kind kind;
    lq_type type;
    enum { WHOLE, WHOLE_WITH_SUMS, FIRST_AXIS, LAST_AXIS } state;
} bench_row;

static const char *const state_names[] = {"k = 7", "k = 7, sums", "k = 2, first axis",
                                          "k = 2, last axis"};

static const bench_row rows[] = {
    {NORMAL, LQ_F32, WHOLE},
    {RELU, LQ_F32, WHOLE},
    {CONSTANT, LQ_F32, WHOLE},
    {MOSTLY_CONSTANT, LQ_F32, WHOLE},
    {RANDOM_SIGN, LQ_F32, WHOLE},
    {NORMAL, LQ_F32, WHOLE_WITH_SUMS},
    {RELU, LQ_F32, WHOLE_WITH_SUMS},
    {CONSTANT, LQ_F32, WHOLE_WITH_SUMS},
    {MOSTLY_CONSTANT, LQ_F32, WHOLE_WITH_SUMS},
    {RANDOM_SIGN, LQ_F32, WHOLE_WITH_SUMS},
    {NORMAL, LQ_F16, WHOLE},
    {NORMAL, LQ_BF16, WHOLE},
    {NORMAL, LQ_F32, FIRST_AXIS},
    {RELU, LQ_F32, FIRST_AXIS},
    {NORMAL, LQ_F32, LAST_AXIS},
    {RELU, LQ_F32, LAST_AXIS},
};

/* -------------------------------------------------------------------- data */

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

static void check(lq_status status) {
    if (!status) return;
    fprintf(stderr, "bench_calibrate: %s\n", lq_status_string(status));
    exit(1);
}

/* `shape` with data of its own. */
static lq_tensor make_values(kind k, lq_tensor shape, int64_t n) {
    float *wide = bench_allocate(n * 4);
    const lq_tensor from = lq_vector(wide, LQ_F32, n);
    state = 12345;
    for (int64_t i = 0; i < n; ++i) wide[i] = random_value(k);
    shape.data = bench_allocate(shape.size);
    const lq_tensor to = lq_vector(shape.data, shape.type, n);
    check(lq_convert(&from, &to, LQ_OVERFLOW_INFINITE, NULL));
    free(wide);
    return shape;
}

static lq_calibrator *make_calibrator(const lq_calibrator_options *options) {
    size_t size;
    check(lq_calibrator_size(options, &size));
    lq_calibrator *c = bench_allocate((int64_t)size);
    check(lq_calibrator_init(c, size, options));
    return c;
}

/* --------------------------------------------------------------- observing */

typedef struct job {
    lq_cpu level;
    lq_tensor x;
    lq_calibrator *calibrator; /* NULL: minimum and maximum alone */
    lq_scheme scheme;
    lq_tensor scale;
} job;

static void prepare_job(void *context) {
    const job *j = context;
    check(lq_cpu_use(j->level));
}

static void run_job(void *context) {
    const job *j = context;
    check(j->calibrator ? lq_calibrator_observe(j->calibrator, &j->x, NULL)
                        : lq_calibrate(&j->x, &j->scheme, &j->scale, NULL, NULL));
}

static job make_job(const bench_row *row, int64_t elements) {
    const bool per_channel = row->state == FIRST_AXIS || row->state == LAST_AXIS;
    const int32_t axis = row->state == LAST_AXIS;
    lq_calibrator_options options =
        per_channel ? lq_calibrate_per_channel(axis, CHANNELS) : lq_calibrate_per_tensor();
    const int64_t others = elements / CHANNELS;
    lq_tensor x = lq_vector(NULL, row->type, elements);
    options.bin_sums = row->state == WHOLE_WITH_SUMS;
    if (row->state == FIRST_AXIS) x = lq_matrix(NULL, row->type, CHANNELS, others);
    if (row->state == LAST_AXIS) x = lq_matrix(NULL, row->type, others, CHANNELS);
    job j = {
        .x = make_values(row->kind, x, elements),
        .calibrator = make_calibrator(&options),
        .scheme = lq_symmetric(LQ_S8, per_channel ? lq_per_channel(axis) : lq_per_tensor()),
        .scale = lq_vector(NULL, LQ_F32, per_channel ? CHANNELS : 1),
    };
    j.scale.data = bench_allocate(j.scale.size);
    return j;
}

static void observe(const bench_row *row, int64_t elements, double seconds) {
    job base = make_job(row, elements);
    traffic t = bench_traffic(base.x.size);
    contestant c[CONTESTANTS] = {{.name = "floor", .run = bench_move, .context = &t}};
    job jobs[2 * LEVELS];
    int n = 0;
    for (int i = 0; i < LEVELS; ++i) {
        if (!lq_cpu_available(levels[i])) continue;
        for (int ranges = 0; ranges < 2; ++ranges, ++n) {
            jobs[n] = base;
            jobs[n].level = levels[i];
            if (ranges) jobs[n].calibrator = NULL;
            c[1 + n] = (contestant){.name = lq_cpu_name(levels[i]),
                                    .prepare = prepare_job,
                                    .run = run_job,
                                    .context = &jobs[n]};
        }
    }
    bench_contest(c, 1 + n, seconds);
    for (int i = 1; i <= n; i += 2) {
        const double count = (double)elements;
        printf("%-15s %-5s %-17s %-7s %9lld %8.4f %8.4f %8.2f %8.2f %8.2f\n", kind_names[row->kind],
               lq_type_name(row->type), state_names[row->state], c[i].name, (long long)elements,
               c[i].minimum / count, c[i].median / count, c[i].minimum / c[i + 1].minimum,
               c[i].minimum / c[0].minimum, c[i].minimum / c[1].minimum);
    }
    fflush(stdout);
    free(t.from);
    free(t.to);
    free(base.x.data);
    free(base.calibrator);
    free(base.scale.data);
}

/* ----------------------------------------------------------------- methods */

typedef struct search {
    lq_cpu level;
    const lq_calibrator *calibrator;
    lq_calibration method;
    lq_scheme scheme;
    lq_tensor scale, zero;
} search;

static void prepare_search(void *context) {
    const search *s = context;
    check(lq_cpu_use(s->level));
}

static void run_search(void *context) {
    const search *s = context;
    check(
        lq_calibrator_parameters(s->calibrator, &s->method, &s->scheme, &s->scale, &s->zero, NULL));
}

static void find(const lq_calibrator *calibrator, kind k, bool sums, lq_method method,
                 lq_scheme scheme, double seconds) {
    float scale;
    signed char zero;
    const lq_type zero_type = scheme.code_type & 0x1000 ? LQ_S8 : LQ_U8;
    search searches[LEVELS];
    contestant c[LEVELS];
    int n = 0;
    for (int i = 0; i < LEVELS; ++i) {
        if (!lq_cpu_available(levels[i])) continue;
        searches[n] = (search){.level = levels[i],
                               .calibrator = calibrator,
                               .method = lq_calibration_by(method),
                               .scheme = scheme,
                               .scale = lq_vector(&scale, LQ_F32, 1),
                               .zero = lq_vector(&zero, zero_type, 1)};
        c[n] = (contestant){.name = lq_cpu_name(levels[i]),
                            .prepare = prepare_search,
                            .run = run_search,
                            .context = &searches[n]};
        ++n;
    }
    bench_contest(c, n, seconds);
    for (int i = 0; i < n; ++i) {
        printf("%-15s %-11s %-20s %-3s %-7s %8.3f %8.3f\n", kind_names[k],
               state_names[sums ? WHOLE_WITH_SUMS : WHOLE], lq_method_name(method),
               lq_type_name(scheme.code_type), c[i].name, c[i].minimum * 1e-6, c[i].median * 1e-6);
    }
    fflush(stdout);
}

static void find_all(kind k, bool sums, double seconds) {
    static const lq_method methods[] = {
        LQ_METHOD_MIN_MAX, LQ_METHOD_PERCENTILE, LQ_METHOD_PERCENTILE_MAGNITUDE,
        LQ_METHOD_ENTROPY, LQ_METHOD_MSE,        LQ_METHOD_MEAN_DEVIATION};
    const lq_scheme schemes[] = {lq_symmetric(LQ_S8, lq_per_tensor()),
                                 lq_symmetric(LQ_S4, lq_per_tensor()),
                                 lq_affine(LQ_U8, lq_per_tensor())};
    const bench_row row = {k, LQ_F32, sums ? WHOLE_WITH_SUMS : WHOLE};
    job j = make_job(&row, 1 << 20);
    check(lq_calibrator_observe(j.calibrator, &j.x, NULL));
    for (size_t m = 0; m < sizeof methods / sizeof *methods; ++m) {
        for (size_t s = 0; s < sizeof schemes / sizeof *schemes; ++s) {
            find(j.calibrator, k, sums, methods[m], schemes[s], seconds);
        }
    }
    free(j.x.data);
    free(j.calibrator);
    free(j.scale.data);
}

int main(int argc, char **argv) {
    static const int64_t sizes[] = {1 << 16, 1 << 20, 1 << 24};
    const bench_options o =
        bench_parse(argc, argv, "bench_calibrate", "TEXT in the kind of data", CHANNELS);
    printf("%-15s %-5s %-17s %-7s %9s %8s %8s %8s %8s %8s\n", "data", "type", "histogram", "level",
           "elements", "ns min", "median", "/ range", "/ floor", "/ scalar");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r) {
        if (!strstr(kind_names[rows[r].kind], o.filter)) continue;
        for (int s = 0; s < (o.elements ? 1 : 3); ++s) {
            const int64_t elements = o.elements ? o.elements : sizes[s];
            const bool of_one_size = rows[r].type != LQ_F32;
            if (!of_one_size || o.elements || s == 1) observe(&rows[r], elements, o.seconds);
        }
    }
    printf("\n%-15s %-11s %-20s %-3s %-7s %8s %8s\n", "data", "histogram", "method", "of", "level",
           "ms min", "median");
    for (int sums = 0; sums < 2; ++sums) {
        if (strstr(kind_names[NORMAL], o.filter)) find_all(NORMAL, sums, o.seconds);
        if (strstr(kind_names[HEAVY_TAIL], o.filter)) find_all(HEAVY_TAIL, sums, o.seconds);
    }
    return 0;
}
