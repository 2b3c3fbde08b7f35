/* Reading the description that quantized.c writes. It may come from anywhere: nothing is trusted. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "quantized.h"

static const char *text_of(const cJSON *entry, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(entry, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

static int whole_number(const cJSON *item, double limit, int64_t *value) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= -limit && item->valuedouble <= limit))
        return 0;
    *value = (int64_t)item->valuedouble;
    return (double)*value == item->valuedouble;
}

static const double max_exact = 9007199254740992.0; /* 2^53 */

static const char *read_shape(const cJSON *shape, quantized *q) {
    const cJSON *item;
    if (!cJSON_IsArray(shape)) return "is described without a shape";
    cJSON_ArrayForEach(item, shape) {
        if (q->rank == TF_MAX_RANK) return "is described with more than 8 dimensions";
        if (!whole_number(item, max_exact, &q->shape[q->rank]) || q->shape[q->rank] < 0)
            return "is described with an invalid shape";
        ++q->rank;
    }
    return NULL;
}

static const char *read_block(const cJSON *entry, lq_block *block) {
    const char *granularity = text_of(entry, "granularity");
    int64_t axis = 0;
    if (!granularity) return "is described without a granularity";
    if (strcmp(granularity, "per_tensor") == 0) {
        *block = lq_per_tensor();
        return NULL;
    }
    if (!whole_number(cJSON_GetObjectItemCaseSensitive(entry, "axis"), TF_MAX_RANK, &axis))
        return "is described with an invalid axis";
    if (strcmp(granularity, "per_channel") == 0) {
        *block = lq_per_channel((int32_t)axis);
        return NULL;
    }
    if (strcmp(granularity, "per_block") != 0) return "is described with an unknown granularity";
    *block = lq_per_block((int32_t)axis, 0);
    if (!whole_number(cJSON_GetObjectItemCaseSensitive(entry, "block"), max_exact,
                      &block->extent[0]) ||
        block->extent[0] < 1)
        return "is described with an invalid block size";
    return NULL;
}

/* An entry of a format; what is not there is the format's own. */
static const char *read_packing(const cJSON *entry, quantized *q, const char *name, int affine) {
    packing_choice choice = {.format = format_find(text_of(entry, "format"), 0)};
    int64_t bits = 0;
    if (!choice.format) return "is described with an unknown format";
    if (!whole_number(cJSON_GetObjectItemCaseSensitive(entry, "bits"), 8, &bits) ||
        (bits != choice.format->bits && (bits < 1 || !(choice.format->any_bits >> bits & 1))))
        return "is described with bits that its format does not have";
    if (!whole_number(cJSON_GetObjectItemCaseSensitive(entry, "block"), max_exact, &choice.block) ||
        choice.block < 0 || (!choice.format->any_block && choice.block != choice.format->block))
        return "is described with an invalid block size";
    choice.bits = (int32_t)bits;
    choice.mapping = affine == (choice.format->mapping == LQ_AFFINE) ? choice.format->mapping
                     : affine                                        ? LQ_AFFINE
                                                                     : -2;
    if (choice.mapping == -2 ||
        (!choice.format->any_mapping && choice.mapping != choice.format->mapping))
        return "is described with a mapping that its format does not have";
    choice.scale_type = lq_type_from_name(text_of(entry, "scale"));
    if (choice.format->any_scale ? !real_dtype(choice.scale_type)
                                 : choice.scale_type != choice.format->scale_type)
        return "is described with an unknown type of scales";
    return quantized_plan_packing(q, &choice, name);
}

static const char *read_entry(const cJSON *entry, quantized *q) {
    const char *dtype = text_of(entry, "dtype");
    const char *mapping = text_of(entry, "mapping");
    lq_block block = lq_per_tensor();
    const char *wrong;
    q->real = dtype ? real_type(dtype) : 0;
    if (!q->real) return "is described with an unknown original type";
    if (!mapping || (strcmp(mapping, "affine") != 0 && strcmp(mapping, "symmetric") != 0))
        return "is described with an unknown mapping";
    wrong = read_shape(cJSON_GetObjectItemCaseSensitive(entry, "shape"), q);
    if (!wrong && cJSON_GetObjectItemCaseSensitive(entry, "format"))
        return read_packing(entry, q, text_of(entry, "name"), strcmp(mapping, "affine") == 0);
    if (!wrong) wrong = read_block(entry, &block);
    if (wrong) return wrong;
    q->scheme = lq_scheme_of(strcmp(mapping, "affine") == 0 ? LQ_AFFINE : LQ_SYMMETRIC,
                             lq_type_from_name(text_of(entry, "codes")), block);
    q->scale_type = lq_type_from_name(text_of(entry, "scale"));
    if (!real_dtype(q->scale_type)) return "is described with an unknown type of scales";
    return quantized_plan(q, text_of(entry, "name"));
}

