/* Rows of whole bytes, the first element in the low bits. */
#include "layouts/codes.h"

int64_t lq_rows_bytes(lq_code_shape *shape) {
    int64_t bytes;
    if (shape->row_bytes == 0) shape->row_bytes = (shape->columns * shape->bits + 7) / 8;
    return __builtin_mul_overflow(shape->rows, shape->row_bytes, &bytes) ? -1 : bytes;
}

int64_t lq_rows_bit(const lq_code_shape *shape, int64_t row, int64_t column) {
    return row * shape->row_bytes * 8 + column * shape->bits;
}
