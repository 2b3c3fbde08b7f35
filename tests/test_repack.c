/*
 * lq_repack between layouts that hold the same: of codes against the oracle bit by bit, of records
 * against what lq_unpack says is in them. Records through parts of any strides and types. Tasks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layout_oracle.h"
#include "pools.h"
#include "random_views.h"

enum { MOST = 1 << 21, CANARY = 0xa5 };

static struct random_state source = {20240229};

static unsigned char *new_bytes(int64_t n, int fill) {
    unsigned char *p = malloc((size_t)n + 1);
    if (!p) abort();
    memset(p, fill, (size_t)n + 1);
    return p;
}

static unsigned char *noise(int64_t n) {
    unsigned char *p = new_bytes(n, 0);
    for (int64_t i = 0; i < n; ++i) p[i] = (unsigned char)(random_bits(&source) & 255u);
    return p;
}

/* A packed matrix with memory of its own. */
struct matrix {
    lq_packed packed;
    lq_tensor bytes, zero_bytes, scale;
    unsigned char *memory, *zero_memory, *scale_memory;
    int64_t size, zero_size, blocks;
};

static int make(struct matrix *m, lq_layout layout, int bits, int64_t rows, int64_t columns,
                int64_t block, int has_zeros, lq_type scale) {
    memset(m, 0, sizeof *m);
    lq_packed_init(&m->packed, sizeof m->packed);
    m->packed.layout = layout;
    m->packed.bits = bits;
    m->packed.rows = rows;
    m->packed.columns = columns;
    m->packed.block = block;
    if (lq_packed_size(&m->packed, &m->size, has_zeros ? &m->zero_size : NULL)) return 0;
    if (has_zeros && m->zero_size == 0) return 0;
    m->blocks = (columns + block - 1) / block;
    m->memory = new_bytes(m->size, CANARY);
    m->bytes = lq_vector(m->memory, LQ_U8, m->size);
    m->packed.bytes = &m->bytes;
    if (has_zeros) {
        m->zero_memory = new_bytes(m->zero_size, CANARY);
        m->zero_bytes = lq_vector(m->zero_memory, LQ_U8, m->zero_size);
        m->packed.zero_bytes = &m->zero_bytes;
    }
    if (scale) {
        m->scale_memory = new_bytes(rows * m->blocks * 4, 0);
        m->scale = lq_matrix(m->scale_memory, scale, rows, m->blocks);
        m->packed.scale = &m->scale;
    }
    return 1;
}

static void drop(struct matrix *m) {
    if (m->memory) assert_int_equal(m->memory[m->size], CANARY);
    free(m->memory);
    free(m->zero_memory);
    free(m->scale_memory);
}

static int same_bytes(const struct matrix *a, const struct matrix *b) {
    if (memcmp(a->memory, b->memory, (size_t)a->size) != 0) return 0;
    return !a->zero_memory || memcmp(a->zero_memory, b->zero_memory, (size_t)a->zero_size) == 0;
}

/* ------------------------------------------------------------- layouts of codes */

/* Numbers around a middle: what is `low` bits wide in one layout, in another of `bits`. */
struct numbers {
    int bits, low, zeros, bias;
    uint64_t seed;
};

static uint32_t field_at(const void *context, int64_t row, int64_t column) {
    const struct numbers *n = context;
    struct random_state r = {n->seed + (uint64_t)(row * 65536 + column * 2 + (n->zeros > 0))};
    const int64_t half = 1 << (n->low - 1);
    const int64_t v = n->zeros < 0 ? 0 : random_in(&r, -half, half - 1);
    return (uint32_t)(v + (1 << (n->bits - 1)) + n->bias) & ((1u << n->bits) - 1u);
}

