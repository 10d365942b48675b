// SPDX-License-Identifier: GPL-2.0-or-later
/* The NVMe function, driven directly by a host driver small enough to read. */
#define _GNU_SOURCE
#include "model_disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CC    0x14
#define CSTS  0x1c
#define CC_ON 0x460001u /* IOCQES 4, IOSQES 6, EN */
#define RDY   1u
#define CFS   2u

#define PAGE    4096u
#define ENTRIES 16u

/* Host memory: one page per queue, then lists and data. */
#define SQ_AT(q) (0x2000 * (q))
#define CQ_AT(q) (0x2000 * (q) + 0x1000)
#define LIST_AT  0x100000
#define DATA_AT  0x200000
#define BACK_AT  0xa00000

enum {
	DELETE_SQ,
	CREATE_SQ,
	GET_LOG,
	DELETE_CQ = 4,
	CREATE_CQ,
	IDENTIFY,
	ABORT = 8,
	SET_FEATURES,
	GET_FEATURES,
	AER = 12
};
enum { FLUSH, WRITE, READ, WRITE_ZEROES = 8, DSM };

struct command {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid;
	uint64_t reserved, mptr, prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct completion {
	uint32_t dw0, dw1;
	uint16_t sq_head, sq_id, cid, status;
};

struct queue {
	uint32_t sq_entries, cq_entries, tail, head;
	bool phase;
};

static struct queue queues[9];
static uint16_t next_cid;

/* The host driver */

static uint32_t load(uint32_t offset)
{
	return model_load(f, 0, offset);
}

static void store(uint32_t offset, uint32_t value)
{
	model_store(f, 0, offset, value);
}

static void queue_is(unsigned q, uint32_t sq_entries, uint32_t cq_entries)
{
	queues[q] = (struct queue){.sq_entries = sq_entries, .cq_entries = cq_entries, .phase = true};
	memset(f->memory + CQ_AT(q), 0, PAGE);
}

static void enable(void)
{
	queue_is(0, ENTRIES, ENTRIES);
	store(0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	model_store64(f, 0, 0x28, IOVA(SQ_AT(0)));
	model_store64(f, 0, 0x30, IOVA(CQ_AT(0)));
	store(CC, CC_ON);
	model_settle(f, 2);
}

static uint16_t submit(unsigned q, struct command c)
{
	c.cid = ++next_cid;
	memcpy(f->memory + SQ_AT(q) + queues[q].tail * sizeof(c), &c, sizeof(c));
	queues[q].tail = (queues[q].tail + 1) % queues[q].sq_entries;
	store(0x1000 + 8 * q, queues[q].tail);
	return c.cid;
}

static bool reap(unsigned q, struct completion *c)
{
	struct queue *queue = &queues[q];

	memcpy(c, f->memory + CQ_AT(q) + queue->head * sizeof(*c), sizeof(*c));
	if ((c->status & 1) != queue->phase)
		return false;
	queue->head = (queue->head + 1) % queue->cq_entries;
	queue->phase ^= queue->head == 0;
	store(0x1000 + 8 * q + 4, queue->head);
	return true;
}

static struct completion run(unsigned q, struct command c)
{
	uint16_t cid = submit(q, c);
	struct completion done;

	model_settle(f, 4);
	assert_true(reap(q, &done));
	assert_int_equal(done.cid, cid);
	assert_int_equal(done.sq_id, q);
	assert_int_equal(done.sq_head, queues[q].tail);
	return done;
}

/* Status code type and status code, without "do not retry". */
static unsigned status(unsigned q, struct command c)
{
	return run(q, c).status >> 1 & 0x7ff;
}

static unsigned create_queues(unsigned q, uint32_t sq_entries, uint32_t cq_entries)
{
	unsigned bad;

	queue_is(q, sq_entries, cq_entries);
	bad = status(0, (struct command){.opcode = CREATE_CQ,
					 .prp1 = IOVA(CQ_AT(q)),
					 .cdw10 = (cq_entries - 1) << 16 | q,
					 .cdw11 = q << 16 | 3});
	return bad ? bad
		   : status(0, (struct command){.opcode = CREATE_SQ,
						.prp1 = IOVA(SQ_AT(q)),
						.cdw10 = (sq_entries - 1) << 16 | q,
						.cdw11 = q << 16 | 1});
}

/* A read or write of `blocks` blocks at PRPs as given. */
static struct command transfer(uint8_t opcode, uint64_t lba, uint32_t blocks, uint64_t prp1, uint64_t prp2)
{
	return (struct command){.opcode = opcode,
				.nsid = 1,
				.prp1 = prp1,
				.prp2 = prp2,
				.cdw10 = (uint32_t)lba,
				.cdw11 = (uint32_t)(lba >> 32),
				.cdw12 = blocks - 1};
}

/*
 * PRPs for `bytes` at host memory `at` (any offset in its page), with the list
 * starting at `list`, chained into the following pages when it does not fit.
 */
static struct command describe(struct command c, uint32_t at, uint32_t bytes, uint32_t list)
{
	uint32_t first = PAGE - at % PAGE, pages;
	uint64_t page;

	c.prp1 = IOVA(at);
	if (bytes <= first)
		return c;
	pages = (bytes - first + PAGE - 1) / PAGE;
	page = IOVA(at + first);
	if (pages == 1) {
		c.prp2 = page;
		return c;
	}
	c.prp2 = IOVA(list);
	for (; pages; list += 8) {
		uint64_t entry = page;

		if (list % PAGE == PAGE - 8 && pages > 1)
			entry = IOVA(list + 8 + PAGE); /* the next list page is not adjacent */
		else
			page += PAGE, pages--;
		memcpy(f->memory + list, &entry, 8);
		if (entry == IOVA(list + 8 + PAGE))
			list += PAGE;
	}
	return c;
}

static void noise(uint32_t at, uint32_t bytes)
{
	static uint64_t seed = 99;

	for (uint32_t i = 0; i < bytes; i++)
		f->memory[at + i] = (uint8_t)model_random(&seed);
}

static void assert_file(uint64_t at, uint32_t memory, uint32_t bytes)
{
	uint8_t *got = malloc(bytes);

	assert_int_equal(pread(file, got, bytes, (off_t)at), bytes);
	assert_memory_equal(got, f->memory + memory, bytes);
	free(got);
}

/* Fixtures */

static void start_with(const char *key, const char *value, const char *key2, const char *value2)
{
	static const char *options[7];

	options[0] = "file";
	options[1] = path;
	options[2] = key;
	options[3] = value;
	options[4] = key2;
	options[5] = value2;
	f = model_start("nvme", options);
}

static int start(void **state)
{
	(void)state;
	empty_file();
	start_with("mdts", "2097152", NULL, NULL);
	return f ? 0 : -1;
}

static int start_ready(void **state)
{
	if (start(state))
		return -1;
	enable();
	return create_queues(1, ENTRIES, ENTRIES) ? -1 : 0;
}

/* Registers and states */

static void power_on_registers(void **state)
{
	(void)state;
	assert_int_equal(f->ids.class_code, 0x010802);
	assert_int_equal(load(0) & 0xffff, 1023); /* MQES */
	assert_int_equal(load(4) & 0xf, 0);       /* DSTRD */
	assert_true(load(4) & 1 << 5);            /* the NVM command set */
	assert_int_equal(load(8), 0x10400);
	assert_int_equal(load(CSTS), 0);
	store(0, 0);
	store(CSTS, ~0u);
	model_poll(f);
	assert_int_equal(load(0) & 0xffff, 1023);
	assert_int_equal(load(CSTS), 0);
}

static void enable_handshake(void **state)
{
	(void)state;
	enable();
	assert_int_equal(load(CSTS), RDY);
	store(CC, CC_ON & ~1u);
	model_settle(f, 2);
	assert_int_equal(load(CSTS), 0);
	enable();
	assert_int_equal(load(CSTS), RDY);
}

static void enable_with_nonsense_fails(void **state)
{
	(void)state;
	store(0x24, 0);
	store(CC, CC_ON);
	model_settle(f, 2);
	assert_int_equal(load(CSTS), CFS);
	store(CC, 0);
	model_settle(f, 2);
	enable();
	assert_int_equal(load(CSTS), RDY);
	store(CC, 0);
	model_settle(f, 2);
	store(CC, CC_ON | 5 << 7); /* 128 KiB pages */
	model_settle(f, 2);
	assert_int_equal(load(CSTS), CFS);
}

static void shutdown_is_reported(void **state)
{
	(void)state;
	store(CC, CC_ON | 1 << 14);
	model_settle(f, 2);
	assert_int_equal(load(CSTS) & 0xc, 0x8);
	/* Nothing is executed any more... */
	submit(1, (struct command){.opcode = FLUSH, .nsid = 1});
	model_settle(f, 2);
	assert_false(f->reading);
	/* ...until the controller has been reset. */
	store(CC, CC_ON & ~1u);
	model_settle(f, 2);
	assert_int_equal(load(CSTS), 0);
	enable();
	assert_int_equal(load(CSTS), RDY);
}

static void resets_drop_work(void **state)
{
	(void)state;
	submit(1, (struct command){.opcode = FLUSH, .nsid = 1});
	store(CC, CC_ON & ~1u);
	model_settle(f, 2);
	enable();
	model_settle(f, 2);
	assert_false(f->writing);
	assert_int_equal(create_queues(1, ENTRIES, ENTRIES), 0); /* free again, doorbell at zero */
	model_settle(f, 2);
	assert_int_equal(status(1, (struct command){.opcode = FLUSH, .nsid = 1}), 0);

	submit(1, (struct command){.opcode = FLUSH, .nsid = 1});
	model_reset(f, SIM_RESET_FLR);
	model_settle(f, 2);
	assert_false(f->reading);
	assert_int_equal(load(CC), 0);
	assert_int_equal(load(CSTS), 0);
	assert_int_equal(load(8), 0x10400);
	enable();
	assert_int_equal(create_queues(1, ENTRIES, ENTRIES), 0);
	assert_int_equal(status(1, (struct command){.opcode = FLUSH, .nsid = 1}), 0);
}

/* Admin commands */

static void identify(void **state)
{
	const uint8_t *p = f->memory + DATA_AT;
	struct command c = {.opcode = IDENTIFY, .prp1 = IOVA(DATA_AT), .cdw10 = 1};
	uint64_t eui;

	(void)state;
	assert_int_equal(status(0, c), 0);
	assert_memory_equal(p + 24, "macsim NVMe drive  ", 19);
	assert_int_equal(p[77], 9);  /* MDTS: 2 MiB */
	assert_int_equal(p[259], 3); /* AERL */
	assert_int_equal(p[512], 0x66);
	assert_int_equal(p[516], 1);     /* NN */
	assert_int_equal(p[525] & 1, 1); /* volatile write cache */
	assert_memory_equal(p + 768, "nqn.2014-08.org.nvmexpress:uuid:", 32);

	c.cdw10 = 0;
	c.nsid = 1;
	assert_int_equal(status(0, c), 0);
	assert_int_equal(*(const uint64_t *)(const void *)p, FILE_BYTES / 512);
	assert_int_equal(p[130], 9);
	memcpy(&eui, p + 120, 8);

	c.cdw10 = 3;
	assert_int_equal(status(0, c), 0);
	assert_int_equal(p[0], 1);
	assert_memory_equal(p + 4, &eui, 8);
	assert_int_equal(p[12], 3);

	c.cdw10 = 2;
	c.nsid = 0;
	assert_int_equal(status(0, c), 0);
	assert_int_equal(*(const uint64_t *)(const void *)p, 1);
	c.nsid = 1;
	assert_int_equal(status(0, c), 0);
	assert_int_equal(*(const uint64_t *)(const void *)p, 0);

	c.cdw10 = 0;
	c.nsid = 2;
	assert_int_equal(status(0, c), 0x0b);
	c.cdw10 = 6;
	assert_int_equal(status(0, c), 0x02);
}

static void queue_creation_is_checked(void **state)
{
	const struct command cq = {.opcode = CREATE_CQ, .prp1 = IOVA(CQ_AT(2)), .cdw10 = 15 << 16 | 2, .cdw11 = 3};
	const struct command sq = {
		.opcode = CREATE_SQ, .prp1 = IOVA(SQ_AT(2)), .cdw10 = 15 << 16 | 2, .cdw11 = 1 << 16 | 1};
	struct command c;

	(void)state;
#define WITH(base, change) (c = (base), c.change, c)
	assert_int_equal(status(0, WITH(cq, cdw10 = 15 << 16)), 0x101);
	assert_int_equal(status(0, WITH(cq, cdw10 = 15 << 16 | 9)), 0x101);
	assert_int_equal(status(0, WITH(cq, cdw10 = 15 << 16 | 1)), 0x101);
	assert_int_equal(status(0, WITH(cq, cdw10 = 2)), 0x102);
	assert_int_equal(status(0, WITH(cq, cdw10 = 1024u << 16 | 2)), 0x102);
	assert_int_equal(status(0, WITH(cq, cdw11 = 2)), 0x02);
	assert_int_equal(status(0, WITH(cq, prp1 += 8)), 0x13);
	assert_int_equal(status(0, WITH(cq, cdw11 = 9 << 16 | 3)), 0x108);
	assert_int_equal(status(0, WITH(sq, cdw11 = 1)), 0x100);
	assert_int_equal(status(0, WITH(sq, cdw11 = 2 << 16 | 1)), 0x100);
	assert_int_equal(status(0, WITH(sq, cdw10 = 15 << 16 | 1)), 0x101);
#undef WITH
	assert_int_equal(status(0, (struct command){.opcode = DELETE_CQ, .cdw10 = 1}), 0x10c);
	assert_int_equal(status(0, (struct command){.opcode = DELETE_SQ, .cdw10 = 2}), 0x101);
	assert_int_equal(status(0, (struct command){.opcode = DELETE_SQ, .cdw10 = 1}), 0);
	assert_int_equal(status(0, (struct command){.opcode = DELETE_CQ, .cdw10 = 1}), 0);
	assert_int_equal(status(0, (struct command){.opcode = DELETE_CQ, .cdw10 = 0}), 0x101);
	for (unsigned q = 1; q <= 8; q++)
		assert_int_equal(create_queues(q, ENTRIES, ENTRIES), 0);
	for (unsigned q = 1; q <= 8; q++)
		assert_int_equal(status(q, (struct command){.opcode = FLUSH, .nsid = 1}), 0);
}

static void features(void **state)
{
	struct command set = {.opcode = SET_FEATURES, .cdw10 = 7, .cdw11 = 0x3f003f};
	struct command get = {.opcode = GET_FEATURES, .cdw10 = 7};

	(void)state;
	assert_int_equal(run(0, get).dw0, 0x70007);
	assert_int_equal(status(0, set), 0x0c); /* queues exist */
	set.cdw10 = get.cdw10 = 6;
	assert_int_equal(run(0, get).dw0, 1);
	set.cdw11 = 0;
	assert_int_equal(status(0, set), 0);
	assert_int_equal(run(0, get).dw0, 0);
	set.cdw10 = get.cdw10 = 11;
	set.cdw11 = 0x1ff;
	assert_int_equal(status(0, set), 0);
	assert_int_equal(run(0, get).dw0, 0x1ff);
	set.cdw10 = 0x80000006;
	assert_int_equal(status(0, set), 0x10d);
	for (unsigned id = 0; id < 256; id++) {
		bool known = id && id <= 11 && id != 3;

		get.cdw10 = id;
		assert_int_equal(status(0, get), known ? 0 : 0x02);
	}
	store(CC, 0);
	model_settle(f, 2);
	enable();
	set = (struct command){.opcode = SET_FEATURES, .cdw10 = 7, .cdw11 = 0x3f003f};
	assert_int_equal(run(0, set).dw0, 0x70007);
	get.cdw10 = 6;
	assert_int_equal(run(0, get).dw0, 1); /* a reset brings the default back */
}

static void log_pages(void **state)
{
	struct command c = {.opcode = GET_LOG, .nsid = ~0u, .prp1 = IOVA(DATA_AT), .cdw10 = 127 << 16 | 2};
	const uint8_t *p = f->memory + DATA_AT;

	(void)state;
	assert_int_equal(status(1, transfer(READ, 0, 8, IOVA(BACK_AT), 0)), 0);
	assert_int_equal(status(0, c), 0);
	assert_in_range(p[1] | p[2] << 8, 273, 343);
	assert_int_equal(p[3], 100);
	assert_int_equal(p[64], 1); /* reads */
	memset(f->memory + DATA_AT, 0xee, 3 * PAGE);
	c.prp2 = IOVA(DATA_AT + PAGE);
	c.cdw10 = 2047 << 16 | 5; /* twice as long as the log */
	assert_int_equal(status(0, c), 0);
	assert_int_equal(p[4 * IDENTIFY], 1);
	assert_int_equal(p[1024 + 4 * WRITE], 3);
	assert_int_equal(p[2 * PAGE - 1], 0);
	assert_int_equal(p[2 * PAGE], 0xee);
	c.cdw10 = 3 << 16 | 0x77;
	assert_int_equal(status(0, c), 0x109);
	c.cdw10 = 3 << 16 | 2;
	c.cdw12 = 1024;
	assert_int_equal(status(0, c), 0x02);
}

static void async_events(void **state)
{
	struct command log = {.opcode = GET_LOG, .prp1 = IOVA(DATA_AT), .cdw10 = 15 << 16 | 1};
	uint16_t cid[4];
	struct completion c;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		cid[i] = submit(0, (struct command){.opcode = AER});
	model_settle(f, 2);
	assert_false(reap(0, &c));
	assert_int_equal(status(0, (struct command){.opcode = AER}), 0x105);

	/* A doorbell beyond the queue: an error event, once, until the log is read. */
	store(0x1000 + 8, ENTRIES);
	model_settle(f, 3);
	assert_true(reap(0, &c));
	assert_int_equal(c.status >> 1, 0);
	assert_int_equal(c.dw0, 1 << 16 | 1 << 8);
	store(0x1000 + 8 * 5, 1); /* a queue that does not exist */
	model_settle(f, 3);
	assert_false(reap(0, &c));
	assert_int_equal(status(0, log), 0);
	assert_true(reap(0, &c));
	assert_int_equal(c.dw0, 1 << 16);

	/* The two that are left can be aborted, another command can not. */
	submit(0, (struct command){.opcode = ABORT, .cdw10 = (uint32_t)cid[0] << 16});
	model_settle(f, 3);
	assert_true(reap(0, &c));
	assert_int_equal(c.cid, cid[0]);
	assert_int_equal(c.status >> 1 & 0x7ff, 0x07);
	assert_true(reap(0, &c));
	assert_int_equal(c.dw0, 0);
	assert_int_equal(run(0, (struct command){.opcode = ABORT, .cdw10 = 77 << 16 | 1}).dw0, 1);
	/* The bad doorbell did no harm. */
	assert_int_equal(status(1, (struct command){.opcode = FLUSH, .nsid = 1}), 0);
}

static void wrong_commands_are_refused(void **state)
{
	(void)state;
	assert_int_equal(status(0, (struct command){.opcode = 0x7f}), 0x01);
	assert_int_equal(status(1, (struct command){.opcode = 0x7f, .nsid = 1}), 0x01);
	assert_int_equal(status(1, (struct command){.opcode = FLUSH, .nsid = 2}), 0x0b);
	assert_int_equal(status(1, (struct command){.opcode = FLUSH, .nsid = 1, .flags = 0x40}), 0x02);
	assert_int_equal(status(1, transfer(READ, FILE_BYTES / 512 - 1, 2, IOVA(DATA_AT), 0)), 0x80);
	assert_int_equal(status(1, transfer(READ, ~0ULL, 2, IOVA(DATA_AT), 0)), 0x80);
	assert_int_equal(status(1, transfer(READ, 0, 4097, IOVA(DATA_AT), 0)), 0x02); /* MDTS */
	assert_int_equal(status(1, transfer(READ, 0, 1, IOVA(DATA_AT) + 2, 0)), 0x13);
	assert_int_equal(status(1, transfer(READ, 0, 16, IOVA(DATA_AT), IOVA(DATA_AT) + 8)), 0x13);
	assert_int_equal(status(1, transfer(READ, 0, 32, IOVA(DATA_AT), IOVA(LIST_AT) + 4)), 0x13);
	f->memory[LIST_AT] = 8;
	assert_int_equal(status(1, transfer(READ, 0, 32, IOVA(DATA_AT), IOVA(LIST_AT))), 0x13);
	/* A wrong command must not be tried again. */
	assert_true(run(1, (struct command){.opcode = 0x7f, .nsid = 1}).status >> 1 & 0x4000);
}

/* Data */

struct shape {
	uint32_t at, bytes, list;
};

/* One page, two, a list, lists that chain once and twice, and starts in the middle of a page. */
static void data_takes_every_shape(void **state)
{
	static const struct shape shapes[] = {
		{DATA_AT, 512, 0},
		{DATA_AT + 0xe00, 512, 0},
		{DATA_AT, PAGE, 0},
		{DATA_AT + 0xc00, 1024 + PAGE, 0},
		{DATA_AT, 2 * PAGE, 0},
		{DATA_AT, 3 * PAGE, LIST_AT},
		{DATA_AT + 4, 5 * PAGE, LIST_AT + 0x800},
		{DATA_AT + 0x200, 64 * PAGE, LIST_AT + PAGE - 8},
		{DATA_AT, 200 * PAGE, LIST_AT + PAGE - 80},
		{DATA_AT + 0x400, 512 * PAGE, LIST_AT + PAGE - 16},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *s = &shapes[i];
		uint64_t lba = 3 + 5 * i;
		struct command c = transfer(WRITE, lba, s->bytes / 512, 0, 0);

		noise(s->at, s->bytes);
		assert_int_equal(status(1, describe(c, s->at, s->bytes, s->list)), 0);
		assert_file(lba * 512, s->at, s->bytes);

		c.opcode = READ;
		memset(f->memory + BACK_AT, 0xee, s->bytes + 2 * PAGE);
		assert_int_equal(status(1, describe(c, BACK_AT + s->at % PAGE, s->bytes, s->list)), 0);
		assert_memory_equal(f->memory + BACK_AT + s->at % PAGE, f->memory + s->at, s->bytes);
		assert_int_equal(f->memory[BACK_AT + s->at % PAGE + s->bytes], 0xee);
	}
}

static void zeroes_and_deallocate(void **state)
{
	const uint32_t ranges[] = {0, 8, 16, 0, 0, 4, 100, 0};
	struct command dsm = {.opcode = DSM, .nsid = 1, .prp1 = IOVA(LIST_AT), .cdw10 = 1, .cdw11 = 4};

	(void)state;
	noise(DATA_AT, 8 * PAGE);
	assert_int_equal(status(1, describe(transfer(WRITE, 0, 64, 0, 0), DATA_AT, 8 * PAGE, LIST_AT)), 0);
	assert_int_equal(status(1, transfer(WRITE_ZEROES, 3, 2, 0, 0)), 0);
	memset(f->memory + DATA_AT + 3 * 512, 0, 1024);
	assert_file(0, DATA_AT, 8 * PAGE);

	memcpy(f->memory + LIST_AT, ranges, sizeof(ranges));
	assert_int_equal(status(1, dsm), 0);
	assert_int_equal(status(1, transfer(READ, 24, 8, IOVA(BACK_AT), 0)), 0);
	assert_memory_equal(f->memory + BACK_AT, f->memory + DATA_AT + 24 * 512, 8 * 512);
	f->memory[LIST_AT + 7] = 0xff; /* far too many blocks */
	assert_int_equal(status(1, dsm), 0x80);
	assert_int_equal(status(1, transfer(WRITE_ZEROES, FILE_BYTES / 512, 1, 0, 0)), 0x80);
}

static void blocks_of_4096(void **state)
{
	(void)state;
	model_stop(f);
	start_with("lba", "4096", "msix", "bar4");
	assert_int_equal(f->msix_bar, 4);
	enable();
	assert_int_equal(create_queues(1, ENTRIES, ENTRIES), 0);
	noise(DATA_AT, PAGE);
	assert_int_equal(status(1, transfer(WRITE, 7, 1, IOVA(DATA_AT), 0)), 0);
	assert_file(7 * PAGE, DATA_AT, PAGE);
	assert_int_equal(status(1, transfer(READ, FILE_BYTES / PAGE, 1, IOVA(DATA_AT), 0)), 0x80);
}

/* Queues */

static void queues_wrap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10 * ENTRIES + 5; i++) {
		f->memory[DATA_AT] = (uint8_t)i;
		assert_int_equal(status(1, transfer(WRITE, i, 1, IOVA(DATA_AT), 0)), 0);
	}
	assert_int_equal(f->msis[1], 10 * ENTRIES + 5);
}

