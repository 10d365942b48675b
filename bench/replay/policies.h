/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policies.h - how a guest answers its drivers' requests: ours, and what it is compared with.
 */
#ifndef BENCH_POLICIES_H
#define BENCH_POLICIES_H

#include "host.h"

struct piece {
	uint64_t gpa, bytes;
	uint64_t iova; /* out */
};

struct policy {
	const char *name;
	/* NULL when it cannot work with this host: then errno says why. */
	void *(*start)(struct host *h);
	/* All pieces or none.  alloc: memory that the driver was promised aligned to its size.  0 or a negative errno. */
	int (*map)(void *state, struct piece *pieces, uint32_t nr, bool alloc);
	void (*unmap)(void *state, const struct piece *pieces, uint32_t nr);
	/* A second has passed. */
	void (*tick)(void *state);
	/* Every mapping ends. */
	void (*stop)(void *state);
	/* The IOVAs are another IOMMU's: the host model does not know them. */
	bool foreign;
	/* Counts what the policy itself believes: maps, unmaps, exits.  NULL: it keeps no count. */
	void (*believes)(void *state, uint64_t *maps, uint64_t *unmaps, uint64_t *exits);
};

extern const struct policy policy_identity, policy_naive, policy_window, policy_strict, policy_default;
extern const struct policy policy_viommu_strict, policy_viommu_lazy;

#endif
