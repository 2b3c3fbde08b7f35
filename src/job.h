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

/* The rule by which kernels compute codes or values; NULL for the plain one. */
static inline const lq_element_rule *lq_rule_for(const lq_call *call, lq_purpose purpose) {
    return purpose == LQ_TO_REALS ? lq_reals_rule(call) : lq_codes_rule(call);
}

/* What kernels are told of the call's rule. */
static inline void lq_set_rule(const lq_call *call, const lq_element_rule *rule,
                               lq_map_work *work) {
    work->qmin = call->rule.code_min;
    work->qmax = call->rule.code_max;
    work->rule = rule;
    work->format = call->rule.format;
    work->table = call->rule.table ? &call->table : NULL;
}

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

/* What is divided by the steps is the largest magnitude. */
static inline bool lq_needs_magnitudes(const lq_rule *rule) {
    return rule->mapping == LQ_SYMMETRIC || rule->mapping == LQ_SYMMETRIC_HALF_RANGE;
}

/* Parameters of one block from its range, stored at these places; and at `b` as they follow. */
void lq_choose_one(const lq_call *call, int64_t scale_at, int64_t zero_at, float lo, float hi,
                   bool negative_first, int64_t b, lq_parameters *to);

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

/* Whether a call is a run for kernels alone: nothing is counted, shared out or streamed. */
bool lq_is_simple_run(const lq_call *call);
/* All of such a run, with the values of its parameters checked first; false for others. */
bool lq_map_simple_run(const lq_arguments *arguments, const lq_call *call, lq_purpose purpose,
                       lq_status *status);
/* The same of lq_calibrate_all, with codes where the call has any. */
bool lq_calibrate_simple_run(const lq_call *call);

/* NaN and infinities, where the report wants them. */
lq_status lq_count_nonfinite(lq_job *job);

#endif
