/* Matrices in layouts and in parts, and the calls from one to the other. */
#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "schemes.h"
#include "target.h"

typedef struct call {
    memory m;
    choices in;
    int64_t rows, columns;
    int kind;
    lq_layout layout;
    const lq_packed *packed, *other;
    const lq_parts *parts;
    const lq_scheme *scheme;
    const lq_tensor *x, *scale, *zero_point;
} call;

/* ------------------------------------------------------------------ arguments */

static lq_layout choose_layout(choices *in) {
    static const lq_layout layouts[] = {LQ_LAYOUT_ROWS,        LQ_LAYOUT_HIGH_FIRST,
                                        LQ_LAYOUT_MATMULNBITS, LQ_LAYOUT_GPTQ,
                                        LQ_LAYOUT_GPTQ_V2,     LQ_LAYOUT_AWQ,
                                        LQ_LAYOUT_HQQ,         LQ_LAYOUT_COMPRESSED_TENSORS,
                                        LQ_LAYOUT_GGML_Q4_0,   LQ_LAYOUT_GGML_Q4_1,
                                        LQ_LAYOUT_GGML_Q5_0,   LQ_LAYOUT_GGML_Q5_1,
                                        LQ_LAYOUT_GGML_Q8_0,   LQ_LAYOUT_GGML_Q8_1,
                                        LQ_LAYOUT_GGML_Q2_K,   LQ_LAYOUT_GGML_Q3_K,
                                        LQ_LAYOUT_GGML_Q4_K,   LQ_LAYOUT_GGML_Q5_K,
                                        LQ_LAYOUT_GGML_Q6_K,   LQ_LAYOUT_GGML_Q8_K,
                                        LQ_LAYOUT_GGML_IQ4_NL, LQ_LAYOUT_GGML_IQ4_XS,
                                        LQ_LAYOUT_GGML_TQ1_0,  LQ_LAYOUT_GGML_TQ2_0,
                                        LQ_LAYOUT_GGML_MXFP4,  LQ_LAYOUT_GGML_NVFP4};
    return choice_rarely(in, 64) ? (lq_layout)choice_bits(in, 2) : CHOICE_OF(in, layouts);
}

/* Of records whole ones. */
static void choose_matrix(call *c) {
    lq_layout_info info = {.struct_size = sizeof info};
    choices *in = &c->in;
    const int records = lq_layout_describe(c->layout, &info, sizeof info) == LQ_OK && info.records;
    c->rows = choice_rarely(in, 3) ? 8 * choice_in(in, 0, 12) : choice_in(in, 1, 5);
    c->columns = records                ? info.record * choice_in(in, 0, 256 / info.record + 1)
                 : choice_rarely(in, 3) ? choice_in(in, 0, 200)
                                        : 32 * choice_in(in, 0, 6);
    /* Beyond what is done at once, and into tasks. */
    if (choice_rarely(in, 40)) c->rows = c->columns > 0 ? MOST_ELEMENTS / c->columns : 1000;
    if (c->m.hostile && choice_rarely(in, 24)) c->rows = choice_any(in);
    if (c->m.hostile && choice_rarely(in, 24)) c->columns = choice_any(in);
}

static lq_packed shape_of(call *c, lq_layout layout) {
    static const int32_t widths[] = {4, 4, 2, 8, 3, 1, 5, 6, 7};
    static const int64_t blocks[] = {32, 0, 16, 64, 128};
    static const lq_type types[] = {LQ_S8, LQ_U8, LQ_E2M1, LQ_E4M3, LQ_E3M2};
    choices *in = &c->in;
    lq_packed p = {.struct_size = sizeof p, .layout = layout, .rows = c->rows};
    p.columns = c->columns;
    if (layout < LQ_LAYOUT_GGML_Q4_0) {
        p.bits = CHOICE_OF(in, widths);
        p.block = choice_rarely(in, 6) ? choice_in(in, 0, 100) : CHOICE_OF(in, blocks);
    }
    if (layout == LQ_LAYOUT_ROWS && choice_rarely(in, 3)) p.code_type = CHOICE_OF(in, types);
    if (c->m.hostile && choice_rarely(in, 24)) p.bits = (int32_t)choice_in(in, -1, 9);
    if (c->m.hostile && choice_rarely(in, 24)) p.block = choice_any(in);
    if (c->m.hostile && choice_rarely(in, 24)) p.code_type = choose_type(in);
    return p;
}

