// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ixgbevf_tx.c - transmission: advanced descriptors, checksum insertion and TCP segmentation.
 *
 * A packet is looked at when all of its descriptors are there, and taken when the cable has room. A queue that is given
 * something the hardware would call malicious stops, as the hardware's does.
 */
#include "ixgbevf.h"

#include <string.h>

#define CMD_EOP      (1u << 24)
#define CMD_RS       (1u << 27)
#define CMD_DEXT     (1u << 29)
#define CMD_VLE      (1u << 30)
#define CMD_TSE      (1u << 31)
#define DTYP(c)      ((c) >> 20 & 0xf)
#define DTYP_CONTEXT 2
#define DTYP_DATA    3

#define POPTS_IXSM (1u << 8)
#define POPTS_TXSM (1u << 9)
#define OL_IDX(o)  ((o) >> 4 & 1)

#define TUCMD_IPV4   (1u << 10)
#define TUCMD_L4T(t) ((t) >> 11 & 3)
#define L4T_UDP      0
#define L4T_TCP      1

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

#define MSS_MIN 64 /* fewer bytes a frame would make too many of them */

struct descriptor {
	uint64_t address;
	uint32_t command, options;
};

/* Where the headers of a packet are, by its context; checked against its length. */
struct layout {
	uint32_t l3, l4, payload; /* offsets; payload only for segmentation */
	uint32_t mss;
	bool ipv4, tcp, udp;
};

struct packet {
	uint32_t bytes, options;
	bool segment;
	unsigned reports[VF_PACKET_DESCS], nr_reports; /* descriptors that want to be told */
};

static const char *find_layout(const struct packet *p, const struct vf_context *c, struct layout *l)
{
	l->l3 = c->vlan_macip_lens >> 9 & 0x7f;
	l->l4 = l->l3 + (c->vlan_macip_lens & 0x1ff);
	l->payload = l->l4 + (c->mss_l4len_idx >> 8 & 0xff);
	l->mss = c->mss_l4len_idx >> 16;
	l->ipv4 = c->type_tucmd_mlhl & TUCMD_IPV4;
	l->tcp = TUCMD_L4T(c->type_tucmd_mlhl) == L4T_TCP;
	l->udp = TUCMD_L4T(c->type_tucmd_mlhl) == L4T_UDP;
	if (l->l3 < 14 || (p->options & POPTS_IXSM && l->l4 < l->l3 + 20))
		return "headers too short";
	if (p->options & POPTS_TXSM && l->l4 + (l->tcp ? 20 : 8) > p->bytes)
		return "a packet shorter than its headers";
	if (p->segment && (!l->tcp || l->l4 < l->l3 + 20 || l->payload < l->l4 + 20 || l->payload >= p->bytes))
		return "segmentation of what is not TCP";
	if (p->segment && (l->mss < MSS_MIN || l->payload + l->mss > ETHER_FRAME_MAX))
		return "a segment size out of range";
	return NULL;
}

/* The driver has left the pseudo header's sum in the field; what it lacks is the length of each segment. */
static void finish_l4(uint8_t *frame, uint32_t bytes, const struct layout *l, bool add_length)
{
	uint8_t *field = frame + l->l4 + (l->tcp ? 16 : 6);
	uint16_t sum = ~vf_fold(vf_sum(add_length ? bytes - l->l4 : 0, frame + l->l4, bytes - l->l4));

	put_be16(field, l->udp && !sum ? 0xffff : sum);
}

static void finish_ipv4(uint8_t *frame, const struct layout *l)
{
	put_be16(frame + l->l3 + 10, ~vf_fold(vf_sum(0, frame + l->l3, l->l4 - l->l3)));
}

static void send(struct sim_function *f, uint32_t bytes)
{
	struct ixgbevf *v = sim_state(f);

	if (bytes < 60) {
		memset(v->frame + bytes, 0, 60 - bytes);
		bytes = 60;
	}
	v->tx_packets++;
	v->tx_bytes += bytes + 4;
	ether_send(v->ether, v->frame, bytes);
}

static void send_segments(struct sim_function *f, const struct packet *p, const struct layout *l)
{
	struct ixgbevf *v = sim_state(f);
	const uint8_t *head = v->packet;
	uint32_t sequence = (uint32_t)be16(head + l->l4 + 4) << 16 | be16(head + l->l4 + 6);
	uint16_t id = be16(head + l->l3 + 4);
	uint8_t flags = head[l->l4 + 13];

	for (uint32_t at = l->payload; at < p->bytes; at += l->mss) {
		uint32_t n = p->bytes - at < l->mss ? p->bytes - at : l->mss, bytes = l->payload + n;
		uint32_t this = sequence + (at - l->payload);
		uint8_t *tcp = v->frame + l->l4;

		memcpy(v->frame, head, l->payload);
		memcpy(v->frame + l->payload, head + at, n);
		put_be16(tcp + 4, this >> 16);
		put_be16(tcp + 6, (uint16_t)this);
		tcp[13] = flags;
		if (at != l->payload)
			tcp[13] &= ~TCP_CWR;
		if (at + n != p->bytes)
			tcp[13] &= ~(TCP_FIN | TCP_PSH);
		if (l->ipv4) {
			put_be16(v->frame + l->l3 + 2, bytes - l->l3);
			put_be16(v->frame + l->l3 + 4, id++);
			finish_ipv4(v->frame, l);
		} else {
			put_be16(v->frame + l->l3 + 4, bytes - l->l3 - 40);
		}
		finish_l4(v->frame, bytes, l, true);
		send(f, bytes);
	}
}

