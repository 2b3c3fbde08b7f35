/*
 * Fake quantization and its gradients against PyTorch's, from the vectors of the families fq_pt, fq_pc,
 * fq_learn_pt and fq_learn_pc in LQ_TEST_VECTORS_DIR, which must have some, and in LQ_VECTORS.
 *
 * PyTorch's learnable backward does not use the codes of its forward: it adds the zero point before
 * rounding, with a fused multiply-add, and per tensor a zero point that is off by one where it is
 * negative. Where its code for an element differs, or its zero point, it is not compared; the test
 * says how often.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libquant.h"
#include "vector_files.h"

enum { MOST = 4096, BLOCKS = 64 };

static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

static struct tally { int files, elements, other_codes, other_zeros, sums; } tally;

struct fake_file {
    const char *path;
    tf_file *file;
    int learnable, per_channel;
    lq_scheme scheme;
    float factor;
    int64_t n, blocks, inner; /* elements, blocks, elements from one block to the next */
    float x[MOST], y[MOST], grad_y[MOST], grad_x[MOST];
    float scale[BLOCKS], zero[BLOCKS], grad_scale[BLOCKS], grad_zero[BLOCKS];
};

static int64_t read_floats(const struct fake_file *f, const char *key, float *to, int64_t most) {
    const tf_tensor *t = tf_find(f->file, key);
    if (!t) fail_msg("%s has no %s", f->path, key);
    const int64_t n = tf_elements(t->rank, t->shape);
    if (n > most) fail_msg("%s: %s is too long", f->path, key);
    for (int64_t i = 0; i < n; ++i) {
        if (strcmp(t->dtype, "F32") == 0) {
            memcpy(&to[i], (const char *)t->data + 4 * i, 4);
        } else {
            int32_t z;
            assert_string_equal(t->dtype, "I32");
            memcpy(&z, (const char *)t->data + 4 * i, 4);
            to[i] = (float)z;
        }
    }
    return n;
}

