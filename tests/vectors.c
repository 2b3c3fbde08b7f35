/* What vectors.h says. */
#include "vectors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const lq_cpu vector_levels[LEVELS] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

/* The first failures are shown, all are counted. */
void vector_fail(struct vector_case *c, const char *format, ...) {
    va_list arguments;
    c->failures += 1;
    if (c->failures > 3 || c->tally->failures > 60) return;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", c->path);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static void count_reason(struct vector_case *c, const char *reason, int whole) {
    struct vector_tally *t = c->tally;
    int i = 0;
    while (i < t->reason_count &&
           (t->reasons[i].row != c->row || strcmp(t->reasons[i].text, reason) != 0))
        ++i;
    if (i == REASONS) {
        vector_fail(c, "too many reasons");
        return;
    }
    if (i == t->reason_count) {
        t->reasons[i].row = c->row;
        snprintf(t->reasons[i].text, sizeof t->reasons[i].text, "%s", reason);
        t->reason_count += 1;
    }
    if (whole)
        t->reasons[i].whole += 1;
    else
        t->reasons[i].parts += 1;
}

void vector_skip(struct vector_case *c, const char *reason) {
    c->skips += 1;
    count_reason(c, reason, 1);
}

void vector_leave_out(struct vector_case *c, const char *reason) {
    count_reason(c, reason, 0);
}

/* ------------------------------------------------------------------ reading */

const char *text_of(const cJSON *object, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

double number_of(const cJSON *object, const char *key, double otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

int truth_of(const cJSON *object, const char *key) {
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key)) ||
           number_of(object, key, 0) != 0;
}

int has_key(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return item && !cJSON_IsNull(item);
}

int is_there(const lq_tensor *t) {
    return t->rank >= 0;
}

static lq_tensor no_tensor(void) {
    lq_tensor t = lq_vector(NULL, LQ_F32, 0);
    t.rank = -1;
    return t;
}

lq_tensor array_of(struct vector_case *c, const char *key) {
    static const struct {
        const char *name;
        lq_type type;
    } types[] = {{"F32", LQ_F32}, {"F16", LQ_F16}, {"I8", LQ_S8},  {"U8", LQ_U8},
                 {"I16", LQ_S16}, {"U16", LQ_U16}, {"I32", LQ_S32}};
    const tf_tensor *t = tf_find(c->file, key);
    for (size_t i = 0; t && i < sizeof types / sizeof types[0]; ++i)
        if (strcmp(t->dtype, types[i].name) == 0)
            return lq_contiguous(t->data, types[i].type, t->rank, t->shape);
    if (t) vector_fail(c, "%s is of type %s", key, t->dtype);
    return no_tensor();
}

lq_tensor reals_of(struct vector_case *c, const char *key) {
    const tf_tensor *t = tf_find(c->file, key);
    if (!t || strcmp(t->dtype, "F64") != 0) return array_of(c, key);
    const int64_t count = tf_elements(t->rank, t->shape);
    lq_tensor out = lq_contiguous(room_for(c, 4 * count), LQ_F32, t->rank, t->shape);
    for (int64_t i = 0; i < count; ++i) {
        double v;
        memcpy(&v, (const char *)t->data + 8 * i, 8);
        *f32_at(&out, i) = (float)v;
    }
    return out;
}

static int32_t integer_at(const tf_tensor *t, int64_t i) {
    const int size = tf_dtype_bits(t->dtype) / 8;
    const char *p = (const char *)t->data + size * i;
    const int is_signed = t->dtype[0] == 'I';
    int8_t b;
    int16_t h;
    int32_t w;
    int64_t d;
    switch (size) {
    case 1: memcpy(&b, p, 1); return is_signed ? b : (uint8_t)b;
    case 2: memcpy(&h, p, 2); return is_signed ? h : (uint16_t)h;
    case 4: memcpy(&w, p, 4); return w;
    default: memcpy(&d, p, 8); return (int32_t)d;
    }
}

lq_tensor integers_of(struct vector_case *c, const char *key) {
    const tf_tensor *t = tf_find(c->file, key);
    if (!t || t->dtype[0] == 'F') return no_tensor();
    const int64_t count = tf_elements(t->rank, t->shape);
    lq_tensor out = lq_contiguous(room_for(c, 4 * count), LQ_S32, t->rank, t->shape);
    for (int64_t i = 0; i < count; ++i) ((int32_t *)out.data)[i] = integer_at(t, i);
    return out;
}

