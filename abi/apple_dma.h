/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-3-Clause */
/*
 * apple_dma.h - the contract between a guest and the apple-dma-pci companion.
 *
 * The companion maps guest memory for DMA by the functions it manages.  The
 * platform, not the guest, picks every I/O virtual address (IOVA), so a guest
 * asks and uses the answer.  docs/spec-guest.md is the specification; its
 * order and names are those of this file.
 *
 * All multi-byte fields are little-endian.  Registers are 32 bits wide and
 * must be accessed with aligned 32-bit loads and stores.
 *
 * Calls are synchronous: when the store to ADMA_REG_DOORBELL has completed,
 * every answer is in the request page.  A guest may therefore map with
 * interrupts off, from any context, one request page per CPU.
 */
#ifndef APPLE_DMA_H
#define APPLE_DMA_H

#ifdef __KERNEL__
#include <linux/types.h>
typedef __le16 adma_le16;
typedef __le32 adma_le32;
typedef __le64 adma_le64;
#else
#include <stdint.h>
typedef uint16_t adma_le16;
typedef uint32_t adma_le32;
typedef uint64_t adma_le64;
#endif

/* PCI identity.  Vendor 1b36 is Red Hat/QEMU; 0015 is unassigned in QEMU 10.2 (docs/specs/pci-ids.rst). */
#define ADMA_PCI_VENDOR_ID	0x1b36
#define ADMA_PCI_DEVICE_ID	0x0015
#define ADMA_PCI_REVISION	0x01
#define ADMA_PCI_BAR		0	/* registers: 32-bit memory BAR of ADMA_BAR_SIZE bytes */
#define ADMA_BAR_SIZE		0x1000

/* Registers in BAR 0.  RO read-only, WO write-only (reads 0), RW both. */
#define ADMA_REG_MAGIC		0x00	/* RO ADMA_MAGIC */
#define ADMA_REG_VERSION	0x04	/* RO major << 16 | minor; a guest refuses another major */
#define ADMA_REG_FEATURES	0x08	/* RO ADMA_F_* offered */
#define ADMA_REG_DRIVER_FEATURES 0x0c	/* RW ADMA_F_* the guest will use; bits not offered are ignored */
#define ADMA_REG_GRANULE	0x10	/* RO bytes, power of two; every range is a multiple of it (16384 on Apple Silicon) */
#define ADMA_REG_MAX_SLOTS	0x14	/* RO number of request pages that can be registered */
#define ADMA_REG_MAX_RANGES	0x18	/* RO ranges in one map request, 1..ADMA_MAX_RANGES */
#define ADMA_REG_MAX_ALIGN	0x1c	/* RO largest alignment a map request may wish for, as a shift (21 = 2 MiB) */
#define ADMA_REG_FUNCTIONS	0x20	/* RO number of managed function indices; some may be absent */
#define ADMA_REG_GENERATION	0x24	/* RO changes whenever a function appears, disappears or loses its claim */
#define ADMA_REG_CONTROL	0x28	/* WO ADMA_CTL_* */
#define ADMA_REG_STATUS		0x2c	/* RO ADMA_ST_* */
#define ADMA_REG_SLOT_SELECT	0x30	/* RW request page that SLOT_ADDR_* speak of */
#define ADMA_REG_SLOT_ADDR_LO	0x34	/* RW guest-physical address of the page, bits 31:0 (bits 11:0 must be 0) */
#define ADMA_REG_SLOT_ADDR_HI	0x38	/* RW bits 63:32; this write registers the page; address 0 forgets it */
#define ADMA_REG_DOORBELL	0x3c	/* WO slot number: run the requests in that page, then complete the store */

#define ADMA_MAGIC		0x414d4441u	/* "ADMA" */
#define ADMA_VERSION_MAJOR	1
#define ADMA_VERSION_MINOR	1
#define ADMA_VERSION		(((uint32_t)ADMA_VERSION_MAJOR << 16) | ADMA_VERSION_MINOR)

/*
 * ADMA_REG_FEATURES, ADMA_REG_DRIVER_FEATURES.  1.0 has none.  A guest uses a
 * feature when it was offered and stored to DRIVER_FEATURES; the host keeps to
 * 1.0 otherwise.
 */
#define ADMA_F_CONGRUENT	0x1	/* ADMA_MAP_CONGRUENT */
#define ADMA_F_SHARING		0x2	/* ADMA_OP_BUDGET tells of the functions that share a DART: all of struct adma_budget_req */

/* ADMA_REG_CONTROL */
#define ADMA_CTL_RESET		0x1	/* drop all claims and mappings, forget all request pages; synchronous */

/* ADMA_REG_STATUS */
#define ADMA_ST_SLOT_BAD	0x1	/* the last SLOT_ADDR_HI write was refused (select out of range, not RAM, unaligned) */
#define ADMA_ST_BROKEN		0x2	/* the host backend is gone; every request answers ADMA_E_GONE */

#define ADMA_PAGE_SIZE		4096	/* bytes of a request page, naturally aligned, whatever the guest's page size */
#define ADMA_MAX_RANGES		32

/*
 * Request page: a header, then requests one after the other.  Each starts
 * with struct adma_req and is req.length bytes long (a multiple of 8).  The
 * companion reads the page once, runs the requests in order, then writes
 * header.status, header.done and the result part of each request it ran.  It
 * stops at the first request whose length cannot be trusted; requests that
 * merely fail do not stop the ones behind them.
 */
struct adma_page_header {
	adma_le32 count;	/* in: number of requests */
	adma_le32 bytes;	/* in: bytes of requests behind this header, at most ADMA_PAGE_SIZE - 32 */
	adma_le32 status;	/* out: ADMA_OK, or ADMA_E_BAD_REQUEST when the page itself is malformed */
	adma_le32 done;		/* out: number of requests that carry an answer */
	adma_le64 reserved[2];	/* 0 */
};

