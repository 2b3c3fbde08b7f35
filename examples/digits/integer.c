#include "integer.h"

#include <stdio.h>
#include <string.h>

#include "train.h"

enum { BATCH = 50, MOST = IMAGE_PIXELS };

static int failed(const char *what, lq_status status) {
    if (status) fprintf(stderr, "digits: %s: %s\n", what, lq_status_string(status));
    return status ? -1 : 0;
}

/* ------------------------------------------------------------------ making */

/* Codes, their scales and, in the same call, their sums. */
static lq_status quantize_weights(const struct network *network, const lq_scheme *scheme,
                                  struct integer_network *integer) {
    lq_status status = LQ_OK;

    for (int l = 0; l < LAYERS && !status; l++) {
        const struct layer *layer = &network_layers[l];
        int rows = layer->outputs, columns = layer->inputs;
        lq_tensor w = lq_matrix(network->weights + layer->weights, LQ_F32, rows, columns);
        lq_tensor q = lq_matrix(integer->weights + layer->weights, LQ_S8, rows, columns);
        lq_tensor s = lq_vector(integer->weight_scales + layer->biases, LQ_F32, rows);
        lq_tensor sums = lq_vector(integer->weight_sums + layer->biases, LQ_S32, rows);
        lq_exec exec;

        status = lq_exec_init(&exec, sizeof exec);
        exec.code_sums = &sums;
        if (!status) status = lq_quantize_dynamic(&w, scheme, &q, &s, NULL, &exec);
    }
    return status;
}

/* What follows from the scales: biases as int32, and the factors between layers. */
static lq_status fold(struct integer_network *integer) {
    lq_status status = LQ_OK;

    for (int l = 0; l < LAYERS && !status; l++) {
        const struct layer *layer = &network_layers[l];
        int n = layer->outputs, at = layer->biases;
        lq_tensor b = lq_vector(integer->biases + at, LQ_F32, n);
        lq_tensor s = lq_vector(integer->weight_scales + at, LQ_F32, n);
        lq_tensor q = lq_vector(integer->sums + at, LQ_S32, n);

        status = lq_quantize_bias(&b, integer->input_scales[l], &s, LQ_BIAS_EVEN, &q, NULL);
        for (int o = at; o < at + n; o++) {
            integer->sums[o] -= integer->input_zeros[l] * integer->weight_sums[o];
            if (l + 1 < LAYERS)
                integer->multipliers[o] = integer->input_scales[l] * integer->weight_scales[o] /
                                          integer->input_scales[l + 1];
        }
    }
    return status;
}

int integer_make(const struct network *network, const lq_scheme *scheme,
                 struct integer_network *integer) {
    memcpy(integer->biases, network->biases, sizeof integer->biases);
    return failed("cannot quantize", quantize_weights(network, scheme, integer));
}

int integer_calibrate(struct integer_network *integer, const struct statistics *statistics,
                      const lq_calibration *calibration, int32_t most) {
    lq_status status = LQ_OK;

    integer->activations = lq_affine(LQ_U8, lq_per_tensor());
    integer->activations.qmax = most;
    for (int l = 0; l < LAYERS && !status; l++)
        status = statistics_parameters(statistics, l, calibration, &integer->activations,
                                       &integer->input_scales[l], &integer->input_zeros[l]);
    if (!status) status = fold(integer);
    return failed("cannot calibrate", status);
}

/* ----------------------------------------------------------------- reading */

/* What an engine has its own fast product for. */
static void multiply(const struct integer_network *integer, int l, const uint8_t *x,
                     int32_t *sums) {
    const struct layer *layer = &network_layers[l];

    for (int i = 0; i < BATCH; i++) {
        for (int o = 0; o < layer->outputs; o++) {
            const int8_t *w = integer->weights + layer->weights + o * layer->inputs;
            int32_t sum = 0;

            for (int k = 0; k < layer->inputs; k++) sum += x[i * layer->inputs + k] * w[k];
            sums[i * layer->outputs + o] = sum;
        }
    }
}

static void relu(float *values, int n) {
    for (int i = 0; i < n; i++) values[i] = values[i] > 0.0f ? values[i] : 0.0f;
}

/* One layer: codes with scales and zero points of each image; sums; and real values again. */
static lq_status layer_dynamic(const struct integer_network *integer, int l, float *x, float *y) {
    static uint8_t codes[BATCH * MOST];
    static int32_t sums[BATCH * MOST], zeros[BATCH];
    static float scales[BATCH];
    const struct layer *layer = &network_layers[l];
    const lq_scheme scheme = lq_affine(LQ_U8, lq_per_channel(0));
    lq_tensor in = lq_matrix(x, LQ_F32, BATCH, layer->inputs);
    lq_tensor q = lq_matrix(codes, LQ_U8, BATCH, layer->inputs);
    lq_tensor row_scale = lq_vector(scales, LQ_F32, BATCH);
    lq_tensor row_zero = lq_vector(zeros, LQ_S32, BATCH);
    lq_tensor column_scale =
        lq_vector(integer->weight_scales + layer->biases, LQ_F32, layer->outputs);
    lq_tensor column_sums = lq_vector(integer->weight_sums + layer->biases, LQ_S32, layer->outputs);
    lq_tensor bias = lq_vector(integer->biases + layer->biases, LQ_F32, layer->outputs);
    lq_tensor acc = lq_matrix(sums, LQ_S32, BATCH, layer->outputs);
    lq_tensor out = lq_matrix(y, LQ_F32, BATCH, layer->outputs);
    lq_product product;
    lq_status status = lq_quantize_dynamic(&in, &scheme, &q, &row_scale, &row_zero, NULL);

    if (status) return status;
    multiply(integer, l, codes, sums);
    status = lq_product_init(&product, sizeof product);
    if (status) return status;
    product.depth = layer->inputs;
    product.row_scale = &row_scale;
    product.row_zero_point = &row_zero;
    product.column_scale = &column_scale;
    product.column_sums = &column_sums;
    product.bias = &bias;
    status = lq_dequantize_accumulators(&acc, &product, &out, NULL);
    if (l + 1 < LAYERS) relu(y, BATCH * layer->outputs);
    return status;
}

