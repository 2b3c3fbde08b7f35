/*
 * The range with the least expected squared error, as scheme and type of scale have it. Candidates
 * go through lq_choose, so that what is compared is what will be stored. The error has many local
 * minima, one for nearly every way in which values and codes may meet, the deeper the fewer values
 * there are: so a coarse grid over all of the range, a dense one around its best point, and finer
 * ones around the best of that.
 */
#include "methods.h"
#include "choose.h"
#include <math.h>

/* Candidates at once, and how many are refined. */
enum { AT_ONCE = 256, BEST = 4 };

/* The work that the dense grid may take, in candidates times bins; and its most candidates. */
enum { DENSE_WORK = 2000000, MOST_DENSE = 10000 };

/*
 * A candidate: the ends of the range in parts of what they could be. For symmetric mappings both
 * are the threshold in parts of the largest magnitude; or of that of one side, where the mapping
 * favors the sign of the largest value.
 */
typedef struct point {
    double lo, hi;
    int side; /* of that value, or 0 */
    double error;
} point;

typedef struct search {
    const lq_method_call *call;
    const lq_distribution *d;
    double middle;  /* from where the parts are measured */
    bool means;     /* are exact */
    double share;   /* how much of a bin's values is taken to stand at their mean */
    double nothing; /* magnitudes below are quantized to 0 by every candidate */
    int64_t bins;
    bool moves_lo, moves_hi; /* affine: which ends there are to be moved */
    point found[BEST];
    int count;
    double ratio; /* closer candidates than by this are one */
    point waiting[AT_ONCE];
    int64_t waits;
} search;

/* ------------------------------------------------------------------ errors */

typedef struct values {
    double point[2 * LQ_BINS + 8], point_weight[2 * LQ_BINS + 8];
    double low[LQ_BINS + 8], high[LQ_BINS + 8], span_weight[LQ_BINS + 8];
    int64_t points, spans;
} values;

static void add_point(values *v, double at, double weight) {
    v->point[v->points] = at;
    v->point_weight[v->points++] = weight;
}

static void add_span(values *v, double low, double high, double weight) {
    v->low[v->spans] = low;
    v->high[v->spans] = high;
    v->span_weight[v->spans++] = weight;
}

/* Evenly over the bin; or, where the mean is known, over as much of it as has that mean. */
static void spread(const search *s, const lq_bins *b, int64_t i, double count, values *v) {
    const double below = b->mean[i] - b->low[i];
    const double above = b->high[i] - b->mean[i];
    const double reach = below < above ? below : above;
    if (!s->means) {
        add_span(v, b->low[i], b->high[i], count);
    } else if (reach > 0) {
        add_span(v, b->mean[i] - reach, b->mean[i] + reach, count);
    } else {
        add_point(v, b->mean[i], count);
    }
}

static void take_bins(const search *s, const lq_bins *b, values *v) {
    v->points = v->spans = 0;
    for (int64_t i = 0; i < b->n; ++i) {
        const double count = b->count[i];
        if (b->low[i] > -s->nothing && b->high[i] < s->nothing) continue;
        const bool known = b->low[i] == b->high[i] || (count == 1 && s->means);
        const double at_mean = known ? count : count * s->share;
        if (at_mean > 0) add_point(v, b->mean[i], at_mean);
        if (at_mean < count) spread(s, b, i, count - at_mean, v);
    }
    while (v->points % 8) add_point(v, 0, 0);
    while (v->spans % 8) add_span(v, 0, 1, 0);
}

/* What the threshold of a candidate is measured in. */
static double largest_of(const lq_distribution *d, int side) {
    if (side) return side > 0 ? (double)d->hi : -(double)d->lo;
    return lq_largest_magnitude(d);
}

/* Of a side: the other one comes less far, by one float. */
static lq_range range_of_side(const lq_distribution *d, int side, double threshold) {
    const float t = (float)threshold;
    const double less = t > 0 ? (double)lq_from_bits(lq_bits(t) - 1u) : 0;
    return side > 0 ? lq_within(d, -less, (double)t) : lq_within(d, -(double)t, less);
}

static lq_range range_of(const search *s, const point *p) {
    const lq_distribution *d = s->d;
    const double threshold = p->hi * largest_of(d, p->side);
    if (p->side) return range_of_side(d, p->side, threshold);
    if (s->call->rule->mapping != LQ_AFFINE) return lq_within_magnitude(d, threshold);
    return lq_within(d, s->middle + p->lo * ((double)d->lo - s->middle),
                     s->middle + p->hi * ((double)d->hi - s->middle));
}

