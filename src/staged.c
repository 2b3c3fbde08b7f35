/*
 * Batches of blocks through a buffer in which they follow each other without gaps. Rows of a few
 * blocks each with gaps between them would be batches of a few blocks each, which cost more than
 * their elements; and what is read twice, for ranges and for codes, is gathered once.
 */
#include "strided.h"
#include "tasks.h"
#include <string.h>

enum { STAGE_BYTES = 16384, LINE_ROWS = 16 /* of floats side by side in a line of the caches */ };

/* Rows in memory are groups of blocks, in the buffer blocks. */
typedef struct stage {
    lq_job *job;
    lq_batch_fn *visit;
    const lq_loop *group, *vector;
    int64_t blocks; /* of a group */
    int64_t most;   /* groups at a time */
    bool x, codes;  /* go through the buffer */
    lq_plan inside;
} stage;

static bool is_ragged(const lq_plan *plan, int loop) {
    bool ragged = plan->loop[loop].ragged_by != LQ_NO_LOOP;
    for (int i = 0; i < plan->loops; ++i) ragged = ragged || plan->loop[i].ragged_by == loop;
    return ragged;
}

/* Whether rows of blocks have the next ones' parameters behind theirs, and no gaps inside. */
static bool has_groups(const lq_plan *plan) {
    if (plan->row < 1) return false;
    const lq_loop *group = &plan->loop[plan->row - 1];
    const lq_loop *row = &plan->loop[plan->row], *vector = &plan->loop[plan->vector];
    bool follow = group->cell;
    for (int i = plan->row - 1; i <= plan->vector; ++i) follow = follow && !is_ragged(plan, i);
    for (int o = 0; o < LQ_OPERANDS && follow; ++o) {
        follow = lq_of_elements(o) ? row->step[o] == vector->step[o] * vector->count
                                   : group->step[o] == row->step[o] * row->count;
    }
    return follow;
}

/* Whether kernels cannot have all blocks of some groups as rows of theirs. */
static bool is_apart(const stage *s, lq_operand o) {
    const int64_t count = s->blocks * s->vector->count;
    return s->vector->step[o] != 1 || (s->blocks > 1 && s->group->step[o] != count);
}

/* How many groups go through the buffer at a time; none where that does not pay. */
static int64_t count_groups(const stage *s) {
    enum { SHORT = 2048 };
    const lq_map *m = &s->job->map;
    const int64_t count = s->blocks * s->vector->count;
    const int64_t size = (s->x ? m->x_size : 0) + (s->codes ? m->code->bits / 8 : 0);
    const bool columns_first = lq_columns_first(s->group->step[LQ_X], s->vector->step[LQ_X]);
    if (size == 0 || count > SHORT) return 0;
    int64_t most = STAGE_BYTES / (size * count);
    if (most > LQ_BATCH / s->blocks) most = LQ_BATCH / s->blocks;
    if (most > LQ_BLOCK_ROWS) most = most / LQ_BLOCK_ROWS * LQ_BLOCK_ROWS;
    if (most > LINE_ROWS) most = most / LINE_ROWS * LINE_ROWS;
    return columns_first && most < LINE_ROWS ? 0 : most;
}

/* Else codes would go through a buffer of their own, one inside the other. */
static bool has_whole_bytes(const stage *s) {
    const int bits = s->job->map.code->bits;
    return bits >= 8 || (!s->codes && s->vector->count * bits % 8 == 0);
}

static bool find_stage(lq_job *j, const lq_plan *plan, stage *s) {
    const bool codes = j->maps || j->quantizes;
    if (!j->stages || j->map.in_order || plan->empty) return false;
    if (plan->spread != LQ_SPREAD_ROWS || plan->inner_loops) return false;
    s->group = &plan->loop[plan->row];
    s->vector = &plan->loop[plan->vector];
    s->blocks = 1;
    if (has_groups(plan)) {
        s->blocks = s->group->count;
        --s->group;
    } else if (!j->quantizes || s->vector->step[LQ_X] == 1) {
        return false; /* nothing is read twice, or nothing need be gathered */
    }
    s->x = is_apart(s, LQ_X);
    s->codes = codes && is_apart(s, LQ_CODES);
    s->most = count_groups(s);
    return s->most > 0 && (!codes || has_whole_bytes(s));
}

static lq_panel panel_of(const stage *s, const lq_batch *groups, lq_operand o) {
    return (lq_panel){.at = groups->at[o],
                      .rows = groups->rows,
                      .count = groups->count,
                      .row_step = s->group->step[o],
                      .step = s->vector->step[o]};
}

/* Blocks of an operand one after the other from the first element on. */
static void put_inside(stage *s, lq_batch *b, lq_operand o) {
    s->inside.loop[0].step[o] = b->step[o] = b->count;
    s->inside.loop[1].step[o] = 1;
    b->at[o] = 0;
}

static void visit_groups(void *context, lq_batch *groups) {
    _Alignas(LQ_LINE) unsigned char buffer[STAGE_BYTES];
    stage *s = context;
    lq_map *m = &s->job->map;
    unsigned char *const x = m->x, *const codes = m->codes;
    const lq_panel of_x = panel_of(s, groups, LQ_X), of_codes = panel_of(s, groups, LQ_CODES);
    const int code_size = s->codes ? m->code->bits / 8 : 0;
    lq_batch b = *groups;
    b.plan = &s->inside;
    b.blocks = b.rows = groups->blocks * s->blocks;
    b.count = groups->count / s->blocks;
    const bool streams = m->streams;
    b.followed = false;
    memcpy(b.step, s->inside.loop[0].step, sizeof b.step);
    if (s->codes) {
        m->codes = buffer;
        m->streams = false; /* they are read again at once */
        put_inside(s, &b, LQ_CODES);
        if (!m->to_codes) lq_gather_panel(buffer, codes, code_size, &of_codes);
    }
    if (s->x) {
        m->x = buffer + groups->rows * groups->count * code_size;
        put_inside(s, &b, LQ_X);
        if (m->to_codes) lq_gather_panel(m->x, x, m->x_size, &of_x);
    }
    s->visit(s->job, &b);
    if (s->codes && m->to_codes) lq_scatter_panel(buffer, codes, code_size, &of_codes);
    if (s->x && !m->to_codes) lq_scatter_panel(m->x, x, m->x_size, &of_x);
    m->x = x;
    m->codes = codes;
    m->streams = streams;
}

/* The blocks of a group are one row. */
static void walk_groups(stage *s, const lq_plan *plan) {
    lq_plan outside = *plan;
    s->inside = (lq_plan){.loops = 2, .spread = LQ_SPREAD_ROWS, .row = 0, .vector = 1};
    s->inside.loop[0] = plan->loop[plan->row];
    s->inside.loop[1] = plan->loop[plan->vector];
    outside.most = s->most;
    if (s->group != &plan->loop[plan->row]) {
        outside.loop[plan->row] = plan->loop[plan->vector];
        outside.loop[plan->row].count *= s->blocks;
        --outside.loops;
        --outside.outer_loops;
        --outside.row;
        --outside.vector;
    }
    lq_each_batch(&outside, visit_groups, s);
}

void lq_each_staged(lq_job *j, const lq_plan *plan, lq_batch_fn *visit) {
    stage s = {.job = j, .visit = visit};
    if (find_stage(j, plan, &s)) {
        walk_groups(&s, plan);
    } else {
        lq_each_batch(plan, visit, j);
    }
}
