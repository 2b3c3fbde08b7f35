/* Shapes, schemes and types as an input chooses them. */
#ifndef SCHEMES_H
#define SCHEMES_H

#include "choices.h"
#include "libquant.h"

/* At most MOST_ELEMENTS elements, and mostly a few; returns the rank. */
int32_t choose_shape(choices *in, int64_t *shape);

/* Sound ones mostly; with any value in any field where the case is hostile. */
lq_scheme choose_scheme(choices *in, int hostile, int32_t rank);

lq_type choose_real(choices *in);

/* Of any kind that the library knows, and now and then of none. */
lq_type choose_type(choices *in);

/* Mostly F32. */
lq_type choose_scale_type(choices *in);

#endif
