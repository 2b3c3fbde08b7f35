/* lq_decode: packed values to real ones. */
#include "coder.h"

/* What a task has to itself: a job on buffers that take the place of codes and parameters. */
typedef struct decoder {
    const lq_coder *coder;
    lq_call call;
    lq_tensor scale, zero;
    lq_plan plan;
    lq_record_buffers buffers;
    lq_record_parts parts;
    int64_t codes_at; /* of codes that are read where they are in the records; else 0 */
    bool halves;      /* which are in halves */
    /* Of two levels, the products; or what scales stand for. */
    float scales[LQ_CODER_BLOCKS], minimums[LQ_CODER_BLOCKS];
    lq_job job;
} decoder;

static void start(decoder *d, const lq_coder *c) {
    const lq_layout_row *l = c->side.layout;
    const bool floats = l->super_scale_type || l->scale_values;
    d->coder = c;
    lq_copy_coder_call(c, &d->call);
    d->scale = floats ? lq_vector(d->scales, LQ_F32, LQ_CODER_BLOCKS)
                      : lq_vector(d->buffers.scale, l->scale_type, LQ_CODER_BLOCKS);
    d->call.tensor[LQ_SCALE] = &d->scale;
    d->call.type[LQ_SCALE] = lq_type_find(d->scale.type);
    if (l->zero_type) {
        d->zero = l->super_zero_type ? lq_vector(d->minimums, LQ_F32, LQ_CODER_BLOCKS)
                                     : lq_vector(d->buffers.zero, l->zero_type, LQ_CODER_BLOCKS);
        d->call.tensor[LQ_ZERO] = &d->zero;
        d->call.type[LQ_ZERO] = lq_type_find(d->zero.type);
    }
    lq_plan_blocks(c, &d->plan);
    d->parts = lq_parts_of_buffers(l, &d->buffers);
    lq_start_job(&d->job, &d->call, LQ_TO_REALS);
    d->job.map.codes = d->buffers.codes;
    d->job.map.code = c->byte;
    d->halves = l->halves_at && c->x_column == 1;
    d->codes_at = d->halves ? l->halves_at : l->codes_at;
    if (d->codes_at) {
        d->parts.codes = NULL;
        lq_plan_codes_in_records(c, &d->plan);
    }
    if (!l->values) return;
    d->job.map.work.format = NULL;
    d->job.map.work.table = l->values;
}

/* Scales that mean something else than their type does. */
static void read_scales(decoder *d, int64_t records) {
    const lq_layout_row *l = d->coder->side.layout;
    if (!l->scale_values) return;
    l->scale_values(d->buffers.scale, records * (l->record / l->block), d->scales);
}

static void multiply(const float *super, lq_type type, const unsigned char *parameters,
                     int64_t records, int64_t in_record, float *to) {
    int32_t integer[LQ_CODER_BLOCKS];
    lq_load_integers(type, parameters, 0, 1, records * in_record, integer);
    for (int64_t r = 0; r < records; ++r) {
        for (int64_t b = r * in_record; b < (r + 1) * in_record; ++b) {
            to[b] = super[r] * (float)integer[b];
        }
    }
}

/* Parameters that are multiples of those of a super-block, as products. */
static void multiply_levels(decoder *d, int64_t records) {
    const lq_layout_row *l = d->coder->side.layout;
    const int64_t in_record = l->record / l->block;
    float super[LQ_CODER_BLOCKS];
    if (!l->super_scale_type) return;
    lq_load_reals(l->super_scale_type, d->buffers.super_scale, 0, 1, records, super);
    multiply(super, l->scale_type, d->buffers.scale, records, in_record, d->scales);
    if (!l->super_zero_type) return;
    lq_load_reals(l->super_zero_type, d->buffers.super_zero, 0, 1, records, super);
    multiply(super, l->zero_type, d->buffers.zero, records, in_record, d->minimums);
    for (int64_t b = 0; b < records * in_record; ++b) d->minimums[b] = -d->minimums[b];
}

/* Elements of x follow each other, and codes are bytes to the map: no piece needs a buffer. */
static void decode_halves(const decoder *d, const lq_piece *piece) {
    const lq_layout_row *l = d->coder->side.layout;
    const int real = d->call.type[LQ_X]->index;
    lq_map_work work;
    lq_direct_work(&d->job.map, piece, &work);
    work.middle = -l->codes.min;
    work.fifths = l->bits == 5;
    d->call.kernels->dequantize_halves[real](&work);
}

static void decode_piece(void *context, const lq_piece *piece) {
    const decoder *d = context;
    if (d->halves)
        decode_halves(d, piece);
    else
        lq_map_piece(&d->job.map, piece);
    lq_fill_nan(&d->call, &d->job.parameters, piece);
}

static void decode_part_of_row(void *context, int64_t row, int64_t first, int64_t records) {
    decoder *d = context;
    const lq_coder *c = d->coder;
    const lq_layout_row *l = c->side.layout;
    const int64_t in_record = l->record / c->block;
    unsigned char *from = c->side.bytes + row * c->side.row_step + first * l->record_bytes;
    lq_batch batch;
    lq_batch_of_blocks(c, &d->plan, row, first * in_record, records * in_record, &batch);
    l->unpack(from, records, &d->parts);
    if (d->codes_at) d->job.map.codes = from + d->codes_at;
    read_scales(d, records);
    multiply_levels(d, records);
    lq_load_for_reals(&d->call, &batch, &d->job.parameters);
    lq_each_piece(&batch, decode_piece, d);
}

static void decode_part(void *context, int64_t task) {
    const lq_coder *c = context;
    decoder d;
    start(&d, c);
    /*
     * Codes that stay in the records fill no buffer. From memory short parts are faster (.89 of the
     * time), as what reads the scales does not wait for all that is written; in a cache long ones.
     */
    const int64_t near = d.codes_at ? LQ_CODER_BLOCKS * c->block : LQ_CODER_FLOATS;
    lq_each_records(c, task, lq_is_far(&d.call) ? LQ_CODER_FLOATS / 2 : near, decode_part_of_row,
                    &d);
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
    lq_coder coder;
    const lq_status status = lq_begin_coder(&arguments, &coder);
    if (status) return status;
    return coder.side.layout->record ? lq_code_records(&coder, decode_part)
                                     : lq_decode_fields(&coder);
}
