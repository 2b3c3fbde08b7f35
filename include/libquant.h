/*
 * libquant: tensor quantization.
 *
 * Turns real-valued tensors into few-bit codes and back, chooses the
 * parameters of that mapping from data, and lays codes out as other systems do.
 *
 * Conventions that hold for every function here:
 *
 *   Result      The same bytes on every instruction set, compiler, optimization
 *               level and number of threads. Every input has a defined result or
 *               a status; src/numerics.md has each rule with its formula.
 *   Status      LQ_OK is 0. Any other status but LQ_ERROR_EXEC means that an argument was
 *               refused and no output was written. lq_status_string() explains it; a
 *               report (lq_exec) says which argument and which element.
 *   Memory      The caller owns all of it. Nothing is allocated, printed or
 *               aborted. Nothing outside a view is read or written, and no
 *               alignment or padding is asked of any pointer (but a calibrator's).
 *               Optimized builds take up to 128 KiB of stack, and 64 more where a
 *               parallel_for runs tasks on the calling thread.
 *   Structs     One that begins with struct_size grows at its end only, and 0 in a field means what
 *               versions without it do. What a smaller struct of an earlier version lacks counts as
 *               0 and is not written; in a larger one of a later version all that this version
 *               does not know must be 0, or the status is STRUCT.
 *   Threads     Every function may be called from any number of threads at once,
 *               as long as no two calls write the same memory.
 *   Floating    Round-to-nearest and no flush-to-zero are assumed of the caller's
 *   point       floating-point environment.
 *
 * Notation: x a real value, q a code, s a scale, z a zero point, [qmin, qmax]
 * the code range, rne round to nearest with ties to even.
 */
#ifndef LIBQUANT_H
#define LIBQUANT_H

#include <stddef.h>
#include <stdint.h>

/* The build reads its version and the shared library's SONAME from here. */
#define LQ_VERSION_MAJOR 0
#define LQ_VERSION_MINOR 1
#define LQ_VERSION_PATCH 0

/* What the library exports. On Windows, programs that link the static one define LQ_STATIC. */
#if defined(LQ_STATIC)
#define LQ_API
#elif defined(_WIN32)
#if defined(LQ_BUILD)
#define LQ_API __declspec(dllexport)
#else
#define LQ_API __declspec(dllimport)
#endif
#else
#define LQ_API __attribute__((visibility("default")))
#endif

/* A pointer that is passed on without a look at what it points to, which may not be there yet. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define LQ_NOT_READ(position) __attribute__((access(none, position)))
#else
#define LQ_NOT_READ(position)
#endif

/* An all-zero initializer that neither C11 nor C++ warns about. */
#ifdef __cplusplus
#define LQ_ZERO_INIT                                                                               \
    {}
