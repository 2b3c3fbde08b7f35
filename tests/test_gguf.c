/*
 * GGUF: what is read and written, byte by byte, and every way in which a file can be wrong. Hostile
 * bytes are parsed in memory of exactly their size, so that a sanitizer sees a read behind them.
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
#include "lquant_run.h"
#include "scratch.h"
#include "tensor_format.h"
#include "tensor_writer.h"

/* ----------------------------------------------------------------- files by hand */

enum { BLOB_SIZE = 4096 };

/* Where the fields of the good file are that the cases below change. */
typedef enum mark {
    MAGIC,
    VERSION,
    TENSORS,
    PAIRS,
    KEY_LENGTH,
    KEY,
    PAIR_TYPE,
    TEXT_LENGTH,
    ARRAY_TYPE,
    ARRAY_COUNT,
    STRING_LENGTH,
    BOOL,
    NEST_TYPE,
    NEST_COUNT,
    ALIGNMENT_KEY,
    ALIGNMENT_TYPE,
    ALIGNMENT,
    NAME_LENGTH,
    NAME,
    RANK,
    DIMENSION,
    TYPE,
    OFFSET,
    SECOND_NAME,
    SECOND_DIMENSION,
    SECOND_ROWS,
    SECOND_TYPE,
    SECOND_OFFSET,
    THIRD_DIMENSION,
    THIRD_OFFSET,
    DATA,
    MARKS
} mark;

typedef struct blob {
    unsigned char bytes[BLOB_SIZE];
    size_t size;
    size_t at[MARKS];
} blob;

static void put(blob *b, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) b->bytes[b->size++] = (unsigned char)(value >> 8 * i);
}

static void put_marked(blob *b, mark m, uint64_t value, int width) {
    b->at[m] = b->size;
    put(b, value, width);
}

static void put_text(blob *b, const char *text) {
    put(b, strlen(text), 8);
    memcpy(b->bytes + b->size, text, strlen(text));
    b->size += strlen(text);
}

static void put_pairs(blob *b) {
    b->at[KEY_LENGTH] = b->size;
    b->at[KEY] = b->size + 8;
    put_text(b, "general.name");
    put_marked(b, PAIR_TYPE, 8, 4);
    b->at[TEXT_LENGTH] = b->size;
    put_text(b, "good");
    put_text(b, "strings");
    put(b, 9, 4);
    put_marked(b, ARRAY_TYPE, 8, 4);
    put_marked(b, ARRAY_COUNT, 2, 8);
    b->at[STRING_LENGTH] = b->size;
    put_text(b, "a");
    put_text(b, "");
    put_text(b, "yes");
    put(b, 7, 4);
    put_marked(b, BOOL, 1, 1);
    put_text(b, "nested");
    put(b, 9, 4);
    put_marked(b, NEST_TYPE, 9, 4);
    put_marked(b, NEST_COUNT, 1, 8);
    put(b, 3, 4);
    put(b, 2, 8);
    put(b, 0xffff, 2);
    put(b, 7, 2);
    b->at[ALIGNMENT_KEY] = b->size + 8;
    put_text(b, "general.alignment");
    put_marked(b, ALIGNMENT_TYPE, 4, 4);
    put_marked(b, ALIGNMENT, 64, 4);
}

static void put_tensors(blob *b) {
    b->at[NAME_LENGTH] = b->size;
    b->at[NAME] = b->size + 8;
    put_text(b, "first");
    put_marked(b, RANK, 2, 4);
    put_marked(b, DIMENSION, 3, 8);
    put(b, 2, 8);
    put_marked(b, TYPE, 0, 4);
    put_marked(b, OFFSET, 0, 8);
    b->at[SECOND_NAME] = b->size + 8;
    put_text(b, "secnd");
    put(b, 2, 4);
    put_marked(b, SECOND_DIMENSION, 64, 8);
    put_marked(b, SECOND_ROWS, 3, 8);
    put_marked(b, SECOND_TYPE, 2, 4);
    put_marked(b, SECOND_OFFSET, 64, 8);
    put_text(b, "third");
    put(b, 1, 4);
    put_marked(b, THIRD_DIMENSION, 5, 8);
    put(b, 24, 4);
    put_marked(b, THIRD_OFFSET, 192, 8);
}

