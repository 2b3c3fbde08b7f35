/*
 * ggml's records of super-blocks of 256, whose blocks have scales and minimums of few bits, which
 * are multiples of two floats: Q2_K to Q6_K. And Q8_K, which has one scale.
 */
#include "layouts/planes.h"
#include "layouts/records.h"
#include "layouts/values.h"

/* Blocks of 16 or of 32 share a scale. */
enum { SIXTEENS = LQ_SUPER / 16, THIRTYTWOS = LQ_SUPER / 32 };

typedef struct super_record {
    int bytes;
    int d, dmin; /* where they are; dmin 0: there is none */
    int scales;
    int blocks;
    lq_planes planes;
} super_record;

static const super_record q2_k = {84, 80, 82, 0, SIXTEENS, {16, 2, 0, 0, false, 0}};
static const super_record q3_k = {110, 108, 0, 96, SIXTEENS, {32, 2, 0, 1, false, 4}};
static const super_record q4_k = {144, 0, 2, 4, THIRTYTWOS, {16, 4, 0, 0, false, 0}};
static const super_record q5_k = {176, 0, 2, 4, THIRTYTWOS, {48, 4, 16, 1, false, 0}};
static const super_record q6_k = {210, 208, 0, 192, SIXTEENS, {0, 4, 128, 2, true, 32}};

/* Scales of a record; `zero` is NULL where there are no minimums. */
typedef void unpack_scales_fn(const unsigned char *from, unsigned char *scale, unsigned char *zero);
typedef void pack_scales_fn(const unsigned char *scale, const unsigned char *zero,
                            unsigned char *to);

LQ_INLINE void unpack_all(const super_record *kind, unpack_scales_fn *scales,
                          const unsigned char *from, int64_t records, const lq_record_parts *to) {
    const super_record r = *kind;
    const lq_record_parts parts = *to;
    for (int64_t i = 0; i < records; ++i, from += r.bytes) {
        lq_unpack_wide(from + r.d, parts.super_scale + 2 * i);
        if (r.dmin) lq_unpack_wide(from + r.dmin, parts.super_zero + 2 * i);
        scales(from + r.scales, parts.scale + i * r.blocks,
               r.dmin ? parts.zero + i * r.blocks : NULL);
        lq_unpack_planes(&r.planes, from, parts.codes + i * LQ_SUPER);
    }
}

LQ_INLINE void pack_all(const super_record *kind, pack_scales_fn *scales,
                        const lq_record_parts *from, int64_t records, unsigned char *to) {
    const super_record r = *kind;
    const lq_record_parts parts = *from;
    for (int64_t i = 0; i < records; ++i, to += r.bytes) {
        memset(to, 0, (size_t)r.bytes);
        lq_pack_wide(parts.super_scale + 2 * i, to + r.d);
        if (r.dmin) lq_pack_wide(parts.super_zero + 2 * i, to + r.dmin);
        scales(parts.scale + i * r.blocks, r.dmin ? parts.zero + i * r.blocks : NULL,
               to + r.scales);
        lq_pack_planes(&r.planes, parts.codes + i * LQ_SUPER, to);
    }
}

/* Q2_K: four bits of each, scales in the low ones. */
LQ_INLINE void unpack_scales_4(const unsigned char *from, unsigned char *scale,
                               unsigned char *zero) {
    for (int j = 0; j < SIXTEENS; ++j) {
        scale[j] = from[j] & 15;
        zero[j] = from[j] >> 4;
    }
}

LQ_INLINE void pack_scales_4(const unsigned char *scale, const unsigned char *zero,
                             unsigned char *to) {
    for (int j = 0; j < SIXTEENS; ++j) to[j] = (unsigned char)((scale[j] & 15) | zero[j] << 4);
}

/*
 * Q3_K: scales of 6 bits, 32 added. Four bits of scales j and j + 8 in byte j, the upper two of
 * scale j in byte 8 + j % 4.
 */
LQ_INLINE void unpack_scales_q3(const unsigned char *from, unsigned char *scale,
                                unsigned char *zero) {
    (void)zero;
    for (int j = 0; j < SIXTEENS; ++j) {
        const int low = from[j % 8] >> j / 8 * 4 & 15, high = from[8 + j % 4] >> j / 4 * 2 & 3;
        scale[j] = (unsigned char)((low | high << 4) - 32);
    }
}

LQ_INLINE void pack_scales_q3(const unsigned char *scale, const unsigned char *zero,
                              unsigned char *to) {
    (void)zero;
    for (int j = 0; j < SIXTEENS; ++j) {
        const int code = (scale[j] + 32) & 63;
        to[j % 8] = (unsigned char)(to[j % 8] | (code & 15) << j / 8 * 4);
        to[8 + j % 4] = (unsigned char)(to[8 + j % 4] | code >> 4 << j / 4 * 2);
    }
}

/*
 * Q4_K and Q5_K: 6 bits of each. Bytes 0 to 3 hold the first four scales, bytes 4 to 7 their
 * minimums; bytes 8 to 11 the low four bits of the other four scales and, above, of their minimums,
 * whose upper two are the upper two of bytes 0 to 3 and 4 to 7.
 */
