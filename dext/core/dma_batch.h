/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dma_batch.h - read a struct vfa_dma_batch from a hostile client.
 *
 * Two verdicts.  vfa_dma_batch_open() judges the shape: if the operations do
 * not fill the batch exactly, nothing in it can be trusted and the call fails
 * as a whole, before anything was done.  vfa_dma_batch_next() judges the
 * content of one operation, which then fails alone.
 */
#ifndef VFA_DMA_BATCH_H
#define VFA_DMA_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfa_dext.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vfa_dma_batch_reader {
	const uint8_t *at;
	uint32_t left; /* operations not yet read */
	uint64_t page; /* dma_page, a power of two */
};

struct vfa_dma_parsed {
	struct vfa_dma_op op;
	uint64_t length; /* map: sum over the ranges */
	struct vfa_dma_range ranges[VFA_MAX_RANGES];
};

/* The memory at data must not change while the reader is used: pass a copy, never shared memory. */
bool vfa_dma_batch_open(struct vfa_dma_batch_reader *reader, const void *data, size_t size, uint64_t page);

/* To be called reader->left times. Anything but VFA_OK: the operation's answer. */
enum vfa_status vfa_dma_batch_next(struct vfa_dma_batch_reader *reader, struct vfa_dma_parsed *out);

#ifdef __cplusplus
}
#endif
#endif
