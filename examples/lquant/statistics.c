#define _POSIX_C_SOURCE 200809L
#include "statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_VERSION "1"

/* Beyond what calibration takes; a state of a few bytes must not ask for all of the memory. */
#define MOST_BYTES ((uint64_t)4 << 30)

/* ------------------------------------------------------------------ one calibrator */

static int too_large(uint64_t bytes) {
    return bytes > MOST_BYTES;
}

/* NULL, or why there cannot be such a calibrator; `size` gets its bytes. */
static const char *size_of(const lq_calibrator_options *options, size_t *size) {
    const lq_status status = lq_calibrator_size(options, size);
    if (status == LQ_ERROR_OVERFLOW || (status == LQ_OK && too_large(*size)))
        return "would need more than 4 GiB for its statistics; use fewer --mantissa-bits, or "
               "--per-tensor";
    return status == LQ_OK ? NULL : lq_status_string(status);
}

/* Puts what is at work to rest. */
static void rest(statistics *s) {
    if (s->working_index && s->changed) {
        statistic *item = &s->items[s->working_index - 1];
        size_t size = 0;
        /* Nothing can be wrong but the memory. */
        need(lq_calibrator_serialize(s->working, NULL, 0, &size) == LQ_OK ? item : NULL);
        item->bytes = need(realloc(item->bytes, size));
        lq_calibrator_serialize(s->working, item->bytes, size, &item->size);
    }
    s->working_index = 0;
    s->changed = 0;
}

static lq_calibrator *room_for(lq_calibrator **memory, size_t *size, size_t wanted) {
    if (*size < wanted) {
        free(*memory);
        *memory = NULL;
        *memory = need(malloc(wanted));
        *size = wanted;
    }
    return *memory;
}

const lq_calibrator *statistics_read(statistics *s, const statistic *item) {
    const size_t index = (size_t)(item - s->items) + 1;
    size_t size = 0;
    if (s->working_index == index) return s->working;
    rest(s);
    size_of(&item->options, &size);
    room_for(&s->working, &s->working_size, size);
    /* These bytes were checked when they came, or are ours. */
    lq_calibrator_deserialize(s->working, s->working_size, item->bytes, item->size);
    s->working_index = index;
    return s->working;
}

lq_calibrator *statistics_change(statistics *s, const statistic *item) {
    statistics_read(s, item);
    s->changed = 1;
    return s->working;
}

/* ------------------------------------------------------------------------ by name */

/* Where `name` stands or would stand; *found is whether it does. */
static size_t position(const statistics *s, const char *name, int *found) {
    size_t low = 0, high = s->count;
    *found = 0;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, s->items[middle].name);
        if (order == 0) *found = 1;
        if (order == 0) return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

const statistic *statistics_find(const statistics *s, const char *name) {
    int found;
    const size_t at = position(s, name, &found);
    return found ? &s->items[at] : NULL;
}

/* A place for a new one, without bytes. */
static statistic *insert(statistics *s, const char *name, const lq_calibrator_options *options) {
    int found;
    const size_t at = position(s, name, &found);
    statistic *item;
    rest(s);
    if (s->count == s->capacity) {
        s->capacity = 2 * s->capacity + 16;
        s->items = need(realloc(s->items, s->capacity * sizeof *s->items));
    }
    item = &s->items[at];
    memmove(item + 1, item, (s->count - at) * sizeof *item);
    memset(item, 0, sizeof *item);
    item->name = need(strdup(name));
    item->options = *options;
    ++s->count;
    return item;
}

const statistic *statistics_add(statistics *s, const char *name,
                                const lq_calibrator_options *options, const char *path) {
    size_t size;
    const char *wrong = size_of(options, &size);
    statistic *item;
    if (wrong) fail_tensor(path, name, wrong);
    if (wrong) return NULL;
    item = insert(s, name, options);
    lq_calibrator_init(room_for(&s->working, &s->working_size, size), size, options);
    lq_calibrator_get_options(s->working, &item->options); /* with defaults filled in */
    s->working_index = (size_t)(item - s->items) + 1;
    s->changed = 1;
    return item;
}

