#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <limits.h>
#include <math.h>
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

/* A positive decimal number. */
static int parse_positive(const char *text, double *value) {
    char *stop;
    if (strspn(text, "0123456789.e+-") != strlen(text)) return 0;
    *value = strtod(text, &stop);
    return *text != '\0' && *stop == '\0' && *value > 0 && isfinite(*value);
}

/* ---------------------------------------------------------------- the options */

static int parse_affine(const char *value, lquant_options *o) {
    (void)value;
    o->mapping = LQ_AFFINE;
    return o->mapping_given = 1;
}

static int parse_symmetric(const char *value, lquant_options *o) {
    (void)value;
    o->mapping = LQ_SYMMETRIC;
    return o->mapping_given = 1;
}

static int parse_per_tensor(const char *value, lquant_options *o) {
    (void)value;
    o->block = lq_per_tensor();
    return o->block_given = 1;
}

/* AXIS; an absent one is channel 0. */
static int parse_channel(const char *value, lquant_options *o) {
    const char *rest = "";
    int64_t axis = 0;
    if (value && !parse_integer(value, '\0', INT32_MIN, INT32_MAX, &axis, &rest)) return 0;
    o->block = lq_per_channel((int32_t)axis);
    return o->block_given = 1;
}

/* SIZE or SIZE@AXIS. */
static int parse_block(const char *value, lquant_options *o) {
    const char *rest = "";
    int64_t size = 0, axis = -1;
    if (!value || !parse_integer(value, '@', 1, INT64_MAX, &size, &rest)) return 0;
    if (*rest == '@' && !parse_integer(rest + 1, '\0', INT32_MIN, INT32_MAX, &axis, &rest))
        return 0;
    o->block = lq_per_block((int32_t)axis, size);
    return o->block_given = 1;
}

static int parse_type(const char *value, lquant_options *o) {
    const lq_type type = lq_type_from_name(value);
    o->code_type = type;
    o->type_given = 1;
    return type == LQ_S2 || type == LQ_S4 || type == LQ_S8 || type == LQ_S16 || type == LQ_U2 ||
           type == LQ_U4 || type == LQ_U8 || type == LQ_U16;
}

static int parse_scale(const char *value, lquant_options *o) {
    o->scale_type = lq_type_from_name(value);
    o->scale_given = 1;
    return real_dtype(o->scale_type) != NULL;
}

/* NAME or NAME,NAME...: added to those that are there. */
static int parse_methods(const char *value, lquant_options *o) {
    char name[64];
    while (value) {
        const char *comma = strchr(value, ',');
        const size_t length = comma ? (size_t)(comma - value) : strlen(value);
        lq_method method;
        if (length >= sizeof name || o->method_count == MOST_METHODS) return 0;
        memcpy(name, value, length);
        name[length] = '\0';
        method = lq_method_from_name(name);
        if (method < 0 || !method_applies(method)) return 0;
        for (int i = 0; i < o->method_count; ++i)
            if (o->methods[i] == method) return 0;
        o->methods[o->method_count++] = method;
        value = comma ? comma + 1 : NULL;
    }
    return 1;
}

static int parse_percentile(const char *value, lquant_options *o) {
    return parse_positive(value, &o->percentile) && o->percentile <= 100;
}

static int parse_deviations(const char *value, lquant_options *o) {
    return parse_positive(value, &o->deviations);
}

static int parse_mantissa(const char *value, lquant_options *o) {
    const char *rest;
    int64_t bits = 0;
    const int good = parse_integer(value, '\0', 1, 10, &bits, &rest);
    o->mantissa_bits = (int)bits;
    return good;
}

static int parse_bits(const char *value, lquant_options *o) {
    const char *rest;
    int64_t bits = 0;
    const int good = parse_integer(value, '\0', 1, 8, &bits, &rest);
    o->bits = (int32_t)bits;
    return good;
}

static int parse_sums(const char *value, lquant_options *o) {
    (void)value;
    return o->bin_sums = 1;
}

typedef enum { FLAG, OPTIONAL_VALUE, VALUE } takes;

#define TEXT(field) NULL, offsetof(lquant_options, field)

