/* The command line of every bench. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "harness.h"

/* Fills bench_wanted. Ends the program on a fault (2), and where help is what was wanted (0). */
void options_parse(int argc, char **argv, const bench_suite *suite);

/* Ends the program: what is wrong, and what to do. */
void options_fault(const char *program, const char *format, ...);

/* The value of argv[*i] if that is `option`, in the same argument behind '=' or in the next. */
const char *options_value(const char *program, const char *option, char **argv, int *i);

/* argv[i] is no option. */
void options_refuse(const char *program, const char *argument);

#endif
