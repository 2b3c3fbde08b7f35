/*
 * Bytes that nobody has stored but that have a right checksum: headers out of range, fields that
 * contradict each other, the same numbers in other words.
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

/* ------------------------------------------------------------------ headers */

static void put(unsigned char *bytes, size_t at, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) bytes[at + (size_t)i] = (unsigned char)(value >> (8 * i));
}

static void test_headers(void **state) {
    enum { HISTOGRAM = 1, RANGE = 2, MOVING = 4, ALL = 7, PER_TENSOR = 8 };
    static const struct {
        size_t at;
        int width;
        uint64_t value;
        int of; /* which statistics */
        lq_status status;
    } rows[] = {
        {0, 1, 'l', ALL, LQ_ERROR_DATA},
        {7, 1, 'B', ALL, LQ_ERROR_DATA},
        {8, 4, 0, ALL, LQ_ERROR_VERSION},
        {8, 4, 2, ALL, LQ_ERROR_VERSION},
        {8, 4, 0x101, ALL, LQ_ERROR_VERSION},
        {8, 4, 0xffffffff, ALL, LQ_ERROR_VERSION},
        {12, 1, 3, ALL, LQ_ERROR_DATA}, /* statistic */
        {12, 1, 255, ALL, LQ_ERROR_DATA},
        {12, 1, 1, HISTOGRAM | MOVING, LQ_ERROR_DATA},
        {13, 1, 0, HISTOGRAM, LQ_ERROR_DATA}, /* k */
        {13, 1, 11, HISTOGRAM, LQ_ERROR_DATA},
        {13, 1, 128, HISTOGRAM, LQ_ERROR_DATA},
        {13, 1, 255, HISTOGRAM, LQ_ERROR_DATA},
        {13, 1, 1, RANGE | MOVING, LQ_ERROR_DATA},
        {14, 1, 2, ALL, LQ_ERROR_DATA}, /* sums */
        {14, 1, 255, ALL, LQ_ERROR_DATA},
        {14, 1, 1, RANGE | MOVING, LQ_ERROR_DATA},
        {15, 1, 2, ALL, LQ_ERROR_DATA}, /* per channel */
        {15, 1, 0, ALL, LQ_ERROR_DATA},
        {16, 4, 8, ALL, LQ_ERROR_DATA}, /* axis */
        {16, 4, (uint32_t)-9, ALL, LQ_ERROR_DATA},
        {16, 4, 0x80000000, ALL, LQ_ERROR_DATA},
        {16, 4, 0x7fffffff, ALL, LQ_ERROR_DATA},
        {16, 4, 1, ALL | PER_TENSOR, LQ_ERROR_DATA},
        {16, 4, (uint32_t)-8, ALL, LQ_OK},
        {20, 4, 0x7fc00000, ALL, LQ_ERROR_DATA}, /* averaging */
        {20, 4, 0x80000000, ALL, LQ_ERROR_DATA},
        {20, 4, 0x7f800000, ALL, LQ_ERROR_DATA},
        {20, 4, 0x3f800001, ALL, LQ_ERROR_DATA},
        {20, 4, 0xbf000000, ALL, LQ_ERROR_DATA},
        {20, 4, 0, MOVING, LQ_ERROR_DATA},
        {20, 4, 0x3f000000, HISTOGRAM | RANGE, LQ_ERROR_DATA},
        {20, 4, 1, MOVING, LQ_OK},
        {20, 4, 0x3f800000, MOVING, LQ_OK},
        {24, 8, 0, ALL, LQ_ERROR_DATA}, /* channels */
        {24, 8, 2, ALL, LQ_ERROR_DATA},
        {24, 8, 4, ALL, LQ_ERROR_DATA},
        {24, 8, 2, ALL | PER_TENSOR, LQ_ERROR_DATA},
        {24, 8, 0, ALL | PER_TENSOR, LQ_ERROR_DATA},
        {24, 8, UINT64_C(1) << 16, ALL, LQ_ERROR_DATA},
        {24, 8, UINT64_C(1) << 63, ALL, LQ_ERROR_DATA},
        {24, 8, UINT64_MAX, ALL, LQ_ERROR_DATA},
        {24, 8, INT64_MAX, ALL, LQ_ERROR_OVERFLOW},
        {24, 8, INT64_MAX / 8, RANGE | MOVING, LQ_ERROR_OVERFLOW},
        {24, 8, INT64_MAX / 4096, HISTOGRAM, LQ_ERROR_OVERFLOW},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        for (int statistic = 0; statistic < 3; ++statistic) {
            if (!(rows[i].of >> statistic & 1)) continue;
            sample s =
                new_sample(statistic, statistic ? 0 : 3, false, !(rows[i].of & PER_TENSOR), FEW);
            bench b = new_bench(s.bytes.size, s.size);
            unsigned char *at = b.room.end - s.bytes.size;
            memcpy(at, s.bytes.data, s.bytes.size);
            put(at, rows[i].at, rows[i].value, rows[i].width);
            state_seal(at, s.bytes.size);
            const lq_status status = offer(&b, at, s.bytes.size, false);
            if (status != rows[i].status) {
                fail_msg("row %zu of statistic %d: %s", i, statistic, lq_status_string(status));
            }
            free_bench(&b);
            free_sample(&s);
        }
    }
}

