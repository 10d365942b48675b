/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host is asked, under events/apple_dma/ of tracefs.  A request that
 * is answered without the host leaves no trace, and costs none.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM apple_dma

#if !defined(APPLE_DMA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define APPLE_DMA_TRACE_H

#include <linux/pci.h>
#include <linux/tracepoint.h>

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
