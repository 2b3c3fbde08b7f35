#include "kernel_cases.h"
#include <math.h>
#include <string.h>

static const float scales[] = {1.0f,      0.5f,       1.0f / 127,       0.1f,      0.0123f,
                               3.0f,      1.9999999f, 0x1.fffc02p-112f, 0x1p-126f, 0x1p-149f,
                               0x1p-101f, 0x1p-100f,  0x1.8p-100f,      0x1p100f,  0x1.8p100f,
                               0x1p101f,  0x1.fp127f, -0.25f,           -1.0f / 8, 0x1.fffffep-1f,
                               65504.0f};

/* The largest finite values. */
static const double largest[] = {FLT_MAX, 65504.0, 0x1.fep127, DBL_MAX};

static const lq_type formats[] = {LQ_E4M3, LQ_E5M2, LQ_E4M3FNUZ, LQ_E5M2FNUZ,
                                  LQ_E2M3, LQ_E3M2, LQ_E2M1};

/* Ascending, some far apart, some equal; the bounds are not in their middles throughout. */
static void choose_table(situation *s, int32_t count) {
    float v = -(float)random_below(400) / 7.0f;
    s->by_table = true;
    s->table = (lq_code_table){.count = count, .nan = (int32_t)random_below((uint32_t)count)};
    for (int32_t i = 0; i < count; ++i) {
        const float before = v;
        v += (float)random_below(random_below(3) ? 50 : 3) / 7.0f;
        s->table.value[i] = v;
        s->table.from[i] = i == 0 ? lq_from_bits(0xff800000u) : before / 2 + v / 2;
    }
}

/* Now and then floats or a table that codes of the width hold. */
static void choose_coding(situation *s) {
    const int bits = is_fake(s) || s->row->shape == BY_REAL ? 8 : width_bits[s->width];
    s->format = NULL;
    s->by_table = false;
    if (!can_be_coded(s) || bits > 8 || random_below(2)) return;
    const lq_float_format *f =
        lq_type_find(formats[random_below(sizeof formats / sizeof *formats)])->format;
    if (bits == 2 || random_below(3) == 0) {
        choose_table(s, bits == 2 || random_below(4) == 0 ? 4 : 16);
    } else {
        s->format = f->bits <= bits ? f : lq_type_find(LQ_E2M1)->format;
    }
    s->by_rule = true;
    s->is_signed = false;
    s->rule.rounding = (lq_rounding)random_below(LQ_ROUND_LOWER_CODE + 1);
    s->rule.unsaturated = random_below(2);
    for (int i = 0; i < 256; ++i) {
        s->zero[i] = 0;
        s->offset[i] = 0.0f;
        if (!s->rule.minimum) s->center[i] = 0.0f;
        /* Of values, this is the center. */
        if (reads_codes(s)) s->offset[i] = s->center[i];
    }
}

/* Half of the time none; every combination of switches, with offsets as the library makes them. */
static void choose_rule(situation *s) {
    s->by_rule = random_below(2);
    s->rule = (lq_element_rule){.multiply = random_below(2),
                                .precision = (lq_real)random_below(LQ_REALS),
                                .rounding = (lq_rounding)random_below(LQ_ROUND_HALF_UP + 1),
                                .nan = (lq_nan_code)random_below(LQ_NAN_CODE_0 + 1),
                                .divide_back = random_below(2)};
    s->rule.minimum = random_below(4) == 0;
    if (random_below(2)) s->rule.precision = LQ_REAL_f32;
    const bool inside = random_below(2);
    const float fraction = random_below(2) ? 0.0f : (float)random_below(100) / 100.0f;
    for (int i = 0; i < 256; ++i) {
        s->back[i] = s->scale[i];
        s->center[i] = (float)s->zero[i] + fraction;
        s->offset[i] = inside ? s->center[i] : 0.0f;
        if (s->rule.multiply && random_below(2)) s->scale[i] = 1.0f / s->scale[i];
        if (s->by_rule && inside) s->zero[i] = 0;
        if (s->by_rule && s->rule.rounding == LQ_ROUND_HALF_UP) {
            s->offset[i] = s->center[i] - (float)s->qmin + 0.5f;
            s->zero[i] = s->qmin;
        }
    }
}

