#include "systems.h"

#include <math.h>

#include "naive.h"

/* ---------------------------------------------------------------- arithmetic */

static double rounded_to(lq_type type, double v) {
    return (double)naive_widen(type, naive_narrow(type, v));
}

static double single(double v) {
    return rounded_to(LQ_F32, v);
}

/* C's round: exact for any float. */
static double half_away(double v) {
    return copysign(floor(fabs(v) + 0.5), v);
}

static double smaller(double a, double b) {
    return a < b ? a : b;
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

static double clipped(const struct system *s, double v) {
    return smaller(larger(v, s->qmin), s->qmax);
}

static double as_given(double scale) {
    return scale;
}

static double inverted(double scale) {
    return single(1.0 / scale);
}

/* Whether `to` holds what later steps can be computed from. */
static int usable(const struct parameters *to) {
    return isfinite(to->scale) && isfinite(to->factor) && to->factor != 0.0;
}

/* ------------------------------------------------------------------ TensorRT
 * Developer guide, "Quantized types": x / s, halves to even, clamped to the type's range, or to
 * the symmetric one; the scale of a tensor is amax over the largest code. */

static int tensorrt(const struct system *s, double lo, double hi, double v, struct parameters *to) {
    (void)v;
    to->scale = single(larger(-lo, hi) / s->qmax);
    to->factor = to->scale;
    to->zero = 0;
    return usable(to);
}

static int32_t divided(const struct system *s, const struct parameters *p, double x) {
    const double t = rounded_to(s->real_type, x / p->factor);
    return (int32_t)clipped(s, naive_even(t) + p->zero);
}

/* ----------------------------------------------------------- TensorFlow Lite
 * quantization_util.h, ChooseQuantizationParams: all in double; the zero point from the end of the
 * range whose terms are smaller. reference/quantize.h, AffineQuantize: TfLiteRound of a float
 * quotient. A range of [0, 0] has scale 0 and zero point 0. */

static int tflite(const struct system *s, double lo, double hi, double v, struct parameters *to) {
    const double rmin = smaller(lo, 0.0), rmax = larger(hi, 0.0);
    const double scale = (rmax - rmin) / ((double)s->qmax - (double)s->qmin);
    (void)v;
    to->scale = single(scale);
    to->factor = to->scale;
    to->zero = 0;
    if (rmin == rmax) return 1;
    const double low_error = fabs((double)s->qmin) + fabs(rmin / scale);
    const double high_error = fabs((double)s->qmax) + fabs(rmax / scale);
    const double z = low_error < high_error ? s->qmin - rmin / scale : s->qmax - rmax / scale;
    to->zero = (int32_t)clipped(s, half_away(z));
    return usable(to);
}

static int32_t divided_away(const struct system *s, const struct parameters *p, double x) {
    if (p->factor == 0.0) return (int32_t)clipped(s, p->zero);
    return (int32_t)clipped(s, half_away(single(x / p->factor)) + p->zero);
}

/* portable_tensor_utils.cc, SymmetricQuantizeFloats, and SymmetricPerChannelQuantization: values
 * times 127 / range, in float. The former stores 1 for a range of 0, the latter 0. */
static int tflite_weights(const struct system *s, double lo, double hi, double v,
                          struct parameters *to) {
    const double range = larger(fabs(lo), fabs(hi));
    (void)v;
    to->zero = 0;
    to->scale = range == 0.0 ? 1.0 : single(range / s->qmax);
    to->factor = range == 0.0 ? 1.0 : single(s->qmax / range);
    return usable(to) && to->scale != 0.0;
}

static int32_t multiplied_away(const struct system *s, const struct parameters *p, double x) {
    return (int32_t)clipped(s, half_away(single(x * p->factor)) + p->zero);
}

/* ------------------------------------------------------------- Core ML Tools
 * optimize/_utils.py, get_quant_range and quantize_weight: numpy arithmetic in the type of the
 * weights; symmetric unsigned codes leave out the highest. */

static int coreml(const struct system *s, double lo, double hi, double v, struct parameters *to) {
    const lq_type t = s->real_type;
    const double least = smaller(lo, 0.0), most = larger(hi, 0.0);
    const double range = rounded_to(t, most - least);
    const double low = rounded_to(t, s->qmin * most), high = rounded_to(t, s->qmax * least);
    const double z = rounded_to(t, rounded_to(t, low - high) / range);
    (void)v;
    to->scale = to->factor = rounded_to(t, range / (s->qmax - s->qmin));
    if (!isfinite(z)) return 0;
    to->zero = (int32_t)clipped(s, naive_even(z));
    return usable(to);
}

static int coreml_symmetric(const struct system *s, double lo, double hi, double v,
                            struct parameters *to) {
    const double range = rounded_to(s->real_type, 2.0 * larger(fabs(lo), fabs(hi)));
    (void)v;
    to->scale = to->factor = rounded_to(s->real_type, range / (s->qmax - s->qmin));
    to->zero = s->qmin == 0 ? s->qmax / 2 : 0;
    return usable(to);
}

/* ------------------------------------------------------------------- XNNPACK
 * f32-qs8-vcvt and f32-qu8-vcvt: by the inverse, rounded before the zero point is added; on x86 NaN
 * is clipped to the highest code. quantization.h, xnn_f32_qd8_asymmetric_quantization_params, all in
 * float; and f32-qs8-vcvt with its scale. */

static int32_t added_behind(const struct system *s, const struct parameters *p, double x) {
    const double t = single(x * p->factor);
    return isnan(t) ? s->qmax : (int32_t)clipped(s, naive_even(t) + p->zero);
}

static int xnnpack_dynamic(const struct system *s, double lo, double hi, double v,
                           struct parameters *to) {
    const double rmin = smaller(0.0, lo), rmax = larger(0.0, hi);
    (void)v;
    to->factor = rmin == rmax ? 1.0 : single(255.0 / single(rmax - rmin));
    to->scale = single(1.0 / to->factor);
    const double low = single(rmin * to->factor), high = single(rmax * to->factor);
    const double errors = single(single(s->qmin + low) + single(s->qmax + high));
    const double z = errors > 0.0 ? single(s->qmin - low) : single(s->qmax - high);
    if (!usable(to) || isnan(z)) return 0;
    to->zero = (int32_t)naive_even(clipped(s, z));
    return 1;
}

static int32_t multiplied(const struct system *s, const struct parameters *p, double x) {
    return (int32_t)clipped(s, naive_even(single(x * p->factor)) + p->zero);
}

/* ---------------------------------------------------------------------- ggml
 * ggml-quants.c, quantize_row_q4_0_ref, _q5_0_ref and _q8_0_ref: the inverse of the scale before it
 * is stored as float16, or 0; truncation after adding half and the middle. Undefined where that
 * inverse or the stored scale is infinite. Their codes begin at 0, as U4's here; S4's are the same
 * less the middle. */

static int ggml_store(double d, struct parameters *to) {
    to->scale = rounded_to(LQ_F16, d);
    to->factor = d == 0.0 ? 0.0 : single(1.0 / d);
    return isfinite(to->scale) && isfinite(to->factor);
}

static int ggml(const struct system *s, double lo, double hi, double v, struct parameters *to) {
    const int32_t middle = (s->qmax - s->qmin + 1) / 2;
    (void)lo;
    (void)hi;
    to->zero = s->qmin + middle;
    return ggml_store(single(v / -middle), to);
}

static int ggml_q8_0(const struct system *s, double lo, double hi, double v,
                     struct parameters *to) {
    (void)s;
    (void)lo;
    (void)hi;
    to->zero = 0;
    return ggml_store(single(fabs(v) / 127.0), to);
}

static int32_t truncated(const struct system *s, const struct parameters *p, double x) {
    const double middle = (s->qmax - s->qmin + 1) / 2;
    const double t = trunc(single(single(x * p->factor) + (middle + 0.5)));
    return s->qmin + (int32_t)smaller(t, s->qmax - s->qmin);
}

/* ------------------------------------------------------------------- PyTorch
 * QuantizedOpKernels.cpp, _fake_quant_per_channel_cachemask_cpu_helper of 2.x: std::round with the
 * zero point inside; fmax and fmin pass over NaN. */

static int32_t added_before_away(const struct system *s, const struct parameters *p, double x) {
    const double t = half_away(single(single(x * p->factor) + p->zero));
    return isnan(t) ? s->qmin : (int32_t)clipped(s, t);
}

/* ---------------------------------------------------------------------- list */

#define F32 LQ_F32, LQ_F32
#define F16 LQ_F16, LQ_F16
#define TO_F16 LQ_F32, LQ_F16

const struct system systems[SYSTEMS] = {
    {"TensorRT int8", LQ_PROFILE_TENSORRT, LQ_S8, F32, -128, 127, 0, tensorrt, as_given, divided},
    {"TensorRT int4", LQ_PROFILE_TENSORRT, LQ_S4, F32, -8, 7, 0, tensorrt, as_given, divided},
    {"TensorRT int8, narrow", LQ_PROFILE_TENSORRT_NARROW, LQ_S8, F32, -127, 127, 0, tensorrt,
     as_given, divided},
    {"TensorRT int4, narrow", LQ_PROFILE_TENSORRT_NARROW, LQ_S4, F32, -7, 7, 0, tensorrt, as_given,
     divided},
    {"TensorFlow Lite int8", LQ_PROFILE_TFLITE, LQ_S8, F32, -128, 127, 0, tflite, as_given,
     divided_away},
    {"TensorFlow Lite uint8", LQ_PROFILE_TFLITE, LQ_U8, F32, 0, 255, 0, tflite, as_given,
     divided_away},
    {"TensorFlow Lite int16", LQ_PROFILE_TFLITE, LQ_S16, F32, -32768, 32767, 0, tflite, as_given,
     divided_away},
    {"TensorFlow Lite weights", LQ_PROFILE_TFLITE_WEIGHTS, LQ_S8, F32, -127, 127, 0, tflite_weights,
     NULL, multiplied_away},
    {"Core ML int8", LQ_PROFILE_COREML, LQ_S8, F32, -128, 127, 0, coreml, NULL, divided},
    {"Core ML uint8", LQ_PROFILE_COREML, LQ_U8, F32, 0, 255, 0, coreml, NULL, divided},
    {"Core ML int4", LQ_PROFILE_COREML, LQ_S4, F32, -8, 7, 0, coreml, NULL, divided},
    {"Core ML uint4", LQ_PROFILE_COREML, LQ_U4, F32, 0, 15, 0, coreml, NULL, divided},
    {"Core ML int8 of f16", LQ_PROFILE_COREML, LQ_S8, F16, -128, 127, 0, coreml, NULL, divided},
    {"Core ML uint4 of f16", LQ_PROFILE_COREML, LQ_U4, F16, 0, 15, 0, coreml, NULL, divided},
    {"Core ML symmetric int8", LQ_PROFILE_COREML_SYMMETRIC, LQ_S8, F32, -127, 127, 0,
     coreml_symmetric, NULL, divided},
    {"Core ML symmetric uint8", LQ_PROFILE_COREML_SYMMETRIC, LQ_U8, F32, 0, 254, 0,
     coreml_symmetric, NULL, divided},
    {"Core ML symmetric int4 of f16", LQ_PROFILE_COREML_SYMMETRIC, LQ_S4, F16, -7, 7, 0,
     coreml_symmetric, NULL, divided},
    {"Core ML symmetric uint8 of f16", LQ_PROFILE_COREML_SYMMETRIC, LQ_U8, F16, 0, 254, 0,
     coreml_symmetric, NULL, divided},
    {"XNNPACK qs8", LQ_PROFILE_XNNPACK, LQ_S8, F32, -128, 127, 1, NULL, inverted, added_behind},
    {"XNNPACK qu8", LQ_PROFILE_XNNPACK, LQ_U8, F32, 0, 255, 1, NULL, inverted, added_behind},
    {"XNNPACK qd8", LQ_PROFILE_XNNPACK_DYNAMIC, LQ_S8, F32, -128, 127, 0, xnnpack_dynamic, NULL,
     multiplied},
    {"ggml Q4_0", LQ_PROFILE_GGML_Q4_0, LQ_U4, TO_F16, 0, 15, 0, ggml, NULL, truncated},
    {"ggml Q5_0", LQ_PROFILE_GGML_Q5_0, LQ_S8, TO_F16, -16, 15, 0, ggml, NULL, truncated},
    {"ggml Q8_0", LQ_PROFILE_GGML_Q8_0, LQ_S8, TO_F16, -127, 127, 0, ggml_q8_0, NULL,
     multiplied_away},
    {"PyTorch channels, qint8", LQ_PROFILE_PYTORCH_CHANNEL_FAKE_QUANTIZE, LQ_S8, F32, -128, 127, 1,
     NULL, inverted, added_before_away},
    {"PyTorch channels, quint8", LQ_PROFILE_PYTORCH_CHANNEL_FAKE_QUANTIZE, LQ_U8, F32, 0, 255, 1,
     NULL, inverted, added_before_away},
};

lq_scheme system_scheme(const struct system *system, lq_block block) {
    lq_scheme scheme = lq_profile_scheme(system->profile, system->code_type, block);
    /* Core ML Tools computes in the type of the weights throughout. */
    if (system->real_type == LQ_F16) scheme.precision = LQ_F16;
    return scheme;
}