static void fill(const struct matrix *m, int low, int middle_zeros, uint64_t seed) {
    const struct layout_case c = {m->packed.layout, m->packed.bits, m->packed.rows,
                                  m->packed.columns, m->packed.block};
    struct numbers n = {c.bits, low, 0, 0, seed};
    layout_fill(&c, 0, field_at, &n, m->memory, layout_row_bytes(&c));
    n.zeros = middle_zeros ? -1 : 1;
    n.bias = c.layout == LQ_LAYOUT_GPTQ ? -1 : 0;
    if (m->zero_memory) layout_fill(&c, 1, field_at, &n, m->zero_memory, 0);
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

static int repack_pair(lq_layout a, int a_bits, lq_layout b, int b_bits, int zeros) {
    const int64_t rows = zeros == 0 && b != LQ_LAYOUT_AWQ && a != LQ_LAYOUT_AWQ ? 18 : 96;
    const int64_t columns = random_one_in(&source, 2) ? 320 : 64, block = 32;
    const uint64_t seed = random_bits(&source);
    const int low = smaller(a_bits, b_bits), middle = zeros == 1 || zeros == 2;
    struct matrix from, expected, to, back;
    int made = make(&from, a, a_bits, rows, columns, block, zeros & 1, LQ_F32);
    made &= make(&expected, b, b_bits, rows, columns, block, zeros & 2, LQ_F16);
    made &= make(&to, b, b_bits, rows, columns, block, zeros & 2, LQ_F16);
    made &= make(&back, a, a_bits, rows, columns, block, zeros & 1, LQ_BF16);
    if (made) {
        float *scale = (float *)(void *)from.scale_memory;
        for (int64_t i = 0; i < rows * from.blocks; ++i) scale[i] = (float)(i % 37 - 20) * 0.25f;
        fill(&from, low, middle, seed);
        fill(&expected, low, middle, seed);
        assert_int_equal(lq_repack(&from.packed, &to.packed, NULL), LQ_OK);
        if (!same_bytes(&expected, &to)) {
            fail_msg("%s, %d bits, to %s, %d bits", lq_layout_name(a), a_bits, lq_layout_name(b),
                     b_bits);
        }
        assert_int_equal(lq_repack(&to.packed, &back.packed, NULL), LQ_OK);
        assert_true(same_bytes(&from, &back));
        for (int64_t i = 0; i < rows * from.blocks; ++i) {
            uint16_t bits;
            uint32_t wide;
            memcpy(&bits, back.scale_memory + i * 2, 2);
            memcpy(&wide, scale + i, 4);
            assert_int_equal((uint32_t)bits << 16, wide);
        }
    }
    drop(&from);
    drop(&expected);
    drop(&to);
    drop(&back);
    return made;
}

static void test_codes(void **state) {
    int count = 0;
    (void)state;
    for (lq_layout a = LQ_LAYOUT_ROWS; a <= LQ_LAYOUT_HQQ; ++a) {
        for (lq_layout b = LQ_LAYOUT_ROWS; b <= LQ_LAYOUT_HQQ; ++b) {
            for (int a_bits = 1; a_bits <= 8; ++a_bits) {
                for (int b_bits = 1; b_bits <= 8; ++b_bits) {
                    count += repack_pair(a, a_bits, b, b_bits, (a_bits * 3 + b_bits) % 4);
                }
            }
            for (int zeros = 0; zeros < 4; ++zeros) count += repack_pair(a, 4, b, 4, zeros);
        }
    }
    print_message("%d pairs\n", count);
    assert_true(count > 700);
}

/* --------------------------------------------------------------------- records */

/* The parts of a matrix of records, contiguous, or with room between and backwards. */
struct record_parts {
    lq_parts parts;
    lq_tensor tensor[6];
    unsigned char *memory[6];
};

static lq_tensor any_view(unsigned char *memory, lq_type type, int64_t rows, int64_t n,
                          int strided) {
    lq_tensor t = lq_matrix(memory, type, rows, n);
    if (!strided) return t;
    t.stride[0] = 3 * n + 1;
    t.stride[1] = -3;
    t.offset = 3 * n;
    t.size = ((t.offset + (rows - 1) * t.stride[0] + 1) * (type & 0xff) + 7) / 8;
    return t;
}

static void make_parts(struct record_parts *p, const lq_layout_info *info, lq_type code_type,
                       int64_t rows, int64_t columns, int strided) {
    const lq_type type[6] = {code_type,
                             info->scale_type,
                             info->zero_type,
                             info->super_scale_type,
                             info->super_zero_type,
                             info->sum_type};
    const int64_t span[6] = {
        1, info->block, info->block, info->record, info->record, info->sum_block};
    const lq_tensor **place[6] = {&p->parts.codes,
                                  &p->parts.scale,
                                  &p->parts.zero_point,
                                  &p->parts.super_scale,
                                  &p->parts.super_zero_point,
                                  &p->parts.sum};
    memset(p, 0, sizeof *p);
    lq_parts_init(&p->parts, sizeof p->parts);
    for (int k = 0; k < 6; ++k) {
        if (!type[k]) continue;
        const int64_t n = columns / span[k];
        p->memory[k] = new_bytes((3 * n + 1) * (rows + 1) * 4, CANARY);
        p->tensor[k] = any_view(p->memory[k], type[k], rows, n, strided);
        *place[k] = &p->tensor[k];
    }
}

static void drop_parts(struct record_parts *p) {
    for (int k = 0; k < 6; ++k) free(p->memory[k]);
}

static lq_type byte_type(lq_type code_type) {
    return code_type == LQ_E2M1 ? LQ_U8 : code_type;
}

/* Random records whose padding, if any, is what packing makes of it. */
static void make_records(struct matrix *m, lq_layout layout, const lq_layout_info *info,
                         int64_t rows, int64_t columns) {
    struct record_parts p;
    assert_true(make(m, layout, 0, rows, columns, info->block, 0, 0));
    unsigned char *random = noise(m->size);
    memcpy(m->memory, random, (size_t)m->size);
    make_parts(&p, info, byte_type(info->code_type), rows, columns, 0);
    assert_int_equal(lq_unpack(&m->packed, &p.parts, NULL), LQ_OK);
    assert_int_equal(lq_pack(&p.parts, &m->packed, NULL), LQ_OK);
    if (layout != LQ_LAYOUT_GGML_TQ1_0) assert_memory_equal(m->memory, random, (size_t)m->size);
    drop_parts(&p);
    free(random);
}

static int64_t element(const lq_tensor *t, int64_t row, int64_t column) {
    const int64_t bits = t->type & 0xff;
    const int64_t at = (t->offset + row * t->stride[0] + column * t->stride[1]) * bits;
    const unsigned char *p = (const unsigned char *)t->data + at / 8;
    int64_t v = 0;
    if (bits < 8) return p[0] >> at % 8 & ((1 << bits) - 1);
    if (bits == 8) return p[0];
    memcpy(&v, p, (size_t)bits / 8); /* for comparison alone, in whichever order */
    return v;
}

/* Parts of any strides are the same values, and make the same bytes. */
static void run_records(lq_layout layout, const lq_layout_info *info) {
    const int64_t rows = 5, columns = info->record * (4096 / info->record + 3);
    const int nibbles = info->bits == 4;
    struct matrix m, again;
    struct record_parts plain, strided, other;
    make_records(&m, layout, info, rows, columns);
    assert_true(make(&again, layout, 0, rows, columns, info->block, 0, 0));
    const lq_type byte = byte_type(info->code_type);
    const lq_type flipped = info->code_type == LQ_E2M1 ? LQ_E2M1 : byte == LQ_S8 ? LQ_U8 : LQ_S8;
    const lq_type packed = !nibbles ? flipped : flipped == LQ_S8 ? LQ_S4 : LQ_U4;
    make_parts(&plain, info, byte, rows, columns, 0);
    make_parts(&strided, info, byte, rows, columns, 1);
    make_parts(&other, info, info->code_type == LQ_E2M1 ? LQ_E2M1 : packed, rows, columns, 1);
    assert_int_equal(lq_unpack(&m.packed, &plain.parts, NULL), LQ_OK);
    assert_int_equal(lq_unpack(&m.packed, &strided.parts, NULL), LQ_OK);
    assert_int_equal(lq_unpack(&m.packed, &other.parts, NULL), LQ_OK);
    for (int k = 0; k < 6; ++k) {
        if (!plain.memory[k]) continue;
        for (int64_t r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < plain.tensor[k].shape[1]; ++c) {
                const int64_t v = element(&plain.tensor[k], r, c);
                assert_int_equal(v, element(&strided.tensor[k], r, c));
                if (k > 0) assert_int_equal(v, element(&other.tensor[k], r, c));
            }
        }
    }
    assert_int_equal(lq_pack(&strided.parts, &again.packed, NULL), LQ_OK);
    assert_memory_equal(again.memory, m.memory, (size_t)m.size);
    memset(again.memory, 0, (size_t)again.size);
    assert_int_equal(lq_pack(&other.parts, &again.packed, NULL), LQ_OK);
    assert_memory_equal(again.memory, m.memory, (size_t)m.size);
    memset(again.memory, 0, (size_t)again.size);
    assert_int_equal(lq_repack(&m.packed, &again.packed, NULL), LQ_OK);
    assert_memory_equal(again.memory, m.memory, (size_t)m.size);
    drop_parts(&plain);
    drop_parts(&strided);
    drop_parts(&other);
    drop(&m);
    drop(&again);
}

