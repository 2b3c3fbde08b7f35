#include "scheme.h"
#include "float_format.h"
#include "numeric.h"
#include "tensor.h"
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

/* The switches, up to the pointer, whose size and place are not the same everywhere, as words. */
enum {
    SWITCHES = offsetof(lq_scheme, quotient),
    WORDS = (offsetof(lq_scheme, reserved) + sizeof(int32_t) - SWITCHES) / sizeof(uint32_t)
};
#define WORD(field) ((offsetof(lq_scheme, field) - SWITCHES) / sizeof(uint32_t))

/* What each of them may be at most, all from 0; what may be anything is looked at elsewhere. */
static const uint32_t last_switch[WORDS] = {
    [WORD(quotient)] = LQ_QUOTIENT_MULTIPLIER,
    [WORD(precision)] = UINT32_MAX,
    [WORD(rounding)] = LQ_ROUND_LOWER_CODE,
    [WORD(zero_place)] = LQ_ZERO_MINIMUM,
    [WORD(clamp)] = LQ_CLAMP_TYPE,
    [WORD(nan_code)] = LQ_NAN_CODE_0,
    [WORD(codes_from)] = LQ_FROM_MULTIPLIER_AND_BACK,
    [WORD(zero_from)] = LQ_FROM_UNROUNDED,
    [WORD(arithmetic)] = LQ_ARITHMETIC_FLOAT,
    [WORD(range_rule)] = LQ_RANGE_AS_IS,
    [WORD(degenerate)] = LQ_DEGENERATE_SET,
    [WORD(scale_floor)] = UINT32_MAX,
    [WORD(zero_rule)] = LQ_ZERO_REAL,
    [WORD(zero_rounding)] = LQ_ROUND_AWAY,
    [WORD(middle)] = LQ_MIDDLE_EVEN,
    [WORD(tie)] = LQ_TIE_NEGATIVE,
    [WORD(scale_rounding)] = LQ_SCALE_EXPONENT_ROUND,
    [WORD(scale_factor)] = UINT32_MAX,
    [WORD(unsaturated)] = 1,
    [WORD(reserved)] = UINT32_MAX,
};

static bool known_switches(const lq_scheme *s) {
    uint32_t word[WORDS];
    uint32_t unknown = 0;
    memcpy(word, (const char *)s + SWITCHES, sizeof word);
    for (int i = 0; i < (int)WORDS; ++i) unknown |= word[i] > last_switch[i];
    return !unknown;
}

/* Switches that go with some codes only, or with some others. */
static bool switches_agree(const lq_scheme *s, const lq_rule *rule) {
    if (s->codes_from >= LQ_FROM_MULTIPLIER && s->quotient == LQ_QUOTIENT_DIVIDE) return false;
    if (s->zero_place == LQ_ZERO_MINIMUM && rule->mapping != LQ_AFFINE) return false;
    if (s->unsaturated && !rule->format) return false;
    if (rule->format) return s->rounding != LQ_ROUND_HALF_UP;
    if (rule->table) {
        return s->rounding != LQ_ROUND_AWAY && s->scale_rounding != LQ_SCALE_EXPONENT_EVEN;
    }
    return s->rounding != LQ_ROUND_LOWER_CODE;
}

static void apply_clamp(const lq_scheme *scheme, lq_rule *rule) {
    rule->code_min = rule->qmin;
    rule->code_max = rule->qmax;
    if (scheme->clamp == LQ_CLAMP_RANGE || !lq_has_integer_codes(rule)) return;
    const bool narrow = scheme->clamp == LQ_CLAMP_NARROW && rule->code->min < 0;
    rule->code_min = (int32_t)rule->code->min + narrow;
    rule->code_max = (int32_t)rule->code->max;
}

/* Most schemes have none, and a call should cost them little. */
static bool has_switches(const lq_scheme *s) {
    uint32_t word[WORDS];
    uint32_t any = 0;
    memcpy(word, (const char *)s + SWITCHES, sizeof word);
    for (int i = 0; i < (int)WORDS; ++i) any |= word[i];
    return any != 0;
}

static void set_element_rule(const lq_scheme *s, lq_real precision, lq_rule *rule) {
    rule->element = (lq_element_rule){.multiply = s->quotient != LQ_QUOTIENT_DIVIDE,
                                      .precision = precision,
                                      .rounding = s->rounding,
                                      .nan = s->nan_code,
                                      .divide_back = s->quotient == LQ_QUOTIENT_MULTIPLIER,
                                      .minimum = s->zero_place == LQ_ZERO_MINIMUM,
                                      .unsaturated = s->unsaturated != 0};
    rule->plain = lq_has_integer_codes(rule) && !s->quotient && precision == LQ_REAL_f32 &&
                  !s->rounding && !s->zero_place && !s->nan_code;
}

