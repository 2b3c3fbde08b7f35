/* Profiles: the rules of other systems, as data. What each means is said in libquant.h. */
#include "scheme.h"
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

const float lq_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                 1,    13,   25,  38,  53,  69,  89,  113};

/* Quantiles of the normal distribution, made symmetric around a 0 (Dettmers et al. 2023). */
static const float nf4_values[] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

/* Of ggml's blocks with a minimum. */
#define GGML_MINIMUM                                                                               \
    .mapping = LQ_AFFINE, .quotient = LQ_QUOTIENT_RECIPROCAL, .rounding = LQ_ROUND_HALF_UP,        \
    .zero_place = LQ_ZERO_MINIMUM, .codes_from = LQ_FROM_UNROUNDED,                                \
    .arithmetic = LQ_ARITHMETIC_FLOAT, .range_rule = LQ_RANGE_AS_IS,                               \
    .degenerate = LQ_DEGENERATE_ZERO

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
     {.quotient = LQ_QUOTIENT_RECIPROCAL, .nan_code = LQ_NAN_QMAX}},
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
    {LQ_PROFILE_GGML_Q4_1, "ggml-q4_1", 0, false, 4, {GGML_MINIMUM}},
    {LQ_PROFILE_GGML_Q5_1, "ggml-q5_1", 0, false, 5, {GGML_MINIMUM}},
    {LQ_PROFILE_GGML_MXFP4,
     "ggml-mxfp4",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC,
      .rounding = LQ_ROUND_LOWER_CODE,
      .degenerate = LQ_DEGENERATE_SET,
      .scale_floor = 0x1p-127f,
      .scale_rounding = LQ_SCALE_EXPONENT_FLOOR}},
    {LQ_PROFILE_GGML_NVFP4,
     "ggml-nvfp4",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC,
      .rounding = LQ_ROUND_LOWER_CODE,
      .arithmetic = LQ_ARITHMETIC_FLOAT,
      .degenerate = LQ_DEGENERATE_ZERO,
      .scale_rounding = LQ_SCALE_GGML_UE4M3}},
    {LQ_PROFILE_GGML_IQ4_NL,
     "ggml-iq4_nl",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC,
      .quotient = LQ_QUOTIENT_RECIPROCAL,
      .rounding = LQ_ROUND_HALF_UP,
      .degenerate = LQ_DEGENERATE_ZERO,
      .table = lq_iq4_values}},
    {LQ_PROFILE_MX,
     "mx",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC,
      .degenerate = LQ_DEGENERATE_SET,
      .scale_floor = 0x1p-127f,
      .scale_rounding = LQ_SCALE_EXPONENT_FLOOR}},
    {LQ_PROFILE_NVFP4,
     "nvfp4",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC, .arithmetic = LQ_ARITHMETIC_FLOAT}},
    {LQ_PROFILE_NF4,
     "nf4",
     0,
     false,
     0,
     {.mapping = LQ_SYMMETRIC,
      .quotient = LQ_QUOTIENT_RECIPROCAL,
      .rounding = LQ_ROUND_LOWER_CODE,
      .table = nf4_values}},
};

enum { PROFILES = sizeof profiles / sizeof *profiles };

/* They stand in the order of their numbers. */
static const profile *find(lq_profile wanted) {
    const bool known = wanted >= 0 && wanted < PROFILES && profiles[wanted].profile == wanted;
    return known ? &profiles[wanted] : NULL;
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
    /* Fixed-point codes, below 2 in magnitude, whose largest exponent is 0. */
    if (p->profile == LQ_PROFILE_MX) {
        scheme->scale_factor = 1 / (float)(1 << (code->bits - 2));
        scheme->scale_floor = 0x1p-126f;
    }
    /* Whether the lowest code is left out depends on the width as well. */
    if (scheme->clamp == LQ_CLAMP_NARROW && code->bits < 8) scheme->clamp = LQ_CLAMP_TYPE;
}

/* Floats are codes of symmetric rules; ONNX has them by the rule of its own that is affine else. */
static bool has_codes(const profile *p, const lq_type_info *code) {
    const bool onnx = p->profile >= LQ_PROFILE_LIBQUANT && p->profile <= LQ_PROFILE_ONNX_BF16;
    if (p->scheme.table) return code->type == LQ_U4;
    if (p->profile == LQ_PROFILE_MX && code->min == 0) return code->kind == LQ_KIND_FLOAT;
    if (code->kind != LQ_KIND_FLOAT) return code->kind == LQ_KIND_CODE;
    return p->scheme.mapping == LQ_SYMMETRIC || onnx;
}

lq_status lq_scheme_of_profile(lq_profile profile_of, lq_type code_type, const lq_block *block,
                               lq_scheme *scheme) {
    const profile *p = find(profile_of);
    const lq_type_info *code = lq_type_find(code_type);
    if (!p) return LQ_ERROR_ENUM;
    if (!code || !has_codes(p, code)) return LQ_ERROR_TYPE;
    *scheme = p->scheme;
    scheme->struct_size = sizeof *scheme;
    scheme->code_type = code_type;
    scheme->block = *block;
    if (code->kind == LQ_KIND_FLOAT) {
        scheme->mapping = LQ_SYMMETRIC;
    } else {
        set_range(p, code, scheme);
    }
    return LQ_OK;
}

lq_status lq_scheme_profile(lq_scheme *scheme, size_t struct_size, lq_profile profile_of,
                            lq_type code_type, const lq_block *block) {
    lq_scheme value;
    if (!scheme || !block) return LQ_ERROR_NULL;
    const lq_status status = lq_scheme_of_profile(profile_of, code_type, block, &value);
    return status ? status : lq_give_scheme(scheme, struct_size, &value);
}
