#define _POSIX_C_SOURCE 200809L
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "table.h"

typedef struct totals {
    int64_t elements, stored;
    double bits_per_weight, compression;
    lq_error error;
} totals;

static double bits_per_weight(int64_t stored, int64_t elements) {
    return elements > 0 ? 8.0 * (double)stored / (double)elements : NAN;
}

static totals total_of(const report *r) {
    totals t = {0};
    error_sums sums = {0};
    for (size_t i = 0; i < r->count; ++i) {
        const figures *f = &r->rows[i];
        lq_error error = f->error;
        t.elements += f->elements;
        t.stored += f->stored;
        error.clipped = f->clipped;
        error.nonfinite = f->nonfinite;
        sums_add(&sums, &error);
    }
    sums_error(&sums, &t.error);
    t.bits_per_weight = bits_per_weight(t.stored, t.elements);
    t.compression = r->bytes_out > 0 ? (double)r->bytes_in / (double)r->bytes_out : NAN;
    return t;
}

/* ------------------------------------------------------------------- table */

const char *decibels(double value, char *out, size_t size) {
    if (isnan(value)) return "-";
    if (isinf(value)) return "exact";
    snprintf(out, size, "%.2f", value);
    return out;
}

static void add_row(table *t, const char *name, const char *shape, double bits, double sqnr,
                    double largest, int64_t clipped) {
    char texts[4][32];
    const char *cells[6];
    snprintf(texts[0], sizeof texts[0], "%.3f", bits);
    snprintf(texts[2], sizeof texts[2], "%.4g", largest);
    snprintf(texts[3], sizeof texts[3], "%" PRId64, clipped);
    cells[0] = name;
    cells[1] = shape;
    cells[2] = isnan(bits) ? "-" : texts[0];
    cells[3] = decibels(sqnr, texts[1], sizeof texts[1]);
    cells[4] = texts[2];
    cells[5] = texts[3];
    table_row(t, cells);
}

void report_print(const report *r) {
    static const char *const head[] = {"tensor",  "shape",         "bits/weight",
                                       "SQNR dB", "largest error", "clipped"};
    table t = {6, "llrrrr", NULL, 0, 0};
    const totals sum = total_of(r);
    char shown[TF_SHOWN_SIZE], shape[SHAPE_SIZE];
    table_row(&t, head);
    for (size_t i = 0; i < r->count; ++i) {
        const figures *f = &r->rows[i];
        add_row(&t, tf_printable(f->name, 40, shown), shape_text(f->rank, f->shape, shape),
                bits_per_weight(f->stored, f->elements), f->error.sqnr_db, f->error.max_abs_error,
                f->clipped);
    }
    snprintf(shape, sizeof shape, "%" PRId64 " values", sum.elements);
    add_row(&t, "total", shape, sum.bits_per_weight, sum.error.sqnr_db, sum.error.max_abs_error,
            sum.error.clipped);
    table_print(&t, 1);
    for (size_t i = 0; i < r->kept_count; ++i)
        printf("%s: '%s' %s\n", r->kept[i].left_out ? "left out" : "kept as it was",
               tf_printable(r->kept[i].name, 40, shown), r->kept[i].why);
    if (sum.error.nonfinite > 0) printf("not finite: %" PRId64 " values\n", sum.error.nonfinite);
    printf("file: %" PRId64 " -> %" PRId64 " bytes, compression %.2f\n", r->bytes_in, r->bytes_out,
           sum.compression);
}

/* -------------------------------------------------------------------- JSON */

static cJSON *row_json(const figures *f) {
    cJSON *row = need(cJSON_CreateObject());
    cJSON *shape;
    int failed = !cJSON_AddStringToObject(row, "name", f->name);
    shape = need(cJSON_AddArrayToObject(row, "shape"));
    for (int32_t i = 0; i < f->rank; ++i) {
        failed |= json_append_integer(shape, f->shape[i]);
    }
    failed |= !cJSON_AddStringToObject(row, "type", f->type);
    failed |= json_add_number(row, "bits_per_weight", bits_per_weight(f->stored, f->elements));
    failed |= json_add_number(row, "mse", f->error.mse);
    failed |= json_add_number(row, "sqnr_db", f->error.sqnr_db);
    failed |= json_add_number(row, "max_abs_error", f->error.max_abs_error);
    failed |= json_add_number(row, "cosine", f->error.cosine);
    failed |= json_add_integer(row, "clipped", f->clipped);
    failed |= json_add_integer(row, "nonfinite", f->nonfinite);
    need(failed ? NULL : row);
    return row;
}

static void add_totals(cJSON *total, const report *r) {
    const totals t = total_of(r);
    int failed = json_add_integer(total, "elements", t.elements);
    failed |= json_add_number(total, "bits_per_weight", t.bits_per_weight);
    failed |= json_add_number(total, "mse", t.error.mse);
    failed |= json_add_number(total, "sqnr_db", t.error.sqnr_db);
    failed |= json_add_number(total, "max_abs_error", t.error.max_abs_error);
    failed |= json_add_number(total, "cosine", t.error.cosine);
    failed |= json_add_integer(total, "clipped", t.error.clipped);
    failed |= json_add_integer(total, "nonfinite", t.error.nonfinite);
    failed |= json_add_integer(total, "bytes_in", r->bytes_in);
    failed |= json_add_integer(total, "bytes_out", r->bytes_out);
    failed |= json_add_number(total, "compression", t.compression);
    need(failed ? NULL : total);
}

/* Those that are kept, or those that are left out, where there are such. */
static void add_kept(cJSON *root, const report *r, int left_out) {
    cJSON *kept = NULL;
    for (size_t i = 0; i < r->kept_count; ++i) {
        cJSON *item;
        if (r->kept[i].left_out != left_out) continue;
        if (!kept) kept = need(cJSON_AddArrayToObject(root, left_out ? "left_out" : "kept"));
        item = need(cJSON_CreateObject());
        need(cJSON_AddStringToObject(item, "name", r->kept[i].name));
        need(cJSON_AddStringToObject(item, "why", r->kept[i].why));
        cJSON_AddItemToArray(kept, item);
    }
}

aside *report_write(const report *r, const char *path, char *message, size_t message_size) {
    cJSON *root = need(cJSON_CreateObject());
    cJSON *rows = need(cJSON_AddArrayToObject(root, "tensors"));
    aside *file;
    for (size_t i = 0; i < r->count; ++i) cJSON_AddItemToArray(rows, row_json(&r->rows[i]));
    add_kept(root, r, 0);
    add_kept(root, r, 1);
    add_totals(need(cJSON_AddObjectToObject(root, "total")), r);
    file = json_write(root, path, message, message_size);
    cJSON_Delete(root);
    return file;
}
