/*
 * The histogram of a calibrator, in plain C over the level's own range_row and range_lanes. Values
 * become their keys a piece at a time, which vectorizes; counting them does not.
 */
enum { TALLY_PIECE = 1024, TALLY_LANES = 64 };

LQ_INLINE void keys_of(const unsigned char *x, int64_t n, lq_real real, uint32_t *keys) {
    for (int64_t i = 0; i < n; ++i) {
        const float v = load_one(real, x, i);
        const uint32_t number = v == 0.0f ? LQ_BITS_OF_ZERO : lq_bits(v);
        keys[i] = v != v ? LQ_BITS_OF_NAN : number;
    }
}

/*
 * Counts keys, even and odd ones apart; returns all their bits. Eights of one bin, as zeros and
 * constants come, are held back and added at once: an increment waits for the one before it where
 * the counter is the same. Shorter runs would be found by luck, and cost more in wrong guesses.
 */
LQ_INLINE uint32_t count_keys(const uint32_t *keys, int64_t n, int shift, uint32_t *counters) {
    uint32_t all = 0, held = 0, eights = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint32_t first = keys[i];
        uint32_t differ = 0, any = first;
        for (int k = 1; k < 8; ++k) {
            differ |= keys[i + k] ^ first;
            any |= keys[i + k];
        }
        all |= any;
        if (differ >> shift == 0) {
            if (first >> shift != held) {
                counters[(uint64_t)held * 2] += 8 * eights;
                held = first >> shift;
                eights = 0;
            }
            ++eights;
            continue;
        }
        for (int k = 0; k < 8; k += 2) {
            ++counters[(uint64_t)(keys[i + k] >> shift) * 2];
            ++counters[(uint64_t)(keys[i + k + 1] >> shift) * 2 + 1];
        }
    }
    counters[(uint64_t)held * 2] += 8 * eights;
    for (; i < n; ++i) {
        ++counters[(uint64_t)(keys[i] >> shift) * 2];
        all |= keys[i];
    }
    return all;
}

LQ_INLINE void add_dropped(const uint32_t *keys, int64_t n, int shift, uint64_t *sums) {
    const uint32_t dropped = (1u << shift) - 1u;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint32_t differ = 0;
        uint64_t sum = 0;
        for (int k = 0; k < 8; ++k) {
            differ |= keys[i + k] ^ keys[i];
            sum += keys[i + k] & dropped;
        }
        if (differ >> shift == 0) {
            sums[keys[i] >> shift] += sum;
            continue;
        }
        for (int k = 0; k < 8; ++k) sums[keys[i + k] >> shift] += keys[i + k] & dropped;
    }
    for (; i < n; ++i) sums[keys[i] >> shift] += keys[i] & dropped;
}

LQ_INLINE void tally_runs(const lq_tally_work *w, lq_real real) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    uint32_t keys[TALLY_PIECE];
    for (int64_t r = 0; r < w->rows; ++r) {
        const int64_t channel = r * w->channel_step;
        for (int64_t i = 0; i < w->count; i += TALLY_PIECE) {
            const int64_t rest = w->count - i;
            const int64_t n = rest < TALLY_PIECE ? rest : TALLY_PIECE;
            const unsigned char *x = w->x + r * w->x_step + i * size;
            const lq_range_work range = {
                .x = x, .count = n, .rows = 1, .lo = w->lo + channel, .hi = w->hi + channel};
            range_runs(&range, real);
            keys_of(x, n, real, keys);
            w->low_bits[channel] |=
                count_keys(keys, n, w->shift, w->counters + 2 * channel * w->bins);
            if (w->sums) add_dropped(keys, n, w->shift, w->sums + channel * w->bins);
        }
    }
}

/* Some lanes at a time, so that their histograms stay in the cache from row to row. */
LQ_INLINE void tally_lanes(const lq_tally_work *w, lq_real real) {
    const int64_t size = real == LQ_REAL_f32 ? 4 : 2;
    uint32_t keys[TALLY_LANES];
    for (int64_t first = 0; first < w->count; first += TALLY_LANES) {
        const int64_t rest = w->count - first;
        const int64_t n = rest < TALLY_LANES ? rest : TALLY_LANES;
        const lq_range_work range = {.x = w->x + first * size,
                                     .count = n,
                                     .rows = w->rows,
                                     .x_step = w->x_step,
                                     .lo = w->lo + first,
                                     .hi = w->hi + first};
        range_lanes(&range, real);
        for (int64_t r = 0; r < w->rows; ++r) {
            uint32_t *counters = w->counters + 2 * first * w->bins + (r & 1);
            uint64_t *sums = w->sums ? w->sums + first * w->bins : NULL;
            keys_of(w->x + r * w->x_step + first * size, n, real, keys);
            for (int64_t i = 0; i < n; ++i) {
                ++counters[2 * (i * w->bins + (keys[i] >> w->shift))];
                w->low_bits[first + i] |= keys[i];
                if (sums) add_dropped(keys + i, 1, w->shift, sums + i * w->bins);
            }
        }
    }
}
