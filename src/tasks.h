/* Large calls cut into tasks for the caller's threads. Which tasks run where changes no byte. */
#ifndef LQ_TASKS_H
#define LQ_TASKS_H

#include "job.h"

enum { LQ_MAX_TASKS = 256 };

/* How a plan is cut: turns of one loop, shared out evenly. One task where it cannot be. */
typedef struct lq_cut {
    const lq_plan *plan;
    int loop;
    int64_t count; /* of tasks */
    int64_t unit;  /* each task begins at a multiple of so many turns */
} lq_cut;

/* For a walk in memory order that writes codes or x. */
lq_cut lq_cut_for_elements(const lq_call *call, const lq_map *map, const lq_plan *plan);

/* For a walk block by block that writes parameters, and codes too where there is a map. */
lq_cut lq_cut_for_blocks(const lq_call *call, const lq_map *map, const lq_plan *plan);

/* For a walk that only reads. */
lq_cut lq_cut_for_reading(const lq_call *call, const lq_plan *plan);

/* The same, of some rows of all lanes, where a batch holds them. */
enum { LQ_LANE_TASKS = 8 };
lq_cut lq_cut_for_lanes(const lq_call *call, const lq_plan *plan);

/* How many tasks x is worth to threads. */
int64_t lq_tasks_for_threads(const lq_call *call);

static inline int64_t lq_tasks_wanted(const lq_call *call) {
    return call->exec && call->exec->parallel_for ? lq_tasks_for_threads(call) : 1;
}

/* Whether a call is a run for one of them. */
bool lq_is_one_run(const lq_call *call);

bool lq_is_one_block(const lq_plan *plan);

/* Runs part(context, task) for every task below `count`, on the caller's threads where there are several. */
typedef void lq_part_fn(void *context, int64_t task);
lq_status lq_each_task(const lq_exec *exec, int64_t count, lq_part_fn *part, void *context);

/*
 * Each task walks its part of the plan with a job of its own and then shows it to `finish`, if
 * there is one. Counts are added up in the given job.
 */
typedef void lq_finish_fn(void *context, int64_t task, const lq_job *job);
lq_status lq_walk(lq_job *job, const lq_cut *cut, lq_batch_fn *visit, lq_finish_fn *finish,
                  void *context);

/* Where a task's part of `all` begins; without a product that might overflow. */
static inline int64_t lq_share(int64_t all, int64_t task, int64_t tasks) {
    if (tasks == 1) return task ? all : 0;
    return all / tasks * task + all % tasks * task / tasks;
}

#endif