/* As a driver does when it changes its queues: nothing of the old ones is left behind. */
static void queues_come_and_go(void **state)
{
	struct completion c;

	(void)state;
	submit(0, (struct command){.opcode = AER});
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(status(1, (struct command){.opcode = FLUSH, .nsid = 1}), 0);
		assert_int_equal(status(0, (struct command){.opcode = DELETE_SQ, .cdw10 = 1}), 0);
		assert_int_equal(status(0, (struct command){.opcode = DELETE_CQ, .cdw10 = 1}), 0);
		assert_int_equal(create_queues(1, ENTRIES, ENTRIES), 0);
	}
	model_settle(f, 3);
	assert_false(reap(0, &c)); /* no event either */
}

static void full_completion_queue_waits(void **state)
{
	struct completion c;
	uint16_t first;

	(void)state;
	assert_int_equal(create_queues(2, ENTRIES, 4), 0);
	first = submit(2, (struct command){.opcode = FLUSH, .nsid = 1});
	for (unsigned i = 1; i < 10; i++)
		submit(2, (struct command){.opcode = FLUSH, .nsid = 1});
	for (unsigned done = 0; done < 10;) {
		unsigned now = 0;

		model_settle(f, 3);
		while (reap(2, &c)) {
			assert_int_equal(c.cid, first + done + now);
			now++;
		}
		assert_int_equal(now, done == 9 ? 1 : 3);
		done += now;
	}
}

