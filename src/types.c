#include "types.h"
#include "float_format.h"
#include "numeric.h"

static const lq_float_format e4m3 = {8, 3, 7, 0x1p9f, 0x7e, 0x7f, 0x7f, false, NULL};
static const lq_float_format e5m2 = {8, 2, 15, 0x1p16f, 0x7b, 0x7c, 0x7e, false, NULL};
static const lq_float_format e4m3fnuz = {8, 3, 8, 0x1p8f, 0x7f, 0x80, 0x80, true, NULL};
static const lq_float_format e5m2fnuz = {8, 2, 16, 0x1p16f, 0x7f, 0x80, 0x80, true, NULL};
static const lq_float_format e2m3 = {6, 3, 1, 0x1p3f, 0x1f, 0x1f, 0, false, NULL};
static const lq_float_format e3m2 = {6, 2, 3, 0x1p5f, 0x1f, 0x1f, 0, false, NULL};
static const float e2m1_values[] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                    -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};
static const lq_float_format e2m1 = {4, 1, 1, 0x1p3f, 0x07, 0x07, 0, false, e2m1_values};

#define ROW(constant, ...) [LQ_TYPE_SLOT(LQ_##constant)] = {LQ_##constant, __VA_ARGS__}

/* The list of number types: one row each. */
const lq_type_info lq_types[LQ_TYPE_SLOTS] = {
    ROW(F32, "f32", LQ_KIND_REAL, LQ_REAL_f32, 32, 0, 0, NULL),
    ROW(F16, "f16", LQ_KIND_REAL, LQ_REAL_f16, 16, 0, 0, NULL),
    ROW(BF16, "bf16", LQ_KIND_REAL, LQ_REAL_bf16, 16, 0, 0, NULL),
    ROW(S8, "s8", LQ_KIND_CODE, LQ_WIDTH_8, 8, INT8_MIN, INT8_MAX, NULL),
    ROW(U8, "u8", LQ_KIND_CODE, LQ_WIDTH_8, 8, 0, UINT8_MAX, NULL),
    ROW(S4, "s4", LQ_KIND_CODE, LQ_WIDTH_4, 4, -8, 7, NULL),
    ROW(U4, "u4", LQ_KIND_CODE, LQ_WIDTH_4, 4, 0, 15, NULL),
    ROW(S2, "s2", LQ_KIND_CODE, LQ_WIDTH_2, 2, -2, 1, NULL),
    ROW(U2, "u2", LQ_KIND_CODE, LQ_WIDTH_2, 2, 0, 3, NULL),
    ROW(S16, "s16", LQ_KIND_CODE, LQ_WIDTH_16, 16, INT16_MIN, INT16_MAX, NULL),
    ROW(U16, "u16", LQ_KIND_CODE, LQ_WIDTH_16, 16, 0, UINT16_MAX, NULL),
    ROW(S32, "s32", LQ_KIND_WIDE, -1, 32, INT32_MIN, INT32_MAX, NULL),
    ROW(F64, "f64", LQ_KIND_DOUBLE, LQ_REAL_f64, 64, 0, 0, NULL),
    ROW(E4M3, "e4m3", LQ_KIND_FLOAT, LQ_WIDTH_8, 8, 0, 0, &e4m3),
    ROW(E5M2, "e5m2", LQ_KIND_FLOAT, LQ_WIDTH_8, 8, 0, 0, &e5m2),
    ROW(E4M3FNUZ, "e4m3fnuz", LQ_KIND_FLOAT, LQ_WIDTH_8, 8, 0, 0, &e4m3fnuz),
    ROW(E5M2FNUZ, "e5m2fnuz", LQ_KIND_FLOAT, LQ_WIDTH_8, 8, 0, 0, &e5m2fnuz),
    ROW(E2M3, "e2m3", LQ_KIND_FLOAT, LQ_WIDTH_6, 6, 0, 0, &e2m3),
    ROW(E3M2, "e3m2", LQ_KIND_FLOAT, LQ_WIDTH_6, 6, 0, 0, &e3m2),
    ROW(E2M1, "e2m1", LQ_KIND_FLOAT, LQ_WIDTH_4, 4, 0, 0, &e2m1),
    ROW(E8M0, "e8m0", LQ_KIND_EXPONENT, LQ_WIDTH_8, 8, 0, 0, NULL),
};

#undef ROW

const char *lq_type_name(lq_type type) {
    const lq_type_info *info = lq_type_find(type);
    return info ? info->name : NULL;
}

lq_type lq_type_from_name(const char *name) {
    for (int i = 0; name && i < LQ_TYPE_SLOTS; ++i) {
        const lq_type_info *row = &lq_types[i];
        if (row->name && strcmp(row->name, name) == 0) return row->type;
    }
    return 0;
}

static inline uint16_t load_16(const void *data, int64_t index) {
    uint16_t h;
    memcpy(&h, (const unsigned char *)data + index * 2, sizeof h);
    return h;
}

