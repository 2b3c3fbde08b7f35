/* The cases of ONNX: nodes of one operator. */
#include "vectors.h"

#include <string.h>

/* ONNX's numbers of types, in the attribute `precision`. */
enum { ONNX_FLOAT = 1, ONNX_FLOAT16 = 10, ONNX_BFLOAT16 = 16 };

static const struct dtype {
    const char *name;
    lq_type type;
    lq_type bytes; /* of the array that holds one element a byte */
    int32_t low, high;
} dtypes[] = {
    {"float32", LQ_F32, 0, 0, 0},
    {"float16", LQ_F16, 0, 0, 0},
    {"bfloat16", LQ_BF16, 0, 0, 0},
    {"int8", LQ_S8, 0, 0, 0},
    {"uint8", LQ_U8, 0, 0, 0},
    {"int16", LQ_S16, 0, 0, 0},
    {"uint16", LQ_U16, 0, 0, 0},
    {"int4", LQ_S4, LQ_S8, -8, 7},
    {"uint4", LQ_U4, LQ_U8, 0, 15},
    {"int2", LQ_S2, LQ_S8, -2, 1},
    {"uint2", LQ_U2, LQ_U8, 0, 3},
    {"float8e4m3fn", LQ_E4M3, 0, 0, 0},
    {"float8e4m3fnuz", LQ_E4M3FNUZ, 0, 0, 0},
    {"float8e5m2", LQ_E5M2, 0, 0, 0},
    {"float8e5m2fnuz", LQ_E5M2FNUZ, 0, 0, 0},
    {"float4e2m1", LQ_E2M1, LQ_U8, 0, 0},
    {"float8e8m0", LQ_E8M0, 0, 0, 0},
};

struct operand {
    const char *key;
    const char *dtype_name;
    const struct dtype *dtype; /* NULL: not one of libquant's */
    int32_t rank;
    int64_t shape[LQ_MAX_RANK];
};

static int is_real(const struct operand *o) {
    return o->dtype && o->dtype->type < LQ_S2;
}

static int is_code(const struct operand *o) {
    return o->dtype && o->dtype->type >= LQ_S2 && o->dtype->type != LQ_E8M0;
}

static int is_exponent(const struct operand *o) {
    return o->dtype && o->dtype->type == LQ_E8M0;
}

static int is_small_float(const struct operand *o) {
    return o->dtype && o->dtype->type >= LQ_E2M1;
}

static int read_operand(struct vector_case *c, const cJSON *item, struct operand *o) {
    const cJSON *dimension;
    memset(o, 0, sizeof *o);
    o->key = text_of(item, "key");
    o->dtype_name = text_of(item, "dtype");
    if (!o->key || !o->dtype_name) {
        vector_fail(c, "an operand without key or dtype");
        return 0;
    }
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; ++i)
        if (strcmp(dtypes[i].name, o->dtype_name) == 0) o->dtype = &dtypes[i];
    cJSON_ArrayForEach(dimension, cJSON_GetObjectItemCaseSensitive(item, "shape")) {
        if (o->rank == LQ_MAX_RANK) {
            vector_fail(c, "too many dimensions");
            return 0;
        }
        o->shape[o->rank++] = (int64_t)dimension->valuedouble;
    }
    return 1;
}

static int read_output(struct vector_case *c, int index, struct operand *o) {
    return read_operand(
        c, cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(c->meta, "outputs"), index), o);
}

/* Inputs are told apart by name: an optional one that is missing leaves no gap. */
static int read_inputs(struct vector_case *c, struct operand *x, struct operand *scale,
                       struct operand *zero_point) {
    const cJSON *item;
    memset(x, 0, sizeof *x);
    memset(scale, 0, sizeof *scale);
    memset(zero_point, 0, sizeof *zero_point);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(c->meta, "inputs")) {
        const char *name = text_of(item, "name");
        struct operand *o = name && strstr(name, "scale")        ? scale
                            : name && strstr(name, "zero_point") ? zero_point
                                                                 : x;
        if (o->key) vector_fail(c, "two inputs of a kind");
        if (!read_operand(c, item, o)) return 0;
    }
    if (!x->key) vector_fail(c, "no x");
    return x->key != NULL;
}

/* `packed` matters for narrow codes, which the file has both ways. */
static lq_tensor tensor_of(struct vector_case *c, const struct operand *o, int packed) {
    const struct dtype *d = o->dtype;
    if (d->bytes && !packed) return view_of(c, o->key, "", d->bytes, o->rank, o->shape);
    return view_of(c, o->key, d->bytes ? "_packed" : "", d->type, o->rank, o->shape);
}

/* ONNX has a scalar for one scale, libquant the grid's shape or a vector. */
static lq_tensor parameter_of(struct vector_case *c, const struct operand *o, int packed) {
    const lq_tensor t = tensor_of(c, o, packed);
    return t.rank <= 1 ? flat(&t) : t;
}

