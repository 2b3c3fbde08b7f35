/* What methods make of a calibrator, and how near codes of such ranges would come. */
#ifndef RANGES_H
#define RANGES_H

#include "lquant.h"

typedef struct method_ranges {
    lq_method method;
    lq_status status; /* LQ_ERROR_METHOD, LQ_ERROR_EMPTY or LQ_OK; without this, nothing follows */
    int64_t channels;
    float *lo, *hi; /* of each channel */
    float *scale;
    int32_t *zero_point;
    float lowest, highest; /* of all channels */
    /* From the middles of the bins' parts: of all values, and the error against them. */
    double outside; /* the share of values beyond the ranges */
    double sqnr_db; /* infinite where there is no error, NaN where all values are 0 */
} method_ranges;

/* What all channels have seen. Numbers are -1 where the statistic does not count. */
lq_summary summary_of(const lq_calibrator *calibrator, int64_t channels);

/* All methods that a histogram serves; the count of them. */
int all_methods(lq_method methods[MOST_METHODS]);

/* The method with the parameters given on the command line. */
lq_calibration calibration_for(lq_method method, const lquant_options *o);

/* The scheme of the options for `o->code_type` codes, one scale each. */
lq_scheme scheme_for(const lquant_options *o);

/* Fills in *r, which ranges_free empties. */
void ranges_find(const lq_calibrator *calibrator, int64_t channels, lq_method method,
                 const lquant_options *o, method_ranges *r);
void ranges_free(method_ranges *r);

#endif
