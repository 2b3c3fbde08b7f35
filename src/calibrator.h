/*
 * The block of memory that a calibrator is: this struct, then an array for each figure that a
 * channel has, each at its offset, so that the block can be moved.
 */
#ifndef LQ_CALIBRATOR_H
#define LQ_CALIBRATOR_H

#include "kernels.h"
#include "tensor.h"
#include <stddef.h>

enum { LQ_MOST_MANTISSA_BITS = 10 };

struct lq_calibrator {
    uint64_t magic; /* of this layout */
    int64_t channels;
    int64_t bins; /* of a channel's histogram, or 0 */
    int32_t statistic;
    int32_t mantissa_bits;
    int32_t bin_sums;
    int32_t per_channel;
    int32_t axis;
    float averaging;
    uint64_t size; /* of the whole block */
    /* Offsets of the arrays; 0 where the statistic lacks one. */
    uint64_t lo, hi;               /* float */
    uint64_t moving_lo, moving_hi; /* float */
    uint64_t low_bits;             /* uint32_t: all dropped bits that were ever set */
    uint64_t pending;              /* uint32_t: values since the counters were folded */
    uint64_t sums;                 /* uint64_t a bin: of dropped bits */
    /*
     * A bin's count is carry * 2^32 and two counters of 32 bits, which values go to in turn:
     * neighbors are often equal, and would wait for each other's increment.
     */
    uint64_t counters; /* uint32_t[2] a bin */
    uint64_t carries;  /* uint8_t a bin */
};

/* Pointer to an array: of all channels, or to those of one. */
static inline void *lq_array(const lq_calibrator *c, uint64_t offset, int64_t element,
                             size_t size) {
    return (char *)(uintptr_t)c + offset + (size_t)element * size;
}

static inline float *lq_los(const lq_calibrator *c) {
    return lq_array(c, c->lo, 0, sizeof(float));
}
static inline float *lq_his(const lq_calibrator *c) {
    return lq_array(c, c->hi, 0, sizeof(float));
}
static inline float *lq_moving_los(const lq_calibrator *c) {
    return lq_array(c, c->moving_lo, 0, sizeof(float));
}
static inline float *lq_moving_his(const lq_calibrator *c) {
    return lq_array(c, c->moving_hi, 0, sizeof(float));
}
static inline uint32_t *lq_low_bits(const lq_calibrator *c) {
    return lq_array(c, c->low_bits, 0, sizeof(uint32_t));
}
static inline uint32_t *lq_pending(const lq_calibrator *c) {
    return lq_array(c, c->pending, 0, sizeof(uint32_t));
}
static inline uint32_t *lq_counters(const lq_calibrator *c, int64_t channel) {
    return lq_array(c, c->counters, channel * c->bins, 2 * sizeof(uint32_t));
}
static inline uint8_t *lq_carries(const lq_calibrator *c, int64_t channel) {
    return lq_array(c, c->carries, channel * c->bins, 1);
}
/* NULL where there are none. */
static inline uint64_t *lq_bin_sums(const lq_calibrator *c, int64_t channel) {
    return c->sums ? lq_array(c, c->sums, channel * c->bins, sizeof(uint64_t)) : NULL;
}

static inline int lq_dropped_bits(const lq_calibrator *c) {
    return 23 - c->mantissa_bits;
}

/* The most that a counter, and a sum of dropped bits, ever says. */
#define LQ_MOST_COUNT ((uint64_t)0xffffffffff)
#define LQ_MOST_SUM ((uint64_t)1 << 63)

static inline uint64_t lq_count_of(const lq_calibrator *c, int64_t channel, int64_t bin) {
    const uint32_t *pair = lq_counters(c, channel) + 2 * bin;
    const uint64_t count =
        ((uint64_t)lq_carries(c, channel)[bin] << 32) + pair[0] + (uint64_t)pair[1];
    return count < LQ_MOST_COUNT ? count : LQ_MOST_COUNT;
}

static inline uint64_t lq_sum_of(const lq_calibrator *c, int64_t channel, int64_t bin) {
    const uint64_t sum = lq_bin_sums(c, channel)[bin];
    return sum < LQ_MOST_SUM ? sum : LQ_MOST_SUM;
}

/* Makes the two counters of a bin as small as they can be. */
static inline void lq_set_count(const lq_calibrator *c, int64_t channel, int64_t bin,
                                uint64_t count) {
    uint32_t *pair = lq_counters(c, channel) + 2 * bin;
    lq_carries(c, channel)[bin] = (uint8_t)(count >> 32);
    pair[0] = (uint32_t)count / 2;
    pair[1] = (uint32_t)count - pair[0];
}

/* So many values may be added to a channel whose counters are folded. */
#define LQ_MOST_PENDING ((uint32_t)1 << 30)
void lq_fold(lq_calibrator *c, int64_t channel);

/* By the value's bits, or its key (kernels.h). */
static inline int64_t lq_bin_of(const lq_calibrator *c, uint32_t bits) {
    return (int64_t)(bits >> lq_dropped_bits(c));
}

/* The bytes that the block takes. */
static inline lq_span lq_calibrator_span(const lq_calibrator *c) {
    const lq_span span = {.begin = (uintptr_t)c, .end = (uintptr_t)c + (uintptr_t)c->size};
    return span;
}

static inline void lq_widen_range(const lq_calibrator *c, int64_t channel, float lo, float hi) {
    float *least = lq_los(c) + channel;
    float *most = lq_his(c) + channel;
    *least = lo < *least ? lo : *least;
    *most = hi > *most ? hi : *most;
}

/* LQ_ERROR_NULL, LQ_ERROR_STATE or LQ_OK. */
lq_status lq_check_calibrator(const lq_calibrator *c);

/* Checked options with defaults filled in, and the layout that they make. */
lq_status lq_plan_calibrator(const lq_calibrator_options *options, lq_calibrator *layout);

/* An empty calibrator with this layout. */
void lq_clear_calibrator(lq_calibrator *c, const lq_calibrator *layout);

void lq_tell_options(const lq_calibrator *c, lq_calibrator_options *options);

#endif
