/*
 * lq_sum_codes, the sums that calls fill, and lq_dequantize_accumulators: sums against additions one
 * by one, accumulators against the formula with each rounding made in double, and the corrections
 * against the product of the dequantized operands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guarded.h"
#include "naive.h"

enum { MOST = 4096 };

static const lq_type code_types[] = {LQ_S8, LQ_U8, LQ_S16, LQ_U16, LQ_S4, LQ_U4, LQ_S2, LQ_U2};
static const lq_type real_types[] = {LQ_F32, LQ_F16, LQ_BF16};

static int32_t anything(void) {
    static const int32_t limits[] = {INT32_MIN, INT32_MAX, (1 << 24) + 1, -(1 << 24) - 1, 0};
    const int32_t bits = (int32_t)(uint32_t)random_bits();
    return random_below(4) ? bits / (1 << random_below(31)) : limits[random_below(5)];
}

/* The caller's threads, last task first. */
static int32_t backwards(void *pool, lq_task *task, void *argument, int64_t tasks) {
    *(int64_t *)pool += tasks > 1;
    for (int64_t i = tasks - 1; i >= 0; --i) task(argument, i);
    return 0;
}

static int64_t cut; /* calls that had several tasks */

static lq_exec exec_with(lq_parallel_for *parallel_for) {
    lq_exec exec;
    lq_exec_init(&exec, sizeof exec);
    exec.parallel_for = parallel_for;
    exec.pool = &cut;
    return exec;
}

/* -------------------------------------------------------------------- sums */

static void naive_sums(const lq_tensor *codes, const lq_block *block, int64_t count,
                       int64_t *sums) {
    memset(sums, 0, (size_t)count * sizeof *sums);
    for (int64_t i = 0; i < naive_count(codes); ++i) {
        sums[naive_block_of(codes, block, i)] += naive_get_code(codes, i);
    }
    for (int64_t b = 0; b < count; ++b) {
        if (sums[b] > INT32_MAX) sums[b] = INT32_MAX;
        if (sums[b] < INT32_MIN) sums[b] = INT32_MIN;
    }
}

static void check_sums(const lq_tensor *codes, const lq_scheme *scheme) {
    static int64_t expected[MOST];
    static int32_t sums[MOST];
    int64_t grid[LQ_MAX_RANK], count;
    assert_int_equal(lq_grid_shape(codes, scheme, grid, &count), LQ_OK);
    if (count > MOST) return;
    naive_sums(codes, &scheme->block, count, expected);
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_cpu_use(level) != LQ_OK) continue;
        for (int way = 0; way < 4; ++way) {
            const lq_exec exec = exec_with(way & 1 ? backwards : NULL);
            const lq_tensor flat = lq_vector(sums, LQ_S32, count);
            const lq_tensor shaped = lq_contiguous(sums, LQ_S32, codes->rank, grid);
            memset(sums, 0x5a, sizeof sums);
            assert_int_equal(lq_sum_codes(codes, scheme, way & 2 ? &flat : &shaped, &exec), LQ_OK);
            for (int64_t b = 0; b < count; ++b) assert_int_equal(sums[b], expected[b]);
        }
    }
}

static void test_sums_of_views(void **state) {
    static uint8_t room[16 * MOST];
    (void)state;
    for (int round = 0; round < 2000; ++round) {
        const lq_type type = code_types[random_below(8)];
        const int32_t rank = (int32_t)random_below(4);
        int64_t shape[3], stride[3], extent[LQ_MAX_RANK] = {0}, step = 1;
        for (size_t i = 0; i < sizeof room; ++i) room[i] = (uint8_t)random_bits();
        for (int i = 0; i < 3; ++i) {
            shape[i] = random_below(12) ? 1 + random_below(16) : random_below(70);
            extent[i] = random_below(6);
            if (rank && random_below(2)) extent[i] = 0;
        }
        lq_tensor codes = lq_contiguous(room, type, rank, shape);
        for (int32_t i = rank - 1; i >= 0 && random_below(2); --i) {
            stride[i] = step + random_below(2);
            step = stride[i] * (shape[i] > 0 ? shape[i] : 1);
            codes.stride[i] = stride[i];
        }
        codes.size = sizeof room;
        codes.offset = random_below(5);
        lq_tensor unchecked = codes;
        lq_scheme scheme = lq_affine(type, lq_per_tile(rank, extent));
        int64_t reach = codes.offset;
        for (int32_t i = 0; i < rank; ++i) {
            reach += shape[i] > 0 ? (shape[i] - 1) * unchecked.stride[i] : 0;
        }
        if (reach >= 8 * MOST || naive_count(&codes) > 8 * MOST) continue;
        check_sums(&codes, &scheme);
    }
}

