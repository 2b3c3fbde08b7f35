/* Writing GGUF: byte by byte, and read back. */
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
#include "tensor_writer.h"

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

static void refuse_tensor(const char *name, const char *dtype, int32_t rank, const int64_t *shape,
                          const char *fault) {
    char message[1024] = "";
    tw_writer *w = tw_create_gguf(scratch_path("refused.gguf"), message, sizeof message);
    const int64_t size = tf_bytes(dtype, rank, shape);
    assert_int_equal(tw_add(w, name, dtype, rank, shape, size), -1);
    tw_abort(w);
    if (!strstr(message, fault)) fail_msg("expected '%s', got '%s'", fault, message);
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
    tw_add(w, "some", "I8", 1, some, 3);
    tw_begin(w, NULL);
    tw_write(w, "abc", 3);
    if (tw_finish(w) != 0) fail_msg("%s", message);
    file = must_open(path);
    assert_int_equal(file->count, 1);
    assert_memory_equal(tf_find(file, "some")->data, "abc", 3);
    tf_close(file);
    refuse_tensor("none", "Q4_0", 2, none, "is empty");
    refuse_tensor("none", "F32", 2, none, "is empty");
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
        cmocka_unit_test(test_written_bytes),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_refused_tensors),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
