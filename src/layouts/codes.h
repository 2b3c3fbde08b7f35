/* The layouts of codes, one by one; layouts.c lists them. */
#ifndef LQ_LAYOUTS_CODES_H
#define LQ_LAYOUTS_CODES_H

#include "layouts.h"

/* The fields of a tile at most, whatever its shape. */
enum { LQ_TILE = 4096 };

extern const lq_fields lq_rows_fields, lq_high_first_fields, lq_halves_fields;
extern const lq_fields lq_matmulnbits_fields;
extern const lq_fields lq_gptq_fields, lq_gptq_zero_fields;
extern const lq_fields lq_awq_fields;
extern const lq_fields lq_compressed_fields, lq_compressed_zero_fields;

/* Rows of `row_bytes` each, LSB first, as several layouts have them. */
lq_pack_fields_fn lq_pack_rows;
lq_unpack_fields_fn lq_unpack_rows;

/*
 * A stream of fields of 1 to 8 bits, LSB first, the first one `bit` bits behind the first byte's
 * lowest. Writing keeps the bits around the fields.
 */
void lq_read_fields(const unsigned char *from, int64_t bit, int32_t bits, int64_t n,
                    unsigned char *to);
void lq_write_fields(const unsigned char *from, int64_t n, int32_t bits, unsigned char *to,
                     int64_t bit);

#endif