static lq_status apply_all_switches(const lq_scheme *s, lq_rule *rule) {
    const lq_type_info *precision = lq_type_find(s->precision ? s->precision : LQ_F32);
    if (s->reserved) return LQ_ERROR_STRUCT;
    if (!known_switches(s) || !switches_agree(s, rule)) return LQ_ERROR_ENUM;
    if (!precision || precision->kind != LQ_KIND_REAL) return LQ_ERROR_TYPE;
    if (!(s->scale_floor >= 0 && s->scale_floor <= FLT_MAX)) return LQ_ERROR_SCALE;
    if (!(s->scale_factor >= 0 && s->scale_factor <= FLT_MAX)) return LQ_ERROR_SCALE;
    if (s->scale_factor > 0 && s->quotient == LQ_QUOTIENT_MULTIPLIER) return LQ_ERROR_SCALE;
    set_element_rule(s, (lq_real)precision->index, rule);
    rule->quotient = s->quotient;
    rule->zero_place = lq_has_integer_codes(rule) ? s->zero_place : LQ_ZERO_OUTSIDE;
    rule->codes_from = s->codes_from;
    rule->zero_from = s->zero_from;
    rule->arithmetic = s->arithmetic;
    rule->range_rule = s->range_rule;
    rule->degenerate = s->degenerate;
    rule->zero_scales =
        s->degenerate == LQ_DEGENERATE_ZERO || s->degenerate == LQ_DEGENERATE_ZERO_MIDDLE;
    rule->scale_floor = s->scale_floor;
    rule->zero_rule = s->zero_rule;
    rule->real_zero = s->zero_rule == LQ_ZERO_REAL || s->zero_place == LQ_ZERO_MINIMUM;
    rule->zero_rounding = s->zero_rounding;
    rule->tie = s->tie;
    rule->scale_rounding = s->scale_rounding;
    rule->scale_factor = s->scale_factor > 0 ? s->scale_factor : 1;
    return LQ_OK;
}

/* After the mapping, which may have narrowed the range. */
static inline lq_status apply_switches(const lq_scheme *s, lq_rule *rule) {
    apply_clamp(s, rule);
    rule->plain = lq_has_integer_codes(rule);
    return has_switches(s) ? apply_all_switches(s, rule) : LQ_OK;
}

/* ------------------------------------------------------- floats and tables */

