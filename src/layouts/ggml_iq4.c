/* ggml's records of codes by a table: IQ4_XS. IQ4_NL's bytes are with those of other blocks. */
#include "layouts/planes.h"
#include "layouts/records.h"

/*
 * IQ4_XS: an F16 scale of scales, the upper two bits of eight scales from the lowest up, their low
 * four, and codes in halves. Scales have 6 bits, 32 added.
 */
enum { XS_HIGH = 2, XS_LOW = 4, XS_CODES = 8, XS_RECORD = XS_CODES + LQ_SUPER / 2 };

void lq_unpack_iq4_xs(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    const lq_record_parts parts = *to;
    for (int64_t i = 0; i < records; ++i, from += XS_RECORD) {
        const unsigned high = lq_load_wide(from + XS_HIGH);
        lq_unpack_wide(from, parts.super_scale + 2 * i);
        for (int b = 0; b < LQ_GROUPS; ++b) {
            const unsigned low = from[XS_LOW + b / 2] >> b % 2 * 4 & 15u;
            const unsigned scale = low | (high >> 2 * b & 3u) << 4;
            parts.scale[i * LQ_GROUPS + b] = (unsigned char)(scale - 32u);
            lq_unpack_halves(from + XS_CODES + b * LQ_HALF, 0,
                             parts.codes + i * LQ_SUPER + b * LQ_GROUP);
        }
    }
}

void lq_pack_iq4_xs(const lq_record_parts *from, int64_t records, unsigned char *to) {
    const lq_record_parts parts = *from;
    for (int64_t i = 0; i < records; ++i, to += XS_RECORD) {
        unsigned high = 0;
        lq_pack_wide(parts.super_scale + 2 * i, to);
        memset(to + XS_LOW, 0, LQ_GROUPS / 2);
        for (int b = 0; b < LQ_GROUPS; ++b) {
            const unsigned scale = (parts.scale[i * LQ_GROUPS + b] + 32u) & 63u;
            unsigned char *low = to + XS_LOW + b / 2;
            *low = (unsigned char)(*low | (scale & 15u) << b % 2 * 4);
            high |= scale >> 4 << 2 * b;
            lq_pack_halves(parts.codes + i * LQ_SUPER + b * LQ_GROUP, 0,
                           to + XS_CODES + b * LQ_HALF);
        }
        lq_store_wide((uint16_t)high, to + XS_HIGH);
    }
}
