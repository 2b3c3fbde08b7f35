/* The list of layouts, one row each, and what callers may ask of it. */
#include "layouts.h"
#include "layouts/codes.h"
#include "layouts/records.h"
#include "tensor.h"
#include <string.h>

static const lq_layout_row rows[] = {
    {.layout = LQ_LAYOUT_ROWS,
     .name = "rows",
     .code_bytes = lq_rows_bytes,
     .code_bit = lq_rows_bit,
     .zero_bytes = lq_rows_bytes,
     .zero_bit = lq_rows_bit},
    {.layout = LQ_LAYOUT_GGML_Q4_0,
     .name = "ggml-q4_0",
     .bits = 4,
     .code_type = LQ_S8,
     .codes = {-8, 7},
     .block = 32,
     .record = 32,
     .record_bytes = 18,
     .scale_type = LQ_F16,
     .pack = lq_pack_q4_0,
     .unpack = lq_unpack_q4_0,
     .profile = LQ_PROFILE_GGML_Q4_0},
    {.layout = LQ_LAYOUT_GGML_Q4_1,
     .name = "ggml-q4_1",
     .bits = 4,
     .code_type = LQ_U8,
     .codes = {0, 15},
     .block = 32,
     .record = 32,
     .record_bytes = 20,
     .scale_type = LQ_F16,
     .zero_type = LQ_F16,
     .pack = lq_pack_q4_1,
     .unpack = lq_unpack_q4_1,
     .profile = LQ_PROFILE_GGML_Q4_1},
    {.layout = LQ_LAYOUT_GGML_Q5_0,
     .name = "ggml-q5_0",
     .bits = 5,
     .code_type = LQ_S8,
     .codes = {-16, 15},
     .block = 32,
     .record = 32,
     .record_bytes = 22,
     .scale_type = LQ_F16,
     .pack = lq_pack_q5_0,
     .unpack = lq_unpack_q5_0,
     .profile = LQ_PROFILE_GGML_Q5_0},
    {.layout = LQ_LAYOUT_GGML_Q5_1,
     .name = "ggml-q5_1",
     .bits = 5,
     .code_type = LQ_U8,
     .codes = {0, 31},
     .block = 32,
     .record = 32,
     .record_bytes = 24,
     .scale_type = LQ_F16,
     .zero_type = LQ_F16,
     .pack = lq_pack_q5_1,
     .unpack = lq_unpack_q5_1,
     .profile = LQ_PROFILE_GGML_Q5_1},
    {.layout = LQ_LAYOUT_GGML_Q8_0,
     .name = "ggml-q8_0",
     .bits = 8,
     .code_type = LQ_S8,
     .codes = {-128, 127},
     .block = 32,
     .record = 32,
     .record_bytes = 34,
     .scale_type = LQ_F16,
     .pack = lq_pack_q8_0,
     .unpack = lq_unpack_q8_0,
     .profile = LQ_PROFILE_GGML_Q8_0},
    {.layout = LQ_LAYOUT_GGML_Q8_1,
     .name = "ggml-q8_1",
     .bits = 8,
     .code_type = LQ_S8,
     .codes = {-128, 127},
     .block = 32,
     .record = 32,
     .record_bytes = 36,
     .scale_type = LQ_F16,
     .sum_type = LQ_F16,
     .sum_block = 32,
     .pack = lq_pack_q8_1,
     .unpack = lq_unpack_q8_1,
     .profile = LQ_PROFILE_GGML_Q8_0},
    {.layout = LQ_LAYOUT_GGML_IQ4_NL,
     .name = "ggml-iq4_nl",
     .bits = 4,
     .code_type = LQ_U8,
     .codes = {0, 15},
     .block = 32,
     .record = 32,
     .record_bytes = 18,
     .scale_type = LQ_F16,
     .pack = lq_pack_iq4_nl,
     .unpack = lq_unpack_iq4_nl,
     .profile = LQ_PROFILE_GGML_IQ4_NL,
     .scheme_type = LQ_U4},
    {.layout = LQ_LAYOUT_GGML_MXFP4,
     .name = "ggml-mxfp4",
     .bits = 4,
     .code_type = LQ_E2M1,
     .codes = {0, 15},
     .block = 32,
     .record = 32,
     .record_bytes = 17,
     .scale_type = LQ_E8M0,
     .pack = lq_pack_mxfp4,
     .unpack = lq_unpack_mxfp4,
     .profile = LQ_PROFILE_GGML_MXFP4},
    {.layout = LQ_LAYOUT_GGML_NVFP4,
     .name = "ggml-nvfp4",
     .bits = 4,
     .code_type = LQ_E2M1,
     .codes = {0, 15},
     .block = 16,
     .record = 64,
     .record_bytes = 36,
     .scale_type = LQ_E4M3,
     .pack = lq_pack_nvfp4,
     .unpack = lq_unpack_nvfp4,
     .profile = LQ_PROFILE_GGML_NVFP4},
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
    const lq_type type = row->scheme_type ? row->scheme_type : row->code_type;
    const lq_status status = lq_scheme_profile(scheme, struct_size, row->profile, type, &block);
    if (!status && type == row->code_type && lq_type_find(type)->kind == LQ_KIND_CODE) {
        scheme->qmin = row->codes.min;
        scheme->qmax = row->codes.max;
    }
    return status;
}
