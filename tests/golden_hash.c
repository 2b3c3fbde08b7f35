/* Inputs from integers alone, and hashes of bytes. */
#include "golden.h"
#include <string.h>

static uint64_t state;

void golden_seed(uint64_t seed) {
    state = seed;
}

uint32_t golden_random(void) {
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static uint64_t hash; /* FNV-1a */

void golden_begin(void) {
    hash = UINT64_C(0xcbf29ce484222325);
}

uint64_t golden_hash(void) {
    return hash;
}

void golden_add(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
        hash = (hash ^ (value & 0xffu)) * UINT64_C(0x100000001b3);
        value >>= 8;
    }
}

/* All bytes of a view, wide elements from their low byte up. */
void golden_add_tensor(const lq_tensor *t) {
    const int width = (t->type & 0xff) < 8 ? 1 : (t->type & 0xff) / 8;
    const unsigned char *p = t->data;
    for (int64_t i = 0; i < t->size; i += width) {
        uint16_t half;
        uint32_t word;
        if (width == 1) {
            golden_add(p[i], 1);
        } else if (width == 2) {
            memcpy(&half, p + i, sizeof half);
            golden_add(half, 2);
        } else {
            memcpy(&word, p + i, sizeof word);
            golden_add(word, 4);
        }
    }
}
