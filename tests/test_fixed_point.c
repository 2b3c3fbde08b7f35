/*
 * lq_quantize_multiplier and lq_quantize_bias against frexp and exact roundings; and what the calls
 * around integer products refuse, with their outputs untouched.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guarded.h"
#include "naive.h"

/* ------------------------------------------------------------- multipliers */

/* TFLite's QuantizeMultiplier; q * 2^31 and the half added to it are exact in double. */
static void check_multiplier(double scale) {
    int32_t multiplier = 99, shift = 99;
    int exponent;
    int64_t fixed = (int64_t)floor(frexp(scale, &exponent) * 0x1p31 + 0.5);
    if (fixed == INT64_C(1) << 31) {
        fixed /= 2;
        ++exponent;
    }
    if (exponent > 30) {
        assert_int_equal(lq_quantize_multiplier(scale, &multiplier, &shift), LQ_ERROR_SCALE);
        assert_true(multiplier == 99 && shift == 99);
        return;
    }
    if (exponent < -31) fixed = exponent = 0;
    assert_int_equal(lq_quantize_multiplier(scale, &multiplier, &shift), LQ_OK);
    assert_int_equal(multiplier, fixed);
    assert_int_equal(shift, exponent);
}

static void test_multipliers(void **state) {
    (void)state;
    for (int e = -1074; e < 1024; ++e) {
        const double power = ldexp(1.0, e);
        check_multiplier(power);
        check_multiplier(nextafter(power, 0) > 0 ? nextafter(power, 0) : power);
        check_multiplier(nextafter(power, INFINITY));
        check_multiplier(power * 1.5);
        for (int i = 0; i < 50; ++i) {
            /* 31 bits and a half, and one bit beside it. */
            const double tie = 1.0 + (double)(2 * (random_bits() >> 34) + 1) * 0x1p-31;
            check_multiplier(ldexp(tie, e));
            check_multiplier(ldexp(nextafter(tie, 0), e));
            check_multiplier(ldexp(1.0 + (double)(random_bits() >> 12) * 0x1p-52, e));
        }
    }
    check_multiplier(DBL_MAX);
    check_multiplier(0x1.fffffffffffffp-33);
    check_multiplier(0x1.fffffffffffffp29);
}

static void test_bad_multipliers(void **state) {
    const double bad[] = {0.0,    -0.0,      -1.0, (double)NAN, (double)INFINITY, -(double)INFINITY,
                          0x1p30, -0x1p-1074};
    int32_t multiplier = 99, shift = 99;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        assert_int_equal(lq_quantize_multiplier(bad[i], &multiplier, &shift), LQ_ERROR_SCALE);
    }
    assert_int_equal(lq_quantize_multiplier(1.0, NULL, &shift), LQ_ERROR_NULL);
    assert_int_equal(lq_quantize_multiplier(1.0, &multiplier, NULL), LQ_ERROR_NULL);
    assert_true(multiplier == 99 && shift == 99);
}

/* ------------------------------------------------------------------ biases */

static int32_t even_bias(float b, float s) {
    const double t = (double)b / (double)s;
    if (b != b) return 0;
    return t < -0x1p31 ? INT32_MIN : t > 0x1p31 - 1 ? INT32_MAX : (int32_t)naive_even(t);
}

static int32_t away_bias(float b, float s) {
    const float inverse = (float)(1.0 / (double)s);
    volatile float product = b * inverse;
    const double t = (double)product;
    if (t != t) return 0;
    if (fabs(t) >= 0x1p31 - 1) return t < 0 ? -INT32_MAX : INT32_MAX;
    return (int32_t)(t < 0 ? -floor(-t + 0.5) : floor(t + 0.5));
}

