#define _POSIX_C_SOURCE 200809L
#include "harness.h"
#include <stdlib.h>
#include <time.h>

enum { LEAST_ROUNDS = 3, MOST_ROUNDS = 999 };

static const double timing = 100e3; /* ns */

static double read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ns for one run, and those of the process's threads. */
static double time_runs(const contestant *c, int64_t runs, double *processor) {
    const double processor_begin = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    const double begin = read_clock(CLOCK_MONOTONIC);
    for (int64_t i = 0; i < runs; ++i) c->run(c->context);
    const double end = read_clock(CLOCK_MONOTONIC);
    *processor = (read_clock(CLOCK_PROCESS_CPUTIME_ID) - processor_begin) / (double)runs;
    return (end - begin) / (double)runs;
}

/* With an untimed run, or without. */
static void prepare(const contestant *c, bool warm) {
    if (c->ours) bench_check(lq_cpu_use(c->level));
    if (c->prepare) c->prepare(c->context);
    if (warm) c->run(c->context);
}

/* Runs that fill a timing. */
static int64_t count_runs(const contestant *c, double *once) {
    int64_t runs = 1;
    double processor;
    prepare(c, true);
    for (*once = time_runs(c, 1, &processor); *once * (double)runs < timing / 8; runs *= 4) {
        *once = time_runs(c, 4 * runs, &processor);
    }
    return 1 + (int64_t)(timing / (*once + 1));
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_contest(contestant *contestants, int n, double seconds) {
    static double times[BENCH_MOST][MOST_ROUNDS];
    int64_t runs[BENCH_MOST];
    double round = 0;
    for (int c = 0; c < n; ++c) {
        double once;
        runs[c] = seconds > 0 ? count_runs(&contestants[c], &once) : 1;
        if (seconds > 0) round += once * (double)(runs[c] + 1);
        contestants[c].processor = 0;
    }
    int rounds = 1;
    if (seconds > 0) {
        const double many = seconds * 1e9 / round;
        rounds = many < LEAST_ROUNDS ? LEAST_ROUNDS : many < MOST_ROUNDS ? (int)many : MOST_ROUNDS;
    }
    for (int r = 0; r < rounds; ++r) {
        for (int c = 0; c < n; ++c) {
            double processor;
            prepare(&contestants[c], seconds > 0);
            times[c][r] = time_runs(&contestants[c], runs[c], &processor);
            if (r == 0 || processor < contestants[c].processor) {
                contestants[c].processor = processor;
            }
        }
    }
    for (int c = 0; c < n; ++c) {
        qsort(times[c], (size_t)rounds, sizeof(double), compare_doubles);
        contestants[c].minimum = times[c][0];
        contestants[c].median = times[c][rounds / 2];
        contestants[c].runs = runs[c] * rounds;
    }
}
