// SPDX-License-Identifier: GPL-2.0-or-later
// DMA mappings from the client library to the DART, whatever policy the DART follows. In any machine with a dmatest
// function at 03:00.0. One argument selects what needs a special machine: budget.sh.
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "dmatest_user.h"
#include "stack.h"

#define ADDRESS "03:00.0"

static struct dmatest d;

#define DO(call)                                                                                                       \
	do {                                                                                                           \
		if (call)                                                                                              \
			fail_msg("%s", d.why);                                                                         \
	} while (0)

static int open_it(void **state)
{
	(void)state;
	DO(dmatest_open(&d, ADDRESS));
	return 0;
}

/* Whatever a test did, nothing of it is left. */
static int close_it(void **state)
{
	(void)state;
	dmatest_close(&d);
	wait_until_free(ADDRESS);
	return 0;
}

/* ---- mappings ---- */

/* 32 pages from all over the process are one block for the device, in the order of the ranges. */
static void ranges_become_one_block(void **state)
{
	struct vfa_dma_range ranges[VFA_MAX_RANGES] = {{0}};
	struct vfa_dma_request req = map_request(ranges, VFA_MAX_RANGES);
	const struct vfa_device_info *info = vfa_info(d.dev);
	uint8_t *mem = memory(3 * VFA_MAX_RANGES * PAGE), *copy;
	struct dmatest_buffer all;
	size_t total = 0;

	(void)state;
	for (unsigned i = 0; i < VFA_MAX_RANGES; i++) {
		unsigned place = i * 7 % VFA_MAX_RANGES; /* neighbours are never neighbours */

		ranges[i] = (struct vfa_dma_range){(uintptr_t)mem + 3 * place * PAGE, (1 + i % 2) * PAGE};
		memset((void *)(uintptr_t)ranges[i].address, (int)i + 1, ranges[i].length);
		total += ranges[i].length;
	}
	assert_int_equal(submit_one(d.dev, &req), VFA_OK);
	assert_true(req.iova >= info->iova_first && req.iova + total - 1 <= info->iova_last);
	assert_int_equal(req.iova % PAGE, 0);
	assert_int_not_equal(req.handle, 0);

	/* The device reads it through one address... */
	DO(dmatest_map(&d, total, &all));
	DO(dmatest_copy(&d, 0, all.iova, req.iova, (uint32_t)total));
	copy = all.mem;
	for (unsigned i = 0; i < VFA_MAX_RANGES; i++) {
		assert_int_equal(copy[0], i + 1);
		assert_int_equal(copy[ranges[i].length - 1], i + 1);
		copy += ranges[i].length;
	}
	/* ...and writes it. */
	for (size_t i = 0; i < total; i++)
		all.mem[i] = (uint8_t)(i * 31 >> 8 ^ i);
	DO(dmatest_copy(&d, 0, req.iova, all.iova, (uint32_t)total));
	copy = all.mem;
	for (unsigned i = 0; i < VFA_MAX_RANGES; i++) {
		assert_memory_equal((void *)(uintptr_t)ranges[i].address, copy, ranges[i].length);
		copy += ranges[i].length;
	}
	req = unmap_request(req.handle);
	assert_int_equal(submit_one(d.dev, &req), VFA_OK);
}

static void a_batch_is_done_in_order(void **state)
{
	enum { COUNT = 200 };
	static struct vfa_dma_request req[COUNT], undo[COUNT];
	static struct vfa_dma_range ranges[COUNT];
	uint8_t *mem = memory(COUNT * PAGE);
	uint32_t before = stats_of(ADDRESS).mappings_live;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		ranges[i] = (struct vfa_dma_range){(uintptr_t)mem + i * PAGE, PAGE};
		req[i] = map_request(&ranges[i], 1);
	}
	ranges[50].length = PAGE + 1;
	ranges[70].length = 0;
	req[90] = unmap_request(12345);
	req[110].align = VFA_MAX_ALIGN_SHIFT + 1;
	assert_int_equal(vfa_dma_submit(d.dev, req, COUNT), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		enum vfa_status expected = i == 50    ? VFA_E_NOT_ALIGNED
					   : i == 70  ? VFA_E_BAD_RANGE
					   : i == 90  ? VFA_E_BAD_HANDLE
					   : i == 110 ? VFA_E_BAD_REQUEST
						      : VFA_OK;

		assert_int_equal(req[i].status, expected);
		assert_true(expected != VFA_OK || req[i].iova != 0);
		for (unsigned k = 0; k < i && expected == VFA_OK; k++)
			assert_true(req[k].status != VFA_OK || req[k].iova != req[i].iova);
	}
	assert_int_equal(stats_of(ADDRESS).mappings_live, before + COUNT - 4);
	for (unsigned i = 0; i < COUNT; i++)
		undo[i] = unmap_request(req[i].handle);
	assert_int_equal(vfa_dma_submit(d.dev, undo, COUNT), 0);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(undo[i].status, req[i].status == VFA_OK ? VFA_OK : VFA_E_BAD_HANDLE);
	assert_int_equal(stats_of(ADDRESS).mappings_live, before);
}

