/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "padding.h"

static const struct vfa_dma_range *largest(const struct vfa_dma_parsed *map)
{
	const struct vfa_dma_range *found = &map->ranges[0];

	for (unsigned i = 1; i < map->op.nr_ranges; i++)
		if (map->ranges[i].length > found->length)
			found = &map->ranges[i];
	return found;
}

uint64_t vfa_padding_room(const struct vfa_dma_parsed *map)
{
	uint64_t free = VFA_MAX_RANGES - map->op.nr_ranges, length = largest(map)->length;

	return free && length > UINT64_MAX / free ? UINT64_MAX : free * length;
}

static unsigned repeat(const struct vfa_dma_range *range, uint64_t bytes, struct vfa_dma_range *out)
{
	unsigned n = 0;

	for (; bytes; n++) {
		out[n] = (struct vfa_dma_range){range->address, bytes < range->length ? bytes : range->length};
		bytes -= out[n].length;
	}
	return n;
}

unsigned vfa_padded_ranges(const struct vfa_dma_parsed *map, uint64_t before, uint64_t after,
			   struct vfa_dma_range out[VFA_MAX_RANGES])
{
	uint64_t room = vfa_padding_room(map);
	unsigned n;

	if ((before && after) || before > room || after > room)
		return 0;
	n = repeat(largest(map), before, out);
	memcpy(out + n, map->ranges, map->op.nr_ranges * sizeof(out[0]));
	n += map->op.nr_ranges;
	return n + repeat(largest(map), after, out + n);
}