/* The largest magnitude, or 0 for what is no table. */
static double check_table(const float *value, int count) {
    double largest = 0;
    for (int k = 0; k < count; ++k) {
        const double size = value[k] < 0 ? -(double)value[k] : (double)value[k];
        if (!lq_is_finite(value[k]) || (k > 0 && !(value[k] > value[k - 1]))) return 0;
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* Codes that are no integers; as such they are all there are, from 0 up. */
static lq_status apply_values(const lq_scheme *scheme, lq_rule *rule) {
    const lq_type_info *code = rule->code;
    if (scheme->table) {
        if (code->kind != LQ_KIND_CODE || code->min < 0 || code->bits > 4) return LQ_ERROR_TYPE;
        rule->table = scheme->table;
        rule->largest = check_table(scheme->table, 1 << code->bits);
        if (rule->largest == 0) return LQ_ERROR_TABLE;
    } else {
        rule->format = code->format;
        rule->largest = lq_float_largest(code->format);
    }
    if (scheme->mapping < LQ_AFFINE || scheme->mapping > LQ_SYMMETRIC_FULL_RANGE) {
        return LQ_ERROR_ENUM;
    }
    if (scheme->mapping != LQ_SYMMETRIC || scheme->qmin || scheme->qmax) return LQ_ERROR_RANGE;
    rule->qmin = 0;
    rule->qmax = (1 << code->bits) - 1;
    rule->middle = rule->zero = 0;
    rule->steps = rule->largest;
    return LQ_OK;
}

/* Whether t is nearer to b than to a, which is below it; exactly. Their sum is s and what it lacks. */
static bool is_nearer(float a, float b, float t, bool tie) {
    const double s = (double)a + (double)b;
    const double part = s - (double)a;
    const double lacks = ((double)a - (s - part)) + ((double)b - part);
    const double twice = 2 * (double)t;
    return twice > s || (twice == s && (lacks < 0 || (lacks == 0 && tie)));
}

static float next_float(float v, bool up) {
    if (v == 0) return up ? lq_from_bits(1) : lq_from_bits(0x80000001u);
    return lq_from_bits(lq_bits(v) + ((v > 0) == up ? 1u : 0xffffffffu));
}

/* The least float that has the code of b, or a higher one. */
static float threshold(float a, float b, bool tie) {
    float t = (float)(((double)a + (double)b) / 2);
    while (is_nearer(a, b, next_float(t, false), tie)) t = next_float(t, false);
    while (!is_nearer(a, b, t, tie)) t = next_float(t, true);
    return t;
}

void lq_make_code_table(const lq_rule *rule, lq_code_table *table) {
    const lq_rounding rounding = rule->element.rounding;
    *table = (lq_code_table){.count = rule->qmax + 1}; /* vectors look at all 16 */
    for (int k = 0; k < table->count; ++k) {
        const bool tie = rounding == LQ_ROUND_EVEN ? k % 2 == 0 : rounding == LQ_ROUND_HALF_UP;
        table->value[k] = rule->table[k];
        table->from[k] =
            k ? threshold(rule->table[k - 1], rule->table[k], tie) : lq_from_bits(0xff800000u);
        if (k && table->from[k] <= 0) table->nan = k;
    }
    if (rule->element.nan == LQ_NAN_QMIN || rule->element.nan == LQ_NAN_CODE_0) table->nan = 0;
    if (rule->element.nan == LQ_NAN_QMAX) table->nan = rule->qmax;
}

/* --------------------------------------------------------------- all of it */

static lq_status check_whole(const lq_scheme *scheme, lq_rule *rule) {
    lq_status status;
    *rule = (lq_rule){.scale_factor = 1};
    rule->mapping = scheme->mapping;
    rule->code = lq_type_find(scheme->code_type);
    if (!rule->code) return LQ_ERROR_TYPE;
    if (rule->code->kind == LQ_KIND_FLOAT || scheme->table) {
        status = apply_values(scheme, rule);
        return status ? status : apply_switches(scheme, rule);
    }
    if (rule->code->kind != LQ_KIND_CODE) return LQ_ERROR_TYPE;
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

/* How a scheme began, before it had switches. */
enum { FIRST_SCHEME = LQ_END(lq_scheme, block) };

lq_status lq_check_scheme(const lq_scheme *scheme, lq_rule *rule) {
    if (!scheme) return LQ_ERROR_NULL;
    if (scheme->struct_size == sizeof *scheme) return check_whole(scheme, rule);
    lq_scheme whole;
    lq_status status;
    scheme = lq_whole_of(scheme, scheme->struct_size, FIRST_SCHEME, &whole, sizeof whole, &status);
    return status ? status : check_whole(scheme, rule);
}

lq_status lq_give_scheme(lq_scheme *scheme, size_t struct_size, const lq_scheme *value) {
    lq_scheme whole = *value;
    whole.struct_size = struct_size;
    if (struct_size >= sizeof whole) {
        const lq_status status = lq_init_struct(scheme, struct_size, sizeof whole);
        if (!status) *scheme = whole;
        return status;
    }
    /* What the caller has no fields for must be what their absence means. */
    const lq_status status = lq_check_grown(&whole, struct_size, FIRST_SCHEME, sizeof whole);
    if (status) return status;
    const unsigned char *bytes = (const unsigned char *)&whole;
    for (size_t i = struct_size; i < sizeof whole; ++i) {
        if (bytes[i]) return LQ_ERROR_STRUCT;
    }
    memcpy(scheme, &whole, struct_size);
    return LQ_OK;
}

lq_status lq_scheme_init(lq_scheme *scheme, size_t struct_size, lq_mapping mapping,
                         lq_type code_type, const lq_block *block) {
    if (!scheme || !block) return LQ_ERROR_NULL;
    const lq_scheme value = lq_scheme_of(mapping, code_type, *block);
    return lq_give_scheme(scheme, struct_size, &value);
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

/* How many blocks an axis has; and the extent that a block really has there. */
static int64_t blocks_along(int64_t dim, int64_t *extent) {
    const bool whole = *extent == 0;
    if (whole || *extent >= dim) {
        *extent = dim > 0 ? dim : 1;
        return whole || dim > 0;
    }
    return *extent == 1 ? dim : (dim - 1) / *extent + 1;
}

lq_status lq_check_block(const lq_tensor *x, const lq_block *block, int64_t *extent, int64_t *grid,
                         int64_t *count) {
    int64_t product = 1;
    bool empty = false;
    if (block->granularity == LQ_PER_TENSOR && !block->reserved) {
        for (int i = 0; i < x->rank; ++i) {
            extent[i] = x->shape[i] > 0 ? x->shape[i] : 1;
            grid[i] = 1;
        }
        *count = 1;
        return LQ_OK;
    }
    const lq_status status = raw_extents(x->rank, block, extent);
    if (status) return status;
    for (int i = 0; i < x->rank; ++i) {
        grid[i] = blocks_along(x->shape[i], &extent[i]);
        empty |= grid[i] == 0;
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
    lq_status status = lq_check_grown(scheme, scheme->struct_size, FIRST_SCHEME, sizeof *scheme);
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
