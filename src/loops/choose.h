/*
 * Scales from the ranges of many blocks: what lq_choose finds one by one, for the rules that
 * formats of blocks have. Loops of selects over arrays, which compilers make into vectors.
 */

enum { CHOOSE_PIECE = 128 };

/*
 * Magnitudes as integers, which have their order: of selects between floats gcc makes several times
 * as many instructions as of minimums and maximums of these.
 */
#define INFINITE 0x7f800000u

LQ_INLINE uint32_t magnitude_of(float v) {
    return lq_bits(v) & 0x7fffffffu;
}

LQ_INLINE uint32_t sign_of(float v) {
    return lq_bits(v) & 0x80000000u;
}

/* The ends of ranges as the rule takes them. Which zero an end is does not depend on the data. */
LQ_INLINE void choose_ends(const lq_choose_work *w, int64_t at, int n, float *restrict lo,
                           float *restrict hi) {
    const float *restrict low = w->lo + at;
    const float *restrict high = w->hi + at;
    /* Ranges are widened to contain 0, or anything. */
    const float most = w->with_zero ? 0.0f : FLT_MAX;
    for (int i = 0; i < n; ++i) {
        const float a = low[i] > high[i] ? 0.0f : low[i];
        const float b = low[i] > high[i] ? 0.0f : high[i];
        lo[i] = (a < most ? a : most) + 0.0f;
        hi[i] = (b > -most ? b : -most) + 0.0f;
    }
}

/* What is divided by the steps. */
LQ_INLINE void choose_numerators(const lq_choose_work *w, int64_t at, int n,
                                 float *restrict numerator) {
    const signed char *restrict first = w->negative_first + at;
    const float *restrict low = w->lo + at;
    const float *restrict high = w->hi + at;
    float *restrict lo = w->low + at;
    float hi[CHOOSE_PIECE];
    if (w->numerator == LQ_FROM_ABSMAX) {
        for (int i = 0; i < n; ++i) {
            const uint32_t a = magnitude_of(low[i]), b = magnitude_of(high[i]);
            const uint32_t most = a > b ? a : b;
            numerator[i] = lq_from_bits(most < INFINITE ? most : 0u); /* nothing is finite */
        }
        return;
    }
    choose_ends(w, at, n, lo, hi);
    if (w->numerator == LQ_FROM_RANGE) {
        for (int i = 0; i < n; ++i) numerator[i] = (float)((double)hi[i] - (double)lo[i]);
        return;
    }
    for (int i = 0; i < n; ++i) {
        const float tie = first[i] < 0 ? lo[i] : hi[i];
        const float other = -lo[i] == hi[i] ? tie : hi[i];
        numerator[i] = -lo[i] > hi[i] ? lo[i] : other;
    }
}

/*
 * To so many bits of mantissa and no exponent below the least: what is added and subtracted again
 * has its last bit where that of the result is.
 */
LQ_INLINE double round_mantissa(double v, int bits, double least) {
    const uint64_t shift = (uint64_t)(52 - bits) << 52;
    const double size = v < 0 ? -v : v;
    const double normal = size > least ? size : least;
    const uint64_t power = lq_bits_of_double(normal) & 0x7ff0000000000000u;
    const double c = lq_double_from_bits((power + shift) | 0x0008000000000000u);
    const uint64_t sign = lq_bits_of_double(v) & 0x8000000000000000u;
    return lq_double_from_bits(lq_bits_of_double((size + c) - c) | sign);
}

/* A float to those of 16 bits in the same way; what is too large becomes 65536. */
LQ_INLINE float round_to_half(float v) {
    const uint32_t magnitude = magnitude_of(v), most = lq_bits(65536.0f), least = lq_bits(0x1p-14f);
    const uint32_t size = magnitude < most ? magnitude : most;
    const uint32_t normal = size > least ? size : least;
    const float c = lq_from_bits(((normal & INFINITE) + (13u << 23)) | 0x00400000u);
    return lq_from_bits(lq_bits((lq_from_bits(size) + c) - c) | sign_of(v));
}

/* No NaN. */
LQ_INLINE float within(float v, float limit) {
    const uint32_t magnitude = magnitude_of(v), most = lq_bits(limit);
    return lq_from_bits((magnitude < most ? magnitude : most) | sign_of(v));
}

/* What codes are found from. */
typedef enum { USED_AS_STORED, USED_UNROUNDED, USED_MULTIPLIER } scale_use;

LQ_INLINE scale_use use_of(const lq_choose_work *w) {
    return w->multiplier ? USED_MULTIPLIER : w->unrounded ? USED_UNROUNDED : USED_AS_STORED;
}

/*
 * As they are stored and used; a scale that is 0 may be so, or is 1. A quotient of floats rounded to
 * a double first would be the same float.
 */
LQ_INLINE void finish_scale(const lq_choose_work *w, scale_use use, float largest, float numerator,
                            float rounded, float exact, float *stored, float *used) {
    const float none = w->zero_scales ? lq_from_bits(0x7fc00000u) : 0.0f; /* as nothing is NaN */
    const float s = within(rounded, largest);
    float u = s;
    if (use == USED_UNROUNDED) u = within(exact, FLT_MAX);
    if (use == USED_MULTIPLIER) {
        u = numerator == 0 ? 1.0f : within((float)w->steps / numerator, FLT_MAX);
    }
    *stored = s == none ? 1.0f : s;
    *used = s == none ? 1.0f : u;
}

