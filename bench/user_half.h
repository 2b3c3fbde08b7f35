/* Half precision in software, as code for any machine has it. */
#ifndef USER_HALF_H
#define USER_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t to_half(float f) {
    uint32_t u, sign;
    memcpy(&u, &f, sizeof u);
    sign = u >> 16 & 0x8000u;
    u &= 0x7fffffffu;
    if (u >= 0x47800000u) return (uint16_t)(sign | (u > 0x7f800000u ? 0x7e00u : 0x7c00u));
    if (u < 0x38800000u) return (uint16_t)(sign | (uint32_t)lrintf(fabsf(f) * 0x1p24f));
    u += 0x0fffu + (u >> 13 & 1u);
    return (uint16_t)(sign | (u - 0x38000000u) >> 13);
}

static inline float from_half(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    uint32_t u;
    float f;
    if (rest < 0x400u) {
        f = (float)rest * 0x1p-24f;
        return sign ? -f : f;
    }
    u = sign | (rest >= 0x7c00u ? 0x7f800000u | rest << 13 : (rest << 13) + 0x38000000u);
    memcpy(&f, &u, sizeof f);
    return f;
}

#endif
