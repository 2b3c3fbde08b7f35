#define _POSIX_C_SOURCE 200809L
#include "scratch.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[SCRATCH_PATH / 2];

static _Noreturn void die(const char *what) {
    perror(what);
    exit(99);
}

void scratch_begin(void) {
    const char *parent = getenv("TMPDIR");
    if (!parent || strlen(parent) > SCRATCH_PATH / 4) parent = "/tmp";
    snprintf(directory, sizeof directory, "%s/libquant-XXXXXX", parent);
    if (!mkdtemp(directory)) die("mkdtemp");
}

const char *scratch_path(const char *name) {
    static char paths[16][SCRATCH_PATH];
    static unsigned turn;
    char *path = paths[turn++ % 16];
    snprintf(path, SCRATCH_PATH, "%s/%s", directory, name);
    return path;
}

static DIR *open_directory(void) {
    DIR *d = opendir(directory);
    if (!d) die(directory);
    return d;
}

static int is_file(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

int scratch_count(void) {
    DIR *d = open_directory();
    const struct dirent *entry;
    int count = 0;
    while ((entry = readdir(d)) != NULL) count += is_file(entry);
    closedir(d);
    return count;
}

void scratch_remove(const char *name) {
    const char *path = scratch_path(name);
    if (unlink(path) != 0 && rmdir(path) != 0) die(path);
}

void scratch_end(void) {
    DIR *d = open_directory();
    const struct dirent *entry;
    while ((entry = readdir(d)) != NULL)
        if (is_file(entry)) scratch_remove(entry->d_name);
    closedir(d);
    if (rmdir(directory) != 0) die(directory);
}

static void write_parts(const char *path, const void *const *parts, const size_t *sizes,
                        size_t count) {
    FILE *f = fopen(path, "wb");
    if (!f) die(path);
    for (size_t i = 0; i < count; ++i)
        if (sizes[i] > 0 && fwrite(parts[i], 1, sizes[i], f) != sizes[i]) die(path);
    if (fclose(f) != 0) die(path);
}

const char *scratch_write(const char *name, const void *data, size_t size) {
    const char *path = scratch_path(name);
    write_parts(path, &data, &size, 1);
    return path;
}

void scratch_floats(void *to, const float *from, size_t count) {
    unsigned char *bytes = to;
    for (size_t i = 0; i < count; ++i) {
        uint32_t bits;
        memcpy(&bits, &from[i], sizeof bits);
        for (int k = 0; k < 4; ++k) bytes[4 * i + (size_t)k] = (unsigned char)(bits >> 8 * k);
    }
}

const char *scratch_safetensors(const char *name, const char *header, const void *data,
                                size_t size) {
    const char *path = scratch_path(name);
    const uint64_t length = strlen(header);
    unsigned char prefix[8];
    void *zeros = calloc(size + 1, 1);
    const void *const parts[3] = {prefix, header, data ? data : zeros};
    const size_t sizes[3] = {8, (size_t)length, size};
    if (!zeros) die("calloc");
    for (int i = 0; i < 8; ++i) prefix[i] = (unsigned char)(length >> 8 * i);
    write_parts(path, parts, sizes, 3);
    free(zeros);
    return path;
}

char *scratch_read(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    char *data;
    long end;
    if (!f) return NULL;
    if (fseek(f, 0, SEEK_END) != 0 || (end = ftell(f)) < 0) die(path);
    rewind(f);
    data = malloc((size_t)end + 1);
    if (!data || fread(data, 1, (size_t)end, f) != (size_t)end) die(path);
    data[end] = '\0';
    *size = (size_t)end;
    fclose(f);
    return data;
}
