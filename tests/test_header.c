/*
 * What the header states about itself: names, the exported twins of inline functions, the questions
 * that need no tensor, and LIBQUANT_CPU. Values and layouts are in abi.inc.
 */
#define _POSIX_C_SOURCE 200809L /* setenv and fork */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libquant.h"
#include "naive.h"

/* --------------------------------------------------------------------- CPU */

/* Of the calls of calibrators that compute. */
static lq_status status_of_calibration(const lq_tensor *x, const lq_tensor *scale) {
    static uint64_t memory[32];
    lq_calibrator *c = (lq_calibrator *)(void *)memory;
    lq_calibrator_options o = lq_calibrate_per_tensor();
    const lq_calibration by = lq_calibration_by(LQ_METHOD_MIN_MAX);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    const double counts[1] = {1};
    const float edges[2] = {0, 1};
    lq_histogram h = {sizeof h, counts, edges, 1, 0, 1};
    float lo, hi;
    o.statistic = LQ_STATISTIC_RANGE;
    if (lq_calibrator_init(c, sizeof memory, &o) != LQ_OK) return -1;
    const lq_status status = lq_calibrator_observe(c, x, NULL);
    if (lq_calibrator_parameters(c, &by, &scheme, scale, NULL, NULL) != status) return -1;
    return lq_histogram_range(&h, &by, &scheme, &lo, &hi) == status ? status : -1;
}

/* The status that every operation returns, or -1 where they differ. */
static lq_status status_of_operations(void) {
    float x[5] = {1, 2, 3, 4, 5}, scale[1] = {1};
    uint8_t codes[5] = {0}, packed[3] = {0};
    lq_tensor tx = lq_vector(x, LQ_F32, 5), ts = lq_vector(scale, LQ_F32, 1);
    lq_tensor tc = lq_vector(codes, LQ_U8, 5), tp = lq_vector(packed, LQ_U4, 5);
    lq_scheme scheme = lq_symmetric(LQ_U8, lq_per_tensor());
    lq_error error;
    lq_status status = lq_quantize(&tx, &scheme, &ts, NULL, &tc, NULL);
    if (lq_error_init(&error, sizeof error) != LQ_OK) return -1;
    if (lq_calibrate(&tx, &scheme, &ts, NULL, NULL) != status) return -1;
    if (lq_dequantize(&tc, &scheme, &ts, NULL, &tx, NULL) != status) return -1;
    if (lq_quantize_dynamic(&tx, &scheme, &tc, &ts, NULL, NULL) != status) return -1;
    if (lq_measure_error(&tx, &tc, &scheme, &ts, NULL, &error, NULL) != status) return -1;
    if (lq_unpack_codes(&tp, &tc, NULL) != status) return -1;
    if (lq_pack_codes(&tc, &tp, NULL) != status) return -1;
    if (lq_convert(&tx, &tx, LQ_OVERFLOW_INFINITE, NULL) != status) return -1;
    if (status_of_calibration(&tx, &ts) != status) return -1;
    return status;
}

static lq_cpu best_up_to(lq_cpu cap) {
    lq_cpu best = LQ_CPU_SCALAR;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= cap; ++level)
        if (lq_cpu_available(level)) best = level;
    return best;
}

/* Exit codes of the child: which expectation failed. */
static int child(const char *value, int accepted, lq_cpu cap) {
    if (value)
        setenv("LIBQUANT_CPU", value, 1);
    else
        unsetenv("LIBQUANT_CPU");
    if (status_of_operations() != (accepted ? LQ_OK : LQ_ERROR_CPU)) return 1;
    if (accepted && lq_cpu_level() != best_up_to(cap)) return 2;
    /* Read once: a later value changes nothing. */
    setenv("LIBQUANT_CPU", accepted ? "nonsense" : "scalar", 1);
    if (status_of_operations() != (accepted ? LQ_OK : LQ_ERROR_CPU)) return 3;
    if (lq_cpu_use(LQ_CPU_SCALAR) != LQ_OK || lq_cpu_level() != LQ_CPU_SCALAR) return 4;
    if (status_of_operations() != LQ_OK) return 5;
    return 0;
}

/*
 * The variable is read at the first call, so each value gets a process of its own; this test has to
 * come before any that calls the library.
 */
