/* Streams of fields below 9 bits, LSB first: what the layouts of codes are made of. */
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

/* Eight fields fill as many bytes as each has bits. */
static void read_eights(const unsigned char *restrict from, int32_t bits, int64_t eights,
                        unsigned char *restrict to) {
    const uint64_t mask = mask_of(bits);
    for (int64_t i = 0; i < eights; ++i) {
        uint64_t v = 0;
        for (int32_t k = 0; k < bits; ++k) v |= (uint64_t)from[i * bits + k] << 8 * k;
        for (int k = 0; k < 8; ++k) to[i * 8 + k] = (unsigned char)(v >> k * bits & mask);
    }
}

static void write_eights(const unsigned char *restrict from, int32_t bits, int64_t eights,
                         unsigned char *restrict to) {
    const uint64_t mask = mask_of(bits);
    for (int64_t i = 0; i < eights; ++i) {
        uint64_t v = 0;
        for (int k = 0; k < 8; ++k) v |= (from[i * 8 + k] & mask) << k * bits;
        for (int32_t k = 0; k < bits; ++k) to[i * bits + k] = (unsigned char)(v >> 8 * k & 255u);
    }
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

/* The constant widths are compiled on their own, which most matrices have. */
static void read_bytes(const unsigned char *from, int32_t bits, int64_t eights, unsigned char *to) {
    switch (bits) {
    case 2: read_eights(from, 2, eights, to); return;
    case 3: read_eights(from, 3, eights, to); return;
    case 4: read_nibbles(from, 4 * eights, to); return;
    case 6: read_eights(from, 6, eights, to); return;
    case 8: memcpy(to, from, (size_t)eights * 8); return;
    default: read_eights(from, bits, eights, to);
    }
}

static void write_bytes(const unsigned char *from, int32_t bits, int64_t eights,
                        unsigned char *to) {
    switch (bits) {
    case 2: write_eights(from, 2, eights, to); return;
    case 3: write_eights(from, 3, eights, to); return;
    case 4: write_nibbles(from, 4 * eights, to); return;
    case 6: write_eights(from, 6, eights, to); return;
    case 8: memcpy(to, from, (size_t)eights * 8); return;
    default: write_eights(from, bits, eights, to);
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
