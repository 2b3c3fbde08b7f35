/* lq_encode: real values to packed ones. */
#include "coder.h"

/* What a task has to itself: a job on buffers that take the place of codes and parameters. */
typedef struct encoder {
    const lq_coder *coder;
    lq_call call;
    lq_tensor scale, zero;
    lq_plan plan;
    lq_record_buffers buffers;
    lq_record_parts parts;
    lq_job job;
} encoder;

static void start(encoder *e, const lq_coder *c) {
    const lq_layout_row *l = c->side.layout;
    e->coder = c;
    lq_copy_coder_call(c, &e->call);
    e->call.type[LQ_SCALE] = lq_type_find(l->scale_type);
    e->call.type[LQ_ZERO] = lq_type_find(l->zero_type);
    e->scale = lq_vector(e->buffers.scale, l->scale_type, LQ_CODER_BLOCKS);
    e->call.tensor[LQ_SCALE] = &e->scale;
    if (l->zero_type) {
        e->zero = lq_vector(e->buffers.zero, l->zero_type, LQ_CODER_BLOCKS);
        e->call.tensor[LQ_ZERO] = &e->zero;
    }
    lq_plan_blocks(c, &e->plan);
    e->parts = lq_parts_of_buffers(l, &e->buffers);
}

static unsigned char *record_at(const lq_coder *c, int64_t row, int64_t record) {
    return c->side.bytes + row * c->side.row_step + record * c->side.layout->record_bytes;
}

/* By a scheme: as lq_quantize_dynamic does it, into the buffers. */
static void encode_by_scheme(void *context, int64_t row, int64_t first, int64_t records) {
    encoder *e = context;
    const lq_coder *c = e->coder;
    const int64_t in_record = c->side.layout->record / c->block;
    lq_batch batch;
    lq_batch_of_blocks(c, &e->plan, row, first * in_record, records * in_record, &batch);
    if (c->side.layout->codes_at) {
        e->job.map.codes = record_at(c, row, first) + c->side.layout->codes_at;
        e->scale.data = record_at(c, row, first);
    }
    lq_calibrate_blocks(&e->job, &batch);
    c->side.layout->pack(&e->parts, records, record_at(c, row, first));
}

static void start_by_scheme(encoder *e) {
    e->parts.sum = NULL; /* that of the codes */
    lq_start_job(&e->job, &e->call, LQ_TO_CODES);
    e->job.map.codes = e->buffers.codes;
    e->job.map.code = e->coder->byte;
    e->job.quantizes = true;
    e->job.map.fetches = lq_is_far(&e->call);
    if (!e->coder->side.layout->codes_at) return;
    /* Straight into records, which begin with their scale. */
    e->parts.codes = e->parts.scale = NULL;
    lq_plan_codes_in_records(e->coder, &e->plan);
    e->plan.loop[0].step[LQ_SCALE] =
        e->coder->side.layout->record_bytes / (e->call.type[LQ_SCALE]->bits / 8);
}

/* Floats that an encoder may read in their place, or NULL: looking costs less than a copy. */
static const float *floats_as_they_are(const encoder *e, const lq_batch *batch) {
    const lq_call *call = &e->call;
    const unsigned char *at = (const unsigned char *)call->tensor[LQ_X]->data;
    const int64_t n = batch->blocks * batch->count;
    uint32_t any = 0;
    if (call->type[LQ_X]->type != LQ_F32 || e->coder->x_column != 1) return NULL;
    at += batch->at[LQ_X] * (int64_t)sizeof(float);
    if (e->job.map.counts || (uintptr_t)at % _Alignof(float)) return NULL;
    const float *x = (const float *)(const void *)at;
    for (int64_t i = 0; i < n; ++i) any |= (lq_bits(x[i]) & 0x7fffffffu) + 0x00800000u;
    return any >> 31 ? NULL : x;
}

/* By the layout's own rule, from floats, the largest of which stand for infinities. */
static void encode_by_layout(void *context, int64_t row, int64_t first, int64_t records) {
    encoder *e = context;
    const lq_coder *c = e->coder;
    const int64_t in_record = c->side.layout->record / c->block;
    float room[LQ_CODER_FLOATS];
    lq_batch batch;
    lq_batch_of_blocks(c, &e->plan, row, first * in_record, records * in_record, &batch);
    const float *x = floats_as_they_are(e, &batch);
    if (!x) {
        x = room;
        e->job.map.codes = (unsigned char *)room;
        lq_map_blocks(&e->job, &batch);
    }
    c->side.layout->encode(e->call.kernels, x, records, &e->parts);
    c->side.layout->pack(&e->parts, records, record_at(c, row, first));
}

static void start_by_layout(encoder *e) {
    const lq_call *call = &e->call;
    const int real = call->type[LQ_X]->index;
    lq_start_plain_job(&e->job, call);
    e->job.map.runs = call->kernels->convert[real];
    e->job.map.to_codes = true;
    e->job.map.x = call->tensor[LQ_X]->data;
    e->job.map.x_size = call->type[LQ_X]->bits / 8;
    e->job.map.code = lq_type_find(LQ_F32);
    e->job.map.work.limit = FLT_MAX;
    e->job.map.counts = call->report ? &e->job.counts : NULL;
    e->job.map.count_runs = call->kernels->count_runs[real];
}

static void encode_part(void *context, int64_t task) {
    lq_coder *c = context;
    const bool by_layout = c->side.layout->encode && c->own_rule;
    encoder e;
    start(&e, c);
    if (by_layout) {
        start_by_layout(&e);
        lq_each_records(c, task, LQ_CODER_FLOATS, encode_by_layout, &e);
    } else {
        start_by_scheme(&e);
        /* What goes straight into records fills no buffer of codes. */
        const int64_t most = e.parts.codes ? LQ_CODER_PIECE : LQ_BATCH * c->side.layout->record;
        lq_each_records(c, task, most, encode_by_scheme, &e);
    }
    c->counts[task] = e.job.counts;
}

static void tell(const lq_coder *c) {
    lq_report *report = c->call.report;
    for (int64_t task = 0; report && task < c->tasks; ++task) {
        report->nan += c->counts[task].nan;
        report->infinite += c->counts[task].infinite;
        report->clipped += c->counts[task].clipped;
    }
}

lq_status lq_encode(const lq_tensor *x, const lq_scheme *scheme, const lq_packed *packed,
                    const lq_exec *exec) {
    const lq_coder_arguments arguments = {.x = x,
                                          .scheme = scheme,
                                          .packed = packed,
                                          .exec = exec,
                                          .x_position = 1,
                                          .packed_position = 3,
                                          .encodes = true};
    lq_coder coder;
    lq_status status = lq_begin_coder(&arguments, &coder);
    if (status) return status;
    status =
        coder.side.layout->record ? lq_code_records(&coder, encode_part) : lq_encode_fields(&coder);
    if (!status) tell(&coder);
    return status;
}
