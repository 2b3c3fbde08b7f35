/* lq_encode and lq_decode: what they refuse, and blocks that are no fun. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "libquant.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEVELS = 4, RECORD = 256, RECORDS = 16, COLUMNS = RECORD * RECORDS };

static const lq_cpu levels[LEVELS] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

static const lq_layout layouts[] = {
    LQ_LAYOUT_GGML_Q4_0,   LQ_LAYOUT_GGML_Q4_1,   LQ_LAYOUT_GGML_Q5_0,  LQ_LAYOUT_GGML_Q5_1,
    LQ_LAYOUT_GGML_Q8_0,   LQ_LAYOUT_GGML_Q8_1,   LQ_LAYOUT_GGML_Q2_K,  LQ_LAYOUT_GGML_Q3_K,
    LQ_LAYOUT_GGML_Q4_K,   LQ_LAYOUT_GGML_Q5_K,   LQ_LAYOUT_GGML_Q6_K,  LQ_LAYOUT_GGML_Q8_K,
    LQ_LAYOUT_GGML_IQ4_NL, LQ_LAYOUT_GGML_IQ4_XS, LQ_LAYOUT_GGML_TQ1_0, LQ_LAYOUT_GGML_TQ2_0,
    LQ_LAYOUT_GGML_MXFP4,  LQ_LAYOUT_GGML_NVFP4};

enum { LAYOUTS = sizeof layouts / sizeof *layouts };

/* ---------------------------------------------------------------- bad blocks */

static float x[COLUMNS], y[2][COLUMNS];
static unsigned char bytes[2][COLUMNS * 2];

/* Record r is all of this, or has some of it among ordinary values. */
static const float bad[RECORDS] = {0.0f,     -0.0f, NAN,    INFINITY, -INFINITY, 5e-32f,
                                   1e-40f,   3e38f, -3e38f, NAN,      1e-45f,    INFINITY,
                                   70000.0f, 3e38f, 6e-8f,  1.0f};

static void fill(void) {
    for (int i = 0; i < COLUMNS; ++i) {
        const int record = i / RECORD;
        const int mixed = record >= RECORDS / 2 && i % 7;
        x[i] = mixed ? (float)(i % 31 - 15) * 0.25f : bad[record];
    }
}

static lq_packed packed_of(lq_layout layout, const lq_tensor *to) {
    return (lq_packed){.struct_size = sizeof(lq_packed),
                       .layout = layout,
                       .rows = 1,
                       .columns = COLUMNS,
                       .bytes = to};
}

static void test_bad_blocks_are_alike_everywhere(void **state) {
    (void)state;
    fill();
    for (int k = 0; k < LAYOUTS; ++k) {
        const lq_tensor from = lq_vector(x, LQ_F32, COLUMNS);
        int64_t size;
        lq_packed p = packed_of(layouts[k], NULL);
        assert_int_equal(lq_packed_size(&p, &size, NULL), LQ_OK);
        for (int i = 0; i < LEVELS; ++i) {
            const lq_tensor to = lq_vector(bytes[i > 0], LQ_U8, size);
            const lq_tensor back = lq_vector(y[i > 0], LQ_F32, COLUMNS);
            if (lq_cpu_use(levels[i])) continue;
            p.bytes = &to;
            assert_int_equal(lq_encode(&from, NULL, &p, NULL), LQ_OK);
            assert_int_equal(lq_decode(&p, NULL, &back, NULL), LQ_OK);
            assert_memory_equal(bytes[0], bytes[i > 0], (size_t)size);
            assert_memory_equal(y[0], y[i > 0], sizeof y[0]);
        }
        for (int i = 0; i < COLUMNS; ++i) {
            /* Infinities may be the largest value and half a step of rounding. */
            if (!isfinite(y[0][i]) && !isinf(x[i])) {
                printf("%s: %g is %g\n", lq_layout_name(layouts[k]), (double)x[i], (double)y[0][i]);
                fail();
            }
            /* Nothing but zeros, or NaN. */
            if (i < 3 * RECORD) assert_true(y[0][i] == 0);
        }
    }
}

/* ------------------------------------------------------------------ refusals */

typedef struct call {
    lq_tensor x, bytes, scale, zeros;
    lq_scheme scheme;
    lq_packed packed;
    int has_scheme;
} call;

static call good_records(void) {
    call c = {.x = lq_matrix(x, LQ_F32, 4, 64), .bytes = lq_vector(bytes[0], LQ_U8, 4 * 2 * 18)};
    assert_int_equal(lq_layout_scheme(LQ_LAYOUT_GGML_Q4_0, &c.scheme, sizeof c.scheme), LQ_OK);
    c.packed = (lq_packed){
        .struct_size = sizeof c.packed, .layout = LQ_LAYOUT_GGML_Q4_0, .rows = 4, .columns = 64};
    return c;
}

