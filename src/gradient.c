/*
 * lq_fake_quantize_grad. Where sums are wanted, the elements of every block are walked in row-major
 * order and cut into slices whose lengths follow from the block's shape alone; a slice has
 * LQ_GRAD_SUMS sums, which are added as a tree, and slices are added in order. Lanes have one sum
 * each, over rows in order. So strides, tasks and levels change no addition.
 */
#include "job.h"
#include "numeric.h"
#include "strided.h"
#include "tasks.h"

enum { SLICE_ELEMENTS = 65536 };

struct lq_gradient {
    const unsigned char *grad_y;
    bool sums;
    double factor;
    int64_t slices;       /* of a full block */
    int64_t slice_length; /* of all but the last, which may be longer */
};

/* The batch at hand. */
typedef struct grad_batch {
    const lq_job *job;
    double inside[LQ_BATCH], outside[LQ_BATCH];
    double scale_sum[LQ_BATCH], zero_sum[LQ_BATCH];
    double scale_slice[LQ_GRAD_SUMS], zero_slice[LQ_GRAD_SUMS];
    int64_t done; /* elements of the block */
} grad_batch;

static double tree(const double *v) {
    return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

static void close_slice(grad_batch *g, int64_t block) {
    g->scale_sum[block] += tree(g->scale_slice);
    g->zero_sum[block] += tree(g->zero_slice);
    for (int k = 0; k < LQ_GRAD_SUMS; ++k) g->scale_slice[k] = g->zero_slice[k] = 0;
}

/* How many of the next `n` elements belong to the slice that is open. */
static int64_t room_in_slice(const grad_batch *g, int64_t n) {
    const lq_gradient *gradient = g->job->gradient;
    if (g->done / gradient->slice_length >= gradient->slices - 1) return n;
    const int64_t room = gradient->slice_length - g->done % gradient->slice_length;
    return n < room ? n : room;
}

static void took(grad_batch *g, int64_t block, int64_t n) {
    const lq_gradient *gradient = g->job->gradient;
    g->done += n;
    if (g->done % gradient->slice_length != 0) return;
    if (g->done / gradient->slice_length < gradient->slices) close_slice(g, block);
}

/* Some elements of some rows of a piece, of one block or of lanes. */
typedef struct part {
    int64_t row, rows;
    int64_t first, count;
} part;

static lq_grad_work work_on(grad_batch *g, const lq_piece *p, const part *s) {
    const lq_job *j = g->job;
    const lq_parameters *of = &j->parameters;
    const bool lanes = p->batch->plan->spread == LQ_SPREAD_LANES;
    const int64_t block = lq_block_at(p, s->row, s->first);
    lq_grad_work work = {
        .count = s->count,
        .rows = s->rows,
        .rule = &j->call->rule.element,
        .format = j->map.work.format,
        .table = j->map.work.table,
        .scale = of->scale + block,
        .offset = of->offset + block,
        .center = of->center + block,
        .back = of->back + block,
        .zero = of->zero + block,
        .qmin = j->map.work.qmin,
        .qmax = j->map.work.qmax,
        .inside = g->inside + block,
        .outside = g->outside + block,
        .first = g->done,
    };
    if (!j->gradient->sums) return work;
    work.scale_sum = lanes ? g->scale_sum + block : g->scale_slice;
    work.zero_sum = lanes ? g->zero_sum + block : g->zero_slice;
    return work;
}

/* What goes to the kernel is counted first, where anybody wants to know. */
static void run_kernel(const grad_batch *g, const lq_piece *p, const lq_grad_work *work) {
    const lq_kernels *k = g->job->call->kernels;
    const lq_map *map = &g->job->map;
    const int real = g->job->call->type[LQ_X]->index;
    const bool lanes = p->batch->plan->spread == LQ_SPREAD_LANES;
    if (map->counts) {
        const lq_map_work counted = {
            .x = (unsigned char *)work->x,
            .count = work->count,
            .rows = work->rows,
            .x_step = work->x_step,
            .scale = work->scale,
            .zero = work->zero,
            .qmin = work->qmin,
            .qmax = work->qmax,
            .rule = work->rule,
            .format = work->format,
            .table = work->table,
            .offset = work->offset,
            .center = work->center,
        };
        (lanes ? map->count_lanes : map->count_runs)(&counted, map->counts);
    }
    (lanes ? k->grad_lanes : k->grad_runs)[real](work);
}

static void run_direct(grad_batch *g, const lq_piece *p, const int64_t *at, lq_grad_work *work) {
    const lq_map *map = &g->job->map;
    const int size = map->x_size;
    work->x = map->x + at[LQ_X] * size;
    work->grad_y = g->job->gradient->grad_y + at[LQ_OTHER] * size;
    work->x_step = p->row_step[LQ_X] * size;
    work->grad_y_step = p->row_step[LQ_OTHER] * size;
    work->grad_x_step = p->row_step[LQ_CODES] * size;
    if (map->codes) work->grad_x = map->codes + at[LQ_CODES] * size;
    run_kernel(g, p, work);
}

/* Up to LQ_PIECE elements of one row by way of buffers. */
static void run_staged(grad_batch *g, const lq_piece *p, const int64_t *at, lq_grad_work *work) {
    const lq_map *map = &g->job->map;
    const int size = map->x_size;
    unsigned char x[LQ_PIECE * 4], grad_y[LQ_PIECE * 4], grad_x[LQ_PIECE * 4];
    lq_gather(x, map->x, size, at[LQ_X], p->step[LQ_X], work->count);
    lq_gather(grad_y, g->job->gradient->grad_y, size, at[LQ_OTHER], p->step[LQ_OTHER], work->count);
    work->x = x;
    work->grad_y = grad_y;
    if (map->codes) work->grad_x = grad_x;
    run_kernel(g, p, work);
    if (map->codes) {
        lq_scatter(grad_x, map->codes, size, at[LQ_CODES], p->step[LQ_CODES], work->count);
    }
}

static bool is_direct(const grad_batch *g, const lq_piece *p) {
    const bool written = g->job->map.codes != NULL;
    return p->count == 1 ||
           (p->step[LQ_X] == 1 && p->step[LQ_OTHER] == 1 && (!written || p->step[LQ_CODES] == 1));
}

static void run_part(grad_batch *g, const lq_piece *p, const part *s) {
    int64_t at[LQ_OTHER + 1] = {0};
    lq_grad_work work = work_on(g, p, s);
    for (int o = 0; o <= LQ_OTHER; ++o) {
        at[o] = p->at[o] + s->row * p->row_step[o] + s->first * p->step[o];
    }
    (is_direct(g, p) ? run_direct : run_staged)(g, p, at, &work);
}

/* One row, as much at a time as slices and buffers allow. */
static void run_row(grad_batch *g, const lq_piece *p, int64_t row) {
    const bool stream = g->job->gradient->sums && p->batch->plan->spread != LQ_SPREAD_LANES;
    const bool direct = is_direct(g, p);
    part s = {.row = row, .rows = 1};
    for (; s.first < p->count; s.first += s.count) {
        s.count = p->count - s.first;
        if (stream) s.count = room_in_slice(g, s.count);
        if (!direct && s.count > LQ_PIECE) s.count = LQ_PIECE;
        run_part(g, p, &s);
        if (stream) took(g, lq_block_at(p, row, s.first), s.count);
    }
}

static void run_piece(void *context, const lq_piece *p) {
    grad_batch *g = context;
    const lq_spread spread = p->batch->plan->spread;
    const bool sums = g->job->gradient->sums;
    const bool at_once = spread == LQ_SPREAD_LANES || (spread == LQ_SPREAD_ONE && !sums);
    if (at_once && is_direct(g, p)) {
        const part all = {.rows = p->rows, .count = p->count};
        run_part(g, p, &all);
        return;
    }
    for (int64_t r = 0; r < p->rows; ++r) {
        run_row(g, p, r);
        if (!sums || spread != LQ_SPREAD_ROWS) continue;
        close_slice(g, r);
        g->done = 0;
    }
}

/* ------------------------------------------------------------------ batches */

/* y is (q - z) s; with a multiplier m, (q - z) / m, whose slopes in m follow from those in 1 / m. */
static void load_batch(grad_batch *g, lq_job *j, const lq_batch *batch) {
    const bool divides = j->call->rule.element.divide_back;
    g->job = j;
    g->done = 0;
    for (int k = 0; k < LQ_GRAD_SUMS; ++k) g->scale_slice[k] = g->zero_slice[k] = 0;
    lq_load_for_codes(j->call, batch, &j->parameters);
    for (int64_t b = 0; b < batch->blocks; ++b) {
        const double s = (double)j->parameters.back[b];
        g->inside[b] = divides ? -1 / s : 1 / s;
        g->outside[b] = divides ? -1 / (s * s) : 1;
        g->scale_sum[b] = g->zero_sum[b] = 0;
    }
}

/* Adding 0 makes a zero positive; and the sign of a NaN is the processor's choice. */
static void store(const lq_tensor *t, int64_t at, double value) {
    const float rounded = lq_round_real(LQ_F32, value + 0.0);
    lq_store_real(LQ_F32, t->data, at, rounded == rounded ? rounded : lq_from_bits(0x7fc00000u));
}

static void store_batch(const grad_batch *g, const lq_batch *batch) {
    const lq_call *call = g->job->call;
    const double factor = g->job->gradient->factor;
    const bool divides = call->rule.element.divide_back;
    for (int64_t b = 0; b < batch->blocks; ++b) {
        const double s = (double)g->job->parameters.back[b];
        if (call->type[LQ_SCALE_OUT]) {
            store(call->tensor[LQ_SCALE_OUT],
                  batch->at[LQ_SCALE_OUT] + b * batch->step[LQ_SCALE_OUT],
                  factor * g->scale_sum[b]);
        }
        if (call->type[LQ_ZERO_OUT]) {
            store(call->tensor[LQ_ZERO_OUT], batch->at[LQ_ZERO_OUT] + b * batch->step[LQ_ZERO_OUT],
                  factor * (g->zero_sum[b] * (divides ? -1 / s : -s)));
        }
    }
}

static void run_batch(void *context, lq_batch *batch) {
    grad_batch g;
    load_batch(&g, context, batch);
    lq_each_piece(batch, run_piece, &g);
    if (!g.job->gradient->sums) return;
    if (batch->plan->spread == LQ_SPREAD_ONE) close_slice(&g, 0);
    store_batch(&g, batch);
}

/* ------------------------------------------------ one block, a task for a slice */

typedef struct slice_sums {
    double scale[LQ_MAX_TASKS], zero[LQ_MAX_TASKS];
} slice_sums;

static void run_slice(void *context, lq_batch *batch) {
    grad_batch g;
    lq_job *j = context;
    load_batch(&g, j, batch);
    lq_each_piece(batch, run_piece, &g);
    close_slice(&g, 0);
    j->slice[0] = g.scale_sum[0];
    j->slice[1] = g.zero_sum[0];
}

static void keep_slice(void *context, int64_t task, const lq_job *j) {
    slice_sums *sums = context;
    sums->scale[task] = j->slice[0];
    sums->zero[task] = j->slice[1];
}

static void store_total(void *context, lq_batch *batch) {
    grad_batch g;
    lq_job *j = context;
    load_batch(&g, j, batch);
    g.scale_sum[0] = j->slice[0];
    g.zero_sum[0] = j->slice[1];
    store_batch(&g, batch);
}

static lq_status run_slices(lq_job *j, const lq_cut *cut) {
    slice_sums sums;
    const lq_gradient *all = j->gradient;
    lq_gradient one = *all;
    one.slices = 1;
    j->gradient = &one;
    const lq_status status = lq_walk(j, cut, run_slice, keep_slice, &sums);
    j->gradient = all;
    if (status) return status;
    j->slice[0] = j->slice[1] = 0;
    for (int64_t t = 0; t < cut->count; ++t) {
        j->slice[0] += sums.scale[t];
        j->slice[1] += sums.zero[t];
    }
    lq_each_batch(cut->plan, store_total, j);
    return LQ_OK;
}

/* ---------------------------------------------------------------------- calls */

/* From the shape of a full block alone; slices begin at whole groups of sums. */
static void set_slices(const lq_call *call, lq_gradient *gradient) {
    int64_t elements = 1;
    /* Where there are none, the other extents may be of any size. */
    const bool empty = lq_elements(call->tensor[LQ_X]) == 0;
    for (int i = 0; i < call->geometry.rank && !empty; ++i) elements *= call->extent[i];
    const int64_t slices = elements / SLICE_ELEMENTS;
    gradient->slices = slices < 1 ? 1 : slices > LQ_MAX_TASKS ? LQ_MAX_TASKS : slices;
    gradient->slice_length = elements / gradient->slices / 64 * 64;
    if (gradient->slices == 1) gradient->slice_length = INT64_MAX;
}

static lq_status run_all(lq_job *j) {
    const lq_gradient *gradient = j->gradient;
    lq_plan plan;
    lq_make_plan(&j->call->geometry, gradient->sums ? LQ_ORDER_ROW_MAJOR : LQ_ORDER_MEMORY, &plan);
    if (!gradient->sums) {
        const lq_cut cut = lq_cut_for_elements(j->call, NULL, &plan);
        return lq_walk(j, &cut, run_batch, NULL, NULL);
    }
    const bool parallel = j->call->exec && j->call->exec->parallel_for;
    if (parallel && gradient->slices > 1 && plan.loops == 1 && lq_is_one_block(&plan)) {
        const lq_cut slices = {&plan, plan.vector, gradient->slices, gradient->slice_length};
        return run_slices(j, &slices);
    }
    const lq_cut cut = lq_cut_for_blocks(j->call, NULL, &plan);
    return lq_walk(j, &cut, run_batch, NULL, NULL);
}

static lq_status check(const lq_arguments *arguments, float grad_factor, lq_call *call) {
    lq_status status = lq_check_arguments(arguments, call);
    if (status) return status;
    if (!lq_is_finite(grad_factor)) return lq_refuse(call, LQ_ERROR_RANGE, 9, -1);
    /* The slope of a minimum is that of a value, not of a code. */
    if (call->rule.element.minimum) return lq_refuse(call, LQ_ERROR_ENUM, 2, -1);
    /* A scale of 0, which some schemes allow, has no slope. */
    call->rule.zero_scales = false;
    /* The kernels take every rule in one way. */
    call->rule.plain = false;
    return lq_check_parameters(arguments, call);
}

lq_status lq_fake_quantize_grad(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                                const lq_tensor *zero_point, const lq_tensor *grad_y,
                                const lq_tensor *grad_x, const lq_tensor *grad_scale,
                                const lq_tensor *grad_zero_point, float grad_factor,
                                const lq_exec *exec) {
    static const lq_signature signature = {
        .position = {1, 6, 3, 4, 5, 7, 8},
        .output = {false, true, false, false, false, true, true},
        .optional = {false, true, false, false, false, true, true},
        .codes_are_reals = true,
        .scheme_position = 2,
        .exec_position = 10,
    };
    const lq_arguments arguments = {
        .signature = &signature,
        .tensor = {x, grad_x, scale, zero_point, grad_y, grad_scale, grad_zero_point},
        .scheme = scheme,
        .exec = exec,
    };
    lq_call call;
    lq_job j;
    lq_status status = check(&arguments, grad_factor, &call);
    if (status) return status;
    lq_gradient gradient = {
        .grad_y = grad_y->data,
        .sums = grad_scale || grad_zero_point,
        .factor = (double)grad_factor,
    };
    set_slices(&call, &gradient);
    lq_start_job(&j, &call, LQ_TO_FAKES);
    j.gradient = &gradient;
    status = run_all(&j);
    lq_tell_counts(&j);
    return status;
}
