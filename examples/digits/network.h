/*
 * A network of three dense layers: an image in, a score per digit out.
 *
 *     image (256) -> fc1 -> ReLU (128) -> fc2 -> ReLU (64) -> fc3 -> scores (10)
 */
#ifndef DIGITS_NETWORK_H
#define DIGITS_NETWORK_H

#include "glyphs.h"

enum {
    LAYERS = 3,
    HIDDEN_1 = 128,
    HIDDEN_2 = 64,
    CLASSES = 10,
    WEIGHTS = IMAGE_PIXELS * HIDDEN_1 + HIDDEN_1 * HIDDEN_2 + HIDDEN_2 * CLASSES,
    BIASES = HIDDEN_1 + HIDDEN_2 + CLASSES
};

/* The weights of a layer are a row-major matrix of outputs x inputs. */
struct layer {
    const char *name;
    int inputs;
    int outputs;
    int weights; /* where its weights begin in network.weights */
    int biases;  /* where its biases begin in network.biases */
};

extern const struct layer network_layers[LAYERS];

/* Parameters, or anything of which there is one per parameter, such as their gradients. */
struct network {
    float weights[WEIGHTS];
    float biases[BIASES];
};

/* What each layer gives for one image. ReLU is already applied, except to the scores. */
struct activations {
    float hidden_1[HIDDEN_1];
    float hidden_2[HIDDEN_2];
    float scores[CLASSES];
};

/* Random weights, of a size that keeps activations near 1; biases of 0. */
void network_init(struct network *network, struct random *random);

void network_forward(const struct network *network, const float image[IMAGE_PIXELS],
                     struct activations *activations);

/* The digit with the highest score; of an image's scores, and for an image. */
int highest_score(const float scores[CLASSES]);
int network_classify(const struct network *network, const float image[IMAGE_PIXELS]);

/*
 * Adds to `gradient` that of the cross-entropy loss for one image, whose activations are from
 * network_forward. Returns the loss.
 */
float network_backward(const struct network *network, const float image[IMAGE_PIXELS],
                       const struct activations *activations, int digit, struct network *gradient);

/* One step of gradient descent with momentum. Clears the gradient. */
void network_step(struct network *network, struct network *velocity, struct network *gradient,
                  float rate, float momentum);

#endif
