/*
 * Formats of other software: a matrix of weights as the tensors that such a file has for it. A
 * format is a row in formats.c; what its tensors hold is made and read here, by lq_encode and
 * lq_decode.
 */
#ifndef PACKING_H
#define PACKING_H

#include <cjson/cJSON.h>

#include "libquant.h"
#include "tensor_file.h"

typedef enum part_kind {
    PART_CODES,
    PART_SCALE,
    PART_ZERO,   /* zero points, packed */
    PART_FACTOR, /* F32: the scale of the whole tensor */
    PART_INDEX,  /* I32: the group of each column */
    PART_SHAPE,  /* I64: the tensor's */
    PART_TABLE,  /* F32: the values of the codes */
    PART_STATE   /* U8: JSON, as bitsandbytes has it */
} part_kind;

/* A tensor in a file. */
typedef struct part {
    part_kind kind;
    char *name;
    const char *dtype;
    int32_t rank;
    int64_t shape[TF_MAX_RANK];
    int64_t size;
} part;

enum { MOST_PARTS = 4 };

typedef struct packing packing;

typedef struct weight_format {
    const char *name;
    const char *holds; /* what it writes, and who reads it, for the help */
    lq_layout layout;
    int32_t file_type; /* GGUF's number of such files; -1: .safetensors */
    int32_t bits;
    int64_t block;      /* elements that share a scale; 0 is the row */
    lq_type code_type;  /* as the next ones, not of records */
    lq_type scale_type; /* 0: that of the tensor */
    lq_profile profile; /* -1: none */
    lq_mapping mapping;
    /* Which of these may be chosen. */
    unsigned char any_block, any_mapping, any_scale;
    int32_t any_bits; /* 1 << bits for each */
    /* Adds the tensors' parts; NULL, or why such a tensor cannot be. */
    const char *(*plan)(packing *p, const char *name);
    /* Describes the file to those who read the format: the members of `quantization_config`. */
    int (*configure)(const packing *p, cJSON *config);
} weight_format;

/* What the command line or a description chooses; 0 and a mapping of -1 stand for the format's. */
typedef struct packing_choice {
    const weight_format *format;
    lq_mapping mapping;
    lq_type scale_type;
    int32_t bits;
    int64_t block;
} packing_choice;

/* One tensor in a format. */
struct packing {
    const weight_format *format;
    int32_t rank;
    int64_t shape[TF_MAX_RANK];
    lq_type real; /* the type of its values */
    int64_t rows, columns, blocks;
    packing_choice chosen; /* all of it */
    lq_scheme scheme;      /* struct_size 0: the layout's own */
    int scale_transposed;
    char state[512];
    char fault[128]; /* why the format does not hold it, where there are figures in that */
    int ragged;      /* for its rows are no whole number of blocks */
    part parts[MOST_PARTS];
    int count;
};

/* A format by its place in the list, by name and file, and of GGUF by the dtype; else NULL. */
const weight_format *format_at(size_t index);
const weight_format *format_find(const char *name, int is_gguf);
const weight_format *format_of_dtype(const char *dtype);

/* Bits for each weight in the long run. */
double format_bits(const weight_format *f);

/* Plans a tensor. NULL, or why the format does not hold it. packing_free takes what failed, too. */
const char *packing_plan(packing *p, const packing_choice *choice, const char *name, lq_type real,
                         int32_t rank, const int64_t *shape);
void packing_free(packing *p);

/* Bytes of all parts. */
int64_t packing_bytes(const packing *p);

/*
 * Rows of the matrix that are encoded and decoded on their own, a piece of some MB, or all of them
 * where the format does not go by rows.
 */
int64_t packing_piece(const packing *p);

/* Where the rows from `row` on begin in parts that hold all of them; a piece begins there. */
void packing_at(const packing *p, const void *const all[MOST_PARTS], int64_t row,
                const void *at[MOST_PARTS]);

/*
 * Values in memory to the parts of `rows` rows from `first` on, each part's buffer beginning with
 * them, and back. `x` is of any real type; decoded values are of the packing's. Parts of other
 * kinds than codes are whole.
 */
lq_status packing_encode(const packing *p, const void *x, lq_type type, int64_t rows,
                         void *const buffers[MOST_PARTS]);
lq_status packing_decode(const packing *p, const void *const buffers[MOST_PARTS], int64_t rows,
                         void *x);

/* NULL, or what is wrong with parts that say how others are to be read. */
const char *packing_check(const packing *p, const void *const buffers[MOST_PARTS]);

/* "gptq, 4 bits, affine, blocks of 128, f16 scales (was F32)" */
void packing_summary(const packing *p, char *out, size_t size);

/* For formats.c: another part, called `stem` and `suffix`. Shapes of up to two dimensions. */
void packing_add(packing *p, part_kind kind, const char *stem, const char *suffix,
                 const char *dtype, int32_t rank, int64_t rows, int64_t columns);

#endif
