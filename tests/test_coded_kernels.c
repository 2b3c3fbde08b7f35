/*
 * Kernels of codes that are no integers, of affine codes by a minimum, and of codes of 6 bits: every
 * level against formulas of this file's own. The sweep has all floats through encoding; here are all
 * codes back, tables, NaN by the rules, gradients and packing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guarded.h"
#include "kernels.h"
#include "numeric.h"
#include <math.h>
#include <stdlib.h>

/* By the words of the standards: OFP8, OCP MX, and what ONNX calls FNUZ. */
typedef struct format {
    lq_type type;
    int exponent, mantissa, bias;
    double largest;
    int infinity; /* its code, or -1 */
    int nan;      /* the first code of NaN, or -1 */
    bool fnuz;
} format;

static const format formats[] = {
    {LQ_E4M3, 4, 3, 7, 448.0, -1, 0x7f, false},    {LQ_E5M2, 5, 2, 15, 57344.0, 0x7c, 0x7d, false},
    {LQ_E4M3FNUZ, 4, 3, 8, 240.0, -1, 0x80, true}, {LQ_E5M2FNUZ, 5, 2, 16, 57344.0, -1, 0x80, true},
    {LQ_E2M3, 2, 3, 1, 7.5, -1, -1, false},        {LQ_E3M2, 3, 2, 3, 28.0, -1, -1, false},
    {LQ_E2M1, 2, 1, 1, 6.0, -1, -1, false},
};
enum { FORMATS = sizeof formats / sizeof *formats, MOST = 256 };

static const float none[MOST];
static const int32_t zeros[MOST];

static int bits_of(const format *f) {
    return 1 + f->exponent + f->mantissa;
}

/* The bits of the float32 that a code stands for, times a scale. */
static uint32_t value_of(const format *f, int code, float scale) {
    const int sign = code >> (f->exponent + f->mantissa);
    const int size = code & ((1 << (f->exponent + f->mantissa)) - 1);
    const int exponent = size >> f->mantissa;
    double v = ldexp((double)(size & ((1 << f->mantissa) - 1)), -f->mantissa);
    v = exponent ? ldexp(1.0 + v, exponent - f->bias) : ldexp(v, 1 - f->bias);
    if (f->fnuz && code == f->nan) return 0x7fc00000u;
    if (!f->fnuz && f->nan >= 0 && size >= f->nan) return 0x7fc00000u | (uint32_t)sign << 31;
    if (size == f->infinity) v = HUGE_VAL;
    /* Up to 4 bits times 24: exact. */
    return lq_bits((float)(v * (double)scale)) | (uint32_t)sign << 31;
}

/* Every code, alone and in runs and lanes of all lengths. */
static void check_values(const format *f, const lq_kernels *k, float scale) {
    const lq_element_rule rule = {.nan = LQ_NAN_ZERO_POINT};
    const int all = 1 << bits_of(f);
    unsigned char codes[MOST];
    float scales[MOST], x[MOST];
    for (int i = 0; i < MOST; ++i) {
        codes[i] = (unsigned char)(i % all);
        scales[i] = scale;
    }
    for (int n = 0; n <= MOST; n += n < 70 ? 1 : 31) {
        const lq_map_work w = {.x = (unsigned char *)x,
                               .codes = codes + MOST - n,
                               .count = n,
                               .rows = 1,
                               .scale = scales,
                               .zero = zeros,
                               .offset = none,
                               .rule = &rule,
                               .format = lq_type_find(f->type)->format};
        for (int lanes = 0; lanes < 2; ++lanes) {
            (lanes ? k->dequantize_lanes : k->dequantize_runs)[LQ_REAL_f32][LQ_WIDTH_8](&w);
            for (int i = 0; i < n; ++i) {
                assert_int_equal(lq_bits(x[i]), value_of(f, w.codes[i], scale));
            }
        }
    }
}

static void test_values(void **state) {
    (void)state;
    const float scales[] = {1.0f, 0.1f, 0x1p-127f, 0x1p127f, 0x1.fffffep-149f, 3e38f};
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        for (int f = 0; lq_kernels_of(level) && f < FORMATS; ++f) {
            for (int s = 0; s < 6; ++s) check_values(&formats[f], lq_kernels_of(level), scales[s]);
        }
    }
}

