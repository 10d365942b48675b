// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Windows of 256 KiB, counted: the first buffer in a window maps all of it, the last one unmaps it.  A buffer that does
 * not lie within one has a mapping of its own frames.  Nothing is kept that nobody uses.
 *
 * Windows are found through a table by guest address and mappings by IOVA, both in one step, which is better than a
 * list that is walked; a trip carries one request.
 */
#include "policies.h"

#include <stdlib.h>

#define WINDOW_SHIFT  18u
#define WINDOW_FRAMES (1u << (WINDOW_SHIFT - HOST_SHIFT))

struct block {
	uint64_t handle, iova;
	uint32_t refs;
	uint32_t window; /* HOST_NONE: an exact one */
};

struct windows {
	struct host *host;
	struct block *block;  /* by the IOVA frame it begins at */
	uint32_t *base_of;    /* of each IOVA frame: where its block begins */
	uint32_t *block_of;   /* of each window of RAM: IOVA frame + 1 */
	uint32_t ram_windows; /* windows of RAM */
};

static uint32_t first_window(const struct windows *w)
{
	return w->host->ram_first / WINDOW_FRAMES;
}

static void *start(struct host *h)
{
	struct windows *w = calloc(1, sizeof(*w));

	w->host = h;
	w->block = calloc(h->window, sizeof(*w->block));
	w->base_of = calloc(h->window, sizeof(*w->base_of));
	w->ram_windows = (h->ram_first + h->ram_frames) / WINDOW_FRAMES + 1 - first_window(w);
	w->block_of = calloc(w->ram_windows, sizeof(*w->block_of));
	return w;
}

static int add(struct windows *w, struct host_range range, uint32_t window, struct block **block)
{
	uint64_t handle, iova;
	uint32_t base;
	int err;

	host_exit(w->host);
	err = host_map(w->host, &range, 1, 0, &handle, &iova);
	if (err)
		return err;
	base = (iova - HOST_FIRST) >> HOST_SHIFT;
	for (uint32_t i = 0; i < range.frames; i++)
		w->base_of[base + i] = base;
	*block = &w->block[base];
	**block = (struct block){handle, iova, 0, window};
	if (window != HOST_NONE)
		w->block_of[window] = base + 1;
	return 0;
}

static void put(struct windows *w, uint64_t iova)
{
	struct block *b = &w->block[w->base_of[(iova - HOST_FIRST) >> HOST_SHIFT]];

	if (--b->refs)
		return;
	host_exit(w->host);
	w->host->counts.drop_exits++;
	if (!host_unmap(w->host, b->handle))
		abort();
	if (b->window != HOST_NONE)
		w->block_of[b->window] = 0;
}

static void unmap(void *state, const struct piece *pieces, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		put(state, pieces[i].iova);
}

static int get(struct windows *w, struct piece *p)
{
	uint64_t first = p->gpa >> WINDOW_SHIFT, last = (p->gpa + p->bytes - 1) >> WINDOW_SHIFT;
	uint64_t start_of;
	struct host_range range;
	uint32_t window = HOST_NONE;
	struct block *b = NULL;
	int err;

	/* At the edge of RAM a window may not be RAM as a whole. */
	range = (struct host_range){first * WINDOW_FRAMES, WINDOW_FRAMES};
	if (first == last && range.frame >= w->host->ram_first &&
	    range.frame + range.frames <= w->host->ram_first + w->host->ram_frames) {
		window = first - first_window(w);
		if (w->block_of[window])
			b = &w->block[w->block_of[window] - 1];
	} else {
		range.frame = p->gpa >> HOST_SHIFT;
		range.frames = ((p->gpa & (HOST_FRAME - 1)) + p->bytes + HOST_FRAME - 1) >> HOST_SHIFT;
	}
	start_of = (uint64_t)range.frame << HOST_SHIFT;
	if (!b) {
		err = add(w, range, window, &b);
		if (err)
			return err;
	}
	b->refs++;
	p->iova = b->iova + (p->gpa - start_of);
	return 0;
}

static int map(void *state, struct piece *pieces, uint32_t nr, enum use use)
{
	(void)use;
	for (uint32_t i = 0; i < nr; i++) {
		int err = get(state, &pieces[i]);

		if (err) {
			unmap(state, pieces, i);
			return err;
		}
	}
	return 0;
}

static void work(void *state, bool tick)
{
	(void)state;
	(void)tick;
}

static void stop(void *state)
{
	struct windows *w = state;

	free(w->block);
	free(w->base_of);
	free(w->block_of);
	free(w);
}

const struct policy policy_window = {"window", start, map, unmap, work, stop, false, NULL, NULL};
