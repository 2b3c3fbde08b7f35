/*
 * What the benches share. A bench is a list of rows, each one job at several sizes; a row is a
 * contest between those who do the job: the traffic floor, libquant on each level of the machine,
 * and whomever else the bench enters. Absolute times of shared machines mean little, ratios of
 * interleaved repetitions do: every round times each contestant once.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "libquant.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ----------------------------------------------------------------- contests */

enum { BENCH_MOST = 24 /* contestants */, BENCH_MOST_THREADS = 64, BENCH_OTHERS = 5 };

typedef struct contestant {
    char name[32];                  /* "avx512", or whose code it is */
    void (*prepare)(void *context); /* untimed, before each round; or NULL */
    void (*run)(void *context);
    void *context;
    bool ours; /* runs on `level` of libquant */
    lq_cpu level;
    bool hidden;               /* takes part for a ratio alone */
    int scalar;                /* place in the row of the scalar level at this job; 0: none */
    int against[BENCH_OTHERS]; /* places to compare with under the suite's headings; 0: none */
    /* Filled in: ns for one run, and how many runs were timed. */
    double minimum, median, processor;
    int64_t runs;
} contestant;

/*
 * Times each contestant once a round, for `seconds` in all. A timing takes as many runs as fill
 * 100 us, which the clock's own time is nothing of, and an untimed run comes before: the contestant
 * before may have left other data in the caches, or none. 0 seconds: one run each.
 */
void bench_contest(contestant *contestants, int n, double seconds);

/* --------------------------------------------------------------------- rows */

/*
 * Names are alike in all benches and in count_instructions, where parts that a row does not have are
 * left out:
 *
 *     OPERATION/TYPES/GRANULARITY/RULE/WHAT-ELSE       quantize/f32-s8/tensor/libquant
 *
 * TYPES are lq_type_name's and lq_layout_name's, GRANULARITY is of bench_granularity_names, and RULE
 * is lq_profile_name's; of searches it is lq_method_name's. In JSON come who it was and the number
 * of elements: a level, where many rules meet in a row RULE/LEVEL, or whose code it is.
 */
typedef struct bench_row {
    const char *name;
    int64_t elements;
    int64_t moved; /* bytes read plus written */
    int n;
    int streams;                        /* place of the other way to move them; 0: there is none */
    contestant contestants[BENCH_MOST]; /* the floor is the first */
} bench_row;

/*
 * A row with its floor: the C library's memcpy of half of `moved`, which moves as many bytes; from
 * 8 MiB on, on x86, the faster of that and a copy by streaming stores. `moved` is 0 where a row is
 * not about bytes.
 */
bench_row bench_begin_row(const char *name, int64_t elements, int64_t moved);

/* Enters the memcpy by so many threads, more than one, once in a row; returns its place. */
int bench_enter_floor_on(bench_row *row, int threads);

/* Enters one contestant and returns its place. */
int bench_enter(bench_row *row, const char *name, void (*run)(void *context), void *context);

/* The same on libquant's best level, or the one that is wanted. */
int bench_enter_best(bench_row *row, const char *name, void (*run)(void *context), void *context);

/*
 * Enters libquant's levels that are there and wanted, the scalar one first, which is measured in
 * any case. Returns the place of the first.
 */
int bench_enter_levels(bench_row *row, void (*run)(void *context), void *context);

/* Compares the contestants from `first` on with `place`, or, `each`, with one from there on each. */
void bench_compare(bench_row *row, int first, int other, int place, bool each);

/* Holds the contest, prints and writes its lines, and frees the floor. */
void bench_end_row(bench_row *row);

/* ------------------------------------------------------------------- suites */

typedef struct bench_suite {
    const char *name;                 /* of the binary */
    const char *purpose;              /* what --help begins with */
    const char *others[BENCH_OTHERS]; /* headings of ratios beside those to floor and scalar */
    double marked; /* ratios under the first of them from here on are marked; 0: none */
    int64_t unit;  /* elements are multiples of it */
    int rows;
    void (*name_row)(int row, char *name, size_t size);
    int64_t (*size)(int row, int index); /* instead of bench_size; or NULL */
    void (*run)(int row, const char *name, int64_t elements);
} bench_suite;

/* The sizes of a row by index, 0 behind the last one: 4 Ki, 64 Ki, 1 Mi, 16 Mi, or what is wanted. */
int64_t bench_size(int index);

/* A bench's main function. */
int bench_main(int argc, char **argv, const bench_suite *suite);

typedef struct bench_options {
    const char *filter; /* part of a row's name; "" for all */
    bool one_level;
    lq_cpu level;
    int64_t elements; /* instead of the usual sizes; 0 for those */
    int threads;
    const char *json;
    bool list;
    double seconds; /* for each row at each size */
} bench_options;

extern bench_options bench_wanted;

/* For every call that takes one: NULL, or the threads that were asked for. */
const lq_exec *bench_exec(void);

/* NULL for one thread; else a pool of so many, the caller's among them. */
const lq_exec *bench_exec_on(int threads);

/* A contestant's `prepare`: all threads of the pool are looking for tasks when it returns. */
void bench_wake_threads(void *context);

/* ---------------------------------------------------------- tensors and data */

/*
 * Where memory lies decides some percent, so that must not be chance: on Linux, starts the program
 * again without randomized addresses, once; goes on where that is not allowed.
 */
void bench_fix_addresses(char **argv);

/*
 * Fresh memory, all of it written to, on 2 MiB of its own, for which the system is asked for large
 * pages: within them bytes that follow each other do so in the caches. Ends the program where there
 * is none.
 */
void *bench_allocate(int64_t bytes);

/* The same as a tensor. */
lq_tensor bench_vector(lq_type type, int64_t n);
lq_tensor bench_matrix(lq_type type, int64_t rows, int64_t columns);

/* Who has a scale: a channel is a row of a matrix (rows) or a column (lanes). */
typedef enum {
    BENCH_TENSOR,
    BENCH_ROWS,
    BENCH_LANES,
    BENCH_BLOCKS_32,
    BENCH_BLOCKS_128,
    BENCH_GRANULARITIES
} bench_granularity;

extern const char *const bench_granularity_names[BENCH_GRANULARITIES];
lq_block bench_block_of(bench_granularity granularity);

/* Values about 0 within (-2, 2), the same ones every time, in a contiguous tensor of real type. */
void bench_fill(const lq_tensor *x);

/* Ends the program with the sentence for a status other than LQ_OK. */
void bench_check(lq_status status);

#endif
