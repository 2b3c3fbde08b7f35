/* The layouts of records, one by one; layouts.c lists them, src/formats.md draws them. */
#ifndef LQ_LAYOUTS_RECORDS_H
#define LQ_LAYOUTS_RECORDS_H

#include "layouts.h"

lq_pack_records_fn lq_pack_q4_0, lq_pack_q4_1, lq_pack_q5_0, lq_pack_q5_1, lq_pack_q8_0,
    lq_pack_q8_1, lq_pack_mxfp4, lq_pack_nvfp4, lq_pack_iq4_nl, lq_pack_q2_k, lq_pack_q3_k,
    lq_pack_q4_k, lq_pack_q5_k, lq_pack_q6_k, lq_pack_q8_k, lq_pack_iq4_xs, lq_pack_tq1_0,
    lq_pack_tq2_0;
lq_unpack_records_fn lq_unpack_q4_0, lq_unpack_q4_1, lq_unpack_q5_0, lq_unpack_q5_1, lq_unpack_q8_0,
    lq_unpack_q8_1, lq_unpack_mxfp4, lq_unpack_nvfp4, lq_unpack_iq4_nl, lq_unpack_q2_k,
    lq_unpack_q3_k, lq_unpack_q4_k, lq_unpack_q5_k, lq_unpack_q6_k, lq_unpack_q8_k,
    lq_unpack_iq4_xs, lq_unpack_tq1_0, lq_unpack_tq2_0;

/* Codes and scales as ggml reads them. */
extern const lq_code_table lq_ggml_e2m1;
lq_scale_values_fn lq_ggml_ue4m3;

lq_encode_records_fn lq_encode_q8_1, lq_encode_q2_k, lq_encode_q3_k, lq_encode_q4_k, lq_encode_q5_k,
    lq_encode_q6_k, lq_encode_q8_k, lq_encode_iq4_nl, lq_encode_iq4_xs;

#endif
