/*
 * lq_encode and lq_decode for layouts of codes: tiles of codes, one a byte, on the stack, each row of
 * a tile in runs of whole blocks or parts of one.
 */
#include "coder.h"
#include <string.h>

/* What a task has to itself. Codes are relative to the tile's row, parameters stand where they are. */
typedef struct worker {
    lq_coder *coder;
    lq_call call;
    lq_tensor scale, zero;
    lq_plan plan;
    lq_tiling tiling;
    lq_field_tile tile;
    int64_t in_row; /* where the row's codes begin in the tile */
    unsigned char codes[LQ_TILE];
    /* Decoding: zero points of the tile. Encoding: those of a batch. */
    lq_field_tile zero_tile;
    unsigned char zero_bytes[LQ_TILE];
    int32_t zeros[LQ_BATCH];
    lq_job job;
} worker;

static void start(worker *w, lq_coder *c, lq_purpose purpose) {
    const lq_values *scale = &c->side.part[LQ_PART_SCALE];
    w->coder = c;
    lq_copy_coder_call(c, &w->call);
    w->scale = lq_vector(scale->data, scale->type->type, 1);
    w->call.tensor[LQ_SCALE] = &w->scale;
    w->call.type[LQ_SCALE] = scale->type;
    if (purpose == LQ_TO_CODES && c->call.rule.mapping == LQ_AFFINE) {
        w->zero = lq_vector(w->zeros, LQ_S32, LQ_BATCH);
    } else if (purpose == LQ_TO_REALS && c->side.zeros.kind != LQ_PLANE_NONE) {
        w->zero = lq_vector(w->zero_bytes, c->byte->type, LQ_TILE);
    } else {
        w->zero.type = 0;
    }
    if (w->zero.type) {
        w->call.tensor[LQ_ZERO] = &w->zero;
        w->call.type[LQ_ZERO] = lq_type_find(w->zero.type);
    }
    lq_plan_blocks(c, &w->plan);
    w->tiling = lq_tile_codes(c);
    w->tile.codes = w->codes;
    lq_start_job(&w->job, &w->call, purpose);
    w->job.map.codes = w->codes;
    w->job.map.code = c->byte;
}

/* The blocks of a run, their parameters where they belong. */
static lq_batch batch_of(const worker *w, const lq_run *run) {
    const lq_values *scale = &w->coder->side.part[LQ_PART_SCALE];
    lq_batch b;
    lq_batch_of_blocks(w->coder, &w->plan, run->row, run->first, run->blocks, &b);
    b.at[LQ_SCALE] = scale->at + run->row * scale->row_step + run->first * scale->step;
    b.step[LQ_SCALE] = scale->step;
    return b;
}

/* What of a batch a run is about. */
static void map_run(worker *w, lq_batch *batch, const lq_run *run) {
    const lq_coder *c = w->coder;
    const lq_piece piece = {
        .batch = batch,
        .rows = run->blocks,
        .count = run->count,
        .at = {[LQ_X] =
                   c->call.tensor[LQ_X]->offset + run->row * c->x_row + run->column * c->x_column,
               [LQ_CODES] = w->in_row + run->column - w->tile.column},
        .row_step = {[LQ_X] = c->block * c->x_column, [LQ_CODES] = c->block},
        .step = {[LQ_X] = c->x_column, [LQ_CODES] = 1},
    };
    lq_map_piece(&w->job.map, &piece);
    if (w->job.purpose == LQ_TO_REALS) lq_fill_nan(&w->call, &w->job.parameters, &piece);
}

static void add_to_bytes(unsigned char *bytes, int64_t n, int32_t added) {
    const unsigned char by = (unsigned char)(added & 255);
    for (int64_t i = 0; i < n; ++i) bytes[i] = (unsigned char)((bytes[i] + by) & 255u);
}

/* The same with what is a number of so many bits before. */
static void subtract_from_fields(unsigned char *bytes, int64_t n, int32_t bits, int32_t bias,
                                 bool is_signed) {
    const unsigned mask = (1u << bits) - 1u;
    const unsigned half = is_signed ? 1u << (bits - 1) : 0u;
    /* With half the range added before the cut and taken away behind it, signs are extended. */
    const unsigned by = (unsigned)(half - (unsigned)bias) & mask;
    for (int64_t i = 0; i < n; ++i) {
        bytes[i] = (unsigned char)((((bytes[i] + by) & mask) - half) & 255u);
    }
}

