/*
 * Codes that are no integers, and their scales: floats, tables, minimums, exponents. Every expected
 * number is computed by a formula of its own: values from the definition of a format, nearest codes
 * by looking at all of them, exponents by counting.
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

enum { MOST = 64 };

static uint32_t random_bits(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

static float from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* Of one of several kinds: around 1, of all magnitudes, subnormal, huge, ties of small floats, 0. */
static float random_value(uint64_t *state, int kind) {
    const uint32_t u = random_bits(state);
    switch (kind % 6) {
    case 0: return (float)(int32_t)u * 0x1p-30f;
    case 1: {
        const float v = from_bits(u);
        return isfinite(v) ? v : 1.0f;
    }
    case 2: return from_bits(u & 0x803fffffu);
    case 3: return from_bits((u & 0x80ffffffu) | 0x7e000000u);
    case 4: return (float)((int32_t)(u % 257) - 128) * 0.0625f;
    default: return u & 1 ? 0.0f : -0.0f;
    }
}

static void random_block(uint64_t *state, int round, float *x, int n) {
    for (int i = 0; i < n; ++i) x[i] = random_value(state, round % 7 == 6 ? i : round % 7);
}

static float absmax_of(const float *x, int n) {
    float most = 0;
    for (int i = 0; i < n; ++i) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

/* ---------------------------------------------------------------- exponents */

/* floor(log2(v)), by counting. */
static int log2_down(double v) {
    int e = 0;
    while (v >= 2) v /= 2, ++e;
    while (v < 1) v *= 2, --e;
    return e;
}

static int expected_exponent(lq_scale_rounding rounding, double a, double most, int mantissa) {
    int e = -140;
    switch (rounding) {
    case LQ_SCALE_NEAREST:
        while (ldexp(1.5, e) < a / most || (ldexp(1.5, e) == a / most && (e + 127) % 2)) ++e;
        break;
    case LQ_SCALE_UP:
        while (ldexp(1, e) < (double)(float)(a / most)) ++e;
        break;
    case LQ_SCALE_EXPONENT_FLOOR: e = log2_down(a) - log2_down(most); break;
    case LQ_SCALE_EXPONENT_CEIL:
        e = log2_down(a) - log2_down(most) + (ldexp(1, log2_down(a)) < a);
        break;
    case LQ_SCALE_EXPONENT_EVEN: {
        const double step = ldexp(1, log2_down(a) - mantissa);
        e = log2_down(floor(a / step + 0.5) * step) - log2_down(most);
        break;
    }
    default:
        while (a * a >= ldexp(most * most, 2 * e + 1)) ++e;
        break;
    }
    return e < -127 ? -127 : e > 127 ? 127 : e;
}

static void check_exponent(lq_scale_rounding rounding, const struct code_values *v, float a,
                           float factor) {
    const int integers = v->type == LQ_S8;
    lq_scheme scheme = lq_symmetric(v->type, lq_per_tensor());
    const double most = (integers ? 127 : v->largest) * (double)factor;
    const int mantissa = integers ? 6 : v->mantissa;
    const float lo = -a / 2;
    uint8_t byte = 0x5a;
    const lq_tensor l = lq_vector(&lo, LQ_F32, 1), h = lq_vector(&a, LQ_F32, 1);
    const lq_tensor s = lq_vector(&byte, LQ_E8M0, 1);
    scheme.scale_rounding = rounding;
    scheme.scale_factor = factor;
    assert_int_equal(lq_choose_parameters(&l, &h, &scheme, &s, NULL, NULL), LQ_OK);
    const int expected = expected_exponent(rounding, (double)a, most, mantissa) + 127;
    if (byte != expected)
        fail_msg("rule %d, %s, absmax %a, factor %a: %d, not %d", (int)rounding,
                 lq_type_name(v->type), (double)a, (double)factor, byte, expected);
}

static void test_exponents(void **unused) {
    static const lq_scale_rounding rules[] = {LQ_SCALE_NEAREST,        LQ_SCALE_UP,
                                              LQ_SCALE_EXPONENT_FLOOR, LQ_SCALE_EXPONENT_CEIL,
                                              LQ_SCALE_EXPONENT_EVEN,  LQ_SCALE_EXPONENT_ROUND};
    static const float factors[] = {1.0f, 0x1p-6f, 0.75f};
    uint64_t state = 1;
    (void)unused;
    for (int i = 0; i < 20000; ++i) {
        struct code_values v = {.type = LQ_S8};
        const uint32_t which = random_bits(&state) % (FLOAT_TYPES + 1);
        if (which < FLOAT_TYPES) code_values_of(float_types[which], &v);
        /* Beside powers of two and beside halves of them, where rules part. */
        float a = fabsf(random_value(&state, i % 4 == 3 ? 4 : i % 4));
        const uint32_t near = random_bits(&state) % 8;
        if (i % 3 == 0) a = from_bits((random_bits(&state) & 0x7fc00000u) + near - 4);
        if (i % 3 == 1)
            a = (float)(v.type == LQ_S8 ? 127 : v.largest) * from_bits(0x3f800000 + near);
        if (!isfinite(a) || a == 0) continue;
        for (int r = 0; r < 6; ++r) check_exponent(rules[r], &v, a, factors[i % 3]);
    }
}

/* ------------------------------------------------------------------- profiles */

struct block_case {
    const char *name;
    lq_profile profile;
    lq_type code, scale;
    int size;
};

/* One block through a dynamic call, and what calibrate, quantize and dequantize make of it. */
struct block_result {
    uint8_t codes[MOST]; /* one a byte */
    uint8_t scale[4], zero[4];
    float values[MOST];
};

static void unpacked(const lq_tensor *codes, uint8_t *bytes, int n) {
    const int is_signed = (codes->type & 0x3000) == 0x1000;
    const lq_tensor to = lq_vector(bytes, is_signed ? LQ_S8 : LQ_U8, n);
    if ((codes->type & 0xff) == 8)
        memcpy(bytes, codes->data, (size_t)n);
    else
        assert_int_equal(lq_unpack_codes(codes, &to, NULL), LQ_OK);
}

static void run_block(const lq_scheme *scheme, lq_type scale_type, const float *x, int n,
                      struct block_result *r) {
    uint8_t packed[MOST], again[MOST], scale[4], zero[4];
    const int with_zero = scheme->zero_place == LQ_ZERO_MINIMUM;
    const lq_tensor tx = lq_vector(x, LQ_F32, n), q = lq_vector(packed, scheme->code_type, n);
    const lq_tensor q2 = lq_vector(again, scheme->code_type, n);
    const lq_tensor s = lq_vector(r->scale, scale_type, 1), z = lq_vector(r->zero, scale_type, 1);
    const lq_tensor s2 = lq_vector(scale, scale_type, 1), z2 = lq_vector(zero, scale_type, 1);
    const lq_tensor y = lq_vector(r->values, LQ_F32, n);
    memset(packed, 0, sizeof packed);
    memset(again, 0, sizeof again);
    assert_int_equal(lq_quantize_dynamic(&tx, scheme, &q, &s, with_zero ? &z : NULL, NULL), LQ_OK);
    assert_int_equal(lq_dequantize(&q, scheme, &s, with_zero ? &z : NULL, &y, NULL), LQ_OK);
    assert_int_equal(lq_calibrate(&tx, scheme, &s2, with_zero ? &z2 : NULL, NULL), LQ_OK);
    assert_memory_equal(scale, r->scale, (size_t)s.size);
    if (with_zero) assert_memory_equal(zero, r->zero, (size_t)z.size);
    if (scheme->codes_from == LQ_FROM_STORED) {
        assert_int_equal(lq_quantize(&tx, scheme, &s, with_zero ? &z : NULL, &q2, NULL), LQ_OK);
        assert_memory_equal(packed, again, (size_t)q.size);
    }
    unpacked(&q, r->codes, n);
}

static void check_codes(const char *name, const float *x, const uint8_t *codes,
                        const uint8_t *expected, int n) {
    for (int i = 0; i < n; ++i)
        if (codes[i] != expected[i])
            fail_msg("%s, x %a: code %d, not %d", name, (double)x[i], codes[i], expected[i]);
}

static void check_values(const char *name, const float *values, const double *expected, int n) {
    for (int i = 0; i < n; ++i)
        if (values[i] != (float)expected[i] || !signbit(values[i]) != !signbit(expected[i]))
            fail_msg("%s: value %a, not %a", name, (double)values[i], expected[i]);
}

/* OCP MX: a power of two, codes nearest to the quotients. */
static void test_mx(void **unused) {
    uint64_t state = 2;
    (void)unused;
    for (int round = 0; round < 4000; ++round) {
        struct code_values v;
        struct block_result r;
        float x[32];
        uint8_t expected[32];
        double values[32];
        const lq_type type =
            (const lq_type[]){LQ_E4M3, LQ_E5M2, LQ_E2M3, LQ_E3M2, LQ_E2M1}[round % 5];
        code_values_of(type, &v);
        random_block(&state, round / 5, x, 32);
        const float a = absmax_of(x, 32);
        int e = -127;
        if (a > 0) e = log2_down((double)a) - log2_down(v.largest);
        e = e < -127 ? -127 : e;
        const lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_MX, type, lq_per_tensor());
        run_block(&scheme, LQ_E8M0, x, 32, &r);
        assert_int_equal(r.scale[0], e + 127);
        for (int i = 0; i < 32; ++i) {
            expected[i] = (uint8_t)nearest_code(&v, ldexp((double)x[i], -e), TIE_EVEN);
            values[i] = (double)(float)ldexp(v.value[expected[i]], e);
        }
        check_codes(lq_type_name(type), x, r.codes, expected, 32);
        check_values(lq_type_name(type), r.values, values, 32);
    }
}

