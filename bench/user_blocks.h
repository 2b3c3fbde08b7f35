/* Blocks as a user would write them, one after the other in plain loops: what bench_blocks compares with. */
#ifndef USER_BLOCKS_H
#define USER_BLOCKS_H

#include "libquant.h"
#include <stddef.h>

typedef struct user_format {
    lq_layout layout; /* 0 behind the last one */
    void (*encode)(const float *x, int64_t n, unsigned char *to);
    void (*decode)(const unsigned char *from, int64_t n, float *x);
} user_format;

extern const user_format user_blocks[];

/* Compiled for this level alone. */
const user_format *user_tuned_blocks(lq_cpu level);

/* That of a layout; NULL where there is none. */
static inline const user_format *user_blocks_of(const user_format *formats, lq_layout layout) {
    while (formats->layout && formats->layout != layout) ++formats;
    return formats->layout ? formats : NULL;
}

#endif