static void check_biases(const lq_tensor *bias, float input_scale, const lq_tensor *weight_scale,
                         const lq_tensor *codes) {
    for (lq_bias_rounding rounding = 0; rounding < 2; ++rounding) {
        const lq_status status =
            lq_quantize_bias(bias, input_scale, weight_scale, rounding, codes, NULL);
        assert_int_equal(status, LQ_OK);
        for (int64_t i = 0; i < naive_count(bias); ++i) {
            const float b = naive_get_real(bias, i);
            const int64_t k = naive_count(weight_scale) == 1 ? 0 : i;
            const float s = input_scale * naive_get_real(weight_scale, k);
            assert_int_equal(naive_get_code(codes, i),
                             rounding == LQ_BIAS_EVEN ? even_bias(b, s) : away_bias(b, s));
        }
    }
}

static void test_biases(void **state) {
    enum { N = 257 };
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16};
    float scale[N];
    uint32_t bias[2 * N];
    int32_t codes[2 * N];
    (void)state;
    for (int round = 0; round < 3000; ++round) {
        const int64_t n = random_below(N);
        lq_tensor b = lq_vector(bias, types[round % 3], n);
        lq_tensor s = lq_vector(scale, LQ_F32, random_below(2) && n ? n : 1);
        lq_tensor q = lq_vector(codes, LQ_S32, n);
        const float input_scale = (float)(1 + random_below(1 << 20)) * 0x1p-24f;
        if (random_below(2)) {
            b.size = sizeof bias;
            b.stride[0] = 2;
            q.size = sizeof codes;
            q.stride[0] = -2;
            q.offset = n ? 2 * (n - 1) : 0;
        }
        for (int i = 0; i < N; ++i) {
            scale[i] = ldexpf((float)(1 + random_below(1 << 12)), -(int)random_below(40));
            if (random_below(2)) scale[i] = ldexpf(1.0f, -(int)random_below(20));
        }
        for (int64_t i = 0; i < n; ++i) {
            double v =
                ((double)random_below(4096) - 2048) / 2 * (double)scale[0] * (double)input_scale;
            if (random_below(4) == 0) v = (double)(float)(int32_t)random_bits();
            if (random_below(32) == 0) v = random_below(2) ? (double)INFINITY : -(double)INFINITY;
            if (random_below(32) == 0) v = (double)NAN;
            naive_set_real(&b, i, v);
        }
        check_biases(&b, input_scale, &s, &q);
    }
}

/* Halves of the scale, where the two roundings part. */
static void test_bias_ties(void **state) {
    const float b[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 3e38f, -3e38f};
    const int32_t even[] = {0, 2, 2, 0, -2, -2, INT32_MAX, INT32_MIN};
    const int32_t away[] = {1, 2, 3, -1, -2, -3, INT32_MAX, -INT32_MAX};
    const float one = 2.0f;
    int32_t codes[8];
    const lq_tensor bias = lq_vector(b, LQ_F32, 8), q = lq_vector(codes, LQ_S32, 8);
    const lq_tensor scale = lq_contiguous(&one, LQ_F32, 0, NULL);
    (void)state;
    assert_int_equal(lq_quantize_bias(&bias, 0.5f, &scale, LQ_BIAS_EVEN, &q, NULL), LQ_OK);
    assert_memory_equal(codes, even, sizeof even);
    assert_int_equal(lq_quantize_bias(&bias, 0.5f, &scale, LQ_BIAS_AWAY, &q, NULL), LQ_OK);
    assert_memory_equal(codes, away, sizeof away);
}

/* ---------------------------------------------------------------- refusals */

static lq_report report;

static lq_exec reporting(void) {
    lq_exec exec;
    lq_exec_init(&exec, sizeof exec);
    lq_report_init(&report, sizeof report);
    exec.report = &report;
    return exec;
}

static void expect(lq_status status, lq_status wanted, int argument, int64_t index) {
    assert_int_equal(status, wanted);
    assert_int_equal(report.argument, argument);
    assert_int_equal(report.index, index);
}

