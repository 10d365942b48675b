/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmatest_trace.h - what is written to the driver's debugfs file "trace".
 *
 * Each write is a number of whole records, in the CPU's byte order, of at most
 * DTT_WRITE_MAX bytes.  They are done in their order.  An error ends them: what
 * was done before it stays done, and DTT_BEGIN begins anew.
 *
 * Reading the file shows, as lines "name value": requests (maps and
 * allocations since DTT_BEGIN), refused (of these), mapped (now), blocks.
 */
#ifndef DMATEST_TRACE_H
#define DMATEST_TRACE_H

#include <linux/types.h>

#define DTT_WRITE_MAX	(256 * 1024)
#define DTT_MAX_IDS	(1 << 20)
#define DTT_MAX_BLOCKS	(1 << 16)
#define DTT_MAX_ORDER	9		/* 2 MiB of pages of 4 KiB */
#define DTT_MAX_PIECES	4096
#define DTT_MAX_ALLOC	(4 << 20)

enum dtt_op {
	DTT_BEGIN,	/* unmap and free everything; ids: how many request numbers there are */
	DTT_BLOCKS,	/* allocate nr more blocks of 4 KiB << order, aligned to their size, numbered on from 0 */
	DTT_MAP,	/* request id: nr pieces follow; one is dma_map_page(), more are one dma_map_sg() */
	DTT_ALLOC,	/* request id: nr bytes of dma_alloc_coherent(); only as a task */
	DTT_UNMAP,	/* request id, whatever it is; one that was refused is passed over */
};

enum dtt_context { DTT_TASK, DTT_SOFTIRQ, DTT_HARDIRQ };

/* As enum dma_data_direction. */
enum dtt_direction { DTT_BOTH, DTT_TO_DEVICE, DTT_FROM_DEVICE };

struct dtt_record {
	__u8 op;
	__u8 context;
	__u8 direction;
	__u8 order;
	__u32 id;
	__u32 nr;
};

struct dtt_piece {
	__u32 block;
	__u32 offset;
	__u32 bytes;	/* it ends within the block */
};

#endif
