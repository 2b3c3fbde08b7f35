/* Packed matrices from real values and back, for the golden hashes. */
#include "golden.h"
#include <stdio.h>
#include <string.h>

enum { ROWS = 32, COLUMNS = 256, COUNT = ROWS * COLUMNS, REALS = 3 };

static const lq_type reals[REALS] = {LQ_F32, LQ_F16, LQ_BF16};

/* By the layouts' own rules. */
static const lq_layout records[] = {
    LQ_LAYOUT_GGML_Q4_0,   LQ_LAYOUT_GGML_Q4_1,   LQ_LAYOUT_GGML_Q5_0,  LQ_LAYOUT_GGML_Q5_1,
    LQ_LAYOUT_GGML_Q8_0,   LQ_LAYOUT_GGML_Q8_1,   LQ_LAYOUT_GGML_Q2_K,  LQ_LAYOUT_GGML_Q3_K,
    LQ_LAYOUT_GGML_Q4_K,   LQ_LAYOUT_GGML_Q5_K,   LQ_LAYOUT_GGML_Q6_K,  LQ_LAYOUT_GGML_Q8_K,
    LQ_LAYOUT_GGML_IQ4_NL, LQ_LAYOUT_GGML_IQ4_XS, LQ_LAYOUT_GGML_TQ1_0, LQ_LAYOUT_GGML_TQ2_0,
    LQ_LAYOUT_GGML_MXFP4,  LQ_LAYOUT_GGML_NVFP4};
enum { RECORDS = sizeof records / sizeof *records };

static const struct code_case {
    lq_layout layout;
    int32_t bits;
    int64_t block;
    lq_mapping mapping;
    lq_type code, scale;
} cases[] = {
    {LQ_LAYOUT_ROWS, 3, 32, LQ_AFFINE, LQ_U8, LQ_F16},
    {LQ_LAYOUT_ROWS, 5, 0, LQ_SYMMETRIC, LQ_S8, LQ_F32},
    {LQ_LAYOUT_ROWS, 4, 32, LQ_SYMMETRIC, LQ_E2M1, LQ_E8M0},
    {LQ_LAYOUT_HIGH_FIRST, 4, 64, LQ_SYMMETRIC_FULL_RANGE, LQ_S4, LQ_F32},
    {LQ_LAYOUT_MATMULNBITS, 4, 32, LQ_AFFINE, LQ_U4, LQ_F32},
    {LQ_LAYOUT_GPTQ, 4, 128, LQ_SYMMETRIC, LQ_U4, LQ_F16},
    {LQ_LAYOUT_GPTQ_V2, 3, 128, LQ_SYMMETRIC, LQ_U8, LQ_F16},
    {LQ_LAYOUT_COMPRESSED_TENSORS, 4, 128, LQ_AFFINE, LQ_S4, LQ_BF16},
    {LQ_LAYOUT_HQQ, 4, 64, LQ_SYMMETRIC, LQ_S4, LQ_F16},
};
enum { CASES = sizeof cases / sizeof *cases };

static unsigned char input[COUNT * 4], bytes[COUNT * 5], zeros[COUNT], scales[COUNT * 4];
static unsigned char output[COUNT * 4];

/* Sizes of a wide range from row to row; some on a grid, so that there are ties; few are no numbers. */
static void make_inputs(lq_type type) {
    golden_seed(2025);
    for (int64_t i = 0; i < COUNT; ++i) {
        const uint32_t any = golden_random();
        const uint32_t kind = golden_random() % 64u;
        const uint32_t exponent = 0x3a000000u + ((uint32_t)(i / 256) % 5u << 23);
        uint32_t bits = (any & 0x807fffffu) | (exponent + (any >> 27 << 22));
        if (kind < 24) bits &= 0xffe00000u;
        if (kind == 60) bits &= 0x80000000u;
        if (kind == 61 && any % 8 == 0) bits = 0x7fc00000u;
        if (kind == 62 && any % 8 == 0) bits = 0xff800000u;
        const uint16_t half = (uint16_t)((bits >> 16 & 0x8000u) | (bits >> 13 & 0x3fffu));
        const uint16_t upper = (uint16_t)(bits >> 16);
        if (type == LQ_F32) memcpy(input + 4 * i, &bits, sizeof bits);
        if (type == LQ_F16) memcpy(input + 2 * i, &half, sizeof half);
        if (type == LQ_BF16) memcpy(input + 2 * i, &upper, sizeof upper);
    }
}

