/*
 * bench_growth: what an element costs as there are more of them, and as they lie further apart;
 * what two threads gain; what short runs cost; and small calls. All on the best level, or the one
 * that is wanted.
 */
#include "harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { QUANTIZE, DEQUANTIZE, DYNAMIC, RANGE, CONVERT, ENCODE } operation;

static const struct {
    const char *name;
    bool scaled, ruled; /* somebody has a scale, by a rule codes come about */
} operations[] = {{"quantize/f32-s8", true, true},   {"dequantize/s8-f32", true, true},
                  {"dynamic/f32-s8", true, true},    {"range/f32", true, false},
                  {"convert/f32-f16", false, false}, {"encode/f32-ggml-q4_0", false, false}};

/* What is compared: forms of one matrix, threads, runs of a length, checks of a call. */
typedef enum { FORMS, THREADS, RUNS, CALLS } topic;

static const char *const topic_names[] = {"grow", "threads", "runs", "calls"};

typedef struct question {
    topic topic;
    operation operation;
    bench_granularity granularity;
    int64_t length; /* of runs; of forms, the largest size, where that is not the usual one */
} question;

static const question questions[] = {
    {FORMS, QUANTIZE, BENCH_TENSOR, 1 << 28},
    {FORMS, QUANTIZE, BENCH_ROWS, 1 << 26},
    {FORMS, QUANTIZE, BENCH_LANES, 0},
    {FORMS, QUANTIZE, BENCH_BLOCKS_32, 1 << 26},
    {FORMS, DEQUANTIZE, BENCH_TENSOR, 1 << 26},
    {FORMS, DEQUANTIZE, BENCH_ROWS, 0},
    {FORMS, DEQUANTIZE, BENCH_LANES, 0},
    {FORMS, DEQUANTIZE, BENCH_BLOCKS_32, 0},
    {FORMS, DYNAMIC, BENCH_ROWS, 0},
    {FORMS, DYNAMIC, BENCH_BLOCKS_32, 0},
    {FORMS, RANGE, BENCH_TENSOR, 0},
    {FORMS, CONVERT, BENCH_TENSOR, 0},
    {THREADS, QUANTIZE, BENCH_TENSOR, 0},
    {THREADS, DEQUANTIZE, BENCH_TENSOR, 0},
    {THREADS, DYNAMIC, BENCH_BLOCKS_32, 0},
    {THREADS, RANGE, BENCH_TENSOR, 0},
    {THREADS, CONVERT, BENCH_TENSOR, 0},
    {THREADS, ENCODE, BENCH_BLOCKS_32, 0},
    {RUNS, QUANTIZE, BENCH_ROWS, 9},
    {RUNS, QUANTIZE, BENCH_ROWS, 27},
    {RUNS, QUANTIZE, BENCH_ROWS, 172},
    {RUNS, DEQUANTIZE, BENCH_ROWS, 9},
    {RUNS, DEQUANTIZE, BENCH_ROWS, 27},
    {RUNS, DEQUANTIZE, BENCH_ROWS, 172},
    {RUNS, DYNAMIC, BENCH_ROWS, 9},
    {RUNS, DYNAMIC, BENCH_ROWS, 27},
    {RUNS, DYNAMIC, BENCH_ROWS, 172},
    {CALLS, QUANTIZE, BENCH_TENSOR, 0},
    {CALLS, QUANTIZE, BENCH_BLOCKS_32, 0},
    {CALLS, DEQUANTIZE, BENCH_TENSOR, 0},
    {CALLS, DYNAMIC, BENCH_TENSOR, 0},
    {CALLS, RANGE, BENCH_TENSOR, 0},
    {CALLS, CONVERT, BENCH_TENSOR, 0},
};

static void name_row(int row, char *name, size_t size) {
    const question *q = &questions[row];
    const bool scaled = operations[q->operation].scaled, ruled = operations[q->operation].ruled;
    char length[16] = "";
    if (q->topic == RUNS) snprintf(length, sizeof length, "-of-%d", (int)q->length);
    snprintf(name, size, "%s%s%s%s%s/%s%s", operations[q->operation].name, scaled ? "/" : "",
             scaled ? bench_granularity_names[q->granularity] : "", ruled ? "/" : "",
             ruled ? lq_profile_name(LQ_PROFILE_LIBQUANT) : "", topic_names[q->topic], length);
}

