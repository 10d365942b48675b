// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bounce pool lends memory that the device can reach to buffers that it
 * cannot, and copies between the two.
 *
 * CHUNKS.  The pool is as many contiguous pieces as its owner could get.  Each
 * is on its own: a lock, a bitmap of slots, and for every slot what it holds.
 * Every CPU has a chunk where it looks first, so that CPUs meet only when the
 * pool is short; then it looks in the others, so that no memory lies idle while
 * somebody is refused.  A buffer is consecutive slots of one chunk, the lowest
 * that are free, which leaves long runs at the other end.
 *
 * A buffer keeps its offset in 4 KiB: drivers that set a min_align_mask build
 * page lists from it.
 *
 * LOCKING.  A chunk's lock is held, with interrupts off, for a walk over its
 * bitmap, never for a copy.  Whoever has mapped a buffer owns its slots until
 * it gives them back; giving back first marks it as ending, so that a second
 * one that gives back the same finds nothing.
 */
#include "bounce_pool.h"

#define WORD_BITS	64u
#define ALIGN_SLOTS	(BP_ALIGN / BP_SLOT)
#define NOT_HERE	(~0ull)

/* Bitmaps */

/* One behind the last bit that is set in [first, end), or first. */
static u32 behind_last(const u64 *bits, u32 first, u32 end)
{
	while (end > first) {
		u32 word = (end - 1) / WORD_BITS;
		u64 found = bits[word] & (~0ull >> (WORD_BITS - 1 - (end - 1) % WORD_BITS));

		if (found)
			return max(first, word * WORD_BITS + (u32)ilog2(found) + 1);
		end = word * WORD_BITS;
	}
	return first;
}

/* The lowest `count` clear bits in a row that begin at phase modulo ALIGN_SLOTS; nr when there are none. */
static u32 find_run(const u64 *bits, u32 nr, u32 count, u32 phase)
{
	u32 at = phase;

	while (at < nr && count <= nr - at) {
		u64 clear = ~bits[at / WORD_BITS] >> at % WORD_BITS;
		u32 end;

		if (!clear) {
			at = (at / WORD_BITS + 1) * WORD_BITS + phase;
			continue;
		}
		at += __ffs64(clear);
		at += (phase - at) % ALIGN_SLOTS;
		if (at >= nr || count > nr - at)
			break;
		end = behind_last(bits, at, at + count);
		if (end == at)
			return at;
		at = end + (phase - end) % ALIGN_SLOTS;
	}
	return nr;
}

static void flip_run(u64 *bits, u32 at, u32 count)
{
	while (count) {
		u32 in_word = min(count, WORD_BITS - at % WORD_BITS);

		bits[at / WORD_BITS] ^= (~0ull >> (WORD_BITS - in_word)) << at % WORD_BITS;
		at += in_word;
		count -= in_word;
	}
}

/* Buffers */

static u32 offset_in_slot(const void *origin)
{
	return (unsigned long)origin & (BP_SLOT - 1);
}

static u32 slots_of(const void *origin, u32 bytes)
{
	return (offset_in_slot(origin) + bytes + BP_SLOT - 1) >> BP_SLOT_SHIFT;
}

static u64 start_of(const struct bp_slot *slot)
{
	return ((u64)slot->first << BP_SLOT_SHIFT) + offset_in_slot(slot->origin);
}

static struct bp_chunk *chunk_of(const struct bounce_pool *bp, u64 address)
{
	u32 low = 0, high = bp->nr_chunks;

	if (!bp_spans(bp, address))
		return NULL;
	while (low < high) {
		u32 middle = (low + high) / 2;
		struct bp_chunk *c = &bp->chunks[middle];

		if (address < c->mem.address)
			high = middle;
		else if (address - c->mem.address >= c->mem.bytes)
			low = middle + 1;
		else
			return c;
	}
	return NULL;
}

bool bp_holds(const struct bounce_pool *bp, u64 address)
{
	return chunk_of(bp, address);
}

/* The buffer that has the byte at this offset of the chunk.  Under its lock. */
static struct bp_slot *buffer_at(struct bp_chunk *c, u64 offset)
{
	u32 nr = offset >> BP_SLOT_SHIFT;
	struct bp_slot *slot;

