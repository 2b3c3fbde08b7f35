/*
 * NumPy's .npy, versions 1 to 3: a magic, a Python dict as text, then the elements. The dict is
 * parsed for exactly the three keys that NumPy writes, not as Python.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_format.h"

typedef struct cursor {
    const char *at, *end;
} cursor;

static const struct {
    const char *descr, *dtype;
} descrs[] = {
    {"<f4", "F32"}, {"<f2", "F16"}, {"<f8", "F64"}, {"|i1", "I8"},   {"|u1", "U8"},
    {"<i1", "I8"},  {"<u1", "U8"},  {"<i2", "I16"}, {"<u2", "U16"},  {"<i4", "I32"},
    {"<u4", "U32"}, {"<i8", "I64"}, {"<u8", "U64"}, {"|b1", "BOOL"}, {"<c8", "C64"},
};

static int fail(char *fault, size_t fault_size, const char *what) {
    snprintf(fault, fault_size, "%s", what);
    return -1;
}

static void skip_space(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) ++c->at;
}

/* Takes `text` if it comes next, behind space. */
static int take(cursor *c, const char *text) {
    const size_t n = strlen(text);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0) return 0;
    c->at += n;
    return 1;
}

/* A Python string without escapes, of at most size - 1 characters. */
static int take_string(cursor *c, char *out, size_t size) {
    const char quote = take(c, "'") ? '\'' : take(c, "\"") ? '"' : '\0';
    size_t n = 0;
    if (!quote) return 0;
    for (; c->at < c->end && *c->at != quote; ++c->at) {
        if (*c->at == '\\' || *c->at == '\0' || n + 1 >= size) return 0;
        out[n++] = *c->at;
    }
    if (c->at == c->end) return 0;
    ++c->at;
    out[n] = '\0';
    return 1;
}

static int take_dimension(cursor *c, int64_t *value) {
    skip_space(c);
    if (c->at == c->end || *c->at < '0' || *c->at > '9') return 0;
    for (*value = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; ++c->at) {
        if (*value > (INT64_MAX - 9) / 10) return 0;
        *value = *value * 10 + (*c->at - '0');
    }
    return 1;
}

/* A tuple: "()", "(3,)", "(3, 4)", "(3, 4,)". */
static const char *take_shape(cursor *c, tf_tensor *t) {
    int comma = 1;
    if (!take(c, "(")) return "its header has no valid shape";
    while (!take(c, ")")) {
        if (t->rank == TF_MAX_RANK) return "has more than 8 dimensions";
        if (!comma || !take_dimension(c, &t->shape[t->rank]))
            return "its header has no valid shape";
        ++t->rank;
        comma = take(c, ",");
    }
    /* "(3)" is no tuple in Python. */
    return t->rank == 1 && !comma ? "its header has no valid shape" : NULL;
}

static const char *take_descr(cursor *c, tf_tensor *t) {
    char descr[16];
    if (!take_string(c, descr, sizeof descr))
        return "its element type is not a plain one (structured arrays are not supported)";
    for (size_t i = 0; i < sizeof descrs / sizeof *descrs; ++i)
        if (strcmp(descrs[i].descr, descr) == 0) t->dtype = descrs[i].dtype;
    if (t->dtype) return NULL;
    return descr[0] == '>' ? "its elements are big-endian; save it with little-endian elements"
                           : "its element type is not supported";
}

static const char *take_order(cursor *c) {
    if (take(c, "False")) return NULL;
    return take(c, "True") ? "its elements are in Fortran order; save it in C order "
                             "(numpy.ascontiguousarray)"
                           : "its header has no valid fortran_order";
}

static const char *parse_dict(cursor *c, tf_tensor *t) {
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    unsigned seen = 0;
    int comma = 1;
    if (!take(c, "{")) return "its header is not a dict";
    while (!take(c, "}")) {
        char key[16];
        const char *wrong;
        unsigned k = 0;
        if (!comma || !take_string(c, key, sizeof key) || !take(c, ":"))
            return "its header is not a dict of descr, fortran_order and shape";
        while (k < 3 && strcmp(keys[k], key) != 0) ++k;
        if (k == 3) return "its header has an unknown key";
        if (seen & 1u << k) return "its header has a key twice";
        seen |= 1u << k;
        wrong = k == 0 ? take_descr(c, t) : k == 1 ? take_order(c) : take_shape(c, t);
        if (wrong) return wrong;
        comma = take(c, ",");
    }
    skip_space(c);
    if (c->at != c->end) return "there is text behind its header's dict";
    return seen == 7 ? NULL : "its header lacks descr, fortran_order or shape";
}

/* The file's name without directory and .npy. */
static char *stem(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t n = strlen(base);
    char *name;
    if (n >= 4 && strcmp(base + n - 4, ".npy") == 0) n -= 4;
    if (n == 0) {
        base = "tensor";
        n = strlen(base);
    }
    name = malloc(n + 1);
    if (!name) return NULL;
    memcpy(name, base, n);
    name[n] = '\0';
    return name;
}

static const char *parse(tf_file *file, const char *path) {
    const unsigned char *bytes = file->map;
    tf_tensor *t = file->tensors = calloc(1, sizeof *file->tensors);
    size_t length = 0, start;
    const char *wrong;
    cursor c;
    file->names = stem(path);
    if (!t || !file->names) return "out of memory";
    t->name = file->names;
    if (!tf_is_utf8(t->name, strlen(t->name))) return "its name, and so its tensor's, is not UTF-8";
    if (file->map_size < 12) return "is truncated";
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) return "is an .npy of an unknown version";
    start = bytes[6] == 1 ? 10 : 12;
    for (size_t i = start; i > 8; --i) length = length << 8 | bytes[i - 1];
    if (length > file->map_size - start) return "is truncated: its header reaches beyond its end";
    if (length > TF_MAX_HEADER) return "has a header above 100 MB";
    c.at = (const char *)bytes + start;
    c.end = c.at + length;
    wrong = parse_dict(&c, t);
    if (wrong) return wrong;
    t->size = tf_bytes(t->dtype, t->rank, t->shape);
    if (t->size < 0) return "has a shape whose size overflows";
    if ((uint64_t)t->size > file->map_size - start - length) return "is truncated";
    if ((uint64_t)t->size < file->map_size - start - length) return "has data behind its elements";
    t->data = bytes + start + length;
    file->count = 1;
    file->is_npy = 1;
    return NULL;
}

int tf_parse_npy(tf_file *file, const char *path, char *fault, size_t fault_size) {
    const char *wrong = parse(file, path);
    return wrong ? fail(fault, fault_size, wrong) : 0;
}