static void start_tile(worker *w, const lq_tiling *t, int64_t columns, int64_t band, int64_t column,
                       lq_field_tile *tile) {
    const int64_t rows = w->coder->rows - band * t->rows;
    tile->row = band * t->rows;
    tile->column = column;
    tile->rows = rows < t->rows ? rows : t->rows;
    tile->columns = columns - column < t->columns ? columns - column : t->columns;
    tile->step = tile->columns;
}

typedef void tile_fn(worker *w);

static void each_tile(worker *w, int64_t task, tile_fn *visit) {
    const lq_coder *c = w->coder;
    const int64_t end = lq_share(w->tiling.bands, task + 1, c->tasks);
    for (int64_t band = lq_share(w->tiling.bands, task, c->tasks); band < end; ++band) {
        for (int64_t column = 0; column < c->columns; column += w->tiling.columns) {
            start_tile(w, &w->tiling, c->columns, band, column, &w->tile);
            visit(w);
        }
    }
}

static void each_row(worker *w, lq_run_fn *visit) {
    const lq_field_tile *t = &w->tile;
    for (int64_t r = 0; r < t->rows; ++r) {
        w->in_row = r * t->step;
        lq_each_run(w->coder, t->row + r, t->column, t->columns, visit, w);
    }
}

static int64_t tasks_for(const lq_coder *c, int64_t bands, bool overlapping) {
    const int64_t tasks = overlapping ? 1 : lq_tasks_wanted(&c->call);
    return tasks < bands ? tasks : bands;
}

/* -------------------------------------------------------------------- encoding */

static void encode_run(void *context, const lq_run *run) {
    worker *w = context;
    lq_batch batch = batch_of(w, run);
    lq_calibrate_blocks(&w->job, &batch);
    map_run(w, &batch, run);
}

static void encode_tile(worker *w) {
    const lq_plane *plane = &w->coder->side.codes;
    each_row(w, encode_run);
    add_to_bytes(w->codes, w->tile.rows * w->tile.step, w->coder->code_bias);
    plane->fields->pack(&plane->shape, &w->tile, plane->bytes);
}

static void encode_part(void *context, int64_t task) {
    worker w;
    lq_coder *c = context;
    start(&w, c, LQ_TO_CODES);
    each_tile(&w, task, encode_tile);
    c->counts[task] = w.job.counts;
}

/* Zero points lie in units of their own, so they are found once more. */
static void encode_zero_row(worker *w, int64_t r) {
    const lq_field_tile *t = &w->zero_tile;
    unsigned char *to = t->codes + r * t->step;
    const lq_rule *rule = &w->coder->call.rule;
    for (int64_t b = 0, n; b < t->columns; b += n) {
        const int64_t first = t->column + b;
        const bool last = first == w->coder->side.blocks - 1;
        lq_run run = {.row = t->row + r, .first = first};
        /* The last block may be shorter than the others. */
        n = t->columns - b - (t->column + t->columns == w->coder->side.blocks && !last);
        n = n < LQ_BATCH ? n : LQ_BATCH;
        run.blocks = n;
        if (rule->mapping == LQ_AFFINE) {
            lq_batch batch = batch_of(w, &run);
            lq_calibrate_blocks(&w->job, &batch);
        }
        for (int64_t k = 0; k < n; ++k) {
            const int32_t z = rule->mapping == LQ_AFFINE ? w->zeros[k] : rule->zero;
            to[b + k] = (unsigned char)((z + w->coder->zero_bias) & 255);
        }
    }
}

static lq_tiling tile_zeros(const lq_coder *c) {
    const lq_field_shape *s = &c->side.zeros.shape;
    lq_tiling t = {.rows = s->unit_rows};
    const int64_t columns = LQ_TILE / t.rows / s->unit_columns * s->unit_columns;
    const int64_t all = (c->side.blocks + s->unit_columns - 1) / s->unit_columns * s->unit_columns;
    t.columns = columns < all ? columns : all;
    t.bands = (c->rows + t.rows - 1) / t.rows;
    return t;
}

