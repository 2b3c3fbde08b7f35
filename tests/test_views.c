/*
 * Every operation on random tensors against the oracle in naive.h: all types, mappings,
 * granularities and ranges, any strides, in place, interleaved with parameters.
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

#include "random_cases.h"

static void test_random_cases(void **state) {
    const char *wanted = getenv("LQ_CASES");
    int64_t cases = wanted && *wanted ? strtoll(wanted, NULL, 0) : 40000;
    uint64_t seed = random_seed();
    struct test_case c;
    int64_t done[8] = {0};
    (void)state;
    memset(&c, 0, sizeof c);
    arena_open(&c.arena);
    print_message("LQ_SEED=%" PRIu64 ", %" PRId64 " cases\n", seed, cases);
    for (int64_t i = 0; i < cases; ++i) {
        /* A seed has its operation, so that one case can be run again. */
        struct random_state choice = {(seed + (uint64_t)i) * 31};
        int64_t shape[LQ_MAX_RANK];
        int32_t rank;
        start_case(&c, seed + (uint64_t)i, (enum operation)random_in(&choice, 0, UNPACK));
        rank = random_shape(&c.arena, shape);
        if (c.operation != CALIBRATE && c.operation < MEASURE_REAL &&
            random_one_in(&c.arena.random, 12))
            make_record_case(&c);
        else
            make_case(&c, rank, shape);
        run_case(&c);
        done[c.operation] += 1;
    }
    for (int i = 0; i <= UNPACK; ++i)
        print_message("%" PRId64 " cases of %s\n", done[i], name_of_operation((enum operation)i));
    arena_close(&c.arena);
}

/*
 * Sizes that cross what a library may work in: hundreds of blocks, thousands of elements in a
 * row, sums over more than 2^16 pairs.
 */
static void test_large_cases(void **state) {
    static const int64_t shapes[][3] = {{700, 41, 0},  {41, 700, 0}, {3, 1100, 9}, {2, 9, 1100},
                                        {70000, 0, 0}, {5, 9001, 0}, {300, 2, 31}, {1, 33, 513}};
    static const int32_t ranks[] = {2, 2, 3, 3, 1, 2, 3, 3};
    uint64_t seed = random_seed();
    struct test_case c;
    (void)state;
    memset(&c, 0, sizeof c);
    arena_open(&c.arena);
    for (int i = 0; i < 8 * 8 * 6; ++i) {
        start_case(&c, seed + (uint64_t)i, (enum operation)(i % 8));
        make_case(&c, ranks[i / 8 % 8], shapes[i / 8 % 8]);
        run_case(&c);
    }
    arena_close(&c.arena);
}

static int run_in_place(struct test_case *c, int32_t rank, const int64_t *shape, lq_type x_type,
                        lq_scheme scheme, enum operation operation) {
    struct arena *a = &c->arena;
    int64_t grid[LQ_MAX_RANK] = {0}, count;
    if (naive_bits(scheme.code_type) > naive_bits(x_type)) return 0;
    start_case(c, 7, operation);
    c->scheme = scheme;
    c->x = random_view(a, x_type, rank, shape, VIEW_CONTIGUOUS);
    random_values(a, &c->x);
    c->codes = in_place(a, &c->x, scheme.code_type);
    c->has_zero_point = 1;
    count = naive_grid(&c->x, &c->scheme.block, grid);
    c->scale = random_view(a, LQ_F32, 1, &count, VIEW_CONTIGUOUS);
    c->zero_point = random_view(a, LQ_S32, 1, &count, VIEW_CONTIGUOUS);
    if (operation == QUANTIZE) fill_parameters(c, 1);
    run_case(c);
    return 1;
}

/*
 * In place on shapes whose codes reach far into values that other blocks still need, by every axis:
 * quantizing block by block would read codes as values.
 */
static void test_large_in_place(void **state) {
    static const lq_type real_types[] = {LQ_F32, LQ_F16, LQ_BF16};
    static const lq_type code_types[] = {LQ_S8, LQ_U8, LQ_S4, LQ_U4, LQ_S2, LQ_S16};
    static const int64_t shapes[4][3] = {{40, 300, 0}, {3, 70, 700}, {300, 40, 0}, {1, 5, 2100}};
    static const int32_t ranks[4] = {2, 3, 2, 3};
    struct test_case c;
    int cases = 0;
    (void)state;
    memset(&c, 0, sizeof c);
    arena_open(&c.arena);
    for (int i = 0; i < 4 * 3 * 6 * 2; ++i) {
        int which = i / 36;
        lq_type x_type = real_types[i / 12 % 3], code = code_types[i / 2 % 6];
        enum operation operation = i % 2 ? DYNAMIC : QUANTIZE;
        /* The oracle takes its time over the largest shape. */
        if (which == 1 && (x_type == LQ_F16 || code == LQ_U8 || code == LQ_U4)) continue;
        for (int32_t axis = 0; axis < ranks[which]; ++axis) {
            lq_scheme affine = lq_affine(code, lq_per_channel(axis));
            lq_scheme blocks = lq_symmetric_half_range(code, lq_per_block(axis, 33));
            cases += run_in_place(&c, ranks[which], shapes[which], x_type, affine, operation);
            cases += run_in_place(&c, ranks[which], shapes[which], x_type, blocks, operation);
        }
    }
    print_message("%d cases in place\n", cases);
    arena_close(&c.arena);
}

