/*
 * How other systems quantize, each written from its own documentation and nothing of the library:
 * the parameters of a block and the code of a value. Floating-point operations are done in double
 * and rounded once to the type that the system computes in, which for sums, products and quotients
 * of float32 or float16 gives that type's own result (53 >= 2 * 24 + 2).
 */
#ifndef SYSTEMS_H
#define SYSTEMS_H

#include "libquant.h"

struct parameters {
    double scale;  /* as stored */
    double factor; /* what values are multiplied with, or divided by */
    int32_t zero;
};

struct system {
    const char *name;
    lq_profile profile;
    lq_type code_type;
    lq_type real_type;  /* of values, and what the system computes in */
    lq_type scale_type; /* of the scale as stored */
    int32_t qmin, qmax; /* of codes */
    int has_nan;        /* whether the system defines its code */
    /*
     * From the range of a block and its first value of largest magnitude. False where the system's
     * result is undefined. NULL where it only takes what it is given.
     */
    int (*choose)(const struct system *system, double lo, double hi, double v,
                  struct parameters *to);
    /* The factor of a scale that is given. NULL where the system only takes what it chose. */
    double (*factor)(double scale);
    int32_t (*code)(const struct system *system, const struct parameters *p, double x);
};

enum { SYSTEMS = 26 };
extern const struct system systems[SYSTEMS];

/* The library's scheme for it. */
lq_scheme system_scheme(const struct system *system, lq_block block);

#endif
