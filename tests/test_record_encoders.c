/*
 * Encoders of records that are no plain scheme: parameters and codes against what is nearest,
 * inputs of every kind, and how near the values come.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guarded.h"
#include "layouts.h"
#include "record_values.h"
#include "tensor_file.h"

enum { SUPER = 256, PIECE = RECORD_MOST };

struct encoder {
    lq_layout layout;
    const lq_layout_row *row;
    lq_layout_info info;
};

static int open_encoder(int which, struct encoder *e) {
    e->layout = record_layouts[which];
    e->row = lq_layout_find(e->layout);
    assert_non_null(e->row);
    assert_int_equal(lq_layout_describe(e->layout, &e->info, sizeof e->info), LQ_OK);
    return e->row->encode != NULL;
}

static lq_record_parts parts_in(struct record_room *room) {
    return (lq_record_parts){room->codes,       room->scale,      room->zero,
                             room->super_scale, room->super_zero, room->sum};
}

/* Bytes outside the parts stay 0. */
static void encode(const struct encoder *e, const float *x, int64_t n, struct record_room *room) {
    const lq_record_parts parts = parts_in(room);
    memset(room, 0, sizeof *room);
    e->row->encode(lq_kernels_active(), x, n / e->info.record, &parts);
}

static float uniform(void) {
    return (float)random_below(1 << 24) * 0x1p-24f;
}

static float normal(void) {
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
}

enum { KINDS = 10 };

static float value_of(int kind, int i) {
    const float v = normal();
    switch (kind) {
    case 0: return v;
    case 1: return fabsf(v) * 0.02f + 0.01f;
    case 2: return -fabsf(v) * 300;
    case 3: return ldexpf(v, (int)random_below(24) - 12);
    case 4: return i % 64 < 32 ? v : v * 1e-4f; /* blocks whose scales are a fraction of a step */
    case 5: return i % 16 == 3 ? v : 0;
    case 6: return (float)((int)random_below(33) - 16) / 8;
    case 7: return v * 1e-4f;
    case 8: return v * 1e-6f;
    default: return 0.75f;
    }
}

static void fill(int kind, float *x, int n) {
    for (int i = 0; i < n; ++i) x[i] = value_of(kind, i);
}

/* ------------------------------------------------------------ what is nearest */

/* Layouts whose codes are the nearest by the parameters that are stored. */
static int is_super(lq_layout layout) {
    return layout >= LQ_LAYOUT_GGML_Q2_K && layout <= LQ_LAYOUT_GGML_Q6_K;
}

/* The smallest error that any code has. */
static double least_error(lq_limits codes, double scale, double minimum, double x) {
    double least = INFINITY;
    for (int code = codes.min; code <= codes.max; ++code) {
        const double error = fabs(scale * code + minimum - x);
        if (error < least) least = error;
    }
    return least;
}

static void test_codes_are_nearest(void **state) {
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        struct encoder e;
        struct record_room room;
        float x[SUPER];
        if (!open_encoder(which, &e) || !is_super(e.layout)) continue;
        for (int repeat = 0; repeat < 40 * KINDS; ++repeat) {
            fill(repeat % KINDS, x, SUPER);
            encode(&e, x, SUPER, &room);
            for (int i = 0; i < SUPER; ++i) {
                const double scale = record_scale(&e.info, &room, i / e.info.block);
                const double minimum = record_minimum(&e.info, &room, i / e.info.block);
                const double found = scale * record_code(&e.info, e.layout, room.codes[i]);
                const double best = least_error(e.row->codes, scale, minimum, (double)x[i]);
                /* The quotient is rounded three times. */
                assert_true(fabs(found + minimum - (double)x[i]) <=
                            best + 0x1p-21 * (fabs((double)x[i]) + fabs(minimum) + fabs(scale)));
            }
        }
    }
}

/* The ends that a block's codes span, or its value of largest magnitude. */
static double wanted_scale(const struct encoder *e, const float *x, double minimum) {
    double hi = (double)x[0], extreme = 0;
    for (int i = 0; i < e->info.block; ++i) {
        const double v = (double)x[i];
        if (v > hi) hi = v;
        if (fabs(v) > fabs(extreme)) extreme = v;
    }
    if (!e->info.zero_type) return extreme / e->row->codes.min;
    return fmax(hi - minimum, 0) / e->row->codes.max;
}

