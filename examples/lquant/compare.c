#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantized.h"
#include "report.h"

typedef struct side {
    const char *path;
    tf_file *file;
    quantized_set set;
} side;

/* A tensor as its file means it: with its original type and shape where it is quantized. */
typedef struct meaning {
    const char *name;
    const tf_tensor *t;
    const stored_tensor *item; /* NULL: not quantized */
    const char *dtype;
    int32_t rank;
    const int64_t *shape;
} meaning;

static meaning meaning_of(const tf_tensor *t, const stored_tensor *item) {
    meaning m = {t->name, t, item, t->dtype, t->rank, t->shape};
    if (m.item) {
        m.name = m.item->q.name;
        m.dtype = real_dtype(m.item->q.real);
        m.rank = m.item->q.rank;
        m.shape = m.item->q.shape;
    }
    return m;
}

/* What the file means by that name, which is none of the parts of another tensor; 0 or 1. */
static int find(const side *s, const char *name, meaning *m) {
    const stored_tensor *item = quantized_find(&s->set, name);
    const tf_tensor *t = item ? item->t : tf_find(s->file, name);
    if (!t || (!item && s->set.role[t - s->file->tensors] != ROLE_PLAIN)) return 0;
    *m = meaning_of(t, item);
    return 1;
}

static int open_side(side *s, const char *path) {
    s->path = path;
    s->file = open_input(path);
    if (!s->file) return EXIT_FAULT;
    return quantized_load(&s->set, s->file, path);
}

static void close_side(side *s) {
    quantized_unload(&s->set);
    tf_close(s->file);
}

/* A real view of it; *owned is memory to be freed. 0, or EXIT_FAULT with the fault said. */
static int real_values(const side *s, const meaning *m, lq_tensor *view, void **owned) {
    const void *data = m->t->data;
    *owned = NULL;
    if (m->item) {
        data = *owned = quantized_values(m->item, s->path);
        if (!data) return EXIT_FAULT;
    }
    *view = lq_contiguous(data, real_type(m->dtype), m->rank, m->shape);
    return 0;
}

static const char *lower_case(const char *dtype) {
    static char text[16];
    size_t i = 0;
    for (; dtype[i] && i < sizeof text - 1; ++i) text[i] = (char)tolower((unsigned char)dtype[i]);
    text[i] = '\0';
    return lq_type_name(lq_type_from_name(text)); /* a constant of the same text */
}

static void describe(figures *f, const meaning *b) {
    f->name = b->name;
    f->type = b->item ? quantized_type(&b->item->q) : lower_case(b->dtype);
    f->rank = b->rank;
    memcpy(f->shape, b->shape, (size_t)b->rank * sizeof *b->shape);
    f->elements = tf_elements(b->rank, b->shape);
    f->stored = b->item ? stored_bytes(&b->item->q) : b->t->size;
}

/* Codes are measured as such where A has their original type: then clipped ones are counted. */
static int measure_pair(figures *f, const side *sa, const meaning *a, const side *sb,
                        const meaning *b) {
    const int as_packing = b->item && b->item->q.packing;
    const int as_codes = b->item && !as_packing && strcmp(a->dtype, b->dtype) == 0;
    void *values[2] = {NULL, NULL};
    lq_tensor x, y;
    lq_status status = LQ_OK;
    int failed = real_values(sa, a, &x, &values[0]);
    if (!failed && as_codes) {
        const quantized *q = &b->item->q;
        const lq_tensor scale = scale_view(q, b->item->scale);
        const lq_tensor zero_point = zero_point_view(q, b->item->zero_point);
        y = codes_view(q, b->item->codes);
        status = measure(f, &x, &y, q, &scale, b->item->zero_point ? &zero_point : NULL);
    } else if (!failed && as_packing) {
        status = measure_packing(f, x.data, x.type, b->item->q.packing, b->item->parts);
    } else if (!failed) {
        failed = real_values(sb, b, &y, &values[1]);
        if (!failed) status = measure(f, &x, &y, NULL, NULL, NULL);
    }
    free(values[0]);
    free(values[1]);
    if (failed || status == LQ_OK) return failed;
    return fail_tensor(sb->path, b->name, lq_status_string(status));
}

static int same_shape(const meaning *a, const meaning *b) {
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* Compares a tensor of A with its partner, adding a row for floats. */
static int compare_tensor(const side *sa, const meaning *ours, const side *sb, report *r) {
    const meaning a = *ours;
    meaning b;
    if (!find(sb, a.name, &b)) return fail_tensor(sb->path, a.name, "is missing here");
    if (!same_shape(&a, &b)) return fail_tensor(sb->path, a.name, "has another shape here");
    if (real_type(a.dtype) && real_type(b.dtype)) {
        figures *f = &r->rows[r->count];
        int failed;
        describe(f, &b);
        failed = measure_pair(f, sa, &a, sb, &b);
        if (!failed) ++r->count;
        return failed;
    }
    if (strcmp(a.dtype, b.dtype) != 0)
        return fail_tensor(sb->path, a.name, "has a type here that cannot be compared");
    if (a.t->size > 0 && memcmp(a.t->data, b.t->data, (size_t)a.t->size) != 0)
        return fail_tensor(sb->path, a.name, "differs here, and is not of floats");
    return 0;
}

static int compare_files(const side *a, const side *b, report *r) {
    int status = 0;
    r->rows = need(calloc(a->file->count + 1, sizeof *r->rows));
    r->bytes_in = a->file->bytes;
    r->bytes_out = b->file->bytes;
    progress_begin(a->file->bytes);
    for (size_t i = 0; i < a->file->count; ++i) {
        const tf_tensor *t = &a->file->tensors[i];
        const meaning m = meaning_of(t, quantized_at(&a->set, i));
        if (a->set.role[i] == ROLE_PARAMETER) continue;
        if (compare_tensor(a, &m, b, r) != 0) status = EXIT_FAULT;
        progress_add(t->size);
    }
    progress_end();
    for (size_t i = 0; i < b->file->count; ++i) {
        const meaning m = meaning_of(&b->file->tensors[i], quantized_at(&b->set, i));
        meaning partner;
        if (b->set.role[i] != ROLE_PARAMETER && !find(a, m.name, &partner))
            status = fail_tensor(a->path, m.name, "is missing here");
    }
    return status;
}

static int write_report(const report *r, const lquant_options *o) {
    char message[MESSAGE_SIZE];
    aside *written;
    if (same_file(o->report, o->in) || same_file(o->report, o->out))
        return fail("%s: the report would overwrite a file that is compared", o->report);
    written = report_write(r, o->report, message, sizeof message);
    if (!written || aside_commit(written) != 0) return fail("%s", message);
    return 0;
}

int run_compare(const lquant_options *o) {
    side a = {0}, b = {0};
    report r = {0};
    int status = open_side(&a, o->in);
    if (!status) status = open_side(&b, o->out);
    if (!status) {
        status = compare_files(&a, &b, &r);
        if (o->report && write_report(&r, o) != 0) status = EXIT_FAULT;
        report_print(&r);
        if (finish_output() != 0) status = EXIT_FAULT;
    }
    free(r.rows);
    close_side(&a);
    close_side(&b);
    return status;
}
