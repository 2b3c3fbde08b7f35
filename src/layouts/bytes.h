/* Bytes of records: wide numbers in them are little-endian whatever the machine is. */
#ifndef LQ_LAYOUTS_BYTES_H
#define LQ_LAYOUTS_BYTES_H

#include "numeric.h"

static inline uint16_t lq_load_wide(const unsigned char *from) {
    return (uint16_t)(from[0] | from[1] << 8);
}

static inline void lq_store_wide(uint16_t v, unsigned char *to) {
    to[0] = (unsigned char)(v & 255);
    to[1] = (unsigned char)(v >> 8);
}

/* 16 bits of a record as the machine has them, and back. */
static inline void lq_unpack_wide(const unsigned char *from, unsigned char *to) {
    const uint16_t v = lq_load_wide(from);
    memcpy(to, &v, sizeof v);
}

static inline void lq_pack_wide(const unsigned char *from, unsigned char *to) {
    uint16_t v;
    memcpy(&v, from, sizeof v);
    lq_store_wide(v, to);
}

/* Eight bytes as one number, the first in its lowest bits: what is done to all at once. */
static inline uint64_t lq_swap_eight(uint64_t v) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(v);
#else
    return v;
#endif
}

static inline uint64_t lq_load_eight(const unsigned char *from) {
    uint64_t v;
    memcpy(&v, from, sizeof v);
    return lq_swap_eight(v);
}

static inline void lq_store_eight(uint64_t v, unsigned char *to) {
    v = lq_swap_eight(v);
    memcpy(to, &v, sizeof v);
}

/* A byte eight times. */
#define LQ_EIGHT(byte) ((byte)*UINT64_C(0x0101010101010101))

enum { LQ_HALF = 16 };

/*
 * Byte j holds elements j and j + 16, the first in the low bits. Through arrays of their own, so
 * that no compiler has to ask whether pointers meet.
 */
LQ_INLINE void lq_unpack_halves(const unsigned char *from, unsigned middle, unsigned char *codes) {
    unsigned char q[LQ_HALF], low[LQ_HALF], high[LQ_HALF];
    memcpy(q, from, sizeof q);
    for (int j = 0; j < LQ_HALF; ++j) low[j] = (unsigned char)((q[j] & 15u) - middle);
    for (int j = 0; j < LQ_HALF; ++j) high[j] = (unsigned char)((unsigned)(q[j] >> 4) - middle);
    memcpy(codes, low, sizeof low);
    memcpy(codes + LQ_HALF, high, sizeof high);
}

LQ_INLINE void lq_pack_halves(const unsigned char *codes, unsigned middle, unsigned char *to) {
    unsigned char q[LQ_HALF], low[LQ_HALF], high[LQ_HALF];
    memcpy(low, codes, sizeof low);
    memcpy(high, codes + LQ_HALF, sizeof high);
    for (int j = 0; j < LQ_HALF; ++j)
        q[j] = (unsigned char)(((low[j] + middle) & 15u) | (high[j] + middle) << 4);
    memcpy(to, q, sizeof q);
}

#endif
