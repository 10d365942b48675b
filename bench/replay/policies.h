/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policies.h - how a guest answers its drivers' requests: ours, and what it is compared with.
 */
#ifndef BENCH_POLICIES_H
#define BENCH_POLICIES_H

#include "host.h"

/* Whose data goes where; or memory that the DMA API allocates, promised aligned to its size. */
enum use { USE_BOTH, USE_TO_DEVICE, USE_FROM_DEVICE, USE_ALLOC };

struct piece {
	uint64_t gpa, bytes;
	/* out */
	uint64_t iova;
	uint64_t at; /* guest-physical, what the device finds there: gpa, or a copy of it, or what was allocated */
	bool back;   /* of a copy: goes back at the end */
};

/* Instead of mapping. */
struct copies {
	uint64_t buffers, bytes; /* that were copied */
	uint64_t moved;		 /* bytes, once per copy: in, and back what a device has written */
};

struct policy {
	const char *name;
	/* NULL when it cannot work with this host: then errno says why. */
	void *(*start)(struct host *h);
	/* All pieces or none.  0 or a negative errno. */
	int (*map)(void *state, struct piece *pieces, uint32_t nr, enum use use);
	void (*unmap)(void *state, const struct piece *pieces, uint32_t nr);
	/* The background, right after each request; tick: a second has passed. */
	void (*work)(void *state, bool tick);
	/* Every mapping ends. */
	void (*stop)(void *state);
	/* The IOVAs are another IOMMU's: the host model does not know them. */
	bool foreign;
	/* Counts what the policy itself believes: maps, unmaps, exits.  NULL: it keeps no count. */
	void (*believes)(void *state, uint64_t *maps, uint64_t *unmaps, uint64_t *exits);
	/* NULL: it never copies. */
	const struct copies *(*copies)(void *state);
};

extern const struct policy policy_identity, policy_naive, policy_window, policy_index;
extern const struct policy policy_strict, policy_default, policy_bounce_only;
extern const struct policy policy_viommu_strict, policy_viommu_lazy;

#endif
