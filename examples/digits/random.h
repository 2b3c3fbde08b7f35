/* A small random number generator (splitmix64), so that a seed means the same digits everywhere. */
#ifndef DIGITS_RANDOM_H
#define DIGITS_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_bits(struct random *random) {
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [low, high). */
static inline float random_uniform(struct random *random, float low, float high) {
    float unit = (float)(random_bits(random) >> 40) / 16777216.0f;

    return low + (high - low) * unit;
}

/* Uniform in 0 to count - 1. */
static inline int random_below(struct random *random, int count) {
    return (int)((random_bits(random) >> 32) * (uint64_t)count >> 32);
}

/* Close to a standard normal: the sum of four uniform numbers, cut out of one draw. */
static inline float random_normal(struct random *random) {
    uint64_t bits = random_bits(random);
    int64_t sum = 0;

    for (int i = 0; i < 4; i++) sum += (int64_t)(bits >> (16 * i) & 0xffff);
    return ((float)sum / 65536.0f - 2.0f) * 1.7320508f;
}

#endif
