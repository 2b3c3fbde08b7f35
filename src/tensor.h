/* Views: whether one is sound, which bytes it touches, and whether two touch the same ones. */
#ifndef LQ_TENSOR_H
#define LQ_TENSOR_H

#include "types.h"
#include <stddef.h>

/* The bytes from a view's first element in memory to its last; empty where there are none. */
typedef struct lq_span {
    uintptr_t begin, end;
    const lq_type_info *type;
    int64_t elements;
    bool dense; /* the view is row-major and without gaps */
} lq_span;

/* Any view: all that may be wrong with one has its status. */
lq_status lq_check_view(const lq_tensor *t, bool output, lq_span *span);

/* Whether a view is sound and, as most are, dense and neither empty nor beyond all memory. */
static inline bool lq_is_sound_and_dense(const lq_tensor *t, lq_span *span) {
    enum { HUGE_BITS = 55 }; /* of numbers of elements: times any width that is no overflow */
    const lq_type_info *type = lq_type_find(t->type);
    const uintptr_t base = (uintptr_t)t->data;
    int64_t n = 1;
    if (!type || (uint32_t)t->rank > LQ_MAX_RANK) return false;
    for (int i = t->rank - 1; i >= 0; --i) {
        const int64_t dim = t->shape[i];
        if (dim == 1) continue;
        if (dim <= 0 || t->stride[i] != n || __builtin_mul_overflow(n, dim, &n)) return false;
    }
    const uint64_t first = (uint64_t)t->offset;
    const uint64_t width = (uint64_t)t->type & 0xff;
    if ((first | (uint64_t)n) >> HUGE_BITS) return false;
    const uint64_t end = ((first + (uint64_t)n) * width + 7) / 8;
    if ((int64_t)end > t->size || !base || (uint64_t)t->size > UINTPTR_MAX - base) return false;
    span->begin = base + (uintptr_t)(first * width / 8);
    span->end = base + (uintptr_t)end;
    span->type = type;
    span->elements = n;
    span->dense = true;
    return true;
}

/* An output must also give every element memory of its own. */
static inline lq_status lq_check_tensor(const lq_tensor *t, bool output, lq_span *span) {
    if (LQ_RARELY(!lq_is_sound_and_dense(t, span))) return lq_check_view(t, output, span);
    return LQ_OK;
}

/* Of a checked view. */
int64_t lq_elements(const lq_tensor *t);
/* Where the element of a row-major index stands, counted from data. */
int64_t lq_element_at(const lq_tensor *t, int64_t index);

static inline bool lq_same_shape(const lq_tensor *a, const lq_tensor *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; ++i) {
        if (a->shape[i] != b->shape[i]) return false;
    }
    return true;
}

static inline bool lq_spans_meet(lq_span a, lq_span b) {
    return a.begin < b.end && b.begin < a.end;
}

typedef enum { LQ_IN_PLACE_NO, LQ_IN_PLACE_EQUAL, LQ_IN_PLACE_NARROWER } lq_in_place;

/* How `out` may stand in the memory of `in`, element upon element or in front of the reading. */
lq_in_place lq_may_replace(const lq_tensor *in, const lq_tensor *out);

/* Whether two views with meeting spans interleave as records without sharing a byte. */
bool lq_interleaved(const lq_tensor *a, const lq_tensor *b);

/* Zeroes the bits behind the last element of a dense sub-byte view, in its last byte. */
void lq_clear_tail(const lq_tensor *t);

/* Checks the size that a caller's struct begins with, and that fields this version lacks are 0. */
lq_status lq_check_struct(const void *object, size_t size, size_t known);

/*
 * The same of a struct that has grown since it had `first` bytes, which an older caller's still has.
 * What that one lacks counts as 0.
 */
lq_status lq_check_grown(const void *object, size_t size, size_t first, size_t known);

/* The same; then the struct, or in `whole` what there is of one that lacks fields. */
const void *lq_whole_of(const void *object, size_t size, size_t first, void *whole, size_t known,
                        lq_status *status);

/* Where a field of a struct ends; and whether a caller's struct reaches as far. */
#define LQ_END(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))
#define LQ_HAS(object, type, field) ((object)->struct_size >= LQ_END(type, field))

/*
 * Zeroes a caller's struct, of which a newer caller may know more fields than this version, but for
 * the size that it begins with. And one that has grown since it had `first` bytes.
 */
lq_status lq_init_struct(void *object, size_t size, size_t known);
lq_status lq_init_grown(void *object, size_t size, size_t first, size_t known);

#endif
