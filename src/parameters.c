/* Scales and zero points, as callers give them and as kernels take them. */
#include "choose.h"
#include "fixed_point.h"
#include "job.h"
#include "numeric.h"
#include <math.h>

void lq_load_many_reals(const lq_kernels *kernels, const lq_tensor *t, int64_t at, int64_t step,
                        int64_t n, float *to) {
    enum { FEW = 8 };
    const lq_type_info *type = lq_type_find(t->type);
    if (type->kind != LQ_KIND_REAL || step != 1 || n < FEW) {
        lq_load_reals(t->type, t->data, at, step, n, to);
        return;
    }
    const lq_map_work work = {.x = (unsigned char *)t->data + at * (type->bits / 8),
                              .codes = (unsigned char *)to,
                              .count = n,
                              .rows = 1,
                              .limit = HUGE_VAL};
    kernels->convert[type->index][LQ_REAL_f32](&work);
}

static void load_reals(const lq_call *call, lq_operand operand, const lq_batch *batch, float *to) {
    lq_load_many_reals(call->kernels, call->tensor[operand], batch->at[operand],
                       batch->step[operand], batch->blocks, to);
}

int32_t lq_tamed_zero(const lq_rule *rule, int32_t zero) {
    const int32_t low = rule->qmin < rule->code_min ? rule->qmin : rule->code_min;
    const int32_t high = rule->qmax > rule->code_max ? rule->qmax : rule->code_max;
    return lq_clamp_int(zero, low, high);
}

/* Zero points go to `zero`, real ones to `center`. */
static void load(const lq_call *call, const lq_batch *batch, lq_parameters *to) {
    const lq_tensor *z = call->tensor[LQ_ZERO];
    const lq_rule *rule = &call->rule;
    if (call->type[LQ_SCALE]->kind != LQ_KIND_WIDE) {
        load_reals(call, LQ_SCALE, batch, to->scale);
    }
    for (int64_t b = 0; rule->scale_factor != 1 && b < batch->blocks; ++b) {
        to->scale[b] = lq_scale_of(rule, to->scale[b]);
    }
    if (!call->type[LQ_ZERO]) {
        for (int64_t b = 0; b < batch->blocks; ++b) to->zero[b] = rule->zero;
        return;
    }
    if (lq_has_real_zeros(call)) {
        load_reals(call, LQ_ZERO, batch, to->center);
        return;
    }
    lq_load_integers(z->type, z->data, batch->at[LQ_ZERO], batch->step[LQ_ZERO], batch->blocks,
                     to->zero);
    for (int64_t b = 0; b < batch->blocks && call->trusted; ++b) {
        to->zero[b] = lq_tamed_zero(rule, to->zero[b]);
    }
}

/* Real zero points that are added after the rounding are integers. */
static void round_zeros(const lq_rule *rule, int64_t blocks, lq_parameters *p) {
    const float low = (float)rule->qmin;
    const float high = (float)rule->qmax;
    for (int64_t b = 0; b < blocks; ++b) {
        float z = p->center[b] > low ? p->center[b] : low; /* NaN too */
        z = z < high ? z : high;
        p->zero[b] = lq_round(z);
    }
}

LQ_INLINE void centers(const lq_call *call, int64_t blocks, lq_parameters *p) {
    if (lq_has_real_zeros(call)) {
        if (call->rule.zero_place != LQ_ZERO_OUTSIDE) return;
        round_zeros(&call->rule, blocks, p);
    }
    for (int64_t b = 0; b < blocks; ++b) p->center[b] = (float)p->zero[b];
}

/* A scale of 0, legal in some schemes, gives every value the quotient 0. */
static float factor_of(const lq_rule *rule, float scale) {
    const lq_real precision = rule->element.precision;
    const float s = lq_narrow(precision, scale);
    switch (rule->quotient) {
    case LQ_QUOTIENT_RECIPROCAL: return s == 0 ? 0.0f : lq_narrow(precision, 1.0f / s);
    case LQ_QUOTIENT_MULTIPLIER: return s;
    default: return s == 0 ? lq_from_bits(0x7f800000u) : s;
    }
}

