/*
 * What a calibrator holds: the values of any views, on every level, exactly; the same bytes however
 * they were split, ordered, shared among threads and merged; right beyond 2^32; in bounded memory.
 *
 * LQ_SEED=n replays a seed, LQ_CASES=n sets how many cases there are.
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>

#include <cmocka.h>

#include "calibrator_states.h"
#include "naive.h"
#include "pools.h"
#include "random_views.h"

static int64_t cases_of(int64_t otherwise) {
    const char *wanted = getenv("LQ_CASES");
    const int64_t n = wanted && *wanted ? strtoll(wanted, NULL, 0) / 40 : otherwise;
    return n < otherwise ? n : otherwise;
}

static void assert_same(const lq_calibrator *c, const struct state_bytes *expected) {
    const struct state_bytes bytes = calibrator_bytes(c);
    assert_int_equal(bytes.size, expected->size);
    assert_memory_equal(bytes.data, expected->data, expected->size);
    free(bytes.data);
}

/* ------------------------------------------------------- random views, by value */

/* All values of a channel, as they came. */
struct channel_values {
    float *v;
    int64_t n;
    int64_t nan, top, bottom;
};

static int by_value(const void *a, const void *b) {
    const float x = *(const float *)a;
    const float y = *(const float *)b;
    return (x > y) - (x < y);
}

static int64_t channel_of(const lq_tensor *x, int32_t axis, int64_t channels, int64_t index) {
    if (channels == 0) return 0;
    for (int32_t i = x->rank - 1; i > axis; --i) index /= x->shape[i];
    return index % x->shape[axis];
}

static void collect(const lq_tensor *x, int32_t axis, int64_t channels, int64_t which,
                    struct channel_values *to) {
    const int64_t count = naive_count(x);
    for (int64_t i = 0; i < count; ++i) {
        if (channel_of(x, axis, channels, i) != which) continue;
        const float v = naive_get_real(x, i);
        to->nan += isnan(v) != 0;
        to->top += isinf(v) && v > 0;
        to->bottom += isinf(v) && v < 0;
        if (isfinite(v)) to->v[to->n++] = v;
    }
}

/* The end of a bin that is farther from 0 belongs to it only where it is the last one. */
static bool holds(const lq_bin *bin, float v, bool last) {
    if (bin->low == bin->high) return v == bin->low;
    if (v > 0) return v >= bin->low && (v < bin->high || (v == bin->high && last));
    return v < 0 && v <= bin->high && (v > bin->low || (v == bin->low && last));
}

/* The bins are those that the mantissa's upper bits make, with the values that lie in them. */
static void check_bins(const lq_calibrator *c, int64_t channel, int32_t k,
                       const struct channel_values *all) {
    lq_bin bins[7];
    int64_t cursor = 0, n, at = 0;
    for (;;) {
        assert_int_equal(lq_calibrator_bins(c, channel, &cursor, bins, 7, &n), LQ_OK);
        if (n == 0) break;
        for (int64_t i = 0; i < n; ++i) {
            const double magnitude = fmin(fabs((double)bins[i].low), fabs((double)bins[i].high));
            const double least = ldexp(1.0, -126);
            const double scale = magnitude > least ? magnitude : least;
            assert_true((double)bins[i].high - (double)bins[i].low <= ldexp(scale, -k));
            assert_false(bins[i].high == 0 && signbit(bins[i].high));
            for (int64_t m = 0; m < bins[i].count; ++m, ++at) {
                assert_true(at < all->n);
                assert_true(holds(&bins[i], all->v[at], true));
            }
            /* The next value is no longer in it. */
            if (at < all->n) assert_false(holds(&bins[i], all->v[at], false));
        }
    }
    assert_int_equal(at, all->n);
}

static bool is_exact(const struct channel_values *all, int32_t k) {
    for (int64_t i = 0; i < all->n; ++i) {
        uint32_t bits;
        memcpy(&bits, &all->v[i], sizeof bits);
        if (bits & ((1u << (23 - k)) - 1u)) return false;
    }
    return true;
}

/* Its own sign of zero apart, a float equals itself bit for bit. */
static void assert_float(float a, float b) {
    assert_true(memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)));
}

