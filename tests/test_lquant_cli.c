/* lquant's command line: its options, and every way in which a run can fail. */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "libquant.h"
#include "lquant_run.h"
#include "scratch.h"
#include "tensor_file.h"

static const char small[] =
    "{\"w\":" ENTRY("F32", "[2,2]", "[0,16]") ",\"b\":" ENTRY("F32", "[2]", "[16,24]") "}";

static const char *small_file(const char *name) {
    static const float data[6] = {1, -2, 3, 0.5f, 7, 8};
    return scratch_safetensors(name, small, data, sizeof data);
}

static void test_usage(void **state) {
    static const char *const lines[] = {
        "quantise a b",
        "quantize",
        "quantize IN",
        "quantize IN OUT more",
        "quantize IN OUT --typ s8",
        "quantize IN OUT --type",
        "quantize IN OUT --type s3",
        "quantize IN OUT --type=f32",
        "quantize IN OUT --type s32",
        "quantize IN OUT --type s8 --type s8",
        "quantize IN OUT --affine --symmetric",
        "quantize IN OUT --affine=1",
        "quantize IN OUT --per-tensor --per-channel",
        "quantize IN OUT --per-channel=x",
        "quantize IN OUT --per-channel=",
        "quantize IN OUT --per-channel=99999999999",
        "quantize IN OUT --per-block",
        "quantize IN OUT --per-block=0",
        "quantize IN OUT --per-block=-32",
        "quantize IN OUT --per-block=32x",
        "quantize IN OUT --per-block=32@",
        "quantize IN OUT --per-block=32@1@2",
        "quantize IN OUT --per-block=99999999999999999999",
        "quantize IN OUT --scale f64",
        "quantize IN OUT --scale s8",
        "quantize IN OUT --report",
        "quantize IN OUT -x",
        "dequantize IN OUT --type s8",
        "compare IN",
        "compare IN IN --only w",
        "inspect",
        "inspect IN OUT",
        "help nothing",
    };
    const char *in = small_file("in");
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        char line[2048] = "";
        const char *p = lines[i];
        for (size_t n = 0; *p && n < sizeof line - 600;) {
            if (strncmp(p, "IN", 2) == 0 || strncmp(p, "OUT", 3) == 0) {
                n += (size_t)sprintf(line + n, "%s", *p == 'I' ? in : scratch_path("out"));
                p += *p == 'I' ? 2 : 3;
            } else {
                line[n++] = *p++;
            }
        }
        must_fail(line, 2, "", "see 'lquant help");
    }
    assert_int_equal(run_line("")->status, 2);
}

/* What a value may be is said, not only that this one may not. */
static void test_wrong_values(void **state) {
    static const struct {
        const char *options, *says;
    } wrong[] = {
        {"--type e4m3", "s8, u8, s4, u4, s2, u2, s16 or u16"},
        {"--type e4m3", "--format fp8"},
        {"--scale f64", "f32, f16 or bf16, and not 'f64'"},
        {"--per-block=0", "SIZE@AXIS"},
        {"--bits 9", "1 to 8"},
        {"--affine=1", "no value belongs to '--affine'"},
        {"--type s8 --type s8", "given twice"},
    };
    const char *in = small_file("in"), *out = scratch_path("out");
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i)
        must_fail(line_of("quantize %s %s %s", in, out, wrong[i].options), 2, "", wrong[i].says);
}

/* No file of one format under the name of another. */
static void test_suffixes(void **state) {
    static const char *const wrong[] = {"o.npy", "o.txt", "o.SAFETENSORS", "o.safetensors.bak"};
    static const char *const right[] = {"o", "o-1.5", ".o", "o.safetensors"};
    const char *in = small_file("in");
    char *q = strdup(scratch_path("q"));
    (void)state;
    must_run(line_of("quantize %s %s", in, q));
    for (int i = 0; i < 4; ++i) {
        const char *out = scratch_path(wrong[i]);
        must_fail(line_of("quantize %s %s --type s8", in, out), 2, out, ".safetensors");
        must_fail(line_of("quantize %s %s --format fp8", in, out), 2, out, ".safetensors");
        must_fail(line_of("dequantize %s %s", q, out), 2, out, ".safetensors");
        must_run(line_of("dequantize %s %s", q, scratch_path(right[i])));
        must_run(line_of("quantize %s %s", in, scratch_path(right[i])));
        scratch_remove(right[i]);
    }
    must_fail(line_of("dequantize %s %s", q, scratch_path("o.gguf")), 2, "o.gguf", ".safetensors");
    scratch_remove("q");
    free(q);
}

