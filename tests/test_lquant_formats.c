/*
 * 'lquant quantize --format' and back: every format on weights and on samples of every kind. Values
 * are those that an independent reader finds in the files (read_formats.py, where there is numpy);
 * figures are those of 'lquant compare'.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "gguf.h"
#include "libquant.h"
#include "lquant_run.h"
#include "scratch.h"
#include "tensor_writer.h"

/* Options, whether the file is GGUF, its bits per weight where blocks are whole, and an SQNR that
 * such codes reach on weights that are roughly normal. */
static const struct {
    const char *options;
    int gguf;
    double bits, sqnr;
} cases[] = {
    {"q8_0", 1, 8.5, 40},
    {"q4_0", 1, 4.5, 18},
    {"q4_1", 1, 5, 19},
    {"q5_0", 1, 5.5, 24},
    {"q5_1", 1, 6, 25},
    {"q2_k", 1, 2.625, 6},
    {"q3_k", 1, 3.4375, 12},
    {"q4_k", 1, 4.5, 18},
    {"q5_k", 1, 5.5, 24},
    {"q6_k", 1, 6.5625, 30},
    {"iq4_nl", 1, 4.5, 19},
    {"iq4_xs", 1, 4.25, 19},
    {"tq1_0", 1, 1.6875, 0},
    {"tq2_0", 1, 2.0625, 0},
    {"mxfp4", 1, 4.25, 16},
    {"nvfp4", 1, 4.5, 18},
    {"mxfp4", 0, 4.25, 16},
    {"mxfp8", 0, 8.25, 28},
    {"mxfp8-e5m2", 0, 8.25, 22},
    {"mxfp6", 0, 6.25, 28},
    {"mxfp6-e3m2", 0, 6.25, 22},
    {"mxint8", 0, 8.25, 38},
    {"nvfp4", 0, 0, 18},
    {"fp8", 0, 0, 28},
    {"fp8 --scale bf16", 0, 0, 28},
    {"nf4", 0, 0, 17},
    {"nf4 --per-block=128", 0, 0, 16},
    {"matmulnbits", 0, 5, 17},
    {"matmulnbits --affine --scale f16", 0, 0, 18},
    {"matmulnbits --bits 8 --per-block=64", 0, 8.5, 38},
    {"matmulnbits --bits 2 --affine", 0, 0, 3},
    {"gptq --per-block=32", 0, 0, 17},
    {"gptq --per-block=32 --affine", 0, 0, 18},
    {"gptq --per-block=64 --bits 2", 0, 0, 2},
    {"gptq --per-block=32 --bits 3", 0, 0, 9},
    {"gptq --per-block=64 --bits 8 --affine", 0, 0, 38},
    {"awq --per-block=32", 0, 0, 18},
    {"compressed-tensors --per-block=32", 0, 0, 17},
    {"compressed-tensors --per-block=32 --affine --scale f16", 0, 0, 18},
    {"compressed-tensors --per-block=64 --bits 8", 0, 0, 38},
};
enum { CASES = sizeof cases / sizeof *cases };

static const char *out_of(size_t i) {
    return scratch_path(cases[i].gguf ? "out.gguf" : "out.safetensors");
}