/* Runs have a whole number of rows, of nearly 64 Ki elements. */
static int64_t size_of(int row, int index) {
    static const int64_t calls[] = {32, 256, 1024, 0}, threads[] = {1 << 16, 1 << 20, 1 << 24, 0};
    const question *q = &questions[row];
    const int64_t wanted = bench_wanted.elements, most = q->length ? q->length : 1 << 24;
    const int64_t about = wanted ? wanted : 1 << 16;
    if (q->topic == RUNS) return index ? 0 : about / q->length * q->length;
    if (wanted) return index ? 0 : wanted;
    if (q->topic == CALLS) return calls[index];
    if (q->topic == THREADS) return threads[index];
    const int64_t size = INT64_C(1) << (10 + 2 * index);
    return size <= most ? size : 0;
}

/* --------------------------------------------------------------------- jobs */

typedef struct job {
    operation operation;
    lq_scheme scheme;
    lq_tensor x, codes, scale, half; /* x is what lies in several forms, read or written */
    lq_packed packed;
    const lq_exec *exec;
} job;

static void run_job(void *context) {
    const job *j = context;
    lq_packed packed = j->packed;
    switch (j->operation) {
    case QUANTIZE:
        bench_check(lq_quantize(&j->x, &j->scheme, &j->scale, NULL, &j->codes, j->exec));
        break;
    case DEQUANTIZE:
        bench_check(lq_dequantize(&j->codes, &j->scheme, &j->scale, NULL, &j->x, j->exec));
        break;
    case DYNAMIC:
        bench_check(lq_quantize_dynamic(&j->x, &j->scheme, &j->codes, &j->scale, NULL, j->exec));
        break;
    case RANGE: bench_check(lq_calibrate(&j->x, &j->scheme, &j->scale, NULL, j->exec)); break;
    case CONVERT: bench_check(lq_convert(&j->x, &j->half, LQ_OVERFLOW_INFINITE, j->exec)); break;
    case ENCODE:
        packed.bytes = &j->codes;
        bench_check(lq_encode(&j->x, NULL, &packed, j->exec));
        break;
    }
}

/* A matrix with room for x `times` over. */
static job make_job(const question *q, int64_t rows, int64_t columns, int times) {
    job j = {.operation = q->operation, .exec = bench_exec()};
    int64_t grid[LQ_MAX_RANK], count;
    const lq_tensor room = bench_vector(LQ_F32, rows * columns * times);
    bench_fill(&room);
    j.scheme = lq_symmetric(LQ_S8, bench_block_of(q->granularity));
    j.x = lq_matrix(room.data, LQ_F32, rows, columns);
    bench_check(lq_grid_shape(&j.x, &j.scheme, grid, &count));
    j.codes = bench_matrix(LQ_S8, rows, columns);
    j.scale = bench_vector(LQ_F32, count);
    if (q->operation == CONVERT) j.half = bench_matrix(LQ_F16, rows, columns);
    if (q->operation == ENCODE) {
        const int64_t size = rows * columns / 32 * 18;
        j.codes = lq_vector(j.codes.data, LQ_U8, size);
        j.packed = (lq_packed){.struct_size = sizeof j.packed,
                               .layout = LQ_LAYOUT_GGML_Q4_0,
                               .rows = rows,
                               .columns = columns};
    } else {
        bench_check(lq_quantize_dynamic(&j.x, &j.scheme, &j.codes, &j.scale, NULL, NULL));
    }
    return j;
}

static int64_t moved_by(const job *j) {
    const int64_t x = j->x.shape[0] * j->x.shape[1] * 4;
    if (j->operation == RANGE) return x + j->scale.size;
    return x + (j->operation == CONVERT ? j->half.size : j->codes.size + j->scale.size);
}