static void test_refused_biases(void **state) {
    float b[3] = {1, 2, 3}, s[3] = {1, 1, 1};
    int32_t codes[3] = {7, 7, 7};
    const int32_t before[3] = {7, 7, 7};
    const lq_tensor bias = lq_vector(b, LQ_F32, 3), q = lq_vector(codes, LQ_S32, 3);
    const lq_tensor scale = lq_vector(s, LQ_F32, 3), two = lq_vector(s, LQ_F32, 2);
    const lq_tensor matrix = lq_matrix(b, LQ_F32, 1, 3), narrow = lq_vector(codes, LQ_S8, 3);
    const lq_tensor over = lq_vector(s, LQ_S32, 3);
    const lq_exec exec = reporting();
    const float bad[] = {0, -1, NAN, INFINITY};
    (void)state;
    for (int i = 0; i < 4; ++i) {
        expect(lq_quantize_bias(&bias, bad[i], &scale, 0, &q, &exec), LQ_ERROR_SCALE, 2, -1);
        s[1] = bad[i];
        expect(lq_quantize_bias(&bias, 1.0f, &scale, 0, &q, &exec), LQ_ERROR_SCALE, 3, 1);
        s[1] = 1;
    }
    s[2] = 3e38f;
    expect(lq_quantize_bias(&bias, 2.0f, &scale, 0, &q, &exec), LQ_ERROR_SCALE, 3, 2);
    s[2] = 1e-30f;
    expect(lq_quantize_bias(&bias, 1e-30f, &scale, 0, &q, &exec), LQ_ERROR_SCALE, 3, 2);
    expect(lq_quantize_bias(&bias, 1.0f, &scale, 2, &q, &exec), LQ_ERROR_ENUM, 4, -1);
    expect(lq_quantize_bias(&bias, 1.0f, &two, 0, &q, &exec), LQ_ERROR_GRID, 3, -1);
    expect(lq_quantize_bias(&matrix, 1.0f, &scale, 0, &q, &exec), LQ_ERROR_RANK, 1, -1);
    expect(lq_quantize_bias(&bias, 1.0f, &scale, 0, &narrow, &exec), LQ_ERROR_TYPE, 5, -1);
    expect(lq_quantize_bias(&bias, 1.0f, &q, 0, &q, &exec), LQ_ERROR_TYPE, 3, -1);
    expect(lq_quantize_bias(&bias, 1.0f, &scale, 0, &over, &exec), LQ_ERROR_OVERLAP, 5, -1);
    expect(lq_quantize_bias(NULL, 1.0f, &scale, 0, &q, &exec), LQ_ERROR_NULL, 1, -1);
    assert_memory_equal(codes, before, sizeof codes);
}

/* Four channels with sound parameters for any rule, until a test spoils them. */
static struct {
    int32_t acc[4], multiplier[4], shift[4], zero[4];
    float scale[4];
    uint8_t codes[4];
    lq_tensor a, q, m, s, f, z;
} four;

static const uint8_t untouched[4] = {7, 7, 7, 7};

static void reset_four(void) {
    for (int i = 0; i < 4; ++i) {
        four.acc[i] = four.multiplier[i] = 1;
        four.shift[i] = four.zero[i] = 0;
        four.scale[i] = 1;
        four.codes[i] = 7;
    }
    four.a = lq_vector(four.acc, LQ_S32, 4);
    four.q = lq_vector(four.codes, LQ_S8, 4);
    four.m = lq_vector(four.multiplier, LQ_S32, 4);
    four.s = lq_vector(four.shift, LQ_S32, 4);
    four.f = lq_vector(four.scale, LQ_F32, 4);
    four.z = lq_vector(four.zero, LQ_S32, 4);
}

static void expect_four(lq_requantization rule, const lq_tensor *multiplier, const lq_tensor *shift,
                        lq_status status, int argument, int64_t index) {
    const lq_scheme scheme = lq_affine(LQ_S8, lq_per_channel(0));
    const lq_exec exec = reporting();
    expect(lq_requantize(&four.a, &scheme, rule, multiplier, shift, &four.z, &four.q, &exec),
           status, argument, index);
    assert_memory_equal(four.codes, untouched, sizeof untouched);
}

