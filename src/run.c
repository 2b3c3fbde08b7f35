/*
 * Calls that are one run, as most are: kernels on the caller's memory, without a job, a plan or a
 * walk, which would take longer than short runs themselves.
 */
#include "choose.h"
#include "job.h"
#include "numeric.h"
#include "tasks.h"

static unsigned char *place(const lq_call *call, lq_operand o) {
    const uint64_t bit = (uint64_t)call->geometry.origin[o] * (uint64_t)call->type[o]->bits;
    return (unsigned char *)call->tensor[o]->data + bit / 8;
}

/* Inlined where it comes first. */
LQ_INLINE bool is_simple(const lq_call *call) {
    const lq_geometry *g = &call->geometry;
    const lq_type_info *code = call->type[LQ_CODES];
    if (!g->run || g->run > g->block || call->report || call->sums) return false;
    if (call->forward_only || lq_tasks_wanted(call) > 1) return false;
    if (!code) return true;
    return lq_is_whole(code, g->run | g->origin[LQ_CODES]) && !lq_streams(call);
}

bool lq_is_simple_run(const lq_call *call) {
    return is_simple(call);
}

static lq_map_fn *kernel_of(const lq_call *call, lq_purpose purpose) {
    const lq_kernels *k = call->kernels;
    const int real = call->type[LQ_X]->index;
    switch (purpose) {
    case LQ_TO_CODES: return k->quantize_runs[real][call->type[LQ_CODES]->index];
    case LQ_TO_REALS: return k->dequantize_runs[real][call->type[LQ_CODES]->index];
    default: return k->fake_runs[real];
    }
}

/* The parameters as they are stored. */
static void load(const lq_call *call, lq_parameters *to) {
    const lq_tensor *s = call->tensor[LQ_SCALE];
    const lq_tensor *z = call->tensor[LQ_ZERO];
    to->scale[0] =
        lq_scale_of(&call->rule, lq_load_real(s->type, s->data, call->geometry.origin[LQ_SCALE]));
    to->zero[0] = call->rule.zero;
    if (lq_has_real_zeros(call)) {
        to->center[0] = lq_load_real(z->type, z->data, call->geometry.origin[LQ_ZERO]);
    } else if (call->type[LQ_ZERO]) {
        const int32_t zero = lq_load_integer(z->type, z->data, call->geometry.origin[LQ_ZERO]);
        to->zero[0] = call->trusted ? lq_tamed_zero(&call->rule, zero) : zero;
    }
}

/* Whether they are beyond doubt; what is wrong with others, the check of all says. */
static bool are_ordinary(const lq_call *call, const lq_parameters *p) {
    const lq_rule *rule = &call->rule;
    if (!(p->scale[0] > 0 && p->scale[0] <= FLT_MAX)) return false;
    if (lq_has_real_zeros(call)) return lq_is_finite(p->center[0]);
    const bool own = rule->mapping == LQ_AFFINE || p->zero[0] == rule->zero;
    return own && p->zero[0] >= rule->qmin && p->zero[0] <= rule->qmax;
}

LQ_INLINE void map_run(const lq_call *call, lq_purpose purpose, const lq_element_rule *rule,
                       const lq_parameters *p) {
    lq_map_work work = {.rows = 1};
    work.x = place(call, LQ_X);
    work.codes = place(call, LQ_CODES);
    work.count = call->geometry.run;
    work.sign = lq_sign_bit(call->type[LQ_CODES]);
    work.scale = p->scale;
    work.zero = p->zero;
    work.offset = p->offset;
    work.center = p->center;
    work.back = p->back;
    lq_set_rule(call, rule, &work);
    kernel_of(call, purpose)(&work);
}

bool lq_map_simple_run(const lq_arguments *arguments, const lq_call *call, lq_purpose purpose,
                       lq_status *status) {
    if (!is_simple(call)) return false;
    const lq_element_rule *rule = lq_rule_for(call, purpose);
    lq_parameters p;
    load(call, &p);
    *status = are_ordinary(call, &p) ? LQ_OK : lq_check_parameters(arguments, call);
    if (*status) return true;
    if (rule && purpose == LQ_TO_REALS) {
        lq_prepare_for_reals(call, 1, &p);
    } else if (rule) {
        lq_prepare_one_for_codes(call, &p);
    }
    map_run(call, purpose, rule, &p);
    return true;
}

bool lq_calibrate_simple_run(const lq_call *call) {
    lq_parameters p;
    float lo = lq_from_bits(0x7f800000u);
    float hi = lq_from_bits(0xff800000u);
    /* The full range may ask which end came first. */
    if (call->rule.mapping == LQ_SYMMETRIC_FULL_RANGE || !is_simple(call)) return false;
    const lq_range_work range = {.x = place(call, LQ_X),
                                 .count = call->geometry.run,
                                 .rows = 1,
                                 .lo = &lo,
                                 .hi = &hi,
                                 .magnitudes = lq_needs_magnitudes(&call->rule)};
    call->kernels->range_runs[call->type[LQ_X]->index](&range);
    lq_choose_one(call, call->geometry.origin[LQ_SCALE], call->geometry.origin[LQ_ZERO], lo, hi,
                  false, 0, &p);
    if (call->type[LQ_ZERO]) lq_clear_tail(call->tensor[LQ_ZERO]);
    if (!call->type[LQ_CODES]) return true;
    lq_prepare_for_codes(call, 1, call->rule.codes_from >= LQ_FROM_MULTIPLIER, &p);
    map_run(call, LQ_TO_CODES, lq_codes_rule(call), &p);
    return true;
}
