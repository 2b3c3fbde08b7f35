/* Bytes that may be a serialized calibrator: refused, or taken for exactly what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "choices.h"
#include "calibrator_samples.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    choices in = {data, data + size};
    const int sealed = !choice_rarely(&in, 8), search = choice_rarely(&in, 64);
    const size_t left = (size_t)(in.end - in.at);
    bench b = new_bench(left, 64);
    unsigned char *at = b.room.end - left;
    if (left > 0) memcpy(at, in.at, left);
    /* No guess finds a checksum. */
    if (sealed && left > STATE_CHECKSUM) state_seal(at, left);
    offer(&b, at, left, search);
    free_bench(&b);
    return 0;
}
