#define _POSIX_C_SOURCE 200809L
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantize_packed.h"
#include "quantized.h"
#include "ranges.h"
#include "report.h"
#include "statistics.h"

/* What the run works on: the tensors of `file`, of which some are quantized. */
typedef struct quantize_job {
    const lquant_options *o;
    tf_file *file;
    quantized *items;      /* in the file's order */
    size_t *item_of;       /* of each tensor: 1 + its index in items, or 0 */
    packing_choice choice; /* of --format, if any */
    statistics state;      /* that of --calibration */
    report report;         /* a row for each of the items */
    size_t left_out;       /* tensors that the file cannot hold */
    int complete;          /* OUT has its name */
} quantize_job;

static int is_selected(const tf_tensor *t, const lquant_options *o) {
    if (t->rank < 2 || !real_type(t->dtype)) return 0;
    return !o->only || fnmatch(o->only, t->name, 0) == 0;
}

static int refuse_collision(const quantize_job *job, const quantized *q, const char *taken,
                            const char *what) {
    char shown[TF_SHOWN_SIZE], other[TF_SHOWN_SIZE];
    if (!tf_find(job->file, taken)) return 0;
    return fail("%s: the %s of tensor '%s' would be called '%s', and there is such a tensor; "
                "rename it, or choose the tensors with --only",
                job->o->in, what, tf_printable(q->name, TF_SHOWN, shown),
                tf_printable(taken, TF_SHOWN, other));
}

/*
 * The blocks of a tensor are those given, else those that its statistics have. NULL, or why its
 * statistics do not fit. A tensor without elements needs none.
 */
static const char *choose_block(const quantize_job *job, const tf_tensor *t, lq_block *block) {
    const statistic *item;
    lq_block stored;
    int32_t axis, given;
    *block = job->o->block;
    if (!job->o->calibration || t->size == 0) return NULL;
    item = statistics_find(&job->state, t->name);
    if (!item)
        return "is not in the calibration state; calibrate it, too, or choose the tensors with "
               "--only";
    axis = item->options.axis + (item->options.axis < 0 ? t->rank : 0);
    stored = item->options.channels > 0 ? lq_per_channel(axis) : lq_per_tensor();
    if (item->options.channels > 0 &&
        (axis < 0 || axis >= t->rank || t->shape[axis] != item->options.channels))
        return "has not the channels that it was calibrated with";
    given = block->axis + (block->axis < 0 ? t->rank : 0);
    if (job->o->block_given && (block->granularity != stored.granularity ||
                                (stored.granularity == LQ_PER_CHANNEL && given != axis)))
        return "was calibrated with other channels; leave out --per-tensor and --per-channel, or "
               "calibrate it so";
    *block = stored;
    return NULL;
}

static void describe(figures *f, const tf_tensor *t, const quantized *q) {
    f->name = t->name;
    f->type = quantized_type(q);
    f->rank = t->rank;
    memcpy(f->shape, t->shape, sizeof f->shape);
    f->elements = q->elements;
    f->stored = stored_bytes(q);
}

static kept_tensor *keep(report *r, const char *name, const char *why) {
    kept_tensor *kept = &r->kept[r->kept_count++];
    kept->name = name;
    snprintf(kept->why, sizeof kept->why, "%s", why);
    return kept;
}

/* 0, 1 where the format does not hold the tensor, which is kept then, or -1 with the fault said. */
static int plan_packed(quantize_job *job, const tf_tensor *t, quantized *q) {
    const int gguf = job->choice.format->file_type >= 0;
    const char *wrong;
    q->real = gguf ? LQ_F32 : real_type(t->dtype); /* GGUF has no place for the original type */
    q->rank = t->rank;
    memcpy(q->shape, t->shape, sizeof q->shape);
    wrong = quantized_plan_packing(q, &job->choice, t->name);
    if (wrong) {
        keep(&job->report, t->name, wrong)->ragged = q->packing->ragged;
        quantized_free(q);
        memset(q, 0, sizeof *q);
        return 1;
    }
    for (int i = 0; i < q->packing->count; ++i) {
        const part *p = &q->packing->parts[i];
        if (strcmp(p->name, t->name) != 0 && refuse_collision(job, q, p->name, "parts") != 0)
            return -1;
    }
    describe(&job->report.rows[job->report.count], t, q);
    return 0;
}

