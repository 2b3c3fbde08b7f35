/* lq_pack and lq_unpack: byte codes to packed ones and back. */
#include "tasks.h"

static bool is_byte(const lq_type_info *type) {
    return type->type == LQ_S8 || type->type == LQ_U8;
}

static bool is_packed(const lq_type_info *type) {
    return type->kind == LQ_KIND_CODE && type->bits < 8;
}

static lq_status check(lq_call *call, const lq_tensor *bytes, const lq_tensor *packed,
                       bool to_packed, const lq_exec *exec) {
    const lq_tensor *t[] = {to_packed ? bytes : packed, to_packed ? packed : bytes};
    const lq_type_info *type[2];
    lq_span span[2];
    lq_status status = lq_begin(call, exec, 3);
    if (status) return status;
    for (int i = 0; i < 2; ++i) {
        status = t[i] ? lq_check_tensor(t[i], i == 1, &span[i]) : LQ_ERROR_NULL;
        if (status) return lq_refuse(call, status, i + 1, -1);
        type[i] = lq_type_find(t[i]->type);
        const bool fits = t[i] == packed ? is_packed(type[i]) : is_byte(type[i]);
        if (!fits) return lq_refuse(call, LQ_ERROR_TYPE, i + 1, -1);
    }
    if ((type[0]->min < 0) != (type[1]->min < 0)) status = LQ_ERROR_TYPE;
    if (!status && !lq_same_shape(t[0], t[1])) status = LQ_ERROR_SHAPE;
    if (!status) status = lq_check_overlap(t[0], span[0], t[1], span[1], &call->forward_only);
    if (status) return lq_refuse(call, status, 2, -1);
    call->rule.code = type[to_packed];
    call->tensor[LQ_X] = bytes;
    lq_plain_geometry(call, bytes, packed);
    return LQ_OK;
}

static void map_batch(void *context, lq_batch *batch) {
    lq_map_blocks(context, batch);
}

static lq_status map_all(const lq_call *call, const lq_tensor *bytes, const lq_tensor *packed,
                         bool to_packed) {
    lq_plan plan;
    lq_job job;
    job.call = call;
    job.quantizes = job.chosen = false;
    job.purpose = LQ_TO_CODES;
    job.counts = (lq_counts){0, 0, 0};
    job.map = (lq_map){
        .runs = to_packed ? call->kernels->pack : call->kernels->unpack,
        .pack = call->kernels->pack,
        .unpack = call->kernels->unpack,
        .to_codes = to_packed,
        .x = bytes->data,
        .codes = packed->data,
        .x_size = 1,
        .code = call->rule.code,
    };
    lq_make_plan(&call->geometry, call->forward_only ? LQ_ORDER_STRICT : LQ_ORDER_MEMORY, &plan);
    const lq_cut cut = lq_cut_for_elements(call, &job.map, &plan);
    return lq_walk(&job, &cut, map_batch, NULL, NULL);
}

static int64_t bad_code(const void *context, const lq_tensor *t, int64_t at, int64_t step,
                        int64_t n) {
    const lq_type_info *packed = context;
    int32_t codes[LQ_BATCH];
    for (int64_t i = 0; i < n; i += LQ_BATCH) {
        const int64_t m = n - i < LQ_BATCH ? n - i : LQ_BATCH;
        lq_load_integers(t->type, t->data, at + i * step, step, m, codes);
        for (int64_t k = 0; k < m; ++k) {
            if (codes[k] < packed->min || codes[k] > packed->max) return i + k;
        }
    }
    return -1;
}

lq_status lq_pack(const lq_tensor *bytes, const lq_tensor *packed, const lq_exec *exec) {
    lq_call call;
    lq_status status = check(&call, bytes, packed, true, exec);
    if (status) return status;
    if (!call.trusted) {
        const int64_t bad = lq_first_bad(bytes, bad_code, call.rule.code);
        if (bad >= 0) return lq_refuse(&call, LQ_ERROR_CODE, 1, bad);
    }
    status = map_all(&call, bytes, packed, true);
    lq_clear_tail(packed);
    return status;
}

lq_status lq_unpack(const lq_tensor *packed, const lq_tensor *bytes, const lq_exec *exec) {
    lq_call call;
    lq_status status = check(&call, bytes, packed, false, exec);
    if (status) return status;
    return map_all(&call, bytes, packed, false);
}
