#include "isa.h"
#if LQ_HAVE_NEON

#include "arm/neon_vec.h"
#include "arm/neon_codes.h"
#include "arm/neon_rows.h"
#include "loops/simd.h"
#include "loops/strips.h"
#include "loops/panels.h"

#define LQ_TABLE lq_kernels_neon
#include "loops/table.h"

#endif
