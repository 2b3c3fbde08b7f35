#include "panel.h"

#include <math.h>

double panel_place(const panel *a, double value) {
    return a->x + PANEL_WIDE * (value - a->low) / (a->high - a->low);
}

static int column_of(const panel *a, double value) {
    const double column = floor(PANEL_COLUMNS * (value - a->low) / (a->high - a->low));
    return column < 0 ? 0 : column < PANEL_COLUMNS ? (int)column : PANEL_COLUMNS - 1;
}

/* The values of a bin are spread evenly over it. */
static void add_bin(panel *a, const lq_bin *bin) {
    const double low = (double)bin->low, high = (double)bin->high, count = (double)bin->count;
    if (high < a->low || low > a->high) return;
    if (low == high) {
        a->count[column_of(a, low)] += count;
        return;
    }
    for (int i = column_of(a, low); i <= column_of(a, high); ++i) {
        const double step = (a->high - a->low) / PANEL_COLUMNS, from = a->low + step * i;
        const double part = fmin(high, from + step) - fmax(low, from);
        if (part > 0) a->count[i] += count * part / (high - low);
    }
}

void panel_fill(panel *a, const lq_calibrator *calibrator, int64_t channels) {
    lq_bin some[256];
    for (int64_t channel = 0; channel < channels; ++channel) {
        int64_t cursor = 0, n = 0;
        while (lq_calibrator_bins(calibrator, channel, &cursor, some, 256, &n) == LQ_OK && n > 0)
            for (int64_t i = 0; i < n; ++i) add_bin(a, &some[i]);
    }
}

panel panel_of(double x, double low, double high) {
    panel a = {x, low, high, {0}};
    const double most = fmax(fabs(low), fabs(high));
    const double more = high - low > 1e-6 * most ? 0.02 * (high - low) : most > 0 ? 0.1 * most : 1;
    a.low -= more;
    a.high += more;
    return a;
}

/* Cuts off columns at both ends that have too few values, and looks closer at what is left. */
panel panel_of_middle(double x, const lq_calibrator *calibrator, int64_t channels,
                      const lq_summary *summary) {
    const double least = 0.0005 * (double)summary->count;
    double low = (double)summary->min, high = (double)summary->max, below = 0, above = 0;
    for (int turn = 0; turn < 4 && low < high; ++turn) {
        const double step = (high - low) / PANEL_COLUMNS;
        panel a = {x, low, high, {0}};
        int first = 0, last = PANEL_COLUMNS - 1;
        panel_fill(&a, calibrator, channels);
        while (first < last && below + a.count[first] < least) below += a.count[first++];
        while (first < last && above + a.count[last] < least) above += a.count[last--];
        low = a.low + step * first;
        high = a.low + step * (last + 1);
        if (last - first > PANEL_COLUMNS / 2) return panel_of(x, low, high);
    }
    return panel_of(x, (double)summary->min, (double)summary->max);
}

double panel_most(const panel *a) {
    double most = 10.0;
    for (int i = 0; i < PANEL_COLUMNS; ++i) most = fmax(most, a->count[i]);
    return most;
}
