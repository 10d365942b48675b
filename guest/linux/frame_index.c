// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The frame index: a mapping made once is found again without leaving the
 * guest, from any context, without a lock and without an allocation.
 *
 * WORDS.  Every frame (granule) of guest RAM has a word of 64 bits: its state,
 * the number of requests that use it, and the IOVA frame it is mapped at.
 *
 *	EMPTY	not mapped, or only as part of somebody's span (below)
 *	ASKED	the CPU in the IOVA field is asking the host for it
 *	LIVE	mapped; used by `count` requests, idle when that is 0
 *	MARKED	somebody tries to evict the mapping it belongs to
 *
 * A request for a frame is one load and one compare-and-swap, and the word
 * itself gives the address.  The reverse table leads from a frame of the IOVA
 * window to the guest frame and the mapping, so that giving back is as quick,
 * and so that what is not mapped cannot be given back.
 *
 * HITS.  A frame that was asked for before gets one more user, or loses one and
 * stays mapped: that is frame_index_hit.h, for callers to have inline.  It tries
 * once what the functions here repeat until it is decided, with the same words
 * and the same ordering, and leaves everything else to them.  As nobody ever
 * waits for it, it holds nothing, not even interrupts off.
 *
 * GROUPS.  A host mapping is a group: up to FI_MAX_RANGES ranges that were
 * asked for by one call, which is the best guess at what will be given back
 * together.  It is born and dies as a whole.  A frame's word leads to at most
 * one group, which owns the frame.
 *
 * A request for several frames must see consecutive IOVAs.  It hits when all
 * its words are LIVE and happen to be consecutive, whatever group they are
 * in, and the first is aligned as wished.  Otherwise it gets a group of its
 * own, which comes to own those of its frames that were EMPTY.  If that was not
 * all of them, the group is a span: requests for exactly its frames find it
 * through a hash and are counted in its own word.  Whether a group is a span
 * never changes, and the words of a span's frames can never all lead to it; so
 * given an IOVA and a length it is certain which of the two ways the request
 * was counted.  A span is the last resort: idle groups that hold nothing but
 * frames of the request end in the same trip, and it owns those (absorb()).
 *
 * IDLE.  A group that nobody uses stays mapped.  It is evicted when room is
 * needed, after FI_MAX_AGE ticks, and before more than half of the budget is
 * idle.  Who makes room asks S3-FIFO's question: groups start on probation;
 * those taken up again after they were idle move to the protected queue when
 * their turn to leave comes; the protected ones are only looked at when
 * probation has shrunk to a tenth of the budget.  So a scan, however long,
 * replaces itself.
 *
 * AHEAD.  A miss costs a trip however much it asks for, so while there is room
 * its mapping is made larger (grow()): a stream, that is misses that continue
 * each other, by the rest of a block; a single frame in a block of 256 KiB of
 * which much is in use, by the rest of that.  A stream's blocks become larger as
 * it goes on, up to limits.max_granule, and how large they are at its beginning
 * is learned from what became of earlier ones (judge_reach()); what filled up bit
 * by bit says nothing of that, and is judged apart (fi_score).  Blocks are
 * naturally aligned, so that what is added is memory like what was asked for;
 * only EMPTY frames are.  They become LIVE with count 0, idle from birth, and
 * W_AHEAD says that nobody has asked for them.  Because they are stuck while
 * anything in their group is in use, no block is larger than 256 KiB once a
 * quarter of the budget is mapped, and none is larger than asked for above half;
 * frames that are idle do not count while streams make use of what is mapped
 * ahead.  A host that does not take the larger mapping is asked for the bare one
 * in the next trip.
 *
 * In strict mode a group ends with its last use: nothing is born together,
 * and requests for several frames always have a group of their own.
 *
 * Requests themselves are not remembered, only their frames: an unmap that is
 * shorter than its map gives back what it names, and the rest stays in use
 * until no driver is left, which reports it.  In strict mode it is refused at
 * once.
 *
 * ALIGNMENT means that IOVA and guest address are congruent, and is a wish.
 * What is idle can stand in its way: by being mapped where no large page may
 * begin, which makes it a miss (good_enough()), and by taking the place where
 * one might, which matters for memory that a driver was promised aligned
 * (realign()).  Requests with a wish share a mapping when the one's place in it
 * follows from the other's (align_within()).
 *
 * BOUNDS.  A request works with interrupts off, so what it does for room or
 * alignment is bounded: FI_TRIPS trips beside the one that asks, each with at
 * most FI_MAX_DROPS evictions, and for each a look at (FI_PARTS + 1) * FI_LOOKS
 * groups; for alignment, FI_PLACE frames of the window more; for each piece of
 * memory, FI_LOOKS frames that it could absorb.  What was not reached by then
 * the background goes on with at once, and the request fails for want of room.
 * That takes several hundred idle mappings in the way of one request, on a host
 * that has less room than it says, or has it in pieces; the same request, made
 * again, finds what the background has freed.  The background itself holds
 * interrupts off for FI_LOOKS groups and one trip at a time.
 *
 * WAITING.  Who finds ASKED or MARKED waits, holding no word in either state:
 * what it has asked for itself it sends off first.  Both states last for as
 * long as another CPU works with interrupts off: the trips of one request, with
 * their bounds, or one walk over the frames of a group.  Evicting never waits
 * for ASKED, and waits for MARKED only before it has marked anything.  So
 * nobody waits in a circle.
 *
 * EVICTION marks all words of a group, in order, by exchanging LIVE with count
 * 0 for MARKED; it undoes that when one of them is in use.  Holding the first
 * mark it is alone: the group cannot be detached by another, hence the check
 * that it still is what it was comes after the first mark.  With all marked
 * nobody holds a reference and nobody can get one; the reverse entries go,
 * the words become EMPTY, and only then the host hears of it, because from
 * then on it may give out the same IOVA again.
 *
 * ORDERING.  A group's fields and reverse entries are written before its words
 * become LIVE with release semantics; whoever takes a reference does so by a
 * compare-and-swap with acquire semantics on that word, so it sees them, and
 * so does whoever the driver hands the address to, by the ordering the driver
 * needs anyway.  Giving back is a compare-and-swap with release semantics, a
 * mark is one with acquire: all accesses of the last user are over before the
 * host ends the mapping.  Words of descriptors that may meanwhile be another
 * group's (strict mode, spans) are only trusted after a reference or a mark
 * was taken and the identity was checked again.
 *
 * LOCK.  fi->lock protects the queues and is the right to evict what is in
 * them.  It is taken by the background and by a miss that has no room or finds
 * parts of what it asks for idle, with interrupts off, and never during a trip.
 * A new group reaches its queue through a stack without a lock; who finds the
 * stack high empties it.
 */
#include "frame_index_hit.h"

#define FI_MAX_AGE	10	/* ticks */
#define FI_LOOKS	256	/* groups looked at under one hold of the lock; a large one counts more than once */
#define FI_LOOK_FRAMES	64	/* of a group, that count as another look */
#define FI_PARTS	4	/* of the table, that a request without room looks through per trip */
#define FI_PLACE	(64 * FI_LOOKS)	/* frames looked at for a place that could be aligned */
#define FI_CLUSTER	18	/* as a shift: blocks that fill up bit by bit */
#define FI_CHANCE	8	/* frames that do not follow each other by chance */
#define FI_GUESSED	64u	/* frames mapped ahead that make a first guess how many at a time are of use */
#define FI_JUDGED	512u	/* frames mapped ahead before it is judged whether they were of use */
#define FI_PATIENCE	255	/* judgements */
#define FI_LARGE_PAGE	16	/* the smallest that a device maps as one: 64 KiB */
#define FI_WAYS		8
/* Sixteenths of half the budget: what is idle.  The background evicts from HIGH down to LOW. */
#define FI_IDLE_HIGH	15
#define FI_IDLE_LOW	13
#define FI_CROWDED	14	/* frame_index.crowded becomes true */
#define FI_SPACIOUS	10	/* and false */
#define NOT_HOPELESS	64

static u32 w_reused(u64 w)
{
	return (w & W_REUSED) >> W_REUSED_SHIFT;
}

static u32 asked_by(u32 cpu, u32 map)
{
	return cpu << 8 | map;
}

/* NULL where there is no RAM. */
static fi_word_t *word_of(const struct frame_index *fi, u64 frame)
{
	fi_word_t *leaf = leaf_of(fi, frame);

	return leaf ? word_in(leaf, frame) : NULL;
}

static struct fi_cpu *this_cpu_of(struct frame_index *fi)
{
	return &fi->cpus[fi_this_cpu()];
}

/* Plain stores by the owner, read by others. */
#define COUNT(c, n)	WRITE_ONCE((c), (c) + (n))

/* Frames that went idle minus those that were idle when hit. */
static s64 tally_idle(const struct fi_tally *t)
{
	return fi_load(&t->idled) - fi_load(&t->hits[0]);
}

static s64 idle_frames(const struct frame_index *fi)
{
	s64 sum = 0;
	u32 i;

	for (i = 0; i < fi->limits.nr_cpus; i++)
		sum += READ_ONCE(fi->cpus[i].count.idle) + tally_idle(&fi->tallies[i]);
	return sum;
}

static void raise_peak(u64 *peak, u64 value)
{
	if (value > READ_ONCE(*peak))
		WRITE_ONCE(*peak, value);
}

/* Descriptors: a stack whose head carries a tag, as a group may be taken and given back meanwhile */

static u32 group_take(struct frame_index *fi)
{
	u64 head = fi_load(&fi->free);

	for (;;) {
		u32 id = (u32)head;
		u64 next;

		if (id == FI_NONE)
			return FI_NONE;
		next = ((head >> 32) + 1) << 32 | READ_ONCE(fi->groups[id].next);
		if (fi_cas(&fi->free, &head, next))
			return id;
	}
}

static void group_give(struct frame_index *fi, u32 id)
{
	u64 head = fi_load(&fi->free);

	WRITE_ONCE(fi->groups[id].where, FI_FREE);
	do {
		WRITE_ONCE(fi->groups[id].next, (u32)head);
	} while (!fi_cas(&fi->free, &head, ((head >> 32) + 1) << 32 | id));
}

/* Queues: the caller holds fi->lock */

static void queue_add(struct frame_index *fi, u32 id, u8 where)
{
	struct fi_queue *q = &fi->queue[where];
	struct fi_group *g = &fi->groups[id];

	WRITE_ONCE(g->where, where);
	g->prev = q->tail;
	WRITE_ONCE(g->next, FI_NONE);
	if (q->tail == FI_NONE)
		q->head = id;
	else
		WRITE_ONCE(fi->groups[q->tail].next, id);
	q->tail = id;
	q->frames += g->frames;
}

static void queue_remove(struct frame_index *fi, u32 id)
{
	struct fi_group *g = &fi->groups[id];
	struct fi_queue *q = &fi->queue[g->where];

	if (g->prev == FI_NONE)
		q->head = g->next;
	else
		WRITE_ONCE(fi->groups[g->prev].next, g->next);
	if (g->next == FI_NONE)
		q->tail = g->prev;
	else
		fi->groups[g->next].prev = g->prev;
	q->frames -= g->frames;
}

static bool in_cache(u8 where)
{
	return where == FI_PROBATION || where == FI_PROTECTED;
}

