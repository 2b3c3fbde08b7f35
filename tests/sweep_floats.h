/* Codes of floats up to 8 bits, for every float32 at once; nothing here is the library's. */
#ifndef SWEEP_FLOATS_H
#define SWEEP_FLOATS_H

#include "sweep_oracle.h"

/* By the words of their standards: OFP8, OCP MX, and what ONNX calls FNUZ. */
typedef struct sweep_floats {
    const char *name;
    int exponent, mantissa, bias;
    double largest;
    int too_large; /* the code of what is, unsaturated; -1: that of the largest */
    int nan;       /* its code; -1: none, and NaN is 0 */
    bool fnuz;
} sweep_floats;

enum { SWEEP_FLOATS = 7 };
extern const sweep_floats sweep_float_types[SWEEP_FLOATS];

/* Numbers of libquant.h's lq_rounding, but half up. */
enum { SWEEP_EVEN = 0, SWEEP_AWAY = 1, SWEEP_LOWER = 3 };

/* The code nearest to fl(x / scale), scale positive; or the float32 bits of its value times scale. */
void sweep_float_table(sweep_table *table, const sweep_floats *type, int rounding, bool unsaturated,
                       float scale, bool values);

#endif
