#include "fake_cases.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lq_type code_types[] = {LQ_S2, LQ_S4, LQ_S8, LQ_S16, LQ_U2, LQ_U4, LQ_U8, LQ_U16};

/* ------------------------------------------------------------------ schemes */

/* A profile, or one whose switches are anything; every profile comes as often as any other. */
static lq_scheme choose_scheme(struct arena *a, uint64_t seed, int32_t rank, const int64_t *shape) {
    struct random_state *r = &a->random;
    for (;;) {
        const lq_block block = random_block(a, rank, shape);
        const lq_type type = code_types[random_in(r, 0, 7)];
        lq_scheme s;
        int32_t low, high;
        if (lq_scheme_profile(&s, sizeof s, (lq_profile)(seed % 28), type, &block) != LQ_OK)
            abort();
        if (random_one_in(r, 3)) {
            s = random_scheme(a, rank, shape);
            s.quotient = (lq_quotient)random_in(r, 0, 2);
            s.rounding = (lq_rounding)random_in(r, 0, 2);
            s.zero_place = (lq_zero_place)random_in(r, 0, 1);
            s.clamp = (lq_clamp)random_in(r, 0, 2);
            s.nan_code = (lq_nan_code)random_in(r, 0, 3);
            if (random_one_in(r, 3)) s.precision = random_real_type(a);
        }
        if (lq_scheme_range(&s, &low, &high, NULL) == LQ_OK) return s;
    }
}

/* The range that zero points are in. */
static void zero_range(const lq_scheme *s, int32_t *low, int32_t *high) {
    struct naive_codes codes;
    int32_t clamp_low, clamp_high;
    naive_codes_of(s, &codes);
    if (lq_scheme_range(s, &clamp_low, &clamp_high, NULL) != LQ_OK) abort();
    *low = codes.qmin > clamp_low ? codes.qmin : clamp_low;
    *high = codes.qmax < clamp_high ? codes.qmax : clamp_high;
}

static void choose_parameters(struct fake_case *c, const int64_t *grid) {
    struct arena *a = &c->arena;
    struct random_state *r = &a->random;
    const int affine = c->scheme.mapping == LQ_AFFINE;
    const int unit = (int)random_in(r, -9, 9);
    int32_t low, high, z0;
    lq_type zero_type = random_zero_point_type(a, &c->scheme);
    if (affine && random_one_in(r, 2)) zero_type = random_real_type(a);
    zero_range(&c->scheme, &low, &high);
    if (lq_scheme_range(&c->scheme, NULL, NULL, &z0) != LQ_OK) abort();
    c->scale = random_parameters(a, random_real_type(a), c->x.rank, grid, c->blocks, VIEW_INPUT);
    c->zero_point = random_parameters(a, zero_type, c->x.rank, grid, c->blocks, VIEW_INPUT);
    c->has_zero_point = (affine && (low > 0 || high < 0)) || !random_one_in(r, 3);
    for (int64_t i = 0; i < c->blocks; ++i) {
        double s =
            ldexp(1.0 + (double)random_in(r, 0, 255) / 256.0, unit + (int)random_in(r, -2, 2));
        if (random_one_in(r, 3)) s = ldexp(1.0, unit);
        if (c->scheme.mapping == LQ_SYMMETRIC_FULL_RANGE && random_one_in(r, 2)) s = -s;
        naive_set_real(&c->scale, i, s);
        const int32_t z = affine ? (int32_t)random_in(r, low, high) : z0;
        if (naive_is_real(zero_type)) {
            naive_set_real(&c->zero_point, i, z + (double)random_in(r, -8, 8) / 8.0);
        } else {
            naive_set_code(&c->zero_point, i, z);
        }
    }
}

/* ------------------------------------------------------------------- values */

static const float specials[] = {0.0f,    -0.0f,    1e30f,     -1e30f, 1e-45f,
                                 -1e-40f, INFINITY, -INFINITY, NAN,    65504.0f};

/* Codes of the range and a little beyond, their ties and anything between. */
static void fill_x(struct fake_case *c) {
    struct random_state *r = &c->arena.random;
    const int sprinkle = random_one_in(r, 3);
    const int64_t count = naive_count(&c->x);
    for (int64_t i = 0; i < count; ++i) {
        const struct fake_block b = fake_block_of(c, naive_block_of(&c->x, &c->scheme.block, i));
        const double code = (double)random_in(r, b.low - 3, b.high + 3) +
                            (random_one_in(r, 3) ? 0.5 : (double)random_in(r, -99, 99) / 200.0);
        double v = (code - (double)b.center) * (double)b.scale;
        if (c->scheme.quotient == LQ_QUOTIENT_MULTIPLIER) {
            v = (code - (double)b.center) / (double)b.scale;
        }
        if (sprinkle && random_one_in(r, 20)) v = (double)specials[random_in(r, 0, 9)];
        naive_set_real(&c->x, i, v);
    }
}

static void fill_grad_y(struct fake_case *c) {
    struct random_state *r = &c->arena.random;
    const int sprinkle = random_one_in(r, 8);
    const int64_t count = naive_count(&c->grad_y);
    for (int64_t i = 0; i < count; ++i) {
        double v = (double)random_in(r, -1000, 1000) / 256.0;
        if (sprinkle && random_one_in(r, 100)) v = (double)specials[random_in(r, 0, 9)];
        naive_set_real(&c->grad_y, i, v);
    }
}

/* -------------------------------------------------------------------- cases */