static void test_records(void **state) {
    int count = 0;
    (void)state;
    for (lq_layout layout = 256; layout < 512; ++layout) {
        lq_layout_info info;
        if (lq_layout_describe(layout, &info, sizeof info)) continue;
        run_records(layout, &info);
        ++count;
    }
    print_message("%d layouts of records\n", count);
    assert_true(count >= 18);
}

/* A part alone: what nobody wants is not written. */
static void test_one_part(void **state) {
    lq_layout_info info;
    struct matrix m;
    struct record_parts all, one;
    (void)state;
    assert_int_equal(lq_layout_describe(LQ_LAYOUT_GGML_Q4_K, &info, sizeof info), LQ_OK);
    make_records(&m, LQ_LAYOUT_GGML_Q4_K, &info, 3, 1024);
    make_parts(&all, &info, LQ_U8, 3, 1024, 0);
    make_parts(&one, &info, LQ_U8, 3, 1024, 0);
    one.parts.codes = one.parts.scale = one.parts.super_scale = one.parts.super_zero_point = NULL;
    assert_int_equal(lq_unpack(&m.packed, &all.parts, NULL), LQ_OK);
    assert_int_equal(lq_unpack(&m.packed, &one.parts, NULL), LQ_OK);
    assert_memory_equal(all.memory[2], one.memory[2], 3 * 32);
    assert_int_equal(one.memory[1][0], CANARY);
    drop_parts(&all);
    drop_parts(&one);
    drop(&m);
}

