// SPDX-License-Identifier: GPL-2.0-or-later
// Client library, dext and DART together, without a virtual machine: ownership, configuration space, BARs, reset,
// interrupts, and what is left when one side dies. In the machine host.machine.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "dmatest_user.h"
#include "stack.h"

#define PLAIN           "03:00.0"
#define NO_FLR          "04:00.0"
#define LEVEL           "05:00.0"
#define TRAPPED         "06:00.0"
#define TRAPPED_VECTORS 3

static struct vfa_device *open_device(const char *address)
{
	struct vfa_error err = {.text = ""};
	struct vfa_device *dev;

	if (vfa_open(address, NULL, NULL, &dev, &err))
		fail_msg("%s", err.text);
	return dev;
}

static void open_dmatest(struct dmatest *d, const char *address)
{
	if (dmatest_open(d, address))
		fail_msg("%s", d->why);
}

#define DO(d, call)                                                                                                    \
	do {                                                                                                           \
		if (call)                                                                                              \
			fail_msg("%s", (d)->why);                                                                      \
	} while (0)

/* ---- discovery and ownership ---- */

static void list_shows_every_device(void **state)
{
	struct vfa_error err = {.text = ""};
	struct vfa_listed *list;
	size_t count;

	(void)state;
	assert_int_equal(vfa_list(&list, &count, &err), 0);
	assert_int_equal(count, 4);
	for (size_t i = 0; i < count; i++) {
		const struct vfa_device_info *info = &list[i].info;

		assert_false(list[i].claimed);
		assert_int_equal(info->vendor, DMATEST_VENDOR);
		assert_int_equal(info->device_id, DMATEST_DEVICE);
		assert_int_equal(info->class_code, DMATEST_CLASS);
		assert_int_equal(info->dma_page, PAGE);
		assert_true(info->iova_first == 0x80000000 && info->iova_last == 0xdfffffff);
		assert_true(info->dma_bytes_max > 0x50000000 && info->dma_bytes_max < 0x60000000);
		assert_int_equal(info->bars[DMATEST_BAR_MEM].size, DMATEST_MEM_BYTES);
		assert_int_equal(info->bars[3].size, 0); /* upper half of BAR 2 */
		assert_int_equal(!!(info->flags & VFA_DEV_FLR), info->bus != 4);
		assert_int_equal(!!(info->bars[DMATEST_BAR_MEM].flags & VFA_BAR_MAPPABLE), info->bus < 5);
		assert_false(info->bars[DMATEST_BAR_SMALL].flags & VFA_BAR_MAPPABLE); /* less than a page */
		assert_int_equal(info->vectors[VFA_IRQ_MSIX] > 0, info->bus != 5);
		assert_int_equal(info->vectors[VFA_IRQ_INTX], 1);
	}
	free(list);
}

static void a_device_has_one_owner(void **state)
{
	struct vfa_error err = {.text = ""};
	struct vfa_device *other;
	struct vfa_listed listed;
	pid_t pid = start_holder(PLAIN, 5);

	(void)state;
	assert_int_equal(vfa_open(PLAIN, NULL, NULL, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, PLAIN));
	assert_int_equal(vfa_parse_address(PLAIN, &listed, &err), 0);
	assert_true(listed.claimed);
	assert_int_equal(stats_of(PLAIN).mappings_live, 5);
	assert_int_equal(stats_of(PLAIN).bus_master, 1);
	vfa_close(open_device(NO_FLR)); /* the neighbour is not concerned */
	kill_holder(pid);
	vfa_close(open_device(PLAIN));
	assert_int_equal(vfa_parse_address(PLAIN, &listed, &err), 0);
	assert_false(listed.claimed);
}

