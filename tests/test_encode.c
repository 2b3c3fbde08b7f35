/*
 * lq_encode and lq_decode of records against the long way: lq_quantize_dynamic on the scalar level,
 * and bytes put where the layouts' drawings have them; for any shape, strides, types, schemes,
 * levels and number of threads.
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

/* Records of single blocks, and NVFP4: where their bits are. */
typedef struct drawing {
    lq_layout layout;
    lq_type bytes; /* of codes, one a byte */
    lq_type scale, zero;
    int block, record, size;
    int nibbles; /* where they begin: codes i and i + half of a block share a byte */
    int fifths;  /* where a bit for each code begins, or 0 */
    int octets;  /* where codes of 8 bits begin, or 0 */
    int offset;  /* added to codes */
} drawing;

static const drawing drawings[] = {
    {LQ_LAYOUT_GGML_Q4_0, LQ_S8, LQ_F16, 0, 32, 32, 18, 2, 0, 0, 8},
    {LQ_LAYOUT_GGML_Q4_1, LQ_U8, LQ_F16, LQ_F16, 32, 32, 20, 4, 0, 0, 0},
    {LQ_LAYOUT_GGML_Q5_0, LQ_S8, LQ_F16, 0, 32, 32, 22, 6, 2, 0, 16},
    {LQ_LAYOUT_GGML_Q5_1, LQ_U8, LQ_F16, LQ_F16, 32, 32, 24, 8, 4, 0, 0},
    {LQ_LAYOUT_GGML_Q8_0, LQ_S8, LQ_F16, 0, 32, 32, 34, 0, 0, 2, 0},
    {LQ_LAYOUT_GGML_MXFP4, LQ_E2M1, LQ_E8M0, 0, 32, 32, 17, 1, 0, 0, 0},
    {LQ_LAYOUT_GGML_NVFP4, LQ_E2M1, LQ_E4M3, 0, 16, 64, 36, 4, 0, 0, 0},
};

enum { DRAWINGS = sizeof drawings / sizeof *drawings, LEVELS = 4, MOST = 1 << 18, ROOM = 1 << 20 };

static const lq_cpu levels[LEVELS] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

static unsigned char reals[2][ROOM * 4], packed[2][ROOM], codes[MOST], scales[MOST], zeros[MOST];

/* --------------------------------------------------------------- the long way */

static void put_code(const drawing *d, unsigned char *record, int i, unsigned code) {
    const int half = d->block / 2;
    const int in_block = i % d->block;
    const unsigned low = code + (unsigned)d->offset;
    if (d->octets) {
        record[d->octets + i] = (unsigned char)code;
        return;
    }
    unsigned char *byte = record + d->nibbles + i / d->block * half + in_block % half;
    *byte = (unsigned char)(*byte | (low & 15u) << (in_block < half ? 0 : 4));
    if (!d->fifths) return;
    record[d->fifths + i / 8] =
        (unsigned char)(record[d->fifths + i / 8] | (low >> 4 & 1u) << (i % 8));
}

/* Little-endian, whatever this machine is. */
static void put_parameter(lq_type type, const unsigned char *from, int64_t index,
                          unsigned char *to) {
    uint16_t h;
    if ((type & 0xff) == 8) {
        *to = from[index];
        return;
    }
    memcpy(&h, from + index * 2, sizeof h);
    to[0] = (unsigned char)(h & 255u);
    to[1] = (unsigned char)(h >> 8);
}

static unsigned code_at(const drawing *d, int64_t i) {
    return d->bytes == LQ_E2M1 ? (unsigned)codes[i / 2] >> i % 2 * 4 & 15u : codes[i];
}

static void put_record(const drawing *d, int64_t index, unsigned char *to) {
    const int blocks = d->record / d->block;
    memset(to, 0, (size_t)d->size);
    for (int b = 0; b < blocks; ++b) {
        put_parameter(d->scale, scales, index * blocks + b, to + b);
    }
    if (d->zero) put_parameter(d->zero, zeros, index, to + 2);
    for (int i = 0; i < d->record; ++i) put_code(d, to, i, code_at(d, index * d->record + i));
}

