/* Files with every kind of tensor that lquant must cope with, made of fixed pseudo-random values. */
#include "lquant_run.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "tensor_file.h"
#include "tensor_writer.h"

typedef struct sample {
    const char *name, *dtype;
    int32_t rank;
    int64_t shape[TF_MAX_RANK];
    void (*fill)(float *values, int64_t count, int64_t row);
    int plain; /* finite, and stays so: part of both files */
} sample;

static uint32_t seed = 1;

/* Roughly normal. */
static float noise(void) {
    float sum = 0.0f;
    for (int i = 0; i < 4; ++i) {
        seed = seed * 1664525u + 1013904223u;
        sum += (float)(seed >> 8) / 16777216.0f - 0.5f;
    }
    return sum;
}

static void fill_noise(float *values, int64_t count, int64_t row) {
    (void)row;
    for (int64_t i = 0; i < count; ++i) values[i] = noise();
}

/* Every other row is dead: values near 5e-32, whose scale no f16 holds. */
static void fill_dead(float *values, int64_t count, int64_t row) {
    for (int64_t i = 0; i < count; ++i) values[i] = noise() * (i / row % 2 ? 0.3f : 5e-32f);
}

/* Half steps of a scale of 1: all are ties. */
static void fill_ties(float *values, int64_t count, int64_t row) {
    for (int64_t i = 0; i < count; ++i)
        values[i] = i % row == 0 ? 127.0f : (float)((seed = seed * 69069u + 5u) >> 24) / 2 - 63.75f;
    for (int64_t i = 0; i < count; ++i) values[i] = floorf(values[i] * 2) / 2;
}

static void fill_odd(float *values, int64_t count, int64_t row) {
    static const float odd[] = {0.0f,     -0.0f,     1e-45f, -1e-40f, FLT_MAX, -FLT_MAX, FLT_MIN,
                                INFINITY, -INFINITY, NAN,    1.0f,    -1.0f,   3e30f,    -7e-30f,
                                0.5f,     65504.0f,  1e-8f,  6e-8f,   -0.1f};
    (void)row;
    for (int64_t i = 0; i < count; ++i) values[i] = odd[(i * 7 + i / 19) % 19];
}

static void fill_large(float *values, int64_t count, int64_t row) {
    (void)row;
    for (int64_t i = 0; i < count; ++i) values[i] = i % 3 ? 65504.0f : -65504.0f + (float)i * 64;
}

static void fill_constant(float *values, int64_t count, int64_t row) {
    (void)row;
    for (int64_t i = 0; i < count; ++i) values[i] = -3.0f;
}

static void fill_zero(float *values, int64_t count, int64_t row) {
    (void)row;
    memset(values, 0, (size_t)count * sizeof *values);
}

static void fill_nan(float *values, int64_t count, int64_t row) {
    (void)row;
    for (int64_t i = 0; i < count; ++i) values[i] = NAN;
}

/* Ones and zeros among noise, as behind a ReLU, in one sign only. */
static void fill_positive(float *values, int64_t count, int64_t row) {
    (void)row;
    for (int64_t i = 0; i < count; ++i) values[i] = fmaxf(noise(), 0.0f);
}

