/* What the HistogramCollector of ONNX Runtime's Python tools finds, in the precisions that it has. */
#include "methods/linear.h"
#include "ordered_sums.h"

/*
 * Clipped to the ends of the data. Where all values are in one bin, that can leave the tools with a
 * lower end above the upper one; its being lowered changes no parameters, which count 0 in.
 */
static lq_range clip(const lq_distribution *d, float lo, float hi) {
    lq_range range = {lo < d->lo ? d->lo : lo, hi > d->hi ? d->hi : hi};
    if (range.lo > range.hi) range.lo = range.hi;
    return range;
}

lq_status lq_find_onnxruntime_percentile(const lq_method_call *call, lq_range *range) {
    const lq_distribution *d = call->values;
    const double cut = (100.0 - call->with.percentile) / 200.0;
    *range = clip(d, lq_edge_at(d, cut), lq_edge_at(d, 1.0 - cut));
    return LQ_OK;
}

lq_status lq_find_onnxruntime_percentile_symmetric(const lq_method_call *call, lq_range *range) {
    const lq_distribution *d = call->values;
    if (d->linear->edges[0] < 0) return LQ_ERROR_RANGE;
    const float t = lq_edge_at(d, call->with.percentile / 100.0);
    const bool has_ends = d->linear->min != 0 || d->linear->max != 0;
    *range = has_ends ? clip(d, -t, t) : (lq_range){-t, t};
    return LQ_OK;
}

/* ----------------------------------------------------------------- entropy */

/* What smoothing makes of a distribution's bins: `empty` those that are 0, `taken` off all others. */
typedef struct smoothing {
    float empty, taken;
} smoothing;

/*
 * The bins [begin, end) around zero. p has their counts, and those of all other bins in its first
 * and last; q has the counts without these in `runs` runs of equal length, each spread over the
 * bins of its run, and nothing behind the last run.
 */
typedef struct slice {
    const lq_histogram *h;
    int64_t begin, end;
    int64_t runs, length; /* of a run, maybe 0 */
    double before, behind;
    smoothing of_p, of_q;
    float sum_p, sum_q;
    /* The next bin, and what q has there. */
    int64_t at;
    double mean;
} slice;

static double sum_counts(const lq_histogram *h, int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += h->counts[i];
    return sum;
}

static double p_at(const slice *s, int64_t i) {
    const double before = i == s->begin ? s->before : 0;
    const double behind = i == s->end - 1 ? s->behind : 0;
    return s->h->counts[i] + before + behind;
}

/*
 * Of the run that begins at bin `first`: its counts, and for the last one those behind it, over its
 * bins that are not empty in p; an integer.
 */
static double mean_of_run(const slice *s, int64_t first) {
    const int64_t run = (first - s->begin) / s->length;
    const int64_t last = first + s->length;
    int64_t filled = 0;
    if (run >= s->runs) return 0;
    for (int64_t i = first; i < last; ++i) filled += p_at(s, i) != 0;
    if (filled == 0) return 0;
    return floor(sum_counts(s->h, first, run == s->runs - 1 ? s->end : last) / (double)filled);
}

static void next_bin(slice *s, double *p, double *q) {
    const int64_t i = s->at++;
    if (s->length == 0) {
        s->mean = 0;
    } else if ((i - s->begin) % s->length == 0) {
        s->mean = mean_of_run(s, i);
    }
    *p = p_at(s, i);
    *q = s->mean;
}

static float smooth(const smoothing *by, double count) {
    return count == 0 ? by->empty : (float)count - by->taken;
}

static void next_p(void *context, int64_t n, double *terms) {
    slice *s = context;
    double p, q;
    for (int64_t i = 0; i < n; ++i) {
        next_bin(s, &p, &q);
        terms[i] = (double)smooth(&s->of_p, p);
    }
}

static void next_q(void *context, int64_t n, double *terms) {
    slice *s = context;
    double p, q;
    for (int64_t i = 0; i < n; ++i) {
        next_bin(s, &p, &q);
        terms[i] = (double)smooth(&s->of_q, q);
    }
}

static void next_divergence(void *context, int64_t n, double *terms) {
    slice *s = context;
    double p, q;
    for (int64_t i = 0; i < n; ++i) {
        next_bin(s, &p, &q);
        const float share_p = smooth(&s->of_p, p) / s->sum_p;
        const float share_q = smooth(&s->of_q, q) / s->sum_q;
        terms[i] = lq_divergence_term((double)share_p, (double)share_q);
    }
}

