/* Rows of what goes with integer products: accumulators from all of int32, and codes of any bits. */
#include "golden.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 6, COLUMNS = 5, WIDTH = 83, COUNT = ROWS * COLUMNS * WIDTH };

static const int64_t shape[] = {ROWS, COLUMNS, WIDTH};

static const struct code_case {
    const char *name;
    lq_type type;
} code_cases[] = {{"s2", LQ_S2}, {"u2", LQ_U2}, {"s4", LQ_S4},   {"u4", LQ_U4},
                  {"s8", LQ_S8}, {"u8", LQ_U8}, {"s16", LQ_S16}, {"u16", LQ_U16}};
enum { CODES = sizeof code_cases / sizeof *code_cases };

static const char *const rules[] = {"float", "onnx", "double_rounding", "single_rounding"};
static const char *const reals[] = {"f32", "f16", "bf16"};
static const lq_type real_types[] = {LQ_F32, LQ_F16, LQ_BF16};

typedef struct variant {
    int rule, code, real;
} variant;

static int32_t accumulators[COUNT], multipliers[COUNT], zeros[COUNT], sums[COUNT], rows[COUNT];
static int8_t shifts[COUNT];
static float scales[COUNT], biases[COUNT], values[COUNT];
static unsigned char codes[2 * COUNT];

/* A float of these bits, whatever this machine's byte order. */
static float of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float positive(uint32_t least_exponent, uint32_t span) {
    const uint32_t exponent = least_exponent + golden_random() % span;
    return of_bits(exponent << 23 | (golden_random() & 0x7fffffu));
}

static lq_block block_of(int grid) {
    static const int64_t extent[LQ_MAX_RANK] = {2, 3, 16};
    switch (grid) {
    case 1: return lq_per_channel(0);
    case 2: return lq_per_channel(1);
    case 3: return lq_per_channel(2);
    case 4: return lq_per_block(-1, 32);
    case 5: return lq_per_tile(3, extent);
    default: return lq_per_tensor();
    }
}
enum { GRIDS = 6 };

/* All magnitudes alike: random bits lose between none and all of them. */
static void make_accumulators(uint64_t seed) {
    golden_seed(seed);
    for (int i = 0; i < COUNT; ++i) {
        const uint32_t bits = golden_random();
        const uint32_t magnitude = (bits & 0x7fffffffu) >> golden_random() % 31u;
        accumulators[i] = bits >> 31 ? -(int32_t)magnitude - 1 : (int32_t)magnitude;
    }
}

static void make_parameters(lq_type code, int64_t count) {
    const bool is_signed = (code & 0x1000) != 0;
    const int32_t half = (int32_t)(1u << ((code & 0xff) - 1));
    for (int64_t i = 0; i < count; ++i) {
        scales[i] = positive(97, 32);
        /* One call to a statement: operands have no order. */
        const uint32_t multiplier = golden_random();
        multipliers[i] = (int32_t)(multiplier >> (1u + golden_random() % 8u));
        shifts[i] = (int8_t)(golden_random() % 62u) - 31;
        zeros[i] = (int32_t)(golden_random() % (uint32_t)(2 * half)) - (is_signed ? half : 0);
    }
}

static void add_requantized(const variant *v, int grid) {
    const lq_type type = code_cases[v->code].type;
    const lq_scheme scheme = lq_affine(type, block_of(grid));
    const bool fixed = v->rule >= LQ_REQUANTIZE_DOUBLE_ROUNDING;
    const lq_tensor acc = lq_contiguous(accumulators, LQ_S32, 3, shape);
    const lq_tensor q = lq_contiguous(codes, type, 3, shape);
    int64_t count_of[LQ_MAX_RANK], count = 0;
    lq_exec exec;
    lq_grid_shape(&acc, &scheme, count_of, &count);
    make_accumulators((uint64_t)grid);
    make_parameters(type, count);
    const lq_tensor m =
        fixed ? lq_vector(multipliers, LQ_S32, count) : lq_vector(scales, LQ_F32, count);
    const lq_tensor s = lq_vector(shifts, LQ_S8, count), z = lq_vector(zeros, LQ_S32, count);
    const lq_tensor sum = lq_vector(sums, LQ_S32, count);
    lq_exec_init(&exec, sizeof exec);
    exec.code_sums = &sum;
    memset(codes, 0x5a, sizeof codes);
    golden_add(
        (uint64_t)lq_requantize(&acc, &scheme, v->rule, &m, fixed ? &s : NULL, &z, &q, &exec), 4);
    golden_add_tensor(&q);
    golden_add_tensor(&sum);
}

