/*
 * The squared error that quantizing is expected to leave of a histogram's values, for many
 * candidates of scale and zero point at once. With t = x / s + c, c the zero point, the code is
 * n = round(t) within its range and the error s * (t - n). Plain C, in doubles; eight sums that are
 * added as a tree, so that order and bytes are the same on every level.
 */
LQ_INLINE double code_near(double t, double least, double most) {
    t = t > least ? t : least;
    t = t < most ? t : most;
    /* No fraction bits are left at this magnitude, so the sum rounds to even. */
    return (t + 0x1.8p52) - 0x1.8p52;
}

/* Values at one point. */
LQ_INLINE double error_at(double t, double least, double most) {
    const double r = t - code_near(t, least, most);
    return r * r;
}

/*
 * Values spread evenly from a to b: the mean of the squares of r is, with F(t) = n / 12 + r^3 / 3,
 * (F(b) - F(a)) / (b - a); within one code without the cancellation. One division, as that is what
 * takes longest.
 */
LQ_INLINE double error_between(double a, double b, double least, double most) {
    const double n = code_near(a, least, most);
    const double m = code_near(b, least, most);
    const double p = a - n;
    const double q = b - m;
    const double one = p * p + p * q + q * q;
    const double many = (m - n) * 0.25 + (q * q * q - p * p * p);
    return (n == m ? one : many) / (n == m ? 3 : 3 * (b - a));
}

LQ_INLINE double added_up(const double *sum) {
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

static void expected_errors(const lq_expectation *e) {
    const double least = e->code_min;
    const double most = e->code_max;
    for (int64_t k = 0; k < e->candidates; ++k) {
        const double inverse = 1 / e->scale[k];
        const double center = e->center[k];
        double sum[8] = {0};
        for (int64_t i = 0; i < e->points; i += 8) {
            for (int j = 0; j < 8; ++j) {
                const double t = e->point[i + j] * inverse + center;
                sum[j] += e->point_weight[i + j] * error_at(t, least, most);
            }
        }
        for (int64_t i = 0; i < e->spans; i += 8) {
            for (int j = 0; j < 8; ++j) {
                const double a = e->low[i + j] * inverse + center;
                const double b = e->high[i + j] * inverse + center;
                sum[j] += e->span_weight[i + j] * error_between(a, b, least, most);
            }
        }
        e->error[k] += added_up(sum) * (e->scale[k] * e->scale[k]);
    }
}