/* An infinity times a scale of 0 has the sign of the code, whatever the processor thinks. */
static void test_values_without_a_number(void **state) {
    (void)state;
    const lq_element_rule rule = {.nan = LQ_NAN_ZERO_POINT};
    unsigned char codes[] = {0x7c, 0xfc, 0x7f, 0xfd};
    const uint32_t expected[] = {0x7fc00000u, 0xffc00000u, 0x7fc00000u, 0xffc00000u};
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        uint32_t x[4];
        const lq_map_work w = {.x = (unsigned char *)x,
                               .codes = codes,
                               .count = 4,
                               .rows = 1,
                               .scale = none,
                               .zero = zeros,
                               .offset = none,
                               .rule = &rule,
                               .format = lq_type_find(LQ_E5M2)->format};
        if (!lq_kernels_of(level)) continue;
        lq_kernels_of(level)->dequantize_runs[LQ_REAL_f32][LQ_WIDTH_8](&w);
        assert_memory_equal(x, expected, sizeof x);
    }
}

/* ----------------------------------------------------------------- NaN */

static uint32_t code_of(const lq_kernels *k, const lq_map_work *base, uint32_t bits) {
    unsigned char q = 0;
    lq_map_work w = *base;
    w.x = (unsigned char *)&bits;
    w.codes = &q;
    w.count = w.rows = 1;
    k->quantize_runs[LQ_REAL_f32][LQ_WIDTH_8](&w);
    return q;
}

static void check_nan(const lq_kernels *k, const format *f, lq_nan_code nan) {
    const lq_element_rule rule = {.nan = nan, .multiply = true};
    const float infinite[] = {HUGE_VALF};
    const uint32_t sign = 1u << (bits_of(f) - 1);
    lq_map_work w = {.scale = infinite,
                     .zero = zeros,
                     .offset = none,
                     .rule = &rule,
                     .format = lq_type_find(f->type)->format};
    int size = 0;
    while (lq_bits((float)f->largest) != value_of(f, size, 1.0f)) ++size;
    const uint32_t largest = (uint32_t)size;
    uint32_t expected = 0;
    if (nan == LQ_NAN_QMIN) expected = largest | sign;
    if (nan == LQ_NAN_QMAX) expected = largest;
    uint32_t negative = expected;
    if (f->type == LQ_E4M3 || f->type == LQ_E5M2) {
        expected = f->type == LQ_E4M3 ? 0x7f : 0x7e;
        negative = expected | sign;
    } else if (f->fnuz) {
        expected = negative = 0x80;
    }
    /* NaN, signaling ones too, and 0 times an infinite inverse. */
    assert_int_equal(code_of(k, &w, 0x7fc00000u), expected);
    assert_int_equal(code_of(k, &w, 0xff800001u), negative);
    assert_int_equal(code_of(k, &w, 0), expected);
    assert_int_equal(code_of(k, &w, 0x80000000u), negative);
    assert_int_equal(code_of(k, &w, 0xff800000u), largest | sign);
}

static void test_nan(void **state) {
    (void)state;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        for (int i = 0; lq_kernels_of(level) && i < 4 * FORMATS; ++i) {
            check_nan(lq_kernels_of(level), &formats[i / 4], (lq_nan_code)(i % 4));
        }
    }
}

/* -------------------------------------------------------------- tables */

/* The values of a table are multiples of 1/2, so that midpoints and quotients are exact. */
static void make_table(lq_code_table *t, int32_t count) {
    int32_t twice = (int32_t)random_below(40) - 60;
    *t = (lq_code_table){.count = count, .nan = (int32_t)random_below((uint32_t)count)};
    for (int32_t i = 0; i < count; ++i) {
        t->value[i] = (float)twice / 2;
        t->from[i] = i ? t->value[i - 1] / 2 + t->value[i] / 2 : -HUGE_VALF;
        twice += 1 + (int32_t)random_below(12);
    }
}

/* The nearest value, of two the upper one, by looking at all. */
static int32_t nearest(const lq_code_table *t, double v) {
    int32_t best = 0;
    for (int32_t i = 1; i < t->count; ++i) {
        if (fabs(v - (double)t->value[i]) <= fabs(v - (double)t->value[best])) best = i;
    }
    return best;
}

