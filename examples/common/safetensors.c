/*
 * The header of a .safetensors file: 8 bytes of length, then JSON. The rules are those of the
 * official reader (no holes, no overlaps, nothing behind the last tensor), and
 * stricter ones where JSON leaves room for two readings: no duplicate keys, no NUL in names.
 *
 * The header's members are parsed one at a time, so that memory stays a small multiple of the
 * header, and a wrong member ends the reading before the others cost anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tensor_format.h"

/* The largest integer up to which every integer is a double, cJSON's only number. */
#define MAX_EXACT 9007199254740992.0

/* Far beyond what a file of use has; below it, wrong values are reported for what they are. */
enum { MAX_ROW = 64, MAX_TENSOR_VALUES = 1024, MAX_METADATA_VALUES = 65536 };

/* The reading of one header. */
typedef struct reading {
    tf_file *file;
    const char *data; /* behind the header */
    int64_t data_size;
    size_t capacity;   /* of file->tensors */
    size_t names_used; /* of file->names */
    char *fault;
    size_t fault_size;
} reading;

typedef struct member {
    const char *key, *value;
    size_t key_length, value_length;
} member;

static int fail(const reading *r, const char *what) {
    snprintf(r->fault, r->fault_size, "%s", what);
    return -1;
}

/* fail() about the header's text; running out of memory is no fault of it. */
static int fail_header(const reading *r, const char *what) {
    if (strcmp(what, "out of memory") == 0) return fail(r, what);
    snprintf(r->fault, r->fault_size, "the header %s", what);
    return -1;
}

static int fail_tensor(const reading *r, const char *name, const char *what) {
    char shown[TF_SHOWN_SIZE];
    snprintf(r->fault, r->fault_size, "tensor '%s' %s", tf_printable(name, TF_SHOWN, shown), what);
    return -1;
}

static int whole_number(const cJSON *item, int64_t *value) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0) || item->valuedouble > MAX_EXACT)
        return -1;
    *value = (int64_t)item->valuedouble;
    return (double)*value == item->valuedouble ? 0 : -1;
}

/* ---------------------------------------------------------------- metadata, tensors */

static int check_metadata(const reading *r, const cJSON *metadata) {
    const cJSON *item;
    int no_memory;
    if (!cJSON_IsObject(metadata)) return fail(r, "__metadata__ is not an object");
    cJSON_ArrayForEach(item, metadata) if (!cJSON_IsString(item)) {
        return fail(r, "__metadata__ holds something that is not a string");
    }
    if (json_duplicate_key(metadata, &no_memory)) return fail(r, "__metadata__ has a key twice");
    return no_memory ? fail(r, "out of memory") : 0;
}

static int read_metadata(const reading *r, const member *m) {
    const char *wrong;
    size_t row;
    if (r->file->metadata) return fail(r, "__metadata__ is there twice");
    if (json_values(m->value, m->value_length, &row) > MAX_METADATA_VALUES)
        return fail(r, "__metadata__ has more than 65536 values");
    r->file->metadata = json_parse(m->value, m->value_length, &wrong);
    return r->file->metadata ? check_metadata(r, r->file->metadata) : fail_header(r, wrong);
}

static int parse_shape(const reading *r, const cJSON *shape, tf_tensor *t) {
    const cJSON *item;
    if (!cJSON_IsArray(shape)) return fail_tensor(r, t->name, "has no shape");
    cJSON_ArrayForEach(item, shape) {
        if (t->rank == TF_MAX_RANK) return fail_tensor(r, t->name, "has more than 8 dimensions");
        if (whole_number(item, &t->shape[t->rank]) != 0)
            return fail_tensor(r, t->name,
                               "has a dimension that is negative, fractional or too large");
        ++t->rank;
    }
    return 0;
}

/* The description of the tensor `t`, whose name is there already. */
static int parse_tensor(const reading *r, const cJSON *item, tf_tensor *t) {
    const cJSON *dtype, *offsets;
    int64_t begin, end;
    int no_memory;
    if (!cJSON_IsObject(item)) return fail_tensor(r, t->name, "is not described by an object");
    if (json_duplicate_key(item, &no_memory))
        return fail_tensor(r, t->name, "is described by the same key twice");
    if (no_memory) return fail(r, "out of memory");
    dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    if (!cJSON_IsString(dtype)) return fail_tensor(r, t->name, "has no dtype");
    t->dtype = tf_known_dtype(dtype->valuestring);
    if (!t->dtype) return fail_tensor(r, t->name, "has an unknown dtype");
    if (parse_shape(r, cJSON_GetObjectItemCaseSensitive(item, "shape"), t) != 0) return -1;
    t->size = tf_bytes(t->dtype, t->rank, t->shape);
    if (t->size < 0)
        return fail_tensor(r, t->name,
                           "has a shape whose size overflows or is no whole number of bytes");
    offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        whole_number(offsets->child, &begin) != 0 || whole_number(offsets->child->next, &end) != 0)
        return fail_tensor(r, t->name, "has no valid data_offsets");
    if (begin > end) return fail_tensor(r, t->name, "ends before it begins");
    if (end > r->data_size)
        return fail_tensor(r, t->name,
                           "reaches beyond the end of the file, which may be truncated");
    if (end - begin != t->size)
        return fail_tensor(r, t->name, "has data_offsets that do not fit its dtype and shape");
    t->data = r->data + begin;
    return 0;
}

