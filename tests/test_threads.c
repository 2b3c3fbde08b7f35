/*
 * What every function promises: any thread may call it. Eight threads use the library for the
 * first time at once, then quantize different memory while one of them changes the level. Meant
 * for ThreadSanitizer, and checks the bytes without it too. Needs nothing but POSIX threads.
 */
#define _POSIX_C_SOURCE 200809L

#include <libquant.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8, ROUNDS = 200, CHANNELS = 5, LENGTH = 61, COUNT = CHANNELS * LENGTH };

typedef struct worker {
    pthread_t thread;
    int number;
    int rounds;
    float input[COUNT];
    int8_t codes[COUNT];
    float scales[CHANNELS];
    int failures;
} worker;

static pthread_barrier_t start;

static lq_status quantize(worker *w) {
    const lq_tensor x = lq_matrix(w->input, LQ_F32, CHANNELS, LENGTH);
    const lq_tensor codes = lq_matrix(w->codes, LQ_S8, CHANNELS, LENGTH);
    const lq_tensor scales = lq_vector(w->scales, LQ_F32, CHANNELS);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_channel(0));
    const lq_status status = lq_calibrate(&x, &scheme, &scales, NULL, NULL);
    return status == LQ_OK ? lq_quantize(&x, &scheme, &scales, NULL, &codes, NULL) : status;
}

/* The next level of the machine after the one that is in use. */
static void change_level(void) {
    enum { MOST_LEVELS = 16 };
    lq_cpu level = lq_cpu_level();
    do {
        level = (level + 1) % MOST_LEVELS;
    } while (lq_cpu_use(level) != LQ_OK);
}

static void *work(void *argument) {
    worker *const w = argument;
    pthread_barrier_wait(&start);
    for (int round = 0; round < w->rounds; ++round) {
        if (w->number == 0 && round > 0) change_level();
        memset(w->codes, 0, sizeof w->codes);
        w->failures += quantize(w) != LQ_OK;
    }
    return NULL;
}

static void fill(worker *w, int number) {
    memset(w, 0, sizeof *w);
    w->number = number;
    w->rounds = ROUNDS;
    for (int i = 0; i < COUNT; ++i) {
        w->input[i] = (float)((i * 37 + number * 101) % 255 - 127) / 16.0f;
    }
}

int main(void) {
    static worker workers[THREADS], alone;
    int failures = 0;
    if (pthread_barrier_init(&start, NULL, THREADS) != 0) return 2;
    for (int i = 0; i < THREADS; ++i) {
        fill(&workers[i], i);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 2;
    }
    for (int i = 0; i < THREADS; ++i) {
        pthread_join(workers[i].thread, NULL);
        fill(&alone, i);
        failures += workers[i].failures + (quantize(&alone) != LQ_OK);
        failures += memcmp(alone.codes, workers[i].codes, sizeof alone.codes) != 0;
        failures += memcmp(alone.scales, workers[i].scales, sizeof alone.scales) != 0;
    }
    pthread_barrier_destroy(&start);
    printf("%d threads, %d calls each: %d failures\n", THREADS, ROUNDS, failures);
    return failures != 0;
}
