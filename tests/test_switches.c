/*
 * Switches of schemes at their edges: what they make of middles, of zeros with a sign, of ranges that
 * are empty or too large for a type, and of tensors without elements.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "libquant.h"

static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
enum { LEVELS = 4 };

static float infinite(void) {
    const uint32_t bits = 0x7f800000u;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Every mapping with every middle has its codes within the type. */
static void test_ranges_within_types(void **state) {
    static const struct {
        lq_type type;
        int32_t low, high;
    } types[] = {{LQ_U2, 0, 3}, {LQ_U4, 0, 15}, {LQ_U8, 0, 255}, {LQ_S4, -8, 7}};
    int schemes = 0;
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; ++t) {
        for (int32_t qmin = types[t].low; qmin <= types[t].high; ++qmin) {
            for (int32_t qmax = qmin + 1; qmax <= types[t].high; ++qmax) {
                for (int k = 0; k < 4 * 3 * 3; ++k) {
                    lq_scheme s = lq_scheme_of(k % 4, types[t].type, lq_per_tensor());
                    int32_t low, high, zero;
                    s.qmin = qmin;
                    s.qmax = qmax;
                    s.middle = k / 4 % 3;
                    s.clamp = k / 12;
                    if (lq_scheme_range(&s, &low, &high, &zero) != LQ_OK) continue;
                    assert_true(low >= types[t].low && high <= types[t].high && low <= high);
                    ++schemes;
                }
            }
        }
    }
    assert_true(schemes > 100000);
}

static void test_low_middle_keeps_signs(void **state) {
    float x[] = {-10.0f, 10.0f, 0.0f}, back[3], scale = 0;
    uint8_t q[3];
    const lq_tensor tx = lq_vector(x, LQ_F32, 3), tq = lq_vector(q, LQ_U8, 3);
    const lq_tensor ts = lq_vector(&scale, LQ_F32, 1), tb = lq_vector(back, LQ_F32, 3);
    lq_scheme s = lq_symmetric(LQ_U8, lq_per_tensor());
    (void)state;
    s.middle = LQ_MIDDLE_DOWN;
    assert_int_equal(lq_quantize_dynamic(&tx, &s, &tq, &ts, NULL, NULL), LQ_OK);
    assert_int_equal(lq_dequantize(&tq, &s, &ts, NULL, &tb, NULL), LQ_OK);
    assert_true(q[0] == 0 && q[1] == 254 && q[2] == 127);
    assert_true(back[0] < -9.9f && back[1] > 9.9f && back[2] == 0.0f);
}

/* Which zero a kernel keeps as the end of a range depends on its level; nothing that is stored does. */
static void test_zeros_have_no_sign(void **state) {
    enum { N = 40 };
    (void)state;
    for (int mapping = LQ_AFFINE; mapping <= LQ_SYMMETRIC_FULL_RANGE; ++mapping) {
        for (int at = 0; at < N; ++at) {
            float x[N] = {0}, scale[2] = {0}, zero[2] = {0};
            lq_scheme s = lq_profile_scheme(LQ_PROFILE_PYTORCH_FLOAT_ZERO, LQ_S8, lq_per_tensor());
            s.mapping = mapping;
            s.scale_floor = 0;
            s.degenerate = LQ_DEGENERATE_ZERO;
            x[at] = -0.0f;
            x[(at + 17) % N] = at % 3 ? 1.0f : 0.0f;
            for (int l = 0; l < LEVELS; ++l) {
                if (lq_cpu_use(levels[l]) != LQ_OK) continue;
                const int i = l > 0;
                const lq_tensor tx = lq_vector(x, LQ_F32, N), ts = lq_vector(&scale[i], LQ_F32, 1);
                const lq_tensor tz = lq_vector(&zero[i], LQ_F32, 1);
                assert_int_equal(
                    lq_calibrate(&tx, &s, &ts, mapping == LQ_AFFINE ? &tz : NULL, NULL), LQ_OK);
                if (i == 0) continue;
                assert_memory_equal(&scale[0], &scale[1], sizeof *scale);
                assert_memory_equal(&zero[0], &zero[1], sizeof *zero);
            }
        }
    }
}

