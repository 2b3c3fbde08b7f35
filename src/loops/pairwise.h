/*
 * NumPy's sum of REAL, as functions SUM(block), SUM(pairwise) and SUM(all). Included for float and
 * for double: rounding sums of doubles to float would do, had gcc 12 not lost such roundings at -O3.
 */
static REAL SUM(block)(const double *term, int64_t n) {
    REAL way[WAYS], sum = 0;
    int64_t i = 0;
    if (n >= WAYS) {
        for (int k = 0; k < WAYS; ++k) way[k] = (REAL)term[k];
        for (i = WAYS; i + WAYS <= n; i += WAYS) {
            for (int k = 0; k < WAYS; ++k) way[k] += (REAL)term[i + k];
        }
        for (int half = 1; half < WAYS; half *= 2) {
            for (int k = 0; k < WAYS; k += 2 * half) way[k] += way[k + half];
        }
        sum = way[0];
    }
    for (; i < n; ++i) sum += (REAL)term[i];
    return sum;
}

static REAL SUM(pairwise)(const lq_terms *terms, int64_t n) {
    double term[BLOCK];
    if (n <= BLOCK) {
        terms->next(terms->context, n, term);
        return SUM(block)(term, n);
    }
    const int64_t half = n / 2 - n / 2 % WAYS;
    const REAL low = SUM(pairwise)(terms, half);
    return low + SUM(pairwise)(terms, n - half);
}

static REAL SUM(all)(const lq_terms *terms, int64_t n) {
    REAL sum = 0;
    for (; n > 0; n -= BUFFER) sum += SUM(pairwise)(terms, n < BUFFER ? n : BUFFER);
    return sum;
}
