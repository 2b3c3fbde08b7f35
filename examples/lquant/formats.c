/* The list of formats, and in which tensors each keeps a matrix. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gguf.h"
#include "json.h"
#include "packing.h"

/* -------------------------------------------------------------------------- GGUF */

static const char *refuse_rows(packing *p, int64_t block) {
    p->ragged = 1;
    snprintf(p->fault, sizeof p->fault,
             "has rows of %" PRId64 ", no whole number of blocks of %" PRId64, p->columns, block);
    return p->fault;
}

static const char *plan_gguf(packing *p, const char *name) {
    const char *dtype = gguf_dtype((uint32_t)(p->format->layout - 256));
    int64_t block, bytes;
    if (!tf_block(dtype, &block, &bytes)) return "is of a format that GGUF does not have";
    if (p->columns % block != 0) return refuse_rows(p, block);
    if (p->rank > GGUF_MAX_RANK) return "has more than 4 dimensions";
    packing_add(p, PART_CODES, name, "", dtype, 0, 0, 0);
    p->parts[0].rank = p->rank;
    memcpy(p->parts[0].shape, p->shape, sizeof p->shape);
    p->parts[0].size = tf_bytes(p->parts[0].dtype, p->rank, p->shape);
    return NULL;
}

/* -------------------------------------------------------------------- safetensors */

/* The name without its "weight" behind a dot, else with a dot, to which GPTQ's words are added. */
static const char *stem(const char *name, char *out, size_t size) {
    const size_t length = strlen(name), word = strlen("weight");
    const int weight = length >= word && strcmp(name + length - word, "weight") == 0 &&
                       (length == word || name[length - word - 1] == '.');
    snprintf(out, size, "%.*s%s", (int)(weight ? length - word : length), name, weight ? "" : ".");
    return out;
}

enum { STEM_SIZE = 4096 };

static const char *real_name(lq_type type) {
    return type == LQ_F32 ? "F32" : type == LQ_F16 ? "F16" : "BF16";
}

static const char *whole_blocks(packing *p) {
    return p->columns % p->chosen.block != 0 ? refuse_rows(p, p->chosen.block) : NULL;
}

/* Codes of 4 bits two to a byte, under NAME_packed; exponents as bytes. */
static const char *plan_mxfp4(packing *p, const char *name) {
    const char *wrong = whole_blocks(p);
    if (wrong) return wrong;
    packing_add(p, PART_CODES, name, "_packed", "U8", 2, p->rows, p->columns / 2);
    packing_add(p, PART_SCALE, name, "_scale", "U8", 2, p->rows, p->blocks);
    return NULL;
}

static const char *plan_mx(packing *p, const char *name) {
    const char *dtype = p->format->code_type == LQ_E4M3   ? "F8_E4M3"
                        : p->format->code_type == LQ_E5M2 ? "F8_E5M2"
                        : p->format->code_type == LQ_E2M3 ? "F6_E2M3"
                        : p->format->code_type == LQ_E3M2 ? "F6_E3M2"
                                                          : "I8";
    const char *wrong = whole_blocks(p);
    if (wrong) return wrong;
    packing_add(p, PART_CODES, name, "", dtype, 2, p->rows, p->columns);
    packing_add(p, PART_SCALE, name, "_scale", "U8", 2, p->rows, p->blocks);
    return NULL;
}

static const char *plan_nvfp4(packing *p, const char *name) {
    const char *wrong = whole_blocks(p);
    if (wrong) return wrong;
    packing_add(p, PART_CODES, name, "", "U8", 2, p->rows, p->columns / 2);
    packing_add(p, PART_SCALE, name, "_scale", "F8_E4M3", 2, p->rows, p->blocks);
    packing_add(p, PART_FACTOR, name, "_scale_2", "F32", 0, 0, 0);
    return NULL;
}

static const char *plan_fp8(packing *p, const char *name) {
    packing_add(p, PART_CODES, name, "", "F8_E4M3", 2, p->rows, p->columns);
    packing_add(p, PART_SCALE, name, "_scale", real_name(p->chosen.scale_type), 2, p->rows, 1);
    return NULL;
}

