// SPDX-License-Identifier: GPL-2.0-or-later
// An NVMe drive through the client library, by a host driver small enough to read. In a machine with the drive at
// 03:00.0, whose namespace is the file NVME_FILE.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stack.h"

#define ADDRESS    "03:00.0"
#define ENTRIES    16u
#define NVME_PAGE  4096u
#define DATA_BYTES (512u * 1024)

#define REG_CC   0x14
#define REG_CSTS 0x1c
#define CC_ON    0x460001u

enum { CREATE_SQ = 1, CREATE_CQ = 5, IDENTIFY = 6, FLUSH = 0, WRITE = 1, READ = 2 };

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

struct mapped {
	uint8_t *mem;
	uint64_t iova, handle;
};

struct queue {
	struct command *sq;
	struct completion *cq;
	uint64_t sq_iova, cq_iova;
	unsigned tail, head, phase;
};

static struct vfa_device *dev;
static struct mapped queue_memory, data, back, list;
static struct queue queues[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t event = PTHREAD_COND_INITIALIZER;
static uint64_t interrupts[2];

static void on_interrupt(void *opaque, unsigned vector)
{
	(void)opaque;
	pthread_mutex_lock(&lock);
	if (vector < 2)
		interrupts[vector]++;
	pthread_cond_broadcast(&event);
	pthread_mutex_unlock(&lock);
}

static uint32_t reg(uint32_t offset)
{
	uint64_t value;

	assert_int_equal(vfa_bar_read(dev, 0, offset, 4, &value), 0);
	return (uint32_t)value;
}

static void set_reg(uint32_t offset, uint32_t value)
{
	assert_int_equal(vfa_bar_write(dev, 0, offset, 4, value), 0);
}

static struct mapped map(size_t bytes)
{
	struct mapped m = {.mem = memory(bytes)};
	struct vfa_dma_range range = {(uintptr_t)m.mem, bytes};
	struct vfa_dma_request req = map_request(&range, 1);

	assert_int_equal(submit_one(dev, &req), VFA_OK);
	m.iova = req.iova;
	m.handle = req.handle;
	return m;
}

static void wait_status(uint32_t wanted)
{
	for (unsigned ms = 0; reg(REG_CSTS) != wanted; ms++) {
		assert_true(ms < 10000);
		sleep_ms(1);
	}
}

/* One command, to its interrupt. */
static unsigned run(unsigned q, struct command c)
{
	struct queue *queue = &queues[q];
	volatile struct completion *done = &queue->cq[queue->head];
	static uint16_t cid;
	struct timespec until;
	uint64_t before;
	int rc = 0;

	pthread_mutex_lock(&lock);
	before = interrupts[q];
	pthread_mutex_unlock(&lock);
	c.cid = ++cid;
	queue->sq[queue->tail] = c;
	queue->tail = (queue->tail + 1) % ENTRIES;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	set_reg(0x1000 + 8 * q, queue->tail);

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&lock);
	while (((done->status & 1) != queue->phase || interrupts[q] == before) && !rc)
		rc = pthread_cond_timedwait(&event, &lock, &until);
	pthread_mutex_unlock(&lock);
	assert_int_equal(rc, 0);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	assert_int_equal(done->cid, c.cid);
	queue->head = (queue->head + 1) % ENTRIES;
	queue->phase ^= queue->head == 0;
	set_reg(0x1000 + 8 * q + 4, queue->head);
	return done->status >> 1 & 0x7ff;
}

