/*
 * The one place that knows that both file formats are little-endian: where the machine is
 * not, elements are turned around as they are read and written.
 */
#ifndef BYTE_ORDER_H
#define BYTE_ORDER_H

#include <stddef.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_IS_BIG_ENDIAN 1
#else
#define HOST_IS_BIG_ENDIAN 0
#endif

/* Bytes that are turned around together, for a dtype of so many bits; C64 is two floats. */
static inline size_t swapped_width(const char *dtype, int bits) {
    if (dtype[0] == 'C') return (size_t)bits / 16;
    return (size_t)bits / 8;
}

static inline void swap_elements(unsigned char *data, size_t size, size_t width) {
    for (size_t begin = 0; width > 1 && begin + width <= size; begin += width) {
        for (size_t i = 0; i < width / 2; ++i) {
            const unsigned char byte = data[begin + i];
            data[begin + i] = data[begin + width - 1 - i];
            data[begin + width - 1 - i] = byte;
        }
    }
}

#endif
