/*
 * The loops that users write by hand: plain C, one element after the other. Compiled for any machine,
 * with -O3 and no further options; and again for each level (TUNED), as those do who look at what the
 * compiler makes of it.
 */
#include "peer.h"
#include "user_blocks.h"
#include "user_half.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef TUNED
typedef int integer;

/* Compilers have vectors of this, but not of lrintf's long. */
static inline integer nearest(float x) {
    return (int)rintf(x);
}
#else
typedef long integer;

static inline integer nearest(float x) {
    return lrintf(x);
}
#endif

static inline integer clamp(integer v, integer least, integer most) {
    return v < least ? least : v > most ? most : v;
}

/* By roundf, halves go away from zero. */
static inline integer quantize_one(float x, float s, integer z, bool away, integer least,
                                   integer most) {
    return clamp((away ? (integer)roundf(x / s) : nearest(x / s)) + z, least, most);
}

static inline void quantize(const peer_job *j, bool away) {
    const int64_t columns = j->elements / j->rows;
    const float *x = j->in;
    signed char *s8 = j->out;
    unsigned char *u8 = j->out;
    const integer z = j->zero_point;
    for (int64_t r = 0; r < j->rows; ++r, x += columns, s8 += columns, u8 += columns) {
        const float s = j->scale[r];
        if (j->to == LQ_S8) {
            for (int64_t i = 0; i < columns; ++i) {
                s8[i] = (signed char)quantize_one(x[i], s, z, away, -128, 127);
            }
        } else if (j->to == LQ_U8) {
            for (int64_t i = 0; i < columns; ++i) {
                u8[i] = (unsigned char)quantize_one(x[i], s, z, away, 0, 255);
            }
        } else {
            for (int64_t i = 0; i < columns / 2; ++i) {
                const integer a = quantize_one(x[2 * i], s, z, away, -8, 7);
                const integer b = quantize_one(x[2 * i + 1], s, z, away, -8, 7);
                u8[i] = (unsigned char)((a & 15) | (b & 15) << 4);
            }
        }
    }
}

static void dequantize(const peer_job *j) {
    const int64_t columns = j->elements / j->rows;
    const signed char *s8 = j->in;
    const unsigned char *u8 = j->in;
    float *x = j->out;
    const int z = j->zero_point;
    for (int64_t r = 0; r < j->rows; ++r, x += columns, s8 += columns, u8 += columns) {
        const float s = j->scale[r];
        if (j->from == LQ_S8) {
            for (int64_t i = 0; i < columns; ++i) x[i] = (float)(s8[i] - z) * s;
        } else {
            for (int64_t i = 0; i < columns; ++i) x[i] = (float)(u8[i] - z) * s;
        }
    }
}

static inline void fake(const peer_job *j, bool away) {
    const float *x = j->in, s = *j->scale;
    float *y = j->out;
    const integer z = j->zero_point;
    for (int64_t i = 0; i < j->elements; ++i) {
        y[i] = (float)(quantize_one(x[i], s, z, away, -128, 127) - z) * s;
    }
}

static void range(const peer_job *j) {
    const float *x = j->in;
    float *out = j->out, least = x[0], most = x[0];
    for (int64_t i = 1; i < j->elements; ++i) {
        if (x[i] < least) least = x[i];
        if (x[i] > most) most = x[i];
    }
    out[0] = least;
    out[1] = most;
}

static void requantize(const peer_job *j) {
    const int64_t columns = j->elements / j->rows;
    const int32_t *acc = j->in;
    signed char *to = j->out;
    const integer z = j->zero_point;
    for (int64_t r = 0; r < j->rows; ++r, acc += columns, to += columns) {
        const float m = j->scale[r];
        for (int64_t i = 0; i < columns; ++i) {
            to[i] = (signed char)clamp(nearest((float)acc[i] * m) + z, -128, 127);
        }
    }
}

static inline uint16_t to_bf16(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static inline float from_bf16(uint16_t h) {
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static void convert(const peer_job *j) {
    const float *wide = j->in;
    const uint16_t *narrow = j->in;
    float *to_wide = j->out;
    uint16_t *to_narrow = j->out;
    if (j->to == LQ_F16) {
        for (int64_t i = 0; i < j->elements; ++i) to_narrow[i] = to_half(wide[i]);
    } else if (j->to == LQ_BF16) {
        for (int64_t i = 0; i < j->elements; ++i) to_narrow[i] = to_bf16(wide[i]);
    } else if (j->from == LQ_F16) {
        for (int64_t i = 0; i < j->elements; ++i) to_wide[i] = from_half(narrow[i]);
    } else {
        for (int64_t i = 0; i < j->elements; ++i) to_wide[i] = from_bf16(narrow[i]);
    }
}

static void run(void *context) {
    const peer_job *j = context;
    switch (j->operation) {
    case PEER_QUANTIZE: quantize(j, false); break;
    case PEER_DEQUANTIZE: dequantize(j); break;
    case PEER_FAKE: fake(j, false); break;
    case PEER_RANGE: range(j); break;
    case PEER_CONVERT: convert(j); break;
    case PEER_REQUANTIZE: requantize(j); break;
    case PEER_ENCODE:
        user_blocks_of(user_blocks, j->layout)->encode(j->in, j->elements, j->out);
        break;
    case PEER_DECODE:
        user_blocks_of(user_blocks, j->layout)->decode(j->in, j->elements, j->out);
        break;
    }
}

static void *make(const peer_job *job) {
    peer_job *j = malloc(sizeof *j);
    if (j) *j = *job;
    return j;
}

static int rule(peer_operation operation) {
    (void)operation;
    return PEER_RULE_OWN;
}

static const char *words(peer_operation operation) {
    switch (operation) {
    case PEER_QUANTIZE:
    case PEER_FAKE: return "rne(x / s) + z";
    case PEER_RANGE: return "x < least, x > most";
    case PEER_REQUANTIZE: return "rne(acc * m)";
    case PEER_ENCODE: return "x * (1 / s), roundf or + 8.5f";
    case PEER_CONVERT: return "to nearest even, by integers and shifts";
    default: return "(q - z) * s";
    }
}

#ifdef TUNED
const peer peer_user = {"tuned", make, run, free, rule, words};
#else
const peer peer_user = {"user", make, run, free, rule, words};

/* ------------------------------------------------------------ by roundf */

static void run_roundf(void *context) {
    const peer_job *j = context;
    if (j->operation == PEER_QUANTIZE) {
        quantize(j, true);
    } else {
        fake(j, true);
    }
}

static void *make_roundf(const peer_job *j) {
    return j->operation == PEER_QUANTIZE || j->operation == PEER_FAKE ? make(j) : NULL;
}

static int rule_roundf(peer_operation operation) {
    (void)operation;
    return PEER_RULE_OTHER;
}

static const char *words_roundf(peer_operation operation) {
    (void)operation;
    return "roundf(x / s) + z: halves away from zero";
}

const peer peer_roundf = {"roundf", make_roundf, run_roundf, free, rule_roundf, words_roundf};
#endif
