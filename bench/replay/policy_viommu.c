// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Linux's virtio-iommu driver behind dma-iommu, as a count of requests: a MAP for each physically contiguous run of a
 * request, one UNMAP for its whole range.  Strict waits for the host after each map and each unmap; lazy waits after
 * each map, and lets unmaps queue up to 256 or 10 ms (IOVA_DEFAULT_FQ_SIZE, IOVA_FQ_TIMEOUT of iommu/dma-iommu.c).
 *
 * It chooses its addresses, which a DART does not allow: this is what it would cost, not something that could run.
 * The driver splits a run where its alignment asks for it, so these counts are the least.
 */
#include "policies.h"

#include <stdlib.h>

#define PAGE	   4096ull
#define FLUSH_SIZE 256u
#define FLUSH_NS   10000000ull

struct viommu {
	struct host *host;
	bool lazy;
	uint32_t queued;
	uint64_t queued_since;
};

static void *start(struct host *h, bool lazy)
{
	struct viommu *v = calloc(1, sizeof(*v));

	v->host = h;
	v->lazy = lazy;
	return v;
}

static void *start_strict(struct host *h)
{
	return start(h, false);
}

static void *start_lazy(struct host *h)
{
	return start(h, true);
}

static uint64_t pages(const struct piece *p)
{
	return ((p->gpa & (PAGE - 1)) + p->bytes + PAGE - 1) & ~(PAGE - 1);
}

static void flush(struct viommu *v)
{
	if (!v->queued)
		return;
	host_exit(v->host);
	v->queued = 0;
}

static int map(void *state, struct piece *pieces, uint32_t nr, enum use use)
{
	struct viommu *v = state;
	uint64_t end = 0;

	(void)use;
	if (v->queued && v->host->now - v->queued_since >= FLUSH_NS)
		flush(v);
	for (uint32_t i = 0; i < nr; i++) {
		v->host->counts.maps += pieces[i].gpa != end;
		v->host->counts.ranges += pieces[i].gpa != end;
		end = pieces[i].gpa + pieces[i].bytes;
		v->host->foreign_bytes += pages(&pieces[i]);
		pieces[i].iova = pieces[i].gpa;
	}
	host_exit(v->host);
	v->host->mappings++;
	return 0;
}

static void unmap(void *state, const struct piece *pieces, uint32_t nr)
{
	struct viommu *v = state;

	for (uint32_t i = 0; i < nr; i++)
		v->host->foreign_bytes -= pages(&pieces[i]);
	v->host->counts.unmaps++;
	v->host->mappings--;
	if (!v->lazy) {
		host_exit(v->host);
		return;
	}
	if (!v->queued++)
		v->queued_since = v->host->now;
	if (v->queued == FLUSH_SIZE)
		flush(v);
}

static void work(void *state, bool tick)
{
	if (tick)
		flush(state);
}

static void stop(void *state)
{
	free(state);
}

const struct policy policy_viommu_strict = {"viommu-strict", start_strict, map, unmap, work, stop, true, NULL, NULL};
const struct policy policy_viommu_lazy = {"viommu-lazy", start_lazy, map, unmap, work, stop, true, NULL, NULL};
