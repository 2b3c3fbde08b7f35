/*
 * What calibration methods see of the values of a channel: their number, their ends, and how many
 * lie where. It comes from a calibrator's histogram or from a linear one; methods do not ask which.
 */
#ifndef LQ_DISTRIBUTION_H
#define LQ_DISTRIBUTION_H

#include "calibrator.h"

typedef struct lq_distribution {
    float lo, hi; /* the least and the greatest value; lo > hi where there is none */
    float moving_lo, moving_hi;
    double count; /* of finite values; of a statistic without bins 0 */
    bool exact;   /* every value is known: each bin is one value */
    /* One of these, or neither: */
    const lq_calibrator *calibrator;
    int64_t channel;
    const lq_histogram *linear;
} lq_distribution;

void lq_distribution_of(const lq_calibrator *calibrator, int64_t channel, lq_distribution *out);

/* Bins that have values, in ascending order. What lies outside [lo, hi] is cut off. */
enum { LQ_BINS = 256 };

typedef struct lq_bins {
    int64_t n;
    /* Values lie in [low, high]; all of them at low where both are one. */
    double low[LQ_BINS], high[LQ_BINS];
    double count[LQ_BINS];
    double mean[LQ_BINS]; /* the exact one where sums are kept, else the middle */
} lq_bins;

/* The next bins, at most `most` and LQ_BINS; false at the end. The cursor begins at 0. */
bool lq_next_bins(const lq_distribution *d, int64_t *cursor, int64_t most, lq_bins *bins);

static inline double lq_largest_magnitude(const lq_distribution *d) {
    return (double)(-d->lo > d->hi ? -d->lo : d->hi);
}

/* The value of rank ceil(p * count) in ascending order, p in [0, 1]; there is at least one value. */
float lq_quantile(const lq_distribution *d, double p);
/* The same of magnitudes: the least t so that as many values lie in [-t, t]. */
float lq_quantile_of_magnitudes(const lq_distribution *d, double p);

/* NaN where there are no values. */
void lq_moments(const lq_distribution *d, double *mean, double *variance);

#endif