/* bitsandbytes goes through all elements as one row. */
static const char *plan_nf4(packing *p, const char *name) {
    size_t used;
    p->columns *= p->rows;
    p->rows = 1;
    p->blocks = p->columns / p->chosen.block + (p->columns % p->chosen.block != 0);
    used = (size_t)snprintf(p->state, sizeof p->state,
                            "{\"quant_type\": \"nf4\", \"blocksize\": %d, \"dtype\": \"%s\", "
                            "\"shape\": [",
                            (int)p->chosen.block,
                            p->real == LQ_F32   ? "float32"
                            : p->real == LQ_F16 ? "float16"
                                                : "bfloat16");
    for (int32_t i = 0; i < p->rank; ++i)
        used += (size_t)snprintf(p->state + used, sizeof p->state - used, "%s%lld", i ? ", " : "",
                                 (long long)p->shape[i]);
    used += (size_t)snprintf(p->state + used, sizeof p->state - used, "]}");
    packing_add(p, PART_CODES, name, "", "U8", 2, p->columns / 2 + p->columns % 2, 1);
    packing_add(p, PART_SCALE, name, ".absmax", "F32", 1, p->blocks, 0);
    packing_add(p, PART_TABLE, name, ".quant_map", "F32", 1, 16, 0);
    packing_add(p, PART_STATE, name, ".quant_state.bitsandbytes__nf4", "U8", 1, (int64_t)used, 0);
    return NULL;
}

static const char *plan_matmulnbits(packing *p, const char *name) {
    const int32_t bits = p->chosen.bits;
    const char *codes = bits == 8 ? "_Q8" : bits == 2 ? "_Q2" : "_Q4";
    const int64_t zero_row = (p->blocks * bits + 7) / 8;
    const int64_t blob = p->chosen.block * bits / 8;
    part *t = &p->parts[p->count];
    packing_add(p, PART_CODES, name, codes, "U8", 2, p->rows, p->blocks * blob);
    /* The operator takes N x blocks x bytes of a block, and no matrix. */
    t->rank = 3;
    t->shape[1] = p->blocks;
    t->shape[2] = blob;
    packing_add(p, PART_SCALE, name, "_scales", real_name(p->chosen.scale_type), 2, p->rows,
                p->blocks);
    if (p->chosen.mapping == LQ_AFFINE)
        packing_add(p, PART_ZERO, name, "_zero_points", "U8", 2, p->rows, zero_row);
    return NULL;
}

/* Columns of the matrix along the first axis, so scales as well. */
static const char *plan_gptq(packing *p, const char *name) {
    char s[STEM_SIZE];
    const int32_t bits = p->chosen.bits;
    const char *wrong = whole_blocks(p);
    if (wrong) return wrong;
    if (p->columns * bits % 32 != 0 || p->rows * bits % 32 != 0) {
        snprintf(p->fault, sizeof p->fault,
                 "has %" PRId64 " rows of %" PRId64 ", whose codes of %d bits fill no words of 32",
                 p->rows, p->columns, (int)bits);
        return p->fault;
    }
    stem(name, s, sizeof s);
    p->scale_transposed = 1;
    packing_add(p, PART_CODES, s, "qweight", "I32", 2, p->columns * bits / 32, p->rows);
    packing_add(p, PART_ZERO, s, "qzeros", "I32", 2, p->blocks, p->rows * bits / 32);
    packing_add(p, PART_SCALE, s, "scales", "F16", 2, p->blocks, p->rows);
    packing_add(p, PART_INDEX, s, "g_idx", "I32", 1, p->columns, 0);
    return NULL;
}

static const char *plan_awq(packing *p, const char *name) {
    char s[STEM_SIZE];
    const char *wrong = whole_blocks(p);
    if (wrong) return wrong;
    if (p->rows % 8 != 0) {
        snprintf(p->fault, sizeof p->fault, "has %" PRId64 " rows, no multiple of 8", p->rows);
        return p->fault;
    }
    stem(name, s, sizeof s);
    p->scale_transposed = 1;
    packing_add(p, PART_CODES, s, "qweight", "I32", 2, p->columns, p->rows / 8);
    packing_add(p, PART_ZERO, s, "qzeros", "I32", 2, p->blocks, p->rows / 8);
    packing_add(p, PART_SCALE, s, "scales", "F16", 2, p->blocks, p->rows);
    return NULL;
}

static const char *plan_compressed_tensors(packing *p, const char *name) {
    const int32_t in_word = 32 / p->chosen.bits;
    const char *wrong = whole_blocks(p);
    if (wrong) return wrong;
    packing_add(p, PART_CODES, name, "_packed", "I32", 2, p->rows,
                p->columns / in_word + (p->columns % in_word != 0));
    packing_add(p, PART_SCALE, name, "_scale", real_name(p->chosen.scale_type), 2, p->rows,
                p->blocks);
    if (p->chosen.mapping == LQ_AFFINE)
        packing_add(p, PART_ZERO, name, "_zero_point", "I32", 2,
                    p->rows / in_word + (p->rows % in_word != 0), p->blocks);
    packing_add(p, PART_SHAPE, name, "_shape", "I64", 1, p->rank, 0);
    return NULL;
}

