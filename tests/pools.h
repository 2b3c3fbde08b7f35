/* Pools for parallel_for: honest ones, and others. */
#ifndef POOLS_H
#define POOLS_H

#include "libquant.h"

/* The tasks that the last call of a pool was given. */
extern int64_t tasks_seen;

/* *pool threads, at most 8; thread t takes every *pool-th task from the t-th on. */
int32_t on_threads(void *pool, lq_task *task, void *argument, int64_t tasks);

/* The calling thread, from the last task to the first. */
int32_t in_reverse(void *pool, lq_task *task, void *argument, int64_t tasks);

/* Claims to be done without having done any. */
int32_t none(void *pool, lq_task *task, void *argument, int64_t tasks);

/* Pools that break their promise: task 0 left out, one run twice, tasks that there are not, failed. */
int32_t one_left_out(void *pool, lq_task *task, void *argument, int64_t tasks);
int32_t one_twice(void *pool, lq_task *task, void *argument, int64_t tasks);
int32_t one_too_many(void *pool, lq_task *task, void *argument, int64_t tasks);
int32_t failing(void *pool, lq_task *task, void *argument, int64_t tasks);

#endif
