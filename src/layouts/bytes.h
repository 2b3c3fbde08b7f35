/* Bytes of records and of streams of fields: wide numbers in them are little-endian whatever the machine is. */
#ifndef LQ_LAYOUTS_BYTES_H
#define LQ_LAYOUTS_BYTES_H

#include "numeric.h"

static inline uint16_t lq_swap_two(uint16_t v) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap16(v);
#else
    return v;
#endif
}

/* Both bytes at once: gcc makes two loops of stores of single ones. */
static inline uint16_t lq_load_wide(const unsigned char *from) {
    uint16_t v;
    memcpy(&v, from, sizeof v);
    return lq_swap_two(v);
}

static inline void lq_store_wide(uint16_t v, unsigned char *to) {
    v = lq_swap_two(v);
    memcpy(to, &v, sizeof v);
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

/* The same in place. */
static inline void lq_order_wide(unsigned char *at) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    lq_pack_wide(at, at);
#else
    (void)at;
#endif
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

/*
 * The low bits of eight bytes side by side, and back: in parts of 16, then 32 bits two and two move
 * together, or apart. `bits` are 1 to 7.
 */
LQ_INLINE uint64_t lq_join_eight(uint64_t u, int bits) {
    const uint64_t one = ((1u << bits) - 1u) * UINT64_C(0x0001000100010001);
    const uint64_t two = ((1u << 2 * bits) - 1u) * UINT64_C(0x0000000100000001);
    const uint64_t four = (1u << 4 * bits) - 1u;
    u = (u & one) | (u >> (8 - bits) & one << bits);
    u = (u & two) | (u >> (16 - 2 * bits) & two << 2 * bits);
    return (u & four) | (u >> (32 - 4 * bits) & four << 4 * bits);
}

LQ_INLINE uint64_t lq_split_eight(uint64_t u, int bits) {
    const uint64_t one = ((1u << bits) - 1u) * UINT64_C(0x0001000100010001);
    const uint64_t two = ((1u << 2 * bits) - 1u) * UINT64_C(0x0000000100000001);
    const uint64_t four = (1u << 4 * bits) - 1u;
    u = (u & four) | (u & four << 4 * bits) << (32 - 4 * bits);
    u = (u & two) | (u & two << 2 * bits) << (16 - 2 * bits);
    return (u & one) | (u & one << bits) << (8 - bits);
}

/*
 * So many times eight go through an array, in a loop that compilers vectorize. Those that begin
 * within eight bytes of the end, seven where they have a byte each, go through one that has eight
 * bytes more.
 */
enum { LQ_EIGHTS = 32, LQ_LAST_EIGHTS = 7, LQ_TAIL = LQ_LAST_EIGHTS * 7 + 8 };

/* Of `eights` of so many bytes each, how many begin eight bytes or more before the last one ends. */
LQ_INLINE int64_t lq_eights_within(int64_t eights, int bits) {
    return eights * bits < 8 ? 0 : (eights * bits - 8) / bits + 1;
}

/* There are never more, which compilers do not see. */
LQ_INLINE int64_t lq_last_eights(int64_t left) {
    return left < LQ_LAST_EIGHTS ? left : LQ_LAST_EIGHTS;
}

/* Eight bytes are stored, and loaded below, where there are as many: the next ones go over some. */
LQ_INLINE void lq_join_fields(const unsigned char *from, unsigned char *to, int64_t eights,
                              int bits) {
    const int64_t within = lq_eights_within(eights, bits);
    for (int64_t i = 0; i < eights; i += LQ_EIGHTS) {
        uint64_t u[LQ_EIGHTS];
        unsigned char last[LQ_TAIL];
        const int64_t n = eights - i < LQ_EIGHTS ? eights - i : LQ_EIGHTS;
        const int64_t whole = within - i < n ? within - i : n;
        for (int64_t k = 0; k < n; ++k) {
            u[k] = lq_join_eight(lq_load_eight(from + 8 * (i + k)), bits);
        }
        int64_t k = 0;
        for (; k < whole; ++k) lq_store_eight(u[k], to + (i + k) * bits);
        const int64_t left = lq_last_eights(n - k);
        if (left == 0) continue;
        for (int64_t j = 0; j < left; ++j) lq_store_eight(u[k + j], last + j * bits);
        memcpy(to + (i + k) * bits, last, (size_t)(left * bits));
    }
}

/* Extended from the bit `sign`, from none where that is 0; the bit above takes the borrow. */
LQ_INLINE void lq_split_fields(const unsigned char *from, unsigned char *to, int64_t eights,
                               int bits, unsigned char sign) {
    const uint64_t high = LQ_EIGHT(0x80u), signs = LQ_EIGHT((uint64_t)sign);
    const int64_t within = lq_eights_within(eights, bits);
    for (int64_t i = 0; i < eights; i += LQ_EIGHTS) {
        uint64_t u[LQ_EIGHTS];
        unsigned char last[LQ_TAIL] = {0};
        const int64_t n = eights - i < LQ_EIGHTS ? eights - i : LQ_EIGHTS;
        const int64_t whole = within - i < n ? within - i : n;
        int64_t k = 0;
        for (; k < whole; ++k) u[k] = lq_load_eight(from + (i + k) * bits);
        const int64_t left = lq_last_eights(n - k);
        if (left > 0) memcpy(last, from + (i + k) * bits, (size_t)(left * bits));
        for (int64_t j = 0; j < left; ++j) u[k + j] = lq_load_eight(last + j * bits);
        for (k = 0; k < n; ++k) {
            const uint64_t v = lq_split_eight(u[k], bits) ^ signs;
            lq_store_eight(((v | high) - signs) ^ high, to + 8 * (i + k));
        }
    }
}

/* Blocks of so many codes of 4 bits in halves; of 5 bits the fifths come before them. */
enum { LQ_HALVES = 32, LQ_HALF = LQ_HALVES / 2, LQ_FIFTHS = LQ_HALVES / 8 };

/* Fifth bits for eight codes, the first's the lowest; what is subtracted borrows from no other. */
LQ_INLINE void lq_add_fifths(unsigned char bits, unsigned middle, unsigned char *codes) {
    const uint64_t high = LQ_EIGHT(128);
    const uint64_t each = LQ_EIGHT(bits) & UINT64_C(0x8040201008040201);
    const uint64_t fifths = (each + LQ_EIGHT(127)) >> 3 & LQ_EIGHT(16);
    const uint64_t all = lq_load_eight(codes) | fifths;
    lq_store_eight(((all | high) - LQ_EIGHT(middle)) ^ high, codes);
}

/*
 * Byte j holds elements j and j + 16, the first in the low bits; less `middle`. Through arrays of
 * their own, so that no compiler has to ask whether pointers meet.
 */
LQ_INLINE void lq_unpack_halves(const unsigned char *from, bool fifths, unsigned middle,
                                unsigned char *codes) {
    const unsigned by = fifths ? 0 : middle;
    unsigned char q[LQ_HALF], low[LQ_HALF], high[LQ_HALF];
    memcpy(q, from, sizeof q);
    for (int j = 0; j < LQ_HALF; ++j) low[j] = (unsigned char)((q[j] & 15u) - by);
    for (int j = 0; j < LQ_HALF; ++j) high[j] = (unsigned char)((unsigned)(q[j] >> 4) - by);
    memcpy(codes, low, sizeof low);
    memcpy(codes + LQ_HALF, high, sizeof high);
    for (int k = 0; fifths && k < LQ_FIFTHS; ++k) {
        lq_add_fifths(from[k - LQ_FIFTHS], middle, codes + 8 * k);
    }
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
