/* What ordered_sums.h says. */
#include "ordered_sums.h"

/* NumPy: pairwise within buffers, which are added in turn. */
enum { BLOCK = 128, WAYS = 8, BUFFER = 8192 };

#define REAL float
#define SUM(part) sum_##part##_of_floats
#include "loops/pairwise.h"
#undef REAL
#undef SUM
#define REAL double
#define SUM(part) sum_##part##_of_doubles
#include "loops/pairwise.h"

double lq_sum_as_numpy(const lq_terms *terms, int64_t n) {
    return sum_all_of_doubles(terms, n);
}

float lq_sum_floats_as_numpy(const lq_terms *terms, int64_t n) {
    return sum_all_of_floats(terms, n);
}

/*
 * PyTorch: rows of four vectors. Sixteen rows are added to the level below, sixteen of those to the next;
 * with at most 2^19 rows the groups have no more than sixteen members.
 */
enum { LANES = 8, VECTORS = 4, ROW = VECTORS * LANES, GROUP = 16, LEVELS = 4 };

static void carry(float level[LEVELS][ROW], int64_t rows) {
    for (int j = 1; j < LEVELS; ++j) {
        for (int k = 0; k < ROW; ++k) {
            level[j][k] += level[j - 1][k];
            level[j - 1][k] = 0;
        }
        rows /= GROUP;
        if (rows % GROUP != 0) break;
    }
}

/* The sum of each lane, the tail's vectors included. */
static void sum_lanes(const lq_terms *terms, int64_t n, int lanes, float *sum) {
    const int row = VECTORS * lanes;
    float level[LEVELS][ROW] = {{0}};
    double term[ROW];
    for (int64_t i = 1; i <= n / row; ++i) {
        terms->next(terms->context, row, term);
        for (int k = 0; k < row; ++k) level[0][k] += (float)term[k];
        if (i % GROUP == 0) carry(level, i);
    }
    for (int j = 1; j < LEVELS; ++j) {
        for (int k = 0; k < row; ++k) level[0][k] += level[j][k];
    }
    for (int64_t vector = n % row / lanes; vector > 0; --vector) {
        terms->next(terms->context, lanes, term);
        for (int k = 0; k < lanes; ++k) level[0][k] += (float)term[k];
    }
    for (int k = 0; k < lanes; ++k) {
        sum[k] = level[0][k];
        for (int v = 1; v < VECTORS; ++v) sum[k] += level[0][v * lanes + k];
    }
}

float lq_sum_as_pytorch(const lq_terms *terms, int64_t n) {
    const int lanes = n < LANES ? 1 : LANES;
    const int tail = (int)(n % lanes);
    float lane[LANES], sum = 0;
    double term[LANES];
    sum_lanes(terms, n, lanes, lane);
    terms->next(terms->context, tail, term);
    for (int k = 0; k < tail; ++k) sum += (float)term[k];
    for (int k = 0; k < lanes; ++k) sum += lane[k];
    return sum;
}
