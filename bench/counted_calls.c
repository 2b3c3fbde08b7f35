#include "counted_calls.h"
#include "harness.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const counted_row counted_rows[] = {
    {QUANTIZE, LQ_F32, LQ_S8, .block = PER_TENSOR},
    {QUANTIZE, LQ_F32, LQ_S8, .block = PER_TENSOR, .profile = LQ_PROFILE_XNNPACK},
    {QUANTIZE, LQ_F32, LQ_U8, .block = PER_TENSOR},
    {QUANTIZE, LQ_F32, LQ_S4, .block = PER_TENSOR},
    {QUANTIZE, LQ_F32, LQ_S16, .block = PER_TENSOR},
    {QUANTIZE, LQ_F32, LQ_E4M3, .block = PER_TENSOR},
    {QUANTIZE, LQ_F16, LQ_S8, .block = PER_TENSOR},
    {QUANTIZE, LQ_F32, LQ_S8, .block = PER_ROW},
    {QUANTIZE, LQ_F32, LQ_S8, .block = PER_LANE},
    {QUANTIZE, LQ_F32, LQ_S8, .block = 32},
    {QUANTIZE, LQ_F32, LQ_S8, .block = 128},
    {QUANTIZE, LQ_F32, LQ_S4, .block = 32},
    {QUANTIZE, LQ_F32, LQ_S4, .block = 128},
    {DEQUANTIZE, LQ_S8, LQ_F32, .block = PER_TENSOR},
    {DEQUANTIZE, LQ_U8, LQ_F32, .block = PER_TENSOR},
    {DEQUANTIZE, LQ_S4, LQ_F32, .block = PER_TENSOR},
    {DEQUANTIZE, LQ_S16, LQ_F32, .block = PER_TENSOR},
    {DEQUANTIZE, LQ_E4M3, LQ_F32, .block = PER_TENSOR},
    {DEQUANTIZE, LQ_S8, LQ_F32, .block = PER_ROW},
    {DEQUANTIZE, LQ_S8, LQ_F32, .block = PER_LANE},
    {DEQUANTIZE, LQ_S8, LQ_F32, .block = 32},
    {DEQUANTIZE, LQ_S4, LQ_F32, .block = 32},
    {DEQUANTIZE, LQ_S4, LQ_F32, .block = 128},
    {FAKE, LQ_F32, LQ_S8, .block = PER_TENSOR},
    {FAKE, LQ_F32, LQ_S8, .block = PER_LANE},
    {DYNAMIC, LQ_F32, LQ_S8, .block = PER_TENSOR},
    {DYNAMIC, LQ_F32, LQ_S8, .block = PER_ROW},
    {DYNAMIC, LQ_F32, LQ_S8, .block = 32},
    {DYNAMIC, LQ_F32, LQ_S4, .block = 32},
    {DYNAMIC, LQ_F32, LQ_S8, .block = 128},
    {RANGE, LQ_F32, LQ_S8, .block = PER_TENSOR},
    {RANGE, LQ_F32, LQ_S8, .block = PER_LANE},
    {RANGE, LQ_F32, LQ_S8, .block = 32},
    {OBSERVE, LQ_F32, LQ_S8, .block = PER_TENSOR},
    {CONVERT, LQ_F32, .to = LQ_F16},
    {CONVERT, LQ_F16, .to = LQ_F32},
    {CONVERT, LQ_F32, .to = LQ_BF16},
    {CONVERT, LQ_BF16, .to = LQ_F32},
    {CONVERT, LQ_F32, .to = LQ_E4M3},
    {ENCODE, .layout = LQ_LAYOUT_GGML_Q8_0},
    {ENCODE, .layout = LQ_LAYOUT_GGML_Q4_0},
    {ENCODE, .layout = LQ_LAYOUT_GGML_Q4_K},
    {ENCODE, .layout = LQ_LAYOUT_GGML_MXFP4},
    {DECODE, .layout = LQ_LAYOUT_GGML_Q8_0},
    {DECODE, .layout = LQ_LAYOUT_GGML_Q4_0},
    {DECODE, .layout = LQ_LAYOUT_GGML_Q4_K},
    {DECODE, .layout = LQ_LAYOUT_GGML_MXFP4},
    {PACK, LQ_S8, .to = LQ_S4},
    {UNPACK, LQ_S4, .to = LQ_S8},
};
const int counted_row_count = (int)(sizeof counted_rows / sizeof *counted_rows);

