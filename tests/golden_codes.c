/* Codes that are no integers, and their scales, for the golden hashes. */
#include "golden.h"
#include <stdio.h>
#include <string.h>

enum { ROWS = 9, WIDTH = 101, COUNT = ROWS * WIDTH, REALS = 3, TYPES = 8 };

static const lq_type reals[REALS] = {LQ_F32, LQ_F16, LQ_BF16};

static const struct code_case {
    const char *name;
    lq_profile profile;
    lq_type code, scale;
    lq_scale_rounding scale_rounding;
    float factor;
    lq_rounding rounding;
} cases[] = {
    {"e4m3", LQ_PROFILE_LIBQUANT, LQ_E4M3, LQ_F32, 0, 0, LQ_ROUND_EVEN},
    {"e5m2", LQ_PROFILE_LIBQUANT, LQ_E5M2, LQ_F16, 0, 0, LQ_ROUND_AWAY},
    {"e4m3fnuz", LQ_PROFILE_LIBQUANT, LQ_E4M3FNUZ, LQ_BF16, LQ_SCALE_UP, 0, LQ_ROUND_EVEN},
    {"e5m2fnuz", LQ_PROFILE_ONNX_F16, LQ_E5M2FNUZ, LQ_F16, 0, 0, LQ_ROUND_EVEN},
    {"e2m3", LQ_PROFILE_LIBQUANT, LQ_E2M3, LQ_E5M2, 0, 0.3f, LQ_ROUND_LOWER_CODE},
    {"mx/e4m3", LQ_PROFILE_MX, LQ_E4M3, LQ_E8M0, 0, 0, LQ_ROUND_EVEN},
    {"mx/e5m2", LQ_PROFILE_MX, LQ_E5M2, LQ_E8M0, LQ_SCALE_EXPONENT_CEIL, 0, LQ_ROUND_EVEN},
    {"mx/e2m3", LQ_PROFILE_MX, LQ_E2M3, LQ_E8M0, LQ_SCALE_EXPONENT_EVEN, 0, LQ_ROUND_EVEN},
    {"mx/e3m2", LQ_PROFILE_MX, LQ_E3M2, LQ_E8M0, LQ_SCALE_EXPONENT_ROUND, 0, LQ_ROUND_EVEN},
    {"mx/e2m1", LQ_PROFILE_MX, LQ_E2M1, LQ_E8M0, LQ_SCALE_UP, 0, LQ_ROUND_EVEN},
    {"mx/s8", LQ_PROFILE_MX, LQ_S8, LQ_E8M0, 0, 0, LQ_ROUND_EVEN},
    {"mx/s4", LQ_PROFILE_MX, LQ_S4, LQ_E8M0, LQ_SCALE_EXPONENT_EVEN, 0, LQ_ROUND_EVEN},
    {"nvfp4", LQ_PROFILE_NVFP4, LQ_E2M1, LQ_E4M3, 0, 0.01f, LQ_ROUND_EVEN},
    {"ggml-mxfp4", LQ_PROFILE_GGML_MXFP4, LQ_E2M1, LQ_E8M0, 0, 0, LQ_ROUND_EVEN},
    {"ggml-nvfp4", LQ_PROFILE_GGML_NVFP4, LQ_E2M1, LQ_E4M3, 0, 0, LQ_ROUND_EVEN},
    {"ggml-iq4_nl", LQ_PROFILE_GGML_IQ4_NL, LQ_U4, LQ_F16, 0, 0, LQ_ROUND_EVEN},
    {"ggml-q4_1", LQ_PROFILE_GGML_Q4_1, LQ_U4, LQ_F16, 0, 0, LQ_ROUND_EVEN},
    {"ggml-q5_1", LQ_PROFILE_GGML_Q5_1, LQ_U8, LQ_BF16, 0, 0, LQ_ROUND_EVEN},
    {"nf4", LQ_PROFILE_NF4, LQ_U4, LQ_F32, 0, 0, LQ_ROUND_EVEN},
};
enum { CASES = sizeof cases / sizeof *cases };

static unsigned char input[COUNT * 8], codes[COUNT * 2], scales[COUNT * 4], zeros[COUNT * 4];
static unsigned char output[COUNT * 8];

/* Of 32 bits with exponents around 1 for the most part; cut to 16 where the type has those. */
static void make_inputs(lq_type type) {
    golden_seed(77);
    for (int64_t i = 0; i < COUNT; ++i) {
        const uint32_t any = golden_random();
        const uint32_t spread = golden_random() % 20u;
        uint32_t bits = (any & 0x807fffffu) | (0x3a000000u + (spread << 23));
        uint16_t half = (uint16_t)((any & 0x83ffu) | (0x2c00u + (spread % 10u << 10)));
        const uint32_t kind = golden_random() % 32u;
        if (kind == 0) bits = any, half = (uint16_t)any;
        if (kind == 1) bits = any & 0x80000000u, half = (uint16_t)(any & 0x8000u);
        if (kind < 8) bits &= 0xfff00000u, half &= 0xff00u;
        if (type == LQ_BF16) half = (uint16_t)(bits >> 16);
        if (type == LQ_F32) {
            memcpy(input + 4 * i, &bits, sizeof bits);
        } else {
            memcpy(input + 2 * i, &half, sizeof half);
        }
    }
}

