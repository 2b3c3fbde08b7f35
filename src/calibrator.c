/* Calibrators: their memory, merging them, and what they say of the values they have seen. */
#include "calibrator.h"
#include "distribution.h"

/* "lqcalib", and the version of the layout in memory. */
#define MAGIC ((uint64_t)0x0162696c6163716c)
enum { ALIGNMENT = 8, DEFAULT_MANTISSA_BITS = 7 };

/* ------------------------------------------------------------------ layout */

/* Room for `count` elements of `size` bytes at the end; 0 where that overflows. */
static uint64_t place(lq_calibrator *layout, int64_t count, size_t size) {
    const uint64_t at = layout->size;
    uint64_t bytes, end;
    if (at == 0 || __builtin_mul_overflow((uint64_t)count, (uint64_t)size, &bytes) ||
        __builtin_add_overflow(at, bytes, &end) || end > (uint64_t)INT64_MAX - ALIGNMENT) {
        layout->size = 0;
        return 0;
    }
    layout->size = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

static lq_status lay_out(lq_calibrator *c) {
    const bool histogram = c->statistic == LQ_STATISTIC_HISTOGRAM;
    const int64_t channels = c->channels;
    int64_t bins;
    c->size = sizeof *c;
    c->lo = place(c, channels, sizeof(float));
    c->hi = place(c, channels, sizeof(float));
    if (c->statistic == LQ_STATISTIC_MOVING_AVERAGE) {
        c->moving_lo = place(c, channels, sizeof(float));
        c->moving_hi = place(c, channels, sizeof(float));
    }
    if (histogram) {
        c->bins = (int64_t)1 << (9 + c->mantissa_bits);
        if (__builtin_mul_overflow(c->bins, channels, &bins)) return LQ_ERROR_OVERFLOW;
        c->low_bits = place(c, channels, sizeof(uint32_t));
        c->pending = place(c, channels, sizeof(uint32_t));
        if (c->bin_sums) c->sums = place(c, bins, sizeof(uint64_t));
        c->counters = place(c, bins, 2 * sizeof(uint32_t));
        c->carries = place(c, bins, 1);
    }
    return c->size && c->size <= SIZE_MAX ? LQ_OK : LQ_ERROR_OVERFLOW;
}

static bool sound_options(const lq_calibrator_options *o) {
    const bool histogram = o->statistic == LQ_STATISTIC_HISTOGRAM;
    const bool moving = o->statistic == LQ_STATISTIC_MOVING_AVERAGE;
    if (o->mantissa_bits < 0 || o->mantissa_bits > (histogram ? LQ_MOST_MANTISSA_BITS : 0)) {
        return false;
    }
    if (o->bin_sums < 0 || o->bin_sums > (histogram ? 1 : 0)) return false;
    if (!(o->averaging >= 0 && o->averaging <= (moving ? 1.0f : 0.0f))) return false;
    if (o->axis < -LQ_MAX_RANK || o->axis >= LQ_MAX_RANK) return false;
    return o->channels >= 0 && !(o->channels == 0 && o->axis != 0);
}

lq_status lq_plan_calibrator(const lq_calibrator_options *o, lq_calibrator *layout) {
    if (!o) return LQ_ERROR_NULL;
    const lq_status status = lq_check_struct(o, o->struct_size, sizeof *o);
    if (status) return status;
    if (o->reserved) return LQ_ERROR_STRUCT;
    if (o->statistic < LQ_STATISTIC_HISTOGRAM || o->statistic > LQ_STATISTIC_MOVING_AVERAGE) {
        return LQ_ERROR_ENUM;
    }
    if (!sound_options(o)) return LQ_ERROR_RANGE;
    *layout = (lq_calibrator){
        .magic = MAGIC,
        .channels = o->channels ? o->channels : 1,
        .statistic = o->statistic,
        .bin_sums = o->bin_sums,
        .per_channel = o->channels > 0,
        .axis = o->axis,
    };
    if (o->statistic == LQ_STATISTIC_HISTOGRAM) {
        layout->mantissa_bits = o->mantissa_bits ? o->mantissa_bits : DEFAULT_MANTISSA_BITS;
    }
    if (o->statistic == LQ_STATISTIC_MOVING_AVERAGE) {
        layout->averaging = o->averaging > 0 ? o->averaging : 0.01f;
    }
    return lay_out(layout);
}

void lq_clear_calibrator(lq_calibrator *c, const lq_calibrator *layout) {
    memset(c, 0, (size_t)layout->size);
    *c = *layout;
    for (int64_t i = 0; i < c->channels; ++i) {
        lq_los(c)[i] = lq_from_bits(0x7f800000u);
        lq_his(c)[i] = lq_from_bits(0xff800000u);
        if (!c->moving_lo) continue;
        lq_moving_los(c)[i] = lq_from_bits(0x7f800000u);
        lq_moving_his(c)[i] = lq_from_bits(0xff800000u);
    }
}

lq_status lq_check_calibrator(const lq_calibrator *c) {
    if (!c) return LQ_ERROR_NULL;
    if ((uintptr_t)c % ALIGNMENT) return LQ_ERROR_STATE;
    return c->magic == MAGIC ? LQ_OK : LQ_ERROR_STATE;
}

void lq_tell_options(const lq_calibrator *c, lq_calibrator_options *o) {
    o->statistic = c->statistic;
    o->mantissa_bits = c->mantissa_bits;
    o->bin_sums = c->bin_sums;
    o->axis = c->axis;
    o->channels = c->per_channel ? c->channels : 0;
    o->averaging = c->averaging;
}

/* -------------------------------------------------------- public functions */

lq_status lq_calibrator_options_init(lq_calibrator_options *options, size_t struct_size) {
    return lq_init_struct(options, struct_size, sizeof *options);
}

lq_status lq_calibrator_size(const lq_calibrator_options *options, size_t *size) {
    lq_calibrator layout;
    if (!size) return LQ_ERROR_NULL;
    const lq_status status = lq_plan_calibrator(options, &layout);
    if (!status) *size = (size_t)layout.size;
    return status;
}

lq_status lq_calibrator_init(lq_calibrator *calibrator, size_t size,
                             const lq_calibrator_options *options) {
    lq_calibrator layout;
    if (!calibrator) return LQ_ERROR_NULL;
    const lq_status status = lq_plan_calibrator(options, &layout);
    if (status) return status;
    if ((uintptr_t)calibrator % ALIGNMENT) return LQ_ERROR_ALIGNMENT;
    if (size < layout.size) return LQ_ERROR_SIZE;
    lq_clear_calibrator(calibrator, &layout);
    return LQ_OK;
}

lq_status lq_calibrator_get_options(const lq_calibrator *calibrator,
                                    lq_calibrator_options *options) {
    lq_status status = lq_check_calibrator(calibrator);
    if (!status && !options) status = LQ_ERROR_NULL;
    if (!status) status = lq_check_struct(options, options->struct_size, sizeof *options);
    if (!status) lq_tell_options(calibrator, options);
    return status;
}

/* ----------------------------------------------------------------- merging */

void lq_fold(lq_calibrator *c, int64_t channel) {
    uint64_t *sums = lq_bin_sums(c, channel);
    for (int64_t bin = 0; bin < c->bins; ++bin) {
        lq_set_count(c, channel, bin, lq_count_of(c, channel, bin));
        if (sums) sums[bin] = lq_sum_of(c, channel, bin);
    }
    lq_pending(c)[channel] = 0;
}

static void merge_bins(lq_calibrator *to, const lq_calibrator *from, int64_t channel) {
    uint64_t *sums = lq_bin_sums(to, channel);
    for (int64_t bin = 0; bin < to->bins; ++bin) {
        const uint64_t count = lq_count_of(to, channel, bin) + lq_count_of(from, channel, bin);
        const uint64_t most = LQ_MOST_COUNT;
        if (sums) {
            const uint64_t sum = lq_sum_of(to, channel, bin);
            const uint64_t room = LQ_MOST_SUM - sum;
            const uint64_t more = lq_sum_of(from, channel, bin);
            sums[bin] = sum + (more < room ? more : room);
        }
        lq_set_count(to, channel, bin, count < most ? count : most);
    }
    lq_pending(to)[channel] = 0;
}

static bool same_layout(const lq_calibrator *a, const lq_calibrator *b) {
    return a->channels == b->channels && a->statistic == b->statistic &&
           a->mantissa_bits == b->mantissa_bits && a->bin_sums == b->bin_sums &&
           a->per_channel == b->per_channel && a->axis == b->axis && a->averaging == b->averaging;
}

lq_status lq_calibrator_merge(lq_calibrator *to, const lq_calibrator *from) {
    lq_status status = lq_check_calibrator(to);
    if (!status) status = lq_check_calibrator(from);
    if (status) return status;
    if (to != from && lq_spans_meet(lq_calibrator_span(to), lq_calibrator_span(from))) {
        return LQ_ERROR_OVERLAP;
    }
    if (to->statistic == LQ_STATISTIC_MOVING_AVERAGE) return LQ_ERROR_METHOD;
    if (!same_layout(to, from)) return LQ_ERROR_MISMATCH;
    for (int64_t i = 0; i < to->channels; ++i) {
        lq_widen_range(to, i, lq_los(from)[i], lq_his(from)[i]);
        if (!to->bins) continue;
        lq_low_bits(to)[i] |= lq_low_bits(from)[i];
        merge_bins(to, from, i);
    }
    return LQ_OK;
}

/* ----------------------------------------------------------------- queries */

static void count_values(const lq_calibrator *c, int64_t channel, lq_summary *s) {
    const int64_t nan = lq_bin_of(c, LQ_BITS_OF_NAN);
    const int64_t zero = lq_bin_of(c, LQ_BITS_OF_ZERO);
    const int64_t top = lq_bin_of(c, 0x7f800000u);
    const int64_t bottom = lq_bin_of(c, 0xff800000u);
    uint64_t all = 0;
    int64_t saturated = 0;
    for (int64_t bin = 0; bin < c->bins; ++bin) {
        const uint64_t n = lq_count_of(c, channel, bin);
        all += n;
        saturated += n == LQ_MOST_COUNT;
    }
    s->zeros = (int64_t)lq_count_of(c, channel, zero);
    s->nan = (int64_t)lq_count_of(c, channel, nan);
    s->positive_infinite = (int64_t)lq_count_of(c, channel, top);
    s->negative_infinite = (int64_t)lq_count_of(c, channel, bottom);
    s->count = (int64_t)all - s->nan - s->positive_infinite - s->negative_infinite;
    s->saturated = saturated;
}

lq_status lq_summary_init(lq_summary *summary, size_t struct_size) {
    return lq_init_struct(summary, struct_size, sizeof *summary);
}

lq_status lq_calibrator_summarize(const lq_calibrator *calibrator, int64_t channel,
                                  lq_summary *summary) {
    lq_status status = lq_check_calibrator(calibrator);
    if (!status && !summary) status = LQ_ERROR_NULL;
    if (!status) status = lq_check_struct(summary, summary->struct_size, sizeof *summary);
    if (!status && (channel < 0 || channel >= calibrator->channels)) status = LQ_ERROR_RANGE;
    if (status) return status;
    lq_distribution d;
    lq_distribution_of(calibrator, channel, &d);
    const float nan = lq_from_bits(0x7fc00000u);
    *summary = (lq_summary){
        .struct_size = summary->struct_size,
        .count = -1,
        .zeros = -1,
        .nan = -1,
        .positive_infinite = -1,
        .negative_infinite = -1,
        .exact = d.exact,
        .min = d.lo <= d.hi ? d.lo : nan,
        .max = d.lo <= d.hi ? d.hi : nan,
    };
    if (calibrator->bins) count_values(calibrator, channel, summary);
    lq_moments(&d, &summary->mean, &summary->variance);
    return LQ_OK;
}

static lq_status check_query(const lq_calibrator *c, int64_t channel) {
    const lq_status status = lq_check_calibrator(c);
    if (status) return status;
    if (!c->bins) return LQ_ERROR_METHOD;
    return channel < 0 || channel >= c->channels ? LQ_ERROR_RANGE : LQ_OK;
}

lq_status lq_calibrator_quantiles(const lq_calibrator *calibrator, int64_t channel, const double *p,
                                  int64_t n, float *quantiles) {
    lq_distribution d;
    const lq_status status = check_query(calibrator, channel);
    if (status) return status;
    if (n < 0) return LQ_ERROR_RANGE;
    if (n > 0 && (!p || !quantiles)) return LQ_ERROR_NULL;
    for (int64_t i = 0; i < n; ++i) {
        if (!(p[i] >= 0 && p[i] <= 1)) return LQ_ERROR_RANGE;
    }
    lq_distribution_of(calibrator, channel, &d);
    if (!(d.lo <= d.hi)) return LQ_ERROR_EMPTY;
    for (int64_t i = 0; i < n; ++i) quantiles[i] = lq_quantile(&d, p[i]);
    return LQ_OK;
}

lq_status lq_calibrator_bins(const lq_calibrator *calibrator, int64_t channel, int64_t *cursor,
                             lq_bin *bins, int64_t most, int64_t *n) {
    const lq_status status = check_query(calibrator, channel);
    if (status) return status;
    if (!cursor || !n || (most > 0 && !bins)) return LQ_ERROR_NULL;
    if (*cursor < 0 || most < 0) return LQ_ERROR_RANGE;
    lq_distribution d;
    lq_bins some;
    lq_distribution_of(calibrator, channel, &d);
    *n = 0;
    while (*n < most && lq_next_bins(&d, cursor, most - *n, &some)) {
        for (int64_t i = 0; i < some.n; ++i) {
            /* The bin next to 0 of negative values ends at +0, as ranges do. */
            const lq_bin bin = {(float)some.low[i], (float)some.high[i] + 0.0f,
                                (int64_t)some.count[i]};
            bins[(*n)++] = bin;
        }
    }
    return LQ_OK;
}
