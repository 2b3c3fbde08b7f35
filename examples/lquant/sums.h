/* Figures of several tensors, or of the pieces of one, combined: those of all values as one. */
#ifndef SUMS_H
#define SUMS_H

#include "libquant.h"

typedef struct error_sums {
    double ee, xx, yy; /* of (x - y)^2, x^2 and y^2 */
    double largest;
    int64_t count, nonfinite, clipped;
} error_sums;

void sums_add(error_sums *sums, const lq_error *error);

/* `error` has been through lq_error_init. */
void sums_error(const error_sums *sums, lq_error *error);

#endif
