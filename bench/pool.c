#define _GNU_SOURCE
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * One job at a time: one word says which and how many of its tasks nobody has taken, and whoever
 * finds one there takes it, the caller among them. So a worker that the system has not woken in time
 * is not waited for, and none is asked for anything but to look at that word. Workers do so for a
 * while before they sleep, as the threads of an engine do between two calls.
 */
static _Alignas(64) _Atomic uint64_t untaken; /* tasks below 32 bits, the job's number above */
static _Alignas(64) _Atomic int64_t done;
static _Alignas(64) lq_task *task; /* of the job whose tasks are untaken */
static void *argument;
static int started; /* threads, the calling one among them */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static atomic_int asleep;

static void take_tasks(void) {
    uint64_t seen = untaken;
    while ((uint32_t)seen) {
        const uint32_t n = 1 + (uint32_t)seen / (2 * (uint32_t)started);
        if (!atomic_compare_exchange_weak(&untaken, &seen, seen - n)) continue;
        for (uint32_t i = 1; i <= n; ++i) task(argument, (uint32_t)seen - i);
        done += n;
        seen = untaken;
    }
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
    settle(*(const int *)number);
    for (;;) {
        for (int i = 0; i < LOOKS && !(uint32_t)untaken; ++i) continue;
        if (!(uint32_t)untaken) {
            pthread_mutex_lock(&lock);
            ++asleep;
            while (!(uint32_t)untaken) pthread_cond_wait(&opened, &lock);
            --asleep;
            pthread_mutex_unlock(&lock);
        }
        take_tasks();
    }
    return NULL;
}

/* The last task is the caller's own: those who come first stay with the same ones from call to call. */
static int32_t run_tasks(void *pool, lq_task *of, void *with, int64_t n) {
    static uint64_t job;
    (void)pool;
    task = of;
    argument = with;
    done = 0;
    untaken = ++job << 32 | (uint64_t)(n - 1);
    if (asleep) {
        pthread_mutex_lock(&lock);
        pthread_cond_broadcast(&opened);
        pthread_mutex_unlock(&lock);
    }
    of(with, n - 1);
    take_tasks();
    for (int i = 1; done != n - 1; ++i) {
        if (i % 1024 == 0) sched_yield();
    }
    return 0;
}

/* A task that ends when all have begun. */
static void meet(void *all, int64_t index) {
    atomic_int *begun = all;
    (void)index;
    for (++*begun; *begun < started;) sched_yield();
}

void bench_wake_threads(void *context) {
    atomic_int begun = 0;
    (void)context;
    if (started > 1) run_tasks(NULL, meet, &begun, started);
}

const lq_exec *bench_exec_on(int threads) {
    static int numbers[BENCH_MOST_THREADS];
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