static void test_refused_values(void **state) {
    static const float bad[] = {0, -1, NAN, INFINITY};
    static const int32_t bad_shifts[] = {31, -32, INT32_MAX, INT32_MIN};
    (void)state;
    for (lq_requantization rule = 0; rule < 4; ++rule) {
        const int fixed = rule >= LQ_REQUANTIZE_DOUBLE_ROUNDING;
        reset_four();
        for (int i = 0; i < 4; ++i) {
            four.scale[i] = bad[i];
            four.multiplier[i] = -1 - i;
            expect_four(rule, fixed ? &four.m : &four.f, fixed ? &four.s : NULL, LQ_ERROR_SCALE, 4,
                        i);
            four.scale[i] = 1;
            four.multiplier[i] = 0;
            four.shift[i] = bad_shifts[i];
            if (fixed) expect_four(rule, &four.m, &four.s, LQ_ERROR_SCALE, 5, i);
            four.shift[i] = 0;
        }
        four.zero[3] = 128;
        expect_four(rule, fixed ? &four.m : &four.f, fixed ? &four.s : NULL, LQ_ERROR_ZERO_POINT, 6,
                    3);
    }
}

static void test_refused_requantizations(void **state) {
    (void)state;
    reset_four();
    const lq_tensor three = lq_vector(four.scale, LQ_F32, 3);
    const lq_tensor unsigned_shifts = lq_vector(four.shift, LQ_U16, 4);
    for (lq_requantization rule = 0; rule < LQ_REQUANTIZE_DOUBLE_ROUNDING; ++rule) {
        expect_four(rule, &four.m, NULL, LQ_ERROR_TYPE, 4, -1);
        expect_four(rule, NULL, NULL, LQ_ERROR_NULL, 4, -1);
        expect_four(rule, &four.f, &four.s, LQ_ERROR_GRID, 5, -1);
        expect_four(rule, &three, NULL, LQ_ERROR_GRID, 4, -1);
    }
    for (lq_requantization rule = LQ_REQUANTIZE_DOUBLE_ROUNDING; rule < 4; ++rule) {
        expect_four(rule, &four.f, &four.s, LQ_ERROR_TYPE, 4, -1);
        expect_four(rule, NULL, &four.s, LQ_ERROR_NULL, 4, -1);
        expect_four(rule, &four.m, NULL, LQ_ERROR_NULL, 5, -1);
        expect_four(rule, &four.m, &unsigned_shifts, LQ_ERROR_TYPE, 5, -1);
    }
    expect_four(4, &four.f, NULL, LQ_ERROR_ENUM, 3, -1);
    expect_four(-1, &four.f, NULL, LQ_ERROR_ENUM, 3, -1);
    four.a = four.f;
    expect_four(0, &four.f, NULL, LQ_ERROR_TYPE, 1, -1);
}

/* Nobody looks, and still every code is the documented one. */
static void test_trusted_fixed_point(void **state) {
    static const int32_t bad[][2] = {{-1, 0},          {INT32_MIN, 30},
                                     {INT32_MAX, -32}, {1 << 30, INT32_MIN},
                                     {1 << 30, 31},    {1 << 30, INT32_MAX}};
    int32_t acc[6], m[6], s[6];
    int8_t codes[6];
    const int8_t expected[6] = {3, 3, 3, 3, 127, 127};
    const int32_t zero = 3;
    const lq_scheme scheme = lq_affine(LQ_S8, lq_per_channel(0));
    const lq_tensor a = lq_vector(acc, LQ_S32, 6), q = lq_vector(codes, LQ_S8, 6);
    const lq_tensor mm = lq_vector(m, LQ_S32, 6), ss = lq_vector(s, LQ_S32, 6);
    const lq_tensor zz = lq_vector(&zero, LQ_S32, 1);
    const float hopeless[6] = {NAN, INFINITY, -INFINITY, 0, -0.0f, 1};
    const lq_tensor ff = lq_vector(hopeless, LQ_F32, 6);
    lq_exec exec = reporting();
    (void)state;
    exec.flags = LQ_TRUSTED;
    for (int i = 0; i < 6; ++i) {
        acc[i] = INT32_MAX;
        m[i] = bad[i][0];
        s[i] = bad[i][1];
    }
    for (lq_requantization rule = LQ_REQUANTIZE_DOUBLE_ROUNDING; rule < 4; ++rule) {
        assert_int_equal(lq_requantize(&a, &scheme, rule, &mm, &ss, &zz, &q, &exec), LQ_OK);
        assert_memory_equal(codes, expected, sizeof codes);
    }
    for (lq_requantization rule = 0; rule < LQ_REQUANTIZE_DOUBLE_ROUNDING; ++rule) {
        assert_int_equal(lq_requantize(&a, &scheme, rule, &ff, NULL, &zz, &q, &exec), LQ_OK);
        assert_int_equal(codes[5], 127);
    }
}

