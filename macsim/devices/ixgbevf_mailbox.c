// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ixgbevf_mailbox.c - the physical function's side of the mailbox: addresses, filters, queues.
 *
 * A request is answered at once. Messages are those of mailbox API 1.3; newer ones are refused, and drivers go back.
 */
#include "ixgbevf.h"

#include <string.h>

#define MSG_SUCCESS 0x80000000u
#define MSG_FAILURE 0x40000000u
#define MSG_CTS     0x20000000u /* the driver is cleared to send requests */

enum {
	MSG_RESET = 1,
	MSG_SET_MAC,
	MSG_SET_MULTICAST,
	MSG_SET_VLAN,
	MSG_SET_LPE,
	MSG_SET_MACVLAN,
	MSG_NEGOTIATE = 8,
	MSG_GET_QUEUES,
	MSG_GET_RETA,
	MSG_GET_RSS_KEY,
	MSG_XCAST_MODE,
};

#define API_10 0
#define API_11 2
#define API_13 4

#define READ_TO_CLEAR (MAILBOX_PFSTS | MAILBOX_PFACK | MAILBOX_RSTD)

static void set_multicast(struct ixgbevf *v, unsigned count, const uint32_t *words)
{
	const unsigned most = 2 * (VFMBMEM_WORDS - 1);

	memset(v->hashes, 0, sizeof(v->hashes));
	for (unsigned i = 0; i < count && i < most; i++) {
		unsigned hash = words[i / 2] >> (16 * (i & 1)) & (VF_MC_HASHES - 1);

		v->hashes[hash / 8] |= 1u << hash % 8;
	}
}

/* Fills the answer's words after the first; false: refused. */
static bool answer(struct sim_function *f, uint32_t *msg)
{
	struct ixgbevf *v = sim_state(f);
	unsigned info = msg[0] >> 16 & 0xff;
	uint8_t mac[6];

	memcpy(mac, &msg[1], 6);
	switch (msg[0] & 0xffff) {
	case MSG_RESET:
		memcpy(v->mac, v->permanent_mac, 6);
		memcpy(&msg[1], v->mac, 6);
		msg[3] = 0; /* multicast hashes are bits 47:36 of the address */
		v->cleared_to_send = true;
		return true;
	case MSG_SET_MAC:
		if (mac[0] & 1 || !memcmp(mac, "\0\0\0\0\0", 6))
			return false;
		memcpy(v->mac, mac, 6);
		return true;
	case MSG_SET_MULTICAST:
		set_multicast(v, info, msg + 1);
		return true;
	case MSG_SET_VLAN:
		/* Tags are passed through untouched: there is nothing to filter but "no tag". */
		return !(msg[1] & 0xfff);
	case MSG_SET_LPE:
		if (msg[1] < 64 || msg[1] > ETHER_FRAME_MAX)
			return false;
		v->max_frame = msg[1];
		return true;
	case MSG_SET_MACVLAN:
		return !info; /* further addresses of this station: none; the empty list is fine */
	case MSG_NEGOTIATE:
		return msg[1] == API_10 || (msg[1] >= API_11 && msg[1] <= API_13);
	case MSG_GET_QUEUES:
		msg[1] = msg[2] = VF_QUEUES;
		msg[3] = msg[4] = 0; /* no tag of the physical function, queue 0 by default */
		return true;
	case MSG_GET_RETA:
		/* Two bits an entry, 128 entries: queues 0 and 1 by turns. */
		for (unsigned i = 1; i <= 8; i++)
			msg[i] = 0x44444444;
		return true;
	case MSG_XCAST_MODE:
		if (msg[1] > 3)
			return false;
		v->xcast = msg[1];
		return true;
	default:
		return false;
	}
}

static void request(struct sim_function *f)
{
	struct ixgbevf *v = sim_state(f);
	uint32_t msg[VFMBMEM_WORDS];
	bool granted;

	for (unsigned i = 0; i < VFMBMEM_WORDS; i++)
		msg[i] = sim_load32(vf_reg(f, VFMBMEM + 4 * i));
	granted = (v->cleared_to_send || (msg[0] & 0xffff) == MSG_RESET) && answer(f, msg);
	msg[0] |= granted ? MSG_SUCCESS : MSG_FAILURE;
	if (v->cleared_to_send && (msg[0] & 0xffff) != MSG_RESET)
		msg[0] |= MSG_CTS;
	for (unsigned i = 0; i < VFMBMEM_WORDS; i++)
		sim_store32(vf_reg(f, VFMBMEM + 4 * i), msg[i]);
	v->mailbox |= MAILBOX_PFACK | MAILBOX_PFSTS;
}

uint32_t vf_mailbox_load(struct sim_function *f)
{
	struct ixgbevf *v = sim_state(f);
	uint32_t value = v->mailbox;

	v->mailbox &= ~READ_TO_CLEAR;
	return value;
}

void vf_mailbox_store(struct sim_function *f, uint32_t value)
{
	struct ixgbevf *v = sim_state(f);

	/* The physical function never owns the buffer for longer than it takes to answer. */
	v->mailbox = (v->mailbox & ~MAILBOX_VFU) | (value & MAILBOX_VFU);
	if (value & MAILBOX_REQ)
		request(f);
}

/* What the physical function keeps stays over a reset by the driver, which announces itself again. */
void vf_mailbox_reset(struct sim_function *f, bool forget)
{
	struct ixgbevf *v = sim_state(f);

	v->mailbox = MAILBOX_RSTD;
	v->cleared_to_send = false;
	v->xcast = 0;
	memset(v->hashes, 0, sizeof(v->hashes));
	if (forget) {
		memcpy(v->mac, v->permanent_mac, 6);
		v->max_frame = 1518;
	}
}

bool vf_accepts(struct sim_function *f, const uint8_t *to)
{
	const struct ixgbevf *v = sim_state(f);
	unsigned hash = (unsigned)(to[4] >> 4 | to[5] << 4) & (VF_MC_HASHES - 1);

	if (!memcmp(to, v->mac, 6) || !memcmp(to, "\xff\xff\xff\xff\xff\xff", 6))
		return true;
	if (to[0] & 1)
		return v->xcast >= 2 || v->hashes[hash / 8] & 1u << hash % 8;
	return v->xcast >= 3;
}
