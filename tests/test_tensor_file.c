/* The reader of tensor files: what it accepts, and every way in which a file can be wrong. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "byte_order.h"
#include "lquant_run.h"
#include "scratch.h"
#include "tensor_file.h"

/* Opening must fail, with a message that begins with the path and says `fault`. */
static void refuse(const char *path, const char *fault) {
    char message[1024] = "";
    tf_file *file = tf_open(path, message, sizeof message);
    if (file) {
        tf_close(file);
        fail_msg("%s was accepted; expected: %s", path, fault);
    }
    if (strncmp(message, path, strlen(path)) != 0 || strncmp(message + strlen(path), ": ", 2) != 0)
        fail_msg("message does not name %s: %s", path, message);
    if (!strstr(message, fault)) fail_msg("expected '%s', got '%s'", fault, message);
}

typedef struct bad_header {
    const char *header;
    size_t data;
    const char *fault;
} bad_header;

static const bad_header bad_headers[] = {
    {"", 0, "does not begin with '{'"},
    {"[]", 0, "does not begin with '{'"},
    {" {}", 0, "does not begin with '{'"},
    {"{", 0, "not valid JSON"},
    {"{}x", 0, "text behind"},
    {"{}\n", 0, "text behind"},
    {"{}", 4, "data behind the last tensor"},
    {"{\"a\":1}", 0, "not described by an object"},
    {"{\"a\":{}}", 0, "has no dtype"},
    {"{\"a\":{\"dtype\":32}}", 0, "has no dtype"},
    {"{\"a\":" ENTRY("F31", "[1]", "[0,4]") "}", 4, "unknown dtype"},
    {"{\"a\":" ENTRY("f32", "[1]", "[0,4]") "}", 4, "unknown dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape"},
    {"{\"a\":" ENTRY("F32", "{}", "[0,4]") "}", 4, "no shape"},
    {"{\"a\":" ENTRY("F32", "[-1]", "[0,4]") "}", 4, "negative, fractional"},
    {"{\"a\":" ENTRY("F32", "[1.5]", "[0,6]") "}", 6, "negative, fractional"},
    {"{\"a\":" ENTRY("F32", "[\"1\"]", "[0,4]") "}", 4, "negative, fractional"},
    {"{\"a\":" ENTRY("F32", "[1e30]", "[0,4]") "}", 4, "negative, fractional"},
    {"{\"a\":" ENTRY("F32", "[9007199254740994]", "[0,4]") "}", 4, "negative, fractional"},
    {"{\"a\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "more than 8"},
    {"{\"a\":" ENTRY("F32", "[4294967296,4294967296]", "[0,4]") "}", 4, "overflows"},
    {"{\"a\":" ENTRY("F32", "[0,4294967296,4294967296]", "[0,0]") "}", 0, "overflows"},
    {"{\"a\":" ENTRY("F32", "[4503599627370496,2048]", "[0,4]") "}", 4, "overflows"},
    {"{\"a\":" ENTRY("F4", "[3]", "[0,2]") "}", 2, "no whole number of bytes"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "no valid data_offsets"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0]") "}", 4, "no valid data_offsets"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4,8]") "}", 4, "no valid data_offsets"},
    {"{\"a\":" ENTRY("F32", "[1]", "[-4,0]") "}", 4, "no valid data_offsets"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,4.5]") "}", 4, "no valid data_offsets"},
    {"{\"a\":" ENTRY("F32", "[1]", "[0,1e300]") "}", 4, "no valid data_offsets"},
    {"{\"a\":" ENTRY("F32", "[1]", "[4,0]") "}", 4, "ends before it begins"},
    {"{\"a\":" ENTRY("F32", "[2]", "[0,8]") "}", 7, "beyond the end"},
    {"{\"a\":" ENTRY("F32", "[1]", "[9007199254740990,9007199254740992]") "}", 4, "beyond the end"},
    {"{\"a\":" ENTRY("F32", "[2]", "[0,4]") "}", 4, "do not fit"},
    {"{\"a\":" ENTRY("F32", "[]", "[0,8]") "}", 8, "do not fit"},
    {"{\"a\":" ENTRY("U8", "[4]", "[0,4]") ",\"b\":" ENTRY("U8", "[4]", "[2,6]") "}", 6,
     "overlaps"},
    {"{\"a\":" ENTRY("U8", "[4]", "[0,4]") ",\"b\":" ENTRY("U8", "[4]", "[0,4]") "}", 4,
     "overlaps"},
    {"{\"a\":" ENTRY("U8", "[4]", "[0,4]") ",\"b\":" ENTRY("U8", "[0]", "[2,2]") "}", 4,
     "overlaps"},
    {"{\"a\":" ENTRY("U8", "[4]", "[0,4]") ",\"b\":" ENTRY("U8", "[2]", "[6,8]") "}", 8, "a hole"},
    {"{\"a\":" ENTRY("U8", "[4]", "[4,8]") "}", 8, "a hole"},
    {"{\"a\":" ENTRY("U8", "[4]", "[0,4]") "}", 5, "data behind"},
    {"{\"a\":" ENTRY("U8", "[1]", "[0,1]") ",\"a\":" ENTRY("U8", "[1]", "[1,2]") "}", 2, "twice"},
    {"{\"a\":" ENTRY("U8", "[1]", "[0,1]") ",\"\\u0061\":" ENTRY("U8", "[1]", "[1,2]") "}", 2,
     "twice"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
     "key twice"},
    {"{\"a\\u0000b\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "NUL"},
    {"{\"\\\\\\u0000b\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "NUL"},
    {"{\"a\nb\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "control character"},
    {"{\"a\x1b\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "control character"},
    {"{\"\xff\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "not UTF-8"},
    {"{\"\xc0\xaf\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "not UTF-8"},
    {"{\"\xed\xa0\x80\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "not UTF-8"},
    {"{\"\xf4\x90\x80\x80\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "not UTF-8"},
    {"{\"\xe2\x82\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "not UTF-8"},
    {"{\"\\ud800\":" ENTRY("U8", "[1]", "[0,1]") "}", 1, "not valid JSON"},
    {"{\"a\":" ENTRY("U8", "[1]", "[0,1]") ",}", 1, "not valid JSON"},
    {"{\"a\":" ENTRY("U8", "[1]", "[0,1]") "]", 1, "not valid JSON"},
    {"{\"a\":" ENTRY("U8", "[1]", "[0,1]") "}}", 1, "text behind"},
    {"{\"a\" " ENTRY("U8", "[1]", "[0,1]") "}", 1, "not valid JSON"},
    {"{\"a\":" ENTRY("U8", "[1]", "[0,1]") " 7}", 1, "not valid JSON"},
    {"{\"a\":\xef\xbb\xbf" ENTRY("U8", "[1]", "[0,1]") "}", 1, "not valid JSON"},
    {"{,}", 0, "not valid JSON"},
    {"{\"a\":}", 0, "not valid JSON"},
    {"{\"a\":" ENTRY("U8", "[0]]", "[0,0]") "}", 0, "not valid JSON"},
    {"{\"__metadata__\":[]}", 0, "not an object"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "not a string"},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "key twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
};

static void test_bad_headers(void **state) {
    const size_t count = sizeof bad_headers / sizeof *bad_headers;
    (void)state;
    for (size_t i = 0; i < count; ++i) {
        const bad_header *bad = &bad_headers[i];
        refuse(scratch_safetensors("bad", bad->header, NULL, bad->data), bad->fault);
    }
    print_message("%zu damaged headers refused\n", count);
}

static void test_bad_files(void **state) {
    static const unsigned char huge[16] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, '{',  '}'};
    static const unsigned char nul[11] = {3, 0, 0, 0, 0, 0, 0, 0, '{', 0, '}'};
    const size_t depth = 200000;
    char *nested = malloc(depth + 1);
    (void)state;
    refuse(scratch_path("absent"), "No such file");
    refuse(scratch_path("."), "is a directory");
    refuse("/dev/null", "not a regular file");
    refuse(scratch_write("bad", "", 0), "is empty");
    refuse(scratch_write("bad", huge, 7), "too short");
    refuse(scratch_write("bad", huge, 8), "truncated");
    refuse(scratch_write("bad", huge, 16), "truncated");
    refuse(scratch_write("bad", nul, 11), "not UTF-8");
    /* Nesting that would exhaust the stack of a careless parser. */
    assert_non_null(nested);
    memset(nested, '[', depth);
    memcpy(nested, "{\"a\":", 5);
    nested[depth] = '\0';
    refuse(scratch_safetensors("bad", nested, NULL, 0), "not valid JSON");
    free(nested);
}

static void test_header_above_limit(void **state) {
    const char *path = scratch_path("bad");
    const uint64_t length = 100000001;
    unsigned char prefix[8];
    (void)state;
    for (int i = 0; i < 8; ++i) prefix[i] = (unsigned char)(length >> 8 * i);
    scratch_write("bad", prefix, 8);
    assert_int_equal(truncate(path, (off_t)length + 8), 0); /* sparse */
    refuse(path, "above 100 MB");
}

/* Every prefix of a good file is refused: none of them reads as another good file. */
static void test_truncations(void **state) {
    const char *path = scratch_safetensors(
        "good",
        "{\"a\":" ENTRY("F32", "[2,2]", "[0,16]") ",\"b\":" ENTRY("I8", "[3]", "[16,19]") "}  ",
        NULL, 19);
    size_t size = 0;
    char *bytes = scratch_read(path, &size);
    char message[1024];
    (void)state;
    tf_close(must_open(path));
    for (size_t n = 0; n < size; ++n) {
        tf_file *file = tf_open(scratch_write("cut", bytes, n), message, sizeof message);
        if (file) fail_msg("%zu of %zu bytes were accepted", n, size);
    }
    free(bytes);
}

/* No single damaged byte may crash the reader or make it hand out data outside the file. */
static void test_damaged_bytes(void **state) {
    static const unsigned char damages[] = {0x00, 0xff, '"', '{', '}', '[',
                                            ']',  ',',  '9', '-', '\\'};
    const char *path = scratch_safetensors(
        "good", "{\"__metadata__\":{\"k\":\"v\"},\"a\":" ENTRY("F16", "[2,3]", "[0,12]") "}", NULL,
        12);
    size_t size = 0;
    char *bytes = scratch_read(path, &size);
    char message[1024];
    int accepted = 0, refused = 0;
    (void)state;
    for (size_t at = 0; at < size - 12; ++at) {
        for (size_t d = 0; d < sizeof damages; ++d) {
            const char before = bytes[at];
            tf_file *file;
            bytes[at] = (char)damages[d];
            file = tf_open(scratch_write("damaged", bytes, size), message, sizeof message);
            bytes[at] = before;
            refused += !file;
            accepted += file != NULL;
            for (size_t i = 0; file && i < file->count; ++i) {
                const tf_tensor *t = &file->tensors[i];
                assert_true(t->size >= 0 && (const char *)t->data >= (const char *)file->map);
                assert_true((const char *)t->data + t->size ==
                            (const char *)file->map + file->map_size);
            }
            tf_close(file);
        }
    }
    assert_true(refused > accepted && accepted > 0);
    free(bytes);
}

static void test_reads(void **state) {
    static const unsigned char data[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    tf_file *file = must_open(scratch_safetensors(
        "good",
        "{\"b\":" ENTRY("U8", "[3]", "[12,15]") ",\"\xc3\xa4/\\\"\":" ENTRY(
            "U8", "[2,6]", "[0,12]") ",\"none\":" ENTRY("F32", "[3,0]",
                                                        "[12,12]") ",\"__metadata__\":{\"k\":"
                                                                   "\"\xe2\x82\xac\"}}   ",
        data, 15));
    const tf_tensor *t = tf_find(file, "b");
    (void)state;
    assert_int_equal(file->count, 3);
    assert_string_equal(file->tensors[0].name, "\xc3\xa4/\"");
    assert_string_equal(file->tensors[1].name, "none");
    assert_non_null(t);
    assert_int_equal(t->size, 3);
    assert_memory_equal(t->data, data + 12, 3);
    assert_null(tf_find(file, "absent"));
    assert_int_equal(file->tensors[0].shape[1], 6);
    assert_string_equal(cJSON_GetObjectItem(file->metadata, "k")->valuestring, "\xe2\x82\xac");
    tf_close(file);
    file = must_open(scratch_safetensors("good", "{}", NULL, 0));
    assert_int_equal(file->count, 0);
    assert_null(file->metadata);
    tf_close(file);
}

/* ----------------------------------------------------------------------- npy */

/* An .npy of that version and dict, padded as NumPy does, with `size` bytes of data. */
static const char *npy(const char *name, int version, const char *dict, size_t size) {
    static unsigned char bytes[512];
    const size_t start = version == 1 ? 10 : 12;
    const size_t length = (start + strlen(dict) + 1 + 63) / 64 * 64 - start;
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    for (size_t i = 8; i < start; ++i) bytes[i] = (unsigned char)(length >> 8 * (i - 8));
    memcpy(bytes + start, dict, strlen(dict));
    bytes[start + length - 1] = '\n';
    for (size_t i = 0; i < size; ++i) bytes[start + length + i] = (unsigned char)i;
    return scratch_write(name, bytes, start + length + size);
}

static void test_npy(void **state) {
    (void)state;
    for (int version = 1; version <= 3; ++version) {
        tf_file *file =
            must_open(npy("stem.npy", version,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", 48));
        const tf_tensor *t = &file->tensors[0];
        assert_int_equal(file->count, 1);
        assert_string_equal(t->name, "stem");
        assert_string_equal(t->dtype, "F32");
        assert_int_equal(t->rank, 2);
        assert_int_equal(t->shape[0], 3);
        assert_int_equal(t->shape[1], 4);
        assert_int_equal(((const unsigned char *)t->data)[HOST_IS_BIG_ENDIAN ? 44 : 47], 47);
        assert_non_null(tf_find(file, "stem"));
        tf_close(file);
    }
    tf_close(must_open(npy("a", 1, "{'descr':'<f2','fortran_order':False,'shape':()}", 2)));
    tf_close(must_open(npy("a", 1, "{'descr':'|u1','fortran_order':False,'shape':(5,)}", 5)));
    tf_close(must_open(npy("a", 1, "{'shape':(0,3),'fortran_order':False,'descr':'<i8'}", 0)));
}

static void test_bad_npy(void **state) {
    static const bad_header cases[] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4, "big-endian"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", 4, "Fortran order"},
        {"{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", 16, "not supported"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, "not supported"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, "structured"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", 4, "no valid fortran_order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1), }", 4, "no valid shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4, "no valid shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 1), }", 4, "no valid shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [1], }", 4, "no valid shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 4,
         "no valid shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 4,
         "overflows"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4,
         "more than 8"},
        {"{'descr': '<f4', 'shape': (1,), }", 4, "lacks"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4, "twice"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "unknown key"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", 4, "behind"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), ", 4, "not a dict"},
        {"'descr': '<f4'", 4, "not a dict"},
        {"'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4, "not a dict"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 1,), }", 4, "no valid shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7, "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 9, "data behind"},
    };
    size_t size = 0;
    char *bytes;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        refuse(npy("bad.npy", 1, cases[i].header, cases[i].data), cases[i].fault);
    refuse(npy("bad.npy", 4, "{}", 0), "unknown version");
    refuse(scratch_write("bad.npy", "\x93NUMPY\1\0\0", 9), "is truncated");
    refuse(scratch_write("bad.npy", "\x93NUMPY\1\0\3\0{}", 12), "its header reaches beyond");
    refuse(npy("\xff.npy", 1, "{'descr':'<f2','fortran_order':False,'shape':()}", 2), "not UTF-8");
    scratch_write("bad.npy", "\x93NUMPY\2\0\0\0\0\7", 12); /* 7 << 24 bytes of header */
    assert_int_equal(truncate(scratch_path("bad.npy"), (off_t)12 + (7 << 24)), 0);
    refuse(scratch_path("bad.npy"), "above 100 MB");
    bytes = scratch_read(
        npy("good.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8), &size);
    for (size_t n = 0; n < size; ++n) {
        char message[1024];
        assert_null(tf_open(scratch_write("cut.npy", bytes, n), message, sizeof message));
    }
    free(bytes);
}

static void test_printable(void **state) {
    char out[TF_SHOWN_SIZE];
    (void)state;
    assert_string_equal(tf_printable("plain", 10, out), "plain");
    assert_string_equal(tf_printable("0123456789", 10, out), "0123456789");
    assert_string_equal(tf_printable("0123456789x", 10, out), "0123...89x");
    assert_string_equal(tf_printable("a\x1b[31m\x7f", 10, out), "a?[31m?");
    assert_string_equal(tf_printable("\xc2\x9b"
                                     "1",
                                     10, out),
                        "?1");
    assert_string_equal(tf_printable("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6", 4, out),
                        "\xc3\xa4...");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),       cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_bad_files),   cmocka_unit_test(test_header_above_limit),
        cmocka_unit_test(test_truncations), cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_npy),         cmocka_unit_test(test_bad_npy),
        cmocka_unit_test(test_printable),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
