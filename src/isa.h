/*
 * The instruction set levels that this build has, and their tables. Meson says which; where nobody
 * does, as when the sources are compiled by hand, they are what the compiler's own options allow.
 */
#ifndef LQ_ISA_H
#define LQ_ISA_H

#include "kernels.h"

#ifndef LQ_HAVE_AVX2
#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LQ_HAVE_AVX2 1
#else
#define LQ_HAVE_AVX2 0
#endif
#endif

#ifndef LQ_HAVE_AVX512
#if LQ_HAVE_AVX2 && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) &&      \
    defined(__AVX512VL__)
#define LQ_HAVE_AVX512 1
#else
#define LQ_HAVE_AVX512 0
#endif
#endif

#ifndef LQ_HAVE_NEON
#if defined(__aarch64__) && defined(__ARM_NEON)
#define LQ_HAVE_NEON 1
#else
#define LQ_HAVE_NEON 0
#endif
#endif

extern const lq_kernels lq_kernels_scalar;
#if LQ_HAVE_AVX2
extern const lq_kernels lq_kernels_avx2;
#else
#define lq_kernels_avx2 lq_kernels_scalar
#endif
#if LQ_HAVE_AVX512
extern const lq_kernels lq_kernels_avx512;
#else
#define lq_kernels_avx512 lq_kernels_scalar
#endif
#if LQ_HAVE_NEON
extern const lq_kernels lq_kernels_neon;
#else
#define lq_kernels_neon lq_kernels_scalar
#endif

#endif
