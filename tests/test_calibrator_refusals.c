/*
 * Bad arguments of calls with calibrators: one row per fault, as in test_status.c. A row changes one
 * thing in a set of good arguments; each call it applies to must then return the row's status, name
 * the argument where it has a report, and write nothing.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libquant.h"

/* Calls, as bits. */
enum {
    SIZE = 1,
    INIT = 2,
    GET = 4,
    OBSERVE = 8,
    MERGE = 16,
    SERIALIZE = 32,
    READ = 64, /* the options in bytes */
    DESERIALIZE = 128,
    SUMMARIZE = 256,
    QUANTILES = 512,
    BINS = 1024,
    RANGES = 2048,
    PARAMETERS = 4096,
    LINEAR = 8192, /* ranges from linear histograms */
    CALLS = 14,
    QUESTIONS = SUMMARIZE | QUANTILES | BINS,
    METHODS = RANGES | PARAMETERS,
    WITH_EXEC = OBSERVE | METHODS,
    OF_STATE = GET | OBSERVE | MERGE | SERIALIZE | QUESTIONS | METHODS,
    OF_CALIBRATOR = OF_STATE | INIT | DESERIALIZE,
    ALL = OF_CALIBRATOR | SIZE | READ | LINEAR
};

static const char *const names[CALLS] = {
    "size",        "init",      "get_options", "observe", "merge",  "serialize",  "options",
    "deserialize", "summarize", "quantiles",   "bins",    "ranges", "parameters", "linear"};

/* Which argument a report may blame: as it is counted, or that of the exec. */
enum {
    NOBODY = 0,
    CALIBRATOR = 1,
    X = 2,
    CALIBRATION = 2,
    SCHEME = 3,
    FIRST = 4,
    SECOND = 5,
    EXEC
};

/* Structs of later versions: the same with a tail. */
#define LONGER(type)                                                                               \
    struct long_##type {                                                                           \
        lq_##type base;                                                                            \
        uint64_t tail[2];                                                                          \
    }
LONGER(calibrator_options);
LONGER(summary);
LONGER(calibration);
LONGER(histogram);

enum { CHANNELS = 3, COLUMNS = 4, WORDS = 8000, BYTES = 512, LARGEST = 128 };

/* What calls may write. */
struct memory {
    uint64_t calibrator[WORDS], from[WORDS];
    unsigned char bytes[BYTES];
    struct long_calibrator_options told;
    struct long_summary summary;
    size_t size;
    int64_t cursor, n;
    float q[3];
    lq_bin bins[8];
    uint32_t a[16], b[16];
    float lo, hi;
};

struct fixture {
    struct memory memory;
    float values[24];
    struct long_calibrator_options options;
    struct long_calibration calibration;
    struct long_histogram histogram;
    lq_calibrator_options others;
    bool make_other;
    int call;
    lq_tensor x, a, b, sums;
    lq_scheme scheme;
    lq_exec exec;
    lq_report report;
    double p[3];
    int64_t count, channel;
    double counts[4];
    float edges[5];
    size_t needed; /* of the calibrator */
    size_t room, bytes_size, bytes_room;
    /* What the call is given. */
    lq_calibrator *calibrator, *from;
    const lq_calibrator_options *options_argument;
    lq_calibrator_options *told_argument;
    size_t *size_argument;
    void *bytes_argument;
    lq_summary *summary_argument;
    const double *p_argument;
    float *q_argument, *lo_argument, *hi_argument;
    int64_t *cursor_argument, *n_argument;
    lq_bin *bins_argument;
    const lq_tensor *x_argument, *a_argument, *b_argument;
    const lq_calibration *calibration_argument;
    const lq_scheme *scheme_argument;
    const lq_histogram *histogram_argument;
};

struct row {
    const char *fault;
    size_t field, width; /* of the fixture, changed to `value`; width 0: nothing */
    int64_t value;
    void (*change)(struct fixture *f); /* more to change, before the field */
    lq_status status;
    int who, calls;
    int64_t index;
};

#define FIELD(member) offsetof(struct fixture, member), sizeof(((struct fixture *)0)->member)
#define NOTHING 0, 0

/* ------------------------------------------------------------------ good arguments */

static void make(lq_calibrator *c, const lq_calibrator_options *o) {
    size_t size;
    assert_int_equal(lq_calibrator_size(o, &size), LQ_OK);
    assert_true(size < WORDS * sizeof(uint64_t) - 2 * BYTES);
    assert_int_equal(lq_calibrator_init(c, size, o), LQ_OK);
}