static call good_codes(void) {
    call c = {.x = lq_matrix(x, LQ_F32, 4, 64),
              .bytes = lq_vector(bytes[0], LQ_U8, 4 * 32),
              .scale = lq_matrix(y[0], LQ_F32, 4, 2),
              .zeros = lq_vector(bytes[1], LQ_U8, 4),
              .scheme = lq_affine(LQ_U4, lq_per_block(-1, 32)),
              .has_scheme = 1};
    c.packed = (lq_packed){.struct_size = sizeof c.packed,
                           .layout = LQ_LAYOUT_ROWS,
                           .bits = 4,
                           .rows = 4,
                           .columns = 64,
                           .block = 32,
                           .scale = &c.scale,
                           .zero_bytes = &c.zeros};
    return c;
}

static lq_status encode(const call *c, const lq_exec *exec) {
    lq_packed p = c->packed;
    p.bytes = &c->bytes;
    if (p.scale) p.scale = &c->scale;
    if (p.zero_bytes) p.zero_bytes = &c->zeros;
    return lq_encode(&c->x, c->has_scheme ? &c->scheme : NULL, &p, exec);
}

static lq_status decode(const call *c, const lq_exec *exec) {
    lq_packed p = c->packed;
    p.bytes = &c->bytes;
    if (p.scale) p.scale = &c->scale;
    if (p.zero_bytes) p.zero_bytes = &c->zeros;
    return lq_decode(&p, c->has_scheme ? &c->scheme : NULL, &c->x, exec);
}

/* `argument` is that of lq_encode; of lq_decode x and packed change places. */
static void refused(const call *c, lq_status status, int argument) {
    static unsigned char before[sizeof bytes];
    static float reals[2][sizeof x / sizeof *x];
    const int other = argument == 2 ? 2 : 4 - argument;
    lq_report report;
    lq_exec exec = {.struct_size = sizeof exec, .report = &report};
    memcpy(before, bytes, sizeof bytes);
    memcpy(reals[0], x, sizeof x);
    memcpy(reals[1], y[0], sizeof x);
    lq_report_init(&report, sizeof report);
    assert_int_equal(encode(c, &exec), status);
    assert_int_equal(report.argument, argument);
    assert_int_equal(decode(c, &exec), status);
    assert_int_equal(report.argument, other);
    assert_memory_equal(before, bytes, sizeof bytes);
    assert_memory_equal(reals[0], x, sizeof x);
    assert_memory_equal(reals[1], y[0], sizeof x);
}

static void test_what_is_good(void **state) {
    const call records = good_records(), codes = good_codes();
    (void)state;
    fill();
    assert_int_equal(encode(&records, NULL), LQ_OK);
    assert_int_equal(decode(&records, NULL), LQ_OK);
    assert_int_equal(encode(&codes, NULL), LQ_OK);
    assert_int_equal(decode(&codes, NULL), LQ_OK);
}

