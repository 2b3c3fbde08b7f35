/* Every call that takes tensors and a scheme, with any arguments. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "schemes.h"
#include "target.h"

typedef struct call {
    memory m;
    choices in;
    int32_t rank;
    int64_t shape[LQ_MAX_RANK], grid[LQ_MAX_RANK];
    int64_t blocks;
    int parameters; /* how those are shaped: one of parameter_shape */
    lq_type real;
    lq_scheme chosen;
    const lq_scheme *scheme;
    const lq_tensor *x, *codes, *scale, *zero_point, *y, *sums;
    const lq_tensor *grad_x, *grad_scale, *grad_zero_point, *shift;
    const lq_product *product;
    lq_error *error;
    float factor;
    int32_t rule;
} call;

enum parameter_shape { VECTOR, GRID, ONE, ONE_FOR_ALL };

/* ------------------------------------------------------------------ arguments */

static const lq_tensor *given(call *c, const lq_tensor *t, int out_of) {
    if (!choice_rarely(&c->in, out_of)) return t;
    memory_withhold(&c->m, t);
    return NULL;
}

static const lq_tensor *tensor(call *c, enum role role, lq_type type) {
    return given(c, memory_tensor(&c->m, role, VALUES, type, c->rank, c->shape), 200);
}

static const lq_tensor *parameter(call *c, enum role role, enum content content, lq_type type) {
    const int64_t one = 1;
    const lq_tensor *t;
    switch (c->parameters) {
    case GRID: t = memory_tensor(&c->m, role, content, type, c->rank, c->grid); break;
    case ONE: t = memory_tensor(&c->m, role, content, type, 0, NULL); break;
    case ONE_FOR_ALL: t = memory_tensor(&c->m, role, content, type, 1, &one); break;
    default: t = memory_tensor(&c->m, role, content, type, 1, &c->blocks); break;
    }
    return given(c, t, 200);
}

static const lq_tensor *zero_point(call *c, enum role role) {
    static const lq_type others[] = {LQ_S32, LQ_S8, LQ_U8, LQ_S16, LQ_F32, LQ_F16, LQ_BF16};
    const lq_scheme *s = &c->chosen;
    const int real = s->zero_place == LQ_ZERO_MINIMUM || s->zero_rule == LQ_ZERO_REAL;
    const lq_type type = real                       ? choose_real(&c->in)
                         : choice_rarely(&c->in, 3) ? CHOICE_OF(&c->in, others)
                                                    : s->code_type;
    if (choice_rarely(&c->in, 2) == (s->mapping == LQ_AFFINE)) return NULL;
    return parameter(c, role, ZERO_POINTS, type);
}

static void parameters(call *c, enum role role) {
    c->scale = parameter(c, role, SCALES, choose_scale_type(&c->in));
    c->zero_point = zero_point(c, role);
}

static void sums(call *c) {
    if (choice_rarely(&c->in, 6)) c->sums = parameter(c, OUTPUT, NOISE, LQ_S32);
}

/* ----------------------------------------------------------------- operations */

static void build_calibrate(call *c) {
    c->x = tensor(c, INPUT, c->real);
    parameters(c, OUTPUT);
}

static lq_status run_calibrate(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_calibrate(c->x, c->scheme, c->scale, c->zero_point, exec);
}

static void build_choose(call *c) {
    c->x = tensor(c, INPUT, c->real);
    c->y = tensor(c, INPUT, c->real);
    memcpy(c->grid, c->shape, sizeof c->grid);
    c->parameters = GRID;
    parameters(c, OUTPUT);
}

static lq_status run_choose(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_choose_parameters(c->x, c->y, c->scheme, c->scale, c->zero_point, exec);
}

static void build_quantize(call *c) {
    c->x = tensor(c, INPUT, c->real);
    parameters(c, INPUT);
    c->codes = tensor(c, OUTPUT, c->chosen.code_type);
    sums(c);
}

static lq_status run_quantize(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_quantize(c->x, c->scheme, c->scale, c->zero_point, c->codes, exec);
}

static void build_dequantize(call *c) {
    c->codes = tensor(c, INPUT, c->chosen.code_type);
    parameters(c, INPUT);
    c->x = tensor(c, OUTPUT, c->real);
}

static lq_status run_dequantize(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_dequantize(c->codes, c->scheme, c->scale, c->zero_point, c->x, exec);
}

static void build_dynamic(call *c) {
    c->x = tensor(c, INPUT, c->real);
    c->codes = tensor(c, OUTPUT, c->chosen.code_type);
    parameters(c, OUTPUT);
    sums(c);
}

static lq_status run_dynamic(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_quantize_dynamic(c->x, c->scheme, c->codes, c->scale, c->zero_point, exec);
}

static void build_fake(call *c) {
    c->x = tensor(c, INPUT, c->real);
    parameters(c, INPUT);
    c->y = tensor(c, OUTPUT, c->real);
}

static lq_status run_fake(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_fake_quantize(c->x, c->scheme, c->scale, c->zero_point, c->y, exec);
}

