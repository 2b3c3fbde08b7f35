#include "float_oracle.h"
#include <string.h>

const float_format float_formats[FLOAT_FORMATS] = {
    {"f32", 32, 23}, {"f16", 16, 10}, {"bf16", 16, 7}, {"f64", 64, 52}};

static uint64_t one_at(int bit) {
    return UINT64_C(1) << bit;
}

uint64_t float_infinity(const float_format *f) {
    return one_at(f->bits - 1) - one_at(f->fraction);
}

/* The power of two that the smallest subnormal is. */
static int lowest_power(const float_format *f) {
    const int bias = (1 << (f->bits - f->fraction - 2)) - 1;
    return 1 - bias - f->fraction;
}

/* A payload begins at the top of its fraction, so that widths differ in its end. */
static uint64_t convert_nan(uint64_t fraction, const float_format *from, const float_format *to) {
    const int up = to->fraction - from->fraction;
    const uint64_t moved = up >= 0 ? fraction << up : fraction >> -up;
    return float_infinity(to) | one_at(to->fraction - 1) | moved;
}

/* mantissa * 2^power, which is not 0, as the bits of a format; may be infinity's or beyond. */
static uint64_t round_even(uint64_t mantissa, int power, const float_format *to) {
    const int lowest = lowest_power(to);
    int top = 63;
    while (!(mantissa >> top & 1u)) --top;
    int step = power + top - to->fraction;
    if (step < lowest) step = lowest;
    const int drop = step - power;
    uint64_t kept = 0;
    if (drop <= 0) {
        kept = mantissa << -drop;
    } else if (drop < 60) {
        const uint64_t rest = mantissa & (one_at(drop) - 1u);
        const uint64_t half = one_at(drop - 1);
        kept = mantissa >> drop;
        kept += rest > half || (rest == half && (kept & 1u));
    }
    /* The leading bit of a normal one adds 1 to the exponent, and a carry out does too. */
    return ((uint64_t)(step - lowest) << to->fraction) + kept;
}

uint64_t float_convert(uint64_t bits, const float_format *from, const float_format *to,
                       bool saturate, float_counts *counts) {
    float_counts unwanted;
    float_counts *const c = counts ? counts : &unwanted;
    const uint64_t sign = (bits >> (from->bits - 1) & 1u) << (to->bits - 1);
    const uint64_t magnitude = bits & (one_at(from->bits - 1) - 1u);
    const uint64_t fraction = magnitude & (one_at(from->fraction) - 1u);
    const int exponent = (int)(magnitude >> from->fraction);
    const uint64_t infinite = float_infinity(to);
    const uint64_t beyond = saturate ? infinite - 1u : infinite;
    if (!counts) memset(&unwanted, 0, sizeof unwanted);
    if (magnitude > float_infinity(from)) {
        ++c->nan;
        return sign | convert_nan(fraction, from, to);
    }
    if (magnitude == float_infinity(from)) {
        ++c->infinite;
        return sign | beyond;
    }
    if (magnitude == 0) return sign;
    const uint64_t mantissa = exponent ? fraction | one_at(from->fraction) : fraction;
    const int power = lowest_power(from) + (exponent ? exponent - 1 : 0);
    const uint64_t rounded = round_even(mantissa, power, to);
    c->overflowed += rounded >= infinite;
    c->underflowed += rounded == 0;
    return sign | (rounded >= infinite ? beyond : rounded);
}

uint64_t float_midpoint(uint64_t magnitude, const float_format *narrow, const float_format *wide) {
    const uint64_t below = float_convert(magnitude, narrow, wide, false, NULL);
    const uint64_t above = float_convert(magnitude + 1u, narrow, wide, false, NULL);
    if (magnitude + 1u == float_infinity(narrow)) {
        return below + one_at(wide->fraction - narrow->fraction - 1);
    }
    /* Half of the smallest one is a power less, unless both are subnormal. */
    if (magnitude == 0 && above >> wide->fraction) return above - one_at(wide->fraction);
    return below + (above - below) / 2;
}

uint64_t float_get(const void *data, const float_format *format, int64_t i) {
    const unsigned char *const at = (const unsigned char *)data + i * format->bits / 8;
    uint16_t half;
    uint32_t word;
    uint64_t wide;
    if (format->bits == 16) {
        memcpy(&half, at, sizeof half);
        return half;
    }
    if (format->bits == 32) {
        memcpy(&word, at, sizeof word);
        return word;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

void float_put(void *data, const float_format *format, int64_t i, uint64_t bits) {
    unsigned char *const at = (unsigned char *)data + i * format->bits / 8;
    const uint16_t half = (uint16_t)bits;
    const uint32_t word = (uint32_t)bits;
    if (format->bits == 16) {
        memcpy(at, &half, sizeof half);
    } else if (format->bits == 32) {
        memcpy(at, &word, sizeof word);
    } else {
        memcpy(at, &bits, sizeof bits);
    }
}
