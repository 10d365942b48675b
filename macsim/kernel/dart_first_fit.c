// SPDX-License-Identifier: GPL-2.0-or-later
/* dart_first_fit.c - the lowest block that is large enough, no rounding. */
#include "dart.h"

#include <stdlib.h>

struct first_fit {
	uint64_t pages;
	uint64_t lowest; /* no free page below */
	uint64_t used[];
};

static void *create(uint64_t pages, uint64_t seed)
{
	struct first_fit *s = calloc(1, sizeof(*s) + (pages / 64 + 1) * sizeof(s->used[0]));

	(void)seed;
	if (s)
		s->pages = pages;
	return s;
}

static bool alloc(void *state, uint64_t pages, uint64_t *first)
{
	struct first_fit *s = state;

	if (!dart_find_run(s->used, s->pages, s->lowest, s->pages, pages, first))
		return false;
	dart_set_run(s->used, *first, pages, true);
	if (*first == s->lowest)
		s->lowest += pages;
	return true;
}

static void release(void *state, uint64_t first, uint64_t pages)
{
	struct first_fit *s = state;

	dart_set_run(s->used, first, pages, false);
	if (first < s->lowest)
		s->lowest = first;
}

const struct dart_policy dart_first_fit = {
	.name = "first-fit", .create = create, .alloc = alloc, .free = release, .destroy = free};
