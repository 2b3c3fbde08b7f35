/*
 * lq_requantize, lq_quantize_multiplier and lq_quantize_bias against their formulas in exact
 * arithmetic, written down here a second time: gemmlowp's fixedpoint.h, TFLite's
 * MultiplyByQuantizedMultiplier, XNNPACK's fp32 requantization and ONNX's QLinearMatMul. On every
 * level, over limits, ties, all shifts, and views of any strides and blocks.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guarded.h"
#include "naive.h"

enum { RULES = 4, MOST = 4096 };

static const lq_type code_types[] = {LQ_S8, LQ_U8, LQ_S16, LQ_U16, LQ_S4, LQ_U4, LQ_S2, LQ_U2};
enum { CODES = sizeof code_types / sizeof *code_types };

/* ------------------------------------------------------------------ oracle */

/* v / 2^n toward minus infinity, without shifting a negative number. */
static int64_t floor_of(int64_t v, int n) {
    const int64_t d = (int64_t)1 << n;
    return v / d - (v % d < 0);
}

static int64_t within(int64_t v, int64_t low, int64_t high) {
    return v < low ? low : v > high ? high : v;
}

/* gemmlowp: (ab + nudge) / 2^31, where the division of C truncates. */
static int64_t high_product(int64_t a, int64_t b) {
    const int64_t nudge = a * b >= 0 ? 1 << 30 : 1 - (1 << 30);
    return (a * b + nudge) / ((int64_t)1 << 31);
}

static int64_t away_from_zero(int64_t v, int n) {
    const int64_t magnitude = v < 0 ? -v : v;
    const int64_t rounded = n ? floor_of(magnitude + ((int64_t)1 << (n - 1)), n) : magnitude;
    return v < 0 ? -rounded : rounded;
}

static int64_t by_double_rounding(int64_t acc, int32_t multiplier, int32_t shift) {
    if (shift <= 0) return away_from_zero(high_product(acc, multiplier), -shift);
    acc = within(acc * ((int64_t)1 << shift), INT32_MIN, INT32_MAX);
    return high_product(acc, multiplier);
}

static int64_t by_single_rounding(int64_t acc, int32_t multiplier, int32_t shift) {
    const int total = 31 - shift;
    return floor_of(acc * multiplier + ((int64_t)1 << (total - 1)), total);
}

static double nearest_float(double v) {
    return (double)naive_widen(LQ_F32, naive_narrow(LQ_F32, v));
}

/* The product of two floats is exact in double. */
static double by_float(int64_t acc, double multiplier) {
    return nearest_float(nearest_float((double)acc) * multiplier);
}

static int32_t oracle(lq_requantization rule, int32_t acc, float multiplier, int32_t fixed,
                      int32_t shift, int32_t zero, const struct naive_codes *c) {
    double v;
    switch (rule) {
    case LQ_REQUANTIZE_FLOAT:
        v = by_float(acc, (double)multiplier);
        v = v < -1e6 ? -1e6 : v > 1e6 ? 1e6 : v;
        return (int32_t)within((int64_t)naive_even(v) + zero, c->low, c->high);
    case LQ_REQUANTIZE_ONNX:
        v = (double)acc * (double)multiplier;
        v = v + (double)zero;
        v = v < -1e6 ? -1e6 : v > 1e6 ? 1e6 : v;
        return (int32_t)within((int64_t)naive_even(v), c->low, c->high);
    case LQ_REQUANTIZE_DOUBLE_ROUNDING:
        return (int32_t)within(by_double_rounding(acc, fixed, shift) + zero, c->low, c->high);
    default: return (int32_t)within(by_single_rounding(acc, fixed, shift) + zero, c->low, c->high);
    }
}

/* ------------------------------------------------------------------- calls */

/* The arguments of a call: parameters of either form, of which the rule takes one. */
struct call {
    lq_requantization rule;
    lq_scheme scheme;
    lq_tensor acc, scale, multiplier, shift, zero, codes;
};

static int is_fixed(lq_requantization rule) {
    return rule >= LQ_REQUANTIZE_DOUBLE_ROUNDING;
}

static lq_status run(const struct call *c, const lq_exec *exec) {
    const int fixed = is_fixed(c->rule);
    return lq_requantize(&c->acc, &c->scheme, c->rule, fixed ? &c->multiplier : &c->scale,
                         fixed ? &c->shift : NULL, &c->zero, &c->codes, exec);
}

