// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wire_peer.c - both sides of the simulated kernel without the libraries: a
 * dext that does as little as it may (and less), and clients that behave
 * badly.  tests/contract/macsim.sh starts it as both.
 */
#define _GNU_SOURCE
#include "macsim/wire/wire.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE         16384
#define NO_RESOURCES ((int32_t)0xe00002be)
#define BAD_ARGUMENT ((int32_t)0xe00002c2)
#define TIMEOUT      ((int32_t)0xe00002d6)
#define UNSUPPORTED  ((int32_t)0xe00002c7)
#define INVALID_DEST 0x10000003
#define SERVER_DIED  (-308)

enum selector { MAP, MAP_BEYOND_THE_END, RELEASE_ALL, HOT_RESET };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "wire_peer: %s\n", what);
	exit(1);
}

static int hello(enum mw_role role, uint64_t *token)
{
	struct mw_msg m = {.op = MW_HELLO, .a = {role, *token}};
	int sock = mw_connect();

	if (sock < 0 || mw_call(sock, &m, NULL, NULL, NULL, NULL))
		die("the kernel does not answer");
	if (m.ret) {
		close(sock);
		return -1;
	}
	*token = m.a[0];
	return sock;
}

static uint8_t payload[MW_MAX_PAYLOAD];

static struct mw_msg ask(int sock, struct mw_msg m, const void *in)
{
	static uint32_t seq;

	m.seq = ++seq;
	if (mw_call(sock, &m, in, NULL, payload, NULL))
		die("the kernel hung up");
	return m;
}

/* ---- the dext: remembers every mapping, completes them only when told ---- */

static uint64_t commands[65536];
static unsigned nr_commands;

static int32_t map_memory(int sock, uint64_t nub, uint64_t client, const uint64_t *range, uint64_t offset,
			  uint64_t *iova)
{
	struct mw_msg md =
		ask(sock, (struct mw_msg){.op = MW_MD_FROM_CLIENT, .len = 16, .a = {client, 0x13, 1}}, range);
	struct mw_msg dma = ask(sock, (struct mw_msg){.op = MW_DMA_CREATE, .a = {nub, 0, 0, 64}}, NULL);
	struct mw_msg m;

	if (md.ret || dma.ret)
		return md.ret ? md.ret : dma.ret;
	m = ask(sock, (struct mw_msg){.op = MW_DMA_PREPARE, .a = {dma.a[0], 0, md.a[0], offset, 0, 32}}, NULL);
	memcpy(iova, payload, sizeof(*iova));
	commands[nr_commands++] = dma.a[0];
	return m.ret;
}

static void answer_call(int sock, int calls, uint64_t nub, struct mw_msg *m, const uint64_t *scalars)
{
	uint64_t range[2], out = 0;

	memcpy(range, scalars, sizeof(range));
	switch (m->a[1]) {
	case MAP:
		m->ret = map_memory(calls, nub, m->a[0], range, 0, &out);
		break;
	case MAP_BEYOND_THE_END:
		m->ret = map_memory(calls, nub, m->a[0], range, range[1] + PAGE, &out);
		break;
	case HOT_RESET:
		m->ret = ask(calls, (struct mw_msg){.op = MW_PCI_RESET, .a = {nub, 1}}, NULL).ret;
		break;
	default:
		while (nr_commands)
			mw_send(calls, &(struct mw_msg){.op = MW_DMA_RELEASE, .a = {commands[--nr_commands]}}, NULL,
				NULL);
	}
	m->a[0] = 1;
	m->a[1] = 0;
	m->len = 8;
	mw_send(sock, m, &out, NULL);
}

