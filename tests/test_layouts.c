/*
 * Layouts of codes: bytes that other systems make (vectors/layouts), and random matrices, types and
 * views against the oracle bit by bit, every byte around the views included.
 *
 * LQ_SEED=n replays a seed, LQ_CASES=n sets how many cases there are.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layout_oracle.h"
#include "naive.h"
#include "random_views.h"
#include "vector_files.h"

static const lq_layout layouts[] = {
    LQ_LAYOUT_ROWS,    LQ_LAYOUT_HIGH_FIRST, LQ_LAYOUT_MATMULNBITS,        LQ_LAYOUT_GPTQ,
    LQ_LAYOUT_GPTQ_V2, LQ_LAYOUT_AWQ,        LQ_LAYOUT_COMPRESSED_TENSORS, LQ_LAYOUT_HQQ};

enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* --------------------------------------------------------------------- vectors */

static lq_tensor matrix_of(const tf_tensor *t) {
    const lq_type type = strcmp(t->dtype, "I8") == 0 ? LQ_S8 : LQ_U8;
    return lq_contiguous(t->data, type, t->rank, t->shape);
}

static void check_bytes(const char *path, const char *what, const void *is, const tf_tensor *t) {
    if (memcmp(is, t->data, (size_t)t->size) != 0) fail_msg("%s: other %s", path, what);
}

/* Both ways, and with codes of the other sign where the layout moves them. */
static void run_vector(const char *path, tf_file *file, const cJSON *meta, void *context) {
    const tf_tensor *codes = tf_find(file, "codes"), *bytes = tf_find(file, "bytes");
    const tf_tensor *zeros = tf_find(file, "zero_point");
    const tf_tensor *zero_bytes = tf_find(file, "zero_bytes");
    uint8_t packed[1 << 14], zero_packed[1 << 12], back[1 << 14], zero_back[1 << 12];
    lq_packed p;
    lq_parts q;
    int64_t size, zero_size;
    lq_packed_init(&p, sizeof p);
    lq_parts_init(&q, sizeof q);
    p.layout = lq_layout_from_name(vectors_text(meta, "layout"));
    p.bits = cJSON_GetObjectItem(meta, "bits")->valueint;
    p.block = cJSON_GetObjectItem(meta, "block")->valueint;
    p.rows = codes->shape[0];
    p.columns = codes->shape[1];
    assert_int_equal(lq_packed_size(&p, &size, zeros ? &zero_size : NULL), LQ_OK);
    assert_int_equal(size, bytes->size);
    if (zeros) assert_int_equal(zero_size, zero_bytes->size);
    const lq_tensor c = matrix_of(codes), b = lq_vector(packed, LQ_U8, size);
    const lq_tensor z = zeros ? matrix_of(zeros) : c;
    const lq_tensor zb = lq_vector(zero_packed, LQ_U8, zeros ? zero_size : 0);
    p.bytes = &b;
    p.zero_bytes = zeros ? &zb : NULL;
    q.codes = &c;
    q.zero_point = zeros ? &z : NULL;
    memset(packed, 0xa5, sizeof packed);
    memset(zero_packed, 0xa5, sizeof zero_packed);
    assert_int_equal(lq_pack(&q, &p, NULL), LQ_OK);
    check_bytes(path, "bytes", packed, bytes);
    if (zeros) check_bytes(path, "bytes of zero points", zero_packed, zero_bytes);
    lq_tensor cb = c, zb2 = z;
    cb.data = back;
    zb2.data = zero_back;
    q.codes = &cb;
    q.zero_point = zeros ? &zb2 : NULL;
    assert_int_equal(lq_unpack(&p, &q, NULL), LQ_OK);
    check_bytes(path, "codes", back, codes);
    if (zeros) check_bytes(path, "zero points", zero_back, zeros);
    ++*(int *)context;
}

static void test_vectors(void **state) {
    const char *directory = getenv("LQ_TEST_VECTORS_DIR");
    char path[4096];
    int count = 0;
    (void)state;
    if (!directory) skip();
    snprintf(path, sizeof path, "%s/layouts", directory);
    assert_true(vectors_each(path, run_vector, &count));
    print_message("%d cases\n", count);
    assert_int_equal(count, 30);
}

/* ---------------------------------------------------------------- random cases */

struct side {
    lq_tensor codes, scale, zero;
    int is_signed;
};

struct state {
    struct arena arena;
    struct layout_case c;
    int has_scale, has_zeros;
    struct side in, out;
    lq_tensor bytes, packed_scale, zero_bytes;
    int64_t distance;
    lq_type code_type;
    uint32_t seed;
};

