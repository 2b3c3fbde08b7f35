/* Training, and how well a network reads. */
#ifndef DIGITS_TRAIN_H
#define DIGITS_TRAIN_H

#include "network.h"

struct training {
    int epochs;
    int digits_per_epoch; /* a multiple of TRAIN_BATCH */
    float first_rate;
    uint64_t seed; /* of the digits */
};

/*
 * What lies between the weights and the network that reads digits with them. `see` fills the network
 * that the forward pass sees; `pass_back` turns its gradient into that of the weights. Both return
 * 0, or -1 to stop.
 */
struct lens {
    int (*see)(const void *context, const struct network *weights, struct network *seen);
    int (*pass_back)(const void *context, const struct network *weights, struct network *gradient);
    const void *context;
};

enum { TRAIN_BATCH = 32 };

/*
 * Trains a network on digits that are drawn as it goes, so that it never sees one twice; through
 * the lens, if there is one. The same training gives the same network. Reports each epoch on stderr.
 * Returns 0, or -1 where the lens did.
 */
int train(struct network *network, const struct training *training, const struct lens *lens);

/* Of the digits that accuracies are measured on. */
extern const uint64_t test_seed;

/* Which part of `count` fresh digits, always the same ones, it reads correctly: 0 to 1. */
double accuracy(const struct network *network, int count);

#endif
