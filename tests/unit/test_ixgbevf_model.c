// SPDX-License-Identifier: GPL-2.0-or-later
/* Two network functions with a cable between them, driven directly by a host driver small enough to read. */
#include "model_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define VFCTRL  0x000
#define VFLINKS 0x010
#define EICR    0x100
#define EICS    0x104
#define EIMS    0x108
#define EIMC    0x10c
#define EIAC    0x110
#define EIAM    0x114
#define IVAR    0x120
#define MBMEM   0x200
#define MAILBOX 0x2fc
#define RX(q)   (0x1000 + 0x40 * (q))
#define TX(q)   (0x2000 + 0x40 * (q))
#define BAL     0x00
#define LEN     0x08
#define HEAD    0x10
#define SRRCTL  0x14
#define TAIL    0x18
#define CTL     0x28
#define ENABLE  (1u << 25)
#define GPTC    0x201c

#define REQ   1u
#define ACK   2u
#define VFU   4u
#define PFSTS (1u << 4)
#define PFACK (1u << 5)
#define RSTD  (1u << 7)
#define YES   0x80000000u
#define NO    0x40000000u
#define CTS   0x20000000u

#define EOP     (1u << 24)
#define RS      (1u << 27)
#define DEXT    (1u << 29)
#define TSE     (1u << 31)
#define DATA    (3u << 20 | DEXT)
#define CONTEXT (2u << 20 | DEXT)
#define TXSM    (1u << 9)
#define IXSM    (1u << 8)

#define L4CS (1u << 5)
#define IPCS (1u << 6)
#define L4E  (1u << 30)

#define ENTRIES   64u
#define IOVA(at)  (MEMORY_IOVA + (at))
#define RX_AT     0x10000
#define TX_AT     0x20000
#define DATA_AT   0x100000
#define BUFFER(i) (0x800000 + 0x1000 * (i))

static struct sim_function *a, *b;
static uint32_t tx_tail, rx_next;

static uint32_t load(struct sim_function *f, uint32_t at)
{
	return model_load(f, 0, at);
}

static void store(struct sim_function *f, uint32_t at, uint32_t value)
{
	model_store(f, 0, at, value);
}

static uint32_t get32(struct sim_function *f, uint32_t at)
{
	uint32_t v;

	memcpy(&v, f->memory + at, 4);
	return v;
}

/* The mailbox as a driver uses it; the answer's first word. */
static uint32_t ask(struct sim_function *f, uint32_t first, uint32_t second, uint32_t third)
{
	uint32_t state;

	store(f, MAILBOX, VFU);
	assert_true(load(f, MAILBOX) & VFU);
	store(f, MBMEM, first);
	store(f, MBMEM + 4, second);
	store(f, MBMEM + 8, third);
	store(f, MAILBOX, REQ);
	state = load(f, MAILBOX);
	assert_true(state & PFACK && state & PFSTS && !(state & VFU));
	assert_false(load(f, MAILBOX) & (PFACK | PFSTS)); /* a load clears them */
	store(f, MAILBOX, VFU);
	first = load(f, MBMEM);
	store(f, MAILBOX, ACK);
	return first;
}

static void up(struct sim_function *f)
{
	assert_int_equal(ask(f, 1, 0, 0), YES | 1);
	assert_int_equal(ask(f, 8, 4, 0), YES | CTS | 8);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		uint64_t iova[2] = {IOVA(BUFFER(i)), 0};

		memcpy(f->memory + RX_AT + 16 * i, iova, 16);
	}
	store(f, RX(0) + BAL, (uint32_t)IOVA(RX_AT));
	store(f, RX(0) + LEN, ENTRIES * 16);
	store(f, RX(0) + HEAD, 0);
	store(f, RX(0) + SRRCTL, 1u << 25 | 2);
	store(f, RX(0) + CTL, ENABLE);
	store(f, RX(0) + TAIL, ENTRIES - 1);
	store(f, TX(0) + BAL, (uint32_t)IOVA(TX_AT));
	store(f, TX(0) + LEN, ENTRIES * 16);
	store(f, TX(0) + HEAD, 0);
	store(f, TX(0) + TAIL, 0);
	store(f, TX(0) + CTL, ENABLE);
	store(f, IVAR, 0x80 | 0x81 << 8); /* reception on vector 0, transmission on 1 */
	store(f, EIAC, 7);
	store(f, EIAM, 7);
	store(f, EIMS, 7);
	tx_tail = rx_next = 0;
}

