/* A directory of a test's own, and files in it. Failures end the test program. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <stddef.h>

enum { SCRATCH_PATH = 512 };

/* Creates the directory; scratch_end removes it with all that it holds. */
void scratch_begin(void);
void scratch_end(void);

/* The path of a file in it, in one of some static buffers that take turns. */
const char *scratch_path(const char *name);

/* Writes a file there; returns its path. */
const char *scratch_write(const char *name, const void *data, size_t size);

/* Puts floats into bytes as files have them, low byte first. */
void scratch_floats(void *to, const float *from, size_t count);

/* A .safetensors file of this header text and `size` bytes of data (NULL: zeros). */
const char *scratch_safetensors(const char *name, const char *header, const void *data,
                                size_t size);

/* The whole of a file, and a NUL behind it, to be freed; NULL where there is none. */
char *scratch_read(const char *path, size_t *size);

/* How many files, of whatever name, the directory holds. */
int scratch_count(void);

void scratch_remove(const char *name);

#endif