static void test_environment(void **state) {
#if defined(__x86_64__) || defined(__i386__)
    const int x86 = 1;
#else
    const int x86 = 0;
#endif
#if defined(__aarch64__)
    const int arm = 1;
#else
    const int arm = 0;
#endif
    const struct {
        const char *value;
        int accepted;
        lq_cpu cap;
    } cases[] = {
        {NULL, 1, LQ_CPU_NEON},
        {"", 1, LQ_CPU_NEON},
        {"scalar", 1, LQ_CPU_SCALAR},
        {"avx2", x86, LQ_CPU_AVX2},
        {"avx512", x86, LQ_CPU_AVX512},
        {"neon", arm, LQ_CPU_NEON},
        {"garbage", 0, 0},
        {"AVX2", 0, 0},
        {"avx", 0, 0},
        {"avx2 ", 0, 0},
        {"avx5120", 0, 0},
        {"0", 0, 0},
        {"scalar,avx2", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
        int result = 0;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) _exit(child(cases[i].value, cases[i].accepted, cases[i].cap));
        assert_int_equal(waitpid(pid, &result, 0), pid);
        if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
            fail_msg("LIBQUANT_CPU=%s: wait status %#x",
                     cases[i].value ? cases[i].value : "(unset)", (unsigned)result);
    }
}

static void test_levels(void **state) {
    static const char *const names[] = {"scalar", "avx2", "avx512", "neon"};
    lq_cpu level = lq_cpu_level();
    (void)state;
    assert_int_equal(lq_cpu_available(LQ_CPU_SCALAR), 1);
    assert_int_equal(lq_cpu_available(level), 1);
    for (lq_cpu i = -2; i < 8; ++i) {
        int known = i >= 0 && i <= LQ_CPU_NEON;
        int32_t available = lq_cpu_available(i);
        assert_true(available == 0 || (known && available == 1));
        if (known)
            assert_string_equal(lq_cpu_name(i), names[i]);
        else
            assert_null(lq_cpu_name(i));
        assert_int_equal(lq_cpu_use(i), available ? LQ_OK : LQ_ERROR_CPU);
        if (available) level = i;
        assert_int_equal(lq_cpu_level(), level);
        assert_int_equal(status_of_operations(), LQ_OK);
    }
    assert_int_equal(lq_cpu_available(INT32_MAX), 0);
    assert_int_equal(lq_cpu_use(INT32_MIN), LQ_ERROR_CPU);
}

/* ---------------------------------------------------------- statuses, types */

static void test_statuses(void **state) {
    (void)state;
    for (lq_status i = LQ_OK; i <= LQ_ERROR_INEXACT; ++i) {
        assert_true(strlen(lq_status_string(i)) > 1);
        for (lq_status j = -1; j < i; ++j)
            assert_string_not_equal(lq_status_string(i), lq_status_string(j));
    }
    assert_non_null(lq_status_string(INT32_MIN));
    assert_int_equal(lq_version(),
                     LQ_VERSION_MAJOR * 10000 + LQ_VERSION_MINOR * 100 + LQ_VERSION_PATCH);
}

static const struct {
    lq_type type;
    const char *name;
} types[] = {
    {LQ_F32, "f32"},
    {LQ_F16, "f16"},
    {LQ_BF16, "bf16"},
    {LQ_S2, "s2"},
    {LQ_S4, "s4"},
    {LQ_S8, "s8"},
    {LQ_S16, "s16"},
    {LQ_S32, "s32"},
    {LQ_U2, "u2"},
    {LQ_U4, "u4"},
    {LQ_U8, "u8"},
    {LQ_U16, "u16"},
    {LQ_F64, "f64"},
    {LQ_E4M3, "e4m3"},
    {LQ_E5M2, "e5m2"},
    {LQ_E4M3FNUZ, "e4m3fnuz"},
    {LQ_E5M2FNUZ, "e5m2fnuz"},
    {LQ_E8M0, "e8m0"},
    {LQ_E2M3, "e2m3"},
    {LQ_E3M2, "e3m2"},
    {LQ_E2M1, "e2m1"},
};
enum { TYPES = sizeof types / sizeof types[0] };

static void test_types(void **state) {
    static const char *const strangers[] = {"",  "f",  "F32", "f32 ", "f128",
                                            "s", "s3", "u32", "s88"};
    (void)state;
    for (int i = 0; i < TYPES; ++i) {
        assert_string_equal(lq_type_name(types[i].type), types[i].name);
        assert_int_equal(lq_type_from_name(types[i].name), types[i].type);
    }
    for (lq_type i = -1; i < 0x4000; ++i) {
        int known = 0;
        for (int j = 0; j < TYPES; ++j) known |= types[j].type == i;
        if (!known) assert_null(lq_type_name(i));
    }
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; ++i)
        assert_int_equal(lq_type_from_name(strangers[i]), 0);
    assert_int_equal(lq_type_from_name(NULL), 0);
    assert_null(lq_type_name(INT32_MAX));
}

