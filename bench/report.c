#define _POSIX_C_SOURCE 200809L
#include "report.h"
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static FILE *file;
static int lines;

static void write_string(const char *text) {
    putc('"', file);
    for (; *text; ++text) {
        if (*text == '"' || *text == '\\') putc('\\', file);
        if ((unsigned char)*text >= ' ') putc(*text, file);
    }
    putc('"', file);
}

bool report_open(const char *executable) {
    char date[40] = "", host[256] = "";
    const time_t now = time(NULL);
    if (!bench_wanted.json) return true;
    file = fopen(bench_wanted.json, "w");
#ifdef __OPTIMIZE__
    const char *const build_type = "release";
#else
    const char *const build_type = "debug";
#endif
    if (!file) return false;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S+00:00", gmtime(&now));
    gethostname(host, sizeof host - 1);
    fprintf(file, "{\n  \"context\": {\n    \"date\": \"%s\",\n    \"host_name\": ", date);
    write_string(host);
    fprintf(file, ",\n    \"executable\": ");
    write_string(executable);
    fprintf(
        file,
        ",\n    \"num_cpus\": %ld,\n    \"mhz_per_cpu\": 0,\n"
        "    \"caches\": [],\n    \"library_build_type\": \"%s\",\n    \"libquant_version\": %d\n"
        "  },\n  \"benchmarks\": [",
        sysconf(_SC_NPROCESSORS_ONLN), build_type, (int)lq_version());
    return true;
}

/* The ratio of c to the contestant at a place. */
static void write_ratio(const bench_row *row, const contestant *c, const char *heading, int place) {
    fprintf(file, ", \"to_%s\": %.4f", heading, c->minimum / row->contestants[place].minimum);
}

static void write_line(const bench_suite *suite, const bench_row *row, const contestant *c) {
    const double seconds = c->minimum * 1e-9;
    char name[256];
    const int length =
        snprintf(name, sizeof name, "%s/%s/%lld", row->name, c->name, (long long)row->elements);
    if (bench_wanted.threads > 1 && length > 0 && (size_t)length < sizeof name) {
        snprintf(name + length, sizeof name - (size_t)length, "/threads:%d", bench_wanted.threads);
    }
    fprintf(file, "%s\n    {\"name\": ", lines++ ? "," : "");
    write_string(name);
    fprintf(file, ", \"run_name\": ");
    write_string(name);
    fprintf(file,
            ", \"run_type\": \"iteration\", \"repetitions\": 1, \"repetition_index\": 0, "
            "\"threads\": %d, \"iterations\": %lld, \"real_time\": %.3f, \"cpu_time\": %.3f, "
            "\"time_unit\": \"ns\", \"bytes_per_second\": %.6e, \"items_per_second\": %.6e, "
            "\"median\": %.3f",
            bench_wanted.threads, (long long)c->runs, c->minimum, c->processor,
            (double)row->moved / seconds, (double)row->elements / seconds, c->median);
    if (row->moved) write_ratio(row, c, "floor", 0);
    if (c->scalar) write_ratio(row, c, "scalar", c->scalar);
    for (int o = 0; o < BENCH_OTHERS; ++o) {
        if (c->against[o]) write_ratio(row, c, suite->others[o], c->against[o]);
    }
    fprintf(file, "}");
}

void report_row(const bench_suite *suite, const bench_row *row) {
    if (!file) return;
    for (int i = 0; i < row->n; ++i) {
        if (!row->contestants[i].hidden) write_line(suite, row, &row->contestants[i]);
    }
    fflush(file);
}

bool report_close(void) {
    if (!file) return true;
    fprintf(file, "\n  ]\n}\n");
    const bool failed = ferror(file) != 0;
    return fclose(file) == 0 && !failed;
}
