// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dart_gaps.c - policies that look at every gap: best-fit takes the smallest
 * that is large enough, as AppleVTD's large allocator does (rballoc.c
 * vtd_rballoc); last-fit the highest, from its top down.
 */
#include "dart.h"

#include <stdlib.h>

struct gaps {
	uint64_t pages;
	uint64_t used[];
};

static void *create(uint64_t pages, uint64_t seed)
{
	struct gaps *s = calloc(1, sizeof(*s) + (pages / 64 + 1) * sizeof(s->used[0]));

	(void)seed;
	if (s)
		s->pages = pages;
	return s;
}

/* The next gap at or after *first, with its length; false: none. */
static bool next_gap(const struct gaps *s, uint64_t *first, uint64_t *run)
{
	uint64_t i = *first;

	while (i < s->pages && (s->used[i / 64] >> (i % 64) & 1))
		i = s->used[i / 64] == ~0ull ? (i / 64 + 1) * 64 : i + 1;
	if (i >= s->pages)
		return false;
	*first = i;
	while (i < s->pages && !(s->used[i / 64] >> (i % 64) & 1))
		i = i % 64 == 0 && s->used[i / 64] == 0 ? i + 64 : i + 1;
	*run = (i < s->pages ? i : s->pages) - *first;
	return true;
}

static bool alloc_best(void *state, uint64_t pages, uint64_t *first)
{
	struct gaps *s = state;
	uint64_t best = UINT64_MAX, run;

	for (uint64_t at = 0; next_gap(s, &at, &run); at += run) {
		if (run < pages || run >= best)
			continue;
		best = run;
		*first = at;
	}
	if (best == UINT64_MAX)
		return false;
	dart_set_run(s->used, *first, pages, true);
	return true;
}

static bool alloc_last(void *state, uint64_t pages, uint64_t *first)
{
	struct gaps *s = state;
	bool found = false;
	uint64_t run;

	for (uint64_t at = 0; next_gap(s, &at, &run); at += run) {
		if (run < pages)
			continue;
		found = true;
		*first = at + run - pages;
	}
	if (found)
		dart_set_run(s->used, *first, pages, true);
	return found;
}

static void release(void *state, uint64_t first, uint64_t pages)
{
	struct gaps *s = state;

	dart_set_run(s->used, first, pages, false);
}

const struct dart_policy dart_best_fit = {
	.name = "best-fit", .create = create, .alloc = alloc_best, .free = release, .destroy = free};
const struct dart_policy dart_last_fit = {
	.name = "last-fit", .create = create, .alloc = alloc_last, .free = release, .destroy = free};
