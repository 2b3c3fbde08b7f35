/* The writer of tensor files: round trips, misuse, outputs that cannot be written, full disks. */
#if defined(__linux__)
#define _GNU_SOURCE /* unshare */
#else
#define _POSIX_C_SOURCE 200809L
#endif
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
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/mount.h>
#endif
#include <cmocka.h>

#include "aside.h"
#include "byte_order.h"
#include "lquant_run.h"
#include "scratch.h"
#include "tensor_file.h"
#include "tensor_writer.h"

static void skip_with(const char *why) {
    fprintf(stderr, "skipped: %s\n", why);
    skip();
}

static void test_round_trip(void **state) {
    static const struct {
        const char *name, *dtype;
        int32_t rank;
        int64_t shape[8];
    } cases[] = {
        {"f32", "F32", 2, {3, 5}},      {"scalar", "F16", 0, {0}},
        {"none", "BF16", 3, {2, 0, 7}}, {"deep", "I8", 8, {1, 2, 1, 3, 1, 1, 1, 1}},
        {"bool", "BOOL", 1, {3}},       {"i64", "I64", 1, {2}},
        {"f4", "F4", 1, {4}},           {"quote\"\\\xc3\xa4", "F8_E4M3", 1, {1}},
        {"c64", "C64", 1, {2}},
    };
    const size_t count = sizeof cases / sizeof *cases;
    unsigned char data[64];
    char message[1024] = "";
    const char *path = scratch_path("round");
    cJSON *metadata = cJSON_CreateObject();
    tw_writer *w = tw_create(path, message, sizeof message);
    tf_file *file;
    (void)state;
    cJSON_AddStringToObject(metadata, "format", "pt");
    for (size_t i = 0; i < sizeof data; ++i) data[i] = (unsigned char)(37 * i + 1);
    for (size_t i = 0; i < count; ++i)
        tw_add(w, cases[i].name, cases[i].dtype, cases[i].rank, cases[i].shape,
               tf_bytes(cases[i].dtype, cases[i].rank, cases[i].shape));
    assert_int_equal(tw_begin(w, metadata), 0);
    for (size_t i = 0; i < count; ++i)
        tw_write(w, data, (size_t)tf_bytes(cases[i].dtype, cases[i].rank, cases[i].shape));
    assert_null(fopen(path, "rb")); /* not there before it is complete */
    if (tw_finish(w) != 0) fail_msg("%s", message);
    file = must_open(path);
    assert_int_equal(file->count, count);
    assert_int_equal(((const char *)file->tensors[0].data - (const char *)file->map) % 8, 0);
    assert_string_equal(cJSON_GetObjectItem(file->metadata, "format")->valuestring, "pt");
    for (size_t i = 0; i < count; ++i) {
        const tf_tensor *t = tf_find(file, cases[i].name);
        assert_non_null(t);
        assert_string_equal(t->dtype, cases[i].dtype);
        assert_int_equal(t->rank, cases[i].rank);
        for (int32_t d = 0; d < t->rank; ++d) assert_int_equal(t->shape[d], cases[i].shape[d]);
        assert_memory_equal(t->data, data, (size_t)t->size);
    }
    tf_close(file);
    cJSON_Delete(metadata);
    scratch_remove("round");
}

