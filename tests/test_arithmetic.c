/* The library's own logarithm, and sums in the order of other systems. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "logarithm.h"
#include "ordered_sums.h"
#include "vector_files.h"

/* --------------------------------------------------------------- logarithm */

/* Against the C library, which is off by at most one unit itself. */
static void check_logarithm(double x) {
    const double expected = log(x), unit = fabs(expected) * 0x1p-52;
    if (!(fabs(lq_log(x) - expected) <= 3 * unit))
        fail_msg("log %a: %a, not %a", x, lq_log(x), expected);
}

static void test_logarithm(void **state) {
    (void)state;
    assert_true(lq_log(1) == 0);
    for (int e = -1022; e < 1024; ++e)
        for (int k = 0; k < 64; ++k) check_logarithm(ldexp(1 + k * 0x1.04p-6, e));
    for (int k = 1; k < 53; ++k) {
        check_logarithm(1 + ldexp(1, -k));
        check_logarithm(1 - ldexp(1, -k));
    }
}

/* The same bits everywhere. */
static void test_logarithm_bits(void **state) {
    static const struct {
        double x, log;
    } known[] = {
        {0x1p-1022, -0x1.6232bdd7abcd2p+9},
        {0x1.23456789abcdep-500, -0x1.5a71cb9e9a8ccp+8},
        {0x1.999999999999ap-4, -0x1.26bb1bbb55515p+1},
        {0x1p-1, -0x1.62e42fefa39efp-1},
        {0x1.fffffffffffffp-1, -0x1p-53},
        {0x1.0000000000001p+0, 0x1p-52},
        {0x1.199999999999ap+0, 0x1.8663f793c46ccp-4},
        {0x1.6a09e667f3bcdp+0, 0x1.62e42fefa39f1p-2},
        {0x1.6a09e667f3bcep+0, 0x1.62e42fefa39f3p-2},
        {0x1.4p+1, 0x1.d5240f0e0e077p-1},
        {0x1.4p+3, 0x1.26bb1bbb55515p+1},
        {0x1.2a05f2p+33, 0x1.7069e2aa2aa5ap+4},
        {0x1.fffffffffffffp+1023, 0x1.62e42fefa39efp+9},
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i)
        if (lq_log(known[i].x) != known[i].log)
            fail_msg("log %a: %a, not %a", known[i].x, lq_log(known[i].x), known[i].log);
}

/* -------------------------------------------------------------------- sums */

struct stream {
    const float *x;
    double factor;
    int64_t taken;
};

static void take(void *context, int64_t n, double *terms) {
    struct stream *s = context;
    assert_in_range(n, 0, 128);
    for (int64_t i = 0; i < n; ++i) terms[i] = (double)s->x[s->taken++] * s->factor;
}

static const void *array_of(const tf_file *file, const char *key, const char *dtype) {
    const tf_tensor *t = tf_find(file, key);
    if (!t || strcmp(t->dtype, dtype) != 0) fail_msg("no array %s of %s", key, dtype);
    return t->data;
}

static void check_sums(const char *path, tf_file *file, const cJSON *meta, void *context) {
    const float *x = array_of(file, "x", "F32"), *pytorch = array_of(file, "pytorch", "F32");
    const float *numpy = array_of(file, "numpy_f32", "F32");
    const double *in_double = array_of(file, "numpy_f64", "F64");
    const int32_t *counts = array_of(file, "counts", "I32");
    const int64_t cases = tf_find(file, "counts")->shape[0];
    int *files = context;
    (void)meta;
    for (int64_t i = 0; i < cases; ++i) {
        struct stream stream = {x, 1, 0};
        const lq_terms terms = {take, &stream};
        if (lq_sum_as_pytorch(&terms, counts[i]) != pytorch[i])
            fail_msg("%s: PyTorch's sum of %d", path, counts[i]);
        assert_int_equal(stream.taken, counts[i]);
        stream.taken = 0;
        if (lq_sum_floats_as_numpy(&terms, counts[i]) != numpy[i])
            fail_msg("%s: NumPy's sum of %d floats", path, counts[i]);
        assert_int_equal(stream.taken, counts[i]);
        stream = (struct stream){x, 1.1, 0};
        if (lq_sum_as_numpy(&terms, counts[i]) != in_double[i])
            fail_msg("%s: NumPy's sum of %d doubles", path, counts[i]);
        assert_int_equal(stream.taken, counts[i]);
    }
    *files += cases > 0;
}

static void test_sums(void **state) {
    char path[4096];
    int files = 0;
    const char *directory = getenv("LQ_TEST_VECTORS_DIR");
    (void)state;
    snprintf(path, sizeof path, "%s/sums", directory ? directory : "");
    if (!vectors_each(path, check_sums, &files)) fail_msg("%s cannot be read", path);
    assert_int_equal(files, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logarithm),
        cmocka_unit_test(test_logarithm_bits),
        cmocka_unit_test(test_sums),
    };
    return cmocka_run_group_tests_name("arithmetic", tests, NULL, NULL);
}
