#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "differential.h"

static const char *const operation_names[] = {"lq_calibrate",     "lq_quantize",
                                              "lq_dequantize",    "lq_quantize_dynamic",
                                              "lq_measure_error", "lq_measure_error of reals",
                                              "lq_pack_codes",    "lq_unpack_codes"};

static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
enum { LEVELS = sizeof levels / sizeof levels[0] };

/* ---------------------------------------------------------------- reporting */

static void print_case(const struct test_case *c, lq_cpu level) {
    fprintf(stderr,
            "%s on level %s, exec %d, flags %u; LQ_SEED=%" PRIu64 " LQ_CASES=1 replays it\n",
            operation_names[c->operation], lq_cpu_name(level), (int)c->with_exec,
            (unsigned)c->flags, c->seed);
    if (c->operation < MEASURE_REAL) print_scheme(&c->scheme);
    print_view("x", &c->arena, &c->x);
    print_view("codes", &c->arena, &c->codes);
    if (c->operation >= MEASURE_REAL) return;
    print_view("scale", &c->arena, &c->scale);
    if (c->has_zero_point) print_view("zero point", &c->arena, &c->zero_point);
}

static void compare_bytes(const struct test_case *c, lq_cpu level) {
    const struct arena *a = &c->arena;
    int64_t shown = 0;
    if (memcmp(a->expected, a->actual, (size_t)a->used) == 0) return;
    print_case(c, level);
    for (int64_t i = 0; i < a->used && shown < 8; ++i) {
        if (a->expected[i] == a->actual[i]) continue;
        fprintf(stderr, "  byte %" PRId64 ": %02x before, %02x expected, %02x actual\n", i,
                a->before[i], a->expected[i], a->actual[i]);
        ++shown;
    }
    fail_msg("the bytes differ");
}

static void compare_count(const struct test_case *c, lq_cpu level, const char *what,
                          int64_t expected, int64_t actual) {
    if (expected == actual) return;
    print_case(c, level);
    fail_msg("%s: %" PRId64 " expected, %" PRId64 " actual", what, expected, actual);
}

static void compare_figure(const struct test_case *c, lq_cpu level, const char *what,
                           double expected, double actual, double tolerance) {
    if (isnan(expected) ? isnan(actual) : expected == actual) return;
    if (isfinite(expected) && fabs(expected - actual) <= tolerance) return;
    print_case(c, level);
    fail_msg("%s: %.17g expected, %.17g actual", what, expected, actual);
}

/* ------------------------------------------------------------------ running */

static void expect(struct test_case *c) {
    uint8_t *const before = c->arena.before, *const after = c->arena.expected;
    lq_tensor scale_in = arena_view(&c->arena, &c->scale, before);
    lq_tensor scale_out = arena_view(&c->arena, &c->scale, after);
    lq_tensor zero_in = arena_view(&c->arena, &c->zero_point, before);
    lq_tensor zero_out = arena_view(&c->arena, &c->zero_point, after);
    lq_tensor x_out = arena_view(&c->arena, &c->x, after);
    lq_tensor codes_out = arena_view(&c->arena, &c->codes, after);
    const lq_tensor *z_in = c->has_zero_point ? &zero_in : NULL;
    const lq_tensor *z_out = c->has_zero_point ? &zero_out : NULL;
    struct naive_counts unused = {0};
    memset(&c->counts, 0, sizeof c->counts);
    switch (c->operation) {
    case CALIBRATE: naive_calibrate(&c->x, &c->scheme, &scale_out, z_out, &c->counts); break;
    case QUANTIZE:
        naive_quantize(&c->x, &c->scheme, &scale_in, z_in, &codes_out, &c->counts);
        break;
    case DEQUANTIZE: naive_dequantize(&c->codes, &c->scheme, &scale_in, z_in, &x_out); break;
    case DYNAMIC:
        naive_calibrate(&c->x, &c->scheme, &scale_out, z_out, &unused);
        naive_quantize(&c->x, &c->scheme, &scale_out, z_out, &codes_out, &c->counts);
        break;
    case MEASURE: naive_measure(&c->x, &c->codes, &c->scheme, &scale_in, z_in, &c->error); break;
    case MEASURE_REAL: naive_measure(&c->x, &c->codes, NULL, NULL, NULL, &c->error); break;
    case PACK: naive_copy_codes(&c->x, &codes_out); break;
    case UNPACK: naive_copy_codes(&c->codes, &x_out); break;
    }
}

lq_status call_case(const struct test_case *c, const lq_exec *exec, lq_error *error) {
    uint8_t *const actual = c->arena.actual;
    lq_tensor x = arena_view(&c->arena, &c->x, actual);
    lq_tensor codes = arena_view(&c->arena, &c->codes, actual);
    lq_tensor scale = arena_view(&c->arena, &c->scale, actual);
    lq_tensor zero_point = arena_view(&c->arena, &c->zero_point, actual);
    const lq_tensor *z = c->has_zero_point ? &zero_point : NULL;
    switch (c->operation) {
    case CALIBRATE: return lq_calibrate(&x, &c->scheme, &scale, z, exec);
    case QUANTIZE: return lq_quantize(&x, &c->scheme, &scale, z, &codes, exec);
    case DEQUANTIZE: return lq_dequantize(&codes, &c->scheme, &scale, z, &x, exec);
    case DYNAMIC: return lq_quantize_dynamic(&x, &c->scheme, &codes, &scale, z, exec);
    case MEASURE: return lq_measure_error(&x, &codes, &c->scheme, &scale, z, error, exec);
    case MEASURE_REAL: return lq_measure_error(&x, &codes, NULL, NULL, NULL, error, exec);
    case PACK: return lq_pack_codes(&x, &codes, exec);
    default: return lq_unpack_codes(&codes, &x, exec);
    }
}

