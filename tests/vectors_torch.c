/* The cases of PyTorch: quantized tensors, fake quantization, and observers. */
#include "vectors.h"

#include <math.h>
#include <string.h>

#define GRADIENTS "gradients: test gradient_vectors compares them"

/* 0 and a failure where PyTorch's type is none of libquant's codes. */
static lq_type code_type(struct vector_case *c) {
    const char *dtype = text_of(c->meta, "dtype");
    if (dtype && strcmp(dtype, "qint8") == 0) return LQ_S8;
    if (dtype && strcmp(dtype, "quint8") == 0) return LQ_U8;
    if (dtype && strcmp(dtype, "quint4x2") == 0) return LQ_U4;
    vector_fail(c, "dtype %s", dtype ? dtype : "missing");
    return 0;
}

static lq_block block_of(const struct vector_case *c) {
    return has_key(c->meta, "axis") ? lq_per_channel((int32_t)number_of(c->meta, "axis", 0))
                                    : lq_per_tensor();
}

static int need(struct vector_case *c, const lq_tensor *t, const char *key) {
    if (!is_there(t)) vector_fail(c, "no array %s", key);
    return is_there(t);
}

/* ------------------------------------------------------- quantized tensors */

struct quantized {
    lq_tensor x, q, dq, scale, zero_point;
    lq_scheme scheme;
};

static int read_quantized(struct vector_case *c, struct quantized *t) {
    const lq_type type = code_type(c);
    t->x = array_of(c, "x");
    t->q = array_of(c, "q");
    t->dq = array_of(c, "dq");
    t->scale = reals_of(c, "scale");
    t->scale = flat(&t->scale);
    t->zero_point = integers_of(c, "zero_point");
    t->zero_point = flat(&t->zero_point);
    if (!type || !need(c, &t->scale, "scale") || !need(c, &t->zero_point, "zero_point") ||
        !need(c, &t->q, "q"))
        return 0;
    t->scheme = lq_profile_scheme(LQ_PROFILE_PYTORCH, type, block_of(c));
    return 1;
}

static void run_quantized(struct vector_case *c) {
    const char *dtype = text_of(c->meta, "dtype");
    struct quantized t;
    if (dtype && strcmp(dtype, "qint32") == 0) {
        vector_skip(c, "codes of qint32");
        return;
    }
    if (!read_quantized(c, &t)) return;
    if (is_there(&t.x)) check_quantize(c, &t.scheme, &t.x, &t.scale, &t.zero_point, &t.q);
    if (is_there(&t.dq)) check_dequantize(c, &t.scheme, &t.q, &t.scale, &t.zero_point, &t.dq);
}

/* Codes of both systems where they differ, and that they differ in no other elements. */
static void run_muldiv(struct vector_case *c) {
    struct quantized t;
    lq_tensor division = array_of(c, "q_div");
    int64_t differ = 0;
    if (!read_quantized(c, &t) || !need(c, &division, "q_div")) return;
    run_quantized(c);
    lq_scheme onnx = lq_profile_scheme(LQ_PROFILE_ONNX, t.scheme.code_type, t.scheme.block);
    check_quantize(c, &onnx, &t.x, &t.scale, &t.zero_point, &division);
    for (int i = 0; i < LEVELS; ++i) {
        if (lq_cpu_use(vector_levels[i]) != LQ_OK) continue;
        const lq_tensor a = empty_like(c, &t.q), b = empty_like(c, &t.q);
        if (lq_quantize(&t.x, &t.scheme, &t.scale, &t.zero_point, &a, NULL) ||
            lq_quantize(&t.x, &onnx, &t.scale, &t.zero_point, &b, NULL))
            vector_fail(c, "lq_quantize");
        differ = 0;
        for (int64_t k = 0; k < a.size; ++k)
            differ += ((const char *)a.data)[k] != ((const char *)b.data)[k];
        if (has_key(c->meta, "ndiff") && differ != (int64_t)number_of(c->meta, "ndiff", -1))
            vector_fail(c, "%ld codes differ", (long)differ);
    }
    c->comparisons += has_key(c->meta, "ndiff");
}

static void run_tiezp(struct vector_case *c) {
    struct quantized t;
    lq_tensor inside = array_of(c, "q_zp_inside");
    run_quantized(c);
    if (!read_quantized(c, &t) || !need(c, &inside, "q_zp_inside")) return;
    t.scheme.zero_place = LQ_ZERO_INSIDE;
    check_quantize(c, &t.scheme, &t.x, &t.scale, &t.zero_point, &inside);
}

