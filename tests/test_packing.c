/*
 * Packed matrices that are refused: descriptors, parts, values and overlaps, with what the report
 * says, and outputs as they were. Scales of two levels.
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

#include "libquant.h"

enum { R = 64, C = 96, BLOCKS = 3, BYTES = R * C / 2, CANARY = 0xa5 };

/* A matrix in GPTQ's layout, with everything that it has, its parts, and one like it. */
struct all {
    unsigned char codes[R * C], zero[R * BLOCKS];
    float scale[R * BLOCKS];
    unsigned char bytes[BYTES], zero_bytes[R * BLOCKS / 2];
    uint16_t packed_scale[R * BLOCKS];
    unsigned char other[BYTES], other_zero_bytes[R * BLOCKS / 2];
    float other_scale[R * BLOCKS];
    lq_tensor t[9]; /* of the above, in order */
    lq_parts parts;
    lq_packed packed, to;
    lq_exec exec;
    lq_report report;
};

enum { CODES, ZERO, SCALE, PACKED, ZEROS, HALVES, OTHER, OTHER_ZEROS, OTHER_SCALE };

static void start(struct all *a) {
    memset(a, 0, sizeof *a);
    for (int i = 0; i < R * C; ++i) a->codes[i] = (unsigned char)(i * 7 % 16);
    for (int i = 0; i < R * BLOCKS; ++i) a->zero[i] = (unsigned char)(i * 5 % 16);
    for (int i = 0; i < R * BLOCKS; ++i) a->scale[i] = (float)(i + 1) * 0.125f;
    lq_parts_init(&a->parts, sizeof a->parts);
    lq_packed_init(&a->packed, sizeof a->packed);
    lq_report_init(&a->report, sizeof a->report);
    lq_exec_init(&a->exec, sizeof a->exec);
    a->exec.report = &a->report;
    a->packed.layout = LQ_LAYOUT_GPTQ;
    a->packed.bits = 4;
    a->packed.rows = R;
    a->packed.columns = C;
    a->packed.block = 32;
    a->t[CODES] = lq_matrix(a->codes, LQ_U8, R, C);
    a->t[ZERO] = lq_matrix(a->zero, LQ_U8, R, BLOCKS);
    a->t[SCALE] = lq_matrix(a->scale, LQ_F32, R, BLOCKS);
    a->t[PACKED] = lq_vector(a->bytes, LQ_U8, BYTES);
    a->t[ZEROS] = lq_vector(a->zero_bytes, LQ_U8, R * BLOCKS / 2);
    a->t[HALVES] = lq_matrix(a->packed_scale, LQ_F16, R, BLOCKS);
    a->t[OTHER] = lq_vector(a->other, LQ_U8, BYTES);
    a->t[OTHER_ZEROS] = lq_vector(a->other_zero_bytes, LQ_U8, R * BLOCKS / 2);
    a->t[OTHER_SCALE] = lq_matrix(a->other_scale, LQ_F32, R, BLOCKS);
    a->parts.codes = &a->t[CODES];
    a->parts.zero_point = &a->t[ZERO];
    a->parts.scale = &a->t[SCALE];
    a->packed.bytes = &a->t[PACKED];
    a->packed.zero_bytes = &a->t[ZEROS];
    a->packed.scale = &a->t[HALVES];
    a->to = a->packed;
    a->to.layout = LQ_LAYOUT_AWQ;
    a->to.bytes = &a->t[OTHER];
    a->to.zero_bytes = &a->t[OTHER_ZEROS];
    a->to.scale = &a->t[OTHER_SCALE];
}

enum { PACK = 1, UNPACK = 2, REPACK = 4, BOTH = PACK | UNPACK, EACH = 7 };

typedef void change_fn(struct all *a);

struct row {
    const char *fault;
    int calls;
    change_fn *change;
    lq_status status;
    int argument[3]; /* of pack, unpack, repack */
    int64_t index;
};

/* One function each, as what is changed has no common form. */
#define CHANGE(name, ...)                                                                          \
    static void name(struct all *a) {                                                              \
        __VA_ARGS__;                                                                               \
    }
