/*
 * The numbers, densely: every half-width value, every code, a regular sample of all float32 values,
 * the neighbors of every boundary between codes, and the parameters of many ranges; by the
 * public functions on every level, against the oracle in naive.h.
 *
 * LQ_SAMPLES=n sets how many float32 values each scale is tried with (2^22 unless told).
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "naive.h"

enum { CHUNK = 1 << 16 };

static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
static const lq_type code_types[] = {LQ_S2, LQ_S4, LQ_S8, LQ_S16, LQ_U2, LQ_U4, LQ_U8, LQ_U16};
static const lq_type real_types[] = {LQ_F32, LQ_F16, LQ_BF16};
enum { LEVELS = 4, CODES = 8, REALS = 3 };

static const float scales[] = {1.0f,      0x1p-3f,   1.0f / 127.0f, 0.1f,      1.9999999f,
                               0x1p-149f, 0x1p-127f, 0x1p-126f,     0x1p-101f, 0x1p-100f,
                               0x1p100f,  0x1p101f,  3e38f,         FLT_MAX,   1.0f / 7.0f};
enum { SCALES = sizeof scales / sizeof scales[0] };

/* One call's memory: values, and codes that the oracle and the library made. */
static uint32_t values[CHUNK];
static uint8_t expected[2 * CHUNK + 8];
static uint8_t actual[2 * CHUNK + 8];

static void put_value(lq_type type, int64_t i, uint32_t bits) {
    lq_tensor x = lq_vector(values, type, CHUNK);
    naive_set_bits(&x, i, bits);
}

static float get_value(lq_type type, int64_t i) {
    lq_tensor x = lq_vector(values, type, CHUNK);
    return naive_get_real(&x, i);
}

/* -------------------------------------------------------------- quantizing */

static void fail_code(const lq_scheme *s, lq_type type, int64_t n, float scale, int32_t z,
                      lq_cpu level) {
    lq_tensor e = lq_vector(expected, s->code_type, n), a = lq_vector(actual, s->code_type, n);
    for (int64_t i = 0; i < n; ++i) {
        if (naive_get_code(&e, i) == naive_get_code(&a, i)) continue;
        fail_msg("%s, element %" PRId64 ": %s %a / %a to %s, z %d, mapping %d: %d, not %d",
                 lq_cpu_name(level), i, lq_type_name(type), (double)get_value(type, i),
                 (double)scale, lq_type_name(s->code_type), (int)z, (int)s->mapping,
                 (int)naive_get_code(&a, i), (int)naive_get_code(&e, i));
    }
    fail_msg("%s: bytes behind the codes differ", lq_cpu_name(level));
}

/* The first n of `values` with one scale, on every level. */
static void check_quantize(const lq_scheme *s, lq_type type, int64_t n, float scale, int32_t z) {
    lq_tensor x = lq_vector(values, type, n), ts = lq_vector(&scale, LQ_F32, 1);
    lq_tensor tz = lq_vector(&z, LQ_S32, 1), codes = lq_vector(expected, s->code_type, n);
    struct naive_counts counts = {0};
    struct naive_codes c;
    lq_report report;
    lq_exec exec;
    naive_codes_of(s, &c);
    memset(expected, 0x5a, sizeof expected);
    for (int64_t i = 0; i < n; ++i)
        naive_set_code(&codes, i,
                       naive_quantum(get_value(type, i), scale, z, c.low, c.high, &counts));
    naive_clear_tail(&codes);
    codes.data = actual;
    lq_report_init(&report, sizeof report);
    lq_exec_init(&exec, sizeof exec);
    for (int i = 0; i < LEVELS; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        /* Every other level counts, which may take another path. */
        exec.report = i % 2 ? NULL : &report;
        memset(actual, 0x5a, sizeof actual);
        assert_int_equal(lq_quantize(&x, s, &ts, &tz, &codes, &exec), LQ_OK);
        if (memcmp(actual, expected, sizeof actual) != 0)
            fail_code(s, type, n, scale, z, levels[i]);
        if (!exec.report) continue;
        assert_int_equal(report.nan, counts.nan);
        assert_int_equal(report.infinite, counts.infinite);
        assert_int_equal(report.clipped, counts.clipped);
    }
}

