#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

static struct {
    int64_t total, done;
    int shown;
    int percent;
} bar;

void progress_begin(int64_t bytes) {
    const char *terminal = getenv("TERM");
    bar.total = bytes;
    bar.done = 0;
    bar.percent = -1;
    bar.shown = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

void progress_add(int64_t bytes) {
    char line[41] = "";
    int percent;
    bar.done += bytes;
    if (!bar.shown || bar.total <= 0) return;
    percent = (int)(100.0 * (double)bar.done / (double)bar.total);
    if (percent == bar.percent) return;
    bar.percent = percent;
    for (int i = 0; i < 40; ++i) line[i] = i < percent * 40 / 100 ? '#' : '.';
    line[40] = '\0';
    fprintf(stderr, "\r[%s] %3d %%", line, percent);
    fflush(stderr);
}

void progress_end(void) {
    if (!bar.shown || bar.percent < 0) return;
    fprintf(stderr, "\r%48s\r", "");
    fflush(stderr);
    bar.shown = 0;
}
