#include "sweep_floats.h"
#include <math.h>

enum { INFINITE = 0x7f800000 };

const sweep_floats sweep_float_types[SWEEP_FLOATS] = {
    {"e4m3", 4, 3, 7, 448.0, 0x7f, 0x7f, false},
    {"e5m2", 5, 2, 15, 57344.0, 0x7c, 0x7e, false},
    {"e4m3fnuz", 4, 3, 8, 240.0, 0x80, 0x80, true},
    {"e5m2fnuz", 5, 2, 16, 57344.0, 0x80, 0x80, true},
    {"e2m3", 2, 3, 1, 7.5, -1, -1, false},
    {"e3m2", 3, 2, 3, 28.0, -1, -1, false},
    {"e2m1", 2, 1, 1, 6.0, -1, -1, false},
};

/* The value of a code without a sign, as the standards write it. */
static double value_of(const sweep_floats *t, int code) {
    const int exponent = code >> t->mantissa;
    const double fraction = ldexp((double)(code & ((1 << t->mantissa) - 1)), -t->mantissa);
    if (exponent == 0) return ldexp(fraction, 1 - t->bias);
    return ldexp(1.0 + fraction, exponent - t->bias);
}

/* The least magnitude whose quotient lies above the tie of two codes, or on it where that goes up. */
static uint32_t first_above(double tie, bool tie_goes_up, float scale) {
    uint32_t low = 0;
    uint32_t high = INFINITE;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const float quotient = sweep_float(middle) / scale;
        if ((double)quotient > tie || (tie_goes_up && (double)quotient == tie)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

typedef struct maker {
    sweep_table *table;
    const sweep_floats *type;
    float scale;
    bool values;
    bool zero_has_sign;
} maker;

/* What a code without a sign is on a side: the code there, or the bits of the value. */
static uint32_t output(const maker *m, int code, uint32_t side, bool infinite, bool nan) {
    const sweep_floats *t = m->type;
    const bool has_sign = t->fnuz ? !nan && code > 0 : code > 0 || m->zero_has_sign;
    const uint32_t sign = has_sign ? side : 0;
    if (!m->values) return (uint32_t)code | sign << (t->exponent + t->mantissa);
    if (nan) return 0x7fc00000u | sign << 31;
    if (infinite) return INFINITE | sign << 31;
    return sweep_bits((float)(value_of(t, code) * (double)m->scale)) | sign << 31;
}

static void add(const maker *m, uint32_t side, uint32_t from, uint32_t out) {
    sweep_step *const steps = m->table->step[side];
    int64_t *const count = &m->table->count[side];
    if (*count && steps[*count - 1].from == from) --*count;
    steps[(*count)++] = (sweep_step){from, out};
}

void sweep_float_table(sweep_table *table, const sweep_floats *t, int rounding, bool unsaturated,
                       float scale, bool values) {
    const maker m = {table, t, scale, values, rounding != SWEEP_LOWER};
    int code = 0;
    table->count[0] = table->count[1] = 0;
    for (uint32_t side = 0; side < 2; ++side) add(&m, side, 0, output(&m, 0, side, false, false));
    while (value_of(t, code) < t->largest) {
        const double tie = (value_of(t, code) + value_of(t, code + 1)) / 2;
        const bool up = rounding == SWEEP_AWAY || (rounding == SWEEP_EVEN && code % 2 == 1);
        const uint32_t from = first_above(tie, up, scale);
        ++code;
        for (uint32_t side = 0; side < 2; ++side) {
            add(&m, side, from, output(&m, code, side, false, false));
        }
    }
    /* Beyond, as if codes went on at the same distance. */
    const double tie = t->largest + (t->largest - value_of(t, code - 1)) / 2;
    const bool up = rounding == SWEEP_AWAY || (rounding == SWEEP_EVEN && code % 2 == 1);
    const uint32_t from = first_above(tie, up, scale);
    const bool other = unsaturated && t->too_large >= 0;
    for (uint32_t side = 0; side < 2; ++side) {
        const bool nan = t->too_large == t->nan;
        if (other) add(&m, side, from, output(&m, t->too_large, side, !nan, nan));
        table->clipped_from[side] = from;
        const bool none = t->nan < 0;
        /* NaN that is 0 has no sign. */
        add(&m, side, INFINITE + 1,
            none ? output(&m, 0, 0, false, false) : output(&m, t->nan, side, false, true));
    }
}
