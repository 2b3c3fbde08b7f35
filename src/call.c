#include "call.h"
#include "choose.h"
#include "fixed_point.h"
#include <string.h>

/* How these began, before they grew. */
enum { FIRST_REPORT = LQ_END(lq_report, clipped), FIRST_EXEC = LQ_END(lq_exec, report) };

lq_status lq_report_init(lq_report *report, size_t struct_size) {
    const lq_status status = lq_init_grown(report, struct_size, FIRST_REPORT, sizeof *report);
    if (!status) report->index = -1;
    return status;
}

lq_status lq_exec_init(lq_exec *exec, size_t struct_size) {
    return lq_init_grown(exec, struct_size, FIRST_EXEC, sizeof *exec);
}

lq_status lq_refuse(const lq_call *call, lq_status status, int position, int64_t index) {
    if (call->report) {
        call->report->argument = position;
        call->report->index = index;
    }
    return status;
}

/* A report that is too small to be one is left alone. */
static lq_status begin_report(lq_call *call, const lq_exec *exec) {
    if (exec->struct_size < FIRST_EXEC) return LQ_ERROR_STRUCT;
    lq_report *report = exec->report;
    if (!report) return LQ_OK;
    const lq_report fresh = {.struct_size = report->struct_size, .index = -1};
    if (fresh.struct_size >= sizeof fresh) {
        *report = fresh;
    } else {
        const lq_status status =
            lq_check_grown(report, fresh.struct_size, FIRST_REPORT, sizeof fresh);
        if (status) return status;
        memcpy(report, &fresh, fresh.struct_size);
    }
    call->report = report;
    return LQ_OK;
}

static lq_status begin(lq_call *call, const lq_exec *exec, int position) {
    call->exec = exec;
    call->sums = NULL;
    call->report = NULL;
    call->trusted = false;
    call->forward_only = false;
    if (exec) {
        lq_status status = begin_report(call, exec);
        if (!status) {
            call->exec = exec = lq_whole_of(exec, exec->struct_size, FIRST_EXEC, &call->whole,
                                            sizeof *exec, &status);
        }
        if (!status && exec->reserved) status = LQ_ERROR_STRUCT;
        if (!status && exec->flags & ~(uint32_t)LQ_TRUSTED) status = LQ_ERROR_ENUM;
        if (status) return lq_refuse(call, status, position, -1);
        call->trusted = (exec->flags & LQ_TRUSTED) != 0;
        call->sums = exec->code_sums;
    }
    call->kernels = lq_kernels_active();
    return call->kernels ? LQ_OK : LQ_ERROR_CPU;
}

/* Sums that nobody would write are an error rather than a surprise. */
static lq_status refuse_sums(const lq_call *call, int position) {
    return call->sums ? lq_refuse(call, LQ_ERROR_STRUCT, position, -1) : LQ_OK;
}

lq_status lq_begin(lq_call *call, const lq_exec *exec, int position) {
    const lq_status status = begin(call, exec, position);
    return status ? status : refuse_sums(call, position);
}

/* Parameters: the block grid's strides for a view of its shape, or for a flat vector. */
static lq_status grid_strides(const lq_call *call, int64_t blocks, bool broadcast,
                              const lq_tensor *t, int64_t elements, int64_t *stride) {
    const int rank = call->geometry.rank;
    if (broadcast && t->rank <= 1 && elements == 1) {
        memset(stride, 0, (size_t)rank * sizeof *stride);
        return LQ_OK;
    }
    bool same = t->rank == rank;
    for (int i = 0; i < rank && same; ++i) same = t->shape[i] == call->grid[i];
    if (same) {
        memcpy(stride, t->stride, (size_t)rank * sizeof *stride);
        return LQ_OK;
    }
    const bool flat = t->rank == 1 && t->shape[0] == blocks;
    if (!flat && !(t->rank == 0 && blocks == 1)) return LQ_ERROR_GRID;
    int64_t step = flat && blocks > 1 ? t->stride[0] : 0;
    for (int i = rank - 1; i >= 0; --i) {
        stride[i] = call->grid[i] > 1 ? step : 0;
        if (call->grid[i] > 1) step *= call->grid[i];
    }
    return LQ_OK;
}

static lq_status refuse_operand(const lq_arguments *a, const lq_call *call, lq_status status,
                                int operand) {
    return lq_refuse(call, status, a->signature->position[operand], -1);
}