lq_tensor view_of(struct vector_case *c, const char *key, const char *suffix, lq_type type,
                  int32_t rank, const int64_t *shape) {
    char name[64];
    snprintf(name, sizeof name, "%s%s", key, suffix);
    const tf_tensor *array = tf_find(c->file, name);
    const lq_tensor t = lq_contiguous(array ? array->data : NULL, type, rank, shape);
    if (array && t.size == array->size) return t;
    vector_fail(c, "%s: %s", name, array ? "an unexpected number of bytes" : "no such array");
    return no_tensor();
}

int64_t elements_of(const lq_tensor *t) {
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; ++i) n *= t->shape[i];
    return n;
}

lq_tensor flat(const lq_tensor *t) {
    return is_there(t) ? lq_vector(t->data, t->type, elements_of(t)) : *t;
}

void *room_for(struct vector_case *c, int64_t bytes) {
    void *memory = malloc((size_t)bytes + 8);
    if (!memory || c->allocations == ALLOCATIONS) abort();
    c->memory[c->allocations++] = memory;
    memset(memory, 0x5a, (size_t)bytes + 8);
    return memory;
}

lq_tensor empty_like(struct vector_case *c, const lq_tensor *t) {
    return lq_contiguous(room_for(c, t->size), t->type, t->rank, t->shape);
}

lq_tensor floats(struct vector_case *c, int64_t count) {
    return lq_vector(room_for(c, 4 * count), LQ_F32, count);
}

lq_tensor packed_like(struct vector_case *c, const lq_tensor *bytes, lq_type type) {
    const lq_tensor packed =
        lq_contiguous(room_for(c, elements_of(bytes)), type, bytes->rank, bytes->shape);
    const lq_status status = lq_pack_codes(bytes, &packed, NULL);
    if (status) vector_fail(c, "lq_pack_codes: %s", lq_status_string(status));
    return packed;
}

float *f32_at(const lq_tensor *t, int64_t i) {
    return (float *)t->data + i;
}

static float f16_value(uint16_t h) {
    const int exponent = h >> 10 & 31;
    float v = (float)(exponent ? 1024 + (h & 1023) : h & 1023);
    for (int e = exponent ? exponent : 1; e < 25; ++e) v /= 2;
    for (int e = 25; e < exponent; ++e) v *= 2;
    return h & 0x8000 ? -v : v;
}

float real_at(const lq_tensor *t, int64_t i) {
    float v;
    uint16_t h;
    if (t->type == LQ_F32) {
        memcpy(&v, (const char *)t->data + 4 * i, 4);
        return v;
    }
    memcpy(&h, (const char *)t->data + 2 * i, 2);
    return f16_value(h);
}

/* ---------------------------------------------------------------- comparing */

static void show_difference(struct vector_case *c, const lq_tensor *expected,
                            const lq_tensor *actual, const char *what) {
    const int64_t size = (expected->type & 0xff) > 8 ? (expected->type & 0xff) / 8 : 1;
    for (int64_t i = 0; i < expected->size; i += size) {
        uint32_t want = 0, have = 0;
        const char *e = (const char *)expected->data + i, *a = (const char *)actual->data + i;
        if (memcmp(e, a, (size_t)size) == 0) continue;
        for (int64_t k = 0; k < size; ++k) { /* in a number's own order on little-endian machines */
            want |= (uint32_t)(unsigned char)e[k] << 8 * k;
            have |= (uint32_t)(unsigned char)a[k] << 8 * k;
        }
        vector_fail(c, "%s on %s, %s %" PRId64 ": %" PRIx32 ", not %" PRIx32, what,
                    lq_cpu_name(lq_cpu_level()), lq_type_name(expected->type), i / size, have,
                    want);
        return;
    }
}

static void compare(struct vector_case *c, const char *what, const lq_tensor *expected,
                    const lq_tensor *actual) {
    if (!is_there(expected) || expected->size == 0) return;
    if (memcmp(expected->data, actual->data, (size_t)expected->size) != 0)
        show_difference(c, expected, actual, what);
}

static int use_level(int i) {
    return lq_cpu_use(vector_levels[i]) == LQ_OK;
}

static int succeeded(struct vector_case *c, const char *what, lq_status status) {
    if (status != LQ_OK) vector_fail(c, "%s: %s", what, lq_status_string(status));
    return status == LQ_OK;
}

static const lq_tensor *or_null(const lq_tensor *t) {
    return t && is_there(t) ? t : NULL;
}