CHANGE(nothing, (void)a)
CHANGE(struct_size, a->packed.struct_size = 8)
CHANGE(reserved, a->packed.reserved = 1)
CHANGE(parts_size, a->parts.struct_size = sizeof a->parts - 1)
CHANGE(unknown_layout, a->packed.layout = 9)
CHANGE(negative_rows, a->packed.rows = -1)
CHANGE(negative_columns, a->packed.columns = INT64_MIN)
CHANGE(negative_block, a->packed.block = -32)
CHANGE(too_many, a->packed.rows = INT64_MAX; a->packed.columns = 32)
CHANGE(nearly_too_many, a->packed.rows = INT64_C(1) << 31; a->packed.columns = INT64_C(1) << 31)
CHANGE(huge_block, a->packed.block = INT64_MAX)
CHANGE(five_bits, a->packed.bits = 5)
CHANGE(no_bits, a->packed.bits = 0)
CHANGE(negative_bits, a->packed.bits = -4)
CHANGE(many_bits, a->packed.bits = 36)
CHANGE(odd_columns, a->packed.columns = C - 1)
CHANGE(a_type, a->packed.code_type = LQ_S8)
CHANGE(no_type, a->packed.code_type = 0x77)
CHANGE(real_type, a->packed.layout = LQ_LAYOUT_ROWS; a->packed.code_type = LQ_F32)
CHANGE(wide_type, a->packed.layout = LQ_LAYOUT_ROWS; a->packed.code_type = LQ_E4M3)
CHANGE(no_bytes, a->packed.bytes = NULL)
CHANGE(few_bytes, a->t[PACKED] = lq_vector(a->bytes, LQ_U8, BYTES - 1))
CHANGE(small_bytes, a->t[PACKED].size = BYTES - 1)
CHANGE(signed_bytes, a->t[PACKED].type = LQ_S8)
CHANGE(rows_of_bytes, a->t[PACKED] = lq_matrix(a->bytes, LQ_U8, R, C / 2))
CHANGE(bytes_apart, a->t[PACKED].stride[0] = 2; a->t[PACKED].size *= 2)
CHANGE(few_zero_bytes, a->t[ZEROS].shape[0] -= 1)
CHANGE(scale_shape, a->t[HALVES] = lq_matrix(a->packed_scale, LQ_F16, BLOCKS, R))
CHANGE(scale_rank, a->t[HALVES] = lq_vector(a->packed_scale, LQ_F16, R *BLOCKS))
CHANGE(scale_type, a->t[HALVES].type = LQ_S16)
CHANGE(double_scale, a->t[HALVES] = lq_matrix(a->bytes, LQ_F64, R, BLOCKS))
CHANGE(no_codes, a->parts.codes = NULL)
CHANGE(no_scale, a->parts.scale = NULL)
CHANGE(no_zero, a->parts.zero_point = NULL)
CHANGE(scale_homeless, a->packed.scale = NULL)
CHANGE(zeros_homeless, a->packed.zero_bytes = NULL)
CHANGE(codes_shape, a->t[CODES].shape[1] -= 1)
CHANGE(codes_rank, a->t[CODES] = lq_vector(a->codes, LQ_U8, R *C))
CHANGE(codes_wide, a->t[CODES].type = LQ_U16; a->t[CODES].shape[0] = R)
CHANGE(codes_real, a->t[CODES] = lq_matrix(a->codes, LQ_F32, R, C))
CHANGE(codes_float, a->t[CODES].type = LQ_E4M3)
CHANGE(codes_outside, a->t[CODES].size = R * C - 1)
CHANGE(codes_below, a->t[CODES].offset = -1)
CHANGE(zero_shape, a->t[ZERO].shape[1] = 1)
CHANGE(zero_real, a->t[ZERO] = lq_matrix(a->scale, LQ_F32, R, BLOCKS))
CHANGE(zero_sign, a->t[ZERO] = lq_matrix(a->zero, LQ_S4, R, BLOCKS))
CHANGE(zero_narrow, a->t[ZERO] = lq_matrix(a->zero, LQ_U2, R, BLOCKS))
CHANGE(codes_narrow, a->t[CODES] = lq_matrix(a->codes, LQ_U2, R, C))
CHANGE(super_scale, a->parts.super_scale = &a->t[SCALE])
CHANGE(a_sum, a->parts.sum = &a->t[SCALE])
CHANGE(code_16, a->codes[C + 5] = 16; a->codes[9 * C] = 255)
CHANGE(zero_16, a->zero[R + 1] = 16)
CHANGE(scale_third, a->scale[7] = 1.0f / 3)
CHANGE(scale_large, a->scale[190] = 65536.0f)
CHANGE(scale_nan, a->scale[0] = NAN)
CHANGE(onto_codes, a->t[PACKED].data = a->codes + R * C - 1; a->t[PACKED].size = BYTES)
CHANGE(onto_zeros, a->t[ZEROS].data = a->bytes)
CHANGE(onto_other, a->t[OTHER].data = a->bytes + 5)
CHANGE(other_shape, a->to.rows = R - 8)
CHANGE(other_block, a->to.block = 96; a->to.scale = a->to.zero_bytes = NULL;
       a->packed.scale = a->packed.zero_bytes = NULL)
