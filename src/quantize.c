/* lq_quantize, lq_dequantize, lq_calibrate and lq_quantize_dynamic: one walk with different visits. */
#include "job.h"
#include "tasks.h"

void lq_start_job(lq_job *j, const lq_call *call, bool to_codes) {
    const lq_kernels *k = call->kernels;
    const int real = call->type[LQ_X]->index;
    j->call = call;
    j->counts = (lq_counts){0, 0, 0};
    j->quantizes = false;
    j->map = (lq_map){
        .runs = to_codes ? k->quantize_runs[real] : k->dequantize_runs[real],
        .lanes = to_codes ? k->quantize_lanes[real] : k->dequantize_lanes[real],
        .pack = k->pack,
        .unpack = k->unpack,
        .to_codes = to_codes,
        .x = call->tensor[LQ_X]->data,
        .x_size = call->type[LQ_X]->bits / 8,
        .code = call->rule.code,
        .qmin = call->rule.qmin,
        .qmax = call->rule.qmax,
        .scale = j->scale,
        .zero = j->zero,
        .counts = to_codes && call->report ? &j->counts : NULL,
        .count_runs = k->count_runs[real],
        .count_lanes = k->count_lanes[real],
    };
    if (call->type[LQ_CODES]) j->map.codes = call->tensor[LQ_CODES]->data;
}

void lq_copy_job(lq_job *copy, const lq_job *job) {
    copy->call = job->call;
    copy->map = job->map;
    copy->counts = (lq_counts){0, 0, 0};
    copy->quantizes = job->quantizes;
    copy->map.zero = copy->zero;
    if (job->map.scale) copy->map.scale = copy->scale;
    if (job->map.multiplier) {
        copy->map.multiplier = copy->multiplier;
        copy->map.shift = copy->shift;
    }
    if (job->map.counts) copy->map.counts = &copy->counts;
}

static void tell_counts(const lq_job *j) {
    lq_report *report = j->call->report;
    if (!report) return;
    report->nan = j->counts.nan;
    report->infinite = j->counts.infinite;
    report->clipped = j->counts.clipped;
}

static void map_piece(void *context, const lq_piece *piece) {
    const lq_job *j = context;
    lq_map_piece(&j->map, piece);
}

void lq_map_blocks(lq_job *j, lq_batch *batch) {
    lq_each_piece(batch, map_piece, j);
}

static void map_batch(void *context, lq_batch *batch) {
    lq_job *j = context;
    lq_load_parameters(j->call, batch, j->scale, j->zero);
    lq_map_blocks(j, batch);
}

lq_status lq_map_all(lq_job *j) {
    lq_plan plan;
    lq_make_plan(&j->call->geometry, j->call->forward_only ? LQ_ORDER_STRICT : LQ_ORDER_MEMORY,
                 &plan);
    const lq_cut cut = lq_cut_for_elements(j->call, &j->map, &plan);
    return lq_walk(j, &cut, map_batch, NULL, NULL);
}

/* -------------------------------------------------------- public functions */

static void clear_tail(const lq_call *call, lq_operand operand) {
    if (call->type[operand]) lq_clear_tail(call->tensor[operand]);
}

lq_status lq_calibrate(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                       const lq_tensor *zero_point, const lq_exec *exec) {
    const lq_arguments arguments = {
        .tensor = {x, NULL, scale, zero_point},
        .position = {1, 0, 3, 4},
        .output = {false, false, true, true},
        .scheme = scheme,
        .scheme_position = 2,
        .exec = exec,
        .exec_position = 5,
    };
    lq_call call;
    lq_job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    lq_start_job(&j, &call, true);
    status = lq_calibrate_all(&j);
    clear_tail(&call, LQ_ZERO);
    if (!status) status = lq_count_nonfinite(&j);
    tell_counts(&j);
    return status;
}

lq_status lq_quantize(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                      const lq_tensor *zero_point, const lq_tensor *codes, const lq_exec *exec) {
    const lq_arguments arguments = {
        .tensor = {x, codes, scale, zero_point},
        .position = {1, 5, 3, 4},
        .output = {false, true, false, false},
        .scheme = scheme,
        .scheme_position = 2,
        .exec = exec,
        .exec_position = 6,
    };
    lq_call call;
    lq_job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    status = lq_check_parameters(&arguments, &call);
    if (status) return status;
    lq_start_job(&j, &call, true);
    status = lq_map_all(&j);
    clear_tail(&call, LQ_CODES);
    tell_counts(&j);
    if (!status) status = lq_sum_all(&j);
    return status;
}

lq_status lq_dequantize(const lq_tensor *codes, const lq_scheme *scheme, const lq_tensor *scale,
                        const lq_tensor *zero_point, const lq_tensor *x, const lq_exec *exec) {
    const lq_arguments arguments = {
        .tensor = {x, codes, scale, zero_point},
        .position = {5, 1, 3, 4},
        .output = {true, false, false, false},
        .scheme = scheme,
        .scheme_position = 2,
        .exec = exec,
        .exec_position = 6,
    };
    lq_call call;
    lq_job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    status = lq_check_parameters(&arguments, &call);
    if (status) return status;
    lq_start_job(&j, &call, false);
    return lq_map_all(&j);
}

lq_status lq_quantize_dynamic(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *codes,
                              const lq_tensor *scale, const lq_tensor *zero_point,
                              const lq_exec *exec) {
    const lq_arguments arguments = {
        .tensor = {x, codes, scale, zero_point},
        .position = {1, 3, 4, 5},
        .output = {false, true, true, true},
        .scheme = scheme,
        .scheme_position = 2,
        .exec = exec,
        .exec_position = 6,
    };
    lq_call call;
    lq_job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    lq_start_job(&j, &call, true);
    /* Overwriting x from the front must wait until all of it has been seen. */
    j.quantizes = !call.forward_only;
    status = lq_calibrate_all(&j);
    if (!status && call.forward_only) status = lq_map_all(&j);
    clear_tail(&call, LQ_CODES);
    clear_tail(&call, LQ_ZERO);
    tell_counts(&j);
    if (!status) status = lq_sum_all(&j);
    return status;
}
