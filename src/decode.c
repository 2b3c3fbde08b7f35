/* lq_decode: packed values to real ones. */
#include "coder.h"

typedef struct decoding {
    lq_coder coder;
    int64_t tasks;
} decoding;

/* What a task has to itself: a job on buffers that take the place of codes and parameters. */
typedef struct decoder {
    const lq_coder *coder;
    lq_call call;
    lq_tensor scale, zero;
    lq_plan plan;
    lq_record_buffers buffers;
    lq_record_parts parts;
    /* Of two levels, the products. */
    float scales[LQ_CODER_BLOCKS], minimums[LQ_CODER_BLOCKS];
    lq_job job;
} decoder;

static void start(decoder *d, const lq_coder *c) {
    const lq_layout_row *l = c->layout;
    const bool levels = l->super_scale_type != 0;
    d->coder = c;
    d->call = c->call;
    d->scale = levels ? lq_vector(d->scales, LQ_F32, LQ_CODER_BLOCKS)
                      : lq_vector(d->buffers.scale, l->scale_type, LQ_CODER_BLOCKS);
    d->call.tensor[LQ_SCALE] = &d->scale;
    d->call.type[LQ_SCALE] = lq_type_find(d->scale.type);
    if (l->zero_type) {
        d->zero = l->super_zero_type ? lq_vector(d->minimums, LQ_F32, LQ_CODER_BLOCKS)
                                     : lq_vector(d->buffers.zero, l->zero_type, LQ_CODER_BLOCKS);
        d->call.tensor[LQ_ZERO] = &d->zero;
        d->call.type[LQ_ZERO] = lq_type_find(d->zero.type);
    }
    d->call.type[LQ_CODES] = NULL; /* there is no tensor of codes */
    lq_plan_blocks(c, &d->plan);
    d->parts = lq_parts_of_buffers(l, &d->buffers);
    lq_start_job(&d->job, &d->call, LQ_TO_REALS);
    d->job.map.codes = d->buffers.codes;
    d->job.map.code = c->byte;
}

/* Parameters that are multiples of those of a super-block, as products. */
static void multiply_levels(decoder *d, int64_t records) {
    const lq_layout_row *l = d->coder->layout;
    const int64_t in_record = l->record / l->block;
    float super[LQ_CODER_BLOCKS];
    if (!l->super_scale_type) return;
    lq_load_reals(l->super_scale_type, d->buffers.super_scale, 0, 1, records, super);
    for (int64_t b = 0; b < records * in_record; ++b) {
        const int32_t scale = lq_load_integer(l->scale_type, d->buffers.scale, b);
        d->scales[b] = super[b / in_record] * (float)scale;
    }
    if (!l->super_zero_type) return;
    lq_load_reals(l->super_zero_type, d->buffers.super_zero, 0, 1, records, super);
    for (int64_t b = 0; b < records * in_record; ++b) {
        const int32_t zero = lq_load_integer(l->zero_type, d->buffers.zero, b);
        d->minimums[b] = -(super[b / in_record] * (float)zero);
    }
}

/* Zero where every one is finite. */
static uint32_t any_nonfinite(const float *v, int64_t n) {
    uint32_t any = 0;
    for (int64_t i = 0; i < n; ++i) any |= (lq_bits(v[i]) & 0x7fffffffu) + 0x00800000u;
    return any >> 31;
}

/* Blocks without a finite scale, or minimum. */
static void fill_nan(const decoder *d, const lq_batch *batch) {
    const lq_tensor *x = d->call.tensor[LQ_X];
    const lq_parameters *p = &d->job.parameters;
    const bool minimums = d->call.type[LQ_ZERO] && d->call.type[LQ_ZERO]->kind == LQ_KIND_REAL;
    if (!any_nonfinite(p->scale, batch->blocks) &&
        !(minimums && any_nonfinite(p->offset, batch->blocks))) {
        return;
    }
    for (int64_t b = 0; b < batch->blocks; ++b) {
        if (lq_is_finite(p->scale[b]) && (!minimums || lq_is_finite(p->offset[b]))) continue;
        const int64_t at = batch->at[LQ_X] + b * batch->step[LQ_X];
        for (int64_t i = 0; i < batch->count; ++i) {
            lq_store_real(x->type, x->data, at + i * d->coder->x_column, lq_from_bits(0x7fc00000u));
        }
    }
}

static void decode_records(void *context, int64_t row, int64_t first, int64_t records) {
    decoder *d = context;
    const lq_coder *c = d->coder;
    const int64_t in_record = c->layout->record / c->block;
    const unsigned char *from = c->bytes + row * c->bytes_row + first * c->layout->record_bytes;
    lq_batch batch = lq_batch_of_blocks(c, &d->plan, row, first * in_record, records * in_record);
    c->layout->unpack(from, records, &d->parts);
    multiply_levels(d, records);
    lq_load_for_reals(&d->call, &batch, &d->job.parameters);
    lq_map_blocks(&d->job, &batch);
    fill_nan(d, &batch);
}

static void decode_part(void *context, int64_t task) {
    const decoding *w = context;
    decoder d;
    start(&d, &w->coder);
    lq_each_records(&w->coder, task, w->tasks, decode_records, &d);
}

lq_status lq_decode(const lq_packed *packed, const lq_scheme *scheme, const lq_tensor *x,
                    const lq_exec *exec) {
    const lq_coder_arguments arguments = {.x = x,
                                          .scheme = scheme,
                                          .packed = packed,
                                          .exec = exec,
                                          .x_position = 3,
                                          .packed_position = 1,
                                          .encodes = false};
    decoding w;
    const lq_status status = lq_begin_coder(&arguments, &w.coder);
    if (status) return status;
    w.tasks = lq_record_tasks(&w.coder);
    return w.tasks ? lq_each_task(exec, w.tasks, decode_part, &w) : LQ_OK;
}
