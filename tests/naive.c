#include "naive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- types */

int naive_bits(lq_type type) {
    switch (type) {
    case LQ_S2:
    case LQ_U2: return 2;
    case LQ_S4:
    case LQ_U4: return 4;
    case LQ_S8:
    case LQ_U8: return 8;
    case LQ_S16:
    case LQ_U16:
    case LQ_F16:
    case LQ_BF16: return 16;
    case LQ_F64: return 64;
    default: return type & 0xff; /* as the header promises */
    }
}

int naive_is_signed(lq_type type) {
    return type == LQ_S2 || type == LQ_S4 || type == LQ_S8 || type == LQ_S16 || type == LQ_S32;
}

int naive_is_real(lq_type type) {
    return type == LQ_F32 || type == LQ_F16 || type == LQ_BF16;
}

int32_t naive_type_min(lq_type type) {
    if (!naive_is_signed(type)) return 0;
    return (int32_t)(-((int64_t)1 << (naive_bits(type) - 1)));
}

int32_t naive_type_max(lq_type type) {
    int value_bits = naive_bits(type) - naive_is_signed(type);
    return (int32_t)(((int64_t)1 << value_bits) - 1);
}

/* ----------------------------------------------------------------- numbers */

double naive_even(double value) {
    double below = floor(value);
    double rest = value - below;
    if (rest > 0.5 || (rest == 0.5 && fmod(below, 2.0) != 0.0)) return below + 1.0;
    return below;
}

static void real_format(lq_type type, int *exponent_bits, int *mantissa_bits) {
    *exponent_bits = type == LQ_F16 ? 5 : 8;
    *mantissa_bits = type == LQ_F16 ? 10 : type == LQ_BF16 ? 7 : 23;
}

uint32_t naive_narrow(lq_type type, double value) {
    int ebits, mbits, bias, e;
    uint32_t sign, exponent_mask;
    double n, implicit;
    real_format(type, &ebits, &mbits);
    bias = (1 << (ebits - 1)) - 1;
    sign = signbit(value) ? (uint32_t)1 << (ebits + mbits) : 0;
    exponent_mask = (((uint32_t)1 << ebits) - 1) << mbits;
    if (isnan(value)) return sign | exponent_mask | (uint32_t)1 << (mbits - 1);
    if (isinf(value)) return sign | exponent_mask;
    if (value == 0.0) return sign;
    frexp(value, &e);
    e -= 1;
    if (e < 1 - bias) e = 1 - bias;
    implicit = ldexp(1.0, mbits);
    n = naive_even(ldexp(fabs(value), mbits - e));
    if (n >= 2.0 * implicit) {
        n /= 2.0;
        e += 1;
    }
    if (e > bias) return sign | exponent_mask;
    if (n < implicit) return sign | (uint32_t)n;
    return sign | (uint32_t)(e + bias) << mbits | (uint32_t)(n - implicit);
}

float naive_widen(lq_type type, uint32_t bits) {
    int ebits, mbits, bias, e;
    uint32_t mantissa;
    double value;
    float single;
    if (type == LQ_F32) {
        memcpy(&single, &bits, sizeof single);
        return single;
    }
    real_format(type, &ebits, &mbits);
    bias = (1 << (ebits - 1)) - 1;
    e = (int)(bits >> mbits & (((uint32_t)1 << ebits) - 1));
    mantissa = bits & (((uint32_t)1 << mbits) - 1);
    if (e == (1 << ebits) - 1)
        value = mantissa ? (double)NAN : (double)INFINITY;
    else if (e == 0)
        value = ldexp((double)mantissa, 1 - bias - mbits);
    else
        value = ldexp((double)mantissa + ldexp(1.0, mbits), e - bias - mbits);
    return (float)(bits >> (ebits + mbits) & 1 ? -value : value);
}

/*
 * The division in double and then once more rounded to float is the float division: 53 bits are
 * more than twice 24 and 2.
 */