CHANGE(other_scale, a->to.scale = NULL)
CHANGE(other_bits, a->to.layout = LQ_LAYOUT_ROWS; a->to.bits = 9)
CHANGE(elements_meet, a->t[CODES].stride[0] = 0)
CHANGE(bad_flags, a->exec.flags = 6)

static const struct row rows[] = {
    {"none", EACH, nothing, LQ_OK, {0, 0, 0}, -1},
    {"size of packed", EACH, struct_size, LQ_ERROR_STRUCT, {2, 1, 1}, -1},
    {"reserved", EACH, reserved, LQ_ERROR_STRUCT, {2, 1, 1}, -1},
    {"size of parts", BOTH, parts_size, LQ_ERROR_STRUCT, {1, 2, 0}, -1},
    {"layout", EACH, unknown_layout, LQ_ERROR_ENUM, {2, 1, 1}, -1},
    {"rows below 0", EACH, negative_rows, LQ_ERROR_SHAPE, {2, 1, 1}, -1},
    {"columns below 0", EACH, negative_columns, LQ_ERROR_SHAPE, {2, 1, 1}, -1},
    {"block below 0", EACH, negative_block, LQ_ERROR_SHAPE, {2, 1, 1}, -1},
    {"too many elements", EACH, too_many, LQ_ERROR_OVERFLOW, {2, 1, 1}, -1},
    {"2^62 elements", EACH, nearly_too_many, LQ_ERROR_OVERFLOW, {2, 1, 1}, -1},
    {"a block beyond all", EACH, huge_block, LQ_ERROR_OVERFLOW, {2, 1, 1}, -1},
    {"5 bits", EACH, five_bits, LQ_ERROR_LAYOUT, {2, 1, 1}, -1},
    {"0 bits", EACH, no_bits, LQ_ERROR_LAYOUT, {2, 1, 1}, -1},
    {"-4 bits", EACH, negative_bits, LQ_ERROR_LAYOUT, {2, 1, 1}, -1},
    {"36 bits", EACH, many_bits, LQ_ERROR_LAYOUT, {2, 1, 1}, -1},
    {"odd columns", EACH, odd_columns, LQ_ERROR_LAYOUT, {2, 1, 1}, -1},
    {"a type of codes", EACH, a_type, LQ_ERROR_LAYOUT, {2, 1, 1}, -1},
    {"an unknown type of codes", EACH, no_type, LQ_ERROR_TYPE, {2, 1, 1}, -1},
    {"real codes", EACH, real_type, LQ_ERROR_TYPE, {2, 1, 1}, -1},
    {"8 bits in 4", EACH, wide_type, LQ_ERROR_LAYOUT, {2, 1, 1}, -1},
    {"no bytes", EACH, no_bytes, LQ_ERROR_NULL, {2, 1, 1}, -1},
    {"a byte less", EACH, few_bytes, LQ_ERROR_SHAPE, {2, 1, 1}, -1},
    {"a byte outside", EACH, small_bytes, LQ_ERROR_SIZE, {2, 1, 1}, -1},
    {"signed bytes", EACH, signed_bytes, LQ_ERROR_TYPE, {2, 1, 1}, -1},
    {"rows of bytes", EACH, rows_of_bytes, LQ_ERROR_RANK, {2, 1, 1}, -1},
    {"bytes apart", EACH, bytes_apart, LQ_ERROR_STRIDE, {2, 1, 1}, -1},
    {"bytes of zero points", EACH, few_zero_bytes, LQ_ERROR_SHAPE, {2, 1, 1}, -1},
    {"shape of packed scales", EACH, scale_shape, LQ_ERROR_GRID, {2, 1, 1}, -1},
    {"rank of packed scales", EACH, scale_rank, LQ_ERROR_GRID, {2, 1, 1}, -1},
    {"type of packed scales", EACH, scale_type, LQ_ERROR_TYPE, {2, 1, 1}, -1},
    {"doubles as scales", EACH, double_scale, LQ_ERROR_TYPE, {2, 1, 1}, -1},
    {"no codes", PACK, no_codes, LQ_ERROR_NULL, {1, 0, 0}, -1},
    {"no codes wanted", UNPACK, no_codes, LQ_OK, {0, 0, 0}, -1},
    {"no scales", PACK, no_scale, LQ_ERROR_NULL, {1, 0, 0}, -1},
    {"no scales wanted", UNPACK, no_scale, LQ_OK, {0, 0, 0}, -1},
    {"no zero points", PACK, no_zero, LQ_ERROR_NULL, {1, 0, 0}, -1},
    {"no zero points wanted", UNPACK, no_zero, LQ_OK, {0, 0, 0}, -1},
    {"scales without a place", BOTH, scale_homeless, LQ_ERROR_LAYOUT, {1, 2, 0}, -1},
    {"scales on one side", REPACK, scale_homeless, LQ_ERROR_LAYOUT, {0, 0, 2}, -1},
    {"zero points without a place", BOTH, zeros_homeless, LQ_ERROR_LAYOUT, {1, 2, 0}, -1},
    {"zero points to be made", REPACK, zeros_homeless, LQ_OK, {0, 0, 0}, -1},
    {"shape of codes", BOTH, codes_shape, LQ_ERROR_SHAPE, {1, 2, 0}, -1},
    {"rank of codes", BOTH, codes_rank, LQ_ERROR_SHAPE, {1, 2, 0}, -1},
    {"codes of 16 bits", BOTH, codes_wide, LQ_ERROR_SIZE, {1, 2, 0}, -1},
    {"codes of another float", BOTH, codes_float, LQ_ERROR_TYPE, {1, 2, 0}, -1},
    {"real codes", BOTH, codes_real, LQ_ERROR_TYPE, {1, 2, 0}, -1},
    {"codes outside", BOTH, codes_outside, LQ_ERROR_SIZE, {1, 2, 0}, -1},
    {"codes before their data", BOTH, codes_below, LQ_ERROR_SIZE, {1, 2, 0}, -1},
    {"codes that meet", UNPACK, elements_meet, LQ_ERROR_STRIDE, {0, 2, 0}, -1},
    {"shape of zero points", BOTH, zero_shape, LQ_ERROR_GRID, {1, 2, 0}, -1},
    {"real zero points", BOTH, zero_real, LQ_ERROR_TYPE, {1, 2, 0}, -1},
    {"zero points of the other sign", BOTH, zero_sign, LQ_ERROR_TYPE, {1, 2, 0}, -1},
    {"narrow zero points", UNPACK, zero_narrow, LQ_ERROR_TYPE, {0, 2, 0}, -1},
    {"narrow codes", UNPACK, codes_narrow, LQ_ERROR_TYPE, {0, 2, 0}, -1},
    {"narrow codes that fit", PACK, codes_narrow, LQ_OK, {0, 0, 0}, -1},
    {"super-scales", BOTH, super_scale, LQ_ERROR_LAYOUT, {1, 2, 0}, -1},
    {"sums", BOTH, a_sum, LQ_ERROR_LAYOUT, {1, 2, 0}, -1},
    {"a code of 16", PACK, code_16, LQ_ERROR_CODE, {1, 0, 0}, C + 5},
    {"a zero point of 16", PACK, zero_16, LQ_ERROR_CODE, {1, 0, 0}, R + 1},
    {"a scale of a third", PACK, scale_third, LQ_ERROR_INEXACT, {1, 0, 0}, 7},
    {"a scale beyond F16", PACK, scale_large, LQ_ERROR_INEXACT, {1, 0, 0}, 190},
    {"a scale that is NaN", PACK, scale_nan, LQ_ERROR_INEXACT, {1, 0, 0}, 0},
    {"bytes upon codes", PACK, onto_codes, LQ_ERROR_OVERLAP, {2, 0, 0}, -1},
    {"codes upon bytes", UNPACK, onto_codes, LQ_ERROR_OVERLAP, {0, 2, 0}, -1},
    {"outputs upon each other", PACK, onto_zeros, LQ_ERROR_OVERLAP, {2, 0, 0}, -1},
    {"inputs upon each other", UNPACK | REPACK, onto_zeros, LQ_OK, {0, 0, 0}, -1},
    {"bytes upon bytes", REPACK, onto_other, LQ_ERROR_OVERLAP, {0, 0, 2}, -1},
    {"another shape", REPACK, other_shape, LQ_ERROR_SHAPE, {0, 0, 2}, -1},
    {"other blocks", REPACK, other_block, LQ_ERROR_LAYOUT, {0, 0, 2}, -1},
    {"no scales there", REPACK, other_scale, LQ_ERROR_LAYOUT, {0, 0, 2}, -1},
    {"9 bits", REPACK, other_bits, LQ_ERROR_LAYOUT, {0, 0, 2}, -1},
    {"flags", EACH, bad_flags, LQ_ERROR_ENUM, {3, 3, 3}, -1},
};

