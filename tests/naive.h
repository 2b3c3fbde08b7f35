/*
 * An oracle for the tests: the rules of libquant.h, one element at a time, with nothing shared with
 * the library but its public types. Slow and simple on purpose: every position is computed from
 * its indices, every rounding is decided by comparisons in double.
 *
 * Arguments are assumed valid. Inputs and outputs may not share memory here; a test of in-place
 * calls gives the oracle a copy of the input.
 */
#ifndef NAIVE_H
#define NAIVE_H

#include <stdint.h>

#include "libquant.h"

/* What a report counts. */
struct naive_counts {
    int64_t nan;
    int64_t infinite;
    int64_t clipped;
};

/* The code range and the constants of a scheme. */
struct naive_codes {
    int32_t qmin; /* as the scheme says, before the mapping narrows it */
    int32_t qmax;
    int32_t low; /* what codes are clamped to */
    int32_t high;
    int32_t z0;
    int32_t limit; /* L; may be below 1 */
};

/* Types. */
int naive_bits(lq_type type);
int naive_is_signed(lq_type type);
int naive_is_real(lq_type type);
int32_t naive_type_min(lq_type type);
int32_t naive_type_max(lq_type type);

/* Numbers. naive_narrow rounds a double once, straight to the bits of a real type. */
double naive_even(double value);
uint32_t naive_narrow(lq_type type, double value);
float naive_widen(lq_type type, uint32_t bits);
int32_t naive_quantum(float x, float scale, int32_t zero_point, int32_t low, int32_t high,
                      struct naive_counts *counts);
/* The same by a scheme's switches but for LQ_QUOTIENT_MULTIPLIER. */
int32_t naive_code(const lq_scheme *scheme, float x, float scale, int32_t z,
                   const struct naive_codes *c, struct naive_counts *counts);
uint32_t naive_real(int32_t code, int32_t zero_point, float scale, lq_type type);

/* Views. An index is row-major; a position counts elements from data. */
int64_t naive_count(const lq_tensor *t);
int64_t naive_position(const lq_tensor *t, int64_t index);
uint32_t naive_get_bits(const lq_tensor *t, int64_t index);
void naive_set_bits(const lq_tensor *t, int64_t index, uint32_t bits);
float naive_get_real(const lq_tensor *t, int64_t index);
void naive_set_real(const lq_tensor *t, int64_t index, double value);
int32_t naive_get_code(const lq_tensor *t, int64_t index);
void naive_set_code(const lq_tensor *t, int64_t index, int32_t code);
int naive_is_dense(const lq_tensor *t);
void naive_clear_tail(const lq_tensor *t);

/* Schemes. */
void naive_codes_of(const lq_scheme *scheme, struct naive_codes *codes);
int naive_has_room(const lq_scheme *scheme);
int64_t naive_extent(const lq_tensor *x, const lq_block *block, int32_t i); /* 0: whole axis */
int64_t naive_grid(const lq_tensor *x, const lq_block *block, int64_t grid[LQ_MAX_RANK]);
int64_t naive_block_of(const lq_tensor *x, const lq_block *block, int64_t index);
void naive_parameters(const lq_scheme *scheme, double lo, double hi, double v, lq_type scale_type,
                      uint32_t *scale_bits, int32_t *zero_point);

/* Operations. zero_point may be NULL; counts are added to. */
void naive_calibrate(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                     const lq_tensor *zero_point, struct naive_counts *counts);
void naive_quantize(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                    const lq_tensor *zero_point, const lq_tensor *codes,
                    struct naive_counts *counts);
void naive_dequantize(const lq_tensor *codes, const lq_scheme *scheme, const lq_tensor *scale,
                      const lq_tensor *zero_point, const lq_tensor *x);
void naive_copy_codes(const lq_tensor *from, const lq_tensor *to);

/* `scheme` NULL: y is real. Sums are in long double, so they agree with the library's to rounding. */
void naive_measure(const lq_tensor *x, const lq_tensor *y, const lq_scheme *scheme,
                   const lq_tensor *scale, const lq_tensor *zero_point, lq_error *error);

#endif
