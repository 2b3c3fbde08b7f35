/* Calibration methods: ranges from distributions. Each is a file in methods/ and a row in methods.c. */
#ifndef LQ_METHODS_H
#define LQ_METHODS_H

#include "distribution.h"
#include "kernels.h"
#include "scheme.h"

typedef struct lq_method_call {
    const lq_distribution *values;
    lq_calibration with; /* checked, defaults filled in */
    const lq_rule *rule;
    lq_type scale_type;
    const lq_kernels *kernels;
} lq_method_call;

typedef struct lq_range {
    float lo, hi;
} lq_range;

/* There is at least one value. */
typedef lq_status lq_method_fn(const lq_method_call *call, lq_range *range);

lq_method_fn lq_find_min_max;
lq_method_fn lq_find_moving_average;
lq_method_fn lq_find_percentile;
lq_method_fn lq_find_percentile_of_magnitudes;
lq_method_fn lq_find_entropy;
lq_method_fn lq_find_mse;
lq_method_fn lq_find_mean_deviation;
lq_method_fn lq_find_onnxruntime_percentile;
lq_method_fn lq_find_onnxruntime_percentile_symmetric;
lq_method_fn lq_find_onnxruntime_entropy;
lq_method_fn lq_find_onnxruntime_distribution;
lq_method_fn lq_find_modelopt_percentile;
lq_method_fn lq_find_modelopt_entropy;
lq_method_fn lq_find_modelopt_mse;
lq_method_fn lq_find_pytorch_histogram;

/* A range within that of the values: where they are all on one side of it, the end nearest to it. */
static inline lq_range lq_within(const lq_distribution *d, double lo, double hi) {
    lq_range r = {lo > (double)d->lo ? (float)lo : d->lo, hi < (double)d->hi ? (float)hi : d->hi};
    if (r.lo > d->hi) r.lo = d->hi;
    if (r.hi < d->lo) r.hi = d->lo;
    return r;
}

/* Magnitudes up to t. */
static inline lq_range lq_within_magnitude(const lq_distribution *d, double t) {
    return lq_within(d, -t, t);
}

/* Parts of a range to try: from 1 down to 2^-12, in steps that become wider. */
static inline double lq_part(int k, int steps) {
    const double octave = 12.0 * k * k / ((double)steps * steps);
    const int whole = (int)octave;
    double part = 1;
    for (int i = 0; i < whole; ++i) part /= 2;
    return part * (1 - (octave - whole) / 2);
}

#endif
