#define _GNU_SOURCE
#include "harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __linux__
#include <sys/personality.h>
#include <unistd.h>
#endif

void bench_fix_addresses(char **argv) {
#ifdef __linux__
    const int now = personality(0xffffffff);
    if (now < 0 || now & ADDR_NO_RANDOMIZE || getenv("BENCH_ADDRESSES_FIXED")) return;
    if (setenv("BENCH_ADDRESSES_FIXED", "1", 1)) return;
    if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) < 0) return;
    execv("/proc/self/exe", argv);
#else
    (void)argv;
#endif
}

void *bench_allocate(int64_t bytes) {
    const int64_t page = 4096, large_page = 1 << 21;
    const int64_t unit = bench_wanted.seconds > 0 ? large_page : page;
    const size_t size = (size_t)((bytes + unit - 1) / unit * unit);
    void *p = aligned_alloc((size_t)unit, size ? size : (size_t)unit);
    if (!p) {
        fprintf(stderr, "no memory for %lld bytes; try a smaller --elements\n", (long long)bytes);
        exit(1);
    }
#ifdef MADV_HUGEPAGE
    if (unit == large_page) madvise(p, size, MADV_HUGEPAGE);
#endif
    memset(p, 1, (size_t)bytes);
    return p;
}

lq_tensor bench_vector(lq_type type, int64_t n) {
    lq_tensor t = lq_vector(NULL, type, n);
    t.data = bench_allocate(t.size);
    return t;
}

lq_tensor bench_matrix(lq_type type, int64_t rows, int64_t columns) {
    lq_tensor t = lq_matrix(NULL, type, rows, columns);
    t.data = bench_allocate(t.size);
    return t;
}

enum { PERIOD = 1 << 20 };

/* Sums of four uniform values. */
static const float *make_values(void) {
    static float *values;
    uint32_t state = 12345;
    if (values) return values;
    values = bench_allocate(PERIOD * (int64_t)sizeof *values);
    for (int64_t i = 0; i < PERIOD; ++i) {
        float sum = 0;
        for (int k = 0; k < 4; ++k) {
            state = state * 1664525u + 1013904223u;
            sum += (float)(state >> 8) * 0x1p-24f - 0.5f;
        }
        values[i] = sum;
    }
    return values;
}

void bench_fill(const lq_tensor *x) {
    const float *values = make_values();
    const int64_t n = x->size * 8 / (x->type & 0xff);
    for (int64_t i = 0; i < n; i += PERIOD) {
        const int64_t part = n - i < PERIOD ? n - i : PERIOD;
        const lq_tensor from = lq_vector(values, LQ_F32, part);
        const lq_tensor to = lq_vector((char *)x->data + i / 8 * (x->type & 0xff), x->type, part);
        bench_check(lq_convert(&from, &to, LQ_OVERFLOW_INFINITE, NULL));
    }
}

void bench_check(lq_status status) {
    if (!status) return;
    fprintf(stderr, "a call failed: %s\n", lq_status_string(status));
    exit(1);
}

const char *const bench_granularity_names[] = {"tensor", "rows", "lanes", "blocks32", "blocks128"};

lq_block bench_block_of(bench_granularity granularity) {
    switch (granularity) {
    case BENCH_ROWS: return lq_per_channel(0);
    case BENCH_LANES: return lq_per_channel(1);
    case BENCH_BLOCKS_32: return lq_per_block(-1, 32);
    case BENCH_BLOCKS_128: return lq_per_block(-1, 128);
    default: return lq_per_tensor();
    }
}