static const char *send_packet(struct sim_function *f, struct vf_ring *r, const struct packet *p)
{
	struct ixgbevf *v = sim_state(f);
	struct layout l = {0};

	if (p->segment || p->options & (POPTS_IXSM | POPTS_TXSM)) {
		const char *wrong = find_layout(p, &r->context[OL_IDX(p->options)], &l);
		if (wrong)
			return wrong;
	}
	if (p->segment) {
		send_segments(f, p, &l);
		return NULL;
	}
	if (p->bytes < 14 || p->bytes > v->max_frame)
		return "a frame of impossible length";
	memcpy(v->frame, v->packet, p->bytes);
	if (p->options & POPTS_IXSM && l.ipv4)
		finish_ipv4(v->frame, &l);
	if (p->options & POPTS_TXSM && (l.tcp || l.udp))
		finish_l4(v->frame, p->bytes, &l, false);
	send(f, p->bytes);
	return NULL;
}

enum gathered { INCOMPLETE, COMPLETE, BROKEN };

/* The descriptors from *head on, up to the end of a packet; contexts among them are remembered. */
static enum gathered gather(struct sim_function *f, struct vf_ring *r, const struct vf_ring_view *ring, uint32_t *head,
			    struct packet *p, const char **wrong)
{
	struct ixgbevf *v = sim_state(f);
	uint32_t at = *head;

	for (unsigned n = 0; at != ring->tail; n++) {
		struct descriptor d;
		uint32_t length;

		*wrong = "a packet of too many descriptors";
		if (n == VF_PACKET_DESCS)
			return BROKEN;
		*wrong = "bus error at a descriptor";
		if (!sim_dma_read(f, ring->base + (uint64_t)at * VF_DESC_BYTES, &d, sizeof(d)))
			return BROKEN;
		if (d.command & CMD_RS)
			p->reports[p->nr_reports++] = at;
		at = (at + 1) % ring->entries;
		*wrong = "a descriptor of a kind that is not offered";
		if (!(d.command & CMD_DEXT))
			return BROKEN;
		if (DTYP(d.command) == DTYP_CONTEXT) {
			r->context[d.options >> 4 & 1] = (struct vf_context){
				.vlan_macip_lens = (uint32_t)d.address,
				.type_tucmd_mlhl = d.command,
				.mss_l4len_idx = d.options,
			};
			continue;
		}
		if (DTYP(d.command) != DTYP_DATA || d.command & CMD_VLE)
			return BROKEN;
		if (!p->bytes) {
			p->options = d.options;
			p->segment = d.command & CMD_TSE;
		}
		length = d.command & 0xffff;
		*wrong = "an empty descriptor or a packet too long";
		if (!length || length > VF_PACKET_MAX - p->bytes)
			return BROKEN;
		*wrong = "bus error at a packet";
		if (!sim_dma_read(f, d.address, v->packet + p->bytes, length))
			return BROKEN;
		p->bytes += length;
		if (d.command & CMD_EOP) {
			*head = at;
			return COMPLETE;
		}
	}
	return INCOMPLETE;
}

bool vf_transmit(struct sim_function *f, unsigned queue)
{
	struct ixgbevf *v = sim_state(f);
	struct vf_ring *r = &v->tx[queue];
	struct vf_ring_view ring = vf_ring_view(f, VFTX(queue), r);
	uint32_t bytes = 0, head = r->head;
	bool report = false;

	if (!ring.entries)
		return false;
	for (unsigned i = 0; i < VF_POLL_FRAMES && bytes < VF_POLL_BYTES && head != ring.tail; i++) {
		struct packet p = {0};
		const char *wrong = NULL;
		enum gathered state;

		if (!ether_room(v->ether))
			break;
		state = gather(f, r, &ring, &head, &p, &wrong);
		if (state == INCOMPLETE)
			break;
		if (state == COMPLETE)
			wrong = send_packet(f, r, &p);
		/* The driver polls the status word; nothing else of the descriptor is looked at. */
		for (unsigned n = 0; n < p.nr_reports && !wrong; n++) {
			const uint32_t done = 1;

			if (!sim_dma_write(f, ring.base + (uint64_t)p.reports[n] * VF_DESC_BYTES + 12, &done, 4))
				wrong = "bus error at a report";
			report = true;
		}
		if (wrong) {
			vf_ring_stop(f, r, wrong);
			break;
		}
		bytes += p.bytes;
	}
	if (head == r->head && !r->stopped)
		return false;
	r->head = head;
	sim_store32(vf_reg(f, VFTX(queue) + RING_HEAD), head);
	if (report)
		vf_queue_event(f, queue, true);
	return true;
}
