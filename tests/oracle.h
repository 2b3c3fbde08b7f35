/*
 * Quantization a second time, from the rules alone, to hold lquant's files against.
 *
 * Slow and plain on purpose, and it shares no code with the library: reals are decoded
 * and rounded with double arithmetic, blocks are found by dividing indices.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdint.h>

#include "tensor_file.h"

enum { ORACLE_PER_TENSOR, ORACLE_PER_CHANNEL, ORACLE_PER_BLOCK };

typedef struct oracle_scheme {
    int bits; /* of a code: 2, 4, 8, 16 */
    int is_signed;
    int affine;
    const char *scale; /* dtype of the scales */
    int granularity;
    int axis; /* negative counts from the end */
    int64_t block;
} oracle_scheme;

typedef struct oracle_result {
    int64_t elements, blocks;
    int64_t grid[TF_MAX_RANK];
    double *scale; /* of each block */
    int32_t *zero_point;
    int64_t *block_of; /* of each element */
    int32_t *codes;
    double *values; /* what dequantizing gives, in the original type */
    int64_t clipped, nonfinite;
    int64_t pairs; /* of finite values on both sides; the sums are over them */
    long double sum_xx, sum_yy, sum_xy, sum_ee;
    double max_abs_error;
} oracle_result;

void oracle_quantize(const tf_tensor *x, const oracle_scheme *scheme, oracle_result *result);
void oracle_free(oracle_result *result);

/* Element `index` of a tensor of reals (F32, F16, BF16) or integers (I8, U8, I16, U16). */
double oracle_element(const tf_tensor *t, int64_t index);

/* Code `index` of densely packed ones. */
int32_t oracle_packed(const void *data, int bits, int is_signed, int64_t index);

/*
 * The nearest value of a real dtype, ties to even, from the exact value; what is too
 * large becomes infinite.
 */
double oracle_round(double value, const char *dtype);

/* Its largest finite value. */
double oracle_largest(const char *dtype);

/* The figures; NaN or infinite where the interface says so. */
long double oracle_mse(const oracle_result *r);
long double oracle_sqnr_db(const oracle_result *r);
long double oracle_cosine(const oracle_result *r);

#endif
