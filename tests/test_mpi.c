/*
 * Runs examples/mpi_calibrate on 1 to 4 ranks, and compares states, parameters and codes with what
 * the library gives in one go, in this process, without MPI. Arguments: mpirun, mpi_calibrate.
 */
#define _XOPEN_SOURCE 700

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libquant.h>

#include "lquant_run.h"
#include "scratch.h"
#include "tensor_file.h"

enum { OUTPUT_SIZE = 1 << 14, LONG = 150001, MOST_RANKS = 4 };

/* Begins a command: so many ranks. What hangs fails. */
#define RANKS "timeout 100 \"$RUN\" -n %d \"$CALIBRATE\" "

/* Batches of three tensors in two files; what is between them is no tensor of real values. */
static const char first_header[] =
    "{\"input\":" ENTRY("F32", "[150001]", "[0,600004]") ",\"ids\":" ENTRY(
        "I8", "[2]", "[600004,600006]") ",\"half\":" ENTRY("F16", "[2,2]", "[600006,600014]") "}";
static const char second_header[] = "{\"input\":" ENTRY("F32", "[3]", "[0,12]") ",\"half\":" ENTRY(
    "F16", "[0]", "[12,12]") ",\"brain\":" ENTRY("BF16", "[2]", "[12,16]") "}";
static const char *const names[] = {"input", "half", "brain"};
enum { NAMES = sizeof names / sizeof *names };

static char output[OUTPUT_SIZE];

/* ----------------------------------------------------------------- running */

