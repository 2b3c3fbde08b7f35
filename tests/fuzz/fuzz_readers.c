/*
 * Files that may be of tensors, and what lquant makes of them: its reader, its descriptions of
 * quantized tensors, states of calibration, and the commands that read them. Refused, or taken for
 * what can be used without further checks.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choices.h"
#include "gguf.h"
#include "lquant.h"
#include "scratch.h"
#include "statistics.h"
#include "target.h"

/* A few bytes can stand for a calibrator of gigabytes, or for as many values of a type. */
#define MOST_BYTES ((size_t)1 << 24)

static _Noreturn void fault(const char *what) {
    fprintf(stderr, "%s\n", what);
    abort();
}

static void begin(void) {
    static int begun;
    if (begun) return;
    begun = 1;
    if (!freopen("/dev/null", "w", stdout)) fault("no /dev/null");
    scratch_begin();
    atexit(scratch_end);
}

/* ------------------------------------------------------------------ the reader */

static void check_inside(const tf_file *file, const void *at, int64_t size) {
    const unsigned char *map = file->map, *p = at;
    if (size < 0 || p < map || p > map + file->map_size ||
        (uint64_t)size > file->map_size - (size_t)(p - map))
        fault("data outside the file");
}

static void check_tensor(const tf_file *file, const tf_tensor *t) {
    char shown[TF_SHOWN_SIZE];
    check_inside(file, t->data, t->size);
    if (!tf_is_utf8(t->name, strlen(t->name)) && t->name[0]) fault("a name that is not UTF-8");
    if (t->rank < 0 || t->rank > TF_MAX_RANK || tf_bytes(t->dtype, t->rank, t->shape) != t->size)
        fault("a size that is not the shape's");
    if (tf_find(file, t->name) != t) fault("a tensor that is not found");
    tf_printable(t->name, TF_SHOWN, shown);
    for (const char *p = shown; *p; ++p)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) fault("a control character in a name");
}

static void check_pair(const tf_file *file, const tf_pair *pair) {
    char text[TF_SHOWN_SIZE];
    check_inside(file, pair->value, pair->size);
    if (!tf_is_utf8(pair->key, strlen(pair->key)) && pair->key[0]) fault("a key that is not UTF-8");
    gguf_text(pair, text, sizeof text);
}

/* What calibrators it would hold; nobody waits for large ones here. */
static size_t state_size(const tf_file *file) {
    size_t total = 0, size;
    for (size_t i = 0; i < file->count; ++i) {
        lq_calibrator_options o = lq_calibrate_per_tensor();
        const tf_tensor *t = &file->tensors[i];
        if (lq_serialized_options(t->data, (size_t)t->size, &o) == LQ_OK &&
            lq_calibrator_size(&o, &size) == LQ_OK)
            total = size > MOST_BYTES ? MOST_BYTES + 1 : total + size;
    }
    return total;
}

/* Whether it can be read, and lquant can be asked about it. */
static int check_file(const char *path) {
    char message[1024] = "";
    tf_file *file = tf_open(path, message, sizeof message);
    int sane;
    if (!file) {
        if (strncmp(message, path, strlen(path)) != 0) fault("a refusal without the file's name");
        return 0;
    }
    for (size_t i = 0; i < file->count; ++i) check_tensor(file, &file->tensors[i]);
    for (size_t i = 0; i < file->pair_count; ++i) check_pair(file, &file->pairs[i]);
    sane = state_size(file) <= MOST_BYTES;
    tf_close(file);
    return sane;
}

/* ---------------------------------------------------------------- the commands */

/* Nothing in the way of the next run, and nothing left behind by one that failed. */
static void check_output(const char *out, int status) {
    char message[1024];
    tf_file *file;
    const int exists = access(out, F_OK) == 0;
    if (exists != (status == 0)) fault(exists ? "failed, and wrote" : "done, and wrote nothing");
    if (!exists) return;
    file = tf_open(out, message, sizeof message);
    if (!file) fault(message);
    tf_close(file);
    if (unlink(out) != 0) fault("the output cannot be removed");
}

enum { INSPECT, DEQUANTIZE, COMPARE, QUANTIZE, FORMAT, MERGE, CALIBRATE, CONTINUE, COMMANDS };

static int run(int command, const char *in, const char *out) {
    char names[3][SCRATCH_PATH], *files[2] = {names[0], names[1]};
    lquant_options o = {.files = files, .file_count = 1, .code_type = LQ_S4};
    snprintf(names[0], sizeof names[0], "%s", in);
    snprintf(names[1], sizeof names[1], "%s", in);
    snprintf(names[2], sizeof names[2], "%s", out);
    o.in = names[0];
    o.out = names[2];
    o.mapping = LQ_SYMMETRIC;
    o.scale_type = LQ_F32;
    o.block = lq_per_channel(0);
    if (command == FORMAT) o.format = "gptq";
    if (command == COMPARE) o.out = names[1];
    if (command == MERGE) o.file_count = 2;
    if (command == CALIBRATE || command == CONTINUE) {
        o.out = NULL;
        o.methods[o.method_count++] = LQ_METHOD_PERCENTILE;
        o.mantissa_bits = command == CALIBRATE ? 2 : 0;
        if (command == CONTINUE) o.file_count = 0, o.state = names[0];
    }
    switch (command) {
    case INSPECT: return run_inspect(&o);
    case DEQUANTIZE: return run_dequantize(&o);
    case COMPARE: return run_compare(&o);
    case MERGE: return run_merge(&o);
    case CALIBRATE:
    case CONTINUE: return run_calibrate(&o);
    default: return run_quantize(&o);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"in.safetensors", "in.gguf", "in.npy"};
    choices in = {data, data + size};
    const int command = (int)choice_in(&in, 0, COMMANDS - 1);
    const char *name = CHOICE_OF(&in, names), *path, *out;
    begin();
    path = scratch_write(name, in.at, (size_t)(in.end - in.at));
    out = scratch_path("out.safetensors");
    if (check_file(path)) {
        const int status = run(command, path, out);
        if (command == DEQUANTIZE || command == QUANTIZE || command == FORMAT || command == MERGE)
            check_output(out, status);
        close_input(NULL);
    }
    if (unlink(path) != 0 || scratch_count() != 0) fault("a file is left behind");
    return 0;
}