static void a_handle_works_once(void **state)
{
	uint8_t *mem = memory(PAGE);
	struct vfa_dma_range range = {(uintptr_t)mem, PAGE};
	struct vfa_dma_request req = map_request(&range, 1), undo;
	uint64_t first;

	(void)state;
	assert_int_equal(submit_one(d.dev, &req), VFA_OK);
	first = req.handle;
	undo = unmap_request(first);
	assert_int_equal(submit_one(d.dev, &undo), VFA_OK);
	assert_int_equal(submit_one(d.dev, &undo), VFA_E_BAD_HANDLE);
	assert_int_equal(submit_one(d.dev, &req), VFA_OK);
	assert_true(req.handle != first);
	undo = unmap_request(first); /* the old handle does not touch the new mapping */
	assert_int_equal(submit_one(d.dev, &undo), VFA_E_BAD_HANDLE);
	undo = unmap_request(UINT64_MAX);
	assert_int_equal(submit_one(d.dev, &undo), VFA_E_BAD_HANDLE);
	undo = unmap_request(req.handle);
	assert_int_equal(submit_one(d.dev, &undo), VFA_OK);
}

static void memory_that_is_not_there_is_refused(void **state)
{
	uint8_t *mem = memory(4 * PAGE);
	struct vfa_dma_range ranges[2] = {{(uintptr_t)mem, PAGE}, {(uintptr_t)mem + 2 * PAGE, PAGE}};
	struct vfa_dma_request req = map_request(ranges, 2);
	uint32_t before = stats_of(ADDRESS).mappings_live;

	(void)state;
	assert_int_equal(munmap(mem + 2 * PAGE, PAGE), 0);
	assert_int_equal(submit_one(d.dev, &req), VFA_E_BAD_RANGE);
	ranges[1] = (struct vfa_dma_range){UINT64_MAX / PAGE * PAGE, PAGE};
	assert_int_equal(submit_one(d.dev, &req), VFA_E_BAD_RANGE);
	assert_int_equal(stats_of(ADDRESS).mappings_live, before);
	req.nr_ranges = 1;
	assert_int_equal(submit_one(d.dev, &req), VFA_OK);
}

/* Small memory of a process may be beyond the machine's means to wire. */
#define LARGE (2u << 20)

static void the_device_keeps_the_pages_it_was_given(void **state)
{
	uint8_t *mem = memory(LARGE);
	struct vfa_dma_range range = {(uintptr_t)mem, PAGE};
	struct vfa_dma_request req = map_request(&range, 1);
	uint64_t sum;

	(void)state;
	memset(mem, 0x77, PAGE);
	assert_int_equal(submit_one(d.dev, &req), VFA_OK);
	assert_int_equal(munmap(mem, LARGE), 0);
	DO(dmatest_checksum(&d, 0, req.iova, PAGE, &sum)); /* still wired, so no fault */
	DO(dmatest_fill(&d, 0, req.iova, 0, PAGE));
}

static void alignment_is_met_or_refused(void **state)
{
	uint8_t *mem = memory(64 * PAGE);
	struct vfa_dma_range range = {(uintptr_t)mem, PAGE};
	unsigned met = 0, refused = 0;

	(void)state;
	for (unsigned shift = 14; shift <= VFA_MAX_ALIGN_SHIFT; shift++) {
		for (unsigned pages = 1; pages <= 64; pages *= 4) {
			struct vfa_dma_request req = map_request(&range, 1);

			range.length = pages * PAGE;
			req.align = (uint8_t)shift;
			assert_int_equal(submit_one(d.dev, &req), VFA_OK); /* a wish never fails */
			req.flags |= VFA_DMA_ALIGN_REQUIRED;
			if (submit_one(d.dev, &req) == VFA_OK) {
				assert_int_equal(req.iova & ((1u << shift) - 1), 0);
				met++;
			} else {
				assert_int_equal(req.status, VFA_E_NOT_ALIGNED);
				refused++;
			}
		}
	}
	assert_true(met > refused || getenv("DMA_SCATTERED"));
}

