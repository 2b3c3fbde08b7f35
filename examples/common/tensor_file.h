/*
 * Reading files of tensors: .safetensors, .npy and .gguf, told apart by content.
 *
 * The file is mapped, not loaded, and everything the header claims is checked before
 * a tensor is handed out: what tf_open returns can be used without further checks.
 */
#ifndef TENSOR_FILE_H
#define TENSOR_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#define TF_MAX_RANK 8

/* Data need not be aligned to its element. */
typedef struct tf_tensor {
    const char *name;  /* UTF-8, as the file has it: print it through tf_printable */
    const char *dtype; /* as safetensors spells it: "F32", "I8", "U16"; or as GGUF: "Q4_K" */
    int32_t rank;
    int64_t shape[TF_MAX_RANK];
    const void *data; /* elements in the machine's byte order; blocks as in the file */
    int64_t size;     /* bytes */
} tf_tensor;

/* A key of a GGUF file and its value, whose bytes are as in the file: little-endian. */
typedef struct tf_pair {
    const char *key; /* UTF-8 */
    uint32_t type;   /* one of gguf.h's */
    const unsigned char *value;
    int64_t size;
} tf_pair;

typedef struct tf_file {
    tf_tensor *tensors; /* in the order of their data */
    size_t count;
    cJSON *metadata; /* the object __metadata__ with string values, or NULL */
    int64_t bytes;   /* the file's size */
    int is_npy;      /* its only tensor is called as the file, without directory and .npy */
    int is_gguf;
    tf_pair *pairs; /* GGUF's, in the file's order */
    size_t pair_count;

    /* Private. */
    void *map;
    size_t map_size;
    char *names; /* of all tensors, and keys */
    const tf_tensor **by_name;
} tf_file;

/* NULL on failure; `message` then names the file and the fault. */
tf_file *tf_open(const char *path, char *message, size_t message_size);

void tf_close(tf_file *file); /* NULL is nothing to close */

/* NULL where there is none of that name. */
const tf_tensor *tf_find(const tf_file *file, const char *name);

/* Bits of one element, 0 for an unknown dtype and for one of blocks. */
int tf_dtype_bits(const char *dtype);

/* 1, and the elements and bytes of a block, for GGUF's types of blocks, which fill whole rows. */
int tf_block(const char *dtype, int64_t *elements, int64_t *bytes);

/* The product of a shape; -1 where a dimension is negative or the product overflows. */
int64_t tf_elements(int32_t rank, const int64_t *shape);

/* Bytes of a tensor; -1 where they overflow, are no whole number, or the dtype is unknown. */
int64_t tf_bytes(const char *dtype, int32_t rank, const int64_t *shape);

/* Whether `text` is well-formed UTF-8 without NUL. */
int tf_is_utf8(const char *text, size_t length);

/*
 * A copy of a name that is safe to show: control characters become '?', and where
 * it has more than `width` characters its middle becomes "...". Returns `out`, which
 * holds at least 4 * width + 1 bytes; width is at least 4.
 */
char *tf_printable(const char *name, int width, char *out);

/* The same for a whole message, in place and at its full length. Returns `text`. */
char *tf_make_printable(char *text);

/* A buffer for tf_printable(name, TF_SHOWN, buffer). */
#define TF_SHOWN 60
#define TF_SHOWN_SIZE (4 * TF_SHOWN + 1)

#endif