static void check_moments(const lq_summary *s, const lq_calibrator_options *o,
                          const struct channel_values *all) {
    long double sum = 0, squares = 0, size = 0;
    for (int64_t i = 0; i < all->n; ++i) {
        sum += (long double)all->v[i];
        size += fabsl((long double)all->v[i]);
    }
    const long double n = (long double)all->n;
    const long double mean = sum / n;
    for (int64_t i = 0; i < all->n; ++i) {
        const long double off = (long double)all->v[i] - mean;
        squares += off * off;
    }
    const bool known = s->exact || o->bin_sums;
    const double off = known ? 1e-12 : ldexp(1.0, -o->mantissa_bits);
    const double least = ldexp(1.0, -140);
    assert_true(fabs(s->mean - (double)mean) <= off * (double)(size / n) + least);
    if (!s->exact) return;
    const double variance = (double)(squares / n);
    assert_true(fabs(s->variance - variance) <= 1e-9 * (variance + (double)(mean * mean)));
}

static void check_channel(const lq_calibrator *c, const lq_calibrator_options *o, int64_t channel,
                          struct channel_values *all) {
    lq_summary s;
    qsort(all->v, (size_t)all->n, sizeof *all->v, by_value);
    lq_summary_init(&s, sizeof s);
    assert_int_equal(lq_calibrator_summarize(c, channel, &s), LQ_OK);
    assert_float(s.min, all->n ? all->v[0] + 0.0f : NAN);
    assert_float(s.max, all->n ? all->v[all->n - 1] + 0.0f : NAN);
    if (o->statistic != LQ_STATISTIC_HISTOGRAM) {
        assert_int_equal(s.count, -1);
        return;
    }
    int64_t zeros = 0;
    for (int64_t i = 0; i < all->n; ++i) zeros += all->v[i] == 0;
    assert_int_equal(s.count, all->n);
    assert_int_equal(s.zeros, zeros);
    assert_int_equal(s.nan, all->nan);
    assert_int_equal(s.positive_infinite, all->top);
    assert_int_equal(s.negative_infinite, all->bottom);
    assert_int_equal(s.saturated, 0);
    assert_int_equal(s.exact, is_exact(all, o->mantissa_bits));
    if (all->n == 0) {
        assert_true(isnan(s.mean) && isnan(s.variance));
        return;
    }
    check_bins(c, channel, o->mantissa_bits, all);
    check_moments(&s, o, all);
}

static lq_calibrator_options random_options(struct arena *a, const lq_tensor *x, int32_t *axis) {
    struct random_state *r = &a->random;
    lq_calibrator_options o = lq_calibrate_per_tensor();
    *axis = 0;
    o.statistic = (lq_statistic)(random_one_in(r, 4) ? random_in(r, 1, 2) : 0);
    if (x->rank > 0 && !random_one_in(r, 3)) {
        *axis = (int32_t)random_in(r, 0, x->rank - 1);
        o.channels = x->shape[*axis];
        o.axis = random_one_in(r, 2) ? *axis : *axis - x->rank;
    }
    /* No channels at all is a whole tensor, to the options. */
    if (o.channels == 0) o.axis = *axis = 0;
    if (o.statistic == LQ_STATISTIC_HISTOGRAM) {
        const int64_t most = o.channels > 64 ? 3 : o.channels > 8 ? 6 : 10;
        o.mantissa_bits = (int32_t)random_in(r, 1, most);
        o.bin_sums = (int32_t)random_in(r, 0, 1);
    }
    return o;
}

static void observe_case(struct arena *a, uint64_t seed) {
    int64_t shape[LQ_MAX_RANK];
    int32_t axis;
    arena_reset(a, seed);
    const int32_t rank = random_shape(a, shape);
    const lq_tensor x =
        random_view(a, random_real_type(a), rank, shape, random_one_in(&a->random, 2) ? 0 : 2);
    random_values(a, &x);
    arena_commit(a);
    const lq_tensor seen = arena_view(a, &x, a->actual);
    const lq_calibrator_options o = random_options(a, &x, &axis);
    const int64_t channels = o.channels ? o.channels : 1;
    const int64_t times = random_in(&a->random, 1, 2);
    struct state_bytes reference = {NULL, 0, 0};
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (!lq_cpu_available(level)) continue;
        assert_int_equal(lq_cpu_use(level), LQ_OK);
        lq_calibrator *c = calibrator_new(&o, NULL);
        for (int64_t i = 0; i < times; ++i) {
            assert_int_equal(lq_calibrator_observe(c, &seen, NULL), LQ_OK);
        }
        if (reference.data) assert_same(c, &reference);
        if (!reference.data) reference = calibrator_bytes(c);
        for (int64_t i = 0; i < channels && level == LQ_CPU_SCALAR; ++i) {
            struct channel_values all = {malloc((size_t)(naive_count(&x) * times + 1) * 4), 0, 0, 0,
                                         0};
            for (int64_t k = 0; k < times; ++k) collect(&x, axis, o.channels, i, &all);
            check_channel(c, &o, i, &all);
            free(all.v);
        }
        free(c);
    }
    free(reference.data);
    assert_memory_equal(a->before, a->actual, (size_t)a->used);
}

