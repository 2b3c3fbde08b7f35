/* What lquant says when something fails, and which files it says that of. */
#define _POSIX_C_SOURCE 200809L
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "lquant.h"
#include "report.h"

/* The inputs, as they may be shown, and what a signal handler can say of them without stdio. */
static struct {
    int count;
    char names[MESSAGE_SIZE];
    char changed[MESSAGE_SIZE + 128];
} inputs;

/* Names come from command lines and files: their control characters must not reach a terminal. */
static void say(const char *format, va_list arguments) {
    static char message[2 * MESSAGE_SIZE]; /* memory may be what has run out */
    progress_end();
    vsnprintf(message, sizeof message, format, arguments);
    fprintf(stderr, "lquant: %s\n", tf_make_printable(message));
}

int fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return EXIT_FAULT;
}

int fail_usage(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return EXIT_USAGE;
}

int fail_tensor(const char *path, const char *name, const char *fault) {
    char shown[TF_SHOWN_SIZE];
    return fail("%s: tensor '%s' %s", path, tf_printable(name, TF_SHOWN, shown), fault);
}

void *need(void *pointer) {
    if (pointer) return pointer;
    fail("%s%sout of memory", inputs.names, inputs.count > 0 ? ": " : "");
    aside_remove_all();
    exit(EXIT_FAULT);
}

void *need_bytes(int64_t size) {
    const size_t bytes = size > 0 ? (size_t)size : 1;
    return need(size < 0 || (uint64_t)size > SIZE_MAX / 2 ? NULL : malloc(bytes));
}

tf_file *open_input(const char *path) {
    char message[MESSAGE_SIZE];
    const size_t used = strlen(inputs.names);
    tf_file *file;
    /* Before it is mapped: reading its header may be what fails. */
    snprintf(inputs.names + used, sizeof inputs.names - used, "%s%s", inputs.count > 0 ? ", " : "",
             path);
    tf_make_printable(inputs.names);
    snprintf(inputs.changed, sizeof inputs.changed,
             "lquant: %s: %sbecame shorter or unreadable while it was read\n", inputs.names,
             inputs.count > 0 ? "one of them " : "");
    ++inputs.count;
    file = tf_open(path, message, sizeof message);
    if (!file) fail("%s", message);
    return file;
}

void close_input(tf_file *file) {
    tf_close(file);
    memset(&inputs, 0, sizeof inputs);
}

void say_input_changed(void) {
    size_t left = strlen(inputs.changed);
    for (const char *p = inputs.changed; left > 0;) {
        const ssize_t written = write(STDERR_FILENO, p, left);
        if (written <= 0) return;
        p += written;
        left -= (size_t)written;
    }
}
