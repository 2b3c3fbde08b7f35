/*
 * lquant calibrate, merge and quantize --calibration: the figures follow from the values, sorted
 * here; states do not depend on how the values came; codes are those of the library's calls.
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
#include <cmocka.h>

#include "libquant.h"
#include "lquant_run.h"
#include "oracle.h"
#include "scratch.h"
#include "tensor_writer.h"

/* ---------------------------------------------------------------------- the figures */

typedef struct sorted {
    double *values; /* finite ones, ascending */
    int64_t n;
    int64_t zeros, nan, positive, negative;
    double mean, variance;
} sorted;

static int compare_values(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static sorted sort_values(const tf_tensor *t) {
    const int64_t n = tf_elements(t->rank, t->shape);
    sorted s = {0};
    s.values = calloc((size_t)n + 1, sizeof *s.values);
    assert_non_null(s.values);
    for (int64_t i = 0; i < n; ++i) {
        const double value = oracle_element(t, i);
        s.nan += isnan(value) != 0;
        s.positive += isinf(value) && value > 0;
        s.negative += isinf(value) && value < 0;
        if (!isfinite(value)) continue;
        s.zeros += value == 0;
        s.values[s.n++] = value + 0.0;
        s.mean += value;
    }
    s.mean /= (double)s.n;
    for (int64_t i = 0; i < s.n; ++i)
        s.variance += (s.values[i] - s.mean) * (s.values[i] - s.mean) / (double)s.n;
    qsort(s.values, (size_t)s.n, sizeof *s.values, compare_values);
    return s;
}

/* The value of rank ceil(p * n). */
static double quantile(const sorted *s, double p) {
    const int64_t rank = (int64_t)ceil(p * (double)s->n);
    return s->values[rank > 1 ? rank - 1 : 0];
}

static double magnitude_quantile(const sorted *s, double p) {
    sorted magnitudes = {calloc((size_t)s->n, sizeof(double)), s->n, 0, 0, 0, 0, 0, 0};
    double t;
    for (int64_t i = 0; i < s->n; ++i) magnitudes.values[i] = fabs(s->values[i]);
    qsort(magnitudes.values, (size_t)s->n, sizeof(double), compare_values);
    t = quantile(&magnitudes, p);
    free(magnitudes.values);
    return t;
}

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsNull(item)) return NAN;
    if (!cJSON_IsNumber(item)) fail_msg("no number '%s'", key);
    return item->valuedouble;
}

static double element_of(const cJSON *object, const char *key, int index) {
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(object, key);
    const cJSON *item = cJSON_GetArrayItem(array, index);
    if (!cJSON_IsNumber(item)) fail_msg("no number in '%s' at %d", key, index);
    return item->valuedouble;
}

/* The entry of an array whose `key` is `text`. */
static const cJSON *entry_of(const cJSON *array, const char *key, const char *text) {
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, key);
        if (cJSON_IsString(value) && strcmp(value->valuestring, text) == 0) return item;
    }
    fail_msg("there is no %s '%s'", key, text);
    return NULL;
}

static const cJSON *method_of(const cJSON *tensor, const char *name) {
    return entry_of(cJSON_GetObjectItemCaseSensitive(tensor, "methods"), "method", name);
}

/* Equal where every value is held, else within the width of a bin at k = 7. */
static void near(const char *what, double found, double expected, int exact) {
    const double most = exact ? 0.0 : fabs(expected) / 128 + 1e-42;
    if (!(fabs(found - expected) <= most)) fail_msg("%s: %.9g, not %.9g", what, found, expected);
}

static void check_range(const cJSON *tensor, const char *method, double low, double high,
                        int exact) {
    const cJSON *m = method_of(tensor, method);
    near(method, element_of(m, "low", 0), low, exact);
    near(method, element_of(m, "high", 0), high, exact);
}

