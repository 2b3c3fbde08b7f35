/*
 * Every kernel of the list on every level of this machine against the scalar one, byte for byte:
 * all lengths from 0 to 200, all alignments, runs and lanes, rows with gaps, in place, guard pages
 * on both sides and canaries around what is written; and with stores past the caches, where they are
 * allowed. LQ_LENGTH_STEP=n, for slow machines, takes every n-th length, not the same ones for each
 * kernel.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "kernel_cases.h"
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 200, ROWS = 3, BUFFER = 8192, CANARY = 0x5a };

#define ROW_REAL(name, fn) {#name, FN_##fn, BY_REAL, offsetof(lq_kernels, name)},
#define ROW_CODE(name, fn) {#name, FN_##fn, BY_NARROW_WIDTH, offsetof(lq_kernels, name)},
#define ROW_WIDTH(name, fn) {#name, FN_##fn, BY_WIDTH, offsetof(lq_kernels, name)},
#define ROW_BOTH(name, fn) {#name, FN_##fn, BY_BOTH, offsetof(lq_kernels, name)},
#define ROW_PAIR(name, fn) {#name, FN_##fn, BY_PAIR, offsetof(lq_kernels, name)},

static const kernel_row rows[] = {
    LQ_KERNEL_LIST(ROW_REAL, ROW_CODE, ROW_WIDTH, ROW_BOTH, ROW_PAIR)};

static const char *const real_names[] = {"f32", "f16", "bf16", "f64"};
static uint64_t seed;
static guarded read_side, other_side, write_side, expected_side;

typedef union any_fn {
    lq_map_fn *map;
    lq_range_fn *range;
    lq_count_fn *count;
    lq_sum_fn *sum;
    lq_product_fn *product;
    lq_grad_fn *grad;
    lq_tally_fn *tally;
} any_fn;

static any_fn kernel_of(const lq_kernels *table, const situation *s) {
    any_fn fn;
    size_t index = 0;
    if (s->row->shape == BY_REAL) index = (size_t)s->real;
    if (by_width(s)) index = (size_t)s->width;
    if (s->row->shape == BY_BOTH) index = (size_t)(s->real * LQ_WIDTHS + s->width);
    if (s->row->shape == BY_PAIR) index = (size_t)(s->real * LQ_FLOATS + s->width);
    memcpy(&fn, (const char *)table + s->row->offset + index * sizeof fn, sizeof fn);
    return fn;
}

/* Bytes of a row on each side. */
static int64_t x_row(const situation *s) {
    if (has_accumulators(s)) return s->count * 4;
    return by_width(s) ? s->count : s->count * real_bytes[s->real];
}
static int64_t codes_row(const situation *s) {
    return s->count * codes_bits(s) / 8;
}

static void describe(const situation *s, const char *what) {
    printf("%s: kernel %s", what, s->row->name);
    if (!by_width(s)) printf(" %s", real_names[s->real]);
    if (s->row->shape == BY_PAIR) printf(" to %s, limit %a", real_names[s->width], s->limit);
    if (s->row->shape != BY_REAL && s->row->shape != BY_PAIR) printf(" %d bits", codes_bits(s));
    printf(", level %s, seed %llu, %lld elements, inputs %d, %s\n", lq_cpu_name(s->level),
           (unsigned long long)seed, (long long)s->count, s->inputs,
           s->is_signed ? "signed" : "unsigned");
    if (s->streams) printf("  past the caches\n");
    if (s->by_table) printf("  a table of %d\n", (int)s->table.count);
    if (s->format) {
        printf("  floats of %d bits, mantissa %d, bias %d%s\n", (int)s->format->bits,
               (int)s->format->mantissa, (int)s->format->bias,
               s->rule.unsaturated ? ", unsaturated" : "");
    }
    if (!s->by_rule) return;
    printf("  rule: %s, precision %s, rounding %d, nan %d, back by %s%s\n",
           s->rule.multiply ? "factor" : "quotient", real_names[s->rule.precision],
           (int)s->rule.rounding, (int)s->rule.nan, s->rule.divide_back ? "quotient" : "factor",
           s->rule.minimum ? ", a minimum" : "");
}

/* The bits of element i of a row, whatever its width, as a number. */
static unsigned long long element_bits(const unsigned char *row, int64_t i, int bits) {
    unsigned long long value = 0;
    for (int b = 0; b < bits; ++b) {
        const int64_t bit = i * bits + b;
        value |= (unsigned long long)(row[bit / 8] >> (bit % 8) & 1) << b;
    }
    return value;
}

