/*
 * The header of a .safetensors file: 8 bytes of length, then JSON. The rules are those of the
 * official reader (no holes, no overlaps, nothing behind the last tensor), and
 * stricter ones where JSON leaves room for two readings: no duplicate keys, no NUL in names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_format.h"

/* The largest integer up to which every integer is a double, cJSON's only number. */
#define MAX_EXACT 9007199254740992.0

typedef struct entry {
    tf_tensor tensor;
    int64_t begin, end;
} entry;

static int fail(char *fault, size_t fault_size, const char *what) {
    snprintf(fault, fault_size, "%s", what);
    return -1;
}

static int fail_tensor(char *fault, size_t fault_size, const char *name, const char *what) {
    char shown[TF_SHOWN_SIZE];
    snprintf(fault, fault_size, "tensor '%s' %s", tf_printable(name, TF_SHOWN, shown), what);
    return -1;
}

static int whole_number(const cJSON *item, int64_t *value) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0) || item->valuedouble > MAX_EXACT)
        return -1;
    *value = (int64_t)item->valuedouble;
    return (double)*value == item->valuedouble ? 0 : -1;
}

/*
 * What cJSON lets through: control characters in strings, and \u0000, which would cut
 * a name short. A backslash outside of strings is refused by cJSON itself.
 */
static const char *lexical_fault(const char *text, size_t length) {
    int in_string = 0;
    for (size_t i = 0; i < length; ++i) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 && (in_string || (c != '\t' && c != '\n' && c != '\r')))
            return "the header holds a control character";
        if (c == '"') in_string = !in_string;
        if (c != '\\' || !in_string) continue;
        ++i;
        if (length - i >= 5 && memcmp(text + i, "u0000", 5) == 0)
            return "the header holds a name or text with a NUL";
    }
    return NULL;
}

static int compare_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The name of some key that an object has twice, or NULL; *count is the number of keys. */
static const char *duplicate_key(const cJSON *object, size_t *count, int *no_memory) {
    const char **keys;
    const char *found = NULL;
    const cJSON *item;
    size_t n = 0;
    *count = (size_t)cJSON_GetArraySize(object);
    keys = malloc((*count + 1) * sizeof *keys);
    *no_memory = !keys;
    if (!keys) return NULL;
    cJSON_ArrayForEach(item, object) keys[n++] = item->string;
    qsort(keys, n, sizeof *keys, compare_text);
    for (size_t i = 1; i < n && !found; ++i)
        if (strcmp(keys[i - 1], keys[i]) == 0) found = keys[i];
    free(keys);
    return found;
}

static int check_metadata(const cJSON *metadata, char *fault, size_t fault_size) {
    const cJSON *item;
    size_t count;
    int no_memory;
    if (!cJSON_IsObject(metadata)) return fail(fault, fault_size, "__metadata__ is not an object");
    cJSON_ArrayForEach(item, metadata) if (!cJSON_IsString(item)) {
        return fail(fault, fault_size, "__metadata__ holds something that is not a string");
    }
    if (duplicate_key(metadata, &count, &no_memory))
        return fail(fault, fault_size, "__metadata__ has a key twice");
    return no_memory ? fail(fault, fault_size, "out of memory") : 0;
}

static int parse_shape(const cJSON *shape, tf_tensor *t, char *fault, size_t fault_size) {
    const cJSON *item;
    if (!cJSON_IsArray(shape)) return fail_tensor(fault, fault_size, t->name, "has no shape");
    cJSON_ArrayForEach(item, shape) {
        if (t->rank == TF_MAX_RANK)
            return fail_tensor(fault, fault_size, t->name, "has more than 8 dimensions");
        if (whole_number(item, &t->shape[t->rank]) != 0)
            return fail_tensor(fault, fault_size, t->name,
                               "has a dimension that is negative, fractional or too large");
        ++t->rank;
    }
    return 0;
}

