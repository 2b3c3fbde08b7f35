/*
 * Loads the library and a copy of it side by side, as two plugins of one program may, uses both,
 * unloads one and loads it again:
 *
 *     load LIBRARY COPY
 *
 * Each has a level of its own.
 */
#include <dlfcn.h>
#include <libquant.h>
#include <stdio.h>
#include <string.h>

typedef struct library {
    void *handle;
    lq_status (*quantize_dynamic)(const lq_tensor *, const lq_scheme *, const lq_tensor *,
                                  const lq_tensor *, const lq_tensor *, const lq_exec *);
    lq_status (*cpu_use)(lq_cpu);
    lq_cpu (*cpu_level)(void);
} library;

static int find(void *handle, const char *name, void *function) {
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static int open_library(const char *path, library *l) {
    l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!l->handle) return puts(dlerror()), 0;
    return find(l->handle, "lq_quantize_dynamic", &l->quantize_dynamic) &&
           find(l->handle, "lq_cpu_use", &l->cpu_use) &&
           find(l->handle, "lq_cpu_level", &l->cpu_level);
}

static int gives_codes(const library *l) {
    float values[4] = {1, -2, 127, 0.6f}, scale = 0;
    int8_t codes[4] = {0};
    const lq_tensor x = lq_vector(values, LQ_F32, 4), q = lq_vector(codes, LQ_S8, 4);
    const lq_tensor s = lq_vector(&scale, LQ_F32, 1);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    return l->quantize_dynamic(&x, &scheme, &q, &s, NULL, NULL) == LQ_OK && codes[0] == 1 &&
           codes[1] == -2 && codes[2] == 127 && codes[3] == 1;
}

int main(int argc, char **argv) {
    library one, other;
    lq_cpu level;
    if (argc != 3 || !open_library(argv[1], &one) || !open_library(argv[2], &other)) return 1;
    if (!gives_codes(&one) || !gives_codes(&other)) return 2;
    level = one.cpu_level();
    if (other.cpu_use(LQ_CPU_SCALAR) != LQ_OK || one.cpu_level() != level) return 3;
    if (!gives_codes(&one) || !gives_codes(&other)) return 4;
    if (dlclose(other.handle) != 0 || !open_library(argv[2], &other)) return 5;
    if (!gives_codes(&one) || !gives_codes(&other)) return 6;
    return dlclose(one.handle) != 0 || dlclose(other.handle) != 0;
}