/* Put the newborn on probation, oldest first. */
static void take_newborn(struct frame_index *fi)
{
	u64 head = fi_load(&fi->newborn);
	u32 id, oldest = FI_NONE;
	s64 taken = 0;

	while (!fi_cas(&fi->newborn, &head, FI_NONE))
		;
	for (id = (u32)head; id != FI_NONE;) {
		u32 next = READ_ONCE(fi->groups[id].next);

		WRITE_ONCE(fi->groups[id].next, oldest);
		oldest = id;
		id = next;
	}
	for (id = oldest; id != FI_NONE;) {
		u32 next = READ_ONCE(fi->groups[id].next);

		queue_add(fi, id, FI_PROBATION);
		id = next;
		taken++;
	}
	fi_add(&fi->newborns, -taken);
}

static void newborn_push(struct frame_index *fi, u32 id)
{
	u64 head = fi_load(&fi->newborn);

	do {
		WRITE_ONCE(fi->groups[id].next, (u32)head);
	} while (!fi_cas(&fi->newborn, &head, id));
	/* Whoever takes them next should not find very many. */
	if (fi_add(&fi->newborns, 1) > FI_LOOKS) {
		fi_lock(&fi->lock);
		take_newborn(fi);
		fi_unlock(&fi->lock);
	}
}

/* References */

/* fi_want.state */
enum { WANT_NOTHING, WANT_ASKED, WANT_MAPPED };

enum step {
	HIT,
	MISS,
	ASKED,		/* the batch will have the answer */
	JOINED,		/* the same, and it was asked for already */
	AGAIN,		/* things have changed */
	WAIT,		/* another CPU is at it */
	FULL,		/* the batch has to go first */
	MINE,		/* this very call has asked for it already */
	NO_RAM,
	NO_GROUP,
	TOO_MANY,	/* users: more than can be counted */
};

/* One more user, if it is live and (iova not FI_NONE) mapped there.  *seen: what was found. */
static __always_inline bool word_get(fi_word_t *w, u32 iova, u64 *seen)
{
	u64 old = fi_load(w), new;

	do {
		*seen = old;
		if (w_state(old) != W_LIVE || (iova != FI_NONE && w_iova(old) != iova) || (old & W_COUNT) == W_COUNT)
			return false;
		new = old & W_AHEAD ? old - W_AHEAD + W_ONE : w_taken(old);
	} while (!fi_cas(w, &old, new));
	return true;
}

/* The frame whose word that was had been mapped ahead, and is now used. */
static noinline void was_useful(struct frame_index *fi, struct fi_cpu *cpu, u64 seen)
{
	bool of_stream = READ_ONCE(fi->groups[r_group(fi_load(&fi->reverse[w_iova(seen)]))].of_stream);

	COUNT(cpu->count.prefetch_hits, 1);
	cpu->ahead[of_stream].useful++;
	if (of_stream)
		fi_add(&fi->reach.useful, 1);
}

/* The frame whose word that was has one more user. */
static __always_inline void taken_up(struct frame_index *fi, struct fi_cpu *cpu, u64 seen)
{
	if (seen & W_COUNT)
		return;
	COUNT(cpu->count.idle, -1);
	if (seen & W_AHEAD)
		was_useful(fi, cpu, seen);
}

enum left { NOT_THERE, STILL_USED, LAST_USE };

static __always_inline enum left word_put(struct frame_index *fi, fi_word_t *w, u32 iova)
{
	u64 old = fi_load(w), new;

	do {
		if (w_state(old) != W_LIVE || w_iova(old) != iova || !(old & W_COUNT))
			return NOT_THERE;
		new = w_left(old, READ_ONCE(fi->epoch));
	} while (!fi_cas(w, &old, new));
	return new & W_COUNT ? STILL_USED : LAST_USE;
}

/*
 * GPU drivers program naturally aligned memory as one large page and drop the
 * low address bits, so the IOVA should be congruent to the address as far as
 * such a page could reach: up to the largest power of two within the request,
 * if the host can place memory that is itself less aligned than that, as large
 * pages may lie within.  Coherent memory is promised to be aligned to its size,
 * rounded up, however small.
 */
static u8 wished_align(const struct frame_index *fi, const struct fi_want *want)
{
	u32 shift = fi->limits.granule_shift;
	u32 of_size = ilog2(want->natural ? roundup_pow_of_two(want->frames) : want->frames) + shift;
	u32 of_frame = want->frame ? __ffs64(want->frame) + shift : 63;
	u32 align = min(min(of_size, of_frame), fi->limits.max_align);

	if (fi->limits.congruent && of_size >= FI_LARGE_PAGE)
		align = min(of_size, fi->limits.max_align);
	if (!want->natural && align < FI_LARGE_PAGE)
		return 0;
	return align > shift ? align : 0;
}

/* Whether two frames are equal as far as an alignment reaches. */
static bool congruent(const struct frame_index *fi, u32 a, u32 b, u8 align)
{
	return align <= fi->limits.granule_shift || !((a ^ b) & ((1u << (align - fi->limits.granule_shift)) - 1));
}

/*
 * Mapped there already: may the want have it?  Not when it would be less aligned
 * than wished, unless the host was asked for just that before, as insistently.
 */
static bool good_enough(const struct frame_index *fi, const struct fi_want *want, u32 iova, const struct fi_group *g)
{
	u8 align = wished_align(fi, want);
	u64 off = fi_address(fi, iova) ^ (u64)want->frame << fi->limits.granule_shift;

	if (!(off & ((1ull << align) - 1)))
		return true;
	if (want->natural && !READ_ONCE(g->natural))
		return false;
	/* As all of its mapping, or as one of several that are alike. */
	if (READ_ONCE(g->base) == iova && READ_ONCE(g->frames) == want->frames)
		return READ_ONCE(g->align) >= align;
	return READ_ONCE(g->align) == align && congruent(fi, READ_ONCE(g->frame) + iova - READ_ONCE(g->base), want->frame, align);
}

static fi_word_t *span_set(struct frame_index *fi, u32 frame, u32 frames)
{
	return &fi->spans[(size_t)fi_hash(frame | (u64)frames << 32, fi->span_bits) * FI_WAYS];
}

static void span_insert(struct frame_index *fi, u32 id)
{
	struct fi_group *g = &fi->groups[id];
	fi_word_t *set = span_set(fi, g->frame, g->frames);
	u32 i;

	/* A span that finds no place is not found again, and leaves the cache as others do. */
	for (i = 0; i < FI_WAYS; i++) {
		u64 none = FI_NONE;

		if (fi_load(&set[i]) == FI_NONE && fi_cas(&set[i], &none, id)) {
			g->slot = set + i - fi->spans;
			return;
		}
	}
}

static u32 span_elsewhere(const struct fi_group *g)
{
	return g->frames - g->owned;
}

static void span_release(struct frame_index *fi, struct fi_cpu *cpu, u32 id);

static bool span_get(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *want)
{
	fi_word_t *set = span_set(fi, want->frame, want->frames);
	u32 i;

	for (i = 0; i < FI_WAYS; i++) {
		u32 id = fi_load(&set[i]);
		struct fi_group *g;
		u64 seen;

		if (id == FI_NONE)
			continue;
		g = &fi->groups[id];
		if (READ_ONCE(g->frame) != want->frame || READ_ONCE(g->frames) != want->frames)
			continue;
		if (!word_get(&g->use, FI_NONE, &seen))
			continue;
		if (!(seen & W_COUNT))
			COUNT(cpu->count.idle, -(s64)span_elsewhere(g));
		/* Held, it stays what it is.  Is it still what was looked for? */
		if (READ_ONCE(g->frame) == want->frame && READ_ONCE(g->frames) == want->frames &&
		    good_enough(fi, want, w_iova(seen), g)) {
			want->iova = w_iova(seen);
			return true;
		}
		span_release(fi, cpu, id);
	}
	return false;
}

/* The only frame of the want, when it is mapped. */
static bool frame_get(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *want)
{
	fi_word_t *w = word_of(fi, want->frame);
	u64 seen;

	if (!w || !word_get(w, FI_NONE, &seen))
		return false;
	taken_up(fi, cpu, seen);
	want->iova = w_iova(seen);
	return true;
}

/* All frames of the want, or none. */
static enum step frames_get(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *want)
{
	bool consecutive = true, wait = false;
	u32 first = 0, i;
	u64 seen, entry;

	if (want->frames == 1 && frame_get(fi, cpu, want))
		return HIT;
	for (i = 0; i < want->frames; i++) {
		fi_word_t *w = word_of(fi, (u64)want->frame + i);

		if (!w)
			return NO_RAM;
		seen = fi_load(w);
		switch (w_state(seen)) {
		case W_ASKED:
			if (w_iova(seen) >> 8 == fi_this_cpu())
				return i ? FULL : MINE;
			wait = true;
			break;
		case W_MARKED:
			wait = true;
			break;
		case W_EMPTY:
			consecutive = false;
			break;
		default:
			if (!i)
				first = w_iova(seen);
			if (w_iova(seen) != first + i)
				consecutive = false;
			if ((seen & W_COUNT) == W_COUNT)
				return TOO_MANY;
		}
	}
	if (wait)
		return WAIT;
	if (!consecutive)
		return MISS;
	entry = fi_load(&fi->reverse[first]);
	if (entry == NOT_MAPPED)
		return AGAIN;
	if (want->frames > 1 && !good_enough(fi, want, first, &fi->groups[r_group(entry)]))
		return MISS;
	for (i = 0; i < want->frames; i++) {
		if (!word_get(word_of(fi, (u64)want->frame + i), first + i, &seen))
			break;
		taken_up(fi, cpu, seen);
	}
	if (i == want->frames) {
		want->iova = first;
		return HIT;
	}
	while (i--)
		if (word_put(fi, word_of(fi, (u64)want->frame + i), first + i) == LAST_USE)
			COUNT(cpu->count.idle, 1);
	return AGAIN;
}

/* Eviction */

enum mark { MARKED, IN_USE, NOT_OURS };

static enum mark word_mark(fi_word_t *w, u32 iova)
{
	u64 old = fi_load(w);

	for (;;) {
		if (w_iova(old) != iova || w_state(old) < W_LIVE)
			return NOT_OURS;
		if (w_state(old) == W_MARKED) {
			/* Only ever the first of a group: see WAITING. */
			fi_relax();
			old = fi_load(w);
			continue;
		}
		if (old & W_COUNT)
			return IN_USE;
		if (fi_cas(w, &old, (old & ~W_STATE) | W_MARKED))
			return MARKED;
	}
}

/* The first n words of the group: if they are marked for it, they become empty, or live again. */
static void unmark(struct frame_index *fi, u32 base, u32 n, bool empty)
{
	u32 i;

	for (i = 0; i < n; i++) {
		fi_word_t *w = word_of(fi, r_frame(fi_load(&fi->reverse[base + i])));
		u64 old = fi_load(w);

		if (empty)
			fi_store(&fi->reverse[base + i], NOT_MAPPED);
		if (w_state(old) == W_MARKED && w_iova(old) == base + i)
			fi_publish(w, empty ? W_EMPTY : (old & ~W_STATE) | W_LIVE);
	}
}

