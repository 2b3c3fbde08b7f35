/* Layouts of little-endian words of 32 bits: GPTQ's and that of compressed-tensors. */
#include "layouts/codes.h"
#include "strided.h"
#include <string.h>

enum { WORD = 4, WORD_BITS = 32 };

/* ----------------------------------------------------------------------- GPTQ */

static bool gptq_bits(int32_t bits) {
    return bits == 2 || bits == 3 || bits == 4 || bits == 8;
}

/* qweight [columns * bits / 32][rows]; 3 bits make a stream of their own, 32 codes to 3 words. */
static bool measure_gptq(lq_field_shape *s) {
    s->unit_rows = 1;
    s->unit_columns = WORD_BITS;
    s->tile_rows = 16; /* whose words are a line of the caches */
    s->bytes = s->columns * s->bits / WORD_BITS * s->rows * WORD;
    return gptq_bits(s->bits) && s->columns % WORD_BITS == 0;
}

static void pack_gptq(const lq_field_shape *s, const lq_field_tile *t, unsigned char *to) {
    unsigned char lines[LQ_TILE];
    const int64_t words = t->columns * s->bits / WORD_BITS;
    const int64_t first = t->column * s->bits / WORD_BITS;
    for (int64_t r = 0; r < t->rows; ++r) {
        lq_write_fields(t->codes + r * t->step, t->columns, s->bits, lines + r * words * WORD, 0);
    }
    const lq_panel turned = {first * s->rows + t->row, t->rows, words, 1, s->rows};
    lq_scatter_panel(lines, to, WORD, &turned);
}

static void unpack_gptq(const lq_field_shape *s, const unsigned char *from,
                        const lq_field_tile *t) {
    unsigned char lines[LQ_TILE];
    const int64_t words = t->columns * s->bits / WORD_BITS;
    const int64_t first = t->column * s->bits / WORD_BITS;
    const lq_panel turned = {first * s->rows + t->row, t->rows, words, 1, s->rows};
    lq_gather_panel(lines, from, WORD, &turned);
    for (int64_t r = 0; r < t->rows; ++r) {
        lq_read_fields(lines + r * words * WORD, 0, s->bits, t->columns, t->codes + r * t->step);
    }
}

const lq_fields lq_gptq_fields = {measure_gptq, pack_gptq, unpack_gptq};

/* What runs along the rows of a tile, in a column of it. */
static void gather_column(const lq_field_tile *t, int64_t column, int64_t row, int64_t n,
                          unsigned char *to) {
    for (int64_t i = 0; i < n; ++i) to[i] = t->codes[(row + i) * t->step + column];
}

static void scatter_column(const unsigned char *from, int64_t n, const lq_field_tile *t,
                           int64_t column, int64_t row) {
    for (int64_t i = 0; i < n; ++i) t->codes[(row + i) * t->step + column] = from[i];
}

/* qzeros [blocks][rows * bits / 32]: streams along the rows. */
static bool measure_gptq_zeros(lq_field_shape *s) {
    s->unit_rows = WORD_BITS;
    s->unit_columns = 1;
    s->tile_rows = 4 * WORD_BITS;
    s->bytes = s->columns * (s->rows * s->bits / 8);
    return gptq_bits(s->bits) && s->rows % WORD_BITS == 0;
}

static void pack_gptq_zeros(const lq_field_shape *s, const lq_field_tile *t, unsigned char *to) {
    const int64_t line = s->rows * s->bits / 8;
    unsigned char codes[WORD_BITS];
    for (int64_t c = 0; c < t->columns; ++c) {
        for (int64_t r = 0; r < t->rows; r += WORD_BITS) {
            gather_column(t, c, r, WORD_BITS, codes);
            lq_write_fields(codes, WORD_BITS, s->bits, to + (t->column + c) * line,
                            (t->row + r) * s->bits);
        }
    }
}

static void unpack_gptq_zeros(const lq_field_shape *s, const unsigned char *from,
                              const lq_field_tile *t) {
    const int64_t line = s->rows * s->bits / 8;
    unsigned char codes[WORD_BITS];
    for (int64_t c = 0; c < t->columns; ++c) {
        for (int64_t r = 0; r < t->rows; r += WORD_BITS) {
            lq_read_fields(from + (t->column + c) * line, (t->row + r) * s->bits, s->bits,
                           WORD_BITS, codes);
            scatter_column(codes, WORD_BITS, t, c, r);
        }
    }
}

