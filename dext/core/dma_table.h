/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dma_table.h - live DMA mappings of one device, and the budget they draw on.
 *
 * A mapping is reserved (slot and bytes taken), then committed with what the
 * platform made of it, or cancelled.  The budget is smaller than the mapper's
 * window on purpose: whether exhausting the mapper is an error or worse is not
 * documented, so the table refuses first.
 *
 * The caller serialises all calls.
 */
#ifndef VFA_DMA_TABLE_H
#define VFA_DMA_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "vfa_dext.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VFA_DMA_SLOTS        65536
#define VFA_DMA_MAPPINGS_MAX (VFA_DMA_SLOTS - 1024)

struct vfa_dma_slot {
	void *command; /* the platform's object; NULL while only reserved */
	uint64_t iova;
	uint64_t length;     /* 0 = free */
	uint32_t generation; /* of the current or next mapping in this slot */
	union {
		uint32_t next_free; /* while free */
		uint32_t padding;   /* bytes mapped beside the request's, while not */
	};
};

struct vfa_dma_table {
	struct vfa_dma_slot *slots;
	uint32_t nr_slots;
	uint32_t first_free; /* nr_slots = none */
	uint32_t mappings_max;
	uint64_t bytes_max;

	uint32_t mappings_live, mappings_peak;
	uint64_t bytes_live, bytes_peak; /* padding included */
	uint64_t padding_live;
	uint64_t maps, unmaps, map_failures;
};

/* slots: nr_slots of them, owned by the caller, any content. */
void vfa_dma_table_init(struct vfa_dma_table *table, struct vfa_dma_slot *slots, uint32_t nr_slots,
			uint32_t mappings_max, uint64_t bytes_max);

/* Takes a slot and `length` bytes of budget. VFA_E_NO_MAPPINGS, VFA_E_NO_SPACE. */
enum vfa_status vfa_dma_table_reserve(struct vfa_dma_table *table, uint64_t length, uint64_t *handle);
/* iova: of the request, not of its padding, which is at most vfa_dma_table_padding_max() and is budget too. */
void vfa_dma_table_commit(struct vfa_dma_table *table, uint64_t handle, void *command, uint64_t iova, uint32_t padding);
void vfa_dma_table_cancel(struct vfa_dma_table *table, uint64_t handle);

/* Bytes of budget left for a moment, and for padding of a request of that many bytes: none when the budget is tight. */
uint64_t vfa_dma_table_spare(const struct vfa_dma_table *table);
uint64_t vfa_dma_table_padding_max(const struct vfa_dma_table *table, uint64_t length);

/* Gives the command of a committed mapping back and frees its slot; NULL for a handle that names none. */
void *vfa_dma_table_remove(struct vfa_dma_table *table, uint64_t handle, uint64_t *iova, uint64_t *length);

/* For cleanup: removes the first committed mapping at or after *cursor (start with 0); NULL at the end. */
void *vfa_dma_table_pop(struct vfa_dma_table *table, uint32_t *cursor);

/* Bytes that may be mapped in a window of IOVAs. */
uint64_t vfa_dma_budget(uint64_t window_bytes);

#ifdef __cplusplus
}
#endif
#endif
