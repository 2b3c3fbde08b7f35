/*
 * Conformance vectors: cases made with other systems. What the tests of each origin share: reading
 * a case, running the library on every level of the machine, comparing bit for bit, and counting.
 */
#ifndef VECTORS_H
#define VECTORS_H

#include <stdint.h>

#include "libquant.h"
#include "tensor_file.h"

enum { ROWS = 64, REASONS = 64, ALLOCATIONS = 512 };

/* Cases of one folder and family. */
struct vector_row {
    char name[80];
    int cases;
    int compared; /* cases with a comparison */
    int comparisons;
    int skipped; /* cases without one */
    int failed;
};

/* Why cases, or parts of them, were not compared. */
struct vector_reason {
    const struct vector_row *row;
    char text[120];
    int whole; /* cases */
    int parts;
};

struct vector_tally {
    struct vector_row rows[ROWS];
    int row_count;
    struct vector_reason reasons[REASONS];
    int reason_count;
    int failures;
};

struct vector_case {
    const char *path;
    tf_file *file;
    const cJSON *meta;
    const char *family;
    struct vector_tally *tally;
    struct vector_row *row;
    int comparisons;
    int skips;
    int failures;
    void *memory[ALLOCATIONS]; /* freed with the case */
    int allocations;
};

/* One row of a dispatch table; without `run`, cases are skipped for the reason. */
struct vector_family {
    const char *name; /* meta.op of ONNX's cases, meta.type of ggml's, else meta.family */
    void (*run)(struct vector_case *c);
    const char *reason;
};

/* Tables end with a row without a name. */
extern const struct vector_family vectors_onnx[], vectors_torch[], vectors_ort[],
    vectors_modelopt[], vectors_ggml[], vectors_mx[];

/* A case is a failure, is skipped, or is not compared in part. */
void vector_fail(struct vector_case *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void vector_skip(struct vector_case *c, const char *reason);
void vector_leave_out(struct vector_case *c, const char *reason);

/* ------------------------------------------------------------------ reading */

const char *text_of(const cJSON *object, const char *key); /* NULL where there is none */
double number_of(const cJSON *object, const char *key, double otherwise);
int truth_of(const cJSON *object, const char *key);
int has_key(const cJSON *object, const char *key); /* and it is not null */

/* A tensor without rank: the array is not in the file. */
int is_there(const lq_tensor *t);

/* Of the file's own type, where libquant has it (F64 and I64 it has not). */
lq_tensor array_of(struct vector_case *c, const char *key);
/* F32 from F32 or F64; F16 stays. */
lq_tensor reals_of(struct vector_case *c, const char *key);
/* S32 from any integers. */
lq_tensor integers_of(struct vector_case *c, const char *key);
/* The bytes of an array as a contiguous tensor of that type and shape. */
lq_tensor view_of(struct vector_case *c, const char *key, const char *suffix, lq_type type,
                  int32_t rank, const int64_t *shape);

int64_t elements_of(const lq_tensor *t);
lq_tensor flat(const lq_tensor *t); /* the same elements as a vector */
void *room_for(struct vector_case *c, int64_t bytes);
lq_tensor empty_like(struct vector_case *c, const lq_tensor *t); /* contiguous, of 0x5a bytes */
lq_tensor floats(struct vector_case *c, int64_t count);
lq_tensor packed_like(struct vector_case *c, const lq_tensor *bytes, lq_type type);
float *f32_at(const lq_tensor *t, int64_t i);
float real_at(const lq_tensor *t, int64_t i); /* F32 or F16 */

/* ---------------------------------------------------------------- comparing */

/* Each runs the call on every level and compares with what is expected. */
void check_quantize(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *x,
                    const lq_tensor *scale, const lq_tensor *zero_point, const lq_tensor *codes);
void check_dequantize(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *codes,
                      const lq_tensor *scale, const lq_tensor *zero_point, const lq_tensor *x);
void check_fake_quantize(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *x,
                         const lq_tensor *scale, const lq_tensor *zero_point, const lq_tensor *y);
/* `axis` has a scale for each index where there are several. */
void check_accumulators(struct vector_case *c, const lq_tensor *acc, const lq_tensor *scale,
                        int32_t axis, const lq_tensor *x);
void check_pack(struct vector_case *c, const lq_tensor *bytes, const lq_tensor *packed);
void check_convert(struct vector_case *c, const lq_tensor *x, lq_overflow overflow,
                   const lq_tensor *y);
void check_calibrate(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *x,
                     const lq_tensor *scale, const lq_tensor *zero_point);
void check_choose(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *lo,
                  const lq_tensor *hi, const lq_tensor *scale, const lq_tensor *zero_point);
void check_dynamic(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *x,
                   const lq_tensor *codes, const lq_tensor *scale, const lq_tensor *zero_point);

/* What an observer knew after the last of batches[0], batches[1], ... */
struct vector_observed {
    lq_tensor batches;
    int32_t axis;      /* of a batch; -1: one range for all of it */
    float averaging;   /* of a moving average; 0: the range of all batches */
    lq_tensor history; /* low and high after each, or not there */
    lq_tensor lo, hi, scale, zero_point;
};

/* Through a calibrator; ranges after every batch, parameters after the last. */
void check_observed(struct vector_case *c, const lq_scheme *scheme,
                    const struct vector_observed *o);

/* Counts are integers, edges F32; `min` and `max` are left 0. */
int histogram_of(struct vector_case *c, const char *counts, const char *edges, lq_histogram *h);
/* Of F32 counts, between edges that lie evenly from lo to hi. */
void even_histogram(struct vector_case *c, const lq_tensor *counts, float lo, float hi,
                    lq_histogram *h);
/* The range that every level finds; 0 and a failure where one is refused or they differ. */
int find_range(struct vector_case *c, const lq_histogram *h, const lq_calibration *calibration,
               const lq_scheme *scheme, float *lo, float *hi);

/* Calls `run` once for every level that the machine has, with that level in use. */
enum { LEVELS = 4 };
extern const lq_cpu vector_levels[LEVELS];

#endif
