/*
 * Profiles against the systems they are named after: parameters and codes, bit for bit, on every
 * level, by the formulas in systems.c and by ggml's own blocks.
 *
 * LQ_VECTORS  a directory with a folder `ggml` of such blocks; unset or empty: those are left out
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

#include "naive.h"
#include "systems.h"
#include "vector_files.h"

enum { ROWS = 96, WIDTH = 32, COUNT = ROWS * WIDTH, ROUNDS = 60, MOST = 1 << 19 };

static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
enum { LEVELS = 4 };

static uint32_t noise;

static uint32_t next(void) {
    noise = noise * 1664525u + 1013904223u;
    return noise >> 8;
}

static double fraction(void) {
    return next() * 0x1p-24;
}

/* --------------------------------------------------- parameters and their codes */

/* Blocks of one row each, and what the system makes of them. */
static struct {
    double x[ROWS][WIDTH];
    int defined[ROWS];
    struct parameters parameters[ROWS];
    int32_t codes[ROWS][WIDTH];
} blocks;

static double held(const struct system *s, double v) {
    return (double)naive_widen(s->real_type, naive_narrow(s->real_type, v));
}

static double magnitude(const struct system *s, int kind) {
    const int narrow = s->real_type == LQ_F16 || s->scale_type == LQ_F16;
    int e = (int)(next() % 21) - 10;
    if (kind == 3) e = narrow ? -24 + (int)(next() % 12) : -149 + (int)(next() % 60);
    if (kind == 4) e = narrow ? 8 + (int)(next() % 8) : 100 + (int)(next() % 28);
    return ldexp(1.0 + fraction(), e);
}

static void choose_range(const struct system *s, int row, double *lo, double *hi) {
    const int kind = row % 12;
    const double a = magnitude(s, kind), b = magnitude(s, kind);
    *lo = -a;
    *hi = b;
    switch (kind) {
    case 1: *lo = a < b ? a : b, *hi = a < b ? b : a; break;
    case 2: *lo = a < b ? -b : -a, *hi = a < b ? -a : -b; break;
    case 5: *lo = *hi = 0.0; break;
    case 6: *lo = *hi = a; break;
    case 7: *lo = *hi = -a; break;
    case 8: *hi = a; break;
    case 9: /* scales that are powers of two, so that ties are exact */
        *hi = ldexp(s->qmax - s->qmin, (int)(next() % 9) - 12);
        *lo = next() % 2 ? -*hi : 0.0;
        break;
    case 10: *lo = 0.0; break;
    case 11: *hi = 0.0; break;
    default: break;
    }
    *lo = held(s, *lo);
    *hi = held(s, *hi);
}

/* A tie between two codes or a neighbor of one, where that lies in the range; or anything there. */
static double choose_value(const struct system *s, double step, double lo, double hi) {
    const int32_t codes = s->qmax - s->qmin + 1;
    const double k = (double)(int32_t)(next() % (uint32_t)(2 * codes)) - codes + 0.5;
    const uint32_t bits = naive_narrow(s->real_type, k * step) + next() % 3 - 1;
    const double v = (double)naive_widen(s->real_type, bits);
    if (next() % 4 && v >= lo && v <= hi) return v == 0.0 ? 0.0 : v;
    const double u = held(s, lo + fraction() * (hi - lo));
    return u >= lo && u <= hi ? u : lo;
}

static void make_row(const struct system *s, int row) {
    double lo, hi;
    struct parameters *p = &blocks.parameters[row];
    double *x = blocks.x[row];
    const int swap = (int)(next() % 2);
    choose_range(s, row, &lo, &hi);
    const double first = swap ? hi : lo;
    const double v = fabs(lo) == fabs(hi) ? first : fabs(lo) > fabs(hi) ? lo : hi;
    blocks.defined[row] = s->choose(s, lo, hi, v, p);
    for (int i = 0; i < WIDTH; ++i) {
        x[i] = choose_value(s, blocks.defined[row] ? p->scale : 1.0, lo, hi);
    }
    x[0] = first;
    x[1] = swap ? lo : hi;
    for (int i = 0; i < WIDTH && blocks.defined[row]; ++i) {
        blocks.codes[row][i] = s->code(s, p, x[i]);
    }
}

/* The ways in which rows are laid out as blocks. */
enum layout { CHANNELS, BLOCKS, COLUMNS, LAYOUTS };

static const char *const layout_names[] = {"channels", "blocks", "columns"};

static uint32_t reals[COUNT];
static unsigned char codes[2 * COUNT];
static uint32_t scales[ROWS];
static int32_t zeros[ROWS];

