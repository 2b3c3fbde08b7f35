#include "distribution.h"
#include <math.h>

/* ----------------------------------------------- the bins of a calibrator, in order */

/*
 * Positions on the real line: magnitudes of negative bins from the largest on, zero, positive ones.
 * Bins of infinite magnitude and above are none.
 */
static int64_t half_of(const lq_calibrator *c) {
    return (int64_t)255 << c->mantissa_bits;
}

static int64_t position_of(const lq_calibrator *c, float v) {
    const int64_t half = half_of(c);
    const int64_t magnitude = lq_bin_of(c, lq_bits(v) & 0x7fffffffu);
    if (v == 0) return half;
    return v < 0 ? half - 1 - magnitude : half + 1 + magnitude;
}

static int64_t bin_at(const lq_calibrator *c, int64_t position) {
    const int64_t half = half_of(c);
    if (position == half) return lq_bin_of(c, LQ_BITS_OF_ZERO);
    return position > half ? position - half - 1
                           : half - 1 - position + ((int64_t)1 << (8 + c->mantissa_bits));
}

/* The values of a bin by their magnitude's key. */
static void edges_of(const lq_distribution *d, int64_t magnitude, double *low, double *high) {
    const int dropped = lq_dropped_bits(d->calibrator);
    const uint32_t bits = (uint32_t)magnitude << dropped;
    const uint32_t next = bits + (1u << dropped);
    *low = (double)lq_from_bits(bits);
    *high = next < 0x7f800000u ? (double)lq_from_bits(next) : 0x1p128;
    if (d->exact) *high = *low;
}

static double mean_of(const lq_distribution *d, int64_t bin, double count, double low,
                      double high) {
    const lq_calibrator *c = d->calibrator;
    if (!c->sums || d->exact) return low + (high - low) / 2;
    const double steps = (double)((uint32_t)1 << lq_dropped_bits(c));
    const double share = (double)lq_sum_of(c, d->channel, bin) / count / steps;
    return low + (high - low) * (share < 1 ? share : 1);
}

