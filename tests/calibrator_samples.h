/*
 * Calibrators to be stored, and what is done with bytes that may be one: they are refused with
 * nothing written, or taken for exactly what they are.
 */
#ifndef CALIBRATOR_SAMPLES_H
#define CALIBRATOR_SAMPLES_H

#include "calibrator_states.h"
#include "guarded.h"

/* What a sample has seen. */
enum { NOTHING, NANS, INFINITIES, ZEROS, FEW, MANY, EXTREMES, SATURATED, CONTENTS };

enum { SAMPLE_CHANNELS = 3 };

typedef struct sample {
    lq_calibrator_options options;
    struct state state; /* what should be in the calibrator */
    lq_calibrator *calibrator;
    size_t size;
    struct state_bytes bytes;
} sample;

sample new_sample(lq_statistic statistic, int k, bool sums, bool per_channel, int content);
void free_sample(sample *s);

/* Small ones of all kinds. */
typedef struct sample_kind {
    lq_statistic statistic;
    int k;
    bool sums, per_channel;
    int content;
} sample_kind;
enum { SMALL_SAMPLES = 12 };
extern const sample_kind small_samples[SMALL_SAMPLES];
sample small_sample(int i);

/* That a calibrator is stored as these bytes. */
void assert_bytes(const lq_calibrator *c, const unsigned char *bytes, size_t size);

/* That every question has a sound answer. The two methods that search take long. */
void ask_everything(const lq_calibrator *c, bool search);

/* Memory for bytes before a page that cannot be read, and for what is made of them. */
typedef struct bench {
    guarded room;
    unsigned char *target, *before;
    size_t size; /* of the target */
    int64_t refused, taken;
} bench;

bench new_bench(size_t bytes, size_t target);
void free_bench(bench *b);

/* Moves the bytes to the end of the room, and checks what becomes of them. */
lq_status offer(bench *b, const unsigned char *bytes, size_t size, bool search);

/* That it is one of those that bytes are refused by. */
void assert_bad(lq_status status);

#endif
