/* What record_values.h says. */
#include "record_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const lq_layout record_layouts[RECORD_LAYOUTS] = {
    LQ_LAYOUT_GGML_Q4_0,   LQ_LAYOUT_GGML_Q4_1,   LQ_LAYOUT_GGML_Q5_0,  LQ_LAYOUT_GGML_Q5_1,
    LQ_LAYOUT_GGML_Q8_0,   LQ_LAYOUT_GGML_Q8_1,   LQ_LAYOUT_GGML_Q2_K,  LQ_LAYOUT_GGML_Q3_K,
    LQ_LAYOUT_GGML_Q4_K,   LQ_LAYOUT_GGML_Q5_K,   LQ_LAYOUT_GGML_Q6_K,  LQ_LAYOUT_GGML_Q8_K,
    LQ_LAYOUT_GGML_IQ4_NL, LQ_LAYOUT_GGML_IQ4_XS, LQ_LAYOUT_GGML_TQ1_0, LQ_LAYOUT_GGML_TQ2_0,
    LQ_LAYOUT_GGML_MXFP4,  LQ_LAYOUT_GGML_NVFP4,
};

/* Of a float with so many bits of exponent and mantissa, without infinities and NaN. */
static float small_float(unsigned code, int exponent_bits, int mantissa_bits) {
    const int exponent = (int)(code >> mantissa_bits) & ((1 << exponent_bits) - 1);
    const int fraction = (int)code & ((1 << mantissa_bits) - 1);
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const int whole = exponent ? fraction + (1 << mantissa_bits) : fraction;
    const float size = ldexpf((float)whole, (exponent ? exponent : 1) - bias - mantissa_bits);
    return code >> (exponent_bits + mantissa_bits) & 1 ? -size : size;
}

static float half_float(uint16_t h) {
    const int negative = h >> 15;
    if ((h & 0x7c00) != 0x7c00) return small_float(h, 5, 10);
    if (h & 0x3ff) return NAN;
    return negative ? -INFINITY : INFINITY;
}

float record_part(lq_type type, const unsigned char *part, int64_t at) {
    uint16_t h;
    int16_t wide;
    float f;
    switch (type) {
    case LQ_F32: memcpy(&f, part + 4 * at, sizeof f); return f;
    case LQ_F16: memcpy(&h, part + 2 * at, sizeof h); return half_float(h);
    case LQ_S16: memcpy(&wide, part + 2 * at, sizeof wide); return wide;
    case LQ_U8: return part[at];
    case LQ_S8: return (float)(part[at] < 128 ? part[at] : part[at] - 256);
    case LQ_E8M0: return part[at] == 255 ? NAN : ldexpf(1, part[at] - 127);
    case LQ_E4M3: return (part[at] & 127) == 127 ? NAN : small_float(part[at], 4, 3);
    default: abort();
    }
}

float record_code(const lq_layout_info *info, lq_layout layout, unsigned char code) {
    static const float values[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
    if (layout == LQ_LAYOUT_GGML_IQ4_NL || layout == LQ_LAYOUT_GGML_IQ4_XS) return values[code];
    if (info->code_type == LQ_E2M1) return small_float(code, 2, 1);
    return (float)(info->code_type == LQ_S8 && code > 127 ? code - 256 : code);
}

float record_scale(const lq_layout_info *info, const struct record_room *room, int64_t block) {
    const float scale = record_part(info->scale_type, room->scale, block);
    if (!info->super_scale_type) return scale;
    return record_part(info->super_scale_type, room->super_scale,
                       block / (info->record / info->block)) *
           scale;
}

float record_minimum(const lq_layout_info *info, const struct record_room *room, int64_t block) {
    if (!info->zero_type) return 0;
    const float zero = record_part(info->zero_type, room->zero, block);
    if (!info->super_zero_type) return zero;
    return -(
        record_part(info->super_zero_type, room->super_zero, block / (info->record / info->block)) *
        zero);
}

float record_value(const lq_layout_info *info, lq_layout layout, const struct record_room *room,
                   int64_t at) {
    const float product =
        record_code(info, layout, room->codes[at]) * record_scale(info, room, at / info->block);
    return info->zero_type ? product + record_minimum(info, room, at / info->block) : product;
}