static int x_bits(const situation *s) {
    if (has_accumulators(s)) return 32;
    return by_width(s) ? 8 : 8 * real_bytes[s->real];
}

/* `first` is the first byte that differs, counted from the beginning of the output. */
static void report_difference(const situation *s, const unsigned char *in,
                              const unsigned char *expected, const unsigned char *got,
                              int64_t first) {
    const int in_bits = reads_codes(s) ? codes_bits(s) : x_bits(s);
    const int out_bits = reads_codes(s) ? x_bits(s) : codes_bits(s);
    const int64_t in_row = s->count * in_bits / 8 + s->gap;
    const int64_t out_row = s->count * out_bits / 8 + s->gap;
    const int64_t r = out_row > 0 && first >= 0 ? first / out_row : -1;
    describe(s, "difference");
    printf("  byte %lld of the output", (long long)first);
    if (r < 0 || r >= s->rows || (first - r * out_row) * 8 >= s->count * out_bits) {
        printf(", outside its rows: expected %02x, got %02x\n", expected[first], got[first]);
        fail();
    }
    int64_t i = (first - r * out_row) * 8 / out_bits;
    while (element_bits(expected + r * out_row, i, out_bits) ==
           element_bits(got + r * out_row, i, out_bits)) {
        ++i;
    }
    printf(": row %lld, index %lld, scale %a, zero point %d, input bits %#llx: expected %#llx, got "
           "%#llx\n",
           (long long)r, (long long)i, (double)s->scale[is_lanes(s) ? i : (s->inputs & 1) * r],
           s->zero[is_lanes(s) ? i : (s->inputs & 1) * r],
           element_bits(in + r * in_row, i, in_bits),
           element_bits(expected + r * out_row, i, out_bits),
           element_bits(got + r * out_row, i, out_bits));
    fail();
}

static void run_map(const situation *s, const lq_kernels *table, unsigned char *in,
                    unsigned char *out) {
    lq_map_work w = {
        .count = s->count,
        .rows = s->rows,
        .scale = s->scale,
        .zero = s->zero,
        .multiplier = s->multiplier,
        .shift = s->shift,
        .param_step = s->inputs & 1,
        .qmin = s->qmin,
        .qmax = s->qmax,
        .sign = s->is_signed ? 1u << (codes_bits(s) - 1) % 32 : 0u,
        .rule = s->by_rule ? &s->rule : NULL,
        .format = s->format,
        .table = s->by_table ? &s->table : NULL,
        .offset = s->offset,
        .center = s->center,
        .back = s->back,
        .limit = s->limit,
        .x_step = x_row(s) + s->gap,
        .codes_step = codes_row(s) + s->gap,
        .streams = s->streams,
    };
    w.x = reads_codes(s) ? out : in;
    w.codes = reads_codes(s) ? in : out;
    kernel_of(table, s).map(&w);
}

static int64_t span(const situation *s, int64_t row) {
    return row * s->rows + s->gap * (s->rows - 1);
}

/* `in` and `out` are where the operands begin; what lies around out must stay as it is. */
static void compare_map(const situation *s, const lq_kernels *table, unsigned char *in,
                        unsigned char *out) {
    const int64_t bytes = write_side.end - write_side.begin;
    unsigned char *const expected = expected_side.begin + (out - write_side.begin);
    memset(write_side.begin, CANARY, (size_t)bytes);
    memset(expected_side.begin, CANARY, (size_t)bytes);
    run_map(s, lq_kernels_of(LQ_CPU_SCALAR), in, expected);
    run_map(s, table, in, out);
    for (int64_t i = 0; i < bytes; ++i) {
        if (expected_side.begin[i] == write_side.begin[i]) continue;
        report_difference(s, in, expected, out, i - (out - write_side.begin));
    }
}