/* F32 [2, 3] of 0 to 5, Q4_0 [3, 64] in 108 bytes, I8 [5]. */
static void make_good(blob *b, uint32_t version) {
    memset(b, 0, sizeof *b);
    b->at[MAGIC] = 0;
    memcpy(b->bytes, "GGUF", 4);
    b->size = 4;
    put_marked(b, VERSION, version, 4);
    put_marked(b, TENSORS, 3, 8);
    put_marked(b, PAIRS, 5, 8);
    put_pairs(b);
    put_tensors(b);
    b->size = (b->size + 63) / 64 * 64;
    b->at[DATA] = b->size;
    for (int i = 0; i < 6; ++i) {
        const float value = (float)i;
        scratch_floats(b->bytes + b->size + 4 * i, &value, 1);
    }
    for (size_t i = 0; i < 108; ++i) b->bytes[b->size + 64 + i] = (unsigned char)(i + 1);
    for (size_t i = 0; i < 5; ++i) b->bytes[b->size + 192 + i] = (unsigned char)(100 + i);
    b->size += 197;
}

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

/* ------------------------------------------------------------------------ writing */

/* The file that the format's text describes, byte by byte. */
static void test_written_bytes(void **state) {
    static const int64_t shape[2] = {2, 3};
    const float values[6] = {0, 1, 2, 3, 4, 5};
    const signed char five[5] = {1, 2, 3, 4, 5};
    const int64_t n = 5;
    char message[1024] = "";
    const char *path = scratch_path("written.gguf");
    tw_writer *w = tw_create_gguf(path, message, sizeof message);
    size_t size = 0;
    char *bytes;
    blob b = {.size = 4};
    (void)state;
    tw_pair_text(w, "general.architecture", "none");
    tw_pair_u32(w, "general.alignment", 64);
    tw_pair_u32(w, "general.file_type", 2);
    tw_add(w, "five", "I8", 1, &n, 5);
    tw_add(w, "values", "F32", 2, shape, 24);
    assert_int_equal(tw_begin(w, NULL), 0);
    tw_write(w, five, 2);
    tw_write(w, five + 2, 3);
    tw_write(w, values, sizeof values);
    assert_int_equal(tw_prepare(w), 0);
    const int64_t told = tw_file_size(w);
    assert_int_equal(tw_finish(w), 0);
    memcpy(b.bytes, "GGUF", 4);
    put(&b, 3, 4);
    put(&b, 2, 8);
    put(&b, 2, 8);
    put_text(&b, "general.architecture");
    put(&b, 8, 4);
    put_text(&b, "none");
    put_text(&b, "general.file_type");
    put(&b, 4, 4);
    put(&b, 2, 4);
    put_text(&b, "five");
    put(&b, 1, 4);
    put(&b, 5, 8);
    put(&b, 24, 4);
    put(&b, 0, 8);
    put_text(&b, "values");
    put(&b, 2, 4);
    put(&b, 3, 8);
    put(&b, 2, 8);
    put(&b, 0, 4);
    put(&b, 32, 8);
    b.size = (b.size + 31) / 32 * 32;
    memcpy(b.bytes + b.size, five, 5);
    scratch_floats(b.bytes + b.size + 32, values, 6);
    b.size += 64;
    bytes = scratch_read(path, &size);
    assert_int_equal(size, b.size);
    assert_int_equal(told, (int64_t)b.size);
    assert_memory_equal(bytes, b.bytes, size);
    free(bytes);
}