LQ_INLINE void finish_scales(const lq_choose_work *work, int64_t at, int n, scale_use use,
                             float largest, const float *restrict numerator,
                             const float *restrict rounded, const float *restrict exact) {
    const lq_choose_work w = *work;
    float *restrict stored = w.stored + at;
    float *restrict used = w.used + at;
    for (int i = 0; i < n; ++i) {
        finish_scale(&w, use, largest, numerator[i], rounded[i], exact[i], &stored[i], &used[i]);
    }
}

/* Of f32 or f16, to nearest, where the quotient may be rounded to float32 first. */
LQ_INLINE void choose_in_float(const lq_choose_work *work, int64_t at, int n, scale_use use,
                               const float *restrict numerator, lq_real real) {
    const lq_choose_work w = *work;
    const float steps = (float)w.steps;
    const float largest = real == LQ_REAL_f16 ? 65504.0f : FLT_MAX;
    float *restrict stored = w.stored + at;
    float *restrict used = w.used + at;
    for (int i = 0; i < n; ++i) {
        const float exact = numerator[i] / steps;
        const float rounded = real == LQ_REAL_f16 ? round_to_half(exact) : exact;
        finish_scale(&w, use, largest, numerator[i], rounded, exact, &stored[i], &used[i]);
    }
}

/* Constants for the compiler. */
LQ_INLINE void choose_reals_in_float(const lq_choose_work *w, int64_t at, int n,
                                     const float *restrict numerator, lq_real real) {
    switch (use_of(w)) {
    case USED_AS_STORED: choose_in_float(w, at, n, USED_AS_STORED, numerator, real); break;
    case USED_UNROUNDED: choose_in_float(w, at, n, USED_UNROUNDED, numerator, real); break;
    case USED_MULTIPLIER: choose_in_float(w, at, n, USED_MULTIPLIER, numerator, real); break;
    }
}

/* Of real types, to nearest. */
LQ_INLINE void choose_reals(const lq_choose_work *w, int64_t at, int n,
                            const float *restrict numerator, lq_real real) {
    const float most[] = {FLT_MAX, 65504.0f, 0x1.fep127f};
    const double steps = w->steps;
    float single[CHOOSE_PIECE];
    float rounded[CHOOSE_PIECE];
    double exact[CHOOSE_PIECE];
    if (w->in_float && real != LQ_REAL_bf16) {
        choose_reals_in_float(w, at, n, numerator, real);
        return;
    }
    for (int i = 0; i < n; ++i) exact[i] = (double)numerator[i] / steps;
    for (int i = 0; i < n; ++i) single[i] = (float)exact[i];
    for (int i = 0; i < n; ++i) {
        double v = w->in_float ? (double)single[i] : exact[i];
        if (real == LQ_REAL_f16) v = round_mantissa(v, 10, 0x1p-14);
        if (real == LQ_REAL_bf16) v = round_mantissa(v, 7, 0x1p-126);
        rounded[i] = (float)v;
    }
    finish_scales(w, at, n, use_of(w), most[real], numerator, rounded, single);
}

/* LQ_SCALE_EXPONENT_FLOOR, the largest value of a code being at least 1: subnormals clamp. */
LQ_INLINE void choose_exponents(const lq_choose_work *w, int64_t at, int n,
                                const float *numerator) {
    for (int i = 0; i < n; ++i) {
        const int32_t field = (int32_t)(lq_bits(numerator[i]) >> 23 & 255u) - w->exponent;
        const int32_t high = field < 254 ? field : 254;
        const uint32_t power = high < 1 ? 0x00400000u : (uint32_t)high << 23;
        const float s = numerator[i] == 0 ? w->empty : lq_from_bits(power);
        w->stored[at + i] = s;
        w->used[at + i] = s * w->factor;
    }
}

/* LQ_SCALE_GGML_UE4M3. */
LQ_INLINE void choose_ue4m3(const lq_choose_work *w, int64_t at, int n, const float *numerator) {
    const float steps = (float)w->steps;
    for (int i = 0; i < n; ++i) {
        const float s = numerator[i] / steps;
        const float small = (s < 0x1p-6f ? s : 0.0f) * 512.0f + 0.5f;
        const int32_t whole = (int32_t)(small < 7.0f ? small : 7.0f);
        const float normal = lq_from_bits((lq_bits(s) + 0x00080000u) & 0xfff00000u);
        const float large = s >= 248.0f ? 448.0f : normal;
        w->stored[at + i] = s < 0x1p-6f ? (float)whole * 0x1p-9f : large;
        w->used[at + i] = w->stored[at + i];
    }
}

LQ_INLINE void choose_piece(const lq_choose_work *w, int64_t at, int n) {
    float numerator[CHOOSE_PIECE];
    choose_numerators(w, at, n, numerator);
    switch (w->as) {
    case LQ_SCALES_F32: choose_reals(w, at, n, numerator, LQ_REAL_f32); break;
    case LQ_SCALES_F16: choose_reals(w, at, n, numerator, LQ_REAL_f16); break;
    case LQ_SCALES_BF16: choose_reals(w, at, n, numerator, LQ_REAL_bf16); break;
    case LQ_SCALES_EXPONENT: choose_exponents(w, at, n, numerator); break;
    case LQ_SCALES_UE4M3: choose_ue4m3(w, at, n, numerator); break;
    }
}

static void choose_scales(const lq_choose_work *w) {
    for (int64_t at = 0; at < w->n; at += CHOOSE_PIECE) {
        choose_piece(w, at, (int)(w->n - at < CHOOSE_PIECE ? w->n - at : CHOOSE_PIECE));
    }
}