static int start(void **state)
{
	const char *options[] = {"wire", "test", NULL};

	(void)state;
	a = model_start("ixgbevf", options);
	b = model_start("ixgbevf", options);
	if (!a || !b)
		return -1;
	up(a);
	up(b);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	model_stop(a);
	model_stop(b);
	return 0;
}

static void describe(uint32_t low, uint32_t high, uint32_t command, uint32_t options)
{
	uint32_t d[4] = {low, high, command, options};

	memcpy(a->memory + TX_AT + 16 * tx_tail, d, 16);
	tx_tail = (tx_tail + 1) % ENTRIES;
}

static void describe_data(uint32_t at, uint32_t bytes, uint32_t command, uint32_t options)
{
	describe((uint32_t)IOVA(at), 0, DATA | command | bytes, options);
}

static void go(void)
{
	store(a, TX(0) + TAIL, tx_tail);
	model_settle(a, 20);
	model_settle(b, 20);
}

/* A TCP packet in a's memory, with the sum of its pseudo header, without the length when it will be segmented. */
static void packet(uint32_t payload, bool segment)
{
	/* clang-format off */
	static const uint8_t head[54] = {
		2, 0x82, 0x59, 0, 0, 2, 2, 0x82, 0x59, 0, 0, 1, 8, 0, /* Ethernet */
		0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, /* IP */
		1, 2, 3, 4, 0, 0, 0xff, 0xf0, 0, 0, 0, 0, 0x50, 0x19, 1, 0, 0, 0, 0, 0, /* TCP: FIN, PSH, ACK */
	};
	/* clang-format on */
	uint8_t *p = a->memory + DATA_AT;
	uint32_t sum = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 6 + (segment ? 0 : 20 + payload);

	memcpy(p, head, 54);
	for (uint32_t i = 0; i < payload; i++)
		p[54 + i] = (uint8_t)(i * 7 + i / 256);
	/* To whom: what the other one got from its physical function. */
	memcpy(p, "\x02\x82\x59", 3);
	for (unsigned i = 0; i < 2; i++) {
		struct sim_function *f = i ? a : b;

		ask(f, 1, 0, 0);
		for (unsigned n = 0; n < 6; n++)
			p[6 * i + n] = (uint8_t)(load(f, MBMEM + 4 + n / 4 * 4) >> (n % 4 * 8));
		ask(f, 8, 4, 0);
	}
	p[16] = (uint8_t)((40 + payload) >> 8);
	p[17] = (uint8_t)(40 + payload);
	sum = (sum & 0xffff) + (sum >> 16);
	p[50] = (uint8_t)(sum >> 8);
	p[51] = (uint8_t)sum;
}

static void context(uint32_t mss)
{
	describe(14u << 9 | 20, 0, CONTEXT | 1 << 10 | 1 << 11, mss << 16 | 20 << 8);
}

/* The next frame b has received; NULL: none. */
static const uint8_t *received(uint32_t *bytes, uint32_t *status)
{
	uint32_t at = RX_AT + 16 * rx_next;
	const uint8_t *data = b->memory + BUFFER(rx_next);

	*status = get32(b, at + 8);
	if (!(*status & 1))
		return NULL;
	assert_true(*status & 2);
	*bytes = get32(b, at + 12) & 0xffff;
	rx_next = (rx_next + 1) % ENTRIES;
	return data;
}