static void test_help(void **state) {
    char version[64];
    (void)state;
    snprintf(version, sizeof version, "lquant %d.%d.%d\n", LQ_VERSION_MAJOR, LQ_VERSION_MINOR,
             LQ_VERSION_PATCH);
    assert_string_equal(must_run("--version")->out, version);
    assert_non_null(strstr(must_run("--help")->out, "lquant quantize IN OUT"));
    assert_non_null(strstr(must_run("help quantize")->out, "--per-block=SIZE"));
    assert_non_null(strstr(must_run("compare --help")->out, "lquant compare A B"));
}

static void test_bad_inputs(void **state) {
    const char *good = small_file("good");
    const char *bad[5];
    (void)state;
    bad[0] = scratch_path("absent");
    bad[1] = scratch_write("empty", "", 0);
    bad[2] = scratch_write("text", "no tensors in here, only text", 29);
    bad[3] = scratch_safetensors("cut", small, NULL, 23);
    bad[4] = scratch_path(".");
    for (int i = 0; i < 5; ++i) {
        const char *out = scratch_path("out");
        must_fail(line_of("quantize %s %s", bad[i], out), 1, bad[i], ": ");
        must_fail(line_of("dequantize %s %s", bad[i], out), 1, bad[i], ": ");
        must_fail(line_of("inspect %s", bad[i]), 1, bad[i], ": ");
        must_fail(line_of("compare %s %s --report %s", bad[i], good, out), 1, bad[i], ": ");
        must_fail(line_of("compare %s %s --report %s", good, bad[i], out), 1, bad[i], ": ");
    }
    must_fail(line_of("dequantize %s %s", good, scratch_path("out")), 1, good, "not written by");
}

static void test_bad_outputs(void **state) {
    /* A pipe stands for devices too: a broken writer, run as root, would replace a real one. */
    const char *const outs[] = {scratch_path("pipe"), "/nowhere/out", "/"};
    const char *in = small_file("in");
    const char *q = scratch_path("q"), *out = scratch_path("out");
    (void)state;
    assert_int_equal(mkfifo(outs[0], 0600), 0);
    must_run(line_of("quantize %s %s", in, q));
    for (size_t i = 0; i < sizeof outs / sizeof *outs; ++i) {
        must_fail(line_of("quantize %s %s", in, outs[i]), 1, outs[i], ": ");
        must_fail(line_of("dequantize %s %s", q, outs[i]), 1, outs[i], ": ");
        must_fail(line_of("quantize %s %s --report %s", in, out, outs[i]), 1, outs[i], ": ");
        must_fail(line_of("quantize %s %s --report %s", in, outs[i], out), 1, outs[i], ": ");
        must_fail(line_of("compare %s %s --report %s", in, q, outs[i]), 1, outs[i], ": ");
    }
    must_fail(line_of("quantize %s %s --report %s", in, out, out), 1, out, "overwrite");
    must_fail(line_of("quantize %s %s --report %s", in, out, in), 1, in, "overwrite");
    must_fail(line_of("compare %s %s --report %s", in, q, q), 1, q, "overwrite");
    must_fail(line_of("quantize %s %s", in, scratch_path(".")), 1, scratch_path("."), "directory");
    scratch_remove("pipe");
    scratch_remove("q");
}

