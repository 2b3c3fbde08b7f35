#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gguf.h"
#include "quantized.h"
#include "table.h"

typedef struct range {
    double low, high;
    int64_t finite, nan, infinite;
} range;

static double half_value(unsigned bits) {
    const int exponent = (int)(bits >> 10 & 31);
    const double fraction = (double)(bits & 0x3ff);
    double magnitude = exponent == 0    ? ldexp(fraction, -24)
                       : exponent == 31 ? (fraction > 0 ? NAN : INFINITY)
                                        : ldexp(1024.0 + fraction, exponent - 25);
    return bits >> 15 ? -magnitude : magnitude;
}

static double value_at(const unsigned char *data, lq_type type) {
    uint16_t half;
    uint32_t word;
    float value;
    if (type == LQ_F32) {
        memcpy(&value, data, sizeof value);
        return value;
    }
    memcpy(&half, data, sizeof half);
    if (type == LQ_F16) return half_value(half);
    word = (uint32_t)half << 16;
    memcpy(&value, &word, sizeof value);
    return value;
}

static range range_of(const tf_tensor *t) {
    const lq_type type = real_type(t->dtype);
    const int64_t width = (type & 0xff) / 8;
    range r = {INFINITY, -INFINITY, 0, 0, 0};
    for (int64_t at = 0; at < t->size; at += width) {
        const double value = value_at((const unsigned char *)t->data + at, type);
        if (isnan(value)) {
            ++r.nan;
        } else if (isinf(value)) {
            ++r.infinite;
        } else {
            ++r.finite;
            if (value < r.low) r.low = value;
            if (value > r.high) r.high = value;
        }
    }
    return r;
}

static void range_text(const tf_tensor *t, char *out, size_t size) {
    const range r = range_of(t);
    char counts[80] = "";
    if (r.nan > 0 || r.infinite > 0)
        snprintf(counts, sizeof counts, " (%" PRId64 " NaN, %" PRId64 " infinite)", r.nan,
                 r.infinite);
    if (r.finite > 0)
        snprintf(out, size, "%.6g to %.6g%s", r.low, r.high, counts);
    else
        snprintf(out, size, "no finite values%s", counts);
}

static void list_tensors(const tf_file *file, const quantized_set *set) {
    static const char *const head[] = {"tensor", "type", "shape", "bytes", "values"};
    table t = {5, "lllrl", NULL, 0, 0};
    table_row(&t, head);
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *tensor = &file->tensors[i];
        const stored_tensor *item = quantized_at(set, i);
        char name[TF_SHOWN_SIZE], shape[SHAPE_SIZE], bytes[32], values[160] = "";
        const char *cells[5] = {name, tensor->dtype, shape, bytes, values};
        tf_printable(tensor->name, 48, name);
        snprintf(bytes, sizeof bytes, "%" PRId64, tensor->size);
        if (item) {
            if (!item->q.packing) cells[1] = lq_type_name(item->q.scheme.code_type);
            shape_text(item->q.rank, item->q.shape, shape);
            quantized_summary(&item->q, values, sizeof values);
        } else {
            shape_text(tensor->rank, tensor->shape, shape);
            if (real_type(tensor->dtype)) range_text(tensor, values, sizeof values);
        }
        table_row(&t, cells);
    }
    table_print(&t, 0);
}

static void list_metadata(const cJSON *metadata) {
    const cJSON *item;
    cJSON_ArrayForEach(item, metadata) {
        char key[TF_SHOWN_SIZE], value[TF_SHOWN_SIZE];
        printf("metadata: %s = %s\n", tf_printable(item->string, TF_SHOWN, key),
               tf_printable(item->valuestring, TF_SHOWN, value));
    }
}

static void list_pairs(const tf_file *file) {
    for (size_t i = 0; i < file->pair_count; ++i) {
        const tf_pair *pair = &file->pairs[i];
        char key[TF_SHOWN_SIZE], text[TF_SHOWN_SIZE], value[TF_SHOWN_SIZE];
        printf("metadata: %s = %s\n", tf_printable(pair->key, TF_SHOWN, key),
               tf_printable(gguf_text(pair, text, sizeof text), TF_SHOWN, value));
    }
}

int run_inspect(const lquant_options *o) {
    quantized_set set;
    tf_file *file = open_input(o->in);
    int status;
    if (!file) return EXIT_FAULT;
    status = quantized_load(&set, file, o->in);
    if (!status) {
        list_tensors(file, &set);
        list_metadata(file->metadata);
        list_pairs(file);
        printf("%zu tensors, %" PRId64 " bytes\n", file->count, file->bytes);
        quantized_unload(&set);
    }
    tf_close(file);
    return status;
}