/* The scale and zero point of a candidate; false where there is no scale. */
static bool parameters_of(const search *s, const point *p, double *scale, double *center) {
    const lq_rule *rule = s->call->rule;
    const lq_range r = range_of(s, p);
    const lq_choice c = lq_choose_for_range(rule, s->call->scale_type, r.lo, r.hi);
    *scale = lq_step_of(rule, &c);
    *center = rule->real_zero ? (double)c.real_zero : c.zero;
    return *scale != 0;
}

typedef struct candidates {
    double scale[AT_ONCE], center[AT_ONCE], error[AT_ONCE];
    int64_t n;
} candidates;

/* Expected squares of the values: their error where all are quantized to 0. */
static double squares_of(const values *v) {
    double sum = 0;
    for (int64_t i = 0; i < v->points; ++i) sum += v->point_weight[i] * v->point[i] * v->point[i];
    for (int64_t i = 0; i < v->spans; ++i) {
        const double low = v->low[i];
        const double high = v->high[i];
        sum += v->span_weight[i] * (low * low + low * high + high * high) / 3;
    }
    return sum;
}

/* No value is further from 0 than `reach`. Most bins are close to it, and 0 to most candidates. */
static void add_errors(const search *s, const values *v, double reach, candidates *c) {
    const double squares = squares_of(v);
    candidates some;
    int64_t from[AT_ONCE];
    some.n = 0;
    for (int64_t k = 0; k < c->n; ++k) {
        if (s->nothing > 0 && reach < 0.499 * fabs(c->scale[k])) {
            c->error[k] += squares;
            continue;
        }
        some.scale[some.n] = c->scale[k];
        some.center[some.n] = c->center[k];
        some.error[some.n] = c->error[k];
        from[some.n++] = k;
    }
    const lq_expectation e = {.point = v->point,
                              .point_weight = v->point_weight,
                              .points = v->points,
                              .low = v->low,
                              .high = v->high,
                              .span_weight = v->span_weight,
                              .spans = v->spans,
                              .scale = some.scale,
                              .center = some.center,
                              .error = some.error,
                              .candidates = some.n,
                              .code_min = s->call->rule->code_min,
                              .code_max = s->call->rule->code_max};
    s->call->kernels->expected_errors(&e);
    for (int64_t k = 0; k < some.n; ++k) c->error[from[k]] = some.error[k];
}

static void measure(const search *s, point *points, int64_t n) {
    candidates c = {.n = n};
    bool usable[AT_ONCE];
    lq_bins bins;
    values v;
    for (int64_t k = 0; k < n; ++k) {
        usable[k] = parameters_of(s, &points[k], &c.scale[k], &c.center[k]);
        if (!usable[k]) c.scale[k] = 1;
    }
    for (int64_t cursor = 0; lq_next_bins(s->d, &cursor, LQ_BINS, &bins);) {
        const double below = -bins.low[0];
        const double above = bins.high[bins.n - 1];
        take_bins(s, &bins, &v);
        add_errors(s, &v, below > above ? below : above, &c);
    }
    for (int64_t k = 0; k < n; ++k) points[k].error = usable[k] ? c.error[k] : HUGE_VAL;
}

/* ------------------------------------------------------------------ search */

static bool near(const point *a, const point *b, double ratio) {
    return a->side == b->side && a->lo <= b->lo * ratio && b->lo <= a->lo * ratio &&
           a->hi <= b->hi * ratio && b->hi <= a->hi * ratio;
}

/* Among the best so far, unless a better one is close to it. */
static void keep(search *s, const point *p) {
    int at = s->count;
    for (int i = s->count - 1; i >= 0; --i) {
        if (!near(p, &s->found[i], s->ratio)) continue;
        if (s->found[i].error <= p->error) return;
        at = i;
    }
    if (at == BEST) {
        if (s->found[BEST - 1].error <= p->error) return;
        at = BEST - 1;
    }
    if (at == s->count) ++s->count;
    for (; at > 0 && s->found[at - 1].error > p->error; --at) s->found[at] = s->found[at - 1];
    s->found[at] = *p;
}

static void compare_waiting(search *s) {
    measure(s, s->waiting, s->waits);
    for (int64_t k = 0; k < s->waits; ++k) keep(s, &s->waiting[k]);
    s->waits = 0;
}

static void try(search *s, double lo, double hi, int side) {
    if (lo > 1 || hi > 1) return;
    s->waiting[s->waits++] = (point){.lo = lo, .hi = hi, .side = side};
    if (s->waits == AT_ONCE) compare_waiting(s);
}

static void try_coarse(search *s, int side) {
    enum { LINE = 320, SQUARE = 28 };
    const bool both = s->moves_lo && s->moves_hi;
    const bool tied = s->call->rule->mapping != LQ_AFFINE;
    const int steps = both ? SQUARE : LINE;
    for (int i = 0; i < steps; ++i) {
        const double part = lq_part(i, steps);
        for (int k = 0; both && k < steps; ++k) try(s, part, lq_part(k, steps), side);
        if (!both) try(s, tied || s->moves_lo ? part : 1, tied || s->moves_hi ? part : 1, side);
    }
}