static void unmark_use(struct fi_group *g)
{
	u64 old = fi_load(&g->use);

	if (w_state(old) == W_MARKED)
		fi_publish(&g->use, (old & ~W_STATE) | W_LIVE);
}

static bool group_is(const struct fi_group *g, u32 base, u32 frames, bool span)
{
	return READ_ONCE(g->base) == base && READ_ONCE(g->frames) == frames && READ_ONCE(g->span) == span;
}

/* True when all of it is marked: then it is the caller's to detach. */
static bool group_mark(struct frame_index *fi, u32 id)
{
	struct fi_group *g = &fi->groups[id];
	u32 base = READ_ONCE(g->base), frames = READ_ONCE(g->frames), i;
	bool span = READ_ONCE(g->span), alone = false;

	if (span) {
		if (word_mark(&g->use, base) != MARKED)
			return false;
		alone = group_is(g, base, frames, span);
		if (!alone) {
			unmark_use(g);
			return false;
		}
	}
	for (i = 0; i < frames && base + i < fi->window; i++) {
		u64 entry = fi_load(&fi->reverse[base + i]);
		enum mark m;

		if (entry == NOT_MAPPED || r_group(entry) != id)
			break;
		m = word_mark(word_of(fi, r_frame(entry)), base + i);
		if (m == NOT_OURS && alone)
			continue;
		if (m != MARKED)
			break;
		if (!alone) {
			alone = group_is(g, base, frames, span) && fi_load(&fi->reverse[base + i]) == entry;
			if (!alone) {
				unmark(fi, base + i, 1, false);
				return false;
			}
		}
	}
	if (alone && i == frames)
		return true;
	if (alone)
		unmark(fi, base, i, false);
	if (alone && span)
		unmark_use(g);
	return false;
}

/* A marked group: nothing leads to it any more.  The host has yet to hear of it. */
static void group_detach(struct frame_index *fi, struct fi_cpu *cpu, u32 id)
{
	struct fi_group *g = &fi->groups[id];

	if (g->slot != FI_NONE) {
		fi_store(&fi->spans[g->slot], FI_NONE);
		g->slot = FI_NONE;
	}
	if (in_cache(g->where))
		queue_remove(fi, id);
	WRITE_ONCE(g->where, FI_DROPPED);
	COUNT(cpu->count.idle, -(s64)g->frames);
	if (g->span)
		fi_publish(&g->use, W_EMPTY);
	unmark(fi, g->base, g->frames, true);
}

static void batch_drop(struct fi_batch *b, u64 handle, u32 id)
{
	b->drops[b->nr_drops++] = (struct fi_drop){ .handle = handle, .group = id };
}

/* Send the batch off, and be done with its drops. */
static void batch_run(struct frame_index *fi, struct fi_cpu *cpu)
{
	struct fi_batch *b = &cpu->batch;
	bool stale = false;
	u32 i;

	fi->ops->run(fi->host, b);
	COUNT(cpu->count.doorbells, 1);
	for (i = 0; i < b->nr_drops; i++) {
		struct fi_drop *d = &b->drops[i];

		if (d->err == -EAGAIN) {
			stale = true;
			fi_lock(&fi->lock);
			queue_add(fi, d->group, FI_STALE);
			fi_unlock(&fi->lock);
			continue;
		}
		COUNT(cpu->count.unmaps, 1);
		fi_add(&fi->mapped, -(s64)fi->groups[d->group].frames);
		fi_add(&fi->mappings, -1);
		group_give(fi, d->group);
	}
	b->nr_drops = 0;
	if (stale)
		fi->ops->wake(fi->host, false);
}

struct look {
	bool idle;
	u8 age;			/* ticks since its last frame became idle */
	u8 reused;
};

static void look_at(u64 word, u8 epoch, struct look *look)
{
	u8 age = epoch - (u8)((word & W_EPOCH) >> W_EPOCH_SHIFT);

	if (word & W_COUNT)
		look->idle = false;
	look->age = min(look->age, age);
	look->reused = max(look->reused, (u8)w_reused(word));
}

static void forget(fi_word_t *w)
{
	u64 old = fi_load(w);

	/* When it is taken up at this moment it keeps its credit. */
	if (w_state(old) == W_LIVE && w_reused(old))
		fi_cas(w, &old, old - (1ull << W_REUSED_SHIFT));
}

/* Under fi->lock, so that the group stays what it is. */
static fi_word_t *owned_word(struct frame_index *fi, const struct fi_group *g, u32 i)
{
	fi_word_t *w = word_of(fi, r_frame(fi_load(&fi->reverse[g->base + i])));
	u64 word = fi_load(w);

	return w_state(word) == W_LIVE && w_iova(word) == g->base + i ? w : NULL;
}

static struct look group_look(struct frame_index *fi, u32 id)
{
	struct fi_group *g = &fi->groups[id];
	struct look look = { .idle = true, .age = 255 };
	u8 epoch = READ_ONCE(fi->epoch);
	u32 i;

	if (g->span)
		look_at(fi_load(&g->use), epoch, &look);
	for (i = 0; i < g->frames && look.idle; i++) {
		fi_word_t *w = owned_word(fi, g, i);

		if (w)
			look_at(fi_load(w), epoch, &look);
	}
	return look;
}

static void group_forget(struct frame_index *fi, u32 id)
{
	struct fi_group *g = &fi->groups[id];
	u32 i;

	if (g->span)
		forget(&g->use);
	for (i = 0; i < g->frames; i++) {
		fi_word_t *w = owned_word(fi, g, i);

		if (w)
			forget(w);
	}
}

/* Under fi->lock. */
static bool evict(struct frame_index *fi, struct fi_cpu *cpu, u32 id)
{
	if (!group_mark(fi, id))
		return false;
	group_detach(fi, cpu, id);
	batch_drop(&cpu->batch, fi->groups[id].handle, id);
	COUNT(cpu->count.evictions, 1);
	return true;
}

static u32 looks_at(const struct fi_group *g)
{
	return 1 + g->frames / FI_LOOK_FRAMES;
}

/*
 * Add drops to the batch, until there is room for so many frames and mappings
 * more, the batch is full, or enough was looked at.
 */
static void make_room(struct frame_index *fi, struct fi_cpu *cpu, s64 frames, s64 mappings)
{
	struct fi_queue *probation = &fi->queue[FI_PROBATION], *protected = &fi->queue[FI_PROTECTED];
	/* One that was used often is passed over three times. */
	s64 looks = min(4 * (fi_load(&fi->mappings) + fi_load(&fi->mapped) / FI_LOOK_FRAMES), (u64)FI_LOOKS);
	u32 in_vain = 0;

	if (idle_frames(fi) <= 0)
		return;
	fi_lock(&fi->lock);
	take_newborn(fi);
	while ((frames > 0 || mappings > 0) && cpu->batch.nr_drops < FI_MAX_DROPS && looks > 0) {
		/* When the protected ones are in use, the few on probation have to go after all. */
		bool first = protected->head == FI_NONE ||
			     (probation->head != FI_NONE && (probation->frames > fi->budget_frames / 10 || in_vain > FI_LOOKS / 8));
		u32 id = first ? probation->head : protected->head;
		struct look look;
		u32 size;

		if (id == FI_NONE)
			break;
		size = fi->groups[id].frames;
		looks -= looks_at(&fi->groups[id]);
		look = group_look(fi, id);
		if (look.idle && !look.reused && evict(fi, cpu, id)) {
			frames -= size;
			mappings--;
			continue;
		}
		if (look.idle)
			group_forget(fi, id);
		in_vain += !first;
		queue_remove(fi, id);
		queue_add(fi, id, FI_PROTECTED);
	}
	fi_unlock(&fi->lock);
}

/* What of the cache the caller wants to see gone. */
typedef bool (*wanted_t)(struct frame_index *fi, u32 id);

static bool is_idle(struct frame_index *fi, u32 id)
{
	return group_look(fi, id).idle;
}

static bool is_old(struct frame_index *fi, u32 id)
{
	struct look look = group_look(fi, id);

	return look.idle && look.age >= FI_MAX_AGE;
}

/* A part of the groups, from *next on.  False at their end. */
static bool sweep_part(struct frame_index *fi, struct fi_cpu *cpu, u32 *next, wanted_t wanted)
{
	s64 looks = FI_LOOKS;
	bool more;
	u32 id, end;

	fi_lock(&fi->lock);
	take_newborn(fi);
	end = min(*next + 16 * FI_LOOKS, fi->nr_groups);
	for (id = *next; id < end && cpu->batch.nr_drops < FI_MAX_DROPS && looks > 0; id++) {
		if (!in_cache(READ_ONCE(fi->groups[id].where)))
			continue;
		looks -= looks_at(&fi->groups[id]);
		if (wanted(fi, id))
			evict(fi, cpu, id);
	}
	more = id < fi->nr_groups;
	*next = more ? id : 0;
	fi_unlock(&fi->lock);
	return more;
}

/*
 * Drops, of whatever is idle: first what has had its turn, then anything.  The
 * search goes on where the last one ended, whoever made it.
 */
static void find_idle(struct frame_index *fi, struct fi_cpu *cpu, u32 frames, u32 mappings)
{
	u32 parts = FI_PARTS;

	make_room(fi, cpu, frames, mappings);
	while (!cpu->batch.nr_drops && parts--)
		sweep_part(fi, cpu, &fi->sweep, is_idle);
}

/* A request has not found room within its bounds: the background goes on, unless it has just done so in vain. */
static void leave_to_background(struct frame_index *fi, u32 frames)
{
	if (READ_ONCE(fi->barren) || idle_frames(fi) <= 0)
		return;
	fi_store(&fi->missing, frames);
	fi->ops->wake(fi->host, true);
}

/* It is detached: the host hears of it with this batch. */
static void drop(struct frame_index *fi, struct fi_cpu *cpu, u32 id)
{
	if (cpu->batch.nr_drops == FI_MAX_DROPS)
		batch_run(fi, cpu);
	batch_drop(&cpu->batch, fi->groups[id].handle, id);
}

static void dying_run(struct frame_index *fi, struct fi_cpu *cpu, struct fi_dying *dying)
{
	u32 i;

	for (i = 0; i < dying->count; i++)
		drop(fi, cpu, dying->group[i]);
	if (i)
		batch_run(fi, cpu);
	dying->count = 0;
}

/* The last use of something in the group has ended.  Strict: so does the group, with its last. */
static void strict_drop(struct frame_index *fi, struct fi_cpu *cpu, struct fi_dying *dying, u32 id)
{
	if (!group_mark(fi, id))
		return;
	group_detach(fi, cpu, id);
	if (!dying) {
		drop(fi, cpu, id);
		return;
	}
	if (dying->count == FI_MAX_DROPS)
		dying_run(fi, cpu, dying);
	dying->group[dying->count++] = id;
}