static void run(const lq_packed *packed, const lq_scheme *scheme, lq_type real) {
    const lq_tensor x = lq_matrix(input, real, ROWS, COLUMNS);
    lq_report report;
    lq_exec exec;
    lq_report_init(&report, sizeof report);
    lq_exec_init(&exec, sizeof exec);
    exec.report = &report;
    memset(bytes, 0x5a, sizeof bytes);
    memset(zeros, 0x5a, sizeof zeros);
    memset(scales, 0x5a, sizeof scales);
    golden_add((uint64_t)lq_encode(&x, scheme, packed, &exec), 4);
    golden_add((uint64_t)report.nan, 8);
    golden_add((uint64_t)report.infinite, 8);
    golden_add((uint64_t)report.clipped, 8);
    golden_add_tensor(packed->bytes);
    if (packed->scale) golden_add_tensor(packed->scale);
    if (packed->zero_bytes) golden_add_tensor(packed->zero_bytes);
    for (int i = 0; i < REALS; ++i) {
        const lq_tensor y = lq_matrix(output, reals[i], ROWS, COLUMNS);
        memset(output, 0x5a, sizeof output);
        golden_add((uint64_t)lq_decode(packed, scheme, &y, NULL), 4);
        golden_add_tensor(&y);
    }
}

typedef struct setting {
    int index;
    lq_type real;
} setting;

static lq_packed packed_of(lq_layout layout, int32_t bits, int64_t block) {
    lq_packed p;
    lq_packed_init(&p, sizeof p);
    p.layout = layout;
    p.bits = bits;
    p.rows = ROWS;
    p.columns = COLUMNS;
    p.block = block;
    return p;
}

static void run_records(const void *context) {
    const setting *s = context;
    lq_packed p = packed_of(records[s->index], 0, 0);
    int64_t size = 0;
    golden_add((uint64_t)lq_packed_size(&p, &size, NULL), 4);
    const lq_tensor to = lq_vector(bytes, LQ_U8, size);
    p.bytes = &to;
    make_inputs(s->real);
    run(&p, NULL, s->real);
}

static void run_codes(const void *context) {
    const setting *s = context;
    const struct code_case *c = &cases[s->index];
    const lq_block block = c->block ? lq_per_block(-1, c->block) : lq_per_channel(0);
    lq_packed p = packed_of(c->layout, c->bits, c->block);
    lq_scheme scheme = c->code == LQ_E2M1 ? lq_profile_scheme(LQ_PROFILE_MX, c->code, block)
                                          : lq_scheme_of(c->mapping, c->code, block);
    int64_t size = 0, zero_size = 0;
    if (c->code == LQ_S8 || c->code == LQ_U8) {
        scheme.qmin = c->code == LQ_S8 ? -(1 << (c->bits - 1)) : 0;
        scheme.qmax = scheme.qmin + (1 << c->bits) - 1;
    }
    golden_add((uint64_t)lq_packed_size(&p, &size, &zero_size), 4);
    const lq_tensor to = lq_vector(bytes, LQ_U8, size);
    const lq_tensor zero = lq_vector(zeros, LQ_U8, zero_size);
    const lq_tensor scale = lq_matrix(scales, c->scale, ROWS, c->block ? COLUMNS / c->block : 1);
    p.bytes = &to;
    p.scale = &scale;
    if (c->mapping == LQ_AFFINE) p.zero_bytes = &zero;
    make_inputs(s->real);
    run(&p, &scheme, s->real);
}

void golden_encodings(void) {
    char name[56];
    for (int i = 0; i < RECORDS * REALS; ++i) {
        const setting s = {i / REALS, reals[i % REALS]};
        snprintf(name, sizeof name, "encode/%s/%s", lq_type_name(s.real),
                 lq_layout_name(records[s.index]));
        golden_row(name, run_records, &s);
    }
    for (int i = 0; i < CASES * REALS; ++i) {
        const setting s = {i / REALS, reals[i % REALS]};
        snprintf(name, sizeof name, "encode/%s/%s/%d/%s", lq_type_name(s.real),
                 lq_layout_name(cases[s.index].layout), (int)cases[s.index].bits,
                 lq_type_name(cases[s.index].code));
        golden_row(name, run_codes, &s);
    }
}