/* ------------------------------------------------------- channels by contradiction */

/* A channel's fields made to disagree; the checksum is right. */
static lq_status offer_state(const struct state *s) {
    size_t size;
    struct state_bytes bytes = state_encode(s);
    lq_calibrator_size(&s->options, &size);
    bench b = new_bench(bytes.size, size);
    const lq_status status = offer(&b, bytes.data, bytes.size, true);
    free_bench(&b);
    free(bytes.data);
    return status;
}

enum { K = 2, ONE = 0x3f800000 >> (23 - K), NAN_BIN = 0x7fc00000 >> (23 - K) };

static struct state one_and_two(void) {
    lq_calibrator_options o = lq_calibrate_per_tensor();
    struct state s;
    o.mantissa_bits = K;
    o.bin_sums = 1;
    state_init(&s, &o);
    state_add(&s, 0, 1.03125f);
    state_add(&s, 0, 2.0f);
    return s;
}

static void test_contradictions(void **state) {
    (void)state;
    for (int fault = 0; fault < 19; ++fault) {
        struct state s = one_and_two();
        struct state_channel *c = &s.channel[0];
        lq_status expected = LQ_ERROR_DATA;
        switch (fault) {
        case 0: expected = LQ_OK; break;
        case 1: c->lo = 0.5f; break; /* its bin has no values */
        case 2: c->hi = 4.0f; break;
        case 3: c->lo = 1.53125f; break; /* a bin with values lies below */
        case 4: c->hi = 1.0625f; break;
        case 5: c->lo = NAN; break;
        case 6: c->lo = INFINITY, c->hi = -INFINITY; break; /* of nothing, but there are values */
        case 7: c->lo = 2.0f, c->hi = 1.03125f; break;
        case 8: c->hi = INFINITY; break;
        case 9: c->low_bits = 0; break; /* but lo has some */
        case 10: c->low_bits |= 1u << (23 - K); break;
        case 11:
            c->count[ONE + 1] = 1;
            expected = LQ_OK;
            break; /* between the ends */
        case 12: c->count[ONE] = STATE_MOST_COUNT + 1; break;
        case 13: c->count[NAN_BIN + 1] = 1; break; /* no value has these bits */
        case 14: c->count[NAN_BIN] = 1, c->sum[NAN_BIN] = 1; break;
        case 15: c->sum[ONE] = c->low_bits + 1; break;
        case 16:
            c->count[ONE] = STATE_MOST_COUNT, c->sum[ONE] = STATE_MOST_SUM;
            expected = LQ_OK;
            break;
        case 17: c->count[ONE] = STATE_MOST_COUNT, c->sum[ONE] = STATE_MOST_SUM + 1; break;
        default:
            c->count[0x7f800000 >> (23 - K)] = 9, c->count[NAN_BIN] = 7;
            expected = LQ_OK;
            break;
        }
        const lq_status status = offer_state(&s);
        if (status != expected) fail_msg("%d: %s", fault, lq_status_string(status));
        state_free(&s);
    }
}

