/*
 * Calibrators as bytes: the documented form, by a writer and a reader of its own, on every machine
 * the same; and whatever else stands there refused, with nothing written, or taken for exactly what
 * it is. Bytes end where memory ends, so that reading on would be seen.
 *
 * LQ_SEED=n replays a seed, LQ_CASES=n sets how many random damages there are.
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calibrator_samples.h"

/* -------------------------------------------------------------- the same and back */

static void test_form(void **state) {
    (void)state;
    int64_t forms = 0;
    for (int i = 0; i < 12 * 2 * 2 * CONTENTS; ++i) {
        const int which = i / 4 / CONTENTS;
        const lq_statistic statistic = which < 10 ? LQ_STATISTIC_HISTOGRAM : which - 9;
        const int k = which < 10 ? which + 1 : 0;
        if (k == 0 && i % 2) continue;
        sample s = new_sample(statistic, k, i % 2, i / 2 % 2, i / 4 % CONTENTS);
        struct state_bytes expected = state_encode(&s.state);
        assert_bytes(s.calibrator, expected.data, expected.size);
        struct state read;
        assert_true(state_decode(s.bytes.data, s.bytes.size, &read));
        struct state_bytes again = state_encode(&read);
        assert_int_equal(again.size, s.bytes.size);
        assert_memory_equal(again.data, s.bytes.data, again.size);
        lq_calibrator_options o = lq_calibrate_per_tensor();
        assert_int_equal(lq_serialized_options(s.bytes.data, s.bytes.size, &o), LQ_OK);
        assert_memory_equal(&o, &s.state.options, sizeof o);
        /* From and into memory that ends there. */
        lq_calibrator *back = malloc(s.size);
        memset(back, 0xa5, s.size);
        assert_int_equal(lq_calibrator_deserialize(back, s.size, s.bytes.data, s.bytes.size),
                         LQ_OK);
        assert_bytes(back, s.bytes.data, s.bytes.size);
        ask_everything(back, k == 3 && i % 2);
        free(back);
        free(again.data);
        free(expected.data);
        state_free(&read);
        free_sample(&s);
        ++forms;
    }
    print_message("%" PRId64 " forms\n", forms);
}

