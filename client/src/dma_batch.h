/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dma_batch.h - DMA requests packed into struct vfa_dma_batch, and the answers unpacked. */
#ifndef VFAPPLE_DMA_BATCH_H
#define VFAPPLE_DMA_BATCH_H

#include "vfapple.h"

struct vfa_batch {
	bool residues;                             /* in: the dext knows vfa_dma_op.residue (1.1) */
	_Alignas(8) uint8_t data[VFA_BATCH_BYTES]; /* struct vfa_dma_batch and what follows it */
	uint32_t bytes;
	uint32_t count;
	size_t request[VFA_MAX_OPS]; /* index of each packed operation */
};

/*
 * Packs req[first...] until the batch is full or `count` is reached; the index
 * of the first request left over.  A request that cannot be written down is
 * answered VFA_E_BAD_REQUEST at once and not packed; one that requires what
 * the dext cannot be told, VFA_E_NOT_ALIGNED.
 */
size_t vfa_batch_fill(struct vfa_batch *b, struct vfa_dma_request *req, size_t first, size_t count);

/* Gives each packed request its answer. False, and no answers, when they do not fit the batch. */
bool vfa_batch_answers(const struct vfa_batch *b, struct vfa_dma_request *req, const struct vfa_dma_results *results,
		       size_t bytes);

#endif
