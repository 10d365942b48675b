/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hit: a frame that is mapped gets one more user, or loses one.  Inline, as
 * nearly every request of a driver is this and nothing else; what it finds not
 * to be so simple it leaves as it was, for fi_get() and fi_put().
 *
 * What the words mean and how they are ordered is said in frame_index.c.
 * Interrupts may be on: so what is counted here is so with atomic additions.
 */
#ifndef FRAME_INDEX_HIT_H
#define FRAME_INDEX_HIT_H

#include "frame_index.h"

#define FI_GLANCE	256	/* frames gone idle on a CPU, after which it is looked at how many are */

/* Layout of a word */

#define W_STATE		3ull
#define W_EMPTY		0ull
#define W_ASKED		1ull
#define W_LIVE		2ull
#define W_MARKED	3ull
#define W_AHEAD		(1ull << 2)	/* mapped ahead, and not asked for so far */
#define W_EPOCH_SHIFT	3	/* when it became idle */
#define W_EPOCH		(0xffull << W_EPOCH_SHIFT)
#define W_REUSED_SHIFT	11	/* how often it was taken up after it was idle, at most 3 */
#define W_REUSED_MAX	3ull
#define W_REUSED	(W_REUSED_MAX << W_REUSED_SHIFT)
#define W_ONE_SHIFT	13	/* count: 24 bits, right behind that */
#define W_ONE		(1ull << W_ONE_SHIFT)
#define W_COUNT		(0xffffffull << W_ONE_SHIFT)
#define W_MANY		(1ull << 36)	/* the count's highest bit */
#define W_IOVA_SHIFT	37	/* the rest: IOVA frame; ASKED: CPU << 8 | index in its batch */

#define ROOT_BITS	16
#define LEAF_BITS	14

/* Layout of a reverse entry: guest frame, whether the group is a span, group */
#define NOT_MAPPED	(~0ull)		/* looks like a span */
#define R_FRAME_SHIFT	32
#define R_SPAN		(1ull << 31)

static inline u64 w_state(u64 w)
{
	return w & W_STATE;
}

static inline u32 w_iova(u64 w)
{
	return w >> W_IOVA_SHIFT;
}

static inline u64 w_make(u64 state, u64 count, u32 iova)
{
	return state | count << W_ONE_SHIFT | (u64)iova << W_IOVA_SHIFT;
}

/* Above W_REUSED_MAX: in use.  Below: idle, and to be reused once more than before. */
static inline u64 w_uses(u64 w)
{
	return (w & (W_COUNT | W_REUSED)) >> W_REUSED_SHIFT;
}

/* A live word, not mapped ahead, with one user more. */
static inline u64 w_taken(u64 w)
{
	return w + W_ONE + ((u64)(w_uses(w) < W_REUSED_MAX) << W_REUSED_SHIFT);
}

static inline bool w_is_last(u64 w)
{
	return (w & W_COUNT) == W_ONE;
}

/* One that is in use, with one user less. */
static inline u64 w_left(u64 w, u8 epoch)
{
	return (w_is_last(w) ? (w & ~W_EPOCH) | (u64)epoch << W_EPOCH_SHIFT : w) - W_ONE;
}

/* NULL where there is no RAM. */
static inline fi_word_t *leaf_of(const struct frame_index *fi, u64 frame)
{
	return frame >> (ROOT_BITS + LEAF_BITS) ? NULL : READ_ONCE(fi->leaves[frame >> LEAF_BITS]);
}

static inline fi_word_t *word_in(fi_word_t *leaf, u64 frame)
{
	return &leaf[frame & ((1u << LEAF_BITS) - 1)];
}

/* Of a frame that is known to be RAM. */
static inline fi_word_t *known_word(const struct frame_index *fi, u32 frame)
{
	return word_in(READ_ONCE(fi->leaves[frame >> LEAF_BITS]), frame);
}

static inline u32 r_group(u64 entry)
{
	return (u32)entry & ~(u32)R_SPAN;
}

static inline u32 r_frame(u64 entry)
{
	return entry >> R_FRAME_SHIFT;
}

/* Where the caller was a moment ago does as well. */
static inline struct fi_tally *tally_of(struct frame_index *fi)
{
	return &fi->tallies[fi_any_cpu()];
}

/* True: bytes from phys on, all in one frame, are at *address, none of them behind last.  False: nothing has changed. */
static __always_inline bool fi_get_hit(struct frame_index *fi, u64 phys, u64 bytes, u64 last, u64 *address)
{
	u64 inside = phys & fi->granule_mask, frame = phys >> fi->limits.granule_shift, old, at;
	fi_word_t *leaf, *w;

	if (bytes - 1 > fi->granule_mask - inside || READ_ONCE(fi->refuse))
		return false;
	leaf = leaf_of(fi, frame);
	if (!leaf)
		return false;
	w = word_in(leaf, frame);
	old = fi_load(w);
	if ((old & (W_STATE | W_AHEAD)) != W_LIVE || old & W_MANY)
		return false;
	at = fi_address(fi, w_iova(old)) + inside;
	if (at + bytes - 1 > last || !fi_cas(w, &old, w_taken(old)))
		return false;
	*address = at;
	fi_note(&tally_of(fi)->hits[w_uses(old) > W_REUSED_MAX]);
	return true;
}

/* True: what is in use there, all in one frame, has one user less.  False: nothing has changed. */
static __always_inline bool fi_put_hit(struct frame_index *fi, u64 address, u64 bytes)
{
	u64 offset = address - fi->limits.iova_first, inside = offset & fi->granule_mask;
	u64 iova = offset >> fi->limits.granule_shift, entry, old;
	fi_word_t *w;
	struct fi_tally *t;
	bool last;

	/* An address in front of the window is far behind it by now. */
	if (bytes - 1 > fi->granule_mask - inside || iova >= fi->window)
		return false;
	entry = fi_load(&fi->reverse[iova]);
	if (entry & R_SPAN)
		return false;
	w = known_word(fi, r_frame(entry));
	old = fi_load(w);
	if (w_state(old) != W_LIVE || w_iova(old) != iova || !(old & W_COUNT))
		return false;
	last = w_is_last(old);
	t = tally_of(fi);
	/* In strict mode the mapping ends with its last user; otherwise fi_put() glances at how much is idle. */
	if (last && (fi->strict || !((fi_load(&t->idled) + 1) & (FI_GLANCE - 1))))
		return false;
	if (!fi_cas(w, &old, w_left(old, READ_ONCE(fi->epoch))))
		return false;
	if (last)
		fi_note(&t->idled);
	return true;
}

#endif
