/*
 * lq_encode and lq_decode for layouts of codes against lq_quantize_dynamic with lq_pack, and
 * lq_unpack with lq_dequantize: any width, blocks, schemes, zero points, levels and number of
 * threads. And what both refuse.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "guarded.h"
#include "libquant.h"
#include "pools.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 4, MOST = 1 << 17, ROOM = 1 << 19 };

static const lq_cpu levels[LEVELS] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

static float values[MOST];
static unsigned char reals[2][ROOM], bytes[2][ROOM], zero_bytes[2][ROOM], scales[2][ROOM];
static unsigned char codes[MOST], zeros[MOST];

typedef struct test_case {
    lq_scheme scheme;
    bool has_zeros;
    int64_t rows, columns, blocks;
    lq_tensor x, bytes, zero_bytes, scale;
    lq_packed packed;
} test_case;

/* -------------------------------------------------------------------- cases */

static const struct {
    lq_layout layout;
    int bits[8];     /* up to a 0 */
    int64_t rows;    /* a multiple of this */
    int64_t columns; /* the same */
    bool whole;      /* blocks are */
} layouts[] = {
    {LQ_LAYOUT_ROWS, {1, 2, 3, 4, 5, 6, 7, 8}, 1, 1, false},
    {LQ_LAYOUT_HIGH_FIRST, {4}, 1, 1, true},
    {LQ_LAYOUT_HQQ, {4}, 2, 1, true},
    {LQ_LAYOUT_MATMULNBITS, {2, 4, 8}, 1, 1, false},
    {LQ_LAYOUT_GPTQ, {2, 3, 4, 8}, 32, 32, false},
    {LQ_LAYOUT_GPTQ_V2, {2, 3, 4, 8}, 32, 32, false},
    {LQ_LAYOUT_AWQ, {4}, 8, 1, true},
    {LQ_LAYOUT_COMPRESSED_TENSORS, {2, 3, 4, 5, 6, 8}, 1, 1, false},
};

enum { LAYOUTS = sizeof layouts / sizeof *layouts };

static int random_bits_of(int k) {
    int n = 0;
    while (n < 8 && layouts[k].bits[n]) ++n;
    return layouts[k].bits[random_below((uint32_t)n)];
}

/* A code type that holds so many bits, over the range of so many. */
static lq_scheme random_scheme(int bits, int64_t block, bool *has_zeros) {
    static const lq_mapping mappings[] = {LQ_AFFINE, LQ_SYMMETRIC, LQ_SYMMETRIC_FULL_RANGE};
    const bool is_signed = random_below(2);
    const bool fits = bits == 2 || bits == 4;
    const bool narrow = fits && random_below(2);
    const lq_type wide = is_signed ? LQ_S8 : LQ_U8;
    const lq_type own = (lq_type)((is_signed ? 0x1000 : 0x2000) | bits);
    lq_scheme s = lq_scheme_of(mappings[random_below(bits > 1 ? 3 : 1)], narrow ? own : wide,
                               lq_per_block(-1, block));
    s.qmin = is_signed ? -(1 << (bits - 1)) : 0;
    s.qmax = s.qmin + (1 << bits) - 1;
    s.quotient = (lq_quotient)random_below(2);
    s.rounding = (lq_rounding)random_below(3);
    s.codes_from = random_below(2) ? LQ_FROM_UNROUNDED : LQ_FROM_STORED;
    *has_zeros = s.mapping == LQ_AFFINE || random_below(2);
    return s;
}

static lq_type random_scale(void) {
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16};
    return types[random_below(3)];
}

