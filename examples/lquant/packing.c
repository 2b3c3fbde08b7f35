#define _POSIX_C_SOURCE 200809L
#include "packing.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "byte_order.h"
#include "lquant.h"

/* --------------------------------------------------------------------- planning */

void packing_add(packing *p, part_kind kind, const char *stem, const char *suffix,
                 const char *dtype, int32_t rank, int64_t rows, int64_t columns) {
    part *t = &p->parts[p->count++];
    const size_t length = strlen(stem), more = strlen(suffix) + 1;
    t->kind = kind;
    t->name = need(malloc(length + more));
    memcpy(t->name, stem, length);
    memcpy(t->name + length, suffix, more);
    t->dtype = dtype;
    t->rank = rank;
    t->shape[0] = rows;
    t->shape[1] = columns;
    t->size = tf_bytes(dtype, rank, t->shape);
}

static int is_records(const packing *p) {
    return p->format->file_type >= 0;
}

/* Of GGUF's, a row is what follows each other in memory; else the first axis is that of rows. */
static const char *set_matrix(packing *p) {
    const int64_t elements = tf_elements(p->rank, p->shape);
    const int by_last = is_records(p);
    /* So that bits of codes, and of a block more, can be counted. */
    if (elements < 0 || elements > INT64_MAX / 64) return "has a shape whose size overflows";
    if (elements == 0) return "is empty";
    if (p->rank == 0) return "is a scalar";
    p->columns = by_last ? p->shape[p->rank - 1] : elements / p->shape[0];
    p->rows = elements / p->columns;
    return NULL;
}

static void set_choice(packing *p, const packing_choice *choice) {
    const weight_format *f = choice->format;
    p->format = f;
    p->chosen = *choice;
    if (choice->mapping < 0) p->chosen.mapping = f->mapping;
    if (!choice->bits) p->chosen.bits = f->bits;
    if (!choice->block) p->chosen.block = f->block;
    if (!choice->scale_type) p->chosen.scale_type = f->scale_type ? f->scale_type : p->real;
}

/* All of a packed matrix but its tensors. */
static void describe(const packing *p, int64_t rows, lq_packed *packed) {
    lq_packed_init(packed, sizeof *packed);
    packed->layout = p->format->layout;
    packed->rows = rows;
    packed->columns = p->columns;
    if (is_records(p)) return;
    packed->bits = p->chosen.bits;
    packed->block = p->chosen.block;
    if (packed->layout == LQ_LAYOUT_ROWS) packed->code_type = p->scheme.code_type;
}

/* A scheme of the profile, or of the mapping, with codes of as many bits as chosen. */
static void set_scheme(packing *p) {
    const weight_format *f = p->format;
    const packing_choice *c = &p->chosen;
    const lq_block block = lq_per_block(1, c->block);
    if (is_records(p)) return;
    p->scheme = f->profile >= 0 && c->mapping == f->mapping
                    ? lq_profile_scheme(f->profile, f->code_type, block)
                    : lq_scheme_of(c->mapping, f->code_type, block);
    if (!f->any_bits) return;
    p->scheme.qmin = f->code_type == LQ_S8 ? -(1 << (c->bits - 1)) : 0;
    p->scheme.qmax = p->scheme.qmin + (1 << c->bits) - 1;
}

/* Whether the library lays such a matrix out in the bytes that the parts have for it. */
static int is_held(const packing *p) {
    int64_t bytes = 0, zeros = 0;
    lq_packed packed;
    int held = 1;
    if (is_records(p)) return 1;
    describe(p, p->rows, &packed);
    if (lq_packed_size(&packed, &bytes, NULL) != LQ_OK) return 0;
    for (int i = 0; i < p->count; ++i) {
        if (p->parts[i].kind == PART_CODES) held &= p->parts[i].size == bytes;
        if (p->parts[i].kind == PART_ZERO)
            held &= lq_packed_size(&packed, &bytes, &zeros) == LQ_OK && p->parts[i].size == zeros;
    }
    return held;
}

