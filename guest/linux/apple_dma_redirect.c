// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DMA API's functions, redirected to our operations for managed devices.
 *
 * From 6.12 on a kernel without CONFIG_ARCH_HAS_DMA_OPS asks no dev->dma_ops,
 * and hands every driver plain guest-physical addresses.  There ftrace has
 * redirect() called at the entry of each exported function that makes,
 * checks or ends addresses; for a device of ours it lets the function return
 * before it began, from its namesake below.  All other devices get what they
 * always got.
 *
 * The kernel's copies of these functions that the compiler has put into others
 * are not seen by ftrace, so those others are redirected as well: the list has
 * everything in kernel/dma/mapping.c that ends in a mapping.  Below it is a
 * net (no_addresses() of apple_dma_backend.c): a call that got past us finds no address.
 */

#include <linux/device.h>
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/memremap.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "apple_dma_compat.h"
#include "apple_dma_priv.h"

/* Which devices */

#define BUCKET_BITS	6

/* Changed under redirect_lock, read by everybody who maps. */
static struct hlist_head redirected[1 << BUCKET_BITS];
static DEFINE_MUTEX(redirect_lock);

/* Called before a function is traced, so nothing in it may be. */
static __always_inline struct adma_function *lookup(const struct device *dev)
{
	struct adma_function *fn;

	hlist_for_each_entry_rcu_notrace(fn, &redirected[hash_ptr(dev, BUCKET_BITS)], redirected)
		if (&fn->pdev->dev == dev)
			return fn;
	return NULL;
}

struct adma_function *adma_redirect_function(struct device *dev)
{
	/* Its driver is in the middle of a call, and so keeps it. */
	return lookup(dev);
}

/* What they get instead.  The arguments are checked as the kernel's functions do. */

static dma_addr_t our_dma_map_page_attrs(struct device *dev, struct page *page, size_t offset, size_t size,
					 enum dma_data_direction dir, unsigned long attrs)
{
#ifdef ADMA_HAVE_MAP_PHYS
	if (is_pci_p2pdma_page(page))
		return DMA_MAPPING_ERROR;
	return adma_ops.map_phys(dev, page_to_phys(page) + offset, size, dir, attrs);
#else
	return adma_ops.map_page(dev, page, offset, size, dir, attrs);
#endif
}

static void our_dma_unmap_page_attrs(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
				     unsigned long attrs)
{
#ifdef ADMA_HAVE_MAP_PHYS
	adma_ops.unmap_phys(dev, addr, size, dir, attrs);
#else
	adma_ops.unmap_page(dev, addr, size, dir, attrs);
#endif
}

#ifdef ADMA_HAVE_DMA_MAP_PHYS
static dma_addr_t our_dma_map_phys(struct device *dev, phys_addr_t phys, size_t size, enum dma_data_direction dir,
				   unsigned long attrs)
{
#ifdef ADMA_HAVE_MAP_PHYS
	return adma_ops.map_phys(dev, phys, size, dir, attrs);
#else
	if (attrs & DMA_ATTR_MMIO)
		return DMA_MAPPING_ERROR;
	return adma_ops.map_page(dev, phys_to_page(phys), offset_in_page(phys), size, dir, attrs);
#endif
}

static void our_dma_unmap_phys(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
			       unsigned long attrs)
{
	our_dma_unmap_page_attrs(dev, addr, size, dir, attrs);
}
#endif

static unsigned int our_dma_map_sg_attrs(struct device *dev, struct scatterlist *sgl, int nents,
					 enum dma_data_direction dir, unsigned long attrs)
{
	return max(adma_ops.map_sg(dev, sgl, nents, dir, attrs), 0);
}

static int our_dma_map_sgtable(struct device *dev, struct sg_table *sgt, enum dma_data_direction dir,
			       unsigned long attrs)
{
	int nents = adma_ops.map_sg(dev, sgt->sgl, sgt->orig_nents, dir, attrs);

	if (nents < 0)
		return nents;
	sgt->nents = nents;
	return 0;
}

static void our_dma_unmap_sg_attrs(struct device *dev, struct scatterlist *sgl, int nents,
				   enum dma_data_direction dir, unsigned long attrs)
{
	adma_ops.unmap_sg(dev, sgl, nents, dir, attrs);
}

/* Another device's registers: the host cannot map them. */
static dma_addr_t our_dma_map_resource(struct device *dev, phys_addr_t phys, size_t size, enum dma_data_direction dir,
				       unsigned long attrs)
{
	return DMA_MAPPING_ERROR;
}

