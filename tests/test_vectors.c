/*
 * Conformance vectors: cases made with other systems, found by reading directories, compared bit
 * for bit through the public functions on every level.
 *
 * LQ_TEST_VECTORS_DIR  the project's own set; must be there
 * LQ_VECTORS           a directory of more of the same form; unset or empty: none
 *
 * Understood are ONNX's QuantizeLinear and DequantizeLinear (meta.op) and the quantized tensors of
 * PyTorch (meta.family). PyTorch multiplies by the reciprocal where libquant divides, so its codes
 * are compared only where every scale is a power of two; its reals always.
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

#include "libquant.h"
#include "vector_files.h"

/* One comparison: parameters, real values and codes, some inputs and one of them expected. */
struct vector_case {
    const char *path;
    tf_file *file;
    const cJSON *meta;
    lq_tensor x, codes, scale, zero_point;
    int has_zero_point;
    lq_block block;
    lq_type code_type;
};

enum { REASONS = 100 };

struct tally {
    int ran;
    int checks;
    int onnx; /* of those that ran: from a folder named onnx, float32 throughout */
    int skipped;
    char reasons[REASONS][80];
    int counts[REASONS];
};

static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

/* ------------------------------------------------------------------ reading */

static const struct {
    const char *name; /* as ONNX has it */
    lq_type type;
    lq_type bytes; /* of the array that holds one element a byte */
} dtypes[] = {
    {"float32", LQ_F32, 0}, {"float16", LQ_F16, 0},  {"bfloat16", LQ_BF16, 0},
    {"int8", LQ_S8, 0},     {"uint8", LQ_U8, 0},     {"int16", LQ_S16, 0},
    {"uint16", LQ_U16, 0},  {"int4", LQ_S4, LQ_S8},  {"uint4", LQ_U4, LQ_U8},
    {"int2", LQ_S2, LQ_S8}, {"uint2", LQ_U2, LQ_U8},
};

static int find_dtype(const char *name) {
    for (size_t i = 0; name && i < sizeof dtypes / sizeof dtypes[0]; ++i)
        if (strcmp(dtypes[i].name, name) == 0) return (int)i;
    return -1;
}

static int64_t number_of(const cJSON *object, const char *key, int64_t otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : otherwise;
}

static void count_skipped(struct tally *tally, const char *reason) {
    int i = 0;
    while (i < REASONS - 1 && tally->counts[i] > 0 && strcmp(tally->reasons[i], reason) != 0) ++i;
    if (tally->counts[i] == 0) snprintf(tally->reasons[i], sizeof tally->reasons[i], "%s", reason);
    tally->counts[i] += 1;
    tally->skipped += 1;
}

/* The array of that name with the shape of the case; its bytes must be what the view takes. */
static lq_tensor array_of(const struct vector_case *c, const char *key, const char *suffix,
                          lq_type type, int32_t rank, const int64_t *shape) {
    char name[64];
    const tf_tensor *array;
    lq_tensor t;
    snprintf(name, sizeof name, "%s%s", key, suffix);
    array = tf_find(c->file, name);
    if (!array) fail_msg("%s: no array %s", c->path, name);
    t = lq_contiguous(array->data, type, rank, shape);
    if (t.size != array->size)
        fail_msg("%s: %s has %" PRId64 " bytes, not %" PRId64, c->path, name, array->size, t.size);
    return t;
}

/* ------------------------------------------------------------------ running */

static void compare(const struct vector_case *c, lq_status status, const lq_tensor *expected,
                    const void *actual, const char *what) {
    if (status != LQ_OK) fail_msg("%s, %s: %s", c->path, what, lq_status_string(status));
    if (expected->size > 0 && memcmp(expected->data, actual, (size_t)expected->size) != 0)
        fail_msg("%s, %s: the bytes differ on level %s", c->path, what,
                 lq_cpu_name(lq_cpu_level()));
}

static void *room_for(int64_t elements) {
    void *memory = malloc((size_t)elements * 4 + 8);
    if (!memory) abort();
    return memory;
}

static int64_t elements_of(const lq_tensor *t) {
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; ++i) n *= t->shape[i];
    return n;
}

static lq_scheme scheme_of(const struct vector_case *c) {
    static const int32_t low[] = {-2, -8, 0, 0}, high[] = {1, 7, 3, 15};
    static const lq_type narrow[] = {LQ_S2, LQ_S4, LQ_U2, LQ_U4};
    lq_scheme scheme = lq_affine(c->codes.type, c->block);
    /* Narrow codes in bytes: the type is the bytes', the range the narrow one's. */
    for (int i = 0; i < 4 && c->codes.type != c->code_type; ++i) {
        if (narrow[i] != c->code_type) continue;
        scheme.qmin = low[i];
        scheme.qmax = high[i];
    }
    return scheme;
}

