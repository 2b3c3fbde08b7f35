/* Element types: one descriptor each, and access to single elements of any of them. */
#ifndef LQ_TYPES_H
#define LQ_TYPES_H

#include "libquant.h"
#include <stdbool.h>

#if defined(__GNUC__)
#define LQ_RARELY(condition) __builtin_expect((condition) != 0, 0)
#else
#define LQ_RARELY(condition) (condition)
#endif

/* Index of a real type, and of a code width, in the tables of kernels. */
typedef enum {
    LQ_REAL_f32,
    LQ_REAL_f16,
    LQ_REAL_bf16,
    LQ_REAL_f64, /* for conversions only, and so not one of LQ_REALS */
    LQ_FLOATS,
    LQ_REALS = LQ_REAL_f64
} lq_real;
typedef enum {
    LQ_WIDTH_2,
    LQ_WIDTH_4,
    LQ_WIDTH_8,
    LQ_WIDTH_16,
    LQ_WIDTHS,
    LQ_WIDTH_6 = LQ_WIDTHS /* packed and unpacked only: everything else sees bytes */
} lq_width;

typedef enum {
    LQ_KIND_REAL,
    LQ_KIND_CODE,
    LQ_KIND_WIDE,
    LQ_KIND_DOUBLE,
    LQ_KIND_FLOAT,   /* floats of up to 8 bits: codes and scales */
    LQ_KIND_EXPONENT /* E8M0: scales */
} lq_kind;

typedef struct lq_float_format lq_float_format;

typedef struct lq_type_info {
    _Alignas(64) lq_type type; /* a size that the table's index is shifted by, not multiplied */
    const char *name;
    lq_kind kind;
    int32_t index; /* lq_real of a real type or double, lq_width of a code type */
    int32_t bits;
    int64_t min, max;              /* of an integer type */
    const lq_float_format *format; /* of LQ_KIND_FLOAT */
} lq_type_info;

/* As many codes as fill whole bytes: four codes of 6 bits are three. */
static inline int64_t lq_codes_in_group(const lq_type_info *type) {
    const int32_t bits = type->bits;
    return bits % 8 == 0 ? 1 : bits == 4 ? 2 : 4;
}

/* Whether so many codes, or codes from one on, are whole bytes that kernels take. */
static inline bool lq_is_whole(const lq_type_info *type, int64_t codes) {
    /* A power of 2: without divisions. */
    return type->bits != 6 && (codes & (lq_codes_in_group(type) - 1)) == 0;
}

/* A code of less than 8 bits from bit `at` on, which may reach into a second byte. */
static inline uint32_t lq_load_code(const unsigned char *codes, int64_t at, uint32_t bits) {
    const unsigned char *p = codes + (at >> 3);
    const uint32_t into = (uint32_t)(at & 7);
    uint32_t both = p[0];
    if (into + bits > 8) both |= (uint32_t)p[1] << 8;
    return both >> into & ((1u << bits) - 1u);
}

static inline void lq_store_code(unsigned char *codes, int64_t at, uint32_t bits, uint32_t code) {
    unsigned char *p = codes + (at >> 3);
    const uint32_t into = (uint32_t)(at & 7);
    const uint32_t mask = ((1u << bits) - 1u) << into;
    const uint32_t both = code << into & mask;
    p[0] = (unsigned char)((p[0] & ~mask) | both);
    if (into + bits > 8) p[1] = (unsigned char)((p[1] & ~(mask >> 8)) | both >> 8);
}

/*
 * Every call looks up several types, so the list is a table without collisions: the compiler would
 * refuse two rows in one slot. 0 is no type, and its slot another's.
 */
enum { LQ_TYPE_SLOTS = 64 };
#define LQ_TYPE_SLOT(type) ((uint32_t)(type)*181u >> 8 & (LQ_TYPE_SLOTS - 1u))
extern const lq_type_info lq_types[LQ_TYPE_SLOTS];

/* NULL for an unknown type. */
static inline const lq_type_info *lq_type_find(lq_type type) {
    const lq_type_info *row = &lq_types[LQ_TYPE_SLOT(type)];
    return row->type == type ? row : NULL;
}

/* Element `index` counted from `data`. Real types and floats of up to 8 bits. */
float lq_load_real(lq_type type, const void *data, int64_t index);
/* Integer types, and codes of floats as their bits. */
int32_t lq_load_integer(lq_type type, const void *data, int64_t index);

/* `n` elements, one every `step` elements from `at`. */
void lq_load_reals(lq_type type, const void *data, int64_t at, int64_t step, int64_t n, float *to);
void lq_load_integers(lq_type type, const void *data, int64_t at, int64_t step, int64_t n,
                      int32_t *to);
/* Back, values that the type has, none of them NaN. */
void lq_store_reals(lq_type type, void *data, int64_t at, int64_t step, int64_t n,
                    const float *from);
/* The value must fit; neighbors within a byte are kept. */
void lq_store_integer(lq_type type, void *data, int64_t index, int32_t value);

/*
 * A positive or negative scale rounded once, to nearest even, to a real type or a float of up to 8
 * bits; to the largest finite value where it is too large. E8M0 has no 0, which becomes its least
 * value, and no negative ones.
 */
float lq_round_scale(lq_type type, double value);
/* The same, but away from 0. */
float lq_round_scale_up(lq_type type, double value);
/* The same without a limit: too large becomes infinite, of E8M0 NaN. */
float lq_round_real(lq_type type, double value);
/* The least normal number of such a type. */
double lq_least_normal(lq_type type);
/* The largest finite value of such a type or double. */
double lq_largest(lq_type type);

void lq_store_real(lq_type type, void *data, int64_t index, float value);

#endif
