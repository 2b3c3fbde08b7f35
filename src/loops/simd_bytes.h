/* Floats to codes of up to 8 bits by halves of 16, which packing saturates. */
#ifndef LQ_LOOPS_SIMD_BYTES_H
#define LQ_LOOPS_SIMD_BYTES_H

/* Packing saturates at signed bytes, which any unsigned codes are less 128. */
typedef struct byte_range {
    htile zero;
    btile least, most, flip;
} byte_range;

/* A zero point and the codes that there are, of up to 8 bits and a kind. */
LQ_INLINE byte_range byte_range_of(int32_t zero, int32_t qmin, int32_t qmax, bytes_kind kind) {
    const int32_t bias = kind == ANY_BYTES ? byte_bias(qmax) : 0;
    return (byte_range){.zero = htile_splat((int16_t)(zero - bias)),
                        .least = btile_splat((int8_t)(qmin - bias)),
                        .most = btile_splat((int8_t)(qmax - bias)),
                        .flip = btile_splat((int8_t)bias)};
}

/* The same with a zero point less `bias` for each element. */
LQ_INLINE byte_range byte_range_with(byte_range range, itile zero, int32_t bias) {
    range.zero = htile_of(itile_subtract(zero, itile_splat(bias)));
    return range;
}

/* Rounded to even, zero perhaps added, clamped; certain as of htile_to_even. */
LQ_INLINE btile tile_bytes(tile t, const byte_range *range, bytes_kind kind, bool add,
                           bool *certain) {
    htile h = htile_to_even(t, certain);
    if (add) h = htile_add(h, range->zero);
    if (kind == UNSIGNED_BYTES) return btile_of_unsigned(h);
    const btile packed = btile_max(btile_of(h), range->least);
    if (kind == SIGNED_BYTES) return packed;
    const btile within = btile_min(packed, range->most);
    return kind == NARROW_BYTES ? within : btile_xor(within, range->flip);
}

#endif