/* ------------------------------------------------------------------ configurations */

static int text(cJSON *config, const char *key, const char *value) {
    return cJSON_AddStringToObject(config, key, value) ? 0 : -1;
}

static int truth(cJSON *config, const char *key, int value) {
    return cJSON_AddBoolToObject(config, key, value) ? 0 : -1;
}

/* The object that compressed-tensors keeps in config.json. */
static int configure_groups(const packing *p, cJSON *config, const char *file_format,
                            const char *type, const char *strategy) {
    cJSON *groups = cJSON_AddObjectToObject(config, "config_groups");
    cJSON *group = groups ? cJSON_AddObjectToObject(groups, "group_0") : NULL;
    cJSON *targets = group ? cJSON_AddArrayToObject(group, "targets") : NULL;
    cJSON *weights = group ? cJSON_AddObjectToObject(group, "weights") : NULL;
    cJSON *linear = cJSON_CreateString("Linear");
    int failed = text(config, "quant_method", "compressed-tensors") |
                 text(config, "format", file_format) |
                 text(config, "quantization_status", "compressed");
    if (!weights || !targets || !linear || !cJSON_AddItemToArray(targets, linear)) return -1;
    failed |= json_add_integer(weights, "num_bits", p->chosen.bits);
    failed |= text(weights, "type", type) | text(weights, "strategy", strategy);
    failed |= truth(weights, "symmetric", p->chosen.mapping != LQ_AFFINE);
    if (p->chosen.block) failed |= json_add_integer(weights, "group_size", p->chosen.block);
    return failed;
}

static int configure_mxfp4(const packing *p, cJSON *config) {
    return configure_groups(p, config, "mxfp4-pack-quantized", "float", "group");
}

static int configure_mxfp8(const packing *p, cJSON *config) {
    return configure_groups(p, config, "mxfp8-quantized", "float", "group");
}

static int configure_fp8(const packing *p, cJSON *config) {
    return configure_groups(p, config, "float-quantized", "float", "channel");
}

static int configure_compressed_tensors(const packing *p, cJSON *config) {
    return configure_groups(p, config, "pack-quantized", "int", "group");
}

static int configure_mx(const packing *p, cJSON *config) {
    return text(config, "quant_method", "mx") | text(config, "format", p->format->name) |
           json_add_integer(config, "group_size", p->chosen.block);
}

static int configure_nvfp4(const packing *p, cJSON *config) {
    return text(config, "quant_method", "modelopt") | text(config, "quant_algo", "NVFP4") |
           json_add_integer(config, "group_size", p->chosen.block);
}

static int configure_nf4(const packing *p, cJSON *config) {
    return text(config, "quant_method", "bitsandbytes") | truth(config, "load_in_4bit", 1) |
           text(config, "bnb_4bit_quant_type", "nf4") |
           truth(config, "bnb_4bit_use_double_quant", 0) |
           text(config, "bnb_4bit_quant_storage", "uint8") |
           json_add_integer(config, "bnb_4bit_blocksize", p->chosen.block);
}

static int configure_matmulnbits(const packing *p, cJSON *config) {
    return text(config, "quant_method", "matmulnbits") |
           json_add_integer(config, "bits", p->chosen.bits) |
           json_add_integer(config, "block_size", p->chosen.block);
}

static int configure_gptq(const packing *p, cJSON *config) {
    return text(config, "quant_method", "gptq") | json_add_integer(config, "bits", p->chosen.bits) |
           json_add_integer(config, "group_size", p->chosen.block) | truth(config, "desc_act", 0) |
           truth(config, "sym", p->chosen.mapping != LQ_AFFINE) |
           text(config, "checkpoint_format", "gptq");
}

static int configure_awq(const packing *p, cJSON *config) {
    return text(config, "quant_method", "awq") | json_add_integer(config, "bits", p->chosen.bits) |
           json_add_integer(config, "group_size", p->chosen.block) |
           truth(config, "zero_point", 1) | text(config, "version", "gemm");
}

/* ---------------------------------------------------------------------- the list */

#define GGML(text, number, type)                                                                   \
    {                                                                                              \
        .name = text, .holds = "llama.cpp and other readers of GGUF",                              \
        .layout = LQ_LAYOUT_GGML_##number, .file_type = type, .plan = plan_gguf                    \
    }