void check_quantize(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *x,
                    const lq_tensor *scale, const lq_tensor *zero_point, const lq_tensor *codes) {
    c->comparisons += 1;
    for (int i = 0; i < LEVELS; ++i) {
        if (!use_level(i)) continue;
        const lq_tensor out = empty_like(c, codes);
        if (succeeded(c, "lq_quantize",
                      lq_quantize(x, scheme, scale, or_null(zero_point), &out, NULL)))
            compare(c, "lq_quantize", codes, &out);
    }
}

void check_dequantize(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *codes,
                      const lq_tensor *scale, const lq_tensor *zero_point, const lq_tensor *x) {
    c->comparisons += 1;
    for (int i = 0; i < LEVELS; ++i) {
        if (!use_level(i)) continue;
        const lq_tensor out = empty_like(c, x);
        if (succeeded(c, "lq_dequantize",
                      lq_dequantize(codes, scheme, scale, or_null(zero_point), &out, NULL)))
            compare(c, "lq_dequantize", x, &out);
    }
}

void check_fake_quantize(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *x,
                         const lq_tensor *scale, const lq_tensor *zero_point, const lq_tensor *y) {
    c->comparisons += 1;
    for (int i = 0; i < LEVELS; ++i) {
        if (!use_level(i)) continue;
        const lq_tensor out = empty_like(c, y);
        if (succeeded(c, "lq_fake_quantize",
                      lq_fake_quantize(x, scheme, scale, or_null(zero_point), &out, NULL)))
            compare(c, "lq_fake_quantize", y, &out);
    }
}

/* A matrix for each index before the axis: its rows are the axis, its columns all that follows. */
static lq_status dequantize_accumulators(const lq_tensor *acc, const lq_tensor *scale, int32_t axis,
                                         const lq_tensor *x) {
    const int64_t rows = elements_of(scale), all = elements_of(acc);
    int64_t matrices = 1;
    lq_product product;
    lq_status status = lq_product_init(&product, sizeof product);
    for (int32_t i = 0; rows > 1 && i < axis; ++i) matrices *= acc->shape[i];
    product.row_scale = scale;
    for (int64_t m = 0; m < matrices && !status; ++m) {
        lq_tensor a = lq_matrix(acc->data, LQ_S32, rows, all / matrices / rows);
        lq_tensor y = lq_matrix(x->data, x->type, rows, all / matrices / rows);
        a.offset = y.offset = m * (all / matrices);
        a.size = acc->size;
        y.size = x->size;
        status = lq_dequantize_accumulators(&a, &product, &y, NULL);
    }
    return status;
}

void check_accumulators(struct vector_case *c, const lq_tensor *acc, const lq_tensor *scale,
                        int32_t axis, const lq_tensor *x) {
    c->comparisons += 1;
    for (int i = 0; i < LEVELS; ++i) {
        if (!use_level(i)) continue;
        const lq_tensor out = empty_like(c, x);
        if (succeeded(c, "lq_dequantize_accumulators",
                      dequantize_accumulators(acc, scale, axis, &out)))
            compare(c, "lq_dequantize_accumulators", x, &out);
    }
}

void check_pack(struct vector_case *c, const lq_tensor *bytes, const lq_tensor *packed) {
    c->comparisons += 2;
    for (int i = 0; i < LEVELS; ++i) {
        if (!use_level(i)) continue;
        const lq_tensor narrow = empty_like(c, packed), wide = empty_like(c, bytes);
        if (succeeded(c, "lq_pack_codes", lq_pack_codes(bytes, &narrow, NULL)))
            compare(c, "lq_pack_codes", packed, &narrow);
        if (succeeded(c, "lq_unpack_codes", lq_unpack_codes(packed, &wide, NULL)))
            compare(c, "lq_unpack_codes", bytes, &wide);
    }
}

/* Sign and payload of a NaN are everybody's own. */
static void same_nans(const lq_tensor *expected, const lq_tensor *out) {
    const int64_t size = (out->type & 0xff) / 8;
    for (int64_t i = 0; i < elements_of(out) && size > 1; ++i) {
        char *e = (char *)expected->data + size * i;
        const char *o = (const char *)out->data + size * i;
        uint32_t a, b;
        uint16_t g, h;
        memcpy(&g, e, 2);
        memcpy(&h, o, 2);
        if (size == 4) {
            memcpy(&a, e, 4);
            memcpy(&b, o, 4);
        } else {
            a = (uint32_t)g << 16;
            b = (uint32_t)h << 16;
        }
        const uint32_t infinity = out->type == LQ_F16 ? 0x7c000000u : 0x7f800000u;
        if ((a & 0x7fffffffu) > infinity && (b & 0x7fffffffu) > infinity)
            memcpy(e, o, (size_t)size);
    }
}

