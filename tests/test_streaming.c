/*
 * Stores past the caches, for every output instead of those that exceed the last cache: the bytes of
 * the scalar level, and no others touched, for lengths, alignments, strides and threads.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "call.h"
#include "guarded.h"
#include "kernels.h"
#include "pools.h"
#include <stdio.h>
#include <string.h>

typedef enum { QUANTIZE, FAKE, CONVERT, DYNAMIC } operation;

static const struct {
    const char *name;
    operation operation;
    lq_type from, to;
    lq_profile profile;
} cases[] = {
    {"f32 -> s8", QUANTIZE, LQ_F32, LQ_S8, LQ_PROFILE_LIBQUANT},
    {"f32 -> u8", QUANTIZE, LQ_F32, LQ_U8, LQ_PROFILE_LIBQUANT},
    {"f32 -> s8, xnnpack", QUANTIZE, LQ_F32, LQ_S8, LQ_PROFILE_XNNPACK},
    {"f32 -> u8, pytorch", QUANTIZE, LQ_F32, LQ_U8, LQ_PROFILE_PYTORCH},
    {"f32 -> s8, tflite", QUANTIZE, LQ_F32, LQ_S8, LQ_PROFILE_TFLITE},
    {"f32 -> s4", QUANTIZE, LQ_F32, LQ_S4, LQ_PROFILE_LIBQUANT},
    {"f32 -> s16", QUANTIZE, LQ_F32, LQ_S16, LQ_PROFILE_LIBQUANT},
    {"bf16 -> s8", QUANTIZE, LQ_BF16, LQ_S8, LQ_PROFILE_LIBQUANT},
    {"f32 -> s8, dynamic", DYNAMIC, LQ_F32, LQ_S8, LQ_PROFILE_LIBQUANT},
    {"f32 -> s8 -> f32", FAKE, LQ_F32, LQ_S8, LQ_PROFILE_LIBQUANT},
    {"f32 -> u8 -> f32, pytorch", FAKE, LQ_F32, LQ_U8, LQ_PROFILE_PYTORCH},
    {"f32 -> s8 -> f32, xnnpack", FAKE, LQ_F32, LQ_S8, LQ_PROFILE_XNNPACK},
    {"f32 -> f16", CONVERT, LQ_F32, LQ_F16, LQ_PROFILE_LIBQUANT},
    {"f32 -> bf16", CONVERT, LQ_F32, LQ_BF16, LQ_PROFILE_LIBQUANT},
    {"bf16 -> f32", CONVERT, LQ_BF16, LQ_F32, LQ_PROFILE_LIBQUANT},
};

enum {
    CASES = sizeof cases / sizeof *cases,
    MOST = 1 << 18,
    SMALL = 1 << 15,
    ROWS = 3,
    CANARY = 0x5a
};

static float input[MOST];
static guarded *output;

static int64_t bytes_of(lq_type type) {
    return type == LQ_F32 ? 4 : type == LQ_F16 || type == LQ_BF16 || type == LQ_S16 ? 2 : 1;
}

/* One of these calls: on rows that lie `step` elements apart, with a scale for each or for all. */
typedef struct situation {
    int number;
    int64_t rows, count, step;
    bool by_row;
    lq_exec exec;
} situation;

static lq_tensor rows_of(const situation *s, const void *data, lq_type type, int64_t step) {
    lq_tensor t = lq_matrix(data, type, s->rows, s->count);
    t.stride[0] = step;
    if (type != LQ_S4) t.size = ((s->rows - 1) * step + s->count) * bytes_of(type);
    return t;
}

