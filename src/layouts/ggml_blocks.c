/*
 * ggml's records of one block each: parameters, then codes in halves. Plain loops of constant
 * lengths, which compilers turn into vectors.
 */
#include "layouts/bytes.h"
#include "layouts/records.h"
#include "layouts/values.h"

enum { BLOCK = LQ_HALVES, HALF = LQ_HALF, FIFTHS = LQ_FIFTHS };

/* What comes before the codes of a record of nibbles, and what was added to them. */
typedef struct nibble_record {
    int scale, zero; /* bytes of each */
    int fifths;      /* bytes of the codes' fifth bits, bit j that of element j */
    unsigned middle;
} nibble_record;

static const nibble_record q4_0 = {2, 0, 0, 8}, q4_1 = {2, 2, 0, 0}, q5_0 = {2, 0, FIFTHS, 16},
                           q5_1 = {2, 2, FIFTHS, 0}, iq4_nl = {2, 0, 0, 0}, mxfp4 = {1, 0, 0, 0};

/* Back: no two bits of the product's terms meet, so that nothing carries into the highest byte. */
LQ_INLINE unsigned char gather_fifths(const unsigned char *codes, unsigned middle) {
    const uint64_t all = lq_load_eight(codes) ^ LQ_EIGHT(middle);
    return (unsigned char)((all >> 4 & LQ_EIGHT(1)) * UINT64_C(0x0102040810204080) >> 56);
}

/* Of two bytes or one. */
LQ_INLINE void unpack_parameter(const unsigned char *from, int bytes, unsigned char *to) {
    if (bytes == 2)
        lq_unpack_wide(from, to);
    else
        *to = *from;
}

LQ_INLINE void pack_parameter(const unsigned char *from, int bytes, unsigned char *to) {
    if (bytes == 2)
        lq_pack_wide(from, to);
    else
        *to = *from;
}

LQ_INLINE void unpack_all(const nibble_record *kind, const unsigned char *from, int64_t records,
                          const lq_record_parts *to) {
    const nibble_record r = *kind;
    const lq_record_parts parts = *to;
    const int nibbles = r.scale + r.zero + r.fifths;
    const int bytes = nibbles + HALF;
    for (int64_t i = 0; i < records; ++i) {
        unpack_parameter(from + i * bytes, r.scale, parts.scale + i * r.scale);
    }
    for (int64_t i = 0; r.zero && i < records; ++i) {
        unpack_parameter(from + i * bytes + r.scale, r.zero, parts.zero + i * r.zero);
    }
    for (int64_t i = 0; parts.codes && i < records; ++i) {
        lq_unpack_halves(from + i * bytes + nibbles, r.fifths > 0, r.middle,
                         parts.codes + i * BLOCK);
    }
}

LQ_INLINE void pack_all(const nibble_record *kind, const lq_record_parts *from, int64_t records,
                        unsigned char *to) {
    const nibble_record r = *kind;
    const lq_record_parts parts = *from;
    const int fifths = r.scale + r.zero, nibbles = fifths + r.fifths;
    for (int64_t i = 0; i < records; ++i, to += nibbles + HALF) {
        const unsigned char *codes = parts.codes + i * BLOCK;
        pack_parameter(parts.scale + i * r.scale, r.scale, to);
        if (r.zero) pack_parameter(parts.zero + i * r.zero, r.zero, to + r.scale);
        for (int k = 0; k < r.fifths; ++k) to[fifths + k] = gather_fifths(codes + 8 * k, r.middle);
        lq_pack_halves(codes, r.middle, to + nibbles);
    }
}

void lq_unpack_q4_0(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q4_0, from, records, to);
}

void lq_pack_q4_0(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q4_0, from, records, to);
}

void lq_unpack_q4_1(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q4_1, from, records, to);
}

void lq_pack_q4_1(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q4_1, from, records, to);
}

void lq_unpack_q5_0(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q5_0, from, records, to);
}

void lq_pack_q5_0(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q5_0, from, records, to);
}

void lq_unpack_q5_1(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&q5_1, from, records, to);
}

void lq_pack_q5_1(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&q5_1, from, records, to);
}

/* The scale is an E8M0 byte. */
void lq_unpack_mxfp4(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&mxfp4, from, records, to);
}

void lq_pack_mxfp4(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&mxfp4, from, records, to);
}

void lq_unpack_iq4_nl(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    unpack_all(&iq4_nl, from, records, to);
}

void lq_pack_iq4_nl(const lq_record_parts *from, int64_t records, unsigned char *to) {
    pack_all(&iq4_nl, from, records, to);
}

/*
 * NVFP4: four blocks of 16, their E4M3 scales first, each block's codes in halves of 8. The sign of
 * a scale is kept, though ggml takes no notice of it, and 0x7f is 0 there.
 */
