/*
 * bench_quantize: quantization, dequantization, both in one (fake), and quantization with parameters
 * chosen in the same pass (dynamic). The rows of another system's rule have libquant's own, which
 * divides, in the same run: "/ libquant" is what they take against it.
 */
#include "harness.h"
#include <stdio.h>
#include <stdlib.h>

typedef enum { QUANTIZE, DEQUANTIZE, DYNAMIC, FAKE } operation;

static const char *const operation_names[] = {"quantize", "dequantize", "dynamic", "fake"};

/* Of a matrix of rows of 4096. */
enum {
    TENSOR = 1 << BENCH_TENSOR,
    ROWS = 1 << BENCH_ROWS,
    LANES = 1 << BENCH_LANES,
    BLOCKS_32 = 1 << BENCH_BLOCKS_32,
    BLOCKS_128 = 1 << BENCH_BLOCKS_128,
    ALL = TENSOR | ROWS | LANES | BLOCKS_32 | BLOCKS_128
};

enum { COLUMNS = 4096 };

/* A row for each of its granularities. */
typedef struct job_group {
    operation operation;
    lq_type real, codes;
    lq_mapping mapping;
    unsigned granularities;
    lq_profile profile; /* whose rule; 0: libquant's own */
} job_group;

static const job_group groups[] = {
    {QUANTIZE, LQ_F32, LQ_S8, LQ_SYMMETRIC, ALL, 0},
    {QUANTIZE, LQ_F32, LQ_S8, LQ_AFFINE, ALL, LQ_PROFILE_XNNPACK},
    {QUANTIZE, LQ_F32, LQ_S8, LQ_AFFINE, TENSOR, LQ_PROFILE_PYTORCH},
    {QUANTIZE, LQ_F32, LQ_U8, LQ_AFFINE, TENSOR | LANES, 0},
    {QUANTIZE, LQ_F32, LQ_U8, LQ_AFFINE, TENSOR, LQ_PROFILE_XNNPACK},
    {QUANTIZE, LQ_F32, LQ_S16, LQ_SYMMETRIC, TENSOR, 0},
    {QUANTIZE, LQ_F32, LQ_S4, LQ_SYMMETRIC, ALL, 0},
    {QUANTIZE, LQ_F32, LQ_U4, LQ_AFFINE, TENSOR | BLOCKS_32, 0},
    {QUANTIZE, LQ_F32, LQ_E4M3, LQ_SYMMETRIC, TENSOR | ROWS | BLOCKS_128, 0},
    {QUANTIZE, LQ_F16, LQ_S8, LQ_SYMMETRIC, TENSOR | LANES, 0},
    {QUANTIZE, LQ_BF16, LQ_S8, LQ_SYMMETRIC, TENSOR | LANES, 0},
    {QUANTIZE, LQ_BF16, LQ_S4, LQ_SYMMETRIC, BLOCKS_32, 0},
    {DEQUANTIZE, LQ_F32, LQ_S8, LQ_SYMMETRIC, ALL, 0},
    {DEQUANTIZE, LQ_F32, LQ_U8, LQ_AFFINE, TENSOR | LANES, 0},
    {DEQUANTIZE, LQ_F32, LQ_S16, LQ_SYMMETRIC, TENSOR, 0},
    {DEQUANTIZE, LQ_F32, LQ_S4, LQ_SYMMETRIC, ALL, 0},
    {DEQUANTIZE, LQ_F32, LQ_U4, LQ_AFFINE, TENSOR | BLOCKS_32, 0},
    {DEQUANTIZE, LQ_F32, LQ_E4M3, LQ_SYMMETRIC, TENSOR | ROWS | BLOCKS_128, 0},
    {DEQUANTIZE, LQ_F16, LQ_S8, LQ_SYMMETRIC, TENSOR | BLOCKS_32, 0},
    {DEQUANTIZE, LQ_BF16, LQ_S8, LQ_SYMMETRIC, TENSOR | BLOCKS_32, 0},
    {DYNAMIC, LQ_F32, LQ_S8, LQ_SYMMETRIC, ALL, 0},
    {DYNAMIC, LQ_F32, LQ_U8, LQ_AFFINE, TENSOR | ROWS, 0},
    {DYNAMIC, LQ_F32, LQ_S4, LQ_SYMMETRIC, BLOCKS_32 | BLOCKS_128, 0},
    {DYNAMIC, LQ_F32, LQ_U4, LQ_AFFINE, BLOCKS_32 | BLOCKS_128, 0},
    {DYNAMIC, LQ_F32, LQ_E4M3, LQ_SYMMETRIC, ROWS | BLOCKS_128, 0},
    {DYNAMIC, LQ_BF16, LQ_S8, LQ_SYMMETRIC, ROWS, 0},
    {FAKE, LQ_F32, LQ_S8, LQ_SYMMETRIC, ALL, 0},
    {FAKE, LQ_F32, LQ_S8, LQ_AFFINE, TENSOR, LQ_PROFILE_PYTORCH},
    {FAKE, LQ_F32, LQ_S8, LQ_AFFINE, TENSOR, LQ_PROFILE_XNNPACK},
    {FAKE, LQ_F32, LQ_S4, LQ_SYMMETRIC, BLOCKS_32, 0},
    {FAKE, LQ_BF16, LQ_S8, LQ_SYMMETRIC, TENSOR, 0},
};

enum { GROUPS = sizeof groups / sizeof *groups };