static void build_gradient(call *c) {
    static const float factors[] = {1, 0.125f, 0, -1, NAN, INFINITY};
    c->x = tensor(c, INPUT, c->real);
    parameters(c, INPUT);
    c->y = tensor(c, INPUT, c->real);
    c->grad_x = given(c, memory_tensor(&c->m, OUTPUT, NOISE, c->real, c->rank, c->shape), 4);
    if (choice_rarely(&c->in, 2)) c->grad_scale = parameter(c, OUTPUT, NOISE, LQ_F32);
    if (choice_rarely(&c->in, 2)) c->grad_zero_point = parameter(c, OUTPUT, NOISE, LQ_F32);
    c->factor = choice_rarely(&c->in, 4) ? CHOICE_OF(&c->in, factors) : 1;
}

static lq_status run_gradient(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_fake_quantize_grad(c->x, c->scheme, c->scale, c->zero_point, c->y, c->grad_x,
                                 c->grad_scale, c->grad_zero_point, c->factor, exec);
}

static void packed_types(call *c, lq_type *wide, lq_type *narrow) {
    static const lq_type types[][2] = {{LQ_S8, LQ_S4},   {LQ_S8, LQ_S2},   {LQ_U8, LQ_U4},
                                       {LQ_U8, LQ_U2},   {LQ_U8, LQ_E2M1}, {LQ_U8, LQ_E2M3},
                                       {LQ_U8, LQ_E3M2}, {LQ_U8, LQ_S4}};
    const lq_type *pair = CHOICE_OF(&c->in, types);
    *wide = pair[0];
    *narrow = pair[1];
}

static void build_pack(call *c) {
    lq_type wide, narrow;
    packed_types(c, &wide, &narrow);
    /* Small ones, or few would fit. */
    c->x = memory_tensor(&c->m, INPUT, ZERO_POINTS, wide, c->rank, c->shape);
    c->codes = tensor(c, OUTPUT, narrow);
}

static lq_status run_pack(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_pack_codes(c->x, c->codes, exec);
}

static void build_unpack(call *c) {
    lq_type wide, narrow;
    packed_types(c, &wide, &narrow);
    c->codes = tensor(c, INPUT, narrow);
    c->x = tensor(c, OUTPUT, wide);
}

static lq_status run_unpack(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_unpack_codes(c->codes, c->x, exec);
}

static lq_type number(choices *in) {
    static const lq_type numbers[] = {LQ_F32,  LQ_F16,  LQ_BF16,     LQ_F64,      LQ_E4M3, LQ_E8M0,
                                      LQ_E5M2, LQ_E2M3, LQ_E4M3FNUZ, LQ_E5M2FNUZ, LQ_E3M2, LQ_E2M1};
    return choice_rarely(in, 16) ? choose_type(in) : CHOICE_OF(in, numbers);
}

static void build_convert(call *c) {
    c->x = tensor(c, INPUT, number(&c->in));
    c->y = tensor(c, OUTPUT, number(&c->in));
    c->rule = (int32_t)choice_in(&c->in, 0, 1) + choice_rarely(&c->in, 32);
}

static lq_status run_convert(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_convert(c->x, c->y, c->rule, exec);
}

static void build_sums(call *c) {
    c->codes = tensor(c, INPUT, c->chosen.code_type);
    c->y = parameter(c, OUTPUT, NOISE, LQ_S32);
}

static lq_status run_sums(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_sum_codes(c->codes, c->scheme, c->y, exec);
}

static void build_requantize(call *c) {
    static const lq_type shifts[] = {LQ_S32, LQ_S8, LQ_S16};
    c->rule = (int32_t)choice_in(&c->in, 0, 3) + choice_rarely(&c->in, 32);
    c->x = tensor(c, INPUT, LQ_S32);
    if (c->rule <= LQ_REQUANTIZE_ONNX) {
        c->scale = parameter(c, INPUT, SCALES, choose_real(&c->in));
    } else {
        c->scale = parameter(c, INPUT, SCALES, LQ_S32);
        c->shift = parameter(c, INPUT, ZERO_POINTS, CHOICE_OF(&c->in, shifts));
    }
    c->zero_point = zero_point(c, INPUT);
    c->codes = tensor(c, OUTPUT, c->chosen.code_type);
    sums(c);
}

static lq_status run_requantize(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_requantize(c->x, c->scheme, c->rule, c->scale, c->shift, c->zero_point, c->codes,
                         exec);
}

static void build_bias(call *c) {
    static const float scales[] = {1, 0.0078125f, 1e-38f, 1e38f, 0, NAN, -1};
    c->rank = 1;
    c->blocks = c->shape[0];
    c->parameters = choice_rarely(&c->in, 3) ? ONE_FOR_ALL : VECTOR;
    c->x = tensor(c, INPUT, c->real);
    c->factor = CHOICE_OF(&c->in, scales);
    c->scale = parameter(c, INPUT, SCALES, choose_real(&c->in));
    c->rule = (int32_t)choice_in(&c->in, 0, 1) + choice_rarely(&c->in, 32);
    c->codes = tensor(c, OUTPUT, LQ_S32);
}

static lq_status run_bias(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_quantize_bias(c->x, c->factor, c->scale, c->rule, c->codes, exec);
}