static int read_tensor(reading *r, const member *m, const char *name) {
    tf_file *file = r->file;
    tf_tensor *t;
    const char *wrong;
    cJSON *item;
    size_t row;
    int failed;
    const size_t values = json_values(m->value, m->value_length, &row);
    if (row > MAX_ROW) return fail_tensor(r, name, "has more than 8 dimensions");
    if (values > MAX_TENSOR_VALUES)
        return fail_tensor(r, name, "is described by more than 1024 values");
    if (file->count == r->capacity) {
        const size_t capacity = r->capacity + r->capacity / 2 + 16;
        tf_tensor *larger = realloc(file->tensors, capacity * sizeof *larger);
        if (!larger) return fail(r, "out of memory");
        file->tensors = larger;
        r->capacity = capacity;
    }
    item = json_parse(m->value, m->value_length, &wrong);
    if (!item) return fail_header(r, wrong);
    t = &file->tensors[file->count];
    memset(t, 0, sizeof *t);
    t->name = name;
    failed = parse_tensor(r, item, t);
    if (!failed) ++file->count;
    cJSON_Delete(item);
    return failed;
}

static int read_member(reading *r, const member *m) {
    const char *wrong;
    cJSON *key = json_parse(m->key, m->key_length, &wrong);
    char *name = r->file->names + r->names_used;
    if (!key) return fail_header(r, wrong);
    strcpy(name, key->valuestring); /* the text in its quotes is longer */
    r->names_used += strlen(name) + 1;
    cJSON_Delete(key);
    return strcmp(name, "__metadata__") == 0 ? read_metadata(r, m) : read_tensor(r, m, name);
}

/* ------------------------------------------------------------- the header's members */

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) ++at;
    return at;
}

/* Behind the string that begins at `at`, or `end`. */
static const char *skip_string(const char *at, const char *end) {
    for (++at; at < end && *at != '"'; ++at)
        if (*at == '\\' && end - at > 1) ++at;
    return at < end ? at + 1 : end;
}

/* At the ',' or '}' behind the value that begins at `at`, or `end`; cJSON checks what it is. */
static const char *skip_value(const char *at, const char *end) {
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (depth == 0 && (*at == ',' || *at == '}')) return at;
        if (*at == '[' || *at == '{') ++depth;
        if (depth > 0 && (*at == ']' || *at == '}')) --depth;
        ++at;
    }
    return end;
}

/* Takes `"key":value`, leaving `at` on what follows it; 0 where that cannot be JSON. */
static int take_member(const char **at, const char *end, member *m) {
    m->key = skip_space(*at, end);
    if (m->key == end || *m->key != '"') return 0;
    *at = skip_string(m->key, end);
    m->key_length = (size_t)(*at - m->key);
    *at = skip_space(*at, end);
    if (*at == end || **at != ':') return 0;
    m->value = skip_space(*at + 1, end);
    *at = skip_value(m->value, end);
    m->value_length = (size_t)(*at - m->value);
    return *at < end;
}

static int read_header(reading *r, const char *text, size_t length) {
    const char *const end = text + length;
    const char *wrong = json_lexical_fault(text, length);
    const char *at;
    member m;
    if (wrong) return fail_header(r, wrong);
    if (length == 0 || text[0] != '{') return fail(r, "the header does not begin with '{'");
    at = skip_space(text + 1, end);
    if (at == end || *at != '}') {
        do {
            if (!take_member(&at, end, &m)) return fail(r, "the header is not valid JSON");
            if (read_member(r, &m) != 0) return -1;
        } while (*at++ == ',');
    } else {
        ++at;
    }
    for (; at < end; ++at)
        if (*at != ' ') return fail(r, "there is text behind the header's JSON");
    return 0;
}

int tf_parse_safetensors(tf_file *file, char *fault, size_t fault_size) {
    const unsigned char *bytes = file->map;
    const char *text = (const char *)bytes + 8;
    uint64_t length = 0;
    reading r = {0};
    r.file = file;
    r.fault = fault;
    r.fault_size = fault_size;
    if (file->map_size < 8) return fail(&r, "is too short to be a .safetensors or .npy file");
    for (int i = 7; i >= 0; --i) length = length << 8 | bytes[i];
    if (length > file->map_size - 8)
        return fail(&r, "is truncated, or no .safetensors or .npy file: the header would reach "
                        "beyond its end");
    if (length > TF_MAX_HEADER) return fail(&r, "has a header above 100 MB");
    r.data = text + length;
    r.data_size = file->bytes - 8 - (int64_t)length;
    file->names = malloc((size_t)length + 1); /* decoded, names are no longer than their text */
    if (!file->names) return fail(&r, "out of memory");
    if (read_header(&r, text, (size_t)length) != 0) return -1;
    return tf_lay_out(file, r.data, r.data_size, 1, fault, fault_size);
}
