/* Finding conformance vectors: every .safetensors file below a directory, opened. */
#ifndef VECTOR_FILES_H
#define VECTOR_FILES_H

#include "tensor_file.h"

/* Each path of such a file, in the order of names; returns 0 where the directory cannot be read. */
typedef void path_fn(const char *path, void *context);
int vector_paths_each(const char *directory, path_fn *visit, void *context);

/* `meta` is the JSON object that a file has as a string under __metadata__.meta. */
typedef void vector_fn(const char *path, tf_file *file, const cJSON *meta, void *context);

/* The same with the files opened; one that cannot be read fails the test. */
int vectors_each(const char *path, vector_fn *visit, void *context);

/* NULL where there is no text of that key. */
const char *vectors_text(const cJSON *object, const char *key);

#endif
