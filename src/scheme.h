/* Schemes: what a caller's scheme comes to, and scale and zero point from a range. */
#ifndef LQ_SCHEME_H
#define LQ_SCHEME_H

#include "types.h"

/* A checked scheme. */
typedef struct lq_rule {
    lq_mapping mapping;
    const lq_type_info *code;
    int32_t qmin, qmax; /* what codes are clamped to */
    int32_t zero;       /* the zero point where none is given */
    double steps;       /* the scale is the range, absmax or extreme value divided by this */
} lq_rule;

lq_status lq_check_scheme(const lq_scheme *scheme, lq_rule *rule);

/* The block extents that a scheme means for x's shape, all at least 1; and the grid. */
lq_status lq_check_block(const lq_tensor *x, const lq_block *block, int64_t *extent, int64_t *grid,
                         int64_t *count);

/*
 * Scale and zero point for a block with finite values in [lo, hi]; lo > hi where there are
 * none. `negative_first` breaks the tie of the full-range mapping.
 */
void lq_choose(const lq_rule *rule, lq_type scale_type, float lo, float hi, bool negative_first,
               float *scale, int32_t *zero);

#endif
