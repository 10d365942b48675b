// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DMA operations of a managed function.
 *
 * Every address a driver gets was picked by the host; on any failure it gets
 * an error, never an untranslated address.  Memory is coherent, so there is
 * nothing to synchronise but copies (apple_dma_bounce.c), which are recognised
 * by their address.  get_merge_boundary stays NULL: merging segments would need
 * mappings that no other request can share.
 */

#include <linux/gfp.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "apple_dma_compat.h"
#include "apple_dma_priv.h"
#include "apple_dma_trace.h"
#include "frame_index_hit.h"

static struct adma_function *function_of(struct device *dev)
{
	const struct dma_map_ops *ops = adma_dma_ops(dev);

	return ops ? container_of(ops, struct adma_function, ops) : adma_redirect_function(dev);
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

/* copy: what the device wrote, if it is a copy. */
static void put(struct adma_function *fn, struct fi_dying *dying, dma_addr_t addr, size_t size, bool copy)
{
	struct bounce_pool *pool = &fn->bounce.pool;
	bool good;

	if (bp_spans(pool, addr) && bp_holds(pool, addr))
		good = bp_unmap(pool, addr, size, copy);
	else
		good = adma_table_put(&fn->table, dying, addr, size);
	if (!good)
		dev_err_ratelimited(&fn->pdev->dev, "its driver unmaps %pad+%#zx, which is not mapped like that\n",
				    &addr, size);
}

static bool copies_back(unsigned long attrs)
{
	return !(attrs & DMA_ATTR_SKIP_CPU_SYNC);
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

void adma_put_range(struct adma_function *fn, dma_addr_t addr, size_t size)
{
	adma_table_put(&fn->table, NULL, addr, size);
}

int adma_get_range(struct adma_function *fn, phys_addr_t phys, size_t size, u64 limit, bool natural, dma_addr_t *addr)
{
	struct fi_want w;
	int err;

	if (!fn->claimed)
		return -EACCES;
	if (!size || size > fn->bytes_max)
		return -EINVAL;
	w = want(fn, phys, size);
	w.natural = natural;
	err = adma_table_get(&fn->table, &w, 1);
	if (err)
		return err;
	*addr = address(fn, &w, phys);
	if (*addr + size - 1 <= limit)
		return 0;
	adma_put_range(fn, *addr, size);
	return -ERANGE;
}

static bool is_no_room(int err)
{
	return err == -ENOMEM || err == -ENOSPC;
}

/* How a driver maps. */
struct streaming {
	struct adma_function *fn;
	enum dma_data_direction dir;
	unsigned long attrs;
	u64 limit;
};

static struct streaming streaming(struct device *dev, enum dma_data_direction dir, unsigned long attrs)
{
	return (struct streaming){
		.fn = function_of(dev),
		.dir = dir,
		.attrs = attrs,
		.limit = dma_limit(dev, *dev->dma_mask),
	};
}

/* Copied rather than mapped, if it may be. */
static bool copied(const struct streaming *s, phys_addr_t phys, size_t size, const struct bc_list *list, dma_addr_t *addr)
{
	return adma_bounce_short(s->fn) && adma_bounce_may(s->fn, phys, size, s->dir, s->attrs) &&
	       adma_bounce_prefers(s->fn, phys, size, list) &&
	       adma_bounce_map(s->fn, phys, size, s->dir, s->limit, addr);
}

/* There was no room for it, and there will be none for a moment: copied if it may be. */
static int copied_at_last(const struct streaming *s, phys_addr_t phys, size_t size, dma_addr_t *addr, int err)
{
	adma_bounce_no_room(s->fn);
	if (!adma_bounce_may(s->fn, phys, size, s->dir, s->attrs))
		return err;
	if (adma_bounce_map(s->fn, phys, size, s->dir, s->limit, addr))
		return 0;
	atomic64_inc(&s->fn->bounce.refusals);
	return err;
}

static int map_one(const struct streaming *s, phys_addr_t phys, size_t size, dma_addr_t *addr)
{
	const struct bc_list alone = { .phys = phys, .bytes = size };
	int err;

	if (copied(s, phys, size, &alone, addr))
		return 0;
	err = adma_get_range(s->fn, phys, size, s->limit, false, addr);
	return is_no_room(err) ? copied_at_last(s, phys, size, addr, err) : err;
}

/*
 * Nearly every request of a driver is for one frame that is mapped, and nothing
 * else has to be known about it: what is mapped is RAM, of a claimed function,
 * and is not copied.  Those are answered here, inline and without a call; the
 * functions that do the rest are kept apart from it.
 */
static __always_inline struct adma_function *hit_function(struct device *dev)
{
	const struct dma_map_ops *ops = adma_dma_ops(dev);

	/* A kernel that has dev->dma_ops lacks them only when told so, with backend=redirect: not worth a call. */
	if (ADMA_HAVE_DMA_OPS)
		return ops ? container_of(ops, struct adma_function, ops) : NULL;
	return adma_redirect_function(dev);
}

static __always_inline bool map_hit(struct device *dev, phys_addr_t phys, size_t size, dma_addr_t *addr)
{
	struct adma_function *fn = hit_function(dev);

	return fn && !trace_adma_dma_map_enabled() && fn->table.by_index && !bc_was_short(&fn->bounce.choice) &&
	       fi_get_hit(&fn->table.index, phys, size, dma_limit(dev, *dev->dma_mask), addr);
}

static __always_inline bool unmap_hit(struct device *dev, dma_addr_t addr, size_t size)
{
	struct adma_function *fn = hit_function(dev);

	return fn && !trace_adma_dma_unmap_enabled() && fn->table.by_index && !bp_spans(&fn->bounce.pool, addr) &&
	       fi_put_hit(&fn->table.index, addr, size);
}

/* One contiguous piece of RAM. */
static dma_addr_t map_range(struct device *dev, phys_addr_t phys, size_t size, enum dma_data_direction dir,
			    unsigned long attrs)
{
	const struct streaming s = streaming(dev, dir, attrs);
	dma_addr_t addr;
	int err = map_one(&s, phys, size, &addr);

	if (!err)
		return addr;
	report_failure(s.fn, size, err, attrs & DMA_ATTR_NO_WARN);
	return DMA_MAPPING_ERROR;
}

static noinline void unmap_any(struct device *dev, dma_addr_t addr, size_t size, unsigned long attrs)
{
	trace_adma_dma_unmap(dev, addr, size, 1, 1);
	put(function_of(dev), NULL, addr, size, copies_back(attrs));
}

#ifdef ADMA_HAVE_MAP_PHYS
static noinline dma_addr_t map_any(struct device *dev, phys_addr_t phys, size_t size, enum dma_data_direction dir,
				   unsigned long attrs)
{
	dma_addr_t addr;

	/* Another device's registers: the host cannot map them. */
	if (attrs & DMA_ATTR_MMIO)
		return DMA_MAPPING_ERROR;
	addr = map_range(dev, phys, size, dir, attrs);
	trace_adma_dma_map(dev, false, phys, size, addr, dir, 1, 1);
	return addr;
}

static dma_addr_t op_map_phys(struct device *dev, phys_addr_t phys, size_t size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	dma_addr_t addr;

	return map_hit(dev, phys, size, &addr) ? addr : map_any(dev, phys, size, dir, attrs);
}

static void op_unmap_phys(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
			  unsigned long attrs)
{
	if (!unmap_hit(dev, addr, size))
		unmap_any(dev, addr, size, attrs);
}
#else
static noinline dma_addr_t map_any(struct device *dev, struct page *page, unsigned long offset, size_t size,
				   enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr;

	if (is_pci_p2pdma_page(page))
		return DMA_MAPPING_ERROR;
	addr = map_range(dev, page_to_phys(page) + offset, size, dir, attrs);
	trace_adma_dma_map(dev, false, page_to_phys(page) + offset, size, addr, dir, 1, 1);
	return addr;
}

static dma_addr_t op_map_page(struct device *dev, struct page *page, unsigned long offset, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t addr;

	return map_hit(dev, page_to_phys(page) + offset, size, &addr) ? addr : map_any(dev, page, offset, size, dir, attrs);
}

static void op_unmap_page(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
			  unsigned long attrs)
{
	if (!unmap_hit(dev, addr, size))
		unmap_any(dev, addr, size, attrs);
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

/* Entries without an address were not mapped. */
static void unmap_entries(struct adma_function *fn, struct scatterlist *sgl, int nents, bool copy)
{
	struct fi_dying dying = { .count = 0 };
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		if (sg_dma_address(sg) != DMA_MAPPING_ERROR)
			put(fn, &dying, sg_dma_address(sg), sg_dma_len(sg), copy);
	adma_table_put_done(&fn->table, &dying);
}

/*
 * At most ADMA_BATCH entries: their misses share a doorbell, and those of small
 * ones a mapping.  When there is no room for all of them, each is on its own.
 * The caller unmaps what has an address.
 */
static int map_batch(const struct streaming *s, struct scatterlist *first, int nents, bool packed)
{
	struct fi_want wants[ADMA_BATCH];
	struct scatterlist *sg;
	int count = 0, err = 0, late, i;
	struct bc_list list = { .phys = sg_phys(first) };

	for_each_sg(first, sg, nents, i)
		list.bytes += sg->length;
	for_each_sg(first, sg, nents, i) {
		sg_dma_len(sg) = sg->length;
		if (copied(s, sg_phys(sg), sg->length, &list, &sg_dma_address(sg)))
			continue;
		sg_dma_address(sg) = DMA_MAPPING_ERROR;
		wants[count] = want(s->fn, sg_phys(sg), sg->length);
		wants[count++].packed = packed;
	}
	if (count)
		err = adma_table_get(&s->fn->table, wants, count);
	if (is_no_room(err))
		adma_bounce_no_room(s->fn);
	count = 0;
	for_each_sg(first, sg, nents, i) {
		if (sg_dma_address(sg) != DMA_MAPPING_ERROR)
			continue;
		if (!err) {
			sg_dma_address(sg) = address(s->fn, &wants[count++], sg_phys(sg));
			continue;
		}
		late = is_no_room(err) ? map_one(s, sg_phys(sg), sg->length, &sg_dma_address(sg)) : err;
		if (late) {
			sg_dma_address(sg) = DMA_MAPPING_ERROR;
			return late;
		}
	}
	for_each_sg(first, sg, nents, i)
		if (sg_dma_address(sg) + sg->length - 1 > s->limit)
			return -ERANGE;
	return 0;
}

static int check_entries(struct scatterlist *sgl, int nents, size_t *bytes)
{
	struct scatterlist *sg;
	int i;

	*bytes = 0;
	for_each_sg(sgl, sg, nents, i) {
		if (is_pci_p2pdma_page(sg_page(sg)))
			return -EREMOTEIO;
		if (!sg->length)
			return -EINVAL;
		*bytes += sg->length;
	}
	return 0;
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

static int op_map_sg(struct device *dev, struct scatterlist *sgl, int nents, enum dma_data_direction dir,
		     unsigned long attrs)
{
	const struct streaming s = streaming(dev, dir, attrs);
	struct scatterlist *sg, *first = sgl;
	int mapped = 0, err, i;
	size_t bytes;

	err = check_entries(sgl, nents, &bytes);
	if (!err && !s.fn->claimed)
		err = -EACCES;
	while (!err && mapped < nents) {
		int n = min(nents - mapped, ADMA_BATCH);

		err = map_batch(&s, first, n, nents > 1);
		mapped += n;
		for (i = 0, sg = first; i < n; i++)
			sg = sg_next(sg);
		first = sg;
	}
	trace_entries(dev, sgl, nents, err, dir);
	if (!err)
		return nents;
	unmap_entries(s.fn, sgl, mapped, false);
	report_failure(s.fn, bytes, err, attrs & DMA_ATTR_NO_WARN);
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
	unmap_entries(function_of(dev), sgl, nents, copies_back(attrs));
}

static void sync_one(struct device *dev, dma_addr_t addr, size_t size, bool for_cpu)
{
	struct adma_function *fn = function_of(dev);
	struct bounce_pool *pool = &fn->bounce.pool;

	if (!bp_spans(pool, addr) || bp_sync(pool, addr, size, for_cpu) || !bp_holds(pool, addr))
		return;
	dev_err_ratelimited(dev, "its driver synchronises %pad+%#zx, which is not mapped like that\n", &addr, size);
}

static void op_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	sync_one(dev, addr, size, true);
}

static void op_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir)
{
	sync_one(dev, addr, size, false);
}

static void op_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents, enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		sync_one(dev, sg_dma_address(sg), sg_dma_len(sg), true);
}

static void op_sync_sg_for_device(struct device *dev, struct scatterlist *sgl, int nents,
				  enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		sync_one(dev, sg_dma_address(sg), sg_dma_len(sg), false);
}

/*
 * Memory for a device's own structures that no chunk has room for
 * (apple_dma_coherent.c) has its granules to itself.  It is aligned to its
 * size, and the host is asked to align the IOVA as well.
 */
static unsigned int alloc_order(struct adma_function *fn, size_t size)
{
	return get_order(max_t(size_t, size, 1UL << fn->companion->ch.granule_shift));
}

static void trace_alloc(struct device *dev, struct page *page, size_t size, dma_addr_t addr)
{
	trace_adma_dma_map(dev, true, page_to_phys(page), PAGE_ALIGN(size), addr, DMA_BIDIRECTIONAL, 1, 1);
}

static struct page *alloc_mapped(struct device *dev, size_t size, dma_addr_t *addr, gfp_t gfp)
{
	struct adma_function *fn = function_of(dev);
	u64 limit = dma_limit(dev, dev->coherent_dma_mask);
	unsigned int order = alloc_order(fn, size);
	struct page *page;
	int err;

