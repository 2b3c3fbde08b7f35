#include "scheme.h"
#include "numeric.h"
#include "tensor.h"
#include <stddef.h>
#include <string.h>

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* The zero point of symmetric schemes; / truncates, which for unsigned codes is rounding down. */
static int32_t middle_of(const lq_scheme *scheme, const lq_rule *rule) {
    const int32_t sum = rule->qmin + rule->qmax;
    if (rule->code->min < 0) return 0;
    switch (scheme->middle) {
    case LQ_MIDDLE_DOWN: return sum / 2;
    case LQ_MIDDLE_EVEN: return sum / 2 + (sum % 2 && sum / 2 % 2);
    default: return (sum + 1) / 2;
    }
}

/* Every mapping needs a code for zero and room beside it. */
static lq_status apply_mapping(const lq_scheme *scheme, lq_rule *rule) {
    const int32_t qmin = rule->qmin;
    const int32_t qmax = rule->qmax;
    const bool is_signed = rule->code->min < 0;
    const int32_t middle = middle_of(scheme, rule);
    const int32_t limit = smaller(middle - qmin, qmax - middle);
    rule->middle = middle;
    rule->zero = rule->mapping == LQ_AFFINE ? 0 : middle;
    switch (rule->mapping) {
    case LQ_AFFINE: rule->steps = (double)(qmax - qmin); return LQ_OK;
    case LQ_SYMMETRIC:
        if (limit < 1) return LQ_ERROR_RANGE;
        rule->qmin = middle - limit;
        rule->qmax = middle + limit;
        rule->steps = (double)limit;
        break;
    case LQ_SYMMETRIC_HALF_RANGE:
        rule->steps = (double)(qmax - qmin) / 2;
        if (!is_signed) return LQ_OK;
        break;
    case LQ_SYMMETRIC_FULL_RANGE: rule->steps = (double)(qmin - middle); break;
    default: return LQ_ERROR_ENUM;
    }
    return qmin < middle && middle <= qmax ? LQ_OK : LQ_ERROR_RANGE;
}

static bool within(int32_t value, int32_t last) {
    return value >= 0 && value <= last;
}

static bool known_switches(const lq_scheme *s) {
    return within(s->quotient, LQ_QUOTIENT_MULTIPLIER) && within(s->rounding, LQ_ROUND_HALF_UP) &&
           within(s->zero_place, LQ_ZERO_INSIDE) && within(s->clamp, LQ_CLAMP_TYPE) &&
           within(s->nan_code, LQ_NAN_CODE_0) &&
           within(s->codes_from, LQ_FROM_MULTIPLIER_AND_BACK) &&
           within(s->zero_from, LQ_FROM_UNROUNDED) && within(s->arithmetic, LQ_ARITHMETIC_MIXED) &&
           within(s->range_rule, LQ_RANGE_AS_IS) &&
           within(s->degenerate, LQ_DEGENERATE_ZERO_MIDDLE) && within(s->zero_rule, LQ_ZERO_REAL) &&
           within(s->zero_rounding, LQ_ROUND_AWAY) && within(s->middle, LQ_MIDDLE_EVEN) &&
           within(s->tie, LQ_TIE_NEGATIVE);
}

static void apply_clamp(const lq_scheme *scheme, lq_rule *rule) {
    rule->code_min = rule->qmin;
    rule->code_max = rule->qmax;
    if (scheme->clamp == LQ_CLAMP_RANGE) return;
    const bool narrow = scheme->clamp == LQ_CLAMP_NARROW && rule->code->min < 0;
    rule->code_min = (int32_t)rule->code->min + narrow;
    rule->code_max = (int32_t)rule->code->max;
}

/* Most schemes have none, and a call should cost them little. */
static bool has_switches(const lq_scheme *s) {
    enum { FIRST = offsetof(lq_scheme, quotient), WORDS = (sizeof *s - FIRST) / 8 };
    uint64_t word[WORDS];
    uint64_t any = 0;
    memcpy(word, (const char *)s + FIRST, sizeof word);
    for (int i = 0; i < WORDS; ++i) any |= word[i];
    return any != 0;
}

/* After the mapping, which may have narrowed the range. */
static lq_status apply_switches(const lq_scheme *s, lq_rule *rule) {
    if (!has_switches(s)) {
        *rule = (lq_rule){.mapping = rule->mapping,
                          .code = rule->code,
                          .qmin = rule->qmin,
                          .qmax = rule->qmax,
                          .code_min = rule->qmin,
                          .code_max = rule->qmax,
                          .zero = rule->zero,
                          .middle = rule->middle,
                          .steps = rule->steps,
                          .plain = true};
        return LQ_OK;
    }
    const lq_type_info *precision = lq_type_find(s->precision ? s->precision : LQ_F32);
    if (!known_switches(s)) return LQ_ERROR_ENUM;
    if (s->codes_from >= LQ_FROM_MULTIPLIER && s->quotient == LQ_QUOTIENT_DIVIDE) {
        return LQ_ERROR_ENUM;
    }
    if (!precision || precision->kind != LQ_KIND_REAL) return LQ_ERROR_TYPE;
    if (!(s->scale_floor >= 0 && s->scale_floor <= FLT_MAX)) return LQ_ERROR_SCALE;
    apply_clamp(s, rule);
    rule->quotient = s->quotient;
    rule->zero_place = s->zero_place;
    rule->element = (lq_element_rule){.multiply = s->quotient != LQ_QUOTIENT_DIVIDE,
                                      .precision = (lq_real)precision->index,
                                      .rounding = s->rounding,
                                      .nan = s->nan_code,
                                      .divide_back = s->quotient == LQ_QUOTIENT_MULTIPLIER};
    rule->plain = !s->quotient && precision->index == LQ_REAL_f32 && !s->rounding &&
                  !s->zero_place && !s->nan_code;
    rule->codes_from = s->codes_from;
    rule->zero_from = s->zero_from;
    rule->arithmetic = s->arithmetic;
    rule->range_rule = s->range_rule;
    rule->degenerate = s->degenerate;
    rule->zero_scales = s->degenerate >= LQ_DEGENERATE_ZERO;
    rule->scale_floor = s->scale_floor;
    rule->zero_rule = s->zero_rule;
    rule->zero_rounding = s->zero_rounding;
    rule->tie = s->tie;
    return LQ_OK;
}

