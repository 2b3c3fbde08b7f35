/*
 * Codes of super-blocks, eight groups of 32: a byte holds bits of the same place in several groups,
 * the low bits of a code in one row of bytes and the rest, if any, in another.
 */
#ifndef LQ_LAYOUTS_PLANES_H
#define LQ_LAYOUTS_PLANES_H

#include "layouts/bytes.h"

enum { LQ_SUPER = 256, LQ_GROUP = 32, LQ_GROUPS = LQ_SUPER / LQ_GROUP };

typedef struct lq_planes {
    int low, low_bits;   /* where in the record they begin, and how many of each code: 2 or 4 */
    int high, high_bits; /* 0, 1 or 2 of each */
    bool crossed;        /* the low bits of groups 0 and 2 share bytes, 1 and 3, and so on */
    unsigned middle;     /* added to codes */
} lq_planes;

/* Where the bits of a group are: from which byte on, and how far up. */
typedef struct lq_group_place {
    int low, low_shift, high, high_shift;
} lq_group_place;

LQ_INLINE lq_group_place lq_group_place_of(const lq_planes *p, int group) {
    const int per_low = 8 / p->low_bits, per_high = p->high_bits ? 8 / p->high_bits : LQ_GROUPS;
    const int row = p->crossed ? group / 4 * 2 + group % 2 : group / per_low;
    const int place = p->crossed ? group / 2 % 2 : group % per_low;
    return (lq_group_place){p->low + row * LQ_GROUP, place * p->low_bits,
                            p->high + group / per_high * LQ_GROUP, group % per_high * p->high_bits};
}

/* All arithmetic is on bytes, eight at once: what is subtracted borrows from no other. */
LQ_INLINE void lq_unpack_planes(const lq_planes *p, const unsigned char *record,
                                unsigned char *codes) {
    const uint64_t low_mask = LQ_EIGHT((1u << p->low_bits) - 1u), sign = LQ_EIGHT(128);
    const uint64_t high_mask = LQ_EIGHT((1u << p->high_bits) - 1u);
    for (int group = 0; group < LQ_GROUPS; ++group) {
        const lq_group_place at = lq_group_place_of(p, group);
        for (int k = 0; k < LQ_GROUP; k += 8) {
            uint64_t v = lq_load_eight(record + at.low + k) >> at.low_shift & low_mask;
            if (p->high_bits)
                v |= (lq_load_eight(record + at.high + k) >> at.high_shift & high_mask)
                     << p->low_bits;
            if (p->middle) v = ((v | sign) - LQ_EIGHT(p->middle)) ^ sign;
            lq_store_eight(v, codes + group * LQ_GROUP + k);
        }
    }
}

/* The bits of the record must be 0. */
LQ_INLINE void lq_pack_planes(const lq_planes *p, const unsigned char *codes,
                              unsigned char *record) {
    const uint64_t low_mask = LQ_EIGHT((1u << p->low_bits) - 1u), sign = LQ_EIGHT(128);
    const uint64_t high_mask = LQ_EIGHT((1u << p->high_bits) - 1u);
    for (int group = 0; group < LQ_GROUPS; ++group) {
        const lq_group_place at = lq_group_place_of(p, group);
        for (int k = 0; k < LQ_GROUP; k += 8) {
            unsigned char *low = record + at.low + k, *high = record + at.high + k;
            uint64_t v = lq_load_eight(codes + group * LQ_GROUP + k);
            if (p->middle) v = ((v ^ sign) + LQ_EIGHT(p->middle)) ^ sign;
            lq_store_eight(lq_load_eight(low) | (v & low_mask) << at.low_shift, low);
            if (p->high_bits)
                lq_store_eight(
                    lq_load_eight(high) | (v >> p->low_bits & high_mask) << at.high_shift, high);
        }
    }
}

#endif