/* Whether a tensor's type is one its place may have. */
LQ_INLINE bool type_fits(const lq_arguments *a, const lq_call *call, lq_operand operand,
                         const lq_type_info *type) {
    if (operand == LQ_CODES && a->signature->codes_are_reals) return type == call->type[LQ_X];
    /* Between accumulators and codes nothing is real but the multipliers. */
    if (operand == LQ_ZERO && a->signature->x_is_s32 && type->kind == LQ_KIND_REAL) return false;
    switch (operand) {
    case LQ_X: return type->kind == (a->signature->x_is_s32 ? LQ_KIND_WIDE : LQ_KIND_REAL);
    case LQ_SCALE:
        if (a->signature->scale_is_s32) return type->kind == LQ_KIND_WIDE;
        if (a->signature->x_is_s32) return type->kind == LQ_KIND_REAL;
        if (type->kind == LQ_KIND_REAL && !a->signature->output[LQ_SCALE]) return true;
        return lq_scale_fits(type, &call->rule, a->signature->output[LQ_SCALE]);
    case LQ_CODES: return type == call->rule.code;
    case LQ_OTHER: return type == call->type[LQ_X];
    case LQ_SCALE_OUT:
    case LQ_ZERO_OUT: return type->type == LQ_F32;
    case LQ_SHIFT: return type->kind != LQ_KIND_REAL && type->min <= LQ_LEAST_SHIFT;
    default: return lq_zero_fits(type, &call->rule, a->signature->output[LQ_ZERO]);
    }
}

/* Most calls have the first four, and need not ask for the others. */
static int operands_of(const lq_arguments *a) {
    return a->signature->position[LQ_OTHER] || a->signature->position[LQ_SHIFT] ? LQ_OPERANDS
                                                                                : LQ_OTHER;
}

/* A zero point may be left out; written by an affine scheme, or a minimum, it may not. */
static bool is_missing(const lq_arguments *a, const lq_call *call, int o) {
    const bool needed = o != LQ_ZERO || call->rule.element.minimum ||
                        (a->signature->output[o] && call->rule.mapping == LQ_AFFINE);
    return a->signature->position[o] && needed && !a->signature->optional[o];
}

/* Compiled for each of the first operands. */
LQ_INLINE lq_status check_view(const lq_arguments *a, lq_call *call, int o, lq_span *span) {
    const lq_tensor *t = a->tensor[o];
    call->tensor[o] = t;
    call->type[o] = NULL;
    if (!t || !a->signature->position[o]) {
        span->begin = span->end = 0;
        return is_missing(a, call, o) ? refuse_operand(a, call, LQ_ERROR_NULL, o) : LQ_OK;
    }
    const lq_status status = lq_check_tensor(t, a->signature->output[o], span);
    if (status) return refuse_operand(a, call, status, o);
    call->type[o] = span->type;
    const bool fits = type_fits(a, call, (lq_operand)o, span->type);
    return fits ? LQ_OK : refuse_operand(a, call, LQ_ERROR_TYPE, o);
}

static lq_status check_views(const lq_arguments *a, lq_call *call, int operands, lq_span *span) {
    lq_status status = check_view(a, call, LQ_X, &span[LQ_X]);
    if (!status) status = check_view(a, call, LQ_CODES, &span[LQ_CODES]);
    if (!status) status = check_view(a, call, LQ_SCALE, &span[LQ_SCALE]);
    if (!status) status = check_view(a, call, LQ_ZERO, &span[LQ_ZERO]);
    for (int o = operands; o < LQ_OPERANDS; ++o) call->type[o] = NULL;
    for (int o = LQ_OTHER; o < operands && !status; ++o) {
        status = check_view(a, call, o, &span[o]);
    }
    return status;
}

lq_status lq_check_overlap(const lq_tensor *in, lq_span in_span, const lq_tensor *out,
                           lq_span out_span, bool *forward_only) {
    *forward_only = false;
    if (!lq_spans_meet(in_span, out_span)) return LQ_OK;
    const lq_in_place in_place = lq_may_replace(in, out);
    *forward_only = in_place == LQ_IN_PLACE_NARROWER;
    return in_place == LQ_IN_PLACE_NO ? LQ_ERROR_OVERLAP : LQ_OK;
}

