/*
 * Kernels: the loops over contiguous elements, one table of them for each instruction set.
 *
 * Kernels know runs and lanes, nothing of shapes. A call handles `rows` rows of `count`
 * contiguous elements. In a run all elements of a row share one scale and zero point; in lanes
 * element i of every row has scale[i] and zero[i].
 */
#ifndef LQ_KERNELS_H
#define LQ_KERNELS_H

#include "numeric.h"
#include "types.h"

/*
 * Real values <-> codes; or real values -> the values of their codes, or those of another real type,
 * which then are in `codes`.
 * Rows of codes below 8 bits are whole bytes and begin at one.
 */
typedef struct lq_map_work {
    unsigned char *x;
    unsigned char *codes;
    int64_t count;
    int64_t rows;
    int64_t x_step;      /* bytes from row to row */
    int64_t codes_step;  /* bytes from row to row */
    const float *scale;  /* NULL, for counts: no clipping to be counted */
    const int32_t *zero; /* within [qmin, qmax] */
    int64_t param_step;  /* runs: parameters from row to row, 0 or 1 */
    int32_t qmin, qmax;
    uint32_t sign; /* the sign bit of a signed code type, else 0 */
    /*
     * NULL: codes as lq_quantize_one has them, values as lq_dequantize_one. Otherwise codes are as in
     * lq_quantize_by, with an offset beside every scale; and a code q has the value
     * (q - center) * back, or / back. Back to values, these two are what scale and offset hold.
     * With rule->minimum, center is the value of code 0, and codes and counts need it, too.
     */
    const lq_element_rule *rule;
    const float *offset;
    const float *center, *back; /* values of codes, and center of minimums; else NULL or unused */
    /*
     * Codes that are no integers: floats of `format`, or those of a table. Then there is a rule,
     * zeros and offsets are not looked at, and without rule->minimum centers are 0. qmin and qmax
     * do not matter.
     */
    const lq_float_format *format;
    const lq_code_table *table;
    double limit; /* convert: magnitudes above it become it; infinite for none */
    /*
     * What is written may go past the caches: rows of it begin at a line of theirs (LQ_LINE) and are
     * a multiple of one long. Whoever says so calls lq_end_stores before other threads may look.
     */
    bool streams;
    /*
     * Bytes from x on to what will be read next, which may be fetched by then, as the lines of its
     * codes may; 0 for nothing.
     */
    int64_t ahead;
    /* Codes in halves: what they have added, and whether fifth bits come before them. */
    int32_t middle;
    bool fifths;
    /* Fixed-point requantization, instead of scale: multipliers from 0, shifts in [-31, 30]. */
    const int32_t *multiplier;
    const int32_t *shift;
} lq_map_work;

/* Adds codes up. The sign is that of lq_map_work. */
typedef struct lq_sum_work {
    const unsigned char *codes;
    int64_t count;
    int64_t rows;
    int64_t codes_step; /* bytes from row to row */
    uint32_t sign;
    int64_t *sum;     /* runs: one a row; lanes: one a lane; added to */
    int64_t sum_step; /* runs: sums from row to row, 0 or 1 */
} lq_sum_work;

/*
 * A part of one row of accumulators to real values: with a = acc - row_zero * column_sum +
 * column_zero * cross, x = a * (row_scale * column_scale) + bias. Column arrays may be NULL.
 */
typedef struct lq_product_work {
    const unsigned char *acc; /* int32 */
    unsigned char *x;
    int64_t count;
    float row_scale;
    const float *column_scale; /* never NULL */
    int64_t row_zero;
    const int32_t *column_sum; /* NULL: no row_zero */
    int64_t cross;             /* depth * row_zero - row_sum */
    const int32_t *column_zero;
    const float *bias;
} lq_product_work;

/* Widens [lo, hi] to the finite values met. Zeros may come with either sign. */
typedef struct lq_range_work {
    const unsigned char *x;
    int64_t count;
    int64_t rows;
    int64_t x_step;
    float *lo, *hi;     /* runs: one a row; lanes: one a lane */
    int64_t range_step; /* runs: ranges from row to row, 0 or 1 */
    bool magnitudes;    /* runs: [-m, m] will do, with m the largest finite magnitude */
} lq_range_work;

