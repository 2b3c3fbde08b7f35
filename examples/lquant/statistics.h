/*
 * Calibrators by name, and the file that keeps them: a .safetensors file with the bytes of
 * lq_calibrator_serialize of each as a U8 tensor of its name, in the order of names, and the version
 * under a key of the metadata. So the same values make the same file.
 */
#ifndef STATISTICS_H
#define STATISTICS_H

#include "lquant.h"

#define STATE_KEY "libquant_calibration"

typedef struct statistic {
    char *name;
    lq_calibrator_options options;
    unsigned char *bytes; /* serialized */
    size_t size;
} statistic;

/* Calibrators rest as bytes, which take little memory; one at a time is at work. */
typedef struct statistics {
    statistic *items; /* sorted by name */
    size_t count, capacity;
    lq_calibrator *working;
    size_t working_size;
    size_t working_index; /* whose calibrator it is: 1 + index, or 0 */
    int changed;          /* and whether its bytes are older */
} statistics;

/* Whether the file is, or claims to be, a state. */
int is_state(const tf_file *file);

/*
 * Adds what a state file holds, merging where a name is there already. Returns 0, or EXIT_FAULT with
 * the fault said. Everything in the file has been checked then.
 */
int statistics_load(statistics *s, const char *path);

/* A state file, complete under its temporary name: to be finished. NULL with the fault said. */
tw_writer *statistics_write(statistics *s, const char *path, char *message, size_t message_size);

void statistics_free(statistics *s);

/* NULL where there is none of that name. */
const statistic *statistics_find(const statistics *s, const char *name);

/*
 * An empty calibrator of that name, which must be new: its item moves others'. NULL with the fault
 * said about the input at `path`.
 */
const statistic *statistics_add(statistics *s, const char *name,
                                const lq_calibrator_options *options, const char *path);

/* The calibrator, good until the next call. */
const lq_calibrator *statistics_read(statistics *s, const statistic *item);
lq_calibrator *statistics_change(statistics *s, const statistic *item);

#endif
