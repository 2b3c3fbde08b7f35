/*
 * What records of ggml's mean, by their parts, one element at a time: the tests' own formulas.
 * src/formats.md has the same in words.
 */
#ifndef RECORD_VALUES_H
#define RECORD_VALUES_H

#include "libquant.h"

enum { RECORD_LAYOUTS = 18, RECORD_MOST = 4096 };
extern const lq_layout record_layouts[RECORD_LAYOUTS];

/* Room for the parts of so many elements. */
struct record_room {
    unsigned char codes[RECORD_MOST], scale[RECORD_MOST / 4], zero[RECORD_MOST / 4],
        super_scale[RECORD_MOST / 4], super_zero[RECORD_MOST / 4], sum[RECORD_MOST / 4];
};

/* Element `at` of a part: F32, F16, U8, S8, S16, E4M3 or E8M0, in the machine's order. */
float record_part(lq_type type, const unsigned char *part, int64_t at);

/* The value of element `at`, rounded to float32 after each operation. */
float record_value(const lq_layout_info *info, lq_layout layout, const struct record_room *room,
                   int64_t at);

/* What the scale and the minimum of a block come to. */
float record_scale(const lq_layout_info *info, const struct record_room *room, int64_t block);
float record_minimum(const lq_layout_info *info, const struct record_room *room, int64_t block);

/* The value of a code where the scale is 1 and the minimum 0. */
float record_code(const lq_layout_info *info, lq_layout layout, unsigned char code);

#endif
