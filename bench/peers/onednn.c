/* oneDNN's reorders, made before they are timed. */
#define _GNU_SOURCE
#include "peer.h"
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct made {
    dnnl_primitive_t reorder;
    dnnl_stream_t stream;
    dnnl_memory_t from, to;
} made;

static dnnl_engine_t engine;

/* Its threads are OpenMP's, one for each processor unless told otherwise. */
static void use_threads(int threads) {
    void (*set)(int);
    void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (!symbol) return;
    memcpy(&set, &symbol, sizeof set);
    set(threads);
}

/* Half precision is left out: its reorder is a plain loop of 30 ns an element. */
static dnnl_data_type_t type_of(lq_type type) {
    switch (type) {
    case LQ_F32: return dnnl_f32;
    case LQ_BF16: return dnnl_bf16;
    case LQ_S32: return dnnl_s32;
    case LQ_S8: return dnnl_s8;
    case LQ_U8: return dnnl_u8;
    default: return dnnl_data_type_undef;
    }
}

/* What is multiplied with; of quantization that is 1 / s. */
static dnnl_status_t set_factors(dnnl_primitive_attr_t attributes, const peer_job *j) {
    float *factors = malloc((size_t)j->rows * sizeof *factors);
    const int32_t zero = j->zero_point;
    const int side = j->operation == PEER_DEQUANTIZE ? DNNL_ARG_SRC : DNNL_ARG_DST;
    if (!factors) return dnnl_out_of_memory;
    for (int64_t i = 0; i < j->rows; ++i) {
        factors[i] = j->operation == PEER_QUANTIZE ? 1 / j->scale[i] : j->scale[i];
    }
    dnnl_status_t status =
        dnnl_primitive_attr_set_output_scales(attributes, j->rows, j->rows > 1, factors);
    free(factors);
    if (status || !zero) return status;
    return dnnl_primitive_attr_set_zero_points(attributes, side, 1, 0, &zero);
}

static dnnl_status_t make_reorder(const peer_job *j, made *m) {
    const dnnl_dims_t dims = {j->rows, j->elements / j->rows};
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t reorder;
    dnnl_memory_desc_t from, to;
    dnnl_status_t status = engine ? dnnl_success : dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (status || (status = dnnl_primitive_attr_create(&attributes))) return status;
    if (j->scale) status = set_factors(attributes, j);
    if (!status) status = dnnl_memory_desc_init_by_tag(&from, 2, dims, type_of(j->from), dnnl_ab);
    if (!status) status = dnnl_memory_desc_init_by_tag(&to, 2, dims, type_of(j->to), dnnl_ab);
    if (!status) {
        status =
            dnnl_reorder_primitive_desc_create(&reorder, &from, engine, &to, engine, attributes);
    }
    dnnl_primitive_attr_destroy(attributes);
    if (status) return status;
    status = dnnl_primitive_create(&m->reorder, reorder);
    dnnl_primitive_desc_destroy(reorder);
    if (!status) status = dnnl_stream_create(&m->stream, engine, dnnl_stream_default_flags);
    if (!status) status = dnnl_memory_create(&m->from, &from, engine, (void *)(uintptr_t)j->in);
    if (!status) status = dnnl_memory_create(&m->to, &to, engine, j->out);
    return status;
}

static void end(void *context) {
    made *m = context;
    if (m->reorder) dnnl_primitive_destroy(m->reorder);
    if (m->stream) dnnl_stream_destroy(m->stream);
    if (m->from) dnnl_memory_destroy(m->from);
    if (m->to) dnnl_memory_destroy(m->to);
    free(m);
}

static bool has(const peer_job *j) {
    switch (j->operation) {
    case PEER_QUANTIZE:
    case PEER_DEQUANTIZE:
    case PEER_REQUANTIZE:
    case PEER_CONVERT: return type_of(j->from) && type_of(j->to);
    default: return false;
    }
}

static void *make(const peer_job *j) {
    made *m = has(j) ? calloc(1, sizeof *m) : NULL;
    if (!m) return NULL;
    use_threads(j->threads);
    if (!make_reorder(j, m)) return m;
    end(m);
    return NULL;
}

static void run(void *context) {
    const made *m = context;
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, m->from}, {DNNL_ARG_TO, m->to}};
    if (dnnl_primitive_execute(m->reorder, m->stream, 2, arguments)) abort();
    if (dnnl_stream_wait(m->stream)) abort();
}

static int rule(peer_operation operation) {
    return operation == PEER_QUANTIZE ? PEER_RULE_INSIDE : PEER_RULE_OWN;
}

static const char *words(peer_operation operation) {
    switch (operation) {
    case PEER_QUANTIZE: return "rne(x * factor + z); NaN as it comes";
    case PEER_DEQUANTIZE: return "(q - z) * s";
    case PEER_REQUANTIZE: return "rne(acc * m)";
    default: return "to nearest even";
    }
}

const peer peer_onednn = {"onednn", make, run, end, rule, words};