static void test_random_views(void **state) {
    (void)state;
    const lq_cpu level = lq_cpu_level();
    const int64_t cases = cases_of(1500);
    const uint64_t seed = random_seed();
    struct arena a;
    arena_open(&a);
    print_message("LQ_SEED=%" PRIu64 ", %" PRId64 " cases\n", seed, cases);
    for (int64_t i = 0; i < cases; ++i) observe_case(&a, seed + (uint64_t)i);
    arena_close(&a);
    lq_cpu_use(level);
}

/* ------------------------------------------------------------------- splitting */

enum { VALUES = 20000, PARTS = 24, WORKERS = 4 };

static void fill_values(struct random_state *r, float *x, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const uint64_t u = random_bits(r);
        const uint32_t bits = (uint32_t)u;
        /* Any bits at all, NaN and infinities among them; zeros and some of a narrow range. */
        switch (u >> 61) {
        case 0: x[i] = 0; break;
        case 1: x[i] = -0.0f; break;
        case 2: memcpy(&x[i], &bits, sizeof bits); break;
        case 3: x[i] = 1.25f; break;
        default: x[i] = (float)(int32_t)bits / 3e9f; break;
        }
    }
    x[1] = INFINITY;
    x[2] = -INFINITY;
    x[3] = NAN;
}

struct worker {
    lq_calibrator *calibrator;
    const float *part[PARTS];
    int64_t size[PARTS];
    int parts;
};

static void *work(void *argument) {
    struct worker *w = argument;
    for (int i = 0; i < w->parts; ++i) {
        const lq_tensor x = lq_vector(w->part[i], LQ_F32, w->size[i]);
        if (lq_calibrator_observe(w->calibrator, &x, NULL) != LQ_OK) return w;
    }
    return NULL;
}

/* One random split over some workers, in threads or one after the other; merged in any order. */
static void split_once(struct random_state *r, const float *x, const lq_calibrator_options *o,
                       const struct state_bytes *expected) {
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    const int n = (int)random_in(r, 1, WORKERS);
    const bool threaded = random_one_in(r, 4);
    int64_t cut[PARTS + 1] = {0};
    for (int i = 0; i < n; ++i) workers[i] = (struct worker){.calibrator = calibrator_new(o, NULL)};
    for (int i = 1; i < PARTS; ++i) cut[i] = random_in(r, cut[i - 1], VALUES);
    cut[PARTS] = VALUES;
    const int first = (int)random_in(r, 0, PARTS - 1);
    for (int i = 0; i < PARTS; ++i) {
        const int part = (i * 5 + first) % PARTS;
        struct worker *w = &workers[random_in(r, 0, n - 1)];
        w->part[w->parts] = x + cut[part];
        w->size[w->parts++] = cut[part + 1] - cut[part];
    }
    for (int i = 0; i < n; ++i) {
        if (!threaded) assert_null(work(&workers[i]));
        if (threaded) assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < n && threaded; ++i) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    /* Any tree: one of those left is merged into another one. */
    for (int left = n; left > 1; --left) {
        const int from = (int)random_in(r, 0, left - 1);
        const int to = (from + 1 + (int)random_in(r, 0, left - 2)) % left;
        lq_calibrator *merged = workers[to].calibrator;
        assert_int_equal(lq_calibrator_merge(merged, workers[from].calibrator), LQ_OK);
        free(workers[from].calibrator);
        workers[from] = workers[left - 1];
    }
    assert_same(workers[0].calibrator, expected);
    free(workers[0].calibrator);
}

