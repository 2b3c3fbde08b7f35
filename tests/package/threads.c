/* Two threads that are the first to use the library, at once. */
#define _POSIX_C_SOURCE 200809L
#include <libquant.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 100 };

typedef struct worker {
    pthread_t thread;
    lq_status status;
    int8_t codes[COUNT];
} worker;

static pthread_barrier_t start;
static float values[COUNT];

static void *work(void *argument) {
    worker *w = argument;
    float scale;
    const lq_tensor x = lq_vector(values, LQ_F32, COUNT);
    const lq_tensor q = lq_vector(w->codes, LQ_S8, COUNT);
    const lq_tensor s = lq_vector(&scale, LQ_F32, 1);
    const lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_tensor());
    pthread_barrier_wait(&start);
    w->status = lq_quantize_dynamic(&x, &scheme, &q, &s, NULL, NULL);
    return NULL;
}

int main(void) {
    static worker workers[2];
    for (int i = 0; i < COUNT; ++i) values[i] = (float)(i * 5 % 251 - 125);
    if (pthread_barrier_init(&start, NULL, 2) != 0) return 1;
    for (int i = 0; i < 2; ++i)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 1;
    for (int i = 0; i < 2; ++i)
        if (pthread_join(workers[i].thread, NULL) != 0 || workers[i].status != LQ_OK) return 1;
    return memcmp(workers[0].codes, workers[1].codes, COUNT) != 0;
}
