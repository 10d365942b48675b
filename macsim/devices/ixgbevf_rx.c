// SPDX-License-Identifier: GPL-2.0-or-later
/* ixgbevf_rx.c - reception: filter, checksum verdict, distribution over the queues, one-buffer descriptors. */
#include "ixgbevf.h"

#include <string.h>

#define SRRCTL_KBYTES 0x1f
#define SRRCTL_TYPE   (7u << 25)
#define SRRCTL_ONEBUF (1u << 25)

#define STAT_DD   (1u << 0)
#define STAT_EOP  (1u << 1)
#define STAT_L4CS (1u << 5)
#define STAT_IPCS (1u << 6)
#define ERR_L4    (1u << 30)
#define ERR_IP    (1u << 31)

#define TYPE_IPV4 (1u << 4)
#define TYPE_IPV6 (1u << 6)
#define TYPE_TCP  (1u << 8)
#define TYPE_UDP  (1u << 9)

struct verdict {
	uint32_t type, status;
	uint32_t flow; /* the same for all packets of a connection */
};

struct writeback {
	uint32_t type, hash;
	uint32_t status;
	uint16_t length, vlan;
};

/* TCP or UDP at l4, `bytes` of it, of a packet whose addresses lie at `addresses`. */
static void judge_l4(const uint8_t *l4, uint32_t bytes, unsigned protocol, const uint8_t *addresses,
		     uint32_t address_bytes, struct verdict *v)
{
	bool tcp = protocol == 6;

	if ((protocol != 6 && protocol != 17) || bytes < (tcp ? 20u : 8u))
		return;
	v->type |= tcp ? TYPE_TCP : TYPE_UDP;
	for (unsigned i = 0; i < 4; i++)
		v->flow = v->flow * 33 + l4[i];
	if (!tcp && !be16(l4 + 6))
		return; /* sent without a checksum */
	v->status |= STAT_L4CS;
	if (vf_fold(vf_sum(vf_sum(protocol + bytes, addresses, address_bytes), l4, bytes)) != 0xffff)
		v->status |= ERR_L4;
}

static struct verdict judge(const uint8_t *frame, uint32_t bytes)
{
	struct verdict v = {0};
	uint16_t ethertype = be16(frame + 12);
	const uint8_t *ip = frame + 14;
	uint32_t rest = bytes - 14;

	if (ethertype == 0x0800 && rest >= 20 && ip[0] >> 4 == 4) {
		uint32_t header = (ip[0] & 0xf) * 4u, total = be16(ip + 2);

		if (header < 20 || total < header || total > rest)
			return v;
		v.type = TYPE_IPV4;
		v.status = STAT_IPCS;
		if (vf_fold(vf_sum(0, ip, header)) != 0xffff)
			v.status |= ERR_IP;
		for (unsigned i = 12; i < 20; i++)
			v.flow = v.flow * 33 + ip[i];
		/* A fragment's checksum cannot be known. */
		if (!(be16(ip + 6) & 0x3fff))
			judge_l4(ip + header, total - header, ip[9], ip + 12, 8, &v);
	} else if (ethertype == 0x86dd && rest >= 40 && ip[0] >> 4 == 6) {
		uint32_t payload = be16(ip + 4);

		if (payload > rest - 40)
			return v;
		v.type = TYPE_IPV6;
		for (unsigned i = 8; i < 40; i++)
			v.flow = v.flow * 33 + ip[i];
		judge_l4(ip + 40, payload, ip[6], ip + 8, 32, &v);
	}
	return v;
}

static uint32_t available(const struct vf_ring *r, const struct vf_ring_view *ring)
{
	return (ring->tail + ring->entries - r->head) % ring->entries;
}

/* The queue for a packet: of those that work, by its flow. */
static bool choose_queue(struct sim_function *f, uint32_t flow, unsigned *queue, struct vf_ring_view *ring)
{
	struct ixgbevf *v = sim_state(f);

	for (unsigned i = 0; i < VF_QUEUES; i++) {
		*queue = (flow + i) % VF_QUEUES;
		*ring = vf_ring_view(f, VFRX(*queue), &v->rx[*queue]);
		if (ring->entries)
			return true;
	}
	return false;
}

/* One descriptor: data first, then status, at last the length, by which a driver sees that all is there. */
static bool fill(struct sim_function *f, uint64_t descriptor, const uint8_t *data, uint32_t bytes, bool last,
		 const struct verdict *v)
{
	struct writeback w = {
		.type = v->type, .status = STAT_DD | (last ? STAT_EOP | v->status : 0), .length = (uint16_t)bytes};
	uint64_t buffer;

	if (!sim_dma_read(f, descriptor, &buffer, sizeof(buffer)) || !sim_dma_write(f, buffer, data, bytes) ||
	    !sim_dma_write(f, descriptor, &w, offsetof(struct writeback, length)))
		return false;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return sim_dma_write(f, descriptor + offsetof(struct writeback, length), &w.length, 4);
}

enum delivered { DELIVERED, DROPPED, NO_ROOM };

static enum delivered deliver(struct sim_function *f, uint32_t bytes, unsigned *queue)
{
	struct ixgbevf *v = sim_state(f);
	struct verdict verdict;
	struct vf_ring_view ring;
	struct vf_ring *r;
	uint32_t srrctl, size, needed;

	if (bytes < 14 || bytes > v->max_frame || !vf_accepts(f, v->frame))
		return DROPPED;
	verdict = judge(v->frame, bytes);
	if (!choose_queue(f, verdict.flow, queue, &ring))
		return DROPPED;
	r = &v->rx[*queue];
	srrctl = sim_load32(vf_reg(f, VFRX(*queue) + RING_SRRCTL));
	size = (srrctl & SRRCTL_KBYTES) * 1024;
	if ((srrctl & SRRCTL_TYPE) != SRRCTL_ONEBUF || !size) {
		vf_ring_stop(f, r, "receive descriptors of a kind that is not offered");
		return DROPPED;
	}
	needed = (bytes + size - 1) / size;
	if (needed >= ring.entries)
		return DROPPED;
	if (needed > available(r, &ring))
		return NO_ROOM;
	for (uint32_t at = 0; at < bytes; at += size) {
		uint32_t n = bytes - at < size ? bytes - at : size;

		if (!fill(f, ring.base + (uint64_t)r->head * VF_DESC_BYTES, v->frame + at, n, at + n == bytes,
			  &verdict)) {
			vf_ring_stop(f, r, "bus error in reception");
			return DROPPED;
		}
		r->head = (r->head + 1) % ring.entries;
	}
	sim_store32(vf_reg(f, VFRX(*queue) + RING_HEAD), r->head);
	v->rx_packets++;
	v->rx_bytes += bytes + 4;
	v->rx_multicast += (v->frame[0] & 1) && v->frame[0] != 0xff;
	return DELIVERED;
}

bool vf_receive(struct sim_function *f)
{
	struct ixgbevf *v = sim_state(f);
	bool event[VF_QUEUES] = {false}, busy = false;
	uint32_t bytes;

	for (unsigned i = 0; i < VF_POLL_FRAMES && (bytes = ether_peek(v->ether, v->frame, sizeof(v->frame))); i++) {
		unsigned queue = 0;
		enum delivered result = deliver(f, bytes, &queue);

		if (result == NO_ROOM)
			break;
		ether_drop(v->ether);
		busy = true;
		event[queue] |= result == DELIVERED;
	}
	for (unsigned q = 0; q < VF_QUEUES; q++)
		if (event[q])
			vf_queue_event(f, q, false);
	return busy;
}