static double figure(const cJSON *report, const char *key) {
    const cJSON *total = cJSON_GetObjectItem(report, "total");
    const cJSON *item = cJSON_GetObjectItem(total, key);
    assert_non_null(item);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

/* The file read by its definition: nothing to say where there is no numpy. */
static void read_independently(const char *file, const char *back) {
    const char *python = getenv("LQ_PYTHON"), *script = getenv("LQ_READ_FORMATS");
    char line[2048];
    int status;
    if (!python || !*python || !script) return;
    snprintf(line, sizeof line, "%s %s %s %s >%s 2>&1", python, script, file, back,
             scratch_path("read.txt"));
    status = system(line);
    if (status != 0) {
        size_t size = 0;
        char *said = scratch_read(scratch_path("read.txt"), &size);
        fail_msg("%s: %s", line, said ? said : "");
    }
}

/* Rows of 256, which all formats hold; 96 rows are a multiple of 32 as well. */
static const char *write_wide(const char *name, const char *dtype) {
    static const int64_t shape[2] = {96, 256}, bias[1] = {7};
    static float values[96 * 256];
    static uint16_t halves[96 * 256];
    static char path[SCRATCH_PATH]; /* those of scratch_path take turns */
    char message[1024] = "";
    uint32_t seed = 7;
    snprintf(path, sizeof path, "%s", scratch_path(name));
    tw_writer *w = tw_create(path, message, sizeof message);
    for (int i = 0; i < 96 * 256; ++i) {
        float sum = 0;
        for (int k = 0; k < 4; ++k) {
            seed = seed * 1664525u + 1013904223u;
            sum += (float)(seed >> 8) / 16777216.0f - 0.5f;
        }
        values[i] = i / 256 % 16 == 3 ? 0.0f : sum * (float)(1 + i / 256 % 5);
        uint32_t word;
        memcpy(&word, &values[i], sizeof word);
        /* Of binary16, numbers from 1 to 2 and their negatives. */
        halves[i] = strcmp(dtype, "BF16") == 0 ? (uint16_t)(word >> 16)
                                               : (uint16_t)(0x3c00 | (word >> 13 & 0x83ff));
    }
    tw_add(w, "a.weight", dtype, 2, shape, strcmp(dtype, "F32") == 0 ? 96 * 1024 : 96 * 512);
    tw_add(w, "b", "F32", 1, bias, 28);
    tw_begin(w, NULL);
    tw_write(w, strcmp(dtype, "F32") == 0 ? (const void *)values : halves,
             strcmp(dtype, "F32") == 0 ? sizeof values : sizeof halves);
    tw_write(w, values, 28);
    if (tw_finish(w) != 0) fail_msg("%s", message);
    return path;
}

/* The file and what was made of it are the same values. */
static void check_same(const char *back, const char *out, const char *report) {
    cJSON *found;
    must_run(line_of("inspect %s", out));
    must_run(line_of("compare %s %s --report %s", back, out, report));
    found = must_parse(report);
    if (figure(found, "max_abs_error") != 0 || figure(found, "mse") != 0)
        fail_msg("%s: dequantized to other values than compared", out);
    cJSON_Delete(found);
}

/* Whether a format held any tensor of the file: that none fits is the only fault there may be. */
static int held(const char *line) {
    const run_result *r = run_line(line);
    const int none = r->status == 1 && strstr(r->err, "nothing to quantize: the format") != NULL;
    if (r->status != 0 && !none) fail_msg("lquant %s: status %d: %s", line, r->status, r->err);
    return !none;
}

/*
 * Quantize, dequantize, compare: all of one mind; how the last two agree is the same for all
 * inputs, and looked at where `all`. Returns the report; NULL where the format holds no tensor.
 */
static cJSON *round_trip(const char *in, size_t i, int all) {
    const char *out = out_of(i), *back = scratch_path("back.safetensors");
    const char *first = scratch_path("first.json"), *second = scratch_path("second.json");
    const char *line =
        line_of("quantize %s %s --report %s --format %s", in, out, first, cases[i].options);
    cJSON *told, *found;
    if (!held(line)) return NULL;
    told = must_parse(first);
    must_run(line_of("dequantize %s %s", out, back));
    read_independently(out, back);
    if (all) check_same(back, out, second);
    /* Each tensor's figures are those of compare. */
    must_run(line_of("compare %s %s --report %s", in, out, second));
    found = must_parse(second);
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(told, "tensors")) {
        const cJSON *other;
        const char *name = cJSON_GetObjectItem(row, "name")->valuestring;
        int met = 0;
        cJSON_ArrayForEach(other, cJSON_GetObjectItem(found, "tensors")) {
            if (strcmp(cJSON_GetObjectItem(other, "name")->valuestring, name) != 0) continue;
            if (!cJSON_Compare(row, other, 1))
                fail_msg("%s: %s: figures of '%s' differ", in, cases[i].options, name ? name : "");
            met = 1;
        }
        assert_true(met);
    }
    cJSON_Delete(found);
    return told;
}

