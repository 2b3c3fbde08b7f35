#include "tensor.h"
#include <string.h>

static bool multiply(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static bool add(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

static int64_t magnitude(int64_t v) {
    return v < 0 ? -v : v;
}

static int64_t element_bits(const lq_tensor *t) {
    return t->type & 0xff;
}

/* No version of a struct comes near this; a larger size is garbage. */
enum { MOST_STRUCT = 4096 };

/* Of a version from the first on. Smaller than the one known here it must end between two fields. */
static bool is_size(size_t size, size_t first, size_t known) {
    if (size >= known) return size <= MOST_STRUCT;
    return size >= first && size % sizeof(size_t) == 0;
}

lq_status lq_init_grown(void *object, size_t size, size_t first, size_t known) {
    if (!object) return LQ_ERROR_NULL;
    if (!is_size(size, first, known)) return LQ_ERROR_STRUCT;
    memset(object, 0, size);
    memcpy(object, &size, sizeof size);
    return LQ_OK;
}

lq_status lq_init_struct(void *object, size_t size, size_t known) {
    return lq_init_grown(object, size, known, known);
}

lq_status lq_check_struct(const void *object, size_t size, size_t known) {
    if (size == known) return LQ_OK;
    if (!is_size(size, known, known)) return LQ_ERROR_STRUCT;
    const unsigned char *tail = (const unsigned char *)object + known;
    for (size_t i = 0; i < size - known; ++i) {
        if (tail[i]) return LQ_ERROR_STRUCT;
    }
    return LQ_OK;
}

lq_status lq_check_grown(const void *object, size_t size, size_t first, size_t known) {
    if (size >= known) return lq_check_struct(object, size, known);
    return is_size(size, first, known) ? LQ_OK : LQ_ERROR_STRUCT;
}

const void *lq_whole_of(const void *object, size_t size, size_t first, void *whole, size_t known,
                        lq_status *status) {
    *status = lq_check_grown(object, size, first, known);
    if (*status || size >= known) return object;
    memset(whole, 0, known);
    memcpy(whole, object, size);
    return whole;
}

int64_t lq_elements(const lq_tensor *t) {
    /* Beside a dimension of 0 the others may overflow. */
    uint64_t n = 1;
    for (int i = 0; i < t->rank; ++i) n *= (uint64_t)t->shape[i];
    return (int64_t)n;
}

/* The lowest and highest element index, counted from data. */
static lq_status reach(const lq_tensor *t, int64_t *low, int64_t *high) {
    *low = *high = t->offset;
    for (int i = 0; i < t->rank; ++i) {
        int64_t step;
        if (!multiply(t->shape[i] - 1, t->stride[i], &step)) return LQ_ERROR_OVERFLOW;
        int64_t *end = step < 0 ? low : high;
        if (!add(*end, step, end)) return LQ_ERROR_OVERFLOW;
    }
    return LQ_OK;
}

/*
 * Sorted by stride, each dimension must step past all that the smaller ones reach. Views that fail
 * this and still share nothing exist, but no tensor in use is laid out like them.
 */
static bool elements_apart(const lq_tensor *t) {
    int64_t reached = 0;
    uint32_t seen = 0;
    for (int round = 0; round < t->rank; ++round) {
        int next = -1;
        for (int i = 0; i < t->rank; ++i) {
            if ((seen >> i & 1u) || t->shape[i] == 1) continue;
            if (next < 0 || magnitude(t->stride[i]) < magnitude(t->stride[next])) next = i;
        }
        if (next < 0) break;
        seen |= 1u << next;
        if (magnitude(t->stride[next]) <= reached) return false;
        reached += magnitude(t->stride[next]) * (t->shape[next] - 1);
    }
    return true;
}

/* What one look at every axis tells about a view. */
typedef struct summary {
    int64_t least; /* dimension; 1 where there is none below it */
    int64_t elements;
    bool overflows;
    bool dense; /* the strides are those of a contiguous tensor */
} summary;

static summary summarize(const lq_tensor *t) {
    summary s = {.least = 1, .elements = 1, .dense = true};
    for (int i = t->rank - 1; i >= 0; --i) {
        const int64_t dim = t->shape[i];
        if (dim == 1) continue;
        if (dim < s.least) s.least = dim;
        if (t->stride[i] != s.elements) s.dense = false;
        if (!multiply(s.elements, dim, &s.elements)) s.overflows = true;
    }
    return s;
}

lq_status lq_check_view(const lq_tensor *t, bool output, lq_span *span) {
    int64_t low, high;
    span->type = lq_type_find(t->type);
    if (!span->type) return LQ_ERROR_TYPE;
    if (t->rank < 0 || t->rank > LQ_MAX_RANK) return LQ_ERROR_RANK;
    const summary s = summarize(t);
    if (s.least < 0) return LQ_ERROR_SHAPE;
    if (t->size < 0 || (s.overflows && s.least > 0)) return LQ_ERROR_OVERFLOW;
    span->begin = span->end = 0;
    span->dense = s.dense;
    span->elements = s.least == 0 ? 0 : s.elements;
    if (s.least == 0) return LQ_OK;
    if (!t->data) return LQ_ERROR_NULL;
    const lq_status status = reach(t, &low, &high);
    if (status) return status;
    if (low < 0) return LQ_ERROR_SIZE;
    /* Room for the widest type, so that no stride times its dimension overflows later. */
    if (high > INT64_MAX / 64 - 1) return LQ_ERROR_OVERFLOW;
    const uint64_t width = (uint64_t)element_bits(t);
    const uint64_t bits = ((uint64_t)high + 1) * width;
    const uint64_t end = (bits + 7) / 8;
    if (end > (uint64_t)t->size) return LQ_ERROR_SIZE;
    uintptr_t base = (uintptr_t)t->data;
    if ((uint64_t)t->size > UINTPTR_MAX - base) return LQ_ERROR_SIZE;
    if (output && !s.dense && !elements_apart(t)) return LQ_ERROR_STRIDE;
    span->begin = base + (uintptr_t)((uint64_t)low * width / 8);
    span->end = base + (uintptr_t)end;
    return LQ_OK;
}

int64_t lq_element_at(const lq_tensor *t, int64_t index) {
    int64_t at = t->offset;
    for (int axis = t->rank - 1; axis >= 0; --axis) {
        at += index % t->shape[axis] * t->stride[axis];
        index /= t->shape[axis];
    }
    return at;
}

static bool is_contiguous(const lq_tensor *t) {
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; --i) {
        if (t->shape[i] != 1 && t->stride[i] != step) return false;
        step *= t->shape[i];
    }
    return true;
}

lq_in_place lq_may_replace(const lq_tensor *in, const lq_tensor *out) {
    int64_t in_bit = in->offset * element_bits(in);
    int64_t out_bit = out->offset * element_bits(out);
    uintptr_t in_byte = (uintptr_t)in->data + (uintptr_t)(in_bit / 8);
    uintptr_t out_byte = (uintptr_t)out->data + (uintptr_t)(out_bit / 8);
    if (in_byte != out_byte || in_bit % 8 || out_bit % 8) return LQ_IN_PLACE_NO;
    if (element_bits(in) == element_bits(out)) {
        bool same = true;
        for (int i = 0; i < in->rank; ++i) {
            same = same && (in->shape[i] == 1 || in->stride[i] == out->stride[i]);
        }
        if (same) return LQ_IN_PLACE_EQUAL;
    }
    bool forward = element_bits(out) <= element_bits(in) && is_contiguous(in) && is_contiguous(out);
    return forward ? LQ_IN_PLACE_NARROWER : LQ_IN_PLACE_NO;
}

/* What of a view lies in one record, as bits from `begin` to `end` modulo the record's size. */
static bool part_of_record(const lq_tensor *t, uintptr_t base, int64_t size, int64_t *begin,
                           int64_t *end) {
    const int64_t bits = element_bits(t);
    int64_t low = t->offset * bits;
    int64_t width = bits;
    for (int i = 0; i < t->rank; ++i) {
        if (t->shape[i] == 1) continue;
        const int64_t step = t->stride[i] * bits;
        if (step % size == 0) continue;
        if (step < 0) low += step * (t->shape[i] - 1);
        width += magnitude(step) * (t->shape[i] - 1);
    }
    low += (int64_t)((uintptr_t)t->data - base) * 8;
    *begin = (low % size + size) % size;
    *end = *begin + width;
    /* Whole bytes: a byte shared by two parts is shared memory. */
    *begin -= *begin % 8;
    *end += (8 - *end % 8) % 8;
    return *end - *begin <= size;
}

static bool apart_in_records(const lq_tensor *a, const lq_tensor *b, int64_t size) {
    int64_t a_begin, a_end, b_begin, b_end;
    const uintptr_t a_data = (uintptr_t)a->data;
    const uintptr_t b_data = (uintptr_t)b->data;
    const uintptr_t base = a_data < b_data ? a_data : b_data;
    if (!part_of_record(a, base, size, &a_begin, &a_end)) return false;
    if (!part_of_record(b, base, size, &b_begin, &b_end)) return false;
    /* A part that wraps around the end of a record meets the next one's beginning. */
    return (a_end <= b_begin && b_end <= a_begin + size) ||
           (b_end <= a_begin && a_end <= b_begin + size);
}

/* The dimension with the largest step, or -1 where the view is one element. */
static int outermost(const lq_tensor *t) {
    int best = -1;
    for (int i = 0; i < t->rank; ++i) {
        if (t->shape[i] == 1) continue;
        if (best < 0 || magnitude(t->stride[i]) > magnitude(t->stride[best])) best = i;
    }
    return best;
}

/* The bits that a view reaches over, counted from `base`. */
static void extent_of(const lq_tensor *t, uintptr_t base, int64_t *begin, int64_t *end) {
    const int64_t bits = element_bits(t);
    *begin = (int64_t)((uintptr_t)t->data - base) * 8 + t->offset * bits;
    *end = *begin + bits;
    for (int i = 0; i < t->rank; ++i) {
        if (t->shape[i] == 1) continue;
        const int64_t reach = t->stride[i] * bits * (t->shape[i] - 1);
        *(reach < 0 ? begin : end) += reach;
    }
}

/*
 * Rows of records: where both views have the same outermost step, and all that both touch in a row
 * fits into it, rows cannot meet other rows, and the question is about one of them.
 */
static bool drop_rows(lq_tensor *a, lq_tensor *b) {
    const int i = outermost(a);
    const int k = outermost(b);
    if (i < 0 || k < 0) return false;
    const int64_t step = a->stride[i] * element_bits(a);
    if (step != b->stride[k] * element_bits(b) || step % 8 != 0) return false;
    const uintptr_t base =
        (uintptr_t)a->data < (uintptr_t)b->data ? (uintptr_t)a->data : (uintptr_t)b->data;
    lq_tensor row_a = *a, row_b = *b;
    int64_t a_begin, a_end, b_begin, b_end;
    row_a.shape[i] = row_b.shape[k] = 1;
    extent_of(&row_a, base, &a_begin, &a_end);
    extent_of(&row_b, base, &b_begin, &b_end);
    const int64_t begin = a_begin < b_begin ? a_begin : b_begin;
    const int64_t end = a_end > b_end ? a_end : b_end;
    /* Down to whole bytes, as everywhere where memory is shared. */
    if ((end + 7) / 8 * 8 - begin / 8 * 8 > magnitude(step)) return false;
    *a = row_a;
    *b = row_b;
    return true;
}

/* Whether the bytes that two views reach over meet. */
static bool meet(const lq_tensor *a, const lq_tensor *b) {
    const uintptr_t base =
        (uintptr_t)a->data < (uintptr_t)b->data ? (uintptr_t)a->data : (uintptr_t)b->data;
    int64_t a_begin, a_end, b_begin, b_end;
    extent_of(a, base, &a_begin, &a_end);
    extent_of(b, base, &b_begin, &b_end);
    return a_begin / 8 * 8 < b_end + (8 - b_end % 8) % 8 &&
           b_begin / 8 * 8 < a_end + (8 - a_end % 8) % 8;
}

bool lq_interleaved(const lq_tensor *first, const lq_tensor *second) {
    lq_tensor view[2] = {*first, *second};
    while (drop_rows(&view[0], &view[1])) {}
    for (int v = 0; v < 2; ++v) {
        for (int i = 0; i < view[v].rank; ++i) {
            if (view[v].shape[i] == 1) continue;
            const int64_t size = magnitude(view[v].stride[i] * element_bits(&view[v]));
            const bool records = size >= 8 && size % 8 == 0;
            if (records && apart_in_records(&view[0], &view[1], size)) return true;
        }
    }
    return !meet(&view[0], &view[1]);
}

void lq_clear_tail(const lq_tensor *t) {
    if (element_bits(t) % 8 == 0 || lq_elements(t) == 0 || !is_contiguous(t)) return;
    const int64_t end = (t->offset + lq_elements(t)) * element_bits(t);
    if (end % 8 == 0) return;
    unsigned char *last = (unsigned char *)t->data + end / 8;
    *last = (unsigned char)(*last & ((1u << (end % 8)) - 1u));
}

void lq_tensor_init(lq_tensor *tensor, const void *data, lq_type type, int32_t rank,
                    const int64_t *shape) {
    if (tensor) *tensor = lq_contiguous(data, type, rank, shape);
}