typedef struct setting {
    const struct code_case *c;
    lq_type real;
    lq_block block;
} setting;

static lq_scheme scheme_of(const setting *s) {
    lq_scheme scheme = lq_profile_scheme(s->c->profile, s->c->code, s->block);
    if (s->c->scale_rounding) scheme.scale_rounding = s->c->scale_rounding;
    if (s->c->rounding) scheme.rounding = s->c->rounding;
    if (s->c->factor > 0) scheme.scale_factor = s->c->factor;
    return scheme;
}

static void add_report(lq_status status, const lq_report *report) {
    golden_add((uint64_t)status, 4);
    golden_add((uint64_t)report->nan, 8);
    golden_add((uint64_t)report->infinite, 8);
    golden_add((uint64_t)report->clipped, 8);
}

/* Parameters and codes; the values of these; what quantize makes of the parameters; and fakes. */
static void run_setting(const setting *s) {
    const lq_scheme scheme = scheme_of(s);
    const lq_tensor x = lq_matrix(input, s->real, ROWS, WIDTH);
    const lq_tensor y = lq_matrix(output, s->real, ROWS, WIDTH);
    const lq_tensor q = lq_matrix(codes, s->c->code, ROWS, WIDTH);
    int64_t grid[LQ_MAX_RANK], count = 0;
    lq_report report;
    lq_exec exec;
    lq_error error;
    lq_error_init(&error, sizeof error);
    lq_report_init(&report, sizeof report);
    lq_exec_init(&exec, sizeof exec);
    exec.report = &report;
    lq_grid_shape(&x, &scheme, grid, &count);
    const lq_tensor scale = lq_vector(scales, s->c->scale, count);
    const lq_tensor zero = lq_vector(zeros, s->c->scale, count);
    const lq_tensor *z = scheme.zero_place == LQ_ZERO_MINIMUM ? &zero : NULL;
    memset(codes, 0x5a, sizeof codes);
    memset(output, 0x5a, sizeof output);
    add_report(lq_quantize_dynamic(&x, &scheme, &q, &scale, z, &exec), &report);
    golden_add_tensor(&q);
    golden_add_tensor(&scale);
    if (z) golden_add_tensor(z);
    golden_add((uint64_t)lq_dequantize(&q, &scheme, &scale, z, &y, NULL), 4);
    golden_add_tensor(&y);
    golden_add((uint64_t)lq_measure_error(&x, &q, &scheme, &scale, z, &error, NULL), 4);
    golden_add((uint64_t)error.clipped, 8);
    add_report(lq_quantize(&x, &scheme, &scale, z, &q, &exec), &report);
    golden_add_tensor(&q);
    add_report(lq_fake_quantize(&x, &scheme, &scale, z, &y, &exec), &report);
    golden_add_tensor(&y);
}

static void run_case(const void *context) {
    setting s = *(const setting *)context;
    const lq_block blocks[] = {lq_per_block(1, 16), lq_per_channel(0), lq_per_channel(1),
                               lq_per_block(0, 4)};
    make_inputs(s.real);
    for (int b = 0; b < 4; ++b) {
        s.block = blocks[b];
        run_setting(&s);
    }
}

/* ---------------------------------------------------------------- conversions */

static const lq_type small[TYPES] = {LQ_E4M3, LQ_E5M2, LQ_E4M3FNUZ, LQ_E5M2FNUZ,
                                     LQ_E8M0, LQ_E2M3, LQ_E3M2,     LQ_E2M1};

static void run_convert(const void *context) {
    const lq_type type = *(const lq_type *)context;
    for (int i = 0; i < REALS * 4; ++i) {
        const lq_overflow overflow = i % 2;
        const lq_tensor x = lq_vector(input, reals[i / 4], COUNT);
        const lq_tensor q = lq_vector(codes, type, COUNT);
        const lq_tensor y = lq_vector(output, reals[i / 4], COUNT);
        const lq_tensor w = lq_vector(output, LQ_F64, COUNT);
        lq_report report;
        lq_exec exec;
        lq_report_init(&report, sizeof report);
        lq_exec_init(&exec, sizeof exec);
        exec.report = &report;
        make_inputs(reals[i / 4]);
        golden_add((uint64_t)lq_convert(&x, &q, overflow, i & 2 ? &exec : NULL), 4);
        golden_add_tensor(&q);
        golden_add((uint64_t)report.overflowed, 8);
        golden_add((uint64_t)report.underflowed, 8);
        golden_add((uint64_t)lq_convert(&q, &y, overflow, NULL), 4);
        golden_add_tensor(&y);
        golden_add((uint64_t)lq_convert(&x, &w, overflow, NULL), 4);
        golden_add((uint64_t)lq_convert(&w, &q, overflow, NULL), 4);
        golden_add_tensor(&q);
    }
}

void golden_codes(void) {
    char name[56];
    for (int i = 0; i < CASES * REALS; ++i) {
        const setting s = {.c = &cases[i / REALS], .real = reals[i % REALS]};
        snprintf(name, sizeof name, "codes/%s/%s", lq_type_name(s.real), s.c->name);
        golden_row(name, run_case, &s);
    }
    for (int i = 0; i < TYPES; ++i) {
        snprintf(name, sizeof name, "convert/%s", lq_type_name(small[i]));
        golden_row(name, run_convert, &small[i]);
    }
}
