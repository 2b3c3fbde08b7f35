/* Methods that need no more than the ends of the range. */
#include "methods.h"

lq_status lq_find_min_max(const lq_method_call *call, lq_range *range) {
    *range = (lq_range){call->values->lo, call->values->hi};
    return LQ_OK;
}

lq_status lq_find_moving_average(const lq_method_call *call, lq_range *range) {
    const lq_distribution *d = call->values;
    /* The rounding of averages may have taken them beyond all values, and past each other. */
    const lq_range r = lq_within(d, (double)d->moving_lo, (double)d->moving_hi);
    *range = r.lo <= r.hi ? r : (lq_range){r.hi, r.lo};
    return LQ_OK;
}
