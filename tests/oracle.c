#include "oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct format {
    const char *dtype;
    int precision; /* bits of the significand, the hidden one included */
    int exponents; /* bits of the exponent */
} format;

static const format formats[] = {{"F32", 24, 8}, {"F16", 11, 5}, {"BF16", 8, 8}};

static const format *format_of(const char *dtype) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; ++i)
        if (strcmp(formats[i].dtype, dtype) == 0) return &formats[i];
    fprintf(stderr, "no real type: %s\n", dtype);
    abort();
}

static int bias_of(const format *f) {
    return (1 << (f->exponents - 1)) - 1;
}

static double decode(uint32_t bits, const format *f) {
    const int fraction_bits = f->precision - 1;
    const int exponent = (int)(bits >> fraction_bits) & ((1 << f->exponents) - 1);
    const double fraction = (double)(bits & ((1u << fraction_bits) - 1));
    const int negative = (int)(bits >> (fraction_bits + f->exponents)) & 1;
    double magnitude;
    if (exponent == (1 << f->exponents) - 1)
        magnitude = fraction > 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        magnitude = ldexp(fraction, 1 - bias_of(f) - fraction_bits);
    else
        magnitude =
            ldexp(ldexp(1.0, fraction_bits) + fraction, exponent - bias_of(f) - fraction_bits);
    return negative ? -magnitude : magnitude;
}

static double nearest_even(double value) {
    const double below = floor(value);
    const double rest = value - below; /* exact */
    if (rest < 0.5) return below;
    if (rest > 0.5) return below + 1.0;
    return below / 2.0 == floor(below / 2.0) ? below : below + 1.0;
}

double oracle_largest(const char *dtype) {
    const format *f = format_of(dtype);
    return ldexp(2.0 - ldexp(1.0, 1 - f->precision), bias_of(f));
}

double oracle_round(double value, const char *dtype) {
    const format *f;
    int exponent;
    double rounded;
    if (strcmp(dtype, "F32") == 0) return (double)(float)value; /* what C rounds, too */
    f = format_of(dtype);
    if (isnan(value) || isinf(value) || value == 0.0) return value;
    frexp(value, &exponent);
    --exponent; /* frexp's fraction is below 1 */
    if (exponent < 1 - bias_of(f)) exponent = 1 - bias_of(f);
    exponent -= f->precision - 1; /* now the weight of the last bit */
    rounded = ldexp(nearest_even(ldexp(value, -exponent)), exponent);
    return fabs(rounded) > oracle_largest(dtype) ? copysign(INFINITY, value) : rounded;
}

double oracle_element(const tf_tensor *t, int64_t index) {
    const unsigned char *data = t->data;
    uint16_t half;
    if (strcmp(t->dtype, "I8") == 0) return (double)((const signed char *)t->data)[index];
    if (strcmp(t->dtype, "U8") == 0) return (double)data[index];
    if (strcmp(t->dtype, "F32") == 0) {
        float value;
        memcpy(&value, data + 4 * index, 4);
        return value;
    }
    memcpy(&half, data + 2 * index, 2);
    if (strcmp(t->dtype, "U16") == 0) return (double)half;
    if (strcmp(t->dtype, "I16") == 0) return half < 0x8000 ? half : (double)half - 65536.0;
    return decode(half, format_of(t->dtype));
}

int32_t oracle_packed(const void *data, int bits, int is_signed, int64_t index) {
    const int64_t at = index * bits;
    const int values = 1 << bits;
    const int code = ((const unsigned char *)data)[at / 8] >> (at % 8) & (values - 1);
    return is_signed && code >= values / 2 ? code - values : code;
}

static void *allocate(int64_t count, size_t width) {
    void *memory = calloc((size_t)count + 1, width);
    if (!memory) abort();
    return memory;
}

/* The grid, and the block of each element. */
static void lay_blocks(const tf_tensor *x, const oracle_scheme *s, oracle_result *r) {
    const int axis = s->axis < 0 ? s->axis + x->rank : s->axis;
    int64_t extent[TF_MAX_RANK];
    r->blocks = 1;
    for (int32_t d = 0; d < x->rank; ++d) {
        const int64_t dim = x->shape[d];
        int whole = s->granularity == ORACLE_PER_TENSOR;
        if (s->granularity == ORACLE_PER_CHANNEL && d != axis) whole = 1;
        extent[d] = s->granularity == ORACLE_PER_BLOCK && d == axis ? s->block : 1;
        if (whole) extent[d] = dim;
        r->grid[d] = whole ? 1 : (dim + extent[d] - 1) / extent[d];
        r->blocks *= r->grid[d];
    }
    r->block_of = allocate(r->elements, sizeof *r->block_of);
    for (int64_t i = 0; i < r->elements; ++i) {
        int64_t rest = i, weight = 1, block = 0;
        for (int32_t d = x->rank - 1; d >= 0; --d) {
            block += rest % x->shape[d] / extent[d] * weight;
            weight *= r->grid[d];
            rest /= x->shape[d];
        }
        r->block_of[i] = block;
    }
}

typedef struct limits {
    int32_t qmin, qmax, zero_point, limit;
} limits;

