/* Elements of parts, one type to another, and codes of any width as bytes. */
#include "float_format.h"
#include "layouts/codes.h"
#include "packed.h"
#include <string.h>

static int64_t place(const lq_values *v, int64_t row, int64_t column) {
    return v->at + row * v->row_step + column * v->step;
}

void lq_read_codes(const lq_values *from, int64_t row, int64_t column, int64_t n,
                   unsigned char *to) {
    const int64_t at = place(from, row, column);
    const int64_t step = from->step;
    const int32_t bits = from->type->bits;
    if (bits < 8 && step == 1) {
        lq_read_fields(from->data, at * bits, bits, n, to);
    } else if (bits < 8) {
        for (int64_t i = 0; i < n; ++i) {
            lq_read_fields(from->data, (at + i * step) * bits, bits, 1, to + i);
        }
    } else if (bits == 8 && step == 1) {
        memcpy(to, from->data + at, (size_t)n);
    } else if (bits == 8) {
        for (int64_t i = 0; i < n; ++i) to[i] = from->data[at + i * step];
    } else {
        for (int64_t i = 0; i < n; ++i) {
            const int32_t v = lq_load_integer(from->type->type, from->data, at + i * step);
            to[i] = (unsigned char)((uint32_t)v & 255u);
        }
    }
}

void lq_write_codes(const unsigned char *from, int64_t n, bool is_signed, const lq_values *to,
                    int64_t row, int64_t column) {
    const int64_t at = place(to, row, column);
    const int64_t step = to->step;
    const int32_t bits = to->type->bits;
    if (bits < 8 && step == 1) {
        lq_write_fields(from, n, bits, to->data, at * bits);
    } else if (bits < 8) {
        for (int64_t i = 0; i < n; ++i) {
            lq_write_fields(from + i, 1, bits, to->data, (at + i * step) * bits);
        }
    } else if (bits == 8 && step == 1) {
        memcpy(to->data + at, from, (size_t)n);
    } else if (bits == 8) {
        for (int64_t i = 0; i < n; ++i) to->data[at + i * step] = from[i];
    } else {
        for (int64_t i = 0; i < n; ++i) {
            const int32_t v = is_signed ? (signed char)from[i] : from[i];
            lq_store_integer(to->type->type, to->data, at + i * step, v);
        }
    }
}

float lq_load_value(lq_type type, const unsigned char *from) {
    if (type == LQ_E8M0) return lq_decode_e8m0(*from);
    const lq_type_info *info = lq_type_find(type);
    return info->format ? lq_decode_float(info->format, *from) : lq_load_real(type, from, 0);
}

/* To nearest; whether that is equal shows on the way back. */
static void store_value(lq_type type, float v, unsigned char *to) {
    const lq_type_info *info = lq_type_find(type);
    if (type == LQ_E8M0) {
        *to = (unsigned char)(lq_bits(v) >> 23 & 255u);
    } else if (info->format) {
        *to = (unsigned char)lq_encode_float(info->format, LQ_ROUND_EVEN, true, v);
    } else {
        lq_store_real(type, to, 0, v);
    }
}

/* Bit for bit where the types are the same; else whether the value has an equal. */
static bool convert_value(lq_type type, const unsigned char *from, lq_type to_type,
                          unsigned char *to) {
    if (type == to_type) {
        memcpy(to, from, (size_t)(type & 0xff) / 8);
        return true;
    }
    const float v = lq_load_value(type, from);
    if (!(v == v)) return false;
    store_value(to_type, v, to);
    return lq_bits(lq_load_value(to_type, to)) == lq_bits(v);
}

void lq_copy_values(const lq_values *from, const lq_values *to, int64_t rows, int64_t n) {
    const int64_t size = from->type->bits / 8;
    const int64_t to_size = to->type->bits / 8;
    const bool runs = from->type == to->type && from->step == 1 && to->step == 1;
    for (int64_t r = 0; r < rows; ++r) {
        const unsigned char *source = from->data + place(from, r, 0) * size;
        unsigned char *target = to->data + place(to, r, 0) * to_size;
        if (runs) {
            memcpy(target, source, (size_t)(n * size));
            continue;
        }
        for (int64_t i = 0; i < n; ++i) {
            convert_value(from->type->type, source + i * from->step * size, to->type->type,
                          target + i * to->step * to_size);
        }
    }
}

int64_t lq_first_inexact(const lq_values *from, int64_t row, int64_t n, lq_type to) {
    const int64_t size = from->type->bits / 8;
    const unsigned char *source = from->data + place(from, row, 0) * size;
    unsigned char scratch[8];
    for (int64_t i = 0; i < n; ++i) {
        const unsigned char *element = source + i * from->step * size;
        if (!convert_value(from->type->type, element, to, scratch)) return i;
    }
    return -1;
}