static void polls_are_short(void **state)
{
	unsigned polls = 0;

	(void)state;
	for (unsigned q = 2; q <= 8; q++)
		assert_int_equal(create_queues(q, 64, 64), 0);
	for (unsigned q = 2; q <= 8; q++)
		for (unsigned i = 0; i < 63; i++)
			submit(q, (struct command){.opcode = FLUSH, .nsid = 1});
	while (model_poll(f))
		polls++;
	assert_in_range(polls, 7 * 63 / 64, 20);
}

static void interrupts(void **state)
{
	struct completion c;
	unsigned before;

	(void)state;
	model_poll(f);
	assert_false(f->intx);
	before = f->msis[1];
	submit(1, (struct command){.opcode = FLUSH, .nsid = 1});
	model_settle(f, 3);
	assert_int_equal(f->msis[1], before + 1);
	assert_true(f->intx); /* level: until the head doorbell says that it was seen */
	store(0x0c, 1);
	model_poll(f);
	assert_false(f->intx);
	assert_int_equal(load(0x0c), 1);
	store(0x10, 1);
	model_poll(f);
	assert_true(f->intx);
	assert_int_equal(load(0x0c), 0);
	assert_true(reap(1, &c));
	model_settle(f, 2);
	assert_false(f->intx);

	/* A queue created without interrupts stays silent. */
	queue_is(2, ENTRIES, ENTRIES);
	assert_int_equal(status(0, (struct command){.opcode = CREATE_CQ,
						    .prp1 = IOVA(CQ_AT(2)),
						    .cdw10 = 15 << 16 | 2,
						    .cdw11 = 2 << 16 | 1}),
			 0);
	assert_int_equal(status(0, (struct command){.opcode = CREATE_SQ,
						    .prp1 = IOVA(SQ_AT(2)),
						    .cdw10 = 15 << 16 | 2,
						    .cdw11 = 2 << 16 | 1}),
			 0);
	submit(2, (struct command){.opcode = FLUSH, .nsid = 1});
	model_settle(f, 3);
	assert_int_equal(f->msis[2], 0);
	assert_true(reap(2, &c));
}