static void run_requantize(const void *context) {
    for (int grid = 0; grid < GRIDS; ++grid) add_requantized(context, grid);
}

static void run_products(const void *context) {
    const variant *v = context;
    const int64_t m = ROWS * COLUMNS, n = WIDTH;
    const lq_tensor acc = lq_matrix(accumulators, LQ_S32, m, n);
    const lq_tensor x = lq_matrix(values, real_types[v->real], m, n);
    const lq_tensor row_scale = lq_vector(scales, LQ_F32, m);
    const lq_tensor column_scale = lq_vector(scales + m, LQ_F32, n);
    const lq_tensor row_zero = lq_vector(zeros, LQ_S32, m), row_sums = lq_vector(rows, LQ_S32, m);
    const lq_tensor column_zero = lq_vector(zeros + m, LQ_S32, n);
    const lq_tensor column_sums = lq_vector(sums, LQ_S32, n), bias = lq_vector(biases, LQ_F32, n);
    make_accumulators(7);
    make_parameters(LQ_U8, m + n);
    for (int i = 0; i < COUNT; ++i) {
        sums[i] = accumulators[COUNT - 1 - i];
        rows[i] = accumulators[COUNT / 2 + (i & 1023)];
        biases[i] = positive(110, 32);
        if (!(golden_random() & 1u)) biases[i] = -biases[i];
    }
    for (int with = 0; with < 32; ++with) {
        lq_product p;
        lq_product_init(&p, sizeof p);
        p.depth = with & 16 ? 1000 : INT32_MAX;
        if (with & 1) p.row_scale = &row_scale;
        if (with & 2) p.column_scale = &column_scale;
        if (with & 4) p.row_zero_point = &row_zero;
        if (with & 8) p.column_zero_point = &column_zero;
        if (with & 1) p.bias = &bias;
        p.row_sums = &row_sums;
        p.column_sums = &column_sums;
        golden_add((uint64_t)lq_dequantize_accumulators(&acc, &p, &x, NULL), 4);
        golden_add_tensor(&x);
    }
}

static void run_bias(const void *context) {
    const variant *v = context;
    const lq_tensor bias = lq_vector(biases, LQ_F32, COUNT);
    const lq_tensor weight_scale = lq_vector(scales, LQ_F32, COUNT);
    const lq_tensor q = lq_vector(accumulators, LQ_S32, COUNT);
    golden_seed(5);
    for (int i = 0; i < COUNT; ++i) {
        biases[i] = positive(100, 40);
        if (!(golden_random() & 1u)) biases[i] = -biases[i];
        scales[i] = positive(97, 32);
    }
    golden_add((uint64_t)lq_quantize_bias(&bias, 0.375f, &weight_scale, v->rule, &q, NULL), 4);
    golden_add_tensor(&q);
}

/* Any bits: subnormals, infinities and NaN among them. */
static void run_multiplier(const void *context) {
    (void)context;
    golden_seed(6);
    for (int i = 0; i < 100000; ++i) {
        uint64_t bits = (uint64_t)golden_random() << 32;
        bits |= golden_random();
        if (i % 4) bits = (bits & UINT64_C(0x000fffffffffffff)) | (uint64_t)(980 + i % 90) << 52;
        double scale;
        int32_t multiplier = 0, shift = 0;
        memcpy(&scale, &bits, sizeof scale);
        golden_add((uint64_t)lq_quantize_multiplier(scale, &multiplier, &shift), 4);
        golden_add((uint64_t)(int64_t)multiplier, 4);
        golden_add((uint64_t)(int64_t)shift, 4);
    }
}

void golden_products(void) {
    char name[56];
    variant v = {0, 0, 0};
    for (v.rule = 0; v.rule < 4; ++v.rule) {
        for (v.code = 0; v.code < CODES; ++v.code) {
            snprintf(name, sizeof name, "requantize/%s/%s", rules[v.rule], code_cases[v.code].name);
            golden_row(name, run_requantize, &v);
        }
    }
    for (v.real = 0; v.real < 3; ++v.real) {
        snprintf(name, sizeof name, "accumulators/%s", reals[v.real]);
        golden_row(name, run_products, &v);
    }
    v.rule = LQ_BIAS_EVEN;
    golden_row("bias/even", run_bias, &v);
    v.rule = LQ_BIAS_AWAY;
    golden_row("bias/away", run_bias, &v);
    golden_row("multiplier", run_multiplier, &v);
}
