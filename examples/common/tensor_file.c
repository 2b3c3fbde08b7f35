#define _POSIX_C_SOURCE 200809L
#include "tensor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "byte_order.h"
#include "gguf.h"
#include "tensor_format.h"

static const struct {
    const char *name;
    int bits;
} dtypes[] = {
    {"BOOL", 8},    {"U8", 8},      {"I8", 8},          {"U16", 16},        {"I16", 16},
    {"F16", 16},    {"BF16", 16},   {"U32", 32},        {"I32", 32},        {"F32", 32},
    {"U64", 64},    {"I64", 64},    {"F64", 64},        {"C64", 64},        {"F8_E4M3", 8},
    {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6},
    {"F6_E3M2", 6}, {"F4", 4},
};

const char *tf_known_dtype(const char *dtype) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; ++i)
        if (strcmp(dtypes[i].name, dtype) == 0) return dtypes[i].name;
    return NULL;
}

int tf_dtype_bits(const char *dtype) {
    for (size_t i = 0; dtype && i < sizeof dtypes / sizeof *dtypes; ++i)
        if (strcmp(dtypes[i].name, dtype) == 0) return dtypes[i].bits;
    return 0;
}

int64_t tf_elements(int32_t rank, const int64_t *shape) {
    int64_t n = 1;
    int empty = 0;
    for (int32_t i = 0; i < rank; ++i) {
        if (shape[i] < 0) return -1;
        if (shape[i] == 0) {
            empty = 1; /* but the other dimensions must still be sane */
            continue;
        }
        if (n > INT64_MAX / shape[i]) return -1;
        n *= shape[i];
    }
    return empty ? 0 : n;
}

int64_t tf_bytes(const char *dtype, int32_t rank, const int64_t *shape) {
    const int64_t elements = tf_elements(rank, shape);
    const int bits = tf_dtype_bits(dtype);
    int64_t block, bytes;
    if (elements >= 0 && tf_block(dtype, &block, &bytes)) {
        if (rank == 0 || shape[rank - 1] % block != 0 || elements / block > INT64_MAX / bytes)
            return -1;
        return elements / block * bytes;
    }
    if (elements < 0 || bits == 0 || elements > INT64_MAX / bits) return -1;
    return elements * bits % 8 == 0 ? elements * bits / 8 : -1;
}

/* Length of the UTF-8 sequence at `p`, 0 where it is malformed; no more than `length` are read. */
static size_t utf8_sequence(const unsigned char *p, size_t length) {
    const unsigned char c = p[0];
    const size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (n == 0 || n > length) return 0;
    for (size_t i = 1; i < n; ++i)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0; /* overlong, a surrogate, or beyond U+10FFFF */
    return n;
}

int tf_is_utf8(const char *text, size_t length) {
    const unsigned char *p = (const unsigned char *)text;
    while (length > 0) {
        const size_t n = *p ? utf8_sequence(p, length) : 0;
        if (n == 0) return 0;
        p += n;
        length -= n;
    }
    return 1;
}

/* Bytes of the next character to show; *shown is 0 where it must not reach a terminal. */
static size_t next_character(const char *p, size_t left, int *shown) {
    const unsigned char *u = (const unsigned char *)p;
    const size_t n = utf8_sequence(u, left);
    /* U+0080 to U+009F are controls too: some terminals take U+009B as ESC [. */
    *shown = n > 0 && u[0] >= 0x20 && u[0] != 0x7f && !(u[0] == 0xc2 && u[1] < 0xa0);
    return n > 0 ? n : 1;
}

char *tf_printable(const char *name, int width, char *out) {
    const size_t length = strlen(name);
    int characters = 0, shown = 0, index = 0;
    char *o = out;
    for (size_t i = 0; i < length; i += next_character(name + i, length - i, &shown)) ++characters;
    const int cut = characters > width;
    const int head = cut ? (width - 3 + 1) / 2 : characters;
    const int tail = cut ? characters - (width - 3 - head) : characters;
    for (size_t i = 0; i < length; ++index) {
        const size_t n = next_character(name + i, length - i, &shown);
        if (cut && index == head) {
            memcpy(o, "...", 3);
            o += 3;
        }
        if (index < head || index >= tail) {
            if (shown) {
                memcpy(o, name + i, n);
                o += n;
            } else {
                *o++ = '?';
            }
        }
        i += n;
    }
    *o = '\0';
    return out;
}

char *tf_make_printable(char *text) {
    const char *p = text;
    char *o = text;
    int shown = 0;
    for (size_t left = strlen(text), n; left > 0; left -= n, p += n) {
        n = next_character(p, left, &shown);
        if (shown) {
            memmove(o, p, n);
            o += n;
        } else {
            *o++ = '?';
        }
    }
    *o = '\0';
    return text;
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const tf_tensor *const *)a)->name, (*(const tf_tensor *const *)b)->name);
}