/* Long enough for tasks, in one block and in many. */
static void test_sums_of_large_tensors(void **state) {
    enum { ROWS = 300, COLUMNS = 515 };
    uint8_t *room = malloc(2 * ROWS * COLUMNS);
    (void)state;
    for (int i = 0; i < 2 * ROWS * COLUMNS; ++i) room[i] = (uint8_t)random_bits();
    cut = 0;
    for (int i = 0; i < 8; ++i) {
        const lq_tensor codes = lq_matrix(room, code_types[i], ROWS, COLUMNS);
        const lq_block blocks[] = {lq_per_tensor(), lq_per_channel(0), lq_per_channel(1),
                                   lq_per_block(1, 128)};
        for (int k = 0; k < 4; ++k) {
            const lq_scheme scheme = lq_affine(code_types[i], blocks[k]);
            check_sums(&codes, &scheme);
        }
    }
    assert_true(cut > 0);
    free(room);
}

/* A block of 40000 * 65535 is beyond int32; one beyond uint32 is too. */
static void test_sums_saturate(void **state) {
    enum { N = 70000 };
    uint16_t *room = malloc(2 * N);
    int32_t sum[1] = {0};
    (void)state;
    const lq_tensor sums = lq_vector(sum, LQ_S32, 1);
    const lq_scheme high = lq_affine(LQ_U16, lq_per_tensor());
    const lq_scheme low = lq_affine(LQ_S16, lq_per_tensor());
    for (int n = 40000; n <= N; n += 30000) {
        const lq_tensor u = lq_vector(room, LQ_U16, n), s = lq_vector(room, LQ_S16, n);
        memset(room, 0xff, 2 * N);
        assert_int_equal(lq_sum_codes(&u, &high, &sums, NULL), LQ_OK);
        assert_int_equal(sum[0], INT32_MAX);
        assert_int_equal(lq_sum_codes(&s, &low, &sums, NULL), LQ_OK);
        assert_int_equal(sum[0], -n);
        for (int i = 0; i < N; ++i) room[i] = 0x8000;
        assert_int_equal(lq_sum_codes(&s, &low, &sums, NULL), LQ_OK);
        assert_int_equal(sum[0], n == 40000 ? -1310720000 : INT32_MIN);
    }
    free(room);
}

/* The field of lq_exec gives what lq_sum_codes does, and changes no code. */
static void test_sums_with_codes(void **state) {
    enum { ROWS = 7, COLUMNS = 45, N = ROWS * COLUMNS };
    float values[N], scale[N];
    int32_t zero[N], sum[N], again[N];
    uint8_t codes[4 * N], plain[4 * N];
    (void)state;
    for (int round = 0; round < 400; ++round) {
        const lq_type type = code_types[round % 8];
        const lq_block blocks[] = {lq_per_tensor(), lq_per_channel(0), lq_per_channel(1),
                                   lq_per_block(1, 16)};
        const lq_scheme scheme = lq_affine(type, blocks[random_below(4)]);
        lq_tensor x = lq_matrix(values, LQ_F32, ROWS, COLUMNS);
        lq_tensor q = lq_matrix(codes, type, ROWS, COLUMNS);
        int64_t grid[LQ_MAX_RANK], count;
        lq_exec exec = exec_with(NULL);
        for (int i = 0; i < N; ++i) values[i] = (float)((int32_t)random_below(2001) - 1000) / 7;
        if (round % 3 == 0) { /* apart */
            q.stride[0] *= 2;
            q.stride[1] = 2;
            q.size *= 2;
        }
        lq_grid_shape(&x, &scheme, grid, &count);
        const lq_tensor s = lq_vector(scale, LQ_F32, count), z = lq_vector(zero, LQ_S32, count);
        const lq_tensor sums = lq_vector(sum, LQ_S32, count),
                        twice = lq_vector(again, LQ_S32, count);
        exec.code_sums = &sums;
        memset(codes, 0, sizeof codes);
        assert_int_equal(lq_quantize_dynamic(&x, &scheme, &q, &s, &z, NULL), LQ_OK);
        assert_int_equal(lq_sum_codes(&q, &scheme, &twice, NULL), LQ_OK);
        memcpy(plain, codes, sizeof codes);
        assert_int_equal(lq_quantize_dynamic(&x, &scheme, &q, &s, &z, &exec), LQ_OK);
        assert_memory_equal(sum, again, (size_t)count * sizeof *sum);
        assert_memory_equal(plain, codes, (size_t)q.size);
        memset(sum, 0x5a, sizeof sum);
        assert_int_equal(lq_quantize(&x, &scheme, &s, &z, &q, &exec), LQ_OK);
        assert_memory_equal(sum, again, (size_t)count * sizeof *sum);
        assert_memory_equal(plain, codes, (size_t)q.size);
    }
}

