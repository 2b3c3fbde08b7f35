#include "memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "naive.h"
#include "pools.h"
#include "random_views.h"

void fault(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

void memory_open(memory *m, choices *in) {
    memset(m, 0, sizeof *m);
    m->in = in;
    m->hostile = choice_rarely(in, 3);
}

void memory_close(memory *m) {
    for (int i = 0; i < m->piece_count; ++i) {
        for (int k = 0; k < MOMENTS; ++k) free(m->pieces[i].at[k]);
        free(m->pieces[i].writable);
    }
}

static piece *new_piece(memory *m, size_t size) {
    piece *p = &m->pieces[m->piece_count++];
    if (m->piece_count > MOST_PIECES) fault("too many pieces");
    p->size = size;
    for (int k = 0; k < MOMENTS; ++k) {
        p->at[k] = malloc(size);
        if (size > 0 && !p->at[k]) fault("out of memory");
    }
    p->writable = calloc(size + 1, 1);
    if (!p->writable) fault("out of memory");
    return p;
}

/* ------------------------------------------------------------------ contents */

static void fill_noise(piece *p, uint64_t seed) {
    struct random_state r = {seed};
    for (size_t i = 0; i < p->size; i += 8) {
        const uint64_t noise = random_bits(&r);
        memcpy(p->at[NOW] + i, &noise, p->size - i < 8 ? p->size - i : 8);
    }
}

static void fill_scales(const lq_tensor *t, struct random_state *r, int64_t count) {
    const int any = random_one_in(r, 16);
    for (int64_t i = 0; i < count; ++i) {
        const double value =
            ldexp((double)random_in(r, 256, 511) / 256.0, (int)random_in(r, -9, 3));
        if (any && random_one_in(r, 8)) continue;
        if (naive_is_real(t->type))
            naive_set_real(t, i, any && random_one_in(r, 8) ? -value : value);
        else if (naive_bits(t->type) < 64)
            naive_set_bits(t, i, (uint32_t)random_in(r, 0x20, 0x5f));
    }
}

/* Those that the types of codes have, most of them small. */
static void fill_zero_points(const lq_tensor *t, struct random_state *r, int64_t count) {
    const int32_t most = random_one_in(r, 4) ? 255 : random_one_in(r, 2) ? 3 : 0;
    for (int64_t i = 0; i < count; ++i) {
        const int32_t z = (int32_t)random_in(r, 0, most);
        if (naive_is_real(t->type))
            naive_set_real(t, i, z);
        else if (naive_bits(t->type) < 64)
            naive_set_bits(t, i, (uint32_t)z);
    }
}

static void fill(const lq_tensor *t, enum content content, uint64_t seed) {
    struct arena values = {.random = {seed}};
    struct random_state r = {seed};
    const int64_t count = naive_count(t);
    if (!lq_type_name(t->type)) return;
    if (content == VALUES && naive_is_real(t->type)) random_values(&values, t);
    if (content == SCALES) fill_scales(t, &r, count);
    if (content == ZERO_POINTS) fill_zero_points(t, &r, count);
}

/* ------------------------------------------------------------------- layouts */

/* Lays the axes out; returns how many elements behind `data` the last one stands. */
static int64_t lay_out(choices *in, lq_tensor *t, enum role role) {
    enum { PLAIN, PLAIN_TOO, PERMUTED, GAPS, BACKWARDS, REPEATED };
    const int kind = (int)choice_in(in, 0, REPEATED);
    int32_t order[LQ_MAX_RANK];
    int64_t step = 1, first = 0, last = 0;
    for (int32_t i = 0; i < t->rank; ++i) order[i] = i;
    for (int32_t i = t->rank - 1; kind == PERMUTED && i > 0; --i) {
        const int32_t j = (int32_t)choice_in(in, 0, i), keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
    for (int32_t k = t->rank - 1; k >= 0; --k) {
        const int32_t i = order[k];
        const int64_t others = t->shape[i] > 0 ? t->shape[i] - 1 : 0;
        if (kind == GAPS) step += choice_in(in, 0, 2);
        t->stride[i] = kind == BACKWARDS && choice_rarely(in, 2) ? -step : step;
        if (kind == REPEATED && role == INPUT && choice_rarely(in, 2)) t->stride[i] = 0;
        if (t->stride[i] < 0) first += others * t->stride[i];
        if (t->stride[i] > 0) last += others * t->stride[i];
        step *= others + 1;
    }
    t->offset = -first;
    if (choice_rarely(in, 4)) t->offset += choice_in(in, 0, 9);
    return t->offset + last;
}

/* A view that fits its memory and yet has more elements than anyone can wait for is no case. */
static void tame(lq_tensor *t) {
    double count = 1, first = (double)t->offset, last = (double)t->offset;
    if (t->rank < 0 || t->rank > LQ_MAX_RANK) return;
    for (int32_t i = 0; i < t->rank; ++i) {
        const double others = (double)t->shape[i] - 1, reach = others * (double)t->stride[i];
        if (t->shape[i] <= 0) return;
        count *= (double)t->shape[i];
        if (reach < 0) first += reach;
        if (reach > 0) last += reach;
    }
    if (count > MOST_ELEMENTS && first >= 0 && last * (t->type & 0xff) / 8 <= (double)t->size)
        t->rank = 0;
}

static void spoil(memory *m, int index) {
    choices *in = m->in;
    static const int64_t sizes[] = {0, -1, 1, INT64_MAX, INT64_MIN, INT64_C(1) << 40};
    lq_tensor *t = &m->tensors[index];
    const int32_t axis = t->rank > 0 ? (int32_t)choice_in(in, 0, t->rank - 1) : 0;
    switch (choice_in(in, 0, 9)) {
    case 0: t->type = (lq_type)choice_bits(in, 2); break;
    case 1: t->rank = (int32_t)choice_in(in, -1, LQ_MAX_RANK + 1); break;
    case 2: t->shape[axis] = choice_in(in, -1, 40); break;
    case 3: t->shape[axis] = choice_any(in); break;
    case 4: t->stride[axis] = choice_in(in, -3, 3); break;
    case 5: t->stride[axis] = choice_any(in); break;
    case 6: t->offset = choice_any(in); break;
    case 7: t->size = choice_in(in, 0, t->size < 0 ? 0 : t->size); break;
    case 8: t->data = NULL; break;
    default: t->shape[axis] = CHOICE_OF(in, sizes); break;
    }
    if (choice_rarely(in, 16)) t->size = -1;
    tame(t);
}

lq_tensor *memory_tensor(memory *m, enum role role, enum content content, lq_type type,
                         int32_t rank, const int64_t *shape) {
    choices *in = m->in;
    const int index = m->tensor_count++;
    lq_tensor *t = &m->tensors[index];
    int64_t end, size;
    if (m->tensor_count > MOST_TENSORS) fault("too many tensors");
    *t = lq_contiguous(NULL, type, rank, shape);
    m->role_of[index] = role;
    end = lay_out(in, t, role) + 1;
    size = naive_count(t) == 0 ? 0 : (end * (type & 0xff) + 7) / 8;
    if (index > 0 && choice_rarely(in, 16)) {
        /* In place, or overlapping in a way that may be allowed. */
        const int other = (int)choice_in(in, 0, index - 1);
        m->piece_of[index] = m->piece_of[other];
        t->data = m->tensors[other].data;
        t->size = m->tensors[other].size;
        if (choice_rarely(in, 2)) memcpy(t->stride, m->tensors[other].stride, sizeof t->stride);
        t->offset = choice_rarely(in, 4) ? choice_in(in, 0, 64) : m->tensors[other].offset;
        tame(t);
    } else {
        const size_t shift = choice_rarely(in, 4) ? (size_t)choice_in(in, 1, 7) : 0;
        const uint64_t seed = choice_bits(in, 2);
        m->piece_of[index] = m->piece_count;
        piece *p = new_piece(m, shift + (size_t)size);
        t->size = size;
        t->data = p->size == 0 ? NULL : p->at[NOW] + shift;
        fill_noise(p, seed);
        if (size > 0) fill(t, content, seed);
    }
    if (m->hostile && choice_rarely(in, 12)) spoil(m, index);
    return t;
}

void memory_withhold(memory *m, const lq_tensor *t) {
    m->role_of[t - m->tensors] = INPUT;
}

void *memory_bytes(memory *m, enum role role, const void *value, size_t size) {
    piece *p = new_piece(m, size);
    if (!value) fill_noise(p, choice_bits(m->in, 2));
    if (value && size > 0) memcpy(p->at[NOW], value, size);
    if (role == OUTPUT) memset(p->writable, 0xff, size);
    return p->at[NOW];
}

void *memory_struct(memory *m, enum role role, const void *value, size_t size) {
    enum { ROOM = 512, MORE = 40 };
    choices *in = m->in;
    unsigned char text[ROOM] = {0};
    size_t claimed = size;
    if (size + MORE > ROOM) fault("a struct is too large");
    if (choice_rarely(in, 24)) claimed = (size_t)choice_in(in, 0, (int64_t)size + MORE);
    memcpy(text, value, size);
    memcpy(text, &claimed, sizeof claimed);
    if (m->hostile && claimed > size && choice_rarely(in, 4)) text[claimed - 1] = 1;
    return memory_bytes(m, role, text, claimed < sizeof claimed ? sizeof claimed : claimed);
}

/* ------------------------------------------------------------------- the call */

/* The bits of an output's elements, and those behind them that a dense view clears. */
static void allow(piece *p, const lq_tensor *t) {
    const int bits = t->type & 0xff;
    const int64_t count = naive_count(t), base = (unsigned char *)t->data - p->at[NOW];
    int64_t end;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t first = naive_position(t, i) * bits;
        if (bits >= 8) memset(p->writable + base + first / 8, 0xff, (size_t)bits / 8);
        for (int64_t b = first; bits < 8 && b < first + bits; ++b)
            p->writable[base + b / 8] = (unsigned char)(p->writable[base + b / 8] | 1 << b % 8);
    }
    if (count == 0 || bits >= 8 || !naive_is_dense(t)) return;
    for (end = (t->offset + count) * bits; end % 8 != 0; ++end)
        p->writable[base + end / 8] = (unsigned char)(p->writable[base + end / 8] | 1 << end % 8);
}

static void allow_outputs(memory *m) {
    for (int i = 0; i < m->tensor_count; ++i)
        if (m->role_of[i] == OUTPUT && m->tensors[i].data)
            allow(&m->pieces[m->piece_of[i]], &m->tensors[i]);
}

static void check_refused(const memory *m, lq_status status) {
    for (int i = 0; i < m->piece_count; ++i)
        if (m->pieces[i].size > 0 &&
            memcmp(m->pieces[i].at[NOW], m->pieces[i].at[BEFORE], m->pieces[i].size) != 0)
            fault("%s, and piece %d was written", lq_status_string(status), i);
}

static void check_outside(const memory *m) {
    for (int i = 0; i < m->piece_count; ++i) {
        const piece *p = &m->pieces[i];
        if (p->size == 0 || memcmp(p->at[NOW], p->at[BEFORE], p->size) == 0) continue;
        for (size_t k = 0; k < p->size; ++k)
            if ((p->at[NOW][k] ^ p->at[BEFORE][k]) & ~p->writable[k])
                fault("byte %zu of %zu of piece %d was written, which is no output's", k, p->size,
                      i);
    }
}

static void check_expected(const memory *m, lq_cpu level) {
    for (int i = 0; i < m->piece_count; ++i) {
        const piece *p = &m->pieces[i];
        if (p->size == 0 || memcmp(p->at[NOW], p->at[EXPECTED], p->size) == 0) continue;
        for (size_t k = 0; k < p->size; ++k)
            if (p->at[NOW][k] != p->at[EXPECTED][k])
                fault("byte %zu of %zu of piece %d is %02x on level %s, and %02x on scalar", k,
                      p->size, i, p->at[NOW][k], lq_cpu_name(level), p->at[EXPECTED][k]);
    }
}

static void copy_pieces(memory *m, int to, int from) {
    for (int i = 0; i < m->piece_count; ++i) {
        const piece *p = &m->pieces[i];
        if (p->size > 0) memcpy(p->at[to], p->at[from], p->size);
    }
}

typedef struct outcome {
    lq_status status;
    lq_report report;
} outcome;

static outcome call_on(memory *m, lq_cpu level, operation *call, const void *arguments,
                       lq_exec exec) {
    outcome o;
    memset(&o, 0, sizeof o);
    lq_report_init(&o.report, sizeof o.report);
    if (lq_cpu_use(level) != LQ_OK) fault("level %s cannot be used", lq_cpu_name(level));
    copy_pieces(m, NOW, BEFORE);
    if (exec.report) exec.report = &o.report;
    o.status = call(arguments, exec.struct_size ? &exec : NULL);
    return o;
}

/* struct_size 0: no exec at all. */
static lq_exec choose_exec(choices *in, int hostile, const lq_tensor *code_sums, int *honest) {
    static lq_parallel_for *const pools[] = {NULL,         in_reverse, in_reverse,
                                             one_left_out, one_twice,  failing};
    static lq_report wanted;
    lq_exec exec = {0};
    *honest = 1;
    exec.code_sums = code_sums;
    if (!code_sums && choice_rarely(in, 4)) return exec;
    exec.struct_size = sizeof exec;
    if (choice_rarely(in, 2)) exec.report = &wanted;
    if (choice_rarely(in, 8)) exec.flags = LQ_TRUSTED;
    exec.parallel_for = CHOICE_OF(in, pools);
    *honest = !exec.parallel_for || exec.parallel_for == in_reverse;
    if (hostile && choice_rarely(in, 16)) exec.flags = (uint32_t)choice_bits(in, 1);
    if (hostile && choice_rarely(in, 32)) exec.reserved = 1;
    return exec;
}

static void check(memory *m, lq_cpu level, outcome o, outcome scalar, int honest) {
    if (o.status == LQ_ERROR_EXEC && !honest) {
        check_outside(m);
        return;
    }
    if (o.status != scalar.status)
        fault("%s on level %s, and %s on scalar", lq_status_string(o.status), lq_cpu_name(level),
              lq_status_string(scalar.status));
    if (o.status == LQ_OK)
        check_expected(m, level);
    else
        check_refused(m, o.status);
    if (memcmp(&o.report, &scalar.report, sizeof o.report) != 0)
        fault("the report on level %s is not that on scalar", lq_cpu_name(level));
}

lq_status memory_run(memory *m, operation *call, const void *arguments,
                     const lq_tensor *code_sums) {
    static const lq_cpu levels[] = {LQ_CPU_SCALAR, LQ_CPU_AVX2, LQ_CPU_AVX512, LQ_CPU_NEON};
    int honest;
    const lq_exec exec = choose_exec(m->in, m->hostile, code_sums, &honest);
    lq_exec careful = exec;
    outcome scalar;
    careful.flags &= ~(uint32_t)LQ_TRUSTED;
    careful.parallel_for = NULL;
    copy_pieces(m, BEFORE, NOW);
    scalar = call_on(m, LQ_CPU_SCALAR, call, arguments, careful);
    copy_pieces(m, EXPECTED, NOW);
    if (scalar.status == LQ_OK) {
        allow_outputs(m);
        check_outside(m);
    } else {
        check_refused(m, scalar.status);
    }
    for (size_t i = 0; i < sizeof levels / sizeof *levels; ++i) {
        if (!lq_cpu_available(levels[i])) continue;
        /* Trusted with what is bad, a call must do no harm: its codes are its own affair. */
        if ((scalar.status != LQ_OK || m->as_is) && (exec.flags & LQ_TRUSTED)) {
            call_on(m, levels[i], call, arguments, exec);
            if (scalar.status == LQ_OK) check_outside(m);
            continue;
        }
        check(m, levels[i], call_on(m, levels[i], call, arguments, exec), scalar, honest);
    }
    copy_pieces(m, NOW, EXPECTED);
    return scalar.status;
}
