#include "random_views.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "naive.h"

/* ------------------------------------------------------------------ random */

uint64_t random_bits(struct random_state *r) {
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t random_in(struct random_state *r, int64_t low, int64_t high) {
    return low + (int64_t)(random_bits(r) % (uint64_t)(high - low + 1));
}

int random_one_in(struct random_state *r, int64_t n) {
    return random_in(r, 1, n) == 1;
}

uint64_t random_seed(void) {
    const char *text = getenv("LQ_SEED");
    return text && *text ? strtoull(text, NULL, 0) : UINT64_C(20240229);
}

/* ------------------------------------------------------------------- arena */

void arena_open(struct arena *a) {
    memset(a, 0, sizeof *a);
    a->before = malloc(ARENA_SIZE);
    a->expected = malloc(ARENA_SIZE);
    a->actual = malloc(ARENA_SIZE);
    if (!a->before || !a->expected || !a->actual) abort();
}

void arena_close(struct arena *a) {
    free(a->before);
    free(a->expected);
    free(a->actual);
}

void arena_reset(struct arena *a, uint64_t seed) {
    /* Noise up to what the last case used and a little beyond is enough. */
    int64_t dirty = a->used + 4096 < ARENA_SIZE && a->used > 0 ? a->used + 4096 : ARENA_SIZE;
    struct random_state source = {~seed};
    a->random.state = seed;
    memset(a->span, 0, sizeof a->span);
    for (int64_t i = 0; i + 8 <= dirty; i += 8) {
        uint64_t noise = random_bits(&source);
        memcpy(a->before + i, &noise, 8);
    }
    a->used = 64;
}

void arena_commit(struct arena *a) {
    a->used += 64;
    if (a->used > ARENA_SIZE) abort();
    memcpy(a->expected, a->before, (size_t)a->used);
    memcpy(a->actual, a->before, (size_t)a->used);
}

uint8_t *arena_take(struct arena *a, int64_t size) {
    uint8_t *data = a->before + a->used + random_in(&a->random, 0, 7);
    a->used = data - a->before + size + random_in(&a->random, 0, 3);
    if (a->used + 64 > ARENA_SIZE) {
        fprintf(stderr, "the arena is too small\n");
        abort();
    }
    return data;
}

lq_tensor arena_view(const struct arena *a, const lq_tensor *t, uint8_t *where) {
    lq_tensor view = *t;
    if (view.data) view.data = where + ((uint8_t *)t->data - a->before);
    return view;
}

/* ------------------------------------------------------------------- views */

/* Lays the axes out in a random order with gaps, some of them backwards; returns the last position. */
static int64_t random_strides(struct arena *a, lq_tensor *t, enum view_style style) {
    struct random_state *r = &a->random;
    int32_t order[LQ_MAX_RANK];
    int64_t step = random_one_in(r, 3) ? random_in(r, 1, 3) : 1;
    int64_t first = 0, last = 0;
    int permute = random_one_in(r, 2), gaps = random_one_in(r, 2), flips = random_one_in(r, 2);
    for (int32_t i = 0; i < t->rank; ++i) order[i] = t->rank - 1 - i;
    for (int32_t i = t->rank - 1; permute && i > 0; --i) {
        int32_t j = (int32_t)random_in(r, 0, i);
        int32_t keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
    for (int32_t i = 0; i < t->rank; ++i) {
        int32_t axis = order[i];
        int64_t n = t->shape[axis];
        int64_t stride = flips && random_one_in(r, 2) ? -step : step;
        if (style == VIEW_INPUT && random_one_in(r, 8)) {
            stride = 0;
        } else if (n == 1 && random_one_in(r, 3)) {
            stride = random_in(r, -(INT64_C(1) << 40), INT64_C(1) << 40);
        } else {
            step = step * n + (gaps ? random_in(r, 0, 2) : 0);
        }
        t->stride[axis] = stride;
        if (n > 1 && stride < 0) first += (n - 1) * stride;
        if (n > 1 && stride > 0) last += (n - 1) * stride;
    }
    t->offset = random_in(r, 0, 9) - first;
    return t->offset + last;
}

/* Rows padded to whole blocks: steps over blocks then fit together although the last is short. */
static int64_t padded_strides(struct arena *a, lq_tensor *t) {
    int64_t step = 1;
    int64_t last = t->offset = random_in(&a->random, 0, 9);
    for (int32_t i = t->rank - 1; i >= 0; --i) {
        t->stride[i] = step;
        last += (t->shape[i] - 1) * step;
        step *= a->span[i];
    }
    return last;
}

static void empty_view(struct arena *a, lq_tensor *t) {
    t->offset = 0;
    t->size = 0;
    for (int32_t i = 0; i < t->rank; ++i) t->stride[i] = random_in(&a->random, -5, 5);
    if (random_one_in(&a->random, 2)) return;
    t->size = random_in(&a->random, 0, 3);
    t->data = arena_take(a, t->size);
}

lq_tensor random_view(struct arena *a, lq_type type, int32_t rank, const int64_t *shape,
                      enum view_style style) {
    lq_tensor t;
    int64_t last;
    memset(&t, 0, sizeof t);
    t.type = type;
    t.rank = rank;
    for (int32_t i = 0; i < rank; ++i) t.shape[i] = shape[i];
    if (naive_count(&t) == 0) {
        empty_view(a, &t);
        return t;
    }
    if (rank > 0 && a->span[0]) {
        last = padded_strides(a, &t);
    } else if (style == VIEW_CONTIGUOUS || random_one_in(&a->random, 2)) {
        int64_t n = 1;
        for (int32_t i = rank - 1; i >= 0; --i) {
            t.stride[i] = n;
            n *= shape[i];
        }
        t.offset = random_one_in(&a->random, 2) ? random_in(&a->random, 0, 9) : 0;
        last = t.offset + n - 1;
    } else {
        last = random_strides(a, &t, style);
    }
    t.size = ((last + 1) * naive_bits(type) + 7) / 8;
    if (random_one_in(&a->random, 4)) t.size += random_in(&a->random, 0, 9);
    t.data = arena_take(a, t.size);
    return t;
}

lq_tensor random_parameters(struct arena *a, lq_type type, int32_t rank, const int64_t *grid,
                            int64_t count, enum view_style style) {
    if (random_one_in(&a->random, 2)) return random_view(a, type, 1, &count, style);
    return random_view(a, type, rank, grid, style);
}

/* ------------------------------------------------------------------ values */

static double random_normal(struct random_state *r) {
    double sum = 0.0;
    for (int i = 0; i < 4; ++i) sum += (double)random_in(r, -10000, 10000) / 10000.0;
    return sum;
}

static void random_special(struct random_state *r, const lq_tensor *t, int64_t i) {
    static const double values[] = {
        0.0,     -0.0,     1.0,     -1.0,           3.4028234663852886e38,
        5e-32,   -5e-32,   0.5,     127.5,          -3.4028234663852886e38,
        1e-45,   -1.4e-45, 65504.0, 1.17549435e-38, -65520.0,
        6.1e-05, 6e-08,    1e-07,   -2.5,           65535.5};
    int64_t n = (int64_t)(sizeof values / sizeof values[0]);
    int64_t pick = random_in(r, 0, n + 3);
    double value = pick < n        ? values[pick]
                   : pick == n     ? (double)NAN
                   : pick == n + 1 ? (double)INFINITY
                                   : -(double)INFINITY;
    naive_set_real(t, i, value);
}

enum value_kind { NORMAL, TIES, BITS, SPECIAL, CONSTANT, ZERO, TINY, MIXED, PAIRS, KINDS };

static void random_value(struct random_state *r, const lq_tensor *t, int64_t i, int64_t kind,
                         double unit) {
    switch (kind) {
    case NORMAL: naive_set_real(t, i, random_normal(r) * unit); break;
    case TIES: naive_set_real(t, i, (double)random_in(r, -260, 260) * 0.5 * unit); break;
    case BITS: naive_set_bits(t, i, (uint32_t)random_bits(r)); break;
    case SPECIAL: random_special(r, t, i); break;
    case CONSTANT: naive_set_real(t, i, unit); break;
    case ZERO: naive_set_real(t, i, random_one_in(r, 2) ? 0.0 : -0.0); break;
    case TINY: naive_set_real(t, i, random_normal(r) * 5e-32); break;
    /* Both signs of the largest magnitude, whose order decides the full range mapping. */
    case PAIRS: naive_set_real(t, i, (double)random_in(r, -2, 2) * unit); break;
    default: naive_set_real(t, i, ldexp(random_normal(r), (int)random_in(r, -30, 30))); break;
    }
}

void random_values(struct arena *a, const lq_tensor *t) {
    struct random_state *r = &a->random;
    int64_t kind = random_in(r, 0, KINDS - 1);
    int64_t stretch = random_one_in(r, 2) ? INT64_MAX : random_in(r, 1, 64);
    int sprinkle = random_one_in(r, 3);
    int range = t->type == LQ_F16 ? 12 : 100;
    double unit = random_one_in(r, 3) ? 1.0 : ldexp(1.0, (int)random_in(r, -range, range));
    int64_t count = naive_count(t);
    for (int64_t i = 0; i < count; ++i) {
        /* A new kind now and then, so that blocks of one tensor differ. */
        if (i % stretch == stretch - 1) kind = random_in(r, 0, KINDS - 1);
        random_value(r, t, i, kind, unit);
        if (sprinkle && random_one_in(r, 40)) random_special(r, t, i);
    }
}

/* ------------------------------------------------------- shapes and schemes */

static const lq_type all_codes[] = {LQ_S2, LQ_S4, LQ_S8, LQ_S16, LQ_U2, LQ_U4, LQ_U8, LQ_U16};

/* At most about 1500 elements; one shape in four has a long run. */
int32_t random_shape(struct arena *a, int64_t *shape) {
    struct random_state *r = &a->random;
    int32_t rank = (int32_t)random_in(r, 0, LQ_MAX_RANK);
    int64_t room = random_one_in(r, 4) ? 200 : 30;
    if (random_one_in(r, 3)) rank = (int32_t)random_in(r, 1, 3);
    for (int32_t i = 0; i < rank; ++i) {
        shape[i] = random_in(r, 1, room < 8 ? room : random_one_in(r, 3) ? room : 8);
        room = room / shape[i] > 1 ? room / shape[i] : 1;
    }
    if (rank > 0 && random_one_in(r, 4)) {
        int32_t axis = random_one_in(r, 3) ? (int32_t)random_in(r, 0, rank - 1) : rank - 1;
        for (int32_t i = 0; i < rank; ++i) shape[i] = random_one_in(r, 3) && i != axis ? 2 : 1;
        shape[axis] = random_in(r, 17, rank > 4 ? 90 : random_one_in(r, 8) ? 1400 : 300);
    }
    if (rank > 0 && random_one_in(r, 25)) shape[random_in(r, 0, rank - 1)] = 0;
    return rank;
}

lq_block random_block(struct arena *a, int32_t rank, const int64_t *shape) {
    struct random_state *r = &a->random;
    int64_t extent[LQ_MAX_RANK] = {0};
    int64_t kind = rank == 0 ? 3 * random_in(r, 0, 1) : random_in(r, 0, 3);
    int32_t axis = 0;
    if (rank > 0) axis = (int32_t)random_in(r, -rank, rank - 1);
    if (rank > 0 && random_one_in(r, 3)) axis = rank - 1;
    switch (kind) {
    case LQ_PER_CHANNEL: return lq_per_channel(axis);
    case LQ_PER_BLOCK: {
        static const int64_t usual[] = {0, 1, 2, 3, 4, 8, 16, 32, 64, 128, 5, 33};
        int64_t n = shape[axis < 0 ? axis + rank : axis];
        return lq_per_block(axis, random_one_in(r, 2) ? usual[random_in(r, 0, 11)]
                                                      : random_in(r, 0, n + 2));
    }
    case LQ_PER_TILE:
        for (int32_t i = 0; i < rank; ++i) extent[i] = random_in(r, 0, shape[i] + 2);
        return lq_per_tile(rank, extent);
    default: return lq_per_tensor();
    }
}

/* Those that codes follow from the scale as stored by. */
static void random_switches(struct random_state *r, lq_scheme *s) {
    static const lq_type precisions[] = {0, LQ_F32, LQ_F16, LQ_BF16};
    s->quotient = random_one_in(r, 2) ? LQ_QUOTIENT_RECIPROCAL : LQ_QUOTIENT_DIVIDE;
    s->precision = precisions[random_in(r, 0, 3) * (int64_t)random_one_in(r, 2)];
    s->rounding = (lq_rounding)random_in(r, LQ_ROUND_EVEN, LQ_ROUND_HALF_UP);
    s->zero_place = (lq_zero_place)random_in(r, LQ_ZERO_OUTSIDE, LQ_ZERO_INSIDE);
    s->nan_code = (lq_nan_code)random_in(r, LQ_NAN_ZERO_POINT, LQ_NAN_CODE_0);
    s->clamp = (lq_clamp)random_in(r, LQ_CLAMP_RANGE, LQ_CLAMP_TYPE);
    /* Below 0 there is nothing to be narrow around. */
}

lq_scheme random_scheme(struct arena *a, int32_t rank, const int64_t *shape) {
    struct random_state *r = &a->random;
    for (;;) {
        lq_scheme s = lq_scheme_of((lq_mapping)random_in(r, 0, 3), all_codes[random_in(r, 0, 7)],
                                   random_block(a, rank, shape));
        if (random_one_in(r, 3)) {
            int32_t low = naive_type_min(s.code_type);
            int32_t width = (int32_t)random_in(r, 1, naive_bits(s.code_type));
            int32_t span = ((int32_t)1 << width) - 1;
            s.qmin = low < 0 ? -(span + 1) / 2 : 0;
            s.qmax = s.qmin + span;
            if (random_one_in(r, 3)) {
                s.qmin = (int32_t)random_in(r, low, naive_type_max(s.code_type));
                s.qmax = (int32_t)random_in(r, s.qmin, naive_type_max(s.code_type));
            }
            /* Both 0 would mean the whole range. */
            if (s.qmin == 0 && s.qmax == 0) continue;
        }
        if (random_one_in(r, 3)) random_switches(r, &s);
        if (naive_has_room(&s)) return s;
    }
}

lq_type random_real_type(struct arena *a) {
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_BF16};
    return types[random_in(&a->random, 0, 2)];
}

lq_type random_zero_point_type(struct arena *a, const lq_scheme *scheme) {
    struct naive_codes c;
    naive_codes_of(scheme, &c);
    for (;;) {
        int64_t pick = random_in(&a->random, 0, 8);
        lq_type type = pick == 8 ? LQ_S32 : all_codes[pick];
        if (naive_type_min(type) <= c.qmin && c.qmax <= naive_type_max(type)) return type;
    }
}

/* ---------------------------------------------------------------- printing */

void print_view(const char *name, const struct arena *a, const lq_tensor *t) {
    const char *type = lq_type_name(t->type);
    fprintf(stderr, "  %-10s %-4s at %td, %" PRId64 " bytes, offset %" PRId64 ", shape (", name,
            type ? type : "?", t->data ? (uint8_t *)t->data - a->before : -1, t->size, t->offset);
    for (int32_t i = 0; i < t->rank; ++i) fprintf(stderr, " %" PRId64, t->shape[i]);
    fprintf(stderr, " ) strides (");
    for (int32_t i = 0; i < t->rank; ++i) fprintf(stderr, " %" PRId64, t->stride[i]);
    fprintf(stderr, " )\n");
}

void print_scheme(const lq_scheme *s) {
    const char *type = lq_type_name(s->code_type);
    fprintf(stderr, "  scheme: mapping %d, %s, [%d, %d], granularity %d, axis %d, extents (",
            (int)s->mapping, type ? type : "?", (int)s->qmin, (int)s->qmax,
            (int)s->block.granularity, (int)s->block.axis);
    for (int i = 0; i < LQ_MAX_RANK; ++i) fprintf(stderr, " %" PRId64, s->block.extent[i]);
    fprintf(stderr, " )\n  quotient %d, precision %d, rounding %d, zero %d, clamp %d, NaN %d\n",
            (int)s->quotient, (int)s->precision, (int)s->rounding, (int)s->zero_place,
            (int)s->clamp, (int)s->nan_code);
}
