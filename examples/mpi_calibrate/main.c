/*
 * mpi_calibrate: calibration on more than one machine.
 *
 *     mpirun -n 4 mpi_calibrate [--method NAME] [--state FILE] [--codes FILE] [TENSORS...]
 *
 * Every rank shows its own pieces of the tensors to its own calibrators. One reduction merges them;
 * then all ranks know the statistics of all values, choose the same parameters from them, and each
 * quantizes its pieces. States and codes are the same bytes for any number of ranks, as merging is
 * exact, in whatever order MPI does it, and a code depends on nothing but its value and the
 * parameters.
 *
 * TENSORS are .safetensors or .npy files that every rank can read; tensors of one name, in whatever
 * file, are batches of one tensor. Without files, batches are made up.
 */
#include <inttypes.h>
#include <limits.h>
#include <mpi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batches.h"

/* Values that are looked at together: enough to be fast, few enough for a cache and an int. */
enum { CHUNK = 65536 };

typedef struct run {
    lq_method method;
    const char *state_path, *codes_path; /* NULL: not written */
    int rank, ranks;
    char fault[512]; /* what went wrong on this rank; else empty */
    batches batches;
    /* For each tensor: */
    int tensors;
    const char **names;
    char *states; /* calibrators of state_size bytes, side by side */
    size_t state_size;
    float *scales;
    int32_t *zeros;
    int64_t *clipped;
    /* For a chunk: */
    float *values;
    uint8_t *codes;
    MPI_File codes_file;
} run;

static const char usage[] =
    "usage: mpirun -n RANKS mpi_calibrate [--method NAME] [--state FILE] [--codes FILE] "
    "[TENSORS...]";

static lq_scheme scheme_of_codes(void) {
    return lq_affine(LQ_U8, lq_per_tensor());
}

/* ------------------------------------------------------------------ failing */

/* The first fault stays. */
static int fail(run *r, const char *format, ...) {
    va_list arguments;
    if (r->fault[0]) return -1;
    va_start(arguments, format);
    vsnprintf(r->fault, sizeof r->fault, format, arguments);
    va_end(arguments);
    return -1;
}

static int failed(run *r, const char *name, lq_status status) {
    return status ? fail(r, "%s: %s", name, lq_status_string(status)) : 0;
}

/*
 * Whether all ranks are well. A rank that left on its own would leave the others waiting for it in
 * the next collective call, so they ask each other before each one; the first with a fault tells.
 */
static int all_well(const run *r) {
    const int mine = r->fault[0] ? r->rank : r->ranks;
    int first;
    MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (first == r->rank) fprintf(stderr, "mpi_calibrate: rank %d: %s\n", r->rank, r->fault);
    return first == r->ranks;
}

/* ---------------------------------------------------------------- observing */

typedef int visit(run *r, const batch *b, int tensor, const lq_tensor *x, int64_t first);

static int tensor_of(const run *r, const batch *b) {
    int i = 0;
    while (strcmp(r->names[i], b->name) != 0) ++i;
    return i;
}

/* This rank's pieces of all batches, chunk by chunk. Where they are cut matters to nothing. */
static int each_chunk(run *r, visit *look) {
    for (int i = 0; i < r->batches.count; ++i) {
        const batch *b = &r->batches.list[i];
        const int64_t share = b->elements / r->ranks, rest = b->elements % r->ranks;
        const int64_t begin = share * r->rank + rest * r->rank / r->ranks;
        const int64_t end = share * (r->rank + 1) + rest * (r->rank + 1) / r->ranks;
        for (int64_t first = begin; first < end; first += CHUNK) {
            const int64_t n = end - first < CHUNK ? end - first : CHUNK;
            const lq_tensor x = batch_values(b, first, n, r->values);
            if (look(r, b, tensor_of(r, b), &x, first)) return -1;
        }
    }
    return 0;
}

static lq_calibrator *calibrator_of(const run *r, int tensor) {
    return (lq_calibrator *)(void *)(r->states + (size_t)tensor * r->state_size);
}

static int observe(run *r, const batch *b, int tensor, const lq_tensor *x, int64_t first) {
    (void)first;
    return failed(r, b->name, lq_calibrator_observe(calibrator_of(r, tensor), x, NULL));
}

/* ------------------------------------------------------------------ merging */

/*
 * What MPI calls to add states to states; it may be on buffers of its own, of whose alignment it
 * says nothing, while calibrators need 8 bytes. So they are merged in memory of ours. MPI asks for
 * no result: what fails here ends all ranks at once.
 */