static void our_dma_unmap_resource(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir,
				   unsigned long attrs)
{
}

static void *our_dma_alloc_attrs(struct device *dev, size_t size, dma_addr_t *addr, gfp_t gfp, unsigned long attrs)
{
	if (WARN_ON_ONCE(gfp & __GFP_COMP))
		return NULL;
	return adma_ops.alloc(dev, size, addr, gfp & ~(__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM), attrs);
}

static void our_dma_free_attrs(struct device *dev, size_t size, void *cpu_addr, dma_addr_t addr, unsigned long attrs)
{
	WARN_ON(irqs_disabled());
	if (cpu_addr)
		adma_ops.free(dev, size, cpu_addr, addr, attrs);
}

static struct page *our_dma_alloc_pages(struct device *dev, size_t size, dma_addr_t *addr, enum dma_data_direction dir,
					gfp_t gfp)
{
	if (WARN_ON_ONCE(gfp & (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_COMP)))
		return NULL;
	return adma_ops.alloc_pages_op(dev, PAGE_ALIGN(size), addr, dir, gfp);
}

static void our_dma_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t addr,
			       enum dma_data_direction dir)
{
	adma_ops.free_pages(dev, PAGE_ALIGN(size), page, addr, dir);
}

/* In one piece, as wherever there is no IOMMU: what maps such a table into other address spaces relies on that. */
static struct sg_table *our_dma_alloc_noncontiguous(struct device *dev, size_t size, enum dma_data_direction dir,
						    gfp_t gfp, unsigned long attrs)
{
	struct sg_table *sgt;
	struct page *page;

	if (WARN_ON_ONCE(attrs & ~DMA_ATTR_ALLOC_SINGLE_PAGES))
		return NULL;
	sgt = kzalloc(sizeof(*sgt), gfp & ~__GFP_ZERO);
	if (!sgt)
		return NULL;
	if (sg_alloc_table(sgt, 1, gfp))
		goto free;
	page = our_dma_alloc_pages(dev, size, &sg_dma_address(sgt->sgl), dir, gfp);
	if (!page)
		goto free_table;
	sg_set_page(sgt->sgl, page, PAGE_ALIGN(size), 0);
	sg_dma_len(sgt->sgl) = PAGE_ALIGN(size);
	return sgt;

free_table:
	sg_free_table(sgt);
free:
	kfree(sgt);
	return NULL;
}

static void our_dma_free_noncontiguous(struct device *dev, size_t size, struct sg_table *sgt,
				       enum dma_data_direction dir)
{
	our_dma_free_pages(dev, size, sg_page(sgt->sgl), sg_dma_address(sgt->sgl), dir);
	sg_free_table(sgt);
	kfree(sgt);
}

static int our_dma_get_sgtable_attrs(struct device *dev, struct sg_table *sgt, void *cpu_addr, dma_addr_t addr,
				     size_t size, unsigned long attrs)
{
	return adma_ops.get_sgtable(dev, sgt, cpu_addr, addr, size, attrs);
}

static bool our_dma_can_mmap(struct device *dev)
{
	return true;
}

static int our_dma_mmap_attrs(struct device *dev, struct vm_area_struct *vma, void *cpu_addr, dma_addr_t addr,
			      size_t size, unsigned long attrs)
{
	return adma_ops.mmap(dev, vma, cpu_addr, addr, size, attrs);
}

/* Memory that goes with the driver.  The kernel's own record of it would free it past us. */
struct managed {
	size_t size;
	void *cpu_addr;
	dma_addr_t addr;
	unsigned long attrs;
};

static void managed_release(struct device *dev, void *res)
{
	struct managed *m = res;

	our_dma_free_attrs(dev, m->size, m->cpu_addr, m->addr, m->attrs);
}

static int managed_match(struct device *dev, void *res, void *cpu_addr)
{
	struct managed *m = res;

	return m->cpu_addr == cpu_addr;
}

static void *our_dmam_alloc_attrs(struct device *dev, size_t size, dma_addr_t *addr, gfp_t gfp, unsigned long attrs)
{
	struct managed *m = devres_alloc(managed_release, sizeof(*m), gfp);

	if (!m)
		return NULL;
	m->cpu_addr = our_dma_alloc_attrs(dev, size, addr, gfp, attrs);
	if (!m->cpu_addr) {
		devres_free(m);
		return NULL;
	}
	m->size = size;
	m->addr = *addr;
	m->attrs = attrs;
	devres_add(dev, m);
	return m->cpu_addr;
}