/* Runs a shell command in which $RUN is mpirun and $CALIBRATE the program; its exit status. */
static int run(const char *format, ...) {
    char command[512] = "";
    va_list arguments;
    FILE *pipe;
    int status;
    size_t size;

    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    size = fread(output, 1, OUTPUT_SIZE - 1, pipe);
    output[size] = '\0';
    status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* How often the output says it. */
static int said(const char *text) {
    int count = 0;
    for (const char *at = output; (at = strstr(at, text)); at += strlen(text)) ++count;
    return count;
}

/* What must end, with a status and one message that says this; else it would end by the timeout. */
static void must_say_once(int status, const char *text) {
    if (status == 0 || status == 124 || said("mpi_calibrate: ") != 1 || said(text) != 1)
        fail_msg("status %d, expected '%s' once in:\n%s", status, text, output);
}

/* --------------------------------------------------------------- reference */

static lq_type type_of(const tf_tensor *t) {
    return strcmp(t->dtype, "F32") == 0 ? LQ_F32 : strcmp(t->dtype, "F16") == 0 ? LQ_F16 : LQ_BF16;
}

/* All batches of a name into one calibrator, whole. */
static lq_calibrator *observe_all(tf_file *const *files, const char *name) {
    const lq_calibrator_options options = lq_calibrate_per_tensor();
    lq_calibrator *c;
    size_t size;
    assert_int_equal(lq_calibrator_size(&options, &size), LQ_OK);
    c = malloc(size);
    assert_non_null(c);
    assert_int_equal(lq_calibrator_init(c, size, &options), LQ_OK);
    for (int f = 0; f < 2; ++f) {
        const tf_tensor *t = tf_find(files[f], name);
        if (!t) continue;
        const lq_tensor x = lq_contiguous(t->data, type_of(t), t->rank, t->shape);
        assert_int_equal(lq_calibrator_observe(c, &x, NULL), LQ_OK);
    }
    return c;
}

typedef struct expected {
    unsigned char *state, *codes;
    size_t state_size, codes_size;
    float scale[NAMES];
    int32_t zero[NAMES];
} expected;

static void append_state(expected *e, const lq_calibrator *c) {
    size_t size = 0;
    assert_int_equal(lq_calibrator_serialize(c, NULL, 0, &size), LQ_OK);
    e->state = realloc(e->state, e->state_size + size);
    assert_non_null(e->state);
    assert_int_equal(lq_calibrator_serialize(c, e->state + e->state_size, size, &size), LQ_OK);
    e->state_size += size;
}

static void append_codes(expected *e, const tf_tensor *t) {
    const lq_scheme scheme = lq_affine(LQ_U8, lq_per_tensor());
    for (int i = 0; i < NAMES; ++i) {
        if (strcmp(names[i], t->name) != 0) continue;
        const int64_t n = tf_elements(t->rank, t->shape);
        const lq_tensor x = lq_vector(t->data, type_of(t), n);
        const lq_tensor q = lq_vector(e->codes + e->codes_size, LQ_U8, n);
        const lq_tensor s = lq_vector(&e->scale[i], LQ_F32, 1);
        const lq_tensor z = lq_vector(&e->zero[i], LQ_S32, 1);
        assert_int_equal(lq_quantize(&x, &scheme, &s, &z, &q, NULL), LQ_OK);
        e->codes_size += (size_t)n;
    }
}

static expected expect(const char *method) {
    const lq_scheme scheme = lq_affine(LQ_U8, lq_per_tensor());
    const lq_calibration by = lq_calibration_by(lq_method_from_name(method));
    char message[512];
    tf_file *files[] = {tf_open("first.safetensors", message, sizeof message),
                        tf_open("second.safetensors", message, sizeof message)};
    expected e = {.codes = malloc(LONG + 100)};
    assert_true(files[0] && files[1] && e.codes);
    for (int i = 0; i < NAMES; ++i) {
        lq_calibrator *c = observe_all(files, names[i]);
        const lq_tensor s = lq_vector(&e.scale[i], LQ_F32, 1);
        const lq_tensor z = lq_vector(&e.zero[i], LQ_S32, 1);
        append_state(&e, c);
        assert_int_equal(lq_calibrator_parameters(c, &by, &scheme, &s, &z, NULL), LQ_OK);
        free(c);
    }
    for (int f = 0; f < 2; ++f) {
        for (size_t i = 0; i < files[f]->count; ++i) append_codes(&e, &files[f]->tensors[i]);
        tf_close(files[f]);
    }
    return e;
}

/* ------------------------------------------------------------------- tests */

static void assert_file(const char *path, const unsigned char *bytes, size_t size) {
    size_t have = 0;
    char *content = scratch_read(path, &have);
    assert_non_null(content);
    assert_int_equal(have, size);
    assert_memory_equal(content, bytes, size);
    free(content);
}

static void assert_parameters(const expected *e) {
    for (int i = 0; i < NAMES; ++i) {
        char start[32];
        double scale = NAN;
        int zero = -1;
        snprintf(start, sizeof start, "\n%s ", names[i]);
        const char *line = strstr(output, start);
        assert_non_null(line);
        assert_int_equal(sscanf(line + strlen(start), "%*s %*s %*s %lf %d", &scale, &zero), 2);
        assert_true(fabs(scale - (double)e->scale[i]) <= 1e-5 * (double)e->scale[i]);
        assert_int_equal(zero, e->zero[i]);
    }
}

static void compare(const char *method, const char *option) {
    const expected e = expect(method);
    /* Longer than what will be written. */
    char *longer = calloc(1, 2 * LONG);
    assert_non_null(longer);
    scratch_write("codes", longer, 2 * LONG);
    free(longer);
    for (int ranks = 1; ranks <= MOST_RANKS; ++ranks) {
        const int status = run(RANKS "--state state first.safetensors --codes codes "
                                     "second.safetensors %s 2>&1",
                               ranks, option);
        if (status) fail_msg("%d ranks: status %d:\n%s", ranks, status, output);
        assert_parameters(&e);
        assert_file("state", e.state, e.state_size);
        assert_file("codes", e.codes, e.codes_size);
        scratch_remove("state");
    }
    free(e.state);
    free(e.codes);
}

static void test_default(void **state) {
    (void)state;
    compare("mse", "");
}

static void test_percentile(void **state) {
    (void)state;
    compare("percentile", "--method percentile");
}

/* Without files. */
static void test_made_up(void **state) {
    static char alone[OUTPUT_SIZE];
    (void)state;
    assert_int_equal(run(RANKS "--state alone.state --codes alone.codes", 1), 0);
    strcpy(alone, output);
    /* The numbers of values that are made up. */
    assert_int_equal(said(" 1000080 "), 1);
    assert_int_equal(said(" 500009 "), 1);
    for (int ranks = 2; ranks <= MOST_RANKS; ranks += 2) {
        assert_int_equal(run(RANKS "--state state --codes codes", ranks), 0);
        assert_string_equal(output, alone);
        assert_int_equal(run("cmp state alone.state && cmp codes alone.codes"), 0);
    }
}

static void test_one_rank_fails(void **state) {
    (void)state;
    /* Only the second rank looks for a file that is not there. */
    must_say_once(run(RANKS "first.safetensors : -n 1 \"$CALIBRATE\" absent : "
                            "-n 1 \"$CALIBRATE\" first.safetensors 2>&1",
                      1),
                  "rank 1: absent: cannot be read");
    /* Only the first one writes the states. */
    must_say_once(run(RANKS "--state absent/state 2>&1", 3), "absent/state: cannot be opened");
}

static void test_all_ranks_fail(void **state) {
    static const struct {
        const char *arguments, *says;
    } wrong[] = {
        {"--method median", "there is no method 'median'"},
        {"--method moving-average", "attention: "}, /* histograms have none */
        {"--method", "--method needs a value"},
        {"--fast yes", "there is no option --fast"},
        {"--codes absent/codes", "absent/codes: cannot be written"},
        {"absent.safetensors", "absent.safetensors: cannot be read"},
        {"nan.safetensors", "nan: no finite value"},
        {"ids.safetensors", "there are no tensors of F32"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i)
        must_say_once(run(RANKS "%s 2>&1", 2, wrong[i].arguments), wrong[i].says);
}

/* ------------------------------------------------------------------- set-up */

/* Half of the values in [-1, 3), the others ten times as small, and two outliers. */
static void write_first(void) {
    static float values[LONG];
    static unsigned char data[4 * LONG + 10] = {0};
    static const unsigned char rest[] = {1,    2,                 /* ids */
                                         0x00, 0x3c, 0x01, 0xbc,  /* 1, -1.001 */
                                         0x00, 0x7c, 0x01, 0x00}; /* infinite, 6e-8 */
    for (int i = 0; i < LONG; ++i) {
        const float x = (float)((uint32_t)i * 2654435761u >> 8) / 4194304.0f - 1.0f;
        values[i] = i % 2 ? x : 0.1f * x;
    }
    values[1000] = 40.0f;
    values[149000] = -70.0f;
    scratch_floats(data, values, LONG);
    memcpy(data + sizeof values, rest, sizeof rest);
    scratch_safetensors("first.safetensors", first_header, data, sizeof data);
}

static void write_others(void) {
    static const float values[] = {0.5f, NAN, 90.0f};
    unsigned char data[16] = {[12] = 0x80, 0x3f, 0x40, 0x40}; /* 1, 3 */
    scratch_floats(data, values, 3);
    scratch_safetensors("second.safetensors", second_header, data, sizeof data);
    scratch_safetensors("nan.safetensors", "{\"nan\":" ENTRY("F32", "[1]", "[0,4]") "}", data + 4,
                        4);
    scratch_safetensors("ids.safetensors", "{\"ids\":" ENTRY("I8", "[4]", "[0,4]") "}", data, 4);
}

static int set_up(void **state) {
    (void)state;
    scratch_begin();
    write_first();
    write_others();
    return chdir(scratch_path("."));
}

static int tear_down(void **state) {
    (void)state;
    if (chdir("/")) return -1;
    scratch_end();
    return 0;
}

/* What Open MPI needs in a container, for root, and for more ranks than there are processors. */
static int set_environment(char **argv) {
    return setenv("RUN", argv[1], 1) || setenv("CALIBRATE", argv[2], 1) ||
           setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1) ||
           setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1) ||
           setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1) ||
           setenv("OMPI_MCA_plm", "isolated", 1) ||                /* no ssh */
           setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 1) || /* no seconds between signals */
           setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 1);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_made_up),        cmocka_unit_test(test_one_rank_fails),
        cmocka_unit_test(test_all_ranks_fail),
    };

    if (argc != 3 || set_environment(argv)) {
        fprintf(stderr, "usage: test_mpi MPIRUN MPI_CALIBRATE\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
