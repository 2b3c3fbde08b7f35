/*
 * Refusals on random arguments: views that overlap or meet themselves, against a search byte by byte,
 * and bad values among many good ones, whose place a report must name.
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

enum { ROOM = 64 };

/* Marks the bytes of a view; returns 0 where two of its elements share a bit. */
static int mark(const lq_tensor *t, const uint8_t *base, uint8_t *bytes) {
    uint8_t bits[ROOM * 8] = {0};
    int64_t count = naive_count(t), width = naive_bits(t->type);
    int apart = 1;
    memset(bytes, 0, ROOM);
    for (int64_t i = 0; i < count; ++i) {
        int64_t first = ((uint8_t *)t->data - base) * 8 + naive_position(t, i) * width;
        for (int64_t b = first; b < first + width; ++b) {
            apart &= !bits[b];
            bits[b] = 1;
            bytes[b / 8] = 1;
        }
    }
    return apart;
}

static int share(const uint8_t *a, const uint8_t *b) {
    for (int i = 0; i < ROOM; ++i)
        if (a[i] && b[i]) return 1;
    return 0;
}

/* Whether the first byte of one comes after the last of the other. */
static int ranges_apart(const uint8_t *a, const uint8_t *b) {
    int first_a = ROOM, last_a = -1, first_b = ROOM, last_b = -1;
    for (int i = 0; i < ROOM; ++i) {
        if (a[i] && first_a == ROOM) first_a = i;
        if (a[i]) last_a = i;
        if (b[i] && first_b == ROOM) first_b = i;
        if (b[i]) last_b = i;
    }
    return last_a < first_b || last_b < first_a;
}

/* A view of that shape somewhere in ROOM bytes; 0 where the strides do not fit. */
static int place(struct random_state *r, uint8_t *room, lq_type type, int32_t rank,
                 const int64_t *shape, lq_tensor *t) {
    int64_t low = 0, high = 0, width = naive_bits(type), start = random_in(r, 0, 12);
    int64_t units = (ROOM - start) * 8 / width;
    memset(t, 0, sizeof *t);
    t->type = type;
    t->rank = rank;
    t->data = room + start;
    t->size = ROOM - start;
    for (int32_t i = 0; i < rank; ++i) {
        t->shape[i] = shape[i];
        t->stride[i] = random_in(r, -3, 12);
        if (random_one_in(r, 3)) t->stride[i] = random_in(r, 1, 4) * 64 / width;
        if (random_one_in(r, 4)) t->stride[i] = i + 1 < rank ? shape[rank - 1] : 1;
        if (t->stride[i] < 0) low += (shape[i] - 1) * t->stride[i];
        if (t->stride[i] > 0) high += (shape[i] - 1) * t->stride[i];
    }
    if (high - low >= units) return 0;
    t->offset = random_in(r, -low, units - 1 - high);
    return 1;
}

static int inside(const lq_tensor *t) {
    int64_t low = t->offset, high = t->offset;
    for (int32_t i = 0; i < t->rank; ++i) {
        int64_t step = (t->shape[i] - 1) * t->stride[i];
        if (step < 0) low += step;
        if (step > 0) high += step;
    }
    return low >= 0 && (high + 1) * naive_bits(t->type) <= t->size * 8;
}

/* The only sharing between x and codes that is allowed; see "Aliasing" in the header. */
static int legal_in_place(const lq_tensor *in, const lq_tensor *out) {
    int64_t in_bits = naive_bits(in->type), out_bits = naive_bits(out->type);
    int64_t in_first = in->offset * in_bits, out_first = out->offset * out_bits;
    int same = in_bits == out_bits;
    if (in_first % 8 || out_first % 8) return 0;
    if ((uint8_t *)in->data + in_first / 8 != (uint8_t *)out->data + out_first / 8) return 0;
    for (int32_t i = 0; i < in->rank; ++i)
        same &= in->shape[i] == 1 || in->stride[i] == out->stride[i];
    return same || (naive_is_dense(in) && naive_is_dense(out) && out_bits <= in_bits);
}

struct overlap {
    lq_tensor x, codes, scale, zero;
    lq_scheme scheme;
    int elsewhere; /* bit i: view i, as check_overlap counts them, has memory of its own */
    uint8_t room[ROOM + 16];
    uint8_t other[2][ROOM + 16];
};

