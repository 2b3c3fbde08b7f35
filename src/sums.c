/* Sums of codes per block: lq_sum_codes, and the sums that a call which writes codes is asked for. */
#include "strided.h"
#include "tasks.h"
#include <string.h>

/* Codes that stand in whole bytes without gaps. */
static void sum_direct(lq_job *j, const lq_piece *p, int64_t row, int64_t rows, int64_t first,
                       int64_t count) {
    const lq_type_info *code = j->call->rule.code;
    const lq_kernels *k = j->call->kernels;
    const lq_spread spread = p->batch->plan->spread;
    const int64_t at = p->at[LQ_CODES] + row * p->row_step[LQ_CODES] + first;
    const lq_sum_work work = {
        .codes = j->map.codes + at * code->bits / 8,
        .count = count,
        .rows = rows,
        .codes_step = p->row_step[LQ_CODES] * code->bits / 8,
        .sign = lq_sign_bit(code),
        .sum = j->sum + lq_block_at(p, row, first),
        .sum_step = spread == LQ_SPREAD_ROWS,
    };
    (spread == LQ_SPREAD_LANES ? k->sum_lanes : k->sum_runs)[code->index](&work);
}

/* Elements of one row through a buffer; codes below 8 bits as bytes. */
static void sum_staged(lq_job *j, const lq_piece *p, int64_t row, int64_t first, int64_t count) {
    unsigned char buffer[LQ_PIECE * 2];
    const lq_type_info *code = j->call->rule.code;
    const int width = code->bits > 8 ? LQ_WIDTH_16 : LQ_WIDTH_8;
    const bool lanes = p->batch->plan->spread == LQ_SPREAD_LANES;
    const lq_kernels *k = j->call->kernels;
    const int64_t end = first + count;
    for (int64_t i = first; i < end; i += LQ_PIECE) {
        const int64_t n = end - i < LQ_PIECE ? end - i : LQ_PIECE;
        const int64_t at = p->at[LQ_CODES] + row * p->row_step[LQ_CODES] + i * p->step[LQ_CODES];
        const lq_sum_work work = {
            .codes = buffer,
            .count = n,
            .rows = 1,
            .sign = lq_sign_bit(code),
            .sum = j->sum + lq_block_at(p, row, i),
        };
        lq_gather_codes(buffer, j->map.codes, code, at, p->step[LQ_CODES], n);
        (lanes ? k->sum_lanes : k->sum_runs)[width](&work);
    }
}

/* A row of contiguous codes below 8 bits that begins or ends inside a byte. */
static void sum_unaligned(lq_job *j, const lq_piece *p, int64_t row) {
    const int64_t per_byte = 8 / j->call->rule.code->bits;
    const int64_t at = p->at[LQ_CODES] + row * p->row_step[LQ_CODES];
    const int64_t into = at % per_byte;
    int64_t head = into ? per_byte - into : 0;
    if (head > p->count) head = p->count;
    const int64_t body = (p->count - head) / per_byte * per_byte;
    sum_staged(j, p, row, 0, head);
    if (body) sum_direct(j, p, row, 1, head, body);
    sum_staged(j, p, row, head + body, p->count - head - body);
}

static void sum_piece(void *context, const lq_piece *p) {
    lq_job *j = context;
    const int64_t bits = j->call->rule.code->bits;
    const int64_t per_byte = bits < 8 ? 8 / bits : 1;
    const bool contiguous = p->count == 1 || p->step[LQ_CODES] == 1;
    const bool whole = p->at[LQ_CODES] % per_byte == 0 && p->count % per_byte == 0 &&
                       (p->rows == 1 || p->row_step[LQ_CODES] % per_byte == 0);
    if (contiguous && whole) {
        sum_direct(j, p, 0, p->rows, 0, p->count);
        return;
    }
    for (int64_t r = 0; r < p->rows; ++r) {
        if (contiguous) {
            sum_unaligned(j, p, r);
        } else {
            sum_staged(j, p, r, 0, p->count);
        }
    }
}