/* To the nearest F16; to the next one up where that is subnormal. */
static void check_super(double found, double wanted, int steps) {
    const double error = fabs(found) - fabs(wanted);
    if (fabs(wanted) < 0x1p-14 * steps)
        assert_true(error >= 0 && error < 0x1p-24 * steps);
    else
        assert_true(fabs(error) <= fabs(wanted) * 0x1p-11);
    assert_true(found * wanted >= 0);
}

/*
 * A scale of `steps` steps has a code that is the nearest to it, or the next; at least 1, and so that
 * the last code is not more than one short of the block's end, where there is such a scale.
 */
static void check_steps(double steps, int code, int top, int most) {
    const double near = 0x1p-10 * steps; /* super scales are near 1 / most of the largest scale */
    if (code == most) return;
    assert_true(code >= 1 && (steps - code) * top <= code + near * top);
    assert_true(code == 1 || fabs(steps - code) <= 0.5 + near ||
                (steps - (code - 1)) * top >= code - 1 - near * top);
}

static void check_scales(const struct encoder *e, const float *x, const struct record_room *room) {
    const lq_limits codes = e->row->codes, scales = e->row->scales;
    const int end = e->info.zero_type ? scales.max : scales.min;
    const int top = e->info.zero_type ? codes.max : -codes.min;
    const double super = (double)record_part(LQ_F16, room->super_scale, 0);
    double largest = 0;
    for (int b = 0; b < SUPER / e->info.block; ++b) {
        const double minimum = (double)record_minimum(&e->info, room, b);
        const double wanted = wanted_scale(e, x + b * e->info.block, minimum);
        const double code = (double)record_part(e->info.scale_type, room->scale, b);
        if (fabs(wanted) > fabs(largest)) largest = wanted;
        if (wanted == 0) {
            assert_true(code == 0);
            continue;
        }
        assert_true(wanted * super * code > 0);
        check_steps(fabs(wanted / super), (int)fabs(code), top,
                    code < 0 ? -scales.min : scales.max);
    }
    check_super(super * end, largest, abs(end));
}

/* The lowest value below 0, or 0. */
static double depth_of(const float *x, int64_t n) {
    double lowest = 0;
    for (int64_t i = 0; i < n; ++i)
        if ((double)x[i] < lowest) lowest = (double)x[i];
    return lowest;
}

static void check_minimums(const struct encoder *e, const float *x,
                           const struct record_room *room) {
    const double super = (double)record_part(LQ_F16, room->super_zero, 0);
    const double deepest = depth_of(x, SUPER);
    check_super(super * e->row->zeros.max, -deepest, e->row->zeros.max);
    for (int b = 0; b < SUPER / e->info.block; ++b) {
        const double lo = depth_of(x + b * e->info.block, e->info.block);
        assert_true(fabs((double)record_minimum(&e->info, room, b) - lo) <= 0.54 * super);
    }
}

static void test_scales_are_nearest(void **state) {
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        struct encoder e;
        struct record_room room;
        float x[SUPER];
        if (!open_encoder(which, &e) || !is_super(e.layout)) continue;
        for (int repeat = 0; repeat < 40 * KINDS; ++repeat) {
            fill(repeat % KINDS, x, SUPER);
            encode(&e, x, SUPER, &room);
            check_scales(&e, x, &room);
            if (e.info.zero_type) check_minimums(&e, x, &room);
        }
    }
}

/* ------------------------------------------------------------- least squares */

/* In double: the scale of least squares for the codes of x * inverse, and how well it fits. */
struct fit {
    double scale, gain;
};

static int nearest_value(const struct encoder *e, double v) {
    int best = 0;
    for (int code = 1; code < 16; ++code)
        if (fabs((double)record_code(&e->info, e->layout, (unsigned char)code) - v) <=
            fabs((double)record_code(&e->info, e->layout, (unsigned char)best) - v))
            best = code;
    return best;
}

