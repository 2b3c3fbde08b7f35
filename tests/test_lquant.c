/*
 * lquant on real weights and on samples of every kind: what it writes equals an independent
 * recomputation, and its reports say what compare finds.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "lquant_run.h"
#include "oracle.h"
#include "scratch.h"
#include "tensor_file.h"

typedef struct combination {
    const char *options; /* of quantize */
    const char *type;
    oracle_scheme scheme;
} combination;

#define T ORACLE_PER_TENSOR, 0, 0
#define C(axis) ORACLE_PER_CHANNEL, axis, 0
#define B(size, axis) ORACLE_PER_BLOCK, axis, size

static const combination combinations[] = {
    {"", "s8", {8, 1, 0, "F32", C(0)}},
    {"--type s8 --per-tensor", "s8", {8, 1, 0, "F32", T}},
    {"--per-block=32 --symmetric", "s8", {8, 1, 0, "F32", B(32, -1)}},
    {"--scale f16", "s8", {8, 1, 0, "F16", C(0)}},
    {"--type s8 --affine --per-channel --scale f16", "s8", {8, 1, 1, "F16", C(0)}},
    {"--per-block=100000000@1", "s8", {8, 1, 0, "F32", B(100000000, 1)}},
    {"--type u8 --affine", "u8", {8, 0, 1, "F32", C(0)}},
    {"--type=u8 --affine --per-tensor", "u8", {8, 0, 1, "F32", T}},
    {"--type u8 --affine --per-block=9@0 --scale bf16", "u8", {8, 0, 1, "BF16", B(9, 0)}},
    {"--type u8 --per-block=32", "u8", {8, 0, 0, "F32", B(32, -1)}},
    {"--type s4 --affine --per-block=32", "s4", {4, 1, 1, "F32", B(32, -1)}},
    {"--type u4 --affine --per-block=32", "u4", {4, 0, 1, "F32", B(32, -1)}},
    {"--type u4 --affine --per-block=32 --scale f16", "u4", {4, 0, 1, "F16", B(32, -1)}},
    {"--type s4 --per-block=32", "s4", {4, 1, 0, "F32", B(32, -1)}},
    {"--type s4 --per-channel=1 --scale bf16", "s4", {4, 1, 0, "BF16", C(1)}},
    {"--type u4 --per-tensor", "u4", {4, 0, 0, "F32", T}},
    {"--type s2", "s2", {2, 1, 0, "F32", C(0)}},
    {"--type s2 --per-tensor", "s2", {2, 1, 0, "F32", T}},
    {"--type s2 --per-block=7@-1 --scale f16", "s2", {2, 1, 0, "F16", B(7, -1)}},
    {"--type s2 --affine --per-block=32", "s2", {2, 1, 1, "F32", B(32, -1)}},
    {"--type u2 --affine --per-channel=-1", "u2", {2, 0, 1, "F32", C(-1)}},
    {"--type u2 --per-block=5@-2", "u2", {2, 0, 0, "F32", B(5, -2)}},
    {"--type s16", "s16", {16, 1, 0, "F32", C(0)}},
    {"--type s16 --affine --per-channel=-2 --scale f16", "s16", {16, 1, 1, "F16", C(-2)}},
    {"--type u16 --affine --per-tensor", "u16", {16, 0, 1, "F32", T}},
    {"--type u16 --per-block=100@0 --scale bf16", "u16", {16, 0, 0, "BF16", B(100, 0)}},
};
enum { COMBINATIONS = sizeof combinations / sizeof *combinations };

static long files_run, tensors_checked;

static const tf_tensor *must_find(const tf_file *file, const char *name, const char *suffix) {
    char full[512];
    const tf_tensor *t;
    snprintf(full, sizeof full, "%s%s", name, suffix);
    t = tf_find(file, full);
    if (!t) fail_msg("tensor '%s' is missing", full);
    return t;
}

/* Nothing may be said on stderr, either. */
static void must_run_silently(const char *line) {
    const run_result *r = must_run(line);
    if (r->err[0]) fail_msg("lquant %s: on stderr: %s", line, r->err);
}

