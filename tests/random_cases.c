#include "random_cases.h"

#include <math.h>
#include <string.h>

static void random_scale(struct random_state *r, const lq_tensor *t, int64_t i, int negative) {
    static const double factors[] = {1.0, 1.0 / 127.0, 0.1, 1.9999999, 1.0 / 7.0};
    double sign = negative && random_one_in(r, 2) ? -1.0 : 1.0;
    float s = 0.0f;
    while (s == 0.0f || isinf(s) || isnan(s) || (s < 0.0f && !negative)) {
        if (random_one_in(r, 6))
            naive_set_bits(t, i, (uint32_t)random_bits(r));
        else
            naive_set_real(t, i,
                           sign * ldexp(factors[random_in(r, 0, 4)], (int)random_in(r, -9, 9)));
        s = naive_get_real(t, i);
    }
}

/* Parameters that a call reads: calibrated ones or any that are legal. */
void fill_parameters(struct test_case *c, int calibrated) {
    struct random_state *r = &c->arena.random;
    const lq_tensor *zero_point = c->has_zero_point ? &c->zero_point : NULL;
    struct naive_counts unused = {0};
    struct naive_codes codes;
    int64_t count = naive_count(&c->scale);
    naive_codes_of(&c->scheme, &codes);
    if (calibrated) {
        naive_calibrate(&c->x, &c->scheme, &c->scale, zero_point, &unused);
        return;
    }
    for (int64_t i = 0; i < count; ++i) {
        int32_t z = codes.z0;
        if (c->scheme.mapping == LQ_AFFINE) z = (int32_t)random_in(r, codes.qmin, codes.qmax);
        random_scale(r, &c->scale, i, c->scheme.mapping == LQ_SYMMETRIC_FULL_RANGE);
        if (zero_point) naive_set_code(zero_point, i, z);
    }
}

static int wants_zero_point(struct test_case *c) {
    struct naive_codes codes;
    int written = c->operation == CALIBRATE || c->operation == DYNAMIC;
    naive_codes_of(&c->scheme, &codes);
    if (c->scheme.mapping == LQ_AFFINE && (written || codes.qmin > 0 || codes.qmax < 0)) return 1;
    return !random_one_in(&c->arena.random, 3);
}

static void random_codes(struct test_case *c) {
    int64_t count = naive_count(&c->codes);
    for (int64_t i = 0; i < count; ++i)
        naive_set_bits(&c->codes, i, (uint32_t)random_bits(&c->arena.random));
}

/* An output in its input's memory, where that is allowed. */
lq_tensor in_place(struct arena *a, const lq_tensor *input, lq_type type) {
    lq_tensor output = *input;
    output.type = type;
    if (naive_bits(type) == naive_bits(input->type)) return output;
    if (random_one_in(&a->random, 2) || !output.data) {
        output.offset = input->offset * naive_bits(input->type) / naive_bits(type);
    } else {
        int64_t skipped = input->offset * naive_bits(input->type) / 8;
        output.offset = 0;
        output.data = (uint8_t *)output.data + skipped;
        output.size -= skipped;
    }
    return output;
}

static int may_be_in_place(const lq_tensor *input, lq_type output) {
    if (naive_bits(output) > naive_bits(input->type)) return 0;
    for (int32_t i = 0; i < input->rank; ++i)
        if (input->shape[i] > 1 && input->stride[i] == 0) return 0;
    return naive_bits(output) == naive_bits(input->type) || naive_is_dense(input);
}

static void choose_codes(struct test_case *c, int32_t rank, const int64_t *shape) {
    lq_type type = c->scheme.code_type;
    struct arena *a = &c->arena;
    int quantizes = c->operation == QUANTIZE || c->operation == DYNAMIC;
    if (quantizes && may_be_in_place(&c->x, type) && random_one_in(&a->random, 2))
        c->codes = in_place(a, &c->x, type);
    else
        c->codes = random_view(a, type, rank, shape, quantizes ? VIEW_OUTPUT : VIEW_INPUT);
    if (!quantizes) random_codes(c);
    /* x was only needed to calibrate from; the output may take the codes' place. */
    if (c->operation == DEQUANTIZE && naive_bits(type) == 16 && naive_bits(c->x.type) == 16 &&
        may_be_in_place(&c->codes, c->x.type))
        c->x = in_place(a, &c->codes, c->x.type);
}

static void pad_to_blocks(struct test_case *c, int32_t rank, const int64_t *shape) {
    lq_tensor x = lq_contiguous(NULL, LQ_F32, rank, shape);
    int64_t grid[LQ_MAX_RANK] = {0}, room = 1;
    naive_grid(&x, &c->scheme.block, grid);
    for (int32_t i = 0; i < rank; ++i) {
        int64_t extent = naive_extent(&x, &c->scheme.block, i);
        c->arena.span[i] = extent ? extent * grid[i] : shape[i];
        room *= c->arena.span[i];
    }
    /* An extent may be far beyond its axis, and an empty view has no strides to choose. */
    if (room == 0 || room > 100000) memset(c->arena.span, 0, sizeof c->arena.span);
}

