// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * No translation to speak of: all of the guest's RAM is mapped once, and requests are arithmetic.  What the others are
 * measured against, where the host has room for it.
 */
#include "policies.h"

#include <errno.h>
#include <stdlib.h>

struct identity {
	struct host *host;
	uint64_t handle, iova;
};

static void *start(struct host *h)
{
	struct host_range range = {h->ram_first, h->ram_frames};
	struct identity *x = calloc(1, sizeof(*x));
	int err;

	x->host = h;
	host_exit(h);
	err = host_map(h, &range, 1, 21, &x->handle, &x->iova);
	if (!err)
		return x;
	free(x);
	errno = -err;
	return NULL;
}

static int map(void *state, struct piece *pieces, uint32_t nr, enum use use)
{
	struct identity *x = state;

	(void)use;
	for (uint32_t i = 0; i < nr; i++)
		pieces[i].iova = x->iova + (pieces[i].gpa - ((uint64_t)x->host->ram_first << HOST_SHIFT));
	return 0;
}

static void unmap(void *state, const struct piece *pieces, uint32_t nr)
{
	(void)state;
	(void)pieces;
	(void)nr;
}

static void work(void *state, bool tick)
{
	(void)state;
	(void)tick;
}

static void stop(void *state)
{
	struct identity *x = state;

	host_exit(x->host);
	host_unmap(x->host, x->handle);
	free(x);
}

const struct policy policy_identity = {"identity", start, map, unmap, work, stop, false, NULL, NULL};