/* Whatever stands beside it, a mapping begins at its iova, ends after its length, and its bytes are the client's. */
static void wishes_are_congruences(void **state)
{
	enum { PAGES = 24, ROUNDS = 40 };
	struct vfa_dma_range ranges[2];
	struct vfa_stats before = stats_of(ADDRESS), after;
	struct vfa_dma_request req[ROUNDS];
	uint8_t *mem = memory(PAGES * PAGE);
	unsigned met = 0;

	(void)state;
	for (size_t i = 0; i < PAGES * PAGE; i += 8)
		*(uint64_t *)(mem + i) = i * 0x9e3779b97f4a7c15;
	ranges[0] = (struct vfa_dma_range){(uintptr_t)mem, 10 * PAGE};
	ranges[1] = (struct vfa_dma_range){(uintptr_t)mem + 10 * PAGE, (PAGES - 10) * PAGE};
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t sum;

		req[i] = map_request(ranges, 2);
		req[i].align = 18;      /* 16 pages */
		req[i].residue = i * 5; /* also beyond the modulus */
		assert_int_equal(submit_one(d.dev, &req[i]), VFA_OK);
		met += (req[i].iova - i * 5 * PAGE) % (16 * PAGE) == 0;
		DO(dmatest_checksum(&d, 0, req[i].iova, PAGES * PAGE, &sum));
		assert_true(sum == dmatest_fnv(mem, PAGES * PAGE));
	}
	after = stats_of(ADDRESS);
	assert_int_equal(after.misaligned - before.misaligned, ROUNDS - met);
	assert_true(met > ROUNDS * 3 / 4 || getenv("DMA_SCATTERED"));
	assert_int_equal(after.bytes_live - before.bytes_live, ROUNDS * PAGES * PAGE + after.padding_bytes);
	assert_true(after.operations - before.operations == ROUNDS &&
		    after.submit_calls - before.submit_calls == ROUNDS);
	for (unsigned i = 0; i < ROUNDS; i++) {
		req[i] = unmap_request(req[i].handle);
		assert_int_equal(submit_one(d.dev, &req[i]), VFA_OK);
	}
	after = stats_of(ADDRESS);
	assert_int_equal(after.bytes_live, before.bytes_live);
	assert_int_equal(after.padding_bytes, 0);
}

static void unmap_all_turns_bus_master_off(void **state)
{
	struct dmatest_buffer b;

	(void)state;
	DO(dmatest_map(&d, 8 * PAGE, &b));
	assert_int_equal(stats_of(ADDRESS).bus_master, 1);
	assert_int_equal(vfa_dma_unmap_all(d.dev), 0);
	assert_int_equal(stats_of(ADDRESS).bus_master, 0);
	assert_int_equal(stats_of(ADDRESS).mappings_live, 0);
	assert_int_equal(stats_of(ADDRESS).bytes_live, 0);
}

/* Traffic of all sizes with mappings that come and go; every byte is checked. */
static void traffic_under_random_mappings(void **state)
{
	enum { LIVE = 24 };
	struct dmatest_buffer live[LIVE] = {0};
	unsigned seed = 12345;

	(void)state;
	for (unsigned round = 0; round < 600; round++) {
		struct dmatest_buffer *b = &live[rand_r(&seed) % LIVE], *other = &live[rand_r(&seed) % LIVE];
		uint32_t bytes;

		if (!b->mem)
			DO(dmatest_map(&d, (1 + (size_t)rand_r(&seed) % 20) * PAGE, b));
		if (!other->mem || other == b)
			continue;
		bytes = 1 + (uint32_t)rand_r(&seed) % (b->bytes < other->bytes ? b->bytes : other->bytes);
		for (uint32_t i = 0; i < bytes; i += 61)
			b->mem[i] = (uint8_t)rand_r(&seed);
		DO(dmatest_copy(&d, round % d.queues, other->iova, b->iova, bytes));
		assert_memory_equal(other->mem, b->mem, bytes);
		if (round % 3 == 0)
			DO(dmatest_unmap(&d, other));
	}
	for (unsigned i = 0; i < LIVE; i++)
		if (live[i].mem)
			DO(dmatest_unmap(&d, &live[i]));
}