/* Errors on the bus */

static void bus_error_on_data(void **state)
{
	struct completion c;

	(void)state;
	f->deny_first = IOVA(DATA_AT + PAGE);
	f->deny_last = f->deny_first + 1;
	c = run(1, describe(transfer(READ, 0, 32, 0, 0), DATA_AT, 4 * PAGE, LIST_AT));
	assert_int_equal(c.status >> 1 & 0x7ff, 0x04);
	assert_false(c.status >> 1 & 0x4000); /* worth another try */
	assert_int_equal(status(1, describe(transfer(WRITE, 0, 32, 0, 0), DATA_AT, 4 * PAGE, LIST_AT)), 0x04);
	f->deny_first = IOVA(LIST_AT);
	f->deny_last = f->deny_first + PAGE;
	assert_int_equal(status(1, transfer(READ, 0, 32, IOVA(DATA_AT), IOVA(LIST_AT))), 0x04);
	f->deny_last = 0;
	assert_int_equal(status(1, describe(transfer(READ, 0, 32, 0, 0), DATA_AT, 4 * PAGE, LIST_AT)), 0);
	assert_int_equal(load(CSTS), RDY);
}

static void bus_error_on_queues_is_fatal(void **state)
{
	(void)state;
	f->deny_first = IOVA(SQ_AT(1));
	f->deny_last = f->deny_first + PAGE;
	submit(1, (struct command){.opcode = FLUSH, .nsid = 1});
	model_settle(f, 3);
	assert_int_equal(load(CSTS), RDY | CFS);

	f->deny_last = 0;
	store(CC, 0);
	model_settle(f, 2);
	enable();
	assert_int_equal(create_queues(1, ENTRIES, ENTRIES), 0);
	f->deny_first = IOVA(CQ_AT(1));
	f->deny_last = f->deny_first + PAGE;
	submit(1, (struct command){.opcode = FLUSH, .nsid = 1});
	model_settle(f, 3);
	assert_int_equal(load(CSTS), RDY | CFS);
	model_reset(f, SIM_RESET_HOT);
	assert_int_equal(load(CSTS), 0);

	/* Bus master off: the first fetch fails. */
	f->deny_last = 0;
	enable();
	f->bus_master = false;
	submit(0, (struct command){.opcode = AER});
	model_settle(f, 3);
	assert_int_equal(load(CSTS), RDY | CFS);
}