static void run_float_zero(struct vector_case *c) {
    const lq_type type = code_type(c);
    const lq_tensor x = array_of(c, "x"), dq = array_of(c, "dq"), scale = reals_of(c, "scale");
    const lq_tensor zero = reals_of(c, "zero_point"), bytes = array_of(c, "q_int_repr");
    if (!type || !need(c, &x, "x") || !need(c, &dq, "dq") || !need(c, &scale, "scale") ||
        !need(c, &zero, "zero_point") || !need(c, &bytes, "q_int_repr"))
        return;
    const lq_tensor q = lq_contiguous(bytes.data, type, x.rank, x.shape);
    if (q.size != bytes.size) {
        vector_fail(c, "q_int_repr has %ld bytes, not %ld", (long)bytes.size, (long)q.size);
        return;
    }
    const lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_PYTORCH_FLOAT_ZERO, type, block_of(c));
    check_quantize(c, &scheme, &x, &scale, &zero, &q);
    check_dequantize(c, &scheme, &q, &scale, &zero, &dq);
}

/* -------------------------------------------------------------- parameters */

/* The least and greatest value, as vectors of one. */
static void range_of(struct vector_case *c, const lq_tensor *x, lq_tensor *lo, lq_tensor *hi) {
    *lo = floats(c, 1);
    *hi = floats(c, 1);
    *f32_at(lo, 0) = INFINITY;
    *f32_at(hi, 0) = -INFINITY;
    for (int64_t i = 0; i < elements_of(x); ++i) {
        const float v = real_at(x, i);
        *f32_at(lo, 0) = fminf(*f32_at(lo, 0), v);
        *f32_at(hi, 0) = fmaxf(*f32_at(hi, 0), v);
    }
}

static lq_scheme dynamic_scheme(struct vector_case *c, lq_type type) {
    lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_PYTORCH_DYNAMIC, type, lq_per_tensor());
    if (truth_of(c->meta, "reduce_range")) {
        scheme.qmin = type == LQ_S8 ? -64 : 0;
        scheme.qmax = type == LQ_S8 ? 63 : 127;
    }
    return scheme;
}

/* choose_qparams, and dynamic, which has the codes too. */
static void run_dynamic(struct vector_case *c) {
    const lq_type type = code_type(c);
    const lq_tensor x = array_of(c, "x"), q = array_of(c, "q"), dq = array_of(c, "dq");
    lq_tensor scale = reals_of(c, "scale"), zero = integers_of(c, "zero_point"), lo, hi;
    if (!type || !need(c, &x, "x") || !need(c, &scale, "scale") || !need(c, &zero, "zero_point"))
        return;
    scale = flat(&scale);
    zero = flat(&zero);
    const lq_scheme scheme = dynamic_scheme(c, type);
    range_of(c, &x, &lo, &hi);
    check_choose(c, &scheme, &lo, &hi, &scale, &zero);
    check_calibrate(c, &scheme, &x, &scale, &zero);
    if (is_there(&q)) {
        check_dynamic(c, &scheme, &x, &q, &scale, &zero);
        check_quantize(c, &scheme, &x, &scale, &zero, &q);
    }
    if (is_there(&q) && is_there(&dq)) check_dequantize(c, &scheme, &q, &scale, &zero, &dq);
}

/* Many ranges in one case. */
static void run_choose(struct vector_case *c) {
    const lq_type type = code_type(c);
    const lq_tensor lo = array_of(c, "lo"), hi = array_of(c, "hi"), scale = reals_of(c, "scale");
    const lq_tensor zero = integers_of(c, "zero_point");
    if (!type || !need(c, &lo, "lo") || !need(c, &hi, "hi") || !need(c, &scale, "scale") ||
        !need(c, &zero, "zero_point"))
        return;
    const lq_scheme scheme = dynamic_scheme(c, type);
    check_choose(c, &scheme, &lo, &hi, &scale, &zero);
}

/* --------------------------------------------------------------- observers */