static inline float load_f32(const void *data, int64_t index) {
    float v;
    memcpy(&v, (const unsigned char *)data + index * 4, sizeof v);
    return v;
}

/* Without a search through the list. */
static const lq_float_format *format_of(lq_type type) {
    switch (type) {
    case LQ_E4M3: return &e4m3;
    case LQ_E5M2: return &e5m2;
    case LQ_E4M3FNUZ: return &e4m3fnuz;
    case LQ_E5M2FNUZ: return &e5m2fnuz;
    case LQ_E2M3: return &e2m3;
    case LQ_E3M2: return &e3m2;
    default: return &e2m1;
    }
}

float lq_load_real(lq_type type, const void *data, int64_t index) {
    switch (type) {
    case LQ_F32: return load_f32(data, index);
    case LQ_F16: return lq_f16_to_f32(load_16(data, index));
    case LQ_BF16: return lq_bf16_to_f32(load_16(data, index));
    case LQ_E8M0: return lq_decode_e8m0(((const unsigned char *)data)[index]);
    default: return lq_decode_float(format_of(type), (uint32_t)lq_load_integer(type, data, index));
    }
}

/* The type is decided outside the loops, which then vectorize. */
void lq_load_reals(lq_type type, const void *data, int64_t at, int64_t step, int64_t n, float *to) {
    const unsigned char *bytes = data;
    if (n == 1) {
        *to = lq_load_real(type, data, at);
        return;
    }
    switch (type) {
    case LQ_F32:
        for (int64_t i = 0; i < n; ++i) to[i] = load_f32(data, at + i * step);
        break;
    case LQ_F16:
        for (int64_t i = 0; i < n; ++i) to[i] = lq_f16_to_f32(load_16(data, at + i * step));
        break;
    case LQ_BF16:
        for (int64_t i = 0; i < n; ++i) to[i] = lq_bf16_to_f32(load_16(data, at + i * step));
        break;
    case LQ_E8M0:
        for (int64_t i = 0; i < n; ++i) to[i] = lq_decode_e8m0(bytes[at + i * step]);
        break;
    case LQ_E4M3:
        for (int64_t i = 0; i < n; ++i) to[i] = lq_decode_float(&e4m3, bytes[at + i * step]);
        break;
    default:
        for (int64_t i = 0; i < n; ++i) to[i] = lq_load_real(type, data, at + i * step);
        break;
    }
}

/* The code of a value that may be too large or NaN. */
static uint32_t code_of(lq_type type, float value) {
    const lq_float_format *f = format_of(type);
    if (type == LQ_E8M0) return lq_encode_e8m0(value);
    if (value != value) return lq_encode_nan(f, value);
    if (type == LQ_E4M3) return lq_encode_float(&e4m3, LQ_ROUND_EVEN, true, value);
    return lq_encode_float(f, LQ_ROUND_EVEN, true, value);
}

void lq_store_real(lq_type type, void *data, int64_t index, float value) {
    unsigned char *p = data;
    uint16_t h;
    switch (type) {
    case LQ_F32: memcpy(p + index * 4, &value, sizeof value); return;
    case LQ_F16: h = lq_f32_to_f16(value); break;
    case LQ_BF16: h = lq_f32_to_bf16(value); break;
    default: lq_store_integer(type, data, index, (int32_t)code_of(type, value)); return;
    }
    memcpy(p + index * 2, &h, sizeof h);
}

static void store_16(void *data, int64_t index, uint16_t h) {
    memcpy((unsigned char *)data + index * 2, &h, sizeof h);
}

void lq_store_reals(lq_type type, void *data, int64_t at, int64_t step, int64_t n,
                    const float *from) {
    unsigned char *bytes = data;
    switch (type) {
    case LQ_F16:
        for (int64_t i = 0; i < n; ++i) store_16(data, at + i * step, lq_f32_to_f16(from[i]));
        break;
    case LQ_BF16:
        for (int64_t i = 0; i < n; ++i) store_16(data, at + i * step, lq_f32_to_bf16(from[i]));
        break;
    case LQ_E8M0:
        /* The exponents of powers of two; the least is a subnormal number. */
        for (int64_t i = 0; i < n; ++i) {
            bytes[at + i * step] = (unsigned char)(lq_bits(from[i]) >> 23);
        }
        break;
    case LQ_E4M3:
        for (int64_t i = 0; i < n; ++i) {
            const uint32_t code = lq_encode_float(&e4m3, LQ_ROUND_EVEN, true, from[i]);
            bytes[at + i * step] = (unsigned char)code;
        }
        break;
    default:
        for (int64_t i = 0; i < n; ++i) lq_store_real(type, data, at + i * step, from[i]);
        break;
    }
}

