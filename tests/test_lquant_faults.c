/* What lquant does when the world changes under it, memory runs out, or names are hostile. */
#define _XOPEN_SOURCE 700
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
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "lquant_run.h"
#include "scratch.h"

static void skip_with(const char *why) {
    fprintf(stderr, "skipped: %s\n", why);
    skip();
}

static const char *small_file(const char *name) {
    return scratch_safetensors(name, "{\"w\":" ENTRY("F32", "[2,2]", "[0,16]") "}", NULL, 16);
}

/* Half a gigabyte of zeros on no disk, so that lquant works on it for a while. */
static const char *large_file(const char *name) {
    static const char header[] = "{\"w\":" ENTRY("F32", "[16384,8192]", "[0,536870912]") "}";
    const char *path = scratch_safetensors(name, header, NULL, 0);
    assert_int_equal(truncate(path, (off_t)(8 + strlen(header) + 536870912)), 0);
    return path;
}

/* Starts a process that calls act(path) once there is a file more in the scratch directory. */
static pid_t when_writing(void (*act)(const char *path), const char *path) {
    const struct timespec moment = {0, 500000};
    const int files = scratch_count();
    pid_t child;
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child > 0) return child;
    for (int i = 0; i < 60000 && scratch_count() == files; ++i) nanosleep(&moment, NULL);
    act(path);
    _exit(0);
}

static void shorten(const char *path) {
    if (truncate(path, 4096) != 0) _exit(1);
}

static void make_directory(const char *path) {
    if (mkdir(path, 0700) != 0) _exit(1);
}

