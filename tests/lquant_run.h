/* Running lquant, whose path is in the environment as LQUANT, and files for it. */
#ifndef LQUANT_RUN_H
#define LQUANT_RUN_H

#include <stddef.h>

#include "tensor_file.h"

enum { RUN_ARGUMENTS = 24 };

typedef struct run_result {
    int status; /* exit status; 128 + the signal that ended it */
    char out[1 << 16];
    char err[1 << 14];
} run_result;

/* Runs it with these arguments, up to a NULL; the result is static and good until the next run. */
const run_result *run_lquant(const char *const *arguments);

/* Writes stdout or stderr to these descriptors instead of catching it, where they are not -1. */
const run_result *run_lquant_to(const char *const *arguments, int out, int err);

/* run_lquant for arguments in one string, separated by spaces. */
const run_result *run_line(const char *line);

/* A line for run_line as printf makes it; static, in two buffers that take turns. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
const char *
line_of(const char *format, ...);

/* Fails the test unless the run succeeds. */
const run_result *must_run(const char *line);

/*
 * Fails the test unless the run ends with this status and a message "lquant: ..." that
 * contains both texts, and leaves no file more or less in the scratch directory.
 */
void must_fail(const char *line, int status, const char *names, const char *says);

/* A file of tensors, and a file of JSON. Fail the test where they cannot be read. */
tf_file *must_open(const char *path);
cJSON *must_parse(const char *path);

/* An entry of a .safetensors header, of string literals. */
#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

/*
 * Writes the test's own samples: every kind of tensor, and one without values that
 * are not finite. Both paths are static.
 */
const char *sample_mixed(void);
const char *sample_plain(void);

/* The paths of all *.safetensors of the directory in LQ_WEIGHTS, sorted; the count of them. */
size_t weight_files(char ***paths);

#endif
