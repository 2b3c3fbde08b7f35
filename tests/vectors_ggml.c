/*
 * The cases of ggml: records to parts, whose values by the tests' own formulas are ggml's, and back
 * to the same bytes; and values to records, where the rule is ggml's own.
 */
#include "record_values.h"
#include "vectors.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct records {
    lq_layout layout;
    lq_layout_info info;
    int64_t count; /* elements */
    lq_tensor bytes, codes, scale, zero, super_scale, super_zero, sum;
    lq_packed packed;
    lq_parts parts;
    struct record_room *room;
};

static const lq_tensor *part_of(lq_tensor *t, unsigned char *data, lq_type type, int64_t count) {
    *t = lq_vector(data, type, count);
    return type ? t : NULL;
}

static void view_parts(struct vector_case *c, struct records *r) {
    const lq_layout_info *i = &r->info;
    const int64_t blocks = r->count / i->block, records = r->count / i->record;
    const lq_type code = i->code_type == LQ_E2M1 ? LQ_U8 : i->code_type;
    r->room = room_for(c, (int64_t)sizeof *r->room);
    lq_parts_init(&r->parts, sizeof r->parts);
    r->parts.codes = part_of(&r->codes, r->room->codes, code, r->count);
    r->parts.scale = part_of(&r->scale, r->room->scale, i->scale_type, blocks);
    r->parts.zero_point = part_of(&r->zero, r->room->zero, i->zero_type, blocks);
    r->parts.super_scale =
        part_of(&r->super_scale, r->room->super_scale, i->super_scale_type, records);
    r->parts.super_zero_point =
        part_of(&r->super_zero, r->room->super_zero, i->super_zero_type, records);
    r->parts.sum =
        part_of(&r->sum, r->room->sum, i->sum_type, i->sum_block ? r->count / i->sum_block : 0);
}

static void view_bytes(struct records *r, const lq_tensor *bytes) {
    lq_packed_init(&r->packed, sizeof r->packed);
    r->packed.layout = r->layout;
    r->packed.rows = 1;
    r->packed.columns = r->count;
    r->packed.bytes = bytes;
}

static int open_records(struct vector_case *c, struct records *r) {
    const char *type = text_of(c->meta, "type");
    char name[32] = "ggml-";
    for (size_t i = 0; type && type[i] && i < 16; ++i) name[5 + i] = (char)tolower(type[i]);
    r->layout = lq_layout_from_name(name);
    r->bytes = array_of(c, "packed");
    if (!r->layout || !is_there(&r->bytes) ||
        lq_layout_describe(r->layout, &r->info, sizeof r->info) != LQ_OK) {
        vector_fail(c, "%s: no such layout, or no records", name);
        return 0;
    }
    r->count = r->bytes.size / r->info.record_bytes * r->info.record;
    if (r->info.record_bytes != (int64_t)number_of(c->meta, "bytes_per_block", 0) ||
        r->info.record != (int64_t)number_of(c->meta, "block", 0) || r->count > RECORD_MOST) {
        vector_fail(c, "records of another size, or too many");
        return 0;
    }
    view_parts(c, r);
    view_bytes(r, &r->bytes);
    return 1;
}

static void check_status(struct vector_case *c, const char *call, lq_status status) {
    if (status) vector_fail(c, "%s: %s", call, lq_status_string(status));
}

static void compare_bytes(struct vector_case *c, const char *call, const lq_tensor *expected,
                          const lq_tensor *found) {
    const unsigned char *e = expected->data, *f = found->data;
    for (int64_t i = 0; i < expected->size; ++i) {
        if (e[i] == f[i]) continue;
        vector_fail(c, "%s: byte %d is %d, not %d", call, (int)i, f[i], e[i]);
        return;
    }
}

/* ggml knows no NaN of E8M0. */
static int reads_otherwise(const struct records *r, int64_t at) {
    return r->layout == LQ_LAYOUT_GGML_MXFP4 && r->room->scale[at / r->info.block] == 255;
}

static void compare_values(struct vector_case *c, const struct records *r, const char *by,
                           const lq_tensor *y, const lq_tensor *values) {
    for (int64_t i = 0; i < r->count; ++i) {
        const float expected = real_at(y, i), found = real_at(values, i);
        if (memcmp(&expected, &found, sizeof found) == 0) continue;
        if (reads_otherwise(r, i)) {
            vector_leave_out(c, "a scale that is NaN");
        } else if (expected == found && r->info.code_type == LQ_E2M1 && r->room->codes[i] == 8) {
            vector_leave_out(c, "-0, which is 0 in ggml");
        } else {
            vector_fail(c, "%s: value %d is %a, not %a", by, (int)i, (double)found,
                        (double)expected);
            return;
        }
    }
}