static void check_quantize(const struct vector_case *c) {
    lq_scheme scheme = scheme_of(c);
    const lq_tensor *zero_point = c->has_zero_point ? &c->zero_point : NULL;
    lq_tensor codes = c->codes;
    codes.data = room_for(elements_of(&codes));
    for (int i = 0; i < 4; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        memset(codes.data, 0x5a, (size_t)codes.size);
        compare(c, lq_quantize(&c->x, &scheme, &c->scale, zero_point, &codes, NULL), &c->codes,
                codes.data, "lq_quantize");
    }
    free(codes.data);
}

static void check_dequantize(const struct vector_case *c) {
    lq_scheme scheme = scheme_of(c);
    const lq_tensor *zero_point = c->has_zero_point ? &c->zero_point : NULL;
    lq_tensor x = c->x;
    x.data = room_for(elements_of(&x));
    for (int i = 0; i < 4; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        memset(x.data, 0x5a, (size_t)x.size);
        compare(c, lq_dequantize(&c->codes, &scheme, &c->scale, zero_point, &x, NULL), &c->x,
                x.data, "lq_dequantize");
    }
    free(x.data);
}

static void check_pack(const struct vector_case *c, const lq_tensor *bytes,
                       const lq_tensor *packed) {
    lq_tensor to_packed = *packed, to_bytes = *bytes;
    to_packed.data = room_for(elements_of(packed));
    to_bytes.data = room_for(elements_of(bytes));
    for (int i = 0; i < 4; ++i) {
        if (lq_cpu_use(levels[i]) != LQ_OK) continue;
        compare(c, lq_pack(bytes, &to_packed, NULL), packed, to_packed.data, "lq_pack");
        compare(c, lq_unpack(packed, &to_bytes, NULL), bytes, to_bytes.data, "lq_unpack");
    }
    free(to_packed.data);
    free(to_bytes.data);
}

static void check(const struct vector_case *c, int quantizes, struct tally *tally) {
    if (quantizes)
        check_quantize(c);
    else
        check_dequantize(c);
    tally->checks += 1;
}

/* --------------------------------------------------------------------- ONNX */

struct operand {
    const cJSON *item;
    const char *key;
    const char *dtype_name;
    int dtype; /* -1: not one of libquant's */
    int32_t rank;
    int64_t shape[LQ_MAX_RANK];
};

static void read_operand(const struct vector_case *c, const cJSON *item, struct operand *o) {
    const cJSON *dimension;
    memset(o, 0, sizeof *o);
    o->item = item;
    o->key = vectors_text(item, "key");
    o->dtype_name = vectors_text(item, "dtype");
    o->dtype = find_dtype(o->dtype_name);
    if (!o->key || !o->dtype_name) fail_msg("%s: an operand without key or dtype", c->path);
    cJSON_ArrayForEach(dimension, cJSON_GetObjectItemCaseSensitive(item, "shape")) {
        if (o->rank == LQ_MAX_RANK) fail_msg("%s: too many dimensions", c->path);
        o->shape[o->rank++] = (int64_t)dimension->valuedouble;
    }
}

/* Inputs are told apart by name: an optional one that is missing leaves no gap. */
static void read_inputs(const struct vector_case *c, struct operand *x, struct operand *scale,
                        struct operand *zero_point) {
    const cJSON *item;
    memset(x, 0, sizeof *x);
    memset(scale, 0, sizeof *scale);
    memset(zero_point, 0, sizeof *zero_point);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(c->meta, "inputs")) {
        const char *name = vectors_text(item, "name");
        if (!name) fail_msg("%s: an input without a name", c->path);
        read_operand(c, item,
                     strstr(name, "scale")        ? scale
                     : strstr(name, "zero_point") ? zero_point
                                                  : x);
    }
    if (!x->item || !scale->item) fail_msg("%s: x or the scale is missing", c->path);
}

/* NULL where the case is one for libquant's rules, or why not. */
static const char *onnx_obstacle(const cJSON *attrs, int quantizes, const struct operand *reals,
                                 const struct operand *codes, const struct operand *scale) {
    static char text[80];
    int64_t precision = number_of(attrs, "precision", 0);
    if (codes->dtype < 3 || reals->dtype < 0 || reals->dtype > 2) {
        snprintf(text, sizeof text, "codes of %s", codes->dtype_name);
        return text;
    }
    if (quantizes && precision != 1 && (precision != 0 || scale->dtype != 0 || reals->dtype != 0)) {
        snprintf(text, sizeof text, "quotient in %s",
                 precision ? "the precision asked for" : scale->dtype_name);
        return text;
    }
    return NULL;
}

