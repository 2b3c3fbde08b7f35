/* The list of layouts, one row each, and what callers may ask of it. */
#include "layouts.h"
#include "layouts/codes.h"
#include "tensor.h"
#include <string.h>

static const lq_layout_row rows[] = {
    {.layout = LQ_LAYOUT_ROWS,
     .name = "rows",
     .code_bytes = lq_rows_bytes,
     .code_bit = lq_rows_bit,
     .zero_bytes = lq_rows_bytes,
     .zero_bit = lq_rows_bit},
};

enum { ROWS = sizeof rows / sizeof *rows };

const lq_layout_row *lq_layout_find(lq_layout layout) {
    for (int i = 0; i < ROWS; ++i) {
        if (rows[i].layout == layout) return &rows[i];
    }
    return NULL;
}

const char *lq_layout_name(lq_layout layout) {
    const lq_layout_row *row = lq_layout_find(layout);
    return row ? row->name : NULL;
}

lq_layout lq_layout_from_name(const char *name) {
    for (int i = 0; name && i < ROWS; ++i) {
        if (strcmp(rows[i].name, name) == 0) return rows[i].layout;
    }
    return 0;
}

lq_status lq_layout_describe(lq_layout layout, lq_layout_info *info, size_t struct_size) {
    const lq_layout_row *row = lq_layout_find(layout);
    if (!info) return LQ_ERROR_NULL;
    if (!row) return LQ_ERROR_ENUM;
    const lq_status status = lq_init_struct(info, struct_size, sizeof *info);
    if (status) return status;
    *info = (lq_layout_info){.struct_size = struct_size,
                             .records = row->record != 0,
                             .bits = row->bits,
                             .block = row->block,
                             .record = row->record,
                             .record_bytes = row->record_bytes,
                             .code_type = row->code_type,
                             .scale_type = row->scale_type,
                             .zero_type = row->zero_type,
                             .super_scale_type = row->super_scale_type,
                             .super_zero_type = row->super_zero_type,
                             .sum_type = row->sum_type,
                             .sum_block = row->sum_block};
    return LQ_OK;
}

lq_status lq_layout_scheme(lq_layout layout, lq_scheme *scheme, size_t struct_size) {
    const lq_layout_row *row = lq_layout_find(layout);
    if (!scheme) return LQ_ERROR_NULL;
    if (!row) return LQ_ERROR_ENUM;
    if (!row->record) return LQ_ERROR_LAYOUT;
    const lq_block block = lq_per_block(-1, row->block);
    const lq_status status =
        lq_scheme_profile(scheme, struct_size, row->profile, row->code_type, &block);
    if (!status && row->scheme_bits) {
        const bool is_signed = lq_type_find(row->code_type)->min < 0;
        scheme->qmin = is_signed ? -(1 << (row->scheme_bits - 1)) : 0;
        scheme->qmax = scheme->qmin + (1 << row->scheme_bits) - 1;
    }
    return status;
}
