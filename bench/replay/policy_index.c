// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The frame index alone: what ships without its pools in front of it.
 */
#include "index.h"

static void *start(struct host *h)
{
	struct index *x = malloc(sizeof(*x));

	index_start(x, h, false);
	return x;
}

static void unmap(void *state, const struct piece *pieces, uint32_t nr)
{
	struct fi_dying dying = {.count = 0};
	struct index *x = state;

	for (u32 i = 0; i < nr; i++)
		index_put(x, &dying, &pieces[i]);
	fi_put_done(&x->fi, &dying);
}

static int map(void *state, struct piece *pieces, uint32_t nr, enum use use)
{
	struct piece *batch[INDEX_BATCH];
	struct index *x = state;
	int err = 0;

	for (u32 done = 0; !err && done < nr;) {
		u32 n = min(nr - done, INDEX_BATCH);

		for (u32 i = 0; i < n; i++)
			batch[i] = &pieces[done + i];
		err = index_get(x, batch, n, nr > 1, use == USE_ALLOC);
		if (err)
			unmap(x, pieces, done);
		done += n;
	}
	return err;
}

static void work(void *state, bool tick)
{
	struct index *x = state;

	index_work(x, tick);
}

static void stop(void *state)
{
	index_stop(state);
	free(state);
}

static void believes(void *state, uint64_t *maps, uint64_t *unmaps, uint64_t *exits)
{
	index_believes(state, maps, unmaps, exits);
}

const struct policy policy_index = {"index", start, map, unmap, work, stop, false, believes, NULL};
