/* What the codes of floats of up to 8 bits stand for, from their formulas; and nearest codes by search. */
#ifndef CODE_VALUES_H
#define CODE_VALUES_H

#include <stdint.h>

#include "libquant.h"

enum { FLOAT_TYPES = 7 };

struct code_values {
    lq_type type;
    int bits, mantissa, bias;
    int top; /* the code of the largest value */
    double largest;
    double value[256]; /* NaN and infinities among them */
};

/* Of every type but LQ_E8M0. */
extern const lq_type float_types[FLOAT_TYPES];
void code_values_of(lq_type type, struct code_values *v);

enum tie { TIE_EVEN, TIE_AWAY, TIE_LOWER };

/* The code whose value is nearest to t, which is not NaN, saturated; looks at all of them. */
int nearest_code(const struct code_values *v, double t, enum tie tie);

#endif