static void registers(void **state)
{
	(void)state;
	assert_int_equal(a->ids.vendor, 0x8086);
	assert_int_equal(a->ids.class_code, 0x020000);
	assert_true(a->has_flr && a->bar_trapped[0]);
	assert_int_equal(a->msix_vectors, 3);
	assert_int_equal(load(a, VFLINKS), 0x70000000);
	store(a, VFLINKS, 0);
	assert_int_equal(load(a, VFLINKS), 0x70000000);
	store(a, RX(0) + HEAD, 9); /* the device's, while it runs */
	assert_int_equal(load(a, RX(0) + HEAD), 0);
	store(a, VFCTRL, 1 << 26);
	assert_true(load(a, MAILBOX) & RSTD);
	assert_false(load(a, MAILBOX) & RSTD);
	assert_int_equal(load(a, RX(0) + CTL), 0);
	assert_int_equal(load(a, EIMS), 0);
}

static void mailbox(void **state)
{
	(void)state;
	store(a, VFCTRL, 1 << 26);
	(void)load(a, MAILBOX);
	assert_int_equal(ask(a, 9, 0, 0), NO | 9); /* nothing before the driver has announced itself */
	assert_int_equal(ask(a, 1, 0, 0), YES | 1);
	assert_int_equal(load(a, MBMEM + 4) & 0xffffff, 0x598202);
	assert_int_equal(ask(a, 8, 6, 0), NO | CTS | 8); /* too new, and then one it knows */
	assert_int_equal(ask(a, 8, 4, 0), YES | CTS | 8);
	assert_int_equal(ask(a, 9, 0, 0), YES | CTS | 9);
	assert_int_equal(load(a, MBMEM + 4), 2);
	assert_int_equal(ask(a, 2, 0x00000201, 0), NO | CTS | 2); /* a group is no station */
	assert_int_equal(ask(a, 2, 0x04030202, 0x0605), YES | CTS | 2);
	assert_int_equal(ask(a, 5, 20000, 0), NO | CTS | 5);
	assert_int_equal(ask(a, 4 | 1 << 16, 7, 0), NO | CTS | 1 << 16 | 4); /* no tags */
	assert_int_equal(ask(a, 0xff, 0, 0), NO | CTS | 0xff);
}

static void interrupts(void **state)
{
	unsigned before = a->msis[0];

	(void)state;
	store(a, EICS, 1);
	assert_int_equal(a->msis[0], before + 1);
	assert_int_equal(load(a, EIMS), 6); /* EIAM has masked it */
	store(a, EICS, 1);
	store(a, EICS, 1);
	assert_int_equal(a->msis[0], before + 1);
	store(a, EIMS, 1);
	assert_int_equal(a->msis[0], before + 2);
	assert_int_equal(load(a, EICR), 0); /* EIAC has cleared it */
	store(a, EIMC, 7);
	store(a, EIMS, 2); /* one store does not undo another */
	store(a, EIMS, 4);
	assert_int_equal(load(a, EIMS), 6);
	store(a, EICS, 1);
	assert_int_equal(load(a, EICR), 1);
	assert_int_equal(load(a, EICR), 0);
	store(a, EIMS, 1);
	assert_int_equal(a->msis[0], before + 2);
}

static void frames_arrive(void **state)
{
	uint32_t bytes, status;
	const uint8_t *p;

	(void)state;
	packet(1000, false);
	context(0);
	describe_data(DATA_AT, 54, 0, TXSM | IXSM);
	describe_data(DATA_AT + 54, 1000, EOP | RS, 0);
	go();
	assert_int_equal(load(a, TX(0) + HEAD), 3);
	assert_int_equal(get32(a, TX_AT + 16 * 2 + 12) & 1, 1); /* done */
	assert_int_equal(a->msis[1], 1);
	assert_int_equal(b->msis[0], 1);
	p = received(&bytes, &status);
	assert_non_null(p);
	assert_int_equal(bytes, 1054);
	assert_int_equal(status & (L4CS | IPCS | L4E | 1u << 31), L4CS | IPCS); /* both sums are there, and right */
	assert_memory_equal(p + 54, a->memory + DATA_AT + 54, 1000);
	assert_null(received(&bytes, &status));

	/* Without the offload it goes out as it is, and its sum is found to be wrong; short ones are padded. */
	packet(1, false);
	describe_data(DATA_AT, 55, EOP | RS, 0);
	go();
	assert_non_null(received(&bytes, &status));
	assert_int_equal(bytes, 60);
	assert_true(status & L4CS && status & L4E);
}