static bool outputs_meet(const lq_arguments *a, int operands, const lq_span *span) {
    for (int i = 0; i < operands; ++i) {
        if (!a->signature->output[i]) continue;
        for (int k = 0; k < operands; ++k) {
            if (k != i && lq_spans_meet(span[i], span[k])) return true;
        }
    }
    return false;
}

/*
 * Which pairs may share memory, and how: x and codes (or what is read beside x) in place, parameters
 * and codes as records.
 */
static lq_status check_overlaps(const lq_arguments *a, lq_call *call, int operands,
                                const lq_span *span) {
    if (!outputs_meet(a, operands, span)) return LQ_OK;
    for (int i = 0; i < operands; ++i) {
        if (!call->type[i]) continue;
        for (int k = i + 1; k < operands; ++k) {
            lq_status status = LQ_OK;
            if (!call->type[k]) continue;
            if (!a->signature->output[i] && !a->signature->output[k]) continue;
            if (!lq_spans_meet(span[i], span[k])) continue;
            if (lq_of_elements(i) && lq_of_elements(k)) {
                const int in = a->signature->output[i] ? k : i;
                const int out = a->signature->output[i] ? i : k;
                bool forward_only;
                status = lq_check_overlap(a->tensor[in], span[in], a->tensor[out], span[out],
                                          &forward_only);
                call->forward_only = call->forward_only || forward_only;
            } else if (i == LQ_X || !lq_interleaved(a->tensor[i], a->tensor[k])) {
                status = LQ_ERROR_OVERLAP;
            }
            if (status) return refuse_operand(a, call, status, a->signature->output[k] ? k : i);
        }
    }
    return LQ_OK;
}

/* ------------------------------------------------------------------------ runs */

/* So many elements in memory from offset 0; else false. */
LQ_INLINE bool take_elements(const lq_tensor *t, int64_t n, lq_span *span) {
    const lq_type_info *type = lq_type_find(t->type);
    const uintptr_t base = (uintptr_t)t->data;
    const uint64_t bytes = ((uint64_t)n * ((uint32_t)t->type & 0xff) + 7) / 8;
    if (LQ_RARELY(!type || t->offset || !base || (int64_t)bytes > t->size)) return false;
    if (LQ_RARELY((uint64_t)t->size > UINTPTR_MAX - base)) return false;
    span->begin = base;
    span->end = base + (uintptr_t)bytes;
    span->type = type;
    return true;
}

LQ_INLINE bool take_operand(const lq_arguments *a, lq_call *call, lq_operand o, int64_t n,
                            lq_span *span) {
    if (LQ_RARELY(!take_elements(a->tensor[o], n, span))) return false;
    call->tensor[o] = a->tensor[o];
    call->type[o] = span->type;
    return type_fits(a, call, o, span->type);
}

/* How many elements two tensors of one shape have; 0 where one is not dense, or empty. */
LQ_INLINE int64_t dense_elements(const lq_tensor *a, const lq_tensor *b) {
    enum { HUGE_BITS = 55 }; /* times any width that is no overflow */
    int64_t n = 1;
    if (LQ_RARELY((uint32_t)a->rank > LQ_MAX_RANK || a->rank != b->rank)) return 0;
    for (int i = a->rank - 1; i >= 0; --i) {
        const int64_t dim = a->shape[i];
        if (LQ_RARELY(dim != b->shape[i])) return 0;
        if (dim == 1) continue;
        if (LQ_RARELY(dim <= 0 || a->stride[i] != n || b->stride[i] != n)) return 0;
        if (LQ_RARELY(__builtin_mul_overflow(n, dim, &n))) return 0;
    }
    return (uint64_t)n >> HUGE_BITS ? 0 : n;
}

/* How many elements a block has where blocks of x follow each other, and x is dense; else 0. */
static int64_t elements_of_block(const lq_tensor *x, const lq_block *block, int64_t n) {
    const int last = x->rank - 1;
    int64_t extent = block->extent[0];
    if (LQ_RARELY(block->reserved)) return 0;
    switch (block->granularity) {
    case LQ_PER_TENSOR: return n;
    case LQ_PER_CHANNEL: return x->rank > 0 && block->axis == 0 ? n / x->shape[0] : 0;
    case LQ_PER_BLOCK:
        if (last < 0 || (block->axis != -1 && block->axis != last) || extent < 0) return 0;
        if (extent == 0 || extent > x->shape[last]) extent = x->shape[last];
        return x->shape[last] % extent ? 0 : extent;
    default: return 0;
    }
}