static int random_overlap(struct random_state *r, struct overlap *o) {
    static const lq_type code_types[] = {LQ_S2, LQ_S4, LQ_S8, LQ_S16, LQ_U2, LQ_U4, LQ_U8, LQ_U16};
    static const lq_type real_types[] = {LQ_F32, LQ_F16, LQ_BF16};
    int64_t shape[2] = {random_in(r, 1, 4), random_in(r, 1, 6)};
    o->scheme = lq_affine(code_types[random_in(r, 0, 7)], lq_per_channel(0));
    memset(o->room, 0, sizeof o->room);
    memset(o->other, 0, sizeof o->other);
    if (!place(r, o->room, real_types[random_in(r, 0, 2)], 2, shape, &o->x)) return 0;
    if (!place(r, o->room, o->scheme.code_type, 2, shape, &o->codes)) return 0;
    if (random_one_in(r, 4)) {
        /* In place, nearly: contiguous from the same byte on, or the same strides. */
        o->codes = lq_matrix(o->x.data, o->codes.type, shape[0], shape[1]);
        if (random_one_in(r, 2)) o->x = lq_matrix(o->x.data, o->x.type, shape[0], shape[1]);
        if (random_one_in(r, 2)) memcpy(o->codes.stride, o->x.stride, sizeof o->x.stride);
        if (random_one_in(r, 2)) o->codes.offset = o->x.offset;
        o->codes.size = o->x.size = o->room + ROOM - (uint8_t *)o->x.data;
        if (!inside(&o->x) || !inside(&o->codes)) return 0;
    }
    if (!place(r, o->room, o->scheme.code_type, 1, shape, &o->zero)) return 0;
    if (!place(r, o->room, real_types[random_in(r, 0, 2)], 1, shape, &o->scale)) return 0;
    /* With fewer views in the room, more of them share it without meeting. */
    o->elsewhere = 0;
    if (random_one_in(r, 2)) {
        o->elsewhere |= 1;
        o->x = lq_matrix(o->other[0], LQ_F16, shape[0], shape[1]);
    }
    if (random_one_in(r, 2)) {
        o->elsewhere |= 4;
        o->scale = lq_vector(o->other[1], LQ_F32, shape[0]);
    }
    return 1;
}

/* Accepted: nothing is shared that may not be. Refused as an overlap: something could be. */
static int check_overlap(struct overlap *o) {
    uint8_t bytes[4][ROOM] = {{0}};
    const lq_tensor *views[4] = {&o->x, &o->codes, &o->scale, &o->zero};
    int may_share = legal_in_place(&o->x, &o->codes), apart = 1, shared = 0;
    lq_status status;
    for (int i = 0; i < 4; ++i)
        if (!(o->elsewhere >> i & 1) && !mark(views[i], o->room, bytes[i]) && i > 0) return 0;
    for (int i = 0; i < 4; ++i) {
        for (int j = i + 1; j < 4; ++j) {
            if (i == 0 && j == 1 && may_share) continue;
            shared |= share(bytes[i], bytes[j]);
            apart &= ranges_apart(bytes[i], bytes[j]);
        }
    }
    status = lq_quantize_dynamic(&o->x, &o->scheme, &o->codes, &o->scale, &o->zero, NULL);
    if (status == LQ_OK && shared) return -1;
    if (status == LQ_ERROR_OVERLAP && apart) return -2;
    if (status != LQ_OK && status != LQ_ERROR_OVERLAP && status != LQ_ERROR_STRIDE) return -3;
    return status == LQ_OK ? 1 : shared ? 2 : 3;
}

static void test_overlaps(void **state) {
    struct random_state r = {random_seed()};
    struct arena names = {.before = NULL};
    int64_t counts[4] = {0};
    (void)state;
    for (int i = 0; i < 1000000; ++i) {
        struct overlap o;
        int result;
        if (!random_overlap(&r, &o)) continue;
        result = check_overlap(&o);
        if (result >= 0) {
            counts[result] += 1;
            continue;
        }
        names.before = o.room;
        print_view("x", &names, &o.x);
        print_view("codes", &names, &o.codes);
        print_view("scale", &names, &o.scale);
        print_view("zero point", &names, &o.zero);
        fail_msg("%s", result == -1   ? "accepted, but bytes are shared"
                       : result == -2 ? "refused, but nothing is shared"
                                      : "refused for another reason");
    }
    print_message("%" PRId64 " accepted, %" PRId64 " refused, %" PRId64
                  " refused though no byte is shared\n",
                  counts[1], counts[2], counts[3]);
    assert_true(counts[1] > 1000 && counts[2] > 1000);
}