static void segmentation(void **state)
{
	uint32_t at = 0, bytes, status;
	const uint8_t *p;

	(void)state;
	packet(10000, true);
	context(1448);
	describe_data(DATA_AT, 5000, TSE, TXSM | IXSM);
	describe_data(DATA_AT + 5000, 5054, EOP | RS, 0);
	go();
	for (unsigned i = 0; i < 7; i++) {
		uint32_t n = i < 6 ? 1448 : 10000 - 6 * 1448;

		p = received(&bytes, &status);
		assert_non_null(p);
		assert_int_equal(bytes, 54 + n);
		assert_int_equal(status & (L4CS | IPCS | L4E | 1u << 31), L4CS | IPCS);
		assert_memory_equal(p + 54, a->memory + DATA_AT + 54 + at, n);
		assert_int_equal(p[16] << 8 | p[17], 40 + n);
		assert_int_equal(p[18] << 8 | p[19], 0x1234 + i);
		assert_int_equal((uint32_t)p[38] << 24 | p[39] << 16 | p[40] << 8 | p[41], 0xfff0 + at);
		assert_int_equal(p[47], i < 6 ? 0x10 : 0x19); /* FIN and PSH with the last */
		at += n;
	}
	assert_null(received(&bytes, &status));
}

static void filters(void **state)
{
	uint32_t bytes, status;
	uint8_t *to = a->memory + DATA_AT;

	(void)state;
	packet(100, false);
	to[5] ^= 0x80; /* somebody else */
	describe_data(DATA_AT, 154, EOP | RS, 0);
	go();
	assert_null(received(&bytes, &status));
	ask(b, 0x0c, 3, 0); /* promiscuous */
	describe_data(DATA_AT, 154, EOP | RS, 0);
	go();
	assert_non_null(received(&bytes, &status));
	ask(b, 0x0c, 0, 0);
	memset(to, 0xff, 6);
	describe_data(DATA_AT, 154, EOP | RS, 0);
	go();
	assert_non_null(received(&bytes, &status));
	memcpy(to, "\x33\x33\x00\x00\x12\x34", 6);
	describe_data(DATA_AT, 154, EOP | RS, 0);
	go();
	assert_null(received(&bytes, &status));
	ask(b, 3 | 1 << 16, 0x341, 0); /* bits 47:36 of that address */
	describe_data(DATA_AT, 154, EOP | RS, 0);
	go();
	assert_non_null(received(&bytes, &status));
}

/* A frame larger than a buffer takes several; one larger than allowed none. */
static void large_frames(void **state)
{
	uint32_t at;

	(void)state;
	ask(a, 5, 9000, 0);
	packet(5000, false);
	describe_data(DATA_AT, 5054, EOP | RS, 0);
	go();
	assert_int_equal(load(b, RX(0) + HEAD), 0);
	packet(5000, false);
	ask(b, 5, 9000, 0);
	describe_data(DATA_AT, 5054, EOP | RS, 0);
	go();
	assert_int_equal(load(b, RX(0) + HEAD), 3);
	for (unsigned i = 0; i < 3; i++) {
		at = RX_AT + 16 * i;
		assert_int_equal(get32(b, at + 8) & 3, i < 2 ? 1 : 3);
		assert_int_equal(get32(b, at + 12), i < 2 ? 2048 : 5054 - 4096);
	}
}

