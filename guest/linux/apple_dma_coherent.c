// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that drivers allocate through the DMA API: cut from chunks of 2 MiB
 * that are mapped as a whole, so that it costs a call of the host per chunk and
 * not one per allocation, and so that its granules hold nothing else.
 *
 * Both addresses of an allocation are multiples of its size, rounded up to a
 * power of two: a chunk is allocated like that, and the host is asked to align
 * the chunk's IOVA.  When it cannot, the chunk only serves what is small enough
 * for where it lies; the rest gets a mapping of its own, with a wish of its own,
 * and is counted.  So does what is larger than a chunk, and what comes while
 * no chunk can be had.
 *
 * There are two before the driver's probe, or one where the budget is small.
 * Another is added by whoever may sleep and finds no room, and ahead of need by
 * a work, for those who may not.  As many as there were to begin with are kept
 * when they are empty.
 *
 * In strict mode there are no chunks: a mapping ends with what it was for.
 */

#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "apple_dma_priv.h"

#define CHUNK_BYTES	SZ_2M
#define CHUNK_MIN	SZ_64K		/* when memory or budget are short */
#define CHUNK_PART	64		/* of the budget, at most, for a chunk that may never be used */
#define CHUNK_GFP	(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY)

struct chunk {
	struct list_head node;
	struct page *page;
	unsigned int order;
	unsigned int used;		/* pages */
	dma_addr_t addr;
	u64 aligned;			/* it is a multiple of this, at most of its size */
	unsigned long map[];		/* pages in use */
};

static unsigned int pages_of(const struct chunk *chunk)
{
	return 1U << chunk->order;
}

static struct adma_function *function_of(struct adma_coherent *pool)
{
	return container_of(pool, struct adma_function, coherent);
}

static void chunk_free(struct adma_coherent *pool, struct chunk *chunk)
{
	unsigned int i;

	adma_put_range(function_of(pool), chunk->addr, PAGE_SIZE << chunk->order);
	for (i = 0; i < pages_of(chunk); i++)
		if (!test_bit(i, chunk->map))
			__free_page(chunk->page + i);
	kfree(chunk);
}

static struct chunk *chunk_alloc(struct adma_coherent *pool, unsigned int order, gfp_t gfp)
{
	struct adma_function *fn = function_of(pool);
	struct chunk *chunk;
	int err = -ENOMEM;

	chunk = kzalloc(struct_size(chunk, map, BITS_TO_LONGS(1U << order)), gfp);
	if (!chunk)
		return ERR_PTR(err);
	chunk->order = order;
	chunk->page = alloc_pages_node(dev_to_node(&fn->pdev->dev), gfp, order);
	if (!chunk->page)
		goto free;
	/* The host has no room: it would not have it for less either, or not for long. */
	err = adma_get_range(fn, page_to_phys(chunk->page), PAGE_SIZE << order, U64_MAX, true, &chunk->addr);
	if (err) {
		err = -ENOSPC;
		goto free_pages;
	}
	/* Each page stands for itself, as if it had been allocated alone. */
	split_page(chunk->page, order);
	chunk->aligned = 1ULL << __ffs64(chunk->addr | PAGE_SIZE << order);
	return chunk;

free_pages:
	__free_pages(chunk->page, order);
free:
	kfree(chunk);
	return ERR_PTR(err);
}

/* One more chunk, for at least one allocation of that order.  May sleep. */
static bool grow(struct adma_coherent *pool, unsigned int order, gfp_t gfp)
{
	unsigned int least = max(order, (unsigned int)get_order(CHUNK_MIN));
	struct chunk *chunk = ERR_PTR(-ENOMEM);
	unsigned long flags;
	int o;

	for (o = pool->order; chunk == ERR_PTR(-ENOMEM) && o >= (int)least; o--)
		chunk = chunk_alloc(pool, o, gfp);
	if (IS_ERR(chunk))
		return false;
	raw_spin_lock_irqsave(&pool->lock, flags);
	list_add_tail(&chunk->node, &pool->chunks);
	pool->nr_chunks++;
	pool->free += pages_of(chunk);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return true;
}

/* Less than a quarter of a chunk left. */
static bool is_low(const struct adma_coherent *pool)
{
	return READ_ONCE(pool->free) < 1U << pool->order >> 2;
}

static void grow_work(struct work_struct *work)
{
	struct adma_coherent *pool = container_of(work, struct adma_coherent, work);

	if (is_low(pool))
		grow(pool, 0, CHUNK_GFP);
}

enum found { FOUND, NO_ROOM, TOO_HIGH, NOT_ALIGNED };

static enum found take(struct adma_coherent *pool, size_t size, u64 limit, struct page **page, dma_addr_t *addr)
{
	unsigned int order = get_order(size), nr = PAGE_ALIGN(size) >> PAGE_SHIFT;
	enum found found = NO_ROOM;
	struct chunk *chunk;
	unsigned long flags, at;

