// SPDX-License-Identifier: GPL-2.0-or-later
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	return p;
}

/* From ram_first on. */
static uint32_t frames_known(const struct host *h)
{
	return h->own_first + HOST_OWN - h->ram_first;
}

void host_init(struct host *h, uint64_t budget, uint32_t mappings_max, uint64_t ram_base, uint64_t ram_bytes)
{
	memset(h, 0, sizeof(*h));
	h->budget = budget >> HOST_SHIFT;
	h->window = h->budget + h->budget / 15;
	h->mappings_max = mappings_max;
	h->ram_first = ram_base >> HOST_SHIFT;
	h->ram_frames = (ram_base + ram_bytes + HOST_FRAME - 1 - ((uint64_t)h->ram_first << HOST_SHIFT)) >> HOST_SHIFT;
	h->own_first = (h->ram_first + h->ram_frames + 127) & ~127u;
	h->frame_at = zeroed(h->window, sizeof(*h->frame_at));
	h->mapping_at = zeroed(h->window, sizeof(*h->mapping_at));
	h->used = zeroed(h->window / 64 + 1, sizeof(*h->used));
	h->mapping = zeroed(mappings_max, sizeof(*h->mapping));
	h->refs = zeroed(frames_known(h), sizeof(*h->refs));
	h->times_mapped = zeroed(frames_known(h), sizeof(*h->times_mapped));
	h->free = HOST_NONE;
	for (uint32_t i = mappings_max; i--;) {
		h->mapping[i].base = h->free;
		h->free = i;
	}
}

void host_destroy(struct host *h)
{
	free(h->frame_at);
	free(h->mapping_at);
	free(h->used);
	free(h->mapping);
	free(h->refs);
	free(h->times_mapped);
}

/* The first used frame from `at` on, below `end`; `end` if there is none.  With flip, the first free one. */
static uint32_t next(const struct host *h, uint32_t at, uint32_t end, bool flip)
{
	while (at < end) {
		uint64_t word = (flip ? ~h->used[at / 64] : h->used[at / 64]) >> at % 64;

		if (word) {
			at += __builtin_ctzll(word);
			return at < end ? at : end;
		}
		at = (at / 64 + 1) * 64;
	}
	return end;
}

/* The lowest gap that is large enough. */
static uint32_t gap(const struct host *h, uint32_t frames)
{
	uint32_t at = 0, end;

	for (;;) {
		at = next(h, at, h->window, true);
		if (frames > h->window - at)
			return HOST_NONE;
		end = next(h, at, at + frames, false);
		if (end == at + frames)
			return at;
		at = end;
	}
}

/* The platform's mapper, as the extension sees it (dext/core/placement.h). */

struct request {
	struct host *host;
	uint64_t bytes;
};

static enum vfa_status take(struct host *h, uint64_t bytes, struct vfa_block *out)
{
	uint32_t frames = bytes >> HOST_SHIFT, base = gap(h, frames);

	h->counts.mapper_calls++;
	if (base == HOST_NONE)
		return VFA_E_NO_SPACE;
	for (uint32_t at = base; at < base + frames; at++)
		h->used[at / 64] |= 1ull << at % 64;
	*out = (struct vfa_block){.command = h, .iova = HOST_FIRST + ((uint64_t)base << HOST_SHIFT), .length = bytes};
	return VFA_OK;
}

static void leave(struct host *h, uint32_t base, uint32_t frames)
{
	for (uint32_t at = base; at < base + frames; at++)
		h->used[at / 64] &= ~(1ull << at % 64);
}

static enum vfa_status map_request(void *context, uint64_t before, uint64_t after, struct vfa_block *out)
{
	const struct request *r = context;

	return take(r->host, before + r->bytes + after, out);
}

static enum vfa_status map_part(void *context, uint64_t length, struct vfa_block *out)
{
	const struct request *r = context;

	return take(r->host, length, out);
}

static void unmap_block(void *context, struct vfa_block *block)
{
	const struct request *r = context;

	leave(r->host, (block->iova - HOST_FIRST) >> HOST_SHIFT, block->length >> HOST_SHIFT);
}

static const struct vfa_mapper mapper = {map_request, map_part, unmap_block};

/* As the extension does it. */
static bool place(struct host *h, const struct host_range *first, uint32_t nr, uint32_t frames, uint32_t align,
		  struct vfa_placed *placed)
{
	struct request request = {h, (uint64_t)frames << HOST_SHIFT};
	const struct vfa_dma_table budget = {
		.bytes_max = (uint64_t)h->budget << HOST_SHIFT,
		.bytes_live = (uint64_t)h->mapped << HOST_SHIFT,
		.padding_live = (uint64_t)h->padding << HOST_SHIFT,
	};
	struct vfa_wish wish = {
		.length = request.bytes,
		.modulus = 1ull << (align > HOST_SHIFT ? align : HOST_SHIFT),
		.filler_max = vfa_dma_table_spare(&budget),
		.padding_max = vfa_dma_table_padding_max(&budget, request.bytes),
		/* Like vfa_padding_room(), with a single range, which is all that is ever larger than its wish. */
		.padding_room = (HOST_MAX_RANGES - nr) * ((uint64_t)first->frames << HOST_SHIFT),
	};