/* Scale and error of s8 symmetric codes, with the range that the method names. */
static void check_codes(const cJSON *m, const sorted *s, int exact) {
    const double low = element_of(m, "low", 0), high = element_of(m, "high", 0);
    const double scale = element_of(m, "scale", 0);
    double squares = 0, errors = 0, outside = 0, sqnr;
    /* A range of nothing but zeros has the scale 1. */
    const double expected = oracle_round(fmax(fabs(low), fabs(high)) / 127, "F32");
    if (scale != (expected > 0 ? expected : 1.0))
        fail_msg("[%.9g, %.9g]: scale %.9g, not %.9g", low, high, scale, expected);
    for (int64_t i = 0; i < s->n; ++i) {
        const double x = s->values[i];
        const double code = nearbyint(oracle_round(x / scale, "F32"));
        const double y = oracle_round(fmax(-127, fmin(127, code)) * scale, "F32");
        squares += x * x;
        errors += (x - y) * (x - y);
        outside += x < low || x > high;
    }
    sqnr = 10 * log10(squares / errors);
    if (exact) {
        assert_true(fabs(number_of(m, "outside") - outside / (double)s->n) < 1e-12);
        if (squares > 0 && errors > 0)
            assert_true(fabs(number_of(m, "sqnr_db") - sqnr) < 1e-6);
        else
            assert_true(isnan(number_of(m, "sqnr_db")));
    } else if (s->n >= 1000) {
        if (!(fabs(number_of(m, "sqnr_db") - sqnr) < 0.3))
            fail_msg("SQNR %g, not %g", number_of(m, "sqnr_db"), sqnr);
    }
}

static void check_methods(const cJSON *tensor, const sorted *s, int exact) {
    const double least = s->values[0], most = s->values[s->n - 1];
    const double p = (100.0 - 97.5) / 200.0, deviation = sqrt(s->variance);
    const double t = magnitude_quantile(s, 97.5 / 100.0);
    const cJSON *methods = cJSON_GetObjectItemCaseSensitive(tensor, "methods"), *m;
    const cJSON *spread = method_of(tensor, "mean-deviation");
    /* Bins are evenly filled as far as is known: half of one, and what float rounds off. */
    const double slack = (exact ? 1e-6 : 1.0 / 128) * (fabs(s->mean) + 2.5 * deviation + 1e-42);
    check_range(tensor, "min-max", least, most, 1);
    check_range(tensor, "percentile", quantile(s, p), quantile(s, 1 - p), exact);
    check_range(tensor, "percentile-magnitude", fmax(least, -t), fmin(most, t), exact);
    if (s->variance < 1e60) {
        const double low = fmax(least, s->mean - 2.5 * deviation);
        const double high = fmin(most, s->mean + 2.5 * deviation);
        assert_true(fabs(element_of(spread, "low", 0) - low) <= slack);
        assert_true(fabs(element_of(spread, "high", 0) - high) <= slack);
    }
    cJSON_ArrayForEach(m, methods) {
        assert_true(element_of(m, "low", 0) >= least && element_of(m, "high", 0) <= most);
        check_codes(m, s, exact);
    }
}

/* The first row of a tensor in the table has its figures. */
static void check_table(const char *table, const tf_tensor *t, const sorted *s) {
    char name[TF_SHOWN_SIZE], line[256] = "", wanted[128];
    const char *at = table;
    tf_printable(t->name, 40, name);
    for (; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ' ') break;
    if (!at) fail_msg("no row of %s", name);
    for (size_t n = 0; *at != '\n' && n + 1 < sizeof line; ++at) /* columns by single spaces */
        if (*at != ' ' || (n > 0 && line[n - 1] != ' ')) line[n++] = *at;
    if (s->n > 0)
        snprintf(wanted, sizeof wanted, " %lld %.6g %.6g min-max %.6g %.6g ", (long long)s->n,
                 s->values[0], s->values[s->n - 1], s->values[0], s->values[s->n - 1]);
    else
        snprintf(wanted, sizeof wanted, " 0 - - min-max - - ");
    if (!strstr(line, wanted)) fail_msg("'%s' is not in '%s'", wanted, line);
}