/* A reference that turned out to be to another span than was looked for. */
static void span_release(struct frame_index *fi, struct fi_cpu *cpu, u32 id)
{
	struct fi_group *g = &fi->groups[id];
	struct fi_dying dying = { .count = 0 };

	if (word_put(fi, &g->use, g->base) != LAST_USE)
		return;
	COUNT(cpu->count.idle, span_elsewhere(g));
	if (fi->strict)
		strict_drop(fi, cpu, &dying, id);
	if (!dying.count)
		return;
	/* The batch is not to go yet.  If it is full, the background ends the mapping. */
	if (cpu->batch.nr_drops < FI_MAX_DROPS) {
		batch_drop(&cpu->batch, g->handle, id);
		return;
	}
	fi_lock(&fi->lock);
	queue_add(fi, id, FI_STALE);
	fi_unlock(&fi->lock);
	fi->ops->wake(fi->host, false);
}

/* Asking for frames */

static bool word_claim(fi_word_t *w, u32 owner, u64 uses)
{
	u64 old = W_EMPTY;

	return fi_load(w) == W_EMPTY && fi_cas(w, &old, w_make(W_ASKED, uses, owner));
}

static u32 claim(struct frame_index *fi, u32 frame, u32 frames, u32 map)
{
	u32 owner = asked_by(fi_this_cpu(), map), claimed = 0, i;

	for (i = 0; i < frames; i++)
		claimed += word_claim(word_of(fi, (u64)frame + i), owner, 1);
	return claimed;
}

static bool is_asked_by(u64 word, u32 owner)
{
	return w_state(word) == W_ASKED && w_iova(word) == owner;
}

static void unclaim(struct frame_index *fi, u32 frame, u32 frames, u32 map)
{
	u32 owner = asked_by(fi_this_cpu(), map), i;

	for (i = 0; i < frames; i++) {
		fi_word_t *w = word_of(fi, (u64)frame + i);

		if (is_asked_by(fi_load(w), owner))
			fi_publish(w, W_EMPTY);
	}
}

/* All of them, or none. */
static bool claim_all(struct frame_index *fi, u32 frame, u32 frames, u32 map)
{
	u32 owner = asked_by(fi_this_cpu(), map), i;

	for (i = 0; i < frames; i++) {
		if (!word_claim(word_of(fi, (u64)frame + i), owner, 1)) {
			unclaim(fi, frame, i, map);
			return false;
		}
	}
	return true;
}

/* If the want would be as aligned as wished at that offset of the mapping, the mapping is wished to be so. */
static bool align_within(struct frame_index *fi, const struct fi_batch *b, struct fi_map *m, const struct fi_want *want,
			 u32 offset)
{
	u8 align = wished_align(fi, want);
	u32 first = b->ranges[m->first_range].frame;

	if (!align)
		return true;
	if (want->natural > m->natural || !congruent(fi, first + offset, want->frame, align))
		return false;
	if (!fi->limits.congruent && !congruent(fi, first, 0, max(align, m->align)))
		return false;
	m->align = max(m->align, align);
	return true;
}

/* Into the mapping that is being put together, if there is one and it has room. */
static bool ask_open(struct frame_index *fi, struct fi_batch *b, struct fi_want *want)
{
	struct fi_map *m = b->nr_maps ? &b->maps[b->nr_maps - 1] : NULL;
	struct fi_range *last;
	u8 was;

	if (!m || !m->open)
		return false;
	last = &b->ranges[b->nr_ranges - 1];
	if ((u64)last->frame + last->frames != want->frame &&
	    (m->nr_ranges == fi->limits.max_ranges || b->nr_ranges == FI_MAX_RANGES))
		return false;
	/* Several large pages, but not so many that no place is large enough for them. */
	if (wished_align(fi, want) && (u64)last->frame + last->frames != want->frame &&
	    m->frames >= 1u << (fi->limits.max_align - fi->limits.granule_shift))
		return false;
	was = m->align;
	if (!align_within(fi, b, m, want, m->frames))
		return false;
	if (!claim_all(fi, want->frame, want->frames, b->nr_maps - 1)) {
		m->align = was;
		return false;
	}
	if ((u64)last->frame + last->frames == want->frame) {
		last->frames += want->frames;
	} else {
		b->ranges[b->nr_ranges++] = (struct fi_range){ want->frame, want->frames };
		m->nr_ranges++;
	}
	want->map = b->nr_maps - 1;
	want->offset = m->frames;
	m->frames += want->frames;
	m->owned += want->frames;
	return true;
}

static bool lies_within(struct frame_index *fi, const struct fi_group *g, const struct fi_want *want)
{
	u32 i;

	if (g->frames > want->frames)
		return false;
	for (i = 0; i < g->frames; i++)
		if (r_frame(fi_load(&fi->reverse[g->base + i])) - want->frame >= want->frames)
			return false;
	return true;
}

/*
 * Idle mappings of parts of the want, and of nothing else, end in the trip that
 * maps all of it.  Otherwise it would be a span, mapped beside them, and they
 * would be mapped for as long as they are used, so that it always had to be.
 */
static void absorb(struct frame_index *fi, struct fi_cpu *cpu, const struct fi_want *want)
{
	s64 looks = FI_LOOKS;
	u32 i = 0;

	/* Nearly always nothing is mapped. */
	while (i < want->frames && (fi_load(word_of(fi, (u64)want->frame + i)) & (W_STATE | W_COUNT)) != W_LIVE)
		i++;
	if (i == want->frames)
		return;
	fi_lock(&fi->lock);
	take_newborn(fi);
	for (; i < want->frames && cpu->batch.nr_drops < FI_MAX_DROPS && looks > 0; i++, looks--) {
		u64 word = fi_load(word_of(fi, (u64)want->frame + i)), entry;
		const struct fi_group *g;

		if ((word & (W_STATE | W_COUNT)) != W_LIVE)
			continue;
		entry = fi_load(&fi->reverse[w_iova(word)]);
		if (entry == NOT_MAPPED)
			continue;
		g = &fi->groups[r_group(entry)];
		if (!in_cache(READ_ONCE(g->where)))
			continue;
		looks -= g->frames;
		if (lies_within(fi, g, want))
			evict(fi, cpu, r_group(entry));
	}
	fi_unlock(&fi->lock);
}

static enum step ask(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *want)
{
	struct fi_batch *b = &cpu->batch;
	u8 align = wished_align(fi, want);
	bool packed = want->packed && !want->natural && !fi->strict;
	u32 id, claimed = 0;

	if (want->frames > 1 && !fi->strict)
		absorb(fi, cpu, want);
	if (packed && ask_open(fi, b, want))
		return ASKED;
	if (b->nr_maps == FI_MAX_MAPS || b->nr_ranges == FI_MAX_RANGES)
		return FULL;
	id = group_take(fi);
	if (id == FI_NONE)
		return NO_GROUP;
	if (!fi->strict || want->frames == 1)
		claimed = claim(fi, want->frame, want->frames, b->nr_maps);
	if (!claimed && want->frames == 1) {
		group_give(fi, id);
		return AGAIN;
	}
	WRITE_ONCE(fi->groups[id].where, FI_ASKED);
	want->map = b->nr_maps;
	want->offset = 0;
	b->ranges[b->nr_ranges] = (struct fi_range){ want->frame, want->frames };
	b->maps[b->nr_maps++] = (struct fi_map){
		.group = id,
		.frames = want->frames,
		.first_range = b->nr_ranges++,
		.nr_ranges = 1,
		.align = align,
		.span = claimed < want->frames,
		.open = packed && claimed == want->frames,
		.natural = want->natural,
		.owned = claimed,
		.err = FI_ASK,
	};
	return ASKED;
}

/* The first frame of the want is in this call's batch, as part of which map says its word. */
static enum step join(struct frame_index *fi, struct fi_batch *b, struct fi_want *want)
{
	u32 map = w_iova(fi_load(word_of(fi, want->frame))) & 0xff, owner = asked_by(fi_this_cpu(), map);
	struct fi_map *m = &b->maps[map];
	struct fi_range *r = NULL;
	u32 i, inside, offset = 0;
	bool aligned;
	u8 was;

	for (i = m->first_range; i < (u32)m->first_range + m->nr_ranges; i++) {
		r = &b->ranges[i];
		if (want->frame >= r->frame && want->frame - r->frame < r->frames)
			break;
		offset += r->frames;
	}
	offset += want->frame - r->frame;
	inside = min(want->frames, r->frames - (want->frame - r->frame));
	for (i = 0; i < inside; i++)
		if (!is_asked_by(fi_load(word_of(fi, (u64)want->frame + i)), owner))
			return FULL;
	if (inside < want->frames) {
		/* The end of what is being put together can grow. */
		u32 rest = want->frames - inside;

		if (!m->open || map != b->nr_maps - 1 || r != &b->ranges[b->nr_ranges - 1])
			return FULL;
		was = m->align;
		aligned = align_within(fi, b, m, want, offset);
		if (!aligned && (fi->limits.congruent || want->natural))
			return FULL;
		if (!claim_all(fi, want->frame + inside, rest, map)) {
			m->align = was;
			return FULL;
		}
		/* The host cannot be asked for it without this want either, as its first frame is mapped here. */
		m->unmet |= !aligned;
		r->frames += rest;
		m->frames += rest;
		m->owned += rest;
	} else if (!align_within(fi, b, m, want, offset)) {
		if (fi->limits.congruent || want->natural)
			return FULL;
		m->unmet = true;
	}
	for (i = 0; i < inside; i++) {
		fi_word_t *w = word_of(fi, (u64)want->frame + i);

		fi_publish(w, fi_load(w) + W_ONE);
	}
	want->map = map;
	want->offset = offset;
	return JOINED;
}

/* Mapping ahead */

/* What is mapped ahead gets used. */
static bool is_trusted(struct frame_index *fi)
{
	return READ_ONCE(fi->reach.shift);
}

/*
 * How much of a stream is mapped from its beginning is learned: as much as may
 * be as soon as anything was mapped ahead to use; then half of what was not
 * mostly used, and twice of what was, though not before things have gone well
 * for a while, which becomes longer each time.  Counts that race here cost a
 * guess.
 */
static void judge_reach(struct frame_index *fi)
{
	struct fi_reach *r = &fi->reach;
	u64 ahead = fi_load(&r->ahead), useful = fi_load(&r->useful);
	u8 shift = READ_ONCE(r->shift), most = fi->limits.max_granule - fi->limits.granule_shift;

	if (ahead < (shift ? max(FI_JUDGED, 4u << shift) : FI_GUESSED))
		return;
	fi_store(&r->ahead, 0);
	fi_store(&r->useful, 0);
	if (useful >= ahead / 4 * 3) {
		if (READ_ONCE(r->wait))
			WRITE_ONCE(r->wait, r->wait - 1);
		else if (shift < most)
			WRITE_ONCE(r->shift, READ_ONCE(r->patience) ? shift + 1 : most);
	} else if (shift) {
		WRITE_ONCE(r->shift, shift - 1);
		WRITE_ONCE(r->patience, min(2 * r->patience + 1, FI_PATIENCE));
		WRITE_ONCE(r->wait, r->patience);
	}
}

static bool is_in_vain(const struct fi_score *s)
{
	return s->frames >= FI_GUESSED && s->useful < s->frames / 4;
}

/*
 * How much of a block is in use before the rest is mapped, as one part of so
 * many: less when most of what was mapped ahead lately got used, more when it
 * was in vain.
 */
static u32 cluster_part(const struct fi_cpu *cpu)
{
	const struct fi_score *s = &cpu->ahead[FI_OF_CLUSTERS];

	if (s->frames >= FI_GUESSED && s->useful >= s->frames / 2)
		return 16;
	return is_in_vain(s) ? 2 : 4;
}