const char *packing_plan(packing *p, const packing_choice *choice, const char *name, lq_type real,
                         int32_t rank, const int64_t *shape) {
    const char *wrong;
    memset(p, 0, sizeof *p);
    p->real = real;
    p->rank = rank;
    memcpy(p->shape, shape, (size_t)rank * sizeof *shape);
    set_choice(p, choice);
    wrong = set_matrix(p);
    if (wrong) return wrong;
    set_scheme(p);
    const int64_t block = p->chosen.block ? p->chosen.block : p->columns;
    p->blocks = p->columns / block + (p->columns % block != 0);
    wrong = p->format->plan(p, name);
    for (int i = 0; !wrong && i < p->count; ++i)
        if (p->parts[i].size < 0) wrong = "has a shape that the format does not hold";
    return wrong || is_held(p) ? wrong : "has a shape that the layout does not hold";
}

void packing_free(packing *p) {
    for (int i = 0; i < p->count; ++i) free(p->parts[i].name);
    p->count = 0;
}

int64_t packing_bytes(const packing *p) {
    int64_t bytes = 0;
    for (int i = 0; i < p->count; ++i) bytes += p->parts[i].size;
    return bytes;
}

int64_t packing_piece(const packing *p) {
    const int64_t rows = ((int64_t)1 << 20) / p->columns;
    if (!is_records(p)) return p->rows;
    return rows < 1 ? 1 : rows < p->rows ? rows : p->rows;
}

void packing_at(const packing *p, const void *const all[MOST_PARTS], int64_t row,
                const void *at[MOST_PARTS]) {
    for (int i = 0; i < p->count; ++i) {
        const int64_t bytes = is_records(p) ? p->parts[i].size / p->rows * row : 0;
        at[i] = (const char *)all[i] + bytes;
    }
}

void packing_summary(const packing *p, char *out, size_t size) {
    const packing_choice *c = &p->chosen;
    char blocks[64] = "";
    if (is_records(p)) {
        snprintf(out, size, "%.4g bits per weight", format_bits(p->format));
        return;
    }
    if (c->block) snprintf(blocks, sizeof blocks, ", blocks of %" PRId64, c->block);
    snprintf(out, size, "%s, %d bits%s%s, %s scales (was %s)", p->format->name, (int)c->bits,
             c->mapping == LQ_AFFINE ? ", affine" : "", blocks, lq_type_name(c->scale_type),
             real_dtype(p->real));
}

/* ------------------------------------------------------------------------ values */

/* The parts in memory as the library takes them. */
typedef struct views {
    lq_packed packed;
    lq_scheme scheme;
    lq_tensor bytes, scale, zero;
} views;

static void view(const packing *p, const void *const buffers[MOST_PARTS], int64_t rows, views *v) {
    const int64_t shape[2] = {rows, p->blocks}, down[2] = {1, rows};
    describe(p, rows, &v->packed);
    v->packed.bytes = &v->bytes;
    v->scheme = p->scheme;
    for (int i = 0; i < p->count; ++i) {
        const part *t = &p->parts[i];
        const int64_t bytes = is_records(p) ? t->size / p->rows * rows : t->size;
        switch (t->kind) {
        case PART_CODES: v->bytes = lq_vector(buffers[i], LQ_U8, bytes); break;
        case PART_SCALE:
            v->packed.scale = &v->scale;
            v->scale = p->scale_transposed
                           ? lq_strided(buffers[i], bytes, p->chosen.scale_type, 2, shape, down)
                           : lq_contiguous(buffers[i], p->chosen.scale_type, 2, shape);
            break;
        case PART_ZERO:
            v->zero = lq_vector(buffers[i], LQ_U8, bytes);
            v->packed.zero_bytes = &v->zero;
            break;
        case PART_FACTOR:
            memcpy(&v->scheme.scale_factor, buffers[i], sizeof v->scheme.scale_factor);
            break;
        default: break;
        }
    }
}

/* Layouts are bytes, int32 of theirs little-endian, while tensors of files are in this machine's
 * order. */
static void turn_words(const packing *p, void *const buffers[MOST_PARTS]) {
    for (int i = 0; HOST_IS_BIG_ENDIAN && i < p->count; ++i) {
        const part *t = &p->parts[i];
        if (t->kind == PART_CODES || t->kind == PART_ZERO)
            swap_elements(buffers[i], (size_t)t->size, (size_t)tf_dtype_bits(t->dtype) / 8);
    }
}

