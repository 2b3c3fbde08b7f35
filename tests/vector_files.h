/* Finding conformance vectors: every .safetensors file below a directory, opened. */
#ifndef VECTOR_FILES_H
#define VECTOR_FILES_H

#include "tensor_file.h"

/* `meta` is the JSON object that a file has as a string under __metadata__.meta. */
typedef void vector_fn(const char *path, tf_file *file, const cJSON *meta, void *context);

/* In the order of names; returns 0 where the directory cannot be read. */
int vectors_each(const char *path, vector_fn *visit, void *context);

/* NULL where there is no text of that key. */
const char *vectors_text(const cJSON *object, const char *key);

#endif