/* Those of moving averages: +0 as everywhere, but in any order and anywhere. */
static void test_averages(void **state) {
    static const struct {
        float lo, hi, moving_lo, moving_hi;
        lq_status status;
    } rows[] = {
        {-1, 2, -0.5f, 1.5f, LQ_OK},
        {-1, 2, 1.5f, -0.5f, LQ_OK},
        {-1, 2, -9, 9, LQ_OK},
        {-1, 2, 5, 7, LQ_OK},
        {-1, 2, -7, -5, LQ_OK},
        {-1, 2, NAN, 1, LQ_ERROR_DATA},
        {-1, 2, -1, INFINITY, LQ_ERROR_DATA},
        {-1, 2, INFINITY, -INFINITY, LQ_ERROR_DATA},
        {INFINITY, -INFINITY, INFINITY, -INFINITY, LQ_OK},
        {INFINITY, -INFINITY, 1, 2, LQ_ERROR_DATA},
        {INFINITY, -INFINITY, -INFINITY, INFINITY, LQ_ERROR_DATA},
        {INFINITY, -INFINITY, NAN, NAN, LQ_ERROR_DATA},
    };
    (void)state;
    lq_calibrator_options o = lq_calibrate_per_tensor();
    o.statistic = LQ_STATISTIC_MOVING_AVERAGE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        struct state s;
        state_init(&s, &o);
        s.channel[0].lo = rows[i].lo;
        s.channel[0].hi = rows[i].hi;
        s.channel[0].moving_lo = rows[i].moving_lo;
        s.channel[0].moving_hi = rows[i].moving_hi;
        assert_int_equal(offer_state(&s), rows[i].status);
        state_free(&s);
    }
    sample s = new_sample(LQ_STATISTIC_MOVING_AVERAGE, 0, false, false, ZEROS);
    bench b = new_bench(s.bytes.size, s.size);
    for (size_t field = 0; field < 4; ++field) {
        unsigned char *at = b.room.end - s.bytes.size;
        memcpy(at, s.bytes.data, s.bytes.size);
        at[STATE_HEADER + 4 * field + 3] = 0x80; /* -0 */
        state_seal(at, s.bytes.size);
        assert_int_equal(offer(&b, at, s.bytes.size, false), LQ_ERROR_DATA);
    }
    free_bench(&b);
    free_sample(&s);
}

/* Numbers in more bytes than they need, or of more than 64 bits; runs that could be longer. */
static void test_other_spellings(void **state) {
    static const struct {
        size_t used;
        unsigned char bytes[28];
        lq_status status;
    } rows[] = {
        /* k = 1 without values: 1024 empty bins. */
        {2, {0x80, 0x08}, LQ_OK},
        {3, {0x80, 0x88, 0x00}, LQ_ERROR_DATA},
        {2, {0x81, 0x08}, LQ_ERROR_DATA},
        {2, {0xff, 0x07}, LQ_ERROR_DATA},
        {10, {0x80, 0x88, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02}, LQ_ERROR_DATA},
        {11, {0x80, 0x88, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, LQ_ERROR_DATA},
        {10, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, LQ_ERROR_DATA},
        /* One NaN: 511 empty bins, 1 with a count of 1, 512 empty ones. */
        {6, {0xff, 0x03, 0x01, 0x01, 0x80, 0x04}, LQ_OK},
        {6, {0xff, 0x03, 0x01, 0x00, 0x80, 0x04}, LQ_ERROR_DATA},
        {5, {0xff, 0x03, 0x00, 0x81, 0x04}, LQ_ERROR_DATA},
        {4, {0xff, 0x03, 0x01, 0x01}, LQ_ERROR_DATA},
        {7, {0xff, 0x03, 0x01, 0x81, 0x00, 0x80, 0x04}, LQ_ERROR_DATA},
        {9, {0xff, 0x03, 0x01, 0x01, 0xff, 0x03, 0x00, 0x01}, LQ_ERROR_DATA},
        /* Two infinities and a NaN: 510 empty bins, 2, 510 empty, 1, 1 empty. */
        {9, {0xfe, 0x03, 0x02, 0x01, 0x01, 0xfe, 0x03, 0x01, 0x01}, LQ_ERROR_DATA},
        {10, {0xfe, 0x03, 0x02, 0x01, 0x01, 0xfe, 0x03, 0x01, 0x01, 0x01}, LQ_OK},
        /* The same with the run of two as two runs. */
        {12,
         {0xfe, 0x03, 0x01, 0x01, 0x00, 0x01, 0x01, 0xfe, 0x03, 0x01, 0x01, 0x01},
         LQ_ERROR_DATA},
    };
    (void)state;
    sample s = new_sample(LQ_STATISTIC_HISTOGRAM, 1, false, false, NOTHING);
    enum { BEGIN = STATE_HEADER + 4 + 4 + 4 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        const size_t size = BEGIN + rows[i].used + STATE_CHECKSUM;
        bench b = new_bench(size, s.size);
        unsigned char *at = b.room.end - size;
        memcpy(at, s.bytes.data, BEGIN);
        memcpy(at + BEGIN, rows[i].bytes, rows[i].used);
        state_seal(at, size);
        const lq_status status = offer(&b, at, size, false);
        if (status != rows[i].status) fail_msg("row %zu: %s", i, lq_status_string(status));
        free_bench(&b);
    }
    free_sample(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_averages),
        cmocka_unit_test(test_other_spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