/* --------------------------------------------------------------- one tensor */

static void check_layout(const tf_tensor *t, const char *dtype, int32_t rank,
                         const int64_t *shape) {
    assert_string_equal(t->dtype, dtype);
    assert_int_equal(t->rank, rank);
    for (int32_t d = 0; d < rank; ++d) assert_int_equal(t->shape[d], shape[d]);
}

static void check_codes(const tf_tensor *codes, const tf_tensor *x, const oracle_scheme *s,
                        const oracle_result *r) {
    static const char *const dtypes[2][2] = {{"U8", "U16"}, {"I8", "I16"}};
    const int64_t bytes = (r->elements * s->bits + 7) / 8;
    if (s->bits >= 8)
        check_layout(codes, dtypes[s->is_signed][s->bits == 16], x->rank, x->shape);
    else
        check_layout(codes, "U8", 1, &bytes);
    for (int64_t i = 0; i < r->elements; ++i) {
        const int32_t code = s->bits >= 8 ? (int32_t)oracle_element(codes, i)
                                          : oracle_packed(codes->data, s->bits, s->is_signed, i);
        if (code != r->codes[i])
            fail_msg("%s[%lld] of %.9g: code %d, not %d (scale %.9g, zero point %d)", x->name,
                     (long long)i, oracle_element(x, i), code, r->codes[i],
                     r->scale[r->block_of[i]], r->zero_point[r->block_of[i]]);
    }
    /* The bits behind the last code are 0. */
    for (int64_t i = r->elements; s->bits < 8 && i * s->bits < 8 * bytes; ++i)
        assert_int_equal(oracle_packed(codes->data, s->bits, 0, i), 0);
}

static void check_parameters(const tf_file *q, const tf_tensor *x, const oracle_scheme *s,
                             const oracle_result *r) {
    static const char *const dtypes[2][2] = {{"U8", "U16"}, {"I8", "I16"}};
    const tf_tensor *scale = must_find(q, x->name, "_scale");
    check_layout(scale, s->scale, x->rank, r->grid);
    for (int64_t b = 0; b < r->blocks; ++b)
        if (oracle_element(scale, b) != r->scale[b])
            fail_msg("%s: scale %lld is %.17g, not %.17g", x->name, (long long)b,
                     oracle_element(scale, b), r->scale[b]);
    if (s->affine) {
        const tf_tensor *zero_point = must_find(q, x->name, "_zero_point");
        check_layout(zero_point, dtypes[s->is_signed][s->bits == 16], x->rank, r->grid);
        for (int64_t b = 0; b < r->blocks; ++b)
            assert_int_equal((int32_t)oracle_element(zero_point, b), r->zero_point[b]);
    }
}

static void check_values(const tf_tensor *values, const tf_tensor *x, const oracle_result *r) {
    check_layout(values, x->dtype, x->rank, x->shape);
    for (int64_t i = 0; i < r->elements; ++i) {
        const double value = oracle_element(values, i);
        if (!(value == r->values[i]) || signbit(value) != signbit(r->values[i]))
            fail_msg("%s[%lld] is dequantized to %.17g, not %.17g", x->name, (long long)i, value,
                     r->values[i]);
    }
}

static void check_copied(const tf_tensor *copy, const tf_tensor *x) {
    check_layout(copy, x->dtype, x->rank, x->shape);
    assert_int_equal(copy->size, x->size);
    if (x->size > 0) assert_memory_equal(copy->data, x->data, (size_t)x->size);
}

/* ------------------------------------------------------------------ reports */

static const cJSON *row_of(const cJSON *report, const char *name) {
    const cJSON *row;
    cJSON_ArrayForEach(
        row, cJSON_GetObjectItem(
                 report, "tensors")) if (strcmp(cJSON_GetObjectItem(row, "name")->valuestring,
                                                name) == 0) return row;
    fail_msg("the report has no tensor '%s'", name);
    return NULL;
}