/* The largest block that may be mapped for a part of it, in frames. */
static u32 widest(struct frame_index *fi)
{
	u32 shift = fi->limits.granule_shift, block, cluster = 1u << (max(shift, (u32)FI_CLUSTER) - shift);
	s64 mapped = fi_load(&fi->mapped);

	if (fi->strict || fi->limits.max_granule <= shift || READ_ONCE(fi->narrow) || fi->budget_frames < 32)
		return 1;
	block = 1u << min(fi->limits.max_granule - shift, (u32)ilog2(fi->budget_frames / 16));
	/* What is idle makes room, unless it lies beside what is used: it does not when what is mapped ahead gets used. */
	if (is_trusted(fi))
		mapped -= idle_frames(fi);
	if (mapped < fi->budget_frames / 4)
		return block;
	return mapped < fi->budget_frames / 2 ? min(block, cluster) : 1;
}

static bool claim_ahead(struct frame_index *fi, u64 frame, u32 map)
{
	fi_word_t *w = word_of(fi, frame);

	return w && word_claim(w, asked_by(fi_this_cpu(), map), 0);
}

/* The stream that frames continue, upwards or downwards. */
static struct fi_stream *stream_of(struct fi_cpu *cpu, u32 begin, u32 end)
{
	u32 i;

	for (i = 0; i < FI_STREAMS; i++)
		if (cpu->streams[i].run && (cpu->streams[i].end == begin || cpu->streams[i].begin == end))
			return &cpu->streams[i];
	return NULL;
}

/*
 * In how large blocks a stream is mapped: as far as streams lately reached, if it
 * is one or may begin here, and by twice of what it has come to, once that is much.
 */
static u32 stream_block(struct frame_index *fi, struct fi_cpu *cpu, const struct fi_stream *s, u32 begin, u32 frames)
{
	u32 block = 1u << READ_ONCE(fi->reach.shift), misses = is_in_vain(&cpu->ahead[FI_OF_STREAMS]) ? 4 : 2;

	if (!s)
		return begin & (block - 1) ? 1 : min(widest(fi), block);
	/* Short pieces may follow each other by chance. */
	if (s->misses >= misses || s->run >= FI_CHANCE)
		block = max(block, (u32)roundup_pow_of_two(s->run + frames));
	return min(widest(fi), block);
}

/* Within its block, and by whole requests like this one, so that the next miss begins where it ends. */
static void grow_stream(struct frame_index *fi, struct fi_cpu *cpu)
{
	struct fi_batch *b = &cpu->batch;
	struct fi_growth *grown = &cpu->growth;
	struct fi_map *m = &b->maps[b->nr_maps - 1];
	struct fi_range *last = &b->ranges[b->nr_ranges - 1];
	u32 begin = b->ranges[m->first_range].frame, end = last->frame + last->frames, map = b->nr_maps - 1;
	const struct fi_stream *s = stream_of(cpu, begin, end);
	u32 block = stream_block(fi, cpu, s, begin, m->frames), room;
	struct fi_want all;

	if (s && s->begin == end) {
		/* What is in front must not change where the rest is wished to be. */
		if (b->nr_maps > 1 || m->nr_ranges > 1 || m->align)
			return;
		room = begin & (block - 1);
		for (room -= room % m->frames; room && claim_ahead(fi, last->frame - 1, map); room--) {
			last->frame--;
			last->frames++;
			grown->before++;
			grown->frames++;
		}
	} else {
		room = -end & (block - 1);
		for (room -= room % m->frames; room && claim_ahead(fi, end++, map); room--) {
			last->frames++;
			grown->frames++;
		}
	}
	if (m->nr_ranges == 1 && grown->frames) {
		all = (struct fi_want){ .frame = last->frame, .frames = last->frames };
		m->align = max(m->align, wished_align(fi, &all));
	}
}

/* A frame of a block of which much is in use: the rest will be. */
static void grow_cluster(struct frame_index *fi, struct fi_cpu *cpu)
{
	struct fi_batch *b = &cpu->batch;
	struct fi_growth *grown = &cpu->growth;
	struct fi_map *m = &b->maps[0];
	struct fi_range asked = b->ranges[0], *last = NULL;
	u32 shift = fi->limits.granule_shift, block = 1u << (max(shift, (u32)FI_CLUSTER) - shift);
	u32 begin = asked.frame & ~(block - 1), used = 0, i;

	if (b->nr_maps > 1 || m->nr_ranges > 1 || m->align || widest(fi) < block || fi->limits.max_ranges < block / 2 ||
	    asked.frame + asked.frames > begin + block)
		return;
	for (i = 0; i < block; i++) {
		fi_word_t *w = word_of(fi, (u64)begin + i);
		u64 word = w ? fi_load(w) : W_EMPTY;

		used += w_state(word) == W_LIVE && word & W_COUNT;
	}
	if (used < block / cluster_part(cpu))
		return;
	b->nr_ranges = 0;
	for (i = begin; i < begin + block; i++) {
		bool ahead = i < asked.frame || i >= asked.frame + asked.frames;

		if (ahead && !claim_ahead(fi, i, 0))
			continue;
		if (!last || last->frame + last->frames != i) {
			last = &b->ranges[b->nr_ranges++];
			*last = (struct fi_range){ .frame = i };
		}
		last->frames++;
		grown->frames += ahead;
		grown->before += i < asked.frame;
	}
	m->nr_ranges = b->nr_ranges;
}

/* Of the wants that the last mapping is for. */
static void shift_wants(struct fi_batch *b, struct fi_want *wants, u32 count, u32 by)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (wants[i].state == WANT_ASKED && wants[i].map == b->nr_maps - 1u)
			wants[i].offset += by;
}

/* Before the batch is sent: its last mapping may become larger than asked for. */
static void grow(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *wants, u32 count)
{
	struct fi_batch *b = &cpu->batch;
	struct fi_map *m = &b->maps[b->nr_maps - 1];
	struct fi_growth *grown = &cpu->growth;
	struct fi_score *score;
	bool of_stream;

	grown->frames = 0;
	/* A trip may be needed to ask without it. */
	if (!cpu->trips || m->span || m->natural || widest(fi) == 1)
		return;
	judge_reach(fi);
	*grown = (struct fi_growth){ .nr_ranges = m->nr_ranges, .last = b->ranges[b->nr_ranges - 1], .align = m->align };
	grow_stream(fi, cpu);
	of_stream = grown->frames;
	if (!of_stream)
		grow_cluster(fi, cpu);
	if (!grown->frames)
		return;
	m->frames += grown->frames;
	m->owned += grown->frames;
	shift_wants(b, wants, count, grown->before);
	m->of_stream = of_stream;
	COUNT(cpu->count.grown, 1);
	COUNT(cpu->count.prefetched, grown->frames);
	if (of_stream)
		fi_add(&fi->reach.ahead, grown->frames);
	score = &cpu->ahead[of_stream];
	score->frames += grown->frames;
	if (score->frames > 1024) {
		score->frames /= 2;
		score->useful /= 2;
	}
}

/* The host does not take it like that: it is asked for what was asked of us. */
static void shrink(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *wants, u32 count)
{
	struct fi_batch *b = &cpu->batch;
	struct fi_growth *grown = &cpu->growth;
	struct fi_map *m = &b->maps[b->nr_maps - 1];
	u32 i, k;

	for (i = m->first_range; i < b->nr_ranges; i++) {
		for (k = 0; k < b->ranges[i].frames; k++) {
			fi_word_t *w = word_of(fi, (u64)b->ranges[i].frame + k);

			if (!(fi_load(w) & W_COUNT))
				fi_publish(w, W_EMPTY);
		}
	}
	b->nr_ranges = m->first_range + grown->nr_ranges;
	b->ranges[b->nr_ranges - 1] = grown->last;
	m->nr_ranges = grown->nr_ranges;
	m->align = grown->align;
	m->frames -= grown->frames;
	m->owned -= grown->frames;
	fi_add(&fi->mapped, -(s64)grown->frames);
	shift_wants(b, wants, count, -grown->before);
	COUNT(cpu->count.grown, -1);
	COUNT(cpu->count.prefetched, -(s64)grown->frames);
	grown->frames = 0;
	WRITE_ONCE(fi->narrow, true);
	cpu->trips--;
	m->err = FI_ASK;
	batch_run(fi, cpu);
}

static void note_stream(struct fi_cpu *cpu, const struct fi_batch *b)
{
	const struct fi_map *m = &b->maps[b->nr_maps - 1];
	const struct fi_range *last = &b->ranges[b->nr_ranges - 1];
	u32 begin = b->ranges[m->first_range].frame, end = last->frame + last->frames;
	struct fi_stream *s = stream_of(cpu, begin, end);

	if (!s) {
		s = &cpu->streams[cpu->next_stream++ % FI_STREAMS];
		s->run = s->misses = 0;
	}
	*s = (struct fi_stream){ .begin = begin, .end = end, .run = s->run + m->frames, .misses = s->misses + 1 };
}

/* Answers */

static bool is_aligned(const struct frame_index *fi, const struct fi_batch *b, const struct fi_map *m)
{
	u64 gpa = (u64)b->ranges[m->first_range].frame << fi->limits.granule_shift;

	return !((m->iova ^ gpa) & ((1ull << m->align) - 1));
}

static bool answer_sane(struct frame_index *fi, const struct fi_map *m)
{
	const struct fi_limits *l = &fi->limits;
	u64 offset = m->iova - l->iova_first;
	u64 base = offset >> l->granule_shift;
	u32 i;

	/* One that would let the device reach something else than asked for is worth no trust. */
	if (!m->handle || !m->iova || m->iova < l->iova_first || m->iova & ((1ull << l->granule_shift) - 1) ||
	    base >= fi->window || m->frames > fi->window - base)
		return false;
	for (i = 0; i < m->frames; i++)
		if (fi_load(&fi->reverse[base + i]) != NOT_MAPPED)
			return false;
	return true;
}

static void map_unclaim(struct frame_index *fi, struct fi_batch *b, u32 map)
{
	struct fi_map *m = &b->maps[map];
	u32 i;

	for (i = m->first_range; i < (u32)m->first_range + m->nr_ranges; i++)
		unclaim(fi, b->ranges[i].frame, b->ranges[i].frames, map);
}

static void map_failed(struct frame_index *fi, struct fi_batch *b, u32 map)
{
	struct fi_map *m = &b->maps[map];

	map_unclaim(fi, b, map);
	fi_add(&fi->mapped, -(s64)m->frames);
	fi_add(&fi->mappings, -1);
	group_give(fi, m->group);
}

/* The host has mapped it, but that has to end: it becomes a drop of this batch, with its group. */
static void map_undo(struct frame_index *fi, struct fi_batch *b, const struct fi_map *m)
{
	struct fi_group *g = &fi->groups[m->group];

	g->handle = m->handle;
	WRITE_ONCE(g->frames, m->frames);
	WRITE_ONCE(g->where, FI_DROPPED);
	batch_drop(b, m->handle, m->group);
}