void choose_parameters(situation *s) {
    const int32_t half = s->row->shape == BY_PAIR ? 128 : 1 << (width_bits[s->width] - 1);
    s->limit = random_below(2) && s->row->shape == BY_PAIR ? largest[s->width] : HUGE_VAL;
    s->qmin = s->is_signed ? -half : 0;
    s->qmax = s->is_signed ? half - 1 : 2 * half - 1;
    const bool narrow = random_below(3) == 0 && s->qmax - s->qmin > 2;
    const bool centered = random_below(3) == 0;
    s->qmin += narrow;
    for (int i = 0; i < 256; ++i) {
        s->scale[i] = scales[random_below(sizeof scales / sizeof *scales)];
        if (random_below(2)) s->scale[i] = 0.001f + (float)random_below(1000) / 7919.0f;
        s->zero[i] = s->qmin + (int32_t)random_below((uint32_t)(s->qmax - s->qmin + 1));
        /* The code of 0 that a narrow range has left out. */
        if (narrow && random_below(4) == 0) s->zero[i] = s->qmin - 1;
        s->multiplier[i] =
            (int32_t)(random_bits() >> (random_below(2) ? 33 : 33 + random_below(31)));
        s->shift[i] = (int32_t)random_below(62) - 31;
        if (random_below(2)) s->shift[i] = -(int32_t)random_below(10);
    }
    /* In runs, ties are ties of the row's scale: often let all rows have the same. */
    if (random_below(3)) {
        for (int i = 1; i < 256; ++i) s->scale[i] = s->scale[0];
        for (int i = 1; i < 256; ++i) s->multiplier[i] = s->multiplier[0];
        for (int i = 1; i < 256; ++i) s->shift[i] = s->shift[0];
    }
    /* As those of symmetric schemes are. */
    for (int i = 0; centered && i < 256; ++i) s->zero[i] = 0;
    /* Requantization has no such rules, and no scales that are not finite. */
    s->by_rule = false;
    s->format = NULL;
    s->by_table = false;
    if (has_accumulators(s)) return;
    choose_rule(s);
    choose_coding(s);
}

/* A value with two codes equally near, or next to one, times a scale. */
static float coded_tie(const situation *s, float scale) {
    float tie;
    if (s->by_table) {
        tie = s->table.from[1 + random_below((uint32_t)s->table.count - 1u)];
    } else {
        const uint32_t code = random_below(s->format->top + 1);
        const float low = lq_decode_float(s->format, code);
        const float high =
            code < s->format->top ? lq_decode_float(s->format, code + 1) : 1.25f * low;
        tie = low / 2 + high / 2;
    }
    if (random_below(2)) tie = -tie;
    const float v = s->rule.multiply ? tie / scale : tie * scale;
    return random_below(2) ? v : lq_from_bits(lq_bits(v) + random_below(3) - 1u);
}

/* The inputs that matter: random ones hide nearly every difference. */
float input_value(const situation *s, int i) {
    const uint32_t specials[] = {0,           0x80000000u, 0x7fc00000u, 0xffc00001u, 0x7f800001u,
                                 0x7f800000u, 0xff800000u, 0x7f7fffffu, 0xff7fffffu, 1,
                                 0x807fffffu, 0x00800000u, 0x3f800000u, 0x33000000u, 0x477ff000u};
    const float scale = s->scale[i % 256];
    float v;
    if ((s->format || s->by_table) && (s->inputs == 1 || s->inputs == 2)) {
        return coded_tie(s, scale);
    }
    switch (s->inputs) {
    case 0: return lq_from_bits((uint32_t)random_bits());
    case 1: return scale * ((float)(int32_t)(random_below(600)) - 300.0f) / 2.0f;
    case 2:
        v = scale * ((float)(int32_t)(random_below(600)) - 300.0f + 0.5f);
        return lq_from_bits(lq_bits(v) + random_below(3) - 1u);
    case 3: return lq_from_bits(specials[random_below(sizeof specials / sizeof *specials)]);
    case 4: return lq_f16_to_f32((uint16_t)random_bits());
    case 5: return lq_bf16_to_f32((uint16_t)random_bits());
    case 6: return scale;
    case 7:
        if (random_below(40)) return scale * (float)random_below(1000) / 64.0f;
        return lq_from_bits(specials[random_below(sizeof specials / sizeof *specials)]);
    default: return i % 2 ? 1.5f : -2.5f;
    }
}

/* Near what a float has, and that too: a second rounding would show. */
static double input_double(const situation *s, int i) {
    const float v = input_value(s, i);
    const uint16_t half = (uint16_t)random_bits();
    const uint64_t near = random_below(3) - 1u;
    double d = lq_f32_to_f64(v);
    if (random_below(3) == 0) d = lq_double_from_bits(random_bits());
    if (random_below(3) == 0) d = lq_f32_to_f64(lq_f16_to_f32(half));
    if (random_below(3) == 0) d = lq_f32_to_f64(lq_bf16_to_f32(half));
    /* Halfway to the next value of the type, now and then. */
    if (random_below(2)) d += d / 4096 * (1 << random_below(6));
    return lq_double_from_bits(lq_bits_of_double(d) + near);
}