static struct fit fit_of(const struct encoder *e, const float *x, double inverse) {
    double product = 0, square = 0;
    for (int i = 0; i < 32; ++i) {
        const double v = (double)x[i];
        const int code = nearest_value(e, v * inverse);
        const double q = (double)record_code(&e->info, e->layout, (unsigned char)code);
        product += v * v * q * v;
        square += v * v * q * q;
    }
    return (struct fit){product / square, product * product / square};
}

static double extreme_of(const float *x) {
    double extreme = 0;
    for (int i = 0; i < 32; ++i)
        if (fabs((double)x[i]) > fabs(extreme)) extreme = (double)x[i];
    return extreme;
}

static void test_iq4_nl(void **state) {
    struct encoder e;
    struct record_room room;
    float x[32];
    (void)state;
    for (int which = 0; record_layouts[which] != LQ_LAYOUT_GGML_IQ4_NL;) open_encoder(++which, &e);
    for (int repeat = 0; repeat < 500; ++repeat) {
        for (int i = 0; i < 32; ++i) x[i] = normal();
        const double inverse = -127 / extreme_of(x);
        encode(&e, x, 32, &room);
        const double scale = fit_of(&e, x, inverse).scale;
        assert_true(fabs((double)record_scale(&e.info, &room, 0) - scale) <= 0x1p-10 * fabs(scale));
        for (int i = 0; i < 32; ++i) {
            const double v = (double)x[i] * inverse;
            assert_true(room.codes[i] == nearest_value(&e, v + 1e-4) ||
                        room.codes[i] == nearest_value(&e, v - 1e-4));
        }
    }
}

/* The best of 16; of two that fit as well, either. */
static int is_best(const struct encoder *e, const float *x, double super, double code) {
    const double extreme = extreme_of(x);
    struct fit fits[16];
    double best = 0;
    for (int i = 0; i < 16; ++i) {
        fits[i] = fit_of(e, x, i == 15 ? 127 / extreme : (i - 134) / extreme);
        best = fmax(best, fits[i].gain);
    }
    for (int i = 0; i < 16; ++i)
        if (fits[i].gain >= best * (1 - 1e-5) && fabs(fits[i].scale / super - code) <= 0.52)
            return 1;
    return 0;
}

static void test_iq4_xs(void **state) {
    struct encoder e;
    struct record_room room;
    float x[SUPER];
    (void)state;
    for (int which = 0; record_layouts[which] != LQ_LAYOUT_GGML_IQ4_XS;) open_encoder(++which, &e);
    for (int repeat = 0; repeat < 100; ++repeat) {
        int largest = 0;
        for (int i = 0; i < SUPER; ++i) x[i] = normal() * (float)(1 + i / 32);
        encode(&e, x, SUPER, &room);
        const double super = (double)record_part(LQ_F16, room.super_scale, 0);
        for (int b = 0; b < 8; ++b) {
            const double code = (double)record_part(LQ_S8, room.scale, b);
            largest |= code == -32;
            assert_true(code == 31 || is_best(&e, x + 32 * b, super, code));
        }
        assert_true(largest);
    }
}

/* ---------------------------------------------------------- inputs of every kind */

/* Encoders get floats from lq_encode, which knows no infinities any more. */
static void encode_records(const struct encoder *e, float *x, int64_t n, unsigned char *to) {
    const lq_tensor from = lq_vector(x, LQ_F32, n);
    const lq_tensor bytes = lq_vector(to, LQ_U8, n / e->info.record * e->info.record_bytes);
    const lq_packed packed = {.struct_size = sizeof packed,
                              .layout = e->layout,
                              .bytes = &bytes,
                              .rows = 1,
                              .columns = n};
    assert_int_equal(lq_encode(&from, NULL, &packed, NULL), LQ_OK);
}

