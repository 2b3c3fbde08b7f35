/* What is calibrated on: the real tensors of files, or batches that are made up. */
#ifndef BATCHES_H
#define BATCHES_H

#include <libquant.h>

#include "tensor_file.h"

/* The values of one tensor in one batch. Batches of one name belong to one tensor. */
typedef struct batch {
    const char *name;
    lq_type type;
    int64_t elements;
    const void *data; /* in a mapped file; NULL: made up */
} batch;

typedef struct batches {
    batch *list;
    int count;
    /* Private. */
    tf_file **files;
    int file_count;
} batches;

/* Without paths, batches are made up. 0, or -1 with a message. */
int batches_open(batches *all, char **paths, int count, char *message, size_t message_size);

void batches_close(batches *all);

/* Elements [first, first + n) of a batch. Made-up ones are put into `room`. */
lq_tensor batch_values(const batch *b, int64_t first, int64_t n, float *room);

#endif