const lq_fields lq_gptq_zero_fields = {measure_gptq_zeros, pack_gptq_zeros, unpack_gptq_zeros};

/* --------------------------------------------------------- compressed-tensors */

/* No code crosses a word: of 3 bits there are 10 in each. */
static int64_t in_word(const lq_field_shape *s) {
    return WORD_BITS / s->bits;
}

static int64_t words_for(const lq_field_shape *s, int64_t n) {
    return (n + in_word(s) - 1) / in_word(s);
}

/* weight_packed [rows][ceil(columns / codes of a word)]. */
static bool measure_compressed(lq_field_shape *s) {
    s->unit_rows = 1;
    s->unit_columns = (int32_t)in_word(s);
    s->tile_rows = 1;
    s->row_bytes = s->row_step = words_for(s, s->columns) * WORD;
    s->bytes = s->rows * s->row_bytes;
    return true;
}

static void pack_compressed(const lq_field_shape *s, const lq_field_tile *t, unsigned char *to) {
    if (WORD_BITS % s->bits == 0) {
        lq_pack_rows(s, t, to);
        return;
    }
    const int64_t each = in_word(s);
    for (int64_t r = 0; r < t->rows; ++r) {
        const unsigned char *codes = t->codes + r * t->step;
        unsigned char *words = to + (t->row + r) * s->row_step + t->column / each * WORD;
        for (int64_t c = 0; c < t->columns; c += each, words += WORD) {
            memset(words, 0, WORD);
            lq_write_fields(codes + c, t->columns - c < each ? t->columns - c : each, s->bits,
                            words, 0);
        }
    }
}

static void unpack_compressed(const lq_field_shape *s, const unsigned char *from,
                              const lq_field_tile *t) {
    if (WORD_BITS % s->bits == 0) {
        lq_unpack_rows(s, from, t);
        return;
    }
    const int64_t each = in_word(s);
    for (int64_t r = 0; r < t->rows; ++r) {
        unsigned char *codes = t->codes + r * t->step;
        const unsigned char *words = from + (t->row + r) * s->row_step + t->column / each * WORD;
        for (int64_t c = 0; c < t->columns; c += each, words += WORD) {
            lq_read_fields(words, 0, s->bits, t->columns - c < each ? t->columns - c : each,
                           codes + c);
        }
    }
}

const lq_fields lq_compressed_fields = {measure_compressed, pack_compressed, unpack_compressed};

/* weight_zero_point [ceil(rows / codes of a word)][blocks]. */
static bool measure_compressed_zeros(lq_field_shape *s) {
    s->unit_rows = (int32_t)in_word(s);
    s->unit_columns = 1;
    s->tile_rows = s->unit_rows;
    s->bytes = words_for(s, s->rows) * s->columns * WORD;
    return true;
}

static void pack_compressed_zeros(const lq_field_shape *s, const lq_field_tile *t,
                                  unsigned char *to) {
    const int64_t each = in_word(s);
    unsigned char codes[WORD_BITS];
    for (int64_t r = 0; r < t->rows; r += each) {
        const int64_t n = t->rows - r < each ? t->rows - r : each;
        unsigned char *words = to + ((t->row + r) / each * s->columns + t->column) * WORD;
        memset(words, 0, (size_t)t->columns * WORD);
        for (int64_t c = 0; c < t->columns; ++c) {
            gather_column(t, c, r, n, codes);
            lq_write_fields(codes, n, s->bits, words + c * WORD, 0);
        }
    }
}

static void unpack_compressed_zeros(const lq_field_shape *s, const unsigned char *from,
                                    const lq_field_tile *t) {
    const int64_t each = in_word(s);
    unsigned char codes[WORD_BITS];
    for (int64_t r = 0; r < t->rows; r += each) {
        const int64_t n = t->rows - r < each ? t->rows - r : each;
        const unsigned char *words = from + ((t->row + r) / each * s->columns + t->column) * WORD;
        for (int64_t c = 0; c < t->columns; ++c) {
            lq_read_fields(words + c * WORD, 0, s->bits, n, codes);
            scatter_column(codes, n, t, c, r);
        }
    }
}

const lq_fields lq_compressed_zero_fields = {measure_compressed_zeros, pack_compressed_zeros,
                                             unpack_compressed_zeros};
