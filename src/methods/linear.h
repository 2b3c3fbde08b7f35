/* What the rules of several systems over linear histograms share. */
#ifndef LQ_METHODS_LINEAR_H
#define LQ_METHODS_LINEAR_H

#include "logarithm.h"
#include "methods.h"
#include <math.h>

/* The left edge of the bin in which the running sum of shares, each rounded, reaches p. */
static inline float lq_edge_at(const lq_distribution *d, double p) {
    const lq_histogram *h = d->linear;
    double sum = 0;
    int64_t i = 0;
    for (; i < h->bins; ++i) {
        sum += h->counts[i] / d->count;
        if (sum >= p) break;
    }
    return h->edges[i];
}

/* A term of the divergence of q from p, as SciPy's rel_entr has it. */
static inline double lq_divergence_term(double p, double q) {
    if (p > 0 && q > 0) return p * lq_log(p / q);
    if (p == 0 && q >= 0) return 0;
    return p != p || q != q ? p + q : (double)INFINITY;
}

#endif