/* ...at an address that cannot be. */
static void map_distrusted(struct frame_index *fi, struct fi_batch *b, u32 map)
{
	struct fi_map *m = &b->maps[map];

	fi->ops->distrust(fi->host, m->iova);
	if (m->handle) {
		map_unclaim(fi, b, map);
		map_undo(fi, b, m);
	} else {
		map_failed(fi, b, map);
	}
}

static void map_done(struct frame_index *fi, struct fi_cpu *cpu, u32 map)
{
	struct fi_batch *b = &cpu->batch;
	struct fi_map *m = &b->maps[map];
	struct fi_group *g = &fi->groups[m->group];
	const struct fi_range *first = &b->ranges[m->first_range], *r;
	u32 base = (m->iova - fi->limits.iova_first) >> fi->limits.granule_shift;
	u32 owner = asked_by(fi_this_cpu(), map), at, i;
	u64 idle = (u64)READ_ONCE(fi->epoch) << W_EPOCH_SHIFT;

	g->handle = m->handle;
	g->slot = FI_NONE;
	WRITE_ONCE(g->base, base);
	WRITE_ONCE(g->frames, m->frames);
	WRITE_ONCE(g->owned, m->owned);
	WRITE_ONCE(g->frame, first->frame);
	WRITE_ONCE(g->align, m->align);
	WRITE_ONCE(g->natural, m->natural);
	WRITE_ONCE(g->of_stream, m->of_stream);
	WRITE_ONCE(g->span, m->span);
	WRITE_ONCE(g->where, FI_LOOSE);
	for (r = first, at = base; r < first + m->nr_ranges; r++)
		for (i = 0; i < r->frames; i++)
			fi_store(&fi->reverse[at++],
				 (u64)(r->frame + i) << R_FRAME_SHIFT | (m->span ? R_SPAN : 0) | m->group);
	/* A request for a span is counted there alone; before its words, as one of them may be given back at once. */
	if (m->span)
		fi_publish(&g->use, w_make(W_LIVE, 1, base));
	for (r = first, at = base; r < first + m->nr_ranges; r++) {
		for (i = 0; i < r->frames; i++, at++) {
			fi_word_t *w = word_of(fi, (u64)r->frame + i);
			u64 old = fi_load(w), count = (old & W_COUNT) >> W_ONE_SHIFT;

			if (!is_asked_by(old, owner))
				continue;
			if (m->span)
				count--;
			if (!count)
				COUNT(cpu->count.idle, 1);
			fi_publish(w, w_make(W_LIVE, count, at) | idle | (count || m->span ? 0 : W_AHEAD));
		}
	}
	if (m->span)
		span_insert(fi, m->group);
	if (!fi->strict)
		newborn_push(fi, m->group);
	if (m->unmet || !is_aligned(fi, b, m))
		COUNT(cpu->count.misaligned, 1);
}

static bool wants_room(const struct fi_batch *b)
{
	u32 i;

	for (i = 0; i < b->nr_maps; i++)
		if (b->maps[i].err == -ENOMEM || b->maps[i].err == -ENOSPC)
			return true;
	return false;
}

static void ask_again(struct fi_batch *b)
{
	u32 i;

	for (i = 0; i < b->nr_maps; i++)
		if (b->maps[i].err == -ENOMEM || b->maps[i].err == -ENOSPC)
			b->maps[i].err = FI_ASK;
}

/*
 * The host has less room than it said, or room in pieces: no driver hears of
 * that as long as what is idle can be found within the bounds.  Each trip takes
 * as many evictions as fit and asks again.
 */
static void insist(struct frame_index *fi, struct fi_cpu *cpu, u32 frames)
{
	struct fi_batch *b = &cpu->batch;

	while (wants_room(b) && idle_frames(fi) > 0) {
		if (cpu->trips)
			find_idle(fi, cpu, frames, b->nr_maps);
		if (!b->nr_drops) {
			leave_to_background(fi, frames);
			break;
		}
		cpu->trips--;
		ask_again(b);
		batch_run(fi, cpu);
	}
}

static bool is_misplaced(const struct frame_index *fi, const struct fi_batch *b, const struct fi_map *m)
{
	return !m->err && m->handle && m->natural && !is_aligned(fi, b, m);
}

static const struct fi_map *misplaced(const struct frame_index *fi, const struct fi_batch *b)
{
	u32 i;

	for (i = 0; i < b->nr_maps; i++)
		if (is_misplaced(fi, b, &b->maps[i]))
			return &b->maps[i];
	return NULL;
}

/* True when every frame of the window from `base` on is free, or part of an idle group of the cache.  Under fi->lock. */
static bool can_be_freed(struct frame_index *fi, u32 base, u32 frames, s64 *looks)
{
	u32 i = 0;

	while (i < frames && *looks > 0) {
		u64 entry = fi_load(&fi->reverse[base + i]);
		const struct fi_group *g;

		if (entry == NOT_MAPPED) {
			i++;
			(*looks)--;
			continue;
		}
		g = &fi->groups[r_group(entry)];
		*looks -= g->frames;
		if (!in_cache(READ_ONCE(g->where)) || !group_look(fi, r_group(entry)).idle)
			return false;
		i = g->base + g->frames - base;
	}
	return i >= frames;
}

/* Evict what is idle in a place where the mapping would be aligned, if there is one that nobody uses. */
static void free_place(struct frame_index *fi, struct fi_cpu *cpu, const struct fi_map *m)
{
	struct fi_batch *b = &cpu->batch;
	u32 shift = fi->limits.granule_shift, step = 1u << (m->align - shift);
	u32 frame = b->ranges[m->first_range].frame, first = fi->limits.iova_first >> shift;
	u32 base = (frame - first) & (step - 1), places, i;
	s64 looks = FI_PLACE;

	if (base + m->frames > fi->window)
		return;
	places = (fi->window - base - m->frames) / step + 1;
	fi_lock(&fi->lock);
	take_newborn(fi);
	for (i = 0; i < places && looks > 0; i++) {
		u32 at = base + (fi->place + i) % places * step;

		if (can_be_freed(fi, at, m->frames, &looks)) {
			base = at;
			break;
		}
	}
	fi->place = (fi->place + i) % places;
	for (i = looks > 0 && i < places ? 0 : m->frames; i < m->frames && cpu->trips > 1; i++) {
		u64 entry = fi_load(&fi->reverse[base + i]);

		if (entry != NOT_MAPPED && in_cache(READ_ONCE(fi->groups[r_group(entry)].where)))
			evict(fi, cpu, r_group(entry));
		if (b->nr_drops < FI_MAX_DROPS)
			continue;
		fi_unlock(&fi->lock);
		cpu->trips--;
		batch_run(fi, cpu);
		fi_lock(&fi->lock);
	}
	fi_unlock(&fi->lock);
}

/* The misplaced ones end, and are asked for once more in the same trip. */
static void ask_misplaced_again(struct frame_index *fi, struct fi_cpu *cpu)
{
	struct fi_batch *b = &cpu->batch;
	u32 i;

	if (!cpu->trips)
		return;
	cpu->trips--;
	for (i = 0; i < b->nr_maps; i++) {
		struct fi_map *m = &b->maps[i];
		u32 id;

		if (!is_misplaced(fi, b, m) || b->nr_drops == FI_MAX_DROPS)
			continue;
		id = group_take(fi);
		if (id == FI_NONE)
			continue;
		COUNT(cpu->count.maps, 1);
		map_undo(fi, b, m);
		WRITE_ONCE(fi->groups[id].where, FI_ASKED);
		fi_add(&fi->mapped, m->frames);
		fi_add(&fi->mappings, 1);
		m->group = id;
		m->err = FI_ASK;
	}
	if (b->nr_drops)
		batch_run(fi, cpu);
}

/*
 * Memory that a driver allocates is promised to be aligned, and what is idle
 * may stand in the host's way: first it goes from one place that would do, and
 * when the host does not find that, from anywhere.  If that does not help, a
 * wish like this is not insisted on until the next tick.
 */
static void realign(struct frame_index *fi, struct fi_cpu *cpu)
{
	const struct fi_map *m = misplaced(fi, &cpu->batch);
	u64 evictions = cpu->count.evictions;
	u32 parts = FI_TRIPS;

	if (!m || idle_frames(fi) <= 0 || m->align >= READ_ONCE(fi->hopeless))
		return;
	free_place(fi, cpu, m);
	if (cpu->count.evictions != evictions) {
		ask_misplaced_again(fi, cpu);
		m = misplaced(fi, &cpu->batch);
	}
	if (!m)
		return;
	evictions = cpu->count.evictions;
	while (parts-- && cpu->trips > 1) {
		sweep_part(fi, cpu, &fi->sweep, is_idle);
		if (!cpu->batch.nr_drops)
			continue;
		cpu->trips--;
		batch_run(fi, cpu);
	}
	if (cpu->count.evictions != evictions)
		ask_misplaced_again(fi, cpu);
	m = misplaced(fi, &cpu->batch);
	if (m)
		WRITE_ONCE(fi->hopeless, m->align);
}

/* Less than 5 % of the budget is free. */
static bool is_low(const struct frame_index *fi, u64 mapped, u64 mappings)
{
	return mapped > fi->budget_frames - fi->budget_frames / 20 ||
	       mappings > fi->limits.mappings_max - fi->limits.mappings_max / 20;
}

/* So many sixteenths of what may be idle. */
static s64 idle_mark(const struct frame_index *fi, u32 sixteenths)
{
	return (s64)fi->budget_frames / 2 * sixteenths / 16;
}

/* Nearly all that may be is idle, or not any more by far.  Returns whether so much is that the background has to evict. */
static bool is_idling(struct frame_index *fi)
{
	s64 idle = idle_frames(fi);

	if (idle >= idle_mark(fi, FI_CROWDED) && !READ_ONCE(fi->crowded))
		WRITE_ONCE(fi->crowded, true);
	else if (idle < idle_mark(fi, FI_SPACIOUS) && READ_ONCE(fi->crowded))
		WRITE_ONCE(fi->crowded, false);
	return idle > idle_mark(fi, FI_IDLE_HIGH);
}

/* Ask the host for what the batch holds.  The wants that are part of it get their address, or none. */
static int flush(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *wants, u32 count)
{
	struct fi_batch *b = &cpu->batch;
	u64 mapped, mappings;
	u32 frames = 0, i;
	int err = 0;

	grow(fi, cpu, wants, count);
	for (i = 0; i < b->nr_maps; i++)
		frames += b->maps[i].frames;
	mapped = fi_add(&fi->mapped, frames);
	mappings = fi_add(&fi->mappings, b->nr_maps);
	if (!fi->strict && (mapped > fi->budget_frames || mappings > fi->limits.mappings_max))
		make_room(fi, cpu, (s64)(mapped - fi->budget_frames), (s64)(mappings - fi->limits.mappings_max));
	batch_run(fi, cpu);
	if (cpu->growth.frames && b->maps[b->nr_maps - 1].err) {
		frames -= cpu->growth.frames;
		shrink(fi, cpu, wants, count);
	}
	if (!fi->strict) {
		note_stream(cpu, b);
		insist(fi, cpu, frames);
		realign(fi, cpu);
		insist(fi, cpu, frames);
	}
	for (i = 0; i < b->nr_maps; i++) {
		struct fi_map *m = &b->maps[i];

		if (m->err) {
			map_failed(fi, b, i);
			err = err ? err : m->err;
			continue;
		}
		COUNT(cpu->count.maps, 1);
		if (answer_sane(fi, m)) {
			map_done(fi, cpu, i);
			continue;
		}
		map_distrusted(fi, b, i);
		m->err = -EIO;
		err = err ? err : m->err;
	}
	for (i = 0; i < count; i++) {
		struct fi_want *w = &wants[i];

		if (w->state != WANT_ASKED)
			continue;
		w->state = WANT_NOTHING;
		if (b->maps[w->map].err)
			continue;
		w->state = WANT_MAPPED;
		w->iova = fi->groups[b->maps[w->map].group].base + w->offset;
	}
	b->nr_maps = 0;
	b->nr_ranges = 0;
	if (b->nr_drops)
		batch_run(fi, cpu);
	mapped = fi_load(&fi->mapped);
	mappings = fi_load(&fi->mappings);
	raise_peak(&fi->mapped_peak, mapped);
	raise_peak(&fi->mappings_peak, mappings);
	fi->ops->wake(fi->host, !fi->strict && (is_idling(fi) || is_low(fi, mapped, mappings)));
	return err;
}