lq_status lq_check_scheme(const lq_scheme *scheme, lq_rule *rule) {
    if (!scheme) return LQ_ERROR_NULL;
    lq_status status = lq_check_struct(scheme, scheme->struct_size, sizeof *scheme);
    if (status) return status;
    rule->code = lq_type_find(scheme->code_type);
    if (!rule->code || rule->code->kind != LQ_KIND_CODE) return LQ_ERROR_TYPE;
    rule->mapping = scheme->mapping;
    rule->qmin = scheme->qmin;
    rule->qmax = scheme->qmax;
    if (rule->qmin == 0 && rule->qmax == 0) {
        rule->qmin = (int32_t)rule->code->min;
        rule->qmax = (int32_t)rule->code->max;
    }
    if (rule->qmin >= rule->qmax || rule->qmin < rule->code->min || rule->qmax > rule->code->max) {
        return LQ_ERROR_RANGE;
    }
    status = apply_mapping(scheme, rule);
    if (!status) status = apply_switches(scheme, rule);
    return status;
}

lq_status lq_scheme_init(lq_scheme *scheme, size_t struct_size, lq_mapping mapping,
                         lq_type code_type, const lq_block *block) {
    if (!block) return LQ_ERROR_NULL;
    lq_status status = lq_init_struct(scheme, struct_size, sizeof *scheme);
    if (status) return status;
    *scheme = lq_scheme_of(mapping, code_type, *block);
    scheme->struct_size = struct_size;
    return LQ_OK;
}

lq_status lq_scheme_range(const lq_scheme *scheme, int32_t *qmin, int32_t *qmax,
                          int32_t *zero_point) {
    lq_rule rule;
    lq_status status = lq_check_scheme(scheme, &rule);
    if (status) return status;
    if (qmin) *qmin = rule.code_min;
    if (qmax) *qmax = rule.code_max;
    if (zero_point) *zero_point = rule.zero;
    return LQ_OK;
}

/* Extents as the scheme has them: 0 for a whole axis. */
static lq_status raw_extents(int32_t rank, const lq_block *block, int64_t *extent) {
    const bool along_axis =
        block->granularity == LQ_PER_CHANNEL || block->granularity == LQ_PER_BLOCK;
    const int32_t axis = block->axis < 0 ? block->axis + rank : block->axis;
    if (block->granularity < LQ_PER_TENSOR || block->granularity > LQ_PER_TILE)
        return LQ_ERROR_ENUM;
    if (block->reserved) return LQ_ERROR_STRUCT;
    if (along_axis && (axis < 0 || axis >= rank)) return LQ_ERROR_AXIS;
    if (block->granularity == LQ_PER_TILE && block->rank != rank) return LQ_ERROR_BLOCK;
    for (int i = 0; i < rank; ++i) {
        switch (block->granularity) {
        case LQ_PER_CHANNEL: extent[i] = i == axis ? 1 : 0; break;
        case LQ_PER_BLOCK: extent[i] = i == axis ? block->extent[0] : 1; break;
        case LQ_PER_TILE: extent[i] = block->extent[i]; break;
        default: extent[i] = 0; break;
        }
        if (extent[i] < 0) return LQ_ERROR_BLOCK;
    }
    return LQ_OK;
}

lq_status lq_check_block(const lq_tensor *x, const lq_block *block, int64_t *extent, int64_t *grid,
                         int64_t *count) {
    int64_t product = 1;
    bool empty = false;
    lq_status status = raw_extents(x->rank, block, extent);
    if (status) return status;
    for (int i = 0; i < x->rank; ++i) {
        const int64_t dim = x->shape[i];
        const bool whole = extent[i] == 0;
        if (whole || extent[i] > dim) extent[i] = dim > 0 ? dim : 1;
        grid[i] = whole ? 1 : dim / extent[i] + (dim % extent[i] != 0);
        empty = empty || grid[i] == 0;
    }
    for (int i = 0; i < x->rank && !empty; ++i) {
        if (__builtin_mul_overflow(product, grid[i], &product)) return LQ_ERROR_OVERFLOW;
    }
    *count = empty ? 0 : product;
    return LQ_OK;
}

lq_status lq_grid_shape(const lq_tensor *x, const lq_scheme *scheme, int64_t grid[LQ_MAX_RANK],
                        int64_t *count) {
    int64_t extent[LQ_MAX_RANK];
    int64_t shape[LQ_MAX_RANK];
    int64_t product;
    if (!x || !scheme || !grid) return LQ_ERROR_NULL;
    lq_status status = lq_check_struct(scheme, scheme->struct_size, sizeof *scheme);
    if (status) return status;
    if (x->rank < 0 || x->rank > LQ_MAX_RANK) return LQ_ERROR_RANK;
    for (int i = 0; i < x->rank; ++i) {
        if (x->shape[i] < 0) return LQ_ERROR_SHAPE;
    }
    status = lq_check_block(x, &scheme->block, extent, shape, &product);
    if (status) return status;
    for (int i = 0; i < x->rank; ++i) grid[i] = shape[i];
    if (count) *count = product;
    return LQ_OK;
}
