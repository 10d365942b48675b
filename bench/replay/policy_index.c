// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What ships: guest/linux/frame_index.c itself, asked as apple_dma_ops.c asks it.
 */
#include "policies.h"

#include "frame_index.h"

#include <stdio.h>

#define BATCH 32u /* entries of a list that are asked for together, as in apple_dma_priv.h */

__thread u32 fi_thread;

struct index {
	struct host *host;
	struct frame_index fi;
	bool soon;
};

static void run(void *state, struct fi_batch *b)
{
	struct index *x = state;

	host_exit(x->host);
	x->host->drop_exits += b->nr_drops > 0;
	for (u32 i = 0; i < b->nr_drops; i++)
		b->drops[i].err = host_unmap(x->host, b->drops[i].handle) ? 0 : -ENOENT;
	for (u32 i = 0; i < b->nr_maps; i++) {
		struct fi_map *m = &b->maps[i];
		struct host_range ranges[FI_MAX_RANGES];

		if (m->err != FI_ASK)
			continue;
		for (u32 k = 0; k < m->nr_ranges; k++)
			ranges[k] = (struct host_range){b->ranges[m->first_range + k].frame, b->ranges[m->first_range + k].frames};
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

static void *start(struct host *h, bool strict)
{
	const struct fi_limits limits = {
		.granule_shift = HOST_SHIFT,
		.max_align = 21,
		.max_ranges = HOST_MAX_RANGES,
		.max_granule = 21,
		.iova_first = HOST_FIRST,
		.iova_last = HOST_FIRST + ((u64)h->window << HOST_SHIFT) - 1,
		.bytes_max = (u64)h->window << HOST_SHIFT,
		.mappings_max = h->mappings_max,
		.nr_cpus = 1,
	};
	struct index *x = calloc(1, sizeof(*x));

	x->host = h;
	if (fi_init(&x->fi, &limits, &ops, x) || fi_add_ram(&x->fi, h->ram_first, h->ram_frames)) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	fi_set_strict(&x->fi, strict);
	return x;
}

static void *start_default(struct host *h)
{
	return start(h, false);
}

static void *start_strict(struct host *h)
{
	return start(h, true);
}

/* The work that a request has woken runs right after it. */
static void work(struct index *x)
{
	if (!x->soon)
		return;
	x->soon = false;
	fi_work(&x->fi, false);
}

static u32 frames_of(const struct piece *p)
{
	return ((p->gpa & (HOST_FRAME - 1)) + p->bytes + HOST_FRAME - 1) >> HOST_SHIFT;
}

static void put(struct index *x, const struct piece *pieces, u32 nr)
{
	struct fi_dying dying = {.count = 0};

	for (u32 i = 0; i < nr; i++) {
		if (!fi_put(&x->fi, &dying, pieces[i].iova, pieces[i].bytes)) {
			fprintf(stderr, "the index does not know 0x%llx\n", (unsigned long long)pieces[i].iova);
			abort();
		}
	}
	fi_put_done(&x->fi, &dying);
}

static int map(void *state, struct piece *pieces, uint32_t nr, bool alloc)
{
	struct index *x = state;
	struct fi_want wants[BATCH];

	for (u32 done = 0; done < nr;) {
		u32 n = min(nr - done, BATCH);
		int err;

		for (u32 i = 0; i < n; i++)
			wants[i] = (struct fi_want){
				.frame = pieces[done + i].gpa >> HOST_SHIFT,
				.frames = frames_of(&pieces[done + i]),
				.packed = nr > 1,
				.natural = alloc,
			};
		err = fi_get(&x->fi, wants, n);
		if (err) {
			put(x, pieces, done);
			work(x);
			return err;
		}
		for (u32 i = 0; i < n; i++)
			pieces[done + i].iova = fi_address(&x->fi, wants[i].iova) + (pieces[done + i].gpa & (HOST_FRAME - 1));
		done += n;
	}
	work(x);
	return 0;
}

static void unmap(void *state, const struct piece *pieces, uint32_t nr)
{
	put(state, pieces, nr);
}

static void tick(void *state)
{
	struct index *x = state;

	fi_work(&x->fi, true);
}

static void stop(void *state)
{
	struct index *x = state;

	fi_clear(&x->fi);
	fi_destroy(&x->fi);
	free(x);
}

static void believes(void *state, uint64_t *maps, uint64_t *unmaps, uint64_t *exits)
{
	struct index *x = state;
	struct fi_counters c;

	fi_count(&x->fi, &c);
	*maps = c.maps;
	*unmaps = c.unmaps;
	*exits = c.doorbells;
}

const struct policy policy_default = {"default", start_default, map, unmap, tick, stop, false, believes};
const struct policy policy_strict = {"strict", start_strict, map, unmap, tick, stop, false, believes};