void make_fake_case(struct fake_case *c, uint64_t seed) {
    struct arena *a = &c->arena;
    struct random_state *r = &a->random;
    int64_t shape[LQ_MAX_RANK], grid[LQ_MAX_RANK] = {0};
    c->seed = seed;
    arena_reset(a, seed);
    const int32_t rank = random_shape(a, shape);
    const lq_type type = random_real_type(a);
    c->scheme = choose_scheme(a, seed, rank, shape);
    c->in_place = (int)random_in(r, 0, 2);
    c->x = random_view(a, type, rank, shape, c->in_place == 1 ? VIEW_OUTPUT : VIEW_INPUT);
    c->grad_y = random_view(a, type, rank, shape, c->in_place == 2 ? VIEW_OUTPUT : VIEW_INPUT);
    c->grad_x = c->in_place == 1 ? c->x : c->grad_y;
    if (!c->in_place) c->grad_x = random_view(a, type, rank, shape, VIEW_OUTPUT);
    c->blocks = naive_grid(&c->x, &c->scheme.block, grid);
    choose_parameters(c, grid);
    c->grad_scale = random_parameters(a, LQ_F32, rank, grid, c->blocks, VIEW_OUTPUT);
    c->grad_zero = random_parameters(a, LQ_F32, rank, grid, c->blocks, VIEW_OUTPUT);
    c->factor = random_one_in(r, 2) ? 1.0f : (float)random_in(r, -20, 20) / 16.0f;
    fill_x(c);
    fill_grad_y(c);
    arena_commit(a);
}

struct fake_block fake_block_of(const struct fake_case *c, int64_t block) {
    struct fake_block b;
    struct naive_codes codes;
    int32_t z0;
    if (lq_scheme_range(&c->scheme, &b.low, &b.high, &z0) != LQ_OK) abort();
    naive_codes_of(&c->scheme, &codes);
    b.scale = naive_get_real(&c->scale, block);
    b.center = (float)z0;
    if (!c->has_zero_point) return b;
    if (!naive_is_real(c->zero_point.type)) {
        b.center = (float)naive_get_code(&c->zero_point, block);
        return b;
    }
    b.center = naive_get_real(&c->zero_point, block);
    if (c->scheme.zero_place == LQ_ZERO_INSIDE) return b;
    double z = naive_even((double)b.center);
    if (z < codes.qmin) z = codes.qmin;
    if (z > codes.qmax) z = codes.qmax;
    b.center = (float)z;
    return b;
}

static float narrow(lq_type precision, float v) {
    if (precision == 0 || precision == LQ_F32) return v;
    return naive_widen(precision, naive_narrow(precision, (double)v));
}

static float quotient_of(const lq_scheme *s, float x, float scale) {
    const lq_type p = s->precision;
    const float v = narrow(p, x), f = narrow(p, scale);
    switch (s->quotient) {
    case LQ_QUOTIENT_RECIPROCAL: return narrow(p, v * narrow(p, 1.0f / f));
    case LQ_QUOTIENT_MULTIPLIER: return narrow(p, v * f);
    default: return narrow(p, v / f);
    }
}

static double code_of_nan(const struct fake_case *c, const struct fake_block *b) {
    switch (c->scheme.nan_code) {
    case LQ_NAN_QMIN: return b->low - 1.0;
    case LQ_NAN_QMAX: return b->high + 1.0;
    case LQ_NAN_CODE_0: return 0.0;
    default: return naive_even((double)b->center);
    }
}

double fake_code(const struct fake_case *c, const struct fake_block *b, float x) {
    const lq_scheme *s = &c->scheme;
    const float t = quotient_of(s, x, b->scale);
    if (isnan(t)) return code_of_nan(c, b);
    if (s->rounding == LQ_ROUND_HALF_UP) {
        const float shifted = t + (b->center - (float)b->low + 0.5f);
        return (double)b->low + trunc((double)shifted);
    }
    if (s->zero_place == LQ_ZERO_INSIDE) {
        const float sum = t + b->center;
        return s->rounding == LQ_ROUND_AWAY ? round((double)sum) : naive_even((double)sum);
    }
    const double whole = s->rounding == LQ_ROUND_AWAY ? round((double)t) : naive_even((double)t);
    return whole + (double)b->center;
}

float fake_value(const struct fake_case *c, const struct fake_block *b, int32_t code) {
    const float steps = (float)code - b->center;
    const int divides = c->scheme.quotient == LQ_QUOTIENT_MULTIPLIER;
    const float v = divides ? steps / b->scale : steps * b->scale;
    return naive_widen(c->x.type, naive_narrow(c->x.type, (double)v));
}

void print_fake_case(const struct fake_case *c) {
    fprintf(stderr, "LQ_SEED=%" PRIu64 ", in place %d, factor %a\n", c->seed, c->in_place,
            (double)c->factor);
    print_scheme(&c->scheme);
    fprintf(stderr, "  quotient %d, precision %d, rounding %d, zero %d, clamp %d, nan %d\n",
            (int)c->scheme.quotient, (int)c->scheme.precision, (int)c->scheme.rounding,
            (int)c->scheme.zero_place, (int)c->scheme.clamp, (int)c->scheme.nan_code);
    print_view("x", &c->arena, &c->x);
    print_view("grad_y", &c->arena, &c->grad_y);
    print_view("grad_x", &c->arena, &c->grad_x);
    print_view("scale", &c->arena, &c->scale);
    if (c->has_zero_point) print_view("zero_point", &c->arena, &c->zero_point);
    print_view("grad_scale", &c->arena, &c->grad_scale);
}