static void our_dmam_free_coherent(struct device *dev, size_t size, void *cpu_addr, dma_addr_t addr)
{
	WARN_ON(devres_release(dev, managed_release, managed_match, cpu_addr));
}

#ifdef CONFIG_DMA_NEED_SYNC
static void our___dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
					  enum dma_data_direction dir)
{
	adma_ops.sync_single_for_cpu(dev, addr, size, dir);
}

static void our___dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size,
					     enum dma_data_direction dir)
{
	adma_ops.sync_single_for_device(dev, addr, size, dir);
}

static void our___dma_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
				      enum dma_data_direction dir)
{
	adma_ops.sync_sg_for_cpu(dev, sgl, nents, dir);
}

static void our___dma_sync_sg_for_device(struct device *dev, struct scatterlist *sgl, int nents,
					 enum dma_data_direction dir)
{
	adma_ops.sync_sg_for_device(dev, sgl, nents, dir);
}

static bool our___dma_need_sync(struct device *dev, dma_addr_t addr)
{
	return true;
}
#endif

#ifdef ADMA_HAVE_NEED_UNMAP
static bool our_dma_need_unmap(struct device *dev)
{
	return true;
}
#endif

static bool our_dma_pci_p2pdma_supported(struct device *dev)
{
	return false;
}

static int our_dma_set_mask(struct device *dev, u64 mask)
{
	if (!dev->dma_mask || !adma_ops.dma_supported(dev, mask))
		return -EIO;
	*dev->dma_mask = mask;
	/* As the kernel decides for operations that synchronise. */
	adma_set_skip_sync(dev, false);
	return 0;
}

static int our_dma_set_coherent_mask(struct device *dev, u64 mask)
{
	if (!adma_ops.dma_supported(dev, mask))
		return -EIO;
	dev->coherent_dma_mask = mask;
	return 0;
}

static u64 our_dma_get_required_mask(struct device *dev)
{
	return adma_ops.get_required_mask(dev);
}

static bool our_dma_addressing_limited(struct device *dev)
{
	return min_not_zero(dma_get_mask(dev), dev->bus_dma_limit) < adma_ops.get_required_mask(dev);
}

static size_t our_dma_max_mapping_size(struct device *dev)
{
	return adma_ops.max_mapping_size(dev);
}

static size_t our_dma_opt_mapping_size(struct device *dev)
{
	return min(adma_ops.max_mapping_size(dev), adma_ops.opt_mapping_size());
}

static unsigned long our_dma_get_merge_boundary(struct device *dev)
{
	return adma_ops.get_merge_boundary ? adma_ops.get_merge_boundary(dev) : 0;
}

/* The hooks */

struct redirection {
	unsigned long from;
	unsigned long to;
};

