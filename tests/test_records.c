/*
 * Layouts of records: bits against a drawing of where each one is, bytes back as they were, limits,
 * and sums that packing computes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guarded.h"
#include "layouts.h"
#include "record_values.h"

enum { RECORDS = 3, BYTES = 512 };

/* ------------------------------------------------------------------ drawings */

/* Codes in halves of a block: where they begin, and how many share the low bits. */
static int64_t nibble(int byte, int i, int half, int bit) {
    return 8 * (byte + i % half) + i / half % 2 * 4 + bit;
}

static int pair(int byte, int i, int bit) {
    return 8 * (byte + i / 128 * 32 + i % 32) + i % 128 / 32 * 2 + bit;
}

/* Where bit `bit` of what stands for code i is in a record. */
static int64_t code_bit(lq_layout layout, int i, int bit) {
    switch (layout) {
    case LQ_LAYOUT_GGML_Q4_0:
    case LQ_LAYOUT_GGML_IQ4_NL: return nibble(2, i, 16, bit);
    case LQ_LAYOUT_GGML_Q4_1: return nibble(4, i, 16, bit);
    case LQ_LAYOUT_GGML_Q5_0: return bit == 4 ? 8 * 2 + i : nibble(6, i, 16, bit);
    case LQ_LAYOUT_GGML_Q5_1: return bit == 4 ? 8 * 4 + i : nibble(8, i, 16, bit);
    case LQ_LAYOUT_GGML_Q8_0: return 8 * (2 + i) + bit;
    case LQ_LAYOUT_GGML_Q8_1:
    case LQ_LAYOUT_GGML_Q8_K: return 8 * (4 + i) + bit;
    case LQ_LAYOUT_GGML_Q2_K: return pair(16, i, bit);
    case LQ_LAYOUT_GGML_Q3_K: return bit == 2 ? 8 * (i % 32) + i / 32 : pair(32, i, bit);
    case LQ_LAYOUT_GGML_Q4_K: return nibble(16 + i / 64 * 32, i % 64, 32, bit);
    case LQ_LAYOUT_GGML_Q5_K:
        return bit == 4 ? 8 * (16 + i % 32) + i / 32 : nibble(48 + i / 64 * 32, i % 64, 32, bit);
    case LQ_LAYOUT_GGML_Q6_K:
        return bit >= 4 ? pair(128, i, bit - 4) : nibble(i / 128 * 64, i % 128, 64, bit);
    case LQ_LAYOUT_GGML_IQ4_XS: return nibble(8 + i / 32 * 16, i % 32, 16, bit);
    case LQ_LAYOUT_GGML_TQ2_0: return pair(0, i, bit);
    case LQ_LAYOUT_GGML_MXFP4: return nibble(1, i, 16, bit);
    case LQ_LAYOUT_GGML_NVFP4: return nibble(4 + i / 16 * 8, i % 16, 8, bit);
    default: return -1;
    }
}

/* Of six bits, the first four blocks' together, the others' in two places. */
static int64_t k4_bit(int first, int low_shift, int block, int bit) {
    if (block < 4) return 8 * (first + block) + bit;
    return bit < 4 ? 8 * (12 + block - 4) + low_shift + bit : 8 * (first + block - 4) + 2 + bit;
}

static int64_t scale_bit(lq_layout layout, int block, int bit) {
    switch (layout) {
    case LQ_LAYOUT_GGML_Q2_K: return 8 * block + bit;
    case LQ_LAYOUT_GGML_Q3_K:
        return bit < 4 ? 8 * (96 + block % 8) + block / 8 * 4 + bit
                       : 8 * (104 + block % 4) + block / 4 * 2 + bit - 4;
    case LQ_LAYOUT_GGML_Q4_K:
    case LQ_LAYOUT_GGML_Q5_K: return k4_bit(4, 0, block, bit);
    case LQ_LAYOUT_GGML_Q6_K: return 8 * (192 + block) + bit;
    case LQ_LAYOUT_GGML_Q8_K: return bit;
    case LQ_LAYOUT_GGML_IQ4_XS:
        return bit < 4 ? 8 * (4 + block / 2) + block % 2 * 4 + bit : 8 * 2 + 2 * block + bit - 4;
    case LQ_LAYOUT_GGML_TQ1_0: return 8 * 52 + bit;
    case LQ_LAYOUT_GGML_TQ2_0: return 8 * 64 + bit;
    default: return 8 * block + bit; /* the record begins with it */
    }
}

