/* lq_pack and lq_unpack: byte codes to packed ones and back. */
#include "call.h"
#include "map.h"

static lq_status check_pair(const lq_type_info *bytes, const lq_type_info *packed) {
    const bool fits = packed->kind == LQ_KIND_CODE && packed->bits < 8;
    if (!fits) return LQ_ERROR_TYPE;
    return bytes->type == (packed->min < 0 ? LQ_S8 : LQ_U8) ? LQ_OK : LQ_ERROR_TYPE;
}

static lq_status check(lq_call *call, const lq_tensor *bytes, const lq_tensor *packed,
                       bool to_packed, const lq_exec *exec) {
    const lq_tensor *in = to_packed ? bytes : packed;
    const lq_tensor *out = to_packed ? packed : bytes;
    lq_span in_span, out_span;
    lq_status status = lq_begin(call, exec);
    if (status) return status;
    if (!in) return lq_refuse(call, LQ_ERROR_NULL, 1, -1);
    if (!out) return lq_refuse(call, LQ_ERROR_NULL, 2, -1);
    status = lq_check_tensor(in, false, &in_span);
    if (status) return lq_refuse(call, status, 1, -1);
    status = lq_check_tensor(out, true, &out_span);
    if (status) return lq_refuse(call, status, 2, -1);
    call->rule.code = lq_type_find(packed->type);
    status = check_pair(lq_type_find(bytes->type), call->rule.code);
    if (!status && !lq_same_shape(in, out)) status = LQ_ERROR_SHAPE;
    if (!status) {
        status = lq_check_overlap(in, in_span, out, out_span, &call->forward_only);
    }
    if (status) return lq_refuse(call, status, 2, -1);
    lq_plain_geometry(call, bytes, packed);
    return LQ_OK;
}

static void map_piece(void *context, const lq_piece *piece) {
    lq_map_piece(context, piece);
}
static void map_batch(void *context, lq_batch *batch) {
    lq_each_piece(batch, map_piece, context);
}

static void map_all(const lq_call *call, const lq_tensor *bytes, const lq_tensor *packed,
                    bool to_packed) {
    lq_plan plan;
    lq_map map = {
        .runs = to_packed ? call->kernels->pack : call->kernels->unpack,
        .to_codes = to_packed,
        .x = bytes->data,
        .codes = packed->data,
        .x_size = 1,
        .code = call->rule.code,
    };
    lq_make_plan(&call->geometry, call->forward_only ? LQ_ORDER_STRICT : LQ_ORDER_MEMORY, &plan);
    lq_each_batch(&plan, map_batch, &map);
}

static bool code_is_good(const void *context, const lq_tensor *t, int64_t element) {
    const lq_type_info *packed = context;
    const int32_t code = lq_load_integer(t->type, t->data, element);
    return code >= packed->min && code <= packed->max;
}

lq_status lq_pack(const lq_tensor *bytes, const lq_tensor *packed, const lq_exec *exec) {
    lq_call call;
    lq_status status = check(&call, bytes, packed, true, exec);
    if (status) return status;
    if (!call.trusted) {
        const int64_t bad = lq_first_bad(bytes, code_is_good, call.rule.code);
        if (bad >= 0) return lq_refuse(&call, LQ_ERROR_CODE, 1, bad);
    }
    map_all(&call, bytes, packed, true);
    lq_clear_tail(packed);
    return LQ_OK;
}

lq_status lq_unpack(const lq_tensor *packed, const lq_tensor *bytes, const lq_exec *exec) {
    lq_call call;
    lq_status status = check(&call, bytes, packed, false, exec);
    if (status) return status;
    map_all(&call, bytes, packed, false);
    return LQ_OK;
}