/* The data of a tensor that must look so. */
static const char *claim(quantized_set *set, const tf_file *file, const char *name,
                         const char *dtype, int32_t rank, const int64_t *shape, int role,
                         const void **data) {
    const tf_tensor *t = tf_find(file, name);
    size_t index;
    if (!t)
        return role == ROLE_CODES ? "is described, but not in the file"
                                  : "has no scales or no zero points in the file";
    if (strcmp(t->dtype, dtype) != 0 || t->rank != rank)
        return role == ROLE_CODES ? "has codes that are not as described"
                                  : "has scales or zero points that are not as described";
    for (int32_t i = 0; i < rank; ++i)
        if (t->shape[i] != shape[i])
            return role == ROLE_CODES ? "has codes whose shape is not as described"
                                      : "has scales or zero points of another shape than described";
    index = (size_t)(t - file->tensors);
    if (set->role[index] != ROLE_PLAIN) return "shares a tensor with another one";
    set->role[index] = (unsigned char)role;
    *data = t->data;
    return NULL;
}

static const char *load_parts(quantized_set *set, const tf_file *file, stored_tensor *item) {
    const packing *p = item->q.packing;
    const char *wrong = NULL;
    for (int i = 0; i < p->count && !wrong; ++i) {
        const part *t = &p->parts[i];
        wrong = claim(set, file, t->name, t->dtype, t->rank, t->shape,
                      t->kind == PART_CODES ? ROLE_CODES : ROLE_PARAMETER, &item->parts[i]);
        if (!wrong && t->kind == PART_CODES) item->t = tf_find(file, t->name);
    }
    return wrong ? wrong : packing_check(p, item->parts);
}

static const char *load_entry(quantized_set *set, const tf_file *file, const cJSON *entry,
                              stored_tensor *item) {
    quantized *q = &item->q;
    const char *dtype;
    int32_t rank;
    int64_t shape[TF_MAX_RANK] = {0};
    const char *wrong = read_entry(entry, q);
    if (wrong) return wrong;
    if (q->packing) return load_parts(set, file, item);
    item->t = tf_find(file, q->name);
    codes_layout(q, &dtype, &rank, shape);
    wrong = claim(set, file, q->name, dtype, rank, shape, ROLE_CODES, &item->codes);
    if (!wrong)
        wrong = claim(set, file, q->scale_name, scale_dtype(q), q->rank, q->grid, ROLE_PARAMETER,
                      &item->scale);
    if (!wrong && q->zero_point_type)
        wrong = claim(set, file, q->zero_point_name, zero_point_dtype(q), q->rank, q->grid,
                      ROLE_PARAMETER, &item->zero_point);
    return wrong;
}

static int compare_items(const void *a, const void *b) {
    return strcmp(((const stored_tensor *)a)->q.name, ((const stored_tensor *)b)->q.name);
}

/* NULL, or what must not be: an object with a key twice, which readers take in two ways. */
static const char *twice(const cJSON *object) {
    int no_memory;
    const char *key = json_duplicate_key(object, &no_memory);
    if (no_memory) need(NULL);
    return key ? "is described by the same key twice" : NULL;
}

static int load_entries(quantized_set *set, const tf_file *file, const cJSON *tensors,
                        const char *path) {
    const cJSON *entry;
    set->items = need(calloc((size_t)cJSON_GetArraySize(tensors) + 1, sizeof *set->items));
    cJSON_ArrayForEach(entry, tensors) {
        const char *name = text_of(entry, "name");
        const char *wrong;
        if (!name)
            return fail("%s: its description under '" METADATA_KEY "' has a tensor without a name",
                        path);
        wrong = twice(entry);
        if (!wrong) wrong = load_entry(set, file, entry, &set->items[set->count++]);
        if (wrong) return fail_tensor(path, name, wrong);
    }
    return 0;
}

/* The tensors of GGUF's types that can be decoded; all others are plain. */
static int load_types(quantized_set *set, const tf_file *file, const char *path) {
    set->items = need(calloc(file->count + 1, sizeof *set->items));
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        const packing_choice choice = {.format = format_of_dtype(t->dtype), .mapping = -1};
        stored_tensor *item = &set->items[set->count];
        const char *wrong;
        if (!choice.format || t->size == 0) continue;
        ++set->count;
        set->described = 1;
        item->q.real = LQ_F32;
        item->q.rank = t->rank;
        memcpy(item->q.shape, t->shape, sizeof t->shape);
        wrong = quantized_plan_packing(&item->q, &choice, t->name);
        if (wrong) return fail_tensor(path, t->name, wrong);
        item->t = t;
        item->parts[0] = t->data;
        set->role[i] = ROLE_CODES;
    }
    return 0;
}

