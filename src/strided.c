#include "strided.h"
#include "kernels.h"

/* Every level has copies of its own, which its compiler flags decide about. */
void lq_gather_panel(void *buffer, const void *data, int size, const lq_panel *panel) {
    lq_kernels_active()->gather_panel(buffer, data, size, panel);
}

void lq_scatter_panel(const void *buffer, void *data, int size, const lq_panel *panel) {
    lq_kernels_active()->scatter_panel(buffer, data, size, panel);
}

void lq_gather(void *buffer, const void *data, int size, int64_t at, int64_t step, int64_t n) {
    const lq_panel row = {at, 1, n, 0, step};
    lq_gather_panel(buffer, data, size, &row);
}

void lq_scatter(const void *buffer, void *data, int size, int64_t at, int64_t step, int64_t n) {
    const lq_panel row = {at, 1, n, 0, step};
    lq_scatter_panel(buffer, data, size, &row);
}

void lq_gather_codes(void *buffer, const void *codes, const lq_type_info *type, int64_t at,
                     int64_t step, int64_t n) {
    const unsigned char *from = codes;
    unsigned char *to = buffer;
    if (type->bits >= 8) {
        lq_gather(buffer, codes, type->bits / 8, at, step, n);
        return;
    }
    const uint32_t bits = (uint32_t)type->bits;
    for (int64_t i = 0; i < n; ++i) {
        to[i] = (unsigned char)lq_load_code(from, (at + i * step) * bits, bits);
    }
}

void lq_scatter_codes(const void *buffer, void *codes, const lq_type_info *type, int64_t at,
                      int64_t step, int64_t n) {
    const unsigned char *from = buffer;
    if (type->bits >= 8) {
        lq_scatter(buffer, codes, type->bits / 8, at, step, n);
        return;
    }
    const uint32_t bits = (uint32_t)type->bits;
    for (int64_t i = 0; i < n; ++i) lq_store_code(codes, (at + i * step) * bits, bits, from[i]);
}

lq_panel_shape lq_shape_panels(int64_t rows, int64_t count, int64_t elements, bool columns_first,
                               bool in_order) {
    enum { ROWS = 128, UNIT = 16 };
    lq_panel_shape shape = {1, count};
    const bool tall = columns_first && !in_order;
    /* In whole bytes of codes, whatever their width. */
    const int64_t most = tall ? elements / (rows < ROWS ? rows : ROWS) / UNIT * UNIT : elements;
    if (shape.count > most) shape.count = most;
    if (in_order && shape.count < count) return shape;
    shape.rows = elements / shape.count;
    if (shape.rows > UNIT) shape.rows = shape.rows / UNIT * UNIT;
    if (shape.rows > rows) shape.rows = rows;
    return shape;
}
