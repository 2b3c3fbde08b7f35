#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantized.h"
#include "report.h"

static void declare(tw_writer *w, const tf_file *file, const quantized_set *set) {
    int64_t block, bytes;
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        if (set->role[i] == ROLE_CODES) {
            const quantized *q = &quantized_at(set, i)->q;
            tw_add(w, q->name, real_dtype(q->real), q->rank, q->shape, real_view(q, NULL).size);
        } else if (set->role[i] == ROLE_PLAIN) {
            /* What is left of GGUF's types of blocks has no elements. */
            const char *dtype = tf_block(t->dtype, &block, &bytes) ? "F32" : t->dtype;
            tw_add(w, t->name, dtype, t->rank, t->shape, t->size);
        }
    }
}

/* The values of a tensor, or of pieces of it. */
static int write_values(tw_writer *w, const stored_tensor *item, const char *path) {
    const packing *p = item->q.packing;
    const int64_t rows = p ? packing_piece(p) : 0;
    void *values;
    int failed = 0;
    if (!p || rows == p->rows) {
        values = quantized_values(item, path);
        if (!values) return EXIT_FAULT;
        failed = tw_write(w, values, (size_t)real_view(&item->q, NULL).size);
        free(values);
        return failed;
    }
    values = need_bytes(rows * p->columns * 4);
    for (int64_t row = 0; row < p->rows && !failed; row += rows) {
        const int64_t count = p->rows - row < rows ? p->rows - row : rows;
        const void *at[MOST_PARTS];
        packing_at(p, item->parts, row, at);
        const lq_status status = packing_decode(p, at, count, values);
        failed = status != LQ_OK
                     ? fail_tensor(path, item->q.name, lq_status_string(status))
                     : tw_write(w, values, (size_t)(count * p->columns * (p->real & 0xff) / 8));
    }
    free(values);
    return failed;
}

/* 0, -1 where the writer failed and holds the message, or EXIT_FAULT with the fault said. */
static int write_tensors(tw_writer *w, const tf_file *file, const quantized_set *set,
                         const char *path) {
    progress_begin(file->bytes);
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        if (set->role[i] == ROLE_CODES) {
            const int failed = write_values(w, quantized_at(set, i), path);
            if (failed) return failed;
            progress_add(t->size);
        } else if (set->role[i] == ROLE_PLAIN) {
            if (copy_tensor(w, t) != 0) return -1;
        }
    }
    progress_end();
    return 0;
}

static int write_file(const tf_file *file, const quantized_set *set, const lquant_options *o) {
    char message[MESSAGE_SIZE] = "";
    cJSON *metadata = metadata_of(file);
    tw_writer *w = tw_create(o->out, message, sizeof message);
    int status = w ? 0 : -1;
    cJSON_DeleteItemFromObjectCaseSensitive(metadata, METADATA_KEY);
    cJSON_DeleteItemFromObjectCaseSensitive(metadata, CONFIG_KEY);
    if (!status) {
        declare(w, file, set);
        status = tw_begin(w, metadata);
    }
    if (!status) status = write_tensors(w, file, set, o->in);
    if (status)
        tw_abort(w);
    else
        status = tw_finish(w);
    cJSON_Delete(metadata);
    return status < 0 ? fail("%s", message) : status;
}

/* GGUF has types that are listed and copied, but not decoded. */
static int refuse_types(const tf_file *file, const quantized_set *set, const lquant_options *o) {
    int64_t block, bytes;
    char what[96];
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        if (set->role[i] != ROLE_PLAIN || t->size == 0 || !tf_block(t->dtype, &block, &bytes))
            continue;
        snprintf(what, sizeof what, "is of the type %s, which lquant does not decode", t->dtype);
        return fail_tensor(o->in, t->name, what);
    }
    return 0;
}

int run_dequantize(const lquant_options *o) {
    quantized_set set;
    tf_file *file;
    int status = refuse_suffix("dequantize", o->out);
    if (status) return status;
    file = open_input(o->in);
    if (!file) return EXIT_FAULT;
    status = quantized_load(&set, file, o->in);
    if (!status) status = refuse_types(file, &set, o);
    if (!status && file->is_gguf && !set.described)
        status = fail("%s: holds no quantized tensors", o->in);
    else if (!status && !set.described)
        status =
            fail("%s: was not written by 'lquant quantize': its metadata has no '" METADATA_KEY "'",
                 o->in);
    else if (!status)
        status = write_file(file, &set, o);
    quantized_unload(&set);
    tf_close(file);
    return status;
}
