// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bounce buffers of a function: the pool's memory (bounce_pool.c), which is
 * allocated and mapped before the driver's probe, and the rules of the DMA API
 * about what may be copied.
 *
 * What must never be copied: memory that the CPU and the device use at the same
 * time, that is everything a driver allocates through the API, everything mapped
 * in both directions (what GPU and RDMA drivers map for hours), and what the
 * driver says it will synchronise itself.
 */

#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sizes.h>

#include "apple_dma_compat.h"
#include "apple_dma_priv.h"

#define CHUNK_BYTES	SZ_2M
#define CHUNK_MIN	SZ_128K
#define POOL_MAX	SZ_32M
#define POOL_SMALL	SZ_4M		/* where all of RAM fits in the budget */
#define FULL_MS		20

static int bounce_mb = -1;
module_param(bounce_mb, int, 0644);
MODULE_PARM_DESC(bounce_mb,
		 "MiB per function for copies of what the host has no room to map; 0: none; -1 (default): by RAM and budget. Counts from a driver's next probe");

/* A pool's being there, for those who read its statistics. */
static DEFINE_MUTEX(bounce_lock);

struct adma_bounce_chunk {
	struct page *page;
	unsigned int order;
	dma_addr_t addr;
};

static u64 wanted_bytes(struct adma_function *fn)
{
	u64 ram = PFN_PHYS((u64)totalram_pages());
	int mb = READ_ONCE(bounce_mb);
	u64 bytes;

	if (mb >= 0)
		bytes = (u64)mb * SZ_1M;
	else if (ram <= fn->bytes_max)
		bytes = POOL_SMALL;
	else
		bytes = min3((u64)POOL_MAX, ram / 16, fn->bytes_max / 16);
	/* It is for what does not fit in the rest. */
	return min(bytes, fn->bytes_max / 4);
}

static void chunk_free(struct adma_function *fn, const struct adma_bounce_chunk *chunk)
{
	adma_put_range(fn, chunk->addr, PAGE_SIZE << chunk->order);
	__free_pages(chunk->page, chunk->order);
}

/* The largest that can be had, but no larger than asked. */
static bool chunk_alloc(struct adma_function *fn, struct adma_bounce_chunk *chunk, u64 bytes)
{
	unsigned int least = get_order(CHUNK_MIN);
	int order = ilog2(min_t(u64, bytes, CHUNK_BYTES)) - PAGE_SHIFT;

	for (; order >= (int)least; order--) {
		/* The device will see all of it: nothing of what was there before. */
		chunk->page = alloc_pages_node(dev_to_node(&fn->pdev->dev),
					       GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | __GFP_NORETRY, order);
		if (!chunk->page)
			continue;
		chunk->order = order;
		if (!adma_get_range(fn, page_to_phys(chunk->page), PAGE_SIZE << order, U64_MAX, false, &chunk->addr))
			return true;
		__free_pages(chunk->page, order);
	}
	return false;
}

static int pool_init(struct adma_function *fn)
{
	struct adma_bounce *b = &fn->bounce;
	struct bp_memory *memory;
	unsigned int i;
	int err;

	memory = kvcalloc(b->nr, sizeof(*memory), GFP_KERNEL);
	if (!memory)
		return -ENOMEM;
	for (i = 0; i < b->nr; i++)
		memory[i] = (struct bp_memory){
			.address = b->chunks[i].addr,
			.memory = page_address(b->chunks[i].page),
			.bytes = PAGE_SIZE << b->chunks[i].order,
		};
	err = bp_init(&b->pool, memory, b->nr, nr_cpu_ids);
	kvfree(memory);
	if (err)
		return err;
	err = bc_init(&b->choice, &fn->table.index, msecs_to_jiffies(FULL_MS));
	if (err)
		bp_destroy(&b->pool);
	return err;
}

