// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DMA operations of a managed function.
 *
 * Every address a driver gets was picked by the host; on any failure it gets
 * an error, never an untranslated address.  Memory is coherent, so there is
 * nothing to synchronise: the sync operations stay NULL, which lets the core
 * skip them altogether.  get_merge_boundary stays NULL as well: merging
 * segments would need mappings that no other request can share.
 */

#include <linux/gfp.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "apple_dma_compat.h"
#include "apple_dma_priv.h"
#include "apple_dma_trace.h"

static struct adma_function *function_of(struct device *dev)
{
	return container_of(dev->dma_ops, struct adma_function, ops);
}

static u64 dma_limit(struct device *dev, u64 mask)
{
	return min_not_zero(mask, dev->bus_dma_limit);
}

static struct fi_want want(struct adma_function *fn, phys_addr_t phys, size_t size)
{
	const struct adma_channel *ch = &fn->companion->ch;

	return (struct fi_want){
		.frame = phys >> ch->granule_shift,
		.frames = adma_frames_of(ch, phys, size),
	};
}

static dma_addr_t address(struct adma_function *fn, const struct fi_want *w, phys_addr_t phys)
{
	return fi_address(&fn->table.index, w->iova) + (phys & ((1ULL << fn->companion->ch.granule_shift) - 1));
}

static void put(struct adma_function *fn, struct fi_dying *dying, dma_addr_t addr, size_t size)
{
	if (!adma_table_put(&fn->table, dying, addr, size))
		dev_err_ratelimited(&fn->pdev->dev, "its driver unmaps %pad+%#zx, which is not mapped like that\n",
				    &addr, size);
}

static void put_one(struct adma_function *fn, dma_addr_t addr, size_t size)
{
	struct fi_dying dying = { .count = 0 };

	put(fn, &dying, addr, size);
	adma_table_put_done(&fn->table, &dying);
}

static void report_failure(struct adma_function *fn, size_t size, int err, bool quiet)
{
	atomic64_inc(&fn->table.failures);
	if (err == -ENODEV)
		adma_function_lost(fn);
	if (quiet)
		return;
	if (err == -ENOMEM || err == -ENOSPC)
		dev_warn_ratelimited(&fn->pdev->dev,
				     "cannot map %zu bytes for DMA: the host allows %llu bytes in %u mappings and %llu in %llu are in use\n",
				     size, fn->bytes_max, fn->table.limits.mappings_max,
				     fi_load(&fn->table.index.mapped) << fn->companion->ch.granule_shift,
				     fi_load(&fn->table.index.mappings));
	else
		dev_warn_ratelimited(&fn->pdev->dev, "cannot map %zu bytes for DMA: error %d\n", size, err);
}

/* One contiguous piece of RAM. */
static dma_addr_t map_range(struct device *dev, phys_addr_t phys, size_t size, u64 mask, bool natural, bool quiet)
{
	struct adma_function *fn = function_of(dev);
	struct fi_want w;
	dma_addr_t addr;
	int err;

	if (!fn->claimed || !size || size > fn->bytes_max) {
		report_failure(fn, size, fn->claimed ? -EINVAL : -EACCES, quiet);
		return DMA_MAPPING_ERROR;
	}
	w = want(fn, phys, size);
	w.natural = natural;
	err = adma_table_get(&fn->table, &w, 1);
	if (err) {
		report_failure(fn, size, err, quiet);
		return DMA_MAPPING_ERROR;
	}
	addr = address(fn, &w, phys);
	if (addr + size - 1 > dma_limit(dev, mask)) {
		put_one(fn, addr, size);
		report_failure(fn, size, -ERANGE, quiet);
		return DMA_MAPPING_ERROR;
	}
	return addr;
}

static bool quiet(unsigned long attrs)
{
	return attrs & DMA_ATTR_NO_WARN;
}

#ifdef ADMA_HAVE_MAP_PHYS
static dma_addr_t op_map_phys(struct device *dev, phys_addr_t phys, size_t size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	dma_addr_t addr;

	/* Another device's registers: the host cannot map them. */
	if (attrs & DMA_ATTR_MMIO)
		return DMA_MAPPING_ERROR;
	addr = map_range(dev, phys, size, *dev->dma_mask, false, quiet(attrs));
	trace_adma_dma_map(dev, false, phys, size, addr, dir, 1, 1);
	return addr;
}

