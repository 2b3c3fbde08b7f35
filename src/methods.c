/* The public calls that ask statistics for ranges and parameters, and the list of methods. */
#include "methods.h"
#include "call.h"
#include "choose.h"
#include "tasks.h"
#include <string.h>

/* What a statistic must have for a method. */
typedef enum { NEEDS_RANGE, NEEDS_MOVING, NEEDS_BINS, NEEDS_LINEAR } need;

static const struct {
    lq_method method;
    const char *name;
    need needs;
    bool
        asks_codes; /* what codes there are, which then are integers and no steps above a minimum */
    lq_method_fn *find;
} methods[] = {
    {LQ_METHOD_MIN_MAX, "min-max", NEEDS_RANGE, false, lq_find_min_max},
    {LQ_METHOD_MOVING_AVERAGE, "moving-average", NEEDS_MOVING, false, lq_find_moving_average},
    {LQ_METHOD_PERCENTILE, "percentile", NEEDS_BINS, false, lq_find_percentile},
    {LQ_METHOD_PERCENTILE_MAGNITUDE, "percentile-magnitude", NEEDS_BINS, false,
     lq_find_percentile_of_magnitudes},
    {LQ_METHOD_ENTROPY, "entropy", NEEDS_BINS, true, lq_find_entropy},
    {LQ_METHOD_MSE, "mse", NEEDS_BINS, true, lq_find_mse},
    {LQ_METHOD_MEAN_DEVIATION, "mean-deviation", NEEDS_BINS, false, lq_find_mean_deviation},
    {LQ_METHOD_ONNXRUNTIME_PERCENTILE, "onnxruntime-percentile", NEEDS_LINEAR, false,
     lq_find_onnxruntime_percentile},
    {LQ_METHOD_ONNXRUNTIME_PERCENTILE_SYMMETRIC, "onnxruntime-percentile-symmetric", NEEDS_LINEAR,
     false, lq_find_onnxruntime_percentile_symmetric},
    {LQ_METHOD_ONNXRUNTIME_ENTROPY, "onnxruntime-entropy", NEEDS_LINEAR, false,
     lq_find_onnxruntime_entropy},
    {LQ_METHOD_ONNXRUNTIME_DISTRIBUTION, "onnxruntime-distribution", NEEDS_LINEAR, false,
     lq_find_onnxruntime_distribution},
    {LQ_METHOD_MODELOPT_PERCENTILE, "modelopt-percentile", NEEDS_LINEAR, true,
     lq_find_modelopt_percentile},
    {LQ_METHOD_MODELOPT_ENTROPY, "modelopt-entropy", NEEDS_LINEAR, true, lq_find_modelopt_entropy},
    {LQ_METHOD_MODELOPT_MSE, "modelopt-mse", NEEDS_LINEAR, true, lq_find_modelopt_mse},
    {LQ_METHOD_PYTORCH_HISTOGRAM, "pytorch-histogram", NEEDS_LINEAR, true,
     lq_find_pytorch_histogram},
};
enum { METHODS = sizeof methods / sizeof *methods };

static int find(lq_method method) {
    for (int i = 0; i < METHODS; ++i) {
        if (methods[i].method == method) return i;
    }
    return -1;
}

const char *lq_method_name(lq_method method) {
    const int i = find(method);
    return i < 0 ? NULL : methods[i].name;
}

lq_method lq_method_from_name(const char *name) {
    for (int i = 0; name && i < METHODS; ++i) {
        if (strcmp(methods[i].name, name) == 0) return methods[i].method;
    }
    return -1;
}

lq_status lq_calibration_init(lq_calibration *calibration, size_t struct_size) {
    return lq_init_struct(calibration, struct_size, sizeof *calibration);
}

lq_status lq_histogram_init(lq_histogram *histogram, size_t struct_size) {
    return lq_init_struct(histogram, struct_size, sizeof *histogram);
}

/* Fills in defaults; the index of the method goes to `which`. */
static lq_status check_calibration(const lq_calibration *c, lq_calibration *with, int *which) {
    if (!c) return LQ_ERROR_NULL;
    const lq_status status = lq_check_struct(c, c->struct_size, sizeof *c);
    if (status) return status;
    *which = find(c->method);
    if (*which < 0) return LQ_ERROR_ENUM;
    *with = *c;
    if (with->percentile == 0) with->percentile = 99.99;
    if (with->deviations == 0) with->deviations = 3;
    if (with->quantized_bins == 0) with->quantized_bins = 128;
    if (with->start_bin == 0) with->start_bin = 128;
    if (with->stride == 0) with->stride = 1;
    const bool sound = with->percentile > 0 && with->percentile <= 100 && with->deviations > 0 &&
                       with->deviations <= DBL_MAX && with->quantized_bins > 0 &&
                       with->start_bin > 0 && with->stride > 0;
    return sound ? LQ_OK : LQ_ERROR_RANGE;
}