static void free_job(const job *j) {
    free(j->x.data);
    free(j->codes.data);
    free(j->scale.data);
    free(j->half.data);
}

/* ------------------------------------------------------------------- topics */

/* x with strides of its own, in room for twice as many elements. */
static lq_tensor strided(const lq_tensor *x, int64_t row, int64_t column) {
    const int64_t stride[] = {row, column};
    return lq_strided(x->data, 2 * x->size, LQ_F32, 2, x->shape, stride);
}

/* Scales of the values that this form has: with others more of them would be clipped. */
static void use_own_scales(job *j) {
    if (j->operation != QUANTIZE) return;
    j->scale = bench_vector(LQ_F32, j->scale.size / 4);
    bench_check(lq_quantize_dynamic(&j->x, &j->scheme, &j->codes, &j->scale, NULL, NULL));
}

/* The largest power of two that divides n and whose square is at most n. */
static int64_t side(int64_t n) {
    int64_t columns = 1;
    while (4 * columns * columns <= n && n % (2 * columns) == 0) columns *= 2;
    return columns;
}

/*
 * What lies apart touches more lines of the caches than what does not, or touches them in another
 * order. The bound of a form is to do that and nothing else: every line of x is read or written once,
 * a word of it read, all of it written; and those of the codes.
 */
enum { LINE = 64, PIECE = 1024 };

typedef struct lines {
    unsigned char *x, *codes;
    int64_t x_bytes, code_bytes;
    int64_t row; /* bytes of x: of each row a piece, then of each the next */
    bool to_codes;
} lines;

static uint64_t touch_lines(unsigned char *at, int64_t bytes, bool writes) {
    uint64_t sum = 0, word;
    for (int64_t i = 0; i < bytes; i += LINE) {
        if (writes) {
            memset(at + i, 1, LINE);
        } else {
            memcpy(&word, at + i, sizeof word);
            sum += word;
        }
    }
    return sum;
}

static void touch_all(void *context) {
    const lines *l = context;
    uint64_t sum = 0;
    for (int64_t i = 0; i < l->row; i += PIECE) {
        const int64_t n = l->row - i < PIECE ? l->row - i : PIECE;
        for (int64_t at = i; at < l->x_bytes; at += l->row) {
            sum += touch_lines(l->x + at, n, !l->to_codes);
        }
    }
    sum += touch_lines(l->codes, l->code_bytes, l->to_codes);
    __asm__ volatile("" : : "r"(sum), "r"(l->x) : "memory");
}

/* Of a contiguous job, but that x has `times` as many. */
static lines lines_of(const job *j, int64_t times, int64_t row) {
    const lq_tensor *codes = j->operation == CONVERT ? &j->half : &j->codes;
    return (lines){.x = j->x.data,
                   .codes = codes->data,
                   .x_bytes = times * j->x.shape[0] * j->x.shape[1] * 4,
                   .code_bytes = j->operation == RANGE ? 0 : codes->size,
                   .row = row,
                   .to_codes = j->operation != DEQUANTIZE};
}

static void compare_forms(const question *q, const char *name, int64_t elements) {
    const int64_t columns = side(elements), rows = elements / columns;
    job contiguous = make_job(q, rows, columns, 2);
    job gap = contiguous, transposed = contiguous, second = contiguous;
    gap.x = strided(&contiguous.x, columns + 8, 1);
    transposed.x = strided(&contiguous.x, 1, rows);
    second.x = strided(&contiguous.x, 2 * columns, 2);
    use_own_scales(&gap);
    use_own_scales(&transposed);
    use_own_scales(&second);
    bench_row r = bench_begin_row(name, elements, moved_by(&contiguous));
    lines of_second = lines_of(&contiguous, 2, PIECE);
    lines of_transposed = lines_of(&contiguous, 1, rows * 4);
    const int first = bench_enter_best(&r, "contiguous", run_job, &contiguous);
    bench_enter_best(&r, "row gap", run_job, &gap);
    bench_enter_best(&r, "every second", run_job, &second);
    bench_enter_best(&r, "transposed", run_job, &transposed);
    const int bound = bench_enter(&r, "lines of second", touch_all, &of_second);
    bench_enter(&r, "lines transposed", touch_all, &of_transposed);
    bench_compare(&r, first, 0, first, false);
    r.contestants[first + 2].against[2] = bound;
    r.contestants[first + 3].against[2] = bound + 1;
    bench_end_row(&r);
    if (q->operation == QUANTIZE) {
        free(gap.scale.data);
        free(transposed.scale.data);
        free(second.scale.data);
    }
    free_job(&contiguous);
}

