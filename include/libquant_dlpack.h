/*
 * libquant and DLPack: a view of either as one of the other, without a copy.
 *
 * Optional, and inline throughout: it is compiled into the program that includes it, against that
 * program's own <dlpack/dlpack.h>, of version 0.6 or later.
 * Source: the DLPack specification, 0.6 to 1.1.
 *
 *   DLTensor        lq_tensor       from DLPack                        to DLPack
 *   data            data            + byte_offset, and where strides   + offset: the first element
 *                                   are negative, less what lies
 *                                   before the first element
 *   byte_offset     data            added to it                        0
 *   device                          kDLCPU, and host memory that is    kDLCPU, 0
 *                                   pinned (kDLCUDAHost, kDLROCMHost)
 *   ndim            rank            0 to LQ_MAX_RANK                   the same
 *   dtype           type            below; lanes are 1                 the same
 *   shape           shape           copied                             points into the lq_tensor
 *   strides         stride          copied, elements in both; NULL is  points into the lq_tensor
 *                                   row-major
 *                   offset          elements before the first one,     0 then
 *                                   where strides are negative
 *                   size            all bytes that elements reach      must hold them
 *
 *   dtype.code                      bits                lq_type
 *   kDLFloat                        16, 32, 64          F16, F32, F64
 *   kDLBfloat                       16                  BF16
 *   kDLInt                          2, 4, 8, 16, 32     S2, S4, S8, S16, S32
 *   kDLUInt                         2, 4, 8, 16         U2, U4, U8, U16
 *   kDLFloat8_e4m3fn, _e5m2         8                   E4M3, E5M2
 *   kDLFloat8_e4m3fnuz, _e5m2fnuz   8                   E4M3FNUZ, E5M2FNUZ
 *   kDLFloat8_e8m0fnu               8                   E8M0
 *   kDLFloat6_e2m3fn, _e3m2fn       6                   E2M3, E3M2
 *   kDLFloat4_e2m1fn                4                   E2M1
 *
 * The last five rows need the names of DLPack 1.1. Elements of less than a byte are packed in both,
 * the first in the low bits. No dimension counts lanes: a caller who knows that two lanes of 4 bits
 * are two elements sets lanes to 1, and doubles the last dimension and all strides but its own.
 *
 * Ownership stays as it was: a view owns nothing. Who imports calls the producer's deleter when no
 * view of the memory is in use any more; who exports keeps the lq_tensor and the memory until the
 * consumer calls the deleter of the DLManagedTensor that the DLTensor stands in.
 *
 * Threads: every function may be called from any thread, as long as nobody writes its arguments.
 * Statuses are those of libquant.h; where one is not LQ_OK, nothing was written.
 */
#ifndef LIBQUANT_DLPACK_H
#define LIBQUANT_DLPACK_H

#include <dlpack/dlpack.h>

#include "libquant.h"

/* 1 where the consumer's header has DLManagedTensorVersioned (DLPack 1.0 on). */
#if defined(DLPACK_MAJOR_VERSION) && DLPACK_MAJOR_VERSION >= 1
#define LQ_DLPACK_VERSIONED 1
#else
#define LQ_DLPACK_VERSIONED 0
#endif

/* 1 where it has names for floats of 8, 6 and 4 bits (DLPack 1.1 on). */
#if LQ_DLPACK_VERSIONED && (DLPACK_MAJOR_VERSION > 1 || DLPACK_MINOR_VERSION >= 1)
#define LQ_DLPACK_SMALL_FLOATS 1
#else
#define LQ_DLPACK_SMALL_FLOATS 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A row of the second table above. */
typedef struct lq_dlpack_row {
    lq_type type; /* its low byte is dtype.bits */
    uint8_t code; /* dtype.code */
} lq_dlpack_row;