static void set_zero_point(struct vector_case *c, const struct operand *o, int packed) {
    c->has_zero_point = o->item != NULL;
    if (!o->item) return;
    if (dtypes[o->dtype].bytes && !packed)
        c->zero_point = array_of(c, o->key, "", dtypes[o->dtype].bytes, o->rank, o->shape);
    else
        c->zero_point = array_of(c, o->key, dtypes[o->dtype].bytes ? "_packed" : "",
                                 dtypes[o->dtype].type, o->rank, o->shape);
}

/* ONNX has a scalar for one scale, libquant the grid's shape or a vector. */
static void flatten(lq_tensor *t, int64_t count) {
    if (t->rank <= 1) *t = lq_vector(t->data, t->type, count);
}

static void run_onnx(struct vector_case *c, int quantizes, struct tally *tally) {
    const cJSON *attrs = cJSON_GetObjectItemCaseSensitive(c->meta, "attrs");
    struct operand input, scale, zero_point, output, *reals, *codes;
    int64_t block_size = number_of(attrs, "block_size", 0), scales;
    int32_t axis = (int32_t)number_of(attrs, "axis", 1);
    const char *obstacle;
    read_inputs(c, &input, &scale, &zero_point);
    read_operand(c, cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(c->meta, "outputs"), 0),
                 &output);
    reals = quantizes ? &input : &output;
    codes = quantizes ? &output : &input;
    obstacle = onnx_obstacle(attrs, quantizes, reals, codes, &scale);
    if (obstacle) {
        count_skipped(tally, obstacle);
        return;
    }
    c->x = array_of(c, reals->key, "", dtypes[reals->dtype].type, reals->rank, reals->shape);
    c->scale = array_of(c, scale.key, "", dtypes[scale.dtype].type, scale.rank, scale.shape);
    c->code_type = dtypes[codes->dtype].type;
    scales = elements_of(&c->scale);
    c->block = block_size   ? lq_per_block(axis, block_size)
               : scales > 1 ? lq_per_channel(axis)
                            : lq_per_tensor();
    flatten(&c->scale, scales);
    for (int packed = dtypes[codes->dtype].bytes ? 0 : 1; packed < 2; ++packed) {
        lq_type bytes = dtypes[codes->dtype].bytes;
        c->codes = array_of(c, codes->key, bytes && packed ? "_packed" : "",
                            packed ? c->code_type : bytes, codes->rank, codes->shape);
        set_zero_point(c, &zero_point, packed);
        if (c->has_zero_point) flatten(&c->zero_point, scales);
        check(c, quantizes, tally);
        if (bytes && packed) {
            lq_tensor unpacked = array_of(c, codes->key, "", bytes, codes->rank, codes->shape);
            check_pack(c, &unpacked, &c->codes);
        }
    }
    tally->ran += 1;
    if (reals->dtype == 0 && scale.dtype == 0 && strstr(c->path, "/onnx/")) tally->onnx += 1;
}

/* ------------------------------------------------------------------ PyTorch */

static int all_powers_of_two(const lq_tensor *scale) {
    int64_t count = elements_of(scale);
    for (int64_t i = 0; i < count; ++i) {
        float s;
        int e;
        memcpy(&s, (const char *)scale->data + 4 * i, 4);
        if (frexpf(s, &e) != 0.5f || e < -100 || e > 100) return 0;
    }
    return 1;
}

static lq_tensor torch_array(const struct vector_case *c, const char *key) {
    const tf_tensor *t = tf_find(c->file, key);
    static const char *const names[] = {"F32", "I8", "U8", "I32"};
    static const lq_type types[] = {LQ_F32, LQ_S8, LQ_U8, LQ_S32};
    for (int i = 0; t && i < 4; ++i)
        if (strcmp(t->dtype, names[i]) == 0)
            return lq_contiguous(t->data, types[i], t->rank, t->shape);
    return lq_contiguous(NULL, 0, -1, NULL);
}

