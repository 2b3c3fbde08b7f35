#include "code_values.h"

#include <math.h>

const lq_type float_types[FLOAT_TYPES] = {LQ_E4M3, LQ_E5M2, LQ_E4M3FNUZ, LQ_E5M2FNUZ,
                                          LQ_E2M3, LQ_E3M2, LQ_E2M1};

static void describe(lq_type type, struct code_values *v) {
    v->type = type;
    v->bits = type & 0xff;
    switch (type) {
    case LQ_E4M3: v->mantissa = 3, v->bias = 7, v->top = 0x7e; break;
    case LQ_E5M2: v->mantissa = 2, v->bias = 15, v->top = 0x7b; break;
    case LQ_E4M3FNUZ: v->mantissa = 3, v->bias = 8, v->top = 0x7f; break;
    case LQ_E5M2FNUZ: v->mantissa = 2, v->bias = 16, v->top = 0x7f; break;
    case LQ_E2M3: v->mantissa = 3, v->bias = 1, v->top = 0x1f; break;
    case LQ_E3M2: v->mantissa = 2, v->bias = 3, v->top = 0x1f; break;
    default: v->mantissa = 1, v->bias = 1, v->top = 0x07; break;
    }
}

void code_values_of(lq_type type, struct code_values *v) {
    describe(type, v);
    const int half = 1 << (v->bits - 1), steps = 1 << v->mantissa;
    const int fnuz = type == LQ_E4M3FNUZ || type == LQ_E5M2FNUZ;
    for (int code = 0; code < 2 * half; ++code) {
        const int size = code % half, field = size / steps, rest = size % steps;
        double value = field ? ldexp(1 + (double)rest / steps, field - v->bias)
                             : ldexp((double)rest / steps, 1 - v->bias);
        if (size > v->top) value = type == LQ_E5M2 && rest == 0 ? (double)INFINITY : (double)NAN;
        v->value[code] = code < half ? value : -value;
        if (fnuz && code == half) v->value[code] = (double)NAN;
    }
    v->largest = v->value[v->top];
}

int nearest_code(const struct code_values *v, double t, enum tie tie) {
    const double size = fabs(t) < v->largest ? fabs(t) : v->largest;
    const int half = 1 << (v->bits - 1);
    const int fnuz = v->type == LQ_E4M3FNUZ || v->type == LQ_E5M2FNUZ;
    int best = 0;
    for (int code = 1; code <= v->top; ++code) {
        const double error = fabs(v->value[code] - size), least = fabs(v->value[best] - size);
        const int takes = tie == TIE_AWAY || (tie == TIE_EVEN && code % 2 == 0);
        if (error < least || (error == least && takes)) best = code;
    }
    if (best == 0 && (fnuz || tie == TIE_LOWER)) return 0;
    return signbit(t) ? best + half : best;
}
