// SPDX-License-Identifier: GPL-2.0-or-later
// Devices whose registers act on access, through the client library: a SATA disk at 08:00.0, whose contents are the
// file SATA_FILE, and two network functions at 06:00.0 and 07:00.0 with a cable between them.
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stack.h"

struct device {
	const char *address;
	struct vfa_device *dev;
	unsigned bar;
	uint8_t *mem;
	uint64_t iova;
};

static struct device disk = {.address = "08:00.0", .bar = 5};
static struct device nics[2] = {{.address = "06:00.0"}, {.address = "07:00.0"}};

#define MEMORY_BYTES (4 * PAGE)

static uint32_t reg(struct device *d, uint32_t offset)
{
	uint64_t value;

	assert_int_equal(vfa_bar_read(d->dev, d->bar, offset, 4, &value), 0);
	return (uint32_t)value;
}

static void set_reg(struct device *d, uint32_t offset, uint32_t value)
{
	assert_int_equal(vfa_bar_write(d->dev, d->bar, offset, 4, value), 0);
}

/* Until the register has these bits. */
static void wait_reg(struct device *d, uint32_t offset, uint32_t mask, uint32_t wanted)
{
	for (unsigned ms = 0; (reg(d, offset) & mask) != wanted; ms++) {
		assert_true(ms < 10000);
		sleep_ms(1);
	}
}

static void wait_interrupt(struct device *d, unsigned vector, uint64_t before)
{
	for (unsigned ms = 0; vfa_irq_count(d->dev, vector) == before; ms++) {
		assert_true(ms < 10000);
		sleep_ms(1);
	}
}

static void put32(struct device *d, uint32_t at, uint32_t value)
{
	memcpy(d->mem + at, &value, 4);
}

static void put64(struct device *d, uint32_t at, uint64_t value)
{
	memcpy(d->mem + at, &value, 8);
}

static void on_interrupt(void *opaque, unsigned vector)
{
	(void)opaque;
	(void)vector;
}

static void open_device(struct device *d, enum vfa_irq_type type, unsigned vectors)
{
	static const struct vfa_callbacks callbacks = {.interrupt = on_interrupt};
	struct vfa_dma_range range;
	struct vfa_dma_request req;
	struct vfa_error err = {.text = ""};
	unsigned granted;
	uint64_t bytes;
	void *bar;

	if (vfa_open(d->address, &callbacks, NULL, &d->dev, &err))
		fail_msg("%s", err.text);
	/* It cannot be mapped, whatever the machine says. */
	assert_int_not_equal(vfa_bar_map(d->dev, d->bar, &bar, &bytes), 0);
	assert_int_equal(vfa_irq_enable(d->dev, type, vectors, &granted), 0);
	assert_int_equal(granted, vectors);
	for (unsigned i = 0; i < vectors; i++)
		vfa_irq_set_enabled(d->dev, i, true);
	d->mem = memory(MEMORY_BYTES);
	range = (struct vfa_dma_range){(uintptr_t)d->mem, MEMORY_BYTES};
	req = map_request(&range, 1);
	assert_int_equal(submit_one(d->dev, &req), VFA_OK);
	d->iova = req.iova;
	assert_int_equal(vfa_set_bus_master(d->dev, true), 0);
}

static void close_device(struct device *d)
{
	vfa_close(d->dev);
	wait_until_free(d->address);
}

/* The disk. In its memory: command list, received FISes at 0x400, a table per slot from 0x800 on, data in the second
 * page. */

#define TABLE_AT(slot) (0x800u + 0x100 * (slot))

static void start_port(void)
{
	set_reg(&disk, 0x04, 1u << 31 | 2);
	set_reg(&disk, 0x100, (uint32_t)disk.iova);
	set_reg(&disk, 0x104, (uint32_t)(disk.iova >> 32));
	set_reg(&disk, 0x108, (uint32_t)disk.iova + 0x400);
	set_reg(&disk, 0x10c, (uint32_t)((disk.iova + 0x400) >> 32));
	set_reg(&disk, 0x130, ~0u);
	set_reg(&disk, 0x110, ~0u);
	set_reg(&disk, 0x08, ~0u);
	set_reg(&disk, 0x114, ~0u);
	set_reg(&disk, 0x118, 1 << 4);
	set_reg(&disk, 0x118, 1 << 4 | 1);
}

/* A queued command for blocks at data + 4096 * slot. */
static void queue_command(unsigned slot, uint8_t command, uint64_t lba)
{
	const uint8_t fis[20] = {0x27, 0x80, command, 8, (uint8_t)lba, (uint8_t)(lba >> 8), 0, 0x40, [12] = slot << 3};

	memcpy(disk.mem + TABLE_AT(slot), fis, sizeof(fis));
	put64(&disk, TABLE_AT(slot) + 0x80, disk.iova + PAGE + 4096 * slot);
	put32(&disk, TABLE_AT(slot) + 0x8c, 4095);
	put32(&disk, 32 * slot, 5 | 1 << 16);
	put64(&disk, 32 * slot + 8, disk.iova + TABLE_AT(slot));
}

