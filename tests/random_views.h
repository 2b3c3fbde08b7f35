/*
 * Random tensors for the differential tests. All views of a case lie in one arena that exists three
 * times: `before` holds what the inputs are, `expected` what the oracle makes of it and `actual`
 * what the library makes of it. Comparing the last two compares every byte that any view could
 * touch, those between and around the views included.
 */
#ifndef RANDOM_VIEWS_H
#define RANDOM_VIEWS_H

#include <stdint.h>

#include "libquant.h"

struct random_state {
    uint64_t state;
};

uint64_t random_bits(struct random_state *r);
int64_t random_in(struct random_state *r, int64_t low, int64_t high); /* both included */
int random_one_in(struct random_state *r, int64_t n);

/* The seed of LQ_SEED, or a fixed one. */
uint64_t random_seed(void);

enum { ARENA_SIZE = 1 << 22 };

struct arena {
    struct random_state random;
    uint8_t *before;
    uint8_t *expected;
    uint8_t *actual;
    int64_t used;
    /* Not 0: the next views are row-major with axis i in room for span[i], as padded rows are. */
    int64_t span[LQ_MAX_RANK];
};

void arena_open(struct arena *a);
void arena_close(struct arena *a);

/* Empties the arena and fills `before` with noise. */
void arena_reset(struct arena *a, uint64_t seed);

/* Copies `before` to the other two, once the inputs are in place. */
void arena_commit(struct arena *a);

/* Takes `size` bytes at an address of any alignment. */
uint8_t *arena_take(struct arena *a, int64_t size);

/* The same view in another of the three. */
lq_tensor arena_view(const struct arena *a, const lq_tensor *t, uint8_t *where);

enum view_style {
    VIEW_CONTIGUOUS = 0,
    VIEW_OUTPUT = 1, /* any strides by which no two elements meet */
    VIEW_INPUT = 2   /* any strides, 0 too */
};

/* A view with storage in `before`. */
lq_tensor random_view(struct arena *a, lq_type type, int32_t rank, const int64_t *shape,
                      enum view_style style);

/* A parameter tensor for a grid: of the grid's shape or a vector. */
lq_tensor random_parameters(struct arena *a, lq_type type, int32_t rank, const int64_t *grid,
                            int64_t count, enum view_style style);

/* Fills a real view with values that hurt; a fifth of the kinds is plain random. */
void random_values(struct arena *a, const lq_tensor *t);

int32_t random_shape(struct arena *a, int64_t *shape);
lq_block random_block(struct arena *a, int32_t rank, const int64_t *shape);
lq_scheme random_scheme(struct arena *a, int32_t rank, const int64_t *shape);
lq_type random_real_type(struct arena *a);
lq_type random_zero_point_type(struct arena *a, const lq_scheme *scheme);

void print_view(const char *name, const struct arena *a, const lq_tensor *t);
void print_scheme(const lq_scheme *scheme);

#endif