static int observer_scheme(struct vector_case *c, lq_scheme *scheme) {
    const char *qscheme = text_of(c->meta, "qscheme");
    const lq_type type = code_type(c);
    const int32_t low = type == LQ_S8 ? -128 : 0, high = type == LQ_S8 ? 127 : 255;
    const int32_t qmin = (int32_t)number_of(c->meta, "quant_min", low);
    const int32_t qmax = (int32_t)number_of(c->meta, "quant_max", high);
    const int own_range = strstr(c->family, "_range") != NULL;
    lq_profile profile = LQ_PROFILE_PYTORCH;
    if (!type || type == LQ_U4 || !qscheme) {
        vector_fail(c, "an unexpected dtype or qscheme");
        return 0;
    }
    if (strstr(qscheme, "float_qparams"))
        profile = LQ_PROFILE_PYTORCH_FLOAT_ZERO;
    else if (strstr(qscheme, "symmetric"))
        profile = own_range ? LQ_PROFILE_PYTORCH_SYMMETRIC_RANGE : LQ_PROFILE_PYTORCH_SYMMETRIC;
    else if (!strstr(qscheme, "affine"))
        vector_fail(c, "qscheme %s", qscheme);
    *scheme = lq_profile_scheme(profile, type, lq_per_tensor());
    scheme->qmin = qmin;
    scheme->qmax = qmax;
    scheme->scale_floor = (float)number_of(c->meta, "eps", 0x1p-23);
    return 1;
}

/* The range and the parameters that the file has: these from that, and both through a calibrator. */
static void check_observer(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *batches,
                           int32_t axis, float averaging) {
    const lq_tensor min = array_of(c, "min_val"), max = array_of(c, "max_val");
    const lq_tensor scale = reals_of(c, "scale");
    const lq_tensor zero = scheme->zero_rule == LQ_ZERO_REAL ? reals_of(c, "zero_point")
                                                             : integers_of(c, "zero_point");
    if (!need(c, &scale, "scale") || !need(c, &zero, "zero_point") || !need(c, &min, "min_val") ||
        !need(c, &max, "max_val"))
        return;
    const struct vector_observed o = {.batches = *batches,
                                      .axis = axis,
                                      .averaging = averaging,
                                      .history = array_of(c, "running"),
                                      .lo = flat(&min),
                                      .hi = flat(&max),
                                      .scale = flat(&scale),
                                      .zero_point = flat(&zero)};
    if (elements_of(&min) != (axis < 0 ? 1 : batches->shape[1 + axis])) {
        vector_fail(c, "%ld ranges", (long)elements_of(&min));
        return;
    }
    check_observed(c, scheme, &o);
    check_choose(c, scheme, &o.lo, &o.hi, &o.scale, &o.zero_point);
}

static void check_observed_tensor(struct vector_case *c, const lq_scheme *scheme,
                                  const lq_tensor *x) {
    const int real_zero = scheme->zero_rule == LQ_ZERO_REAL;
    lq_tensor scale = reals_of(c, "scale");
    lq_tensor zero = real_zero ? reals_of(c, "zero_point") : integers_of(c, "zero_point");
    if (!is_there(&scale) || !is_there(&zero)) return;
    scale = flat(&scale);
    zero = flat(&zero);
    check_calibrate(c, scheme, x, &scale, &zero);
}

static void run_minmax(struct vector_case *c) {
    const lq_tensor x = array_of(c, "x"), fake = array_of(c, "fake_quant");
    lq_scheme scheme;
    if (!need(c, &x, "x") || !observer_scheme(c, &scheme)) return;
    const lq_tensor batch = lq_matrix(x.data, x.type, 1, elements_of(&x));
    check_observer(c, &scheme, &batch, -1, 0);
    check_observed_tensor(c, &scheme, &x);
    if (is_there(&fake)) {
        lq_scheme affine = lq_profile_scheme(LQ_PROFILE_PYTORCH, scheme.code_type, scheme.block);
        lq_tensor scale = reals_of(c, "scale"), zero = integers_of(c, "zero_point");
        affine.qmin = scheme.qmin;
        affine.qmax = scheme.qmax;
        scale = flat(&scale);
        zero = flat(&zero);
        check_fake_quantize(c, &affine, &x, &scale, &zero, &fake);
    }
}

static void run_batches(struct vector_case *c) {
    const float averaging = (float)number_of(c->meta, "averaging_constant", 0);
    const lq_tensor batches = array_of(c, "batches");
    const int axis = (int)number_of(c->meta, "ch_axis", -1);
    lq_scheme scheme;
    if (!need(c, &batches, "batches") || !observer_scheme(c, &scheme)) return;
    if (batches.rank < 2 || axis >= batches.rank - 1) {
        vector_fail(c, "the shape of the batches");
        return;
    }
    check_observer(c, &scheme, &batches, axis, averaging);
    if (averaging != 0) return;
    if (axis >= 0) scheme.block = lq_per_channel(axis + 1);
    check_observed_tensor(c, &scheme, &batches);
}