static void test_refused_tensors(void **state) {
    call c = good_records();
    (void)state;
    c.x = lq_matrix(x, LQ_S8, 4, 64);
    refused(&c, LQ_ERROR_TYPE, 1);
    c.x = lq_matrix(x, LQ_F32, 4, 65);
    refused(&c, LQ_ERROR_SHAPE, 1);
    c.x = lq_matrix(NULL, LQ_F32, 4, 64);
    refused(&c, LQ_ERROR_NULL, 1);
    c = good_records();
    c.x.size -= 1;
    refused(&c, LQ_ERROR_SIZE, 1);
    c = good_records();
    c.bytes = lq_vector(bytes[0], LQ_U8, 143);
    refused(&c, LQ_ERROR_SHAPE, 3);
    c.bytes = lq_vector(bytes[0], LQ_S8, 144);
    refused(&c, LQ_ERROR_TYPE, 3);
    c = good_records();
    c.packed.columns = 48;
    refused(&c, LQ_ERROR_LAYOUT, 3);
    c.packed.columns = -32;
    refused(&c, LQ_ERROR_SHAPE, 3);
    c.packed.layout = 1234;
    refused(&c, LQ_ERROR_ENUM, 3);
    c.packed.struct_size = 8;
    refused(&c, LQ_ERROR_STRUCT, 3);
    c = good_records();
    c.packed.block = 16;
    refused(&c, LQ_ERROR_LAYOUT, 3);
    c = good_records();
    c.packed.scale = &c.scale;
    refused(&c, LQ_ERROR_LAYOUT, 3);
    assert_int_equal(lq_encode(NULL, NULL, &c.packed, NULL), LQ_ERROR_LAYOUT);
    assert_int_equal(lq_encode(&c.x, NULL, NULL, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_decode(NULL, NULL, &c.x, NULL), LQ_ERROR_NULL);
    c = good_records();
    c.packed.bytes = &c.bytes;
    assert_int_equal(lq_encode(NULL, NULL, &c.packed, NULL), LQ_ERROR_NULL);
    c.bytes = lq_vector(x, LQ_U8, 144);
    assert_int_equal(encode(&c, NULL), LQ_ERROR_OVERLAP);
    assert_int_equal(decode(&c, NULL), LQ_ERROR_OVERLAP);
}

static void test_refused_schemes(void **state) {
    call c = good_records();
    (void)state;
    c.has_scheme = 1;
    c.scheme.block = lq_per_block(-1, 16);
    refused(&c, LQ_ERROR_LAYOUT, 2);
    c.scheme.block = lq_per_channel(0);
    refused(&c, LQ_ERROR_LAYOUT, 2);
    c.scheme = lq_symmetric(LQ_S8, lq_per_block(-1, 32));
    refused(&c, LQ_ERROR_LAYOUT, 2); /* codes that 4 bits do not hold */
    c.scheme = lq_symmetric(LQ_U4, lq_per_block(-1, 32));
    refused(&c, LQ_ERROR_LAYOUT, 2);
    c.scheme = lq_affine(LQ_S4, lq_per_block(-1, 32));
    refused(&c, LQ_ERROR_LAYOUT, 2); /* nowhere to put zero points */
    c.scheme = lq_symmetric(LQ_E2M1, lq_per_block(-1, 32));
    refused(&c, LQ_ERROR_LAYOUT, 2);
    c.scheme.mapping = 77;
    refused(&c, LQ_ERROR_ENUM, 2);
    c = good_codes();
    c.has_scheme = 0;
    refused(&c, LQ_ERROR_NULL, 2);
    c = good_codes();
    c.scheme = lq_affine(LQ_U8, lq_per_block(-1, 32));
    refused(&c, LQ_ERROR_LAYOUT, 2);
    c.scheme = lq_affine(LQ_U4, lq_per_block(-1, 16));
    refused(&c, LQ_ERROR_LAYOUT, 2);
    c = good_codes();
    c.packed.scale = NULL;
    refused(&c, LQ_ERROR_NULL, 3);
    c = good_codes();
    c.scheme = lq_symmetric(LQ_E2M1, lq_per_block(-1, 32));
    refused(&c, LQ_ERROR_LAYOUT, 3); /* floats have no zero points */
    c = good_codes();
    c.packed.zero_bytes = NULL;
    assert_int_equal(encode(&c, NULL), LQ_ERROR_NULL);
    assert_int_equal(decode(&c, NULL), LQ_OK); /* they are 0 */
}

/* What lq_quantize_dynamic does not write into such scales, lq_encode does not. */
static void test_scale_rules_of_records(void **state) {
    static const lq_layout of[] = {LQ_LAYOUT_GGML_Q8_0,   LQ_LAYOUT_GGML_Q4_1,
                                   LQ_LAYOUT_GGML_IQ4_NL, LQ_LAYOUT_GGML_TQ2_0,
                                   LQ_LAYOUT_GGML_MXFP4,  LQ_LAYOUT_GGML_NVFP4};
    static unsigned char codes[512], scale[64], zero[64];
    (void)state;
    fill();
    for (size_t k = 0; k < sizeof of / sizeof *of; ++k) {
        for (int rule = 0; rule <= LQ_SCALE_EXPONENT_ROUND; ++rule) {
            lq_layout_info info;
            call c = {.has_scheme = 1};
            assert_int_equal(lq_layout_describe(of[k], &info, sizeof info), LQ_OK);
            assert_int_equal(lq_layout_scheme(of[k], &c.scheme, sizeof c.scheme), LQ_OK);
            const int64_t n = info.record, blocks = n / info.block;
            const lq_tensor s = lq_vector(scale, info.scale_type, blocks);
            const lq_tensor z = lq_vector(zero, info.zero_type, blocks);
            const lq_tensor q = lq_vector(codes, c.scheme.code_type, n);
            c.scheme.scale_rounding = rule;
            c.x = lq_vector(x, LQ_F32, n);
            c.bytes = lq_vector(bytes[0], LQ_U8, info.record_bytes);
            c.packed = (lq_packed){
                .struct_size = sizeof c.packed, .layout = of[k], .rows = 1, .columns = n};
            const lq_status expected =
                lq_quantize_dynamic(&c.x, &c.scheme, &q, &s, info.zero_type ? &z : NULL, NULL);
            memset(bytes[0], 0x5a, sizeof bytes[0]);
            assert_int_equal(encode(&c, NULL), expected);
            if (expected) assert_int_equal(bytes[0][0], 0x5a);
            /* Who reads scales asks for no rule, but knows what no codes have. */
            assert_int_equal(decode(&c, NULL), expected == LQ_ERROR_TYPE ? LQ_OK : expected);
        }
    }
}

static void test_super_blocks_have_their_own_rule(void **state) {
    call c = {.x = lq_matrix(x, LQ_F32, 1, 256), .bytes = lq_vector(bytes[0], LQ_U8, 144)};
    (void)state;
    assert_int_equal(lq_layout_scheme(LQ_LAYOUT_GGML_Q4_K, &c.scheme, sizeof c.scheme), LQ_OK);
    c.packed = (lq_packed){
        .struct_size = sizeof c.packed, .layout = LQ_LAYOUT_GGML_Q4_K, .rows = 1, .columns = 256};
    fill();
    assert_int_equal(encode(&c, NULL), LQ_OK);
    assert_int_equal(decode(&c, NULL), LQ_OK);
    c.has_scheme = 1;
    assert_int_equal(encode(&c, NULL), LQ_ERROR_LAYOUT);
    assert_int_equal(decode(&c, NULL), LQ_OK);
}

/* Nothing to do, and nothing done. */
static void test_empty_matrices(void **state) {
    call c = good_records();
    (void)state;
    c.x = lq_matrix(NULL, LQ_F32, 0, 64);
    c.bytes = lq_vector(NULL, LQ_U8, 0);
    c.packed.rows = 0;
    assert_int_equal(encode(&c, NULL), LQ_OK);
    assert_int_equal(decode(&c, NULL), LQ_OK);
    c.x = lq_matrix(NULL, LQ_F32, 4, 0);
    c.packed.rows = 4;
    c.packed.columns = 0;
    assert_int_equal(encode(&c, NULL), LQ_OK);
    assert_int_equal(decode(&c, NULL), LQ_OK);
}

/* A row without elements is a block, if blocks are rows; its parameters are those of no range. */
static void test_blocks_without_elements(void **state) {
    static const lq_mapping mappings[] = {LQ_AFFINE, LQ_SYMMETRIC, LQ_SYMMETRIC_FULL_RANGE};
    (void)state;
    for (int i = 0; i < 12; ++i) {
        const int affine = i % 3 == 0;
        unsigned char zeros[2][4], parts[4];
        float scales[2][4], stored[4];
        memset(scales, 0x5a, sizeof scales);
        memset(zeros, 0x5a, sizeof zeros);
        lq_scheme scheme = lq_scheme_of(mappings[i % 3], LQ_U4, lq_per_block(-1, 0));
        if (i >= 6) scheme.degenerate = LQ_DEGENERATE_ZERO_MIDDLE;
        lq_tensor none = lq_vector(NULL, LQ_U8, 0), zero_bytes = lq_vector(zeros[0], LQ_U8, 4);
        lq_tensor reals = lq_matrix(NULL, LQ_F32, 4, 0), codes = lq_matrix(NULL, LQ_U4, 4, 0);
        lq_tensor scale = lq_matrix(scales[0], LQ_F32, 4, 1), made = scale;
        const lq_tensor zero = lq_matrix(parts, LQ_U8, 4, 1);
        lq_packed p = {.struct_size = sizeof p,
                       .layout = i / 3 % 2 && !affine ? LQ_LAYOUT_HIGH_FIRST : LQ_LAYOUT_ROWS,
                       .bits = 4,
                       .rows = 4,
                       .bytes = &none,
                       .scale = &scale,
                       .zero_bytes = affine ? &zero_bytes : NULL};
        assert_int_equal(lq_encode(&reals, &scheme, &p, NULL), LQ_OK);
        assert_true(scales[0][3] == (i >= 6 ? 0.0f : 1.0f));
        scale.data = stored;
        made.data = scales[1];
        zero_bytes.data = zeros[1];
        p.scale = &made;
        assert_int_equal(
            lq_quantize_dynamic(&reals, &scheme, &codes, &scale, affine ? &zero : NULL, NULL),
            LQ_OK);
        const lq_parts from = {.struct_size = sizeof from,
                               .codes = &codes,
                               .scale = &scale,
                               .zero_point = affine ? &zero : NULL};
        assert_int_equal(lq_pack(&from, &p, NULL), LQ_OK);
        assert_memory_equal(scales[0], scales[1], sizeof scales[0]);
        assert_memory_equal(zeros[0], zeros[1], sizeof zeros[0]);
        assert_int_equal(lq_decode(&p, &scheme, &reals, NULL), LQ_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_blocks_are_alike_everywhere),
        cmocka_unit_test(test_what_is_good),
        cmocka_unit_test(test_refused_tensors),
        cmocka_unit_test(test_refused_schemes),
        cmocka_unit_test(test_scale_rules_of_records),
        cmocka_unit_test(test_super_blocks_have_their_own_rule),
        cmocka_unit_test(test_empty_matrices),
        cmocka_unit_test(test_blocks_without_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
