// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host mapping per buffer, for as long as it is in use: a trip for each map and for each unmap.
 */
#include "policies.h"

#include <stdlib.h>

struct naive {
	struct host *host;
	uint64_t *handle_at; /* of each IOVA frame that a mapping begins at */
};

static void *start(struct host *h)
{
	struct naive *n = calloc(1, sizeof(*n));

	n->host = h;
	n->handle_at = calloc(h->window, sizeof(*n->handle_at));
	return n;
}

static void unmap(void *state, const struct piece *pieces, uint32_t nr)
{
	struct naive *n = state;

	for (uint32_t i = 0; i < nr; i++) {
		host_exit(n->host);
		n->host->counts.drop_exits++;
		if (!host_unmap(n->host, n->handle_at[(pieces[i].iova - HOST_FIRST) >> HOST_SHIFT]))
			abort();
	}
}

static int map(void *state, struct piece *pieces, uint32_t nr, enum use use)
{
	struct naive *n = state;

	(void)use;
	for (uint32_t i = 0; i < nr; i++) {
		struct piece *p = &pieces[i];
		uint64_t offset = p->gpa & (HOST_FRAME - 1), handle;
		struct host_range range = {p->gpa >> HOST_SHIFT, (offset + p->bytes + HOST_FRAME - 1) >> HOST_SHIFT};
		int err;

		host_exit(n->host);
		err = host_map(n->host, &range, 1, 0, &handle, &p->iova);
		if (err) {
			unmap(n, pieces, i);
			return err;
		}
		n->handle_at[(p->iova - HOST_FIRST) >> HOST_SHIFT] = handle;
		p->iova += offset;
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
	struct naive *n = state;

	free(n->handle_at);
	free(n);
}

const struct policy policy_naive = {"naive", start, map, unmap, work, stop, false, NULL, NULL};
