/*
 * Conformance vectors: cases made with other systems, found by reading directories, compared bit
 * for bit through the public functions on every level, under the profiles of those systems.
 *
 * LQ_TEST_VECTORS_DIR  the project's own set; must be there
 * LQ_VECTORS           a directory of more of the same form; unset or empty: none
 *
 * A case belongs to the folder that it is in and to a family. Every case is compared, or skipped for
 * a reason that is printed; one that cannot be read, or that no table knows, is a failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vector_files.h"
#include "vectors.h"

static const struct {
    const char *folder;
    const struct vector_family *families; /* NULL: none is run */
    const char *reason;
} origins[] = {
    {"onnx", vectors_onnx, NULL},
    {"onnx_ref", vectors_onnx, NULL},
    {"torch", vectors_torch, NULL},
    {"ort", vectors_ort, NULL},
    {"modelopt", vectors_modelopt, NULL},
    {"ggml", vectors_ggml, NULL},
    {"mx", vectors_mx, NULL},
    {"sums", NULL, "orders of additions: test arithmetic compares them"},
    {"ieee", NULL, "conversions: test convert_vectors compares them"},
    {"layouts", NULL, "bytes of layouts: test layouts compares them"},
};

enum { ORIGINS = sizeof origins / sizeof origins[0] };

/* -------------------------------------------------------------------- cases */

