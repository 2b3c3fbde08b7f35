/* Methods that need no more than the ends of the range. */
#include "methods.h"

lq_status lq_find_min_max(const lq_method_call *call, lq_range *range) {
    *range = (lq_range){call->values->lo, call->values->hi};
    return LQ_OK;
}

lq_status lq_find_moving_average(const lq_method_call *call, lq_range *range) {
    const float lo = call->values->moving_lo;
    const float hi = call->values->moving_hi;
    /* Averages that are one but for their rounding may have passed each other. */
    *range = lo <= hi ? (lq_range){lo, hi} : (lq_range){hi, lo};
    return LQ_OK;
}
