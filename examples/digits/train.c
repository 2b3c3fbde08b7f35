#include "train.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Not one of training: nothing that a network is tested on has been seen. */
const uint64_t test_seed = 2;

static const float momentum = 0.9f;

/* Adds the gradient of one batch of new digits. Returns the sum of the losses. */
static double train_batch(const struct network *network, struct random *random,
                          struct network *gradient) {
    double loss = 0.0;

    for (int i = 0; i < TRAIN_BATCH; i++) {
        struct activations activations;
        float image[IMAGE_PIXELS];
        int digit = random_below(random, CLASSES);

        glyph_draw(digit, random, image);
        network_forward(network, image, &activations);
        loss += (double)network_backward(network, image, &activations, digit, gradient);
    }
    return loss;
}

int train(struct network *network, const struct training *training, const struct lens *lens) {
    /* Static, as these are too large for a small stack. */
    static struct network velocity;
    static struct network gradient;
    static struct network seen;
    struct random random = {training->seed};
    int batches = training->digits_per_epoch / TRAIN_BATCH;
    int steps = training->epochs * batches;
    clock_t start = clock();

    memset(&velocity, 0, sizeof velocity);
    memset(&gradient, 0, sizeof gradient);
    for (int epoch = 0; epoch < training->epochs; epoch++) {
        double loss = 0.0;

        for (int batch = 0; batch < batches; batch++) {
            /* The rate falls to 0 in a straight line, which settles the network at the end. */
            int left = steps - epoch * batches - batch;
            float rate = training->first_rate * (float)left / (float)steps;

            if (lens && lens->see(lens->context, network, &seen)) return -1;
            loss += train_batch(lens ? &seen : network, &random, &gradient);
            if (lens && lens->pass_back(lens->context, network, &gradient)) return -1;
            network_step(network, &velocity, &gradient, rate / (float)TRAIN_BATCH, momentum);
        }
        fprintf(stderr, "epoch %2d of %d   loss %.4f   %4.1f s\n", epoch + 1, training->epochs,
                loss / (double)(batches * TRAIN_BATCH),
                (double)(clock() - start) / (double)CLOCKS_PER_SEC);
    }
    return 0;
}

double accuracy(const struct network *network, int count) {
    struct random random = {test_seed};
    int right = 0;

    for (int i = 0; i < count; i++) {
        float image[IMAGE_PIXELS];

        glyph_draw(i % CLASSES, &random, image);
        right += network_classify(network, image) == i % CLASSES;
    }
    return (double)right / (double)count;
}