/* Whether a tensor has the shape of the grid; without gaps. */
static bool is_grid(const lq_arguments *a, const lq_call *call, const lq_tensor *t) {
    int64_t extent[LQ_MAX_RANK], grid[LQ_MAX_RANK], blocks;
    const lq_tensor *x = a->tensor[LQ_X];
    if (t->rank != x->rank) return false;
    if (lq_check_block(x, &a->scheme->block, extent, grid, &blocks)) return false;
    for (int i = 0; i < t->rank; ++i) {
        if (t->shape[i] != grid[i]) return false;
    }
    return dense_elements(t, t) * call->geometry.block == call->geometry.run;
}

/* An element for each block, or none where that means something; else false. */
LQ_INLINE bool take_parameters(const lq_arguments *a, lq_call *call, int o, int64_t blocks,
                               lq_span *span) {
    const lq_tensor *t = a->tensor[o];
    span->begin = span->end = 0;
    call->tensor[o] = t;
    call->type[o] = NULL;
    if (!t) return !is_missing(a, call, o);
    const bool flat = t->rank == 1 && t->shape[0] == blocks && (blocks == 1 || t->stride[0] == 1);
    if (!flat && (t->rank || blocks > 1) && !is_grid(a, call, t)) return false;
    if (LQ_RARELY(!take_elements(t, blocks, span))) return false;
    call->type[o] = span->type;
    return type_fits(a, call, (lq_operand)o, span->type);
}

/*
 * What most calls are: blocks that follow each other without gaps, parameters that do so too, each
 * in memory of its own. Of anything else, sound or not, the checks below say what it is.
 */
static bool take_run(const lq_arguments *a, lq_call *call) {
    const lq_tensor *const *t = a->tensor;
    const bool codes = a->signature->position[LQ_CODES] != 0;
    lq_geometry *g = &call->geometry;
    lq_span span[LQ_OTHER];
    if (LQ_RARELY(operands_of(a) != LQ_OTHER || call->sums)) return false;
    if (LQ_RARELY(!t[LQ_X] || (codes && !t[LQ_CODES]) || !t[LQ_SCALE])) return false;
    const int64_t n = dense_elements(t[LQ_X], codes ? t[LQ_CODES] : t[LQ_X]);
    const int64_t block = n ? elements_of_block(t[LQ_X], &a->scheme->block, n) : 0;
    const int64_t blocks = block == n ? 1 : block > 1 ? n / block : 0;
    if (LQ_RARELY(!block || !blocks || !take_operand(a, call, LQ_X, n, &span[LQ_X]))) return false;
    span[LQ_CODES] = (lq_span){.begin = 0};
    call->type[LQ_CODES] = NULL;
    call->elements = g->run = n;
    g->block = block;
    if (codes && LQ_RARELY(!take_operand(a, call, LQ_CODES, n, &span[LQ_CODES]))) return false;
    if (!take_parameters(a, call, LQ_SCALE, blocks, &span[LQ_SCALE])) return false;
    if (!take_parameters(a, call, LQ_ZERO, blocks, &span[LQ_ZERO])) return false;
    for (int i = LQ_X; i < LQ_OTHER; ++i) {
        for (int k = i + 1; k < LQ_OTHER; ++k) {
            if (LQ_RARELY(lq_spans_meet(span[i], span[k]))) return false;
        }
    }
    for (int o = LQ_OTHER; o < LQ_OPERANDS; ++o) call->type[o] = NULL;
    for (int o = 0; o < LQ_OPERANDS; ++o) g->origin[o] = 0;
    return true;
}

/* The same of two tensors alone. */
static bool take_pair(lq_call *call, const lq_tensor *in, lq_fits_fn *in_fits, const lq_tensor *out,
                      lq_fits_fn *out_fits) {
    lq_span a, b;
    if (LQ_RARELY(!in || !out)) return false;
    const int64_t n = dense_elements(in, out);
    if (LQ_RARELY(!n || !take_elements(in, n, &a) || !take_elements(out, n, &b))) return false;
    if (LQ_RARELY(lq_spans_meet(a, b) || !in_fits(a.type) || !out_fits(b.type))) return false;
    call->type[LQ_X] = a.type;
    call->type[LQ_CODES] = b.type;
    call->elements = call->run = n;
    return true;
}

