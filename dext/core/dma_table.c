/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "dma_table.h"

/* A window fragments; 1/16 of it stays unused so that a refusal is ours and not the mapper's. */
#define HEADROOM_SHIFT 4
/* Twice the largest modulus is more than any wish can need. */
#define PADDING_MAX ((uint64_t)2 << VFA_MAX_ALIGN_SHIFT)

uint64_t vfa_dma_budget(uint64_t window_bytes)
{
	return window_bytes - (window_bytes >> HEADROOM_SHIFT);
}

/*
 * Fillers are gone before anybody else asks, so half of the headroom is theirs
 * too: a full budget can still be aligned.
 */
uint64_t vfa_dma_table_spare(const struct vfa_dma_table *table)
{
	return table->bytes_max - table->bytes_live + (table->bytes_max >> (HEADROOM_SHIFT + 1));
}

/* Tight is a quarter left.  All padding together takes at most an eighth, and one request's no more than itself. */
uint64_t vfa_dma_table_padding_max(const struct vfa_dma_table *table, uint64_t length)
{
	uint64_t most = table->bytes_max / 8;

	if (table->bytes_live > table->bytes_max / 4 * 3 || table->padding_live >= most)
		return 0;
	most -= table->padding_live;
	most = length < most ? length : most;
	return most < PADDING_MAX ? most : PADDING_MAX;
}

static uint64_t handle_of(uint32_t index, uint32_t generation)
{
	return (uint64_t)generation << 32 | (index + 1);
}

static struct vfa_dma_slot *slot_of(struct vfa_dma_table *table, uint64_t handle)
{
	uint32_t number = (uint32_t)handle;
	struct vfa_dma_slot *slot;

	if (number == 0 || number > table->nr_slots)
		return NULL;
	slot = &table->slots[number - 1];
	if (slot->length == 0 || slot->generation != handle >> 32)
		return NULL;
	return slot;
}

static void free_slot(struct vfa_dma_table *table, struct vfa_dma_slot *slot)
{
	table->mappings_live--;
	table->bytes_live -= slot->length + slot->padding;
	table->padding_live -= slot->padding;
	slot->command = NULL;
	slot->length = 0;
	slot->generation++;
	slot->next_free = table->first_free;
	table->first_free = (uint32_t)(slot - table->slots);
}

void vfa_dma_table_init(struct vfa_dma_table *table, struct vfa_dma_slot *slots, uint32_t nr_slots,
			uint32_t mappings_max, uint64_t bytes_max)
{
	*table = (struct vfa_dma_table){
		.slots = slots,
		.nr_slots = nr_slots,
		.mappings_max = mappings_max < nr_slots ? mappings_max : nr_slots,
		.bytes_max = bytes_max,
	};
	for (uint32_t i = 0; i < nr_slots; i++)
		slots[i] = (struct vfa_dma_slot){.generation = 1, .next_free = i + 1};
}

enum vfa_status vfa_dma_table_reserve(struct vfa_dma_table *table, uint64_t length, uint64_t *handle)
{
	struct vfa_dma_slot *slot;
	uint32_t index = table->first_free;

	if (length == 0)
		return VFA_E_BAD_RANGE;
	if (index == table->nr_slots || table->mappings_live >= table->mappings_max) {
		table->map_failures++;
		return VFA_E_NO_MAPPINGS;
	}
	if (length > table->bytes_max - table->bytes_live) {
		table->map_failures++;
		return VFA_E_NO_SPACE;
	}

	slot = &table->slots[index];
	table->first_free = slot->next_free;
	slot->command = NULL;
	slot->iova = 0;
	slot->length = length;
	slot->padding = 0;
	table->mappings_live++;
	table->bytes_live += length;
	*handle = handle_of(index, slot->generation);
	return VFA_OK;
}

void vfa_dma_table_commit(struct vfa_dma_table *table, uint64_t handle, void *command, uint64_t iova, uint32_t padding)
{
	struct vfa_dma_slot *slot = slot_of(table, handle);

	slot->command = command;
	slot->iova = iova;
	slot->padding = padding;
	table->padding_live += padding;
	table->bytes_live += padding;
	table->maps++;
	if (table->mappings_live > table->mappings_peak)
		table->mappings_peak = table->mappings_live;
	if (table->bytes_live > table->bytes_peak)
		table->bytes_peak = table->bytes_live;
}

void vfa_dma_table_cancel(struct vfa_dma_table *table, uint64_t handle)
{
	free_slot(table, slot_of(table, handle));
	table->map_failures++;
}

static void *take(struct vfa_dma_table *table, struct vfa_dma_slot *slot)
{
	void *command = slot->command;

	free_slot(table, slot);
	table->unmaps++;
	return command;
}

void *vfa_dma_table_remove(struct vfa_dma_table *table, uint64_t handle, uint64_t *iova, uint64_t *length)
{
	struct vfa_dma_slot *slot = slot_of(table, handle);

	if (!slot || !slot->command)
		return NULL;
	*iova = slot->iova;
	*length = slot->length;
	return take(table, slot);
}

void *vfa_dma_table_pop(struct vfa_dma_table *table, uint32_t *cursor)
{
	for (; table->mappings_live && *cursor < table->nr_slots; ++*cursor) {
		struct vfa_dma_slot *slot = &table->slots[*cursor];

		if (slot->command)
			return take(table, slot);
	}
	return NULL;
}
