#include "methods.h"
#include <math.h>

lq_status lq_find_mean_deviation(const lq_method_call *call, lq_range *range) {
    double mean, variance;
    lq_moments(call->values, &mean, &variance);
    const double reach = call->with.deviations * sqrt(variance);
    *range = lq_within(call->values, mean - reach, mean + reach);
    return LQ_OK;
}
