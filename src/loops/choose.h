/*
 * Scales from the ranges of many blocks: what lq_choose finds one by one, for the rules that
 * formats of blocks have. Loops of selects over arrays, which compilers make into vectors.
 */

enum { CHOOSE_PIECE = 128 };

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
                                 const float *restrict lo, const float *restrict hi,
                                 float *restrict numerator) {
    const signed char *restrict first = w->negative_first + at;
    switch (w->numerator) {
    case LQ_FROM_RANGE:
        for (int i = 0; i < n; ++i) numerator[i] = (float)((double)hi[i] - (double)lo[i]);
        break;
    case LQ_FROM_EXTREME:
        for (int i = 0; i < n; ++i) {
            const float tie = first[i] < 0 ? lo[i] : hi[i];
            const float other = -lo[i] == hi[i] ? tie : hi[i];
            numerator[i] = -lo[i] > hi[i] ? lo[i] : other;
        }
        break;
    default:
        for (int i = 0; i < n; ++i) numerator[i] = -lo[i] > hi[i] ? -lo[i] : hi[i];
        break;
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
    const float magnitude = v < 0 ? -v : v;
    const float size = magnitude < 65536.0f ? magnitude : 65536.0f;
    const float normal = size > 0x1p-14f ? size : 0x1p-14f;
    const float c = lq_from_bits(((lq_bits(normal) & 0x7f800000u) + (13u << 23)) | 0x00400000u);
    return lq_from_bits(lq_bits((size + c) - c) | (lq_bits(v) & 0x80000000u));
}

LQ_INLINE float within(float v, float limit) {
    v = v < limit ? v : limit;
    return v > -limit ? v : -limit;
}

/* What codes are multiplied by where that is not found from a scale. */
LQ_INLINE void choose_multipliers(const lq_choose_work *w, int n, const float *restrict numerator,
                                  float *restrict to) {
    const double steps = w->steps;
    double exact[CHOOSE_PIECE];
    for (int i = 0; i < n; ++i) exact[i] = steps / (double)numerator[i];
    for (int i = 0; i < n; ++i) to[i] = numerator[i] == 0 ? 1.0f : within((float)exact[i], FLT_MAX);
}

/* As they are stored and used; a scale that is 0 may be so, or is 1. */
LQ_INLINE void finish_scales(const lq_choose_work *w, int64_t at, int n, float largest,
                             const float *numerator, const float *rounded, const float *exact) {
    float *restrict stored = w->stored + at;
    float *restrict used = w->used + at;
    float multiplier[CHOOSE_PIECE];
    const float *from = rounded;
    if (w->multiplier) {
        choose_multipliers(w, n, numerator, multiplier);
        from = multiplier;
    } else if (w->unrounded) {
        from = exact;
    }
    const float most = from == rounded ? largest : FLT_MAX;
    const float none = w->zero_scales ? lq_from_bits(0x7fc00000u) : 0.0f; /* as nothing is NaN */
    for (int i = 0; i < n; ++i) {
        const float s = within(rounded[i], largest);
        const float u = within(from[i], most);
        stored[i] = s == none ? 1.0f : s;
        used[i] = s == none ? 1.0f : u;
    }
}

/* Of f32 or f16, to nearest, where the quotient may be rounded to float32 first. */
LQ_INLINE void choose_reals_in_float(const lq_choose_work *w, int64_t at, int n,
                                     const float *restrict numerator, lq_real real) {
    const float steps = (float)w->steps;
    float single[CHOOSE_PIECE], rounded[CHOOSE_PIECE];
    for (int i = 0; i < n; ++i) {
        single[i] = numerator[i] / steps;
        rounded[i] = real == LQ_REAL_f16 ? round_to_half(single[i]) : single[i];
    }
    finish_scales(w, at, n, real == LQ_REAL_f16 ? 65504.0f : FLT_MAX, numerator, rounded, single);
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
    finish_scales(w, at, n, most[real], numerator, rounded, single);
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
    float hi[CHOOSE_PIECE], numerator[CHOOSE_PIECE];
    float *const lo = w->low + at;
    choose_ends(w, at, n, lo, hi);
    choose_numerators(w, at, n, lo, hi, numerator);
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
