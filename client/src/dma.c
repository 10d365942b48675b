// SPDX-License-Identifier: GPL-2.0-or-later
/* dma.c - mapping process memory for the device. */
#include <errno.h>

#include "dma_batch.h"
#include "internal.h"

static int submit(struct vfa_device *dev, struct vfa_dma_request *req, const struct vfa_batch *b)
{
	struct vfa_dma_results results;
	struct vfa_call call = {
		.selector = VFA_DMA_SUBMIT,
		.in_data = b->data,
		.in_bytes = b->bytes,
		.out_data = &results,
		.out_bytes = sizeof(results),
	};
	int ret = vfa_device_call(dev, &call);

	if (ret)
		return ret;
	return vfa_batch_answers(b, req, &results, call.out_bytes) ? 0 : -EPROTO;
}

int vfa_dma_submit(struct vfa_device *dev, struct vfa_dma_request *req, size_t count)
{
	struct vfa_batch b;
	size_t next = 0;
	int ret = 0;

	b.residues = dev->connection.minor >= 1;
	for (size_t i = 0; i < count; i++)
		req[i].status = VFA_E_GONE;
	while (next < count && !ret) {
		next = vfa_batch_fill(&b, req, next, count);
		if (b.count)
			ret = submit(dev, req, &b);
	}
	return ret;
}

int vfa_dma_unmap_all(struct vfa_device *dev)
{
	uint64_t completed = 0;
	struct vfa_call call = {.selector = VFA_DMA_UNMAP_ALL, .out = &completed, .out_count = 1};

	return vfa_device_call(dev, &call);
}
