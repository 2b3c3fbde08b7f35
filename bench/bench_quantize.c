/*
 * bench_quantize: quantization and dequantization through the public calls, on every level of this
 * machine, as ns per element and as ratios to a loop that only moves the same bytes (the traffic
 * floor) and to the scalar level, all in one run. The rows of another system's rule have
 * libquant's own, which divides, in the same run: "own /" is what that takes, as a multiple.
 */
#include "harness.h"
#include "libquant.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { QUANTIZE, DEQUANTIZE, DYNAMIC, FAKE } operation;

typedef struct bench_row {
    const char *name;
    operation operation;
    lq_type code_type;
    lq_mapping mapping;
    int32_t block; /* along the row of 4096; 0 for per tensor, -1 for per row */
    lq_type scale_type;
    lq_profile profile; /* whose rule; 0: libquant's own alone */
} bench_row;

static const bench_row rows[] = {
    {"f32 -> s8 per tensor", QUANTIZE, LQ_S8, LQ_SYMMETRIC, 0, LQ_F32, 0},
    {"f32 -> u8 affine per tensor", QUANTIZE, LQ_U8, LQ_AFFINE, 0, LQ_F32, 0},
    {"f32 -> s8 per row", QUANTIZE, LQ_S8, LQ_SYMMETRIC, -1, LQ_F32, 0},
    {"f32 -> s8 per row, dynamic", DYNAMIC, LQ_S8, LQ_SYMMETRIC, -1, LQ_F32, 0},
    {"f32 -> s8 blocks of 32, dynamic", DYNAMIC, LQ_S8, LQ_SYMMETRIC, 32, LQ_F16, 0},
    {"f32 -> s4 per tensor", QUANTIZE, LQ_S4, LQ_SYMMETRIC, 0, LQ_F32, 0},
    {"f32 -> s4 blocks of 32", QUANTIZE, LQ_S4, LQ_SYMMETRIC, 32, LQ_F16, 0},
    {"f32 -> s4 blocks of 32, dynamic", DYNAMIC, LQ_S4, LQ_SYMMETRIC, 32, LQ_F16, 0},
    {"s8 -> f32 per tensor", DEQUANTIZE, LQ_S8, LQ_SYMMETRIC, 0, LQ_F32, 0},
    {"s4 -> f32 blocks of 32", DEQUANTIZE, LQ_S4, LQ_SYMMETRIC, 32, LQ_F16, 0},
    {"f32 -> s8 per tensor, pytorch", QUANTIZE, LQ_S8, LQ_AFFINE, 0, LQ_F32, LQ_PROFILE_PYTORCH},
    {"f32 -> s8 per tensor, xnnpack", QUANTIZE, LQ_S8, LQ_AFFINE, 0, LQ_F32, LQ_PROFILE_XNNPACK},
    {"f32 -> s8 -> f32, pytorch", FAKE, LQ_S8, LQ_AFFINE, 0, LQ_F32, LQ_PROFILE_PYTORCH},
    {"f32 -> s8 -> f32, xnnpack", FAKE, LQ_S8, LQ_AFFINE, 0, LQ_F32, LQ_PROFILE_XNNPACK},
};

enum { COLUMNS = 4096 };

typedef struct job {
    const bench_row *row;
    lq_cpu level;
    lq_tensor x, codes, scale, zero;
    lq_scheme scheme;
} job;

static void prepare_job(void *context) {
    const job *j = context;
    if (lq_cpu_use(j->level)) exit(1);
}

static void run_job(void *context) {
    const job *j = context;
    lq_status status = LQ_OK;
    switch (j->row->operation) {
    case QUANTIZE:
        status = lq_quantize(&j->x, &j->scheme, &j->scale, &j->zero, &j->codes, NULL);
        break;
    case DEQUANTIZE:
        status = lq_dequantize(&j->codes, &j->scheme, &j->scale, &j->zero, &j->x, NULL);
        break;
    case DYNAMIC:
        status = lq_quantize_dynamic(&j->x, &j->scheme, &j->codes, &j->scale, &j->zero, NULL);
        break;
    case FAKE:
        status = lq_fake_quantize(&j->x, &j->scheme, &j->scale, &j->zero, &j->codes, NULL);
        break;
    }
    if (status) {
        fprintf(stderr, "bench_quantize: %s: %s\n", j->row->name, lq_status_string(status));
        exit(1);
    }
}

static int64_t bits_of(const lq_tensor *t) {
    return t->size * 8;
}

static lq_block block_of(const bench_row *row) {
    if (row->block == 0) return lq_per_tensor();
    return row->block < 0 ? lq_per_channel(0) : lq_per_block(-1, row->block);
}

static void fill(float *x, int64_t n) {
    uint32_t state = 12345;
    for (int64_t i = 0; i < n; ++i) {
        float sum = 0;
        for (int k = 0; k < 4; ++k) {
            state = state * 1664525u + 1013904223u;
            sum += (float)(state >> 8) * 0x1p-24f - 0.5f;
        }
        x[i] = sum;
    }
}

