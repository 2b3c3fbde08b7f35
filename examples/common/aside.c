#define _XOPEN_SOURCE 700
#include "aside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_OPEN = 8 };

struct aside {
    char *final_path;
    char *temporary;
    char *message;
    size_t message_size;
    int fd;
    int slot;
};

/* What a signal handler removes. A slot is claimed and emptied outside of handlers only. */
static char *volatile temporaries[MAX_OPEN];

void aside_remove_all(void) {
    for (int i = 0; i < MAX_OPEN; ++i) {
        const char *path = temporaries[i];
        if (path) unlink(path);
    }
}

static void explain(const aside *file, const char *fault) {
    snprintf(file->message, file->message_size, "%s: %s", file->final_path, fault);
}

static void explain_errno(const aside *file, const char *action, int error) {
    snprintf(file->message, file->message_size, "%s: %s: %s", file->final_path, action,
             strerror(error));
}

static void release(aside *file) {
    if (file->fd >= 0) close(file->fd);
    if (file->slot >= 0) temporaries[file->slot] = NULL;
    free(file->temporary);
    free(file->final_path);
    free(file);
}

void aside_abort(aside *file) {
    if (!file) return;
    if (file->slot >= 0) unlink(file->temporary);
    release(file);
}

/* The directory part of a path with its slash, or "" for the current directory. */
static size_t directory_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A symbolic link stays one: what it points to is replaced. */
static int resolve(aside *file, const char *path, struct stat *existing, int *exists) {
    struct stat link;
    *exists = 0;
    file->final_path = strdup(path);
    if (!file->final_path) return ENOMEM;
    if (lstat(path, &link) != 0) return errno == ENOENT && *path ? 0 : errno;
    if (S_ISLNK(link.st_mode)) {
        char *target = realpath(path, NULL);
        if (!target) return errno;
        free(file->final_path);
        file->final_path = target;
    }
    if (stat(file->final_path, existing) != 0) return errno;
    *exists = 1;
    return 0;
}

/* Creates the temporary. The slot is claimed first, so that no signal finds a file unlisted. */
static int create(aside *file) {
    const size_t directory = directory_length(file->final_path);
    const size_t size = directory + 64;
    file->temporary = malloc(size);
    if (!file->temporary) return ENOMEM;
    for (int i = 0; i < MAX_OPEN && file->slot < 0; ++i)
        if (!temporaries[i]) file->slot = i;
    if (file->slot < 0) return EMFILE;
    for (int attempt = 0; attempt < 100; ++attempt) {
        sigset_t all, before;
        int error = 0;
        snprintf(file->temporary, size, "%.*s.aside-%ld-%d-%d.tmp", (int)directory,
                 file->final_path, (long)getpid(), file->slot, attempt);
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &before);
        file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd < 0) error = errno;
        if (file->fd >= 0) temporaries[file->slot] = file->temporary;
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (!error) return 0;
        if (error != EEXIST && error != EINTR) {
            file->slot = -1;
            return error;
        }
    }
    file->slot = -1;
    return EEXIST;
}

aside *aside_open(const char *path, char *message, size_t message_size) {
    struct stat existing;
    int exists = 0;
    int error;
    aside *file = calloc(1, sizeof *file);
    if (!file) {
        snprintf(message, message_size, "%s: out of memory", path);
        return NULL;
    }
    file->fd = -1;
    file->slot = -1;
    file->message = message;
    file->message_size = message_size;
    error = resolve(file, path, &existing, &exists);
    if (error || (exists && !S_ISREG(existing.st_mode))) {
        if (error)
            snprintf(message, message_size, "%s: cannot be written: %s", path, strerror(error));
        else
            snprintf(message, message_size, "%s: is %s; the output must be a regular file", path,
                     S_ISDIR(existing.st_mode) ? "a directory" : "not a regular file");
        release(file);
        return NULL;
    }
    if (*path && path[strlen(path) - 1] == '/') error = EISDIR;
    if (!error) error = create(file);
    if (!error && exists && fchmod(file->fd, existing.st_mode & 0777) != 0) error = errno;
    if (error) {
        explain_errno(file, "cannot be written", error);
        aside_abort(file);
        return NULL;
    }
    return file;
}

int aside_write(aside *file, const void *data, size_t size) {
    const char *p = data;
    while (size > 0) {
        /* Some systems refuse more than INT_MAX bytes at once. */
        const size_t piece = size < (1u << 30) ? size : 1u << 30;
        const ssize_t written = write(file->fd, p, piece);
        if (written < 0) {
            if (errno == EINTR) continue;
            explain_errno(file, "cannot be written", errno);
            return -1;
        }
        if (written == 0) {
            explain(file, "cannot be written: the system took no more data");
            return -1;
        }
        p += written;
        size -= (size_t)written;
    }
    return 0;
}

int aside_prepare(aside *file) {
    int error = 0;
    while (fsync(file->fd) != 0) {
        /* EINVAL: a file system without fsync. */
        if (errno == EINTR) continue;
        if (errno != EINVAL) error = errno;
        break;
    }
    if (close(file->fd) != 0 && !error && errno != EINTR) error = errno;
    file->fd = -1;
    if (!error) return 0;
    explain_errno(file, "cannot be written", error);
    return -1;
}

/* The rename itself becomes durable with the directory; file systems that cannot sync it, may. */
static void sync_directory(const char *path) {
    const size_t length = directory_length(path);
    char *directory = length ? strndup(path, length) : strdup(".");
    const int fd = directory ? open(directory, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(directory);
}

int aside_commit(aside *file) {
    int failed = file->fd >= 0 && aside_prepare(file) != 0;
    if (!failed && rename(file->temporary, file->final_path) != 0) {
        explain_errno(file, "cannot be put in place", errno);
        failed = 1;
    }
    if (failed) {
        aside_abort(file);
        return -1;
    }
    sync_directory(file->final_path);
    release(file);
    return 0;
}