/* The writer refuses what a reader would; nothing is left behind, whatever was there stays. */
static void test_writer_misuse(void **state) {
    const int64_t shape[2] = {2, 2};
    const int files = scratch_count();
    char message[1024] = "";
    tw_writer *w;
    (void)state;
    static const struct {
        const char *name, *dtype;
        int32_t rank;
        int64_t size;
        const char *fault;
    } cases[] = {
        {"a", "F32", 2, 15, "does not fit"},     {"a", "F33", 2, 16, "does not fit"},
        {"a", "F32", 9, 16, "more than 8"},      {"a", "F32", -1, 16, "more than 8"},
        {"\xff", "F32", 2, 16, "not UTF-8"},     {"__metadata__", "F32", 2, 16, "reserved"},
        {"same", "F32", 2, 16, "written twice"}, {"a", "F32", 2, 16, "less data"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        message[0] = '\0';
        w = tw_create(scratch_path("misuse"), message, sizeof message);
        tw_add(w, "same", "F32", 2, shape, 16);
        tw_add(w, cases[i].name, cases[i].dtype, cases[i].rank, shape, cases[i].size);
        tw_begin(w, NULL);
        tw_write(w, "0123456789abcdef", 16);
        assert_int_equal(tw_finish(w), -1);
        if (!strstr(message, cases[i].fault))
            fail_msg("expected '%s', got '%s'", cases[i].fault, message);
        assert_int_equal(scratch_count(), files);
    }
    w = tw_create(scratch_path("misuse"), message, sizeof message);
    tw_begin(w, NULL);
    assert_int_equal(tw_write(w, "x", 1), -1);
    assert_non_null(strstr(message, "more data"));
    tw_abort(w);
    w = tw_create(scratch_path("misuse"), message, sizeof message);
    tw_begin(w, NULL);
    assert_int_equal(tw_add(w, "late", "F32", 2, shape, 16), -1);
    assert_non_null(strstr(message, "'late' was declared after"));
    tw_abort(w);
    assert_int_equal(scratch_count(), files);
}

/* A header that no reader takes is refused before a byte of it is written. */
static void test_header_limit(void **state) {
    static const char around[] = "{\"__metadata__\":{\"a\":\"\"}}";
    const size_t limit = 100000000;
    char *text = malloc(limit + 1);
    (void)state;
    assert_non_null(text);
    for (int turn = 0; turn < 3; ++turn) {
        char message[1024] = "";
        cJSON *metadata = cJSON_CreateObject();
        /* At the limit, a byte above it, and of escapes that grow sixfold. */
        const size_t length = turn < 2 ? limit - strlen(around) + (size_t)turn : limit / 5;
        tw_writer *w = tw_create(scratch_path("limit"), message, sizeof message);
        memset(text, turn < 2 ? 'x' : 1, length);
        text[length] = '\0';
        assert_non_null(cJSON_AddStringToObject(metadata, "a", text));
        assert_int_equal(tw_begin(w, metadata), turn == 0 ? 0 : -1);
        if (turn == 0)
            assert_int_equal(tw_file_size(w), 8 + limit);
        else
            assert_non_null(strstr(message, "above 100 MB"));
        cJSON_Delete(metadata);
        tw_abort(w);
    }
    free(text);
}

static int write_bytes(const char *path, size_t size, char *message, size_t message_size) {
    const int64_t shape = (int64_t)size;
    unsigned char *zeros = calloc(size + 1, 1);
    tw_writer *w = tw_create(path, message, message_size);
    int status;
    tw_add(w, "zeros", "U8", 1, &shape, shape);
    tw_begin(w, NULL);
    tw_write(w, zeros, size);
    status = tw_finish(w);
    free(zeros);
    return status;
}

static void test_output_refused(void **state) {
    /* A pipe stands for devices too: a broken writer, run as root, would replace a real one. */
    const char *const paths[] = {scratch_path("pipe"), "/nowhere/at/all/out", "/", ""};
    char message[1024];
    int files;
    (void)state;
    assert_int_equal(mkfifo(paths[0], 0600), 0);
    files = scratch_count();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
        message[0] = '\0';
        assert_int_equal(write_bytes(paths[i], 10, message, sizeof message), -1);
        assert_int_equal(strncmp(message, paths[i], strlen(paths[i])), 0);
        assert_true(strlen(message) > strlen(paths[i]) + 10);
    }
    assert_int_equal(write_bytes(scratch_path("."), 10, message, sizeof message), -1);
    assert_non_null(strstr(message, "a directory"));
    assert_int_equal(scratch_count(), files);
    scratch_remove("pipe");
}

static void test_unwritable_directory(void **state) {
    char message[1024] = "";
    const char *directory = scratch_path("locked");
    const uid_t user = geteuid();
    char path[SCRATCH_PATH + 8];
    int status;
    (void)state;
    assert_int_equal(mkdir(directory, 0500), 0);
    snprintf(path, sizeof path, "%s/out", directory);
    /* Root may write everywhere, so it becomes nobody. */
    if (user == 0 && seteuid(65534) != 0) {
        scratch_remove("locked");
        skip_with("root may write to every directory, and cannot become nobody");
    }
    status = write_bytes(path, 10, message, sizeof message);
    if (user == 0) assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, -1);
    assert_non_null(strstr(message, "Permission denied"));
    scratch_remove("locked");
}