/* A multiplier belongs to the same zero point as the scale that it is the inverse of. */
static void test_multiplier_has_the_zero_point(void **state) {
    float x[] = {-1.0f, 3.0f, 0.0f, 0.5f}, back[4], m = 0;
    uint8_t q[4], z = 0;
    const lq_tensor tx = lq_vector(x, LQ_F32, 4), tq = lq_vector(q, LQ_U8, 4);
    const lq_tensor ts = lq_vector(&m, LQ_F32, 1), tz = lq_vector(&z, LQ_U8, 1);
    const lq_tensor tb = lq_vector(back, LQ_F32, 4);
    (void)state;
    for (int rule = LQ_ZERO_FROM_MIN; rule < LQ_ZERO_REAL; ++rule) {
        lq_scheme s = lq_affine(LQ_U8, lq_per_tensor());
        s.quotient = LQ_QUOTIENT_MULTIPLIER;
        s.zero_rule = rule;
        assert_int_equal(lq_quantize_dynamic(&tx, &s, &tq, &ts, &tz, NULL), LQ_OK);
        assert_true(m == 63.75f && z == 64);
        assert_int_equal(lq_dequantize(&tq, &s, &ts, &tz, &tb, NULL), LQ_OK);
        for (int i = 0; i < 4; ++i) {
            const float error = back[i] - x[i];
            assert_true(error < 0.008f && error > -0.008f);
        }
    }
}

/* What a floor makes of a scale it makes of the multiplier, too. */
static void test_multiplier_has_the_floor(void **state) {
    float x[] = {1e-9f, 0.0f}, scale = 0;
    int8_t q[2];
    const lq_tensor tx = lq_vector(x, LQ_F32, 2), tq = lq_vector(q, LQ_S8, 2);
    const lq_tensor ts = lq_vector(&scale, LQ_F32, 1);
    lq_scheme s = lq_symmetric(LQ_S8, lq_per_tensor());
    (void)state;
    s.quotient = LQ_QUOTIENT_RECIPROCAL;
    s.codes_from = LQ_FROM_MULTIPLIER;
    s.scale_floor = 1e-6f;
    assert_int_equal(lq_quantize_dynamic(&tx, &s, &tq, &ts, NULL, NULL), LQ_OK);
    assert_true(scale == 1.0f && q[0] == 0 && q[1] == 0);
}

enum { ROWS = 1100, COLUMNS = 32, STEP = 2 };

/*
 * A row of nothing, then magnitudes from the smallest floats to the largest, extremes of both signs,
 * some of them at once in the later rows; and some that are not finite.
 */
static void fill_rows(float *x) {
    for (int r = 0; r < ROWS; ++r) {
        const int power = r % 24 * 12 - 160;
        for (int i = 0; i < COLUMNS; ++i) {
            const float v = ldexpf(1.0f + (float)(i * 77 % 31) / 32.0f, power);
            x[r * COLUMNS + i] = r % 24 == 0 ? 0.0f : (i + r) % 3 ? v : -v;
        }
        if (r > 150 && r % 5 == 0) {
            x[r * COLUMNS + r % 9] = ldexpf(2.0f, power);
            x[r * COLUMNS + r % 7 + 9] = ldexpf(-2.0f, power);
            if (r % 2) x[r * COLUMNS] = ldexpf(-2.0f, power);
        }
        if (r % 40 == 17) x[r * COLUMNS + 3] = NAN;
        if (r % 40 == 27) x[r * COLUMNS + 5] = r % 80 == 27 ? INFINITY : -INFINITY;
    }
}

