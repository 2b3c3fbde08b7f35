/*
 * Bad input: one row per fault. A row changes one field of a set of good arguments; each call it
 * applies to must then return the row's status, name the argument, and write nothing.
 */
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libquant.h"

/* Calls, as bits. */
enum {
    CALIBRATE = 1,
    QUANTIZE = 2,
    DEQUANTIZE = 4,
    DYNAMIC = 8,
    MEASURE = 16,
    PACK = 32,
    UNPACK = 64,
    CONVERT = 128,
    READ_PARAMETERS = QUANTIZE | DEQUANTIZE | MEASURE,
    WRITE_PARAMETERS = CALIBRATE | DYNAMIC,
    WITH_CODES = READ_PARAMETERS | DYNAMIC,
    WITH_SCHEME = CALIBRATE | WITH_CODES,
    PACKING = PACK | UNPACK,
    PAIRS = PACKING | CONVERT,
    ALL = WITH_SCHEME | PAIRS
};

/* Arguments, as bits: which of them a report may blame. */
enum {
    X = 1,
    SCHEME = 2,
    SCALE = 4,
    ZERO = 8,
    CODES = 16,
    EXEC = 32,
    ERROR = 64,
    NOBODY = 128,
    OVERFLOW = 256
};

/* Which argument of a call has which position; 0 where the call has no such argument. */
static const struct {
    int operation;
    const char *name;
    int x, scheme, scale, zero, codes, exec, error;
} calls[] = {
    {CALIBRATE, "lq_calibrate", 1, 2, 3, 4, 0, 5, 0},
    {QUANTIZE, "lq_quantize", 1, 2, 3, 4, 5, 6, 0},
    {DEQUANTIZE, "lq_dequantize", 5, 2, 3, 4, 1, 6, 0},
    {DYNAMIC, "lq_quantize_dynamic", 1, 2, 4, 5, 3, 6, 0},
    {MEASURE, "lq_measure_error", 1, 3, 4, 5, 2, 7, 6},
    {PACK, "lq_pack_codes", 1, 0, 0, 0, 2, 3, 0},
    {UNPACK, "lq_unpack_codes", 2, 0, 0, 0, 1, 3, 0},
    {CONVERT, "lq_convert", 1, 0, 0, 0, 2, 4, 0},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

/* x is 2 x 6, with one scale and zero point for each row. */
struct memory {
    uint32_t x[24]; /* float32, or the bytes of lq_pack_codes */
    uint8_t codes[96];
    uint32_t scale[16];
    int32_t zero[16];
};

/* Structs of later versions: the same with a tail. */
struct long_scheme {
    lq_scheme base;
    uint64_t tail[2];
};
struct long_exec {
    lq_exec base;
    uint64_t tail[2];
};
struct long_report {
    lq_report base;
    uint64_t tail[2];
};
struct long_error {
    lq_error base;
    uint64_t tail[2];
};

struct fixture {
    struct memory memory;
    lq_tensor x, codes, scale, zero;
    struct long_scheme scheme;
    struct long_exec exec;
    struct long_report report;
    struct long_error error;
    /* What the call is given. */
    const lq_tensor *x_argument, *codes_argument, *scale_argument, *zero_argument;
    const lq_scheme *scheme_argument;
    lq_error *error_argument;
    lq_overflow overflow;
};

struct row {
    const char *fault;
    size_t field, width; /* of the fixture, changed to `value`; width 0: nothing */
    int64_t value;
    void (*change)(struct fixture *f); /* more to change, before the field */
    lq_status status;
    int who;
    int operations;
    int64_t index;
};

#define FIELD(member) offsetof(struct fixture, member), sizeof(((struct fixture *)0)->member)
#define NOTHING 0, 0

static void set_up(struct fixture *f, int operation) {
    static const float values[12] = {1, -2, 3, -4, 5, -6, 0.5, 1.5, 2.5, -0.5, -1.5, 100};
    memset(f, 0, sizeof *f);
    for (int i = 0; i < 12; ++i) memcpy(&f->memory.x[i], &values[i], 4);
    f->memory.scale[0] = f->memory.scale[1] = 0x3f800000;
    f->memory.zero[0] = f->memory.zero[1] = 128;
    f->x = lq_matrix(f->memory.x, LQ_F32, 2, 6);
    f->codes = lq_matrix(f->memory.codes, LQ_U8, 2, 6);
    if (operation & PACKING) {
        memset(f->memory.x, 3, sizeof f->memory.x);
        f->x = lq_matrix(f->memory.x, LQ_U8, 2, 6);
        f->codes = lq_matrix(f->memory.codes, LQ_U4, 2, 6);
    }
    if (operation == CONVERT) f->codes = lq_matrix(f->memory.codes, LQ_F16, 2, 6);
    f->scale = lq_vector(f->memory.scale, LQ_F32, 2);
    f->zero = lq_vector(f->memory.zero, LQ_S32, 2);
    f->scheme.base = lq_affine(LQ_U8, lq_per_channel(0));
    lq_report_init(&f->report.base, sizeof f->report.base);
    lq_exec_init(&f->exec.base, sizeof f->exec.base);
    lq_error_init(&f->error.base, sizeof f->error.base);
    f->exec.base.report = &f->report.base;
    f->x_argument = &f->x;
    f->codes_argument = &f->codes;
    f->scale_argument = &f->scale;
    f->zero_argument = &f->zero;
    f->scheme_argument = &f->scheme.base;
    f->error_argument = &f->error.base;
}

static lq_status call(const struct fixture *f, int operation) {
    const lq_tensor *x = f->x_argument, *codes = f->codes_argument;
    const lq_tensor *scale = f->scale_argument, *zero = f->zero_argument;
    const lq_scheme *scheme = f->scheme_argument;
    const lq_exec *exec = &f->exec.base;
    switch (operation) {
    case CALIBRATE: return lq_calibrate(x, scheme, scale, zero, exec);
    case QUANTIZE: return lq_quantize(x, scheme, scale, zero, codes, exec);
    case DEQUANTIZE: return lq_dequantize(codes, scheme, scale, zero, x, exec);
    case DYNAMIC: return lq_quantize_dynamic(x, scheme, codes, scale, zero, exec);
    case MEASURE: return lq_measure_error(x, codes, scheme, scale, zero, f->error_argument, exec);
    case PACK: return lq_pack_codes(x, codes, exec);
    case CONVERT: return lq_convert(x, codes, f->overflow, exec);
    default: return lq_unpack_codes(codes, x, exec);
    }
}

/* ------------------------------------------------------------- changes */

static void symmetric(struct fixture *f) {
    f->scheme.base.mapping = LQ_SYMMETRIC;
}

static void full_range(struct fixture *f) {
    f->scheme.base.mapping = LQ_SYMMETRIC_FULL_RANGE;
}

static void half_range(struct fixture *f) {
    f->scheme.base.mapping = LQ_SYMMETRIC_HALF_RANGE;
}

static void one_bit(struct fixture *f) {
    f->scheme.base.mapping = LQ_SYMMETRIC;
    f->scheme.base.qmax = 1;
}

static void positive_codes(struct fixture *f) {
    f->scheme.base.mapping = LQ_SYMMETRIC;
    f->scheme.base.code_type = LQ_S8;
    f->codes.type = LQ_S8;
    f->scheme.base.qmax = 100;
}

static void per_block(struct fixture *f) {
    f->scheme.base.block = lq_per_block(1, 6);
}

static void three_scales(struct fixture *f) {
    f->scale = lq_vector(f->memory.scale, LQ_F32, 3);
}

static void equal_range(struct fixture *f) {
    f->scheme.base.qmin = f->scheme.base.qmax = 7;
}

static void per_tile(struct fixture *f) {
    static const int64_t extent[2] = {1, 0};
    f->scheme.base.block = lq_per_tile(2, extent);
}

static void grid_shaped(struct fixture *f) {
    f->scale = lq_matrix(f->memory.scale, LQ_F32, 1, 2);
}

static void narrow_zero_point(struct fixture *f) {
    f->zero = lq_vector(f->memory.zero, LQ_S8, 2);
}

static void overflowed(struct fixture *f) {
    f->x = lq_matrix(f->memory.x, f->x.type, INT64_C(1) << 40, INT64_C(1) << 40);
}

static void too_many(struct fixture *f) {
    overflowed(f);
    f->x.size = INT64_MAX;
}

static void too_many_but_none(struct fixture *f) {
    static const int64_t shape[3] = {INT64_C(1) << 40, INT64_C(1) << 40, 0};
    f->x = lq_contiguous(f->memory.x, f->x.type, 3, shape);
}

static void no_axes(struct fixture *f) {
    f->x = lq_contiguous(f->memory.x, LQ_F32, 0, NULL);
    f->codes = lq_contiguous(f->memory.codes, LQ_U8, 0, NULL);
    f->scale = lq_vector(f->memory.scale, LQ_F32, 1);
    f->zero = lq_vector(f->memory.zero, LQ_S32, 1);
}

static void half_bytes(struct fixture *f) {
    f->scheme.base.code_type = LQ_U4;
    f->codes = lq_matrix(f->memory.codes, LQ_U4, 2, 6);
    f->memory.zero[0] = f->memory.zero[1] = 0;
}

static void backwards(struct fixture *f) {
    f->x.stride[1] = -1;
    f->x.offset = 4;
}

static void long_scheme(struct fixture *f) {
    f->scheme.base.struct_size = sizeof f->scheme;
}
static void long_exec(struct fixture *f) {
    f->exec.base.struct_size = sizeof f->exec;
}
static void long_report(struct fixture *f) {
    f->report.base.struct_size = sizeof f->report;
}
static void long_error(struct fixture *f) {
    f->error.base.struct_size = sizeof f->error;
}

/* Room for elements of any type, so that only the type is wrong. */
static void roomy(struct fixture *f) {
    f->x.size = sizeof f->memory.x;
    f->codes.size = sizeof f->memory.codes;
    f->scale.size = sizeof f->memory.scale;
    f->zero.size = sizeof f->memory.zero;
}

static void real_y_of_f64(struct fixture *f) {
    roomy(f);
    f->codes.type = LQ_F64;
}

/* Overlaps. */
static void codes_in_x(struct fixture *f) {
    f->codes.data = (uint8_t *)f->memory.x + 1;
}
static void codes_at_end_of_x(struct fixture *f) {
    f->codes.data = (uint8_t *)f->memory.x + 47;
}
static void codes_before_x(struct fixture *f) {
    f->x.data = f->memory.codes + 11;
    memset(f->memory.codes, 0, sizeof f->memory.codes);
}
static void codes_at_scale(struct fixture *f) {
    f->codes.data = f->memory.scale;
}

static void scale_at_x(struct fixture *f) {
    f->scale.data = f->memory.x;
}

static void without_zero(struct fixture *f) {
    f->zero_argument = NULL;
    f->scheme.base.qmin = 3;
}

static void codes_in_scale(struct fixture *f) {
    f->codes.data = (uint8_t *)f->memory.scale + 7;
}
static void codes_in_zero(struct fixture *f) {
    f->codes.data = (uint8_t *)f->memory.zero + 7;
}
static void scale_in_x(struct fixture *f) {
    f->scale.data = (uint8_t *)f->memory.x + 4;
}
static void zero_in_x(struct fixture *f) {
    f->zero.data = (uint8_t *)f->memory.x + 4;
}
static void zero_in_scale(struct fixture *f) {
    f->zero.data = (uint8_t *)f->memory.scale + 3;
}

static void sixteen_bits(struct fixture *f) {
    memset(f->memory.zero, 0, sizeof f->memory.zero);
    f->scheme.base.code_type = LQ_S16;
    f->x = lq_matrix(f->memory.x, LQ_F16, 2, 6);
    f->codes = lq_matrix(f->memory.x, LQ_S16, 2, 6);
}

static void other_strides(struct fixture *f) {
    sixteen_bits(f);
    f->codes.stride[0] = 1;
    f->codes.stride[1] = 2;
}

static void other_offset(struct fixture *f) {
    sixteen_bits(f);
    f->x.size = f->codes.size = 26;
    f->codes.offset = 1;
}

static void wider_in_place(struct fixture *f) {
    f->codes.data = f->memory.x;
}

static void wider_over_x(struct fixture *f) {
    f->x = lq_matrix(f->memory.x, LQ_BF16, 2, 6);
    f->codes = lq_matrix(f->memory.x, LQ_F32, 2, 6);
}

static void gaps_in_place(struct fixture *f) {
    f->x.size = sizeof f->memory.x;
    f->x.stride[0] = 7;
    f->codes.data = f->memory.x;
    f->codes.size = 13;
    f->codes.stride[0] = 7;
}

static void records_that_touch(struct fixture *f) {
    /* The scale of each row takes the four bytes before its codes, but for the last of them. */
    f->codes.data = f->memory.scale;
    f->codes.size = 32;
    f->codes.stride[0] = 12;
    f->codes.offset = 3;
    f->scale.size = 32;
    f->scale.stride[0] = 3;
    f->memory.scale[3] = 0x3f800000;
}

/* --------------------------------------------------------------- rows */

static const struct row rows[] = {
#include "status_rows.inc"
};

/* ------------------------------------------------------------- running */

static int blamed(int which, int who, int argument) {
    return ((who & X) && argument == calls[which].x) ||
           ((who & SCHEME) && argument == calls[which].scheme) ||
           ((who & SCALE) && argument == calls[which].scale) ||
           ((who & ZERO) && argument == calls[which].zero) ||
           ((who & CODES) && argument == calls[which].codes) ||
           ((who & EXEC) && argument == calls[which].exec) || ((who & OVERFLOW) && argument == 3) ||
           ((who & ERROR) && argument == calls[which].error);
}

static void change(struct fixture *f, const struct row *row) {
    if (row->change) row->change(f);
    if (row->width == 4) {
        uint32_t value = (uint32_t)row->value;
        memcpy((char *)f + row->field, &value, 4);
    } else if (row->width == 8) {
        memcpy((char *)f + row->field, &row->value, 8);
    }
}

static int run_row(const struct row *row, int which) {
    struct fixture f, before;
    lq_status status;
    int bad = 0;
    set_up(&f, calls[which].operation);
    change(&f, row);
    memcpy(&before, &f, sizeof f);
    status = call(&f, calls[which].operation);
    if (status != row->status) bad = 1;
    if (status != LQ_OK) {
        /* A refusal may write to the report and to nothing else. */
        if (memcmp(&f.memory, &before.memory, sizeof f.memory) != 0) bad = 2;
        if (memcmp(&f.error, &before.error, sizeof f.error) != 0) bad = 3;
        if (row->who == NOBODY) {
            if (memcmp(&f.report, &before.report, sizeof f.report) != 0) bad = 4;
        } else {
            if (!blamed(which, row->who, f.report.base.argument)) bad = 5;
            if (f.report.base.index != row->index) bad = 6;
            if (f.report.base.nan || f.report.base.infinite || f.report.base.clipped) bad = 7;
            if (f.report.base.overflowed || f.report.base.underflowed) bad = 8;
        }
    }
    if (bad)
        print_error("%s, %s: %s (%d, expected %d), argument %d, index %" PRId64 "%s\n",
                    calls[which].name, row->fault, lq_status_string(status), (int)status,
                    (int)row->status, (int)f.report.base.argument, f.report.base.index,
                    bad == 2 || bad == 3 ? ", outputs written" : "");
    return bad != 0;
}

static void test_rows(void **state) {
    int count = 0, bad = 0;
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; ++r) {
        for (int which = 0; which < CALLS; ++which) {
            if (!(rows[r].operations & calls[which].operation)) continue;
            bad += run_row(&rows[r], which);
            ++count;
        }
    }
    print_message("%d refusals and near misses of %zu kinds\n", count,
                  sizeof rows / sizeof rows[0]);
    assert_int_equal(bad, 0);
}

