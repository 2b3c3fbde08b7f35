/*
 * Layouts: in which bytes the parts of a quantized matrix lie. Each is a file in layouts/, or
 * shares one with its kind, and a row in layouts.c.
 */
#ifndef LQ_LAYOUTS_H
#define LQ_LAYOUTS_H

#include "types.h"

/*
 * The parts of a number of records that follow each other, each part contiguous and of the type
 * that the layout's row says; codes one a byte, floats of 4 bits too. Those that the layout does
 * not have are NULL.
 */
typedef struct lq_record_parts {
    unsigned char *codes;
    unsigned char *scale;
    unsigned char *zero;
    unsigned char *super_scale;
    unsigned char *super_zero;
    unsigned char *sum;
} lq_record_parts;

/*
 * Wide elements are little-endian in records, and in the machine's order in parts. Parts to be
 * packed are within the row's limits; sums that are NULL are computed.
 */
typedef void lq_pack_records_fn(const lq_record_parts *from, int64_t records, unsigned char *to);
typedef void lq_unpack_records_fn(const unsigned char *from, int64_t records,
                                  const lq_record_parts *to);

/*
 * Real values to the parts of records, where that is no plain scheme: `x` holds whole records,
 * every value finite or not.
 */
typedef void lq_encode_records_fn(const float *x, int64_t records, const lq_record_parts *to);

/* A matrix of codes of one width in a layout of codes. */
typedef struct lq_code_shape {
    int64_t rows, columns;
    int64_t block; /* elements of a row that fill whole bytes together, where the layout has such */
    int64_t row_bytes;
    int32_t bits;
} lq_code_shape;

/* The bytes of all codes, or -1 where the layout does not hold such a matrix; and of a row, if any. */
typedef int64_t lq_code_bytes_fn(lq_code_shape *shape);

/* Where the lowest bit of a code lies, counted from the lowest bit of the first byte. */
typedef int64_t lq_code_bit_fn(const lq_code_shape *shape, int64_t row, int64_t column);

typedef struct lq_limits {
    int32_t min, max;
} lq_limits;

typedef struct lq_layout_row {
    lq_layout layout;
    const char *name;
    int32_t bits; /* 0: any from 1 to 8 that `code_bytes` takes */
    lq_type code_type;
    /* Layouts of records. */
    int32_t block, record, record_bytes;
    lq_type scale_type, zero_type, super_scale_type, super_zero_type, sum_type;
    int32_t sum_block;
    /* What bytes of these types may hold in a record: integer codes, and those of two levels. */
    lq_limits codes, scales, zeros;
    lq_pack_records_fn *pack;
    lq_unpack_records_fn *unpack;
    lq_encode_records_fn *encode; /* NULL: the profile is the whole rule */
    /* The scheme has the limits of the codes for its range, and code_type where this is 0. */
    lq_profile profile;
    lq_type scheme_type;
    /* Layouts of codes: of the codes, and of zero points (a matrix of rows and blocks). */
    lq_code_bytes_fn *code_bytes, *zero_bytes;
    lq_code_bit_fn *code_bit, *zero_bit;
    int32_t zero_bias; /* added to a zero point before it is packed */
} lq_layout_row;

/* NULL for an unknown layout. */
const lq_layout_row *lq_layout_find(lq_layout layout);

#endif