	page = adma_coherent_alloc(fn, size, addr, limit, gfp);
	if (page) {
		trace_alloc(dev, page, size, *addr);
		return page;
	}
	page = alloc_pages_node(dev_to_node(dev), gfp | __GFP_ZERO, order);
	if (!page)
		return NULL;
	err = adma_get_range(fn, page_to_phys(page), PAGE_ALIGN(size), limit, true, addr);
	trace_alloc(dev, page, size, err ? DMA_MAPPING_ERROR : *addr);
	if (!err)
		return page;
	report_failure(fn, size, err, gfp & __GFP_NOWARN);
	__free_pages(page, order);
	return NULL;
}

static void free_mapped(struct device *dev, size_t size, struct page *page, dma_addr_t addr)
{
	struct adma_function *fn = function_of(dev);

	trace_adma_dma_unmap(dev, addr, PAGE_ALIGN(size), 1, 1);
	if (adma_coherent_free(fn, size, page, addr))
		return;
	put(fn, NULL, addr, PAGE_ALIGN(size), true);
	__free_pages(page, alloc_order(fn, size));
}

static void *op_alloc(struct device *dev, size_t size, dma_addr_t *addr, gfp_t gfp, unsigned long attrs)
{
	struct page *page;

	if (attrs & DMA_ATTR_NO_WARN)
		gfp |= __GFP_NOWARN;
	page = alloc_mapped(dev, size, addr, gfp);
	return page ? page_address(page) : NULL;
}

static void op_free(struct device *dev, size_t size, void *cpu_addr, dma_addr_t addr, unsigned long attrs)
{
	free_mapped(dev, size, virt_to_page(cpu_addr), addr);
}

static struct page *op_alloc_pages(struct device *dev, size_t size, dma_addr_t *addr, enum dma_data_direction dir,
				   gfp_t gfp)
{
	return alloc_mapped(dev, size, addr, gfp);
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

/*
 * One request must never need more than the host allows, nor more than the
 * bounce buffers have when the host allows nothing: it could not succeed, ever.
 */
static size_t op_max_mapping_size(struct device *dev)
{
	struct adma_function *fn = function_of(dev);

	return min_t(u64, max_t(u64, fn->bytes_max / 8, SZ_256K), adma_bounce_max_request(fn));
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
	.sync_single_for_cpu	= op_sync_single_for_cpu,
	.sync_single_for_device	= op_sync_single_for_device,
	.sync_sg_for_cpu	= op_sync_sg_for_cpu,
	.sync_sg_for_device	= op_sync_sg_for_device,
	.dma_supported		= op_dma_supported,
	.get_required_mask	= op_get_required_mask,
	.max_mapping_size	= op_max_mapping_size,
	.opt_mapping_size	= op_opt_mapping_size,
};