/* A size limit fails in the middle of the data, like a full disk; the old file stays whole. */
static void test_disk_full(void **state) {
    char message[1024] = "";
    const char *path = scratch_write("precious", "old", 3);
    const int files = scratch_count();
    struct rlimit before, small;
    size_t size = 0;
    char *bytes;
    int status;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    status = write_bytes(path, 1000000, message, sizeof message);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, -1);
    assert_non_null(strstr(message, path));
    assert_non_null(strstr(message, "File too large"));
    assert_int_equal(scratch_count(), files);
    bytes = scratch_read(path, &size);
    assert_string_equal(bytes, "old");
    free(bytes);
    scratch_remove("precious");
}

#if defined(__linux__)
/* On a disk of 64 KiB that only this process sees. Returns what went wrong; 1: no such disk. */
static int on_small_disk(const char *directory) {
    char message[1024] = "", path[SCRATCH_PATH + 8];
    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0) return 1;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return 1;
    if (mount("tmpfs", directory, "tmpfs", 0, "size=64k") != 0) return 1;
    snprintf(path, sizeof path, "%s/out", directory);
    if (write_bytes(path, 1000000, message, sizeof message) != -1) return 2;
    if (!strstr(message, path) || !strstr(message, "No space left")) return 3;
    if (write_bytes(path, 40000, message, sizeof message) != 0) return 5; /* all was given back */
    return 0;
}

static void test_no_space(void **state) {
    const char *directory = scratch_path("disk");
    int status = 0;
    pid_t child;
    (void)state;
    assert_int_equal(mkdir(directory, 0700), 0);
    fflush(NULL);
    child = fork();
    if (child == 0) _exit(on_small_disk(directory));
    assert_int_equal(waitpid(child, &status, 0), child);
    scratch_remove("disk");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1) skip_with("no tmpfs can be mounted here");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

static void test_replaces(void **state) {
    char message[1024] = "";
    const char *path = scratch_write("target", "old", 3);
    struct stat st;
    (void)state;
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("target", scratch_path("link")), 0);
    if (write_bytes(scratch_path("link"), 10, message, sizeof message) != 0)
        fail_msg("%s", message);
    assert_int_equal(lstat(scratch_path("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    tf_close(must_open(path));
    scratch_remove("link");
    scratch_remove("target");
}

static void test_remove_all(void **state) {
    char message[1024] = "";
    const int files = scratch_count();
    aside *file = aside_open(scratch_path("interrupted"), message, sizeof message);
    (void)state;
    assert_non_null(file);
    assert_int_equal(scratch_count(), files + 1);
    aside_remove_all();
    assert_int_equal(scratch_count(), files);
    assert_int_equal(aside_commit(file), -1);
    assert_non_null(strstr(message, "cannot be put in place"));
    assert_int_equal(scratch_count(), files);
}

static void test_byte_order(void **state) {
    unsigned char bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    (void)state;
    swap_elements(bytes, 8, swapped_width("C64", 64));
    assert_memory_equal(bytes, "\4\3\2\1\10\7\6\5", 8);
    swap_elements(bytes, 8, swapped_width("I8", 8));
    assert_memory_equal(bytes, "\4\3\2\1\10\7\6\5", 8);
    swap_elements(bytes, 8, swapped_width("U64", 64));
    assert_memory_equal(bytes, "\5\6\7\10\1\2\3\4", 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_writer_misuse),
        cmocka_unit_test(test_header_limit),
        cmocka_unit_test(test_output_refused),
        cmocka_unit_test(test_unwritable_directory),
        cmocka_unit_test(test_disk_full),
#if defined(__linux__)
        cmocka_unit_test(test_no_space),
#endif
        cmocka_unit_test(test_replaces),
        cmocka_unit_test(test_remove_all),
        cmocka_unit_test(test_byte_order),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