static int64_t zero_bit(lq_layout layout, int block, int bit) {
    if (layout == LQ_LAYOUT_GGML_Q2_K) return 8 * block + 4 + bit;
    if (layout == LQ_LAYOUT_GGML_Q4_K || layout == LQ_LAYOUT_GGML_Q5_K)
        return k4_bit(8, 4, block, bit);
    return 8 * 2 + bit;
}

static int super_byte(lq_layout layout) {
    switch (layout) {
    case LQ_LAYOUT_GGML_Q2_K: return 80;
    case LQ_LAYOUT_GGML_Q3_K: return 108;
    case LQ_LAYOUT_GGML_Q6_K: return 208;
    default: return 0;
    }
}

typedef int64_t bit_fn(lq_layout layout, int index, int bit);

static uint32_t bits_of(bit_fn *where, lq_layout layout, const unsigned char *record, int index,
                        int bits) {
    uint32_t v = 0;
    for (int bit = 0; bit < bits; ++bit) {
        const int64_t at = where(layout, index, bit);
        v |= (uint32_t)(record[at / 8] >> at % 8 & 1) << bit;
    }
    return v;
}

/* TQ1_0: the digits of a number in base 3 whose 256 / 243 the byte is, rounded up. */
static uint32_t digit_of(const unsigned char *record, int i) {
    static const int powers[] = {81, 27, 9, 3, 1};
    const int width = i < 160 ? 32 : i < 240 ? 16 : 4, from = i < 160 ? 0 : i < 240 ? 160 : 240;
    const int byte = record[(i < 160 ? 0 : i < 240 ? 32 : 48) + (i - from) % width];
    const int number = byte * 243 / 256;
    return (uint32_t)(number / powers[(i - from) / width] % 3);
}

/* -------------------------------------------------------------------- records */

struct shape {
    lq_layout layout;
    const lq_layout_row *row;
    lq_layout_info info;
    int64_t size;
};

static struct shape shape_of(int which) {
    struct shape s = {.layout = record_layouts[which]};
    s.row = lq_layout_find(s.layout);
    assert_non_null(s.row);
    assert_int_equal(lq_layout_describe(s.layout, &s.info, sizeof s.info), LQ_OK);
    s.size = RECORDS * s.info.record_bytes;
    return s;
}

static lq_record_parts parts_in(struct record_room *room) {
    return (lq_record_parts){room->codes,       room->scale,      room->zero,
                             room->super_scale, room->super_zero, room->sum};
}

/* Bytes that packing could have made: of TQ1_0 not every byte is one, of the rest all are. */
static void random_records(const struct shape *s, unsigned char *bytes) {
    for (int64_t i = 0; i < s->size; ++i) {
        const int64_t at = i % s->info.record_bytes;
        bytes[i] = (unsigned char)random_below(256);
        if (s->layout != LQ_LAYOUT_GGML_TQ1_0 || at >= 52) continue;
        const uint32_t number = at < 48 ? random_below(243) : random_below(81) * 3;
        bytes[i] = (unsigned char)((number * 256 + 242) / 243);
    }
}

/* The part's bits in a word, in the machine's order. */
static uint32_t word_of(lq_type type, const unsigned char *part, int64_t at) {
    uint32_t w;
    uint16_t h;
    switch (type & 0xff) {
    case 32: memcpy(&w, part + 4 * at, sizeof w); return w;
    case 16: memcpy(&h, part + 2 * at, sizeof h); return h;
    default: return part[at];
    }
}