/* How an operand's columns lie: side by side, downwards too, with gaps, or as those of others do. */
static lq_tensor panel_view(struct arena *a, lq_type type, const int64_t *shape) {
    enum { ROWS, ROW_GAPS, TURNED, TURNED_DOWN, EVERY_SECOND, GAPS, STYLES };
    int style = (int)random_in(&a->random, 0, STYLES - 1);
    int turned = style == TURNED || style == TURNED_DOWN || style == GAPS;
    int64_t gap = style == EVERY_SECOND || style == GAPS ? 2 : 1;
    int64_t behind = style == ROW_GAPS ? random_in(&a->random, 1, 9) : 0;
    int64_t room[2] = {shape[turned], shape[!turned] * gap + behind};
    lq_tensor t = random_view(a, type, 2, room, VIEW_CONTIGUOUS);
    int64_t along = t.stride[1] * gap, across = t.stride[0];
    for (int i = 0; i < 2; ++i) t.shape[i] = shape[i];
    t.stride[turned] = across;
    t.stride[!turned] = along;
    if (style == TURNED_DOWN) {
        t.offset += (shape[0] - 1) * t.stride[0];
        t.stride[0] = -t.stride[0];
    }
    return t;
}

/* Matrices somewhat smaller and larger than what goes through a buffer, with columns side by side. */
static void test_panels(void **state) {
    static const int64_t shapes[][2] = {{63, 65},  {64, 128}, {65, 33},  {130, 257}, {17, 300},
                                        {300, 19}, {9, 4100}, {300, 64}, {70, 96},   {5, 2048}};
    static const enum operation operations[] = {QUANTIZE, DEQUANTIZE, DYNAMIC, CALIBRATE};
    static const lq_type codes[] = {LQ_S8, LQ_U8, LQ_S4, LQ_U2, LQ_S16};
    static const lq_type reals[] = {LQ_F32, LQ_F16, LQ_BF16};
    struct test_case c;
    uint64_t seed = random_seed();
    (void)state;
    memset(&c, 0, sizeof c);
    arena_open(&c.arena);
    for (int i = 0; i < 10 * 4 * 12; ++i) {
        struct arena *a = &c.arena;
        const int64_t *shape = shapes[i % 10];
        lq_block blocks[5] = {lq_per_tensor(), lq_per_channel(0), lq_per_channel(1),
                              lq_per_block(1, 32), lq_per_block(0, 33)};
        int64_t grid[LQ_MAX_RANK] = {0}, count;
        start_case(&c, seed + (uint64_t)i, operations[i / 10 % 4]);
        c.scheme = lq_scheme_of((lq_mapping)random_in(&a->random, 0, 3),
                                codes[random_in(&a->random, 0, 4)],
                                blocks[random_one_in(&a->random, 2) ? 3 : i % 5]);
        if (!naive_has_room(&c.scheme)) c.scheme.code_type = LQ_S8;
        c.with_exec = (int32_t)random_in(&a->random, 0, 2);
        c.x = panel_view(a, reals[random_in(&a->random, 0, 2)], shape);
        random_values(a, &c.x);
        count = naive_grid(&c.x, &c.scheme.block, grid);
        c.has_zero_point = c.scheme.mapping == LQ_AFFINE || random_one_in(&a->random, 2);
        c.scale = random_view(a, LQ_F32, 1, &count, VIEW_CONTIGUOUS);
        if (c.has_zero_point) c.zero_point = random_view(a, LQ_S32, 1, &count, VIEW_CONTIGUOUS);
        if (c.operation == QUANTIZE || c.operation == DEQUANTIZE) fill_parameters(&c, 1);
        c.codes = panel_view(a, c.scheme.code_type, shape);
        run_case(&c);
    }
    arena_close(&c.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_cases),
        cmocka_unit_test(test_large_cases),
        cmocka_unit_test(test_large_in_place),
        cmocka_unit_test(test_panels),
    };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
