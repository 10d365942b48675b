// SPDX-License-Identifier: GPL-2.0-or-later
#include "index.h"

#include <stdio.h>

__thread u32 fi_thread;

static void run(void *state, struct fi_batch *b)
{
	struct index *x = state;

	host_exit(x->host);
	x->host->counts.drop_exits += b->nr_drops > 0;
	for (u32 i = 0; i < b->nr_drops; i++)
		b->drops[i].err = host_unmap(x->host, b->drops[i].handle) ? 0 : -ENOENT;
	for (u32 i = 0; i < b->nr_maps; i++) {
		struct fi_map *m = &b->maps[i];
		struct host_range ranges[FI_MAX_RANGES];

		if (m->err != FI_ASK)
			continue;
		for (u32 k = 0; k < m->nr_ranges; k++)
			ranges[k] = (struct host_range){b->ranges[m->first_range + k].frame,
							b->ranges[m->first_range + k].frames};
		m->err = host_map(x->host, ranges, m->nr_ranges, m->align, &m->handle, &m->iova);
	}
}

static void wake(void *state, bool soon)
{
	struct index *x = state;

	x->soon |= soon;
}

static void distrust(void *state, u64 iova)
{
	(void)state;
	fprintf(stderr, "the index does not trust 0x%llx\n", (unsigned long long)iova);
	abort();
}

static const struct fi_host ops = {.run = run, .wake = wake, .distrust = distrust};

void index_start(struct index *x, struct host *h, bool strict)
{
	const struct fi_limits limits = {
		.granule_shift = HOST_SHIFT,
		.max_align = 21,
		.max_ranges = HOST_MAX_RANGES,
		.max_granule = 21,
		.iova_first = HOST_FIRST,
		.iova_last = HOST_FIRST + ((u64)h->window << HOST_SHIFT) - 1,
		.bytes_max = (u64)h->budget << HOST_SHIFT,
		.mappings_max = h->mappings_max,
		.nr_cpus = 1,
	};

	memset(x, 0, sizeof(*x));
	x->host = h;
	if (fi_init(&x->fi, &limits, &ops, x) || fi_add_ram(&x->fi, h->ram_first, h->ram_frames) ||
	    fi_add_ram(&x->fi, h->own_first, HOST_OWN)) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	fi_set_strict(&x->fi, strict);
}

void index_stop(struct index *x)
{
	fi_clear(&x->fi);
	fi_destroy(&x->fi);
}

static u32 frames_of(const struct piece *p)
{
	return ((p->gpa & (HOST_FRAME - 1)) + p->bytes + HOST_FRAME - 1) >> HOST_SHIFT;
}

int index_get(struct index *x, struct piece *const *pieces, u32 nr, bool packed, bool natural)
{
	struct fi_want wants[INDEX_BATCH];
	int err;

	for (u32 i = 0; i < nr; i++)
		wants[i] = (struct fi_want){
			.frame = pieces[i]->gpa >> HOST_SHIFT,
			.frames = frames_of(pieces[i]),
			.packed = packed,
			.natural = natural,
		};
	err = fi_get(&x->fi, wants, nr);
	for (u32 i = 0; !err && i < nr; i++)
		pieces[i]->iova = fi_address(&x->fi, wants[i].iova) + (pieces[i]->gpa & (HOST_FRAME - 1));
	return err;
}

bool index_hit(struct index *x, struct piece *p)
{
	u64 iova;

	if (!fi_get_hit(&x->fi, p->gpa, p->bytes, ~0ull, &iova))
		return false;
	p->iova = iova;
	return true;
}

void index_put(struct index *x, struct fi_dying *dying, const struct piece *p)
{
	if (fi_put_hit(&x->fi, p->iova, p->bytes) || fi_put(&x->fi, dying, p->iova, p->bytes))
		return;
	fprintf(stderr, "the index does not know 0x%llx\n", (unsigned long long)p->iova);
	abort();
}

void index_work(struct index *x, bool tick)
{
	if (!x->soon && !tick)
		return;
	x->soon = false;
	fi_work(&x->fi, tick);
}

void index_believes(struct index *x, uint64_t *maps, uint64_t *unmaps, uint64_t *exits)
{
	struct fi_counters c;

	fi_count(&x->fi, &c);
	*maps = c.maps;
	*unmaps = c.unmaps;
	*exits = c.doorbells;
}

bool index_own_get(struct index *x, u64 bytes, bool natural, struct piece *p)
{
	u32 block = 0;

	while (block < INDEX_OWN_BLOCKS && x->own[block])
		block++;
	if (block == INDEX_OWN_BLOCKS)
		return false;
	*p = (struct piece){.gpa = ((u64)x->host->own_first << HOST_SHIFT) + block * INDEX_OWN_BYTES, .bytes = bytes};
	if (index_get(x, &p, 1, false, natural))
		return false;
	p->at = p->gpa;
	x->own[block] = true;
	if (host_use(x->host, p->iova, p->at, p->bytes))
		return true;
	fprintf(stderr, "a pool is at 0x%llx, says the index; the host has something else there\n",
		(unsigned long long)p->iova);
	abort();
}

void index_own_put(struct index *x, const struct piece *p)
{
	struct fi_dying dying = {.count = 0};

	host_leave(x->host, p->iova, p->at, p->bytes);
	index_put(x, &dying, p);
	fi_put_done(&x->fi, &dying);
	x->own[((p->gpa >> HOST_SHIFT) - x->host->own_first) / (INDEX_OWN_BYTES >> HOST_SHIFT)] = false;
}
