/* A call in progress: what the visits of a walk share. */
#ifndef LQ_JOB_H
#define LQ_JOB_H

#include "call.h"
#include "map.h"

/* What a job turns its elements into. */
typedef enum { LQ_TO_CODES, LQ_TO_REALS, LQ_TO_FAKES } lq_purpose;

/* What lq_fake_quantize_grad shares among its visits. */
typedef struct lq_gradient lq_gradient;

typedef struct lq_job {
    const lq_call *call;
    lq_map map;
    lq_counts counts;
    lq_purpose purpose;
    bool quantizes;              /* calibrated blocks are quantized at once */
    bool magnitudes;             /* the rule asks for no more of ranges */
    bool chosen;                 /* the one block's parameters are there, ready for use */
    bool maps;                   /* visits turn x into codes, or back */
    bool stages;                 /* they may have blocks in a buffer (lq_each_staged) */
    const lq_gradient *gradient; /* or NULL */
    lq_calibrator *calibrator;   /* that observes, or NULL */
    double slice[2]; /* the sums of a slice of the one block, for scale and zero point */
    /* Of the batch at hand. */
    lq_parameters parameters;
    union {
        struct {
            float lo[LQ_BATCH];
            float hi[LQ_BATCH];
        };
        int64_t sum[LQ_BATCH];
    };
    signed char first[LQ_BATCH]; /* sign of the first value of largest magnitude */
} lq_job;

void lq_start_job(lq_job *job, const lq_call *call, lq_purpose purpose);

/*
 * The values of scales and zero points that the call reads are checked; those of a run are there
 * then, and not loaded again.
 */
lq_status lq_take_parameters(const lq_arguments *arguments, lq_job *job);

/* For calls without parameters, which fill in what the map is between. */
void lq_start_plain_job(lq_job *job, const lq_call *call);

/* A job for a part of the same work, with nothing counted yet. */
void lq_copy_job(lq_job *copy, const lq_job *job);

/* Codes from x, or x from codes, all of it. */
lq_status lq_map_all(lq_job *job);
/* The same with a visit that gets each batch ready and maps it. */
lq_status lq_map_with(lq_job *job, lq_batch_fn *visit);
void lq_map_blocks(lq_job *job, lq_batch *batch);
/* The same without parameters. */
lq_status lq_map_plain(lq_job *job);

/* lq_each_batch, through a buffer where blocks lie so that this pays. */
void lq_each_staged(lq_job *job, const lq_plan *plan, lq_batch_fn *visit);

/* What was counted, to the report if there is one. */
void lq_tell_counts(const lq_job *job);

/* Scales and zero points; and codes, where the job quantizes too. */
lq_status lq_calibrate_all(lq_job *job);
/* The same for the blocks of a batch. */
void lq_calibrate_blocks(lq_job *job, lq_batch *batch);

/* The sums of codes that the call was asked for, if it was. */
lq_status lq_sum_all(lq_job *job);

/* Into lo and hi: the ranges of a batch's blocks. */
void lq_find_ranges(lq_job *job, lq_batch *batch);

/* Parameters of a batch's blocks from lo, hi and first: stored, and ready for codes. */
void lq_choose_blocks(lq_job *job, const lq_batch *batch);

/* The same with ranges before and codes behind, by one kernel. Returns how many blocks are done. */
int64_t lq_quantize_blocks(lq_job *job, lq_batch *batch);

/* A piece through a buffer, some rows of contiguous elements of x at a time. */
typedef struct lq_gathered {
    const unsigned char *x;
    int64_t x_step; /* bytes from row to row */
    int64_t first_row, rows;
    int64_t first, count;
} lq_gathered;

typedef void lq_gathered_fn(lq_job *job, const lq_piece *piece, const lq_gathered *part);
void lq_each_gathered(lq_job *job, const lq_piece *piece, lq_gathered_fn *visit);

/* NaN and infinities, where the report wants them. */
lq_status lq_count_nonfinite(lq_job *job);

#endif