enum {
    NV_BLOCKS = 4,
    NV_BLOCK = 16,
    NV_HALF = NV_BLOCK / 2,
    NV_RECORD = NV_BLOCKS * (1 + NV_HALF)
};

void lq_unpack_nvfp4(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    const lq_record_parts parts = *to;
    for (int64_t i = 0; i < records; ++i, from += NV_RECORD) {
        memcpy(parts.scale + i * NV_BLOCKS, from, NV_BLOCKS);
        for (int b = 0; b < NV_BLOCKS; ++b) {
            unsigned char *block = parts.codes + (i * NV_BLOCKS + b) * NV_BLOCK;
            const uint64_t q = lq_load_eight(from + NV_BLOCKS + b * NV_HALF);
            lq_store_eight(q & LQ_EIGHT(15), block);
            lq_store_eight(q >> 4 & LQ_EIGHT(15), block + NV_HALF);
        }
    }
}

/* There is no -0. */
const lq_code_table lq_ggml_e2m1 = {
    .count = 16,
    .value = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, 0, -0.5f, -1, -1.5f, -2, -3, -4, -6},
};

/* No sign, and one NaN, which is 0; with the upper bit set it is a number. */
void lq_ggml_ue4m3(const unsigned char *scales, int64_t n, float *to) {
    for (int64_t i = 0; i < n; ++i) {
        const int32_t scale = scales[i];
        const int32_t exponent = scale >> 3 & 15;
        const float steps = (float)((scale & 7) + (exponent > 0 ? 8 : 0));
        const int32_t power = 127 - 10 + (exponent > 0 ? exponent : 1);
        const float v = steps * lq_from_bits((uint32_t)power << 23);
        to[i] = scale == 0x7f ? 0.0f : v;
    }
}

void lq_pack_nvfp4(const lq_record_parts *from, int64_t records, unsigned char *to) {
    const lq_record_parts parts = *from;
    for (int64_t i = 0; i < records; ++i, to += NV_RECORD) {
        memcpy(to, parts.scale + i * NV_BLOCKS, NV_BLOCKS);
        for (int b = 0; b < NV_BLOCKS; ++b) {
            const unsigned char *block = parts.codes + (i * NV_BLOCKS + b) * NV_BLOCK;
            const uint64_t low = lq_load_eight(block), high = lq_load_eight(block + NV_HALF);
            lq_store_eight((low & LQ_EIGHT(15)) | (high & LQ_EIGHT(15)) << 4,
                           to + NV_BLOCKS + b * NV_HALF);
        }
    }
}

/* Q8_0: a scale and 32 codes. */
enum { Q8_0_RECORD = 2 + BLOCK };

/* Codes at the end of every record, unless they are there already. */
static void unpack_bytes(const unsigned char *from, int bytes, int64_t records,
                         unsigned char *codes) {
    from += bytes - BLOCK;
    if (!codes) return;
    for (int64_t i = 0; i < records; ++i) memcpy(codes + i * BLOCK, from + i * bytes, BLOCK);
}

static void pack_bytes(const unsigned char *codes, int bytes, int64_t records, unsigned char *to) {
    to += bytes - BLOCK;
    if (!codes) return;
    for (int64_t i = 0; i < records; ++i) memcpy(to + i * bytes, codes + i * BLOCK, BLOCK);
}

void lq_unpack_q8_0(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    const lq_record_parts parts = *to;
    for (int64_t i = 0; i < records; ++i) {
        lq_unpack_wide(from + i * Q8_0_RECORD, parts.scale + 2 * i);
    }
    unpack_bytes(from, Q8_0_RECORD, records, parts.codes);
}

/* Scales at the beginning of every record, unless they are there already. */
static void pack_scales(const unsigned char *scales, int bytes, int64_t records,
                        unsigned char *to) {
    for (int64_t i = 0; i < records; ++i, to += bytes) {
        if (scales)
            lq_pack_wide(scales + 2 * i, to);
        else
            lq_order_wide(to);
    }
}

void lq_pack_q8_0(const lq_record_parts *from, int64_t records, unsigned char *to) {
    const lq_record_parts parts = *from;
    pack_scales(parts.scale, Q8_0_RECORD, records, to);
    pack_bytes(parts.codes, Q8_0_RECORD, records, to);
}

/* Q8_1: scale, the sum of the block's codes times the scale, 32 codes. */
enum { Q8_1_RECORD = 4 + BLOCK, Q8_1_PIECE = 64 };

void lq_unpack_q8_1(const unsigned char *from, int64_t records, const lq_record_parts *to) {
    const lq_record_parts parts = *to;
    for (int64_t i = 0; i < records; ++i) {
        lq_unpack_wide(from + i * Q8_1_RECORD, parts.scale + 2 * i);
        lq_unpack_wide(from + i * Q8_1_RECORD + 2, parts.sum + 2 * i);
    }
    unpack_bytes(from, Q8_1_RECORD, records, parts.codes);
}

