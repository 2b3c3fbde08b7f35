/* GGUF's types: those of tensors, with the blocks that they come in, and those of values. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gguf.h"
#include "libquant.h"
#include "tensor_format.h"

/* Blocks of LAYOUT are those of libquant's layout, whose number is 256 above GGUF's. */
enum { ELEMENTS = 0, LAYOUT = -1, WITHDRAWN = -2 };

static const struct {
    const char *name;
    int number;
    int block; /* elements, or one of the above */
    int bytes;
} types[] = {
    {"F32", 0, ELEMENTS, 0},
    {"F16", 1, ELEMENTS, 0},
    {"Q4_0", 2, LAYOUT, 0},
    {"Q4_1", 3, LAYOUT, 0},
    {"Q4_2", 4, WITHDRAWN, 0},
    {"Q4_3", 5, WITHDRAWN, 0},
    {"Q5_0", 6, LAYOUT, 0},
    {"Q5_1", 7, LAYOUT, 0},
    {"Q8_0", 8, LAYOUT, 0},
    {"Q8_1", 9, LAYOUT, 0},
    {"Q2_K", 10, LAYOUT, 0},
    {"Q3_K", 11, LAYOUT, 0},
    {"Q4_K", 12, LAYOUT, 0},
    {"Q5_K", 13, LAYOUT, 0},
    {"Q6_K", 14, LAYOUT, 0},
    {"Q8_K", 15, LAYOUT, 0},
    {"IQ2_XXS", 16, 256, 66},
    {"IQ2_XS", 17, 256, 74},
    {"IQ3_XXS", 18, 256, 98},
    {"IQ1_S", 19, 256, 50},
    {"IQ4_NL", 20, LAYOUT, 0},
    {"IQ3_S", 21, 256, 110},
    {"IQ2_S", 22, 256, 82},
    {"IQ4_XS", 23, LAYOUT, 0},
    {"I8", 24, ELEMENTS, 0},
    {"I16", 25, ELEMENTS, 0},
    {"I32", 26, ELEMENTS, 0},
    {"I64", 27, ELEMENTS, 0},
    {"F64", 28, ELEMENTS, 0},
    {"IQ1_M", 29, 256, 56},
    {"BF16", 30, ELEMENTS, 0},
    {"Q4_0_4_4", 31, WITHDRAWN, 0},
    {"Q4_0_4_8", 32, WITHDRAWN, 0},
    {"Q4_0_8_8", 33, WITHDRAWN, 0},
    {"TQ1_0", 34, LAYOUT, 0},
    {"TQ2_0", 35, LAYOUT, 0},
    {"IQ4_NL_4_4", 36, WITHDRAWN, 0},
    {"IQ4_NL_4_8", 37, WITHDRAWN, 0},
    {"IQ4_NL_8_8", 38, WITHDRAWN, 0},
    {"MXFP4", 39, LAYOUT, 0},
    {"NVFP4", 40, LAYOUT, 0},
    {"Q1_0", 41, 128, 18},
    {"Q2_0", 42, 64, 18},
};
enum { TYPES = sizeof types / sizeof *types };

static int find_name(const char *dtype) {
    for (int i = 0; dtype && i < TYPES; ++i)
        if (strcmp(types[i].name, dtype) == 0) return i;
    return -1;
}

const char *gguf_dtype(uint32_t number) {
    for (int i = 0; i < TYPES; ++i)
        if ((uint32_t)types[i].number == number) return types[i].name;
    return NULL;
}

int tf_block(const char *dtype, int64_t *elements, int64_t *bytes) {
    const int i = find_name(dtype);
    lq_layout_info info = {0};
    if (i < 0 || types[i].block == ELEMENTS || types[i].block == WITHDRAWN) return 0;
    *elements = types[i].block;
    *bytes = types[i].bytes;
    if (types[i].block != LAYOUT) return 1;
    if (lq_layout_describe(256 + types[i].number, &info, sizeof info) != LQ_OK) return 0;
    *elements = info.record;
    *bytes = info.record_bytes;
    return 1;
}

int gguf_number(const char *dtype) {
    const int i = find_name(dtype);
    return i < 0 || types[i].block == WITHDRAWN ? -1 : types[i].number;
}

/* ------------------------------------------------------------------------- values */

static const struct {
    const char *plural;
    unsigned char width;
} values[GGUF_TYPES] = {
    {"u8", 1},    {"i8", 1},      {"u16", 2},    {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
    {"bools", 1}, {"strings", 0}, {"arrays", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8},
};

uint64_t gguf_width(uint32_t type) {
    return type < GGUF_TYPES ? values[type].width : 0;
}

int gguf_is_plain(const tf_pair *pair) {
    return pair->type != GGUF_ARRAY;
}

static void real_text(const tf_pair *pair, uint64_t bits, char *out, size_t size) {
    const uint32_t word = (uint32_t)bits;
    float single;
    double wide;
    memcpy(&single, &word, sizeof single);
    memcpy(&wide, &bits, sizeof wide);
    if (pair->type == GGUF_F32)
        snprintf(out, size, "%.9g", (double)single);
    else
        snprintf(out, size, "%.17g", wide);
}

char *gguf_text(const tf_pair *pair, char *out, size_t size) {
    const int width = (int)gguf_width(pair->type);
    const uint64_t bits = little_endian(pair->value, width);
    const int shift = 64 - 8 * width;
    uint64_t count;
    switch (pair->type) {
    case GGUF_STRING:
        snprintf(out, size, "%.*s",
                 (int)(pair->size - 8 < (int64_t)size ? pair->size - 8 : (int64_t)size),
                 (const char *)pair->value + 8);
        break;
    case GGUF_ARRAY:
        count = little_endian(pair->value + 4, 8);
        snprintf(out, size, "[%" PRIu64 " %s]", count,
                 values[little_endian(pair->value, 4)].plural);
        break;
    case GGUF_BOOL: snprintf(out, size, "%s", bits ? "true" : "false"); break;
    case GGUF_S8:
    case GGUF_S16:
    case GGUF_S32:
    case GGUF_S64:
        /* The sign bit goes to the top; what divides it back keeps the sign. */
        snprintf(out, size, "%" PRId64, (int64_t)(bits << shift) / ((int64_t)1 << shift));
        break;
    case GGUF_F32:
    case GGUF_F64: real_text(pair, bits, out, size); break;
    default: snprintf(out, size, "%" PRIu64, bits); break;
    }
    return out;
}