/* Around a candidate, up to `reach` of it away: a grid of so many points. */
static void try_around(search *s, const point *p, double reach, int64_t points) {
    const bool both = s->moves_lo && s->moves_hi;
    const bool tied = s->call->rule->mapping != LQ_AFFINE;
    int64_t half = both ? (int64_t)sqrt((double)points) / 2 : points / 2;
    if (half < 1) half = 1;
    for (int64_t i = -half; i <= half; ++i) {
        const double step = 1 + reach * (double)i / (double)half;
        for (int64_t k = -half; both && k <= half; ++k) {
            try(s, p->lo * step, p->hi * (1 + reach * (double)k / (double)half), p->side);
        }
        if (!both) {
            try(s, tied || s->moves_lo ? p->lo * step : p->lo,
                tied || s->moves_hi ? p->hi * step : p->hi, p->side);
        }
    }
}

/* The best candidate of a side becomes the first of those found. */
static void search_side(search *s, int side) {
    double reach = 0.2;
    int64_t dense = s->bins ? DENSE_WORK / s->bins : 0;
    if (dense > MOST_DENSE) dense = MOST_DENSE;
    s->count = 0;
    s->ratio = 1.02;
    try(s, 1, 1, side);
    try_coarse(s, side);
    compare_waiting(s);
    s->ratio = 1.001;
    for (int round = 0; round < 5; ++round, reach /= 4) {
        const point best[BEST] = {s->found[0], s->found[1], s->found[2], s->found[3]};
        const int starts = round == 0 || s->count < 2 ? s->count : 2;
        if (round == 0) try_around(s, &best[0], reach, dense);
        for (int i = 0; i < starts; ++i) try_around(s, &best[i], reach / 4, 64);
        compare_waiting(s);
        s->ratio = 1 + reach / 1000;
    }
}

static point search_range(search *s) {
    if (s->call->rule->mapping != LQ_SYMMETRIC_FULL_RANGE || !(s->d->lo < 0)) {
        search_side(s, s->call->rule->mapping == LQ_SYMMETRIC_FULL_RANGE);
        return s->found[0];
    }
    search_side(s, -1);
    const point negative = s->found[0];
    if (!(s->d->hi > 0)) return negative;
    search_side(s, 1);
    return s->found[0].error < negative.error ? s->found[0] : negative;
}

/* ---------------------------------------------------------------- the bins */

/*
 * Whether values stand at few points, such as pixels, or are spread over their bins: the exact
 * means say so. Of n values spread evenly the mean is off the middle by a variance of
 * width^2 / 12 n, of n equal ones by width^2 / 12.
 */
static void look_at_bins(search *s) {
    const lq_distribution *d = s->d;
    double excess = 0, most = 0;
    lq_bins b;
    for (int64_t cursor = 0; lq_next_bins(d, &cursor, LQ_BINS, &b);) {
        for (int64_t i = 0; i < b.n; ++i) {
            const double width = b.high[i] - b.low[i];
            s->bins += !(b.low[i] > -s->nothing && b.high[i] < s->nothing);
            if (!s->means || !(width > 0)) continue;
            const double off = (b.mean[i] - b.low[i]) / width - 0.5;
            excess += b.count[i] * 12 * off * off - 1;
            most += b.count[i] - 1;
        }
    }
    const double share = most > 0 ? excess / most : 0;
    s->share = share < 0 ? 0 : share < 0.5 ? share : 1;
}

/* What the finest candidate rounds to 0; none by a zero point that is not an integer. */
static double nothing_below(const search *s) {
    const lq_rule *rule = s->call->rule;
    if (rule->range_rule != LQ_RANGE_WITH_ZERO || rule->real_zero) return 0;
    return lq_largest_magnitude(s->d) * 0x1p-13 / (rule->steps < 0 ? -rule->steps : rule->steps) /
           2;
}

lq_status lq_find_mse(const lq_method_call *call, lq_range *range) {
    const lq_distribution *d = call->values;
    search s = {.call = call, .d = d};
    if (call->rule->range_rule == LQ_RANGE_WITH_ZERO) {
        s.middle = d->lo > 0 ? (double)d->lo : d->hi < 0 ? (double)d->hi : 0;
    } else {
        double variance;
        lq_moments(d, &s.middle, &variance);
    }
    s.moves_lo = (double)d->lo < s.middle;
    s.moves_hi = (double)d->hi > s.middle;
    s.nothing = nothing_below(&s);
    s.means = d->calibrator && d->calibrator->sums;
    look_at_bins(&s);
    const point best = search_range(&s);
    *range = range_of(&s, &best);
    return LQ_OK;
}
