/* 'lquant quantize --format': what may be chosen with a format, and writing tensors in one. */
#define _POSIX_C_SOURCE 200809L
#include "quantize_packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf.h"

static int is_gguf_name(const char *path) {
    const size_t length = strlen(path), suffix = strlen(".gguf");
    return length > suffix && strcmp(path + length - suffix, ".gguf") == 0;
}

static int fail_format(const weight_format *f, const char *what) {
    return fail_usage("the format %s %s; see 'lquant help quantize'", f->name, what);
}

static int find_format(const lquant_options *o, packing_choice *choice) {
    const int gguf = is_gguf_name(o->out);
    choice->format = format_find(o->format, gguf);
    if (choice->format) return 0;
    if (!format_find(o->format, !gguf))
        return fail_usage("no format '%s'; see 'lquant help quantize'", o->format);
    return gguf ? fail_usage("%s: the format %s is not one of GGUF's; let OUT end in .safetensors",
                             o->out, o->format)
                : fail_usage("%s: the format %s is one of GGUF's; let OUT end in .gguf", o->out,
                             o->format);
}

static int choose_mapping(const lquant_options *o, packing_choice *choice) {
    const weight_format *f = choice->format;
    const int affine = f->mapping == LQ_AFFINE;
    if (o->mapping_given && f->file_type >= 0)
        return fail_format(f, "has a mapping of its own; leave out --affine and --symmetric");
    if (!o->mapping_given || (o->mapping == LQ_AFFINE) == affine) return 0;
    if (!f->any_mapping)
        return fail_format(f, affine ? "is affine; leave out --symmetric"
                                     : "is symmetric; leave out --affine");
    choice->mapping = LQ_AFFINE;
    return 0;
}

int choose_format(const lquant_options *o, packing_choice *choice) {
    const weight_format *f;
    memset(choice, 0, sizeof *choice);
    choice->mapping = -1;
    if (!o->format) {
        if (is_gguf_name(o->out))
            return fail_usage("%s: a .gguf file needs a --format; see 'lquant help quantize'",
                              o->out);
        return o->bits ? fail_usage("--bits needs --format; --type says the bits without")
                       : refuse_suffix("quantize", o->out);
    }
    if (find_format(o, choice) != 0) return EXIT_USAGE;
    if (!is_gguf_name(o->out) && refuse_suffix("quantize", o->out) != 0) return EXIT_USAGE;
    f = choice->format;
    if (o->type_given) return fail_format(f, "says the type of its codes; leave out --type");
    if (o->calibration) return fail_format(f, "takes its scales from the values, no --calibration");
    if (o->bits && o->bits != f->bits && !(f->any_bits >> o->bits & 1))
        return fail_format(f, "does not have so many --bits");
    if (o->block_given && (!f->any_block || o->block.granularity != LQ_PER_BLOCK ||
                           o->block.axis != -1 || o->block.extent[0] > INT32_MAX))
        return fail_format(f, f->any_block ? "takes --per-block=SIZE, and no other blocks"
                                           : "has blocks of its own; leave out --per-...");
    if (o->scale_given && !f->any_scale)
        return fail_format(f, "has scales of its own; leave out --scale");
    choice->bits = o->bits;
    if (o->block_given) choice->block = o->block.extent[0];
    if (o->scale_given) choice->scale_type = o->scale_type;
    return choose_mapping(o, choice);
}

/* ------------------------------------------------------------------------- files */

/* Keys that say how a file is quantized, which are written anew. */
static int is_replaced(const char *key) {
    return strcmp(key, "general.file_type") == 0 ||
           strcmp(key, "general.quantization_version") == 0;
}

void declare_pairs(tw_writer *w, const tf_file *file, const weight_format *f) {
    const cJSON *item;
    int has_architecture = 0;
    for (size_t i = 0; i < file->pair_count; ++i) {
        const tf_pair *pair = &file->pairs[i];
        has_architecture |= strcmp(pair->key, "general.architecture") == 0;
        if (!is_replaced(pair->key)) tw_pair(w, pair);
    }
    if (!has_architecture) tw_pair_text(w, "general.architecture", "unknown");
    tw_pair_u32(w, "general.quantization_version", 2);
    tw_pair_u32(w, "general.file_type", (uint32_t)f->file_type);
    cJSON_ArrayForEach(item, file->metadata) {
        static const char prefix[] = "safetensors.";
        const size_t length = strlen(item->string) + 1;
        char *key = need(malloc(sizeof prefix + length));
        memcpy(key, prefix, sizeof prefix - 1);
        memcpy(key + sizeof prefix - 1, item->string, length);
        tw_pair_text(w, key, item->valuestring);
        free(key);
    }
}

void declare_packing(tw_writer *w, const packing *p) {
    for (int i = 0; i < p->count; ++i) {
        const part *t = &p->parts[i];
        tw_add(w, t->name, t->dtype, t->rank, t->shape, t->size);
    }
}

/* ------------------------------------------------------------------------ tensors */

/* The bytes of a part that `rows` rows take, of codes and of all others. */
static int64_t part_bytes(const packing *p, int i, int64_t rows) {
    return rows == p->rows ? p->parts[i].size : p->parts[i].size / p->rows * rows;
}

/* 0, -1 where the writer failed and holds the message, or a status of the library. */
static lq_status write_piece(tw_writer *w, const packing *p, const void *x, lq_type type,
                             int64_t rows, void *const buffers[MOST_PARTS], error_sums *sums) {
    const void *parts[MOST_PARTS];
    lq_status status = packing_encode(p, x, type, rows, buffers);
    for (int i = 0; i < p->count; ++i) parts[i] = buffers[i];
    if (status == LQ_OK) status = measure_piece(sums, x, type, p, parts, rows);
    for (int i = 0; i < p->count && status == LQ_OK; ++i)
        if (tw_write(w, buffers[i], (size_t)part_bytes(p, i, rows)) != 0) status = -1;
    return status;
}

int write_packed(tw_writer *w, const char *path, const tf_tensor *t, const packing *p, figures *f) {
    const int64_t piece = packing_piece(p);
    const lq_type type = real_type(t->dtype);
    const int64_t row_bytes = t->size / p->rows;
    void *buffers[MOST_PARTS] = {0};
    error_sums sums = {0};
    lq_status status = LQ_OK;
    for (int i = 0; i < p->count; ++i) buffers[i] = need_bytes(part_bytes(p, i, piece));
    for (int64_t row = 0; row < p->rows && status == LQ_OK; row += piece) {
        const int64_t rows = p->rows - row < piece ? p->rows - row : piece;
        status =
            write_piece(w, p, (const char *)t->data + row * row_bytes, type, rows, buffers, &sums);
        progress_add(rows * row_bytes);
    }
    for (int i = 0; i < p->count; ++i) free(buffers[i]);
    measure_end(f, &sums);
    return status <= 0 ? status : fail_tensor(path, t->name, lq_status_string(status));
}