static void wait_for(pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ------------------------------------------------------------------- signals, races */

/* Stopped in the midst of its work, lquant leaves nothing behind. */
static void test_interrupted(void **state) {
    static const int signals[] = {SIGTERM, SIGINT,  SIGHUP,    SIGQUIT, SIGXCPU, SIGALRM,
                                  SIGPROF, SIGUSR1, SIGVTALRM, SIGUSR2, SIGABRT};
    const struct timespec moment = {0, 500000};
    const struct rlimit no_core = {0, 0};
    const char *in = large_file("in"), *out = scratch_path("out");
    const int files = scratch_count();
    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; ++i) {
        int status = 0;
        const pid_t child = fork();
        if (child == 0) {
            setrlimit(RLIMIT_CORE, &no_core);
            /* A test that was started in the background has inherited that they are ignored. */
            signal(signals[i], SIG_DFL);
            execl(getenv("LQUANT"), "lquant", "quantize", in, out, (char *)NULL);
            _exit(97);
        }
        while (scratch_count() == files && waitpid(child, &status, WNOHANG) == 0)
            nanosleep(&moment, NULL);
        assert_int_equal(scratch_count(), files + 1);
        kill(child, signals[i]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        assert_int_equal(scratch_count(), files);
    }
    scratch_remove("in");
}

static void test_shortened_input(void **state) {
    const char *in = large_file("in"), *out = scratch_path("out");
    const pid_t child = when_writing(shorten, in);
    (void)state;
    must_fail(line_of("quantize %s %s", in, out), 1, in, "shorter");
    wait_for(child);
    scratch_remove("in");
}

/* The report that belongs to the older output outlives a new output that cannot be put in place. */
static void test_older_report(void **state) {
    const char *in = large_file("in"), *out = scratch_path("out");
    const char *report = scratch_write("report", "older", 5);
    const pid_t child = when_writing(make_directory, out);
    const run_result *r = run_line(line_of("quantize %s %s --report %s", in, out, report));
    size_t size = 0;
    char *text = scratch_read(report, &size);
    (void)state;
    wait_for(child);
    assert_int_equal(r->status, 1);
    assert_non_null(strstr(r->err, out));
    assert_non_null(text);
    assert_string_equal(text, "older");
    free(text);
    assert_int_equal(scratch_count(), 3);
    scratch_remove("in");
    scratch_remove("out");
    scratch_remove("report");
}

/* Nobody may write beside root's file in a directory with the sticky bit, but not replace it. */
static void test_report_in_place(void **state) {
    char *in, *out, *report;
    struct stat st;
    size_t size = 0;
    FILE *err;
    int status = 0, started;
    char text[4096] = "";
    pid_t child;
    (void)state;
    if (geteuid() != 0) {
        skip_with("only root can make a file that another user may not replace");
        return;
    }
    in = strdup(small_file("in"));
    out = strdup(scratch_path("out"));
    report = strdup(scratch_write("report", "older", 5));
    err = tmpfile();
    assert_true(in && out && report && err);
    assert_int_equal(chmod(scratch_path("."), 01777), 0);
    fflush(NULL);
    child = fork();
    if (child == 0) {
        if (dup2(fileno(err), STDERR_FILENO) < 0 || setgid(65534) != 0 || setuid(65534) != 0)
            _exit(97);
        execl(getenv("LQUANT"), "lquant", "quantize", in, out, "--report", report, (char *)NULL);
        _exit(97);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(scratch_path("."), 0700), 0);
    rewind(err);
    size = fread(text, 1, sizeof text - 1, err);
    text[size] = '\0';
    fclose(err);
    /* 126 and 127: nobody may not read the programs or libraries. */
    started = WIFEXITED(status) && (WEXITSTATUS(status) < 97 || WEXITSTATUS(status) > 127);
    if (started) {
        char *kept = scratch_read(report, &size);
        assert_int_equal(WEXITSTATUS(status), 1);
        assert_non_null(strstr(text, report));
        assert_non_null(strstr(text, "out is complete"));
        assert_int_equal(stat(out, &st), 0);
        assert_string_equal(kept, "older");
        free(kept);
        assert_int_equal(scratch_count(), 3);
        scratch_remove("out");
    }
    scratch_remove("in");
    scratch_remove("report");
    free(in);
    free(out);
    free(report);
    if (!started) skip_with("lquant cannot be started as nobody");
}

static void test_same_new_file(void **state) {
    const char *in = small_file("in"), *out = scratch_path("new");
    (void)state;
    must_fail(line_of("quantize %s %s --report %s", in, out, scratch_path("./new")), 1, "new",
              "overwrite");
    must_fail(line_of("quantize %s %s --report %s", in, scratch_path(".//new"), out), 1, "new",
              "overwrite");
    must_run(line_of("quantize %s %s --report %s", in, out, scratch_path("./newer")));
    scratch_remove("in");
    scratch_remove("new");
    scratch_remove("newer");
}

/* ------------------------------------------------------------------------- terminal */

/* No byte of a command line reaches a terminal as a control character. */
static void test_printable(void **state) {
    static const char *const lines[] = {
        "\x1b[31mquantize",
        "help \x1b[31m",
        "inspect /nowhere/\x1b[31m/a\x07",
        "inspect IN \x1b[31m",
        "inspect --\x1b[31m",
        "quantize IN /nowhere/\xc2\x9b[31m",
        "quantize IN /nowhere/out --only \x1b[31m",
        "quantize IN OUT --report /nowhere/\x1b[31m",
        "dequantize /\xff\x1b[31m OUT",
        "compare IN /nowhere/\x1b[31m",
    };
    const char *in = small_file("in");
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        char line[2048] = "";
        const run_result *r;
        for (const char *p = lines[i]; *p; ++p) {
            if (strncmp(p, "IN", 2) == 0)
                strcat(line, in), ++p;
            else if (strncmp(p, "OUT", 3) == 0)
                strcat(line, scratch_path("out")), p += 2;
            else
                strncat(line, p, 1);
        }
        r = run_line(line);
        assert_true(r->status == 1 || r->status == 2);
        assert_non_null(strchr(r->err, '?'));
        for (const char *p = r->err; *p; ++p)
            if (((unsigned char)*p < 0x20 && *p != '\n') || *p == '\x7f' || *p == '\xff' ||
                (unsigned char)*p == 0x9b)
                fail_msg("case %zu: byte %02x in: %s", i, (unsigned)(unsigned char)*p, r->err);
    }
    scratch_remove("in");
}

/* --------------------------------------------------------------------------- memory */

/* Sanitizers reserve terabytes of address space, which leaves no room for a limit. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
    __has_feature(thread_sanitizer)
#define UNLIMITED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNLIMITED 1
#endif
#if !defined(UNLIMITED)
#define UNLIMITED 0
#endif

/* Runs it with so much address space. NULL: that cannot be limited, or suffices for nothing. */
static const run_result *run_within(size_t megabytes, const char *line) {
    struct rlimit before, tight;
    const run_result *r;
    /* Under an emulator it is the emulator's memory that would be limited. */
    if (UNLIMITED || getenv("MESON_EXE_WRAPPER")) return NULL;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)megabytes << 20;
    if (setrlimit(RLIMIT_AS, &tight) != 0) return NULL;
    r = run_line("--version");
    r = r->status == 0 ? run_line(line) : NULL;
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    return r;
}

