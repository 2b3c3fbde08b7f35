/* What the parts of lquant share. */
#ifndef LQUANT_H
#define LQUANT_H

#include <stddef.h>
#include <stdint.h>

#include "libquant.h"
#include "tensor_file.h"
#include "tensor_writer.h"

enum { EXIT_FAULT = 1, EXIT_USAGE = 2, MESSAGE_SIZE = 5120, MOST_METHODS = 16 };

/* Texts that are not given are NULL, numbers 0. */
typedef struct lquant_options {
    char **files; /* all of them */
    int file_count;
    const char *in;     /* the first; compare: A; inspect: the file */
    const char *out;    /* the second, or that of -o */
    const char *only;   /* a glob */
    const char *report; /* a path, as the next four */
    const char *calibration;
    const char *state;
    const char *json;
    const char *plot;
    const char *name;   /* of the tensor that .npy files are batches of */
    const char *format; /* of other software */
    lq_mapping mapping;
    lq_type code_type;
    lq_type scale_type;
    lq_block block;
    int block_given, type_given, mapping_given, scale_given;
    int32_t bits; /* of a format that leaves a choice */
    lq_method methods[MOST_METHODS];
    int method_count;
    double percentile, deviations;
    int mantissa_bits, bin_sums;
} lquant_options;

typedef struct lquant_command {
    const char *name;
    int least_files, most_files;
    const char *allowed; /* the options it takes, each as " --name " */
    const char *help;
    void (*more_help)(void); /* NULL, or prints what follows it */
    int (*run)(const lquant_options *options);
} lquant_command;

/* 0, or EXIT_USAGE with the fault said on stderr. `argv` begins behind the command's name. */
int parse_options(int argc, char **argv, const lquant_command *command, lquant_options *options);

/* The commands; each returns an exit status, and has said on stderr what failed. */
int run_inspect(const lquant_options *options);
int run_quantize(const lquant_options *options);
int run_dequantize(const lquant_options *options);
int run_compare(const lquant_options *options);
int run_calibrate(const lquant_options *options);
int run_merge(const lquant_options *options);

/* Whether calibrators with a histogram, which are all that lquant makes, serve this method. */
int method_applies(lq_method method);

/* Prints "lquant: " and the message on stderr, safe to show; returns EXIT_FAULT. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
int fail(const char *format, ...);

/* The same about the command line; returns EXIT_USAGE. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
int fail_usage(const char *format, ...);

/* fail() about one tensor of a file. */
int fail_tensor(const char *path, const char *name, const char *fault);

/*
 * tf_open for an input of this run, which the messages about lacking memory and changed inputs name
 * from then on. NULL with the fault said.
 */
tf_file *open_input(const char *path);

/* tf_close for the only input that is open, which no message names any longer. */
void close_input(tf_file *file);

/* Says on stderr that an input changed under its mapping. Safe in a signal handler. */
void say_input_changed(void);

/* `pointer`, or the end of the program where it is NULL: memory has run out. */
void *need(void *pointer);

/* malloc for `size` bytes of a tensor, at least one; what memory does not hold ends the program. */
void *need_bytes(int64_t size);

/* The real type of a dtype, or 0 where libquant does not quantize it; and the way back. */
lq_type real_type(const char *dtype);
const char *real_dtype(lq_type type);

/* "64x172", "scalar"; `out` has SHAPE_SIZE bytes. */
enum { SHAPE_SIZE = 21 * TF_MAX_RANK };
char *shape_text(int32_t rank, const int64_t *shape, char *out);

/* The metadata of a file, to be deleted; of GGUF those pairs that are no arrays. */
cJSON *metadata_of(const tf_file *file);

/* Whether both paths are one file, or would be once it is written. */
int same_file(const char *a, const char *b);

/*
 * 0, or EXIT_USAGE where a path has a suffix that says another format than .safetensors, which is
 * what `command` writes there. What begins with a digit is no suffix: "model-1.5b".
 */
int refuse_suffix(const char *command, const char *path);

/* Copies a tensor's data to the output in pieces, moving the progress bar. */
int copy_tensor(tw_writer *w, const tf_tensor *t);

/* Flushes stdout; EXIT_FAULT where what was printed did not arrive. */
int finish_output(void);

#endif
