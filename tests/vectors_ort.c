/* The cases of ONNX Runtime's Python tools and of ONNX Neural Compressor. */
#include "vectors.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Types by name, "int8" or "uint3": the code type that holds them, and their range. */
struct qtype {
    lq_type type;  /* the narrowest that there is */
    lq_type bytes; /* of one code a byte */
    int exact;     /* the type has that range */
    int32_t low, high;
};

static int find_qtype(struct vector_case *c, const char *name, struct qtype *t) {
    const int is_signed = name && name[0] == 'i';
    const char *digits = name && strncmp(name, "int", 3) == 0    ? name + 3
                         : name && strncmp(name, "uint", 4) == 0 ? name + 4
                                                                 : "0";
    const int bits = atoi(digits);
    if (bits < 1 || bits > 16) {
        vector_fail(c, "type %s", name ? name : "missing");
        return 0;
    }
    t->exact = bits == 2 || bits == 4 || bits == 8 || bits == 16;
    const int width = bits > 8 ? 16 : t->exact ? bits : 8;
    t->type = (is_signed ? 0x1000 : 0x2000) | width;
    t->bytes = (is_signed ? 0x1000 : 0x2000) | (width < 8 ? 8 : width);
    t->low = is_signed ? -(1 << (bits - 1)) : 0;
    t->high = t->low + (1 << bits) - 1;
    return 1;
}

/* Half of what the codes could be, as the tools have it. */
static void reduce(const char *qtype, int32_t *qmin, int32_t *qmax) {
    static const struct {
        const char *name;
        int32_t qmin, qmax;
    } ranges[] = {{"int8", -64, 64}, {"uint8", 0, 127},    {"int16", -16384, 16384},
                  {"int4", -4, 3},   {"uint16", 0, 32767}, {"uint4", 0, 7}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; ++i) {
        if (strcmp(ranges[i].name, qtype) != 0) continue;
        *qmin = ranges[i].qmin;
        *qmax = ranges[i].qmax;
    }
}

static int need(struct vector_case *c, const lq_tensor *t, const char *key) {
    if (!is_there(t)) vector_fail(c, "no array %s", key);
    return is_there(t);
}

static lq_tensor flat_reals(struct vector_case *c, const char *key) {
    const lq_tensor t = reals_of(c, key);
    return flat(&t);
}

static lq_tensor flat_integers(struct vector_case *c, const char *key) {
    const lq_tensor t = integers_of(c, key);
    return flat(&t);
}

static lq_scheme scheme_of(struct vector_case *c, const struct qtype *t) {
    const int symmetric = truth_of(c->meta, "symmetric");
    const char *name = text_of(c->meta, "qtype");
    lq_scheme scheme =
        lq_profile_scheme(symmetric ? LQ_PROFILE_ONNXRUNTIME_SYMMETRIC : LQ_PROFILE_ONNXRUNTIME,
                          t->type, lq_per_tensor());
    if (truth_of(c->meta, "reduce_range")) reduce(name, &scheme.qmin, &scheme.qmax);
    if (has_key(c->meta, "qmin")) {
        scheme.qmin = (int32_t)number_of(c->meta, "qmin", 0);
        scheme.qmax = (int32_t)number_of(c->meta, "qmax", 0);
    }
    return scheme;
}

/* `wide` as the type of `like`, to nearest even. */
static void narrow(struct vector_case *c, const lq_tensor *wide, lq_tensor *like) {
    const lq_tensor out = empty_like(c, like);
    const lq_status status = lq_convert(wide, &out, LQ_OVERFLOW_INFINITE, NULL);
    if (status) vector_fail(c, "lq_convert: %s", lq_status_string(status));
    *like = out;
}

