/*
 * Runs examples/digits as a user would and checks what it prints and writes. The program is the
 * first argument; everything happens in a temporary directory.
 */
#define _XOPEN_SOURCE 700

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tensor_file.h"

enum { OUTPUT_SIZE = 1 << 16, ROWS = 9 };

static const struct {
    const char *type;
    int bits;
    const char *scales;
    int block; /* weights that share a scale: 0 all, -1 a row */
} rows[ROWS] = {
    {"int8", 8, "per tensor", 0}, {"int8", 8, "per channel", -1}, {"int8", 8, "blocks of 32", 32},
    {"int4", 4, "per tensor", 0}, {"int4", 4, "per channel", -1}, {"int4", 4, "blocks of 32", 32},
    {"int2", 2, "per tensor", 0}, {"int2", 2, "per channel", -1}, {"int2", 2, "blocks of 32", 32},
};

struct row {
    double accuracy;
    long long bytes;
    double factor;
    double sqnr_db;
};

static char directory[] = "/tmp/test_digits.XXXXXX";
static char output[OUTPUT_SIZE]; /* of the run that most tests look at */

/* Runs a shell command, in which $DIGITS is the program, and returns its exit status. */
static int run(const char *command, char *text) {
    FILE *pipe = popen(command, "r");
    size_t size;
    int status;

    assert_non_null(pipe);
    size = fread(text, 1, OUTPUT_SIZE - 1, pipe);
    text[size] = '\0';
    status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The numbers in the line of the table that begins with `type` and goes on with `scales`. */
static struct row find_row(const char *text, const char *type, const char *scales) {
    struct row row = {0.0, 0, 0.0, NAN};
    int found = 0;

    for (const char *line = text; line; line = strchr(line, '\n')) {
        char sqnr[32];
        const char *rest;

        line += *line == '\n';
        if (strncmp(line, type, strlen(type)) != 0) continue;
        rest = line + strlen(type);
        rest += strspn(rest, " ");
        if (strncmp(rest, scales, strlen(scales)) != 0) continue;
        rest += strlen(scales);
        found++;
        assert_int_equal(sscanf(rest, " %lf %% %*s %lld %lfx %31s", &row.accuracy, &row.bytes,
                                &row.factor, sqnr),
                         4);
        if (strcmp(sqnr, "-") != 0) row.sqnr_db = strtod(sqnr, NULL);
    }
    if (found != 1) fail_msg("%d rows for %s, %s in:\n%s", found, type, scales, text);
    assert_true(row.accuracy >= 0.0 && row.accuracy <= 100.0);
    return row;
}

static tf_file *open_weights(void) {
    char message[512];
    tf_file *file = tf_open("digits.safetensors", message, sizeof message);

    if (!file) fail_msg("%s", message);
    return file;
}

static int64_t value_count(const tf_tensor *tensor) {
    return tensor->size / (int64_t)sizeof(float);
}

static double value_at(const tf_tensor *tensor, int64_t index) {
    float value;

    /* The data of a file may be anywhere. */
    memcpy(&value, (const char *)tensor->data + index * (int64_t)sizeof value, sizeof value);
    return (double)value;
}

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(directory) || chdir(directory)) return -1;
    return run("\"$DIGITS\" --quick 2>progress", output);
}

static int tear_down(void **state) {
    static const char *const files[] = {"progress", "digits.safetensors", "again.safetensors"};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) unlink(files[i]);
    if (chdir("/")) return -1;
    /* Fails if anything else was left behind. */
    return rmdir(directory);
}

static void test_accuracy(void **state) {
    struct row real = find_row(output, "float32", "-");

    (void)state;
    /* A guess is right in one of ten cases; even a short training gives far more. */
    assert_true(real.accuracy > 60.0);
    for (int i = 0; i < ROWS; i++) {
        struct row row = find_row(output, rows[i].type, rows[i].scales);

        if (rows[i].bits == 8) assert_true(fabs(row.accuracy - real.accuracy) <= 1.0);
        assert_true(row.accuracy <= real.accuracy + 1.0);
    }
}

