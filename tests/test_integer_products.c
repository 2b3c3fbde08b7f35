/*
 * ONNX's integer products from conformance vectors, found by reading directories: QLinearMatMul by
 * lq_requantize, MatMulInteger by lq_sum_codes and lq_dequantize_accumulators, on every level. The
 * products themselves are made here, one multiplication at a time.
 *
 * LQ_TEST_VECTORS_DIR  the project's own set; must be there
 * LQ_VECTORS           a directory of more of the same form; unset or empty: none
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "naive.h"
#include "vector_files.h"

enum { MOST = 1 << 16 };

struct vector_file {
    const char *path;
    tf_file *file;
    cJSON *meta;
};

struct tally {
    int requantized, corrected, left_out;
};

static const char *text_of(const cJSON *object, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* An input or output by its name; rank -1 where there is none of a type that libquant has. */
static lq_tensor operand(const struct vector_file *f, const char *list, const char *name) {
    static const char *const dtypes[] = {"float32", "float16", "int8", "uint8", "int32"};
    static const lq_type types[] = {LQ_F32, LQ_F16, LQ_S8, LQ_U8, LQ_S32};
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(f->meta, list)) {
        const char *dtype = text_of(item, "dtype"), *key = text_of(item, "key");
        const tf_tensor *t = key ? tf_find(f->file, key) : NULL;
        if (!t || !dtype || strcmp(text_of(item, "name"), name) != 0) continue;
        for (int i = 0; i < 5; ++i) {
            if (strcmp(dtype, dtypes[i]) != 0) continue;
            return lq_contiguous(t->data, types[i], t->rank, t->shape);
        }
    }
    return lq_contiguous(NULL, LQ_F32, -1, NULL);
}

/* A zero point of one element, or of one for each row or column; 0 where there is none. */
static int32_t zero_of(const lq_tensor *zero, int64_t i) {
    if (zero->rank < 0) return 0;
    return naive_get_code(zero, naive_count(zero) == 1 ? 0 : i);
}

/* c = (a - za)(b - zb) over the last two axes, or of the codes alone. */
static void multiply(const lq_tensor *a, const lq_tensor *b, const lq_tensor *za,
                     const lq_tensor *zb, int32_t *c) {
    const int64_t m = a->shape[a->rank - 2], k = a->shape[a->rank - 1], n = b->shape[b->rank - 1];
    const int64_t count = naive_count(a) / k * n;
    assert_true(count <= MOST);
    for (int64_t i = 0; i < count; ++i) {
        const int64_t row = i / n % m, column = i % n, batch = i / n / m;
        int64_t sum = 0;
        for (int64_t j = 0; j < k; ++j) {
            const int32_t x = naive_get_code(a, i / n * k + j);
            const int32_t w =
                naive_get_code(b, (b->rank == 2 ? 0 : batch * k * n) + j * n + column);
            sum += (x - (za ? zero_of(za, row) : 0)) * (w - (zb ? zero_of(zb, column) : 0));
        }
        c[i] = (int32_t)sum;
    }
}

static float one_scale(const struct vector_file *f, const char *name, lq_type *type) {
    const lq_tensor t = operand(f, "inputs", name);
    if (t.rank < 0 || naive_count(&t) != 1) fail_msg("%s: %s is not one scale", f->path, name);
    *type = t.type;
    return naive_get_real(&t, 0);
}

/* sa * sb / sy, each rounded to the type of the scales. */
static uint32_t multiplier_of(const struct vector_file *f, lq_type *type) {
    const float a = one_scale(f, "a_scale", type);
    const float b = one_scale(f, "b_scale", type);
    const float y = one_scale(f, "y_scale", type);
    const float product = naive_widen(*type, naive_narrow(*type, (double)(a * b)));
    return naive_narrow(*type, (double)(product / y));
}

static void run_qlinear(const struct vector_file *f, struct tally *tally) {
    static int32_t products[MOST];
    static uint8_t codes[MOST];
    const lq_tensor a = operand(f, "inputs", "a"), b = operand(f, "inputs", "b");
    const lq_tensor za = operand(f, "inputs", "a_zero_point");
    const lq_tensor zb = operand(f, "inputs", "b_zero_point");
    const lq_tensor zy = operand(f, "inputs", "y_zero_point");
    const lq_tensor y = operand(f, "outputs", "y");
    lq_type type;
    const uint32_t bits = multiplier_of(f, &type);
    const uint16_t half = (uint16_t)bits;
    if (a.rank < 2 || b.rank < 2 || y.rank < 2) fail_msg("%s: a matrix is missing", f->path);
    multiply(&a, &b, &za, &zb, products);
    const lq_tensor acc = lq_contiguous(products, LQ_S32, y.rank, y.shape);
    const lq_tensor q = lq_contiguous(codes, y.type, y.rank, y.shape);
    const lq_tensor m =
        lq_vector(type == LQ_F32 ? (const void *)&bits : (const void *)&half, type, 1);
    const lq_scheme scheme = lq_affine(y.type, lq_per_tensor());
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_cpu_use(level) != LQ_OK) continue;
        const lq_status status =
            lq_requantize(&acc, &scheme, LQ_REQUANTIZE_ONNX, &m, NULL, &zy, &q, NULL);
        if (status) fail_msg("%s: %s", f->path, lq_status_string(status));
        if (memcmp(codes, y.data, (size_t)y.size) == 0) continue;
        fail_msg("%s: the codes differ on level %s", f->path, lq_cpu_name(level));
    }
    ++tally->requantized;
}