static int is_real(const tf_tensor *t) {
    return t->size > 0 && (strcmp(t->dtype, "F32") == 0 || strstr(t->dtype, "F16"));
}

static void check_tensor(const tf_tensor *t, const cJSON *tensors, const char *table) {
    const cJSON *tensor = entry_of(tensors, "name", t->name);
    const int exact = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tensor, "exact"));
    sorted s = sort_values(t);
    if (strcmp(t->dtype, "BF16") == 0) assert_true(exact);
    assert_true(number_of(tensor, "count") == (double)s.n);
    assert_true(number_of(tensor, "zeros") == (double)s.zeros);
    assert_true(number_of(tensor, "nan") == (double)s.nan);
    assert_true(number_of(tensor, "positive_infinite") == (double)s.positive);
    assert_true(number_of(tensor, "negative_infinite") == (double)s.negative);
    check_table(table, t, &s);
    if (s.n > 0)
        check_methods(tensor, &s, exact);
    else
        assert_non_null(cJSON_GetObjectItemCaseSensitive(method_of(tensor, "mse"), "fault"));
    free(s.values);
}

static void check_file(const char *path) {
    const char *report = scratch_path("report");
    const run_result *r = must_run(
        line_of("calibrate %s --percentile 97.5 --deviations 2.5 --json %s", path, report));
    tf_file *file = must_open(path);
    cJSON *json = must_parse(report);
    const cJSON *tensors = cJSON_GetObjectItemCaseSensitive(json, "tensors");
    int count = 0;
    assert_string_equal(r->err, "");
    for (size_t i = 0; i < file->count; ++i) {
        if (!is_real(&file->tensors[i])) continue;
        check_tensor(&file->tensors[i], tensors, r->out);
        ++count;
    }
    assert_int_equal(cJSON_GetArraySize(tensors), count);
    cJSON_Delete(json);
    tf_close(file);
    scratch_remove("report");
}

static void test_samples(void **state) {
    (void)state;
    check_file(sample_mixed());
}

static void test_activations(void **state) {
    char **paths;
    const size_t count = weight_files(&paths);
    int checked = 0;
    (void)state;
    for (size_t i = 0; i < count; ++i) {
        if (strstr(paths[i], "activations-")) {
            check_file(paths[i]);
            ++checked;
        }
        free(paths[i]);
    }
    free(paths);
    if (checked > 0) return;
    fprintf(stderr, "skipped: no activations (-Dweights=DIR); the samples were run\n");
    skip();
}

/* ------------------------------------------------------------------ batches, states */

enum { BATCHES = 4, ROWS = 6, WIDTH = 10 };

static float value_at(int batch, int i) {
    static const float scales[] = {1.0f, 1e-6f, 300.0f, 0.25f};
    const uint32_t noise = (uint32_t)(batch * 1000 + i) * 2654435761u;
    return ((float)(noise >> 8) / 8388608.0f - 1.0f) * scales[(batch + i % WIDTH) % 4];
}

/* The batches from `first` to before `end`, one below the other; "b" is not in every batch. */
static const char *write_batches(const char *name, int first, int end) {
    const int64_t a[] = {(end - first) * ROWS, WIDTH}, b[] = {WIDTH};
    const char *path = scratch_path(name);
    char message[1024] = "";
    tw_writer *w = tw_create(path, message, sizeof message);
    tw_add(w, "a", "F32", 2, a, a[0] * WIDTH * 4);
    if (first % 2 == 0) tw_add(w, "b", "F32", 1, b, WIDTH * 4);
    tw_begin(w, NULL);
    for (int batch = first; batch < end; ++batch)
        for (int i = 0; i < ROWS * WIDTH; ++i) tw_write(w, &(float){value_at(batch, i)}, 4);
    for (int i = 0; i < WIDTH && first % 2 == 0; ++i)
        tw_write(w, &(float){value_at(first + 7, i)}, 4);
    if (tw_finish(w) != 0) fail_msg("%s", message);
    return path;
}