/* The tools' min_real_range, which widens ranges before anything else, in the type of the ends. */
static void widen(struct vector_case *c, lq_tensor *lo, lq_tensor *hi) {
    const int64_t count = elements_of(lo);
    if (!has_key(c->meta, "min_real_range")) return;
    lq_tensor least = floats(c, 1), wide_lo = floats(c, count), wide_hi = floats(c, count);
    lq_tensor one = lq_vector(room_for(c, 4), lo->type, 1);
    *f32_at(&least, 0) = (float)number_of(c->meta, "min_real_range", 0);
    narrow(c, &least, &one);
    for (int64_t i = 0; i < count; ++i) {
        const float low = fminf(real_at(lo, i), 0), high = fmaxf(real_at(hi, i), 0);
        *f32_at(&wide_lo, i) = low;
        *f32_at(&wide_hi, i) = fmaxf(high, low + real_at(&one, 0));
    }
    narrow(c, &wide_lo, lo);
    narrow(c, &wide_hi, hi);
}

static int is_finite_at(const lq_tensor *t, int64_t i) {
    return fabsf(real_at(t, i)) <= FLT_MAX;
}

static void move_element(const lq_tensor *t, int64_t from, int64_t to) {
    const size_t size = (size_t)(t->type & 0xff) / 8;
    memmove((char *)t->data + size * (size_t)to, (char *)t->data + size * (size_t)from, size);
}

/* Parameters of many ranges. Where hi - lo overflows, the scale is infinite there and never here. */
static void check_ranges(struct vector_case *c, const lq_scheme *scheme, const lq_tensor *lo,
                         const lq_tensor *hi, const lq_tensor *scale, const lq_tensor *zero) {
    const lq_tensor *const in[4] = {lo, hi, scale, zero};
    const int64_t count = elements_of(lo);
    lq_tensor out[4];
    int64_t kept = 0;
    for (int k = 0; k < 4; ++k) {
        if (elements_of(in[k]) != count) {
            vector_fail(c, "arrays of different sizes");
            return;
        }
        out[k] = empty_like(c, in[k]);
        memcpy(out[k].data, in[k]->data, (size_t)out[k].size);
    }
    for (int64_t i = 0; i < count; ++i) {
        if (!is_finite_at(scale, i)) {
            vector_leave_out(c, "an infinite scale");
            continue;
        }
        for (int k = 0; k < 4; ++k) move_element(&out[k], i, kept);
        kept += 1;
    }
    for (int k = 0; k < 4; ++k) out[k] = lq_vector(out[k].data, out[k].type, kept);
    check_choose(c, scheme, &out[0], &out[1], &out[2], &out[3]);
}

static void run_scale_zp(struct vector_case *c) {
    struct qtype t;
    lq_tensor lo = flat_reals(c, "rmin"), hi = flat_reals(c, "rmax");
    const lq_tensor scale = flat_reals(c, "scale"), zero = flat_integers(c, "zero_point");
    if (!find_qtype(c, text_of(c->meta, "qtype"), &t) || !need(c, &lo, "rmin") ||
        !need(c, &hi, "rmax") || !need(c, &scale, "scale") || !need(c, &zero, "zero_point"))
        return;
    const lq_scheme scheme = scheme_of(c, &t);
    widen(c, &lo, &hi);
    check_ranges(c, &scheme, &lo, &hi, &scale, &zero);
}

/* Codes of the file, one a byte, as the code type has them. */
static lq_tensor codes_as(struct vector_case *c, const lq_tensor *q, lq_type type) {
    return q->type == type ? *q : packed_like(c, q, type);
}

static void check_stored_packed(struct vector_case *c, const char *key, const lq_tensor *packed,
                                const lq_tensor *bytes) {
    const lq_tensor stored = array_of(c, key);
    if (!is_there(&stored)) return;
    if (stored.size != packed->size || memcmp(stored.data, packed->data, (size_t)stored.size) != 0)
        vector_fail(c, "%s is packed in another way", key);
    check_pack(c, bytes, packed);
}