void check_convert(struct vector_case *c, const lq_tensor *x, lq_overflow overflow,
                   const lq_tensor *y) {
    c->comparisons += 1;
    for (int i = 0; i < LEVELS; ++i) {
        if (!use_level(i)) continue;
        const lq_tensor out = empty_like(c, y), expected = empty_like(c, y);
        if (!succeeded(c, "lq_convert", lq_convert(x, &out, overflow, NULL))) continue;
        memcpy(expected.data, y->data, (size_t)y->size);
        same_nans(&expected, &out);
        compare(c, "lq_convert", &expected, &out);
    }
}

/* lo NULL: from x; codes NULL: no codes; nor a zero point where that is NULL. */
static void check_parameters(struct vector_case *c, const char *what, const lq_scheme *scheme,
                             const lq_tensor *x, const lq_tensor *lo, const lq_tensor *hi,
                             const lq_tensor *codes, const lq_tensor *scale,
                             const lq_tensor *zero_point) {
    c->comparisons += 1;
    for (int i = 0; i < LEVELS; ++i) {
        if (!use_level(i)) continue;
        const lq_tensor s = empty_like(c, scale);
        lq_tensor q, zero;
        const lq_tensor *z = zero_point ? &zero : NULL;
        lq_status status;
        if (zero_point) zero = empty_like(c, zero_point);
        if (codes) q = empty_like(c, codes);
        if (lo)
            status = lq_choose_parameters(lo, hi, scheme, &s, z, NULL);
        else if (codes)
            status = lq_quantize_dynamic(x, scheme, &q, &s, z, NULL);
        else
            status = lq_calibrate(x, scheme, &s, z, NULL);
        if (!succeeded(c, what, status)) continue;
        compare(c, what, scale, &s);
        if (zero_point) compare(c, what, zero_point, &zero);
        if (codes) compare(c, what, codes, &q);
    }
}

void check_calibrate(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *x,
                     const lq_tensor *scale, const lq_tensor *zero_point) {
    check_parameters(c, "lq_calibrate", scheme, x, NULL, NULL, NULL, scale, zero_point);
}

void check_choose(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *lo,
                  const lq_tensor *hi, const lq_tensor *scale, const lq_tensor *zero_point) {
    check_parameters(c, "lq_choose_parameters", scheme, NULL, lo, hi, NULL, scale, zero_point);
}

void check_dynamic(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *x,
                   const lq_tensor *codes, const lq_tensor *scale, const lq_tensor *zero_point) {
    check_parameters(c, "lq_quantize_dynamic", scheme, x, NULL, NULL, codes, scale, zero_point);
}

/* --------------------------------------------------------------- histograms */

int histogram_of(struct vector_case *c, const char *counts, const char *edges, lq_histogram *h) {
    const lq_tensor edge = array_of(c, edges), count = integers_of(c, counts);
    if (!is_there(&count) || !is_there(&edge) || elements_of(&edge) != elements_of(&count) + 1) {
        vector_fail(c, "no histogram %s, %s", counts, edges);
        return 0;
    }
    double *reals = room_for(c, 8 * elements_of(&count));
    for (int64_t i = 0; i < elements_of(&count); ++i) reals[i] = ((int32_t *)count.data)[i];
    lq_histogram_init(h, sizeof *h);
    h->counts = reals;
    h->edges = edge.data;
    h->bins = elements_of(&count);
    return 1;
}

void even_histogram(struct vector_case *c, const lq_tensor *counts, float lo, float hi,
                    lq_histogram *h) {
    const int64_t bins = elements_of(counts);
    const lq_tensor edges = floats(c, bins + 1);
    double *reals = room_for(c, 8 * bins);
    for (int64_t i = 0; i < bins; ++i) {
        reals[i] = (double)real_at(counts, i);
        *f32_at(&edges, i) = (float)(lo + ((double)hi - lo) * (double)i / (double)bins);
    }
    *f32_at(&edges, bins) = hi;
    lq_histogram_init(h, sizeof *h);
    h->counts = reals;
    h->edges = edges.data;
    h->bins = bins;
}

