/* The conversion kernels and their counts, against the oracle of formats. */
#include "sweep.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A job under way; inputs are collected until there is a chunk of them. */
typedef struct feed {
    sweep_worker *worker;
    const sweep_job *job;
    sweep_row *row;
    const float_format *from, *to;
    int64_t offered; /* one in so many is taken */
    int64_t share;
    int64_t n;
} feed;

static void note(const feed *f, lq_cpu level, int64_t i) {
    const sweep_worker *const w = f->worker;
    if (f->row->differences++) return;
    snprintf(f->row->first, sizeof f->row->first,
             "first difference: %s, level %s, %s: input %" PRIx64 ", expected %" PRIx64
             ", got %" PRIx64,
             f->row->name, lq_cpu_name(level), f->row->parameters, float_get(w->source, f->from, i),
             float_get(w->expected, f->to, i), float_get(w->out, f->to, i));
}

static void compare(const feed *f, lq_cpu level) {
    const sweep_worker *const w = f->worker;
    if (memcmp(w->out, w->expected, (size_t)(f->n * f->to->bits / 8)) == 0) return;
    for (int64_t i = 0; i < f->n; ++i) {
        if (float_get(w->out, f->to, i) != float_get(w->expected, f->to, i)) note(f, level, i);
    }
}

static void compare_counts(const feed *f, lq_cpu level, const lq_map_work *work,
                           const float_counts *expected) {
    lq_counts c = {.nan = 0};
    lq_kernels_of(level)->count_convert[f->job->real][f->job->to](work, &c);
    if (c.nan == expected->nan && c.infinite == expected->infinite && c.clipped == 0 &&
        c.overflowed == expected->overflowed && c.underflowed == expected->underflowed) {
        return;
    }
    if (f->row->differences++) return;
    snprintf(f->row->first, sizeof f->row->first, "counts differ: %s, level %s", f->row->name,
             lq_cpu_name(level));
}

static void flush(feed *f) {
    sweep_worker *const w = f->worker;
    const bool saturate = f->job->saturate;
    const uint64_t largest = float_infinity(f->to) - 1u;
    const uint64_t limit = float_convert(largest, f->to, &float_formats[LQ_REAL_f64], false, NULL);
    lq_map_work work = {.x = w->source, .codes = w->out, .count = f->n, .rows = 1};
    float_counts counts = {0, 0, 0, 0};
    work.limit = HUGE_VAL;
    if (saturate) memcpy(&work.limit, &limit, sizeof limit);
    for (int64_t i = 0; i < f->n; ++i) {
        const uint64_t x = float_get(w->source, f->from, i);
        float_put(w->expected, f->to, i, float_convert(x, f->from, f->to, saturate, &counts));
    }
    for (lq_cpu level = LQ_CPU_SCALAR; level < SWEEP_LEVELS; ++level) {
        const lq_kernels *const table = lq_kernels_of(level);
        if (!table) continue;
        const double begin = sweep_now();
        table->convert[f->job->real][f->job->to](&work);
        f->row->seconds[level] += sweep_now() - begin;
        compare(f, level);
        compare_counts(f, level, &work, &counts);
    }
    f->row->inputs += f->n;
    f->n = 0;
}

static void take(feed *f, uint64_t bits) {
    float_put(f->worker->source, f->from, f->n++, bits);
    if (f->n == SWEEP_CHUNK) flush(f);
}

/* An input of a sample, of either sign. */
static void offer(feed *f, uint64_t bits) {
    if (f->offered++ % f->share) return;
    take(f, bits ^ (uint64_t)(f->offered / f->share % 2) << (f->from->bits - 1));
}

/* Around every value at which a narrower result changes: the middle, and its neighbors. */
static void offer_midpoints(feed *f, const float_format *narrow) {
    if (narrow->fraction >= f->from->fraction) return;
    const uint64_t infinite = float_infinity(narrow);
    for (uint64_t magnitude = 0; magnitude < infinite; ++magnitude) {
        const uint64_t middle = float_midpoint(magnitude, narrow, f->from);
        for (uint64_t i = 0; i < 10; ++i) offer(f, middle + i / 2 - 2);
    }
}

/* The same for results of 32 bits, which are too many. */
static void offer_random_midpoints(feed *f, uint64_t *noise) {
    const float_format *const narrow = &float_formats[LQ_REAL_f32];
    if (narrow->fraction >= f->from->fraction) return;
    for (int i = 0; i < 1 << 17; ++i) {
        *noise = *noise * UINT64_C(6364136223846793005) + 1;
        const uint64_t magnitude = (*noise >> 33) % float_infinity(narrow);
        const uint64_t middle = float_midpoint(i < 4096 ? (uint64_t)i : magnitude, narrow, f->from);
        for (uint64_t k = 0; k < 6; ++k) offer(f, middle + k / 2 - 1);
    }
}

/* All exponents, with fractions near their ends and anywhere; NaN and infinities among them. */
static void offer_exponents(feed *f, uint64_t *noise) {
    const uint64_t step = UINT64_C(1) << f->from->fraction;
    for (uint64_t base = 0; base <= float_infinity(f->from); base += step) {
        for (uint64_t i = 0; i < 8; ++i) offer(f, base + i / 2);
        for (uint64_t i = 2; i < 10; ++i) offer(f, base + step - i / 2);
        for (int i = 0; i < 256; ++i) {
            *noise = *noise * UINT64_C(6364136223846793005) + 1;
            offer(f, base + (*noise >> (64 - f->from->fraction)));
        }
    }
}

void sweep_convert(sweep_worker *w, const sweep_job *job, sweep_row *row) {
    feed f = {.worker = w,
              .job = job,
              .row = row,
              .from = &float_formats[job->real],
              .to = &float_formats[job->to],
              .share = w->share};
    uint64_t noise = 1;
    if (f.from->bits == 16) {
        for (uint32_t i = 0; i < 1u << 16; i += (uint32_t)w->share) take(&f, i);
    } else if (job->complete && f.from->bits == 32) {
        const uint64_t stride = (uint64_t)w->share * SWEEP_CHUNK;
        for (uint64_t first = 0; first < UINT64_C(1) << 32; first += stride) {
            for (uint64_t i = 0; i < SWEEP_CHUNK; ++i) take(&f, first + i);
        }
    } else {
        for (int i = 0; i < FLOAT_FORMATS; ++i) {
            if (float_formats[i].bits == 16) offer_midpoints(&f, &float_formats[i]);
        }
        offer_random_midpoints(&f, &noise);
        offer_exponents(&f, &noise);
    }
    if (f.n) flush(&f);
}
