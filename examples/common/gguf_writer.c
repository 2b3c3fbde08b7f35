/* Writing GGUF: its pairs, and the header of version 3. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "gguf.h"
#include "writer.h"

/* ggml keeps names in 64 bytes, the NUL included. */
enum { MOST_NAME = 63 };

static void put_little_endian(unsigned char *to, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) to[i] = (unsigned char)(value >> 8 * i);
}

static int put_number(tw_writer *w, uint64_t value, int width) {
    unsigned char bytes[8];
    put_little_endian(bytes, value, width);
    w->file_size += width;
    return tw_put(w, bytes, (size_t)width);
}

static int put_text(tw_writer *w, const char *text) {
    const size_t length = strlen(text);
    w->file_size += (int64_t)length;
    return put_number(w, length, 8) != 0 ? -1 : tw_put(w, text, length);
}

static int put_pair(tw_writer *w, const declared_pair *pair) {
    if (put_text(w, pair->key) != 0 || put_number(w, pair->type, 4) != 0) return -1;
    w->file_size += pair->size;
    return tw_put(w, pair->value, (size_t)pair->size);
}

static int put_tensor(tw_writer *w, const declared *t) {
    if (put_text(w, t->name) != 0 || put_number(w, (uint64_t)t->rank, 4) != 0) return -1;
    for (int32_t i = t->rank - 1; i >= 0; --i)
        if (put_number(w, (uint64_t)t->shape[i], 8) != 0) return -1;
    if (put_number(w, (uint64_t)gguf_number(t->dtype), 4) != 0) return -1;
    return put_number(w, (uint64_t)t->begin, 8);
}

static int write_header(tw_writer *w, const cJSON *metadata) {
    static const char zeros[GGUF_ALIGNMENT];
    size_t padding;
    if (metadata) return tw_fail(w, "GGUF files have pairs, not metadata", NULL);
    if (tw_refuse_twice(w, w->pairs, w->pair_count, sizeof *w->pairs) != 0) return -1;
    w->file_size = (int64_t)strlen(GGUF_MAGIC);
    if (tw_put(w, GGUF_MAGIC, strlen(GGUF_MAGIC)) != 0 || put_number(w, GGUF_VERSION, 4) != 0 ||
        put_number(w, w->count, 8) != 0 || put_number(w, w->pair_count, 8) != 0)
        return -1;
    for (size_t i = 0; i < w->pair_count; ++i)
        if (put_pair(w, &w->pairs[i]) != 0) return -1;
    for (size_t i = 0; i < w->count; ++i)
        if (put_tensor(w, &w->tensors[i]) != 0) return -1;
    padding = (size_t)((GGUF_ALIGNMENT - w->file_size % GGUF_ALIGNMENT) % GGUF_ALIGNMENT);
    w->file_size += (int64_t)padding;
    return tw_put(w, zeros, padding);
}

static const char *refuses(const char *name, const char *dtype, int32_t rank,
                           const int64_t *shape) {
    if (strlen(name) > MOST_NAME) return "has a name above 63 bytes, which readers of GGUF refuse";
    if (*name == '\0') return "has no name, which GGUF needs";
    if (gguf_number(dtype) < 0) return "has a type that GGUF files cannot hold";
    if (rank > GGUF_MAX_RANK) return "has more than 4 dimensions, the most that GGUF files hold";
    /* Those check the product of dimensions by division. */
    if (tf_elements(rank, shape) == 0) return "is empty, which readers of GGUF refuse";
    return NULL;
}

const writer_format gguf_format = {GGUF_ALIGNMENT, refuses, write_header};

/* -------------------------------------------------------------------------- pairs */

int tw_pair(tw_writer *w, const tf_pair *pair) {
    declared_pair *p;
    if (!w || w->failed) return -1;
    if (w->begun || w->format != &gguf_format)
        return tw_fail(w, "a pair was declared where there can be none", NULL);
    /* The data are aligned as files without this key have them. */
    if (strcmp(pair->key, GGUF_ALIGNMENT_KEY) == 0) return 0;
    if (w->pair_count == w->pair_capacity) {
        const size_t capacity = w->pair_capacity ? 2 * w->pair_capacity : 16;
        declared_pair *larger = realloc(w->pairs, capacity * sizeof *larger);
        if (!larger) return tw_fail(w, "out of memory", NULL);
        w->pairs = larger;
        w->pair_capacity = capacity;
    }
    p = &w->pairs[w->pair_count];
    memset(p, 0, sizeof *p);
    p->key = strdup(pair->key);
    if (!p->key) return tw_fail(w, "out of memory", NULL);
    ++w->pair_count;
    p->type = pair->type;
    p->value = pair->value;
    p->size = pair->size;
    return 0;
}

/* A pair whose value is made here. */
static int own_pair(tw_writer *w, const char *key, uint32_t type, unsigned char *value,
                    size_t size) {
    const tf_pair pair = {key, type, value, (int64_t)size};
    const size_t count = w ? w->pair_count : 0;
    int failed;
    if (!value) return tw_fail(w, "out of memory", NULL);
    failed = tw_pair(w, &pair);
    if (!failed && w->pair_count > count)
        w->pairs[count].owned = value;
    else
        free(value);
    return failed;
}

int tw_pair_text(tw_writer *w, const char *key, const char *text) {
    const size_t length = strlen(text);
    unsigned char *value = malloc(8 + length);
    if (value) {
        put_little_endian(value, length, 8);
        memcpy(value + 8, text, length);
    }
    return own_pair(w, key, GGUF_STRING, value, 8 + length);
}

int tw_pair_u32(tw_writer *w, const char *key, uint32_t number) {
    unsigned char *value = malloc(4);
    if (value) put_little_endian(value, number, 4);
    return own_pair(w, key, GGUF_U32, value, 4);
}