/* Zero points of 64 bits into 32, which libquant has. */
static int32_t *narrow_zero_points(struct vector_case *c) {
    const tf_tensor *t = tf_find(c->file, "zero_point");
    int32_t *narrow;
    int64_t count;
    if (!t || strcmp(t->dtype, "I64") != 0) return NULL;
    count = t->size / 8;
    narrow = room_for(count);
    for (int64_t i = 0; i < count; ++i) {
        int64_t z;
        memcpy(&z, (const char *)t->data + 8 * i, 8);
        narrow[i] = (int32_t)z;
    }
    c->zero_point = lq_vector(narrow, LQ_S32, count);
    return narrow;
}

static void run_torch(struct vector_case *c, struct tally *tally) {
    int32_t *narrow;
    lq_tensor x = torch_array(c, "x"), division = torch_array(c, "q_div");
    c->codes = torch_array(c, "q");
    c->scale = torch_array(c, "scale");
    c->zero_point = torch_array(c, "zero_point");
    narrow = narrow_zero_points(c);
    c->code_type = c->codes.type;
    if ((c->code_type != LQ_S8 && c->code_type != LQ_U8) || c->scale.type != LQ_F32) {
        count_skipped(tally, "PyTorch: codes or scales of another type");
        free(narrow);
        return;
    }
    flatten(&c->scale, elements_of(&c->scale));
    flatten(&c->zero_point, elements_of(&c->zero_point));
    c->has_zero_point = 1;
    c->block = cJSON_GetObjectItemCaseSensitive(c->meta, "axis")
                   ? lq_per_channel((int32_t)number_of(c->meta, "axis", 0))
                   : lq_per_tensor();
    c->x = torch_array(c, "dq");
    if (c->x.rank >= 0) check(c, 0, tally);
    c->x = x;
    if (x.rank >= 0 && all_powers_of_two(&c->scale)) check(c, 1, tally);
    if (x.rank >= 0 && division.rank >= 0) {
        c->codes = division;
        check(c, 1, tally);
    }
    tally->ran += 1;
    free(narrow);
}

/* -------------------------------------------------------------------- files */

static int is_one_of(const char *name, const char *const *list) {
    for (; name && *list; ++list)
        if (strcmp(name, *list) == 0) return 1;
    return 0;
}

static void run_file(const char *path, tf_file *file, const cJSON *meta, void *context) {
    static const char *const torch[] = {"qpt", "qpc", "dq", "muldiv", "tiezp", NULL};
    struct tally *tally = context;
    struct vector_case c;
    char reason[80];
    const char *op = vectors_text(meta, "op"), *family = vectors_text(meta, "family");
    memset(&c, 0, sizeof c);
    c.path = path;
    c.file = file;
    c.meta = meta;
    if (op && strcmp(op, "QuantizeLinear") == 0) {
        run_onnx(&c, 1, tally);
    } else if (op && strcmp(op, "DequantizeLinear") == 0) {
        run_onnx(&c, 0, tally);
    } else if (is_one_of(family, torch) && strstr(path, "/torch/")) {
        run_torch(&c, tally);
    } else {
        snprintf(reason, sizeof reason, "%s", family ? family : op ? op : "another system's rule");
        count_skipped(tally, reason);
    }
}

static void print_tally(const char *path, const struct tally *tally) {
    print_message("%s: ran %d cases (%d comparisons), skipped %d\n", path, tally->ran,
                  tally->checks, tally->skipped);
    for (int i = 0; i < REASONS && tally->counts[i] > 0; ++i)
        print_message("  skipped %d: %s\n", tally->counts[i], tally->reasons[i]);
}

static void test_own_vectors(void **state) {
    const char *path = getenv("LQ_TEST_VECTORS_DIR");
    struct tally tally;
    (void)state;
    memset(&tally, 0, sizeof tally);
    if (!path || !vectors_each(path, run_file, &tally))
        fail_msg("LQ_TEST_VECTORS_DIR does not name the project's tests/vectors");
    print_tally(path, &tally);
    assert_true(tally.ran >= 40);
}

static void test_more_vectors(void **state) {
    const char *path = getenv("LQ_VECTORS");
    struct tally tally;
    (void)state;
    memset(&tally, 0, sizeof tally);
    if (!path || !*path) {
        print_message("skipped: no further vectors, LQ_VECTORS is not set\n");
        skip();
    }
    if (!vectors_each(path, run_file, &tally)) fail_msg("%s cannot be read", path);
    print_tally(path, &tally);
    print_message("  of ONNX's own node tests, with float32: %d\n", tally.onnx);
    assert_true(tally.ran > 0);
    /* ONNX's own tests have 19 with integer codes and float32 throughout. */
    if (tally.onnx > 0) assert_true(tally.onnx >= 19);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_vectors),
        cmocka_unit_test(test_more_vectors),
    };
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
