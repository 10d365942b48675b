/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h - write a JSON text, indented, in the order of the calls.
 *
 * key is NULL for an array element and for the outermost value.  Strings may
 * hold any bytes: what is not UTF-8 becomes U+FFFD.
 */
#ifndef VFIO_APPLE_JSON_H
#define VFIO_APPLE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_MAX_DEPTH 8

struct json {
	FILE *out;
	unsigned depth;
	bool occupied[JSON_MAX_DEPTH + 1]; /* this level already holds a value */
	char closing[JSON_MAX_DEPTH + 1];
};

void json_start(struct json *json, FILE *out);
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_end(struct json *json); /* of the innermost object or array; a newline after the outermost */
void json_string(struct json *json, const char *key, const char *value); /* NULL writes null */
void json_number(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
/* As a string: 64-bit identifiers do not survive readers that hold numbers as doubles. */
void json_hex(struct json *json, const char *key, uint64_t value, int digits);

#endif
