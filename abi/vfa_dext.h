/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-3-Clause */
/*
 * vfa_dext.h - the contract between a host process and the VFIOUserPCIDriver dext.
 *
 * The host process opens the service with IOServiceOpen(type 0) and calls the
 * selectors below with IOConnectCallMethod.  docs/spec-dext.md is the
 * specification; its order and names are those of this file.
 *
 * Integers are little-endian, naturally aligned.  No structure exceeds 4,096
 * bytes, so every one travels inline (SDK device/device_types.h, io_struct_inband_t).
 * A method returns an IOReturn for the call as a whole; struct
 * vfa_dma_result.status answers each DMA operation in a batch.
 */
#ifndef VFA_DEXT_H
#define VFA_DEXT_H

#include <stdint.h>

#define VFA_SERVICE_NAME	"VFIOUserPCIDriver"	/* IOUserClass, what IOServiceNameMatching finds */
#define VFA_MAGIC		0x31414656u		/* "VFA1" */
#define VFA_VERSION_MAJOR	1
#define VFA_VERSION_MINOR	1

/* Property of the service: CFData holding a struct vfa_device_info, readable without opening it. */
#define VFA_PROPERTY_INFO	"VFADeviceInfo"
/* Property of the service: CFNumber, 1 while a host process has claimed the device. */
#define VFA_PROPERTY_CLAIMED	"VFAClaimed"

#define VFA_BATCH_BYTES		4096	/* io_struct_inband_t */
#define VFA_MAX_OPS		64	/* DMA operations in one call */
#define VFA_MAX_RANGES		32	/* client ranges in one mapping (IOUserClient.iig, CreateMemoryDescriptorFromClient) */
#define VFA_MAX_ALIGN_SHIFT	21
#define VFA_MAX_VECTORS		256	/* interrupt vectors carried by the interrupt page */
#define VFA_NUM_BARS		7	/* 0-5, 6 = expansion ROM */

enum vfa_selector {
	/* any connection */
	VFA_HELLO = 0,		/* in struct vfa_hello, out struct vfa_hello; first call, BadArgument on another magic, Unsupported on another major */
	VFA_GET_INFO,		/* out struct vfa_device_info */
	VFA_GET_STATS,		/* out struct vfa_stats */
	VFA_CLAIM,		/* make this connection the owner: ExclusiveAccess while another is */
	/* the owner only, else kIOReturnNotOpen */
	VFA_RELEASE,		/* bus master off, interrupts off, all mappings completed */
	VFA_CONFIG_READ,	/* in offset, bytes (1, 2, 4); out value */
	VFA_CONFIG_READ_BLOCK,	/* in offset, bytes (multiple of 4); out struct of that many bytes */
	VFA_CONFIG_WRITE,	/* in offset, bytes, value; host-owned bits are dropped silently (docs/spec-dext.md) */
	VFA_BAR_READ,		/* in bar, offset, bytes (1, 2, 4, 8); out value; bounds-checked */
	VFA_BAR_WRITE,		/* in bar, offset, bytes, value */
	VFA_SET_BUS_MASTER,	/* in 0 or 1 */
	VFA_RESET,		/* async; in enum vfa_reset; completion args: enum vfa_reset performed. Bus master is off afterwards */
	VFA_IRQ_ENABLE,		/* in enum vfa_irq_type, vectors; out vectors delivered (at most the wish; fewer is possible) */
	VFA_IRQ_DISABLE,	/* no arguments */
	VFA_IRQ_NOTIFY,		/* async; the completion fires each time vfa_irq_page.armed falls from 1 to 0, until VFA_IRQ_DISABLE or close */
	VFA_IRQ_UNMASK,		/* level interrupts only: deliver the next one */
	VFA_DMA_SUBMIT,		/* in struct vfa_dma_batch; out struct vfa_dma_results */
	VFA_DMA_UNMAP_ALL,	/* out number completed; bus master is turned off first */
	VFA_NUM_SELECTORS
};

/* Memory types of IOConnectMapMemory64. 0..6 = that BAR (mapping it fails when the platform forbids it: use VFA_BAR_*). */
#define VFA_MEMORY_IRQ_PAGE	0x100	/* struct vfa_irq_page, read-write */

struct vfa_hello {
	uint32_t magic;
	uint16_t major, minor;
	uint64_t features;	/* in: wanted, out: granted; none defined so far */
};

enum vfa_irq_type { VFA_IRQ_INTX = 0, VFA_IRQ_MSI = 1, VFA_IRQ_MSIX = 2, VFA_IRQ_TYPES };
enum vfa_reset { VFA_RESET_AUTO = 0 /* FLR, else hot */, VFA_RESET_FLR = 1, VFA_RESET_HOT = 2 };

/* vfa_bar_info.type: IOPCIFamilyDefinitions.h numbering */
#define VFA_BAR_M32	0x0
#define VFA_BAR_IO	0x1
#define VFA_BAR_M64	0x4
#define VFA_BAR_M32PF	0x8
#define VFA_BAR_M64PF	0xc
#define VFA_BAR_MAPPABLE 0x1	/* vfa_bar_info.flags: IOConnectMapMemory64 is expected to work */

struct vfa_bar_info {
	uint64_t size;		/* bytes; 0 = not implemented */
	uint32_t type;
	uint32_t flags;
};

