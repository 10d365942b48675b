/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bounce.h - bounce buffers: guest/linux/bounce_pool.c and bounce_choice.c themselves, used as apple_dma_bounce.c uses
 * them.
 *
 * The pool's addresses, and how they are handed out, are real.  What is copied is not: traces have no contents, so all
 * of the pool is one piece of memory here, and so are all buffers.
 */
#ifndef BENCH_BOUNCE_H
#define BENCH_BOUNCE_H

#include "index.h"

#include "bounce_choice.h"
#include "bounce_pool.h"

#define BOUNCE_CHUNKS 512u /* at least 128 KiB each, 64 MiB at most */

struct bounce {
	struct index *index;
	bool there;
	struct bounce_pool pool;
	struct bounce_choice choice;
	struct piece chunks[BOUNCE_CHUNKS];
	u32 nr;
	void *memory, *buffers;
	struct copies copies;
};

/* Maps the pool.  It is there, unless there is no room. */
void bounce_start(struct bounce *b, struct index *x);
void bounce_stop(struct bounce *b);

bool bounce_may(const struct bounce *b, const struct piece *p, enum use use);
bool bounce_short(struct bounce *b);
bool bounce_prefers(struct bounce *b, const struct piece *p, const struct bc_list *list);
void bounce_no_room(struct bounce *b);
/* False: the pool is full. */
bool bounce_map(struct bounce *b, struct piece *p, enum use use);
/* False: that is not a copy. */
bool bounce_unmap(struct bounce *b, const struct piece *p);

#endif