static int64_t place(enum layout layout, int64_t row, int64_t i) {
    return layout == COLUMNS ? i * ROWS + row : row * WIDTH + i;
}

static lq_tensor view(const void *data, lq_type type, enum layout layout) {
    switch (layout) {
    case CHANNELS: return lq_matrix(data, type, ROWS, WIDTH);
    case BLOCKS: return lq_vector(data, type, COUNT);
    default: return lq_matrix(data, type, WIDTH, ROWS);
    }
}

static void compare_row(const struct system *s, lq_cpu level, enum layout layout,
                        const lq_tensor *q, const lq_tensor *scale, int row) {
    const struct parameters *p = &blocks.parameters[row];
    const double got = (double)naive_get_real(scale, row);
    /* Whatever the range is, what comes out is usable. */
    if (!isfinite(got) || zeros[row] < s->qmin || zeros[row] > s->qmax)
        fail_msg("%s, %s, %s, range of kind %d: scale %a, zero point %d", s->name,
                 lq_cpu_name(level), layout_names[layout], row % 12, got, (int)zeros[row]);
    if (!blocks.defined[row]) return;
    if (got != p->scale || zeros[row] != p->zero)
        fail_msg("%s, %s, %s, range of kind %d: scale %a, not %a; zero point %d, not %d", s->name,
                 lq_cpu_name(level), layout_names[layout], row % 12, got, p->scale, (int)zeros[row],
                 (int)p->zero);
    for (int i = 0; i < WIDTH; ++i) {
        const int32_t code = naive_get_code(q, place(layout, row, i));
        if (code != blocks.codes[row][i])
            fail_msg("%s, %s, %s: %a by scale %a, factor %a, zero point %d is %d, not %d", s->name,
                     lq_cpu_name(level), layout_names[layout], blocks.x[row][i], p->scale,
                     p->factor, (int)p->zero, (int)code, (int)blocks.codes[row][i]);
    }
}

static void check_layout(const struct system *s, enum layout layout) {
    static const lq_block shapes[] = {{LQ_PER_CHANNEL, 0, 0, 0, {0}},
                                      {LQ_PER_BLOCK, 0, 0, 0, {WIDTH}},
                                      {LQ_PER_CHANNEL, 1, 0, 0, {0}}};
    const lq_scheme scheme = system_scheme(s, shapes[layout]);
    const lq_tensor x = view(reals, s->real_type, layout), q = view(codes, s->code_type, layout);
    const lq_tensor scale = lq_vector(scales, s->scale_type, ROWS);
    const lq_tensor zero = lq_vector(zeros, LQ_S32, ROWS);
    for (int row = 0; row < ROWS; ++row)
        for (int i = 0; i < WIDTH; ++i) naive_set_real(&x, place(layout, row, i), blocks.x[row][i]);
    for (int i = 0; i < LEVELS; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        assert_int_equal(lq_quantize_dynamic(&x, &scheme, &q, &scale, &zero, NULL), LQ_OK);
        for (int row = 0; row < ROWS; ++row) compare_row(s, levels[i], layout, &q, &scale, row);
    }
}

/* The same block as a tensor of its own. */
static void check_tensor(const struct system *s, int row) {
    const lq_scheme scheme = system_scheme(s, lq_per_tensor());
    const lq_tensor x = lq_vector(reals, s->real_type, WIDTH);
    const lq_tensor q = lq_vector(codes, s->code_type, WIDTH);
    const lq_tensor scale = lq_vector(scales + row, s->scale_type, 1);
    const lq_tensor zero = lq_vector(zeros + row, LQ_S32, 1);
    for (int i = 0; i < WIDTH; ++i) naive_set_real(&x, i, blocks.x[row][i]);
    for (int i = 0; i < LEVELS; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        assert_int_equal(lq_quantize_dynamic(&x, &scheme, &q, &scale, &zero, NULL), LQ_OK);
        if (!blocks.defined[row]) continue;
        assert_true((double)naive_get_real(&scale, 0) == blocks.parameters[row].scale);
        assert_int_equal(zeros[row], blocks.parameters[row].zero);
        for (int k = 0; k < WIDTH; ++k)
            assert_int_equal(naive_get_code(&q, k), blocks.codes[row][k]);
    }
}

