#include "ranges.h"

#include <math.h>
#include <stdlib.h>

enum { BINS = 512, PARTS = 8 };

lq_calibration calibration_for(lq_method method, const lquant_options *o) {
    lq_calibration c = lq_calibration_by(method);
    c.percentile = o->percentile;
    c.deviations = o->deviations;
    return c;
}

lq_scheme scheme_for(const lquant_options *o) {
    return lq_scheme_of(o->mapping, o->code_type, lq_per_tensor());
}

lq_summary summary_of(const lq_calibrator *calibrator, int64_t channels) {
    lq_summary all, one;
    double sum = 0, squares = 0; /* of distances to the mean */
    lq_summary_init(&all, sizeof all);
    lq_summary_init(&one, sizeof one);
    all.exact = 1;
    all.min = all.max = NAN;
    for (int64_t i = 0; i < channels; ++i) {
        lq_calibrator_summarize(calibrator, i, &one);
        all.min = fminf(all.min, one.min); /* of two, that which is no NaN */
        all.max = fmaxf(all.max, one.max);
        all.exact &= one.exact;
        if (one.count < 0) all.count = -1;
        if (one.count <= 0 || all.count < 0) continue;
        all.count += one.count;
        sum += (double)one.count * one.mean;
    }
    all.mean = all.count > 0 ? sum / (double)all.count : NAN;
    for (int64_t i = 0; i < channels && all.count >= 0; ++i) {
        lq_calibrator_summarize(calibrator, i, &one);
        all.zeros += one.zeros;
        all.nan += one.nan;
        all.positive_infinite += one.positive_infinite;
        all.negative_infinite += one.negative_infinite;
        all.saturated += one.saturated;
        if (one.count == 0) continue;
        const double off = one.mean - all.mean;
        squares += (double)one.count * (one.variance + off * off);
    }
    all.variance = all.count > 0 ? squares / (double)all.count : NAN;
    return all;
}

/* The library knows which statistic serves a method: an empty calibrator tells. */
int method_applies(lq_method method) {
    static uint64_t memory[2048];
    lq_calibrator *empty = (lq_calibrator *)memory;
    const lq_calibration calibration = lq_calibration_by(method);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    lq_calibrator_options options = lq_calibrate_per_tensor();
    float scale;
    const lq_tensor s = lq_vector(&scale, LQ_F32, 1);
    options.mantissa_bits = 1;
    if (lq_calibrator_init(empty, sizeof memory, &options) != LQ_OK) return 0;
    return lq_calibrator_parameters(empty, &calibration, &scheme, &s, NULL, NULL) == LQ_ERROR_EMPTY;
}

int all_methods(lq_method methods[MOST_METHODS]) {
    int count = 0;
    for (lq_method method = 0; method < 256 && count < MOST_METHODS; ++method)
        if (lq_method_name(method) && method_applies(method)) methods[count++] = method;
    return count;
}

/* ------------------------------------------------------------------------ estimates */

typedef struct sums {
    double count, outside, squares, errors;
} sums;

/* Adds what a channel's values, spread evenly over their bins, become. */
static void add_bins(sums *s, const lq_bin *bins, int64_t n, const float *x, const float *y,
                     float lo, float hi) {
    for (int64_t i = 0; i < n * PARTS; ++i) {
        const double count = (double)bins[i / PARTS].count / PARTS;
        const double value = (double)x[i], error = (double)y[i] - value;
        s->count += count;
        s->squares += count * value * value;
        s->errors += count * error * error;
        if (x[i] < lo || x[i] > hi) s->outside += count;
    }
}

static lq_status add_channel(sums *s, const lq_calibrator *calibrator, int64_t channel,
                             const lq_scheme *scheme, const method_ranges *r) {
    lq_bin bins[BINS];
    float x[BINS * PARTS], y[BINS * PARTS];
    const int affine = scheme->mapping == LQ_AFFINE;
    const lq_tensor scale = lq_vector(&r->scale[channel], LQ_F32, 1);
    const lq_tensor zero_point = lq_vector(&r->zero_point[channel], LQ_S32, 1);
    lq_status status;
    int64_t cursor = 0, n = 0;
    do {
        status = lq_calibrator_bins(calibrator, channel, &cursor, bins, BINS, &n);
        for (int64_t i = 0; i < n * PARTS; ++i) {
            const lq_bin *bin = &bins[i / PARTS];
            const double part = ((double)(i % PARTS) + 0.5) / PARTS;
            x[i] = (float)((double)bin->low + part * ((double)bin->high - (double)bin->low));
        }
        const lq_tensor from = lq_vector(x, LQ_F32, n * PARTS);
        const lq_tensor to = lq_vector(y, LQ_F32, n * PARTS);
        if (status == LQ_OK)
            status =
                lq_fake_quantize(&from, scheme, &scale, affine ? &zero_point : NULL, &to, NULL);
        if (status == LQ_OK) add_bins(s, bins, n, x, y, r->lo[channel], r->hi[channel]);
    } while (status == LQ_OK && n > 0);
    return status;
}

static void estimate(const lq_calibrator *calibrator, const lq_scheme *scheme, method_ranges *r) {
    sums s = {0};
    lq_status status = LQ_OK;
    for (int64_t i = 0; status == LQ_OK && i < r->channels; ++i)
        status = add_channel(&s, calibrator, i, scheme, r);
    if (status != LQ_OK) s = (sums){0}; /* a statistic without bins */
    r->outside = s.count > 0 ? s.outside / s.count : NAN;
    r->sqnr_db = !(s.squares > 0)  ? NAN
                 : !(s.errors > 0) ? INFINITY
                                   : 10.0 * log10(s.squares / s.errors);
}

void ranges_find(const lq_calibrator *calibrator, int64_t channels, lq_method method,
                 const lquant_options *o, method_ranges *r) {
    const lq_calibration calibration = calibration_for(method, o);
    const lq_scheme scheme = scheme_for(o);
    const int64_t bytes = channels * (int64_t)sizeof(float);
    lq_tensor lo, hi, stored, scale, zero_point;
    void *parameters = need_bytes(bytes); /* at most so wide */
    r->method = method;
    r->channels = channels;
    r->lo = need_bytes(bytes);
    r->hi = need_bytes(bytes);
    r->scale = need_bytes(bytes);
    r->zero_point = need_bytes(bytes);
    lo = lq_vector(r->lo, LQ_F32, channels);
    hi = lq_vector(r->hi, LQ_F32, channels);
    stored = lq_vector(parameters, o->scale_type, channels);
    scale = lq_vector(r->scale, LQ_F32, channels);
    zero_point = lq_vector(r->zero_point, LQ_S32, channels);
    r->status = lq_calibrator_ranges(calibrator, &calibration, &scheme, &lo, &hi, NULL);
    if (r->status == LQ_OK)
        r->status =
            lq_calibrator_parameters(calibrator, &calibration, &scheme, &stored,
                                     scheme.mapping == LQ_AFFINE ? &zero_point : NULL, NULL);
    if (r->status == LQ_OK) r->status = lq_convert(&stored, &scale, LQ_OVERFLOW_INFINITE, NULL);
    free(parameters);
    if (r->status != LQ_OK) return;
    r->lowest = r->lo[0];
    r->highest = r->hi[0];
    for (int64_t i = 1; i < channels; ++i) {
        r->lowest = fminf(r->lowest, r->lo[i]);
        r->highest = fmaxf(r->highest, r->hi[i]);
    }
    estimate(calibrator, &scheme, r);
}

void ranges_free(method_ranges *r) {
    free(r->lo);
    free(r->hi);
    free(r->scale);
    free(r->zero_point);
}
