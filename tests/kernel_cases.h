/* A case of test_kernels.c: which kernel, on what; and the inputs that matter to it. */
#ifndef KERNEL_CASES_H
#define KERNEL_CASES_H

#include "float_format.h"
#include "guarded.h"
#include "kernels.h"
#include "numeric.h"

enum { INPUT_KINDS = 9 };

static const int real_bytes[] = {4, 2, 2, 8};
static const int width_bits[] = {2, 4, 8, 16, 6};

typedef enum {
    FN_lq_map_fn,
    FN_lq_range_fn,
    FN_lq_count_fn,
    FN_lq_sum_fn,
    FN_lq_product_fn,
    FN_lq_grad_fn,
    FN_lq_tally_fn
} fn_kind;
/* Of the bytes that pack and unpack take, there are no 16-bit ones. */
typedef enum { BY_REAL, BY_NARROW_WIDTH, BY_WIDTH, BY_BOTH, BY_PAIR } shape_kind;

typedef struct kernel_row {
    const char *name;
    fn_kind kind;
    shape_kind shape;
    size_t offset; /* of its pointers in the table */
} kernel_row;

/* One case: which kernel, on what. */
typedef struct situation {
    const kernel_row *row;
    lq_cpu level;
    int real, width; /* of a pair, the width is the index of the second type */
    bool is_signed;
    int64_t count, rows;
    int64_t gap; /* bytes between rows */
    bool streams;
    int inputs; /* which kind */
    float scale[256];
    int32_t zero[256];
    int32_t multiplier[256];
    int32_t shift[256];
    int32_t qmin, qmax;
    bool by_rule;
    lq_element_rule rule;
    float offset[256], center[256], back[256];
    const lq_float_format *format; /* codes that are no integers */
    bool by_table;
    lq_code_table table;
    double limit;
} situation;

static inline bool by_width(const situation *s) {
    return s->row->shape == BY_NARROW_WIDTH || s->row->shape == BY_WIDTH;
}

/* What is read or written on the side of x are accumulators. */
static inline bool has_accumulators(const situation *s) {
    return strncmp(s->row->name, "requantize", 10) == 0 || s->row->kind == FN_lq_product_fn;
}

static inline bool is_lanes(const situation *s) {
    return strstr(s->row->name, "lanes") != NULL;
}

static inline bool reads_codes(const situation *s) {
    return (s->row->kind == FN_lq_map_fn && strncmp(s->row->name, "dequantize", 10) == 0) ||
           s->row->kind == FN_lq_sum_fn || strcmp(s->row->name, "unpack") == 0;
}

/* Writes real values for real values. */
static inline bool is_fake(const situation *s) {
    return strncmp(s->row->name, "fake", 4) == 0 || s->row->kind == FN_lq_grad_fn;
}

/* Takes what lq_map_work says of codes that are no integers. */
static inline bool can_be_coded(const situation *s) {
    const char *name = s->row->name;
    return strncmp(name, "quantize", 8) == 0 || strncmp(name, "dequantize_", 11) == 0 ||
           strcmp(name, "count_runs") == 0 || strcmp(name, "count_lanes") == 0 || is_fake(s);
}

/* Bits of an element of what is not x. */
static inline int codes_bits(const situation *s) {
    if (is_fake(s)) return 8 * real_bytes[s->real];
    return s->row->shape == BY_PAIR ? 8 * real_bytes[s->width] : width_bits[s->width];
}

/* A code range, and parameters within it. */
void choose_parameters(situation *s);

/* Value i of the kind that the situation asks for. */
float input_value(const situation *s, int i);
void fill_inputs(const situation *s, unsigned char *to, int64_t bytes);

/* Whether two tally kernels count `rows` rows from `in` alike, into channels of 1024 bins. */
bool same_tallies(const situation *s, lq_tally_fn *scalar, lq_tally_fn *other,
                  const unsigned char *in, int64_t rows, int64_t step);

#endif
