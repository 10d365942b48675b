// SPDX-License-Identifier: GPL-2.0-or-later
/* dart_random.c - the first block that fits at or after a random page: nothing about the address can be relied on. */
#include "dart.h"

#include <stdlib.h>

struct random_fit {
	uint64_t pages;
	uint64_t seed;
	uint64_t used[];
};

/* splitmix64 */
static uint64_t next(struct random_fit *s)
{
	uint64_t z = s->seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void *create(uint64_t pages, uint64_t seed)
{
	struct random_fit *s = calloc(1, sizeof(*s) + (pages / 64 + 1) * sizeof(s->used[0]));

	if (s) {
		s->pages = pages;
		s->seed = seed;
	}
	return s;
}

static bool alloc(void *state, uint64_t pages, uint64_t *first)
{
	struct random_fit *s = state;
	uint64_t from = next(s) % s->pages;

	if (!dart_find_run(s->used, s->pages, from, s->pages, pages, first) &&
	    !dart_find_run(s->used, s->pages, 0, from, pages, first))
		return false;
	dart_set_run(s->used, *first, pages, true);
	return true;
}

static void release(void *state, uint64_t first, uint64_t pages)
{
	struct random_fit *s = state;

	dart_set_run(s->used, first, pages, false);
}

const struct dart_policy dart_random = {
	.name = "random", .create = create, .alloc = alloc, .free = release, .destroy = free};