/* The field of a code and of a zero point, from 0 up. */
static uint32_t field_of(const struct state *s, int zero, int64_t row, int64_t column) {
    struct random_state r = {((uint64_t)s->seed << 32) +
                             (uint64_t)(row * 4096 + column * 2 + zero)};
    return (uint32_t)random_in(&r, 0, (1 << s->c.bits) - 1);
}

/* What a side's parts have for a field that means u: the type of rows may say another sign. */
static uint32_t code_of(const struct state *s, const struct side *side, uint32_t u) {
    const uint32_t half = 1u << (s->c.bits - 1);
    const int raw = s->c.layout == LQ_LAYOUT_ROWS && !s->code_type;
    if (!side->is_signed) return u;
    return raw ? (u ^ half) - half : u - half;
}

/* The bits of a code: those of rows may be two's complement. */
static uint32_t bits_of_code(const void *context, int64_t row, int64_t column) {
    const struct state *s = context;
    const int moved = s->code_type && naive_is_signed(s->code_type);
    return field_of(s, 0, row, column) ^ (moved ? 1u << (s->c.bits - 1) : 0);
}

static uint32_t bits_of_zero(const void *context, int64_t row, int64_t column) {
    const struct state *s = context;
    const int moved = s->code_type && naive_is_signed(s->code_type);
    const uint32_t field = field_of(s, 1, row, column) ^ (moved ? 1u << (s->c.bits - 1) : 0);
    return s->c.layout == LQ_LAYOUT_GPTQ ? field - 1 : field;
}

static lq_type pick(struct random_state *r, const lq_type *types, int n) {
    return types[random_in(r, 0, n - 1)];
}

static lq_type random_code_type(struct state *s) {
    static const lq_type four[] = {LQ_S8, LQ_U8, LQ_S4, LQ_U4, LQ_E2M1};
    static const lq_type two[] = {LQ_S8, LQ_U8, LQ_S2, LQ_U2};
    static const lq_type six[] = {LQ_S8, LQ_U8, LQ_E2M3, LQ_E3M2};
    static const lq_type eight[] = {LQ_S8, LQ_U8, LQ_E4M3, LQ_E5M2};
    struct random_state *r = &s->arena.random;
    switch (s->c.bits) {
    case 4: return pick(r, four, s->code_type || s->has_zeros ? 4 : 5);
    case 2: return pick(r, two, 4);
    case 6: return pick(r, six, s->code_type || s->has_zeros ? 2 : 4);
    case 8: return pick(r, eight, s->code_type || s->has_zeros ? 2 : 4);
    default: return pick(r, eight, 2);
    }
}

static lq_type random_zero_type(struct state *s, int is_signed) {
    static const lq_type positive[] = {LQ_U8, LQ_S16, LQ_U16, LQ_S32, LQ_U4};
    static const lq_type negative[] = {LQ_S8, LQ_S16, LQ_S32, LQ_S32, LQ_S4};
    return pick(&s->arena.random, is_signed ? negative : positive, s->c.bits == 4 ? 5 : 4);
}

static lq_type random_scale_type(struct state *s) {
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16, LQ_E4M3, LQ_E5M2, LQ_E8M0};
    return pick(&s->arena.random, types, 6);
}

/* A power of two that every type has. */
static uint32_t scale_bits(const struct state *s, lq_type type, int64_t index) {
    struct random_state r = {((uint64_t)s->seed << 32) + (uint64_t)index};
    const int power = (int)random_in(&r, -6, 7);
    switch (type) {
    case LQ_F32: return (uint32_t)(127 + power) << 23;
    case LQ_BF16: return (uint32_t)(127 + power) << 7;
    case LQ_F16: return (uint32_t)(15 + power) << 10;
    case LQ_E5M2: return (uint32_t)(15 + power) << 2;
    case LQ_E4M3: return (uint32_t)(7 + power) << 3;
    default: return (uint32_t)(127 + power);
    }
}

static lq_tensor random_matrix(struct state *s, lq_type type, int64_t columns) {
    const int64_t shape[2] = {s->c.rows, columns};
    if (s->c.rows == 1 && random_one_in(&s->arena.random, 2)) {
        return random_view(&s->arena, type, 1, &columns, VIEW_OUTPUT);
    }
    return random_view(&s->arena, type, 2, shape, VIEW_OUTPUT);
}

