/* lq_quantize, lq_dequantize, lq_fake_quantize and lq_quantize_dynamic: one walk, different visits. */
#include "job.h"
#include "tasks.h"

void lq_start_plain_job(lq_job *j, const lq_call *call) {
    j->call = call;
    j->counts = (lq_counts){.nan = 0};
    j->quantizes = j->magnitudes = j->chosen = j->maps = j->stages = false;
    j->purpose = LQ_TO_CODES;
    j->gradient = NULL;
    j->calibrator = NULL;
    j->map = (lq_map){.to_codes = false};
    j->map.pack = call->kernels->pack;
    j->map.unpack = call->kernels->unpack;
}

static void set_kernels(lq_map *m, const lq_kernels *k, lq_purpose purpose, int real) {
    switch (purpose) {
    case LQ_TO_CODES:
        m->runs = k->quantize_runs[real];
        m->lanes = k->quantize_lanes[real];
        break;
    case LQ_TO_REALS:
        m->runs = k->dequantize_runs[real];
        m->lanes = k->dequantize_lanes[real];
        break;
    case LQ_TO_FAKES:
        m->runs = k->fake_runs;
        m->lanes = k->fake_lanes;
        break;
    }
    m->count_runs = k->count_runs[real];
    m->count_lanes = k->count_lanes[real];
}

void lq_start_job(lq_job *j, const lq_call *call, lq_purpose purpose) {
    lq_map *m = &j->map;
    lq_start_plain_job(j, call);
    j->purpose = purpose;
    set_kernels(m, call->kernels, purpose, call->type[LQ_X]->index);
    m->to_codes = purpose != LQ_TO_REALS;
    m->x = call->tensor[LQ_X]->data;
    m->x_size = call->type[LQ_X]->bits / 8;
    if (call->type[LQ_CODES]) m->codes = call->tensor[LQ_CODES]->data;
    m->code = purpose == LQ_TO_FAKES ? call->type[LQ_X] : call->rule.code;
    lq_set_rule(call, lq_rule_for(call, purpose), &m->work);
    m->parameters = &j->parameters;
    m->counts = m->to_codes && call->report ? &j->counts : NULL;
}

void lq_copy_job(lq_job *copy, const lq_job *job) {
    copy->call = job->call;
    copy->map = job->map;
    copy->counts = (lq_counts){.nan = 0};
    copy->quantizes = job->quantizes;
    copy->magnitudes = job->magnitudes;
    copy->chosen = job->chosen;
    copy->maps = job->maps;
    copy->stages = job->stages;
    copy->purpose = job->purpose;
    copy->gradient = job->gradient;
    copy->calibrator = job->calibrator;
    if (job->map.parameters) copy->map.parameters = &copy->parameters;
    if (job->chosen) {
        const lq_parameters *from = &job->parameters;
        lq_parameters *to = &copy->parameters;
        to->scale[0] = from->scale[0];
        to->zero[0] = from->zero[0];
        to->offset[0] = from->offset[0];
        to->center[0] = from->center[0];
        to->back[0] = from->back[0];
    }
    if (job->map.counts) copy->map.counts = &copy->counts;
}

void lq_tell_counts(const lq_job *j) {
    lq_report *report = j->call->report;
    if (!report) return;
    report->nan = j->counts.nan;
    report->infinite = j->counts.infinite;
    report->clipped = j->counts.clipped;
    if (LQ_HAS(report, lq_report, overflowed)) report->overflowed = j->counts.overflowed;
    if (LQ_HAS(report, lq_report, underflowed)) report->underflowed = j->counts.underflowed;
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
    if (!j->chosen && j->purpose == LQ_TO_REALS) {
        lq_load_for_reals(j->call, batch, &j->parameters);
    } else if (!j->chosen) {
        lq_load_for_codes(j->call, batch, &j->parameters);
    }
    lq_map_blocks(j, batch);
}

static void map_batch_plain(void *context, lq_batch *batch) {
    lq_map_blocks(context, batch);
}

/* Elements that are gone over once need not stay in a cache. */
static int64_t most_rows(const lq_map *m, const lq_plan *plan) {
    const int64_t *step = plan->loop[plan->vector].step;
    return !m->counts && step[LQ_X] == 1 && step[LQ_CODES] == 1 ? LQ_BATCH : 0;
}

lq_status lq_map_with(lq_job *j, lq_batch_fn *visit) {
    lq_plan plan;
    j->map.in_order = j->call->forward_only;
    lq_make_plan(&j->call->geometry, j->call->forward_only ? LQ_ORDER_STRICT : LQ_ORDER_MEMORY,
                 &plan);
    if (plan.empty) return LQ_OK;
    plan.most = most_rows(&j->map, &plan);
    const lq_cut cut = lq_cut_for_elements(j->call, &j->map, &plan);
    return lq_walk(j, &cut, visit, NULL, NULL);
}