int32_t lq_load_integer(lq_type type, const void *data, int64_t index) {
    const unsigned char *p = data;
    uint32_t bits = (uint32_t)type & 0xffu;
    uint32_t value = 0;
    if (bits < 8) {
        value = lq_load_code(p, index * bits, bits);
    } else if (bits == 8) {
        value = p[index];
    } else if (bits == 16) {
        uint16_t h;
        memcpy(&h, p + index * 2, sizeof h);
        value = h;
    } else {
        int32_t w;
        memcpy(&w, p + index * 4, sizeof w);
        return w;
    }
    bool is_signed = type == LQ_S2 || type == LQ_S4 || type == LQ_S8 || type == LQ_S16;
    uint32_t sign = is_signed ? 1u << (bits - 1u) : 0u;
    return (int32_t)(value ^ sign) - (int32_t)sign;
}

void lq_load_integers(lq_type type, const void *data, int64_t at, int64_t step, int64_t n,
                      int32_t *to) {
    const unsigned char *p = data;
    if (type == LQ_U8) {
        for (int64_t i = 0; i < n; ++i) to[i] = p[at + i * step];
    } else if (type == LQ_S8) {
        for (int64_t i = 0; i < n; ++i) to[i] = (signed char)p[at + i * step];
    } else if (type == LQ_S32) {
        for (int64_t i = 0; i < n; ++i) memcpy(to + i, p + (at + i * step) * 4, 4);
    } else {
        for (int64_t i = 0; i < n; ++i) to[i] = lq_load_integer(type, data, at + i * step);
    }
}

void lq_store_integer(lq_type type, void *data, int64_t index, int32_t value) {
    unsigned char *p = data;
    uint32_t bits = (uint32_t)type & 0xffu;
    if (bits < 8) {
        lq_store_code(p, index * bits, bits, (uint32_t)value);
    } else if (bits == 8) {
        p[index] = (unsigned char)value;
    } else if (bits == 16) {
        uint16_t h = (uint16_t)value;
        memcpy(p + index * 2, &h, sizeof h);
    } else {
        memcpy(p + index * 4, &value, sizeof value);
    }
}

double lq_largest(lq_type type) {
    switch (type) {
    case LQ_F16: return 65504.0;
    case LQ_BF16: return 0x1.fep127;
    case LQ_F32: return FLT_MAX;
    case LQ_F64: return DBL_MAX;
    case LQ_E8M0: return 0x1p127;
    default: return lq_float_largest(format_of(type));
    }
}

float lq_round_real(lq_type type, double value) {
    switch (type) {
    case LQ_F32: return (float)value;
    case LQ_F16: return lq_f16_to_f32(lq_f64_to_f16(value));
    case LQ_BF16: return lq_bf16_to_f32(lq_f64_to_bf16(value));
    case LQ_E8M0: return lq_decode_e8m0(lq_encode_e8m0(lq_round_to_odd(value)));
    default: break;
    }
    const float v = lq_decode_float(format_of(type), code_of(type, lq_round_to_odd(value)));
    /* Of types without infinities it is a NaN. */
    const bool too_large = v != v && value == value;
    return too_large ? lq_from_bits(value < 0 ? 0xff800000u : 0x7f800000u) : v;
}

static inline float saturated_to(const lq_float_format *f, double value) {
    const float odd = lq_round_to_odd(value);
    return lq_decode_float(f, lq_encode_float(f, LQ_ROUND_EVEN, false, odd));
}

float lq_round_scale(lq_type type, double value) {
    /* Numbers of the type of most scales: constants for the compiler. */
    if (type == LQ_E4M3 && value == value) return saturated_to(&e4m3, value);
    const float largest = (float)lq_largest(type);
    if (type == LQ_E8M0) {
        if (!(value > 0x1p-127)) return 0x1p-127f;
        return value > 0x1p127 ? largest : lq_round_real(type, value);
    }
    const float v = lq_round_real(type, value);
    if (v > largest) return largest;
    return v < -largest ? -largest : v;
}

/* Of a positive finite value, unless that is the largest one. */
static float next_above(lq_type type, float v) {
    switch (type) {
    case LQ_F32: return lq_from_bits(lq_bits(v) + 1);
    case LQ_F16: return lq_f16_to_f32((uint16_t)(lq_f32_to_f16(v) + 1));
    case LQ_BF16: return lq_from_bits(lq_bits(v) + 0x10000u);
    case LQ_E8M0: return v * 2;
    default: return lq_decode_float(format_of(type), code_of(type, v) + 1);
    }
}

float lq_round_scale_up(lq_type type, double value) {
    const double size = value < 0 ? -value : value;
    float v = lq_round_scale(type, size);
    if ((double)v < size && (double)v < lq_largest(type)) v = next_above(type, v);
    return value < 0 ? -v : v;
}

double lq_least_normal(lq_type type) {
    switch (type) {
    case LQ_F16: return 0x1p-14;
    case LQ_F32:
    case LQ_BF16: return 0x1p-126;
    case LQ_E8M0: return 0x1p-127;
    default: return lq_double_from_bits((uint64_t)(1024 - format_of(type)->bias) << 52);
    }
}
