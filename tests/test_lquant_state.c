/*
 * lquant calibrate and merge: command lines, states that are not what they should be, runs that
 * fail and what they leave, and the plot.
 */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "libquant.h"
#include "lquant_run.h"
#include "scratch.h"
#include "tensor_writer.h"

static const char small[] =
    "{\"w\":" ENTRY("F32", "[2,3]", "[0,24]") ",\"b\":" ENTRY("BF16", "[2]", "[24,28]") "}";

static const char *small_file(const char *name) {
    static const float data[7] = {1, -2, 3, 0.5f, 7, 8, 2};
    unsigned char bytes[28];
    scratch_floats(bytes, data, 7);
    return scratch_safetensors(name, small, bytes, sizeof bytes);
}

/* A state of that file. */
static const char *small_state(const char *name, const char *options) {
    const char *path = scratch_path(name);
    remove(path);
    must_run(line_of("calibrate %s --state %s %s", small_file("in"), path, options));
    return path;
}

/* ------------------------------------------------------------------- command lines */

static void test_usage(void **state) {
    static const char *const lines[] = {
        "calibrate",
        "calibrate --json -",
        "calibrate IN --method",
        "calibrate IN --method best",
        "calibrate IN --method mse,mse",
        "calibrate IN --method mse --method mse",
        "calibrate IN --method mse,",
        "calibrate IN --method moving-average",
        "calibrate IN --method pytorch-histogram",
        "calibrate IN --percentile 0",
        "calibrate IN --percentile 100.1",
        "calibrate IN --percentile nan",
        "calibrate IN --percentile 99x",
        "calibrate IN --percentile 99 --percentile 98",
        "calibrate IN --deviations -1",
        "calibrate IN --deviations 1e999",
        "calibrate IN --deviations 0x2",
        "calibrate IN --mantissa-bits 0",
        "calibrate IN --mantissa-bits 11",
        "calibrate IN --sums=1",
        "calibrate IN --sums --sums",
        "calibrate IN --per-block=32",
        "calibrate IN --per-tensor --per-channel",
        "calibrate IN --type f32",
        "calibrate IN --state",
        "calibrate IN --state=",
        "calibrate IN --plot a --plot b",
        "calibrate IN --name=",
        "calibrate IN --report a",
        "calibrate IN -o a",
        "merge",
        "merge IN",
        "merge -o OUT",
        "merge IN -o",
        "merge IN -o OUT -o OUT",
        "merge IN --state OUT",
        "quantize IN OUT --method mse",
        "quantize IN OUT --percentile 99",
        "quantize IN OUT --calibration IN --method mse,entropy",
        "quantize IN OUT --calibration IN --per-block=2",
        "quantize IN OUT --calibration IN --calibration IN",
        "quantize IN OUT --calibration",
        "dequantize IN OUT --calibration IN",
    };
    const char *in = small_file("in");
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        char line[4096] = "";
        for (const char *p = lines[i]; *p;) {
            const int is_in = strncmp(p, "IN", 2) == 0, is_out = strncmp(p, "OUT", 3) == 0;
            const size_t n = strlen(line);
            if (is_in || is_out)
                snprintf(line + n, sizeof line - n, "%s", is_in ? in : scratch_path("out"));
            else
                line[n] = *p;
            p += is_in ? 2 : is_out ? 3 : 1;
        }
        must_fail(line, 2, "", "see 'lquant help");
    }
}

static void test_help(void **state) {
    const char *help = must_run("help calibrate")->out;
    (void)state;
    /* Every method that a histogram serves is named. */
    for (lq_method method = 0; method < 16; ++method)
        if (lq_method_name(method) && method != LQ_METHOD_MOVING_AVERAGE)
            assert_non_null(strstr(help, lq_method_name(method)));
    assert_non_null(strstr(must_run("merge --help")->out, "lquant merge STATE... -o FILE"));
    assert_non_null(strstr(must_run("help quantize")->out, "--calibration STATE"));
}

/* -------------------------------------------------------------------- hostile states */

/* All three commands that read states refuse this one, and leave nothing behind. */
static void must_refuse(const char *path, const char *says) {
    const char *in = scratch_path("in"), *out = scratch_path("out");
    must_fail(line_of("calibrate --state %s --json %s --plot %s", path, out, scratch_path("svg")),
              1, path, says);
    must_fail(line_of("calibrate %s --state %s --json %s", in, path, out), 1, path, says);
    must_fail(line_of("merge %s -o %s", path, out), 1, path, says);
    must_fail(line_of("quantize %s %s --calibration %s", in, out, path), 1, path, says);
}

