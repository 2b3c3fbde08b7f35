/* Calibrators as bytes, and back. src/calibration.md has the format. */
#include "calibrator.h"
#include "tensor.h"

enum { VERSION = 1, HEADER_BYTES = 32, CHECKSUM_BYTES = 8 };

static const unsigned char magic[8] = {'L', 'Q', 'C', 'A', 'L', 'I', 'B', 0};

/* FNV-1a of 64 bits: against damage, not against malice, which the checks are for. */
static uint64_t checksum(const unsigned char *bytes, size_t n) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* The bins that may have values though their exponent is that of infinities. */
static bool is_special(const lq_calibrator *c, int64_t bin) {
    return bin == lq_bin_of(c, LQ_BITS_OF_NAN) || bin == lq_bin_of(c, LQ_BITS_OF_ZERO) ||
           bin == lq_bin_of(c, 0x7f800000u) || bin == lq_bin_of(c, 0xff800000u);
}

static uint32_t dropped_mask(const lq_calibrator *c) {
    return (1u << lq_dropped_bits(c)) - 1u;
}

/* ----------------------------------------------------------------- writing */

typedef struct writer {
    unsigned char *bytes; /* NULL: only counts */
    size_t size, used;
} writer;

static void put(writer *w, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i, ++w->used) {
        if (w->bytes && w->used < w->size) w->bytes[w->used] = (unsigned char)(value >> (8 * i));
    }
}

static void put_float(writer *w, float v) {
    put(w, lq_bits(v + 0.0f), 4);
}

/* Seven bits a byte, the lowest first; the highest bit says that more follow. */
static void put_number(writer *w, uint64_t value) {
    for (; value >= 128; value >>= 7) put(w, (value & 127) | 128, 1);
    put(w, value, 1);
}

/* How many bins from `bin` on have values, or have none. */
static int64_t run_from(const lq_calibrator *c, int64_t channel, int64_t bin, bool values) {
    int64_t n = 0;
    while (bin + n < c->bins && (lq_count_of(c, channel, bin + n) > 0) == values) ++n;
    return n;
}

static void put_bins(writer *w, const lq_calibrator *c, int64_t channel) {
    put(w, lq_low_bits(c)[channel] & dropped_mask(c), 4);
    for (int64_t bin = 0; bin < c->bins;) {
        const int64_t empty = run_from(c, channel, bin, false);
        put_number(w, (uint64_t)empty);
        bin += empty;
        if (bin == c->bins) return;
        const int64_t end = bin + run_from(c, channel, bin, true);
        put_number(w, (uint64_t)(end - bin));
        for (; bin < end; ++bin) {
            put_number(w, lq_count_of(c, channel, bin));
            if (c->sums) put_number(w, lq_sum_of(c, channel, bin));
        }
    }
}

static void put_calibrator(writer *w, const lq_calibrator *c) {
    for (size_t i = 0; i < sizeof magic; ++i) put(w, magic[i], 1);
    put(w, VERSION, 4);
    put(w, (uint64_t)c->statistic, 1);
    put(w, (uint64_t)c->mantissa_bits, 1);
    put(w, (uint64_t)c->bin_sums, 1);
    put(w, (uint64_t)c->per_channel, 1);
    put(w, (uint32_t)c->axis, 4);
    put_float(w, c->averaging);
    put(w, (uint64_t)c->channels, 8);
    for (int64_t i = 0; i < c->channels; ++i) {
        put_float(w, lq_los(c)[i]);
        put_float(w, lq_his(c)[i]);
        if (c->moving_lo) {
            put_float(w, lq_moving_los(c)[i]);
            put_float(w, lq_moving_his(c)[i]);
        }
        if (c->bins) put_bins(w, c, i);
    }
}

