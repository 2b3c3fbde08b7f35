/* lq_pack_codes and lq_unpack_codes: byte codes to packed ones and back. */
#include "strided.h"
#include "tasks.h"

static bool is_byte(const lq_type_info *type) {
    return type->type == LQ_S8 || type->type == LQ_U8;
}

static bool is_packed(const lq_type_info *type) {
    return (type->kind == LQ_KIND_CODE || type->kind == LQ_KIND_FLOAT) && type->bits < 8;
}

static lq_status check(lq_call *call, const lq_tensor *bytes, const lq_tensor *packed,
                       bool to_packed, const lq_exec *exec) {
    lq_status status = lq_begin(call, exec, 3);
    if (status) return status;
    status = to_packed ? lq_check_pair(call, bytes, is_byte, packed, is_packed)
                       : lq_check_pair(call, packed, is_packed, bytes, is_byte);
    if (status) return status;
    if ((call->type[0]->min < 0) != (call->type[1]->min < 0)) {
        return lq_refuse(call, LQ_ERROR_TYPE, 2, -1);
    }
    call->rule.code = call->type[to_packed];
    lq_plain_geometry(call, bytes, packed, call->run);
    return LQ_OK;
}

static lq_status map_all(const lq_call *call, const lq_tensor *bytes, const lq_tensor *packed,
                         bool to_packed) {
    lq_job job;
    lq_start_plain_job(&job, call);
    job.map.runs = to_packed ? call->kernels->pack : call->kernels->unpack;
    job.map.to_codes = to_packed;
    job.map.x = bytes->data;
    job.map.codes = packed->data;
    job.map.x_size = 1;
    job.map.code = call->rule.code;
    return lq_map_plain(&job);
}

/* The most of a part without an early exit, so that it vectorizes. */
static int64_t bad_code(const void *context, const lq_tensor *t, int64_t at, int64_t step,
                        int64_t n) {
    const lq_type_info *packed = context;
    const bool is_float = packed->kind == LQ_KIND_FLOAT;
    const int64_t most = is_float ? (1 << packed->bits) - 1 : packed->max;
    const unsigned char low = (unsigned char)packed->min;
    const unsigned char range = (unsigned char)(most - packed->min);
    unsigned char buffer[LQ_BATCH];
    for (int64_t i = 0; i < n; i += LQ_BATCH) {
        const int64_t m = n - i < LQ_BATCH ? n - i : LQ_BATCH;
        const unsigned char *codes = (const unsigned char *)t->data + at + i;
        unsigned char worst = 0;
        if (step != 1) {
            lq_gather(buffer, t->data, 1, at + i * step, step, m);
            codes = buffer;
        }
        for (int64_t k = 0; k < m; ++k) {
            const unsigned char above = (unsigned char)(codes[k] - low);
            worst = above > worst ? above : worst;
        }
        for (int64_t k = 0; worst > range; ++k) {
            if ((unsigned char)(codes[k] - low) > range) return i + k;
        }
    }
    return -1;
}

lq_status lq_pack_codes(const lq_tensor *bytes, const lq_tensor *packed, const lq_exec *exec) {
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

lq_status lq_unpack_codes(const lq_tensor *packed, const lq_tensor *bytes, const lq_exec *exec) {
    lq_call call;
    lq_status status = check(&call, bytes, packed, false, exec);
    if (status) return status;
    return map_all(&call, bytes, packed, false);
}