void adma_bounce_start(struct adma_function *fn)
{
	struct adma_bounce *b = &fn->bounce;
	u64 bytes = wanted_bytes(fn), had = 0;

	/* A policy of its own knows nothing of copies. */
	if (!fn->claimed || !fn->table.by_index || bytes < CHUNK_MIN)
		return;
	mutex_lock(&bounce_lock);
	b->chunks = kvcalloc(DIV_ROUND_UP_ULL(bytes, CHUNK_MIN), sizeof(*b->chunks), GFP_KERNEL);
	while (b->chunks && bytes - had >= CHUNK_MIN && chunk_alloc(fn, &b->chunks[b->nr], bytes - had))
		had += PAGE_SIZE << b->chunks[b->nr++].order;
	if (b->nr && !pool_init(fn))
		b->there = true;
	mutex_unlock(&bounce_lock);
	if (!b->there) {
		pci_warn(fn->pdev, "no memory for bounce buffers: what the host cannot map will fail\n");
		adma_bounce_stop(fn);
	}
}

void adma_bounce_stop(struct adma_function *fn)
{
	struct adma_bounce *b = &fn->bounce;
	struct bp_counters c;
	u64 left = 0;

	mutex_lock(&bounce_lock);
	if (b->there) {
		left = fi_load(&b->pool.in_use);
		bp_count(&b->pool, &c);
		b->past.buffers += c.buffers;
		b->past.bytes += c.bytes;
		b->there = false;
		bp_destroy(&b->pool);
		bc_destroy(&b->choice);
	}
	while (b->nr)
		chunk_free(fn, &b->chunks[--b->nr]);
	kvfree(b->chunks);
	b->chunks = NULL;
	mutex_unlock(&bounce_lock);
	if (left)
		pci_warn(fn->pdev, "its driver left %llu bytes of bounce buffers behind, now removed\n", left);
}

/* What the ops call */

bool adma_bounce_may(struct adma_function *fn, phys_addr_t phys, size_t size, enum dma_data_direction dir,
		     unsigned long attrs)
{
	return fn->bounce.there && size && size <= fn->bounce.pool.max_bytes &&
	       (dir == DMA_TO_DEVICE || dir == DMA_FROM_DEVICE) && !(attrs & ADMA_ATTRS_NO_COPY) &&
	       !READ_ONCE(fn->table.index.refuse) && dma_get_min_align_mask(&fn->pdev->dev) < BP_ALIGN &&
	       pfn_valid(PHYS_PFN(phys));
}

bool adma_bounce_short(struct adma_function *fn)
{
	return fn->bounce.there && bc_short(&fn->bounce.choice, jiffies);
}

bool adma_bounce_prefers(struct adma_function *fn, phys_addr_t phys, size_t size, const struct bc_list *list)
{
	return bc_copies(&fn->bounce.choice, phys, size, list);
}

void adma_bounce_no_room(struct adma_function *fn)
{
	if (fn->bounce.there)
		bc_no_room(&fn->bounce.choice, jiffies);
}

bool adma_bounce_map(struct adma_function *fn, phys_addr_t phys, size_t size, enum dma_data_direction dir, u64 limit,
		     dma_addr_t *addr)
{
	struct bounce_pool *pool = &fn->bounce.pool;

	*addr = bp_map(pool, phys_to_virt(phys), size, dir == DMA_TO_DEVICE ? BP_TO_DEVICE : BP_FROM_DEVICE);
	if (!*addr)
		return false;
	if (*addr + size - 1 <= limit)
		return true;
	bp_unmap(pool, *addr, size, false);
	return false;
}

/* One request must never need more than there is: it could not succeed, ever.  Small entries waste some of their slots. */
size_t adma_bounce_max_request(struct adma_function *fn)
{
	const struct bounce_pool *pool = &fn->bounce.pool;

	return fn->bounce.there ? min_t(u64, pool->max_bytes, pool->bytes / 4) : SIZE_MAX;
}

void adma_bounce_show(struct adma_function *fn, struct seq_file *s)
{
	struct adma_bounce *b = &fn->bounce;
	struct bp_counters c = { };

	mutex_lock(&bounce_lock);
	if (b->there)
		bp_count(&b->pool, &c);
	seq_printf(s, "bounced %llu\nbounced_bytes %llu\nbounce_used %llu\nbounce_peak %llu\nbounce_size %llu\n",
		   b->past.buffers + c.buffers, b->past.bytes + c.bytes, fi_load(&b->pool.in_use), b->pool.peak,
		   b->pool.bytes);
	seq_printf(s, "bounce_refusals %llu\n", (u64)atomic64_read(&b->refusals));
	mutex_unlock(&bounce_lock);
}
