/*
 * bench_peers: the same jobs by libquant on one level and by others who do them: libraries that were
 * there when this was built, and the loops that users write by hand. Where a peer's rule is one of
 * libquant's, they must agree byte for byte before they are timed.
 */
#include "harness.h"
#include "peers/peer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const peer *peers[] = {
#ifdef HAVE_XNNPACK
    &peer_xnnpack,
#endif
#ifdef HAVE_ONEDNN
    &peer_onednn,
#endif
    NULL, /* the loops for the level that is wanted */
    &peer_user,    &peer_roundf,
};

static const char missing[] = ""
#ifndef HAVE_XNNPACK
                              "XNNPACK is left out (Debian: libxnnpack-dev).\n"
#endif
#ifndef HAVE_ONEDNN
                              "oneDNN is left out (Debian: libdnnl-dev).\n"
#endif
    ;

enum { PEERS = sizeof peers / sizeof *peers, TUNED = PEERS - 3, COLUMNS = 1024 };

typedef struct job_row {
    const char *name;
    peer_operation operation;
    lq_type from, to;
    lq_layout layout;
    bool rows; /* a scale for each row of 1024 */
} job_row;

static const job_row rows[] = {
    {"quantize/f32-s8/tensor", PEER_QUANTIZE, LQ_F32, LQ_S8, 0, false},
    {"quantize/f32-u8/tensor", PEER_QUANTIZE, LQ_F32, LQ_U8, 0, false},
    {"quantize/f32-s8/rows", PEER_QUANTIZE, LQ_F32, LQ_S8, 0, true},
    {"quantize/f32-s4/tensor", PEER_QUANTIZE, LQ_F32, LQ_S4, 0, false},
    {"dequantize/s8-f32/tensor", PEER_DEQUANTIZE, LQ_S8, LQ_F32, 0, false},
    {"dequantize/u8-f32/tensor", PEER_DEQUANTIZE, LQ_U8, LQ_F32, 0, false},
    {"dequantize/s8-f32/rows", PEER_DEQUANTIZE, LQ_S8, LQ_F32, 0, true},
    {"requantize/s32-s8/tensor", PEER_REQUANTIZE, LQ_S32, LQ_S8, 0, false},
    {"requantize/s32-s8/rows", PEER_REQUANTIZE, LQ_S32, LQ_S8, 0, true},
    {"fake/f32-s8-f32/tensor", PEER_FAKE, LQ_F32, LQ_S8, 0, false},
    {"range/f32/tensor", PEER_RANGE, LQ_F32, LQ_F32, 0, false},
    {"convert/f32-f16", PEER_CONVERT, LQ_F32, LQ_F16, 0, false},
    {"convert/f16-f32", PEER_CONVERT, LQ_F16, LQ_F32, 0, false},
    {"convert/f32-bf16", PEER_CONVERT, LQ_F32, LQ_BF16, 0, false},
    {"convert/bf16-f32", PEER_CONVERT, LQ_BF16, LQ_F32, 0, false},
    {"encode/f32-ggml-q8_0", PEER_ENCODE, LQ_F32, LQ_U8, LQ_LAYOUT_GGML_Q8_0, false},
    {"encode/f32-ggml-q4_0", PEER_ENCODE, LQ_F32, LQ_U8, LQ_LAYOUT_GGML_Q4_0, false},
    {"decode/ggml-q8_0-f32", PEER_DECODE, LQ_U8, LQ_F32, LQ_LAYOUT_GGML_Q8_0, false},
    {"decode/ggml-q4_0-f32", PEER_DECODE, LQ_U8, LQ_F32, LQ_LAYOUT_GGML_Q4_0, false},
};

enum { ROWS = sizeof rows / sizeof *rows };

/* ------------------------------------------------------------ libquant's jobs */

typedef struct job {
    const job_row *row;
    lq_scheme scheme;
    lq_tensor in, out, scale, zero;
    lq_packed packed;
    int32_t zero_point;
} job;

