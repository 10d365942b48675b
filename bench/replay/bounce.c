// SPDX-License-Identifier: GPL-2.0-or-later
#include "bounce.h"

#include <stdio.h>

#define CHUNK_BYTES (2u << 20)
#define CHUNK_MIN   (128u << 10)
#define POOL_MAX    (32ull << 20)
#define POOL_SMALL  (4ull << 20) /* where all of RAM fits in the budget */
#define FULL_NS     20000000ull

/* As apple_dma_bounce.c says. */
static u64 wanted_bytes(const struct host *h)
{
	u64 ram = (u64)h->ram_frames << HOST_SHIFT, budget = (u64)h->budget << HOST_SHIFT;

	return min(ram <= budget ? POOL_SMALL : min(POOL_MAX, min(ram / 16, budget / 16)), budget / 4);
}

static void *memory(size_t bytes)
{
	void *p = aligned_alloc(BP_MAX_BYTES, bytes);

	if (!p) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	memset(p, 0, bytes);
	return p;
}

static bool pool_init(struct bounce *b)
{
	struct bp_memory memory[BOUNCE_CHUNKS];

	for (u32 i = 0; i < b->nr; i++)
		memory[i] = (struct bp_memory){
			.address = b->chunks[i].iova, .memory = b->memory, .bytes = b->chunks[i].bytes};
	if (bp_init(&b->pool, memory, b->nr, 1))
		return false;
	if (!bc_init(&b->choice, &b->index->fi, FULL_NS))
		return true;
	bp_destroy(&b->pool);
	return false;
}

void bounce_start(struct bounce *b, struct index *x)
{
	u64 bytes = wanted_bytes(x->host), had = 0, size;

	memset(b, 0, sizeof(*b));
	b->index = x;
	b->memory = memory(CHUNK_BYTES);
	b->buffers = memory(2 * BP_MAX_BYTES);
	for (; bytes - had >= CHUNK_MIN && b->nr < BOUNCE_CHUNKS; had += size) {
		size = min(1ull << ilog2(bytes - had), (u64)CHUNK_BYTES);
		if (!index_own_get(x, size, false, &b->chunks[b->nr]))
			break;
		b->nr++;
	}
	b->there = b->nr && pool_init(b);
}

void bounce_stop(struct bounce *b)
{
	struct bp_counters c;

	if (b->there) {
		bp_count(&b->pool, &c);
		if (c.buffers != b->copies.buffers || c.bytes != b->copies.bytes) {
			fputs("the pool has counted other copies\n", stderr);
			abort();
		}
		bp_destroy(&b->pool);
		bc_destroy(&b->choice);
	}
	while (b->nr)
		index_own_put(b->index, &b->chunks[--b->nr]);
	free(b->memory);
	free(b->buffers);
}

bool bounce_may(const struct bounce *b, const struct piece *p, enum use use)
{
	return b->there && p->bytes <= b->pool.max_bytes && (use == USE_TO_DEVICE || use == USE_FROM_DEVICE);
}

bool bounce_short(struct bounce *b)
{
	return b->there && bc_short(&b->choice, b->index->host->now);
}

bool bounce_prefers(struct bounce *b, const struct piece *p, const struct bc_list *list)
{
	return bc_copies(&b->choice, p->gpa, p->bytes, list);
}

void bounce_no_room(struct bounce *b)
{
	if (b->there)
		bc_no_room(&b->choice, b->index->host->now);
}

/* Where in a page a buffer begins decides how many slots it takes. */
static void *origin(const struct bounce *b, const struct piece *p)
{
	return (char *)b->buffers + (p->gpa & (BP_MAX_BYTES - 1));
}

bool bounce_map(struct bounce *b, struct piece *p, enum use use)
{
	p->iova = bp_map(&b->pool, origin(b, p), p->bytes, use == USE_TO_DEVICE ? BP_TO_DEVICE : BP_FROM_DEVICE);
	if (!p->iova)
		return false;
	for (u32 i = 0; i < b->nr; i++)
		if (p->iova - b->chunks[i].iova < b->chunks[i].bytes)
			p->at = b->chunks[i].at + (p->iova - b->chunks[i].iova);
	p->back = use == USE_FROM_DEVICE;
	b->copies.buffers++;
	b->copies.bytes += p->bytes;
	b->copies.moved += p->bytes;
	return true;
}

bool bounce_unmap(struct bounce *b, const struct piece *p)
{
	if (!b->there || !bp_spans(&b->pool, p->iova) || !bp_holds(&b->pool, p->iova))
		return false;
	if (!bp_unmap(&b->pool, p->iova, p->bytes, true)) {
		fprintf(stderr, "the pool does not know 0x%llx\n", (unsigned long long)p->iova);
		abort();
	}
	if (p->back)
		b->copies.moved += p->bytes;
	return true;
}