/* One entry of the header; `data_size` is what stands behind the header. */
static int parse_entry(const cJSON *item, int64_t data_size, entry *e, char *fault,
                       size_t fault_size) {
    tf_tensor *t = &e->tensor;
    const cJSON *dtype, *offsets;
    size_t keys;
    int no_memory;
    t->name = item->string;
    if (!cJSON_IsObject(item))
        return fail_tensor(fault, fault_size, t->name, "is not described by an object");
    if (duplicate_key(item, &keys, &no_memory))
        return fail_tensor(fault, fault_size, t->name, "is described by the same key twice");
    if (no_memory) return fail(fault, fault_size, "out of memory");
    dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    if (!cJSON_IsString(dtype)) return fail_tensor(fault, fault_size, t->name, "has no dtype");
    t->dtype = dtype->valuestring;
    if (tf_dtype_bits(t->dtype) == 0)
        return fail_tensor(fault, fault_size, t->name, "has an unknown dtype");
    if (parse_shape(cJSON_GetObjectItemCaseSensitive(item, "shape"), t, fault, fault_size) != 0)
        return -1;
    t->size = tf_bytes(t->dtype, t->rank, t->shape);
    if (t->size < 0)
        return fail_tensor(fault, fault_size, t->name,
                           "has a shape whose size overflows or is no whole number of bytes");
    offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        whole_number(offsets->child, &e->begin) != 0 ||
        whole_number(offsets->child->next, &e->end) != 0)
        return fail_tensor(fault, fault_size, t->name, "has no valid data_offsets");
    if (e->begin > e->end) return fail_tensor(fault, fault_size, t->name, "ends before it begins");
    if (e->end > data_size)
        return fail_tensor(fault, fault_size, t->name,
                           "reaches beyond the end of the file, which may be truncated");
    if (e->end - e->begin != t->size)
        return fail_tensor(fault, fault_size, t->name,
                           "has data_offsets that do not fit its dtype and shape");
    return 0;
}

/* Empty tensors stand before the data that begins where they do. */
static int compare_entries(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

/* Sorts the entries, checks that they tile the data, and fills file->tensors. */
static int lay_out(tf_file *file, entry *entries, size_t count, const char *data, int64_t data_size,
                   char *fault, size_t fault_size) {
    int64_t position = 0;
    qsort(entries, count, sizeof *entries, compare_entries);
    file->tensors = calloc(count + 1, sizeof *file->tensors);
    if (!file->tensors) return fail(fault, fault_size, "out of memory");
    for (size_t i = 0; i < count; ++i) {
        const entry *e = &entries[i];
        if (e->begin != position)
            return fail_tensor(fault, fault_size, e->tensor.name,
                               e->begin < position ? "overlaps the data of another one"
                                                   : "begins behind a hole in the data");
        position = e->end;
        file->tensors[i] = e->tensor;
        file->tensors[i].data = data + e->begin;
    }
    file->count = count;
    if (position != data_size)
        return fail(fault, fault_size, "there is data behind the last tensor");
    return 0;
}

static int parse_entries(tf_file *file, size_t keys, const char *data, int64_t data_size,
                         char *fault, size_t fault_size) {
    entry *entries = calloc(keys + 1, sizeof *entries);
    const cJSON *item;
    size_t count = 0;
    int failed = 0;
    if (!entries) return fail(fault, fault_size, "out of memory");
    cJSON_ArrayForEach(item, file->header) {
        if (strcmp(item->string, "__metadata__") == 0)
            failed = check_metadata(item, fault, fault_size);
        else
            failed = parse_entry(item, data_size, &entries[count++], fault, fault_size);
        if (failed) break;
    }
    if (!failed) failed = lay_out(file, entries, count, data, data_size, fault, fault_size);
    free(entries);
    return failed;
}

static int parse_json(tf_file *file, const char *text, size_t length, char *fault,
                      size_t fault_size) {
    const char *wrong;
    const char *end = NULL;
    if (!tf_is_utf8(text, length)) return fail(fault, fault_size, "the header is not UTF-8");
    wrong = lexical_fault(text, length);
    if (wrong) return fail(fault, fault_size, wrong);
    if (length == 0 || text[0] != '{')
        return fail(fault, fault_size, "the header does not begin with '{'");
    file->header = cJSON_ParseWithLengthOpts(text, length, &end, 0);
    if (!file->header) return fail(fault, fault_size, "the header is not valid JSON");
    for (; end < text + length; ++end)
        if (*end != ' ') return fail(fault, fault_size, "there is text behind the header's JSON");
    return 0;
}

int tf_parse_safetensors(tf_file *file, char *fault, size_t fault_size) {
    const unsigned char *bytes = file->map;
    const char *text = (const char *)bytes + 8;
    uint64_t length = 0;
    size_t keys;
    const char *twice;
    int no_memory;
    if (file->map_size < 8)
        return fail(fault, fault_size, "is too short to be a .safetensors or .npy file");
    for (int i = 7; i >= 0; --i) length = length << 8 | bytes[i];
    if (length > file->map_size - 8)
        return fail(fault, fault_size,
                    "is truncated, or no .safetensors or .npy file: the header would reach "
                    "beyond its end");
    if (length > TF_MAX_HEADER) return fail(fault, fault_size, "has a header above 100 MB");
    if (parse_json(file, text, (size_t)length, fault, fault_size) != 0) return -1;
    twice = duplicate_key(file->header, &keys, &no_memory);
    if (twice) return fail_tensor(fault, fault_size, twice, "is there twice");
    if (no_memory) return fail(fault, fault_size, "out of memory");
    file->metadata = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    return parse_entries(file, keys, text + length, file->bytes - 8 - (int64_t)length, fault,
                         fault_size);
}