static void test_nan_and_infinities(void **state) {
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        struct encoder e;
        unsigned char bytes[SUPER * 2], expected[SUPER * 2];
        float x[SUPER], plain[SUPER];
        if (!open_encoder(which, &e)) continue;
        for (int repeat = 0; repeat < 50; ++repeat) {
            for (int i = 0; i < SUPER; ++i) {
                const uint32_t chance = random_below(repeat % 2 ? 4 : 40);
                x[i] = plain[i] = normal();
                if (chance == 0) x[i] = random_below(2) ? NAN : -NAN;
                if (chance == 0) plain[i] = 0;
                if (chance == 1) x[i] = random_below(2) ? INFINITY : -INFINITY;
                if (chance == 1) plain[i] = x[i] > 0 ? FLT_MAX : -FLT_MAX;
            }
            encode_records(&e, x, SUPER, bytes);
            encode_records(&e, plain, SUPER, expected);
            assert_memory_equal(bytes, expected,
                                (size_t)(SUPER / e.info.record * e.info.record_bytes));
        }
    }
}

/* Every value finite, of codes within the limits; zeros are zeros. */
static void check_sound(const struct encoder *e, const float *x, const struct record_room *room) {
    const lq_limits codes = e->row->codes;
    int zeros = 1;
    for (int i = 0; i < SUPER; ++i) zeros &= x[i] == 0;
    for (int i = 0; i < SUPER; ++i) {
        const int code =
            codes.min < 0 && room->codes[i] > 127 ? room->codes[i] - 256 : room->codes[i];
        const float value = record_value(&e->info, e->layout, room, i);
        assert_in_range(code - codes.min, 0, codes.max - codes.min);
        assert_true(isfinite(value));
        if (x[i] == 0 && codes.min < 0) assert_int_equal(code, 0);
        if (zeros) assert_true(value == 0);
    }
}

static void test_sizes(void **state) {
    static const float sizes[] = {0,     1e-45f, 1e-40f, 5e-32f, 1e-20f, 1e-15f, 1e-9f, 6e-8f,
                                  3e-6f, 1,      3e4f,   7e4f,   1e7f,   1e12f,  1e30f, 3e38f};
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        struct encoder e;
        struct record_room room;
        float x[SUPER];
        if (!open_encoder(which, &e)) continue;
        for (int k = 0; k < 16 * 16; ++k) {
            for (int i = 0; i < SUPER; ++i) {
                const float size = i / 16 % 2 ? sizes[k / 16] : sizes[k % 16];
                x[i] = size * (uniform() * 2 - 1);
                if (i % 16 == 5) x[i] = k % 3 ? size : -size;
                if (i % 16 == 6) x[i] = k % 2 ? 0.0f : -0.0f;
            }
            encode(&e, x, SUPER, &room);
            check_sound(&e, x, &room);
        }
    }
}

/* What is beyond a record's scales has the largest values that these give. */
static void test_too_large(void **state) {
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        struct encoder e;
        struct record_room room;
        float x[SUPER];
        if (!open_encoder(which, &e) || e.layout == LQ_LAYOUT_GGML_Q8_K) continue;
        for (int i = 0; i < SUPER; ++i) x[i] = i % 2 ? 3e38f : -2e38f;
        encode(&e, x, SUPER, &room);
        for (int i = 0; i < SUPER; ++i) {
            const float value = record_value(&e.info, e.layout, &room, i);
            assert_true(isfinite(value) && fabsf(value) > 65504.0f && (value > 0) == (x[i] > 0));
        }
        if (e.info.super_scale_type)
            assert_true(fabsf(record_part(LQ_F16, room.super_scale, 0)) == 65504.0f);
    }
}

/* ------------------------------------------------------------------ how near */

struct power {
    double signal, noise;
};

static void add_noise(const struct encoder *e, const float *x, int64_t n, struct power *p) {
    struct record_room room;
    encode(e, x, n, &room);
    for (int64_t i = 0; i < n; ++i) {
        const double error = (double)x[i] - (double)record_value(&e->info, e->layout, &room, i);
        p->signal += (double)x[i] * (double)x[i];
        p->noise += error * error;
    }
}