static double number(const cJSON *row, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    if (!item) fail_msg("the report has no %s", key);
    if (cJSON_IsNull(item)) return (double)NAN;
    if (!cJSON_IsNumber(item)) fail_msg("%s is not a number", key);
    return item->valuedouble;
}

/* `expected` that is no finite number is null in the report. */
static void check_number(const cJSON *row, const char *key, long double expected,
                         long double tolerance) {
    const double actual = number(row, key);
    if (!isfinite(expected)) {
        if (!isnan(actual)) fail_msg("%s is %.17g, not null", key, actual);
    } else if (!(fabsl((long double)actual - expected) <= tolerance * fabsl(expected))) {
        fail_msg("%s is %.17g, not %.17Lg", key, actual, expected);
    }
}

/* Codes in whole bytes, scales and zero points. */
static int64_t stored_bits(const oracle_scheme *s, const oracle_result *r) {
    const int64_t scale_bits = strcmp(s->scale, "F32") == 0 ? 32 : 16;
    const int64_t zero_bits = !s->affine ? 0 : s->bits == 16 ? 16 : 8;
    return (r->elements * s->bits + 7) / 8 * 8 + r->blocks * (scale_bits + zero_bits);
}

static void check_row(const cJSON *row, const tf_tensor *x, const combination *c,
                      const oracle_result *r) {
    const oracle_scheme *s = &c->scheme;
    const cJSON *shape = cJSON_GetObjectItem(row, "shape");
    const int64_t bits = stored_bits(s, r);
    long double db = oracle_sqnr_db(r);
    assert_string_equal(cJSON_GetObjectItem(row, "type")->valuestring, c->type);
    assert_int_equal(cJSON_GetArraySize(shape), x->rank);
    for (int d = 0; d < x->rank; ++d)
        assert_true(cJSON_GetArrayItem(shape, d)->valuedouble == (double)x->shape[d]);
    check_number(row, "bits_per_weight",
                 r->elements ? (long double)bits / (long double)r->elements : (long double)NAN,
                 1e-15L);
    check_number(row, "mse", oracle_mse(r), 1e-9L);
    check_number(row, "max_abs_error", r->max_abs_error, 0);
    check_number(row, "cosine", oracle_cosine(r), 1e-9L);
    check_number(row, "clipped", (long double)r->clipped, 0);
    /* Near 0 dB a relative tolerance of the logarithm says nothing. */
    if (isfinite(db) && fabsl(db) < 1)
        assert_true(fabsl((long double)number(row, "sqnr_db") - db) < 1e-8L);
    else
        check_number(row, "sqnr_db", db, 1e-9L);
}

static void check_same_figures(const cJSON *row, const cJSON *other) {
    static const char *const keys[] = {"mse", "sqnr_db", "max_abs_error", "cosine"};
    for (int i = 0; i < 4; ++i) {
        const double a = number(row, keys[i]), b = number(other, keys[i]);
        if (!(a == b || (isnan(a) && isnan(b))))
            fail_msg("%s: %s is %.17g in one report and %.17g in the other",
                     cJSON_GetObjectItem(row, "name")->valuestring, keys[i], a, b);
    }
}

typedef struct sums {
    int64_t elements, clipped, nonfinite, pairs;
    long double bits, xx, yy, xy, ee;
    double largest;
    int mismatched; /* somewhere a finite value came back infinite */
} sums;

static void add_sums(sums *t, const oracle_scheme *s, const oracle_result *r) {
    t->elements += r->elements;
    t->clipped += r->clipped;
    t->nonfinite += r->nonfinite;
    t->pairs += r->pairs;
    t->bits += (long double)stored_bits(s, r);
    t->xx += r->sum_xx;
    t->yy += r->sum_yy;
    t->xy += r->sum_xy;
    t->ee += r->sum_ee;
    if (r->max_abs_error > t->largest) t->largest = r->max_abs_error;
    if (r->pairs != r->elements) t->mismatched = 1;
}

static double file_size(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (double)st.st_size;
}

