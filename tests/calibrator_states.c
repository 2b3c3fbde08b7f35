#include "calibrator_states.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = "LQCALIB";

static void *allocate(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size);
    if (!p) abort();
    return p;
}

static void expect(bool condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "calibrator states: %s\n", what);
    abort();
}

static uint32_t bits_of(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static float of_bits(uint32_t bits) {
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* ------------------------------------------------------------------ states */

void state_init(struct state *s, const lq_calibrator_options *options) {
    lq_calibrator_options *o = &s->options;
    memset(s, 0, sizeof *s);
    *o = *options;
    if (o->statistic == LQ_STATISTIC_HISTOGRAM && o->mantissa_bits == 0) o->mantissa_bits = 7;
    if (o->statistic == LQ_STATISTIC_MOVING_AVERAGE && o->averaging == 0) o->averaging = 0.01f;
    s->channels = o->channels ? o->channels : 1;
    if (o->statistic == LQ_STATISTIC_HISTOGRAM) s->bins = (int64_t)512 << o->mantissa_bits;
    s->channel = allocate((size_t)s->channels, sizeof *s->channel);
    for (int64_t i = 0; i < s->channels; ++i) {
        struct state_channel *c = &s->channel[i];
        c->lo = c->moving_lo = INFINITY;
        c->hi = c->moving_hi = -INFINITY;
        c->count = allocate((size_t)s->bins, sizeof *c->count);
        c->sum = allocate((size_t)s->bins, sizeof *c->sum);
    }
}

void state_free(struct state *s) {
    for (int64_t i = 0; i < s->channels; ++i) {
        free(s->channel[i].count);
        free(s->channel[i].sum);
    }
    free(s->channel);
    memset(s, 0, sizeof *s);
}

static void add_counts(const struct state *s, struct state_channel *c, int64_t bin, uint64_t count,
                       uint64_t sum) {
    const uint64_t room = STATE_MOST_COUNT - c->count[bin];
    const uint64_t room_of_sum = STATE_MOST_SUM - c->sum[bin];
    c->count[bin] += count < room ? count : room;
    if (s->options.bin_sums) c->sum[bin] += sum < room_of_sum ? sum : room_of_sum;
}

static void widen(struct state_channel *c, float lo, float hi) {
    if (lo < c->lo) c->lo = lo;
    if (hi > c->hi) c->hi = hi;
}

void state_add(struct state *s, int64_t channel, float v) {
    struct state_channel *c = &s->channel[channel];
    const uint32_t key = isnan(v) ? 0x7fc00000u : v == 0 ? 0xffc00000u : bits_of(v);
    const int dropped = 23 - s->options.mantissa_bits;
    const uint32_t low = key & ((1u << dropped) - 1u);
    if (isfinite(v)) widen(c, v + 0.0f, v + 0.0f);
    if (!s->bins) return;
    c->low_bits |= low;
    add_counts(s, c, (int64_t)(key >> dropped), 1, low);
}

static float moved(float m, float c, float v) {
    const float difference = v - m;
    const float product = c * difference;
    const float sum = m + product;
    if (isfinite(sum)) return sum;
    return (float)((double)m + (double)c * ((double)v - (double)m));
}

void state_add_batch(struct state *s, int64_t channel, float lo, float hi) {
    struct state_channel *c = &s->channel[channel];
    const bool first = c->moving_lo == INFINITY;
    if (!(lo <= hi)) return;
    widen(c, lo + 0.0f, hi + 0.0f);
    c->moving_lo = first ? lo + 0.0f : moved(c->moving_lo, s->options.averaging, lo);
    c->moving_hi = first ? hi + 0.0f : moved(c->moving_hi, s->options.averaging, hi);
}

void state_merge(struct state *to, const struct state *from) {
    for (int64_t i = 0; i < to->channels; ++i) {
        const struct state_channel *c = &from->channel[i];
        widen(&to->channel[i], c->lo, c->hi);
        to->channel[i].low_bits |= c->low_bits;
        for (int64_t bin = 0; bin < to->bins; ++bin) {
            add_counts(to, &to->channel[i], bin, c->count[bin], c->sum[bin]);
        }
    }
}

/* ----------------------------------------------------------------- writing */

static void put(struct state_bytes *b, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i, value >>= 8) {
        if (b->size == b->room) {
            b->room = 2 * b->room + 64;
            b->data = realloc(b->data, b->room);
            if (!b->data) abort();
        }
        b->data[b->size++] = (unsigned char)value;
    }
}

static void put_float(struct state_bytes *b, float v) {
    put(b, v == 0 ? 0 : bits_of(v), 4);
}

static void put_number(struct state_bytes *b, uint64_t value) {
    do {
        const uint64_t low = value % 128;
        value /= 128;
        put(b, value ? low + 128 : low, 1);
    } while (value);
}

static void put_bins(struct state_bytes *b, const struct state *s, const struct state_channel *c) {
    put(b, c->low_bits, 4);
    for (int64_t bin = 0; bin < s->bins;) {
        int64_t filled = bin;
        while (filled < s->bins && c->count[filled] == 0) ++filled;
        put_number(b, (uint64_t)(filled - bin));
        if (filled == s->bins) return;
        int64_t end = filled;
        while (end < s->bins && c->count[end] > 0) ++end;
        put_number(b, (uint64_t)(end - filled));
        for (bin = filled; bin < end; ++bin) {
            put_number(b, c->count[bin]);
            if (s->options.bin_sums) put_number(b, c->sum[bin]);
        }
    }
}

struct state_bytes state_encode(const struct state *s) {
    const lq_calibrator_options *o = &s->options;
    struct state_bytes b = {NULL, 0, 0};
    for (int i = 0; i < 8; ++i) put(&b, (unsigned char)magic[i], 1);
    put(&b, 1, 4);
    put(&b, (uint64_t)o->statistic, 1);
    put(&b, (uint64_t)o->mantissa_bits, 1);
    put(&b, (uint64_t)o->bin_sums, 1);
    put(&b, o->channels > 0, 1);
    put(&b, (uint32_t)o->axis, 4);
    put_float(&b, o->averaging);
    put(&b, (uint64_t)s->channels, 8);
    for (int64_t i = 0; i < s->channels; ++i) {
        const struct state_channel *c = &s->channel[i];
        put_float(&b, c->lo);
        put_float(&b, c->hi);
        if (o->statistic == LQ_STATISTIC_MOVING_AVERAGE) {
            put_float(&b, c->moving_lo);
            put_float(&b, c->moving_hi);
        }
        if (s->bins) put_bins(&b, s, c);
    }
    put(&b, 0, STATE_CHECKSUM);
    state_seal(b.data, b.size);
    b.data = realloc(b.data, b.size);
    if (!b.data) abort();
    b.room = b.size;
    return b;
}

uint64_t state_hash(const unsigned char *bytes, size_t size) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; ++i) {
        hash ^= bytes[i];
        hash *= UINT64_C(1099511628211);
    }
    return hash;
}

