/*
 * lquant with one call to the system that fails (failing_calls.c), for each of them: an output has its
 * older content or its new one, never a part, and what failed has been said.
 */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lquant_run.h"
#include "scratch.h"

enum { OUTPUTS = 3 };

/* IN are the inputs, made before by the lines above it; OUT, OUT2 and OUT3 the outputs. */
static const struct {
    const char *line;
    int outputs;
    int begins; /* without older outputs, since it would continue them */
} runs[] = {
    {"quantize in out0 --type s4 --per-block=4 --report out1", 2, 0},
    {"quantize in out0.gguf --format q4_0", 1, 0},
    {"dequantize codes out0", 1, 0},
    {"compare in codes --report out0", 1, 0},
    {"calibrate in --per-channel --state out0 --json out1 --plot out2", 3, 1},
    {"merge state state -o out0", 1, 0},
    {"quantize in out0 --calibration state", 1, 0},
};
enum { RUNS = sizeof runs / sizeof *runs };

typedef struct content {
    char *bytes;
    size_t size;
} content;

static const char *output_path(int run, int i) {
    const char *name = strstr(runs[run].line, ".gguf") ? "out0.gguf" : "out0";
    static const char *const others[] = {"out1", "out2"};
    return scratch_path(i == 0 ? name : others[i - 1]);
}

/* The line with names of files made paths; static. */
static const char *line_for(int run) {
    static const char *const names[] = {"in",   "codes", "state",    "out0",
                                        "out1", "out2",  "out0.gguf"};
    static char line[4096];
    char copy[1024], *rest = copy;
    line[0] = '\0';
    snprintf(copy, sizeof copy, "%s", runs[run].line);
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
        for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
            if (strcmp(word, names[i]) == 0) word = (char *)(uintptr_t)scratch_path(names[i]);
        if (*line) strcat(line, " ");
        strcat(line, word);
    }
    return line;
}

static void set_fault(const char *kind, int n) {
    char fault[64];
    snprintf(fault, sizeof fault, "%s %d", kind, n);
    assert_int_equal(setenv("LQ_FAULT", fault, 1), 0);
    assert_int_equal(setenv("LQ_FAULT_MARK", scratch_path("mark"), 1), 0);
}

static void put_older(int run, int older) {
    for (int i = 0; i < runs[run].outputs; ++i) {
        remove(output_path(run, i));
        if (older && !runs[run].begins)
            scratch_write(strrchr(output_path(run, i), '/') + 1, "older", 5);
    }
}

static int equals(const content *a, const char *bytes, size_t size) {
    return a->bytes && a->size == size && memcmp(a->bytes, bytes, size) == 0;
}

/* Outputs are old or new, and all new where the run succeeded. */
static void check_outputs(int run, int older, int succeeded, const content *complete) {
    for (int i = 0; i < runs[run].outputs; ++i) {
        content now = {NULL, 0};
        now.bytes = scratch_read(output_path(run, i), &now.size);
        const int is_new = equals(&now, complete[i].bytes, complete[i].size);
        const int is_old =
            older && !runs[run].begins ? equals(&now, "older", 5) : now.bytes == NULL;
        free(now.bytes);
        if (!(is_new || (is_old && !succeeded)))
            fail_msg("lquant %s with %s: output %d is neither as before nor complete",
                     runs[run].line, getenv("LQ_FAULT"), i);
    }
}

static void make_inputs(void) {
    static const char header[] = "{\"__metadata__\":{\"note\":\"kept\"},\"w\":" ENTRY(
        "F32", "[4,32]", "[0,512]") ",\"b\":" ENTRY("F16", "[3]", "[512,518]") "}";
    float values[128];
    unsigned char bytes[518] = {0};
    for (int i = 0; i < 128; ++i) values[i] = (float)(i % 17) - 8;
    scratch_floats(bytes, values, 128);
    scratch_safetensors("in", header, bytes, sizeof bytes);
    unsetenv("LQ_FAULT");
    must_run(line_of("quantize %s %s --affine", scratch_path("in"), scratch_path("codes")));
    must_run(line_of("calibrate %s --state %s", scratch_path("in"), scratch_path("state")));
}

static void remove_inputs(void) {
    scratch_remove("in");
    scratch_remove("codes");
    scratch_remove("state");
}

/* What it writes where nothing fails. */
static void complete_run(int run, content *complete) {
    unsetenv("LQ_FAULT");
    put_older(run, 0);
    const run_result *r = run_line(line_for(run));
    if (r->status != 0) fail_msg("lquant %s: %s", runs[run].line, r->err);
    for (int i = 0; i < runs[run].outputs; ++i) {
        complete[i].bytes = scratch_read(output_path(run, i), &complete[i].size);
        assert_non_null(complete[i].bytes);
    }
}

static void free_run(int run, content *complete) {
    put_older(run, 0);
    for (int i = 0; i < runs[run].outputs; ++i) free(complete[i].bytes);
}

