#include "tasks.h"
#include <stdatomic.h>

/* Fewer elements than this are done before another thread has woken up. */
enum { TASK_ELEMENTS = 32768, WORDS = LQ_MAX_TASKS / 32, VECTOR_UNIT = 64 };

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ----------------------------------------------------------------- cutting */

static int64_t tasks_wanted(const lq_call *call) {
    if (!call->exec || !call->exec->parallel_for || call->forward_only) return 1;
    const lq_tensor *x = call->tensor[LQ_X];
    const int64_t tasks = lq_elements(x) / TASK_ELEMENTS;
    return tasks < 1 ? 1 : smaller(tasks, LQ_MAX_TASKS);
}

static lq_cut cut_loop(const lq_plan *plan, int loop, int64_t tasks, int64_t unit) {
    lq_cut cut = {.plan = plan, .loop = loop, .count = 1, .unit = unit};
    if (loop == LQ_NO_LOOP || unit == 0 || plan->empty || plan->no_cell) return cut;
    const int64_t units = plan->loop[loop].count / unit;
    if (units > 1) cut.count = smaller(tasks, units);
    return cut;
}

/* The loop with the most turns; the outermost of those that have enough. */
static int longest_loop(const lq_plan *plan, int64_t enough, bool cells_only) {
    int best = LQ_NO_LOOP;
    for (int i = 0; i < plan->loops; ++i) {
        const lq_loop *l = &plan->loop[i];
        if (l->ragged_by != LQ_NO_LOOP || (cells_only && !l->cell)) continue;
        if (best == LQ_NO_LOOP ||
            smaller(l->count, enough) > smaller(plan->loop[best].count, enough)) {
            best = i;
        }
    }
    return best;
}

/*
 * Codes below 8 bits: two tasks must not write into one byte. Either every row is whole bytes, or
 * the loop is the outermost in memory and its parts begin at whole bytes. 0 where neither holds.
 */
static int64_t unit_for_codes(const lq_plan *plan, int loop, int64_t per_byte) {
    bool rows_whole = plan->origin[LQ_CODES] % per_byte == 0;
    const int64_t step = plan->loop[loop].step[LQ_CODES];
    const lq_loop *vector = &plan->loop[plan->vector];
    if (per_byte == 1) return 1;
    if (!rows_whole) return 0;
    bool outermost = true;
    for (int i = 0; i < plan->loops; ++i) {
        const int64_t s = plan->loop[i].step[LQ_CODES];
        if (s < 0) return 0;
        if (i != plan->vector && s % per_byte) rows_whole = false;
        if (i != loop && s > step) outermost = false;
    }
    if (vector->step[LQ_CODES] != 1) rows_whole = false;
    if (loop == plan->vector) return rows_whole ? per_byte : 0;
    if (vector->count % per_byte || vector->last_count % per_byte) rows_whole = false;
    if (rows_whole) return 1;
    if (!outermost) return 0;
    return step % per_byte == 0 ? 1 : step % 2 == 0 ? per_byte / 2 : per_byte;
}

static int64_t codes_per_byte(const lq_map *map) {
    return map && map->to_codes && map->code->bits < 8 ? 8 / map->code->bits : 1;
}

lq_cut lq_cut_for_elements(const lq_call *call, const lq_map *map, const lq_plan *plan) {
    const int64_t tasks = tasks_wanted(call);
    const int64_t per_byte = codes_per_byte(map);
    if (tasks == 1 || plan->loops == 0) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    int loop = longest_loop(plan, tasks, false);
    int64_t unit = loop == LQ_NO_LOOP ? 0 : unit_for_codes(plan, loop, per_byte);
    if (unit == 0 && plan->loop[0].ragged_by == LQ_NO_LOOP) {
        loop = 0;
        unit = unit_for_codes(plan, loop, per_byte);
    }
    if (loop == plan->vector && unit) unit = VECTOR_UNIT;
    return cut_loop(plan, loop, tasks, unit);
}