static const char *const operation_names[] = {"quantize", "dequantize", "fake",        "dynamic",
                                              "range",    "histogram",  "convert",     "encode",
                                              "decode",   "pack_codes", "unpack_codes"};

static bool of_records(const counted_row *row) {
    return row->operation == ENCODE || row->operation == DECODE;
}

/* Who has a scale, and by which rule its codes come about; "" where there are none. */
static void name_rule(const counted_row *row, char *name, size_t size) {
    char blocks[24] = "tensor";
    if (row->block > 0) snprintf(blocks, sizeof blocks, "blocks%d", (int)row->block);
    if (row->block == PER_ROW) strcpy(blocks, "rows");
    if (row->block == PER_LANE) strcpy(blocks, "lanes");
    switch (row->operation) {
    case QUANTIZE:
    case DEQUANTIZE:
    case FAKE:
    case DYNAMIC:
        snprintf(name, size, "/%s/%s", blocks,
                 lq_profile_name(row->profile ? row->profile : LQ_PROFILE_LIBQUANT));
        break;
    case RANGE:
    case OBSERVE: snprintf(name, size, "/%s", blocks); break;
    default: break;
    }
}

void counted_name(const counted_row *row, char *name, size_t size) {
    const char *operation = operation_names[row->operation];
    const char *from = lq_type_name(row->from), *to = lq_type_name(row->to);
    char rule[48] = "";
    name_rule(row, rule, sizeof rule);
    switch (row->operation) {
    case RANGE:
    case OBSERVE: snprintf(name, size, "%s/%s%s", operation, from, rule); break;
    case ENCODE: snprintf(name, size, "%s/f32-%s", operation, lq_layout_name(row->layout)); break;
    case DECODE: snprintf(name, size, "%s/%s-f32", operation, lq_layout_name(row->layout)); break;
    case FAKE: snprintf(name, size, "%s/%s-%s-%s%s", operation, from, to, from, rule); break;
    default: snprintf(name, size, "%s/%s-%s%s", operation, from, to, rule);
    }
}

int64_t counted_unit(const counted_row *row) {
    lq_layout_info info;
    if (!of_records(row)) return 32;
    bench_check(lq_layout_describe(row->layout, &info, sizeof info));
    return info.record;
}

enum { COLUMNS = 256 };

/* Rows of 256, or one that is shorter. */
static lq_tensor allocate(lq_type type, int64_t elements) {
    const int64_t columns = elements < COLUMNS ? elements : COLUMNS;
    return bench_matrix(type, elements / columns, columns);
}

static lq_block block_of(const counted_row *row) {
    if (row->block == PER_TENSOR) return lq_per_tensor();
    if (row->block == PER_ROW) return lq_per_channel(0);
    if (row->block == PER_LANE) return lq_per_channel(1);
    return lq_per_block(-1, row->block);
}

/* Codes, and the scales and zero points that go with them. */
static void make_codes(counted_call *c, lq_type real, lq_type code, int64_t elements) {
    const counted_row *row = c->row;
    int64_t grid[LQ_MAX_RANK];
    int64_t blocks;
    const bool affine = code == LQ_U8;
    const lq_block block = block_of(row);
    c->scheme = row->profile ? lq_profile_scheme(row->profile, code, block)
                : affine     ? lq_affine(code, block)
                             : lq_symmetric(code, block);
    c->has_zero = affine || row->profile;
    bench_check(lq_grid_shape(&c->x, &c->scheme, grid, &blocks));
    c->codes = allocate(code, elements);
    c->result = allocate(real, elements);
    c->scale = bench_vector(LQ_F32, blocks);
    c->zero = bench_vector(code & 0x1000 ? LQ_S8 : LQ_U8, blocks);
    bench_check(lq_quantize_dynamic(&c->x, &c->scheme, &c->codes, &c->scale,
                                    c->has_zero ? &c->zero : NULL, NULL));
}