static void test_chosen(void **state) {
    (void)state;
    for (int i = 0; i < SYSTEMS; ++i) {
        const struct system *s = &systems[i];
        int64_t defined = 0;
        if (!s->choose) continue;
        noise = (uint32_t)i;
        for (int round = 0; round < ROUNDS; ++round) {
            for (int row = 0; row < ROWS; ++row) {
                make_row(s, row);
                defined += blocks.defined[row];
            }
            for (enum layout k = CHANNELS; k < LAYOUTS; ++k) check_layout(s, k);
            for (int row = 0; row < 12; ++row) check_tensor(s, row);
        }
        print_message("%s: %" PRId64 " blocks of %d in %d layouts\n", s->name, defined, WIDTH,
                      LAYOUTS);
        /* Most ranges must have an answer, or nothing was tested. */
        assert_true(defined > ROUNDS * ROWS * 2 / 3);
    }
}

/* ------------------------------------------------------- codes of given parameters */

static uint32_t values[MOST];
static unsigned char given_codes[2 * MOST];
static uint32_t fakes[MOST];

/* Ties of all codes and beyond with two neighbors on each side; what is not finite; extremes. */
static int64_t fill_values(const struct system *s, float scale, int32_t z) {
    static const uint32_t others[] = {0,           0x80000000u, 1,           0x80000001u,
                                      0x7f7fffffu, 0xff7fffffu, 0x7f800000u, 0xff800000u,
                                      0x7fc00000u, 0xffc00001u};
    const int most = s->has_nan ? 10 : 8;
    int64_t n = 0;
    for (int32_t k = s->qmin - z - 3; k <= s->qmax - z + 3; ++k) {
        const uint32_t bits = naive_narrow(LQ_F32, ((double)k + 0.5) * (double)scale);
        for (uint32_t step = 0; step < 5; ++step) values[n++] = bits + step - 2;
        if (s->qmax - s->qmin > 256) k += (int32_t)(next() % 5);
    }
    for (int i = 0; i < most; ++i) values[n++] = others[i];
    for (int i = 0; i < 500; ++i) {
        const uint32_t bits = next() << 8 ^ next();
        if (!isnan(naive_widen(LQ_F32, bits))) values[n++] = bits;
    }
    return n;
}

static void compare_fakes(const struct system *s, lq_cpu level, const struct parameters *p,
                          int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const double x = (double)naive_widen(LQ_F32, values[i]);
        const int32_t steps = s->code(s, p, x) - p->zero;
        const uint32_t expected = naive_narrow(LQ_F32, (double)steps * p->scale);
        if (fakes[i] != expected)
            fail_msg("%s, %s: the value of %a by scale %a, zero point %d is %08x, not %08x",
                     s->name, lq_cpu_name(level), x, p->scale, (int)p->zero, (unsigned)fakes[i],
                     (unsigned)expected);
    }
}

static int64_t check_given(const struct system *s, float scale, int32_t z) {
    const lq_scheme scheme = system_scheme(s, lq_per_tensor());
    const struct parameters p = {(double)scale, s->factor((double)scale), z};
    const int64_t n = fill_values(s, scale, z);
    const lq_tensor x = lq_vector(values, LQ_F32, n), y = lq_vector(fakes, LQ_F32, n);
    const lq_tensor q = lq_vector(given_codes, s->code_type, n);
    const lq_tensor ts = lq_vector(&scale, LQ_F32, 1), tz = lq_vector(&z, LQ_S32, 1);
    for (int i = 0; i < LEVELS; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        assert_int_equal(lq_quantize(&x, &scheme, &ts, &tz, &q, NULL), LQ_OK);
        for (int64_t k = 0; k < n; ++k) {
            const double v = (double)naive_widen(LQ_F32, values[k]);
            if (naive_get_code(&q, k) != s->code(s, &p, v))
                fail_msg("%s, %s: %a by scale %a, zero point %d is %d, not %d", s->name,
                         lq_cpu_name(levels[i]), v, (double)scale, (int)z,
                         (int)naive_get_code(&q, k), (int)s->code(s, &p, v));
        }
        assert_int_equal(lq_fake_quantize(&x, &scheme, &ts, &tz, &y, NULL), LQ_OK);
        compare_fakes(s, levels[i], &p, n);
    }
    return n;
}

static void test_given(void **state) {
    static const float given[] = {1.0f,    0x1p-7f, 0.1f,  1.0f / 127, 1.9999999f,
                                  3.7e-5f, 1e-30f,  1e30f, 0x1p-100f,  0.3333f};
    (void)state;
    for (int i = 0; i < SYSTEMS; ++i) {
        const struct system *s = &systems[i];
        int64_t n = 0;
        if (!s->factor) continue;
        for (size_t k = 0; k < sizeof given / sizeof *given; ++k) {
            const int32_t zs[] = {0, s->qmin, s->qmax, (s->qmin + s->qmax) / 2 + 7};
            const int affine = system_scheme(s, lq_per_tensor()).mapping == LQ_AFFINE;
            for (int z = 0; z < (affine ? 4 : 1); ++z) n += check_given(s, given[k], zs[z]);
        }
        print_message("%s: %" PRId64 " values\n", s->name, n);
    }
}

