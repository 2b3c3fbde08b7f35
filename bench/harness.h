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

#endif
