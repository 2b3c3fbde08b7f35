/*
 * lq_convert against what other systems made of the same bits, on every level. Of a NaN only that it
 * is one: its payload and sign are theirs to choose.
 *
 * LQ_TEST_VECTORS_DIR  the project's own set; must be there
 * LQ_VECTORS           a directory of more of the same form; unset or empty: none
 *
 * Understood are the folder ieee, where a case is named SOURCE_to_..., its input is x, x_bits or,
 * without either, all 16-bit patterns, and its other arrays begin with the name of their type; and
 * ONNX's Cast where both types are of lq_convert.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "float_oracle.h"
#include "libquant.h"
#include "vector_files.h"

static const lq_type types[FLOAT_FORMATS] = {LQ_F32, LQ_F16, LQ_BF16, LQ_F64};
static const char *const onnx_names[FLOAT_FORMATS] = {"float32", "float16", "bfloat16", "float64"};
static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

struct tally {
    int comparisons, casts, other_casts;
    int64_t values;
};

/* Which type a name begins with, followed by '_'; -1 for none. */
static int type_of(const char *name) {
    for (int i = 0; i < FLOAT_FORMATS; ++i) {
        const size_t n = strlen(float_formats[i].name);
        if (strncmp(name, float_formats[i].name, n) == 0 && name[n] == '_') return i;
    }
    return -1;
}

static int is_nan(uint64_t bits, const float_format *format) {
    const uint64_t all = ~UINT64_C(0) >> (65 - format->bits);
    return (bits & all) > float_infinity(format);
}

static void compare(const char *path, const char *name, const void *x, int from,
                    const void *expected, int to, int64_t n, struct tally *tally) {
    const float_format *format = &float_formats[to];
    const lq_tensor tx = lq_vector(x, types[from], n);
    lq_tensor ty = lq_vector(NULL, types[to], n);
    ty.data = malloc((size_t)ty.size + 1);
    assert_non_null(ty.data);
    for (int l = 0; l < 4; ++l) {
        if (lq_cpu_use(levels[l]) != LQ_OK) continue;
        memset(ty.data, 0x5a, (size_t)ty.size);
        assert_int_equal(lq_convert(&tx, &ty, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
        for (int64_t i = 0; i < n; ++i) {
            const uint64_t a = float_get(expected, format, i), b = float_get(ty.data, format, i);
            if (a == b || (is_nan(a, format) && is_nan(b, format))) continue;
            fail_msg("%s, %s, level %s, element %lld: %llx, not %llx", path, name,
                     lq_cpu_name(levels[l]), (long long)i, (unsigned long long)b,
                     (unsigned long long)a);
        }
    }
    free(ty.data);
    tally->comparisons += 1;
    tally->values += n;
}

/* -------------------------------------------------------------------- files */

static uint16_t patterns[1 << 16];

static void run_ieee(const char *path, const tf_file *file, const char *name, struct tally *tally) {
    const int from = name ? type_of(name) : -1;
    const tf_tensor *source = tf_find(file, "x_bits");
    const void *x = patterns;
    int64_t n = 1 << 16;
    if (from < 0 || !strstr(name, "_to_")) return;
    if (!source) source = tf_find(file, "x");
    if (source) {
        x = source->data;
        n = source->size * 8 / float_formats[from].bits;
    }
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *array = &file->tensors[i];
        const int to = type_of(array->name);
        if (to < 0) continue;
        if (array->size * 8 != n * float_formats[to].bits)
            fail_msg("%s: %s has another number of elements than x", path, array->name);
        compare(path, array->name, x, from, array->data, to, n, tally);
    }
}

/* The index of the type of a Cast's only input or output; -1: not one of lq_convert. */
static int onnx_type(const cJSON *meta, const char *which, const char **key) {
    const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(meta, which), 0);
    const char *dtype = vectors_text(item, "dtype");
    *key = vectors_text(item, "key");
    for (int i = 0; dtype && *key && i < FLOAT_FORMATS; ++i)
        if (strcmp(dtype, onnx_names[i]) == 0) return i;
    return -1;
}

static void run_cast(const char *path, const tf_file *file, const cJSON *meta,
                     struct tally *tally) {
    const char *in, *out;
    const int from = onnx_type(meta, "inputs", &in), to = onnx_type(meta, "outputs", &out);
    if (from < 0 || to < 0) {
        tally->other_casts += 1;
        return;
    }
    const tf_tensor *x = tf_find(file, in), *y = tf_find(file, out);
    if (!x || !y) fail_msg("%s: an array is missing", path);
    const int64_t n = x->size * 8 / float_formats[from].bits;
    assert_int_equal(y->size * 8, n * float_formats[to].bits);
    compare(path, out, x->data, from, y->data, to, n, tally);
    tally->casts += 1;
}

static void run_file(const char *path, tf_file *file, const cJSON *meta, void *tally) {
    const char *op = vectors_text(meta, "op");
    if (op && strcmp(op, "Cast") == 0)
        run_cast(path, file, meta, tally);
    else if (strstr(path, "/ieee/"))
        run_ieee(path, file, vectors_text(meta, "name"), tally);
}

static struct tally run(const char *path) {
    struct tally tally = {0, 0, 0, 0};
    if (!vectors_each(path, run_file, &tally)) fail_msg("%s cannot be read", path);
    print_message("%s: %d comparisons of %lld values; %d casts of ONNX, %d of other types\n", path,
                  tally.comparisons, (long long)tally.values, tally.casts, tally.other_casts);
    return tally;
}

static void test_own_vectors(void **state) {
    const char *path = getenv("LQ_TEST_VECTORS_DIR");
    (void)state;
    if (!path) fail_msg("LQ_TEST_VECTORS_DIR does not name the project's tests/vectors");
    const struct tally tally = run(path);
    assert_true(tally.comparisons >= 18 && tally.casts >= 6);
}

static void test_more_vectors(void **state) {
    const char *path = getenv("LQ_VECTORS");
    (void)state;
    if (!path || !*path) {
        print_message("skipped: no further vectors, LQ_VECTORS is not set\n");
        skip();
    }
    run(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_vectors),
        cmocka_unit_test(test_more_vectors),
    };
    for (int i = 0; i < 1 << 16; ++i) patterns[i] = (uint16_t)i;
    return cmocka_run_group_tests_name("convert_vectors", tests, NULL, NULL);
}