static void merge_states(void *from, void *to, int *count, MPI_Datatype *state) {
    MPI_Count bytes;
    MPI_Type_size_x(*state, &bytes); /* MPI_Type_size would say an int */
    const size_t size = (size_t)bytes;
    lq_calibrator *a = malloc(size), *b = malloc(size);
    for (int i = 0; i < *count; ++i) {
        char *sum = (char *)to + (size_t)i * size;
        lq_status status = LQ_ERROR_NULL;
        if (a && b) {
            memcpy(a, (const char *)from + (size_t)i * size, size);
            memcpy(b, sum, size);
            status = lq_calibrator_merge(b, a);
        }
        if (status) {
            fprintf(stderr, "mpi_calibrate: cannot merge: %s\n",
                    a && b ? lq_status_string(status) : "no memory");
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        memcpy(sum, b, size);
    }
    free(a);
    free(b);
}

/*
 * A calibrator is flat memory, so that ranks of one kind of machine can send it as it is. Between
 * machines of different byte orders, gather what lq_calibrator_serialize writes instead. As a type
 * of its own, it is never cut; in words of 8 bytes, an int counts up to 16 GiB.
 */
static void merge(run *r) {
    MPI_Datatype state;
    MPI_Op add;
    MPI_Type_contiguous((int)(r->state_size / 8), MPI_UINT64_T, &state);
    MPI_Type_commit(&state);
    MPI_Op_create(merge_states, 1 /* in any order */, &add);
    MPI_Allreduce(MPI_IN_PLACE, r->states, r->tensors, state, add, MPI_COMM_WORLD);
    MPI_Op_free(&add);
    MPI_Type_free(&state);
}

/* --------------------------------------------------------------- quantizing */

/* Every rank does this for itself: from equal states follow equal bits. */
static int choose(run *r) {
    const lq_scheme scheme = scheme_of_codes();
    const lq_calibration method = lq_calibration_by(r->method);
    for (int i = 0; i < r->tensors; ++i) {
        const lq_tensor s = lq_vector(&r->scales[i], LQ_F32, 1);
        const lq_tensor z = lq_vector(&r->zeros[i], LQ_S32, 1);
        const lq_status status =
            lq_calibrator_parameters(calibrator_of(r, i), &method, &scheme, &s, &z, NULL);
        if (failed(r, r->names[i], status)) return -1;
    }
    return 0;
}

/* In the file, codes stand as one process would have written them: batch after batch. */
static int write_codes(run *r, const batch *b, int64_t first, int64_t n) {
    MPI_Offset at = (MPI_Offset)first;
    if (r->codes_file == MPI_FILE_NULL) return 0;
    for (const batch *before = r->batches.list; before < b; ++before) at += before->elements;
    if (MPI_File_write_at(r->codes_file, at, r->codes, (int)n, MPI_BYTE, MPI_STATUS_IGNORE))
        return fail(r, "%s: cannot be written", r->codes_path);
    return 0;
}

static int quantize(run *r, const batch *b, int tensor, const lq_tensor *x, int64_t first) {
    const lq_scheme scheme = scheme_of_codes();
    const int64_t n = x->shape[0];
    const lq_tensor s = lq_vector(&r->scales[tensor], LQ_F32, 1);
    const lq_tensor z = lq_vector(&r->zeros[tensor], LQ_S32, 1);
    const lq_tensor q = lq_vector(r->codes, LQ_U8, n);
    lq_report report;
    lq_exec exec;
    lq_report_init(&report, sizeof report);
    lq_exec_init(&exec, sizeof exec);
    exec.report = &report;
    if (failed(r, b->name, lq_quantize(x, &scheme, &s, &z, &q, &exec))) return -1;
    r->clipped[tensor] += report.clipped;
    return write_codes(r, b, first, n);
}

/* Opening and closing files is collective too; unlike other calls of MPI, these return errors. */
static void open_codes(run *r) {
    const int mode = MPI_MODE_CREATE | MPI_MODE_WRONLY;
    r->codes_file = MPI_FILE_NULL;
    if (!r->codes_path) return;
    if (MPI_File_open(MPI_COMM_WORLD, r->codes_path, mode, MPI_INFO_NULL, &r->codes_file))
        fail(r, "%s: cannot be written", r->codes_path);
    else if (MPI_File_set_size(r->codes_file, 0))
        fail(r, "%s: cannot be emptied", r->codes_path);
}

static void close_codes(run *r) {
    if (r->codes_file == MPI_FILE_NULL) return;
    if (MPI_File_close(&r->codes_file)) fail(r, "%s: cannot be written", r->codes_path);
}

/* ---------------------------------------------------------------- reporting */

/* Serialized, a state has one form only; in memory it depends on what was merged and when. */
static int write_state(run *r, FILE *file, int tensor) {
    size_t size = 0;
    lq_status status = lq_calibrator_serialize(calibrator_of(r, tensor), NULL, 0, &size);
    unsigned char *bytes = malloc(size + 1);
    if (!status && !bytes) return fail(r, "no memory");
    if (!status) status = lq_calibrator_serialize(calibrator_of(r, tensor), bytes, size, &size);
    const int written = !status && fwrite(bytes, 1, size, file) == size;
    free(bytes);
    if (failed(r, r->names[tensor], status)) return -1;
    return written ? 0 : fail(r, "%s: cannot be written", r->state_path);
}

static int write_states(run *r) {
    FILE *file = fopen(r->state_path, "wb");
    int wrong = 0;
    if (!file) return fail(r, "%s: cannot be opened", r->state_path);
    for (int i = 0; i < r->tensors && !wrong; ++i) wrong = write_state(r, file, i);
    if (fclose(file) && !wrong) wrong = fail(r, "%s: cannot be written", r->state_path);
    return wrong;
}

static int show(run *r) {
    printf("%-32s %12s %12s %12s %12s %5s %10s\n", "tensor", "values", "min", "max", "scale",
           "zero", "clipped");
    for (int i = 0; i < r->tensors; ++i) {
        char name[TF_SHOWN_SIZE];
        lq_summary summary;
        lq_summary_init(&summary, sizeof summary);
        if (failed(r, r->names[i], lq_calibrator_summarize(calibrator_of(r, i), 0, &summary)))
            return -1;
        printf("%-32s %12" PRId64 " %12.6g %12.6g %12.6g %5" PRId32 " %10" PRId64 "\n",
               tf_printable(r->names[i], 32, name), summary.count, (double)summary.min,
               (double)summary.max, (double)r->scales[i], r->zeros[i], r->clipped[i]);
    }
    if (fflush(stdout) || ferror(stdout)) return fail(r, "standard output cannot be written");
    return r->state_path ? write_states(r) : 0;
}

/* ---------------------------------------------------------------------- run */

/* All ranks have the same arguments. What remains of them are paths. */
static int read_options(run *r, int *argc, char **argv) {
    int paths = 1;
    r->method = LQ_METHOD_MSE;
    for (int i = 1; i < *argc; ++i) {
        const char *option = argv[i];
        if (option[0] != '-') {
            argv[paths++] = argv[i];
            continue;
        }
        if (++i == *argc) return fail(r, "%s needs a value\n%s", option, usage);
        if (strcmp(option, "--method") == 0) {
            r->method = lq_method_from_name(argv[i]);
            if (r->method < 0) return fail(r, "there is no method '%s'", argv[i]);
        } else if (strcmp(option, "--state") == 0) {
            r->state_path = argv[i];
        } else if (strcmp(option, "--codes") == 0) {
            r->codes_path = argv[i];
        } else {
            return fail(r, "there is no option %s\n%s", option, usage);
        }
    }
    *argc = paths;
    return 0;
}

static int start_calibrators(run *r) {
    const lq_calibrator_options options = lq_calibrate_per_tensor();
    size_t size = 0;
    if (failed(r, "calibrator", lq_calibrator_size(&options, &size))) return -1;
    r->state_size = (size + 7) / 8 * 8;
    if (r->state_size / 8 > INT_MAX) return fail(r, "a calibrator is too large for one datatype");
    r->states = calloc((size_t)r->tensors, r->state_size);
    if (!r->states) return fail(r, "no memory for %d calibrators", r->tensors);
    for (int i = 0; i < r->tensors; ++i) {
        const lq_status status = lq_calibrator_init(calibrator_of(r, i), r->state_size, &options);
        if (failed(r, r->names[i], status)) return -1;
    }
    return 0;
}

/* The tensors are the names of the batches, in the order in which these are met. */
static int prepare(run *r, int argc, char **argv) {
    if (read_options(r, &argc, argv)) return -1;
    if (batches_open(&r->batches, argv + 1, argc - 1, r->fault, sizeof r->fault)) return -1;
    const size_t most = (size_t)r->batches.count;
    r->names = calloc(most, sizeof *r->names);
    r->scales = calloc(most, sizeof *r->scales);
    r->zeros = calloc(most, sizeof *r->zeros);
    r->clipped = calloc(most, sizeof *r->clipped);
    r->values = malloc(CHUNK * sizeof *r->values);
    r->codes = malloc(CHUNK);
    if (!r->names || !r->scales || !r->zeros || !r->clipped || !r->values || !r->codes)
        return fail(r, "no memory");
    for (int i = 0; i < r->batches.count; ++i) {
        r->names[r->tensors] = r->batches.list[i].name; /* found last if no other has it */
        if (tensor_of(r, &r->batches.list[i]) == r->tensors) ++r->tensors;
    }
    return start_calibrators(r);
}

/* Faults are kept until all ranks have come to the next question whether all are well. */
static int calibrate(run *r, int argc, char **argv) {
    if (!prepare(r, argc, argv)) each_chunk(r, observe);
    if (!all_well(r)) return 0;
    merge(r);
    choose(r);
    if (!all_well(r)) return 0;
    open_codes(r);
    if (!all_well(r)) return 0;
    each_chunk(r, quantize);
    close_codes(r);
    if (!all_well(r)) return 0;
    MPI_Allreduce(MPI_IN_PLACE, r->clipped, r->tensors, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    if (r->rank == 0) show(r);
    return all_well(r);
}

int main(int argc, char **argv) {
    run r = {0};
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &r.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &r.ranks);
    const int well = calibrate(&r, argc, argv);
    batches_close(&r.batches);
    free(r.names), free(r.states), free(r.scales), free(r.zeros), free(r.clipped);
    free(r.values), free(r.codes);
    MPI_Finalize();
    return well ? 0 : 1;
}
