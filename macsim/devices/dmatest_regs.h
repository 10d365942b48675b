/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmatest_regs.h - programming interface of the dmatest PCI function.
 *
 * docs/dmatest.md is the specification, in the order and with the names used
 * here.  Shared by the device model, by user-space tests and by the guest test
 * driver (a kernel module), so it holds nothing but numbers and wire structures.
 * All integers are little-endian.
 */
#ifndef DMATEST_REGS_H
#define DMATEST_REGS_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;
typedef uint16_t __le16;
typedef uint32_t __le32;
typedef uint64_t __le64;
#endif

#define DMATEST_VENDOR		0x1b36
#define DMATEST_DEVICE		0x00f1
#define DMATEST_CLASS		0xff0000

/* Base address registers. */
#define DMATEST_BAR_REGS	0		/* 32-bit: registers and doorbells */
#define DMATEST_REGS_BYTES	0x4000
#define DMATEST_BAR_SMALL	1		/* 32-bit prefetchable: memory, smaller than a 16 KiB page */
#define DMATEST_SMALL_BYTES	0x1000
#define DMATEST_BAR_MEM		2		/* 64-bit prefetchable: memory */
#define DMATEST_MEM_BYTES	0x10000
#define DMATEST_BAR_MSIX	4		/* 64-bit: MSI-X table and PBA */
#define DMATEST_MSIX_BYTES	0x8000
#define DMATEST_MSIX_TABLE	0x0000
#define DMATEST_MSIX_PBA	0x4000

#define DMATEST_MAX_QUEUES	16
#define DMATEST_MAX_VECTORS	32
#define DMATEST_MAX_RING	4096		/* descriptors */
#define DMATEST_MAX_SEGMENTS	1024		/* in one list */

/* Global registers, 32 bits wide unless said otherwise. */
#define DMATEST_ID		0x000		/* RO */
#define  DMATEST_ID_VALUE	0x54414d44u	/* "DMAT" */
#define DMATEST_VERSION		0x004		/* RO */
#define  DMATEST_VERSION_VALUE	0x00010000u
#define DMATEST_FEATURES	0x008		/* RO */
#define  DMATEST_FEAT_QUEUES(v)	 ((v) & 0xff)
#define  DMATEST_FEAT_VECTORS(v) (((v) >> 8) & 0xff)
#define  DMATEST_FEAT_STRAY	 0x10000	/* DMATEST_OP_STRAY and _PERSIST are allowed */
#define DMATEST_RESET		0x010		/* RW: a new value stops every queue and clears the statistics */
#define DMATEST_RESET_DONE	0x014		/* RO: the last value of RESET that has been obeyed */
#define DMATEST_INTX		0x018		/* RW: bit 0 is the level of INTA */
#define DMATEST_SCRATCH		0x01c		/* RW: no effect */

/* Statistics, 64 bits, RO. */
#define DMATEST_STAT_DESCS	0x100
#define DMATEST_STAT_ERRORS	0x108
#define DMATEST_STAT_READ	0x110		/* bytes of payload */
#define DMATEST_STAT_WRITTEN	0x118
#define DMATEST_STAT_IRQS	0x120

/* Direct interrupts: vector v is raised until IRQ_DONE(v) has caught up with IRQ_TEST(v), modulo 2^32. */
#define DMATEST_IRQ_TEST(v)	(0x200 + 4 * (v))	/* RW */
#define DMATEST_IRQ_DONE(v)	(0x300 + 4 * (v))	/* RO */

/* Queue registers. */
#define DMATEST_QUEUE(q)	(0x1000 + 0x80 * (q))
#define DMATEST_Q_RING		0x00		/* RW, 64 bits: address of the descriptors, 64-byte aligned */
#define DMATEST_Q_COMPLETIONS	0x08		/* RW, 64 bits: address of the completion records, 32-byte aligned */
#define DMATEST_Q_SIZE		0x10		/* RW: descriptors, a power of two, 2..MAX_RING */
#define DMATEST_Q_VECTOR	0x14		/* RW */
#define DMATEST_Q_CONTROL	0x18		/* RW */
#define  DMATEST_Q_ENABLE	0x1
#define DMATEST_Q_STATUS	0x1c		/* RO */
#define  DMATEST_Q_ENABLED	0x1
#define  DMATEST_Q_BAD_SETUP	0x2		/* enabled with an invalid address, size or vector */
#define  DMATEST_Q_BUS_ERROR	0x4		/* a descriptor or completion record could not be transferred: stopped */
#define  DMATEST_Q_BAD_DOORBELL	0x8		/* doorbell further ahead than the ring is long: stopped */
#define DMATEST_Q_CONSUMED	0x20		/* RO: free-running count of completed descriptors */

#define DMATEST_DOORBELL(q)	(0x2000 + 4 * (q))	/* RW: free-running count of submitted descriptors */

enum dmatest_op {
	DMATEST_OP_NOP = 0,
	DMATEST_OP_COPY = 1,
	DMATEST_OP_FILL = 2,
	DMATEST_OP_CHECKSUM = 3,
	DMATEST_OP_STRAY = 4,		/* read source, write destination; bus errors are ignored */
	DMATEST_OP_PERSIST = 5,		/* the same, again and again until the queue is disabled */
};

#define DMATEST_F_IRQ		0x1	/* raise the queue's vector when done */
#define DMATEST_F_SRC_LIST	0x2	/* source is the address of a list of segments */
#define DMATEST_F_DST_LIST	0x4

struct dmatest_segment {
	__le64 address;
	__le32 length;		/* bytes; 0 is allowed */
	__le32 reserved;
};

struct dmatest_desc {
	__u8 op;		/* enum dmatest_op */
	__u8 flags;		/* DMATEST_F_* */
	__le16 nr_src;		/* with F_SRC_LIST: segments in the list */
	__le16 nr_dst;
	__le16 reserved;
	__le64 cookie;		/* comes back in the completion record */
	__le64 pattern;		/* FILL: eight bytes, repeated from the first destination byte on */
	__le32 length;		/* payload bytes; the segments must hold at least as many */
	__le32 reserved2;
	struct dmatest_segment src;	/* the one segment, or where the list is (its length is not looked at) */
	struct dmatest_segment dst;
};

enum dmatest_status {
	DMATEST_OK = 0,
	DMATEST_E_OP = 1,		/* unknown, or not allowed by the machine */
	DMATEST_E_SEGMENTS = 2,		/* too many, or too short for length */
	DMATEST_E_READ = 3,		/* bus error reading at error_address */
	DMATEST_E_WRITE = 4,
};

struct dmatest_completion {
	__le64 cookie;
	__le64 result;		/* COPY, CHECKSUM: FNV-1a, 64 bits, of the source bytes */
	__le64 error_address;	/* where the segment, or list, that failed begins */
	__le32 status;		/* enum dmatest_status */
	__le32 sequence;	/* written last: the descriptor's index, free-running, plus one */
};

#define DMATEST_FNV_OFFSET	0xcbf29ce484222325ULL
#define DMATEST_FNV_PRIME	0x100000001b3ULL

#endif
