#include "user_blocks.h"
#include "user_half.h"
#include <math.h>
#include <string.h>

enum { BLOCK = 32, HALF = 16 };

static void put_half(float f, unsigned char *to) {
    const uint16_t h = to_half(f);
    to[0] = (unsigned char)h;
    to[1] = (unsigned char)(h >> 8);
}

static float get_half(const unsigned char *from) {
    return from_half((uint16_t)(from[0] | from[1] << 8));
}

static void encode_q8_0(const float *x, int64_t n, unsigned char *to) {
    for (int64_t i = 0; i < n; i += BLOCK, x += BLOCK, to += 2 + BLOCK) {
        float most = 0;
        for (int k = 0; k < BLOCK; ++k) most = fmaxf(most, fabsf(x[k]));
        const float d = most / 127, inverse = d != 0 ? 1 / d : 0;
        put_half(d, to);
        for (int k = 0; k < BLOCK; ++k) to[2 + k] = (unsigned char)(int)roundf(x[k] * inverse);
    }
}

static void decode_q8_0(const unsigned char *from, int64_t n, float *x) {
    for (int64_t i = 0; i < n; i += BLOCK, x += BLOCK, from += 2 + BLOCK) {
        const float d = get_half(from);
        for (int k = 0; k < BLOCK; ++k) x[k] = (float)(signed char)from[2 + k] * d;
    }
}

static void encode_q4_0(const float *x, int64_t n, unsigned char *to) {
    for (int64_t i = 0; i < n; i += BLOCK, x += BLOCK, to += 2 + HALF) {
        float most = 0, v = 0;
        for (int k = 0; k < BLOCK; ++k) {
            if (fabsf(x[k]) <= most) continue;
            most = fabsf(x[k]);
            v = x[k];
        }
        const float d = v / -8, inverse = d != 0 ? 1 / d : 0;
        put_half(d, to);
        for (int k = 0; k < HALF; ++k) {
            const int a = (int)(x[k] * inverse + 8.5f), b = (int)(x[k + HALF] * inverse + 8.5f);
            to[2 + k] = (unsigned char)((a > 15 ? 15 : a) | (b > 15 ? 15 : b) << 4);
        }
    }
}

static void decode_q4_0(const unsigned char *from, int64_t n, float *x) {
    for (int64_t i = 0; i < n; i += BLOCK, x += BLOCK, from += 2 + HALF) {
        const float d = get_half(from);
        for (int k = 0; k < HALF; ++k) {
            x[k] = (float)((from[2 + k] & 15) - 8) * d;
            x[k + HALF] = (float)((from[2 + k] >> 4) - 8) * d;
        }
    }
}

static void encode_q4_1(const float *x, int64_t n, unsigned char *to) {
    for (int64_t i = 0; i < n; i += BLOCK, x += BLOCK, to += 4 + HALF) {
        float low = x[0], high = x[0];
        for (int k = 1; k < BLOCK; ++k) {
            low = fminf(low, x[k]);
            high = fmaxf(high, x[k]);
        }
        const float d = (high - low) / 15, inverse = d != 0 ? 1 / d : 0;
        put_half(d, to);
        put_half(low, to + 2);
        for (int k = 0; k < HALF; ++k) {
            const int a = (int)((x[k] - low) * inverse + 0.5f);
            const int b = (int)((x[k + HALF] - low) * inverse + 0.5f);
            to[4 + k] = (unsigned char)((a > 15 ? 15 : a) | (b > 15 ? 15 : b) << 4);
        }
    }
}

static void decode_q4_1(const unsigned char *from, int64_t n, float *x) {
    for (int64_t i = 0; i < n; i += BLOCK, x += BLOCK, from += 4 + HALF) {
        const float d = get_half(from), m = get_half(from + 2);
        for (int k = 0; k < HALF; ++k) {
            x[k] = (float)(from[4 + k] & 15) * d + m;
            x[k + HALF] = (float)(from[4 + k] >> 4) * d + m;
        }
    }
}

/* --------------------------------------------------------- four-bit floats */

static const float e2m1[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                               -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

static unsigned nearest(float v) {
    static const float edge[] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f};
    const float size = fabsf(v);
    unsigned code = 0;
    while (code < 7 && size > edge[code]) ++code;
    return code && v < 0 ? code | 8u : code;
}