static lq_status run(const situation *s, const float *x_data, void *y_data) {
    const operation what = cases[s->number].operation;
    const lq_type to = cases[s->number].to;
    const bool is_signed = to == LQ_S8 || to == LQ_S4 || to == LQ_S16;
    float scale_data[ROWS];
    int16_t zero_data[ROWS];
    const lq_tensor x = rows_of(s, x_data, cases[s->number].from, s->count);
    const lq_tensor y = rows_of(s, y_data, what == FAKE ? LQ_F32 : to, s->step);
    const lq_tensor scale = lq_vector(scale_data, LQ_F32, s->by_row ? s->rows : 1);
    const lq_tensor zero = lq_vector(zero_data, is_signed ? to == LQ_S16 ? LQ_S16 : LQ_S8 : LQ_U8,
                                     s->by_row ? s->rows : 1);
    const lq_block block = s->by_row ? lq_per_channel(0) : lq_per_tensor();
    const lq_scheme scheme = lq_profile_scheme(cases[s->number].profile, to, block);
    for (int i = 0; i < ROWS; ++i) scale_data[i] = 0.01f + 0.001f * (float)i;
    memset(zero_data, 1, sizeof zero_data);
    switch (what) {
    case QUANTIZE: return lq_quantize(&x, &scheme, &scale, &zero, &y, &s->exec);
    case FAKE: return lq_fake_quantize(&x, &scheme, &scale, &zero, &y, &s->exec);
    case DYNAMIC: return lq_quantize_dynamic(&x, &scheme, &y, &scale, &zero, &s->exec);
    default: return lq_convert(&x, &y, LQ_OVERFLOW_INFINITE, &s->exec);
    }
}

/* The output begins `shift` bytes into its memory, or ends with it. */
static void check(situation *s, int64_t x_at, int64_t shift, bool flush) {
    const operation what = cases[s->number].operation;
    const int64_t size = what == FAKE ? 4 : bytes_of(cases[s->number].to);
    const int64_t bytes = ((s->rows - 1) * s->step + s->count) * size;
    const size_t all = (size_t)(output[0].end - output[0].begin);
    lq_parallel_for *const parallel_for = s->exec.parallel_for;
    if (flush) shift = (int64_t)all - bytes;
    for (int i = 0; i < 2; ++i) memset(output[i].begin, CANARY, all);
    s->exec.parallel_for = NULL;
    lq_set_stream_above(SIZE_MAX);
    assert_int_equal(lq_cpu_use(LQ_CPU_SCALAR), LQ_OK);
    assert_int_equal(run(s, input + x_at, output[0].begin + shift), LQ_OK);
    s->exec.parallel_for = parallel_for;
    lq_set_stream_above(1);
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_cpu_use(level)) continue;
        memset(output[1].begin, CANARY, all);
        assert_int_equal(run(s, input + x_at, output[1].begin + shift), LQ_OK);
        if (memcmp(output[0].begin, output[1].begin, all) == 0) continue;
        fail_msg("%s, level %s: %lld rows of %lld, %lld apart, at %lld", cases[s->number].name,
                 lq_cpu_name(level), (long long)s->rows, (long long)s->count, (long long)s->step,
                 (long long)shift);
    }
    lq_set_stream_above(0);
}

static situation make(int number, int64_t rows, int64_t count, int64_t gap) {
    situation s = {.number = number, .rows = rows, .count = count, .step = count + gap};
    /* Views of codes that share bytes are others' affair. */
    if (cases[number].to == LQ_S4) s.step = count;
    assert_int_equal(lq_exec_init(&s.exec, sizeof s.exec), LQ_OK);
    s.by_row = random_below(2);
    return s;
}

static void test_lengths_and_alignments(void **state) {
    (void)state;
    for (int number = 0; number < CASES; ++number) {
        for (int i = 0; i < 100; ++i) {
            situation s = make(number, 1, 200 + 8 * random_below(200) + random_below(8), 0);
            check(&s, random_below(64), 0, true);
            check(&s, random_below(64), random_below(64), false);
        }
    }
}

