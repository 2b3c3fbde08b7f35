/* Nibbles in the order of other systems: the high ones first, or the first half in the high ones. */
#include "layouts/codes.h"

static void keep_low(unsigned char *byte, uint32_t high) {
    *byte = (unsigned char)((*byte & 15u) | (high & 15u) << 4);
}

static void keep_high(unsigned char *byte, uint32_t low) {
    *byte = (unsigned char)((*byte & 0xf0u) | (low & 15u));
}

/*
 * bitsandbytes: two elements a byte, the first in the high bits, rows one behind the other. Blocks
 * go on across the end of a row there; here they must end with it.
 */
static bool measure_high_first(lq_field_shape *s) {
    const int64_t all = s->rows * s->columns;
    s->unit_rows = s->columns % 2 ? 2 : 1;
    s->unit_columns = 2;
    s->tile_rows = 1;
    s->bytes = (all + 1) / 2;
    return s->rows <= 1 || s->columns % s->block == 0;
}

static void pack_pairs(const unsigned char *restrict from, int64_t pairs,
                       unsigned char *restrict to) {
    for (int64_t i = 0; i < pairs; ++i) {
        to[i] = (unsigned char)((from[2 * i] & 15u) << 4 | (from[2 * i + 1] & 15u));
    }
}

static void unpack_pairs(const unsigned char *restrict from, int64_t pairs,
                         unsigned char *restrict to) {
    for (int64_t i = 0; i < pairs; ++i) {
        to[2 * i] = (unsigned char)(from[i] >> 4);
        to[2 * i + 1] = from[i] & 15u;
    }
}

static void pack_high_first(const lq_field_shape *s, const lq_field_tile *t, unsigned char *to) {
    for (int64_t r = 0; r < t->rows; ++r) {
        const unsigned char *codes = t->codes + r * t->step;
        int64_t at = (t->row + r) * s->columns + t->column;
        int64_t n = t->columns;
        if (at % 2 && n > 0) {
            keep_high(to + at / 2, *codes++);
            ++at;
            --n;
        }
        pack_pairs(codes, n / 2, to + at / 2);
        if (n % 2 == 0) continue;
        at += n - 1;
        keep_low(to + at / 2, codes[n - 1]);
        if (at == s->rows * s->columns - 1) keep_high(to + at / 2, 0);
    }
}

static void unpack_high_first(const lq_field_shape *s, const unsigned char *from,
                              const lq_field_tile *t) {
    for (int64_t r = 0; r < t->rows; ++r) {
        unsigned char *codes = t->codes + r * t->step;
        int64_t at = (t->row + r) * s->columns + t->column;
        int64_t n = t->columns;
        if (at % 2 && n > 0) {
            *codes++ = from[at / 2] & 15u;
            ++at;
            --n;
        }
        unpack_pairs(from + at / 2, n / 2, codes);
        if (n % 2) codes[n - 1] = (unsigned char)(from[(at + n) / 2] >> 4);
    }
}

const lq_fields lq_high_first_fields = {measure_high_first, pack_high_first, unpack_high_first};

/*
 * HQQ's 4 bits: of the matrix with a row for each block, the first half of the rows in the high
 * bits, the second in the low ones; which is the first and the second half of all elements.
 */
static bool measure_halves(lq_field_shape *s) {
    const int64_t blocks = s->columns / s->block;
    s->unit_rows = s->unit_columns = 1;
    s->tile_rows = 1;
    s->overlapping = true;
    s->bytes = s->rows * s->columns / 2;
    return s->columns % s->block == 0 && s->rows * blocks % 2 == 0;
}

/* How many of `n` elements from `at` on lie in the same half. */
static int64_t in_same_half(const lq_field_shape *s, int64_t at, int64_t n) {
    return at < s->bytes && n > s->bytes - at ? s->bytes - at : n;
}

static void pack_halves(const lq_field_shape *s, const lq_field_tile *t, unsigned char *to) {
    for (int64_t r = 0; r < t->rows; ++r) {
        const unsigned char *codes = t->codes + r * t->step;
        const int64_t at = (t->row + r) * s->columns + t->column;
        for (int64_t i = 0, n; i < t->columns; i += n) {
            unsigned char *bytes = to + (at + i) % s->bytes;
            n = in_same_half(s, at + i, t->columns - i);
            if (at + i < s->bytes) {
                for (int64_t k = 0; k < n; ++k) keep_low(bytes + k, codes[i + k]);
            } else {
                for (int64_t k = 0; k < n; ++k) keep_high(bytes + k, codes[i + k]);
            }
        }
    }
}

static void unpack_halves(const lq_field_shape *s, const unsigned char *from,
                          const lq_field_tile *t) {
    for (int64_t r = 0; r < t->rows; ++r) {
        unsigned char *codes = t->codes + r * t->step;
        const int64_t at = (t->row + r) * s->columns + t->column;
        for (int64_t i = 0, n; i < t->columns; i += n) {
            const unsigned char *bytes = from + (at + i) % s->bytes;
            const int shift = at + i < s->bytes ? 4 : 0;
            n = in_same_half(s, at + i, t->columns - i);
            for (int64_t k = 0; k < n; ++k) codes[i + k] = bytes[k] >> shift & 15u;
        }
    }
}

const lq_fields lq_halves_fields = {measure_halves, pack_halves, unpack_halves};