static int plan_tensor(quantize_job *job, const tf_tensor *t, quantized *q) {
    const lquant_options *o = job->o;
    lq_block block;
    figures *f = &job->report.rows[job->report.count];
    const char *wrong;
    int status;
    q->real = real_type(t->dtype);
    q->scale_type = o->scale_type;
    wrong = choose_block(job, t, &block);
    if (wrong) return fail_tensor(o->in, t->name, wrong);
    q->scheme = lq_scheme_of(o->mapping, o->code_type, block);
    q->rank = t->rank;
    memcpy(q->shape, t->shape, sizeof q->shape);
    wrong = quantized_plan(q, t->name);
    if (wrong) return fail_tensor(o->in, t->name, wrong);
    status = refuse_collision(job, q, q->scale_name, "scales");
    if (!status && q->zero_point_type)
        status = refuse_collision(job, q, q->zero_point_name, "zero points");
    describe(f, t, q);
    return status;
}

/* Readers of GGUF divide by the dimensions of a tensor. */
static int is_left_out(const quantize_job *job, const tf_tensor *t) {
    return job->choice.format && job->choice.format->file_type >= 0 &&
           tf_elements(t->rank, t->shape) == 0;
}

static int compare_reasons(const void *a, const void *b) {
    return strcmp(((const kept_tensor *)a)->why, ((const kept_tensor *)b)->why);
}

/* A tensor that is kept for the commonest reason, and how many are; NULL where none is. */
static const kept_tensor *commonest(report *r, size_t *most) {
    const kept_tensor *found = NULL;
    size_t run = 0;
    *most = 0;
    if (r->kept_count > 0) qsort(r->kept, r->kept_count, sizeof *r->kept, compare_reasons);
    for (size_t i = 0; i < r->kept_count; ++i) {
        run = i > 0 && strcmp(r->kept[i - 1].why, r->kept[i].why) == 0 ? run + 1 : 1;
        if (run <= *most) continue;
        found = &r->kept[i];
        *most = run;
    }
    return found;
}

static int fail_nothing(quantize_job *job) {
    const weight_format *f = job->choice.format;
    char shown[TF_SHOWN_SIZE];
    size_t most;
    const kept_tensor *kept = commonest(&job->report, &most);
    if (!kept && job->o->only)
        return fail("%s: no tensor that can be quantized (F32, F16 or BF16, rank 2 or more) has a "
                    "name that matches '%s'",
                    job->o->in, job->o->only);
    if (!kept)
        return fail("%s: has no tensor that can be quantized (F32, F16 or BF16, rank 2 or more)",
                    job->o->in);
    return fail("%s: nothing to quantize: the format %s holds none of its %zu tensors; %zu are as "
                "'%s', which %s%s",
                job->o->in, f->name, job->report.kept_count, most,
                tf_printable(kept->name, TF_SHOWN, shown), kept->why,
                !kept->ragged  ? ""
                : f->any_block ? "; choose blocks that divide the rows with --per-block=SIZE"
                               : "; choose a --format of smaller blocks");
}

static int plan(quantize_job *job) {
    const tf_file *file = job->file;
    job->items = need(calloc(file->count + 1, sizeof *job->items));
    job->item_of = need(calloc(file->count + 1, sizeof *job->item_of));
    job->report.rows = need(calloc(file->count + 1, sizeof *job->report.rows));
    job->report.kept = need(calloc(file->count + 1, sizeof *job->report.kept));
    for (size_t i = 0; i < file->count; ++i) {
        quantized *q = &job->items[job->report.count];
        int status;
        if (is_left_out(job, &file->tensors[i])) {
            keep(&job->report, file->tensors[i].name, "is empty, which GGUF files do not hold")
                ->left_out = 1;
            ++job->left_out;
            continue;
        }
        if (!is_selected(&file->tensors[i], job->o)) continue;
        status = job->choice.format ? plan_packed(job, &file->tensors[i], q)
                                    : plan_tensor(job, &file->tensors[i], q);
        if (job->choice.format && status == 1) continue;
        job->item_of[i] = ++job->report.count;
        if (status) return EXIT_FAULT;
    }
    return job->report.count > 0 ? 0 : fail_nothing(job);
}