static void check_table(const lq_kernels *k, const lq_code_table *t) {
    const lq_element_rule rule = {.nan = LQ_NAN_ZERO_POINT};
    const double first = (double)t->value[0];
    const double last = (double)t->value[t->count - 1];
    const double low = first - ((double)t->value[1] - first) / 2;
    const double high = last + (last - (double)t->value[t->count - 2]) / 2;
    float scale[MOST], x[MOST], y[MOST];
    unsigned char codes[MOST];
    int32_t expected[MOST];
    int64_t clipped = 0;
    const float s = random_below(2) ? 0.25f : 4.0f;
    for (int i = 0; i < MOST; ++i) {
        const double v = (double)((int32_t)random_below(1000) - 500) / 4;
        scale[i] = s;
        x[i] = (float)v * s;
        expected[i] = nearest(t, v);
        clipped += v < low || v > high;
    }
    const lq_map_work w = {.x = (unsigned char *)x,
                           .codes = codes,
                           .count = MOST,
                           .rows = 1,
                           .scale = scale,
                           .zero = zeros,
                           .offset = none,
                           .back = scale,
                           .rule = &rule,
                           .table = t};
    for (int lanes = 0; lanes < 2; ++lanes) {
        lq_counts counts = {.nan = 0};
        lq_map_work back = w;
        (lanes ? k->quantize_lanes : k->quantize_runs)[LQ_REAL_f32][LQ_WIDTH_8](&w);
        for (int i = 0; i < MOST; ++i) assert_int_equal(codes[i], expected[i]);
        (lanes ? k->count_lanes : k->count_runs)[LQ_REAL_f32](&w, &counts);
        assert_int_equal(counts.clipped, clipped);
        back.codes = (unsigned char *)y;
        (lanes ? k->fake_lanes : k->fake_runs)[LQ_REAL_f32](&back);
        for (int i = 0; i < MOST; ++i) assert_true(y[i] == t->value[expected[i]] * s);
    }
    assert_int_equal(code_of(k, &w, 0x7fc00000u), t->nan);
    assert_int_equal(code_of(k, &w, 0x7f800000u), t->count - 1);
    assert_int_equal(code_of(k, &w, 0xff800000u), 0);
}

static void test_tables(void **state) {
    (void)state;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        for (int i = 0; lq_kernels_of(level) && i < 200; ++i) {
            lq_code_table table;
            make_table(&table, i % 2 ? 16 : 4);
            check_table(lq_kernels_of(level), &table);
        }
    }
}

/* ------------------------------------------------------- affine by a minimum */

/* x and m are multiples of 1/16, s a power of two: integers say what the code is. */
static void check_minimum(const lq_kernels *k) {
    const lq_element_rule rule = {.nan = LQ_NAN_ZERO_POINT, .minimum = true};
    float scale[MOST], center[MOST], x[MOST], y[MOST];
    unsigned char codes[MOST];
    int32_t expected[MOST];
    lq_counts counts = {.nan = 0};
    int64_t clipped = 0;
    const int32_t s = 1 << random_below(4);
    const int32_t m = (int32_t)random_below(800) - 400;
    for (int i = 0; i < MOST; ++i) {
        const int32_t v = m + (int32_t)random_below(600) - 100;
        /* To nearest: halves of s to the even one. */
        const int32_t twice = 2 * (v - m) + 2 * s * 1024;
        const int32_t whole = twice / (2 * s);
        const int32_t rest = twice % (2 * s);
        const int32_t code = whole + (rest > s || (rest == s && whole % 2 != 0)) - 1024;
        expected[i] = code < 0 ? 0 : code > 63 ? 63 : code;
        clipped += code != expected[i];
        scale[i] = (float)s / 16;
        center[i] = (float)m / 16;
        x[i] = (float)v / 16;
    }
    lq_map_work w = {.x = (unsigned char *)x,
                     .codes = codes,
                     .count = MOST,
                     .rows = 1,
                     .scale = scale,
                     .zero = zeros,
                     .qmax = 63,
                     .rule = &rule,
                     .offset = none,
                     .center = center,
                     .back = scale};
    const bool lanes = random_below(2);
    (lanes ? k->quantize_lanes : k->quantize_runs)[LQ_REAL_f32][LQ_WIDTH_8](&w);
    for (int i = 0; i < MOST; ++i) assert_int_equal(codes[i], expected[i]);
    (lanes ? k->count_lanes : k->count_runs)[LQ_REAL_f32](&w, &counts);
    assert_int_equal(counts.clipped, clipped);
    w.codes = (unsigned char *)y;
    (lanes ? k->fake_lanes : k->fake_runs)[LQ_REAL_f32](&w);
    for (int i = 0; i < MOST; ++i) assert_true(y[i] == (float)(expected[i] * s + m) / 16);
    w.codes = codes;
    w.x = (unsigned char *)y;
    w.offset = center;
    (lanes ? k->dequantize_lanes : k->dequantize_runs)[LQ_REAL_f32][LQ_WIDTH_8](&w);
    for (int i = 0; i < MOST; ++i) assert_true(y[i] == (float)(expected[i] * s + m) / 16);
}