	if (!(c->used[nr / WORD_BITS] >> nr % WORD_BITS & 1))
		return NULL;
	slot = &c->slots[c->slots[nr].first];
	return slot->ending || offset < start_of(slot) ? NULL : slot;
}

/* Where in the chunk; NOT_HERE when it has no room. */
static u64 chunk_take(struct bp_chunk *c, void *origin, u32 bytes, enum bp_dir dir)
{
	u32 count = slots_of(origin, bytes), phase = (unsigned long)origin >> BP_SLOT_SHIFT & (ALIGN_SLOTS - 1);
	unsigned long flags;
	u64 start = NOT_HERE;
	u32 at, i;

	if (READ_ONCE(c->free) < count)
		return start;
	fi_irq_save(flags);
	fi_lock(&c->lock);
	at = find_run(c->used, c->nr_slots, count, phase);
	if (at < c->nr_slots) {
		flip_run(c->used, at, count);
		WRITE_ONCE(c->free, c->free - count);
		for (i = 0; i < count; i++)
			c->slots[at + i].first = at;
		c->slots[at] = (struct bp_slot){
			.origin = origin,
			.bytes = bytes,
			.first = at,
			.dir = dir,
		};
		c->count.buffers++;
		c->count.bytes += bytes;
		start = start_of(&c->slots[at]);
	}
	fi_unlock(&c->lock);
	fi_irq_restore(flags);
	return start;
}

static void chunk_give(struct bp_chunk *c, u32 at, u32 count)
{
	unsigned long flags;

	fi_irq_save(flags);
	fi_lock(&c->lock);
	flip_run(c->used, at, count);
	WRITE_ONCE(c->free, c->free + count);
	fi_unlock(&c->lock);
	fi_irq_restore(flags);
}

u64 bp_map(struct bounce_pool *bp, void *origin, u32 bytes, enum bp_dir dir)
{
	u32 home, i;

	if (!bytes || bytes > bp->max_bytes)
		return 0;
	/* Where the thread is moved to meanwhile does not matter. */
	home = (u64)fi_any_cpu() % bp->nr_cpus * bp->nr_chunks / bp->nr_cpus;
	for (i = 0; i < bp->nr_chunks; i++) {
		struct bp_chunk *c = &bp->chunks[(home + i) % bp->nr_chunks];
		u64 start = chunk_take(c, origin, bytes, dir), in_use;

		if (start == NOT_HERE)
			continue;
		memcpy((char *)c->mem.memory + start, origin, bytes);
		in_use = fi_add(&bp->in_use, (s64)slots_of(origin, bytes) << BP_SLOT_SHIFT);
		if (in_use > READ_ONCE(bp->peak))
			WRITE_ONCE(bp->peak, in_use);
		return c->mem.address + start;
	}
	return 0;
}

bool bp_unmap(struct bounce_pool *bp, u64 address, u64 bytes, bool copy)
{
	struct bp_chunk *c = chunk_of(bp, address);
	struct bp_slot *slot, buffer = { .bytes = 0 };
	unsigned long flags;
	u32 count;

	if (!c)
		return false;
	fi_irq_save(flags);
	fi_lock(&c->lock);
	slot = buffer_at(c, address - c->mem.address);
	if (slot && start_of(slot) == address - c->mem.address && slot->bytes == bytes) {
		slot->ending = true;
		buffer = *slot;
	}
	fi_unlock(&c->lock);
	fi_irq_restore(flags);
	if (!buffer.bytes)
		return false;
	if (copy && buffer.dir == BP_FROM_DEVICE)
		memcpy(buffer.origin, (char *)c->mem.memory + start_of(&buffer), buffer.bytes);
	count = slots_of(buffer.origin, buffer.bytes);
	fi_add(&bp->in_use, -((s64)count << BP_SLOT_SHIFT));
	chunk_give(c, buffer.first, count);
	return true;
}