static void run_job(void *context) {
    const job *j = context;
    const lq_tensor *zero = j->zero_point ? &j->zero : NULL;
    const lq_exec *exec = bench_exec();
    switch (j->row->operation) {
    case PEER_QUANTIZE:
        bench_check(lq_quantize(&j->in, &j->scheme, &j->scale, zero, &j->out, exec));
        break;
    case PEER_DEQUANTIZE:
        bench_check(lq_dequantize(&j->in, &j->scheme, &j->scale, zero, &j->out, exec));
        break;
    case PEER_FAKE:
        bench_check(lq_fake_quantize(&j->in, &j->scheme, &j->scale, zero, &j->out, exec));
        break;
    case PEER_RANGE:
        bench_check(lq_calibrate(&j->in, &j->scheme, &j->scale, &j->zero, exec));
        break;
    case PEER_CONVERT: bench_check(lq_convert(&j->in, &j->out, LQ_OVERFLOW_INFINITE, exec)); break;
    case PEER_REQUANTIZE:
        bench_check(lq_requantize(&j->in, &j->scheme, LQ_REQUANTIZE_FLOAT, &j->scale, NULL, zero,
                                  &j->out, exec));
        break;
    case PEER_ENCODE: bench_check(lq_encode(&j->in, NULL, &j->packed, exec)); break;
    case PEER_DECODE: bench_check(lq_decode(&j->packed, NULL, &j->out, exec)); break;
    }
}

static int64_t elements_of_side(const job_row *row, bool out, int64_t elements) {
    const bool records = row->operation == (out ? PEER_ENCODE : PEER_DECODE);
    lq_layout_info info;
    if (!records) return elements;
    bench_check(lq_layout_describe(row->layout, &info, sizeof info));
    return elements / info.record * info.record_bytes;
}

/* What goes in, made of real values the way that it would be. */
static void fill(const job *j, int64_t elements) {
    if (j->row->from == LQ_F32 || j->row->operation == PEER_CONVERT) {
        bench_fill(&j->in);
        return;
    }
    const lq_tensor x = bench_matrix(LQ_F32, elements / COLUMNS, COLUMNS);
    bench_fill(&x);
    if (j->row->operation == PEER_DECODE) {
        bench_check(lq_encode(&x, NULL, &j->packed, NULL));
    } else if (j->row->operation == PEER_REQUANTIZE) {
        const float *values = x.data;
        int32_t *acc = j->in.data;
        for (int64_t i = 0; i < elements; ++i) acc[i] = (int32_t)(values[i] * 0x1p16f);
    } else {
        const lq_tensor *zero = j->zero_point ? &j->zero : NULL;
        bench_check(lq_quantize(&x, &j->scheme, &j->scale, zero, &j->in, NULL));
    }
    free(x.data);
}

/* Its tensors stay where they are: records are told by a pointer. */
static void make_job(const job_row *row, int64_t elements, job *j) {
    const lq_block block = row->rows ? lq_per_channel(0) : lq_per_tensor();
    const bool narrows = row->operation == PEER_QUANTIZE || row->operation == PEER_FAKE ||
                         row->operation == PEER_REQUANTIZE;
    const lq_type codes = narrows ? row->to : row->operation == PEER_DEQUANTIZE ? row->from : LQ_S8;
    const float step = row->to == LQ_S4 ? 1.5f / 7 : 1.5f / 127;
    *j = (job){.row = row, .scheme = lq_affine(codes, block)};
    j->in = bench_vector(row->from, elements_of_side(row, false, elements));
    j->out = bench_vector(row->operation == PEER_FAKE ? LQ_F32 : row->to,
                          elements_of_side(row, true, elements));
    if (row->operation != PEER_DECODE)
        j->in = lq_matrix(j->in.data, row->from, elements / COLUMNS, COLUMNS);
    if (row->operation != PEER_ENCODE)
        j->out = lq_matrix(j->out.data, j->out.type, elements / COLUMNS, COLUMNS);
    j->scale = bench_vector(LQ_F32, row->rows ? elements / COLUMNS : 1);
    for (int64_t i = 0; i < j->scale.shape[0]; ++i) {
        const float s = step * (1 + (float)(i % 7) / 16);
        ((float *)j->scale.data)[i] = row->operation == PEER_REQUANTIZE ? 0x1p-16f / s : s;
    }
    j->zero_point = codes == LQ_U8 ? 128 : 0;
    j->zero = lq_vector(&j->zero_point, LQ_S32, 1);
    lq_packed_init(&j->packed, sizeof j->packed);
    j->packed.layout = row->layout;
    j->packed.rows = elements / COLUMNS;
    j->packed.columns = COLUMNS;
    j->packed.bytes = row->operation == PEER_ENCODE ? &j->out : &j->in;
    fill(j, elements);
}

