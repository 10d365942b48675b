// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ixgbevf.c - a network device: one virtual function of Intel's 82599 10 Gigabit controller, with its physical function
 * and that one's driver behind the mailbox. Linux calls its driver ixgbevf; it moves packets as ixgbe does.
 *
 * Options of the machine file:
 *
 *	wire=NAME	the cable it is plugged into; two functions with the same name are connected
 *	mac=ADDRESS	default: a locally administered one that follows from the cable's name
 *
 * Registers are cleared by loads and take ones, so every access is trapped. This file has registers, interrupts and
 * resets; ixgbevf_mailbox.c the physical function's part, ixgbevf_tx.c and ixgbevf_rx.c the packets.
 */
#include "ixgbevf.h"

#include <stdio.h>
#include <string.h>

#define IVAR_VALID 0x80u

volatile uint8_t *vf_reg(struct sim_function *f, uint32_t offset)
{
	return (volatile uint8_t *)sim_bar(f, 0) + offset;
}

/* Interrupts */

/* What is pending and not masked goes out, as a message per vector; EIAC and EIAM say what that clears. */
static void interrupt(struct sim_function *f)
{
	struct ixgbevf *v = sim_state(f);
	uint32_t due = v->cause & v->mask;

	v->cause &= ~(due & sim_load32(vf_reg(f, VTEIAC)));
	v->mask &= ~(due & sim_load32(vf_reg(f, VTEIAM)));
	for (unsigned i = 0; i < VF_VECTORS; i++)
		if (due & 1u << i)
			sim_msi(f, i);
}

static void raise(struct sim_function *f, uint32_t ivar)
{
	struct ixgbevf *v = sim_state(f);
	unsigned vector = ivar & ~IVAR_VALID;

	if (!(ivar & IVAR_VALID) || vector >= VF_VECTORS)
		return;
	v->cause |= 1u << vector;
	interrupt(f);
}

void vf_queue_event(struct sim_function *f, unsigned queue, bool tx)
{
	uint32_t ivar = sim_load32(vf_reg(f, VTIVAR + 4 * (queue / 2)));

	raise(f, ivar >> (16 * (queue & 1) + 8 * tx) & 0xff);
}

/* Rings */

struct vf_ring_view vf_ring_view(struct sim_function *f, uint32_t at, struct vf_ring *r)
{
	struct vf_ring_view view = {
		.base = sim_load32(vf_reg(f, at + RING_BAL)) | (uint64_t)sim_load32(vf_reg(f, at + RING_BAH)) << 32,
		.tail = sim_load32(vf_reg(f, at + RING_TAIL)),
	};
	uint32_t bytes = sim_load32(vf_reg(f, at + RING_LEN));

	if (!(sim_load32(vf_reg(f, at + RING_CTL)) & RING_ENABLE) || r->stopped)
		return view;
	if (!bytes || bytes % 128 || bytes > VF_RING_MAX * VF_DESC_BYTES || view.base % 128 ||
	    view.tail >= bytes / VF_DESC_BYTES || r->head >= bytes / VF_DESC_BYTES) {
		vf_ring_stop(f, r, "a ring of impossible size, place or position");
		return view;
	}
	view.entries = bytes / VF_DESC_BYTES;
	return view;
}

void vf_ring_stop(struct sim_function *f, struct vf_ring *r, const char *why)
{
	r->stopped = true;
	sim_log(f, "queue stopped: %s", why);
}

static bool receiving(struct sim_function *f)
{
	for (unsigned q = 0; q < VF_QUEUES; q++)
		if (sim_load32(vf_reg(f, VFRX(q) + RING_CTL)) & RING_ENABLE)
			return true;
	return false;
}

static void ring_store(struct sim_function *f, uint32_t at, struct vf_ring *r, uint32_t which, uint32_t value)
{
	struct ixgbevf *v = sim_state(f);
	bool enabled = sim_load32(vf_reg(f, at + RING_CTL)) & RING_ENABLE;

	switch (which) {
	case RING_HEAD:
		if (!enabled) {
			r->head = value;
			sim_store32(vf_reg(f, at + which), value);
		}
		return;
	case RING_CTL:
		sim_store32(vf_reg(f, at + which), value);
		if (!enabled && value & RING_ENABLE) {
			r->stopped = false;
			memset(r->context, 0, sizeof(r->context));
		}
		if (v->ether)
			ether_listen(v->ether, receiving(f));
		return;
	case RING_BAL:
	case RING_BAH:
	case RING_LEN:
	case RING_SRRCTL:
	case RING_TAIL:
	case 0x0c: /* DCA: hints for a cache that is not modelled */
	case 0x2c:
	case 0x38: /* head write-back: not offered by this model; the driver leaves it off */
	case 0x3c:
		sim_store32(vf_reg(f, at + which), value);
	}
}

/* Resets */

static void restart(struct sim_function *f, bool forget)
{
	struct ixgbevf *v = sim_state(f);

	memset((void *)vf_reg(f, 0), 0, VF_REGS_BYTES);
	memset(v->rx, 0, sizeof(v->rx));
	memset(v->tx, 0, sizeof(v->tx));
	v->cause = v->mask = 0;
	v->rx_packets = v->rx_bytes = v->rx_multicast = v->tx_packets = v->tx_bytes = 0;
	if (v->ether)
		ether_listen(v->ether, false);
	vf_mailbox_reset(f, forget);
}

/* Registers */

