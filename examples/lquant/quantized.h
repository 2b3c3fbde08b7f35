/*
 * A quantized tensor as a file holds it: codes under the tensor's own name, scales under
 * NAME_scale, zero points under NAME_zero_point, and an entry in the JSON text
 * under the key `libquant` of the file's metadata:
 *
 *   {"version": 1, "tensors": [
 *     {"name": "w", "dtype": "F32", "shape": [64, 172], "codes": "s4", "mapping": "affine",
 *      "granularity": "per_block", "axis": -1, "block": 32, "scale": "f16"}]}
 *
 * "axis" is there per channel and per block, "block" per block.
 *
 * Or in a format of other software (packing.h), under its names:
 *
 *     {"name": "w", "dtype": "F32", "shape": [64, 128], "format": "gptq", "bits": 4, "block": 128,
 *      "mapping": "symmetric", "scale": "f16"}
 *
 * GGUF files need no description: types say all.
 */
#ifndef QUANTIZED_H
#define QUANTIZED_H

#include "lquant.h"
#include "packing.h"

#define METADATA_KEY "libquant"

/* What readers of the format go by, as their config.json has it. */
#define CONFIG_KEY "quantization_config"

typedef struct quantized {
    char *name;
    char *scale_name;
    char *zero_point_name;
    lq_type real; /* the original type */
    lq_type scale_type;
    lq_type zero_point_type; /* 0: none are stored_tensor */
    lq_scheme scheme;
    int32_t rank;
    int64_t shape[TF_MAX_RANK];
    int64_t grid[TF_MAX_RANK];
    int64_t elements;
    int64_t blocks;
    packing *packing; /* NULL: not of a format; else only name, real, rank, shape, elements count */
} quantized;

/* Bytes that the parts of it take in a file. */
int64_t codes_bytes(const quantized *q);
int64_t scale_bytes(const quantized *q);
int64_t zero_point_bytes(const quantized *q);

/*
 * Fills in what follows from name, real, scale_type, scheme, rank and shape. Returns NULL,
 * or why such a tensor cannot be.
 */
const char *quantized_plan(quantized *q, const char *name);

/* The same by a format. */
const char *quantized_plan_packing(quantized *q, const packing_choice *choice, const char *name);
void quantized_free(quantized *q);

/* How its codes are declared in a file: dtype, rank and shape. */
void codes_layout(const quantized *q, const char **dtype, int32_t *rank,
                  int64_t shape[TF_MAX_RANK]);
const char *scale_dtype(const quantized *q);
const char *zero_point_dtype(const quantized *q);

/* Views of memory that holds its parts, and of its values in the original type. */
lq_tensor codes_view(const quantized *q, const void *data);
lq_tensor scale_view(const quantized *q, const void *data);
lq_tensor zero_point_view(const quantized *q, const void *data);
lq_tensor real_view(const quantized *q, const void *data);

/* Bytes of all that is stored of it. */
int64_t stored_bytes(const quantized *q);

/* What it is called in tables: the type of its codes, or its format. */
const char *quantized_type(const quantized *q);

/* "s4 affine, blocks of 32 on axis -1, f16 scales"; at most `size` bytes. */
void quantized_summary(const quantized *q, char *out, size_t size);

/*
 * The metadata of a file with `items` quantized: `old` (or NULL) and the key `libquant`, with a
 * format also what its readers go by.
 */
cJSON *quantized_metadata(const cJSON *old, const quantized *items, size_t count);

/* ------------------------------------------------- the quantized tensors of a file */

enum { ROLE_PLAIN = 0, ROLE_CODES, ROLE_PARAMETER };

typedef struct stored_tensor {
    quantized q;
    const void *codes, *scale, *zero_point; /* zero_point is NULL where there is none */
    const void *parts[MOST_PARTS];          /* of a packing, in place of these */
    const tf_tensor *t;                     /* its codes */
} stored_tensor;

typedef struct quantized_set {
    int described;        /* the file has a description, of whatever */
    stored_tensor *items; /* sorted by name */
    size_t count;         /* of them */
    unsigned char *role;  /* of each tensor of the file, in its order */
    size_t *item_of;      /* of codes, likewise: 1 + the place among items */
} quantized_set;

/* Reads and checks a file's description. Returns 0, or EXIT_FAULT with the fault said. */
int quantized_load(quantized_set *set, const tf_file *file, const char *path);
void quantized_unload(quantized_set *set);
const stored_tensor *quantized_find(const quantized_set *set, const char *name);

/* That whose codes are the file's tensor of this index, or NULL. */
const stored_tensor *quantized_at(const quantized_set *set, size_t index);

/* Its values in the original type, in memory to be freed; NULL with the fault said. */
void *quantized_values(const stored_tensor *item, const char *path);

#endif