static void same_bytes(const char *a, const char *b) {
    size_t size[2];
    char *bytes[2] = {scratch_read(a, &size[0]), scratch_read(b, &size[1])};
    assert_non_null(bytes[0]);
    assert_non_null(bytes[1]);
    if (size[0] != size[1] || memcmp(bytes[0], bytes[1], size[0]) != 0)
        fail_msg("%s and %s differ", a, b);
    free(bytes[0]);
    free(bytes[1]);
}

static const char *const variants[] = {"", "--per-channel=1", "--per-channel=-1 --sums",
                                       "--mantissa-bits 10 --sums", "--mantissa-bits=1"};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* All of it at once; batch by batch; the same backwards; and merged in every order. */
static void check_variant(const char *options, int per_channel) {
    static const int odd[] = {1, 3, 0, 2};
    char one[SCRATCH_PATH], state[SCRATCH_PATH], batch[BATCHES][SCRATCH_PATH],
        part[BATCHES][SCRATCH_PATH];
    /* Per channel of axis 1, "b" of rank 1 has none. */
    const char *only = per_channel ? "--only a --method min-max" : "--method min-max";
    snprintf(one, sizeof one, "%s", scratch_path("one"));
    snprintf(state, sizeof state, "%s", scratch_path("state"));
    for (int i = 0; i < BATCHES; ++i) {
        char name[2][16];
        snprintf(name[0], 16, "batch%d", i);
        snprintf(name[1], 16, "part%d", i);
        snprintf(batch[i], SCRATCH_PATH, "%s", write_batches(name[0], i, i + 1));
        snprintf(part[i], SCRATCH_PATH, "%s", scratch_path(name[1]));
        must_run(line_of("calibrate %s --state %s %s %s", batch[i], part[i], options, only));
    }
    must_run(line_of("calibrate %s %s %s %s --state %s %s %s", batch[0], batch[1], batch[2],
                     batch[3], one, options, only));
    for (int turn = 0; turn < 2; ++turn) {
        for (int i = 0; i < BATCHES; ++i)
            must_run(line_of("calibrate %s --state=%s %s %s", batch[turn ? odd[i] : i], state,
                             i == 3 ? "" : options, only));
        same_bytes(one, state);
        scratch_remove("state");
    }
    for (int order = 0; order < 256; ++order) {
        const int i = order & 3, j = order >> 2 & 3, k = order >> 4 & 3, l = order >> 6;
        if ((1 << i | 1 << j | 1 << k | 1 << l) != 15) continue;
        must_run(line_of("merge %s %s %s %s -o %s", part[i], part[j], part[k], part[l], state));
        same_bytes(one, state);
    }
    must_run(line_of("merge %s %s -o=%s", part[2], part[0], part[0]));
    must_run(line_of("merge -o %s %s %s %s", state, part[3], part[0], part[1]));
    same_bytes(one, state);
    must_run(line_of("calibrate --state %s", state)); /* only reports */
    same_bytes(one, state);
    scratch_remove("state");
    scratch_remove("one");
    for (int i = 0; i < BATCHES; ++i) remove(part[i]);
}

static void test_batches(void **state) {
    (void)state;
    for (int i = 0; i < VARIANTS; ++i)
        check_variant(variants[i], strstr(variants[i], "channel") != NULL);
}

static const char *write_npy(const char *name, const float *data, int rows) {
    unsigned char bytes[128 + 4 * 4 * ROWS * WIDTH] = "\x93NUMPY\x01";
    char head[100];
    const int length =
        snprintf(head, sizeof head,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }\n", rows, WIDTH);
    bytes[8] = (unsigned char)length;
    memcpy(bytes + 10, head, (size_t)length);
    scratch_floats(bytes + 10 + length, data, (size_t)(rows * WIDTH));
    return scratch_write(name, bytes, 10 + (size_t)(length + 4 * rows * WIDTH));
}