extern "C" {
#else
#define LQ_ZERO_INIT                                                                               \
    { 0 }
#endif

/* ------------------------------------------------------------------ status */

/* What a call has to say; a comment names those that a function returns without LQ_ERROR_. */
typedef int32_t lq_status;
enum {
    LQ_OK = 0,             /* done */
    LQ_ERROR_NULL = 1,     /* a pointer that must not be NULL is NULL */
    LQ_ERROR_STRUCT = 2,   /* a struct_size is too small, or an unknown field is set */
    LQ_ERROR_TYPE = 3,     /* an element type is unknown, or not allowed in this argument */
    LQ_ERROR_RANK = 4,     /* a rank is negative or above LQ_MAX_RANK */
    LQ_ERROR_SHAPE = 5,    /* a dimension is negative, or two shapes that must agree do not */
    LQ_ERROR_OVERFLOW = 6, /* a number of elements or bytes is beyond int64_t */
    LQ_ERROR_SIZE = 7,     /* a view reaches outside its data */
    LQ_ERROR_STRIDE = 8,   /* elements of an output share memory, or its strides do not nest */
    LQ_ERROR_AXIS = 9,     /* an axis is outside [-rank, rank) */
    LQ_ERROR_BLOCK = 10,   /* a block extent is negative, or the block's rank is not x's */
    LQ_ERROR_ENUM = 11,    /* an enumeration or a flag has an unknown value */
    LQ_ERROR_RANGE = 12, /* qmin >= qmax, outside the code type, or without room for the mapping */
    LQ_ERROR_GRID = 13,  /* scale or zero point do not have the shape of the block grid */
    LQ_ERROR_SCALE = 14, /* a scale is NaN, infinite, 0, or negative where the mapping has none; */
                         /* or a multiplier or a shift is outside its range */
    LQ_ERROR_ZERO_POINT = 15, /* a zero point is outside the code range, or not the mapping's own */
    LQ_ERROR_CODE = 16,       /* a code does not fit into the packed type */
    LQ_ERROR_OVERLAP = 17,    /* an output overlaps another argument in a way that is not allowed */
    LQ_ERROR_CPU = 18,  /* LIBQUANT_CPU, or the level asked for, is not one of this machine's */
    LQ_ERROR_EXEC = 19, /* parallel_for failed; outputs may have been written in part */
    /* Of calibrators. */
    LQ_ERROR_ALIGNMENT = 20, /* memory for a calibrator is not aligned to 8 bytes */
    LQ_ERROR_STATE = 21,     /* what should be a calibrator is none of this version's */
    LQ_ERROR_METHOD = 22,    /* a statistic cannot serve what is asked of it */
    LQ_ERROR_EMPTY = 23,     /* no finite value was observed */
    LQ_ERROR_MISMATCH = 24,  /* two calibrators were made with different options */
    LQ_ERROR_DATA = 25,      /* a serialized calibrator is truncated or damaged */
    LQ_ERROR_VERSION = 26,   /* a serialized calibrator is of an unknown version */
    /* Of tables and layouts. */
    LQ_ERROR_TABLE = 27,  /* a table holds NaN or infinities, or does not ascend */
    LQ_ERROR_LAYOUT = 28, /* a layout does not hold such a matrix: rows, columns, bits, parts */
    LQ_ERROR_INEXACT = 29 /* a value has no equal in the layout that is to hold it */
};

/* A sentence for a status, in English; never NULL. */
LQ_API const char *lq_status_string(lq_status status);

/* LQ_VERSION_* of the library that is running: major * 10000 + minor * 100 + patch. */
LQ_API int32_t lq_version(void);

/* ----------------------------------------------------------- element types */

/* The low byte of every type is its width in bits. */
typedef int32_t lq_type;
enum {
    /* Real types. */
    LQ_F32 = 0x0020,  /* IEEE binary32 */
    LQ_F16 = 0x0010,  /* IEEE binary16 */
    LQ_BF16 = 0x0110, /* the upper half of a binary32 */
    LQ_F64 = 0x0040,  /* IEEE binary64; lq_convert only */
    /* Integer types; S are two's complement. */
    LQ_S2 = 0x1002,
    LQ_S4 = 0x1004,
    LQ_S8 = 0x1008,
    LQ_S16 = 0x1010,
    LQ_S32 = 0x1020, /* accumulators, sums, multipliers and zero points; no code type */
    LQ_U2 = 0x2002,
    LQ_U4 = 0x2004,
    LQ_U8 = 0x2008,
    LQ_U16 = 0x2010,
    /*
     * Floats of up to 8 bits, named by the bits of exponent and mantissa: codes of schemes, scales,
     * and in lq_convert. Largest values 448, 57344, 240, 57344, 7.5, 28 and 6. E4M3 is what others
     * call e4m3fn: no infinities, NaN 0x7f and 0xff. E5M2 has both. The FNUZ types have no negative
     * zero, whose code is their NaN. Types below 8 bits have neither infinities nor NaN. E8M0 is an
     * exponent alone, 2^(code - 127), 255 NaN: a scale, no code of schemes. 6 bits are packed
     * four codes to three bytes, the first in the low bits.
     * Source: OCP 8-bit Floating Point (OFP8) 1.0, OCP Microscaling Formats (MX) 1.0, ONNX.
     */
    LQ_E4M3 = 0x3008,
    LQ_E5M2 = 0x3108,
    LQ_E4M3FNUZ = 0x3208,
    LQ_E5M2FNUZ = 0x3308,
    LQ_E8M0 = 0x3408,
    LQ_E2M3 = 0x3006,
    LQ_E3M2 = 0x3106,
    LQ_E2M1 = 0x3004
};

/* The name of a type in lower case ("f32", "s4"), or NULL for an unknown one. */
LQ_API const char *lq_type_name(lq_type type);

/* The type of that name, or 0 where there is none. NULL is no name. */
LQ_API lq_type lq_type_from_name(const char *name);

/* ----------------------------------------------------------------- tensors */

/* As many dimensions as a tensor may have. */
#define LQ_MAX_RANK 8

/*
 * A view of memory as a tensor. Element (i0, i1, ...) stands at element
 *
 *     offset + i0 * stride[0] + i1 * stride[1] + ...
 *
 * of `data`. Strides are signed and count elements. A dimension may be 0; then
 * there are no elements, and data may be NULL. Rank 0 is one element.
 *
 * Elements of 2, 4 or 6 bits are packed densely, the first in the low bits of a byte, so such a view
 * may begin inside a byte. Writing keeps the bits around a view, with one exception: where the
 * view is dense (contiguous, no gaps, one element included), the bits behind its last element
 * in that same byte become 0. So rows of an odd number of such elements that share bytes,
 * written by one call each, must be written in order; one call for the whole matrix has no such
 * order.
 *
 * Elements wider than a byte are in the machine's byte order.
 *
 * The strides of an output must nest: taken by magnitude, each steps past all that the smaller
 * ones reach, so that no two elements can share memory.
 *
 * The layout of this struct is fixed: 160 bytes, no padding, where pointers
 * have 64 bits. Functions take views of outputs by const pointer too: the view
 * is const, its elements are not.
 */
typedef struct lq_tensor {
    void *data;                  /* the caller's memory; of any alignment */
    int64_t size;                /* bytes at data that belong to the view; negative: an */
                                 /* overflowed shape */
    lq_type type;                /* of an element */
    int32_t rank;                /* 0 to LQ_MAX_RANK */
    int64_t offset;              /* elements from data to the first one */
    int64_t shape[LQ_MAX_RANK];  /* `rank` of them, each at least 0 */
    int64_t stride[LQ_MAX_RANK]; /* elements from one index to the next */
} lq_tensor;

/*
 * Fills `tensor` with a contiguous row-major view; its size is what the shape
 * takes. Where the product of the shape overflows, or a dimension or the rank
 * is out of range, the view is marked and every call refuses it.
 * lq_tensor_init is the same function for callers that cannot use inline ones.
 */
LQ_NOT_READ(2)
LQ_API void lq_tensor_init(lq_tensor *tensor, const void *data, lq_type type, int32_t rank,
                           const int64_t *shape);

/* The same by value: lq_contiguous for any rank, lq_matrix, lq_vector (below). */
LQ_NOT_READ(1)
static inline lq_tensor lq_contiguous(const void *data, lq_type type, int32_t rank,
                                      const int64_t *shape) {
    lq_tensor t = LQ_ZERO_INIT;
    int64_t n = 1;
    int32_t i;
    t.data = (void *)(uintptr_t)data; /* const of the elements is the calls' affair */
    t.type = type;
    t.rank = rank;
    if (rank < 0 || rank > LQ_MAX_RANK || (rank > 0 && !shape)) {
        t.size = -1;
        return t;
    }
    for (i = rank - 1; i >= 0; --i) {
        t.shape[i] = shape[i];
        t.stride[i] = n;
        /* A zero dimension must not hide an overflow, so it counts as 1 here. The comparison with
         * 2^28 saves small shapes a division. */
        if (shape[i] < 0 ||
            ((n | shape[i]) >> 28 != 0 && shape[i] > 0 && n > INT64_MAX / 256 / shape[i])) {
            t.size = -1;
            n = 1;
        } else if (shape[i] > 0) {
            n *= shape[i];
        }
    }
    for (i = 0; i < rank; ++i) n = shape[i] == 0 ? 0 : n;
    if (t.size == 0) t.size = (n * (type & 0xff) + 7) / 8;
    return t;
}

/* A contiguous vector of n elements. */
LQ_NOT_READ(1)
static inline lq_tensor lq_vector(const void *data, lq_type type, int64_t n) {
    return lq_contiguous(data, type, 1, &n);
}

/* A contiguous matrix, row by row. */
LQ_NOT_READ(1)
static inline lq_tensor lq_matrix(const void *data, lq_type type, int64_t rows, int64_t columns) {
    int64_t shape[2];
    shape[0] = rows;
    shape[1] = columns;
    return lq_contiguous(data, type, 2, shape);
}

/*
 * A view with strides of its own (in elements, one per dimension, any sign) of `size` bytes at
 * `data`; its first element is element 0. For one that begins elsewhere, set `offset`.
 */
LQ_NOT_READ(1)
static inline lq_tensor lq_strided(const void *data, int64_t size, lq_type type, int32_t rank,
                                   const int64_t *shape, const int64_t *stride) {
    lq_tensor t = lq_contiguous(data, type, rank, shape);
    int32_t i;
    if (t.size >= 0 && rank > 0 && !stride) t.size = -1;
    for (i = 0; t.size >= 0 && i < rank; ++i) t.stride[i] = stride[i];
    if (t.size >= 0) t.size = size;
    return t;
}

/* ------------------------------------------------------------------ blocks */

/* Which elements share a scale. */
typedef int32_t lq_granularity;
enum {
    LQ_PER_TENSOR = 0,  /* one block */
    LQ_PER_CHANNEL = 1, /* one block per index of `axis` */
    LQ_PER_BLOCK = 2,   /* `extent[0]` elements along `axis`, 1 along every other axis */
    LQ_PER_TILE = 3     /* `extent[i]` along axis i, for `rank` axes */
};

/*
 * The shape of the blocks that share one scale and one zero point: an extent
 * per axis, 0 meaning the whole axis. Scales and zero points have the shape of
 * the block grid, ceil(dim / extent) per axis and 1 for a whole axis; the last
 * block along an axis may be short. The layout of this struct is fixed.
 */
typedef struct lq_block {
    lq_granularity granularity; /* which of the fields below count */
    int32_t axis;               /* per channel, per block; negative counts from the end */
    int32_t rank;               /* per tile */
    int32_t reserved;
    int64_t extent[LQ_MAX_RANK]; /* elements, at least 0: see lq_granularity */
} lq_block;

/* One block: the whole tensor. */
static inline lq_block lq_per_tensor(void) {
    lq_block b = LQ_ZERO_INIT;
    return b;
}

/* A block for each index of `axis`, in [-rank, rank). */
static inline lq_block lq_per_channel(int32_t axis) {
    lq_block b = LQ_ZERO_INIT;
    b.granularity = LQ_PER_CHANNEL;
    b.axis = axis;
    return b;
}

/* `size` elements along `axis`, the last block maybe fewer; a size of 0 is the whole axis. */
static inline lq_block lq_per_block(int32_t axis, int64_t size) {
    lq_block b = LQ_ZERO_INIT;
    b.granularity = LQ_PER_BLOCK;
    b.axis = axis;
    b.extent[0] = size;
    return b;
}

/* One extent per axis of x, such as {128, 128}. NULL, or a rank out of range, is refused later. */
static inline lq_block lq_per_tile(int32_t rank, const int64_t *extent) {
    lq_block b = LQ_ZERO_INIT;
    int32_t i;
    b.granularity = LQ_PER_TILE;
    b.rank = extent ? rank : -1;
    for (i = 0; extent && i < rank && i < LQ_MAX_RANK; ++i) b.extent[i] = extent[i];
    return b;
}

/* ----------------------------------------------------------------- schemes */

/*
 * How a range of reals is laid onto codes. [lo, hi] is the range of a block's
 * finite values, absmax = max(-lo, hi), v the value of largest magnitude; on a
 * tie of +absmax and -absmax, v is the one that comes first in row-major order.
 *
 *   mapping                     scale                              zero point        codes
 *   LQ_AFFINE                   (max(hi,0) - min(lo,0))/(qmax-qmin) rne(qmin - lo/s)  [qmin, qmax]
 *   LQ_SYMMETRIC                absmax / L                         z0                [z0-L, z0+L]
 *   LQ_SYMMETRIC_HALF_RANGE     absmax / ((qmax - qmin) / 2)       z0                [qmin, qmax]
 *   LQ_SYMMETRIC_FULL_RANGE     v / (qmin - z0)                    z0                [qmin, qmax]
 *
 * Signed codes: z0 = 0 and L = min(-qmin, qmax). Unsigned codes: z0 =
 * (qmin + qmax + 1) / 2, or as lq_middle says, and L = min(z0 - qmin, qmax - z0). A symmetric
 * mapping needs qmin < z0 <= qmax (unsigned codes over half the range do with z0 = qmin), and
 * LQ_SYMMETRIC an L of at least 1. Scales of LQ_SYMMETRIC are those of ONNX Runtime's tools,
 * TensorRT and ggml's Q8_0 (127), of LQ_SYMMETRIC_HALF_RANGE PyTorch's (127.5), of
 * LQ_SYMMETRIC_FULL_RANGE ggml's Q4_0 (-8): the only mapping whose scales may be negative.
 *
 * LQ_SYMMETRIC narrows the codes as well. To apply the scales of a model for whose system -128 is
 * a code (ONNX QuantizeLinear, TensorRT), use LQ_AFFINE with a zero point of NULL.
 */
typedef int32_t lq_mapping;
enum { LQ_AFFINE = 0, LQ_SYMMETRIC = 1, LQ_SYMMETRIC_HALF_RANGE = 2, LQ_SYMMETRIC_FULL_RANGE = 3 };

/*
 * Switches: what systems do differently. In each, 0 is libquant's own rule; a profile (below) sets
 * them to those of a system by name. r(...) is the rounding, fl(...) a rounding to float32.
 *
 * How a code follows from x, s and z:
 *
 *     q = clamp(r(x / s) + z)                      LQ_ZERO_OUTSIDE
 *     q = clamp(r(fl(x / s + z)))                  LQ_ZERO_INSIDE
 *     q = clamp(qmin + trunc(fl(x / s + (z - qmin + 1/2))))
 *                                                  LQ_ROUND_HALF_UP, wherever z is added
 *
 * and what x / s stands for. Half up takes for qmin the lowest code that the clamp leaves; what is
 * less than one step below it truncates to it, and so is not clipped. A quotient that is NaN gets
 * the code of NaN: that of NaN, of infinity by a scale of 0, of 0 by a reciprocal beyond float32.
 */
typedef int32_t lq_quotient;
enum {
    LQ_QUOTIENT_DIVIDE = 0,     /* fl(x / s) */
    LQ_QUOTIENT_RECIPROCAL = 1, /* fl(x * fl(1 / s)) */
    /* fl(x * s), and back (q - z) / s: what is called scale is a multiplier, and what is chosen */
    /* for it is fl(1 / scale) */
    LQ_QUOTIENT_MULTIPLIER = 2
};

/* r(...): which integer, or which code, a value between two becomes. */
typedef int32_t lq_rounding;
enum {
    LQ_ROUND_EVEN = 0,    /* to nearest, ties to even */
    LQ_ROUND_AWAY = 1,    /* to nearest, ties away from zero: C's roundf */
    LQ_ROUND_HALF_UP = 2, /* adding one half and truncating, as above; tables: the upper code */
    /* Floats and tables: of two codes equally near the lower one, so that there is no code of -0. */
    LQ_ROUND_LOWER_CODE = 3
};

/*
 * A zero point of a real type is used as it is inside; outside it is rounded to even and
 * clamped to [qmin, qmax], by lq_dequantize too.
 *
 * LQ_ZERO_MINIMUM: affine schemes with a zero point of a real type, which is the value m of code 0:
 *
 *     q = clamp(r(fl(x - m) / s)),  x = fl(fl(q * s) + m)
 *
 * It is chosen as the low end of the range, and codes use it as codes_from says of the scale. It
 * cannot be left out, and has no gradients.
 */
typedef int32_t lq_zero_place;
enum { LQ_ZERO_OUTSIDE = 0, LQ_ZERO_INSIDE = 1, LQ_ZERO_MINIMUM = 2 };

/* To what codes are clamped. */
typedef int32_t lq_clamp;
enum {
    LQ_CLAMP_RANGE = 0,  /* to [qmin, qmax], or the mapping's part of it */
    LQ_CLAMP_NARROW = 1, /* to the whole range without the lowest code of signed types */
    LQ_CLAMP_TYPE = 2    /* to the whole range of code_type, though parameters use [qmin, qmax] */
};

/* The code of NaN. */
typedef int32_t lq_nan_code;
enum {
    LQ_NAN_ZERO_POINT = 0, /* that of 0.0 */
    LQ_NAN_QMIN = 1,       /* the lowest code */
    LQ_NAN_QMAX = 2,       /* the highest */
    LQ_NAN_CODE_0 = 3      /* code 0, or the nearest to it */
};

/* From which scale a dynamic call computes codes, and from which a zero point is computed. */
typedef int32_t lq_scale_source;
enum {
    LQ_FROM_STORED = 0,    /* as it was rounded to its type */
    LQ_FROM_UNROUNDED = 1, /* before that: for codes in float32, for zero points by lq_arithmetic */
    /*
     * Codes are x * m, m = fl(denominator / numerator) of lq_mapping's scale, at most the largest
     * float32; not with LQ_QUOTIENT_DIVIDE. The scale stored is as ever, or 1 / m.
     */
    LQ_FROM_MULTIPLIER = 2,
    LQ_FROM_MULTIPLIER_AND_BACK = 3
};

/*
 * In which arithmetic scale and zero point are computed. SCALE_TYPE and MIXED need scales of F32, F16
 * or BF16: TYPE for any other that is to be written.
 */
typedef int32_t lq_arithmetic;
enum {
    LQ_ARITHMETIC_DOUBLE = 0,     /* binary64 */
    LQ_ARITHMETIC_SCALE_TYPE = 1, /* every operation rounded to the type of the scale */
    LQ_ARITHMETIC_MIXED = 2,      /* hi - lo rounded to the type of the scale, the rest in double */
    LQ_ARITHMETIC_FLOAT = 3       /* every operation rounded to float32 */
};

/* Whether the range is widened to contain 0. */
typedef int32_t lq_range_rule;
enum {
    LQ_RANGE_WITH_ZERO = 0, /* [min(lo, 0), max(hi, 0)] */
    LQ_RANGE_AS_IS = 1      /* [lo, hi] */
};

/* What becomes of ranges that are empty, zero or nearly so. f is scheme.scale_floor. */
typedef int32_t lq_degenerate;
enum {
    LQ_DEGENERATE_ONE = 0,   /* |s| <= f (0: s rounds to 0): the scale is 1 */
    LQ_DEGENERATE_FLOOR = 1, /* |s| < f: s = f */
    LQ_DEGENERATE_RESET = 2, /* s below the least normal of its type: scale 1, zero point 0 */
    LQ_DEGENERATE_WIDEN = 3, /* s or 1/s not finite or 0: 0.1; s < f: s = f and the range widened */
    /* s rounds to 0: 0 is stored, which is a legal scale then; codes are those of 0.0. Of affine */
    /* schemes, the zero point is 0 or the nearest to it, or that of a symmetric scheme. */
    LQ_DEGENERATE_ZERO = 4,
    LQ_DEGENERATE_ZERO_MIDDLE = 5,
    LQ_DEGENERATE_SET = 6 /* s = 0: s = f */
};

/* How an affine zero point follows from the range; z is rounded, then clamped to [qmin, qmax]. */
typedef int32_t lq_zero_rule;
enum {
    LQ_ZERO_FROM_MIN = 0,       /* r(qmin - lo / s) */
    LQ_ZERO_QUOTIENT_FIRST = 1, /* qmin - r(lo / s) */
    LQ_ZERO_FROM_PRODUCTS = 2,  /* r((qmin * hi - qmax * lo) / (hi - lo)) */
    /* Of a = qmin - lo / s and b = qmax - hi / s the one from the end with the smaller error. */
    LQ_ZERO_SMALLER_SUM = 3,        /* a where |qmin| + |lo / s| < |qmax| + |hi / s| */
    LQ_ZERO_SMALLER_DIFFERENCE = 4, /* a where |qmin| - |lo / s| < |qmax| - |hi / s| */
    LQ_ZERO_MULTIPLIED = 5, /* with m for 1 / s: a where (qmin + lo m) + (qmax + hi m) > 0 */
    LQ_ZERO_REAL = 6        /* -lo / s: a zero point of a real type, not clamped */
};

/* The zero point of symmetric schemes with unsigned codes. */
typedef int32_t lq_middle;
enum {
    LQ_MIDDLE_UP = 0,   /* (qmin + qmax + 1) / 2, rounded down: 128 of [0, 255], 1 of [0, 1] */
    LQ_MIDDLE_DOWN = 1, /* (qmin + qmax) / 2, rounded down: 127 of [0, 255], 0 of [0, 1] */
    LQ_MIDDLE_EVEN = 2  /* (qmin + qmax) / 2, rounded to even: 128 of [0, 255], 0 of [0, 1] */
};

/* Which of +absmax and -absmax LQ_SYMMETRIC_FULL_RANGE takes where both occur. */
typedef int32_t lq_tie;
enum {
    LQ_TIE_FIRST = 0,   /* that of the element that comes first */
    LQ_TIE_NEGATIVE = 1 /* -absmax */
};

/*
 * How a chosen scale is rounded to its type. The first three go for every type; the others are
 * rules for the exponent of LQ_E8M0 scales, with a = absmax, L the largest value of a code
 * (times scale_factor), and e(v) = floor(log2(v)), taken from the bits of v.
 *
 *   LQ_SCALE_NEAREST         s, to nearest even
 *   LQ_SCALE_UP              the least value of the type that is not below s, so that nothing
 *                            clips; of E8M0 from s in float32: "RCEIL" (NVIDIA, ModelOpt, torchao)
 *   LQ_SCALE_GGML_UE4M3      LQ_E4M3 as ggml has it: from s in float32, halves up; 7.5 * 2^-9 and
 *                            more, below 2^-6, is 7 * 2^-9; 256 and more is 448
 *   LQ_SCALE_EXPONENT_FLOOR  e(a) - e(L): OCP MX 1.0, ggml, microxcaling, torchao
 *   LQ_SCALE_EXPONENT_CEIL   the same, one more where a is no power of two (torchao's CEIL)
 *   LQ_SCALE_EXPONENT_EVEN   e(a + half a step of the code's mantissa) - e(L) (Quark, torchao)
 *   LQ_SCALE_EXPONENT_ROUND  log2(a / L) to the nearest integer (MLX)
 *
 * Exponents are clamped to [-127, 127]. A scale that `degenerate` has changed is rounded to nearest.
 * Rules of a type write no other (TYPE); reading asks for none. Of tables there is no EVEN (ENUM).
 */
typedef int32_t lq_scale_rounding;
enum {
    LQ_SCALE_NEAREST = 0,
    LQ_SCALE_UP = 1,
    LQ_SCALE_GGML_UE4M3 = 2,
    LQ_SCALE_EXPONENT_FLOOR = 3,
    LQ_SCALE_EXPONENT_CEIL = 4,
    LQ_SCALE_EXPONENT_EVEN = 5,
    LQ_SCALE_EXPONENT_ROUND = 6
};

/*
 * Everything that says what the codes mean. Later versions may add fields at
 * the end; a field of 0 always means what this version does.
 */
typedef struct lq_scheme {
    size_t struct_size;
    lq_mapping mapping; /* how a range is laid onto codes */
    lq_type code_type;  /* S2 S4 S8 S16 U2 U4 U8 U16; floats of 4 to 8 bits but E8M0 */
    int32_t qmin;       /* the lowest code; 0 and a qmax of 0: the whole range of code_type */
    int32_t qmax;       /* the highest; 3 bits are {-4, 3}, 1 bit is {0, 1}; up to 16 bits */
    lq_block block;     /* what shares a scale */
    /* Codes. */
    lq_quotient quotient; /* what x / s stands for */
    lq_type precision;    /* x, s, 1 / s and the quotient are rounded to it: 0, F32, F16, BF16 */
    lq_rounding rounding; /* of quotients */
    lq_zero_place zero_place; /* where the zero point is added */
    lq_clamp clamp;           /* to which codes */
    lq_nan_code nan_code;     /* what becomes of NaN */
    /* Parameters. */
    lq_scale_source codes_from; /* looked at by lq_quantize_dynamic alone */
    lq_scale_source zero_from;  /* one of the first two */
    lq_arithmetic arithmetic;   /* of scale and zero point */
    lq_range_rule range_rule;   /* whether 0 belongs to every range */
    lq_degenerate degenerate;   /* what becomes of ranges without width */
    float scale_floor;          /* at least 0 */
    lq_zero_rule zero_rule;     /* affine schemes: how the zero point is found */
    lq_rounding zero_rounding;  /* not LQ_ROUND_HALF_UP */
    lq_middle middle;           /* symmetric schemes with unsigned codes: their zero point */
    lq_tie tie;                 /* the full range: of +absmax and -absmax */
    /* Beyond integers. */
    lq_scale_rounding scale_rounding; /* of scales to their type */
    /*
     * What a stored scale is multiplied by, positive and finite; 0 is 1: s = fl(stored * factor).
     * What is chosen is divided by it, and scale_floor and scale_rounding are about what is stored.
     * Not with LQ_QUOTIENT_MULTIPLIER. The scale of the whole tensor over those of its blocks
     * (NVFP4), or the value of a step of fixed-point codes: 2^-6 makes S8 with E8M0 scales MXINT8.
     */
    float scale_factor;
    int32_t unsaturated; /* float codes: 1: too large is an infinity, or NaN where there is none */
    int32_t reserved;
    /*
     * U4 or U2 codes that stand for the 16 or 4 values of a table, finite and ascending: a code is
     * that of the value nearest to x / s. LQ_SYMMETRIC; L is the largest magnitude. Not copied.
     */
    const float *table;
} lq_scheme;

/*
 * Schemes of float codes and of tables have LQ_SYMMETRIC, no zero point, qmin and qmax 0. For float
 * codes the scale is absmax / L, L the largest finite value of the type, and
 *
 *     q = the code nearest to x / s, ties by `rounding`;  x = value(q) * s
 *
 * Too large saturates to L, or not (`unsaturated`). NaN keeps its code where the type has one;
 * elsewhere it is the code of 0.0, or what nan_code says (qmin and qmax the codes of -L and L, of
 * tables the first and the last). `clamp` and `zero_place` say nothing here.
 *
 * Refused are another mapping, qmin and qmax (RANGE), roundings that are not of such codes and
 * `unsaturated` tables (ENUM), a zero point (TYPE). lq_sum_codes, code_sums and lq_requantize are
 * about integers (TYPE), and calibration methods that look at steps serve integers alone (METHOD).
 */

/*
 * Fills a scheme. `struct_size` is sizeof(lq_scheme) as the caller knows it.
 * Statuses: NULL (scheme or block), STRUCT. What the fields hold is checked by
 * the calls that take the scheme. The inline functions below do the same.
 */
LQ_API lq_status lq_scheme_init(lq_scheme *scheme, size_t struct_size, lq_mapping mapping,
                                lq_type code_type, const lq_block *block);

/* lq_scheme_init by value: all switches are 0. */
static inline lq_scheme lq_scheme_of(lq_mapping mapping, lq_type code_type, lq_block block) {
    lq_scheme s = LQ_ZERO_INIT;
    s.struct_size = sizeof s;
    s.mapping = mapping;
    s.code_type = code_type;
    s.block = block;
    return s;
}

/* A scheme with the whole range of its code type; lq_mapping above says what each means. */
static inline lq_scheme lq_affine(lq_type code_type, lq_block block) {
    return lq_scheme_of(LQ_AFFINE, code_type, block);
}
static inline lq_scheme lq_symmetric(lq_type code_type, lq_block block) {
    return lq_scheme_of(LQ_SYMMETRIC, code_type, block);
}
static inline lq_scheme lq_symmetric_half_range(lq_type code_type, lq_block block) {
    return lq_scheme_of(LQ_SYMMETRIC_HALF_RANGE, code_type, block);
}
static inline lq_scheme lq_symmetric_full_range(lq_type code_type, lq_block block) {
    return lq_scheme_of(LQ_SYMMETRIC_FULL_RANGE, code_type, block);
}

/*
 * Profiles: the rules of other systems by name. Each sets the mapping, the switches and, where the
 * system has a range of its own, qmin and qmax; what is set may be changed afterwards. "Made by"
 * names the vectors or the formula that the tests hold a profile to.
 */
typedef int32_t lq_profile;
enum {
    /* This library's own affine rule: lq_affine. */
    LQ_PROFILE_LIBQUANT = 0,
    /*
     * ONNX QuantizeLinear and DequantizeLinear, opsets 10 to 25, whose text defines the
     * quotient in float32, or in float16 or bfloat16 by the attribute `precision` or the type
     * of the operands. Known to deviate: the reference's result beyond int32 and for NaN is
     * undefined; here both are defined. ONNX Runtime's CPU kernel gives NaN the code qmin
     * (LQ_NAN_QMIN).
     */
    LQ_PROFILE_ONNX = 1,
    LQ_PROFILE_ONNX_F16 = 2,
    LQ_PROFILE_ONNX_BF16 = 3,
    /*
     * ONNX DynamicQuantizeLinear (opset 11): parameters in float32. Of an all-zero tensor ONNX
     * Runtime's scale is 1, as here; the reference's is 1/255, the text's 0.
     */
    LQ_PROFILE_ONNX_DYNAMIC = 4,
    /*
     * ONNX Runtime's Python quantization tools, 1.20: compute_scale_zp and quantize_data,
     * asymmetric (activations) and symmetric (weights). Codes of 8 and 16 signed bits never
     * reach the lowest one. The tools up to 1.16 had int8 symmetric over [-128, 127].
     * reduce_range: set qmin and qmax; codes stay clamped to the type. Known to deviate: where
     * hi - lo overflows, the tools' scale is infinite.
     */
    LQ_PROFILE_ONNXRUNTIME = 5,
    LQ_PROFILE_ONNXRUNTIME_SYMMETRIC = 6,
    /* The tools' blocks of 4-bit weights (DefaultWeightOnlyQuantizer): symmetric S4, affine U4. */
    LQ_PROFILE_ONNXRUNTIME_BLOCKS = 7,
    LQ_PROFILE_ONNXRUNTIME_BLOCKS_AFFINE = 8,
    /*
     * PyTorch's MinMaxObserver family (eps 2^-23), quantize_per_tensor and quantize_per_channel
     * and fake_quantize of 1.13 and later; symmetric with the type's range, and with a
     * quant_min and quant_max of one's own, whose middle PyTorch rounds down.
     * reduce_range: set qmin and qmax, and for codes clamp to LQ_CLAMP_TYPE.
     * Known to deviate: NaN and infinities, undefined there; a scale that overflows.
     */
    LQ_PROFILE_PYTORCH = 9,
    LQ_PROFILE_PYTORCH_SYMMETRIC = 10,
    LQ_PROFILE_PYTORCH_SYMMETRIC_RANGE = 11,
    /* Per-channel fake quantization as later versions have it: z inside, halves away from zero. */
    LQ_PROFILE_PYTORCH_CHANNEL_FAKE_QUANTIZE = 12,
    /* PyTorch's float_qparams (embeddings): real zero points, the range not widened to 0. */
    LQ_PROFILE_PYTORCH_FLOAT_ZERO = 13,
    /*
     * PyTorch's dynamic activations: choose_qparams of FBGEMM as PyTorch has it, codes
     * saturating at the whole type. reduce_range: set qmin and qmax to half the type's.
     */
    LQ_PROFILE_PYTORCH_DYNAMIC = 14,
    /* TensorRT's explicit quantization: amax / 127, codes in [-128, 127]; or in [-127, 127], as its
     * documentation of weights and of older versions has it. */
    LQ_PROFILE_TENSORRT = 15,
    LQ_PROFILE_TENSORRT_NARROW = 16,
    /*
     * TensorFlow Lite: ChooseQuantizationParams in double and AffineQuantize; symmetric weights by
     * the multiplier 127 / absmax. Halves away from zero (TfLiteRound). A range of zeros has
     * scale 0 and zero point 0; of weights scale 1, as SymmetricQuantizeFloats stores.
     */
    LQ_PROFILE_TFLITE = 17,
    LQ_PROFILE_TFLITE_WEIGHTS = 18,
    /*
     * Core ML Tools' linear quantization of weights, in the weights' own type: that of the
     * scale here; for F16 weights set `precision` to LQ_F16 too. Symmetric unsigned codes are
     * [0, 254] around 127. A tensor of zeros is 0/0 there, and ranges whose products overflow
     * are undefined.
     */
    LQ_PROFILE_COREML = 19,
    LQ_PROFILE_COREML_SYMMETRIC = 20,
    /*
     * ONNX Neural Compressor: z inside the rounding, the range not widened to 0. Its zero
     * points are not clamped but wrap in their type, which shows where a range does not contain 0.
     */
    LQ_PROFILE_NEURAL_COMPRESSOR = 21,
    LQ_PROFILE_NEURAL_COMPRESSOR_SYMMETRIC = 22,
    /*
     * XNNPACK: its conversion of float32 to qs8 and qu8 (NaN as on x86; NEON gives it the zero
     * point), and the parameters and codes of dynamic activations (qd8). KleidiAI's are the same
     * with LQ_ROUND_AWAY. Its loops for types without a kernel add the zero point before they
     * round, and give NaN code 0: LQ_ZERO_INSIDE and LQ_NAN_CODE_0.
     */
    LQ_PROFILE_XNNPACK = 23,
    LQ_PROFILE_XNNPACK_DYNAMIC = 24,
    /*
     * The numbers of ggml's blocks by its reference quantizers, to be used with blocks of 32 and
     * scales of F16: Q4_0 (S4 or U4), Q5_0 (S8 or U8 with a range of 32 codes), Q8_0. Codes
     * come from the scale before it is rounded. For Q8_0 on x86, ggml rounds x * (127 / absmax)
     * to even: LQ_FROM_MULTIPLIER and LQ_ROUND_EVEN.
     */
    LQ_PROFILE_GGML_Q4_0 = 25,
    LQ_PROFILE_GGML_Q5_0 = 26,
    LQ_PROFILE_GGML_Q8_0 = 27,
    /* Q4_1 and Q5_1: U4, and U8 with a range of 32 codes; the minimum as zero point, F16 as well. */
    LQ_PROFILE_GGML_Q4_1 = 28,
    LQ_PROFILE_GGML_Q5_1 = 29,
    /*
     * ggml's MXFP4 (E2M1, blocks of 32, E8M0), NVFP4 (E2M1, blocks of 16, E4M3), and the codes of
     * IQ4_NL and IQ4_XS (U4 by ggml's table; lq_encode chooses their scales by least squares).
     */
    LQ_PROFILE_GGML_MXFP4 = 30,
    LQ_PROFILE_GGML_NVFP4 = 31,
    LQ_PROFILE_GGML_IQ4_NL = 32,
    /*
     * OCP Microscaling (MX) 1.0: blocks of 32 with E8M0 scales; codes E4M3, E5M2, E2M3, E3M2, E2M1,
     * S8 (MXINT8) or S4. The other rules for the exponent: set scale_rounding.
     */
    LQ_PROFILE_MX = 33,
    /*
     * NVFP4 as NVIDIA's ModelOpt and TensorRT have it: E2M1, blocks of 16 with E4M3 scales; the
     * scale of the tensor, absmax / (6 * 448), is scale_factor.
     */
    LQ_PROFILE_NVFP4 = 34,
    /* The 4-bit NormalFloat codes of bitsandbytes (QLoRA): U4, blocks of 64 with F32 scales. */
    LQ_PROFILE_NF4 = 35
};

/*
 * Fills a scheme by a profile. Statuses: NULL (scheme or block), STRUCT, ENUM (no such profile),
 * TYPE (no code type).
 */
LQ_API lq_status lq_scheme_profile(lq_scheme *scheme, size_t struct_size, lq_profile profile,
                                   lq_type code_type, const lq_block *block);

/* The same by value. Where lq_scheme_profile fails, every call refuses the scheme (STRUCT). */
static inline lq_scheme lq_profile_scheme(lq_profile profile, lq_type code_type, lq_block block) {
    lq_scheme s = LQ_ZERO_INIT;
    if (lq_scheme_profile(&s, sizeof s, profile, code_type, &block) != LQ_OK) s.struct_size = 0;
    return s;
}

/* A profile's name in lower case ("onnx", "pytorch-symmetric"), or NULL; and back, or -1. */
LQ_API const char *lq_profile_name(lq_profile profile);
LQ_API lq_profile lq_profile_from_name(const char *name);

/*
 * The codes that a scheme produces, and its zero point where none is given.
 *   qmin, qmax   the range codes are clamped to ([-127, 127] for LQ_SYMMETRIC and S8); of floats and
 *                tables from 0 to the highest code there is
 *   zero_point   z0 above; for LQ_AFFINE 0, the meaning of a zero point of NULL
 * Any of the three may be NULL. Statuses: NULL, STRUCT, TYPE, ENUM, RANGE.
 */
LQ_API lq_status lq_scheme_range(const lq_scheme *scheme, int32_t *qmin, int32_t *qmax,
                                 int32_t *zero_point);

/*
 * The shape of the block grid: what scale and zero point must have for a tensor
 * of this shape. `grid` gets as many dimensions as x has; `count` (may be NULL)
 * their product. Only x's rank and shape are looked at.
 * Statuses: NULL, STRUCT, RANK, SHAPE, OVERFLOW, AXIS, BLOCK, ENUM.
 */
LQ_API lq_status lq_grid_shape(const lq_tensor *x, const lq_scheme *scheme,
                               int64_t grid[LQ_MAX_RANK], int64_t *count);

/* --------------------------------------------------------------- execution */

/*
 * What a call met. A call that is given a report sets every field it knows.
 * Later versions may add fields at the end.
 */
typedef struct lq_report {
    size_t struct_size;
    int32_t argument; /* refused: which argument of the call, the first is 1; else 0 */
    int32_t reserved;
    int64_t index;       /* refused for one element's value: its row-major index; else -1 */
    int64_t nan;         /* NaNs in x */
    int64_t infinite;    /* infinities in x */
    int64_t clipped;     /* finite values of x whose code was outside the range before clamping */
    int64_t overflowed;  /* lq_convert: finite values of x too large for y's type */
    int64_t underflowed; /* lq_convert: values of x other than 0 that became 0 */
} lq_report;

enum {
    /*
     * The caller vouches for the values of scales, zero points and codes: they
     * are not looked at before use. A bad one gives unspecified codes or values, never
     * undefined behavior.
     */
    LQ_TRUSTED = 1
};

/*
 * The caller's threads. Runs task(argument, i) once for every i from 0 to tasks - 1, in any order,
 * on any threads, any of them at once, and returns 0 when all have ended; anything else, or a task
 * left out or run twice, makes the call return LQ_ERROR_EXEC.
 */
typedef void lq_task(void *argument, int64_t index);
typedef int32_t lq_parallel_for(void *pool, lq_task *task, void *argument, int64_t tasks);

/* How to run a call; NULL means serial and silent. Later versions may add fields at the end. */
typedef struct lq_exec {
    size_t struct_size;
    uint32_t flags; /* 0 or LQ_TRUSTED */
    uint32_t reserved;
    lq_report *report; /* NULL: nothing is counted, which is faster */
    /*
     * NULL: the calling thread does it all. Otherwise large calls are cut into up to 256 tasks of
     * some ten thousand elements or more. The bytes are the same for any number of threads.
     * Narrowing in place and lq_measure_error stay on the calling thread, and so do gradient
     * sums of a single block whose elements do not follow each other at even steps.
     */
    lq_parallel_for *parallel_for;
    void *pool; /* passed to it */
    /*
     * NULL, or an output of lq_quantize, lq_quantize_dynamic and lq_requantize: S32, the shape of
     * the grid or a vector, filled as lq_sum_codes(codes, scheme) does. Other calls refuse it with
     * LQ_ERROR_STRUCT. It may lie between codes, as parameters may. Its statuses are those of a
     * scale, and a report that refuses it names the exec.
     */
    const lq_tensor *code_sums;
} lq_exec;

/* Zero struct_size bytes and set the size (and an index to -1). Statuses: NULL, STRUCT. */
LQ_API lq_status lq_report_init(lq_report *report, size_t struct_size);
LQ_API lq_status lq_exec_init(lq_exec *exec, size_t struct_size);

/* -------------------------------------------------------------- operations */

/*
 * Arguments that these calls share:
 *
 *   x           F32, F16 or BF16; any shape, any strides.
 *   codes       scheme->code_type; the shape of x.
 *   scale       F32, F16, BF16 or a float of 8 bits (E8M0 not to be written where scales may be
 *               negative); the shape of the block grid (lq_grid_shape), or a vector of as many
 *               elements in row-major order of the grid.
 *   zero_point  any integer type that holds the code range, or a real type (see
 *               lq_zero_place); the shape of the grid or a vector, or NULL. Read as NULL it
 *               means z0 (lq_scheme_range); given to a symmetric scheme it must hold z0
 *               throughout. Written, NULL means that nobody wants it, which only symmetric
 *               schemes allow.
 *   exec        see lq_exec.
 *
 * Aliasing: an output may be an input's own memory where both have the same
 * element size, offset and strides, or where both are contiguous, begin at the same byte
 * and the output's elements are no wider. Parameters may lie between codes in one buffer (records
 * of a scale and its block's codes) as long as no byte is shared. Any other overlap
 * between the memory of an output and that of another argument is refused.
 *
 * Statuses of all of them: NULL, STRUCT, TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE,
 * AXIS, BLOCK, ENUM, RANGE, GRID, OVERLAP, CPU; and SCALE and ZERO_POINT where
 * parameters are read; EXEC with a parallel_for. Where several arguments are wrong, any one of
 * them is reported.
 */

/*
 * Chooses scale and zero point of each block from the range of its values.
 *
 * NaN and infinities are passed over (and counted in the report). The range is
 * widened to contain 0; scale and zero point follow from it as lq_mapping says,
 * computed in double, the scale rounded once to its type (to the largest finite value
 * where it is too large), the zero point from the scale as stored and clamped to
 * the code range. A block whose range is empty or 0, or whose scale rounds to 0, gets
 * scale 1.
 *
 * Source: min-max parameters as ONNX Runtime's quantization tools choose them, in double
 * throughout.
 */
LQ_API lq_status lq_calibrate(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                              const lq_tensor *zero_point, const lq_exec *exec);

/*
 * Chooses scale and zero point from ranges that were found elsewhere, one for each element: what
 * lq_calibrate does with the ranges that it finds.
 *
 *   lo, hi      F32, F16 or BF16; of one shape. lo above hi is an empty range.
 *   scale       of the same shape; zero_point too, or NULL as in lq_calibrate.
 *
 * The scheme's block is not looked at. Where a full-range mapping meets -lo = hi it takes lo if
 * tie is LQ_TIE_NEGATIVE, else hi. Outputs must not share memory with inputs or with each other.
 * Statuses: NULL, STRUCT, TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE, ENUM, RANGE (also: lo or
 * hi is NaN, or infinite and not an empty range), OVERLAP, CPU.
 */
LQ_API lq_status lq_choose_parameters(const lq_tensor *lo, const lq_tensor *hi,
                                      const lq_scheme *scheme, const lq_tensor *scale,
                                      const lq_tensor *zero_point, const lq_exec *exec);

/*
 * q = clamp(rne(x / s) + z, qmin, qmax), the quotient rounded once to float32; by other rules
 * where the scheme's switches say so.
 *
 * NaN becomes the code of 0.0, which is z; infinities saturate. The report counts
 * NaN, infinities and clipped values.
 *
 * Source: ONNX QuantizeLinear, opsets 10 to 25, with float32 precision.
 */
LQ_API lq_status lq_quantize(const lq_tensor *x, const lq_scheme *scheme, const lq_tensor *scale,
                             const lq_tensor *zero_point, const lq_tensor *codes,
                             const lq_exec *exec);

/*
 * x = (float)(q - z) * s (divided by s for LQ_QUOTIENT_MULTIPLIER): the subtraction exact for
 * integer zero points and rounded to float32 for real ones, one rounding to float32, and one more
 * where x is F16 or BF16 (to nearest even; what is too large becomes infinite). Codes outside the
 * scheme's range are taken as they are.
 *
 * Source: ONNX DequantizeLinear.
 */
LQ_API lq_status lq_dequantize(const lq_tensor *codes, const lq_scheme *scheme,
                               const lq_tensor *scale, const lq_tensor *zero_point,
                               const lq_tensor *x, const lq_exec *exec);

/*
 * lq_calibrate followed by lq_quantize, the same bytes, but blocks and rows that fit
 * the cache are quantized while their values are in it. The same but for schemes
 * whose codes_from is not LQ_FROM_STORED; those do not narrow x in place (OVERLAP). What an
 * engine calls for activations:
 *
 *     lq_tensor x = lq_matrix(activations, LQ_F32, tokens, width);
 *     lq_tensor q = lq_matrix(codes, LQ_S8, tokens, width);
 *     lq_tensor s = lq_vector(scales, LQ_F32, tokens);
 *     lq_scheme scheme = lq_symmetric(LQ_S8, lq_per_channel(0));
 *     lq_status status = lq_quantize_dynamic(&x, &scheme, &q, &s, NULL, NULL);
 */
LQ_API lq_status lq_quantize_dynamic(const lq_tensor *x, const lq_scheme *scheme,
                                     const lq_tensor *codes, const lq_tensor *scale,
                                     const lq_tensor *zero_point, const lq_exec *exec);

/*
 * What lq_quantize and lq_dequantize make of x, in one pass and without storing codes.
 *
 *   y           x's type and shape; any strides. May be x's own memory where the strides agree.
 *
 * The code is the scheme's, as lq_quantize computes it from the scale given; its value is rounded
 * as lq_dequantize does. The report counts NaN, infinities and clipped values. With a zero
 * point of a real type and LQ_ZERO_OUTSIDE it is PyTorch's learnable form, which rounds and
 * clamps it first.
 *
 * Source: PyTorch's fake_quantize_per_tensor_affine, fake_quantize_per_channel_affine and
 * _fake_quantize_learnable_*, with the profiles of those names.
 */
LQ_API lq_status lq_fake_quantize(const lq_tensor *x, const lq_scheme *scheme,
                                  const lq_tensor *scale, const lq_tensor *zero_point,
                                  const lq_tensor *y, const lq_exec *exec);

/*
 * Gradients of lq_fake_quantize for training: straight-through for x, and those of a learned scale
 * and zero point. With q' the code before it is clamped to [qmin, qmax] (lq_scheme_range), n =
 * qmin below the range, qmax above it, and y what lq_fake_quantize gives:
 *
 *     grad_x          = grad_y where q' lies in [qmin, qmax], ends included;
 *                       else 0 * sign of grad_y
 *     grad_scale      = grad_factor * sum of grad_y * ((y - x) / s inside, n - z outside)
 *     grad_zero_point = grad_factor * sum of grad_y * (0 inside, -s outside)
 *
 * Of codes that are no integers, outside is what saturates, n - z the value it saturates to.
 *
 * With LQ_QUOTIENT_MULTIPLIER s is 1 / scale here, and grad_scale the gradient of the scale given,
 * the above times -s^2. A zero point counts as real, though it be an integer or rounded first.
 *
 *   grad_y                       x's type and shape; any strides.
 *   grad_x                       the same, or NULL; may be grad_y's or x's own memory where the
 *                                strides agree.
 *   grad_scale, grad_zero_point  F32, the grid's shape or a vector, or NULL.
 *   grad_factor                  1, or LSQ's 1 / sqrt(elements of a block * qmax); finite.
 *
 * NaN in x has no gradient: it counts as outside, with a contribution of 0. Infinities in x lie
 * outside. NaN and infinities in grad_y reach their own element of grad_x where that is inside,
 * and the sums to which they contribute other than by the 0 above. Sums are in double, in an
 * order that only the shape fixes, and rounded once: the same bytes for any number of threads;
 * a sum that is NaN is always 0x7fc00000. The report counts as that of lq_fake_quantize does.
 *
 * Statuses: RANGE too for grad_factor; SCALE for a scale of 0 even where the scheme has such.
 *
 * Source: LSQ (Esser et al. 2020), PyTorch's fake_quantize_*_cachemask_backward and
 * _fake_quantize_learnable_*_backward; NaN and the order of sums are this library's.
 */
LQ_API lq_status lq_fake_quantize_grad(const lq_tensor *x, const lq_scheme *scheme,
                                       const lq_tensor *scale, const lq_tensor *zero_point,
                                       const lq_tensor *grad_y, const lq_tensor *grad_x,
                                       const lq_tensor *grad_scale,
                                       const lq_tensor *grad_zero_point, float grad_factor,
                                       const lq_exec *exec);

/*
 * Byte codes to sub-byte codes and back. `bytes` is S8 with S4 or S2, U8 with U4, U2, or a float
 * of 4 or 6 bits; the shapes agree; any strides. lq_pack_codes refuses a value that the packed type
 * does not hold (LQ_ERROR_CODE; with LQ_TRUSTED its low bits are kept). In place as above.
 * Statuses: NULL, STRUCT, TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE, ENUM, CODE, OVERLAP, CPU,
 * EXEC.
 *
 * Source: ONNX's INT4 and INT2 tensors.
 */
LQ_API lq_status lq_pack_codes(const lq_tensor *bytes, const lq_tensor *packed,
                               const lq_exec *exec);
LQ_API lq_status lq_unpack_codes(const lq_tensor *packed, const lq_tensor *bytes,
                                 const lq_exec *exec);

/* What becomes of values that y's type cannot hold. */
typedef int32_t lq_overflow;
enum {
    LQ_OVERFLOW_INFINITE = 0, /* IEEE: finite values too large become infinite, infinities stay */
    LQ_OVERFLOW_SATURATE = 1  /* both become the largest finite value of their sign */
};

/*
 * y = x in another type: any two of F64, F32, F16, BF16 and the floats of up to 8 bits, or one and
 * the same. y has the shape of x; any strides.
 *
 * Rounded once, to nearest even, from x as it is; subnormals and the sign of zero are kept. Too
 * large is what would round, were there more exponents, to more than the largest finite value. A
 * NaN stays a NaN of its sign: quiet, with as many of the upper bits of its payload as y's type has,
 * and zeros below where it has more; floats of 8 bits have none.
 *
 * Too large for a float of 8 bits without infinities is NaN, and so is an infinity; below 8 bits,
 * where there is no NaN either, both always saturate, and NaN is -0. E8M0: negative values are NaN,
 * and so is 0, which saturated is 2^-127.
 *
 * The report counts NaN and infinities in x, finite values too large (`overflowed`, the same for
 * either `overflow`), and values other than 0 that became 0 (`underflowed`).
 *
 * Aliasing: in place as above, so any type over itself, and to a narrower one where both are
 * contiguous and begin at the same byte.
 * Statuses: NULL, STRUCT, TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE, ENUM, OVERLAP, CPU, EXEC.
 *
 * Source: IEEE 754 convertFormat and ONNX Cast, opsets 13 to 25; LQ_OVERFLOW_SATURATE treats
 * values and infinities as ONNX Cast does with saturate=1 where it converts to 8-bit floats.
 */
LQ_API lq_status lq_convert(const lq_tensor *x, const lq_tensor *y, lq_overflow overflow,
                            const lq_exec *exec);

/* ----------------------------------------------------------------- layouts */

/*
 * A scheme says what codes mean, a layout in which bytes they lie; a format is one of each. A
 * quantized matrix of rows and columns, its blocks along the columns, has parts (lq_parts: codes,
 * scales and so on, each a tensor) or is packed (lq_packed). lq_pack and lq_unpack go from one to
 * the other, lq_repack between layouts, lq_encode and lq_decode between packed and real values. Of
 * these only the last two compute. src/formats.md draws every layout byte by byte.
 *
 * Layouts of codes: bytes hold codes, while scales are a tensor beside them and zero points are
 * packed in a way of their own (zero_bytes).
 *
 *   LQ_LAYOUT_ROWS            rows of whole bytes, LSB first, any width: ONNX matrices of such
 *                             rows, MX and NVFP4 checkpoints, MLX (rows a multiple of 4 bytes apart)
 *   LQ_LAYOUT_HIGH_FIRST      4 bits, the first element in the high ones, no padding between rows:
 *                             bitsandbytes
 *   LQ_LAYOUT_MATMULNBITS     2, 4 and 8 bits, ONNX Runtime MatMulNBits: [rows][blocks][bytes of a
 *                             block], the last block padded
 *   LQ_LAYOUT_GPTQ, _GPTQ_V2  2, 3, 4 and 8 bits: int32 along the columns of the matrix, which lie
 *                             along the first axis of qweight [columns * bits / 32][rows]; zero
 *                             points along the rows, less 1 in the first version. Columns are a
 *                             multiple of 32, as rows are where there are zero points
 *   LQ_LAYOUT_AWQ             4 bits: int32 along the rows, in the order 0 2 4 6 1 3 5 7, rows a
 *                             multiple of 8, whole blocks
 *   LQ_LAYOUT_COMPRESSED_TENSORS
 *                             any width: int32 [rows][columns / codes of an int32, rounded up], of
 *                             which none has bits in two; zero points along the rows
 *   LQ_LAYOUT_HQQ             4 bits: the first half of the rows in the high bits, the second low;
 *                             a row here is a block, all whole and of an even number
 *
 * Codes are unsigned in all of them but the first, signed ones being moved by 2^(bits - 1). In rows
 * they are the bits that parts have, two's complement where those are signed, unless code_type of
 * lq_packed says what the bits are.
 *
 * Layouts of records: each block, or super-block, is a record of codes and parameters, a row is so
 * many of them. These are ggml's, their value 256 and the number of ggml's type.
 */
typedef int32_t lq_layout;
enum {
    LQ_LAYOUT_ROWS = 1,
    LQ_LAYOUT_HIGH_FIRST = 2,
    LQ_LAYOUT_MATMULNBITS = 3,
    LQ_LAYOUT_GPTQ = 4,
    LQ_LAYOUT_GPTQ_V2 = 5,
    LQ_LAYOUT_AWQ = 6,
    LQ_LAYOUT_COMPRESSED_TENSORS = 7,
    LQ_LAYOUT_HQQ = 8,
    LQ_LAYOUT_GGML_Q4_0 = 258,
    LQ_LAYOUT_GGML_Q4_1 = 259,
    LQ_LAYOUT_GGML_Q5_0 = 262,
    LQ_LAYOUT_GGML_Q5_1 = 263,
    LQ_LAYOUT_GGML_Q8_0 = 264,
    LQ_LAYOUT_GGML_Q8_1 = 265,
    LQ_LAYOUT_GGML_Q2_K = 266,
    LQ_LAYOUT_GGML_Q3_K = 267,
    LQ_LAYOUT_GGML_Q4_K = 268,
    LQ_LAYOUT_GGML_Q5_K = 269,
    LQ_LAYOUT_GGML_Q6_K = 270,
    LQ_LAYOUT_GGML_Q8_K = 271,
    LQ_LAYOUT_GGML_IQ4_NL = 276,
    LQ_LAYOUT_GGML_IQ4_XS = 279,
    LQ_LAYOUT_GGML_TQ1_0 = 290,
    LQ_LAYOUT_GGML_TQ2_0 = 291,
    LQ_LAYOUT_GGML_MXFP4 = 295,
    LQ_LAYOUT_GGML_NVFP4 = 296
};

/* A layout's name in lower case ("gptq", "ggml-q4_k"), or NULL; and back, or 0. */
LQ_API const char *lq_layout_name(lq_layout layout);
LQ_API lq_layout lq_layout_from_name(const char *name);

/*
 * What a layout is made of. A type is that of a part, 0 where there is no such part. Of layouts of
 * codes all but records and bits is 0. Later versions may add fields at the end.
 */
typedef struct lq_layout_info {
    size_t struct_size;
    int32_t records;          /* 1: a layout of records, 0: one of codes */
    int32_t bits;             /* of a code; 0: any that lq_packed says */
    int64_t block;            /* elements that share a scale */
    int64_t record;           /* elements of a record */
    int64_t record_bytes;     /* that a record takes */
    lq_type code_type;        /* S8 or U8, one code a byte; or E2M1 */
    lq_type scale_type;       /* of the scales of blocks */
    lq_type zero_type;        /* of zero points, or minimums */
    lq_type super_scale_type; /* of the scales of scales */
    lq_type super_zero_type;  /* of the scales of minimums */
    lq_type sum_type;         /* of the sums of codes */
    int64_t sum_block;        /* elements that share a sum */
} lq_layout_info;

/* Fills struct_size bytes. Statuses: NULL, STRUCT, ENUM. */
LQ_API lq_status lq_layout_describe(lq_layout layout, lq_layout_info *info, size_t struct_size);

/*
 * The scheme of a layout of records: what its codes mean, with the scales and zero points that
 * lq_parts_parameters gives, and for plain layouts (see lq_encode) how they are chosen.
 * Statuses: NULL, STRUCT, ENUM, LAYOUT (one of codes).
 */
LQ_API lq_status lq_layout_scheme(lq_layout layout, lq_scheme *scheme, size_t struct_size);

/*
 * A quantized matrix in its parts. A part that there is not is NULL; which there are, and of which
 * types, lq_layout_info says; beside those of codes any are allowed. A matrix of one row may be a
 * vector in all its parts. Later versions may add fields at the end.
 */
typedef struct lq_parts {
    size_t struct_size;
    const lq_tensor *codes;            /* [rows, columns]: the layout's type, the same packed, or */
                                       /* integers of the other sign, 2^(bits - 1) apart; E2M1 */
                                       /* packed, or U8 with one code a byte */
    const lq_tensor *scale;            /* [rows, blocks] */
    const lq_tensor *zero_point;       /* [rows, blocks]: integers, minimums, or codes of these */
    const lq_tensor *super_scale;      /* [rows, super-blocks]: of which scales are multiples */
    const lq_tensor *super_zero_point; /* [rows, super-blocks]: the same, of minimums */
    const lq_tensor *sum;              /* [rows, columns / sum_block]; packing may leave it out */
} lq_parts;

/* Zeroes struct_size bytes and sets the size. Statuses: NULL, STRUCT. */
LQ_API lq_status lq_parts_init(lq_parts *parts, size_t struct_size);

/*
 * A packed matrix. The last block of a row may be short where a layout of codes has it so; records
 * are whole. Later versions may add fields at the end.
 */
typedef struct lq_packed {
    size_t struct_size;
    lq_layout layout;       /* what lies at `bytes` */
    int32_t bits;           /* layouts of codes of any width: 1 to 8; else 0 or the layout's */
    int64_t rows;           /* of the matrix, at least 0 */
    int64_t columns;        /* the same; blocks lie along them */
    int64_t block;          /* layouts of codes: elements that share a scale; 0: the row */
    const lq_tensor *bytes; /* U8, a vector; of rows, MatMulNBits, compressed-tensors and */
                            /* records also [rows, bytes of a row], with any distance between */
    const lq_tensor *scale; /* layouts of codes: [rows, blocks], any real type and strides, */
                            /* or NULL */
    const lq_tensor *zero_bytes; /* layouts of codes: U8, a vector, or NULL */
    /* LQ_LAYOUT_ROWS: what its bits are, so that codes of the other sign are moved: S8, U8, or a */
    /* float; 0: what the parts are, which lq_repack takes for unsigned integers, or for what the */
    /* other layout has. Of other layouts 0. */
    lq_type code_type;
    int32_t reserved;
} lq_packed;

/* Zeroes struct_size bytes and sets the size. Statuses: NULL, STRUCT. */
LQ_API lq_status lq_packed_init(lq_packed *packed, size_t struct_size);

/*
 * The bytes that `bytes` and `zero_bytes` take, 0 where a layout has no zero points; either may be
 * NULL. Looks at no tensor.
 * Statuses: NULL, STRUCT, ENUM, SHAPE (negative), LAYOUT, OVERFLOW.
 */
LQ_API lq_status lq_packed_size(const lq_packed *packed, int64_t *bytes, int64_t *zero_bytes);

/*
 * Parts to bytes and back, and bytes to bytes of another layout. Nothing is computed: what comes
 * back is what was given, bit for bit, and padding is 0. Scales of layouts of codes may change their
 * type where every value has an equal in the other, which a NaN has not.
 *
 * lq_pack wants every part that the layout has, but sums; lq_unpack writes those that are not NULL.
 * Zero points of layouts of codes are of any integer type, and of the sign of the codes.
 *
 * lq_repack goes where both layouts have the same parts, of the same blocks, with values that have
 * equals: codes and zero points count from the middle, 2^(bits - 1), so that widths and signs may
 * differ; floats, indices into a table and codes above a minimum stay the bits they are. Where one
 * layout has zero points and the other has none, all must be the middle, as those that are written
 * then are. Anything else is refused, and nothing written: LAYOUT where parts or blocks differ, CODE
 * for a code or zero point that the other layout does not hold, INEXACT for a scale.
 *
 * LQ_TRUSTED vouches for codes and zero points that fit, not for the equals of scales.
 *
 * Aliasing: no output may share a byte with any other argument.
 * Statuses: NULL, STRUCT, TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE, ENUM, LAYOUT, GRID, CODE,
 * INEXACT, OVERLAP, CPU, EXEC. The report's argument is that of the call, for whatever stands in
 * it; its index that of a code or parameter within its own matrix.
 */
LQ_API lq_status lq_pack(const lq_parts *parts, const lq_packed *packed, const lq_exec *exec);
LQ_API lq_status lq_unpack(const lq_packed *packed, const lq_parts *parts, const lq_exec *exec);
LQ_API lq_status lq_repack(const lq_packed *from, const lq_packed *to, const lq_exec *exec);

/*
 * Scale and minimum of every block from two levels of them:
 *
 *     scale = fl(super_scale * scale),  zero_point = -fl(super_zero_point * zero_point)
 *
 * and those of one level as they are.
 *   scale, zero_point   F32, [rows, blocks]; zero_point NULL where there is none.
 * Statuses: NULL, STRUCT, TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE, ENUM, LAYOUT, GRID, OVERLAP.
 */
LQ_API lq_status lq_parts_parameters(const lq_parts *parts, lq_layout layout,
                                     const lq_tensor *scale, const lq_tensor *zero_point,
                                     const lq_exec *exec);

/*
 * Real values to packed ones, in one pass: parameters of each block, codes, bytes; what
 * lq_quantize_dynamic and lq_pack would make.
 *   x       F32, F16 or BF16, [rows, columns] or a vector of one row; any strides
 *   scheme  NULL, of layouts of records: the layout's own rule. That is lq_layout_scheme's; of Q8_1,
 *           Q8_K, IQ4_NL and layouts with super-blocks one of src/formats.md. Else a scheme with the
 *           layout's codes and blocks; lq_encode takes none for layouts with super-blocks.
 * Layouts of codes need a scale; affine schemes zero_bytes, too, and codes of floats none.
 *
 * lq_decode is the way back, to F32, F16 or BF16: from any record on, at which `bytes` begins then.
 * Scales and zero points are taken as they are, whatever the scheme says of their values: negative
 * scales, scales of 0 and zero points beside 0 count, and nothing that lq_dequantize refuses with
 * SCALE or ZERO_POINT for what it is, is refused. But a scale or minimum that is NaN or infinite, or
 * is so times the scheme's factor, gives NaN throughout its block. Without zero points they are those
 * of the scheme.
 * As ggml reads its records, -0 of E2M1 codes is 0, and the E4M3 scales of NVFP4 have no sign: 127 is
 * 0, the upper bit is passed over, and 255 is 480. lq_parts_parameters reads them so too.
 *
 *     lq_packed packed = {0};
 *     lq_packed_init(&packed, sizeof packed);
 *     packed.layout = LQ_LAYOUT_GGML_Q4_0;
 *     packed.rows = rows, packed.columns = columns;
 *     int64_t size;
 *     lq_packed_size(&packed, &size, NULL);
 *     lq_tensor bytes = lq_vector(malloc(size), LQ_U8, size);
 *     lq_tensor x = lq_matrix(weights, LQ_F32, rows, columns);
 *     packed.bytes = &bytes;
 *     lq_status status = lq_encode(&x, NULL, &packed, NULL);
 *
 * Aliasing: no output may share a byte with any other argument.
 * Statuses: NULL, STRUCT, TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE, AXIS, BLOCK, ENUM, RANGE, GRID,
 * LAYOUT, OVERLAP, CPU; SCALE and TABLE for fields of the scheme; EXEC with a parallel_for.
 */
LQ_API lq_status lq_encode(const lq_tensor *x, const lq_scheme *scheme, const lq_packed *packed,
                           const lq_exec *exec);
LQ_API lq_status lq_decode(const lq_packed *packed, const lq_scheme *scheme, const lq_tensor *x,
                           const lq_exec *exec);

/* --------------------------------------------------- calibration over batches */

/*
 * Scales and zero points from the values of many batches. A calibrator is a statistic in one flat
 * block of the caller's memory: it is shown batch after batch, may be merged with those of other
 * threads and machines, kept in a file, and asked for parameters by any of the methods below.
 *
 *     lq_calibrator_options options = lq_calibrate_per_tensor();
 *     size_t size;
 *     lq_calibrator_size(&options, &size);
 *     lq_calibrator *calibrator = malloc(size);
 *     lq_calibrator_init(calibrator, size, &options);
 *     for (int i = 0; i < batches; ++i) lq_calibrator_observe(calibrator, &batch[i], NULL);
 *     lq_calibration mse = lq_calibration_by(LQ_METHOD_MSE);
 *     lq_calibrator_parameters(calibrator, &mse, &scheme, &s, &z, NULL);
 *
 * The block may be copied and moved, but not to a machine of another byte order or library
 * version: lq_calibrator_serialize is for that. It must be aligned to 8 bytes, as malloc does.
 *
 * Threads: init, observe, merge and deserialize write a calibrator, and need it for themselves;
 * all others only read. So each thread observes with its own, and they are merged afterwards.
 */
typedef struct lq_calibrator lq_calibrator;

/* What a calibrator keeps of the values that it is shown. */
typedef int32_t lq_statistic;
enum {
    /*
     * A histogram whose bins are the floats that agree in sign, exponent and the upper k bits of
     * the mantissa, so that no range has to be guessed: 2^(9 + k) bins, each at most 2^-k of its
     * values wide. NaN, infinities and zeros have counters of their own. Where all dropped bits
     * were 0, as those of BF16 are with k = 7 and those of F16 with k = 10, it holds every value
     * exactly; what follows from it is then what would follow from the values.
     *
     * What it holds depends on the values alone, not on order, batches or merges. A counter stays
     * at 2^40 - 1 when it gets there; lq_summary says so.
     *
     * Memory: 9 bytes a bin (576 KiB with k = 7), 17 with bin sums.
     */
    LQ_STATISTIC_HISTOGRAM = 0,
    /* The least and the greatest finite value: 8 bytes a channel. */
    LQ_STATISTIC_RANGE = 1,
    /*
     * The same, and moving averages of those of the batches, m += c * (batch - m) in float32, the
     * first batch taken as it is. The order of batches matters and two such cannot be merged.
     * Batches without finite values are passed over. Source: PyTorch's MovingAverageMinMaxObserver.
     */
    LQ_STATISTIC_MOVING_AVERAGE = 2
};

/* Later versions may add fields at the end; a field of 0 means what this version does. */
typedef struct lq_calibrator_options {
    size_t struct_size;
    /* What is kept of values. */
    lq_statistic statistic;
    int32_t mantissa_bits; /* histogram: k, from 1 to 10; 0 is 7 */
    int32_t bin_sums;      /* histogram: 1 keeps the sum of the values of each bin, exactly; */
                           /* wanted for LQ_METHOD_MSE of data on a grid, as pixels k / 255 are */
    int32_t axis;          /* of every batch, along which channels lie; negative from the end */
    int64_t channels;      /* 0: the whole tensor is one; else the size of that axis */
    float averaging;       /* moving average: c, in (0, 1]; 0 is 0.01 */
    int32_t reserved;
} lq_calibrator_options;

/* Zeroes struct_size bytes and sets the size. Statuses: NULL, STRUCT. */
LQ_API lq_status lq_calibrator_options_init(lq_calibrator_options *options, size_t struct_size);

/* A histogram with k = 7 for whole tensors. */
static inline lq_calibrator_options lq_calibrate_per_tensor(void) {
    lq_calibrator_options o = LQ_ZERO_INIT;
    o.struct_size = sizeof o;
    return o;
}

/*
 * A histogram with k = 2 for each of `channels` channels, 18 KiB each. For another statistic, set
 * mantissa_bits to 0 as well.
 */
static inline lq_calibrator_options lq_calibrate_per_channel(int32_t axis, int64_t channels) {
    lq_calibrator_options o = LQ_ZERO_INIT;
    o.struct_size = sizeof o;
    o.mantissa_bits = 2;
    o.axis = axis;
    o.channels = channels;
    return o;
}

/*
 * The bytes that a calibrator takes. Statuses: NULL, STRUCT, ENUM (an unknown statistic), RANGE (a
 * field outside its range, or one that the statistic does not have), OVERFLOW.
 */
LQ_API lq_status lq_calibrator_size(const lq_calibrator_options *options, size_t *size);

/*
 * Makes an empty calibrator of `size` bytes at `calibrator`. Statuses: those of lq_calibrator_size;
 * ALIGNMENT; SIZE (too few bytes).
 */
LQ_NOT_READ(1)
LQ_API lq_status lq_calibrator_init(lq_calibrator *calibrator, size_t size,
                                    const lq_calibrator_options *options);

/*
 * The options that a calibrator was made with, defaults filled in; the struct has been through
 * lq_calibrator_options_init. Statuses: NULL, STRUCT, STATE.
 */
LQ_API lq_status lq_calibrator_get_options(const lq_calibrator *calibrator,
                                           lq_calibrator_options *options);

/*
 * Adds the values of a batch.
 *   x   F32, F16 or BF16, any shape and strides; its size along the calibrator's axis is
 *       `channels`. A batch without elements changes nothing.
 * With a parallel_for, channels are shared out among tasks; a calibrator of one channel stays on
 * the calling thread. The report counts NaN and infinities in x.
 * Statuses: NULL, STATE, STRUCT, TYPE, RANK, SHAPE (channels), OVERFLOW, SIZE, ENUM, AXIS, OVERLAP
 * (x lies in the calibrator), CPU; EXEC with a parallel_for.
 */
LQ_API lq_status lq_calibrator_observe(lq_calibrator *calibrator, const lq_tensor *x,
                                       const lq_exec *exec);

/*
 * Adds what `from` has observed: exact, in any order and grouping. The two may be one, which
 * doubles its counts. Statuses: NULL, STATE, METHOD (moving averages), MISMATCH (made with other
 * options; an axis from the front and the same one from the end are two), OVERLAP (they share a
 * part of their memory).
 */
LQ_API lq_status lq_calibrator_merge(lq_calibrator *to, const lq_calibrator *from);

/*
 * A calibrator as bytes to keep or send: the same wherever the same values were observed, however
 * they were split. src/calibration.md has the format (version 1; little-endian; a checksum). `size`
 * says how much room there is at `bytes`; `written` gets what is needed, also where `bytes` is
 * NULL. A call that is refused, for too little room too, leaves it as it was.
 * Statuses: NULL, STATE, SIZE (too little room), OVERLAP.
 */
LQ_API lq_status lq_calibrator_serialize(const lq_calibrator *calibrator, void *bytes, size_t size,
                                         size_t *written);

/*
 * Back from bytes. lq_serialized_options says what the calibrator will be, for lq_calibrator_size,
 * by a look at the header alone; lq_calibrator_deserialize makes it, from nothing but checked data.
 * Bytes may come from anywhere; a few of them can stand for a calibrator of many MiB, so look at
 * its size before you allocate it.
 * Statuses: NULL, STRUCT, VERSION, DATA (truncated, damaged or not such bytes); OVERFLOW; and of
 * lq_calibrator_deserialize ALIGNMENT, SIZE, OVERLAP. Where it refuses, what stands at `calibrator`
 * is as before.
 */
LQ_API lq_status lq_serialized_options(const void *bytes, size_t size,
                                       lq_calibrator_options *options);
LQ_API lq_status lq_calibrator_deserialize(lq_calibrator *calibrator, size_t calibrator_size,
                                           const void *bytes, size_t size);

/* What a channel has seen. Later versions may add fields at the end. */
typedef struct lq_summary {
    size_t struct_size;
    /* Numbers of values; -1 where the statistic does not count. */
    int64_t count; /* finite ones, zeros among them */
    int64_t zeros;
    int64_t nan;
    int64_t positive_infinite;
    int64_t negative_infinite;
    int64_t saturated; /* counters that are at their limit: the numbers are too low then */
    int64_t exact;     /* 1: every value is held exactly (see LQ_STATISTIC_HISTOGRAM) */
    /* Of the finite values; NaN where there is none, and the last two without a histogram. */
    float min;       /* a zero is +0 */
    float max;       /* the same */
    double mean;     /* from the middles of bins, or their sums */
    double variance; /* of the population, from the same */
} lq_summary;

/* Zeroes struct_size bytes and sets the size. Statuses: NULL, STRUCT. */
LQ_API lq_status lq_summary_init(lq_summary *summary, size_t struct_size);

/* `channel` is 0 for a whole tensor. Statuses: NULL, STATE, STRUCT, RANGE (no such channel). */
LQ_API lq_status lq_calibrator_summarize(const lq_calibrator *calibrator, int64_t channel,
                                         lq_summary *summary);

/*
 * Quantiles of a channel's finite values: the value of rank ceil(p * count) in ascending order, for
 * p from 0 (the least) to 1 (the greatest). Where the histogram is exact, so are they; otherwise
 * ranks are spread evenly over a bin, and a quantile is off by at most the width of its bin.
 * Statuses: NULL, STATE, METHOD (no histogram), RANGE (no such channel; a p outside [0, 1] or NaN),
 * EMPTY (no finite value).
 */
LQ_API lq_status lq_calibrator_quantiles(const lq_calibrator *calibrator, int64_t channel,
                                         const double *p, int64_t n, float *quantiles);

/*
 * `count` values from `low` to `high`, of which the one farther from 0 belongs to the next bin but
 * at the ends of the range; where both are one, all are that one.
 */
typedef struct lq_bin {
    float low;     /* finite */
    float high;    /* not below low */
    int64_t count; /* at least 1 */
} lq_bin;

/*
 * The bins of a channel's histogram that have values, in ascending order, for plots: the first
 * `most` of those from the cursor on, which begins at 0 and is moved behind them. `n` gets their
 * number, 0 at the end. Statuses: NULL, STATE, METHOD (no histogram), RANGE (no such channel,
 * negative cursor or `most`).
 */
LQ_API lq_status lq_calibrator_bins(const lq_calibrator *calibrator, int64_t channel,
                                    int64_t *cursor, lq_bin *bins, int64_t most, int64_t *n);

/* ---------------------------------------------------- calibration: methods */

/*
 * How a range [lo, hi] follows from a statistic; scale and zero point then follow from the range as
 * for lq_calibrate. The first group is this library's; its ranges lie within the least and greatest
 * value observed. The others are the rules of other systems by name, which are defined on linear
 * histograms alone (lq_histogram_range): the same range as there, to the bit, with sums added in
 * the order that the system has. src/calibration.md has the formulas.
 */
typedef int32_t lq_method;
enum {
    /* [min, max]. Any statistic. */
    LQ_METHOD_MIN_MAX = 0,
    /* The moving averages. LQ_STATISTIC_MOVING_AVERAGE. */
    LQ_METHOD_MOVING_AVERAGE = 1,
    /* From here on LQ_STATISTIC_HISTOGRAM or a linear histogram. */
    /* Of values: the quantiles (100 - percentile) / 200 and 1 - (100 - percentile) / 200. */
    LQ_METHOD_PERCENTILE = 2,
    /* Of magnitudes: t, the quantile percentile / 100 of |x|, makes [max(min, -t), min(max, t)]. */
    LQ_METHOD_PERCENTILE_MAGNITUDE = 3,
    /*
     * The threshold t whose quantized distribution of magnitudes diverges least (Kullback-Leibler)
     * from that of the values, clipped ones counted at t; [max(min, -t), min(max, t)].
     * src/calibration.md has the search.
     */
    LQ_METHOD_ENTROPY = 4,
    /*
     * The range with the least expected squared error when values are quantized by the scheme, with
     * its code range, mapping and type of scale. [min, max] is always among those compared.
     */
    LQ_METHOD_MSE = 5,
    /* mean -+ deviations * standard deviation, within [min, max]. */
    LQ_METHOD_MEAN_DEVIATION = 6,
    /*
     * ONNX Runtime's Python tools, 1.20, on the histograms that its HistogramCollector makes: of x
     * (PERCENTILE, ENTROPY, DISTRIBUTION), or of |x| (PERCENTILE_SYMMETRIC). All but DISTRIBUTION
     * are clipped to min and max; PERCENTILE_SYMMETRIC not where these are not given. Where the
     * tools' lower end is above the upper one (all values in one bin), it is lowered to that.
     *   PERCENTILE            the edges before which the running sum of shares reaches c and 1 - c,
     *                         c = (100 - percentile) / 200
     *   PERCENTILE_SYMMETRIC  -+ the edge before which it reaches percentile / 100
     *   ENTROPY               the slice around zero whose quantized_bins diverge least, in float32
     *   DISTRIBUTION          mean -+ deviations * standard deviation of the bins' middles. The
     *                         tools have these two only, scenario "same", for scales of float8.
     */
    LQ_METHOD_ONNXRUNTIME_PERCENTILE = 16,
    LQ_METHOD_ONNXRUNTIME_PERCENTILE_SYMMETRIC = 17,
    LQ_METHOD_ONNXRUNTIME_ENTROPY = 18,
    LQ_METHOD_ONNXRUNTIME_DISTRIBUTION = 19,
    /*
     * NVIDIA TensorRT Model Optimizer's histogram calibrators (HistogramCalibrator), of |x|. From
     * the largest magnitude amax that they find come [-amax, amax], and [0, amax] where the scheme
     * has no codes below that of 0. Bits are those of the codes above it. Not clipped.
     *   PERCENTILE  the edge before which the running sum of shares reaches percentile / 100
     *   ENTROPY     the edge, from start_bin on, up to which bins diverge least from as many levels
     *               as there are such codes; of equal ones the last
     *   MSE         the middle, from that of start_bin on, with the least squared error of all
     *               middles, in float32; of equal ones the first
     */
    LQ_METHOD_MODELOPT_PERCENTILE = 32,
    LQ_METHOD_MODELOPT_ENTROPY = 33,
    LQ_METHOD_MODELOPT_MSE = 34,
    /*
     * PyTorch 1.13's HistogramObserver: its search for the least L2 error on its histogram. Bins
     * count as equally wide, min and max are not looked at: they are the outermost edges there. The
     * number of steps is 2^bits of the code type.
     */
    LQ_METHOD_PYTORCH_HISTOGRAM = 48
};

/* The name of a method in lower case ("min-max", "mse"), or NULL; and back, or -1. */
LQ_API const char *lq_method_name(lq_method method);
LQ_API lq_method lq_method_from_name(const char *name);

/*
 * A method with its parameters; each belongs to the methods named, and changes nothing for others,
 * but must lie in its range for all. Later versions may add fields at the end; a field of 0 means
 * the default.
 */
typedef struct lq_calibration {
    size_t struct_size;
    lq_method method;       /* how ranges are found */
    int32_t quantized_bins; /* onnxruntime-entropy: default 128 */
    double percentile;      /* all percentiles: in (0, 100], default 99.99 */
    double deviations;      /* mean-deviation, onnxruntime-distribution: above 0, default 3 */
    int32_t start_bin;      /* modelopt-entropy, modelopt-mse: default 128 */
    int32_t stride;         /* modelopt-entropy, modelopt-mse: default 1 */
} lq_calibration;

/* Zeroes struct_size bytes and sets the size. Statuses: NULL, STRUCT. */
LQ_API lq_status lq_calibration_init(lq_calibration *calibration, size_t struct_size);

/* A method with the defaults of its parameters. */
static inline lq_calibration lq_calibration_by(lq_method method) {
    lq_calibration c = LQ_ZERO_INIT;
    c.struct_size = sizeof c;
    c.method = method;
    return c;
}

/*
 * The range of each channel by a method.
 *   lo, hi   F32, F16 or BF16; one element for a whole tensor, or as many as there are channels, in
 *            row-major order. Ranges are rounded to the type, to nearest even; to the largest
 *            finite value where they are too large.
 *   scheme   whose codes the ranges are for. Its block is not looked at. LQ_METHOD_MSE takes scales
 *            as F32.
 * With a parallel_for, channels are shared out. Statuses: NULL, STATE, STRUCT, ENUM (no such
 * method), METHOD (one that this statistic cannot serve), RANGE (a parameter out of range, or the
 * scheme's), TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE, EMPTY (a channel has no finite value; the
 * report's index says which), OVERLAP, CPU; EXEC.
 */
LQ_API lq_status lq_calibrator_ranges(const lq_calibrator *calibrator,
                                      const lq_calibration *calibration, const lq_scheme *scheme,
                                      const lq_tensor *lo, const lq_tensor *hi,
                                      const lq_exec *exec);

/*
 * Scale and zero point of each channel by a method: lq_choose_parameters of the ranges, which are
 * not rounded in between.
 *   scale, zero_point   as many elements as lo above; types as in lq_calibrate.
 * Statuses: those of lq_calibrator_ranges.
 */
LQ_API lq_status lq_calibrator_parameters(const lq_calibrator *calibrator,
                                          const lq_calibration *calibration,
                                          const lq_scheme *scheme, const lq_tensor *scale,
                                          const lq_tensor *zero_point, const lq_exec *exec);

/*
 * An ordinary histogram: counts[i] values from edges[i] to edges[i + 1]. `bins` from 1 to 2^24;
 * edges finite and ascending, equal ones allowed; counts from 0 to 2^63, not all 0. [min, max] are
 * the true ends of the data; both 0 stand for the outermost edges. Later versions may add fields at
 * the end.
 */
typedef struct lq_histogram {
    size_t struct_size;
    const double *counts; /* `bins` of them */
    const float *edges;   /* bins + 1 of them */
    int64_t bins;         /* 1 to 2^24 */
    float min;            /* the least value, or 0 */
    float max;            /* the greatest, or 0 */
} lq_histogram;

/* Zeroes struct_size bytes and sets the size. Statuses: NULL, STRUCT. */
LQ_API lq_status lq_histogram_init(lq_histogram *histogram, size_t struct_size);

/*
 * The range by a method, from such a histogram, for codes of `scheme`. A histogram of magnitudes
 * gives a range of magnitudes to the methods of the first group. Those of other systems look at all
 * bins for every candidate: time grows with the square of their number, to about half a second with
 * 8192 for entropies. Statuses: NULL, STRUCT, ENUM, METHOD (moving average), RANGE (a parameter,
 * counts, bins, edges, min or max; a negative edge for a method of magnitudes, or a scheme without
 * codes above that of 0; edges so far apart that a range is beyond float32, or that min and max
 * contradict), EMPTY (no counts), SHAPE (too few bins: not as many as quantized_bins or start_bin,
 * which modelopt-mse needs one more than; 512 for onnxruntime-distribution), CPU, and the scheme's.
 */
LQ_API lq_status lq_histogram_range(const lq_histogram *histogram,
                                    const lq_calibration *calibration, const lq_scheme *scheme,
                                    float *lo, float *hi);

/* -------------------------------------------------------- integer products */

/*
 * What an engine needs around an int8 matrix product with int32 accumulators: the sums of codes
 * that zero points call for, biases as accumulators, and the way from accumulators to codes or
 * to real values. With zx[m], zw[n] the zero points of the operands and K the depth of the
 * product,
 *
 *     sum over k of (x[m][k] - zx[m]) * (w[k][n] - zw[n])
 *         = acc[m][n] - zx[m] * sum_k w[k][n] - zw[n] * sum_k x[m][k] + K * zx[m] * zw[n]
 */

/*
 * The sum of the codes of each block, added exactly and saturated to int32. Codes outside the
 * scheme's range are taken as they are; of the scheme, only code type and blocks matter.
 *   codes   scheme->code_type, any shape, any strides
 *   sums    S32; the shape of the block grid (lq_grid_shape), or a vector of as many elements
 * The sum of a block without elements is 0. Sums may lie between codes, as parameters may.
 * Statuses: those of lq_quantize but SCALE and ZERO_POINT. lq_exec has a field that makes calls
 * which write codes fill their sums, too.
 */
LQ_API lq_status lq_sum_codes(const lq_tensor *codes, const lq_scheme *scheme,
                              const lq_tensor *sums, const lq_exec *exec);

/*
 * How an accumulator becomes a code. m is a multiplier, for operands of scales sx and sw and an
 * output of scale sy their sx * sw / sy; z is the output's zero point.
 *
 *   rule                           code                                         after
 *   LQ_REQUANTIZE_FLOAT            clamp(rne((float)acc * m) + z)               XNNPACK fp32,
 *                                                                               FBGEMM
 *   LQ_REQUANTIZE_ONNX             clamp(rne((double)acc * m + z))              ONNX QLinearMatMul
 *   LQ_REQUANTIZE_DOUBLE_ROUNDING  clamp(div(high(acc << left, M), right) + z)  gemmlowp,
 *                                                                               TFLite < 2.20
 *   LQ_REQUANTIZE_SINGLE_ROUNDING  clamp(((acc * M + 2^(t-1)) >> t) + z)        TFLite from 2.20 on
 *
 * FLOAT: the accumulator is rounded to float32 first (to nearest even; exact up to 2^24), the
 * product to float32 once. ONNX: product and sum are rounded to double, once each; the zero point
 * takes part in the rounding, so that a tie goes to the even code.
 *
 * The last two have an integer multiplier M and a shift, together M * 2^(shift - 31), as
 * lq_quantize_multiplier makes them. M is from 0 to 2^31 - 1, the shift from -31 (towards smaller
 * values) to 30; left = max(shift, 0), right = max(-shift, 0), t = 31 - shift.
 *   acc << left  saturates at the limits of int32
 *   high(a, b)   (a * b + 2^30) >> 31: halves up (SaturatingRoundingDoublingHighMul)
 *   div(v, n)    v / 2^n, halves away from zero (RoundingDivideByPOT)
 *   >>           of negative numbers, toward minus infinity: halves up
 * Nothing else overflows. With LQ_TRUSTED, a shift below -31 or a negative M gives the code of an
 * accumulator of 0, and a shift above 30 counts as 30.
 */
typedef int32_t lq_requantization;
enum {
    LQ_REQUANTIZE_FLOAT = 0,
    LQ_REQUANTIZE_ONNX = 1,
    LQ_REQUANTIZE_DOUBLE_ROUNDING = 2,
    LQ_REQUANTIZE_SINGLE_ROUNDING = 3
};

/*
 * Accumulators to codes, by one of the rules above.
 *   acc         S32, any shape, any strides
 *   scheme      of the output: code type, range, blocks
 *   multiplier  FLOAT and ONNX: F32, F16 or BF16 (widened exactly), of the sign a scale of the
 *               scheme may have; else S32. The shape of the grid, a vector of as many elements,
 *               or one element for all blocks.
 *   shift       S8, S16 or S32, shaped like a multiplier may be; NULL for FLOAT and ONNX
 *   zero_point  as in lq_quantize, or one element for all blocks
 *   codes       scheme->code_type; the shape of acc
 * Codes may replace the accumulators in place, as the rules of aliasing above say; and with exec's
 * code_sums their sums are written as well. The report counts no values.
 *
 *     lq_tensor a = lq_matrix(accumulators, LQ_S32, tokens, width);
 *     lq_tensor q = lq_matrix(codes, LQ_U8, tokens, width);
 *     lq_tensor m = lq_vector(multipliers, LQ_F32, width);
 *     lq_tensor z = lq_vector(&zero_point, LQ_S32, 1);
 *     lq_scheme scheme = lq_affine(LQ_U8, lq_per_channel(-1));
 *     lq_status status = lq_requantize(&a, &scheme, LQ_REQUANTIZE_FLOAT, &m, NULL, &z, &q, NULL);
 *
 * Statuses: those of lq_quantize. SCALE stands for a multiplier and for a shift outside its range,
 * ENUM for an unknown rule too, GRID for a shift where the rule has none.
 */
LQ_API lq_status lq_requantize(const lq_tensor *acc, const lq_scheme *scheme,
                               lq_requantization rule, const lq_tensor *multiplier,
                               const lq_tensor *shift, const lq_tensor *zero_point,
                               const lq_tensor *codes, const lq_exec *exec);

/*
 * A real multiplier as M * 2^(shift - 31) for the fixed-point rules: M is its fraction in
 * [0.5, 1) times 2^31, rounded to nearest with halves away from zero; where that gives 2^31, M is
 * 2^30 and the shift one more. A shift below -31 makes both 0: every accumulator then gives 0.
 * Statuses: NULL; SCALE for a scale that is NaN, infinite, negative or 0, or so large that the
 * shift is above 30 (2^30 or more once it is rounded). Nothing is written then.
 *
 * Source: TFLite's QuantizeMultiplier, which saturates what is too large, or lets the shift grow.
 */
LQ_API lq_status lq_quantize_multiplier(double scale, int32_t *multiplier, int32_t *shift);

/*
 * How a bias is rounded. Its scale is s = sx * sw, rounded to float32.
 *   LQ_BIAS_EVEN   rne((double)b / s), clamped to [-2^31, 2^31 - 1]: ONNX Runtime's tools (the
 *                  older ones round the quotient to float32 first, and do not clamp)
 *   LQ_BIAS_AWAY   round(b * (float)(1 / s)), halves away from zero, the product in float32,
 *                  clamped to [-2^31 + 1, 2^31 - 1]: TFLite
 * NaN becomes 0; infinities saturate.
 */
typedef int32_t lq_bias_rounding;
enum { LQ_BIAS_EVEN = 0, LQ_BIAS_AWAY = 1 };

/*
 * A bias as accumulators, to begin an integer product with.
 *   bias          F32, F16 or BF16; a vector
 *   input_scale   sx; positive and finite
 *   weight_scale  F32, F16 or BF16, positive and finite, as are their products with sx; a vector
 *                 of as many elements, or one element for all
 *   codes         S32, the shape of bias; in place of an F32 bias, if wanted
 * Statuses: NULL, STRUCT, TYPE, RANK, SHAPE, OVERFLOW, SIZE, STRIDE, ENUM, GRID, SCALE, OVERLAP,
 * CPU. The call is too small for threads.
 */
LQ_API lq_status lq_quantize_bias(const lq_tensor *bias, float input_scale,
                                  const lq_tensor *weight_scale, lq_bias_rounding rounding,
                                  const lq_tensor *codes, const lq_exec *exec);

/*
 * What the accumulators of a product are made of, for M rows and N columns. Every field may be
 * NULL; the vectors have an element for each row (or column), or one for all. Later versions may
 * add fields at the end.
 */
typedef struct lq_product {
    size_t struct_size;
    int64_t depth;                      /* K: 0 to 2^31 - 1; matters where both zero points are */
    const lq_tensor *row_scale;         /* F32, F16 or BF16; NULL: 1 */
    const lq_tensor *column_scale;      /* the same */
    const lq_tensor *row_zero_point;    /* any integer type, -32768 to 65535; NULL: 0 */
    const lq_tensor *column_zero_point; /* the same */
    const lq_tensor *row_sums;          /* S32: needed where column_zero_point is given */
    const lq_tensor *column_sums;       /* S32: needed where row_zero_point is given */
    const lq_tensor *bias;              /* F32, F16 or BF16, by column; NULL: none */
} lq_product;

/* Zeroes struct_size bytes and sets the size. Statuses: NULL, STRUCT. */
LQ_API lq_status lq_product_init(lq_product *product, size_t struct_size);

/*
 * Accumulators to real values, with the corrections for zero points:
 *
 *     a = acc[m][n] - zx[m] * column_sums[n] - zw[n] * row_sums[m] + K * zx[m] * zw[n]
 *     x[m][n] = (float)a * (row_scale[m] * column_scale[n]) + bias[n]
 *
 * a is exact; then it, the product of the scales, the product with it, and the sum with the bias
 * are rounded to float32, each once and none fused; F16 and BF16 outputs are rounded once more.
 * A NaN that comes of a bias is the positive quiet one of no payload.
 *   acc   S32, a matrix, any strides
 *   x     F32, F16 or BF16, the shape of acc; in place, as the rules of aliasing above say
 * The report counts no values, and its argument is 2 for all that stands in `product`.
 * Statuses: NULL, STRUCT, TYPE, RANK, SHAPE (a depth out of range too), OVERFLOW, SIZE, STRIDE,
 * ENUM, GRID, SCALE (one that is not positive and finite, or a product of the largest ones that is
 * infinite), ZERO_POINT, OVERLAP, CPU; EXEC with a parallel_for.
 */
LQ_API lq_status lq_dequantize_accumulators(const lq_tensor *acc, const lq_product *product,
                                            const lq_tensor *x, const lq_exec *exec);

/* ------------------------------------------------------------------ errors */

/* Later versions may add fields at the end. */
typedef struct lq_error {
    size_t struct_size;
    int64_t count;        /* pairs of values compared: those where both are finite */
    int64_t nonfinite;    /* pairs left out: a NaN or an infinity in either */
    int64_t clipped;      /* as in lq_report; 0 where y holds real values */
    double mse;           /* mean of (x - y)^2; NaN where count is 0 */
    double max_abs_error; /* max of |x - y|; 0 where count is 0 */
    double sqnr_db;       /* 10 log10(sum x^2 / sum (x - y)^2); infinite where y equals x; */
                          /* NaN where x is 0 throughout */
    double mean_square_x; /* mean of x^2 over the pairs compared; NaN where count is 0 */
    double mean_square_y; /* of y^2: with both, figures of several tensors can be combined */
    double cosine;        /* sum x y / sqrt(sum x^2 * sum y^2); NaN where x or y is 0 throughout */
} lq_error;

/* Zeroes struct_size bytes and sets the size. Statuses: NULL, STRUCT. */
LQ_API lq_status lq_error_init(lq_error *error, size_t struct_size);

/*
 * How far y is from x. y has x's shape and is either
 *   - real: then scheme, scale and zero_point must be NULL, or
 *   - codes of `scheme`: then the values compared are what lq_dequantize
 *     writes into a tensor of x's type.
 * `error` must have been through lq_error_init (else STRUCT).
 *
 * Real y with a scheme is TYPE, with parameters but no scheme GRID; codes without a scheme NULL.
 *
 * Differences and sums are in double and in an order that only the shape fixes, so
 * the figures are the same bytes everywhere. Statuses: as above, and those just said.
 */
LQ_API lq_status lq_measure_error(const lq_tensor *x, const lq_tensor *y, const lq_scheme *scheme,
                                  const lq_tensor *scale, const lq_tensor *zero_point,
                                  lq_error *error, const lq_exec *exec);

/* --------------------------------------------------------------------- CPU */

/*
 * Instruction set levels. A level is a bundle:
 *   avx2     AVX2, FMA and F16C
 *   avx512   avx2 with AVX-512 F, BW, DQ and VL
 *   neon     Advanced SIMD on aarch64
 * All levels give the same bytes. The best one that machine and build have is used.
 * The environment variable LIBQUANT_CPU=scalar|avx2|avx512|neon, read once at the first
 * call, caps it: a level above the machine's is cut to what it has; a name
 * that is unknown or of another architecture makes every operation return LQ_ERROR_CPU.
 */
typedef int32_t lq_cpu;
enum { LQ_CPU_SCALAR = 0, LQ_CPU_AVX2 = 1, LQ_CPU_AVX512 = 2, LQ_CPU_NEON = 3 };

/* The name of a level as LIBQUANT_CPU has it, or NULL. */
LQ_API const char *lq_cpu_name(lq_cpu level);

/* Whether this build has kernels for a level and this machine can run them: 1 or 0. */
LQ_API int32_t lq_cpu_available(lq_cpu level);

/* The level in use; LQ_CPU_SCALAR also where LIBQUANT_CPU was refused and nothing runs. */
LQ_API lq_cpu lq_cpu_level(void);

/*
 * Uses this level from now on, in all threads; for tests and measurements. Calls under
 * way finish on either, with the same bytes. Replaces what LIBQUANT_CPU said.
 * Statuses: CPU where lq_cpu_available(level) is 0; the level in use then stays.
 */
LQ_API lq_status lq_cpu_use(lq_cpu level);

#ifdef __cplusplus
}
#endif

#endif