lq_cut lq_cut_for_blocks(const lq_call *call, const lq_map *map, const lq_plan *plan) {
    const int64_t tasks = tasks_wanted(call);
    const bool packed_zeros = call->type[LQ_ZERO] && call->type[LQ_ZERO]->bits < 8;
    if (tasks == 1 || packed_zeros) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    const int loop = longest_loop(plan, tasks, true);
    if (loop == LQ_NO_LOOP) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    const int64_t unit = unit_for_codes(plan, loop, codes_per_byte(map));
    return cut_loop(plan, loop, tasks, unit);
}

lq_cut lq_cut_for_reading(const lq_call *call, const lq_plan *plan) {
    const int64_t tasks = tasks_wanted(call);
    if (tasks == 1) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    return cut_loop(plan, longest_loop(plan, tasks, false), tasks, 1);
}

bool lq_is_one_block(const lq_plan *plan) {
    for (int i = 0; i < plan->loops; ++i) {
        if (plan->loop[i].cell) return false;
    }
    return !plan->no_cell;
}

/* ----------------------------------------------------------------- running */

typedef struct run {
    const lq_job *job;
    const lq_cut *cut;
    lq_batch_fn *visit;
    lq_finish_fn *finish;
    void *context;
    lq_counts counts[LQ_MAX_TASKS];
    /* A bit for each task: a second run of one must not touch what the first has written. */
    _Atomic uint32_t begun[WORDS], ended[WORDS];
    _Atomic int misused;
} run;

static void part_of_plan(const lq_cut *cut, int64_t task, lq_plan *part) {
    *part = *cut->plan;
    lq_loop *loop = &part->loop[cut->loop];
    const int64_t units = loop->count / cut->unit;
    const int64_t begin = units * task / cut->count * cut->unit;
    const bool last = task == cut->count - 1;
    const int64_t end = last ? loop->count : units * (task + 1) / cut->count * cut->unit;
    loop->count = end - begin;
    for (int o = 0; o < LQ_OPERANDS; ++o) part->origin[o] += begin * loop->step[o];
    for (int i = 0; i < part->loops && !last; ++i) {
        if (part->loop[i].ragged_by == cut->loop) part->loop[i].ragged_by = LQ_NO_LOOP;
    }
}

static void run_task(void *argument, int64_t task) {
    run *r = argument;
    if (task < 0 || task >= r->cut->count) {
        atomic_store(&r->misused, 1);
        return;
    }
    const uint32_t bit = 1u << (task % 32);
    if (atomic_fetch_or(&r->begun[task / 32], bit) & bit) {
        atomic_store(&r->misused, 1);
        return;
    }
    lq_job job;
    lq_plan part;
    lq_copy_job(&job, r->job);
    part_of_plan(r->cut, task, &part);
    lq_each_batch(&part, r->visit, &job);
    r->counts[task] = job.counts;
    if (r->finish) r->finish(r->context, task, &job);
    atomic_fetch_or(&r->ended[task / 32], bit);
}

static bool all_ended(run *r) {
    for (int64_t task = 0; task < r->cut->count; ++task) {
        if (!(atomic_load(&r->ended[task / 32]) >> (task % 32) & 1u)) return false;
    }
    return !atomic_load(&r->misused);
}

lq_status lq_walk(lq_job *job, const lq_cut *cut, lq_batch_fn *visit, lq_finish_fn *finish,
                  void *context) {
    if (cut->count == 1) {
        lq_each_batch(cut->plan, visit, job);
        if (finish) finish(context, 0, job);
        return LQ_OK;
    }
    const lq_exec *exec = job->call->exec;
    run r = {.job = job, .cut = cut, .visit = visit, .finish = finish, .context = context};
    const int32_t failed = exec->parallel_for(exec->pool, run_task, &r, cut->count);
    if (failed || !all_ended(&r)) return LQ_ERROR_EXEC;
    for (int64_t task = 0; task < cut->count; ++task) {
        job->counts.nan += r.counts[task].nan;
        job->counts.infinite += r.counts[task].infinite;
        job->counts.clipped += r.counts[task].clipped;
        job->counts.overflowed += r.counts[task].overflowed;
        job->counts.underflowed += r.counts[task].underflowed;
    }
    return LQ_OK;
}
