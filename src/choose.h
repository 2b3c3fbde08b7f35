/* Scale and zero point from a range. */
#ifndef LQ_CHOOSE_H
#define LQ_CHOOSE_H

#include "scheme.h"
#include "tensor.h"

typedef struct lq_choice {
    float stored; /* the scale as its type holds it */
    float used;   /* what codes are computed with: the scale, or a multiplier */
    int32_t zero;
    float real_zero; /* the zero point of a scheme with real ones, before it is stored */
} lq_choice;

/*
 * For a block with finite values in [lo, hi]; lo > hi where there are none. `negative_first` breaks
 * the tie of the full-range mapping.
 */
lq_choice lq_choose(const lq_rule *rule, lq_type scale_type, float lo, float hi,
                    bool negative_first);

/* From a range alone, where nobody knows which end came first; the rule may still say. */
static inline lq_choice lq_choose_for_range(const lq_rule *rule, lq_type scale_type, float lo,
                                            float hi) {
    return lq_choose(rule, scale_type, lo, hi, rule->tie == LQ_TIE_NEGATIVE);
}

/* A scale as codes and values use it. */
static inline float lq_scale_of(const lq_rule *rule, float stored) {
    return stored * rule->scale_factor;
}

/* What the values of neighboring codes differ by; 0 where there is no scale. */
static inline double lq_step_of(const lq_rule *rule, const lq_choice *choice) {
    const double stored = (double)lq_scale_of(rule, choice->stored);
    return rule->quotient == LQ_QUOTIENT_MULTIPLIER && stored != 0 ? 1 / stored : stored;
}

/* A zero point into a tensor of any type, element `at`. */
void lq_store_zero(const lq_rule *rule, const lq_tensor *zero_point, int64_t at,
                   const lq_choice *chosen);

/* Whether a type is one that scales, or zero points, of the rule may have: read, or written. */
bool lq_scale_fits(const lq_type_info *type, const lq_rule *rule, bool written);
static inline bool lq_zero_fits(const lq_type_info *type, const lq_rule *rule, bool written) {
    const bool affine = rule->mapping == LQ_AFFINE;
    if (!lq_has_integer_codes(rule)) return false;
    if (type->kind == LQ_KIND_REAL) return affine;
    if (type->kind != LQ_KIND_CODE && type->kind != LQ_KIND_WIDE) return false;
    if (rule->element.minimum || (written && affine && rule->real_zero)) return false;
    return type->min <= rule->qmin && type->max >= rule->qmax;
}

/* The same of a tensor to be written: a parameter, or else an end of a range. */
static inline bool lq_choice_fits(const lq_tensor *t, bool parameter, bool zero_point,
                                  const lq_rule *rule) {
    const lq_type_info *type = lq_type_find(t->type);
    if (!parameter) return type->kind == LQ_KIND_REAL;
    return zero_point ? lq_zero_fits(type, rule, true) : lq_scale_fits(type, rule, true);
}

/* A choice as element `index`, in row-major order; the zero point may be NULL. */
void lq_store_choice(const lq_rule *rule, const lq_choice *chosen, int64_t index,
                     const lq_tensor *scale, const lq_tensor *zero_point);

#endif