/* --------------------------------------------------------------- to reals */

static double rounded(lq_type type, double v) {
    return (double)naive_widen(type, naive_narrow(type, v));
}

/* `v` as int64, rounded to float: in two halves, which doubles hold. */
static double float_of(int64_t v) {
    const int64_t magnitude = v < 0 ? -v : v;
    int64_t unit = 1;
    while (magnitude / unit >= (1 << 24)) unit *= 2;
    int64_t whole = magnitude / unit;
    const int64_t rest = magnitude % unit;
    if (rest * 2 > unit || (rest * 2 == unit && whole % 2)) ++whole;
    return (double)(v < 0 ? -whole : whole) * (double)unit;
}

struct factors {
    int64_t m, n;
    lq_tensor acc, x, row_scale, column_scale, row_zero, column_zero, row_sums, column_sums, bias;
    lq_product product;
};

static int64_t one_or_all(const lq_tensor *t, int64_t i) {
    return naive_count(t) == 1 ? 0 : i;
}

/* The product of two floats is exact in double; their sum is left to one addition in float. */
static uint32_t expected_bits(const struct factors *f, int64_t m, int64_t n) {
    const lq_product *p = &f->product;
    const int64_t zx =
        p->row_zero_point ? naive_get_code(&f->row_zero, one_or_all(&f->row_zero, m)) : 0;
    const int64_t zw =
        p->column_zero_point ? naive_get_code(&f->column_zero, one_or_all(&f->column_zero, n)) : 0;
    int64_t a = naive_get_code(&f->acc, m * f->n + n);
    double scale = 1;
    if (zx) a -= zx * naive_get_code(&f->column_sums, one_or_all(&f->column_sums, n));
    if (zw) a -= zw * naive_get_code(&f->row_sums, one_or_all(&f->row_sums, m));
    a += p->depth * zx * zw;
    if (p->row_scale) scale *= (double)naive_get_real(&f->row_scale, one_or_all(&f->row_scale, m));
    if (p->column_scale) {
        scale *= (double)naive_get_real(&f->column_scale, one_or_all(&f->column_scale, n));
    }
    float v = (float)rounded(LQ_F32, float_of(a) * rounded(LQ_F32, scale));
    if (p->bias) {
        volatile float sum = v + naive_get_real(&f->bias, one_or_all(&f->bias, n));
        v = sum;
        if (sum != sum)
            return f->x.type == LQ_F32 ? 0x7fc00000u : f->x.type == LQ_F16 ? 0x7e00u : 0x7fc0u;
    }
    return naive_narrow(f->x.type, (double)v);
}

static int32_t acc_room[3 * MOST], sums_room[2][MOST], zero_room[2][MOST];
static uint8_t x_room[16 * MOST];
static float scale_room[2][MOST], bias_room[MOST];

static void fill(void) {
    for (int i = 0; i < 3 * MOST; ++i) acc_room[i] = anything();
    for (int i = 0; i < MOST; ++i) {
        for (int k = 0; k < 2; ++k) {
            sums_room[k][i] = anything();
            zero_room[k][i] = (int32_t)random_below(98304) - 32768;
            if (random_below(2)) zero_room[k][i] = (int32_t)random_below(256) - 128;
            scale_room[k][i] = (float)(1 + random_below(1 << 24)) * 0x1p-26f;
        }
        bias_room[i] = (float)anything() * 0x1p-12f;
        if (random_below(64) == 0) bias_room[i] = random_below(2) ? 3e38f : -3e38f;
    }
}

static lq_tensor vector_of(const void *data, lq_type type, int64_t n) {
    return lq_vector(data, type, random_below(4) ? n : 1);
}

