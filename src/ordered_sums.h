/*
 * Sums with the order of additions that another system has, so that what hangs on the last bit, as
 * the least of many errors may, comes out as there. Terms are asked for once each and in order.
 */
#ifndef LQ_ORDERED_SUMS_H
#define LQ_ORDERED_SUMS_H

#include <stdint.h>

typedef struct lq_terms {
    void (*next)(void *context, int64_t n, double *terms); /* n up to 128 */
    void *context;
} lq_terms;

/* NumPy's sum, as of 1.24; the second of floats, to which terms are rounded. */
double lq_sum_as_numpy(const lq_terms *terms, int64_t n);
float lq_sum_floats_as_numpy(const lq_terms *terms, int64_t n);

/*
 * PyTorch's sum of floats on one thread of a processor with vectors of eight, AVX2's; n up to 2^24.
 * Terms are rounded to floats.
 */
float lq_sum_as_pytorch(const lq_terms *terms, int64_t n);

#endif