#define REDIRECT(function) \
	{ (unsigned long)(function) + BUILD_BUG_ON_ZERO(!__same_type(function, our_##function)), \
	  (unsigned long)our_##function }

/*
 * dma_vmap_noncontiguous(), dma_vunmap_noncontiguous(), dma_mmap_pages() and
 * dma_mmap_noncontiguous() only care for where the memory is, and dma_iova_*()
 * only serve devices behind a guest IOMMU.
 */
static struct redirection redirections[] = {
	REDIRECT(dma_map_page_attrs),
	REDIRECT(dma_unmap_page_attrs),
#ifdef ADMA_HAVE_DMA_MAP_PHYS
	REDIRECT(dma_map_phys),
	REDIRECT(dma_unmap_phys),
#endif
	REDIRECT(dma_map_sg_attrs),
	REDIRECT(dma_map_sgtable),
	REDIRECT(dma_unmap_sg_attrs),
	REDIRECT(dma_map_resource),
	REDIRECT(dma_unmap_resource),
	REDIRECT(dma_alloc_attrs),
	REDIRECT(dma_free_attrs),
	REDIRECT(dma_alloc_pages),
	REDIRECT(dma_free_pages),
	REDIRECT(dma_alloc_noncontiguous),
	REDIRECT(dma_free_noncontiguous),
	REDIRECT(dma_get_sgtable_attrs),
	REDIRECT(dma_can_mmap),
	REDIRECT(dma_mmap_attrs),
	REDIRECT(dmam_alloc_attrs),
	REDIRECT(dmam_free_coherent),
#ifdef CONFIG_DMA_NEED_SYNC
	REDIRECT(__dma_sync_single_for_cpu),
	REDIRECT(__dma_sync_single_for_device),
	REDIRECT(__dma_sync_sg_for_cpu),
	REDIRECT(__dma_sync_sg_for_device),
	REDIRECT(__dma_need_sync),
#endif
#ifdef ADMA_HAVE_NEED_UNMAP
	REDIRECT(dma_need_unmap),
#endif
	REDIRECT(dma_pci_p2pdma_supported),
	REDIRECT(dma_set_mask),
	REDIRECT(dma_set_coherent_mask),
	REDIRECT(dma_get_required_mask),
	REDIRECT(dma_addressing_limited),
	REDIRECT(dma_max_mapping_size),
	REDIRECT(dma_opt_mapping_size),
	REDIRECT(dma_get_merge_boundary),
};

/* The call to us lies within the first few instructions. */
#define ENTRY_BYTES	32

static __always_inline unsigned long target_of(unsigned long ip)
{
	unsigned int first = 0, last = ARRAY_SIZE(redirections);

	/* The last one that begins at or before ip. */
	while (last - first > 1) {
		unsigned int middle = (first + last) / 2;

		if (redirections[middle].from <= ip)
			first = middle;
		else
			last = middle;
	}
	return ip - redirections[first].from < ENTRY_BYTES ? redirections[first].to : 0;
}

/*
 * At the entry of a redirected function, from any context but NMI.  Every
 * device of the machine pays for what comes before the return; nothing here is
 * traced in turn, which is what FTRACE_OPS_FL_RECURSION promises.
 */
static void notrace redirect(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *op,
			     struct ftrace_regs *regs)
{
	const struct device *dev = (const struct device *)ftrace_regs_get_argument(regs, 0);
	unsigned long target = 0;

	preempt_disable_notrace();
	if (lookup(dev))
		target = target_of(ip);
	preempt_enable_notrace();
	if (target)
		ftrace_regs_set_instruction_pointer(regs, target);
}

/* PERMANENT: `sysctl kernel.ftrace_enabled=0` is refused, because drivers would get untranslated addresses. */
static struct ftrace_ops hooks = {
	.func = redirect,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_PERMANENT,
};
static bool hooked;

static int compare(const void *a, const void *b)
{
	unsigned long from_a = ((const struct redirection *)a)->from, from_b = ((const struct redirection *)b)->from;

	return from_a < from_b ? -1 : from_a > from_b;
}

static int hook(void)
{
	unsigned int i;
	int err;

	sort(redirections, ARRAY_SIZE(redirections), sizeof(redirections[0]), compare, NULL);
	for (i = 0; i < ARRAY_SIZE(redirections); i++) {
		err = ftrace_set_filter_ip(&hooks, redirections[i].from, 0, 0);
		if (err) {
			pr_err("apple_dma: this kernel does not let %ps be redirected: error %d\n",
			       (void *)redirections[i].from, err);
			goto free;
		}
	}
	err = register_ftrace_function(&hooks);
	if (!err)
		return 0;
	if (err == -EBUSY)
		pr_err("apple_dma: the DMA API cannot be redirected: kernel.ftrace_enabled is 0, or a live patch has it\n");
	else
		pr_err("apple_dma: the DMA API cannot be redirected: error %d\n", err);
free:
	ftrace_free_filter(&hooks);
	return err;
}

int adma_redirect_enable(void)
{
	int err = 0;

	mutex_lock(&redirect_lock);
	if (!hooked) {
		err = hook();
		hooked = !err;
	}
	mutex_unlock(&redirect_lock);
	return err;
}

void adma_redirect_disable(void)
{
	if (!hooked)
		return;
	unregister_ftrace_function(&hooks);
	ftrace_free_filter(&hooks);
	hooked = false;
}

void adma_redirect_add(struct adma_function *fn)
{
	mutex_lock(&redirect_lock);
	hlist_add_head_rcu(&fn->redirected, &redirected[hash_ptr(&fn->pdev->dev, BUCKET_BITS)]);
	mutex_unlock(&redirect_lock);
}

void adma_redirect_remove(struct adma_function *fn)
{
	bool was;

	mutex_lock(&redirect_lock);
	was = !hlist_unhashed(&fn->redirected);
	if (was)
		hlist_del_init_rcu(&fn->redirected);
	mutex_unlock(&redirect_lock);
	if (was)
		synchronize_rcu();
}