/* -------------------------------------------------------- from calibrators */

/* What the public calls write: ranges, or parameters. One of the first two pairs is there. */
enum { LO, HI, SCALE, ZERO, TENSORS };

typedef struct search {
    lq_call call;
    const lq_calibrator *calibrator;
    lq_calibration with;
    int which;
    const lq_tensor *out[TENSORS];
    int position[TENSORS];
    int64_t count; /* of channels */
    int64_t tasks;
} search;

static bool serves(const lq_calibrator *c, need needs) {
    switch (needs) {
    case NEEDS_RANGE: return true;
    case NEEDS_MOVING: return c->moving_lo != 0;
    case NEEDS_BINS: return c->bins > 0;
    default: return false;
    }
}

static lq_status check_outputs(search *s) {
    lq_span span[TENSORS];
    const lq_span state = lq_calibrator_span(s->calibrator);
    for (int i = 0; i < TENSORS; ++i) {
        const lq_tensor *t = s->out[i];
        if (!s->position[i]) continue;
        if (!t && i == ZERO && s->call.rule.mapping != LQ_AFFINE) continue;
        lq_status status = t ? lq_check_tensor(t, true, &span[i]) : LQ_ERROR_NULL;
        if (!status && !lq_choice_fits(t, i >= SCALE, i == ZERO, &s->call.rule)) {
            status = LQ_ERROR_TYPE;
        }
        if (!status && lq_elements(t) != s->count) status = LQ_ERROR_SHAPE;
        if (!status && lq_spans_meet(span[i], state)) status = LQ_ERROR_OVERLAP;
        for (int k = 0; !status && k < i; ++k) {
            if (!s->out[k] || !lq_spans_meet(span[k], span[i])) continue;
            if (!lq_interleaved(s->out[k], t)) status = LQ_ERROR_OVERLAP;
        }
        if (status) return lq_refuse(&s->call, status, s->position[i], -1);
    }
    return LQ_OK;
}

static lq_status check_channels(const search *s) {
    for (int64_t i = 0; i < s->count; ++i) {
        if (lq_los(s->calibrator)[i] <= lq_his(s->calibrator)[i]) continue;
        return lq_refuse(&s->call, LQ_ERROR_EMPTY, 1, i);
    }
    return LQ_OK;
}

static bool serves_codes(int which, const lq_rule *rule) {
    return !methods[which].asks_codes || (lq_has_integer_codes(rule) && !rule->element.minimum);
}

static lq_status check_search(search *s, const lq_calibration *calibration, const lq_scheme *scheme,
                              const lq_exec *exec) {
    lq_status status = lq_begin(&s->call, exec, 6);
    if (status) return status;
    status = lq_check_calibrator(s->calibrator);
    if (status) return lq_refuse(&s->call, status, 1, -1);
    status = check_calibration(calibration, &s->with, &s->which);
    if (!status && !serves(s->calibrator, methods[s->which].needs)) status = LQ_ERROR_METHOD;
    if (status) return lq_refuse(&s->call, status, 2, -1);
    status = lq_check_scheme(scheme, &s->call.rule);
    if (status) return lq_refuse(&s->call, status, 3, -1);
    if (!serves_codes(s->which, &s->call.rule)) {
        return lq_refuse(&s->call, LQ_ERROR_METHOD, 2, -1);
    }
    s->count = s->calibrator->channels;
    status = check_outputs(s);
    return status ? status : check_channels(s);
}

static void store(const search *s, int64_t channel, const lq_range *range) {
    const lq_rule *rule = &s->call.rule;
    if (s->out[LO]) {
        const float ends[] = {range->lo, range->hi};
        for (int i = LO; i <= HI; ++i) {
            const lq_tensor *t = s->out[i];
            const float end = lq_round_scale(t->type, (double)ends[i]) + 0.0f;
            lq_store_real(t->type, t->data, lq_element_at(t, channel), end);
        }
        return;
    }
    const lq_choice choice = lq_choose_for_range(rule, s->out[SCALE]->type, range->lo, range->hi);
    lq_store_choice(rule, &choice, channel, s->out[SCALE], s->out[ZERO]);
}

/* By the method; as everywhere, a zero is +0. */
static lq_status find_range(const lq_method_call *call, int which, lq_range *range) {
    const lq_status status = methods[which].find(call, range);
    range->lo += 0.0f;
    range->hi += 0.0f;
    return status;
}

