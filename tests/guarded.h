/* Memory between two pages that cannot be touched. */
#ifndef GUARDED_H
#define GUARDED_H

#include <stddef.h>
#include <stdint.h>

typedef struct guarded {
    unsigned char *begin; /* the first accessible byte */
    unsigned char *end;   /* one past the last */
    void *mapping;
    size_t mapped;
} guarded;

/* At least `size` bytes; aborts where the system refuses. */
guarded guarded_new(size_t size);
void guarded_free(guarded *g);

/* xoshiro256**: the tests' own random numbers, the same everywhere. */
void random_seed(uint64_t seed);
uint64_t random_bits(void);
uint32_t random_below(uint32_t n);

/* LQ_SEED from the environment, else the clock; printed so that a failure can be replayed. */
uint64_t seed_from_environment(void);

#endif