static void options_are_checked(void **state)
{
	static const struct {
		const char *key, *value, *says;
	} bad[] = {
		{"queues", "65", "queues=65"},  {"vectors", "0", "vectors=0"},    {"mdts", "12288", "power of two"},
		{"lba", "1024", "512 or 4096"}, {"msix", "bar1", "bar0 or bar4"},
	};
	static const char *const missing[] = {"file", "/nonexistent/nvme.img", NULL};

	(void)state;
	assert_int_equal(ftruncate(file, FILE_BYTES), 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start_with(bad[i].key, bad[i].value, NULL, NULL);
		assert_null(f);
		assert_non_null(strstr(model_failure, bad[i].says));
	}
	assert_null(model_start("nvme", NULL));
	assert_non_null(strstr(model_failure, "file="));
	assert_null(model_start("nvme", missing));
	assert_non_null(strstr(model_failure, "/nonexistent/nvme.img"));
	assert_int_equal(ftruncate(file, 1000), 0);
	start_with(NULL, NULL, NULL, NULL);
	assert_null(f);
	assert_non_null(strstr(model_failure, "multiple of 512"));

	assert_int_equal(ftruncate(file, FILE_BYTES), 0);
	start_with(NULL, NULL, NULL, NULL);
	assert_non_null(f);
	struct sim_function *first = f;
	start_with(NULL, NULL, NULL, NULL);
	assert_null(f);
	assert_non_null(strstr(model_failure, "in use"));
	model_stop(first);
}

