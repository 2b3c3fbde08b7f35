/* bench_convert: conversions between real types and floats of few bits. */
#include "harness.h"
#include <stdio.h>
#include <stdlib.h>

static const struct {
    lq_type from, to;
} rows[] = {{LQ_F32, LQ_F16},  {LQ_F16, LQ_F32},  {LQ_F32, LQ_BF16}, {LQ_BF16, LQ_F32},
            {LQ_F16, LQ_BF16}, {LQ_BF16, LQ_F16}, {LQ_F64, LQ_F32},  {LQ_F64, LQ_F16},
            {LQ_F64, LQ_BF16}, {LQ_F32, LQ_F64},  {LQ_F32, LQ_E4M3}, {LQ_E4M3, LQ_F32},
            {LQ_F32, LQ_E5M2}, {LQ_E5M2, LQ_F32}, {LQ_F32, LQ_E3M2}, {LQ_E3M2, LQ_F32},
            {LQ_F32, LQ_E2M1}, {LQ_E2M1, LQ_F32}};

typedef struct job {
    lq_tensor x, y;
} job;

static void run_job(void *context) {
    const job *j = context;
    bench_check(lq_convert(&j->x, &j->y, LQ_OVERFLOW_INFINITE, bench_exec()));
}

static void name_row(int row, char *name, size_t size) {
    snprintf(name, size, "convert/%s-%s", lq_type_name(rows[row].from), lq_type_name(rows[row].to));
}

static void run(int row, const char *name, int64_t elements) {
    job j = {.x = bench_vector(rows[row].from, elements),
             .y = bench_vector(rows[row].to, elements)};
    bench_row r = bench_begin_row(name, elements, j.x.size + j.y.size);
    bench_fill(&j.x);
    bench_enter_levels(&r, run_job, &j);
    bench_end_row(&r);
    free(j.x.data);
    free(j.y.data);
}

int main(int argc, char **argv) {
    const bench_suite suite = {
        .name = "bench_convert",
        .purpose = "Conversions between real types and floats of few bits, each rounded once.",
        .unit = 64,
        .rows = sizeof rows / sizeof *rows,
        .name_row = name_row,
        .run = run,
    };
    return bench_main(argc, argv, &suite);
}