/* MXINT8 and MX with 4 bits: fixed point, of 6 and 2 fraction bits, symmetric. */
static void test_mx_integers(void **unused) {
    uint64_t state = 3;
    (void)unused;
    for (int round = 0; round < 2000; ++round) {
        struct block_result r;
        float x[32];
        uint8_t expected[32];
        double values[32];
        const int fraction = round % 2 ? 2 : 6, most = round % 2 ? 7 : 127;
        random_block(&state, round / 2, x, 32);
        const float a = absmax_of(x, 32);
        int e = a > 0 ? log2_down((double)a) : -126;
        e = e < -127 ? -127 : e;
        const lq_scheme scheme =
            lq_profile_scheme(LQ_PROFILE_MX, round % 2 ? LQ_S4 : LQ_S8, lq_per_tensor());
        run_block(&scheme, LQ_E8M0, x, 32, &r);
        assert_int_equal(r.scale[0], e + 127);
        for (int i = 0; i < 32; ++i) {
            double t = rint(ldexp((double)x[i], fraction - e));
            t = t > most ? most : t < -most ? -most : t;
            expected[i] = (uint8_t)(int8_t)t;
            values[i] = (double)(float)ldexp(t + 0.0, e - fraction) + 0.0;
        }
        check_codes("mx integers", x, r.codes, expected, 32);
        check_values("mx integers", r.values, values, 32);
    }
}