/*
 * The bin of a value in a calibrator's histogram is the upper bits of its key. That is the float
 * itself, but all NaN share one, and zeros have one of the bins that are then left over.
 */
#define LQ_BITS_OF_NAN 0x7fc00000u
#define LQ_BITS_OF_ZERO 0xffc00000u

/*
 * Adds values to the histograms of a calibrator (calibrator.h) and widens [lo, hi]. In a run a row
 * is of one channel, in lanes element i of every row is of channel i.
 */
typedef struct lq_tally_work {
    const unsigned char *x;
    int64_t count;
    int64_t rows;
    int64_t x_step;
    int64_t channel_step; /* runs: from row to row, 0 or 1 */
    float *lo, *hi;       /* by channel */
    uint32_t *low_bits;   /* by channel; only those below `shift` mean anything */
    uint32_t *counters;   /* two for each bin, `bins` bins for each channel */
    uint64_t *sums;       /* of the bits below `shift`, one for each bin; or NULL */
    int64_t bins;
    int shift;
} lq_tally_work;

typedef struct lq_counts {
    int64_t nan, infinite, clipped, overflowed, underflowed;
} lq_counts;

enum { LQ_SUM_EE, LQ_SUM_XX, LQ_SUM_YY, LQ_SUM_XY, LQ_SUMS, LQ_PIECE = 512 };

/* Of one piece of up to LQ_PIECE pairs. */
typedef struct lq_error_sums {
    double sum[LQ_SUMS];
    double max;
    int64_t nonfinite;
} lq_error_sums;

/*
 * Gradients of values of codes. In a run the elements, row after row, are a part of one block's; in
 * lanes element i of every row belongs to block i, as everywhere. Without sums there are none.
 */
typedef struct lq_grad_work {
    const unsigned char *x, *grad_y;
    unsigned char *grad_x; /* or NULL; may be either of the two */
    int64_t count, rows;
    int64_t x_step, grad_y_step, grad_x_step; /* bytes from row to row */
    const lq_element_rule *rule;              /* never NULL: the plain rule is one */
    const lq_float_format *format;            /* as in lq_map_work */
    const lq_code_table *table;
    const float *scale, *offset, *center, *back;
    const int32_t *zero;
    int32_t qmin, qmax;
    /* What y - x is multiplied by inside the range, and n - z outside. */
    const double *inside, *outside;
    /*
     * Runs: LQ_GRAD_SUMS sums each, the element goes to that of its index from `first` on, modulo
     * their number. Lanes: one for each lane.
     */
    double *scale_sum, *zero_sum;
    int64_t first;
} lq_grad_work;

enum { LQ_GRAD_SUMS = 8 };

/*
 * Values of a histogram, some at points, some spread evenly from low to high (above it), each with
 * a weight; the arrays filled up with weights of 0 to multiples of 8. `error` is added to.
 */
typedef struct lq_expectation {
    const double *point, *point_weight;
    int64_t points;
    const double *low, *high, *span_weight;
    int64_t spans;
    const double *scale, *center; /* of each candidate; no scale is 0 */
    double *error;
    int64_t candidates;
    double code_min, code_max;
} lq_expectation;

/* What is divided by the steps to give a scale. */
typedef enum { LQ_FROM_ABSMAX, LQ_FROM_EXTREME, LQ_FROM_RANGE } lq_numerator;
/* How a scale is rounded: to nearest of a real type, or LQ_SCALE_EXPONENT_FLOOR, or as ggml does. */
typedef enum {
    LQ_SCALES_F32,
    LQ_SCALES_F16,
    LQ_SCALES_BF16,
    LQ_SCALES_EXPONENT,
    LQ_SCALES_UE4M3
} lq_scales_as;