int find_range(struct vector_case *c, const lq_histogram *h, const lq_calibration *calibration,
               const lq_scheme *scheme, float *lo, float *hi) {
    int found = 0;
    c->comparisons += 1;
    for (int i = 0; i < LEVELS; ++i) {
        float ends[2];
        if (!use_level(i)) continue;
        if (!succeeded(c, "lq_histogram_range",
                       lq_histogram_range(h, calibration, scheme, &ends[0], &ends[1])))
            return 0;
        if (found && (ends[0] != *lo || ends[1] != *hi)) {
            vector_fail(c, "another range on %s", lq_cpu_name(lq_cpu_level()));
            return 0;
        }
        *lo = ends[0];
        *hi = ends[1];
        found = 1;
    }
    return found;
}

/* -------------------------------------------------------------- calibrators */

static int make_calibrator(struct vector_case *c, const struct vector_observed *o,
                           lq_calibrator **calibrator) {
    lq_calibrator_options options;
    size_t size = 0;
    lq_calibrator_options_init(&options, sizeof options);
    options.statistic = o->averaging != 0 ? LQ_STATISTIC_MOVING_AVERAGE : LQ_STATISTIC_RANGE;
    options.averaging = o->averaging;
    if (o->axis >= 0) {
        options.axis = o->axis;
        options.channels = o->batches.shape[1 + o->axis];
    }
    if (!succeeded(c, "lq_calibrator_size", lq_calibrator_size(&options, &size))) return 0;
    *calibrator = room_for(c, (int64_t)size);
    return succeeded(c, "lq_calibrator_init", lq_calibrator_init(*calibrator, size, &options));
}

static void compare_ends(struct vector_case *c, const char *what, const lq_tensor *expected,
                         int64_t first, const lq_tensor *actual) {
    for (int64_t i = 0; i < elements_of(actual); ++i)
        if (real_at(expected, first + i) != *f32_at(actual, i))
            vector_fail(c, "%s of %" PRId64 " on %s: %a, not %a", what, i,
                        lq_cpu_name(lq_cpu_level()), (double)*f32_at(actual, i),
                        (double)real_at(expected, first + i));
}

/* One batch, and the ranges after it. */
static int observe_batch(struct vector_case *c, const struct vector_observed *o, int64_t b,
                         const lq_scheme *scheme, lq_calibrator *calibrator, lq_tensor *lo,
                         lq_tensor *hi) {
    const lq_calibration by =
        lq_calibration_by(o->averaging != 0 ? LQ_METHOD_MOVING_AVERAGE : LQ_METHOD_MIN_MAX);
    const lq_tensor *all = &o->batches;
    lq_tensor batch = lq_contiguous(all->data, all->type, all->rank - 1, all->shape + 1);
    batch.offset = b * elements_of(&batch);
    batch.size = all->size;
    if (!succeeded(c, "lq_calibrator_observe", lq_calibrator_observe(calibrator, &batch, NULL)) ||
        !succeeded(c, "lq_calibrator_ranges",
                   lq_calibrator_ranges(calibrator, &by, scheme, lo, hi, NULL)))
        return 0;
    if (is_there(&o->history)) {
        compare_ends(c, "the running low", &o->history, 2 * b, lo);
        compare_ends(c, "the running high", &o->history, 2 * b + 1, hi);
    }
    return 1;
}

static void observe_all(struct vector_case *c, const lq_scheme *scheme,
                        const struct vector_observed *o) {
    const lq_calibration by =
        lq_calibration_by(o->averaging != 0 ? LQ_METHOD_MOVING_AVERAGE : LQ_METHOD_MIN_MAX);
    const lq_tensor s = empty_like(c, &o->scale), z = empty_like(c, &o->zero_point);
    lq_tensor lo = empty_like(c, &o->lo), hi = empty_like(c, &o->hi);
    lq_calibrator *calibrator;
    if (!make_calibrator(c, o, &calibrator)) return;
    for (int64_t b = 0; b < o->batches.shape[0]; ++b)
        if (!observe_batch(c, o, b, scheme, calibrator, &lo, &hi)) return;
    compare_ends(c, "the low", &o->lo, 0, &lo);
    compare_ends(c, "the high", &o->hi, 0, &hi);
    if (!succeeded(c, "lq_calibrator_parameters",
                   lq_calibrator_parameters(calibrator, &by, scheme, &s, &z, NULL)))
        return;
    compare(c, "lq_calibrator_parameters", &o->scale, &s);
    compare(c, "lq_calibrator_parameters", &o->zero_point, &z);
}

void check_observed(struct vector_case *c, const lq_scheme *scheme,
                    const struct vector_observed *o) {
    c->comparisons += 1;
    for (int i = 0; i < LEVELS; ++i)
        if (use_level(i)) observe_all(c, scheme, o);
}
