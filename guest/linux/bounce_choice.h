/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a buffer that could be copied is copied or mapped.  bounce_choice.c
 * says why.
 */
#ifndef BOUNCE_CHOICE_H
#define BOUNCE_CHOICE_H

#include "frame_index.h"

/*
 * Up to here a copy is cheaper than two calls of the host: at 10 us each and 7 GB/s
 * copied, in and out, it is level at about 70 KiB; at 30 us at 210 KiB.
 */
#define BC_CHEAP_COPY	(128u << 10)
#define BC_PAGE_SHIFT	12
#define BC_ENDS_BITS	3

struct bounce_choice {
	const struct frame_index *fi;
	u64 *seen;		/* pages that were met lately, by hash: when, and page number plus 1 */
	u32 seen_bits;
	u32 asked;		/* frames, while the budget was short; modulo 2^32 */
	u32 soon;		/* what is met again before so many were is mapped */
	u64 tried;		/* bytes mapped to see what that costs */
	u64 ends[1 << BC_ENDS_BITS];	/* of the last ones in some blocks */
	u64 cost;		/* in bytes that could have been copied instead */
	bool maps_pay;		/* less than them */
	bool pressed;		/* the budget is short */
	bool was_short;		/* bc_short()'s last answer */
	bool full;		/* it was gone, at: */
	u64 full_at;
	u64 full_for;
};

/* What one mapping would be for, when all of it is mapped: entries of a list, or a buffer alone. */
struct bc_list {
	u64 phys;		/* where the first one is */
	u64 bytes;		/* of all; not 0 */
};

/* Remembers as many pages as half of the budget has.  full_for: in the unit of `now` below.  0 or -ENOMEM.  May sleep. */
int bc_init(struct bounce_choice *bc, const struct frame_index *fi, u64 full_for);
void bc_destroy(struct bounce_choice *bc);

/*
 * From any context but NMI, without a lock: what is seen is a guess, and a
 * wrong one costs a copy or a call.  now only ever grows.
 *
 * bc_short() is for every request but hits, which see bc_was_short().
 * bc_copies(), when it says so, is for those that may be copied: whether this
 * one, which is part of the list, is.
 */
bool bc_short(struct bounce_choice *bc, u64 now);
bool bc_copies(struct bounce_choice *bc, u64 phys, u64 bytes, const struct bc_list *list);
/* There was no room for a mapping. */
void bc_no_room(struct bounce_choice *bc, u64 now);

/*
 * Enough for a hit: it is not copied whatever the answer, and what has become
 * short since then is found out by the next request that is none.
 */
static inline bool bc_was_short(const struct bounce_choice *bc)
{
	return READ_ONCE(bc->was_short);
}

#endif
