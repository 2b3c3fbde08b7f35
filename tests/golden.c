/*
 * Hashes of what every operation writes for a fixed set of inputs: a change of bytes on any
 * platform, or of all of them, shows as a changed row of golden.txt.
 *
 *     golden                prints the rows, "name hash"
 *     golden --check FILE   compares with FILE's, and says which differ
 *
 * All levels of the machine are run, or the one that LIBQUANT_CPU names where that is set. Needs
 * nothing but the library and C11. Inputs come from integers alone, and wide elements are
 * hashed from their low byte up, so byte order and C library do not matter.
 */
#include "golden.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 6, COLUMNS = 5, WIDTH = 83, COUNT = ROWS * COLUMNS * WIDTH, MOST_ROWS = 1000 };
enum { PLAIN, SPECIAL, FLAVORS };

static const int64_t shape[] = {ROWS, COLUMNS, WIDTH};

static const lq_type reals[] = {LQ_F32, LQ_F16, LQ_BF16};
enum { REALS = sizeof reals / sizeof *reals };

static const struct code_case {
    const char *name;
    lq_type type;
    int32_t qmin, qmax;
} code_cases[] = {{"u1", LQ_U2, 0, 1},  {"s2", LQ_S2, 0, 0}, {"u2", LQ_U2, 0, 0},
                  {"s3", LQ_S4, -4, 3}, {"s4", LQ_S4, 0, 0}, {"u4", LQ_U4, 0, 0},
                  {"s8", LQ_S8, 0, 0},  {"u8", LQ_U8, 0, 0}, {"s16", LQ_S16, 0, 0},
                  {"u16", LQ_U16, 0, 0}};
enum { CODES = sizeof code_cases / sizeof *code_cases };

static const char *const mappings[] = {"affine", "symmetric", "half_range", "full_range"};
enum { MAPPINGS = 4 };

static const char *const grids[] = {"tensor", "channel0", "channel1", "channel2",
                                    "blocks", "blocks_0", "tiles"};
enum { GRIDS = sizeof grids / sizeof *grids };

static lq_block block_of(int grid) {
    const int64_t extent[] = {2, 3, 16};
    switch (grid) {
    case 1: return lq_per_channel(0);
    case 2: return lq_per_channel(1);
    case 3: return lq_per_channel(-1);
    case 4: return lq_per_block(-1, 32);
    case 5: return lq_per_block(0, 4);
    case 6: return lq_per_tile(3, extent);
    default: return lq_per_tensor();
    }
}

/* ----------------------------------------------------------------- inputs */

typedef union any_real {
    float f32[COUNT];
    uint16_t half[COUNT];
} any_real;

static any_real inputs[FLAVORS][REALS];
static any_real others[REALS]; /* near the plain inputs */
static any_real scales, out_scales, out_reals;
static unsigned char codes[2 * COUNT], out_codes[2 * COUNT];
static int32_t zeros[COUNT], out_zeros[COUNT];

static void put_real(any_real *to, int real, int64_t i, uint32_t bits) {
    if (reals[real] == LQ_F32) {
        memcpy(&to->f32[i], &bits, sizeof bits);
    } else {
        to->half[i] = (uint16_t)bits;
    }
}

/* The bits of 1 and the number of fraction bits of each real type. */
static const uint32_t ones[] = {0x3f800000u, 0x3c00u, 0x3f80u};
static const int fractions[] = {23, 10, 7};
static const uint32_t signs[] = {0x80000000u, 0x8000u, 0x8000u};

/* Magnitudes from 2^-low on, over `span` powers of two; no sign. */
static uint32_t moderate(int real, uint32_t low, uint32_t span) {
    const uint32_t mantissa = golden_random() & ((1u << fractions[real]) - 1u);
    const uint32_t exponent = golden_random() % span;
    return ones[real] + (exponent << fractions[real]) - (low << fractions[real]) + mantissa;
}

