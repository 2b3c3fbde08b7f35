/* What every fuzz target defines: libFuzzer calls it, and so does replay.c. Returns 0. */
#ifndef TARGET_H
#define TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