lq_status lq_calibrator_serialize(const lq_calibrator *calibrator, void *bytes, size_t size,
                                  size_t *written) {
    const lq_calibrator *c = calibrator;
    writer w = {.bytes = NULL};
    const lq_status status = lq_check_calibrator(c);
    if (status) return status;
    if (!written) return LQ_ERROR_NULL;
    put_calibrator(&w, c);
    const size_t needed = w.used + CHECKSUM_BYTES;
    if (bytes) {
        const lq_span from = lq_calibrator_span(c);
        const lq_span to = {.begin = (uintptr_t)bytes, .end = (uintptr_t)bytes + needed};
        if (size < needed) return LQ_ERROR_SIZE;
        if (lq_spans_meet(from, to)) return LQ_ERROR_OVERLAP;
        w = (writer){.bytes = bytes, .size = size};
        put_calibrator(&w, c);
        put(&w, checksum(bytes, w.used), CHECKSUM_BYTES);
    }
    *written = needed;
    return LQ_OK;
}

/* ----------------------------------------------------------------- reading */

typedef struct reader {
    const unsigned char *bytes;
    size_t size, used;
    bool failed;
} reader;

static uint64_t take(reader *r, int bytes) {
    uint64_t value = 0;
    if (r->failed || r->size - r->used < (size_t)bytes) {
        r->failed = true;
        return 0;
    }
    for (int i = 0; i < bytes; ++i) value |= (uint64_t)r->bytes[r->used++] << (8 * i);
    return value;
}

static float take_float(reader *r) {
    return lq_from_bits((uint32_t)take(r, 4));
}

/* In the one form that put_number gives it. */
static uint64_t take_number(reader *r) {
    uint64_t value = 0;
    for (int shift = 0; shift < 63; shift += 7) {
        const uint64_t byte = take(r, 1);
        value |= (byte & 127) << shift;
        if (byte & 128) continue;
        if (byte == 0 && shift > 0) r->failed = true;
        return value;
    }
    if (take(r, 1) != 1) r->failed = true;
    return value | (uint64_t)1 << 63;
}

static bool is_bits(float v, uint32_t bits) {
    return lq_bits(v) == bits;
}

static bool is_nothing(float lo, float hi) {
    return is_bits(lo, 0x7f800000u) && is_bits(hi, 0xff800000u);
}

/* Zeros are written as +0. */
static bool is_end(float v) {
    return lq_is_finite(v) && !is_bits(v, 0x80000000u);
}

static bool is_range(float lo, float hi) {
    return is_nothing(lo, hi) || (is_end(lo) && is_end(hi) && lo <= hi);
}

/* Averages may have passed each other. */
static bool is_average(float lo, float hi, bool empty) {
    return empty ? is_nothing(lo, hi) : is_end(lo) && is_end(hi);
}

/* What a channel's bins must agree with. */
typedef struct channel_check {
    float lo, hi;
    uint32_t low_bits;
    bool lo_met, hi_met, finite;
} channel_check;

static bool sums_to(const lq_calibrator *c, const channel_check *check, int64_t bin, uint64_t count,
                    uint64_t sum) {
    const uint64_t most = check->low_bits;
    if (is_special(c, bin)) return sum == 0;
    if (sum > LQ_MOST_SUM) return false;
    return count == LQ_MOST_COUNT || sum <= count * most;
}

/* The bin of an end of the range, which must have values. */
static int64_t end_bin(const lq_calibrator *c, float v) {
    return lq_bin_of(c, v == 0 ? LQ_BITS_OF_ZERO : lq_bits(v));
}

/* A finite bin has values: they must lie between the ends. */
static bool between_ends(const lq_calibrator *c, channel_check *check, int64_t bin) {
    const uint32_t first = (uint32_t)bin << lq_dropped_bits(c);
    const bool zero = bin == lq_bin_of(c, LQ_BITS_OF_ZERO);
    const float near = zero ? 0.0f : lq_from_bits(first);
    const float far = zero ? 0.0f : lq_from_bits(first | dropped_mask(c));
    const float low = near < far ? near : far;
    const float high = near < far ? far : near;
    check->finite = true;
    check->lo_met = check->lo_met || bin == end_bin(c, check->lo);
    check->hi_met = check->hi_met || bin == end_bin(c, check->hi);
    return low <= check->hi && high >= check->lo;
}