static int dext(uint64_t token)
{
	static uint8_t in[MW_MAX_PAYLOAD];
	uint64_t service = 0, nub = 0;
	int calls = hello(MW_ROLE_DEXT, &token), upcalls = hello(MW_ROLE_DEXT_UPCALLS, &token);
	struct mw_msg m;

	while (mw_recv(upcalls, &m, in, NULL) == 0) {
		switch (m.op) {
		case MW_UP_START:
			service = m.a[0];
			nub = m.a[1];
			ask(calls, (struct mw_msg){.op = MW_DK_REGISTER_SERVICE, .a = {service}}, NULL);
			m.ret = 0;
			m.len = 0;
			mw_send(upcalls, &m, NULL, NULL);
			break;
		case MW_UP_NEW_USER_CLIENT:
			m.a[0] = ask(calls, (struct mw_msg){.op = MW_DK_CREATE, .len = 7, .a = {service}}, "Client")
					 .a[0];
			m.ret = 0;
			mw_send(upcalls, &m, NULL, NULL);
			break;
		case MW_UP_CALL:
			m.ret = 0;
			answer_call(upcalls, calls, nub, &m, (uint64_t *)in);
			break;
		case MW_UP_COPY_MEMORY:
			m.ret = UNSUPPORTED;
			m.len = 0;
			mw_send(upcalls, &m, NULL, NULL);
			break;
		case MW_UP_STOP:
			ask(calls, (struct mw_msg){.op = MW_DK_DID_STOP, .a = {m.a[0]}}, NULL);
			break;
		case MW_UP_EXIT:
			return 0;
		}
	}
	return 0;
}

/* ---- clients ---- */

struct client {
	uint64_t token;
	int calls, events;
	uint64_t service, connect;
};

static struct client open_service(void)
{
	struct client c = {0};
	struct mw_msg m;

	c.events = hello(MW_ROLE_CLIENT_EVENTS, &c.token);
	c.calls = hello(MW_ROLE_CLIENT, &c.token);
	m = ask(c.calls, (struct mw_msg){.op = MW_MATCH, .len = 18}, "VFIOUserPCIDriver");
	if (m.ret || m.len != 8)
		die("the service is not there");
	memcpy(&c.service, payload, 8);
	m = ask(c.calls, (struct mw_msg){.op = MW_SERVICE_OPEN, .a = {c.service}}, NULL);
	if (m.ret)
		die("the service does not open");
	c.connect = m.a[0];
	return c;
}

static int32_t call(struct client *c, enum selector selector, void *at, uint64_t length)
{
	uint64_t scalars[2] = {(uintptr_t)at, length};

	return ask(c->calls, (struct mw_msg){.op = MW_CALL, .len = 16, .a = {c->connect, selector, 2, 0, 1}}, scalars)
		.ret;
}

/* On a page of the DART, so that it takes no more of them than needed. */
static void *memory(size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes + PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p + (-(uintptr_t)p & (PAGE - 1));
}

static int leak(void)
{
	struct client c = open_service();

	return call(&c, MAP, memory(PAGE), PAGE);
}

static int tidy(void)
{
	struct client c = open_service();

	return call(&c, MAP, memory(PAGE), PAGE) || call(&c, RELEASE_ALL, NULL, 0);
}

static int beyond(void)
{
	struct client c = open_service();

	return call(&c, MAP_BEYOND_THE_END, memory(PAGE), PAGE);
}

/* Fills a window of 16 pages; the last answer has to be the expected one. */
static int fill(int32_t expected)
{
	struct client c = open_service();
	int32_t ret = 0;
	unsigned n = 0;

	while (!ret && n++ < 17)
		ret = call(&c, MAP, memory(PAGE), PAGE);
	if (ret != expected || n != 17)
		die("the window ended differently");
	return ret == SERVER_DIED ? 0 : call(&c, RELEASE_ALL, NULL, 0);
}

static int hot_reset(int32_t expected)
{
	struct client c = open_service();

	return call(&c, HOT_RESET, NULL, 0) != expected;
}

static void expect(struct mw_msg m, int32_t ret, const char *what)
{
	if (m.ret != ret) {
		fprintf(stderr, "wire_peer: %s: 0x%08x instead of 0x%08x\n", what, (uint32_t)m.ret, (uint32_t)ret);
		exit(1);
	}
}