lq_status lq_check_pair(lq_call *call, const lq_tensor *in, lq_fits_fn *in_fits,
                        const lq_tensor *out, lq_fits_fn *out_fits) {
    const lq_tensor *t[] = {in, out};
    lq_fits_fn *const fits[] = {in_fits, out_fits};
    lq_span span[2];
    lq_status status = LQ_OK;
    if (take_pair(call, in, in_fits, out, out_fits)) return LQ_OK;
    for (int i = 0; i < 2; ++i) {
        status = t[i] ? lq_check_tensor(t[i], i == 1, &span[i]) : LQ_ERROR_NULL;
        if (status) return lq_refuse(call, status, i + 1, -1);
        call->type[i] = span[i].type;
        if (!fits[i](call->type[i])) return lq_refuse(call, LQ_ERROR_TYPE, i + 1, -1);
    }
    call->elements = span[0].elements;
    call->run = span[0].dense && span[1].dense ? call->elements : 0;
    if (!lq_same_shape(in, out)) status = LQ_ERROR_SHAPE;
    if (!status) status = lq_check_overlap(in, span[0], out, span[1], &call->forward_only);
    return status ? lq_refuse(call, status, 2, -1) : LQ_OK;
}

/* Without strides: those of the axes and operands there are must be filled in. */
static void begin_geometry(lq_geometry *g, const lq_call *call, const lq_tensor *x, int operands) {
    g->rank = x->rank;
    g->shape = x->shape;
    g->extent = call->extent;
    g->grid = call->grid;
    g->operands = operands;
    g->run = 0;
    memset(g->origin, 0, sizeof g->origin);
}

/* None where there is no tensor. */
static void set_strides(lq_geometry *g, int operand, const lq_tensor *t) {
    if (t) {
        memcpy(g->stride[operand], t->stride, sizeof g->stride[operand]);
    } else {
        memset(g->stride[operand], 0, sizeof g->stride[operand]);
    }
}

void lq_plain_geometry(lq_call *call, const lq_tensor *x, const lq_tensor *codes, int64_t run) {
    const lq_tensor *t[] = {x, codes};
    lq_geometry *g = &call->geometry;
    begin_geometry(g, call, x, LQ_CODES + 1);
    call->tensor[LQ_X] = x;
    call->tensor[LQ_CODES] = codes;
    g->leading = LQ_CODES;
    g->run = g->block = run;
    if (run) {
        for (int o = LQ_X; o <= LQ_CODES; ++o) g->origin[o] = t[o]->offset;
        return;
    }
    const lq_block all = {.granularity = LQ_PER_TENSOR};
    int64_t blocks;
    lq_check_block(x, &all, call->extent, call->grid, &blocks);
    /* Nobody has checked the strides of a tensor without elements. */
    const bool empty = lq_elements(x) == 0;
    for (int o = LQ_X; o <= LQ_CODES; ++o) {
        if (!empty) g->origin[o] = t[o]->offset;
        set_strides(g, o, empty ? NULL : t[o]);
    }
}

/* Whether elements follow each other without gaps in all tensors of x's shape. */
static bool all_dense(const lq_call *call, const lq_span *span) {
    bool dense = true;
    for (int o = LQ_X; o <= LQ_OTHER; ++o) {
        if (lq_of_elements(o)) dense &= !call->type[o] || span[o].dense;
    }
    return dense;
}

/* One element, where there is one block. */
static bool is_single(const lq_call *call, const lq_tensor *t, int64_t elements) {
    return elements == 1 && (t->rank <= 1 || t->rank == call->geometry.rank);
}

/* Of one block without gaps, whose elements need no strides. */
static lq_status check_run(const lq_arguments *a, lq_call *call, const lq_span *span) {
    for (int o = 0; o < call->geometry.operands; ++o) {
        if (!call->type[o]) continue;
        call->geometry.origin[o] = a->tensor[o]->offset;
        if (lq_of_elements(o) || is_single(call, a->tensor[o], span[o].elements)) continue;
        return refuse_operand(a, call, LQ_ERROR_GRID, o);
    }
    return LQ_OK;
}