/* One bin with values, into the calibrator if there is one. */
static void take_bin(reader *r, const lq_calibrator *layout, lq_calibrator *to, int64_t channel,
                     int64_t bin, channel_check *check) {
    const uint64_t count = take_number(r);
    const uint64_t sum = layout->bin_sums ? take_number(r) : 0;
    const bool finite = ((uint32_t)bin << lq_dropped_bits(layout) & 0x7f800000u) != 0x7f800000u;
    if (count == 0 || count > LQ_MOST_COUNT) r->failed = true;
    if (!finite && !is_special(layout, bin)) r->failed = true;
    if (!sums_to(layout, check, bin, count, sum)) r->failed = true;
    if (finite || bin == lq_bin_of(layout, LQ_BITS_OF_ZERO)) {
        if (!between_ends(layout, check, bin)) r->failed = true;
    }
    if (!to || r->failed) return;
    lq_set_count(to, channel, bin, count);
    if (to->sums) lq_bin_sums(to, channel)[bin] = sum;
}

static void take_bins(reader *r, const lq_calibrator *layout, lq_calibrator *to, int64_t channel,
                      channel_check *check) {
    const uint64_t bins = (uint64_t)layout->bins;
    check->low_bits = (uint32_t)take(r, 4);
    if (check->low_bits & ~dropped_mask(layout)) r->failed = true;
    for (uint64_t bin = 0; bin < bins && !r->failed;) {
        const uint64_t empty = take_number(r);
        if (empty > bins - bin || (empty == 0 && bin > 0)) r->failed = true;
        if (r->failed || (bin += empty) == bins) break;
        const uint64_t n = take_number(r);
        if (n == 0 || n > bins - bin) r->failed = true;
        for (uint64_t i = 0; i < n && !r->failed; ++i, ++bin) {
            take_bin(r, layout, to, channel, (int64_t)bin, check);
        }
    }
    const bool ends_met = check->lo_met && check->hi_met;
    const uint32_t ends = lq_bits(check->lo) | lq_bits(check->hi);
    if (check->finite ? !ends_met : lq_is_finite(check->lo)) r->failed = true;
    if (check->finite && (ends & dropped_mask(layout) & ~check->low_bits)) r->failed = true;
    if (!check->finite && check->low_bits) r->failed = true;
    if (to && !r->failed) lq_low_bits(to)[channel] = check->low_bits;
}

static void take_channels(reader *r, const lq_calibrator *layout, lq_calibrator *to) {
    for (int64_t i = 0; i < layout->channels && !r->failed; ++i) {
        channel_check check = {.lo = take_float(r), .hi = 0};
        check.hi = take_float(r);
        if (!is_range(check.lo, check.hi)) r->failed = true;
        if (to) {
            lq_los(to)[i] = check.lo;
            lq_his(to)[i] = check.hi;
        }
        if (layout->moving_lo) {
            const float lo = take_float(r);
            const float hi = take_float(r);
            if (!is_average(lo, hi, !lq_is_finite(check.lo))) r->failed = true;
            if (to) {
                lq_moving_los(to)[i] = lo;
                lq_moving_his(to)[i] = hi;
            }
        }
        if (layout->bins) take_bins(r, layout, to, i, &check);
    }
}