/* Two rows and three columns, of which a test fills in what is refused. */
static struct {
    int32_t acc[6], sums[3], zero[3];
    float x[6], scale[3];
    lq_tensor a, y, rows, columns, row_zero, column_zero, row_sums, over;
    lq_product p;
} six;

static void reset_six(void) {
    memset(&six, 0, sizeof six);
    for (int i = 0; i < 6; ++i) six.x[i] = 7;
    for (int i = 0; i < 3; ++i) six.scale[i] = 1;
    six.a = lq_matrix(six.acc, LQ_S32, 2, 3);
    six.y = lq_matrix(six.x, LQ_F32, 2, 3);
    six.rows = lq_vector(six.scale, LQ_F32, 2);
    six.columns = lq_vector(six.scale, LQ_F32, 3);
    six.row_zero = lq_vector(six.zero, LQ_S32, 2);
    six.column_zero = lq_vector(six.zero, LQ_S32, 3);
    six.row_sums = lq_vector(six.sums, LQ_S32, 2);
    six.over = lq_vector(six.x, LQ_F32, 3);
    lq_product_init(&six.p, sizeof six.p);
}

/* And begins anew. */
static void expect_six(lq_status status, int argument) {
    const lq_exec exec = reporting();
    expect(lq_dequantize_accumulators(&six.a, &six.p, &six.y, &exec), status, argument, -1);
    for (int i = 0; i < 6; ++i) assert_true(six.x[i] == 7);
    reset_six();
}

static void test_refused_factors(void **state) {
    static const float bad[] = {0, -1, NAN, INFINITY};
    static const int32_t bad_zeros[] = {65536, -32769, INT32_MIN, INT32_MAX};
    (void)state;
    reset_six();
    six.p.depth = -1;
    expect_six(LQ_ERROR_SHAPE, 2);
    six.p.depth = INT64_C(1) << 31;
    expect_six(LQ_ERROR_SHAPE, 2);
    for (int i = 0; i < 4; ++i) {
        six.p.row_scale = &six.rows;
        six.scale[1] = bad[i];
        expect_six(LQ_ERROR_SCALE, 2);
        six.p.column_zero_point = &six.column_zero;
        six.p.row_sums = &six.row_sums;
        six.zero[2] = bad_zeros[i];
        expect_six(LQ_ERROR_ZERO_POINT, 2);
    }
    six.p.row_scale = &six.rows;
    six.p.column_scale = &six.columns;
    six.scale[1] = 3e30f;
    expect_six(LQ_ERROR_SCALE, 2);
    six.p.column_zero_point = &six.column_zero;
    expect_six(LQ_ERROR_NULL, 2);
    six.p.row_zero_point = &six.row_zero;
    expect_six(LQ_ERROR_NULL, 2);
}

static void test_refused_products(void **state) {
    double zeros[1] = {0};
    const lq_tensor doubles = lq_vector(zeros, LQ_F64, 1);
    const lq_exec exec = reporting();
    (void)state;
    reset_six();
    six.p.struct_size = 1;
    expect_six(LQ_ERROR_STRUCT, 2);
    six.p.row_scale = &six.columns;
    expect_six(LQ_ERROR_GRID, 2);
    six.p.bias = &six.over;
    expect_six(LQ_ERROR_OVERLAP, 2);
    six.p.bias = &six.row_sums;
    expect_six(LQ_ERROR_TYPE, 2);
    six.p.row_zero_point = &doubles;
    six.p.column_sums = &six.column_zero;
    expect_six(LQ_ERROR_TYPE, 2);
    six.p.column_scale = &doubles;
    expect_six(LQ_ERROR_TYPE, 2);
    six.p.bias = &six.y;
    expect_six(LQ_ERROR_RANK, 2);
    six.a = six.y;
    expect_six(LQ_ERROR_TYPE, 1);
    six.y = six.a;
    expect_six(LQ_ERROR_TYPE, 3);
    six.y = six.over;
    expect_six(LQ_ERROR_RANK, 3);
    six.y.shape[1] = 2;
    expect_six(LQ_ERROR_SHAPE, 3);
    expect(lq_dequantize_accumulators(&six.a, NULL, &six.y, &exec), LQ_ERROR_NULL, 2, -1);
}