int32_t naive_quantum(float x, float scale, int32_t zero_point, int32_t low, int32_t high,
                      struct naive_counts *counts) {
    double code;
    if (isnan(x)) {
        counts->nan += 1;
        code = zero_point;
    } else {
        float quotient = (float)((double)x / (double)scale);
        code = naive_even((double)quotient) + zero_point;
        if (isinf(x))
            counts->infinite += 1;
        else if (code < low || code > high)
            counts->clipped += 1;
    }
    if (code < low) code = low;
    if (code > high) code = high;
    return (int32_t)code;
}

static double narrowed(lq_type type, double value) {
    return (double)naive_widen(type, naive_narrow(type, value));
}

/* x by the scale, as the switches say, in the precision that they say. */
static double quotient_by(const lq_scheme *scheme, double x, double scale) {
    lq_type type = scheme->precision ? scheme->precision : LQ_F32;
    double v = narrowed(type, x), s = narrowed(type, scale);
    if (s == 0.0) return scheme->quotient == LQ_QUOTIENT_DIVIDE ? v / (double)INFINITY : v * 0.0;
    if (scheme->quotient == LQ_QUOTIENT_DIVIDE) return narrowed(type, narrowed(LQ_F32, v / s));
    s = narrowed(type, narrowed(LQ_F32, 1.0 / s));
    return narrowed(type, narrowed(LQ_F32, v * s));
}

/* The code before it is clamped. */
static double code_by(const lq_scheme *scheme, double quotient, int32_t z,
                      const struct naive_codes *c) {
    double t = quotient;
    if (scheme->rounding == LQ_ROUND_HALF_UP)
        return c->low + trunc(narrowed(LQ_F32, t + ((double)z - c->low + 0.5)));
    if (scheme->zero_place == LQ_ZERO_INSIDE) t = narrowed(LQ_F32, t + z);
    t = scheme->rounding == LQ_ROUND_AWAY ? copysign(floor(fabs(t) + 0.5), t) : naive_even(t);
    return scheme->zero_place == LQ_ZERO_INSIDE ? t : t + z;
}

int32_t naive_code(const lq_scheme *scheme, float x, float scale, int32_t z,
                   const struct naive_codes *c, struct naive_counts *counts) {
    double quotient = quotient_by(scheme, (double)x, (double)scale), code;
    int none = isnan(quotient);
    code = code_by(scheme, none ? 0.0 : quotient, z, c);
    if (isnan(x))
        counts->nan += 1;
    else if (isinf(x))
        counts->infinite += 1;
    else if (code < c->low || code > c->high)
        counts->clipped += 1;
    if (none && scheme->nan_code == LQ_NAN_QMIN) code = c->low;
    if (none && scheme->nan_code == LQ_NAN_QMAX) code = c->high;
    if (none && scheme->nan_code == LQ_NAN_CODE_0) code = 0.0;
    if (code < c->low) code = c->low;
    if (code > c->high) code = c->high;
    return (int32_t)code;
}

uint32_t naive_real(int32_t code, int32_t zero_point, float scale, lq_type type) {
    /* At most 17 and 24 bits, so the product is exact in double. */
    double product = (double)(code - zero_point) * (double)scale;
    uint32_t single = naive_narrow(LQ_F32, product);
    return type == LQ_F32 ? single : naive_narrow(type, (double)naive_widen(LQ_F32, single));
}

/* ------------------------------------------------------------------- views */

int64_t naive_count(const lq_tensor *t) {
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; ++i) n *= t->shape[i];
    return n;
}

int64_t naive_position(const lq_tensor *t, int64_t index) {
    int64_t position = t->offset;
    for (int32_t i = t->rank - 1; i >= 0; --i) {
        position += index % t->shape[i] * t->stride[i];
        index /= t->shape[i];
    }
    return position;
}