static void declare(tw_writer *w, const quantize_job *job) {
    for (size_t i = 0; i < job->file->count; ++i) {
        const tf_tensor *t = &job->file->tensors[i];
        const quantized *q = job->item_of[i] ? &job->items[job->item_of[i] - 1] : NULL;
        const char *dtype;
        int32_t rank;
        int64_t shape[TF_MAX_RANK];
        if (is_left_out(job, t)) continue;
        if (!q) {
            tw_add(w, t->name, t->dtype, t->rank, t->shape, t->size);
            continue;
        }
        if (q->packing) {
            declare_packing(w, q->packing);
            continue;
        }
        codes_layout(q, &dtype, &rank, shape);
        tw_add(w, q->name, dtype, rank, shape, codes_bytes(q));
        tw_add(w, q->scale_name, scale_dtype(q), q->rank, q->grid, scale_bytes(q));
        if (q->zero_point_type)
            tw_add(w, q->zero_point_name, zero_point_dtype(q), q->rank, q->grid,
                   zero_point_bytes(q));
    }
}

/* Scales and zero points from the calibration state. */
static lq_status calibrated(quantize_job *job, const quantized *q, const lq_tensor *scale,
                            const lq_tensor *zero_point) {
    const lquant_options *o = job->o;
    const lq_method method = o->method_count > 0 ? o->methods[0] : LQ_METHOD_MSE;
    const lq_calibration calibration = calibration_for(method, o);
    const statistic *item = statistics_find(&job->state, q->name);
    return lq_calibrator_parameters(statistics_read(&job->state, item), &calibration, &q->scheme,
                                    scale, zero_point, NULL);
}

/* Quantizes and measures one tensor, its outputs already allocated. */
static lq_status quantize_values(quantize_job *job, const quantized *q, const void *data,
                                 figures *f, const lq_tensor *codes, const lq_tensor *scale,
                                 const lq_tensor *zero_point) {
    const lq_tensor x = real_view(q, data);
    lq_report met;
    lq_exec exec;
    lq_status status;
    lq_report_init(&met, sizeof met);
    lq_exec_init(&exec, sizeof exec);
    exec.report = &met;
    if (job->o->calibration && q->elements > 0) {
        status = calibrated(job, q, scale, zero_point);
        if (status == LQ_OK) status = lq_quantize(&x, &q->scheme, scale, zero_point, codes, &exec);
    } else {
        status = lq_quantize_dynamic(&x, &q->scheme, codes, scale, zero_point, &exec);
    }
    if (status == LQ_OK) status = measure(f, &x, codes, q, scale, zero_point);
    f->clipped = met.clipped;
    f->nonfinite = met.nan + met.infinite;
    return status;
}

/* 0, -1 where the writer failed and holds the message, or EXIT_FAULT with the fault said. */
static int write_quantized(tw_writer *w, quantize_job *job, const tf_tensor *t, const quantized *q,
                           figures *f) {
    void *code_bytes = need_bytes(codes_bytes(q));
    void *scales = need_bytes(scale_bytes(q));
    void *zero_points = q->zero_point_type ? need_bytes(zero_point_bytes(q)) : NULL;
    const lq_tensor codes = codes_view(q, code_bytes);
    const lq_tensor scale = scale_view(q, scales);
    const lq_tensor zero_point = zero_point_view(q, zero_points);
    const lq_status status =
        quantize_values(job, q, t->data, f, &codes, &scale, zero_points ? &zero_point : NULL);
    int failed = 0;
    if (status != LQ_OK) {
        failed = fail_tensor(job->o->in, t->name,
                             status == LQ_ERROR_EMPTY
                                 ? "has a channel without finite values in the calibration state"
                                 : lq_status_string(status));
    } else if (tw_write(w, code_bytes, (size_t)codes_bytes(q)) != 0 ||
               tw_write(w, scales, (size_t)scale_bytes(q)) != 0 ||
               (zero_points && tw_write(w, zero_points, (size_t)zero_point_bytes(q)) != 0)) {
        failed = -1;
    }
    free(code_bytes);
    free(scales);
    free(zero_points);
    progress_add(t->size);
    return failed;
}

static int write_tensors(tw_writer *w, quantize_job *job) {
    progress_begin(job->file->bytes);
    for (size_t i = 0; i < job->file->count; ++i) {
        const tf_tensor *t = &job->file->tensors[i];
        const size_t item = job->item_of[i];
        const quantized *q = item ? &job->items[item - 1] : NULL;
        figures *f = item ? &job->report.rows[item - 1] : NULL;
        const int failed = !q           ? copy_tensor(w, t)
                           : q->packing ? write_packed(w, job->o->in, t, q->packing, f)
                                        : write_quantized(w, job, t, q, f);
        if (failed) return failed;
    }
    progress_end();
    return 0;
}