/* Another calibrator in the same memory, and its bytes. */
static void remake(struct fixture *f, const lq_calibrator_options *o, bool observe) {
    make(f->calibrator, o);
    if (observe) assert_int_equal(lq_calibrator_observe(f->calibrator, &f->x, NULL), LQ_OK);
    assert_int_equal(lq_calibrator_size(o, &f->needed), LQ_OK);
    f->room = f->needed;
    assert_int_equal(
        lq_calibrator_serialize(f->calibrator, f->memory.bytes, BYTES - LARGEST, &f->bytes_size),
        LQ_OK);
    f->bytes_room = f->bytes_size;
}

static void set_up_arguments(struct fixture *f) {
    f->options_argument = &f->options.base;
    f->told_argument = &f->memory.told.base;
    f->size_argument = &f->memory.size;
    f->bytes_argument = f->memory.bytes;
    f->summary_argument = &f->memory.summary.base;
    f->p_argument = f->p;
    f->q_argument = f->memory.q;
    f->lo_argument = &f->memory.lo;
    f->hi_argument = &f->memory.hi;
    f->cursor_argument = &f->memory.cursor;
    f->n_argument = &f->memory.n;
    f->bins_argument = f->memory.bins;
    f->x_argument = &f->x;
    f->a_argument = &f->a;
    f->b_argument = &f->b;
    f->calibration_argument = &f->calibration.base;
    f->scheme_argument = &f->scheme;
    f->histogram_argument = &f->histogram.base;
}

static void set_up(struct fixture *f, int call) {
    memset(f, 0, sizeof *f);
    f->call = call;
    for (int i = 0; i < 24; ++i) f->values[i] = (float)(i * i) - 20.5f;
    f->x = lq_matrix(f->values, LQ_F32, CHANNELS, COLUMNS);
    f->options.base = lq_calibrate_per_channel(0, CHANNELS);
    f->options.base.mantissa_bits = 1;
    f->others = f->options.base;
    f->calibrator = (lq_calibrator *)(void *)f->memory.calibrator;
    f->from = (lq_calibrator *)(void *)f->memory.from;
    remake(f, &f->options.base, true);
    make(f->from, &f->others);
    assert_int_equal(lq_calibrator_observe(f->from, &f->x, NULL), LQ_OK);
    lq_calibrator_options_init(&f->memory.told.base, sizeof f->memory.told.base);
    lq_summary_init(&f->memory.summary.base, sizeof f->memory.summary.base);
    f->calibration.base = lq_calibration_by(LQ_METHOD_PERCENTILE);
    lq_histogram_init(&f->histogram.base, sizeof f->histogram.base);
    f->histogram.base.counts = f->counts;
    f->histogram.base.edges = f->edges;
    f->histogram.base.bins = 4;
    f->histogram.base.min = 0.5f;
    f->histogram.base.max = 4.0f;
    for (int i = 0; i < 5; ++i) f->edges[i] = (float)i;
    for (int i = 0; i < 4; ++i) f->counts[i] = 3 * i;
    f->a = lq_vector(f->memory.a, LQ_F32, CHANNELS);
    f->b = lq_vector(f->memory.b, call == PARAMETERS ? LQ_S32 : LQ_F32, CHANNELS);
    f->sums = lq_vector(f->memory.b, LQ_S32, CHANNELS);
    f->scheme = lq_affine(LQ_U8, lq_per_tensor());
    lq_report_init(&f->report, sizeof f->report);
    lq_exec_init(&f->exec, sizeof f->exec);
    f->exec.report = &f->report;
    f->p[0] = 0.1, f->p[1] = 0.5, f->p[2] = 1;
    f->count = 3;
    set_up_arguments(f);
}

static lq_status call(const struct fixture *f) {
    lq_calibrator *c = f->calibrator;
    const lq_calibration *by = f->calibration_argument;
    const lq_scheme *scheme = f->scheme_argument;
    switch (f->call) {
    case SIZE: return lq_calibrator_size(f->options_argument, f->size_argument);
    case INIT: return lq_calibrator_init(c, f->room, f->options_argument);
    case GET: return lq_calibrator_get_options(c, f->told_argument);
    case OBSERVE: return lq_calibrator_observe(c, f->x_argument, &f->exec);
    case MERGE: return lq_calibrator_merge(c, f->from);
    case SERIALIZE:
        return lq_calibrator_serialize(c, f->bytes_argument, f->bytes_room, f->size_argument);
    case READ: return lq_serialized_options(f->bytes_argument, f->bytes_size, f->told_argument);
    case DESERIALIZE:
        return lq_calibrator_deserialize(c, f->room, f->bytes_argument, f->bytes_size);
    case SUMMARIZE: return lq_calibrator_summarize(c, f->channel, f->summary_argument);
    case QUANTILES:
        return lq_calibrator_quantiles(c, f->channel, f->p_argument, f->count, f->q_argument);
    case BINS:
        return lq_calibrator_bins(c, f->channel, f->cursor_argument, f->bins_argument, f->count,
                                  f->n_argument);
    case RANGES: return lq_calibrator_ranges(c, by, scheme, f->a_argument, f->b_argument, &f->exec);
    case PARAMETERS:
        return lq_calibrator_parameters(c, by, scheme, f->a_argument, f->b_argument, &f->exec);
    default:
        return lq_histogram_range(f->histogram_argument, by, scheme, f->lo_argument,
                                  f->hi_argument);
    }
}