static const sample samples[] = {
    {"scalar", "F32", 0, {0}, fill_noise, 1},
    {"bias", "F32", 1, {7}, fill_noise, 1},
    {"rows9", "F32", 2, {64, 9}, fill_noise, 1},
    {"conv27", "F32", 4, {16, 3, 3, 3}, fill_noise, 1},
    {"rows172", "F32", 2, {10, 172}, fill_noise, 1},
    {"wide", "F32", 2, {3, 1025}, fill_positive, 1},
    {"column", "F32", 2, {33, 1}, fill_noise, 1},
    {"layer/w\xc3\xa4ight \"0\"", "F16", 2, {12, 33}, fill_noise, 1},
    {"brain", "BF16", 3, {4, 3, 33}, fill_noise, 1},
    {"deep", "F32", 8, {2, 1, 3, 1, 2, 1, 2, 5}, fill_noise, 1},
    {"dead", "F32", 2, {8, 27}, fill_dead, 1},
    {"ties", "F32", 2, {6, 40}, fill_ties, 1},
    {"constant", "F32", 2, {4, 32}, fill_constant, 1},
    {"zeros", "F16", 2, {4, 32}, fill_zero, 0},
    {"odd", "F32", 2, {5, 37}, fill_odd, 0},
    {"odd16", "BF16", 2, {5, 37}, fill_odd, 0},
    {"large", "F16", 2, {4, 17}, fill_large, 0},
    {"nans", "F32", 2, {3, 7}, fill_nan, 0},
    {"none", "F32", 2, {0, 5}, fill_noise, 0},
    {"none_too", "BF16", 3, {3, 0, 2}, fill_noise, 0},
    {"integers", "I32", 2, {3, 3}, fill_noise, 1},
    {"double", "F64", 2, {2, 2}, fill_noise, 0},
    {"bytes", "U8", 3, {3, 1, 1}, fill_noise, 1},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

/* To binary16, to nearest even, by way of the value in units of its last place. */
static uint16_t half_bits(float value) {
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const double magnitude = fabs((double)value);
    int exponent;
    double units;
    if (magnitude == 0.0) return sign;
    frexp(magnitude, &exponent);
    if (exponent < -13) exponent = -13;
    units = nearbyint(ldexp(magnitude, 11 - exponent));
    return (uint16_t)(sign | (uint16_t)((exponent + 13) * 1024 + (int)units));
}

static void write_sample(tw_writer *w, const sample *s, int64_t count) {
    const int64_t row = s->rank > 0 && s->shape[s->rank - 1] > 0 ? s->shape[s->rank - 1] : 1;
    const int64_t size = tf_bytes(s->dtype, s->rank, s->shape);
    float *values = calloc((size_t)count * 2 + 1, sizeof *values);
    uint16_t *halves = calloc((size_t)count + 1, sizeof *halves);
    if (!values || !halves) abort();
    s->fill(values, count, row);
    for (int64_t i = 0; i < count; ++i) {
        uint32_t word;
        memcpy(&word, &values[i], sizeof word);
        if (s->dtype[0] == 'B') halves[i] = (uint16_t)(word >> 16);
        if (strcmp(s->dtype, "F16") == 0) halves[i] = half_bits(values[i]);
    }
    tw_write(w, strstr(s->dtype, "F16") ? (const void *)halves : values, (size_t)size);
    free(values);
    free(halves);
}

static const char *write_samples(const char *name, int all) {
    char message[1024] = "";
    const char *path = scratch_path(name);
    cJSON *metadata = cJSON_CreateObject();
    tw_writer *w = tw_create(path, message, sizeof message);
    seed = 1;
    cJSON_AddStringToObject(metadata, "format", "pt");
    cJSON_AddStringToObject(metadata, "note", "\xe2\x82\xac \"quoted\"\n");
    for (int i = 0; i < SAMPLES; ++i)
        if (all || samples[i].plain)
            tw_add(w, samples[i].name, samples[i].dtype, samples[i].rank, samples[i].shape,
                   tf_bytes(samples[i].dtype, samples[i].rank, samples[i].shape));
    tw_begin(w, metadata);
    for (int i = 0; i < SAMPLES; ++i)
        if (all || samples[i].plain)
            write_sample(w, &samples[i], tf_elements(samples[i].rank, samples[i].shape));
    if (tw_finish(w) != 0) {
        fprintf(stderr, "%s\n", message);
        abort();
    }
    cJSON_Delete(metadata);
    return path;
}

const char *sample_mixed(void) {
    static char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s", write_samples("mixed.safetensors", 1));
    return path;
}

const char *sample_plain(void) {
    static char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s", write_samples("plain.safetensors", 0));
    return path;
}
