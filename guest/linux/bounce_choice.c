// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * To copy or to map.
 *
 * While the budget is wide everything is mapped: what was mapped once is found
 * again for nothing.  When it is short, a mapping for a buffer that comes only
 * once throws out one that would be used again, and costs two calls of the host.
 * A scan (reading files through the page cache) consists of such buffers.  So
 * with three quarters of the budget mapped, or as much idle as the index keeps
 * (frame_index.crowded), a page is copied the first time it is met and mapped
 * the second time, unless it is mapped already.
 *
 * That ends when less than half of the budget is mapped, and a good deal less
 * idle than could be.  The index forgets what was idle for some seconds; so
 * during a scan it does not end before what the scan had mapped is forgotten,
 * and the hot set is still there.
 *
 * The second time counts when it comes soon: before as many frames were asked for
 * as the index keeps idle.  What comes later than that would not be found mapped
 * the third time either.  Pages are remembered, not frames: the four pages of a
 * granule that a scan meets one after the other are no reason to map it.  Their
 * memory is a table without chains, an entry for every third page of the budget.
 *
 * A scan of memory that lies together is cheaper to map, though it comes only
 * once, for the index maps ahead.  Whether it is, is found out: what begins in one
 * block of 2 MiB in 32 is mapped, and so is everything while a mapping of these
 * lasts for twice the bytes whose copy costs as much.  What counts is a miss and
 * what follows it in memory, not what was mapped for other reasons.
 *
 * When the host had no room for a mapping at all, nothing new is asked for a
 * moment: the answer would be the same, at the price of a call each.
 */
#include "bounce_choice.h"

#define BC_SAMPLE_BITS	5		/* one block in so many, as a shift, is mapped to see what it costs */
#define BC_BLOCK_SHIFT	21
#define BC_TRIED	(4u << 20)	/* bytes, until that is judged */

/* Stores that may race; a plain guess is as good. */
static void set(bool *flag, bool value)
{
	if (READ_ONCE(*flag) != value)
		WRITE_ONCE(*flag, value);
}

static bool is_pressed(struct bounce_choice *bc)
{
	const struct frame_index *fi = bc->fi;
	u64 mapped = fi_load(&fi->mapped), mappings = fi_load(&fi->mappings);
	u32 frames_max = fi->budget_frames, mappings_max = fi->limits.mappings_max;

	if (mapped > frames_max - frames_max / 4 || mappings > mappings_max - mappings_max / 4)
		set(&bc->pressed, true);
	else if (mapped < frames_max / 2 && mappings < mappings_max / 2)
		set(&bc->pressed, false);
	return READ_ONCE(bc->pressed) || READ_ONCE(fi->crowded);
}

static bool is_full(struct bounce_choice *bc, u64 now)
{
	if (!READ_ONCE(bc->full))
		return false;
	if (now - READ_ONCE(bc->full_at) < bc->full_for)
		return true;
	set(&bc->full, false);
	return false;
}

/* Not long ago, in frames asked for since. */
static bool met_lately(struct bounce_choice *bc, u64 page)
{
	u64 *seen = &bc->seen[fi_hash(page, bc->seen_bits)], was = READ_ONCE(*seen);
	u32 now = READ_ONCE(bc->asked);

	WRITE_ONCE(*seen, (u64)now << 32 | ((u32)page + 1));
	return (u32)was == (u32)page + 1 && now - (u32)(was >> 32) <= bc->soon;
}

/*
 * Bytes that were not copied, to see what that costs: at a miss as much as a copy
 * of `cost` bytes, and nothing where they were mapped ahead.
 */
static void note_tried(struct bounce_choice *bc, u64 phys, u64 bytes, u64 cost)
{
	u64 *end = &bc->ends[fi_hash(phys >> BC_BLOCK_SHIFT, BC_ENDS_BITS)], tried, sum;

	if (!cost && READ_ONCE(*end) != phys)
		return;
	WRITE_ONCE(*end, phys + bytes);
	tried = READ_ONCE(bc->tried) + bytes;
	sum = READ_ONCE(bc->cost) + cost;
	if (tried >= BC_TRIED) {
		if (sum <= tried / 2)
			set(&bc->maps_pay, true);
		else if (sum > tried / 4 * 3)
			set(&bc->maps_pay, false);
		tried /= 2;
		sum /= 2;
	}
	WRITE_ONCE(bc->tried, tried);
	WRITE_ONCE(bc->cost, sum);
}

bool bc_short(struct bounce_choice *bc, u64 now)
{
	bool pressed = is_pressed(bc), is_short = is_full(bc, now) || pressed;

	set(&bc->was_short, is_short);
	return is_short;
}

bool bc_copies(struct bounce_choice *bc, u64 phys, u64 bytes, const struct bc_list *list)
{
	u32 shift = bc->fi->limits.granule_shift;
	u64 frame = phys >> shift, frames = ((phys + bytes - 1) >> shift) - frame + 1;
	bool mapped = fi_has(bc->fi, frame, frames), lately;

	if (READ_ONCE(bc->full))
		return !mapped;
	WRITE_ONCE(bc->asked, READ_ONCE(bc->asked) + (u32)frames);
	lately = met_lately(bc, phys >> BC_PAGE_SHIFT);
	if (list->bytes > BC_CHEAP_COPY || lately)
		return false;
	if (!READ_ONCE(bc->maps_pay) && fi_hash(list->phys >> BC_BLOCK_SHIFT, BC_SAMPLE_BITS))
		return !mapped;
	/* A mapping costs as much as copies of BC_CHEAP_COPY; this is its part of that. */
	note_tried(bc, phys, bytes, mapped ? 0 : BC_CHEAP_COPY * bytes / list->bytes);
	return false;
}

void bc_no_room(struct bounce_choice *bc, u64 now)
{
	WRITE_ONCE(bc->full_at, now);
	set(&bc->full, true);
	set(&bc->was_short, true);
}

int bc_init(struct bounce_choice *bc, const struct frame_index *fi, u64 full_for)
{
	u64 pages = (u64)fi->budget_frames << fi->limits.granule_shift >> BC_PAGE_SHIFT;

	memset(bc, 0, sizeof(*bc));
	bc->fi = fi;
	bc->full_for = full_for;
	bc->soon = fi->budget_frames / 2;
	bc->seen_bits = ilog2(max(pages / 2, (u64)64));
	bc->seen = fi_alloc((size_t)1 << bc->seen_bits, sizeof(*bc->seen));
	return bc->seen ? 0 : -ENOMEM;
}

void bc_destroy(struct bounce_choice *bc)
{
	fi_free(bc->seen);
	memset(bc, 0, sizeof(*bc));
}