/*
 * Both outputs are complete on disk before either gets its name. OUT goes first: where it fails,
 * an older report is still the one of the older OUT; and where only the report fails, its
 * figures are those of the table, and can be had again by comparing.
 */
static int commit(tw_writer *w, quantize_job *job, char *message, size_t message_size) {
    const char *path = job->o->report;
    aside *written = NULL;
    job->report.bytes_in = job->file->bytes;
    job->report.bytes_out = tw_file_size(w);
    if (tw_prepare(w) == 0 && path)
        written = report_write(&job->report, path, message, message_size);
    if (path && !written) {
        tw_abort(w);
        return -1;
    }
    if (tw_finish(w) != 0) {
        aside_abort(written);
        return -1;
    }
    job->complete = 1;
    if (!written || aside_commit(written) == 0) return 0;
    return fail("%s; but %s is complete", message, job->o->out);
}

static int write_file(quantize_job *job) {
    char message[MESSAGE_SIZE] = "";
    const weight_format *f = job->choice.format;
    const int gguf = f && f->file_type >= 0;
    cJSON *old = gguf ? NULL : metadata_of(job->file);
    cJSON *metadata = gguf ? NULL : quantized_metadata(old, job->items, job->report.count);
    tw_writer *w = gguf ? tw_create_gguf(job->o->out, message, sizeof message)
                        : tw_create(job->o->out, message, sizeof message);
    int status = w ? 0 : -1;
    cJSON_Delete(old);
    if (!status) {
        if (gguf) declare_pairs(w, job->file, f);
        declare(w, job);
        status = tw_begin(w, metadata);
    }
    if (!status) status = write_tensors(w, job);
    if (status)
        tw_abort(w);
    else
        status = commit(w, job, message, sizeof message);
    cJSON_Delete(metadata);
    return status < 0 ? fail("%s", message) : status;
}

static int run(quantize_job *job) {
    const lquant_options *o = job->o;
    size_t copied;
    int status;
    if (cJSON_GetObjectItemCaseSensitive(job->file->metadata, METADATA_KEY))
        return fail("%s: is quantized already; 'lquant dequantize' it first", o->in);
    for (size_t i = 0; i < job->file->count; ++i) {
        int64_t block, bytes;
        if (tf_block(job->file->tensors[i].dtype, &block, &bytes))
            return fail("%s: is quantized already; 'lquant dequantize' it first", o->in);
    }
    if (o->report && (same_file(o->report, o->in) || same_file(o->report, o->out)))
        return fail("%s: the report would overwrite another file of this run", o->report);
    if (o->calibration &&
        (same_file(o->calibration, o->out) || (o->report && same_file(o->calibration, o->report))))
        return fail("%s: the calibration state would be overwritten", o->calibration);
    status = plan(job);
    if (!status) status = write_file(job);
    if (!job->complete) return status;
    report_print(&job->report);
    copied = job->file->count - job->report.count - job->left_out;
    if (copied > 0) printf("copied unchanged: %zu tensors\n", copied);
    return status;
}

static int check_options(const lquant_options *o) {
    if (!o->calibration && (o->method_count > 0 || o->percentile > 0 || o->deviations > 0))
        return fail_usage("a method needs --calibration; see 'lquant help quantize'");
    if (o->method_count > 1)
        return fail_usage("there can be one --method; see 'lquant help quantize'");
    if (o->calibration && o->block_given && o->block.granularity == LQ_PER_BLOCK)
        return fail_usage("--per-block cannot be calibrated; see 'lquant help quantize'");
    return 0;
}

int run_quantize(const lquant_options *o) {
    quantize_job job = {0};
    int status = check_options(o);
    if (!status) status = choose_format(o, &job.choice);
    if (status) return status;
    job.o = o;
    if (o->calibration) status = statistics_load(&job.state, o->calibration);
    if (!status) job.file = open_input(o->in);
    if (job.file) status = run(&job);
    if (!job.file) status = EXIT_FAULT;
    for (size_t i = 0; job.items && i < job.report.count; ++i) quantized_free(&job.items[i]);
    free(job.items);
    free(job.item_of);
    free(job.report.rows);
    free(job.report.kept);
    statistics_free(&job.state);
    tf_close(job.file);
    return status;
}
