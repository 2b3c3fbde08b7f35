#include "findings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "report.h"

/* ---------------------------------------------------------------------------- table */

enum { CELL = 64, COLUMNS = 11 };

/* "0.031", or "0.002 to 0.031" of channels. */
static void span_text(char out[CELL], double low, double high) {
    if (low == high)
        snprintf(out, CELL, "%.5g", low);
    else
        snprintf(out, CELL, "%.3g to %.3g", low, high);
}

static void integers_text(char out[CELL], const int32_t *values, int64_t n) {
    int32_t low = values[0], high = values[0];
    for (int64_t i = 1; i < n; ++i) {
        if (values[i] < low) low = values[i];
        if (values[i] > high) high = values[i];
    }
    snprintf(out, CELL, low == high ? "%" PRId32 : "%" PRId32 " to %" PRId32, low, high);
}

static void scales_text(char out[CELL], const float *values, int64_t n) {
    float low = values[0], high = values[0];
    for (int64_t i = 1; i < n; ++i) {
        low = fminf(low, values[i]);
        high = fmaxf(high, values[i]);
    }
    span_text(out, (double)low, (double)high);
}

static void fill_ranges(char cells[COLUMNS][CELL], const method_ranges *r, int affine) {
    char words[CELL];
    snprintf(cells[4], CELL, "%s", lq_method_name(r->method));
    if (r->status != LQ_OK) {
        for (int i = 5; i < COLUMNS; ++i) snprintf(cells[i], CELL, "-");
        return;
    }
    snprintf(cells[5], CELL, "%.6g", (double)r->lowest);
    snprintf(cells[6], CELL, "%.6g", (double)r->highest);
    snprintf(cells[7], CELL, "%.4f %%", 100.0 * r->outside);
    snprintf(cells[8], CELL, "%s", decibels(r->sqnr_db, words, sizeof words));
    scales_text(cells[9], r->scale, r->channels);
    if (affine) integers_text(cells[10], r->zero_point, r->channels);
}

/* A row for each method; what they share stands in the first. */
static void add_rows(findings *f, const statistic *item, const lq_summary *summary,
                     const method_ranges *ranges) {
    for (int m = 0; m < f->method_count; ++m) {
        char cells[COLUMNS][CELL] = {{0}};
        char name[TF_SHOWN_SIZE] = "";
        const char *texts[COLUMNS];
        if (m == 0) {
            tf_printable(item->name, 40, name);
            snprintf(cells[1], CELL, summary->count < 0 ? "-" : "%" PRId64, summary->count);
            snprintf(cells[2], CELL, isnan(summary->min) ? "-" : "%.6g", (double)summary->min);
            snprintf(cells[3], CELL, isnan(summary->max) ? "-" : "%.6g", (double)summary->max);
        }
        fill_ranges(cells, &ranges[m], f->o->mapping == LQ_AFFINE);
        for (int i = 0; i < COLUMNS; ++i) texts[i] = i == 0 ? name : cells[i];
        table_row(&f->table, texts);
    }
}

/* ----------------------------------------------------------------------------- JSON */

static cJSON *array_of(cJSON *object, const char *key) {
    return need(cJSON_AddArrayToObject(object, key));
}

static void add_floats(cJSON *object, const char *key, const float *values, int64_t n) {
    cJSON *array = array_of(object, key);
    for (int64_t i = 0; i < n; ++i)
        need(json_append_number(array, (double)values[i]) == 0 ? array : NULL);
}

static cJSON *ranges_json(const method_ranges *r, int affine) {
    cJSON *object = need(cJSON_CreateObject());
    int failed = !cJSON_AddStringToObject(object, "method", lq_method_name(r->method));
    if (r->status != LQ_OK) {
        failed |= !cJSON_AddStringToObject(object, "fault", lq_status_string(r->status));
    } else {
        add_floats(object, "low", r->lo, r->channels);
        add_floats(object, "high", r->hi, r->channels);
        add_floats(object, "scale", r->scale, r->channels);
        if (affine) {
            cJSON *zero_points = array_of(object, "zero_point");
            for (int64_t i = 0; i < r->channels; ++i)
                failed |= json_append_integer(zero_points, r->zero_point[i]);
        }
        failed |= json_add_number(object, "outside", r->outside);
        failed |= json_add_number(object, "sqnr_db", r->sqnr_db);
    }
    return need(failed ? NULL : object);
}

