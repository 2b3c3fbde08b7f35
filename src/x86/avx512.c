#include "isa.h"
#if LQ_HAVE_AVX512

/* Without optimization gcc has macros for some of these, which convert masks of their own. */
#pragma GCC diagnostic ignored "-Wsign-conversion"

#include "x86/avx512_vec.h"
#include "x86/avx512_codes.h"
#include "x86/avx512_rows.h"
#include "x86/avx512_strips.h"
#include "loops/simd.h"
#include "loops/panels.h"

#define LQ_TABLE lq_kernels_avx512
#include "loops/table.h"

#endif
