/*
 * Random cases of fake quantization and its gradients: views, profiles, switches and values; and the
 * code of a value a second time, from libquant.h alone.
 */
#ifndef FAKE_CASES_H
#define FAKE_CASES_H

#include "naive.h"
#include "random_views.h"

struct fake_case {
    struct arena arena;
    uint64_t seed;
    lq_scheme scheme;
    lq_tensor x, grad_y, grad_x, scale, zero_point, grad_scale, grad_zero;
    int has_zero_point;
    int64_t blocks;
    int in_place; /* grad_x is: 0 elsewhere, 1 x, 2 grad_y */
    float factor;
};

/* The next case in c's arena, which is committed. */
void make_fake_case(struct fake_case *c, uint64_t seed);

/* What a case's block has; `center` is what is subtracted from its codes. */
struct fake_block {
    float scale;
    float center;
    int32_t low, high; /* of codes */
};

struct fake_block fake_block_of(const struct fake_case *c, int64_t block);

/* The code of x before it is clamped; what is not a number here is beyond any code. */
double fake_code(const struct fake_case *c, const struct fake_block *b, float x);

/* The value of a code in x's type. */
float fake_value(const struct fake_case *c, const struct fake_block *b, int32_t code);

void print_fake_case(const struct fake_case *c);

#endif
