#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lquant.h"

static int usage_error(const lquant_command *command, const char *what, const char *which) {
    return fail_usage("%s%s%s%s; see 'lquant help %s'", what, which ? " '" : "", which ? which : "",
                      which ? "'" : "", command->name);
}

/* A decimal integer within [low, high], the whole text up to `end`. */
static int parse_integer(const char *text, char end, int64_t low, int64_t high, int64_t *value,
                         const char **rest) {
    char *stop;
    long long number;
    if ((*text < '0' || *text > '9') && !(*text == '-' && text[1] >= '0' && text[1] <= '9'))
        return 0;
    errno = 0;
    number = strtoll(text, &stop, 10);
    if (errno || number < low || number > high || (*stop != end && *stop != '\0')) return 0;
    *value = number;
    *rest = stop;
    return 1;
}

/* AXIS; an absent one is channel 0. */
static int parse_channel(const char *value, lq_block *block) {
    const char *rest = "";
    int64_t axis = 0;
    if (value && !parse_integer(value, '\0', INT32_MIN, INT32_MAX, &axis, &rest)) return 0;
    *block = lq_per_channel((int32_t)axis);
    return 1;
}

/* SIZE or SIZE@AXIS. */
static int parse_block(const char *value, lq_block *block) {
    const char *rest = "";
    int64_t size = 0, axis = -1;
    if (!value || !parse_integer(value, '@', 1, INT64_MAX, &size, &rest)) return 0;
    if (*rest == '@' && !parse_integer(rest + 1, '\0', INT32_MIN, INT32_MAX, &axis, &rest))
        return 0;
    *block = lq_per_block((int32_t)axis, size);
    return 1;
}

typedef struct seen_options {
    int type, mapping, block, scale, only, report;
} seen_options;

static int is_code_type(lq_type type) {
    return type == LQ_S2 || type == LQ_S4 || type == LQ_S8 || type == LQ_S16 || type == LQ_U2 ||
           type == LQ_U4 || type == LQ_U8 || type == LQ_U16;
}

/* The options without a value of their own, or with one behind '='; -1: it is none of these. */
static int parse_flag(const char *name, const char *value, lquant_options *o, seen_options *seen) {
    if (strcmp(name, "--affine") == 0 || strcmp(name, "--symmetric") == 0) {
        o->mapping = name[2] == 'a' ? LQ_AFFINE : LQ_SYMMETRIC;
        return !value && seen->mapping++ == 0;
    }
    if (strcmp(name, "--per-tensor") == 0) {
        o->block = lq_per_tensor();
        return !value && seen->block++ == 0;
    }
    if (strcmp(name, "--per-channel") == 0)
        return parse_channel(value, &o->block) && seen->block++ == 0;
    if (strcmp(name, "--per-block") == 0)
        return parse_block(value, &o->block) && seen->block++ == 0;
    return -1;
}

/* The options that take a value, behind '=' or as the next argument. */
static int parse_valued(const char *name, const char *value, lquant_options *o,
                        seen_options *seen) {
    if (strcmp(name, "--type") == 0) {
        o->code_type = lq_type_from_name(value);
        return is_code_type(o->code_type) && seen->type++ == 0;
    }
    if (strcmp(name, "--scale") == 0) {
        o->scale_type = lq_type_from_name(value);
        return real_dtype(o->scale_type) && seen->scale++ == 0;
    }
    if (strcmp(name, "--only") == 0) {
        o->only = value;
        return seen->only++ == 0;
    }
    o->report = value;
    return *value != '\0' && seen->report++ == 0;
}

static int is_valued(const char *name) {
    return strcmp(name, "--type") == 0 || strcmp(name, "--scale") == 0 ||
           strcmp(name, "--only") == 0 || strcmp(name, "--report") == 0;
}

/* Splits NAME=VALUE; 0 where the command does not take such an option. */
static int split(const char *argument, const lquant_command *command, char name[32],
                 const char **value) {
    const char *equals = strchr(argument, '=');
    const size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
    char wanted[40];
    if (length >= 32) return 0;
    memcpy(name, argument, length);
    name[length] = '\0';
    *value = equals ? equals + 1 : NULL;
    snprintf(wanted, sizeof wanted, " %s ", name);
    return strstr(command->allowed, wanted) != NULL;
}

static int parse_files(int count, char **files, const lquant_command *command, lquant_options *o) {
    if (count < command->files) return usage_error(command, "too few files", NULL);
    if (count > command->files) return usage_error(command, "too many files:", files[count - 1]);
    o->in = files[0];
    if (count > 1) o->out = files[1];
    return 0;
}

int parse_options(int argc, char **argv, const lquant_command *command, lquant_options *o) {
    char *files[3] = {0};
    seen_options seen = {0};
    int count = 0, only_files = 0;
    memset(o, 0, sizeof *o);
    o->mapping = LQ_SYMMETRIC;
    o->code_type = LQ_S8;
    o->scale_type = LQ_F32;
    o->block = lq_per_channel(0);
    for (int i = 0; i < argc; ++i) {
        char name[32];
        const char *value;
        int good;
        if (!only_files && strcmp(argv[i], "--") == 0) {
            only_files = 1;
            continue;
        }
        if (only_files || argv[i][0] != '-' || argv[i][1] == '\0') {
            if (count < 3) files[count++] = argv[i];
            continue;
        }
        if (!split(argv[i], command, name, &value))
            return usage_error(command, "unknown option", argv[i]);
        if (is_valued(name)) {
            if (!value && i + 1 < argc) value = argv[++i];
            if (!value) return usage_error(command, "a value is missing behind", name);
            good = parse_valued(name, value, o, &seen);
        } else {
            good = parse_flag(name, value, o, &seen);
        }
        if (good != 1) return usage_error(command, "a wrong value, or given twice:", name);
    }
    return parse_files(count, files, command, o);
}
