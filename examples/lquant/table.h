/* Text in aligned columns. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>

enum { TABLE_COLUMNS = 12 };

typedef struct table {
    int columns;
    const char *align; /* 'l' or 'r' per column */
    char **cells;
    size_t count, capacity;
} table;

/* Adds a row: one string per column, copied. */
void table_row(table *t, const char *const *cells);

/* Prints it on stdout, a line under the first row and, where `total`, above the last; frees it. */
void table_print(table *t, int total);
void table_free(table *t);

#endif