/* -------------------------------------------------------------------- summary */

static const lq_profile rules[PEER_RULES] = {LQ_PROFILE_LIBQUANT, LQ_PROFILE_XNNPACK,
                                             LQ_PROFILE_PYTORCH_FLOAT_ZERO};

/* libquant's time by one rule as a multiple of one peer's, by size. */
typedef struct summary {
    const job_row *row;
    const char *rule;
    const peer *peer;
    double ratios[4];
} summary;

static summary summaries[ROWS * PEER_RULES * PEERS];
static int summary_count, size_count;
static int64_t sizes[4];

static void keep(const summary *of, int64_t elements, double ratio) {
    int size = 0, i = 0;
    while (size < size_count && sizes[size] != elements) ++size;
    sizes[size] = elements;
    size_count += size == size_count;
    while (i < summary_count && (summaries[i].row != of->row || summaries[i].rule != of->rule ||
                                 summaries[i].peer != of->peer)) {
        ++i;
    }
    if (i == summary_count) summaries[summary_count++] = *of;
    summaries[i].ratios[size] = ratio;
}

static void keep_ratios(const job_row *row, int rule, int64_t elements, const bench_row *r,
                        int place) {
    const contestant *c = &r->contestants[place];
    for (int p = 0; p < PEERS; ++p) {
        const summary of = {row, lq_profile_name(rules[rule]), peers[p], {0}};
        if (!c->against[p]) continue;
        keep(&of, elements, c->minimum / r->contestants[c->against[p]].minimum);
    }
}

static void print_summary(void) {
    printf("\n%s as a multiple of the peer's time; * where the peer is faster\n%-25s %-18s %-8s",
           lq_cpu_name(bench_wanted.level), "row", "by", "peer");
    for (int s = 0; s < size_count; ++s) printf(" %9lld ", (long long)sizes[s]);
    printf(" the peer's rule\n");
    for (int i = 0; i < summary_count; ++i) {
        const summary *l = &summaries[i];
        printf("%-25s %-18s %-8s", l->row->name, l->rule, l->peer->name);
        for (int s = 0; s < size_count; ++s) {
            printf(" %9.3f%c", l->ratios[s], l->ratios[s] > 1 ? '*' : ' ');
        }
        printf(" %s\n", l->peer->words(l->row->operation));
    }
    printf("%s", missing);
}

/* ----------------------------------------------------------------------- rows */

static bool disagreed;

/* Both write the same bytes. A range is not looked at: libquant returns what follows from it. */
static void compare(job *ours, const peer *p, void *made) {
    const size_t bytes = (size_t)ours->out.size;
    unsigned char *theirs = ours->out.data, *copy = malloc(bytes);
    int64_t differ = 0;
    if (!copy) exit(1);
    bench_check(lq_cpu_use(bench_wanted.level));
    memset(theirs, 0xa5, bytes);
    run_job(ours);
    memcpy(copy, theirs, bytes);
    memset(theirs, 0x5a, bytes);
    p->run(made);
    for (size_t i = 0; i < bytes; ++i) differ += copy[i] != theirs[i];
    free(copy);
    if (!differ || ours->row->operation == PEER_RANGE) return;
    disagreed = true;
    fprintf(stderr, "%s: %lld of %lld bytes are not those of %s\n", ours->row->name,
            (long long)differ, (long long)bytes, p->name);
}