/* Nothing a driver does may hurt the simulator; a reset always brings the controller back. */
static void random_driver(void **state)
{
	uint64_t seed = 0xf00d;
	unsigned executed = 0;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		model_reset(f, SIM_RESET_FLR);
		f->deny_last = 0;
		enable();
		assert_int_equal(load(CSTS), RDY);
		for (unsigned q = 1; q <= 4; q++)
			assert_int_equal(create_queues(q, ENTRIES, ENTRIES), 0);
		for (unsigned i = 0; i < 300; i++) {
			uint64_t r = model_random(&seed), s = model_random(&seed);
			unsigned q = r % 5;
			struct completion done;
			uint64_t words[sizeof(struct command) / 8];
			struct command c;

			/* A command with some bits of sense in it, and some that are noise. */
			for (unsigned w = 0; w < sizeof(words) / 8; w++)
				words[w] = model_random(&seed) & model_random(&seed);
			memcpy(&c, words, sizeof(c));
			c.opcode = s & 15;
			c.flags = s >> 4 & 15 ? 0 : c.flags;
			c.nsid = s >> 8 & 7 ? 1 : c.nsid;
			c.prp1 = IOVA(DATA_AT +
				      (c.prp1 & (s & 0x1000 ? 0xfffff000 & (MEMORY_BYTES / 2 - 1) : 0x1fffffff)));
			c.prp2 = IOVA(DATA_AT + (c.prp2 & 0x7ffff8));
			c.cdw10 &= s & 0x2000 ? 0x1fff : ~0u;
			c.cdw11 &= s & 0x4000 ? 0x30003 : ~0u;
			c.cdw12 &= 0xffff;
			submit(q, c);
			if (!(s >> 16 & 31))
				store((uint32_t)(s >> 21) & 0x1ffc, (uint32_t)model_random(&seed));
			if (!(s >> 40 & 63)) {
				f->deny_first = IOVA(s >> 46 & 0xffffff);
				f->deny_last = f->deny_first + PAGE;
			}
			for (unsigned p = 0; p < 3; p++)
				model_poll(f);
			while (reap(q, &done))
				executed++;
		}
	}
	assert_true(executed > 1000);
	model_reset(f, SIM_RESET_FLR);
	f->deny_last = 0;
	enable();
	assert_int_equal(create_queues(1, ENTRIES, ENTRIES), 0);
	assert_int_equal(status(1, transfer(READ, 0, 8, IOVA(DATA_AT), 0)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(power_on_registers, start, stop),
		cmocka_unit_test_setup_teardown(enable_handshake, start, stop),
		cmocka_unit_test_setup_teardown(enable_with_nonsense_fails, start, stop),
		cmocka_unit_test_setup_teardown(shutdown_is_reported, start_ready, stop),
		cmocka_unit_test_setup_teardown(resets_drop_work, start_ready, stop),
		cmocka_unit_test_setup_teardown(identify, start_ready, stop),
		cmocka_unit_test_setup_teardown(queue_creation_is_checked, start_ready, stop),
		cmocka_unit_test_setup_teardown(features, start_ready, stop),
		cmocka_unit_test_setup_teardown(log_pages, start_ready, stop),
		cmocka_unit_test_setup_teardown(async_events, start_ready, stop),
		cmocka_unit_test_setup_teardown(wrong_commands_are_refused, start_ready, stop),
		cmocka_unit_test_setup_teardown(data_takes_every_shape, start_ready, stop),
		cmocka_unit_test_setup_teardown(zeroes_and_deallocate, start_ready, stop),
		cmocka_unit_test_setup_teardown(blocks_of_4096, start_ready, stop),
		cmocka_unit_test_setup_teardown(queues_wrap, start_ready, stop),
		cmocka_unit_test_setup_teardown(queues_come_and_go, start_ready, stop),
		cmocka_unit_test_setup_teardown(full_completion_queue_waits, start_ready, stop),
		cmocka_unit_test_setup_teardown(polls_are_short, start_ready, stop),
		cmocka_unit_test_setup_teardown(interrupts, start_ready, stop),
		cmocka_unit_test_setup_teardown(bus_error_on_data, start_ready, stop),
		cmocka_unit_test_setup_teardown(bus_error_on_queues_is_fatal, start_ready, stop),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test_setup_teardown(random_driver, start_ready, stop),
	};

	return RUN_ON_A_FILE(tests);
}