/* ---- budget: a window of 64 MiB ---- */

/* The dext refuses by itself: the platform is never asked for more than it has. */
static void the_dext_refuses_before_the_mapper_would(void **state)
{
	enum { BLOCK = 16 * PAGE, MAX = 4096 };
	static struct vfa_dma_request req[MAX];
	const struct vfa_device_info *info = vfa_info(d.dev);
	struct vfa_dma_range range = {(uintptr_t)memory(BLOCK), BLOCK};
	unsigned count = 0;
	struct vfa_stats stats;

	(void)state;
	do {
		req[count] = map_request(&range, 1);
	} while (submit_one(d.dev, &req[count]) == VFA_OK && ++count < MAX);
	stats = stats_of(ADDRESS);
	assert_int_equal(req[count].status, VFA_E_NO_SPACE);
	assert_int_equal(stats.last_error, 0);
	assert_true(stats.bytes_live <= info->dma_bytes_max);
	assert_true(stats.bytes_live + BLOCK > info->dma_bytes_max);
	assert_int_equal(stats.map_failures, 1);

	/* One out, one in. */
	req[0] = unmap_request(req[0].handle);
	assert_int_equal(submit_one(d.dev, &req[0]), VFA_OK);
	assert_int_equal(submit_one(d.dev, &req[count]), VFA_OK);
}

/* A mapper that has less than it says: its refusal is an answer like another, and costs nothing. */
static void a_refusal_of_the_mapper_is_survived(void **state)
{
	enum { MAX = 4096 };
	static struct vfa_dma_request req[MAX];
	struct vfa_dma_range range = {(uintptr_t)memory(PAGE), PAGE};
	unsigned count = 0;
	struct vfa_stats stats;

	(void)state;
	do {
		req[count] = map_request(&range, 1);
	} while (submit_one(d.dev, &req[count]) == VFA_OK && ++count < MAX);
	stats = stats_of(ADDRESS);
	assert_int_equal(req[count].status, VFA_E_NO_SPACE);
	assert_true(count > 10 && count < MAX);
	assert_int_not_equal(stats.last_error, 0);
	assert_int_equal(stats.mappings_live, count + 1); /* and the rings */
	req[0] = unmap_request(req[0].handle);
	assert_int_equal(submit_one(d.dev, &req[0]), VFA_OK);
	assert_int_equal(submit_one(d.dev, &req[count]), VFA_OK);
}

static void mappings_are_counted_too(void **state)
{
	enum { BATCH = 512 };
	static struct vfa_dma_request req[BATCH];
	const struct vfa_device_info *info = vfa_info(d.dev);
	struct vfa_dma_range range = {(uintptr_t)memory(PAGE), PAGE};
	uint32_t live = stats_of(ADDRESS).mappings_live;

	(void)state;
	for (;;) {
		for (unsigned i = 0; i < BATCH; i++)
			req[i] = map_request(&range, 1);
		assert_int_equal(vfa_dma_submit(d.dev, req, BATCH), 0);
		for (unsigned i = 0; i < BATCH && req[i].status == VFA_OK; i++)
			live++;
		if (req[BATCH - 1].status != VFA_OK)
			break;
	}
	assert_int_equal(req[BATCH - 1].status, VFA_E_NO_MAPPINGS);
	assert_int_equal(live, info->dma_mappings_max);
	assert_int_equal(stats_of(ADDRESS).mappings_live, live);
	assert_int_equal(stats_of(ADDRESS).last_error, 0);
}

/* ---- faults: the platform's calls fail, one after the other and at random ---- */

enum { FAULT_OPS = 24 };

/* A batch with wishes, of which some may be refused; what was given works, and everything can be given back. */
static unsigned a_batch_with_faults(uint8_t *mem)
{
	struct vfa_dma_range ranges[FAULT_OPS];
	struct vfa_dma_request req[FAULT_OPS];
	unsigned refused = 0;

	for (unsigned i = 0; i < FAULT_OPS; i++) {
		ranges[i] = (struct vfa_dma_range){(uintptr_t)mem, (1 + i) * PAGE};
		req[i] = map_request(&ranges[i], 1);
		req[i].align = (uint8_t)(14 + i % 4);
		req[i].residue = i;
	}
	assert_int_equal(vfa_dma_submit(d.dev, req, FAULT_OPS), 0);
	for (unsigned i = 0; i < FAULT_OPS; i++) {
		uint64_t sum;

		if (req[i].status != VFA_OK) {
			refused++;
			req[i].handle = 0;
			continue;
		}
		DO(dmatest_checksum(&d, 0, req[i].iova, (uint32_t)ranges[i].length, &sum));
		assert_true(sum == dmatest_fnv(mem, ranges[i].length));
	}
	for (unsigned i = 0; i < FAULT_OPS; i++) {
		if (!req[i].handle)
			continue;
		req[i] = unmap_request(req[i].handle);
		assert_int_equal(submit_one(d.dev, &req[i]), VFA_OK);
	}
	return refused;
}