/* The group of a row, or NULL behind the last one; and which granularity it is. */
static const job_group *find(int row, bench_granularity *granularity) {
    for (int g = 0; g < GROUPS; ++g) {
        for (int i = 0; i < BENCH_GRANULARITIES; ++i) {
            if (!(groups[g].granularities & 1u << i) || row--) continue;
            *granularity = (bench_granularity)i;
            return &groups[g];
        }
    }
    return NULL;
}

static void name_row(int row, char *name, size_t size) {
    bench_granularity granularity;
    const job_group *g = find(row, &granularity);
    const char *real = lq_type_name(g->real), *codes = lq_type_name(g->codes);
    char types[32];
    if (g->operation == DEQUANTIZE) {
        snprintf(types, sizeof types, "%s-%s", codes, real);
    } else if (g->operation == FAKE) {
        snprintf(types, sizeof types, "%s-%s-%s", real, codes, real);
    } else {
        snprintf(types, sizeof types, "%s-%s", real, codes);
    }
    snprintf(name, size, "%s/%s/%s/%s", operation_names[g->operation], types,
             bench_granularity_names[granularity],
             lq_profile_name(g->profile ? g->profile : LQ_PROFILE_LIBQUANT));
}

/* --------------------------------------------------------------------- jobs */

typedef struct job {
    operation operation;
    lq_scheme scheme;
    lq_tensor x, codes, scale, zero, y;
} job;

static void run_job(void *context) {
    const job *j = context;
    const lq_tensor *zero = j->zero.data ? &j->zero : NULL;
    const lq_exec *exec = bench_exec();
    switch (j->operation) {
    case QUANTIZE:
        bench_check(lq_quantize(&j->x, &j->scheme, &j->scale, zero, &j->codes, exec));
        break;
    case DEQUANTIZE:
        bench_check(lq_dequantize(&j->codes, &j->scheme, &j->scale, zero, &j->y, exec));
        break;
    case DYNAMIC:
        bench_check(lq_quantize_dynamic(&j->x, &j->scheme, &j->codes, &j->scale, zero, exec));
        break;
    case FAKE:
        bench_check(lq_fake_quantize(&j->x, &j->scheme, &j->scale, zero, &j->y, exec));
        break;
    }
}

static job make_job(const job_group *g, bench_granularity granularity, int64_t elements) {
    const bool blocks = granularity >= BENCH_BLOCKS_32;
    const int64_t rows = elements / COLUMNS;
    job j = {.operation = g->operation};
    int64_t grid[LQ_MAX_RANK], count;
    j.scheme = lq_scheme_of(g->mapping, g->codes, bench_block_of(granularity));
    j.x = bench_matrix(g->real, rows, COLUMNS);
    j.codes = bench_matrix(g->codes, rows, COLUMNS);
    bench_check(lq_grid_shape(&j.x, &j.scheme, grid, &count));
    j.scale = bench_vector(blocks ? LQ_F16 : LQ_F32, count);
    if (g->mapping == LQ_AFFINE) {
        const bool is_signed = (g->codes & 0xf000) == (LQ_S8 & 0xf000);
        j.zero = bench_vector(is_signed ? LQ_S8 : LQ_U8, count);
    }
    bench_fill(&j.x);
    /* Parameters and codes for those who only read them. */
    bench_check(lq_quantize_dynamic(&j.x, &j.scheme, &j.codes, &j.scale,
                                    j.zero.data ? &j.zero : NULL, NULL));
    if (g->operation == DEQUANTIZE || g->operation == FAKE) {
        j.y = bench_matrix(g->real, rows, COLUMNS);
    }
    return j;
}

static int64_t moved_by(const job *j) {
    const int64_t parameters = j->scale.size + j->zero.size;
    switch (j->operation) {
    case FAKE: return j->x.size + j->y.size + parameters;
    case DEQUANTIZE: return j->codes.size + j->y.size + parameters;
    default: return j->x.size + j->codes.size + parameters;
    }
}

static void run(int row, const char *name, int64_t elements) {
    bench_granularity granularity;
    const job_group *g = find(row, &granularity);
    job own = make_job(g, granularity, elements), theirs = own;
    bench_row r = bench_begin_row(name, elements, moved_by(&own));
    const int first = bench_enter_levels(&r, run_job, &own);
    if (g->profile) {
        for (int i = first; i < r.n; ++i) r.contestants[i].hidden = true;
        theirs.scheme = lq_profile_scheme(g->profile, g->codes, own.scheme.block);
        const int place = bench_enter_levels(&r, run_job, &theirs);
        bench_compare(&r, place, 0, first, true);
    }
    bench_end_row(&r);
    free(own.x.data);
    free(own.codes.data);
    free(own.scale.data);
    free(own.zero.data);
    free(own.y.data);
}

int main(int argc, char **argv) {
    bench_suite suite = {
        .name = "bench_quantize",
        .purpose =
            "Real values to codes (quantize, dynamic: with parameters chosen in the same\n"
            "call), back (dequantize) and both (fake), of a matrix of rows of 4096. Scales\n"
            "of blocks are f16. Rules are profiles: \"libquant\" divides, and others have the\n"
            "ratio to that.",
        .others = {"libquant"},
        .unit = COLUMNS,
        .name_row = name_row,
        .run = run,
    };
    for (bench_granularity granularity; find(suite.rows, &granularity);) ++suite.rows;
    return bench_main(argc, argv, &suite);
}
