#define _POSIX_C_SOURCE 200809L
#include "harness.h"
#include "options.h"
#include "report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const bench_suite *suite;
static lq_cpu best;

/* ---------------------------------------------------------------- the floor */

typedef struct traffic {
    unsigned char *from, *to;
    size_t bytes;
    int64_t threads;
} traffic;

static void move(void *context) {
    const traffic *t = context;
    memcpy(t->to, t->from, t->bytes);
    __asm__ volatile("" : : "r"(t->to) : "memory");
}

/* Each thread a part of it. */
static void move_part(void *context, int64_t part) {
    const traffic *t = context;
    const size_t begin = t->bytes / (size_t)t->threads * (size_t)part;
    const size_t end = t->bytes / (size_t)t->threads * ((size_t)part + 1);
    memcpy(t->to + begin, t->from + begin, part == t->threads - 1 ? t->bytes - begin : end - begin);
}

static void move_on_threads(void *context) {
    const traffic *t = context;
    const lq_exec *exec = bench_exec_on((int)t->threads);
    exec->parallel_for(exec->pool, move_part, context, t->threads);
}

#ifdef __SSE2__
/* Past the caches: a store that does not read the line before it writes it. */
static void stream(void *context) {
    const traffic *t = context;
    const __m128i *from = (const __m128i *)(const void *)t->from;
    __m128i *to = (__m128i *)(void *)t->to;
    for (size_t i = 0; i < t->bytes / sizeof *to; ++i) _mm_stream_si128(&to[i], from[i]);
    _mm_sfence();
}
#endif

/* --------------------------------------------------------------------- rows */

bench_row bench_begin_row(const char *name, int64_t elements, int64_t moved) {
    bench_row row = {.name = name, .elements = elements, .moved = moved};
    traffic *t = malloc(sizeof *t);
    if (!t) exit(1);
    *t = (traffic){bench_allocate(moved / 2), bench_allocate(moved / 2), (size_t)moved / 2, 1};
    bench_enter(&row, "floor", move, t);
    row.contestants[0].hidden = moved == 0;
#ifdef __SSE2__
    const int64_t streamed = 8 << 20;
    if (moved >= streamed) {
        row.streams = bench_enter(&row, "streaming floor", stream, t);
        row.contestants[row.streams].hidden = true;
    }
#endif
    return row;
}

int bench_enter_floor_on(bench_row *row, int threads) {
    traffic *t = row->contestants[0].context;
    char name[32];
    t->threads = threads;
    snprintf(name, sizeof name, "floor, %d threads", threads);
    const int place = bench_enter(row, name, move_on_threads, t);
    row->contestants[place].prepare = bench_wake_threads;
    return place;
}

/* The floor is the faster of its two ways. */
static void choose_floor(bench_row *row) {
    contestant *floor = row->contestants;
    if (!row->streams || floor[row->streams].minimum > floor->minimum) return;
    floor->minimum = floor[row->streams].minimum;
    floor->median = floor[row->streams].median;
    floor->processor = floor[row->streams].processor;
    floor->runs = floor[row->streams].runs;
}

int bench_enter(bench_row *row, const char *name, void (*run)(void *context), void *context) {
    if (row->n == BENCH_MOST) {
        fprintf(stderr, "%s: more than %d contestants\n", row->name, BENCH_MOST);
        exit(1);
    }
    contestant *c = &row->contestants[row->n];
    *c = (contestant){.run = run, .context = context};
    snprintf(c->name, sizeof c->name, "%s", name);
    return row->n++;
}

int bench_enter_best(bench_row *row, const char *name, void (*run)(void *context), void *context) {
    const int place = bench_enter(row, name, run, context);
    row->contestants[place].ours = true;
    row->contestants[place].level = bench_wanted.one_level ? bench_wanted.level : best;
    return place;
}

int bench_enter_levels(bench_row *row, void (*run)(void *context), void *context) {
    const int scalar = row->n;
    for (lq_cpu level = 0; lq_cpu_name(level); ++level) {
        const bool wanted = !bench_wanted.one_level || level == bench_wanted.level;
        if (!lq_cpu_available(level) || (level != LQ_CPU_SCALAR && !wanted)) continue;
        contestant *c = &row->contestants[bench_enter(row, lq_cpu_name(level), run, context)];
        c->ours = true;
        c->level = level;
        c->hidden = !wanted;
        c->scalar = scalar;
    }
    return scalar;
}

void bench_compare(bench_row *row, int first, int other, int place, bool each) {
    for (int i = first; i < row->n; ++i) {
        row->contestants[i].against[other] = each ? place + i - first : place;
    }
}

/* -------------------------------------------------------------------- table */

static int name_width;

static bool selected(int row, char *name, size_t size) {
    suite->name_row(row, name, size);
    return strstr(name, bench_wanted.filter) != NULL;
}