/* A vector of a product, or none. */
static const lq_tensor *factor(call *c, enum content content, lq_type type, int64_t n) {
    const int64_t one = 1;
    if (choice_rarely(&c->in, 3)) return NULL;
    return memory_tensor(&c->m, INPUT, content, type, 1, choice_rarely(&c->in, 4) ? &one : &n);
}

static void build_accumulators(call *c) {
    static const lq_type zeros[] = {LQ_S32, LQ_S8, LQ_U8, LQ_S16, LQ_U16, LQ_S4, LQ_F32};
    lq_product p = {.struct_size = sizeof p};
    if (c->rank != 2) {
        c->rank = 2;
        c->shape[0] = choice_in(&c->in, 0, 20);
        c->shape[1] = choice_in(&c->in, 0, 90);
    }
    const int64_t rows = c->shape[0], columns = c->shape[1];
    p.depth = choice_rarely(&c->in, 8) ? choice_any(&c->in) : choice_in(&c->in, 0, 5000);
    p.row_scale = factor(c, SCALES, choose_real(&c->in), rows);
    p.column_scale = factor(c, SCALES, choose_real(&c->in), columns);
    p.row_zero_point = factor(c, ZERO_POINTS, CHOICE_OF(&c->in, zeros), rows);
    p.column_zero_point = factor(c, ZERO_POINTS, CHOICE_OF(&c->in, zeros), columns);
    p.row_sums = factor(c, NOISE, LQ_S32, rows);
    p.column_sums = factor(c, NOISE, LQ_S32, columns);
    p.bias = factor(c, VALUES, choose_real(&c->in), columns);
    c->product = memory_struct(&c->m, INPUT, &p, sizeof p);
    c->x = tensor(c, INPUT, LQ_S32);
    c->y = tensor(c, OUTPUT, c->real);
}

static lq_status run_accumulators(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_dequantize_accumulators(c->x, c->product, c->y, exec);
}

static void build_measure(call *c) {
    lq_error error;
    lq_error_init(&error, sizeof error);
    c->x = tensor(c, INPUT, c->real);
    if (choice_rarely(&c->in, 2)) {
        c->codes = tensor(c, INPUT, choose_real(&c->in));
        c->scheme = NULL;
    } else {
        c->codes = tensor(c, INPUT, c->chosen.code_type);
        parameters(c, INPUT);
    }
    c->error = memory_struct(&c->m, OUTPUT, &error, sizeof error);
}

static lq_status run_measure(const void *p, const lq_exec *exec) {
    const call *c = p;
    return lq_measure_error(c->x, c->codes, c->scheme, c->scale, c->zero_point, c->error, exec);
}

static const struct {
    void (*build)(call *c);
    operation *run;
} operations[] = {
    {build_quantize, run_quantize}, {build_dequantize, run_dequantize},
    {build_dynamic, run_dynamic},   {build_calibrate, run_calibrate},
    {build_choose, run_choose},     {build_fake, run_fake},
    {build_gradient, run_gradient}, {build_pack, run_pack},
    {build_unpack, run_unpack},     {build_convert, run_convert},
    {build_sums, run_sums},         {build_requantize, run_requantize},
    {build_bias, run_bias},         {build_accumulators, run_accumulators},
    {build_measure, run_measure},
};

/* What is asked about a scheme and a shape writes little, and agrees with itself. */
static void ask(call *c) {
    lq_tensor x = lq_contiguous(NULL, LQ_F32, c->rank, c->shape);
    int32_t qmin = 1, qmax = -1, z0 = 0;
    int64_t count = 1, product = 1;
    if (lq_scheme_range(c->scheme, &qmin, &qmax, &z0) == LQ_OK && qmin > qmax)
        fault("codes from %d to %d", (int)qmin, (int)qmax);
    for (int i = 0; i < LQ_MAX_RANK; ++i) c->grid[i] = 1;
    c->blocks = 1;
    if (lq_grid_shape(&x, c->scheme, c->grid, &count) != LQ_OK) return;
    for (int32_t i = 0; i < c->rank; ++i) product *= c->grid[i];
    if (product != count)
        fault("a grid of %lld blocks, not %lld", (long long)product, (long long)count);
    c->blocks = count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    call c = {.in = {data, data + size}};
    const size_t kinds = sizeof operations / sizeof *operations;
    const size_t kind = (size_t)choice_in(&c.in, 0, (int64_t)kinds - 1);
    memory_open(&c.m, &c.in);
    c.rank = choose_shape(&c.in, c.shape);
    c.real = choose_real(&c.in);
    c.chosen = choose_scheme(&c.in, c.m.hostile, c.rank);
    c.scheme = memory_struct(&c.m, INPUT, &c.chosen, sizeof c.chosen);
    ask(&c);
    c.parameters = (int)choice_in(&c.in, VECTOR, ONE_FOR_ALL);
    if (c.blocks > 1 && c.parameters > GRID) c.parameters = VECTOR;
    operations[kind].build(&c);
    memory_run(&c.m, operations[kind].run, &c, c.sums);
    memory_close(&c.m);
    return 0;
}