static lq_status call(struct all *a, int which) {
    if (which == 0) return lq_pack(&a->parts, &a->packed, &a->exec);
    if (which == 1) return lq_unpack(&a->packed, &a->parts, &a->exec);
    return lq_repack(&a->packed, &a->to, &a->exec);
}

/* Everything but the descriptors is compared, inputs too. */
static int run_row(const struct row *row, int which) {
    static struct all a, before;
    start(&a);
    if (which > 0) assert_int_equal(lq_pack(&a.parts, &a.packed, NULL), LQ_OK);
    row->change(&a);
    before = a;
    const lq_status status = call(&a, which);
    const int argument = row->argument[which];
    int bad =
        status != row->status || a.report.argument != argument || a.report.index != row->index;
    if (status) bad |= memcmp(&a, &before, offsetof(struct all, t)) != 0 ? 2 : 0;
    if (!bad) return 0;
    print_message("%s, call %d: %s (expected %s), argument %d, index %" PRId64 "%s\n", row->fault,
                  which, lq_status_string(status), lq_status_string(row->status),
                  (int)a.report.argument, a.report.index, bad & 2 ? ", written" : "");
    return 1;
}

static void test_rows(void **state) {
    int bad = 0, count = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        for (int which = 0; which < 3; ++which) {
            if (!(rows[i].calls >> which & 1)) continue;
            bad += run_row(&rows[i], which);
            ++count;
        }
    }
    print_message("%d refusals and near misses\n", count);
    assert_int_equal(bad, 0);
}