static void compare_threads(const question *q, const char *name, int64_t elements) {
    const int64_t columns = side(elements), rows = elements / columns;
    const int threads = bench_wanted.threads > 1 ? bench_wanted.threads : 2;
    job one = make_job(q, rows, columns, 1), more = one;
    char many[32];
    snprintf(many, sizeof many, "%d threads", threads);
    one.exec = NULL;
    more.exec = bench_exec_on(threads);
    bench_row r = bench_begin_row(name, elements, moved_by(&one));
    const int first = bench_enter_best(&r, "1 thread", run_job, &one);
    const int last = bench_enter_best(&r, many, run_job, &more);
    r.contestants[last].prepare = bench_wake_threads;
    bench_compare(&r, first, 1, first, false);
    r.contestants[last].against[2] = bench_enter_floor_on(&r, threads);
    bench_end_row(&r);
    free_job(&one);
}

/* A scale for all elements, one after the other or with a gap behind each run; a scale for each run. */
static void compare_runs(const question *q, const char *name, int64_t elements) {
    const int64_t rows = elements / q->length;
    const question whole = {q->topic, q->operation, BENCH_TENSOR, 0};
    job one = make_job(&whole, rows, q->length, 2), gap = one;
    job channels = make_job(q, rows, q->length, 1);
    gap.x = strided(&one.x, q->length + 1, 1);
    bench_row r = bench_begin_row(name, elements, moved_by(&one));
    const int first = bench_enter_best(&r, "contiguous", run_job, &one);
    bench_enter_best(&r, "gap of 1", run_job, &gap);
    bench_enter_best(&r, "scale each", run_job, &channels);
    bench_compare(&r, first, 0, first, false);
    bench_end_row(&r);
    free_job(&one);
    free_job(&channels);
}

static void compare_calls(const question *q, const char *name, int64_t elements) {
    job checked = make_job(q, 1, elements, 1), trusted = checked;
    lq_exec exec;
    bench_check(lq_exec_init(&exec, sizeof exec));
    exec.flags = LQ_TRUSTED;
    trusted.exec = &exec;
    bench_row r = bench_begin_row(name, elements, moved_by(&checked));
    bench_enter_best(&r, "checked", run_job, &checked);
    bench_enter_best(&r, "trusted", run_job, &trusted);
    bench_end_row(&r);
    free_job(&checked);
}

static void run(int row, const char *name, int64_t elements) {
    static void (*const compare[])(const question *, const char *, int64_t) = {
        compare_forms, compare_threads, compare_runs, compare_calls};
    compare[questions[row].topic](&questions[row], name, elements);
}

int main(int argc, char **argv) {
    const bench_suite suite = {
        .name = "bench_growth",
        .purpose =
            "What an element costs as there are more, up to 2^28 (grow: square matrices, in\n"
            "one piece, with a gap behind each row, every second element, transposed), on two\n"
            "threads or on N (threads), in short runs (runs) and in small calls (calls).\n"
            "3 times the cost of the contiguous form and more are marked with '!'. A bound is\n"
            "what touching the same lines of the caches in the same order takes, and nothing\n"
            "else; that of threads is a memcpy by as many of them.",
        .others = {"contiguous", "one", "bound"},
        .marked = 3,
        .unit = 1024,
        .rows = sizeof questions / sizeof *questions,
        .name_row = name_row,
        .size = size_of,
        .run = run,
    };
    return bench_main(argc, argv, &suite);
}