	wish.residue = (uint64_t)first->frame << HOST_SHIFT & (wish.modulus - 1);
	if (frames > h->budget - h->mapped || vfa_place(&h->placement, &mapper, &request, &wish, placed) != VFA_OK)
		return false;
	h->counts.wishes += wish.modulus > HOST_FRAME;
	h->counts.misaligned += !placed->aligned;
	return true;
}

static void expose(struct host *h, uint32_t ram, int by)
{
	bool was = h->times_mapped[ram];

	h->times_mapped[ram] += by;
	if (ram >= h->ram_frames)
		h->pooled += by;
	else if (!h->refs[ram] && was != !!h->times_mapped[ram])
		h->exposed += by;
}

int host_map(struct host *h, const struct host_range *ranges, uint32_t nr, uint32_t align, uint64_t *handle,
	     uint64_t *iova)
{
	uint32_t frames = 0, base, id = h->free, at;
	struct vfa_placed placed;
	struct host_mapping *m;

	for (uint32_t i = 0; i < nr; i++) {
		if (ranges[i].frame < h->ram_first || ranges[i].frame - h->ram_first >= frames_known(h) ||
		    ranges[i].frames > frames_known(h) - (ranges[i].frame - h->ram_first))
			return -EINVAL;
		frames += ranges[i].frames;
	}
	if (!nr || nr > HOST_MAX_RANGES || !frames)
		return -EINVAL;
	if (id == HOST_NONE) {
		h->refusals++;
		return -ENOSPC;
	}
	if (!place(h, ranges, nr, frames, align, &placed)) {
		h->refusals++;
		return -ENOMEM;
	}
	m = &h->mapping[id];
	h->free = m->base;
	m->base = (placed.block.iova - HOST_FIRST) >> HOST_SHIFT;
	m->frames = placed.block.length >> HOST_SHIFT;
	m->live = 0;
	m->idle_since = h->now;
	base = at = m->base + (placed.before >> HOST_SHIFT);
	for (uint32_t i = 0; i < nr; i++) {
		for (uint32_t k = 0; k < ranges[i].frames; k++, at++) {
			uint32_t ram = ranges[i].frame + k - h->ram_first;

			h->frame_at[at] = ram + 1;
			h->mapping_at[at] = id;
			expose(h, ram, 1);
		}
	}
	m->padding = m->frames - frames;
	h->padding += m->padding;
	h->mapped += m->frames;
	h->mappings++;
	h->counts.maps++;
	h->counts.ranges += nr;
	*handle = (uint64_t)++m->generation << 32 | id;
	*iova = HOST_FIRST + ((uint64_t)base << HOST_SHIFT);
	return 0;
}

bool host_unmap(struct host *h, uint64_t handle)
{
	uint32_t id = (uint32_t)handle;
	struct host_mapping *m = &h->mapping[id];

	if (id >= h->mappings_max || !m->frames || m->generation != handle >> 32)
		return false;
	for (uint32_t at = m->base; at < m->base + m->frames; at++) {
		if (h->frame_at[at])
			expose(h, h->frame_at[at] - 1, -1);
		h->frame_at[at] = 0;
	}
	leave(h, m->base, m->frames);
	h->mapped -= m->frames;
	h->padding -= m->padding;
	h->mappings--;
	h->counts.unmaps++;
	m->frames = 0;
	m->base = h->free;
	h->free = id;
	return true;
}

static bool walk(struct host *h, uint64_t iova, uint64_t gpa, uint64_t bytes, int by)
{
	uint64_t first = (iova - HOST_FIRST) >> HOST_SHIFT, ram = (gpa >> HOST_SHIFT) - h->ram_first;
	uint64_t frames = ((gpa & (HOST_FRAME - 1)) + bytes + HOST_FRAME - 1) >> HOST_SHIFT;

	if (iova < HOST_FIRST || ((iova ^ gpa) & (HOST_FRAME - 1)) || first >= h->window || frames > h->window - first)
		return false;
	for (uint64_t i = 0; i < frames; i++)
		if (h->frame_at[first + i] != ram + i + 1)
			return false;
	for (uint64_t i = 0; i < frames; i++) {
		struct host_mapping *m = &h->mapping[h->mapping_at[first + i]];
		bool was = h->refs[ram + i];

		h->refs[ram + i] += by;
		m->live += by;
		if (!m->live)
			m->idle_since = h->now;
		if (was == !!h->refs[ram + i] || ram + i >= h->ram_frames)
			continue;
		h->live += by;
		h->exposed -= by;
	}
	return true;
}

bool host_use(struct host *h, uint64_t iova, uint64_t gpa, uint64_t bytes)
{
	return walk(h, iova, gpa, bytes, 1);
}

bool host_leave(struct host *h, uint64_t iova, uint64_t gpa, uint64_t bytes)
{
	return walk(h, iova, gpa, bytes, -1);
}

uint64_t host_idle_age(const struct host *h)
{
	uint64_t age = 0;

	for (uint32_t id = 0; id < h->mappings_max; id++) {
		const struct host_mapping *m = &h->mapping[id];

		if (m->frames && !m->live && h->now - m->idle_since > age)
			age = h->now - m->idle_since;
	}
	return age;
}

uint32_t host_stranded(const struct host *h)
{
	uint32_t frames = 0;

	for (uint32_t at = 0; at < h->window; at++)
		if (h->frame_at[at] && h->mapping[h->mapping_at[at]].live && !h->refs[h->frame_at[at] - 1])
			frames++;
	return frames;
}