static void a_killed_owner_leaves_nothing(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		uint64_t resets = stats_of(PLAIN).resets;
		pid_t pid = start_holder(PLAIN, 200);
		struct vfa_device *dev;

		kill_holder(pid);
		dev = open_device(PLAIN); /* waits for the clean-up */
		assert_int_equal(stats_of(PLAIN).mappings_live, 0);
		assert_int_equal(stats_of(PLAIN).bytes_live, 0);
		assert_int_equal(stats_of(PLAIN).bus_master, 0);
		assert_int_equal(stats_of(PLAIN).resets, resets + 1);
		vfa_close(dev);
	}
}

static void closing_unmaps_and_silences(void **state)
{
	struct dmatest_buffer b;
	struct dmatest d;

	(void)state;
	open_dmatest(&d, PLAIN);
	DO(&d, dmatest_map(&d, 65536, &b));
	DO(&d, dmatest_fill(&d, 0, b.iova, 0x1122334455667788, 65536));
	dmatest_close(&d);
	assert_int_equal(stats_of(PLAIN).mappings_live, 0);
	assert_int_equal(stats_of(PLAIN).bus_master, 0);
	assert_int_equal(stats_of(PLAIN).owner, 0);
}

/* ---- configuration space ---- */

static uint32_t config(struct vfa_device *dev, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;

	assert_int_equal(vfa_config_read(dev, offset, bytes, &value), 0);
	return value;
}

static void config_set(struct vfa_device *dev, unsigned offset, unsigned bytes, uint32_t value)
{
	assert_int_equal(vfa_config_write(dev, offset, bytes, value), 0);
}

static unsigned find_capability(struct vfa_device *dev, uint8_t id)
{
	unsigned at = config(dev, 0x34, 1);

	while (at && config(dev, at, 1) != id)
		at = config(dev, at + 1, 1);
	return at;
}

static void config_space_is_read_whole(void **state)
{
	struct vfa_device *dev = open_device(PLAIN);
	uint32_t block[1024];

	(void)state;
	assert_int_equal(vfa_config_read_block(dev, 0, block, sizeof(block)), 0);
	assert_int_equal(block[0], DMATEST_DEVICE << 16 | DMATEST_VENDOR);
	for (unsigned at = 0; at < 256; at += 4)
		assert_int_equal(block[at / 4], config(dev, at, 4));
	assert_int_equal(config(dev, 2, 2), DMATEST_DEVICE);
	assert_int_equal(vfa_config_read(dev, 0x1000, 4, block), -EINVAL);
	vfa_close(dev);
}

static void config_filter_protects_the_host(void **state)
{
	struct vfa_device *dev = open_device(PLAIN);
	uint64_t filtered = stats_of(PLAIN).config_writes_filtered;
	unsigned msix = find_capability(dev, 0x11);
	uint32_t bar = config(dev, 0x18, 4), control, command = config(dev, 0x04, 2);

	(void)state;
	assert_true(command & 2);  /* memory space */
	assert_false(command & 4); /* bus master */
	config_set(dev, 0x04, 2, 0x0000);
	assert_int_equal(config(dev, 0x04, 2), command);
	config_set(dev, 0x04, 2, 0x0004);
	assert_int_equal(config(dev, 0x04, 2), command);
	assert_int_equal(vfa_set_bus_master(dev, true), 0);
	assert_int_equal(config(dev, 0x04, 2), command | 4);
	config_set(dev, 0x04, 2, 0x0000);
	assert_int_equal(config(dev, 0x04, 2), command | 4);

	config_set(dev, 0x18, 4, 0xffffffff);
	assert_int_equal(config(dev, 0x18, 4), bar);
	assert_true(msix);
	control = config(dev, msix + 2, 2);
	config_set(dev, msix + 2, 2, control ^ 0xc000);
	assert_int_equal(config(dev, msix + 2, 2), control);
	config_set(dev, 0x0c, 1, 0x20); /* the driver's own */
	assert_int_equal(config(dev, 0x0c, 1), 0x20);
	assert_int_equal(stats_of(PLAIN).config_writes_filtered, filtered + 5);
	vfa_close(dev);
}

