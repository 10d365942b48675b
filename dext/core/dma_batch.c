/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "dma_batch.h"

#define DIRECTIONS (VFA_DMA_DEVICE_READS | VFA_DMA_DEVICE_WRITES)

bool vfa_dma_batch_open(struct vfa_dma_batch_reader *reader, const void *data, size_t size, uint64_t page)
{
	struct vfa_dma_batch head;
	size_t offset = sizeof(head);

	if (!data || size < sizeof(head) || size > VFA_BATCH_BYTES)
		return false;
	memcpy(&head, data, sizeof(head));
	if (head.bytes != size || head.count == 0 || head.count > VFA_MAX_OPS)
		return false;

	for (uint32_t i = 0; i < head.count; i++) {
		struct vfa_dma_op op;

		if (size - offset < sizeof(op))
			return false;
		memcpy(&op, (const uint8_t *)data + offset, sizeof(op));
		offset += sizeof(op);
		if (op.nr_ranges > VFA_MAX_RANGES || (size - offset) / sizeof(struct vfa_dma_range) < op.nr_ranges)
			return false;
		offset += op.nr_ranges * sizeof(struct vfa_dma_range);
	}
	if (offset != size)
		return false;

	reader->at = (const uint8_t *)data + sizeof(head);
	reader->left = head.count;
	reader->page = page;
	return true;
}

static enum vfa_status check_range(const struct vfa_dma_range *range, uint64_t page, uint64_t *total)
{
	if (range->length == 0)
		return VFA_E_BAD_RANGE;
	if ((range->address | range->length) & (page - 1))
		return VFA_E_NOT_ALIGNED;
	if (range->address + range->length < range->address || *total + range->length < *total)
		return VFA_E_BAD_RANGE;
	*total += range->length;
	return VFA_OK;
}

static enum vfa_status check_map(struct vfa_dma_parsed *map, uint64_t page)
{
	if (map->op.nr_ranges == 0 || map->op.align > VFA_MAX_ALIGN_SHIFT || !(map->op.flags & DIRECTIONS) ||
	    map->op.flags & ~(DIRECTIONS | VFA_DMA_ALIGN_REQUIRED))
		return VFA_E_BAD_REQUEST;
	for (unsigned i = 0; i < map->op.nr_ranges; i++) {
		enum vfa_status status = check_range(&map->ranges[i], page, &map->length);

		if (status != VFA_OK)
			return status;
	}
	return VFA_OK;
}

enum vfa_status vfa_dma_batch_next(struct vfa_dma_batch_reader *reader, struct vfa_dma_parsed *out)
{
	size_t range_bytes;

	memcpy(&out->op, reader->at, sizeof(out->op));
	reader->at += sizeof(out->op);
	range_bytes = out->op.nr_ranges * sizeof(out->ranges[0]);
	memcpy(out->ranges, reader->at, range_bytes);
	reader->at += range_bytes;
	reader->left--;
	out->length = 0;

	switch (out->op.op) {
	case VFA_DMA_MAP:
		return check_map(out, reader->page);
	case VFA_DMA_UNMAP:
		return out->op.nr_ranges || out->op.flags || out->op.align || out->op.residue ? VFA_E_BAD_REQUEST
											      : VFA_OK;
	default:
		return VFA_E_BAD_REQUEST;
	}
}
