#define _POSIX_C_SOURCE 200809L
#include "tensor_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "byte_order.h"
#include "writer.h"

int tw_fail(tw_writer *w, const char *what, const char *name) {
    char shown[TF_SHOWN_SIZE];
    /* Later failures are consequences of the first. */
    if (!w || w->failed) return -1;
    w->failed = 1;
    if (name)
        snprintf(w->message, w->message_size, "%s: tensor '%s' %s", w->path,
                 tf_printable(name, TF_SHOWN, shown), what);
    else
        snprintf(w->message, w->message_size, "%s: %s", w->path, what);
    return -1;
}

int tw_put(tw_writer *w, const void *data, size_t size) {
    const int failed = aside_write(w->file, data, size);
    w->failed |= failed != 0;
    return failed;
}

static tw_writer *create(const writer_format *format, const char *path, char *message,
                         size_t message_size) {
    tw_writer *w = calloc(1, sizeof *w);
    if (w) w->path = strdup(path);
    if (!w || !w->path) {
        snprintf(message, message_size, "%s: out of memory", path);
        free(w);
        return NULL;
    }
    w->format = format;
    w->message = message;
    w->message_size = message_size;
    w->file = aside_open(path, message, message_size);
    if (w->file) return w;
    free(w->path);
    free(w);
    return NULL;
}

tw_writer *tw_create(const char *path, char *message, size_t message_size) {
    return create(&safetensors_format, path, message, message_size);
}

tw_writer *tw_create_gguf(const char *path, char *message, size_t message_size) {
    return create(&gguf_format, path, message, message_size);
}

static void release(tw_writer *w) {
    for (size_t i = 0; i < w->count; ++i) free(w->tensors[i].name);
    for (size_t i = 0; i < w->pair_count; ++i) {
        free(w->pairs[i].key);
        free(w->pairs[i].owned);
    }
    free(w->tensors);
    free(w->pairs);
    free(w->path);
    free(w);
}

void tw_abort(tw_writer *w) {
    if (!w) return;
    aside_abort(w->file);
    release(w);
}

static int grow(tw_writer *w) {
    const size_t capacity = w->capacity ? 2 * w->capacity : 16;
    declared *larger;
    if (w->count < w->capacity) return 0;
    larger = realloc(w->tensors, capacity * sizeof *larger);
    if (!larger) return -1;
    w->tensors = larger;
    w->capacity = capacity;
    return 0;
}

int tw_add(tw_writer *w, const char *name, const char *dtype, int32_t rank, const int64_t *shape,
           int64_t size) {
    const int64_t alignment = w ? w->format->alignment : 1;
    const char *refused;
    declared *t;
    if (!w || w->failed) return -1;
    if (w->begun) return tw_fail(w, "was declared after data had been written", name);
    if (!tf_is_utf8(name, strlen(name))) return tw_fail(w, "has a name that is not UTF-8", name);
    if (rank < 0 || rank > TF_MAX_RANK) return tw_fail(w, "has more than 8 dimensions", name);
    if (size < 0 || size != tf_bytes(dtype, rank, shape) || w->total > INT64_MAX / 2 - size)
        return tw_fail(w, "has a size that does not fit its dtype and shape", name);
    refused = w->format->refuses(name, dtype, rank, shape);
    if (refused) return tw_fail(w, refused, name);
    if (grow(w) != 0) return tw_fail(w, "out of memory", NULL);
    t = &w->tensors[w->count];
    memset(t, 0, sizeof *t);
    t->name = strdup(name);
    if (!t->name) return tw_fail(w, "out of memory", NULL);
    ++w->count;
    t->dtype = dtype;
    t->rank = rank;
    if (rank > 0) memcpy(t->shape, shape, (size_t)rank * sizeof *shape);
    t->begin = w->total;
    t->size = size;
    w->total += size + (alignment - size % alignment) % alignment;
    return 0;
}