static void op_unmap_phys(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
			  unsigned long attrs)
{
	trace_adma_dma_unmap(dev, addr, size, 1, 1);
	put_one(function_of(dev), addr, size);
}
#else
static dma_addr_t op_map_page(struct device *dev, struct page *page, unsigned long offset, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr;

	if (is_pci_p2pdma_page(page))
		return DMA_MAPPING_ERROR;
	addr = map_range(dev, page_to_phys(page) + offset, size, *dev->dma_mask, false, quiet(attrs));
	trace_adma_dma_map(dev, false, page_to_phys(page) + offset, size, addr, dir, 1, 1);
	return addr;
}

static void op_unmap_page(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
			  unsigned long attrs)
{
	trace_adma_dma_unmap(dev, addr, size, 1, 1);
	put_one(function_of(dev), addr, size);
}

/*
 * Another device's registers: the host cannot map them.  The operation must
 * exist, or nvidia's driver would use the untranslated address.
 */
static dma_addr_t op_map_resource(struct device *dev, phys_addr_t phys, size_t size, enum dma_data_direction dir,
				  unsigned long attrs)
{
	return DMA_MAPPING_ERROR;
}
#endif

static void unmap_entries(struct adma_function *fn, struct scatterlist *sgl, int nents)
{
	struct fi_dying dying = { .count = 0 };
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		put(fn, &dying, sg_dma_address(sg), sg_dma_len(sg));
	adma_table_put_done(&fn->table, &dying);
}

static void trace_entries(struct device *dev, struct scatterlist *sgl, int nents, int err, int dir)
{
	struct scatterlist *sg;
	int i;

	if (!trace_adma_dma_map_enabled())
		return;
	for_each_sg(sgl, sg, nents, i)
		trace_adma_dma_map(dev, false, sg_phys(sg), sg->length, err ? DMA_MAPPING_ERROR : sg_dma_address(sg), dir,
				   i + 1, nents);
}

/* All the misses of ADMA_BATCH entries share a doorbell, and those of small ones a mapping. */
static int op_map_sg(struct device *dev, struct scatterlist *sgl, int nents, enum dma_data_direction dir,
		     unsigned long attrs)
{
	struct adma_function *fn = function_of(dev);
	u64 limit = dma_limit(dev, *dev->dma_mask);
	struct fi_want wants[ADMA_BATCH];
	struct scatterlist *sg, *first = sgl;
	size_t bytes = 0;
	int mapped = 0;
	int err = 0;

	if (!fn->claimed)
		err = -EACCES;
	while (!err && mapped < nents) {
		int n = min(nents - mapped, ADMA_BATCH);
		int i;

		for_each_sg(first, sg, n, i) {
			if (is_pci_p2pdma_page(sg_page(sg))) {
				err = -EREMOTEIO;
				goto out;
			}
			if (!sg->length) {
				err = -EINVAL;
				goto out;
			}
			wants[i] = want(fn, sg_phys(sg), sg->length);
			wants[i].packed = nents > 1;
			bytes += sg->length;
		}
		err = adma_table_get(&fn->table, wants, n);
		if (err)
			break;
		for_each_sg(first, sg, n, i) {
			sg_dma_address(sg) = address(fn, &wants[i], sg_phys(sg));
			sg_dma_len(sg) = sg->length;
			if (sg_dma_address(sg) + sg->length - 1 > limit)
				err = -ERANGE;
		}
		mapped += n;
		first = sg;
	}
out:
	trace_entries(dev, sgl, nents, err, dir);
	if (!err)
		return nents;
	unmap_entries(fn, sgl, mapped);
	report_failure(fn, bytes, err, quiet(attrs));
	/* What dma_map_sgtable() lets us say. */
	switch (err) {
	case -EREMOTEIO:
	case -EINVAL:
		return err;
	case -ENOMEM:
	case -ENOSPC:
	case -EAGAIN:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static void op_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents, enum dma_data_direction dir,
			unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	if (trace_adma_dma_unmap_enabled())
		for_each_sg(sgl, sg, nents, i)
			trace_adma_dma_unmap(dev, sg_dma_address(sg), sg_dma_len(sg), i + 1, nents);
	unmap_entries(function_of(dev), sgl, nents);
}

/*
 * Memory for a device's own structures has its granules to itself.  It is
 * aligned to its size, and the host is asked to align the IOVA as well.
 */
static unsigned int alloc_order(struct adma_function *fn, size_t size)
{
	return get_order(max_t(size_t, size, 1UL << fn->companion->ch.granule_shift));
}

static struct page *alloc_mapped(struct device *dev, size_t size, dma_addr_t *addr, u64 mask, gfp_t gfp)
{
	struct adma_function *fn = function_of(dev);
	unsigned int order = alloc_order(fn, size);
	struct page *page;

	page = alloc_pages_node(dev_to_node(dev), gfp | __GFP_ZERO, order);
	if (!page)
		return NULL;
	*addr = map_range(dev, page_to_phys(page), PAGE_ALIGN(size), mask, true, gfp & __GFP_NOWARN);
	trace_adma_dma_map(dev, true, page_to_phys(page), PAGE_ALIGN(size), *addr, DMA_BIDIRECTIONAL, 1, 1);
	if (*addr == DMA_MAPPING_ERROR) {
		__free_pages(page, order);
		return NULL;
	}
	return page;
}

static void free_mapped(struct device *dev, size_t size, struct page *page, dma_addr_t addr)
{
	struct adma_function *fn = function_of(dev);

	trace_adma_dma_unmap(dev, addr, PAGE_ALIGN(size), 1, 1);
	put_one(fn, addr, PAGE_ALIGN(size));
	__free_pages(page, alloc_order(fn, size));
}

static void *op_alloc(struct device *dev, size_t size, dma_addr_t *addr, gfp_t gfp, unsigned long attrs)
{
	struct page *page;

	if (quiet(attrs))
		gfp |= __GFP_NOWARN;
	page = alloc_mapped(dev, size, addr, dev->coherent_dma_mask, gfp);
	return page ? page_address(page) : NULL;
}

static void op_free(struct device *dev, size_t size, void *cpu_addr, dma_addr_t addr, unsigned long attrs)
{
	free_mapped(dev, size, virt_to_page(cpu_addr), addr);
}

static struct page *op_alloc_pages(struct device *dev, size_t size, dma_addr_t *addr, enum dma_data_direction dir,
				   gfp_t gfp)
{
	return alloc_mapped(dev, size, addr, dev->coherent_dma_mask, gfp);
}

static void op_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t addr,
			  enum dma_data_direction dir)
{
	free_mapped(dev, size, page, addr);
}