/* Many blocks are quantized by other code than a few; every rule of scales gives the same bytes. */
static void check_blocks_together(const lq_scheme *scheme, lq_type scale_type, int64_t step) {
    static float x[ROWS * COLUMNS];
    int8_t together[ROWS * COLUMNS] = {0}, alone[ROWS * COLUMNS] = {0};
    float scales[2][ROWS * STEP] = {{0}};
    const lq_type code = scheme->code_type;
    const int size = scale_type == LQ_F32 ? 4 : 2;
    const int in_row = code == LQ_S4 ? COLUMNS / 2 : COLUMNS;
    fill_rows(x);
    const lq_tensor tx = lq_matrix(x, LQ_F32, ROWS, COLUMNS);
    const lq_tensor tq = lq_matrix(together, code, ROWS, COLUMNS);
    lq_tensor ts = lq_vector(scales[0], scale_type, ROWS * STEP);
    ts.shape[0] = ROWS;
    ts.stride[0] = step;
    assert_int_equal(lq_quantize_dynamic(&tx, scheme, &tq, &ts, NULL, NULL), LQ_OK);
    for (int r = 0; r < ROWS; ++r) {
        const lq_tensor x1 = lq_matrix(x + r * COLUMNS, LQ_F32, 1, COLUMNS);
        const lq_tensor q1 = lq_matrix(alone + r * in_row, code, 1, COLUMNS);
        const lq_tensor s1 = lq_vector((unsigned char *)scales[1] + r * step * size, scale_type, 1);
        assert_int_equal(lq_quantize_dynamic(&x1, scheme, &q1, &s1, NULL, NULL), LQ_OK);
    }
    assert_memory_equal(together, alone, sizeof together);
    assert_memory_equal(scales[0], scales[1], sizeof scales[0]);
}

static void test_blocks_together_are_as_alone(void **state) {
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16};
    static const lq_degenerate degenerates[] = {LQ_DEGENERATE_ONE, LQ_DEGENERATE_ZERO};
    (void)state;
    for (int level = 0; level < LEVELS; ++level) {
        if (lq_cpu_use(levels[level])) continue;
        for (int k = 0; k < 2 * 4 * 2 * 2 * 2 * 3; ++k) {
            lq_scheme s = lq_scheme_of(k & 1 ? LQ_SYMMETRIC : LQ_SYMMETRIC_FULL_RANGE,
                                       k >> 5 & 1 ? LQ_S4 : LQ_S8, lq_per_channel(0));
            s.codes_from = k >> 1 & 3;
            const bool divides = s.codes_from == LQ_FROM_STORED && k % 5 == 0;
            s.quotient = divides ? LQ_QUOTIENT_DIVIDE : LQ_QUOTIENT_RECIPROCAL;
            s.arithmetic = k >> 3 & 1 ? LQ_ARITHMETIC_FLOAT : LQ_ARITHMETIC_DOUBLE;
            s.degenerate = degenerates[k >> 4 & 1];
            if (k % 7 == 0) s.tie = LQ_TIE_NEGATIVE;
            check_blocks_together(&s, types[k >> 6], 1 + k % 3 % STEP);
        }
    }
}

static void test_empty_ranges(void **state) {
    float ends[][2] = {{5, 3}, {-3, -5}, {0, 3}, {1, -1}};
    (void)state;
    ends[2][0] = infinite();
    for (size_t i = 0; i < sizeof ends / sizeof *ends; ++i) {
        float scale = 7;
        int8_t z = 7;
        const lq_tensor lo = lq_vector(&ends[i][0], LQ_F32, 1);
        const lq_tensor hi = lq_vector(&ends[i][1], LQ_F32, 1);
        const lq_tensor ts = lq_vector(&scale, LQ_F32, 1), tz = lq_vector(&z, LQ_S8, 1);
        const lq_scheme s = lq_affine(LQ_S8, lq_per_tensor());
        assert_int_equal(lq_choose_parameters(&lo, &hi, &s, &ts, &tz, NULL), LQ_OK);
        assert_true(scale == 1.0f && z == -128);
    }
}