void statistics_free(statistics *s) {
    for (size_t i = 0; i < s->count; ++i) {
        free(s->items[i].name);
        free(s->items[i].bytes);
    }
    free(s->items);
    free(s->working);
    memset(s, 0, sizeof *s);
}

/* ------------------------------------------------------------------------ the file */

int is_state(const tf_file *file) {
    return cJSON_GetObjectItemCaseSensitive(file->metadata, STATE_KEY) != NULL;
}

/* Checks the bytes of `t` and makes the calibrator that they are, in `memory`. */
static const char *revive(const tf_tensor *t, lq_calibrator **memory, size_t *memory_size,
                          lq_calibrator_options *options) {
    const char *wrong = NULL;
    lq_status status;
    size_t size = 0;
    if (strcmp(t->dtype, "U8") != 0 || t->rank != 1) return "is not the bytes of a calibrator";
    lq_calibrator_options_init(options, sizeof *options);
    status = lq_serialized_options(t->data, (size_t)t->size, options);
    if (status == LQ_OK) wrong = size_of(options, &size);
    if (status == LQ_OK && !wrong)
        status = lq_calibrator_deserialize(room_for(memory, memory_size, size), size, t->data,
                                           (size_t)t->size);
    return status == LQ_OK ? wrong : lq_status_string(status);
}

static int load_tensor(statistics *s, const tf_tensor *t, const char *path, lq_calibrator **memory,
                       size_t *memory_size) {
    lq_calibrator_options options;
    const char *wrong = revive(t, memory, memory_size, &options);
    const statistic *known = statistics_find(s, t->name);
    if (wrong) return fail_tensor(path, t->name, wrong);
    if (known) {
        const lq_status status = lq_calibrator_merge(statistics_change(s, known), *memory);
        if (status == LQ_ERROR_MISMATCH)
            return fail_tensor(path, t->name,
                               "was calibrated with other options than in the other states");
        if (status != LQ_OK) return fail_tensor(path, t->name, lq_status_string(status));
    } else {
        statistic *item = insert(s, t->name, &options);
        item->size = (size_t)t->size;
        item->bytes = need(malloc(item->size));
        memcpy(item->bytes, t->data, item->size);
    }
    return 0;
}

static int check_version(const tf_file *file, const char *path) {
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(file->metadata, STATE_KEY);
    if (!version)
        return fail("%s: is no state of 'lquant calibrate': its metadata has no '" STATE_KEY "'",
                    path);
    if (strcmp(version->valuestring, STATE_VERSION) == 0) return 0;
    return fail("%s: is a state of version '%s'; this lquant knows version " STATE_VERSION, path,
                version->valuestring);
}

int statistics_load(statistics *s, const char *path) {
    lq_calibrator *memory = NULL;
    size_t memory_size = 0;
    tf_file *file = open_input(path);
    int status = file ? check_version(file, path) : EXIT_FAULT;
    for (size_t i = 0; !status && i < file->count; ++i)
        status = load_tensor(s, &file->tensors[i], path, &memory, &memory_size);
    free(memory);
    close_input(file);
    return status;
}

tw_writer *statistics_write(statistics *s, const char *path, char *message, size_t message_size) {
    cJSON *metadata = need(cJSON_CreateObject());
    tw_writer *w = tw_create(path, message, message_size);
    need(cJSON_AddStringToObject(metadata, STATE_KEY, STATE_VERSION));
    rest(s);
    for (size_t i = 0; i < s->count; ++i) {
        const int64_t size = (int64_t)s->items[i].size;
        tw_add(w, s->items[i].name, "U8", 1, &size, size);
    }
    tw_begin(w, metadata);
    for (size_t i = 0; i < s->count; ++i) tw_write(w, s->items[i].bytes, s->items[i].size);
    cJSON_Delete(metadata);
    if (tw_prepare(w) == 0) return w;
    tw_abort(w);
    return NULL;
}
