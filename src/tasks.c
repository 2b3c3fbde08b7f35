#include "tasks.h"
#include <stdatomic.h>

/* Fewer elements than this are done before another thread has woken up. */
enum { TASK_ELEMENTS = 32768, WORDS = LQ_MAX_TASKS / 32, VECTOR_UNIT = 64, WIDE_UNIT = 512 };

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ----------------------------------------------------------------- cutting */

int64_t lq_tasks_for_threads(const lq_call *call) {
    if (call->forward_only) return 1;
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
static int64_t unit_for_codes(const lq_plan *plan, int loop, int64_t group) {
    bool rows_whole = plan->origin[LQ_CODES] % group == 0;
    const int64_t step = plan->loop[loop].step[LQ_CODES];
    const lq_loop *vector = &plan->loop[plan->vector];
    if (group == 1) return 1;
    if (!rows_whole) return 0;
    bool outermost = true;
    for (int i = 0; i < plan->loops; ++i) {
        const int64_t s = plan->loop[i].step[LQ_CODES];
        if (s < 0) return 0;
        if (i != plan->vector && s % group) rows_whole = false;
        if (i != loop && s > step) outermost = false;
    }
    if (vector->step[LQ_CODES] != 1) rows_whole = false;
    if (loop == plan->vector) return rows_whole ? group : 0;
    if (vector->count % group || vector->last_count % group) rows_whole = false;
    if (rows_whole) return 1;
    if (!outermost) return 0;
    return step % group == 0 ? 1 : step % 2 == 0 ? group / 2 : group;
}

static int64_t codes_in_group(const lq_map *map) {
    return map && map->to_codes ? lq_codes_in_group(map->code) : 1;
}

lq_cut lq_cut_for_elements(const lq_call *call, const lq_map *map, const lq_plan *plan) {
    const int64_t tasks = lq_tasks_wanted(call);
    const int64_t group = codes_in_group(map);
    if (tasks == 1 || plan->loops == 0) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    int loop = longest_loop(plan, tasks, false);
    int64_t unit = loop == LQ_NO_LOOP ? 0 : unit_for_codes(plan, loop, group);
    if (unit == 0 && plan->loop[0].ragged_by == LQ_NO_LOOP) {
        loop = 0;
        unit = unit_for_codes(plan, loop, group);
    }
    if (loop == plan->vector && unit) unit = VECTOR_UNIT;
    return cut_loop(plan, loop, tasks, unit);
}

lq_cut lq_cut_for_blocks(const lq_call *call, const lq_map *map, const lq_plan *plan) {
    const int64_t tasks = lq_tasks_wanted(call);
    const bool packed_zeros = call->type[LQ_ZERO] && call->type[LQ_ZERO]->bits < 8;
    if (tasks == 1 || packed_zeros) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    const int loop = longest_loop(plan, tasks, true);
    if (loop == LQ_NO_LOOP) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    int64_t unit = unit_for_codes(plan, loop, codes_in_group(map));
    /* Narrow parts of rows are read slowly, and in every row tasks would share lines of caches. */
    const int64_t lanes = plan->loop[loop].count;
    if (loop == plan->vector && unit && lanes >= 2 * VECTOR_UNIT) {
        unit = lanes >= 2 * WIDE_UNIT ? WIDE_UNIT : VECTOR_UNIT;
    }
    return cut_loop(plan, loop, tasks, unit);
}

lq_cut lq_cut_for_reading(const lq_call *call, const lq_plan *plan) {
    const int64_t tasks = lq_tasks_wanted(call);
    if (tasks == 1) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    return cut_loop(plan, longest_loop(plan, tasks, false), tasks, 1);
}

lq_cut lq_cut_for_lanes(const lq_call *call, const lq_plan *plan) {
    const bool rows = plan->loops == 2 && plan->row == 0 && plan->vector == 1;
    const bool few = plan->spread == LQ_SPREAD_LANES && plan->loop[plan->vector].count <= LQ_BATCH;
    if (!rows || !few) return cut_loop(plan, LQ_NO_LOOP, 1, 1);
    return cut_loop(plan, 0, smaller(lq_tasks_wanted(call), LQ_LANE_TASKS), 1);
}

bool lq_is_one_block(const lq_plan *plan) {
    for (int i = 0; i < plan->loops; ++i) {
        if (plan->loop[i].cell) return false;
    }
    return !plan->no_cell;
}

/* ----------------------------------------------------------------- running */

typedef struct team {
    int64_t count;
    lq_part_fn *part;
    void *context;
    /* A bit for each task: a second run of one must not touch what the first has written. */
    _Atomic uint32_t begun[WORDS], ended[WORDS];
    _Atomic int misused;
} team;

static void run_task(void *argument, int64_t task) {
    team *t = argument;
    if (task < 0 || task >= t->count) {
        atomic_store(&t->misused, 1);
        return;
    }
    const uint32_t bit = 1u << (task % 32);
    if (atomic_fetch_or(&t->begun[task / 32], bit) & bit) {
        atomic_store(&t->misused, 1);
        return;
    }
    t->part(t->context, task);
    atomic_fetch_or(&t->ended[task / 32], bit);
}

static bool all_ended(team *t) {
    for (int64_t task = 0; task < t->count; ++task) {
        if (!(atomic_load(&t->ended[task / 32]) >> (task % 32) & 1u)) return false;
    }
    return !atomic_load(&t->misused);
}

lq_status lq_each_task(const lq_exec *exec, int64_t count, lq_part_fn *part, void *context) {
    if (count == 1) {
        part(context, 0);
        return LQ_OK;
    }
    team t = {.count = count, .part = part, .context = context};
    const int32_t failed = exec->parallel_for(exec->pool, run_task, &t, count);
    return failed || !all_ended(&t) ? LQ_ERROR_EXEC : LQ_OK;
}

/* ----------------------------------------------------------------- walking */

typedef struct walk_state {
    const lq_job *job;
    const lq_cut *cut;
    lq_batch_fn *visit;
    lq_finish_fn *finish;
    void *context;
    lq_counts counts[LQ_MAX_TASKS];
} walk_state;

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

static void walk_part(void *context, int64_t task) {
    walk_state *w = context;
    lq_job job;
    lq_plan part;
    lq_copy_job(&job, w->job);
    part_of_plan(w->cut, task, &part);
    lq_each_staged(&job, &part, w->visit);
    if (job.map.streams) lq_end_stores();
    w->counts[task] = job.counts;
    if (w->finish) w->finish(w->context, task, &job);
}

bool lq_is_one_run(const lq_call *call) {
    const lq_geometry *g = &call->geometry;
    return g->run > 0 && g->run == g->block && lq_tasks_wanted(call) <= 1;
}

lq_status lq_walk(lq_job *job, const lq_cut *cut, lq_batch_fn *visit, lq_finish_fn *finish,
                  void *context) {
    if (cut->count == 1) {
        lq_each_staged(job, cut->plan, visit);
        if (job->map.streams) lq_end_stores();
        if (finish) finish(context, 0, job);
        return LQ_OK;
    }
    /* Not the counts, which are many and which every task sets. */
    walk_state w;
    w.job = job;
    w.cut = cut;
    w.visit = visit;
    w.finish = finish;
    w.context = context;
    const lq_status status = lq_each_task(job->call->exec, cut->count, walk_part, &w);
    if (status) return status;
    for (int64_t task = 0; task < cut->count; ++task) {
        job->counts.nan += w.counts[task].nan;
        job->counts.infinite += w.counts[task].infinite;
        job->counts.clipped += w.counts[task].clipped;
        job->counts.overflowed += w.counts[task].overflowed;
        job->counts.underflowed += w.counts[task].underflowed;
    }
    return LQ_OK;
}
