/*
 * Every element-wise function of the kernel list over every float32 (conversions of double over a
 * sample of theirs), on every level of this
 * machine, against an oracle that shares no code with the library.
 *
 *     sweep [--dense | --full] [--filter TEXT] [--threads N] [--quiet]
 *
 * --dense, the default, takes every value at which an output changes with its neighbors, all
 * exponents with mantissas far and near, and a few functions completely. --full takes all 2^32
 * inputs of each function and scale. --filter takes the functions whose name and parameters
 * contain the text. LQ_SWEEP_SHARE=N in the environment does one part in N, for emulators.
 *
 * Prints a line for each function and set of parameters: inputs, differences, nanoseconds per
 * element of each level. Fails if there are differences.
 */
#include "sweep.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_JOBS = 32768, MOST_THREADS = 64 };

static sweep_job jobs[MOST_JOBS];
static int job_count;

/* Threads take the next job; what follows is guarded by the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int next_job;
static int64_t functions, total_inputs, total_differences;

static struct options {
    bool full;
    bool quiet;
    const char *filter;
    int threads;
    int share;
} options = {.threads = 2, .share = 1};

/* ------------------------------------------------------------------- jobs */

static const float scales[] = {1.0f,
                               0x1p-7f,
                               0x1p20f,
                               1.0f / 127,
                               0.1f,
                               1.9999999f,
                               0x1p-149f,
                               0x1.54p-128f,
                               0x1.fffffcp-127f,
                               0x1p-126f,
                               0x1p-101f,
                               0x1p-100f,
                               0x1.000002p-100f,
                               0x1.fffc02p-112f,
                               0x1.8p-120f,
                               0x1p100f,
                               0x1.fffffep99f,
                               0x1.000002p100f,
                               0x1p101f,
                               0x1.fp127f,
                               0x1.fffffep127f,
                               -0.25f,
                               -1.0f / 127,
                               -0x1.fffffep0f,
                               1.0f / 3,
                               0x1.921fb6p1f,
                               65504.0f,
                               0x1.fffffep-1f};

enum { SCALES = sizeof scales / sizeof *scales };

static bool wanted(const sweep_job *job) {
    for (int i = 0; i < sweep_rows_of(job); ++i) {
        sweep_row row;
        char text[sizeof row.name + sizeof row.parameters + 1];
        sweep_describe(job, i, &row);
        snprintf(text, sizeof text, "%s %s", row.name, row.parameters);
        if (!options.filter || strstr(text, options.filter)) return true;
    }
    return false;
}

/* Small shares leave whole functions out, too: of those with scales four in five. */
static bool left_out(const sweep_job *job) {
    static int offered;
    return options.share > 64 && job->scale != 0.0f && offered++ % 5 != 0;
}

static void add(sweep_job job) {
    if (!wanted(&job) || left_out(&job)) return;
    if (job_count == MOST_JOBS) abort();
    jobs[job_count++] = job;
}

/* The codes of a symmetric scheme, or all codes with a zero point that is often odd. */
static sweep_job with_range(sweep_job job, int rule) {
    const int32_t half = 1 << ((2 << job.width) - 1);
    const int32_t qmin = job.is_signed ? -half : 0;
    const int32_t qmax = qmin + 2 * half - 1;
    const int32_t zeros[] = {0, qmin + 1, qmax, qmin + 2 * (half / 3) + 1, qmin};
    job.qmin = rule == 0 ? qmin + 1 : qmin;
    job.qmax = qmax;
    job.zero = rule == 0 ? qmin + half : zeros[rule];
    if (job.width == LQ_WIDTH_16 && rule == 3) job.zero = qmin + 12345;
    return job;
}

enum { RULES = 5 };

static void add_quantizing(int scale, int type, int rule) {
    const bool full = options.full;
    sweep_job job = {.kind = SWEEP_QUANTIZE,
                     .width = (lq_width)(type / 2),
                     .is_signed = type % 2 == 0,
                     .complete = full,
                     .scale = scales[scale]};
    job = with_range(job, rule);
    /* Few complete ones: the sample has every value at which a code changes. */
    if (!full && scale == 3 && type == 4 && rule == 0) job.complete = true;
    add(job);
    for (int real = LQ_REAL_f16; real < LQ_REALS; ++real) {
        job.real = (lq_real)real;
        add(job);
    }
    if (type != 4 && type != 5) return;
    job.kind = SWEEP_COUNT;
    job.complete = full && rule == 3;
    for (int real = LQ_REAL_f32; real < LQ_REALS; ++real) {
        job.real = (lq_real)real;
        add(job);
    }
}