static void add_json(findings *f, const statistic *item, const lq_summary *summary,
                     const method_ranges *ranges) {
    cJSON *object = need(cJSON_CreateObject()), *methods;
    int failed = !cJSON_AddStringToObject(object, "name", item->name);
    failed |= json_add_integer(object, "channels", ranges[0].channels);
    if (item->options.channels > 0) failed |= json_add_integer(object, "axis", item->options.axis);
    failed |= json_add_integer(object, "mantissa_bits", item->options.mantissa_bits);
    failed |= json_add_integer(object, "count", summary->count);
    failed |= json_add_integer(object, "zeros", summary->zeros);
    failed |= json_add_integer(object, "nan", summary->nan);
    failed |= json_add_integer(object, "positive_infinite", summary->positive_infinite);
    failed |= json_add_integer(object, "negative_infinite", summary->negative_infinite);
    failed |= json_add_integer(object, "saturated", summary->saturated);
    failed |= !cJSON_AddBoolToObject(object, "exact", summary->exact != 0);
    failed |= json_add_number(object, "min", (double)summary->min);
    failed |= json_add_number(object, "max", (double)summary->max);
    failed |= json_add_number(object, "mean", summary->mean);
    failed |= json_add_number(object, "variance", summary->variance);
    methods = array_of(object, "methods");
    for (int m = 0; m < f->method_count; ++m)
        cJSON_AddItemToArray(methods, ranges_json(&ranges[m], f->o->mapping == LQ_AFFINE));
    need(failed ? NULL : object);
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(f->json, "tensors"), object);
}

static cJSON *begin_json(const lquant_options *o) {
    cJSON *root = need(cJSON_CreateObject());
    cJSON *scheme = need(cJSON_AddObjectToObject(root, "scheme"));
    need(cJSON_AddStringToObject(scheme, "codes", lq_type_name(o->code_type)));
    need(cJSON_AddStringToObject(scheme, "mapping",
                                 o->mapping == LQ_AFFINE ? "affine" : "symmetric"));
    need(cJSON_AddStringToObject(scheme, "scale", lq_type_name(o->scale_type)));
    array_of(root, "tensors");
    return root;
}

/* ------------------------------------------------------------------------- together */

static void add_tensor(findings *f, statistics *s, const statistic *item) {
    const int64_t channels = item->options.channels > 0 ? item->options.channels : 1;
    const lq_calibrator *calibrator = statistics_read(s, item);
    const lq_summary summary = summary_of(calibrator, channels);
    method_ranges ranges[MOST_METHODS] = {0};
    for (int m = 0; m < f->method_count; ++m) {
        ranges_find(calibrator, channels, f->methods[m], f->o, &ranges[m]);
        progress_add(1);
    }
    add_rows(f, item, &summary, ranges);
    add_json(f, item, &summary, ranges);
    if (f->plot) plot_add(f->plot, item->name, calibrator, &summary, ranges, f->method_count);
    for (int m = 0; m < f->method_count; ++m) ranges_free(&ranges[m]);
    f->nonfinite += summary.nan + summary.positive_infinite + summary.negative_infinite;
    f->saturated += summary.saturated;
    ++f->tensors;
}

void findings_collect(findings *f, const lquant_options *o, statistics *s) {
    static const char *const head[COLUMNS] = {"tensor",  "values", "min",       "max",
                                              "method",  "low",    "high",      "outside",
                                              "SQNR dB", "scale",  "zero point"};
    memset(f, 0, sizeof *f);
    f->o = o;
    f->method_count = o->method_count;
    memcpy(f->methods, o->methods, sizeof f->methods);
    if (f->method_count == 0) f->method_count = all_methods(f->methods);
    f->table.columns = o->mapping == LQ_AFFINE ? COLUMNS : COLUMNS - 1;
    f->table.align = "lrrrlrrrrrr";
    table_row(&f->table, head);
    f->json = begin_json(o);
    if (o->plot) f->plot = plot_begin(o);
    progress_begin((int64_t)s->count * f->method_count);
    for (size_t i = 0; i < s->count; ++i) add_tensor(f, s, &s->items[i]);
    progress_end();
}

void findings_print(findings *f) {
    if (f->o->json && strcmp(f->o->json, "-") == 0) {
        char *text = need(cJSON_Print(f->json));
        puts(text);
        cJSON_free(text);
        return;
    }
    table_print(&f->table, 0);
    if (f->nonfinite > 0) printf("not finite: %" PRId64 " values, left out\n", f->nonfinite);
    if (f->saturated > 0)
        printf("too many values to count: %" PRId64 " counters are at their limit\n", f->saturated);
    printf("%" PRId64 " tensors, as %s %s\n", f->tensors, lq_type_name(f->o->code_type),
           f->o->mapping == LQ_AFFINE ? "affine" : "symmetric");
}

void findings_free(findings *f) {
    cJSON_Delete(f->json);
    plot_free(f->plot);
    table_free(&f->table);
}