/* Where there is nothing to take from, or too little, the tools give up. */
static bool find_smoothing(smoothing *out, int64_t empty, int64_t filled, double least) {
    if (filled == 0) return false;
    const double taken = 0.0001 * (double)empty / (double)filled;
    *out = (smoothing){0.0001f, (float)taken};
    return taken < 1 && (float)least - out->taken > 0;
}

static bool find_smoothings(slice *s) {
    double least_p = HUGE_VAL, least_q = HUGE_VAL, p, q;
    int64_t empty_p = 0, empty_q = 0;
    const int64_t n = s->end - s->begin;
    s->at = s->begin;
    for (int64_t i = 0; i < n; ++i) {
        next_bin(s, &p, &q);
        empty_p += p == 0;
        empty_q += q == 0;
        if (p > 0 && p < least_p) least_p = p;
        if (q > 0 && q < least_q) least_q = q;
    }
    return find_smoothing(&s->of_p, empty_p, n - empty_p, least_p) &&
           find_smoothing(&s->of_q, empty_q, n - empty_q, least_q);
}

static float sum_terms(slice *s, void (*next)(void *, int64_t, double *)) {
    const lq_terms terms = {next, s};
    s->at = s->begin;
    return lq_sum_floats_as_numpy(&terms, s->end - s->begin);
}

static float divergence(slice *s) {
    if (!find_smoothings(s)) return INFINITY;
    s->sum_p = sum_terms(s, next_p);
    s->sum_q = sum_terms(s, next_q);
    return sum_terms(s, next_divergence);
}

static slice slice_around(const lq_histogram *h, int64_t reach, int64_t runs) {
    const int64_t zero = h->bins / 2;
    const int64_t end = zero + reach + 1;
    slice s = {.h = h, .runs = runs, .begin = zero - reach, .end = end < h->bins ? end : h->bins};
    s.length = (s.end - s.begin) / runs;
    s.before = sum_counts(h, 0, s.begin);
    s.behind = sum_counts(h, s.end, h->bins);
    return s;
}

lq_status lq_find_onnxruntime_entropy(const lq_method_call *call, lq_range *range) {
    const lq_histogram *h = call->values->linear;
    const int64_t runs = call->with.quantized_bins;
    if (h->bins / 2 < runs / 2) return LQ_ERROR_SHAPE;
    slice best = slice_around(h, runs / 2, runs);
    float least = divergence(&best);
    for (int64_t reach = runs / 2 + 1; reach <= h->bins / 2; ++reach) {
        slice s = slice_around(h, reach, runs);
        const float d = divergence(&s);
        if (d < least) {
            least = d;
            best = s;
        }
    }
    *range = clip(call->values, h->edges[best.begin], h->edges[best.end]);
    return LQ_OK;
}

/* ------------------------------------------------------------ distribution */

typedef struct moment {
    const lq_histogram *h;
    int64_t at;
    bool squared;
} moment;

/* Values and squares are floats, their products with counts are not. */
static void next_moment(void *context, int64_t n, double *terms) {
    moment *m = context;
    for (int64_t i = 0; i < n; ++i, ++m->at) {
        const float *edge = m->h->edges + m->at;
        const float value = (edge[0] + edge[1]) * 0.5f;
        terms[i] = m->h->counts[m->at] * (double)(m->squared ? value * value : value);
    }
}

static double mean_moment(const lq_distribution *d, bool squared) {
    moment m = {d->linear, 0, squared};
    const lq_terms terms = {next_moment, &m};
    return lq_sum_as_numpy(&terms, d->linear->bins) / d->count;
}

lq_status lq_find_onnxruntime_distribution(const lq_method_call *call, lq_range *range) {
    enum { LEAST_BINS = 512 };
    const lq_distribution *d = call->values;
    if (d->linear->bins < LEAST_BINS) return LQ_ERROR_SHAPE;
    const double mean = mean_moment(d, false);
    const double variance = mean_moment(d, true) - mean * mean;
    const double reach = variance < 0 ? 0 : call->with.deviations * sqrt(variance);
    *range = (lq_range){(float)(mean - reach), (float)(mean + reach)};
    return LQ_OK;
}
