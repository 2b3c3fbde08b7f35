/*
 * Floats of up to 8 bits through lq_convert, lq_pack_codes and as scales, against their definition;
 * and what is refused of schemes with codes that are no integers.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "code_values.h"
#include "libquant.h"

enum { MOST = 4096 };

static const lq_type reals[] = {LQ_F32, LQ_F16, LQ_BF16, LQ_F64};
static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

static uint32_t random_bits(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

/* ---------------------------------------------------------------- conversions */

struct counts {
    int64_t nan, infinite, overflowed, underflowed;
};

/* What the type makes of v: the code, and what a report counts. */
static int expected_code(const struct code_values *v, double x, int saturates, struct counts *c) {
    const int half = 1 << (v->bits - 1), sign = signbit(x) ? half : 0;
    const int fnuz = v->type == LQ_E4M3FNUZ || v->type == LQ_E5M2FNUZ;
    const int nan = v->type == LQ_E4M3 ? 0x7f : v->type == LQ_E5M2 ? 0x7e : half;
    const int narrow = v->bits < 8;
    /* The step above the largest value is that below it. */
    const double edge = v->largest + (v->largest - v->value[v->top - 1]) / 2;
    const int too_large = fabs(x) > edge || (fabs(x) == edge && v->top % 2);
    c->nan += isnan(x) != 0;
    c->infinite += isinf(x) != 0;
    c->overflowed += isfinite(x) && too_large;
    c->underflowed += x != 0 && fabs(x) <= v->value[1] / 2;
    if (isnan(x)) return narrow || fnuz ? half : nan | sign;
    if (!too_large || saturates || narrow) return nearest_code(v, x, TIE_EVEN);
    if (fnuz) return half;
    return v->type == LQ_E5M2 ? 0x7c | sign : 0x7f | sign;
}

static int expected_exponent(double x, int saturates, struct counts *c) {
    int code = 0;
    c->nan += isnan(x) != 0;
    c->infinite += isinf(x) != 0;
    c->overflowed += isfinite(x) && fabs(x) > 0x1.8p127;
    if (isnan(x) || x < 0) return 255;
    if (x == 0) return saturates ? 0 : 255;
    if (x > 0x1.8p127) return saturates ? 254 : 255;
    while (ldexp(1.5, code - 127) < x || (ldexp(1.5, code - 127) == x && code % 2)) ++code;
    return code;
}

