/*
 * count_instructions: what the library executes, in instructions, which no other load of the machine
 * changes: for each call of counted_calls.c and each level, per element, from the difference of two
 * sizes, and in all for a call that is as short as can be.
 *
 *     count_instructions [--filter TEXT] [--write FILE | --check FILE]
 *
 * --check compares with a table that --write has made: more than 2 % more or fewer is a fault.
 * Instructions are counted as a debugger would step through them; callgrind, which would be faster,
 * has no AVX-512. Those of the C library are left out, since it chooses its own by the processor.
 * Where there is no stepping, and for a table of another compiler, it says so and exits with 77.
 */
#define _GNU_SOURCE
#include "counted_calls.h"
#include "options.h"
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__clang__)
enum { COMPILER_VERSION = __clang_major__ };
static const char compiler[] = "clang";
#else
enum { COMPILER_VERSION = __GNUC__ };
static const char compiler[] = "gcc";
#endif

static const char program[] = "count_instructions";

enum { SKIPPED = 77 };

static const double tolerance = 0.02;

static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
enum { LEVELS = (int)(sizeof levels / sizeof *levels) };

/* ---------------------------------------------------------------- counting */

/* Where the library's instructions lie, in this process and those it forks. */
static uintptr_t text_begin, text_end;

static bool find_text(void) {
    const uintptr_t inside = (uintptr_t)lq_quantize;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps) return false;
    while (!text_end && fgets(line, sizeof line, maps)) {
        uintptr_t begin, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) != 2) continue;
        if (begin <= inside && inside < end) text_begin = begin, text_end = end;
    }
    fclose(maps);
    return text_end != 0;
}

static bool in_library(pid_t child) {
    struct user_regs_struct registers;
    struct iovec to = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, child, (void *)NT_PRSTATUS, &to)) return false;
#if defined(__x86_64__)
    const uintptr_t at = registers.rip;
#else
    const uintptr_t at = registers.pc;
#endif
    return text_begin <= at && at < text_end;
}

static bool stopped_by(pid_t child, int signal) {
    int status;
    return waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == signal;
}

/* The child: once to have everything in place, then between two stops. */
static void run_traced(const counted_call *call, lq_cpu level) {
    if (lq_cpu_use(level)) _exit(1);
    counted_run(call);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) _exit(1);
    raise(SIGSTOP);
    counted_run(call);
    raise(SIGSTOP);
    _exit(0);
}