struct vfa_device_info {
	uint32_t struct_bytes;	/* of what the dext knows; a newer one may be longer */
	uint8_t bus, device, function, revision;
	uint64_t registry_id;	/* of the PCI nub: BDFs repeat across Thunderbolt root ports, this does not */
	uint16_t vendor, device_id, subsystem_vendor, subsystem;
	uint32_t class_code;	/* 24 bits */
	uint32_t flags;		/* VFA_DEV_* */
	uint32_t vectors[VFA_IRQ_TYPES];	/* the device's capability, 0 = absent */
	uint32_t dma_page;	/* bytes; every range of a mapping is a multiple (IOPCIDeviceMapperPageSize) */
	uint64_t iova_first, iova_last;		/* window of addresses the mapper may pick, inclusive */
	uint64_t dma_bytes_max;	/* budget of this device */
	uint32_t dma_mappings_max;
	uint32_t reserved;
	struct vfa_bar_info bars[VFA_NUM_BARS];
	/* 1.1 */
	uint64_t mapper;	/* identity of the DART the function is behind, 0 unknown; functions with the same one share its window */
};

#define VFA_DEV_FLR	0x1	/* function-level reset works */
#define VFA_DEV_HOT	0x2	/* hot reset may be tried */

/*
 * Interrupt page, shared between dext and client.  Both treat it as hostile:
 * a wrong value loses interrupts of this device only.
 * No lost edge: the dext sets the pending bit, then reads enabled and takes
 * armed; the client arms, then looks at pending again.
 */
struct vfa_irq_page {
	uint32_t armed;		/* client stores 1 to ask for a wake-up; dext exchanges it for 0 and completes VFA_IRQ_NOTIFY */
	uint32_t reserved[15];
	uint32_t pending[VFA_MAX_VECTORS / 32];	/* dext: fetch-or; client: exchange with 0 */
	uint32_t enabled[VFA_MAX_VECTORS / 32];	/* client: vectors worth a wake-up */
	uint64_t delivered[VFA_MAX_VECTORS];	/* dext: interrupts seen per vector, coalesced ones included */
};

#define VFA_DMA_MAP	1
#define VFA_DMA_UNMAP	2
#define VFA_DMA_DEVICE_READS	0x1
#define VFA_DMA_DEVICE_WRITES	0x2
#define VFA_DMA_ALIGN_REQUIRED	0x4

struct vfa_dma_range {
	uint64_t address;	/* virtual, in the client; multiple of dma_page */
	uint64_t length;	/* bytes; non-zero multiple of dma_page */
};

/* Operations follow each other without gaps; a map is followed by its ranges. They run in order; one that fails does not stop the next. */
struct vfa_dma_op {
	uint8_t op;		/* VFA_DMA_MAP or VFA_DMA_UNMAP */
	uint8_t flags;
	uint8_t align;		/* wished alignment of the IOVA as a shift, 0 or up to VFA_MAX_ALIGN_SHIFT */
	uint8_t nr_ranges;	/* map: 1..VFA_MAX_RANGES; unmap: 0 */
	uint32_t residue;	/* 1.1; map: the IOVA is wished congruent to residue * dma_page modulo 1 << align; 0 in an unmap */
	uint64_t handle;	/* unmap */
};

struct vfa_dma_batch {
	uint32_t count;		/* 1..VFA_MAX_OPS */
	uint32_t bytes;		/* of this structure and all operations, at most VFA_BATCH_BYTES */
	/* struct vfa_dma_op, struct vfa_dma_range... follow */
};

struct vfa_dma_result {
	uint32_t status;	/* enum vfa_status */
	uint32_t reserved;
	uint64_t handle;	/* map: never 0; slot number + 1 in the low half, generation in the high half */
	uint64_t iova;
	uint64_t length;
};

struct vfa_dma_results {
	uint32_t count;
	uint32_t reserved;
	struct vfa_dma_result result[VFA_MAX_OPS];
};

enum vfa_status {
	VFA_OK = 0,
	VFA_E_BAD_REQUEST,	/* malformed operation */
	VFA_E_NOT_ALIGNED,	/* range not a multiple of dma_page, or ALIGN_REQUIRED not met */
	VFA_E_BAD_RANGE,	/* empty, overflowing, or not mapped in the client */
	VFA_E_NO_SPACE,		/* byte budget or IOVA space exhausted */
	VFA_E_NO_MAPPINGS,	/* mapping budget exhausted */
	VFA_E_BAD_HANDLE,
	VFA_E_GONE,		/* device removed or closing */
	VFA_E_BUSY,		/* a reset is under way */
	VFA_E_PLATFORM,		/* the platform refused for another reason; vfa_stats.last_error holds its code */
	VFA_STATUS_COUNT
};

struct vfa_stats {
	uint32_t struct_bytes;	/* of what the dext knows; a newer one may be longer */
	uint32_t owner;		/* 1 while claimed */
	uint64_t maps, unmaps, map_failures;
	uint64_t bytes_live, bytes_peak;
	uint32_t mappings_live, mappings_peak;
	uint64_t irq_wakeups, irqs;
	uint64_t resets, config_writes_filtered;
	int32_t last_error;	/* IOReturn of the last platform refusal, 0 if none */
	uint32_t bus_master;
	/* 1.1 */
	uint64_t submit_calls, operations;	/* VFA_DMA_SUBMIT; DMA operations in them, whatever their answer */
	uint64_t misaligned;	/* maps that did not get the IOVA they wished, given or refused */
	uint64_t align_attempts;	/* times the mapper was asked beyond once for a map, to get it */
	uint64_t padding_bytes;	/* live, part of bytes_live: client pages mapped once more in front of a mapping */
};

/* What every 1.x reader requires of struct_bytes, and finds. */
#define VFA_DEVICE_INFO_BYTES_1_0	192
#define VFA_STATS_BYTES_1_0		96

#endif
