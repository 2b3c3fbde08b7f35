#include "methods.h"

lq_status lq_find_pytorch_histogram(const lq_method_call *call, lq_range *range) {
    (void)call, (void)range;
    return LQ_ERROR_METHOD;
}