static lq_profile profile_of(const cJSON *attrs, const struct operand *scale) {
    switch ((int)number_of(attrs, "precision", 0)) {
    case ONNX_FLOAT: return LQ_PROFILE_ONNX;
    case ONNX_FLOAT16: return LQ_PROFILE_ONNX_F16;
    case ONNX_BFLOAT16: return LQ_PROFILE_ONNX_BF16;
    case 0: break;
    default: return -1;
    }
    return scale->dtype->type == LQ_F16    ? LQ_PROFILE_ONNX_F16
           : scale->dtype->type == LQ_BF16 ? LQ_PROFILE_ONNX_BF16
                                           : LQ_PROFILE_ONNX;
}

/* DequantizeLinear of int32, which has no zero point: accumulators, with scales by row. */
static void run_accumulators(struct vector_case *c, const struct operand *acc,
                             const struct operand *scale, const struct operand *zero_point,
                             const struct operand *output) {
    const cJSON *attrs = cJSON_GetObjectItemCaseSensitive(c->meta, "attrs");
    int32_t axis = (int32_t)number_of(attrs, "axis", 1);
    if (zero_point->key || has_key(attrs, "block_size") || !is_real(output) || !is_real(scale)) {
        vector_fail(c, "int32 with zero points, in blocks, or to another type");
        return;
    }
    const lq_tensor a = view_of(c, acc->key, "", LQ_S32, acc->rank, acc->shape);
    const lq_tensor s = parameter_of(c, scale, 1), x = tensor_of(c, output, 1);
    if (axis < 0) axis += acc->rank;
    check_accumulators(c, &a, &s, axis, &x);
}

/* To a quotient that is to become float4e2m1 a zero point of 0 is added, after which none is -0. */
static lq_tensor unsigned_zeros(struct vector_case *c, const lq_tensor *x) {
    const lq_tensor out = empty_like(c, x);
    const int64_t size = (x->type & 0xff) / 8;
    for (int64_t i = 0; i < elements_of(x); ++i) {
        const char *from = (const char *)x->data + size * i;
        char *to = (char *)out.data + size * i;
        uint32_t w = 0x80000000u;
        uint16_t h = 0x8000;
        memcpy(to, from, (size_t)size);
        if (memcmp(from, size == 4 ? (void *)&w : (void *)&h, (size_t)size) == 0)
            memset(to, 0, (size_t)size);
    }
    return out;
}

/* Those of floats are 0, and libquant has none. */
static int drop_zero_point(struct vector_case *c, struct operand *zero_point) {
    if (!zero_point->key) return 1;
    const tf_tensor *t = tf_find(c->file, zero_point->key);
    for (int64_t i = 0; t && i < t->size; ++i) {
        if (((const unsigned char *)t->data)[i] == 0) continue;
        vector_fail(c, "a float zero point other than 0");
        return 0;
    }
    zero_point->key = NULL;
    return 1;
}

static void run_linear(struct vector_case *c, int quantizes) {
    const cJSON *attrs = cJSON_GetObjectItemCaseSensitive(c->meta, "attrs");
    struct operand input, scale, zero_point, output;
    if (!read_inputs(c, &input, &scale, &zero_point) || !read_output(c, 0, &output)) return;
    const struct operand *reals = quantizes ? &input : &output;
    const struct operand *codes = quantizes ? &output : &input;
    if (!is_code(codes)) {
        if (strcmp(codes->dtype_name, "int32") == 0 && !quantizes)
            run_accumulators(c, codes, &scale, &zero_point, reals);
        else
            vector_fail(c, "codes of %s", codes->dtype_name);
        return;
    }
    if (!is_real(reals) || !(is_real(&scale) || is_exponent(&scale))) {
        vector_fail(c, "reals of %s, scales of %s", reals->dtype_name, scale.dtype_name);
        return;
    }
    const lq_profile profile = quantizes ? profile_of(attrs, &scale) : LQ_PROFILE_ONNX;
    if (profile < 0) {
        vector_fail(c, "an unknown precision");
        return;
    }
    const lq_tensor s = parameter_of(c, &scale, 1), given = tensor_of(c, reals, 1);
    const lq_tensor x =
        quantizes && codes->dtype->type == LQ_E2M1 ? unsigned_zeros(c, &given) : given;
    const int64_t size = (int64_t)number_of(attrs, "block_size", 0);
    const int32_t axis = (int32_t)number_of(attrs, "axis", 1);
    const lq_block block = size                  ? lq_per_block(axis, size)
                           : elements_of(&s) > 1 ? lq_per_channel(axis)
                                                 : lq_per_tensor();
    const struct dtype *d = codes->dtype;
    if (is_small_float(codes) && !drop_zero_point(c, &zero_point)) return;
    for (int packed = d->bytes && !is_small_float(codes) ? 0 : 1; packed < 2; ++packed) {
        const lq_tensor q = tensor_of(c, codes, packed);
        lq_tensor z;
        lq_scheme scheme = lq_profile_scheme(profile, packed ? d->type : d->bytes, block);
        if (zero_point.key && !zero_point.dtype) {
            vector_fail(c, "a zero point of %s", zero_point.dtype_name);
            return;
        }
        if (zero_point.key) z = parameter_of(c, &zero_point, packed);
        scheme.unsaturated = is_small_float(codes) && number_of(attrs, "saturate", 1) == 0;
        if (!packed) {
            scheme.qmin = d->low;
            scheme.qmax = d->high;
        }
        if (quantizes)
            check_quantize(c, &scheme, &x, &s, zero_point.key ? &z : NULL, &q);
        else
            check_dequantize(c, &scheme, &q, &s, zero_point.key ? &z : NULL, &x);
    }
    if (d->bytes) {
        const lq_tensor bytes = tensor_of(c, codes, 0), packed = tensor_of(c, codes, 1);
        check_pack(c, &bytes, &packed);
    }
}