static void compare_range(const situation *s, const lq_kernels *table, const unsigned char *in,
                          bool magnitudes) {
    float lo[2][MOST], hi[2][MOST];
    const lq_kernels *tables[2] = {lq_kernels_of(LQ_CPU_SCALAR), table};
    for (int t = 0; t < 2; ++t) {
        for (int i = 0; i < MOST; ++i) {
            lo[t][i] = s->inputs & 2 ? -0.001f : lq_from_bits(0x7f800000u);
            hi[t][i] = s->inputs & 2 ? 0.001f : lq_from_bits(0xff800000u);
        }
        const lq_range_work w = {.x = in,
                                 .count = s->count,
                                 .rows = s->rows,
                                 .x_step = x_row(s) + s->gap,
                                 .lo = lo[t],
                                 .hi = hi[t],
                                 .range_step = s->inputs & 1,
                                 .magnitudes = magnitudes};
        kernel_of(tables[t], s).range(&w);
    }
    for (int i = 0; magnitudes && i < MOST; ++i) {
        for (int t = 0; t < 2; ++t)
            lo[t][i] = hi[t][i] = -lo[t][i] > hi[t][i] ? -lo[t][i] : hi[t][i];
    }
    /* Zeros may come with either sign. */
    for (int i = 0; i < MOST; ++i) {
        if (lo[0][i] == lo[1][i] && hi[0][i] == hi[1][i]) continue;
        describe(s, "difference");
        printf("  range %d: expected [%a, %a], got [%a, %a]\n", i, (double)lo[0][i],
               (double)hi[0][i], (double)lo[1][i], (double)hi[1][i]);
        fail();
    }
}

static void compare_count(const situation *s, const lq_kernels *table, unsigned char *in) {
    lq_counts counts[2] = {{1, 2, 3, 4, 5}, {1, 2, 3, 4, 5}};
    const lq_kernels *tables[2] = {lq_kernels_of(LQ_CPU_SCALAR), table};
    const lq_map_work w = {.x = in,
                           .count = s->count,
                           .rows = s->rows,
                           .x_step = x_row(s) + s->gap,
                           .scale = s->scale,
                           .zero = s->zero,
                           .param_step = s->inputs & 1,
                           .qmin = s->qmin,
                           .qmax = s->qmax,
                           .rule = s->by_rule ? &s->rule : NULL,
                           .format = s->format,
                           .table = s->by_table ? &s->table : NULL,
                           .offset = s->offset,
                           .center = s->center};
    for (int t = 0; t < 2; ++t) kernel_of(tables[t], s).count(&w, &counts[t]);
    if (memcmp(&counts[0], &counts[1], sizeof counts[0]) != 0) {
        describe(s, "difference in counts");
        fail();
    }
}

static void compare_sum(const situation *s, const lq_kernels *table, const unsigned char *in) {
    int64_t sum[2][256];
    const lq_kernels *tables[2] = {lq_kernels_of(LQ_CPU_SCALAR), table};
    for (int t = 0; t < 2; ++t) {
        for (int i = 0; i < 256; ++i) sum[t][i] = i;
        const lq_sum_work w = {.codes = in,
                               .count = s->count,
                               .rows = s->rows,
                               .codes_step = codes_row(s) + s->gap,
                               .sign = s->is_signed ? 1u << (width_bits[s->width] - 1) : 0u,
                               .sum = sum[t],
                               .sum_step = s->inputs & 1};
        kernel_of(tables[t], s).sum(&w);
    }
    if (memcmp(sum[0], sum[1], sizeof sum[0]) != 0) {
        describe(s, "difference in sums");
        fail();
    }
}

/* One row, with corrections of all sizes, or none. */
static void compare_product(const situation *s, const lq_kernels *table, const unsigned char *in,
                            unsigned char *out) {
    const int64_t bytes = write_side.end - write_side.begin;
    unsigned char *const expected = expected_side.begin + (out - write_side.begin);
    float bias[256];
    int32_t sum[256];
    lq_product_work w = {.acc = in,
                         .count = s->count,
                         .row_scale = s->scale[255],
                         .column_scale = s->scale,
                         .row_zero = (int64_t)random_below(98304) - 32768,
                         .column_zero = s->zero,
                         .cross = (int64_t)random_bits() >> (17 + random_below(40))};
    for (int i = 0; i < 256; ++i) {
        sum[i] = (int32_t)(uint32_t)random_bits() >> random_below(32);
        bias[i] = input_value(s, i);
    }
    if (random_below(3)) w.column_sum = sum;
    if (random_below(2)) w.bias = bias;
    memset(write_side.begin, CANARY, (size_t)bytes);
    memset(expected_side.begin, CANARY, (size_t)bytes);
    w.x = expected;
    kernel_of(lq_kernels_of(LQ_CPU_SCALAR), s).product(&w);
    w.x = out;
    kernel_of(table, s).product(&w);
    for (int64_t i = 0; i < bytes; ++i) {
        if (expected_side.begin[i] == write_side.begin[i]) continue;
        describe(s, "difference in a product");
        printf("  byte %lld of the output\n", (long long)(i - (out - write_side.begin)));
        fail();
    }
}

