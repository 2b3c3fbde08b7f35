#include "sweep.h"
#include "numeric.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { INFINITE = 0x7f800000, RUNS = 0, LANES = 1 };

static const int width_bits[] = {2, 4, 8, 16};
static const int fractions[] = {0, SWEEP_F16_FRACTION, SWEEP_BF16_FRACTION};

double sweep_now(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void sweep_set_up(sweep_worker *worker, int share) {
    worker->share = share;
    worker->table_of = (sweep_job){.scale = 0.0f};
    sweep_narrow_table(&worker->narrow[LQ_REAL_f16], SWEEP_F16_FRACTION);
    sweep_narrow_table(&worker->narrow[LQ_REAL_bf16], SWEEP_BF16_FRACTION);
}

/* ------------------------------------------------------------ packed codes */

static uint32_t element(const unsigned char *data, int bits, int64_t i) {
    uint32_t wide;
    uint16_t half;
    if (bits == 32) {
        memcpy(&wide, data + 4 * i, sizeof wide);
        return wide;
    }
    if (bits == 16) {
        memcpy(&half, data + 2 * i, sizeof half);
        return half;
    }
    return ((uint32_t)data[i * bits / 8] >> (i * bits % 8)) & ((1u << bits) - 1u);
}

static void put(unsigned char *data, int bits, int64_t i, uint32_t value) {
    const uint16_t half = (uint16_t)value;
    if (bits == 32) {
        memcpy(data + 4 * i, &value, sizeof value);
    } else if (bits == 16) {
        memcpy(data + 2 * i, &half, sizeof half);
    } else {
        const uint32_t mask = ((1u << bits) - 1u) << (i * bits % 8);
        unsigned char *const byte = data + i * bits / 8;
        *byte = (unsigned char)((*byte & ~mask) | (value << (i * bits % 8) & mask));
    }
}

/* Elements from `i` to `end`, all of one value. */
static void fill(unsigned char *data, int bits, int64_t i, int64_t end, uint32_t value) {
    if (bits >= 16) {
        for (; i < end; ++i) put(data, bits, i, value);
        return;
    }
    const int64_t per = 8 / bits;
    const uint32_t mask = (1u << bits) - 1u;
    for (; i < end && i % per; ++i) put(data, bits, i, value);
    const int64_t bytes = (end - i) / per;
    memset(data + i / per, (int)((value & mask) * (0xffu / mask)), (size_t)bytes);
    for (i += bytes * per; i < end; ++i) put(data, bits, i, value);
}

/* ------------------------------------------------------------------ a block */

/* Bits of an output element. */
static int out_bits(const sweep_job *job) {
    switch (job->kind) {
    case SWEEP_QUANTIZE: return width_bits[job->width];
    case SWEEP_PACK: return width_bits[job->width];
    case SWEEP_UNPACK: return 8;
    case SWEEP_COUNT: return 32;
    case SWEEP_RANGE: return 32;
    default: return job->real == LQ_REAL_f32 ? 32 : 16;
    }
}

static int64_t out_elements(const sweep_job *job, int64_t n) {
    if (job->kind == SWEEP_COUNT) return (int64_t)(sizeof(lq_counts) / 4);
    return job->kind == SWEEP_RANGE ? 2 * n : n;
}

static void call_range(sweep_worker *w, const sweep_job *job, int way, const lq_kernels *table,
                       int64_t n) {
    float *const lo = w->range;
    float *const hi = lo + n;
    const bool wide = job->real == LQ_REAL_f32;
    lq_range_work work = {.x = wide ? (unsigned char *)w->x : (unsigned char *)w->halves,
                          .count = n,
                          .rows = 1,
                          .lo = lo,
                          .hi = hi};
    for (int64_t i = 0; i < n; ++i) {
        lo[i] = sweep_float(INFINITE);
        hi[i] = sweep_float(0x80000000u | INFINITE);
    }
    if (way == LANES) {
        table->range_lanes[job->real](&work);
    } else {
        work.count = 1;
        work.rows = n;
        work.x_step = wide ? 4 : 2;
        work.range_step = 1;
        table->range_runs[job->real](&work);
    }
    /* Zeros may come with either sign. */
    for (int64_t i = 0; i < n; ++i) {
        lo[i] += 0.0f;
        hi[i] += 0.0f;
    }
    memcpy(w->out, w->range, (size_t)n * 2 * sizeof *lo);
}

static void call_function(sweep_worker *w, lq_real real, int64_t n) {
    if (real == LQ_REAL_f16) {
        for (int64_t i = 0; i < n; ++i) put(w->out, 16, i, lq_f32_to_f16(w->scale[i]));
    } else {
        for (int64_t i = 0; i < n; ++i) put(w->out, 16, i, lq_f32_to_bf16(w->scale[i]));
    }
}

static void call_kernel(sweep_worker *w, const sweep_job *job, int way, const lq_kernels *table,
                        int64_t n) {
    const lq_real r = job->real;
    const lq_width b = job->width;
    lq_map_work work = {.x = r == LQ_REAL_f32 ? (unsigned char *)w->x : (unsigned char *)w->halves,
                        .codes = w->out,
                        .count = n,
                        .rows = 1,
                        .scale = w->scale,
                        .zero = w->zero,
                        .qmin = job->qmin,
                        .qmax = job->qmax,
                        .sign = job->is_signed ? 1u << (width_bits[b] - 1) : 0u};
    if (job->rule) {
        work.rule = &sweep_rules[job->rule].element;
        work.offset = w->offset;
        work.center = w->center;
        work.back = w->back;
    }
    const lq_element_rule float_rule = {
        .multiply = job->scale == 1.0f, .rounding = job->rounding, .unsaturated = job->unsaturated};
    if (job->floats) {
        work.rule = &float_rule;
        work.format = lq_type_find(lq_type_from_name(job->floats->name))->format;
        work.back = w->back;
    }
    switch (job->kind) {
    case SWEEP_QUANTIZE:
        (way == RUNS ? table->quantize_runs : table->quantize_lanes)[r][b](&work);
        return;
    case SWEEP_FAKE: (way == RUNS ? table->fake_runs : table->fake_lanes)[r](&work); return;
    case SWEEP_COUNT: {
        lq_counts counts = {.nan = 0};
        (way == RUNS ? table->count_runs : table->count_lanes)[r](&work, &counts);
        memcpy(w->out, &counts, sizeof counts);
        return;
    }
    case SWEEP_RANGE: call_range(w, job, way, table, n); return;
    case SWEEP_FUNCTION: call_function(w, r, n); return;
    case SWEEP_PACK:
        work.x = w->codes;
        table->pack[b](&work);
        return;
    default: break;
    }
    work.x = w->out;
    work.codes = w->codes;
    if (job->kind == SWEEP_UNPACK) {
        table->unpack[b](&work);
    } else if (job->kind == SWEEP_CODES && way == RUNS) {
        table->dequantize_runs[r][b](&work);
    } else {
        table->dequantize_lanes[r][b](&work);
    }
}

static bool is_nan(uint32_t value, int bits, lq_real real) {
    if (bits == 32) return (value & 0x7fffffffu) > INFINITE;
    return (value & 0x7fffu) > (real == LQ_REAL_f16 ? 0x7c00u : 0x7f80u);
}

/* A product with a NaN is a NaN; which one depends on the processor. */
static void excuse_nan(sweep_worker *w, const sweep_job *job, int64_t n) {
    const int bits = out_bits(job);
    if (job->kind != SWEEP_NARROW && job->kind != SWEEP_PRODUCT) return;
    for (int64_t i = 0; i < n; ++i) {
        if (!is_nan(w->x[i], 32, LQ_REAL_f32)) continue;
        const uint32_t expected = element(w->expected, bits, i);
        if (is_nan(element(w->out, bits, i), bits, job->real)) put(w->out, bits, i, expected);
    }
}

static void compare(const sweep_worker *w, const sweep_job *job, sweep_row *row, lq_cpu level,
                    int64_t n) {
    const int bits = out_bits(job);
    const int64_t elements = out_elements(job, n);
    if (memcmp(w->out, w->expected, (size_t)(elements * bits / 8)) == 0) return;
    for (int64_t i = 0; i < elements; ++i) {
        const uint32_t got = element(w->out, bits, i);
        const uint32_t expected = element(w->expected, bits, i);
        if (got == expected) continue;
        if (row->differences++) continue;
        snprintf(row->first, sizeof row->first,
                 "first difference: %s, level %s, %s: input %08" PRIx32
                 " (%a), element %lld of %lld: expected %" PRIx32 ", got %" PRIx32,
                 row->name, lq_cpu_name(level), row->parameters, w->x[i % n],
                 (double)sweep_float(w->x[i % n]), (long long)i, (long long)elements, expected,
                 got);
    }
}

static bool scale_is_input(const sweep_job *job) {
    return job->kind == SWEEP_NARROW || job->kind == SWEEP_PRODUCT || job->kind == SWEEP_FUNCTION;
}

/* The inputs and what is expected of them are there: every way on every level. */
static void run_block(sweep_worker *w, const sweep_job *job, sweep_row *rows, int64_t n) {
    const bool nan = is_nan(w->x[n - 1], 32, LQ_REAL_f32) || !job->complete;
    if (scale_is_input(job)) memcpy(w->scale, w->x, (size_t)n * sizeof *w->x);
    for (int way = 0; way < sweep_rows_of(job); ++way) {
        rows[way].inputs += n;
        for (lq_cpu level = LQ_CPU_SCALAR; level < SWEEP_LEVELS; ++level) {
            const lq_kernels *table = lq_kernels_of(level);
            if (!table || (job->kind == SWEEP_FUNCTION && level != LQ_CPU_SCALAR)) continue;
            const double begin = sweep_now();
            call_kernel(w, job, way, table, n);
            rows[way].seconds[level] += sweep_now() - begin;
            if (nan) excuse_nan(w, job, n);
            compare(w, job, &rows[way], level, n);
        }
    }
}

/* ------------------------------------------------------------- expectations */

static void expect_counts(sweep_worker *w, int64_t n) {
    lq_counts counts = {.nan = 0};
    for (int64_t i = 0; i < n; ++i) {
        const uint32_t magnitude = w->x[i] & 0x7fffffffu;
        counts.nan += magnitude > INFINITE;
        counts.infinite += magnitude == INFINITE;
        counts.clipped += magnitude < INFINITE && magnitude >= w->table.clipped_from[w->x[i] >> 31];
    }
    memcpy(w->expected, &counts, sizeof counts);
}

/* Kinds whose expectation is a formula of each input; false for the others, which have a table. */
static bool expect_formula(sweep_worker *w, const sweep_job *job, int64_t n) {
    if (job->kind == SWEEP_COUNT) {
        expect_counts(w, n);
        return true;
    }
    if (job->kind == SWEEP_PRODUCT) {
        for (int64_t i = 0; i < n; ++i) {
            const float product = sweep_product(job->difference, sweep_float(w->x[i]));
            put(w->expected, 32, i, sweep_bits(product));
        }
        return true;
    }
    if (job->kind != SWEEP_RANGE) return false;
    for (int64_t i = 0; i < n; ++i) {
        const uint32_t bits = w->x[i] == 0x80000000u ? 0u : w->x[i];
        const bool finite = (bits & 0x7fffffffu) < INFINITE;
        put(w->expected, 32, i, finite ? bits : INFINITE);
        put(w->expected, 32, n + i, finite ? bits : 0x80000000u | INFINITE);
    }
    return true;
}

static const sweep_table *table_of(const sweep_worker *w, const sweep_job *job) {
    const bool narrows = job->kind == SWEEP_NARROW || job->kind == SWEEP_FUNCTION;
    return narrows ? &w->narrow[job->real] : &w->table;
}

static void expect_looked_up(sweep_worker *w, const sweep_job *job, int64_t n) {
    const sweep_table *const table = table_of(w, job);
    const int bits = out_bits(job);
    if (expect_formula(w, job, n)) return;
    for (int64_t i = 0; i < n; ++i) {
        put(w->expected, bits, i, sweep_look_up(table, w->x[i]));
    }
}

/* All magnitudes of one sign, in order. */
static void sweep_side(sweep_worker *w, const sweep_job *job, sweep_row *rows, uint32_t side) {
    const sweep_table *const table = table_of(w, job);
    const sweep_step *const step = table->step[side];
    const int bits = out_bits(job);
    const uint32_t stride = (uint32_t)w->share * SWEEP_CHUNK;
    const bool has_steps = !expect_formula(w, job, 0);
    int64_t k = 0;
    for (uint32_t first = 0; first < 0x80000000u; first += stride) {
        for (uint32_t i = 0; i < SWEEP_CHUNK; ++i) w->x[i] = (side << 31 | first) + i;
        if (!has_steps) expect_formula(w, job, SWEEP_CHUNK);
        for (uint32_t i = 0; has_steps && i < SWEEP_CHUNK;) {
            while (k + 1 < table->count[side] && step[k + 1].from <= first + i) ++k;
            const bool last = k + 1 >= table->count[side];
            uint32_t end = last ? SWEEP_CHUNK : step[k + 1].from - first;
            if (end > SWEEP_CHUNK) end = SWEEP_CHUNK;
            fill(w->expected, bits, i, end, step[k].code);
            i = end;
        }
        run_block(w, job, rows, SWEEP_CHUNK);
    }
}

static void sweep_samples(sweep_worker *w, const sweep_job *job, sweep_row *rows) {
    for (int64_t at = 0; at < w->samples; at += SWEEP_CHUNK) {
        const int64_t rest = w->samples - at;
        const int64_t n = rest < SWEEP_CHUNK ? rest : SWEEP_CHUNK;
        memcpy(w->x, w->sample + at, (size_t)n * sizeof *w->x);
        expect_looked_up(w, job, n);
        run_block(w, job, rows, n);
    }
}

/* The i-th of all patterns of 16 bits, or of one part of them in so many, spread evenly. */
static uint32_t pattern(const sweep_worker *w, int64_t i) {
    const uint32_t share = (uint32_t)w->share;
    return (uint32_t)i * share + (uint32_t)i * 7919u % share;
}

static int64_t patterns(const sweep_worker *w) {
    return (1 << 16) / w->share / 8 * 8;
}

static void sweep_halves(sweep_worker *w, const sweep_job *job, sweep_row *rows) {
    for (int64_t first = 0; first < patterns(w); first += SWEEP_CHUNK) {
        const int64_t rest = patterns(w) - first;
        const int64_t n = rest < SWEEP_CHUNK ? rest : SWEEP_CHUNK;
        for (int64_t i = 0; i < n; ++i) {
            w->halves[i] = (uint16_t)pattern(w, first + i);
            w->x[i] = sweep_widen(w->halves[i], fractions[job->real]);
        }
        expect_looked_up(w, job, n);
        run_block(w, job, rows, n);
    }
}

/* All codes of a width, in all places of a byte. */
static void sweep_codes(sweep_worker *w, const sweep_job *job, sweep_row *rows) {
    const int bits = width_bits[job->width];
    const int64_t all = bits == 16 ? patterns(w) : 256 * 8 / bits;
    for (int64_t first = 0; first < all; first += SWEEP_CHUNK) {
        const int64_t n = all - first < SWEEP_CHUNK ? all - first : SWEEP_CHUNK;
        for (int64_t i = 0; i < n; ++i) {
            if (bits == 16) put(w->codes, 16, i, pattern(w, first + i));
            if (bits < 16 && i < 256) put(w->codes, 8, i, (uint32_t)i);
        }
        for (int64_t i = 0; i < n; ++i) {
            const int32_t code = (int32_t)element(w->codes, bits, i);
            const bool negative = job->is_signed && code >> (bits - 1);
            const int32_t q = negative ? code - (1 << bits) : code;
            const uint32_t product = sweep_bits(sweep_product(q - job->zero, job->scale));
            w->x[i] = (uint32_t)code;
            put(w->expected, out_bits(job), i,
                job->kind == SWEEP_UNPACK  ? (uint32_t)q & 0xffu
                : job->real == LQ_REAL_f32 ? product
                                           : sweep_look_up(&w->narrow[job->real], product));
        }
        run_block(w, job, rows, n);
    }
}

/* All bytes, with neighbors that differ. */
static void sweep_pack(sweep_worker *w, const sweep_job *job, sweep_row *rows) {
    const int bits = width_bits[job->width];
    for (int64_t i = 0; i < SWEEP_CHUNK; ++i) {
        const uint32_t byte = (uint32_t)(i + i / 256 * 37) & 0xffu;
        w->x[i] = byte;
        put(w->codes, 8, i, byte);
        put(w->expected, bits, i, byte);
    }
    run_block(w, job, rows, SWEEP_CHUNK);
}

/* ------------------------------------------------------------------ a job */

static void add_sample(sweep_worker *w, uint32_t bits) {
    if (w->samples < SWEEP_SAMPLES - 8) w->sample[w->samples++] = bits;
}

/* Every step of the table and two to each side, all exponents, and mantissas far and near. */
static void take_samples(sweep_worker *w, const sweep_job *job) {
    const sweep_table *const table = table_of(w, job);
    const uint32_t share = (uint32_t)w->share;
    uint32_t noise = 1;
    w->samples = 0;
    for (uint32_t side = 0; side < 2; ++side) {
        const bool has_steps = job->kind != SWEEP_PRODUCT && job->kind != SWEEP_RANGE;
        for (int64_t k = 0; has_steps && k < table->count[side]; k += share) {
            const uint32_t at = side << 31 | table->step[side][k].from;
            for (uint32_t i = 0; i < 5; ++i) add_sample(w, at + i - 2);
        }
        for (uint32_t exponent = 0; exponent < 256; ++exponent) {
            const uint32_t base = side << 31 | exponent << 23;
            for (uint32_t i = 0; i < 4; ++i) add_sample(w, base + i);
            for (uint32_t i = 1; i < 4; ++i) add_sample(w, base + 0x800000u - i);
            for (uint32_t i = 0; i < 256 / share; ++i) {
                noise = noise * 1664525u + 1013904223u;
                add_sample(w, base + i * 0x8000u * share + (noise >> 17));
            }
        }
    }
    while (w->samples % 8) add_sample(w, 0x3f800000u);
}

static void fill_parameters(sweep_worker *w, const sweep_job *job, const sweep_element *e) {
    for (int64_t i = 0; i < SWEEP_CHUNK; ++i) {
        w->scale[i] = job->rule ? e->factor : job->scale;
        w->zero[i] = job->rule ? e->zero : job->zero;
        w->offset[i] = e->offset;
        w->center[i] = e->center;
        w->back[i] = job->floats ? job->scale : e->back;
        if (scale_is_input(job)) {
            put(w->codes, width_bits[job->width], i, (uint32_t)(job->zero + job->difference));
        }
    }
}

/* The jobs of the three real types follow each other. */
static bool has_table(sweep_worker *w, const sweep_job *job) {
    const bool same = w->table_of.scale == job->scale && w->table_of.zero == job->zero &&
                      w->table_of.qmin == job->qmin && w->table_of.qmax == job->qmax &&
                      w->table_of.rule == job->rule && w->table_of.floats == job->floats &&
                      w->table_of.rounding == job->rounding &&
                      w->table_of.unsaturated == job->unsaturated &&
                      (w->table_of.kind == SWEEP_FAKE) == (job->kind == SWEEP_FAKE);
    w->table_of = *job;
    return same;
}

/* False: the oracle has no answer that it is sure of. */
static bool make_table(sweep_worker *w, const sweep_job *job, const sweep_element *element) {
    if (has_table(w, job)) return true;
    if (job->floats) {
        sweep_float_table(&w->table, job->floats, job->rounding, job->unsaturated, job->scale,
                          job->kind == SWEEP_FAKE);
        return true;
    }
    if (job->rule || job->kind == SWEEP_FAKE) {
        sweep_rule_table(&w->table, element);
        return true;
    }
    return sweep_quantize_table(&w->table, job->scale, job->zero, job->qmin, job->qmax);
}

void sweep_run(sweep_worker *w, const sweep_job *job, sweep_row *rows) {
    const bool has_scale =
        job->kind == SWEEP_QUANTIZE || job->kind == SWEEP_FAKE || job->kind == SWEEP_COUNT;
    sweep_element element;
    for (int i = 0; i < sweep_rows_of(job); ++i) {
        memset(&rows[i], 0, sizeof rows[i]);
        sweep_describe(job, i, &rows[i]);
    }
    const bool legal = sweep_element_of(&element, &sweep_rules[job->rule], w->narrow, job->scale,
                                        job->zero, job->qmin, job->qmax, job->kind == SWEEP_FAKE);
    /* A scale that the rule's precision does not have. */
    if (job->rule && !legal) return;
    fill_parameters(w, job, &element);
    if (has_scale && !make_table(w, job, &element)) {
        w->table_of.scale = 0.0f;
        rows[0].differences = 1;
        snprintf(rows[0].first, sizeof rows[0].first, "the oracle disagrees with itself: %s",
                 rows[0].parameters);
        return;
    }
    if (job->kind == SWEEP_CONVERT) {
        sweep_convert(w, job, rows);
    } else if (job->kind == SWEEP_CODES || job->kind == SWEEP_UNPACK) {
        sweep_codes(w, job, rows);
    } else if (job->kind == SWEEP_PACK) {
        sweep_pack(w, job, rows);
    } else if (job->real != LQ_REAL_f32 && (has_scale || job->kind == SWEEP_RANGE)) {
        sweep_halves(w, job, rows);
    } else if (job->complete) {
        sweep_side(w, job, rows, 0);
        sweep_side(w, job, rows, 1);
    } else {
        take_samples(w, job);
        sweep_samples(w, job, rows);
    }
}