void state_seal(unsigned char *bytes, size_t size) {
    const uint64_t hash = state_hash(bytes, size - STATE_CHECKSUM);
    for (int i = 0; i < STATE_CHECKSUM; ++i) {
        bytes[size - STATE_CHECKSUM + (size_t)i] = (unsigned char)(hash >> (8 * i));
    }
}

/* ----------------------------------------------------------------- reading */

struct cursor {
    const unsigned char *at, *end;
    bool good;
};

static uint64_t get(struct cursor *c, int bytes) {
    uint64_t value = 0;
    if (c->end - c->at < bytes) c->good = false;
    if (!c->good) return 0;
    for (int i = bytes - 1; i >= 0; --i) value = value * 256 + c->at[i];
    c->at += bytes;
    return value;
}

static float get_float(struct cursor *c) {
    return of_bits((uint32_t)get(c, 4));
}

static uint64_t get_number(struct cursor *c) {
    uint64_t value = 0;
    for (int shift = 0; c->good && shift < 64; shift += 7) {
        const uint64_t byte = get(c, 1);
        value |= (byte & 127) << shift;
        if (byte < 128) return value;
    }
    c->good = false;
    return 0;
}

static void get_bins(struct cursor *c, const struct state *s, struct state_channel *to) {
    bool filled = false;
    to->low_bits = (uint32_t)get(c, 4);
    for (int64_t bin = 0; c->good && bin < s->bins; filled = !filled) {
        const uint64_t run = get_number(c);
        if (run > (uint64_t)(s->bins - bin)) c->good = false;
        for (uint64_t i = 0; c->good && filled && i < run; ++i) {
            to->count[bin + (int64_t)i] = get_number(c);
            if (s->options.bin_sums) to->sum[bin + (int64_t)i] = get_number(c);
        }
        if (c->good) bin += (int64_t)run;
    }
}