/* A file size limit stands for the full disk; the writer's own test has a real one. */
static void test_full_disk(void **state) {
    const char *in = sample_plain(), *out = scratch_path("out"), *report = scratch_path("report");
    struct rlimit before, tight;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 5000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    signal(SIGXFSZ, SIG_IGN);
    must_fail(line_of("quantize %s %s --report %s", in, out, report), 1, out, "File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

static void test_closed_output(void **state) {
    const char *const arguments[] = {"inspect", small_file("in"), NULL};
    const int full = open("/dev/full", O_WRONLY);
    const run_result *r;
    (void)state;
    if (full < 0) {
        fprintf(stderr, "skipped: there is no /dev/full\n");
        skip();
    }
    r = run_lquant_to(arguments, full, -1);
    assert_int_equal(r->status, 1);
    assert_non_null(strstr(r->err, "standard output"));
    close(full);
}

static void test_closed_pipe(void **state) {
    const char *const arguments[] = {"inspect", small_file("in"), NULL};
    const run_result *r;
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    r = run_lquant_to(arguments, ends[1], -1);
    assert_int_equal(r->status, 1); /* and no silent death by SIGPIPE */
    assert_non_null(strstr(r->err, "standard output"));
    close(ends[1]);
}

static void test_axis(void **state) {
    const char *in = small_file("in"), *out = scratch_path("out");
    (void)state;
    must_fail(line_of("quantize %s %s --per-channel=2", in, out), 1, in, "'w' does not have");
    must_fail(line_of("quantize %s %s --per-channel=-3", in, out), 1, in, "'w' does not have");
    must_fail(line_of("quantize %s %s --per-block=2@2", in, out), 1, in, "'w' does not have");
    in = scratch_safetensors("in", "{\"w\":" ENTRY("F32", "[0,9007199254740992]", "[0,0]") "}",
                             NULL, 0);
    must_fail(line_of("quantize %s %s --per-channel=1", in, out), 1, in, "absurd");
    must_run(line_of("quantize %s %s --per-channel=0", in, out));
    scratch_remove("out");
}

static void test_collisions(void **state) {
    const char *scale = scratch_safetensors(
        "scale",
        "{\"w\":" ENTRY("F32", "[1,1]", "[0,4]") ",\"w_"
                                                 "scale\":" ENTRY("U8", "[1]", "[4,5]") "}",
        NULL, 5);
    const char *zero = scratch_safetensors(
        "zero",
        "{\"w\":" ENTRY("F32", "[1,1]", "[0,4]") ",\"w_zero_"
                                                 "point\":" ENTRY("U8", "[1]", "[4,5]") "}",
        NULL, 5);
    const char *both = scratch_safetensors(
        "both",
        "{\"w\":" ENTRY("F32", "[1,1]", "[0,4]") ",\"w_scale\":" ENTRY("F32", "[1,1]", "[4,8]") "}",
        NULL, 8);
    const char *out = scratch_path("out");
    (void)state;
    must_fail(line_of("quantize %s %s", scale, out), 1, scale, "'w_scale'");
    must_fail(line_of("quantize %s %s --affine", zero, out), 1, zero, "'w_zero_point'");
    must_run(line_of("quantize %s %s", zero, out));
    must_fail(line_of("quantize %s %s", both, out), 1, both, "'w_scale'");
    must_run(line_of("quantize %s %s --only *_scale", both, out));
    must_run(line_of("dequantize %s %s", out, out));
    must_run(line_of("compare %s %s", both, out));
    scratch_remove("out");
}

static void test_only(void **state) {
    const char *in = sample_plain(), *out = scratch_path("out");
    tf_file *file;
    (void)state;
    must_run(line_of("quantize %s %s --only rows*", in, out));
    file = must_open(out);
    assert_string_equal(tf_find(file, "rows9")->dtype, "I8");
    assert_string_equal(tf_find(file, "rows172")->dtype, "I8");
    assert_non_null(tf_find(file, "rows9_scale"));
    assert_string_equal(tf_find(file, "conv27")->dtype, "F32");
    assert_null(tf_find(file, "conv27_scale"));
    tf_close(file);
    must_fail(line_of("quantize %s %s --only bias", in, out), 1, in, "'bias'");
    scratch_remove("out");
}

static void test_in_place(void **state) {
    const char *in = sample_mixed(), *file = scratch_path("file"), *q = scratch_path("q");
    size_t size[2];
    char *bytes[2];
    (void)state;
    bytes[0] = scratch_read(in, &size[0]);
    scratch_write("file", bytes[0], size[0]);
    free(bytes[0]);
    must_run(line_of("quantize %s %s --type u4 --affine --per-block=32", in, q));
    must_run(line_of("quantize %s %s --type u4 --affine --per-block=32", file, file));
    for (int turn = 0; turn < 2; ++turn) {
        bytes[0] = scratch_read(q, &size[0]);
        bytes[1] = scratch_read(file, &size[1]);
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(bytes[0], bytes[1], size[0]);
        free(bytes[0]);
        free(bytes[1]);
        if (turn == 0) must_fail(line_of("quantize %s %s", q, q), 1, q, "quantized already");
        if (turn == 0) must_run(line_of("dequantize %s %s", q, q));
        if (turn == 0) must_run(line_of("dequantize %s %s", file, file));
    }
    scratch_remove("file");
    scratch_remove("q");
}

/* The scales of [[1, -2], [3, 0.5]] and its codes, from an .npy. */
static void test_npy(void **state) {
    static const char head[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n";
    static const float data[4] = {1, -2, 3, 0.5f};
    static const signed char codes[4] = {64, -127, 127, 21}; /* 63.5 is a tie, to even */
    unsigned char bytes[128] = "\x93NUMPY\x01";
    const size_t length = strlen(head);
    const char *out = scratch_path("out");
    tf_file *file;
    (void)state;
    bytes[7] = 0;
    bytes[8] = (unsigned char)length;
    memcpy(bytes + 10, head, length);
    scratch_floats(bytes + 10 + length, data, 4);
    must_run(line_of("quantize %s %s", scratch_write("stem.npy", bytes, 10 + length + sizeof data),
                     out));
    file = must_open(out);
    assert_non_null(tf_find(file, "stem"));
    assert_memory_equal(tf_find(file, "stem")->data, codes, 4);
    assert_non_null(tf_find(file, "stem_scale"));
    tf_close(file);
    must_run(line_of("dequantize %s %s", out, out));
    must_run(line_of("compare %s %s", scratch_path("stem.npy"), out));
    scratch_remove("out");
}

static void test_inspect(void **state) {
    const char *in = sample_mixed(), *out = scratch_path("out");
    const run_result *r = must_run(line_of("inspect %s", in));
    (void)state;
    assert_non_null(strstr(r->out, "16x3x3x3"));
    assert_non_null(strstr(r->out, "metadata: format = pt"));
    assert_non_null(strstr(r->out, "no finite values (21 NaN, 0 infinite)"));
    assert_non_null(strstr(r->out, "\"quoted\"?\n")); /* a newline does not reach the terminal */
    must_run(line_of("quantize %s %s --type s4 --affine --per-block=32 --scale f16", in, out));
    r = must_run(line_of("inspect %s", out));
    assert_non_null(strstr(r->out, "s4 affine, blocks of 32 on axis -1, f16 scales (was F32)"));
    scratch_remove("out");
}

static void test_compare(void **state) {
    static const float changed[6] = {1, -2, 3, 0.5f, 7, 9};
    static const char half[] =
        "{\"w\":" ENTRY("BF16", "[2,2]", "[0,8]") ",\"b\":" ENTRY("F32", "[2]", "[8,16]") "}";
    static const char other[] =
        "{\"w\":" ENTRY("F32", "[4]", "[0,16]") ",\"c\":" ENTRY("F32", "[2]", "[16,24]") "}";
    const char *a = small_file("a"), *report = scratch_path("report");
    const char *b = scratch_safetensors("b", small, changed, sizeof changed);
    const char *c = scratch_safetensors("c", half, NULL, 16);
    const char *d = scratch_safetensors("d", other, NULL, 24);
    const char *e = scratch_safetensors("e", "{\"i\":" ENTRY("I8", "[1]", "[0,1]") "}", "1", 1);
    const char *f = scratch_safetensors("f", "{\"i\":" ENTRY("I8", "[1]", "[0,1]") "}", "2", 1);
    const run_result *r = must_run(line_of("compare %s %s", a, b));
    (void)state;
    assert_non_null(strstr(r->out, "exact"));
    must_run(line_of("compare %s %s", a, c));
    r = run_line(line_of("compare %s %s --report %s", a, d, report));
    assert_int_equal(r->status, 1);
    assert_non_null(strstr(r->err, "'w' has another shape"));
    assert_non_null(strstr(r->err, "'b' is missing"));
    assert_non_null(strstr(r->err, "'c' is missing"));
    scratch_remove("report"); /* which is there all the same */
    must_fail(line_of("compare %s %s", e, f), 1, f, "'i' differs");
    f = scratch_safetensors("f", "{}", NULL, 0);
    must_fail(line_of("compare %s %s", f, e), 1, f, "'i' is missing");
    must_fail(line_of("compare %s %s", e, f), 1, f, "'i' is missing");
    must_run(line_of("compare %s %s", e, e));
}

/* ----------------------------------------------------------------------- terminal */

static void test_progress_bar(void **state) {
    const char *const arguments[] = {"quantize", sample_plain(), scratch_path("out"), NULL};
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    char shown[1 << 14] = "";
    const run_result *r;
    int slave;
    ssize_t n;
    (void)state;
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0 ||
        (slave = open(ptsname(terminal), O_RDWR | O_NOCTTY)) < 0) {
        fprintf(stderr, "skipped: no pseudo terminal can be had here\n");
        skip();
        return;
    }
    setenv("TERM", "xterm", 1);
    r = run_lquant_to(arguments, -1, slave);
    assert_int_equal(r->status, 0);
    n = read(terminal, shown, sizeof shown - 1);
    assert_true(n > 0);
    assert_non_null(strstr(shown, "\r[####"));
    assert_non_null(strstr(shown, " %"));
    assert_non_null(strstr(r->out, "bits/weight"));
    assert_non_null(strstr(r->out, "compression"));
    setenv("TERM", "dumb", 1);
    r = run_lquant_to(arguments, -1, slave);
    assert_int_equal(r->status, 0);
    assert_int_equal(fcntl(terminal, F_SETFL, O_NONBLOCK), 0);
    assert_true(read(terminal, shown, sizeof shown - 1) < 0);
    close(slave);
    close(terminal);
    scratch_remove("out");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),        cmocka_unit_test(test_help),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_suffixes),
        cmocka_unit_test(test_bad_inputs),   cmocka_unit_test(test_bad_outputs),
        cmocka_unit_test(test_full_disk),    cmocka_unit_test(test_closed_output),
        cmocka_unit_test(test_closed_pipe),  cmocka_unit_test(test_axis),
        cmocka_unit_test(test_collisions),   cmocka_unit_test(test_only),
        cmocka_unit_test(test_in_place),     cmocka_unit_test(test_npy),
        cmocka_unit_test(test_inspect),      cmocka_unit_test(test_compare),
        cmocka_unit_test(test_progress_bar),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
