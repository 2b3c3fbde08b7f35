/*
 * Views as DLPack has them and back: every type, strides, offsets, what is refused. Compiled once
 * with this directory's dlpack/dlpack.h (1.1), and once with the system's, where it has one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libquant_dlpack.h"

/* A name of the ABI, whether or not the header has it. */
static const struct {
    uint8_t code, bits;
    lq_type type;
} types[] = {
    {2, 32, LQ_F32},      {2, 16, LQ_F16},  {2, 64, LQ_F64},  {4, 16, LQ_BF16},
    {0, 2, LQ_S2},        {0, 4, LQ_S4},    {0, 8, LQ_S8},    {0, 16, LQ_S16},
    {0, 32, LQ_S32},      {1, 2, LQ_U2},    {1, 4, LQ_U4},    {1, 8, LQ_U8},
    {1, 16, LQ_U16},      {10, 8, LQ_E4M3}, {12, 8, LQ_E5M2}, {11, 8, LQ_E4M3FNUZ},
    {13, 8, LQ_E5M2FNUZ}, {14, 8, LQ_E8M0}, {15, 6, LQ_E2M3}, {16, 6, LQ_E3M2},
    {17, 4, LQ_E2M1},
};
enum { TYPES = sizeof types / sizeof types[0], PLAIN_TYPES = 13 };
static const int known_types = LQ_DLPACK_SMALL_FLOATS ? TYPES : PLAIN_TYPES;

static double memory[64];
static int64_t shape[LQ_MAX_RANK + 1], strides[LQ_MAX_RANK + 1];

/* A matrix of 3 x 4 float32, row-major, that tests then spoil. */
static DLTensor matrix(void) {
    DLTensor t;
    memset(&t, 0, sizeof t);
    memset(shape, 0, sizeof shape);
    memset(strides, 0, sizeof strides);
    shape[0] = 3, shape[1] = 4;
    strides[0] = 4, strides[1] = 1;
    t.data = memory;
    t.device.device_type = kDLCPU;
    t.ndim = 2;
    t.dtype.code = kDLFloat, t.dtype.bits = 32, t.dtype.lanes = 1;
    t.shape = shape;
    t.strides = strides;
    return t;
}

static void expect_matrix(const lq_tensor *t, const void *data, lq_type type) {
    const lq_tensor wanted = lq_matrix(data, type, 3, 4);
    assert_memory_equal(t, &wanted, sizeof wanted);
}

/* Refused, and nothing written. */
static void refused(const DLTensor *from, lq_status status) {
    lq_tensor t, before;
    memset(&t, 0x5a, sizeof t);
    before = t;
    assert_int_equal(lq_tensor_from_dlpack(from, &t), status);
    assert_memory_equal(&t, &before, sizeof t);
}

static void test_types(void **state) {
    (void)state;
    for (int i = 0; i < TYPES; ++i) {
        DLTensor from = matrix(), back;
        lq_tensor t;
        from.dtype.code = types[i].code, from.dtype.bits = types[i].bits;
        if (i >= known_types) {
            refused(&from, LQ_ERROR_TYPE);
            t = lq_matrix(memory, types[i].type, 3, 4);
            assert_int_equal(lq_tensor_to_dlpack(&t, &back), LQ_ERROR_TYPE);
            continue;
        }
        assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
        expect_matrix(&t, memory, types[i].type);
        from.strides = NULL;
        assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
        expect_matrix(&t, memory, types[i].type);

        memset(&back, 0x5a, sizeof back);
        assert_int_equal(lq_tensor_to_dlpack(&t, &back), LQ_OK);
        assert_ptr_equal(back.data, memory);
        assert_int_equal(back.device.device_type, kDLCPU);
        assert_int_equal(back.device.device_id, 0);
        assert_int_equal(back.ndim, 2);
        assert_int_equal(back.dtype.code, types[i].code);
        assert_int_equal(back.dtype.bits, types[i].bits);
        assert_int_equal(back.dtype.lanes, 1);
        assert_ptr_equal(back.shape, t.shape);
        assert_ptr_equal(back.strides, t.stride);
        assert_true(back.byte_offset == 0);
    }
}

