// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policies of the benchmark's module: what ships, and what it is compared
 * with.  This file stands in the place of guest/linux/apple_dma_policies.c;
 * everything else of the module is what ships.
 *
 *   naive    a mapping per buffer, a trip for each map and each unmap
 *   window   counted windows of 256 KiB; buffers that cross their edges have
 *            a mapping of their own; nothing is kept that nobody uses
 *
 * The two that keep account find everything in one step, under one raw spin
 * lock with interrupts off, which makes them usable from every context.
 */

#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "apple_dma_priv.h"

static const struct adma_policy keep_idle = {
	.name = "default",
};

static const struct adma_policy strict = {
	.name = "strict",
	.strict = true,
};

/* The host, one request per trip; counted where the index counts its own.  Interrupts are off. */

#define COUNT(t, what, n)								\
	do {										\
		u64 *c = &(t)->index.cpus[smp_processor_id()].count.what;		\
											\
		WRITE_ONCE(*c, *c + (n));						\
	} while (0)

static int host_map(struct adma_table *t, u32 frame, u32 frames, u32 align, u64 *handle, u32 *iova)
{
	unsigned int shift = t->ch->granule_shift;
	struct adma_map_req *req;
	struct adma_range *range;
	struct adma_call call;
	u64 mapped, mappings;
	int err;

	adma_call_begin(t->ch, &call);
	req = adma_call_add(&call, ADMA_OP_MAP, sizeof(*req) + sizeof(*range), t->fn->index);
	range = (struct adma_range *)(req + 1);
	req->req.flags = cpu_to_le32(ADMA_MAP_DEVICE_READS | ADMA_MAP_DEVICE_WRITES);
	req->align = cpu_to_le32(align);
	req->nr_ranges = cpu_to_le32(1);
	range->gpa = cpu_to_le64((u64)frame << shift);
	range->length = cpu_to_le64((u64)frames << shift);
	err = adma_call_only(&call, &req->req);
	*handle = le64_to_cpu(READ_ONCE(req->handle));
	*iova = (le64_to_cpu(READ_ONCE(req->iova)) - t->index.limits.iova_first) >> shift;
	COUNT(t, doorbells, 1);
	if (!err)
		COUNT(t, maps, 1);
	adma_call_end(&call);
	if (err)
		return err;
	mapped = fi_add(&t->index.mapped, frames);
	mappings = fi_add(&t->index.mappings, 1);
	if (mapped > READ_ONCE(t->index.mapped_peak))
		WRITE_ONCE(t->index.mapped_peak, mapped);
	if (mappings > READ_ONCE(t->index.mappings_peak))
		WRITE_ONCE(t->index.mappings_peak, mappings);
	return 0;
}

static void host_unmap(struct adma_table *t, u64 handle, u32 frames)
{
	struct adma_unmap_req *req;
	struct adma_call call;

	adma_call_begin(t->ch, &call);
	req = adma_call_add(&call, ADMA_OP_UNMAP, sizeof(*req), t->fn->index);
	req->handle = cpu_to_le64(handle);
	adma_call_only(&call, &req->req);
	COUNT(t, doorbells, 1);
	COUNT(t, unmaps, 1);
	adma_call_end(&call);
	fi_add(&t->index.mapped, -(s64)frames);
	fi_add(&t->index.mappings, -1);
}

static u32 frame_of(struct adma_table *t, dma_addr_t addr)
{
	return (addr - t->index.limits.iova_first) >> t->ch->granule_shift;
}

/* Naive and window: blocks, found by the IOVA frames that they cover */

#define WINDOW_SHIFT	18
#define NO_WINDOW	0xffffffffu

struct block {
	u64 handle;
	u32 base, frames;
	u32 frame;		/* first guest frame */
	u32 refs;		/* 0: not there */
	u32 window;		/* or NO_WINDOW */
};

struct blocks {
	raw_spinlock_t lock;
	bool windows;
	struct block *block;	/* by the IOVA frame that it begins at */
	u32 *base_of;		/* of each IOVA frame: where its block begins */
	u32 *block_of;		/* of each window of guest addresses: that + 1, or 0 */
	u32 nr_windows;
};

static void blocks_free(struct blocks *b)
{
	kvfree(b->block);
	kvfree(b->base_of);
	kvfree(b->block_of);
	kfree(b);
}

static int find_end(struct resource *res, void *end)
{
	*(u64 *)end = max(*(u64 *)end, res->end + 1);
	return 0;
}

static int blocks_start(struct adma_table *t, bool windows)
{
	struct blocks *b = kzalloc(sizeof(*b), GFP_KERNEL);
	u64 end = 0;

	if (!b)
		return -ENOMEM;
	walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1, &end, find_end);
	raw_spin_lock_init(&b->lock);
	b->windows = windows;
	b->nr_windows = end >> WINDOW_SHIFT;
	b->block = kvcalloc(t->index.window, sizeof(*b->block), GFP_KERNEL);
	b->base_of = kvcalloc(t->index.window, sizeof(*b->base_of), GFP_KERNEL);
	b->block_of = kvcalloc(b->nr_windows, sizeof(*b->block_of), GFP_KERNEL);
	if (!b->block || !b->base_of || !b->block_of) {
		blocks_free(b);
		return -ENOMEM;
	}
	t->policy_data = b;
	return 0;
}

