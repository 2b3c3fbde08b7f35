/* The arguments of random cases: what differential.h runs. */
#ifndef RANDOM_CASES_H
#define RANDOM_CASES_H

#include "differential.h"

/* Arguments for c->operation on tensors of that shape. */
void make_case(struct test_case *c, int32_t rank, const int64_t *shape);

/* Records: the scale, the zero point and the codes of a row side by side, row after row. */
void make_record_case(struct test_case *c);

/* Parameters that a call reads: calibrated ones or any that are legal. */
void fill_parameters(struct test_case *c, int calibrated);

/* An output of that type in its input's memory, where that is allowed. */
lq_tensor in_place(struct arena *a, const lq_tensor *input, lq_type type);

#endif