/* Requests */

static enum step want_get(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *want)
{
	enum step step;
	u32 i;

	if (fi->strict && want->frames > 1) {
		for (i = 0; i < want->frames; i++)
			if (!word_of(fi, (u64)want->frame + i))
				return NO_RAM;
	} else {
		step = frames_get(fi, cpu, want);
		if (step == MINE)
			step = join(fi, &cpu->batch, want);
		if (step != MISS)
			return step;
	}
	if (want->frames > 1 && span_get(fi, cpu, want))
		return HIT;
	return ask(fi, cpu, want);
}

/* One frame of the window that is in use. */
static bool frame_put(struct frame_index *fi, struct fi_cpu *cpu, struct fi_dying *dying, u32 iova, u64 entry)
{
	enum left left = word_put(fi, known_word(fi, r_frame(entry)), iova);
	u64 idled;

	if (left == LAST_USE) {
		idled = fi_note(&tally_of(fi)->idled);
		if (fi->strict)
			strict_drop(fi, cpu, dying, r_group(entry));
		else if (!(idled & (FI_GLANCE - 1)) && is_idling(fi))
			fi->ops->wake(fi->host, true);
	}
	return left != NOT_THERE;
}

static bool in_use(struct frame_index *fi, u32 iova, u32 frames)
{
	u32 i;

	for (i = 0; i < frames; i++) {
		u64 entry = fi_load(&fi->reverse[iova + i]), word;

		if (entry == NOT_MAPPED)
			return false;
		word = fi_load(word_of(fi, r_frame(entry)));
		if (w_state(word) != W_LIVE || w_iova(word) != iova + i || !(word & W_COUNT))
			return false;
	}
	return true;
}

static bool put(struct frame_index *fi, struct fi_cpu *cpu, struct fi_dying *dying, u32 iova, u32 frames)
{
	u64 entry = fi_load(&fi->reverse[iova]);
	struct fi_group *g;
	enum left left;
	u32 elsewhere, i;

	/* Without looking at the group: a hit on a frame touches two cache lines, this and its word. */
	if (frames == 1 && !(entry & R_SPAN))
		return frame_put(fi, cpu, dying, iova, entry);
	if (entry == NOT_MAPPED)
		return false;
	g = entry & R_SPAN ? &fi->groups[r_group(entry)] : NULL;
	if (g && READ_ONCE(g->base) == iova && READ_ONCE(g->frames) == frames) {
		elsewhere = span_elsewhere(g);
		left = word_put(fi, &g->use, iova);
		if (left == LAST_USE) {
			COUNT(cpu->count.idle, elsewhere);
			if (fi->strict)
				strict_drop(fi, cpu, dying, r_group(entry));
		}
		return left != NOT_THERE;
	}
	/* All or nothing. */
	if (!in_use(fi, iova, frames))
		return false;
	for (i = 0; i < frames; i++) {
		entry = fi_load(&fi->reverse[iova + i]);
		/* Two that give back the same at the same time: the others' uses stay. */
		if (entry == NOT_MAPPED || !frame_put(fi, cpu, dying, iova + i, entry))
			return false;
	}
	return true;
}

/* What was got for a request that fails goes back. */
static void unget(struct frame_index *fi, struct fi_cpu *cpu, const struct fi_want *wants, u32 count)
{
	struct fi_dying dying = { .count = 0 };
	u32 i;

	for (i = 0; i < count; i++)
		if (wants[i].state == WANT_MAPPED)
			put(fi, cpu, &dying, wants[i].iova, wants[i].frames);
	dying_run(fi, cpu, &dying);
}

/* Wants that are one frame and mapped, up to the first that is not.  Returns how many. */
static u32 get_mapped(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *wants, u32 count)
{
	u32 i;

	for (i = 0; i < count && wants[i].frames == 1 && frame_get(fi, cpu, &wants[i]); i++)
		wants[i].state = WANT_MAPPED;
	COUNT(cpu->count.requests, i);
	COUNT(cpu->count.hits, i);
	return i;
}

/* The first `done` wants are mapped. */
static noinline int get_rest(struct frame_index *fi, struct fi_cpu *cpu, struct fi_want *wants, u32 count, u32 done)
{
	u32 i = done;
	int err = 0;

	cpu->trips = FI_TRIPS;
	while (!err && i < count) {
		enum step step = want_get(fi, cpu, &wants[i]);

		if (step == HIT || step == JOINED || step == ASKED) {
			wants[i].state = step == HIT ? WANT_MAPPED : WANT_ASKED;
			COUNT(cpu->count.requests, 1);
			if (step != ASKED)
				COUNT(cpu->count.hits, 1);
			i++;
		} else if (step == NO_RAM) {
			err = -EFAULT;
		} else if (step == TOO_MANY) {
			err = -ENOSPC;
		} else if (step != AGAIN && cpu->batch.nr_maps) {
			err = flush(fi, cpu, wants, i);
		} else if (step == NO_GROUP) {
			if (cpu->trips && !fi->strict)
				find_idle(fi, cpu, 0, 1);
			if (cpu->batch.nr_drops) {
				cpu->trips--;
				batch_run(fi, cpu);
			} else {
				err = -ENOSPC;
				leave_to_background(fi, 1);
			}
		} else {
			fi_relax();
		}
	}
	if (cpu->batch.nr_maps) {
		int late = flush(fi, cpu, wants, i);

		err = err ? err : late;
	}
	if (err)
		unget(fi, cpu, wants, i);
	if (cpu->batch.nr_drops)
		batch_run(fi, cpu);
	return err;
}

int fi_get(struct frame_index *fi, struct fi_want *wants, u32 count)
{
	struct fi_cpu *cpu;
	unsigned long flags;
	u32 mapped = 0;
	int err;

	fi_irq_save(flags);
	cpu = this_cpu_of(fi);
	err = READ_ONCE(fi->refuse);
	if (!err) {
		mapped = get_mapped(fi, cpu, wants, count);
		if (mapped < count)
			err = get_rest(fi, cpu, wants, count, mapped);
	}
	if (err)
		COUNT(cpu->count.refusals, 1);
	fi_irq_restore(flags);
	return err;
}

bool fi_put(struct frame_index *fi, struct fi_dying *dying, u64 address, u64 bytes)
{
	u64 offset = address - fi->limits.iova_first, end = offset + bytes - 1;
	u64 first = offset >> fi->limits.granule_shift, last = end >> fi->limits.granule_shift;
	struct fi_cpu *cpu;
	unsigned long flags;
	bool ok = false;

	fi_irq_save(flags);
	cpu = this_cpu_of(fi);
	/* An address in front of the window is far behind it by now. */
	if (bytes && end >= offset && last < fi->window)
		ok = put(fi, cpu, dying, first, last - first + 1);
	if (!ok)
		COUNT(cpu->count.bad_puts, 1);
	if (cpu->batch.nr_drops)
		batch_run(fi, cpu);
	fi_irq_restore(flags);
	return ok;
}

void fi_put_done(struct frame_index *fi, struct fi_dying *dying)
{
	unsigned long flags;

	if (!dying->count)
		return;
	fi_irq_save(flags);
	dying_run(fi, this_cpu_of(fi), dying);
	fi_irq_restore(flags);
}

bool fi_has(const struct frame_index *fi, u64 frame, u64 frames)
{
	u64 i;

	for (i = 0; i < frames; i++) {
		const fi_word_t *w = word_of(fi, frame + i);

		if (!w || w_state(fi_load(w)) != W_LIVE)
			return false;
	}
	return true;
}

/* Background */

static bool stale_retry(struct frame_index *fi)
{
	struct fi_queue *q = &fi->queue[FI_STALE];
	struct fi_cpu *cpu;
	unsigned long flags;
	bool left;

	fi_irq_save(flags);
	cpu = this_cpu_of(fi);
	fi_lock(&fi->lock);
	while (q->head != FI_NONE && cpu->batch.nr_drops < FI_MAX_DROPS) {
		u32 id = q->head;

		queue_remove(fi, id);
		WRITE_ONCE(fi->groups[id].where, FI_DROPPED);
		batch_drop(&cpu->batch, fi->groups[id].handle, id);
	}
	fi_unlock(&fi->lock);
	if (cpu->batch.nr_drops)
		batch_run(fi, cpu);
	fi_lock(&fi->lock);
	left = q->head != FI_NONE;
	fi_unlock(&fi->lock);
	fi_irq_restore(flags);
	return left;
}

/* Until so many frames are gone.  Returns how many are. */
static u64 sweep(struct frame_index *fi, wanted_t wanted, u64 enough)
{
	unsigned long flags;
	u32 next = 0, i;
	u64 gone = 0;
	bool more;

	do {
		struct fi_cpu *cpu;

		fi_irq_save(flags);
		cpu = this_cpu_of(fi);
		more = sweep_part(fi, cpu, &next, wanted);
		for (i = 0; i < cpu->batch.nr_drops; i++)
			gone += fi->groups[cpu->batch.drops[i].group].frames;
		if (i)
			batch_run(fi, cpu);
		fi_irq_restore(flags);
		fi_breathe();
	} while (more && gone < enough);
	return gone;
}

/* For a request that found no room within its bounds, and is made again; and as much for the next. */
static void relieve(struct frame_index *fi)
{
	u64 missing = fi_load(&fi->missing);

	if (!missing)
		return;
	fi_store(&fi->missing, 0);
	WRITE_ONCE(fi->barren, !sweep(fi, is_idle, 2 * missing));
}