/* ---- BARs ---- */

static void bars_can_be_reached_mapped_and_trapped(void **state)
{
	static const char *const address[] = {PLAIN, TRAPPED};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct vfa_device *dev = open_device(address[i]);
		uint64_t bytes = 0, value;
		void *bar;
		int ret = vfa_bar_map(dev, DMATEST_BAR_MEM, &bar, &bytes);

		assert_int_equal(ret, i ? -ENOTSUP : 0);
		assert_int_equal(vfa_bar_write(dev, DMATEST_BAR_MEM, 0x100, 8, 0x0123456789abcdef), 0);
		assert_int_equal(vfa_bar_read(dev, DMATEST_BAR_MEM, 0x104, 4, &value), 0);
		assert_int_equal(value, 0x01234567);
		assert_int_equal(vfa_bar_read(dev, DMATEST_BAR_MEM, 0x103, 1, &value), 0);
		assert_int_equal(value, 0x89);
		if (!i) {
			assert_int_equal(bytes, DMATEST_MEM_BYTES);
			assert_int_equal(((volatile uint16_t *)bar)[0x80], 0xcdef);
			vfa_bar_unmap(dev, DMATEST_BAR_MEM);
			/* the same memory through the dext */
			assert_int_equal(vfa_bar_read(dev, DMATEST_BAR_MEM, 0x100, 8, &value), 0);
			assert_true(value == 0x0123456789abcdef);
			assert_int_equal(vfa_bar_map(dev, DMATEST_BAR_MEM, &bar, &bytes), 0);
			vfa_bar_unmap(dev, DMATEST_BAR_MEM);
		}
		assert_int_equal(vfa_bar_map(dev, DMATEST_BAR_SMALL, &bar, &bytes), -ENOTSUP);
		assert_int_equal(vfa_bar_write(dev, DMATEST_BAR_SMALL, 0xffc, 4, 7), 0);
		assert_int_equal(vfa_bar_read(dev, DMATEST_BAR_SMALL, 0xffc, 4, &value), 0);
		assert_int_equal(value, 7);
		assert_int_equal(vfa_bar_read(dev, DMATEST_BAR_SMALL, DMATEST_SMALL_BYTES, 4, &value), -EINVAL);
		assert_int_equal(vfa_bar_read(dev, DMATEST_BAR_SMALL, UINT64_MAX - 3, 4, &value), -EINVAL);
		vfa_close(dev);
	}
}

/* ---- reset ---- */

static void reset_forgets_registers_and_keeps_mappings(void **state)
{
	static const struct {
		const char *address;
		enum vfa_reset wanted, performed;
	} cases[] = {
		{PLAIN, VFA_RESET_AUTO, VFA_RESET_FLR},
		{PLAIN, VFA_RESET_FLR, VFA_RESET_FLR},
		{PLAIN, VFA_RESET_HOT, VFA_RESET_HOT},
		{NO_FLR, VFA_RESET_AUTO, VFA_RESET_HOT},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum vfa_reset performed = VFA_RESET_AUTO;
		struct dmatest_buffer b;
		struct dmatest d;

		open_dmatest(&d, cases[i].address);
		DO(&d, dmatest_map(&d, PAGE, &b));
		dmatest_set_reg(&d, DMATEST_SCRATCH, 0x5eed);
		assert_int_equal(dmatest_reg(&d, DMATEST_SCRATCH), 0x5eed);
		assert_int_equal(vfa_reset(d.dev, cases[i].wanted, &performed), 0);
		assert_int_equal(performed, cases[i].performed);
		assert_int_equal(stats_of(cases[i].address).bus_master, 0);
		assert_int_equal(config(d.dev, 0x04, 2) & 6, 2); /* restored, without bus master */
		assert_int_equal(dmatest_reg(&d, DMATEST_SCRATCH), 0);

		/* Mappings and interrupts have survived. */
		DO(&d, dmatest_restart(&d));
		DO(&d, dmatest_fill(&d, 1, b.iova, 0xa5a5a5a5a5a5a5a5, PAGE));
		assert_int_equal(b.mem[PAGE - 1], 0xa5);
		dmatest_close(&d);
	}
}