/* fl(fl(q s) + m): here a fused one would be -0x1p-23. */
static void check_not_fused(const lq_kernels *k) {
    const lq_element_rule rule = {.nan = LQ_NAN_ZERO_POINT, .minimum = true};
    const float scale = 0x1.000002p0f;
    const float center = -0x1.800004p1f;
    float y[MOST];
    unsigned char codes[MOST];
    memset(codes, 3, sizeof codes);
    const lq_map_work w = {.x = (unsigned char *)y,
                           .codes = codes,
                           .count = MOST,
                           .rows = 1,
                           .scale = &scale,
                           .zero = zeros,
                           .rule = &rule,
                           .offset = &center};
    k->dequantize_runs[LQ_REAL_f32][LQ_WIDTH_8](&w);
    /* 3 s is 3 + 3 * 2^-23, which lies between two floats: the even one is 3 + 2^-21. */
    for (int i = 0; i < MOST; ++i) assert_true(y[i] == 0.0f);
}

static void test_minimums(void **state) {
    (void)state;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (!lq_kernels_of(level)) continue;
        check_not_fused(lq_kernels_of(level));
        for (int i = 0; i < 200; ++i) check_minimum(lq_kernels_of(level));
    }
}

/* ----------------------------------------------------------- gradients */

/* E2M1 with a scale of 2: inside up to 14, below which 7 is rounded to 6. */
static void check_gradient(const lq_kernels *k, bool lanes) {
    enum { N = 8 };
    const float x[N] = {3.0f, -5.5f, 13.5f, 14.5f, -100.0f, HUGE_VALF, 0.25f, 0.0f};
    const float y[N] = {3.0f, -6.0f, 12.0f, 0, 0, 0, 0.0f, 0};
    const double outer[N] = {0, 0, 0, 6, -6, 6, 0, 0};
    const float grad_y[N] = {1.0f, 2.0f, -3.0f, 4.0f, 5.0f, -6.0f, 7.0f, -8.0f};
    const lq_element_rule rule = {.nan = LQ_NAN_ZERO_POINT};
    float in[N], grad_x[N], scale[N];
    double inside[N], outside[N], scale_sum[N] = {0}, zero_sum[N] = {0};
    for (int i = 0; i < N; ++i) {
        in[i] = x[i];
        scale[i] = 2.0f;
        inside[i] = 0.5;
        outside[i] = 1;
    }
    in[7] = lq_from_bits(0x7fc00000u);
    const lq_grad_work w = {.x = (unsigned char *)in,
                            .grad_y = (const unsigned char *)grad_y,
                            .grad_x = (unsigned char *)grad_x,
                            .count = N,
                            .rows = 1,
                            .rule = &rule,
                            .format = lq_type_find(LQ_E2M1)->format,
                            .scale = scale,
                            .offset = none,
                            .center = none,
                            .back = scale,
                            .zero = zeros,
                            .inside = inside,
                            .outside = outside,
                            .scale_sum = scale_sum,
                            .zero_sum = zero_sum};
    (lanes ? k->grad_lanes : k->grad_runs)[LQ_REAL_f32](&w);
    for (int i = 0; i < N; ++i) {
        const bool is_inside = outer[i] == 0 && i != 7;
        const double term = is_inside ? ((double)y[i] - (double)x[i]) / 2 : outer[i];
        assert_true(grad_x[i] == (is_inside ? grad_y[i] : 0.0f));
        assert_int_equal(signbit(grad_x[i]) != 0, signbit(grad_y[i]) != 0);
        assert_true(scale_sum[i] == (i == 7 ? 0 : (double)grad_y[i] * term));
        assert_true(zero_sum[i] == (outer[i] != 0 ? (double)grad_y[i] : 0));
    }
}

static void test_gradients(void **state) {
    (void)state;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        for (int lanes = 0; lq_kernels_of(level) && lanes < 2; ++lanes) {
            check_gradient(lq_kernels_of(level), lanes);
        }
    }
}

/* -------------------------------------------------------------- 6 bits */

static int bit_at(const unsigned char *p, int64_t bit) {
    return p[bit / 8] >> (bit % 8) & 1;
}

