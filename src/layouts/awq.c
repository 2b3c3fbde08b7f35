/*
 * AWQ: qweight [columns][rows / 8] of words of 32 bits, each with the codes of eight rows in an order
 * that suits its kernels; qzeros [blocks][rows / 8] the same.
 */
#include "layouts/codes.h"
#include <string.h>

enum { WORD = 4, GROUP = 8, TILE_ROWS = 128 };

/* The rows in the low and the high bits of each byte of a word. */
static const int low_row[WORD] = {0, 4, 1, 5}, high_row[WORD] = {2, 6, 3, 7};

static bool measure(lq_field_shape *s) {
    s->unit_rows = GROUP;
    s->unit_columns = 1;
    s->tile_rows = TILE_ROWS;
    s->bytes = s->columns * (s->rows / GROUP * WORD);
    return s->rows % GROUP == 0 && s->columns % s->block == 0;
}

/* Words of eight rows, column by column. */
static void pack_group(const unsigned char *codes, int64_t step, int64_t columns,
                       unsigned char *restrict words) {
    for (int k = 0; k < WORD; ++k) {
        const unsigned char *low = codes + low_row[k] * step;
        const unsigned char *high = codes + high_row[k] * step;
        for (int64_t c = 0; c < columns; ++c) {
            words[c * WORD + k] = (unsigned char)((low[c] & 15u) | (high[c] & 15u) << 4);
        }
    }
}

static void unpack_group(const unsigned char *words, int64_t columns, unsigned char *codes,
                         int64_t step) {
    for (int k = 0; k < WORD; ++k) {
        unsigned char *low = codes + low_row[k] * step;
        unsigned char *high = codes + high_row[k] * step;
        for (int64_t c = 0; c < columns; ++c) {
            low[c] = words[c * WORD + k] & 15u;
            high[c] = (unsigned char)(words[c * WORD + k] >> 4);
        }
    }
}

static void pack(const lq_field_shape *s, const lq_field_tile *t, unsigned char *to) {
    unsigned char words[LQ_TILE / GROUP * WORD];
    const int64_t line = s->rows / GROUP * WORD;
    const int64_t groups = t->rows / GROUP;
    for (int64_t g = 0; g < groups; ++g) {
        pack_group(t->codes + g * GROUP * t->step, t->step, t->columns,
                   words + g * t->columns * WORD);
    }
    for (int64_t c = 0; c < t->columns; ++c) {
        unsigned char *at = to + (t->column + c) * line + t->row / GROUP * WORD;
        for (int64_t g = 0; g < groups; ++g) {
            memcpy(at + g * WORD, words + (g * t->columns + c) * WORD, WORD);
        }
    }
}

static void unpack(const lq_field_shape *s, const unsigned char *from, const lq_field_tile *t) {
    unsigned char words[LQ_TILE / GROUP * WORD];
    const int64_t line = s->rows / GROUP * WORD;
    const int64_t groups = t->rows / GROUP;
    for (int64_t c = 0; c < t->columns; ++c) {
        const unsigned char *at = from + (t->column + c) * line + t->row / GROUP * WORD;
        for (int64_t g = 0; g < groups; ++g) {
            memcpy(words + (g * t->columns + c) * WORD, at + g * WORD, WORD);
        }
    }
    for (int64_t g = 0; g < groups; ++g) {
        unpack_group(words + g * t->columns * WORD, t->columns, t->codes + g * GROUP * t->step,
                     t->step);
    }
}

const lq_fields lq_awq_fields = {measure, pack, unpack};
