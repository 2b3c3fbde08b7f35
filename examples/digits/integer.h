/* Reading digits with integers: int8 products and int32 sums, as an inference engine does it. */
#ifndef DIGITS_INTEGER_H
#define DIGITS_INTEGER_H

#include <libquant.h>

#include "calibrate.h"
#include "network.h"

struct integer_network {
    /* One row and one scale for each output; few-bit codes stand in bytes here. */
    int8_t weights[WEIGHTS];
    float weight_scales[BIASES];
    int32_t
        weight_sums[BIASES]; /* of each row, for the zero points of what it is multiplied with */
    float biases[BIASES];
    /* For static use only: the codes of activations, and what calibration found for each layer. */
    lq_scheme activations;
    float input_scales[LAYERS];
    int32_t input_zeros[LAYERS];
    int32_t sums[BIASES];      /* what an output's sum begins with: bias and zero point */
    float multipliers[BIASES]; /* from an output's sum to the next layer's codes */
};

/* How activations become codes: with scales of their own for each image, or with calibrated ones. */
enum way { DYNAMIC, STATIC };

/* Quantizes the weights by the scheme. Returns 0, or -1 after a message on stderr. */
int integer_make(const struct network *network, const lq_scheme *scheme,
                 struct integer_network *integer);

/*
 * Makes it ready for static use, with activations as codes from 0 to `most` (up to 255) by scales
 * that a method finds in the statistics. Returns 0, or -1 after a message on stderr.
 */
int integer_calibrate(struct integer_network *integer, const struct statistics *statistics,
                      const lq_calibration *calibration, int32_t most);

/* Which part of `count` fresh digits, the same as accuracy's, it reads correctly; -1 on failure. */
double integer_accuracy(const struct integer_network *integer, enum way way, int count);

#endif