/* What one call executes in the library; -1 where nothing can be stepped through. */
static int64_t count(const counted_row *row, lq_cpu level, int64_t elements) {
    const counted_call call = counted_make(row, elements);
    int64_t n = 0;
    const pid_t child = fork();
    if (child < 0) return -1;
    if (child == 0) run_traced(&call, level);
    if (!stopped_by(child, SIGSTOP)) return -1;
    while (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0 && stopped_by(child, SIGTRAP)) {
        n += in_library(child);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return n > 0 ? n : -1;
}

/* ------------------------------------------------------------------- table */

typedef struct line {
    char name[64];
    char level[8];
    double element;
    int64_t call;
} line;

enum { MOST = 512 };

typedef struct table {
    line lines[MOST];
    int size;
} table;

static void skip(const char *why) {
    fprintf(stderr, "%s: not counted: %s\n", program, why);
    exit(SKIPPED);
}

/* Both sizes are far beyond what the loops take at once; scalar ones take long to step through. */
static line measure(const counted_row *row, lq_cpu level) {
    const int64_t more = level == LQ_CPU_SCALAR ? 512 : 1024;
    line l = {.call = count(row, level, counted_unit(row))};
    const int64_t a = count(row, level, more);
    const int64_t b = count(row, level, 2 * more);
    if (l.call < 0 || a < 0 || b < 0) skip("no single steps here (ptrace)");
    l.element = (double)(b - a) / (double)more;
    counted_name(row, l.name, sizeof l.name);
    snprintf(l.level, sizeof l.level, "%s", lq_cpu_name(level));
    return l;
}

static void print_line(FILE *file, const line *l) {
    fprintf(file, "%10.4f %8" PRId64 "  %-7s %s\n", l->element, l->call, l->level, l->name);
    fflush(file);
}

static void print_head(FILE *file) {
    fprintf(file, "# %s %d: instructions per element, and of the shortest call\n", compiler,
            COMPILER_VERSION);
}

static bool selected(int row, const char *filter, char *name, size_t size) {
    counted_name(&counted_rows[row], name, size);
    return strstr(name, filter) != NULL;
}

/* The rows of this machine's levels that `filter` is part of. */
static void measure_all(const char *filter, FILE *file, table *t) {
    for (int r = 0; r < counted_row_count; ++r) {
        char name[64];
        if (!selected(r, filter, name, sizeof name)) continue;
        for (int i = 0; i < LEVELS; ++i) {
            if (!lq_cpu_available(levels[i]) || t->size == MOST) continue;
            t->lines[t->size] = measure(&counted_rows[r], levels[i]);
            if (file) print_line(file, &t->lines[t->size]);
            ++t->size;
        }
    }
}

static FILE *open_file(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (!file) {
        fprintf(stderr, "%s: %s: %s\n", program, path, strerror(errno));
        exit(1);
    }
    return file;
}

static void read_table(const char *path, table *t) {
    FILE *file = open_file(path, "r");
    char text[256], theirs[16] = "";
    int version = 0;
    while (fgets(text, sizeof text, file)) {
        line *l = &t->lines[t->size];
        if (sscanf(text, "# %15s %d", theirs, &version) == 2) continue;
        if (t->size < MOST && sscanf(text, "%lf %" SCNd64 " %7s %63[^\n]", &l->element, &l->call,
                                     l->level, l->name) == 4) {
            ++t->size;
        }
    }
    fclose(file);
    if (strcmp(theirs, compiler) || version != COMPILER_VERSION) {
        char why[96];
        snprintf(why, sizeof why, "the table is of %s %d, this is %s %d", theirs, version, compiler,
                 COMPILER_VERSION);
        skip(why);
    }
}

static const line *find(const table *t, const line *like) {
    for (int i = 0; i < t->size; ++i) {
        const line *l = &t->lines[i];
        if (!strcmp(l->level, like->level) && !strcmp(l->name, like->name)) return l;
    }
    return NULL;
}

static bool same(const line *l, const char *what, double was, double is) {
    if (fabs(is - was) <= tolerance * was) return true;
    printf("%s, %s: %.4g -> %.4g instructions %s (%+.1f %%)\n", l->name, l->level, was, is, what,
           100 * (is - was) / was);
    return false;
}

/* How many lines of the table were not measured, though this machine has the level. */
static int missing(const table *was, const table *is, const char *filter) {
    int faults = 0;
    for (int i = 0; i < was->size; ++i) {
        const line *l = &was->lines[i];
        bool there = false;
        for (int k = 0; k < LEVELS; ++k) {
            there |= lq_cpu_available(levels[k]) && !strcmp(l->level, lq_cpu_name(levels[k]));
        }
        if (!there || !strstr(l->name, filter) || find(is, l)) continue;
        printf("%s, %s: in the table, but not measured\n", l->name, l->level);
        ++faults;
    }
    return faults;
}

/* How many figures differ. Those of levels that this machine has not are left alone. */
static int compare(const table *was, const table *is) {
    int faults = 0;
    for (int i = 0; i < is->size; ++i) {
        const line *now = &is->lines[i];
        const line *before = find(was, now);
        if (!before) {
            printf("%s, %s: not in the table\n", now->name, now->level);
            ++faults;
            continue;
        }
        faults += !same(now, "per element", before->element, now->element);
        faults += !same(now, "a call", (double)before->call, (double)now->call);
    }
    return faults;
}

static int check_table(const char *path, const char *filter) {
    static table was, is;
    read_table(path, &was);
    measure_all(filter, NULL, &is);
    const int faults = compare(&was, &is) + missing(&was, &is, filter);
    printf("%d rows of 2 figures, %d beyond %g %% or missing\n", is.size, faults, tolerance * 100);
    if (faults == 0 && is.size > 0) return 0;
    printf("If that is wanted: build/bench/count_instructions --write %s\n", path);
    return 1;
}

static int write_table(const char *path, const char *filter) {
    static table t;
    measure_all(filter, NULL, &t);
    FILE *file = open_file(path, "w");
    print_head(file);
    for (int i = 0; i < t.size; ++i) print_line(file, &t.lines[i]);
    return fclose(file) ? 1 : 0;
}

static void help(void) {
    printf("usage: %s [OPTION...]\n\n"
           "Instructions that the library executes, on each level that this machine has: per\n"
           "element, and for the shortest call.\n\n"
           "  --filter TEXT   rows whose name contains TEXT\n"
           "  --check FILE    compares with the table in FILE; ends with 1 where more than %g %%\n"
           "                  more or fewer were counted, with %d where nothing can be compared\n"
           "  --write FILE    writes such a table\n"
           "  --list          the names of rows; nothing is counted\n"
           "  --help          this\n",
           program, tolerance * 100, SKIPPED);
    exit(0);
}

/* How many rows are selected; their names, if these are wanted. */
static int list(const char *filter, bool prints) {
    int n = 0;
    for (int r = 0; r < counted_row_count; ++r) {
        char name[64];
        if (!selected(r, filter, name, sizeof name)) continue;
        if (prints) printf("%s\n", name);
        ++n;
    }
    return n;
}

int main(int argc, char **argv) {
    static table t;
    const char *filter = "", *check = NULL, *write = NULL, *value;
    bool lists = false;
    for (int i = 1; i < argc; ++i) {
        if (strcmp(argv[i], "--help") == 0) {
            help();
        } else if (strcmp(argv[i], "--list") == 0) {
            lists = true;
        } else if ((value = options_value(program, "--filter", argv, &i))) {
            filter = value;
        } else if ((value = options_value(program, "--check", argv, &i))) {
            check = value;
        } else if ((value = options_value(program, "--write", argv, &i))) {
            write = value;
        } else {
            options_refuse(program, argv[i]);
        }
    }
    if (check && write)
        options_fault(program, "either --check or --write; --help tells them apart");
    if (!list(filter, lists)) {
        options_fault(program, "no row's name contains '%s'; --list prints them", filter);
    }
    if (lists) return 0;
    if (!find_text()) skip("no /proc/self/maps");
    if (check) return check_table(check, filter);
    if (write) return write_table(write, filter);
    print_head(stdout);
    measure_all(filter, stdout, &t);
    return 0;
}