static void start_controller(void)
{
	memset(queue_memory.mem, 0, PAGE);
	for (unsigned q = 0; q < 2; q++)
		queues[q] = (struct queue){
			.sq = (struct command *)(void *)(queue_memory.mem + 2 * q * NVME_PAGE),
			.cq = (struct completion *)(void *)(queue_memory.mem + (2 * q + 1) * NVME_PAGE),
			.sq_iova = queue_memory.iova + 2 * q * NVME_PAGE,
			.cq_iova = queue_memory.iova + (2 * q + 1) * NVME_PAGE,
			.phase = 1,
		};
	set_reg(0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	set_reg(0x28, (uint32_t)queues[0].sq_iova);
	set_reg(0x2c, (uint32_t)(queues[0].sq_iova >> 32));
	set_reg(0x30, (uint32_t)queues[0].cq_iova);
	set_reg(0x34, (uint32_t)(queues[0].cq_iova >> 32));
	set_reg(REG_CC, CC_ON);
	wait_status(1);
	assert_int_equal(run(0, (struct command){.opcode = CREATE_CQ,
						 .prp1 = queues[1].cq_iova,
						 .cdw10 = (ENTRIES - 1) << 16 | 1,
						 .cdw11 = 1 << 16 | 3}),
			 0);
	assert_int_equal(run(0, (struct command){.opcode = CREATE_SQ,
						 .prp1 = queues[1].sq_iova,
						 .cdw10 = (ENTRIES - 1) << 16 | 1,
						 .cdw11 = 1 << 16 | 1}),
			 0);
}

static int start(void **state)
{
	static const struct vfa_callbacks callbacks = {.interrupt = on_interrupt};
	struct vfa_error err = {.text = ""};
	unsigned granted;
	uint64_t bytes;
	void *bar;

	(void)state;
	if (vfa_open(ADDRESS, &callbacks, NULL, &dev, &err))
		fail_msg("%s", err.text);
	vfa_bar_map(dev, 0, &bar, &bytes);
	assert_int_equal(vfa_irq_enable(dev, VFA_IRQ_MSIX, 2, &granted), 0);
	assert_int_equal(granted, 2);
	vfa_irq_set_enabled(dev, 0, true);
	vfa_irq_set_enabled(dev, 1, true);
	queue_memory = map(PAGE);
	data = map(DATA_BYTES);
	back = map(DATA_BYTES);
	list = map(PAGE);
	assert_int_equal(vfa_set_bus_master(dev, true), 0);
	start_controller();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	set_reg(REG_CC, 0);
	wait_status(0);
	vfa_close(dev);
	wait_until_free(ADDRESS);
	return 0;
}

static struct command transfer(uint8_t opcode, uint64_t lba, uint32_t bytes, uint64_t iova)
{
	struct command c = {
		.opcode = opcode,
		.nsid = 1,
		.prp1 = iova,
		.cdw10 = (uint32_t)lba,
		.cdw11 = (uint32_t)(lba >> 32),
		.cdw12 = bytes / 512 - 1,
	};
	uint64_t *entries = (uint64_t *)(void *)list.mem;

	if (bytes > NVME_PAGE)
		c.prp2 = list.iova;
	for (uint32_t page = 1; page * NVME_PAGE < bytes; page++)
		entries[page - 1] = iova + page * NVME_PAGE;
	return c;
}

static void noise(uint8_t *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(rand() >> 7);
}

static void identifies_itself(void **state)
{
	(void)state;
	assert_int_equal(run(0, (struct command){.opcode = IDENTIFY, .prp1 = data.iova, .cdw10 = 1}), 0);
	assert_memory_equal(data.mem + 4, "INTEGRATION", 11);
}

static void data_reaches_the_file_and_comes_back(void **state)
{
	uint8_t *file = memory(DATA_BYTES);
	int fd = open(getenv("NVME_FILE"), O_RDONLY | O_CLOEXEC);

	(void)state;
	noise(data.mem, DATA_BYTES);
	assert_int_equal(run(1, transfer(WRITE, 24, DATA_BYTES, data.iova)), 0);
	assert_int_equal(run(1, (struct command){.opcode = FLUSH, .nsid = 1}), 0);
	assert_int_equal(pread(fd, file, DATA_BYTES, 24 * 512), DATA_BYTES);
	assert_memory_equal(file, data.mem, DATA_BYTES);
	close(fd);
	assert_int_equal(run(1, transfer(READ, 24, DATA_BYTES, back.iova)), 0);
	assert_memory_equal(back.mem, data.mem, DATA_BYTES);
}

static void every_command_interrupts(void **state)
{
	uint64_t before = vfa_irq_count(dev, 1);

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		noise(data.mem, 512);
		assert_int_equal(run(1, transfer(WRITE, i, 512, data.iova)), 0);
		assert_int_equal(run(1, transfer(READ, i, 512, back.iova)), 0);
		assert_memory_equal(back.mem, data.mem, 512);
	}
	assert_int_equal(vfa_irq_count(dev, 1) - before, 600);
}

static void works_again_after_a_reset(void **state)
{
	(void)state;
	assert_int_equal(vfa_reset(dev, VFA_RESET_AUTO, NULL), 0);
	assert_int_equal(reg(REG_CSTS), 0);
	assert_int_equal(reg(REG_CC), 0);
	assert_int_equal(vfa_set_bus_master(dev, true), 0);
	start_controller();
	data_reaches_the_file_and_comes_back(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(identifies_itself, start, stop),
		cmocka_unit_test_setup_teardown(data_reaches_the_file_and_comes_back, start, stop),
		cmocka_unit_test_setup_teardown(every_command_interrupts, start, stop),
		cmocka_unit_test_setup_teardown(works_again_after_a_reset, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
