#include "sums.h"

#include <math.h>

void sums_add(error_sums *sums, const lq_error *error) {
    const double count = (double)error->count;
    sums->nonfinite += error->nonfinite;
    sums->clipped += error->clipped;
    if (error->count == 0) return;
    sums->count += error->count;
    sums->ee += error->mse * count;
    sums->xx += error->mean_square_x * count;
    sums->yy += error->mean_square_y * count;
    if (error->max_abs_error > sums->largest) sums->largest = error->max_abs_error;
}

/* The sum of x * y follows from those of x^2, y^2 and (x - y)^2, where all are over the same pairs. */
void sums_error(const error_sums *sums, lq_error *error) {
    const double count = (double)sums->count;
    error->count = sums->count;
    error->nonfinite = sums->nonfinite;
    error->clipped = sums->clipped;
    error->max_abs_error = sums->largest;
    error->mse = sums->count > 0 ? sums->ee / count : NAN;
    error->mean_square_x = sums->count > 0 ? sums->xx / count : NAN;
    error->mean_square_y = sums->count > 0 ? sums->yy / count : NAN;
    error->sqnr_db = sums->xx > 0 && sums->ee > 0 ? 10.0 * log10(sums->xx / sums->ee)
                                                  : (sums->xx > 0 ? INFINITY : NAN);
    error->cosine = NAN;
    if (sums->xx > 0 && sums->yy > 0)
        error->cosine = (sums->xx + sums->yy - sums->ee) / 2.0 / (sqrt(sums->xx) * sqrt(sums->yy));
}
