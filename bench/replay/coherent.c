// SPDX-License-Identifier: GPL-2.0-or-later
#include "coherent.h"

#include <stdio.h>

#define PAGE        4096u
#define CHUNK_BYTES (2ull << 20)
#define CHUNK_MIN   (64ull << 10)
#define CHUNK_PART  64

static u32 order_of(u64 bytes)
{
	return bytes <= PAGE ? 0 : ilog2(bytes - 1) - 11;
}

static u32 pages_of(u64 bytes)
{
	return (bytes + PAGE - 1) / PAGE;
}

static void end_chunk(struct coherent *c, u32 i)
{
	struct coherent_chunk *chunk = c->chunks[i];

	index_own_put(c->index, &chunk->mem);
	c->free -= pages_of(chunk->mem.bytes) - chunk->used;
	free(chunk);
	memmove(&c->chunks[i], &c->chunks[i + 1], (--c->nr - i) * sizeof(chunk));
}

static bool grow(struct coherent *c)
{
	struct coherent_chunk *chunk;

	if (c->nr == COHERENT_CHUNKS)
		return false;
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk || !index_own_get(c->index, (u64)PAGE << c->order, true, &chunk->mem)) {
		free(chunk);
		return false;
	}
	chunk->aligned = chunk->mem.iova | chunk->mem.bytes;
	chunk->aligned &= -chunk->aligned;
	c->chunks[c->nr++] = chunk;
	c->free += 1u << c->order;
	return true;
}

/* Less than a quarter of a chunk left. */
void coherent_work(struct coherent *c)
{
	if (c->there && c->free < 1u << c->order >> 2)
		grow(c);
}

/* The first page of a free run that is aligned to its size; COHERENT_PAGES: there is none. */
static u32 find(const struct coherent_chunk *chunk, u32 order, u32 nr)
{
	for (u32 at = 0; at + nr <= pages_of(chunk->mem.bytes); at += 1u << order) {
		u32 free = 0;

		while (free < nr && !chunk->taken[at + free])
			free++;
		if (free == nr)
			return at;
	}
	return COHERENT_PAGES;
}

enum found { FOUND, NO_ROOM, NOT_ALIGNED };

static enum found take(struct coherent *c, struct piece *p)
{
	u32 order = order_of(p->bytes), nr = pages_of(p->bytes);
	enum found found = NO_ROOM;

	for (u32 i = 0; i < c->nr; i++) {
		struct coherent_chunk *chunk = c->chunks[i];
		u32 at;

		if (pages_of(chunk->mem.bytes) - chunk->used < nr)
			continue;
		if (chunk->aligned < (u64)PAGE << order) {
			found = NOT_ALIGNED;
			continue;
		}
		at = find(chunk, order, nr);
		if (at == COHERENT_PAGES)
			continue;
		memset(&chunk->taken[at], true, nr);
		chunk->used += nr;
		c->free -= nr;
		p->at = chunk->mem.at + (u64)at * PAGE;
		p->iova = chunk->mem.iova + (u64)at * PAGE;
		return FOUND;
	}
	return found;
}

bool coherent_alloc(struct coherent *c, struct piece *p)
{
	enum found found;

	if (!c->there || order_of(p->bytes) > c->order)
		return false;
	found = take(c, p);
	if (found == NO_ROOM && grow(c))
		found = take(c, p);
	return found == FOUND;
}

bool coherent_free(struct coherent *c, const struct piece *p)
{
	u32 found = c->nr, empty = 0, nr = pages_of(p->bytes);

	for (u32 i = 0; i < c->nr; i++) {
		if (p->at - c->chunks[i]->mem.at < c->chunks[i]->mem.bytes)
			found = i;
		else if (!c->chunks[i]->used)
			empty++;
	}
	if (found == c->nr)
		return false;
	memset(&c->chunks[found]->taken[(p->at - c->chunks[found]->mem.at) / PAGE], false, nr);
	c->chunks[found]->used -= nr;
	c->free += nr;
	/* As many empty ones are kept as there were to begin with. */
	if (!c->chunks[found]->used && empty >= c->kept)
		end_chunk(c, found);
	return true;
}

void coherent_start(struct coherent *c, struct index *x)
{
	u64 bytes = min(CHUNK_BYTES, ((u64)x->host->budget << HOST_SHIFT) / 16);

	memset(c, 0, sizeof(*c));
	c->index = x;
	if (bytes < CHUNK_MIN)
		return;
	c->order = ilog2(bytes) - 12;
	c->kept = bytes <= ((u64)x->host->budget << HOST_SHIFT) / CHUNK_PART ? 2 : 1;
	c->there = true;
	while (c->nr < c->kept && grow(c))
		;
}

void coherent_stop(struct coherent *c)
{
	while (c->nr)
		end_chunk(c, c->nr - 1);
}
