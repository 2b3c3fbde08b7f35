/* lq_requantize, and the multipliers and biases that go with it. */
#include "fixed_point.h"
#include "tasks.h"
#include <string.h>

/* ------------------------------------------------------------ requantizing */

static bool is_fixed_point(lq_requantization rule) {
    return rule == LQ_REQUANTIZE_DOUBLE_ROUNDING || rule == LQ_REQUANTIZE_SINGLE_ROUNDING;
}

static void choose_kernels(lq_map *map, const lq_kernels *k, lq_requantization rule) {
    switch (rule) {
    case LQ_REQUANTIZE_FLOAT:
        map->runs = k->requantize_float_runs;
        map->lanes = k->requantize_float_lanes;
        break;
    case LQ_REQUANTIZE_ONNX:
        map->runs = k->requantize_onnx_runs;
        map->lanes = k->requantize_onnx_lanes;
        break;
    case LQ_REQUANTIZE_DOUBLE_ROUNDING:
        map->runs = k->requantize_double_runs;
        map->lanes = k->requantize_double_lanes;
        break;
    default:
        map->runs = k->requantize_single_runs;
        map->lanes = k->requantize_single_lanes;
        break;
    }
}

static void start_job(lq_job *j, const lq_call *call, lq_requantization rule) {
    const bool fixed_point = is_fixed_point(rule);
    lq_start_plain_job(j, call);
    j->map = (lq_map){
        .pack = call->kernels->pack,
        .unpack = call->kernels->unpack,
        .to_codes = true,
        .x = call->tensor[LQ_X]->data,
        .codes = call->tensor[LQ_CODES]->data,
        .x_size = 4,
        .code = call->rule.code,
        .work = {.qmin = call->rule.code_min, .qmax = call->rule.code_max},
        .fixed_point = fixed_point,
        .parameters = &j->parameters,
    };
    choose_kernels(&j->map, call->kernels, rule);
}

static void requantize_batch(void *context, lq_batch *batch) {
    lq_job *j = context;
    lq_load_for_requantization(j->call, batch, &j->parameters);
    lq_map_blocks(j, batch);
}

/* Of a run that a kernel does alone. */
static void requantize_run(lq_job *j) {
    lq_batch one;
    one.blocks = 1;
    memcpy(one.at, j->call->geometry.origin, sizeof one.at);
    memset(one.step, 0, sizeof one.step);
    lq_load_for_requantization(j->call, &one, &j->parameters);
    lq_map_run(&j->map, &j->call->geometry);
}

/* What the rule asks of `shift` comes before what any tensor holds. */
static lq_status check_rule(const lq_exec *exec, lq_requantization rule, const lq_tensor *shift) {
    lq_call call;
    lq_status status = LQ_OK;
    if (rule < LQ_REQUANTIZE_FLOAT || rule > LQ_REQUANTIZE_SINGLE_ROUNDING) {
        status = LQ_ERROR_ENUM;
    } else if (!is_fixed_point(rule) && shift) {
        status = LQ_ERROR_GRID;
    }
    if (!status) return LQ_OK;
    const lq_status begun = lq_begin(&call, exec, 8);
    return begun ? begun : lq_refuse(&call, status, status == LQ_ERROR_ENUM ? 3 : 5, -1);
}

#define SIGNATURE(...)                                                                             \
    {                                                                                              \
        .output = {false, true, false, false}, .x_is_s32 = true, .integer_codes = true,            \
        .broadcast = true, .scheme_position = 2, .exec_position = 8, __VA_ARGS__                   \
    }

static const lq_signature by_scales = SIGNATURE(.position = {1, 7, 4, 6});
static const lq_signature by_shifts =
    SIGNATURE(.position = {1, 7, 4, 6, [LQ_SHIFT] = 5}, .scale_is_s32 = true);

lq_status lq_requantize(const lq_tensor *acc, const lq_scheme *scheme, lq_requantization rule,
                        const lq_tensor *multiplier, const lq_tensor *shift,
                        const lq_tensor *zero_point, const lq_tensor *codes, const lq_exec *exec) {
    const lq_arguments arguments = {
        .signature = is_fixed_point(rule) ? &by_shifts : &by_scales,
        .tensor = {acc, codes, multiplier, zero_point, [LQ_SHIFT] = shift},
        .scheme = scheme,
        .exec = exec,
    };
    lq_call call;
    lq_job j;
    lq_status status = check_rule(exec, rule, shift);
    if (!status) status = lq_check_arguments(&arguments, &call);
    if (!status) status = lq_check_parameters(&arguments, &call);
    if (status) return status;
    start_job(&j, &call, rule);
    if (lq_is_simple_run(&call)) {
        requantize_run(&j);
        return LQ_OK;
    }
    status = lq_map_with(&j, requantize_batch);
    lq_clear_tail(codes);
    return status ? status : lq_sum_all(&j);
}

/* ------------------------------------------------------------- multipliers */

/*
 * scale = fraction * 2^exponent with the fraction in [0.5, 1): its 53 bits are cut to 31, halves
 * up, which for a positive number is away from zero. From the bits alone.
 */
