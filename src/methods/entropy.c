/*
 * The threshold at which the distribution of quantized magnitudes diverges least from that of the
 * magnitudes. Each candidate t has bins of its own, some for each code, so that the scale of the
 * data does not matter, nor how far off an outlier is. In src/calibration.md the formula.
 */
#include "methods.h"
#include "choose.h"
#include "logarithm.h"
#include <math.h>

enum { MOST_BINS = 1024, MOST_LEVELS = 255, MOST_FINE = 64, COARSE = 96, REFINED = 12 };

typedef struct comparison {
    const lq_method_call *call;
    int64_t codes;  /* that the scheme has beside one for 0 */
    int64_t levels; /* codes from 0 to the threshold */
    int64_t fine;   /* bins for each; even, so that they can be centered on codes */
    int64_t bins;
    double count[MOST_BINS];
    int32_t sources[MOST_LEVELS + 1]; /* bins of the distribution that begin in a level */
    double outside;
} comparison;

/* Which code a bin is nearest to. */
static int64_t level_of(const comparison *c, int64_t bin) {
    return (bin + c->fine / 2) / c->fine;
}

/* Values spread evenly over [low, high] in units of bins, magnitudes. */
static void spread(comparison *c, double low, double high, double count) {
    const double end = (double)c->bins;
    if (low > end || (low == end && high > end)) {
        c->outside += count;
        return;
    }
    int64_t k = low < end ? (int64_t)low : c->bins - 1;
    ++c->sources[level_of(c, k)];
    if (high - low <= 0 || high <= (double)(k + 1)) {
        c->count[k] += count;
        return;
    }
    const double density = count / (high - low);
    for (double at = low; at < high; ++k) {
        if (k == c->bins) {
            c->outside += density * (high - at);
            return;
        }
        const double next = (double)(k + 1) < high ? (double)(k + 1) : high;
        c->count[k] += density * (next - at);
        at = next;
    }
}

/* Zeros have a code of their own whatever the threshold is, and take no part. */
static void fill(comparison *c, double threshold) {
    lq_bins b;
    const double per_value = (double)c->bins / threshold;
    c->outside = 0;
    for (int64_t k = 0; k < c->bins; ++k) c->count[k] = 0;
    for (int64_t level = 0; level <= c->levels; ++level) c->sources[level] = 0;
    for (int64_t cursor = 0; lq_next_bins(c->call->values, &cursor, LQ_BINS, &b);) {
        for (int64_t i = 0; i < b.n; ++i) {
            const double low = b.low[i] * per_value;
            const double high = b.high[i] * per_value;
            if (low == 0 && high == 0) continue;
            if (low >= 0) {
                spread(c, low, high, b.count[i]);
            } else if (high <= 0) {
                spread(c, -high, -low, b.count[i]);
            } else {
                spread(c, 0, high, b.count[i] * (high / (high - low)));
                spread(c, 0, -low, b.count[i] * (-low / (high - low)));
            }
        }
    }
}

/* The first of a level's bins. */
static int64_t level_begin(const comparison *c, int64_t level) {
    const int64_t bin = level * c->fine - c->fine / 2;
    return bin < 0 ? 0 : bin < c->bins ? bin : c->bins;
}

/*
 * The sum of p log(p / q) - p + q, p the values with those outside in the last bin, q the values
 * within, spread in each level over the bins that p has there; and half a value in the last level,
 * so that a few outside are not beyond measure where it is empty. Less what chance alone adds to
 * the sum: in each level half of the bins but one, as far as they can differ, which those that
 * share a wider bin of the distribution cannot.
 */
static double divergence(const comparison *c) {
    double sum = 0.5 - c->outside;
    for (int64_t level = 0; level <= c->levels; ++level) {
        const int64_t begin = level_begin(c, level);
        const int64_t end = level_begin(c, level + 1);
        double of_level = level == c->levels ? 0.5 : 0, with_outside = 0;
        int64_t filled = 0;
        for (int64_t k = begin; k < end; ++k) {
            const double p = c->count[k] + (k == c->bins - 1 ? c->outside : 0);
            if (!(p > 0)) continue;
            ++filled;
            of_level += c->count[k];
            with_outside += p;
            sum += p * lq_log(p);
        }
        if (filled == 0) continue;
        sum -= with_outside * lq_log(of_level / (double)filled);
        const int64_t free = filled < c->sources[level] ? filled : c->sources[level];
        sum -= free > 1 ? (double)(free - 1) / 2 : 0;
    }
    return sum;
}

/* With as many codes as the scheme has for the threshold's range. */
static double divergence_at(comparison *c, double threshold) {
    const lq_method_call *call = c->call;
    const lq_rule *rule = call->rule;
    const lq_range r = lq_within_magnitude(call->values, threshold);
    const lq_choice choice = lq_choose_for_range(rule, call->scale_type, r.lo, r.hi);
    const double scale = fabs(lq_step_of(rule, &choice));
    const double levels = scale > 0 ? threshold / scale : 1;
    /* Halves count for none, also where the rounding of the scale has made them a little more. */
    double whole = ceil(levels * (1 - 0x1p-20) - 0.5);
    /* A scale that its type cannot hold, or that is not the threshold's, leaves the rest outside. */
    if (whole > (double)c->codes) {
        whole = (double)c->codes;
        threshold = whole * scale;
    }
    c->levels = whole < 1 ? 1 : whole > MOST_LEVELS ? MOST_LEVELS : (int64_t)whole;
    c->bins = c->levels * c->fine;
    fill(c, threshold);
    return divergence(c);
}

lq_status lq_find_entropy(const lq_method_call *call, lq_range *range) {
    const lq_distribution *d = call->values;
    const int64_t codes = call->rule->code_max - call->rule->code_min;
    comparison c = {.call = call, .codes = codes};
    c.fine = codes > MOST_LEVELS ? MOST_BINS / MOST_LEVELS / 2 * 2 : MOST_BINS / codes / 2 * 2;
    if (c.fine > MOST_FINE) c.fine = MOST_FINE;
    const double most = lq_largest_magnitude(d);
    double best = HUGE_VAL, threshold = most;
    int found = 0;
    for (int k = 0; k < COARSE && most > 0; ++k) {
        const double t = most * lq_part(k, COARSE);
        const double divergent = divergence_at(&c, t);
        if (!(divergent < best)) continue;
        best = divergent;
        threshold = t;
        found = k;
    }
    const double low = most * lq_part(found + 1, COARSE);
    const double high = found > 0 ? most * lq_part(found - 1, COARSE) : most;
    for (int k = 1; k < REFINED && most > 0; ++k) {
        const double t = low + (high - low) * k / REFINED;
        const double divergent = divergence_at(&c, t);
        if (!(divergent < best)) continue;
        best = divergent;
        threshold = t;
    }
    *range = lq_within_magnitude(d, threshold);
    return LQ_OK;
}