static void add_dequantizing(int scale, int type, int rule) {
    for (int real = LQ_REAL_f32; real < LQ_REALS; ++real) {
        sweep_job job = {.kind = SWEEP_CODES,
                         .real = (lq_real)real,
                         .width = (lq_width)(type / 2),
                         .is_signed = type % 2 == 0,
                         .scale = scales[scale]};
        add(with_range(job, rule));
    }
}

/* Every pair of real types. */
static void add_conversions(void) {
    for (int pair = 0; pair < LQ_FLOATS * LQ_FLOATS; ++pair) {
        sweep_job job = {.kind = SWEEP_CONVERT,
                         .real = (lq_real)(pair / LQ_FLOATS),
                         .to = (lq_real)(pair % LQ_FLOATS),
                         .complete = options.full};
        add(job);
        job.saturate = true;
        add(job);
    }
}

/* All scales: what dequantizing does to every float32. */
static void add_products(void) {
    const int32_t differences[] = {3, -127, 255, 65535, -65535, 4097};
    for (int real = LQ_REAL_f32; real < LQ_REALS; ++real) {
        sweep_job job = {.kind = SWEEP_RANGE, .real = (lq_real)real, .complete = options.full};
        add(job);
        job.difference = 1;
        job.kind = SWEEP_FUNCTION;
        job.complete = true;
        if (real != LQ_REAL_f32) add(job);
        job.kind = real == LQ_REAL_f32 ? SWEEP_PRODUCT : SWEEP_NARROW;
        for (int width = 0; width < LQ_WIDTHS; ++width) {
            job.width = (lq_width)width;
            job.complete = options.full || (width == LQ_WIDTH_8 && real == LQ_REAL_f16);
            add(job);
        }
    }
    for (size_t i = 0; i < sizeof differences / sizeof *differences; ++i) {
        sweep_job job = {.kind = SWEEP_PRODUCT,
                         .width = LQ_WIDTH_16,
                         .complete = options.full,
                         .difference = differences[i]};
        job.zero = job.difference < 0 ? 65535 : 0;
        add(job);
    }
}

static void add_packing(void) {
    for (int width = 0; width <= LQ_WIDTH_8; ++width) {
        sweep_job job = {.kind = SWEEP_PACK, .width = (lq_width)width};
        add(job);
        job.kind = SWEEP_UNPACK;
        add(job);
        job.is_signed = true;
        add(job);
    }
}

/* Of sweep_rules and `scales`: what --full takes all inputs of. */
static bool takes_all(const sweep_job *job, int scale) {
    return options.full && job->real == LQ_REAL_f32 && job->width <= LQ_WIDTH_8 &&
           (scale == 3 || scale == 4);
}

static void add_rule(sweep_job job, int scale) {
    for (int real = LQ_REAL_f32; real < LQ_REALS; ++real) {
        job.kind = SWEEP_QUANTIZE;
        job.real = (lq_real)real;
        job.complete = takes_all(&job, scale);
        if (job.rule) add(job);
        /* The same codes and one more step, whose values are floats. */
        job.kind = SWEEP_FAKE;
        if (real == LQ_REAL_f32 && job.width == LQ_WIDTH_8) add(job);
    }
}

static void add_rules(void) {
    static const int chosen[] = {0, 1, 3, 4, 5, 11, 15, 21, 24, 26};
    for (int rule = 0; rule < SWEEP_RULES; ++rule) {
        for (size_t i = 0; i < sizeof chosen / sizeof *chosen; ++i) {
            for (int type = 0; type < 2 * LQ_WIDTHS; ++type) {
                sweep_job job = {.width = (lq_width)(type / 2),
                                 .is_signed = type % 2 == 0,
                                 .scale = scales[chosen[i]],
                                 .rule = rule};
                const bool wide = job.width == LQ_WIDTH_16;
                /* Tables of 16-bit codes take a while. */
                if (wide && i != (size_t)rule % 4) continue;
                add_rule(with_range(job, 3), chosen[i]);
                if (!wide && !options.full) add_rule(with_range(job, 1), chosen[i]);
            }
        }
        /* ggml's four and five bits: halves go up from 8.5 and 16.5. */
        const sweep_job four = {
            .width = LQ_WIDTH_4, .scale = scales[4], .zero = 8, .qmax = 15, .rule = rule};
        const sweep_job five = {
            .width = LQ_WIDTH_8, .scale = scales[4], .zero = 16, .qmax = 31, .rule = rule};
        add_rule(four, 4);
        add_rule(five, 4);
    }
}

