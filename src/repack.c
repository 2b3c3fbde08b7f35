/* lq_pack, lq_unpack and lq_repack: the calls, and which layouts go together. */
#include "packed.h"

static lq_status apart(const lq_call *call, const lq_tensors *all) {
    int position = 0;
    const lq_status status = lq_check_apart(all, &position);
    return status ? lq_refuse(call, status, position, -1) : LQ_OK;
}

lq_status lq_pack(const lq_parts *parts, const lq_packed *packed, const lq_exec *exec) {
    lq_call call;
    lq_side from, to;
    lq_tensors all = {.count = 0};
    lq_status status = lq_begin(&call, exec, 3);
    if (status) return status;
    status = lq_check_packed(packed, 2, true, &to, &all);
    if (status) return lq_refuse(&call, status, 2, -1);
    status = lq_check_parts(parts, 1, false, &to, &from, &all);
    if (status) return lq_refuse(&call, status, 1, -1);
    status = apart(&call, &all);
    return status ? status : lq_move(&call, &from, &to, 1);
}

/* Packed elements are written with zeros behind the last. */
static void clear_tails(const lq_parts *parts) {
    if (parts->codes) lq_clear_tail(parts->codes);
    if (parts->zero_point) lq_clear_tail(parts->zero_point);
}

lq_status lq_unpack(const lq_packed *packed, const lq_parts *parts, const lq_exec *exec) {
    lq_call call;
    lq_side from, to;
    lq_tensors all = {.count = 0};
    lq_status status = lq_begin(&call, exec, 3);
    if (status) return status;
    status = lq_check_packed(packed, 1, false, &from, &all);
    if (status) return lq_refuse(&call, status, 1, -1);
    status = lq_check_parts(parts, 2, true, &from, &to, &all);
    if (status) return lq_refuse(&call, status, 2, -1);
    status = apart(&call, &all);
    if (!status) status = lq_move(&call, &from, &to, 1);
    if (!status) clear_tails(parts);
    return status;
}

/* ------------------------------------------------------------------- together */

static bool codes_go_together(const lq_side *a, const lq_side *b) {
    const bool any = a->meaning == LQ_MEANS_ANY || b->meaning == LQ_MEANS_ANY;
    const bool numbers = (a->meaning == LQ_MEANS_ANY || a->meaning == LQ_MEANS_INTEGERS) &&
                         (b->meaning == LQ_MEANS_ANY || b->meaning == LQ_MEANS_INTEGERS);
    if (numbers) return true;
    if (any) return a->bits == b->bits;
    if (a->meaning != b->meaning) return false;
    if (a->meaning == LQ_MEANS_FLOATS) return a->code_type == b->code_type;
    return a->meaning == LQ_MEANS_STEPS || a->layout == b->layout;
}

/* Other than numbers around a middle are what they are, and a layout has no middle for them. */
static lq_status match_codes(lq_side *a, lq_side *b) {
    if (!codes_go_together(a, b)) return LQ_ERROR_LAYOUT;
    const lq_meaning meaning = a->meaning == LQ_MEANS_ANY ? b->meaning : a->meaning;
    if (meaning == LQ_MEANS_ANY || meaning == LQ_MEANS_INTEGERS) return LQ_OK;
    a->codes.anchor = b->codes.anchor = 0;
    return (a->zeros.kind != LQ_PLANE_NONE) == (b->zeros.kind != LQ_PLANE_NONE) ? LQ_OK
                                                                                : LQ_ERROR_LAYOUT;
}

static lq_status match_parts(const lq_side *a, const lq_side *b) {
    if (a->blocks != b->blocks) return LQ_ERROR_LAYOUT;
    if (a->block != b->block && a->blocks > 1) return LQ_ERROR_LAYOUT;
    for (int k = 0; k < LQ_PARTS; ++k) {
        const lq_part part = (lq_part)k;
        if (!a->part[k].type != !b->part[k].type) return LQ_ERROR_LAYOUT;
        if (!a->part[k].type || part == LQ_PART_SCALE) continue;
        if (lq_part_span(a->layout, part) != lq_part_span(b->layout, part)) return LQ_ERROR_LAYOUT;
    }
    return LQ_OK;
}

/* No zero points are those in the middle. */
static void match_zeros(lq_side *from, lq_side *to) {
    if (from->zeros.kind == LQ_PLANE_NONE && to->zeros.kind != LQ_PLANE_NONE) {
        from->zeros = (lq_plane){
            .kind = LQ_PLANE_MIDDLE, .levels = to->zeros.levels, .anchor = to->zeros.levels / 2};
    } else if (to->zeros.kind == LQ_PLANE_NONE && from->zeros.kind != LQ_PLANE_NONE) {
        to->zeros = (lq_plane){.kind = LQ_PLANE_MIDDLE, .levels = 1};
    }
}

lq_status lq_repack(const lq_packed *from, const lq_packed *to, const lq_exec *exec) {
    lq_call call;
    lq_side source, target;
    lq_tensors all = {.count = 0};
    lq_status status = lq_begin(&call, exec, 3);
    if (status) return status;
    status = lq_check_packed(from, 1, false, &source, &all);
    if (status) return lq_refuse(&call, status, 1, -1);
    status = lq_check_packed(to, 2, true, &target, &all);
    if (!status && (source.rows != target.rows || source.columns != target.columns)) {
        status = LQ_ERROR_SHAPE;
    }
    if (!status) status = match_parts(&source, &target);
    if (!status) status = match_codes(&source, &target);
    if (status) return lq_refuse(&call, status, 2, -1);
    status = apart(&call, &all);
    if (status) return status;
    match_zeros(&source, &target);
    return lq_move(&call, &source, &target, 1);
}
