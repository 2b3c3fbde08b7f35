/* The parts of the golden hashes. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <stddef.h>
#include <stdint.h>

enum { GOLDEN_ROWS = 1000, GOLDEN_TYPES = 4 };

typedef struct golden_row {
    char name[56];
    uint64_t hash;
} golden_row;

/* Compares rows with a file's, after `failed` failures; prints what differs. 0: all is well. */
int golden_check(const char *path, const golden_row *rows, int row_count, int failed);

/* Converts a fixed set of inputs between two types and hands on each element and all counts. */
typedef void golden_add(uint64_t value, int bytes);
void golden_convert(int from, int to, int32_t overflow, golden_add *add);
void golden_convert_name(int from, int to, int32_t overflow, char *name, size_t size);

#endif