lq_status lq_map_all(lq_job *j) {
    j->maps = j->stages = true;
    return lq_map_with(j, map_batch);
}

lq_status lq_map_plain(lq_job *j) {
    if (lq_is_one_run(j->call) && lq_map_run(&j->map, &j->call->geometry)) return LQ_OK;
    return lq_map_with(j, map_batch_plain);
}

/* -------------------------------------------------------- public functions */

static void clear_tail(const lq_call *call, lq_operand operand) {
    if (call->type[operand]) lq_clear_tail(call->tensor[operand]);
}

static lq_status map_by_job(const lq_call *call, lq_purpose purpose) {
    lq_job j;
    lq_start_job(&j, call, purpose);
    j.map.streams = purpose != LQ_TO_REALS && lq_streams(call);
    const lq_status status = lq_map_all(&j);
    if (purpose == LQ_TO_CODES) clear_tail(call, LQ_CODES);
    lq_tell_counts(&j);
    return status ? status : lq_sum_all(&j);
}

static lq_status map_call(const lq_arguments *arguments, lq_purpose purpose) {
    lq_call call;
    lq_status status = lq_check_arguments(arguments, &call);
    if (status) return status;
    if (lq_map_simple_run(arguments, &call, purpose, &status)) return status;
    status = lq_check_parameters(arguments, &call);
    return status ? status : map_by_job(&call, purpose);
}

lq_status lq_quantize(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                      const lq_tensor *zero_point, const lq_tensor *codes, const lq_exec *exec) {
    static const lq_signature signature = {
        .position = {1, 5, 3, 4},
        .output = {false, true, false, false},
        .scheme_position = 2,
        .exec_position = 6,
    };
    const lq_arguments arguments = {
        .signature = &signature,
        .tensor = {x, codes, scale, zero_point},
        .scheme = scheme,
        .exec = exec,
    };
    return map_call(&arguments, LQ_TO_CODES);
}

lq_status lq_fake_quantize(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                           const lq_tensor *zero_point, const lq_tensor *y, const lq_exec *exec) {
    static const lq_signature signature = {
        .position = {1, 5, 3, 4},
        .output = {false, true, false, false},
        .codes_are_reals = true,
        .scheme_position = 2,
        .exec_position = 6,
    };
    const lq_arguments arguments = {
        .signature = &signature,
        .tensor = {x, y, scale, zero_point},
        .scheme = scheme,
        .exec = exec,
    };
    return map_call(&arguments, LQ_TO_FAKES);
}

lq_status lq_dequantize(const lq_tensor *codes, const lq_scheme *scheme, const lq_tensor *scale,
                        const lq_tensor *zero_point, const lq_tensor *x, const lq_exec *exec) {
    static const lq_signature signature = {
        .position = {5, 1, 3, 4},
        .output = {true, false, false, false},
        .scheme_position = 2,
        .exec_position = 6,
    };
    const lq_arguments arguments = {
        .signature = &signature,
        .tensor = {x, codes, scale, zero_point},
        .scheme = scheme,
        .exec = exec,
    };
    return map_call(&arguments, LQ_TO_REALS);
}

lq_status lq_quantize_dynamic(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *codes,
                              const lq_tensor *scale, const lq_tensor *zero_point,
                              const lq_exec *exec) {
    static const lq_signature signature = {
        .position = {1, 3, 4, 5},
        .output = {false, true, true, true},
        .scheme_position = 2,
        .exec_position = 6,
    };
    const lq_arguments arguments = {
        .signature = &signature,
        .tensor = {x, codes, scale, zero_point},
        .scheme = scheme,
        .exec = exec,
    };
    lq_call call;
    lq_job j;
    lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    if (call.forward_only && call.rule.codes_from != LQ_FROM_STORED) {
        return lq_refuse(&call, LQ_ERROR_OVERLAP, 3, -1);
    }
    if (lq_calibrate_simple_run(&call)) return LQ_OK;
    lq_start_job(&j, &call, LQ_TO_CODES);
    /* Overwriting x from the front must wait until all of it has been seen. */
    j.quantizes = !call.forward_only;
    j.map.fetches = lq_is_far(&call);
    j.map.streams = lq_streams(&call);
    status = lq_calibrate_all(&j);
    if (!status && call.forward_only) status = lq_map_all(&j);
    clear_tail(&call, LQ_CODES);
    clear_tail(&call, LQ_ZERO);
    lq_tell_counts(&j);
    if (!status) status = lq_sum_all(&j);
    return status;
}
