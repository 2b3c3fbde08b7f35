#include "pools.h"
#include <pthread.h>

int64_t tasks_seen;

typedef struct worker {
    lq_task *task;
    void *argument;
    int64_t first, tasks, step;
} worker;

static void *work(void *context) {
    const worker *w = context;
    for (int64_t i = w->first; i < w->tasks; i += w->step) w->task(w->argument, i);
    return NULL;
}

int32_t on_threads(void *pool, lq_task *task, void *argument, int64_t tasks) {
    enum { MOST = 8 };
    const int n = *(const int *)pool;
    pthread_t threads[MOST];
    worker workers[MOST];
    tasks_seen = tasks;
    for (int t = 0; t < n; ++t) {
        workers[t] = (worker){task, argument, t, tasks, n};
        if (pthread_create(&threads[t], NULL, work, &workers[t]) != 0) return 1;
    }
    for (int t = 0; t < n; ++t) pthread_join(threads[t], NULL);
    return 0;
}

int32_t in_reverse(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)pool;
    tasks_seen = tasks;
    for (int64_t i = tasks - 1; i >= 0; --i) task(argument, i);
    return 0;
}

int32_t none(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)pool, (void)task, (void)argument, (void)tasks;
    return 0;
}

int32_t one_left_out(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)pool;
    for (int64_t i = 1; i < tasks; ++i) task(argument, i);
    return 0;
}

int32_t one_twice(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)pool;
    for (int64_t i = 0; i < tasks; ++i) task(argument, i);
    task(argument, tasks / 2);
    return 0;
}

int32_t one_too_many(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)pool;
    for (int64_t i = -1; i <= tasks; ++i) task(argument, i);
    return 0;
}

int32_t failing(void *pool, lq_task *task, void *argument, int64_t tasks) {
    (void)pool;
    for (int64_t i = 0; i < tasks; ++i) task(argument, i);
    return -1;
}
