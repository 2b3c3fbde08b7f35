/*
 * Rows of elements that do not lie side by side, through a buffer in which they do. Where the
 * elements of a column lie closer together than those of a row, as in a transposed view, they are
 * moved as a block of both, so that whole lines of the caches are used while they are there.
 */
#ifndef LQ_STRIDED_H
#define LQ_STRIDED_H

#include "types.h"

/* Elements of memory; in a buffer row after row of `count` without gaps. */
typedef struct lq_panel {
    int64_t at;             /* the first element */
    int64_t rows, count;    /* of each row */
    int64_t row_step, step; /* from row to row, from element to element */
} lq_panel;

/* `size` bytes each: 1, 2, 4 or 8. */
void lq_gather_panel(void *buffer, const void *data, int size, const lq_panel *panel);
void lq_scatter_panel(const void *buffer, void *data, int size, const lq_panel *panel);

/* How many rows and elements of each go through a buffer at a time. */
typedef struct lq_panel_shape {
    int64_t rows, count;
} lq_panel_shape;

/* What goes through the first-level cache together, of columns and of rows; and its elements. */
enum { LQ_PANEL_BYTES = 32768, LQ_PANEL_ROW_BYTES = LQ_PANEL_BYTES / 2 };

static inline int64_t lq_panel_elements(bool columns_first, int64_t size) {
    return (columns_first ? LQ_PANEL_BYTES : LQ_PANEL_ROW_BYTES) / size;
}

/*
 * At most `elements` of a panel; many rows of it where columns go first, unless they come in order:
 * then no row is begun before the one before it has ended.
 */
lq_panel_shape lq_shape_panels(int64_t rows, int64_t count, int64_t elements, bool columns_first,
                               bool in_order);

/* Whether the elements of a column lie closer together than those of a row. */
static inline bool lq_columns_first(int64_t row_step, int64_t step) {
    return (row_step < 0 ? -row_step : row_step) < (step < 0 ? -step : step);
}

/* `n` elements of `size` bytes, one every `step` elements from element `at` on, and back. */
void lq_gather(void *buffer, const void *data, int size, int64_t at, int64_t step, int64_t n);
void lq_scatter(const void *buffer, void *data, int size, int64_t at, int64_t step, int64_t n);

/* The same for codes of any width; those below 8 bits are bytes in the buffer, not extended. */
void lq_gather_codes(void *buffer, const void *codes, const lq_type_info *type, int64_t at,
                     int64_t step, int64_t n);
void lq_scatter_codes(const void *buffer, void *codes, const lq_type_info *type, int64_t at,
                      int64_t step, int64_t n);

#endif
