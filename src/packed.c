/* Quantized matrices in parts and in bytes: what callers describe, checked. */
#include "packed.h"

/* A matrix has so many elements at most, padding included: far from any overflow. */
#define MOST_ELEMENTS (INT64_MAX / 64)

lq_status lq_parts_init(lq_parts *parts, size_t struct_size) {
    return lq_init_struct(parts, struct_size, sizeof *parts);
}

lq_status lq_packed_init(lq_packed *packed, size_t struct_size) {
    return lq_init_struct(packed, struct_size, sizeof *packed);
}

/* -------------------------------------------------------------------- geometry */

static bool too_many(int64_t rows, int64_t columns) {
    int64_t all;
    return __builtin_mul_overflow(rows > 0 ? rows : 1, columns > 0 ? columns : 1, &all) ||
           all > MOST_ELEMENTS;
}

static lq_meaning meaning_of_records(const lq_layout_row *layout) {
    const lq_type_info *type = lq_type_find(layout->code_type);
    if (type->kind == LQ_KIND_FLOAT) return LQ_MEANS_FLOATS;
    if (type->min < 0) return LQ_MEANS_INTEGERS;
    return layout->zero_type ? LQ_MEANS_STEPS : LQ_MEANS_TABLE;
}

static lq_status measure_records(const lq_packed *p, lq_side *s) {
    const lq_layout_row *layout = s->layout;
    const bool floats = lq_type_find(layout->code_type)->kind == LQ_KIND_FLOAT;
    if (p->bits && p->bits != layout->bits) return LQ_ERROR_LAYOUT;
    if (p->block && p->block != layout->block) return LQ_ERROR_LAYOUT;
    const int64_t records = p->columns / layout->record;
    if (records * layout->record != p->columns || p->code_type) return LQ_ERROR_LAYOUT;
    if (p->scale || p->zero_bytes) return LQ_ERROR_LAYOUT;
    s->bits = layout->bits;
    s->block = layout->block;
    s->blocks = records * (layout->record / layout->block);
    s->row_step = records * layout->record_bytes;
    s->meaning = meaning_of_records(layout);
    s->code_type = floats ? layout->code_type : 0;
    const int32_t low = layout->codes.min;
    const int32_t levels = layout->codes.max - low + 1;
    s->codes = (lq_plane){.kind = LQ_PLANE_RECORDS,
                          .low = low,
                          .levels = levels,
                          .anchor = low < 0 ? -low : levels / 2};
    for (int k = 0; k < LQ_PARTS; ++k) {
        const lq_type type = lq_part_type(layout, (lq_part)k);
        s->part[k].type = type ? lq_type_find(type) : NULL;
    }
    return LQ_OK;
}

/* A type that was said: signed codes are two's complement, which is half the range added. */
static lq_status measure_type(const lq_packed *p, lq_side *s, int32_t *bias) {
    const lq_type_info *type = lq_type_find(p->code_type);
    *bias = 0;
    if (!p->code_type) return LQ_OK;
    if (!type) return LQ_ERROR_TYPE;
    if (p->layout != LQ_LAYOUT_ROWS) return LQ_ERROR_LAYOUT;
    const bool integer = type->kind == LQ_KIND_CODE && type->bits <= 8;
    if (!integer && type->kind != LQ_KIND_FLOAT) return LQ_ERROR_TYPE;
    if (type->bits != s->bits && (!integer || type->bits != 8)) return LQ_ERROR_LAYOUT;
    s->meaning = integer ? LQ_MEANS_INTEGERS : LQ_MEANS_FLOATS;
    s->code_type = p->code_type;
    if (type->min < 0) *bias = 1 << (s->bits - 1);
    return LQ_OK;
}

static lq_status measure_plane(const lq_side *s, const lq_fields *fields, int64_t columns,
                               int64_t block, int32_t bias, lq_plane *plane) {
    const int32_t levels = 1 << s->bits;
    *plane = (lq_plane){.kind = LQ_PLANE_FIELDS,
                        .wraps = true,
                        .bias = bias & (levels - 1),
                        .levels = levels,
                        .anchor = levels / 2,
                        .fields = fields};
    plane->shape =
        (lq_field_shape){.rows = s->rows, .columns = columns, .block = block, .bits = s->bits};
    return fields->measure(&plane->shape) ? LQ_OK : LQ_ERROR_LAYOUT;
}

