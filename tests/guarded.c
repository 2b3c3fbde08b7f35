#define _DEFAULT_SOURCE
#include "guarded.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

guarded guarded_new(size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t inside = (size + page - 1) / page * page;
    guarded g = {.mapped = inside + 2 * page};
    g.mapping = mmap(NULL, g.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.mapping == MAP_FAILED) abort();
    g.begin = (unsigned char *)g.mapping + page;
    g.end = g.begin + inside;
    /* Of nothing, some emulators refuse it. */
    if (inside > 0 && mprotect(g.begin, inside, PROT_READ | PROT_WRITE) != 0) abort();
    return g;
}

void guarded_free(guarded *g) {
    munmap(g->mapping, g->mapped);
}

static uint64_t state[4];

static uint64_t rotate(uint64_t v, int n) {
    return v << n | v >> (64 - n);
}

void random_seed(uint64_t seed) {
    for (int i = 0; i < 4; ++i) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        state[i] = z ^ (z >> 31);
    }
}

uint64_t random_bits(void) {
    const uint64_t result = rotate(state[1] * 5, 7) * 9;
    const uint64_t t = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotate(state[3], 45);
    return result;
}

uint32_t random_below(uint32_t n) {
    return (uint32_t)(random_bits() >> 32) % n;
}

uint64_t seed_from_environment(void) {
    const char *text = getenv("LQ_SEED");
    const uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    printf("seed %llu (replay with LQ_SEED=%llu)\n", (unsigned long long)seed,
           (unsigned long long)seed);
    return seed;
}
