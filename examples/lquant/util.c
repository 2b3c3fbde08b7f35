#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "aside.h"
#include "lquant.h"
#include "report.h"

int fail(const char *format, ...) {
    va_list arguments;
    progress_end();
    fputs("lquant: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return EXIT_FAULT;
}

int fail_tensor(const char *path, const char *name, const char *fault) {
    char shown[TF_SHOWN_SIZE];
    return fail("%s: tensor '%s' %s", path, tf_printable(name, TF_SHOWN, shown), fault);
}

void *need(void *pointer) {
    if (pointer) return pointer;
    fail("out of memory");
    aside_remove_all();
    exit(EXIT_FAULT);
}

void *need_bytes(int64_t size) {
    const size_t bytes = size > 0 ? (size_t)size : 1;
    return need(size < 0 || (uint64_t)size > SIZE_MAX / 2 ? NULL : malloc(bytes));
}

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

int same_file(const char *a, const char *b) {
    struct stat x, y;
    if (strcmp(a, b) == 0) return 1;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
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