/* E4M3 as ggml rounds to it, from the bits. */
static int ggml_scale_byte(float s) {
    uint32_t u;
    memcpy(&u, &s, sizeof u);
    if (!(s > 0)) return 0;
    if (s >= 448) return 0x7e;
    const int exponent = (int)(u >> 23) - 127 + 7;
    if (exponent <= 0) {
        const int steps = (int)(s * 512.0f + 0.5f);
        return steps > 7 ? 7 : steps;
    }
    const int byte = exponent * 8 + (int)(u >> 20 & 7) + (int)(u >> 19 & 1);
    return byte > 15 * 8 - 1 ? 0x7e : byte;
}

/* ggml looks for the least error among all 16 values, and keeps the first. */
static int least_error(const struct code_values *v, float x, float d) {
    int best = 0;
    for (int code = 1; code < 16; ++code)
        if (fabs(v->value[code] * (double)d - (double)x) <
            fabs(v->value[best] * (double)d - (double)x))
            best = code;
    return best;
}

static void test_ggml_fp4(void **unused) {
    uint64_t state = 4;
    struct code_values v, e4m3;
    (void)unused;
    code_values_of(LQ_E2M1, &v);
    code_values_of(LQ_E4M3, &e4m3);
    for (int round = 0; round < 4000; ++round) {
        struct block_result r;
        float x[32];
        uint8_t expected[32];
        double values[32];
        const int nv = round % 2, n = nv ? 16 : 32;
        random_block(&state, round / 2, x, n);
        /* From 2^24 times the largest value on, ggml's errors are all the same, and code 0 wins. */
        for (int i = 0; i < n && nv; ++i)
            x[i] = fabsf(x[i]) < 0x1p24f ? x[i] : copysignf(0x1p24f, x[i]);
        const float a = absmax_of(x, n);
        int byte = nv ? ggml_scale_byte(a / 6.0f) : a > 0 ? log2_down((double)a) - 2 + 127 : 0;
        byte = byte < 0 ? 0 : byte;
        const float d = nv ? (float)e4m3.value[byte] : ldexpf(1, byte - 127);
        const lq_scheme scheme = lq_profile_scheme(
            nv ? LQ_PROFILE_GGML_NVFP4 : LQ_PROFILE_GGML_MXFP4, LQ_E2M1, lq_per_tensor());
        run_block(&scheme, nv ? LQ_E4M3 : LQ_E8M0, x, n, &r);
        if (r.scale[0] != byte) fail_msg("absmax %a: byte %d, not %d", (double)a, r.scale[0], byte);
        for (int i = 0; i < n; ++i) {
            expected[i] = (uint8_t)least_error(&v, x[i], d);
            values[i] = v.value[expected[i]] * (double)d;
        }
        check_codes(nv ? "ggml nvfp4" : "ggml mxfp4", x, r.codes, expected, n);
        check_values(nv ? "ggml nvfp4" : "ggml mxfp4", r.values, values, n);
    }
}