static int compare_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int tw_refuse_twice(tw_writer *w, const void *names, size_t count, size_t size) {
    const char **order = malloc((count + 1) * sizeof *order);
    const char *twice = NULL;
    if (!order) return tw_fail(w, "out of memory", NULL);
    for (size_t i = 0; i < count; ++i)
        memcpy(&order[i], (const char *)names + i * size, sizeof *order);
    qsort(order, count, sizeof *order, compare_text);
    for (size_t i = 1; i < count && !twice; ++i)
        if (strcmp(order[i - 1], order[i]) == 0) twice = order[i];
    free(order);
    return twice ? tw_fail(w, "would be written twice", twice) : 0;
}

int tw_begin(tw_writer *w, const cJSON *metadata) {
    if (!w || w->failed || tw_refuse_twice(w, w->tensors, w->count, sizeof *w->tensors) != 0 ||
        w->format->write_header(w, metadata) != 0)
        return -1;
    w->begun = 1;
    w->file_size += w->total;
    return 0;
}

static int write_swapped(tw_writer *w, const char *dtype, const unsigned char *data, size_t size) {
    const size_t width = swapped_width(dtype, tf_dtype_bits(dtype));
    unsigned char piece[4096];
    if (width <= 1) return aside_write(w->file, data, size);
    while (size > 0) {
        const size_t n = size < sizeof piece ? size : sizeof piece;
        memcpy(piece, data, n);
        swap_elements(piece, n, width);
        if (aside_write(w->file, piece, n) != 0) return -1;
        data += n;
        size -= n;
    }
    return 0;
}

/* Zeros up to where the next tensor begins, or the data end. */
static int pad_to(tw_writer *w, int64_t position) {
    static const char zeros[64];
    while (w->written < position) {
        const int64_t left = position - w->written;
        const size_t n = left < (int64_t)sizeof zeros ? (size_t)left : sizeof zeros;
        if (tw_put(w, zeros, n) != 0) return -1;
        w->written += (int64_t)n;
    }
    return 0;
}

/* Goes on to the tensor that lacks bytes, if any. */
static int advance(tw_writer *w) {
    while (w->current < w->count &&
           w->written == w->tensors[w->current].begin + w->tensors[w->current].size) {
        ++w->current;
        if (pad_to(w, w->current < w->count ? w->tensors[w->current].begin : w->total) != 0)
            return -1;
    }
    return 0;
}

int tw_write(tw_writer *w, const void *data, size_t size) {
    const declared *t;
    int failed;
    if (!w || w->failed) return -1;
    if (size == 0) return 0;
    if (!w->begun) return tw_fail(w, "more data than was declared", NULL);
    if (advance(w) != 0) return -1;
    t = &w->tensors[w->current];
    if (w->current == w->count || (uint64_t)size > (uint64_t)(t->begin + t->size - w->written))
        return tw_fail(w, "more data than was declared", NULL);
    failed = HOST_IS_BIG_ENDIAN ? write_swapped(w, t->dtype, data, size) : tw_put(w, data, size);
    w->failed |= failed != 0;
    w->written += (int64_t)size;
    return failed;
}

int tw_prepare(tw_writer *w) {
    if (!w || w->failed) return -1;
    if (w->prepared) return 0;
    if (w->begun && advance(w) != 0) return -1;
    if (!w->begun || w->current < w->count) return tw_fail(w, "less data than was declared", NULL);
    w->prepared = 1;
    w->failed = aside_prepare(w->file) != 0;
    return w->failed ? -1 : 0;
}

int tw_finish(tw_writer *w) {
    int failed;
    if (!w) return -1;
    if (tw_prepare(w) != 0) {
        tw_abort(w);
        return -1;
    }
    failed = aside_commit(w->file);
    release(w);
    return failed;
}

int64_t tw_file_size(const tw_writer *w) {
    return w ? w->file_size : 0;
}