/* -------------------------------------------------------------------- twins */

static void test_tensor_twin(void **state) {
    static const int64_t dimensions[] = {0, 1, 2, 7, -1, INT64_MAX, INT64_C(1) << 40, INT64_MIN};
    int byte;
    (void)state;
    for (int i = 0; i < 12 * 8 * 8 * 8; ++i) {
        int64_t shape[LQ_MAX_RANK + 1] = {
            dimensions[i % 8], dimensions[i / 8 % 8], dimensions[i / 64 % 8], 1, 2, 1, 2, 1, 1};
        lq_tensor twin, t;
        int32_t rank = (int32_t)(i / 512) - 1;
        memset(&twin, 0x55, sizeof twin);
        lq_tensor_init(&twin, &byte, types[i % TYPES].type, rank, shape);
        t = lq_contiguous(&byte, types[i % TYPES].type, rank, shape);
        assert_memory_equal(&t, &twin, sizeof t);
        t = lq_contiguous(NULL, LQ_F32, rank, NULL);
        lq_tensor_init(&twin, NULL, LQ_F32, rank, NULL);
        assert_memory_equal(&t, &twin, sizeof t);
    }
}

static void test_scheme_twin(void **state) {
    static const int64_t extent[LQ_MAX_RANK + 1] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    (void)state;
    for (int i = 0; i < 4 * 12 * 6; ++i) {
        lq_mapping mapping = i % 4;
        lq_type type = types[i / 4 % 12].type;
        const lq_block blocks[6] = {lq_per_tensor(),        lq_per_channel(-1),
                                    lq_per_block(2, 32),    lq_per_tile(3, extent),
                                    lq_per_tile(9, extent), lq_per_tile(2, NULL)};
        lq_block block = blocks[i / 48];
        lq_scheme s = lq_scheme_of(mapping, type, block), twin;
        lq_scheme named = mapping == LQ_AFFINE      ? lq_affine(type, block)
                          : mapping == LQ_SYMMETRIC ? lq_symmetric(type, block)
                          : mapping == LQ_SYMMETRIC_HALF_RANGE
                              ? lq_symmetric_half_range(type, block)
                              : lq_symmetric_full_range(type, block);
        memset(&twin, 0x55, sizeof twin);
        assert_int_equal(lq_scheme_init(&twin, sizeof twin, mapping, type, &block), LQ_OK);
        if (sizeof(void *) != 8) continue; /* padding */
        assert_memory_equal(&s, &twin, sizeof s);
        assert_memory_equal(&s, &named, sizeof s);
    }
}

