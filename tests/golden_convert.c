/* lq_convert for the golden hashes: bits around what a change of rounding would change. */
#include "golden.h"
#include <stdio.h>
#include <string.h>

enum { COUNT = 4003, ROW = 29, TYPES = 4 };

static const struct {
    lq_type type;
    int bits, fraction;
} types[TYPES] = {{LQ_F32, 32, 23}, {LQ_F16, 16, 10}, {LQ_BF16, 16, 7}, {LQ_F64, 64, 52}};

static unsigned char input[COUNT * 8], output[COUNT * 8];

static uint64_t state;

/* splitmix64 */
static uint64_t random_bits(void) {
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void put(int type, int64_t i, uint64_t bits) {
    const uint16_t half = (uint16_t)bits;
    const uint32_t word = (uint32_t)bits;
    if (types[type].bits == 16) {
        memcpy(input + i * 2, &half, sizeof half);
    } else if (types[type].bits == 32) {
        memcpy(input + i * 4, &word, sizeof word);
    } else {
        memcpy(input + i * 8, &bits, sizeof bits);
    }
}

static uint64_t get(int type, int64_t i) {
    uint16_t half;
    uint32_t word;
    uint64_t wide;
    if (types[type].bits == 16) {
        memcpy(&half, output + i * 2, sizeof half);
        return half;
    }
    if (types[type].bits == 32) {
        memcpy(&word, output + i * 4, sizeof word);
        return word;
    }
    memcpy(&wide, output + i * 8, sizeof wide);
    return wide;
}

/*
 * Exponents that 16 bits have or nearly, and any; fractions that end in many zeros, one more or
 * less, so that there are ties and what is next to them; NaN, infinities and zeros.
 */
static void make_inputs(int type) {
    const int fraction = types[type].fraction;
    const int exponents = types[type].bits - fraction - 1;
    const uint64_t top = (UINT64_C(1) << exponents) - 1u;
    state = (uint64_t)type + 1;
    for (int64_t i = 0; i < COUNT; ++i) {
        const int zeros = (int)(random_bits() % (uint64_t)(fraction + 1));
        const uint64_t near = random_bits() % 3u - 1u;
        uint64_t exponent = random_bits() & top;
        uint64_t bits = random_bits() >> (64 - fraction) >> zeros << zeros;
        if (random_bits() % 2u) exponent = (top / 2 + random_bits() % 48u - 28u) & top;
        if (random_bits() % 16u == 0) exponent = random_bits() % 2u ? top : 0;
        if (random_bits() % 32u == 0) bits = 0;
        bits = (exponent << fraction) + bits + (random_bits() % 2u ? near : 0);
        bits &= (top << fraction) | ((UINT64_C(1) << fraction) - 1u);
        put(type, i, bits | (random_bits() & 1u) << (types[type].bits - 1));
    }
}

typedef struct conversion {
    int from, to;
    lq_overflow overflow;
} conversion;

static void run_convert(const void *context) {
    const conversion *c = context;
    const int from = c->from;
    const int to = c->to;
    const lq_overflow overflow = c->overflow;
    const lq_tensor flat_x = lq_vector(input, types[from].type, COUNT);
    const lq_tensor flat_y = lq_vector(output, types[to].type, COUNT);
    lq_tensor x = lq_matrix(input, types[from].type, COUNT / ROW, ROW);
    const lq_tensor y = lq_matrix(output, types[to].type, COUNT / ROW, ROW);
    lq_report report;
    lq_exec exec;
    lq_report_init(&report, sizeof report);
    lq_exec_init(&exec, sizeof exec);
    exec.report = &report;
    make_inputs(from);
    memset(output, 0x5a, sizeof output);
    golden_add((uint64_t)lq_convert(&flat_x, &flat_y, overflow, &exec), 4);
    for (int64_t i = 0; i < COUNT; ++i) golden_add(get(to, i), types[to].bits / 8);
    golden_add((uint64_t)report.nan, 8);
    golden_add((uint64_t)report.infinite, 8);
    golden_add((uint64_t)report.overflowed, 8);
    golden_add((uint64_t)report.underflowed, 8);
    /* By columns, the last of them first. */
    x.stride[0] = 1;
    x.stride[1] = -(COUNT / ROW);
    x.offset = (ROW - 1) * (COUNT / ROW);
    golden_add((uint64_t)lq_convert(&x, &y, overflow, NULL), 4);
    for (int64_t i = 0; i < COUNT / ROW * ROW; ++i) golden_add(get(to, i), types[to].bits / 8);
}

void golden_conversions(void) {
    static const char *const names[] = {"infinite", "saturate"};
    for (int i = 0; i < TYPES * TYPES * 2; ++i) {
        const conversion c = {i / (2 * TYPES), i / 2 % TYPES, i % 2};
        char name[56];
        snprintf(name, sizeof name, "convert/%s/%s/%s", lq_type_name(types[c.from].type),
                 lq_type_name(types[c.to].type), names[c.overflow]);
        golden_row(name, run_convert, &c);
    }
}