/* By the formulas of the tests, and by lq_decode on every level. */
static void check_values(struct vector_case *c, const struct records *r) {
    const lq_tensor y = array_of(c, "y");
    if (!is_there(&y)) return;
    if (elements_of(&y) != r->count) {
        vector_fail(c, "y has %d values", (int)elements_of(&y));
        return;
    }
    const lq_tensor values = empty_like(c, &y);
    for (int64_t i = 0; i < r->count; ++i)
        *f32_at(&values, i) = record_value(&r->info, r->layout, r->room, i);
    compare_values(c, r, "formula", &y, &values);
    for (int i = 0; i < LEVELS; ++i) {
        const lq_tensor decoded = empty_like(c, &y);
        if (!lq_cpu_available(vector_levels[i])) continue;
        check_status(c, "lq_cpu_use", lq_cpu_use(vector_levels[i]));
        check_status(c, "lq_decode", lq_decode(&r->packed, NULL, &decoded, NULL));
        compare_values(c, r, "lq_decode", &y, &decoded);
    }
}

/* TQ1_0 has several bytes for the same codes; packing makes one of them. */
static void compare_codes(struct vector_case *c, const struct records *r, const lq_tensor *back) {
    struct records again = *r;
    view_parts(c, &again);
    view_bytes(&again, back);
    check_status(c, "lq_unpack", lq_unpack(&again.packed, &again.parts, NULL));
    compare_bytes(c, "codes", &r->codes, &again.codes);
    compare_bytes(c, "scales", &r->scale, &again.scale);
}

static void check_packing(struct vector_case *c, const struct records *r) {
    const lq_tensor back = empty_like(c, &r->bytes);
    struct records packed = *r;
    check_status(c, "lq_unpack", lq_unpack(&r->packed, &r->parts, NULL));
    check_values(c, r);
    view_bytes(&packed, &back);
    check_status(c, "lq_pack", lq_pack(&packed.parts, &packed.packed, NULL));
    if (r->layout == LQ_LAYOUT_GGML_TQ1_0)
        compare_codes(c, r, &back);
    else
        compare_bytes(c, "lq_pack", &r->bytes, &back);
}

/* Of a block of zeros, ggml leaves codes of IQ4_NL as it finds them. */
static int is_zero(const lq_tensor *x) {
    for (int64_t i = 0; i < elements_of(x); ++i)
        if (real_at(x, i) != 0) return 0;
    return 1;
}

static void check_encoding(struct vector_case *c, const struct records *r) {
    const lq_tensor x = array_of(c, "x");
    const int searched = r->layout >= LQ_LAYOUT_GGML_Q2_K && r->layout <= LQ_LAYOUT_GGML_Q6_K;
    if (!is_there(&x)) return;
    if (searched) {
        vector_leave_out(c, "scales that ggml searches for");
        return;
    }
    if (r->layout == LQ_LAYOUT_GGML_IQ4_NL && is_zero(&x)) {
        vector_leave_out(c, "codes that ggml does not define");
        return;
    }
    for (int i = 0; i < LEVELS; ++i) {
        const lq_tensor bytes = empty_like(c, &r->bytes);
        struct records encoded = *r;
        if (!lq_cpu_available(vector_levels[i])) continue;
        check_status(c, "lq_cpu_use", lq_cpu_use(vector_levels[i]));
        view_bytes(&encoded, &bytes);
        check_status(c, "lq_encode", lq_encode(&x, NULL, &encoded.packed, NULL));
        compare_bytes(c, "lq_encode", &r->bytes, &bytes);
    }
}

/* After check_packing, which has unpacked the parts. */
static void check_decoding(struct vector_case *c, const struct records *r) {
    const lq_tensor expected = array_of(c, "y");
    if (!is_there(&expected)) return;
    for (int i = 0; i < LEVELS; ++i) {
        const lq_tensor y = floats(c, r->count);
        if (!lq_cpu_available(vector_levels[i])) continue;
        check_status(c, "lq_cpu_use", lq_cpu_use(vector_levels[i]));
        check_status(c, "lq_decode", lq_decode(&r->packed, NULL, &y, NULL));
        for (int64_t k = 0; k < r->count; ++k) {
            const float e = real_at(&expected, k), f = real_at(&y, k);
            if (memcmp(&e, &f, sizeof e) == 0 || reads_otherwise(r, k)) continue;
            vector_fail(c, "lq_decode: value %d is %a, not %a", (int)k, (double)f, (double)e);
            return;
        }
    }
}

static void run_records(struct vector_case *c) {
    struct records r;
    if (!open_records(c, &r)) return;
    c->comparisons += 1;
    check_packing(c, &r);
    check_encoding(c, &r);
    check_decoding(c, &r);
}

const struct vector_family vectors_ggml[] = {
    {"q4_0", run_records, NULL},
    {"q4_1", run_records, NULL},
    {"q5_0", run_records, NULL},
    {"q5_1", run_records, NULL},
    {"q8_0", run_records, NULL},
    {"q8_1", run_records, NULL},
    {"q2_K", run_records, NULL},
    {"q3_K", run_records, NULL},
    {"q4_K", run_records, NULL},
    {"q5_K", run_records, NULL},
    {"q6_K", run_records, NULL},
    {"q8_K", run_records, NULL},
    {"iq4_nl", run_records, NULL},
    {"iq4_xs", run_records, NULL},
    {"tq1_0", run_records, NULL},
    {"tq2_0", run_records, NULL},
    {"mxfp4", run_records, NULL},
    {"nvfp4", run_records, NULL},
    {NULL, NULL, NULL},
};
