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
    int64_t elements, stored, clipped, nonfinite;
    double bits_per_weight, mse, sqnr_db, max_abs_error, cosine, compression;
} totals;

static double bits_per_weight(int64_t stored, int64_t elements) {
    return elements > 0 ? 8.0 * (double)stored / (double)elements : NAN;
}

/*
 * The totals are those of all tensors as one: from their sums, not means of their figures. The
 * sum of x * y follows from those of x^2, y^2 and (x - y)^2, where all are over the same pairs.
 */
static totals total_of(const report *r) {
    totals t = {0};
    double sum_ee = 0, sum_xx = 0, sum_yy = 0, count = 0;
    for (size_t i = 0; i < r->count; ++i) {
        const figures *f = &r->rows[i];
        t.elements += f->elements;
        t.stored += f->stored;
        t.clipped += f->clipped;
        t.nonfinite += f->nonfinite;
        if (f->error.count == 0) continue;
        count += (double)f->error.count;
        sum_ee += f->error.mse * (double)f->error.count;
        sum_xx += f->error.mean_square_x * (double)f->error.count;
        sum_yy += f->error.mean_square_y * (double)f->error.count;
        if (f->error.max_abs_error > t.max_abs_error) t.max_abs_error = f->error.max_abs_error;
    }
    t.bits_per_weight = bits_per_weight(t.stored, t.elements);
    t.mse = count > 0 ? sum_ee / count : NAN;
    t.sqnr_db =
        sum_xx > 0 && sum_ee > 0 ? 10.0 * log10(sum_xx / sum_ee) : (sum_xx > 0 ? INFINITY : NAN);
    t.cosine = NAN;
    if (sum_xx > 0 && sum_yy > 0)
        t.cosine = (sum_xx + sum_yy - sum_ee) / 2.0 / (sqrt(sum_xx) * sqrt(sum_yy));
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
    add_row(&t, "total", shape, sum.bits_per_weight, sum.sqnr_db, sum.max_abs_error, sum.clipped);
    table_print(&t, 1);
    if (sum.nonfinite > 0) printf("not finite: %" PRId64 " values\n", sum.nonfinite);
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
    failed |= json_add_number(total, "mse", t.mse);
    failed |= json_add_number(total, "sqnr_db", t.sqnr_db);
    failed |= json_add_number(total, "max_abs_error", t.max_abs_error);
    failed |= json_add_number(total, "cosine", t.cosine);
    failed |= json_add_integer(total, "clipped", t.clipped);
    failed |= json_add_integer(total, "nonfinite", t.nonfinite);
    failed |= json_add_integer(total, "bytes_in", r->bytes_in);
    failed |= json_add_integer(total, "bytes_out", r->bytes_out);
    failed |= json_add_number(total, "compression", t.compression);
    need(failed ? NULL : total);
}

aside *report_write(const report *r, const char *path, char *message, size_t message_size) {
    cJSON *root = need(cJSON_CreateObject());
    cJSON *rows = need(cJSON_AddArrayToObject(root, "tensors"));
    aside *file;
    for (size_t i = 0; i < r->count; ++i) cJSON_AddItemToArray(rows, row_json(&r->rows[i]));
    add_totals(need(cJSON_AddObjectToObject(root, "total")), r);
    file = json_write(root, path, message, message_size);
    cJSON_Delete(root);
    return file;
}