static void check_total(const cJSON *report, const sums *t, const char *in, const char *out) {
    const cJSON *total = cJSON_GetObjectItem(report, "total");
    check_number(total, "elements", (long double)t->elements, 0);
    check_number(total, "clipped", (long double)t->clipped, 0);
    check_number(total, "nonfinite", (long double)t->nonfinite, 0);
    check_number(total, "bits_per_weight", t->bits / (long double)t->elements, 1e-12L);
    check_number(total, "max_abs_error", t->largest, 0);
    check_number(total, "mse", t->ee / (long double)t->pairs, 1e-9L);
    check_number(total, "bytes_in", file_size(in), 0);
    check_number(total, "bytes_out", file_size(out), 0);
    check_number(total, "compression", file_size(in) / file_size(out), 1e-15L);
    if (t->mismatched) return;
    check_number(total, "sqnr_db", 10 * log10l(t->xx / t->ee), 1e-9L);
    check_number(total, "cosine", t->xy / (sqrtl(t->xx) * sqrtl(t->yy)), 1e-9L);
}

/* ---------------------------------------------------------------- one file */

static int is_quantized(const tf_tensor *t) {
    return t->rank >= 2 && (strcmp(t->dtype, "F32") == 0 || strcmp(t->dtype, "F16") == 0 ||
                            strcmp(t->dtype, "BF16") == 0);
}

static void check_metadata(const tf_file *in, const tf_file *q, const tf_file *d) {
    const cJSON *item;
    const cJSON *described = cJSON_GetObjectItem(q->metadata, "libquant");
    cJSON *description = described ? cJSON_Parse(described->valuestring) : NULL;
    assert_non_null(description);
    cJSON_Delete(description);
    cJSON_ArrayForEach(item, in->metadata) {
        const cJSON *kept = cJSON_GetObjectItemCaseSensitive(q->metadata, item->string);
        assert_non_null(kept);
        assert_string_equal(kept->valuestring, item->valuestring);
    }
    assert_int_equal(cJSON_GetArraySize(q->metadata), cJSON_GetArraySize(in->metadata) + 1);
    assert_int_equal(cJSON_GetArraySize(d->metadata), cJSON_GetArraySize(in->metadata));
    cJSON_ArrayForEach(item, d->metadata) assert_string_equal(
        cJSON_GetObjectItemCaseSensitive(in->metadata, item->string)->valuestring,
        item->valuestring);
}

typedef struct outputs {
    const char *q, *d, *report, *compared, *direct;
} outputs;

static outputs run_all(const char *path, const combination *c) {
    const outputs o = {scratch_path("q"), scratch_path("d"), scratch_path("r1"), scratch_path("r2"),
                       scratch_path("r3")};
    char line[4096];
    snprintf(line, sizeof line, "quantize %s %s %s --report %s", path, o.q, c->options, o.report);
    must_run_silently(line);
    snprintf(line, sizeof line, "dequantize %s %s", o.q, o.d);
    must_run_silently(line);
    snprintf(line, sizeof line, "compare %s %s --report %s", path, o.d, o.compared);
    must_run_silently(line);
    snprintf(line, sizeof line, "compare %s %s --report=%s", path, o.q, o.direct);
    must_run_silently(line);
    return o;
}