static void reset_that_the_device_lacks_is_refused(void **state)
{
	struct vfa_device *dev = open_device(NO_FLR);
	uint64_t resets = stats_of(NO_FLR).resets;

	(void)state;
	assert_int_equal(vfa_reset(dev, VFA_RESET_FLR, NULL), -ENOTSUP);
	assert_int_equal(stats_of(NO_FLR).resets, resets);
	vfa_close(dev);
}

static void *reset_in_background(void *dev)
{
	return (void *)(intptr_t)vfa_reset(dev, VFA_RESET_AUTO, NULL);
}

/* What the device's calls answer while one reset runs; false: not seen, the reset was over too soon. */
static bool busy_during_a_reset(struct vfa_device *dev, struct vfa_dma_request *req)
{
	bool config_busy = false, map_busy = false;
	uint64_t until = now_ms() + 1000;
	uint32_t value;
	pthread_t thread;
	void *result;

	assert_int_equal(pthread_create(&thread, NULL, reset_in_background, dev), 0);
	while (!(config_busy && map_busy) && now_ms() < until) {
		config_busy |= vfa_config_read(dev, 0, 4, &value) == -EBUSY;
		if (config_busy && submit_one(dev, req) == VFA_E_BUSY)
			map_busy = true;
	}
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	return config_busy && map_busy;
}

/* A call that waited for the reset would hold up the clean-up after its client's death. */
static void calls_during_a_reset_do_not_wait_for_it(void **state)
{
	struct vfa_device *dev = open_device(PLAIN);
	uint8_t *mem = memory(PAGE);
	struct vfa_dma_range range = {(uintptr_t)mem, PAGE};
	struct vfa_dma_request req = map_request(&range, 1);
	bool seen = false;
	uint32_t value;

	(void)state;
	for (unsigned attempt = 0; attempt < 10 && !seen; attempt++)
		seen = busy_during_a_reset(dev, &req);
	assert_true(seen);
	assert_int_equal(vfa_config_read(dev, 0, 4, &value), 0);
	assert_int_equal(submit_one(dev, &req), VFA_OK);
	vfa_close(dev);
}

static __attribute__((noreturn)) void hold_resetting(const char *address)
{
	struct vfa_device *dev = open_device(address);
	pthread_t thread;

	if (pthread_create(&thread, NULL, reset_in_background, dev))
		exit(1);
	sleep_ms(30);
	tell_ready();
}

static void an_owner_killed_during_its_reset_is_cleaned_up(void **state)
{
	struct vfa_device *dev;

	(void)state;
	kill_holder(start_process("--reset", PLAIN, ""));
	dev = open_device(PLAIN);
	assert_int_equal(stats_of(PLAIN).mappings_live, 0);
	vfa_close(dev);
}

/* ---- interrupts ---- */

#define EDGES 100000

static uint64_t callbacks_of(struct dmatest *d, unsigned vector)
{
	uint64_t count;

	pthread_mutex_lock(&d->lock);
	count = d->interrupts[vector];
	pthread_mutex_unlock(&d->lock);
	return count;
}

/* ... when no more of them come. */
static uint64_t settled_callbacks_of(struct dmatest *d, unsigned vector)
{
	uint64_t before, now = callbacks_of(d, vector);

	do {
		before = now;
		sleep_ms(150);
		now = callbacks_of(d, vector);
	} while (now != before);
	return now;
}

