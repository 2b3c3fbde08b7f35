/* What ranges of rows are folded to, a pair of values at a time. */
#ifndef LQ_LOOPS_FOLD_H
#define LQ_LOOPS_FOLD_H

typedef enum {
    FOLD_LOWEST,
    FOLD_HIGHEST,
    FOLD_BITS /* what is larger as int32: the larger magnitude, or NaN */
} fold;

#endif
