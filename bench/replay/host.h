/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.h - the far side of the boundary, for the replayer: a window of IOVAs, a
 * budget, and independent counters.
 *
 * It follows what is mapped frame by frame, so it can tell a device access that
 * would be stray, and memory that the device can reach although nobody uses it.
 *
 * Behind the RAM that a trace speaks of lies what the guest's module itself
 * allocates for its pools.  The device is only ever checked against where the
 * data is, which for a copy is there.
 */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "dma_table.h"
#include "placement.h"

#define HOST_SHIFT      14u
#define HOST_FRAME      (1ull << HOST_SHIFT)
#define HOST_FIRST      0x80000000ull
#define HOST_MAX_RANGES 32u
#define HOST_NONE       0xffffffffu
#define HOST_OWN        131072u /* frames of RAM for pools */

struct host_range {
	uint32_t frame; /* guest-physical address >> HOST_SHIFT */
	uint32_t frames;
};

/* Of uint64_t alone: they are added up as an array. */
struct host_counts {
	uint64_t maps, unmaps, ranges;
	uint64_t exits, drop_exits;  /* the latter ended mappings */
	uint64_t wishes, misaligned; /* maps that were to be aligned, and those that were not */
	uint64_t mapper_calls;       /* of the extension's, to map: with its fillers and second attempts */
};

struct host_mapping {
	uint32_t base, frames; /* frames 0: free; then base is the next free one */
	uint32_t padding;      /* frames of it */
	uint32_t live;         /* frames of it that a driver uses */
	uint32_t generation;
	uint64_t idle_since; /* of the last time live became 0, or of its birth */
};

struct host {
	/* limits */
	uint32_t budget; /* frames */
	uint32_t window; /* frames: 1/16 of it is nobody's (vfa_dma_budget()) */
	uint32_t mappings_max;
	uint32_t ram_first, ram_frames; /* a trace's */
	uint32_t own_first;             /* HOST_OWN frames, a multiple of 2 MiB */
	uint64_t now;                   /* ns of the trace */

	/* counters */
	struct host_counts counts;
	uint64_t refusals;
	uint32_t mapped, mappings; /* frames, padding included */
	uint32_t padding;          /* frames */
	uint64_t foreign_bytes;    /* mapped by a policy that does not map here (another IOMMU) */

	uint32_t *frame_at;   /* of each IOVA frame: RAM frame + 1 */
	uint32_t *mapping_at; /* of each IOVA frame: its mapping */
	uint64_t *used;       /* bit map of IOVA frames */
	struct host_mapping *mapping;
	uint32_t free;
	struct vfa_placement placement; /* what the extension knows of the mapper */

	/* of each RAM frame */
	uint32_t *refs; /* pieces in use that cover it */
	uint16_t *times_mapped;
	/* of a trace's RAM */
	uint32_t live;    /* frames in use: the least that can be mapped */
	uint32_t exposed; /* frames mapped and not in use */
	/* of the module's */
	uint32_t pooled; /* frames mapped */
};

void host_init(struct host *h, uint64_t budget, uint32_t mappings_max, uint64_t ram_base, uint64_t ram_bytes);
void host_destroy(struct host *h);

/* The guest has handed over control. */
static inline void host_exit(struct host *h)
{
	h->counts.exits++;
}

/*
 * First fit; the wish for an IOVA congruent to the first range modulo 1 << align
 * is the extension's to come by (dext/core/placement.c).  0, -ENOMEM, -ENOSPC,
 * -EINVAL (no RAM).
 */
int host_map(struct host *h, const struct host_range *ranges, uint32_t nr, uint32_t align, uint64_t *handle,
	     uint64_t *iova);
/* False when the handle names nothing. */
bool host_unmap(struct host *h, uint64_t handle);

/* Somebody, a driver or the module for its pools, begins or ends to use memory at an IOVA.  False when that is mapped
 * otherwise, or not at all. */
bool host_use(struct host *h, uint64_t iova, uint64_t gpa, uint64_t bytes);
bool host_leave(struct host *h, uint64_t iova, uint64_t gpa, uint64_t bytes);

/* ns for which the longest idle of the mappings that nobody uses has been; frames mapped beside ones in use. */
uint64_t host_idle_age(const struct host *h);
uint32_t host_stranded(const struct host *h);

#endif