static void compare_codes(const struct shape *s, const unsigned char *record,
                          const unsigned char *codes) {
    /* Two's complement has its highest bit the other way round than what begins at 0. */
    const lq_limits limits = s->row->codes;
    for (int i = 0; i < s->info.record; ++i) {
        const int32_t code = limits.min < 0 && codes[i] > 127 ? codes[i] - 256 : codes[i];
        uint32_t stored = s->layout == LQ_LAYOUT_GGML_TQ1_0
                              ? digit_of(record, i)
                              : bits_of(code_bit, s->layout, record, i, s->info.bits);
        if (s->info.bits == 8 && stored > 127)
            assert_int_equal(code, (int32_t)stored - 256);
        else
            assert_int_equal(code, (int32_t)stored + (s->info.bits == 8 ? 0 : limits.min));
        assert_in_range(code - limits.min, 0, limits.max - limits.min);
    }
}

static void compare_parameters(const struct shape *s, const unsigned char *record,
                               const struct record_room *room, int64_t index) {
    const int blocks = (int)(s->info.record / s->info.block);
    const lq_limits scales = s->row->scales, zeros = s->row->zeros;
    const bool levels = s->info.super_scale_type != 0;
    for (int b = 0; b < blocks; ++b) {
        const int width = levels ? scales.max - scales.min == 255  ? 8
                                   : scales.max - scales.min == 63 ? 6
                                                                   : 4
                                 : s->info.scale_type & 0xff;
        const uint32_t stored = bits_of(scale_bit, s->layout, record, b, width);
        const uint32_t part = word_of(s->info.scale_type, room->scale, index * blocks + b);
        /* 6 bits are offset, 8 are two's complement. */
        assert_int_equal(part, width == 6 ? (stored + (uint32_t)scales.min) & 255u : stored);
        if (!s->info.zero_type) continue;
        assert_int_equal(word_of(s->info.zero_type, room->zero, index * blocks + b),
                         bits_of(zero_bit, s->layout, record, b,
                                 !levels           ? 16
                                 : zeros.max == 15 ? 4
                                                   : 6));
    }
    if (!levels) return;
    const unsigned char *super = record + super_byte(s->layout);
    assert_int_equal(word_of(LQ_F16, room->super_scale, index), super[0] | super[1] << 8);
    if (s->info.super_zero_type)
        assert_int_equal(word_of(LQ_F16, room->super_zero, index), super[2] | super[3] << 8);
}

static void test_drawings(void **state) {
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        const struct shape s = shape_of(which);
        unsigned char bytes[RECORDS * BYTES];
        struct record_room room;
        const lq_record_parts parts = parts_in(&room);
        for (int repeat = 0; repeat < 20; ++repeat) {
            random_records(&s, bytes);
            s.row->unpack(bytes, RECORDS, &parts);
            for (int r = 0; r < RECORDS; ++r) {
                const unsigned char *record = bytes + r * s.info.record_bytes;
                compare_codes(&s, record, room.codes + r * s.info.record);
                compare_parameters(&s, record, &room, r);
            }
        }
    }
}

/* From memory that ends where records do, into memory that does. */
static void test_bytes_come_back(void **state) {
    guarded from = guarded_new(RECORDS * BYTES), to = guarded_new(RECORDS * BYTES);
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        const struct shape s = shape_of(which);
        struct record_room room;
        const lq_record_parts parts = parts_in(&room);
        for (int repeat = 0; repeat < 200; ++repeat) {
            unsigned char *in = repeat % 2 ? from.begin : from.end - s.size;
            unsigned char *out = repeat % 2 ? to.begin : to.end - s.size;
            random_records(&s, in);
            memset(to.begin, repeat, (size_t)(to.end - to.begin));
            s.row->unpack(in, RECORDS, &parts);
            s.row->pack(&parts, RECORDS, out);
            assert_memory_equal(in, out, (size_t)s.size);
        }
    }
    guarded_free(&from);
    guarded_free(&to);
}

