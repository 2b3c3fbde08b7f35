/*
 * GGUF, versions 2 and 3, little-endian: a magic, counts, pairs of keys and values, the
 * descriptions of the tensors, and their data, each tensor's at a multiple of the alignment.
 *
 * The header is read twice: first to check it and to learn how much there is to keep, then, in
 * memory of exactly that size, to keep it. So no count is believed before what it counts has been
 * seen in the file. Rules are those of the format's text; where that leaves room for more than ggml
 * reads (holes between tensors, data behind the last one), as strict as ggml.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf.h"
#include "tensor_format.h"

enum { MAX_NAME = 65535, MAX_DEPTH = 4, LEAST_PAIR = 8 + 1 + 4 + 1, LEAST_TENSOR = 8 + 4 + 4 + 8 };

/* The reading of one header. */
typedef struct reading {
    tf_file *file;
    const unsigned char *at;
    uint64_t left; /* bytes from `at` to the file's end */
    uint64_t tensors, pairs;
    uint64_t alignment;
    size_t name_bytes;
    int keeping; /* the second time */
    char *fault;
    size_t fault_size;
} reading;

/* Text of the file: without a NUL behind it. */
typedef struct span {
    const unsigned char *text;
    uint64_t length;
} span;

static int fail(const reading *r, const char *what) {
    snprintf(r->fault, r->fault_size, "%s", what);
    return -1;
}

static int fail_short(const reading *r) {
    return fail(r, "is truncated: its header reaches beyond its end");
}

/* fail() about "key" or "tensor" of that name. */
static int fail_named(const reading *r, const char *kind, span name, const char *what) {
    char text[TF_SHOWN_SIZE], shown[TF_SHOWN_SIZE];
    const size_t length = name.length < sizeof text - 1 ? (size_t)name.length : sizeof text - 1;
    memcpy(text, name.text, length);
    text[length] = '\0';
    snprintf(r->fault, r->fault_size, "%s '%s' %s", kind, tf_printable(text, TF_SHOWN, shown),
             what);
    return -1;
}

static int take(reading *r, uint64_t bytes, const unsigned char **at) {
    if (r->left < bytes) return fail_short(r);
    *at = r->at;
    r->at += bytes;
    r->left -= bytes;
    return 0;
}

static int take_number(reading *r, int width, uint64_t *value) {
    const unsigned char *at;
    if (take(r, (uint64_t)width, &at) != 0) return -1;
    *value = little_endian(at, width);
    return 0;
}

static int take_string(reading *r, span *s) {
    if (take_number(r, 8, &s->length) != 0) return -1;
    return take(r, s->length, &s->text);
}

/* The name of a key or a tensor; `kept` is its copy, or NULL the first time. */
static int take_name(reading *r, const char *kind, span *name, const char **kept) {
    if (take_string(r, name) != 0) return -1;
    if (name->length > MAX_NAME) return fail_named(r, kind, *name, "has a name above 65535 bytes");
    if (name->length == 0) return fail_named(r, kind, *name, "has no name");
    if (!tf_is_utf8((const char *)name->text, (size_t)name->length))
        return fail_named(r, kind, *name, "has a name that is not UTF-8 or holds a NUL");
    *kept = NULL;
    if (r->keeping) {
        char *copy = r->file->names + r->name_bytes;
        memcpy(copy, name->text, (size_t)name->length);
        copy[name->length] = '\0';
        *kept = copy;
    }
    r->name_bytes += (size_t)name->length + 1;
    return 0;
}

/* -------------------------------------------------------------------------- pairs */

static int take_bools(reading *r, uint64_t count, span key) {
    const unsigned char *at;
    if (take(r, count, &at) != 0) return -1;
    for (uint64_t i = 0; i < count; ++i)
        if (at[i] > 1) return fail_named(r, "key", key, "holds a bool that is neither 0 nor 1");
    return 0;
}

static int take_values(reading *r, uint64_t type, uint64_t count, int depth, span key);

static int take_array(reading *r, int depth, span key) {
    uint64_t type = 0, count = 0;
    if (depth == MAX_DEPTH)
        return fail_named(r, "key", key, "holds arrays in arrays, more than 4 deep");
    if (take_number(r, 4, &type) != 0 || take_number(r, 8, &count) != 0) return -1;
    return take_values(r, type, count, depth + 1, key);
}

