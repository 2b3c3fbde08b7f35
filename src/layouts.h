/*
 * Layouts: in which bytes the parts of a quantized matrix lie. Each is a file in layouts/, or
 * shares one with its kind, and a row in layouts.c.
 */
#ifndef LQ_LAYOUTS_H
#define LQ_LAYOUTS_H

#include "kernels.h"

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
 * packed are within the row's limits; sums that are NULL are computed. Codes of a byte each, or to
 * be unpacked codes in halves, that are NULL are, or stay, in the records; so do, with codes of a byte
 * each, scales to be packed, in the machine's order.
 */
typedef void lq_pack_records_fn(const lq_record_parts *from, int64_t records, unsigned char *to);
typedef void lq_unpack_records_fn(const unsigned char *from, int64_t records,
                                  const lq_record_parts *to);

/*
 * Real values to the parts of records, where that is no plain scheme: `x` holds whole records,
 * every value finite or NaN.
 */
typedef void lq_encode_records_fn(const lq_kernels *kernels, const float *x, int64_t records,
                                  const lq_record_parts *to);

/* A matrix of fields of one width, which hold codes or zero points, in a layout of codes. */
typedef struct lq_field_shape {
    int64_t rows, columns;
    int64_t block; /* elements of a row that share a scale */
    int32_t bits;
    /* From here on what `measure` finds. */
    int32_t unit_rows, unit_columns; /* tiles begin at multiples of these */
    int32_t tile_rows;               /* of tiles that go well with memory */
    bool overlapping;                /* tiles share bytes, so that one task must write all */
    int64_t row_bytes;               /* of a row; 0 where rows are not apart */
    int64_t row_step;                /* from row to row, which a view may say, too */
    int64_t bytes;                   /* of all */
} lq_field_shape;

/* Whether there is such a matrix. Rows times columns, or times a block, is far from overflow. */
typedef bool lq_measure_fields_fn(lq_field_shape *shape);

/* A part of such a matrix, with one field a byte. */
typedef struct lq_field_tile {
    int64_t row, column;
    int64_t rows, columns; /* any up to the end of the matrix, else multiples of the units */
    unsigned char *codes;
    int64_t step; /* from row to row */
} lq_field_tile;

/* Packing writes the padding behind the last row or column, too. Words are little-endian. */
typedef void lq_pack_fields_fn(const lq_field_shape *shape, const lq_field_tile *from,
                               unsigned char *to);
typedef void lq_unpack_fields_fn(const lq_field_shape *shape, const unsigned char *from,
                                 const lq_field_tile *to);

/* How a layout of codes lays out fields. */
typedef struct lq_fields {
    lq_measure_fields_fn *measure;
    lq_pack_fields_fn *pack;
    lq_unpack_fields_fn *unpack;
} lq_fields;

/* What scales of a byte each stand for. */
typedef void lq_scale_values_fn(const unsigned char *scales, int64_t n, float *to);

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
    int32_t codes_at;  /* where codes of a byte each begin in a record of one block,
                          which begins with its scale; else 0 */
    int32_t halves_at; /* where codes in halves do (layouts/bytes.h), with what is added to them */
    lq_type scale_type, zero_type, super_scale_type, super_zero_type, sum_type;
    int32_t sum_block;
    /* What bytes of these types may hold in a record: integer codes, and those of two levels. */
    lq_limits codes, scales, zeros;
    lq_pack_records_fn *pack;
    lq_unpack_records_fn *unpack;
    lq_encode_records_fn *encode; /* NULL: the profile is the whole rule */
    /* What codes and scales stand for in lq_decode, where that is not as their types have it. */
    const lq_code_table *values;
    lq_scale_values_fn *scale_values;
    /* The scheme has the limits of the codes for its range, and code_type where this is 0. */
    lq_profile profile;
    lq_type scheme_type;
    /* Layouts of codes: how codes lie, and zero points, of which there is one for each block. */
    const lq_fields *fields, *zero_fields;
    int32_t zero_bias; /* added to a zero point before it is packed; the sum wraps */
} lq_layout_row;

/* NULL for an unknown layout. */
const lq_layout_row *lq_layout_find(lq_layout layout);

/* The own scheme of a layout of records. */
lq_status lq_row_scheme(const lq_layout_row *row, lq_scheme *scheme);

#endif