/* ----------------------------------------------------------------------- cases */

typedef struct test_case {
    const drawing *drawing;
    lq_scheme scheme;
    bool own; /* no scheme is given */
    int64_t rows, columns, row_bytes, distance;
    lq_tensor x, bytes;
    lq_packed packed;
    lq_report report; /* of the long way */
} test_case;

static int64_t elements(const test_case *c) {
    return c->rows * c->columns;
}

static lq_type random_real(void) {
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16};
    return types[random_below(3)];
}

/* Rows, columns or both the wrong way round, apart from each other, or plain. */
static lq_tensor random_matrix(lq_type type, int64_t rows, int64_t columns, void *data) {
    lq_tensor t = lq_matrix(data, type, rows, columns);
    const int64_t apart = random_below(3) ? 1 : 2;
    /* A single row that is a column may be all that there is room for. */
    const int64_t padding = random_below(2) ? 0 : random_below(rows == 1 ? 3 : 5);
    switch (random_below(4)) {
    case 0: break;
    case 1:
        t.stride[1] = apart;
        t.stride[0] = columns * apart + padding;
        break;
    case 2:
        t.stride[0] = apart;
        t.stride[1] = rows * apart + padding;
        break;
    default:
        t.stride[0] = -(columns * apart + padding);
        t.stride[1] = -apart;
        t.offset = -(rows - 1) * t.stride[0] - (columns - 1) * t.stride[1];
        break;
    }
    t.size = ROOM * 4;
    if (rows == 1 && random_below(2)) {
        t.rank = 1;
        t.shape[0] = columns;
        t.stride[0] = t.stride[1];
    }
    return t;
}

static float random_value(unsigned kind, float unit) {
    const float steps = (float)((int)random_below(65) - 32);
    const float fraction = (float)random_below(1 << 20) * 0x1p-20f;
    switch (kind) {
    case 0: return (fraction - 0.5f) * unit;
    case 1: return steps * 0.5f * unit; /* ties of all kinds */
    case 2: return random_below(2) ? unit : -unit;
    case 3: return random_below(6) ? 0.0f : (fraction - 0.5f) * unit;
    default: return 0.0f;
    }
}