/* Scales of many blocks by the commonest of the rules that choose.h has. */
typedef struct lq_choose_work {
    const float *lo, *hi;              /* lo > hi: nothing finite */
    const signed char *negative_first; /* below 0 where -absmax comes before +absmax */
    float *stored, *used;
    float *low; /* the low end of the range as the rule takes it, where its numerator needs one */
    int64_t n;
    lq_numerator numerator;
    lq_scales_as as;
    bool with_zero;   /* ranges are widened to contain 0 */
    bool in_float;    /* the quotient is rounded to float32 first */
    bool unrounded;   /* the scale used is not the one stored */
    bool zero_scales; /* a scale may be 0; else it is 1 then */
    bool multiplier;  /* what is used is no scale, but steps over the numerator */
    double steps;
    /* LQ_SCALES_EXPONENT */
    int32_t exponent; /* of the largest value of a code, at least 0 */
    float empty;      /* the scale of a block of zeros */
    float factor;     /* used / stored */
} lq_choose_work;

/* Where numbers of rows go, `step` bytes from one to the next; magnitudes above `largest` become it. */
typedef struct lq_store_work {
    unsigned char *to; /* or NULL: nowhere */
    int64_t step;
    lq_real real;
    float largest;
} lq_store_work;

/*
 * Rows of floats to codes of 4 or 8 bits by scales chosen for them: choose, which is in_float and
 * for f32 or f16, and then map. All rows have the zero point and the offset of the first; the arrays
 * of rows that choose and map have else do not matter.
 */
typedef struct lq_block_work {
    lq_map_work map;
    lq_choose_work choose;
    lq_store_work scales, minimums;
    bool inverts;     /* codes are multiplied by the inverse of the scale that is used */
    bool lower_first; /* of opposite ends that both are extreme, the lower one counts */
} lq_block_work;

/* So many rows at a time, and no fewer. */
enum { LQ_BLOCK_ROWS = 64 };

/* Returns how many of the first rows are done: all but the last few, or none that gain nothing. */
typedef int64_t lq_block_fn(const lq_block_work *work, lq_width width);
typedef void lq_choose_fn(const lq_choose_work *work);
typedef void lq_map_fn(const lq_map_work *work);
typedef void lq_grad_fn(const lq_grad_work *work);
typedef void lq_range_fn(const lq_range_work *work);
typedef void lq_tally_fn(const lq_tally_work *work);
typedef void lq_count_fn(const lq_map_work *work, lq_counts *counts);
typedef void lq_sum_fn(const lq_sum_work *work);
typedef void lq_product_fn(const lq_product_work *work);
typedef void lq_expect_fn(const lq_expectation *expectation);
typedef void lq_error_fn(const float *x, const float *y, int64_t n, lq_error_sums *sums);

/*
 * Whether all of `n` scales times `factor` are finite and above 0, which they may be without their
 * signs, or at least 0. False may mean -0, too.
 */
typedef bool lq_scales_fn(const float *scale, int64_t n, float factor, bool negatives, bool zeros);

/* lq_gather_panel and lq_scatter_panel. */
struct lq_panel;
typedef void lq_gather_fn(void *buffer, const void *data, int size, const struct lq_panel *panel);
typedef void lq_scatter_fn(const void *buffer, void *data, int size, const struct lq_panel *panel);

/*
 * The list of kernels. REAL rows exist for each real type, CODE rows for each code width up to 8
 * bits, 6 among them, WIDTH rows for each other width, REAL_CODE rows for each pair, REAL_REAL
 * rows for each pair of real types, double among them. From it come the table, every level's
 * instances and the tests.
 */