static lq_status measure_codes(const lq_packed *p, lq_side *s) {
    int32_t bias;
    s->bits = p->bits ? p->bits : s->layout->bits;
    if (s->bits < 1 || s->bits > 8) return LQ_ERROR_LAYOUT;
    if (s->layout->bits && s->bits != s->layout->bits) return LQ_ERROR_LAYOUT;
    s->block = p->block ? p->block : p->columns > 0 ? p->columns : 1;
    if (too_many(p->rows, s->block)) return LQ_ERROR_OVERFLOW;
    s->blocks = p->block ? p->columns / s->block + (p->columns % s->block > 0) : 1;
    const lq_status status = measure_type(p, s, &bias);
    if (status) return status;
    return measure_plane(s, s->layout->fields, p->columns, s->block, bias, &s->codes);
}

static lq_status measure_zeros(lq_side *s) {
    if (!s->layout->zero_fields) return LQ_ERROR_LAYOUT;
    return measure_plane(s, s->layout->zero_fields, s->blocks, 1,
                         s->codes.bias + s->layout->zero_bias, &s->zeros);
}

/* Geometry alone. */
static lq_status measure(const lq_packed *p, lq_side *s) {
    *s = (lq_side){.layout = NULL};
    if (!p) return LQ_ERROR_NULL;
    const lq_status status = lq_check_struct(p, p->struct_size, sizeof *p);
    if (status) return status;
    if (p->reserved) return LQ_ERROR_STRUCT;
    s->layout = lq_layout_find(p->layout);
    if (!s->layout) return LQ_ERROR_ENUM;
    if (p->rows < 0 || p->columns < 0 || p->block < 0) return LQ_ERROR_SHAPE;
    if (too_many(p->rows, p->columns)) return LQ_ERROR_OVERFLOW;
    s->rows = p->rows;
    s->columns = p->columns;
    return s->layout->record ? measure_records(p, s) : measure_codes(p, s);
}

lq_status lq_packed_size(const lq_packed *packed, int64_t *bytes, int64_t *zero_bytes) {
    lq_side s;
    lq_status status = measure(packed, &s);
    const bool records = !status && s.layout->record;
    const bool zeros = !status && zero_bytes && s.layout->zero_fields;
    if (zeros) status = measure_zeros(&s);
    if (status) return status;
    if (bytes) *bytes = records ? s.rows * s.row_step : s.codes.shape.bytes;
    if (zero_bytes) *zero_bytes = zeros ? s.zeros.shape.bytes : 0;
    return LQ_OK;
}

/* --------------------------------------------------------------------- tensors */

static lq_status take(const lq_tensor *t, int position, bool output, lq_tensors *all) {
    lq_span span;
    const lq_status status = lq_check_tensor(t, output, &span);
    if (status) return status;
    all->of[all->count].tensor = t;
    all->of[all->count].span = span;
    all->of[all->count].position = position;
    all->of[all->count++].output = output;
    return LQ_OK;
}

lq_status lq_check_apart(const lq_tensors *all, int *position) {
    for (int i = 0; i < all->count; ++i) {
        for (int k = i + 1; k < all->count; ++k) {
            if (!all->of[i].output && !all->of[k].output) continue;
            if (!lq_spans_meet(all->of[i].span, all->of[k].span)) continue;
            if (lq_interleaved(all->of[i].tensor, all->of[k].tensor)) continue;
            *position = all->of[all->of[k].output ? k : i].position;
            return LQ_ERROR_OVERLAP;
        }
    }
    return LQ_OK;
}

lq_status lq_take_matrix(const lq_tensor *t, int position, bool output, int64_t rows,
                         int64_t columns, lq_status other_shape, lq_values *v, lq_tensors *all) {
    const lq_status status = take(t, position, output, all);
    if (status) return status;
    const bool vector = t->rank == 1 && rows == 1;
    if (t->rank != 2 && t->rank != 1) return LQ_ERROR_RANK;
    if (!vector && t->rank != 2) return other_shape;
    if (t->shape[t->rank - 1] != columns || (!vector && t->shape[0] != rows)) return other_shape;
    *v = (lq_values){.type = lq_type_find(t->type), .data = t->data};
    if (rows == 0 || columns == 0) return LQ_OK;
    v->at = t->offset;
    v->row_step = vector || rows == 1 ? 0 : t->stride[0];
    v->step = columns == 1 ? 1 : t->stride[t->rank - 1];
    return LQ_OK;
}

/* All bytes in a vector; of layouts with rows also a matrix of them, as far apart as wanted. */
static lq_status take_bytes(const lq_tensor *t, int position, bool output, int64_t rows,
                            int64_t row_bytes, int64_t all_bytes, unsigned char **bytes,
                            int64_t *row_step, lq_tensors *all) {
    if (!t) return LQ_ERROR_NULL;
    const lq_status status = take(t, position, output, all);
    if (status) return status;
    if (t->type != LQ_U8) return LQ_ERROR_TYPE;
    const bool matrix = t->rank == 2 && row_step;
    if (t->rank != 1 && !matrix) return LQ_ERROR_RANK;
    const bool fits =
        matrix ? t->shape[0] == rows && t->shape[1] == row_bytes : t->shape[0] == all_bytes;
    if (!fits) return LQ_ERROR_SHAPE;
    if (all_bytes == 0) return LQ_OK;
    if (t->shape[t->rank - 1] != 1 && t->stride[t->rank - 1] != 1) return LQ_ERROR_STRIDE;
    *bytes = (unsigned char *)t->data + t->offset;
    if (matrix) *row_step = t->stride[0];
    return LQ_OK;
}

