/*
 * Scales and zero points of a batch of blocks from their ranges, stored and made ready for codes: all
 * at once by a kernel where it has the rule, else one by one.
 */
#include "choose.h"
#include "float_format.h"
#include "job.h"
#include "strided.h"
#include <math.h>

void lq_choose_one(const lq_call *call, int64_t scale_at, int64_t zero_at, float lo, float hi,
                   bool negative_first, int64_t b, lq_parameters *p) {
    const lq_tensor *s = call->tensor[LQ_SCALE];
    const lq_tensor *z = call->type[LQ_ZERO] ? call->tensor[LQ_ZERO] : NULL;
    const lq_rule *rule = &call->rule;
    const lq_choice choice = lq_choose(rule, s->type, lo, hi, negative_first);
    p->scale[b] = choice.used;
    p->zero[b] = z ? choice.zero : rule->zero;
    p->center[b] = choice.real_zero;
    lq_store_real(s->type, s->data, scale_at, choice.stored);
    if (!z) return;
    lq_store_zero(rule, z, zero_at, &choice);
    if (rule->element.minimum && rule->codes_from != LQ_FROM_STORED) return;
    if (z->type == LQ_F16 || z->type == LQ_BF16) {
        p->center[b] = lq_load_real(z->type, z->data, zero_at);
    } else if (z->type == LQ_F32 && !rule->real_zero) {
        p->center[b] = (float)choice.zero;
    }
}

/* One by one. */
static void choose_each(lq_job *j, const lq_batch *batch) {
    for (int64_t b = 0; b < batch->blocks; ++b) {
        lq_choose_one(j->call, batch->at[LQ_SCALE] + b * batch->step[LQ_SCALE],
                      batch->at[LQ_ZERO] + b * batch->step[LQ_ZERO], j->lo[b], j->hi[b],
                      j->first[b] < 0, b, &j->parameters);
    }
}

/* ------------------------------------------------------------------ all at once */

/*
 * Whether the quotient may be rounded to float32 on the way. A double is wide enough to hide that
 * from float32 itself; so is what is left below float16, of quotients by these integers; and by a
 * power of two what is ordinary is not rounded at all.
 */
static bool may_round_twice(const lq_rule *r, lq_type type) {
    const double steps = r->steps < 0 ? -r->steps : r->steps;
    if ((double)(float)steps != steps) return false;
    const bool whole = steps == 127 || steps == 7 || steps == 255 || steps == 15 || steps == 8;
    return r->mapping != LQ_AFFINE && (type == LQ_F32 || (type == LQ_F16 && whole));
}

static bool to_real(const lq_rule *r, lq_type type, lq_choose_work *w) {
    if (r->scale_rounding != LQ_SCALE_NEAREST || r->scale_factor != 1.0f) return false;
    const bool one = r->degenerate == LQ_DEGENERATE_ONE && r->scale_floor == 0;
    const bool zero = r->degenerate == LQ_DEGENERATE_ZERO;
    if (!one && !zero && r->degenerate != LQ_DEGENERATE_ZERO_MIDDLE) return false;
    w->in_float = w->in_float || may_round_twice(r, type);
    switch (type) {
    case LQ_F32: w->as = LQ_SCALES_F32; return true;
    case LQ_F16: w->as = LQ_SCALES_F16; return true;
    case LQ_BF16: w->as = LQ_SCALES_BF16; return true;
    default: return false;
    }
}

static bool to_exponent(const lq_rule *r, lq_type type, lq_choose_work *w) {
    const double most = r->steps * (double)r->scale_factor;
    if (r->scale_rounding != LQ_SCALE_EXPONENT_FLOOR || type != LQ_E8M0 || !(most >= 1)) {
        return false;
    }
    const bool one = r->degenerate == LQ_DEGENERATE_ONE && r->scale_floor == 0;
    if (!one && r->degenerate != LQ_DEGENERATE_SET) return false;
    w->as = LQ_SCALES_EXPONENT;
    w->exponent = lq_exponent_of(most);
    w->empty = lq_choose_for_range(r, type, 0.0f, 0.0f).stored;
    w->factor = r->scale_factor;
    return r->codes_from == LQ_FROM_STORED && !w->in_float;
}