/* The same without a report to fill. */
static void test_without_report(void **state) {
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; ++r) {
        for (int which = 0; which < CALLS; ++which) {
            struct fixture f, before;
            if (!(rows[r].operations & calls[which].operation)) continue;
            if (rows[r].who == NOBODY) continue;
            set_up(&f, calls[which].operation);
            change(&f, &rows[r]);
            f.exec.base.report = NULL;
            memcpy(&before, &f, sizeof f);
            assert_int_equal(call(&f, calls[which].operation), rows[r].status);
            if (rows[r].status == LQ_OK) continue;
            assert_memory_equal(&f.memory, &before.memory, sizeof f.memory);
            assert_memory_equal(&f.report, &before.report, sizeof f.report);
        }
    }
}

/* ---------------------------------------------------------- trusted values */

static void trusted_values(struct fixture *f, uint32_t scale, int32_t zero) {
    for (int i = 0; i < 2; ++i) {
        f->memory.scale[i] = scale;
        f->memory.zero[i] = zero;
    }
    f->exec.base.flags = LQ_TRUSTED;
}

/* Unspecified codes, but defined behavior, and nothing outside the outputs. */
static void test_trusted(void **state) {
    static const uint32_t scales[] = {0,          0x80000000, 0x7f800000, 0xff800000,
                                      0x7fc00000, 0xbf800000, 1,          0x7f7fffff};
    static const int32_t zeros[] = {0, 255, 256, -1, INT32_MAX, INT32_MIN, 1 << 24};
    static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
    lq_cpu level = lq_cpu_level();
    (void)state;
    for (int i = 0; i < 4 * 8 * 7 * CALLS * 4; ++i) {
        int which = i / 4 % CALLS, operation = calls[which].operation;
        struct fixture f, before;
        if (!lq_cpu_available(levels[i / 4 / CALLS / 56])) continue;
        assert_int_equal(lq_cpu_use(levels[i / 4 / CALLS / 56]), LQ_OK);
        set_up(&f, operation);
        trusted_values(&f, scales[i / 4 / CALLS % 8], zeros[i / 4 / CALLS / 8 % 7]);
        if (i % 4 == 1) symmetric(&f);
        if (i % 4 == 2) f.memory.zero[1] = 7;
        if (i % 4 == 3) {
            f.x.stride[0] = 1;
            f.x.stride[1] = 2;
        }
        memcpy(&before, &f, sizeof f);
        assert_int_equal(call(&f, operation), LQ_OK);
        assert_memory_equal(f.memory.x + 12, before.memory.x + 12, 16);
        assert_memory_equal(f.memory.codes + f.codes.size, before.memory.codes + f.codes.size,
                            sizeof f.memory.codes - (size_t)f.codes.size);
        assert_memory_equal(f.memory.scale + 2, before.memory.scale + 2, 56);
        assert_memory_equal(f.memory.zero + 2, before.memory.zero + 2, 56);
    }
    assert_int_equal(lq_cpu_use(level), LQ_OK);
}

/* lq_pack_codes with LQ_TRUSTED keeps the low bits. */
static void test_trusted_pack(void **state) {
    static const uint8_t expected[3] = {0x21, 0x43, 0xf5};
    uint8_t bytes[6] = {0xf1, 0x12, 0x83, 0x14, 0x15, 0xff}, packed[4] = {9, 9, 9, 9};
    lq_tensor from = lq_vector(bytes, LQ_U8, 6), to = lq_vector(packed, LQ_U4, 6);
    lq_exec exec;
    (void)state;
    assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
    exec.flags = LQ_TRUSTED;
    assert_int_equal(lq_pack_codes(&from, &to, &exec), LQ_OK);
    assert_memory_equal(packed, expected, 3);
    assert_int_equal(packed[3], 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_without_report),
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_trusted_pack),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