static int64_t multiple(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* Floats and tables have no zero points, and one width. */
static void take_floats(test_case *c, int64_t block) {
    const bool bytes_wide = random_below(2);
    c->scheme = bytes_wide ? lq_symmetric(LQ_E4M3, lq_per_block(-1, block))
                           : lq_profile_scheme(random_below(2) ? LQ_PROFILE_NF4 : LQ_PROFILE_MX,
                                               LQ_U4, lq_per_block(-1, block));
    if (!bytes_wide && !c->scheme.struct_size) {
        c->scheme = lq_symmetric(LQ_E2M1, lq_per_block(-1, block));
    }
    c->packed.bits = bytes_wide ? 8 : 4;
    c->has_zeros = false;
}

static void choose_case(test_case *c) {
    const int k = (int)random_below(LAYOUTS);
    const uint32_t size = random_below(8) ? 200 : 1500;
    const int64_t blocks[] = {0, 32, 16, 33, 8, 128, 1};
    int64_t block = blocks[random_below(7)], zero_room;
    memset(c, 0, sizeof *c);
    c->columns = multiple(1 + (int64_t)random_below(size), layouts[k].columns);
    c->rows = multiple(1 + (int64_t)random_below(40), layouts[k].rows);
    if (layouts[k].layout == LQ_LAYOUT_MATMULNBITS) block = random_below(2) ? 32 : 16;
    if (layouts[k].whole && block) c->columns = multiple(c->columns, block);
    c->packed = (lq_packed){.struct_size = sizeof c->packed,
                            .layout = layouts[k].layout,
                            .bits = random_bits_of(k),
                            .rows = c->rows,
                            .columns = c->columns,
                            .block = block};
    c->blocks = block ? (c->columns + block - 1) / block : 1;
    if (layouts[k].layout == LQ_LAYOUT_ROWS && random_below(4) == 0) {
        take_floats(c, block);
    } else {
        c->scheme = random_scheme(c->packed.bits, block, &c->has_zeros);
    }
    lq_packed sized = c->packed;
    int64_t room;
    lq_status status = lq_packed_size(&sized, &room, &zero_room);
    if (status) printf("layout %s\n", lq_layout_name(c->packed.layout));
    assert_int_equal(status, LQ_OK);
    if (zero_room == 0) c->has_zeros = false;
    if (!c->has_zeros && c->scheme.mapping == LQ_AFFINE) c->scheme.mapping = LQ_SYMMETRIC;
    if (c->packed.bits == 1 && c->scheme.mapping != LQ_AFFINE) {
        c->scheme.mapping = LQ_SYMMETRIC_HALF_RANGE;
        if (c->scheme.code_type == LQ_S8) c->scheme.code_type = LQ_U8;
        c->scheme.qmin = 0;
        c->scheme.qmax = 1;
    }
    c->bytes = lq_vector(bytes[0], LQ_U8, room);
    c->zero_bytes = lq_vector(zero_bytes[0], LQ_U8, zero_room);
    c->scale = lq_matrix(scales[0], random_scale(), c->rows, c->blocks);
    if (random_below(2)) {
        c->scale.stride[0] = 1;
        c->scale.stride[1] = c->rows;
    }
    c->x = lq_matrix(reals[0], random_scale(), c->rows, c->columns);
    if (random_below(2)) {
        c->x.stride[0] = 1;
        c->x.stride[1] = c->rows;
    }
    c->packed.bytes = &c->bytes;
    c->packed.scale = &c->scale;
    if (c->has_zeros) c->packed.zero_bytes = &c->zero_bytes;
}

static void fill(const test_case *c) {
    const int64_t n = c->rows * c->columns;
    for (int64_t i = 0; i < n; ++i) {
        const float fraction = (float)random_below(1 << 20) * 0x1p-20f - 0.4f;
        const float steps = (float)((int)random_below(33) - 16);
        values[i] = random_below(2) ? fraction : steps;
        if (random_below(100) == 0) values[i] = random_below(2) ? NAN : INFINITY;
    }
    const lq_tensor from = lq_matrix(values, LQ_F32, c->rows, c->columns);
    assert_int_equal(lq_convert(&from, &c->x, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
}

static void describe(const test_case *c, const char *what) {
    printf("%s: %s, %d bits, blocks of %ld, mapping %d, %s, %ld x %ld, zeros %d, %s\n", what,
           lq_layout_name(c->packed.layout), (int)c->packed.bits, (long)c->packed.block,
           (int)c->scheme.mapping, lq_type_name(c->scheme.code_type), (long)c->rows,
           (long)c->columns, (int)c->has_zeros, lq_cpu_name(lq_cpu_level()));
}

static lq_type byte_type(const test_case *c) {
    const lq_type t = c->scheme.code_type;
    if ((t & 0xf000) == 0x3000 || (t & 0xff) == 8) return t;
    return t & 0x1000 ? LQ_S8 : LQ_U8;
}

/* The scheme's codes as its type has them. */
static lq_parts parts_of(const test_case *c, lq_tensor t[3]) {
    lq_parts p = {.struct_size = sizeof p, .codes = &t[0], .scale = &t[1]};
    const lq_type byte = byte_type(c);
    t[0] = lq_matrix(codes, c->scheme.code_type, c->rows, c->columns);
    t[1] = c->scale;
    t[1].data = scales[1];
    t[2] = lq_matrix(zeros, byte, c->rows, c->blocks);
    if (c->has_zeros) p.zero_point = &t[2];
    return p;
}

/* ------------------------------------------------------------------- tests */

static void check_encode(const test_case *c, const lq_exec *exec, const lq_report *expected) {
    memset(bytes[0], 0xa5, sizeof bytes[0]);
    memset(zero_bytes[0], 0xa5, sizeof zero_bytes[0]);
    memset(scales[0], 0xa5, sizeof scales[0]);
    const lq_status status = lq_encode(&c->x, &c->scheme, &c->packed, exec);
    const bool equal = memcmp(bytes[0], bytes[1], sizeof bytes[0]) == 0 &&
                       memcmp(zero_bytes[0], zero_bytes[1], sizeof zero_bytes[0]) == 0 &&
                       memcmp(scales[0], scales[1], sizeof scales[0]) == 0;
    const lq_report *r = exec->report;
    const bool counted = r->nan == expected->nan && r->infinite == expected->infinite &&
                         r->clipped == expected->clipped;
    if (!status && equal && counted) return;
    describe(c, status ? lq_status_string(status) : equal ? "other counts" : "other bytes");
    fail();
}

static void take_the_long_way(const test_case *c, lq_report *report) {
    lq_tensor t[3];
    const lq_parts parts = parts_of(c, t);
    lq_tensor to = c->bytes, zero_to = c->zero_bytes;
    lq_packed packed = c->packed;
    lq_exec exec = {.struct_size = sizeof exec, .report = report};
    lq_report_init(report, sizeof *report);
    memset(bytes[1], 0xa5, sizeof bytes[1]);
    memset(zero_bytes[1], 0xa5, sizeof zero_bytes[1]);
    memset(scales[1], 0xa5, sizeof scales[1]);
    to.data = bytes[1];
    zero_to.data = zero_bytes[1];
    packed.bytes = &to;
    if (c->has_zeros) packed.zero_bytes = &zero_to;
    packed.scale = NULL;
    lq_parts without = parts;
    without.scale = NULL;
    assert_int_equal(lq_cpu_use(LQ_CPU_SCALAR), LQ_OK);
    lq_status status =
        lq_quantize_dynamic(&c->x, &c->scheme, &t[0], &t[1], c->has_zeros ? &t[2] : NULL, &exec);
    if (!status) status = lq_pack(&without, &packed, NULL);
    if (status) describe(c, lq_status_string(status));
    assert_int_equal(status, LQ_OK);
}

static void check_decode(const test_case *c, const lq_tensor *x, const lq_exec *exec) {
    memset(reals[0], 0xa5, sizeof reals[0]);
    const lq_status status = lq_decode(&c->packed, &c->scheme, x, exec);
    if (!status && memcmp(reals[0], reals[1], sizeof reals[0]) == 0) return;
    describe(c, status ? lq_status_string(status) : "other values");
    fail();
}

/* From the codes that the long way left. */
static lq_tensor dequantize(const test_case *c) {
    lq_tensor t[3];
    (void)parts_of(c, t);
    lq_tensor x = c->x;
    x.data = reals[1];
    memset(reals[1], 0xa5, sizeof reals[1]);
    assert_int_equal(lq_cpu_use(LQ_CPU_SCALAR), LQ_OK);
    assert_int_equal(lq_dequantize(&t[0], &c->scheme, &t[1], c->has_zeros ? &t[2] : NULL, &x, NULL),
                     LQ_OK);
    x.data = reals[0];
    return x;
}

static void test_layouts_of_codes(void **state) {
    static test_case c;
    (void)state;
    for (int turn = 0; turn < 400; ++turn) {
        lq_report expected, report;
        choose_case(&c);
        fill(&c);
        take_the_long_way(&c, &expected);
        for (int i = 0; i < LEVELS; ++i) {
            int threads = 1 + (int)random_below(4);
            lq_exec exec = {.struct_size = sizeof exec, .report = &report};
            if (lq_cpu_use(levels[i])) continue;
            lq_report_init(&report, sizeof report);
            if (random_below(2)) exec.parallel_for = on_threads;
            exec.pool = &threads;
            check_encode(&c, &exec, &expected);
        }
        const lq_tensor x = dequantize(&c);
        for (int i = 0; i < LEVELS; ++i) {
            int threads = 1 + (int)random_below(4);
            lq_exec exec = {.struct_size = sizeof exec, .pool = &threads};
            if (lq_cpu_use(levels[i])) continue;
            if (random_below(2)) exec.parallel_for = on_threads;
            check_decode(&c, &x, &exec);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts_of_codes),
    };
    random_seed(seed_from_environment());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