LQ_INLINE void factors(const lq_rule *rule, int64_t blocks, lq_parameters *p) {
    if (rule->quotient == LQ_QUOTIENT_RECIPROCAL && rule->element.precision == LQ_REAL_f32) {
        /* As factor_of has it, in a loop that vectorizes. */
        for (int64_t b = 0; b < blocks; ++b) {
            const float inverse = 1.0f / p->scale[b];
            p->scale[b] = p->scale[b] == 0 ? 0.0f : inverse;
        }
        return;
    }
    for (int64_t b = 0; b < blocks; ++b) p->scale[b] = factor_of(rule, p->scale[b]);
}

LQ_INLINE void offsets(const lq_rule *rule, int64_t blocks, lq_parameters *p) {
    const bool minimum = rule->element.minimum;
    const bool half_up = rule->element.rounding == LQ_ROUND_HALF_UP;
    const float lowest = (float)rule->code_min;
    if (!lq_has_integer_codes(rule)) {
        for (int64_t b = 0; b < blocks; ++b) p->offset[b] = 0.0f;
    } else if (half_up && minimum) {
        for (int64_t b = 0; b < blocks; ++b) p->offset[b] = 0.0f - lowest + 0.5f;
    } else if (half_up) {
        for (int64_t b = 0; b < blocks; ++b) p->offset[b] = p->center[b] - lowest + 0.5f;
    } else if (!minimum && rule->zero_place == LQ_ZERO_INSIDE) {
        for (int64_t b = 0; b < blocks; ++b) p->offset[b] = p->center[b];
    } else {
        for (int64_t b = 0; b < blocks; ++b) p->offset[b] = 0.0f;
    }
    if (!lq_has_integer_codes(rule)) return;
    if (half_up) {
        for (int64_t b = 0; b < blocks; ++b) p->zero[b] = rule->code_min;
    } else if (minimum || rule->zero_place == LQ_ZERO_INSIDE) {
        for (int64_t b = 0; b < blocks; ++b) p->zero[b] = 0;
    }
}

LQ_INLINE void prepare_for_codes(const lq_call *call, int64_t blocks, bool factored,
                                 lq_parameters *p) {
    const lq_rule *rule = &call->rule;
    if (!lq_codes_rule(call)) return;
    centers(call, blocks, p);
    for (int64_t b = 0; b < blocks && !factored; ++b) p->back[b] = p->scale[b];
    if (!factored) factors(rule, blocks, p);
    offsets(rule, blocks, p);
}

void lq_prepare_for_codes(const lq_call *call, int64_t blocks, bool factored, lq_parameters *p) {
    prepare_for_codes(call, blocks, factored, p);
}

/* Where there is nothing to loop over. */
void lq_prepare_one_for_codes(const lq_call *call, lq_parameters *p) {
    prepare_for_codes(call, 1, false, p);
}

void lq_load_for_codes(const lq_call *call, const lq_batch *batch, lq_parameters *to) {
    load(call, batch, to);
    lq_prepare_for_codes(call, batch->blocks, false, to);
}

void lq_prepare_for_reals(const lq_call *call, int64_t blocks, lq_parameters *p) {
    if (!lq_reals_rule(call)) return;
    centers(call, blocks, p);
    for (int64_t b = 0; b < blocks; ++b) p->offset[b] = p->center[b];
}

void lq_load_for_reals(const lq_call *call, const lq_batch *batch, lq_parameters *to) {
    load(call, batch, to);
    lq_prepare_for_reals(call, batch->blocks, to);
}

/* Nobody has checked them: a shift below the least gives 0, one above the most is the most. */
static void tame_fixed_point(int64_t n, int32_t *multiplier, int32_t *shift) {
    for (int64_t b = 0; b < n; ++b) {
        if (multiplier[b] < 0 || shift[b] < LQ_LEAST_SHIFT) multiplier[b] = 0;
        shift[b] = lq_clamp_int(shift[b], LQ_LEAST_SHIFT, LQ_MOST_SHIFT);
    }
}

void lq_load_for_requantization(const lq_call *call, const lq_batch *batch, lq_parameters *to) {
    const lq_tensor *m = call->tensor[LQ_SCALE];
    const lq_tensor *s = call->tensor[LQ_SHIFT];
    load(call, batch, to);
    if (!call->type[LQ_SHIFT]) return;
    lq_load_integers(m->type, m->data, batch->at[LQ_SCALE], batch->step[LQ_SCALE], batch->blocks,
                     to->multiplier);
    lq_load_integers(s->type, s->data, batch->at[LQ_SHIFT], batch->step[LQ_SHIFT], batch->blocks,
                     to->shift);
    if (call->trusted) tame_fixed_point(batch->blocks, to->multiplier, to->shift);
}
