/*
 * JSON that may come from anywhere: stricter than cJSON, and without its appetite for memory.
 * And JSON to write, with numbers as they are.
 */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "aside.h"

/*
 * What `text` has that cJSON lets through and that would be read in two ways: bytes that are
 * not UTF-8, control characters, and \u0000, which would cut a name short. "is not UTF-8"
 * and the like, or NULL. json_parse relies on this check.
 */
const char *json_lexical_fault(const char *text, size_t length);

/*
 * cJSON takes some 80 bytes for each value, so a text of "0,0,0..." grows fortyfold: count
 * before parsing. At least the number of values in `text`; *row is the longest run of
 * numbers or other plain words.
 */
size_t json_values(const char *text, size_t length, size_t *row);

/* The whole text as one value, to be deleted. NULL on failure, and *wrong says why. */
cJSON *json_parse(const char *text, size_t length, const char **wrong);

/*
 * The name of some key that `object`, if it is one, has twice, or NULL. *no_memory is whether
 * that could not be found out.
 */
const char *json_duplicate_key(const cJSON *object, int *no_memory);

/*
 * Adding numbers that read back as they were: cJSON prints large integers as 1e+15 and rounds
 * fractions. NaN and infinities become null. 0, or -1 where memory ran out.
 */
int json_add_number(cJSON *object, const char *key, double value);
int json_add_integer(cJSON *object, const char *key, int64_t value);
int json_append_number(cJSON *array, double value);
int json_append_integer(cJSON *array, int64_t value);

/* The text of `root`, complete under a temporary name (aside.h); NULL with `message` written. */
aside *json_write(const cJSON *root, const char *path, char *message, size_t message_size);

#endif