static void run_quantize_data(struct vector_case *c) {
    struct qtype t;
    const lq_tensor x = array_of(c, "x"), q = array_of(c, "q");
    lq_tensor lo = flat_reals(c, "rmin"), hi = flat_reals(c, "rmax");
    const lq_tensor scale = flat_reals(c, "scale"), zero = flat_integers(c, "zero_point");
    if (!find_qtype(c, text_of(c->meta, "qtype"), &t) || !need(c, &x, "x") || !need(c, &q, "q") ||
        !need(c, &lo, "rmin") || !need(c, &hi, "rmax") || !need(c, &scale, "scale") ||
        !need(c, &zero, "zero_point"))
        return;
    const lq_scheme scheme = scheme_of(c, &t);
    const lq_tensor codes = codes_as(c, &q, t.type);
    widen(c, &lo, &hi);
    check_ranges(c, &scheme, &lo, &hi, &scale, &zero);
    check_quantize(c, &scheme, &x, &scale, &zero, &codes);
    if (!has_key(c->meta, "min_real_range")) {
        check_calibrate(c, &scheme, &x, &scale, &zero);
        check_dynamic(c, &scheme, &x, &codes, &scale, &zero);
    }
    if (t.type != t.bytes) check_stored_packed(c, "packed", &codes, &q);
}

static void run_blocks(struct vector_case *c) {
    const int symmetric = truth_of(c->meta, "symmetric");
    const lq_type type = symmetric ? LQ_S4 : LQ_U4;
    const lq_tensor x = array_of(c, "x"), q = array_of(c, "q"), scale = reals_of(c, "scale");
    const lq_block block = lq_per_block((int32_t)number_of(c->meta, "axis", 0),
                                        (int64_t)number_of(c->meta, "block_size", 0));
    if (!need(c, &x, "x") || !need(c, &q, "q") || !need(c, &scale, "scale")) return;
    if (q.type != (symmetric ? LQ_S8 : LQ_U8)) {
        vector_fail(c, "codes of another type");
        return;
    }
    lq_tensor zero = array_of(c, "zero_point");
    if (symmetric && !is_there(&zero)) {
        zero = lq_contiguous(room_for(c, scale.size), LQ_S32, scale.rank, scale.shape);
        memset(zero.data, 0, (size_t)zero.size);
    }
    if (!need(c, &zero, "zero_point")) return;
    const lq_scheme scheme = lq_profile_scheme(symmetric ? LQ_PROFILE_ONNXRUNTIME_BLOCKS
                                                         : LQ_PROFILE_ONNXRUNTIME_BLOCKS_AFFINE,
                                               type, block);
    const lq_tensor codes = codes_as(c, &q, type);
    check_calibrate(c, &scheme, &x, &scale, &zero);
    check_dynamic(c, &scheme, &x, &codes, &scale, &zero);
    check_quantize(c, &scheme, &x, &scale, &zero, &codes);
    check_stored_packed(c, "q_packed", &codes, &q);
    if (!symmetric) {
        const lq_tensor packed = codes_as(c, &zero, LQ_U4);
        check_stored_packed(c, "zero_point_packed", &packed, &zero);
    }
}

/* ----------------------------------------------------------- histogram calibration */

/* From the range that a histogram gave, the parameters of four kinds of codes. */
static void check_thresholds(struct vector_case *c, const lq_tensor *lo, const lq_tensor *hi) {
    static const char *const kinds[4] = {"uint8_asym", "uint8_sym", "int8_asym", "int8_sym"};
    for (int k = 0; k < 4; ++k) {
        char key[32];
        snprintf(key, sizeof key, "scale_%s", kinds[k]);
        const lq_tensor scale = flat_reals(c, key);
        if (!need(c, &scale, key)) continue;
        snprintf(key, sizeof key, "zp_%s", kinds[k]);
        const lq_tensor zero = flat_integers(c, key);
        if (!need(c, &zero, key)) continue;
        const lq_scheme scheme =
            lq_profile_scheme(k % 2 ? LQ_PROFILE_ONNXRUNTIME_SYMMETRIC : LQ_PROFILE_ONNXRUNTIME,
                              k < 2 ? LQ_U8 : LQ_S8, lq_per_tensor());
        check_ranges(c, &scheme, lo, hi, &scale, &zero);
    }
}

