#include "calibrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 50, MOST = IMAGE_PIXELS, GLITCH_EVERY = 1000, GLITCHES = 4 };

static const float glitch = 50.0f; /* ink is 1 */

/* A calibrator is memory of the caller's: the library says how much, and allocates none. */
static lq_status make_calibrator(lq_statistic statistic, lq_calibrator **calibrator) {
    lq_calibrator_options options = lq_calibrate_per_tensor();
    size_t size = 0;
    lq_status status;

    options.statistic = statistic;
    status = lq_calibrator_size(&options, &size);
    if (status) return status;
    *calibrator = malloc(size);
    return lq_calibrator_init(*calibrator, size, &options);
}

static lq_status make_calibrators(struct statistics *statistics) {
    lq_status status = LQ_OK;

    memset(statistics, 0, sizeof *statistics);
    for (int l = 0; l < LAYERS && !status; l++) {
        status = make_calibrator(LQ_STATISTIC_HISTOGRAM, &statistics->histogram[l]);
        if (!status)
            status = make_calibrator(LQ_STATISTIC_MOVING_AVERAGE, &statistics->moving_average[l]);
    }
    return status;
}

/* Digits from `first` on, and what they make of the inputs of each layer. */
static void read_batch(const struct network *network, enum calibration_data data, int first,
                       struct random *digits, struct random *places,
                       float inputs[LAYERS][BATCH][MOST]) {
    for (int i = 0; i < BATCH; i++) {
        struct activations activations;
        float *image = inputs[0][i];

        glyph_draw((first + i) % CLASSES, digits, image);
        if (data == POLLUTED && (first + i) % GLITCH_EVERY == GLITCH_EVERY / 2)
            for (int g = 0; g < GLITCHES; g++) image[random_below(places, IMAGE_PIXELS)] = glitch;
        network_forward(network, image, &activations);
        memcpy(inputs[1][i], activations.hidden_1, sizeof activations.hidden_1);
        memcpy(inputs[2][i], activations.hidden_2, sizeof activations.hidden_2);
    }
}

static lq_status observe_batch(const struct statistics *statistics,
                               float inputs[LAYERS][BATCH][MOST]) {
    lq_status status = LQ_OK;

    for (int l = 0; l < LAYERS && !status; l++) {
        const int64_t shape[] = {BATCH, network_layers[l].inputs};
        const int64_t stride[] = {MOST, 1};
        lq_tensor x = lq_strided(inputs[l], sizeof inputs[l], LQ_F32, 2, shape, stride);

        status = lq_calibrator_observe(statistics->histogram[l], &x, NULL);
        if (!status) status = lq_calibrator_observe(statistics->moving_average[l], &x, NULL);
    }
    return status;
}

int statistics_observe(const struct network *network, enum calibration_data data, int count,
                       struct statistics *statistics) {
    static float inputs[LAYERS][BATCH][MOST];
    struct random digits = {3};
    struct random places = {5};
    lq_status status = make_calibrators(statistics);

    for (int first = 0; first < count && !status; first += BATCH) {
        read_batch(network, data, first, &digits, &places, inputs);
        status = observe_batch(statistics, inputs);
    }
    if (status) fprintf(stderr, "digits: cannot calibrate: %s\n", lq_status_string(status));
    return status ? -1 : 0;
}

lq_status statistics_parameters(const struct statistics *statistics, int l,
                                const lq_calibration *calibration, const lq_scheme *scheme,
                                float *scale, int32_t *zero) {
    const lq_calibrator *calibrator = calibration->method == LQ_METHOD_MOVING_AVERAGE
                                          ? statistics->moving_average[l]
                                          : statistics->histogram[l];
    lq_tensor s = lq_vector(scale, LQ_F32, 1);
    lq_tensor z = lq_vector(zero, LQ_S32, 1);

    return lq_calibrator_parameters(calibrator, calibration, scheme, &s, &z, NULL);
}

void statistics_free(struct statistics *statistics) {
    for (int l = 0; l < LAYERS; l++) {
        free(statistics->histogram[l]);
        free(statistics->moving_average[l]);
    }
}