static int index_names(tf_file *file, char *fault, size_t fault_size) {
    char shown[TF_SHOWN_SIZE];
    file->by_name = malloc((file->count + 1) * sizeof *file->by_name);
    if (!file->by_name) {
        snprintf(fault, fault_size, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < file->count; ++i) file->by_name[i] = &file->tensors[i];
    qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    for (size_t i = 1; i < file->count; ++i) {
        if (strcmp(file->by_name[i - 1]->name, file->by_name[i]->name) != 0) continue;
        snprintf(fault, fault_size, "tensor '%s' is there twice",
                 tf_printable(file->by_name[i]->name, TF_SHOWN, shown));
        return -1;
    }
    return 0;
}

const tf_tensor *tf_find(const tf_file *file, const char *name) {
    tf_tensor wanted = {0};
    const tf_tensor *key = &wanted;
    const tf_tensor *const *found;
    wanted.name = name;
    found = bsearch(&key, file->by_name, file->count, sizeof *file->by_name, compare_names);
    return found ? *found : NULL;
}

/* Empty tensors stand before the data that begins where they do. */
static int compare_places(const void *a, const void *b) {
    const tf_tensor *x = a, *y = b;
    const char *p = x->data, *q = y->data;
    if (p != q) return p < q ? -1 : 1;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

int tf_lay_out(tf_file *file, const void *data, int64_t size, int64_t alignment, char *fault,
               size_t fault_size) {
    char shown[TF_SHOWN_SIZE];
    int64_t position = 0, next = 0; /* where the last tensor ends, and where one may begin */
    if (file->count > 0) qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        const int64_t begin = (const char *)t->data - (const char *)data;
        if (begin != next) {
            snprintf(fault, fault_size, "tensor '%s' %s", tf_printable(t->name, TF_SHOWN, shown),
                     begin < position ? "overlaps the data of another one"
                                      : "begins behind a hole in the data");
            return -1;
        }
        position = begin + t->size;
        next = position + (alignment - position % alignment) % alignment;
    }
    if (size <= next) return 0;
    snprintf(fault, fault_size, "there is data behind the last tensor");
    return -1;
}

static int map_file(tf_file *file, const char *path, char *fault, size_t fault_size) {
    struct stat st;
    /* O_NONBLOCK: opening a pipe must not wait for its writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *kind = NULL;
    int error = 0;
    if (fd < 0 || fstat(fd, &st) != 0) {
        error = errno;
    } else if (!S_ISREG(st.st_mode)) {
        kind = S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file";
    } else if (st.st_size == 0) {
        kind = "is empty";
    } else if ((uintmax_t)st.st_size > SIZE_MAX / 2) {
        kind = "is too large for this machine's address space";
    } else {
        const int protection = HOST_IS_BIG_ENDIAN ? PROT_READ | PROT_WRITE : PROT_READ;
        void *map = mmap(NULL, (size_t)st.st_size, protection, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            error = errno;
        } else {
            file->map = map;
            file->map_size = (size_t)st.st_size;
            file->bytes = st.st_size;
        }
    }
    if (fd >= 0) close(fd);
    if (error) snprintf(fault, fault_size, "cannot be read: %s", strerror(error));
    if (kind) snprintf(fault, fault_size, "%s", kind);
    return error || kind ? -1 : 0;
}

/* The private mapping takes the swapped bytes; the file stays as it is. */
static void to_host_order(const tf_file *file) {
    for (size_t i = 0; HOST_IS_BIG_ENDIAN && i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        unsigned char *data = (unsigned char *)file->map +
                              ((const unsigned char *)t->data - (const unsigned char *)file->map);
        swap_elements(data, (size_t)t->size, swapped_width(t->dtype, tf_dtype_bits(t->dtype)));
    }
}

static int begins_with(const tf_file *file, const char *magic) {
    const size_t length = strlen(magic);
    return file->map_size >= length && memcmp(file->map, magic, length) == 0;
}

tf_file *tf_open(const char *path, char *message, size_t message_size) {
    char fault[512] = "out of memory";
    tf_file *file = calloc(1, sizeof *file);
    int failed = !file || map_file(file, path, fault, sizeof fault) != 0;
    if (!failed) {
        if (begins_with(file, TF_NPY_MAGIC))
            failed = tf_parse_npy(file, path, fault, sizeof fault) != 0;
        else if (begins_with(file, GGUF_MAGIC))
            failed = tf_parse_gguf(file, fault, sizeof fault) != 0;
        else
            failed = tf_parse_safetensors(file, fault, sizeof fault) != 0;
    }
    if (!failed) failed = index_names(file, fault, sizeof fault) != 0;
    if (failed) {
        snprintf(message, message_size, "%s: %s", path, fault);
        tf_close(file);
        return NULL;
    }
    to_host_order(file);
    return file;
}

void tf_close(tf_file *file) {
    if (!file) return;
    if (file->map) munmap(file->map, file->map_size);
    cJSON_Delete(file->metadata);
    free(file->tensors);
    free(file->pairs);
    free(file->names);
    free((void *)file->by_name);
    free(file);
}
