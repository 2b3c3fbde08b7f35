/* What the reader and the writer of GGUF share, and how a pair's value is shown. */
#ifndef GGUF_H
#define GGUF_H

#include "tensor_file.h"

#define GGUF_MAGIC "GGUF"
#define GGUF_ALIGNMENT_KEY "general.alignment"

enum { GGUF_VERSION = 3, GGUF_MAX_RANK = 4, GGUF_ALIGNMENT = 32, GGUF_MAX_ALIGNMENT = 1 << 20 };

/* Types of values. */
enum {
    GGUF_U8 = 0,
    GGUF_S8 = 1,
    GGUF_U16 = 2,
    GGUF_S16 = 3,
    GGUF_U32 = 4,
    GGUF_S32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_S64 = 11,
    GGUF_F64 = 12,
    GGUF_TYPES = 13
};

/* Bytes of a scalar of that type; 0 for strings and arrays. */
uint64_t gguf_width(uint32_t type);

/* The name of the type of tensors of that number, withdrawn ones included, or NULL. */
const char *gguf_dtype(uint32_t number);

/* The number of a dtype among GGUF's types of tensors, or -1 where it has none. */
int gguf_number(const char *dtype);

/*
 * The value of a pair as text, "[4 strings]" where it is an array; numbers as JSON has them. At
 * most size - 1 bytes, which are not safe to show.
 */
char *gguf_text(const tf_pair *pair, char *out, size_t size);

/* 1 where the pair is a string or a scalar, whose text is all of it. */
int gguf_is_plain(const tf_pair *pair);

/* A little-endian number of so many bytes, which need not be aligned. */
static inline uint64_t little_endian(const unsigned char *bytes, int width) {
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; --i) value = value << 8 | bytes[i];
    return value;
}

#endif