/* Blocks within a tensor: amax / 6 / (amax of the tensor / (6 * 448)), to E4M3. */
static void test_nvfp4(void **unused) {
    uint64_t state = 5;
    struct code_values v, e4m3;
    (void)unused;
    code_values_of(LQ_E2M1, &v);
    code_values_of(LQ_E4M3, &e4m3);
    for (int round = 0; round < 4000; ++round) {
        struct block_result r;
        float x[16];
        uint8_t expected[16];
        double values[16];
        random_block(&state, round % 2 ? 0 : 4, x, 16);
        if (round % 16 == 0) memset(x, 0, sizeof x);
        const float all = 2.0f + (float)(random_bits(&state) % 1000);
        const float factor = all / (6.0f * 448.0f), a = absmax_of(x, 16);
        const float part = a / 6.0f;
        const float wanted = part / factor;
        int byte = nearest_code(&e4m3, (double)wanted, TIE_EVEN);
        /* A scale of 0 is 1. */
        if (byte == 0) byte = 0x38;
        lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_NVFP4, LQ_E2M1, lq_per_tensor());
        scheme.scale_factor = factor;
        run_block(&scheme, LQ_E4M3, x, 16, &r);
        assert_int_equal(r.scale[0], byte);
        const float s = (float)e4m3.value[byte] * factor;
        for (int i = 0; i < 16; ++i) {
            const float t = x[i] / s;
            expected[i] = (uint8_t)nearest_code(&v, (double)t, TIE_EVEN);
            values[i] = v.value[expected[i]] * (double)s;
        }
        check_codes("nvfp4", x, r.codes, expected, 16);
        check_values("nvfp4", r.values, values, 16);
    }
}

