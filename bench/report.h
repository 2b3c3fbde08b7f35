/* What was measured, as JSON in the layout of Google Benchmark, whose compare.py reads it. */
#ifndef REPORT_H
#define REPORT_H

#include "harness.h"

/* Opens bench_wanted.json, if there is one to write, and begins it; false where it cannot. */
bool report_open(const char *executable);

void report_row(const bench_suite *suite, const bench_row *row);

/* False where something could not be written. */
bool report_close(void);

#endif
