/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounce pool: memory that is mapped for a function while its driver is
 * bound, and lent to buffers that are not.  bounce_pool.c says how.
 *
 * Like the frame index it needs nothing but frame_index_os.h.
 */
#ifndef BOUNCE_POOL_H
#define BOUNCE_POOL_H

#include "frame_index_os.h"

#define BP_SLOT_SHIFT	11
#define BP_SLOT		(1u << BP_SLOT_SHIFT)
#define BP_ALIGN	4096u		/* a buffer keeps its offset in this */
#define BP_MAX_BYTES	(1u << 20)	/* of a buffer */
#define BP_MAX_CHUNK	(1u << 26)	/* bytes */

enum bp_dir { BP_TO_DEVICE, BP_FROM_DEVICE };

/* A contiguous piece of the pool as its owner has it.  address and memory are multiples of BP_ALIGN, so is bytes. */
struct bp_memory {
	u64 address;		/* for the device */
	void *memory;		/* for us */
	u32 bytes;
};

/* What is known of a slot in use; but for `first` only of the first one of a buffer. */
struct bp_slot {
	void *origin;		/* the driver's memory */
	u32 bytes;
	u16 first;		/* slot of the buffer */
	u8 dir;
	bool ending;		/* somebody gives it back */
};

struct bp_counters {
	u64 buffers;		/* copied instead of mapped */
	u64 bytes;
};

struct bp_chunk {
	fi_lock_t lock;		/* everything below, but not what is copied */
	u32 nr_slots;
	u32 free;		/* slots; also looked at without the lock */
	u64 *used;		/* a bit per slot */
	struct bp_slot *slots;
	struct bp_counters count;
	struct bp_memory mem;	/* does not change */
} ____cacheline_aligned_in_smp;

struct bounce_pool {
	/* No address outside of these is ours. */
	u64 first;
	u64 span;
	struct bp_chunk *chunks;	/* by address */
	u32 nr_chunks;
	u32 nr_cpus;
	u32 max_bytes;		/* of a buffer: the largest chunk must have room for two */
	u64 bytes;		/* of the pool */
	fi_word_t in_use;	/* bytes of slots */
	u64 peak;
};

/* May sleep.  0, -ENOMEM, or -EINVAL for memory that is not as said above or overlaps. */
int bp_init(struct bounce_pool *bp, const struct bp_memory *memory, u32 nr, u32 nr_cpus);
/* Nothing is lent any more, or will ever be given back. */
void bp_destroy(struct bounce_pool *bp);

/*
 * From any context but NMI; none of them allocates.
 *
 * bp_map(): an address with the contents of the buffer, or 0 when there is no
 * room.  A device that writes less than it could must not make the rest of the
 * buffer somebody else's data, so both directions are copied.
 *
 * bp_unmap(): false when that is not a buffer of the pool; then nothing has
 * changed.  copy: what the device wrote goes to the driver's memory.
 *
 * bp_sync(): the same of a part of a buffer, which stays.
 */
u64 bp_map(struct bounce_pool *bp, void *origin, u32 bytes, enum bp_dir dir);
bool bp_unmap(struct bounce_pool *bp, u64 address, u64 bytes, bool copy);
bool bp_sync(struct bounce_pool *bp, u64 address, u64 bytes, bool for_cpu);

void bp_count(struct bounce_pool *bp, struct bp_counters *sum);

/* Could be an address of the pool. */
static inline bool bp_spans(const struct bounce_pool *bp, u64 address)
{
	return address - bp->first < bp->span;
}
/* Is one. */
bool bp_holds(const struct bounce_pool *bp, u64 address);

#endif
