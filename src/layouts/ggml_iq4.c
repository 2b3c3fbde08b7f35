/*
 * ggml's records of codes by a table: the bytes of IQ4_XS, and the scales of IQ4_XS and IQ4_NL, whose
 * bytes are with those of other blocks.
 */
#include "layouts/planes.h"
#include "layouts/records.h"
#include "layouts/values.h"
#include "scheme.h"

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
            const unsigned low = (unsigned)from[XS_LOW + b / 2] >> b % 2 * 4 & 15u;
            const unsigned scale = low | (high >> 2 * b & 3u) << 4;
            parts.scale[i * LQ_GROUPS + b] = (unsigned char)(scale - 32u);
            lq_unpack_halves(from + XS_CODES + b * LQ_HALF, false, 0,
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

/* Values beyond this count as it: what scales of F16 hold ends far below, and no sum overflows. */
static const float bound = 0x1p38f;

/* What ggml takes for a block of zeros. */
static const float least = 1e-15f;

/* Values half way between two codes: the least that have code k. */
static const float from_half[16] = {0,     -115.5f, -93.5f, -74,   -57,   -42, -28.5f, -16,
                                    -4.5f, 7,       19,     31.5f, 45.5f, 61,  79,     101};

/* The codes whose values are nearest to x * inverse, of two the upper one. No branches or look-ups. */
static void put_codes(const float *x, float inverse, unsigned char *codes) {
    for (int j = 0; j < LQ_GROUP; ++j) {
        const float v = x[j] * inverse;
        int32_t code = 0;
        for (int k = 1; k < 16; ++k) code += v >= from_half[k];
        codes[j] = (unsigned char)code;
    }
}

/* With codes of x * inverse: sums of x^2 times code's value times x, and times its square. */
typedef struct fit {
    float product, square;
} fit;

static fit fit_of(const float *x, float inverse) {
    float products[LQ_GROUP], squares[LQ_GROUP];
    fit f = {0, 0};
    for (int j = 0; j < LQ_GROUP; ++j) {
        const float v = x[j] * inverse;
        float q = lq_iq4_values[0];
        for (int k = 1; k < 16; ++k) q = v >= from_half[k] ? lq_iq4_values[k] : q;
        products[j] = x[j] * x[j] * q * x[j];
        squares[j] = x[j] * x[j] * q * q;
    }
    for (int j = 0; j < LQ_GROUP; ++j) {
        f.product += products[j];
        f.square += squares[j];
    }
    return f;
}

/*
 * ggml's scale of a block: the best, least squares weighted by x^2, for the codes that put the
 * extreme value onto the first of the table; or, of these and of the codes of `tries` steps to
 * either side, for those that fit best. 0 for a block of zeros.
 */
static float fit_scale(const float *x, int tries, float *inverse) {
    const float extreme = lq_extreme(x, LQ_GROUP);
    const float first = tries ? -extreme / lq_iq4_values[0] : extreme / lq_iq4_values[0];
    *inverse = 0;
    if (extreme < least && extreme > -least) return 0;
    *inverse = 1 / first;
    fit f = fit_of(x, *inverse);
    float scale = f.square > 0 ? f.product / f.square : 0.0f, best = scale * f.product;
    for (int i = -tries; tries && i <= tries; ++i) {
        f = fit_of(x, ((float)i + lq_iq4_values[0]) / extreme);
        if (!(f.square > 0 && f.product * f.product > best * f.square)) continue;
        scale = f.product / f.square;
        best = scale * f.product;
    }
    return scale;
}

/* Codes are those of the first scale, not of the one stored. */
void lq_encode_iq4_nl(const lq_kernels *kernels, const float *x, int64_t records,
                      const lq_record_parts *to) {
    (void)kernels;
    float block[LQ_GROUP], inverse;
    for (int64_t i = 0; i < records; ++i) {
        lq_bound_values(x + i * LQ_GROUP, LQ_GROUP, bound, block);
        lq_put_f16(lq_as_f16(fit_scale(block, 0, &inverse)), to->scale, i);
        put_codes(block, inverse, to->codes + i * LQ_GROUP);
    }
}

/* Scales are multiples of the largest / -32, before that is rounded. */
void lq_encode_iq4_xs(const lq_kernels *kernels, const float *x, int64_t records,
                      const lq_record_parts *to) {
    (void)kernels;
    float block[LQ_SUPER], scale[LQ_GROUPS], unused;
    for (int64_t i = 0; i < records; ++i) {
        lq_bound_values(x + i * LQ_SUPER, LQ_SUPER, bound, block);
        for (int b = 0; b < LQ_GROUPS; ++b) scale[b] = fit_scale(block + b * LQ_GROUP, 7, &unused);
        const float d = -lq_extreme(scale, LQ_GROUPS) / 32;
        const float inverse = d != 0 ? 1 / d : 0.0f;
        lq_put_f16(lq_as_f16(d), to->super_scale, i);
        for (int b = 0; b < LQ_GROUPS; ++b) {
            const int32_t code = lq_round_into(inverse * scale[b], -32, 31);
            const float product = d * (float)code;
            to->scale[i * LQ_GROUPS + b] = (unsigned char)(code & 255);
            put_codes(block + b * LQ_GROUP, product != 0 ? 1 / product : 0.0f,
                      to->codes + i * LQ_SUPER + b * LQ_GROUP);
        }
    }
}
