/* Quantized matrices as packing sees them: where codes and parameters lie, whatever holds them. */
#ifndef LQ_PACKED_H
#define LQ_PACKED_H

#include "call.h"
#include "layouts.h"

typedef enum {
    LQ_PART_SCALE,
    LQ_PART_ZERO,
    LQ_PART_SUPER_SCALE,
    LQ_PART_SUPER_ZERO,
    LQ_PART_SUM,
    LQ_PARTS
} lq_part;

/* A matrix of elements in a tensor. */
typedef struct lq_values {
    const lq_type_info *type; /* NULL: there are none */
    unsigned char *data;      /* NULL: they are in records */
    int64_t at, row_step, step;
} lq_values;

typedef enum {
    LQ_PLANE_NONE,
    LQ_PLANE_TENSOR,
    LQ_PLANE_FIELDS,
    LQ_PLANE_RECORDS,
    LQ_PLANE_MIDDLE /* zero points that are not there */
} lq_plane_kind;

/*
 * A matrix of codes or of integer zero points, in bytes once it is read. Whatever the type, there is
 * a number u from 0 up: fields hold it modulo their range with something added, other bytes hold
 * low + u. In two planes those u stand for the same that are as far from their anchors.
 */
typedef struct lq_plane {
    lq_plane_kind kind;
    bool wraps;     /* a byte is (u + bias) mod levels */
    int32_t bias;   /* where it wraps */
    int32_t low;    /* where it does not */
    int32_t levels; /* of u, from 0; of bytes of tensors more may occur */
    int32_t anchor;
    lq_values values;        /* of a tensor */
    const lq_fields *fields; /* of fields */
    lq_field_shape shape;
    unsigned char *bytes;
} lq_plane;

/* What codes mean, as far as layouts know. */
typedef enum {
    LQ_MEANS_ANY,
    LQ_MEANS_INTEGERS, /* around a middle */
    LQ_MEANS_STEPS,    /* above a minimum */
    LQ_MEANS_TABLE,
    LQ_MEANS_FLOATS
} lq_meaning;

/* A matrix, packed or in parts. */
typedef struct lq_side {
    const lq_layout_row *layout; /* NULL: parts */
    int64_t rows, columns;
    int64_t block, blocks; /* of scales: elements, and how many a row has */
    int32_t bits;
    lq_meaning meaning;
    lq_type code_type; /* of floats, and of codes whose type was said */
    lq_plane codes, zeros;
    lq_values part[LQ_PARTS]; /* beside integer zero points of layouts of codes */
    unsigned char *bytes;     /* records */
    int64_t row_step;         /* of those */
} lq_side;

/* The tensors of a call, for the question which share memory. */
typedef struct lq_tensors {
    int count;
    struct {
        const lq_tensor *tensor;
        lq_span span;
        int position;
        bool output;
    } of[12];
} lq_tensors;

/* Geometry and tensors. */
lq_status lq_check_packed(const lq_packed *packed, int position, bool output, lq_side *side,
                          lq_tensors *tensors);
/* Parts that go with a packed matrix of a checked geometry. */
lq_status lq_check_parts(const lq_parts *parts, int position, bool output, lq_side *packed,
                         lq_side *side, lq_tensors *tensors);
/* A matrix, or a vector where there is one row. */
lq_status lq_take_matrix(const lq_tensor *tensor, int position, bool output, int64_t rows,
                         int64_t columns, lq_status other_shape, lq_values *values,
                         lq_tensors *tensors);
/* The types of scales of layouts of codes. */
bool lq_is_scale(const lq_type_info *type);
/* That no output shares memory with anything else; `position` is that of the output. */
lq_status lq_check_apart(const lq_tensors *tensors, int *position);

/* How many elements of a row share an element of a part of records. */
int64_t lq_part_span(const lq_layout_row *layout, lq_part part);
lq_type lq_part_type(const lq_layout_row *layout, lq_part part);

/*
 * All of one side to the other, which have the same geometry; nothing where something of the one
 * has no equal in the other.
 */
lq_status lq_move(lq_call *call, const lq_side *from, const lq_side *to, int from_position);

/* ------------------------------------------------------------------ elements */

/* Codes, one a byte, of a row of a tensor of any code type; wider ones by their lowest byte. */
void lq_read_codes(const lq_values *from, int64_t row, int64_t column, int64_t n,
                   unsigned char *to);
/* Wider elements are signed where `is_signed`. */
void lq_write_codes(const unsigned char *from, int64_t n, bool is_signed, const lq_values *to,
                    int64_t row, int64_t column);

/* The value of an element of a real type, a float of 8 bits or an exponent. */
float lq_load_value(lq_type type, const unsigned char *from);

/* `n` elements of each of some rows, from the first on. */
void lq_copy_values(const lq_values *from, const lq_values *to, int64_t rows, int64_t n);
/* The first element of one row that has no equal in another type, or -1. */
int64_t lq_first_inexact(const lq_values *from, int64_t row, int64_t n, lq_type to);

#endif