static void test_damage(void **state) {
    size_t size = 0, data;
    char *good = scratch_read(small_state("good", ""), &size), *bad = malloc(size + 1);
    (void)state;
    assert_non_null(good);
    assert_non_null(bad);
    data = 8 + (size_t)(unsigned char)good[0] + 256 * (size_t)(unsigned char)good[1];
    for (size_t i = 0; i < size; i += i < data ? 61 : 23)
        must_refuse(scratch_write("bad", good, i), "");
    for (size_t i = data; i < size; i += 9) {
        memcpy(bad, good, size);
        bad[i] = (char)(bad[i] ^ 1 << i % 8);
        must_refuse(scratch_write("bad", bad, size), "tensor");
    }
    memcpy(bad, good, size);
    bad[size] = 0;
    must_refuse(scratch_write("bad", bad, size + 1), "behind the last tensor");
    free(good);
    free(bad);
}

/* A state file of one tensor with these bytes, dtype, rank and version. */
static const char *state_of(const void *bytes, int64_t size, const char *dtype, int32_t rank,
                            const char *version) {
    const int64_t elements = size * 8 / tf_dtype_bits(dtype), shape[] = {elements, 1};
    const char *path = scratch_path("bad");
    char message[1024] = "";
    tw_writer *w = tw_create(path, message, sizeof message);
    cJSON *metadata = cJSON_CreateObject();
    if (version) cJSON_AddStringToObject(metadata, "libquant_calibration", version);
    tw_add(w, "w", dtype, rank, shape, size);
    tw_begin(w, metadata);
    tw_write(w, bytes, (size_t)size);
    if (tw_finish(w) != 0) fail_msg("%s", message);
    cJSON_Delete(metadata);
    return path;
}

static void put(unsigned char *to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to[i] = (unsigned char)(value >> 8 * i);
}