/* What a call of a gradient's kernel adds up; more than the most lanes. */
typedef struct grad_sums {
    double scale[MOST], zero[MOST];
} grad_sums;

static void run_grad(const situation *s, const lq_kernels *table, const unsigned char *in,
                     const unsigned char *grad_y, unsigned char *out, grad_sums *sums) {
    static const lq_element_rule plain = {.nan = LQ_NAN_ZERO_POINT};
    double inside[256], outside[256];
    for (int i = 0; i < 256; ++i) {
        inside[i] = 1 / (double)s->back[i];
        outside[i] = s->by_rule && s->rule.divide_back ? inside[i] : 1;
    }
    for (int i = 0; i < MOST; ++i) sums->scale[i] = sums->zero[i] = 0.125 * i;
    const lq_grad_work w = {
        .x = in,
        .grad_y = grad_y,
        .grad_x = out,
        .count = s->count,
        .rows = s->rows,
        .x_step = x_row(s) + s->gap,
        .grad_y_step = x_row(s) + s->gap,
        .grad_x_step = x_row(s) + s->gap,
        .rule = s->by_rule ? &s->rule : &plain,
        .format = s->format,
        .table = s->by_table ? &s->table : NULL,
        .scale = s->scale,
        .offset = s->offset,
        .center = s->center,
        .back = s->back,
        .zero = s->zero,
        .qmin = s->qmin,
        .qmax = s->qmax,
        .inside = inside,
        .outside = outside,
        .scale_sum = s->inputs % 3 ? sums->scale : NULL,
        .zero_sum = s->inputs % 3 ? sums->zero : NULL,
        .first = s->count % 11,
    };
    kernel_of(table, s).grad(&w);
}