/* Elements up to a byte are found bit by bit; wider ones are in the machine's order. */
uint32_t naive_get_bits(const lq_tensor *t, int64_t index) {
    const uint8_t *data = t->data;
    int64_t position = naive_position(t, index);
    int bits = naive_bits(t->type);
    uint32_t value = 0;
    if (bits == 32) {
        memcpy(&value, data + 4 * position, 4);
    } else if (bits == 16) {
        uint16_t half;
        memcpy(&half, data + 2 * position, 2);
        value = half;
    } else {
        int64_t first = position * bits;
        for (int i = 0; i < bits; ++i) {
            uint32_t bit = (uint32_t)data[(first + i) / 8] >> (first + i) % 8 & 1;
            value |= bit << i;
        }
    }
    return value;
}

void naive_set_bits(const lq_tensor *t, int64_t index, uint32_t value) {
    uint8_t *data = t->data;
    int64_t position = naive_position(t, index);
    int bits = naive_bits(t->type);
    if (bits == 32) {
        memcpy(data + 4 * position, &value, 4);
    } else if (bits == 16) {
        uint16_t half = (uint16_t)value;
        memcpy(data + 2 * position, &half, 2);
    } else {
        int64_t first = position * bits;
        for (int i = 0; i < bits; ++i) {
            uint8_t mask = (uint8_t)(1 << (first + i) % 8);
            uint8_t *byte = &data[(first + i) / 8];
            *byte = (uint8_t)(value >> i & 1 ? *byte | mask : *byte & ~mask);
        }
    }
}

float naive_get_real(const lq_tensor *t, int64_t index) {
    return naive_widen(t->type, naive_get_bits(t, index));
}

void naive_set_real(const lq_tensor *t, int64_t index, double value) {
    naive_set_bits(t, index, naive_narrow(t->type, value));
}

int32_t naive_get_code(const lq_tensor *t, int64_t index) {
    int64_t code = naive_get_bits(t, index);
    if (naive_is_signed(t->type) && code > naive_type_max(t->type))
        code -= (int64_t)1 << naive_bits(t->type);
    return (int32_t)code;
}

void naive_set_code(const lq_tensor *t, int64_t index, int32_t code) {
    naive_set_bits(t, index, (uint32_t)code);
}

/* Row-major without gaps; what stride an axis of one element has does not matter. */
int naive_is_dense(const lq_tensor *t) {
    int64_t expected = 1;
    for (int32_t i = t->rank - 1; i >= 0; --i) {
        if (t->shape[i] != 1 && t->stride[i] != expected) return 0;
        expected *= t->shape[i];
    }
    return 1;
}

void naive_clear_tail(const lq_tensor *t) {
    uint8_t *data = t->data;
    int64_t count = naive_count(t);
    int64_t end;
    if (count == 0 || naive_bits(t->type) >= 8 || !naive_is_dense(t)) return;
    end = (t->offset + count) * naive_bits(t->type);
    for (; end % 8 != 0; ++end) data[end / 8] = (uint8_t)(data[end / 8] & ~(1 << end % 8));
}

/* ----------------------------------------------------------------- schemes */

static void mapped_codes(const lq_scheme *scheme, struct naive_codes *codes) {
    int whole = scheme->qmin == 0 && scheme->qmax == 0;
    codes->qmin = whole ? naive_type_min(scheme->code_type) : scheme->qmin;
    codes->qmax = whole ? naive_type_max(scheme->code_type) : scheme->qmax;
    codes->low = codes->qmin;
    codes->high = codes->qmax;
    codes->z0 = 0;
    codes->limit = 0;
    if (scheme->mapping == LQ_AFFINE) return;
    if (naive_is_signed(scheme->code_type)) {
        codes->limit = -codes->qmin < codes->qmax ? -codes->qmin : codes->qmax;
    } else {
        codes->z0 = (codes->qmin + codes->qmax + 1) / 2;
        codes->limit = codes->qmax - codes->z0;
    }
    if (scheme->mapping == LQ_SYMMETRIC) {
        codes->low = codes->z0 - codes->limit;
        codes->high = codes->z0 + codes->limit;
    }
}

void naive_codes_of(const lq_scheme *scheme, struct naive_codes *codes) {
    mapped_codes(scheme, codes);
    if (scheme->clamp == LQ_CLAMP_RANGE) return;
    codes->low = naive_type_min(scheme->code_type);
    codes->high = naive_type_max(scheme->code_type);
    if (scheme->clamp == LQ_CLAMP_NARROW && naive_is_signed(scheme->code_type)) ++codes->low;
}