/* As the format has it, with a sound checksum: 64-bit FNV-1a. */
static const char *claim(uint64_t channels, int mantissa_bits, size_t size) {
    unsigned char *bytes = calloc(size, 1);
    const char *path;
    uint64_t hash = 0xcbf29ce484222325u;
    assert_non_null(bytes);
    memcpy(bytes, "LQCALIB", 7);
    put(bytes + 8, 1, 4);
    bytes[13] = (unsigned char)mantissa_bits;
    bytes[15] = 1; /* per channel */
    put(bytes + 24, channels, 8);
    for (size_t i = 0; i + 8 < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    put(bytes + size - 8, hash, 8);
    path = state_of(bytes, (int64_t)size, "U8", 1, "1");
    free(bytes);
    return path;
}

static void test_hostile(void **state) {
    static const double none[2] = {0};
    const char *good = small_state("good", "");
    tf_file *file = must_open(good);
    const tf_tensor *w = tf_find(file, "w");
    (void)state;
    must_run(line_of("calibrate --state %s", state_of(w->data, w->size, "U8", 1, "1")));
    must_refuse(state_of(w->data, w->size, "U8", 1, "2"), "version '2'");
    must_refuse(state_of(w->data, w->size, "U8", 1, NULL), "no state of 'lquant calibrate'");
    must_refuse(state_of(w->data, w->size, "I8", 1, "1"), "not the bytes of a calibrator");
    must_refuse(state_of(w->data, w->size, "U8", 2, "1"), "not the bytes of a calibrator");
    must_refuse(state_of(none, 0, "U8", 1, "1"), "tensor 'w'");
    must_refuse(state_of(none, sizeof none, "F64", 1, "1"), "not the bytes of a calibrator");
    must_refuse(claim((uint64_t)1 << 40, 7, 64), "tensor 'w'");
    must_refuse(claim((uint64_t)1 << 63, 7, 64), "tensor 'w'");
    /* Beyond what lquant takes, or what there are addresses for. */
    must_refuse(claim(1 << 20, 10, 40 + (13 << 20)),
                sizeof(size_t) > 4 ? "4 GiB" : "too large to represent");
    must_refuse(claim(1, 11, 64), "tensor 'w'");
    must_refuse(small_file("batch"), "no state of 'lquant calibrate'");
    tf_close(file);
}

/* --------------------------------------------------------------------- runs that fail */

static char *bytes_of(const char *path, size_t *size) {
    char *bytes = scratch_read(path, size);
    assert_non_null(bytes);
    return bytes;
}

/* The run fails, and the state is as it was. */
static void must_keep(const char *kept, const char *line, const char *names, const char *says) {
    size_t size[2];
    char *bytes[2];
    bytes[0] = bytes_of(kept, &size[0]);
    must_fail(line, 1, names, says);
    bytes[1] = bytes_of(kept, &size[1]);
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    free(bytes[0]);
    free(bytes[1]);
}

static void test_conflicts(void **state) {
    const char *kept = small_state("kept", ""), *in = scratch_path("in");
    const char *channels = small_state("channels", "--per-channel --only w --sums");
    const char *wide =
        scratch_safetensors("wide", "{\"w\":" ENTRY("F32", "[3,3]", "[0,36]") "}", NULL, 36);
    const char *other = "calibrated with other options";
    (void)state;
    must_keep(kept, line_of("calibrate %s --state %s --per-channel", in, kept), in, other);
    must_keep(kept, line_of("calibrate %s --state %s --mantissa-bits 6", in, kept), in, other);
    must_keep(kept, line_of("calibrate %s --state %s --sums", in, kept), in, other);
    must_keep(channels, line_of("calibrate %s --state %s --only w --per-tensor", in, channels), in,
              other);
    must_keep(channels, line_of("calibrate %s --state %s --only w --per-channel=1", in, channels),
              in, other);
    must_keep(channels, line_of("calibrate %s --state %s", wide, channels), wide,
              "another number of channels");
    must_keep(kept, line_of("merge %s %s -o %s", channels, kept, kept), kept,
              "other options than in the other states");
    must_run(
        line_of("calibrate %s --state %s --only w --per-channel --mantissa-bits=2", in, channels));
    must_run(line_of("calibrate %s --state %s --per-tensor --mantissa-bits=7", wide, kept));
    must_fail(line_of("calibrate %s --per-channel=1", in), 1, in, "'b' does not have that axis");
    must_fail(line_of("calibrate %s --per-channel=-2", in), 1, in, "'b' does not have that axis");
}

static void test_failures(void **state) {
    const char *kept = small_state("kept", ""), *in = scratch_path("in");
    const char *quantized = scratch_path("quantized"), *absent = scratch_path("absent");
    const char *cut = scratch_safetensors("cut", small, NULL, 20);
    const char *whole =
        scratch_safetensors("whole", "{\"i\":" ENTRY("I8", "[1]", "[0,1]") "}", "1", 1);
    (void)state;
    must_run(line_of("quantize %s %s", in, quantized));
    must_keep(kept, line_of("calibrate %s %s --state %s", in, cut, kept), cut, ": ");
    must_keep(kept, line_of("calibrate %s %s --state %s", in, absent, kept), absent, "be read");
    must_keep(kept, line_of("calibrate %s %s --state %s", in, quantized, kept), quantized,
              "is quantized");
    must_keep(kept, line_of("calibrate %s %s", in, kept), kept, "is a state");
    must_keep(kept, line_of("calibrate %s --state %s --json /nowhere/a", in, kept), "/nowhere/a",
              ": ");
    must_keep(kept, line_of("calibrate %s --state %s --plot /nowhere/a", in, kept), "/nowhere/a",
              ": ");
    must_keep(kept, line_of("calibrate %s --state %s --json %s", in, kept, kept), kept,
              "overwritten");
    must_keep(kept, line_of("calibrate %s --state %s --plot %s", in, kept, in), in, "overwritten");
    must_keep(in, line_of("calibrate %s --state %s", in, in), in, "overwritten");
    must_fail(line_of("calibrate %s --json %s --plot %s", in, absent, absent), 1, absent,
              "overwritten");
    must_fail(line_of("calibrate --state %s", absent), 1, absent, "cannot be read");
    must_fail(line_of("calibrate %s --state /nowhere/state", in), 1, "/nowhere/state", ": ");
    must_fail(line_of("calibrate %s", whole), 1, whole, "no tensor");
    must_fail(line_of("calibrate %s %s --only x*", in, whole), 1, "and the others", "'x*'");
    must_keep(kept, line_of("merge %s %s -o %s", kept, absent, kept), absent, "cannot be read");
    must_fail(line_of("merge %s -o /nowhere/state", kept), 1, "/nowhere/state", ": ");
    scratch_remove("quantized");
}

static void test_quantize_failures(void **state) {
    const char *in = small_file("in"), *out = scratch_path("out");
    const char *only_b = small_state("only_b", "--only b");
    const char *rows = small_state("rows", "--only w --per-channel");
    const char *tall =
        scratch_safetensors("tall", "{\"w\":" ENTRY("F32", "[3,3]", "[0,36]") "}", NULL, 36);
    const char *nan = scratch_safetensors("nan", "{\"w\":" ENTRY("F32", "[1,1]", "[0,4]") "}",
                                          "\x00\x00\xc0\x7f", 4);
    const char *empty = scratch_path("empty");
    (void)state;
    must_fail(line_of("quantize %s %s --calibration %s", in, out, only_b), 1, in,
              "'w' is not in the calibration state");
    must_fail(line_of("quantize %s %s --calibration %s --per-tensor", in, out, rows), 1, in,
              "'w' was calibrated with other channels");
    must_fail(line_of("quantize %s %s --calibration %s --per-channel=1", in, out, rows), 1, in,
              "'w' was calibrated with other channels");
    must_fail(line_of("quantize %s %s --calibration %s", tall, out, rows), 1, tall,
              "has not the channels");
    must_run(line_of("calibrate %s --state %s", nan, empty));
    must_fail(line_of("quantize %s %s --calibration %s", nan, out, empty), 1, nan,
              "'w' has a channel without finite values");
    must_fail(line_of("quantize %s %s --calibration %s", in, rows, rows), 1, rows, "overwritten");
    must_fail(line_of("quantize %s %s --calibration %s --report %s", in, out, rows, rows), 1, rows,
              "overwritten");
    must_run(line_of("quantize %s %s --calibration %s --per-channel=-2", in, out, rows));
    scratch_remove("out");
}

/* ---------------------------------------------------------------------------- plot */

static const char *skip_name(const char *p) {
    while (isalnum((unsigned char)*p) || *p == '-') ++p;
    return p;
}

/* Text up to `stop`, in which no character of markup stands for itself. */
static const char *skip_text(const char *p, char stop) {
    for (; *p != stop; ++p) {
        if (*p == '\0') fail_msg("the document ends in text");
        if (*p == '<') fail_msg("markup in text: %.40s", p);
        if (*p == '&' && strncmp(p, "&amp;", 5) != 0 && strncmp(p, "&lt;", 4) != 0 &&
            strncmp(p, "&gt;", 4) != 0)
            fail_msg("an unknown entity: %.40s", p);
    }
    return p;
}

/* An attribute's value, up to the quote: no coordinate is missing. */
static const char *skip_value(const char *p) {
    const char *end = skip_text(p, '"');
    for (; p < end; ++p)
        if (strncmp(p, "nan", 3) == 0 || strncmp(p, "inf", 3) == 0)
            fail_msg("not a coordinate: %.40s", p);
    return end;
}

/* Behind the element that begins at `p`; all that it holds is well-formed. */
static const char *skip_element(const char *p) {
    const char *name = ++p, *end = p = skip_name(p);
    if (end == name) fail_msg("an element without a name: %.40s", name);
    while (*p == ' ') {
        p = skip_name(p + 1);
        if (p[0] != '=' || p[1] != '"') fail_msg("a wrong attribute: %.40s", p);
        p = skip_value(p + 2) + 1;
    }
    if (p[0] == '/' && p[1] == '>') return p + 2;
    if (*p++ != '>') fail_msg("a wrong tag: %.40s", name);
    for (;;) {
        p = skip_text(p, '<');
        if (p[1] == '/') break;
        p = skip_element(p);
    }
    if (strncmp(p + 2, name, (size_t)(end - name)) != 0 || p[2 + (end - name)] != '>')
        fail_msg("%.20s is not closed but %.20s", name, p);
    return p + 3 + (end - name);
}

static int count_of(const char *text, const char *what) {
    int count = 0;
    for (; (text = strstr(text, what)) != NULL; ++text) ++count;
    return count;
}

/* The plot of these inputs, to be freed: one well-formed element, with a title for each tensor. */
static char *must_plot(const char *inputs, int tensors) {
    const char *svg = scratch_path("svg");
    size_t size;
    char *text;
    must_run(line_of("calibrate %s --plot %s", inputs, svg));
    text = bytes_of(svg, &size);
    assert_int_equal(strlen(text), size);
    assert_string_equal(skip_element(text), "\n");
    assert_int_equal(strncmp(text, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39), 0);
    assert_int_equal(count_of(text, "class=\"t\""), tensors + 1);
    scratch_remove("svg");
    return text;
}

static void test_plot(void **state) {
    static const char odd[] = "{\"a<b>&\\\"c\xef\xbf\xbf'\\n\":" ENTRY("F32", "[6]", "[0,24]") "}";
    static const float data[6] = {-1e6f, 1, 2, 3, 0, 2.5f};
    unsigned char bytes[24];
    char *text = must_plot(small_file("in"), 2);
    (void)state;
    assert_non_null(strstr(text, ">w: 6 values<"));
    assert_non_null(strstr(text, ">b: 2 values<"));
    /* Of each tensor: the name of a method, and its range in both panels. */
    assert_int_equal(count_of(text, ">min-max<"), 2);
    assert_int_equal(count_of(text, ">mse<"), 2);
    assert_int_equal(count_of(text, "fill=\"#000000\""), 4);
    free(text);
    scratch_floats(bytes, data, 6);
    text = must_plot(scratch_safetensors("odd", odd, bytes, sizeof bytes), 1);
    assert_non_null(strstr(text, ">a&lt;b&gt;&amp;\"c?'?: 6 values<"));
    free(text);
    free(must_plot(sample_mixed(), 18));
    text = must_plot(line_of("%s --only rows* --per-channel", sample_mixed()), 2);
    assert_non_null(strstr(text, "64 channels"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_quantize_failures),
        cmocka_unit_test(test_plot),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
