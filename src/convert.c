/* lq_convert: real values of one type to those of another. */
#include "tasks.h"
#include <math.h>

static bool is_real(const lq_type_info *type) {
    return type->kind == LQ_KIND_REAL || type->kind == LQ_KIND_DOUBLE;
}

/* What a magnitude may not exceed. */
static double limit_of(const lq_type_info *y, lq_overflow overflow) {
    return overflow == LQ_OVERFLOW_SATURATE ? lq_largest(y->type) : HUGE_VAL;
}

lq_status lq_convert(const lq_tensor *x, const lq_tensor *y, lq_overflow overflow,
                     const lq_exec *exec) {
    lq_call call;
    lq_job job;
    lq_status status = lq_begin(&call, exec, 4);
    if (status) return status;
    if (overflow != LQ_OVERFLOW_INFINITE && overflow != LQ_OVERFLOW_SATURATE) {
        return lq_refuse(&call, LQ_ERROR_ENUM, 3, -1);
    }
    status = lq_check_pair(&call, x, is_real, y, is_real);
    if (status) return status;
    lq_plain_geometry(&call, x, y);
    const lq_type_info *from = call.type[LQ_X];
    const lq_type_info *to = call.type[LQ_CODES];
    lq_start_plain_job(&job, &call);
    job.map.runs = call.kernels->convert[from->index];
    job.map.to_codes = true;
    job.map.x = x->data;
    job.map.codes = y->data;
    job.map.x_size = from->bits / 8;
    job.map.code = to;
    job.map.limit = limit_of(to, overflow);
    job.map.counts = call.report ? &job.counts : NULL;
    job.map.count_runs = call.kernels->count_convert[from->index][to->index];
    status = lq_map_plain(&job);
    lq_tell_counts(&job);
    return status;
}