static bool to_ue4m3(const lq_rule *r, lq_type type, lq_choose_work *w) {
    w->as = LQ_SCALES_UE4M3;
    return r->scale_rounding == LQ_SCALE_GGML_UE4M3 && type == LQ_E4M3 && w->in_float &&
           r->codes_from == LQ_FROM_STORED && r->degenerate == LQ_DEGENERATE_ZERO &&
           r->scale_factor == 1.0f;
}

/* Whether the kernel has the rule; and then what it wants to know of it. */
static bool describe(const lq_rule *r, lq_type type, lq_choose_work *w) {
    const bool absmax = lq_needs_magnitudes(r);
    if (r->quotient == LQ_QUOTIENT_MULTIPLIER) return false;
    if (r->codes_from == LQ_FROM_MULTIPLIER_AND_BACK) return false;
    if (r->arithmetic != LQ_ARITHMETIC_DOUBLE && r->arithmetic != LQ_ARITHMETIC_FLOAT) return false;
    w->in_float = r->arithmetic == LQ_ARITHMETIC_FLOAT;
    w->with_zero = r->range_rule == LQ_RANGE_WITH_ZERO;
    w->unrounded = r->codes_from == LQ_FROM_UNROUNDED;
    w->multiplier = r->codes_from == LQ_FROM_MULTIPLIER;
    w->zero_scales = r->zero_scales;
    w->steps = r->steps;
    w->numerator = absmax ? LQ_FROM_ABSMAX : LQ_FROM_EXTREME;
    if (r->mapping == LQ_AFFINE) {
        w->numerator = LQ_FROM_RANGE;
        if (!r->element.minimum || !w->in_float) return false;
    }
    return to_real(r, type, w) || (absmax && (to_exponent(r, type, w) || to_ue4m3(r, type, w)));
}

/* By the kernel that converts, and from there to places apart. */
static void store_reals(const lq_job *j, lq_operand operand, const lq_batch *batch, int64_t n,
                        const float *from) {
    const lq_tensor *t = j->call->tensor[operand];
    const lq_type_info *type = lq_type_find(t->type);
    const int64_t at = batch->at[operand], step = batch->step[operand];
    const int size = type->bits / 8;
    unsigned char buffer[LQ_BATCH * sizeof(float)];
    if (type->kind != LQ_KIND_REAL) {
        lq_store_reals(t->type, t->data, at, step, n, from);
        return;
    }
    const lq_map_work work = {.x = (unsigned char *)from,
                              .codes = step == 1 ? (unsigned char *)t->data + at * size : buffer,
                              .count = n,
                              .rows = 1,
                              .limit = HUGE_VAL};
    j->call->kernels->convert[LQ_REAL_f32][type->index](&work);
    if (step == 1) return;
    lq_scatter_panel(buffer, t->data, size,
                     &(lq_panel){.at = at, .rows = 1, .count = n, .step = step});
}

/* Minimums, as they are stored too; codes know them from before or from after that. */
static void store_minimums(lq_job *j, const lq_batch *batch, int64_t n) {
    const lq_tensor *z = j->call->tensor[LQ_ZERO];
    const float largest = (float)lq_largest(z->type);
    lq_parameters *p = &j->parameters;
    float stored[LQ_BATCH];
    for (int64_t b = 0; b < n; ++b) {
        const float v = p->center[b] < largest ? p->center[b] : largest;
        stored[b] = v > -largest ? v : -largest;
    }
    store_reals(j, LQ_ZERO, batch, n, stored);
    if (j->call->rule.codes_from != LQ_FROM_STORED) return;
    lq_load_reals(z->type, z->data, batch->at[LQ_ZERO], batch->step[LQ_ZERO], n, p->center);
}