static uint64_t ixgbevf_load(struct sim_function *f, unsigned bar, uint64_t offset, unsigned bytes)
{
	struct ixgbevf *v = sim_state(f);
	uint32_t value = 0;

	if (bar || bytes != 4)
		return 0;
	switch (offset) {
	case VFLINKS:
		return v->ether && ether_linked(v->ether) ? VFLINKS_UP | VFLINKS_10G : 0;
	case VFFRTIMER:
		return (uint32_t)(sim_now_ns() / 1000);
	case VTEICR:
		value = v->cause;
		v->cause = 0;
		return value;
	case VTEIMS:
		return v->mask;
	case VFMAILBOX:
		return vf_mailbox_load(f);
	case VFGPRC:
		return (uint32_t)v->rx_packets;
	case VFGORC_LSB:
		return (uint32_t)v->rx_bytes;
	case VFGORC_MSB:
		return v->rx_bytes >> 32 & 0xf;
	case VFMPRC:
		return (uint32_t)v->rx_multicast;
	case VFGPTC:
		return (uint32_t)v->tx_packets;
	case VFGOTC_LSB:
		return (uint32_t)v->tx_bytes;
	case VFGOTC_MSB:
		return v->tx_bytes >> 32 & 0xf;
	}
	return sim_load32(vf_reg(f, (uint32_t)offset));
}

static void ixgbevf_store(struct sim_function *f, unsigned bar, uint64_t offset, unsigned bytes, uint64_t wide)
{
	struct ixgbevf *v = sim_state(f);
	uint32_t value = (uint32_t)wide, at = (uint32_t)offset, queue = (at & 0xfff) / 0x40;

	if (bar || bytes != 4)
		return;
	if (at >= VFMBMEM && at < VFMBMEM + 4 * VFMBMEM_WORDS) {
		sim_store32(vf_reg(f, at), value);
		return;
	}
	switch (at & ~0xfffu) {
	case 0x1000:
		if (queue < VF_QUEUES)
			ring_store(f, VFRX(queue), &v->rx[queue], at % 0x40, value);
		return;
	case 0x2000:
		if (queue < VF_QUEUES)
			ring_store(f, VFTX(queue), &v->tx[queue], at % 0x40, value);
		return;
	}
	switch (at) {
	case VFCTRL:
		if (value & VFCTRL_RST)
			restart(f, false);
		return;
	case VTEICR:
		v->cause &= ~value;
		return;
	case VTEICS:
		v->cause |= value & VF_VECTOR_ALL;
		interrupt(f);
		return;
	case VTEIMS:
		v->mask |= value & VF_VECTOR_ALL;
		interrupt(f);
		return;
	case VTEIMC:
		v->mask &= ~value;
		return;
	case VFMAILBOX:
		vf_mailbox_store(f, value);
		return;
	case VTEIAC:
	case VTEIAM:
	case VTIVAR:
	case VTIVAR_MISC:
	case 0x300: /* VFPSRTYPE: headers are not split */
	case 0x820: /* VTEITR: an interrupt waits for the queue's poll, which is moderation enough */
	case 0x824:
	case 0x828:
		sim_store32(vf_reg(f, at), value);
	}
}

/* Entry points */

static bool parse_mac(const char *text, uint8_t *mac)
{
	unsigned b[6];
	char more;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &more) != 6)
		return false;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return !(mac[0] & 1);
}

static bool ixgbevf_init(struct sim_function *f)
{
	static const struct sim_ids ids = {
		.vendor = 0x8086,
		.device = 0x10ed,
		.subsystem_vendor = 0x8086,
		.subsystem = 0x000c,
		.class_code = 0x020000,
		.revision = 1,
	};
	struct ixgbevf *v = sim_state(f);
	const char *wire = sim_option(f, "wire"), *mac = sim_option(f, "mac");
	unsigned end = 0, hash = 5381;

	for (const char *c = wire ? wire : ""; *c; c++)
		hash = hash * 33 + (uint8_t)*c;
	if (wire) {
		v->ether = ether_attach(f, wire, &end);
		if (!v->ether) {
			sim_fail(f, "wire=%s has two ends, and both are in use", wire);
			return false;
		}
	}
	memcpy(v->permanent_mac, (uint8_t[]){2, 0x82, 0x59, hash >> 8 & 0xff, hash & 0xff, end + 1}, 6);
	if (mac && !parse_mac(mac, v->permanent_mac)) {
		sim_fail(f, "mac=%s is no address of one station; write it as 02:00:00:00:00:01", mac);
		if (v->ether)
			ether_detach(v->ether);
		return false;
	}

	sim_set_ids(f, &ids);
	sim_add_bar(f, 0, SIM_BAR_M64, VF_REGS_BYTES);
	sim_trap_bar(f, 0);
	sim_add_bar(f, 3, SIM_BAR_M64, 16384);
	sim_add_pcie(f, true);
	sim_add_msix(f, VF_VECTORS, 3, 0, 0x2000);
	return true;
}

static void ixgbevf_reset(struct sim_function *f, enum sim_reset kind)
{
	(void)kind;
	restart(f, true);
}

static bool ixgbevf_poll(struct sim_function *f)
{
	struct ixgbevf *v = sim_state(f);
	bool busy = false;

	if (!v->ether)
		return false;
	for (unsigned q = 0; q < VF_QUEUES; q++)
		busy |= vf_transmit(f, q);
	busy |= vf_receive(f);
	return busy;
}

static void ixgbevf_exit(struct sim_function *f)
{
	struct ixgbevf *v = sim_state(f);

	if (v->ether)
		ether_detach(v->ether);
}

SIM_MODEL(ixgbevf, .state_bytes = sizeof(struct ixgbevf), .init = ixgbevf_init, .reset = ixgbevf_reset,
	  .poll = ixgbevf_poll, .load = ixgbevf_load, .store = ixgbevf_store, .exit = ixgbevf_exit)
