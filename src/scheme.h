/* Schemes: what a caller's scheme comes to. */
#ifndef LQ_SCHEME_H
#define LQ_SCHEME_H

#include "numeric.h"
#include "types.h"

/* A checked scheme. */
typedef struct lq_rule {
    lq_mapping mapping;
    const lq_type_info *code;
    int32_t qmin, qmax;         /* what parameters are computed for */
    int32_t code_min, code_max; /* what codes are clamped to */
    int32_t zero;               /* the zero point where none is given */
    int32_t middle;             /* the zero point of a symmetric scheme */
    double steps; /* the scale is the range, absmax or extreme value divided by this */
    /* Codes from values; `plain` where it is all as in a scheme without switches. */
    bool plain;
    lq_quotient quotient;
    lq_zero_place zero_place;
    lq_element_rule element;
    /* Parameters from ranges; in a scheme's order, so that they are moved at once. */
    lq_scale_source codes_from, zero_from;
    lq_arithmetic arithmetic;
    lq_range_rule range_rule;
    lq_degenerate degenerate;
    float scale_floor;
    lq_zero_rule zero_rule;
    lq_rounding zero_rounding;
    lq_tie tie;
    lq_scale_rounding scale_rounding;
    float scale_factor; /* never 0 */
    bool zero_scales;   /* a scale of 0 is legal */
    bool real_zero;     /* the zero point is chosen as a real number */
    /* Beyond integers: codes are those of `format`, of a table, or integers where both are NULL. */
    const lq_float_format *format;
    const float *table;
    double largest; /* the largest magnitude of such a code */
} lq_rule;

lq_status lq_check_scheme(const lq_scheme *scheme, lq_rule *rule);

/*
 * Writes a scheme to a caller's, which may be of an earlier version; STRUCT where that one has no
 * fields for what it says.
 */
lq_status lq_give_scheme(lq_scheme *scheme, size_t struct_size, const lq_scheme *value);

/* The scheme of a profile, as this version has it. */
lq_status lq_scheme_of_profile(lq_profile profile, lq_type code_type, const lq_block *block,
                               lq_scheme *scheme);

static inline bool lq_has_integer_codes(const lq_rule *rule) {
    return !rule->format && !rule->table;
}

/* The codes of a rule with a table. */
void lq_make_code_table(const lq_rule *rule, lq_code_table *table);

/* The block extents that a scheme means for x's shape, all at least 1; and the grid. */
lq_status lq_check_block(const lq_tensor *x, const lq_block *block, int64_t *extent, int64_t *grid,
                         int64_t *count);

/* The values of ggml's 4-bit codes by a table. */
extern const float lq_iq4_values[16];

#endif