/* Zeros, infinities, NaNs, subnormals, the largest values and whatever bits. */
static uint32_t special(int real) {
    const uint32_t infinite = signs[real] - (1u << fractions[real]);
    const uint32_t magnitudes[] = {0,
                                   infinite,
                                   infinite | 1u << (fractions[real] - 1),
                                   1,
                                   (1u << fractions[real]) - 1u,
                                   1u << fractions[real],
                                   infinite - 1u,
                                   golden_random() & (signs[real] - 1u)};
    return magnitudes[golden_random() % 8u];
}

static void make_inputs(void) {
    golden_seed(1);
    for (int real = 0; real < REALS; ++real) {
        for (int64_t i = 0; i < COUNT; ++i) {
            const uint32_t sign = golden_random() & 1u ? signs[real] : 0u;
            const uint32_t bits = moderate(real, 6, 9);
            put_real(&inputs[PLAIN][real], real, i, sign | bits);
            put_real(&others[real], real, i, sign | (bits + golden_random() % 3u - 1u));
            const uint32_t other = golden_random() % 8u ? moderate(real, 12, 24) : special(real);
            put_real(&inputs[SPECIAL][real], real, i, sign | other);
        }
    }
}

/* Any bits, the same elements in either byte order. */
static void make_codes(lq_type type, uint64_t seed) {
    golden_seed(seed);
    for (int64_t i = 0; i < COUNT; ++i) {
        const uint16_t half = (uint16_t)golden_random();
        if ((type & 0xff) == 16) {
            memcpy(codes + 2 * i, &half, sizeof half);
        } else {
            codes[i] = (unsigned char)half;
        }
    }
}

/* What a caller may give; a few scales lie far off, where quotients overflow or vanish. */
static void make_parameters(const lq_scheme *scheme, int scale_type, int64_t count) {
    int32_t qmin = 0;
    int32_t qmax = 0;
    lq_scheme_range(scheme, &qmin, &qmax, NULL);
    golden_seed((uint64_t)count * 4096u + (uint64_t)scheme->code_type * 4u + (uint64_t)scale_type);
    for (int64_t i = 0; i < count; ++i) {
        const bool far = golden_random() % 16u == 0;
        const bool negative = golden_random() & 1u && scheme->mapping == LQ_SYMMETRIC_FULL_RANGE;
        const uint32_t sign = negative ? signs[scale_type] : 0u;
        put_real(&scales, scale_type, i,
                 sign | (far ? moderate(scale_type, 14, 28) : moderate(scale_type, 9, 9)));
        zeros[i] = qmin + (int32_t)(golden_random() % (uint32_t)(qmax - qmin + 1));
    }
}

/* ------------------------------------------------------------- one call */

typedef struct setting {
    int real, code, mapping, grid, scale_type, flavor, profile;
} setting;

/* The operands of a call. */
typedef struct operands {
    lq_scheme scheme;
    lq_tensor x, codes, scale, zero;
    const lq_tensor *zero_or_null;
    lq_report report;
    lq_exec exec;
} operands;

static void set_up(const setting *s, operands *o) {
    const struct code_case *c = &code_cases[s->code];
    int64_t grid[LQ_MAX_RANK];
    int64_t count = 0;
    o->scheme = lq_scheme_of(s->mapping, c->type, block_of(s->grid));
    o->scheme.qmin = c->qmin;
    o->scheme.qmax = c->qmax;
    o->x = lq_contiguous(&inputs[s->flavor][s->real], reals[s->real], 3, shape);
    o->codes = lq_contiguous(codes, c->type, 3, shape);
    lq_grid_shape(&o->x, &o->scheme, grid, &count);
    make_parameters(&o->scheme, s->scale_type, count);
    o->scale = lq_vector(&scales, reals[s->scale_type], count);
    o->zero = lq_vector(zeros, LQ_S32, count);
    o->zero_or_null = s->mapping == LQ_AFFINE ? &o->zero : NULL;
    lq_report_init(&o->report, sizeof o->report);
    lq_exec_init(&o->exec, sizeof o->exec);
    o->exec.report = &o->report;
    memset(&out_scales, 0x5a, sizeof out_scales);
    memset(&out_reals, 0x5a, sizeof out_reals);
    memset(out_codes, 0x5a, sizeof out_codes);
    memset(out_zeros, 0x5a, sizeof out_zeros);
}