static void encode_mxfp4(const float *x, int64_t n, unsigned char *to) {
    for (int64_t i = 0; i < n; i += BLOCK, x += BLOCK, to += 1 + HALF) {
        float most = 0;
        for (int k = 0; k < BLOCK; ++k) most = fmaxf(most, fabsf(x[k]));
        int e = most > 0 ? (int)floorf(log2f(most)) - 2 + 127 : 0;
        e = e < 0 ? 0 : e;
        const float inverse = ldexpf(1, 127 - e);
        to[0] = (unsigned char)e;
        for (int k = 0; k < HALF; ++k) {
            to[1 + k] =
                (unsigned char)(nearest(x[k] * inverse) | nearest(x[k + HALF] * inverse) << 4);
        }
    }
}

static void decode_mxfp4(const unsigned char *from, int64_t n, float *x) {
    for (int64_t i = 0; i < n; i += BLOCK, x += BLOCK, from += 1 + HALF) {
        const float d = ldexpf(1, from[0] - 127);
        for (int k = 0; k < HALF; ++k) {
            x[k] = e2m1[from[1 + k] & 15] * d;
            x[k + HALF] = e2m1[from[1 + k] >> 4] * d;
        }
    }
}

static float from_e4m3(unsigned code) {
    const int exponent = (int)(code >> 3 & 15u), fraction = (int)(code & 7u);
    return exponent ? ldexpf((float)(8 + fraction), exponent - 10) : ldexpf((float)fraction, -9);
}

/* A positive value to the nearest, by its binade. */
static unsigned to_e4m3(float v) {
    if (!(v > 0)) return 0;
    if (v > 448) return 0x7e;
    int exponent = (int)floorf(log2f(v));
    exponent = exponent < -6 ? -6 : exponent;
    const int steps = (int)(ldexpf(v, 3 - exponent) + 0.5f);
    return (unsigned)(steps + (exponent + 6) * 8);
}

enum { NV_BLOCK = 16, NV_BLOCKS = 4, NV_HALF = 8 };

static void encode_nvfp4(const float *x, int64_t n, unsigned char *to) {
    for (int64_t i = 0; i < n; i += NV_BLOCK, x += NV_BLOCK) {
        const int64_t block = i / NV_BLOCK % NV_BLOCKS;
        unsigned char *codes = to + NV_BLOCKS + block * NV_HALF;
        float most = 0;
        for (int k = 0; k < NV_BLOCK; ++k) most = fmaxf(most, fabsf(x[k]));
        to[block] = (unsigned char)to_e4m3(most / 6);
        const float d = from_e4m3(to[block]), inverse = d > 0 ? 1 / d : 0;
        for (int k = 0; k < NV_HALF; ++k) {
            codes[k] =
                (unsigned char)(nearest(x[k] * inverse) | nearest(x[k + NV_HALF] * inverse) << 4);
        }
        if (block == NV_BLOCKS - 1) to += NV_BLOCKS * (1 + NV_HALF);
    }
}

static void decode_nvfp4(const unsigned char *from, int64_t n, float *x) {
    for (int64_t i = 0; i < n; i += NV_BLOCK, x += NV_BLOCK) {
        const int64_t block = i / NV_BLOCK % NV_BLOCKS;
        const unsigned char *codes = from + NV_BLOCKS + block * NV_HALF;
        const float d = from_e4m3(from[block]);
        for (int k = 0; k < NV_HALF; ++k) {
            x[k] = e2m1[codes[k] & 15] * d;
            x[k + NV_HALF] = e2m1[codes[k] >> 4] * d;
        }
        if (block == NV_BLOCKS - 1) from += NV_BLOCKS * (1 + NV_HALF);
    }
}

const user_format user_blocks[] = {{LQ_LAYOUT_GGML_Q8_0, encode_q8_0, decode_q8_0},
                                   {LQ_LAYOUT_GGML_Q4_0, encode_q4_0, decode_q4_0},
                                   {LQ_LAYOUT_GGML_Q4_1, encode_q4_1, decode_q4_1},
                                   {LQ_LAYOUT_GGML_MXFP4, encode_mxfp4, decode_mxfp4},
                                   {LQ_LAYOUT_GGML_NVFP4, encode_nvfp4, decode_nvfp4},
                                   {0, NULL, NULL}};
