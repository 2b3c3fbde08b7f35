/*
 * What lq_encode and lq_decode share: their arguments, the walk over pieces of a matrix, and batches
 * of blocks made by hand.
 */
#ifndef LQ_CODER_H
#define LQ_CODER_H

#include "layouts/codes.h"
#include "packed.h"
#include "tasks.h"

/*
 * The elements of a piece of records at most, and the blocks of so many. Floats that are written
 * should not fill the first-level cache, nor the stack: half as many.
 */
enum {
    LQ_CODER_PIECE = 8192,
    LQ_CODER_BLOCKS = LQ_CODER_PIECE / 16,
    LQ_CODER_FLOATS = LQ_CODER_PIECE / 2
};

/* A call with sound arguments. */
typedef struct lq_coder {
    lq_call call;             /* of operands only x */
    lq_side side;             /* what is packed */
    const lq_type_info *byte; /* the type of codes, one a byte */
    bool own_rule;            /* no scheme was given */
    bool encodes;
    int64_t rows, columns;   /* of records, rows without gaps between them are one */
    int64_t in_row;          /* records */
    int64_t block;           /* elements */
    int64_t x_row, x_column; /* elements from one to the next */
    /* Layouts of codes: a field holds (code + bias) modulo its range, or a zero point and a bias. */
    int32_t code_bias, zero_bias;
    int64_t tasks;
    lq_counts counts[LQ_MAX_TASKS];
} lq_coder;

/* What a call is given, in which places. */
typedef struct lq_coder_arguments {
    const lq_tensor *x;
    const lq_scheme *scheme; /* NULL: the layout's own */
    const lq_packed *packed;
    const lq_exec *exec;
    int x_position, packed_position;
    bool encodes;
} lq_coder_arguments;

lq_status lq_begin_coder(const lq_coder_arguments *arguments, lq_coder *coder);

/* A plan of one loop over blocks and one within them. */
void lq_plan_blocks(const lq_coder *coder, lq_plan *plan);
/* Then codes are where the layout's records have them (codes_at). */
void lq_plan_codes_in_records(const lq_coder *coder, lq_plan *plan);

/*
 * `blocks` blocks from one of a row on; x where it stands, all else from element 0 of what a piece has
 * of it. The last block of a row may have fewer elements; then it is alone.
 */
void lq_batch_of_blocks(const lq_coder *coder, const lq_plan *plan, int64_t row, int64_t first,
                        int64_t blocks, lq_batch *batch);

/* The call with operands of a task's own; without a geometry, which nothing here has. */
void lq_copy_coder_call(const lq_coder *coder, lq_call *call);

/* The buffers of a piece of records. */
typedef struct lq_record_buffers {
    unsigned char codes[LQ_CODER_PIECE];
    unsigned char scale[LQ_CODER_BLOCKS * 4];
    unsigned char zero[LQ_CODER_BLOCKS * 4];
    unsigned char super_scale[LQ_CODER_BLOCKS * 4];
    unsigned char super_zero[LQ_CODER_BLOCKS * 4];
    unsigned char sum[LQ_CODER_BLOCKS * 4];
} lq_record_buffers;

lq_record_parts lq_parts_of_buffers(const lq_layout_row *layout, lq_record_buffers *buffers);

/* Calls visit(context, row, first record, records) for all of a task's, `most` elements at a time. */
typedef void lq_records_fn(void *context, int64_t row, int64_t first, int64_t records);
void lq_each_records(const lq_coder *coder, int64_t task, int64_t most, lq_records_fn *visit,
                     void *context);

/* All records of a matrix in tasks, which get the coder. */
lq_status lq_code_records(lq_coder *coder, lq_task *part);

/*
 * Layouts of codes, tile by tile. A run is of whole blocks of a row, or a part of one: `count`
 * elements of each of `blocks` blocks from block `first` on, which begin at column `column`.
 */
typedef struct lq_run {
    int64_t row, column, first, blocks, count;
} lq_run;

/* Calls visit(context, run) for what there is in `n` columns of a row. */
typedef void lq_run_fn(void *context, const lq_run *run);
void lq_each_run(const lq_coder *coder, int64_t row, int64_t column, int64_t n, lq_run_fn *visit,
                 void *context);

/* The shape of tiles, and how many bands of them there are. */
typedef struct lq_tiling {
    int64_t rows, columns, bands;
} lq_tiling;

lq_tiling lq_tile_codes(const lq_coder *coder);

/* Encode and decode layouts of codes. */
lq_status lq_encode_fields(lq_coder *coder);
lq_status lq_decode_fields(lq_coder *coder);

/* Fills blocks without a finite scale or minimum with NaN: `batch` as it was mapped. */
void lq_fill_nan(const lq_call *call, const lq_parameters *parameters, const lq_piece *piece);

#endif