static lq_status read_dynamic(const struct integer_network *integer, float *images, float *scores) {
    static float hidden[2][BATCH * MOST];
    lq_status status = layer_dynamic(integer, 0, images, hidden[0]);

    if (!status) status = layer_dynamic(integer, 1, hidden[0], hidden[1]);
    if (!status) status = layer_dynamic(integer, 2, hidden[1], scores);
    return status;
}

static void add_rows(int32_t *sums, const int32_t *row, int n) {
    for (int i = 0; i < BATCH; i++)
        for (int o = 0; o < n; o++) sums[i * n + o] += row[o];
}

/*
 * From one layer's codes to the next one's without a real value between. A ReLU costs nothing: the
 * zero point is the lowest code.
 */
static lq_status layer_static(const struct integer_network *integer, int l, const uint8_t *in,
                              int32_t *sums, uint8_t *out) {
    const struct layer *layer = &network_layers[l];
    lq_scheme scheme = integer->activations;
    lq_tensor acc = lq_matrix(sums, LQ_S32, BATCH, layer->outputs);
    lq_tensor m = lq_vector(integer->multipliers + layer->biases, LQ_F32, layer->outputs);
    lq_tensor z, q;

    multiply(integer, l, in, sums);
    add_rows(sums, integer->sums + layer->biases, layer->outputs);
    if (l + 1 == LAYERS) return LQ_OK;
    scheme.block = lq_per_channel(1); /* an output has a multiplier of its own */
    z = lq_vector(&integer->input_zeros[l + 1], LQ_S32, 1);
    q = lq_matrix(out, LQ_U8, BATCH, layer->outputs);
    return lq_requantize(&acc, &scheme, LQ_REQUANTIZE_FLOAT, &m, NULL, &z, &q, NULL);
}

static lq_status read_static(const struct integer_network *integer, const float *images,
                             float *scores) {
    static uint8_t codes[2][BATCH * MOST];
    static int32_t sums[BATCH * MOST];
    const struct layer *last = &network_layers[LAYERS - 1];
    lq_tensor x = lq_matrix(images, LQ_F32, BATCH, IMAGE_PIXELS);
    lq_tensor s = lq_vector(&integer->input_scales[0], LQ_F32, 1);
    lq_tensor z = lq_vector(&integer->input_zeros[0], LQ_S32, 1);
    lq_tensor q = lq_matrix(codes[0], LQ_U8, BATCH, IMAGE_PIXELS);
    lq_tensor acc = lq_matrix(sums, LQ_S32, BATCH, last->outputs);
    lq_tensor out = lq_matrix(scores, LQ_F32, BATCH, last->outputs);
    lq_tensor row_scale = lq_vector(&integer->input_scales[LAYERS - 1], LQ_F32, 1);
    lq_tensor column_scale =
        lq_vector(integer->weight_scales + last->biases, LQ_F32, last->outputs);
    lq_product product;
    lq_status status = lq_quantize(&x, &integer->activations, &s, &z, &q, NULL);

    for (int l = 0; l < LAYERS && !status; l++)
        status = layer_static(integer, l, codes[l % 2], sums, codes[1 - l % 2]);
    if (!status) status = lq_product_init(&product, sizeof product);
    if (status) return status;
    product.row_scale = &row_scale;
    product.column_scale = &column_scale;
    return lq_dequantize_accumulators(&acc, &product, &out, NULL);
}

double integer_accuracy(const struct integer_network *integer, enum way way, int count) {
    static float images[BATCH][IMAGE_PIXELS];
    static float scores[BATCH][CLASSES];
    struct random random = {test_seed};
    int right = 0;

    for (int first = 0; first < count; first += BATCH) {
        lq_status status;

        for (int i = 0; i < BATCH; i++) glyph_draw((first + i) % CLASSES, &random, images[i]);
        status = (way == DYNAMIC ? read_dynamic(integer, images[0], scores[0])
                                 : read_static(integer, images[0], scores[0]));
        if (failed("cannot read", status)) return -1;
        for (int i = 0; i < BATCH && first + i < count; i++)
            right += highest_score(scores[i]) == (first + i) % CLASSES;
    }
    return (double)right / (double)count;
}
