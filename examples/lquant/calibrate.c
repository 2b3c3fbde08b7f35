#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "findings.h"
#include "json.h"
#include "quantized.h"
#include "report.h"

/* ------------------------------------------------------------------------ observing */

/* The options of a calibrator for `t`; its channels are 0 where it has none to count. */
static const char *options_for(const tf_tensor *t, const lquant_options *o,
                               lq_calibrator_options *options) {
    *options = lq_calibrate_per_tensor();
    if (o->block_given && o->block.granularity == LQ_PER_CHANNEL) {
        const int32_t axis = o->block.axis < 0 ? o->block.axis + t->rank : o->block.axis;
        if (axis < 0 || axis >= t->rank)
            return "does not have that axis; choose another one, or the tensors with --only";
        *options = lq_calibrate_per_channel(o->block.axis, t->shape[axis]);
    }
    if (o->mantissa_bits) options->mantissa_bits = o->mantissa_bits;
    options->bin_sums = o->bin_sums;
    return NULL;
}

/* Whether the command line asks for something else than what there is. */
static int conflicts(const lquant_options *o, const lq_calibrator_options *with) {
    const int per_channel = o->block.granularity == LQ_PER_CHANNEL;
    if (o->block_given && per_channel != (with->channels > 0)) return 1;
    if (o->block_given && per_channel && o->block.axis != with->axis) return 1;
    if (o->mantissa_bits && o->mantissa_bits != with->mantissa_bits) return 1;
    return o->bin_sums && !with->bin_sums;
}

static int observe_tensor(statistics *s, const tf_tensor *t, const char *name, const char *path,
                          const lquant_options *o) {
    const lq_tensor x = lq_contiguous(t->data, real_type(t->dtype), t->rank, t->shape);
    const statistic *item = statistics_find(s, name);
    lq_status status;
    if (!item) {
        lq_calibrator_options options;
        const char *wrong = options_for(t, o, &options);
        if (wrong) return fail_tensor(path, t->name, wrong);
        item = statistics_add(s, name, &options, path);
        if (!item) return EXIT_FAULT;
    } else if (conflicts(o, &item->options)) {
        return fail_tensor(path, t->name,
                           "was calibrated with other options in the state; leave them out, or "
                           "begin another state");
    }
    status = lq_calibrator_observe(statistics_change(s, item), &x, NULL);
    if (status == LQ_ERROR_SHAPE)
        return fail_tensor(path, t->name, "has another number of channels than earlier batches");
    if (status != LQ_OK) return fail_tensor(path, t->name, lq_status_string(status));
    return 0;
}

/* Tensors without elements have nothing to show. */
static int is_selected(const tf_tensor *t, const char *name, const lquant_options *o) {
    if (t->size == 0 || !real_type(t->dtype)) return 0;
    return !o->only || fnmatch(o->only, name, 0) == 0;
}

static int observe_open(statistics *s, const tf_file *file, const char *path,
                        const lquant_options *o) {
    if (is_state(file))
        return fail("%s: is a state, not a batch; give it with --state, or use 'lquant merge'",
                    path);
    if (cJSON_GetObjectItemCaseSensitive(file->metadata, METADATA_KEY))
        return fail("%s: is quantized; 'lquant dequantize' it first", path);
    for (size_t i = 0; i < file->count; ++i) {
        const tf_tensor *t = &file->tensors[i];
        const char *name = file->is_npy && o->name ? o->name : t->name;
        if (is_selected(t, name, o)) {
            const int status = observe_tensor(s, t, name, path, o);
            if (status) return status;
        }
        progress_add(t->size);
    }
    return 0;
}

static int observe_files(statistics *s, const lquant_options *o) {
    int64_t bytes = 0;
    for (int i = 0; i < o->file_count; ++i) {
        struct stat st;
        if (stat(o->files[i], &st) == 0) bytes += st.st_size;
    }
    progress_begin(bytes);
    for (int i = 0; i < o->file_count; ++i) {
        tf_file *file = open_input(o->files[i]);
        const int status = file ? observe_open(s, file, o->files[i], o) : EXIT_FAULT;
        close_input(file);
        if (status) return status;
    }
    progress_end();
    if (s->count > 0 || o->file_count == 0) return 0;
    return fail("%s%s: no tensor with values of F32, F16 or BF16%s%s%s", o->files[0],
                o->file_count > 1 ? " and the others" : "",
                o->only ? " has a name that matches '" : "", o->only ? o->only : "",
                o->only ? "'" : "");
}