int naive_has_room(const lq_scheme *scheme) {
    struct naive_codes c;
    naive_codes_of(scheme, &c);
    if (c.qmin >= c.qmax || c.qmin < naive_type_min(scheme->code_type) ||
        c.qmax > naive_type_max(scheme->code_type))
        return 0;
    switch (scheme->mapping) {
    case LQ_SYMMETRIC: return c.limit >= 1;
    case LQ_SYMMETRIC_HALF_RANGE:
    case LQ_SYMMETRIC_FULL_RANGE: return c.qmin < c.z0 && c.z0 <= c.qmax;
    default: return 1;
    }
}

int64_t naive_extent(const lq_tensor *x, const lq_block *block, int32_t i) {
    int32_t axis = block->axis < 0 ? block->axis + x->rank : block->axis;
    int64_t extent;
    switch (block->granularity) {
    case LQ_PER_CHANNEL: extent = i == axis ? 1 : 0; break;
    case LQ_PER_BLOCK: extent = i == axis ? block->extent[0] : 1; break;
    case LQ_PER_TILE: extent = block->extent[i]; break;
    default: extent = 0; break;
    }
    return extent;
}

int64_t naive_grid(const lq_tensor *x, const lq_block *block, int64_t grid[LQ_MAX_RANK]) {
    int64_t count = 1;
    for (int32_t i = 0; i < x->rank; ++i) {
        int64_t extent = naive_extent(x, block, i);
        grid[i] = extent == 0 ? 1 : x->shape[i] / extent + (x->shape[i] % extent != 0);
        count *= grid[i];
    }
    return count;
}

int64_t naive_block_of(const lq_tensor *x, const lq_block *block, int64_t index) {
    int64_t grid[LQ_MAX_RANK] = {0};
    int64_t step = 1, result = 0;
    naive_grid(x, block, grid);
    for (int32_t i = x->rank - 1; i >= 0; --i) {
        int64_t extent = naive_extent(x, block, i);
        int64_t at = index % x->shape[i];
        index /= x->shape[i];
        if (extent != 0) result += at / extent * step;
        step *= grid[i];
    }
    return result;
}

static double unrounded_scale(const lq_scheme *scheme, double lo, double hi, double v) {
    struct naive_codes c;
    double absmax = -lo > hi ? -lo : hi;
    naive_codes_of(scheme, &c);
    switch (scheme->mapping) {
    case LQ_SYMMETRIC: return absmax / c.limit;
    case LQ_SYMMETRIC_HALF_RANGE: return absmax / ((double)(c.qmax - c.qmin) / 2.0);
    case LQ_SYMMETRIC_FULL_RANGE: return v / (double)(c.qmin - c.z0);
    default: return (hi - lo) / (double)(c.qmax - c.qmin);
    }
}

/* lo <= 0 <= hi; v is the value of largest magnitude. Zeros stand for an empty block too. */
void naive_parameters(const lq_scheme *scheme, double lo, double hi, double v, lq_type scale_type,
                      uint32_t *scale_bits, int32_t *zero_point) {
    struct naive_codes c;
    double z;
    uint32_t bits = naive_narrow(scale_type, unrounded_scale(scheme, lo, hi, v));
    float s = naive_widen(scale_type, bits);
    if (isinf(s)) {
        bits -= 1; /* the bits below infinity's are the largest finite value's */
    } else if (s == 0.0f) {
        bits = naive_narrow(scale_type, 1.0);
    }
    s = naive_widen(scale_type, bits);
    naive_codes_of(scheme, &c);
    z = c.z0;
    if (scheme->mapping == LQ_AFFINE) {
        z = naive_even(c.qmin - lo / (double)s);
        if (z < c.qmin) z = c.qmin;
        if (z > c.qmax) z = c.qmax;
    }
    *scale_bits = bits;
    *zero_point = (int32_t)z;
}