/* The second table above; the last row has type 0. */
static inline const lq_dlpack_row *lq_dlpack_rows(void) {
    static const lq_dlpack_row rows[] = {
        {LQ_F32, kDLFloat},
        {LQ_F16, kDLFloat},
        {LQ_F64, kDLFloat},
        {LQ_BF16, kDLBfloat},
        {LQ_S2, kDLInt},
        {LQ_S4, kDLInt},
        {LQ_S8, kDLInt},
        {LQ_S16, kDLInt},
        {LQ_S32, kDLInt},
        {LQ_U2, kDLUInt},
        {LQ_U4, kDLUInt},
        {LQ_U8, kDLUInt},
        {LQ_U16, kDLUInt},
#if LQ_DLPACK_SMALL_FLOATS
        {LQ_E4M3, kDLFloat8_e4m3fn},
        {LQ_E5M2, kDLFloat8_e5m2},
        {LQ_E4M3FNUZ, kDLFloat8_e4m3fnuz},
        {LQ_E5M2FNUZ, kDLFloat8_e5m2fnuz},
        {LQ_E8M0, kDLFloat8_e8m0fnu},
        {LQ_E2M3, kDLFloat6_e2m3fn},
        {LQ_E3M2, kDLFloat6_e3m2fn},
        {LQ_E2M1, kDLFloat4_e2m1fn},
#endif
        {0, 0},
    };
    return rows;
}

/* No element, counted from the first one, may be farther away: its bits are an int64_t then. */
#define LQ_DLPACK_FARTHEST (INT64_MAX / 256)

/*
 * The elements that a view without a dimension of 0 reaches, counted from the first one:
 * low <= 0 <= high. Statuses: OVERFLOW.
 */
static inline lq_status lq_dlpack_reach(int32_t rank, const int64_t *shape, const int64_t *stride,
                                        int64_t *low, int64_t *high) {
    int32_t i;
    *low = *high = 0;
    for (i = 0; i < rank; ++i) {
        const int64_t steps = shape[i] - 1;
        if (steps <= 0) continue;
        if (stride[i] > LQ_DLPACK_FARTHEST / steps || stride[i] < -(LQ_DLPACK_FARTHEST / steps))
            return LQ_ERROR_OVERFLOW;
        *(stride[i] < 0 ? low : high) += steps * stride[i];
        if (*low < -LQ_DLPACK_FARTHEST || *high > LQ_DLPACK_FARTHEST) return LQ_ERROR_OVERFLOW;
    }
    return LQ_OK;
}

/*
 * tensor = a view of the elements of `from`, as the tables above say: of the same bytes, in the
 * same order. A tensor without elements becomes a contiguous view of its shape.
 *
 * `from` does not say how much memory there is: the view's size is what its shape and strides
 * reach, and the caller vouches for that, as for `data`.
 *
 * Statuses: NULL (an argument; a shape where there are dimensions; data where there are elements),
 * ENUM (a device whose memory is not the host's), TYPE (no such type here; lanes other than 1),
 * RANK, SHAPE (a negative dimension), OVERFLOW (elements or bytes beyond int64_t or the address
 * space), STRIDE (a negative stride of elements below 8 bits: the first of them may begin within a
 * byte).
 */
static inline lq_status lq_tensor_from_dlpack(const DLTensor *from, lq_tensor *tensor) {
    const lq_dlpack_row *row = lq_dlpack_rows();
    lq_tensor t;
    int64_t low, high, bits;
    uint64_t room, before;
    int32_t i;
    if (!from || !tensor) return LQ_ERROR_NULL;
    if (from->device.device_type != kDLCPU && from->device.device_type != kDLCUDAHost &&
        from->device.device_type != kDLROCMHost)
        return LQ_ERROR_ENUM;
    while (row->type && !(row->code == from->dtype.code && (row->type & 0xff) == from->dtype.bits))
        ++row;
    if (!row->type || from->dtype.lanes != 1) return LQ_ERROR_TYPE;
    if (from->ndim < 0 || from->ndim > LQ_MAX_RANK) return LQ_ERROR_RANK;
    if (from->ndim > 0 && !from->shape) return LQ_ERROR_NULL;
    for (i = 0; i < from->ndim; ++i)
        if (from->shape[i] < 0) return LQ_ERROR_SHAPE;

    t = lq_contiguous(from->data, row->type, from->ndim, from->shape);
    if (t.size < 0) return LQ_ERROR_OVERFLOW;
    if (t.size == 0) {
        *tensor = t;
        return LQ_OK;
    }
    if (!from->data) return LQ_ERROR_NULL;
    for (i = 0; from->strides && i < from->ndim; ++i) t.stride[i] = from->strides[i];
    if (lq_dlpack_reach(t.rank, t.shape, t.stride, &low, &high) != LQ_OK) return LQ_ERROR_OVERFLOW;
    bits = row->type & 0xff;
    if (low < 0 && bits < 8) return LQ_ERROR_STRIDE;

    /* From the lowest element to the end of the highest one, all lies in the address space. */
    room = UINTPTR_MAX - (uintptr_t)from->data;
    before = (uint64_t)(-low * bits / 8);
    t.size = ((high - low + 1) * bits + 7) / 8;
    if (from->byte_offset > room || before > (uintptr_t)from->data + from->byte_offset ||
        (uint64_t)t.size > room - from->byte_offset + before)
        return LQ_ERROR_OVERFLOW;
    /* In integers: an offset may be larger than any array. */
    t.data = (void *)((uintptr_t)from->data + (uintptr_t)from->byte_offset - (uintptr_t)before);
    t.offset = -low;
    *tensor = t;
    return LQ_OK;
}

