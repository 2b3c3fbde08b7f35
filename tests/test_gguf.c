/*
 * Reading GGUF: what is accepted, and every way in which a file can be wrong. Hostile bytes are
 * parsed in memory of exactly their size, so that a sanitizer sees a read behind them.
 */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gguf.h"
#include "gguf_bytes.h"
#include "lquant_run.h"
#include "scratch.h"
#include "tensor_format.h"

/* ------------------------------------------------------------------------ reading */

static void check_good(const tf_file *file) {
    const tf_tensor *t = tf_find(file, "first");
    char text[64];
    float values[6];
    assert_int_equal(file->count, 3);
    assert_int_equal(file->pair_count, 5);
    assert_non_null(t);
    assert_string_equal(t->dtype, "F32");
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 3);
    memcpy(values, t->data, sizeof values);
    for (int i = 0; i < 6; ++i) assert_true(values[i] == (float)i);
    t = tf_find(file, "secnd");
    assert_string_equal(t->dtype, "Q4_0");
    assert_int_equal(t->shape[1], 64);
    assert_int_equal(t->size, 108);
    for (int i = 0; i < 108; ++i) assert_int_equal(((const unsigned char *)t->data)[i], i + 1);
    t = tf_find(file, "third");
    assert_string_equal(t->dtype, "I8");
    assert_int_equal(((const unsigned char *)t->data)[4], 104);
    assert_string_equal(file->pairs[0].key, "general.name");
    assert_string_equal(gguf_text(&file->pairs[0], text, sizeof text), "good");
    assert_string_equal(gguf_text(&file->pairs[0], text, 3), "go");
    assert_string_equal(gguf_text(&file->pairs[1], text, sizeof text), "[2 strings]");
    assert_string_equal(gguf_text(&file->pairs[2], text, sizeof text), "true");
    assert_string_equal(gguf_text(&file->pairs[3], text, sizeof text), "[1 arrays]");
    assert_string_equal(gguf_text(&file->pairs[4], text, sizeof text), "64");
}

static void test_reads(void **state) {
    (void)state;
    for (uint32_t version = 2; version <= 3; ++version) {
        blob b;
        tf_file *file;
        make_good(&b, version);
        file = must_open(scratch_write("good.gguf", b.bytes, b.size));
        check_good(file);
        tf_close(file);
        /* The last tensor padded, too. */
        b.size += 59;
        tf_close(must_open(scratch_write("good.gguf", b.bytes, b.size)));
    }
}

