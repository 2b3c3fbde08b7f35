/* Views of DLPack as views of libquant, and back: the same elements, within the memory claimed. */
#include <dlpack/dlpack.h>
#include <stdint.h>
#include <string.h>

#include "libquant_dlpack.h"
#include "memory.h"
#include "schemes.h"
#include "target.h"

/* Where the first element begins, in bits from address 0. */
static unsigned __int128 first_bit(const lq_tensor *t) {
    const __int128 bits = (__int128)t->offset * (t->type & 0xff);
    return (unsigned __int128)(uintptr_t)t->data * 8 + (unsigned __int128)bits;
}

/* A view of what was claimed, that the library takes for one too. */
static void check_view(const lq_tensor *t) {
    __int128 low = t->offset, high = t->offset;
    int empty = 0;
    if (t->rank < 0 || t->rank > LQ_MAX_RANK || !lq_type_name(t->type)) fault("no tensor");
    for (int32_t i = 0; i < t->rank; ++i) {
        const __int128 reach = (__int128)(t->shape[i] - 1) * t->stride[i];
        empty |= t->shape[i] == 0;
        if (t->shape[i] < 0) fault("a negative dimension");
        *(reach < 0 ? &low : &high) += reach;
    }
    if (empty) return;
    if (low < 0 || (high + 1) * (t->type & 0xff) > (__int128)t->size * 8)
        fault("elements outside the view");
    if (t->size < 0 || (uint64_t)t->size > UINTPTR_MAX - (uintptr_t)t->data)
        fault("a view beyond the address space");
}

static void check_same(const lq_tensor *a, const lq_tensor *b) {
    int empty = 0;
    if (a->type != b->type || a->rank != b->rank) fault("another tensor");
    for (int32_t i = 0; i < a->rank; ++i) {
        if (a->shape[i] != b->shape[i]) fault("another shape");
        empty |= a->shape[i] == 0;
    }
    if (empty) return;
    if (memcmp(a->stride, b->stride, (size_t)a->rank * sizeof *a->stride) != 0)
        fault("other strides");
    if (first_bit(a) != first_bit(b)) fault("another first element");
}

static void from_dlpack(const DLTensor *d, lq_tensor *t) {
    lq_tensor before, again;
    DLTensor back;
    memset(t, 0x5a, sizeof *t);
    before = *t;
    if (lq_tensor_from_dlpack(d, t) != LQ_OK) {
        if (memcmp(&before, t, sizeof *t) != 0) fault("refused, and written");
        return;
    }
    check_view(t);
    if (lq_tensor_to_dlpack(t, &back) != LQ_OK) fault("there is no way back");
    if (lq_tensor_from_dlpack(&back, &again) != LQ_OK) fault("there is no way there again");
    check_view(&again);
    check_same(t, &again);
}

static void to_dlpack(choices *in, int32_t rank, const int64_t *shape, const int64_t *stride) {
    lq_tensor t =
        lq_contiguous((void *)(uintptr_t)choice_bits(in, 8), choose_type(in), rank, shape);
    lq_tensor again;
    DLTensor d, before;
    if (choice_rarely(in, 2)) memcpy(t.stride, stride, sizeof t.stride);
    if (choice_rarely(in, 2)) t.offset = choice_any(in);
    if (choice_rarely(in, 2)) t.size = choice_any(in);
    if (choice_rarely(in, 16)) t.rank = (int32_t)choice_any(in);
    /* There is no such memory. */
    if (t.size > 0 && (uint64_t)t.size > UINTPTR_MAX - (uintptr_t)t.data) return;
    memset(&d, 0x5a, sizeof d);
    before = d;
    if (lq_tensor_to_dlpack(&t, &d) != LQ_OK) {
        if (memcmp(&before, &d, sizeof d) != 0) fault("refused, and written");
        return;
    }
    /* Some have strides or an end that no view from outside may have. */
    if (lq_tensor_from_dlpack(&d, &again) != LQ_OK) return;
    check_view(&again);
    check_same(&t, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    choices in = {data, data + size};
    int64_t shape[LQ_MAX_RANK + 2] = {0}, stride[LQ_MAX_RANK + 2];
    const int32_t rank = choose_shape(&in, shape);
    lq_tensor t;
    DLTensor d = {.device = {kDLCPU, 0}, .ndim = rank, .shape = shape};
    for (int i = 0; i < LQ_MAX_RANK + 2; ++i) {
        stride[i] = choice_rarely(&in, 4) ? choice_any(&in) : choice_in(&in, -9, 9);
        if (choice_rarely(&in, 24)) shape[i] = choice_any(&in);
    }
    to_dlpack(&in, rank, shape, stride);
    d.data = (void *)(uintptr_t)choice_bits(&in, 8);
    d.byte_offset = choice_rarely(&in, 2) ? choice_bits(&in, 8) : 0;
    d.dtype.code = (uint8_t)choice_in(&in, 0, 20);
    d.dtype.bits = (uint8_t)(choice_rarely(&in, 8) ? choice_bits(&in, 1)
                                                   : (uint64_t)2 << choice_in(&in, 0, 5));
    d.dtype.lanes = (uint16_t)(1 + choice_rarely(&in, 24));
    if (choice_rarely(&in, 2)) d.strides = stride;
    if (choice_rarely(&in, 24)) d.device.device_type = (DLDeviceType)choice_in(&in, 0, 20);
    if (choice_rarely(&in, 24)) d.ndim = (int32_t)choice_in(&in, -1, LQ_MAX_RANK + 2);
    if (choice_rarely(&in, 40)) d.shape = NULL;
    from_dlpack(&d, &t);
    return 0;
}