static void test_wide(void **state) {
    static const char *const dtypes[] = {"F32", "BF16", "F16"};
    (void)state;
    for (int d = 0; d < 3; ++d) {
        const char *in = write_wide("wide.safetensors", dtypes[d]);
        for (size_t i = 0; i < CASES; ++i) {
            cJSON *told = round_trip(in, i, 1);
            if (!told) fail_msg("%s holds nothing", cases[i].options);
            const double bits = figure(told, "bits_per_weight"), sqnr = figure(told, "sqnr_db");
            if (cases[i].bits > 0 && bits != cases[i].bits)
                fail_msg("%s takes %g bits, not %g", cases[i].options, bits, cases[i].bits);
            if (d < 2 && !(sqnr >= cases[i].sqnr))
                fail_msg("%s has an SQNR of %g", cases[i].options, sqnr);
            cJSON_Delete(told);
        }
    }
}

/* Values of every kind and shapes that fit no block: what a format does not hold is kept. */
static void test_samples(void **state) {
    const char *in = sample_plain();
    (void)state;
    for (size_t i = 0; i < CASES; ++i) {
        /* GGUF holds neither U8 nor 8 dimensions, and blocks of 256 none of the rows. */
        if (cases[i].gguf) {
            must_fail(line_of("quantize %s %s --format %s", in, out_of(i), cases[i].options), 1, "",
                      "hold");
            continue;
        }
        cJSON *told = round_trip(in, i, 1);
        if (!told) continue;
        const cJSON *kept = cJSON_GetObjectItem(told, "kept");
        /* 11 tensors of rank 2 and more */
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(told, "tensors")) +
                             cJSON_GetArraySize(kept),
                         11);
        cJSON_Delete(told);
    }
}

/* A matrix of zeros and, in front of it, one without elements. */
static const char *write_zeros(int64_t rows, int64_t columns) {
    static const float zeros[4096];
    static char path[SCRATCH_PATH];
    const int64_t shape[2] = {rows, columns}, none[2] = {0, 32};
    char message[1024] = "";
    tw_writer *w;
    snprintf(path, sizeof path, "%s", scratch_path("zeros.safetensors"));
    w = tw_create(path, message, sizeof message);
    tw_add(w, "none", "F32", 2, none, 0);
    tw_add(w, "w", "F32", 2, shape, 4 * rows * columns);
    tw_begin(w, NULL);
    tw_write(w, zeros, (size_t)(4 * rows * columns));
    if (tw_finish(w) != 0) fail_msg("%s", message);
    return path;
}

/* The operator's input B: N x blocks of K x bytes of a block. */
static void test_matmulnbits_shape(void **state) {
    const char *out = scratch_path("out.safetensors");
    const tf_tensor *t;
    tf_file *file;
    (void)state;
    must_run(line_of("quantize %s %s --format matmulnbits", write_zeros(32, 64), out));
    file = must_open(out);
    t = tf_find(file, "w_Q4");
    assert_non_null(t);
    assert_int_equal(t->rank, 3);
    assert_int_equal(t->shape[0], 32);
    assert_int_equal(t->shape[1], 2);
    assert_int_equal(t->shape[2], 16);
    tf_close(file);
}

