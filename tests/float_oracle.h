/*
 * What a conversion between binary floating-point formats must give, from the bits by integer
 * arithmetic alone. Shares nothing with the library.
 */
#ifndef FLOAT_ORACLE_H
#define FLOAT_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct float_format {
    const char *name;
    int bits;
    int fraction; /* bits of the fraction; the sign takes one, the exponent the others */
} float_format;

/* f32, f16, bf16 and f64, in the order of the library's tables. */
enum { FLOAT_FORMATS = 4 };
extern const float_format float_formats[FLOAT_FORMATS];

typedef struct float_counts {
    int64_t nan, infinite, overflowed, underflowed;
} float_counts;

/* The bits of positive infinity; a NaN has more without its sign. */
uint64_t float_infinity(const float_format *format);

/* One rounding to nearest even; NaN quiet with its upper bits. `counts` (may be NULL) is added to. */
uint64_t float_convert(uint64_t bits, const float_format *from, const float_format *to,
                       bool saturate, float_counts *counts);

/*
 * Halfway from the magnitude with these bits in a narrow format to the next one up, as bits of a
 * wider format. The one above the largest finite magnitude is what it would be without infinity.
 */
uint64_t float_midpoint(uint64_t magnitude, const float_format *narrow, const float_format *wide);

/* Element i of memory without alignment. */
uint64_t float_get(const void *data, const float_format *format, int64_t i);
void float_put(void *data, const float_format *format, int64_t i, uint64_t bits);

#endif