static const weight_format rows[] = {
    GGML("q8_0", Q8_0, 7),
    GGML("q4_0", Q4_0, 2),
    GGML("q4_1", Q4_1, 3),
    GGML("q5_0", Q5_0, 8),
    GGML("q5_1", Q5_1, 9),
    GGML("q2_k", Q2_K, 10),
    GGML("q3_k", Q3_K, 11),
    GGML("q4_k", Q4_K, 14),
    GGML("q5_k", Q5_K, 16),
    GGML("q6_k", Q6_K, 18),
    GGML("iq4_nl", IQ4_NL, 25),
    GGML("iq4_xs", IQ4_XS, 30),
    GGML("tq1_0", TQ1_0, 36),
    GGML("tq2_0", TQ2_0, 37),
    GGML("mxfp4", MXFP4, 38),
    GGML("nvfp4", NVFP4, 39),
    {.name = "mxfp4",
     .holds = "compressed-tensors mxfp4-pack-quantized: NAME_packed, NAME_scale",
     .layout = LQ_LAYOUT_ROWS,
     .file_type = -1,
     .bits = 4,
     .block = 32,
     .code_type = LQ_E2M1,
     .scale_type = LQ_E8M0,
     .profile = LQ_PROFILE_MX,
     .mapping = LQ_SYMMETRIC,
     .plan = plan_mxfp4,
     .configure = configure_mxfp4},
    {.name = "mxfp8",
     .holds = "compressed-tensors, ModelOpt MXFP8: NAME, NAME_scale",
     .layout = LQ_LAYOUT_ROWS,
     .file_type = -1,
     .bits = 8,
     .block = 32,
     .code_type = LQ_E4M3,
     .scale_type = LQ_E8M0,
     .profile = LQ_PROFILE_MX,
     .mapping = LQ_SYMMETRIC,
     .plan = plan_mx,
     .configure = configure_mxfp8},
    {.name = "mxfp8-e5m2",
     .holds = "OCP MX: NAME, NAME_scale",
     .layout = LQ_LAYOUT_ROWS,
     .file_type = -1,
     .bits = 8,
     .block = 32,
     .code_type = LQ_E5M2,
     .scale_type = LQ_E8M0,
     .profile = LQ_PROFILE_MX,
     .mapping = LQ_SYMMETRIC,
     .plan = plan_mx,
     .configure = configure_mx},
    {.name = "mxfp6",
     .holds = "OCP MX, E2M3: NAME, NAME_scale",
     .layout = LQ_LAYOUT_ROWS,
     .file_type = -1,
     .bits = 6,
     .block = 32,
     .code_type = LQ_E2M3,
     .scale_type = LQ_E8M0,
     .profile = LQ_PROFILE_MX,
     .mapping = LQ_SYMMETRIC,
     .plan = plan_mx,
     .configure = configure_mx},
    {.name = "mxfp6-e3m2",
     .holds = "OCP MX: NAME, NAME_scale",
     .layout = LQ_LAYOUT_ROWS,
     .file_type = -1,
     .bits = 6,
     .block = 32,
     .code_type = LQ_E3M2,
     .scale_type = LQ_E8M0,
     .profile = LQ_PROFILE_MX,
     .mapping = LQ_SYMMETRIC,
     .plan = plan_mx,
     .configure = configure_mx},
    {.name = "mxint8",
     .holds = "OCP MX: NAME, NAME_scale",
     .layout = LQ_LAYOUT_ROWS,
     .file_type = -1,
     .bits = 8,
     .block = 32,
     .code_type = LQ_S8,
     .scale_type = LQ_E8M0,
     .profile = LQ_PROFILE_MX,
     .mapping = LQ_SYMMETRIC,
     .plan = plan_mx,
     .configure = configure_mx},
    {.name = "nvfp4",
     .holds = "ModelOpt NVFP4: NAME, NAME_scale, NAME_scale_2",
     .layout = LQ_LAYOUT_ROWS,
     .file_type = -1,
     .bits = 4,
     .block = 16,
     .code_type = LQ_E2M1,
     .scale_type = LQ_E4M3,
     .profile = LQ_PROFILE_NVFP4,
     .mapping = LQ_SYMMETRIC,
     .plan = plan_nvfp4,
     .configure = configure_nvfp4},
    {.name = "fp8",
     .holds = "compressed-tensors float-quantized: NAME, NAME_scale for each row",
     .layout = LQ_LAYOUT_ROWS,
     .file_type = -1,
     .bits = 8,
     .block = 0,
     .code_type = LQ_E4M3,
     .scale_type = LQ_F32,
     .profile = -1,
     .mapping = LQ_SYMMETRIC,
     .any_scale = 1,
     .plan = plan_fp8,
     .configure = configure_fp8},
    {.name = "nf4",
     .holds = "bitsandbytes: NAME, NAME.absmax, .quant_map, .quant_state",
     .layout = LQ_LAYOUT_HIGH_FIRST,
     .file_type = -1,
     .bits = 4,
     .block = 64,
     .code_type = LQ_U4,
     .scale_type = LQ_F32,
     .profile = LQ_PROFILE_NF4,
     .mapping = LQ_SYMMETRIC,
     .any_block = 1,
     .plan = plan_nf4,
     .configure = configure_nf4},
    {.name = "matmulnbits",
     .holds = "ONNX Runtime MatMulNBits: NAME_Q4, NAME_scales, with --affine\n"
              "                              NAME_zero_points; 4.5 bits with --scale f16",
     .layout = LQ_LAYOUT_MATMULNBITS,
     .file_type = -1,
     .bits = 4,
     .block = 32,
     .code_type = LQ_U8,
     .scale_type = LQ_F32,
     .profile = -1,
     .mapping = LQ_SYMMETRIC_FULL_RANGE,
     .any_bits = 1 << 2 | 1 << 4 | 1 << 8,
     .any_block = 1,
     .any_mapping = 1,
     .any_scale = 1,
     .plan = plan_matmulnbits,
     .configure = configure_matmulnbits},
    {.name = "gptq",
     .holds = "GPTQ: qweight, qzeros, scales, g_idx in place of weight",
     .layout = LQ_LAYOUT_GPTQ,
     .file_type = -1,
     .bits = 4,
     .block = 128,
     .code_type = LQ_U8,
     .scale_type = LQ_F16,
     .profile = -1,
     .mapping = LQ_SYMMETRIC_HALF_RANGE,
     .any_bits = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8,
     .any_block = 1,
     .any_mapping = 1,
     .plan = plan_gptq,
     .configure = configure_gptq},
    {.name = "awq",
     .holds = "AutoAWQ: qweight, qzeros, scales in place of weight",
     .layout = LQ_LAYOUT_AWQ,
     .file_type = -1,
     .bits = 4,
     .block = 128,
     .code_type = LQ_U4,
     .scale_type = LQ_F16,
     .profile = -1,
     .mapping = LQ_AFFINE,
     .any_block = 1,
     .plan = plan_awq,
     .configure = configure_awq},
    {.name = "compressed-tensors",
     .holds = "compressed-tensors pack-quantized: NAME_packed, _scale, _zero_point, _shape",
     .layout = LQ_LAYOUT_COMPRESSED_TENSORS,
     .file_type = -1,
     .bits = 4,
     .block = 128,
     .code_type = LQ_S8,
     .scale_type = 0,
     .profile = -1,
     .mapping = LQ_SYMMETRIC_HALF_RANGE,
     .any_bits = 1 << 4 | 1 << 8,
     .any_block = 1,
     .any_mapping = 1,
     .any_scale = 1,
     .plan = plan_compressed_tensors,
     .configure = configure_compressed_tensors},
};
enum { ROWS = sizeof rows / sizeof *rows };

const weight_format *format_at(size_t index) {
    return index < ROWS ? &rows[index] : NULL;
}

const weight_format *format_find(const char *name, int is_gguf) {
    for (size_t i = 0; i < ROWS; ++i)
        if (strcmp(rows[i].name, name) == 0 && (rows[i].file_type >= 0) == is_gguf) return &rows[i];
    return NULL;
}

const weight_format *format_of_dtype(const char *dtype) {
    const int number = gguf_number(dtype);
    for (size_t i = 0; number >= 0 && i < ROWS; ++i)
        if (rows[i].layout == 256 + number) return &rows[i];
    return NULL;
}

double format_bits(const weight_format *f) {
    lq_layout_info info = {0};
    double bits;
    if (f->file_type >= 0) {
        if (lq_layout_describe(f->layout, &info, sizeof info) != LQ_OK) return 0;
        return 8.0 * (double)info.record_bytes / (double)info.record;
    }
    bits = f->bits;
    if (f->block > 0) bits += (f->scale_type ? f->scale_type & 0xff : 32) / (double)f->block;
    if (f->block > 0 && (f->layout == LQ_LAYOUT_GPTQ || f->layout == LQ_LAYOUT_AWQ))
        bits += f->bits / (double)f->block;
    return bits;
}