/* The device raises as fast as it can; what is coalesced is counted, and the last edge is always seen. */
static void no_edge_of_a_hundred_thousand_is_lost(void **state)
{
	struct dmatest d;
	uint64_t callbacks;

	(void)state;
	open_dmatest(&d, PLAIN);
	DO(&d, dmatest_raise(&d, 2, EDGES, 60000));
	for (unsigned waited = 0; vfa_irq_count(d.dev, 2) < EDGES && waited < 5000; waited += 5)
		sleep_ms(5);
	assert_int_equal(vfa_irq_count(d.dev, 2), EDGES);
	callbacks = settled_callbacks_of(&d, 2);
	assert_true(callbacks >= 1 && callbacks <= EDGES);

	/* One more, alone: nothing is stuck, and nothing of the burst comes late. */
	DO(&d, dmatest_raise(&d, 2, 1, 5000));
	DO(&d, dmatest_wait_interrupts(&d, 2, callbacks + 1, 5000));
	assert_int_equal(settled_callbacks_of(&d, 2), callbacks + 1);
	dmatest_close(&d);
}

/* Every single edge must arrive, because the next one waits for it. */
static void edges_arrive_one_by_one(void **state)
{
	struct dmatest d;

	(void)state;
	open_dmatest(&d, PLAIN);
	for (uint64_t i = 1; i <= 5000; i++) {
		unsigned vector = i % d.vectors;
		uint64_t before = callbacks_of(&d, vector);

		DO(&d, dmatest_raise(&d, vector, 1, 5000));
		DO(&d, dmatest_wait_interrupts(&d, vector, before + 1, 5000));
	}
	dmatest_close(&d);
}

static void disabled_vectors_deliver_once_when_enabled(void **state)
{
	struct dmatest d;

	(void)state;
	open_dmatest(&d, PLAIN);
	vfa_irq_set_enabled(d.dev, 3, false);
	for (unsigned i = 0; i < 5; i++)
		DO(&d, dmatest_raise(&d, 3, 1, 5000));
	DO(&d, dmatest_raise(&d, 1, 1, 5000)); /* the neighbour is not held up */
	DO(&d, dmatest_wait_interrupts(&d, 1, 1, 5000));
	assert_int_equal(settled_callbacks_of(&d, 3), 0);
	vfa_irq_set_enabled(d.dev, 3, true);
	DO(&d, dmatest_wait_interrupts(&d, 3, 1, 5000));
	assert_int_equal(settled_callbacks_of(&d, 3), 1);
	assert_int_equal(vfa_irq_count(d.dev, 3), 5);
	dmatest_close(&d);
}

static void interrupts_can_be_switched_off_and_on(void **state)
{
	struct dmatest d;
	unsigned granted;

	(void)state;
	open_dmatest(&d, PLAIN);
	for (unsigned round = 0; round < 20; round++) {
		uint64_t before = callbacks_of(&d, 0);

		DO(&d, dmatest_raise(&d, 0, 1, 5000));
		DO(&d, dmatest_wait_interrupts(&d, 0, before + 1, 5000));
		assert_int_equal(vfa_irq_disable(d.dev), 0);
		before = callbacks_of(&d, 0);
		DO(&d, dmatest_raise(&d, 0, 3, 5000));
		sleep_ms(5);
		assert_int_equal(callbacks_of(&d, 0), before);
		assert_int_equal(vfa_irq_enable(d.dev, VFA_IRQ_MSIX, 4, &granted), 0);
		assert_int_equal(granted, 4);
		vfa_irq_set_enabled(d.dev, 0, true);
	}
	dmatest_close(&d);
}

static void fewer_vectors_than_wanted_are_granted(void **state)
{
	struct dmatest d;

	(void)state;
	open_dmatest(&d, TRAPPED);
	assert_true(vfa_info(d.dev)->vectors[VFA_IRQ_MSIX] > TRAPPED_VECTORS);
	assert_int_equal(d.vectors, TRAPPED_VECTORS);
	for (unsigned v = 0; v < TRAPPED_VECTORS; v++) {
		DO(&d, dmatest_raise(&d, v, 1, 5000));
		DO(&d, dmatest_wait_interrupts(&d, v, 1, 5000));
	}
	dmatest_close(&d);
}

