#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gguf.h"
#include "lquant.h"
#include "report.h"

static const struct {
    const char *dtype;
    lq_type type;
} reals[] = {{"F32", LQ_F32}, {"F16", LQ_F16}, {"BF16", LQ_BF16}};

lq_type real_type(const char *dtype) {
    for (size_t i = 0; i < sizeof reals / sizeof *reals; ++i)
        if (strcmp(reals[i].dtype, dtype) == 0) return reals[i].type;
    return 0;
}

const char *real_dtype(lq_type type) {
    for (size_t i = 0; i < sizeof reals / sizeof *reals; ++i)
        if (reals[i].type == type) return reals[i].dtype;
    return NULL;
}

char *shape_text(int32_t rank, const int64_t *shape, char *out) {
    size_t used = 0;
    if (rank == 0) strcpy(out, "scalar");
    for (int32_t i = 0; i < rank; ++i)
        used += (size_t)snprintf(out + used, SHAPE_SIZE - used, "%s%" PRId64, i > 0 ? "x" : "",
                                 shape[i]);
    return out;
}

cJSON *metadata_of(const tf_file *file) {
    cJSON *metadata;
    if (file->metadata) return need(cJSON_Duplicate(file->metadata, 1));
    metadata = need(cJSON_CreateObject());
    for (size_t i = 0; i < file->pair_count; ++i) {
        const tf_pair *pair = &file->pairs[i];
        const size_t size = (size_t)pair->size + 32; /* numbers take up to 24 */
        char *text;
        if (!gguf_is_plain(pair)) continue;
        text = need(malloc(size));
        gguf_text(pair, text, size);
        if (tf_is_utf8(text, strlen(text)))
            need(cJSON_AddStringToObject(metadata, pair->key, text));
        free(text);
    }
    return metadata;
}

/* The last component of a path, and the directory that it is in. */
static const char *split_path(const char *path, struct stat *directory) {
    const char *slash = strrchr(path, '/');
    char *parent = need(slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("."));
    const int failed = stat(parent, directory) != 0;
    free(parent);
    return failed ? NULL : slash ? slash + 1 : path;
}

int same_file(const char *a, const char *b) {
    struct stat x, y;
    const char *name_a, *name_b;
    const int a_exists = stat(a, &x) == 0, b_exists = stat(b, &y) == 0;
    if (strcmp(a, b) == 0) return 1;
    if (a_exists != b_exists) return 0;
    if (a_exists) return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    /* Neither is there yet, but they may be two ways to say where. */
    name_a = split_path(a, &x);
    name_b = split_path(b, &y);
    return name_a && name_b && x.st_dev == y.st_dev && x.st_ino == y.st_ino &&
           strcmp(name_a, name_b) == 0;
}

int refuse_suffix(const char *command, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *suffix = strrchr(name, '.');
    const int letter = suffix && ((suffix[1] >= 'a' && suffix[1] <= 'z') ||
                                  (suffix[1] >= 'A' && suffix[1] <= 'Z'));
    if (!letter || suffix == name || strcmp(suffix, ".safetensors") == 0) return 0;
    return fail_usage("%s: 'lquant %s' does not write %s files, but .safetensors%s; let OUT end so",
                      path, command, suffix,
                      strcmp(command, "quantize") == 0 ? ", and .gguf with a --format of GGUF's"
                                                       : "");
}

int copy_tensor(tw_writer *w, const tf_tensor *t) {
    const int64_t piece = 4 << 20;
    for (int64_t at = 0; at < t->size;) {
        const int64_t n = t->size - at < piece ? t->size - at : piece;
        if (tw_write(w, (const char *)t->data + at, (size_t)n) != 0) return -1;
        progress_add(n);
        at += n;
    }
    return 0;
}

int finish_output(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    return fail("standard output: cannot be written");
}