static double clamp(double v, double lo, double hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

/* To [lo, hi]; what lies outside, as linear histograms may have it, then stands at the end. */
static void cut(const lq_distribution *d, lq_bins *b, int64_t i) {
    const double lo = (double)d->lo;
    const double hi = (double)d->hi;
    b->low[i] = clamp(b->low[i], lo, hi);
    b->high[i] = clamp(b->high[i], lo, hi);
    b->mean[i] = clamp(b->mean[i], b->low[i], b->high[i]);
}

static void take_bin(const lq_distribution *d, int64_t position, double count, lq_bins *b) {
    const lq_calibrator *c = d->calibrator;
    const int64_t half = half_of(c);
    const int64_t bin = bin_at(c, position);
    const int64_t i = b->n++;
    double low = 0, high = 0, mean = 0;
    if (position > half) {
        edges_of(d, position - half - 1, &low, &high);
        mean = mean_of(d, bin, count, low, high);
    } else if (position < half) {
        edges_of(d, half - 1 - position, &high, &low);
        mean = -mean_of(d, bin, count, high, low);
        low = -low;
        high = -high;
    }
    b->low[i] = low;
    b->high[i] = high;
    b->mean[i] = mean;
    b->count[i] = count;
    cut(d, b, i);
}

static void next_of_calibrator(const lq_distribution *d, int64_t *cursor, int64_t most,
                               lq_bins *b) {
    const lq_calibrator *c = d->calibrator;
    const int64_t end = position_of(c, d->hi) + 1;
    int64_t position = position_of(c, d->lo);
    if (*cursor > position) position = *cursor;
    for (; position < end && b->n < most; ++position) {
        const uint64_t count = lq_count_of(c, d->channel, bin_at(c, position));
        if (count) take_bin(d, position, (double)count, b);
    }
    *cursor = position;
}

static void next_of_linear(const lq_distribution *d, int64_t *cursor, int64_t most, lq_bins *b) {
    const lq_histogram *h = d->linear;
    for (; *cursor < h->bins && b->n < most; ++*cursor) {
        const int64_t k = *cursor;
        if (!(h->counts[k] > 0)) continue;
        const int64_t i = b->n++;
        b->low[i] = (double)h->edges[k];
        b->high[i] = (double)h->edges[k + 1];
        b->mean[i] = b->low[i] + (b->high[i] - b->low[i]) / 2;
        b->count[i] = h->counts[k];
        cut(d, b, i);
    }
}

bool lq_next_bins(const lq_distribution *d, int64_t *cursor, int64_t most, lq_bins *bins) {
    bins->n = 0;
    if (!(d->lo <= d->hi)) return false;
    if (most > LQ_BINS) most = LQ_BINS;
    if (d->linear) next_of_linear(d, cursor, most, bins);
    if (d->calibrator) next_of_calibrator(d, cursor, most, bins);
    return bins->n > 0;
}

/* There are none outside [lo, hi]. */
static uint64_t finite_values(const lq_distribution *d) {
    const lq_calibrator *c = d->calibrator;
    uint64_t count = 0;
    if (!(d->lo <= d->hi)) return 0;
    for (int64_t at = position_of(c, d->lo); at <= position_of(c, d->hi); ++at) {
        count += lq_count_of(c, d->channel, bin_at(c, at));
    }
    return count;
}

void lq_distribution_of(const lq_calibrator *c, int64_t channel, lq_distribution *out) {
    *out = (lq_distribution){.lo = lq_los(c)[channel] + 0.0f, .hi = lq_his(c)[channel] + 0.0f};
    if (c->moving_lo) {
        out->moving_lo = lq_moving_los(c)[channel] + 0.0f;
        out->moving_hi = lq_moving_his(c)[channel] + 0.0f;
    }
    if (!c->bins) return;
    out->calibrator = c;
    out->channel = channel;
    out->count = (double)finite_values(out);
    out->exact = (lq_low_bits(c)[channel] & ((1u << lq_dropped_bits(c)) - 1u)) == 0;
}

/* --------------------------------------------------------------- quantiles */

/* Value number `rank` of a bin's `count`, spread evenly; from 0.5. */
static double at_rank(const lq_bins *b, int64_t i, double rank) {
    return b->low[i] + (b->high[i] - b->low[i]) * (rank / b->count[i]);
}

/* May be -0 by rounding. */
static float quantile(const lq_distribution *d, double p) {
    const double rank = ceil(p * d->count);
    lq_bins b;
    double below = 0;
    if (rank <= 1) return d->lo;
    for (int64_t cursor = 0; rank < d->count && lq_next_bins(d, &cursor, LQ_BINS, &b);) {
        for (int64_t i = 0; i < b.n; ++i) {
            if (below + b.count[i] >= rank) return (float)at_rank(&b, i, rank - below - 0.5);
            below += b.count[i];
        }
    }
    return d->hi;
}

float lq_quantile(const lq_distribution *d, double p) {
    return quantile(d, p) + 0.0f;
}

/* How many values lie in [-t, t]. */
static double count_within(const lq_distribution *d, double t) {
    lq_bins b;
    double count = 0;
    for (int64_t cursor = 0; lq_next_bins(d, &cursor, LQ_BINS, &b);) {
        for (int64_t i = 0; i < b.n; ++i) {
            const double low = b.low[i] > -t ? b.low[i] : -t;
            const double high = b.high[i] < t ? b.high[i] : t;
            if (b.low[i] == low && b.high[i] == high) {
                count += b.count[i];
            } else if (low < high) {
                count += b.count[i] * ((high - low) / (b.high[i] - b.low[i]));
            }
        }
    }
    return count;
}

float lq_quantile_of_magnitudes(const lq_distribution *d, double p) {
    const double rank = ceil(p * d->count);
    /* Floats that are not negative have the order of their bits. */
    uint32_t low = 0, high = lq_bits((float)lq_largest_magnitude(d));
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (count_within(d, (double)lq_from_bits(middle)) >= rank) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return lq_from_bits(high);
}

/* ----------------------------------------------------------------- moments */

void lq_moments(const lq_distribution *d, double *mean, double *variance) {
    lq_bins b;
    double sum = 0, squares = 0;
    *mean = *variance = (double)lq_from_bits(0x7fc00000u);
    if (!(d->count > 0)) return;
    for (int64_t cursor = 0; lq_next_bins(d, &cursor, LQ_BINS, &b);) {
        for (int64_t i = 0; i < b.n; ++i) sum += b.count[i] / d->count * b.mean[i];
    }
    for (int64_t cursor = 0; lq_next_bins(d, &cursor, LQ_BINS, &b);) {
        for (int64_t i = 0; i < b.n; ++i) {
            const double width = b.high[i] - b.low[i];
            const double off = b.mean[i] - sum;
            squares += b.count[i] / d->count * (off * off + width * width / 12);
        }
    }
    *mean = sum;
    *variance = squares;
}