static int64_t parameter_index(const lq_tensor *t, int64_t block) {
    return naive_count(t) == 1 ? 0 : block;
}

static int32_t expected_code(const struct call *c, const struct naive_codes *range, int64_t i) {
    const int64_t block = naive_block_of(&c->acc, &c->scheme.block, i);
    return oracle(c->rule, naive_get_code(&c->acc, i),
                  naive_get_real(&c->scale, parameter_index(&c->scale, block)),
                  naive_get_code(&c->multiplier, parameter_index(&c->multiplier, block)),
                  naive_get_code(&c->shift, parameter_index(&c->shift, block)),
                  naive_get_code(&c->zero, parameter_index(&c->zero, block)), range);
}

/* Every byte of the codes' memory is compared, on every level. */
static void check(const struct call *c) {
    static uint8_t expected[8 * MOST];
    struct naive_codes range;
    lq_tensor wanted = c->codes;
    assert_true(wanted.size <= (int64_t)sizeof expected);
    wanted.data = expected;
    memset(expected, 0x5a, (size_t)wanted.size);
    naive_codes_of(&c->scheme, &range);
    for (int64_t i = 0; i < naive_count(&c->acc); ++i) {
        naive_set_code(&wanted, i, expected_code(c, &range, i));
    }
    if (naive_count(&wanted) > 0 && naive_is_dense(&wanted)) naive_clear_tail(&wanted);
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_cpu_use(level) != LQ_OK) continue;
        memset(c->codes.data, 0x5a, (size_t)c->codes.size);
        assert_int_equal(run(c, NULL), LQ_OK);
        if (memcmp(c->codes.data, expected, (size_t)c->codes.size) == 0) continue;
        for (int64_t i = 0; i < naive_count(&c->acc); ++i) {
            if (naive_get_code(&c->codes, i) == naive_get_code(&wanted, i)) continue;
            fail_msg("rule %d, level %s, element %lld: accumulator %d, expected %d, got %d",
                     (int)c->rule, lq_cpu_name(level), (long long)i, naive_get_code(&c->acc, i),
                     naive_get_code(&wanted, i), naive_get_code(&c->codes, i));
        }
        fail_msg("rule %d, level %s: bytes around the codes changed", (int)c->rule,
                 lq_cpu_name(level));
    }
}

static int32_t accumulators[MOST];
static float scales[MOST];
static int32_t multipliers[MOST], shifts[MOST], zeros[MOST];
static uint8_t out[8 * MOST];

static struct call call_of(lq_requantization rule, lq_type type, int64_t n, lq_block block,
                           int64_t parameters) {
    struct call c = {.rule = rule, .scheme = lq_affine(type, block)};
    c.acc = lq_vector(accumulators, LQ_S32, n);
    c.scale = lq_vector(scales, LQ_F32, parameters);
    c.multiplier = lq_vector(multipliers, LQ_S32, parameters);
    c.shift = lq_vector(shifts, LQ_S32, parameters);
    c.zero = lq_vector(zeros, LQ_S32, parameters);
    c.codes = lq_vector(out, type, n);
    return c;
}

static int32_t random_acc(void) {
    static const int32_t limits[] = {INT32_MIN, INT32_MIN + 1,
                                     INT32_MAX, INT32_MAX - 1,
                                     1 << 30,   -(1 << 30),
                                     1 << 24,   (1 << 24) + 1,
                                     0,         1,
                                     -1,        (1 << 25) + 1};
    const int32_t bits = (int32_t)(uint32_t)random_bits();
    switch (random_below(4)) {
    case 0: return bits;
    case 1: return limits[random_below(12)];
    case 2: return ((bits >> 20) * 2 + 1) * (1 << random_below(18));
    default: return bits / (1 << random_below(31));
    }
}

static int32_t random_multiplier(void) {
    static const int32_t limits[] = {0, 1, 1 << 30, (1 << 30) + 1, INT32_MAX, INT32_MAX - 1};
    const uint32_t bits = (uint32_t)random_bits();
    if (random_below(3) == 0) return limits[random_below(6)];
    return (int32_t)(random_below(2) ? bits >> 2 | 1u << 30 : bits >> (1 + random_below(31)));
}

