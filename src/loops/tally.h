/*
 * The histogram of a calibrator, in plain C over the level's own range_row and range_lanes. Values
 * become their bins a piece at a time, which vectorizes; counting them does not: an increment for
 * each, as many as a core can store. Slower than that only are increments of one counter again and
 * again, which wait for each other, and worst where it comes irregularly, so that processors guess
 * wrong whether they have to.
 */
enum {
    TALLY_PIECE = 1024,
    TALLY_SAMPLES = 16,
    TALLY_LENDERS = 8,
    TALLY_LANES = 32,
    TALLY_ROWS = 128
};

typedef struct tally_piece {
    int64_t n;
    uint32_t bin[TALLY_PIECE];
    uint32_t dropped[TALLY_PIECE]; /* the bits below; with sums only */
} tally_piece;

/* Returns all bits of the keys. */
LQ_INLINE uint32_t take_piece(tally_piece *p, const unsigned char *x, int64_t n, lq_real real,
                              int shift, bool sums) {
    const uint32_t below = (1u << shift) - 1u;
    uint32_t all = 0;
    p->n = n;
    for (int64_t i = 0; i < n; ++i) {
        const float v = load_one(real, x, i);
        /* Zeros have no bits but the sign, which that key has too. */
        const uint32_t number = lq_bits(v) | (v == 0.0f ? LQ_BITS_OF_ZERO : 0);
        const uint32_t key = v != v ? LQ_BITS_OF_NAN : number;
        all |= key;
        p->bin[i] = key >> shift;
        if (sums) p->dropped[i] = key & below;
    }
    return all;
}

/* A bin that two samples in a row share, or one of the lenders where there is none. */
LQ_INLINE uint32_t likely_bin(const tally_piece *p) {
    /* Odd, not to hit upon a period of the data. */
    const int64_t step = p->n / TALLY_SAMPLES | 1;
    int64_t i = step;
    while (i < p->n && p->bin[i] != p->bin[i - step]) i += step;
    return i < p->n ? p->bin[i] : 0;
}

/* Puts values of a bin to the lenders in turn; returns the sum of their dropped bits. */
LQ_INLINE uint32_t lend_counters(tally_piece *p, uint32_t bin, bool sums) {
    uint32_t sum = 0;
    for (int64_t i = 0; i < p->n; ++i) {
        const uint32_t b = p->bin[i];
        const uint32_t same = b == bin ? 0xffffffffu : 0;
        p->bin[i] = (b & ~same) | ((uint32_t)(i % TALLY_LENDERS) & same);
        if (sums) {
            sum += p->dropped[i] & same;
            p->dropped[i] &= ~same;
        }
    }
    return sum;
}

/*
 * Counts all values of bins that many share at once, and has the first few bins, those of the
 * smallest magnitudes, lend their counters to count them again, provided that no value of the piece
 * is their own. Returns the number of values not counted yet.
 */
LQ_INLINE int64_t count_frequent(tally_piece *p, uint32_t *counters, uint64_t *sums) {
    int64_t left = p->n;
    while (left > 0) {
        const uint32_t bin = likely_bin(p);
        uint32_t found = 0, small = 0;
        if (bin < TALLY_LENDERS) break;
        for (int64_t i = 0; i < p->n; ++i) {
            found += p->bin[i] == bin;
            small += (int32_t)p->bin[i] < TALLY_LENDERS;
        }
        if (found <= p->n * 3 / 8 || small > p->n - left) break;
        counters[2 * (uint64_t)bin] += found;
        left -= found;
        if (left > 0 || sums) {
            const uint32_t sum = lend_counters(p, bin, sums != NULL);
            if (sums) sums[bin] += sum;
        }
    }
    return left;
}

/* Neighbors in counters apart, even and odd ones. */
LQ_INLINE void count_piece(tally_piece *p, uint32_t *counters, uint64_t *sums) {
    const int64_t left = count_frequent(p, counters, sums);
    uint32_t lent[2 * TALLY_LENDERS];
    int64_t i = 0;
    if (left == 0) return;
    memcpy(lent, counters, sizeof lent);
    for (; i + 8 <= p->n; i += 8) {
        for (int k = 0; k < 8; ++k) {
            const uint64_t bin = p->bin[i + k];
            ++counters[2 * bin + (k & 1)];
            if (sums) sums[bin] += p->dropped[i + k];
        }
    }
    for (; i < p->n; ++i) {
        ++counters[2 * (uint64_t)p->bin[i]];
        if (sums) sums[p->bin[i]] += p->dropped[i];
    }
    if (left < p->n) memcpy(counters, lent, sizeof lent);
}

/* Up to TALLY_PIECE values of one channel. */
LQ_INLINE void tally_values(const lq_tally_work *w, int64_t channel, const unsigned char *x,
                            int64_t n, lq_real real) {
    const lq_range_work range = {
        .x = x, .count = n, .rows = 1, .lo = w->lo + channel, .hi = w->hi + channel};
    uint32_t *counters = w->counters + 2 * channel * w->bins;
    tally_piece p;
    range_runs(&range, real);
    /* Two calls, so that neither has to ask for each value. */
    if (w->sums) {
        w->low_bits[channel] |= take_piece(&p, x, n, real, w->shift, true);
        count_piece(&p, counters, w->sums + channel * w->bins);
    } else {
        w->low_bits[channel] |= take_piece(&p, x, n, real, w->shift, false);
        count_piece(&p, counters, NULL);
    }
}

LQ_INLINE void tally_runs(const lq_tally_work *w, lq_real real) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    for (int64_t r = 0; r < w->rows; ++r) {
        for (int64_t i = 0; i < w->count; i += TALLY_PIECE) {
            const int64_t n = w->count - i < TALLY_PIECE ? w->count - i : TALLY_PIECE;
            const unsigned char *x = w->x + r * w->x_step + i * size;
            /* The next piece: counting takes as long as memory does, which would be idle. */
            for (int64_t k = n; k < 2 * n && k < w->count - i; k += 64 / size) {
                __builtin_prefetch(x + k * size);
            }
            tally_values(w, r * w->channel_step, x, n, real);
        }
    }
}

/*
 * Some rows of some lanes at a time, so that many values of a lane follow upon each other: the
 * histograms of lanes in turn, all a power of 2 apart, would push each other out of the caches.
 */
LQ_INLINE void tally_block(const lq_tally_work *w, lq_real real, int64_t first, int64_t lanes,
                           int64_t first_row, int64_t rows) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    const unsigned char *x = w->x + first_row * w->x_step + first * size;
    float values[TALLY_LANES][TALLY_ROWS];
    float row[TALLY_LANES];
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t i = 0; i < lanes; ++i) row[i] = load_one(real, x + r * w->x_step, i);
        for (int64_t i = 0; i < lanes; ++i) values[i][r] = row[i];
    }
    for (int64_t i = 0; i < lanes; ++i) {
        tally_values(w, first + i, (const unsigned char *)values[i], rows, LQ_REAL_f32);
    }
}

LQ_INLINE void tally_lanes(const lq_tally_work *w, lq_real real) {
    for (int64_t first = 0; first < w->count; first += TALLY_LANES) {
        const int64_t lanes = w->count - first < TALLY_LANES ? w->count - first : TALLY_LANES;
        for (int64_t row = 0; row < w->rows; row += TALLY_ROWS) {
            const int64_t rows = w->rows - row < TALLY_ROWS ? w->rows - row : TALLY_ROWS;
            tally_block(w, real, first, lanes, row, rows);
        }
    }
}