static void test_init(void **state) {
    lq_block block = lq_per_tensor();
    lq_scheme scheme, scheme_before;
    lq_report report;
    lq_exec exec;
    lq_error error;
    (void)state;
    memset(&scheme, 0x55, sizeof scheme);
    scheme_before = scheme;
    assert_int_equal(lq_scheme_init(NULL, sizeof scheme, 0, LQ_S8, &block), LQ_ERROR_NULL);
    assert_int_equal(lq_scheme_init(&scheme, sizeof scheme, 0, LQ_S8, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_scheme_init(&scheme, 0, 0, LQ_S8, &block), LQ_ERROR_STRUCT);
    assert_int_equal(lq_scheme_init(&scheme, sizeof scheme - 1, 0, LQ_S8, &block), LQ_ERROR_STRUCT);
    assert_memory_equal(&scheme, &scheme_before, sizeof scheme);
    assert_int_equal(lq_report_init(NULL, sizeof report), LQ_ERROR_NULL);
    assert_int_equal(lq_report_init(&report, sizeof report - 1), LQ_ERROR_STRUCT);
    assert_int_equal(lq_report_init(&report, sizeof report), LQ_OK);
    assert_int_equal(report.struct_size, sizeof report);
    assert_int_equal(report.nan | report.infinite | report.clipped | report.argument, 0);
    assert_int_equal(report.overflowed | report.underflowed, 0);
    assert_int_equal(lq_exec_init(NULL, sizeof exec), LQ_ERROR_NULL);
    assert_int_equal(lq_exec_init(&exec, 1), LQ_ERROR_STRUCT);
    assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
    assert_int_equal(exec.struct_size, sizeof exec);
    assert_true(exec.flags == 0 && exec.report == NULL);
    assert_int_equal(lq_error_init(NULL, sizeof error), LQ_ERROR_NULL);
    assert_int_equal(lq_error_init(&error, 0), LQ_ERROR_STRUCT);
    assert_int_equal(lq_error_init(&error, sizeof error), LQ_OK);
    assert_int_equal(error.struct_size, sizeof error);
    assert_int_equal(error.count, 0);
    lq_product product;
    assert_int_equal(lq_product_init(NULL, sizeof product), LQ_ERROR_NULL);
    assert_int_equal(lq_product_init(&product, sizeof product - 1), LQ_ERROR_STRUCT);
    assert_int_equal(lq_product_init(&product, sizeof product), LQ_OK);
    assert_int_equal(product.struct_size, sizeof product);
    assert_true(product.depth == 0 && product.bias == NULL);
}

/* A struct of a later version is zeroed to its end and not beyond. */
static void check_longer(const uint8_t *bytes, size_t known, size_t size, size_t all) {
    size_t struct_size;
    memcpy(&struct_size, bytes, sizeof struct_size);
    assert_int_equal(struct_size, size);
    for (size_t i = known; i < all; ++i) assert_int_equal(bytes[i], i < size ? 0 : 0x55);
}

static void test_init_longer(void **state) {
    union {
        lq_scheme scheme;
        lq_report report;
        lq_exec exec;
        lq_error error;
        uint8_t bytes[sizeof(lq_scheme) + 64];
    } u;
    lq_block block = lq_per_channel(1);
    (void)state;
    memset(&u, 0x55, sizeof u);
    assert_int_equal(lq_scheme_init(&u.scheme, sizeof u.scheme + 16, 1, LQ_S8, &block), LQ_OK);
    check_longer(u.bytes, sizeof u.scheme, sizeof u.scheme + 16, sizeof u);
    assert_true(u.scheme.mapping == 1 && u.scheme.code_type == LQ_S8 && u.scheme.block.axis == 1);
    memset(&u, 0x55, sizeof u);
    assert_int_equal(lq_report_init(&u.report, sizeof u.report + 16), LQ_OK);
    check_longer(u.bytes, sizeof u.report, sizeof u.report + 16, sizeof u);
    memset(&u, 0x55, sizeof u);
    assert_int_equal(lq_exec_init(&u.exec, sizeof u.exec + 16), LQ_OK);
    check_longer(u.bytes, sizeof u.exec, sizeof u.exec + 16, sizeof u);
    memset(&u, 0x55, sizeof u);
    assert_int_equal(lq_error_init(&u.error, sizeof u.error + 16), LQ_OK);
    check_longer(u.bytes, sizeof u.error, sizeof u.error + 16, sizeof u);
}

/* ---------------------------------------------------- questions of a scheme */

static void test_scheme_range(void **state) {
    static const lq_type codes[] = {LQ_S2, LQ_S4, LQ_S8, LQ_S16, LQ_U2, LQ_U4, LQ_U8, LQ_U16};
    static const int32_t ranges[][2] = {{0, 0}, {-4, 3}, {0, 1},      {-1, 0},  {0, 7}, {5, 9},
                                        {9, 5}, {3, 3},  {-300, 255}, {-7, -2}, {-1, 1}};
    (void)state;
    for (int i = 0; i < 4 * 8 * 11; ++i) {
        lq_scheme s = lq_scheme_of(i % 4, codes[i / 4 % 8], lq_per_tensor());
        struct naive_codes c;
        int32_t low = 99, high = 99, zero = 99;
        s.qmin = ranges[i / 32][0];
        s.qmax = ranges[i / 32][1];
        naive_codes_of(&s, &c);
        if (naive_has_room(&s)) {
            assert_int_equal(lq_scheme_range(&s, &low, &high, &zero), LQ_OK);
            assert_true(low == c.low && high == c.high && zero == c.z0);
            assert_int_equal(lq_scheme_range(&s, NULL, NULL, NULL), LQ_OK);
        } else {
            assert_int_equal(lq_scheme_range(&s, &low, &high, &zero), LQ_ERROR_RANGE);
            assert_true(low == 99 && high == 99 && zero == 99);
        }
    }
}

static void test_scheme_range_refusals(void **state) {
    lq_scheme s = lq_affine(LQ_S8, lq_per_tensor());
    int32_t low = 99;
    (void)state;
    assert_int_equal(lq_scheme_range(NULL, &low, NULL, NULL), LQ_ERROR_NULL);
    s.struct_size -= 1;
    assert_int_equal(lq_scheme_range(&s, &low, NULL, NULL), LQ_ERROR_STRUCT);
    s = lq_affine(LQ_S32, lq_per_tensor());
    assert_int_equal(lq_scheme_range(&s, &low, NULL, NULL), LQ_ERROR_TYPE);
    s = lq_scheme_of(7, LQ_S8, lq_per_tensor());
    assert_int_equal(lq_scheme_range(&s, &low, NULL, NULL), LQ_ERROR_ENUM);
    assert_int_equal(low, 99);
}

static void expect_grid(lq_tensor *x, lq_block block, lq_status status) {
    lq_scheme s = lq_affine(LQ_U8, block);
    int64_t grid[LQ_MAX_RANK] = {9, 9, 9, 9, 9, 9, 9, 9}, untouched[LQ_MAX_RANK];
    int64_t expected[LQ_MAX_RANK] = {9, 9, 9, 9, 9, 9, 9, 9}, count = 99;
    memcpy(untouched, grid, sizeof grid);
    assert_int_equal(lq_grid_shape(x, &s, grid, &count), status);
    if (status != LQ_OK) {
        assert_memory_equal(grid, untouched, sizeof grid);
        assert_int_equal(count, 99);
        return;
    }
    assert_int_equal(count, naive_grid(x, &block, expected));
    assert_memory_equal(grid, expected, (size_t)x->rank * sizeof grid[0]);
    assert_int_equal(lq_grid_shape(x, &s, grid, NULL), LQ_OK);
}

static void test_grid_shape(void **state) {
    static const int64_t shape[4] = {7, 0, 33, 1}, huge[2] = {INT64_C(1) << 40, INT64_C(1) << 40};
    static const int64_t tile[4] = {3, 5, 32, 0}, negative[4] = {3, -5, 32, 0};
    lq_tensor x;
    lq_scheme s = lq_affine(LQ_U8, lq_per_tensor());
    int64_t grid[LQ_MAX_RANK];
    (void)state;
    /* Neither data nor type matter. */
    memset(&x, 0, sizeof x);
    x.rank = 4;
    memcpy(x.shape, shape, sizeof shape);
    expect_grid(&x, lq_per_tensor(), LQ_OK);
    for (int32_t axis = -4; axis < 4; ++axis) {
        expect_grid(&x, lq_per_channel(axis), LQ_OK);
        for (int64_t n = 0; n < 36; ++n) expect_grid(&x, lq_per_block(axis, n), LQ_OK);
        expect_grid(&x, lq_per_block(axis, INT64_MAX), LQ_OK);
    }
    expect_grid(&x, lq_per_tile(4, tile), LQ_OK);
    expect_grid(&x, lq_per_tile(4, negative), LQ_ERROR_BLOCK);
    expect_grid(&x, lq_per_tile(3, tile), LQ_ERROR_BLOCK);
    expect_grid(&x, lq_per_tile(4, NULL), LQ_ERROR_BLOCK);
    expect_grid(&x, lq_per_block(1, -1), LQ_ERROR_BLOCK);
    expect_grid(&x, lq_per_channel(4), LQ_ERROR_AXIS);
    expect_grid(&x, lq_per_channel(-5), LQ_ERROR_AXIS);
    s.block.granularity = 9;
    assert_int_equal(lq_grid_shape(&x, &s, grid, NULL), LQ_ERROR_ENUM);
    s = lq_affine(LQ_U8, lq_per_tensor());
    assert_int_equal(lq_grid_shape(NULL, &s, grid, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_grid_shape(&x, NULL, grid, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_grid_shape(&x, &s, NULL, NULL), LQ_ERROR_NULL);
    s.struct_size = 1;
    assert_int_equal(lq_grid_shape(&x, &s, grid, NULL), LQ_ERROR_STRUCT);
    x.rank = 9;
    expect_grid(&x, lq_per_tensor(), LQ_ERROR_RANK);
    x.rank = 4;
    x.shape[2] = -1;
    expect_grid(&x, lq_per_tensor(), LQ_ERROR_SHAPE);
    x.rank = 2;
    memcpy(x.shape, huge, sizeof huge);
    expect_grid(&x, lq_per_block(0, 1), LQ_ERROR_OVERFLOW);
    x.rank = 0;
    expect_grid(&x, lq_per_tensor(), LQ_OK);
    expect_grid(&x, lq_per_tile(0, tile), LQ_OK);
    expect_grid(&x, lq_per_channel(0), LQ_ERROR_AXIS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment),  cmocka_unit_test(test_levels),
        cmocka_unit_test(test_statuses),     cmocka_unit_test(test_types),
        cmocka_unit_test(test_tensor_twin),  cmocka_unit_test(test_scheme_twin),
        cmocka_unit_test(test_init),         cmocka_unit_test(test_init_longer),
        cmocka_unit_test(test_scheme_range), cmocka_unit_test(test_scheme_range_refusals),
        cmocka_unit_test(test_grid_shape),
    };
    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