static void random_parameters(lq_type type, int64_t n) {
    const int32_t low = naive_type_min(type);
    const uint32_t width = (uint32_t)(naive_type_max(type) - low) + 1u;
    for (int64_t i = 0; i < n; ++i) {
        scales[i] = (float)(1 + random_below(1 << 24)) * 0x1p-24f;
        if (random_below(2)) scales[i] = ldexpf(1.0f, -(int)random_below(40));
        if (random_below(16) == 0) scales[i] = random_below(2) ? 3e38f : 1e-45f;
        multipliers[i] = random_multiplier();
        shifts[i] = random_below(2) ? (int32_t)random_below(62) - 31 : -(int32_t)random_below(16);
        zeros[i] = low + (int32_t)random_below(width);
    }
}

/* ------------------------------------------------------------------- tests */

static void test_random(void **state) {
    (void)state;
    for (int round = 0; round < 400; ++round) {
        const lq_type type = code_types[round % CODES];
        const int64_t n = random_below(2) ? random_below(300) : random_below(MOST);
        for (int64_t i = 0; i < n; ++i) accumulators[i] = random_acc();
        for (lq_requantization rule = 0; rule < RULES; ++rule) {
            struct call c = call_of(rule, type, n, lq_per_tensor(), 1);
            random_parameters(type, MOST);
            check(&c);
            c = call_of(rule, type, n, lq_per_channel(0), n);
            check(&c);
        }
    }
}

/* Every shift with every kind of multiplier: one lane each, the same accumulator throughout. */
static void test_all_shifts(void **state) {
    static const int32_t kinds[] = {0, 1, 2, 3, 1 << 29, 1 << 30, (1 << 30) + 1, INT32_MAX};
    int64_t n = 0;
    (void)state;
    for (int32_t shift = -31; shift <= 30; ++shift) {
        for (int k = 0; k < 8; ++k, ++n) {
            multipliers[n] = kinds[k];
            shifts[n] = shift;
            zeros[n] = (int32_t)(n % 3) - 1;
            scales[n] = 1.0f;
        }
    }
    for (int round = 0; round < 400; ++round) {
        int32_t acc = random_acc();
        if (round < 64) acc = (int32_t)((uint32_t)1 << round / 2) * (round % 2 ? 1 : -1);
        for (int64_t i = 0; i < n; ++i) accumulators[i] = acc;
        for (lq_requantization rule = LQ_REQUANTIZE_DOUBLE_ROUNDING; rule < RULES; ++rule) {
            const struct call c = call_of(rule, LQ_S16, n, lq_per_channel(0), n);
            check(&c);
        }
    }
}

/* Products that end in a half, on both sides of 0, with even and odd zero points. */
static void test_ties(void **state) {
    (void)state;
    for (int32_t zero = -2; zero <= 3; ++zero) {
        for (int bits = 1; bits < 12; ++bits) {
            for (int i = 0; i < MOST; ++i) accumulators[i] = (i - MOST / 2) * (1 << (bits - 1));
            scales[0] = ldexpf(1.0f, -bits);
            lq_quantize_multiplier((double)scales[0], &multipliers[0], &shifts[0]);
            zeros[0] = zero;
            for (lq_requantization rule = 0; rule < RULES; ++rule) {
                const struct call c = call_of(rule, LQ_S16, MOST, lq_per_tensor(), 1);
                check(&c);
            }
        }
    }
}

/* What tells the rules apart, by hand: 0.5 and 1.5 with zero points 0 and 1, and their negatives. */
static void test_rules_by_hand(void **state) {
    static const int32_t acc[] = {1, 3, -1, -3};
    static const int8_t expected[2][RULES][4] = {
        {{0, 2, 0, -2}, {0, 2, 0, -2}, {1, 2, -1, -2}, {1, 2, 0, -1}},
        {{1, 3, 1, -1}, {2, 2, 0, 0}, {2, 3, 0, -1}, {2, 3, 1, 0}}};
    (void)state;
    memcpy(accumulators, acc, sizeof acc);
    scales[0] = 0.5f;
    /* With the shift as part of the rounding: 2^30 and 0 would round once in either rule. */
    multipliers[0] = INT32_MAX;
    shifts[0] = -1;
    for (int32_t zero = 0; zero < 2; ++zero) {
        for (lq_requantization rule = 0; rule < RULES; ++rule) {
            struct call c = call_of(rule, LQ_S8, 4, lq_per_tensor(), 1);
            zeros[0] = zero;
            if (rule == LQ_REQUANTIZE_SINGLE_ROUNDING) {
                multipliers[0] = 1 << 30;
                shifts[0] = 0;
            } else {
                multipliers[0] = INT32_MAX;
                shifts[0] = -1;
            }
            assert_int_equal(run(&c, NULL), LQ_OK);
            assert_memory_equal(out, expected[zero][rule], 4);
        }
    }
}

