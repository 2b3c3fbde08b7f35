#define _GNU_SOURCE
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * One job at a time. A worker joins a job while it is open and leaves when no task is left; the
 * caller takes tasks as well, closes the job and waits for those inside. So a worker that the
 * system has not woken in time is not waited for. Workers look for a new job for a while before they
 * sleep, as the threads of an engine do between two calls.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static atomic_uint jobs; /* so many were opened by now */
static bool open;
static atomic_int inside;
static lq_task *task;
static void *argument;
static int64_t tasks;
static _Atomic int64_t next;

static void take_tasks(void) {
    for (int64_t i = next++; i < tasks; i = next++) task(argument, i);
}

/*
 * Threads stay where they are: the calling one on the n-th processor that the program may use.
 * Otherwise two of them share one for milliseconds before the system moves one away.
 */
static void settle(int n) {
#ifdef __linux__
    static cpu_set_t all;
    static int count;
    cpu_set_t one;
    if (!count && !sched_getaffinity(0, sizeof all, &all)) count = CPU_COUNT(&all);
    if (!count) return;
    CPU_ZERO(&one);
    int left = n % count;
    for (size_t i = 0; i < CPU_SETSIZE; ++i) {
        if (!CPU_ISSET(i, &all) || left--) continue;
        CPU_SET(i, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
#else
    (void)n;
#endif
}

static void *work(void *number) {
    enum { LOOKS = 20000 /* some tens of microseconds */ };
    unsigned seen = 0;
    settle(*(const int *)number);
    for (;;) {
        for (int i = 0; i < LOOKS && jobs == seen; ++i) continue;
        pthread_mutex_lock(&lock);
        while (jobs == seen) pthread_cond_wait(&opened, &lock);
        seen = jobs;
        const bool joins = open;
        if (joins) ++inside;
        pthread_mutex_unlock(&lock);
        if (!joins) continue;
        take_tasks();
        --inside;
    }
    return NULL;
}

static int32_t run_tasks(void *pool, lq_task *of, void *with, int64_t n) {
    (void)pool;
    pthread_mutex_lock(&lock);
    task = of;
    argument = with;
    tasks = n;
    next = 0;
    open = true;
    ++jobs;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&lock);
    take_tasks();
    pthread_mutex_lock(&lock);
    open = false;
    pthread_mutex_unlock(&lock);
    while (inside) sched_yield();
    return 0;
}

const lq_exec *bench_exec_on(int threads) {
    static int started, numbers[BENCH_MOST_THREADS];
    static lq_exec exec;
    if (threads <= 1) return NULL;
    for (; started < threads && started < BENCH_MOST_THREADS; ++started) {
        pthread_t id;
        numbers[started] = started;
        if (started == 0) settle(0);
        if (started == 0 || pthread_create(&id, NULL, work, &numbers[started]) == 0) continue;
        fprintf(stderr, "no thread beyond %d; try a smaller --threads\n", started);
        exit(1);
    }
    lq_exec_init(&exec, sizeof exec);
    exec.parallel_for = run_tasks;
    return &exec;
}
