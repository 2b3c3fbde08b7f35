/* How near the quantized tensors came: measured, printed as a table, written as JSON. */
#ifndef REPORT_H
#define REPORT_H

#include "aside.h"
#include "lquant.h"
#include "quantized.h"
#include "sums.h"

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

/* A tensor that the format does not hold, and why not. */
typedef struct kept_tensor {
    const char *name;
    char why[128];
    int ragged;   /* for its rows are no whole number of blocks */
    int left_out; /* not kept either: the file cannot hold it */
} kept_tensor;

typedef struct report {
    figures *rows;
    size_t count;
    kept_tensor *kept;
    size_t kept_count;
    int64_t bytes_in, bytes_out;
} report;

/*
 * Measures y against x: y is real and `q` is NULL, or it is the codes of `q`, with
 * scale and zero point as views of theirs. Fills error, clipped, nonfinite (pairs
 * that were left out) and the sums.
 */
lq_status measure(figures *f, const lq_tensor *x, const lq_tensor *y, const quantized *q,
                  const lq_tensor *scale, const lq_tensor *zero_point);

/*
 * The same for rows of a packing, whose codes are in `parts`: a piece, as packing_piece has it, or
 * all of them by pieces.
 */
lq_status measure_piece(error_sums *sums, const void *x, lq_type type, const packing *p,
                        const void *const parts[MOST_PARTS], int64_t rows);
lq_status measure_packing(figures *f, const void *x, lq_type type, const packing *p,
                          const void *const parts[MOST_PARTS]);
void measure_end(figures *f, const error_sums *sums);

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