/* All code types; a zero point at an end, or in the middle. */
static void check_all_codes(lq_type type, int64_t n, float scale, int variant) {
    for (int i = 0; i < CODES; ++i) {
        lq_mapping mapping = (variant + i) % 4;
        lq_scheme s = lq_scheme_of(mapping, code_types[i], lq_per_tensor());
        float signed_scale = mapping == LQ_SYMMETRIC_FULL_RANGE ? -scale : scale;
        struct naive_codes c;
        int32_t z;
        naive_codes_of(&s, &c);
        z = c.z0;
        if (mapping == LQ_AFFINE)
            z = variant % 3 == 0 ? c.qmin : variant % 3 == 1 ? c.qmax : (c.qmin + c.qmax) / 2;
        check_quantize(&s, type, n, signed_scale, z);
    }
}

static void test_half_width_values(void **state) {
    (void)state;
    for (int t = 1; t < REALS; ++t) {
        for (uint32_t i = 0; i < CHUNK; ++i) put_value(real_types[t], i, i);
        for (int i = 0; i < SCALES; ++i) {
            check_all_codes(real_types[t], CHUNK, scales[i], i);
            check_all_codes(real_types[t], CHUNK, scales[i], i + 1);
        }
    }
}

static void test_sampled_floats(void **state) {
    static const int chosen[] = {0, 2, 3, 5, 8, 11, 13};
    const char *wanted = getenv("LQ_SAMPLES");
    int64_t samples = wanted && *wanted ? strtoll(wanted, NULL, 0) : INT64_C(1) << 22;
    (void)state;
    for (int64_t first = 0; first < samples; first += CHUNK) {
        /* An odd multiplier walks through all 2^32 patterns before it repeats one. */
        for (int64_t i = 0; i < CHUNK; ++i)
            put_value(LQ_F32, i, (uint32_t)((uint64_t)(first + i) * 2654435769u));
        for (size_t i = 0; i < sizeof chosen / sizeof chosen[0]; ++i) {
            lq_scheme s =
                lq_affine(code_types[(first / CHUNK + (int64_t)i) % CODES], lq_per_tensor());
            struct naive_codes c;
            naive_codes_of(&s, &c);
            check_quantize(&s, LQ_F32, CHUNK, scales[chosen[i]], (c.qmin + c.qmax + 1) / 2);
        }
    }
    print_message("%" PRId64 " float32 values with %zu scales\n", samples,
                  sizeof chosen / sizeof chosen[0]);
}

/* The value nearest to (k + 1/2) s and its neighbors, for all k around the code range. */
static int64_t check_boundaries(lq_type code, float scale) {
    lq_scheme s = lq_affine(code, lq_per_tensor());
    int64_t n = 0, total = 0;
    struct naive_codes c;
    int32_t z;
    naive_codes_of(&s, &c);
    z = (c.qmin + c.qmax) / 2 + 1;
    for (int64_t k = c.qmin - z - 3; k <= c.qmax - z + 3; ++k) {
        uint32_t bits = naive_narrow(LQ_F32, ((double)k + 0.5) * (double)scale);
        for (uint32_t step = 0; step < 5; ++step) put_value(LQ_F32, n++, bits - 2 + step);
        if (n + 5 > CHUNK || k == c.qmax - z + 3) {
            check_quantize(&s, LQ_F32, n, scale, z);
            total += n;
            n = 0;
        }
    }
    return total;
}

