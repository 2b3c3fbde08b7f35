#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "quantized.h"
#include "report.h"

static void declare(tw_writer *w, const tf_file *file, const quantized_set *set) {
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        if (set->role[i] == ROLE_CODES) {
            const quantized *q = &quantized_find(set, t->name)->q;
            tw_add(w, q->name, real_dtype(q->real), q->rank, q->shape, real_view(q, NULL).size);
        } else if (set->role[i] == ROLE_PLAIN) {
            tw_add(w, t->name, t->dtype, t->rank, t->shape, t->size);
        }
    }
}

/* 0, -1 where the writer failed and holds the message, or EXIT_FAULT with the fault said. */
static int write_tensors(tw_writer *w, const tf_file *file, const quantized_set *set,
                         const char *path) {
    progress_begin(file->bytes);
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        if (set->role[i] == ROLE_CODES) {
            const stored_tensor *item = quantized_find(set, t->name);
            void *values = quantized_values(item, path);
            int failed;
            if (!values) return EXIT_FAULT;
            failed = tw_write(w, values, (size_t)real_view(&item->q, NULL).size);
            free(values);
            if (failed) return -1;
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
    cJSON *metadata = need(cJSON_Duplicate(file->metadata, 1));
    tw_writer *w = tw_create(o->out, message, sizeof message);
    int status = w ? 0 : -1;
    cJSON_DeleteItemFromObjectCaseSensitive(metadata, METADATA_KEY);
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

int run_dequantize(const lquant_options *o) {
    quantized_set set;
    tf_file *file = open_input(o->in);
    int status;
    if (!file) return EXIT_FAULT;
    status = quantized_load(&set, file, o->in);
    if (!status && !set.described)
        status =
            fail("%s: was not written by 'lquant quantize': its metadata has no '" METADATA_KEY "'",
                 o->in);
    else if (!status)
        status = write_file(file, &set, o);
    quantized_unload(&set);
    tf_close(file);
    return status;
}
