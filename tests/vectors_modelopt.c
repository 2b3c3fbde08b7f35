/* The cases of NVIDIA Model Optimizer: its histogram calibrators, and its fake quantization. */
#include "vectors.h"

#include <string.h>

/* Codes as it has them: of `num_bits`, narrow where signed. */
static int scheme_of(struct vector_case *c, lq_scheme *scheme) {
    const int bits = (int)number_of(c->meta, "num_bits", 8),
              is_unsigned = truth_of(c->meta, "unsigned");
    if (bits < 2 || bits > 16) {
        vector_fail(c, "%d bits", bits);
        return 0;
    }
    const lq_type type = is_unsigned ? (bits > 8 ? LQ_U16 : LQ_U8) : (bits > 8 ? LQ_S16 : LQ_S8);
    *scheme = is_unsigned ? lq_affine(type, lq_per_tensor()) : lq_symmetric(type, lq_per_tensor());
    scheme->qmax = (1 << (bits - !is_unsigned)) - 1;
    scheme->qmin = is_unsigned ? 0 : -scheme->qmax;
    return 1;
}

static lq_method method_of(const struct vector_case *c) {
    if (strcmp(c->family, "percentile") == 0) return LQ_METHOD_MODELOPT_PERCENTILE;
    return strcmp(c->family, "mse") == 0 ? LQ_METHOD_MODELOPT_MSE : LQ_METHOD_MODELOPT_ENTROPY;
}

static void run_histogram(struct vector_case *c) {
    const lq_tensor amax = array_of(c, "amax");
    lq_calibration by = lq_calibration_by(method_of(c));
    lq_histogram h;
    lq_scheme scheme;
    float lo, hi;
    if (!is_there(&amax)) vector_fail(c, "no array amax");
    if (!is_there(&amax) || !scheme_of(c, &scheme) || !histogram_of(c, "hist", "edges", &h)) return;
    by.percentile = number_of(c->meta, "percentile", 0);
    by.start_bin = (int32_t)number_of(c->meta, "start_bin", 0);
    by.stride = (int32_t)number_of(c->meta, "stride", 0);
    if (!find_range(c, &h, &by, &scheme, &lo, &hi)) return;
    if (hi != real_at(&amax, 0) || lo != (scheme.qmin < 0 ? -hi : 0))
        vector_fail(c, "[%a, %a], not %a", (double)lo, (double)hi, (double)real_at(&amax, 0));
}

/*
 * x * scale, rounded and clamped, divided by scale again: the multiplier bound / amax as what is
 * called scale. An amax up to 2^-24 quantizes all to 0 there; here no multiplier does. There -0
 * stays; codes, which stand between here, have none.
 */
static void run_fake(struct vector_case *c) {
    const lq_tensor x = array_of(c, "x"), y = array_of(c, "y"), amax = reals_of(c, "amax");
    lq_scheme scheme;
    if (!is_there(&x) || !is_there(&y) || !is_there(&amax) || elements_of(&amax) != 1) {
        vector_skip(c, "no x and y with one amax");
        return;
    }
    if (!scheme_of(c, &scheme)) return;
    if (!(real_at(&amax, 0) > 0x1p-24f)) {
        vector_skip(c, "an amax that quantizes all to 0");
        return;
    }
    const lq_tensor scale = floats(c, 1);
    *f32_at(&scale, 0) = (float)scheme.qmax / real_at(&amax, 0);
    if (has_key(c->meta, "narrow_range") && !truth_of(c->meta, "narrow_range") && scheme.qmin < 0)
        scheme.qmin -= 1;
    scheme.mapping = LQ_AFFINE;
    scheme.quotient = LQ_QUOTIENT_MULTIPLIER;
    scheme.codes_from = LQ_FROM_MULTIPLIER;
    const lq_tensor expected = floats(c, elements_of(&y));
    for (int64_t i = 0; i < elements_of(&y); ++i) *f32_at(&expected, i) = real_at(&y, i) + 0.0f;
    const lq_tensor values = flat(&x);
    check_fake_quantize(c, &scheme, &values, &scale, NULL, &expected);
}

const struct vector_family vectors_modelopt[] = {
    {"percentile", run_histogram, NULL},
    {"entropy", run_histogram, NULL},
    {"mse", run_histogram, NULL},
    {"fake_quant", run_fake, NULL},
    {NULL, NULL, NULL},
};