/*
 * to = the elements of `tensor`, as the tables above say. `data` points to the first of them, since
 * many a consumer passes over byte_offset; without elements it is NULL. Shape and strides stay
 * those of `tensor`, which is therefore not const and must live as long as `to`.
 *
 * Statuses: NULL (an argument; data where there are elements), TYPE (unknown, or without a name in
 * the header that was included), RANK, SHAPE, OVERFLOW (an overflowed shape, too), SIZE (an element
 * outside the view's memory), INEXACT (the first element begins within a byte).
 */
static inline lq_status lq_tensor_to_dlpack(lq_tensor *tensor, DLTensor *to) {
    const lq_dlpack_row *row = lq_dlpack_rows();
    int64_t low, high, bits;
    int32_t i, empty = 0;
    if (!tensor || !to) return LQ_ERROR_NULL;
    while (row->type && row->type != tensor->type) ++row;
    if (!row->type) return LQ_ERROR_TYPE;
    if (tensor->rank < 0 || tensor->rank > LQ_MAX_RANK) return LQ_ERROR_RANK;
    for (i = 0; i < tensor->rank; ++i) {
        if (tensor->shape[i] < 0) return LQ_ERROR_SHAPE;
        if (tensor->shape[i] == 0) empty = 1;
    }
    if (tensor->size < 0) return LQ_ERROR_OVERFLOW;
    bits = row->type & 0xff;
    if (!empty) {
        if (!tensor->data) return LQ_ERROR_NULL;
        if (lq_dlpack_reach(tensor->rank, tensor->shape, tensor->stride, &low, &high) != LQ_OK)
            return LQ_ERROR_OVERFLOW;
        if (tensor->offset < -low || tensor->offset > LQ_DLPACK_FARTHEST ||
            ((tensor->offset + high + 1) * bits + 7) / 8 > tensor->size)
            return LQ_ERROR_SIZE;
        if (tensor->offset * bits % 8 != 0) return LQ_ERROR_INEXACT;
    }

    to->data = empty ? NULL : (char *)tensor->data + tensor->offset * bits / 8;
    to->device.device_type = kDLCPU;
    to->device.device_id = 0;
    to->ndim = tensor->rank;
    to->dtype.code = row->code;
    to->dtype.bits = (uint8_t)bits;
    to->dtype.lanes = 1;
    to->shape = tensor->shape;
    to->strides = tensor->stride;
    to->byte_offset = 0;
    return LQ_OK;
}

#if LQ_DLPACK_VERSIONED
/*
 * lq_tensor_from_dlpack of a managed tensor with a version. `for_writing` is 1 where the view will
 * be an output, else 0.
 *
 * Statuses: those of lq_tensor_from_dlpack; VERSION (another major version: nothing but the deleter
 * may be used), ENUM (the tensor is read-only and for_writing is 1), TYPE (elements below 8 bits
 * that are padded to a byte each).
 */
static inline lq_status lq_tensor_from_dlpack_versioned(const struct DLManagedTensorVersioned *from,
                                                        int32_t for_writing, lq_tensor *tensor) {
    const uint64_t read_only = 1, padded = 4; /* bits of `flags`; the latter since 1.1 */
    if (!from) return LQ_ERROR_NULL;
    if (from->version.major != DLPACK_MAJOR_VERSION) return LQ_ERROR_VERSION;
    if ((from->flags & read_only) && for_writing) return LQ_ERROR_ENUM;
    if ((from->flags & padded) && from->dl_tensor.dtype.bits < 8) return LQ_ERROR_TYPE;
    return lq_tensor_from_dlpack(&from->dl_tensor, tensor);
}
#endif

#ifdef __cplusplus
}
#endif

#endif
