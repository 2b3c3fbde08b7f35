/* Profiles: the rules of other systems, as data. What each means is said in libquant.h. */
#include "tensor.h"
#include <string.h>

/* A scale_floor that leaves normal numbers alone. */
#define LARGEST_SUBNORMAL 0x1.fffffcp-127f

typedef struct profile {
    lq_profile profile;
    const char *name;
    /* Signed codes of at least so many bits: over [-qmax, qmax]; 0 for none. */
    int32_t narrow_from;
    /* Unsigned codes: without the highest one, so that there is a middle. */
    bool odd;
    /* Wider codes: over the range of so many bits; 0 for their own. */
    int32_t bits;
    lq_scheme scheme;
} profile;

static const profile profiles[] = {
    {LQ_PROFILE_LIBQUANT, "libquant", 0, false, 0, {.mapping = LQ_AFFINE}},
    {LQ_PROFILE_ONNX, "onnx", 0, false, 0, {.mapping = LQ_AFFINE}},
    {LQ_PROFILE_ONNX_F16, "onnx-f16", 0, false, 0, {.precision = LQ_F16}},
    {LQ_PROFILE_ONNX_BF16, "onnx-bf16", 0, false, 0, {.precision = LQ_BF16}},
    {LQ_PROFILE_ONNX_DYNAMIC,
     "onnx-dynamic",
     0,
     false,
     0,
     {.arithmetic = LQ_ARITHMETIC_SCALE_TYPE}},
    {LQ_PROFILE_ONNXRUNTIME,
     "onnxruntime",
     0,
     false,
     0,
     {.zero_from = LQ_FROM_UNROUNDED,
      .arithmetic = LQ_ARITHMETIC_MIXED,
      .clamp = LQ_CLAMP_NARROW,
      .degenerate = LQ_DEGENERATE_RESET}},
    {LQ_PROFILE_ONNXRUNTIME_SYMMETRIC,
     "onnxruntime-symmetric",
     8,
     false,
     0,
     {.mapping = LQ_SYMMETRIC_HALF_RANGE,
      .clamp = LQ_CLAMP_NARROW,
      .degenerate = LQ_DEGENERATE_RESET,
      .middle = LQ_MIDDLE_EVEN}},
    {LQ_PROFILE_ONNXRUNTIME_BLOCKS,
     "onnxruntime-blocks",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC_FULL_RANGE,
      .tie = LQ_TIE_NEGATIVE,
      .degenerate = LQ_DEGENERATE_ZERO}},
    {LQ_PROFILE_ONNXRUNTIME_BLOCKS_AFFINE,
     "onnxruntime-blocks-affine",
     0,
     false,
     0,
     {.zero_place = LQ_ZERO_INSIDE,
      .arithmetic = LQ_ARITHMETIC_SCALE_TYPE,
      .degenerate = LQ_DEGENERATE_ZERO_MIDDLE}},
    {LQ_PROFILE_PYTORCH,
     "pytorch",
     0,
     false,
     0,
     {.quotient = LQ_QUOTIENT_RECIPROCAL,
      .arithmetic = LQ_ARITHMETIC_SCALE_TYPE,
      .degenerate = LQ_DEGENERATE_FLOOR,
      .scale_floor = 0x1p-23f,
      .zero_rule = LQ_ZERO_QUOTIENT_FIRST}},
    {LQ_PROFILE_PYTORCH_SYMMETRIC,
     "pytorch-symmetric",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC_HALF_RANGE,
      .quotient = LQ_QUOTIENT_RECIPROCAL,
      .degenerate = LQ_DEGENERATE_FLOOR,
      .scale_floor = 0x1p-23f}},
    {LQ_PROFILE_PYTORCH_SYMMETRIC_RANGE,
     "pytorch-symmetric-range",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC_HALF_RANGE,
      .quotient = LQ_QUOTIENT_RECIPROCAL,
      .degenerate = LQ_DEGENERATE_FLOOR,
      .scale_floor = 0x1p-23f,
      .middle = LQ_MIDDLE_DOWN}},
    {LQ_PROFILE_PYTORCH_CHANNEL_FAKE_QUANTIZE,
     "pytorch-channel-fake-quantize",
     0,
     false,
     0,
     {.quotient = LQ_QUOTIENT_RECIPROCAL,
      .rounding = LQ_ROUND_AWAY,
      .zero_place = LQ_ZERO_INSIDE,
      .nan_code = LQ_NAN_QMIN,
      .arithmetic = LQ_ARITHMETIC_SCALE_TYPE,
      .degenerate = LQ_DEGENERATE_FLOOR,
      .scale_floor = 0x1p-23f,
      .zero_rule = LQ_ZERO_QUOTIENT_FIRST}},
    {LQ_PROFILE_PYTORCH_FLOAT_ZERO,
     "pytorch-float-zero",
     0,
     false,
     0,
     {.quotient = LQ_QUOTIENT_RECIPROCAL,
      .zero_place = LQ_ZERO_INSIDE,
      .arithmetic = LQ_ARITHMETIC_SCALE_TYPE,
      .range_rule = LQ_RANGE_AS_IS,
      .scale_floor = 0x1p-23f,
      .zero_rule = LQ_ZERO_REAL}},
    {LQ_PROFILE_PYTORCH_DYNAMIC,
     "pytorch-dynamic",
     0,
     false,
     0,
     {.quotient = LQ_QUOTIENT_RECIPROCAL,
      .clamp = LQ_CLAMP_TYPE,
      .zero_from = LQ_FROM_UNROUNDED,
      .degenerate = LQ_DEGENERATE_WIDEN,
      .scale_floor = 6.1e-5f,
      .zero_rule = LQ_ZERO_SMALLER_DIFFERENCE}},
    {LQ_PROFILE_TENSORRT,
     "tensorrt",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC, .clamp = LQ_CLAMP_TYPE}},
    {LQ_PROFILE_TENSORRT_NARROW, "tensorrt-narrow", 0, false, 0, {.mapping = LQ_SYMMETRIC}},
    {LQ_PROFILE_TFLITE,
     "tflite",
     0,
     false,
     0,
     {.rounding = LQ_ROUND_AWAY,
      .zero_from = LQ_FROM_UNROUNDED,
      .degenerate = LQ_DEGENERATE_ZERO,
      .zero_rule = LQ_ZERO_SMALLER_SUM,
      .zero_rounding = LQ_ROUND_AWAY}},
    {LQ_PROFILE_TFLITE_WEIGHTS,
     "tflite-weights",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC,
      .quotient = LQ_QUOTIENT_RECIPROCAL,
      .rounding = LQ_ROUND_AWAY,
      .codes_from = LQ_FROM_MULTIPLIER,
      .arithmetic = LQ_ARITHMETIC_SCALE_TYPE}},
    {LQ_PROFILE_COREML,
     "coreml",
     0,
     false,
     0,
     {.arithmetic = LQ_ARITHMETIC_SCALE_TYPE, .zero_rule = LQ_ZERO_FROM_PRODUCTS}},
    {LQ_PROFILE_COREML_SYMMETRIC, "coreml-symmetric", 0, true, 0, {.mapping = LQ_SYMMETRIC}},
    {LQ_PROFILE_NEURAL_COMPRESSOR,
     "neural-compressor",
     0,
     false,
     0,
     {.zero_place = LQ_ZERO_INSIDE,
      .arithmetic = LQ_ARITHMETIC_SCALE_TYPE,
      .range_rule = LQ_RANGE_AS_IS,
      .scale_floor = LARGEST_SUBNORMAL}},
    {LQ_PROFILE_NEURAL_COMPRESSOR_SYMMETRIC,
     "neural-compressor-symmetric",
     8,
     false,
     0,
     {.mapping = LQ_SYMMETRIC_HALF_RANGE,
      .zero_place = LQ_ZERO_INSIDE,
      .arithmetic = LQ_ARITHMETIC_SCALE_TYPE,
      .range_rule = LQ_RANGE_AS_IS,
      .scale_floor = LARGEST_SUBNORMAL,
      .middle = LQ_MIDDLE_EVEN}},
    {LQ_PROFILE_XNNPACK,
     "xnnpack",
     0,
     false,
     0,
     {.quotient = LQ_QUOTIENT_RECIPROCAL, .zero_place = LQ_ZERO_INSIDE, .nan_code = LQ_NAN_CODE_0}},
    {LQ_PROFILE_XNNPACK_DYNAMIC,
     "xnnpack-dynamic",
     0,
     false,
     0,
     {.quotient = LQ_QUOTIENT_RECIPROCAL,
      .codes_from = LQ_FROM_MULTIPLIER_AND_BACK,
      .arithmetic = LQ_ARITHMETIC_SCALE_TYPE,
      .zero_rule = LQ_ZERO_MULTIPLIED}},
    {LQ_PROFILE_GGML_Q4_0,
     "ggml-q4_0",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC_FULL_RANGE,
      .quotient = LQ_QUOTIENT_RECIPROCAL,
      .rounding = LQ_ROUND_HALF_UP,
      .codes_from = LQ_FROM_UNROUNDED,
      .degenerate = LQ_DEGENERATE_ZERO}},
    {LQ_PROFILE_GGML_Q5_0,
     "ggml-q5_0",
     0,
     false,
     5,
     {.mapping = LQ_SYMMETRIC_FULL_RANGE,
      .quotient = LQ_QUOTIENT_RECIPROCAL,
      .rounding = LQ_ROUND_HALF_UP,
      .codes_from = LQ_FROM_UNROUNDED,
      .degenerate = LQ_DEGENERATE_ZERO}},
    {LQ_PROFILE_GGML_Q8_0,
     "ggml-q8_0",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC,
      .quotient = LQ_QUOTIENT_RECIPROCAL,
      .rounding = LQ_ROUND_AWAY,
      .codes_from = LQ_FROM_UNROUNDED,
      .degenerate = LQ_DEGENERATE_ZERO}},
};

