#include <stdlib.h>

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

lq_status measure_piece(error_sums *sums, const void *x, lq_type type, const packing *p,
                        const void *const parts[MOST_PARTS], int64_t rows) {
    const int64_t width = p->real & 0xff;
    void *values = need_bytes(rows * p->columns * width / 8);
    const lq_tensor a = lq_matrix(x, type, rows, p->columns);
    const lq_tensor b = lq_matrix(values, p->real, rows, p->columns);
    lq_error e;
    lq_status status = packing_decode(p, parts, rows, values);
    lq_error_init(&e, sizeof e);
    if (status == LQ_OK) status = lq_measure_error(&a, &b, NULL, NULL, NULL, &e, NULL);
    if (status == LQ_OK) sums_add(sums, &e);
    free(values);
    return status;
}

void measure_end(figures *f, const error_sums *sums) {
    lq_error_init(&f->error, sizeof f->error);
    sums_error(sums, &f->error);
    f->clipped = sums->clipped;
    f->nonfinite = sums->nonfinite;
}

lq_status measure_packing(figures *f, const void *x, lq_type type, const packing *p,
                          const void *const parts[MOST_PARTS]) {
    const int64_t piece = packing_piece(p), width = type & 0xff;
    error_sums sums = {0};
    lq_status status = LQ_OK;
    for (int64_t row = 0; row < p->rows && status == LQ_OK; row += piece) {
        const int64_t rows = p->rows - row < piece ? p->rows - row : piece;
        const void *at[MOST_PARTS];
        packing_at(p, parts, row, at);
        status =
            measure_piece(&sums, (const char *)x + row * p->columns * width / 8, type, p, at, rows);
    }
    measure_end(f, &sums);
    return status;
}
