/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Under events/apple_dma/ of tracefs: what drivers ask for (adma_dma_map,
 * adma_dma_unmap), and what of it reaches the host (adma_map, adma_unmap).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM apple_dma

#if !defined(APPLE_DMA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define APPLE_DMA_TRACE_H

#include <linux/dma-direction.h>
#include <linux/pci.h>
#include <linux/tracepoint.h>

/* What a driver asks for: piece `part` of `parts` that one call maps; iova is ~0 when it is refused. */
TRACE_EVENT(adma_dma_map,
	TP_PROTO(const struct device *dev, bool alloc, u64 gpa, size_t bytes, u64 iova, int dir, int part, int parts),
	TP_ARGS(dev, alloc, gpa, bytes, iova, dir, part, parts),
	TP_STRUCT__entry(
		__field(u16, devfn)
		__field(bool, alloc)
		__field(u8, dir)
		__field(int, part)
		__field(int, parts)
		__field(u64, gpa)
		__field(u64, bytes)
		__field(u64, iova)
	),
	TP_fast_assign(
		__entry->devfn = to_pci_dev(dev)->bus->number << 8 | to_pci_dev(dev)->devfn;
		__entry->alloc = alloc;
		__entry->dir = dir;
		__entry->part = part;
		__entry->parts = parts;
		__entry->gpa = gpa;
		__entry->bytes = bytes;
		__entry->iova = iova;
	),
	TP_printk("%02x:%02x.%x %s gpa=%#llx bytes=%llu iova=%#llx dir=%s part=%d/%d", __entry->devfn >> 8,
		  __entry->devfn >> 3 & 31, __entry->devfn & 7, __entry->alloc ? "alloc" : "map", __entry->gpa,
		  __entry->bytes, __entry->iova,
		  __print_symbolic(__entry->dir, { DMA_BIDIRECTIONAL, "both" }, { DMA_TO_DEVICE, "to" },
				   { DMA_FROM_DEVICE, "from" }), __entry->part, __entry->parts)
);

TRACE_EVENT(adma_dma_unmap,
	TP_PROTO(const struct device *dev, u64 iova, size_t bytes, int part, int parts),
	TP_ARGS(dev, iova, bytes, part, parts),
	TP_STRUCT__entry(
		__field(u16, devfn)
		__field(int, part)
		__field(int, parts)
		__field(u64, iova)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__entry->devfn = to_pci_dev(dev)->bus->number << 8 | to_pci_dev(dev)->devfn;
		__entry->part = part;
		__entry->parts = parts;
		__entry->iova = iova;
		__entry->bytes = bytes;
	),
	TP_printk("%02x:%02x.%x iova=%#llx bytes=%llu part=%d/%d", __entry->devfn >> 8, __entry->devfn >> 3 & 31,
		  __entry->devfn & 7, __entry->iova, __entry->bytes, __entry->part, __entry->parts)
);

TRACE_EVENT(adma_map,
	TP_PROTO(const struct pci_dev *pdev, u64 gpa, u32 frames, u32 ranges, u64 iova, int err),
	TP_ARGS(pdev, gpa, frames, ranges, iova, err),
	TP_STRUCT__entry(
		__field(u16, devfn)
		__field(u64, gpa)
		__field(u32, frames)
		__field(u32, ranges)
		__field(u64, iova)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->devfn = pdev->bus->number << 8 | pdev->devfn;
		__entry->gpa = gpa;
		__entry->frames = frames;
		__entry->ranges = ranges;
		__entry->iova = iova;
		__entry->err = err;
	),
	TP_printk("%02x:%02x.%x gpa=%#llx frames=%u ranges=%u iova=%#llx err=%d", __entry->devfn >> 8,
		  __entry->devfn >> 3 & 31, __entry->devfn & 7, __entry->gpa, __entry->frames, __entry->ranges,
		  __entry->iova, __entry->err)
);

TRACE_EVENT(adma_unmap,
	TP_PROTO(const struct pci_dev *pdev, u64 handle, int err),
	TP_ARGS(pdev, handle, err),
	TP_STRUCT__entry(
		__field(u16, devfn)
		__field(u64, handle)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->devfn = pdev->bus->number << 8 | pdev->devfn;
		__entry->handle = handle;
		__entry->err = err;
	),
	TP_printk("%02x:%02x.%x handle=%#llx err=%d", __entry->devfn >> 8, __entry->devfn >> 3 & 31,
		  __entry->devfn & 7, __entry->handle, __entry->err)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE apple_dma_trace
#include <trace/define_trace.h>