static void random_side(struct state *s, struct side *side) {
    memset(side, 0, sizeof *side);
    side->codes = random_matrix(s, random_code_type(s), s->c.columns);
    side->is_signed = naive_is_signed(side->codes.type);
    if (s->has_scale) {
        side->scale = random_matrix(s, random_scale_type(s), layout_blocks(&s->c));
    }
    if (s->has_zeros) {
        side->zero = random_matrix(s, random_zero_type(s, side->is_signed), layout_blocks(&s->c));
    }
}

/* Writes what a side's parts are to have, into memory of its own or into `where`. */
static void fill_side(const struct state *s, const struct side *side, uint8_t *where) {
    const int64_t blocks = layout_blocks(&s->c);
    const lq_tensor codes = arena_view(&s->arena, &side->codes, where);
    const lq_tensor scale = arena_view(&s->arena, &side->scale, where);
    const lq_tensor zero = arena_view(&s->arena, &side->zero, where);
    for (int64_t r = 0; r < s->c.rows; ++r) {
        for (int64_t k = 0; k < s->c.columns; ++k) {
            naive_set_bits(&codes, r * s->c.columns + k, code_of(s, side, field_of(s, 0, r, k)));
        }
        for (int64_t b = 0; b < blocks; ++b) {
            const int64_t i = r * blocks + b;
            if (s->has_scale) naive_set_bits(&scale, i, scale_bits(s, scale.type, i));
            if (s->has_zeros) naive_set_bits(&zero, i, code_of(s, side, field_of(s, 1, r, b)));
        }
    }
}

static void random_matrix_case(struct state *s) {
    struct random_state *r = &s->arena.random;
    struct layout_case *c = &s->c;
    do {
        c->layout = layouts[random_in(r, 0, LAYOUTS - 1)];
        c->bits = (int)random_in(r, 1, 8);
        c->rows = random_one_in(r, 3) ? 32 * random_in(r, 1, 3) : random_in(r, 1, 70);
        c->columns = random_one_in(r, 3) ? 32 * random_in(r, 1, 6) : random_in(r, 1, 200);
        if (random_one_in(r, 12)) c->columns = random_in(r, 3800, 4200) / 32 * 32;
        if (c->columns > 3000) c->rows = c->rows % 9 + 1;
        c->block = random_one_in(r, 2) ? random_in(r, 1, 40) : 8 * random_in(r, 1, 8);
        if (random_one_in(r, 4)) c->block = c->columns;
    } while (!layout_holds(c));
}

static void random_bytes_view(struct state *s) {
    struct random_state *r = &s->arena.random;
    const int64_t row = layout_row_bytes(&s->c);
    const int64_t size = layout_bytes(&s->c);
    s->distance = row;
    s->bytes = random_view(&s->arena, LQ_U8, 1, &size, VIEW_CONTIGUOUS);
    if (row && random_one_in(r, 2)) {
        s->distance = row + random_in(r, 0, 9);
        const int64_t span = s->distance * s->c.rows;
        lq_tensor t = lq_matrix(arena_take(&s->arena, span), LQ_U8, s->c.rows, row);
        t.size = span;
        t.stride[0] = s->distance;
        s->bytes = t;
    }
}

static void start_random(struct state *s, uint64_t seed) {
    struct random_state *r = &s->arena.random;
    arena_reset(&s->arena, seed);
    random_matrix_case(s);
    s->seed = (uint32_t)random_bits(r);
    s->has_scale = random_one_in(r, 2);
    s->has_zeros = layout_holds_zeros(&s->c) && random_one_in(r, 2);
    s->code_type = 0;
    if (s->c.layout == LQ_LAYOUT_ROWS && random_one_in(r, 2)) {
        s->code_type = random_one_in(r, 2) ? LQ_S8 : LQ_U8;
    }
    random_side(s, &s->in);
    random_side(s, &s->out);
    random_bytes_view(s);
    const int64_t zero_size = layout_zero_bytes(&s->c);
    s->packed_scale = s->in.scale;
    if (s->has_scale) {
        s->packed_scale = random_matrix(s, random_scale_type(s), layout_blocks(&s->c));
    }
    if (s->has_zeros) {
        s->zero_bytes = random_view(&s->arena, LQ_U8, 1, &zero_size, VIEW_CONTIGUOUS);
    }
    fill_side(s, &s->in, s->arena.before);
    arena_commit(&s->arena);
}

static void expect_packed(struct state *s) {
    uint8_t *where = s->arena.expected;
    const lq_tensor bytes = arena_view(&s->arena, &s->bytes, where);
    const lq_tensor scale = arena_view(&s->arena, &s->packed_scale, where);
    layout_fill(&s->c, 0, bits_of_code, s, (uint8_t *)bytes.data + bytes.offset, s->distance);
    for (int64_t i = 0; s->has_scale && i < s->c.rows * layout_blocks(&s->c); ++i) {
        naive_set_bits(&scale, i, scale_bits(s, scale.type, i));
    }
    if (!s->has_zeros) return;
    const lq_tensor zeros = arena_view(&s->arena, &s->zero_bytes, where);
    layout_fill(&s->c, 1, bits_of_zero, s, (uint8_t *)zeros.data + zeros.offset, 0);
}