#define LQ_KERNEL_LIST(REAL, CODE, WIDTH, REAL_CODE, REAL_REAL)                                    \
    REAL(range_runs, lq_range_fn)                                                                  \
    REAL(range_lanes, lq_range_fn)                                                                 \
    REAL(tally_runs, lq_tally_fn)                                                                  \
    REAL(tally_lanes, lq_tally_fn)                                                                 \
    REAL(count_runs, lq_count_fn)                                                                  \
    REAL(count_lanes, lq_count_fn)                                                                 \
    REAL(fake_runs, lq_map_fn)                                                                     \
    REAL(fake_lanes, lq_map_fn)                                                                    \
    REAL(grad_runs, lq_grad_fn)                                                                    \
    REAL(grad_lanes, lq_grad_fn)                                                                   \
    CODE(pack, lq_map_fn)                                                                          \
    CODE(unpack, lq_map_fn)                                                                        \
    REAL(dequantize_products, lq_product_fn)                                                       \
    WIDTH(sum_runs, lq_sum_fn)                                                                     \
    WIDTH(sum_lanes, lq_sum_fn)                                                                    \
    WIDTH(requantize_float_runs, lq_map_fn)                                                        \
    WIDTH(requantize_float_lanes, lq_map_fn)                                                       \
    WIDTH(requantize_onnx_runs, lq_map_fn)                                                         \
    WIDTH(requantize_onnx_lanes, lq_map_fn)                                                        \
    WIDTH(requantize_double_runs, lq_map_fn)                                                       \
    WIDTH(requantize_double_lanes, lq_map_fn)                                                      \
    WIDTH(requantize_single_runs, lq_map_fn)                                                       \
    WIDTH(requantize_single_lanes, lq_map_fn)                                                      \
    REAL_CODE(quantize_runs, lq_map_fn)                                                            \
    REAL_CODE(quantize_lanes, lq_map_fn)                                                           \
    REAL_CODE(dequantize_runs, lq_map_fn)                                                          \
    REAL_CODE(dequantize_lanes, lq_map_fn)                                                         \
    REAL_REAL(convert, lq_map_fn)                                                                  \
    REAL_REAL(count_convert, lq_count_fn)

#define LQ_FIELD_REAL(name, fn) fn *name[LQ_REALS];
#define LQ_FIELD_CODE(name, fn) fn *name[LQ_WIDTHS + 1];
#define LQ_FIELD_WIDTH(name, fn) fn *name[LQ_WIDTHS];
#define LQ_FIELD_REAL_CODE(name, fn) fn *name[LQ_REALS][LQ_WIDTHS];
#define LQ_FIELD_REAL_REAL(name, fn) fn *name[LQ_FLOATS][LQ_FLOATS];

typedef struct lq_kernels {
    LQ_KERNEL_LIST(LQ_FIELD_REAL, LQ_FIELD_CODE, LQ_FIELD_WIDTH, LQ_FIELD_REAL_CODE,
                   LQ_FIELD_REAL_REAL)
    lq_error_fn *error_sums;
    lq_expect_fn *expected_errors;
    lq_choose_fn *choose_scales;
    lq_scales_fn *are_scales;
    lq_gather_fn *gather_panel;
    lq_scatter_fn *scatter_panel;
    lq_block_fn *quantize_blocks;
    /*
     * Rows of LQ_HALVES codes in halves (layouts/bytes.h), `sign` and `count` of no matter, to reals
     * whose rows have no gaps.
     */
    lq_map_fn *dequantize_halves[LQ_REALS];
} lq_kernels;

/* The table in use; NULL where LIBQUANT_CPU asked for a level that this machine cannot have. */
const lq_kernels *lq_kernels_active(void);

/* The table of a level, or NULL where build or machine lack it. For tests and benches too. */
const lq_kernels *lq_kernels_of(lq_cpu level);

/* Bytes of a line of the caches. */
enum { LQ_LINE = 64 };

/* Whether AVX2's stores by masks take no longer than those of single elements. */
bool lq_masked_stores(void);

/*
 * How many bytes an output may have and still be stored through the caches: what the last of them
 * holds, or SIZE_MAX where that is unknown, or where stores past them are not known to gain.
 */
size_t lq_stream_above(void);

/* Another number instead, or 0 for the same again. For tests. */
void lq_set_stream_above(size_t bytes);

/* Stores past the caches become visible in the order that other stores have anyway. */
void lq_end_stores(void);

#endif
