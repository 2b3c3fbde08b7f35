/* Blocks as a user would write them, one after the other in plain loops: what bench_blocks compares with. */
#ifndef USER_BLOCKS_H
#define USER_BLOCKS_H

#include "libquant.h"

typedef void user_encode_fn(const float *x, int64_t n, unsigned char *to);
typedef void user_decode_fn(const unsigned char *from, int64_t n, float *x);

user_encode_fn user_encode_q8_0, user_encode_q4_0, user_encode_q4_1, user_encode_mxfp4,
    user_encode_nvfp4;
user_decode_fn user_decode_q8_0, user_decode_q4_0, user_decode_q4_1, user_decode_mxfp4,
    user_decode_nvfp4;

#endif