static void any_platform_call_may_fail(void **state)
{
	static const char *const calls[] = {"prepare", "descriptor", "command"};
	struct vfa_stats before = stats_of(ADDRESS), after;
	uint8_t *mem = memory(FAULT_OPS * PAGE);
	unsigned refused = 0, batches = 0;
	char setting[64];

	(void)state;
	for (size_t i = 0; i < FAULT_OPS * PAGE; i += 8)
		*(uint64_t *)(mem + i) = i * 0x9e3779b97f4a7c15;
	for (unsigned call = 0; call < 3; call++) {
		for (unsigned nth = 1; nth <= 24; nth++) {
			unsigned here;

			snprintf(setting, sizeof(setting), "set fail_nth_%s=%u", calls[call], nth);
			control(setting);
			here = a_batch_with_faults(mem);
			assert_true(here <= 1); /* one failure costs one mapping, or an alignment */
			refused += here;
			batches++;
		}
		snprintf(setting, sizeof(setting), "set fail_nth_%s=0", calls[call]);
		control(setting);
	}
	assert_true(refused > 0);
	control("set fail_seed=5");
	control("set fail_one_in=4");
	for (unsigned i = 0; i < 16; i++, batches++)
		refused += a_batch_with_faults(mem);
	control("set fail_one_in=0");
	assert_int_equal(a_batch_with_faults(mem), 0);
	batches++;

	after = stats_of(ADDRESS);
	assert_int_equal(after.map_failures - before.map_failures, refused);
	assert_int_equal(after.maps - before.maps, batches * FAULT_OPS - refused);
	assert_int_equal(after.unmaps - before.unmaps, batches * FAULT_OPS - refused);
	assert_int_equal(after.bytes_live, before.bytes_live);
	assert_int_equal(after.mappings_live, before.mappings_live);
	assert_int_equal(after.padding_bytes, 0);
	assert_int_not_equal(after.last_error, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest faults_test[] = {
		cmocka_unit_test_setup_teardown(any_platform_call_may_fail, open_it, close_it),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ranges_become_one_block, open_it, close_it),
		cmocka_unit_test_setup_teardown(a_batch_is_done_in_order, open_it, close_it),
		cmocka_unit_test_setup_teardown(a_handle_works_once, open_it, close_it),
		cmocka_unit_test_setup_teardown(memory_that_is_not_there_is_refused, open_it, close_it),
		cmocka_unit_test_setup_teardown(the_device_keeps_the_pages_it_was_given, open_it, close_it),
		cmocka_unit_test_setup_teardown(alignment_is_met_or_refused, open_it, close_it),
		cmocka_unit_test_setup_teardown(wishes_are_congruences, open_it, close_it),
		cmocka_unit_test_setup_teardown(unmap_all_turns_bus_master_off, open_it, close_it),
		cmocka_unit_test_setup_teardown(traffic_under_random_mappings, open_it, close_it),
	};
	const struct CMUnitTest bytes_test[] = {
		cmocka_unit_test_setup_teardown(the_dext_refuses_before_the_mapper_would, open_it, close_it),
	};
	const struct CMUnitTest refusal_test[] = {
		cmocka_unit_test_setup_teardown(a_refusal_of_the_mapper_is_survived, open_it, close_it),
	};
	const struct CMUnitTest count_test[] = {
		cmocka_unit_test_setup_teardown(mappings_are_counted_too, open_it, close_it),
	};

	if (argc == 2 && !strcmp(argv[1], "faults"))
		return cmocka_run_group_tests(faults_test, NULL, NULL);
	if (argc == 2 && !strcmp(argv[1], "bytes"))
		return cmocka_run_group_tests(bytes_test, NULL, NULL);
	if (argc == 2 && !strcmp(argv[1], "refusal"))
		return cmocka_run_group_tests(refusal_test, NULL, NULL);
	if (argc == 2 && !strcmp(argv[1], "count"))
		return cmocka_run_group_tests(count_test, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
