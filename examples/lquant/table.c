#define _POSIX_C_SOURCE 200809L
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lquant.h"

void table_row(table *t, const char *const *cells) {
    const size_t columns = (size_t)t->columns;
    if (t->count + columns > t->capacity) {
        t->capacity = 2 * t->capacity + 16 * columns;
        t->cells = need(realloc(t->cells, t->capacity * sizeof *t->cells));
    }
    for (size_t i = 0; i < columns; ++i) t->cells[t->count++] = need(strdup(cells[i]));
}

/* Columns that a terminal takes for it: one per character. */
static int width_of(const char *text) {
    int width = 0;
    for (; *text; ++text) width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_line(const int *widths, int columns) {
    for (int c = 0; c < columns; ++c) {
        for (int i = 0; i < widths[c]; ++i) putchar('-');
        fputs(c + 1 < columns ? "  " : "\n", stdout);
    }
}

void table_print(table *t, int total) {
    const size_t columns = (size_t)t->columns;
    int widths[TABLE_COLUMNS] = {0};
    for (size_t i = 0; i < t->count; ++i) {
        const int width = width_of(t->cells[i]);
        if (width > widths[i % columns]) widths[i % columns] = width;
    }
    for (size_t i = 0; i < t->count; ++i) {
        const size_t column = i % columns;
        const int pad = widths[column] - width_of(t->cells[i]);
        const int last = column + 1 == columns;
        if (total && i == t->count - columns) print_line(widths, t->columns);
        if (t->align[column] == 'r') printf("%*s", pad, "");
        fputs(t->cells[i], stdout);
        if (t->align[column] == 'l' && !last) printf("%*s", pad, "");
        fputs(last ? "\n" : "  ", stdout);
        if (i + 1 == columns) print_line(widths, t->columns);
    }
    table_free(t);
}

void table_free(table *t) {
    for (size_t i = 0; i < t->count; ++i) free(t->cells[i]);
    free(t->cells);
    t->cells = NULL;
    t->count = 0;
}
