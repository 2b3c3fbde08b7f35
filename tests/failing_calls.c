/*
 * Calls to the system of which one fails. A program is linked with these in their place (--wrap),
 * and LQ_FAULT in its environment says what happens to which: "memory 7" that the seventh
 * allocation fails, "write", "sync", "close" and "rename" likewise, "stop" and "kill" that a signal
 * comes before the seventh of those four. "short 0" and "interrupted 0": no call writes more than
 * some bytes, every other one is interrupted. Once it has happened there is a file LQ_FAULT_MARK.
 */
#define _POSIX_C_SOURCE 200809L
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The linker's names. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
ssize_t __real_write(int fd, const void *data, size_t size);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t size);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);

static char kind[32];
static long left = -1;

static int is_kind(const char *name) {
    if (left < 0) {
        const char *wanted = getenv("LQ_FAULT");
        left = 0;
        if (wanted && sscanf(wanted, "%31s %ld", kind, &left) != 2) _exit(96);
    }
    return strcmp(kind, name) == 0;
}

static void leave_mark(void) {
    const char *mark = getenv("LQ_FAULT_MARK");
    const int fd = mark ? open(mark, O_WRONLY | O_CREAT, 0600) : -1;
    if (fd >= 0) __real_close(fd);
}

/* Whether the time has come for a fault of this kind. */
static int is_due(const char *name) {
    if (!is_kind(name) || left == 0 || --left > 0) return 0;
    leave_mark();
    return 1;
}

static int fails(const char *name, int error) {
    if (is_due("stop")) raise(SIGTERM);
    if (is_due("kill")) raise(SIGKILL);
    if (!is_due(name)) return 0;
    errno = error;
    return 1;
}

void *__wrap_malloc(size_t size) {
    return is_due("memory") ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return is_due("memory") ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return is_due("memory") ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text) {
    return is_due("memory") ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length) {
    return is_due("memory") ? NULL : __real_strndup(text, length);
}

ssize_t __wrap_write(int fd, const void *data, size_t size) {
    static int turn;
    if (fails("write", ENOSPC)) return -1;
    if (is_kind("short") && size > 100) size = 100;
    if (is_kind("interrupted") && turn++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return __real_write(fd, data, size);
}

int __wrap_fsync(int fd) {
    return fails("sync", EIO) ? -1 : __real_fsync(fd);
}

int __wrap_close(int fd) {
    const int failed = fails("close", EIO), status = __real_close(fd);
    if (failed) errno = EIO;
    return failed ? -1 : status;
}

int __wrap_rename(const char *from, const char *to) {
    return fails("rename", EIO) ? -1 : __real_rename(from, to);
}

/* cJSON is a library of its own, which the linker leaves alone. */
__attribute__((constructor)) static void count_cjson(void) {
    cJSON_Hooks hooks = {__wrap_malloc, free};
    cJSON_InitHooks(&hooks);
}