/* ----------------------------------------------------- records and layouts of codes */

struct reader {
    const struct record_parts *parts;
    int32_t added;
};

static uint32_t field_of_record(const void *context, int64_t row, int64_t column) {
    const struct reader *r = context;
    const int64_t v = element(&r->parts->tensor[0], row, column);
    return (uint32_t)(v + r->added) & 255u;
}

static void run_mixed(lq_layout records, lq_layout layout, int bits, lq_type scale) {
    const int64_t rows = 64, columns = 512;
    lq_layout_info info;
    struct matrix from, expected, to, back;
    struct record_parts p;
    assert_int_equal(lq_layout_describe(records, &info, sizeof info), LQ_OK);
    if (!make(&to, layout, bits, rows, columns, info.block, 0, scale)) {
        fail_msg("%s cannot hold %s", lq_layout_name(layout), lq_layout_name(records));
    }
    assert_true(make(&expected, layout, bits, rows, columns, info.block, 0, scale));
    assert_true(make(&back, records, 0, rows, columns, info.block, 0, 0));
    make_records(&from, records, &info, rows, columns);
    make_parts(&p, &info, byte_type(info.code_type), rows, columns, 0);
    /* No NaN among the scales, which have no equal in another type. */
    assert_int_equal(lq_unpack(&from.packed, &p.parts, NULL), LQ_OK);
    const int64_t size = (info.scale_type & 0xff) / 8;
    for (int64_t i = 0; i < rows * expected.blocks * size; ++i) p.memory[1][i] &= 0x3b;
    assert_int_equal(lq_pack(&p.parts, &from.packed, NULL), LQ_OK);
    const struct layout_case c = {layout, bits, rows, columns, info.block};
    const struct reader reader = {&p, info.code_type == LQ_S8 ? 1 << (bits - 1) : 0};
    layout_fill(&c, 0, field_of_record, &reader, expected.memory, layout_row_bytes(&c));
    assert_int_equal(lq_repack(&from.packed, &to.packed, NULL), LQ_OK);
    if (memcmp(to.memory, expected.memory, (size_t)to.size) != 0) {
        fail_msg("%s to %s", lq_layout_name(records), lq_layout_name(layout));
    }
    if (scale == info.scale_type) {
        assert_memory_equal(to.scale_memory, p.memory[1], (size_t)(rows * to.blocks * size));
    }
    assert_int_equal(lq_repack(&to.packed, &back.packed, NULL), LQ_OK);
    assert_memory_equal(from.memory, back.memory, (size_t)from.size);
    drop_parts(&p);
    drop(&from);
    drop(&expected);
    drop(&to);
    drop(&back);
}