/* The header, to options. */
static lq_status take_options(reader *r, lq_calibrator_options *o) {
    for (size_t i = 0; i < sizeof magic; ++i) {
        if (take(r, 1) != magic[i]) r->failed = true;
    }
    const uint64_t version = take(r, 4);
    if (r->failed) return LQ_ERROR_DATA;
    if (version != VERSION) return LQ_ERROR_VERSION;
    *o = (lq_calibrator_options){.struct_size = sizeof *o};
    o->statistic = (lq_statistic)take(r, 1);
    o->mantissa_bits = (int32_t)take(r, 1);
    o->bin_sums = (int32_t)take(r, 1);
    const uint64_t per_channel = take(r, 1);
    o->axis = (int32_t)(uint32_t)take(r, 4);
    o->averaging = take_float(r);
    const uint64_t channels = take(r, 8);
    const bool histogram = o->statistic == LQ_STATISTIC_HISTOGRAM;
    const bool moving = o->statistic == LQ_STATISTIC_MOVING_AVERAGE;
    /* Defaults are filled in before anything is written. */
    if (histogram && o->mantissa_bits == 0) return LQ_ERROR_DATA;
    if (moving ? !(o->averaging > 0) : !is_bits(o->averaging, 0)) return LQ_ERROR_DATA;
    if (per_channel > 1 || channels > INT64_MAX) return LQ_ERROR_DATA;
    if (per_channel ? channels == 0 : channels != 1) return LQ_ERROR_DATA;
    o->channels = per_channel ? (int64_t)channels : 0;
    return r->failed ? LQ_ERROR_DATA : LQ_OK;
}

/* What a channel takes at least; so that a short text cannot claim many channels. */
static uint64_t least_bytes(const lq_calibrator *layout) {
    if (layout->bins) return 4 + 4 + 4 + 1;
    return layout->moving_lo ? 16 : 8;
}

static lq_status plan_from_bytes(reader *r, const void *bytes, size_t size, lq_calibrator *layout) {
    lq_calibrator_options options;
    if (!bytes) return LQ_ERROR_NULL;
    if (size < HEADER_BYTES + CHECKSUM_BYTES) return LQ_ERROR_DATA;
    *r = (reader){.bytes = bytes, .size = size - CHECKSUM_BYTES};
    lq_status status = take_options(r, &options);
    if (status) return status;
    status = lq_plan_calibrator(&options, layout);
    if (status == LQ_ERROR_OVERFLOW) return status;
    if (status) return LQ_ERROR_DATA;
    if ((uint64_t)layout->channels > (r->size - r->used) / least_bytes(layout)) {
        return LQ_ERROR_DATA;
    }
    return LQ_OK;
}

lq_status lq_serialized_options(const void *bytes, size_t size, lq_calibrator_options *options) {
    lq_calibrator layout;
    reader r;
    if (!options) return LQ_ERROR_NULL;
    lq_status status = lq_check_struct(options, options->struct_size, sizeof *options);
    if (!status) status = plan_from_bytes(&r, bytes, size, &layout);
    if (!status) lq_tell_options(&layout, options);
    return status;
}

/* Everything is read twice: nothing is written before all of it is known to be sound. */
lq_status lq_calibrator_deserialize(lq_calibrator *calibrator, size_t calibrator_size,
                                    const void *bytes, size_t size) {
    lq_calibrator layout;
    reader r;
    if (!calibrator) return LQ_ERROR_NULL;
    const lq_status status = plan_from_bytes(&r, bytes, size, &layout);
    if (status) return status;
    const size_t begin = r.used;
    reader end = {.bytes = bytes, .size = size, .used = r.size};
    take_channels(&r, &layout, NULL);
    if (r.failed || r.used != r.size || take(&end, 8) != checksum(bytes, r.size)) {
        return LQ_ERROR_DATA;
    }
    const lq_span from = {.begin = (uintptr_t)bytes, .end = (uintptr_t)bytes + size};
    const lq_span to = {.begin = (uintptr_t)calibrator,
                        .end = (uintptr_t)calibrator + (uintptr_t)layout.size};
    if (to.begin % 8) return LQ_ERROR_ALIGNMENT;
    if (calibrator_size < layout.size) return LQ_ERROR_SIZE;
    if (lq_spans_meet(from, to)) return LQ_ERROR_OVERLAP;
    lq_clear_calibrator(calibrator, &layout);
    r.used = begin;
    take_channels(&r, &layout, calibrator);
    return LQ_OK;
}
