/*
 * The cases of Microscaling: blocks as microxcaling quantizes them, and casts of elements to floats
 * of few bits as ml_dtypes has them.
 */
#include "vectors.h"

#include <string.h>

static const struct element {
    const char *name; /* of microxcaling */
    const char *cast; /* of ml_dtypes */
    lq_type type;
} elements[] = {
    {"fp8_e4m3", "float8_e4m3fn", LQ_E4M3},
    {"fp8_e5m2", "float8_e5m2", LQ_E5M2},
    {"fp6_e2m3", "float6_e2m3fn", LQ_E2M3},
    {"fp6_e3m2", "float6_e3m2fn", LQ_E3M2},
    {"fp4_e2m1", "float4_e2m1fn", LQ_E2M1},
    {"int8", "", LQ_S8},
    {"int4", "", LQ_S4},
    {"", "float8_e4m3fnuz", LQ_E4M3FNUZ},
    {"", "float8_e5m2fnuz", LQ_E5M2FNUZ},
    {"", "float8_e8m0fnu", LQ_E8M0},
};

static const struct element *find(const char *name, int is_cast) {
    for (size_t i = 0; name && i < sizeof elements / sizeof elements[0]; ++i)
        if (strcmp(is_cast ? elements[i].cast : elements[i].name, name) == 0) return &elements[i];
    return NULL;
}

/* An array of codes, one a byte, as the type that they are of. */
static lq_tensor codes_of(struct vector_case *c, const lq_tensor *bytes, lq_type type) {
    lq_tensor t = *bytes;
    if ((type & 0xff) < 8) return packed_like(c, bytes, type);
    t.type = type;
    return t;
}

/* Integers, which stand between here, have no -0. */
static lq_tensor unsigned_zeros(struct vector_case *c, const lq_tensor *y) {
    const lq_tensor out = empty_like(c, y);
    for (int64_t i = 0; i < elements_of(y); ++i) *f32_at(&out, i) = real_at(y, i) + 0.0f;
    return out;
}

static void run_blocks(struct vector_case *c) {
    const struct element *e = find(text_of(c->meta, "elem_format"), 0);
    const char *rounding = text_of(c->meta, "round");
    if (!e) {
        vector_skip(c, "elements of another type");
        return;
    }
    if (!rounding || strcmp(rounding, "even") != 0) {
        vector_skip(c, "elements rounded in another way than to even");
        return;
    }
    if (has_key(c->meta, "finite") && !truth_of(c->meta, "finite")) {
        vector_skip(c, "scales that are NaN");
        return;
    }
    const lq_tensor x = array_of(c, "x");
    lq_tensor y = array_of(c, "y");
    const lq_tensor bytes = array_of(c, e->type < LQ_E2M1 ? "elem_int" : "elem_codes");
    lq_tensor scale = array_of(c, "scale_e8m0");
    if (!is_there(&x) || !is_there(&y) || !is_there(&bytes) || !is_there(&scale)) {
        vector_fail(c, "an array is missing");
        return;
    }
    scale.type = LQ_E8M0;
    if (e->type < LQ_E2M1) y = unsigned_zeros(c, &y);
    const lq_block block = lq_per_block((int32_t)number_of(c->meta, "axis", 0),
                                        (int64_t)number_of(c->meta, "block_size", 0));
    const lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_MX, e->type, block);
    const lq_tensor codes = codes_of(c, &bytes, e->type);
    check_dynamic(c, &scheme, &x, &codes, &scale, NULL);
    check_calibrate(c, &scheme, &x, &scale, NULL);
    check_quantize(c, &scheme, &x, &scale, NULL, &codes);
    check_dequantize(c, &scheme, &codes, &scale, NULL, &y);
    check_fake_quantize(c, &scheme, &x, &scale, NULL, &y);
}

static void run_cast(struct vector_case *c) {
    const struct element *e = find(text_of(c->meta, "dtype"), 1);
    if (!e) {
        vector_skip(c, "a type that libquant has not");
        return;
    }
    const lq_tensor x = array_of(c, "x"), code = array_of(c, "code");
    const lq_tensor all = array_of(c, "f16_all_codes"), values = array_of(c, "codes_f32");
    if (!is_there(&x) || !is_there(&code) || !is_there(&all) || !is_there(&values)) {
        vector_fail(c, "an array is missing");
        return;
    }
    const lq_tensor codes = codes_of(c, &code, e->type);
    check_convert(c, &x, LQ_OVERFLOW_INFINITE, &codes);
    uint16_t *halves = room_for(c, 2 << 16);
    for (int i = 0; i < 1 << 16; ++i) halves[i] = (uint16_t)i;
    const lq_tensor f16 = lq_vector(halves, LQ_F16, 1 << 16);
    const lq_tensor of_f16 = codes_of(c, &all, e->type);
    check_convert(c, &f16, LQ_OVERFLOW_INFINITE, &of_f16);
    uint8_t *counted = room_for(c, elements_of(&values));
    for (int64_t i = 0; i < elements_of(&values); ++i) counted[i] = (uint8_t)i;
    const lq_tensor each = lq_vector(counted, LQ_U8, elements_of(&values));
    const lq_tensor numbers = codes_of(c, &each, e->type);
    check_convert(c, &numbers, LQ_OVERFLOW_INFINITE, &values);
}

const struct vector_family vectors_mx[] = {
    {"mx", run_blocks, NULL},
    {"cast", run_cast, NULL},
    {NULL, NULL, NULL},
};
