/* What NVIDIA Model Optimizer's HistogramCalibrator finds, from histograms of magnitudes. */
#include "methods/linear.h"
#include "ordered_sums.h"

/* Codes for positive values; a scheme without any is of no use here. */
static int32_t top_code(const lq_rule *rule) {
    return rule->qmax - rule->zero;
}

static lq_status check(const lq_method_call *call, int64_t least_bins) {
    const lq_histogram *h = call->values->linear;
    if (h->edges[0] < 0 || top_code(call->rule) < 1) return LQ_ERROR_RANGE;
    return h->bins < least_bins ? LQ_ERROR_SHAPE : LQ_OK;
}

/* Unsigned codes leave negative values out. */
static lq_range up_to(const lq_method_call *call, float amax) {
    const bool is_signed = call->rule->qmin < call->rule->zero;
    const lq_range range = {is_signed ? -amax : 0, amax};
    return range;
}

lq_status lq_find_modelopt_percentile(const lq_method_call *call, lq_range *range) {
    const lq_status status = check(call, 1);
    if (status) return status;
    *range = up_to(call, lq_edge_at(call->values, call->with.percentile / 100.0));
    return LQ_OK;
}

/* ----------------------------------------------------------------- entropy */

/*
 * The first `bins` bins. p has their counts, and in its last bin those behind it; q has levels of
 * nearly equal numbers of bins, each with its mean over the bins that are not empty.
 */
typedef struct reference {
    const lq_histogram *h;
    int64_t bins, levels;
    double total;
    double sum_q;
    /* The next bin, where its level ends, and the level's mean. */
    int64_t at, level_end;
    double mean;
} reference;

/* The first bin counts for what the second has. */
static double count_at(const lq_histogram *h, int64_t i) {
    return h->counts[i == 0 ? 1 : i];
}

static double sum_counts(const lq_histogram *h, int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += count_at(h, i);
    return sum;
}

static void enter_level(reference *r) {
    const int64_t level = r->at * r->levels / r->bins;
    int64_t filled = 0;
    r->level_end = ((level + 1) * r->bins + r->levels - 1) / r->levels;
    for (int64_t i = r->at; i < r->level_end; ++i) filled += count_at(r->h, i) != 0;
    r->mean = filled ? sum_counts(r->h, r->at, r->level_end) / (double)filled : 0;
}

static double next_mean(reference *r) {
    if (r->at == r->level_end) enter_level(r);
    return count_at(r->h, r->at++) != 0 ? r->mean : 0;
}

static void next_q(void *context, int64_t n, double *terms) {
    for (int64_t i = 0; i < n; ++i) terms[i] = next_mean(context);
}

static void next_divergence(void *context, int64_t n, double *terms) {
    reference *r = context;
    for (int64_t i = 0; i < n; ++i) {
        const bool last = r->at == r->bins - 1;
        const double behind = last ? sum_counts(r->h, r->bins, r->h->bins) : 0;
        const double p = count_at(r->h, r->at) + behind;
        terms[i] = lq_divergence_term(p / r->total, next_mean(r) / r->sum_q);
    }
}

static double sum_terms(reference *r, void (*next)(void *, int64_t, double *)) {
    const lq_terms terms = {next, r};
    r->at = r->level_end = 0;
    return lq_sum_as_numpy(&terms, r->bins);
}

/* NaN where there is nothing in the bins: the search takes that for the least. */
static double divergence(reference *r) {
    r->sum_q = sum_terms(r, next_q);
    return sum_terms(r, next_divergence);
}

lq_status lq_find_modelopt_entropy(const lq_method_call *call, lq_range *range) {
    const lq_histogram *h = call->values->linear;
    const int64_t first = call->with.start_bin;
    const lq_status status = check(call, first > 2 ? first : 2);
    if (status) return status;
    reference r = {.h = h, .levels = top_code(call->rule) + 1, .total = sum_counts(h, 0, h->bins)};
    double least = HUGE_VAL;
    int64_t best = first;
    for (r.bins = first; r.bins <= h->bins; r.bins += call->with.stride) {
        const double d = divergence(&r);
        /* The last of equal ones. */
        if (d > least || (least != least && d == d)) continue;
        least = d;
        best = r.bins;
    }
    *range = up_to(call, h->edges[best]);
    return LQ_OK;
}

/* --------------------------------------------------------------------- MSE */

typedef struct errors {
    const lq_histogram *h;
    float scale, back, top; /* codes a unit, to codes and back */
    int64_t at;
} errors;

static float center(const lq_histogram *h, int64_t i) {
    return (h->edges[i + 1] + h->edges[i]) / 2;
}

static void next_error(void *context, int64_t n, double *terms) {
    errors *e = context;
    for (int64_t i = 0; i < n; ++i, ++e->at) {
        const float x = center(e->h, e->at);
        const float code = rintf(x * e->scale);
        const float error = (code > e->top ? e->top : code) / e->back - x;
        terms[i] = (double)(error * error * (float)e->h->counts[e->at]);
    }
}

/* With amax up to 2^-24, all codes are 0. */
static float mean_error(const lq_method_call *call, float amax) {
    const lq_histogram *h = call->values->linear;
    errors e = {.h = h, .top = (float)top_code(call->rule)};
    const lq_terms terms = {next_error, &e};
    e.scale = amax > 0x1p-24f ? e.top / amax : 0;
    e.back = amax > 0x1p-24f ? e.scale : 1;
    return lq_sum_as_pytorch(&terms, h->bins) / (float)h->bins;
}

lq_status lq_find_modelopt_mse(const lq_method_call *call, lq_range *range) {
    const lq_histogram *h = call->values->linear;
    const lq_status status = check(call, (int64_t)call->with.start_bin + 1);
    if (status) return status;
    float least = INFINITY;
    int64_t best = call->with.start_bin;
    for (int64_t i = best; i < h->bins; i += call->with.stride) {
        const float error = mean_error(call, center(h, i));
        if (error < least || (error != error && least == least)) {
            least = error;
            best = i;
        }
    }
    *range = up_to(call, center(h, best));
    return LQ_OK;
}