/* All pairs but the alignment, and all tensors, through the writer and back. */
static void test_round_trip(void **state) {
    char message[1024] = "";
    blob b;
    tf_file *file, *copy;
    tw_writer *w;
    (void)state;
    make_good(&b, 2);
    file = must_open(scratch_write("good.gguf", b.bytes, b.size));
    w = tw_create_gguf(scratch_path("copy.gguf"), message, sizeof message);
    for (size_t i = 0; i < file->pair_count; ++i) tw_pair(w, &file->pairs[i]);
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        tw_add(w, t->name, t->dtype, t->rank, t->shape, t->size);
    }
    tw_begin(w, NULL);
    for (size_t i = 0; i < file->count; ++i)
        tw_write(w, file->tensors[i].data, (size_t)file->tensors[i].size);
    if (tw_finish(w) != 0) fail_msg("%s", message);
    copy = must_open(scratch_path("copy.gguf"));
    assert_int_equal(copy->pair_count, 4);
    for (size_t i = 0; i < 4; ++i) {
        assert_string_equal(copy->pairs[i].key, file->pairs[i].key);
        assert_int_equal(copy->pairs[i].type, file->pairs[i].type);
        assert_int_equal(copy->pairs[i].size, file->pairs[i].size);
        assert_memory_equal(copy->pairs[i].value, file->pairs[i].value,
                            (size_t)file->pairs[i].size);
    }
    assert_int_equal(copy->count, file->count);
    for (size_t i = 0; i < copy->count; ++i) {
        const tf_tensor *t = &copy->tensors[i], *was = &file->tensors[i];
        assert_string_equal(t->name, was->name);
        assert_string_equal(t->dtype, was->dtype);
        assert_int_equal(t->size, was->size);
        assert_int_equal(((const char *)t->data - (const char *)copy->map) % 32, 0);
        assert_memory_equal(t->data, was->data, (size_t)t->size);
    }
    tf_close(copy);
    tf_close(file);
}

static void test_empty(void **state) {
    static const int64_t none[2] = {0, 32}, some[1] = {3};
    char message[1024] = "";
    const char *path = scratch_path("empty.gguf");
    tw_writer *w = tw_create_gguf(path, message, sizeof message);
    tf_file *file;
    (void)state;
    assert_int_equal(tw_begin(w, NULL), 0);
    assert_int_equal(tw_finish(w), 0);
    file = must_open(path);
    assert_int_equal(file->count, 0);
    tf_close(file);
    w = tw_create_gguf(path, message, sizeof message);
    tw_add(w, "none", "Q4_0", 2, none, 0);
    tw_add(w, "some", "I8", 1, some, 3);
    tw_add(w, "last", "F32", 2, none, 0);
    tw_begin(w, NULL);
    tw_write(w, "abc", 3);
    if (tw_finish(w) != 0) fail_msg("%s", message);
    file = must_open(path);
    assert_int_equal(file->count, 3);
    assert_memory_equal(tf_find(file, "some")->data, "abc", 3);
    tf_close(file);
}

static void refuse_tensor(const char *name, const char *dtype, int32_t rank, const int64_t *shape,
                          const char *fault) {
    char message[1024] = "";
    tw_writer *w = tw_create_gguf(scratch_path("refused.gguf"), message, sizeof message);
    const int64_t size = tf_bytes(dtype, rank, shape);
    assert_int_equal(tw_add(w, name, dtype, rank, shape, size), -1);
    tw_abort(w);
    if (!strstr(message, fault)) fail_msg("expected '%s', got '%s'", fault, message);
}

static void test_refused_tensors(void **state) {
    static const int64_t shape[5] = {1, 2, 1, 1, 2}, blocks[2] = {2, 33};
    static const char longest[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    char message[1024] = "";
    const int files = scratch_count();
    tw_writer *w;
    (void)state;
    refuse_tensor(longest, "F32", 1, shape, "above 63 bytes");
    refuse_tensor("", "F32", 1, shape, "has no name");
    refuse_tensor("a", "U8", 1, shape, "a type that GGUF");
    refuse_tensor("a", "F32", 5, shape, "more than 4 dimensions");
    refuse_tensor("a", "Q4_0", 2, blocks, "does not fit");
    refuse_tensor("a", "Q4_2", 2, blocks, "does not fit");
    w = tw_create(scratch_path("refused"), message, sizeof message);
    assert_int_equal(tw_add(w, "a", "Q4_0", 2, (int64_t[]){1, 32}, 18), -1);
    assert_non_null(strstr(message, "cannot hold"));
    tw_abort(w);
    assert_int_equal(scratch_count(), files);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),         cmocka_unit_test(test_values),
        cmocka_unit_test(test_wrong_fields),  cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_truncations),   cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_written_bytes), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_refused_tensors),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
