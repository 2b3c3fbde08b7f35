#include "golden.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail_row(const char *name, const char *why) {
    printf("%s: %s\n", name, why);
    return 1;
}

int golden_check(const char *path, const golden_row *rows, int row_count, int failed) {
    static bool seen[GOLDEN_ROWS];
    char line[160];
    int passed = 0;
    FILE *file = fopen(path, "r");
    if (!file) return fail_row(path, "cannot be opened");
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == 0 || line[0] == '#') continue;
        char *const space = strchr(line, ' ');
        int i = 0;
        if (space) *space = 0;
        while (i < row_count && strcmp(rows[i].name, line) != 0) ++i;
        if (i == row_count || !space || seen[i]) {
            failed += fail_row(line, "no such row, or twice");
            continue;
        }
        seen[i] = true;
        if (strtoull(space + 1, NULL, 16) == rows[i].hash) {
            ++passed;
        } else {
            failed += fail_row(line, "differs");
        }
    }
    fclose(file);
    for (int i = 0; i < row_count; ++i) {
        if (!seen[i]) failed += fail_row(rows[i].name, "not in the file");
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0 || passed == 0;
}
