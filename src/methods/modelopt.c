#include "methods.h"

lq_status lq_find_modelopt_percentile(const lq_method_call *call, lq_range *range) {
    (void)call, (void)range;
    return LQ_ERROR_METHOD;
}

lq_status lq_find_modelopt_entropy(const lq_method_call *call, lq_range *range) {
    (void)call, (void)range;
    return LQ_ERROR_METHOD;
}

lq_status lq_find_modelopt_mse(const lq_method_call *call, lq_range *range) {
    (void)call, (void)range;
    return LQ_ERROR_METHOD;
}
