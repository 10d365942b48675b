// SPDX-License-Identifier: GPL-2.0-or-later
/* dma_batch.c - pure: no call leaves this file. */
#include "dma_batch.h"

#include <string.h>

static bool valid(const struct vfa_dma_request *r)
{
	switch (r->op) {
	case VFA_DMA_MAP:
		return r->ranges && r->nr_ranges >= 1 && r->nr_ranges <= VFA_MAX_RANGES;
	case VFA_DMA_UNMAP:
		return r->nr_ranges == 0;
	default:
		return false;
	}
}

/* To a dext that does not know residues, a wish with one cannot be told; it can be missed, unless it is required. */
static bool tellable(const struct vfa_batch *b, const struct vfa_dma_request *r)
{
	return b->residues || r->op != VFA_DMA_MAP || !r->residue || !(r->flags & VFA_DMA_ALIGN_REQUIRED);
}

static void append(struct vfa_batch *b, const struct vfa_dma_request *r)
{
	struct vfa_dma_op op = {.op = r->op, .flags = r->flags, .align = r->align, .nr_ranges = r->nr_ranges};

	if (r->op == VFA_DMA_MAP && b->residues)
		op.residue = r->residue;
	else if (r->op == VFA_DMA_MAP && r->residue)
		op.align = 0; /* a multiple is not what was wished */

	if (r->op == VFA_DMA_UNMAP)
		op.handle = r->handle;
	memcpy(b->data + b->bytes, &op, sizeof(op));
	b->bytes += sizeof(op);
	if (r->nr_ranges)
		memcpy(b->data + b->bytes, r->ranges, r->nr_ranges * sizeof(*r->ranges));
	b->bytes += r->nr_ranges * (uint32_t)sizeof(*r->ranges);
}

size_t vfa_batch_fill(struct vfa_batch *b, struct vfa_dma_request *req, size_t first, size_t count)
{
	struct vfa_dma_batch header;
	size_t i;

	b->count = 0;
	b->bytes = sizeof(header);
	for (i = first; i < count; i++) {
		if (!valid(&req[i])) {
			req[i].status = VFA_E_BAD_REQUEST;
			continue;
		}
		if (!tellable(b, &req[i])) {
			req[i].status = VFA_E_NOT_ALIGNED;
			continue;
		}
		if (b->count == VFA_MAX_OPS ||
		    sizeof(struct vfa_dma_op) + req[i].nr_ranges * sizeof(struct vfa_dma_range) >
			    VFA_BATCH_BYTES - b->bytes)
			break;
		append(b, &req[i]);
		b->request[b->count++] = i;
	}
	header = (struct vfa_dma_batch){.count = b->count, .bytes = b->bytes};
	memcpy(b->data, &header, sizeof(header));
	return i;
}

static void take_answer(struct vfa_dma_request *r, const struct vfa_dma_result *result)
{
	r->status = result->status < VFA_STATUS_COUNT ? (enum vfa_status)result->status : VFA_E_PLATFORM;
	if (r->op != VFA_DMA_MAP || r->status != VFA_OK)
		return;
	r->handle = result->handle;
	r->iova = result->iova;
}

bool vfa_batch_answers(const struct vfa_batch *b, struct vfa_dma_request *req, const struct vfa_dma_results *results,
		       size_t bytes)
{
	if (bytes < offsetof(struct vfa_dma_results, result) || results->count != b->count ||
	    bytes < offsetof(struct vfa_dma_results, result) + b->count * sizeof(results->result[0]))
		return false;
	for (uint32_t i = 0; i < b->count; i++)
		take_answer(&req[b->request[i]], &results->result[i]);
	return true;
}