bool lq_is_scale(const lq_type_info *type) {
    return type->kind == LQ_KIND_REAL || type->kind == LQ_KIND_EXPONENT ||
           (type->kind == LQ_KIND_FLOAT && type->bits == 8);
}

lq_status lq_check_packed(const lq_packed *p, int position, bool output, lq_side *s,
                          lq_tensors *all) {
    lq_status status = measure(p, s);
    if (status) return status;
    if (s->layout->record) {
        return take_bytes(p->bytes, position, output, s->rows, s->row_step, s->rows * s->row_step,
                          &s->bytes, &s->row_step, all);
    }
    lq_field_shape *shape = &s->codes.shape;
    status =
        take_bytes(p->bytes, position, output, s->rows, shape->row_bytes, shape->bytes,
                   &s->codes.bytes, shape->row_step || !s->rows ? &shape->row_step : NULL, all);
    if (!status && p->zero_bytes) status = measure_zeros(s);
    if (!status && p->zero_bytes) {
        status = take_bytes(p->zero_bytes, position, output, 0, 0, s->zeros.shape.bytes,
                            &s->zeros.bytes, NULL, all);
    }
    if (status || !p->scale) return status;
    lq_values *scale = &s->part[LQ_PART_SCALE];
    status =
        lq_take_matrix(p->scale, position, output, s->rows, s->blocks, LQ_ERROR_GRID, scale, all);
    return !status && !lq_is_scale(scale->type) ? LQ_ERROR_TYPE : status;
}

/* ----------------------------------------------------------------------- parts */

/*
 * Integers below the layout's, by their own middle where they are signed; unsigned as they are. What
 * is packed in fewer than 8 bits counts modulo its range, as fields do.
 */
static void plane_of_integers(const lq_plane *layout, bool is_signed, lq_plane *plane) {
    const int32_t bits = plane->values.type->bits;
    plane->kind = LQ_PLANE_TENSOR;
    plane->levels = layout->levels;
    plane->anchor = layout->anchor;
    plane->low = is_signed ? -layout->anchor : 0;
    if (bits >= 8) return;
    plane->wraps = true;
    plane->levels = 1 << bits;
    plane->bias = is_signed ? plane->levels / 2 : 0;
    if (is_signed) plane->anchor = plane->levels / 2;
}

/* Bits as they are: of a layout whose type was not said, signed codes are two's complement. */
static void follow_sign(bool is_signed, lq_side *packed) {
    if (packed->layout->layout != LQ_LAYOUT_ROWS || packed->code_type || !is_signed) return;
    packed->codes.bias = 1 << (packed->bits - 1);
    packed->zeros.bias = packed->codes.bias;
}

static lq_status check_codes(bool output, lq_side *packed, lq_side *s) {
    const lq_type_info *type = s->codes.values.type;
    const lq_type_info *said = packed->code_type ? lq_type_find(packed->code_type) : NULL;
    const bool floats = said && said->kind == LQ_KIND_FLOAT;
    if (type->kind == LQ_KIND_FLOAT) {
        if (said ? said != type : type->bits != packed->bits) return LQ_ERROR_TYPE;
        if (!said && packed->layout->record) return LQ_ERROR_TYPE;
    } else if (floats ? type->type != LQ_U8 : type->kind != LQ_KIND_CODE || type->bits > 8) {
        return LQ_ERROR_TYPE;
    } else if (output && type->bits < packed->bits) {
        return LQ_ERROR_TYPE;
    }
    follow_sign(type->min < 0, packed);
    plane_of_integers(&packed->codes, type->min < 0, &s->codes);
    return LQ_OK;
}

static bool holds(const lq_type_info *type, const lq_plane *plane) {
    return type->min <= plane->low && type->max >= plane->low + plane->levels - 1;
}

/* Zero points lie among the codes, whatever their own type. */
static lq_status check_zeros(const lq_tensor *codes, bool output, lq_side *packed, lq_side *s) {
    const lq_type_info *type = s->zeros.values.type;
    const lq_type_info *code = codes ? s->codes.values.type : type;
    if (type->kind != LQ_KIND_CODE && type->kind != LQ_KIND_WIDE) return LQ_ERROR_TYPE;
    const bool is_signed = code->min < 0;
    if (!codes) follow_sign(is_signed, packed);
    plane_of_integers(&packed->zeros, is_signed, &s->zeros);
    if (type->bits >= 8) return output && !holds(type, &s->zeros) ? LQ_ERROR_TYPE : LQ_OK;
    return (type->min < 0) != is_signed || (output && type->bits < packed->bits) ? LQ_ERROR_TYPE
                                                                                 : LQ_OK;
}