static int take_values(reading *r, uint64_t type, uint64_t count, int depth, span key) {
    /* An empty string takes 8 bytes, an empty array 12. */
    const uint64_t width = type == GGUF_STRING  ? 8
                           : type == GGUF_ARRAY ? 12
                           : type < GGUF_TYPES  ? gguf_width((uint32_t)type)
                                                : 0;
    const unsigned char *at;
    char what[64];
    span text;
    if (width == 0) {
        snprintf(what, sizeof what, "has a value of the unknown type %" PRIu64, type);
        return fail_named(r, "key", key, what);
    }
    if (count > r->left / width)
        return fail_named(r, "key", key, "has more values than the file has bytes for");
    if (type == GGUF_BOOL) return take_bools(r, count, key);
    if (type != GGUF_STRING && type != GGUF_ARRAY) return take(r, count * width, &at);
    for (uint64_t i = 0; i < count; ++i)
        if ((type == GGUF_STRING ? take_string(r, &text) : take_array(r, depth, key)) != 0)
            return -1;
    return 0;
}

static int read_alignment(reading *r, const tf_pair *pair, span key) {
    const uint64_t value = little_endian(pair->value, (int)gguf_width(pair->type));
    if (pair->type != GGUF_U32) return fail_named(r, "key", key, "is not a u32");
    if (value == 0 || value > GGUF_MAX_ALIGNMENT || (value & (value - 1)) != 0)
        return fail_named(r, "key", key, "is no power of two up to 1048576");
    r->alignment = value;
    return 0;
}

static int read_pair(reading *r, uint64_t index) {
    tf_pair pair = {0};
    uint64_t type = 0;
    span key = {0};
    if (take_name(r, "key", &key, &pair.key) != 0 || take_number(r, 4, &type) != 0) return -1;
    pair.type = (uint32_t)type;
    pair.value = r->at;
    if ((type == GGUF_ARRAY ? take_array(r, 0, key) : take_values(r, type, 1, 0, key)) != 0)
        return -1;
    pair.size = r->at - pair.value;
    if (r->keeping) r->file->pairs[index] = pair;
    if (key.length == strlen(GGUF_ALIGNMENT_KEY) &&
        memcmp(key.text, GGUF_ALIGNMENT_KEY, strlen(GGUF_ALIGNMENT_KEY)) == 0)
        return read_alignment(r, &pair, key);
    return 0;
}

static int compare_keys(const void *a, const void *b) {
    return strcmp((*(const tf_pair *const *)a)->key, (*(const tf_pair *const *)b)->key);
}

static int refuse_twice(const reading *r) {
    const tf_file *file = r->file;
    const tf_pair **order = malloc((file->pair_count + 1) * sizeof *order);
    const tf_pair *twice = NULL;
    if (!order) return fail(r, "out of memory");
    for (size_t i = 0; i < file->pair_count; ++i) order[i] = &file->pairs[i];
    qsort(order, file->pair_count, sizeof *order, compare_keys);
    for (size_t i = 1; i < file->pair_count && !twice; ++i)
        if (strcmp(order[i - 1]->key, order[i]->key) == 0) twice = order[i];
    free(order);
    if (!twice) return 0;
    const span key = {(const unsigned char *)twice->key, strlen(twice->key)};
    return fail_named(r, "key", key, "is there twice");
}

/* ------------------------------------------------------------------------ tensors */

/* Dimensions in the file begin with the one whose elements follow each other. */
static int take_shape(reading *r, tf_tensor *t, span name) {
    uint64_t rank = 0, dimension = 0;
    if (take_number(r, 4, &rank) != 0) return -1;
    if (rank > GGUF_MAX_RANK) return fail_named(r, "tensor", name, "has more than 4 dimensions");
    t->rank = (int32_t)rank;
    for (int32_t i = t->rank - 1; i >= 0; --i) {
        if (take_number(r, 8, &dimension) != 0) return -1;
        if (dimension > INT64_MAX)
            return fail_named(r, "tensor", name, "has a dimension that is negative");
        t->shape[i] = (int64_t)dimension;
    }
    return 0;
}

static int take_type(reading *r, tf_tensor *t, span name) {
    uint64_t number = 0;
    int64_t block = 1, bytes;
    char what[96];
    if (take_number(r, 4, &number) != 0) return -1;
    t->dtype = gguf_dtype((uint32_t)number);
    if (!t->dtype) {
        snprintf(what, sizeof what, "has the unknown type %" PRIu64, number);
        return fail_named(r, "tensor", name, what);
    }
    if (!tf_known_dtype(t->dtype) && !tf_block(t->dtype, &block, &bytes)) {
        snprintf(what, sizeof what, "has the type %s, which GGUF has withdrawn", t->dtype);
        return fail_named(r, "tensor", name, what);
    }
    if (block > 1 && (t->rank == 0 || t->shape[t->rank - 1] % block != 0)) {
        snprintf(what, sizeof what, "has rows that are no whole number of blocks of its type %s",
                 t->dtype);
        return fail_named(r, "tensor", name, what);
    }
    t->size = tf_bytes(t->dtype, t->rank, t->shape);
    return t->size < 0 ? fail_named(r, "tensor", name, "has a shape whose size overflows") : 0;
}

