#include "calibrator.h"
lq_status lq_calibrator_serialize(const lq_calibrator *calibrator, void *bytes, size_t size,
                                  size_t *written) {
    (void)calibrator, (void)bytes, (void)size, (void)written;
    return LQ_ERROR_METHOD;
}
lq_status lq_serialized_options(const void *bytes, size_t size, lq_calibrator_options *options) {
    (void)bytes, (void)size, (void)options;
    return LQ_ERROR_METHOD;
}
lq_status lq_calibrator_deserialize(lq_calibrator *calibrator, size_t calibrator_size,
                                    const void *bytes, size_t size) {
    (void)calibrator, (void)calibrator_size, (void)bytes, (void)size;
    return LQ_ERROR_METHOD;
}
