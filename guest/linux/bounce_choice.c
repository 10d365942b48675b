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
 * Pages, not frames: the four pages of a granule that a scan meets one after the
 * other are no reason to map it.  The memory of pages is a table without chains,
 * as long as half of the budget has pages: of what was met two budgets ago one
 * page in fifty is remembered.
 *
 * When the host had no room for a mapping at all, nothing new is asked for a
 * moment: the answer would be the same, at the price of a call each.
 */
#include "bounce_choice.h"

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

static bool first_touch(struct bounce_choice *bc, u64 page)
{
	u32 *seen = &bc->seen[fi_hash(page, bc->seen_bits)];

	if (READ_ONCE(*seen) == (u32)page + 1)
		return false;
	WRITE_ONCE(*seen, (u32)page + 1);
	return true;
}

bool bc_short(struct bounce_choice *bc, u64 now)
{
	bool pressed = is_pressed(bc);

	return is_full(bc, now) || pressed;
}

bool bc_copies(struct bounce_choice *bc, u64 phys, u64 bytes)
{
	bool full = READ_ONCE(bc->full);
	u32 shift = bc->fi->limits.granule_shift;
	u64 frame = phys >> shift;

	if (!full && bytes > BC_CHEAP_COPY)
		return false;
	if (fi_has(bc->fi, frame, ((phys + bytes - 1) >> shift) - frame + 1))
		return false;
	return full || first_touch(bc, phys >> BC_PAGE_SHIFT);
}

void bc_no_room(struct bounce_choice *bc, u64 now)
{
	WRITE_ONCE(bc->full_at, now);
	set(&bc->full, true);
}

int bc_init(struct bounce_choice *bc, const struct frame_index *fi, u64 full_for)
{
	u64 pages = (u64)fi->budget_frames << fi->limits.granule_shift >> BC_PAGE_SHIFT;

	memset(bc, 0, sizeof(*bc));
	bc->fi = fi;
	bc->full_for = full_for;
	bc->seen_bits = ilog2(max(pages / 2, (u64)64));
	bc->seen = fi_alloc((size_t)1 << bc->seen_bits, sizeof(*bc->seen));
	return bc->seen ? 0 : -ENOMEM;
}

void bc_destroy(struct bounce_choice *bc)
{
	fi_free(bc->seen);
	memset(bc, 0, sizeof(*bc));
}
