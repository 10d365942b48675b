// SPDX-License-Identifier: GPL-2.0-or-later
#include "extension_list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "vfa_dext.h"

#define COLUMNS 6

/*
 *	2 extension(s)
 *	--- com.apple.system_extension.driver_extension ...
 *	enabled	active	teamID	bundleID (version)	name	[state]
 *	*	*	TEAM	org.example.Driver (1.0/1)	Driver	[activated enabled]
 *
 * Columns are separated by one tab each and may be empty.
 */

static bool split(char *line, char *columns[COLUMNS])
{
	for (int i = 0; i < COLUMNS; i++) {
		columns[i] = line;
		line = line ? strchr(line, '\t') : NULL;
		if (line)
			*line++ = '\0';
		else if (i < COLUMNS - 1)
			return false;
	}
	return true;
}

static enum extension_state state_of(const char *text)
{
	static const struct {
		const char *begins;
		enum extension_state state;
	} states[] = {
		{"activated enabled", EXTENSION_ENABLED},   {"activated waiting for user", EXTENSION_WAITING},
		{"activated waiting to", EXTENSION_REBOOT}, {"activated disabled", EXTENSION_DISABLED},
		{"terminated", EXTENSION_REMOVED},
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (!strncmp(text, states[i].begins, strlen(states[i].begins)))
			return states[i].state;
	}
	return EXTENSION_OTHER;
}

/* Whoever builds it chooses the first parts of the identifier; the last one is the product's. */
static bool is_ours(const char *bundle)
{
	const char *dot = strrchr(bundle, '.');

	return dot && !strcmp(dot + 1, VFA_SERVICE_NAME);
}

static void parse_row(char *line, struct extension_list *list)
{
	struct extension_copy *copy = &list->copies[list->count];
	char *columns[COLUMNS], *open, *close;

	if (list->count == EXTENSION_COPIES_MAX || !split(line, columns))
		return;
	open = strstr(columns[3], " (");
	close = open ? strrchr(open, ')') : NULL;
	if (!close)
		return;
	*open = *close = '\0';
	if (!is_ours(columns[3]))
		return;
	text_clean(copy->bundle, sizeof(copy->bundle), columns[3]);
	text_clean(copy->version, sizeof(copy->version), open + 2);
	open = strchr(columns[5], '[');
	close = open ? strrchr(open, ']') : NULL;
	if (close)
		*close = '\0';
	text_clean(copy->text, sizeof(copy->text), close ? open + 1 : columns[5]);
	copy->state = state_of(copy->text);
	list->count++;
}

bool extension_list_parse(const char *text, struct extension_list *list)
{
	char *copy = strdup(text), *line = copy, *end;
	bool is_list = false;

	memset(list, 0, sizeof(*list));
	while (line && *line) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		if (isdigit((unsigned char)*line) && strstr(line, " extension(s)"))
			is_list = true;
		else if (is_list)
			parse_row(line, list);
		line = end;
	}
	free(copy);
	return is_list;
}
