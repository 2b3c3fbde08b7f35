/* Writing .safetensors: the header. */
#include <string.h>

#include "json.h"
#include "tensor_format.h"
#include "writer.h"

static int describe(cJSON *header, const declared *t) {
    cJSON *item = cJSON_AddObjectToObject(header, t->name);
    cJSON *shape, *offsets;
    int failed = !item || !cJSON_AddStringToObject(item, "dtype", t->dtype);
    shape = failed ? NULL : cJSON_AddArrayToObject(item, "shape");
    offsets = shape ? cJSON_AddArrayToObject(item, "data_offsets") : NULL;
    if (!offsets) return -1;
    for (int32_t i = 0; i < t->rank; ++i) failed |= json_append_integer(shape, t->shape[i]);
    failed |= json_append_integer(offsets, t->begin);
    failed |= json_append_integer(offsets, t->begin + t->size);
    return failed ? -1 : 0;
}

/* The header's text, or NULL where memory ran out. */
static char *header_text(const tw_writer *w, const cJSON *metadata) {
    cJSON *header = cJSON_CreateObject();
    char *text = NULL;
    int failed = !header;
    if (!failed && metadata && metadata->child) {
        cJSON *copy = cJSON_Duplicate(metadata, 1);
        failed = !copy || !cJSON_AddItemToObject(header, "__metadata__", copy);
    }
    for (size_t i = 0; i < w->count && !failed; ++i) {
        failed = describe(header, &w->tensors[i]) != 0;
    }
    if (!failed) text = cJSON_PrintUnformatted(header);
    cJSON_Delete(header);
    return text;
}

static int write_header(tw_writer *w, const cJSON *metadata) {
    unsigned char prefix[8];
    char *text = header_text(w, metadata);
    size_t length, padding;
    int failed;
    if (!text) return tw_fail(w, "out of memory", NULL);
    length = strlen(text);
    padding = (8 - length % 8) % 8; /* so the data begins at a multiple of 8 */
    if (length + padding > TF_MAX_HEADER) {
        cJSON_free(text);
        return tw_fail(w, "the header would be above 100 MB, which no reader accepts", NULL);
    }
    for (int i = 0; i < 8; ++i) prefix[i] = (unsigned char)((uint64_t)(length + padding) >> 8 * i);
    failed = tw_put(w, prefix, sizeof prefix) != 0 || tw_put(w, text, length) != 0 ||
             tw_put(w, "        ", padding) != 0;
    cJSON_free(text);
    w->file_size = 8 + (int64_t)(length + padding);
    return failed ? -1 : 0;
}

static const char *refuses(const char *name, const char *dtype, int32_t rank,
                           const int64_t *shape) {
    (void)shape;
    (void)rank;
    if (strcmp(name, "__metadata__") == 0) return "has a reserved name";
    return tf_known_dtype(dtype) ? NULL : "has a type that .safetensors files cannot hold";
}

const writer_format safetensors_format = {1, refuses, write_header};