struct adma_range {
	adma_le64 gpa;		/* guest-physical address, multiple of ADMA_REG_GRANULE */
	adma_le64 length;	/* bytes, non-zero multiple of ADMA_REG_GRANULE */
};

/* Common head of every request, 24 bytes. */
struct adma_req {
	adma_le16 op;		/* in: ADMA_OP_* */
	adma_le16 length;	/* in: bytes of this request including this head, multiple of 8 */
	adma_le32 function;	/* in: function index, below ADMA_REG_FUNCTIONS */
	adma_le32 status;	/* out: ADMA_OK or ADMA_E_* */
	adma_le32 flags;	/* in: ADMA_MAP_* for ADMA_OP_MAP, else 0 */
	adma_le64 cookie;	/* in: not interpreted, not changed */
};

#define ADMA_OP_FUNCTION	1	/* describe a function: struct adma_function_req */
#define ADMA_OP_CLAIM		2	/* take a function: struct adma_req; opens bus mastering and BARs */
#define ADMA_OP_RELEASE		3	/* give it back: bus master off, mappings dropped, BARs read all ones */
#define ADMA_OP_MAP		4	/* struct adma_map_req followed by nr_ranges struct adma_range */
#define ADMA_OP_UNMAP		5	/* struct adma_unmap_req */
#define ADMA_OP_BUDGET		6	/* struct adma_budget_req; without ADMA_F_SHARING its first ADMA_BUDGET_BYTES_1_0 bytes */

struct adma_function_req {
	struct adma_req req;
	adma_le32 bdf;		/* out: bus << 8 | device << 3 | function, as the guest enumerated it, same domain as the companion */
	adma_le32 state;	/* out: ADMA_FN_* */
	adma_le64 iova_first;	/* out: lowest address the platform may return */
	adma_le64 iova_last;	/* out: highest (inclusive); a driver's DMA mask must cover it */
};

#define ADMA_FN_PRESENT		0x1
#define ADMA_FN_CLAIMED		0x2

struct adma_map_req {
	struct adma_req req;
	adma_le32 align;	/* in: wished alignment of the IOVA as a shift, 0 = none, at most ADMA_REG_MAX_ALIGN */
	adma_le32 nr_ranges;	/* in: 1..ADMA_REG_MAX_RANGES */
	adma_le64 handle;	/* out: names the mapping until it is unmapped; never 0, never reused at once */
	adma_le64 iova;		/* out: first byte of one contiguous block that holds the ranges in order; never 0 */
	/* struct adma_range ranges[nr_ranges] follow */
};

/* struct adma_req.flags of ADMA_OP_MAP: at least one direction */
#define ADMA_MAP_DEVICE_READS	0x1	/* the device may read the memory */
#define ADMA_MAP_DEVICE_WRITES	0x2	/* the device may write it */
#define ADMA_MAP_ALIGN_REQUIRED	0x4	/* fail with ADMA_E_NOT_ALIGNED instead of returning a less aligned IOVA */
#define ADMA_MAP_CONGRUENT	0x8	/* ADMA_F_CONGRUENT: wish for an IOVA that equals the first range's gpa modulo 1 << align */

struct adma_unmap_req {
	struct adma_req req;
	adma_le64 handle;	/* in: from ADMA_OP_MAP */
};

struct adma_budget_req {
	struct adma_req req;
	adma_le64 bytes_max;	/* out: platform limit of mapped bytes for this function */
	adma_le64 bytes_used;	/* out */
	adma_le32 mappings_max;	/* out */
	adma_le32 mappings_used;/* out */
	/* With ADMA_F_SHARING.  Functions behind one DART share its room: docs/spec-guest.md, "Sharing". */
	adma_le64 bytes_quota;	/* out: bytes that this function is guaranteed */
	adma_le64 bytes_free;	/* out: bytes that it could map now, room borrowed from others included */
	adma_le32 mappings_quota;/* out: the same in mappings */
	adma_le32 mappings_free;/* out */
	adma_le32 mapper;	/* out: functions with the same number share one DART; 0: shares with none that is known */
	adma_le32 reserved;	/* 0 */
};
#define ADMA_BUDGET_BYTES_1_0	48	/* of struct adma_budget_req, up to mappings_used */

/* Status codes.  A guest treats one it does not know as a permanent failure. */
#define ADMA_OK			0
#define ADMA_E_BAD_REQUEST	1	/* malformed: unknown op or flag, length, count */
#define ADMA_E_BAD_FUNCTION	2	/* no such function, or none there now */
#define ADMA_E_NOT_CLAIMED	3	/* claim the function first */
#define ADMA_E_CLAIMED		4	/* already claimed */
#define ADMA_E_NOT_ALIGNED	5	/* a range is not a multiple of the granule, or ALIGN_REQUIRED could not be met */
#define ADMA_E_BAD_RANGE	6	/* empty range or address overflow */
#define ADMA_E_NOT_RAM		7	/* a range is not entirely guest RAM (ROM, MMIO, device memory, hole) */
#define ADMA_E_NO_SPACE		8	/* out of bytes or IOVA space: unmap something and try again */
#define ADMA_E_NO_MAPPINGS	9	/* out of mappings: unmap something and try again */
#define ADMA_E_BAD_HANDLE	10	/* no such mapping of this function */
#define ADMA_E_GONE		11	/* the device or its host driver is gone */
#define ADMA_E_BUSY		12	/* the device is being reset: try again */
#define ADMA_E_HOST		13	/* the host refused for another reason; its log says which */
#define ADMA_E_TIMEOUT		14	/* 1.1: the host did not answer in time; the function is lost until it is claimed again */

#endif