static void encode_zeros(void *context, int64_t task) {
    worker w;
    lq_coder *c = context;
    const lq_plane *plane = &c->side.zeros;
    const lq_tiling t = tile_zeros(c);
    start(&w, c, LQ_TO_CODES);
    w.job.map.counts = NULL;
    w.zero_tile.codes = w.zero_bytes;
    const int64_t end = lq_share(t.bands, task + 1, c->tasks);
    for (int64_t band = lq_share(t.bands, task, c->tasks); band < end; ++band) {
        for (int64_t b = 0; b < c->side.blocks; b += t.columns) {
            start_tile(&w, &t, c->side.blocks, band, b, &w.zero_tile);
            for (int64_t r = 0; r < w.zero_tile.rows; ++r) encode_zero_row(&w, r);
            plane->fields->pack(&plane->shape, &w.zero_tile, plane->bytes);
        }
    }
}

/* Rows without elements are blocks that have parameters all the same. */
static void encode_empty_rows(lq_coder *c) {
    worker w;
    start(&w, c, LQ_TO_CODES);
    for (int64_t row = 0; row < c->rows; ++row) {
        const lq_run run = {.row = row, .blocks = 1};
        lq_batch batch = batch_of(&w, &run);
        lq_calibrate_blocks(&w.job, &batch);
    }
}

lq_status lq_encode_fields(lq_coder *c) {
    const lq_plane *zeros = &c->side.zeros;
    c->tasks = 0;
    if (c->rows == 0 || c->side.blocks == 0) return LQ_OK;
    if (zeros->kind != LQ_PLANE_NONE) {
        c->tasks = tasks_for(c, tile_zeros(c).bands, zeros->shape.overlapping);
        const lq_status status = lq_each_task(c->call.exec, c->tasks, encode_zeros, c);
        if (status) return status;
    }
    c->tasks = 0;
    if (c->columns == 0) {
        encode_empty_rows(c);
        return LQ_OK;
    }
    c->tasks = tasks_for(c, lq_tile_codes(c).bands, c->side.codes.shape.overlapping);
    return lq_each_task(c->call.exec, c->tasks, encode_part, c);
}

/* -------------------------------------------------------------------- decoding */

static void decode_run(void *context, const lq_run *run) {
    worker *w = context;
    const lq_field_tile *z = &w->zero_tile;
    lq_batch batch = batch_of(w, run);
    batch.at[LQ_ZERO] = (run->row - z->row) * z->step + run->first - z->column;
    lq_load_for_reals(&w->call, &batch, &w->job.parameters);
    map_run(w, &batch, run);
}

static int64_t down_to(int64_t n, int64_t unit) {
    return n / unit * unit;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The zero points of the tile's blocks, in whole units. */
static void unpack_zeros(worker *w) {
    const lq_coder *c = w->coder;
    const lq_plane *plane = &c->side.zeros;
    const lq_field_shape *s = &plane->shape;
    const lq_field_tile *t = &w->tile;
    lq_field_tile *z = &w->zero_tile;
    const int64_t last = (t->column + t->columns - 1) / c->block;
    if (plane->kind == LQ_PLANE_NONE) return;
    z->row = down_to(t->row, s->unit_rows);
    z->column = down_to(t->column / c->block, s->unit_columns);
    z->rows = least(down_to(t->row + t->rows + s->unit_rows - 1, s->unit_rows), c->rows) - z->row;
    z->columns =
        least(down_to(last + s->unit_columns, s->unit_columns), c->side.blocks) - z->column;
    z->step = z->columns;
    plane->fields->unpack(s, plane->bytes, z);
    subtract_from_fields(z->codes, z->rows * z->step, c->side.bits, c->zero_bias, c->byte->min < 0);
}

static void decode_tile(worker *w) {
    const lq_coder *c = w->coder;
    const lq_plane *plane = &c->side.codes;
    plane->fields->unpack(&plane->shape, plane->bytes, &w->tile);
    subtract_from_fields(w->codes, w->tile.rows * w->tile.step, c->side.bits, c->code_bias,
                         c->byte->min < 0);
    unpack_zeros(w);
    each_row(w, decode_run);
}

static void decode_part(void *context, int64_t task) {
    worker w;
    start(&w, context, LQ_TO_REALS);
    w.zero_tile = (lq_field_tile){.codes = w.zero_bytes};
    each_tile(&w, task, decode_tile);
}

lq_status lq_decode_fields(lq_coder *c) {
    if (c->rows == 0 || c->columns == 0) return LQ_OK;
    c->tasks = tasks_for(c, lq_tile_codes(c).bands, false);
    return lq_each_task(c->call.exec, c->tasks, decode_part, c);
}
