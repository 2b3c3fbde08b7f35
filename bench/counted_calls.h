/* The public calls whose instructions are counted: one row for each kernel that matters. */
#ifndef COUNTED_CALLS_H
#define COUNTED_CALLS_H

#include "libquant.h"
#include <stdbool.h>

typedef struct counted_row {
    enum {
        QUANTIZE,
        DEQUANTIZE,
        FAKE,
        DYNAMIC,
        RANGE,
        OBSERVE,
        CONVERT,
        ENCODE,
        DECODE,
        PACK,
        UNPACK
    } operation;
    lq_type from, to;   /* QUANTIZE, FAKE and DYNAMIC: the values' and the codes' */
    int32_t block;      /* along a row, or one of those below */
    lq_profile profile; /* whose rule; 0: libquant's own */
    lq_layout layout;   /* of ENCODE and DECODE */
} counted_row;

enum { PER_TENSOR = 0, PER_ROW = -1, PER_LANE = -2 };

extern const counted_row counted_rows[];
extern const int counted_row_count;

/* The name of a row, to be found in a table. */
void counted_name(const counted_row *row, char *name, size_t size);

/* The least elements that this call takes, which are what it takes at any rate. */
int64_t counted_unit(const counted_row *row);

typedef struct counted_call {
    const counted_row *row;
    lq_tensor x, codes, result, scale, zero, bytes;
    lq_scheme scheme;
    lq_packed packed;
    lq_calibrator *calibrator;
    bool has_zero; /* points */
} counted_call;

/* On elements of its own, a multiple of the unit; never given back. Ends the program on a fault. */
counted_call counted_make(const counted_row *row, int64_t elements);
void counted_run(const counted_call *call);

#endif