static void test_values(void **state) {
    static const struct {
        uint32_t type;
        unsigned char bytes[8];
        const char *text;
    } cases[] = {
        {GGUF_U8, {200}, "200"},
        {GGUF_S8, {200}, "-56"},
        {GGUF_U16, {0xff, 0xff}, "65535"},
        {GGUF_S16, {0xfe, 0xff}, "-2"},
        {GGUF_U32, {0, 0, 0, 0x80}, "2147483648"},
        {GGUF_S32, {0, 0, 0, 0x80}, "-2147483648"},
        {GGUF_U64, {255, 255, 255, 255, 255, 255, 255, 255}, "18446744073709551615"},
        {GGUF_S64, {0, 0, 0, 0, 0, 0, 0, 0x80}, "-9223372036854775808"},
        {GGUF_F32, {0, 0, 0xc0, 0xbf}, "-1.5"},
        {GGUF_F64, {0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, "1.5"},
        {GGUF_BOOL, {0}, "false"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const tf_pair pair = {"k", cases[i].type, cases[i].bytes, 8};
        char text[64];
        assert_string_equal(gguf_text(&pair, text, sizeof text), cases[i].text);
    }
}

/* ------------------------------------------------------------------------ hostile */

/*
 * Parses bytes in memory of their size. 1 where they are accepted; all that is claimed lies in
 * them then. Else 0, with the fault.
 */
static int parse(const unsigned char *bytes, size_t size, char *fault, size_t fault_size) {
    tf_file file = {0};
    unsigned char *copy = malloc(size);
    int accepted;
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    file.map = copy;
    file.map_size = size;
    file.bytes = (int64_t)size;
    *fault = '\0';
    accepted = tf_parse_gguf(&file, fault, fault_size) == 0;
    assert_true(accepted || *fault);
    for (size_t i = 0; accepted && i < file.count; ++i) {
        const tf_tensor *t = &file.tensors[i];
        const int64_t begin = (const unsigned char *)t->data - copy;
        assert_true(begin >= 0 && t->size >= 0 && begin + t->size <= (int64_t)size);
        assert_int_equal(t->size, tf_bytes(t->dtype, t->rank, t->shape));
    }
    for (size_t i = 0; accepted && i < file.pair_count; ++i) {
        char text[32];
        gguf_text(&file.pairs[i], text, sizeof text);
        assert_true(strlen(text) < sizeof text);
    }
    free(file.tensors);
    free(file.pairs);
    free(file.names);
    free(copy);
    return accepted;
}

static const struct {
    mark at;
    int width;
    uint64_t value;
    const char *fault;
} wrong[] = {
    {VERSION, 4, 0, "version 0"},
    {VERSION, 4, 1, "version 1"},
    {VERSION, 4, 4, "version 4"},
    {VERSION, 4, 0x03000000, "big-endian"},
    {TENSORS, 8, UINT64_MAX, "more tensors than"},
    {TENSORS, 8, 40, "more tensors than"},
    {TENSORS, 8, 4, ""},
    {PAIRS, 8, UINT64_MAX, "more pairs"},
    {PAIRS, 8, (uint64_t)1 << 32, "more pairs"},
    {PAIRS, 8, 6, ""},
    {KEY_LENGTH, 8, UINT64_MAX, "truncated"},
    {KEY_LENGTH, 8, UINT64_MAX - 7, "truncated"},
    {KEY_LENGTH, 8, 0, "has no name"},
    {KEY, 1, 0, "not UTF-8"},
    {KEY, 1, 0xff, "not UTF-8"},
    {PAIR_TYPE, 4, 13, "key 'general.name' has a value of the unknown type 13"},
    {PAIR_TYPE, 4, UINT32_MAX, "unknown type 4294967295"},
    {TEXT_LENGTH, 8, UINT64_MAX, "truncated"},
    {TEXT_LENGTH, 8, (uint64_t)1 << 63, "truncated"},
    {ARRAY_TYPE, 4, 13, "unknown type 13"},
    {ARRAY_COUNT, 8, UINT64_MAX, "more values than"},
    {ARRAY_COUNT, 8, (uint64_t)1 << 61, "more values than"},
    {STRING_LENGTH, 8, (uint64_t)1 << 40, "truncated"},
    {BOOL, 1, 2, "neither 0 nor 1"},
    {NEST_TYPE, 4, 99, "unknown type 99"},
    {NEST_COUNT, 8, (uint64_t)1 << 60, "more values than"},
    {ALIGNMENT_TYPE, 4, 5, "is not a u32"},
    {ALIGNMENT_TYPE, 4, 6, "is not a u32"},
    {ALIGNMENT, 4, 0, "no power of two"},
    {ALIGNMENT, 4, 48, "no power of two"},
    {ALIGNMENT, 4, 1 << 21, "no power of two"},
    {ALIGNMENT, 4, 1u << 31, "no power of two"},
    {ALIGNMENT, 4, 1 << 20, "no multiple of the alignment"},
    {NAME_LENGTH, 8, UINT64_MAX, "truncated"},
    {NAME_LENGTH, 8, 0, "has no name"},
    {NAME, 1, 0xc0, "not UTF-8"},
    {RANK, 4, 5, "more than 4 dimensions"},
    {RANK, 4, UINT32_MAX, "more than 4 dimensions"},
    {DIMENSION, 8, UINT64_MAX, "negative"},
    {DIMENSION, 8, (uint64_t)1 << 63, "negative"},
    {DIMENSION, 8, (uint64_t)1 << 62, "overflows"},
    {DIMENSION, 8, ((uint64_t)1 << 62) - 1, "overflows"},
    {DIMENSION, 8, (uint64_t)1 << 40, "beyond the end"},
    {DIMENSION, 8, 0, "hole"},
    {DIMENSION, 8, 9, "overlaps"},
    {TYPE, 4, 4, "tensor 'first' has the type Q4_2, which GGUF has withdrawn"},
    {TYPE, 4, 31, "Q4_0_4_4"},
    {TYPE, 4, 43, "unknown type 43"},
    {TYPE, 4, UINT32_MAX, "unknown type 4294967295"},
    {TYPE, 4, 2, "no whole number of blocks of its type Q4_0"},
    {TYPE, 4, 16, "no whole number of blocks of its type IQ2_XXS"},
    {OFFSET, 8, 64, "hole"},
    {OFFSET, 8, 1, "no multiple of the alignment"},
    {OFFSET, 8, (uint64_t)0 - 64, "beyond the end"},
    {OFFSET, 8, (uint64_t)1 << 63, "beyond the end"},
    {SECOND_DIMENSION, 8, 65, "no whole number of blocks"},
    {SECOND_DIMENSION, 8, 32, "hole"},
    {SECOND_DIMENSION, 8, (uint64_t)1 << 62, "overflows"},
    {SECOND_ROWS, 8, (uint64_t)1 << 57, "overflows"},
    {SECOND_ROWS, 8, (uint64_t)1 << 56, "beyond the end"},
    {SECOND_OFFSET, 8, 128, "beyond the end"},
    {SECOND_OFFSET, 8, 0, "overlaps"},
    {THIRD_DIMENSION, 8, 6, "beyond the end"},
    {THIRD_DIMENSION, 8, 0, "data behind"},
    {THIRD_OFFSET, 8, 64, "overlaps"},
    {THIRD_OFFSET, 8, 256, "beyond the end"},
};

static void test_wrong_fields(void **state) {
    const size_t count = sizeof wrong / sizeof *wrong;
    (void)state;
    for (size_t i = 0; i < count; ++i) {
        blob b;
        char fault[512];
        size_t end;
        make_good(&b, 3);
        end = b.size;
        b.size = b.at[wrong[i].at];
        put(&b, wrong[i].value, wrong[i].width);
        b.size = end;
        if (parse(b.bytes, b.size, fault, sizeof fault))
            fail_msg("case %zu was accepted; expected: %s", i, wrong[i].fault);
        if (!strstr(fault, wrong[i].fault))
            fail_msg("case %zu: expected '%s', got '%s'", i, wrong[i].fault, fault);
    }
    print_message("%zu wrong fields refused\n", count);
}

static void refuse_blob(const blob *b, const char *expected) {
    char fault[512];
    if (parse(b->bytes, b->size, fault, sizeof fault)) fail_msg("accepted: %s", expected);
    if (!strstr(fault, expected)) fail_msg("expected '%s', got '%s'", expected, fault);
}

static void test_wrong_files(void **state) {
    char message[1024];
    blob b;
    (void)state;
    make_good(&b, 3);
    memcpy(b.bytes + b.at[SECOND_NAME], "first", 5);
    assert_null(tf_open(scratch_write("bad", b.bytes, b.size), message, sizeof message));
    assert_non_null(strstr(message, "tensor 'first' is there twice"));
    /* Keys: "strings" stands between, and neither is at the other's place. */
    make_good(&b, 3);
    memcpy(b.bytes + b.at[ALIGNMENT_KEY], "general.name\0\0\0\0\0", 17);
    refuse_blob(&b, "not UTF-8");
    memset(&b, 0, sizeof b);
    memcpy(b.bytes, "GGUF\3", 5);
    b.size = 8;
    put(&b, 0, 8);
    put(&b, 3, 8);
    for (int i = 0; i < 3; ++i) {
        put_text(&b, i == 1 ? "other" : "same");
        put(&b, GGUF_U8, 4);
        put(&b, 1, 1);
    }
    refuse_blob(&b, "key 'same' is there twice");
    /* Arrays in arrays: as deep as is read, and one more. */
    for (int depth = 4; depth <= 5; ++depth) {
        char fault[512];
        memset(&b, 0, sizeof b);
        memcpy(b.bytes, "GGUF\3", 5);
        b.size = 8;
        put(&b, 0, 8);
        put(&b, 1, 8);
        put_text(&b, "deep");
        put(&b, GGUF_ARRAY, 4);
        for (int i = 1; i < depth; ++i) {
            put(&b, GGUF_ARRAY, 4);
            put(&b, 1, 8);
        }
        put(&b, GGUF_U8, 4);
        put(&b, 1, 8);
        put(&b, 1, 1);
        assert_int_equal(parse(b.bytes, b.size, fault, sizeof fault), depth == 4);
        if (depth == 5) assert_non_null(strstr(fault, "more than 4 deep"));
    }
    make_good(&b, 3);
    b.size += 60;
    refuse_blob(&b, "data behind the last tensor");
}

/* No prefix reads as a file, and no damaged byte makes the parser leave its memory. */
static void test_truncations(void **state) {
    char fault[512];
    blob b;
    (void)state;
    make_good(&b, 3);
    for (size_t n = 1; n < b.size; ++n)
        if (parse(b.bytes, n, fault, sizeof fault))
            fail_msg("%zu of %zu bytes were accepted", n, b.size);
}

static void test_damaged_bytes(void **state) {
    static const unsigned char damages[] = {0x00, 0x01, 0x02, 0x08, 0x09, 0x0c, 0x10,
                                            0x20, 0x40, 0x7f, 0x80, 0xfe, 0xff};
    int accepted = 0, refused = 0;
    char fault[512];
    blob b;
    (void)state;
    make_good(&b, 3);
    for (size_t at = 0; at < b.size; ++at) {
        const unsigned char before = b.bytes[at];
        for (size_t d = 0; d < sizeof damages; ++d) {
            b.bytes[at] = damages[d];
            if (parse(b.bytes, b.size, fault, sizeof fault))
                ++accepted;
            else
                ++refused;
        }
        b.bytes[at] = before;
    }
    print_message("damaged bytes: %d accepted, %d refused\n", accepted, refused);
    assert_true(accepted > 0 && refused > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),        cmocka_unit_test(test_values),
        cmocka_unit_test(test_wrong_fields), cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_truncations),  cmocka_unit_test(test_damaged_bytes),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