static double store_real(lq_type type, void *data, int i, double x) {
    const lq_tensor from = lq_vector(&x, LQ_F64, 1);
    lq_tensor to = lq_vector(data, type, i + 1);
    double back = 0;
    const lq_tensor again = lq_vector(&back, LQ_F64, 1);
    to.offset = i;
    to.shape[0] = 1;
    assert_int_equal(lq_convert(&from, &to, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
    assert_int_equal(lq_convert(&to, &again, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
    return back;
}

/* Every value, every middle of two, a little beside them, and others. */
static double test_value(const struct code_values *v, uint64_t *state, int i) {
    static const double others[] = {(double)NAN, -(double)NAN, (double)INFINITY, -(double)INFINITY,
                                    0.0,         -0.0,         0x1p-1074,        -0x1p-1074,
                                    0x1p1023,    -0x1p1023};
    const uint32_t u = random_bits(state);
    if (i < 10) return others[i];
    if (v->type == LQ_E8M0) {
        const double power = ldexp(i % 3 ? 1.5 : 1, (int)(u % 262) - 132);
        const double beside = u & 0x10000 ? power : nextafter(power, u & 0x20000 ? 0 : 1e300);
        return u & 0x700000 ? beside : -beside;
    }
    const int code = (int)(u >> 8) % v->top;
    const double low = v->value[code], high = v->value[code + 1];
    double x = i % 5 == 0 ? low : (low + high) / 2;
    if (i % 7 == 0) x = v->largest + (high - low) / 2;
    if (i % 11 == 0) x = v->largest + (v->largest - v->value[v->top - 1]) / 2;
    if (i % 5 == 2) x = nextafter(x, 1e300);
    if (i % 5 == 3) x = nextafter(x, 0);
    if (i % 5 == 4) x *= 1 + ((double)(u & 0xff) - 128) * 0x1p-9;
    return u & 1 ? -x : x;
}

static void check_bytes(const struct code_values *v, const char *from, const double *x,
                        const uint8_t *codes, const uint8_t *expected) {
    for (int i = 0; i < MOST; ++i)
        if (codes[i] != expected[i])
            fail_msg("%s to %s on %s, %a: %#x, not %#x", from, lq_type_name(v->type),
                     lq_cpu_name(lq_cpu_level()), x[i], codes[i], expected[i]);
}

static void as_bytes(const lq_tensor *t, uint8_t *bytes) {
    const lq_tensor to = lq_vector(bytes, LQ_U8, MOST);
    if ((t->type & 0xff) == 8)
        memcpy(bytes, t->data, MOST);
    else
        assert_int_equal(lq_unpack_codes(t, &to, NULL), LQ_OK);
}

static void check_encoding(const struct code_values *v, lq_type real, int saturates,
                           uint64_t *state) {
    static uint8_t source[8 * MOST], packed[MOST], codes[MOST], expected[MOST];
    static double x[MOST];
    const lq_overflow overflow = saturates ? LQ_OVERFLOW_SATURATE : LQ_OVERFLOW_INFINITE;
    struct counts c = {0, 0, 0, 0};
    lq_report report;
    lq_exec exec;
    lq_exec_init(&exec, sizeof exec);
    lq_report_init(&report, sizeof report);
    exec.report = &report;
    for (int i = 0; i < MOST; ++i) {
        x[i] = store_real(real, source, i, test_value(v, state, i));
        expected[i] = (uint8_t)(v->type == LQ_E8M0 ? expected_exponent(x[i], saturates, &c)
                                                   : expected_code(v, x[i], saturates, &c));
    }
    const lq_tensor from = lq_vector(source, real, MOST), to = lq_vector(packed, v->type, MOST);
    for (int l = 0; l < 4; ++l) {
        if (lq_cpu_use(levels[l]) != LQ_OK) continue;
        for (int counted = 0; counted < 2; ++counted) {
            memset(packed, 0x5a, sizeof packed);
            assert_int_equal(lq_convert(&from, &to, overflow, counted ? &exec : NULL), LQ_OK);
            as_bytes(&to, codes);
            check_bytes(v, lq_type_name(real), x, codes, expected);
        }
        assert_true(report.nan == c.nan && report.infinite == c.infinite);
        assert_int_equal(report.overflowed, c.overflowed);
        assert_int_equal(report.underflowed, c.underflowed);
    }
}

static void test_encoding(void **unused) {
    uint64_t state = 1;
    (void)unused;
    for (int t = 0; t <= FLOAT_TYPES; ++t) {
        struct code_values v = {.type = LQ_E8M0, .bits = 8};
        if (t < FLOAT_TYPES) code_values_of(float_types[t], &v);
        for (int r = 0; r < 4; ++r) {
            check_encoding(&v, reals[r], 0, &state);
            check_encoding(&v, reals[r], 1, &state);
        }
    }
}

static double value_of(const struct code_values *v, int code) {
    if (v->type != LQ_E8M0) return v->value[code];
    return code == 255 ? (double)NAN : ldexp(1, code - 127);
}

/* To double exactly; to the others what that becomes. */
static void check_decoding(const struct code_values *v, lq_type real, lq_overflow overflow) {
    static uint8_t bytes[256], packed[256], y[8 * 256], expected[8 * 256];
    const int n = 1 << v->bits;
    double values[256];
    for (int i = 0; i < n; ++i) {
        bytes[i] = (uint8_t)i;
        values[i] = value_of(v, i);
        /* A NaN of no payload, with the sign of its code where there are two of them. */
        if (isnan(values[i])) values[i] = v->top < 0x7f && i >= n / 2 ? -(double)NAN : (double)NAN;
        if (isnan(values[i]) && v->type == LQ_E8M0) values[i] = (double)NAN;
    }
    const lq_tensor as_u8 = lq_vector(bytes, LQ_U8, n), codes = lq_vector(packed, v->type, n);
    const lq_tensor to = lq_vector(y, real, n), from = lq_vector(values, LQ_F64, n);
    const lq_tensor reference = lq_vector(expected, real, n);
    memcpy(packed, bytes, (size_t)n);
    if (v->bits < 8) assert_int_equal(lq_pack_codes(&as_u8, &codes, NULL), LQ_OK);
    assert_int_equal(lq_convert(&from, &reference, overflow, NULL), LQ_OK);
    for (int l = 0; l < 4; ++l) {
        if (lq_cpu_use(levels[l]) != LQ_OK) continue;
        memset(y, 0x5a, sizeof y);
        assert_int_equal(lq_convert(&codes, &to, overflow, NULL), LQ_OK);
        if (memcmp(y, expected, (size_t)to.size) != 0)
            fail_msg("%s to %s on %s", lq_type_name(v->type), lq_type_name(real),
                     lq_cpu_name(lq_cpu_level()));
    }
}

static void test_decoding(void **unused) {
    (void)unused;
    for (int t = 0; t <= FLOAT_TYPES; ++t) {
        struct code_values v = {.type = LQ_E8M0, .bits = 8};
        if (t < FLOAT_TYPES) code_values_of(float_types[t], &v);
        for (int r = 0; r < 4; ++r) {
            check_decoding(&v, reals[r], LQ_OVERFLOW_INFINITE);
            check_decoding(&v, reals[r], LQ_OVERFLOW_SATURATE);
        }
    }
}

/* From one small float to another as through double; strides, and a type over itself. */
static void test_among_small(void **unused) {
    (void)unused;
    for (int a = 0; a < FLOAT_TYPES; ++a) {
        for (int b = 0; b < FLOAT_TYPES; ++b) {
            uint8_t x[64], y[64] = {0}, z[64] = {0};
            double wide[64];
            for (int i = 0; i < 64; ++i) x[i] = (uint8_t)(i * 37);
            lq_tensor from = lq_vector(x, float_types[a], 60),
                      to = lq_vector(y, float_types[b], 60);
            const lq_tensor w = lq_vector(wide, LQ_F64, 60);
            lq_tensor direct = lq_vector(z, float_types[b], 60);
            from.offset = 59;
            from.stride[0] = -1;
            assert_int_equal(lq_convert(&from, &w, LQ_OVERFLOW_SATURATE, NULL), LQ_OK);
            assert_int_equal(lq_convert(&w, &to, LQ_OVERFLOW_SATURATE, NULL), LQ_OK);
            assert_int_equal(lq_convert(&from, &direct, LQ_OVERFLOW_SATURATE, NULL), LQ_OK);
            assert_memory_equal(y, z, sizeof y);
        }
    }
}

/* ------------------------------------------------------------------- packing */

static void test_packing(void **unused) {
    static const lq_type types[] = {LQ_E2M1, LQ_E2M3, LQ_E3M2};
    (void)unused;
    for (int t = 0; t < 3; ++t) {
        const int bits = types[t] & 0xff;
        for (int offset = 0; offset < 5; ++offset) {
            uint8_t bytes[33], packed[40], back[33], expected[40];
            memset(packed, 0xff, sizeof packed);
            memset(expected, 0xff, sizeof expected);
            for (int i = 0; i < 33; ++i) bytes[i] = (uint8_t)((i * 29 + t) % (1 << bits));
            for (int i = 0; i < 33 * bits; ++i) {
                const int at = offset * bits + i, bit = bytes[i / bits] >> i % bits & 1;
                expected[at / 8] =
                    (uint8_t)((expected[at / 8] & ~(1u << at % 8)) | (unsigned)bit << at % 8);
            }
            /* Behind a dense view the byte's last bits become 0. */
            const int end = (offset + 33) * bits;
            if (end % 8) expected[end / 8] = (uint8_t)(expected[end / 8] & ((1u << end % 8) - 1));
            lq_tensor view = lq_vector(packed, types[t], 40);
            const lq_tensor from = lq_vector(bytes, LQ_U8, 33), to = lq_vector(back, LQ_U8, 33);
            view.shape[0] = 33;
            view.offset = offset;
            assert_int_equal(lq_pack_codes(&from, &view, NULL), LQ_OK);
            assert_memory_equal(packed, expected, sizeof packed);
            assert_int_equal(lq_unpack_codes(&view, &to, NULL), LQ_OK);
            assert_memory_equal(bytes, back, sizeof bytes);
            bytes[7] = (uint8_t)(1 << bits);
            assert_int_equal(lq_pack_codes(&from, &view, NULL), LQ_ERROR_CODE);
        }
    }
}

/* ------------------------------------------------------------- scales and factors */

/* Scales of every type are read as their values, times the factor, in float32. */
static void test_scales_read(void **unused) {
    (void)unused;
    for (int t = 0; t < 5; ++t) {
        const lq_type type =
            (const lq_type[]){LQ_E4M3, LQ_E5M2, LQ_E4M3FNUZ, LQ_E5M2FNUZ, LQ_E8M0}[t];
        struct code_values v = {.type = LQ_E8M0, .bits = 8};
        if (type != LQ_E8M0) code_values_of(type, &v);
        for (int code = 0; code < 256; ++code) {
            uint8_t byte = (uint8_t)code;
            int8_t q = 0, q2 = 0;
            float x = 3.0f, y = 0;
            lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
            const lq_tensor s = lq_vector(&byte, type, 1), f = lq_vector(&y, LQ_F32, 1);
            const lq_tensor tx = lq_vector(&x, LQ_F32, 1), tq = lq_vector(&q, LQ_S8, 1);
            const lq_tensor tq2 = lq_vector(&q2, LQ_S8, 1);
            scheme.scale_factor = 0.1f;
            y = (float)value_of(&v, code) * 0.1f;
            const int good = y > 0 && y < INFINITY;
            const lq_status status = lq_quantize(&tx, &scheme, &s, NULL, &tq, NULL);
            assert_int_equal(status, good ? LQ_OK : LQ_ERROR_SCALE);
            if (!good) continue;
            scheme.scale_factor = 0;
            assert_int_equal(lq_quantize(&tx, &scheme, &f, NULL, &tq2, NULL), LQ_OK);
            assert_int_equal(q, q2);
        }
    }
}

/* Rounded up, no value clips: the scale is not below what it was, and the one below it is. */
static void test_scales_up(void **unused) {
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16, LQ_E4M3, LQ_E5M2, LQ_E8M0};
    uint64_t state = 3;
    (void)unused;
    for (int i = 0; i < 6000; ++i) {
        uint8_t nearest[4], up[4];
        double a = 0, b = 0;
        const lq_type type = types[i % 6];
        const uint32_t u = random_bits(&state);
        const float hi = (float)(u % 100000 + 1) * 0.001f, lo = 0;
        lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
        const lq_tensor l = lq_vector(&lo, LQ_F32, 1), h = lq_vector(&hi, LQ_F32, 1);
        const lq_tensor s = lq_vector(nearest, type, 1), s2 = lq_vector(up, type, 1);
        const lq_tensor wa = lq_vector(&a, LQ_F64, 1), wb = lq_vector(&b, LQ_F64, 1);
        assert_int_equal(lq_choose_parameters(&l, &h, &scheme, &s, NULL, NULL), LQ_OK);
        scheme.scale_rounding = LQ_SCALE_UP;
        assert_int_equal(lq_choose_parameters(&l, &h, &scheme, &s2, NULL, NULL), LQ_OK);
        assert_int_equal(lq_convert(&s, &wa, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
        assert_int_equal(lq_convert(&s2, &wb, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
        const double exact = (double)hi / 127;
        if (type == LQ_E4M3 && a == 1 && exact < 0.5) continue; /* one that rounds to 0 is 1 */
        assert_true(b >= (type == LQ_E8M0 ? (double)(float)exact : exact));
        assert_true(b == a || a < exact);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding),    cmocka_unit_test(test_decoding),
        cmocka_unit_test(test_among_small), cmocka_unit_test(test_packing),
        cmocka_unit_test(test_scales_read), cmocka_unit_test(test_scales_up),
    };
    return cmocka_run_group_tests_name("small_floats", tests, NULL, NULL);
}
