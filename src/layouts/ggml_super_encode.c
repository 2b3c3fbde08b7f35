/*
 * Values to the parts of ggml's Q2_K to Q6_K. No search: scales and minimums are those of the ends
 * of blocks, rounded to multiples of the largest; codes are the nearest by what is stored.
 */
#include "layouts/planes.h"
#include "layouts/records.h"
#include "layouts/values.h"

/* Values beyond this count as it: what records hold ends far below, and nothing overflows. */
static const float bound = 0x1p38f;

enum { MOST_BLOCKS = LQ_SUPER / 16 };

/*
 * The scale of scales that makes the largest of them `code`, as it is stored. Up where F16 has few
 * bits left, so that small values keep scales of few steps rather than none.
 */
static float put_super(float largest, int code, unsigned char *part, int64_t record) {
    const float scale = largest / (float)code;
    uint16_t h = lq_as_f16(scale);
    const float down = lq_f16_to_f32(h);
    if (down < 0x1p-14f && down > -0x1p-14f)
        h = (uint16_t)(h + (scale < 0 ? down > scale : down < scale));
    lq_put_f16(h, part, record);
    return lq_f16_to_f32(h);
}

/*
 * The nearest multiple of `super`, which is none only of 0; or the one above it, where `value` is so
 * few steps that the last of `top` codes would be more than one short of it.
 */
static int32_t multiple(float value, float super, int32_t top, int32_t min, int32_t max) {
    if (super == 0 || value == 0) return 0;
    const float ratio = value / super, steps = ratio < 0 ? -ratio : ratio;
    const int32_t most = ratio < 0 ? -min : max;
    int32_t code = lq_round_into(steps, 1, most);
    code += code < most && (steps - (float)code) * (float)top > (float)code;
    return ratio < 0 ? -code : code;
}

LQ_INLINE void put_codes(const float *x, int n, float scale, float minimum, int32_t min,
                         int32_t max, unsigned char *codes) {
    const float inverse = scale != 0 ? 1 / scale : 0.0f;
    for (int j = 0; j < n; ++j) {
        const float t = (x[j] - minimum) * inverse;
        codes[j] = (unsigned char)(lq_round_into(t, min, max) & 255);
    }
}

/* Four lanes, which compilers keep in one vector. */
LQ_INLINE void find_ends(const float *x, int n, float *lo, float *hi) {
    float low[4] = {0, 0, 0, 0}, high[4];
    memcpy(high, x, sizeof high);
    for (int j = 0; j < n; j += 4) {
        for (int k = 0; k < 4; ++k) {
            low[k] = x[j + k] < low[k] ? x[j + k] : low[k];
            high[k] = x[j + k] > high[k] ? x[j + k] : high[k];
        }
    }
    *lo = low[0];
    *hi = high[0];
    for (int k = 1; k < 4; ++k) {
        *lo = low[k] < *lo ? low[k] : *lo;
        *hi = high[k] > *hi ? high[k] : *hi;
    }
}

/*
 * Codes from 0 to `top` between a minimum, which is not above 0, and the highest value; of each
 * `most` steps. The scales reach from the minimums as they are stored.
 */
LQ_INLINE void encode_affine(const float *from, int block, int top, int most, int64_t record,
                             const lq_record_parts *to) {
    enum { LANES = MOST_BLOCKS };
    const int blocks = LQ_SUPER / block;
    float x[LQ_SUPER], lo[LANES], hi[LANES], deepest = 0, widest = 0;
    unsigned char *scale = to->scale + record * blocks, *zero = to->zero + record * blocks;
    lq_bound_values(from, LQ_SUPER, bound, x);
    for (int b = 0; b < blocks; ++b) {
        find_ends(x + b * block, block, &lo[b], &hi[b]);
        deepest = -lo[b] > deepest ? -lo[b] : deepest;
    }
    const float minimums = put_super(deepest, most, to->super_zero, record);
    for (int b = 0; b < blocks; ++b) {
        zero[b] = minimums != 0 ? (unsigned char)lq_round_into(-lo[b] / minimums, 0, most) : 0;
        lo[b] = -(minimums * zero[b]);
        hi[b] = hi[b] > lo[b] ? (hi[b] - lo[b]) / (float)top : 0.0f;
        widest = hi[b] > widest ? hi[b] : widest;
    }
    const float scales = put_super(widest, most, to->super_scale, record);
    for (int b = 0; b < blocks; ++b) {
        scale[b] = (unsigned char)multiple(hi[b], scales, top, 0, most);
        put_codes(x + b * block, block, scales * scale[b], lo[b], 0, top,
                  to->codes + record * LQ_SUPER + b * block);
    }
}

/* Codes from -`half` to `half` - 1, the extreme value the lowest; of each scale -`most` steps. */
LQ_INLINE void encode_symmetric(const float *from, int half, int most, int64_t record,
                                const lq_record_parts *to) {
    enum { BLOCK = 16, BLOCKS = LQ_SUPER / BLOCK };
    float x[LQ_SUPER], scale[BLOCKS];
    lq_bound_values(from, LQ_SUPER, bound, x);
    for (int b = 0; b < BLOCKS; ++b) scale[b] = lq_extreme(x + b * BLOCK, BLOCK) / (float)-half;
    const float scales = put_super(lq_extreme(scale, BLOCKS), -most, to->super_scale, record);
    for (int b = 0; b < BLOCKS; ++b) {
        const int32_t code = multiple(scale[b], scales, half, -most, most - 1);
        to->scale[record * BLOCKS + b] = (unsigned char)(code & 255);
        put_codes(x + b * BLOCK, BLOCK, scales * (float)code, 0, -half, half - 1,
                  to->codes + record * LQ_SUPER + b * BLOCK);
    }
}

void lq_encode_q2_k(const lq_kernels *kernels, const float *x, int64_t records,
                    const lq_record_parts *to) {
    (void)kernels;
    for (int64_t i = 0; i < records; ++i) encode_affine(x + i * LQ_SUPER, 16, 3, 15, i, to);
}

void lq_encode_q3_k(const lq_kernels *kernels, const float *x, int64_t records,
                    const lq_record_parts *to) {
    (void)kernels;
    for (int64_t i = 0; i < records; ++i) encode_symmetric(x + i * LQ_SUPER, 4, 32, i, to);
}

void lq_encode_q4_k(const lq_kernels *kernels, const float *x, int64_t records,
                    const lq_record_parts *to) {
    (void)kernels;
    for (int64_t i = 0; i < records; ++i) encode_affine(x + i * LQ_SUPER, 32, 15, 63, i, to);
}

void lq_encode_q5_k(const lq_kernels *kernels, const float *x, int64_t records,
                    const lq_record_parts *to) {
    (void)kernels;
    for (int64_t i = 0; i < records; ++i) encode_affine(x + i * LQ_SUPER, 32, 31, 63, i, to);
}

void lq_encode_q6_k(const lq_kernels *kernels, const float *x, int64_t records,
                    const lq_record_parts *to) {
    (void)kernels;
    for (int64_t i = 0; i < records; ++i) encode_symmetric(x + i * LQ_SUPER, 32, 128, i, to);
}
