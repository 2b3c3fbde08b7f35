/* Bytes of GGUF files, put together field by field. */
#ifndef GGUF_BYTES_H
#define GGUF_BYTES_H

#include <stddef.h>
#include <stdint.h>

enum { BLOB_SIZE = 4096 };

/* Where the fields of the good file are that the cases below change. */
typedef enum mark {
    MAGIC,
    VERSION,
    TENSORS,
    PAIRS,
    KEY_LENGTH,
    KEY,
    PAIR_TYPE,
    TEXT_LENGTH,
    ARRAY_TYPE,
    ARRAY_COUNT,
    STRING_LENGTH,
    BOOL,
    NEST_TYPE,
    NEST_COUNT,
    ALIGNMENT_KEY,
    ALIGNMENT_TYPE,
    ALIGNMENT,
    NAME_LENGTH,
    NAME,
    RANK,
    DIMENSION,
    TYPE,
    OFFSET,
    SECOND_NAME,
    SECOND_DIMENSION,
    SECOND_ROWS,
    SECOND_TYPE,
    SECOND_OFFSET,
    THIRD_DIMENSION,
    THIRD_OFFSET,
    DATA,
    MARKS
} mark;

typedef struct blob {
    unsigned char bytes[BLOB_SIZE];
    size_t size;
    size_t at[MARKS];
} blob;

/* Adds a little-endian number of so many bytes, or a text behind its length. */
void put(blob *b, uint64_t value, int width);
void put_text(blob *b, const char *text);

/* F32 [2, 3] of 0 to 5, Q4_0 [3, 64] in 108 bytes of 1 to 108, I8 [5] of 100 to 104; five pairs. */
void make_good(blob *b, uint32_t version);

#endif
