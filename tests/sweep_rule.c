#include "sweep_rule.h"
#include <stddef.h>

enum { INFINITE = 0x7f800000 };

#define RECIPROCAL .multiply = true
#define AWAY .rounding = LQ_ROUND_AWAY
#define HALF_UP .rounding = LQ_ROUND_HALF_UP

const sweep_rule sweep_rules[SWEEP_RULES] = {
    {.name = NULL},
    {.name = "reciprocal", .element = {RECIPROCAL}, .inverse = true},
    {.name = "reciprocal inside", .element = {RECIPROCAL}, .inverse = true, .inside = true},
    {.name = "away", .element = {AWAY}},
    {.name = "reciprocal away", .element = {RECIPROCAL, AWAY}, .inverse = true},
    {.name = "reciprocal away inside",
     .element = {RECIPROCAL, AWAY},
     .inverse = true,
     .inside = true},
    {.name = "half up", .element = {RECIPROCAL, HALF_UP}, .inverse = true},
    {.name = "half up divided", .element = {HALF_UP}},
    {.name = "f16", .element = {.precision = LQ_REAL_f16}},
    {.name = "bf16", .element = {.precision = LQ_REAL_bf16}},
    {.name = "f16 reciprocal", .element = {RECIPROCAL, .precision = LQ_REAL_f16}, .inverse = true},
    {.name = "multiplier", .element = {RECIPROCAL, .divide_back = true}},
    {.name = "inside", .element = {.multiply = false}, .inside = true},
    {.name = "real zero",
     .element = {RECIPROCAL},
     .inverse = true,
     .inside = true,
     .real_zero = 0.3f},
    {.name = "real zero divided",
     .element = {.multiply = false},
     .inside = true,
     .real_zero = -2.7f},
    {.name = "nan qmin", .element = {.nan = LQ_NAN_QMIN}},
    {.name = "nan qmax", .element = {.nan = LQ_NAN_QMAX}},
    {.name = "nan code 0", .element = {.nan = LQ_NAN_CODE_0}},
    {.name = "reciprocal nan qmax", .element = {RECIPROCAL, .nan = LQ_NAN_QMAX}, .inverse = true},
    {.name = "reciprocal inside nan code 0",
     .element = {RECIPROCAL, .nan = LQ_NAN_CODE_0},
     .inverse = true,
     .inside = true},
};

static float narrowed(const sweep_element *e, float value) {
    if (!e->narrow) return value;
    const uint32_t half = sweep_look_up(e->narrow, sweep_bits(value));
    return sweep_float(sweep_widen((uint16_t)half, e->fraction));
}

static bool is_finite(float value) {
    return (sweep_bits(value) & 0x7fffffffu) < INFINITE;
}

bool sweep_element_of(sweep_element *to, const sweep_rule *rule, const sweep_table *narrow,
                      float scale, int32_t zero, int32_t qmin, int32_t qmax, bool fake) {
    const lq_real precision = rule->element.precision;
    const bool half_up = rule->element.rounding == LQ_ROUND_HALF_UP;
    *to = (sweep_element){.rule = rule, .zero = zero, .qmin = qmin, .qmax = qmax, .fake = fake};
    if (precision != LQ_REAL_f32) {
        to->narrow = &narrow[precision];
        to->fraction = precision == LQ_REAL_f16 ? SWEEP_F16_FRACTION : SWEEP_BF16_FRACTION;
    }
    to->back = scale;
    to->factor = narrowed(to, scale);
    if (to->factor == 0.0f || !is_finite(to->factor)) return false;
    if (rule->inverse) to->factor = narrowed(to, (float)(1.0 / (double)to->factor));
    to->center = (float)((double)zero + (double)rule->real_zero);
    if (half_up) {
        to->offset = (float)((double)to->center - (double)qmin + 0.5);
        to->zero = qmin;
    } else if (rule->inside) {
        to->offset = to->center;
        to->zero = 0;
    }
    return to->factor != 0.0f && is_finite(to->factor);
}

/* Of magnitudes below 2^31. */
static double rounded(lq_rounding rounding, double value) {
    const double whole = (double)(int64_t)value;
    const double rest = value - whole;
    const bool odd = (int64_t)whole % 2 != 0;
    if (rounding == LQ_ROUND_HALF_UP) return whole;
    if (rest > 0.5 || (rest >= 0.5 && (odd || rounding == LQ_ROUND_AWAY))) return whole + 1;
    if (rest < -0.5 || (rest <= -0.5 && (odd || rounding == LQ_ROUND_AWAY))) return whole - 1;
    return whole;
}

static int32_t clamped(const sweep_element *e, double code) {
    return code < e->qmin ? e->qmin : code > e->qmax ? e->qmax : (int32_t)code;
}

/* What is a number and too large for any code need not be rounded. */
static int32_t code_of_sum(const sweep_element *e, double sum) {
    const double most = 0x1p20;
    const double near = sum > most ? most : sum < -most ? -most : sum;
    return clamped(e, rounded(e->rule->element.rounding, near) + e->zero);
}

static int32_t code_of_nan(const sweep_element *e) {
    switch (e->rule->element.nan) {
    case LQ_NAN_QMIN: return e->qmin;
    case LQ_NAN_QMAX: return e->qmax;
    case LQ_NAN_CODE_0: return clamped(e, 0);
    default: return code_of_sum(e, (double)e->offset);
    }
}

/*
 * In double, rounded to float32 after each operation: products of floats are exact there, and
 * rounding quotients and sums twice is rounding them once.
 */
static int32_t code_of(const sweep_element *e, float x) {
    const double v = (double)narrowed(e, x);
    const double f = (double)e->factor;
    const float quotient = narrowed(e, (float)(e->rule->element.multiply ? v * f : v / f));
    const float sum = (float)((double)quotient + (double)e->offset);
    return sum != sum ? code_of_nan(e) : code_of_sum(e, (double)sum);
}

static uint32_t output(const sweep_element *e, uint32_t bits) {
    const int32_t code = code_of(e, sweep_float(bits));
    if (!e->fake) return (uint32_t)code;
    const double steps = (double)(float)((double)code - (double)e->center);
    const double back = (double)e->back;
    return sweep_bits((float)(e->rule->element.divide_back ? steps / back : steps * back));
}

void sweep_rule_table(sweep_table *table, const sweep_element *e) {
    for (uint32_t side = 0; side < 2; ++side) {
        sweep_step *const steps = table->step[side];
        uint32_t from = 0;
        int64_t n = 0;
        for (;;) {
            const uint32_t here = output(e, side << 31 | from);
            uint32_t same = from, other = INFINITE;
            steps[n++] = (sweep_step){from, here};
            if (output(e, side << 31 | INFINITE) == here) break;
            while (other - same > 1) {
                const uint32_t middle = same + (other - same) / 2;
                const bool is_same = output(e, side << 31 | middle) == here;
                *(is_same ? &same : &other) = middle;
            }
            from = other;
        }
        steps[n++] = (sweep_step){INFINITE + 1, output(e, side << 31 | 0x7fc00000u)};
        table->count[side] = n;
    }
}