static void test_boundaries(void **state) {
    int64_t total = 0;
    uint32_t noise = 12345;
    (void)state;
    /*
     * Any mantissa, of small, moderate and large scales: a quotient by other means than division
     * goes wrong for few of them, or only where a product underflows or overflows.
     */
    for (uint32_t i = 0; i < 96; ++i) {
        uint32_t exponent = i % 3 == 0 ? 1 + i / 3 : i % 3 == 1 ? 120 + i / 6 : 222 + i / 3;
        noise = noise * 1664525u + 1013904223u;
        total += check_boundaries(code_types[i / 3 % CODES],
                                  naive_widen(LQ_F32, exponent << 23 | noise >> 9));
    }
    for (int i = 0; i < SCALES; ++i)
        for (int j = 0; j < CODES; ++j) total += check_boundaries(code_types[j], scales[i]);
    print_message("%" PRId64 " values at boundaries\n", total);
}

/*
 * Values on which other ways to compute a code give another one: multiplying by the reciprocal, an
 * unrounded quotient, the zero point added before rounding. The oracle's rule is the
 * division; this asserts that the values tell the ways apart.
 */
static void test_boundaries_tell_rules_apart(void **state) {
    int reciprocal = 0, unrounded = 0, inside = 0;
    (void)state;
    for (int i = 0; i < SCALES; ++i) {
        float s = scales[i], inverse = 1.0f / s;
        for (int k = -130; k < 130; ++k) {
            uint32_t bits = naive_narrow(LQ_F32, ((double)k + 0.5) * (double)s);
            for (uint32_t step = 0; step < 5; ++step) {
                float x = naive_widen(LQ_F32, bits - 2 + step);
                double rule = naive_even((double)(float)((double)x / (double)s));
                if (!isfinite(x)) continue;
                reciprocal += naive_even((double)(x * inverse)) != rule;
                unrounded += naive_even((double)x / (double)s) != rule;
                inside += naive_even((double)(float)((double)x / (double)s) + 1.0) - 1.0 != rule;
            }
        }
    }
    assert_true(reciprocal > 10 && unrounded > 10 && inside > 10);
}

/* ------------------------------------------------------------------- lanes */

enum { LANES = 103, ROWS = 300 };

struct lanes {
    lq_scheme scheme;
    float scale[LANES];
    int32_t zero[LANES];
    uint32_t reals[LANES * ROWS + 1];
    uint8_t codes[2 * LANES * ROWS + 1];
};

static void fill_lanes(struct lanes *l, lq_type real, lq_type code, uint32_t noise) {
    lq_tensor x = lq_matrix(l->reals, real, ROWS, LANES);
    struct naive_codes c;
    l->scheme = lq_affine(code, lq_per_channel(-1));
    naive_codes_of(&l->scheme, &c);
    for (int i = 0; i < LANES; ++i) {
        noise = noise * 1664525u + 1013904223u;
        l->scale[i] = i < SCALES ? scales[i] : naive_widen(LQ_F32, 0x3c000000 + (noise >> 5));
        l->zero[i] = c.qmin + (int32_t)(noise >> 8) % (c.qmax - c.qmin + 1);
    }
    for (int64_t i = 0; i < LANES * ROWS; ++i) {
        double k = (double)(int32_t)((i / LANES * 7919) % 400 - 200) + 0.5;
        uint32_t bits = naive_narrow(real, k * (double)l->scale[i % LANES]);
        noise = noise * 1664525u + 1013904223u;
        naive_set_bits(&x, i, noise >> 28 ? bits + (noise >> 24) % 3 - 1 : noise);
    }
}