bool state_decode(const unsigned char *bytes, size_t size, struct state *s) {
    struct cursor c = {bytes, bytes + size, size >= STATE_HEADER + STATE_CHECKSUM};
    lq_calibrator_options o = lq_calibrate_per_tensor();
    memset(s, 0, sizeof *s);
    for (int i = 0; i < 8; ++i) c.good &= get(&c, 1) == (unsigned char)magic[i];
    if (get(&c, 4) != 1 || !c.good) return false;
    c.end -= STATE_CHECKSUM;
    o.statistic = (lq_statistic)get(&c, 1);
    o.mantissa_bits = (int32_t)get(&c, 1);
    o.bin_sums = (int32_t)get(&c, 1);
    const bool per_channel = get(&c, 1);
    o.axis = (int32_t)(uint32_t)get(&c, 4);
    o.averaging = get_float(&c);
    const uint64_t channels = get(&c, 8);
    if (o.mantissa_bits > 10 || channels < 1 || channels > size) return false;
    o.channels = per_channel ? (int64_t)channels : 0;
    state_init(s, &o);
    for (int64_t i = 0; i < s->channels && c.good; ++i) {
        s->channel[i].lo = get_float(&c);
        s->channel[i].hi = get_float(&c);
        if (o.statistic == LQ_STATISTIC_MOVING_AVERAGE) {
            s->channel[i].moving_lo = get_float(&c);
            s->channel[i].moving_hi = get_float(&c);
        }
        if (s->bins) get_bins(&c, s, &s->channel[i]);
    }
    const uint64_t hash = state_hash(bytes, size - STATE_CHECKSUM);
    bool good = c.good && c.at == c.end;
    c.end += STATE_CHECKSUM;
    good = good && get(&c, STATE_CHECKSUM) == hash;
    if (!good) state_free(s);
    return good;
}

/* -------------------------------------------------------------- the library's */

lq_calibrator *calibrator_new(const lq_calibrator_options *options, size_t *size) {
    size_t needed;
    expect(lq_calibrator_size(options, &needed) == LQ_OK, "options are refused");
    lq_calibrator *c = allocate(needed, 1);
    expect(lq_calibrator_init(c, needed, options) == LQ_OK, "a calibrator cannot be made");
    if (size) *size = needed;
    return c;
}

struct state_bytes calibrator_bytes(const lq_calibrator *c) {
    struct state_bytes b = {NULL, 0, 0};
    size_t again;
    expect(lq_calibrator_serialize(c, NULL, 0, &b.size) == LQ_OK, "no size of the bytes");
    b.data = allocate(b.size, 1);
    expect(lq_calibrator_serialize(c, b.data, b.size, &again) == LQ_OK, "no bytes");
    expect(again == b.size, "the bytes have another size");
    b.room = b.size;
    return b;
}