/* The sign of a NaN is the processor's choice. */
static bool same_sum(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

/* grad_x over grad_y must give the same as elsewhere. */
static void compare_grad(const situation *s, const lq_kernels *table, const unsigned char *in,
                         unsigned char *grad_y, unsigned char *out) {
    grad_sums expected_sums, sums;
    const int64_t bytes = write_side.end - write_side.begin;
    unsigned char *const expected = expected_side.begin + (out - write_side.begin);
    memset(write_side.begin, CANARY, (size_t)bytes);
    memset(expected_side.begin, CANARY, (size_t)bytes);
    run_grad(s, lq_kernels_of(LQ_CPU_SCALAR), in, grad_y, expected, &expected_sums);
    run_grad(s, table, in, grad_y, out, &sums);
    for (int i = 0; i < MOST; ++i) {
        if (same_sum(expected_sums.scale[i], sums.scale[i]) &&
            same_sum(expected_sums.zero[i], sums.zero[i])) {
            continue;
        }
        describe(s, "difference in sums");
        printf("  sum %d: expected %a and %a, got %a and %a\n", i, expected_sums.scale[i],
               expected_sums.zero[i], sums.scale[i], sums.zero[i]);
        fail();
    }
    for (int64_t i = 0; i < bytes; ++i) {
        if (expected_side.begin[i] == write_side.begin[i]) continue;
        report_difference(s, in, expected, out, i - (out - write_side.begin));
    }
    run_grad(s, table, in, grad_y, grad_y, &sums);
    for (int r = 0; r < s->rows; ++r) {
        const int64_t at = r * (x_row(s) + s->gap);
        assert_memory_equal(out + at, grad_y + at, (size_t)x_row(s));
    }
}

/* Clearing so many counters takes long: not for all lengths. */
static void compare_tally(const situation *s, const lq_kernels *table, const unsigned char *in) {
    const lq_kernels *scalar = lq_kernels_of(LQ_CPU_SCALAR);
    if (s->count > 70 && s->count % 16) return;
    if (same_tallies(s, kernel_of(scalar, s).tally, kernel_of(table, s).tally, in, s->rows,
                     x_row(s) + s->gap)) {
        return;
    }
    describe(s, "difference in a tally");
    fail();
}

static void compare(const situation *s, const lq_kernels *table, int64_t in_shift,
                    int64_t out_shift, bool flush) {
    const int64_t in_row = reads_codes(s) ? codes_row(s) : x_row(s);
    const int64_t out_row = reads_codes(s) ? x_row(s) : codes_row(s);
    const int64_t in_bytes = span(s, in_row);
    const bool products = s->row->kind == FN_lq_product_fn;
    const int64_t out_bytes = products ? s->count * real_bytes[s->real] : span(s, out_row);
    unsigned char *in = flush ? read_side.end - in_bytes : read_side.begin + in_shift;
    unsigned char *out = flush ? write_side.end - out_bytes : write_side.begin + out_shift;
    fill_inputs(s, in, in_bytes);
    switch (s->row->kind) {
    case FN_lq_map_fn: compare_map(s, table, in, out); break;
    case FN_lq_range_fn:
        compare_range(s, table, in, false);
        compare_range(s, table, in, true);
        break;
    case FN_lq_count_fn: compare_count(s, table, in); break;
    case FN_lq_sum_fn: compare_sum(s, table, in); break;
    case FN_lq_tally_fn: compare_tally(s, table, in); break;
    case FN_lq_product_fn: compare_product(s, table, in, out); break;
    case FN_lq_grad_fn: {
        situation another = *s;
        unsigned char *grad_y = other_side.begin + (in - read_side.begin);
        another.inputs = (s->inputs + 4) % INPUT_KINDS;
        fill_inputs(&another, grad_y, in_bytes);
        compare_grad(s, table, in, grad_y, out);
        break;
    }
    }
}

static int64_t length_step(void) {
    const char *wanted = getenv("LQ_LENGTH_STEP");
    const int step = wanted && *wanted ? atoi(wanted) : 1;
    return step < 1 ? 1 : step > 50 ? 50 : step;
}

/* All lengths; all alignments over the lengths, and all of them at some. */
static void check_instance(situation *s, const lq_kernels *table) {
    const bool packed = s->row->shape != BY_REAL && codes_bits(s) < 8;
    const int64_t step = packed ? codes_bits(s) == 6 ? 4 : 8 / codes_bits(s) : 1;
    const int64_t every = length_step();
    s->count = every > 1 ? step * (int64_t)random_below((uint32_t)every) : 0;
    for (; s->count <= MOST; s->count += step * every) {
        for (s->inputs = 0; s->inputs < INPUT_KINDS; ++s->inputs) {
            s->is_signed = random_below(2);
            s->gap = (int64_t)random_below(2) * random_below(9);
            choose_parameters(s);
            compare(s, table, 0, 0, true);
            compare(s, table, random_below(64), random_below(64), false);
        }
    }
    for (int64_t shift = 0; shift < 64; ++shift) {
        s->count = MOST - 24 * step + step * random_below(8);
        s->inputs = (int)(shift % INPUT_KINDS);
        choose_parameters(s);
        compare(s, table, shift, 0, false);
        compare(s, table, 0, shift, false);
    }
}

/* Rows shorter than a tile may go together, if there are many. */
static void check_short_rows(situation *s, const lq_kernels *table) {
    static const int counts[] = {16, 32, 64, 128};
    const bool has_rows = s->row->kind == FN_lq_map_fn || s->row->kind == FN_lq_range_fn;
    if (!has_rows || s->row->shape == BY_PAIR) return;
    for (int i = 0; i < 4 * INPUT_KINDS; ++i) {
        s->count = counts[i % 4];
        s->rows = 1024 / s->count + random_below(4);
        s->inputs = i / 4;
        s->is_signed = random_below(2);
        for (s->gap = 0; s->gap < 2; ++s->gap) {
            choose_parameters(s);
            compare(s, table, 0, 0, true);
            compare(s, table, random_below(64), random_below(64), false);
        }
    }
}

/* Rows of whole lines, at a line. */
static void check_streams(situation *s, const lq_kernels *table) {
    const int64_t group = LQ_LINE * 8 / codes_bits(s);
    if (s->row->kind != FN_lq_map_fn || reads_codes(s) || codes_bits(s) < 8) return;
    s->streams = true;
    for (int i = 0; i < 8 * INPUT_KINDS; ++i) {
        s->count = group * (1 + random_below((uint32_t)(256 / group)));
        s->inputs = i / 8;
        s->rows = 1 + random_below(ROWS);
        s->is_signed = random_below(2);
        s->gap = LQ_LINE * (int64_t)random_below(2);
        choose_parameters(s);
        compare(s, table, 0, 0, true);
        compare(s, table, random_below(64), 0, false);
    }
}

static void check_level(lq_cpu level) {
    const lq_kernels *table = lq_kernels_of(level);
    int instances = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        const bool one_real = rows[i].shape == BY_WIDTH || rows[i].shape == BY_NARROW_WIDTH;
        const bool pairs = rows[i].shape == BY_PAIR;
        const int reals = one_real ? 1 : pairs ? LQ_FLOATS : LQ_REALS;
        int widths = rows[i].shape == BY_REAL ? 1 : pairs ? LQ_FLOATS : LQ_WIDTHS;
        if (rows[i].shape == BY_NARROW_WIDTH) widths = LQ_WIDTH_6 + 1;
        for (int real = 0; real < reals; ++real) {
            for (int width = 0; width < widths; ++width) {
                if (rows[i].shape == BY_NARROW_WIDTH && width == LQ_WIDTH_16) continue;
                situation s = {
                    .row = &rows[i], .level = level, .real = real, .width = width, .rows = ROWS};
                if (rows[i].shape == BY_REAL) s.width = LQ_WIDTH_8;
                check_instance(&s, table);
                check_short_rows(&s, table);
                check_streams(&s, table);
                ++instances;
            }
        }
    }
    printf("level %s: %d kernels equal scalar\n", lq_cpu_name(level), instances);
}

