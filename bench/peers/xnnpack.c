/*
 * XNNPACK's operators, made and set up before they are timed: a run takes no pointer and checks
 * nothing.
 */
#include "peer.h"
#include <stdlib.h>
#include <xnnpack.h>

typedef struct made {
    xnn_operator_t operator;
    pthreadpool_t pool; /* NULL: the calling thread */
} made;

static enum xnn_status make_quantize(const peer_job *j, made *m) {
    const size_t n = (size_t)j->elements;
    enum xnn_status status;
    if (j->to == LQ_S8) {
        status = xnn_create_convert_nc_f32_qs8(n, n, n, *j->scale, (int8_t)j->zero_point, INT8_MIN,
                                               INT8_MAX, 0, &m->operator);
        if (status) return status;
        return xnn_setup_convert_nc_f32_qs8(m->operator, 1, j->in, j->out, m->pool);
    }
    if (j->to != LQ_U8) return xnn_status_unsupported_parameter;
    status = xnn_create_convert_nc_f32_qu8(n, n, n, *j->scale, (uint8_t)j->zero_point, 0, UINT8_MAX,
                                           0, &m->operator);
    if (status) return status;
    return xnn_setup_convert_nc_f32_qu8(m->operator, 1, j->in, j->out, m->pool);
}

static enum xnn_status make_dequantize(const peer_job *j, made *m) {
    const size_t n = (size_t)j->elements;
    enum xnn_status status;
    if (j->from == LQ_S8) {
        status = xnn_create_convert_nc_qs8_f32(n, n, n, *j->scale, (int8_t)j->zero_point, 0,
                                               &m->operator);
        if (status) return status;
        return xnn_setup_convert_nc_qs8_f32(m->operator, 1, j->in, j->out, m->pool);
    }
    if (j->from != LQ_U8) return xnn_status_unsupported_parameter;
    status =
        xnn_create_convert_nc_qu8_f32(n, n, n, *j->scale, (uint8_t)j->zero_point, 0, &m->operator);
    if (status) return status;
    return xnn_setup_convert_nc_qu8_f32(m->operator, 1, j->in, j->out, m->pool);
}

static enum xnn_status make_convert(const peer_job *j, made *m) {
    const size_t n = (size_t)j->elements;
    enum xnn_status status = xnn_status_unsupported_parameter;
    if (j->from == LQ_F32 && j->to == LQ_F16) {
        status = xnn_create_convert_nc_f32_f16(n, n, n, 0, &m->operator);
        if (status) return status;
        return xnn_setup_convert_nc_f32_f16(m->operator, 1, j->in, j->out, m->pool);
    }
    if (j->from == LQ_F16 && j->to == LQ_F32) {
        status = xnn_create_convert_nc_f16_f32(n, n, n, 0, &m->operator);
        if (status) return status;
        return xnn_setup_convert_nc_f16_f32(m->operator, 1, j->in, j->out, m->pool);
    }
    return status;
}

static enum xnn_status make_operator(const peer_job *j, made *m) {
    if (j->rows > 1) return xnn_status_unsupported_parameter;
    switch (j->operation) {
    case PEER_QUANTIZE: return make_quantize(j, m);
    case PEER_DEQUANTIZE: return make_dequantize(j, m);
    case PEER_CONVERT: return make_convert(j, m);
    default: return xnn_status_unsupported_parameter;
    }
}

static void end(void *context) {
    made *m = context;
    if (m->operator) xnn_delete_operator(m->operator);
    if (m->pool) pthreadpool_destroy(m->pool);
    free(m);
}

static void *make(const peer_job *j) {
    made *m = xnn_initialize(NULL) ? NULL : calloc(1, sizeof *m);
    if (!m) return NULL;
    m->pool = j->threads > 1 ? pthreadpool_create((size_t)j->threads) : NULL;
    if (!make_operator(j, m)) return m;
    end(m);
    return NULL;
}

static void run(void *context) {
    const made *m = context;
    if (xnn_run_operator(m->operator, m->pool)) abort();
}

static int rule(peer_operation operation) {
    return operation == PEER_QUANTIZE ? PEER_RULE_XNNPACK : PEER_RULE_OWN;
}

static const char *words(peer_operation operation) {
    switch (operation) {
    case PEER_QUANTIZE: return "rne(x * (1 / s)) + z; NaN as it comes";
    case PEER_DEQUANTIZE: return "(q - z) * s";
    default: return "to nearest even";
    }
}

const peer peer_xnnpack = {"xnnpack", make, run, end, rule, words};