static void test_mixed(void **state) {
    static const lq_layout four[] = {
        LQ_LAYOUT_ROWS,    LQ_LAYOUT_HIGH_FIRST, LQ_LAYOUT_MATMULNBITS,        LQ_LAYOUT_GPTQ,
        LQ_LAYOUT_GPTQ_V2, LQ_LAYOUT_AWQ,        LQ_LAYOUT_COMPRESSED_TENSORS, LQ_LAYOUT_HQQ};
    (void)state;
    for (int i = 0; i < 8; ++i) {
        run_mixed(LQ_LAYOUT_GGML_Q4_0, four[i], 4, LQ_F16);
        run_mixed(LQ_LAYOUT_GGML_Q4_0, four[i], 4, LQ_F32);
        run_mixed(LQ_LAYOUT_GGML_MXFP4, four[i], 4, LQ_E8M0);
        run_mixed(LQ_LAYOUT_GGML_MXFP4, four[i], 4, LQ_F32);
        run_mixed(LQ_LAYOUT_GGML_NVFP4, four[i], 4, LQ_E4M3);
        run_mixed(LQ_LAYOUT_GGML_IQ4_NL, four[i], 4, LQ_F16);
    }
    run_mixed(LQ_LAYOUT_GGML_Q8_0, LQ_LAYOUT_GPTQ, 8, LQ_F32);
    run_mixed(LQ_LAYOUT_GGML_Q8_0, LQ_LAYOUT_MATMULNBITS, 8, LQ_F16);
    run_mixed(LQ_LAYOUT_GGML_Q5_0, LQ_LAYOUT_COMPRESSED_TENSORS, 5, LQ_F16);
    run_mixed(LQ_LAYOUT_GGML_Q5_0, LQ_LAYOUT_COMPRESSED_TENSORS, 6, LQ_F16);
    run_mixed(LQ_LAYOUT_GGML_Q4_0, LQ_LAYOUT_MATMULNBITS, 8, LQ_F16);
    run_mixed(LQ_LAYOUT_GGML_TQ2_0, LQ_LAYOUT_COMPRESSED_TENSORS, 3, LQ_F16);
}

/* ----------------------------------------------------------------------- tasks */