/* Parts of records end where they end. */
static void test_parts_are_whole(void **state) {
    (void)state;
    for (int which = 0; which < RECORD_LAYOUTS; ++which) {
        const struct shape s = shape_of(which);
        const lq_layout_info *info = &s.info;
        const int64_t blocks = RECORDS * info->record / info->block;
        unsigned char bytes[RECORDS * BYTES];
        struct record_room room;
        const lq_record_parts parts = parts_in(&room);
        random_records(&s, bytes);
        memset(&room, 0xa5, sizeof room);
        s.row->unpack(bytes, RECORDS, &parts);
        const struct {
            lq_type type;
            int64_t count;
            const unsigned char *part;
        } ends[] = {
            {LQ_U8, RECORDS * info->record, room.codes},
            {info->scale_type, blocks, room.scale},
            {info->zero_type, blocks, room.zero},
            {info->super_scale_type, RECORDS, room.super_scale},
            {info->super_zero_type, RECORDS, room.super_zero},
            {info->sum_type, info->sum_block ? RECORDS * info->record / info->sum_block : 0,
             room.sum},
        };
        for (size_t k = 0; k < sizeof ends / sizeof ends[0]; ++k)
            for (int64_t i = 0; i < 16; ++i)
                assert_int_equal(ends[k].part[(ends[k].type & 0xff) / 8 * ends[k].count + i], 0xa5);
    }
}

/* Sums that are not given are those of the codes times the scale, in F16. */
static void test_sums_of_q8_1(void **state) {
    /* 1, 1.5 * 2^15 of either sign, which is too much times 4064, NaN and infinity. */
    static const uint16_t scales[] = {0x3c00, 0x7a00, 0xfa00, 0x7e01, 0x7c00};
    static const uint16_t sums[] = {0x6bf0, 0x7bff, 0xfbff, 0x7e00, 0x7bff};
    const lq_layout_row *row = lq_layout_find(LQ_LAYOUT_GGML_Q8_1);
    (void)state;
    for (int k = 0; k < 5; ++k) {
        struct record_room room;
        lq_record_parts parts = parts_in(&room);
        unsigned char bytes[BYTES];
        memset(room.codes, 127, sizeof room.codes);
        memcpy(room.scale, &scales[k], 2);
        parts.sum = NULL;
        row->pack(&parts, 1, bytes);
        assert_int_equal(bytes[2] | bytes[3] << 8, sums[k]);
    }
}

static void test_sums_of_q8_k(void **state) {
    const lq_layout_row *row = lq_layout_find(LQ_LAYOUT_GGML_Q8_K);
    struct record_room room;
    lq_record_parts parts = parts_in(&room);
    unsigned char bytes[BYTES];
    (void)state;
    memset(&room, 0, sizeof room);
    for (int i = 0; i < 256; ++i)
        room.codes[i] = (unsigned char)(i < 16 ? 128 : i < 32 ? 127 : random_below(256));
    parts.sum = NULL;
    row->pack(&parts, 1, bytes);
    for (int j = 0; j < 16; ++j) {
        int sum = 0;
        for (int i = 16 * j; i < 16 * j + 16; ++i)
            sum += room.codes[i] < 128 ? room.codes[i] : room.codes[i] - 256;
        assert_int_equal(bytes[260 + 2 * j] | bytes[261 + 2 * j] << 8, sum & 0xffff);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawings),        cmocka_unit_test(test_bytes_come_back),
        cmocka_unit_test(test_parts_are_whole), cmocka_unit_test(test_sums_of_q8_1),
        cmocka_unit_test(test_sums_of_q8_k),
    };
    random_seed(20261121);
    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