static void sum_blocks(void *context, lq_batch *batch) {
    lq_job *j = context;
    memset(j->sum, 0, (size_t)batch->blocks * sizeof *j->sum);
    lq_each_piece(batch, sum_piece, j);
}

static void store_sums(lq_job *j, const lq_batch *batch) {
    const lq_tensor *t = j->call->sums;
    for (int64_t b = 0; b < batch->blocks; ++b) {
        int64_t sum = j->sum[b];
        sum = sum < INT32_MIN ? INT32_MIN : sum;
        sum = sum > INT32_MAX ? INT32_MAX : sum;
        lq_store_integer(LQ_S32, t->data, batch->at[LQ_SCALE] + b * batch->step[LQ_SCALE],
                         (int32_t)sum);
    }
}

static void sum_batch(void *context, lq_batch *batch) {
    sum_blocks(context, batch);
    store_sums(context, batch);
}

static void store_batch(void *context, lq_batch *batch) {
    store_sums(context, batch);
}

/* A single block is summed by many tasks. */
static void keep_sum(void *context, int64_t task, const lq_job *j) {
    int64_t *sums = context;
    sums[task] = j->sum[0];
}

static lq_status sum_one_block(lq_job *j, const lq_cut *cut) {
    int64_t sums[LQ_MAX_TASKS];
    const lq_status status = lq_walk(j, cut, sum_blocks, keep_sum, sums);
    if (status) return status;
    j->sum[0] = 0;
    for (int64_t t = 0; t < cut->count; ++t) j->sum[0] += sums[t];
    lq_each_batch(cut->plan, store_batch, j);
    return LQ_OK;
}

lq_status lq_sum_all(lq_job *j) {
    lq_plan plan;
    if (!j->call->sums) return LQ_OK;
    j->maps = j->quantizes = j->stages = false; /* codes are there, and only read */
    lq_geometry geometry = j->call->geometry;
    geometry.leading = LQ_CODES;
    geometry.origin[LQ_X] = 0;
    memset(geometry.stride[LQ_X], 0, sizeof geometry.stride[LQ_X]);
    geometry.origin[LQ_SCALE] = j->call->sums->offset;
    memcpy(geometry.stride[LQ_SCALE], j->call->sums_stride, sizeof geometry.stride[LQ_SCALE]);
    for (int o = LQ_ZERO; o < LQ_OPERANDS; ++o) {
        geometry.origin[o] = 0;
        memset(geometry.stride[o], 0, sizeof geometry.stride[o]);
    }
    lq_make_plan(&geometry, LQ_ORDER_BLOCKS, &plan);
    lq_cut cut = lq_cut_for_reading(j->call, &plan);
    if (cut.count > 1 && lq_is_one_block(&plan)) return sum_one_block(j, &cut);
    cut = lq_cut_for_blocks(j->call, NULL, &plan);
    return lq_walk(j, &cut, sum_batch, NULL, NULL);
}

lq_status lq_sum_codes(const lq_tensor *codes, const lq_scheme *scheme, const lq_tensor *sums,
                       const lq_exec *exec) {
    static const lq_signature signature = {
        .position = {0, 1, 3, 0},
        .output = {false, false, true, false},
        .scale_is_s32 = true,
        .integer_codes = true,
        .scheme_position = 2,
        .exec_position = 4,
    };
    const lq_arguments arguments = {
        .signature = &signature,
        .tensor = {NULL, codes, sums, NULL},
        .scheme = scheme,
        .exec = exec,
    };
    lq_call call;
    lq_job j;
    const lq_status status = lq_check_arguments(&arguments, &call);
    if (status) return status;
    call.tensor[LQ_X] = codes;
    call.sums = sums;
    if (!call.geometry.run) {
        memcpy(call.sums_stride, call.geometry.stride[LQ_SCALE], sizeof call.sums_stride);
    }
    lq_start_plain_job(&j, &call);
    j.map.codes = codes->data;
    j.map.code = call.rule.code;
    return lq_sum_all(&j);
}