/* The corrections for zero points from sums: real values that are the expected integers. */
static void run_integer(const struct vector_file *f, struct tally *tally) {
    static int32_t products[MOST], row_sums[MOST], column_sums[MOST];
    static float values[MOST];
    const lq_tensor a = operand(f, "inputs", "A"), b = operand(f, "inputs", "B");
    const lq_tensor za = operand(f, "inputs", "a_zero_point");
    const lq_tensor zb = operand(f, "inputs", "b_zero_point");
    const lq_tensor y = operand(f, "outputs", "Y");
    lq_product p;
    if (a.rank != 2 || b.rank != 2 || y.rank != 2 || za.rank < 0 || zb.rank < 0) {
        ++tally->left_out;
        return;
    }
    const lq_scheme by_row = lq_affine(a.type, lq_per_channel(0));
    const lq_scheme by_column = lq_affine(b.type, lq_per_channel(1));
    const lq_tensor rows = lq_vector(row_sums, LQ_S32, a.shape[0]);
    const lq_tensor columns = lq_vector(column_sums, LQ_S32, b.shape[1]);
    const lq_tensor acc = lq_contiguous(products, LQ_S32, 2, y.shape);
    const lq_tensor x = lq_contiguous(values, LQ_F32, 2, y.shape);
    multiply(&a, &b, NULL, NULL, products);
    lq_product_init(&p, sizeof p);
    p.depth = a.shape[1];
    p.row_zero_point = &za;
    p.column_zero_point = &zb;
    p.row_sums = &rows;
    p.column_sums = &columns;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_cpu_use(level) != LQ_OK) continue;
        assert_int_equal(lq_sum_codes(&a, &by_row, &rows, NULL), LQ_OK);
        assert_int_equal(lq_sum_codes(&b, &by_column, &columns, NULL), LQ_OK);
        assert_int_equal(lq_dequantize_accumulators(&acc, &p, &x, NULL), LQ_OK);
        for (int64_t i = 0; i < naive_count(&y); ++i) {
            assert_true(values[i] == (float)naive_get_code(&y, i));
        }
    }
    ++tally->corrected;
}

static void run_file(const char *path, void *context) {
    struct tally *tally = context;
    char message[512] = "";
    struct vector_file f = {.path = path, .file = tf_open(path, message, sizeof message)};
    if (!f.file) fail_msg("%s: %s", path, message);
    const char *text = text_of(f.file->metadata, "meta");
    f.meta = text ? cJSON_Parse(text) : NULL;
    const char *op = text_of(f.meta, "op");
    if (op && strcmp(op, "QLinearMatMul") == 0) run_qlinear(&f, tally);
    if (op && strcmp(op, "MatMulInteger") == 0) run_integer(&f, tally);
    cJSON_Delete(f.meta);
    tf_close(f.file);
}

static void print_tally(const char *path, const struct tally *t) {
    print_message("%s: %d of QLinearMatMul, %d of MatMulInteger, %d left out\n", path,
                  t->requantized, t->corrected, t->left_out);
}

static void test_own_vectors(void **state) {
    const char *path = getenv("LQ_TEST_VECTORS_DIR");
    struct tally tally = {0, 0, 0};
    (void)state;
    if (!path || !vector_paths_each(path, run_file, &tally)) {
        fail_msg("LQ_TEST_VECTORS_DIR does not name the project's tests/vectors");
    }
    print_tally(path, &tally);
    assert_true(tally.requantized >= 8 && tally.corrected >= 1);
}

static void test_more_vectors(void **state) {
    const char *path = getenv("LQ_VECTORS");
    struct tally tally = {0, 0, 0};
    (void)state;
    if (!path || !*path) {
        print_message("skipped: no further vectors, LQ_VECTORS is not set\n");
        skip();
    }
    if (!vector_paths_each(path, run_file, &tally)) fail_msg("%s cannot be read", path);
    print_tally(path, &tally);
    assert_true(tally.requantized > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_vectors),
        cmocka_unit_test(test_more_vectors),
    };
    return cmocka_run_group_tests_name("integer_products", tests, NULL, NULL);
}
