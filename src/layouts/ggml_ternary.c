/* ggml's ternary records: super-blocks of 256 with one F16 scale. */
#include "layouts/planes.h"
#include "layouts/records.h"

/* TQ2_0: two bits a code, 1 added; the fourth value, 2, is one that ggml's encoder does not use. */
enum { TQ2_D = 64, TQ2_RECORD = TQ2_D + 2 };
static const lq_planes tq2_planes = {0, 2, 0, 0, false, 1};

void lq_unpack_tq2_0(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    const lq_record_parts parts = *to;
    for (int64_t i = 0; i < records; ++i, from += TQ2_RECORD) {
        lq_unpack_wide(from + TQ2_D, parts.scale + 2 * i);
        lq_unpack_planes(&tq2_planes, from, parts.codes + i * LQ_SUPER);
    }
}

void lq_pack_tq2_0(const lq_record_parts *from, int64_t records, unsigned char *to) {
    const lq_record_parts parts = *from;
    for (int64_t i = 0; i < records; ++i, to += TQ2_RECORD) {
        memset(to, 0, TQ2_D);
        lq_pack_wide(parts.scale + 2 * i, to + TQ2_D);
        lq_pack_planes(&tq2_planes, parts.codes + i * LQ_SUPER, to);
    }
}

/*
 * TQ1_0: five codes to a byte, 1 added to each, as the digits of a number in base 3, the first the
 * highest. The byte is that number's 256 / 243, rounded up, so that multiplying by 3 brings digit
 * after digit into the ninth bit and above. Of 256 bytes only 243 come of packing; the others are
 * read as one of them. Bytes hold every 32nd element of 160, then every 16th of 80, then, in the
 * last four, four elements and a digit of 0.
 */
enum { TQ1_D = 52, TQ1_RECORD = TQ1_D + 2 };

LQ_INLINE void unpack_stretch(const unsigned char *from, int width, int digits,
                              unsigned char *codes) {
    uint32_t power = 1;
    for (int n = 0; n < digits; ++n, power *= 3) {
        for (int m = 0; m < width; ++m) {
            const uint32_t rest = from[m] * power & 255u;
            codes[n * width + m] = (unsigned char)((rest * 3u >> 8) - 1u);
        }
    }
}

LQ_INLINE void pack_stretch(const unsigned char *codes, int width, int digits, unsigned char *to) {
    uint16_t number[LQ_GROUP] = {0};
    for (int n = 0; n < 5; ++n) {
        for (int m = 0; m < width; ++m) {
            const int digit = n < digits ? (codes[n * width + m] + 1) & 3 : 0;
            number[m] = (uint16_t)(number[m] * 3 + digit);
        }
    }
    for (int m = 0; m < width; ++m)
        to[m] = (unsigned char)((number[m] * 256u + 242u) / 243u & 255u);
}

void lq_unpack_tq1_0(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    const lq_record_parts parts = *to;
    for (int64_t i = 0; i < records; ++i, from += TQ1_RECORD) {
        unsigned char *codes = parts.codes + i * LQ_SUPER;
        lq_unpack_wide(from + TQ1_D, parts.scale + 2 * i);
        unpack_stretch(from, 32, 5, codes);
        unpack_stretch(from + 32, 16, 5, codes + 160);
        unpack_stretch(from + 48, 4, 4, codes + 240);
    }
}

void lq_pack_tq1_0(const lq_record_parts *from, int64_t records, unsigned char *to) {
    const lq_record_parts parts = *from;
    for (int64_t i = 0; i < records; ++i, to += TQ1_RECORD) {
        const unsigned char *codes = parts.codes + i * LQ_SUPER;
        lq_pack_wide(parts.scale + 2 * i, to + TQ1_D);
        pack_stretch(codes, 32, 5, to);
        pack_stretch(codes + 160, 16, 5, to + 32);
        pack_stretch(codes + 240, 4, 4, to + 48);
    }
}