static limits limits_of(const oracle_scheme *s) {
    limits l;
    l.qmin = s->is_signed ? -(1 << (s->bits - 1)) : 0;
    l.qmax = s->is_signed ? (1 << (s->bits - 1)) - 1 : (1 << s->bits) - 1;
    l.zero_point = s->is_signed ? 0 : (l.qmin + l.qmax + 1) / 2;
    l.limit = l.qmax - l.zero_point;
    if (!s->affine) {
        l.qmin = l.zero_point - l.limit;
        l.qmax = l.zero_point + l.limit;
    }
    return l;
}

/* Scale and zero point of one block, whose finite values lie in [low, high]; both include 0. */
static void choose(const oracle_scheme *s, double low, double high, double *scale,
                   int32_t *zero_point) {
    const limits l = limits_of(s);
    double stored =
        s->affine ? (high - low) / (double)(l.qmax - l.qmin) : fmax(-low, high) / (double)l.limit;
    stored = oracle_round(stored, s->scale);
    if (isinf(stored)) stored = oracle_largest(s->scale);
    if (stored == 0.0) stored = 1.0;
    *scale = stored;
    *zero_point = l.zero_point;
    if (s->affine) {
        const double z = nearest_even((double)l.qmin - low / stored);
        *zero_point = z < l.qmin ? l.qmin : z > l.qmax ? l.qmax : (int32_t)z;
    }
}

static void choose_all(const double *x, const oracle_scheme *s, oracle_result *r) {
    double *low = allocate(r->blocks, sizeof *low);
    double *high = allocate(r->blocks, sizeof *high);
    for (int64_t i = 0; i < r->elements; ++i) {
        const double value = x[i];
        const int64_t b = r->block_of[i];
        if (isnan(value) || isinf(value)) continue;
        if (value < low[b]) low[b] = value;
        if (value > high[b]) high[b] = value;
    }
    r->scale = allocate(r->blocks, sizeof *r->scale);
    r->zero_point = allocate(r->blocks, sizeof *r->zero_point);
    for (int64_t b = 0; b < r->blocks; ++b)
        choose(s, low[b], high[b], &r->scale[b], &r->zero_point[b]);
    free(low);
    free(high);
}

static int32_t code_of(double value, double scale, int32_t zero_point, const limits *l,
                       int64_t *clipped) {
    float quotient;
    double code;
    if (isnan(value)) return zero_point;
    quotient = (float)value / (float)scale; /* one rounding, to float32 */
    code = isinf(quotient) ? (double)quotient : nearest_even(quotient) + zero_point;
    if (code < l->qmin || code > l->qmax) {
        *clipped += !isinf(value);
        return code < l->qmin ? l->qmin : l->qmax;
    }
    return (int32_t)code;
}

static void add_pair(oracle_result *r, double x, double y) {
    const long double error = (long double)x - (long double)y;
    if (isnan(x) || isinf(x) || isnan(y) || isinf(y)) return;
    ++r->pairs;
    r->sum_xx += (long double)x * x;
    r->sum_yy += (long double)y * y;
    r->sum_xy += (long double)x * y;
    r->sum_ee += error * error;
    if (fabs(x - y) > r->max_abs_error) r->max_abs_error = fabs(x - y);
}

void oracle_quantize(const tf_tensor *x, const oracle_scheme *s, oracle_result *r) {
    const limits l = limits_of(s);
    double *decoded;
    memset(r, 0, sizeof *r);
    r->elements = tf_elements(x->rank, x->shape);
    decoded = allocate(r->elements, sizeof *decoded);
    for (int64_t i = 0; i < r->elements; ++i) decoded[i] = oracle_element(x, i);
    lay_blocks(x, s, r);
    choose_all(decoded, s, r);
    r->codes = allocate(r->elements, sizeof *r->codes);
    r->values = allocate(r->elements, sizeof *r->values);
    for (int64_t i = 0; i < r->elements; ++i) {
        const double value = decoded[i];
        const double scale = r->scale[r->block_of[i]];
        const int32_t zero_point = r->zero_point[r->block_of[i]];
        double back;
        r->nonfinite += isnan(value) || isinf(value);
        r->codes[i] = code_of(value, scale, zero_point, &l, &r->clipped);
        /* 17 bits times 24 bits: exact in double, so rounded once to float32. */
        back = oracle_round((double)(r->codes[i] - zero_point) * scale, "F32");
        r->values[i] = oracle_round(back, x->dtype);
        add_pair(r, value, r->values[i]);
    }
    free(decoded);
}

void oracle_free(oracle_result *r) {
    free(r->scale);
    free(r->zero_point);
    free(r->block_of);
    free(r->codes);
    free(r->values);
}

long double oracle_mse(const oracle_result *r) {
    return r->pairs > 0 ? r->sum_ee / (long double)r->pairs : (long double)NAN;
}

long double oracle_sqnr_db(const oracle_result *r) {
    if (r->sum_xx <= 0) return (long double)NAN;
    return r->sum_ee > 0 ? 10.0L * log10l(r->sum_xx / r->sum_ee) : (long double)INFINITY;
}

long double oracle_cosine(const oracle_result *r) {
    if (r->sum_xx <= 0 || r->sum_yy <= 0) return (long double)NAN;
    return r->sum_xy / (sqrtl(r->sum_xx) * sqrtl(r->sum_yy));
}
