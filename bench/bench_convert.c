/*
 * bench_convert: conversions between real types and floats of few bits through the public call, on every level of this
 * machine, as ns per element and as ratios to a loop that only moves the same bytes (the traffic
 * floor) and to the scalar level, all in one run.
 */
#include "harness.h"
#include "libquant.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    lq_type from, to;
} rows[] = {{LQ_F32, LQ_F16},  {LQ_F16, LQ_F32},  {LQ_F32, LQ_BF16}, {LQ_BF16, LQ_F32},
            {LQ_F16, LQ_BF16}, {LQ_F64, LQ_F32},  {LQ_F64, LQ_F16},  {LQ_F64, LQ_BF16},
            {LQ_F32, LQ_F64},  {LQ_F32, LQ_E4M3}, {LQ_E4M3, LQ_F32}, {LQ_F32, LQ_E3M2},
            {LQ_E3M2, LQ_F32}, {LQ_F32, LQ_E2M1}, {LQ_E2M1, LQ_F32}};

typedef struct job {
    lq_cpu level;
    lq_tensor x, y;
} job;

static void prepare_job(void *context) {
    const job *j = context;
    if (lq_cpu_use(j->level)) exit(1);
}

static void run_job(void *context) {
    const job *j = context;
    if (lq_convert(&j->x, &j->y, LQ_OVERFLOW_INFINITE, NULL)) exit(1);
}

/* Values about 1, of any type. */
static void fill(const lq_tensor *x, int64_t n) {
    double *wide = bench_allocate(n * 8);
    uint32_t state = 12345;
    const lq_tensor from = lq_vector(wide, LQ_F64, n);
    for (int64_t i = 0; i < n; ++i) {
        state = state * 1664525u + 1013904223u;
        wide[i] = (double)state * 0x1p-31 - 1.0;
    }
    if (lq_convert(&from, x, LQ_OVERFLOW_INFINITE, NULL)) exit(1);
    free(wide);
}

static void bench(lq_type from, lq_type to, int64_t elements, double seconds) {
    static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
    job base = {.x = lq_vector(NULL, from, elements), .y = lq_vector(NULL, to, elements)};
    const int64_t moved = base.x.size + base.y.size;
    traffic t = bench_traffic(moved);
    contestant c[6] = {{.name = "floor", .run = bench_move, .context = &t}};
    job jobs[4];
    int n = 1;
    base.x.data = bench_allocate(base.x.size);
    base.y.data = bench_allocate(base.y.size);
    fill(&base.x, elements);
    for (int i = 0; i < 4; ++i) {
        if (!lq_cpu_available(levels[i])) continue;
        jobs[i] = base;
        jobs[i].level = levels[i];
        c[n++] = (contestant){.name = lq_cpu_name(levels[i]),
                              .prepare = prepare_job,
                              .run = run_job,
                              .context = &jobs[i]};
    }
    bench_contest(c, n, seconds);
    for (int i = 1; i < n; ++i) {
        const double count = (double)elements;
        printf("%-5s -> %-5s %-7s %9lld %8.4f %8.4f %7.1f %8.2f %8.2f\n", lq_type_name(from),
               lq_type_name(to), c[i].name, (long long)elements, c[i].minimum / count,
               c[i].median / count, (double)moved / c[i].minimum, c[i].minimum / c[0].minimum,
               c[i].minimum / c[1].minimum);
    }
    fflush(stdout);
    free(t.from);
    free(t.to);
    free(base.x.data);
    free(base.y.data);
}

int main(int argc, char **argv) {
    static const int64_t sizes[] = {1 << 12, 1 << 16, 1 << 20, 1 << 24};
    const bench_options o = bench_parse(argc, argv, "bench_convert", "TEXT in the conversion", 1);
    printf("%-14s %-7s %9s %8s %8s %7s %8s %8s\n", "conversion", "level", "elements", "ns min",
           "median", "GB/s", "/ floor", "/ scalar");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r) {
        char name[16];
        snprintf(name, sizeof name, "%s -> %s", lq_type_name(rows[r].from),
                 lq_type_name(rows[r].to));
        if (!strstr(name, o.filter)) continue;
        for (int s = 0; s < (o.elements ? 1 : 4); ++s) {
            bench(rows[r].from, rows[r].to, o.elements ? o.elements : sizes[s], o.seconds);
        }
    }
    return 0;
}