/* Whether two elements of an output meet: never accepted. Nested strides: always accepted. */
static void test_output_strides(void **state) {
    struct random_state r = {random_seed()};
    int64_t accepted = 0, refused = 0, cautious = 0;
    uint8_t room[ROOM + 16] = {0}, bytes[ROOM];
    float values[256] = {0}, one = 1.0f;
    lq_tensor scale = lq_vector(&one, LQ_F32, 1);
    lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    (void)state;
    for (int i = 0; i < 300000; ++i) {
        int32_t rank = (int32_t)random_in(&r, 1, 4);
        int64_t shape[4] = {random_in(&r, 1, 3), random_in(&r, 1, 4), random_in(&r, 1, 3),
                            random_in(&r, 1, 3)};
        lq_tensor x = lq_contiguous(values, LQ_F32, rank, shape), codes;
        lq_status status;
        int apart;
        scheme.code_type = random_one_in(&r, 2) ? LQ_S4 : LQ_S8;
        if (!place(&r, room, scheme.code_type, rank, shape, &codes)) continue;
        apart = mark(&codes, room, bytes);
        status = lq_quantize(&x, &scheme, &scale, NULL, &codes, NULL);
        assert_true(status == LQ_OK || status == LQ_ERROR_STRIDE);
        assert_true(apart || status == LQ_ERROR_STRIDE);
        if (status == LQ_OK)
            accepted += 1;
        else if (apart)
            cautious += 1;
        else
            refused += 1;
    }
    print_message("%" PRId64 " accepted, %" PRId64 " refused, %" PRId64
                  " refused though no two elements meet\n",
                  accepted, refused, cautious);
    assert_true(accepted > 1000 && refused > 1000);
}

/* ---------------------------------------------------------------- bad values */

static int is_bad_scale(const struct test_case *c, float s) {
    if (c->scheme.mapping == LQ_SYMMETRIC_FULL_RANGE) s = fabsf(s);
    return !(s > 0.0f && s < (float)INFINITY);
}

/* Spoils an element or two of one parameter, or of the bytes of lq_pack_codes; the status expected. */
static lq_status spoil(struct test_case *c, int64_t *index) {
    static const double bad[] = {0.0, -0.0, (double)INFINITY, -(double)INFINITY, (double)NAN};
    struct random_state *r = &c->arena.random;
    struct naive_codes codes;
    int64_t count = naive_count(c->operation == PACK ? &c->x : &c->scale);
    naive_codes_of(&c->scheme, &codes);
    *index = -1;
    if (count == 0) return LQ_OK;
    for (int i = 0; i < 2; ++i) {
        int64_t at = random_in(r, 0, count - 1);
        if (c->operation == PACK)
            naive_set_code(&c->x, at, naive_type_min(c->x.type) < 0 ? -9 : 16);
        else if (c->has_zero_point && c->scheme.mapping != LQ_AFFINE && c->flags)
            naive_set_code(&c->zero_point, at, codes.z0 ? codes.z0 - 1 : codes.qmin);
        else
            naive_set_real(&c->scale, at, bad[random_in(r, 0, 4)]);
    }
    for (int64_t i = count - 1; i >= 0; --i) {
        if (c->operation == PACK) {
            int32_t code = naive_get_code(&c->x, i);
            if (code < naive_type_min(c->codes.type) || code > naive_type_max(c->codes.type))
                *index = i;
        } else if (is_bad_scale(c, naive_get_real(&c->scale, i)) ||
                   (c->has_zero_point && c->scheme.mapping != LQ_AFFINE &&
                    naive_get_code(&c->zero_point, i) != codes.z0)) {
            *index = i;
        }
    }
    if (*index < 0) return LQ_OK;
    if (c->operation == PACK) return LQ_ERROR_CODE;
    return is_bad_scale(c, naive_get_real(&c->scale, *index)) ? LQ_ERROR_SCALE
                                                              : LQ_ERROR_ZERO_POINT;
}