/* The search on the histogram that the file has: its bins are as wide as each other. */
static void run_search(struct vector_case *c) {
    lq_calibration by = lq_calibration_by(LQ_METHOD_PYTORCH_HISTOGRAM);
    const lq_tensor min = array_of(c, "min_val"), max = array_of(c, "max_val");
    const lq_tensor new_min = array_of(c, "new_min"), new_max = array_of(c, "new_max");
    const lq_tensor counts = array_of(c, "histogram");
    lq_tensor scale = reals_of(c, "scale"), zero = integers_of(c, "zero_point");
    lq_scheme scheme;
    lq_histogram h;
    if (!need(c, &min, "min_val") || !need(c, &max, "max_val") || !need(c, &new_min, "new_min") ||
        !need(c, &new_max, "new_max") || !need(c, &counts, "histogram") ||
        !need(c, &scale, "scale") || !need(c, &zero, "zero_point") || !observer_scheme(c, &scheme))
        return;
    even_histogram(c, &counts, real_at(&min, 0), real_at(&max, 0), &h);
    lq_tensor lo = floats(c, 1), hi = floats(c, 1);
    if (!find_range(c, &h, &by, &scheme, f32_at(&lo, 0), f32_at(&hi, 0))) return;
    if (real_at(&lo, 0) != real_at(&new_min, 0) || real_at(&hi, 0) != real_at(&new_max, 0))
        vector_fail(c, "[%a, %a], not [%a, %a]", (double)real_at(&lo, 0), (double)real_at(&hi, 0),
                    (double)real_at(&new_min, 0), (double)real_at(&new_max, 0));
    scale = flat(&scale);
    zero = flat(&zero);
    check_choose(c, &scheme, &lo, &hi, &scale, &zero);
}

/* -------------------------------------------------------- fake quantization */

/* Zero points are integers, or for the learnable forms real. */
static void run_fake(struct vector_case *c) {
    const lq_tensor x = array_of(c, "x"), y = array_of(c, "y");
    lq_tensor scale = reals_of(c, "scale"), zero = array_of(c, "zero_point");
    const int32_t qmin = (int32_t)number_of(c->meta, "quant_min", 0);
    const int32_t qmax = (int32_t)number_of(c->meta, "quant_max", 0);
    if (!need(c, &x, "x") || !need(c, &y, "y") || !need(c, &scale, "scale")) return;
    if (is_there(&zero) && zero.type != LQ_F32) zero = integers_of(c, "zero_point");
    if (!need(c, &zero, "zero_point")) return;
    scale = flat(&scale);
    zero = flat(&zero);
    const lq_type type =
        qmin < 0 ? (qmin < -128 || qmax > 127 ? LQ_S16 : LQ_S8) : (qmax > 255 ? LQ_U16 : LQ_U8);
    lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_PYTORCH, type, block_of(c));
    scheme.qmin = qmin;
    scheme.qmax = qmax;
    check_fake_quantize(c, &scheme, &x, &scale, &zero, &y);
    vector_leave_out(c, GRADIENTS);
}

const struct vector_family vectors_torch[] = {
    {"qpt", run_quantized, NULL},
    {"special", NULL, "undefined in PyTorch"},
    {"dq", run_quantized, NULL},
    {"muldiv", run_muldiv, NULL},
    {"tiezp", run_tiezp, NULL},
    {"qpc", run_quantized, NULL},
    {"qpc_floatqp", run_float_zero, NULL},
    {"dynamic", run_dynamic, NULL},
    {"choose_qparams", run_dynamic, NULL},
    {"choose_qparams_ranges", run_choose, NULL},
    {"minmax", run_minmax, NULL},
    {"minmax_range", run_minmax, NULL},
    {"minmax_batches", run_batches, NULL},
    {"minmax_pc", run_batches, NULL},
    {"minmax_pc_range", run_batches, NULL},
    {"mavg", run_batches, NULL},
    {"mavg_pc", run_batches, NULL},
    {"fq_pt", run_fake, NULL},
    {"fq_pc", run_fake, NULL},
    {"fq_learn_pt", run_fake, NULL},
    {"fq_learn_pc", run_fake, NULL},
    {"hist", run_search, NULL},
    {NULL, NULL, NULL},
};