/* The scale of [-1, 1] is the largest magnitude itself. */
static lq_status largest_magnitude(const lq_tensor *x, float *largest) {
    lq_scheme unit = lq_symmetric(LQ_S8, lq_per_tensor());
    const lq_tensor scale = lq_vector(largest, LQ_F32, 1);
    unit.qmin = -1;
    unit.qmax = 1;
    return lq_calibrate(x, &unit, &scale, NULL, NULL);
}

static void fill_part(const packing *p, const part *t, void *to) {
    int32_t group;
    switch (t->kind) {
    case PART_INDEX:
        for (int64_t i = 0; i < p->columns; ++i) {
            group = (int32_t)(i / p->chosen.block);
            memcpy((char *)to + 4 * i, &group, sizeof group);
        }
        break;
    case PART_SHAPE: memcpy(to, p->shape, (size_t)t->size); break;
    case PART_TABLE: memcpy(to, p->scheme.table, (size_t)t->size); break;
    case PART_STATE: memcpy(to, p->state, (size_t)t->size); break;
    default: break;
    }
}

const char *packing_check(const packing *p, const void *const buffers[MOST_PARTS]) {
    const char *wrong = NULL;
    for (int i = 0; i < p->count && !wrong; ++i) {
        const part *t = &p->parts[i];
        void *expected;
        if (t->kind != PART_INDEX && t->kind != PART_SHAPE && t->kind != PART_TABLE) continue;
        expected = need_bytes(t->size);
        fill_part(p, t, expected);
        if (memcmp(expected, buffers[i], (size_t)t->size) != 0)
            wrong = t->kind == PART_INDEX   ? "has columns in another order than lquant reads"
                    : t->kind == PART_SHAPE ? "has another shape than described"
                                            : "has codes with other values than described";
        free(expected);
    }
    return wrong;
}

lq_status packing_encode(const packing *p, const void *data, lq_type type, int64_t rows,
                         void *const buffers[MOST_PARTS]) {
    const lq_tensor x = lq_matrix(data, type, rows, p->columns);
    const void *parts[MOST_PARTS] = {0};
    lq_status status = LQ_OK;
    views v;
    for (int i = 0; i < p->count; ++i) {
        parts[i] = buffers[i];
        if (p->parts[i].kind == PART_FACTOR) {
            float factor = 0;
            status = largest_magnitude(&x, &factor);
            factor /= 6.0f * 448.0f;
            if (factor == 0) factor = 1;
            memcpy(buffers[i], &factor, sizeof factor);
        }
        fill_part(p, &p->parts[i], buffers[i]);
    }
    view(p, parts, rows, &v);
    if (status == LQ_OK) status = lq_encode(&x, is_records(p) ? NULL : &v.scheme, &v.packed, NULL);
    turn_words(p, buffers);
    return status;
}

/* Copies of the parts that have to be turned, where there are such. */
static int has_words(const packing *p) {
    for (int i = 0; i < p->count; ++i)
        if (p->parts[i].kind <= PART_ZERO && tf_dtype_bits(p->parts[i].dtype) > 8 &&
            p->parts[i].kind != PART_SCALE)
            return HOST_IS_BIG_ENDIAN;
    return 0;
}

lq_status packing_decode(const packing *p, const void *const buffers[MOST_PARTS], int64_t rows,
                         void *x) {
    const lq_tensor values = lq_matrix(x, p->real, rows, p->columns);
    const void *parts[MOST_PARTS] = {0};
    void *copies[MOST_PARTS] = {0};
    lq_status status;
    views v;
    for (int i = 0; i < p->count; ++i) {
        parts[i] = buffers[i];
        if (!has_words(p)) continue;
        parts[i] = copies[i] = need_bytes(p->parts[i].size);
        memcpy(copies[i], buffers[i], (size_t)p->parts[i].size);
    }
    if (has_words(p)) turn_words(p, copies);
    view(p, parts, rows, &v);
    status = lq_decode(&v.packed, is_records(p) ? NULL : &v.scheme, &values, NULL);
    for (int i = 0; i < p->count; ++i) free(copies[i]);
    return status;
}
