/* Quantization-aware training: the network is trained as it will be when its weights are quantized. */
#ifndef DIGITS_AWARE_H
#define DIGITS_AWARE_H

#include <libquant.h>

#include "train.h"

/*
 * Goes on training a network with weights that the forward pass sees quantized by the scheme, with
 * one scale for each output. Returns 0, or -1 after a message on stderr.
 */
int train_aware(struct network *network, const struct training *training, const lq_scheme *scheme);

#endif