static void add_float_code(sweep_job job) {
    for (int real = LQ_REAL_f32; real < LQ_REALS; ++real) {
        const bool main = job.scale == 1.0f || (job.rounding == SWEEP_EVEN && job.scale == 0.1f);
        job.kind = SWEEP_QUANTIZE;
        job.real = (lq_real)real;
        job.complete = options.full && main && real == LQ_REAL_f32;
        add(job);
        job.complete = false;
        job.kind = SWEEP_COUNT;
        add(job);
        job.kind = SWEEP_FAKE;
        if (real == LQ_REAL_f32) add(job);
    }
}

/* Every type of floats with every way to round. 4-bit codes are packed, and bytes as well. */
static void add_floats(void) {
    static const int roundings[] = {SWEEP_EVEN, SWEEP_AWAY, SWEEP_LOWER};
    static const int chosen[] = {0, 1, 3, 4, 5, 6, 7, 10, 13, 18, 19, 24};
    for (int i = 0; i < 2 * 3 * (SWEEP_FLOATS + 1); ++i) {
        const int type = i / 6 < SWEEP_FLOATS ? i / 6 : SWEEP_FLOATS - 1;
        sweep_job job = {.floats = &sweep_float_types[type],
                         .width = i / 6 < SWEEP_FLOATS ? LQ_WIDTH_8 : LQ_WIDTH_4,
                         .rounding = roundings[i / 2 % 3],
                         .unsaturated = i % 2};
        for (size_t k = 0; k < sizeof chosen / sizeof *chosen; ++k) {
            job.scale = scales[chosen[k]];
            add_float_code(job);
        }
    }
}

static void make_jobs(void) {
    add_floats();
    add_packing();
    add_rules();
    add_conversions();
    add_products();
    for (int scale = 0; scale < SCALES; ++scale) {
        for (int type = 0; type < 2 * LQ_WIDTHS; ++type) {
            for (int rule = 0; rule < RULES; ++rule) {
                add_dequantizing(scale, type, rule);
                /* Complete sweeps alternate the ranges from scale to scale. */
                if (!options.full || (scale + type) % RULES == rule) {
                    add_quantizing(scale, type, rule);
                }
            }
        }
    }
}

/* ------------------------------------------------------------------- names */

int sweep_rows_of(const sweep_job *job) {
    const bool two = job->kind == SWEEP_QUANTIZE || job->kind == SWEEP_FAKE ||
                     job->kind == SWEEP_COUNT || job->kind == SWEEP_RANGE ||
                     job->kind == SWEEP_CODES;
    return two ? 2 : 1;
}

void sweep_describe(const sweep_job *job, int row, sweep_row *to) {
    static const char *const ways[] = {"runs", "lanes"};
    const char *const way = ways[row];
    const char *const real = float_formats[job->real].name;
    const char *const rule = sweep_rules[job->rule].name;
    const char *const floats = job->floats ? job->floats->name : "";
    const char sign = job->is_signed ? 's' : 'u';
    const int bits = 2 << job->width;
    char *const name = to->name;
    const size_t size = sizeof to->name;
    const char *const what = job->kind == SWEEP_QUANTIZE ? "quantize"
                             : job->kind == SWEEP_COUNT  ? "count"
                                                         : "fake";
    if (job->floats) {
        snprintf(name, size, "%s_%s %s %s %d", what, way, real, floats, bits);
        snprintf(to->parameters, sizeof to->parameters, "scale %a, rounding %d%s",
                 (double)job->scale, job->rounding, job->unsaturated ? ", unsaturated" : "");
        return;
    }
    switch (job->kind) {
    case SWEEP_QUANTIZE: snprintf(name, size, "quantize_%s %s %c%d", way, real, sign, bits); break;
    case SWEEP_FAKE: snprintf(name, size, "fake_%s %s %c%d", way, real, sign, bits); break;
    case SWEEP_COUNT: snprintf(name, size, "count_%s %s", way, real); break;
    case SWEEP_RANGE: snprintf(name, size, "range_%s %s", way, real); break;
    case SWEEP_NARROW: snprintf(name, size, "dequantize_lanes 1*f32 %s %d", real, bits); break;
    case SWEEP_PRODUCT: snprintf(name, size, "dequantize_lanes k*f32 %s %d", real, bits); break;
    case SWEEP_FUNCTION: snprintf(name, size, "lq_f32_to_%s", real); break;
    case SWEEP_CODES: snprintf(name, size, "dequantize_%s %c%d %s", way, sign, bits, real); break;
    case SWEEP_PACK: snprintf(name, size, "pack %d", bits); break;
    case SWEEP_UNPACK: snprintf(name, size, "unpack %c%d", sign, bits); break;
    case SWEEP_CONVERT:
        snprintf(name, size, "convert %s %s", real, float_formats[job->to].name);
        snprintf(to->parameters, sizeof to->parameters, job->saturate ? "saturate" : "infinite");
        return;
    }
    snprintf(to->parameters, sizeof to->parameters,
             "%s%sscale %a, zero %" PRId32 ", codes [%" PRId32 ", %" PRId32 "], k %" PRId32,
             rule ? rule : "", rule ? ", " : "", (double)job->scale, job->zero, job->qmin,
             job->qmax, job->difference);
}