/* Both ways with a scale and a zero point for each element of a row. */
static void check_lanes(struct lanes *l, struct lanes *e, lq_type real, lq_type code) {
    lq_tensor x = lq_matrix(l->reals, real, ROWS, LANES);
    lq_tensor q = lq_matrix(l->codes, code, ROWS, LANES), eq = q, ex = x;
    lq_tensor s = lq_vector(l->scale, LQ_F32, LANES), z = lq_vector(l->zero, LQ_S32, LANES);
    struct naive_counts counts = {0};
    memset(l->codes, 0x5a, sizeof l->codes);
    memcpy(e, l, sizeof *e);
    eq.data = e->codes;
    ex.data = e->reals;
    naive_quantize(&x, &l->scheme, &s, &z, &eq, &counts);
    naive_dequantize(&eq, &l->scheme, &s, &z, &ex);
    for (int i = 0; i < LEVELS; ++i) {
        static struct lanes saved;
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        memcpy(&saved, l, sizeof saved);
        assert_int_equal(lq_quantize(&x, &l->scheme, &s, &z, &q, NULL), LQ_OK);
        assert_memory_equal(l->codes, e->codes, sizeof l->codes);
        assert_int_equal(lq_dequantize(&q, &l->scheme, &s, &z, &x, NULL), LQ_OK);
        assert_memory_equal(l->reals, e->reals, sizeof l->reals);
        memcpy(l, &saved, sizeof saved);
    }
}

static void test_lanes(void **state) {
    static struct lanes lanes, oracle;
    (void)state;
    for (int i = 0; i < CODES * REALS; ++i) {
        memset(&lanes, 0, sizeof lanes);
        fill_lanes(&lanes, real_types[i % REALS], code_types[i / REALS], (uint32_t)i);
        check_lanes(&lanes, &oracle, real_types[i % REALS], code_types[i / REALS]);
    }
}

/* ------------------------------------------------------------ dequantizing */

static uint32_t codes_in[CHUNK / 2];
static uint32_t reals_expected[CHUNK];
static uint32_t reals_actual[CHUNK];

static void check_dequantize(const lq_scheme *s, float scale, int32_t z, lq_type type) {
    int64_t n = (int64_t)1 << naive_bits(s->code_type);
    lq_tensor codes = lq_vector(codes_in, s->code_type, n), ts = lq_vector(&scale, LQ_F32, 1);
    lq_tensor tz = lq_vector(&z, LQ_S32, 1), x = lq_vector(reals_expected, type, n);
    memset(reals_expected, 0x5a, sizeof reals_expected);
    for (int64_t i = 0; i < n; ++i) {
        naive_set_bits(&codes, i, (uint32_t)i);
        naive_set_bits(&x, i, naive_real(naive_get_code(&codes, i), z, scale, type));
    }
    x.data = reals_actual;
    for (int i = 0; i < LEVELS; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        memset(reals_actual, 0x5a, sizeof reals_actual);
        assert_int_equal(lq_dequantize(&codes, s, &ts, &tz, &x, NULL), LQ_OK);
        for (int64_t j = 0; j < CHUNK; ++j)
            if (reals_actual[j] != reals_expected[j])
                fail_msg("%s, word %" PRId64 ": %s codes, z %d, times %a to %s: %08x, not %08x",
                         lq_cpu_name(levels[i]), j, lq_type_name(s->code_type), (int)z,
                         (double)scale, lq_type_name(type), (unsigned)reals_actual[j],
                         (unsigned)reals_expected[j]);
    }
}

static void test_dequantize_all_codes(void **state) {
    (void)state;
    for (int i = 0; i < CODES * REALS * SCALES * 2; ++i) {
        lq_type code = code_types[i % CODES], type = real_types[i / CODES % REALS];
        float scale = scales[i / CODES / REALS % SCALES];
        lq_scheme s = lq_affine(code, lq_per_tensor());
        int32_t low = naive_type_min(code), high = naive_type_max(code);
        if (i >= CODES * REALS * SCALES) {
            s = lq_symmetric_full_range(code, lq_per_tensor());
            check_dequantize(&s, -scale, (low + high + 1) / 2, type);
            continue;
        }
        check_dequantize(&s, scale, low, type);
        check_dequantize(&s, scale, high, type);
        check_dequantize(&s, scale, low + (high - low) / 3, type);
    }
}

/*
 * (q - z) s in two operations, against q s - z s with the product fused: they differ on some of
 * these codes, so a compiler that contracts, or a kernel that rearranges, is caught above.
 */
