/*
 * Programs that were compiled with an earlier header: no constant, size or offset has moved
 * (abi.inc), and the smaller structs of such a program mean what they meant. Needs nothing but C.
 */
#include <libquant.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IS(name, value) _Static_assert((name) == (value), #name " has changed")
#define SIZE(type, size)                                                                           \
    _Static_assert(sizeof(void *) != 8 || sizeof(type) == (size), #type " has another size")
#define AT(type, field, offset)                                                                    \
    _Static_assert(sizeof(void *) != 8 || offsetof(type, field) == (offset), #type "." #field)
#include "abi.inc"
_Static_assert(sizeof(lq_status) == 4 && sizeof(lq_type) == 4 && LQ_MAX_RANK == 8, "integers");

/* The structs that have grown, as they were in the first header. */
struct first_scheme {
    size_t struct_size;
    lq_mapping mapping;
    lq_type code_type;
    int32_t qmin, qmax;
    lq_block block;
};

struct first_report {
    size_t struct_size;
    int32_t argument, reserved;
    int64_t index, nan, infinite, clipped;
};

struct first_exec {
    size_t struct_size;
    uint32_t flags, reserved;
    lq_report *report;
};

static int failures;

static void check(int good, const char *what, int line) {
    if (good) return;
    ++failures;
    printf("line %d: %s\n", line, what);
}
#define CHECK(condition) check(condition, #condition, __LINE__)

enum { BEHIND = 64, GARBAGE = 0x55, COUNT = 40 };

/* A struct of which a caller knows the first `size` bytes; others of the caller's lie behind them. */
static void *cut(const void *whole, size_t size) {
    unsigned char *own = malloc(size + BEHIND);
    if (!own) abort();
    memset(own, GARBAGE, size + BEHIND);
    if (whole) memcpy(own, whole, size);
    if (whole) memcpy(own, &size, sizeof size);
    return own;
}

/* Frees it, and tells whether what lies behind it was left alone. */
static int freed_intact(void *own, size_t size) {
    const unsigned char *behind = (unsigned char *)own + size;
    int intact = 1;
    for (int i = 0; i < BEHIND; ++i) intact &= behind[i] == GARBAGE;
    free(own);
    return intact;
}

typedef struct results {
    float values[COUNT], scale, back[COUNT];
    int8_t codes[COUNT];
    lq_status status;
} results;

static void run(results *r, const lq_scheme *scheme, const lq_exec *exec) {
    const lq_tensor x = lq_vector(r->values, LQ_F32, COUNT), s = lq_vector(&r->scale, LQ_F32, 1);
    const lq_tensor q = lq_vector(r->codes, LQ_S8, COUNT), y = lq_vector(r->back, LQ_F32, COUNT);
    memset(r, 0, sizeof *r);
    for (int i = 0; i < COUNT; ++i) r->values[i] = (float)(i * 37 % 101) * 0.37f - 9;
    r->status = lq_calibrate(&x, scheme, &s, NULL, exec);
    r->scale *= 0.5f;
    if (!r->status) r->status = lq_dequantize(&q, scheme, &s, NULL, &y, exec);
    if (!r->status) r->status = lq_quantize(&x, scheme, &s, NULL, &q, exec);
}

/* The scheme with zeros from `size` on, and the same cut there. */
static void check_scheme(const lq_scheme *scheme, size_t size) {
    lq_scheme zeros = *scheme;
    lq_scheme *smaller = cut(scheme, size);
    const int64_t shape[2] = {3, 5};
    const lq_tensor x = lq_contiguous(NULL, LQ_F32, 2, shape);
    int64_t grid[LQ_MAX_RANK], count;
    results expected, r;
    memset((char *)&zeros + size, 0, sizeof zeros - size);
    run(&expected, &zeros, NULL);
    run(&r, smaller, NULL);
    CHECK(expected.status == LQ_OK && memcmp(&r, &expected, sizeof r) == 0);
    CHECK(lq_scheme_range(smaller, NULL, NULL, NULL) == LQ_OK);
    CHECK(lq_grid_shape(&x, smaller, grid, &count) == LQ_OK && count == 1);
    CHECK(freed_intact(smaller, size));
}

static void test_schemes(void) {
    const lq_scheme scheme =
        lq_profile_scheme(LQ_PROFILE_PYTORCH_SYMMETRIC, LQ_S8, lq_per_tensor());
    for (size_t size = sizeof(struct first_scheme); size <= sizeof scheme; size += sizeof size)
        check_scheme(&scheme, size);
    for (size_t size = 0; size < sizeof(struct first_scheme); ++size) {
        lq_scheme *none = cut(&scheme, sizeof scheme);
        none->struct_size = size;
        CHECK(lq_scheme_range(none, NULL, NULL, NULL) == LQ_ERROR_STRUCT);
        CHECK(freed_intact(none, sizeof scheme));
    }
}

/* Schemes that are filled for a caller with the first header, where it can hold what they say. */
static void test_filled_schemes(void) {
    const size_t size = sizeof(struct first_scheme);
    const lq_block block = lq_per_channel(1);
    const lq_scheme expected = lq_symmetric(LQ_U8, block);
    lq_scheme *s = cut(NULL, size);
    CHECK(lq_scheme_init(s, size - 1, LQ_AFFINE, LQ_S8, &block) == LQ_ERROR_STRUCT);
    CHECK(lq_scheme_profile(s, size, LQ_PROFILE_PYTORCH, LQ_S8, &block) == LQ_ERROR_STRUCT);
    CHECK(lq_scheme_profile(s, size, LQ_PROFILE_NF4, LQ_U4, &block) == LQ_ERROR_STRUCT);
    CHECK(((unsigned char *)s)[0] == GARBAGE);
    CHECK(lq_scheme_init(s, size, LQ_SYMMETRIC, LQ_U8, &block) == LQ_OK);
    CHECK(s->struct_size == size);
    CHECK(memcmp(&s->mapping, &expected.mapping, size - sizeof size) == 0);
    CHECK(lq_scheme_profile(s, size, LQ_PROFILE_LIBQUANT, LQ_S8, &block) == LQ_OK);
    CHECK(s->mapping == LQ_AFFINE && s->code_type == LQ_S8);
    CHECK(freed_intact(s, size));
}

static void check_report(size_t size) {
    const float x[3] = {1e30f, 0, 1};
    uint16_t y[3] = {0};
    const lq_tensor tx = lq_vector(x, LQ_F32, 3), ty = lq_vector(y, LQ_F16, 3);
    lq_exec exec;
    lq_report *report = cut(NULL, size);
    results r;
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    CHECK(lq_report_init(report, size) == LQ_OK && report->index == -1);
    CHECK(lq_exec_init(&exec, sizeof exec) == LQ_OK);
    exec.report = report;
    run(&r, &scheme, &exec);
    CHECK(r.status == LQ_OK && report->clipped > 0 && report->struct_size == size);
    CHECK(lq_convert(&tx, &ty, LQ_OVERFLOW_INFINITE, &exec) == LQ_OK && report->clipped == 0);
    CHECK(size < offsetof(lq_report, underflowed) || report->overflowed == 1);
    CHECK(freed_intact(report, size));
}

static int32_t refuse_tasks(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)task, (void)argument, (void)tasks;
    ++*(int *)pool;
    return 1;
}

/* Where the caller has no field for threads, there are none. */
static void check_exec(size_t size) {
    enum { MANY = 1 << 18 };
    static float x[MANY];
    static int8_t codes[MANY];
    float scale = 1;
    int called = 0;
    const int threads = size >= offsetof(lq_exec, pool) + sizeof(void *);
    const lq_tensor tx = lq_vector(x, LQ_F32, MANY), tq = lq_vector(codes, LQ_S8, MANY);
    const lq_tensor ts = lq_vector(&scale, LQ_F32, 1);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    const lq_exec whole = {.parallel_for = refuse_tasks, .pool = &called};
    lq_exec *exec = cut(&whole, size);
    const lq_status status = lq_quantize(&tx, &scheme, &ts, NULL, &tq, exec);
    CHECK(status == (threads ? LQ_ERROR_EXEC : LQ_OK) && called == threads);
    CHECK(lq_exec_init(exec, size) == LQ_OK && exec->struct_size == size && exec->flags == 0);
    CHECK(freed_intact(exec, size));
}

int main(void) {
    lq_exec exec;
    lq_report report;
    test_schemes();
    test_filled_schemes();
    check_report(sizeof(struct first_report));
    check_report(sizeof(lq_report));
    CHECK(lq_report_init(&report, sizeof(struct first_report) - 1) == LQ_ERROR_STRUCT);
    check_exec(sizeof(struct first_exec));
    check_exec(offsetof(lq_exec, code_sums));
    check_exec(sizeof exec);
    CHECK(lq_exec_init(&exec, sizeof(struct first_exec) - 1) == LQ_ERROR_STRUCT);
    printf("%d failures\n", failures);
    return failures != 0;
}
