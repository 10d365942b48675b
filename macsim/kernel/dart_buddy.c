// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dart_buddy.c - sizes rounded up to a power of two pages, naturally aligned,
 * as AppleVTD's small allocator does (balloc.c vtd_balloc).
 */
#include "dart.h"

#include <stdlib.h>

/*
 * A complete binary tree over 2^levels pages; best[node] is one more than the
 * order of the largest free block below it, 0 when nothing is free.  Pages
 * past the end of the window are never free.
 */
struct buddy {
	unsigned levels;
	uint8_t best[];
};

static unsigned order_of(uint64_t pages)
{
	unsigned order = 0;

	while (1ull << order < pages)
		order++;
	return order;
}

static uint8_t larger(uint8_t a, uint8_t b)
{
	return a > b ? a : b;
}

/* The value of a node of that order from its two children: whole only when both halves are. */
static uint8_t merged(const struct buddy *s, uint64_t node, unsigned order)
{
	uint8_t left = s->best[2 * node], right = s->best[2 * node + 1];

	return left == order && right == order ? order + 1 : larger(left, right);
}

static void *create(uint64_t pages, uint64_t seed)
{
	unsigned levels = order_of(pages);
	struct buddy *s = calloc(1, sizeof(*s) + (2ull << levels));

	(void)seed;
	if (!s)
		return NULL;
	s->levels = levels;
	for (uint64_t i = 0; i < pages; i++)
		s->best[(1ull << levels) + i] = 1;
	for (unsigned order = 1; order <= levels; order++)
		for (uint64_t node = 1ull << (levels - order); node < 2ull << (levels - order); node++)
			s->best[node] = merged(s, node, order);
	return s;
}

static void update_parents(struct buddy *s, uint64_t node, unsigned order)
{
	while (node > 1) {
		node /= 2;
		s->best[node] = merged(s, node, ++order);
	}
}

static bool alloc(void *state, uint64_t pages, uint64_t *first)
{
	struct buddy *s = state;
	unsigned want = order_of(pages), order = s->levels;
	uint64_t node = 1;

	if (s->best[1] < want + 1)
		return false;
	for (; order > want; order--) {
		/* A whole block is split: what its children held before is stale. */
		if (s->best[node] == order + 1)
			s->best[2 * node] = s->best[2 * node + 1] = order;
		node = 2 * node + (s->best[2 * node] < want + 1);
	}
	s->best[node] = 0;
	update_parents(s, node, want);
	*first = (node << want) - (1ull << s->levels);
	return true;
}

static void release(void *state, uint64_t first, uint64_t pages)
{
	struct buddy *s = state;
	unsigned order = order_of(pages);
	uint64_t node = ((1ull << s->levels) + first) >> order;

	s->best[node] = order + 1;
	update_parents(s, node, order);
}

const struct dart_policy dart_buddy = {
	.name = "buddy", .create = create, .alloc = alloc, .free = release, .destroy = free};