LQ_INLINE void unpack_scales_6(const unsigned char *from, unsigned char *scale,
                               unsigned char *zero) {
    for (int j = 0; j < 4; ++j) {
        scale[j] = from[j] & 63;
        zero[j] = from[4 + j] & 63;
        scale[4 + j] = (unsigned char)((from[8 + j] & 15) | from[j] >> 6 << 4);
        zero[4 + j] = (unsigned char)(from[8 + j] >> 4 | from[4 + j] >> 6 << 4);
    }
}

LQ_INLINE void pack_scales_6(const unsigned char *scale, const unsigned char *zero,
                             unsigned char *to) {
    for (int j = 0; j < 4; ++j) {
        to[j] = (unsigned char)((scale[j] & 63) | scale[4 + j] >> 4 << 6);
        to[4 + j] = (unsigned char)((zero[j] & 63) | zero[4 + j] >> 4 << 6);
        to[8 + j] = (unsigned char)((scale[4 + j] & 15) | zero[4 + j] << 4);
    }
}

/* Q6_K: a byte each. */
LQ_INLINE void unpack_scales_8(const unsigned char *from, unsigned char *scale,
                               unsigned char *zero) {
    (void)zero;
    memcpy(scale, from, SIXTEENS);
}

LQ_INLINE void pack_scales_8(const unsigned char *scale, const unsigned char *zero,
                             unsigned char *to) {
    (void)zero;
    memcpy(to, scale, SIXTEENS);
}

void lq_unpack_q2_k(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q2_k, unpack_scales_4, from, records, to);
}

void lq_pack_q2_k(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q2_k, pack_scales_4, from, records, to);
}

void lq_unpack_q3_k(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q3_k, unpack_scales_q3, from, records, to);
}

void lq_pack_q3_k(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q3_k, pack_scales_q3, from, records, to);
}

void lq_unpack_q4_k(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q4_k, unpack_scales_6, from, records, to);
}

void lq_pack_q4_k(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q4_k, pack_scales_6, from, records, to);
}

void lq_unpack_q5_k(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q5_k, unpack_scales_6, from, records, to);
}

void lq_pack_q5_k(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q5_k, pack_scales_6, from, records, to);
}

void lq_unpack_q6_k(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q6_k, unpack_scales_8, from, records, to);
}

void lq_pack_q6_k(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q6_k, pack_scales_8, from, records, to);
}

/* Q8_K: an F32 scale, 256 codes, and the sums of 16 codes each. */
enum { Q8_K_SUMS = 4 + LQ_SUPER, Q8_K_RECORD = Q8_K_SUMS + 2 * SIXTEENS };

void lq_unpack_q8_k(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    const lq_record_parts parts = *to;
    for (int64_t i = 0; i < records; ++i, from += Q8_K_RECORD) {
        const uint32_t scale = lq_load_wide(from) | (uint32_t)lq_load_wide(from + 2) << 16;
        memcpy(parts.scale + 4 * i, &scale, sizeof scale);
        memcpy(parts.codes + i * LQ_SUPER, from + 4, LQ_SUPER);
        for (int j = 0; j < SIXTEENS; ++j)
            lq_unpack_wide(from + Q8_K_SUMS + 2 * j, parts.sum + 2 * (i * SIXTEENS + j));
    }
}

static uint16_t sum_of(const unsigned char *codes) {
    int32_t sum = 0;
    for (int j = 0; j < 16; ++j) sum += (signed char)codes[j];
    return (uint16_t)(sum & 0xffff);
}

void lq_pack_q8_k(const lq_record_parts *from, int64_t records, unsigned char *to) {
    const lq_record_parts parts = *from;
    for (int64_t i = 0; i < records; ++i, to += Q8_K_RECORD) {
        const unsigned char *codes = parts.codes + i * LQ_SUPER;
        uint32_t scale;
        memcpy(&scale, parts.scale + 4 * i, sizeof scale);
        lq_store_wide((uint16_t)(scale & 0xffff), to);
        lq_store_wide((uint16_t)(scale >> 16), to + 2);
        memcpy(to + 4, codes, LQ_SUPER);
        for (int j = 0; j < SIXTEENS; ++j) {
            unsigned char *sum = to + Q8_K_SUMS + 2 * j;
            if (parts.sum)
                lq_pack_wide(parts.sum + 2 * (i * SIXTEENS + j), sum);
            else
                lq_store_wide(sum_of(codes + 16 * j), sum);
        }
    }
}

/* The extreme value at -127, the scale 1 / (-127 / extreme). */
void lq_encode_q8_k(const lq_kernels *kernels, const float *x, int64_t records,
                    const lq_record_parts *to) {
    (void)kernels;
    float values[LQ_SUPER];
    for (int64_t i = 0; i < records; ++i) {
        unsigned char *codes = to->codes + i * LQ_SUPER;
        lq_bound_values(x + i * LQ_SUPER, LQ_SUPER, FLT_MAX, values);
        const float extreme = lq_extreme(values, LQ_SUPER);
        float multiplier = 0, scale = 0;
        if (extreme != 0) {
            lq_bound_values(&(float){-127 / extreme}, 1, FLT_MAX, &multiplier);
            scale = 1 / multiplier;
        }
        for (int j = 0; j < LQ_SUPER; ++j)
            codes[j] = (unsigned char)(lq_round_into(values[j] * multiplier, -127, 127) & 255);
        memcpy(to->scale + 4 * i, &scale, sizeof scale);
        for (int j = 0; j < SIXTEENS; ++j)
            lq_put_f16(sum_of(codes + 16 * j), to->sum, i * SIXTEENS + j);
    }
}