/* Without buffers frames wait; then the sender waits; when the receiver has gone nobody does. */
static void full_cable(void **state)
{
	(void)state;
	packet(1000, false);
	store(b, RX(0) + TAIL, 0);
	for (unsigned i = 0; i < 300; i++) {
		describe_data(DATA_AT, 1054, EOP | RS, 0);
		store(a, TX(0) + TAIL, tx_tail);
		while (model_poll(a))
			;
		if (load(a, TX(0) + HEAD) != tx_tail)
			break;
	}
	assert_int_not_equal(load(a, TX(0) + HEAD), tx_tail);
	assert_false(model_poll(b));
	assert_int_equal(load(b, RX(0) + HEAD), 0);
	a->woken = false;
	store(b, RX(0) + CTL, 0);
	assert_true(a->woken);
	model_settle(a, 20);
	assert_int_equal(load(a, TX(0) + HEAD), tx_tail);
	store(b, RX(0) + CTL, ENABLE);
	store(b, RX(0) + TAIL, 5);
	model_settle(b, 2);
	assert_int_equal(load(b, RX(0) + HEAD), 0);
}

static void nonsense_stops_the_queue(void **state)
{
	/* What cannot be sent is taken, what cannot be read is not. */
	const uint32_t gone[] = {0, 2, 2, 1, 0, 0, 0, 0, 0};

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		store(a, TX(0) + CTL, 0);
		store(a, TX(0) + HEAD, 0);
		store(a, TX(0) + TAIL, 0);
		store(a, TX(0) + LEN, ENTRIES * 16);
		store(a, TX(0) + CTL, ENABLE);
		tx_tail = 0;
		packet(1000, true);
		switch (i) {
		case 0: /* a legacy descriptor */
			describe((uint32_t)IOVA(DATA_AT), 0, EOP | 100, 0);
			break;
		case 1: /* segments of one byte */
			context(1);
			describe_data(DATA_AT, 1054, EOP | TSE, TXSM);
			break;
		case 2: /* headers longer than the packet */
			context(1000);
			describe_data(DATA_AT, 40, EOP | TSE, TXSM);
			break;
		case 3: /* no context was given */
			describe_data(DATA_AT, 1054, EOP | TSE, TXSM);
			break;
		case 4: /* memory it has not got */
			describe(0x1000, 0, DATA | EOP | 100, 0);
			break;
		case 5:
			describe_data(DATA_AT, 0, EOP, 0);
			break;
		case 6: /* a packet without end, of everything there is */
			for (unsigned n = 0; n < ENTRIES - 1; n++)
				describe_data(DATA_AT, 0xffff, 0, 0);
			break;
		case 7:
			store(a, TX(0) + LEN, 100);
			tx_tail = 1;
			break;
		case 8:
			tx_tail = 1000;
			break;
		}
		store(a, TX(0) + TAIL, tx_tail);
		model_settle(a, 3);
		assert_int_equal(load(a, TX(0) + HEAD), gone[i]);
		assert_int_equal(load(a, GPTC), 0); /* sent */
	}
	/* Enabled again it works. */
	store(a, TX(0) + CTL, 0);
	store(a, TX(0) + LEN, ENTRIES * 16);
	store(a, TX(0) + HEAD, 0);
	store(a, TX(0) + TAIL, 0);
	store(a, TX(0) + CTL, ENABLE);
	tx_tail = 0;
	packet(100, false);
	describe_data(DATA_AT, 154, EOP | RS, 0);
	go();
	assert_int_equal(get32(a, TX_AT + 12) & 1, 1);
}

static void resets_drop_work(void **state)
{
	uint32_t bytes, status;

	(void)state;
	packet(1000, false);
	describe_data(DATA_AT, 1054, EOP | RS, 0);
	store(a, TX(0) + TAIL, tx_tail);
	model_reset(a, SIM_RESET_FLR);
	assert_false(model_poll(a));
	assert_int_equal(load(a, TX(0) + TAIL), 0);
	assert_null(received(&bytes, &status));
	up(a);
	/* On the cable already when the receiver is reset. */
	packet(1000, false);
	describe_data(DATA_AT, 1054, EOP | RS, 0);
	store(a, TX(0) + TAIL, tx_tail);
	model_settle(a, 2);
	model_reset(b, SIM_RESET_FLR);
	up(b);
	assert_false(model_poll(b));
	assert_null(received(&bytes, &status));
}