static void search_channels(void *context, int64_t task) {
    const search *s = context;
    for (int64_t i = s->count * task / s->tasks; i < s->count * (task + 1) / s->tasks; ++i) {
        lq_distribution values;
        lq_range range = {0, 0};
        lq_distribution_of(s->calibrator, i, &values);
        const lq_method_call call = {
            .values = &values,
            .with = s->with,
            .rule = &s->call.rule,
            .scale_type = s->out[SCALE] ? s->out[SCALE]->type : LQ_F32,
            .kernels = s->call.kernels,
        };
        find_range(&call, s->which, &range);
        store(s, i, &range);
    }
}

static lq_status run_search(search *s) {
    const bool shared_bytes = s->out[ZERO] && lq_type_find(s->out[ZERO]->type)->bits < 8;
    const bool parallel = s->call.exec && s->call.exec->parallel_for && !shared_bytes;
    s->tasks = parallel && s->count > 1 ? s->count : 1;
    if (s->tasks > LQ_MAX_TASKS) s->tasks = LQ_MAX_TASKS;
    const lq_status status = lq_each_task(s->call.exec, s->tasks, search_channels, s);
    if (s->out[ZERO]) lq_clear_tail(s->out[ZERO]);
    return status;
}

lq_status lq_calibrator_ranges(const lq_calibrator *calibrator, const lq_calibration *calibration,
                               const lq_scheme *scheme, const lq_tensor *lo, const lq_tensor *hi,
                               const lq_exec *exec) {
    search s = {.calibrator = calibrator, .out = {lo, hi}, .position = {4, 5}};
    const lq_status status = check_search(&s, calibration, scheme, exec);
    return status ? status : run_search(&s);
}

lq_status lq_calibrator_parameters(const lq_calibrator *calibrator,
                                   const lq_calibration *calibration, const lq_scheme *scheme,
                                   const lq_tensor *scale, const lq_tensor *zero_point,
                                   const lq_exec *exec) {
    search s = {.calibrator = calibrator,
                .out = {[SCALE] = scale, [ZERO] = zero_point},
                .position = {[SCALE] = 4, [ZERO] = 5}};
    const lq_status status = check_search(&s, calibration, scheme, exec);
    return status ? status : run_search(&s);
}

/* -------------------------------------------------- from linear histograms */

enum { MOST_BINS = 1 << 24 };

static lq_status check_histogram(const lq_histogram *h, lq_distribution *d) {
    if (!h) return LQ_ERROR_NULL;
    const lq_status status = lq_check_struct(h, h->struct_size, sizeof *h);
    if (status) return status;
    if (!h->counts || !h->edges) return LQ_ERROR_NULL;
    if (h->bins < 1 || h->bins > MOST_BINS) return LQ_ERROR_RANGE;
    bool sound = lq_is_finite(h->edges[0]);
    *d = (lq_distribution){.linear = h, .lo = h->min, .hi = h->max};
    for (int64_t i = 0; i < h->bins; ++i) {
        sound = sound && lq_is_finite(h->edges[i + 1]) && h->edges[i] <= h->edges[i + 1];
        sound = sound && h->counts[i] >= 0 && h->counts[i] <= 0x1p63;
        d->count += h->counts[i];
    }
    if (h->min == 0 && h->max == 0) {
        d->lo = h->edges[0];
        d->hi = h->edges[h->bins];
    }
    d->lo += 0.0f;
    d->hi += 0.0f;
    sound = sound && lq_is_finite(d->lo) && lq_is_finite(d->hi) && d->lo <= d->hi;
    if (!sound) return LQ_ERROR_RANGE;
    return d->count > 0 ? LQ_OK : LQ_ERROR_EMPTY;
}

lq_status lq_histogram_range(const lq_histogram *histogram, const lq_calibration *calibration,
                             const lq_scheme *scheme, float *lo, float *hi) {
    lq_method_call call = {.scale_type = LQ_F32, .kernels = lq_kernels_active()};
    lq_distribution values;
    lq_rule rule;
    lq_range range = {0, 0};
    int which;
    if (!call.kernels) return LQ_ERROR_CPU;
    lq_status status = check_calibration(calibration, &call.with, &which);
    if (!status && methods[which].needs == NEEDS_MOVING) status = LQ_ERROR_METHOD;
    if (!status) status = lq_check_scheme(scheme, &rule);
    if (!status && !serves_codes(which, &rule)) status = LQ_ERROR_METHOD;
    if (!status && (!lo || !hi)) status = LQ_ERROR_NULL;
    if (!status) status = check_histogram(histogram, &values);
    if (status) return status;
    call.values = &values;
    call.rule = &rule;
    status = find_range(&call, which, &range);
    /* Ends that the edges contradict, or edges too far apart for the method's float32. */
    if (!status && !(range.lo <= range.hi && lq_is_finite(range.lo) && lq_is_finite(range.hi))) {
        status = LQ_ERROR_RANGE;
    }
    if (status) return status;
    *lo = range.lo;
    *hi = range.hi;
    return LQ_OK;
}