static job make_job(const bench_row *row, float *x, int64_t elements) {
    job j = {.row = row, .scheme = lq_scheme_of(row->mapping, row->code_type, block_of(row))};
    int64_t grid[LQ_MAX_RANK];
    int64_t blocks;
    j.x = lq_matrix(x, LQ_F32, elements / COLUMNS, COLUMNS);
    lq_status status = lq_grid_shape(&j.x, &j.scheme, grid, &blocks);
    if (status) exit(1);
    j.codes = lq_matrix(NULL, row->code_type, elements / COLUMNS, COLUMNS);
    if (row->operation == FAKE) j.codes.size = 4 * elements;
    j.codes.data = bench_allocate(j.codes.size);
    j.scale = lq_vector(NULL, row->scale_type, blocks);
    j.scale.data = bench_allocate(j.scale.size);
    j.zero = lq_vector(NULL, row->code_type & 0x1000 ? LQ_S8 : LQ_U8, blocks);
    j.zero.data = bench_allocate(j.zero.size);
    status = lq_quantize_dynamic(&j.x, &j.scheme, &j.codes, &j.scale, &j.zero, NULL);
    if (status) exit(1);
    if (row->operation == FAKE) j.codes = lq_matrix(j.codes.data, LQ_F32, j.x.shape[0], COLUMNS);
    return j;
}

enum { LEVELS = 4, CONTESTANTS = 1 + 2 * LEVELS };

static const lq_cpu levels[LEVELS] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

/* A job for each level of this machine. */
static int enter(const job *base, const lq_scheme *scheme, job *jobs, contestant *c) {
    int n = 0;
    for (int i = 0; i < LEVELS; ++i) {
        if (!lq_cpu_available(levels[i])) continue;
        jobs[n] = *base;
        jobs[n].level = levels[i];
        jobs[n].scheme = *scheme;
        c[n] = (contestant){.name = lq_cpu_name(levels[i]),
                            .prepare = prepare_job,
                            .run = run_job,
                            .context = &jobs[n]};
        ++n;
    }
    return n;
}

/* `own` is the same level by libquant's own rule; NULL where that did not run. */
static void print_line(const char *name, const contestant *c, const contestant *first,
                       const contestant *scalar, const contestant *own, int64_t elements,
                       int64_t moved) {
    const double count = (double)elements;
    printf("%-32s %-7s %9lld %8.4f %8.4f %7.1f %8.2f %8.2f", name, c->name, (long long)elements,
           c->minimum / count, c->median / count, (double)moved / c->minimum,
           c->minimum / first->minimum, c->minimum / scalar->minimum);
    if (own) printf(" %8.2f", own->minimum / c->minimum);
    printf("\n");
}

static void bench(const bench_row *row, float *x, int64_t elements, double seconds) {
    const job base = make_job(row, x, elements);
    const int64_t moved = (bits_of(&base.x) + bits_of(&base.codes) + bits_of(&base.scale)) / 8;
    traffic t = bench_traffic(moved);
    contestant c[CONTESTANTS] = {{.name = "floor", .run = bench_move, .context = &t}};
    job jobs[2][LEVELS];
    const int own = enter(&base, &base.scheme, jobs[0], c + 1);
    int theirs = 0;
    if (row->profile) {
        const lq_scheme scheme = lq_profile_scheme(row->profile, row->code_type, base.scheme.block);
        theirs = enter(&base, &scheme, jobs[1], c + 1 + own);
    }
    bench_contest(c, 1 + own + theirs, seconds);
    for (int i = 1; i <= own && !theirs; ++i) {
        print_line(row->name, &c[i], c, &c[1], NULL, elements, moved);
    }
    for (int i = 1; i <= theirs; ++i) {
        print_line("  (own rule)", &c[i], c, &c[1], NULL, elements, moved);
        print_line(row->name, &c[own + i], c, &c[own + 1], &c[i], elements, moved);
    }
    fflush(stdout);
    free(t.from);
    free(t.to);
    free(base.codes.data);
    free(base.scale.data);
    free(base.zero.data);
}

int main(int argc, char **argv) {
    static const int64_t sizes[] = {1 << 12, 1 << 16, 1 << 20, 1 << 24};
    const bench_options o =
        bench_parse(argc, argv, "bench_quantize", "TEXT in the operation", COLUMNS);
    const int64_t most = o.elements ? o.elements : sizes[3];
    float *x = bench_allocate(most * 4);
    fill(x, most);
    printf("%-32s %-7s %9s %8s %8s %7s %8s %8s %8s\n", "operation", "level", "elements", "ns min",
           "median", "GB/s", "/ floor", "/ scalar", "own /");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r) {
        if (!strstr(rows[r].name, o.filter)) continue;
        for (int s = 0; s < 4; ++s) {
            if (o.elements && s > 0) break;
            bench(&rows[r], x, o.elements ? o.elements : sizes[s], o.seconds);
        }
    }
    free(x);
    return 0;
}
