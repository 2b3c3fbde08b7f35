/* Rows of whole bytes, the first element in the low bits. */
#include "layouts/codes.h"
#include <string.h>

static void measure(lq_field_shape *s, int64_t columns) {
    s->unit_rows = 1;
    s->unit_columns = 8;
    s->tile_rows = 1;
    s->row_bytes = (columns * s->bits + 7) / 8;
    s->row_step = s->row_bytes;
    s->bytes = s->rows * s->row_bytes;
}

static bool measure_rows(lq_field_shape *s) {
    measure(s, s->columns);
    return true;
}

void lq_pack_rows(const lq_field_shape *s, const lq_field_tile *t, unsigned char *to) {
    const int64_t bit = t->column * s->bits;
    const int64_t end = bit + t->columns * s->bits;
    const bool last = t->column + t->columns == s->columns;
    for (int64_t r = 0; r < t->rows; ++r) {
        unsigned char *row = to + (t->row + r) * s->row_step;
        if (last) memset(row + end / 8, 0, (size_t)(s->row_bytes - end / 8));
        lq_write_fields(t->codes + r * t->step, t->columns, s->bits, row, bit);
    }
}

void lq_unpack_rows(const lq_field_shape *s, const unsigned char *from, const lq_field_tile *t) {
    for (int64_t r = 0; r < t->rows; ++r) {
        lq_read_fields(from + (t->row + r) * s->row_step, t->column * s->bits, s->bits, t->columns,
                       t->codes + r * t->step);
    }
}

const lq_fields lq_rows_fields = {measure_rows, lq_pack_rows, lq_unpack_rows};

/*
 * ONNX Runtime's MatMulNBits: [rows][blocks][bytes of a block]. Blocks are whole bytes, and the last
 * is as long as the others, so that a row differs from the above by its end alone.
 */
static bool measure_matmulnbits(lq_field_shape *s) {
    const int64_t blocks = (s->columns + s->block - 1) / s->block;
    if (s->bits != 2 && s->bits != 4 && s->bits != 8) return false;
    if (s->block * s->bits % 8 != 0 && s->block != s->columns) return false;
    measure(s, blocks * s->block);
    return true;
}

const lq_fields lq_matmulnbits_fields = {measure_matmulnbits, lq_pack_rows, lq_unpack_rows};
