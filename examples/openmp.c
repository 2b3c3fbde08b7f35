/*
 * lq_exec's parallel_for with OpenMP: quantizes a large matrix on one thread and on all of them,
 * and shows that the bytes are the same.
 */
#include <libquant.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All that an engine has to write to lend its threads. */
static int32_t with_openmp(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)pool;
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < tasks; ++i) task(argument, i);
    return 0;
}

enum { ROWS = 4096, COLUMNS = 4096 };

static double quantize(const float *weights, uint8_t *codes, uint16_t *scales, lq_exec *exec) {
    const lq_scheme scheme = lq_symmetric(LQ_S4, lq_per_block(-1, 32));
    const lq_tensor x = lq_matrix(weights, LQ_F32, ROWS, COLUMNS);
    const lq_tensor q = lq_matrix(codes, LQ_S4, ROWS, COLUMNS);
    const lq_tensor s = lq_matrix(scales, LQ_F16, ROWS, COLUMNS / 32);
    const double begin = omp_get_wtime();
    const lq_status status = lq_quantize_dynamic(&x, &scheme, &q, &s, NULL, exec);
    if (status) {
        fprintf(stderr, "openmp: %s\n", lq_status_string(status));
        exit(1);
    }
    return omp_get_wtime() - begin;
}

int main(void) {
    const size_t n = (size_t)ROWS * COLUMNS;
    float *weights = malloc(n * sizeof *weights);
    uint8_t *codes[2] = {calloc(n / 2, 1), calloc(n / 2, 1)};
    uint16_t *scales[2] = {calloc(n / 32, 2), calloc(n / 32, 2)};
    lq_exec exec;
    if (!weights || !codes[0] || !codes[1] || !scales[0] || !scales[1]) {
        fprintf(stderr, "openmp: no memory\n");
        return 1;
    }
    for (size_t i = 0; i < n; ++i) weights[i] = (float)(i * 2654435761u % 4001) / 2000.0f - 1.0f;
    lq_exec_init(&exec, sizeof exec);
    exec.parallel_for = with_openmp;
    double best[2] = {1e9, 1e9};
    for (int round = 0; round < 5; ++round) {
        const double serial = quantize(weights, codes[0], scales[0], NULL);
        const double parallel = quantize(weights, codes[1], scales[1], &exec);
        best[0] = serial < best[0] ? serial : best[0];
        best[1] = parallel < best[1] ? parallel : best[1];
    }
    const int same =
        memcmp(codes[0], codes[1], n / 2) == 0 && memcmp(scales[0], scales[1], n / 32 * 2) == 0;
    printf("one thread %.2f ms, %d threads %.2f ms (%.2f times as fast), the bytes are %s\n",
           best[0] * 1e3, omp_get_max_threads(), best[1] * 1e3, best[0] / best[1],
           same ? "the same" : "DIFFERENT");
    free(weights);
    for (int m = 0; m < 2; ++m) free(codes[m]), free(scales[m]);
    return same ? 0 : 1;
}
