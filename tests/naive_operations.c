#include <math.h>
#include <stdlib.h>

#include "naive.h"

struct range {
    double lo;
    double hi;
    double v;
};

static void widen_range(struct range *r, float x, struct naive_counts *counts) {
    if (isnan(x)) {
        counts->nan += 1;
    } else if (isinf(x)) {
        counts->infinite += 1;
    } else {
        if ((double)x < r->lo) r->lo = (double)x;
        if ((double)x > r->hi) r->hi = (double)x;
        /* Only a larger magnitude replaces v, so the first of equals stays. */
        if (fabs((double)x) > fabs(r->v)) r->v = (double)x;
    }
}

void naive_calibrate(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                     const lq_tensor *zero_point, struct naive_counts *counts) {
    int64_t grid[LQ_MAX_RANK] = {0};
    int64_t blocks = naive_grid(x, &scheme->block, grid);
    int64_t count = naive_count(x);
    struct range *ranges = calloc((size_t)blocks + 1, sizeof *ranges);
    if (!ranges) abort();
    for (int64_t i = 0; i < count; ++i)
        widen_range(&ranges[naive_block_of(x, &scheme->block, i)], naive_get_real(x, i), counts);
    for (int64_t b = 0; b < blocks; ++b) {
        uint32_t bits;
        int32_t z;
        naive_parameters(scheme, ranges[b].lo, ranges[b].hi, ranges[b].v, scale->type, &bits, &z);
        naive_set_bits(scale, b, bits);
        if (zero_point) naive_set_code(zero_point, b, z);
    }
    if (zero_point) naive_clear_tail(zero_point);
    free(ranges);
}

static int32_t zero_point_of(const lq_scheme *scheme, const lq_tensor *zero_point, int64_t block) {
    struct naive_codes c;
    if (zero_point) return naive_get_code(zero_point, block);
    naive_codes_of(scheme, &c);
    return c.z0;
}

void naive_quantize(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                    const lq_tensor *zero_point, const lq_tensor *codes,
                    struct naive_counts *counts) {
    struct naive_codes c;
    int64_t count = naive_count(x);
    naive_codes_of(scheme, &c);
    for (int64_t i = 0; i < count; ++i) {
        int64_t b = naive_block_of(x, &scheme->block, i);
        int32_t z = zero_point_of(scheme, zero_point, b);
        float s = naive_get_real(scale, b);
        naive_set_code(codes, i, naive_code(scheme, naive_get_real(x, i), s, z, &c, counts));
    }
    naive_clear_tail(codes);
}

void naive_dequantize(const lq_tensor *codes, const lq_scheme *scheme, const lq_tensor *scale,
                      const lq_tensor *zero_point, const lq_tensor *x) {
    int64_t count = naive_count(codes);
    for (int64_t i = 0; i < count; ++i) {
        int64_t b = naive_block_of(codes, &scheme->block, i);
        int32_t z = zero_point_of(scheme, zero_point, b);
        float s = naive_get_real(scale, b);
        naive_set_bits(x, i, naive_real(naive_get_code(codes, i), z, s, x->type));
    }
}

void naive_copy_codes(const lq_tensor *from, const lq_tensor *to) {
    int64_t count = naive_count(from);
    for (int64_t i = 0; i < count; ++i) naive_set_code(to, i, naive_get_code(from, i));
    naive_clear_tail(to);
}

struct sums {
    long double xx, yy, xy, dd;
};

static void add_pair(struct sums *sums, lq_error *error, float x, float y) {
    long double d = (long double)x - (long double)y;
    if (!isfinite(x) || !isfinite(y)) {
        error->nonfinite += 1;
        return;
    }
    error->count += 1;
    sums->xx += (long double)x * (long double)x;
    sums->yy += (long double)y * (long double)y;
    sums->xy += (long double)x * (long double)y;
    sums->dd += d * d;
    if (fabs((double)x - (double)y) > error->max_abs_error)
        error->max_abs_error = fabs((double)x - (double)y);
}

static void finish_error(const struct sums *s, lq_error *error) {
    error->mse = error->count ? (double)(s->dd / (long double)error->count) : (double)NAN;
    error->sqnr_db = s->xx == 0.0L   ? (double)NAN
                     : s->dd == 0.0L ? (double)INFINITY
                                     : (double)(10.0L * log10l(s->xx / s->dd));
    error->cosine =
        s->xx == 0.0L || s->yy == 0.0L ? (double)NAN : (double)(s->xy / sqrtl(s->xx * s->yy));
}

void naive_measure(const lq_tensor *x, const lq_tensor *y, const lq_scheme *scheme,
                   const lq_tensor *scale, const lq_tensor *zero_point, lq_error *error) {
    struct sums sums = {0};
    struct naive_counts counts = {0};
    int64_t count = naive_count(x);
    error->count = error->nonfinite = error->clipped = 0;
    error->max_abs_error = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        float xi = naive_get_real(x, i);
        float yi;
        if (scheme) {
            struct naive_codes c;
            int64_t b = naive_block_of(x, &scheme->block, i);
            int32_t z = zero_point_of(scheme, zero_point, b);
            float s = naive_get_real(scale, b);
            naive_codes_of(scheme, &c);
            naive_code(scheme, xi, s, z, &c, &counts);
            yi = naive_widen(x->type, naive_real(naive_get_code(y, i), z, s, x->type));
        } else {
            yi = naive_get_real(y, i);
        }
        add_pair(&sums, error, xi, yi);
    }
    error->clipped = counts.clipped;
    finish_error(&sums, error);
}
