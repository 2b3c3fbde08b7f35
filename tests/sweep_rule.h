/*
 * Rules for elements other than the plain one, and what they must give for every float32: tables as
 * in sweep_oracle.h, found by bisection between codes, as every step of a rule is monotone.
 * Of the library only names of types are used.
 */
#ifndef SWEEP_RULE_H
#define SWEEP_RULE_H

#include "sweep_oracle.h"
#include "kernels.h"

typedef struct sweep_rule {
    const char *name; /* NULL: the plain rule */
    lq_element_rule element;
    bool inverse;    /* of the scale: what values are multiplied with */
    bool inside;     /* the zero point is added before rounding */
    float real_zero; /* inside, beside the integer zero point */
} sweep_rule;

enum { SWEEP_RULES = 20 };
extern const sweep_rule sweep_rules[SWEEP_RULES];

/* A rule with its parameters as kernels take them. */
typedef struct sweep_element {
    const sweep_rule *rule;
    float factor, offset;
    int32_t zero, qmin, qmax;
    bool fake; /* values of codes: (q - center) * back, or / back */
    float center, back;
    const sweep_table *narrow; /* of the precision, where that is not float32 */
    int fraction;
} sweep_element;

/* For a scale and a zero point; `narrow` has a table for each lq_real. False: not a legal scale. */
bool sweep_element_of(sweep_element *to, const sweep_rule *rule, const sweep_table *narrow,
                      float scale, int32_t zero, int32_t qmin, int32_t qmax, bool fake);

void sweep_rule_table(sweep_table *table, const sweep_element *element);

#endif
