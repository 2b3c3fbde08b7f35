/*
 * Where the bits of codes and zero points lie in each layout of codes, one bit at a time: an oracle
 * that shares nothing with the library but its public types.
 */
#ifndef LAYOUT_ORACLE_H
#define LAYOUT_ORACLE_H

#include <stdint.h>

#include "libquant.h"

/* A matrix and its layout; `block` is what lq_packed's is, but never 0. */
struct layout_case {
    lq_layout layout;
    int bits;
    int64_t rows, columns, block;
};

/* 1 where the layout holds such a matrix, and such zero points. */
int layout_holds(const struct layout_case *c);
int layout_holds_zeros(const struct layout_case *c);

int64_t layout_blocks(const struct layout_case *c);

/* Bytes of all codes and of all zero points; of a row, or 0 where the layout has none. */
int64_t layout_bytes(const struct layout_case *c);
int64_t layout_zero_bytes(const struct layout_case *c);
int64_t layout_row_bytes(const struct layout_case *c);

/* Where bit k of a code or of a zero point lies, counted from the lowest bit of the first byte. */
int64_t layout_bit(const struct layout_case *c, int64_t row, int64_t column, int k);
int64_t layout_zero_bit(const struct layout_case *c, int64_t row, int64_t block, int k);

/* Sets all fields to `value(context, row, column)`, everything else to 0. Rows `distance` apart. */
typedef uint32_t field_fn(const void *context, int64_t row, int64_t column);
void layout_fill(const struct layout_case *c, int zeros, field_fn *value, const void *context,
                 uint8_t *bytes, int64_t distance);

#endif