/* Calls that write no codes, and sums where they must not be. */
static void test_refused_sums(void **state) {
    float values[4] = {1, 2, 3, 4}, s[1] = {1};
    uint8_t codes[4] = {7, 7, 7, 7};
    int32_t sum[4] = {9, 9, 9, 9};
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    const lq_tensor x = lq_vector(values, LQ_F32, 4), q = lq_vector(codes, LQ_S8, 4);
    const lq_tensor scale = lq_vector(s, LQ_F32, 1), sums = lq_vector(sum, LQ_S32, 1);
    const lq_tensor wide = lq_vector(sum, LQ_S32, 4), narrow = lq_vector(sum, LQ_S16, 1);
    const lq_tensor over = lq_vector(codes, LQ_S32, 1), acc = lq_matrix(sum, LQ_S32, 1, 4);
    const lq_tensor y = lq_matrix(values, LQ_F32, 1, 4);
    lq_product p;
    lq_exec exec = reporting();
    (void)state;
    lq_product_init(&p, sizeof p);
    exec.code_sums = &sums;
    expect(lq_calibrate(&x, &scheme, &scale, NULL, &exec), LQ_ERROR_STRUCT, 5, -1);
    expect(lq_dequantize(&q, &scheme, &scale, NULL, &x, &exec), LQ_ERROR_STRUCT, 6, -1);
    expect(lq_sum_codes(&q, &scheme, &sums, &exec), LQ_ERROR_STRUCT, 4, -1);
    expect(lq_dequantize_accumulators(&acc, &p, &y, &exec), LQ_ERROR_STRUCT, 4, -1);
    exec.code_sums = &wide;
    expect(lq_quantize(&x, &scheme, &scale, NULL, &q, &exec), LQ_ERROR_GRID, 6, -1);
    exec.code_sums = &narrow;
    expect(lq_quantize(&x, &scheme, &scale, NULL, &q, &exec), LQ_ERROR_TYPE, 6, -1);
    exec.code_sums = &over;
    expect(lq_quantize(&x, &scheme, &scale, NULL, &q, &exec), LQ_ERROR_OVERLAP, 6, -1);
    exec.code_sums = NULL;
    expect(lq_sum_codes(&q, &scheme, &wide, &exec), LQ_ERROR_GRID, 3, -1);
    expect(lq_sum_codes(&q, &scheme, &scale, &exec), LQ_ERROR_TYPE, 3, -1);
    expect(lq_sum_codes(&q, &scheme, &over, &exec), LQ_ERROR_OVERLAP, 3, -1);
    expect(lq_sum_codes(&q, &scheme, NULL, &exec), LQ_ERROR_NULL, 3, -1);
    assert_true(sum[0] == 9 && codes[0] == 7 && codes[3] == 7);
}

int main(void) {
    random_seed(seed_from_environment());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multipliers),
        cmocka_unit_test(test_bad_multipliers),
        cmocka_unit_test(test_biases),
        cmocka_unit_test(test_bias_ties),
        cmocka_unit_test(test_refused_biases),
        cmocka_unit_test(test_refused_values),
        cmocka_unit_test(test_refused_requantizations),
        cmocka_unit_test(test_trusted_fixed_point),
        cmocka_unit_test(test_refused_factors),
        cmocka_unit_test(test_refused_products),
        cmocka_unit_test(test_refused_sums),
    };
    return cmocka_run_group_tests_name("fixed_point", tests, NULL, NULL);
}
