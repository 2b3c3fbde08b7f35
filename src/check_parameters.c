/* The values of parameters: which of them a call refuses. */
#include "call.h"
#include "choose.h"
#include "fixed_point.h"

/* Of a view of rank 2 or more. */
static int64_t first_bad_row(const lq_tensor *t, lq_bad_fn *bad, const void *context) {
    int64_t index[LQ_MAX_RANK] = {0};
    int64_t at = t->offset;
    const int64_t all = lq_elements(t);
    const int last = t->rank - 1;
    const int64_t n = t->shape[last];
    for (int64_t done = 0; done < all; done += n) {
        const int64_t found = bad(context, t, at, t->stride[last], n);
        if (found >= 0) return done + found;
        for (int axis = last - 1; axis >= 0; --axis) {
            if (t->shape[axis] == 1) continue;
            at += t->stride[axis];
            if (++index[axis] < t->shape[axis]) break;
            at -= t->stride[axis] * t->shape[axis];
            index[axis] = 0;
        }
    }
    return -1;
}

int64_t lq_first_bad(const lq_tensor *t, lq_bad_fn *bad, const void *context) {
    if (t->rank > 1) return first_bad_row(t, bad, context);
    if (t->rank == 0) return bad(context, t, t->offset, 0, 1);
    return bad(context, t, t->offset, t->stride[0], t->shape[0]);
}

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static int32_t larger(int32_t a, int32_t b) {
    return a > b ? a : b;
}

static int64_t bad_real_zero(const void *context, const lq_tensor *t, int64_t at, int64_t step,
                             int64_t n) {
    (void)context;
    for (int64_t i = 0; i < n; ++i) {
        if (!lq_is_finite(lq_load_real(t->type, t->data, at + i * step))) return i;
    }
    return -1;
}

static bool is_scale(const lq_rule *rule, float stored) {
    const float s = lq_scale_of(rule, stored);
    const float v = rule->mapping == LQ_SYMMETRIC_FULL_RANGE && s < 0 ? -s : s;
    return (v > 0 || (rule->zero_scales && v == 0)) && v <= FLT_MAX;
}

/* So many are looked at one by one. */
enum { FEW = 8 };

/* Floats that may be read where they are, which costs less than a copy; or NULL. */
static const float *floats_in_place(const lq_tensor *t, int64_t at, int64_t step) {
    const bool here = t->type == LQ_F32 && step == 1 && (uintptr_t)t->data % _Alignof(float) == 0;
    return here ? (const float *)(const void *)t->data + at : NULL;
}

static int64_t bad_scale(const void *context, const lq_tensor *t, int64_t at, int64_t step,
                         int64_t n) {
    const lq_call *call = context;
    const lq_rule *rule = &call->rule;
    const bool negatives = rule->mapping == LQ_SYMMETRIC_FULL_RANGE;
    float s[LQ_BATCH];
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < LQ_BATCH ? n - i : LQ_BATCH;
        if (m > FEW) {
            const float *stored = floats_in_place(t, at + i * step, step);
            if (!stored) lq_load_many_reals(call->kernels, t, at + i * step, step, m, s);
            if (call->kernels->are_scales(stored ? stored : s, m, rule->scale_factor, negatives,
                                          rule->zero_scales)) {
                continue;
            }
        }
        for (int64_t k = i; k < i + m; ++k) {
            if (!is_scale(rule, lq_load_real(t->type, t->data, at + k * step))) return k;
        }
    }
    return -1;
}

static int64_t outside(const lq_tensor *t, int64_t at, int64_t step, int64_t n, int32_t low,
                       int32_t high) {
    int32_t v[LQ_BATCH];
    for (int64_t i = 0; i < n; i += LQ_BATCH) {
        const int64_t m = n - i < LQ_BATCH ? n - i : LQ_BATCH;
        int good = 0;
        lq_load_integers(t->type, t->data, at + i * step, step, m, v);
        for (int64_t k = 0; m > FEW && k < m; ++k) good += (v[k] >= low) & (v[k] <= high);
        for (int64_t k = 0; good < m && k < m; ++k) {
            if (v[k] < low || v[k] > high) return i + k;
        }
    }
    return -1;
}

static int64_t bad_zero(const void *context, const lq_tensor *t, int64_t at, int64_t step,
                        int64_t n) {
    const lq_rule *rule = context;
    const bool any = rule->mapping == LQ_AFFINE || rule->degenerate == LQ_DEGENERATE_RESET;
    return outside(t, at, step, n, any ? smaller(rule->qmin, rule->code_min) : rule->zero,
                   any ? larger(rule->qmax, rule->code_max) : rule->zero);
}

static int64_t bad_multiplier(const void *context, const lq_tensor *t, int64_t at, int64_t step,
                              int64_t n) {
    (void)context;
    return outside(t, at, step, n, 0, INT32_MAX);
}

static int64_t bad_shift(const void *context, const lq_tensor *t, int64_t at, int64_t step,
                         int64_t n) {
    (void)context;
    return outside(t, at, step, n, LQ_LEAST_SHIFT, LQ_MOST_SHIFT);
}

static lq_status check_scales(const lq_arguments *arguments, const lq_call *call) {
    const bool fixed_point = call->type[LQ_SHIFT] != NULL;
    int64_t bad =
        lq_first_bad(call->tensor[LQ_SCALE], fixed_point ? bad_multiplier : bad_scale, call);
    if (bad >= 0)
        return lq_refuse(call, LQ_ERROR_SCALE, arguments->signature->position[LQ_SCALE], bad);
    if (!fixed_point) return LQ_OK;
    bad = lq_first_bad(call->tensor[LQ_SHIFT], bad_shift, NULL);
    if (bad >= 0)
        return lq_refuse(call, LQ_ERROR_SCALE, arguments->signature->position[LQ_SHIFT], bad);
    return LQ_OK;
}

lq_status lq_check_parameters(const lq_arguments *arguments, const lq_call *call) {
    const lq_type_info *zero = call->type[LQ_ZERO];
    /* An affine scheme without zero points has 0, which its range may lack. */
    if (!zero && (call->rule.zero < call->rule.qmin || call->rule.zero > call->rule.qmax)) {
        return lq_refuse(call, LQ_ERROR_ZERO_POINT, arguments->signature->position[LQ_ZERO], -1);
    }
    if (call->trusted) return LQ_OK;
    const lq_status status = check_scales(arguments, call);
    if (status || !zero) return status;
    const int64_t bad = lq_first_bad(
        call->tensor[LQ_ZERO], zero->kind == LQ_KIND_REAL ? bad_real_zero : bad_zero, &call->rule);
    if (bad >= 0)
        return lq_refuse(call, LQ_ERROR_ZERO_POINT, arguments->signature->position[LQ_ZERO], bad);
    return LQ_OK;
}