/* Of options with the same letter one may be given, once; without a letter any number. */
static const struct option {
    const char *name;
    takes takes;
    char once;
    int (*parse)(const char *value, lquant_options *o); /* 1, or 0 for a wrong value; NULL: */
    size_t text;                                        /* where the value goes as it is */
    const char *wants;                                  /* the values it takes; NULL: none */
} options[] = {
    {"--affine", FLAG, 'm', parse_affine, 0, NULL},
    {"--symmetric", FLAG, 'm', parse_symmetric, 0, NULL},
    {"--per-tensor", FLAG, 'b', parse_per_tensor, 0, NULL},
    {"--per-channel", OPTIONAL_VALUE, 'b', parse_channel, 0, "an AXIS"},
    {"--per-block", OPTIONAL_VALUE, 'b', parse_block, 0, "SIZE or SIZE@AXIS, SIZE 1 or more"},
    {"--type", VALUE, 't', parse_type, 0,
     "s8, u8, s4, u4, s2, u2, s16 or u16 (floats: 'lquant quantize --format fp8' and others)"},
    {"--scale", VALUE, 's', parse_scale, 0, "f32, f16 or bf16"},
    {"--method", VALUE, '\0', parse_methods, 0, "names of methods, each once"},
    {"--percentile", VALUE, 'p', parse_percentile, 0, "above 0, up to 100"},
    {"--deviations", VALUE, 'd', parse_deviations, 0, "above 0"},
    {"--mantissa-bits", VALUE, 'k', parse_mantissa, 0, "1 to 10"},
    {"--bits", VALUE, 'B', parse_bits, 0, "1 to 8"},
    {"--format", VALUE, 'f', TEXT(format), "not empty"},
    {"--sums", FLAG, 'u', parse_sums, 0, NULL},
    {"--only", VALUE, 'o', TEXT(only), "not empty"},
    {"--report", VALUE, 'r', TEXT(report), "not empty"},
    {"--calibration", VALUE, 'c', TEXT(calibration), "not empty"},
    {"--state", VALUE, 'S', TEXT(state), "not empty"},
    {"--json", VALUE, 'j', TEXT(json), "not empty"},
    {"--plot", VALUE, 'P', TEXT(plot), "not empty"},
    {"--name", VALUE, 'n', TEXT(name), "not empty"},
    {"-o", VALUE, 'O', TEXT(out), "not empty"},
};

static int parse_option(const struct option *option, const char *value,
                        const lquant_command *command, lquant_options *o, unsigned char *seen) {
    char what[256];
    int good = option->takes != FLAG || !value;
    if (good && option->once && seen[(unsigned char)option->once]++)
        return usage_error(command, "given twice, or with another of its kind:", option->name);
    if (good && option->parse) {
        good = option->parse(value, o);
    } else if (good) {
        memcpy((char *)o + option->text, &value, sizeof value);
        good = *value != '\0';
    }
    if (good) return 0;
    if (!option->wants) return usage_error(command, "no value belongs to", option->name);
    snprintf(what, sizeof what, "the value of %s is to be %s, and not", option->name,
             option->wants);
    return usage_error(command, what, value ? value : "");
}

/* Splits NAME=VALUE; NULL where the command does not take such an option. */
static const struct option *split(const char *argument, const lquant_command *command,
                                  const char **value) {
    const char *equals = strchr(argument, '=');
    const size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
    *value = equals ? equals + 1 : NULL;
    for (size_t i = 0; i < sizeof options / sizeof *options; ++i) {
        char wanted[40];
        if (strlen(options[i].name) != length || strncmp(options[i].name, argument, length) != 0)
            continue;
        snprintf(wanted, sizeof wanted, " %s ", options[i].name);
        return strstr(command->allowed, wanted) ? &options[i] : NULL;
    }
    return NULL;
}

static void set_defaults(lquant_options *o) {
    memset(o, 0, sizeof *o);
    o->mapping = LQ_SYMMETRIC;
    o->code_type = LQ_S8;
    o->scale_type = LQ_F32;
    o->block = lq_per_channel(0);
}

/* The files are moved to the front of argv. */
static int take_files(const lquant_command *command, lquant_options *o, char **files, int count) {
    if (count < command->least_files) return usage_error(command, "too few files", NULL);
    if (count > command->most_files)
        return usage_error(command, "too many files:", files[command->most_files]);
    o->files = files;
    o->file_count = count;
    o->in = count > 0 ? files[0] : NULL;
    if (command->most_files == 2 && count == 2) o->out = files[1];
    return 0;
}

int parse_options(int argc, char **argv, const lquant_command *command, lquant_options *o) {
    unsigned char seen[128] = {0};
    int count = 0, only_files = 0;
    set_defaults(o);
    for (int i = 0; i < argc; ++i) {
        const struct option *option;
        const char *value;
        if (!only_files && strcmp(argv[i], "--") == 0) {
            only_files = 1;
            continue;
        }
        if (only_files || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[count++] = argv[i];
            continue;
        }
        option = split(argv[i], command, &value);
        if (!option) return usage_error(command, "unknown option", argv[i]);
        if (option->takes == VALUE && !value && i + 1 < argc) value = argv[++i];
        if (option->takes == VALUE && !value)
            return usage_error(command, "a value is missing behind", option->name);
        if (parse_option(option, value, command, o, seen) != 0) return EXIT_USAGE;
    }
    return take_files(command, o, argv, count);
}
