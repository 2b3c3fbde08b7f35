/* Calibration over batches: what goes into each layer, observed while the network reads digits. */
#ifndef DIGITS_CALIBRATE_H
#define DIGITS_CALIBRATE_H

#include <libquant.h>

#include "network.h"

/* What the digits that a network is calibrated on are like. */
enum calibration_data {
    CLEAN,
    /*
     * As from a sensor with glitches: in every thousandth image, four pixels are fifty times as
     * bright as ink. The digits are the same as those of CLEAN.
     */
    POLLUTED
};

/* Of the inputs of each layer. All methods but one ask the histogram. */
struct statistics {
    lq_calibrator *histogram[LAYERS];
    lq_calibrator *moving_average[LAYERS];
};

/*
 * Observes the network reading at least `count` digits. Returns 0, or -1 after a message on stderr;
 * statistics_free is due in both cases.
 */
int statistics_observe(const struct network *network, enum calibration_data data, int count,
                       struct statistics *statistics);

/* The scale and zero point by a method for the codes of layer `l`'s inputs. */
lq_status statistics_parameters(const struct statistics *statistics, int l,
                                const lq_calibration *calibration, const lq_scheme *scheme,
                                float *scale, int32_t *zero);

void statistics_free(struct statistics *statistics);

#endif
