/* What tensor_file.c and the parsers of its formats share; no part of the interface. */
#ifndef TENSOR_FORMAT_H
#define TENSOR_FORMAT_H

#include "tensor_file.h"

/* Each fills file->tensors and count from the mapped file. 0, or -1 with `fault` written. */
int tf_parse_safetensors(tf_file *file, char *fault, size_t fault_size);
int tf_parse_npy(tf_file *file, const char *path, char *fault, size_t fault_size);
int tf_parse_gguf(tf_file *file, char *fault, size_t fault_size);

/*
 * Sorts the tensors by their data, and checks that they tile the `size` bytes at `data`, each at
 * the next multiple of `alignment` behind the one before; the last one may be padded.
 */
int tf_lay_out(tf_file *file, const void *data, int64_t size, int64_t alignment, char *fault,
               size_t fault_size);

/* The official reader's limit, which keeps a damaged length from looking like a header. */
#define TF_MAX_HEADER 100000000u

/* The lasting spelling of a dtype, or NULL for an unknown one. */
const char *tf_known_dtype(const char *dtype);

#define TF_NPY_MAGIC "\x93NUMPY"

#endif
