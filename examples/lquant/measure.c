#include "report.h"

/* One zero as a tensor of that shape: measured against it, a tensor's error is its energy. */
static lq_tensor zeros_like(const lq_tensor *shape, lq_type type) {
    static const double zero = 0.0; /* all bits 0: a zero of every type */
    lq_tensor t = lq_contiguous(&zero, type, shape->rank, shape->shape);
    for (int32_t i = 0; i < t.rank; ++i) t.stride[i] = 0;
    if (t.size > 0) t.size = (type & 0xff) / 8;
    return t;
}

static double sum_of(const lq_error *e) {
    return e->count > 0 ? e->mse * (double)e->count : 0.0;
}

lq_status measure(figures *f, const lq_tensor *x, const lq_tensor *y, const quantized *q,
                  const lq_tensor *scale, const lq_tensor *zero_point) {
    const lq_scheme *scheme = q ? &q->scheme : NULL;
    const lq_tensor zero_x = zeros_like(x, LQ_F32);
    const lq_tensor zero_y = zeros_like(x, x->type);
    lq_error xx, yy;
    lq_status status;
    lq_error_init(&f->error, sizeof f->error);
    lq_error_init(&xx, sizeof xx);
    lq_error_init(&yy, sizeof yy);
    status = lq_measure_error(x, y, scheme, scale, zero_point, &f->error, NULL);
    if (status == LQ_OK) status = lq_measure_error(x, &zero_x, NULL, NULL, NULL, &xx, NULL);
    if (status == LQ_OK) {
        if (q)
            status = lq_measure_error(&zero_y, y, scheme, scale, zero_point, &yy, NULL);
        else
            status = lq_measure_error(y, &zero_x, NULL, NULL, NULL, &yy, NULL);
    }
    f->clipped = f->error.clipped;
    f->nonfinite = f->error.nonfinite;
    f->sum_xx = sum_of(&xx);
    f->sum_yy = sum_of(&yy);
    f->sums_match = xx.count == f->error.count && yy.count == f->error.count;
    return status;
}
