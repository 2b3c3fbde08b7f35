/*
 * What the element-wise functions must give, for every float32 at once.
 *
 * All of them are monotone steps in the magnitude of their input, on either side of zero. So a
 * table of the magnitudes at which the output changes is the whole function, exactly, and 2^32
 * outputs are compared as fast as memory is filled. Nothing here shares code with the library.
 */
#ifndef SWEEP_ORACLE_H
#define SWEEP_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

/* From the magnitude `from` (the bits of a float without its sign) on, the output is `code`. */
typedef struct sweep_step {
    uint32_t from;
    uint32_t code;
} sweep_step;

enum { SWEEP_STEPS = 1 << 16 };

/* Of inputs without and with a sign bit; the first step begins at 0. */
typedef struct sweep_table {
    int64_t count[2];
    uint32_t clipped_from[2]; /* quantize: finite magnitudes from here on are outside the range */
    sweep_step step[2][SWEEP_STEPS + 2];
} sweep_table;

/* A real type of 16 bits: the number of its fraction bits tells which. */
enum { SWEEP_F16_FRACTION = 10, SWEEP_BF16_FRACTION = 7 };

uint32_t sweep_bits(float value);
float sweep_float(uint32_t bits);

/* clamp(rne(fl(x / scale)) + zero, qmin, qmax), NaN as 0. False: two derivations disagree. */
bool sweep_quantize_table(sweep_table *table, float scale, int32_t zero, int32_t qmin,
                          int32_t qmax);

/* float32 to a 16-bit type: to nearest even, NaN quiet with the upper bits of its payload. */
void sweep_narrow_table(sweep_table *table, int fraction);

/* The bits of the float32 that a value of a 16-bit type is; NaN quiet. */
uint32_t sweep_widen(uint16_t half, int fraction);

/* The output for an input's bits. */
uint32_t sweep_look_up(const sweep_table *table, uint32_t bits);

/* (q - z) * scale for a difference of up to 17 bits. */
float sweep_product(int32_t difference, float scale);

#endif