lq_status lq_quantize_multiplier(double scale, int32_t *multiplier, int32_t *shift) {
    uint64_t bits;
    if (!multiplier || !shift) return LQ_ERROR_NULL;
    memcpy(&bits, &scale, sizeof bits);
    const int32_t biased = (int32_t)(bits >> 52 & 0x7ffu);
    if (bits >> 63 || bits == 0 || biased == 0x7ff) return LQ_ERROR_SCALE;
    const uint64_t fraction = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    uint64_t rounded = (fraction + (1u << 21)) >> 22;
    int32_t exponent = biased - 1022;
    if (rounded >> 31) {
        rounded >>= 1;
        ++exponent;
    }
    if (exponent > LQ_MOST_SHIFT) return LQ_ERROR_SCALE;
    /* Subnormal scales, whose fraction is not normalized, are among these. */
    const bool vanishes = exponent < LQ_LEAST_SHIFT;
    *multiplier = vanishes ? 0 : (int32_t)rounded;
    *shift = vanishes ? 0 : exponent;
    return LQ_OK;
}

/* -------------------------------------------------------------------- bias */

enum { BIAS_POSITION = 1, WEIGHT_POSITION = 3, CODES_POSITION = 5, EXEC_POSITION = 6 };

/* Halves to even; |v| below 2^51. */
static double round_even(double v) {
    return (v + 0x1.8p52) - 0x1.8p52;
}

static int32_t bias_even(float bias, float scale) {
    const double t = (double)bias / (double)scale;
    if (t != t) return 0;
    if (t <= INT32_MIN) return INT32_MIN;
    return t >= INT32_MAX ? INT32_MAX : (int32_t)round_even(t);
}

/* The inverse is rounded to float, and so is the product; the range is symmetric. */
static int32_t bias_away(float bias, float scale) {
    const float inverse = (float)(1.0 / (double)scale);
    const double t = (double)(bias * inverse);
    if (t != t) return 0;
    if (t <= -INT32_MAX) return -INT32_MAX;
    if (t >= INT32_MAX) return INT32_MAX;
    const int32_t whole = (int32_t)t;
    const double rest = t - (double)whole;
    return whole + (rest >= 0.5) - (rest <= -0.5);
}

/* A vector, in its place. */
static lq_status check_vector(lq_call *call, const lq_tensor *t, bool output, lq_kind kind,
                              int position, lq_span *span) {
    lq_status status = t ? lq_check_tensor(t, output, span) : LQ_ERROR_NULL;
    if (!status && t->rank > 1) status = LQ_ERROR_RANK;
    if (!status && lq_type_find(t->type)->kind != kind) status = LQ_ERROR_TYPE;
    return status ? lq_refuse(call, status, position, -1) : LQ_OK;
}

static float bias_scale(float input_scale, const lq_tensor *weight_scale, int64_t i) {
    const int64_t step = lq_elements(weight_scale) > 1 ? weight_scale->stride[0] : 0;
    return input_scale *
           lq_load_real(weight_scale->type, weight_scale->data, weight_scale->offset + i * step);
}

static lq_status check_bias(lq_call *call, const lq_tensor *bias, float input_scale,
                            const lq_tensor *weight_scale, const lq_tensor *codes) {
    lq_span spans[3] = {{.begin = 0}};
    lq_status status = check_vector(call, bias, false, LQ_KIND_REAL, BIAS_POSITION, &spans[0]);
    if (!status) {
        status = check_vector(call, weight_scale, false, LQ_KIND_REAL, WEIGHT_POSITION, &spans[1]);
    }
    if (!status) {
        status = check_vector(call, codes, true, LQ_KIND_WIDE, CODES_POSITION, &spans[2]);
    }
    if (status) return status;
    const int64_t n = lq_elements(bias);
    const int64_t scales = lq_elements(weight_scale);
    if (!lq_same_shape(bias, codes)) status = LQ_ERROR_SHAPE;
    if (!status && lq_check_overlap(bias, spans[0], codes, spans[2], &call->forward_only)) {
        status = LQ_ERROR_OVERLAP;
    }
    if (!status && lq_spans_meet(spans[1], spans[2])) status = LQ_ERROR_OVERLAP;
    if (status) return lq_refuse(call, status, CODES_POSITION, -1);
    if (scales != n && scales != 1) return lq_refuse(call, LQ_ERROR_GRID, WEIGHT_POSITION, -1);
    if (call->trusted) return LQ_OK;
    if (!(input_scale > 0 && input_scale <= FLT_MAX)) {
        return lq_refuse(call, LQ_ERROR_SCALE, 2, -1);
    }
    for (int64_t i = 0; i < scales; ++i) {
        const float s = bias_scale(input_scale, weight_scale, i);
        if (!(s > 0 && s <= FLT_MAX)) return lq_refuse(call, LQ_ERROR_SCALE, WEIGHT_POSITION, i);
    }
    return LQ_OK;
}

lq_status lq_quantize_bias(const lq_tensor *bias, float input_scale, const lq_tensor *weight_scale,
                           lq_bias_rounding rounding, const lq_tensor *codes, const lq_exec *exec) {
    lq_call call;
    lq_status status = lq_begin(&call, exec, EXEC_POSITION);
    if (status) return status;
    if (rounding != LQ_BIAS_EVEN && rounding != LQ_BIAS_AWAY) {
        return lq_refuse(&call, LQ_ERROR_ENUM, 4, -1);
    }
    status = check_bias(&call, bias, input_scale, weight_scale, codes);
    if (status) return status;
    const int64_t n = lq_elements(bias);
    const int64_t from = n > 1 ? bias->stride[0] : 0;
    const int64_t to = n > 1 ? codes->stride[0] : 0;
    for (int64_t i = 0; i < n; ++i) {
        const float s = bias_scale(input_scale, weight_scale, i);
        const float b = lq_load_real(bias->type, bias->data, bias->offset + i * from);
        lq_store_integer(LQ_S32, codes->data, codes->offset + i * to,
                         rounding == LQ_BIAS_EVEN ? bias_even(b, s) : bias_away(b, s));
    }
    return LQ_OK;
}