/* ------------------------------------------------------------------------- changes */

static lq_calibrator *at(struct fixture *f, size_t byte) {
    return (lq_calibrator *)(void *)((char *)f->memory.calibrator + byte);
}

static void no_quantiles(struct fixture *f) {
    f->count = 0;
    f->q_argument = NULL;
}

static void symmetric(struct fixture *f) {
    f->scheme.mapping = LQ_SYMMETRIC;
}

static void garbage(struct fixture *f) {
    memset(f->memory.calibrator, 0x5a, sizeof f->memory.calibrator);
}
static void zeros(struct fixture *f) {
    memset(f->memory.calibrator, 0, sizeof f->memory.calibrator);
}
static void garbage_from(struct fixture *f) {
    memset(f->memory.from, 0x5a, sizeof f->memory.from);
}
static void another_version(struct fixture *f) {
    f->memory.calibrator[0] += UINT64_C(1) << 56;
}

static void move(struct fixture *f, size_t bytes) {
    memmove(at(f, bytes), at(f, 0), f->needed);
    f->calibrator = at(f, bytes);
}
static void misaligned(struct fixture *f) {
    move(f, 4);
}
static void moved(struct fixture *f) {
    move(f, 8);
}

static void a_byte_short(struct fixture *f) {
    --f->room;
    --f->bytes_room;
}
static void no_room(struct fixture *f) {
    f->room = f->bytes_room = 0;
}
static void just_room(struct fixture *f) {
    f->room = f->needed;
    f->bytes_room = f->bytes_size;
}

static void long_options(struct fixture *f) {
    f->options.base.struct_size = sizeof f->options;
}
static void long_told(struct fixture *f) {
    f->memory.told.base.struct_size = sizeof f->memory.told;
}
static void long_summary(struct fixture *f) {
    f->memory.summary.base.struct_size = sizeof f->memory.summary;
}
static void long_calibration(struct fixture *f) {
    f->calibration.base.struct_size = sizeof f->calibration;
}
static void long_histogram(struct fixture *f) {
    f->histogram.base.struct_size = sizeof f->histogram;
}
static void with_sums(struct fixture *f) {
    f->exec.code_sums = &f->sums;
}

static void set_statistic(lq_calibrator_options *o, lq_statistic statistic) {
    o->statistic = statistic;
    o->mantissa_bits = 0;
}
static void range_options(struct fixture *f) {
    set_statistic(&f->options.base, LQ_STATISTIC_RANGE);
}
static void moving_options(struct fixture *f) {
    set_statistic(&f->options.base, LQ_STATISTIC_MOVING_AVERAGE);
}
static void axis_1(struct fixture *f) {
    f->options.base.axis = 1;
}

static void of_range(struct fixture *f) {
    range_options(f);
    remake(f, &f->options.base, true);
}
static void of_moving(struct fixture *f) {
    moving_options(f);
    remake(f, &f->options.base, true);
}
static void of_tensor(struct fixture *f) {
    f->options.base.channels = 0;
    remake(f, &f->options.base, true);
}
static void along(struct fixture *f, int32_t axis, int64_t channels) {
    f->options.base.axis = axis;
    f->options.base.channels = channels;
    remake(f, &f->options.base, true);
}
static void along_1(struct fixture *f) {
    along(f, 1, COLUMNS);
}
static void along_minus_2(struct fixture *f) {
    along(f, -2, CHANNELS);
}
static void one_empty(struct fixture *f) {
    for (int i = 0; i < COLUMNS; ++i) {
        const uint32_t bits = i % 2 ? 0x7fc00000u : 0xff800000u;
        memcpy(&f->values[COLUMNS + i], &bits, sizeof bits);
    }
    remake(f, &f->options.base, true);
}
static void all_empty(struct fixture *f) {
    remake(f, &f->options.base, false);
}

static void roomy(struct fixture *f) {
    f->x.size = sizeof f->values;
    f->a.size = f->b.size = sizeof f->memory.a;
}
static void too_many(struct fixture *f) {
    f->x = lq_matrix(f->values, LQ_F32, INT64_C(1) << 40, INT64_C(1) << 40);
    f->x.size = INT64_MAX;
}
static void x_in_calibrator(struct fixture *f) {
    f->x.data = at(f, 256);
}
static void x_at_end(struct fixture *f) {
    f->x.data = at(f, f->needed - 1);
}
static void x_behind(struct fixture *f) {
    f->x.data = at(f, f->needed);
}