static void compare(const struct state *s, uint64_t seed, const char *what) {
    for (int64_t i = 0; i < s->arena.used; ++i) {
        if (s->arena.expected[i] == s->arena.actual[i]) continue;
        fail_msg("LQ_SEED=%" PRIu64 " LQ_CASES=1, %s: %s, %d bits, %" PRId64 " x %" PRId64
                 ", blocks of %" PRId64 ": byte %" PRId64 " is %02x, expected %02x",
                 seed, what, lq_layout_name(s->c.layout), s->c.bits, s->c.rows, s->c.columns,
                 s->c.block, i, s->arena.actual[i], s->arena.expected[i]);
    }
}

struct views {
    lq_tensor codes, scale, zero, bytes, packed_scale, zero_bytes;
    lq_parts parts;
    lq_packed packed;
};

/* The descriptors of a case, in the memory that the library works in. */
static void describe(const struct state *s, const struct side *side, struct views *v) {
    uint8_t *where = s->arena.actual;
    lq_parts_init(&v->parts, sizeof v->parts);
    lq_packed_init(&v->packed, sizeof v->packed);
    v->codes = arena_view(&s->arena, &side->codes, where);
    v->scale = arena_view(&s->arena, &side->scale, where);
    v->zero = arena_view(&s->arena, &side->zero, where);
    v->bytes = arena_view(&s->arena, &s->bytes, where);
    v->packed_scale = arena_view(&s->arena, &s->packed_scale, where);
    v->zero_bytes = arena_view(&s->arena, &s->zero_bytes, where);
    v->parts.codes = &v->codes;
    v->parts.scale = s->has_scale ? &v->scale : NULL;
    v->parts.zero_point = s->has_zeros ? &v->zero : NULL;
    v->packed.layout = s->c.layout;
    v->packed.bits = s->c.bits;
    v->packed.rows = s->c.rows;
    v->packed.columns = s->c.columns;
    v->packed.block = s->c.block == s->c.columns && s->seed % 2 ? 0 : s->c.block;
    v->packed.bytes = &v->bytes;
    v->packed.scale = s->has_scale ? &v->packed_scale : NULL;
    v->packed.zero_bytes = s->has_zeros ? &v->zero_bytes : NULL;
    v->packed.code_type = s->code_type;
}

static void check_sizes(const struct state *s, const struct views *v) {
    int64_t bytes = -1, zero_bytes = -1;
    assert_int_equal(lq_packed_size(&v->packed, &bytes, NULL), LQ_OK);
    assert_int_equal(bytes, layout_bytes(&s->c));
    if (s->has_zeros) {
        assert_int_equal(lq_packed_size(&v->packed, NULL, &zero_bytes), LQ_OK);
        assert_int_equal(zero_bytes, layout_zero_bytes(&s->c));
    }
}

static void run_random(struct state *s, uint64_t seed) {
    struct views v;
    start_random(s, seed);
    describe(s, &s->in, &v);
    check_sizes(s, &v);
    expect_packed(s);
    assert_int_equal(lq_pack(&v.parts, &v.packed, NULL), LQ_OK);
    compare(s, seed, "packed");
    describe(s, &s->out, &v);
    fill_side(s, &s->out, s->arena.expected);
    const lq_tensor codes = arena_view(&s->arena, &s->out.codes, s->arena.expected);
    const lq_tensor zero = arena_view(&s->arena, &s->out.zero, s->arena.expected);
    naive_clear_tail(&codes);
    if (s->has_zeros) naive_clear_tail(&zero);
    assert_int_equal(lq_unpack(&v.packed, &v.parts, NULL), LQ_OK);
    compare(s, seed, "unpacked");
}

static void test_random(void **state) {
    const char *wanted = getenv("LQ_CASES");
    const int64_t cases = wanted && *wanted ? strtoll(wanted, NULL, 0) : 6000;
    const uint64_t seed = random_seed();
    static struct state s;
    (void)state;
    arena_open(&s.arena);
    print_message("LQ_SEED=%" PRIu64 ", %" PRId64 " cases\n", seed, cases);
    for (int64_t i = 0; i < cases; ++i) run_random(&s, seed + (uint64_t)i);
    arena_close(&s.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
