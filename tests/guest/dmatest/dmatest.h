/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmatest.h - a Linux driver for the dmatest function (docs/dmatest.md).
 *
 * dmatest_main.c is an ordinary PCI driver: BARs, interrupts, queues.
 * dmatest_tests.c uses every part of the DMA API through it and compares what
 * arrives.  dmatest_trace.c replays traces of requests.  The driver knows nothing about what stands between it and the device.
 */
#ifndef DMATEST_H
#define DMATEST_H

#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>

#include "dmatest_regs.h"

#define DT_RING		64
#define DT_TIMEOUT	(20 * HZ)

struct dt;
struct dt_trace;

/*
 * One descriptor on its way.  done() runs in hard interrupt context; without
 * it, finished is completed.  The memory belongs to the caller and must stay
 * until then, or until dt_forget().
 */
struct dt_request {
	struct dmatest_desc desc;
	struct dmatest_completion record;
	void (*done)(struct dt_request *req);
	struct completion finished;
};

struct dt_queue {
	struct dt *dt;
	unsigned int index;
	spinlock_t lock;	/* everything below; taken in interrupt context */
	struct dmatest_desc *ring;
	struct dmatest_completion *records;
	dma_addr_t ring_dma, records_dma;
	struct dt_request *slot[DT_RING];
	u32 submitted, completed;
};

struct dt_vector {
	struct dt *dt;
	unsigned int index;
	int irq;
	atomic_t interrupts;
};

struct dt {
	struct list_head node;
	struct pci_dev *pdev;
	void __iomem *regs, *small, *mem;
	unsigned int queues, vectors;
	struct dt_queue queue[DMATEST_MAX_QUEUES];
	struct dt_vector vector[DMATEST_MAX_VECTORS];
	struct dentry *debugfs;
	struct dt_trace *trace;	/* under run_lock */

	struct mutex run_lock;	/* one run at a time; guards result */
	bool gone;
	char result[256];
};

/* Queues */
int dt_queue_start(struct dt_queue *q);
void dt_queue_stop(struct dt_queue *q);
/* Any context. -EBUSY: the ring is full. */
int dt_submit(struct dt_queue *q, struct dt_request *req);
void dt_forget(struct dt_queue *q, struct dt_request *req);
/* Process context: submit and wait. -EREMOTEIO: the device reported an error, which is in req->record. */
int dt_run(struct dt_queue *q, struct dt_request *req);

static inline u32 dt_read(struct dt *dt, u32 offset)
{
	return readl(dt->regs + offset);
}

static inline void dt_write(struct dt *dt, u32 offset, u32 value)
{
	writel(value, dt->regs + offset);
}

/* Run all tests; the verdict is in dt->result and in the kernel log. Caller holds run_lock. */
int dt_run_tests(struct dt *dt);

/* Once per function, before its files are there; the file; when nobody uses it any more: unmaps and frees. */
int dt_trace_init(struct dt *dt);
void dt_trace_show(struct dt *dt);
void dt_trace_exit(struct dt *dt);

#endif