/* Room for misses to come, and no more than half of the budget idle. */
static void keep_room(struct frame_index *fi)
{
	/* Down to twice what is called low. */
	u64 frames_mark = fi->budget_frames - fi->budget_frames / 10;
	u64 mappings_mark = fi->limits.mappings_max - fi->limits.mappings_max / 10;
	bool low = is_low(fi, fi_load(&fi->mapped), fi_load(&fi->mappings));
	bool much = idle_frames(fi) > idle_mark(fi, FI_IDLE_HIGH);
	/* Each turn moves on by FI_LOOKS groups, four times over. */
	u32 turns = 4 + 4 * (fi->nr_groups / FI_LOOKS);
	bool in_vain = true;

	while (turns-- && !READ_ONCE(fi->barren)) {
		s64 idle = idle_frames(fi), frames = much ? idle - idle_mark(fi, FI_IDLE_LOW) : 0, mappings = 0;
		struct fi_cpu *cpu;
		unsigned long flags;

		if (low) {
			frames = max(frames, (s64)(fi_load(&fi->mapped) - frames_mark));
			mappings = fi_load(&fi->mappings) - mappings_mark;
		}
		/* Not for crumbs: a miss takes those itself. */
		if (idle <= fi->budget_frames / 100 || (frames <= 0 && mappings <= 0))
			return;
		fi_irq_save(flags);
		cpu = this_cpu_of(fi);
		make_room(fi, cpu, frames, mappings);
		in_vain &= !cpu->batch.nr_drops;
		if (cpu->batch.nr_drops)
			batch_run(fi, cpu);
		fi_irq_restore(flags);
		fi_breathe();
	}
	/* All that is idle lies beside what is used; the next miss need not send us through it again. */
	if (in_vain)
		WRITE_ONCE(fi->barren, true);
}

bool fi_work(struct frame_index *fi, bool tick)
{
	bool again = stale_retry(fi);

	if (fi->strict)
		return again;
	if (tick) {
		WRITE_ONCE(fi->epoch, fi->epoch + 1);
		WRITE_ONCE(fi->barren, false);
		WRITE_ONCE(fi->narrow, false);
		WRITE_ONCE(fi->hopeless, NOT_HOPELESS);
		if (idle_frames(fi) > 0)
			sweep(fi, is_old, ~0ull);
		is_idling(fi);
	}
	relieve(fi);
	keep_room(fi);
	return again;
}

u32 fi_evict_idle(struct frame_index *fi, u32 frames, u32 mappings)
{
	struct fi_cpu *cpu;
	unsigned long flags;
	u32 ended = 0;

	if (fi->strict)
		return 0;
	fi_irq_save(flags);
	cpu = this_cpu_of(fi);
	find_idle(fi, cpu, frames, mappings);
	if (cpu->batch.nr_drops) {
		ended = cpu->batch.nr_drops;
		batch_run(fi, cpu);
	}
	fi_irq_restore(flags);
	return ended;
}

u32 fi_evict_range(struct frame_index *fi, u64 first, u64 frames)
{
	u32 busy = 0, seen = FI_NONE, i;

	for (i = 0; i < fi->window; i++) {
		u64 entry = fi_load(&fi->reverse[i]);
		u32 id = r_group(entry);
		struct fi_cpu *cpu;
		unsigned long flags;

		if (entry == NOT_MAPPED || id == seen || r_frame(entry) < first || r_frame(entry) - first >= frames)
			continue;
		fi_irq_save(flags);
		cpu = this_cpu_of(fi);
		fi_lock(&fi->lock);
		take_newborn(fi);
		/* When it is not evicted it may have gone by itself. */
		if (!((fi->strict || in_cache(READ_ONCE(fi->groups[id].where))) && evict(fi, cpu, id)) &&
		    fi_load(&fi->reverse[i]) == entry) {
			seen = id;
			busy++;
		}
		fi_unlock(&fi->lock);
		if (cpu->batch.nr_drops)
			batch_run(fi, cpu);
		fi_irq_restore(flags);
		fi_breathe();
	}
	return busy;
}

/* Whoever uses it: under fi->lock. */
static void group_seize(struct frame_index *fi, struct fi_cpu *cpu, u32 id)
{
	struct fi_group *g = &fi->groups[id];
	u32 i;

	for (i = 0; i < g->frames; i++) {
		fi_word_t *w = owned_word(fi, g, i);

		if (w)
			fi_publish(w, (fi_load(w) & ~(W_STATE | W_COUNT)) | W_MARKED);
	}
	group_detach(fi, cpu, id);
	batch_drop(&cpu->batch, g->handle, id);
}

u32 fi_clear(struct frame_index *fi)
{
	u32 used = 0, id = 0, i;

	while (id < fi->nr_groups) {
		struct fi_cpu *cpu;
		unsigned long flags;
		u32 looks = FI_LOOKS;

		fi_irq_save(flags);
		cpu = this_cpu_of(fi);
		fi_lock(&fi->lock);
		take_newborn(fi);
		for (; id < fi->nr_groups && cpu->batch.nr_drops < FI_MAX_DROPS && looks--; id++) {
			u8 where = fi->groups[id].where;

			if (where != FI_LOOSE && !in_cache(where))
				continue;
			used += !group_look(fi, id).idle;
			group_seize(fi, cpu, id);
		}
		fi_unlock(&fi->lock);
		if (cpu->batch.nr_drops)
			batch_run(fi, cpu);
		fi_irq_restore(flags);
		fi_breathe();
	}
	for (i = 0; i < fi->limits.nr_cpus; i++)
		WRITE_ONCE(fi->cpus[i].count.idle, -tally_idle(&fi->tallies[i]));
	WRITE_ONCE(fi->crowded, false);
	return used;
}

/* Statistics */

void fi_count(struct frame_index *fi, struct fi_counters *sum)
{
	u32 i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < fi->limits.nr_cpus; i++) {
		const struct fi_counters *c = &fi->cpus[i].count;
		const struct fi_tally *t = &fi->tallies[i];
		u64 hits = fi_load(&t->hits[0]) + fi_load(&t->hits[1]);

		sum->requests += READ_ONCE(c->requests) + hits;
		sum->hits += READ_ONCE(c->hits) + hits;
		sum->maps += READ_ONCE(c->maps);
		sum->unmaps += READ_ONCE(c->unmaps);
		sum->doorbells += READ_ONCE(c->doorbells);
		sum->evictions += READ_ONCE(c->evictions);
		sum->refusals += READ_ONCE(c->refusals);
		sum->bad_puts += READ_ONCE(c->bad_puts);
		sum->misaligned += READ_ONCE(c->misaligned);
		sum->grown += READ_ONCE(c->grown);
		sum->prefetched += READ_ONCE(c->prefetched);
		sum->prefetch_hits += READ_ONCE(c->prefetch_hits);
		sum->idle += READ_ONCE(c->idle) + tally_idle(t);
	}
}

void fi_usage(struct frame_index *fi, struct fi_usage *usage)
{
	u64 run = 0;
	u32 id, i;

	memset(usage, 0, sizeof(*usage));
	for (i = 0; i < fi->window; i++) {
		run = fi_load(&fi->reverse[i]) == NOT_MAPPED ? run + 1 : 0;
		usage->largest_free = max(usage->largest_free, run);
	}
	for (id = 0; id < fi->nr_groups; id++) {
		struct fi_group *g = &fi->groups[id];
		u32 base = READ_ONCE(g->base), frames = READ_ONCE(g->frames), idle = 0;
		u8 where = READ_ONCE(g->where);
		bool span_used = READ_ONCE(g->span) && fi_load(&g->use) & W_COUNT;

		if (where == FI_FREE || where == FI_ASKED)
			continue;
		usage->mapped += frames;
		usage->mappings++;
		for (i = 0; i < frames && base + i < fi->window; i++) {
			u64 entry = fi_load(&fi->reverse[base + i]);
			u64 word = W_EMPTY;

			if (entry != NOT_MAPPED && r_group(entry) == id)
				word = fi_load(word_of(fi, r_frame(entry)));
			idle += !span_used && !(w_state(word) == W_LIVE && w_iova(word) == base + i && word & W_COUNT);
		}
		usage->idle += idle;
		usage->used += frames - idle;
		if (idle < frames) {
			usage->used_mappings++;
			usage->stranded += idle;
		}
	}
}

/* Life */

int fi_init(struct frame_index *fi, const struct fi_limits *limits, const struct fi_host *ops, void *host)
{
	u64 window = ((limits->iova_last - limits->iova_first) >> limits->granule_shift) + 1;
	u32 i;

	memset(fi, 0, sizeof(*fi));
	fi->limits = *limits;
	fi->limits.max_ranges = min(limits->max_ranges, (u32)FI_MAX_RANGES);
	fi->ops = ops;
	fi->host = host;
	if (window > FI_MAX_WINDOW)
		return -E2BIG;
	fi->window = window;
	fi->granule_mask = (1ull << limits->granule_shift) - 1;
	fi->budget_frames = min(limits->bytes_max >> limits->granule_shift, window);
	/* Some more than the host allows, so that a trip can make new ones before the old have ended. */
	fi->nr_groups = limits->mappings_max + FI_SPARE_GROUPS;
	fi->span_bits = ilog2(roundup_pow_of_two(fi->nr_groups) / FI_WAYS);

	fi->leaves = fi_alloc(1u << ROOT_BITS, sizeof(*fi->leaves));
	fi->reverse = fi_alloc(fi->window, sizeof(*fi->reverse));
	fi->groups = fi_alloc(fi->nr_groups, sizeof(*fi->groups));
	fi->spans = fi_alloc((size_t)FI_WAYS << fi->span_bits, sizeof(*fi->spans));
	fi->cpus = fi_alloc(limits->nr_cpus, sizeof(*fi->cpus));
	fi->tallies = fi_alloc(limits->nr_cpus, sizeof(*fi->tallies));
	if (!fi->leaves || !fi->reverse || !fi->groups || !fi->spans || !fi->cpus || !fi->tallies) {
		fi_destroy(fi);
		return -ENOMEM;
	}
	for (i = 0; i < fi->window; i++)
		fi_store(&fi->reverse[i], NOT_MAPPED);
	for (i = 0; i < (u32)FI_WAYS << fi->span_bits; i++)
		fi_store(&fi->spans[i], FI_NONE);
	for (i = 0; i < FI_QUEUES; i++)
		fi->queue[i] = (struct fi_queue){ .head = FI_NONE, .tail = FI_NONE };
	fi->hopeless = NOT_HOPELESS;
	fi_store(&fi->free, FI_NONE);
	fi_store(&fi->newborn, FI_NONE);
	for (i = fi->nr_groups; i--;)
		group_give(fi, i);
	fi_lock_init(&fi->lock);
	return 0;
}

int fi_add_ram(struct frame_index *fi, u64 first, u64 frames)
{
	u64 leaf;

	for (leaf = first >> LEAF_BITS; frames && leaf <= (first + frames - 1) >> LEAF_BITS; leaf++) {
		fi_word_t *words;

		if (leaf >> ROOT_BITS)
			return -E2BIG;
		if (fi->leaves[leaf])
			continue;
		words = fi_alloc(1u << LEAF_BITS, sizeof(*words));
		if (!words)
			return -ENOMEM;
		fi_publish_pointer(&fi->leaves[leaf], words);
	}
	return 0;
}

void fi_set_strict(struct frame_index *fi, bool strict)
{
	fi->strict = strict;
}

void fi_destroy(struct frame_index *fi)
{
	u32 i;

	for (i = 0; fi->leaves && i < 1u << ROOT_BITS; i++)
		fi_free(fi->leaves[i]);
	fi_free(fi->leaves);
	fi_free(fi->reverse);
	fi_free(fi->groups);
	fi_free(fi->spans);
	fi_free(fi->cpus);
	fi_free(fi->tallies);
	memset(fi, 0, sizeof(*fi));
}