/* Once all are there. */
static void sort_items(quantized_set *set, const tf_file *file) {
    if (set->count > 0) qsort(set->items, set->count, sizeof *set->items, compare_items);
    for (size_t i = 0; i < set->count; ++i) set->item_of[set->items[i].t - file->tensors] = i + 1;
}

/* The description's JSON, to be deleted; NULL with the fault said. */
static cJSON *parse_description(const char *text, const tf_file *file, const char *path) {
    const size_t length = strlen(text);
    const char *wrong = json_lexical_fault(text, length);
    cJSON *description = NULL;
    size_t row;
    /* An entry of ours has some 20 values, and there cannot be more entries than tensors. */
    if (!wrong && json_values(text, length, &row) / 64 > file->count)
        wrong = "is of more than the file has tensors for";
    if (!wrong) description = json_parse(text, length, &wrong);
    if (!description && strcmp(wrong, "out of memory") == 0) need(NULL);
    if (!description)
        fail("%s: its description under '" METADATA_KEY "' in __metadata__ %s", path, wrong);
    return description;
}

static int load_description(quantized_set *set, const tf_file *file, const cJSON *description,
                            const char *path) {
    const cJSON *tensors = cJSON_GetObjectItemCaseSensitive(description, "tensors");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(description, "version");
    int64_t version = 0;
    if (twice(description))
        return fail("%s: its description under '" METADATA_KEY "' has a key twice", path);
    if (!whole_number(item, 1e9, &version) || !cJSON_IsArray(tensors))
        return fail("%s: its description under '" METADATA_KEY "' in __metadata__ is not valid",
                    path);
    if (version != 1)
        return fail("%s: its description is of version %ld; this lquant knows version 1", path,
                    (long)version);
    return load_entries(set, file, tensors, path);
}

int quantized_load(quantized_set *set, const tf_file *file, const char *path) {
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(file->metadata, METADATA_KEY);
    cJSON *description;
    int status;
    memset(set, 0, sizeof *set);
    set->role = need(calloc(file->count + 1, 1));
    set->item_of = need(calloc(file->count + 1, sizeof *set->item_of));
    if (!text && !file->is_gguf) return 0;
    if (file->is_gguf) {
        status = load_types(set, file, path);
    } else {
        set->described = 1;
        description = parse_description(text->valuestring, file, path);
        status = description ? load_description(set, file, description, path) : EXIT_FAULT;
        cJSON_Delete(description);
    }
    if (status)
        quantized_unload(set);
    else
        sort_items(set, file);
    return status;
}

void quantized_unload(quantized_set *set) {
    for (size_t i = 0; i < set->count; ++i) quantized_free(&set->items[i].q);
    free(set->items);
    free(set->role);
    free(set->item_of);
    memset(set, 0, sizeof *set);
}

static int compare_key(const void *key, const void *item) {
    return strcmp(key, ((const stored_tensor *)item)->q.name);
}

const stored_tensor *quantized_find(const quantized_set *set, const char *name) {
    if (set->count == 0) return NULL;
    return bsearch(name, set->items, set->count, sizeof *set->items, compare_key);
}

const stored_tensor *quantized_at(const quantized_set *set, size_t index) {
    return set->item_of[index] ? &set->items[set->item_of[index] - 1] : NULL;
}

static lq_status dequantize(const stored_tensor *item, void *values) {
    const quantized *q = &item->q;
    const lq_tensor codes = codes_view(q, item->codes);
    const lq_tensor scale = scale_view(q, item->scale);
    const lq_tensor zero_point = zero_point_view(q, item->zero_point);
    const lq_tensor x = real_view(q, values);
    return lq_dequantize(&codes, &q->scheme, &scale, item->zero_point ? &zero_point : NULL, &x,
                         NULL);
}

void *quantized_values(const stored_tensor *item, const char *path) {
    const quantized *q = &item->q;
    char fault[256];
    void *values = need_bytes(real_view(q, NULL).size);
    const lq_status status = q->packing
                                 ? packing_decode(q->packing, item->parts, q->packing->rows, values)
                                 : dequantize(item, values);
    if (status == LQ_OK) return values;
    snprintf(fault, sizeof fault, "cannot be dequantized: %s", lq_status_string(status));
    fail_tensor(path, q->name, fault);
    free(values);
    return NULL;
}