static void test_levels(void **state) {
    (void)state;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        if (lq_kernels_of(level)) check_level(level);
    }
}

/* Codes over their own input: the kernels read every tile before they write it. */
static void test_in_place(void **state) {
    (void)state;
    static unsigned char reference[BUFFER], buffer[BUFFER], input[BUFFER];
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        const lq_kernels *table = lq_kernels_of(level);
        if (!table) continue;
        for (int round = 0; round < 4000; ++round) {
            situation s = {.row = &rows[0],
                           .level = level,
                           .rows = 1,
                           .real = (int)random_below(LQ_REALS),
                           .width = (int)random_below(LQ_WIDTHS),
                           .inputs = (int)random_below(INPUT_KINDS)};
            s.count = 8 * (int64_t)random_below(64);
            choose_parameters(&s);
            fill_inputs(&s, input, x_row(&s));
            memcpy(buffer, input, BUFFER);
            lq_map_work w = {.x = input,
                             .codes = reference,
                             .count = s.count,
                             .rows = 1,
                             .scale = s.scale,
                             .zero = s.zero,
                             .qmin = s.qmin,
                             .qmax = s.qmax};
            lq_kernels_of(LQ_CPU_SCALAR)->quantize_runs[s.real][s.width](&w);
            w.x = w.codes = buffer;
            table->quantize_runs[s.real][s.width](&w);
            assert_memory_equal(reference, buffer, (size_t)codes_row(&s));
        }
    }
}

/* To a type that is no wider, over its own input. */
static void test_convert_in_place(void **state) {
    (void)state;
    static unsigned char reference[BUFFER], buffer[BUFFER];
    size_t row = 0;
    while (strcmp(rows[row].name, "convert") != 0) ++row;
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        const lq_kernels *table = lq_kernels_of(level);
        for (int round = 0; table && round < 4000; ++round) {
            situation s = {.row = &rows[row],
                           .level = level,
                           .real = (int)random_below(LQ_FLOATS),
                           .width = (int)random_below(LQ_FLOATS),
                           .count = random_below(500),
                           .inputs = (int)random_below(INPUT_KINDS)};
            if (real_bytes[s.width] > real_bytes[s.real]) continue;
            choose_parameters(&s);
            fill_inputs(&s, buffer, x_row(&s));
            lq_map_work w = {
                .x = buffer, .codes = reference, .count = s.count, .rows = 1, .limit = s.limit};
            lq_kernels_of(LQ_CPU_SCALAR)->convert[s.real][s.width](&w);
            w.codes = buffer;
            table->convert[s.real][s.width](&w);
            assert_memory_equal(reference, buffer, (size_t)codes_row(&s));
        }
    }
}

int main(void) {
    seed = seed_from_environment();
    random_seed(seed);
    read_side = guarded_new(BUFFER);
    other_side = guarded_new(BUFFER);
    write_side = guarded_new(BUFFER);
    expected_side = guarded_new(BUFFER);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_convert_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
