#define _POSIX_C_SOURCE 200809L
#include "harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 16, ROUNDS = 31 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_runs(const contestant *c, int64_t runs) {
    const double begin = now();
    for (int64_t i = 0; i < runs; ++i) c->run(c->context);
    return (now() - begin) / (double)runs;
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* And an untimed run: the one before may have left other data, or none, in the caches. */
static void prepare(const contestant *c) {
    if (c->prepare) c->prepare(c->context);
    c->run(c->context);
}

void bench_contest(contestant *contestants, int n, double seconds) {
    static double times[MOST][ROUNDS];
    int64_t runs[MOST];
    for (int c = 0; c < n; ++c) {
        prepare(&contestants[c]);
        const double once = time_runs(&contestants[c], 1) + 1;
        const double share = seconds * 1e9 / n / ROUNDS;
        runs[c] = 1 + (int64_t)(share / once);
    }
    for (int r = 0; r < ROUNDS; ++r) {
        for (int c = 0; c < n; ++c) {
            prepare(&contestants[c]);
            times[c][r] = time_runs(&contestants[c], runs[c]);
        }
    }
    for (int c = 0; c < n; ++c) {
        qsort(times[c], ROUNDS, sizeof(double), compare_doubles);
        contestants[c].minimum = times[c][0];
        contestants[c].median = times[c][ROUNDS / 2];
    }
}

void *bench_allocate(int64_t bytes) {
    void *p = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
    if (!p) {
        fprintf(stderr, "no memory for %lld bytes\n", (long long)bytes);
        exit(1);
    }
    memset(p, 1, (size_t)bytes);
    return p;
}

traffic bench_traffic(int64_t moved) {
    return (traffic){bench_allocate(moved / 2), bench_allocate(moved / 2), (size_t)moved / 2};
}

void bench_move(void *context) {
    const traffic *t = context;
    memcpy(t->to, t->from, t->bytes);
    __asm__ volatile("" : : "r"(t->to) : "memory");
}

static void usage(const char *name, const char *rest, int64_t unit) {
    fprintf(stderr,
            "usage: %s [--filter=TEXT] [--elements=N] [--seconds=S]\n"
            "  %s; N a multiple of %lld up to 2^28; S for each row\n",
            name, rest, (long long)unit);
    exit(2);
}

bench_options bench_parse(int argc, char **argv, const char *name, const char *rest, int64_t unit) {
    bench_options o = {.filter = "", .seconds = 0.4};
    for (int i = 1; i < argc; ++i) {
        char *end = "";
        if (strncmp(argv[i], "--filter=", 9) == 0) {
            o.filter = argv[i] + 9;
        } else if (strncmp(argv[i], "--elements=", 11) == 0) {
            o.elements = strtoll(argv[i] + 11, &end, 0);
        } else if (strncmp(argv[i], "--seconds=", 10) == 0) {
            o.seconds = strtod(argv[i] + 10, &end);
        } else {
            usage(name, rest, unit);
        }
        if (*end) usage(name, rest, unit);
    }
    if (o.elements < 0 || o.elements > 1 << 28 || o.elements % unit || !(o.seconds >= 0)) {
        usage(name, rest, unit);
    }
    return o;
}
