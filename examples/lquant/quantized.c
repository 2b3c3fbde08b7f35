#define _POSIX_C_SOURCE 200809L
#include "quantized.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static int bits_of(lq_type type) {
    return type & 0xff;
}

static int is_signed(lq_type code_type) {
    return code_type == LQ_S2 || code_type == LQ_S4 || code_type == LQ_S8 || code_type == LQ_S16;
}

/* One zero point is one element of at least a byte. */
static lq_type zero_point_type_for(lq_type code_type) {
    if (bits_of(code_type) >= 8) return code_type;
    return is_signed(code_type) ? LQ_S8 : LQ_U8;
}

static const char *integer_dtype(lq_type type) {
    switch (type) {
    case LQ_S8: return "I8";
    case LQ_S16: return "I16";
    case LQ_U16: return "U16";
    default: return "U8"; /* and the bytes that sub-byte codes are packed into */
    }
}

static char *joined(const char *name, const char *suffix) {
    const size_t length = strlen(name), more = strlen(suffix) + 1;
    char *text = need(malloc(length + more));
    memcpy(text, name, length);
    memcpy(text + length, suffix, more);
    return text;
}

int64_t codes_bytes(const quantized *q) {
    return codes_view(q, NULL).size;
}

int64_t scale_bytes(const quantized *q) {
    return q->blocks * (bits_of(q->scale_type) / 8);
}

int64_t zero_point_bytes(const quantized *q) {
    return q->blocks * (bits_of(q->zero_point_type) / 8);
}

const char *quantized_plan(quantized *q, const char *name) {
    const lq_tensor x = real_view(q, NULL);
    lq_status status;
    q->name = joined(name, "");
    q->scale_name = joined(name, "_scale");
    q->zero_point_name = joined(name, "_zero_point");
    if (x.size < 0) return "has a shape whose size overflows";
    status = lq_scheme_range(&q->scheme, NULL, NULL, NULL);
    if (status == LQ_OK) status = lq_grid_shape(&x, &q->scheme, q->grid, &q->blocks);
    if (status == LQ_ERROR_AXIS)
        return "does not have that axis; choose another one, or the tensors with --only";
    if (status != LQ_OK) return lq_status_string(status);
    q->elements = tf_elements(q->rank, q->shape);
    /* Only an empty tensor can have more blocks than elements, and then without a bound. */
    if (q->blocks > INT64_MAX / 16 || (q->elements == 0 && q->blocks > 1 << 20))
        return "is empty, but would need an absurd number of scales";
    q->zero_point_type =
        q->scheme.mapping == LQ_AFFINE ? zero_point_type_for(q->scheme.code_type) : 0;
    return NULL;
}

const char *quantized_plan_packing(quantized *q, const packing_choice *choice, const char *name) {
    q->name = joined(name, "");
    q->elements = tf_elements(q->rank, q->shape);
    q->packing = need(calloc(1, sizeof *q->packing));
    return packing_plan(q->packing, choice, name, q->real, q->rank, q->shape);
}

int64_t stored_bytes(const quantized *q) {
    return q->packing ? packing_bytes(q->packing)
                      : codes_bytes(q) + scale_bytes(q) + zero_point_bytes(q);
}

const char *quantized_type(const quantized *q) {
    return q->packing ? q->packing->format->name : lq_type_name(q->scheme.code_type);
}

void quantized_free(quantized *q) {
    if (q->packing) packing_free(q->packing);
    free(q->packing);
    free(q->name);
    free(q->scale_name);
    free(q->zero_point_name);
}

void codes_layout(const quantized *q, const char **dtype, int32_t *rank,
                  int64_t shape[TF_MAX_RANK]) {
    *dtype = integer_dtype(q->scheme.code_type);
    if (bits_of(q->scheme.code_type) >= 8) {
        *rank = q->rank;
        memcpy(shape, q->shape, sizeof q->shape);
    } else {
        *rank = 1;
        shape[0] = codes_bytes(q);
    }
}

const char *scale_dtype(const quantized *q) {
    return real_dtype(q->scale_type);
}

const char *zero_point_dtype(const quantized *q) {
    return integer_dtype(q->zero_point_type);
}

lq_tensor codes_view(const quantized *q, const void *data) {
    return lq_contiguous(data, q->scheme.code_type, q->rank, q->shape);
}

lq_tensor scale_view(const quantized *q, const void *data) {
    return lq_contiguous(data, q->scale_type, q->rank, q->grid);
}

lq_tensor zero_point_view(const quantized *q, const void *data) {
    return lq_contiguous(data, q->zero_point_type, q->rank, q->grid);
}