/* Of a table, which `title` stands above, the four accuracies in the row of that name. */
static void find_four(const char *title, const char *name, double right[4]) {
    const char *table = strstr(output, title);
    const char *line;
    char start[32];

    assert_non_null(table);
    snprintf(start, sizeof start, "\n%s ", name);
    line = strstr(table, start);
    if (!line) fail_msg("no row for %s in:\n%s", name, table);
    assert_int_equal(sscanf(line + strlen(start), " %lf %% %lf %% %lf %% %lf %%", &right[0],
                            &right[1], &right[2], &right[3]),
                     4);
}

/* Of the second table: dynamic and static, with rounded weights and with trained ones. */
static void find_ways(const char *type, double right[4]) {
    find_four("weights trained for it", type, right);
}

/* Of the third table: 8 and 4 bits, calibrated on clean digits and on polluted ones. */
static void find_method(const char *method, double right[4]) {
    find_four("on polluted digits", method, right);
}

static void test_ways(void **state) {
    static const char *const types[] = {"int8", "int4", "int3", "int2"};
    struct row real = find_row(output, "float32", "-");

    (void)state;
    for (int i = 0; i < 4; i++) {
        double right[4];

        find_ways(types[i], right);
        /* Activations of 8 bits cost little, wherever their scales come from. */
        assert_true(fabs(right[0] - right[1]) <= 2.0);
        assert_true(fabs(right[2] - right[3]) <= 2.0);
        if (i == 0) assert_true(fabs(right[0] - real.accuracy) <= 1.0);
        /* Two bits lose nearly everything, and training brings most of it back. */
        if (i == 3) assert_true(right[3] >= right[1] + 20.0);
        assert_true(right[3] >= right[1] - 2.0);
    }
}

static void test_methods(void **state) {
    static const char *const robust[] = {
        "moving-average", "percentile, 99.9", "percentile, 99.99", "entropy", "mse",
        "mean-deviation"};
    struct row real = find_row(output, "float32", "-");
    double range[4];

    (void)state;
    find_method("min-max", range);
    /* 16 codes for what is fifty times as wide as the values are nothing but a guess. */
    assert_true(range[3] <= 20.0);
    for (int i = 0; i < 3; i++) assert_true(fabs(range[i] - real.accuracy) <= 4.0);
    for (size_t m = 0; m < sizeof robust / sizeof robust[0]; m++) {
        double right[4];

        find_method(robust[m], right);
        /* Clean data: any method will do. Polluted: none does worse than the range. */
        for (int i = 0; i < 3; i++) assert_true(fabs(right[i] - real.accuracy) <= 4.0);
        assert_true(right[2] >= range[2] - 2.0);
        assert_true(right[3] >= range[3] + 40.0);
    }
}

static void test_weights(void **state) {
    tf_file *file = open_weights();
    int64_t inputs = 0;

    (void)state;
    assert_true(file->count > 0 && file->count % 2 == 0);
    for (size_t i = 0; i < file->count; i++) {
        const tf_tensor *tensor = &file->tensors[i];
        double sum = 0.0;

        assert_string_equal(tensor->dtype, "F32");
        /* Weights and biases take turns, and each layer goes on where the one before ended. */
        if (i % 2 == 0) {
            assert_int_equal(tensor->rank, 2);
            if (inputs) assert_int_equal(tensor->shape[1], inputs);
            inputs = tensor->shape[0];
        } else {
            assert_int_equal(tensor->rank, 1);
            assert_int_equal(tensor->shape[0], inputs);
        }
        for (int64_t k = 0; k < value_count(tensor); k++) sum += fabs(value_at(tensor, k));
        assert_true(isfinite(sum) && sum > 0.0);
    }
    assert_int_equal(inputs, 10);
    tf_close(file);
}

static int64_t block_of(const tf_tensor *tensor, int row) {
    if (rows[row].block > 0) return rows[row].block;
    return rows[row].block < 0 ? tensor->shape[1] : tensor->shape[0] * tensor->shape[1];
}

