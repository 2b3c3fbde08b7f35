/* Streams of fields below 9 bits, LSB first: what the layouts of codes are made of. */
#include "layouts/bytes.h"
#include "layouts/codes.h"
#include <string.h>

static uint32_t mask_of(int32_t bits) {
    return (1u << bits) - 1u;
}

static void read_one(const unsigned char *from, int64_t bit, int32_t bits, unsigned char *to) {
    const unsigned char *p = from + (bit >> 3);
    const int32_t shift = (int32_t)(bit & 7);
    uint32_t v = (uint32_t)p[0] >> shift;
    if (shift + bits > 8) v |= (uint32_t)p[1] << (8 - shift);
    *to = (unsigned char)(v & mask_of(bits));
}

static void write_one(uint32_t code, int32_t bits, unsigned char *to, int64_t bit) {
    unsigned char *p = to + (bit >> 3);
    const int32_t shift = (int32_t)(bit & 7);
    const uint32_t mask = mask_of(bits) << shift;
    const uint32_t v = code << shift & mask;
    p[0] = (unsigned char)((p[0] & ~mask) | v);
    if (mask > 255) p[1] = (unsigned char)((p[1] & ~(mask >> 8)) | v >> 8);
}

static void read_nibbles(const unsigned char *restrict from, int64_t pairs,
                         unsigned char *restrict to) {
    for (int64_t i = 0; i < pairs; ++i) {
        to[2 * i] = from[i] & 15u;
        to[2 * i + 1] = (unsigned char)(from[i] >> 4);
    }
}

static void write_nibbles(const unsigned char *restrict from, int64_t pairs,
                          unsigned char *restrict to) {
    for (int64_t i = 0; i < pairs; ++i) {
        to[i] = (unsigned char)((from[2 * i] & 15u) | (from[2 * i + 1] & 15u) << 4);
    }
}

/* The width that kernels have, which only longer rows are worth, or -1. */
static int kernel_for(int32_t bits, int64_t eights) {
    enum { LONG = 64 };
    if (eights < LONG) return -1;
    return bits == 2 ? LQ_WIDTH_2 : bits == 4 ? LQ_WIDTH_4 : bits == 6 ? LQ_WIDTH_6 : -1;
}

/* Eight fields fill as many bytes as each has bits. */
static void read_bytes(const unsigned char *from, int32_t bits, int64_t eights, unsigned char *to) {
    const lq_map_work work = {
        .x = to, .codes = (unsigned char *)from, .count = 8 * eights, .rows = 1};
    const int width = kernel_for(bits, eights);
    if (bits == 4) {
        read_nibbles(from, 4 * eights, to); /* as quick as any kernel, its memory being apart */
    } else if (width >= 0) {
        lq_kernels_active()->unpack[width](&work);
    } else if (bits == 8) {
        memcpy(to, from, (size_t)eights * 8);
    } else {
        lq_split_fields(from, to, eights, bits, 0);
    }
}

static void write_bytes(const unsigned char *from, int32_t bits, int64_t eights,
                        unsigned char *to) {
    const lq_map_work work = {
        .x = (unsigned char *)from, .codes = to, .count = 8 * eights, .rows = 1};
    const int width = kernel_for(bits, eights);
    if (width >= 0) {
        lq_kernels_active()->pack[width](&work);
    } else if (bits == 4) {
        write_nibbles(from, 4 * eights, to);
    } else if (bits == 8) {
        memcpy(to, from, (size_t)eights * 8);
    } else {
        lq_join_fields(from, to, eights, bits);
    }
}

void lq_read_fields(const unsigned char *from, int64_t bit, int32_t bits, int64_t n,
                    unsigned char *to) {
    int64_t i = 0;
    for (; i < n && ((bit + i * bits) & 7) != 0 && i < 8; ++i) {
        read_one(from, bit + i * bits, bits, to + i);
    }
    const int64_t eights = (n - i) / 8;
    if (eights > 0) read_bytes(from + ((bit + i * bits) >> 3), bits, eights, to + i);
    for (i += eights * 8; i < n; ++i) read_one(from, bit + i * bits, bits, to + i);
}

void lq_write_fields(const unsigned char *from, int64_t n, int32_t bits, unsigned char *to,
                     int64_t bit) {
    int64_t i = 0;
    for (; i < n && ((bit + i * bits) & 7) != 0 && i < 8; ++i) {
        write_one(from[i], bits, to, bit + i * bits);
    }
    const int64_t eights = (n - i) / 8;
    if (eights > 0) write_bytes(from + i, bits, eights, to + ((bit + i * bits) >> 3));
    for (i += eights * 8; i < n; ++i) write_one(from[i], bits, to, bit + i * bits);
}