static void make_records(counted_call *c, int64_t elements) {
    int64_t size;
    c->packed = (lq_packed){
        .struct_size = sizeof c->packed, .layout = c->row->layout, .rows = 1, .columns = elements};
    bench_check(lq_packed_size(&c->packed, &size, NULL));
    c->x = lq_matrix(c->x.data, LQ_F32, 1, elements);
    c->bytes = bench_vector(LQ_U8, size);
    lq_packed packed = c->packed;
    packed.bytes = &c->bytes;
    bench_check(lq_encode(&c->x, NULL, &packed, NULL));
}

static void make_calibrator(counted_call *c) {
    const lq_calibrator_options options = lq_calibrate_per_tensor();
    size_t size;
    bench_check(lq_calibrator_size(&options, &size));
    c->calibrator = bench_allocate((int64_t)size);
    bench_check(lq_calibrator_init(c->calibrator, size, &options));
}

static void make_values(counted_call *c, lq_type type, int64_t elements) {
    c->x = allocate(type, elements);
    bench_fill(&c->x);
}

counted_call counted_make(const counted_row *row, int64_t elements) {
    counted_call c = {.row = row};
    switch (row->operation) {
    case CONVERT:
        make_values(&c, row->from, elements);
        c.result = allocate(row->to, elements);
        break;
    case OBSERVE:
        make_values(&c, row->from, elements);
        make_calibrator(&c);
        break;
    case ENCODE:
    case DECODE:
        make_values(&c, LQ_F32, elements);
        make_records(&c, elements);
        break;
    case DEQUANTIZE:
        make_values(&c, row->to, elements);
        make_codes(&c, row->to, row->from, elements);
        break;
    case PACK:
    case UNPACK:
        make_values(&c, LQ_F32, elements);
        make_codes(&c, LQ_S8, LQ_S4, elements);
        bench_check(lq_unpack_codes(&c.codes, &c.result, NULL));
        break;
    default: make_values(&c, row->from, elements); make_codes(&c, row->from, row->to, elements);
    }
    return c;
}

static lq_status run(const counted_call *c) {
    const lq_tensor *zero = c->has_zero ? &c->zero : NULL;
    lq_packed packed = c->packed;
    packed.bytes = &c->bytes;
    switch (c->row->operation) {
    case QUANTIZE: return lq_quantize(&c->x, &c->scheme, &c->scale, zero, &c->codes, NULL);
    case DEQUANTIZE: return lq_dequantize(&c->codes, &c->scheme, &c->scale, zero, &c->result, NULL);
    case FAKE: return lq_fake_quantize(&c->x, &c->scheme, &c->scale, zero, &c->result, NULL);
    case DYNAMIC: return lq_quantize_dynamic(&c->x, &c->scheme, &c->codes, &c->scale, zero, NULL);
    case RANGE: return lq_calibrate(&c->x, &c->scheme, &c->scale, zero, NULL);
    case OBSERVE: return lq_calibrator_observe(c->calibrator, &c->x, NULL);
    case CONVERT: return lq_convert(&c->x, &c->result, LQ_OVERFLOW_INFINITE, NULL);
    case ENCODE: return lq_encode(&c->x, NULL, &packed, NULL);
    case DECODE: return lq_decode(&packed, NULL, &c->x, NULL);
    case PACK: return lq_pack_codes(&c->result, &c->codes, NULL);
    case UNPACK: return lq_unpack_codes(&c->codes, &c->result, NULL);
    }
    return LQ_OK;
}

void counted_run(const counted_call *call) {
    bench_check(run(call));
}
