#include "sweep_oracle.h"
#include <string.h>

enum { INFINITE = 0x7f800000 };

uint32_t sweep_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float sweep_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Keys number the floats in order, from -Inf to +Inf; both zeros have key 0. */
static int64_t key_of(float value) {
    const uint32_t bits = sweep_bits(value);
    const int64_t magnitude = bits & 0x7fffffffu;
    return bits >> 31 ? -magnitude : magnitude;
}

static double value_at(int64_t key) {
    const uint32_t sign = key < 0 ? 0x80000000u : 0u;
    return (double)sweep_float(sign | (uint32_t)(key < 0 ? -key : key));
}

/*
 * The smallest key whose rne(fl(x / s)) is n or more, for s > 0 and |n| <= 2^17.
 *
 * rne(t) >= n means t >= n - 1/2, or t > n - 1/2 where n is odd, as ties go to the even one. Both
 * are t >= u for a float u. A quotient rounds to u or more from the middle of u and the float
 * below it on, the middle itself included where u is the even one of the two. The middle has 25
 * significant bits and s has 24, so their product is exact in double: x / s compares with the
 * middle as x does with the product.
 */
static int64_t first_to_reach(int32_t n, double s) {
    float u = (float)((double)n - 0.5);
    if (n & 1) u = (float)value_at(key_of(u) + 1);
    const double middle = ((double)u + value_at(key_of(u) - 1)) / 2;
    const double product = middle * s;
    const bool included = !(sweep_bits(u) & 1u);
    /* Conversion lands on a neighbor; the loops run once or not at all. */
    int64_t key = key_of((float)product);
    while (value_at(key) < product) ++key;
    while (value_at(key - 1) >= product) --key;
    return !included && !(value_at(key) > product) ? key + 1 : key;
}

/*
 * The same codes by division. Rounding a quotient of floats to double and then to float is rounding
 * it once, as 53 >= 2 * 24 + 2; what overflows there is clamped like any large value.
 */
static int32_t divide(int64_t key, double s, int32_t lo, int32_t hi) {
    const double quotient = value_at(key) / s;
    if (quotient > 0x1p20) return hi;
    if (quotient < -0x1p20) return lo;
    const double t = (double)(float)quotient;
    int32_t n = (int32_t)t;
    const double rest = t - (double)n;
    if (rest > 0.5 || (rest >= 0.5 && (n & 1))) ++n;
    if (rest < -0.5 || (rest <= -0.5 && (n & 1))) --n;
    return n < lo ? lo : n > hi ? hi : n;
}

static void add_step(sweep_table *table, int side, int64_t from, int32_t code) {
    int64_t last = table->count[side] - 1;
    /* Where codes are skipped, only the last one that begins at a magnitude is ever seen. */
    if (last < 0 || table->step[side][last].from != (uint32_t)from) {
        last = table->count[side]++;
    }
    table->step[side][last] = (sweep_step){(uint32_t)from, (uint32_t)code};
}

static uint32_t clip_at(int64_t magnitude) {
    return magnitude > INFINITE ? INFINITE : (uint32_t)magnitude;
}

bool sweep_quantize_table(sweep_table *table, float scale, int32_t zero, int32_t qmin,
                          int32_t qmax) {
    const double s = scale < 0 ? -(double)scale : (double)scale;
    const int32_t lo = qmin - zero;
    const int32_t hi = qmax - zero;
    /* A negative scale exchanges the sides: x / s = -x / -s. */
    const int up = scale < 0;
    const int down = !up;
    bool agree = true;
    table->count[0] = table->count[1] = 0;
    add_step(table, up, 0, zero);
    add_step(table, down, 0, zero);
    for (int32_t n = 1; n <= hi; ++n) {
        const int64_t key = first_to_reach(n, s);
        agree = agree && divide(key, s, lo, hi) >= n && divide(key - 1, s, lo, hi) < n;
        add_step(table, up, key, n + zero);
    }
    for (int32_t n = 0; n > lo; --n) {
        const int64_t key = first_to_reach(n, s);
        agree = agree && divide(key, s, lo, hi) >= n && divide(key - 1, s, lo, hi) < n;
        add_step(table, down, 1 - key, n - 1 + zero);
    }
    table->clipped_from[up] = clip_at(first_to_reach(hi + 1, s));
    table->clipped_from[down] = clip_at(1 - first_to_reach(lo, s));
    for (int side = 0; side < 2; ++side) add_step(table, side, INFINITE + 1, zero);
    return agree;
}

/* Without sign; the code of infinity gives the value that one more exponent would have. */
static double half_value(uint32_t half, int fraction) {
    const uint32_t exponent = half >> fraction;
    const uint32_t mantissa = half & ((1u << fraction) - 1u);
    const int bias = fraction == SWEEP_F16_FRACTION ? 15 : 127;
    double value = exponent ? (double)(mantissa | 1u << fraction) : (double)mantissa;
    int power = (exponent ? (int)exponent : 1) - bias - fraction;
    for (; power < 0; ++power) value /= 2;
    for (; power > 0; --power) value *= 2;
    return value;
}

void sweep_narrow_table(sweep_table *table, int fraction) {
    const uint32_t infinite = fraction == SWEEP_F16_FRACTION ? 0x7c00u : 0x7f80u;
    const uint32_t quiet = 1u << (fraction - 1);
    double below = 0.0;
    table->count[0] = table->count[1] = 0;
    for (int side = 0; side < 2; ++side) add_step(table, side, 0, side << 15);
    for (uint32_t half = 1; half <= infinite; ++half) {
        const double above = half_value(half, fraction);
        /* The middle is a float; it belongs to the even neighbor. */
        const uint32_t middle = sweep_bits((float)((below + above) / 2));
        const uint32_t from = half & 1u ? middle + 1u : middle;
        for (int side = 0; side < 2; ++side) {
            add_step(table, side, from, (int32_t)half | side << 15);
        }
        below = above;
    }
    for (uint32_t payload = 0; payload < quiet * 2; ++payload) {
        const uint32_t from = INFINITE + (payload << (23 - fraction)) + (payload == 0);
        const int32_t code = (int32_t)(infinite | quiet | payload);
        for (int side = 0; side < 2; ++side) add_step(table, side, from, code | side << 15);
    }
}

uint32_t sweep_widen(uint16_t half, int fraction) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t magnitude = half & 0x7fffu;
    const uint32_t infinite = fraction == SWEEP_F16_FRACTION ? 0x7c00u : 0x7f80u;
    if (magnitude == infinite) return sign | INFINITE;
    if (magnitude > infinite) {
        return sign | 0x7fc00000u | (magnitude - infinite) << (23 - fraction);
    }
    return sign | sweep_bits((float)half_value(magnitude, fraction));
}

uint32_t sweep_look_up(const sweep_table *table, uint32_t bits) {
    const sweep_step *step = table->step[bits >> 31];
    const uint32_t magnitude = bits & 0x7fffffffu;
    int64_t low = 0;
    int64_t high = table->count[bits >> 31];
    while (high - low > 1) {
        const int64_t middle = (low + high) / 2;
        if (step[middle].from <= magnitude) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return step[low].code;
}

/* 17 and 24 bits: the product is exact in double, so the conversion rounds once. */
float sweep_product(int32_t difference, float scale) {
    return (float)((double)difference * (double)scale);
}