static void random_driver(void **state)
{
	uint64_t seed = 20260401;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t r = model_random(&seed);
		struct sim_function *f = r >> 63 ? a : b;
		uint32_t at = (r >> 8 & 3) == 0 ? (uint32_t)(r >> 16) % 4096 * 4
			      : r >> 8 & 1      ? RX(r >> 10 & 1) + (r >> 16 & 0x3c)
						: TX(r >> 10 & 1) + (r >> 16 & 0x3c);

		switch (r & 15) {
		case 0:
		case 1:
			store(f, at, (uint32_t)model_random(&seed));
			break;
		case 2:
			f->memory[RX_AT + (r >> 16) % 0x20000] = (uint8_t)model_random(&seed);
			break;
		case 3:
			store(f, MBMEM, (r >> 16 & 15) | (r >> 20 & 0xff) << 16);
			store(f, MAILBOX, REQ);
			break;
		case 4:
			if (f == a && tx_tail < ENTRIES - 4)
				context(r >> 40 & 0x7ff);
			break;
		case 5:
			if (f == a && tx_tail < ENTRIES - 4)
				describe_data(DATA_AT, r >> 40 & 0x3fff, (r >> 20 & 0xff) << 24, (uint32_t)(r >> 30));
			break;
		case 6:
			store(a, TX(0) + TAIL, tx_tail);
			break;
		case 7:
			if (!(r >> 30 & 63)) {
				model_reset(f, SIM_RESET_FLR);
				up(f);
			}
			break;
		default:
			(void)load(f, at);
			model_poll(f);
		}
	}
	model_reset(a, SIM_RESET_FLR);
	model_reset(b, SIM_RESET_FLR);
	up(a);
	up(b);
	frames_arrive(NULL);
}

static void options_are_checked(void **state)
{
	const char *wire[] = {"wire", "w", NULL}, *bad[] = {"wire", "v", "mac", "01:00:00:00:00:01", NULL},
		   *none[] = {NULL};
	struct sim_function *x = model_start("ixgbevf", wire), *y;

	(void)state;
	assert_non_null(x);
	assert_int_equal(load(x, VFLINKS), 0); /* nobody at the other end */
	y = model_start("ixgbevf", wire);
	assert_int_equal(load(x, VFLINKS), 0x70000000);
	assert_null(model_start("ixgbevf", wire));
	assert_non_null(strstr(model_failure, "both"));
	model_stop(y);
	assert_int_equal(load(x, VFLINKS), 0);
	model_stop(x);
	assert_null(model_start("ixgbevf", bad));
	x = model_start("ixgbevf", none);
	assert_non_null(x);
	assert_int_equal(load(x, VFLINKS), 0);
	model_stop(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(registers, start, stop),
		cmocka_unit_test_setup_teardown(mailbox, start, stop),
		cmocka_unit_test_setup_teardown(interrupts, start, stop),
		cmocka_unit_test_setup_teardown(frames_arrive, start, stop),
		cmocka_unit_test_setup_teardown(segmentation, start, stop),
		cmocka_unit_test_setup_teardown(filters, start, stop),
		cmocka_unit_test_setup_teardown(large_frames, start, stop),
		cmocka_unit_test_setup_teardown(full_cable, start, stop),
		cmocka_unit_test_setup_teardown(nonsense_stops_the_queue, start, stop),
		cmocka_unit_test_setup_teardown(resets_drop_work, start, stop),
		cmocka_unit_test_setup_teardown(random_driver, start, stop),
		cmocka_unit_test(options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