/* Nothing a client sends may reach another task's objects, the dext's calls, or stop the kernel. */
static int hostile(void)
{
	struct client c = open_service();
	uint64_t none = 0, other = 0, forged = 1;
	int stranger = hello(MW_ROLE_CLIENT, &other), control = hello(MW_ROLE_CONTROL, &none), sock;
	const struct mw_msg steal = {.op = MW_CALL, .a = {c.connect, MAP}};

	expect(ask(stranger, steal, NULL), INVALID_DEST, "a call on another task's connection");
	expect(ask(stranger, (struct mw_msg){.op = MW_SERVICE_CLOSE, .a = {c.connect}}, NULL), INVALID_DEST,
	       "closing another task's connection");
	expect(ask(c.calls, (struct mw_msg){.op = MW_DK_TERMINATE, .a = {c.service}}, NULL), BAD_ARGUMENT,
	       "a dext's request from a client");
	expect(ask(c.calls, (struct mw_msg){.op = MW_CTL_UNPLUG, .len = 8}, "03:00.0"), BAD_ARGUMENT,
	       "a control request from a client");
	if (hello(MW_ROLE_DEXT, &forged) >= 0 || hello(MW_ROLE_DEXT_UPCALLS, &c.token) >= 0)
		die("a client passed for a dext");
	expect(ask(c.calls, (struct mw_msg){.op = MW_CALL, .a = {c.connect, MAP, 17, 0, 0}}, NULL), BAD_ARGUMENT,
	       "17 scalars");
	expect(ask(c.calls, (struct mw_msg){.op = MW_CALL, .a = {c.connect, MAP, 2, 0, 0}}, NULL), BAD_ARGUMENT,
	       "scalars that were not sent");
	expect(ask(c.calls, (struct mw_msg){.op = MW_CALL, .a = {c.connect, MAP, 0, 1ull << 40, 0}}, NULL),
	       BAD_ARGUMENT, "a structure that was not sent");
	expect(ask(c.calls, (struct mw_msg){.op = MW_MEMORY}, NULL), BAD_ARGUMENT, "memory without a file");

	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		static const uint32_t bases[] = {0x100, 0x180, 0x200, 0x300, 0x340, 0x360, 0x380, 0x3a0, 0x400};
		struct mw_msg m = {.op = bases[rand() % 9] + rand() % 16, .seq = i};
		uint8_t junk[256];
		for (unsigned k = 0; k < sizeof(junk); k++)
			junk[k] = rand();
		for (unsigned k = 0; k < 10; k++)
			m.a[k] = rand() % 3 ? (uint64_t)(rand() % 40) : rand() % 2 ? c.connect : ~(uint64_t)rand();
		m.len = rand() % sizeof(junk);
		/* The control socket may do harm; a client may not. */
		if (mw_send(c.calls, &m, junk, NULL) || mw_recv(c.calls, &m, payload, NULL))
			die("the kernel hung up on nonsense");
	}
	for (unsigned i = 0; i < 50; i++) {
		struct mw_msg m = {.op = MW_HELLO, .len = 0xffffffff};
		sock = mw_connect();
		if (sock < 0 || write(sock, &m, 8 + i) < 0)
			die("no more connections");
		close(sock);
	}
	expect(ask(control, (struct mw_msg){.op = MW_CTL_STATUS}, NULL), 0, "the status after all that");
	expect(ask(stranger, (struct mw_msg){.op = MW_MATCH, .len = 18}, "VFIOUserPCIDriver"), 0,
	       "matching after all that");
	return 0;
}

int main(int argc, char **argv)
{
	const char *task = getenv("MACSIM_TASK"), *what = argc > 1 ? argv[1] : "";

	if (task)
		return dext(strtoull(task, NULL, 0));
	if (!strcmp(what, "leak"))
		return leak();
	if (!strcmp(what, "tidy"))
		return tidy();
	if (!strcmp(what, "beyond"))
		return beyond();
	if (!strcmp(what, "full"))
		return fill(NO_RESOURCES);
	if (!strcmp(what, "full-until-death"))
		return fill(SERVER_DIED);
	if (!strcmp(what, "hot-reset"))
		return hot_reset(0);
	if (!strcmp(what, "hot-reset-loses-link"))
		return hot_reset(TIMEOUT);
	if (!strcmp(what, "hostile"))
		return hostile();
	die("unknown client");
}
