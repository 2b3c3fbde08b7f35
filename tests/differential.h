/*
 * One random case: the arguments of a call, run on every level and compared with the oracle. All
 * bytes of the arena are compared, so a write outside a view shows up as well as a wrong one inside.
 */
#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H

#include "naive.h"
#include "random_views.h"

enum operation { CALIBRATE, QUANTIZE, DEQUANTIZE, DYNAMIC, MEASURE, MEASURE_REAL, PACK, UNPACK };

struct test_case {
    struct arena arena;
    uint64_t seed;
    enum operation operation;
    lq_scheme scheme;
    lq_tensor x; /* or the bytes of lq_pack_codes and lq_unpack_codes, or the first of two reals */
    lq_tensor codes; /* or the second of two reals */
    lq_tensor scale;
    lq_tensor zero_point;
    int has_zero_point;
    uint32_t flags;
    int32_t with_exec; /* 0 none, 1 without, 2 with a report */
    struct naive_counts counts;
    lq_error error;
};

/* Empties the case and its arena, which stays. */
void start_case(struct test_case *c, uint64_t seed, enum operation operation);

/* Fails the test on a difference, with all that is needed to run the case again. */
void run_case(struct test_case *c);

/* The call of a case on the views of `actual`. */
lq_status call_case(const struct test_case *c, const lq_exec *exec, lq_error *error);

const char *name_of_operation(enum operation operation);

#endif
