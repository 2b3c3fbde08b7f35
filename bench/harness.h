/*
 * Measuring contestants against each other in one run. Absolute times of shared machines mean
 * little, ratios of interleaved repetitions do: every round times each contestant once.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct contestant {
    const char *name;
    void (*prepare)(void *context); /* untimed, before each round; or NULL */
    void (*run)(void *context);
    void *context;
    double minimum, median; /* ns for one run; filled in */
} contestant;

/* Each contestant first runs once untimed. Runs are repeated until a timing is long enough. */
void bench_contest(contestant *contestants, int n, double seconds);

/* Fresh memory on a cache line; ends the program where there is none. */
void *bench_allocate(int64_t bytes);

/* The floor under a job: a copy that reads and writes as many bytes, all told. */
typedef struct traffic {
    unsigned char *from, *to;
    size_t bytes;
} traffic;

traffic bench_traffic(int64_t moved);
void bench_move(void *context);

/* What the benches take on the command line. */
typedef struct bench_options {
    const char *filter; /* part of a name; "" for all */
    double seconds;     /* for each row */
    int64_t elements;   /* instead of the usual sizes; 0 for those */
} bench_options;

/* `rest` says what a filter looks at. Elements are multiples of `unit`. Ends the program on a fault. */
bench_options bench_parse(int argc, char **argv, const char *name, const char *rest, int64_t unit);

#endif