static void count_interrupt(void *opaque, unsigned vector)
{
	assert_int_equal(vector, 0);
	__atomic_fetch_add((unsigned *)opaque, 1, __ATOMIC_SEQ_CST);
}

static void wait_count(const unsigned *count, unsigned wanted)
{
	for (unsigned waited = 0; __atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted && waited < 5000; waited++)
		sleep_ms(1);
	sleep_ms(30);
	assert_int_equal(__atomic_load_n(count, __ATOMIC_SEQ_CST), wanted);
}

static void a_level_interrupt_waits_to_be_unmasked(void **state)
{
	static const struct vfa_callbacks callbacks = {.interrupt = count_interrupt};
	struct vfa_error err = {.text = ""};
	struct vfa_device *dev;
	unsigned granted, count = 0;

	(void)state;
	if (vfa_open(LEVEL, &callbacks, &count, &dev, &err))
		fail_msg("%s", err.text);
	assert_int_equal(vfa_irq_enable(dev, VFA_IRQ_MSIX, 1, &granted), -ENOTSUP);
	assert_int_equal(vfa_irq_enable(dev, VFA_IRQ_INTX, 1, &granted), 0);
	assert_int_equal(vfa_bar_write(dev, DMATEST_BAR_REGS, DMATEST_INTX, 4, 1), 0);
	wait_count(&count, 1);
	assert_int_equal(vfa_irq_unmask(dev), 0); /* still asserted */
	wait_count(&count, 2);
	assert_int_equal(vfa_bar_write(dev, DMATEST_BAR_REGS, DMATEST_INTX, 4, 0), 0);
	sleep_ms(20);
	assert_int_equal(vfa_irq_unmask(dev), 0);
	assert_int_equal(vfa_irq_unmask(dev), 0);
	wait_count(&count, 2);
	assert_int_equal(vfa_bar_write(dev, DMATEST_BAR_REGS, DMATEST_INTX, 4, 1), 0);
	wait_count(&count, 3);
	assert_int_equal(vfa_bar_write(dev, DMATEST_BAR_REGS, DMATEST_INTX, 4, 0), 0);
	vfa_close(dev);
}

/* The function runs on MSI-X; INTx is made of its first message. */
static void intx_is_emulated_over_messages(void **state)
{
	static const struct vfa_callbacks callbacks = {.interrupt = count_interrupt};
	struct vfa_error err = {.text = ""};
	struct vfa_device *dev;
	unsigned granted, count = 0;

	(void)state;
	if (vfa_open(PLAIN, &callbacks, &count, &dev, &err))
		fail_msg("%s", err.text);
	assert_int_equal(vfa_set_bus_master(dev, true), 0);
	assert_int_equal(vfa_irq_enable(dev, VFA_IRQ_INTX, 1, &granted), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		uint64_t last;

		assert_int_equal(vfa_bar_read(dev, DMATEST_BAR_REGS, DMATEST_IRQ_TEST(0), 4, &last), 0);
		assert_int_equal(vfa_bar_write(dev, DMATEST_BAR_REGS, DMATEST_IRQ_TEST(0), 4, last + 1), 0);
		sleep_ms(30);
	}
	wait_count(&count, 1); /* masked since the first */
	assert_int_equal(vfa_irq_unmask(dev), 0);
	wait_count(&count, 2); /* the others, as one */
	assert_int_equal(vfa_irq_unmask(dev), 0);
	wait_count(&count, 2);
	vfa_close(dev);
}

/* ---- ends ---- */

static void wait_gone(struct dmatest *d)
{
	for (unsigned waited = 0; waited < 5000; waited += 5) {
		bool gone;

		pthread_mutex_lock(&d->lock);
		gone = d->gone;
		pthread_mutex_unlock(&d->lock);
		if (gone)
			return;
		sleep_ms(5);
	}
	fail_msg("no notice that the device is gone");
}

