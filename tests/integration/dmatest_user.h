/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmatest_user.h - a user-space driver of the dmatest function (docs/dmatest.md), over vfapple.h.
 *
 * One thread drives one struct dmatest.  Calls return 0 or a negative errno
 * and leave a sentence in d->why.  Memory the device touches comes from
 * dmatest_map(): page-aligned memory of this process, mapped for DMA.
 *
 *	struct dmatest d;
 *	struct dmatest_buffer b;
 *	if (dmatest_open(&d, "03:00.0") || dmatest_map(&d, 65536, &b))
 *		fail(d.why);
 *	dmatest_fill(&d, 0, b.iova, 0x0123456789abcdef, 65536);
 *	dmatest_unmap(&d, &b);
 *	dmatest_close(&d);
 */
#ifndef DMATEST_USER_H
#define DMATEST_USER_H

#include <pthread.h>

#include "vfapple.h"
#include "dmatest_regs.h"

#define DMATEST_USER_RING 64

struct dmatest_buffer {
	uint8_t *mem;
	size_t bytes; /* rounded up to the device's DMA page */
	uint64_t iova, handle;
};

struct dmatest {
	struct vfa_device *dev;
	unsigned queues, vectors;    /* usable: what the device has, and what was granted */
	struct dmatest_buffer rings; /* per queue: descriptors, then completion records */
	uint32_t submitted[DMATEST_MAX_QUEUES];
	uint32_t completed[DMATEST_MAX_QUEUES];
	pthread_mutex_t lock; /* guards what callbacks write */
	pthread_cond_t event;
	uint64_t interrupts[DMATEST_MAX_VECTORS];
	bool gone;
	char why[320];
};

/* Claims the function, maps BAR 0 where possible, turns MSI-X (else MSI) and bus master on, and starts every queue;
 * queue q uses vector q modulo vectors. */
int dmatest_open(struct dmatest *d, const char *address);
void dmatest_close(struct dmatest *d);
/* After vfa_reset(): bus master on, queues from the start. Interrupts stay as they were. */
int dmatest_restart(struct dmatest *d);

uint32_t dmatest_reg(struct dmatest *d, uint32_t offset);
uint64_t dmatest_stat(struct dmatest *d, uint32_t offset);
void dmatest_set_reg(struct dmatest *d, uint32_t offset, uint32_t value);

int dmatest_map(struct dmatest *d, size_t bytes, struct dmatest_buffer *b);
int dmatest_unmap(struct dmatest *d, struct dmatest_buffer *b); /* DMA mapping and memory */
/* Only the DMA mapping: the memory stays, for tests of what a device does after an unmap. */
int dmatest_unmap_dma(struct dmatest *d, struct dmatest_buffer *b);

/* Queue one descriptor without waiting (at most DMATEST_USER_RING outstanding per queue), and wait for the next
 * completion of that queue by interrupt. */
int dmatest_submit(struct dmatest *d, unsigned queue, const struct dmatest_desc *desc);
int dmatest_wait(struct dmatest *d, unsigned queue, struct dmatest_completion *out, unsigned timeout_ms);
/* Both, 10 s; the device's error becomes -EIO. out may be NULL. */
int dmatest_run(struct dmatest *d, unsigned queue, const struct dmatest_desc *desc, struct dmatest_completion *out);

int dmatest_copy(struct dmatest *d, unsigned queue, uint64_t dst, uint64_t src, uint32_t bytes);
int dmatest_fill(struct dmatest *d, unsigned queue, uint64_t dst, uint64_t pattern, uint32_t bytes);
int dmatest_checksum(struct dmatest *d, unsigned queue, uint64_t src, uint32_t bytes, uint64_t *result);
uint64_t dmatest_fnv(const void *data, size_t bytes);

/* Have the device raise a vector n times, and wait until it says so; edges may coalesce on their way. */
int dmatest_raise(struct dmatest *d, unsigned vector, uint32_t n, unsigned timeout_ms);
/* Wait until at least n interrupts of that vector have been called back since dmatest_open(). */
int dmatest_wait_interrupts(struct dmatest *d, unsigned vector, uint64_t n, unsigned timeout_ms);

#endif