static int naive_start(struct adma_table *t)
{
	return blocks_start(t, false);
}

static int window_start(struct adma_table *t)
{
	return blocks_start(t, true);
}

static void blocks_stop(struct adma_table *t)
{
	struct blocks *b = t->policy_data;
	unsigned long flags;
	u32 i;

	for (i = 0; i < t->index.window; i++) {
		if (!b->block[i].refs)
			continue;
		local_irq_save(flags);
		host_unmap(t, b->block[i].handle, b->block[i].frames);
		local_irq_restore(flags);
	}
	blocks_free(b);
}

static struct block *block_add(struct adma_table *t, struct blocks *b, u32 frame, u32 frames, u32 window, bool natural,
			       int *err)
{
	/* Memory that the DMA API allocates is promised to be aligned to its size. */
	u32 align = natural ? min(ilog2(roundup_pow_of_two(frames)) + t->ch->granule_shift, t->ch->max_align) : 0;
	struct block *block;
	u64 handle;
	u32 base, i;

	*err = host_map(t, frame, frames, align, &handle, &base);
	if (*err)
		return NULL;
	if (base >= t->index.window || frames > t->index.window - base) {
		host_unmap(t, handle, frames);
		*err = -EIO;
		return NULL;
	}
	for (i = 0; i < frames; i++)
		b->base_of[base + i] = base;
	block = &b->block[base];
	*block = (struct block){ .handle = handle, .base = base, .frames = frames, .frame = frame, .window = window };
	if (window != NO_WINDOW)
		b->block_of[window] = base + 1;
	return block;
}

static struct block *block_get(struct adma_table *t, struct blocks *b, const struct fi_want *w, int *err)
{
	unsigned int bits = WINDOW_SHIFT - t->ch->granule_shift;
	u32 window = w->frame >> bits;
	struct block *block;

	if (!b->windows || window != (w->frame + w->frames - 1) >> bits || window >= b->nr_windows)
		return block_add(t, b, w->frame, w->frames, NO_WINDOW, w->natural, err);
	if (b->block_of[window]) {
		COUNT(t, hits, 1);
		return &b->block[b->block_of[window] - 1];
	}
	block = block_add(t, b, window << bits, 1u << bits, window, w->natural, err);
	/* At the edge of RAM a window may not be RAM as a whole. */
	return *err == -EFAULT ? block_add(t, b, w->frame, w->frames, NO_WINDOW, w->natural, err) : block;
}

static bool block_put(struct adma_table *t, struct blocks *b, u32 iova)
{
	struct block *block;

	if (iova >= t->index.window)
		return false;
	block = &b->block[b->base_of[iova]];
	if (!block->refs || iova - block->base >= block->frames)
		return false;
	if (--block->refs)
		return true;
	if (block->window != NO_WINDOW)
		b->block_of[block->window] = 0;
	host_unmap(t, block->handle, block->frames);
	return true;
}

static int blocks_get(struct adma_table *t, struct fi_want *wants, unsigned int count)
{
	struct blocks *b = t->policy_data;
	unsigned long flags;
	unsigned int i;
	int err = 0;

	raw_spin_lock_irqsave(&b->lock, flags);
	for (i = 0; i < count; i++) {
		struct fi_want *w = &wants[i];
		struct block *block = block_get(t, b, w, &err);

		if (!block)
			break;
		COUNT(t, requests, 1);
		block->refs++;
		w->iova = block->base + (w->frame - block->frame);
	}
	if (err) {
		COUNT(t, refusals, 1);
		while (i--)
			block_put(t, b, wants[i].iova);
	}
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return err;
}

static bool blocks_put(struct adma_table *t, dma_addr_t iova, size_t size)
{
	struct blocks *b = t->policy_data;
	unsigned long flags;
	bool ok;

	raw_spin_lock_irqsave(&b->lock, flags);
	ok = block_put(t, b, frame_of(t, iova));
	if (!ok)
		COUNT(t, bad_puts, 1);
	raw_spin_unlock_irqrestore(&b->lock, flags);
	return ok;
}

static const struct adma_policy naive = {
	.name = "naive",
	.start = naive_start,
	.stop = blocks_stop,
	.get = blocks_get,
	.put = blocks_put,
};

static const struct adma_policy window = {
	.name = "window",
	.start = window_start,
	.stop = blocks_stop,
	.get = blocks_get,
	.put = blocks_put,
};

const struct adma_policy *const adma_policies[] = { &keep_idle, &strict, &naive, &window, NULL };
