#include "methods.h"

lq_status lq_find_percentile(const lq_method_call *call, lq_range *range) {
    const lq_distribution *d = call->values;
    const double cut = (100.0 - call->with.percentile) / 200.0;
    *range = (lq_range){lq_quantile(d, cut), lq_quantile(d, 1.0 - cut)};
    return LQ_OK;
}

lq_status lq_find_percentile_of_magnitudes(const lq_method_call *call, lq_range *range) {
    const lq_distribution *d = call->values;
    const float t = lq_quantile_of_magnitudes(d, call->with.percentile / 100.0);
    *range = lq_within_magnitude(d, (double)t);
    return LQ_OK;
}
