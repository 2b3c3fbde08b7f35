/*
 * Calibration methods against keeping every value: on bfloat16 data the same ranges to the bit, on
 * float32 data within a bin; and the MSE method against ten thousand candidates by brute force. On
 * generated data and, where LQ_WEIGHTS has them, on real activations.
 */
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

#include "calibrator_states.h"
#include "random_views.h"
#include "tensor_file.h"

/* ------------------------------------------------------------------------ data */

enum { MOST_SETS = 32, GENERATED = 40000 };

struct data_set {
    char name[40];
    float *x;
    int64_t n;
    /* The values in order, each once, and how often. */
    float *value;
    double *count;
    int64_t values;
};

static struct data_set sets[MOST_SETS];
static int set_count;
static struct random_state random;

static double uniform(void) {
    return ((double)(random_bits(&random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(void) {
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return (x > y) - (x < y);
}

static void *room(int64_t bytes) {
    void *memory = malloc((size_t)bytes + 1);
    assert_non_null(memory);
    return memory;
}

static struct data_set new_set(const char *name, const float *x, int64_t n) {
    struct data_set s = {.n = n};
    snprintf(s.name, sizeof s.name, "%s", name);
    s.x = room(n * 4);
    s.value = room(n * 4);
    s.count = room(n * 8);
    memcpy(s.x, x, (size_t)n * 4);
    memcpy(s.value, x, (size_t)n * 4);
    qsort(s.value, (size_t)n, sizeof *s.value, by_value);
    for (int64_t i = 0; i < n; ++i) {
        if (s.values > 0 && s.value[s.values - 1] == s.value[i]) {
            s.count[s.values - 1] += 1;
        } else {
            s.value[s.values] = s.value[i];
            s.count[s.values++] = 1;
        }
    }
    return s;
}

static void free_set(struct data_set *s) {
    free(s->x);
    free(s->value);
    free(s->count);
}

static void add_generated(const char *name, double (*value)(int i)) {
    static float x[GENERATED];
    for (int i = 0; i < GENERATED; ++i) x[i] = (float)value(i);
    sets[set_count++] = new_set(name, x, GENERATED);
}

static double normals(int i) {
    return (void)i, normal();
}
static double heavy_tailed(int i) {
    const double v = normals(i);
    return v * v * v;
}
static double bimodal(int i) {
    return normal() + (i % 2 ? 5 : -3);
}
static double tiny_then_huge(int i) {
    return normal() * (i < GENERATED / 2 ? 1e-6 : 1);
}
static double constant(int i) {
    return (void)i, -3.7;
}
static double zeros(int i) {
    return i % 2 ? 0.0 : -0.0;
}
static double relu(int i) {
    return fmax(normals(i), 0);
}
static double outliers(int i) {
    return normal() * (i % 1000 ? 1 : 50);
}
static double pixels(int i) {
    const double v = 0.5 + 0.2 * normals(i);
    return (double)(float)(rint(fmin(fmax(v, 0), 1) * 255) / 255);
}

static void add_activations(const char *name) {
    const char *directory = getenv("LQ_WEIGHTS");
    char path[1000], message[500];
    if (!directory || !*directory) return;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    tf_file *file = tf_open(path, message, sizeof message);
    assert_non_null(file);
    for (size_t i = 0; i < file->count && set_count < MOST_SETS; ++i) {
        const tf_tensor *t = &file->tensors[i];
        if (strcmp(t->dtype, "F32") != 0) continue;
        sets[set_count++] = new_set(t->name, t->data, t->size / 4);
    }
    tf_close(file);
}

static int make_sets(void **state) {
    (void)state;
    random.state = random_seed();
    add_generated("normal", normals);
    add_generated("heavy-tailed", heavy_tailed);
    add_generated("bimodal", bimodal);
    add_generated("tiny, then huge", tiny_then_huge);
    add_generated("constant", constant);
    add_generated("zeros", zeros);
    add_generated("relu", relu);
    add_generated("outliers", outliers);
    add_generated("pixels", pixels);
    add_activations("activations-burn_mnist_cnn.safetensors");
    add_activations("activations-stories260k.safetensors");
    return 0;
}

static int free_sets(void **state) {
    (void)state;
    for (int i = 0; i < set_count; ++i) free_set(&sets[i]);
    return 0;
}

/* The same data as bfloat16 has it. */
static struct data_set narrowed(const struct data_set *s) {
    uint16_t *narrow = room(s->n * 2);
    const lq_tensor x = lq_vector(s->x, LQ_F32, s->n);
    const lq_tensor y = lq_vector(narrow, LQ_BF16, s->n);
    assert_int_equal(lq_convert(&x, &y, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
    float *wide = room(s->n * 4);
    const lq_tensor back = lq_vector(wide, LQ_F32, s->n);
    assert_int_equal(lq_convert(&y, &back, LQ_OVERFLOW_INFINITE, NULL), LQ_OK);
    const struct data_set out = new_set(s->name, wide, s->n);
    free(narrow);
    free(wide);
    return out;
}

static lq_calibrator *observed(const struct data_set *s, int32_t k, int32_t sums) {
    lq_calibrator_options o = lq_calibrate_per_tensor();
    o.mantissa_bits = k;
    o.bin_sums = sums;
    lq_calibrator *c = calibrator_new(&o, NULL);
    const lq_tensor x = lq_vector(s->x, LQ_F32, s->n);
    assert_int_equal(lq_calibrator_observe(c, &x, NULL), LQ_OK);
    return c;
}

struct range {
    float lo, hi;
};

static struct range range_by(const lq_calibrator *c, const lq_calibration *by,
                             const lq_scheme *scheme) {
    struct range r = {0, 0};
    const lq_tensor lo = lq_vector(&r.lo, LQ_F32, 1);
    const lq_tensor hi = lq_vector(&r.hi, LQ_F32, 1);
    assert_int_equal(lq_calibrator_ranges(c, by, scheme, &lo, &hi, NULL), LQ_OK);
    return r;
}

/* ------------------------------------------------------------- every value kept */

/* A histogram with a bin of no width for each value, so that nothing is lost. */
static struct range range_of_values(const struct data_set *s, const lq_calibration *by,
                                    const lq_scheme *scheme) {
    lq_histogram h;
    struct range r;
    const int64_t bins = 2 * s->values - 1;
    double *counts = room(bins * 8);
    float *edges = room((bins + 1) * 4);
    for (int64_t i = 0; i < s->values; ++i) {
        edges[2 * i] = edges[2 * i + 1] = s->value[i];
        counts[2 * i] = s->count[i];
        if (i > 0) counts[2 * i - 1] = 0;
    }
    lq_histogram_init(&h, sizeof h);
    h.counts = counts;
    h.edges = edges;
    h.bins = bins;
    assert_int_equal(lq_histogram_range(&h, by, scheme, &r.lo, &r.hi), LQ_OK);
    free(counts);
    free(edges);
    return r;
}

static const lq_method methods[] = {
    LQ_METHOD_MIN_MAX, LQ_METHOD_PERCENTILE, LQ_METHOD_PERCENTILE_MAGNITUDE,
    LQ_METHOD_ENTROPY, LQ_METHOD_MSE,        LQ_METHOD_MEAN_DEVIATION};
enum { METHODS = sizeof methods / sizeof *methods, SCHEMES = 8 };

static lq_scheme scheme_number(int i) {
    const lq_block all = lq_per_tensor();
    switch (i) {
    case 0: return lq_symmetric(LQ_S8, all);
    case 1: return lq_symmetric(LQ_S4, all);
    case 2: return lq_affine(LQ_U8, all);
    case 3: return lq_affine(LQ_S4, all);
    case 4: return lq_symmetric_full_range(LQ_S8, all);
    case 5: return lq_symmetric_full_range(LQ_S4, all);
    case 6: return lq_profile_scheme(LQ_PROFILE_PYTORCH, LQ_U8, all);
    default: return lq_symmetric(LQ_S16, all);
    }
}

static void compare_ranges(const struct data_set *s, const lq_calibrator *c, lq_method method,
                           int scheme_index) {
    const lq_calibration by = lq_calibration_by(method);
    const lq_scheme scheme = scheme_number(scheme_index);
    const struct range got = range_by(c, &by, &scheme);
    const struct range expected = range_of_values(s, &by, &scheme);
    if (memcmp(&got, &expected, sizeof got) == 0) return;
    print_error("%s, %s, scheme %d: [%a, %a], expected [%a, %a]\n", s->name, lq_method_name(method),
                scheme_index, (double)got.lo, (double)got.hi, (double)expected.lo,
                (double)expected.hi);
    fail();
}

/* LQ_CASES, for slow machines, makes it a share of the combinations, here and below. */
static void test_exact_on_bfloat16(void **state) {
    (void)state;
    const int every = getenv("LQ_CASES") ? 17 : 1;
    int compared = 0;
    for (int i = 0; i < set_count; ++i) {
        struct data_set s = narrowed(&sets[i]);
        for (int32_t sums = 0; sums < 2; ++sums) {
            lq_calibrator *c = observed(&s, 7, sums);
            for (int m = 0; m < METHODS; ++m) {
                for (int k = 0; k < SCHEMES; ++k) {
                    if ((i + m + k) % every) continue;
                    compare_ranges(&s, c, methods[m], k);
                    ++compared;
                }
            }
            free(c);
        }
        free_set(&s);
    }
    print_message("%d ranges equal on %d data sets\n", compared, set_count);
}

/* ------------------------------------------------------------------- quantiles */

/* By counting. */
static float order_statistic(const struct data_set *s, double p, bool magnitudes) {
    float *sorted = room(s->n * 4);
    for (int64_t i = 0; i < s->n; ++i) sorted[i] = magnitudes ? fabsf(s->x[i]) : s->x[i];
    qsort(sorted, (size_t)s->n, sizeof *sorted, by_value);
    int64_t rank = (int64_t)ceil(p * (double)s->n);
    rank = rank < 1 ? 1 : rank;
    const float v = sorted[rank - 1];
    free(sorted);
    return v;
}

static const double probabilities[] = {0,   1e-4, 0.001, 0.01, 0.1,   0.25,   0.5,
                                       0.6, 0.75, 0.9,   0.99, 0.999, 0.9999, 1};
enum { PROBABILITIES = sizeof probabilities / sizeof *probabilities };

static bool within_bin(float got, float expected, int32_t k) {
    const double least = 0x1p-126;
    const double scale = fmax(fabs((double)expected), least);
    return fabs((double)got - (double)expected) <= ldexp(scale, -k) * (1 + 1e-6);
}

static void test_quantiles(void **state) {
    (void)state;
    for (int i = 0; i < set_count; i += getenv("LQ_CASES") ? 2 : 1) {
        struct data_set narrow = narrowed(&sets[i]);
        for (int32_t k = 2; k <= 10; k += k == 2 ? 5 : 3) {
            lq_calibrator *c = observed(&sets[i], k, 0);
            lq_calibrator *exact = observed(&narrow, k, 0);
            float got[PROBABILITIES], known[PROBABILITIES];
            assert_int_equal(lq_calibrator_quantiles(c, 0, probabilities, PROBABILITIES, got), 0);
            assert_int_equal(lq_calibrator_quantiles(exact, 0, probabilities, PROBABILITIES, known),
                             0);
            for (int p = 0; p < PROBABILITIES; ++p) {
                const float expected = order_statistic(&sets[i], probabilities[p], false);
                assert_true(within_bin(got[p], expected, k));
                if (p == 0 || p == PROBABILITIES - 1) assert_true(got[p] == expected);
                if (k < 7) continue;
                assert_true(known[p] == order_statistic(&narrow, probabilities[p], false));
            }
            free(exact);
            free(c);
        }
        free_set(&narrow);
    }
}

static void test_percentiles(void **state) {
    (void)state;
    const lq_scheme scheme = lq_affine(LQ_U8, lq_per_tensor());
    static const double percentiles[] = {50, 90, 99, 99.9, 99.99, 100};
    for (int i = 0; i < set_count; ++i) {
        struct data_set s = narrowed(&sets[i]);
        lq_calibrator *c = observed(&s, 7, 0);
        for (int p = 0; p < 6; ++p) {
            lq_calibration by = lq_calibration_by(LQ_METHOD_PERCENTILE);
            by.percentile = percentiles[p];
            const double cut = (100 - percentiles[p]) / 200;
            struct range r = range_by(c, &by, &scheme);
            assert_true(r.lo == order_statistic(&s, cut, false));
            assert_true(r.hi == order_statistic(&s, 1 - cut, false));
            by.method = LQ_METHOD_PERCENTILE_MAGNITUDE;
            r = range_by(c, &by, &scheme);
            const float t = order_statistic(&s, percentiles[p] / 100, true);
            assert_true(r.lo == fmaxf(-t, s.value[0]));
            assert_true(r.hi == fminf(t, s.value[s.values - 1]));
        }
        free(c);
        free_set(&s);
    }
}

/* ------------------------------------------------------------------------- MSE */

/* Of all values, by the parameters that the library chooses for a range. */
static double error_of(const struct data_set *s, const lq_scheme *scheme, struct range r) {
    float scale = 0;
    int32_t zero = 0, low, high;
    const lq_tensor lo = lq_vector(&r.lo, LQ_F32, 1);
    const lq_tensor hi = lq_vector(&r.hi, LQ_F32, 1);
    const lq_tensor st = lq_vector(&scale, LQ_F32, 1);
    const lq_tensor zt = lq_vector(&zero, LQ_S32, 1);
    assert_int_equal(lq_choose_parameters(&lo, &hi, scheme, &st, &zt, NULL), LQ_OK);
    lq_scheme_range(scheme, &low, &high, NULL);
    double sum = 0;
    const double inverse = 1 / (double)scale;
    for (int64_t i = 0; i < s->values; ++i) {
        const double t = (double)s->value[i] * inverse + zero;
        double q = t < low ? low : t > high ? high : t;
        q = (q + 0x1.8p52) - 0x1.8p52;
        sum += s->count[i] * (t - q) * (t - q);
    }
    return sum * (double)scale * (double)scale / (double)s->n;
}

static struct range magnitudes_up_to(const struct data_set *s, double t) {
    const float f = (float)t;
    return (struct range){fmaxf(-f, s->value[0]), fminf(f, s->value[s->values - 1])};
}

/* The least error of candidates evenly spread over what both ends, or the threshold, could be. */
static double brute_force(const struct data_set *s, const lq_scheme *scheme, int candidates) {
    const double lo = (double)s->value[0];
    const double hi = (double)s->value[s->values - 1];
    const double most = fmax(fabs(lo), fabs(hi));
    const bool affine = scheme->mapping == LQ_AFFINE;
    const int side = affine && lo < 0 && hi > 0 ? (int)sqrt(candidates) : 1;
    double best = HUGE_VAL;
    for (int i = 1; i <= candidates; ++i) {
        struct range r = magnitudes_up_to(s, most * i / candidates);
        if (side > 1) {
            r.lo = (float)(lo * (1 + (i - 1) / side) / side);
            r.hi = (float)(hi * (1 + (i - 1) % side) / side);
        }
        for (int sign = 0; sign < (scheme->mapping == LQ_SYMMETRIC_FULL_RANGE ? 2 : 1); ++sign) {
            if (sign && r.lo == -r.hi) r.hi = nextafterf(r.hi, 0);
            best = fmin(best, error_of(s, scheme, r));
        }
    }
    return best;
}

/* With fewer candidates where there are many values, or a slow machine. */
static int candidates_for(const struct data_set *s) {
    const double work = getenv("LQ_CASES") ? 2e6 : 1.5e8;
    const double most = work / (double)s->values;
    return most > 10000 ? 10000 : most < 100 ? 100 : (int)most;
}

/*
 * How far the true error of the range chosen may be above that of the best candidate. Not more than
 * 2 % without sums, 0.5 % with them; but a histogram without sums cannot tell where in a bin the
 * values of a grid are, nor one of k = 7 where the values of a tensor with a thousand of them.
 */
static double allowed(const struct data_set *s, int32_t sums, int k) {
    const bool grid = strcmp(s->name, "pixels") == 0;
    const bool few = s->n < 2000 && k == 2;
    if (grid && !sums) return 0;
    if (few) return sums ? 1.03 : 1.1;
    return sums ? 1.005 : 1.02;
}

static void test_mse(void **state) {
    (void)state;
    const int every = getenv("LQ_CASES") ? 4 : 1;
    double worst[2] = {0};
    for (int i = 0; i < set_count; ++i) {
        const struct data_set *s = &sets[i];
        for (int k = 0; k < 6; ++k) {
            if ((i + k) % every) continue;
            const lq_scheme scheme = scheme_number(k);
            const lq_calibration by = lq_calibration_by(LQ_METHOD_MSE);
            const struct range all = {s->value[0], s->value[s->values - 1]};
            const double of_all = error_of(s, &scheme, all);
            const double best = fmin(brute_force(s, &scheme, candidates_for(s)), of_all);
            for (int32_t sums = 0; sums < 2; ++sums) {
                lq_calibrator *c = observed(s, 7, sums);
                const double error = error_of(s, &scheme, range_by(c, &by, &scheme));
                const double limit = allowed(s, sums, k);
                const double floor = 1e-16 * (double)(all.hi - all.lo) * (double)(all.hi - all.lo);
                const double ratio = (error + floor) / (best + floor);
                if (limit > 0 && ratio > worst[sums]) worst[sums] = ratio;
                if (limit > 0 && ratio > limit) {
                    print_error("%s, scheme %d, sums %d: %g times the least error\n", s->name, k,
                                sums, ratio);
                    fail();
                }
                free(c);
            }
        }
    }
    print_message("at most %.4f times the least error, %.4f with sums\n", worst[0], worst[1]);
}

/* --------------------------------------------------------------------- entropy */

/*
 * Within both ends of the data, affine codes of 2^b levels have as many for a threshold as
 * symmetric ones of 2^b - 1: half a step more, which is not to count for one where the rounding of
 * the scale happens to make it so.
 */
static void test_entropy(void **state) {
    static const lq_type types[][2] = {{LQ_U4, LQ_S4}, {LQ_U8, LQ_S8}};
    static float x[GENERATED];
    const lq_calibration by = lq_calibration_by(LQ_METHOD_ENTROPY);
    (void)state;
    for (int i = 0; i < GENERATED; ++i) {
        const double v = normal();
        x[i] = (float)(v * v * v);
    }
    for (int i = 0; i < 20; ++i) {
        struct data_set s = new_set("cubes", x, GENERATED);
        for (int k = 0; k < GENERATED; ++k) s.x[k] *= 1 + (float)i / 10;
        lq_calibrator *c = observed(&s, 7, 0);
        for (size_t k = 0; k < sizeof types / sizeof *types; ++k) {
            const lq_scheme affine = lq_affine(types[k][0], lq_per_tensor());
            const lq_scheme symmetric = lq_symmetric(types[k][1], lq_per_tensor());
            const struct range a = range_by(c, &by, &affine);
            const struct range b = range_by(c, &by, &symmetric);
            assert_true(b.lo == -b.hi && a.lo == b.lo && a.hi == b.hi);
        }
        free(c);
        free_set(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_on_bfloat16), cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_percentiles),       cmocka_unit_test(test_mse),
        cmocka_unit_test(test_entropy),
    };
    return cmocka_run_group_tests(tests, make_sets, free_sets);
}
