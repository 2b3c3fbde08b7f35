/* The command line of every bench. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "harness.h"

/* Fills bench_wanted. Ends the program on a fault (2), and where help is what was wanted (0). */
void options_parse(int argc, char **argv, const bench_suite *suite);

/* Ends the program: what is wrong, and what to do. */
void options_fault(const bench_suite *suite, const char *format, ...);

#endif