/* Decibels of normal values, less what may be lost on trained weights: sane, no records. */
static const struct {
    lq_layout layout;
    double generated, trained;
} bounds[] = {
    {LQ_LAYOUT_GGML_Q8_1, 44.5, 40},     {LQ_LAYOUT_GGML_Q2_K, 9.3, 8.5},
    {LQ_LAYOUT_GGML_Q3_K, 15.8, 15},     {LQ_LAYOUT_GGML_Q4_K, 21.6, 20.5},
    {LQ_LAYOUT_GGML_Q5_K, 27.8, 26.5},   {LQ_LAYOUT_GGML_Q6_K, 34, 32.5},
    {LQ_LAYOUT_GGML_Q8_K, 42.3, 38},     {LQ_LAYOUT_GGML_IQ4_NL, 21.6, 20.5},
    {LQ_LAYOUT_GGML_IQ4_XS, 21.8, 20.5},
};

static double bound_of(lq_layout layout, int trained) {
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; ++i)
        if (bounds[i].layout == layout) return trained ? bounds[i].trained : bounds[i].generated;
    return 0;
}

static void tell(const struct encoder *e, const char *name, const struct power *p, int trained) {
    const double decibels = 10 * log10(p->signal / p->noise);
    print_message("%-13s %7.4f bits, %-36s %6.2f dB\n", lq_layout_name(e->layout),
                  8.0 * (double)e->info.record_bytes / (double)e->info.record, name, decibels);
    assert_true(decibels >= bound_of(e->layout, trained));
}

static void test_generated(void **state) {
    static float x[PIECE];
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        struct encoder e;
        struct power p = {0, 0};
        if (!open_encoder(which, &e)) continue;
        random_seed(7);
        for (int piece = 0; piece < 16; ++piece) {
            for (int i = 0; i < PIECE; ++i) x[i] = 0.02f * normal();
            add_noise(&e, x, PIECE, &p);
        }
        tell(&e, "normal", &p, 0);
    }
}

/* Far below F16's normal numbers, where the scale of scales is one of its last. */
static void test_small(void **state) {
    static float x[PIECE];
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        struct encoder e;
        struct power p = {0, 0};
        if (!open_encoder(which, &e) || !is_super(e.layout)) continue;
        for (int i = 0; i < PIECE; ++i) x[i] = 2e-6f * normal();
        add_noise(&e, x, PIECE, &p);
        print_message("%-13s %6.2f dB\n", lq_layout_name(e.layout), 10 * log10(p.signal / p.noise));
        assert_true(10 * log10(p.signal / p.noise) >= bound_of(e.layout, 1) - 3);
    }
}

static void add_file(const struct encoder *e, const char *path, struct power *p) {
    static float x[PIECE];
    char message[500];
    tf_file *file = tf_open(path, message, sizeof message);
    if (!file) fail_msg("%s: %s", path, message);
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        if (strcmp(t->dtype, "F32") != 0 || t->rank < 2) continue;
        for (int64_t at = 0; at + SUPER * 4 <= t->size;) {
            int64_t n = (t->size - at) / (SUPER * 4) * SUPER;
            n = n < PIECE ? n : PIECE;
            memcpy(x, (const char *)t->data + at, (size_t)n * 4);
            add_noise(e, x, n, p);
            at += n * 4;
        }
    }
    tf_close(file);
}

static void test_trained(void **state) {
    static const char *const names[] = {"stories260k.safetensors", "burn_mnist_cnn.safetensors",
                                        "silero_vad_16k.safetensors",
                                        "mlperf_vww96_mobilenet.safetensors"};
    const char *directory = getenv("LQ_WEIGHTS");
    (void)state;
    if (!directory || !*directory) {
        print_message("skipped: no weights, LQ_WEIGHTS is not set\n");
        skip();
    }
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        struct encoder e;
        if (!open_encoder(which, &e)) continue;
        for (int i = 0; i < 4; ++i) {
            struct power p = {0, 0};
            char path[1000];
            snprintf(path, sizeof path, "%s/%s", directory, names[i]);
            add_file(&e, path, &p);
            if (p.signal > 0) tell(&e, names[i], &p, 1);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_nearest),
        cmocka_unit_test(test_scales_are_nearest),
        cmocka_unit_test(test_iq4_nl),
        cmocka_unit_test(test_iq4_xs),
        cmocka_unit_test(test_nan_and_infinities),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_generated),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_trained),
    };
    random_seed(20261122);
    return cmocka_run_group_tests_name("record_encoders", tests, NULL, NULL);
}
