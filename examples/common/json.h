/* JSON that may come from anywhere: stricter than cJSON, and without its appetite for memory. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <cjson/cJSON.h>

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

#endif
