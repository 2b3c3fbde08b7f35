/*
 * lq_fake_quantize_grad against sums in plain double over random views, profiles and switches, on
 * every level; and lq_fake_quantize against lq_quantize and lq_dequantize on the same.
 *
 * LQ_SEED=n replays a seed, LQ_CASES=n sets how many cases there are.
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_cases.h"

static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

enum { MOST = 1 << 13 };

/* What a block's gradients should be; the magnitudes are those of what was added up. */
struct expected {
    double scale, zero, scale_magnitude, zero_magnitude;
};

static struct expected expected[MOST];
static uint32_t kept[MOST]; /* the bits of grad_x */
static struct naive_counts counts;

static void add_element(const struct fake_case *c, int64_t i) {
    const int64_t block = naive_block_of(&c->x, &c->scheme.block, i);
    const struct fake_block b = fake_block_of(c, block);
    const float x = naive_get_real(&c->x, i);
    const double g = (double)naive_get_real(&c->grad_y, i);
    const double code = fake_code(c, &b, x);
    const int multiplier = c->scheme.quotient == LQ_QUOTIENT_MULTIPLIER;
    const double s = multiplier ? 1.0 / (double)b.scale : (double)b.scale;
    /* ds / dscale is 1, or -s^2 where s is 1 / scale. */
    const double chain = multiplier ? -s * s : 1.0;
    const uint32_t sign = c->x.type == LQ_F32 ? 0x80000000u : 0x8000u;
    struct expected *e = &expected[block];
    const int inside = !isnan(x) && code >= b.low && code <= b.high;
    kept[i] = naive_get_bits(&c->grad_y, i) & (inside ? 0xffffffffu : sign);
    counts.nan += isnan(x);
    counts.infinite += isinf(x) != 0;
    counts.clipped += isfinite(x) && !inside;
    if (isnan(x)) return;
    double for_scale, for_zero = 0.0;
    if (inside) {
        for_scale = g * ((double)fake_value(c, &b, (int32_t)code) - (double)x) / s * chain;
    } else {
        const int32_t n = code < b.low ? b.low : b.high;
        for_scale = g * (n - (double)b.center) * chain;
        for_zero = -g * s;
    }
    e->scale += for_scale;
    e->zero += for_zero;
    e->scale_magnitude += fabs(for_scale);
    e->zero_magnitude += fabs(for_zero);
}

static void compute(const struct fake_case *c) {
    const int64_t count = naive_count(&c->x);
    assert_true(count <= MOST && c->blocks <= MOST);
    memset(expected, 0, sizeof expected);
    memset(&counts, 0, sizeof counts);
    for (int64_t i = 0; i < count; ++i) add_element(c, i);
    for (int64_t b = 0; b < c->blocks; ++b) {
        expected[b].scale *= (double)c->factor;
        expected[b].zero *= (double)c->factor;
    }
}

static int close_to(float got, double want, double magnitude) {
    if (isnan(want) || isinf((float)want)) return isnan(got) ? isnan(want) : (double)got == want;
    return fabs((double)got - want) <= 1e-7 * fabs(want) + 1e-12 * magnitude + 1e-45;
}

static void check_gradients(const struct fake_case *c, const lq_tensor *grad_x,
                            const lq_tensor *grad_scale, const lq_tensor *grad_zero) {
    const int64_t count = naive_count(&c->x);
    for (int64_t i = 0; grad_x && i < count; ++i) {
        if (naive_get_bits(grad_x, i) == kept[i]) continue;
        print_fake_case(c);
        fail_msg("grad_x %" PRId64 ": x %a, got %#x, not %#x", i, (double)naive_get_real(&c->x, i),
                 naive_get_bits(grad_x, i), kept[i]);
    }
    for (int64_t b = 0; b < c->blocks; ++b) {
        const struct expected *e = &expected[b];
        const float scale = grad_scale ? naive_get_real(grad_scale, b) : 0.0f;
        const float zero = grad_zero ? naive_get_real(grad_zero, b) : 0.0f;
        if ((!grad_scale || close_to(scale, e->scale, e->scale_magnitude)) &&
            (!grad_zero || close_to(zero, e->zero, e->zero_magnitude))) {
            continue;
        }
        print_fake_case(c);
        fail_msg("block %" PRId64 ": got %.9g and %.9g, not %.9g and %.9g", b, (double)scale,
                 (double)zero, e->scale, e->zero);
    }
}

/* Puts what came out into the arena that should be, so that all other bytes can be compared. */
static void copy_outputs(const struct fake_case *c, const lq_tensor *from, int64_t count) {
    const lq_tensor to = arena_view(&c->arena, from, c->arena.expected);
    const lq_tensor got = arena_view(&c->arena, from, c->arena.actual);
    for (int64_t i = 0; i < count; ++i) naive_set_bits(&to, i, naive_get_bits(&got, i));
}