/* Bytes as they are needed, or now and then one more or less. */
static const lq_tensor *vector_of(call *c, enum role role, int64_t n) {
    const int64_t most = (int64_t)MOST_ELEMENTS * 4;
    if (n > most) n = most;
    if (choice_rarely(&c->in, 32)) n += choice_in(&c->in, n > 0 ? -1 : 0, 1);
    return memory_tensor(&c->m, role, NOISE, LQ_U8, 1, &n);
}

static int64_t blocks_of(const lq_packed *p) {
    const int64_t block = p->block > 0 ? p->block : p->columns;
    return block <= 0 || p->columns <= 0 ? 1 : (p->columns - 1) / block + 1;
}

static int fits(int64_t rows, int64_t columns) {
    return rows >= 0 && columns >= 0 && (columns == 0 || rows <= MOST_ELEMENTS / columns);
}

static const lq_packed *packed(call *c, lq_layout layout, enum role role) {
    choices *in = &c->in;
    lq_packed p = shape_of(c, layout);
    const int64_t blocks[2] = {p.rows, blocks_of(&p)};
    int64_t size = 0, zero_size = 0;
    if (lq_packed_size(&p, &size, &zero_size) == LQ_OK && (size < 0 || zero_size < 0))
        fault("a size of %lld and %lld", (long long)size, (long long)zero_size);
    if (p.rows > 0 && p.rows < 1000 && size % p.rows == 0 && size < MOST_ELEMENTS &&
        choice_rarely(in, 4)) {
        const int64_t shape[2] = {p.rows, size / p.rows};
        p.bytes = memory_tensor(&c->m, role, NOISE, LQ_U8, 2, shape);
    } else {
        p.bytes = vector_of(c, role, size);
    }
    if (layout >= LQ_LAYOUT_GGML_Q4_0) return memory_struct(&c->m, INPUT, &p, sizeof p);
    if (fits(blocks[0], blocks[1]) && !choice_rarely(in, 8))
        p.scale = memory_tensor(&c->m, role, SCALES, choose_scale_type(in), 2, blocks);
    if (zero_size > 0 && choice_rarely(in, 2)) p.zero_bytes = vector_of(c, role, zero_size);
    return memory_struct(&c->m, INPUT, &p, sizeof p);
}

static const lq_tensor *part(call *c, enum role role, enum content content, lq_type type,
                             int64_t columns) {
    const int64_t shape[2] = {c->rows, columns};
    if (type == 0 || !fits(c->rows, columns)) return NULL;
    if (choice_rarely(&c->in, 16)) return NULL;
    if (c->rows == 1 && choice_rarely(&c->in, 2))
        return memory_tensor(&c->m, role, content, type, 1, &columns);
    return memory_tensor(&c->m, role, content, type, 2, shape);
}

static lq_type codes_of(call *c, lq_type type) {
    static const lq_type types[] = {LQ_S8, LQ_U8, LQ_S4, LQ_U4, LQ_E2M1, LQ_S2, LQ_U2, LQ_E4M3};
    return type && !choice_rarely(&c->in, 3) ? type : CHOICE_OF(&c->in, types);
}

static const lq_parts *parts(call *c, enum role role, const lq_packed *p) {
    static const lq_type zeros[] = {LQ_S8, LQ_U8, LQ_S32, LQ_U4, LQ_S4};
    lq_layout_info info = {.struct_size = sizeof info};
    lq_parts out = {.struct_size = sizeof out};
    const lq_status known = lq_layout_describe(c->layout, &info, sizeof info);
    const int64_t columns = c->columns > 0 ? c->columns : 0;
    const enum content codes = role == INPUT ? ZERO_POINTS : NOISE;
    out.codes = part(c, role, codes, codes_of(c, info.code_type), c->columns);
    if (known == LQ_OK && info.records) {
        out.scale = part(c, role, SCALES, info.scale_type, columns / info.block);
        out.zero_point = part(c, role, codes, info.zero_type, columns / info.block);
        out.super_scale = part(c, role, SCALES, info.super_scale_type, columns / info.record);
        out.super_zero_point = part(c, role, SCALES, info.super_zero_type, columns / info.record);
        if (info.sum_block) out.sum = part(c, role, NOISE, info.sum_type, columns / info.sum_block);
    } else {
        out.scale = part(c, role, SCALES, choose_scale_type(&c->in), blocks_of(p));
        if (choice_rarely(&c->in, 2))
            out.zero_point = part(c, role, codes, CHOICE_OF(&c->in, zeros), blocks_of(p));
    }
    return memory_struct(&c->m, INPUT, &out, sizeof out);
}