/* Multipliers of 16 bits, zero points and ranges of symmetric schemes, and negative multipliers. */
static void test_schemes(void **state) {
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16};
    (void)state;
    for (int round = 0; round < 400; ++round) {
        const lq_type type = code_types[round % 6];
        const lq_mapping mapping = (lq_mapping)random_below(4);
        const int64_t n = 1 + random_below(200);
        struct call c = call_of(round % RULES, type, n, lq_per_channel(0), n);
        struct naive_codes range;
        c.scheme.mapping = mapping;
        c.scale = lq_vector(scales, types[random_below(3)], n);
        random_parameters(type, n);
        naive_codes_of(&c.scheme, &range);
        for (int64_t i = 0; i < n; ++i) {
            const double m = (1 + random_below(1 << 12)) * 0x1p-14;
            const int negative = mapping == LQ_SYMMETRIC_FULL_RANGE && random_below(2);
            naive_set_real(&c.scale, i, negative ? -m : m);
            if (mapping != LQ_AFFINE) zeros[i] = range.z0;
            accumulators[i] = random_acc() >> random_below(24);
        }
        check(&c);
    }
}

/* Any shape, strides, blocks; parameters in the shape of the grid, as vectors or for all. */
static lq_tensor random_layout(void *data, int64_t bytes, lq_type type, int32_t rank,
                               const int64_t *shape) {
    int64_t stride[LQ_MAX_RANK], step = 1 + random_below(2);
    int axes[3] = {0, 1, 2};
    lq_tensor t = lq_contiguous(data, type, rank, shape);
    if (random_below(3) == 0) return t;
    for (int i = 2; i > 0; --i) {
        const int k = (int)random_below((uint32_t)i + 1), axis = axes[i];
        axes[i] = axes[k];
        axes[k] = axis;
    }
    for (int i = 0; i < 3; ++i) {
        if (axes[i] >= rank) continue;
        stride[axes[i]] = random_below(3) ? step : -step;
        step = step * (shape[axes[i]] > 0 ? shape[axes[i]] : 1) + random_below(3);
    }
    t = lq_strided(data, bytes, type, rank, shape, stride);
    for (int32_t i = 0; i < rank; ++i) {
        if (stride[i] < 0 && shape[i] > 0) t.offset -= stride[i] * (shape[i] - 1);
    }
    return t;
}

static void test_views(void **state) {
    static int32_t acc_room[8 * MOST];
    (void)state;
    for (int round = 0; round < 3000; ++round) {
        const lq_type type = code_types[random_below(CODES)];
        const int32_t rank = (int32_t)random_below(4);
        int64_t shape[3], extent[LQ_MAX_RANK] = {0}, grid[LQ_MAX_RANK], count;
        struct call c = {.rule = (lq_requantization)random_below(RULES)};
        for (int i = 0; i < 3; ++i) {
            shape[i] = random_below(12) ? 1 + random_below(11) : random_below(40);
            extent[i] = random_below(6);
        }
        lq_block block = lq_per_tile(rank, extent);
        if (rank && random_below(2)) block = lq_per_channel((int32_t)random_below(3) % rank - rank);
        c.scheme = lq_affine(type, block);
        c.acc = random_layout(acc_room, sizeof acc_room, LQ_S32, rank, shape);
        c.codes = random_layout(out, sizeof out, type, rank, shape);
        if (naive_count(&c.acc) > MOST) continue;
        assert_int_equal(lq_grid_shape(&c.acc, &c.scheme, grid, &count), LQ_OK);
        if (count > MOST) continue;
        for (int64_t i = 0; i < naive_count(&c.acc); ++i) {
            naive_set_code(&c.acc, i, random_acc() >> random_below(20));
        }
        random_parameters(type, count);
        const int flat = random_below(2) == 0;
        const int64_t one = 1;
        c.scale = lq_contiguous(scales, LQ_F32, flat ? 1 : rank, flat ? &count : grid);
        c.multiplier = lq_contiguous(multipliers, LQ_S32, flat ? 1 : rank, flat ? &count : grid);
        c.shift = lq_contiguous(shifts, LQ_S32, flat ? 1 : rank, flat ? &count : grid);
        c.zero = lq_contiguous(zeros, LQ_S32, flat ? 1 : rank, flat ? &count : grid);
        if (count > 0 && random_below(3) == 0) c.zero = lq_contiguous(zeros, LQ_S32, 1, &one);
        if (count > 0 && random_below(6) == 0) c.shift = lq_contiguous(shifts, LQ_S32, 0, NULL);
        check(&c);
    }
}