int64_t bench_size(int index) {
    static const int64_t sizes[] = {1 << 12, 1 << 16, 1 << 20, 1 << 24, 0};
    if (bench_wanted.elements) return index ? 0 : bench_wanted.elements;
    return sizes[index];
}

static int64_t size_of(int row, int index) {
    return suite->size ? suite->size(row, index) : bench_size(index);
}

/* That of the heading, and of a ratio and its mark. */
static int other_width(int other) {
    const int width = 2 + (int)strlen(suite->others[other]);
    return width < 9 ? 9 : width;
}

static void print_heading(void) {
    printf("%-*s %-16s %9s %11s %9s %9s %7s %8s %8s", name_width, "row", "by", "elements",
           "ns a call", "ns/el min", "median", "GB/s", "/ floor", "/ scalar");
    for (int o = 0; o < BENCH_OTHERS && suite->others[o]; ++o) {
        char heading[24];
        snprintf(heading, sizeof heading, "/ %s", suite->others[o]);
        printf(" %*s", other_width(o), heading);
    }
    printf("\n");
}

static void print_ratio(const bench_row *row, const contestant *c, int place, int width) {
    printf(" %*.3f", width, c->minimum / row->contestants[place].minimum);
}

static void print_other(const bench_row *row, const contestant *c, int other) {
    const int place = c->against[other];
    const double ratio = c->minimum / row->contestants[place].minimum;
    if (!place) {
        printf(" %*s", other_width(other), "-");
    } else if (other == 0 && suite->marked > 0 && ratio >= suite->marked) {
        print_ratio(row, c, place, other_width(other) - 1);
        printf("!");
    } else {
        print_ratio(row, c, place, other_width(other));
    }
}

static void print_line(const bench_row *row, const contestant *c) {
    const double minimum = c->minimum / (double)row->elements;
    const double median = c->median / (double)row->elements;
    const int digits = minimum < 100 ? 4 : 0;
    printf("%-*s %-16s %9lld %11.0f %9.*f %9.*f", name_width, row->name, c->name,
           (long long)row->elements, c->minimum, digits, minimum, digits, median);
    if (row->moved) {
        printf(" %7.1f", (double)row->moved / c->minimum);
        print_ratio(row, c, 0, 8);
    } else {
        printf(" %7s %8s", "-", "-");
    }
    if (c->scalar) {
        print_ratio(row, c, c->scalar, 8);
    } else {
        printf(" %8s", "-");
    }
    for (int o = 0; o < BENCH_OTHERS && suite->others[o]; ++o) print_other(row, c, o);
    printf("\n");
}

void bench_end_row(bench_row *row) {
    traffic *t = row->contestants[0].context;
    bench_contest(row->contestants, row->n, bench_wanted.seconds);
    choose_floor(row);
    for (int i = 0; i < row->n; ++i) {
        if (!row->contestants[i].hidden) print_line(row, &row->contestants[i]);
    }
    fflush(stdout);
    report_row(suite, row);
    free(t->from);
    free(t->to);
    free(t);
}

/* ------------------------------------------------------------------- suites */

/* On one terminal the table itself shows how far we are. */
static void show_progress(const char *name, int64_t elements, int done, int all) {
    if (isatty(1) && isatty(2)) return;
    fprintf(stderr, "[%d/%d] %s, %lld elements\n", done, all, name, (long long)elements);
}

/* Runs what was selected, or only counts it, or lists it. */
static int go_through(int all, bool runs) {
    char name[128];
    int done = 0;
    for (int row = 0; row < suite->rows; ++row) {
        if (!selected(row, name, sizeof name)) continue;
        const int width = (int)strlen(name);
        name_width = width > name_width ? width : name_width;
        for (int i = 0; size_of(row, i); ++i) {
            ++done;
            if (runs && bench_wanted.list) {
                printf("%s/%lld\n", name, (long long)size_of(row, i));
            } else if (runs) {
                show_progress(name, size_of(row, i), done, all);
                suite->run(row, name, size_of(row, i));
            }
        }
    }
    return done;
}

const lq_exec *bench_exec(void) {
    return bench_exec_on(bench_wanted.threads);
}

int bench_main(int argc, char **argv, const bench_suite *of) {
    suite = of;
    best = lq_cpu_level();
    options_parse(argc, argv, suite);
    if (!bench_wanted.list && bench_wanted.seconds > 0) bench_fix_addresses(argv);
    const int all = go_through(0, false);
    if (!all) {
        options_fault(suite->name, "no row's name contains '%s'; --list prints them",
                      bench_wanted.filter);
    }
    if (bench_wanted.list) return go_through(all, true) ? 0 : 1;
    if (!report_open(argv[0])) {
        options_fault(suite->name, "cannot write %s; give --json a file that can be",
                      bench_wanted.json);
    }
    print_heading();
    go_through(all, true);
    if (!report_close()) {
        fprintf(stderr, "%s: could not write all of %s\n", suite->name, bench_wanted.json);
        return 1;
    }
    return 0;
}