static void run_tasks(lq_layout layout, int bits) {
    const int64_t rows = 544, columns = 768;
    static unsigned char memory[MOST], back[2][MOST];
    lq_exec exec;
    int threads = 3;
    struct matrix m[3];
    lq_exec_init(&exec, sizeof exec);
    for (int i = 0; i < 3; ++i) {
        if (!make(&m[i], layout, bits, rows, columns, 32, 0, 0)) return;
    }
    for (int64_t i = 0; i < rows * columns; ++i) {
        memory[i] = (unsigned char)(random_bits(&source) & ((1u << bits) - 1u));
    }
    const lq_tensor codes = lq_matrix(memory, LQ_U8, rows, columns);
    lq_parts parts;
    lq_parts_init(&parts, sizeof parts);
    parts.codes = &codes;
    assert_int_equal(lq_pack(&parts, &m[0].packed, NULL), LQ_OK);
    lq_parallel_for *const pools[] = {on_threads, in_reverse};
    for (int k = 0; k < 2; ++k) {
        exec.parallel_for = pools[k];
        exec.pool = &threads;
        tasks_seen = 0;
        assert_int_equal(lq_pack(&parts, &m[1].packed, &exec), LQ_OK);
        assert_true(tasks_seen > 1);
        assert_true(same_bytes(&m[0], &m[1]));
        assert_int_equal(lq_repack(&m[0].packed, &m[2].packed, &exec), LQ_OK);
        assert_true(same_bytes(&m[0], &m[2]));
        /* To packed codes whose rows share bytes, and to others. */
        lq_tensor to = lq_matrix(back[0], LQ_U8, rows, columns);
        if (bits == 4) {
            to = lq_strided(back[0], MOST, LQ_U4, 2, (int64_t[]){rows, columns},
                            (int64_t[]){columns + 1, 1});
        }
        lq_parts out = parts;
        out.codes = &to;
        memset(back, CANARY, sizeof back);
        assert_int_equal(lq_unpack(&m[0].packed, &out, &exec), LQ_OK);
        to.data = back[1];
        assert_int_equal(lq_unpack(&m[0].packed, &out, NULL), LQ_OK);
        assert_memory_equal(back[0], back[1], MOST);
    }
    exec.parallel_for = one_left_out;
    assert_int_equal(lq_repack(&m[0].packed, &m[2].packed, &exec),
                     layout == LQ_LAYOUT_HQQ ? LQ_OK : LQ_ERROR_EXEC);
    for (int i = 0; i < 3; ++i) drop(&m[i]);
}

static void test_tasks(void **state) {
    (void)state;
    for (lq_layout layout = LQ_LAYOUT_ROWS; layout <= LQ_LAYOUT_HQQ; ++layout) {
        run_tasks(layout, 4);
        if (layout == LQ_LAYOUT_ROWS || layout == LQ_LAYOUT_GPTQ) run_tasks(layout, 3);
    }
    run_tasks(LQ_LAYOUT_COMPRESSED_TENSORS, 5);
}

/* Rows without elements, and bytes of which nothing is wanted: no number of them takes time. */
static void test_nothing_to_do(void **state) {
    static unsigned char memory[1024];
    (void)state;
    for (lq_layout layout = 1; layout < 512; ++layout) {
        lq_layout_info info;
        lq_packed p, one;
        lq_parts parts;
        int64_t size;
        if (!lq_layout_name(layout)) continue;
        assert_int_equal(lq_layout_describe(layout, &info, sizeof info), LQ_OK);
        lq_packed_init(&p, sizeof p);
        lq_parts_init(&parts, sizeof parts);
        p.layout = layout;
        p.bits = info.bits ? info.bits : 4;
        p.rows = INT64_C(1) << 44;
        if (info.records) {
            p.columns = 2 * info.record;
            one = p;
            one.rows = 1;
            assert_int_equal(lq_packed_size(&one, &size, NULL), LQ_OK);
            const int64_t shape[] = {p.rows, size}, stride[] = {0, 1};
            const lq_tensor bytes = lq_strided(memory, sizeof memory, LQ_U8, 2, shape, stride);
            p.bytes = &bytes;
            assert_int_equal(lq_unpack(&p, &parts, NULL), LQ_OK);
            continue;
        }
        if (layout == LQ_LAYOUT_MATMULNBITS) continue; /* padding would be too much */
        p.block = 32;
        const lq_tensor bytes = lq_vector(NULL, LQ_U8, 0);
        const lq_tensor codes = lq_matrix(NULL, LQ_U8, p.rows, 0);
        const lq_tensor single = lq_matrix(NULL, LQ_F32, p.rows, 0);
        const lq_tensor half = lq_matrix(NULL, LQ_F16, p.rows, 0);
        p.bytes = &bytes;
        p.scale = &single;
        parts.codes = &codes;
        parts.scale = &half;
        one = p;
        one.scale = &half;
        assert_int_equal(lq_pack(&parts, &p, NULL), LQ_OK);
        assert_int_equal(lq_unpack(&p, &parts, NULL), LQ_OK);
        assert_int_equal(lq_repack(&p, &one, NULL), LQ_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),    cmocka_unit_test(test_records),
        cmocka_unit_test(test_one_part), cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_tasks),    cmocka_unit_test(test_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
