/*
 * What is refused of schemes with codes that are no integers, or with the switches beyond integers:
 * by every call, with nothing written; and what the calls that cannot serve such codes say.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libquant.h"

enum { N = 16 };

static float table[16] = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};

/* Memory that refused calls must leave alone, and views of it. */
struct arguments {
    float x[N], y[N], scale[N];
    uint8_t codes[N];
    lq_tensor tx, ty, tq, ts;
};

static void set_up(struct arguments *a, const lq_scheme *scheme) {
    memset(a, 0x5a, sizeof *a);
    for (int i = 0; i < N; ++i) a->x[i] = (float)i - 7;
    a->scale[0] = 0.5f;
    a->tx = lq_vector(a->x, LQ_F32, N);
    a->ty = lq_vector(a->y, LQ_F32, N);
    a->tq = lq_vector(a->codes, scheme->code_type, N);
    a->ts = lq_vector(a->scale, LQ_F32, 1);
}

/* The scheme by every call that takes one, with a scale of 0.5. */
static void check_scheme(const char *what, const lq_scheme *scheme, lq_status expected) {
    struct arguments a, before;
    lq_status status[5];
    set_up(&a, scheme);
    before = a;
    status[0] = lq_scheme_range(scheme, NULL, NULL, NULL);
    status[1] = lq_quantize(&a.tx, scheme, &a.ts, NULL, &a.tq, NULL);
    status[2] = lq_dequantize(&a.tq, scheme, &a.ts, NULL, &a.ty, NULL);
    status[3] = lq_fake_quantize(&a.tx, scheme, &a.ts, NULL, &a.ty, NULL);
    status[4] = lq_quantize_dynamic(&a.tx, scheme, &a.tq, &a.ts, NULL, NULL);
    for (int i = 0; i < 5; ++i)
        if (status[i] != expected)
            fail_msg("%s, call %d: %s", what, i, lq_status_string(status[i]));
    if (expected != LQ_OK) assert_memory_equal(&a, &before, sizeof a);
}

static lq_scheme floats(void) {
    return lq_symmetric(LQ_E4M3, lq_per_tensor());
}

static lq_scheme tables(void) {
    lq_scheme s = lq_symmetric(LQ_U4, lq_per_tensor());
    s.table = table;
    return s;
}

static lq_scheme integers(void) {
    return lq_symmetric(LQ_S8, lq_per_tensor());
}