/* A format that holds no tensor of a file is a fault, and says what to do. */
static void test_nothing(void **state) {
    static const struct {
        const char *out, *options, *reason, *advice;
    } cases_of_64[] = {
        {"no.safetensors", "gptq", "rows of 64, no whole number of blocks of 128", "--per-block"},
        {"no.safetensors", "awq", "rows of 64, no whole number of blocks of 128", "--per-block"},
        {"no.safetensors", "compressed-tensors", "blocks of 128", "--per-block"},
        {"no.safetensors", "awq --per-block=32", "has 33 rows", "no multiple of 8"},
        {"no.safetensors", "gptq --per-block=32", "has 33 rows of 64", "4 bits"},
        {"no.gguf", "q4_k", "rows of 64, no whole number of blocks of 256", "smaller blocks"},
    };
    static const char empty[] = "{\"b\":" ENTRY("F32", "[1]", "[0,4]") "}";
    const char *in = write_zeros(33, 64), *bias;
    (void)state;
    for (size_t i = 0; i < sizeof cases_of_64 / sizeof *cases_of_64; ++i)
        must_fail(line_of("quantize %s %s --format %s --only w", in,
                          scratch_path(cases_of_64[i].out), cases_of_64[i].options),
                  1, cases_of_64[i].reason, cases_of_64[i].advice);
    bias = scratch_safetensors("bias", empty, NULL, 4);
    must_fail(line_of("quantize %s %s", bias, scratch_path("no")), 1, bias, "rank 2 or more");
    /* Where others are quantized it is told, with the figures. */
    assert_non_null(strstr(
        must_run(line_of("quantize %s %s --format fp8", in, scratch_path("out.safetensors")))->out,
        "kept as it was: 'none' is empty"));
}

/* Readers of GGUF divide by dimensions: tensors without elements stay outside. */
static void test_empty_in_gguf(void **state) {
    const char *in = write_zeros(32, 64), *out = scratch_path("out.gguf");
    const char *report = scratch_path("report.json");
    const run_result *r =
        must_run(line_of("quantize %s %s --format q8_0 --report %s", in, out, report));
    tf_file *file = must_open(out);
    cJSON *told = must_parse(report);
    const cJSON *left = cJSON_GetArrayItem(cJSON_GetObjectItem(told, "left_out"), 0);
    (void)state;
    assert_non_null(strstr(r->out, "left out: 'none' is empty"));
    assert_null(strstr(r->out, "copied unchanged"));
    assert_int_equal(file->count, 1);
    assert_non_null(tf_find(file, "w"));
    assert_null(cJSON_GetObjectItem(told, "kept"));
    assert_string_equal(cJSON_GetObjectItem(left, "name")->valuestring, "none");
    cJSON_Delete(told);
    tf_close(file);
}

/* Odd values are not faults: NaN, infinities, zeros throughout, tensors without elements. */
static void test_odd_values(void **state) {
    const char *in = sample_mixed();
    (void)state;
    for (size_t i = 0; i < CASES; ++i) {
        if (cases[i].gguf) continue;
        if (!held(line_of("quantize %s %s --format %s", in, out_of(i), cases[i].options))) continue;
        must_run(line_of("dequantize %s %s", out_of(i), scratch_path("back.safetensors")));
        must_run(line_of("compare %s %s", in, out_of(i)));
    }
}

/* LQ_FORMAT_STEP=N takes every Nth format of a file, other ones of the next. */
static void test_weights(void **state) {
    const char *given = getenv("LQ_FORMAT_STEP");
    const size_t step = given && atoi(given) > 0 ? (size_t)atoi(given) : 1;
    char **paths;
    const size_t count = weight_files(&paths);
    size_t used = 0;
    (void)state;
    for (size_t p = 0; p < count; ++p) {
        for (size_t i = p % step; i < CASES; i += step) {
            cJSON *told = round_trip(paths[p], i, 0);
            used += (size_t)cJSON_GetArraySize(cJSON_GetObjectItem(told, "tensors"));
            cJSON_Delete(told);
        }
        free(paths[p]);
    }
    free(paths);
    print_message("%zu tensors of %zu files of weights\n", used, count);
}