static int32_t sum_of(const unsigned char *codes) {
    int32_t sum = 0;
    for (int j = 0; j < BLOCK; ++j) sum += (signed char)codes[j];
    return sum;
}

void lq_pack_q8_1(const lq_record_parts *from, int64_t records, unsigned char *to) {
    const lq_record_parts parts = *from;
    pack_scales(parts.scale, Q8_1_RECORD, records, to);
    pack_bytes(parts.codes, Q8_1_RECORD, records, to);
    for (int64_t i = 0; i < records; ++i, to += Q8_1_RECORD) {
        if (parts.sum)
            lq_pack_wide(parts.sum + 2 * i, to + 2);
        else
            lq_store_wide(lq_as_f16((float)sum_of(to + 4) * lq_f16_to_f32(lq_load_wide(to))),
                          to + 2);
    }
}

/* Numbers to F16 as scales are rounded: too large saturates. */
static void put_halves(const lq_kernels *kernels, const float *v, int64_t n, unsigned char *to) {
    const lq_map_work work = {
        .x = (unsigned char *)v, .codes = to, .count = n, .rows = 1, .limit = 65504.0};
    kernels->convert[LQ_REAL_f32][LQ_REAL_f16](&work);
}

/* Scales of the greatest magnitudes, before they are rounded. */
static void find_q8_1_scales(const lq_kernels *kernels, const float *x, int64_t records,
                             float *scale) {
    float lo[Q8_1_PIECE], hi[Q8_1_PIECE];
    for (int64_t i = 0; i < records; ++i) lo[i] = hi[i] = 0;
    const lq_range_work ranges = {.x = (const unsigned char *)x,
                                  .count = BLOCK,
                                  .rows = records,
                                  .x_step = BLOCK * (int64_t)sizeof *x,
                                  .lo = lo,
                                  .hi = hi,
                                  .range_step = 1,
                                  .magnitudes = true};
    kernels->range_runs[LQ_REAL_f32](&ranges);
    for (int64_t i = 0; i < records; ++i) scale[i] = (-lo[i] > hi[i] ? -lo[i] : hi[i]) / 127;
}

/* An infinite inverse gives zeros 0. */
static void find_q8_1_codes(const lq_kernels *kernels, const float *x, int64_t records,
                            const float *scale, unsigned char *codes) {
    static const lq_element_rule rule = {
        .multiply = true, .rounding = LQ_ROUND_AWAY, .nan = LQ_NAN_CODE_0};
    static const float none[Q8_1_PIECE];
    static const int32_t zero[Q8_1_PIECE];
    float inverse[Q8_1_PIECE];
    for (int64_t i = 0; i < records; ++i) inverse[i] = 1 / scale[i];
    const lq_map_work map = {.x = (unsigned char *)x,
                             .codes = codes,
                             .count = BLOCK,
                             .rows = records,
                             .x_step = BLOCK * (int64_t)sizeof *x,
                             .codes_step = BLOCK,
                             .scale = inverse,
                             .zero = zero,
                             .param_step = 1,
                             .qmin = -127,
                             .qmax = 127,
                             .sign = 128,
                             .rule = &rule,
                             .offset = none};
    kernels->quantize_runs[LQ_REAL_f32][LQ_WIDTH_8](&map);
}

/* As Q8_0, by the scale before it is rounded; so is the sum. */
static void encode_q8_1_piece(const lq_kernels *kernels, const float *x, int64_t records,
                              unsigned char *codes, unsigned char *scale_to,
                              unsigned char *sum_to) {
    float scale[Q8_1_PIECE];
    int64_t sum[Q8_1_PIECE] = {0};
    const lq_sum_work sums = {.codes = codes,
                              .count = BLOCK,
                              .rows = records,
                              .codes_step = BLOCK,
                              .sign = 128,
                              .sum = sum,
                              .sum_step = 1};
    find_q8_1_scales(kernels, x, records, scale);
    find_q8_1_codes(kernels, x, records, scale, codes);
    kernels->sum_runs[LQ_WIDTH_8](&sums);
    put_halves(kernels, scale, records, scale_to);
    for (int64_t i = 0; i < records; ++i) scale[i] = (float)(int32_t)sum[i] * scale[i];
    put_halves(kernels, scale, records, sum_to);
}

void lq_encode_q8_1(const lq_kernels *kernels, const float *x, int64_t records,
                    const lq_record_parts *to) {
    for (int64_t i = 0; i < records; i += Q8_1_PIECE) {
        encode_q8_1_piece(kernels, x + i * BLOCK,
                          records - i < Q8_1_PIECE ? records - i : Q8_1_PIECE,
                          to->codes + i * BLOCK, to->scale + 2 * i, to->sum + 2 * i);
    }
}
