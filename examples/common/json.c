#define _POSIX_C_SOURCE 200809L
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_file.h"

const char *json_lexical_fault(const char *text, size_t length) {
    int in_string = 0;
    if (!tf_is_utf8(text, length)) return "is not UTF-8";
    for (size_t i = 0; i < length; ++i) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 && (in_string || (c != '\t' && c != '\n' && c != '\r')))
            return "holds a control character";
        if (c == '"') in_string = !in_string;
        if (c != '\\' || !in_string) continue; /* outside of strings cJSON refuses it */
        ++i;
        if (length - i >= 5 && memcmp(text + i, "u0000", 5) == 0)
            return "holds a name or text with a NUL";
    }
    return NULL;
}

size_t json_values(const char *text, size_t length, size_t *row) {
    size_t values = 1, current = 1;
    int in_string = 0;
    *row = 1;
    for (size_t i = 0; i < length; ++i) {
        const char c = text[i];
        if (in_string && c == '\\') {
            ++i;
        } else if (c == '"') {
            in_string = !in_string;
            current = 1;
        } else if (in_string) {
            continue;
        } else if (c == ',') {
            ++values;
            if (++current > *row) *row = current;
        } else if (c == '[' || c == '{') {
            ++values;
            current = 1;
        } else if (c == ']' || c == '}') {
            current = 1;
        }
    }
    return values;
}

cJSON *json_parse(const char *text, size_t length, const char **wrong) {
    const char *end = NULL;
    cJSON *value = NULL;
    *wrong = "is not valid JSON";
    if (length == 0 || (unsigned char)text[0] == 0xef) return NULL; /* cJSON skips a BOM */
    /* cJSON does not tell why it failed; malloc does. */
    errno = 0;
    value = cJSON_ParseWithLengthOpts(text, length, &end, 0);
    if (!value) {
        if (errno == ENOMEM) *wrong = "out of memory";
        return NULL;
    }
    while (end < text + length && (*end == ' ' || *end == '\t' || *end == '\n' || *end == '\r'))
        ++end;
    if (end == text + length) return value;
    cJSON_Delete(value);
    return NULL;
}

static int compare_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *json_duplicate_key(const cJSON *object, int *no_memory) {
    const char **keys;
    const char *found = NULL;
    const cJSON *item;
    size_t n = 0;
    *no_memory = 0;
    if (!cJSON_IsObject(object)) return NULL;
    keys = malloc(((size_t)cJSON_GetArraySize(object) + 1) * sizeof *keys);
    *no_memory = !keys;
    if (!keys) return NULL;
    cJSON_ArrayForEach(item, object) keys[n++] = item->string;
    qsort(keys, n, sizeof *keys, compare_text);
    for (size_t i = 1; i < n && !found; ++i)
        if (strcmp(keys[i - 1], keys[i]) == 0) found = keys[i];
    free(keys);
    return found;
}

/* ---------------------------------------------------------------------- writing */

static cJSON *number(double value) {
    char text[40];
    if (!isfinite(value)) return cJSON_CreateNull();
    snprintf(text, sizeof text, "%.17g", value);
    return cJSON_CreateRaw(text);
}

static cJSON *integer(int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return cJSON_CreateRaw(text);
}

int json_add_number(cJSON *object, const char *key, double value) {
    return cJSON_AddItemToObject(object, key, number(value)) ? 0 : -1;
}

int json_add_integer(cJSON *object, const char *key, int64_t value) {
    return cJSON_AddItemToObject(object, key, integer(value)) ? 0 : -1;
}

int json_append_number(cJSON *array, double value) {
    return cJSON_AddItemToArray(array, number(value)) ? 0 : -1;
}

int json_append_integer(cJSON *array, int64_t value) {
    return cJSON_AddItemToArray(array, integer(value)) ? 0 : -1;
}

aside *json_write(const cJSON *root, const char *path, char *message, size_t message_size) {
    char *text = cJSON_Print(root);
    aside *file = NULL;
    if (!text)
        snprintf(message, message_size, "%s: out of memory", path);
    else
        file = aside_open(path, message, message_size);
    if (file && (aside_write(file, text, strlen(text)) != 0 || aside_write(file, "\n", 1) != 0 ||
                 aside_prepare(file) != 0)) {
        aside_abort(file);
        file = NULL;
    }
    cJSON_free(text);
    return file;
}
