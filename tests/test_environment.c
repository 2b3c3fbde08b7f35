/*
 * A floating-point environment that the header does not allow, another rounding mode or subnormals
 * flushed to zero, may change codes, but none leaves its range and nothing crashes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "libquant.h"
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum { N = 4096 };

static float x[N], back[N];
static int8_t codes[N];
static float scales[N / 32];
static int8_t zeros[N / 32];

static void fill(void) {
    const float special[] = {NAN,      INFINITY, -INFINITY, 0x1p-149f, -0x1p-130f, 3.4e38f,
                             -3.4e38f, 0.0f,     -0.0f,     0.5f,      126.5f,     -127.5f};
    for (int i = 0; i < N; ++i) {
        x[i] = (float)(i * 7919 % 4001 - 2000) * 0.07f;
        if (i % 5 == 0) x[i] = special[i / 5 % (int)(sizeof special / sizeof *special)];
    }
}

static void run_everything(const char *environment) {
    const lq_mapping mappings[] = {LQ_AFFINE, LQ_SYMMETRIC, LQ_SYMMETRIC_FULL_RANGE};
    const lq_tensor real = lq_vector(x, LQ_F32, N);
    const lq_tensor q = lq_vector(codes, LQ_S8, N);
    const lq_tensor s = lq_vector(scales, LQ_F32, N / 32);
    const lq_tensor z = lq_vector(zeros, LQ_S8, N / 32);
    const lq_tensor y = lq_vector(back, LQ_F32, N);
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_cpu_use(level) != LQ_OK) continue;
        for (size_t m = 0; m < sizeof mappings / sizeof *mappings; ++m) {
            lq_scheme scheme = lq_scheme_of(mappings[m], LQ_S8, lq_per_block(0, 32));
            scheme.qmin = -100;
            scheme.qmax = 90;
            memset(codes, 127, sizeof codes);
            assert_int_equal(lq_quantize_dynamic(&real, &scheme, &q, &s, &z, NULL), LQ_OK);
            for (int i = 0; i < N; ++i) assert_in_range(codes[i] + 100, 0, 190);
            assert_int_equal(lq_dequantize(&q, &scheme, &s, &z, &y, NULL), LQ_OK);
        }
    }
    printf("%s: every code in range\n", environment);
}

static void test_rounding_modes(void **state) {
    const struct {
        int mode;
        const char *name;
    } modes[] = {
#if defined(FE_UPWARD)
        {FE_UPWARD, "rounding upward"},
#endif
#if defined(FE_DOWNWARD)
        {FE_DOWNWARD, "rounding downward"},
#endif
#if defined(FE_TOWARDZERO)
        {FE_TOWARDZERO, "rounding toward zero"},
#endif
        {FE_TONEAREST, "rounding to nearest"},
    };
    (void)state;
    fill();
    for (size_t i = 0; i < sizeof modes / sizeof *modes; ++i) {
        assert_int_equal(fesetround(modes[i].mode), 0);
        run_everything(modes[i].name);
    }
}

static void test_flush_to_zero(void **state) {
    (void)state;
    fill();
#if defined(__SSE__)
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* FTZ and DAZ */
    run_everything("subnormals flushed to zero");
    _mm_setcsr(before);
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (uint64_t)1 << 24));
    run_everything("subnormals flushed to zero");
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    print_message("no way to flush subnormals to zero is known here\n");
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding_modes),
        cmocka_unit_test(test_flush_to_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