static int run_spoiled(struct test_case *c) {
    int64_t index;
    lq_status expected = spoil(c, &index), status;
    lq_report report;
    lq_error error, before;
    lq_exec exec;
    if (expected == LQ_OK) return 0;
    arena_commit(&c->arena);
    lq_report_init(&report, sizeof report);
    lq_exec_init(&exec, sizeof exec);
    lq_error_init(&error, sizeof error);
    exec.report = &report;
    before = error;
    status = call_case(c, &exec, &error);
    if (status != expected || report.index != index) {
        print_view("x", &c->arena, &c->x);
        print_view("scale", &c->arena, &c->scale);
        fail_msg("%s: %s (%d, expected %d), index %" PRId64 ", expected %" PRId64,
                 name_of_operation(c->operation), lq_status_string(status), (int)status,
                 (int)expected, report.index, index);
    }
    assert_memory_equal(c->arena.actual, c->arena.before, (size_t)c->arena.used);
    assert_memory_equal(&error, &before, sizeof error);
    return 1;
}

static void test_bad_values(void **state) {
    static const enum operation operations[] = {QUANTIZE, DEQUANTIZE, MEASURE, PACK};
    uint64_t seed = random_seed();
    struct test_case c;
    int cases = 0;
    (void)state;
    memset(&c, 0, sizeof c);
    arena_open(&c.arena);
    for (int i = 0; i < 12000; ++i) {
        int64_t shape[LQ_MAX_RANK];
        int32_t rank;
        start_case(&c, seed + (uint64_t)i, operations[i % 4]);
        rank = random_shape(&c.arena, shape);
        make_case(&c, rank, shape);
        cases += run_spoiled(&c);
    }
    print_message("%d bad values\n", cases);
    assert_true(cases > 5000);
    arena_close(&c.arena);
}

/* ------------------------------------------------------------ trusted noise */

/* Takes over what the library wrote into a view, so that only bytes outside it can differ. */
static void accept_view(const struct test_case *c, const lq_tensor *t) {
    lq_tensor actual = arena_view(&c->arena, t, c->arena.actual);
    lq_tensor expected = arena_view(&c->arena, t, c->arena.expected);
    int64_t count = naive_count(t);
    for (int64_t i = 0; i < count; ++i) naive_set_bits(&expected, i, naive_get_bits(&actual, i));
    if (!naive_is_real(t->type)) naive_clear_tail(&expected);
}

static void run_noise(struct test_case *c) {
    static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
    int64_t count = naive_count(&c->scale);
    lq_error error;
    lq_exec exec;
    for (int64_t i = 0; i < count; ++i) {
        uint32_t noise = (uint32_t)random_bits(&c->arena.random);
        if (noise % 3) naive_set_bits(&c->scale, i, noise % 3 == 1 ? noise : noise | 0x7f807f80u);
        if (c->has_zero_point) naive_set_bits(&c->zero_point, i, noise * 2654435769u);
    }
    arena_commit(&c->arena);
    lq_exec_init(&exec, sizeof exec);
    lq_error_init(&error, sizeof error);
    exec.flags = LQ_TRUSTED;
    for (int i = 0; i < 4; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        memcpy(c->arena.actual, c->arena.before, (size_t)c->arena.used);
        memcpy(c->arena.expected, c->arena.before, (size_t)c->arena.used);
        assert_int_equal(call_case(c, &exec, &error), LQ_OK);
        if (c->operation == QUANTIZE) accept_view(c, &c->codes);
        if (c->operation == DEQUANTIZE) accept_view(c, &c->x);
        assert_memory_equal(c->arena.actual, c->arena.expected, (size_t)c->arena.used);
    }
}

/* Any bits as scales and zero points under LQ_TRUSTED: no status, and no write outside a view. */
static void test_trusted_noise(void **state) {
    static const enum operation operations[] = {QUANTIZE, DEQUANTIZE, MEASURE};
    uint64_t seed = random_seed();
    struct test_case c;
    (void)state;
    memset(&c, 0, sizeof c);
    arena_open(&c.arena);
    for (int i = 0; i < 6000; ++i) {
        int64_t shape[LQ_MAX_RANK];
        int32_t rank;
        start_case(&c, seed + (uint64_t)i, operations[i % 3]);
        rank = random_shape(&c.arena, shape);
        make_case(&c, rank, shape);
        run_noise(&c);
    }
    arena_close(&c.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_output_strides),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_trusted_noise),
    };
    return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