/* Large ones, the limits, small ones, and ties of a power of two. */
static int32_t accumulator(const situation *s, int i) {
    const int32_t limits[] = {INT32_MIN, INT32_MAX, INT32_MIN + 1, 1 << 30, -(1 << 30), 0, 1, -1};
    const int32_t bits = (int32_t)(uint32_t)random_bits();
    switch (s->inputs % 4) {
    case 0: return bits;
    case 1: return bits >> random_below(32);
    case 2: return limits[random_below(sizeof limits / sizeof *limits)];
    default: return ((bits >> 20) * 2 + 1) * (1 << (i % 12));
    }
}

void fill_inputs(const situation *s, unsigned char *to, int64_t bytes) {
    for (int64_t i = 0; has_accumulators(s) && i < bytes / 4; ++i) {
        const int32_t v = accumulator(s, (int)i);
        memcpy(to + i * 4, &v, sizeof v);
    }
    if (has_accumulators(s)) return;
    if (reads_codes(s) || by_width(s)) {
        for (int64_t i = 0; i < bytes; ++i) to[i] = (unsigned char)random_bits();
        return;
    }
    const int size = real_bytes[s->real];
    for (int64_t i = 0; size == 8 && i < bytes / size; ++i) {
        const double v = input_double(s, (int)i);
        memcpy(to + i * size, &v, sizeof v);
    }
    for (int64_t i = 0; size < 8 && i < bytes / size; ++i) {
        const float v = input_value(s, (int)i);
        const uint16_t h = s->inputs == 0           ? (uint16_t)random_bits()
                           : s->real == LQ_REAL_f16 ? lq_f32_to_f16(v)
                                                    : lq_f32_to_bf16(v);
        memcpy(to + i * size, size == 4 ? (const void *)&v : (const void *)&h, (size_t)size);
    }
}

enum { TALLY_CHANNELS = 200, TALLY_SHIFT = 22, TALLY_BINS = 1 << (32 - TALLY_SHIFT) };

/* All that a tally kernel writes. */
typedef struct tallies {
    float lo[TALLY_CHANNELS], hi[TALLY_CHANNELS];
    uint32_t low_bits[TALLY_CHANNELS];
    uint32_t counters[TALLY_CHANNELS][TALLY_BINS][2];
    uint64_t sums[TALLY_CHANNELS][TALLY_BINS];
} tallies;

bool same_tallies(const situation *s, lq_tally_fn *scalar, lq_tally_fn *other,
                  const unsigned char *in, int64_t rows, int64_t step) {
    static tallies both[2];
    lq_tally_fn *const fn[] = {scalar, other};
    const int64_t channels = is_lanes(s) ? s->count : rows;
    for (int t = 0; t < 2; ++t) {
        tallies *to = &both[t];
        memset(to->low_bits, 0, sizeof to->low_bits);
        memset(to->counters, 0, (size_t)channels * sizeof *to->counters);
        memset(to->sums, 0, (size_t)channels * sizeof *to->sums);
        for (int i = 0; i < TALLY_CHANNELS; ++i) {
            to->lo[i] = lq_from_bits(0x7f800000u);
            to->hi[i] = lq_from_bits(0xff800000u);
        }
        const lq_tally_work w = {.x = in,
                                 .count = s->count,
                                 .rows = rows,
                                 .x_step = step,
                                 .channel_step = s->inputs & 1,
                                 .lo = to->lo,
                                 .hi = to->hi,
                                 .low_bits = to->low_bits,
                                 .counters = to->counters[0][0],
                                 .sums = s->inputs & 2 ? to->sums[0] : NULL,
                                 .bins = TALLY_BINS,
                                 .shift = TALLY_SHIFT};
        fn[t](&w);
    }
    for (int i = 0; i < TALLY_CHANNELS; ++i) {
        const uint32_t differ = both[0].low_bits[i] ^ both[1].low_bits[i];
        if (differ << (32 - TALLY_SHIFT)) return false;
        if (both[0].lo[i] != both[1].lo[i] || both[0].hi[i] != both[1].hi[i]) return false;
    }
    const size_t n = (size_t)channels;
    return memcmp(both[0].counters, both[1].counters, n * sizeof *both[0].counters) == 0 &&
           memcmp(both[0].sums, both[1].sums, n * sizeof *both[0].sums) == 0;
}
