/* Descriptions under the key `libquant` that lquant did not write: refused, whatever they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lquant_run.h"
#include "scratch.h"

static const char good_description[] =
    "{'version':1,'tensors':[{'name':'w','dtype':'F32','shape':[2,2],'codes':'s8','mapping':"
    "'symmetric','granularity':'per_block','axis':-1,'block':2,'scale':'f32'}]}";

/* A file with a description in which `from` is replaced by `to`. */
static const char *described_file(const char *from, const char *to, float scale) {
    static const char tensors[] =
        ",\"w\":" ENTRY("I8", "[2,2]", "[0,4]") ",\"w_scale\":" ENTRY("F32", "[2,1]", "[4,12]") "}";
    const char *at = strstr(good_description, from);
    unsigned char data[12] = {1, 2, 3, 4};
    char text[1024], header[2048];
    size_t n;
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good_description), good_description, to,
             at + strlen(from));
    n = (size_t)sprintf(header, "{\"__metadata__\":{\"libquant\":\"");
    for (const char *p = text; *p; ++p) {
        if (*p == '\'') header[n++] = '\\';
        header[n++] = *p == '\'' ? '"' : *p;
    }
    snprintf(header + n, sizeof header - n, "\"}%s", tensors);
    scratch_floats(data + 4, &scale, 1);
    scratch_floats(data + 8, &scale, 1);
    return scratch_safetensors("described", header, data, sizeof data);
}

static void test_hostile_descriptions(void **state) {
    static const struct {
        const char *from, *to, *fault;
    } cases[] = {
        {"{'version'", "", "is not valid"},
        {"'version':1,", "", "is not valid"},
        {"'f32'}]}", "'f32'}]}x", "is not valid"},
        {"'f32'}]}", "'f32'}]", "is not valid"},
        {"'version':1", "'version':1,'version':1", "a key twice"},
        {"'axis':-1", "'axis':-1,'axis':0", "same key twice"},
        {"'name':'w'", "'name':'w\\\\u0000'", "NUL"},
        {"'version':1", "'version':2", "version 2"},
        {"'tensors':[", "'tensor':[", "is not valid"},
        {"'name':'w'", "'name':7", "without a name"},
        {"'name':'w'", "'name':'v'", "not in the file"},
        {"'name':'w'", "'name':'w_scale'", "not as described"},
        {"'F32'", "'F64'", "original type"},
        {"'F32'", "null", "original type"},
        {"[2,2]", "[2,3]", "codes whose shape"},
        {"[2,2]", "[4]", "not as described"},
        {"[2,2]", "[]", "axis"},
        {"[2,2]", "[-2,-2]", "invalid shape"},
        {"[2,2]", "[2.5,2]", "invalid shape"},
        {"[2,2]", "[1e300,2]", "invalid shape"},
        {"[2,2]", "[9007199254740992,9007199254740992]", "overflows"},
        {"[2,2]", "[0,9007199254740992]", ""},
        {"[2,2]", "[1,1,1,1,1,1,1,2,2]", "more than 8"},
        {"[2,2]", "7", "without a shape"},
        {"'s8'", "'s3'", "is"},
        {"'s8'", "'f32'", "is"},
        {"'s8'", "null", "is"},
        {"'s8'", "'u8'", "not as described"},
        {"'s8'", "'s4'", "not as described"},
        {"'symmetric'", "'affine'", "zero points"},
        {"'symmetric'", "'linear'", "unknown mapping"},
        {"'granularity':'per_block',", "", "without a granularity"},
        {"'per_block'", "'per_row'", "unknown granularity"},
        {"'per_block'", "'per_tensor'", "another shape"},
        {"'axis':-1", "'axis':5", "axis"},
        {"'axis':-1", "'axis':1e10", "invalid axis"},
        {"'axis':-1", "'axis':0", "another shape"},
        {"'block':2", "'block':0", "invalid block"},
        {"'block':2", "'block':-1", "invalid block"},
        {"'block':2", "'block':1", "another shape"},
        {"'scale':'f32'", "'scale':'f16'", "not as described"},
        {"'scale':'f32'", "'scale':'s8'", "type of scales"},
        {"'scale':'f32'}",
         "'scale':'f32'},{'name':'w','dtype':'F32','shape':[2,2],'codes':'s8',"
         "'mapping':'symmetric','granularity':'per_channel','axis':0,"
         "'scale':'f32'}",
         "shares a tensor"},
    };
    const char *out = scratch_path("out");
    (void)state;
    must_run(line_of("dequantize %s %s", described_file("'w'", "'w'", 1.0f), out));
    scratch_remove("out");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const char *path = described_file(cases[i].from, cases[i].to, 1.0f);
        must_fail(line_of("dequantize %s %s", path, out), 1, path, cases[i].fault);
        must_fail(line_of("inspect %s", path), 1, path, cases[i].fault);
        must_fail(line_of("compare %s %s", path, path), 1, path, cases[i].fault);
    }
    must_fail(line_of("dequantize %s %s", described_file("'w'", "'w'", 0.0f), out), 1,
              scratch_path("described"), "cannot be dequantized");
    must_fail(line_of("dequantize %s %s", described_file("'w'", "'w'", -1.0f), out), 1,
              scratch_path("described"), "cannot be dequantized");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_descriptions)};
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