static double number_of(const cJSON *meta, const char *key, double otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(meta, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

static void read_file(struct fake_file *f, const cJSON *meta, const char *family) {
    const tf_tensor *x = tf_find(f->file, "x");
    const int32_t axis = (int32_t)number_of(meta, "axis", 0);
    f->learnable = strstr(family, "learn") != NULL;
    f->per_channel = strstr(family, "_pc") != NULL;
    f->factor = (float)number_of(meta, "grad_factor", 1);
    f->scheme = lq_profile_scheme(LQ_PROFILE_PYTORCH, LQ_S16,
                                  f->per_channel ? lq_per_channel(axis) : lq_per_tensor());
    f->scheme.qmin = (int32_t)number_of(meta, "quant_min", 0);
    f->scheme.qmax = (int32_t)number_of(meta, "quant_max", 0);
    f->n = read_floats(f, "x", f->x, MOST);
    f->blocks = read_floats(f, "scale", f->scale, BLOCKS);
    assert_int_equal(read_floats(f, "zero_point", f->zero, BLOCKS), f->blocks);
    assert_int_equal(read_floats(f, "y", f->y, MOST), f->n);
    assert_int_equal(read_floats(f, "grad_out", f->grad_y, MOST), f->n);
    assert_int_equal(read_floats(f, "grad_x", f->grad_x, MOST), f->n);
    if (f->learnable) {
        read_floats(f, "grad_scale", f->grad_scale, BLOCKS);
        read_floats(f, "grad_zero_point", f->grad_zero, BLOCKS);
    }
    f->inner = f->n;
    if (f->per_channel) {
        f->inner = 1;
        for (int32_t i = axis + 1; i < x->rank; ++i) f->inner *= x->shape[i];
    }
}

static int64_t block_of(const struct fake_file *f, int64_t i) {
    return i / f->inner % f->blocks;
}

/* The zero point that PyTorch's backward has, and the code. */
static double zero_of_backward(const struct fake_file *f, int64_t block) {
    const double z = nearbyint((double)f->zero[block]);
    const double low = f->scheme.qmin, high = f->scheme.qmax;
    if (!f->learnable) return z;
    const double clamped = z < low ? low : z > high ? high : z;
    if (f->per_channel) return clamped;
    const double half = (double)f->zero[block] + 0.5;
    return trunc(half < low ? low : half > high ? high : half);
}

/* The code of an element before it is clamped, of the forward or of PyTorch's backward. */
static double code_of(const struct fake_file *f, int64_t i, int backward) {
    const int64_t b = block_of(f, i);
    const float inverse = 1.0f / f->scale[b];
    if (backward) {
        return nearbyint((double)fmaf(f->x[i], inverse, (float)zero_of_backward(f, b)));
    }
    const float low = (float)f->scheme.qmin, high = (float)f->scheme.qmax;
    const float z = nearbyintf(f->zero[b]);
    return nearbyint((double)(f->x[i] * inverse)) + (double)(z < low ? low : z > high ? high : z);
}

static int is_inside(const struct fake_file *f, int64_t i, int backward) {
    const double code = code_of(f, i, backward);
    return code >= f->scheme.qmin && code <= f->scheme.qmax;
}

static void check_elements(const struct fake_file *f, const float *y, const float *grad_x) {
    for (int64_t i = 0; i < f->n; ++i) {
        if (memcmp(&y[i], &f->y[i], sizeof *y) != 0) {
            fail_msg("%s: y %d is %a, not %a", f->path, (int)i, (double)y[i], (double)f->y[i]);
        }
        if (f->learnable && is_inside(f, i, 0) != is_inside(f, i, 1)) {
            tally.other_codes += 1;
            continue;
        }
        if (memcmp(&grad_x[i], &f->grad_x[i], sizeof *y) != 0) {
            fail_msg("%s: grad_x %d is %a, not %a", f->path, (int)i, (double)grad_x[i],
                     (double)f->grad_x[i]);
        }
        tally.elements += 1;
    }
}

/* Whether all of a block's codes are PyTorch's, so that its sums can be. */
static int has_same_codes(const struct fake_file *f, int64_t block) {
    const double z = nearbyint((double)f->zero[block]);
    const double low = f->scheme.qmin, high = f->scheme.qmax;
    if (zero_of_backward(f, block) != (z < low ? low : z > high ? high : z)) return 0;
    for (int64_t i = 0; i < f->n; ++i) {
        if (block_of(f, i) == block && code_of(f, i, 0) != code_of(f, i, 1)) return 0;
    }
    return 1;
}

static int is_near(float got, float want) {
    return fabs((double)got - (double)want) <= 1e-4 * fabs((double)want) + 1e-6;
}

static void check_sums(const struct fake_file *f, const float *grad_scale, const float *grad_zero) {
    for (int64_t b = 0; f->learnable && b < f->blocks; ++b) {
        if (!has_same_codes(f, b)) {
            if (lq_cpu_level() == LQ_CPU_SCALAR) {
                print_message("  %s, zero point %g: PyTorch's backward has %g, or rounds ties to "
                              "another code\n",
                              strrchr(f->path, '/') + 1, (double)f->zero[b],
                              zero_of_backward(f, b));
                tally.other_zeros += 1;
            }
            continue;
        }
        if (!is_near(grad_scale[b], f->grad_scale[b]) || !is_near(grad_zero[b], f->grad_zero[b])) {
            fail_msg("%s: block %d: %.9g and %.9g, not %.9g and %.9g", f->path, (int)b,
                     (double)grad_scale[b], (double)grad_zero[b], (double)f->grad_scale[b],
                     (double)f->grad_zero[b]);
        }
        tally.sums += 1;
    }
}

static void check_file(const struct fake_file *f) {
    static float y[MOST], grad_x[MOST], grad_scale[BLOCKS], grad_zero[BLOCKS];
    const tf_tensor *shape = tf_find(f->file, "x");
    const lq_tensor x = lq_contiguous(f->x, LQ_F32, shape->rank, shape->shape);
    const lq_tensor s = lq_vector(f->scale, LQ_F32, f->blocks);
    const lq_tensor z = lq_vector(f->zero, LQ_F32, f->blocks);
    const lq_tensor gs = lq_vector(grad_scale, LQ_F32, f->blocks);
    const lq_tensor gz = lq_vector(grad_zero, LQ_F32, f->blocks);
    lq_tensor ty = x, gy = x, gx = x;
    ty.data = y;
    gy.data = (void *)(uintptr_t)f->grad_y;
    gx.data = grad_x;
    for (int i = 0; i < 4; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        assert_int_equal(lq_fake_quantize(&x, &f->scheme, &s, &z, &ty, NULL), LQ_OK);
        assert_int_equal(
            lq_fake_quantize_grad(&x, &f->scheme, &s, &z, &gy, &gx, &gs, &gz, f->factor, NULL),
            LQ_OK);
        check_elements(f, y, grad_x);
        check_sums(f, grad_scale, grad_zero);
    }
    tally.files += 1;
}

static void run_file(const char *path, tf_file *file, const cJSON *meta, void *context) {
    static struct fake_file f;
    const char *family = vectors_text(meta, "family");
    (void)context;
    /* Some have the values alone. */
    if (!family || strncmp(family, "fq_", 3) != 0 || !tf_find(file, "grad_out")) return;
    memset(&f, 0, sizeof f);
    f.path = path;
    f.file = file;
    read_file(&f, meta, family);
    check_file(&f);
}

/* Returns 0 where the directory cannot be read. */
static int run_directory(const char *directory) {
    memset(&tally, 0, sizeof tally);
    if (!vectors_each(directory, run_file, NULL)) return 0;
    print_message("%s: %d files, %d elements of grad_x equal, %d with another code; %d sums near, "
                  "%d blocks left out\n",
                  directory, tally.files, tally.elements, tally.other_codes, tally.sums,
                  tally.other_zeros);
    return 1;
}

static void test_own_vectors(void **state) {
    const char *path = getenv("LQ_TEST_VECTORS_DIR");
    (void)state;
    if (!path || !run_directory(path)) fail_msg("LQ_TEST_VECTORS_DIR does not name the vectors");
    assert_true(tally.files >= 16 && tally.sums >= 8);
}

static void test_more_vectors(void **state) {
    const char *path = getenv("LQ_VECTORS");
    (void)state;
    if (!path || !*path || !run_directory(path)) {
        print_message("skipped: no further vectors\n");
        skip();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_vectors),
        cmocka_unit_test(test_more_vectors),
    };
    return cmocka_run_group_tests_name("gradient vectors", tests, NULL, NULL);
}