static void make_scheme_case(struct test_case *c, int32_t rank, const int64_t *shape) {
    struct arena *a = &c->arena;
    int64_t grid[LQ_MAX_RANK] = {0}, span[LQ_MAX_RANK], count;
    int written = c->operation == CALIBRATE || c->operation == DYNAMIC;
    enum view_style style = written ? VIEW_OUTPUT : VIEW_INPUT;
    c->scheme = random_scheme(a, rank, shape);
    if (random_one_in(&a->random, 4)) pad_to_blocks(c, rank, shape);
    c->x = random_view(a, random_real_type(a), rank, shape,
                       c->operation == DEQUANTIZE ? VIEW_OUTPUT : VIEW_INPUT);
    random_values(a, &c->x);
    count = naive_grid(&c->x, &c->scheme.block, grid);
    c->has_zero_point = wants_zero_point(c);
    memcpy(span, a->span, sizeof span);
    memset(a->span, 0, sizeof a->span);
    c->scale = random_parameters(a, random_real_type(a), rank, grid, count, style);
    if (c->has_zero_point)
        c->zero_point =
            random_parameters(a, random_zero_point_type(a, &c->scheme), rank, grid, count, style);
    if (!written) fill_parameters(c, random_one_in(&a->random, 2));
    memcpy(a->span, span, sizeof span);
    choose_codes(c, rank, shape);
}

/* A view of one element a record, `at` bytes from its beginning. */
static lq_tensor in_records(uint8_t *data, lq_type type, int64_t rows, int64_t record, int64_t at) {
    lq_tensor t = lq_vector(data, type, rows);
    t.size = rows * record;
    t.stride[0] = record * 8 / naive_bits(type);
    t.offset = at * 8 / naive_bits(type);
    return t;
}

void make_record_case(struct test_case *c) {
    struct arena *a = &c->arena;
    struct random_state *r = &a->random;
    int64_t rows = random_in(r, 1, 9), n = random_in(r, 1, 70);
    int64_t shape[2] = {rows, n}, record;
    lq_type type;
    uint8_t *data;
    int bits;
    c->scheme = random_scheme(a, 2, shape);
    c->scheme.block = random_one_in(r, 2) ? lq_per_channel(0) : lq_per_block(1, n);
    bits = naive_bits(c->scheme.code_type);
    /* A multiple of 4, so that every parameter's stride is a whole number of elements. */
    record = (8 + (n * bits + 7) / 8 + 3) / 4 * 4;
    data = arena_take(a, rows * record);
    c->x = random_view(a, random_real_type(a), 2, shape,
                       c->operation == DEQUANTIZE ? VIEW_OUTPUT : VIEW_INPUT);
    random_values(a, &c->x);
    c->has_zero_point = wants_zero_point(c);
    c->scale = in_records(data, random_real_type(a), rows, record, 0);
    do type = random_zero_point_type(a, &c->scheme);
    while (naive_bits(type) < 8);
    c->zero_point = in_records(data, type, rows, record, 4);
    c->codes = in_records(data, c->scheme.code_type, rows, record, 8);
    c->codes.rank = 2;
    c->codes.shape[1] = n;
    c->codes.stride[1] = 1;
    if (c->operation == CALIBRATE || c->operation == DYNAMIC) return;
    random_codes(c);
    fill_parameters(c, random_one_in(r, 2));
}

static void make_pack_case(struct test_case *c, int32_t rank, const int64_t *shape) {
    static const lq_type pairs[4][2] = {
        {LQ_S8, LQ_S4}, {LQ_S8, LQ_S2}, {LQ_U8, LQ_U4}, {LQ_U8, LQ_U2}};
    struct arena *a = &c->arena;
    const lq_type *pair = pairs[random_in(&a->random, 0, 3)];
    int packs = c->operation == PACK;
    int64_t count;
    c->x = random_view(a, pair[0], rank, shape, packs ? VIEW_INPUT : VIEW_OUTPUT);
    count = naive_count(&c->x);
    for (int64_t i = 0; packs && i < count; ++i)
        naive_set_code(
            &c->x, i,
            (int32_t)random_in(&a->random, naive_type_min(pair[1]), naive_type_max(pair[1])));
    if (packs && may_be_in_place(&c->x, pair[1]) && random_one_in(&a->random, 2))
        c->codes = in_place(a, &c->x, pair[1]);
    else
        c->codes = random_view(a, pair[1], rank, shape, packs ? VIEW_OUTPUT : VIEW_INPUT);
    if (!packs) random_codes(c);
}

static void make_real_case(struct test_case *c, int32_t rank, const int64_t *shape) {
    struct arena *a = &c->arena;
    int64_t count;
    c->x = random_view(a, random_real_type(a), rank, shape, VIEW_INPUT);
    random_values(a, &c->x);
    c->codes = random_view(a, random_real_type(a), rank, shape, VIEW_INPUT);
    count = naive_count(&c->x);
    for (int64_t i = 0; i < count; ++i)
        naive_set_real(&c->codes, i, (double)naive_get_real(&c->x, i) * 0.99);
}

void make_case(struct test_case *c, int32_t rank, const int64_t *shape) {
    if (c->operation == PACK || c->operation == UNPACK)
        make_pack_case(c, rank, shape);
    else if (c->operation == MEASURE_REAL)
        make_real_case(c, rank, shape);
    else
        make_scheme_case(c, rank, shape);
}
