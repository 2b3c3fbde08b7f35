/*
 * A file that is written under a temporary name beside its final one, and renamed at the end.
 */
#ifndef ASIDE_H
#define ASIDE_H

#include <stddef.h>

typedef struct aside aside;

/*
 * NULL on failure. `message` is kept: a failure of any of these functions says file and
 * fault there. They return 0, or -1 on failure.
 */
aside *aside_open(const char *path, char *message, size_t message_size);
int aside_write(aside *file, const void *data, size_t size);

/* Brings the data to disk and closes; only aside_commit or aside_abort may follow. */
int aside_prepare(aside *file);

/* Prepares where that has not been done, renames, and frees. On failure the temporary is gone. */
int aside_commit(aside *file);

/* Removes the temporary and frees; NULL is nothing to do. */
void aside_abort(aside *file);

/* Removes the temporaries of all open files. Safe in a signal handler. */
void aside_remove_all(void);

#endif