static void check_combination(const char *path, const combination *c) {
    const outputs o = run_all(path, c);
    tf_file *in = must_open(path), *q = must_open(o.q), *d = must_open(o.d);
    cJSON *report = must_parse(o.report);
    cJSON *compared = must_parse(o.compared), *direct = must_parse(o.direct);
    size_t expected = in->count;
    int rows = 0;
    sums total = {0};
    check_metadata(in, q, d);
    for (size_t i = 0; i < in->count; ++i) {
        const tf_tensor *x = &in->tensors[i];
        oracle_result r;
        const cJSON *row;
        if (!is_quantized(x)) {
            check_copied(must_find(q, x->name, ""), x);
            check_copied(must_find(d, x->name, ""), x);
            continue;
        }
        oracle_quantize(x, &c->scheme, &r);
        check_codes(must_find(q, x->name, ""), x, &c->scheme, &r);
        check_parameters(q, x, &c->scheme, &r);
        check_values(must_find(d, x->name, ""), x, &r);
        row = row_of(report, x->name);
        check_row(row, x, c, &r);
        check_number(row, "nonfinite", (long double)r.nonfinite, 0);
        /* Compare counts what either side left out: values that came back infinite, too. */
        check_row(row_of(direct, x->name), x, c, &r);
        check_number(row_of(direct, x->name), "nonfinite", (long double)(r.elements - r.pairs), 0);
        check_same_figures(row, row_of(compared, x->name));
        check_same_figures(row, row_of(direct, x->name));
        add_sums(&total, &c->scheme, &r);
        expected += c->scheme.affine ? 2 : 1;
        ++rows;
        oracle_free(&r);
    }
    assert_int_equal(q->count, expected);
    assert_int_equal(d->count, in->count);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(report, "tensors")), rows);
    if (rows > 0) check_total(report, &total, path, o.q);
    tensors_checked += rows;
    cJSON_Delete(report);
    cJSON_Delete(compared);
    cJSON_Delete(direct);
    tf_close(in);
    tf_close(q);
    tf_close(d);
}

static void check_file(const char *path) {
    for (int i = 0; i < COMBINATIONS; ++i) check_combination(path, &combinations[i]);
    ++files_run;
}

static void test_samples(void **state) {
    (void)state;
    check_file(sample_mixed());
    check_file(sample_plain());
}

static void test_weights(void **state) {
    char **paths;
    const size_t count = weight_files(&paths);
    (void)state;
    for (size_t i = 0; i < count; ++i) {
        check_file(paths[i]);
        free(paths[i]);
    }
    free(paths);
    if (count > 0) return;
    fprintf(stderr, "skipped: no weights (-Dweights=DIR); the samples were run\n");
    skip();
}

/* Rows whose scale is 0 in f16 come back finite, no further off than they are large. */
static long check_dead_rows(const char *path) {
    const outputs o = run_all(path, &(combination){"--scale f16", "s8", {0}});
    tf_file *in = must_open(path), *d = must_open(o.d);
    long dead = 0;
    for (size_t i = 0; i < in->count; ++i) {
        const tf_tensor *x = &in->tensors[i];
        const tf_tensor *y = must_find(d, x->name, "");
        const int64_t rows = x->rank >= 2 ? x->shape[0] : 0;
        const int64_t length = rows > 0 ? tf_elements(x->rank, x->shape) / rows : 0;
        if (!is_quantized(x)) continue;
        for (int64_t row = 0; row < rows; ++row) {
            double largest = 0.0;
            for (int64_t k = row * length; k < (row + 1) * length; ++k)
                largest = fmax(largest, fabs(oracle_element(x, k)));
            if (largest == 0.0 || largest > 1e-20) continue;
            ++dead;
            for (int64_t k = row * length; k < (row + 1) * length; ++k) {
                const double error = fabs(oracle_element(x, k) - oracle_element(y, k));
                assert_true(isfinite(oracle_element(y, k)) && error <= largest);
            }
        }
    }
    tf_close(in);
    tf_close(d);
    return dead;
}

static void test_dead_rows(void **state) {
    char **paths;
    const size_t count = weight_files(&paths);
    long in_weights = 0;
    (void)state;
    assert_int_equal(check_dead_rows(sample_plain()), 4);
    for (size_t i = 0; i < count; ++i) {
        const long dead = check_dead_rows(paths[i]);
        if (strstr(paths[i], "mlperf_vww96_mobilenet")) assert_true(dead > 0);
        in_weights += dead;
        free(paths[i]);
    }
    free(paths);
    print_message("4 dead rows of the samples and %ld of the weights survive\n", in_weights);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_dead_rows),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    print_message("%ld files, %d combinations of options each, %ld tensors\n", files_run,
                  (int)COMBINATIONS, tensors_checked);
    return failed;
}