/* Every code and width that is not in the table. */
static void test_unknown_types(void **state) {
    (void)state;
    for (int code = 0; code < 256; ++code) {
        for (int bits = 0; bits < 256; ++bits) {
            DLTensor from = matrix();
            int known = 0;
            for (int i = 0; i < known_types; ++i)
                known |= types[i].code == code && types[i].bits == bits;
            if (known) continue;
            from.dtype.code = (uint8_t)code, from.dtype.bits = (uint8_t)bits;
            refused(&from, LQ_ERROR_TYPE);
        }
    }
    const int lanes[] = {0, 2, 4, 65535};
    for (int i = 0; i < 4; ++i) {
        DLTensor from = matrix();
        from.dtype.lanes = (uint16_t)lanes[i];
        refused(&from, LQ_ERROR_TYPE);
    }
}

/* A call through the view meets the elements that DLPack means. */
static void expect_values(const lq_tensor *t, const float *wanted, int n) {
    float values[12] = {0};
    const lq_tensor y = lq_contiguous(values, LQ_F32, t->rank, t->shape);
    assert_int_equal(lq_convert(t, &y, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
    assert_memory_equal(values, wanted, (size_t)n * sizeof *values);
}

static void test_strides(void **state) {
    float *x = (float *)memory;
    const float transposed[12] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
    const float reversed[12] = {11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    const float repeated[12] = {5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8};
    lq_tensor t;
    (void)state;
    for (int i = 0; i < 12; ++i) x[i] = (float)i;

    DLTensor from = matrix();
    shape[0] = 4, shape[1] = 3, strides[0] = 1, strides[1] = 4;
    assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
    assert_int_equal(t.size, 48);
    expect_values(&t, transposed, 12);

    from = matrix();
    from.byte_offset = 44, strides[0] = -4, strides[1] = -1;
    assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
    assert_ptr_equal(t.data, memory);
    assert_int_equal(t.offset, 11);
    assert_int_equal(t.size, 48);
    expect_values(&t, reversed, 12);

    from = matrix();
    from.byte_offset = 20, strides[0] = 0;
    assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
    assert_ptr_equal(t.data, x + 5);
    assert_int_equal(t.offset, 0);
    assert_int_equal(t.size, 16);
    expect_values(&t, repeated, 12);
}

/* A view with gaps, both orders and an offset goes to DLPack and back to the same elements. */
static void test_round_trip(void **state) {
    float *x = (float *)memory;
    const int64_t dims[3] = {2, 3, 2}, steps[3] = {24, -6, 2};
    const float wanted[12] = {15, 17, 9, 11, 3, 5, 39, 41, 33, 35, 27, 29};
    lq_tensor t = lq_strided(x, sizeof memory, LQ_F32, 3, dims, steps), back;
    DLTensor d;
    (void)state;
    for (int i = 0; i < 128; ++i) x[i] = (float)i;
    t.offset = 15;
    assert_int_equal(lq_tensor_to_dlpack(&t, &d), LQ_OK);
    assert_ptr_equal(d.data, x + 15);
    assert_int_equal(lq_tensor_from_dlpack(&d, &back), LQ_OK);
    assert_ptr_equal(back.data, x + 3);
    assert_int_equal(back.offset, 12);
    assert_int_equal(back.size, (41 - 3 + 1) * 4);
    expect_values(&back, wanted, 12);
}

static void test_small_elements(void **state) {
    DLTensor from = matrix(), d;
    lq_tensor t;
    (void)state;
    /* Nibbles: dense in memory, so that a row of 3 ends within a byte. */
    from.dtype.code = kDLUInt, from.dtype.bits = 4;
    shape[0] = 4, shape[1] = 3, strides[0] = 3, from.byte_offset = 1;
    assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
    assert_ptr_equal(t.data, (char *)memory + 1);
    assert_int_equal(t.size, 6);
    strides[1] = -1;
    refused(&from, LQ_ERROR_STRIDE);

    t = lq_vector(memory, LQ_U4, 10);
    t.shape[0] = 4;
    t.offset = 3;
    assert_int_equal(lq_tensor_to_dlpack(&t, &d), LQ_ERROR_INEXACT);
    t.offset = 6;
    assert_int_equal(lq_tensor_to_dlpack(&t, &d), LQ_OK);
    assert_ptr_equal(d.data, (char *)memory + 3);
    t.offset = 7;
    assert_int_equal(lq_tensor_to_dlpack(&t, &d), LQ_ERROR_SIZE);
}

static void test_empty(void **state) {
    DLTensor from = matrix(), d;
    lq_tensor t;
    (void)state;
    shape[1] = 0;
    from.data = NULL;
    strides[0] = INT64_MAX;
    assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
    assert_int_equal(t.size, 0);
    assert_int_equal(t.shape[0], 3);
    t.data = memory;
    t.offset = -7;
    assert_int_equal(lq_tensor_to_dlpack(&t, &d), LQ_OK);
    assert_null(d.data);

    /* Rank 0 is one element, with no shape at all. */
    from = matrix();
    from.ndim = 0, from.shape = from.strides = NULL;
    assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
    assert_int_equal(t.size, 4);
    assert_int_equal(lq_tensor_to_dlpack(&t, &d), LQ_OK);
    assert_ptr_equal(d.data, memory);
}

static void test_devices(void **state) {
    (void)state;
    for (int device = -1; device < 64; ++device) {
        DLTensor from = matrix();
        lq_tensor t;
        from.device.device_type = (DLDeviceType)device;
        if (device == kDLCPU || device == kDLCUDAHost || device == kDLROCMHost) {
            assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
            expect_matrix(&t, memory, LQ_F32);
        } else {
            refused(&from, LQ_ERROR_ENUM);
        }
    }
}

static void test_hostile(void **state) {
    lq_tensor t;
    DLTensor from = matrix();
    (void)state;
    refused(NULL, LQ_ERROR_NULL);
    assert_int_equal(lq_tensor_from_dlpack(&from, NULL), LQ_ERROR_NULL);
    from.shape = NULL;
    refused(&from, LQ_ERROR_NULL);
    from = matrix(), from.data = NULL;
    refused(&from, LQ_ERROR_NULL);
    const int32_t ranks[] = {-1, INT32_MIN, LQ_MAX_RANK + 1, INT32_MAX};
    for (int i = 0; i < 4; ++i) {
        from = matrix(), from.ndim = ranks[i];
        refused(&from, LQ_ERROR_RANK);
    }
    const int64_t dims[] = {-1, INT64_MIN};
    for (int i = 0; i < 2; ++i) {
        from = matrix(), shape[1] = dims[i];
        refused(&from, LQ_ERROR_SHAPE);
    }
    from = matrix(), shape[0] = shape[1] = INT64_C(1) << 32;
    refused(&from, LQ_ERROR_OVERFLOW);
    from = matrix(), shape[0] = INT64_MAX, from.strides = NULL;
    refused(&from, LQ_ERROR_OVERFLOW);
    /* Many elements at one place are no overflow; far apart they are, up and down. */
    const int64_t steps[] = {INT64_MAX, INT64_MIN, INT64_MAX / 256, -(INT64_MAX / 256)};
    for (int i = 0; i < 4; ++i) {
        from = matrix(), strides[0] = steps[i];
        refused(&from, LQ_ERROR_OVERFLOW);
    }
    for (int i = 0; i < LQ_MAX_RANK; ++i) shape[i] = 2, strides[i] = INT64_MAX / 512;
    from.ndim = LQ_MAX_RANK;
    refused(&from, LQ_ERROR_OVERFLOW);
    /* Beyond the ends of the address space. */
    from = matrix(), from.byte_offset = UINT64_MAX;
    refused(&from, LQ_ERROR_OVERFLOW);
    from.byte_offset = UINTPTR_MAX - (uintptr_t)memory;
    refused(&from, LQ_ERROR_OVERFLOW);
    from = matrix(), strides[0] = -(INT64_MAX / 1024);
    refused(&from, LQ_ERROR_OVERFLOW);
    from = matrix(), strides[0] = INT64_MAX / 1024;
#if UINTPTR_MAX == UINT64_MAX
    assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
    from = matrix(), from.byte_offset = UINT64_MAX - (uintptr_t)memory - 4096;
    assert_int_equal(lq_tensor_from_dlpack(&from, &t), LQ_OK);
#else
    (void)t;
    refused(&from, LQ_ERROR_OVERFLOW);
#endif
}

static void refused_to(lq_tensor t, lq_status status) {
    DLTensor d, before;
    memset(&d, 0x5a, sizeof d);
    memcpy(&before, &d, sizeof d);
    assert_int_equal(lq_tensor_to_dlpack(&t, &d), status);
    assert_memory_equal(&d, &before, sizeof d);
}

static void test_hostile_views(void **state) {
    const lq_tensor good = lq_matrix(memory, LQ_F32, 3, 4);
    lq_tensor t = good;
    DLTensor d;
    (void)state;
    assert_int_equal(lq_tensor_to_dlpack(NULL, &d), LQ_ERROR_NULL);
    assert_int_equal(lq_tensor_to_dlpack(&t, NULL), LQ_ERROR_NULL);
    t.data = NULL;
    refused_to(t, LQ_ERROR_NULL);
    t = good, t.type = 0;
    refused_to(t, LQ_ERROR_TYPE);
    t = good, t.type = 0x1020 + 0x2000;
    refused_to(t, LQ_ERROR_TYPE);
    t = good, t.rank = -1;
    refused_to(t, LQ_ERROR_RANK);
    t = good, t.rank = LQ_MAX_RANK + 1;
    refused_to(t, LQ_ERROR_RANK);
    t = good, t.shape[0] = -1;
    refused_to(t, LQ_ERROR_SHAPE);
    refused_to(lq_matrix(memory, LQ_F32, INT64_MAX, 4), LQ_ERROR_OVERFLOW);
    t = good, t.stride[0] = INT64_MIN;
    refused_to(t, LQ_ERROR_OVERFLOW);
    t = good, t.size = 47;
    refused_to(t, LQ_ERROR_SIZE);
    const int64_t offsets[] = {1, -1, INT64_MAX, INT64_MIN};
    for (int i = 0; i < 4; ++i) {
        t = good, t.offset = offsets[i];
        refused_to(t, LQ_ERROR_SIZE);
    }
    t = good, t.stride[0] = -4;
    refused_to(t, LQ_ERROR_SIZE);
}

#if LQ_DLPACK_VERSIONED
static void test_versioned(void **state) {
    struct DLManagedTensorVersioned m;
    lq_tensor t;
    (void)state;
    memset(&m, 0, sizeof m);
    m.version.major = DLPACK_MAJOR_VERSION;
    m.version.minor = 99;
    m.dl_tensor = matrix();
    assert_int_equal(lq_tensor_from_dlpack_versioned(&m, 1, &t), LQ_OK);
    expect_matrix(&t, memory, LQ_F32);
    assert_int_equal(lq_tensor_from_dlpack_versioned(NULL, 0, &t), LQ_ERROR_NULL);
    assert_int_equal(lq_tensor_from_dlpack_versioned(&m, 0, NULL), LQ_ERROR_NULL);

    m.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
    assert_int_equal(lq_tensor_from_dlpack_versioned(&m, 0, &t), LQ_OK);
    assert_int_equal(lq_tensor_from_dlpack_versioned(&m, 1, &t), LQ_ERROR_ENUM);

    /* Padded elements are none of less than a byte, unless they are. */
    m.flags = DLPACK_FLAG_BITMASK_IS_COPIED | DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED;
    assert_int_equal(lq_tensor_from_dlpack_versioned(&m, 1, &t), LQ_OK);
    m.dl_tensor.dtype.code = kDLFloat4_e2m1fn;
    m.dl_tensor.dtype.bits = 4;
    assert_int_equal(lq_tensor_from_dlpack_versioned(&m, 1, &t), LQ_ERROR_TYPE);
    m.flags = 0;
    assert_int_equal(lq_tensor_from_dlpack_versioned(&m, 1, &t), LQ_OK);
    expect_matrix(&t, memory, LQ_E2M1);

    m.version.major = DLPACK_MAJOR_VERSION + 1;
    assert_int_equal(lq_tensor_from_dlpack_versioned(&m, 0, &t), LQ_ERROR_VERSION);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_unknown_types),
        cmocka_unit_test(test_strides),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_small_elements),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_hostile_views),
#if LQ_DLPACK_VERSIONED
        cmocka_unit_test(test_versioned),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
