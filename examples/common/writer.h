/* What tensor_writer.c and the writers of its formats share; no part of the interface. */
#ifndef WRITER_H
#define WRITER_H

#include "aside.h"
#include "tensor_file.h"
#include "tensor_writer.h"

typedef struct declared {
    char *name;
    const char *dtype; /* the caller's */
    int32_t rank;
    int64_t shape[TF_MAX_RANK];
    int64_t begin, size; /* of its data, counted from the first */
} declared;

/* A pair of GGUF's. */
typedef struct declared_pair {
    char *key;
    uint32_t type;
    const void *value;
    int64_t size;
    void *owned; /* `value`, where it is to be freed */
} declared_pair;

typedef struct writer_format {
    int64_t alignment; /* of each tensor's data; the last one is padded as well */
    /* NULL, or why the format cannot hold such a tensor. */
    const char *(*refuses)(const char *name, const char *dtype, int32_t rank, const int64_t *shape);
    /* Writes all before the data, and sets file_size to its bytes. 0, or -1 with the fault said. */
    int (*write_header)(tw_writer *w, const cJSON *metadata);
} writer_format;

extern const writer_format safetensors_format, gguf_format;

struct tw_writer {
    const writer_format *format;
    char *path;
    char *message;
    size_t message_size;
    aside *file;
    declared *tensors;
    size_t count, capacity;
    declared_pair *pairs;
    size_t pair_count, pair_capacity;
    int64_t total;     /* bytes of data declared, padding included */
    int64_t written;   /* bytes of data written, padding included */
    int64_t file_size; /* header included */
    size_t current;    /* the tensor that the next byte belongs to */
    int begun, failed, prepared;
};

/* Keeps the first failure's message, about the tensor `name` or of the whole; returns -1. */
int tw_fail(tw_writer *w, const char *what, const char *name);

/* aside_write, after which the writer has failed where that has. */
int tw_put(tw_writer *w, const void *data, size_t size);

/* Fails where two of `count` names are the same, which begin in structs of `size` bytes. */
int tw_refuse_twice(tw_writer *w, const void *names, size_t count, size_t size);

#endif