static struct vector_row *find_row(struct vector_tally *t, const char *folder, const char *family) {
    char name[sizeof t->rows[0].name];
    snprintf(name, sizeof name, "%s/%s", folder, family);
    for (int i = 0; i < t->row_count; ++i)
        if (strcmp(t->rows[i].name, name) == 0) return &t->rows[i];
    if (t->row_count == ROWS) fail_msg("too many families");
    struct vector_row *row = &t->rows[t->row_count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    return row;
}

static void run_family(struct vector_case *c, int origin) {
    const struct vector_family *f = origins[origin].families;
    if (!f) {
        vector_skip(c, origins[origin].reason);
        return;
    }
    while (f->name && strcmp(f->name, c->family) != 0) ++f;
    if (!f->name)
        vector_fail(c, "an unknown family");
    else if (f->run)
        f->run(c);
    else
        vector_skip(c, f->reason);
}

/* The folder that the file is in. */
static void folder_of(const char *path, char *folder, size_t size) {
    const char *end = strrchr(path, '/');
    const char *begin = end;
    while (begin > path && begin[-1] != '/') --begin;
    snprintf(folder, size, "%.*s", (int)(end - begin), begin);
}

static void finish(struct vector_case *c) {
    struct vector_row *row = c->row;
    if (c->comparisons > 0 && c->skips > 0) vector_fail(c, "skipped and compared");
    if (c->comparisons == 0 && c->skips == 0 && c->failures == 0)
        vector_fail(c, "neither skipped nor compared");
    row->cases += 1;
    row->compared += c->comparisons > 0;
    row->comparisons += c->comparisons;
    row->skipped += c->skips > 0;
    row->failed += c->failures > 0;
    c->tally->failures += c->failures > 0;
    for (int i = 0; i < c->allocations; ++i) free(c->memory[i]);
    tf_close(c->file);
}

static void run_file(const char *path, void *context) {
    struct vector_tally *tally = context;
    struct vector_case c;
    char message[512] = "", folder[40];
    int origin = 0;
    memset(&c, 0, sizeof c);
    c.path = path;
    c.tally = tally;
    folder_of(path, folder, sizeof folder);
    while (origin < ORIGINS && strcmp(origins[origin].folder, folder) != 0) ++origin;
    c.file = tf_open(path, message, sizeof message);
    const char *text = c.file && c.file->metadata ? text_of(c.file->metadata, "meta") : NULL;
    cJSON *meta = text ? cJSON_Parse(text) : NULL;
    c.meta = meta;
    const struct vector_family *families = origin < ORIGINS ? origins[origin].families : NULL;
    c.family = text_of(meta, families == vectors_onnx   ? "op"
                             : families == vectors_ggml ? "type"
                                                        : "family");
    if (origin < ORIGINS && !origins[origin].families) c.family = "*";
    c.row = find_row(tally, folder, c.family ? c.family : "?");
    if (origin == ORIGINS)
        vector_fail(&c, "an unknown folder");
    else if (!meta || !c.family)
        vector_fail(&c, "%s", c.file ? "no meta, or no family in it" : message);
    else
        run_family(&c, origin);
    finish(&c);
    cJSON_Delete(meta);
}

/* -------------------------------------------------------------------- tests */

static void print_tally(const char *path, const struct vector_tally *t) {
    int compared = 0, comparisons = 0, skipped = 0;
    print_message("%s\n%-34s %6s %8s %11s %7s %6s\n", path, "family", "cases", "compared",
                  "comparisons", "skipped", "failed");
    for (int i = 0; i < t->row_count; ++i) {
        const struct vector_row *r = &t->rows[i];
        print_message("%-34s %6d %8d %11d %7d %6d\n", r->name, r->cases, r->compared,
                      r->comparisons, r->skipped, r->failed);
        compared += r->compared;
        comparisons += r->comparisons;
        skipped += r->skipped;
        for (int k = 0; k < t->reason_count; ++k) {
            const struct vector_reason *reason = &t->reasons[k];
            if (reason->row != r) continue;
            if (reason->whole) print_message("    skipped %d: %s\n", reason->whole, reason->text);
            if (reason->parts)
                print_message("    left out %d times: %s\n", reason->parts, reason->text);
        }
    }
    print_message("in all: %d cases compared (%d comparisons), %d skipped, %d failed\n", compared,
                  comparisons, skipped, t->failures);
}

static void require(const struct vector_tally *t, const char *name, int compared) {
    for (int i = 0; i < t->row_count; ++i) {
        if (strcmp(t->rows[i].name, name) != 0) continue;
        if (t->rows[i].compared < compared)
            fail_msg("%s: only %d cases compared", name, t->rows[i].compared);
        return;
    }
    fail_msg("no cases of %s", name);
}

static void test_own_vectors(void **state) {
    static const struct {
        const char *name;
        int compared;
    } least[] = {
        {"modelopt/entropy", 6},
        {"modelopt/fake_quant", 5},
        {"modelopt/mse", 8},
        {"modelopt/percentile", 12},
        {"onnx/DequantizeLinear", 2},
        {"onnx/QuantizeLinear", 2},
        {"onnx_ref/DequantizeLinear", 44},
        {"onnx_ref/DynamicQuantizeLinear", 6},
        {"onnx_ref/QuantizeLinear", 56},
        {"ort/distribution", 3},
        {"ort/entropy", 13},
        {"ort/inc_quantize_data", 32},
        {"ort/int4_block", 2},
        {"ort/percentile", 60},
        {"ort/quantize_data", 24},
        {"ort/scale_zp", 28},
        {"torch/choose_qparams_ranges", 4},
        {"torch/dq", 10},
        {"torch/dynamic", 24},
        {"torch/fq_learn_pc", 4},
        {"torch/fq_learn_pt", 4},
        {"torch/fq_pc", 4},
        {"torch/fq_pt", 4},
        {"torch/hist", 24},
        {"torch/mavg", 3},
        {"torch/mavg_pc", 4},
        {"torch/minmax_batches", 3},
        {"torch/minmax_pc", 8},
        {"torch/minmax_pc_range", 10},
        {"torch/muldiv", 3},
        {"torch/qpc", 16},
        {"torch/qpc_floatqp", 2},
        {"torch/qpt", 14},
        {"torch/tiezp", 4},
    };
    const char *path = getenv("LQ_TEST_VECTORS_DIR");
    struct vector_tally *tally = calloc(1, sizeof *tally);
    (void)state;
    if (!tally || !path || !vector_paths_each(path, run_file, tally))
        fail_msg("LQ_TEST_VECTORS_DIR does not name the project's tests/vectors");
    print_tally(path, tally);
    for (size_t i = 0; i < sizeof least / sizeof least[0]; ++i)
        require(tally, least[i].name, least[i].compared);
    assert_int_equal(tally->failures, 0);
    free(tally);
}

static void test_more_vectors(void **state) {
    const char *path = getenv("LQ_VECTORS");
    (void)state;
    if (!path || !*path) {
        print_message("skipped: no further vectors, LQ_VECTORS is not set\n");
        skip();
    }
    struct vector_tally *tally = calloc(1, sizeof *tally);
    if (!tally || !vector_paths_each(path, run_file, tally)) fail_msg("%s cannot be read", path);
    print_tally(path, tally);
    assert_true(tally->row_count > 0);
    assert_int_equal(tally->failures, 0);
    free(tally);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_vectors),
        cmocka_unit_test(test_more_vectors),
    };
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