enum { PROFILES = sizeof profiles / sizeof *profiles };

static const profile *find(lq_profile wanted) {
    for (int i = 0; i < PROFILES; ++i) {
        if (profiles[i].profile == wanted) return &profiles[i];
    }
    return NULL;
}

const char *lq_profile_name(lq_profile wanted) {
    const profile *p = find(wanted);
    return p ? p->name : NULL;
}

lq_profile lq_profile_from_name(const char *name) {
    for (int i = 0; name && i < PROFILES; ++i) {
        if (strcmp(profiles[i].name, name) == 0) return profiles[i].profile;
    }
    return -1;
}

/* The range of codes, where it is not the type's. */
static void set_range(const profile *p, const lq_type_info *code, lq_scheme *scheme) {
    const bool is_signed = code->min < 0;
    if (p->bits && code->bits > p->bits) {
        scheme->qmin = is_signed ? -(1 << (p->bits - 1)) : 0;
        scheme->qmax = scheme->qmin + (1 << p->bits) - 1;
    }
    if (is_signed && p->narrow_from && code->bits >= p->narrow_from) {
        scheme->qmin = -(int32_t)code->max;
        scheme->qmax = (int32_t)code->max;
    }
    if (!is_signed && p->odd) scheme->qmax = (int32_t)code->max - 1;
    /* Whether the lowest code is left out depends on the width as well. */
    if (scheme->clamp == LQ_CLAMP_NARROW && code->bits < 8) scheme->clamp = LQ_CLAMP_TYPE;
}

lq_status lq_scheme_profile(lq_scheme *scheme, size_t struct_size, lq_profile profile_of,
                            lq_type code_type, const lq_block *block) {
    const profile *p = find(profile_of);
    const lq_type_info *code = lq_type_find(code_type);
    if (!scheme || !block) return LQ_ERROR_NULL;
    if (!p) return LQ_ERROR_ENUM;
    if (!code || code->kind != LQ_KIND_CODE) return LQ_ERROR_TYPE;
    lq_status status = lq_init_struct(scheme, struct_size, sizeof *scheme);
    if (status) return status;
    *scheme = p->scheme;
    scheme->struct_size = struct_size;
    scheme->code_type = code_type;
    scheme->block = *block;
    set_range(p, code, scheme);
    return LQ_OK;
}