static int op_mmap(struct device *dev, struct vm_area_struct *vma, void *cpu_addr, dma_addr_t addr, size_t size,
		   unsigned long attrs)
{
	unsigned long pages = PAGE_ALIGN(size) >> PAGE_SHIFT;
	unsigned long offset = vma->vm_pgoff;

	if (offset >= pages || vma_pages(vma) > pages - offset)
		return -ENXIO;
	return remap_pfn_range(vma, vma->vm_start, page_to_pfn(virt_to_page(cpu_addr)) + offset,
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

static int op_get_sgtable(struct device *dev, struct sg_table *sgt, void *cpu_addr, dma_addr_t addr, size_t size,
			  unsigned long attrs)
{
	int err = sg_alloc_table(sgt, 1, GFP_KERNEL);

	if (!err)
		sg_set_page(sgt->sgl, virt_to_page(cpu_addr), PAGE_ALIGN(size), 0);
	return err;
}

static int op_dma_supported(struct device *dev, u64 mask)
{
	return dma_limit(dev, mask) >= function_of(dev)->iova_last;
}

static u64 op_get_required_mask(struct device *dev)
{
	return DMA_BIT_MASK(fls64(function_of(dev)->iova_last));
}

/* One request must never be able to exhaust what the host allows: it could not succeed, ever. */
static size_t op_max_mapping_size(struct device *dev)
{
	return max_t(u64, function_of(dev)->bytes_max / 8, SZ_256K);
}

static size_t op_opt_mapping_size(void)
{
	return SZ_512K;
}

const struct dma_map_ops adma_ops = {
	.alloc			= op_alloc,
	.free			= op_free,
#ifdef ADMA_HAVE_ALLOC_PAGES_OP
	.alloc_pages_op		= op_alloc_pages,
#else
	.alloc_pages		= op_alloc_pages,
#endif
	.free_pages		= op_free_pages,
	.mmap			= op_mmap,
	.get_sgtable		= op_get_sgtable,
#ifdef ADMA_HAVE_MAP_PHYS
	.map_phys		= op_map_phys,
	.unmap_phys		= op_unmap_phys,
#else
	.map_page		= op_map_page,
	.unmap_page		= op_unmap_page,
	.map_resource		= op_map_resource,
#endif
	.map_sg			= op_map_sg,
	.unmap_sg		= op_unmap_sg,
	.dma_supported		= op_dma_supported,
	.get_required_mask	= op_get_required_mask,
	.max_mapping_size	= op_max_mapping_size,
	.opt_mapping_size	= op_opt_mapping_size,
};
