/*
 * bench_pack: codes of a byte to codes of few bits and back; the parts of a quantized matrix to the
 * layouts of other systems and back; and one layout to another.
 */
#include "harness.h"
#include <stdio.h>
#include <stdlib.h>

typedef enum { CODES, PARTS, LAYOUTS } kind;

/* Each is measured there and back. */
typedef struct pair {
    kind kind;
    lq_type bytes, packed;   /* codes */
    lq_layout layout, other; /* `layout` with parts or with the other layout */
    int32_t bits;
    int64_t block;
} pair;

static const pair pairs[] = {
    {CODES, .bytes = LQ_S8, .packed = LQ_S4},
    {CODES, .bytes = LQ_U8, .packed = LQ_U4},
    {CODES, .bytes = LQ_U8, .packed = LQ_U2},
    {CODES, .bytes = LQ_U8, .packed = LQ_E3M2},
    {PARTS, .layout = LQ_LAYOUT_ROWS, .bits = 4, .block = 128},
    {PARTS, .layout = LQ_LAYOUT_HIGH_FIRST, .bits = 4, .block = 128},
    {PARTS, .layout = LQ_LAYOUT_MATMULNBITS, .bits = 4, .block = 32},
    {PARTS, .layout = LQ_LAYOUT_GPTQ, .bits = 4, .block = 128},
    {PARTS, .layout = LQ_LAYOUT_GPTQ, .bits = 3, .block = 128},
    {PARTS, .layout = LQ_LAYOUT_AWQ, .bits = 4, .block = 128},
    {PARTS, .layout = LQ_LAYOUT_COMPRESSED_TENSORS, .bits = 4, .block = 128},
    {PARTS, .layout = LQ_LAYOUT_GGML_Q8_0, .block = 32},
    {PARTS, .layout = LQ_LAYOUT_GGML_Q4_0, .block = 32},
    {LAYOUTS, .layout = LQ_LAYOUT_GPTQ, .other = LQ_LAYOUT_AWQ, .bits = 4, .block = 128},
    {LAYOUTS, .layout = LQ_LAYOUT_AWQ, .other = LQ_LAYOUT_MATMULNBITS, .bits = 4, .block = 128},
    {LAYOUTS, .layout = LQ_LAYOUT_GGML_Q4_0, .other = LQ_LAYOUT_MATMULNBITS, .bits = 4,
     .block = 32},
};

enum { PAIRS = sizeof pairs / sizeof *pairs, UNIT = 4096 };

static void name_row(int row, char *name, size_t size) {
    static const char *const operations[][2] = {
        {"pack_codes", "unpack_codes"}, {"pack", "unpack"}, {"repack", "repack"}};
    const pair *p = &pairs[row / 2];
    const char *ends[2] = {lq_layout_name(p->layout), lq_layout_name(p->other)};
    char rest[32] = "";
    if (p->kind == CODES) {
        ends[0] = lq_type_name(p->bytes);
        ends[1] = lq_type_name(p->packed);
    } else {
        snprintf(rest, sizeof rest, "/blocks%d%s", (int)p->block, p->bits == 3 ? "/3-bit" : "");
    }
    const char *first = ends[p->kind != PARTS && row % 2], *second = ends[1 - row % 2];
    if (p->kind == PARTS) second = NULL;
    snprintf(name, size, "%s/%s%s%s%s", operations[p->kind][row % 2], first, second ? "-" : "",
             second ? second : "", rest);
}

/* --------------------------------------------------------------------- jobs */

typedef struct matrix {
    lq_packed packed;
    lq_tensor bytes, scale;
} matrix;

typedef struct job {
    kind kind;
    bool back;
    lq_tensor codes, scale; /* parts */
    lq_tensor packed_codes;
    matrix from, to;
} job;

static void run_job(void *context) {
    const job *j = context;
    const lq_exec *exec = bench_exec();
    lq_packed from = j->from.packed, to = j->to.packed;
    lq_parts parts;
    lq_parts_init(&parts, sizeof parts);
    parts.codes = &j->codes;
    parts.scale = &j->scale;
    from.bytes = &j->from.bytes;
    from.scale = j->from.scale.data ? &j->from.scale : NULL;
    to.bytes = &j->to.bytes;
    to.scale = j->to.scale.data ? &j->to.scale : NULL;
    switch (j->kind) {
    case CODES:
        bench_check(j->back ? lq_unpack_codes(&j->packed_codes, &j->codes, exec)
                            : lq_pack_codes(&j->codes, &j->packed_codes, exec));
        break;
    case PARTS:
        bench_check(j->back ? lq_unpack(&from, &parts, exec) : lq_pack(&parts, &from, exec));
        break;
    case LAYOUTS:
        bench_check(j->back ? lq_repack(&to, &from, exec) : lq_repack(&from, &to, exec));
        break;
    }
}