static void run_quantize(struct vector_case *c) {
    run_linear(c, 1);
}

static void run_dequantize(struct vector_case *c) {
    run_linear(c, 0);
}

static void run_dynamic(struct vector_case *c) {
    struct operand input, scale, zero_point, y;
    if (!read_inputs(c, &input, &scale, &zero_point) || !read_output(c, 0, &y) ||
        !read_output(c, 1, &scale) || !read_output(c, 2, &zero_point))
        return;
    if (!is_real(&input) || !is_code(&y) || !is_real(&scale) || !is_code(&zero_point)) {
        vector_fail(c, "an unexpected type");
        return;
    }
    const lq_tensor x = tensor_of(c, &input, 1), q = tensor_of(c, &y, 1);
    const lq_tensor s = parameter_of(c, &scale, 1), z = parameter_of(c, &zero_point, 1);
    const lq_scheme scheme =
        lq_profile_scheme(LQ_PROFILE_ONNX_DYNAMIC, y.dtype->type, lq_per_tensor());
    int64_t nonzero = 0;
    for (int64_t i = 0; i < elements_of(&x); ++i) nonzero += real_at(&x, i) != 0;
    if (nonzero == 0) {
        vector_skip(c, "x all zero: the text leaves the scale open");
        return;
    }
    check_dynamic(c, &scheme, &x, &q, &s, &z);
    check_calibrate(c, &scheme, &x, &s, &z);
    const lq_scheme plain = lq_profile_scheme(LQ_PROFILE_ONNX, y.dtype->type, lq_per_tensor());
    check_quantize(c, &plain, &x, &s, &z, &q);
}

static int is_float_name(const char *name) {
    return strncmp(name, "float", 5) == 0 || strcmp(name, "bfloat16") == 0;
}

static void run_small_cast(struct vector_case *c, const struct operand *input,
                           const struct operand *output) {
    const cJSON *attrs = cJSON_GetObjectItemCaseSensitive(c->meta, "attrs");
    if (!input->dtype || !output->dtype) {
        vector_fail(c, "Cast from %s to %s", input->dtype_name, output->dtype_name);
        return;
    }
    const lq_tensor x = tensor_of(c, input, 1), y = tensor_of(c, output, 1);
    const int saturates = is_small_float(output) && number_of(attrs, "saturate", 1) != 0;
    check_convert(c, &x, saturates ? LQ_OVERFLOW_SATURATE : LQ_OVERFLOW_INFINITE, &y);
}

static void run_cast(struct vector_case *c) {
    struct operand input, output, none;
    float one = 1.0f;
    if (!read_inputs(c, &input, &none, &none) || !read_output(c, 0, &output)) return;
    const char *from = input.dtype_name, *to = output.dtype_name;
    if (is_exponent(&output)) {
        vector_skip(c, "Cast to float8e8m0 rounds up");
    } else if (is_small_float(&input) || is_small_float(&output)) {
        run_small_cast(c, &input, &output);
    } else if (is_float_name(from) && is_float_name(to)) {
        vector_skip(c, "Cast among reals: test convert_vectors compares them");
    } else if (is_float_name(from) && is_code(&output)) {
        vector_skip(c, "Cast to integers truncates and wraps");
    } else if (is_code(&input) && is_real(&output)) {
        const lq_tensor q = tensor_of(c, &input, 1), x = tensor_of(c, &output, 1);
        const lq_tensor s = lq_vector(&one, LQ_F32, 1);
        const lq_scheme scheme =
            lq_profile_scheme(LQ_PROFILE_ONNX, input.dtype->type, lq_per_tensor());
        check_dequantize(c, &scheme, &q, &s, NULL, &x);
    } else if (is_code(&input) && is_code(&output) && input.dtype->bytes == output.dtype->type) {
        const lq_tensor q = tensor_of(c, &input, 1), bytes = tensor_of(c, &output, 1);
        check_pack(c, &bytes, &q);
    } else {
        vector_fail(c, "Cast from %s to %s", from, to);
    }
}

const struct vector_family vectors_onnx[] = {
    {"QuantizeLinear", run_quantize, NULL},
    {"DequantizeLinear", run_dequantize, NULL},
    {"DynamicQuantizeLinear", run_dynamic, NULL},
    {"Cast", run_cast, NULL},
    {"QLinearMatMul", NULL, "a product of matrices: test integer_products compares them"},
    {"QLinearConv", NULL, "a convolution"},
    {"MatMulInteger", NULL, "a product of integers: test integer_products compares them"},
    {"ConvInteger", NULL, "a convolution, without quantization"},
    {NULL, NULL, NULL},
};