static lq_method threshold_method(const struct vector_case *c) {
    if (strcmp(c->family, "percentile") != 0) return LQ_METHOD_ONNXRUNTIME_ENTROPY;
    return truth_of(c->meta, "symmetric") ? LQ_METHOD_ONNXRUNTIME_PERCENTILE_SYMMETRIC
                                          : LQ_METHOD_ONNXRUNTIME_PERCENTILE;
}

/*
 * Where the file says that float32 decided between nearly equal divergences, what float64 decides
 * is right, too.
 */
static int accepts_f64(struct vector_case *c, float lo, float hi) {
    const lq_tensor low = array_of(c, "thr_low_f64"), high = array_of(c, "thr_high_f64");
    const lq_tensor first = array_of(c, "thr_low"), last = array_of(c, "thr_high");
    if (!truth_of(c->meta, "kl_precision_sensitive") || !is_there(&low) || !is_there(&high))
        return 0;
    return (lo != real_at(&first, 0) || hi != real_at(&last, 0)) && lo == real_at(&low, 0) &&
           hi == real_at(&high, 0);
}

static void run_thresholds(struct vector_case *c) {
    const lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_ONNXRUNTIME, LQ_U8, lq_per_tensor());
    const lq_tensor low = array_of(c, "thr_low"), high = array_of(c, "thr_high");
    const lq_tensor min = array_of(c, "min_value"), max = array_of(c, "max_value");
    const lq_tensor lo = floats(c, 1), hi = floats(c, 1);
    lq_calibration by = lq_calibration_by(threshold_method(c));
    lq_histogram h;
    if (!need(c, &low, "thr_low") || !need(c, &high, "thr_high") || !need(c, &min, "min_value") ||
        !need(c, &max, "max_value") || !histogram_of(c, "hist", "hist_edges", &h))
        return;
    h.min = real_at(&min, 0);
    h.max = real_at(&max, 0);
    by.percentile = number_of(c->meta, "percentile", 0);
    by.quantized_bins = (int32_t)number_of(c->meta, "num_quantized_bins", 0);
    if (!find_range(c, &h, &by, &scheme, f32_at(&lo, 0), f32_at(&hi, 0))) return;
    /* Ends out of order are put in order. */
    const float end = real_at(&high, 0), begin = fminf(real_at(&low, 0), end);
    if (accepts_f64(c, real_at(&lo, 0), real_at(&hi, 0))) {
        vector_leave_out(c, "the float32 range, of which the float64 one was found");
        return;
    }
    if (real_at(&lo, 0) != begin || real_at(&hi, 0) != end)
        vector_fail(c, "[%a, %a], not [%a, %a]", (double)real_at(&lo, 0), (double)real_at(&hi, 0),
                    (double)begin, (double)end);
    check_thresholds(c, &lo, &hi);
}

/*
 * The average and the deviation, each alone in a range: of so few deviations that only the average
 * is left, and of so many that it no longer counts.
 */
static void run_distribution(struct vector_case *c) {
    const lq_scheme scheme = lq_profile_scheme(LQ_PROFILE_ONNXRUNTIME, LQ_S8, lq_per_tensor());
    const lq_tensor average = flat_reals(c, "avg"), deviation = flat_reals(c, "std");
    lq_calibration by = lq_calibration_by(LQ_METHOD_ONNXRUNTIME_DISTRIBUTION);
    lq_histogram h;
    float lo, hi;
    if (!need(c, &average, "avg") || !need(c, &deviation, "std") ||
        !histogram_of(c, "hist", "hist_edges", &h))
        return;
    by.deviations = 1e-100;
    if (find_range(c, &h, &by, &scheme, &lo, &hi) &&
        (lo != real_at(&average, 0) || hi != real_at(&average, 0)))
        vector_fail(c, "average %a, not %a", (double)lo, (double)real_at(&average, 0));
    by.deviations = 0x1p80;
    /* Without a deviation, or with rounding leaving a negative variance, nothing but the average. */
    const float one = real_at(&deviation, 0);
    const float reach = one > 0 ? 0x1p80f * one : real_at(&average, 0);
    if (find_range(c, &h, &by, &scheme, &lo, &hi) &&
        (hi != reach || lo != (one > 0 ? -reach : reach)))
        vector_fail(c, "deviation %a, not %a", (double)(hi * 0x1p-80f), (double)one);
}