static void choose_product(struct factors *f) {
    lq_product *p = &f->product;
    lq_product_init(p, sizeof *p);
    p->depth = random_below(2) ? random_below(5000) : (int64_t)(random_bits() >> 33);
    f->row_scale = vector_of(scale_room[0], LQ_F32, f->m);
    f->column_scale = vector_of(scale_room[1], LQ_F32, f->n);
    f->row_zero = vector_of(zero_room[0], LQ_S32, f->m);
    f->column_zero = vector_of(zero_room[1], LQ_S32, f->n);
    f->row_sums = vector_of(sums_room[0], LQ_S32, f->m);
    f->column_sums = vector_of(sums_room[1], LQ_S32, f->n);
    f->bias = vector_of(bias_room, LQ_F32, f->n);
    if (random_below(4)) p->row_scale = &f->row_scale;
    if (random_below(4)) p->column_scale = &f->column_scale;
    if (random_below(2)) p->row_zero_point = &f->row_zero;
    if (random_below(2)) p->column_zero_point = &f->column_zero;
    if (p->column_zero_point || random_below(2)) p->row_sums = &f->row_sums;
    if (p->row_zero_point || random_below(2)) p->column_sums = &f->column_sums;
    if (random_below(2)) p->bias = &f->bias;
}

static void check_product(const struct factors *f) {
    static uint8_t expected[sizeof x_room];
    lq_tensor wanted = f->x;
    wanted.data = expected;
    memset(expected, 0x5a, sizeof expected);
    for (int64_t i = 0; i < naive_count(&f->acc); ++i) {
        naive_set_bits(&wanted, i, expected_bits(f, i / f->n, i % f->n));
    }
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_cpu_use(level) != LQ_OK) continue;
        for (int threads = 0; threads < 2; ++threads) {
            const lq_exec exec = exec_with(threads ? backwards : NULL);
            memset(x_room, 0x5a, sizeof x_room);
            assert_int_equal(lq_dequantize_accumulators(&f->acc, &f->product, &f->x, &exec), LQ_OK);
            assert_memory_equal(x_room, expected, sizeof expected);
        }
    }
}

static void test_products(void **state) {
    (void)state;
    for (int round = 0; round < 1500; ++round) {
        struct factors f = {.m = random_below(9), .n = random_below(random_below(4) ? 40 : 460)};
        if (round % 3 == 0) fill();
        choose_product(&f);
        f.acc = lq_matrix(acc_room, LQ_S32, f.m, f.n);
        f.x = lq_matrix(x_room, real_types[round % 3], f.m, f.n);
        if (random_below(2)) {
            f.x.size = sizeof x_room;
            f.x.stride[0] = random_below(2) ? f.n + 3 : 1;
            f.x.stride[1] = f.x.stride[0] == 1 ? f.m + 1 : 1;
        }
        if (random_below(2)) {
            f.acc.size = sizeof acc_room;
            f.acc.stride[0] = 1;
            f.acc.stride[1] = f.m;
        }
        check_product(&f);
    }
}

/* Enough for tasks, by rows and by columns; and rows longer than what is loaded at once. */
static void test_large_products(void **state) {
    (void)state;
    fill();
    int32_t *acc = malloc(sizeof *acc * 3 * 70000);
    uint8_t *serial = malloc(4 * 3 * 70000), *parallel = malloc(4 * 3 * 70000);
    float *scales = malloc(sizeof *scales * 70000);
    for (int i = 0; i < 3 * 70000; ++i) acc[i] = anything();
    for (int i = 0; i < 70000; ++i) scales[i] = (float)(i + 1) * 0x1p-20f;
    for (int round = 0; round < 6; ++round) {
        const int64_t m = round % 2 ? 700 : 3, n = round % 2 ? 300 : 70000;
        const lq_exec exec = exec_with(backwards);
        struct factors f = {.m = m, .n = n};
        f.acc = lq_matrix(acc, LQ_S32, m, n);
        f.x = lq_matrix(serial, real_types[round / 2], m, n);
        f.column_scale = lq_vector(scales, LQ_F32, n);
        lq_product_init(&f.product, sizeof f.product);
        f.product.column_scale = &f.column_scale;
        assert_int_equal(lq_dequantize_accumulators(&f.acc, &f.product, &f.x, NULL), LQ_OK);
        for (int64_t i = 0; i < m * n; i += 7) {
            assert_int_equal(naive_get_bits(&f.x, i), expected_bits(&f, i / n, i % n));
        }
        f.x.data = parallel;
        cut = 0;
        assert_int_equal(lq_dequantize_accumulators(&f.acc, &f.product, &f.x, &exec), LQ_OK);
        assert_int_equal(cut, 1);
        assert_memory_equal(serial, parallel, (size_t)f.x.size);
        /* In place: the output's elements are no wider. */
        memcpy(parallel, acc, (size_t)(m * n) * sizeof *acc);
        f.acc.data = parallel;
        assert_int_equal(lq_dequantize_accumulators(&f.acc, &f.product, &f.x, &exec), LQ_OK);
        assert_memory_equal(serial, parallel, (size_t)f.x.size);
    }
    free(acc);
    free(serial);
    free(parallel);
    free(scales);
}

