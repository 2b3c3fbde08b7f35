/* A part of the axis of values, and how many values lie in each of its columns. */
#ifndef PANEL_H
#define PANEL_H

#include "lquant.h"

/* In pixels: a panel, and a column of it. */
enum { PANEL_WIDE = 330, PANEL_COLUMN = 3, PANEL_COLUMNS = PANEL_WIDE / PANEL_COLUMN };

typedef struct panel {
    double x; /* where it stands */
    double low, high;
    double count[PANEL_COLUMNS];
} panel;

/* Empty ones: from `low` to `high` and a little more, so that lines at the ends are seen; */
panel panel_of(double x, double low, double high);

/* and around the middle 99.9 % of values, or all of them where the middle is next to a point. */
panel panel_of_middle(double x, const lq_calibrator *calibrator, int64_t channels,
                      const lq_summary *summary);

/* Adds the values of all channels. */
void panel_fill(panel *a, const lq_calibrator *calibrator, int64_t channels);

/* The count of its fullest column; at least 10. */
double panel_most(const panel *a);

/* Where a value stands, perhaps outside of the panel. */
double panel_place(const panel *a, double value);

#endif