static void test_fused_would_differ(void **state) {
    int differ = 0, narrow = 0;
    (void)state;
    for (int i = 0; i < SCALES; ++i) {
        for (int32_t q = 0; q < 256; ++q) {
            float zs = -(float)85 * scales[i];
            float fused = (float)((double)q * (double)scales[i] + (double)zs);
            uint32_t bits = naive_real(q, 85, scales[i], LQ_F32);
            differ += isfinite(fused) && fused != naive_widen(LQ_F32, bits);
        }
    }
    /* 16-bit codes to f16: rounded once from the exact product, some would be others. */
    for (int32_t q = 0; q < 65536; ++q)
        narrow += naive_narrow(LQ_F16, (double)q * (double)0.1f) != naive_real(q, 0, 0.1f, LQ_F16);
    assert_true(narrow > 0);
    assert_true(differ > 100);
    print_message("%d codes differ when fused, %d when rounded once to f16\n", differ, narrow);
}

/* -------------------------------------------------------------- parameters */

enum { PAIRS = 1 << 13 };
static float pairs[PAIRS][2];

static void check_parameters(const lq_scheme *s, lq_type scale_type) {
    static uint32_t scale_memory[PAIRS];
    static int32_t zero_memory[PAIRS];
    lq_tensor x = lq_matrix(pairs, LQ_F32, PAIRS, 2);
    lq_tensor scale = lq_vector(scale_memory, scale_type, PAIRS);
    lq_tensor zero = lq_vector(zero_memory, LQ_S32, PAIRS);
    for (int level = 0; level < LEVELS; ++level) {
        if (lq_cpu_use(levels[level]) != LQ_OK) continue;
        assert_int_equal(lq_calibrate(&x, s, &scale, &zero, NULL), LQ_OK);
        for (int64_t i = 0; i < PAIRS; ++i) {
            double a = isfinite(pairs[i][0]) ? (double)pairs[i][0] : 0.0;
            double b = isfinite(pairs[i][1]) ? (double)pairs[i][1] : 0.0;
            uint32_t bits;
            int32_t z;
            naive_parameters(s, fmin(fmin(a, b), 0.0), fmax(fmax(a, b), 0.0),
                             fabs(b) > fabs(a) ? b : a, scale_type, &bits, &z);
            if (naive_get_bits(&scale, i) == bits && zero_memory[i] == z) continue;
            fail_msg("%s: {%a, %a} with mapping %d, %s [%d, %d]: %s scale %x, zero point %d; not "
                     "%x, %d",
                     lq_cpu_name(levels[level]), (double)pairs[i][0], (double)pairs[i][1],
                     (int)s->mapping, lq_type_name(s->code_type), (int)s->qmin, (int)s->qmax,
                     lq_type_name(scale_type), (unsigned)naive_get_bits(&scale, i),
                     (int)zero_memory[i], (unsigned)bits, (int)z);
        }
    }
}

/* Pairs that step through all exponents, or lie near each other, or are extreme. */
static void fill_pairs(uint32_t round) {
    static const uint32_t extremes[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff,
                                        0x00800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000,
                                        0x7fc00000, 0x3f800000, 0xbf800000, 0x0a01c9d6, 0x33000000,
                                        0x477fefff, 0x477ff000, 0x477fe000, 0x33800000, 0x32800001};
    enum { COUNT = sizeof extremes / sizeof extremes[0] };
    for (uint32_t i = 0; i < PAIRS; ++i) {
        uint32_t a = (i + round * PAIRS) * 0x4f1bbu, b = (i ^ round) * 2654435769u;
        if (i < COUNT * COUNT) {
            a = extremes[i % COUNT];
            b = extremes[i / COUNT];
        } else if (i % 4 == 1) {
            b = a ^ 0x80000000;
        } else if (i % 4 == 2) {
            b = (a ^ 0x80000000) + (b >> 24);
        } else if (i % 4 == 3) {
            /* Moderate values, where zero points are in the middle. */
            a = 0x3f000000 + (a >> 7);
            b = 0xbf000000 + (b >> 7);
        }
        pairs[i][0] = naive_widen(LQ_F32, a);
        pairs[i][1] = naive_widen(LQ_F32, b);
    }
}