static void test_sizes(void **state) {
    tf_file *file = open_weights();
    struct row real = find_row(output, "float32", "-");
    int64_t all = 0;

    (void)state;
    for (size_t i = 0; i < file->count; i++) all += file->tensors[i].size;
    assert_int_equal(real.bytes, all);
    for (int r = 0; r < ROWS; r++) {
        struct row row = find_row(output, rows[r].type, rows[r].scales);
        int64_t bytes = 0;

        for (size_t i = 0; i < file->count; i++) {
            const tf_tensor *tensor = &file->tensors[i];
            int64_t n = value_count(tensor);

            /* Codes, and float16 scales; every row of blocks ends with a full one. */
            if (tensor->rank == 2) bytes += n * rows[r].bits / 8 + n / block_of(tensor, r) * 2;
            if (tensor->rank == 1) bytes += tensor->size;
        }
        assert_int_equal(row.bytes, bytes);
        assert_true(fabs(row.factor - (double)all / (double)bytes) <= 0.051);
    }
    tf_close(file);
}

/* Adds signal and noise of a tensor that is rounded to codes from -limit to limit. */
static void add_noise(const tf_tensor *tensor, int64_t block, double limit, double *signal,
                      double *noise) {
    int64_t n = value_count(tensor);

    for (int64_t start = 0; start < n; start += block) {
        double largest = 0.0;

        for (int64_t i = start; i < start + block; i++)
            if (fabs(value_at(tensor, i)) > largest) largest = fabs(value_at(tensor, i));
        for (int64_t i = start; i < start + block; i++) {
            double x = value_at(tensor, i);
            double error = x - nearbyint(x / (largest / limit)) * (largest / limit);

            *signal += x * x;
            *noise += error * error;
        }
    }
}

static void test_sqnr(void **state) {
    tf_file *file = open_weights();

    (void)state;
    for (int r = 0; r < ROWS; r++) {
        struct row row = find_row(output, rows[r].type, rows[r].scales);
        double limit = (double)((1 << (rows[r].bits - 1)) - 1);
        double signal = 0.0;
        double noise = 0.0;

        for (size_t i = 0; i < file->count; i++) {
            const tf_tensor *tensor = &file->tensors[i];

            if (tensor->rank == 2) add_noise(tensor, block_of(tensor, r), limit, &signal, &noise);
        }
        /* Scales are exact here and float16 there. */
        assert_true(fabs(row.sqnr_db - 10.0 * log10(signal / noise)) < 0.2);
    }
    tf_close(file);
}

static void test_progress(void **state) {
    static char text[OUTPUT_SIZE];

    (void)state;
    assert_int_equal(run("cat progress", text), 0);
    assert_non_null(strstr(text, "loss"));
    assert_null(strstr(output, "loss"));
}

static void test_same_again(void **state) {
    static char again[OUTPUT_SIZE];
    const char *table;

    (void)state;
    assert_int_equal(run("\"$DIGITS\" --out again.safetensors --quick 2>/dev/null", again), 0);
    table = strstr(again, "float32");
    assert_non_null(table);
    assert_string_equal(table, strstr(output, "float32"));
    assert_int_equal(run("cmp digits.safetensors again.safetensors", again), 0);
}

static void test_failures(void **state) {
    static char text[OUTPUT_SIZE];

    (void)state;
    assert_int_equal(run("\"$DIGITS\" --fast 2>&1", text), 2);
    assert_non_null(strstr(text, "--fast"));
    assert_non_null(strstr(text, "usage"));
    assert_int_equal(run("\"$DIGITS\" --out 2>&1", text), 2);
    assert_non_null(strstr(text, "--out"));
    assert_int_equal(run("\"$DIGITS\" --help", text), 0);
    assert_non_null(strstr(text, "usage"));

    assert_int_equal(run("\"$DIGITS\" --quick --out absent/file 2>&1", text), 1);
    assert_non_null(strstr(text, "absent/file"));
    assert_null(strstr(text, "int8"));
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(run("\"$DIGITS\" --help 2>&1 >/dev/full", text), 1);
        assert_non_null(strstr(text, "output"));
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accuracy),   cmocka_unit_test(test_weights),
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_sqnr),
        cmocka_unit_test(test_ways),       cmocka_unit_test(test_progress),
        cmocka_unit_test(test_same_again), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_methods),
    };

    char *program = argc == 2 ? realpath(argv[1], NULL) : NULL;

    if (!program || setenv("DIGITS", program, 1)) {
        fprintf(stderr, "usage: test_digits DIGITS\n");
        return 2;
    }
    free(program);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
