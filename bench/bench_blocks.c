/*
 * bench_blocks: real values to records of blocks and back, on every level of this machine, as ns per
 * element and as ratios, all in one run: to a loop that only moves the same bytes (the traffic
 * floor), to the loops that a user would write, to the calls that stop at codes and scales
 * (lq_quantize_dynamic, lq_dequantize on the same level), and to the scalar level.
 */
#include "harness.h"
#include "libquant.h"
#include "user_blocks.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench_row {
    const char *name;
    lq_layout layout;
    lq_type codes, scale, zero; /* of the calls that stop there */
    user_encode_fn *encode;
    user_decode_fn *decode;
} bench_row;

static const bench_row rows[] = {
    {"q8_0", LQ_LAYOUT_GGML_Q8_0, LQ_S8, LQ_F16, 0, user_encode_q8_0, user_decode_q8_0},
    {"q4_0", LQ_LAYOUT_GGML_Q4_0, LQ_S4, LQ_F16, 0, user_encode_q4_0, user_decode_q4_0},
    {"q4_1", LQ_LAYOUT_GGML_Q4_1, LQ_U4, LQ_F16, LQ_F16, user_encode_q4_1, user_decode_q4_1},
    {"mxfp4", LQ_LAYOUT_GGML_MXFP4, LQ_E2M1, LQ_E8M0, 0, user_encode_mxfp4, user_decode_mxfp4},
    {"nvfp4", LQ_LAYOUT_GGML_NVFP4, LQ_E2M1, LQ_E4M3, 0, user_encode_nvfp4, user_decode_nvfp4},
    {"q4_k", LQ_LAYOUT_GGML_Q4_K, 0, 0, 0, NULL, NULL},
    {"q6_k", LQ_LAYOUT_GGML_Q6_K, 0, 0, 0, NULL, NULL},
};

enum { UNIT = 4096, LEVELS = 4, CONTESTANTS = 2 + 2 * LEVELS };

static const lq_cpu levels[LEVELS] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};

/* What one contestant does. */
typedef struct job {
    const bench_row *row;
    lq_cpu level;
    bool encodes, to_parts;
    lq_tensor x, bytes, codes, scale, zero;
    lq_packed packed;
    lq_scheme scheme;
    int64_t elements;
} job;

static void check(lq_status status) {
    if (!status) return;
    fprintf(stderr, "bench_blocks: %s\n", lq_status_string(status));
    exit(1);
}

static void prepare_job(void *context) {
    const job *j = context;
    check(lq_cpu_use(j->level));
}

static void run_job(void *context) {
    const job *j = context;
    const lq_tensor *zero = j->row->zero ? &j->zero : NULL;
    lq_packed packed = j->packed;
    packed.bytes = &j->bytes;
    if (j->to_parts) {
        check(j->encodes ? lq_quantize_dynamic(&j->x, &j->scheme, &j->codes, &j->scale, zero, NULL)
                         : lq_dequantize(&j->codes, &j->scheme, &j->scale, zero, &j->x, NULL));
    } else {
        check(j->encodes ? lq_encode(&j->x, NULL, &packed, NULL)
                         : lq_decode(&packed, NULL, &j->x, NULL));
    }
}

static void run_user(void *context) {
    const job *j = context;
    if (j->encodes) {
        j->row->encode(j->x.data, j->elements, j->bytes.data);
    } else {
        j->row->decode(j->bytes.data, j->elements, j->x.data);
    }
}

static void fill(float *x, int64_t n) {
    uint32_t state = 12345;
    for (int64_t i = 0; i < n; ++i) {
        float sum = 0;
        for (int k = 0; k < 4; ++k) {
            state = state * 1664525u + 1013904223u;
            sum += (float)(state >> 8) * 0x1p-24f - 0.5f;
        }
        x[i] = sum;
    }
}

static lq_tensor allocate(lq_type type, int64_t n) {
    lq_tensor t = lq_vector(NULL, type, n);
    t.data = bench_allocate(t.size);
    return t;
}