static void run_gradient(struct fake_case *c, int64_t *done) {
    struct arena *a = &c->arena;
    const int outputs = (int)random_in(&a->random, 0, 7);
    const lq_tensor x = arena_view(a, &c->x, a->actual);
    const lq_tensor grad_y = arena_view(a, &c->grad_y, a->actual);
    const lq_tensor scale = arena_view(a, &c->scale, a->actual);
    const lq_tensor zero = arena_view(a, &c->zero_point, a->actual);
    const lq_tensor grad_x = arena_view(a, &c->grad_x, a->actual);
    const lq_tensor grad_scale = arena_view(a, &c->grad_scale, a->actual);
    const lq_tensor grad_zero = arena_view(a, &c->grad_zero, a->actual);
    const lq_tensor *const gx = outputs & 1 ? &grad_x : NULL;
    const lq_tensor *const gs = outputs & 2 ? &grad_scale : NULL;
    const lq_tensor *const gz = outputs & 4 ? &grad_zero : NULL;
    compute(c);
    for (int l = 0, first = 1; l < 4; ++l) {
        lq_report report;
        lq_exec exec;
        if (lq_cpu_use(levels[l]) != LQ_OK) continue;
        memcpy(a->actual, a->before, (size_t)a->used);
        assert_int_equal(lq_exec_init(&exec, sizeof exec), LQ_OK);
        assert_int_equal(lq_report_init(&report, sizeof report), LQ_OK);
        if (l % 2 == 0) exec.report = &report;
        const lq_status status =
            lq_fake_quantize_grad(&x, &c->scheme, &scale, c->has_zero_point ? &zero : NULL, &grad_y,
                                  gx, gs, gz, c->factor, &exec);
        if (status) {
            print_fake_case(c);
            fail_msg("%s, argument %d", lq_status_string(status), (int)report.argument);
        }
        check_gradients(c, gx, gs, gz);
        if (exec.report) {
            assert_int_equal(report.nan, counts.nan);
            assert_int_equal(report.infinite, counts.infinite);
            assert_int_equal(report.clipped, counts.clipped);
        }
        if (first && gx) copy_outputs(c, &c->grad_x, naive_count(&c->x));
        if (first && gs) copy_outputs(c, &c->grad_scale, c->blocks);
        if (first && gz) copy_outputs(c, &c->grad_zero, c->blocks);
        first = 0;
        if (memcmp(a->actual, a->expected, (size_t)a->used) != 0) {
            print_fake_case(c);
            fail_msg("other bytes on level %s", lq_cpu_name(levels[l]));
        }
        *done += 1;
    }
}

static void test_random_gradients(void **state) {
    const char *wanted = getenv("LQ_CASES");
    const int64_t cases = wanted && *wanted ? strtoll(wanted, NULL, 0) / 2 : 20000;
    const uint64_t seed = random_seed();
    struct fake_case c;
    int64_t done = 0;
    (void)state;
    memset(&c, 0, sizeof c);
    arena_open(&c.arena);
    for (int64_t i = 0; i < cases; ++i) {
        make_fake_case(&c, seed + (uint64_t)i);
        run_gradient(&c, &done);
    }
    print_message("%" PRId64 " cases, %" PRId64 " calls\n", cases, done);
    arena_close(&c.arena);
}

/* ------------------------------------------------------- values of codes */

/* grad_x's view takes y: in x's own memory where that is in place. */
static void run_fake(struct fake_case *c, int64_t *elements) {
    static uint8_t codes[MOST * 2], values[MOST * 4];
    struct arena *a = &c->arena;
    const lq_tensor x = arena_view(a, &c->x, a->actual);
    const lq_tensor scale = arena_view(a, &c->scale, a->actual);
    const lq_tensor zero = arena_view(a, &c->zero_point, a->actual);
    const lq_tensor y = arena_view(a, &c->grad_x, a->actual);
    const lq_tensor *const z = c->has_zero_point ? &zero : NULL;
    const lq_tensor q = lq_contiguous(codes, c->scheme.code_type, x.rank, x.shape);
    const lq_tensor v = lq_contiguous(values, x.type, x.rank, x.shape);
    const int64_t count = naive_count(&x);
    assert_true(count <= MOST);
    for (int l = 0; l < 4; ++l) {
        if (lq_cpu_use(levels[l]) != LQ_OK) continue;
        memcpy(a->actual, a->before, (size_t)a->used);
        assert_int_equal(lq_quantize(&x, &c->scheme, &scale, z, &q, NULL), LQ_OK);
        assert_int_equal(lq_dequantize(&q, &c->scheme, &scale, z, &v, NULL), LQ_OK);
        assert_int_equal(lq_fake_quantize(&x, &c->scheme, &scale, z, &y, NULL), LQ_OK);
        memcpy(a->expected, a->before, (size_t)a->used);
        const lq_tensor should = arena_view(a, &c->grad_x, a->expected);
        for (int64_t i = 0; i < count; ++i) naive_set_bits(&should, i, naive_get_bits(&v, i));
        if (memcmp(a->actual, a->expected, (size_t)a->used) != 0) {
            print_fake_case(c);
            fail_msg("fake quantization differs on level %s", lq_cpu_name(levels[l]));
        }
        *elements += count;
    }
}

static void test_fakes_are_values_of_codes(void **state) {
    const char *wanted = getenv("LQ_CASES");
    const int64_t cases = wanted && *wanted ? strtoll(wanted, NULL, 0) / 2 : 20000;
    const uint64_t seed = random_seed();
    struct fake_case c;
    int64_t elements = 0, of_profile[28] = {0};
    (void)state;
    memset(&c, 0, sizeof c);
    arena_open(&c.arena);
    for (int64_t i = 0; i < cases; ++i) {
        make_fake_case(&c, seed + (uint64_t)i);
        run_fake(&c, &elements);
        of_profile[c.seed % 28] += 1;
    }
    for (int p = 0; p < 28 && cases >= 28; ++p) assert_true(of_profile[p] > 0);
    print_message("%" PRId64 " cases, %" PRId64 " elements, about %" PRId64 " of each profile\n",
                  cases, elements, cases / 28 * 2 / 3);
    arena_close(&c.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_gradients),
        cmocka_unit_test(test_fakes_are_values_of_codes),
    };
    return cmocka_run_group_tests_name("gradient", tests, NULL, NULL);
}
