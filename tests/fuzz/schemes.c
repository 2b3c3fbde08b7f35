#include "schemes.h"

#include <stddef.h>
#include <string.h>

#include "memory.h"

static const lq_type types[] = {LQ_F32,      LQ_F16,  LQ_BF16, LQ_F64,      LQ_S2,   LQ_S4,
                                LQ_S8,       LQ_S16,  LQ_S32,  LQ_U2,       LQ_U4,   LQ_U8,
                                LQ_U16,      LQ_E4M3, LQ_E5M2, LQ_E4M3FNUZ, LQ_E8M0, LQ_E2M3,
                                LQ_E5M2FNUZ, LQ_E3M2, LQ_E2M1};

lq_type choose_real(choices *in) {
    static const lq_type reals[] = {LQ_F32, LQ_F16, LQ_BF16, LQ_F32};
    return CHOICE_OF(in, reals);
}

lq_type choose_type(choices *in) {
    return choice_rarely(in, 64) ? (lq_type)choice_bits(in, 2) : CHOICE_OF(in, types);
}

lq_type choose_scale_type(choices *in) {
    static const lq_type likely[] = {LQ_F32, LQ_F32, LQ_F16, LQ_BF16, LQ_E4M3, LQ_E8M0, 0};
    const lq_type type = CHOICE_OF(in, likely);
    return type ? type : choose_type(in);
}

int32_t choose_shape(choices *in, int64_t *shape) {
    const int32_t rank = choice_rarely(in, 4) ? (int32_t)choice_in(in, 0, LQ_MAX_RANK)
                                              : (int32_t)choice_in(in, 1, 3);
    /* Tasks begin at some ten thousand elements. */
    int64_t room = choice_rarely(in, 32) ? MOST_ELEMENTS : 600;
    for (int32_t i = rank - 1; i >= 0; --i) {
        const int64_t most = room < 256 || (i == 0 && room > 600) ? room : 255;
        shape[i] = choice_rarely(in, 40) ? 0 : choice_in(in, 1, most);
        if (shape[i] > 0) room = room / shape[i] > 1 ? room / shape[i] : 1;
    }
    return rank;
}

static lq_block choose_block(choices *in, int32_t rank) {
    int64_t extent[LQ_MAX_RANK];
    const int32_t axis = rank > 0 ? (int32_t)choice_in(in, -rank, rank - 1) : 0;
    switch (choice_in(in, LQ_PER_TENSOR, LQ_PER_TILE)) {
    case LQ_PER_CHANNEL: return lq_per_channel(axis);
    case LQ_PER_BLOCK:
        return lq_per_block(choice_rarely(in, 4) ? axis : -1,
                            choice_rarely(in, 2) ? 32 : choice_in(in, 0, 70));
    case LQ_PER_TILE:
        for (int32_t i = 0; i < rank; ++i) extent[i] = choice_in(in, 0, 20);
        return lq_per_tile(rank, extent);
    default: return lq_per_tensor();
    }
}

/* Any number in any field but the first and the last, which are a size and a pointer. */
static void spoil_scheme(choices *in, lq_scheme *scheme) {
    const size_t first = offsetof(lq_scheme, mapping), end = offsetof(lq_scheme, table);
    const size_t at = first + 4 * (size_t)choice_in(in, 0, (int64_t)(end - first) / 4 - 1);
    const int32_t value =
        choice_rarely(in, 4) ? (int32_t)choice_any(in) : (int32_t)choice_in(in, -1, 8);
    memcpy((unsigned char *)scheme + at, &value, sizeof value);
}

/* 0 mostly, since most combinations of switches are refused. */
static int32_t some(choices *in, int32_t most) {
    return choice_rarely(in, 4) ? (int32_t)choice_in(in, 0, most) : 0;
}

static void choose_switches(choices *in, lq_scheme *s) {
    static const lq_type precisions[] = {0, LQ_F32, LQ_F16, LQ_BF16};
    s->quotient = some(in, LQ_QUOTIENT_MULTIPLIER);
    s->precision = precisions[some(in, 3)];
    s->rounding = some(in, LQ_ROUND_LOWER_CODE);
    s->zero_place = some(in, LQ_ZERO_MINIMUM);
    s->clamp = some(in, LQ_CLAMP_TYPE);
    s->nan_code = some(in, LQ_NAN_CODE_0);
    s->codes_from = some(in, LQ_FROM_MULTIPLIER_AND_BACK);
    s->zero_from = some(in, LQ_FROM_UNROUNDED);
    s->arithmetic = some(in, LQ_ARITHMETIC_FLOAT);
    s->range_rule = some(in, LQ_RANGE_AS_IS);
    s->degenerate = some(in, LQ_DEGENERATE_SET);
    s->scale_floor = some(in, 1) ? 0x1p-23f : 0;
    s->zero_rule = some(in, LQ_ZERO_REAL);
    s->zero_rounding = some(in, LQ_ROUND_AWAY);
    s->middle = some(in, LQ_MIDDLE_EVEN);
    s->tie = some(in, LQ_TIE_NEGATIVE);
    s->scale_rounding = some(in, LQ_SCALE_EXPONENT_ROUND);
    s->scale_factor = some(in, 1) ? 0.015625f : 0;
    s->unsaturated = some(in, 1);
}

static lq_type choose_codes(choices *in) {
    static const lq_type codes[] = {LQ_S8,       LQ_U8,       LQ_S4,   LQ_U4,   LQ_S2,
                                    LQ_U2,       LQ_S16,      LQ_U16,  LQ_E4M3, LQ_E5M2,
                                    LQ_E4M3FNUZ, LQ_E5M2FNUZ, LQ_E2M3, LQ_E3M2, LQ_E2M1};
    return CHOICE_OF(in, codes);
}

lq_scheme choose_scheme(choices *in, int hostile, int32_t rank) {
    static const float table[] = {-10, -8, -7, -5, -3, -1, -0.5f, 0, 1, 1.25f, 2, 3, 4, 6, 7, 9};
    const lq_type codes = choose_codes(in);
    const int is_float = codes >> 12 == LQ_E2M1 >> 12;
    const lq_block block = choose_block(in, rank);
    lq_scheme s = lq_scheme_of(is_float ? LQ_SYMMETRIC : (lq_mapping)choice_in(in, 0, 3), codes,
                               block),
              profile;
    switch (choice_in(in, 0, 7)) {
    case 1:
    case 2:
    case 3:
        if (lq_scheme_profile(&profile, sizeof profile, (lq_profile)choice_in(in, 0, 36), codes,
                              &block) == LQ_OK)
            s = profile;
        break;
    case 4: choose_switches(in, &s); break;
    case 5:
        s.qmin = (int32_t)choice_in(in, -128, 0);
        s.qmax = (int32_t)choice_in(in, 1, 300);
        break;
    case 6:
        s.table = table;
        s.mapping = LQ_SYMMETRIC;
        s.code_type = LQ_U4;
        break;
    default: break;
    }
    for (int i = 0; i < 3 && hostile && choice_rarely(in, 6); ++i) spoil_scheme(in, &s);
    return s;
}