/* 0 where the library has no such layout. */
static bool make_job(const bench_row *row, int64_t elements, job *j) {
    lq_layout_info info;
    if (lq_layout_describe(row->layout, &info, sizeof info)) return false;
    *j = (job){.row = row, .elements = elements};
    check(lq_layout_scheme(row->layout, &j->scheme, sizeof j->scheme));
    j->x = allocate(LQ_F32, elements);
    j->bytes = allocate(LQ_U8, elements / info.record * info.record_bytes);
    j->packed = (lq_packed){
        .struct_size = sizeof j->packed, .layout = row->layout, .rows = 1, .columns = elements};
    fill(j->x.data, elements);
    if (!row->encode) return true;
    j->codes = allocate(row->codes, elements);
    j->scale = allocate(row->scale, elements / info.block);
    j->zero = allocate(row->zero ? row->zero : LQ_F16, elements / info.block);
    if (j->scheme.code_type == LQ_S8 || j->scheme.code_type == LQ_U8) {
        j->scheme.code_type = row->codes;
        j->scheme.qmin = j->scheme.qmax = 0;
    }
    return true;
}

static void bench(const bench_row *row, bool encodes, int64_t elements, double seconds) {
    job base, jobs[2 * LEVELS];
    if (!make_job(row, elements, &base)) return;
    base.encodes = true;
    run_job(&base);
    if (row->encode) {
        base.to_parts = true;
        run_job(&base);
        base.to_parts = false;
    }
    base.encodes = encodes;
    const int64_t moved = base.x.size + base.bytes.size;
    traffic t = bench_traffic(moved);
    contestant c[CONTESTANTS] = {{.name = "floor", .run = bench_move, .context = &t}};
    int n = 1;
    if (row->encode) c[n++] = (contestant){.name = "user", .run = run_user, .context = &base};
    const int first = n, each = row->encode ? 2 : 1;
    for (int i = 0; i < LEVELS; ++i) {
        if (!lq_cpu_available(levels[i])) continue;
        for (int parts = 0; parts < each; ++parts, ++n) {
            jobs[n - first] = base;
            jobs[n - first].level = levels[i];
            jobs[n - first].to_parts = parts;
            c[n] = (contestant){.name = lq_cpu_name(levels[i]),
                                .prepare = prepare_job,
                                .run = run_job,
                                .context = &jobs[n - first]};
        }
    }
    bench_contest(c, n, seconds);
    for (int i = first; i < n; i += each) {
        const double count = (double)elements, ns = c[i].minimum;
        printf("%-6s %s %-7s %9lld %8.4f %8.4f %7.1f %8.2f", row->name,
               encodes ? "encode" : "decode", c[i].name, (long long)elements, ns / count,
               c[i].median / count, (double)moved / ns, ns / c[0].minimum);
        if (each == 2) printf(" %8.3f %8.2f", ns / c[1].minimum, ns / c[i + 1].minimum);
        if (each == 1) printf(" %8s %8s", "-", "-");
        printf(" %8.2f\n", ns / c[first].minimum);
    }
    fflush(stdout);
    free(t.from);
    free(t.to);
    free(base.x.data);
    free(base.bytes.data);
    free(base.codes.data);
    free(base.scale.data);
    free(base.zero.data);
}

int main(int argc, char **argv) {
    static const int64_t sizes[] = {1 << 12, 1 << 16, 1 << 20, 1 << 24};
    const bench_options o =
        bench_parse(argc, argv, "bench_blocks", "TEXT in format and direction", UNIT);
    printf("%-13s %-7s %9s %8s %8s %7s %8s %8s %8s %8s\n", "format", "level", "elements", "ns min",
           "median", "GB/s", "/ floor", "/ user", "/ parts", "/ scalar");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; ++r) {
        for (int encodes = 1; encodes >= 0; --encodes) {
            char name[24];
            snprintf(name, sizeof name, "%s %s", rows[r].name, encodes ? "encode" : "decode");
            if (!strstr(name, o.filter)) continue;
            for (int s = 0; s < (o.elements ? 1 : 4); ++s) {
                bench(&rows[r], encodes, o.elements ? o.elements : sizes[s], o.seconds);
            }
        }
    }
    return 0;
}