/* Narrower codes over the accumulators they come from. */
static void test_in_place(void **state) {
    static int32_t room[MOST];
    (void)state;
    for (int round = 0; round < 200; ++round) {
        const lq_type type = code_types[round % CODES];
        struct call c =
            call_of(round % RULES, type, 1 + random_below(MOST - 1), lq_per_tensor(), 1);
        const int64_t n = c.acc.shape[0];
        for (int64_t i = 0; i < n; ++i) accumulators[i] = random_acc() >> 10;
        random_parameters(type, 1);
        assert_int_equal(run(&c, NULL), LQ_OK);
        memcpy(room, accumulators, sizeof room);
        c.acc.data = c.codes.data = room;
        assert_int_equal(run(&c, NULL), LQ_OK);
        assert_memory_equal(room, out, (size_t)c.codes.size);
    }
}

/* The caller's threads, last task first. */
static int32_t backwards(void *pool, lq_task *task, void *argument, int64_t tasks) {
    *(int64_t *)pool = tasks;
    for (int64_t i = tasks - 1; i >= 0; --i) task(argument, i);
    return 0;
}

static void test_threads(void **state) {
    enum { ROWS = 301, COLUMNS = 613 };
    int32_t *acc = malloc(sizeof *acc * ROWS * COLUMNS);
    uint8_t *serial = malloc(2 * ROWS * COLUMNS), *parallel = malloc(2 * ROWS * COLUMNS);
    int32_t serial_sums[COLUMNS], parallel_sums[COLUMNS];
    int64_t tasks = 0;
    lq_exec exec;
    (void)state;
    for (int i = 0; i < ROWS * COLUMNS; ++i) acc[i] = random_acc() >> 8;
    for (int round = 0; round < 4 * CODES; ++round) {
        const lq_type type = code_types[round / 4];
        struct call c = call_of(round % 4, type, 1, lq_per_channel(round & 1), 1);
        const int64_t blocks = round & 1 ? COLUMNS : ROWS;
        random_parameters(type, blocks);
        c.acc = lq_matrix(acc, LQ_S32, ROWS, COLUMNS);
        c.codes = lq_matrix(serial, type, ROWS, COLUMNS);
        c.scale = lq_vector(scales, LQ_F32, blocks);
        c.multiplier = lq_vector(multipliers, LQ_S32, blocks);
        c.shift = lq_vector(shifts, LQ_S32, blocks);
        c.zero = lq_vector(zeros, LQ_S32, blocks);
        lq_tensor sums = lq_vector(serial_sums, LQ_S32, blocks);
        lq_exec_init(&exec, sizeof exec);
        exec.code_sums = &sums;
        assert_int_equal(run(&c, &exec), LQ_OK);
        exec.parallel_for = backwards;
        exec.pool = &tasks;
        c.codes.data = parallel;
        sums.data = parallel_sums;
        assert_int_equal(run(&c, &exec), LQ_OK);
        assert_true(tasks > 1);
        assert_memory_equal(serial, parallel, (size_t)c.codes.size);
        assert_memory_equal(serial_sums, parallel_sums, sizeof *serial_sums * (size_t)blocks);
    }
    free(acc);
    free(serial);
    free(parallel);
}

int main(void) {
    random_seed(seed_from_environment());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),   cmocka_unit_test(test_all_shifts),
        cmocka_unit_test(test_ties),     cmocka_unit_test(test_rules_by_hand),
        cmocka_unit_test(test_schemes),  cmocka_unit_test(test_views),
        cmocka_unit_test(test_in_place), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("requantize", tests, NULL, NULL);
}
