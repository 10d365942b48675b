/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host that maps everything at once, one thing behind the other, for what measures the frame index alone. */
#ifndef INSTANT_HOST_H
#define INSTANT_HOST_H

#include "frame_index_hit.h"

#define SHIFT 14

__thread u32 fi_thread;
static u64 next_iova;

static void run(void *host, struct fi_batch *b)
{
	(void)host;
	for (u32 i = 0; i < b->nr_maps; i++) {
		b->maps[i].iova = next_iova;
		b->maps[i].handle = next_iova;
		b->maps[i].err = 0;
		next_iova += (u64)b->maps[i].frames << SHIFT;
	}
}

static void wake(void *host, bool soon)
{
	(void)host;
	(void)soon;
}

static const struct fi_host ops = {.run = run, .wake = wake};

#endif