/* One run with a fault. Returns whether it came to that. */
static int run_with(int run, const char *kind, int n, int older, const content *complete) {
    const int killed = strcmp(kind, "kill") == 0;
    put_older(run, older);
    set_fault(kind, n);
    const run_result *r = run_line(line_for(run));
    const int happened = remove(scratch_path("mark")) == 0;
    const int signal = killed ? SIGKILL : strcmp(kind, "stop") == 0 ? SIGTERM : 0;
    if (r->status != 0 && r->status != (signal ? 128 + signal : 1))
        fail_msg("lquant %s with %s %d: status %d", runs[run].line, kind, n, r->status);
    if (r->status == 1 && strncmp(r->err, "lquant: ", 8) != 0)
        fail_msg("lquant %s with %s %d: %s", runs[run].line, kind, n, r->err);
    if (!happened && r->status != 0) fail_msg("lquant %s: %s", runs[run].line, r->err);
    check_outputs(run, older, r->status == 0, complete);
    return happened;
}

/* What no handler can remove: the temporaries of a killed run. */
static void sweep(void) {
    char line[4096];
    snprintf(line, sizeof line, "rm -f %s", scratch_path(".aside-*.tmp"));
    assert_int_equal(system(line), 0);
}

/* The first one, the second one and so on, as long as there are so many; or one in LQ_FORMAT_STEP. */
static int fail_each(const char *kind) {
    const char *share = getenv("LQ_FORMAT_STEP");
    const int step = share && atoi(share) > 1 && strcmp(kind, "memory") == 0 ? atoi(share) : 1;
    int total = 0;
    make_inputs();
    for (int run = 0; run < RUNS; ++run) {
        content complete[OUTPUTS] = {{NULL, 0}};
        int n = 1;
        complete_run(run, complete);
        put_older(run, 0);
        const int files = scratch_count();
        int older = 0;
        while (run_with(run, kind, n, older, complete)) {
            older = !older;
            if (strcmp(kind, "kill") == 0) sweep();
            put_older(run, 0);
            if (scratch_count() != files)
                fail_msg("lquant %s with %s %d: left a file behind", runs[run].line, kind, n);
            n += step;
            ++total;
            if (n > 5000) fail_msg("there is no end of %s", kind);
        }
        free_run(run, complete);
    }
    remove_inputs();
    printf("%s: %d faults\n", kind, total);
    return total;
}

static void test_memory(void **state) {
    (void)state;
    assert_true(fail_each("memory") > 10 * RUNS);
}

static void test_write(void **state) {
    (void)state;
    assert_true(fail_each("write") >= RUNS);
}

static void test_sync(void **state) {
    (void)state;
    assert_true(fail_each("sync") >= RUNS);
}

static void test_close(void **state) {
    (void)state;
    assert_true(fail_each("close") >= RUNS);
}

static void test_rename(void **state) {
    (void)state;
    assert_true(fail_each("rename") >= RUNS);
}

/* Stopped, nothing is left; killed, nothing under the final name. */
static void test_stop(void **state) {
    (void)state;
    assert_true(fail_each("stop") >= 4 * RUNS);
}

static void test_kill(void **state) {
    (void)state;
    assert_true(fail_each("kill") >= 4 * RUNS);
}

/* Pieces and interruptions do not show. */
static void test_pieces(void **state) {
    static const char *const kinds[] = {"short", "interrupted"};
    (void)state;
    make_inputs();
    for (int run = 0; run < RUNS; ++run) {
        content complete[OUTPUTS] = {{NULL, 0}};
        complete_run(run, complete);
        for (int i = 0; i < 2; ++i) {
            put_older(run, i);
            set_fault(kinds[i], 0);
            const run_result *r = run_line(line_for(run));
            if (r->status != 0) fail_msg("lquant %s, %s: %s", runs[run].line, kinds[i], r->err);
            check_outputs(run, i, 1, complete);
        }
        free_run(run, complete);
    }
    remove_inputs();
}

/* Descriptors of outputs get the numbers of closed streams, and none of what these are told. */
static void test_closed(void **state) {
    static const char *const closed[] = {">&-", "2>&-", "<&- >&- 2>&-"};
    (void)state;
    make_inputs();
    for (int run = 0; run < RUNS; ++run) {
        content complete[OUTPUTS] = {{NULL, 0}};
        complete_run(run, complete);
        for (int i = 0; i < 3; ++i) {
            char line[8192];
            put_older(run, i % 2);
            snprintf(line, sizeof line, "%s %s %s %s", getenv("LQUANT"), line_for(run), closed[i],
                     i == 1 ? ">/dev/null" : "");
            /* What has nowhere to print fails, and has written everything. */
            const int status = system(line);
            if (i == 1 && status != 0) fail_msg("%s: %d", line, status);
            check_outputs(run, i % 2, 1, complete);
        }
        free_run(run, complete);
    }
    remove_inputs();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory), cmocka_unit_test(test_write),  cmocka_unit_test(test_sync),
        cmocka_unit_test(test_close),  cmocka_unit_test(test_rename), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_kill),   cmocka_unit_test(test_pieces), cmocka_unit_test(test_closed),
    };
    int failed;
    scratch_begin();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