	raw_spin_lock_irqsave(&pool->lock, flags);
	list_for_each_entry(chunk, &pool->chunks, node) {
		if (order > chunk->order || pages_of(chunk) - chunk->used < nr)
			continue;
		/* Another chunk would be no better. */
		if (chunk->addr + (PAGE_SIZE << chunk->order) - 1 > limit) {
			found = TOO_HIGH;
			continue;
		}
		if (chunk->aligned < PAGE_SIZE << order) {
			found = NOT_ALIGNED;
			continue;
		}
		at = bitmap_find_next_zero_area(chunk->map, pages_of(chunk), 0, nr, (1UL << order) - 1);
		if (at >= pages_of(chunk))
			continue;
		bitmap_set(chunk->map, at, nr);
		chunk->used += nr;
		WRITE_ONCE(pool->free, pool->free - nr);
		*page = chunk->page + at;
		*addr = chunk->addr + (at << PAGE_SHIFT);
		found = FOUND;
		break;
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return found;
}

struct page *adma_coherent_alloc(struct adma_function *fn, size_t size, dma_addr_t *addr, u64 limit, gfp_t gfp)
{
	struct adma_coherent *pool = &fn->coherent;
	struct page *page = NULL;
	enum found found;

	if (!pool->there || !size || get_order(size) > pool->order || READ_ONCE(fn->table.index.refuse))
		return NULL;
	found = take(pool, size, limit, &page, addr);
	if (found == NO_ROOM && gfpflags_allow_blocking(gfp) &&
	    grow(pool, get_order(size), (gfp & (__GFP_RECLAIM | __GFP_IO | __GFP_FS)) | __GFP_NOWARN | __GFP_NORETRY))
		found = take(pool, size, limit, &page, addr);
	if (found == NOT_ALIGNED)
		atomic64_inc(&pool->misaligned);
	if (is_low(pool))
		queue_work(adma_wq, &pool->work);
	if (found != FOUND)
		return NULL;
	memset(page_address(page), 0, PAGE_ALIGN(size));
	return page;
}

bool adma_coherent_free(struct adma_function *fn, size_t size, struct page *page, dma_addr_t addr)
{
	struct adma_coherent *pool = &fn->coherent;
	unsigned int nr = PAGE_ALIGN(size) >> PAGE_SHIFT;
	unsigned long flags, pfn = page_to_pfn(page), at = 0;
	struct chunk *chunk, *found = NULL, *extra = NULL;
	unsigned int empty = 0;
	bool good = false;

	if (!pool->there)
		return false;
	raw_spin_lock_irqsave(&pool->lock, flags);
	list_for_each_entry(chunk, &pool->chunks, node) {
		if (pfn - page_to_pfn(chunk->page) < pages_of(chunk))
			found = chunk;
		else if (!chunk->used)
			empty++;
	}
	if (found) {
		at = pfn - page_to_pfn(found->page);
		good = addr == found->addr + (at << PAGE_SHIFT) && nr <= pages_of(found) - at &&
		       find_next_zero_bit(found->map, at + nr, at) == at + nr;
	}
	if (good) {
		bitmap_clear(found->map, at, nr);
		found->used -= nr;
		WRITE_ONCE(pool->free, pool->free + nr);
		if (!found->used && empty >= pool->kept) {
			extra = found;
			list_del(&extra->node);
			pool->nr_chunks--;
			WRITE_ONCE(pool->free, pool->free - pages_of(extra));
		}
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (found && !good)
		dev_err_ratelimited(&fn->pdev->dev, "its driver frees %pad+%#zx, which is not allocated like that\n",
				    &addr, size);
	if (extra)
		chunk_free(pool, extra);
	return found;
}

void adma_coherent_init(struct adma_function *fn)
{
	struct adma_coherent *pool = &fn->coherent;

	raw_spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->chunks);
	INIT_WORK(&pool->work, grow_work);
}

void adma_coherent_start(struct adma_function *fn)
{
	struct adma_coherent *pool = &fn->coherent;
	u64 bytes = min_t(u64, CHUNK_BYTES, fn->bytes_max / 16);

	if (!fn->claimed || !fn->table.by_index || fn->table.index.strict || bytes < CHUNK_MIN || bytes < PAGE_SIZE)
		return;
	pool->order = ilog2(bytes) - PAGE_SHIFT;
	pool->kept = bytes <= fn->bytes_max / CHUNK_PART ? 2 : 1;
	pool->there = true;
	while (pool->nr_chunks < pool->kept && grow(pool, 0, CHUNK_GFP))
		;
}

void adma_coherent_stop(struct adma_function *fn)
{
	struct adma_coherent *pool = &fn->coherent;
	struct chunk *chunk, *next;
	u64 left = 0;

	if (!pool->there)
		return;
	cancel_work_sync(&pool->work);
	pool->there = false;
	list_for_each_entry_safe(chunk, next, &pool->chunks, node) {
		left += (u64)chunk->used << PAGE_SHIFT;
		list_del(&chunk->node);
		/* Pages that the driver has not freed stay allocated, but the device loses them. */
		chunk_free(pool, chunk);
	}
	pool->nr_chunks = 0;
	pool->free = 0;
	if (left)
		pci_warn(fn->pdev, "its driver left %llu bytes of DMA memory behind\n", left);
}

void adma_coherent_show(struct adma_function *fn, struct seq_file *s)
{
	struct adma_coherent *pool = &fn->coherent;
	unsigned int chunks;
	struct chunk *chunk;
	unsigned long flags;
	u64 used = 0;

	raw_spin_lock_irqsave(&pool->lock, flags);
	chunks = pool->nr_chunks;
	list_for_each_entry(chunk, &pool->chunks, node)
		used += (u64)chunk->used << PAGE_SHIFT;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	seq_printf(s, "coherent_chunks %u\ncoherent_used %llu\ncoherent_misaligned %llu\n", chunks, used,
		   (u64)atomic64_read(&pool->misaligned));
}
