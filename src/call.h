/* The public edge: arguments checked once, so that nothing inside has to. */
#ifndef LQ_CALL_H
#define LQ_CALL_H

#include "batch.h"
#include "kernels.h"
#include "map.h"
#include "scheme.h"
#include "tensor.h"

/* What an operation takes, and where in its call. */
typedef struct lq_signature {
    int position[LQ_OPERANDS]; /* in the call, from 1; 0 where the call has no such argument */
    bool output[LQ_OPERANDS];
    bool optional[LQ_OPERANDS]; /* beside zero points that are read */
    bool codes_are_reals;       /* of x's type: values of codes */
    bool x_is_s32;              /* accumulators */
    bool scale_is_s32;          /* multipliers of fixed-point requantization, or sums */
    bool integer_codes;         /* it has nothing to say about floats and tables */
    bool broadcast;             /* a parameter of one element is that of every block */
    int scheme_position;
    int exec_position;
} lq_signature;

/* The arguments of an operation, as its caller gave them. */
typedef struct lq_arguments {
    const lq_signature *signature;
    const lq_tensor *tensor[LQ_OPERANDS];
    const lq_scheme *scheme;
    const lq_exec *exec;
} lq_arguments;

/* A call with sound arguments. */
typedef struct lq_call {
    const lq_kernels *kernels;
    const lq_exec *exec; /* or NULL */
    lq_exec whole;       /* that of a caller whose version had fewer fields */
    lq_report *report;   /* or NULL; it may end behind `clipped` */
    bool trusted;
    const lq_tensor *tensor[LQ_OPERANDS];
    const lq_type_info *type[LQ_OPERANDS];
    lq_rule rule;
    lq_code_table table;   /* where the rule has one */
    bool forward_only;     /* the output overwrites the input from the front */
    const lq_tensor *sums; /* of the codes that the call writes, or NULL */
    int64_t elements;      /* of x */
    int64_t run;           /* the same where a pair of tensors is dense; else 0 */
    /* From here on what shapes come to. */
    int64_t extent[LQ_MAX_RANK];
    int64_t grid[LQ_MAX_RANK];
    lq_geometry geometry;
    int64_t sums_stride[LQ_MAX_RANK]; /* on the grid */
} lq_call;

/* Execution options, kernels and report: what comes before any tensor is looked at. */
lq_status lq_begin(lq_call *call, const lq_exec *exec, int position);

/* Everything about the arguments but the values of parameters. Begins the call, too. */
lq_status lq_check_arguments(const lq_arguments *arguments, lq_call *call);

/* The values of scales and zero points that the call reads. */
lq_status lq_check_parameters(const lq_arguments *arguments, const lq_call *call);

/* Notes a refused argument in the report and passes the status on. */
lq_status lq_refuse(const lq_call *call, lq_status status, int position, int64_t index);

/*
 * Row-major index of the first element for which `bad` gives an index in a row of elements, one
 * every `step` from `at`; -1 where there is none. `bad` gives -1 for a row without.
 */
typedef int64_t lq_bad_fn(const void *context, const lq_tensor *t, int64_t at, int64_t step,
                          int64_t n);
int64_t lq_first_bad(const lq_tensor *t, lq_bad_fn *bad, const void *context);

/*
 * Two tensors of one shape, the first and second argument of a call that has begun, the second
 * written. Fills in call->type: LQ_X is the first, LQ_CODES the second; and call->run.
 */
typedef bool lq_fits_fn(const lq_type_info *type);
lq_status lq_check_pair(lq_call *call, const lq_tensor *in, lq_fits_fn *in_fits,
                        const lq_tensor *out, lq_fits_fn *out_fits);

/* The geometry of two tensors of one shape without blocks, and the call's tensors; see its run. */
void lq_plain_geometry(lq_call *call, const lq_tensor *x, const lq_tensor *codes, int64_t run);

/* x and codes of the same shape, one read, one written. */
lq_status lq_check_overlap(const lq_tensor *in, lq_span in_span, const lq_tensor *out,
                           lq_span out_span, bool *forward_only);

/*
 * The parameters of a batch as codes or values are computed with them; zero points, multipliers and
 * shifts within their ranges even if not checked. lq_prepare does the same to scales and zero points
 * that are in place: integer ones in zero, real ones in center.
 */
void lq_load_for_codes(const lq_call *call, const lq_batch *batch, lq_parameters *to);
void lq_load_for_reals(const lq_call *call, const lq_batch *batch, lq_parameters *to);
void lq_load_for_requantization(const lq_call *call, const lq_batch *batch, lq_parameters *to);
void lq_prepare_for_codes(const lq_call *call, int64_t blocks, bool factors, lq_parameters *to);
void lq_prepare_one_for_codes(const lq_call *call, lq_parameters *to);
void lq_prepare_for_reals(const lq_call *call, int64_t blocks, lq_parameters *to);

/* A zero point that nobody has checked. */
int32_t lq_tamed_zero(const lq_rule *rule, int32_t zero);

/* As lq_load_reals; contiguous elements of real types by the kernel that converts. */
void lq_load_many_reals(const lq_kernels *kernels, const lq_tensor *t, int64_t at, int64_t step,
                        int64_t n, float *to);

static inline bool lq_has_real_zeros(const lq_call *call) {
    return call->type[LQ_ZERO] && call->type[LQ_ZERO]->kind == LQ_KIND_REAL;
}

/* The rule by which kernels compute codes, or values from codes; NULL for the plain one. */
static inline const lq_element_rule *lq_codes_rule(const lq_call *call) {
    const lq_rule *rule = &call->rule;
    const bool plain = rule->plain && !rule->zero_scales && rule->codes_from < LQ_FROM_MULTIPLIER &&
                       !lq_has_real_zeros(call);
    return plain ? NULL : &rule->element;
}

static inline const lq_element_rule *lq_reals_rule(const lq_call *call) {
    const bool plain = call->rule.quotient != LQ_QUOTIENT_MULTIPLIER && !lq_has_real_zeros(call) &&
                       lq_has_integer_codes(&call->rule);
    return plain ? NULL : &call->rule.element;
}

/*
 * Whether what the call writes as codes is more than stays in the caches; over x, which is in them,
 * and where it is read again, nothing is gained.
 */
static inline bool lq_streams(const lq_call *call) {
    const uint64_t size = (uint32_t)call->type[LQ_CODES]->bits / 8;
    if (size == 0 || (uint64_t)call->elements * size <= lq_stream_above()) return false;
    return !call->forward_only && !call->sums &&
           call->tensor[LQ_X]->data != call->tensor[LQ_CODES]->data;
}

/* Whether x may have to come from farther than the caches that a core has to itself. */
bool lq_is_far(const lq_call *call);

static inline uint32_t lq_sign_bit(const lq_type_info *code) {
    return code->min < 0 ? 1u << (code->bits - 1) : 0u;
}

#endif