/* Files of many names are batches of one tensor, as one file that holds them all. */
static void test_npy(void **state) {
    float data[BATCHES * ROWS * WIDTH];
    char line[4 * SCRATCH_PATH + 64] = "calibrate --name a --state ";
    const char *one = scratch_path("one"), *many = scratch_path("many");
    (void)state;
    strcat(line, many);
    for (int i = 0; i < BATCHES; ++i) {
        char name[16];
        for (int k = 0; k < ROWS * WIDTH; ++k) data[i * ROWS * WIDTH + k] = value_at(i, k);
        snprintf(name, sizeof name, "%d.npy", i);
        strcat(line, " ");
        strcat(line, write_npy(name, data + i * ROWS * WIDTH, ROWS));
    }
    must_run(line);
    must_run(line_of("calibrate %s --state %s", write_npy("a.npy", data, BATCHES * ROWS), one));
    same_bytes(one, many);
    scratch_remove("one");
    scratch_remove("many");
}

/* A variance far below the square of the mean is not lost in the rounding of that. */
static void test_moments(void **state) {
    static const struct {
        const char *option;
        float step; /* from column to column */
    } cases[] = {{"--per-tensor", 0}, {"--per-channel=1", 0}, {"--per-channel=1", 0x1p-10f}};
    const char *report = scratch_path("report");
    float data[ROWS * WIDTH];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const double step = (double)cases[i].step;
        const double expected = step * step * (WIDTH * WIDTH - 1) / 12;
        for (int k = 0; k < ROWS * WIDTH; ++k)
            data[k] = 1234.567f + (float)(k % WIDTH) * cases[i].step;
        must_run(line_of("calibrate %s %s --method min-max --json %s",
                         write_npy("a.npy", data, ROWS), cases[i].option, report));
        cJSON *json = must_parse(report);
        const cJSON *tensor =
            entry_of(cJSON_GetObjectItemCaseSensitive(json, "tensors"), "name", "a");
        const double variance = number_of(tensor, "variance");
        assert_true(variance >= 0 && fabs(variance - expected) <= 1e-9 * expected + 1e-20);
        cJSON_Delete(json);
        scratch_remove("report");
    }
}

/* ------------------------------------------------------------ quantize --calibration */

typedef struct scheme_case {
    const char *observe, *quantize;
    int channels; /* of axis 1 */
    lq_mapping mapping;
    lq_type codes, scale;
    const char *method;
} scheme_case;

static const scheme_case scheme_cases[] = {
    {"", "", 0, LQ_SYMMETRIC, LQ_S8, LQ_F32, "mse"},
    {"", "--per-tensor --type u8 --affine --method percentile --percentile 90", 0, LQ_AFFINE, LQ_U8,
     LQ_F32, "percentile"},
    {"", "--type s4 --scale f16 --method=mean-deviation --deviations 2", 0, LQ_SYMMETRIC, LQ_S4,
     LQ_F16, "mean-deviation"},
    {"--per-channel=1", "--affine --type s4", WIDTH, LQ_AFFINE, LQ_S4, LQ_F32, "mse"},
    {"--per-channel=1", "--per-channel=-1 --method min-max --scale bf16", WIDTH, LQ_SYMMETRIC,
     LQ_S8, LQ_BF16, "min-max"},
};

