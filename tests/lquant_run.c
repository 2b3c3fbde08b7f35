#define _POSIX_C_SOURCE 200809L
#include "lquant_run.h"

#include <dirent.h>
#include <fcntl.h>
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

#include "scratch.h"

static _Noreturn void die(const char *what) {
    perror(what);
    exit(99);
}

/* What was written to an unlinked temporary file. */
static void slurp(FILE *from, char *to, size_t size) {
    size_t n;
    rewind(from);
    n = fread(to, 1, size - 1, from);
    to[n] = '\0';
    fclose(from);
}

const run_result *run_lquant(const char *const *arguments) {
    return run_lquant_to(arguments, -1, -1);
}

const run_result *run_lquant_to(const char *const *arguments, int out_fd, int err_fd) {
    static run_result result;
    const char *program = getenv("LQUANT");
    char *argv[RUN_ARGUMENTS + 2] = {NULL};
    FILE *out = tmpfile(), *err = tmpfile();
    int status = 0;
    pid_t child;
    if (!program) {
        fprintf(stderr, "the environment variable LQUANT must hold the path of lquant\n");
        exit(99);
    }
    if (!out || !err) die("tmpfile");
    argv[0] = strdup(program);
    for (int i = 0; i < RUN_ARGUMENTS && arguments[i]; ++i) argv[i + 1] = strdup(arguments[i]);
    fflush(NULL);
    child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
        if (dup2(out_fd < 0 ? fileno(out) : out_fd, STDOUT_FILENO) < 0) _exit(98);
        if (dup2(err_fd < 0 ? fileno(err) : err_fd, STDERR_FILENO) < 0) _exit(98);
        execv(program, argv);
        _exit(97);
    }
    if (waitpid(child, &status, 0) != child) die("waitpid");
    for (int i = 0; argv[i]; ++i) free(argv[i]);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    slurp(out, result.out, sizeof result.out);
    slurp(err, result.err, sizeof result.err);
    return &result;
}

const run_result *run_line(const char *line) {
    const char *arguments[RUN_ARGUMENTS + 1] = {NULL};
    char *copy = strdup(line);
    char *rest = copy;
    const run_result *result;
    int count = 0;
    while (count < RUN_ARGUMENTS && (arguments[count] = strtok_r(rest, " ", &rest)) != NULL)
        ++count;
    result = run_lquant(arguments);
    free(copy);
    return result;
}

/* A line for run_line; static, in two buffers that take turns. */
const char *line_of(const char *format, ...) {
    static char lines[2][4096];
    static int turn;
    char *line = lines[turn++ % 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof lines[0], format, arguments);
    va_end(arguments);
    return line;
}

const run_result *must_run(const char *line) {
    const run_result *r = run_line(line);
    if (r->status != 0) fail_msg("lquant %s: status %d: %s", line, r->status, r->err);
    return r;
}

/* Fails with that status, one message "lquant: ..." that contains both, and no file more or less. */
void must_fail(const char *line, int status, const char *names, const char *says) {
    const int files = scratch_count();
    const run_result *r = run_line(line);
    if (r->status != status) fail_msg("lquant %s: status %d: %s", line, r->status, r->err);
    if (strncmp(r->err, "lquant: ", 8) != 0 || !strstr(r->err, names) || !strstr(r->err, says))
        fail_msg("lquant %s: expected '%s' and '%s': %s", line, names, says, r->err);
    if (scratch_count() != files) fail_msg("lquant %s: left a file behind", line);
}

tf_file *must_open(const char *path) {
    char message[1024] = "";
    tf_file *file = tf_open(path, message, sizeof message);
    if (!file) fail_msg("%s", message);
    return file;
}

cJSON *must_parse(const char *path) {
    size_t size = 0;
    char *text = scratch_read(path, &size);
    cJSON *json = text ? cJSON_Parse(text) : NULL;
    free(text);
    if (!json) fail_msg("%s is no JSON", path);
    return json;
}

static int compare_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t weight_files(char ***paths) {
    const char *directory = getenv("LQ_WEIGHTS");
    const struct dirent *entry;
    size_t count = 0;
    DIR *d;
    *paths = calloc(257, sizeof **paths);
    if (!*paths) die("calloc");
    if (!directory || !*directory) return 0;
    d = opendir(directory);
    if (!d) die(directory);
    while (count < 256 && (entry = readdir(d)) != NULL) {
        const size_t length = strlen(entry->d_name), suffix = strlen(".safetensors");
        char *path;
        if (length <= suffix || strcmp(entry->d_name + length - suffix, ".safetensors") != 0)
            continue;
        path = malloc(strlen(directory) + length + 2);
        if (!path) die("malloc");
        sprintf(path, "%s/%s", directory, entry->d_name);
        (*paths)[count++] = path;
    }
    closedir(d);
    qsort(*paths, count, sizeof **paths, compare_text);
    return count;
}
