/*
 * Writing .safetensors and .gguf: aside, under a temporary name in the same directory, and renamed
 * when everything is on disk. So the final name never holds half a file, and
 * writing to a file that is still mapped as input is safe.
 *
 *     tw_writer *w = tw_create(path, message, sizeof message);
 *     tw_add(w, "weight", "F32", 2, shape, size);
 *     tw_begin(w, NULL);
 *     tw_write(w, data, size);
 *     tw_finish(w);
 *
 * After a failure each call does nothing and fails again, so only tw_finish's result
 * needs a look. tw_finish and tw_abort free the writer.
 */
#ifndef TENSOR_WRITER_H
#define TENSOR_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "tensor_file.h"

typedef struct tw_writer tw_writer;

/*
 * NULL on failure. `message` is kept: whichever call fails first says file and fault
 * there. All functions below return 0, or -1 on failure, and take NULL as a failure.
 */
tw_writer *tw_create(const char *path, char *message, size_t message_size);

/* The same for a GGUF file, version 3, its data aligned to 32 bytes. */
tw_writer *tw_create_gguf(const char *path, char *message, size_t message_size);

/*
 * GGUF's pairs, before tw_begin. The key is copied; the value must stay until then. The alignment
 * of another file is passed over.
 */
int tw_pair(tw_writer *w, const tf_pair *pair);
int tw_pair_text(tw_writer *w, const char *key, const char *text);
int tw_pair_u32(tw_writer *w, const char *key, uint32_t number);

/*
 * Declares the next tensor; all of them come before tw_begin. `size` is its bytes. The name
 * is copied, the dtype must outlive the writer. GGUF files hold names of up to 63 bytes, up to 4
 * dimensions, none of them 0, and not every dtype.
 */
int tw_add(tw_writer *w, const char *name, const char *dtype, int32_t rank, const int64_t *shape,
           int64_t size);

/*
 * Writes the header. `metadata` is an object of strings, or NULL, as it is for GGUF. Refuses
 * duplicate names and keys, and for .safetensors a header above the readers' limit of 100,000,000
 * bytes, before it writes anything.
 */
int tw_begin(tw_writer *w, const cJSON *metadata);

/* The next bytes of the tensors' data, in the order of tw_add: whole elements of one tensor. Padding is
 * the writer's affair. */
int tw_write(tw_writer *w, const void *data, size_t size);

/* Brings all of it to disk, still under the temporary name. tw_finish does this where needed. */
int tw_prepare(tw_writer *w);

int tw_finish(tw_writer *w);
void tw_abort(tw_writer *w);

/* The size of the whole file; valid after tw_begin. */
int64_t tw_file_size(const tw_writer *w);

#endif