/* That of records, one with the layout's codes and blocks, or any. */
static const lq_scheme *scheme(call *c) {
    static const lq_type types[] = {LQ_U4, LQ_S4, LQ_U8, LQ_S8, LQ_E2M1, LQ_U2, LQ_S2, LQ_E4M3};
    choices *in = &c->in;
    lq_scheme s;
    if (choice_rarely(in, 8)) {
        s = choose_scheme(in, c->m.hostile, 2);
    } else if (lq_layout_scheme(c->layout, &s, sizeof s) != LQ_OK) {
        const lq_type type = CHOICE_OF(in, types);
        const int64_t block = c->packed->struct_size < sizeof *c->packed ? 0 : c->packed->block;
        s = lq_scheme_of((lq_mapping)choice_in(in, 0, 1), type, lq_per_block(-1, block));
    } else if (!choice_rarely(in, 3)) {
        return NULL;
    }
    return memory_struct(&c->m, INPUT, &s, sizeof s);
}

/* ----------------------------------------------------------------- operations */

enum { PACK, UNPACK, REPACK, ENCODE, DECODE, PARAMETERS, KINDS };

static void build(call *c) {
    const int reads = c->kind == UNPACK || c->kind == REPACK || c->kind == DECODE;
    const int64_t columns = c->columns;
    if (c->kind != PARAMETERS) c->packed = packed(c, c->layout, reads ? INPUT : OUTPUT);
    lq_packed shape = {.columns = columns};
    if (c->packed && c->packed->struct_size >= sizeof shape) shape = *c->packed;
    if (c->kind == PACK || c->kind == UNPACK)
        c->parts = parts(c, c->kind == PACK ? INPUT : OUTPUT, &shape);
    if (c->kind == REPACK) c->other = packed(c, choose_layout(&c->in), OUTPUT);
    if (c->kind == ENCODE || c->kind == DECODE) {
        c->x = part(c, c->kind == ENCODE ? INPUT : OUTPUT, VALUES, choose_real(&c->in), columns);
        c->scheme = scheme(c);
    }
    if (c->kind == PARAMETERS) {
        lq_layout_info info = {.struct_size = sizeof info};
        lq_layout_describe(c->layout, &info, sizeof info);
        c->parts = parts(c, INPUT, &shape);
        c->scale = part(c, OUTPUT, NOISE, LQ_F32, info.block ? columns / info.block : 1);
        if (info.zero_type)
            c->zero_point = part(c, OUTPUT, NOISE, LQ_F32, info.block ? columns / info.block : 1);
    }
}

static lq_status run(const void *p, const lq_exec *exec) {
    const call *c = p;
    switch (c->kind) {
    case PACK: return lq_pack(c->parts, c->packed, exec);
    case UNPACK: return lq_unpack(c->packed, c->parts, exec);
    case REPACK: return lq_repack(c->packed, c->other, exec);
    case ENCODE: return lq_encode(c->x, c->scheme, c->packed, exec);
    case DECODE: return lq_decode(c->packed, c->scheme, c->x, exec);
    default: return lq_parts_parameters(c->parts, c->layout, c->scale, c->zero_point, exec);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    call c = {.in = {data, data + size}};
    c.kind = (int)choice_in(&c.in, 0, KINDS - 1);
    memory_open(&c.m, &c.in);
    c.m.as_is = c.kind == DECODE;
    c.layout = choose_layout(&c.in);
    choose_matrix(&c);
    build(&c);
    memory_run(&c.m, run, &c, NULL);
    memory_close(&c.m);
    return 0;
}
