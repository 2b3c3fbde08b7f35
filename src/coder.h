/* What lq_encode and lq_decode share: their arguments, and the walk over pieces of a matrix. */
#ifndef LQ_CODER_H
#define LQ_CODER_H

#include "layouts.h"
#include "tasks.h"

/* The elements of a piece at most, where a block has no more; and the blocks of so many. */
enum { LQ_CODER_PIECE = 4096, LQ_CODER_BLOCKS = LQ_CODER_PIECE / 16 };

/* A call with sound arguments. Rows that follow each other without gaps on both sides are one. */
typedef struct lq_coder {
    lq_call call; /* of operands only x, and the types of codes and parameters as they are stored */
    const lq_layout_row *layout;
    const lq_packed *packed;
    const lq_type_info *byte; /* the type of codes, one a byte */
    bool own_rule;            /* no scheme was given */
    int64_t rows, columns;
    int64_t block;           /* elements */
    int64_t x_row, x_column; /* elements from one to the next */
    unsigned char *bytes;    /* of the first row */
    int64_t bytes_row;       /* bytes from row to row */
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

/* A plan of one loop over blocks and one within them, for batches made by hand. */
void lq_plan_blocks(const lq_coder *coder, lq_plan *plan);

/*
 * `blocks` blocks from one of a row on; x where it stands, all else from element 0 of what a piece has
 * of it. The last block may have fewer elements; then it is alone.
 */
lq_batch lq_batch_of_blocks(const lq_coder *coder, const lq_plan *plan, int64_t row, int64_t first,
                            int64_t blocks);

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

/* Calls visit(context, row, first record, records) for all of a task's, some at a time. */
typedef void lq_records_fn(void *context, int64_t row, int64_t first, int64_t records);
int64_t lq_record_tasks(const lq_coder *coder);
void lq_each_records(const lq_coder *coder, int64_t task, int64_t tasks, lq_records_fn *visit,
                     void *context);

#endif
