/*
 * The memory of one call, and the call on every level.
 *
 * Each tensor lies in a piece of memory of exactly its size, so that a sanitizer sees each step
 * beyond it. The scalar level, serially, says what the call does; every other level must return the
 * same status, report and bytes, with tasks or without. What is refused writes nothing; what is
 * done writes nothing but the elements of its outputs.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "choices.h"
#include "libquant.h"

enum { MOST_PIECES = 40, MOST_TENSORS = 24, MOST_ELEMENTS = 1 << 16 };

/* What a piece holds: now, before the call, and after it by the scalar level. */
enum { NOW, BEFORE, EXPECTED, MOMENTS };

typedef struct piece {
    unsigned char *at[MOMENTS];
    unsigned char *writable; /* the bits that the call may write */
    size_t size;
} piece;

enum role { INPUT, OUTPUT };

typedef struct memory {
    choices *in;
    int hostile; /* tensors are spoiled now and then */
    int as_is;   /* the call refuses no parameter for its value, though it be a bad one */
    piece pieces[MOST_PIECES];
    int piece_count;
    lq_tensor tensors[MOST_TENSORS];
    int piece_of[MOST_TENSORS];
    enum role role_of[MOST_TENSORS];
    int tensor_count;
} memory;

void memory_open(memory *m, choices *in);
void memory_close(memory *m);

/* What the elements of a tensor are filled with. */
enum content { NOISE, VALUES, SCALES, ZERO_POINTS };

/*
 * A tensor whose layout the input chooses; now and then in the memory of an earlier one, or, where
 * the memory is hostile, with a field spoiled. Good until the memory is closed.
 */
lq_tensor *memory_tensor(memory *m, enum role role, enum content content, lq_type type,
                         int32_t rank, const int64_t *shape);

/* Takes an output back, which the call will not be given. */
void memory_withhold(memory *m, const lq_tensor *t);

/* `size` bytes of `value`, or of noise where that is NULL; an output may be written throughout. */
void *memory_bytes(memory *m, enum role role, const void *value, size_t size);

/*
 * A struct that begins with its struct_size, in memory of its own: now and then of another version,
 * that is shorter, or longer with zeros behind it.
 */
void *memory_struct(memory *m, enum role role, const void *value, size_t size);

/* A call with the arguments that stand in `arguments`. */
typedef lq_status operation(const void *arguments, const lq_exec *exec);

/*
 * Runs it on every level, as the head of this file says, and aborts where that does not hold. Leaves
 * what the scalar level has made, and returns its status.
 */
lq_status memory_run(memory *m, operation *call, const void *arguments, const lq_tensor *code_sums);

/* Prints why, and aborts. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
_Noreturn void
fault(const char *format, ...);

#endif
