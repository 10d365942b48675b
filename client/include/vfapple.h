/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfapple.h - reach a PCI device that the VFIOUserPCIDriver dext owns.
 *
 * One struct vfa_device is one claimed function.  Unless a call says
 * otherwise: it may be made from any thread, returns 0 or a negative errno,
 * and fills *err (never NULL-checked by the caller: pass NULL to ignore) with
 * one sentence that names the device and the remedy.
 *
 * errno values: -ENODEV device or dext gone, -EBUSY claimed by another
 * process, -EPERM not entitled, -EPROTO dext of another version, -ENOENT no
 * such device, -ENOTSUP platform cannot, -EINVAL bad argument, -EIO other.
 */
#ifndef VFAPPLE_H
#define VFAPPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfa_dext.h"

#ifdef __cplusplus
extern "C" {
#endif

struct vfa_error {
	char text[256];
};

struct vfa_device;

/* Discovery: reads the registry only, opens nothing. */
struct vfa_listed {
	struct vfa_device_info info;
	bool claimed;
};
/* *list is malloc'ed; free() it.  No device is success with *count 0. */
int vfa_list(struct vfa_listed **list, size_t *count, struct vfa_error *err);

/* "03:00.0", "0000:03:00.0" (domain ignored) or "id:0x1000004f2" (registry entry id). */
int vfa_parse_address(const char *text, struct vfa_listed *out, struct vfa_error *err);

/*
 * Callbacks run on one private serial queue per device, never concurrently
 * with each other, and must not call vfa_close().
 */
struct vfa_callbacks {
	void (*interrupt)(void *opaque, unsigned vector);	/* edge seen; INTx is vector 0 and stays masked until vfa_irq_unmask() */
	void (*gone)(void *opaque);				/* device or dext terminated; every later call answers -ENODEV */
};

/* Claim the function.  Waits up to 2 s for a previous owner that is just going away. cb may be NULL. */
int vfa_open(const char *address, const struct vfa_callbacks *cb, void *opaque,
	     struct vfa_device **out, struct vfa_error *err);
/* Releases everything: bus master off, mappings completed.  No callback runs once it has returned: hold no lock one takes. */
void vfa_close(struct vfa_device *dev);

const struct vfa_device_info *vfa_info(const struct vfa_device *dev);	/* constant until vfa_close() */
const char *vfa_name(const struct vfa_device *dev);			/* "03:00.0", for messages */
/* Counters of the dext (docs/spec-dext.md, VFA_GET_STATS).  What a dext of version 1.0 does not count is 0; struct_bytes tells. */
int vfa_stats(struct vfa_device *dev, struct vfa_stats *out);
/* The same without claiming: opens an observer connection. */
int vfa_stats_of(uint64_t registry_id, struct vfa_stats *out, struct vfa_error *err);

/* Configuration space.  bytes 1, 2 or 4, naturally aligned.  The dext drops what the host owns. */
int vfa_config_read(struct vfa_device *dev, unsigned offset, unsigned bytes, uint32_t *value);
int vfa_config_write(struct vfa_device *dev, unsigned offset, unsigned bytes, uint32_t value);
int vfa_config_read_block(struct vfa_device *dev, unsigned offset, void *buf, size_t bytes);
int vfa_set_bus_master(struct vfa_device *dev, bool on);

/*
 * BAR memory.  vfa_bar_map() hands out the one mapping of that BAR (counted;
 * -ENOTSUP when the platform refuses).  It stays valid until the last
 * vfa_bar_unmap(), even after `gone`, but then reads are undefined.
 * vfa_bar_read/write use the mapping when there is one, else the dext.
 */
int vfa_bar_map(struct vfa_device *dev, unsigned bar, void **address, uint64_t *size);
void vfa_bar_unmap(struct vfa_device *dev, unsigned bar);
int vfa_bar_read(struct vfa_device *dev, unsigned bar, uint64_t offset, unsigned bytes, uint64_t *value);
int vfa_bar_write(struct vfa_device *dev, unsigned bar, uint64_t offset, unsigned bytes, uint64_t value);

/* Waits at most 5 s.  Bus master is off afterwards; DMA mappings stay. performed may be NULL. */
int vfa_reset(struct vfa_device *dev, enum vfa_reset type, enum vfa_reset *performed);

/*
 * Interrupts.  *granted <= wanted vectors will be delivered.  A vector is
 * delivered only while enabled; one that fired while disabled is delivered
 * when it is enabled (once).  Message vectors start disabled, INTx enabled.
 * Switching to another type or number needs vfa_irq_disable() first (-EINVAL).
 */
int vfa_irq_enable(struct vfa_device *dev, enum vfa_irq_type type, unsigned wanted, unsigned *granted);
void vfa_irq_set_enabled(struct vfa_device *dev, unsigned vector, bool enabled);
int vfa_irq_unmask(struct vfa_device *dev);	/* VFA_IRQ_INTX only */
/* No interrupt callback runs once it has returned (do not call it from one, nor holding a lock the callback takes). */
int vfa_irq_disable(struct vfa_device *dev);
uint64_t vfa_irq_count(struct vfa_device *dev, unsigned vector);	/* since vfa_open() */

/*
 * DMA.  All operations of one call reach the dext in as few user-client calls
 * as fit; they run in order.  Returns 0 when every operation has an answer in
 * .status (which may be a failure), negative when the dext could not be asked;
 * then operations without an answer carry VFA_E_GONE and changed nothing.
 */
struct vfa_dma_request {
	uint8_t op;			/* VFA_DMA_MAP, VFA_DMA_UNMAP */
	uint8_t flags;			/* VFA_DMA_* */
	uint8_t align;			/* wish: the IOVA is a multiple of 1 << align; 0 = none */
	uint8_t nr_ranges;
	uint32_t residue;		/* wish: congruent to residue * dma_page modulo that instead; a dext of version 1.0 is not told the wish */
	const struct vfa_dma_range *ranges;	/* map: process addresses, borrowed for the call */
	uint64_t handle;		/* unmap: in; map: out */
	uint64_t iova;			/* map: out */
	enum vfa_status status;		/* out */
};
int vfa_dma_submit(struct vfa_device *dev, struct vfa_dma_request *req, size_t count);
int vfa_dma_unmap_all(struct vfa_device *dev);	/* bus master goes off first */
const char *vfa_status_text(enum vfa_status status);

/* Calls made through IOKit so far, for accounting and tests. */
uint64_t vfa_host_calls(const struct vfa_device *dev);

#ifdef __cplusplus
}
#endif
#endif
