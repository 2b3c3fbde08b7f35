/*
 * Scales and zero points of a batch of blocks from their ranges, stored and made ready for codes: all
 * at once by a kernel where it has the rule, else one by one.
 */
#include "choose.h"
#include "float_format.h"
#include "job.h"
#include <math.h>

/* One by one. */
static void choose_each(lq_job *j, const lq_batch *batch) {
    const lq_tensor *s = j->call->tensor[LQ_SCALE];
    const lq_tensor *z = j->call->type[LQ_ZERO] ? j->call->tensor[LQ_ZERO] : NULL;
    const lq_rule *rule = &j->call->rule;
    lq_parameters *p = &j->parameters;
    for (int64_t b = 0; b < batch->blocks; ++b) {
        const lq_choice choice = lq_choose(rule, s->type, j->lo[b], j->hi[b], j->first[b] < 0);
        p->scale[b] = choice.used;
        p->zero[b] = z ? choice.zero : rule->zero;
        p->center[b] = choice.real_zero;
        lq_store_real(s->type, s->data, batch->at[LQ_SCALE] + b * batch->step[LQ_SCALE],
                      choice.stored);
        if (!z) continue;
        const int64_t at = batch->at[LQ_ZERO] + b * batch->step[LQ_ZERO];
        lq_store_zero(rule, z, at, &choice);
        if (rule->element.minimum && rule->codes_from != LQ_FROM_STORED) continue;
        if (z->type == LQ_F16 || z->type == LQ_BF16) {
            p->center[b] = lq_load_real(z->type, z->data, at);
        } else if (z->type == LQ_F32 && !rule->real_zero) {
            p->center[b] = (float)choice.zero;
        }
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
    const bool absmax = r->mapping == LQ_SYMMETRIC || r->mapping == LQ_SYMMETRIC_HALF_RANGE;
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

/* Contiguous ones by the kernel that converts. */
static void store_reals(const lq_job *j, lq_operand operand, const lq_batch *batch,
                        const float *from) {
    const lq_tensor *t = j->call->tensor[operand];
    const lq_type_info *type = lq_type_find(t->type);
    if (type->kind != LQ_KIND_REAL || batch->step[operand] != 1) {
        lq_store_reals(t->type, t->data, batch->at[operand], batch->step[operand], batch->blocks,
                       from);
        return;
    }
    const lq_map_work work = {.x = (unsigned char *)from,
                              .codes =
                                  (unsigned char *)t->data + batch->at[operand] * (type->bits / 8),
                              .count = batch->blocks,
                              .rows = 1,
                              .limit = HUGE_VAL};
    j->call->kernels->convert[LQ_REAL_f32][type->index](&work);
}

/* Minimums, as they are stored too; codes know them from before or from after that. */
static void store_minimums(lq_job *j, const lq_batch *batch) {
    const lq_tensor *z = j->call->tensor[LQ_ZERO];
    const float largest = (float)lq_largest(z->type);
    lq_parameters *p = &j->parameters;
    float stored[LQ_BATCH];
    for (int64_t b = 0; b < batch->blocks; ++b) {
        const float v = p->center[b] < largest ? p->center[b] : largest;
        stored[b] = v > -largest ? v : -largest;
    }
    store_reals(j, LQ_ZERO, batch, stored);
    if (j->call->rule.codes_from != LQ_FROM_STORED) return;
    lq_load_reals(z->type, z->data, batch->at[LQ_ZERO], batch->step[LQ_ZERO], batch->blocks,
                  p->center);
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
    store_reals(j, LQ_SCALE, batch, stored);
    for (int64_t b = 0; b < batch->blocks; ++b) p->zero[b] = j->call->rule.zero;
    if (minimums) store_minimums(j, batch);
    return true;
}

void lq_choose_blocks(lq_job *j, const lq_batch *batch) {
    if (!choose_all(j, batch)) choose_each(j, batch);
    lq_prepare_for_codes(j->call, batch->blocks, j->call->rule.codes_from >= LQ_FROM_MULTIPLIER,
                         &j->parameters);
}