static void test_rows(void **state) {
    (void)state;
    for (int number = 0; number < CASES; ++number) {
        for (int i = 0; i < 60; ++i) {
            const int64_t gap = i % 3 == 0 ? 0 : (int64_t)random_below(200);
            const int64_t count = 64 * (4 + random_below(20));
            const int64_t odd = i % 2 ? random_below(64) : 0;
            situation s = make(number, ROWS, count - odd, i % 3 == 1 ? odd : gap);
            check(&s, random_below(64), 0, true);
            check(&s, random_below(64), random_below(64), false);
        }
    }
}

/* Parts begin where they begin, not at lines. */
static void test_threads(void **state) {
    (void)state;
    int threads = 3;
    guarded large[2] = {guarded_new(MOST * 4 + 64), guarded_new(MOST * 4 + 64)};
    guarded *const small = output;
    output = large;
    for (int number = 0; number < CASES; ++number) {
        situation s = make(number, 2, MOST / 2 - 37, 0);
        s.exec.parallel_for = on_threads;
        s.exec.pool = &threads;
        check(&s, 0, 12, false);
    }
    output = small;
    for (int i = 0; i < 2; ++i) guarded_free(&large[i]);
}

/* In place there is nothing to be gained, and nothing changes. */
static void test_in_place(void **state) {
    (void)state;
    enum { N = 5000 };
    static float expected[N], y[N];
    const float s = 0.01f;
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    const lq_tensor x = lq_vector(input, LQ_F32, N), to = lq_vector(expected, LQ_F32, N);
    const lq_tensor same = lq_vector(y, LQ_F32, N), scale = lq_vector(&s, LQ_F32, 1);
    lq_set_stream_above(1);
    memcpy(y, input, sizeof y);
    assert_int_equal(lq_fake_quantize(&x, &scheme, &scale, NULL, &to, NULL), LQ_OK);
    assert_int_equal(lq_fake_quantize(&same, &scheme, &scale, NULL, &same, NULL), LQ_OK);
    assert_memory_equal(expected, y, sizeof y);
    lq_set_stream_above(0);
}

/* Outputs stream that are larger than what was set, and no others. */
static void test_decision(void **state) {
    static const lq_signature signature = {.position = {1, 5, 3, 4},
                                           .output = {false, true, false, false},
                                           .scheme_position = 2,
                                           .exec_position = 6};
    enum { N = 4096 };
    static int8_t codes[N];
    const float s = 0.01f;
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    const lq_tensor x = lq_vector(input, LQ_F32, N), q = lq_vector(codes, LQ_S8, N);
    const lq_tensor scale = lq_vector(&s, LQ_F32, 1);
    const lq_arguments arguments = {
        .signature = &signature, .tensor = {&x, &q, &scale, NULL}, .scheme = &scheme};
    lq_call call;
    (void)state;
    assert_int_equal(lq_check_arguments(&arguments, &call), LQ_OK);
    lq_set_stream_above(N - 1);
    assert_true(lq_streams(&call));
    lq_set_stream_above(N);
    assert_false(lq_streams(&call));
    lq_set_stream_above(0);
}

/* What is detected is a cache, or there is none known. */
static void test_cache(void **state) {
    (void)state;
    const size_t bytes = lq_stream_above();
    printf("streams above %zu bytes\n", bytes);
    assert_true(bytes == SIZE_MAX || (bytes >= (1u << 15) && bytes <= (1u << 30)));
    lq_set_stream_above(5);
    assert_int_equal(lq_stream_above(), 5);
    lq_set_stream_above(0);
    assert_int_equal(lq_stream_above(), bytes);
}

int main(void) {
    random_seed(seed_from_environment());
    for (int i = 0; i < MOST; ++i) input[i] = (float)((int32_t)random_below(2000) - 1000) * 0.0017f;
    for (int i = 0; i < MOST; i += 97) input[i] = i % 2 ? 1e30f : lq_from_bits(0x7fc00000u);
    guarded small[2] = {guarded_new(SMALL), guarded_new(SMALL)};
    output = small;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_and_alignments),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_decision),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