/* Codes that every type here holds, whatever its sign. */
static void fill_codes(const lq_tensor *codes, int bits) {
    uint32_t state = 12345;
    unsigned char *bytes = codes->data;
    for (int64_t i = 0; i < codes->size; ++i) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(state >> 24 & ((1u << bits) - 1));
    }
}

static matrix make_matrix(lq_layout layout, int32_t bits, int64_t block, const lq_tensor *codes) {
    lq_layout_info info;
    matrix m = {.packed = {.struct_size = sizeof m.packed,
                           .layout = layout,
                           .rows = codes->shape[0],
                           .columns = codes->shape[1]}};
    int64_t size;
    bench_check(lq_layout_describe(layout, &info, sizeof info));
    if (!info.records) {
        m.packed.bits = bits;
        m.packed.block = block;
        m.scale = bench_matrix(LQ_F16, m.packed.rows, m.packed.columns / block);
    }
    bench_check(lq_packed_size(&m.packed, &size, NULL));
    m.bytes = bench_vector(LQ_U8, size);
    return m;
}

/* Columns of up to 4096, and rows a multiple of 32, which some layouts want. */
static void choose_shape(int64_t elements, int64_t *rows, int64_t *columns) {
    *columns = UNIT / 32;
    *rows = elements / *columns;
    for (; *columns < 4096 && *rows % 64 == 0; *rows /= 2) *columns *= 2;
}

static job make_job(const pair *p, int64_t elements) {
    job j = {.kind = p->kind};
    int64_t rows, columns;
    choose_shape(elements, &rows, &columns);
    if (p->kind == CODES) {
        j.codes = bench_matrix(p->bytes, rows, columns);
        j.packed_codes = bench_matrix(p->packed, rows, columns);
        fill_codes(&j.codes, (p->packed & 0xff) - (p->bytes == LQ_S8));
    } else {
        j.codes = bench_matrix(p->layout == LQ_LAYOUT_GGML_Q8_0 ? LQ_S8 : LQ_U8, rows, columns);
        j.scale = bench_matrix(LQ_F16, rows, columns / p->block);
        fill_codes(&j.codes, p->bits ? p->bits : 4);
        j.from = make_matrix(p->layout, p->bits, p->block, &j.codes);
        if (p->kind == LAYOUTS) j.to = make_matrix(p->other, p->bits, p->block, &j.codes);
    }
    return j;
}

/* What lies at the other end, for those who come back from it. */
static void fill_ends(job *j) {
    const kind k = j->kind;
    j->kind = k == CODES ? CODES : PARTS;
    run_job(j);
    j->kind = k;
    run_job(j);
}

static void run(int row, const char *name, int64_t elements) {
    job j = make_job(&pairs[row / 2], elements);
    const int64_t parts = j.kind == PARTS ? j.codes.size + j.scale.size : 0;
    const int64_t codes = j.kind == CODES ? j.codes.size + j.packed_codes.size : 0;
    const int64_t packed =
        j.from.bytes.size + j.from.scale.size + j.to.bytes.size + j.to.scale.size;
    fill_ends(&j);
    j.back = row % 2;
    bench_row r = bench_begin_row(name, elements, codes + parts + packed);
    bench_enter_levels(&r, run_job, &j);
    bench_end_row(&r);
    lq_tensor *const tensors[] = {&j.codes,      &j.scale,    &j.packed_codes, &j.from.bytes,
                                  &j.from.scale, &j.to.bytes, &j.to.scale};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; ++i) free(tensors[i]->data);
}

int main(int argc, char **argv) {
    const bench_suite suite = {
        .name = "bench_pack",
        .purpose =
            "Codes of a byte to codes of few bits and back (pack_codes, unpack_codes); codes\n"
            "and f16 scales to layouts and back (pack, unpack); layouts to layouts (repack).\n"
            "Nothing is computed, but codes that do not fit are looked for.",
        .unit = UNIT,
        .rows = 2 * PAIRS,
        .name_row = name_row,
        .run = run,
    };
    return bench_main(argc, argv, &suite);
}