/* ------------------------------------------------------------------- ggml's blocks */

struct format {
    const char *prefix;
    int bytes; /* of a block */
    lq_profile profile;
    lq_type code_type;
};

/* Elements j and j + 16 share a byte; the fifth bits follow each other. */
static int32_t packed_code(const struct format *f, const unsigned char *block, int i) {
    if (f->bytes == 34) return (signed char)block[2 + i];
    const unsigned char *nibbles = block + f->bytes - 16;
    int32_t code = nibbles[i % 16] >> (i < 16 ? 0 : 4) & 15;
    if (f->bytes == 22) code |= (block[2 + i / 8] >> i % 8 & 1) << 4;
    return f->code_type == LQ_U4 || f->code_type == LQ_U8 ? code : code - (f->bytes == 22 ? 16 : 8);
}

static void check_ggml(const struct format *f, const tf_file *file, const char *name) {
    const tf_tensor *x = tf_find(file, "x"), *packed = tf_find(file, "packed");
    const tf_tensor *y = tf_find(file, "y");
    const lq_scheme scheme = lq_profile_scheme(f->profile, f->code_type, lq_per_block(-1, 32));
    const int64_t n = x->size / 4;
    const lq_tensor tx = lq_vector(x->data, LQ_F32, n), q = lq_vector(codes, f->code_type, n);
    const lq_tensor scale = lq_vector(scales, LQ_F16, n / 32), back = lq_vector(fakes, LQ_F32, n);
    assert_true(n <= COUNT && packed->size == n / 32 * f->bytes && y->size == x->size);
    for (int i = 0; i < LEVELS; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        assert_int_equal(lq_quantize_dynamic(&tx, &scheme, &q, &scale, NULL, NULL), LQ_OK);
        assert_int_equal(lq_dequantize(&q, &scheme, &scale, NULL, &back, NULL), LQ_OK);
        for (int64_t k = 0; k < n; ++k) {
            const unsigned char *block = (const unsigned char *)packed->data + k / 32 * f->bytes;
            const uint32_t d = (uint32_t)(block[0] | block[1] << 8);
            const int32_t expected = packed_code(f, block, (int)(k % 32));
            if (naive_get_bits(&scale, k / 32) != d || naive_get_code(&q, k) != expected)
                fail_msg("%s, %s, element %" PRId64 ": scale %04x, not %04x; code %d, not %d", name,
                         lq_cpu_name(levels[i]), k, (unsigned)naive_get_bits(&scale, k / 32),
                         (unsigned)d, (int)naive_get_code(&q, k), (int)expected);
        }
        assert_memory_equal(fakes, y->data, (size_t)y->size);
    }
}

static void check_ggml_file(const char *path, void *context) {
    static const struct format formats[] = {{"q4_0__", 18, LQ_PROFILE_GGML_Q4_0, LQ_U4},
                                            {"q4_0__", 18, LQ_PROFILE_GGML_Q4_0, LQ_S4},
                                            {"q5_0__", 22, LQ_PROFILE_GGML_Q5_0, LQ_U8},
                                            {"q5_0__", 22, LQ_PROFILE_GGML_Q5_0, LQ_S8},
                                            {"q8_0__", 34, LQ_PROFILE_GGML_Q8_0, LQ_S8}};
    const char *name = strrchr(path, '/') + 1;
    char message[512];
    int *checks = context;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; ++i) {
        if (strncmp(name, formats[i].prefix, strlen(formats[i].prefix)) != 0) continue;
        tf_file *file = tf_open(path, message, sizeof message);
        if (!file) fail_msg("%s", message);
        /* Some files are of random blocks, made from no values. */
        if (tf_find(file, "x")) {
            check_ggml(&formats[i], file, name);
            ++*checks;
        }
        tf_close(file);
    }
}

static void test_ggml_blocks(void **state) {
    const char *vectors = getenv("LQ_VECTORS");
    char folder[4000];
    int checks = 0;
    (void)state;
    snprintf(folder, sizeof folder, "%s/ggml", vectors ? vectors : "");
    if (!vectors || !*vectors || !vector_paths_each(folder, check_ggml_file, &checks)) {
        print_message("no folder of ggml's blocks in LQ_VECTORS\n");
        skip();
    }
    print_message("%d comparisons with ggml's blocks\n", checks);
    assert_true(checks > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chosen),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_ggml_blocks),
    };
    return cmocka_run_group_tests_name("profiles", tests, NULL, NULL);
}