/* Codes that are vouched for are cut to their bits, scales are not believed. */
static void test_trusted(void **state) {
    static struct all a;
    (void)state;
    start(&a);
    a.exec.flags = LQ_TRUSTED;
    a.codes[3] = 255;
    a.zero[1] = 200;
    assert_int_equal(call(&a, 0), LQ_OK);
    a.scale[2] = 1.0f / 3;
    assert_int_equal(call(&a, 0), LQ_ERROR_INEXACT);
    assert_int_equal(a.report.index, 2);
    assert_int_equal(lq_pack(NULL, &a.packed, &a.exec), LQ_ERROR_NULL);
    assert_int_equal(a.report.argument, 1);
    assert_int_equal(lq_pack(&a.parts, NULL, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_unpack(NULL, &a.parts, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_unpack(&a.packed, NULL, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_repack(&a.packed, NULL, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_parts_init(NULL, sizeof a.parts), LQ_ERROR_NULL);
    assert_int_equal(lq_packed_init(&a.packed, 3), LQ_ERROR_STRUCT);
}

/* What another layout does not hold. */
static void test_repack_values(void **state) {
    static struct all a;
    static unsigned char records[R * C / 32 * 18];
    (void)state;
    start(&a);
    assert_int_equal(call(&a, 0), LQ_OK);
    /* Zero points that are not all in the middle. */
    a.to.zero_bytes = NULL;
    a.exec.flags = LQ_TRUSTED;
    assert_int_equal(call(&a, 2), LQ_ERROR_CODE);
    assert_int_equal(a.report.argument, 1);
    assert_int_equal(a.report.index, 0);
    memset(a.zero, 8, sizeof a.zero);
    a.zero[100] = 9;
    assert_int_equal(call(&a, 0), LQ_OK);
    assert_int_equal(call(&a, 2), LQ_ERROR_CODE);
    assert_int_equal(a.report.index, 100);
    a.zero[100] = 8;
    assert_int_equal(call(&a, 0), LQ_OK);
    assert_int_equal(call(&a, 2), LQ_OK);
    /* Records: of the same scales, of others, with minimums, of floats. */
    lq_tensor bytes = lq_vector(records, LQ_U8, R * C / 32 * 18);
    lq_packed q;
    lq_packed_init(&q, sizeof q);
    q.layout = LQ_LAYOUT_GGML_Q4_0;
    q.rows = R;
    q.columns = C;
    q.bytes = &bytes;
    a.exec.flags = 0;
    assert_int_equal(lq_repack(&a.packed, &q, &a.exec), LQ_OK);
    assert_int_equal(lq_repack(&q, &a.packed, &a.exec), LQ_OK);
    a.packed_scale[17] = 0x7e01; /* the bits of F16 scales stay, NaN or not */
    assert_int_equal(lq_repack(&a.packed, &q, &a.exec), LQ_OK);
    a.packed_scale[17] = 0;
    assert_int_equal(lq_repack(&q, &a.packed, &a.exec), LQ_OK);
    assert_int_equal(a.packed_scale[17], 0x7e01);
    a.packed.scale = &a.t[SCALE];
    assert_int_equal(lq_repack(&q, &a.packed, &a.exec), LQ_ERROR_INEXACT);
    assert_int_equal(a.report.index, 17);
    a.packed.scale = &a.t[HALVES];
    lq_packed narrow = a.packed;
    narrow.bits = 3;
    narrow.layout = LQ_LAYOUT_ROWS;
    narrow.zero_bytes = NULL;
    narrow.scale = &a.t[OTHER_SCALE];
    bytes = lq_vector(a.codes, LQ_U8, R * C * 3 / 8);
    narrow.bytes = &bytes;
    assert_int_equal(lq_repack(&a.packed, &narrow, &a.exec), LQ_ERROR_CODE);
    narrow.bits = 4;
    narrow.code_type = LQ_E2M1;
    bytes = lq_vector(records, LQ_U8, R * C / 2);
    assert_int_equal(lq_repack(&a.packed, &narrow, &a.exec), LQ_ERROR_LAYOUT);
    a.packed.zero_bytes = NULL;
    assert_int_equal(lq_repack(&a.packed, &narrow, &a.exec), LQ_ERROR_INEXACT);
    a.packed_scale[17] = 0;
    assert_int_equal(lq_repack(&a.packed, &narrow, &a.exec), LQ_OK);
}

/* Which records go together. */
static void test_kinds(void **state) {
    static const struct {
        lq_layout from, to;
        lq_status status;
    } pairs[] = {
        {LQ_LAYOUT_GGML_Q4_0, LQ_LAYOUT_GGML_Q5_0, LQ_OK},
        {LQ_LAYOUT_GGML_Q4_0, LQ_LAYOUT_GGML_Q8_0, LQ_OK},
        {LQ_LAYOUT_GGML_Q4_1, LQ_LAYOUT_GGML_Q5_1, LQ_OK},
        {LQ_LAYOUT_GGML_Q4_K, LQ_LAYOUT_GGML_Q5_K, LQ_OK},
        {LQ_LAYOUT_GGML_TQ1_0, LQ_LAYOUT_GGML_TQ2_0, LQ_OK},
        {LQ_LAYOUT_GGML_Q4_0, LQ_LAYOUT_GGML_IQ4_NL, LQ_ERROR_LAYOUT},
        {LQ_LAYOUT_GGML_Q4_0, LQ_LAYOUT_GGML_Q4_1, LQ_ERROR_LAYOUT},
        {LQ_LAYOUT_GGML_Q8_0, LQ_LAYOUT_GGML_Q8_1, LQ_ERROR_LAYOUT},
        {LQ_LAYOUT_GGML_Q4_0, LQ_LAYOUT_GGML_MXFP4, LQ_ERROR_LAYOUT},
        {LQ_LAYOUT_GGML_MXFP4, LQ_LAYOUT_GGML_NVFP4, LQ_ERROR_LAYOUT},
        {LQ_LAYOUT_GGML_Q4_K, LQ_LAYOUT_GGML_Q6_K, LQ_ERROR_LAYOUT},
        {LQ_LAYOUT_GGML_IQ4_NL, LQ_LAYOUT_GGML_IQ4_XS, LQ_ERROR_LAYOUT},
    };
    static unsigned char from[4096], to[4096];
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; ++i) {
        lq_packed a, b;
        int64_t n, m;
        lq_packed_init(&a, sizeof a);
        a.layout = pairs[i].from;
        a.rows = 2;
        a.columns = 512;
        b = a;
        b.layout = pairs[i].to;
        assert_int_equal(lq_packed_size(&a, &n, NULL), LQ_OK);
        assert_int_equal(lq_packed_size(&b, &m, NULL), LQ_OK);
        const lq_tensor source = lq_vector(from, LQ_U8, n), target = lq_vector(to, LQ_U8, m);
        a.bytes = &source;
        b.bytes = &target;
        if (lq_repack(&a, &b, NULL) != pairs[i].status) fail_msg("pair %zu", i);
    }
    /* Rows that are no whole records. */
    lq_packed q;
    int64_t n = -7;
    lq_packed_init(&q, sizeof q);
    q.layout = LQ_LAYOUT_GGML_Q4_K;
    q.rows = 1;
    q.columns = 255;
    assert_int_equal(lq_packed_size(&q, &n, NULL), LQ_ERROR_LAYOUT);
    assert_int_equal(n, -7);
    q.columns = 256;
    q.block = 16;
    assert_int_equal(lq_packed_size(&q, &n, NULL), LQ_ERROR_LAYOUT);
    q.block = 32;
    assert_int_equal(lq_packed_size(&q, &n, NULL), LQ_OK);
    assert_int_equal(n, 144);
    q.rows = INT64_MAX;
    assert_int_equal(lq_packed_size(&q, &n, NULL), LQ_ERROR_OVERFLOW);
    q.rows = 0;
    assert_int_equal(lq_packed_size(&q, &n, NULL), LQ_OK);
    assert_int_equal(n, 0);
}

/* Matrices without elements have no bytes, and need no memory. */
static void test_empty(void **state) {
    (void)state;
    for (lq_layout layout = 1; layout < 512; ++layout) {
        if (!lq_layout_name(layout)) continue;
        for (int i = 0; i < 4; ++i) {
            const int64_t height = i & 1 ? 96 : 0, width = i & 2 ? 512 : 0;
            lq_layout_info info;
            lq_packed p;
            lq_parts q;
            int64_t n = -1;
            if (i == 3) continue;
            assert_int_equal(lq_layout_describe(layout, &info, sizeof info), LQ_OK);
            lq_packed_init(&p, sizeof p);
            lq_parts_init(&q, sizeof q);
            p.layout = layout;
            p.bits = info.bits ? info.bits : 4;
            p.rows = height;
            p.columns = width;
            p.block = info.records ? 0 : 32;
            assert_int_equal(lq_packed_size(&p, &n, NULL), LQ_OK);
            assert_int_equal(n, 0);
            const lq_tensor bytes = lq_vector(NULL, LQ_U8, 0);
            const lq_tensor codes = lq_matrix(NULL, LQ_U8, height, width);
            const lq_tensor scale = lq_matrix(NULL, LQ_F32, height, width / 32);
            const lq_tensor half = lq_matrix(NULL, LQ_F16, height, width / 32);
            p.bytes = &bytes;
            q.codes = &codes;
            if (!info.records) {
                p.scale = &half;
                q.scale = &scale;
                assert_int_equal(lq_pack(&q, &p, NULL), LQ_OK);
            }
            assert_int_equal(lq_unpack(&p, &q, NULL), LQ_OK);
            assert_int_equal(lq_repack(&p, &p, NULL), LQ_OK);
        }
    }
}

/* Two levels of scales, and one. */
static void test_parameters(void **state) {
    static const uint16_t super[2] = {0x3c00, 0xb800}, super_zero[2] = {0x4000, 0x7e00};
    static unsigned char scales[32], zeros[32];
    float scale[32], zero[32];
    const lq_tensor s = lq_matrix(scales, LQ_U8, 2, 8), z = lq_matrix(zeros, LQ_U8, 2, 8);
    const lq_tensor ss = lq_matrix(super, LQ_F16, 2, 1), sz = lq_matrix(super_zero, LQ_F16, 2, 1);
    const lq_tensor to = lq_matrix(scale, LQ_F32, 2, 8), to_zero = lq_matrix(zero, LQ_F32, 2, 8);
    lq_parts parts;
    (void)state;
    for (int i = 0; i < 32; ++i) scales[i] = (unsigned char)i, zeros[i] = (unsigned char)(3 * i);
    lq_parts_init(&parts, sizeof parts);
    parts.scale = &s;
    parts.zero_point = &z;
    parts.super_scale = &ss;
    parts.super_zero_point = &sz;
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GGML_Q4_K, &to, &to_zero, NULL), LQ_OK);
    for (int i = 0; i < 16; ++i) {
        const float expected = i < 8 ? (float)i : -0.5f * (float)i;
        uint32_t bits;
        assert_true(scale[i] == expected);
        memcpy(&bits, zero + i, 4);
        if (i < 8) assert_true(zero[i] == -6.0f * (float)i);
        if (i >= 8) assert_int_equal(bits, 0x7fc00000);
    }
    assert_int_equal(lq_parts_parameters(&parts, 99, &to, NULL, NULL), LQ_ERROR_ENUM);
    assert_int_equal(lq_parts_parameters(NULL, LQ_LAYOUT_ROWS, &to, NULL, NULL), LQ_ERROR_NULL);
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GGML_Q4_K, NULL, NULL, NULL),
                     LQ_ERROR_NULL);
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GGML_Q4_K, &to, &to, NULL),
                     LQ_ERROR_OVERLAP);
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GGML_Q4_K, &s, NULL, NULL),
                     LQ_ERROR_TYPE);
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GGML_Q6_K, &to, NULL, NULL),
                     LQ_ERROR_TYPE);
    parts.super_scale = NULL;
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GGML_Q4_K, &to, NULL, NULL),
                     LQ_ERROR_NULL);
    parts.super_zero_point = NULL;
    const lq_tensor half = lq_matrix(super, LQ_F16, 2, 1), one = lq_matrix(scale, LQ_F32, 2, 1);
    parts.scale = &half;
    parts.zero_point = NULL;
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GGML_Q4_0, &one, NULL, NULL), LQ_OK);
    assert_true(scale[0] == 1.0f && scale[1] == -0.5f);
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GGML_Q4_0, &one, &to_zero, NULL),
                     LQ_ERROR_LAYOUT);
    assert_int_equal(lq_parts_parameters(&parts, LQ_LAYOUT_GPTQ, &one, NULL, NULL), LQ_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),       cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_kinds),      cmocka_unit_test(test_repack_values),
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