static bool choose_all(lq_job *j, const lq_batch *batch) {
    enum { FEW = 8 };
    const lq_tensor *s = j->call->tensor[LQ_SCALE];
    const bool minimums = j->call->rule.element.minimum;
    lq_parameters *p = &j->parameters;
    float stored[LQ_BATCH];
    lq_choose_work work = {.lo = j->lo,
                           .hi = j->hi,
                           .negative_first = j->first,
                           .stored = stored,
                           .used = p->scale,
                           .low = p->center,
                           .n = batch->blocks};
    if (batch->blocks < FEW || (j->call->type[LQ_ZERO] && !minimums)) return false;
    if (!describe(&j->call->rule, s->type, &work)) return false;
    j->call->kernels->choose_scales(&work);
    store_reals(j, LQ_SCALE, batch, batch->blocks, stored);
    for (int64_t b = 0; b < batch->blocks; ++b) p->zero[b] = j->call->rule.zero;
    if (minimums) store_minimums(j, batch, batch->blocks);
    return true;
}

void lq_choose_blocks(lq_job *j, const lq_batch *batch) {
    if (!choose_all(j, batch)) choose_each(j, batch);
    lq_prepare_for_codes(j->call, batch->blocks, j->call->rule.codes_from >= LQ_FROM_MULTIPLIER,
                         &j->parameters);
}

/* -------------------------------------------------------- codes at the same time */

/* Whether a kernel has the call's rule and types; and then what it wants to know of them. */
static bool describe_all(const lq_job *j, lq_block_work *w) {
    const lq_call *call = j->call;
    const lq_rule *r = &call->rule;
    const bool multiplier = r->codes_from == LQ_FROM_MULTIPLIER;
    const bool minimums = r->element.minimum;
    if (call->type[LQ_X]->type != LQ_F32 || !lq_has_integer_codes(r) || j->map.counts) return false;
    if (j->map.code->bits != 8 && j->map.code->bits != 4) return false;
    if (call->type[LQ_ZERO] && (!minimums || r->codes_from == LQ_FROM_STORED)) return false;
    if (r->element.precision != LQ_REAL_f32 || (r->zero_scales && !r->element.multiply))
        return false;
    if (!describe(r, call->tensor[LQ_SCALE]->type, &w->choose) || !w->choose.in_float) return false;
    w->lower_first = r->tie != LQ_TIE_FIRST;
    w->inverts = r->quotient == LQ_QUOTIENT_RECIPROCAL && !multiplier;
    return w->choose.as == LQ_SCALES_F32 || w->choose.as == LQ_SCALES_F16;
}

typedef struct piece_work {
    const lq_map *map;
    lq_block_work *work;
    bool direct;
} piece_work;

static void take_piece(void *context, const lq_piece *piece) {
    piece_work *p = context;
    p->direct = lq_direct_work(p->map, piece, &p->work->map);
}

static lq_store_work place_reals(const lq_job *j, lq_operand operand, const lq_batch *batch) {
    const lq_tensor *t = j->call->tensor[operand];
    const lq_type_info *type = lq_type_find(t->type);
    const int64_t size = type->bits / 8;
    return (lq_store_work){.to = (unsigned char *)t->data + batch->at[operand] * size,
                           .step = batch->step[operand] * size,
                           .real = (lq_real)type->index,
                           .largest = (float)lq_largest(t->type)};
}

int64_t lq_quantize_blocks(lq_job *j, lq_batch *batch) {
    lq_block_work work = {.inverts = false};
    piece_work only = {.map = &j->map, .work = &work};
    if (batch->plan->spread != LQ_SPREAD_ROWS || batch->plan->inner_loops) return 0;
    if (batch->blocks < LQ_BLOCK_ROWS || !describe_all(j, &work)) return 0;
    j->parameters.zero[0] = j->call->rule.zero;
    lq_prepare_for_codes(j->call, 1, true, &j->parameters);
    lq_each_piece(batch, take_piece, &only);
    if (!only.direct) return 0;
    work.scales = place_reals(j, LQ_SCALE, batch);
    if (j->call->rule.element.minimum) work.minimums = place_reals(j, LQ_ZERO, batch);
    return j->call->kernels->quantize_blocks(&work, (lq_width)j->map.code->index);
}
