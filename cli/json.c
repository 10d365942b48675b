// SPDX-License-Identifier: GPL-2.0-or-later
#include "json.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 sequence at s (Unicode table 3-7), 0 when there is none. */
static unsigned utf8_length(const unsigned char *s)
{
	unsigned length;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	for (unsigned i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) /* overlong, surrogate */
		return 0;
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) /* overlong, above U+10FFFF */
		return 0;
	return length;
}

static void put_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s) {
		unsigned length = utf8_length(s);

		if (length == 0) {
			fputs("\\ufffd", out);
			length = 1;
		} else if (length > 1) {
			fwrite(s, 1, length, out);
		} else if (*s == '"' || *s == '\\') {
			fprintf(out, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(out, "\\u%04x", *s);
		} else {
			fputc(*s, out);
		}
		s += length;
	}
	fputc('"', out);
}

static void put_key(struct json *json, const char *key)
{
	if (json->occupied[json->depth])
		fputc(',', json->out);
	json->occupied[json->depth] = true;
	if (json->depth)
		fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
	if (key) {
		put_string(json->out, key);
		fputs(": ", json->out);
	}
}

static void open_level(struct json *json, const char *key, char opening, char closing)
{
	assert(json->depth < JSON_MAX_DEPTH);
	put_key(json, key);
	fputc(opening, json->out);
	json->depth++;
	json->occupied[json->depth] = false;
	json->closing[json->depth] = closing;
}

void json_start(struct json *json, FILE *out)
{
	memset(json, 0, sizeof(*json));
	json->out = out;
}

void json_object(struct json *json, const char *key)
{
	open_level(json, key, '{', '}');
}

void json_array(struct json *json, const char *key)
{
	open_level(json, key, '[', ']');
}

void json_end(struct json *json)
{
	char closing = json->closing[json->depth];
	bool occupied = json->occupied[json->depth];

	assert(json->depth > 0);
	json->depth--;
	if (occupied)
		fprintf(json->out, "\n%*s", (int)json->depth * 2, "");
	fputc(closing, json->out);
	if (json->depth == 0)
		fputc('\n', json->out);
}

void json_string(struct json *json, const char *key, const char *value)
{
	put_key(json, key);
	if (value)
		put_string(json->out, value);
	else
		fputs("null", json->out);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	put_key(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	put_key(json, key);
	fputs(value ? "true" : "false", json->out);
}

void json_hex(struct json *json, const char *key, uint64_t value, int digits)
{
	put_key(json, key);
	fprintf(json->out, "\"0x%0*" PRIx64 "\"", digits, value);
}