/* ggml's Q4_1 and Q5_1. */
static void test_minimums(void **unused) {
    uint64_t state = 6;
    (void)unused;
    for (int round = 0; round < 4000; ++round) {
        struct block_result r;
        float x[32], f16[2];
        uint8_t expected[32];
        double values[32];
        const int top = round % 2 ? 31 : 15, kind = round / 2 % 3;
        for (int i = 0; i < 32; ++i) x[i] = random_value(&state, kind == 1 ? 4 : 0);
        for (int i = 0; i < 32 && kind == 2; ++i) x[i] = 3.0f + x[i] * (round % 4 ? 0x1p-3f : 0.0f);
        float lo = x[0], hi = x[0];
        for (int i = 1; i < 32; ++i) {
            lo = x[i] < lo ? x[i] : lo;
            hi = x[i] > hi ? x[i] : hi;
        }
        const float range = hi - lo;
        const float d = range / (float)top, id = d != 0 ? 1.0f / d : 0.0f;
        const lq_scheme scheme =
            lq_profile_scheme(round % 2 ? LQ_PROFILE_GGML_Q5_1 : LQ_PROFILE_GGML_Q4_1,
                              round % 2 ? LQ_U8 : LQ_U4, lq_per_tensor());
        run_block(&scheme, LQ_F16, x, 32, &r);
        const lq_tensor wide = lq_vector(f16, LQ_F32, 1), wide2 = lq_vector(f16 + 1, LQ_F32, 1);
        const lq_tensor s = lq_vector(r.scale, LQ_F16, 1), z = lq_vector(r.zero, LQ_F16, 1);
        assert_int_equal(lq_convert(&s, &wide, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
        assert_int_equal(lq_convert(&z, &wide2, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
        assert_true(fabs((double)f16[0] - (double)d) <= fabs((double)d) * 0x1p-11 + 0x1p-25);
        assert_true(fabs((double)f16[1] - (double)lo) <= fabs((double)lo) * 0x1p-11 + 0x1p-25);
        for (int i = 0; i < 32; ++i) {
            const float above = x[i] - lo;
            const float scaled = above * id;
            const float steps = scaled + 0.5f;
            expected[i] = (uint8_t)((int)steps < top ? (int)steps : top);
            const float product = (float)expected[i] * f16[0];
            const float sum = product + f16[1];
            values[i] = (double)sum;
        }
        check_codes("minimum", x, r.codes, expected, 32);
        check_values("minimum", r.values, values, 32);
    }
}

/* --------------------------------------------------------------------- tables */

/* Of integers times 2^-20, so that sums of two are exact. */
static void random_table(uint64_t *state, float *table, int count) {
    int32_t at = -(int32_t)(random_bits(state) % (1 << 22));
    for (int k = 0; k < count; ++k) {
        table[k] = (float)at * 0x1p-20f;
        const uint32_t step = random_bits(state);
        at += step % 4 == 0 ? 1 : 1 + (int32_t)(step % (1 << 18));
    }
}

static int expected_in_table(const float *table, int count, float t, lq_rounding rounding) {
    int best = 0;
    for (int k = 1; k < count; ++k) {
        const double twice = 2 * (double)t, sum = (double)table[k - 1] + (double)table[k];
        const int tie = rounding == LQ_ROUND_HALF_UP || (rounding == LQ_ROUND_EVEN && k % 2 == 0);
        if (twice > sum || (twice == sum && tie)) best = k;
    }
    return best;
}

static void test_tables(void **unused) {
    static const lq_rounding roundings[] = {LQ_ROUND_EVEN, LQ_ROUND_HALF_UP, LQ_ROUND_LOWER_CODE};
    uint64_t state = 7;
    (void)unused;
    for (int round = 0; round < 3000; ++round) {
        const int count = round % 2 ? 4 : 16;
        float table[16], x[MOST], one = 1.0f, y[MOST];
        uint8_t packed[MOST], codes[MOST], expected[MOST];
        double values[MOST];
        random_table(&state, table, count);
        lq_scheme scheme = lq_symmetric(count == 4 ? LQ_U2 : LQ_U4, lq_per_tensor());
        scheme.table = table;
        scheme.rounding = roundings[round % 3];
        for (int i = 0; i < MOST; ++i) {
            const uint32_t k = 1 + random_bits(&state) % (uint32_t)(count - 1);
            const double middle = ((double)table[k - 1] + (double)table[k]) / 2;
            x[i] = (float)middle;
            if (i % 4 == 1) x[i] = nextafterf(x[i], 10);
            if (i % 4 == 2) x[i] = nextafterf(x[i], -10);
            if (i % 4 == 3) x[i] = random_value(&state, i / 4);
            expected[i] = (uint8_t)expected_in_table(table, count, x[i], scheme.rounding);
            values[i] = (double)table[expected[i]];
        }
        const lq_tensor tx = lq_vector(x, LQ_F32, MOST), s = lq_vector(&one, LQ_F32, 1);
        const lq_tensor q = lq_vector(packed, scheme.code_type, MOST);
        const lq_tensor ty = lq_vector(y, LQ_F32, MOST);
        assert_int_equal(lq_quantize(&tx, &scheme, &s, NULL, &q, NULL), LQ_OK);
        assert_int_equal(lq_dequantize(&q, &scheme, &s, NULL, &ty, NULL), LQ_OK);
        unpacked(&q, codes, MOST);
        check_codes("table", x, codes, expected, MOST);
        for (int i = 0; i < MOST; ++i) assert_true(y[i] == (float)values[i]);
    }
}

/* The published values of NF4 are the nearest to the quotients; the largest magnitude is 1. */
static void test_nf4(void **unused) {
    uint64_t state = 8;
    (void)unused;
    const lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_NF4, LQ_U4, lq_per_tensor());
    const float *t = scheme.table;
    assert_true(t[0] == -1.0f && t[7] == 0.0f && t[15] == 1.0f);
    for (int round = 0; round < 2000; ++round) {
        struct block_result r;
        float x[MOST], scale;
        uint8_t expected[MOST];
        random_block(&state, round % 2 ? 0 : 4, x, MOST);
        const float a = absmax_of(x, MOST);
        run_block(&scheme, LQ_F32, x, MOST, &r);
        memcpy(&scale, r.scale, 4);
        assert_true(scale == a);
        const float inverse = 1.0f / a;
        for (int i = 0; i < MOST; ++i)
            expected[i] = (uint8_t)expected_in_table(t, 16, x[i] * inverse, LQ_ROUND_LOWER_CODE);
        check_codes("nf4", x, r.codes, expected, MOST);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponents),   cmocka_unit_test(test_mx),
        cmocka_unit_test(test_mx_integers), cmocka_unit_test(test_ggml_fp4),
        cmocka_unit_test(test_nvfp4),       cmocka_unit_test(test_minimums),
        cmocka_unit_test(test_tables),      cmocka_unit_test(test_nf4),
    };
    return cmocka_run_group_tests_name("codes", tests, NULL, NULL);
}
