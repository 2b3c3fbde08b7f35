/* What 'lquant calibrate' says of each tensor: a table, JSON, and a plot. */
#ifndef FINDINGS_H
#define FINDINGS_H

#include "aside.h"
#include "plot.h"
#include "ranges.h"
#include "statistics.h"
#include "table.h"

typedef struct findings {
    const lquant_options *o;
    lq_method methods[MOST_METHODS];
    int method_count;
    table table;
    cJSON *json; /* the whole of it; "tensors" grows */
    plot *plot;  /* NULL: none is wanted */
    int64_t tensors, nonfinite, saturated;
} findings;

/* Adds all of them, in the order of their names. */
void findings_collect(findings *f, const lquant_options *o, statistics *s);

/* The table, or the JSON for --json -. */
void findings_print(findings *f);

void findings_free(findings *f);

#endif
