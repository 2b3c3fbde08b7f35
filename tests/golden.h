/* What the files of the golden program share: inputs, hashes, rows. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <stdint.h>

#include "libquant.h"

/* splitmix64, from a seed. */
void golden_seed(uint64_t seed);
uint32_t golden_random(void);

/* A new hash; what it has come to. */
void golden_begin(void);
uint64_t golden_hash(void);

/* Takes a value, or all bytes of a view, into the hash of the row at hand. */
void golden_add(uint64_t value, int bytes);
void golden_add_tensor(const lq_tensor *t);

/* One row: what `run` adds, on every level. */
void golden_row(const char *name, void (*run)(const void *context), const void *context);

/* The rows of calibrators, conversions and integer products, each in a file of its own. */
void golden_calibrators(void);
void golden_codes(void);
void golden_conversions(void);
void golden_encodings(void);
void golden_products(void);

#endif