bool bp_sync(struct bounce_pool *bp, u64 address, u64 bytes, bool for_cpu)
{
	struct bp_chunk *c = chunk_of(bp, address);
	struct bp_slot *slot, buffer = { .bytes = 0 };
	unsigned long flags;
	char *in_pool, *in_origin;
	u64 offset = 0;

	if (!c)
		return false;
	fi_irq_save(flags);
	fi_lock(&c->lock);
	slot = buffer_at(c, address - c->mem.address);
	if (slot) {
		offset = address - c->mem.address - start_of(slot);
		if (offset < slot->bytes && bytes <= slot->bytes - offset)
			buffer = *slot;
	}
	fi_unlock(&c->lock);
	fi_irq_restore(flags);
	if (!buffer.bytes)
		return false;
	in_pool = (char *)c->mem.memory + start_of(&buffer) + offset;
	in_origin = (char *)buffer.origin + offset;
	if (for_cpu && buffer.dir == BP_FROM_DEVICE)
		memcpy(in_origin, in_pool, bytes);
	else if (!for_cpu && buffer.dir == BP_TO_DEVICE)
		memcpy(in_pool, in_origin, bytes);
	return true;
}

void bp_count(struct bounce_pool *bp, struct bp_counters *sum)
{
	u32 i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < bp->nr_chunks; i++) {
		struct bp_chunk *c = &bp->chunks[i];
		unsigned long flags;

		fi_irq_save(flags);
		fi_lock(&c->lock);
		sum->buffers += c->count.buffers;
		sum->bytes += c->count.bytes;
		fi_unlock(&c->lock);
		fi_irq_restore(flags);
	}
}

/* Life */

static bool memory_good(const struct bp_memory *m)
{
	return m->bytes && m->bytes <= BP_MAX_CHUNK && m->address && m->address <= ~0ull - m->bytes &&
	       !((m->bytes | m->address | (unsigned long)m->memory) & (BP_ALIGN - 1));
}

static int chunk_init(struct bp_chunk *c, const struct bp_memory *m)
{
	c->mem = *m;
	c->nr_slots = m->bytes >> BP_SLOT_SHIFT;
	c->free = c->nr_slots;
	fi_lock_init(&c->lock);
	c->used = fi_alloc((c->nr_slots + WORD_BITS - 1) / WORD_BITS, sizeof(*c->used));
	c->slots = fi_alloc(c->nr_slots, sizeof(*c->slots));
	return c->used && c->slots ? 0 : -ENOMEM;
}

int bp_init(struct bounce_pool *bp, const struct bp_memory *memory, u32 nr, u32 nr_cpus)
{
	u32 largest = 0, i, k;

	memset(bp, 0, sizeof(*bp));
	if (!nr || !nr_cpus)
		return -EINVAL;
	bp->chunks = fi_alloc(nr, sizeof(*bp->chunks));
	if (!bp->chunks)
		return -ENOMEM;
	bp->nr_cpus = nr_cpus;
	/* Put in by address: there are few. */
	for (i = 0; i < nr; i++) {
		if (!memory_good(&memory[i])) {
			bp_destroy(bp);
			return -EINVAL;
		}
		for (k = i; k && bp->chunks[k - 1].mem.address > memory[i].address; k--)
			bp->chunks[k].mem = bp->chunks[k - 1].mem;
		bp->chunks[k].mem = memory[i];
	}
	for (i = 0; i < nr; i++) {
		struct bp_memory m = bp->chunks[i].mem;
		int err = i && m.address < bp->chunks[i - 1].mem.address + bp->chunks[i - 1].mem.bytes ?
				  -EINVAL : chunk_init(&bp->chunks[i], &m);

		bp->nr_chunks = i + 1;
		if (err) {
			bp_destroy(bp);
			return err;
		}
		largest = max(largest, m.bytes);
		bp->bytes += m.bytes;
	}
	bp->max_bytes = min(largest / 2, BP_MAX_BYTES);
	bp->first = bp->chunks[0].mem.address;
	bp->span = bp->chunks[nr - 1].mem.address + bp->chunks[nr - 1].mem.bytes - bp->first;
	return 0;
}

void bp_destroy(struct bounce_pool *bp)
{
	u32 i;

	for (i = 0; i < bp->nr_chunks; i++) {
		fi_free(bp->chunks[i].used);
		fi_free(bp->chunks[i].slots);
	}
	fi_free(bp->chunks);
	memset(bp, 0, sizeof(*bp));
}
