/*
 * bench_blocks: real values to records of blocks and back, with the ratios to the loops that a user
 * would write, for any machine and for this one, and to the calls that stop at codes and scales (parts: lq_quantize_dynamic and
 * lq_dequantize on the same level).
 */
#include "harness.h"
#include "user_blocks.h"
#include <stdio.h>
#include <stdlib.h>

/* Encoding, and decoding. */
typedef struct format {
    lq_layout layout;
    lq_type real;
    lq_type codes, scale, zero; /* of the calls that stop there; 0: there are none */
} format;

static const format formats[] = {
    {LQ_LAYOUT_GGML_Q8_0, LQ_F32, LQ_S8, LQ_F16, 0},
    {LQ_LAYOUT_GGML_Q8_0, LQ_BF16, LQ_S8, LQ_F16, 0},
    {LQ_LAYOUT_GGML_Q4_0, LQ_F32, LQ_S4, LQ_F16, 0},
    {LQ_LAYOUT_GGML_Q4_1, LQ_F32, LQ_U4, LQ_F16, LQ_F16},
    {LQ_LAYOUT_GGML_MXFP4, LQ_F32, LQ_E2M1, LQ_E8M0, 0},
    {LQ_LAYOUT_GGML_NVFP4, LQ_F32, LQ_E2M1, LQ_E4M3, 0},
    {LQ_LAYOUT_GGML_Q4_K, LQ_F32, 0, 0, 0},
    {LQ_LAYOUT_GGML_Q6_K, LQ_F32, 0, 0, 0},
};

enum { FORMATS = sizeof formats / sizeof *formats, UNIT = 4096 };

static void name_row(int row, char *name, size_t size) {
    const format *f = &formats[row / 2];
    const char *real = lq_type_name(f->real), *records = lq_layout_name(f->layout);
    if (row % 2) {
        snprintf(name, size, "decode/%s-%s", records, real);
    } else {
        snprintf(name, size, "encode/%s-%s", real, records);
    }
}

/* --------------------------------------------------------------------- jobs */

typedef struct job {
    const format *format;
    const user_format *user; /* whose loops; NULL: there are none */
    bool encodes;
    int64_t elements;
    lq_tensor x, bytes, codes, scale, zero;
    lq_packed packed;
    lq_scheme scheme;
} job;

static void run_records(void *context) {
    const job *j = context;
    lq_packed packed = j->packed;
    packed.bytes = &j->bytes;
    bench_check(j->encodes ? lq_encode(&j->x, NULL, &packed, bench_exec())
                           : lq_decode(&packed, NULL, &j->x, bench_exec()));
}

static void run_parts(void *context) {
    const job *j = context;
    const lq_tensor *zero = j->zero.data ? &j->zero : NULL;
    bench_check(
        j->encodes
            ? lq_quantize_dynamic(&j->x, &j->scheme, &j->codes, &j->scale, zero, bench_exec())
            : lq_dequantize(&j->codes, &j->scheme, &j->scale, zero, &j->x, bench_exec()));
}

static void run_user(void *context) {
    const job *j = context;
    if (j->encodes) {
        j->user->encode(j->x.data, j->elements, j->bytes.data);
    } else {
        j->user->decode(j->bytes.data, j->elements, j->x.data);
    }
}

static void make_parts(job *j, int64_t block) {
    const format *f = j->format;
    j->codes = bench_vector(f->codes, j->elements);
    j->scale = bench_vector(f->scale, j->elements / block);
    if (f->zero) j->zero = bench_vector(f->zero, j->elements / block);
    if (j->scheme.code_type == LQ_S8 || j->scheme.code_type == LQ_U8) {
        j->scheme.code_type = f->codes;
        j->scheme.qmin = j->scheme.qmax = 0;
    }
    run_parts(j);
}

/* With records, and parts where there are any, for those who only read them. */
static job make_job(const format *f, int64_t elements) {
    job j = {.format = f, .encodes = true, .elements = elements};
    lq_layout_info info;
    bench_check(lq_layout_describe(f->layout, &info, sizeof info));
    bench_check(lq_layout_scheme(f->layout, &j.scheme, sizeof j.scheme));
    j.x = bench_vector(f->real, elements);
    j.bytes = bench_vector(LQ_U8, elements / info.record * info.record_bytes);
    j.packed = (lq_packed){
        .struct_size = sizeof j.packed, .layout = f->layout, .rows = 1, .columns = elements};
    bench_fill(&j.x);
    run_records(&j);
    if (f->codes) make_parts(&j, info.block);
    return j;
}

/* A user's loops for the level of each contestant from `first` on, hidden. */
static void enter_tuned(bench_row *r, int first, const job *of, job *jobs) {
    const int end = r->n;
    for (int i = first; i < end; ++i) {
        job *j = &jobs[i - first];
        *j = *of;
        j->user = user_blocks_of(user_tuned_blocks(r->contestants[i].level), of->format->layout);
        const int place = bench_enter(r, "tuned", run_user, j);
        r->contestants[place].hidden = true;
        r->contestants[i].against[1] = place;
    }
}

static void run(int row, const char *name, int64_t elements) {
    const format *f = &formats[row / 2];
    job j = make_job(f, elements), tuned[BENCH_MOST];
    j.encodes = row % 2 == 0;
    j.user = f->real == LQ_F32 ? user_blocks_of(user_blocks, f->layout) : NULL;
    bench_row r = bench_begin_row(name, elements, j.x.size + j.bytes.size);
    int user = 0, parts = 0;
    if (j.user) user = bench_enter(&r, "user", run_user, &j);
    if (f->codes) {
        parts = bench_enter_levels(&r, run_parts, &j);
        for (int i = parts; i < r.n; ++i) r.contestants[i].hidden = true;
    }
    const int first = bench_enter_levels(&r, run_records, &j);
    if (user) bench_compare(&r, first, 0, user, false);
    if (parts) bench_compare(&r, first, 2, parts, true);
    if (user) enter_tuned(&r, first, &j, tuned);
    bench_end_row(&r);
    free(j.x.data);
    free(j.bytes.data);
    free(j.codes.data);
    free(j.scale.data);
    free(j.zero.data);
}

int main(int argc, char **argv) {
    const bench_suite suite = {
        .name = "bench_blocks",
        .purpose =
            "Real values to records of blocks (encode) and back (decode), with the ratios to\n"
            "plain loops as a user would write them, for any machine (user) and for the level\n"
            "alone (tuned), and to the calls that stop at codes and scales (parts).",
        .others = {"user", "tuned", "parts"},
        .unit = UNIT,
        .rows = 2 * FORMATS,
        .name_row = name_row,
        .run = run,
    };
    return bench_main(argc, argv, &suite);
}
