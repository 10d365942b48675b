// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What ships: bounce buffers and memory for allocations in front of the frame index, asked in the order of
 * guest/linux/apple_dma_ops.c.  And, to compare with, the same when whatever may be copied is.
 */
#include "bounce.h"
#include "coherent.h"
#include "index.h"

#include <errno.h>

struct shipped {
	struct index index;
	struct bounce bounce;
	struct coherent coherent;
	bool copies_all;
};

static void *start(struct host *h, bool strict, bool copies_all)
{
	struct shipped *s = calloc(1, sizeof(*s));

	index_start(&s->index, h, strict);
	bounce_start(&s->bounce, &s->index);
	if (!strict)
		coherent_start(&s->coherent, &s->index);
	s->copies_all = copies_all;
	return s;
}

static void *start_default(struct host *h)
{
	return start(h, false, false);
}

static void *start_strict(struct host *h)
{
	return start(h, true, false);
}

static void *start_bounce_only(struct host *h)
{
	return start(h, false, true);
}

static void unmap(void *state, const struct piece *pieces, uint32_t nr)
{
	struct fi_dying dying = {.count = 0};
	struct shipped *s = state;

	for (u32 i = 0; i < nr; i++)
		if (!bounce_unmap(&s->bounce, &pieces[i]) && !coherent_free(&s->coherent, &pieces[i]))
			index_put(&s->index, &dying, &pieces[i]);
	fi_put_done(&s->index.fi, &dying);
}

static bool is_no_room(int err)
{
	return err == -ENOMEM || err == -ENOSPC;
}

static bool copied(struct shipped *s, struct piece *p, const struct bc_list *list, enum use use)
{
	if (s->copies_all)
		return bounce_may(&s->bounce, p, use) && bounce_map(&s->bounce, p, use);
	return bounce_short(&s->bounce) && bounce_may(&s->bounce, p, use) && bounce_prefers(&s->bounce, p, list) &&
	       bounce_map(&s->bounce, p, use);
}

static int map_one(struct shipped *s, struct piece *p, enum use use)
{
	const struct bc_list alone = {.phys = p->gpa, .bytes = p->bytes};
	int err;

	if (copied(s, p, &alone, use))
		return 0;
	err = index_get(&s->index, &p, 1, false, use == USE_ALLOC);
	if (!is_no_room(err) || use == USE_ALLOC)
		return err;
	bounce_no_room(&s->bounce);
	return bounce_may(&s->bounce, p, use) && bounce_map(&s->bounce, p, use) ? 0 : err;
}

/* When there is no room for all of them, each is on its own. */
static int map_batch(struct shipped *s, struct piece *pieces, u32 nr, enum use use)
{
	struct piece *wanted[INDEX_BATCH];
	u32 count = 0, late = 0;
	struct bc_list list = {.phys = pieces->gpa};
	int err = 0;

	for (u32 i = 0; i < nr; i++)
		list.bytes += pieces[i].bytes;
	for (u32 i = 0; i < nr; i++)
		if (!copied(s, &pieces[i], &list, use))
			wanted[count++] = &pieces[i];
	if (count)
		err = index_get(&s->index, wanted, count, true, false);
	if (is_no_room(err)) {
		bounce_no_room(&s->bounce);
		for (err = 0; late < count && !err; late++)
			err = map_one(s, wanted[late], use);
	}
	if (!err)
		return 0;
	/* What has an address goes back; the one that failed and what comes behind it has none. */
	late = late ? late - 1 : 0;
	for (u32 i = 0; i < nr; i++)
		if (late >= count || &pieces[i] != wanted[late])
			unmap(s, &pieces[i], 1);
		else
			late++;
	return err;
}

/* Before anything else is asked. */
static bool hit(struct shipped *s, struct piece *p, enum use use)
{
	return use != USE_ALLOC && !s->copies_all && !bc_was_short(&s->bounce.choice) && index_hit(&s->index, p);
}

static int map(void *state, struct piece *pieces, uint32_t nr, enum use use)
{
	struct shipped *s = state;
	int err = 0;

	if (use == USE_ALLOC && nr == 1 && coherent_alloc(&s->coherent, pieces))
		coherent_work(&s->coherent);
	else if (nr == 1 && !hit(s, pieces, use))
		err = map_one(s, pieces, use);
	for (u32 done = 0; !err && nr > 1 && done < nr; done += INDEX_BATCH) {
		err = map_batch(s, &pieces[done], min(nr - done, INDEX_BATCH), use);
		if (err)
			unmap(s, pieces, done);
	}
	return err;
}

static void work(void *state, bool tick)
{
	struct shipped *s = state;

	index_work(&s->index, tick);
}

static void stop(void *state)
{
	struct shipped *s = state;

	coherent_stop(&s->coherent);
	bounce_stop(&s->bounce);
	index_stop(&s->index);
	free(s);
}

static void believes(void *state, uint64_t *maps, uint64_t *unmaps, uint64_t *exits)
{
	struct shipped *s = state;

	index_believes(&s->index, maps, unmaps, exits);
}

static const struct copies *copies(void *state)
{
	const struct shipped *s = state;

	return &s->bounce.copies;
}

const struct policy policy_default = {"default", start_default, map, unmap, work, stop, false, believes, copies};
const struct policy policy_strict = {"strict", start_strict, map, unmap, work, stop, false, believes, copies};
const struct policy policy_bounce_only = {"bounce-only", start_bounce_only, map,   unmap, work, stop,
					  false,         believes,          copies};
