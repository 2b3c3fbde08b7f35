#include "batches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- files */

static lq_type real_type(const char *dtype) {
    if (strcmp(dtype, "F32") == 0) return LQ_F32;
    if (strcmp(dtype, "F16") == 0) return LQ_F16;
    return strcmp(dtype, "BF16") == 0 ? LQ_BF16 : 0;
}

static int add_tensors(batches *all, const tf_file *file) {
    const size_t count = (size_t)all->count + file->count;
    batch *list = count > 0 ? realloc(all->list, count * sizeof *list) : all->list;
    if (count > 0 && !list) return -1;
    all->list = list;
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        const lq_type type = real_type(t->dtype);
        const batch b = {t->name, type, tf_elements(t->rank, t->shape), t->data};
        if (type) list[all->count++] = b;
    }
    return 0;
}

static int refuse(const char *why, char *message, size_t message_size) {
    snprintf(message, message_size, "%s", why);
    return -1;
}

static int open_files(batches *all, char **paths, int count, char *message, size_t message_size) {
    all->files = calloc((size_t)count, sizeof(tf_file *));
    if (!all->files) return refuse("no memory", message, message_size);
    for (int i = 0; i < count; ++i) {
        tf_file *file = tf_open(paths[i], message, message_size);
        if (!file) return -1;
        all->files[all->file_count++] = file;
        if (add_tensors(all, file)) return refuse("no memory", message, message_size);
    }
    if (all->count > 0) return 0;
    return refuse("there are no tensors of F32, F16 or BF16", message, message_size);
}

/* ----------------------------------------------------------------- made up */

/*
 * Sizes that no number of ranks divides, a tensor in two batches, and one with fewer values than
 * there may be ranks.
 */
static const batch made_up[] = {{"attention", LQ_F32, 1000003, NULL},
                                {"relu", LQ_F32, 500009, NULL},
                                {"attention", LQ_F32, 77, NULL},
                                {"tiny", LQ_F32, 3, NULL}};
enum { MADE_UP = sizeof made_up / sizeof *made_up };

/* A value follows from where it stands alone, so that each rank makes its own (splitmix64). */
static float value_at(const batch *b, int64_t i) {
    uint64_t bits = ((uint64_t)b->elements << 32) + (uint64_t)i * 0x9e3779b97f4a7c15u;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    bits ^= bits >> 31;
    /* Close to normal, the sum of three uniform numbers; one in 65536 is an outlier. */
    const int64_t sum = (int64_t)((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff));
    const float normal = (float)(sum - 3 * 32768) / 32768.0f;
    const float value = bits >> 48 == 0 ? 50.0f * normal : normal;
    return strcmp(b->name, "relu") == 0 && value < 0 ? 0.0f : value;
}

/* ------------------------------------------------------------------- calls */

int batches_open(batches *all, char **paths, int count, char *message, size_t message_size) {
    if (count > 0) return open_files(all, paths, count, message, message_size);
    all->list = malloc(sizeof made_up);
    if (!all->list) return refuse("no memory", message, message_size);
    memcpy(all->list, made_up, sizeof made_up);
    all->count = MADE_UP;
    return 0;
}

void batches_close(batches *all) {
    for (int i = 0; i < all->file_count; ++i) tf_close(all->files[i]);
    free(all->files);
    free(all->list);
}

lq_tensor batch_values(const batch *b, int64_t first, int64_t n, float *room) {
    if (b->data) {
        const int64_t width = b->type == LQ_F32 ? 4 : 2;
        return lq_vector((const char *)b->data + first * width, b->type, n);
    }
    for (int64_t i = 0; i < n; ++i) room[i] = value_at(b, first + i);
    return lq_vector(room, LQ_F32, n);
}