static lq_status check_strides(const lq_arguments *a, lq_call *call, const lq_span *span,
                               int64_t blocks) {
    const lq_tensor *const *t = a->tensor;
    lq_geometry *g = &call->geometry;
    for (int o = 0; o < g->operands; ++o) {
        /* Nobody has checked the strides of a tensor without elements. */
        const bool absent = !call->type[o] || (call->elements == 0 && lq_of_elements(o));
        if (!absent) g->origin[o] = t[o]->offset;
        if (absent || lq_of_elements(o)) {
            set_strides(g, o, absent ? NULL : t[o]);
            continue;
        }
        const lq_status status = grid_strides(call, blocks, a->signature->broadcast, t[o],
                                              span[o].elements, g->stride[o]);
        if (status) return refuse_operand(a, call, status, o);
    }
    return LQ_OK;
}

static lq_status check_shapes(const lq_arguments *a, lq_call *call, int operands,
                              const lq_span *span) {
    const lq_tensor *const *t = a->tensor;
    const int leading = t[LQ_X] ? LQ_X : LQ_CODES;
    lq_geometry *g = &call->geometry;
    int64_t blocks;
    if (t[LQ_X] && t[LQ_CODES] && !lq_same_shape(t[LQ_X], t[LQ_CODES])) {
        return refuse_operand(a, call, LQ_ERROR_SHAPE, LQ_CODES);
    }
    if (call->type[LQ_OTHER] && !lq_same_shape(t[LQ_X], t[LQ_OTHER])) {
        return refuse_operand(a, call, LQ_ERROR_SHAPE, LQ_OTHER);
    }
    lq_status status =
        lq_check_block(t[leading], &a->scheme->block, call->extent, call->grid, &blocks);
    if (status) return lq_refuse(call, status, a->signature->scheme_position, -1);
    begin_geometry(g, call, t[leading], operands);
    g->leading = call->type[LQ_CODES] ? LQ_CODES : LQ_X;
    call->elements = span[leading].elements;
    if (blocks == 1 && all_dense(call, span)) g->run = g->block = call->elements;
    status = g->run ? check_run(a, call, span) : check_strides(a, call, span, blocks);
    if (status || !call->sums) return status;
    status =
        grid_strides(call, blocks, false, call->sums, lq_elements(call->sums), call->sums_stride);
    return status ? lq_refuse(call, status, a->signature->exec_position, -1) : LQ_OK;
}

/* The sums of codes are one more output; they may lie between codes, as parameters may. */
static lq_status check_sums(const lq_arguments *a, lq_call *call, const lq_span *span) {
    lq_span sums;
    if (!call->sums) return LQ_OK;
    lq_status status = lq_check_tensor(call->sums, true, &sums);
    if (!status && call->sums->type != LQ_S32) status = LQ_ERROR_TYPE;
    if (!status && !lq_has_integer_codes(&call->rule)) status = LQ_ERROR_TYPE;
    for (int o = 0; o < LQ_OPERANDS && !status; ++o) {
        if (!call->type[o] || !lq_spans_meet(sums, span[o])) continue;
        if (o == LQ_X || !lq_interleaved(a->tensor[o], call->sums)) status = LQ_ERROR_OVERLAP;
    }
    return status ? lq_refuse(call, status, a->signature->exec_position, -1) : LQ_OK;
}

lq_status lq_check_arguments(const lq_arguments *arguments, lq_call *call) {
    lq_span span[LQ_OPERANDS];
    lq_status status = begin(call, arguments->exec, arguments->signature->exec_position);
    if (!status &&
        (!arguments->signature->output[LQ_CODES] || arguments->signature->codes_are_reals)) {
        status = refuse_sums(call, arguments->signature->exec_position);
    }
    if (status) return status;
    status = lq_check_scheme(arguments->scheme, &call->rule);
    if (!status && arguments->signature->integer_codes && !lq_has_integer_codes(&call->rule)) {
        status = LQ_ERROR_TYPE;
    }
    if (!status && call->rule.table) lq_make_code_table(&call->rule, &call->table);
    if (status) return lq_refuse(call, status, arguments->signature->scheme_position, -1);
    if (take_run(arguments, call)) return LQ_OK;
    const int operands = operands_of(arguments);
    status = check_views(arguments, call, operands, span);
    if (!status) status = check_sums(arguments, call, span);
    if (status) return status;
    status = check_shapes(arguments, call, operands, span);
    if (status) return status;
    return check_overlaps(arguments, call, operands, span);
}

bool lq_is_far(const lq_call *call) {
    enum { NEAR = 1 << 20 }; /* bytes that caches of one core alone may hold */
    return lq_elements(call->tensor[LQ_X]) > NEAR / (call->type[LQ_X]->bits / 8);
}
