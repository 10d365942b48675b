// SPDX-License-Identifier: GPL-2.0-or-later
/* dart_next_fit.c - the first block that fits behind the last one handed out, around the window: freed addresses rest
 * longest. */
#include "dart.h"

#include <stdlib.h>

struct next_fit {
	uint64_t pages;
	uint64_t from; /* end of the last block */
	uint64_t used[];
};

static void *create(uint64_t pages, uint64_t seed)
{
	struct next_fit *s = calloc(1, sizeof(*s) + (pages / 64 + 1) * sizeof(s->used[0]));

	(void)seed;
	if (s)
		s->pages = pages;
	return s;
}

static bool alloc(void *state, uint64_t pages, uint64_t *first)
{
	struct next_fit *s = state;

	if (!dart_find_run(s->used, s->pages, s->from, s->pages, pages, first) &&
	    !dart_find_run(s->used, s->pages, 0, s->from, pages, first))
		return false;
	dart_set_run(s->used, *first, pages, true);
	s->from = *first + pages;
	return true;
}

static void release(void *state, uint64_t first, uint64_t pages)
{
	struct next_fit *s = state;

	dart_set_run(s->used, first, pages, false);
}

const struct dart_policy dart_next_fit = {
	.name = "next-fit", .create = create, .alloc = alloc, .free = release, .destroy = free};