static void reopen(struct dmatest *d, const char *address)
{
	uint64_t until = now_ms() + 10000;
	struct dmatest_buffer b;

	while (dmatest_open(d, address)) {
		if (now_ms() > until)
			fail_msg("%s", d->why);
		sleep_ms(20);
	}
	DO(d, dmatest_map(d, PAGE, &b));
	DO(d, dmatest_fill(d, 0, b.iova, 1, PAGE));
	DO(d, dmatest_unmap(d, &b));
	dmatest_close(d);
}

static void death_of_the_dext_is_noticed_and_survived(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct dmatest_buffer b;
		struct dmatest d;
		uint32_t value;

		open_dmatest(&d, PLAIN);
		DO(&d, dmatest_map(&d, 4 * PAGE, &b));
		DO(&d, dmatest_fill(&d, 0, b.iova, 2, 4 * PAGE));
		control("kill-dext " PLAIN);
		wait_gone(&d);
		assert_int_equal(vfa_config_read(d.dev, 0, 4, &value), -ENODEV);
		assert_int_equal(vfa_reset(d.dev, VFA_RESET_AUTO, NULL), -ENODEV);
		dmatest_close(&d);
		reopen(&d, PLAIN);
	}
}

static void unplugging_is_noticed_and_replugging_works(void **state)
{
	struct vfa_error err = {.text = ""};
	struct vfa_listed listed;
	struct dmatest_buffer b;
	struct dmatest d;
	uint64_t before = registry_id(PLAIN);

	(void)state;
	open_dmatest(&d, PLAIN);
	DO(&d, dmatest_map(&d, 4 * PAGE, &b));
	control("unplug " PLAIN);
	wait_gone(&d);
	dmatest_close(&d);
	assert_int_equal(vfa_parse_address(PLAIN, &listed, &err), -ENOENT);
	control("plug " PLAIN);
	reopen(&d, PLAIN);
	assert_true(registry_id(PLAIN) != before);
}

static void unplugging_an_idle_device_is_quiet(void **state)
{
	struct dmatest d;

	(void)state;
	control("unplug " NO_FLR);
	control("plug " NO_FLR);
	reopen(&d, NO_FLR);
}

/* ---- a device that does not stop by itself ---- */

#define RUNAWAY_BYTES (2u << 20)

/* From now on the device reads the first and writes the last bytes of this memory, again and again. */
static void run_away(struct dmatest *d, struct dmatest_buffer *b)
{
	struct dmatest_desc forever = {
		.op = DMATEST_OP_PERSIST, .nr_src = 1, .nr_dst = 1, .pattern = 0x4242424242424242, .length = PAGE};

	DO(d, dmatest_map(d, RUNAWAY_BYTES, b));
	forever.src = (struct dmatest_segment){.address = b->iova, .length = PAGE};
	forever.dst = (struct dmatest_segment){.address = b->iova + RUNAWAY_BYTES - PAGE, .length = PAGE};
	DO(d, dmatest_run(d, 0, &forever, NULL));
	for (unsigned i = 0; i < 3; i++) {
		volatile uint8_t *written = b->mem + RUNAWAY_BYTES - PAGE;

		*written = 0;
		for (unsigned waited = 0; *written != 0x42 && waited < 1000; waited++)
			sleep_ms(1);
		assert_int_equal(*written, 0x42);
	}
}

static __attribute__((noreturn)) void hold_runaway(const char *address)
{
	struct dmatest_buffer b;
	struct dmatest d;

	if (dmatest_open(&d, address)) {
		fprintf(stderr, "holder: %s\n", d.why);
		exit(1);
	}
	run_away(&d, &b);
	tell_ready();
}

enum ending { CLOSE, KILL_OWNER, UNMAP_ALL, RESET_AND_CLOSE, KILL_DEXT, UNPLUG, ENDINGS };

