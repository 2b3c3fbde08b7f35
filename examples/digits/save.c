#include "save.h"

#include <stdio.h>

#include "tensor_writer.h"

static void add_layer(tw_writer *writer, const struct layer *layer) {
    int64_t shape[2] = {layer->outputs, layer->inputs};
    int64_t bytes = shape[0] * (int64_t)sizeof(float);
    char name[32];

    snprintf(name, sizeof name, "%s.weight", layer->name);
    tw_add(writer, name, "F32", 2, shape, bytes * shape[1]);
    snprintf(name, sizeof name, "%s.bias", layer->name);
    tw_add(writer, name, "F32", 1, shape, bytes);
}

static void write_layer(tw_writer *writer, const struct layer *layer,
                        const struct network *network) {
    size_t bytes = (size_t)layer->outputs * sizeof(float);

    tw_write(writer, network->weights + layer->weights, bytes * (size_t)layer->inputs);
    tw_write(writer, network->biases + layer->biases, bytes);
}

int network_save(const struct network *network, const char *path) {
    char message[512];
    tw_writer *writer = tw_create(path, message, sizeof message);

    /* A writer remembers its first failure, so the last call tells how all of them went. */
    for (int l = 0; l < LAYERS; l++) add_layer(writer, &network_layers[l]);
    tw_begin(writer, NULL);
    for (int l = 0; l < LAYERS; l++) write_layer(writer, &network_layers[l], network);
    if (tw_finish(writer) == 0) return 0;
    fprintf(stderr, "digits: %s\n", message);
    return -1;
}