/* A GGUF file is quantized, too: its pairs stay, but for those that say how. */
static void test_gguf_input(void **state) {
    static const int64_t shape[2] = {2, 32};
    static const float values[64] = {1, -2, 3};
    const char *in = scratch_path("in.gguf"), *out = scratch_path("out.gguf");
    char message[1024] = "", text[64];
    tw_writer *w = tw_create_gguf(in, message, sizeof message);
    tf_file *file;
    (void)state;
    tw_pair_text(w, "general.architecture", "some");
    tw_pair_u32(w, "general.file_type", 0);
    tw_pair_u32(w, "some.layers", 3);
    tw_add(w, "x", "F32", 2, shape, 256);
    tw_begin(w, NULL);
    tw_write(w, values, 256);
    if (tw_finish(w) != 0) fail_msg("%s", message);
    must_run(line_of("quantize %s %s --format q8_0", in, out));
    file = must_open(out);
    assert_int_equal(file->pair_count, 4);
    assert_string_equal(gguf_text(&file->pairs[0], text, sizeof text), "some");
    assert_string_equal(file->pairs[1].key, "some.layers");
    assert_string_equal(file->pairs[2].key, "general.quantization_version");
    assert_string_equal(file->pairs[3].key, "general.file_type");
    assert_string_equal(gguf_text(&file->pairs[3], text, sizeof text), "7");
    tf_close(file);
    assert_non_null(strstr(must_run(line_of("inspect %s", out))->out, "some.layers = 3"));
    must_fail(line_of("quantize %s %s --format q4_0", out, scratch_path("twice.gguf")), 1, out,
              "quantized already");
    must_fail(line_of("dequantize %s %s", in, scratch_path("back")), 1, in, "no quantized tensors");
    must_run(line_of("quantize %s %s --format nvfp4", in, scratch_path("out.safetensors")));
    must_run(line_of("quantize %s %s", in, scratch_path("out.safetensors")));
    must_run(line_of("compare %s %s", in, scratch_path("out.safetensors")));
}

/* Types that are known by size alone are listed and compared, but not decoded. */
static void test_other_types(void **state) {
    static const int64_t shape[2] = {1, 256};
    static const unsigned char bytes[66] = {1};
    const char *in = scratch_path("iq.gguf");
    char message[1024] = "";
    tw_writer *w = tw_create_gguf(in, message, sizeof message);
    (void)state;
    tw_add(w, "x", "IQ2_XXS", 2, shape, 66);
    tw_begin(w, NULL);
    tw_write(w, bytes, 66);
    if (tw_finish(w) != 0) fail_msg("%s", message);
    assert_non_null(strstr(must_run(line_of("inspect %s", in))->out, "IQ2_XXS"));
    must_run(line_of("compare %s %s", in, in));
    must_fail(line_of("dequantize %s %s", in, scratch_path("back")), 1, "IQ2_XXS", "not decode");
}

static void test_refused_options(void **state) {
    static const struct {
        const char *out, *options, *says;
    } wrong[] = {
        {"o.gguf", "", "needs a --format"},
        {"o.gguf", "--format q9_0", "no format 'q9_0'"},
        {"o.gguf", "--format gptq", "let OUT end in .safetensors"},
        {"o.safetensors", "--format q4_0", "let OUT end in .gguf"},
        {"o.gguf", "--format q4_0 --type s4", "leave out --type"},
        {"o.gguf", "--format q4_0 --affine", "leave out --affine and"},
        {"o.gguf", "--format q4_0 --per-block=64", "leave out --per-"},
        {"o.gguf", "--format q4_0 --scale f32", "leave out --scale"},
        {"o.gguf", "--format q4_0 --bits 5", "--bits"},
        {"o.safetensors", "--format awq --symmetric", "leave out --symmetric"},
        {"o.safetensors", "--format awq --per-tensor", "--per-block=SIZE"},
        {"o.safetensors", "--format awq --per-block=32@0", "--per-block=SIZE"},
        {"o.safetensors", "--format gptq --bits 5", "--bits"},
        {"o.safetensors", "--format gptq --bits 9", "--bits"},
        {"o.safetensors", "--format gptq --calibration x", "--calibration"},
        {"o.safetensors", "--bits 4", "--bits needs --format"},
    };
    const char *in = write_wide("wide.safetensors", "F32");
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i)
        must_fail(line_of("quantize %s %s %s", in, scratch_path(wrong[i].out), wrong[i].options), 2,
                  "", wrong[i].says);
}

