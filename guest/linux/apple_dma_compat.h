/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the kernels this module builds for.  ADMA_HAVE_* come
 * from Kbuild, which looks into the kernel's headers.
 */
#ifndef APPLE_DMA_COMPAT_H
#define APPLE_DMA_COMPAT_H

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#ifdef ADMA_HAVE_USE_DMA_IOMMU
#include <linux/iommu-dma.h>
#endif

#if !defined(CONFIG_64BIT)
#error "apple_dma is for 64-bit guests"
#endif

/*
 * Up to 6.11 any IOMMU support brings dev->dma_ops.  Later kernels only have
 * it with CONFIG_ARCH_HAS_DMA_OPS, which arm64 selects with CONFIG_XEN.
 */
#if defined(CONFIG_DMA_OPS) || defined(CONFIG_ARCH_HAS_DMA_OPS)
#define ADMA_HAVE_DMA_OPS 1
#else
#define ADMA_HAVE_DMA_OPS 0
#endif

static inline void adma_set_dma_ops(struct device *dev, const struct dma_map_ops *ops)
{
#if ADMA_HAVE_DMA_OPS
	dev->dma_ops = ops;
#endif
}

static inline const struct dma_map_ops *adma_dma_ops(struct device *dev)
{
#if ADMA_HAVE_DMA_OPS
	return dev->dma_ops;
#else
	return NULL;
#endif
}

/* Calls to synchronise can be left out; the kernel looks before it calls. */
static inline void adma_set_skip_sync(struct device *dev, bool skip)
{
#ifdef CONFIG_DMA_NEED_SYNC
#ifdef ADMA_HAVE_SKIP_SYNC_ACCESSOR
	dev_assign_dma_skip_sync(dev, skip);
#else
	dev->dma_skip_sync = skip;
#endif
#endif
}

/* A guest IOMMU translates the device's addresses: nothing of ours would be asked, or its answer would be translated again. */
static inline bool adma_behind_iommu(struct device *dev)
{
#ifdef ADMA_HAVE_USE_DMA_IOMMU
	return use_dma_iommu(dev);
#else
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && iommu_is_dma_domain(domain);
#endif
}

/* What is mapped with one of these is not for copies. */
#ifdef DMA_ATTR_REQUIRE_COHERENT
#define ADMA_ATTRS_NO_COPY	(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_REQUIRE_COHERENT)
#else
#define ADMA_ATTRS_NO_COPY	DMA_ATTR_SKIP_CPU_SYNC
#endif

/*
 * Later kernels skip the sync operations altogether where an earlier driver of
 * the device needed none; with those of ours they matter.  Who sets a DMA mask
 * has the core look again, the others do not.
 */
static inline void adma_force_sync(struct device *dev)
{
#ifdef ADMA_HAVE_RESET_NEED_SYNC
	dma_reset_need_sync(dev);
#endif
}

/* DMA of the host is coherent whatever the firmware tables say. */
static inline void adma_force_coherent(struct device *dev)
{
#ifdef ADMA_HAVE_COHERENT_ACCESSOR
	dev_assign_dma_coherent(dev, true);
#elif defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	dev->dma_coherent = true;
#endif
}

#endif
