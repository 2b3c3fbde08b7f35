#include "options.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t most_elements = 1 << 28;

bench_options bench_wanted = {.filter = "", .threads = 1, .seconds = 0.4};

void options_fault(const char *program, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(2);
}

const char *options_value(const char *program, const char *option, char **argv, int *i) {
    const size_t length = strlen(option);
    const char *argument = argv[*i];
    if (strncmp(argument, option, length) != 0) return NULL;
    if (argument[length] == '=') return argument + length + 1;
    if (argument[length]) return NULL;
    if (!argv[*i + 1]) options_fault(program, "%s wants a value; --help says which", option);
    return argv[++*i];
}

void options_refuse(const char *program, const char *argument) {
    options_fault(program, "there is no option '%s'; --help lists those there are", argument);
}

static void help(const bench_suite *suite) {
    printf(
        "usage: %s [OPTION...]\n\n%s\n\n"
        "  --filter TEXT   rows whose name contains TEXT\n"
        "  --level NAME    libquant's scalar, avx2, avx512 or neon alone; scalar runs for the "
        "ratio\n"
        "  --elements N    this size alone: a multiple of %lld up to 2^28\n"
        "  --threads N     libquant's calls on N threads, 1 to %d\n"
        "  --seconds S     for each row at each size (%g); 0: every contestant runs once\n"
        "  --json FILE     what is printed, as Google Benchmark writes it\n"
        "  --list          the names of rows and their sizes; nothing runs\n"
        "  --help          this\n\n"
        "Times are ns per element, the least and the median of all rounds. \"/ floor\" and the "
        "like\n"
        "are ratios of least times within the same rounds. The floor is a memcpy that reads and\n"
        "writes as many bytes as the row, all told; GB/s counts these bytes.\n",
        suite->name, suite->purpose, (long long)suite->unit, BENCH_MOST_THREADS,
        bench_wanted.seconds);
    exit(0);
}

static lq_cpu read_level(const bench_suite *suite, const char *text) {
    for (lq_cpu level = 0; lq_cpu_name(level); ++level) {
        if (strcmp(text, lq_cpu_name(level)) != 0) continue;
        if (lq_cpu_available(level)) return level;
        options_fault(suite->name,
                      "this machine or build has no %s; leave --level out, or try scalar", text);
    }
    options_fault(suite->name, "--level wants scalar, avx2, avx512 or neon, not '%s'", text);
    return 0;
}

static int64_t read_integer(const bench_suite *suite, const char *option, const char *text,
                            int64_t unit, int64_t most) {
    char *end;
    const long long n = strtoll(text, &end, 10);
    if (end == text || *end || n < unit || n > most || n % unit) {
        options_fault(suite->name, "%s wants a multiple of %lld up to %lld, not '%s'", option,
                      (long long)unit, (long long)most, text);
    }
    return n;
}

static double read_seconds(const bench_suite *suite, const char *text) {
    char *end;
    const double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0 && seconds <= 3600)) {
        options_fault(suite->name, "--seconds wants a number from 0 to 3600, not '%s'", text);
    }
    return seconds;
}

void options_parse(int argc, char **argv, const bench_suite *suite) {
    bench_options *o = &bench_wanted;
    const char *value;
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--help") == 0) {
            help(suite);
        } else if (strcmp(argv[i], "--list") == 0) {
            o->list = true;
        } else if ((value = options_value(suite->name, "--filter", argv, &i))) {
            o->filter = value;
        } else if ((value = options_value(suite->name, "--level", argv, &i))) {
            o->level = read_level(suite, value);
            o->one_level = true;
        } else if ((value = options_value(suite->name, "--elements", argv, &i))) {
            o->elements = read_integer(suite, "--elements", value, suite->unit, most_elements);
        } else if ((value = options_value(suite->name, "--threads", argv, &i))) {
            o->threads = (int)read_integer(suite, "--threads", value, 1, BENCH_MOST_THREADS);
        } else if ((value = options_value(suite->name, "--json", argv, &i))) {
            o->json = value;
        } else if ((value = options_value(suite->name, "--seconds", argv, &i))) {
            o->seconds = read_seconds(suite, value);
        } else {
            options_refuse(suite->name, argv[i]);
        }
    }
}