/* -------------------------------------------------------------------------- outputs */

/* No output may be an input, or another output. "-" is none. */
static int check_outputs(const lquant_options *o) {
    const char *const outputs[] = {o->state, o->plot, o->json};
    for (int i = 0; i < 3; ++i) {
        if (!outputs[i] || (i == 2 && strcmp(outputs[i], "-") == 0)) continue;
        for (int k = 0; k < i; ++k)
            if (outputs[k] && same_file(outputs[i], outputs[k]))
                return fail("%s: would be overwritten by another output", outputs[i]);
        for (int k = 0; k < o->file_count; ++k)
            if (same_file(outputs[i], o->files[k]))
                return fail("%s: would be overwritten; it is one of the batches", outputs[i]);
    }
    return 0;
}

typedef struct outputs {
    tw_writer *state;
    aside *json, *plot;
} outputs;

/* All outputs are complete on disk before one gets its name. */
static int prepare(outputs *out, findings *f, statistics *s, char *message, size_t size) {
    const lquant_options *o = f->o;
    if (o->state && o->file_count > 0) {
        out->state = statistics_write(s, o->state, message, size);
        if (!out->state) return -1;
    }
    if (o->json && strcmp(o->json, "-") != 0) {
        out->json = json_write(f->json, o->json, message, size);
        if (!out->json) return -1;
    }
    if (o->plot) {
        out->plot = plot_write(f->plot, o->plot, message, size);
        if (!out->plot) return -1;
    }
    return 0;
}

/* One that has its name is out of the caller's hands, and so is one that failed to get it. */
static int commit_aside(aside **file) {
    aside *const given = *file;
    *file = NULL;
    return given ? aside_commit(given) : 0;
}

/* The state goes last: where another one fails, the run can be repeated. */
static int commit(outputs *out) {
    tw_writer *const state = out->state;
    if (commit_aside(&out->json) != 0 || commit_aside(&out->plot) != 0) return -1;
    out->state = NULL;
    return state ? tw_finish(state) : 0;
}

static int write_outputs(findings *f, statistics *s) {
    char message[MESSAGE_SIZE] = "";
    outputs out = {0};
    int status = prepare(&out, f, s, message, sizeof message);
    if (!status) status = commit(&out);
    if (out.state) tw_abort(out.state);
    aside_abort(out.json);
    aside_abort(out.plot);
    return status ? fail("%s", message) : 0;
}

static int exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 || errno != ENOENT;
}

int run_calibrate(const lquant_options *o) {
    statistics s = {0};
    findings f;
    int status = 0;
    if (o->file_count == 0 && !o->state)
        return fail_usage("neither a batch nor a --state; see 'lquant help calibrate'");
    status = check_outputs(o);
    if (!status && o->state && (o->file_count == 0 || exists(o->state)))
        status = statistics_load(&s, o->state);
    if (!status) status = observe_files(&s, o);
    if (!status) {
        findings_collect(&f, o, &s);
        status = write_outputs(&f, &s);
        if (!status) findings_print(&f);
        findings_free(&f);
    }
    statistics_free(&s);
    return status;
}

int run_merge(const lquant_options *o) {
    char message[MESSAGE_SIZE] = "";
    statistics s = {0};
    tw_writer *w;
    int status = 0;
    if (!o->out) return fail_usage("-o and the file to write are missing; see 'lquant help merge'");
    for (int i = 0; !status && i < o->file_count; ++i) status = statistics_load(&s, o->files[i]);
    if (!status) {
        w = statistics_write(&s, o->out, message, sizeof message);
        if (!w || tw_finish(w) != 0) status = fail("%s", message);
    }
    if (!status) printf("%zu tensors of %d states\n", s.count, o->file_count);
    statistics_free(&s);
    return status;
}
