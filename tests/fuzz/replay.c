/*
 * A fuzz target over given files, or over all files of given directories; says how many there
 * were. For compilers without libFuzzer, and for the tests.
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "target.h"

static int failed(const char *path) {
    perror(path);
    return -1;
}

/* In memory of exactly its size. */
static int replay_file(const char *path, long size) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc((size_t)size + (size == 0));
    const int bad = !file || !data || fread(data, 1, (size_t)size, file) != (size_t)size;
    if (bad) failed(path);
    if (!bad) LLVMFuzzerTestOneInput(data, (size_t)size);
    if (file) fclose(file);
    free(data);
    return bad ? -1 : 1;
}

/* How many inputs there were, or -1. */
static int replay(const char *path) {
    struct stat st;
    struct dirent **entries;
    int count, total = 0;
    if (stat(path, &st) != 0) return failed(path);
    if (!S_ISDIR(st.st_mode)) return replay_file(path, (long)st.st_size);
    count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) return failed(path);
    for (int i = 0; i < count; ++i) {
        char name[4096];
        const int hidden = entries[i]->d_name[0] == '.';
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        free(entries[i]);
        const int replayed = hidden || total < 0 ? 0 : replay(name);
        total = replayed < 0 ? -1 : total + replayed;
    }
    free(entries);
    return total;
}

int main(int argc, char **argv) {
    int total = 0;
    for (int i = 1; i < argc; ++i) {
        const int count = replay(argv[i]);
        if (count < 0) return 1;
        total += count;
    }
    fprintf(stderr, "%d inputs\n", total); /* where no target has turned stdout off */
    return total > 0 ? 0 : 1;
}