static void test_splits(void **state) {
    (void)state;
    static float x[VALUES];
    struct random_state r = {random_seed()};
    const int64_t cases = cases_of(1000);
    for (int32_t sums = 0; sums < 2; ++sums) {
        for (int k = 0; k < 3; ++k) {
            lq_calibrator_options o = lq_calibrate_per_tensor();
            o.mantissa_bits = k == 0 ? 0 : k == 1 ? 3 : 1;
            o.bin_sums = sums;
            fill_values(&r, x, VALUES);
            const lq_tensor all = lq_vector(x, LQ_F32, VALUES);
            lq_calibrator *c = calibrator_new(&o, NULL);
            assert_int_equal(lq_calibrator_observe(c, &all, NULL), LQ_OK);
            const struct state_bytes bytes = calibrator_bytes(c);
            for (int64_t i = 0; i < cases / 6 + 1; ++i) split_once(&r, x, &o, &bytes);
            free(bytes.data);
            free(c);
        }
    }
    print_message("%" PRId64 " splits\n", (cases / 6 + 1) * 6);
}

/* Channels shared out to threads, on any axis, are those of one thread. */
static void test_parallel(void **state) {
    (void)state;
    enum { A = 37, B = 1200, C = 9 };
    static float x[A * B * C];
    struct random_state r = {random_seed()};
    const int64_t shape[] = {A, B, C};
    const lq_tensor t = lq_contiguous(x, LQ_F32, 3, shape);
    fill_values(&r, x, A * B * C);
    for (int32_t axis = 0; axis < 4; ++axis) {
        for (lq_statistic s = LQ_STATISTIC_HISTOGRAM; s <= LQ_STATISTIC_MOVING_AVERAGE; ++s) {
            lq_calibrator_options o = lq_calibrate_per_tensor();
            if (axis < 3) o = lq_calibrate_per_channel(axis, shape[axis]);
            o.statistic = s;
            o.mantissa_bits = s == LQ_STATISTIC_HISTOGRAM ? 2 : 0;
            lq_calibrator *one = calibrator_new(&o, NULL);
            assert_int_equal(lq_calibrator_observe(one, &t, NULL), LQ_OK);
            const struct state_bytes bytes = calibrator_bytes(one);
            for (int threads = 1; threads <= 8; threads += 3) {
                lq_calibrator *c = calibrator_new(&o, NULL);
                lq_report report;
                lq_exec exec;
                int pool = threads;
                lq_report_init(&report, sizeof report);
                lq_exec_init(&exec, sizeof exec);
                exec.parallel_for = threads == 1 ? in_reverse : on_threads;
                exec.pool = &pool;
                exec.report = &report;
                assert_int_equal(lq_calibrator_observe(c, &t, &exec), LQ_OK);
                assert_true(report.nan > 0 && report.infinite > 1);
                assert_same(c, &bytes);
                free(c);
            }
            free(bytes.data);
            free(one);
        }
    }
}

/* ------------------------------------------------------------- counts, memory */

/* More values of one bin than 32 bits count: observed, and by doubling. */
static void test_large_counts(void **state) {
    (void)state;
    enum { N = 1 << 16 };
    static float x[N];
    const int64_t turns = getenv("LQ_CASES") ? 300 : ((int64_t)1 << 32) / N + 3;
    lq_calibrator_options o = lq_calibrate_per_tensor();
    o.mantissa_bits = 1;
    o.bin_sums = 1;
    for (int i = 0; i < N; ++i) x[i] = i % 3 ? 1.75f : -3.0f;
    const lq_tensor t = lq_vector(x, LQ_F32, N);
    lq_calibrator *c = calibrator_new(&o, NULL);
    for (int64_t i = 0; i < turns; ++i) lq_calibrator_observe(c, &t, NULL);
    for (int i = 0; i < 4; ++i) {
        assert_int_equal(lq_calibrator_merge(c, c), LQ_OK);
        assert_int_equal(lq_calibrator_observe(c, &t, NULL), LQ_OK);
        lq_summary s;
        lq_bin bins[4];
        int64_t cursor = 0, n;
        lq_summary_init(&s, sizeof s);
        lq_calibrator_summarize(c, 0, &s);
        const int64_t seen = turns * ((int64_t)2 << i) + ((int64_t)2 << i) - 1;
        assert_int_equal(s.count, seen * N);
        assert_int_equal(lq_calibrator_bins(c, 0, &cursor, bins, 4, &n), LQ_OK);
        assert_int_equal(n, 2);
        assert_int_equal(bins[0].count, seen * ((N + 2) / 3));
        assert_int_equal(bins[1].count, seen * (N - (N + 2) / 3));
        const double mean = (1.75 * (N - (N + 2) / 3) - 3.0 * ((N + 2) / 3)) / N;
        assert_true(fabs(s.mean - mean) < 1e-12);
    }
    free(c);
}

