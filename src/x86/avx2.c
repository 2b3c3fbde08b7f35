#include "isa.h"
#if LQ_HAVE_AVX2

#include "x86/avx2_vec.h"
#include "x86/avx2_codes.h"
#include "x86/avx2_rows.h"
#include "x86/avx2_strips.h"
#include "loops/simd.h"
#include "loops/panels.h"

#define LQ_TABLE lq_kernels_avx2
#include "loops/table.h"

#endif