static void test_parameters(void **state) {
    static const int32_t ranges[][2] = {{0, 0}, {0, 0}, {0, 1}, {-4, 3}, {1, 6}, {0, 15}, {-3, 9}};
    int64_t checked = 0;
    (void)state;
    for (uint32_t i = 0; i < 4 * 8 * 7 * 3; ++i) {
        lq_scheme s = lq_scheme_of((lq_mapping)(i % 4), code_types[i / 4 % 8], lq_per_channel(0));
        s.qmin = ranges[i / 32 % 7][0];
        s.qmax = ranges[i / 32 % 7][1];
        if (!naive_has_room(&s)) continue;
        fill_pairs(i);
        check_parameters(&s, real_types[i / 224]);
        checked += PAIRS;
    }
    print_message("%" PRId64 " pairs\n", checked);
}

/* Many magnitudes, for scales that are rounded to half width: the rows of a matrix of one column. */
static void test_magnitudes(void **state) {
    lq_scheme s = lq_symmetric(LQ_S8, lq_per_channel(0));
    (void)state;
    for (uint32_t round = 0; round < 32; ++round) {
        for (uint32_t i = 0; i < PAIRS; ++i) {
            pairs[i][0] = naive_widen(LQ_F32, (i + round * PAIRS) << 13 | (i * 2654435769u) >> 19);
            pairs[i][1] = -0.0f;
        }
        for (int t = 0; t < REALS; ++t) {
            s.mapping = (lq_mapping)(round % 4);
            s.code_type = code_types[round / 4];
            check_parameters(&s, real_types[t]);
        }
    }
}

/* Blocks without a range: scale 1, and every finite value's code is that of 0. */
static void test_degenerate(void **state) {
    const float blocks[][4] = {{0.0f, -0.0f, 0.0f, 0.0f},
                               {NAN, NAN, NAN, NAN},
                               {INFINITY, INFINITY, NAN, NAN},
                               {-INFINITY, INFINITY, -0.0f, NAN},
                               {1e-30f, -1e-30f, 1e-45f, 0.0f}};
    (void)state;
    for (int i = 0; i < 4 * 5 * CODES; ++i) {
        uint32_t scale_bits = 0, half = 0;
        int32_t z = 99, code[4];
        uint8_t bytes[8] = {0};
        lq_scheme s = lq_scheme_of(i % 4, code_types[i / 20], lq_per_tensor());
        lq_tensor x = lq_vector(blocks[i / 4 % 5], LQ_F32, 4), tz = lq_vector(&z, LQ_S32, 1);
        lq_tensor ts = lq_vector(&half, LQ_F16, 1), q = lq_vector(bytes, s.code_type, 4);
        struct naive_codes c;
        naive_codes_of(&s, &c);
        assert_int_equal(lq_quantize_dynamic(&x, &s, &q, &ts, &tz, NULL), LQ_OK);
        scale_bits = naive_get_bits(&ts, 0);
        assert_int_equal(scale_bits, 0x3c00);
        assert_int_equal(z, s.mapping == LQ_AFFINE ? c.qmin : c.z0);
        for (int j = 0; j < 4; ++j) {
            float v = blocks[i / 4 % 5][j];
            code[j] = naive_get_code(&q, j);
            assert_int_equal(code[j], !isinf(v) ? z : v > 0.0f ? c.high : c.low);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_width_values),
        cmocka_unit_test(test_sampled_floats),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_boundaries_tell_rules_apart),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_dequantize_all_codes),
        cmocka_unit_test(test_fused_would_differ),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_magnitudes),
        cmocka_unit_test(test_degenerate),
    };
    return cmocka_run_group_tests_name("numeric", tests, NULL, NULL);
}
