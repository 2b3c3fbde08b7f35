/*
 * AWQ: qweight [columns][rows / 8] of words of 32 bits, each with the codes of eight rows in an order
 * that suits its kernels; qzeros [blocks][rows / 8] the same.
 */
#include "layouts/codes.h"
#include "strided.h"

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

enum { TILE_WORDS = LQ_TILE / GROUP };

/* Words of eight rows, column by column: their bytes row by row first, in loops that vectorize. */
static void pack_group(const unsigned char *codes, int64_t step, int64_t columns,
                       unsigned char *restrict words) {
    unsigned char bytes[WORD][TILE_WORDS];
    for (int k = 0; k < WORD; ++k) {
        const unsigned char *low = codes + low_row[k] * step;
        const unsigned char *high = codes + high_row[k] * step;
        for (int64_t c = 0; c < columns; ++c) {
            bytes[k][c] = (unsigned char)((low[c] & 15u) | (high[c] & 15u) << 4);
        }
    }
    for (int64_t c = 0; c < columns; ++c) {
        for (int k = 0; k < WORD; ++k) words[c * WORD + k] = bytes[k][c];
    }
}

static void unpack_group(const unsigned char *restrict words, int64_t columns, unsigned char *codes,
                         int64_t step) {
    unsigned char bytes[WORD][TILE_WORDS];
    for (int64_t c = 0; c < columns; ++c) {
        for (int k = 0; k < WORD; ++k) bytes[k][c] = words[c * WORD + k];
    }
    for (int k = 0; k < WORD; ++k) {
        unsigned char *low = codes + low_row[k] * step;
        unsigned char *high = codes + high_row[k] * step;
        for (int64_t c = 0; c < columns; ++c) low[c] = bytes[k][c] & 15u;
        for (int64_t c = 0; c < columns; ++c) high[c] = (unsigned char)(bytes[k][c] >> 4);
    }
}

/* The words of a tile: a row for each group, whose words lie side by side in memory. */
static lq_panel words_of(const lq_field_shape *s, const lq_field_tile *t) {
    const int64_t line = s->rows / GROUP;
    return (lq_panel){t->column * line + t->row / GROUP, t->rows / GROUP, t->columns, 1, line};
}

static void pack(const lq_field_shape *s, const lq_field_tile *t, unsigned char *to) {
    unsigned char words[TILE_WORDS * WORD];
    const lq_panel panel = words_of(s, t);
    for (int64_t g = 0; g < panel.rows; ++g) {
        pack_group(t->codes + g * GROUP * t->step, t->step, t->columns,
                   words + g * t->columns * WORD);
    }
    lq_scatter_panel(words, to, WORD, &panel);
}

static void unpack(const lq_field_shape *s, const unsigned char *from, const lq_field_tile *t) {
    unsigned char words[TILE_WORDS * WORD];
    const lq_panel panel = words_of(s, t);
    lq_gather_panel(words, from, WORD, &panel);
    for (int64_t g = 0; g < panel.rows; ++g) {
        unpack_group(words + g * t->columns * WORD, t->columns, t->codes + g * GROUP * t->step,
                     t->step);
    }
}

const lq_fields lq_awq_fields = {measure, pack, unpack};