/* Too little memory is called that, with the file's name, and never a fault of the file. */
static void test_out_of_memory(void **state) {
    static const char halves[] = "{\"w\":" ENTRY("F16", "[8192,8192]", "[0,134217728]") "}";
    const size_t text = 30 << 20;
    char *header = malloc(text + 100);
    char in[SCRATCH_PATH];
    int refused = 0;
    (void)state;
    assert_non_null(header);
    snprintf(in, sizeof in, "%s", scratch_safetensors("in", halves, NULL, 0));
    assert_int_equal(truncate(in, (off_t)(8 + strlen(halves) + 134217728)), 0);
    for (size_t megabytes = 32; megabytes < 200; megabytes += 8) {
        const run_result *r =
            run_within(megabytes, line_of("quantize %s %s", in, scratch_path("out")));
        if (!r || r->status == 0) continue;
        ++refused;
        if (!strstr(r->err, in) || !(strstr(r->err, "ut of memory") || strstr(r->err, "allocate")))
            fail_msg("within %zu MB: %s", megabytes, r->err);
    }
    header[0] = '\0';
    strcpy(header, "{\"__metadata__\":{\"a\":\"");
    memset(header + 22, 'x', text);
    strcpy(header + 22 + text, "\"}}");
    scratch_safetensors("in", header, NULL, 0);
    free(header);
    for (size_t megabytes = 32; megabytes < 160; megabytes += 8) {
        const run_result *r = run_within(megabytes, line_of("inspect %s", in));
        if (!r || r->status == 0) continue;
        ++refused;
        if (!strstr(r->err, in) || !(strstr(r->err, "ut of memory") || strstr(r->err, "allocate")))
            fail_msg("within %zu MB: %s", megabytes, r->err);
    }
    scratch_remove("in");
    if (access(scratch_path("out"), F_OK) == 0) scratch_remove("out");
    if (refused == 0) skip_with("lquant needs more address space than a limit leaves it here");
}

/* Headers that a parser would turn into forty times their size are refused within less. */
static void test_hungry_headers(void **state) {
    static const struct {
        const char *begin, *repeated, *end, *fault;
    } cases[] = {
        {"{\"a\":{\"shape\":[0", ",0", "]}}", "more than 8 dimensions"},
        {"{\"a\":[[0]", ",[0]", "]}", "1024 values"},
        {"{\"a\":{\"\":0", ",\"\":0", "}}", "1024 values"},
        {"{\"a\":0", ",\"\":0", "}", "not described by an object"},
        {"{\"__metadata__\":{\"\":\"\"", ",\"\":\"\"", "}}", "65536 values"},
        {"{\"__metadata__\":{\"libquant\":\"[0", ",0", "]\"}}", "more than the file has"},
    };
    const size_t size = 20 << 20;
    int ran = 0;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char *header = malloc(size + 200);
        const char *path;
        const run_result *r;
        size_t n = strlen(cases[i].begin);
        assert_non_null(header);
        strcpy(header, cases[i].begin);
        for (const size_t step = strlen(cases[i].repeated); n < size; n += step)
            memcpy(header + n, cases[i].repeated, step);
        strcpy(header + n, cases[i].end);
        path = scratch_safetensors("in", header, NULL, 0);
        free(header);
        r = run_within(160, line_of("inspect %s", path));
        if (!r) continue;
        ++ran;
        if (r->status != 1 || !strstr(r->err, path) || !strstr(r->err, cases[i].fault))
            fail_msg("case %zu: expected '%s': %s", i, cases[i].fault, r->err);
    }
    scratch_remove("in");
    if (!ran) skip_with("lquant needs more address space than a limit leaves it here");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupted),   cmocka_unit_test(test_shortened_input),
        cmocka_unit_test(test_older_report),  cmocka_unit_test(test_report_in_place),
        cmocka_unit_test(test_same_new_file), cmocka_unit_test(test_printable),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_hungry_headers),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