static void end_here(struct dmatest *d, enum ending ending)
{
	switch (ending) {
	case UNMAP_ALL:
		assert_int_equal(vfa_dma_unmap_all(d->dev), 0);
		break;
	case RESET_AND_CLOSE:
		assert_int_equal(vfa_reset(d->dev, VFA_RESET_AUTO, NULL), 0);
		break;
	case KILL_DEXT:
		control("kill-dext " PLAIN);
		wait_gone(d);
		break;
	case UNPLUG:
		control("unplug " PLAIN);
		wait_gone(d);
		control("plug " PLAIN);
		break;
	default:
		break;
	}
	dmatest_close(d);
}

/* Bus master off before any unmap, whatever ends: not one access reaches memory that has been taken away. */
static void a_runaway_device_is_silenced_before_its_memory_goes(void **state)
{
	(void)state;
	for (enum ending ending = CLOSE; ending < ENDINGS; ending++) {
		struct dmatest_buffer b;
		struct dmatest d;

		if (ending == KILL_OWNER) {
			kill_holder(start_process("--runaway", PLAIN, ""));
		} else {
			open_dmatest(&d, PLAIN);
			run_away(&d, &b);
			end_here(&d, ending);
		}
		reopen(&d, PLAIN);
		wait_until_free(PLAIN);
		if (stray_accesses())
			fail_msg("ending %d: %u stray accesses", (int)ending, stray_accesses());
	}
}

/* Proves that the test above could fail: the owner itself pulls the memory away under the running device. */
static void an_unmap_under_a_running_device_is_caught(void **state)
{
	struct dmatest_buffer b;
	struct dmatest d;

	(void)state;
	open_dmatest(&d, PLAIN);
	run_away(&d, &b);
	assert_int_equal(stray_accesses(), 0);
	DO(&d, dmatest_unmap_dma(&d, &b));
	sleep_ms(50);
	dmatest_close(&d);
	assert_true(stray_accesses() > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_shows_every_device),
		cmocka_unit_test(a_device_has_one_owner),
		cmocka_unit_test(a_killed_owner_leaves_nothing),
		cmocka_unit_test(closing_unmaps_and_silences),
		cmocka_unit_test(config_space_is_read_whole),
		cmocka_unit_test(config_filter_protects_the_host),
		cmocka_unit_test(bars_can_be_reached_mapped_and_trapped),
		cmocka_unit_test(reset_forgets_registers_and_keeps_mappings),
		cmocka_unit_test(reset_that_the_device_lacks_is_refused),
		cmocka_unit_test(calls_during_a_reset_do_not_wait_for_it),
		cmocka_unit_test(an_owner_killed_during_its_reset_is_cleaned_up),
		cmocka_unit_test(no_edge_of_a_hundred_thousand_is_lost),
		cmocka_unit_test(edges_arrive_one_by_one),
		cmocka_unit_test(disabled_vectors_deliver_once_when_enabled),
		cmocka_unit_test(interrupts_can_be_switched_off_and_on),
		cmocka_unit_test(fewer_vectors_than_wanted_are_granted),
		cmocka_unit_test(a_level_interrupt_waits_to_be_unmasked),
		cmocka_unit_test(intx_is_emulated_over_messages),
		cmocka_unit_test(death_of_the_dext_is_noticed_and_survived),
		cmocka_unit_test(unplugging_is_noticed_and_replugging_works),
		cmocka_unit_test(unplugging_an_idle_device_is_quiet),
		cmocka_unit_test(a_runaway_device_is_silenced_before_its_memory_goes),
	};
	const struct CMUnitTest control_test[] = {
		cmocka_unit_test(an_unmap_under_a_running_device_is_caught),
	};

	if (argc == 4 && !strcmp(argv[1], "--hold"))
		hold(argv[2], (unsigned)atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "--reset"))
		hold_resetting(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "--runaway"))
		hold_runaway(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "control"))
		return cmocka_run_group_tests(control_test, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
