#define _POSIX_C_SOURCE 200809L
#include "tensor_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aside.h"
#include "byte_order.h"
#include "json.h"
#include "tensor_format.h"

typedef struct declared {
    char *name;
    const char *dtype; /* the caller's */
    int32_t rank;
    int64_t shape[TF_MAX_RANK];
    int64_t size;
} declared;

struct tw_writer {
    char *path;
    char *message;
    size_t message_size;
    aside *file;
    declared *tensors;
    size_t count, capacity;
    int64_t total;     /* bytes of data declared */
    int64_t written;   /* bytes of data written */
    int64_t file_size; /* header included */
    size_t current;    /* the tensor that the next byte belongs to */
    int64_t end;       /* where the current tensor ends */
    int begun, failed, prepared;
};

/* Keeps the first failure's message: later ones are its consequences. */
static int fail(tw_writer *w, const char *what, const char *name) {
    char shown[TF_SHOWN_SIZE];
    if (!w || w->failed) return -1;
    w->failed = 1;
    if (name)
        snprintf(w->message, w->message_size, "%s: tensor '%s' %s", w->path,
                 tf_printable(name, TF_SHOWN, shown), what);
    else
        snprintf(w->message, w->message_size, "%s: %s", w->path, what);
    return -1;
}

tw_writer *tw_create(const char *path, char *message, size_t message_size) {
    tw_writer *w = calloc(1, sizeof *w);
    if (w) w->path = strdup(path);
    if (!w || !w->path) {
        snprintf(message, message_size, "%s: out of memory", path);
        free(w);
        return NULL;
    }
    w->message = message;
    w->message_size = message_size;
    w->file = aside_open(path, message, message_size);
    if (w->file) return w;
    free(w->path);
    free(w);
    return NULL;
}

static void release(tw_writer *w) {
    for (size_t i = 0; i < w->count; ++i) free(w->tensors[i].name);
    free(w->tensors);
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
    declared *t;
    if (!w || w->failed) return -1;
    if (w->begun) return fail(w, "was declared after data had been written", name);
    if (!tf_is_utf8(name, strlen(name))) return fail(w, "has a name that is not UTF-8", name);
    if (strcmp(name, "__metadata__") == 0) return fail(w, "has a reserved name", name);
    if (rank < 0 || rank > TF_MAX_RANK) return fail(w, "has more than 8 dimensions", name);
    if (size < 0 || size != tf_bytes(dtype, rank, shape) || w->total > INT64_MAX / 2 - size)
        return fail(w, "has a size that does not fit its dtype and shape", name);
    if (grow(w) != 0) return fail(w, "out of memory", NULL);
    t = &w->tensors[w->count];
    memset(t, 0, sizeof *t);
    t->name = strdup(name);
    if (!t->name) return fail(w, "out of memory", NULL);
    ++w->count;
    t->dtype = dtype;
    t->rank = rank;
    if (rank > 0) memcpy(t->shape, shape, (size_t)rank * sizeof *shape);
    t->size = size;
    w->total += size;
    return 0;
}

static int compare_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int refuse_duplicates(tw_writer *w) {
    const char **names = malloc((w->count + 1) * sizeof *names);
    const char *twice = NULL;
    if (!names) return fail(w, "out of memory", NULL);
    for (size_t i = 0; i < w->count; ++i) names[i] = w->tensors[i].name;
    qsort(names, w->count, sizeof *names, compare_text);
    for (size_t i = 1; i < w->count && !twice; ++i)
        if (strcmp(names[i - 1], names[i]) == 0) twice = names[i];
    free(names);
    return twice ? fail(w, "would be written twice", twice) : 0;
}

static int describe(cJSON *header, const declared *t, int64_t begin) {
    cJSON *item = cJSON_AddObjectToObject(header, t->name);
    cJSON *shape, *offsets;
    int failed = !item || !cJSON_AddStringToObject(item, "dtype", t->dtype);
    shape = failed ? NULL : cJSON_AddArrayToObject(item, "shape");
    offsets = shape ? cJSON_AddArrayToObject(item, "data_offsets") : NULL;
    if (!offsets) return -1;
    for (int32_t i = 0; i < t->rank; ++i) failed |= json_append_integer(shape, t->shape[i]);
    failed |= json_append_integer(offsets, begin);
    failed |= json_append_integer(offsets, begin + t->size);
    return failed ? -1 : 0;
}

/* The header's text, or NULL where memory ran out. */
static char *header_text(const tw_writer *w, const cJSON *metadata) {
    cJSON *header = cJSON_CreateObject();
    char *text = NULL;
    int64_t position = 0;
    int failed = !header;
    if (!failed && metadata && metadata->child) {
        cJSON *copy = cJSON_Duplicate(metadata, 1);
        failed = !copy || !cJSON_AddItemToObject(header, "__metadata__", copy);
    }
    for (size_t i = 0; i < w->count && !failed; ++i) {
        failed = describe(header, &w->tensors[i], position) != 0;
        position += w->tensors[i].size;
    }
    if (!failed) text = cJSON_PrintUnformatted(header);
    cJSON_Delete(header);
    return text;
}

int tw_begin(tw_writer *w, const cJSON *metadata) {
    unsigned char prefix[8];
    char *text;
    size_t length, padding;
    int failed;
    if (!w || w->failed || refuse_duplicates(w) != 0) return -1;
    text = header_text(w, metadata);
    if (!text) return fail(w, "out of memory", NULL);
    length = strlen(text);
    padding = (8 - length % 8) % 8; /* so the data begins at a multiple of 8 */
    if (length + padding > TF_MAX_HEADER) {
        cJSON_free(text);
        return fail(w, "the header would be above 100 MB, which no reader accepts", NULL);
    }
    for (int i = 0; i < 8; ++i) prefix[i] = (unsigned char)((uint64_t)(length + padding) >> 8 * i);
    failed = aside_write(w->file, prefix, sizeof prefix) != 0 ||
             aside_write(w->file, text, length) != 0 ||
             aside_write(w->file, "        ", padding) != 0;
    cJSON_free(text);
    w->failed |= failed;
    w->begun = 1;
    w->file_size = 8 + (int64_t)(length + padding) + w->total;
    if (w->count > 0) w->end = w->tensors[0].size;
    return failed ? -1 : 0;
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

int tw_write(tw_writer *w, const void *data, size_t size) {
    int failed;
    if (!w || w->failed) return -1;
    if (size == 0) return 0;
    while (w->current < w->count && w->written == w->end)
        if (++w->current < w->count) w->end += w->tensors[w->current].size;
    if (!w->begun || w->current == w->count || (uint64_t)size > (uint64_t)(w->end - w->written))
        return fail(w, "more data than was declared", NULL);
    failed = HOST_IS_BIG_ENDIAN ? write_swapped(w, w->tensors[w->current].dtype, data, size)
                                : aside_write(w->file, data, size);
    w->failed |= failed != 0;
    w->written += (int64_t)size;
    return failed;
}

int tw_prepare(tw_writer *w) {
    if (!w || w->failed) return -1;
    if (w->prepared) return 0;
    if (!w->begun || w->written != w->total) return fail(w, "less data than was declared", NULL);
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