lq_tensor real_view(const quantized *q, const void *data) {
    return lq_contiguous(data, q->real, q->rank, q->shape);
}

void quantized_summary(const quantized *q, char *out, size_t size) {
    const lq_block *block = &q->scheme.block;
    char blocks[80];
    if (q->packing) {
        packing_summary(q->packing, out, size);
        return;
    }
    if (block->granularity == LQ_PER_TENSOR)
        snprintf(blocks, sizeof blocks, "per tensor");
    else if (block->granularity == LQ_PER_CHANNEL)
        snprintf(blocks, sizeof blocks, "per channel on axis %d", (int)block->axis);
    else
        snprintf(blocks, sizeof blocks, "blocks of %" PRId64 " on axis %d", block->extent[0],
                 (int)block->axis);
    snprintf(out, size, "%s %s, %s, %s scales (was %s)", lq_type_name(q->scheme.code_type),
             q->scheme.mapping == LQ_AFFINE ? "affine" : "symmetric", blocks,
             lq_type_name(q->scale_type), real_dtype(q->real));
}

/* What a scheme, or a format, adds to the entry. */
static void add_packing(cJSON *entry, const packing *p) {
    const packing_choice *c = &p->chosen;
    const char *mapping = c->mapping == LQ_AFFINE ? "affine" : "symmetric";
    need(cJSON_AddStringToObject(entry, "format", p->format->name));
    need(json_add_integer(entry, "bits", c->bits) == 0 ? entry : NULL);
    need(json_add_integer(entry, "block", c->block) == 0 ? entry : NULL);
    need(cJSON_AddStringToObject(entry, "mapping", mapping));
    need(cJSON_AddStringToObject(entry, "scale", lq_type_name(c->scale_type)));
}

static void add_scheme(cJSON *entry, const quantized *q) {
    static const char *const granularity[] = {"per_tensor", "per_channel", "per_block"};
    const lq_block *block = &q->scheme.block;
    const char *mapping = q->scheme.mapping == LQ_AFFINE ? "affine" : "symmetric";
    need(cJSON_AddStringToObject(entry, "codes", lq_type_name(q->scheme.code_type)));
    need(cJSON_AddStringToObject(entry, "mapping", mapping));
    need(cJSON_AddStringToObject(entry, "granularity", granularity[block->granularity]));
    if (block->granularity != LQ_PER_TENSOR)
        need(cJSON_AddNumberToObject(entry, "axis", block->axis));
    if (block->granularity == LQ_PER_BLOCK)
        need(json_add_integer(entry, "block", block->extent[0]) == 0 ? entry : NULL);
    need(cJSON_AddStringToObject(entry, "scale", lq_type_name(q->scale_type)));
}

static cJSON *entry_json(const quantized *q) {
    cJSON *entry = need(cJSON_CreateObject());
    cJSON *shape;
    need(cJSON_AddStringToObject(entry, "name", q->name));
    need(cJSON_AddStringToObject(entry, "dtype", real_dtype(q->real)));
    shape = need(cJSON_AddArrayToObject(entry, "shape"));
    for (int32_t i = 0; i < q->rank; ++i)
        need(json_append_integer(shape, q->shape[i]) == 0 ? shape : NULL);
    if (q->packing)
        add_packing(entry, q->packing);
    else
        add_scheme(entry, q);
    return entry;
}

/* An object as the text of a string. */
static void add_as_text(cJSON *metadata, const char *key, cJSON *object) {
    char *text = need(cJSON_PrintUnformatted(object));
    need(cJSON_AddStringToObject(metadata, key, text));
    cJSON_free(text);
    cJSON_Delete(object);
}

cJSON *quantized_metadata(const cJSON *old, const quantized *items, size_t count) {
    cJSON *metadata = need(old ? cJSON_Duplicate(old, 1) : cJSON_CreateObject());
    cJSON *description = need(cJSON_CreateObject());
    cJSON *tensors;
    cJSON_DeleteItemFromObjectCaseSensitive(metadata, METADATA_KEY);
    need(cJSON_AddNumberToObject(description, "version", 1));
    tensors = need(cJSON_AddArrayToObject(description, "tensors"));
    for (size_t i = 0; i < count; ++i) cJSON_AddItemToArray(tensors, entry_json(&items[i]));
    add_as_text(metadata, METADATA_KEY, description);
    if (count > 0 && items[0].packing) {
        const packing *p = items[0].packing;
        cJSON *config = need(cJSON_CreateObject());
        need(p->format->configure(p, config) == 0 ? config : NULL);
        cJSON_DeleteItemFromObjectCaseSensitive(metadata, CONFIG_KEY);
        add_as_text(metadata, CONFIG_KEY, config);
    }
    return metadata;
}