static void from_itself(struct fixture *f) {
    f->from = f->calibrator;
}
/* Something of the same size that begins among the other's counters. */
static void from_inside(struct fixture *f) {
    memcpy(at(f, 4096), at(f, 0), 256);
    f->from = at(f, 4096);
}
static void into_end(struct fixture *f) {
    from_inside(f);
    f->from = f->calibrator;
    f->calibrator = at(f, 4096);
}
/* `others` are still to be changed. */
static void other_options(struct fixture *f) {
    f->make_other = true;
}
static void one_channel_into_tensor(struct fixture *f) {
    of_tensor(f);
    f->others.channels = 1;
    f->make_other = true;
}
static void make_other(struct fixture *f) {
    if (f->others.statistic != LQ_STATISTIC_HISTOGRAM) f->others.mantissa_bits = 0;
    make(f->from, &f->others);
}

static void bytes_at(struct fixture *f, size_t byte) {
    if (f->call == DESERIALIZE) memcpy(at(f, byte), f->memory.bytes, f->bytes_size);
    f->bytes_argument = at(f, byte);
}
static void bytes_inside(struct fixture *f) {
    bytes_at(f, 1024);
}
static void bytes_at_end(struct fixture *f) {
    bytes_at(f, f->needed - 1);
}
static void bytes_behind(struct fixture *f) {
    bytes_at(f, f->needed);
}
static void damaged(struct fixture *f) {
    f->memory.bytes[f->bytes_size - 9] ^= 1;
}

static void by_deviation(struct fixture *f) {
    f->calibration.base.method = LQ_METHOD_MEAN_DEVIATION;
}

static void outputs_meet(struct fixture *f) {
    f->b.data = (char *)f->a.data + 8;
}
static void outputs_are_one(struct fixture *f) {
    f->b.data = f->a.data;
}
static void interleaved(struct fixture *f) {
    f->b.data = f->a.data;
    f->a.size = f->b.size = 24;
    f->a.stride[0] = f->b.stride[0] = 2;
    f->b.offset = 1;
}
static void first_inside(struct fixture *f) {
    f->a.data = at(f, f->needed - 4);
}
static void second_inside(struct fixture *f) {
    f->b.data = at(f, 0);
}

static void no_counts(struct fixture *f) {
    memset(f->counts, 0, sizeof f->counts);
}

/* ------------------------------------------------------------------------- running */

static const struct row rows[] = {
#include "calibrator_rows.inc"
};

static void change(struct fixture *f, const struct row *row) {
    if (row->change) row->change(f);
    if (row->width == 4) {
        const uint32_t value = (uint32_t)row->value;
        memcpy((char *)f + row->field, &value, 4);
    } else if (row->width == 8) {
        memcpy((char *)f + row->field, &row->value, 8);
    }
    if (f->make_other) make_other(f);
}

static bool reported(const struct row *row, const struct fixture *f, const lq_report *before) {
    const int exec = f->call == OBSERVE ? 3 : 6;
    if (row->who == NOBODY || !(f->call & WITH_EXEC)) {
        return memcmp(&f->report, before, sizeof *before) == 0;
    }
    return f->report.argument == (row->who == EXEC ? exec : row->who) &&
           f->report.index == row->index && f->report.nan == 0 && f->report.infinite == 0;
}

static bool run_row(const struct row *row, int which) {
    static struct fixture f, before;
    set_up(&f, 1 << which);
    change(&f, row);
    memcpy(&before, &f, sizeof f);
    const lq_status status = call(&f);
    const bool refused = status != LQ_OK;
    const bool untouched = !refused || memcmp(&f.memory, &before.memory, sizeof f.memory) == 0;
    const bool blamed = !refused || reported(row, &f, &before.report);
    if (status == row->status && untouched && blamed) return true;
    print_error("%s, %s: %s (%d, expected %d), argument %d, index %" PRId64 "%s\n", names[which],
                row->fault, lq_status_string(status), (int)status, (int)row->status,
                (int)f.report.argument, f.report.index, untouched ? "" : ", outputs written");
    return false;
}

static void test_rows(void **state) {
    int count = 0, bad = 0;
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r) {
        for (int which = 0; which < CALLS; ++which) {
            if (!(rows[r].calls >> which & 1)) continue;
            bad += !run_row(&rows[r], which);
            ++count;
        }
    }
    print_message("%d refusals and near misses of %zu kinds\n", count, sizeof rows / sizeof *rows);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