static void compare_error(const struct test_case *c, lq_cpu level, const lq_error *actual) {
    const lq_error *e = &c->error;
    compare_count(c, level, "count", e->count, actual->count);
    compare_count(c, level, "nonfinite", e->nonfinite, actual->nonfinite);
    compare_count(c, level, "clipped", e->clipped, actual->clipped);
    compare_figure(c, level, "max_abs_error", e->max_abs_error, actual->max_abs_error, 0.0);
    compare_figure(c, level, "mse", e->mse, actual->mse, e->mse * 1e-12);
    compare_figure(c, level, "sqnr_db", e->sqnr_db, actual->sqnr_db, 1e-9);
    compare_figure(c, level, "cosine", e->cosine, actual->cosine, 1e-12);
}

static void run_on(struct test_case *c, lq_cpu level, lq_error *error) {
    lq_report report;
    lq_exec exec;
    lq_status status;
    memcpy(c->arena.actual, c->arena.before, (size_t)c->arena.used);
    assert_int_equal(lq_report_init(&report, sizeof report), LQ_OK);
    assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
    assert_int_equal(lq_error_init(error, sizeof *error), LQ_OK);
    /* What the caller left in a report must not show through. */
    report.nan = report.infinite = report.clipped = report.index = 99;
    report.argument = 99;
    exec.flags = c->flags;
    exec.report = c->with_exec == 2 ? &report : NULL;
    status = call_case(c, c->with_exec ? &exec : NULL, error);
    if (status != LQ_OK) {
        print_case(c, level);
        fail_msg("refused: %s (argument %d, index %" PRId64 ")", lq_status_string(status),
                 (int)report.argument, report.index);
    }
    compare_bytes(c, level);
    if (c->operation == MEASURE || c->operation == MEASURE_REAL) {
        compare_error(c, level, error);
    } else if (c->with_exec == 2) {
        compare_count(c, level, "report.nan", c->counts.nan, report.nan);
        compare_count(c, level, "report.infinite", c->counts.infinite, report.infinite);
        compare_count(c, level, "report.clipped", c->counts.clipped, report.clipped);
        compare_count(c, level, "report.argument", 0, report.argument);
        compare_count(c, level, "report.index", -1, report.index);
    }
}

/* A contiguous copy with storage of its own. */
static lq_tensor copy_of(const lq_tensor *t) {
    int64_t count = naive_count(t);
    void *data = calloc((size_t)count + 1, 4);
    lq_tensor copy = lq_contiguous(data, t->type, t->rank, t->shape);
    if (!data) abort();
    for (int64_t i = 0; i < count; ++i) naive_set_bits(&copy, i, naive_get_bits(t, i));
    return copy;
}

/* The figures of an error are fixed by shape and values: strides must not show in any bit. */
static void compare_contiguous(const struct test_case *c, lq_cpu level, const lq_error *figures) {
    lq_tensor x, codes;
    lq_error error;
    if (c->operation != MEASURE && c->operation != MEASURE_REAL) return;
    x = copy_of(&c->x);
    codes = copy_of(&c->codes);
    assert_int_equal(lq_error_init(&error, sizeof error), LQ_OK);
    if (c->operation == MEASURE)
        assert_int_equal(lq_measure_error(&x, &codes, &c->scheme, &c->scale,
                                          c->has_zero_point ? &c->zero_point : NULL, &error, NULL),
                         LQ_OK);
    else
        assert_int_equal(lq_measure_error(&x, &codes, NULL, NULL, NULL, &error, NULL), LQ_OK);
    free(x.data);
    free(codes.data);
    if (memcmp(&error, figures, sizeof error) == 0) return;
    print_case(c, level);
    fail_msg("the figures of contiguous copies differ: %a and %a", error.mse, figures->mse);
}

/* What lq_quantize_dynamic wrote, made in two calls. */
static void compare_two_steps(struct test_case *c, lq_cpu level) {
    struct test_case steps = *c;
    if (c->operation != DYNAMIC) return;
    memcpy(c->arena.actual, c->arena.before, (size_t)c->arena.used);
    steps.operation = CALIBRATE;
    assert_int_equal(call_case(&steps, NULL, NULL), LQ_OK);
    steps.operation = QUANTIZE;
    assert_int_equal(call_case(&steps, NULL, NULL), LQ_OK);
    compare_bytes(c, level);
}

void run_case(struct test_case *c) {
    lq_error first, error;
    int any = 0;
    arena_commit(&c->arena);
    expect(c);
    for (int i = 0; i < LEVELS; ++i) {
        if (!lq_cpu_available(levels[i])) continue;
        assert_int_equal(lq_cpu_use(levels[i]), LQ_OK);
        run_on(c, levels[i], &error);
        compare_two_steps(c, levels[i]);
        compare_contiguous(c, levels[i], &error);
        if (!any) first = error;
        if (memcmp(&first, &error, sizeof error) != 0) {
            print_case(c, levels[i]);
            fail_msg("the figures of the error differ between levels");
        }
        any = 1;
    }
    assert_true(any);
}

void start_case(struct test_case *c, uint64_t seed, enum operation operation) {
    struct arena arena = c->arena;
    memset(c, 0, sizeof *c);
    c->arena = arena;
    c->seed = seed;
    arena_reset(&c->arena, seed);
    c->operation = operation;
    c->with_exec = (int32_t)random_in(&c->arena.random, 0, 2);
    c->flags = random_one_in(&c->arena.random, 4) ? LQ_TRUSTED : 0;
}

const char *name_of_operation(enum operation operation) {
    return operation_names[operation];
}