static peer_job job_for_peers(const job *j, int64_t elements) {
    const job_row *row = j->row;
    const bool scaled = row->operation <= PEER_FAKE || row->operation == PEER_REQUANTIZE;
    return (peer_job){.operation = row->operation,
                      .from = row->from,
                      .to = row->to,
                      .layout = row->layout,
                      .elements = elements,
                      .rows = row->rows ? elements / COLUMNS : 1,
                      .scale = scaled ? j->scale.data : NULL,
                      .zero_point = j->zero_point,
                      .in = j->in.data,
                      .out = j->out.data,
                      .threads = bench_wanted.threads};
}

/* libquant by one of its rules. */
static int enter(bench_row *r, job *j, int rule) {
    char by[32];
    snprintf(by, sizeof by, "%s/%s", lq_profile_name(rules[rule]), lq_cpu_name(bench_wanted.level));
    if (rule != PEER_RULE_OWN) {
        j->scheme = lq_profile_scheme(rules[rule], j->row->to, j->scheme.block);
    }
    const int place = bench_enter(r, by, run_job, j);
    r->contestants[place].ours = true;
    r->contestants[place].level = bench_wanted.level;
    return place;
}

/* libquant by its own rule is compared with all peers, by another with those whose rule it is. */
static void run(int index, const char *name, int64_t elements) {
    const job_row *row = &rows[index];
    int ours[PEER_RULES] = {0};
    void *made[PEERS];
    job jobs[PEER_RULES];
    make_job(row, elements, &jobs[0]);
    peers[TUNED] = user_tuned_peer(bench_wanted.level);
    const peer_job wanted = job_for_peers(&jobs[0], elements);
    const int64_t written = row->operation == PEER_RANGE ? 0 : jobs[0].out.size;
    bench_row r = bench_begin_row(name, elements, jobs[0].in.size + written);
    ours[0] = enter(&r, &jobs[0], PEER_RULE_OWN);
    for (int p = 0; p < PEERS; ++p) {
        made[p] = peers[p]->make(&wanted);
        if (!made[p]) continue;
        const int rule = peers[p]->rule(row->operation);
        if (rule != PEER_RULE_OTHER && !ours[rule]) {
            jobs[rule] = jobs[0];
            ours[rule] = enter(&r, &jobs[rule], rule);
        }
        if (rule != PEER_RULE_OTHER) compare(&jobs[rule], peers[p], made[p]);
        const int place = bench_enter(&r, peers[p]->name, peers[p]->run, made[p]);
        r.contestants[ours[0]].against[p] = place;
        if (rule != PEER_RULE_OTHER) r.contestants[ours[rule]].against[p] = place;
    }
    bench_end_row(&r);
    for (int rule = 0; rule < PEER_RULES; ++rule) {
        if (ours[rule]) keep_ratios(row, rule, elements, &r, ours[rule]);
    }
    for (int p = 0; p < PEERS; ++p) {
        if (made[p]) peers[p]->end(made[p]);
    }
    free(jobs[0].in.data);
    free(jobs[0].out.data);
    free(jobs[0].scale.data);
}

static void name_row(int row, char *name, size_t size) {
    snprintf(name, size, "%s", rows[row].name);
}

int main(int argc, char **argv) {
    bench_suite suite = {
        .name = "bench_peers",
        .purpose =
            "libquant on its best level, or that of --level, against others who do the same.\n"
            "Libraries run on the best that they find; their objects are made before. \"user\"\n"
            "and \"roundf\" are plain loops on one thread for any machine, \"tuned\" the same for\n"
            "this level. Of the rules, \"libquant\" divides, others multiply by the reciprocal.",
        .unit = COLUMNS,
        .rows = ROWS,
        .name_row = name_row,
        .run = run,
    };
    bench_wanted.level = lq_cpu_level();
    peers[TUNED] = user_tuned_peer(bench_wanted.level);
    for (int p = 0; p < PEERS; ++p) suite.others[p] = peers[p]->name;
    const int failed = bench_main(argc, argv, &suite);
    if (bench_wanted.seconds > 0 && summary_count) print_summary();
    return failed || disagreed;
}
