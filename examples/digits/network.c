#include "network.h"

#include <math.h>
#include <string.h>

/* Where the layers' weights begin. */
enum { FC1 = 0, FC2 = FC1 + IMAGE_PIXELS * HIDDEN_1, FC3 = FC2 + HIDDEN_1 * HIDDEN_2 };

const struct layer network_layers[LAYERS] = {
    {"fc1", IMAGE_PIXELS, HIDDEN_1, FC1, 0},
    {"fc2", HIDDEN_1, HIDDEN_2, FC2, HIDDEN_1},
    {"fc3", HIDDEN_2, CLASSES, FC3, HIDDEN_1 + HIDDEN_2},
};

void network_init(struct network *network, struct random *random) {
    memset(network, 0, sizeof *network);
    for (int l = 0; l < LAYERS; l++) {
        const struct layer *layer = &network_layers[l];
        float *weights = network->weights + layer->weights;
        float deviation = sqrtf(2.0f / (float)layer->inputs);

        for (int i = 0; i < layer->inputs * layer->outputs; i++)
            weights[i] = deviation * random_normal(random);
    }
}

/* Sixteen sums side by side, which a compiler may turn into vector instructions. */
static float dot(const float *a, const float *b, int n) {
    float sums[16] = {0};
    float sum = 0.0f;

    for (int i = 0; i < n; i += 16)
        for (int j = 0; j < 16; j++) sums[j] += a[i + j] * b[i + j];
    for (int j = 0; j < 16; j++) sum += sums[j];
    return sum;
}

static void add_scaled(float *y, float factor, const float *x, int n) {
    for (int i = 0; i < n; i++) y[i] += factor * x[i];
}

static void layer_forward(const struct network *network, int l, const float *in, float *out) {
    const struct layer *layer = &network_layers[l];
    const float *weights = network->weights + layer->weights;
    const float *biases = network->biases + layer->biases;

    for (int o = 0; o < layer->outputs; o++)
        out[o] = biases[o] + dot(weights + o * layer->inputs, in, layer->inputs);
}

static void relu(float *values, int n) {
    for (int i = 0; i < n; i++) values[i] = values[i] > 0.0f ? values[i] : 0.0f;
}

void network_forward(const struct network *network, const float image[IMAGE_PIXELS],
                     struct activations *activations) {
    layer_forward(network, 0, image, activations->hidden_1);
    relu(activations->hidden_1, HIDDEN_1);
    layer_forward(network, 1, activations->hidden_1, activations->hidden_2);
    relu(activations->hidden_2, HIDDEN_2);
    layer_forward(network, 2, activations->hidden_2, activations->scores);
}

int highest_score(const float scores[CLASSES]) {
    int best = 0;

    for (int i = 1; i < CLASSES; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

int network_classify(const struct network *network, const float image[IMAGE_PIXELS]) {
    struct activations activations;

    network_forward(network, image, &activations);
    return highest_score(activations.scores);
}

/*
 * From the gradient of a layer's outputs to those of its parameters and, unless NULL, its inputs.
 * The inputs are what a ReLU gave: where it cut off, nothing flows back.
 */
static void layer_backward(const struct network *network, int l, const float *in,
                           const float *out_gradient, float *in_gradient,
                           struct network *gradient) {
    const struct layer *layer = &network_layers[l];
    int n = layer->inputs;

    if (in_gradient) memset(in_gradient, 0, (size_t)n * sizeof in_gradient[0]);
    for (int o = 0; o < layer->outputs; o++) {
        int row = layer->weights + o * n;

        if (out_gradient[o] == 0.0f) continue;
        gradient->biases[layer->biases + o] += out_gradient[o];
        add_scaled(gradient->weights + row, out_gradient[o], in, n);
        if (in_gradient) add_scaled(in_gradient, out_gradient[o], network->weights + row, n);
    }
    for (int i = 0; in_gradient && i < n; i++)
        if (in[i] <= 0.0f) in_gradient[i] = 0.0f;
}

/* Scores become their gradient, softmax - target. Returns the cross-entropy. */
static float loss_gradient(float scores[CLASSES], int digit) {
    float highest = scores[0];
    float sum = 0.0f;
    float loss;

    for (int i = 1; i < CLASSES; i++) highest = fmaxf(highest, scores[i]);
    loss = highest - scores[digit];
    for (int i = 0; i < CLASSES; i++) {
        scores[i] = expf(scores[i] - highest);
        sum += scores[i];
    }
    for (int i = 0; i < CLASSES; i++) scores[i] /= sum;
    scores[digit] -= 1.0f;
    return loss + logf(sum);
}

float network_backward(const struct network *network, const float image[IMAGE_PIXELS],
                       const struct activations *activations, int digit, struct network *gradient) {
    struct activations back = *activations;
    float loss = loss_gradient(back.scores, digit);

    layer_backward(network, 2, activations->hidden_2, back.scores, back.hidden_2, gradient);
    layer_backward(network, 1, activations->hidden_1, back.hidden_2, back.hidden_1, gradient);
    layer_backward(network, 0, image, back.hidden_1, NULL, gradient);
    return loss;
}

static void descend(float *values, float *velocity, float *gradient, int n, float rate,
                    float momentum) {
    for (int i = 0; i < n; i++) {
        velocity[i] = momentum * velocity[i] - rate * gradient[i];
        values[i] += velocity[i];
        gradient[i] = 0.0f;
    }
}

void network_step(struct network *network, struct network *velocity, struct network *gradient,
                  float rate, float momentum) {
    descend(network->weights, velocity->weights, gradient->weights, WEIGHTS, rate, momentum);
    descend(network->biases, velocity->biases, gradient->biases, BIASES, rate, momentum);
}
