/* The layouts of codes, one by one; layouts.c lists them. */
#ifndef LQ_LAYOUTS_CODES_H
#define LQ_LAYOUTS_CODES_H

#include "layouts.h"

lq_code_bytes_fn lq_rows_bytes;
lq_code_bit_fn lq_rows_bit;

#endif
