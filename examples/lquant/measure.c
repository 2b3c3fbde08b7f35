#include "report.h"

lq_status measure(figures *f, const lq_tensor *x, const lq_tensor *y, const quantized *q,
                  const lq_tensor *scale, const lq_tensor *zero_point) {
    const lq_scheme *scheme = q ? &q->scheme : NULL;
    lq_error *e = &f->error;
    lq_error_init(e, sizeof *e);
    const lq_status status = lq_measure_error(x, y, scheme, scale, zero_point, e, NULL);
    f->clipped = e->clipped;
    f->nonfinite = e->nonfinite;
    return status;
}
