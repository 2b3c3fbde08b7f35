/*
 * An input of a fuzzer as a row of choices. Behind its end every choice is 0, which is the plain
 * one everywhere: a short input is a plain case.
 */
#ifndef CHOICES_H
#define CHOICES_H

#include <stddef.h>
#include <stdint.h>

typedef struct choices {
    const uint8_t *at, *end;
} choices;

static inline uint64_t choice_bits(choices *b, int width) {
    uint64_t value = 0;
    for (int i = 0; i < width && b->at < b->end; ++i) value |= (uint64_t)*b->at++ << 8 * i;
    return value;
}

/* From low to high, both included. */
static inline int64_t choice_in(choices *b, int64_t low, int64_t high) {
    const uint64_t span = (uint64_t)(high - low);
    return low + (int64_t)(choice_bits(b, span < 256 ? 1 : span < 65536 ? 2 : 8) % (span + 1));
}

/* True for one byte in n, and never behind the end. */
static inline int choice_rarely(choices *b, int n) {
    return (int)choice_bits(b, 1) % n == n - 1;
}

/* Of any magnitude and sign. */
static inline int64_t choice_any(choices *b) {
    const int shift = (int)choice_in(b, 0, 63);
    const int64_t value = (int64_t)(choice_bits(b, 8) >> shift);
    return choice_rarely(b, 2) ? -(value & INT64_MAX) : value;
}

#define CHOICE_OF(b, array)                                                                        \
    ((array)[choice_in(b, 0, (int64_t)(sizeof(array) / sizeof *(array)) - 1)])

#endif
