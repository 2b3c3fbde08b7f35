/* How near the quantized tensors came: measured, printed as a table, written as JSON. */
#ifndef REPORT_H
#define REPORT_H

#include "aside.h"
#include "lquant.h"
#include "quantized.h"

typedef struct figures {
    const char *name; /* the file's: not copied */
    const char *type;
    int32_t rank;
    int64_t shape[TF_MAX_RANK];
    int64_t elements;
    int64_t stored; /* bytes: codes, scales and zero points */
    int64_t clipped;
    int64_t nonfinite;
    lq_error error;
} figures;

typedef struct report {
    figures *rows;
    size_t count;
    int64_t bytes_in, bytes_out;
} report;

/*
 * Measures y against x: y is real and `q` is NULL, or it is the codes of `q`, with
 * scale and zero point as views of theirs. Fills error, clipped, nonfinite (pairs
 * that were left out) and the sums.
 */
lq_status measure(figures *f, const lq_tensor *x, const lq_tensor *y, const quantized *q,
                  const lq_tensor *scale, const lq_tensor *zero_point);

/* The table on stdout. */
void report_print(const report *r);

/* The JSON, under a temporary name: the caller commits. NULL with the fault said. */
aside *report_write(const report *r, const char *path, char *message, size_t message_size);

/* An SQNR as it is shown: `out`, of `size` bytes, or a word. */
const char *decibels(double value, char *out, size_t size);

/* A bar on stderr where that is a terminal, else nothing. */
void progress_begin(int64_t bytes);
void progress_add(int64_t bytes);
void progress_end(void);

#endif
