/*
 * Distributions as SVG, a row for each tensor: how many values lie where, on a logarithmic scale;
 * on the left all of them, on the right the middle 99.9 %, which a few outliers would make
 * invisible. Below them the range of each method as a bar.
 */
#ifndef PLOT_H
#define PLOT_H

#include "aside.h"
#include "ranges.h"

typedef struct plot plot;

plot *plot_begin(const lquant_options *o);

/* One more tensor. */
void plot_add(plot *p, const char *name, const lq_calibrator *calibrator, const lq_summary *summary,
              const method_ranges *ranges, int methods);

/* The file, complete under a temporary name: the caller commits. NULL with `message` written. */
aside *plot_write(plot *p, const char *path, char *message, size_t message_size);

void plot_free(plot *p); /* NULL is nothing to free */

#endif