/* What is stored is legal for the calls that read it, however narrow its type. */
static void test_narrow_parameters_are_legal(void **state) {
    float far[] = {-1e30f, 1e30f}, near[] = {1000.0f, 1001.0f}, back[2];
    int8_t q[2];
    uint16_t scale = 0, zero = 0;
    const lq_tensor tq = lq_vector(q, LQ_S8, 2), tb = lq_vector(back, LQ_F32, 2);
    const lq_tensor ts = lq_vector(&scale, LQ_F16, 1), tz = lq_vector(&zero, LQ_F16, 1);
    lq_tensor tx = lq_vector(far, LQ_F32, 2);
    lq_scheme s = lq_symmetric(LQ_S8, lq_per_tensor());
    (void)state;
    s.quotient = LQ_QUOTIENT_MULTIPLIER;
    assert_int_equal(lq_quantize_dynamic(&tx, &s, &tq, &ts, NULL, NULL), LQ_OK);
    assert_int_equal(lq_dequantize(&tq, &s, &ts, NULL, &tb, NULL), LQ_OK);
    tx = lq_vector(near, LQ_F32, 2);
    s = lq_profile_scheme(LQ_PROFILE_PYTORCH_FLOAT_ZERO, LQ_S8, lq_per_tensor());
    assert_int_equal(lq_quantize_dynamic(&tx, &s, &tq, &ts, &tz, NULL), LQ_OK);
    assert_int_equal(lq_dequantize(&tq, &s, &ts, &tz, &tb, NULL), LQ_OK);
}

static void test_widening_keeps_the_sign(void **state) {
    float x[] = {3.0f, -1.0f}, scale = 0;
    const lq_tensor tx = lq_vector(x, LQ_F32, 2), ts = lq_vector(&scale, LQ_F32, 1);
    lq_scheme s = lq_symmetric_full_range(LQ_S8, lq_per_tensor());
    (void)state;
    s.degenerate = LQ_DEGENERATE_WIDEN;
    s.scale_floor = 0.001f;
    assert_int_equal(lq_calibrate(&tx, &s, &ts, NULL, NULL), LQ_OK);
    assert_true(scale == -3.0f / 128);
}

/* No work where there are no elements, whatever the other dimensions say. */
static void test_nothing_of_any_size(void **state) {
    const int64_t far = (int64_t)1 << 40;
    const int64_t channels[] = {far, 0};
    float scale = 1, gradient = 7, multiplier = 1;
    const lq_tensor x = {.type = LQ_F32, .rank = 3, .shape = {0, far, far}};
    const lq_tensor ts = lq_vector(&scale, LQ_F32, 1), tg = lq_vector(&gradient, LQ_F32, 1);
    const lq_scheme s = lq_symmetric(LQ_S8, lq_per_tensor());
    (void)state;
    assert_int_equal(lq_fake_quantize_grad(&x, &s, &ts, NULL, &x, NULL, &tg, NULL, 1, NULL), LQ_OK);
    assert_true(gradient == 0);
    const lq_tensor acc = lq_contiguous(NULL, LQ_S32, 2, channels);
    const lq_tensor q = lq_contiguous(NULL, LQ_S8, 2, channels);
    const lq_tensor tm = lq_vector(&multiplier, LQ_F32, 1);
    const lq_scheme by_row = lq_symmetric(LQ_S8, lq_per_channel(0));
    assert_int_equal(lq_requantize(&acc, &by_row, LQ_REQUANTIZE_FLOAT, &tm, NULL, NULL, &q, NULL),
                     LQ_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_within_types),
        cmocka_unit_test(test_low_middle_keeps_signs),
        cmocka_unit_test(test_zeros_have_no_sign),
        cmocka_unit_test(test_multiplier_has_the_zero_point),
        cmocka_unit_test(test_multiplier_has_the_floor),
        cmocka_unit_test(test_blocks_together_are_as_alone),
        cmocka_unit_test(test_empty_ranges),
        cmocka_unit_test(test_narrow_parameters_are_legal),
        cmocka_unit_test(test_widening_keeps_the_sign),
        cmocka_unit_test(test_nothing_of_any_size),
    };
    return cmocka_run_group_tests_name("switches", tests, NULL, NULL);
}
