/* Training, and how well a network reads. */
#ifndef DIGITS_TRAIN_H
#define DIGITS_TRAIN_H

#include "network.h"

struct training {
    int epochs;
    int digits_per_epoch; /* a multiple of TRAIN_BATCH */
};

enum { TRAIN_BATCH = 32 };

/*
 * Makes a network and trains it on digits that are drawn as it goes, so that it never sees one
 * twice. The same training gives the same network. Reports each epoch on stderr.
 */
void train(struct network *network, const struct training *training);

/* Which part of `count` fresh digits, always the same ones, it reads correctly: 0 to 1. */
double accuracy(const struct network *network, int count);

#endif
