#define _POSIX_C_SOURCE 200809L /* scandir */

#include "vector_files.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *vectors_text(const cJSON *object, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

struct opener {
    vector_fn *visit;
    void *context;
};

static void open_file(const char *path, void *context) {
    const struct opener *o = context;
    char message[512] = "";
    tf_file *file = tf_open(path, message, sizeof message);
    if (!file) fail_msg("%s: %s", path, message);
    const char *text = vectors_text(file->metadata, "meta");
    cJSON *meta = text ? cJSON_Parse(text) : NULL;
    if (!meta) fail_msg("%s: no meta", path);
    o->visit(path, file, meta, o->context);
    cJSON_Delete(meta);
    tf_close(file);
}

static int ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int visit_directory(const char *path, path_fn *visit, void *context, int depth) {
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) return 0;
    for (int i = 0; i < count; ++i) {
        char below[4096];
        const char *name = entries[i]->d_name;
        snprintf(below, sizeof below, "%s/%s", path, name);
        if (ends_with(name, ".safetensors"))
            visit(below, context);
        else if (name[0] != '.' && depth < 4)
            visit_directory(below, visit, context, depth + 1);
        free(entries[i]);
    }
    free(entries);
    return 1;
}

int vector_paths_each(const char *directory, path_fn *visit, void *context) {
    return visit_directory(directory, visit, context, 0);
}

int vectors_each(const char *path, vector_fn *visit, void *context) {
    struct opener o = {visit, context};
    return vector_paths_each(path, open_file, &o);
}
