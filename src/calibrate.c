/* lq_calibrate and lq_choose_parameters: scales and zero points from values, or from their ranges. */
#include "choose.h"
#include "job.h"
#include "numeric.h"

lq_status lq_calibrate(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                       const lq_tensor *zero_point, const lq_exec *exec) {
    static const lq_signature signature = {
        .position = {1, 0, 3, 4},
        .output = {false, false, true, true},
        .scheme_position = 2,
        .exec_position = 5,
    };
    const lq_arguments arguments = {
        .signature = &signature,
        .tensor = {x, NULL, scale, zero_point},
        .scheme = scheme,
        .exec = exec,
    };
    lq_call call;
    lq_job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    if (lq_calibrate_simple_run(&call)) return LQ_OK;
    lq_start_job(&j, &call, LQ_TO_CODES);
    status = lq_calibrate_all(&j);
    if (call.type[LQ_ZERO]) lq_clear_tail(call.tensor[LQ_ZERO]);
    if (!status) status = lq_count_nonfinite(&j);
    lq_tell_counts(&j);
    return status;
}

/* ---------------------------------------------------------------- from ranges */

enum { LO, HI, SCALE, ZERO, TENSORS };

static const int positions[TENSORS] = {1, 2, 4, 5};

static lq_status check_views(lq_call *call, const lq_tensor *const *t, lq_span *span) {
    for (int i = 0; i < TENSORS; ++i) {
        if (!t[i] && i == ZERO && call->rule.mapping != LQ_AFFINE) continue;
        lq_status status = t[i] ? lq_check_tensor(t[i], i >= SCALE, &span[i]) : LQ_ERROR_NULL;
        if (!status && !lq_choice_fits(t[i], i >= SCALE, i == ZERO, &call->rule)) {
            status = LQ_ERROR_TYPE;
        }
        if (!status && !lq_same_shape(t[LO], t[i])) status = LQ_ERROR_SHAPE;
        for (int k = 0; !status && i >= SCALE && k < i; ++k) {
            if (lq_spans_meet(span[k], span[i])) status = LQ_ERROR_OVERLAP;
        }
        if (status) return lq_refuse(call, status, positions[i], -1);
    }
    return LQ_OK;
}

static bool is_range(float lo, float hi) {
    return lo > hi || (lq_is_finite(lo) && lq_is_finite(hi));
}

/* All ranges are looked at before the first choice is stored. */
static lq_status check_ranges(const lq_call *call, const lq_tensor *const *t, int64_t count) {
    for (int64_t k = 0; k < count && !call->trusted; ++k) {
        const float lo = lq_load_real(t[LO]->type, t[LO]->data, lq_element_at(t[LO], k));
        const float hi = lq_load_real(t[HI]->type, t[HI]->data, lq_element_at(t[HI], k));
        if (!is_range(lo, hi)) return lq_refuse(call, LQ_ERROR_RANGE, lq_is_finite(lo) ? 2 : 1, k);
    }
    return LQ_OK;
}

static void choose_all(const lq_rule *rule, const lq_tensor *const *t, int64_t count) {
    for (int64_t k = 0; k < count; ++k) {
        const float lo = lq_load_real(t[LO]->type, t[LO]->data, lq_element_at(t[LO], k));
        const float hi = lq_load_real(t[HI]->type, t[HI]->data, lq_element_at(t[HI], k));
        const bool usable = is_range(lo, hi);
        const lq_choice choice =
            lq_choose_for_range(rule, t[SCALE]->type, usable ? lo : 0.0f, usable ? hi : 0.0f);
        lq_store_choice(rule, &choice, k, t[SCALE], t[ZERO]);
    }
}

lq_status lq_choose_parameters(const lq_tensor *lo, const lq_tensor *hi, const lq_scheme *scheme,
                               const lq_tensor *scale, const lq_tensor *zero_point,
                               const lq_exec *exec) {
    const lq_tensor *const t[TENSORS] = {lo, hi, scale, zero_point};
    lq_span span[TENSORS];
    lq_call call;
    lq_status status = lq_begin(&call, exec, 6);
    if (status) return status;
    status = lq_check_scheme(scheme, &call.rule);
    if (status) return lq_refuse(&call, status, 3, -1);
    status = check_views(&call, t, span);
    if (status) return status;
    const int64_t count = lq_elements(lo);
    status = check_ranges(&call, t, count);
    if (status) return status;
    choose_all(&call.rule, t, count);
    if (zero_point) lq_clear_tail(zero_point);
    return LQ_OK;
}
