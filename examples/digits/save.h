/* Writes a network as .safetensors: fc1.weight, fc1.bias, ... */
#ifndef DIGITS_SAVE_H
#define DIGITS_SAVE_H

#include "network.h"

/* Returns 0, or -1 after a message on stderr; then there is no file. */
int network_save(const struct network *network, const char *path);

#endif
