#include "quantize.h"

#include <stdio.h>

/*
 * Quantizes one matrix of weights and turns the codes back into real values. Adds to `bytes` what
 * codes and scales take.
 *
 * The library allocates nothing: codes and scales are memory of the caller, looked at through
 * views. The codes of a real application would stay, and the float weights would be freed.
 */
static lq_status quantize_matrix(const float *in, int rows, int columns, const lq_scheme *scheme,
                                 float *out, int64_t *bytes) {
    /* Enough for any scheme of up to 8 bits, and a scale for each weight. */
    static uint8_t code_memory[WEIGHTS];
    static uint16_t scale_memory[WEIGHTS];

    lq_tensor weights = lq_matrix(in, LQ_F32, rows, columns);
    lq_tensor codes = lq_matrix(code_memory, scheme->code_type, rows, columns);
    lq_tensor restored = lq_matrix(out, LQ_F32, rows, columns);
    lq_tensor scales;
    int64_t grid[LQ_MAX_RANK];
    int64_t blocks;
    lq_status status;

    /* How many scales there are follows from the shape and the scheme. */
    status = lq_grid_shape(&weights, scheme, grid, &blocks);
    if (status) return status;

    /* As float16 they take half the space; codes are computed from a scale as it is stored. */
    scales = lq_vector(scale_memory, LQ_F16, blocks);

    /* Chooses the scales and rounds the weights. A symmetric scheme needs no zero points. */
    status = lq_quantize_dynamic(&weights, scheme, &codes, &scales, NULL, NULL);
    if (status) return status;

    /* A view knows its size, densely packed codes included: four of 2 bits are one byte. */
    *bytes += codes.size + scales.size;

    return lq_dequantize(&codes, scheme, &scales, NULL, &restored, NULL);
}

/* The SQNR of all weights together, which stand one after the other in a network. */
static lq_status measure(const struct network *network, struct quantized *quantized) {
    lq_tensor before = lq_vector(network->weights, LQ_F32, WEIGHTS);
    lq_tensor after = lq_vector(quantized->network.weights, LQ_F32, WEIGHTS);
    lq_error error;
    lq_status status = lq_error_init(&error, sizeof error);

    if (!status) status = lq_measure_error(&before, &after, NULL, NULL, NULL, &error, NULL);
    if (!status) quantized->sqnr_db = error.sqnr_db;
    return status;
}

int quantize_network(const struct network *network, const lq_scheme *scheme,
                     struct quantized *quantized) {
    lq_status status = LQ_OK;

    quantized->network = *network;
    quantized->bytes = (int64_t)sizeof network->biases;
    for (int l = 0; l < LAYERS && !status; l++) {
        const struct layer *layer = &network_layers[l];

        status =
            quantize_matrix(network->weights + layer->weights, layer->outputs, layer->inputs,
                            scheme, quantized->network.weights + layer->weights, &quantized->bytes);
    }
    if (!status) status = measure(network, quantized);
    if (status) fprintf(stderr, "digits: cannot quantize: %s\n", lq_status_string(status));
    return status ? -1 : 0;
}
