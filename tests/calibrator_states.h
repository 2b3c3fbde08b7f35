/*
 * What a calibrator holds, kept the plain way: a counter for each bin, one value at a time; and the
 * documented form of it as bytes, written and read with nothing shared with the library.
 */
#ifndef CALIBRATOR_STATES_H
#define CALIBRATOR_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libquant.h"

#define STATE_MOST_COUNT ((UINT64_C(1) << 40) - 1)
#define STATE_MOST_SUM (UINT64_C(1) << 63)

enum { STATE_HEADER = 32, STATE_CHECKSUM = 8 };

struct state_channel {
    float lo, hi, moving_lo, moving_hi;
    uint32_t low_bits;
    uint64_t *count, *sum; /* of each bin, by the upper bits of its floats */
};

struct state {
    lq_calibrator_options options; /* defaults filled in */
    int64_t channels, bins;
    struct state_channel *channel;
};

struct state_bytes {
    unsigned char *data;
    size_t size, room;
};

/* Empty. Options are sound. */
void state_init(struct state *s, const lq_calibrator_options *options);
void state_free(struct state *s);

/* A value; for moving averages, [lo, hi] of a batch's finite values, lo > hi where it has none. */
void state_add(struct state *s, int64_t channel, float v);
void state_add_batch(struct state *s, int64_t channel, float lo, float hi);
void state_merge(struct state *to, const struct state *from);

/* Into memory of exactly that size. */
struct state_bytes state_encode(const struct state *s);
/* False where these are not such bytes; bounds are checked, sense is not. */
bool state_decode(const unsigned char *bytes, size_t size, struct state *s);

/* Makes the checksum right. */
void state_seal(unsigned char *bytes, size_t size);
uint64_t state_hash(const unsigned char *bytes, size_t size);

/* The library's: a new one in memory of its exact size, and one as bytes of exact size. */
lq_calibrator *calibrator_new(const lq_calibrator_options *options, size_t *size);
struct state_bytes calibrator_bytes(const lq_calibrator *c);

#endif
