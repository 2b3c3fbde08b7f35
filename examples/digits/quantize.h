/* The part of this example that calls libquant. */
#ifndef DIGITS_QUANTIZE_H
#define DIGITS_QUANTIZE_H

#include <libquant.h>

#include "network.h"

struct quantized {
    struct network network; /* weights: what the codes stand for; biases: as they were */
    int64_t bytes;          /* of codes, scales and biases */
    double sqnr_db;         /* signal to quantization noise of all weights together */
};

/* Quantizes the weights of each layer. Returns 0, or -1 after a message on stderr. */
int quantize_network(const struct network *network, const lq_scheme *scheme,
                     struct quantized *quantized);

#endif
