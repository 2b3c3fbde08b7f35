#include "methods.h"

lq_status lq_find_onnxruntime_percentile(const lq_method_call *call, lq_range *range) {
    (void)call, (void)range;
    return LQ_ERROR_METHOD;
}

lq_status lq_find_onnxruntime_percentile_symmetric(const lq_method_call *call, lq_range *range) {
    (void)call, (void)range;
    return LQ_ERROR_METHOD;
}

lq_status lq_find_onnxruntime_entropy(const lq_method_call *call, lq_range *range) {
    (void)call, (void)range;
    return LQ_ERROR_METHOD;
}

lq_status lq_find_onnxruntime_distribution(const lq_method_call *call, lq_range *range) {
    (void)call, (void)range;
    return LQ_ERROR_METHOD;
}