/* A block of a kind: now and then with NaN, infinities, or nothing but zeros. */
static void fill(const test_case *c) {
    static const float units[] = {1.0f,   100.0f, 0x1p-10f, 0x1p-14f,
                                  5e-32f, 1e-40f, 3e38f,    70000.0f};
    static float values[MOST];
    static const float odd[] = {INFINITY, -INFINITY, NAN, -0.0f};
    const int64_t n = elements(c);
    for (int64_t i = 0; i < n; i += c->drawing->block) {
        const unsigned kind = random_below(5);
        const float unit = units[random_below(3) ? random_below(4) : random_below(8)];
        for (int64_t k = i; k < i + c->drawing->block; ++k) values[k] = random_value(kind, unit);
        if (random_below(8)) continue;
        const unsigned count = random_below(6) ? random_below(4) : (unsigned)c->drawing->block;
        for (unsigned k = 0; k < count; ++k) {
            const unsigned at = random_below((uint32_t)c->drawing->block);
            values[i + at] = odd[random_below(4)];
        }
    }
    lq_tensor from = c->x.rank == 2 ? lq_matrix(values, LQ_F32, c->rows, c->columns)
                                    : lq_vector(values, LQ_F32, n);
    assert_int_equal(lq_convert(&from, &c->x, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
}

/* The layout's own rule, or the same codes by other rules. */
static void vary(lq_scheme *s) {
    static const lq_quotient quotients[] = {LQ_QUOTIENT_DIVIDE, LQ_QUOTIENT_RECIPROCAL};
    s->quotient = quotients[random_below(2)];
    s->codes_from = random_below(2) ? LQ_FROM_UNROUNDED : LQ_FROM_STORED;
    s->nan_code = (lq_nan_code)random_below(4);
    if (random_below(4) == 0) s->scale_factor = 0x1.8p-3f;
    if (s->code_type == LQ_E2M1) {
        s->rounding = random_below(2) ? LQ_ROUND_LOWER_CODE : LQ_ROUND_EVEN;
        s->scale_rounding = LQ_SCALE_NEAREST;
        if (random_below(3) && s->block.extent[0] == 32) {
            s->scale_rounding = (lq_scale_rounding)(LQ_SCALE_EXPONENT_FLOOR + (int)random_below(4));
        }
        return;
    }
    s->rounding = (lq_rounding)random_below(3);
    s->arithmetic = random_below(2) ? LQ_ARITHMETIC_FLOAT : LQ_ARITHMETIC_DOUBLE;
    s->degenerate = random_below(2) ? LQ_DEGENERATE_ONE : LQ_DEGENERATE_ZERO;
    if (s->mapping == LQ_AFFINE) return;
    s->mapping = random_below(2) ? LQ_SYMMETRIC : LQ_SYMMETRIC_FULL_RANGE;
    s->tie = (lq_tie)random_below(2);
}

static void choose_case(test_case *c, int64_t most) {
    const drawing *d = &drawings[random_below(DRAWINGS)];
    const int64_t records = 1 + random_below(random_below(4) ? 20 : (uint32_t)(most / d->record));
    c->drawing = d;
    c->columns = records * d->record;
    c->rows = 1 + random_below((uint32_t)(most / c->columns < 9 ? most / c->columns : 9));
    assert_int_equal(lq_layout_scheme(d->layout, &c->scheme, sizeof c->scheme), LQ_OK);
    c->own = random_below(2);
    if (!c->own) vary(&c->scheme);
    c->x = random_matrix(random_real(), c->rows, c->columns, reals[0]);
    c->row_bytes = records * d->size;
    c->distance = c->row_bytes + (random_below(2) ? 0 : random_below(7));
    c->bytes = lq_matrix(packed[0] + 3, LQ_U8, c->rows, c->row_bytes);
    c->bytes.stride[0] = c->distance;
    c->bytes.size = ROOM - 3;
    if (c->distance == c->row_bytes && random_below(2)) {
        c->bytes = lq_vector(packed[0] + 3, LQ_U8, c->rows * c->row_bytes);
    }
    c->packed = (lq_packed){.struct_size = sizeof c->packed,
                            .layout = d->layout,
                            .rows = c->rows,
                            .columns = c->columns,
                            .bytes = &c->bytes};
}

static void describe(const test_case *c, const char *what) {
    printf("%s: %s, %s rule, %ld x %ld of %s, strides %ld %ld, level %s\n", what,
           lq_layout_name(c->drawing->layout), c->own ? "own" : "another", (long)c->rows,
           (long)c->columns, lq_type_name(c->x.type), (long)c->x.stride[0],
           (long)c->x.stride[c->x.rank - 1], lq_cpu_name(lq_cpu_level()));
}

/* Codes and parameters of x in one piece. */
static lq_tensor whole(const test_case *c, void *data, lq_type type, int64_t columns) {
    return c->x.rank == 2 ? lq_matrix(data, type, c->rows, columns)
                          : lq_vector(data, type, columns);
}

static void take_the_long_way(test_case *c) {
    const drawing *d = c->drawing;
    const lq_tensor q = whole(c, codes, d->bytes, c->columns);
    const lq_tensor s = whole(c, scales, d->scale, c->columns / d->block);
    const lq_tensor z = whole(c, zeros, d->zero, c->columns / d->block);
    lq_exec exec = {.struct_size = sizeof exec, .report = &c->report};
    lq_report_init(&c->report, sizeof c->report);
    assert_int_equal(lq_cpu_use(LQ_CPU_SCALAR), LQ_OK);
    assert_int_equal(lq_quantize_dynamic(&c->x, &c->scheme, &q, &s, d->zero ? &z : NULL, &exec),
                     LQ_OK);
    memset(packed[1], 0xa5, sizeof packed[1]);
    const int64_t in_row = c->columns / d->record;
    for (int64_t i = 0; i < c->rows * in_row; ++i) {
        put_record(d, i, packed[1] + 3 + i / in_row * c->distance + i % in_row * d->size);
    }
}

static void check_encode(const test_case *c, const lq_exec *exec) {
    memset(packed[0], 0xa5, sizeof packed[0]);
    const lq_status status = lq_encode(&c->x, c->own ? NULL : &c->scheme, &c->packed, exec);
    if (status || memcmp(packed[0], packed[1], sizeof packed[0]) != 0) {
        describe(c, status ? lq_status_string(status) : "other bytes");
        fail();
    }
    if (!exec || !exec->report) return;
    const lq_report *r = exec->report;
    if (r->nan != c->report.nan || r->infinite != c->report.infinite ||
        r->clipped != c->report.clipped) {
        describe(c, "other counts");
        fail();
    }
}

static void test_encoding_is_quantizing_and_packing(void **state) {
    static test_case c;
    (void)state;
    for (int turn = 0; turn < 400; ++turn) {
        choose_case(&c, turn % 8 ? 6000 : MOST);
        fill(&c);
        take_the_long_way(&c);
        for (int i = 0; i < LEVELS; ++i) {
            lq_report report;
            int threads = 1 + (int)random_below(4);
            lq_exec exec = {.struct_size = sizeof exec, .report = &report};
            if (lq_cpu_use(levels[i])) continue;
            lq_report_init(&report, sizeof report);
            check_encode(&c, NULL);
            check_encode(&c, &exec);
            exec.parallel_for = random_below(2) ? on_threads : in_reverse;
            exec.pool = &threads;
            check_encode(&c, &exec);
        }
    }
}

/* ------------------------------------------------------------------- and back */

/* Some scales and minimums that are no numbers, if the type has such. */
static void spoil(const test_case *c) {
    static const uint16_t bad[] = {0x7c00, 0xfc00, 0x7e00, 0xfd01};
    const int64_t blocks = elements(c) / c->drawing->block;
    for (int64_t b = (int64_t)random_below(8); b < blocks; b += 1 + (int64_t)random_below(20)) {
        const uint16_t h = bad[random_below(4)];
        unsigned char *to = c->drawing->zero && random_below(2) ? zeros : scales;
        switch (c->drawing->scale) {
        case LQ_F16: memcpy(to + b * 2, &h, sizeof h); break;
        case LQ_E8M0: to[b] = 255; break;
        default: to[b] = random_below(2) ? 0x7f : (unsigned char)(128 + random_below(128)); break;
        }
    }
}

static bool is_bad(const drawing *d, int64_t block) {
    uint16_t s, z = 0;
    if (d->scale == LQ_E8M0) return scales[block] == 255;
    if (d->scale == LQ_E4M3) return false;
    memcpy(&s, scales + block * 2, sizeof s);
    if (d->zero) memcpy(&z, zeros + block * 2, sizeof z);
    return (s & 0x7c00) == 0x7c00 || (z & 0x7c00) == 0x7c00;
}

static void put_nan(const lq_tensor *x, int64_t at) {
    const uint32_t wide = 0x7fc00000u;
    const uint16_t narrow = x->type == LQ_F16 ? 0x7e00 : 0x7fc0;
    if (x->type == LQ_F32) {
        memcpy((unsigned char *)x->data + at * 4, &wide, sizeof wide);
    } else {
        memcpy((unsigned char *)x->data + at * 2, &narrow, sizeof narrow);
    }
}

/* ggml's scales of NVFP4. */
static float unsigned_scale(unsigned byte) {
    const int exponent = (int)(byte >> 3 & 15), fraction = (int)(byte & 7);
    if (byte == 127) return 0.0f;
    return exponent ? ldexpf((float)(8 + fraction), exponent - 10) : ldexpf((float)fraction, -9);
}

/* What codes and parameters come to, those of ggml's floats of 4 bits without -0. */
static void decode_the_long_way(const test_case *c, const lq_tensor *x) {
    const drawing *d = c->drawing;
    const int64_t blocks = c->columns / d->block;
    lq_exec exec = {.struct_size = sizeof exec, .flags = LQ_TRUSTED};
    const lq_tensor q = lq_matrix(codes, d->bytes, c->rows, c->columns);
    static float wide_scales[MOST / 16];
    const bool is_wide = d->scale == LQ_E4M3;
    const lq_tensor s = is_wide ? lq_matrix(wide_scales, LQ_F32, c->rows, blocks)
                                : lq_matrix(scales, d->scale, c->rows, blocks);
    const lq_tensor z = lq_matrix(zeros, d->zero, c->rows, blocks);
    for (int64_t b = 0; is_wide && b < c->rows * blocks; ++b) {
        wide_scales[b] = unsigned_scale(scales[b]);
    }
    for (int64_t i = 0; d->bytes == LQ_E2M1 && i < elements(c) / 2; ++i) {
        if ((codes[i] & 15) == 8) codes[i] &= 0xf0;
        if (codes[i] >> 4 == 8) codes[i] &= 0x0f;
    }
    assert_int_equal(lq_cpu_use(LQ_CPU_SCALAR), LQ_OK);
    assert_int_equal(lq_dequantize(&q, &c->scheme, &s, d->zero ? &z : NULL, x, &exec), LQ_OK);
    for (int64_t r = 0; r < c->rows; ++r) {
        for (int64_t i = 0; i < c->columns; ++i) {
            if (!is_bad(d, r * blocks + i / d->block)) continue;
            put_nan(x, x->offset + r * x->stride[0] + i * x->stride[1]);
        }
    }
}

static void check_decode(const test_case *c, const lq_tensor *wide, const lq_exec *exec) {
    const drawing *d = c->drawing;
    const int64_t records = c->columns / d->record;
    const int64_t first = random_below(2) ? 0 : (int64_t)random_below((uint32_t)records);
    lq_tensor x = *wide, bytes = lq_matrix(packed[1] + 3, LQ_U8, c->rows, c->row_bytes);
    lq_packed p = c->packed;
    bytes.stride[0] = c->distance;
    bytes.size = ROOM - 3;
    bytes.offset += first * d->size;
    bytes.shape[1] -= first * d->size;
    p.bytes = &bytes;
    p.columns = x.shape[1] = c->columns - first * d->record;
    x.offset += first * d->record * x.stride[1];
    x.data = reals[0];
    memcpy(reals[0], reals[1], sizeof reals[0]);
    for (int64_t r = 0; r < c->rows; ++r) {
        for (int64_t i = 0; i < x.shape[1]; ++i) {
            put_nan(&x, x.offset + r * x.stride[0] + i * x.stride[1]);
        }
    }
    const lq_status status = lq_decode(&p, c->own ? NULL : &c->scheme, &x, exec);
    if (status || memcmp(reals[0], reals[1], sizeof reals[0]) != 0) {
        describe(c, status ? lq_status_string(status) : "other values");
        fail();
    }
}

static void test_decoding_is_unpacking_and_dequantizing(void **state) {
    static test_case c;
    (void)state;
    for (int turn = 0; turn < 150; ++turn) {
        choose_case(&c, turn % 8 ? 6000 : MOST / 2);
        c.x = lq_matrix(reals[0], LQ_F32, c.rows, c.columns);
        fill(&c);
        take_the_long_way(&c);
        spoil(&c);
        for (int64_t i = 0, in_row = c.columns / c.drawing->record; i < c.rows * in_row; ++i) {
            put_record(c.drawing, i,
                       packed[1] + 3 + i / in_row * c.distance + i % in_row * c.drawing->size);
        }
        lq_tensor x = random_matrix(random_real(), c.rows, c.columns, reals[1]);
        if (x.rank == 1) x = lq_matrix(reals[1], x.type, c.rows, c.columns);
        memset(reals[1], 0x5a, sizeof reals[1]);
        decode_the_long_way(&c, &x);
        for (int i = 0; i < LEVELS; ++i) {
            int threads = 1 + (int)random_below(4);
            lq_exec exec = {
                .struct_size = sizeof exec, .parallel_for = on_threads, .pool = &threads};
            if (lq_cpu_use(levels[i])) continue;
            check_decode(&c, &x, NULL);
            check_decode(&c, &x, &exec);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding_is_quantizing_and_packing),
        cmocka_unit_test(test_decoding_is_unpacking_and_dequantizing),
    };
    random_seed(seed_from_environment());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
