#include "layout_oracle.h"

#include <string.h>

static int64_t round_up(int64_t n, int64_t unit) {
    return (n + unit - 1) / unit;
}

static int among(int bits, const char *widths) {
    return strchr(widths, '0' + bits) != NULL;
}

int64_t layout_blocks(const struct layout_case *c) {
    return round_up(c->columns, c->block);
}

int layout_holds(const struct layout_case *c) {
    const int whole = c->columns % c->block == 0;
    switch (c->layout) {
    case LQ_LAYOUT_ROWS:
    case LQ_LAYOUT_COMPRESSED_TENSORS: return 1;
    case LQ_LAYOUT_HIGH_FIRST: return c->bits == 4 && (whole || c->rows <= 1);
    case LQ_LAYOUT_MATMULNBITS:
        return among(c->bits, "248") && (c->block * c->bits % 8 == 0 || c->block == c->columns);
    case LQ_LAYOUT_GPTQ:
    case LQ_LAYOUT_GPTQ_V2: return among(c->bits, "2348") && c->columns % 32 == 0;
    case LQ_LAYOUT_AWQ: return c->bits == 4 && c->rows % 8 == 0 && whole;
    case LQ_LAYOUT_HQQ: return c->bits == 4 && whole && c->rows * layout_blocks(c) % 2 == 0;
    default: return 0;
    }
}

int layout_holds_zeros(const struct layout_case *c) {
    if (c->layout == LQ_LAYOUT_GPTQ || c->layout == LQ_LAYOUT_GPTQ_V2) return c->rows % 32 == 0;
    return c->layout != LQ_LAYOUT_HIGH_FIRST && c->layout != LQ_LAYOUT_HQQ;
}

int64_t layout_row_bytes(const struct layout_case *c) {
    switch (c->layout) {
    case LQ_LAYOUT_ROWS: return round_up(c->columns * c->bits, 8);
    case LQ_LAYOUT_MATMULNBITS: return round_up(layout_blocks(c) * c->block * c->bits, 8);
    case LQ_LAYOUT_COMPRESSED_TENSORS: return round_up(c->columns, 32 / c->bits) * 4;
    default: return 0;
    }
}

int64_t layout_bytes(const struct layout_case *c) {
    const int64_t row = layout_row_bytes(c);
    return row ? row * c->rows : round_up(c->rows * c->columns * c->bits, 8);
}

int64_t layout_zero_bytes(const struct layout_case *c) {
    const int64_t blocks = layout_blocks(c);
    if (!layout_holds_zeros(c)) return 0;
    if (c->layout == LQ_LAYOUT_ROWS || c->layout == LQ_LAYOUT_MATMULNBITS) {
        return round_up(blocks * c->bits, 8) * c->rows;
    }
    if (c->layout == LQ_LAYOUT_COMPRESSED_TENSORS) {
        return round_up(c->rows, 32 / c->bits) * 4 * blocks;
    }
    return blocks * c->rows * c->bits / 8;
}

/* In words of 32 bits that lie `words` apart. */
static int64_t in_words(int64_t bit, int64_t first, int64_t words) {
    return (first + bit / 32 * words) * 32 + bit % 32;
}

static int64_t awq_bit(int64_t rows, int64_t row, int64_t column, int k) {
    static const int nibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    return (column * (rows / 8) + row / 8) * 32 + nibble[row % 8] * 4 + k;
}

int64_t layout_bit(const struct layout_case *c, int64_t row, int64_t column, int k) {
    const int64_t flat = row * c->columns + column;
    const int64_t half = c->rows * c->columns / 2;
    const int64_t each = 32 / c->bits;
    const int64_t start = row * layout_row_bytes(c) * 8;
    switch (c->layout) {
    case LQ_LAYOUT_ROWS:
    case LQ_LAYOUT_MATMULNBITS: return start + column * c->bits + k;
    case LQ_LAYOUT_HIGH_FIRST: return flat / 2 * 8 + (flat % 2 ? 0 : 4) + k;
    case LQ_LAYOUT_GPTQ:
    case LQ_LAYOUT_GPTQ_V2: return in_words(column * c->bits + k, row, c->rows);
    case LQ_LAYOUT_AWQ: return awq_bit(c->rows, row, column, k);
    case LQ_LAYOUT_COMPRESSED_TENSORS:
        return start + column / each * 32 + column % each * c->bits + k;
    default: return flat < half ? flat * 8 + 4 + k : (flat - half) * 8 + k;
    }
}

int64_t layout_zero_bit(const struct layout_case *c, int64_t row, int64_t block, int k) {
    const int64_t blocks = layout_blocks(c);
    const int64_t each = 32 / c->bits;
    switch (c->layout) {
    case LQ_LAYOUT_GPTQ:
    case LQ_LAYOUT_GPTQ_V2: return block * c->rows * c->bits + row * c->bits + k;
    case LQ_LAYOUT_AWQ: return awq_bit(c->rows, row, block, k);
    case LQ_LAYOUT_COMPRESSED_TENSORS:
        return (row / each * blocks + block) * 32 + row % each * c->bits + k;
    default: return row * round_up(blocks * c->bits, 8) * 8 + block * c->bits + k;
    }
}

static void set_bit(uint8_t *bytes, int64_t bit, uint32_t value) {
    bytes[bit / 8] = (uint8_t)(bytes[bit / 8] | (value & 1u) << bit % 8);
}

void layout_fill(const struct layout_case *c, int zeros, field_fn *value, const void *context,
                 uint8_t *bytes, int64_t distance) {
    const int64_t row_bytes = zeros ? 0 : layout_row_bytes(c);
    const int64_t all = zeros ? layout_zero_bytes(c) : layout_bytes(c);
    const int64_t columns = zeros ? layout_blocks(c) : c->columns;
    if (!row_bytes) memset(bytes, 0, (size_t)all);
    for (int64_t row = 0; row < c->rows; ++row) {
        if (row_bytes) memset(bytes + row * distance, 0, (size_t)row_bytes);
        for (int64_t column = 0; column < columns; ++column) {
            const uint32_t v = value(context, row, column);
            for (int k = 0; k < c->bits; ++k) {
                int64_t bit =
                    zeros ? layout_zero_bit(c, row, column, k) : layout_bit(c, row, column, k);
                if (row_bytes) bit += row * (distance - row_bytes) * 8;
                set_bit(bytes, bit, v >> k);
            }
        }
    }
}