/* 2^60 + 2^36 is halfway between two floats; what tells its sides apart is beyond a double. */
static void test_far_tie(void **state) {
    enum { N = 99 };
    static const float above = 0x1p60f + 0x1p37f;
    int32_t acc[N] = {0};
    float got[N];
    const int32_t zero = 1 << 15, row_sum = -(1 << 21), column_sum = 0;
    const lq_tensor a = lq_matrix(acc, LQ_S32, 1, N), x = lq_matrix(got, LQ_F32, 1, N);
    const lq_tensor z = lq_vector(&zero, LQ_S32, 1), rows = lq_vector(&row_sum, LQ_S32, 1);
    const lq_tensor columns = lq_vector(&column_sum, LQ_S32, 1);
    lq_product p;
    (void)state;
    lq_product_init(&p, sizeof p);
    p.depth = 1 << 30;
    p.row_zero_point = p.column_zero_point = &z;
    p.row_sums = &rows;
    p.column_sums = &columns;
    for (int i = 0; i < N; ++i) acc[i] = i % 3 - 1;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_cpu_use(level) != LQ_OK) continue;
        assert_int_equal(lq_dequantize_accumulators(&a, &p, &x, NULL), LQ_OK);
        for (int i = 0; i < N; ++i) assert_true(got[i] == (acc[i] > 0 ? above : 0x1p60f));
    }
}

/* The identity of the header: corrected accumulators are the product of (q - z). */
static void test_identity(void **state) {
    enum { M = 5, N = 9, K = 70 };
    uint8_t a[M * K], b[K * N];
    int32_t acc[M * N], za[M], zb[N], row_sums[M], column_sums[N];
    float got[M * N];
    (void)state;
    for (int round = 0; round < 200; ++round) {
        const lq_tensor left = lq_matrix(a, LQ_U8, M, K), right = lq_matrix(b, LQ_S8, K, N);
        const lq_scheme by_row = lq_affine(LQ_U8, lq_per_channel(0));
        const lq_scheme by_column = lq_affine(LQ_S8, lq_per_channel(1));
        const lq_tensor t = lq_matrix(acc, LQ_S32, M, N), x = lq_matrix(got, LQ_F32, M, N);
        const lq_tensor zx = lq_vector(za, LQ_S32, M), zw = lq_vector(zb, LQ_S32, N);
        const lq_tensor rs = lq_vector(row_sums, LQ_S32, M), cs = lq_vector(column_sums, LQ_S32, N);
        lq_product p;
        for (int i = 0; i < M * K; ++i) a[i] = (uint8_t)random_bits();
        for (int i = 0; i < K * N; ++i) b[i] = (uint8_t)random_bits();
        for (int i = 0; i < M; ++i) za[i] = (int32_t)random_below(256);
        for (int i = 0; i < N; ++i) zb[i] = (int32_t)random_below(256) - 128;
        assert_int_equal(lq_sum_codes(&left, &by_row, &rs, NULL), LQ_OK);
        assert_int_equal(lq_sum_codes(&right, &by_column, &cs, NULL), LQ_OK);
        lq_product_init(&p, sizeof p);
        p.depth = K;
        p.row_zero_point = &zx;
        p.column_zero_point = &zw;
        p.row_sums = &rs;
        p.column_sums = &cs;
        int32_t corrected[M * N];
        for (int i = 0; i < M * N; ++i) {
            acc[i] = corrected[i] = 0;
            for (int k = 0; k < K; ++k) {
                const int32_t q = a[i / N * K + k], w = (int8_t)b[k * N + i % N];
                acc[i] += q * w;
                corrected[i] += (q - za[i / N]) * (w - zb[i % N]);
            }
        }
        assert_int_equal(lq_dequantize_accumulators(&t, &p, &x, NULL), LQ_OK);
        for (int i = 0; i < M * N; ++i) assert_true(got[i] == (float)corrected[i]);
    }
}

int main(void) {
    random_seed(seed_from_environment());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_of_views), cmocka_unit_test(test_sums_of_large_tensors),
        cmocka_unit_test(test_sums_saturate), cmocka_unit_test(test_sums_with_codes),
        cmocka_unit_test(test_products),      cmocka_unit_test(test_large_products),
        cmocka_unit_test(test_far_tie),       cmocka_unit_test(test_identity),
    };
    return cmocka_run_group_tests_name("products", tests, NULL, NULL);
}
