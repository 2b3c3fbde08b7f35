/*
 * Measuring contestants against each other in one run. Absolute times of shared machines mean
 * little, ratios of interleaved repetitions do: every round times each contestant once.
 */
#ifndef HARNESS_H
#define HARNESS_H

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

#endif
