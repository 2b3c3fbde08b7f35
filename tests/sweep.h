/* One function of the kernel list with one set of parameters, over all of its inputs. */
#ifndef SWEEP_H
#define SWEEP_H

#include "float_oracle.h"
#include "sweep_floats.h"
#include "sweep_rule.h"

enum { SWEEP_CHUNK = 1 << 15, SWEEP_LEVELS = LQ_CPU_NEON + 1, SWEEP_SAMPLES = 1 << 20 };

typedef enum sweep_kind {
    SWEEP_QUANTIZE,
    SWEEP_FAKE, /* quantize and back, to float32 */
    SWEEP_COUNT,
    SWEEP_RANGE,
    SWEEP_NARROW,   /* dequantize, where (q - z) is 1 and the scale runs through all floats */
    SWEEP_PRODUCT,  /* dequantize to float32 with a fixed code and all scales */
    SWEEP_FUNCTION, /* numeric.h's conversions */
    SWEEP_CODES,    /* dequantize: all codes */
    SWEEP_PACK,
    SWEEP_UNPACK,
    SWEEP_CONVERT
} sweep_kind;

typedef struct sweep_job {
    sweep_kind kind;
    lq_real real;
    lq_real to; /* of a conversion */
    bool saturate;
    lq_width width;
    bool is_signed;
    bool complete; /* all 2^32 inputs; else the sample */
    float scale;
    int32_t zero, qmin, qmax;
    int32_t difference; /* of code and zero point, where that is fixed */
    int rule;           /* of sweep_rules: quantize and fake */
    /* Codes of floats: quantize, fake and count. */
    const sweep_floats *floats;
    int rounding;
    bool unsaturated;
} sweep_job;

/* What came out, by runs and by lanes; a kind without the two ways has the first row only. */
typedef struct sweep_row {
    char name[48];
    char parameters[96];
    char first[320]; /* the first difference */
    int64_t inputs;
    int64_t differences;
    double seconds[SWEEP_LEVELS];
} sweep_row;

/* The memory of one thread. */
typedef struct sweep_worker {
    int share; /* do one part in so many */
    sweep_table table;
    sweep_job table_of; /* what the table was made for; a scale of 0: for nothing */
    sweep_table narrow[LQ_REALS];
    int64_t samples;
    uint32_t sample[SWEEP_SAMPLES];
    uint32_t x[SWEEP_CHUNK]; /* inputs, as the bits of float32 */
    uint16_t halves[SWEEP_CHUNK];
    float scale[SWEEP_CHUNK];
    int32_t zero[SWEEP_CHUNK];
    float offset[SWEEP_CHUNK], center[SWEEP_CHUNK], back[SWEEP_CHUNK];
    float range[2 * SWEEP_CHUNK];
    unsigned char source[8 * SWEEP_CHUNK]; /* of conversions */
    /* Elements of several widths: bytes, which may be read as any. */
    unsigned char codes[2 * SWEEP_CHUNK];
    unsigned char out[8 * SWEEP_CHUNK];
    unsigned char expected[8 * SWEEP_CHUNK];
} sweep_worker;

void sweep_set_up(sweep_worker *worker, int share);

int sweep_rows_of(const sweep_job *job);

/* Fills as many rows as sweep_rows_of says. */
void sweep_run(sweep_worker *worker, const sweep_job *job, sweep_row *rows);

/* The same for a conversion. */
void sweep_convert(sweep_worker *worker, const sweep_job *job, sweep_row *row);

/* Seconds of a clock. */
double sweep_now(void);

/* The names of a job's rows and their parameters. */
void sweep_describe(const sweep_job *job, int row, sweep_row *to);

#endif