/* A scheme with one or two fields set. */
#define CHECK(make, set, status)                                                                   \
    do {                                                                                           \
        lq_scheme s = make();                                                                      \
        set;                                                                                       \
        check_scheme(#make ": " #set, &s, status);                                                 \
    } while (0)

static void test_floats(void **state) {
    (void)state;
    CHECK(floats, (void)0, LQ_OK);
    CHECK(floats, s.code_type = LQ_E2M3, LQ_OK);
    CHECK(floats, s.code_type = LQ_E8M0, LQ_ERROR_TYPE);
    CHECK(floats, s.qmax = 1, LQ_ERROR_RANGE);
    CHECK(floats, s.qmin = -1, LQ_ERROR_RANGE);
    CHECK(floats, s.mapping = LQ_AFFINE, LQ_ERROR_RANGE);
    CHECK(floats, s.mapping = LQ_SYMMETRIC_HALF_RANGE, LQ_ERROR_RANGE);
    CHECK(floats, s.mapping = LQ_SYMMETRIC_FULL_RANGE, LQ_ERROR_RANGE);
    CHECK(floats, s.mapping = 4, LQ_ERROR_ENUM);
    CHECK(floats, s.mapping = -1, LQ_ERROR_ENUM);
    CHECK(floats, s.rounding = LQ_ROUND_AWAY, LQ_OK);
    CHECK(floats, s.rounding = LQ_ROUND_HALF_UP, LQ_ERROR_ENUM);
    CHECK(floats, s.rounding = LQ_ROUND_LOWER_CODE, LQ_OK);
    CHECK(floats, s.rounding = 4, LQ_ERROR_ENUM);
    CHECK(floats, s.zero_place = LQ_ZERO_MINIMUM, LQ_ERROR_ENUM);
    CHECK(floats, s.unsaturated = 1, LQ_OK);
    CHECK(floats, s.unsaturated = 2, LQ_ERROR_ENUM);
    CHECK(floats, s.unsaturated = -1, LQ_ERROR_ENUM);
    CHECK(floats, s.reserved = 1, LQ_ERROR_STRUCT);
    CHECK(floats, s.table = table, LQ_ERROR_TYPE);
}

static void test_tables(void **state) {
    float bad[16];
    (void)state;
    CHECK(tables, (void)0, LQ_OK);
    CHECK(tables, s.code_type = LQ_U2, LQ_OK);
    CHECK(tables, s.code_type = LQ_S4, LQ_ERROR_TYPE);
    CHECK(tables, s.code_type = LQ_U8, LQ_ERROR_TYPE);
    CHECK(tables, s.code_type = LQ_F32, LQ_ERROR_TYPE);
    CHECK(tables, s.qmax = 15, LQ_ERROR_RANGE);
    CHECK(tables, s.mapping = LQ_AFFINE, LQ_ERROR_RANGE);
    CHECK(tables, s.rounding = LQ_ROUND_AWAY, LQ_ERROR_ENUM);
    CHECK(tables, s.rounding = LQ_ROUND_HALF_UP, LQ_OK);
    CHECK(tables, s.unsaturated = 1, LQ_ERROR_ENUM);
    for (int i = 0; i < 16; ++i) {
        memcpy(bad, table, sizeof bad);
        bad[i] = NAN;
        CHECK(tables, s.table = bad, LQ_ERROR_TABLE);
        bad[i] = i ? INFINITY : -INFINITY;
        CHECK(tables, s.table = bad, LQ_ERROR_TABLE);
        bad[i] = i ? table[i - 1] : table[1];
        CHECK(tables, s.table = bad, LQ_ERROR_TABLE);
    }
}

static void test_switches(void **state) {
    (void)state;
    CHECK(integers, s.rounding = LQ_ROUND_LOWER_CODE, LQ_ERROR_ENUM);
    CHECK(integers, s.unsaturated = 1, LQ_ERROR_ENUM);
    CHECK(integers, s.zero_place = LQ_ZERO_MINIMUM, LQ_ERROR_ENUM);
    CHECK(integers, s.scale_rounding = LQ_SCALE_UP, LQ_OK);
    CHECK(integers, s.scale_rounding = 7, LQ_ERROR_ENUM);
    CHECK(integers, s.scale_rounding = -1, LQ_ERROR_ENUM);
    CHECK(integers, s.arithmetic = LQ_ARITHMETIC_FLOAT, LQ_OK);
    CHECK(integers, s.arithmetic = 4, LQ_ERROR_ENUM);
    CHECK(integers, s.degenerate = LQ_DEGENERATE_SET, LQ_OK);
    CHECK(integers, s.degenerate = 7, LQ_ERROR_ENUM);
    CHECK(integers, s.scale_factor = 2, LQ_OK);
    CHECK(integers, s.scale_factor = -1, LQ_ERROR_SCALE);
    CHECK(integers, s.scale_factor = NAN, LQ_ERROR_SCALE);
    CHECK(integers, s.scale_factor = INFINITY, LQ_ERROR_SCALE);
    CHECK(integers, s.reserved = 1, LQ_ERROR_STRUCT);
    CHECK(integers, (s.scale_factor = 2, s.quotient = LQ_QUOTIENT_MULTIPLIER), LQ_ERROR_SCALE);
    CHECK(tables, s.scale_rounding = LQ_SCALE_EXPONENT_EVEN, LQ_ERROR_ENUM);
}

/* Rules for the exponent of E8M0 scales write no others; reading asks for no rule. */
static void test_scale_types(void **state) {
    uint8_t byte = 0;
    struct arguments a;
    (void)state;
    for (int rule = 0; rule <= LQ_SCALE_EXPONENT_ROUND; ++rule) {
        static const lq_type types[] = {LQ_F32,  LQ_F16,  LQ_BF16, LQ_E4M3, LQ_E5M2, LQ_E4M3FNUZ,
                                        LQ_E8M0, LQ_E2M1, LQ_E2M3, LQ_S8,   LQ_F64,  LQ_S32};
        for (size_t t = 0; t < sizeof types / sizeof *types; ++t) {
            lq_scheme s = floats();
            set_up(&a, &s);
            a.ts.type = types[t];
            a.ts.size = 8;
            s.scale_rounding = rule;
            const int scale = t < 7;
            const int written = rule >= LQ_SCALE_EXPONENT_FLOOR ? types[t] == LQ_E8M0
                                : rule == LQ_SCALE_GGML_UE4M3   ? types[t] == LQ_E4M3
                                                                : scale;
            assert_int_equal(lq_calibrate(&a.tx, &s, &a.ts, NULL, NULL),
                             written ? LQ_OK : LQ_ERROR_TYPE);
            memset(a.scale, 0x38, 4);
            assert_int_equal(lq_quantize(&a.tx, &s, &a.ts, NULL, &a.tq, NULL),
                             scale ? LQ_OK : LQ_ERROR_TYPE);
        }
    }
    /* A scale that may be negative has no exponent alone. */
    const lq_scheme full = lq_symmetric_full_range(LQ_S8, lq_per_tensor());
    set_up(&a, &full);
    a.ts = lq_vector(&byte, LQ_E8M0, 1);
    assert_int_equal(lq_calibrate(&a.tx, &full, &a.ts, NULL, NULL), LQ_ERROR_TYPE);
}

/* Sums and quotients are not rounded to the few values of such types, which may lack a zero. */
static void test_arithmetic_of_scale_types(void **state) {
    static const lq_type types[] = {LQ_F32,  LQ_F16,      LQ_BF16,     LQ_E4M3,
                                    LQ_E5M2, LQ_E4M3FNUZ, LQ_E5M2FNUZ, LQ_E8M0};
    (void)state;
    for (int arithmetic = 0; arithmetic <= LQ_ARITHMETIC_FLOAT; ++arithmetic) {
        for (size_t t = 0; t < sizeof types / sizeof *types; ++t) {
            const int in_type =
                arithmetic == LQ_ARITHMETIC_SCALE_TYPE || arithmetic == LQ_ARITHMETIC_MIXED;
            const lq_status expected = in_type && t > 2 ? LQ_ERROR_TYPE : LQ_OK;
            struct arguments a, before;
            lq_scheme s = integers();
            s.arithmetic = arithmetic;
            set_up(&a, &s);
            a.ts.type = types[t];
            before = a;
            const lq_status status = lq_quantize_dynamic(&a.tx, &s, &a.tq, &a.ts, NULL, NULL);
            assert_int_equal(status, expected);
            if (status) assert_memory_equal(&a, &before, sizeof a);
            assert_int_equal(lq_calibrate(&a.tx, &s, &a.ts, NULL, NULL), expected);
            memset(a.scale, 0x38, 4); /* reading asks for no rule */
            assert_int_equal(lq_quantize(&a.tx, &s, &a.ts, NULL, &a.tq, NULL), LQ_OK);
        }
    }
}

/* Values of scales: NaN, 0, and products with the factor that leave float32. */
static void test_scale_values(void **state) {
    static const struct {
        lq_type type;
        uint8_t byte;
        float factor;
        lq_status status;
    } rows[] = {
        {LQ_E8M0, 255, 0, LQ_ERROR_SCALE},
        {LQ_E8M0, 254, 0, LQ_OK},
        {LQ_E8M0, 0, 0, LQ_OK},
        {LQ_E8M0, 254, 2.0f, LQ_ERROR_SCALE},
        {LQ_E8M0, 0, 0x1p-23f, LQ_ERROR_SCALE},
        {LQ_E8M0, 0, 0x1p-22f, LQ_OK},
        {LQ_E4M3, 0x7f, 0, LQ_ERROR_SCALE},
        {LQ_E4M3, 0x7e, 0, LQ_OK},
        {LQ_E4M3, 0, 0, LQ_ERROR_SCALE},
        {LQ_E4M3, 1, 0, LQ_OK},
        {LQ_E4M3, 0xb8, 0, LQ_ERROR_SCALE},
        {LQ_E4M3, 0x80, 0, LQ_ERROR_SCALE},
        {LQ_E5M2, 0x7c, 0, LQ_ERROR_SCALE},
        {LQ_E5M2, 0x7b, 0x1p113f, LQ_ERROR_SCALE},
        {LQ_E4M3FNUZ, 0x80, 0, LQ_ERROR_SCALE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        struct arguments a, before;
        uint8_t bytes[2] = {0x70, rows[i].byte};
        lq_scheme s = lq_symmetric(LQ_E2M1, lq_per_block(0, 8));
        lq_report report;
        lq_exec exec;
        lq_report_init(&report, sizeof report);
        lq_exec_init(&exec, sizeof exec);
        exec.report = &report;
        if (rows[i].type == LQ_E5M2) bytes[0] = 0x38;
        s.scale_factor = rows[i].factor;
        set_up(&a, &s);
        a.ts = lq_vector(bytes, rows[i].type, 2);
        before = a;
        const lq_status status = lq_quantize(&a.tx, &s, &a.ts, NULL, &a.tq, &exec);
        if (status != rows[i].status) fail_msg("row %d: %s", (int)i, lq_status_string(status));
        if (status == LQ_OK) continue;
        assert_memory_equal(&a, &before, sizeof a);
        assert_int_equal(report.argument, 3);
        assert_int_equal(report.index, 1);
        exec.flags = LQ_TRUSTED;
        assert_int_equal(lq_quantize(&a.tx, &s, &a.ts, NULL, &a.tq, &exec), LQ_OK);
    }
}

/* Floats and tables have no zero point; a minimum is one, of a real type. */
static void test_zero_points(void **state) {
    int32_t zero = 0;
    float minimum = 0;
    struct arguments a;
    const lq_tensor tz = lq_vector(&zero, LQ_S32, 1), tm = lq_vector(&minimum, LQ_F32, 1);
    const lq_scheme without[] = {floats(), tables()};
    (void)state;
    for (int i = 0; i < 2; ++i) {
        const lq_scheme *s = &without[i];
        set_up(&a, s);
        assert_int_equal(lq_quantize(&a.tx, s, &a.ts, &tz, &a.tq, NULL), LQ_ERROR_TYPE);
        assert_int_equal(lq_quantize(&a.tx, s, &a.ts, &tm, &a.tq, NULL), LQ_ERROR_TYPE);
        assert_int_equal(lq_quantize_dynamic(&a.tx, s, &a.tq, &a.ts, &tz, NULL), LQ_ERROR_TYPE);
        assert_int_equal(lq_choose_parameters(&a.tx, &a.tx, s, &a.ty, &a.tx, NULL), LQ_ERROR_TYPE);
    }
    lq_scheme s = lq_affine(LQ_U8, lq_per_tensor());
    s.zero_place = LQ_ZERO_MINIMUM;
    set_up(&a, &s);
    assert_int_equal(lq_quantize(&a.tx, &s, &a.ts, &tm, &a.tq, NULL), LQ_OK);
    assert_int_equal(lq_quantize(&a.tx, &s, &a.ts, &tz, &a.tq, NULL), LQ_ERROR_TYPE);
    assert_int_equal(lq_quantize(&a.tx, &s, &a.ts, NULL, &a.tq, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_dequantize(&a.tq, &s, &a.ts, NULL, &a.ty, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_calibrate(&a.tx, &s, &a.ts, &tz, NULL), LQ_ERROR_TYPE);
    assert_int_equal(lq_calibrate(&a.tx, &s, &a.ts, NULL, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_calibrate(&a.tx, &s, &a.ts, &tm, NULL), LQ_OK);
    minimum = NAN;
    assert_int_equal(lq_quantize(&a.tx, &s, &a.ts, &tm, &a.tq, NULL), LQ_ERROR_ZERO_POINT);
    minimum = 0;
    assert_int_equal(
        lq_fake_quantize_grad(&a.tx, &s, &a.ts, &tm, &a.tx, &a.ty, NULL, NULL, 1, NULL),
        LQ_ERROR_ENUM);
}

/* Calls that are about integers, and methods that look at steps. */
static void test_other_calls(void **state) {
    static const lq_method methods[] = {LQ_METHOD_ENTROPY, LQ_METHOD_MSE, LQ_METHOD_MIN_MAX,
                                        LQ_METHOD_PERCENTILE, LQ_METHOD_MODELOPT_MSE};
    int32_t sum = 0, acc[N] = {0};
    float scale = 1, lo, hi;
    uint64_t memory[1 << 15];
    lq_calibrator *calibrator = (lq_calibrator *)memory;
    lq_calibrator_options options;
    struct arguments a;
    lq_exec exec;
    const double counts[] = {1, 2, 3};
    const float edges[] = {0, 1, 2, 3};
    lq_histogram histogram;
    const lq_tensor tsum = lq_vector(&sum, LQ_S32, 1), tacc = lq_vector(acc, LQ_S32, N);
    const lq_tensor tone = lq_vector(&scale, LQ_F32, 1);
    const lq_scheme schemes[] = {floats(), tables()};
    (void)state;
    lq_exec_init(&exec, sizeof exec);
    exec.code_sums = &tsum;
    lq_histogram_init(&histogram, sizeof histogram);
    histogram.counts = counts;
    histogram.edges = edges;
    histogram.bins = 3;
    lq_calibrator_options_init(&options, sizeof options);
    options.statistic = LQ_STATISTIC_HISTOGRAM;
    options.mantissa_bits = 4;
    assert_int_equal(lq_calibrator_init(calibrator, sizeof memory, &options), LQ_OK);
    for (int i = 0; i < 2; ++i) {
        const lq_scheme *s = &schemes[i];
        set_up(&a, s);
        assert_int_equal(lq_calibrator_observe(calibrator, &a.tx, NULL), LQ_OK);
        assert_int_equal(lq_sum_codes(&a.tq, s, &tsum, NULL), LQ_ERROR_TYPE);
        assert_int_equal(lq_quantize(&a.tx, s, &a.ts, NULL, &a.tq, &exec), LQ_ERROR_TYPE);
        assert_int_equal(
            lq_requantize(&tacc, s, LQ_REQUANTIZE_FLOAT, &tone, NULL, NULL, &a.tq, NULL),
            LQ_ERROR_TYPE);
        for (int m = 0; m < 5; ++m) {
            const lq_calibration by = lq_calibration_by(methods[m]);
            const lq_status expected = m < 2 || m == 4 ? LQ_ERROR_METHOD : LQ_OK;
            assert_int_equal(lq_calibrator_parameters(calibrator, &by, s, &a.ts, NULL, NULL),
                             expected);
            if (m == 4)
                assert_int_equal(lq_histogram_range(&histogram, &by, s, &lo, &hi), LQ_ERROR_METHOD);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),       cmocka_unit_test(test_tables),
        cmocka_unit_test(test_switches),     cmocka_unit_test(test_scale_types),
        cmocka_unit_test(test_scale_values), cmocka_unit_test(test_zero_points),
        cmocka_unit_test(test_other_calls),  cmocka_unit_test(test_arithmetic_of_scale_types),
    };
    return cmocka_run_group_tests_name("code_refusals", tests, NULL, NULL);
}