/* ----------------------------------------------------------------- running */

static void print_row(const sweep_row *row) {
    printf("%-28s %s: %lld inputs, %lld differences; ns", row->name, row->parameters,
           (long long)row->inputs, (long long)row->differences);
    for (lq_cpu level = LQ_CPU_SCALAR; level < SWEEP_LEVELS; ++level) {
        if (row->seconds[level] <= 0.0 || row->inputs == 0) continue;
        printf(" %s %.3f", lq_cpu_name(level), row->seconds[level] * 1e9 / (double)row->inputs);
    }
    printf("\n");
    if (row->first[0]) printf("  %s\n", row->first);
    fflush(stdout);
}

static void report(const sweep_job *job, const sweep_row *rows) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < sweep_rows_of(job); ++i) {
        ++functions;
        total_inputs += rows[i].inputs;
        total_differences += rows[i].differences;
        if (!options.quiet || rows[i].differences) print_row(&rows[i]);
    }
    pthread_mutex_unlock(&lock);
}

static void *work(void *unused) {
    sweep_worker *worker = malloc(sizeof *worker);
    (void)unused;
    if (!worker) abort();
    sweep_set_up(worker, options.share);
    for (;;) {
        sweep_row rows[2];
        pthread_mutex_lock(&lock);
        const int mine = next_job < job_count ? next_job++ : -1;
        pthread_mutex_unlock(&lock);
        if (mine < 0) break;
        sweep_describe(&jobs[mine], 0, &rows[0]);
        if (jobs[mine].complete || mine % 500 == 0) {
            fprintf(stderr, "[%d/%d] %s %s\n", mine + 1, job_count, rows[0].name,
                    rows[0].parameters);
        }
        sweep_run(worker, &jobs[mine], rows);
        report(&jobs[mine], rows);
    }
    free(worker);
    return NULL;
}

static bool parse(int argc, char **argv) {
    const char *share = getenv("LQ_SWEEP_SHARE");
    if (share && *share) options.share = atoi(share);
    for (int i = 1; i < argc; ++i) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--dense") == 0) {
            options.full = false;
        } else if (strcmp(argv[i], "--full") == 0) {
            options.full = true;
        } else if (strcmp(argv[i], "--quiet") == 0) {
            options.quiet = true;
        } else if (strcmp(argv[i], "--filter") == 0 && more) {
            options.filter = argv[++i];
        } else if (strcmp(argv[i], "--threads") == 0 && more) {
            options.threads = atoi(argv[++i]);
        } else {
            return false;
        }
    }
    return options.threads >= 1 && options.threads <= MOST_THREADS && options.share >= 1 &&
           options.share <= 256;
}

int main(int argc, char **argv) {
    pthread_t threads[MOST_THREADS];
    int started = 0;
    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: sweep [--dense | --full] [--filter TEXT] [--threads N] [--quiet]\n"
                        "LQ_SWEEP_SHARE in the environment: 1 to 256\n");
        return 2;
    }
    make_jobs();
    while (started + 1 < options.threads &&
           pthread_create(&threads[started], NULL, work, NULL) == 0) {
        ++started;
    }
    work(NULL);
    for (int i = 0; i < started; ++i) pthread_join(threads[i], NULL);
    printf("%s: levels", options.full ? "full" : "dense");
    for (lq_cpu level = LQ_CPU_SCALAR; level < SWEEP_LEVELS; ++level) {
        if (lq_kernels_of(level)) printf(" %s", lq_cpu_name(level));
    }
    printf(", 1/%d: %lld functions with parameters, %lld inputs, %lld differences\n", options.share,
           (long long)functions, (long long)total_inputs, (long long)total_differences);
    return functions == 0 || total_differences != 0;
}
