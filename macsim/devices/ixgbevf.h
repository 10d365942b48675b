/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ixgbevf.h - a virtual function of Intel's 82599: registers and state.
 *
 * Facts from the 82599 datasheet (VF registers: "Virtual Function registers", descriptors: "Advanced ... descriptors");
 * the mailbox messages, which the datasheet leaves to software, are those of the Linux drivers.
 */
#ifndef MACSIM_IXGBEVF_H
#define MACSIM_IXGBEVF_H

#include "model.h"
#include "ether.h"

#define VF_REGS_BYTES 16384
#define VF_QUEUES     2
#define VF_VECTORS    3
#define VF_VECTOR_ALL ((1u << VF_VECTORS) - 1)

#define VFCTRL       0x000
#define VFCTRL_RST   (1u << 26)
#define VFSTATUS     0x008
#define VFLINKS      0x010
#define VFLINKS_UP   (1u << 30)
#define VFLINKS_10G  (3u << 28)
#define VFFRTIMER    0x048
#define VTEICR       0x100 /* cleared by a load */
#define VTEICS       0x104
#define VTEIMS       0x108
#define VTEIMC       0x10c
#define VTEIAC       0x110
#define VTEIAM       0x114
#define VTIVAR       0x120
#define VTIVAR_MISC  0x140
#define VFMBMEM      0x200
#define VFMBMEM_WORDS 16
#define VFMAILBOX    0x2fc

#define MAILBOX_REQ   (1u << 0)
#define MAILBOX_ACK   (1u << 1)
#define MAILBOX_VFU   (1u << 2)
#define MAILBOX_PFU   (1u << 3)
#define MAILBOX_PFSTS (1u << 4) /* these three are cleared by a load */
#define MAILBOX_PFACK (1u << 5)
#define MAILBOX_RSTI  (1u << 6)
#define MAILBOX_RSTD  (1u << 7)

#define VFRX(q)      (0x1000 + 0x40 * (q))
#define VFTX(q)      (0x2000 + 0x40 * (q))
#define RING_BAL     0x00
#define RING_BAH     0x04
#define RING_LEN     0x08
#define RING_HEAD    0x10
#define RING_SRRCTL  0x14 /* receive only */
#define RING_TAIL    0x18
#define RING_CTL     0x28
#define RING_ENABLE  (1u << 25)
#define VFGPRC       0x101c /* counters lie in the gaps of the first queue */
#define VFGORC_LSB   0x1020
#define VFGORC_MSB   0x1024
#define VFMPRC       0x1034
#define VFGPTC       0x201c
#define VFGOTC_LSB   0x2020
#define VFGOTC_MSB   0x2024

#define VF_DESC_BYTES 16
#define VF_RING_MAX   8192 /* descriptors */

#define VF_POLL_FRAMES 64            /* per queue and poll */
#define VF_POLL_BYTES  (512u * 1024) /* of one direction */
#define VF_PACKET_MAX  (128u * 1024) /* before segmentation */
#define VF_PACKET_DESCS 64

#define VF_MC_HASHES 4096

/* The offload context a transmit queue remembers, by index. */
struct vf_context {
	uint32_t vlan_macip_lens, type_tucmd_mlhl, mss_l4len_idx;
};

struct vf_ring {
	bool stopped; /* it was programmed with nonsense, or the bus failed: until it is enabled again */
	uint32_t head;
	struct vf_context context[2]; /* transmit only */
};

struct ixgbevf {
	struct ether *ether;
	uint8_t permanent_mac[6];

	/* mailbox, and what the physical function keeps for this one */
	uint32_t mailbox;
	bool cleared_to_send; /* the driver has announced itself since the last reset */
	uint8_t mac[6];
	unsigned xcast; /* 0 none, 1 multicast by hash, 2 all multicast, 3 promiscuous */
	uint32_t max_frame;
	uint8_t hashes[VF_MC_HASHES / 8];

	uint32_t cause, mask;
	struct vf_ring rx[VF_QUEUES], tx[VF_QUEUES];
	uint64_t rx_packets, rx_bytes, rx_multicast, tx_packets, tx_bytes;

	uint8_t packet[VF_PACKET_MAX], frame[ETHER_FRAME_MAX];
};

/* A ring as its registers describe it; entries 0: it cannot be used. */
struct vf_ring_view {
	uint64_t base;
	uint32_t entries, tail;
};

/* ixgbevf.c */
volatile uint8_t *vf_reg(struct sim_function *f, uint32_t offset);
struct vf_ring_view vf_ring_view(struct sim_function *f, uint32_t at, struct vf_ring *r);
void vf_ring_stop(struct sim_function *f, struct vf_ring *r, const char *why);
void vf_queue_event(struct sim_function *f, unsigned queue, bool tx);
/* ixgbevf_mailbox.c */
void vf_mailbox_reset(struct sim_function *f, bool forget);
uint32_t vf_mailbox_load(struct sim_function *f);
void vf_mailbox_store(struct sim_function *f, uint32_t value);
bool vf_accepts(struct sim_function *f, const uint8_t *destination);
/* ixgbevf_tx.c: true if there was something to do */
bool vf_transmit(struct sim_function *f, unsigned queue);
/* ixgbevf_rx.c */
bool vf_receive(struct sim_function *f);
/* ixgbevf_checksum.c */
uint32_t vf_sum(uint32_t sum, const uint8_t *data, size_t bytes);
uint16_t vf_fold(uint32_t sum);

static inline uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

#endif