/* -------------------------------------------------------- neural compressor */

/* Its zero points are not clamped, and wrap in their type; such rows have no counterpart here. */
static int zero_fits(const lq_scheme *scheme, const lq_tensor *lo, const lq_tensor *scale,
                     int64_t i, int32_t qmin, int32_t qmax) {
    const float quotient = real_at(lo, i) / real_at(scale, i);
    const float z = rintf((float)qmin - quotient);
    return scheme->mapping != LQ_AFFINE || (z >= (float)qmin && z <= (float)qmax);
}

static void run_inc(struct vector_case *c) {
    struct qtype t;
    const int symmetric = truth_of(c->meta, "symmetric");
    const lq_tensor x = array_of(c, "x"), q = array_of(c, "q"), scale = reals_of(c, "scale");
    const lq_tensor lo = flat_reals(c, "rmin"), hi = flat_reals(c, "rmax");
    const lq_tensor zero = integers_of(c, "zero_point");
    int64_t extent[LQ_MAX_RANK] = {0};
    int fits = 1;
    if (!find_qtype(c, text_of(c->meta, "qtype"), &t) || !need(c, &x, "x") || !need(c, &q, "q") ||
        !need(c, &lo, "rmin") || !need(c, &hi, "rmax") || !need(c, &scale, "scale") ||
        !need(c, &zero, "zero_point"))
        return;
    for (int i = 0; i < scale.rank; ++i) extent[i] = scale.shape[i] == 1 ? 0 : 1;
    lq_scheme scheme = lq_profile_scheme(
        symmetric ? LQ_PROFILE_NEURAL_COMPRESSOR_SYMMETRIC : LQ_PROFILE_NEURAL_COMPRESSOR, t.type,
        scale.rank == x.rank ? lq_per_tile(x.rank, extent) : lq_per_tensor());
    if (truth_of(c->meta, "reduce_range"))
        reduce(text_of(c->meta, "qtype"), &scheme.qmin, &scheme.qmax);
    if (has_key(c->meta, "qmin")) {
        scheme.qmin = (int32_t)number_of(c->meta, "qmin", 0);
        scheme.qmax = (int32_t)number_of(c->meta, "qmax", 0);
    }
    const int own = scheme.qmin != 0 || scheme.qmax != 0;
    for (int64_t i = 0; i < elements_of(&scale); ++i)
        fits = fits && zero_fits(&scheme, &lo, &scale, i, own ? scheme.qmin : t.low,
                                 own ? scheme.qmax : t.high);
    if (!fits) {
        vector_skip(c, "a zero point outside the codes, which wraps in its type there");
        return;
    }
    const lq_tensor s = flat(&scale), z = flat(&zero);
    const lq_tensor codes = codes_as(c, &q, t.type);
    check_choose(c, &scheme, &lo, &hi, &s, &z);
    check_quantize(c, &scheme, &x, &s, &z, &codes);
    if (number_of(c->meta, "ratio", 1) == 1) check_calibrate(c, &scheme, &x, &s, &z);
}

const struct vector_family vectors_ort[] = {
    {"scale_zp", run_scale_zp, NULL},
    {"quantize_data", run_quantize_data, NULL},
    {"int4_block", run_blocks, NULL},
    {"percentile", run_thresholds, NULL},
    {"entropy", run_thresholds, NULL},
    {"entropy_hist", run_thresholds, NULL},
    {"distribution", run_distribution, NULL},
    {"inc_quantize_data", run_inc, NULL},
    {NULL, NULL, NULL},
};