static void run_commands(uint32_t slots)
{
	uint64_t before = vfa_irq_count(disk.dev, 0);

	__atomic_thread_fence(__ATOMIC_RELEASE);
	set_reg(&disk, 0x134, slots);
	for (unsigned s = 0; s < 32; s++) /* one store each: none undoes another */
		if (slots & 1u << s)
			set_reg(&disk, 0x138, 1u << s);
	wait_reg(&disk, 0x134, ~0u, 0);
	wait_interrupt(&disk, 0, before);
	assert_int_equal(reg(&disk, 0x120) & 0xff, 0x50);
	set_reg(&disk, 0x110, ~0u);
	set_reg(&disk, 0x08, ~0u);
}

static void write_and_read(void)
{
	uint8_t block[4096], pattern[4096];
	int fd = open(getenv("SATA_FILE"), O_RDONLY | O_CLOEXEC);

	for (unsigned s = 0; s < 8; s++) {
		memset(disk.mem + PAGE + 4096 * s, 0x30 + (int)s, 4096);
		queue_command(s, 0x61, 100 + 8 * s);
	}
	run_commands(0xff);
	memset(disk.mem + PAGE, 0, 8 * 4096);
	for (unsigned s = 0; s < 8; s++)
		queue_command(s, 0x60, 100 + 8 * s);
	run_commands(0xff);
	for (unsigned s = 0; s < 8; s++) {
		memset(pattern, 0x30 + (int)s, sizeof(pattern));
		assert_int_equal(pread(fd, block, 4096, (100 + 8 * s) * 512), 4096);
		assert_memory_equal(block, pattern, 4096);
		assert_memory_equal(disk.mem + PAGE + 4096 * s, pattern, 4096);
	}
	close(fd);
}

static void disk_moves_data(void **state)
{
	(void)state;
	open_device(&disk, VFA_IRQ_MSI, 1);
	start_port();
	write_and_read();
	/* It has no reset of its own; that of the link brings it back as new. */
	assert_int_equal(vfa_reset(disk.dev, VFA_RESET_AUTO, NULL), 0);
	assert_int_equal(reg(&disk, 0x114), 0);
	assert_int_equal(vfa_set_bus_master(disk.dev, true), 0);
	start_port();
	write_and_read();
	close_device(&disk);
}

/* The network. In a function's memory: receive ring, transmit ring at 0x400, what is sent at 0x1000, buffers from
 * 0x2000. */

static void ask(struct device *d, uint32_t request, uint32_t argument)
{
	set_reg(d, 0x2fc, 4);
	set_reg(d, 0x200, request);
	set_reg(d, 0x204, argument);
	set_reg(d, 0x2fc, 1);
	assert_int_equal(reg(d, 0x2fc) & 0x30, 0x30);
	assert_int_equal(reg(d, 0x2fc) & 0x30, 0);
	assert_int_equal(reg(d, 0x200) & ~0x20000000u, 0x80000000u | request);
}

static void start_nic(struct device *d)
{
	open_device(d, VFA_IRQ_MSIX, 3);
	ask(d, 1, 0);
	ask(d, 8, 4);
	for (unsigned ring = 0x1000; ring <= 0x2000; ring += 0x1000) {
		uint64_t at = d->iova + (ring == 0x2000 ? 0x400 : 0);

		set_reg(d, ring, (uint32_t)at);
		set_reg(d, ring + 4, (uint32_t)(at >> 32));
		set_reg(d, ring + 8, 32 * 16);
		set_reg(d, ring + 0x14, 1 << 25 | 2);
		set_reg(d, ring + 0x28, 1 << 25);
	}
	for (unsigned i = 0; i < 4; i++)
		put64(d, 16 * i, d->iova + 0x2000 + 0x800 * i);
	set_reg(d, 0x1018, 4);
	set_reg(d, 0x120, 0x80 | 0x81 << 8);
	set_reg(d, 0x110, 7);
	set_reg(d, 0x114, 7);
	set_reg(d, 0x108, 7);
}

static void frames_cross_the_cable(void **state)
{
	(void)state;
	start_nic(&nics[0]);
	start_nic(&nics[1]);
	assert_true(reg(&nics[0], 0x10) & 1 << 30);
	for (unsigned i = 0; i < 2; i++) {
		struct device *from = &nics[i], *to = &nics[!i];
		uint64_t before = vfa_irq_count(to->dev, 0), sent = vfa_irq_count(from->dev, 1);
		uint32_t status, length;

		memset(from->mem + 0x1000, 0xff, 6); /* to all */
		for (unsigned b = 6; b < 1000; b++)
			from->mem[0x1000 + b] = (uint8_t)(b * 3 + i);
		put64(from, 0x400, from->iova + 0x1000);
		put32(from, 0x408, 1000 | 3 << 20 | 1 << 24 | 1 << 27 | 1 << 29);
		__atomic_thread_fence(__ATOMIC_RELEASE);
		set_reg(from, 0x2018, 1);
		wait_interrupt(to, 0, before);
		wait_interrupt(from, 1, sent);
		memcpy(&status, to->mem + 8, 4);
		memcpy(&length, to->mem + 12, 4);
		assert_int_equal(status & 3, 3);
		assert_int_equal(length & 0xffff, 1000);
		assert_memory_equal(to->mem + 0x2000, from->mem + 0x1000, 1000);
		memcpy(&status, from->mem + 0x40c, 4);
		assert_int_equal(status & 1, 1);
	}
	close_device(&nics[0]);
	close_device(&nics[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_moves_data),
		cmocka_unit_test(frames_cross_the_cable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