static void test_packing(void **state) {
    (void)state;
    unsigned char bytes[MOST], packed[MOST + 1], back[MOST + 1];
    for (int i = 0; i < MOST; ++i) bytes[i] = (unsigned char)random_bits();
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        const lq_kernels *k = lq_kernels_of(level);
        for (int64_t n = 0; k && n <= MOST; n += 4) {
            lq_map_work w = {.x = bytes, .codes = packed, .count = n, .rows = 1};
            memset(packed, 0x5a, sizeof packed);
            memset(back, 0x5a, sizeof back);
            k->pack[LQ_WIDTH_6](&w);
            for (int64_t b = 0; b < n * 6; ++b) {
                assert_int_equal(bit_at(packed, b), bytes[b / 6] >> (b % 6) & 1);
            }
            assert_int_equal(packed[n * 6 / 8], 0x5a);
            w.x = back;
            k->unpack[LQ_WIDTH_6](&w);
            for (int64_t i = 0; i < n; ++i) assert_int_equal(back[i], bytes[i] & 63);
            assert_int_equal(back[n], 0x5a);
        }
    }
}

/* A matrix of 6-bit codes anywhere in a row of bits: one element after another by their own bits. */
typedef struct placed {
    int64_t rows, columns, offset, row_step, step;
} placed;

static int64_t bit_of(const placed *p, int64_t row, int64_t column) {
    return 6 * (p->offset + row * p->row_step + column * p->step);
}

static lq_tensor view_of(const placed *p, unsigned char *data, int64_t size) {
    const int64_t shape[] = {p->rows, p->columns};
    const int64_t stride[] = {p->row_step, p->step};
    lq_tensor t = lq_strided(data, size, LQ_E3M2, 2, shape, stride);
    t.offset = p->offset;
    return t;
}

static void check_view(const placed *p) {
    enum { BYTES = 40000, ELEMENTS = 12000 };
    static unsigned char data[BYTES], before[BYTES];
    static float x[ELEMENTS], y[ELEMENTS];
    static signed char owned[BYTES * 8];
    const int64_t size = (bit_of(p, p->rows - 1, p->columns - 1) + 6 + 7) / 8;
    const lq_tensor codes = view_of(p, data, size);
    const lq_tensor from = lq_matrix(x, LQ_F32, p->rows, p->columns);
    const lq_tensor to = lq_matrix(y, LQ_F32, p->rows, p->columns);
    assert_true(size < BYTES && p->rows * p->columns <= ELEMENTS);
    for (int64_t i = 0; i < BYTES; ++i) data[i] = before[i] = (unsigned char)random_bits();
    memset(owned, 0, sizeof owned);
    for (int64_t i = 0; i < p->rows * p->columns; ++i) {
        uint32_t code = random_below(64);
        x[i] = lq_from_bits(value_of(&formats[5], (int)code, 1.0f));
        const int64_t bit = bit_of(p, i / p->columns, i % p->columns);
        for (int b = 0; b < 6; ++b, code >>= 1) owned[bit + b] = (signed char)(2 + (code & 1));
    }
    assert_int_equal(lq_convert(&from, &codes, LQ_OVERFLOW_SATURATE, NULL), LQ_OK);
    /* Dense views clear what is behind them in their last byte. */
    const bool dense =
        (p->columns == 1 || p->step == 1) && (p->rows == 1 || p->row_step == p->columns);
    const int64_t end = bit_of(p, p->rows - 1, p->columns - 1) + 6;
    for (int64_t b = 0; b < BYTES * 8; ++b) {
        const bool cleared = dense && b >= end && b / 8 == (end - 1) / 8;
        const int expected = owned[b] ? owned[b] - 2 : cleared ? 0 : bit_at(before, b);
        assert_int_equal(bit_at(data, b), expected);
    }
    assert_int_equal(lq_convert(&codes, &to, LQ_OVERFLOW_SATURATE, NULL), LQ_OK);
    assert_memory_equal(x, y, (size_t)(p->rows * p->columns) * sizeof *x);
}

static void test_views(void **state) {
    (void)state;
    const int64_t lengths[] = {1, 2, 3, 4, 5, 7, 8, 31, 64, 65, 257, 1025, 5003};
    for (int i = 0; i < 400; ++i) {
        placed p = {.columns = lengths[random_below(13)], .step = 1};
        p.rows = p.columns > 1000 ? 1 + random_below(2) : 1 + random_below(9);
        p.offset = random_below(9);
        if (random_below(3) == 0) p.step = 1 + random_below(3);
        p.row_step = p.columns * p.step;
        if (random_below(2)) p.row_step += random_below(6);
        check_view(&p);
    }
}

int main(void) {
    random_seed(seed_from_environment());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_values_without_a_number),
        cmocka_unit_test(test_nan),      cmocka_unit_test(test_tables),
        cmocka_unit_test(test_minimums), cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_packing),  cmocka_unit_test(test_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