static size_t size_of(const lq_calibrator_options *o) {
    size_t size;
    assert_int_equal(lq_calibrator_size(o, &size), LQ_OK);
    return size;
}

static void test_memory(void **state) {
    (void)state;
    lq_calibrator_options o = lq_calibrate_per_tensor();
    assert_true(size_of(&o) <= 580 * 1024);
    o.bin_sums = 1;
    assert_true(size_of(&o) <= (580 + 512) * 1024);
    o = lq_calibrate_per_channel(-1, 4096);
    assert_true(size_of(&o) <= 73 * 1024 * 1024);
    o.statistic = LQ_STATISTIC_RANGE;
    o.mantissa_bits = 0;
    assert_true(size_of(&o) <= 4096 * 8 + 256);
}

/* -------------------------------------------------------------- moving averages */

static void test_moving_average(void **state) {
    (void)state;
    enum { CHANNELS = 5, ROWS = 7, BATCHES = 30 };
    struct random_state r = {random_seed()};
    for (int round = 0; round < 20; ++round) {
        float x[ROWS][CHANNELS], lo[CHANNELS], hi[CHANNELS];
        bool any[CHANNELS] = {false}, beyond[CHANNELS] = {false};
        lq_calibrator_options o = lq_calibrate_per_channel(1, CHANNELS);
        o.statistic = LQ_STATISTIC_MOVING_AVERAGE;
        o.mantissa_bits = 0;
        o.averaging = round % 3 ? (float)random_in(&r, 1, 100) / 100.0f : 0.0f;
        const float share = o.averaging > 0 ? o.averaging : 0.01f;
        lq_calibrator *c = calibrator_new(&o, NULL);
        for (int b = 0; b < BATCHES; ++b) {
            fill_values(&r, x[0], ROWS * CHANNELS);
            const lq_tensor t = lq_matrix(x, LQ_F32, ROWS, CHANNELS);
            assert_int_equal(lq_calibrator_observe(c, &t, NULL), LQ_OK);
            for (int i = 0; i < CHANNELS; ++i) {
                float least = INFINITY, most = -INFINITY;
                for (int k = 0; k < ROWS; ++k) {
                    if (!isfinite(x[k][i])) continue;
                    least = x[k][i] < least ? x[k][i] : least;
                    most = x[k][i] > most ? x[k][i] : most;
                }
                if (least > most) continue;
                volatile float down = least - lo[i], up = most - hi[i];
                down *= share, up *= share;
                lo[i] = any[i] ? lo[i] + down : least;
                hi[i] = any[i] ? hi[i] + up : most;
                any[i] = true;
                /* Beyond float32 the way of computing it differs. */
                beyond[i] = beyond[i] || !isfinite(lo[i]) || !isfinite(hi[i]);
            }
        }
        float got_lo[CHANNELS], got_hi[CHANNELS];
        const lq_tensor tl = lq_vector(got_lo, LQ_F32, CHANNELS);
        const lq_tensor th = lq_vector(got_hi, LQ_F32, CHANNELS);
        const lq_calibration by = lq_calibration_by(LQ_METHOD_MOVING_AVERAGE);
        const lq_scheme scheme = lq_affine(LQ_U8, lq_per_tensor());
        assert_int_equal(lq_calibrator_ranges(c, &by, &scheme, &tl, &th, NULL), LQ_OK);
        for (int i = 0; i < CHANNELS; ++i) {
            assert_true(isfinite(got_lo[i]) && isfinite(got_hi[i]) && got_lo[i] <= got_hi[i]);
            if (any[i] && !beyond[i]) assert_true(got_lo[i] == lo[i] && got_hi[i] == hi[i]);
        }
        free(c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_views), cmocka_unit_test(test_splits),
        cmocka_unit_test(test_parallel),     cmocka_unit_test(test_large_counts),
        cmocka_unit_test(test_memory),       cmocka_unit_test(test_moving_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