static lq_calibrator *observed(const scheme_case *c, char batch[2][SCRATCH_PATH]) {
    lq_calibrator_options options =
        c->channels ? lq_calibrate_per_channel(1, c->channels) : lq_calibrate_per_tensor();
    lq_calibrator *calibrator;
    size_t size;
    assert_int_equal(lq_calibrator_size(&options, &size), LQ_OK);
    calibrator = malloc(size);
    assert_non_null(calibrator);
    assert_int_equal(lq_calibrator_init(calibrator, size, &options), LQ_OK);
    for (int i = 0; i < 2; ++i) {
        tf_file *file = must_open(batch[i]);
        const tf_tensor *t = tf_find(file, "a");
        const lq_tensor x = lq_contiguous(t->data, LQ_F32, t->rank, t->shape);
        assert_int_equal(lq_calibrator_observe(calibrator, &x, NULL), LQ_OK);
        tf_close(file);
    }
    return calibrator;
}

static void check_scheme(const scheme_case *c, const char *out, char batch[2][SCRATCH_PATH]) {
    const int64_t n = c->channels ? c->channels : 1;
    lq_calibrator *calibrator = observed(c, batch);
    lq_calibration calibration = lq_calibration_by(lq_method_from_name(c->method));
    const lq_scheme scheme =
        lq_scheme_of(c->mapping, c->codes, c->channels ? lq_per_channel(1) : lq_per_tensor());
    float scales[WIDTH];
    int8_t zero_points[WIDTH], codes[ROWS * WIDTH];
    const lq_tensor scale = lq_vector(scales, c->scale, n);
    const lq_tensor zero = lq_vector(zero_points, c->codes == LQ_U8 ? LQ_U8 : LQ_S8, n);
    const lq_tensor *zero_point = c->mapping == LQ_AFFINE ? &zero : NULL;
    tf_file *in = must_open(batch[0]), *q = must_open(out);
    const lq_tensor x = lq_matrix(tf_find(in, "a")->data, LQ_F32, ROWS, WIDTH);
    const lq_tensor y = lq_matrix(codes, c->codes, ROWS, WIDTH);
    const tf_tensor *stored = tf_find(q, "a_scale");
    if (strstr(c->quantize, "--percentile")) calibration.percentile = 90;
    if (strstr(c->quantize, "--deviations")) calibration.deviations = 2;
    assert_int_equal(
        lq_calibrator_parameters(calibrator, &calibration, &scheme, &scale, zero_point, NULL),
        LQ_OK);
    assert_int_equal(lq_quantize(&x, &scheme, &scale, zero_point, &y, NULL), LQ_OK);
    assert_int_equal(stored->size, scale.size);
    assert_memory_equal(stored->data, scales, (size_t)scale.size);
    assert_int_equal(tf_find(q, "a")->size, y.size);
    assert_memory_equal(tf_find(q, "a")->data, codes, (size_t)y.size);
    assert_true((tf_find(q, "a_zero_point") != NULL) == (zero_point != NULL));
    if (zero_point)
        assert_memory_equal(tf_find(q, "a_zero_point")->data, zero_points, (size_t)zero.size);
    tf_close(in);
    tf_close(q);
    free(calibrator);
}

static void test_quantize(void **state) {
    char batch[2][SCRATCH_PATH];
    const char *kept = scratch_path("state"), *out = scratch_path("out");
    (void)state;
    snprintf(batch[0], SCRATCH_PATH, "%s", write_batches("batch0", 0, 1));
    snprintf(batch[1], SCRATCH_PATH, "%s", write_batches("batch1", 1, 2));
    for (size_t i = 0; i < sizeof scheme_cases / sizeof *scheme_cases; ++i) {
        const scheme_case *c = &scheme_cases[i];
        must_run(line_of("calibrate %s %s --only a --state %s %s", batch[1], batch[0], kept,
                         c->observe));
        must_run(line_of("quantize %s %s --calibration %s %s", batch[0], out, kept, c->quantize));
        check_scheme(c, out, batch);
        must_run(line_of("dequantize %s %s", out, out));
        scratch_remove("state");
    }
    scratch_remove("out");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_activations),
        cmocka_unit_test(test_batches), cmocka_unit_test(test_npy),
        cmocka_unit_test(test_moments), cmocka_unit_test(test_quantize),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
