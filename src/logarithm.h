/* The natural logarithm, the same bits on every system: the C library's may differ in the last. */
#ifndef LQ_LOGARITHM_H
#define LQ_LOGARITHM_H

#include <stdint.h>
#include <string.h>

/*
 * Of a positive normal double, within 2 units in the last place, from additions, multiplications
 * and divisions alone. 1 gives 0. log r = e log 2 + 2 atanh((m - 1) / (m + 1)).
 */
static inline double lq_log(double r) {
    uint64_t u;
    double m, series = 0;
    memcpy(&u, &r, sizeof u);
    int exponent = (int)(u >> 52) - 1023;
    u = (u & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    memcpy(&m, &u, sizeof m);
    if (m > 0x1.6a09e667f3bcdp0) {
        m /= 2;
        ++exponent;
    }
    const double z = (m - 1) / (m + 1);
    for (int k = 27; k > 1; k -= 2) series = (series + 1.0 / k) * (z * z);
    return exponent * 0x1.62e42fefa39efp-1 + 2 * (z + z * series);
}

#endif
