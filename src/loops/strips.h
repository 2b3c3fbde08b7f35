/*
 * The vocabulary of loops/panels.h for compilers alone: a strip is one group of 16 bytes, which
 * every instruction set has as a vector. Plain loops over elements do not become interleavings.
 */
#include "numeric.h"
#include <string.h>

enum { GROUPS = 1 };

typedef uint8_t strip __attribute__((vector_size(16)));

#if defined(__clang__)
#define LQ_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define LQ_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (strip){__VA_ARGS__})
#endif

LQ_INLINE strip strip_load(const unsigned char *from, int64_t step, int groups) {
    strip s;
    (void)step;
    (void)groups;
    memcpy(&s, from, sizeof s);
    return s;
}

LQ_INLINE void strip_store(unsigned char *to, int64_t step, int groups, strip s) {
    (void)step;
    (void)groups;
    memcpy(to, &s, sizeof s);
}

LQ_INLINE strip strip_low(int size, strip a, strip b) {
    switch (size) {
    case 1: return LQ_SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    case 2: return LQ_SHUFFLE(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
    case 4: return LQ_SHUFFLE(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    default: return LQ_SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    }
}

LQ_INLINE strip strip_high(int size, strip a, strip b) {
    switch (size) {
    case 1: return LQ_SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    case 2: return LQ_SHUFFLE(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
    case 4: return LQ_SHUFFLE(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    default: return LQ_SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    }
}

LQ_INLINE int64_t spread_in_pairs(unsigned char *to, const unsigned char *from, int size,
                                  int64_t n) {
    (void)to;
    (void)from;
    (void)size;
    (void)n;
    return 0;
}