/* Descriptions that lquant did not write. */
static void test_hostile_descriptions(void **state) {
    static const struct {
        const char *from, *to, *says;
    } damages[] = {
        {"\\\"format\\\":\\\"gptq\\\"", "\\\"format\\\":\\\"gptr\\\"", "unknown format"},
        {"\\\"bits\\\":4", "\\\"bits\\\":5", "bits that its format"},
        {"\\\"bits\\\":4", "\\\"bits\\\":8", "as described"},
        {"\\\"block\\\":32", "\\\"block\\\":64", "than described"},
        {"\\\"block\\\":32", "\\\"block\\\":-1", "invalid block"},
        {"\\\"block\\\":32", "\\\"block\\\":33", "whole number of blocks"},
        {"\\\"scale\\\":\\\"f16\\\"", "\\\"scale\\\":\\\"f32\\\"", "type of scales"},
        {"\\\"shape\\\":[96,256]", "\\\"shape\\\":[96,257]", ""},
        {"\\\"shape\\\":[96,256]", "\\\"shape\\\":[0,256]", "is empty"},
        {"\\\"shape\\\":[96,256]", "\\\"shape\\\":[]", "scalar"},
        {"\\\"shape\\\":[96,256]", "\\\"shape\\\":[9007199254740991,9007199254740991]",
         "overflows"},
        {"\\\"name\\\":\\\"a.weight\\\"", "\\\"name\\\":\\\"c.weight\\\"", "not in the file"},
    };
    const char *in = write_wide("wide.safetensors", "F32");
    char good[SCRATCH_PATH], bad[SCRATCH_PATH];
    size_t size = 0;
    char *bytes;
    (void)state;
    snprintf(good, sizeof good, "%s", scratch_path("good.safetensors"));
    snprintf(bad, sizeof bad, "%s", scratch_path("bad.safetensors"));
    must_run(line_of("quantize %s %s --format gptq --per-block=32", in, good));
    bytes = scratch_read(good, &size);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; ++i) {
        const uint64_t length = little_endian((const unsigned char *)bytes, 8);
        char *header = malloc((size_t)length + 1), *at, *file = malloc(size + 256);
        size_t from = strlen(damages[i].from), to = strlen(damages[i].to);
        assert_non_null(header);
        assert_non_null(file);
        memcpy(header, bytes + 8, (size_t)length);
        header[length] = '\0';
        at = strstr(header, damages[i].from);
        if (!at) fail_msg("no %s in %s", damages[i].from, header);
        const size_t before = (size_t)(at - header);
        const uint64_t longer = length - from + to;
        for (int k = 0; k < 8; ++k) file[k] = (char)(unsigned char)(longer >> 8 * k);
        memcpy(file + 8, header, before);
        memcpy(file + 8 + before, damages[i].to, to);
        memcpy(file + 8 + before + to, bytes + 8 + before + from, size - 8 - before - from);
        scratch_write("bad.safetensors", file, size - from + to);
        must_fail(line_of("dequantize %s %s", bad, scratch_path("back")), 1, bad, damages[i].says);
        must_fail(line_of("inspect %s", bad), 1, bad, damages[i].says);
        free(header);
        free(file);
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_matmulnbits_shape),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_empty_in_gguf),
        cmocka_unit_test(test_odd_values),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_gguf_input),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_hostile_descriptions),
    };
    const char *python = getenv("LQ_PYTHON");
    int failed;
    if (!python || !*python)
        fprintf(stderr, "skipped: the independent reader, for want of Python with numpy\n");
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