/* The offset stays in `data` until it is known where the data begin. */
static int read_tensor(reading *r, uint64_t index) {
    tf_tensor t = {0};
    uint64_t offset = 0;
    span name = {0};
    if (take_name(r, "tensor", &name, &t.name) != 0 || take_shape(r, &t, name) != 0 ||
        take_type(r, &t, name) != 0 || take_number(r, 8, &offset) != 0)
        return -1;
    if (offset % r->alignment != 0)
        return fail_named(r, "tensor", name, "begins at no multiple of the alignment");
    if (offset > r->file->map_size || (uint64_t)t.size > r->file->map_size - offset)
        return fail_named(r, "tensor", name,
                          "reaches beyond the end of the file, which may be truncated");
    t.data = (const unsigned char *)r->file->map + offset;
    if (r->keeping) r->file->tensors[index] = t;
    return 0;
}

/* ------------------------------------------------------------------------- header */

static int read_counts(reading *r) {
    const unsigned char *magic;
    uint64_t version = 0;
    char what[96];
    if (take(r, strlen(GGUF_MAGIC), &magic) != 0 || take_number(r, 4, &version) != 0) return -1;
    if (version != 0 && (version & 0xffff) == 0)
        return fail(r, "is a big-endian GGUF file; only little-endian ones are read");
    if (version != 2 && version != GGUF_VERSION) {
        snprintf(what, sizeof what, "is of GGUF version %" PRIu64 "; versions 2 and 3 are read",
                 version);
        return fail(r, what);
    }
    if (take_number(r, 8, &r->tensors) != 0 || take_number(r, 8, &r->pairs) != 0) return -1;
    if (r->pairs > r->left / LEAST_PAIR)
        return fail(r, "says it has more pairs of keys and values than it has bytes for");
    if (r->tensors > r->left / LEAST_TENSOR)
        return fail(r, "says it has more tensors than it has bytes for");
    return 0;
}

static int read_header(reading *r) {
    r->at = r->file->map;
    r->left = r->file->map_size;
    r->alignment = GGUF_ALIGNMENT;
    r->name_bytes = 0;
    if (read_counts(r) != 0) return -1;
    for (uint64_t i = 0; i < r->pairs; ++i)
        if (read_pair(r, i) != 0) return -1;
    for (uint64_t i = 0; i < r->tensors; ++i)
        if (read_tensor(r, i) != 0) return -1;
    return 0;
}

/* Data begin at a multiple of the alignment, unless the file ends with its header. */
static int place_tensors(reading *r) {
    tf_file *file = r->file;
    const uint64_t header = file->map_size - r->left;
    const uint64_t padding = (r->alignment - header % r->alignment) % r->alignment;
    const uint64_t start = padding > r->left ? file->map_size : header + padding;
    const unsigned char *map = file->map;
    for (size_t i = 0; i < file->count; ++i) {
        tf_tensor *t = &file->tensors[i];
        const uint64_t offset = (uint64_t)((const unsigned char *)t->data - map);
        const span name = {(const unsigned char *)t->name, strlen(t->name)};
        if (offset > file->map_size - start || (uint64_t)t->size > file->map_size - start - offset)
            return fail_named(r, "tensor", name,
                              "reaches beyond the end of the file, which may be truncated");
        t->data = map + start + offset;
    }
    return tf_lay_out(file, map + start, (int64_t)(file->map_size - start), (int64_t)r->alignment,
                      r->fault, r->fault_size);
}

int tf_parse_gguf(tf_file *file, char *fault, size_t fault_size) {
    reading r = {0};
    r.file = file;
    r.fault = fault;
    r.fault_size = fault_size;
    if (read_header(&r) != 0) return -1;
    file->is_gguf = 1;
    file->tensors = calloc((size_t)r.tensors + 1, sizeof *file->tensors);
    file->pairs = calloc((size_t)r.pairs + 1, sizeof *file->pairs);
    file->names = malloc(r.name_bytes + 1);
    if (!file->tensors || !file->pairs || !file->names) return fail(&r, "out of memory");
    r.keeping = 1;
    if (read_header(&r) != 0) return -1;
    file->count = (size_t)r.tensors;
    file->pair_count = (size_t)r.pairs;
    if (refuse_twice(&r) != 0) return -1;
    return place_tensors(&r);
}