static void finish(lq_status status, const operands *o) {
    golden_add((uint64_t)status, 4);
    golden_add((uint64_t)o->report.nan, 8);
    golden_add((uint64_t)o->report.infinite, 8);
    golden_add((uint64_t)o->report.clipped, 8);
}

static void run_calibrate(const setting *s) {
    operands o;
    set_up(s, &o);
    o.scale.data = &out_scales;
    o.zero.data = out_zeros;
    finish(lq_calibrate(&o.x, &o.scheme, &o.scale, &o.zero, &o.exec), &o);
    golden_add_tensor(&o.scale);
    golden_add_tensor(&o.zero);
}

static void run_quantize(const setting *s) {
    operands o;
    set_up(s, &o);
    o.codes.data = out_codes;
    finish(lq_quantize(&o.x, &o.scheme, &o.scale, o.zero_or_null, &o.codes, &o.exec), &o);
    golden_add_tensor(&o.codes);
}

/* The middle axis fastest, so nothing is contiguous. */
static void run_view(const setting *s) {
    operands o;
    set_up(s, &o);
    o.codes.data = out_codes;
    o.x.stride[1] = 1;
    o.x.stride[2] = COLUMNS;
    finish(lq_quantize(&o.x, &o.scheme, &o.scale, o.zero_or_null, &o.codes, &o.exec), &o);
    golden_add_tensor(&o.codes);
}

static void run_dequantize(const setting *s) {
    operands o;
    set_up(s, &o);
    make_codes(o.scheme.code_type, (uint64_t)s->flavor);
    o.x.data = &out_reals;
    finish(lq_dequantize(&o.codes, &o.scheme, &o.scale, o.zero_or_null, &o.x, &o.exec), &o);
    golden_add_tensor(&o.x);
}

static void run_dynamic(const setting *s) {
    operands o;
    set_up(s, &o);
    o.codes.data = out_codes;
    o.scale.data = &out_scales;
    o.zero.data = out_zeros;
    finish(lq_quantize_dynamic(&o.x, &o.scheme, &o.codes, &o.scale, &o.zero, &o.exec), &o);
    golden_add_tensor(&o.codes);
    golden_add_tensor(&o.scale);
    golden_add_tensor(&o.zero);
}

static void add_error(lq_status status, const lq_error *e) {
    const int64_t counts[] = {e->count, e->nonfinite, e->clipped};
    const double figures[] = {e->mse,           e->max_abs_error, e->sqnr_db,
                              e->mean_square_x, e->mean_square_y, e->cosine};
    golden_add((uint64_t)status, 4);
    for (int i = 0; i < 3; ++i) golden_add((uint64_t)counts[i], 8);
    for (int i = 0; i < 6; ++i) {
        uint64_t bits;
        memcpy(&bits, &figures[i], sizeof bits);
        golden_add(bits, 8);
    }
}

static void run_error_of_codes(const setting *s) {
    operands o;
    lq_error e;
    set_up(s, &o);
    lq_error_init(&e, sizeof e);
    o.codes.data = out_codes;
    lq_quantize(&o.x, &o.scheme, &o.scale, o.zero_or_null, &o.codes, NULL);
    const lq_status status =
        lq_measure_error(&o.x, &o.codes, &o.scheme, &o.scale, o.zero_or_null, &e, &o.exec);
    add_error(status, &e);
}

static void run_error_of_reals(const setting *s) {
    operands o;
    lq_error e;
    lq_tensor y;
    set_up(s, &o);
    lq_error_init(&e, sizeof e);
    y = o.x;
    y.data = &others[s->real];
    add_error(lq_measure_error(&o.x, &y, NULL, NULL, NULL, &e, &o.exec), &e);
}

#include "golden_calls.inc"

