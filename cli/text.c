// SPDX-License-Identifier: GPL-2.0-or-later
#include "text.h"

#include <stdbool.h>
#include <string.h>

#define COLUMNS 80

static bool ends_line(char c)
{
	return c == '\0' || c == '\n' || c == '\r';
}

void text_clean(char *to, size_t room, const char *text)
{
	size_t used = 0;

	while (*text == ' ' || *text == '\t')
		text++;
	for (; !ends_line(*text) && used < room - 1; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0) {
			to[used++] = '?'; /* C1 control character */
			text++;
		} else {
			to[used++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
		}
	}
	if (((unsigned char)*text & 0xc0) == 0x80) { /* cut off inside a UTF-8 sequence: drop it */
		while (used && ((unsigned char)to[used - 1] & 0xc0) == 0x80)
			used--;
		if (used)
			used--;
	}
	while (used && to[used - 1] == ' ')
		used--;
	to[used] = '\0';
}

void text_wrap(FILE *out, const char *text, unsigned indent, unsigned used)
{
	bool first = true;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (!first && used + 1 + word > COLUMNS) {
			fputc('\n', out);
			used = 0;
		} else if (!first) {
			fputc(' ', out);
			used++;
		}
		if (!used) {
			fprintf(out, "%*s", (int)indent, "");
			used = indent;
		}
		fwrite(text, 1, word, out);
		used += word;
		first = false;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}