/* Written down once: what other machines wrote can be read here. */
static void test_fixed_hashes(void **state) {
    static const struct {
        lq_statistic statistic;
        int k;
        bool sums, per_channel;
        int content;
        size_t size;
        uint64_t hash;
    } rows[] = {
        {LQ_STATISTIC_HISTOGRAM, 7, false, false, NOTHING, 55, UINT64_C(0x641883ea20c007e3)},
        {LQ_STATISTIC_HISTOGRAM, 7, false, false, MANY, 921, UINT64_C(0xeb3fd3f308aa4e97)},
        {LQ_STATISTIC_HISTOGRAM, 1, true, true, FEW, 151, UINT64_C(0xd3911639cb4bd753)},
        {LQ_STATISTIC_HISTOGRAM, 2, true, true, EXTREMES, 175, UINT64_C(0x29cb4519a056bc0c)},
        {LQ_STATISTIC_HISTOGRAM, 10, true, false, MANY, 1351, UINT64_C(0x4e78943c41d559ed)},
        {LQ_STATISTIC_HISTOGRAM, 1, true, false, SATURATED, 109, UINT64_C(0xe63a1f5ef8a269a3)},
        {LQ_STATISTIC_HISTOGRAM, 4, false, true, NANS, 94, UINT64_C(0x1e84edd2b32903a6)},
        {LQ_STATISTIC_HISTOGRAM, 7, false, true, INFINITIES, 109, UINT64_C(0x7955ae7af55deb9a)},
        {LQ_STATISTIC_RANGE, 0, false, true, MANY, 64, UINT64_C(0xfcf0bb69fab73e49)},
        {LQ_STATISTIC_MOVING_AVERAGE, 0, false, true, MANY, 88, UINT64_C(0x127cec7f79815256)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        sample s = new_sample(rows[i].statistic, rows[i].k, rows[i].sums, rows[i].per_channel,
                              rows[i].content);
        const uint64_t hash = state_hash(s.bytes.data, s.bytes.size);
        if (s.bytes.size != rows[i].size || hash != rows[i].hash) {
            fail_msg("row %zu: %zu, UINT64_C(0x%016" PRIx64 ")", i, s.bytes.size, hash);
        }
        free_sample(&s);
    }
}

static void test_truncated(void **state) {
    (void)state;
    for (int i = 0; i < SMALL_SAMPLES; ++i) {
        sample s = small_sample(i);
        bench b = new_bench(s.bytes.size, s.size);
        for (size_t n = 0; n < s.bytes.size; ++n) {
            unsigned char *at = b.room.end - n;
            assert_int_equal(offer(&b, s.bytes.data, n, false), LQ_ERROR_DATA);
            memcpy(at, s.bytes.data, n);
            if (n >= STATE_CHECKSUM) state_seal(at, n);
            assert_int_equal(offer(&b, at, n, false), LQ_ERROR_DATA);
        }
        assert_int_equal(offer(&b, s.bytes.data, s.bytes.size, false), LQ_OK);
        free_bench(&b);
        free_sample(&s);
    }
}

static void test_appended(void **state) {
    (void)state;
    enum { MOST = 20 };
    for (int i = 0; i < SMALL_SAMPLES; ++i) {
        sample s = small_sample(i);
        bench b = new_bench(s.bytes.size + MOST, s.size);
        for (size_t n = 1; n <= MOST; ++n) {
            const size_t size = s.bytes.size + n;
            unsigned char *at = b.room.end - size;
            memset(at, n % 2 ? 0 : 1, size);
            memcpy(at, s.bytes.data, s.bytes.size);
            assert_int_equal(offer(&b, at, size, false), LQ_ERROR_DATA);
            state_seal(at, size);
            assert_int_equal(offer(&b, at, size, false), LQ_ERROR_DATA);
        }
        free_bench(&b);
        free_sample(&s);
    }
}

static int64_t cases_wanted(int64_t otherwise) {
    const char *wanted = getenv("LQ_CASES");
    return wanted && *wanted ? strtoll(wanted, NULL, 0) : otherwise;
}

/* Each byte to every other value that differs in one bit, or is one of the ends. */
static void test_every_byte(void **state) {
    (void)state;
    int64_t refused = 0, taken = 0;
    /* On slow machines fewer of the ways, not the same ones for each byte: no multiple of 11. */
    const int64_t cases = cases_wanted(30000);
    const size_t step = cases <= 1000 ? 30 : cases < 30000 ? 5 : 1;
    for (int i = 0; i < SMALL_SAMPLES; ++i) {
        sample s = small_sample(i);
        bench b = new_bench(s.bytes.size, s.size);
        unsigned char *at = b.room.end - s.bytes.size;
        for (size_t n = 0; n < s.bytes.size * 11; n += step) {
            const unsigned char old = s.bytes.data[n / 11];
            const unsigned char ends[] = {0, 0xff, 0x80};
            const unsigned char new =
                (unsigned char)(n % 11 < 8 ? old ^ 1u << n % 11 : ends[n % 11 - 8]);
            if (new == old) continue;
            memcpy(at, s.bytes.data, s.bytes.size);
            at[n / 11] = new;
            assert_bad(offer(&b, at, s.bytes.size, false));
            if (n / 11 >= s.bytes.size - STATE_CHECKSUM) continue;
            state_seal(at, s.bytes.size);
            offer(&b, at, s.bytes.size, n % 101 == 0);
        }
        refused += b.refused;
        taken += b.taken;
        free_bench(&b);
        free_sample(&s);
    }
    print_message("%" PRId64 " refused, %" PRId64 " taken\n", refused, taken);
    assert_true(taken > 0 && refused > taken);
}

static void damage(unsigned char *at, size_t size) {
    const size_t first = random_below(4) && size > STATE_HEADER ? STATE_HEADER : 0;
    const size_t i = first + random_below((uint32_t)(size - first));
    const size_t n = random_below((uint32_t)(size - i) + 1);
    switch (random_below(6)) {
    case 0: at[i] = (unsigned char)random_bits(); break;
    case 1: at[i] ^= (unsigned char)(1u << random_below(8)); break;
    case 2: at[i] = random_below(2) ? 0xff : 0; break;
    case 3: at[i] |= 0x80; break;
    case 4: at[i] = (unsigned char)(at[i] + (random_below(2) ? 1 : 255)); break;
    default: memmove(at + random_below((uint32_t)(size - n) + 1), at + i, n); break;
    }
}

static void test_random_damage(void **state) {
    const int64_t most = cases_wanted(30000) * 2;
    int64_t refused = 0, taken = 0;
    (void)state;
    random_seed(seed_from_environment());
    for (int i = 0; i < SMALL_SAMPLES; ++i) {
        enum { MORE = 4 };
        sample s = small_sample(i);
        bench b = new_bench(s.bytes.size + MORE, s.size);
        for (int64_t n = 0; n < most / SMALL_SAMPLES; ++n) {
            size_t size = s.bytes.size;
            if (random_below(8) == 0) size = random_below((uint32_t)(size + MORE)) + 1;
            unsigned char *at = b.room.end - size;
            memset(at, 0, size);
            memcpy(at, s.bytes.data, size < s.bytes.size ? size : s.bytes.size);
            for (uint32_t k = random_below(4) + 1; k > 0; --k) damage(at, size);
            if (size >= STATE_CHECKSUM) state_seal(at, size);
            offer(&b, at, size, n % 1024 == 0);
        }
        refused += b.refused;
        taken += b.taken;
        free_bench(&b);
        free_sample(&s);
    }
    print_message("%" PRId64 " refused, %" PRId64 " taken\n", refused, taken);
    assert_true(refused > 0 && taken > 0);
}

/* -------------------------------------------------------------------- merging */

/* What was stored goes on as if it had never been. */
static void test_merged(void **state) {
    (void)state;
    for (int i = 0; i < SMALL_SAMPLES; ++i) {
        if (small_samples[i].statistic == LQ_STATISTIC_MOVING_AVERAGE) continue;
        for (int content = 0; content < CONTENTS; ++content) {
            sample a = small_sample(i);
            sample b = new_sample(small_samples[i].statistic, small_samples[i].k,
                                  small_samples[i].sums, small_samples[i].per_channel, content);
            lq_calibrator *c = calibrator_new(&a.options, NULL);
            assert_int_equal(lq_calibrator_deserialize(c, a.size, b.bytes.data, b.bytes.size),
                             LQ_OK);
            assert_int_equal(lq_calibrator_merge(c, a.calibrator), LQ_OK);
            state_merge(&b.state, &a.state);
            struct state_bytes expected = state_encode(&b.state);
            assert_bytes(c, expected.data, expected.size);
            assert_int_equal(lq_calibrator_deserialize(c, a.size, a.bytes.data, a.bytes.size),
                             LQ_OK);
            assert_int_equal(lq_calibrator_merge(c, b.calibrator), LQ_OK);
            assert_bytes(c, expected.data, expected.size);
            ask_everything(c, false);
            free(expected.data);
            free(c);
            free_sample(&a);
            free_sample(&b);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),       cmocka_unit_test(test_fixed_hashes),
        cmocka_unit_test(test_truncated),  cmocka_unit_test(test_appended),
        cmocka_unit_test(test_every_byte), cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