/* -------------------------------------------------------------------- rows */

static struct row {
    char name[56];
    uint64_t hash;
} rows[MOST_ROWS];
static int row_count;
static int disagreements; /* of levels */

static lq_cpu level_list[8];
static int level_count;

/* With `fold` bits set, a row takes in all code types, mappings, grids and scale types. */
enum { FOLD_CODE = 1, FOLD_MAPPING = 2, FOLD_GRID = 4, FOLD_SCALE = 8, FOLD_FLAVOR = 16 };

static void run_folded(void (*run)(const setting *), setting s, int fold) {
    const int count[] = {CODES, MAPPINGS, GRIDS, REALS, FLAVORS};
    int *const field[] = {&s.code, &s.mapping, &s.grid, &s.scale_type, &s.flavor};
    int i = 0;
    while (i < 5 && !(fold >> i & 1)) ++i;
    if (i == 5) {
        run(&s);
        return;
    }
    for (*field[i] = 0; *field[i] < count[i]; ++*field[i]) run_folded(run, s, fold & ~(1 << i));
}

typedef struct folded {
    void (*run)(const setting *);
    setting s;
    int fold;
} folded;

static void run_all(const void *context) {
    const folded *f = context;
    run_folded(f->run, f->s, f->fold);
}

void golden_row(const char *name, void (*run)(const void *context), const void *context) {
    struct row *const row = &rows[row_count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    for (int i = 0; i < level_count; ++i) {
        if (!getenv("LIBQUANT_CPU")) lq_cpu_use(level_list[i]);
        golden_begin();
        run(context);
        if (i == 0) row->hash = golden_hash();
        if (row->hash == golden_hash()) continue;
        fprintf(stderr, "%s: level %s differs from %s\n", name, lq_cpu_name(level_list[i]),
                lq_cpu_name(level_list[0]));
        ++disagreements;
    }
}

static void add_row(const char *name, void (*run)(const setting *), const setting *s, int fold) {
    const folded f = {run, *s, fold};
    golden_row(name, run_all, &f);
}

static void add_rows_of_real(setting s) {
    const char *const real = lq_type_name(reals[s.real]);
    char name[56];
    for (s.mapping = 0; s.mapping < MAPPINGS; ++s.mapping) {
        for (s.scale_type = 0; s.scale_type < REALS; ++s.scale_type) {
            snprintf(name, sizeof name, "calibrate/%s/%s/%s", real, mappings[s.mapping],
                     lq_type_name(reals[s.scale_type]));
            add_row(name, run_calibrate, &s, FOLD_CODE | FOLD_GRID | FOLD_FLAVOR);
        }
        for (s.grid = 0; s.grid < GRIDS; ++s.grid) {
            snprintf(name, sizeof name, "dynamic/%s/%s/%s", real, mappings[s.mapping],
                     grids[s.grid]);
            add_row(name, run_dynamic, &s, FOLD_CODE | FOLD_SCALE | FOLD_FLAVOR);
        }
    }
    s.code = s.mapping = s.grid = s.scale_type = 0;
    snprintf(name, sizeof name, "error/%s/real", real);
    add_row(name, run_error_of_reals, &s, FOLD_FLAVOR);
}

static void add_rows_of_code(setting s) {
    const char *const real = lq_type_name(reals[s.real]);
    const char *const code = code_cases[s.code].name;
    const int fold = FOLD_MAPPING | FOLD_SCALE | FOLD_FLAVOR;
    char name[56];
    for (s.grid = 0; s.grid < GRIDS; ++s.grid) {
        snprintf(name, sizeof name, "quantize/%s/%s/%s", real, code, grids[s.grid]);
        add_row(name, run_quantize, &s, fold);
    }
    snprintf(name, sizeof name, "quantize/%s/%s/strided", real, code);
    add_row(name, run_view, &s, fold | FOLD_GRID);
    snprintf(name, sizeof name, "dequantize/%s/%s", real, code);
    add_row(name, run_dequantize, &s, fold | FOLD_GRID);
    snprintf(name, sizeof name, "error/%s/%s", real, code);
    add_row(name, run_error_of_codes, &s, fold | FOLD_GRID);
}

/* Fake quantization and its gradients, and codes, by the rules of other systems. */
static void add_rows_of_profiles(setting s) {
    const char *const real = lq_type_name(reals[s.real]);
    char name[56];
    for (s.profile = 0; s.profile < PROFILES; ++s.profile) {
        const char *const profile = lq_profile_name(profiles[s.profile]);
        snprintf(name, sizeof name, "quantize/%s/%s", real, profile);
        add_row(name, run_quantize_by, &s, FOLD_GRID | FOLD_FLAVOR);
        snprintf(name, sizeof name, "fake/%s/%s", real, profile);
        add_row(name, run_fake, &s, FOLD_GRID | FOLD_FLAVOR);
        snprintf(name, sizeof name, "gradient/%s/%s", real, profile);
        add_row(name, run_gradient, &s, FOLD_GRID | FOLD_FLAVOR);
    }
}

static void make_rows(void) {
    char name[56];
    setting s = {0};
    for (s.real = 0; s.real < REALS; ++s.real) {
        add_rows_of_real(s);
        for (s.code = 0; s.code < CODES; ++s.code) add_rows_of_code(s);
    }
    for (s.real = s.code = 0; s.code < CODES; ++s.code) {
        const struct code_case *c = &code_cases[s.code];
        if ((c->type & 0xff) >= 8 || c->qmin != c->qmax) continue;
        snprintf(name, sizeof name, "pack/%s", c->name);
        add_row(name, run_pack, &s, 0);
        snprintf(name, sizeof name, "unpack/%s", c->name);
        add_row(name, run_unpack, &s, 0);
    }
    golden_conversions();
    golden_products();
    golden_calibrators();
    s = (setting){0};
    for (; s.real < REALS; ++s.real) add_rows_of_profiles(s);
    golden_codes();
    golden_encodings();
}

/* ---------------------------------------------------------------- checking */

static int fail_row(const char *name, const char *why) {
    printf("%s: %s\n", name, why);
    return 1;
}

static int check(const char *path) {
    static bool seen[MOST_ROWS];
    char line[160];
    int failed = disagreements;
    int passed = 0;
    FILE *file = fopen(path, "r");
    if (!file) return fail_row(path, "cannot be opened");
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == 0 || line[0] == '#') continue;
        char *const space = strchr(line, ' ');
        int i = 0;
        if (space) *space = 0;
        while (i < row_count && strcmp(rows[i].name, line) != 0) ++i;
        if (i == row_count || !space || seen[i]) {
            failed += fail_row(line, "no such row, or twice");
            continue;
        }
        seen[i] = true;
        if (strtoull(space + 1, NULL, 16) == rows[i].hash) {
            ++passed;
        } else {
            failed += fail_row(line, "differs");
        }
    }
    fclose(file);
    for (int i = 0; i < row_count; ++i) {
        if (!seen[i]) failed += fail_row(rows[i].name, "not in the file");
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0 || passed == 0;
}

int main(int argc, char **argv) {
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--check") != 0)) {
        fprintf(stderr, "usage: golden [--check FILE]\n");
        return 2;
    }
    fprintf(stderr, "levels:");
    for (lq_cpu level = LQ_CPU_SCALAR; level <= LQ_CPU_NEON; ++level) {
        const bool asked = !getenv("LIBQUANT_CPU") || level == lq_cpu_level();
        if (!asked || !lq_cpu_available(level)) continue;
        level_list[level_count++] = level;
        fprintf(stderr, " %s", lq_cpu_name(level));
    }
    fprintf(stderr, "\n");
    make_inputs();
    make_rows();
    if (argc == 3) return check(argv[2]);
    for (int i = 0; i < row_count; ++i) {
        printf("%s %016" PRIx64 "\n", rows[i].name, rows[i].hash);
    }
    return disagreements != 0;
}
