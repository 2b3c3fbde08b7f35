#include "aware.h"

#include <stdio.h>

/* A layer's weights, and the scales of its outputs, as the library looks at them. */
struct matrix {
    lq_tensor real, seen, gradient, scales;
};

static float scale_memory[BIASES];

static struct matrix matrix_of(int l, const struct network *real, const struct network *seen,
                               const struct network *gradient) {
    const struct layer *layer = &network_layers[l];
    int rows = layer->outputs, columns = layer->inputs, at = layer->weights;

    return (struct matrix){lq_matrix(real->weights + at, LQ_F32, rows, columns),
                           lq_matrix(seen->weights + at, LQ_F32, rows, columns),
                           lq_matrix(gradient->weights + at, LQ_F32, rows, columns),
                           lq_vector(scale_memory + layer->biases, LQ_F32, rows)};
}

/*
 * What the forward pass sees: each weight as the value of its code. Scales follow the weights, so
 * that they are chosen anew for every batch.
 */
static int see(const void *context, const struct network *real, struct network *seen) {
    const lq_scheme *scheme = context;
    lq_status status = LQ_OK;

    *seen = *real;
    for (int l = 0; l < LAYERS && !status; l++) {
        struct matrix m = matrix_of(l, real, seen, seen);

        status = lq_calibrate(&m.real, scheme, &m.scales, NULL, NULL);
        if (!status) status = lq_fake_quantize(&m.real, scheme, &m.scales, NULL, &m.seen, NULL);
    }
    if (status) fprintf(stderr, "digits: cannot quantize: %s\n", lq_status_string(status));
    return status ? -1 : 0;
}

/* Rounding has no slope, so the gradient passes straight through it to the weights themselves. */
static int pass_back(const void *context, const struct network *real, struct network *gradient) {
    const lq_scheme *scheme = context;
    lq_status status = LQ_OK;

    for (int l = 0; l < LAYERS && !status; l++) {
        struct matrix m = matrix_of(l, real, real, gradient);

        status = lq_fake_quantize_grad(&m.real, scheme, &m.scales, NULL, &m.gradient, &m.gradient,
                                       NULL, NULL, 1.0f, NULL);
    }
    if (status) fprintf(stderr, "digits: no gradient: %s\n", lq_status_string(status));
    return status ? -1 : 0;
}

int train_aware(struct network *network, const struct training *training, const lq_scheme *scheme) {
    const struct lens lens = {see, pass_back, scheme};

    return train(network, training, &lens);
}
