/*
 * PyTorch's HistogramObserver: its search for the range whose quantization has the least L2 error,
 * in the precisions that it has. Ends of the histogram are its outermost edges, bins equally wide.
 */
#include "methods.h"
#include "ordered_sums.h"
#include <math.h>

/* Running sums of counts: floats, but added in double. */
enum { MARKS = 512 };

typedef struct running {
    const lq_histogram *h;
    int64_t stride;
    double before[MARKS]; /* sum of the counts before each stride-th bin */
} running;

static void mark(running *r, const lq_histogram *h) {
    double sum = 0;
    r->h = h;
    r->stride = (h->bins + MARKS - 1) / MARKS;
    for (int64_t i = 0; i < h->bins; ++i) {
        if (i % r->stride == 0) r->before[i / r->stride] = sum;
        sum += (double)(float)h->counts[i];
    }
}

/* Of the bins up to `bin`. */
static float sum_to(const running *r, int64_t bin) {
    double sum = r->before[bin / r->stride];
    for (int64_t i = bin - bin % r->stride; i <= bin; ++i) sum += (double)(float)r->h->counts[i];
    return (float)sum;
}

static void next_count(void *context, int64_t n, double *terms) {
    const double **at = context;
    for (int64_t i = 0; i < n; ++i) terms[i] = (double)(float)*(*at)++;
}

/* ------------------------------------------------------------------- error */

/* Of quantizing all bins with steps that begin at bin `first`. */
typedef struct errors {
    const lq_histogram *h;
    int64_t first, at;
    float width, step, half; /* of a bin, of a step, half a step */
    float last;              /* step */
} errors;

/* floor(a / b) as PyTorch's division has it. */
static float floor_divide(float a, float b) {
    if (b == 0) return a / b;
    const float rest = fmodf(a, b);
    float quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
    const float whole = floorf(quotient);
    return quotient - whole > 0.5f ? whole + 1 : whole;
}

/* The step that a place lies in; a NaN stays. */
static float step_of(const errors *e, float place) {
    const float step = floor_divide(place, e->step);
    if (step < 0) return 0;
    return step > e->last ? e->last : step;
}

/* Of values spread evenly, `from` and `to` being distances from where they are quantized to. */
static float norm(float from, float to, float density) {
    return density * ((to * to * to - from * from * from) / 3);
}

static void next_error(void *context, int64_t n, double *terms) {
    errors *e = context;
    for (int64_t i = 0; i < n; ++i, ++e->at) {
        const float density = (float)e->h->counts[e->at] / e->width;
        const float begin = (float)(e->at - e->first) * e->width;
        const float end = begin + e->width;
        const float first = step_of(e, begin), last = step_of(e, end);
        float sum = norm(begin - (first + 0.5f) * e->step, e->half, density);
        sum += (last - first - 1) * norm(-e->half, e->half, density);
        sum += norm(-e->half, end - (last * e->step + e->half), density);
        terms[i] = (double)sum;
    }
}

static float quantization_error(const lq_method_call *call, int64_t first, int64_t last) {
    const lq_histogram *h = call->values->linear;
    const double steps = (double)((int64_t)1 << call->rule->code->bits);
    const double width = ((double)h->edges[h->bins] - (double)h->edges[0]) / (double)h->bins;
    const double step = width * (double)(last - first + 1) / steps;
    errors e = {.h = h,
                .first = first,
                .width = (float)width,
                .step = (float)step,
                .half = (float)(step / 2),
                .last = (float)(steps - 1)};
    const lq_terms terms = {next_error, &e};
    return step == 0 ? 0 : lq_sum_as_pytorch(&terms, h->bins);
}

/* ------------------------------------------------------------------ search */

/* Bins and quantiles that the range has come down to. */
typedef struct ends {
    int64_t first, last;
    double alpha, beta;
} ends;

/* A smaller quantile on that side on which it takes more bins off. */
static ends step_inwards(const running *r, const ends *from, double total) {
    const double alpha = from->alpha + 1e-5, beta = from->beta - 1e-5;
    int64_t first = from->first, last = from->last;
    ends next = *from;
    while (first < from->last && sum_to(r, first) < (float)(alpha * total)) ++first;
    while (last > from->first && sum_to(r, last) > (float)(beta * total)) --last;
    if (first - from->first > from->last - last) {
        next.first = first;
        next.alpha = alpha;
    } else {
        next.last = last;
        next.beta = beta;
    }
    return next;
}

lq_status lq_find_pytorch_histogram(const lq_method_call *call, lq_range *range) {
    const lq_histogram *h = call->values->linear;
    const float lo = h->edges[0], width = (h->edges[h->bins] - lo) / (float)h->bins;
    const double *counts = h->counts;
    const lq_terms terms = {next_count, &counts};
    const double total = (double)lq_sum_as_pytorch(&terms, h->bins);
    ends now = {0, h->bins - 1, 0, 1};
    float least = INFINITY;
    running r;
    mark(&r, h);
    while (now.alpha < now.beta) {
        const ends next = step_inwards(&r, &now, total);
        if (next.first != now.first || next.last != now.last) {
            const float error = quantization_error(call, next.first, next.last);
            if (error > least) break;
            least = error;
        }
        now = next;
    }
    *range = (lq_range){lo + width * (float)now.first, lo + width * (float)(now.last + 1)};
    return LQ_OK;
}
