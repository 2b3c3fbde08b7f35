/* Views at the edges of what can be represented: no overflow, no endless walk, no read too far. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "libquant.h"
#include <stdlib.h>

static float x[16];
static unsigned char codes[16];
static float scales[16];

/* A dimension of 0 leaves nothing to do, however long the others are. */
static void test_empty_is_quick(void **state) {
    const int64_t shape[] = {(int64_t)1 << 40, 4, 6, 0};
    const lq_tensor real = lq_contiguous(x, LQ_F32, 4, shape);
    const lq_tensor q = lq_contiguous(codes, LQ_S8, 4, shape);
    const lq_tensor s = lq_vector(scales, LQ_F32, 4);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_channel(1));
    lq_error error;
    (void)state;
    assert_int_equal(lq_calibrate(&real, &scheme, &s, NULL, NULL), LQ_OK);
    for (int i = 0; i < 4; ++i) assert_true(scales[i] == 1.0f);
    assert_int_equal(lq_quantize(&real, &scheme, &s, NULL, &q, NULL), LQ_OK);
    assert_int_equal(lq_dequantize(&q, &scheme, &s, NULL, &real, NULL), LQ_OK);
    assert_int_equal(lq_quantize_dynamic(&real, &scheme, &q, &s, NULL, NULL), LQ_OK);
    assert_int_equal(lq_error_init(&error, sizeof error), LQ_OK);
    assert_int_equal(lq_measure_error(&real, &q, &scheme, &s, NULL, &error, NULL), LQ_OK);
    assert_int_equal(error.count, 0);
}

/* Products that an empty view never needs. */
static void test_empty_and_huge(void **state) {
    const int64_t huge = (int64_t)1 << 40;
    lq_tensor real = lq_vector(x, LQ_F32, 0);
    lq_tensor q = lq_vector(codes, LQ_S4, 0);
    const lq_tensor s = lq_vector(scales, LQ_F32, 1);
    const lq_scheme scheme = lq_symmetric(LQ_S4, lq_per_tensor());
    (void)state;
    scales[0] = 1.0f;
    real.rank = q.rank = 3;
    for (int i = 1; i < 3; ++i) real.shape[i] = q.shape[i] = huge;
    assert_int_equal(lq_quantize(&real, &scheme, &s, NULL, &q, NULL), LQ_OK);
    q = lq_vector(codes, LQ_S4, 0);
    real = lq_vector(x, LQ_F32, 0);
    q.offset = INT64_MAX;
    assert_int_equal(lq_quantize(&real, &scheme, &s, NULL, &q, NULL), LQ_OK);
}

/* The stride of a dimension of 1 says nothing. */
static void test_idle_strides(void **state) {
    const lq_tensor real = lq_matrix(x, LQ_F32, 1, 4);
    const lq_tensor q = lq_matrix(codes, LQ_S8, 1, 4);
    lq_tensor s = lq_matrix(scales, LQ_F32, 1, 4);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_channel(1));
    (void)state;
    for (int i = 0; i < 5; ++i) scales[i] = 1.0f;
    s.stride[0] = INT64_MAX;
    s.offset = 1;
    s.size = 5 * (int64_t)sizeof(float);
    assert_int_equal(lq_quantize(&real, &scheme, &s, NULL, &q, NULL), LQ_OK);

    const int64_t ones[] = {1, 1};
    const lq_scheme tiles = lq_symmetric(LQ_S8, lq_per_tile(2, ones));
    const lq_tensor none = lq_matrix(x, LQ_F32, 0, 4);
    const lq_tensor no_codes = lq_matrix(codes, LQ_S8, 0, 4);
    lq_tensor no_scales = lq_vector(scales, LQ_F32, 0);
    no_scales.stride[0] = INT64_MAX;
    assert_int_equal(lq_quantize(&none, &tiles, &no_scales, NULL, &no_codes, NULL), LQ_OK);
}

/* Types that do not exist may claim up to 255 bits. */
static void test_unknown_type_overflow(void **state) {
    const lq_tensor t = lq_vector(x, 0xff, INT64_MAX / 64);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    (void)state;
    assert_true(t.size < 0);
    assert_int_equal(lq_quantize_dynamic(&t, &scheme, &t, &t, NULL, NULL), LQ_ERROR_TYPE);
}

/* No more of a struct is read than it says there is. */
static void test_short_exec(void **state) {
    const lq_tensor real = lq_vector(x, LQ_F32, 4);
    const lq_tensor q = lq_vector(codes, LQ_S8, 4);
    const lq_tensor s = lq_vector(scales, LQ_F32, 1);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    size_t *exec = malloc(sizeof *exec);
    (void)state;
    assert_non_null(exec);
    *exec = sizeof *exec;
    assert_int_equal(
        lq_quantize_dynamic(&real, &scheme, &q, &s, NULL, (const lq_exec *)(const void *)exec),
        LQ_ERROR_STRUCT);
    free(exec);
}

/* Records of a float16 scale and 32 codes, three to a row of 128 bytes: the bytes of plain arrays. */
static void test_padded_records(void **state) {
    enum { ROWS = 4, RECORDS = 3, RECORD = 34, PITCH = 128 };
    static unsigned char records[ROWS * PITCH], plain[ROWS * RECORDS * 32];
    static uint16_t plain_scales[ROWS * RECORDS];
    static float values[ROWS * RECORDS * 32];
    const int64_t shape[] = {ROWS, RECORDS, 32}, grid[] = {ROWS, RECORDS};
    const int64_t code_steps[] = {PITCH, RECORD, 1}, scale_steps[] = {PITCH / 2, RECORD / 2};
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_block(-1, 32));
    const lq_tensor real = lq_contiguous(values, LQ_F32, 3, shape);
    const lq_tensor q = lq_contiguous(plain, LQ_S8, 3, shape);
    const lq_tensor s = lq_vector(plain_scales, LQ_F16, ROWS * RECORDS);
    lq_tensor in_records = lq_strided(records, sizeof records, LQ_S8, 3, shape, code_steps);
    lq_tensor beside = lq_strided(records, sizeof records, LQ_F16, 2, grid, scale_steps);
    (void)state;
    in_records.offset = 2;
    for (int i = 0; i < ROWS * RECORDS * 32; ++i) values[i] = (float)(i * 37 % 101 - 50) * 0.37f;
    /* The grid of a block on the last axis has a 1 there. */
    beside.rank = 3;
    beside.shape[2] = 1;
    assert_int_equal(lq_quantize_dynamic(&real, &scheme, &q, &s, NULL, NULL), LQ_OK);
    assert_int_equal(lq_quantize_dynamic(&real, &scheme, &in_records, &beside, NULL, NULL), LQ_OK);
    for (int r = 0; r < ROWS * RECORDS; ++r) {
        const unsigned char *record = records + r / RECORDS * PITCH + r % RECORDS * RECORD;
        assert_memory_equal(record, &plain_scales[r], 2);
        assert_memory_equal(record + 2, plain + r * 32, 32);
    }
    /* Scales that stand on codes are refused. */
    beside.offset = 1;
    assert_int_equal(lq_quantize_dynamic(&real, &scheme, &in_records, &beside, NULL, NULL),
                     LQ_ERROR_OVERLAP);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_is_quick),        cmocka_unit_test(test_empty_and_huge),
        cmocka_unit_test(test_idle_strides),          cmocka_unit_test(test_short_exec),
        cmocka_unit_test(test_unknown_type_overflow), cmocka_unit_test(test_padded_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