int64_t lq_part_span(const lq_layout_row *layout, lq_part part) {
    switch (part) {
    case LQ_PART_SCALE:
    case LQ_PART_ZERO: return layout->block;
    case LQ_PART_SUM: return layout->sum_block;
    default: return layout->record;
    }
}

lq_type lq_part_type(const lq_layout_row *layout, lq_part part) {
    switch (part) {
    case LQ_PART_SCALE: return layout->scale_type;
    case LQ_PART_ZERO: return layout->zero_type;
    case LQ_PART_SUPER_SCALE: return layout->super_scale_type;
    case LQ_PART_SUPER_ZERO: return layout->super_zero_type;
    default: return layout->sum_type;
    }
}

static const lq_tensor *part_of(const lq_parts *p, lq_part part) {
    switch (part) {
    case LQ_PART_SCALE: return p->scale;
    case LQ_PART_ZERO: return p->zero_point;
    case LQ_PART_SUPER_SCALE: return p->super_scale;
    case LQ_PART_SUPER_ZERO: return p->super_zero_point;
    default: return p->sum;
    }
}

static lq_status check_record_parts(const lq_parts *p, int position, bool output,
                                    const lq_side *packed, lq_side *s, lq_tensors *all) {
    for (int k = 0; k < LQ_PARTS; ++k) {
        const lq_tensor *t = part_of(p, (lq_part)k);
        const lq_type type = lq_part_type(packed->layout, (lq_part)k);
        if (!type) {
            if (t) return LQ_ERROR_LAYOUT;
            continue;
        }
        if (!t && !output && k != LQ_PART_SUM) return LQ_ERROR_NULL;
        if (!t) continue;
        const lq_status status = lq_take_matrix(
            t, position, output, s->rows, s->columns / lq_part_span(packed->layout, (lq_part)k),
            LQ_ERROR_GRID, &s->part[k], all);
        if (status) return status;
        if (t->type != type) return LQ_ERROR_TYPE;
    }
    return LQ_OK;
}

/* What one has and the other has not is refused, but nobody has to unpack everything. */
static lq_status check_field_parts(const lq_parts *p, int position, bool output, lq_side *packed,
                                   lq_side *s, lq_tensors *all) {
    const lq_values *scale = &packed->part[LQ_PART_SCALE];
    const bool has_zeros = packed->zeros.kind != LQ_PLANE_NONE;
    if (p->super_scale || p->super_zero_point || p->sum) return LQ_ERROR_LAYOUT;
    if ((p->scale && !scale->type) || (p->zero_point && !has_zeros)) return LQ_ERROR_LAYOUT;
    if (!output && ((!p->scale && scale->type) || (!p->zero_point && has_zeros))) {
        return LQ_ERROR_NULL;
    }
    if (p->scale) {
        const lq_status status = lq_take_matrix(p->scale, position, output, s->rows, s->blocks,
                                                LQ_ERROR_GRID, &s->part[LQ_PART_SCALE], all);
        if (status) return status;
        if (!lq_is_scale(s->part[LQ_PART_SCALE].type)) return LQ_ERROR_TYPE;
    }
    if (!p->zero_point) return LQ_OK;
    const lq_status status = lq_take_matrix(p->zero_point, position, output, s->rows, s->blocks,
                                            LQ_ERROR_GRID, &s->zeros.values, all);
    return status ? status : check_zeros(p->codes, output, packed, s);
}

lq_status lq_check_parts(const lq_parts *p, int position, bool output, lq_side *packed, lq_side *s,
                         lq_tensors *all) {
    *s = (lq_side){.rows = packed->rows,
                   .columns = packed->columns,
                   .block = packed->block,
                   .blocks = packed->blocks};
    if (!p) return LQ_ERROR_NULL;
    lq_status status = lq_check_struct(p, p->struct_size, sizeof *p);
    if (status) return status;
    if (!p->codes && !output) return LQ_ERROR_NULL;
    if (p->codes) {
        status = lq_take_matrix(p->codes, position, output, s->rows, s->columns, LQ_ERROR_SHAPE,
                                &s->codes.values, all);
        if (!status) status = check_codes(output, packed, s);
        if (status) return status;
    }
    return packed->layout->record ? check_record_parts(p, position, output, packed, s, all)
                                  : check_field_parts(p, position, output, packed, s, all);
}
